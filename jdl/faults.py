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
    """

    where: str
    rule: str
    remedy: str
    column: str | None = None
    row: int | None = None
    rows: int = 1

    def __str__(self) -> str:
        place = [self.where]
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column is not None:
            place.append(f"column {self.column}" if self.row is not None else self.column)
        more = f" ({self.rows - 1} more rows like this.)" if self.rows > 1 else ""
        return f"{', '.join(place)}: {self.rule}. {self.remedy}.{more}"


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
