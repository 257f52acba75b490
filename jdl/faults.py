"""What is said when an input cannot be used: every fault at once, never a person's data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
"""Characters without a shape of their own: joiners, fillers, tags, and those that turn the line."""
PILED = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5}"
)
"""More accents on one letter than any language writes."""
_ANY_SPACE = re.compile(r"\s+")


def shown(text: str, longest: int = 120) -> str:
    """Return a name from outside, such as a file's, so that a message can hold it on one line.

    Parameters
    ----------
    text : str
    longest : int
        How many characters are kept.
    """
    line = _ANY_SPACE.sub(" ", CONTROL.sub("?", UNSEEN.sub("", text)))
    return line if len(line) <= longest else f"{line[:longest]}…"


@dataclass(frozen=True)
class Fault:
    """One broken rule in one input.

    Parameters
    ----------
    where : str
        The file, table or folder, by its plain name.
    rule : str
        The rule that must hold, in words. Never a value from a person's record.
    remedy : str
        What to do about it.
    column : str, optional
        The column or key.
    row : int, optional
        The first row concerned, counted as a spreadsheet does (the header is row 1).
    rows : int
        How many rows break the rule.
    others : tuple of int
        The numbers of the further rows, where they are known.
    """

    where: str
    rule: str
    remedy: str
    column: str | None = None
    row: int | None = None
    rows: int = 1
    others: tuple[int, ...] = ()

    def __str__(self) -> str:
        place = [shown(self.where)]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            column = shown(self.column)
            place.append(f"column {column}" if self.row is not None else column)
        return f"{', '.join(place)}: {self.rule}. {self.remedy}.{self._more()}"

    def _more(self) -> str:
        if self.others:
            return f" Also in row{'s' if len(self.others) > 1 else ''} {_ranges(self.others)}."
        count = self.rows - 1
        return f" ({count} more row{'s' if count > 1 else ''} like this.)" if count > 0 else ""


def _ranges(numbers: Iterable[int]) -> str:
    """Write ``3 to 5, 9`` for 3, 4, 5 and 9."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a} to {b}" for a, b in runs)


class Unusable(Exception):  # noqa: N818
    """The input cannot be used.

    Parameters
    ----------
    faults : iterable of Fault
        All of them, in reading order.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
