"""Pairs: one candidate for each treated person, the nearest that is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jdl.matching.calipers import caliper_width

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]


def nearest(logit: Floats, treated: Flags, caliper_sd: float, exact: Rows | None = None) -> Rows:
    """Match pairs without replacement, the treated people with the highest logit first.

    Parameters
    ----------
    logit : array of shape (n,)
        Linear predictor of the propensity score.
    treated : bool array of shape (n,)
        Who was treated.
    caliper_sd : float
        Greatest distance, in standard deviations of the logit over all units; infinite for none.
    exact : int array of shape (n,), optional
        Stratum of each unit; pairs stay within a stratum.

    Returns
    -------
    int array of shape (pairs, 2)
        Rows of the treated person and of the candidate, in the order of the treated rows.

    Notes
    -----
    Each treated person takes the candidate with the least ``|logit_i - logit_j|`` of those left,
    the earlier row of equals: the greedy rule of R's MatchIt (``method = "nearest"``,
    ``m.order = "largest"``), whose pairs these are. Candidates are sorted; those taken are skipped
    by links to the next that is left on either side, shortened as they are followed, so that the
    whole takes O(n log n).

    Examples
    --------
    Row 1 has the highest logit and chooses first: row 3. Row 0 then takes row 2, the nearest left.

    >>> logit = np.array([0.0, 2.0, 1.0, 2.0, 3.0])
    >>> treated = np.array([True, True, False, False, False])
    >>> nearest(logit, treated, caliper_sd=np.inf).tolist()
    [[0, 2], [1, 3]]
    """
    width = caliper_width(logit, caliper_sd) if np.isfinite(caliper_sd) else np.inf
    strata = np.zeros(len(logit), dtype=np.int64) if exact is None else exact
    ours = np.flatnonzero(treated)
    ours = ours[np.argsort(-logit[ours], kind="stable")]
    pool = np.flatnonzero(~treated)
    keys = (logit[pool],) if exact is None else (logit[pool], strata[pool])
    pool = pool[np.lexsort(keys)]
    left = _Left(logit[pool], pool)
    low, high = (np.searchsorted(strata[pool], strata[ours], side) for side in ("left", "right"))
    pairs = []
    for row, first, end in zip(ours.tolist(), low.tolist(), high.tolist(), strict=True):
        place = left.nearest(logit[row], first, end)
        if place is not None and abs(logit[row] - logit[pool[place]]) <= width:
            left.take(place)
            pairs.append((row, int(pool[place])))
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


class _Left:
    """Sorted candidates of whom some are taken."""

    def __init__(self, values: Floats, rows: Rows) -> None:
        self.values, self.rows = values, rows
        self.after = list(range(len(values) + 1))
        self.before = list(range(len(values) + 1))

    def nearest(self, value: float, first: int, end: int) -> int | None:
        """Return the place of the nearest that is left from `first` to before `end`."""
        middle = first + int(np.searchsorted(self.values[first:end], value))
        above = _follow(self.after, middle)
        below = _follow(self.before, middle) - 1
        found = [above] * (above < end)
        if below >= first:
            run = first + int(np.searchsorted(self.values[first:end], self.values[below]))
            found.append(_follow(self.after, run))
        return min(
            found, key=lambda at: (abs(value - self.values[at]), self.rows[at]), default=None
        )

    def take(self, place: int) -> None:
        """Link past a place on both sides."""
        self.after[place] = place + 1
        self.before[place + 1] = place


def _follow(links: list[int], place: int) -> int:
    """Follow links to one that points to itself, and shorten them on the way."""
    while links[place] != place:
        links[place] = links[links[place]]
        place = links[place]
    return place
