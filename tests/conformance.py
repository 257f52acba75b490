"""What every published file must be: each check returns its findings in plain words.

`tests/test_pages.py` runs them over every file of a finished release and plants a fault for each.
"""

from __future__ import annotations

import calendar
import functools
import itertools
import json
import math
import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf
from browser import Browser

from jdl.covariates import AGE_BANDS, SENTENCE_BANDS
from jdl.disclosure import MERGED_AGES
from jdl.figures import MIME

PLACEHOLDER = re.compile(
    r"no description|(image|figure|chart|picture|graph|untitled)\W*\d*\W*$", re.I
)
SHORTEST_ALT = 20
FONT = "JDL-Sans"
LONGEST_TITLE, LONGEST_SUMMARY = 65, 160
OUTSIDE = ("https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",)
FOR_READERS = (".html", ".pdf", ".ods", ".csv")
SPOKEN = ("alt", "aria-label", "title", "data-label")


# PDF


def pdf_findings(file: Path | BinaryIO) -> list[str]:
    """Return what keeps a PDF from being one that assistive software can read (PDF/UA-1).

    Checked: title, language, tags, PDF/UA flag, headings, alternative text, table headers, links,
    outline, tab order, fonts, and that nothing in it acts or leads out. The links to other files
    are only followed where `file` is a path.
    """
    with pikepdf.open(file) as document:
        tags = list(structure(document.Root.get("/StructTreeRoot", {})))
        return [
            *_pdf_facts(document),
            *_pdf_headings(document, tags),
            *_pdf_figures(tags),
            *_pdf_tables(document, tags),
            *_pdf_links(document, tags, file.parent if isinstance(file, Path) else None),
            *_pdf_pages(document),
        ]


def structure(node: Any) -> Iterator[pikepdf.Dictionary]:
    """Yield the tags below a node, in reading order."""
    children = node.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            yield child
            yield from structure(child)


def _pdf_facts(document: pikepdf.Pdf) -> Iterator[str]:
    root = document.Root
    metadata = document.open_metadata()
    title = str(document.docinfo.get("/Title", ""))
    facts = {
        "no title": title,
        "the title in the metadata is another": metadata.get("dc:title") == title,
        "a window would show the file's name, not the title": root.get(
            "/ViewerPreferences", {}
        ).get("/DisplayDocTitle"),
        "the language is not en-GB": root.get("/Lang") == "en-GB",
        "not tagged": root.get("/MarkInfo", {}).get("/Marked") and "/StructTreeRoot" in root,
        "not marked as PDF/UA-1": metadata.get("pdfuaid:part") == "1",
        "it runs something when opened": not {"/OpenAction", "/AA"} & set(root.keys()),
        "it holds JavaScript or files": not {"/JavaScript", "/EmbeddedFiles"}
        & set(root.get("/Names", {}).keys()),
    }
    yield from (finding for finding, good in facts.items() if not good)


def _pdf_headings(document: pikepdf.Pdf, tags: list[pikepdf.Dictionary]) -> Iterator[str]:
    levels = [int(str(tag.S)[2:]) for tag in tags if str(tag.S)[1:] in {f"H{n}" for n in range(7)}]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings of the first level"
    if any(after > before + 1 for before, after in itertools.pairwise([0, *levels])):
        yield "a level of heading is left out"
    with document.open_outline() as outline:
        told = list(_outline(outline.root))
    if len(told) != len(levels):
        yield f"{len(levels)} headings, {len(told)} entries in the outline"
    if not all(str(entry.title).strip() for entry in told):
        yield "an entry of the outline has no words"


def _outline(entries: Any) -> Iterator[Any]:
    for entry in entries:
        yield entry
        yield from _outline(entry.children)


def _pdf_figures(tags: list[pikepdf.Dictionary]) -> Iterator[str]:
    for alt in (str(tag.get("/Alt", "")) for tag in tags if tag.S == "/Figure"):
        if is_placeholder(alt):
            yield f"a figure's alternative text says nothing: {alt!r}"


def _pdf_tables(document: pikepdf.Pdf, tags: list[pikepdf.Dictionary]) -> Iterator[str]:
    pages = [page.objgen for page in document.pages]
    before = (-1, 0)
    for table in (tag for tag in tags if tag.S == "/Table"):
        inside = list(structure(table))
        heads = [str(tag.get("/ID", "")) for tag in inside if tag.S == "/TH"]
        columns = sum(tag.S == "/TH" for tag in inside if tag.P.P.S == "/THead")
        page = pages.index(table.Pg.objgen)
        continued = (page - 1, columns) == before  # it then repeats the row of headers
        before = (page, columns)
        if not continued and all(tag.S != "/Caption" for tag in inside):
            yield f"page {page + 1}: a table has no caption"
        if not heads or "" in heads or len(set(heads)) < len(heads):
            yield f"page {page + 1}: a table has a header that no cell can name"
        cells = [tag.get("/A", {}).get("/Headers", []) for tag in inside if tag.S == "/TD"]
        if not all(named and {str(name) for name in named} <= set(heads) for named in cells):
            yield f"page {page + 1}: a table has a cell that does not name its headers"


