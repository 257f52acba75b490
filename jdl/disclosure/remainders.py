"""What sums and differences of results leave of a few people, whatever is added and taken away."""

# mypy: allow-untyped-calls

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[attr-defined]

from jdl.disclosure.protect import Offer, Part, Secret, Told, exactly, fit, protect
from jdl.disclosure.rules import RULES, Rules

Floats = NDArray[np.float64]

MOST_PARTS = 400
"""Parts of the people, told apart by the results they are in, that are looked through; beyond them
a result is withheld unlooked."""
_SLACK = 1e-6


@dataclass(frozen=True, repr=False)
class Counted:
    """People of whom it is told together how many had an event.

    Parameters
    ----------
    people : frozenset of str
    events, others : int
        Those who had it, and those of whom it could be said and who had not.
    """

    people: frozenset[str]
    events: int
    others: int


@dataclass(frozen=True, repr=False)
class Published:
    """What a report published before tells of one of its analyses.

    Parameters
    ----------
    people : frozenset of str
        The treated people.
    sized : bool
        Whether their number is told.
    counts : mapping of str to (int, int)
        By measure that is told, as `Counted`: people with its event, and the others.
    beside : tuple of Published, optional
        Of the headline of an earlier version of the report in hand, what that version was held
        against; None of any other, and where it is not known.
    described : str
        Of such a headline the digest of what its people were described by, from ``described``.
    """

    people: frozenset[str]
    sized: bool
    counts: Mapping[str, tuple[int, int]]
    beside: tuple[Published, ...] | None = None
    described: str = ""

    def counted(self, measure: str) -> list[Counted]:
        """Return what is told of a measure: one entry, or none."""
        return [Counted(self.people, *self.counts[measure])] if measure in self.counts else []


def leave_enough(
    told: Sequence[Counted], known: pd.Series[float] | None = None, rules: Rules = RULES
) -> bool:
    r"""Whether no combination of results tells of a few people.

    Parameters
    ----------
    told : sequence of Counted
        The oldest first. Of the same people, or of people who are a sum or difference of others,
        the latest counts are taken: an outcome may have been proven since. What was told of few by
        an override is left out.
    known : Series, optional
        By person, 1 with the event and 0 without, of people whose outcomes are at hand. They save
        work and change no answer.
    rules : Rules

    Returns
    -------
    bool
        False where more than `MOST_PARTS` parts would have to be looked through.

    Notes
    -----
    An intruder knows the people of every result and its count, nothing else. The results part the
    people; part :math:`a` has :math:`n_a` of them, of whom an unknown :math:`x_a`, from 0 to
    :math:`n_a`, had the event. Result :math:`j` tells :math:`s_j = \sum_a M_{ja} x_a`. What can be
    derived are the sums :math:`\sum_a c_a x_a = \sum_j \lambda_j s_j` with :math:`c = M'\lambda`,
    for any numbers :math:`\lambda`. Put as a count of people, events where :math:`c_a` is positive
    and people without one where it is negative, such a sum is

    .. math:: z(c) = \sum_j \lambda_j s_j + \sum_a n_a \max(0, -c_a),

    and :math:`z(-c)` counts the rest of these people. Of two results whose people differ by
    :math:`a` who are only in the first and :math:`b` who are only in the second, and whose counts
    differ by :math:`d`, they are :math:`d + b` and :math:`a - d`: the events of the :math:`a` with
    those without one of the :math:`b`, and the reverse. Were one of them 0, the outcome of all
    :math:`a + b` would be known.

    The rule: if c is scaled so that the greatest :math:`|c_a|` is 1, :math:`z(c)` must be at least
    the smallest cell, for every :math:`\lambda`. Then of no group of people T, put together from
    parts, can it be shown that fewer than the smallest cell had the event (or fewer than there are
    people in T), nor that fewer had not. For what can be shown of T is, by the duality of linear
    programmes, the least of :math:`\sum_j \lambda_j s_j + \sum_a n_a \max(0, t_a - c_a)` with
    :math:`t_a` 1 in T and 0 elsewhere, which is
    :math:`z(c) + \sum_{a \in T} n_a \min(1, \max(0, 1 - c_a))`. With m the greatest :math:`|c_a|`
    the first term is at least m cells, so that all is at least one cell if m is 1 or more; else
    it is at least m cells and 1 - m of the people of T, hence the smaller of the two. The same
    with :math:`z(-c)` for those without the event.

    The least :math:`z(c)` with :math:`c_a = 1`, and with -1, is a linear programme, one for each
    part. A part of which enough people had the event and enough had not needs none, since
    :math:`z(c)` is at least the one or the other.
    """
    told = [one for one in told if min(one.events, one.others) >= rules.cell]
    parts, sizes, surely = _parts(told, known)
    chosen = _independent(parts)
    if not chosen:
        return True
    small = [place for place, pair in enumerate(surely) if min(pair) < rules.cell]
    if len(small) > MOST_PARTS:
        return False
    rows = parts[chosen]
    sums = {tuple(told[place].events for place in chosen)}
    if any(one.events + one.others != len(one.people) for one in told):
        sums.add(tuple(told[place].others for place in chosen))
    return all(
        _least(rows, sizes, np.array(one, dtype=float), part, side) >= rules.cell - _SLACK
        for one in sorted(sums)
        for part in small
        for side in (1.0, -1.0)
    )


