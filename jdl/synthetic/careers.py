"""Made-up criminal careers, one episode after another, to the end of the records.

After each disposal the hazard of the next proven offence is ``exp(log_hazard) * exp(-DECAY *
years)``, counted from the index date. A programme multiplies it within a window of days.

The constants are set to figures published for England and Wales. On the page of "Proven
re-offending quarterly, January to December 2011" (Ministry of Justice): 26.8 per cent of offenders
overall, 11 per cent without and 48 per cent with eleven or more previous offences, 2.9 reoffences
per reoffender. From the same bulletin as remembered, not looked up again: adults released from
custody about 47 per cent, from sentences under twelve months about 58, of twelve months or more
about 36; adults starting a court order about 34; men about 28, women about 19; falling with age.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from jdl.national import NEEDS, code_list
from jdl.synthetic.people import (
    LAST_DAY,
    NEVER,
    SPECIALITIES,
    Bools,
    Draws,
    Floats,
    Ints,
    People,
    day,
    pick,
)

DECAY = 0.14
MOST_EPISODES = 99
UNMEASURED_HAZARD = 0.15

OFFENCES = code_list("offence_group")
CUSTODY, SUSPENDED, COMMUNITY, FINE, CAUTION, DISCHARGE, OTHER = range(7)
CONVICTION, CAUTIONED, REPRIMAND, WARNING, NOTICE = range(5)
DRUGS, ALCOHOL = NEEDS.index("drugs"), NEEDS.index("alcohol")


def _table(rows: dict[str, dict[str, float]], names: tuple[str, ...]) -> Floats:
    table = np.zeros((len(names), len(OFFENCES)))
    for row, name in enumerate(names):
        for offence, weight in rows[name].items():
            table[row, OFFENCES.index(offence)] = weight
    return np.asarray(np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1))


VIOLENCE, DAMAGE, ORDER = "violence against the person", "criminal damage and arson", "public order"
MOTORING, LESSER = "summary motoring", "summary non-motoring"
MISC, WEAPONS = "miscellaneous crimes against society", "possession of weapons"
# fmt: off
OFFENCE_CDF = _table(
    {
        "acquisitive": {
            "theft": 50, "burglary": 13, "fraud": 5, "drug": 9, "robbery": 3, VIOLENCE: 5, ORDER: 4,
            MOTORING: 4, LESSER: 4, DAMAGE: 2, MISC: 1,
        },
        "violent": {
            VIOLENCE: 39, ORDER: 16, DAMAGE: 10, LESSER: 8, WEAPONS: 5, "theft": 6, "drug": 5,
            MOTORING: 7,
            MISC: 3, "robbery": 1,
        },
        "young": {
            ORDER: 17, "theft": 20, DAMAGE: 14, VIOLENCE: 20, LESSER: 10, "drug": 10, "burglary": 5,
            "robbery": 2,
            WEAPONS: 2,
        },
        "motoring": {
            MOTORING: 60, VIOLENCE: 9, "drug": 8, LESSER: 9, "theft": 5, ORDER: 6, MISC: 3,
        },
        "drugs": {
            "drug": 55, "theft": 12, VIOLENCE: 8, WEAPONS: 4, MOTORING: 8, ORDER: 5, MISC: 5,
            LESSER: 3,
        },
        "fraud": {"fraud": 58, "theft": 20, MISC: 8, LESSER: 7, MOTORING: 6, "other": 1},
        "sexual": {"sexual": 60, VIOLENCE: 10, ORDER: 10, "theft": 5, MISC: 15},
    },
    SPECIALITIES,
)
# fmt: on
# Per offence group: share indictable, share either way, seriousness in sentencing, and push on the
# hazard.
_TRAITS: dict[str, tuple[float, float, float, float]] = {
    VIOLENCE: (0.06, 0.40, 0.2, -0.05),
    "sexual": (0.60, 0.40, 2.2, -0.60),
    "robbery": (1.0, 0.0, 2.7, 0.05),
    "burglary": (0.12, 0.88, 1.6, 0.20),
    "theft": (0.0, 0.97, -0.1, 0.35),
    "fraud": (0.05, 0.90, -0.2, -0.30),
    DAMAGE: (0.03, 0.27, -0.8, 0.05),
    "drug": (0.05, 0.92, 0.0, -0.10),
    WEAPONS: (0.10, 0.75, 0.6, -0.05),
    ORDER: (0.03, 0.27, -0.6, 0.10),
    MISC: (0.30, 0.50, 0.3, -0.15),
    MOTORING: (0.0, 0.0, -1.4, -0.25),
    LESSER: (0.0, 0.0, -1.2, 0.0),
    "breach": (0.0, 0.40, 0.0, 0.0),
    "other": (0.10, 0.40, -0.5, 0.0),
}
TRAITS = np.array([_TRAITS[offence] for offence in OFFENCES])


@dataclass(frozen=True)
class Episodes:
    """Occasions on which someone was dealt with; dates are days since 1970-01-01.

    Parameters
    ----------
    who : place of the person in the chunk
    number : 0 for the first occasion of a career
    offence, offence_date, conviction_date, sentence_date : the principal offence and when it was
    dealt with
    disposal, proven_by : codes
    offences : how many offences were dealt with
    previous, previous_offences, previous_custody : counts before this occasion
    last_release : the release before this occasion, or 0
    sentence_days, custody_start, release, order_end : 0 where they do not apply
    index : the day from which a person could reoffend
    employed, claiming : at conviction
    prison : 0 where it does not apply
    log_hazard : of the next proven offence, per year at the index date
    """

    who: Ints
    number: Ints
    offence: Ints
    offence_date: Ints
    conviction_date: Ints
    sentence_date: Ints
    disposal: Ints
    proven_by: Ints
    offences: Ints
    previous: Ints
    previous_offences: Ints
    previous_custody: Ints
    last_release: Ints
    sentence_days: Ints
    custody_start: Ints
    release: Ints
    order_end: Ints
    index: Ints
    employed: Bools
    claiming: Bools
    prison: Ints
    log_hazard: Floats

    def __len__(self) -> int:
        return len(self.who)

    def take(self, index: Ints | Bools) -> Episodes:
        """Return some of the episodes."""
        return Episodes(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @classmethod
    def join(cls, parts: list[Episodes]) -> Episodes:
        """Put episodes together."""
        return cls(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)}
        )


@dataclass(frozen=True)
class Programme:
    """What a programme does to the hazard of each person of the chunk.

    Parameters
    ----------
    factor : multiplies the hazard; 1 for people who do not take part
    start, end : the days between which it does
    """

    factor: Floats
    start: Ints
    end: Ints

    @classmethod
    def none(cls, n: int) -> Programme:
        """Nobody takes part."""
        return cls(np.ones(n), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64))


@dataclass(frozen=True)
class _Coming:
    """People about to be dealt with once more."""

    who: Ints
    number: Ints
    offence_date: Ints
    previous: Ints
    previous_offences: Ints
    previous_custody: Ints
    last_release: Ints


def live(people: People) -> Episodes:
    """Simulate every career without any programme.

    Parameters
    ----------
    people : People

    Returns
    -------
    Episodes
        Including those whose conviction falls after the end of the records.
    """
    n = len(people)
    zero = np.zeros(n, dtype=np.int64)
    first = _Coming(np.arange(n), zero, people.onset, zero, zero, zero, zero)
    return _follow(people, first, Programme.none(n))


def relive(people: People, treated: Episodes, programme: Programme) -> Episodes:
    """Simulate again what follows the given episodes, with the programme and the same draws.

    Parameters
    ----------
    people : People
    treated : Episodes
        At most one a person.
    programme : Programme

    Returns
    -------
    Episodes
        Only those after the given ones.
    """
    return _follow(people, _next(people, treated, programme), programme)


def _follow(people: People, coming: _Coming, programme: Programme) -> Episodes:
    parts: list[Episodes] = []
    while len(coming.who) or not parts:
        episodes = _deal(people, coming)
        parts.append(episodes)
        coming = _next(people, episodes, programme)
    return Episodes.join(parts)


def _next(people: People, episodes: Episodes, programme: Programme) -> _Coming:
    draws = people.draws.take(episodes.who).at(episodes.number)
    years = _waiting(draws.exponential("gap"), np.exp(episodes.log_hazard), episodes, programme)
    days = np.where(np.isfinite(years), years * 365.25 + 1, NEVER)
    date = episodes.index + np.minimum(days, NEVER).astype(np.int64)
    on = (date <= np.minimum(LAST_DAY, people.death[episodes.who] - 1)) & (
        episodes.number < MOST_EPISODES - 1
    )
    going = episodes.take(on)
    custody = going.disposal == CUSTODY
    return _Coming(
        who=going.who,
        number=going.number + 1,
        offence_date=date[on],
        previous=going.previous + 1,
        previous_offences=going.previous_offences + going.offences,
        previous_custody=going.previous_custody + custody,
        last_release=np.where(custody, going.release, going.last_release),
    )


def _waiting(effort: Floats, rate: Floats, episodes: Episodes, programme: Programme) -> Floats:
    """Return the years until the cumulative hazard reaches `effort`; infinite if it never does."""
    factor = programme.factor[episodes.who]
    a, b = (
        np.maximum(edge[episodes.who] - episodes.index, 0) / 365.25
        for edge in (programme.start, programme.end)
    )
    before, until = (rate * -np.expm1(-DECAY * edge) / DECAY for edge in (a, b))
    inside = (effort - before) / factor + before
    after = effort - (factor - 1) * (until - before)
    plain = np.where(effort <= before, effort, np.where(inside <= until, inside, after))
    share = np.minimum(plain * DECAY / rate, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log1p(-share) / DECAY)


def spans(spells: tuple[Ints, Ints], who: Ints, date: Ints, since: Ints) -> Bools:
    """Say who is in a spell at a date; custody ended those begun before the last release."""
    start, end = spells[0][who], spells[1][who]
    return np.asarray(
        ((start <= date[:, None]) & (date[:, None] < end) & (start > since[:, None])).any(axis=1)
    )


def _deal(people: People, coming: _Coming) -> Episodes:
    who = coming.who
    draws = people.draws.take(who).at(coming.number)
    age = (coming.offence_date - people.birth[who]) / 365.25
    offence = pick(OFFENCE_CDF[people.speciality[who]], draws.uniform("offence"))
    proven_by = _proven_by(draws, coming, age, offence)
    disposal = _disposal(people, draws, coming, age, offence, proven_by)
    conviction = coming.offence_date + _delay(draws, offence, proven_by)
    later = draws.chance(0.2, "adjourned") & (proven_by == CONVICTION)
    sentence = conviction + later * (7 + draws.below(22, "report"))
    custody = _custody(draws, disposal, offence, coming, sentence, age)
    free = (custody["custody_start"] == 0) | (custody["custody_start"] >= conviction)
    employed = free & spans(people.jobs, who, conviction, coming.last_release)
    claiming = free & spans(people.claims, who, conviction, coming.last_release)
    episodes = Episodes(
        who=who,
        number=coming.number,
        offence=offence,
        offence_date=coming.offence_date,
        conviction_date=conviction,
        sentence_date=sentence,
        disposal=disposal,
        proven_by=proven_by,
        offences=_how_many(people, draws, who),
        previous=coming.previous,
        previous_offences=coming.previous_offences,
        previous_custody=coming.previous_custody,
        last_release=coming.last_release,
        **custody,
        index=np.where(disposal == CUSTODY, custody["release"], sentence),
        employed=employed,
        claiming=claiming,
        prison=_prison(people, draws, who, disposal),
        log_hazard=np.zeros(len(who)),
    )
    return replace(episodes, log_hazard=_log_hazard(people, episodes))


def _how_many(people: People, draws: Draws, who: Ints) -> Ints:
    mean = 1.1 * np.exp(0.25 * np.clip(people.propensity[who], -2, 3))
    return 1 + np.minimum(np.floor(draws.exponential("offences") * mean + 0.18), 14).astype(
        np.int64
    )


def _proven_by(draws: Draws, coming: _Coming, age: Floats, offence: Ints) -> Ints:
    """First and lesser offences out of court: reprimand and warning under 18, else caution."""
    grave = TRAITS[offence, 2] > 1.0
    motoring = offence == OFFENCES.index(MOTORING)
    usual = np.choose(np.minimum(coming.previous, 3), [0.43, 0.22, 0.11, 0.05])
    out = draws.chance(np.where(grave | motoring, 0.02, usual), "out of court")
    young = np.where(coming.previous == 0, REPRIMAND, WARNING)
    ended = coming.offence_date >= day("2013-04-08")
    return np.where(out, np.where((age < 18) & ~ended, young, CAUTIONED), CONVICTION)


def _disposal(
    people: People, draws: Draws, coming: _Coming, age: Floats, offence: Ints, proven_by: Ints
) -> Ints:
    weight = TRAITS[offence, 2]
    record = np.log1p(coming.previous)
    custody = (
        -3.3
        + 1.05 * weight
        + 0.62 * record
        + 0.75 * np.log1p(coming.previous_custody)
        - 1.3 * (age < 18)
        - 0.5 * people.female[coming.who]
    )
    order = (
        -0.35 + 0.55 * weight + 0.25 * record + 0.6 * (age < 18) + 0.3 * people.female[coming.who]
    )
    suspended = (
        (coming.offence_date >= day("2005-03-01")) & (age >= 18) & draws.chance(0.27, "suspended")
    )
    lesser = pick(np.cumsum([0.60, 0.30, 0.10]), draws.uniform("lesser"))
    outcome = np.choose(lesser, [FINE, DISCHARGE, OTHER])
    outcome = np.where(
        draws.chance(_logistic(order), "order"), np.where(suspended, SUSPENDED, COMMUNITY), outcome
    )
    outcome = np.where(draws.chance(_logistic(custody), "custody"), CUSTODY, outcome)
    return np.where(proven_by == CONVICTION, outcome, CAUTION)


def _logistic(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)))


def _delay(draws: Draws, offence: Ints, proven_by: Ints) -> Ints:
    crown = TRAITS[offence, 0] + 0.3 * TRAITS[offence, 1]
    court = np.exp(4.05 + 0.55 * crown + 0.75 * draws.normal("delay"))
    police = 40 * draws.uniform("police delay") ** 2
    return np.where(proven_by == CONVICTION, np.clip(court, 1, 700), police).astype(np.int64)


def _custody(
    draws: Draws, disposal: Ints, offence: Ints, coming: _Coming, sentence: Ints, age: Floats
) -> dict[str, Ints]:
    """Length imposed, half of it served, less remand and early release; orders' ends."""
    inside = disposal == CUSTODY
    middle = 4.95 + 0.42 * TRAITS[offence, 2] + 0.05 * np.log1p(coming.previous)
    length = np.clip(np.exp(middle + 0.95 * draws.normal("length")), 7, 14 * 365).astype(np.int64)
    remand = (draws.chance(0.4, "remand") * length * 0.5 * draws.uniform("remand days")).astype(
        np.int64
    )
    early = draws.chance(0.25, "tag") & (length >= 180) & (length < 4 * 365)
    served = length // 2 - early * np.minimum(length // 6, 90)
    start = np.maximum(sentence - remand, coming.offence_date + 1)
    years = np.choose(
        pick(np.cumsum([0.1, 0.65, 0.15, 0.1]), draws.uniform("order")), [0.5, 1, 1.5, 2]
    )
    order = (disposal == SUSPENDED) | (disposal == COMMUNITY)
    return {
        "sentence_days": np.where(inside, length, 0),
        "custody_start": np.where(inside, start, 0),
        "release": np.where(inside, np.maximum(start + served, sentence), 0),
        "order_end": np.where(order, sentence + (years * 365.25).astype(np.int64), 0),
    }


