"""A release folder as an outsider sees it: pages, PDFs, spreadsheets, data files, notebooks.

Nothing here knows how a release is made. A file that cannot be read gives words, never a traceback.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pikepdf

MIME = "application/vnd.jdl+json"
"""Under which a notebook's cell keeps what it published."""

LARGEST = 200_000_000
"""Bytes of one file, and of what one spreadsheet unpacks to, that are read."""

_VOID = frozenset(
    (
        *("area", "base", "br", "col", "embed", "hr", "img"),
        *("input", "link", "meta", "source", "track", "wbr"),
    )
)
UNSEEN = frozenset({"style", "script", "title", "head"})


class Unreadable(Exception):  # noqa: N818
    """A file that is not what its name says."""


@dataclass
class Node:
    """An element of a page, with its attributes and what it holds in order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Node | str] = field(default_factory=list)

    def all(self) -> Iterator[Node]:
        """Yield this element and all below it, in order."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(child for child in reversed(node.children) if isinstance(child, Node))

    def strings(self, *, skip: frozenset[str] = UNSEEN) -> Iterator[str]:
        """Yield the text within, in order, without that of the elements to skip."""
        waiting: list[Node | str] = [self]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                yield one
            elif one.tag not in skip:
                waiting.extend(reversed(one.children))

    @property
    def text(self) -> str:
        """Its text, every run of spaces one space."""
        return " ".join("".join(self.strings()).split())

    def get(self, name: str) -> str:
        """Return an attribute, empty where it has none."""
        return self.attributes.get(name, "")

    def named(self, tag: str) -> list[Node]:
        """Return the elements of this name within, in order."""
        return [node for node in self.all() if node.tag == tag]


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(node)
        if tag not in _VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self.open) - 1, 0, -1):
            if self.open[place].tag == tag:
                del self.open[place:]
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def markup(text: str) -> Node:
    """Return the tree of a page or of a piece of one."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    return builder.root


@dataclass(frozen=True)
class Told:
    """A number on a page that carries its name in the register."""

    figure: str
    text: str
    value: str | None


def told_on(page: Node) -> list[Told]:
    """Return the figures of a page in reading order; `value` is None where it carries none."""
    return [
        Told(
            node.get("data-figure"),
            node.text,
            node.attributes.get("value") if node.tag == "data" else None,
        )
        for node in page.all()
        if "data-figure" in node.attributes
    ]


@dataclass(frozen=True)
class Cell:
    """A cell of a spreadsheet: its printed text, and its exact value where it is a number."""

    text: str
    value: float | None = None


_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def workbook(data: bytes) -> dict[str, list[list[Cell]]]:
    """Return the rows of every sheet of an OpenDocument spreadsheet, by its name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if packed.getinfo("content.xml").file_size > LARGEST:
                raise Unreadable("it unpacks to more than is read")
            root = ElementTree.fromstring(packed.read("content.xml"))
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError, EOFError) as error:
        raise Unreadable("it is no OpenDocument spreadsheet") from error
    except (RuntimeError, NotImplementedError, ValueError, MemoryError) as error:
        raise Unreadable("it cannot be unpacked") from error
    return {
        sheet.get(f"{_TABLE}name", ""): [
            [_cell(cell) for cell in row if cell.tag == f"{_TABLE}table-cell"]
            for row in sheet.iter(f"{_TABLE}table-row")
        ]
        for sheet in root.iter(f"{_TABLE}table")
    }


def _cell(cell: ElementTree.Element) -> Cell:
    text = "\n".join("".join(part.itertext()) for part in cell.iter(f"{_TEXT}p"))
    value = cell.get(f"{_OFFICE}value")
    try:
        return Cell(text, None if value is None else float(value))
    except ValueError:
        return Cell(text)


# PDF


