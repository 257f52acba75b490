"""The statistics that published aggregates determine, worked out again from their own sources.

Welch's test with the comparison group at Kish's effective size is the service's test as the reports
describe it ("a two-sided t-test that does not assume equal variances, with the comparison group
counted at its effective size").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from scipy.optimize import minimize_scalar
from scipy.special import betainc, betaincinv

LEVEL, POWER = 0.05, 0.8
"""Of every test, and of a number needed: the parameters that every report tells."""


_NORMAL = NormalDist()


def two_sided(t: float, df: float) -> float:
    """Return the two-sided p-value of Student's t, by the incomplete beta function."""
    return float(betainc(df / 2, 0.5, df / (df + t * t)))


def quantile(df: float) -> float:
    """Return the quantile of Student's t that a 95% confidence interval uses."""
    share = float(betaincinv(df / 2, 0.5, LEVEL))
    return math.sqrt(df * (1 - share) / share)


@dataclass(frozen=True)
class Welch:
    """A two-sided test of two means.

    Parameters
    ----------
    difference, error, df, low, high, p : float
        Treatment minus comparison, its standard error, Welch and Satterthwaite's degrees of
        freedom, the limits of its 95% confidence interval, and the p-value.
    """

    difference: float
    error: float
    df: float
    low: float
    high: float
    p: float


def welch(
    means: tuple[float, float], sds: tuple[float, float], sizes: tuple[float, float]
) -> Welch | None:
    """Return the test of treatment against comparison; None where nothing varies."""
    parts = [sd**2 / size for sd, size in zip(sds, sizes, strict=True)]
    error = math.sqrt(sum(parts))
    if not error or min(sizes) <= 1:
        return None
    df = sum(parts) ** 2 / sum(
        part**2 / (size - 1) for part, size in zip(parts, sizes, strict=True)
    )
    difference = means[0] - means[1]
    half = quantile(df) * error
    p = two_sided(difference / error, df)
    return Welch(difference, error, df, difference - half, difference + half, p)


def interval(mean: float, sd: float, size: float) -> tuple[float, float]:
    """Return the 95% confidence interval of one group's mean."""
    half = quantile(size - 1) * sd / math.sqrt(size)
    return mean - half, mean + half


def spread_of_share(share: float, size: float) -> float:
    """Return the standard deviation of a yes or no of which `share` is known, over `size` - 1."""
    return math.sqrt(share * (1 - share) * size / (size - 1))


CERTAIN, MANY = 30, 1e7
"""Degrees of freedom below which no number needed is told by the adjusted check; and no bound."""


def normal_quantile() -> float:
    """Return the normal quantile of a 95% confidence interval."""
    return _NORMAL.inv_cdf(1 - LEVEL / 2)


def reach() -> float:
    """Return how many standard errors a difference must measure to be found, four times in five."""
    return _NORMAL.inv_cdf(1 - LEVEL / 2) + _NORMAL.inv_cdf(POWER)


def needed(
    difference: float, sds: tuple[float, float], sizes: tuple[float, float], *, fixed: bool = False
) -> float:
    """Return how many treated people would show the difference seen.

    Parameters
    ----------
    difference : float
    sds, sizes : tuple of float
        Of treatment and comparison; the comparison at its effective size.
    fixed : bool
        Whether the comparison group stays as it is; otherwise it grows with the treatment group.
    """
    allowed = (difference / reach()) ** 2
    if fixed:
        left = allowed - sds[1] ** 2 / sizes[1]
        return sds[0] ** 2 / left if left > 0 else math.inf
    spread = sds[0] ** 2 + sds[1] ** 2 * sizes[0] / sizes[1]
    return spread / allowed if allowed else math.inf


def possible_p(difference: float, low: float, high: float) -> tuple[float, float]:
    """Return the least and greatest p of a symmetric interval whose degrees of freedom are unknown.

    They lie between one and infinity.
    """
    half = (high - low) / 2
    if half <= 0:
        return 0.0, 1.0
    ends = [two_sided(difference / half * quantile(df), df) for df in (1.0, MANY)]
    return min(ends), max(ends)


