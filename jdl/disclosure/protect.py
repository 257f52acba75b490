"""Counts in tables that share people: what may be told so that none withheld can be worked out.

A table is a sum of *parts*, counts of people of whom nothing finer is published. Whoever reads it
knows sums of parts: those that an upload shows, and those that are told, each in its form. A count
is *open* if what is known leaves it a range at least ten wide, or all of 0 to 9.
"""

# mypy: allow-untyped-calls

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[attr-defined]
from scipy.sparse import csc_array

from jdl.disclosure.rules import RULES, Rules

Part: TypeAlias = Hashable
_SLACK = 1e-6


@dataclass(frozen=True)
class Told:
    """What one published figure tells: a sum of parts lies between two numbers.

    Parameters
    ----------
    parts : mapping of part to float
        How often each part counts in the sum.
    low, high : float
        Both included.
    """

    parts: Mapping[Part, float]
    low: float
    high: float


def exactly(parts: Iterable[Part], count: int) -> Told:
    """Tell a count as it is."""
    return Told(dict.fromkeys(parts, 1.0), count, count)


def between(parts: Iterable[Part], low: float, high: float) -> Told:
    """Tell that a count lies between two numbers, such as a tenth of a known whole."""
    return Told(dict.fromkeys(parts, 1.0), low, high)


def nearest(parts: Iterable[Part], count: int, step: int) -> Told:
    """Tell a count to the nearest `step`, a half to the even multiple."""
    same = [
        one
        for one in range(max(count - step, 0), count + step + 1)
        if round(one / step) == round(count / step)
    ]
    return between(parts, same[0], same[-1])


