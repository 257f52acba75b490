"""An intruder who adds and subtracts: the feasible range of every count, by integer programming.

Shares nothing with the package. What is known goes in as sums of unknown whole numbers with a least
and a greatest value; what can be worked out comes out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

WIDE = 10
"""A range this wide tells too little; so does all of 0 to 9."""


@dataclass
class Intruder:
    """What somebody knows of counts.

    Parameters
    ----------
    most : float
        No count is greater.
    """

    most: float = 1e6
    _columns: dict[str, int] = field(default_factory=dict)
    _rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)
    _tables: list[np.ndarray] = field(default_factory=list)

    def know(
        self, parts: Mapping[str, float] | Iterable[str], low: float, high: float | None = None
    ) -> None:
        """Take note that a sum of counts lies between two values, or is exactly one.

        Parameters
        ----------
        parts : mapping of str to float, or iterable of str
            The counts by name, with their multipliers; one each without.
        low, high : float
            Both included; equal without `high`.
        """
        weights = parts if isinstance(parts, Mapping) else dict.fromkeys(parts, 1.0)
        row = {self._column(name): float(weight) for name, weight in weights.items()}
        self._tables.clear()
        self._rows.append((row, float(low), float(low if high is None else high)))

    def know_share(
        self, parts: Iterable[str], whole: Iterable[str], share: float, half: float
    ) -> None:
        """Take note of a share as printed: the true one lies within `half` of it."""
        parts, whole = list(parts), list(whole)
        for limit, sign in ((share + half, 1), (share - half, -1)):
            row: dict[str, float] = {}
            for name in parts:
                row[name] = row.get(name, 0.0) + sign
            for name in whole:
                row[name] = row.get(name, 0.0) - sign * limit
            self.know(row, -math.inf, 1e-7)

    def range_of(self, parts: Iterable[str]) -> tuple[int, int]:
        """Return the least and the greatest that a sum of counts can be.

        Raises
        ------
        ValueError
            If nothing fits what is known: then the knowledge is wrong.
        """
        target = self._target(parts)
        least, greatest = (self._solve(sign * target) * sign for sign in (1, -1))
        return round(least), round(greatest)

    def seen(self, parts: Iterable[str]) -> tuple[int, int] | None:
        """Return the least and the greatest among the tables met so far; None before the first."""
        values = [float(table @ self._target(parts)) for table in self._tables]
        return (round(min(values)), round(max(values))) if values else None

    def _target(self, parts: Iterable[str]) -> np.ndarray:
        target = np.zeros(len(self._columns))
        for name in parts:
            target[self._column(name, new=False)] += 1
        return target

    def _column(self, name: str, *, new: bool = True) -> int:
        if not new:
            return self._columns[name]
        return self._columns.setdefault(name, len(self._columns))

    def _solve(self, cost: np.ndarray) -> float:
        """Return the least of a sum: without the demand for whole numbers first, if it meets it."""
        entries = [(r, c, w) for r, (row, _, _) in enumerate(self._rows) for c, w in row.items()]
        rows, columns, weights = (list(part) for part in zip(*entries, strict=True))
        shape = (len(self._rows), len(self._columns))
        constraints = LinearConstraint(
            csr_matrix((weights, (rows, columns)), shape=shape),
            [low for _, low, _ in self._rows],
            [high for _, _, high in self._rows],
        )
        # Without the demand for whole numbers first: quicker, and its end is often a whole one.
        for whole in (0, 1):
            found = milp(
                cost,
                constraints=constraints,
                bounds=Bounds(0, self.most),
                integrality=np.full(len(self._columns), whole),
                options={"mip_rel_gap": 0},
            )
            if found.status != 0:
                raise ValueError(f"no counts fit what is known: {found.message}")
            if np.abs(found.x - np.round(found.x)).max() < 1e-6:
                break
        self._tables.append(np.round(found.x))
        return float(found.fun)


def is_open(low: int, high: int, whole: int | None = None) -> bool:
    """Whether a range tells too little: it is wide, or all of 0 to 9, or of all there are.

    Parameters
    ----------
    low, high : int
    whole : int, optional
        The people meant, where they are known to be fewer than ten: then nothing can be wider.
    """
    few = WIDE - 1 if whole is None else min(WIDE - 1, whole)
    return high - low >= WIDE or (low == 0 and high >= few)


@dataclass(frozen=True)
class Found:
    """What an intruder finds of one count that is not told.

    Parameters
    ----------
    cell : str
    count : int
        The true one.
    whole : int
        The people it is a count of.
    low, high : int
        The range that the intruder is left with.
    withheld : bool
        Whether it is a cell of a table, and not only a difference of two.
    """

    cell: str
    count: int
    whole: int
    low: int
    high: int
    withheld: bool

    @property
    def is_small(self) -> bool:
        """Whether few people have the event, or few have not."""
        return min(self.count, self.whole - self.count) < WIDE

    @property
    def is_open(self) -> bool:
        """Whether the range is wide, or holds all small numbers of those with or without."""
        without = self.whole - self.high, self.whole - self.low
        return is_open(self.low, self.high, self.whole) or is_open(*without, self.whole)
