"""Effects: the difference between two weighted groups, its interval, test and conclusion.

The service's test: one two-sided Welch t-test a measure, the comparison group counted at Kish's
effective size. Every result carries its conclusion, or its reason for having none. A measure among
reoffenders only is descriptive, for who reoffends may itself be an effect: each has its version
for everyone in `EVERYONE`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from jdl.power import numbers_needed, reach

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

YEAR = 365
"""Days without reoffence of who does not reoffend."""

UNTESTABLE = "Everyone within each group has the same outcome, so the difference cannot be tested."

HIGHEST = {"rate": 1.0, "frequency": math.inf, "days": 366.0}
"""The highest possible mean, by kind of measure."""


@dataclass(frozen=True)
class Measure:
    """A measure of proven reoffending.

    Parameters
    ----------
    name : str
        Its name in ``result.json``.
    label : str
        Its name in print.
    kind : {'rate', 'frequency', 'days'}
        A proportion, a count per person, or days.
    among : {'everyone', 'reoffenders'}
        Whose outcomes are averaged.
    favourable : {'lower', 'higher'}
        The direction that is good news.
    unit : str
        Of the mean and the difference.
    outcome : str
        The column it is read from.
    level : str, optional
        For a rate: the value of `outcome` that counts as one.
    otherwise : float, optional
        The value of those who did not reoffend, where `outcome` has none for them.
    """

    name: str
    label: str
    kind: str
    among: str
    favourable: str
    unit: str
    outcome: str
    level: str | None = None
    otherwise: float | None = None

    def values(self, frame: pd.DataFrame) -> Floats:
        """Return the outcome of each row as a number, missing as not a number."""
        column = frame[self.outcome]
        if self.level is not None:
            is_it = (column == self.level).to_numpy(dtype=bool, na_value=False)
            values = np.where(column.isna(), np.nan, is_it)
        else:
            values = _numbers(column)
        if self.otherwise is None:
            return values
        if self.kind == "days":
            values = np.minimum(values, self.otherwise)
        return np.where(_numbers(frame[RATE.outcome]) == 1, values, self.otherwise)

    def rows(self, frame: pd.DataFrame) -> Flags:
        """Tell which rows it averages: everyone's or the reoffenders', where it is recorded."""
        return self.recorded(frame, self.values(frame))

    def recorded(self, frame: pd.DataFrame, values: Floats) -> Flags:
        """Tell the same of rows whose values are known."""
        recorded: Flags = ~np.isnan(values)
        if self.among == "reoffenders":
            recorded &= _numbers(frame[RATE.outcome]) == 1
        return recorded


def _numbers(column: pd.Series[Any]) -> Floats:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return column.to_numpy(dtype=np.float64)
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(
        pd.to_numeric(column.astype("object").where(column.notna(), np.nan)), dtype=np.float64
    )


RATE = Measure(
    "rate",
    "One-year proven reoffending rate",
    "rate",
    "everyone",
    "lower",
    "proportion",
    "reoffended",
)


def _measures() -> tuple[Measure, ...]:
    outcomes = {"indictable": "lower", "either way": "lower", "summary": "higher"}
    return (
        RATE,
        Measure(
            "frequency",
            "Frequency of proven reoffending",
            "frequency",
            "everyone",
            "lower",
            "reoffences per person",
            "reoffences",
        ),
        Measure(
            "days_to_first",
            "Average time to first proven reoffence",
            "days",
            "reoffenders",
            "higher",
            "days",
            "days_to_first",
        ),
        *(
            Measure(
                f"first_{outcome.replace(' ', '_')}",
                f"First proven reoffence {outcome}",
                "rate",
                "reoffenders",
                favourable,
                "proportion",
                "first_court_outcome",
                outcome,
            )
            for outcome, favourable in outcomes.items()
        ),
        *(
            Measure(
                f"frequency_{outcome.replace(' ', '_')}",
                f"Frequency of {outcome} reoffences",
                "frequency",
                "reoffenders",
                "lower",
                "reoffences per reoffender",
                f"reoffences_{outcome.replace(' ', '_')}",
            )
            for outcome in outcomes
        ),
        Measure(
            "first_custody",
            "Custodial sentence for the first proven reoffence",
            "rate",
            "reoffenders",
            "lower",
            "proportion",
            "first_custodial",
        ),
        Measure(
            "frequency_custody",
            "Frequency of custodial sentences",
            "frequency",
            "reoffenders",
            "lower",
            "custodial sentences per reoffender",
            "custodial_sentences",
        ),
    )


MEASURES: dict[str, Measure] = {measure.name: measure for measure in _measures()}


def _for_everyone(measure: Measure) -> Measure:
    """Return the version for everyone of a measure among reoffenders."""
    if measure.kind == "days":
        return replace(
            measure,
            name="time_without_reoffence",
            label="Average time without proven reoffence in the year",
            among="everyone",
            otherwise=float(YEAR),
        )
    return replace(
        measure,
        name=f"{measure.name}_everyone",
        label=f"{measure.label}, of everyone",
        among="everyone",
        unit=measure.unit.replace("reoffender", "person"),
        otherwise=0.0,
    )


EVERYONE: dict[str, Measure] = {
    name: _for_everyone(measure)
    for name, measure in MEASURES.items()
    if measure.among == "reoffenders"
}
"""For each measure among reoffenders, by its name, the same for everyone."""

ALL: dict[str, Measure] = MEASURES | {measure.name: measure for measure in EVERYONE.values()}
"""`MEASURES` and those of `EVERYONE`, each by its own name."""

_RARE = frozenset(measure.name for measure in EVERYONE.values() if measure.kind != "days")
"""The versions for everyone that need as many reoffenders as what they stand beside."""


@dataclass(frozen=True)
class Group:
    """One group's figures on one measure. Everything but `n` is None when it is not reported.

    Parameters
    ----------
    n : int
        Rows averaged: treated people, or comparison disposals with a weight.
    people : int or None
        The people they belong to.
    mean, sd : float or None
        Weighted mean and standard deviation.
    effective_n : float or None
        Kish's effective size, weights summed per person first; `n` in the treatment group.
    ci_low, ci_high : float or None
        Interval of the mean, t on `effective_n` - 1, kept within what is possible.
    events : float or None
        `n` times the mean: people with the event for a rate, the sum for a count.
    """

    n: int
    people: int | None = None
    mean: float | None = None
    sd: float | None = None
    effective_n: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    events: float | None = None


@dataclass(frozen=True, repr=False)
class Effect:
    """The difference on one measure, and what may be concluded from it.

    Parameters
    ----------
    analysis, measure : str
        Which analysis; which of `ALL`.
    treatment, comparison : Group
        The two groups.
    difference : float or None
        Treatment minus comparison.
    ci_low, ci_high : float or None
        Its interval at 1 - significance.
    p_value, df : float or None
        Two-sided p of Welch's t-test and its degrees of freedom.
    significant : bool
        p is at most the significance, and the numbers are large enough to conclude.
    conclusion : {'reduction', 'increase', 'inconclusive', 'suppressed'}
        By the sign of a significant difference.
    favourable : {'lower', 'higher'}
        The direction that is good news on this measure.
    reason : str or None
        Why there is no conclusion, where that is not the width of the interval.
    numbers_needed : int or None
        Treated people needed in all for the seen difference, see `numbers_needed`; None when
        significant, or when no number is enough.
    detectable : float or None
        Smallest true difference that this study would have found with the stated power: (z + zb)
        standard errors.
    """

    analysis: str
    measure: str
    treatment: Group
    comparison: Group
    difference: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    df: float | None
    significant: bool
    conclusion: str
    favourable: str
    reason: str | None
    numbers_needed: int | None
    detectable: float | None

    def __repr__(self) -> str:
        measure = ALL[self.measure]
        if self.difference is None or self.treatment.mean is None or self.comparison.mean is None:
            return f"{measure.label}: {self.conclusion}. {self.reason or ''}".rstrip()
        interval = (
            f" ({self.ci_low:.4g} to {self.ci_high:.4g}; p = {self.p_value:.3g})"
            if self.p_value is not None
            else ""
        )
        return (
            f"{measure.label}: {self.treatment.mean:.4g} against {self.comparison.mean:.4g}, "
            f"difference {self.difference:.4g} {measure.unit}{interval}: {self.conclusion}."
            f"{' ' + self.reason if self.reason else ''}"
        )


def compare(
    frame: pd.DataFrame,
    measure: str,
    *,
    analysis: str = "headline",
    significance: float = 0.05,
    power: float = 0.8,
    minimum_events: int = 10,
    minimum_reoffenders: int = 30,
    person: str = "offender_id",
    treated: str = "treated",
    weight: str = "weight",
) -> Effect:
    """Compare the matched groups on one measure.

    Parameters
    ----------
    frame : DataFrame
        Matched units with their outcomes; rows without a weight are left out.
    measure : str
        One of `ALL`. A measure among reoffenders takes the reoffenders of both groups with their
        weights, and of these whoever has the outcome recorded.
    analysis : str
        Name of the analysis the effect belongs to.
    significance : float
        Of the two-sided test and, as 1 - significance, of all intervals.
    power : float
        For `numbers_needed` and `detectable`.
    minimum_events : int
        Least number of treated people who reoffended, which is the rate's n times p: below it a
        measure of everyone is inconclusive. Of a share or count that describes reoffences, least
        n times mean in the treatment group; below it suppressed.
    minimum_reoffenders : int
        Least number of treated reoffenders for a measure that describes reoffences, among them or
        of everyone; below it suppressed.
    person, treated, weight : str
        Columns.

    Returns
    -------
    Effect

    Raises
    ------
    ValueError
        If an outcome of everyone is missing for somebody with a weight.

    Notes
    -----
    se^2 = s1^2 / n + s0^2 / k, with k = (sum w)^2 / sum w^2 over people (Kish) and
    s0^2 = k / (k - 1) * sum w (y - mean)^2 / sum w; degrees of freedom by Welch and Satterthwaite.
    Minima as the service's own report generator has them.

    Examples
    --------
    Of 100 people in each group 40 and 50 reoffended. Half of the comparison group counts 1.5 and
    half 0.5, so it is worth 100 squared / (50 x 2.25 + 50 x 0.25) = 80 people.

    >>> people = pd.DataFrame({"treated": [True] * 100 + [False] * 100})
    >>> people = people.assign(offender_id=range(200), weight=[1.0] * 100 + [1.5, 0.5] * 50)
    >>> people = people.assign(reoffended=[1] * 40 + [0] * 60 + [1] * 50 + [0] * 50)
    >>> effect = compare(people, "rate")
    >>> effect.treatment.mean, effect.comparison.mean, effect.comparison.effective_n
    (0.4, 0.5, 80.0)
    >>> round(effect.difference, 2), effect.conclusion
    (-0.1, 'inconclusive')
    """
    chosen = ALL[measure]
    columns = {person, treated, weight, chosen.outcome, RATE.outcome}
    used = frame.loc[frame[weight] > 0, [name for name in frame if name in columns]]
    ours = used[treated].to_numpy(dtype=bool)
    again = int((RATE.values(used)[ours] == 1).sum())
    values = chosen.values(used)
    rows = chosen.recorded(used, values)
    if measure in MEASURES and chosen.among == "everyone" and not rows.all():
        raise ValueError(f"{chosen.outcome} is missing for {int((~rows).sum())} matched rows.")
    weights = used[weight].to_numpy(dtype=float)
    people = pd.factorize(used[person])[0]
    treatment, comparison = (
        _group(chosen, values[side], weights[side], people[side], significance)
        for side in (ours & rows, ~ours & rows)
    )
    reason = _too_few(chosen, treatment, comparison, again, minimum_events, minimum_reoffenders)
    if reason is not None:
        return suppressed(analysis, measure, Group(n=treatment.n), Group(n=comparison.n), reason)
    few = (
        f"Fewer than {minimum_events} people reoffended in the treatment group, too few to draw a "
        "conclusion."
    )
    return _tested(
        analysis,
        chosen,
        treatment,
        comparison,
        significance,
        power,
        few if chosen.among == "everyone" and again < minimum_events else None,
        int(ours.sum()),
    )


def compare_all(
    frame: pd.DataFrame, measures: Iterable[str] = tuple(MEASURES), **choices: Any
) -> dict[str, Effect]:
    """Compare the matched groups on some of `ALL`; `choices` as in `compare`.

    Parameters
    ----------
    frame : DataFrame
        As for `compare`.
    measures : iterable of str
        Their names.
    **choices
        The other parameters of `compare`.

    Returns
    -------
    dict of str to Effect
        By measure, in the order given.
    """
    return {measure: compare(frame, measure, **choices) for measure in measures}


@dataclass(frozen=True)
class _Summary:
    mean: float
    sd: float
    size: float


def _summary(group: Group) -> _Summary:
    if group.mean is None or group.sd is None or group.effective_n is None:
        raise ValueError("The group has no mean, standard deviation and effective size.")
    return _Summary(group.mean, group.sd, group.effective_n)


def _group(
    measure: Measure, values: Floats, weights: Floats, people: NDArray[np.int64], level: float
) -> Group:
    if not len(values):
        return Group(n=0, people=0)
    by_person = np.bincount(people, weights=weights)
    size = float(by_person.sum() ** 2 / (by_person**2).sum())
    varies = bool(np.ptp(values) > 0)
    mean = float(np.average(values, weights=weights)) if varies else float(values[0])
    group = Group(
        n=len(values),
        people=int((by_person > 0).sum()),
        effective_n=size,
        mean=mean,
        events=len(values) * mean,
    )
    if size < 2:
        return group
    variance = float(np.average((values - mean) ** 2, weights=weights)) * size / (size - 1)
    sd = math.sqrt(variance) if varies else 0.0
    half = float(stdtrit(size - 1, 1 - level / 2)) * sd / math.sqrt(size)
    return replace(
        group,
        sd=sd,
        ci_low=max(0.0, mean - half),
        ci_high=min(HIGHEST[measure.kind], mean + half),
    )


def _too_few(
    measure: Measure,
    treatment: Group,
    comparison: Group,
    again: int,
    events: int,
    reoffenders: int,
) -> str | None:
    """Give the reason to suppress, in public words; None when there are enough people."""
    among = measure.among == "reoffenders"
    describes = among or measure.name in _RARE
    who = "reoffended" if among else "could be matched"
    for group, name in ((treatment, "treatment"), (comparison, "comparison")):
        if group.n == 0:
            return f"Nobody in the {name} group {who}."
    if describes and min(again, treatment.n) < reoffenders:
        return (
            f"Fewer than {reoffenders} people in the treatment group reoffended, which could give "
            "misleading results."
        )
    if describes and measure.kind != "days" and _short(treatment, events):
        what = "people" if measure.kind == "rate" else "events"
        return (
            f"Fewer than {events} {what} were counted in the treatment group, which could give "
            "misleading results."
        )
    for group, name in ((treatment, "treatment"), (comparison, "comparison")):
        if group.sd is None:
            return f"The {name} group is effectively fewer than two people."
    return None


def _short(treatment: Group, events: int) -> bool:
    return treatment.events is not None and round(treatment.events, 6) < events


def suppressed(
    analysis: str, measure: str, treatment: Group, comparison: Group, reason: str
) -> Effect:
    """Return an effect that says nothing but why.

    Parameters
    ----------
    analysis, measure : str
        Which it would have been.
    treatment, comparison : Group
        What may still be said of the groups, most often their size.
    reason : str
        In public words.

    Returns
    -------
    Effect
        With the conclusion ``suppressed``.
    """
    return Effect(
        analysis=analysis,
        measure=measure,
        treatment=treatment,
        comparison=comparison,
        difference=None,
        ci_low=None,
        ci_high=None,
        p_value=None,
        df=None,
        significant=False,
        conclusion="suppressed",
        favourable=ALL[measure].favourable,
        reason=reason,
        numbers_needed=None,
        detectable=None,
    )


@dataclass(frozen=True)
class _Test:
    difference: float
    error: float
    df: float | None = None
    p: float | None = None
    low: float | None = None
    high: float | None = None


def _welch(treatment: Group, comparison: Group, significance: float) -> _Test:
    """Welch's t-test; without df, p and interval where nobody varies."""
    t, c = _summary(treatment), _summary(comparison)
    parts = t.sd**2 / t.size, c.sd**2 / c.size
    difference, error = t.mean - c.mean, math.sqrt(sum(parts))
    if error == 0:
        return _Test(difference, error)
    df = sum(parts) ** 2 / (parts[0] ** 2 / (t.size - 1) + parts[1] ** 2 / (c.size - 1))
    half = float(stdtrit(df, 1 - significance / 2)) * error
    return _Test(
        difference,
        error,
        df,
        float(2 * stdtr(df, -abs(difference) / error)),
        difference - half,
        difference + half,
    )


def _tested(
    analysis: str,
    measure: Measure,
    treatment: Group,
    comparison: Group,
    significance: float,
    power: float,
    few: str | None,
    matched: int,
) -> Effect:
    test = _welch(treatment, comparison, significance)
    reason = UNTESTABLE if test.p is None else few
    significant = reason is None and test.p is not None and test.p <= significance
    direction = "reduction" if test.difference < 0 else "increase"
    more = numbers_needed(treatment, comparison, significance=significance, power=power)
    needed = more * matched / treatment.n
    undecided = test.p is not None and test.p > significance and math.isfinite(needed)
    return Effect(
        analysis=analysis,
        measure=measure.name,
        treatment=treatment,
        comparison=comparison,
        difference=test.difference,
        ci_low=test.low,
        ci_high=test.high,
        p_value=test.p,
        df=test.df,
        significant=significant,
        conclusion=direction if significant else "inconclusive",
        favourable=measure.favourable,
        reason=reason,
        numbers_needed=math.ceil(needed) if undecided else None,
        detectable=reach(significance, power) * test.error if test.error else None,
    )