def pdf_text(data: bytes) -> str:
    """Return the words of a tagged PDF in reading order; drawn letters stand as they are drawn."""
    try:
        with pikepdf.open(io.BytesIO(data)) as document:
            return _Reader(document).text()
    except (pikepdf.PdfError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise Unreadable("it is no tagged PDF") from error
    except (IndexError, RecursionError, RuntimeError, MemoryError) as error:
        raise Unreadable("its text cannot be read") from error


class _Reader:
    """Reads the marked content of every page, then walks the structure in its order."""

    def __init__(self, document: pikepdf.Pdf) -> None:
        self.fonts: dict[Any, dict[int, str]] = {}
        self.root = document.Root
        self.marked: dict[tuple[Any, int], list[str]] = {}
        for page in document.pages:
            self._read(page.obj, page.obj.get("/Resources"), page.obj.objgen)

    def text(self) -> str:
        parts: list[str] = []
        waiting: list[tuple[Any, Any]] = [(self.root.StructTreeRoot, None)]
        while waiting:
            tag, page = waiting.pop()
            if isinstance(tag, int):
                parts += ["".join(self.marked.get((page, tag), ())), "\n"]
            elif isinstance(tag, pikepdf.Array):
                waiting.extend((child, page) for child in reversed(list(tag)))
            elif isinstance(tag, pikepdf.Dictionary):
                own = tag.get("/Pg")
                page = page if own is None else own.objgen
                inner = tag.get("/MCID") if tag.get("/Type") == "/MCR" else tag.get("/K")
                if inner is not None:
                    waiting.append((int(inner) if tag.get("/Type") == "/MCR" else inner, page))
        return "".join(parts)

    def _read(self, stream: Any, resources: Any, page: Any, within: int | None = None) -> None:
        font: dict[int, str] = {}
        nested: list[int | None] = [within]
        for instruction in pikepdf.parse_content_stream(stream):
            operands, what = instruction.operands, str(instruction.operator)
            if what in {"BMC", "BDC"}:
                inner = operands[1] if len(operands) > 1 else None
                number = inner.get("/MCID") if isinstance(inner, pikepdf.Dictionary) else None
                nested.append(nested[-1] if number is None else int(number))
                if str(operands[0]) == "/Artifact":
                    nested[-1] = None
            elif what == "EMC" and len(nested) > 1:
                nested.pop()
            elif what == "Tf":
                font = self._font(resources["/Font"][str(operands[0])])
            elif what in {"Tj", "TJ"} and nested[-1] is not None:
                self.marked.setdefault((page, nested[-1]), []).append(_drawn(operands[0], font))
            elif what == "Do":
                form = resources["/XObject"][str(operands[0])]
                if form.get("/Subtype") == "/Form":
                    self._read(form, form.get("/Resources", resources), page, nested[-1])

    def _font(self, font: Any) -> dict[int, str]:
        known: dict[int, str] | None = self.fonts.get(font.objgen)
        if known is None:
            known = self.fonts[font.objgen] = _letters(font)
        return known


def _drawn(operand: Any, font: Mapping[int, str]) -> str:
    pieces = operand if isinstance(operand, pikepdf.Array) else [operand]
    drawn = [bytes(piece) for piece in pieces if isinstance(piece, pikepdf.String)]
    codes = (
        int.from_bytes(one[at : at + 2], "big") for one in drawn for at in range(0, len(one), 2)
    )
    return "".join(font.get(code, "\ufffd") for code in codes)


_SINGLES = re.compile(r"beginbfchar(.*?)endbfchar", re.S)
_RANGES = re.compile(r"beginbfrange(.*?)endbfrange", re.S)


def _letters(font: Any) -> dict[int, str]:
    """Return what each code of a font stands for, from its own table."""
    table = font["/ToUnicode"].read_bytes().decode("latin-1")
    letters: dict[int, str] = {}
    for block in _SINGLES.findall(table):
        for code, letter in re.findall(r"<(\w+)>\s*<(\w+)>", block):
            letters[int(code, 16)] = bytes.fromhex(letter).decode("utf-16-be")
    for block in _RANGES.findall(table):
        for first, last, letter in re.findall(r"<(\w+)>\s*<(\w+)>\s*<(\w+)>", block):
            for step in range(min(int(last, 16) - int(first, 16), 65535) + 1):
                letters[int(first, 16) + step] = chr(int(letter, 16) + step)
    return letters


# Data files


def rows(data: bytes) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names of its columns."""
    try:
        read = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        found = [dict(row) for row in read]
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable("it is no CSV file in UTF-8") from error
    if any(None in row or None in row.values() for row in found):
        raise Unreadable("its rows have not all the same number of columns")
    return found


def records(data: bytes) -> Any:
    """Return the content of a JSON file."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON") from error


def words(data: bytes) -> str:
    """Return the text of a file in UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("it is not in UTF-8") from error


@dataclass(frozen=True)
class Step:
    """A cell of a notebook.

    Parameters
    ----------
    id, kind, source : str
    tags : tuple of str
    published : tuple of dict
        What its outputs record under `MIME`.
    html : tuple of str
        The same outputs as they are shown.
    texts : tuple of str
        The same for a terminal.
    """

    id: str
    kind: str
    source: str
    tags: tuple[str, ...]
    published: tuple[dict[str, Any], ...]
    html: tuple[str, ...]
    texts: tuple[str, ...]


def notebook(data: bytes) -> list[Step]:
    """Return the cells of a notebook."""
    content = records(data)
    try:
        return [_step(cell) for cell in content["cells"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreadable("it is no notebook") from error


def _step(cell: Mapping[str, Any]) -> Step:
    outputs = [out.get("data", {}) for out in cell.get("outputs", ())]
    shown = [out for out in outputs if isinstance(out.get(MIME), dict)]
    return Step(
        str(cell["id"]),
        str(cell["cell_type"]),
        "".join(cell["source"]),
        tuple(cell.get("metadata", {}).get("tags", ())),
        tuple(out[MIME] for out in shown),
        tuple("".join(out.get("text/html", "")) for out in shown),
        tuple("".join(out.get("text/plain", "")) for out in shown),
    )


def content(path: Path) -> bytes:
    """Return the bytes of a file; a link, a folder or a huge file is not read."""
    try:
        if path.is_symlink() or not path.is_file():
            raise Unreadable("it is no plain file")
        if path.stat().st_size > LARGEST:
            raise Unreadable("it is larger than anything that is published")
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"it cannot be opened ({error.strerror})") from error