def holm(values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given."""
    order = sorted(range(len(values)), key=lambda at: values[at])
    adjusted, highest = [0.0] * len(values), 0.0
    for place, at in enumerate(order):
        highest = max(highest, min(1.0, values[at] * (len(values) - place)))
        adjusted[at] = highest
    return adjusted


def benjamini_hochberg(values: Sequence[float]) -> list[float]:
    """Return Benjamini and Hochberg's adjusted p-values, in the order given."""
    order = sorted(range(len(values)), key=lambda at: values[at], reverse=True)
    adjusted, lowest = [0.0] * len(values), 1.0
    for place, at in enumerate(order):
        lowest = min(lowest, values[at] * len(values) / (len(values) - place))
        adjusted[at] = lowest
    return adjusted


def e_value(ratio: float) -> float:
    """Return VanderWeele and Ding's E-value of a risk ratio."""
    above = max(ratio, 1 / ratio)
    return above + math.sqrt(above * (above - 1))


def nearest_ratio(
    means: tuple[float, float], sds: tuple[float, float], sizes: tuple[float, float]
) -> float:
    """Return the limit nearest to one of a ratio of means, by the delta method; at least 1."""
    log = math.log(means[0] / means[1])
    error = math.sqrt(
        sum((sd / mean) ** 2 / n for mean, sd, n in zip(means, sds, sizes, strict=True))
    )
    return math.exp(max(0.0, abs(log) - _NORMAL.inv_cdf(1 - LEVEL / 2) * error))


@dataclass(frozen=True)
class Pooled:
    """Results put together by a random-effects model.

    Parameters
    ----------
    average, low, high : float
        With its 95% confidence interval, by Hartung and Knapp, never shorter than the classical.
    spread_low, spread_high : float
        The 95% prediction interval of Higgins, Thompson and Spiegelhalter.
    tau : float
        The standard deviation of true effects, by restricted maximum likelihood.
    i_squared : float
        The share of the variance that is not chance.
    """

    average: float
    low: float
    high: float
    spread_low: float
    spread_high: float
    tau: float
    i_squared: float


def pool(estimates: Sequence[float], errors: Sequence[float]) -> Pooled:
    """Return the random-effects summary of estimates with known standard errors."""
    tau2 = _reml(estimates, errors)
    weights = [1 / (error**2 + tau2) for error in errors]
    average = _average(estimates, weights)
    count = len(estimates)
    scatter = sum(w * (y - average) ** 2 for y, w in zip(estimates, weights, strict=True))
    classical = 1 / sum(weights)
    variance = classical * max(1.0, scatter / (count - 1))
    half = quantile(count - 1) * math.sqrt(variance)
    far = quantile(count - 2) * math.sqrt(tau2 + variance)
    return Pooled(
        *(average, average - half, average + half, average - far, average + far),
        *(math.sqrt(tau2), _i_squared(errors, tau2)),
    )


def _average(estimates: Sequence[float], weights: Sequence[float]) -> float:
    total = sum(y * w for y, w in zip(estimates, weights, strict=True))
    return total / sum(weights)


def _reml(estimates: Sequence[float], errors: Sequence[float]) -> float:
    """Return the between-study variance of the greatest restricted likelihood, at least nought."""

    def unlikely(tau2: float) -> float:
        variances = [error**2 + tau2 for error in errors]
        weights = [1 / one for one in variances]
        average = _average(estimates, weights)
        return sum(
            math.log(v) + (y - average) ** 2 / v for y, v in zip(estimates, variances, strict=True)
        ) + math.log(sum(weights))

    widest = 10 * (max(estimates) - min(estimates)) ** 2 + max(errors) ** 2
    found = minimize_scalar(  # type: ignore[no-untyped-call]
        unlikely, bounds=(0, widest), method="bounded", options={"xatol": 1e-14 + 1e-12 * widest}
    )
    return 0.0 if unlikely(0.0) <= found.fun else float(found.x)


def _i_squared(errors: Sequence[float], tau2: float) -> float:
    """Return tau squared over itself and the typical variance within (Higgins and Thompson)."""
    weights = [1 / error**2 for error in errors]
    squares = sum(w**2 for w in weights)
    typical = (len(errors) - 1) * sum(weights) / (sum(weights) ** 2 - squares)
    return tau2 / (tau2 + typical)
