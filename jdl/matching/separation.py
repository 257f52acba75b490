"""Complete and quasi-complete separation: who has a score of 0 or 1 in the limit.

A logistic regression has finite coefficients unless the groups are separated (Albert and Anderson
1984): unless some direction b lowers the logit of no treated person and raises that of no
candidate, x_i b >= 0 for treated people and <= 0 for candidates, and moves somebody. Along it the
likelihood rises for ever, and the score of everybody whom it moves goes to 1 or to 0. Linear
programming finds such a direction, or shows that there is none (Konis 2007).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence, Set

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog  # type: ignore[attr-defined]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EXACT = 1e-10
"""By how much the solver may miss a constraint: the least that HiGHS takes."""
LEVEL = 1e-9
"""Change of a logit up to which a direction leaves somebody where they are. A direction has a sum
of absolute coefficients of 1 and no entry of the design exceeds 1, so rounding leaves about 1e-14
and the solver `EXACT`."""
MOVED = 1e-6
"""Change from which somebody is moved: a thousand times what anybody may be moved the wrong way."""
AT_ONCE = 2000
"""Rows that become constraints of the linear programme at a time."""


def separated(design: Floats, treated: Flags) -> Flags:
    """Tell the rows whose score is 0 or 1 in the limit; without them nobody's is.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column; one column is constant.
    treated : bool array of shape (n,)
        Who was treated.

    Returns
    -------
    bool array of shape (n,)
        None where the coefficients are finite, all where the separation is complete.

    Notes
    -----
    With s_i = 1 for treated people and -1 for candidates, a direction is sought that maximises
    sum_i s_i x_i b, subject to s_i x_i b >= 0 for each i and sum_j |b_j| <= 1. The maximum is 0 if
    there is no separation. Otherwise the rows moved are set aside and the rest is searched again.
    The sum of two directions is one, so that the rows set aside in the end are those of the
    greatest direction, in whatever order they were found.

    Examples
    --------
    Women are in both groups, men among the candidates alone: a man's score goes to 0.

    >>> man = np.array([0, 0, 0, 1, 1])
    >>> treated = np.array([True, True, False, False, False])
    >>> separated(np.column_stack([np.ones(5), man]), treated).tolist()
    [False, False, False, True, True]
    """
    return _all_moved(_signed(design, treated), treated)


def together(
    design: Floats, treated: Flags, variables: Sequence[Set[str]]
) -> dict[tuple[str, ...], Flags]:
    """Tell by which variables together the groups are separated, and whom each such set moves.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column; one column is constant.
    treated : bool array of shape (n,)
        Who was treated.
    variables : sequence of set of str
        The variables that each column is made of; of the constant none.

    Returns
    -------
    dict of tuple of str to bool array of shape (n,)
        Sets of variables, none of which can be spared, and the rows that they separate, without
        those of earlier sets. Together the rows of `separated`.

    Notes
    -----
    From all variables one after the other is left out, by their names, if those that are left still
    separate. So the sets do not depend on the order of rows and columns.

    Examples
    --------
    Everybody incomplete has no age on record, but for one candidate. Alone, each category has
    people of both groups.

    >>> unknown = np.array([1, 0, 0, 1, 0, 0])
    >>> incomplete = np.array([1, 0, 0, 1, 1, 0])
    >>> treated = np.array([True, True, True, False, False, False])
    >>> columns = np.column_stack([np.ones(6), unknown, incomplete])
    >>> found = together(columns, treated, [set(), {"age"}, {"incomplete"}])
    >>> {names: rows.tolist() for names, rows in found.items()}
    {('age', 'incomplete'): [False, False, False, False, True, False]}
    """
    signed = _signed(design, treated)
    every = sorted(frozenset().union(*variables))
    found: dict[tuple[str, ...], Flags] = {}

    def of(names: Sequence[str]) -> Floats:
        return signed[:, [set(one) <= set(names) for one in variables]]

    while _moved(signed, treated).any():
        names = _needed(every, lambda names: bool(_moved(of(names), treated).any()))
        rows = _all_moved(of(names), treated)
        found[tuple(names)] = rows
        signed[rows] = 0
    return found


def _needed(names: Sequence[str], suffice: Callable[[Sequence[str]], bool]) -> list[str]:
    """Spare one name after the other, if those that are left still suffice.

    If some names suffice, so do more. So the next that cannot be spared is found by halving.
    """
    kept: list[str] = []
    while True:
        lacking = bisect_left(
            range(len(names)), 1, key=lambda n: not suffice([*kept, *names[n + 1 :]])
        )
        if lacking == len(names):
            return kept
        kept.append(names[lacking])
        names = names[lacking + 1 :]


def _signed(design: Floats, treated: Flags) -> Floats:
    """Scale the columns to entries of 1 at most, and turn those of candidates round."""
    greatest = np.maximum(design.max(axis=0, initial=0), -design.min(axis=0, initial=0))
    signed = design / np.where(greatest > 0, greatest, 1)
    signed[~treated] *= -1
    return signed


def _all_moved(signed: Floats, treated: Flags) -> Flags:
    """Tell whom any direction moves. Their rows are set aside: they become noughts."""
    moved = np.zeros(len(signed), dtype=bool)
    while (now := _moved(signed, treated)).any():
        moved |= now
        signed[now] = 0
    return moved


def _moved(signed: Floats, treated: Flags) -> Flags:
    """Tell whom the direction that moves the rows most moves; nobody if there is none.

    Not every row is a constraint at first: treated people are, and some candidates. The direction
    found is tried on all rows, and those that it moves the wrong way become constraints, until
    there are none. The sum that it maximises is that of all rows from the start, so that nobody
    is overlooked.
    """
    held = treated.copy()
    others = np.flatnonzero(~treated)
    held[others[:: 1 + len(others) // AT_ONCE]] = True
    while True:
        direction = _direction(signed.sum(axis=0), np.unique(signed[held], axis=0))
        change = signed @ direction
        wrong = np.flatnonzero(change < -LEVEL)
        if not len(wrong):
            return change > MOVED
        worst = wrong[np.argsort(change[wrong], kind="stable")[:AT_ONCE]]
        if held[worst].all():
            return np.zeros(len(signed), dtype=bool)
        held[worst] = True


def _direction(total: Floats, rows: Floats) -> Floats:
    """Solve the linear programme, with b as the difference of two parts that are not negative."""
    k = len(total)
    found = linprog(  # type: ignore[no-untyped-call]
        np.concatenate((-total, total)),
        A_ub=np.vstack((np.hstack((-rows, rows)), np.ones(2 * k))),
        b_ub=np.append(np.zeros(len(rows)), 1.0),
        method="highs-ds",
        options={"primal_feasibility_tolerance": EXACT},
    )
    return found.x[:k] - found.x[k:] if found.status == 0 else np.zeros(k)