def _pdf_links(
    document: pikepdf.Pdf, tags: list[pikepdf.Dictionary], folder: Path | None
) -> Iterator[str]:
    read = {child.Obj.objgen for tag in tags for child in _references(tag)}
    names = set(_destinations(document))
    for note in (note for page in document.pages for note in page.get("/Annots", [])):
        action = note.get("/A", {})
        if note.Subtype != "/Link" or action.get("/S", "/URI") != "/URI":
            yield f"something other than a link lies on a page: {note.Subtype}"
        elif action:
            yield from _led_out(str(action.URI), folder)
        elif str(note.get("/Dest", "")) not in names:
            yield f"a link leads nowhere: {note.get('/Dest', '')}"
        if note.objgen not in read or "/StructParent" not in note:
            yield "a link is not in the reading order"
        if not str(note.get("/Contents", "")):
            yield "a link has no description"


def _references(tag: pikepdf.Dictionary) -> Iterator[pikepdf.Dictionary]:
    children = tag.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and child.get("/Type") == "/OBJR":
            yield child


def _led_out(address: str, folder: Path | None) -> Iterator[str]:
    """Say what is wrong with a link to another file of the release."""
    path = address.partition("#")[0]
    if address.startswith("mailto:") or address in OUTSIDE:
        return
    if re.match(r"[a-z]+:|/", address):
        yield f"a link leads out of the release: {address}"
    elif folder is not None and not (folder / path).is_file():
        yield f"a link leads to a file that is not there: {path}"


def _destinations(document: pikepdf.Pdf) -> Iterator[str]:
    tree = document.Root.get("/Names", {}).get("/Dests")
    if tree is not None:
        yield from pikepdf.NameTree(tree)


def _pdf_pages(document: pikepdf.Pdf) -> Iterator[str]:
    fonts = {}
    for number, page in enumerate(document.pages, start=1):
        if page.get("/Tabs") != "/S" or "/StructParents" not in page:
            yield f"page {number}: not in the order of its structure"
        fonts.update(
            {str(font.BaseFont): font for font in page.Resources.get("/Font", {}).values()}
        )
    for name, font in fonts.items():
        if FONT not in name:
            yield f"a font of the machine, not of the project: {name}"
        descriptor = font.DescendantFonts[0].FontDescriptor if "/DescendantFonts" in font else {}
        if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor.keys()):
            yield f"a font is not in the file: {name}"
        if "/ToUnicode" not in font:
            yield f"the letters of a font cannot be read out: {name}"


def is_placeholder(alt: str) -> bool:
    """Whether a description is missing, or stands for one."""
    return len(alt) < SHORTEST_ALT or bool(PLACEHOLDER.match(alt))


# A page as a tree


VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr")
)


@dataclass(eq=False)
class Element:
    """An element of a page, with what it holds in reading order."""

    tag: str
    attributes: dict[str, str]
    parent: Element | None
    children: list[Element | str] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """Yield this element and all below it, in reading order."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def lineage(self) -> Iterator[Element]:
        """Yield this element and those around it, outwards."""
        element: Element | None = self
        while element is not None:
            yield element
            element = element.parent

    def find(self, *tags: str) -> list[Element]:
        """Return the elements of these kinds."""
        return [element for element in self.walk() if element.tag in tags]

    @functools.cached_property
    def text(self) -> str:
        """The words in it, with a space where an element that is not of the line ends."""
        parts = (
            child if isinstance(child, str) else f"{child.text}{'' if child.tag in INLINE else ' '}"
            for child in self.children
            if isinstance(child, str) or child.tag not in ("style", "script")
        )
        return "".join(parts)


INLINE = frozenset(("a", "code", "data", "em", "span", "strong", "time", "tspan"))


class _Reader(HTMLParser):
    """Makes the tree; what is not closed, closed twice or crossed is kept as a finding."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self._open = Element("", {}, None)
        self.faults: list[str] = []
        self.feed(html)
        self.close()
        if self._open is not self.root:
            self.faults.append(f"<{self._open.tag}> is not closed")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open = self._open.children[-1]  # type: ignore[assignment]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.faults.append(f"<{tag}> has an attribute twice")
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.children.append(element)

    def handle_endtag(self, tag: str) -> None:
        if self._open.tag != tag:
            self.faults.append(f"</{tag}> closes <{self._open.tag}>")
        if any(element.tag == tag for element in self._open.lineage()):
            while self._open.tag != tag:
                self._open = self._open.parent or self.root
            self._open = self._open.parent or self.root

    def handle_data(self, data: str) -> None:
        self._open.children.append(data)


