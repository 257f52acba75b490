"""What is in a folder: its documents, each with its register, record, result, pages and files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from jdl.published import reading
from jdl.published.reading import Cell, Node, Step, Unreadable
from jdl.published.told import Notes

REGISTER, RECORD, RESULT, MANIFEST = (
    "figures.json",
    "notebook.ipynb",
    "result.json",
    "manifest.json",
)
_T = TypeVar("_T")


@dataclass
class Document:
    """A report, a bulletin, a yearly review, or the top of a release.

    Parameters
    ----------
    name : str
        Its folder, from the folder that was checked; empty for that folder itself.
    path : Path
    files : dict of str to bytes
        Of its own folder.
    register : list of dict
        Entries of ``figures.json``.
    figures : dict
        The same by name.
    steps : list of Step
        Of the notebook.
    parts : list of (str, dict)
        What was published, each with the id of its cell.
    pages : dict of str to Node
    sheets : dict
        Sheets by name, by file.
    tables : dict
        Rows of CSV files, by file.
    result : dict
        Empty where there is none.
    """

    name: str
    path: Path
    files: dict[str, bytes] = field(default_factory=dict)
    register: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    parts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    pages: dict[str, Node] = field(default_factory=dict)
    sheets: dict[str, dict[str, list[list[Cell]]]] = field(default_factory=dict)
    tables: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def executed(self) -> bool:
        """Whether its notebook kept the outputs; without them it tells its code only."""
        return bool(self.parts)

    def value(self, name: str) -> Any:
        """Return the exact value of a figure; None where it is withheld or there is none."""
        return self.figures.get(name, {}).get("value")

    def text(self, name: str) -> str | None:
        """Return the printed text of a figure, with its mark."""
        entry = self.figures.get(name)
        if entry is None:
            return None
        mark = entry.get("mark")
        return f"{entry['text']} {mark}" if mark else str(entry["text"])


def open_document(name: str, path: Path, notes: Notes) -> Document:
    """Read every file of one folder; what cannot be read is noted."""
    made = Document(name, path)
    for file in sorted(path.iterdir()):
        if file.is_dir():
            continue
        data = _try(notes, file.name, reading.content, file)
        if data is not None:
            made.files[file.name] = data
    for file_name, data in made.files.items():
        _file(made, file_name, data, notes)
    return made


def _file(made: Document, name: str, data: bytes, notes: Notes) -> None:
    if name == REGISTER:
        made.register = _try(notes, name, _register, data) or []
        made.figures = {entry["id"]: entry for entry in made.register}
    elif name == RECORD:
        made.steps = _try(notes, name, reading.notebook, data) or []
        made.parts = _try(notes, name, _parts, made.steps) or []
    elif name == RESULT:
        made.result = _try(notes, name, _result, data) or {}
    elif name.endswith(".html"):
        text = _try(notes, name, reading.words, data)
        if text is not None:
            made.pages[name] = reading.markup(text)
    elif name.endswith(".ods"):
        made.sheets[name] = _try(notes, name, reading.workbook, data) or {}
    elif name.endswith(".csv"):
        made.tables[name] = _try(notes, name, reading.rows, data) or []


def _try(notes: Notes, name: str, read: Callable[[Any], _T], given: Any) -> _T | None:
    try:
        return read(given)
    except Unreadable as error:
        notes.find(name, None, "the file can be read", error, "a file of the kind its name says")
    return None


def _register(data: bytes) -> list[dict[str, Any]]:
    entries = reading.records(data)
    try:
        if all(
            isinstance(entry["id"], str) and isinstance(entry["text"], str) for entry in entries
        ):
            _ = [(entry["value"], entry["unit"], entry["suppressed"]) for entry in entries]
            return list(entries)
    except (KeyError, TypeError) as error:
        raise Unreadable("it is no register of figures") from error
    raise Unreadable("it is no register of figures")


def _result(data: bytes) -> dict[str, Any]:
    result = reading.records(data)
    if not isinstance(result, dict) or not table(result, "request") or "status" not in result:
        raise Unreadable("it is no result of a request")
    return result


def _parts(steps: list[Step]) -> list[tuple[str, dict[str, Any]]]:
    """Return what every cell published, groups taken apart, the figures of each beside it."""
    found: list[tuple[str, dict[str, Any]]] = []
    for step in steps:
        for record, html in zip(step.published, step.html, strict=True):
            try:
                inner = record["parts"] if record["kind"] == "group" else [{**record, "html": html}]
                figures = {entry["id"]: entry for entry in record["figures"]}
                found += [(step.id, {**part, "figures": figures}) for part in inner]
            except (KeyError, TypeError) as error:
                raise Unreadable(f"what its cell {step.id} published cannot be read") from error
    return found


def table(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a table of a manifest or of a result; empty where there is none."""
    inner = content.get(name)
    return inner if isinstance(inner, dict) else {}


def printed(part: Any, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the words of a sentence or cell of the record, its figures as printed."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and "figure" in part:
        entry = figures.get(part["figure"], {})
        mark = entry.get("mark")
        return f"{entry.get('text', '')} {mark}" if mark else str(entry.get("text", ""))
    return "".join(printed(one, figures) for one in part) if isinstance(part, list) else ""
