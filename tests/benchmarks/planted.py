"""Requests with a planted effect: who takes part, and what everyone would have done.

A fixed population of people has 40 measured variables. The chance of taking part and the chance of
reoffending both depend on them, so that who takes part would have reoffended less often anyway. A
request draws its treatment group from the population by the chance of taking part and its pool
evenly; outcomes are drawn anew for each.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

PEOPLE = 300_000
NUMBERS, FLAGS = 12, 28
SHARED = 0.2
LIKE = -0.58
OUTCOME_SLOPE, COUNT_SLOPE = 1.0, 0.68
BASE_RATE, BASE_COUNT = 0.45, 1.5
LOG_ODDS, RATE_RATIO = -0.3, 0.82
SPREAD = 1.5


@dataclass(frozen=True)
class Scenario:
    """One kind of request.

    Parameters
    ----------
    name : str
        In the tables.
    treated, pool : int
        People in the treatment group and in the pool.
    slope : float
        Of the logit of taking part on its index, a standard deviation of 1; 0.954 gives an area
        under the curve of 0.75 and 1.466 one of 0.85.
    bent : float
        Of the same logit on the square of the outcome's index, which no score of the variables
        themselves contains.
    need : float
        Of the logits of taking part and of reoffending on a need that nobody measured.
    replications : int
        As many as a full run has.
    redraws : int
        More draws of the treated people's outcomes in each replication, for the power alone.
    """

    name: str
    treated: int
    pool: int
    slope: float = 0.954
    bent: float = 0.0
    need: float = 0.0
    replications: int = 4000
    redraws: int = 0


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("300 people", 300, 50_000),
        Scenario("small pool", 300, 2_500, slope=1.466),
        Scenario("wrong score model", 300, 20_000, bent=0.12),
        Scenario("60 people", 60, 10_000, replications=10_000),
        Scenario("30 people", 30, 10_000, replications=10_000),
        Scenario("unmeasured need", 300, 20_000, need=0.5),
        Scenario("numbers needed", 435, 72_500, replications=2_000, redraws=25),
    )
}


@dataclass(frozen=True, eq=False)
class Population:
    """The people requests are drawn from: variables and indices with mean 0 and variance 1."""

    variables: np.ndarray
    part: np.ndarray
    outcome: np.ndarray
    need: np.ndarray


@cache
def population(seed: int = 20140313) -> Population:
    """Make the population; numbers and flags share one factor."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(PEOPLE, 1))
    own = rng.normal(size=(PEOPLE, NUMBERS + FLAGS))
    variables = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own
    cuts = rng.uniform(-0.2, 1, FLAGS)
    variables[:, NUMBERS:] = variables[:, NUMBERS:] > cuts
    one, other = (_unit(variables @ rng.normal(size=NUMBERS + FLAGS)) for _ in range(2))
    apart = _unit(other - one * (one @ other) / len(one))
    outcome = LIKE * one + np.sqrt(1 - LIKE**2) * apart
    return Population(variables, one, outcome, rng.normal(size=PEOPLE))


def _unit(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


@dataclass(frozen=True, eq=False)
class World:
    """A scenario's chances in the population."""

    scenario: Scenario

    @cached_property
    def likelier(self) -> np.ndarray:
        """How much likelier each person is to take part, summed up from the first."""
        people, s = population(), self.scenario
        bend = (people.outcome**2 - 1) / np.sqrt(2)
        tilt = s.slope * people.part + s.bent * bend + s.need * people.need
        return np.cumsum(np.exp(tilt - tilt.max()))

    @cached_property
    def chances(self) -> tuple[np.ndarray, np.ndarray]:
        """Chance of reoffending without and with the programme."""
        people, s = population(), self.scenario
        index = OUTCOME_SLOPE * people.outcome + s.need * people.need
        level = brentq(lambda a: self._taking_part(expit(a + index)) - BASE_RATE, -5, 5)
        return expit(level + index), expit(level + index + LOG_ODDS)

    @cached_property
    def counts(self) -> np.ndarray:
        """Mean number of reoffences without the programme."""
        people, s = population(), self.scenario
        mean = np.exp(COUNT_SLOPE * (people.outcome + s.need * people.need))
        return mean * BASE_COUNT / self._taking_part(mean)

    def _taking_part(self, values: np.ndarray) -> float:
        """Mean over who takes part."""
        return float(np.average(values, weights=np.diff(self.likelier, prepend=0)))


@dataclass(frozen=True, eq=False)
class Request:
    """One request: the treated first, then the pool.

    Parameters
    ----------
    variables : array
        Measured variables.
    treated : bool array
        Who took part.
    rate, count : array
        Outcomes without the programme.
    rate_with, count_with : array
        Outcomes of the treated people with it.
    gain_rate, gain_count : array
        The planted difference of each treated person.
    chance : array
        Of the treated people reoffending with it.
    """

    variables: np.ndarray
    treated: np.ndarray
    rate: np.ndarray
    count: np.ndarray
    rate_with: np.ndarray
    count_with: np.ndarray
    gain_rate: np.ndarray
    gain_count: np.ndarray
    chance: np.ndarray = field(repr=False)


@cache
def world(name: str) -> World:
    """Return the world of a scenario."""
    return World(SCENARIOS[name])


def draw(name: str, replication: int) -> Request:
    """Draw one request of a scenario; the same replication draws the same.

    Notes
    -----
    The two outcomes of a treated person share their draws: a person who would reoffend does so
    with the programme too or is spared, and each reoffence is spared with the same chance.
    """
    here = world(name)
    s, people = here.scenario, population()
    rng = np.random.default_rng([replication, list(SCENARIOS).index(name)])
    ours = np.searchsorted(here.likelier, rng.random(s.treated) * here.likelier[-1])
    rows = np.concatenate([ours, rng.integers(0, PEOPLE, s.pool)])
    without, with_it = here.chances
    luck = rng.random(len(rows))
    mean = here.counts[rows] * rng.gamma(SPREAD, 1 / SPREAD, len(rows))
    count = rng.poisson(mean).astype(float)
    return Request(
        variables=people.variables[rows],
        treated=np.arange(len(rows)) < s.treated,
        rate=(luck < without[rows]).astype(float),
        count=count,
        rate_with=(luck[: s.treated] < with_it[ours]).astype(float),
        count_with=rng.binomial(count[: s.treated].astype(int), RATE_RATIO).astype(float),
        gain_rate=with_it[ours] - without[ours],
        gain_count=(RATE_RATIO - 1) * here.counts[ours],
        chance=with_it[ours],
    )
