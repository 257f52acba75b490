"""Entropy balancing: weights that make means equal and differ as little as they can.

Hainmueller (2012): of all weights of the comparison group that give each term the treatment
group's mean, those nearest to equal ones by relative entropy.
"""

from __future__ import annotations

from dataclasses import dataclass
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
REPEATED = 1e-12
"""Share of the greatest eigenvalue of the cross-products below which columns repeat others."""


class Difference(NamedTuple):
    """A difference of weighted means, with its standard error.

    The means, treated and compared, and the standard error of the logarithm of their ratio: not a
    number where a mean is not above zero.
    """

    difference: float
    error: float
    treated: float
    comparison: float
    log_error: float


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
        1 for the treated; the candidates' weights sum to the number of treated. None
        where no weights make the means equal: the treatment group lies
        outside what the candidates span.

    Notes
    -----
    With z the columns less the treated means, in SDs of the candidates, the weights are
    proportional to exp(z b), b minimising log sum_j exp(z_j b): the dual of the problem, convex,
    solved by Newton steps that are halved while they do not lower it. Agrees to 1e-9 with R's
    WeightIt (``method = "ebal"``).

    Examples
    --------
    Half of the treated are men, but one of three candidates: he counts as much as the other two.

    >>> man = np.array([0.0, 1.0, 0.0, 0.0, 1.0])
    >>> treated = np.array([True, True, False, False, False])
    >>> weigh(man[:, None], treated).round(6).tolist()
    [1.0, 1.0, 0.5, 0.5, 1.0]
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


@dataclass(frozen=True, eq=False)
class Balanced:
    """Two groups that entropy balancing has made alike, ready for any outcome of theirs.

    Parameters
    ----------
    treated : bool array of shape (n,)
        Who was treated.
    weight : array of shape (n,)
        From `weigh`.
    person : int array of shape (n,)
        Whose row it is, from 0.
    rows : array of shape (n, k)
        What was balanced, less the treated means.
    inverse : array of shape (k, k)
        Of the weighted cross-products of the comparison rows; columns that repeat others add
        nothing.
    """

    treated: Flags
    weight: Floats
    person: NDArray[np.int64]
    rows: Floats
    inverse: Floats


def balanced(
    design: Floats, treated: Flags, weight: Floats, people: NDArray[np.int64] | None = None
) -> Balanced:
    """Prepare two groups that entropy balancing has made alike for `difference`.

    Parameters
    ----------
    design : array of shape (n, k)
        What was balanced.
    treated : bool array of shape (n,)
        Who was treated.
    weight : array of shape (n,)
        From `weigh` on the same rows.
    people : int array of shape (n,), optional
        Whose row it is; all rows of one person err together.

    Returns
    -------
    Balanced
    """
    rows = design - design[treated].mean(axis=0)
    sd = rows.std(axis=0)
    rows /= np.where(sd > 0, sd, 1)
    weighted = rows[~treated] * np.sqrt(weight[~treated])[:, None]
    inverse = np.linalg.pinv(weighted.T @ weighted, rcond=REPEATED, hermitian=True)
    whose = np.arange(len(treated)) if people is None else people
    return Balanced(treated, weight, np.unique(whose, return_inverse=True)[1], rows, inverse)


def difference(groups: Balanced, outcome: Floats, among: Flags | None = None) -> Difference:
    """Compare the outcome of two groups that entropy balancing has made alike.

    Parameters
    ----------
    groups : Balanced
    outcome : array of shape (n,)
        Of every row; only that of the rows in `among` is read.
    among : bool array of shape (n,), optional
        The rows that have the outcome, for example those who reoffended; all if absent.

    Returns
    -------
    Difference

    Notes
    -----
    M-estimation: treated means, multipliers and both means of the outcome are estimated together.
    That leaves a treated unit the influence r_i, and a comparison unit -w_i r_i, with
    r = e - (x - mean of the treated's x) b; e = (y - weighted mean of the group) / (sum of the
    group's weights) within `among` and 0 outside; and b the coefficients of e on x in the whole
    weighted comparison group. The error is the root of the sum of squares of each person's
    influence, the treated part times n / (n - 1), n the treated in `among`. For the logarithm of
    the ratio e is divided by the group's mean (delta method). With a continuous outcome of everyone
    this is the error of the doubly robust estimate by weighted least squares, which is then the
    same estimate.
    """
    inside = np.ones(len(outcome), dtype=bool) if among is None else among
    ours, theirs = groups.treated & inside, ~groups.treated & inside
    mean, compared = (
        float(np.average(outcome[group], weights=groups.weight[group])) for group in (ours, theirs)
    )
    rest = np.zeros(len(outcome))
    rest[ours] = (outcome[ours] - mean) / groups.weight[ours].sum()
    rest[theirs] = (outcome[theirs] - compared) / groups.weight[theirs].sum()
    error, log_error = _error(groups, rest, int(ours.sum())), np.nan
    if min(mean, compared) > 0:
        relative = rest / np.where(groups.treated, mean, compared)
        log_error = _error(groups, relative, int(ours.sum()))
    return Difference(mean - compared, error, mean, compared, log_error)


def _error(groups: Balanced, rest: Floats, n: int) -> float:
    """Return the root of the sum of squares of each person's influence."""
    theirs = np.where(groups.treated, 0, groups.weight * rest)
    slopes = groups.inverse @ (theirs @ groups.rows)
    predicted = groups.rows @ slopes
    influence = np.where(
        groups.treated,
        np.sqrt(n / max(n - 1, 1)) * (rest - predicted),
        -groups.weight * (rest - predicted),
    )
    by_person = np.bincount(groups.person, influence)
    return float(np.sqrt(by_person @ by_person))


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