PRISONS_PER_REGION = 4


def _prison(people: People, draws: Draws, who: Ints, disposal: Ints) -> Ints:
    """The prison of release: usually in the home region; women go to three prisons of their own."""
    regions = len(code_list("region"))
    away = draws.chance(0.25, "away")
    region = np.where(away, draws.below(regions, "prison region"), people.region[who])
    men = region * PRISONS_PER_REGION + draws.below(PRISONS_PER_REGION, "prison")
    women = regions * PRISONS_PER_REGION + draws.below(3, "prison")
    return np.where(disposal == CUSTODY, 1 + np.where(people.female[who], women, men), 0)


def _log_hazard(people: People, e: Episodes) -> Floats:
    """The log of the hazard of the next proven offence, per year, at the index date."""
    who = e.who
    age = (e.index - people.birth[who]) / 365.25
    propensity, needs = people.propensity[who], people.needs[who]
    custody = e.disposal == CUSTODY
    long = custody & (e.sentence_days >= 365)
    region = 0.1 * np.sin(1.7 * people.region[who])
    prison = 0.12 * np.sin(2.3 * e.prison) * custody
    order = (e.disposal == SUSPENDED) | (e.disposal == COMMUNITY)
    return np.asarray(
        -1.84
        + 0.45 * (age < 18)
        - 0.82 * (e.previous_offences == 0)
        + 0.50 * np.clip(propensity, -2.5, 3)
        + UNMEASURED_HAZARD * people.unmeasured[who]
        + 0.18 * np.clip(needs[:, DRUGS], -2, 3)
        + 0.06 * np.clip(needs[:, ALCOHOL], -2, 3)
        + 0.225 * np.log1p(np.minimum(e.previous_offences, 60))
        + 0.10 * np.log1p(e.previous_custody)
        - 0.048 * (np.clip(age, 15, 70) - 18)
        - 0.36 * people.female[who]
        - 0.35 * e.employed
        + 0.12 * e.claiming
        + TRAITS[e.offence, 3]
        + np.where(long, 0.0, np.where(custody, 0.73, 0.0))
        + 0.29 * order
        + region
        + prison
    )


def reoffences(
    offences: dict[str, Ints], who: Ints, index: Ints, days: int = 365, waiting: int = 183
) -> Ints:
    """Count each person's proven reoffences within a year of an index date.

    Parameters
    ----------
    offences : dict of arrays who, offence_date, conviction_date, proven_by, breach
    who, index : the person's place in the chunk and the index date, at most one a person
    days, waiting : length of follow-up and of the further time to be proven

    Returns
    -------
    int array
    """
    start = np.full(
        max(who.max(initial=0), offences["who"].max(initial=0)) + 1, NEVER, dtype=np.int64
    )
    start[who] = index
    begun = start[offences["who"]]
    counted = (
        (offences["offence_date"] > begun)
        & (offences["offence_date"] <= begun + days)
        & (offences["conviction_date"] <= begun + days + waiting)
        & (offences["proven_by"] != NOTICE)
        & (offences["breach"] == 0)
    )
    return np.bincount(offences["who"][counted], minlength=len(start))[who]


def known(people: People, e: Episodes) -> Bools:
    """Say which episodes were dealt with in a person's life and by the end of the records."""
    return (e.conviction_date <= LAST_DAY) & (e.sentence_date < people.death[e.who])