@dataclass(frozen=True)
class Page:
    """A page of a release.

    Parameters
    ----------
    file : Path
    release : Path
        The folder that holds it, with ``index.html`` at its top.
    html : str
        What is checked in place of the file, to plant a fault.
    """

    file: Path
    release: Path
    html: str

    @classmethod
    def read(cls, file: Path, release: Path) -> Page:
        """Return the page of a file."""
        return cls(file, release, file.read_text(encoding="utf-8"))

    @property
    def name(self) -> str:
        """Where in its release it lies."""
        return str(self.file.relative_to(self.release))

    @functools.cached_property
    def _read(self) -> _Reader:
        return _Reader(self.html)

    @property
    def root(self) -> Element:
        """The page as a tree."""
        return self._read.root

    @property
    def faults(self) -> list[str]:
        """What is wrong with its tags."""
        return self._read.faults

    @functools.cached_property
    def ids(self) -> Counter[str]:
        """How often each id is given."""
        return Counter(e.attributes["id"] for e in self.root.walk() if "id" in e.attributes)

    @functools.cached_property
    def register(self) -> dict[str, dict[str, Any]]:
        """The figures of the record that it was made from, by id."""
        beside = self.file.parent / "figures.json"
        file = beside if beside.exists() else self.release / "bulletin" / "figures.json"
        return {figure["id"]: figure for figure in json.loads(file.read_text(encoding="utf-8"))}

    @functools.cached_property
    def charts(self) -> dict[str, dict[str, Any]]:
        """The records of the charts of the notebook that it was made from, by id."""
        beside = self.file.parent / "notebook.ipynb"
        file = beside if beside.exists() else self.release / "bulletin" / "notebook.ipynb"
        notebook = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"cells": []}
        outputs = (out for cell in notebook["cells"] for out in cell.get("outputs", []))
        shown = [one["data"][MIME] for one in outputs if MIME in one.get("data", {})]
        shown += [part for one in shown for part in one.get("parts", []) if "kind" in part]
        return {one["id"]: one for one in shown if one["kind"] == "chart"}

    @functools.cached_property
    def fixed(self) -> re.Pattern[str]:
        """The wording with a number in it that this page may hold unmarked.

        Phrases of the method, names of the request, and the bands of code lists, whole or broken
        into two lines.
        """
        request = self.record.get("request", {})
        names = [request.get("programme"), request.get("organisation"), *self._vintages]
        broken = [" ".join(part) for band in BANDS for part in _broken(band.split())]
        told = sorted({*filter(None, names), *BANDS, *broken}, key=len, reverse=True)
        words = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in told if NUMBER.search(name)]
        return re.compile("|".join([*words, *FIXED]), re.I)

    @property
    def _vintages(self) -> list[str]:
        marked = [e for e in self.root.find("span") if "data-static" in e.attributes]
        return [e.text for e in marked if re.fullmatch(r"[a-z]+(-\d+)+", e.text)]

    @functools.cached_property
    def record(self) -> dict[str, Any]:
        """The result that it tells, where it has one of its own."""
        file = self.file.parent / "result.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _broken(words: list[str]) -> Iterator[list[str]]:
    """Yield both parts of a label broken into two lines, if of two words or more."""
    for place in range(1, len(words)):
        yield from (part for part in (words[:place], words[place:]) if len(part) > 1)


def pages(release: Path) -> list[Page]:
    """Return every page of a release."""
    return [Page.read(file, release) for file in sorted(release.rglob("*.html"))]


# Requests and links


LOADING = ("script", "link", "iframe", "frame", "object", "embed", "form", "base", "audio", "video")
ADDRESSED = ("src", "srcset", "poster", "data", "action", "background", "formaction", "ping")
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)


def request_findings(page: Page) -> list[str]:
    """Return what in a page could run, or be asked for from another place."""
    return list(_requests(page))


def _requests(page: Page) -> Iterator[str]:
    for element in page.root.walk():
        if element.tag in LOADING:
            yield f"<{element.tag}> does not belong on a page"
        for name, value in element.attributes.items():
            loads = name in ADDRESSED or (name == "href" and element.tag != "a")
            if name.startswith("on"):
                yield f"<{element.tag}> runs something: {name}"
            elif loads and not value.startswith(("data:", "#")):
                yield f"<{element.tag}> asks for {value}"
    style = "".join(str(part) for e in page.root.find("style") for part in e.children)
    style += "".join(e.attributes.get("style", "") for e in page.root.walk())
    for found in re.findall(r"@import|image-set|url\((?!data:|#)[^)]*\)", style, re.I):
        yield f"the style asks for something: {found}"
    told = [meta.attributes for meta in page.root.find("meta") if "http-equiv" in meta.attributes]
    if told != [{"http-equiv": "Content-Security-Policy", "content": POLICY}]:
        yield "the page does not forbid what it does not need, or asks for more"


