"""Power: how many people a difference needs, and the smallest difference that people can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from scipy.special import ndtri

from jdl.faults import Fault, Unusable


class Group(Protocol):
    """What is needed of a group, see ``effects.Group``."""

    @property
    def n(self) -> int:
        """People or disposals averaged."""
        ...

    @property
    def mean(self) -> float | None:
        """Weighted mean."""
        ...

    @property
    def sd(self) -> float | None:
        """Weighted standard deviation."""
        ...

    @property
    def effective_n(self) -> float | None:
        """Kish's effective size."""
        ...


class Result(Protocol):
    """What is needed of an adjusted check, see ``companion.Adjusted``."""

    @property
    def difference(self) -> float | None:
        """Of the two means."""
        ...

    @property
    def error(self) -> float | None:
        """Its standard error."""
        ...

    @property
    def df(self) -> float | None:
        """The degrees of freedom of that error."""
        ...


class Effect(Protocol):
    """What is needed of an effect, see ``effects.Effect``."""

    @property
    def treatment(self) -> Group:
        """The treatment group."""

    @property
    def comparison(self) -> Group:
        """The comparison group."""

    @property
    def p_value(self) -> float | None:
        """None without a test."""


@dataclass(frozen=True)
class Needed:
    """People needed in the treatment group in all to find the seen difference.

    Parameters
    ----------
    growing : float
        With a comparison pool that grows with the treatment group; infinite without a difference.
    fixed : float
        With the comparison group as it is; infinite where no number is enough.
    adjusted : float or None
        By the standard error of the adjusted check; None without one, or where it has fewer degrees
        of freedom than `CERTAIN`.
    detectable : float
        Smallest true difference that this study would have found.
    detectable_adjusted : float or None
        The same for the adjusted check.
    """

    growing: float
    fixed: float
    adjusted: float | None
    detectable: float
    detectable_adjusted: float | None


@dataclass(frozen=True)
class Plan:
    """What a request yet to be made would need, and what it could show.

    Parameters
    ----------
    rate : float
        Reoffending rate expected without the programme.
    difference : float or None
        Difference to be found, positive.
    people : int or None
        People to be uploaded.
    pool : int or None
        Effective size of the comparison group if it cannot grow.
    retained : float
        Share of the uploaded who end up analysed.
    power, significance : float
        Of the two-sided test.
    needed, needed_fixed : float or None
        People needed in the analysis, with a pool that grows and with the pool given; infinite
        where no number is enough, None where it was not asked for.
    detectable : float or None
        Smallest reduction that the people given would show with the stated power; infinite where
        fewer than `EVENTS` of them would then reoffend.
    """

    rate: float
    difference: float | None
    people: int | None
    pool: int | None
    retained: float
    power: float
    significance: float
    needed: float | None
    needed_fixed: float | None
    detectable: float | None


def reach(significance: float = 0.05, power: float = 0.8) -> float:
    """Return how many standard errors a difference must measure to be found.

    Parameters
    ----------
    significance, power : float
        Of the two-sided test.

    Returns
    -------
    float
        z + zb, the normal quantiles at 1 - significance / 2 and at the power.

    Examples
    --------
    1.96 for the test, 0.84 for the power.

    >>> round(reach(significance=0.05, power=0.8), 2)
    2.8
    """
    return float(ndtri(1 - significance / 2) + ndtri(power))


