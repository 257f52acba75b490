"""A file taken apart, so that a difference in it is told by its figure, cell, row or page."""

# mypy: untyped-calls-exclude="pikepdf"

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from html.parser import HTMLParser
from itertools import groupby
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jdl.compare.numbers import DIFFERS, SAME, WITHIN, agree
from jdl.scan.reading import Unreadable, pages_of, structure_of

LIMIT = 2**26
"""Bytes that are read of one file; the largest of a real release is a fiftieth of this."""
_MANY = 3000
_NAMED = (".json", ".ipynb", ".ods")
"""Kinds of files of which every piece has a name of its own, that stays when others are put in."""
_VOID = {
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
}
_HEADINGS = {"h1", "h2", "h3", "h4", "caption", "title"}
_MARKUP = re.compile(r"(<[^>]*>)")
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"


class Broken(Exception):  # noqa: N818
    """A file cannot be read as what it is; the message says why, in words."""


@dataclass(frozen=True)
class Piece:
    """A part of a file.

    Parameters
    ----------
    where : str
        Such as ``figure headline.rate.difference``, ``sheet balance, cell C7`` or ``page 3``.
    text : str
    """

    where: str
    text: str


@dataclass(frozen=True)
class Place:
    """Where two files differ.

    Parameters
    ----------
    where : str
        As `Piece` has it.
    before, after : str, optional
        What stands there; None where there is nothing.
    """

    where: str
    before: str | None
    after: str | None


def read(path: Path) -> bytes:
    """Return what is in a file.

    Raises
    ------
    Broken
        If it is larger than anything a release holds, or cannot be read.
    """
    try:
        if path.stat().st_size > LIMIT:
            raise Broken(f"larger than {LIMIT // 2**20} MiB, so it was not read")
        return path.read_bytes()
    except OSError:
        raise Broken("it cannot be read") from None


def alike(name: str, before: bytes, after: bytes, tolerance: float) -> str:
    """Say whether two files agree in content, as `numbers.agree` has it.

    Parameters
    ----------
    name : str
        Its suffix tells the kind.
    before, after : bytes
    tolerance : float

    Raises
    ------
    Broken
        If one of them cannot be read as what its name says.
    """
    ours, theirs = _whole(name, before), _whole(name, after)
    if ours.keys() != theirs.keys():
        return DIFFERS
    if name.endswith((".html", ".svg", ".ods")) and _words(ours) != _words(theirs):
        return DIFFERS
    verdicts = {agree(text, theirs[part], tolerance) for part, text in ours.items()}
    return next(verdict for verdict in (DIFFERS, WITHIN, SAME) if verdict in verdicts)


def _words(parts: Mapping[str, str]) -> list[list[str]]:
    """Return what markup shows, which is printed: no tolerance is due to it."""
    return [_MARKUP.split(text)[::2] for text in parts.values()]


def _whole(name: str, content: bytes) -> dict[str, str]:
    """Return all that a file says: its text, or those of its parts."""
    if name.endswith(".ods"):
        return {where: text for where, _, text in _unpacked(content)}
    if name.endswith(".pdf"):
        pages = {f"page {n}": text for n, text in enumerate(_pages(content), 1)}
        return {**pages, "structure": _structure(content)}
    return {"": _text(content)}


def apart(name: str, before: bytes, after: bytes) -> tuple[Place, ...]:
    """Return every place in which two files differ.

    Parameters
    ----------
    name : str
        Its suffix tells the kind.
    before, after : bytes

    Raises
    ------
    Broken
        If one of them cannot be read as what its name says.
    """
    ours, theirs = pieces(name, before), pieces(name, after)
    if [piece.where for piece in ours] == [piece.where for piece in theirs]:
        pairs = zip(ours, theirs, strict=True)
        return tuple(Place(a.where, a.text, b.text) for a, b in pairs if a != b)
    by_name = name.endswith(_NAMED)
    return tuple(_replaced(ours, theirs) if by_name else _aligned(ours, theirs))


def _aligned(ours: Sequence[Piece], theirs: Sequence[Piece]) -> Iterator[Place]:
    """Match what says the same though it may stand elsewhere, and yield what is left."""
    old, new = ([piece.text for piece in pieces] for pieces in (ours, theirs))
    shorter = min(len(old), len(new))
    start = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    end = next((n for n in range(shorter - start) if old[-1 - n] != new[-1 - n]), shorter - start)
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    steps: Sequence[tuple[str, int, int, int, int]] = [("replace", 0, len(old), 0, len(new))]
    if len(old) * len(new) <= _MANY**2:
        steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for kind, i, j, k, m in steps:
        if kind != "equal":
            yield from _replaced(ours[start + i : start + j], theirs[start + k : start + m])


def _replaced(ours: Sequence[Piece], theirs: Sequence[Piece]) -> Iterator[Place]:
    """Yield what stands in place of what: piece by piece of one name, run by run otherwise."""
    old, new = _runs(ours), _runs(theirs)
    for where in dict.fromkeys((*old, *new)):
        if old.get(where) != new.get(where):
            yield Place(where, old.get(where), new.get(where))


def _runs(pieces: Sequence[Piece]) -> dict[str, str]:
    runs: dict[str, str] = {}
    for where, group in groupby(pieces, key=lambda piece: piece.where):
        told = " ".join(piece.text for piece in group)
        runs[where] = f"{runs[where]} {told}" if where in runs else told
    return runs


