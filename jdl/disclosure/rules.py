"""The rules: thresholds with their sources, the public wording, and the parts of a whole."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

WITHHELD = "withheld to protect confidentiality or because too few people were counted"
NOT_BALANCED = "not reported because the groups could not be made alike"
OTHER_REASONS = "other reasons"


@dataclass(frozen=True)
class Rules:
    """The thresholds, each with its source.

    Parameters
    ----------
    group : int
        Fewest treated people after matching for any result (commonly quoted; ours).
    cell : int
        Fewest people in any count that a share implies, either way (the service's n times p of 10;
        its complement is ours).
    reoffenders : int
        Fewest treated reoffenders for days to first and for court and custody measures (the
        service's own).
    """

    group: int = 30
    cell: int = 10
    reoffenders: int = 30


RULES = Rules()
STEP = 5
"""People found are told to the nearest five, where one person counts in several tables."""


@dataclass(frozen=True)
class Decision:
    """One decision, without the value decided on."""

    figure: str
    rule: str


def hide_parts(counts: pd.DataFrame, small: pd.Series, rules: Rules = RULES) -> list[Any]:
    """Name what is withheld of the parts of a whole: what is small, and then the next smallest.

    Withholding goes on until at least two parts are hidden that together reach the smallest cell
    in every column of counts, so that the rest of the whole does not give them away. A part that
    stands alone stays as it is.
    """
    order = counts.sum(axis=1).sort_values(kind="stable").index
    hidden = [name for name in order if small.loc[name]]
    rest = [name for name in order if not small.loc[name] and counts.loc[name].sum() > 0]
    while hidden and rest and (len(hidden) < 2 or (counts.loc[hidden].sum() < rules.cell).any()):
        hidden.append(rest.pop(0))
    return hidden


@dataclass(frozen=True)
class Bounds:
    """What may be told of a part of a whole.

    Parameters
    ----------
    low, high : int or None
        The part lies between them, both included; equal where it is told exactly. Without a whole
        that may be told both are None.
    """

    low: int | None = None
    high: int | None = None


def clear_part(part: float, whole: int | None, rules: Rules = RULES) -> Bounds:
    """Return a part of a whole, or only that it is small, or nearly all.

    Parameters
    ----------
    part : float
        Rounded to people.
    whole : int or None
        Cleared.
    rules : Rules

    Returns
    -------
    Bounds
    """
    if whole is None:
        return Bounds()
    people = min(max(math.floor(part + 0.5), 0), whole)
    if people < rules.cell:
        return Bounds(0, min(rules.cell - 1, whole))
    if whole - people < rules.cell:
        return Bounds(whole - rules.cell + 1, whole)
    return Bounds(people, people)


def clear_whole(whole: int, part: int | None, rules: Rules = RULES) -> int | None:
    """Return a whole of which one part may already be known; None where the rest would be few.

    Parameters
    ----------
    whole : int
    part : int or None
        None where it is withheld.
    rules : Rules
    """
    return whole if whole - (part or 0) >= rules.cell else None


def are_apart(one: Collection[Any], other: Collection[Any], rules: Rules = RULES) -> bool:
    """Whether results of two groups may stand side by side.

    Parameters
    ----------
    one, other : collection
        Who is in each.
    rules : Rules

    Returns
    -------
    bool
        They hold the same people, or differ by at least the smallest cell: what differs between
        two results never tells of fewer.
    """
    differ = len(set(one) ^ set(other))
    return differ == 0 or differ >= rules.cell


TENS = 10
"""People who left the pool are told to the nearest ten."""


def in_tens(many: int, rules: Rules) -> Bounds:
    """Return a number to the nearest ten, or only that it is small."""
    if many < rules.cell:
        return Bounds(0, rules.cell - 1)
    near = TENS * math.floor(many / TENS + 0.5)
    return Bounds(near, near)
