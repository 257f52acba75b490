"""Unmeasured differences: how strong one would have to be to change a conclusion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import bdtrc, ndtri

from jdl.companion import Adjusted
from jdl.effects import ALL, Effect, Group
from jdl.matching import pairs, support

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PART = 0.05
"""Least share of the treatment group, and of the comparison group, on either side of a measured
variable's division for the variable to be judged."""

GAMMAS = (1.0, 1.1, 1.2, 1.3, 1.5, 2.0)


@dataclass(frozen=True)
class EValue:
    """The least strength of an unmeasured need that would explain a significant result away.

    Parameters
    ----------
    analysis, measure : str
        Those of the effect.
    estimate : float
        Risk ratio that the need must have with both taking part and the outcome, beyond all that
        is measured, to explain the seen difference whole.
    limit : float
        The same for the interval's limit nearest no difference: enough to lose significance.
    strongest_variable : str or None
        The measured variable that, left out, could bias most; None where none can be judged.
    strongest_ratio : float or None
        Its strength on the same scale.
    strongest_treatment, strongest_outcome : float or None
        Its own risk ratios with taking part and with the outcome.
    """

    analysis: str
    measure: str
    estimate: float
    limit: float
    strongest_variable: str | None = None
    strongest_ratio: float | None = None
    strongest_treatment: float | None = None
    strongest_outcome: float | None = None


@dataclass(frozen=True)
class Bounds:
    """Rosenbaum's bounds of the 1:1 match.

    Parameters
    ----------
    gamma : tuple of float
        How many times likelier one of a pair may have been to take part than the other.
    p : tuple of float
        Greatest one-sided p of no effect at each `gamma`, against fewer treated with the event or
        against more, as was seen.
    direction : {'fewer', 'more'}
        Which was seen.
    pairs : int or None
        Pairs of the 1:1 match; None where withheld.
    discordant : int
        Those of which exactly one had the event.
    """

    gamma: tuple[float, ...]
    p: tuple[float, ...]
    direction: str
    pairs: int | None
    discordant: int


def e_value(
    effect: Effect,
    adjusted: Adjusted | None = None,
    candidates: pd.DataFrame | None = None,
    outcomes: pd.DataFrame | None = None,
    variables: Sequence[str] = (),
    *,
    significance: float = 0.05,
    treated: str = "treated",
    weight: str = "weight",
) -> EValue | None:
    """Return how strong an unmeasured need must be to explain a significant result away.

    Parameters
    ----------
    effect : Effect
        A headline result.
    adjusted : Adjusted, optional
        Its adjusted check; with it the weaker of the two results counts.
    candidates : DataFrame, optional
        Treated people and candidates before matching, with the `variables`; with it the strongest
        measured variable is found.
    outcomes : DataFrame, optional
        The matched rows with their outcomes and the `variables`.
    variables : sequence of str
        The measured variables.
    significance : float
        Of the interval.
    treated, weight : str
        Columns.

    Returns
    -------
    EValue or None
        None for a result that is not significant: there is nothing to explain away.

    Notes
    -----
    For a risk ratio R above 1 (else its inverse), R + sqrt(R (R - 1)) (VanderWeele and Ding 2017).
    R is the ratio of the two means; its limit goes z standard errors of the logarithm, by the
    delta method, towards 1. For days R = exp(0.91 d / s), s the comparison group's standard
    deviation (the same paper's table 2). Where the limit reaches 1 the value is 1.

    A measured variable is divided at the candidates' median, or into each of its categories and
    the rest. Its risk ratio with taking part, A, compares how common it is in the treatment group
    and among the candidates before matching; that with the outcome, B, the weighted mean outcome on
    both sides of the division in the matched comparison group. Left out, it alone could bias by
    A B / (A + B - 1) at most, of which the same formula makes a strength on the same scale.

    Examples
    --------
    40% against 50% is a risk ratio of 0.8, whose inverse is 1.25: 1.25 + sqrt(1.25 x 0.25) = 1.81.

    >>> from jdl.effects import compare
    >>> people = pd.DataFrame({"treated": [True] * 1000 + [False] * 1000, "weight": 1.0})
    >>> people = people.assign(offender_id=range(2000))
    >>> people = people.assign(reoffended=[1] * 400 + [0] * 600 + [1] * 500 + [0] * 500)
    >>> round(e_value(compare(people, "rate")).estimate, 2)
    1.81
    """
    if not effect.significant:
        return None
    ratio, limit = _ratios(effect, significance)
    if adjusted is not None and adjusted.difference is not None:
        other = _adjusted_ratios(effect, adjusted)
        ratio, limit = min(ratio, other[0]), min(limit, other[1])
    value = EValue(effect.analysis, effect.measure, _strength(ratio), _strength(limit))
    if candidates is None or outcomes is None:
        return value
    found = list(_measured(effect, candidates, outcomes, variables, treated, weight))
    if not found:
        return value
    bias, name, with_treatment, with_outcome = max(found, key=lambda row: row[0])
    return replace(
        value,
        strongest_variable=name,
        strongest_ratio=_strength(bias),
        strongest_treatment=with_treatment,
        strongest_outcome=with_outcome,
    )