def link_findings(page: Page) -> list[str]:
    """Return links that lead nowhere or out of the releases, and ids given twice."""
    return [
        *(f"the id {name} is given {count} times" for name, count in page.ids.items() if count > 1),
        *_pointers(page),
        *_links(page),
    ]


def _pointers(page: Page) -> Iterator[str]:
    for element in page.root.walk():
        for name in ("aria-labelledby", "aria-describedby", "headers", "for"):
            for wanted in element.attributes.get(name, "").split():
                if wanted not in page.ids:
                    yield f"<{element.tag}> points at {wanted}, which is not on the page"


def _links(page: Page) -> Iterator[str]:
    for link in page.root.find("a"):
        address = link.attributes.get("href", "")
        words = " ".join(link.text.split())
        path, _, anchor = address.partition("#")
        target = (page.file.parent / path).resolve() if path else page.file
        if not words:
            yield f"a link without words: {address}"
        if address.startswith("mailto:") or address in OUTSIDE:
            continue
        if re.match(r"[a-z]+:|/", address) or not address:
            yield f"a link leads out of the release: {words} ({address})"
        elif not target.is_file() or not _is_published(target, page.release.parent):
            yield f"a link leads to a file that is not there: {words} ({address})"
        elif anchor and anchor not in (page.ids if not path else ids_of(target)):
            yield f"a link leads to a place that is not there: {words} ({address})"


def _is_published(file: Path, outputs: Path) -> bool:
    """Whether a file lies in this or another release."""
    outside = not file.is_relative_to(outputs.resolve())
    return not outside and not file.relative_to(outputs.resolve()).parts[0].startswith(".")


@functools.cache
def ids_of(file: Path) -> frozenset[str]:
    """Return the ids of a page."""
    return frozenset(re.findall(r'\bid="([^"]+)"', file.read_text(encoding="utf-8")))


def unreached(release: Path) -> list[str]:
    """Return the files for readers that no page of the release links to."""
    reached = {release / name for name in ("index.html", "yearly.html")}
    for page in pages(release):
        for link in page.root.find("a"):
            path = link.attributes.get("href", "").partition("#")[0]
            reached.add((page.file.parent / path).resolve() if path else page.file)
    files = (file for file in release.rglob("*") if file.suffix in FOR_READERS)
    return sorted(
        f"no page leads to {file.relative_to(release)}" for file in files if file not in reached
    )


# Numbers

FIXED = (
    r"95% (confidence|prediction) intervals?",
    r"\b100 (typical |similar )?(people|men|women|reoffenders)\b",
    r"\b(People|Men|Women) out of 100\b|\bof 100$|(?<=\0 )of 100\b",
    r"\b1:1 match\b",
    r"\bbest near 1\b",
    r"\bYear of index date: (19|20)\d\d\b",
)
OTHER_NUMERALS = "".join(
    one for one in map(chr, range(0x110000)) if unicodedata.category(one) == "No"
)
NUMBER = re.compile(rf"\d+(?:,\d{{3}})*(?:\.\d+)?|(?<![^\W\d_])[{OTHER_NUMERALS}]+")
CODE = ("pre", "code")
BANDS = (*AGE_BANDS, *SENTENCE_BANDS, *MERGED_AGES)


def numeral_findings(page: Page) -> list[str]:
    """Return the numbers on a page that cannot be traced to the register of figures.

    A number on a page stands in the text of a figure, which must be the register's, or in wording
    that is fixed: marked so, a phrase of `FIXED`, a name of the request, a band of a code list, or
    a step of a scale that the record of its chart names. A number where nothing can be marked, such
    as a title or a description of a drawing, must be that of a figure or of fixed wording of the
    page, or of a figure of the cell that made the drawing.
    """
    return [
        *_marked(page),
        *_unmarked(page),
        *_fixed_numbers(page),
        *_times(page),
        *_drawings(page),
        *_in_attributes(page),
    ]


def _is_marked(element: Element) -> bool:
    return element.tag in ("time", "style", *CODE) or any(
        name in element.attributes for name in ("data-figure", "data-static")
    )


def _marked(page: Page) -> Iterator[str]:
    for element in page.root.walk():
        text = element.text.strip()
        if name := element.attributes.get("data-figure"):
            figure = page.register.get(name)
            if figure is None:
                yield f"the figure {name} is not in the register"
            elif text != figure["text"]:
                yield f"the figure {name} is printed as {text!r}, not {figure['text']!r}"
            elif element.attributes.get("value", _value(figure)) != _value(figure):
                yield f"the figure {name} has another value on the page"


