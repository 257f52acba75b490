"""Who can be matched at all: complete rows like which both groups have somebody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jdl.matching import separation
from jdl.matching.formula import design, words
from jdl.matching.plan import Specification

Flags = NDArray[np.bool_]
Codes = NDArray[np.intp] | NDArray[np.bool_]

Removed = dict[str, tuple[int, int]]
"""Candidates and treated people removed, by variable."""

EARLIER = "earlier"
"""Column that is true for an untreated, earlier disposal of somebody treated."""


class Support(NamedTuple):
    """Common support.

    Parameters
    ----------
    inside : bool array of shape (n,)
        Who is inside.
    alone : dict of str to (int, int)
        By variable, candidates and treated people that one of its categories removed.
    together : dict of str to (int, int)
        By variables, joined by "and", candidates and treated people that they removed together.
    """

    inside: Flags
    alone: Removed
    together: Removed


def named_columns(candidates: pd.DataFrame, specification: Specification) -> list[str]:
    """Return the columns of the candidates that the specification names, in their order.

    Parameters
    ----------
    candidates : DataFrame
        Treated people and candidates.
    specification : Specification
        Its formula, and what must agree exactly.

    Returns
    -------
    list of str
    """
    named = words(specification.formula) | set(specification.exact)
    return [str(column) for column in candidates.columns if column in named]


def strata(frame: pd.DataFrame, exact: Sequence[str]) -> NDArray[np.int64] | None:
    """Number the combinations of the exact columns that occur; None where nothing is exact.

    Parameters
    ----------
    frame : DataFrame
        One row a unit.
    exact : sequence of str
        Columns that must agree.

    Returns
    -------
    int array of shape (n,) or None
        The number of each unit's combination, from 0.
    """
    if not exact:
        return None
    groups = frame.groupby(list(exact), observed=True).ngroup()
    return np.asarray(groups, dtype=np.int64)


def check(
    candidates: pd.DataFrame, specification: Specification, columns: list[str], person: str
) -> None:
    """Refuse candidates that cannot be matched; see ``match`` for what is an error."""
    absent = {specification.treated, person, *specification.exact} - set(candidates.columns)
    if absent:
        raise ValueError(f"The candidates lack the columns {', '.join(sorted(absent))}.")
    gaps = [column for column in columns if _has_gaps(candidates[column])]
    if gaps:
        raise ValueError(
            f"Matching variables must have no missing values: {', '.join(gaps)}. "
            "Give a missing value its own category or indicator."
        )
    treated = candidates[specification.treated].to_numpy(dtype=bool)
    ours = candidates.loc[treated, person]
    pool = candidates.loc[~treated, person]
    both = pool[pool.isin(ours) & ~_earlier(candidates)[~treated]].nunique()
    twice = int(ours.duplicated().sum())
    if both or twice:
        raise ValueError(
            f"{both} treated people are in the pool too and {twice} treated rows repeat a person: "
            "everyone treated has one row, and no disposal in the pool but those marked as earlier."
        )


def _has_gaps(values: pd.Series[Any]) -> bool:
    """Whether a value is missing; of numbers that add up none is."""
    if values.dtype.kind == "f" and np.isfinite(values.to_numpy().sum()):
        return False
    return values.dtype.kind not in "biu" and bool(values.isna().any())


def _earlier(candidates: pd.DataFrame) -> Flags:
    if EARLIER not in candidates:
        return np.zeros(len(candidates), dtype=bool)
    return candidates[EARLIER].to_numpy(dtype=bool)


def common(
    candidates: pd.DataFrame, treated: Flags, columns: list[str], specification: Specification
) -> Support:
    """Tell who shares every category with the other group, looking at each variable alone.

    Where all treated people have the same number, such as no custodial sentence in the year before,
    candidates with another are outside too: no finite coefficient would exist.

    Parameters
    ----------
    candidates : DataFrame
        Treated people and candidates.
    treated : bool array of shape (n,)
        Who was treated.
    columns : list of str
        The matching variables.
    specification : Specification
        Says how each enters the score.

    Returns
    -------
    Support
    """
    codes = {
        column: code
        for column in columns
        if column != specification.treated
        and (code := _coded(candidates[column], specification.formula, treated)) is not None
    }
    inside = np.ones(len(candidates), dtype=bool)
    removed: Removed = {}
    before = -1
    while before != (before := int(inside.sum())):
        for column, code in codes.items():
            out = inside & one_sided(code, treated, inside)
            if out.any():
                _count(removed, column, out, treated)
                inside &= ~out
    return Support(inside, removed, {})


def together(
    candidates: pd.DataFrame,
    treated: Flags,
    columns: list[str],
    specification: Specification,
    shared: Support,
) -> Support | None:
    """Remove those whom variables together put outside; see ``separation``.

    Whose score would be 0 or 1 in the limit leaves. Whoever then has a category that the other
    group lacks leaves too, until nobody does.

    Parameters
    ----------
    candidates, treated, columns, specification
        As for `common`.
    shared : Support
        What `common` found.

    Returns
    -------
    Support or None
        None where the groups are not separated, or where they are so completely that nobody would
        be left.
    """
    inside, alone, jointly = shared.inside.copy(), dict(shared.alone), dict(shared.together)
    while True:
        rows = np.flatnonzero(inside)
        left, ours = candidates.iloc[rows], treated[rows]
        matrix = design(specification.terms, left)
        beyond = separation.separated(matrix.values, ours)
        if beyond.all():
            return None
        if not beyond.any():
            return Support(inside, alone, jointly) if jointly else None
        made_of = [words(term) & set(columns) for term in matrix.terms]
        for names, out in separation.together(matrix.values, ours, made_of).items():
            _count(jointly, " and ".join(names), out, ours)
            inside[rows[out]] = False
        again = np.flatnonzero(inside)
        further = common(candidates.iloc[again], treated[again], columns, specification)
        inside[again[~further.inside]] = False
        for name, (pool, people) in further.alone.items():
            before = alone.get(name, (0, 0))
            alone[name] = before[0] + pool, before[1] + people


def _count(removed: Removed, name: str, out: Flags, treated: Flags) -> None:
    """Add candidates and treated people who are out to those that the name removed."""
    pool, ours = removed.get(name, (0, 0))
    removed[name] = pool + int((out & ~treated).sum()), ours + int((out & treated).sum())


def one_sided(code: Codes, treated: Flags, inside: Flags) -> Flags:
    """Tell who falls where the other group has nobody, of those still inside.

    Parameters
    ----------
    code : int array of shape (n,)
        The category of each unit.
    treated : bool array of shape (n,)
        Who was treated.
    inside : bool array of shape (n,)
        Who has not been removed yet.

    Returns
    -------
    bool array of shape (n,)
    """
    everyone = _counts(code if inside.all() else code[inside])
    ours = _counts(code[np.flatnonzero(inside & treated)], len(everyone))
    lonely = (ours == 0) | (ours == everyone)
    if not lonely[everyone > 0].any():
        return np.zeros(len(code), dtype=bool)
    beyond = np.ones(max(int(code.max()) + 1 - len(lonely), 0), dtype=bool)
    return np.append(lonely, beyond)[code.astype(np.intp)]


def _counts(code: Codes, least: int = 0) -> NDArray[np.int64]:
    """Count how often each code occurs."""
    if code.dtype == bool:
        many = int(np.count_nonzero(code))
        return np.array([len(code) - many, many])
    return np.bincount(code, minlength=least)


def _coded(values: pd.Series[Any], formula: str, treated: Flags) -> Codes | None:
    """Number the categories of a column that has some; numbers are one with two values at most.

    Numbers that are the same for all treated people are two categories: that number, and any other.
    """
    category = bool(re.search(rf"\bC\(\s*{values.name}\b", formula))
    if category or not pd.api.types.is_numeric_dtype(values):
        return pd.factorize(values)[0].astype(np.intp, copy=False)
    numbers = values.to_numpy()
    ours = numbers[treated]
    if len(ours) and (ours == ours[0]).all():
        another: Flags = numbers != ours[0]
        return another
    return _halves(numbers)


def _halves(values: NDArray[Any]) -> Flags | None:
    """Tell a column's second value from its first; None if there are more."""
    for part in (values[:1000], values):
        differs: Flags = part != part[0] if len(part) else np.zeros(0, dtype=bool)
        many = np.count_nonzero(differs)
        if many and np.count_nonzero(part == part[differs.argmax()]) < many:
            return None
    return differs


def told(shared: Support) -> list[str]:
    """Say how many each variable removed, and several together.

    Parameters
    ----------
    shared : Support

    Returns
    -------
    list of str
        A sentence for candidates and one for treated people, where any were removed.
    """
    notes = []
    if pool := _listed(shared.alone, 0):
        notes.append(
            "Disposals outside common support, in a category where nobody in the treatment group "
            f"falls, by variable: {pool}."
        )
    if ours := _listed(shared.alone, 1):
        notes.append(
            "People in the treatment group in a category without any candidate, by variable: "
            f"{ours}."
        )
    if pool := _listed(shared.together, 0):
        notes.append(
            "Disposals outside common support, because their variables together are those of "
            f"nobody in the treatment group, by variables: {pool}."
        )
    if ours := _listed(shared.together, 1):
        notes.append(
            "People in the treatment group whose variables together are those of no candidate, by "
            f"variables: {ours}."
        )
    return notes


def _listed(removed: Removed, which: int) -> str:
    return ", ".join(f"{name}: {both[which]:,}" for name, both in removed.items() if both[which])
