"""What a check of published files has found: contradictions, and how far it could see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST = 160
WITHHELD = "withheld, and told as such everywhere"
"""The kind of figures that are held, but have no value to compare."""


@dataclass(frozen=True)
class Find:
    """Two published things that contradict each other, or one that contradicts arithmetic.

    Parameters
    ----------
    document : str
        Such as ``reports/harbour-mentoring`` or ``bulletin``; empty for the release itself.
    file : str
        The file that is to be looked at, from the folder that was checked.
    figure : str or None
        The figure's name in the register, or the place within the file.
    rule : str
        What must hold, in words.
    told, derived : str
        What the file tells, and what follows from the rest.
    """

    document: str
    file: str
    figure: str | None
    rule: str
    told: str
    derived: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.figure}" if self.figure else self.file
        return f"{place}: {self.rule} (told: {self.told}; follows: {self.derived})"


@dataclass(frozen=True)
class Beyond:
    """Figures of one kind that no published aggregate determines.

    Parameters
    ----------
    kind : str
    figures : int
        How many.
    why : str
    """

    kind: str
    figures: int
    why: str


@dataclass(frozen=True)
class Checked:
    """What a check has found.

    Parameters
    ----------
    finds : tuple of Find
        In the order of files and names.
    derived : Mapping of str to int
        Figures recomputed from other published aggregates, by kind.
    held : Mapping of str to int
        Further figures that a file other than the record tells as well, by kind.
    beyond : tuple of Beyond
        The rest: their copies agree, but their value cannot be checked from aggregates.
    said : tuple of str
        What could not be looked at, such as a file that was not published, in words.
    """

    finds: tuple[Find, ...]
    derived: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    beyond: tuple[Beyond, ...] = ()
    said: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether figures were compared, and nothing contradicts anything."""
        return self.compared > 0 and not self.finds

    @property
    def compared(self) -> int:
        """How many figures with a value were derived or held to another file."""
        held = sum(self.held.values()) - self.held.get(WITHHELD, 0)
        return sum(self.derived.values()) + held

    @property
    def account(self) -> tuple[str, ...]:
        """What was derived, held and beyond, a line each, and what could not be looked at."""
        lines = (
            ("Derived from other published aggregates", _listed(self.derived)),
            ("Held to another file", _listed(self.held)),
            (
                "Beyond the aggregates, their copies compared only",
                _listed({f"{one.kind} ({one.why})": one.figures for one in self.beyond}),
            ),
        )
        told = tuple(f"{what}: {kinds}." for what, kinds in lines if kinds)
        return (*told, *(f"Note: {one}." for one in self.said))

    @property
    def line(self) -> str:
        """The verdict in one line."""
        figures = sum(self.derived.values()) + sum(self.held.values())
        seen = f"{figures:,} figures derived or held to another file"
        if self.clean:
            return f"Published aggregates: clean, {seen}."
        if not self.finds:
            return "Published aggregates: nothing could be checked, no figure has another to meet."
        count = len(self.finds)
        return f"Published aggregates: {count} contradiction{'s' if count > 1 else ''}, {seen}."


class Notes:
    """Collects what the parts of a check find in one document.

    Parameters
    ----------
    document : str
        Its name; files are told from the folder that was checked.
    """

    def __init__(self, document: str) -> None:
        self.document = document
        self.finds: list[Find] = []
        self.derived: set[str] = set()
        self.held: set[str] = set()
        self.compared: Counter[str] = Counter()
        self.said: list[str] = []

    def find(self, file: str, figure: str | None, rule: str, told: Any, derived: Any) -> None:
        """Note a contradiction."""
        path = f"{self.document}/{file}" if self.document and file else file or self.document or "."
        self.finds.append(Find(self.document, path, figure, rule, _short(told), _short(derived)))

    def must(
        self, holds: bool, file: str, figure: str | None, rule: str, told: Any, derived: Any
    ) -> None:
        """Note a contradiction unless the rule holds."""
        if not holds:
            self.find(file, figure, rule, told, derived)


def _listed(kinds: Mapping[str, int]) -> str:
    whole = sum(kinds.values())
    return (
        f"{whole:,}; " + "; ".join(f"{n:,} of {kind}" for kind, n in kinds.items()) if whole else ""
    )


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