def share(parts: Iterable[Part], count: int, whole: int, places: int) -> Told:
    """Tell a share of a known whole, printed in per cent with so many places, a half rounded up.

    It is as good as the counts that it may come from.
    """
    units = 100 * 10**places
    shown = (2 * units * count + whole) // (2 * whole)
    low, high = (-(-(2 * shown + sign) * whole // (2 * units)) for sign in (-1, 1))
    return between(parts, max(low, 0), min(high - 1, whole))


def at_least(parts: Iterable[Part], low: int) -> Told:
    """Tell that a count is not below a number."""
    return between(parts, low, math.inf)


@dataclass(frozen=True)
class Secret:
    """A count that nobody may work out where it is small or withheld.

    Parameters
    ----------
    name : str
    parts : tuple of part
        Whose sum it is.
    whole : tuple of part
        The people that it is a count of; those who are not in it are as much a secret.
    """

    name: str
    parts: tuple[Part, ...]
    whole: tuple[Part, ...]


@dataclass(frozen=True)
class Offer:
    """One thing that might be told, in the forms in which it could be.

    Parameters
    ----------
    name : str
        As decisions name it.
    forms : sequence of tuple of Told
        The one that tells most first; nothing is told where none can stand.
    secrets : tuple of Secret
        What must stay open where nothing is told of it.
    """

    name: str
    forms: Sequence[tuple[Told, ...]]
    secrets: tuple[Secret, ...] = ()


@dataclass(frozen=True)
class Protected:
    """What may be told together.

    Parameters
    ----------
    forms : dict of str to int or None
        By name of the offer, which of its forms; None where it is withheld.
    known : tuple of Told
        All that is known in the end.
    bare : tuple of str
        Secrets that stand open to everybody before anything is offered.
    """

    forms: dict[str, int | None]
    known: tuple[Told, ...]
    bare: tuple[str, ...]


def audit(
    counts: Mapping[Part, int], known: Iterable[Told], secrets: Iterable[Secret]
) -> pd.DataFrame:
    """Work out the range that each count can have by all that is known.

    Parameters
    ----------
    counts : mapping of part to int
        The true ones, which only show that what is known is possible.
    known : iterable of Told
    secrets : iterable of Secret

    Returns
    -------
    DataFrame
        By name of the secret: count, whole, low and high.

    Notes
    -----
    The parts are whole numbers, not below nought; least and greatest by integer programming
    (HiGHS).
    """
    reader = _Reader(counts, known)
    rows = []
    for secret in secrets:
        low, high = reader.range_of(reader.weights(secret.parts))
        true, whole = reader.count(secret.parts), reader.count(secret.whole)
        rows.append((secret.name, true, whole, low, high))
    return pd.DataFrame(rows, columns=["name", "count", "whole", "low", "high"]).set_index("name")


def fit(parts: Iterable[Part], known: Sequence[Told]) -> dict[Part, int] | None:
    """Return counts that agree with all that is known; None where there are none."""
    places = {part: place for place, part in enumerate(parts)}
    rows = np.zeros((len(known), len(places)))
    for row, one in zip(rows, known, strict=True):
        for part, weight in one.parts.items():
            row[places[part]] += weight
    found = milp(
        np.zeros(len(places)),
        constraints=LinearConstraint(rows, [one.low for one in known], [one.high for one in known]),
        integrality=np.ones(len(places)),
    )
    if found.status != 0:
        return None
    return dict(zip(places, np.round(found.x).astype(int).tolist(), strict=True))


def is_open(low: int, high: int, whole: int, rules: Rules = RULES) -> bool:
    """Whether a range of a count tells too little of those in it, or of those who are not.

    Parameters
    ----------
    low, high : int
        The least and the greatest that it can be.
    whole : int
        The people that it is a count of.
    rules : Rules
    """
    few = min(rules.cell - 1, whole)
    wide = high - low >= rules.cell
    return wide or (low <= 0 and high >= few) or (high >= whole and whole - low >= few)


def protect(
    counts: Mapping[Part, int],
    known: Iterable[Told],
    offers: Sequence[Offer],
    secrets: Iterable[Secret],
    rules: Rules = RULES,
) -> Protected:
    """Choose what is told, so that every small count and every withheld one stays open.

    Parameters
    ----------
    counts : mapping of part to int
        The true ones.
    known : iterable of Told
        What is known whatever is told.
    offers : sequence of Offer
        The most important first: what comes before another is told before it.
    secrets : iterable of Secret
        Watched where few people are in it, or few of its whole are not.
    rules : Rules

    Returns
    -------
    Protected

    Notes
    -----
    Each offer is told in its first form beside which all that is watched stays open. What is
    withheld is watched too; where it could be worked out from what was told before it, the choice
    is made again with it watched from the beginning. What is open even if everything were told
    need not be looked at again.
    """
    known, small = tuple(known), [one for one in secrets if _is_small(one, counts, rules)]
    watched = {one.name: one for one in small}
    reader = _Reader(counts, known)
    bare = tuple(name for name, one in watched.items() if not reader.leaves_open(one, rules))
    while True:
        chooser = _Chooser(counts, known, offers, rules)
        chooser.watch([one for name, one in watched.items() if name not in bare])
        forms = {offer.name: chooser.choose(offer) for offer in offers}
        if not (narrow := {one.name: one for one in chooser.narrow if one.name not in watched}):
            return Protected(forms, tuple(chooser.reader.known), bare)
        watched |= narrow
        bare += tuple(name for name, one in narrow.items() if not reader.leaves_open(one, rules))


def _is_small(secret: Secret, counts: Mapping[Part, int], rules: Rules) -> bool:
    count, whole = (sum(counts[part] for part in of) for of in (secret.parts, secret.whole))
    return whole > 0 and min(count, whole - count) < rules.cell


class _Reader:
    """Somebody who knows sums of parts and works out the others."""

    def __init__(self, counts: Mapping[Part, int], known: Iterable[Told]) -> None:
        self._place = {part: place for place, part in enumerate(counts)}
        self.true = np.array(list(counts.values()), dtype=float)
        self.known: list[Told] = []
        self._most = float(self.true.sum()) + 1
        self._rows: list[np.ndarray] = []
        self._limits: tuple[csc_array, np.ndarray, np.ndarray] | None = None
        self._found = self.true[None, :]
        for one in known:
            self.learn([one])

    def weights(self, parts: Iterable[Part] | Mapping[Part, float]) -> np.ndarray:
        """Return how often each part counts in a sum."""
        row = np.zeros(len(self.true))
        for part in parts:
            row[self._place[part]] += parts[part] if isinstance(parts, Mapping) else 1.0
        return row

    def count(self, parts: Iterable[Part]) -> int:
        """Return the true sum."""
        return round(float(self.weights(parts) @ self.true))

    def learn(self, told: Iterable[Told]) -> None:
        """Take note; what was found before and does not fit is forgotten."""
        for one in told:
            row = self.weights(one.parts)
            value = self._found @ row
            fits = (value >= one.low - _SLACK) & (value <= one.high + _SLACK)
            if not fits[0]:
                raise ValueError("what is told of a count is not true of it")
            self.known.append(one)
            self._rows.append(row)
            self._limits = None
            self._found = self._found[fits]

    def forget(self, mark: tuple[int, np.ndarray]) -> None:
        """Go back to what was known at a mark, with all that was found since."""
        many, found = mark
        del self.known[many:], self._rows[many:]
        self._limits = None
        self._found = np.unique(np.vstack([found, self._found]), axis=0)
        self._found = np.vstack([self.true, self._found])

    def mark(self) -> tuple[int, np.ndarray]:
        """Return what `forget` needs to come back here."""
        return len(self.known), self._found

    def range_of(self, row: np.ndarray) -> tuple[int, int]:
        """Return the least and the greatest that a sum can be."""
        return self._end(row, 1), self._end(row, -1)

    def leaves_open(self, secret: Secret, rules: Rules) -> bool:
        """Whether a count stays open."""
        row, whole = self.weights(secret.parts), self.count(secret.whole)
        values = self._found @ row
        low, high = round(values.min()), round(values.max())
        if is_open(low, high, whole, rules):
            return True
        low = self._end(row, 1)
        return is_open(low, high, whole, rules) or is_open(low, self._end(row, -1), whole, rules)

    def _end(self, row: np.ndarray, sign: int) -> int:
        """Return the least (sign 1) or the greatest (sign -1) of a sum, and keep where it is so.

        Without the demand for whole numbers first, which is quicker and mostly meets it. Where it
        does not, the few parts that are broken are made whole: if that costs nothing, no whole
        numbers can do better.
        """
        everywhere = np.ones(len(row), dtype=bool)
        loose = self._solve(sign * row, np.zeros(len(row)), everywhere, whole=False)
        solution = np.round(loose)
        broken = np.abs(loose - solution) >= _SLACK
        if broken.any():
            bound = math.ceil(sign * row @ loose - _SLACK)
            solution = self._solve(sign * row, solution, broken, whole=True)
            if not sign * row @ solution <= bound + _SLACK:
                solution = self._solve(sign * row, self.true, everywhere, whole=True)
        self._found = np.vstack([self._found, solution])
        return round(float(solution @ row))

    def _solve(
        self, cost: np.ndarray, held: np.ndarray, free: np.ndarray, *, whole: bool
    ) -> np.ndarray:
        """Return the parts that cost least where some are free and the others held; else no number.

        What is known is laid out once, since much is asked of it.
        """
        if self._limits is None:
            low, high = np.array([(one.low, one.high) for one in self.known]).T
            self._limits = csc_array(np.array(self._rows)), low, high
        sums, low, high = self._limits
        fixed = sums @ np.where(free, 0, held)
        found = milp(
            cost[free],
            constraints=LinearConstraint(sums[:, free], low - fixed, high - fixed),
            bounds=Bounds(0, self._most),
            integrality=np.full(free.sum(), int(whole)),
            options={"mip_rel_gap": 0},
        )
        solution = held.copy()
        if found.x is None:
            solution[free] = math.nan
        else:
            solution[free] = np.round(found.x) if whole else found.x
        return solution


class _Chooser:
    """Tells one offer after another, as long as what is watched stays open."""

    def __init__(
        self,
        counts: Mapping[Part, int],
        known: Iterable[Told],
        offers: Sequence[Offer],
        rules: Rules,
    ) -> None:
        self.rules = rules
        self.reader = _Reader(counts, known)
        self.everything = _Reader(counts, known)
        for offer in offers:
            self.everything.learn(one for form in offer.forms for one in form)
        self.watched: list[Secret] = []
        self.narrow: list[Secret] = []

    def watch(self, secrets: Iterable[Secret]) -> None:
        """Watch what would not be open if everything were told."""
        self.watched += [one for one in secrets if not self.everything.leaves_open(one, self.rules)]

    def choose(self, offer: Offer) -> int | None:
        """Tell the first form of an offer that leaves open what is watched."""
        for place, form in enumerate(offer.forms):
            mark = self.reader.mark()
            self.reader.learn(form)
            if self._stands():
                return place
            self.reader.forget(mark)
        self.narrow += [
            one for one in offer.secrets if not self.reader.leaves_open(one, self.rules)
        ]
        self.watch(offer.secrets)
        return None

    def _stands(self) -> bool:
        """Whether all that is watched is open; what is not comes first the next time."""
        for place, secret in enumerate(self.watched):
            if not self.reader.leaves_open(secret, self.rules):
                self.watched.insert(0, self.watched.pop(place))
                return False
        return True