def numbers_needed(
    treatment: Group,
    comparison: Group,
    *,
    fixed: bool = False,
    significance: float = 0.05,
    power: float = 0.8,
) -> float:
    """Return how many treated people a study of the seen difference needs in all.

    Parameters
    ----------
    treatment, comparison : Group
        As ``effects.compare`` gives them.
    fixed : bool
        Whether the comparison group stays as it is; else it grows with the treatment group.
    significance, power : float
        Of the two-sided test.

    Returns
    -------
    float
        People, not yet rounded up; infinite when there is no difference, or when with a fixed
        comparison group no number is enough.

    Notes
    -----
    With standard deviations s1 and s0, difference d, effective comparison size m, treated n:
    growing, (z + zb)^2 (s1^2 + s0^2 n / m) / d^2; fixed, s1^2 / ((d / (z + zb))^2 - s0^2 / m).

    Examples
    --------
    Rates of 40% and 50%: (2.8 / 0.1) squared x (0.24 + 0.25), where both groups grow.

    >>> from jdl.effects import Group
    >>> ours = Group(n=100, mean=0.4, sd=0.24**0.5, effective_n=100)
    >>> theirs = Group(n=500, mean=0.5, sd=0.25**0.5, effective_n=100)
    >>> round(numbers_needed(ours, theirs))
    385
    """
    t, c = _figures(treatment), _figures(comparison)
    allowed = ((t.mean - c.mean) / reach(significance, power)) ** 2
    if fixed:
        left = allowed - c.sd**2 / c.size
        return t.sd**2 / left if left > 0 else math.inf
    return (t.sd**2 + c.sd**2 * t.size / c.size) / allowed if allowed else math.inf


CERTAIN = 30
"""Degrees of freedom below which a standard error is too uncertain to plan by."""


def needed(
    treatment: Group,
    comparison: Group,
    adjusted: Result | None = None,
    *,
    matched: int | None = None,
    significance: float = 0.05,
    power: float = 0.8,
) -> Needed:
    """Return how many people the seen difference needs, and what this study could have found.

    Parameters
    ----------
    treatment, comparison : Group
        As ``effects.compare`` gives them, with a mean and a standard deviation.
    adjusted : Result, optional
        The adjusted check of the same measure.
    matched : int, optional
        Everyone treated and matched, where the measure averages a part of them.
    significance, power : float
        Of the two-sided test.

    Returns
    -------
    Needed

    Notes
    -----
    By the adjusted check: n ((z + zb) error / d)^2, which uses what the adjustment bought.
    """
    t, c = _figures(treatment), _figures(comparison)
    many = reach(significance, power)
    scale = (treatment.n if matched is None else matched) / treatment.n
    growing, fixed = (
        scale
        * numbers_needed(treatment, comparison, fixed=stays, significance=significance, power=power)
        for stays in (False, True)
    )
    if adjusted is not None and (adjusted.df or 0) < CERTAIN:
        adjusted = None
    error = None if adjusted is None else adjusted.error
    difference = None if adjusted is None else adjusted.difference
    by_adjusted = None
    if error is not None and difference is not None:
        people = treatment.n * scale
        by_adjusted = people * (many * error / difference) ** 2 if difference else math.inf
    return Needed(
        growing=growing,
        fixed=fixed,
        adjusted=by_adjusted,
        detectable=many * math.sqrt(t.sd**2 / t.size + c.sd**2 / c.size),
        detectable_adjusted=None if error is None else many * error,
    )


def each_needed(
    effects: Mapping[str, Effect], adjusted: Mapping[str, Result], **choices: float
) -> dict[str, Needed]:
    """Return what each measure needs that has a test; see `needed`, whose `choices` it takes.

    Parameters
    ----------
    effects : mapping of str to Effect
        By measure, the rate among them.
    adjusted : mapping of str to Result
        The adjusted checks, by measure.
    **choices
        Significance and power.
    """
    matched = effects["rate"].treatment.n
    return {
        name: needed(
            effect.treatment, effect.comparison, adjusted.get(name), matched=matched, **choices
        )
        for name, effect in effects.items()
        if effect.p_value is not None
    }


@dataclass(frozen=True)
class _Figures:
    mean: float
    sd: float
    size: float


def _figures(group: Group) -> _Figures:
    if group.mean is None or group.sd is None or group.effective_n is None:
        raise ValueError("The group has no mean, standard deviation and effective size.")
    return _Figures(group.mean, group.sd, group.effective_n)


