"""Radius matching: everyone within a caliper shares a weight of one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def radius(
    logit: Floats, treated: Flags, caliper_sd: float, exact: NDArray[np.int64] | None = None
) -> Floats:
    """Weigh every unit by radius matching on the logit: `within` a multiple of its SD.

    Parameters
    ----------
    logit : array of shape (n,)
        Linear predictor of the propensity score.
    treated : bool array of shape (n,)
        Who was treated.
    caliper_sd : float
        Greatest distance, in standard deviations of the logit over all units.
    exact : int array of shape (n,), optional
        Stratum of each unit; matches stay within a stratum.

    Returns
    -------
    array of shape (n,)
        1 for a treated person with a match and 0 without; for a candidate the sum of the shares.

    Notes
    -----
    Agrees to 1e-9 with R's MatchIt (``replace = TRUE``, as many controls as the caliper holds),
    whose caliper is scaled by the same standard deviation.

    Examples
    --------
    The logits have a standard deviation of 1.58, so a caliper of 0.7 of it reaches 1.11. The first
    treated person has a match at 1; the second, at 4, has one at 3. Nobody is near 2.

    >>> logit = np.array([0.0, 4.0, 1.0, 2.0, 3.0])
    >>> treated = np.array([True, True, False, False, False])
    >>> radius(logit, treated, caliper_sd=0.7).tolist()
    [1.0, 1.0, 1.0, 0.0, 1.0]
    """
    return within(logit, treated, caliper_width(logit, caliper_sd), exact)


def within(
    value: Floats, treated: Flags, width: float, exact: NDArray[np.int64] | None = None
) -> Floats:
    """Weigh every unit by radius matching with replacement.

    Treated person i is compared with all n_i candidates of the same stratum with
    ``|value_i - value_j| <= width``; each of them receives 1 / n_i from i. Sorted, the candidates
    of i are a run, and so are the treated people of j: two binary searches and prefix sums
    replace the pairs, O(n log n).

    Parameters
    ----------
    value : array of shape (n,)
        The logit, or the score.
    treated : bool array of shape (n,)
        Who was treated.
    width : float
        Greatest distance.
    exact : int array of shape (n,), optional
        Stratum of each unit.

    Returns
    -------
    array of shape (n,)
        As `radius`.

    Examples
    --------
    The first treated person has two matches, which get a half each; the second has none.

    >>> value = np.array([0.50, 0.10, 0.40, 0.45, 0.90])
    >>> treated = np.array([True, True, False, False, False])
    >>> within(value, treated, width=0.2).tolist()
    [1.0, 0.0, 0.5, 0.5, 0.0]
    """
    weight = np.zeros(len(value))
    order = np.argsort(value) if exact is None else np.lexsort((value, exact))
    starts = np.flatnonzero(np.diff(exact[order])) + 1 if exact is not None else np.zeros(0, int)
    for rows in np.split(order, starts):
        ours, theirs = rows[treated[rows]], rows[~treated[rows]]
        weight[ours], weight[theirs] = _share(value[ours], value[theirs], width)
    return weight


def caliper_width(logit: Floats, caliper_sd: float) -> float:
    """Return the caliper on the logit scale: a multiple of its SD over all units (ddof 1).

    Parameters
    ----------
    logit : array of shape (n,)
        Linear predictor of the propensity score, of everybody.
    caliper_sd : float
        In standard deviations.

    Returns
    -------
    float
        On the scale of the logit.

    Notes
    -----
    caliper_sd * sqrt(sum_i (logit_i - mean)^2 / (n - 1)).

    Examples
    --------
    The numbers 1 to 5 have the variance 2.5, so the standard deviation 1.58.

    >>> round(caliper_width(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), caliper_sd=0.2), 3)
    0.316
    """
    return caliper_sd * float(np.std(np.sort(logit), ddof=1))


def _share(ours: Floats, theirs: Floats, width: float) -> tuple[Flags, Floats]:
    """Weights within one stratum, both groups sorted.

    Candidates `low[i]` to `high[i]` belong to treated i. Both bounds rise with i, so the treated
    people of candidate j run from the first whose `high` passes j to the last whose `low` does
    not; reading them off the same bounds keeps both sides of every pair in agreement.
    """
    low = np.searchsorted(theirs, ours - width, side="left")
    high = np.searchsorted(theirs, ours + width, side="right")
    found = high > low
    shares = np.zeros(len(ours))
    np.divide(1.0, high - low, out=shares, where=found)
    prefix = np.concatenate(([0.0], np.cumsum(shares)))
    position = np.arange(len(theirs))
    first = np.searchsorted(high, position, side="right")
    last = np.maximum(first, np.searchsorted(low, position, side="right"))
    return found, prefix[last] - prefix[first]
