"""Entropy balancing: weights that make means equal and differ as little as they can.

Hainmueller (2012): of all weights of the comparison group that give each term the treatment
group's mean, those nearest to equal ones by relative entropy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jdl.matching.score import blocks

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PASSES = 100
"""Newton steps after which no weights are given."""
EQUAL = 1e-11
"""Greatest difference of a mean from the treatment group's, in SDs of the candidates."""


class Difference(NamedTuple):
    """A difference of weighted means, with its standard error."""

    difference: float
    error: float


def weigh(design: Floats, treated: Flags) -> Floats | None:
    """Weigh the candidates so that the means of all columns are those of the treatment group.

    Parameters
    ----------
    design : array of shape (n, k)
        What to balance; a constant column asks for nothing.
    treated : bool array of shape (n,)
        Who was treated.

    Returns
    -------
    array of shape (n,) or None
        1 for the treated; the candidates' weights sum to their number. None where no weights make
        the means equal: the treatment group lies outside what the candidates span.

    Notes
    -----
    With z the columns less the treated means, in SDs of the candidates, the weights are
    proportional to exp(z b), b minimising log sum_j exp(z_j b): the dual of the problem, convex,
    solved by Newton steps that are halved while they do not lower it. Agrees to 1e-9 with R's
    WeightIt (``method = "ebal"``).
    """
    pool = _Pool.of(design, treated)
    at = pool.at(np.zeros(design.shape[1]))
    for _ in range(PASSES):
        if np.abs(at.gradient).max(initial=0) <= EQUAL:
            weight = np.ones(len(treated))
            weight[~treated] = at.shares * treated.sum()
            return weight
        step = np.linalg.lstsq(at.curvature, -at.gradient, rcond=1e-13)[0]
        found = pool.at(at.multipliers + step)
        while not found.dual <= at.dual and np.abs(step).max() > EQUAL:
            step = step / 2
            found = pool.at(at.multipliers + step)
        at = found
    return None


def difference(
    outcome: Floats,
    treated: Flags,
    weight: Floats,
    design: Floats,
    people: NDArray[np.int64] | None = None,
) -> Difference:
    """Compare the outcome of two groups that entropy balancing has made alike.

    Parameters
    ----------
    outcome, weight : array of shape (n,)
        The outcome; the weights from `weigh` on the same rows.
    treated : bool array of shape (n,)
        Who was treated.
    design : array of shape (n, k)
        What was balanced.
    people : int array of shape (n,), optional
        Whose row it is; all rows of one person err together.

    Returns
    -------
    Difference

    Notes
    -----
    M-estimation: treated means, multipliers and both means of the outcome are estimated together,
    which leaves unit i the influence (1 / n) r_i if treated and -(1 / n) w_i r_i if not, n the
    number treated, r = y less the weighted mean of its group less (x - mean of x) b, and b the
    coefficients of y on x in the weighted comparison group. The error is the root of the sum of
    squares of each person's influence, the treated part times n / (n - 1). With a continuous
    outcome this is the error of the doubly robust estimate by weighted least squares, which is
    then the same estimate.
    """
    n = treated.sum()
    means = [float(np.average(outcome[g], weights=weight[g])) for g in (treated, ~treated)]
    centred = design - design[treated].mean(axis=0)
    rest = outcome - np.where(treated, *means)
    root = np.sqrt(weight[~treated])
    slopes = np.linalg.lstsq(centred[~treated] * root[:, None], rest[~treated] * root)[0]
    ours = np.sqrt(n / max(n - 1, 1))
    influence = np.where(treated, ours, -weight) * (rest - centred @ slopes) / n
    if people is not None:
        influence = np.bincount(np.unique(people, return_inverse=True)[1], influence)
    return Difference(means[0] - means[1], float(np.sqrt((influence**2).sum())))


class _At(NamedTuple):
    """The dual at one set of multipliers."""

    multipliers: Floats
    shares: Floats
    dual: float
    gradient: Floats
    curvature: Floats


class _Pool(NamedTuple):
    """The candidates' columns, less the treated means, in SDs of the candidates."""

    values: Floats

    @classmethod
    def of(cls, design: Floats, treated: Flags) -> _Pool:
        candidates = design[~treated]
        sd = np.array([column.std() for column in candidates.T])
        candidates -= design[treated].mean(axis=0)
        candidates /= np.where(sd > 0, sd, 1)
        return cls(candidates)

    def at(self, multipliers: Floats) -> _At:
        exponent = self.values @ multipliers
        top = exponent.max()
        shares = np.exp(exponent - top)
        total = shares.sum()
        shares /= total
        gradient = shares @ self.values
        curvature = -np.outer(gradient, gradient)
        for rows in blocks(len(shares)):
            weighted = self.values[rows] * np.sqrt(shares[rows])[:, None]
            curvature += weighted.T @ weighted
        return _At(multipliers, shares, float(top + np.log(total)), gradient, curvature)