STATED = frozenset(
    {
        "doc.result.vintage.name",
        "licence",
        "contact",
        "embargo",
        "rule.says",
        "rule.protects",
        "rule.source",
    }
)


def static_findings(templates: Path) -> list[str]:
    """Return what templates mark as fixed wording though it is filled in: that is for figures."""
    filled = re.compile(r"data-static[^>]*>[^<]*?\{\{\s*(.*?)\s*\}\}")
    return [
        f"{file.parent.name}: {name} is not fixed wording"
        for file in sorted(templates.rglob("*.j2"))
        for name in filled.findall(file.read_text(encoding="utf-8"))
        if name not in STATED
    ]


def _value(figure: Mapping[str, Any]) -> str:
    return "" if figure["value"] is None else str(figure["value"])


def _unmarked(page: Page) -> Iterator[str]:
    for element in page.root.walk():
        if any(_is_marked(one) or one.tag in ("svg", "title") for one in element.lineage()):
            continue
        own = "".join(
            child if isinstance(child, str) else "\0" * _is_marked(child)
            for child in element.children
        )
        if NUMBER.search(page.fixed.sub("", own)) and not _is_year(element):
            yield f"a number from nowhere: {' '.join(own.replace(chr(0), '...').split())[:120]}"


def _fixed_numbers(page: Page) -> Iterator[str]:
    """Yield what is marked as fixed wording and is a number alone: that is for figures."""
    for element in page.root.walk():
        text = element.text.strip()
        if "data-static" in element.attributes and NUMBER.search(text) and text.upper() == text:
            yield f"a number from nowhere, marked as fixed: {text}"


def _times(page: Page) -> Iterator[str]:
    """Yield the times whose words are not those of their date."""
    for element in page.root.find("time"):
        date, text = element.attributes.get("datetime", ""), " ".join(element.text.split())
        if not (told := TIME.fullmatch(date)) or text != _in_words(*told.groups()):
            yield f"a time is printed as {text!r}, not {date!r}"


TIME = re.compile(r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(\d\d))?)?")


def _in_words(year: str, month: str | None, day: str | None) -> str:
    parts = (day and str(int(day)), month and calendar.month_name[int(month)], year)
    return " ".join(filter(None, parts))


def _is_year(cell: Element) -> bool:
    """Whether a cell names a year, in a row of years."""
    row = cell.parent
    return (
        row is not None
        and row.tag == "tr"
        and re.fullmatch(r"(19|20)\d\d", cell.text) is not None
        and "year" in row.text.lower()
    )


def _drawings(page: Page) -> Iterator[str]:
    """Look at the numbers of drawings: figures, or steps of a scale that the record names.

    The words that are read out must be those of the record, with the figures of the register.
    """
    for drawing in page.root.find("svg"):
        around = [one.attributes.get("id", "") for one in drawing.lineage() if one.tag == "figure"]
        chart = page.charts.get((around or [""])[0])
        if chart is None:
            yield f"a drawing without a record: {around}"
            continue
        steps: dict[str, list[Element]] = {}
        for label in drawing.find("text"):
            own = "".join(child for child in label.children if isinstance(child, str))
            if name := label.attributes.get("data-scale"):
                steps.setdefault(name, []).append(label)
            elif NUMBER.search(page.fixed.sub("", own)):
                yield f"a number from nowhere in a drawing: {own}"
        yield from _off_scale(steps, chart["scales"])
        spoken = drawing.attributes.get("aria-label", "")
        if spoken != _said(page, chart["alt"]):
            yield f"what is read out of a drawing is not its record's: {spoken[:60]}"


