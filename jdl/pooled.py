"""The pooled view: what the results for one type of intervention say together.

Most single results are inconclusive because their treatment groups are small, not because nothing
was found (Adler and Coulson 2016). A random-effects synthesis puts the published results of a type
together. It describes different programmes at once and is evidence about none of them.

Results differ more than chance alone explains, for programmes differ: each is taken as its own true
difference with its own error, and the true differences as spread with standard deviation tau. Tau
is estimated by restricted maximum likelihood, which statsmodels does not offer (0.15 has
DerSimonian and Laird, and Paule and Mandel); the rest agrees with its ``combine_effects``.
"""
# mypy: allow-untyped-calls

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import root_scalar
from scipy.special import ndtri, stdtrit

LEAST = 5
"""The fewest independent results of a type that are put together."""

_LEAST_ERROR = 1e-6
_TRIED = 400  # spreads at which the likelihood is looked at
_SAID = ("used", "superseded", "left out")
_NEEDED = ["difference", "ci_low", "ci_high"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Synthesis:
    """Results put together by a random-effects model.

    Parameters
    ----------
    estimate : float
        The average of the true differences, treatment minus comparison, as a proportion.
    ci_low, ci_high : float
        Its confidence interval.
    prediction_low, prediction_high : float
        Where the true difference of another programme of the kind would lie.
    tau : float
        Standard deviation of the true differences.
    i_squared : float
        Share of the variance between results that is not chance, from 0 to 1.
    """

    estimate: float
    ci_low: float
    ci_high: float
    prediction_low: float
    prediction_high: float
    tau: float
    i_squared: float


@dataclass(frozen=True)
class Pooled:
    """The results on the one-year rate for one type of intervention.

    Reports of the type = studies + superseded + left_out.

    Parameters
    ----------
    type : str
        Code of the type of intervention.
    studies : int
        Independent results that have an interval.
    superseded : int
        Results whose people are counted in a later one.
    left_out : int
        Results left out for want of an interval.
    synthesis : Synthesis or None
        None where there is none.
    reason : str or None
        Why there is none.
    """

    type: str
    studies: int
    superseded: int
    left_out: int
    synthesis: Synthesis | None
    reason: str | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the average lies wholly on one side of nought."""
        told = self.synthesis
        return told is not None and (told.ci_high < 0 or told.ci_low > 0)


def by_type(
    every: pd.DataFrame, log: pd.DataFrame, *, least: int = LEAST, significance: float = 0.05
) -> tuple[Pooled, ...]:
    """Put the results on the rate together, by type of intervention.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``: id, release, intervention_type, difference, ci_low, ci_high.
    log : DataFrame
        The log of requests, for what a re-analysis includes.
    least : int
        The fewest independent results that are put together.
    significance : float
        One minus the level of the intervals, those of the results included.

    Returns
    -------
    tuple of Pooled
        The type with most independent results first, then by name: an order that ranks no effects.
    """
    counted = independent(every, log)
    types = every["intervention_type"].groupby(counted).value_counts().unstack(0, fill_value=0)
    types = types.reindex(columns=list(_SAID), fill_value=0).sort_index()
    order = types.sort_values("used", ascending=False, kind="stable")
    return tuple(
        _pooled(str(name), many, _used(every, counted, str(name)), least, significance)
        for name, many in order.iterrows()
    )


def _used(every: pd.DataFrame, counted: pd.Series[str], name: str) -> pd.DataFrame:
    return every.loc[every["intervention_type"].eq(name) & counted.eq("used"), _NEEDED]


def _pooled(
    name: str, many: pd.Series[Any], used: pd.DataFrame, least: int, significance: float
) -> Pooled:
    studies, superseded, left_out = (int(many[which]) for which in _SAID)
    if studies < least:
        why = f"fewer than {least} independent results"
        return Pooled(name, studies, superseded, left_out, None, why)
    values = used.astype("float64")
    errors = (values["ci_high"] - values["ci_low"]) / (2 * ndtri(1 - significance / 2))
    together = synthesise(
        values["difference"].to_numpy(), errors.to_numpy(), significance=significance
    )
    return Pooled(name, studies, superseded, left_out, together)


def independent(every: pd.DataFrame, log: pd.DataFrame) -> pd.Series[str]:
    """Say of each result whether it is used, so that no cohort counts twice.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``; a corrected result is there once, as corrected.
    log : DataFrame
        The log of requests: id and extends.

    Returns
    -------
    Series of str
        With the index of `every`: ``used``; ``superseded`` by a later result with an interval that
        includes some of the same people; ``left out`` for want of an interval.

    Notes
    -----
    Results are taken latest first, within a release the one that includes most requests first. One
    is used only where no request that it includes, directly or through another, has been used. A
    re-analysis without an interval supersedes nothing. That people took part in two programmes
    without a request that says so cannot be seen here.
    """
    extends = log.set_index("id")["extends"].fillna("").str.split().to_dict()
    people = [included(str(name), extends) for name in every["id"]]
    releases = [str(release) for release in every["release"]]
    width = every["ci_high"].astype("float64") - every["ci_low"].astype("float64")
    usable = np.flatnonzero(every["difference"].notna() & width.gt(0))
    order = sorted(usable, key=lambda place: (releases[place], len(people[place])), reverse=True)
    said = [_SAID[2]] * len(people)
    taken: set[str] = set()
    for place in order:
        said[place] = _SAID[1] if people[place] & taken else _SAID[0]
        if said[place] == _SAID[0]:
            taken |= people[place]
    return pd.Series(said, index=every.index, dtype="str", name="counted")


def included(name: str, parents: Mapping[Any, Iterable[str]]) -> set[str]:
    """Return a request with all that it includes, through whatever stands between.

    Parameters
    ----------
    name : str
        The request's id.
    parents : mapping
        By id, the requests that each extends.

    Returns
    -------
    set of str
        Ids, its own among them.
    """
    found, fresh = {name}, {name}
    while fresh:
        fresh = {one for parent in fresh for one in parents.get(parent, ())} - found
        found |= fresh
    return found


# --- The model -----------------------------------------------------------------------------------


def synthesise(differences: Vector, errors: Vector, *, significance: float = 0.05) -> Synthesis:
    r"""Put differences together by a random-effects model.

    Parameters
    ----------
    differences, errors : array of float
        One a result, and its standard error; at least three. No error counts as less than
        one ten-thousandth of a percentage point.
    significance : float
        One minus the level of the intervals.

    Returns
    -------
    Synthesis

    Notes
    -----
    With weights :math:`w_i = 1 / (s_i^2 + \tau^2)` the estimate is the weighted mean. Its error is
    that of Hartung and Knapp (2001), :math:`\sqrt{q / \sum w_i}` with
    :math:`q = \sum w_i (y_i - \mu)^2 / (k - 1)`, referred to t with k - 1 degrees of freedom. Here
    q is never below 1, so that the error is never less than the classical one: the modification of
    Knapp and Hartung (2003), which Roever, Knapp and Friede (2015) advise where results differ in
    size.

    The prediction interval is that of Higgins, Thompson and Spiegelhalter (2009),
    :math:`\mu \pm t_{k-2} \sqrt{\tau^2 + SE^2}`, with this error, as Partlett and Riley (2017)
    studied it. Like them we find it too short where results differ little more than by chance: for
    5 to 15 results it holds the next effect 82 to 95 times in 100, while the confidence interval
    holds the average 94 to 98 times. :math:`I^2` is that of Higgins and Thompson (2002)
    with this tau.

    Examples
    --------
    Three differences 4 points apart have the variance 16 square points, of which 9 are chance
    (errors of 3 points): tau is the root of 7, and I squared 7 / 16.

    >>> found = synthesise(np.array([-0.10, -0.06, -0.02]), np.array([0.03, 0.03, 0.03]))
    >>> round(found.estimate, 4), round(found.tau, 4), round(found.i_squared, 4)
    (-0.06, 0.0265, 0.4375)
    """
    variances = np.maximum(errors, _LEAST_ERROR) ** 2
    tau2 = between_results(differences, variances)
    k, weights = len(differences), 1 / (variances + tau2)
    mean = float(np.average(differences, weights=weights))
    q = float((weights * (differences - mean) ** 2).sum()) / (k - 1)
    error = math.sqrt(max(q, 1) / weights.sum())
    half = float(stdtrit(k - 1, 1 - significance / 2)) * error
    reach = float(stdtrit(k - 2, 1 - significance / 2)) * math.hypot(error, math.sqrt(tau2))
    return Synthesis(
        mean,
        mean - half,
        mean + half,
        mean - reach,
        mean + reach,
        math.sqrt(tau2),
        tau2 / (tau2 + _typical(variances)),
    )


def _typical(variances: Vector) -> float:
    """Return the variance of a typical result (Higgins and Thompson 2002, formula 9)."""
    weights = 1 / variances
    total = weights.sum()
    return float((len(weights) - 1) * total / (total**2 - (weights**2).sum()))


def between_results(differences: Vector, variances: Vector) -> float:
    r"""Return the variance of the true differences by restricted maximum likelihood.

    Parameters
    ----------
    differences, variances : array of float
        One a result; at least two, and each variance above nought.

    Returns
    -------
    float
        Nought where no spread is likelier.

    Notes
    -----
    The restricted likelihood (Viechtbauer 2005) can have more than one peak where the results are
    of very different sizes. It is looked at over a grid from the smallest to the largest spread
    that could matter, nought included, and the highest place polished with the root of its score,
    :math:`\sum w_i^2 (y_i - \mu)^2 = \sum w_i - \sum w_i^2 / \sum w_i`. From the sum of squares
    about the mean plus the largest variance on, the right side is always the larger.
    """

    def score(tau2: float) -> float:
        weights = 1 / (variances + tau2)
        squares = (differences - np.average(differences, weights=weights)) ** 2
        spread = weights.sum() - (weights**2).sum() / weights.sum()
        return float((weights**2 * squares).sum() - spread)

    above = float(((differences - differences.mean()) ** 2).sum() + variances.max())
    tried = np.concatenate([[0.0], np.geomspace(variances.min() / 1e4, above, _TRIED)])
    best = int(np.argmax(_likelihoods(tried, differences, variances)))
    low, high = tried[max(best - 1, 0)], tried[min(best + 1, _TRIED)]
    if score(low) <= 0 or score(high) >= 0:
        return float(tried[best])
    return float(root_scalar(score, bracket=(low, high), method="brentq", xtol=1e-20).root)


def _likelihoods(spreads: Vector, differences: Vector, variances: Vector) -> Vector:
    """Return the logarithm of the restricted likelihood of each spread, up to a constant."""
    weights = 1 / (variances + spreads[:, np.newaxis])
    total = weights.sum(axis=1)
    means = (weights * differences).sum(axis=1) / total
    squares = (weights * (differences - means[:, np.newaxis]) ** 2).sum(axis=1)
    heights: Vector = (np.log(weights).sum(axis=1) - np.log(total) - squares) / 2
    return heights