def rosenbaum(
    treated: Flags,
    comparison: Flags,
    *,
    gamma: Sequence[float] = GAMMAS,
    direction: str | None = None,
) -> Bounds:
    """Return Rosenbaum's bounds on the p of McNemar's test of the 1:1 pairs.

    Parameters
    ----------
    treated, comparison : bool array
        Whether each pair's treated person, and their match, had the event.
    gamma : sequence of float
        How many times likelier one of a pair may have been to take part than the other.
    direction : {'fewer', 'more'}, optional
        Against which no effect is tested; the one that was seen if absent.

    Returns
    -------
    Bounds

    Notes
    -----
    Of the pairs with one event, the treated person's share has at most the chance
    gamma / (1 + gamma) under no effect (Rosenbaum 2002, 4.3.2): for fewer events the greatest p is
    P(X >= those of the match) with X binomial with that chance.

    Examples
    --------
    In five pairs of six one person reoffended, and four of these five were the untreated one. If
    both were as likely to take part, that has the chance (5 + 1) / 32.

    >>> ours = np.array([1, 0, 0, 0, 0, 0], dtype=bool)
    >>> theirs = np.array([0, 1, 1, 1, 1, 0], dtype=bool)
    >>> found = rosenbaum(ours, theirs, gamma=[1, 2])
    >>> found.discordant, found.direction, round(found.p[0], 4), round(found.p[1], 2)
    (5, 'fewer', 0.1875, 0.46)
    """
    ours, theirs = int((treated & ~comparison).sum()), int((~treated & comparison).sum())
    many = ours + theirs
    direction = direction or ("fewer" if ours <= theirs else "more")
    least = (theirs if direction == "fewer" else ours) - 1
    chances = [bdtrc(least, many, g / (1 + g)) if least >= 0 else 1.0 for g in gamma]
    return Bounds(
        tuple(float(g) for g in gamma),
        tuple(float(p) for p in chances),
        direction,
        len(treated),
        many,
    )


def of_pairs(
    sample: pd.DataFrame,
    effect: Effect,
    caliper_sd: float,
    exact: Sequence[str] = (),
    *,
    gamma: Sequence[float] = GAMMAS,
    minimum_pairs: int = 30,
    minimum_cell: int = 10,
    person: str = "offender_id",
) -> Bounds | None:
    """Match pairs within the matched groups and bound what selection within them could do.

    Parameters
    ----------
    sample : DataFrame
        The matched rows with their outcomes: treated, weight, logit, reoffended, `exact` and
        `person`.
    effect : Effect
        The headline result on the rate, cleared.
    caliper_sd : float
        Greatest distance of a pair, in standard deviations of the logit over the rows with a
        weight.
    exact : sequence of str
        Columns that agree within a pair.
    gamma : sequence of float
        As for `rosenbaum`.
    minimum_pairs : int
        Fewest pairs.
    minimum_cell : int
        Fewest pairs of each of the four kinds: both reoffended, one or the other, neither.
    person : str
        Column: a comparison person stays in one pair only, the nearest.

    Returns
    -------
    Bounds or None
        In the direction of the result. None where the result is withheld or not significant, so
        that there is nothing to explain away; where there are too few pairs; and where they could
        tell of few people. Without the number of pairs where few people have none.

    Notes
    -----
    Several p values of one test tell how many pairs there are of either kind with one event. With
    the headline's rate these tell of the pairs with two events and with none, if everybody has a
    pair. So each of the four kinds must reach the smallest cell.
    """
    if not effect.significant or effect.difference is None or effect.conclusion == "suppressed":
        return None
    used = sample.loc[(sample["weight"] > 0) & ALL["rate"].rows(sample)]
    ours, theirs = _pairs(used, caliper_sd, exact, person)
    again = used["reoffended"].to_numpy(dtype=bool)
    kinds = np.bincount(2 * again[ours] + again[theirs], minlength=4)
    alone = int(used["treated"].sum()) - len(ours)
    if len(ours) < minimum_pairs or kinds.min() < minimum_cell:
        return None
    direction = "fewer" if effect.difference < 0 else "more"
    bounds = rosenbaum(again[ours], again[theirs], gamma=gamma, direction=direction)
    return replace(bounds, pairs=None) if 0 < alone < minimum_cell else bounds