POOL = 50
"""Comparison people, in effective size, to each treated person of a request not yet made."""

SUBMITTED, ANALYSED = 60, 30
"""People who must be submitted, and analysed, for a report: see ``request`` and ``disclosure``."""

EVENTS = 10
"""Treated people who reoffend below which nothing is concluded."""


def plan(
    rate: float,
    *,
    difference: float | None = None,
    people: int | None = None,
    pool: int | None = None,
    retained: float = 0.35,
    power: float = 0.8,
    significance: float = 0.05,
) -> Plan:
    """Return what a request yet to be made would need, and what it could show.

    Parameters
    ----------
    rate : float
        Reoffending rate expected without the programme, between 0 and 1.
    difference : float, optional
        Reduction to be found, above 0 and below `rate`; written, it is at least 0.001.
    people : int, optional
        People to be uploaded.
    pool : int, optional
        Effective size of the comparison group if it cannot grow; without it the comparison group
        counts `POOL` times the treatment group.
    retained : float
        Share of the uploaded who end up analysed.
    power, significance : float
        Of the two-sided test.

    Returns
    -------
    Plan

    Notes
    -----
    As `numbers_needed`, with the variance p (1 - p) of each rate. The smallest difference solves
    d^2 = (z + zb)^2 ((rate - d) (1 - rate + d) / n + rate (1 - rate) / m) for d. Nothing is
    concluded of fewer than `EVENTS` treated people who reoffend, so as many are always needed.

    Examples
    --------
    A fall from 50% to 40% needs (2.8 / 0.1) squared x (0.24 + 0.25 / 50) people in the analysis:
    the comparison group is taken to count 50 times as much.

    >>> POOL, round(plan(0.5, difference=0.1).needed)
    (50, 192)
    """
    many = reach(significance, power)
    growing = fixed = detectable = None
    if difference is not None:
        ours, theirs = _variance(rate - difference), _variance(rate)
        least = EVENTS / (rate - difference)
        growing = max(least, (ours + theirs / POOL) * (many / difference) ** 2)
        if pool is not None:
            left = (difference / many) ** 2 - theirs / pool
            fixed = max(least, ours / left) if left > 0 else math.inf
    if people is not None:
        n = people * retained
        detectable = _smallest(rate, n, POOL * n if pool is None else pool, many)
    return Plan(
        rate, difference, people, pool, retained, power, significance, growing, fixed, detectable
    )


def _variance(rate: float) -> float:
    return rate * (1 - rate)


def _smallest(rate: float, n: float, pool: float, many: float) -> float:
    """Solve d^2 = many^2 ((rate - d) (1 - rate + d) / n + rate (1 - rate) / pool)."""
    k = many**2 / n
    b, c = k * (1 - 2 * rate), -(many**2) * _variance(rate) * (1 / n + 1 / pool)
    smallest = (-b + math.sqrt(b * b - 4 * (1 + k) * c)) / (2 * (1 + k))
    return smallest if n * (rate - smallest) >= EVENTS else math.inf


def read_plan(written: Mapping[str, str | None]) -> Plan:
    """Make a plan of what was written on the command line.

    Parameters
    ----------
    written : mapping of str to str or None
        By the names of the parameters of `plan`; None where nothing was written.

    Returns
    -------
    Plan

    Raises
    ------
    Unusable
        With every fault there is.
    """
    given = {name: text for name, text in written.items() if text is not None}
    values = {name: _number(text) for name, text in given.items()}
    faults = [
        Fault("jdl power", rule, remedy, f"--{name}")
        for name, (rule, remedy, holds) in _RULES.items()
        if name in given and not holds(values[name])
    ]
    if "rate" not in given:
        faults.insert(0, Fault("jdl power", "is needed", "Write 0.45 for 45%", "--rate"))
    if not {"difference", "people"} & set(given):
        remedy = "Give the reduction to be found, the people to be uploaded, or both"
        faults.append(Fault("jdl power", "there is nothing to work out", remedy))
    rate, difference = values.get("rate", math.nan), values.get("difference", math.nan)
    if difference >= rate and not faults:
        rule = "must be below the rate: nobody can reoffend less often than never"
        faults.append(Fault("jdl power", rule, "Write a smaller reduction", "--difference"))
    if faults:
        raise Unusable(faults)
    counts = {name: int(values.pop(name)) for name in ("people", "pool") if name in values}
    return plan(values.pop("rate"), **counts, **values)  # type: ignore[arg-type]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _share(value: float) -> bool:
    return 0 < value < 1