@dataclass(frozen=True, repr=False)
class Sum:
    """How many of some people have one of some outcomes.

    Parameters
    ----------
    people : frozenset of str
    outcomes : tuple of str
    among : tuple of str
        The outcomes of those among whom they are counted; none for everybody.
    count : int, optional
        Where it is told.
    """

    people: frozenset[str]
    outcomes: tuple[str, ...]
    among: tuple[str, ...] = ()
    count: int = 0


def leave_open(
    known: pd.Series[str],
    outcomes: Sequence[str],
    earlier: Sequence[Sum],
    offered: Mapping[str, Sequence[Sum]],
    hidden: Sequence[Sum],
    rules: Rules = RULES,
) -> list[str]:
    """Name the results without which every hidden sum keeps a wide range, as far as it had one.

    Parameters
    ----------
    known : Series of str
        By person whose outcome is at hand, which of the outcomes it is.
    outcomes : sequence of str
        Of which each person has one.
    earlier : sequence of Sum
        Told before, the oldest first. The oldest are left out while nobody's outcomes fit them
        all: one may have been proven since.
    offered : mapping of str to sequence of Sum
        By result, the most important first; see ``protect``, which chooses.
    hidden : sequence of Sum
        Of people whose outcomes are at hand.
    rules : Rules
    """
    told = [one for sums in offered.values() for one in sums]
    groups = list(dict.fromkeys(one.people for one in (*earlier, *told, *hidden)))
    marks = _marks(groups)
    sizes = Counter(marks.values())
    true = Counter((marks[str(who)], outcome) for who, outcome in known.items())
    at_hand = Counter(marks[str(who)] for who in known.index)

    def parts(people: frozenset[str], names: Iterable[str]) -> list[Part]:
        place = groups.index(people)
        return [(mark, name) for mark in sorted(sizes) if mark >> place & 1 for name in names]

    def tell(sums: Iterable[Sum]) -> tuple[Told, ...]:
        return tuple(exactly(parts(one.people, one.outcomes), one.count) for one in sums)

    fixed = [exactly([(mark, one) for one in outcomes], sizes[mark]) for mark in sorted(sizes)]
    certain = [
        exactly([(mark, one)], true[mark, one])
        for mark in sorted(sizes)
        for one in outcomes
        if at_hand[mark] == sizes[mark]
    ]
    before = list(tell(earlier))
    every = [(mark, one) for mark in sorted(sizes) for one in outcomes]
    while (counts := fit(every, [*fixed, *certain, *before])) is None:
        before = before[1:]
    offers = [Offer(name, [tell(sums)]) for name, sums in offered.items()]
    secrets = [
        Secret(
            str(place),
            tuple(parts(one.people, one.outcomes)),
            tuple(parts(one.people, one.among or outcomes)),
        )
        for place, one in enumerate(hidden)
    ]
    chosen = protect(counts, [*fixed, *before], offers, secrets, rules)
    return [name for name, form in chosen.forms.items() if form is None]


def _marks(groups: Sequence[frozenset[str]]) -> Counter[str]:
    """Mark each person by the places of the groups that they are in."""
    marks: Counter[str] = Counter()
    for place, people in enumerate(groups):
        marks.update(dict.fromkeys(people, 1 << place))
    return marks


def _parts(
    told: Sequence[Counted], known: pd.Series[float] | None
) -> tuple[Floats, Floats, list[tuple[float, float]]]:
    """Part people by the results they are in: who is in which, how many, and what is known."""
    marks = _marks([one.people for one in told])
    sizes = Counter(marks.values())
    order = sorted(sizes)
    events: Counter[int] = Counter()
    others: Counter[int] = Counter()
    for person, value in () if known is None else known.dropna().items():
        if mark := marks.get(str(person)):
            (events if value > 0 else others)[mark] += 1
    members = [[float(mark >> place & 1) for mark in order] for place in range(len(told))]
    return (
        np.array(members, dtype=float),
        np.array([sizes[mark] for mark in order], dtype=float),
        [(events[mark], others[mark]) for mark in order],
    )


def _independent(rows: Floats) -> list[int]:
    """Return the places of rows that no others add up to, the later ones kept."""
    kept: list[int] = []
    for place in reversed(range(len(rows))):
        if np.linalg.matrix_rank(rows[[*kept, place]]) > len(kept):
            kept.append(place)
    return sorted(kept)


def _least(rows: Floats, sizes: Floats, sums: Floats, part: int, side: float) -> float:
    """Return the least that a combination with this weight of a part can count."""
    many, parts = rows.shape
    weights = rows.T
    above = np.block([weights, np.eye(parts)])
    between = np.block([weights, np.zeros((parts, parts))])
    fixed = np.arange(parts) == part
    free = np.repeat([-np.inf, 0.0], [many, parts])
    found: Any = milp(
        np.concatenate([sums, sizes]),
        constraints=[
            LinearConstraint(above, np.zeros(parts), np.inf),
            LinearConstraint(between, np.where(fixed, side, -1.0), np.where(fixed, side, 1.0)),
        ],
        bounds=Bounds(free, np.inf),
    )
    impossible, solved = found.status == 2, found.status == 0
    return np.inf if impossible else float(found.fun) if solved else -np.inf