def _pairs(
    used: pd.DataFrame, caliper_sd: float, exact: Sequence[str], person: str
) -> tuple[Rows, Rows]:
    """Return the rows of the treated and of their matches, every comparison person once."""
    logit = used["logit"].to_numpy(dtype=float)
    treated = used["treated"].to_numpy(dtype=bool)
    found = pairs.nearest(logit, treated, caliper_sd, support.strata(used, exact))
    ours, theirs = found.T
    nearest = np.argsort(np.abs(logit[ours] - logit[theirs]), kind="stable")
    whose = pd.Series(used[person].to_numpy()[theirs[nearest]])
    kept = np.sort(nearest[~whose.duplicated().to_numpy()])
    return ours[kept], theirs[kept]


def _strength(ratio: float) -> float:
    """Return the E-value of a risk ratio."""
    ratio = max(ratio, 1 / ratio) if ratio > 0 else math.inf
    return ratio + math.sqrt(ratio * (ratio - 1)) if math.isfinite(ratio) else math.inf


def _ratios(effect: Effect, significance: float) -> tuple[float, float]:
    """Return the headline's risk ratio above 1, and its limit nearest 1, not below it."""
    ours, theirs = effect.treatment, effect.comparison
    if ALL[effect.measure].kind == "days":
        return _of_days(effect, effect)
    top, bottom = _known(ours.mean), _known(theirs.mean)
    if top == 0 or bottom == 0:
        return math.inf, 1.0
    error = math.sqrt(_relative(ours) + _relative(theirs))
    size = abs(math.log(top / bottom))
    return math.exp(size), math.exp(max(0.0, size - float(ndtri(1 - significance / 2)) * error))


def _adjusted_ratios(effect: Effect, adjusted: Adjusted) -> tuple[float, float]:
    """Return the same of the adjusted check; 1 where it points the other way."""
    if _known(adjusted.difference) * _known(effect.difference) <= 0:
        return 1.0, 1.0
    if ALL[effect.measure].kind == "days":
        return _of_days(effect, adjusted)
    if adjusted.ratio is None:
        return math.inf, math.inf
    low, high = math.log(_known(adjusted.ratio_low)), math.log(_known(adjusted.ratio_high))
    return math.exp(abs(math.log(adjusted.ratio))), math.exp(max(0.0, low, -high))


def _of_days(effect: Effect, result: Effect | Adjusted) -> tuple[float, float]:
    nearest = max(0.0, _known(result.ci_low), -_known(result.ci_high))
    spread = _known(effect.comparison.sd)
    if spread == 0:
        return math.inf, math.inf
    return math.exp(0.91 * abs(_known(result.difference)) / spread), math.exp(
        0.91 * nearest / spread
    )


def _known(value: float | None) -> float:
    assert value is not None
    return value


def _relative(group: Group) -> float:
    """Return the squared standard error of the logarithm of a mean."""
    return (_known(group.sd) / _known(group.mean)) ** 2 / _known(group.effective_n)


def _measured(
    effect: Effect,
    candidates: pd.DataFrame,
    outcomes: pd.DataFrame,
    variables: Sequence[str],
    treated: str,
    weight: str,
) -> Iterator[tuple[float, str, float, float]]:
    """Yield the greatest bias of each part of each variable, its name and its two risk ratios."""
    measure = ALL[effect.measure]
    used = outcomes.loc[(outcomes[weight] > 0) & ~outcomes[treated].astype(bool)]
    used = used.loc[measure.rows(used)]
    values, weights = measure.values(used), used[weight].to_numpy(dtype=float)
    ours = candidates[treated].to_numpy(dtype=bool)
    for name in variables:
        for label, before, after in _parts(candidates[name], used[name]):
            shares = before[ours].mean(), before[~ours].mean(), np.average(after, weights=weights)
            if min(*shares, *(1 - share for share in shares)) < PART:
                continue
            means = [np.average(values[s], weights=weights[s]) for s in (after, ~after)]
            if min(means) <= 0:
                continue
            a, b = (max(x / y, y / x) for x, y in (shares[:2], means))
            yield float(a * b / (a + b - 1)), label, float(a), float(b)


def _parts(before: pd.Series[Any], after: pd.Series[Any]) -> Iterator[tuple[str, Flags, Flags]]:
    """Divide a variable at the candidates' median, or into each category and the rest."""
    name = str(before.name)
    numeric = pd.api.types.is_numeric_dtype(before) and before.nunique() > 2
    if numeric:
        middle = before.median()
        yield name, (before > middle).to_numpy(bool), (after > middle).to_numpy(bool)
        return
    levels = sorted(before.dropna().unique())
    for level in levels if len(levels) > 2 else levels[1:]:
        label = name if len(levels) <= 2 else f"{name}: {level}"
        yield label, (before == level).to_numpy(bool), (after == level).to_numpy(bool)
