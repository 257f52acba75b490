"""What is said when an input cannot be used: every fault at once, never a person's data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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
        place = [self.where]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}" if self.row is not None else self.column)
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