def _off_scale(
    steps: Mapping[str, Sequence[Element]], told: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """Hold the steps of scales to those of the record, and to even places."""
    for name, labels in steps.items():
        texts = [label.text for label in labels]
        if texts != told.get(name):
            yield f"the steps of scale {name} are {texts}, in the record {told.get(name)}"
        values = [float(re.sub(r"[,%+]", "", text.replace("\u2212", "-"))) for text in texts]
        places = [float(label.attributes.get(name, 0)) for label in labels]
        if not _is_axis(values, places):
            yield f"the steps of scale {name} are not evenly placed: {texts}"


def _is_axis(values: Sequence[float], places: Sequence[float]) -> bool:
    """Whether values lie on a straight line of their places, by value or by its logarithm."""
    logs = [math.log(value) if value > 0 else math.nan for value in values]
    return any(
        len(set(scale)) == len(scale) == len(set(places))
        and (len(scale) < 3 or abs(abs(statistics.correlation(scale, places)) - 1) < 1e-3)
        for scale in (values, logs)
        if not any(map(math.isnan, scale))
    )


def _said(page: Page, parts: Sequence[str | Mapping[str, str]]) -> str:
    """Return words and figures as they are printed by the register."""
    figures = [page.register[one["figure"]] for one in parts if not isinstance(one, str)]
    printed = iter(" ".join(filter(None, (one["text"], one.get("mark")))) for one in figures)
    return "".join(one if isinstance(one, str) else next(printed) for one in parts)


def _in_attributes(page: Page) -> Iterator[str]:
    marked = (e.text for e in page.root.walk() if _is_marked(e) and e.tag not in ("style", *CODE))
    known = _numbers(marked)
    for element in page.root.walk():
        told = {name: element.attributes.get(name, "") for name in SPOKEN}
        if element.tag == "title":
            told["text"] = element.text
        if element.attributes.get("name") == "description":
            told["content"] = element.attributes["content"]
        for name, text in told.items():
            left = _numbers([page.fixed.sub("", text)]) - known
            for number in sorted(left - _numbers(_of_its_cell(page, element) if left else ())):
                where = f"{name} of <{element.tag}>"
                yield f"a number from nowhere in {where}: {number} in {text[:90]}"


def _numbers(texts: Iterable[str]) -> set[str]:
    return {number for text in texts for number in NUMBER.findall(text)}


def _of_its_cell(page: Page, element: Element) -> Iterator[str]:
    """Yield the texts of the figures that the cell of this chart put into the register."""
    chart = next((one for one in element.lineage() if one.tag == "figure"), element)
    shown = {one.attributes.get("data-figure", "") for one in chart.walk()}
    cells = {page.register[name]["cell"] for name in shown if name in page.register}
    yield from (figure["text"] for figure in page.register.values() if figure["cell"] in cells)


# Charts


def chart_findings(page: Page) -> list[str]:
    """Return what is wrong with the descriptions of pictures, and charts without their table."""
    return list(_charts(page))


def _charts(page: Page) -> Iterator[str]:
    for picture in page.root.find("svg", "img"):
        alt = picture.attributes.get("aria-label", picture.attributes.get("alt", ""))
        if picture.tag == "svg" and picture.attributes.get("role") != "img":
            yield "a drawing is not marked as a picture"
        if is_placeholder(alt):
            yield f"a picture's description says nothing: {alt!r}"
    for chart in page.root.find("figure"):
        name = chart.attributes.get("id", "without id")
        title = " ".join("".join(e.text for e in chart.find("strong")[:1]).split())
        alts = [e.attributes.get("aria-label", "") for e in chart.find("svg")]
        if not title:
            yield f"chart {name}: no title"
        if any(alt.strip(". ") == title.strip(". ") for alt in alts):
            yield f"chart {name}: its description is its title"
        if not all(NUMBER.search(alt) for alt in alts):
            yield f"chart {name}: its description holds no number"
        links = [link.attributes.get("href", "") for link in chart.find("a")]
        if not chart.find("table") and not any(_leads_to_table(page, link) for link in links):
            yield f"chart {name}: the table behind it is not there"
        if "Source:" not in chart.text:
            yield f"chart {name}: no source"


def _leads_to_table(page: Page, address: str) -> bool:
    tables = {table.attributes.get("id") for table in page.root.find("table")}
    return address.endswith((".ods", ".csv")) or address.removeprefix("#") in tables


# Headings, landmarks, tables


def outline_findings(page: Page) -> list[str]:
    """Return what is wrong with a page's language, title, headings, landmarks and tables."""
    return [
        *page.faults, *_hidden(page), *_labelled(page), *_outline_of(page), *_landmarks(page),
        *_tables(page),
    ]  # fmt: skip


SYNTHETIC = "Synthetic demonstration: made-up people. Not Official Statistics."


def _labelled(page: Page) -> Iterator[str]:
    """Look at the label of a page that is made from made-up people, as every page here is."""
    labels = [
        e.text.strip() for e in page.root.walk() if e.attributes.get("class", "")[:6] == "status"
    ]
    if len(labels) != 1 or labels[0].partition(" Embargoed until ")[0] != SYNTHETIC:
        yield f"the page is not labelled as synthetic: {labels}"
    if re.search(r"(?<![Nn]ot )Official Statistics", page.root.text):
        yield "made-up people are called Official Statistics"


def _hidden(page: Page) -> Iterator[str]:
    for element in page.root.walk():
        style = element.attributes.get("style", "").replace(" ", "").lower()
        if "hidden" in element.attributes or "display:none" in style or "visibility:hid" in style:
            yield f"<{element.tag}> is hidden: {' '.join(element.text.split())[:60]}"


def _outline_of(page: Page) -> Iterator[str]:
    headings = [e for e in page.root.walk() if re.fullmatch("h[1-6]", e.tag)]
    levels = [int(heading.tag[1]) for heading in headings]
    titles = [" ".join(title.text.split()) for title in page.root.find("title")]
    told = [
        meta.attributes.get("content", "")
        for meta in page.root.find("meta")
        if meta.attributes.get("name") == "description"
    ]
    if [e.attributes for e in page.root.find("html")] != [{"lang": "en-GB"}]:
        yield "the language is not en-GB"
    if len(titles) != 1 or not 0 < len(titles[0]) <= LONGEST_TITLE:
        yield f"not one title of at most {LONGEST_TITLE} characters: {titles}"
    if len(told) != 1 or not told[0].endswith(".") or len(told[0]) > LONGEST_SUMMARY:
        yield f"not one description, a sentence of at most {LONGEST_SUMMARY} characters: {told}"
    if levels.count(1) != 1 or levels[0] != 1:
        yield f"{levels.count(1)} headings of the first level, or not the first"
    for before, after in itertools.pairwise(headings):
        if int(after.tag[1]) > int(before.tag[1]) + 1:
            yield f"a level of heading is left out before {after.text.strip()!r}"
    yield from ("a heading without words" for heading in headings if not heading.text.strip())


def _landmarks(page: Page) -> Iterator[str]:
    for tag in ("main", "header", "footer"):
        if len(page.root.find(tag)) != 1:
            yield f"{len(page.root.find(tag))} <{tag}> on the page"
    links = page.root.find("a")
    [first] = links[:1] or [None]
    mains = [main.attributes.get("id") for main in page.root.find("main")]
    if first is None or first.attributes.get("href", "").removeprefix("#") not in mains:
        yield "the first link does not skip to the content"
    named = [
        e.attributes.get("aria-label", e.attributes.get("aria-labelledby"))
        for e in page.root.find("nav")
    ]
    if None in named or len(set(named)) < len(named):
        yield "a group of links has no name of its own"


def _tables(page: Page) -> Iterator[str]:
    captions = Counter(" ".join(e.text.split()) for e in page.root.find("caption"))
    for caption, count in captions.items():
        if count > 1:
            yield f"{count} tables are called {caption!r}"
    for table in page.root.find("table"):
        name = table.attributes.get("id", "without id")
        if not table.find("caption"):
            yield f"table {name}: no caption"
        rows = [[c for c in row.children if isinstance(c, Element)] for row in table.find("tr")]
        if len({len(row) for row in rows}) > 1 or any(
            {"colspan", "rowspan"} & set(cell.attributes) for row in rows for cell in row
        ):
            yield f"table {name}: its rows are not alike"
        if not all(cell.text.strip() for row in rows for cell in row):
            yield f"table {name}: an empty cell"
        if any("scope" not in cell.attributes for cell in table.find("th")):
            yield f"table {name}: a header without scope"
        if any(cell.tag != "th" for row in rows for cell in row[:1]):
            yield f"table {name}: a row without a header"


# Weight


LIMITS = {"index": 50_000, "audit": 1_000_000, "walk-through": 1_350_000}
LIMIT = 300_000


def weight_findings(page: Page) -> list[str]:
    """Return whether a page is heavier than its kind may be, in bytes."""
    size, limit = len(page.html.encode()), LIMITS.get(page.file.stem, LIMIT)
    return [f"{size:,} bytes, of at most {limit:,}"] if size > limit else []


# Slips


BLOCKS = frozenset(
    ("p", "li", "h1", "h2", "h3", "h4", "caption", "td", "th", "dt", "dd", "summary", "figcaption")
)
SLIPS = {
    "a word twice": re.compile(r"\b([A-Za-z]+)\s+\1\b", re.I),
    "two spaces": re.compile(r"\S[ \u00a0]{2,}\S"),
    "a space before a mark": re.compile(r"\s[,.;:!?)](?=\s|$)"),
    "a mark twice": re.compile(r",,|\.\.|;;|,\.|\.,|\(\)|\( "),
    "a negative nought": re.compile(r"(?<![\w.,])[-\u2212]0(?:\.0+)?(?![\d.,]*[1-9])(?!\w)"),
    "a value that was never filled in": re.compile(
        r"\b(nan|inf|undefined|NaT|<NA>|Infinity)\b|\bNone\b(?! (of|given))|\{\{|\}\}|\{%|%\}"
    ),
    "one of many": re.compile(
        r"(?<!to )(?<!and )(?<!or )(?<![\d.,])"
        r"\b1 (people|men|women|reoffences|days|reports|requests)\b"
    ),
}
DATE = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th)? (January|February|March|April|May|June|July|August|September|"
    r"October|November|December)(?: (\d{4}))?"
)