def _whole(value: float) -> bool:
    return math.isfinite(value) and value >= 1 and value == int(value)


_RULES = {
    "rate": ("must be a share above 0 and below 1", "Write 0.45 for 45%", _share),
    "difference": (
        "must be a share of at least 0.001 and below 1",
        "Write 0.06 for a reduction of 6 percentage points",
        lambda value: 0.001 <= value < 1,
    ),
    "people": ("must be a whole number, at least 1", "Write 500 for 500 people", _whole),
    "pool": ("must be a whole number, at least 1", "Write 2000 for 2,000 people", _whole),
    "power": (
        "must be a share of at least 0.5 and below 1",
        "Write 0.8 for 8 times in 10",
        lambda value: 0.5 <= value < 1,
    ),
    "significance": (
        "must be a share above 0 and at most 0.2",
        "Write 0.05 for 5%",
        lambda value: 0 < value <= 0.2,
    ),
    "retained": (
        "must be a share above 0 and at most 1",
        "Write 0.35 if 35 of every 100 people uploaded are analysed",
        lambda value: 0 < value <= 1,
    ),
}


def sentences(plan: Plan) -> Iterator[str]:
    """Tell a plan in plain words.

    Parameters
    ----------
    plan : Plan
        As `plan` makes it.

    Yields
    ------
    str
        A line.
    """
    if plan.difference is not None and plan.needed is not None:
        yield (
            f"To find a fall of {_points(plan.difference)}, from {_percent(plan.rate)} who "
            f"reoffend without the programme to {_percent(plan.rate - plan.difference)} with it:"
        )
        yield f"- {_people(plan, plan.needed)}, with a comparison group that grows with them"
        if plan.pool is not None and plan.needed_fixed is not None:
            group = f"a comparison group that stays at {plan.pool:,} people"
            if math.isfinite(plan.needed_fixed):
                yield f"- {_people(plan, plan.needed_fixed)}, with {group}"
            else:
                yield f"- no number of people is enough with {group}"
    if plan.people is not None and plan.detectable is not None:
        yield (
            f"With {plan.people:,} people uploaded, of whom about "
            f"{round(plan.people * plan.retained):,} are analysed:"
        )
        if math.isfinite(plan.detectable):
            yield (
                f"- the smallest fall that is found is {_points(plan.detectable)}, from "
                f"{_percent(plan.rate)} to {_percent(plan.rate - plan.detectable)}"
            )
        else:
            yield (
                f"- no fall is found, for fewer than {EVENTS} of those analysed would reoffend, "
                "too few to draw a conclusion"
            )
        if plan.people < SUBMITTED or plan.people * plan.retained < ANALYSED:
            yield (
                f"- these are too few: for a report at least {SUBMITTED} people must be submitted "
                f"and {ANALYSED} analysed"
            )
    yield (
        f"Found means: significant at {_percent(plan.significance)} in {_percent(plan.power)} of "
        f"such studies. {_percent(plan.retained)} of the people uploaded are taken to be analysed."
    )


def _people(plan: Plan, needed: float) -> str:
    analysed, uploaded = math.ceil(needed), math.ceil(math.ceil(needed) / plan.retained)
    return f"{analysed:,} people in the analysis, about {uploaded:,} to upload"


def _points(share: float) -> str:
    return f"{share * 100:.1f} percentage points"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".removesuffix(".0") + "%"