def pieces(name: str, content: bytes) -> list[Piece]:
    """Take a file apart.

    Parameters
    ----------
    name : str
        Its suffix tells the kind.
    content : bytes

    Raises
    ------
    Broken
        If it cannot be read as what its name says.
    """
    if name.endswith(".ods"):
        return [*_sheets(content)]
    if name.endswith(".pdf"):
        return [
            Piece(f"page {number}", word)
            for number, page in enumerate(_pages(content), 1)
            for word in page.split()
        ]
    text = _text(content)
    if name.endswith((".html", ".svg")):
        return _page(text)
    if name.endswith(".csv"):
        return [*_rows(text)]
    if name.endswith(".ipynb"):
        return [*_notebook(_json(text))]
    if name.endswith(".json"):
        return [*_leaves(_json(text))]
    return [Piece(f"line {number}", line) for number, line in enumerate(text.splitlines(), 1)]


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Broken("it is no text") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Broken("it is no JSON") from None


def _leaves(content: Any, where: str = "") -> Iterator[Piece]:
    """Yield every value of a structure; entries of a register by their figure."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _leaves(value, f"{where}.{key}".lstrip("."))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            figure = value.get("id") if isinstance(value, dict) and not where else None
            named = f"figure {figure}" if isinstance(figure, str) else f"{where}[{number}]"
            yield from _leaves(value, named)
    else:
        yield Piece(where, json.dumps(content, ensure_ascii=False))


def _notebook(content: Any) -> Iterator[Piece]:
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise Broken("it is no notebook")
    for number, cell in enumerate(cells, 1):
        named = f"cell {cell.get('id', number)}"
        for part in sorted(cell):
            lines = cell[part] if part == "source" else None
            if isinstance(lines, list):
                told = "".join(map(str, lines))
                yield from (Piece(f"{named}, source", line) for line in told.splitlines())
            else:
                yield from _leaves(cell[part], f"{named}, {part}")
    yield from _leaves({key: value for key, value in content.items() if key != "cells"})


def _rows(text: str) -> Iterator[Piece]:
    try:
        rows = [*csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error:
        raise Broken("it is no CSV") from None
    header = rows[0] if rows else []
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            named = header[column] if column < len(header) else str(column + 1)
            yield Piece(f"row {number}, column {named}", cell)


def _members(content: bytes) -> dict[str, str]:
    """Return the text of each file in a spreadsheet."""
    return {name: text for _, name, text in _unpacked(content) if name}


def _unpacked(content: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield the files in a spreadsheet, each with its place, and the size of all that is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > LIMIT:
                raise Broken(f"unpacked larger than {LIMIT // 2**20} MiB, so it was not read")
            for place, entry in enumerate(entries):
                about = (entry.filename, entry.date_time, entry.extra, entry.comment)
                yield f"{place} {about}", entry.filename, _text(archive.read(entry))
            left = len(content) - sum(entry.compress_size for entry in entries)
            yield f"{left} bytes beside", "", ""
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError):
        raise Broken("it is no spreadsheet") from None


def _sheets(content: bytes) -> Iterator[Piece]:
    members = _members(content)
    try:
        root = ElementTree.fromstring(members.pop("content.xml"))
    except (KeyError, ElementTree.ParseError):
        raise Broken("it is no spreadsheet") from None
    for sheet in root.iter(f"{_TABLE}table"):
        name = sheet.get(f"{_TABLE}name", "")
        for row, cells in enumerate(sheet.iter(f"{_TABLE}table-row"), 1):
            for column, cell in enumerate(cells):
                shown = " ".join("".join(cell.itertext()).split())
                value = cell.get(f"{_OFFICE}value")
                told = shown if value is None else f"{shown} (value {value})"
                yield Piece(f"sheet {name}, cell {_letter(column)}{row}", told)
    for member, text in members.items():
        yield Piece(member, text)


def _letter(column: int) -> str:
    return ("" if column < 26 else _letter(column // 26 - 1)) + chr(ord("A") + column % 26)


def _pages(content: bytes) -> list[str]:
    try:
        return pages_of(content)
    except Unreadable:
        raise Broken("it is no PDF that can be read") from None


def _structure(content: bytes) -> str:
    try:
        return structure_of(content)
    except Unreadable:
        raise Broken("it is no PDF that can be read") from None


class _Page(HTMLParser):
    """Collects the texts of a page under their figures, or the heading that they stand under."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[Piece] = []
        self._open: list[tuple[str, str | None]] = []
        self._heading = ""

    @property
    def _where(self) -> str:
        figures = [figure for _, figure in self._open if figure]
        under = f"under {self._heading!r}" if self._heading else "at the top"
        return f"figure {figures[-1]}" if figures else f"words {under}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        figure = dict(attrs).get("data-figure")
        if tag not in _VOID:
            self._open.append((tag, figure))
        if tag in _HEADINGS:
            self._heading = ""
        told = " ".join(name if value is None else f'{name}="{value}"' for name, value in attrs)
        self.pieces.append(Piece(self._where.replace("words ", f"<{tag}> "), told))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in (name for name, _ in self._open):
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if told := " ".join(data.split()):
            if any(tag in _HEADINGS for tag, _ in self._open):
                self._heading = f"{self._heading} {told}".strip()[:60]
            self.pieces.append(Piece(self._where, told))

    def handle_comment(self, data: str) -> None:
        self.pieces.append(Piece("a comment", data))


def _page(text: str) -> list[Piece]:
    page = _Page()
    page.feed(text)
    page.close()
    return page.pieces