def slip_findings(page: Page) -> list[str]:
    """Return slips of the pen: doubled words and marks, stray spaces, dates that never were."""
    found = []
    for element in page.root.walk():
        if element.tag in BLOCKS and not any(one.tag in CODE for one in element.lineage()):
            found += list(_slips(_line(element)))
        found += [slip for name in SPOKEN for slip in _slips(element.attributes.get(name, ""))]
    return list(dict.fromkeys(found))


def _line(block: Element) -> str:
    """Return the words of a block without those of blocks in it, a line's end as one space."""
    parts = (
        child if isinstance(child, str) else "" if child.tag in BLOCKS else _line(child)
        for child in block.children
    )
    return re.sub(r"\s*\n\s*", " ", "".join(parts)).strip("\n")


def _slips(text: str) -> Iterator[str]:
    for name, pattern in SLIPS.items():
        if found := pattern.search(text):
            around = text[max(0, found.start() - 30) : found.end() + 30]
            yield f"{name}: ...{around.strip()}..."
    for day, month, year in DATE.findall(text):
        number = list(calendar.month_name).index(month)
        if not 1 <= int(day) <= calendar.monthrange(int(year or 2012), number)[1]:
            yield f"a date that never was: {day} {month} {year}".strip()


# One truth on all pages


PERIOD = re.compile(r"between ([A-Z][a-z]+ \d{4}) and ([A-Z][a-z]+ \d{4})")


def date_findings(release: Path) -> list[str]:
    """Return requests whose pages tell different dates of the people analysed.

    Compared are the register's first and last month, every "between <month> and <month>" on the
    pages in the request's folder, and the same in the bulletin's sentences that name the programme.
    """
    bulletin = [page for page in pages(release) if page.file.stem == "bulletin"]
    found = []
    for folder in sorted(path.parent for path in release.glob("reports/*/report.html")):
        inside = [Page.read(file, release) for file in sorted(folder.glob("*.html"))]
        register = inside[0].register
        if "headline.index_from" not in register:
            continue
        dates = tuple(register[f"headline.index_{end}"]["text"] for end in ("from", "to"))
        name = inside[0].record["request"]["programme"]
        for page in [*inside, *bulletin]:
            lines = [" ".join(e.text.split()) for e in page.root.find("p", "li", "td")]
            told = {
                pair
                for line in lines
                for pair in PERIOD.findall(line)
                if page not in bulletin or name in line
            }
            found += [
                f"{folder.name}, {page.file.name}: {' to '.join(pair)}, in the register "
                f"{' to '.join(dates)}"
                for pair in sorted(told - {dates})
            ]
    return found


def title_findings(release: Path) -> list[str]:
    """Return the titles that more than one page of a release has."""
    titles = Counter(
        " ".join(e.text.split()) for page in pages(release) for e in page.root.find("title")
    )
    return [f"{count} pages are called {title!r}" for title, count in titles.items() if count > 1]


# In a browser


TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (1280, 320)
_VENDOR = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
_LOOKING = Path(__file__).parent / "looking.js"


def browser_findings(browser: Browser, address: str, width: int) -> list[str]:
    """Return what is wrong with a page as it is laid out in a window of this width, in pixels.

    Checked with every fold open: axe-core's rules for WCAG 2.2 AA and best practice, what is asked
    for over the network, sideways scrolling, wide text spacing, the keyboard, the focus, the order
    on the page against that of reading, and the labels of drawings. In the wide window also its
    zoom to 200%, and in the narrow one that the first link leads to the content.
    """
    browser.open(address, width)
    asked = [one for one in browser.requested() if one != address and not one.startswith("data:")]
    browser.evaluate(f"{_VENDOR.read_text(encoding='utf-8')};0")
    browser.evaluate(_LOOKING.read_text(encoding="utf-8"))
    skipped = _skipped(browser)
    browser.evaluate("looking.unfold()")
    found = [f"asked for {one}" for one in asked] + skipped
    found += browser.evaluate(f"looking.axed({json.dumps(TAGS)})")
    for check in ("reflow", "spacing", "regions", "order", "drawings", "focus"):
        found += browser.evaluate(f"looking.{check}()")
    if width >= 2 * min(WIDTHS):
        browser.resize(width // 2)
        found += browser.evaluate("looking.reflow()")
    return found


def _skipped(browser: Browser) -> list[str]:
    """Press Tab and Enter: the first link shows itself and leads into the content."""
    browser.press("Tab")
    if not browser.evaluate("looking.skips(document.activeElement)"):
        return ["the link to the content does not show itself"]
    browser.press("Enter")
    browser.press("Tab")
    reached = browser.evaluate("looking.inContent(document.activeElement)")
    return [] if reached else ["the link to the content does not lead there"]
