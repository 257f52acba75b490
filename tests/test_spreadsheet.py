"""OpenDocument spreadsheets: their shape, what becomes a number, and the checklist for them.

`CHECKLIST` holds what a machine can check of the Analysis Function's guidance on releasing
statistics in spreadsheets: each point returns its findings in one workbook, read back from its XML.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

import pytest
import sample_notebooks as sample

from jdl import render
from jdl.spreadsheet import SHORTHAND, Number, Sheet, number, workbook

SPACES = {
    name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"
    for name in ("table", "office", "text", "style", "meta")
} | {
    "fo": "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xlink": "http://www.w3.org/1999/xlink",
}


def named(name: str) -> str:
    """Return ``office:value`` as the parser writes it."""
    prefix, tag = name.split(":")
    return f"{{{SPACES[prefix]}}}{tag}"


class Workbook:
    """What a reader of an ``.ods`` file sees."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.entries = archive.infolist()
            self.parts = {entry.filename: archive.read(entry) for entry in self.entries}
        self.root = root = ElementTree.fromstring(self.parts["content.xml"])
        self.meta = ElementTree.fromstring(self.parts["meta.xml"])
        self.styles = ElementTree.fromstring(self.parts["styles.xml"])
        self.ranges = root.findall(".//table:database-range", SPACES)
        self._tables = {
            table.attrib[f"{{{SPACES['table']}}}name"]: table
            for table in root.findall(".//table:table", SPACES)
        }

    @property
    def names(self) -> list[str]:
        return list(self._tables)

    @property
    def marked(self) -> dict[str, tuple[str, str]]:
        """The marked-up tables: by worksheet, name and address."""
        told = {}
        for marked in self.ranges:
            address = marked.attrib[named("table:target-range-address")]
            sheet, *rest = re.fullmatch(r"'(.+?)'\.(.+):'\1'\.(.+)", address).groups()
            told[sheet] = (marked.attrib[named("table:name")], ":".join(rest))
        return told

    def place(self, name: str) -> tuple[int, int, int]:
        """Return the header row, the last row and the columns of a table, counted from one."""
        header = self.header(name)
        first = self.rows(name).index(header) + 1
        return first, len(self.rows(name)), len(header)

    def cells(self, name: str) -> list[list[ElementTree.Element]]:
        rows = self._tables[name].iter(f"{{{SPACES['table']}}}table-row")
        return [row.findall("table:table-cell", SPACES) for row in rows]

    def rows(self, name: str) -> list[list[str]]:
        return [["".join(cell.itertext()) for cell in row] for row in self.cells(name)]

    def first(self, name: str) -> str:
        return self.rows(name)[0][0]

    def text(self, name: str) -> str:
        return "\n".join(" ".join(row) for row in self.rows(name))

    def header(self, name: str) -> list[str]:
        head = self._tables[name].find("table:table-header-rows", SPACES)
        assert head is not None
        return ["".join(cell.itertext()) for cell in head.iter(f"{{{SPACES['table']}}}table-cell")]

    def table(self, name: str) -> list[list[str]]:
        rows = self.rows(name)
        return rows[rows.index(self.header(name)) + 1 :]

    def types(self, name: str) -> set[str]:
        kind = f"{{{SPACES['office']}}}value-type"
        return {
            cell.attrib[kind]
            for row in self.cells(name)[-len(self.table(name)) :]
            for cell in row[1:]
            if "=" in "".join(cell.itertext()) or not "".join(cell.itertext())[:1].isdigit()
        }


# The checklist

Findings = Iterator[str]


def _cover(book: Workbook) -> Findings:
    if book.names[:2] != ["cover", "notes"]:
        yield "the cover and the notes come first"
    told = book.text("cover")
    wanted = {
        "what it holds": "Every table of",
        "contact": r"Contact: \S+@\S+\.",
        "publication date": r"Published on \d{1,2} [A-Z][a-z]+ \d{4}",
        "licence": "Open Government Licence",
        "status": "Official Statistics",
    }
    yield from (
        f"the cover lacks: {what}" for what, how in wanted.items() if not re.search(how, told)
    )


def _contents(book: Workbook) -> Findings:
    links = [
        link.attrib[named("xlink:href")]
        for row in book.cells("cover")
        for cell in row
        for link in cell.iter(named("text:a"))
    ]
    wanted = [f"#'{name}'.A1" for name in book.names if name != "cover"]
    if links != wanted:
        yield "the cover links to every other worksheet, in their order"


def _notes(book: Workbook) -> Findings:
    explained = {row[0]: row[1:] for row in book.table("notes")}
    for name in book.names[2:]:
        printed = {cell for row in book.table(name) for cell in row if cell in SHORTHAND}
        for word in printed:
            if name not in explained.get(word, ("", ""))[1].split(", "):
                yield f"{name}: {word} is not explained"
    used = [text for name in book.names[2:] for row in book.table(name) for text in row]
    for word in [row for row in explained if row in SHORTHAND]:
        if not any(word in text for text in used):
            yield f"{word} is explained and not used"


def _only_known_shorthand(book: Workbook) -> Findings:
    for name in book.names[2:]:
        for row in book.table(name):
            for cell in row:
                if cell in {"", "-", "..", "*", ":", "n/a", "N/A", "."}:
                    yield f"{name}: {cell!r} stands for a value"
                if re.fullmatch(r"\[\w+\]", cell) and cell not in SHORTHAND:
                    yield f"{name}: {cell} is no shorthand that is explained"


def _one_table(book: Workbook) -> Findings:
    for name in book.names:
        heads = list(book.root.iter(named("table:table-header-rows")))
        if len(heads) != len(book.names):
            yield "each worksheet has one header row"
        if name not in book.marked:
            yield f"{name}: no table is marked up"
    if len(book.ranges) != len(book.names):
        yield "each worksheet has one marked-up table"


def _where_the_table_stands(book: Workbook) -> Findings:
    for name in book.names:
        first, last, columns = book.place(name)
        letters = chr(ord("A") + columns - 1)
        if book.marked[name][1] != f"A{first}:{letters}{last}":
            yield f"{name}: the mark-up {book.marked[name][1]} is not where the table stands"


def _named_tables(book: Workbook) -> Findings:
    names = [name for name, _ in book.marked.values()]
    if len(set(names)) < len(names):
        yield "two tables have one name"
    for marked in book.ranges:
        if marked.attrib[named("table:contains-header")] != "true":
            yield "a marked-up table has a header"
        if not re.fullmatch(r"[a-z][a-z0-9_]+", marked.attrib[named("table:name")]):
            yield f"{marked.attrib[named('table:name')]} is no plain name for a table"


def _text_in_a1(book: Workbook) -> Findings:
    for name in book.names:
        if not book.first(name).strip() or len(book.rows(name)[0]) != 1:
            yield f"{name}: A1 holds the title, alone in its row"
    titles = [book.first(name) for name in book.names]
    yield from (f"two worksheets are called {one!r}" for one in titles if titles.count(one) > 1)


def _says_how_many_tables(book: Workbook) -> Findings:
    for name in book.names[1:]:
        if book.rows(name)[1] != ["This worksheet contains one table."]:
            yield f"{name}: the second row says how many tables there are"


def _one_header(book: Workbook) -> Findings:
    for name in book.names:
        header = book.header(name)
        if not all(text.strip() for text in header) or len(set(header)) < len(header):
            yield f"{name}: the heads of columns are unique and not empty"


def _full_rows(book: Workbook) -> Findings:
    for name in book.names:
        width = len(book.header(name))
        for row in book.rows(name):
            if not row or not all(text.strip() for text in row):
                yield f"{name}: a row or a cell is blank"
        if any(len(row) != width for row in book.table(name)):
            yield f"{name}: a row does not fill every column"
        if not book.table(name):
            yield f"{name}: the table has no rows"


def _nothing_merged_hidden_or_frozen(book: Workbook) -> Findings:
    for element in book.root.iter():
        for attribute, value in element.attrib.items():
            if "spanned" in attribute or "repeated" in attribute:
                yield f"{attribute.split('}')[1]} merges or repeats cells"
            if attribute.endswith(("visibility", "}display")) and value != "true":
                yield f"something is hidden: {value}"
    if "settings.xml" in book.parts:
        yield "settings may freeze or split the window"
    if any(
        list(book.root.iter(named(f"table:{kind}"))) for kind in ("covered-table-cell", "filter")
    ):
        yield "cells are covered or filtered"


def _no_formula(book: Workbook) -> Findings:
    for element in book.root.iter():
        if named("table:formula") in element.attrib:
            yield "a cell holds a formula"
    if any(name.endswith((".png", ".svg")) or "Object" in name for name in book.parts):
        yield "the workbook holds an image or an object"


def _styles(book: Workbook) -> dict[str, ElementTree.Element]:
    kinds = book.root.iter(named("style:style"))
    return {
        style.attrib[named("style:name")]: style
        for style in kinds
        if style.attrib[named("style:family")] == "table-cell"
    }


def _large_plain_letters(book: Workbook) -> Findings:
    texts = [*book.root.iter(named("style:text-properties"))]
    texts += book.styles.iter(named("style:text-properties"))
    for text in texts:
        if text.attrib.get(named("fo:font-family")) != "Arial":
            yield "letters are Arial"
        if float(text.attrib[named("fo:font-size")].removesuffix("pt")) < 12:
            yield "letters are at least 12 points high"
        if {named("fo:font-style"), named("style:text-underline-style")} & set(text.attrib):
            yield "nothing is in italics or underlined"


def _no_colour(book: Workbook) -> Findings:
    for element in (*book.root.iter(), *book.styles.iter()):
        if {named("fo:color"), named("fo:background-color")} & set(element.attrib):
            yield "nothing is told by colour"


def _wrapped(book: Workbook) -> Findings:
    styles = _styles(book)
    for name in book.names:
        first, last, _ = book.place(name)
        for row in book.cells(name)[first - 1 : last]:
            for cell in row:
                if named("office:value") in cell.attrib:
                    continue
                style = styles[cell.attrib[named("table:style-name")]]
                how = style.find("style:table-cell-properties", SPACES).attrib
                if how[named("fo:wrap-option")] != "wrap":
                    yield f"{name}: text in the table is wrapped"


def _short_names(book: Workbook) -> Findings:
    for name in book.names:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or len(name) > 30:
            yield f"{name} is no short plain name for a worksheet"


def _metadata(book: Workbook) -> Findings:
    title = book.meta.findtext(".//dc:title", namespaces=SPACES)
    if title != book.first("cover"):
        yield "the document's title is that of its cover"
    for tag in ("dc:creator", "meta:initial-creator", "dc:description"):
        if not book.meta.findtext(f".//{tag}", namespaces=SPACES):
            yield f"the document says nothing as {tag}"


def _language(book: Workbook) -> Findings:
    if book.meta.findtext(".//dc:language", namespaces=SPACES) != "en-GB":
        yield "the document is in British English"
    [text] = book.styles.iter(named("style:text-properties"))
    if (text.attrib[named("fo:language")], text.attrib[named("fo:country")]) != ("en", "GB"):
        yield "the cells are in British English"


def _numbers_are_numbers(book: Workbook) -> Findings:
    styles = _styles(book)
    kind = named("office:value-type")
    for name in book.names[2:]:
        for column in list(zip(*book.cells(name)[book.place(name)[0] :], strict=True))[1:]:
            numbers = [cell for cell in column if cell.attrib[kind] != "string"]
            texts = ["".join(cell.itertext()) for cell in column if cell not in numbers]
            if numbers and any(re.fullmatch(r"-?\d[\d,.]*%?", text) for text in texts):
                yield f"{name}: some numbers of a column are kept as text"
            for cell in numbers:
                style = styles[cell.attrib[named("table:style-name")]]
                if named("style:data-style-name") not in style.attrib:
                    yield f"{name}: a number has no format"


UNITS = re.compile(
    r"people|person|\bmen\b|women|rows|requests|analyses|reports?\b|reoffence|reoffender"
    r"|sentences|disposals|days|months|points|share|rate\b|ratio|probability|p.value|deviations?|bits|difference"
    r"|characteristics|observations|unit|how many|average|links|largest|one in|likelier",
    re.IGNORECASE,
)


def _units(book: Workbook) -> Findings:
    for name in book.names[2:]:
        first, _, columns = book.place(name)
        header = book.header(name)
        for place in range(1, columns):
            cells = [row[place] for row in book.cells(name)[first:]]
            kinds = {cell.attrib[named("office:value-type")] for cell in cells}
            told = f"{book.first(name)} {header[place]} {' '.join(header[:1])}"
            if "float" in kinds and not UNITS.search(told) and "Unit" not in header:
                yield f"{name}: {header[place]} does not say its unit"


def _whole_archive(book: Workbook) -> Findings:
    first = book.entries[0]
    if (first.filename, first.compress_type, first.extra) != ("mimetype", 0, b""):
        yield "the type of the file comes first, as it is"
    if {entry.date_time for entry in book.entries} != {(1980, 1, 1, 0, 0, 0)}:
        yield "the file holds a time of writing"
    if re.search(rb"<(meta:creation-date|dc:date|meta:editing)", book.parts["meta.xml"]):
        yield "the document holds a time of writing"


CHECKLIST: dict[str, Callable[[Workbook], Findings]] = {
    "a cover with status, description, contact, date and licence": _cover,
    "a list of worksheets with links": _contents,
    "notes explain the shorthand that is used": _notes,
    "no other marks stand for values": _only_known_shorthand,
    "one table a worksheet, marked up": _one_table,
    "the mark-up covers the table, from column A": _where_the_table_stands,
    "tables have plain unique names and a header": _named_tables,
    "A1 holds a title of its own": _text_in_a1,
    "each worksheet says how many tables it has": _says_how_many_tables,
    "one header row of unique heads": _one_header,
    "no blank row, column or cell": _full_rows,
    "nothing merged, hidden, filtered or frozen": _nothing_merged_hidden_or_frozen,
    "no formula, image or object": _no_formula,
    "plain Arial of 12 points or more": _large_plain_letters,
    "no meaning in colour": _no_colour,
    "text in tables is wrapped": _wrapped,
    "short plain names of worksheets": _short_names,
    "title, creator and description of the document": _metadata,
    "the language is said": _language,
    "numbers are numbers with a format": _numbers_are_numbers,
    "the archive is whole and holds no time": _whole_archive,
}


OF_REAL_TABLES = {"units are said": _units}
"""Held by the tables of the project, which the samples of the tests only stand for."""


def findings(content: bytes) -> dict[str, list[str]]:
    """Return what a workbook lacks of the checklist, by its points."""
    book = Workbook(content)
    return {
        point: found
        for point, check in (CHECKLIST | OF_REAL_TABLES).items()
        if (found := sorted({*check(book)}))
    }


BOOKS = {
    "annex": lambda: render.annex(sample.report()),
    "tables": lambda: render.bulletin_tables(sample.bulletin()),
}


@pytest.fixture(scope="module", params=BOOKS)
def published(request: pytest.FixtureRequest) -> Workbook:
    return Workbook(BOOKS[request.param]())


@pytest.mark.parametrize("point", CHECKLIST)
def test_a_published_workbook_passes_the_checklist(point: str, published: Workbook) -> None:
    assert sorted({*CHECKLIST[point](published)}) == []


FAULTS = {
    "a cover with status, description, contact, date and licence": ("Contact: ", "Write to "),
    "a list of worksheets with links": ("#'notes'.A1", "#'notes'.B1"),
    "notes explain the shorthand that is used": ("<text:p>plain<", "<text:p>other<"),
    "no other marks stand for values": (">[c]<", ">-<"),
    "one table a worksheet, marked up": ("'plain'.", "'notes'."),
    "the mark-up covers the table, from column A": ("'.A", "'.B"),
    "tables have plain unique names and a header": (
        'contains-header="true"', 'contains-header="false"',
    ),
    "A1 holds a title of its own": (
        "Notes: what the shorthand and the notes of the tables mean", "Title",
    ),
    "each worksheet says how many tables it has": ("contains one table.", "contains tables."),
    "one header row of unique heads": ("<text:p>Meaning<", "<text:p>Worksheets<"),
    "no blank row, column or cell": ("<table:table-row>", "<table:table-row/><table:table-row>"),
    "nothing merged, hidden, filtered or frozen": (
        "<table:table-row>", '<table:table-row table:visibility="collapse">',
    ),
    "no formula, image or object": (
        'office:value-type="float"', 'office:value-type="float" table:formula="of:=1"',
    ),
    "plain Arial of 12 points or more": ('font-size="12pt"', 'font-size="9pt"'),
    "no meaning in colour": ('fo:font-size="12pt"', 'fo:font-size="12pt" fo:color="#ff0000"'),
    "text in tables is wrapped": ('wrap-option="wrap"', 'wrap-option="no-wrap"'),
    "short plain names of worksheets": ('table:name="notes"', 'table:name="Notes 1"'),
    "title, creator and description of the document": ("dc:creator", "dc:contributor"),
    "the language is said": ("en-GB", "fr"),
    "numbers are numbers with a format": (" style:data-style-name=", " style:parent-style-name="),
    "units are said": (">Proven reoffences per person<", ">Offending<"),
    "the archive is whole and holds no time": ("<dc:language>", "<dc:date/><dc:language>"),
}  # fmt: skip


def planted(content: bytes, old: str, new: str) -> bytes:
    """Return the workbook with one thing changed everywhere."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as there, zipfile.ZipFile(made, "w") as here:
        for entry in there.infolist():
            here.writestr(entry, there.read(entry).replace(old.encode(), new.encode()))
    return made.getvalue()


PLAIN = Sheet(
    "plain",
    "Proven reoffences per person",
    ("[z] not applicable.",),
    ("Group", "Value"),
    (
        ("All", Number(1.5, "1.50", 2, percent=False, grouped=False)),
        ("Few", "[c]"),
        ("None", "[z]"),
    ),
)
COVER = (
    "Every table of a test.", "Not Official Statistics.", "Published on 13 March 2014 at 9:30.",
    "Contact: a@example.org.", "Open Government Licence.",
)  # fmt: skip


@pytest.mark.parametrize("point", CHECKLIST | OF_REAL_TABLES)
def test_each_point_of_the_checklist_finds_its_fault(point: str) -> None:
    content = workbook("Title", COVER, [PLAIN])
    assert findings(content) == {}
    changed = Workbook(planted(content, *FAULTS[point]))
    assert [*(CHECKLIST | OF_REAL_TABLES)[point](changed)] != []


SHEET = Sheet(
    "rates",
    "Rates by group",
    ("Weighted.",),
    ("Group", "People", "Rate", "Difference"),
    (
        ("=cmd|calc", Number(1204.0, "1,204", 0, percent=False, grouped=True), "[c]", "-8 to -2"),
        ("Women & <men>\x00", "[z]", Number(0.3125, "31%", 0, percent=True, grouped=False), "+1"),
    ),
)


@pytest.fixture
def made() -> Workbook:
    return Workbook(workbook("Title", ("A line.",), [SHEET]))


def test_the_archive_is_an_opendocument_spreadsheet(made: Workbook) -> None:
    first = made.entries[0]
    assert (first.filename, first.compress_type, first.extra) == ("mimetype", 0, b"")
    assert made.parts["mimetype"] == b"application/vnd.oasis.opendocument.spreadsheet"
    assert {entry.date_time for entry in made.entries} == {(1980, 1, 1, 0, 0, 0)}
    manifest = ElementTree.fromstring(made.parts["META-INF/manifest.xml"])
    paths = {value for entry in manifest for key, value in entry.attrib.items() if "path" in key}
    assert paths == {"/", "content.xml", "styles.xml", "meta.xml"}
    assert b"<dc:language>en-GB" in made.parts["meta.xml"]


def test_sheets_start_in_a1_with_cover_and_notes_first(made: Workbook) -> None:
    assert made.names == ["cover", "notes", "rates"]
    assert [made.first(name) for name in made.names] == [
        "Title", "Notes: what the shorthand and the notes of the tables mean", "Rates by group",
    ]  # fmt: skip
    assert "[c]" in made.text("notes")
    assert "[z]" in made.text("notes")
    assert "[x]" not in made.text("notes")
    assert all(len(row) > 0 and all(row) for name in made.names for row in made.rows(name))


def test_the_table_is_marked_up_where_it_stands(made: Workbook) -> None:
    assert made.header("rates") == list(SHEET.header)
    start = made.rows("rates").index(list(SHEET.header)) + 1
    assert made.marked == {
        "cover": ("contents", "A3:A5"),
        "notes": ("notes", "A3:C6"),
        "rates": ("rates", f"A{start}:D{start + 2}"),
    }


def test_the_notes_say_where_each_shorthand_and_note_is_used() -> None:
    other = Sheet("other", "Other", ("Weighted.", "Alone."), ("A", "B"), (("All", "[c]"),))
    made = Workbook(workbook("Title", (), [SHEET, other]))
    assert made.table("notes") == [
        ["[c]", SHORTHAND["[c]"], "rates, other"],
        ["[z]", SHORTHAND["[z]"], "rates"],
        ["note 1", "Weighted.", "rates, other"],
        ["note 2", "Alone.", "other"],
    ]


def test_tables_without_shorthand_and_notes_say_so() -> None:
    plain = Sheet("plain", "Plain", (), ("A", "B"), (("All", "Yes"),))
    [row] = Workbook(workbook("Title", (), [plain])).table("notes")
    assert row[1] == "No shorthand or note is used in these tables."


def test_numbers_are_numbers_and_the_rest_is_text(made: Workbook) -> None:
    assert made.table("rates") == [
        ["=cmd|calc", "1,204", "[c]", "-8 to -2"],
        ["Women & <men>", "[z]", "31%", "+1"],
    ]
    value = f"{{{SPACES['office']}}}value"
    numbers = [
        cell.attrib[value] for row in made.cells("rates") for cell in row if value in cell.attrib
    ]
    assert numbers == ["1204.0", "0.3125"]
    assert b"table:formula" not in made.parts["content.xml"]


def test_equal_tables_give_equal_bytes() -> None:
    assert workbook("Title", (), [SHEET]) == workbook("Title", (), [SHEET])


@pytest.mark.parametrize("name", ["Rates", "a" * 31, "a/b", "cover", "notes"])
def test_a_bad_sheet_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="worksheet"):
        workbook("Title", (), [Sheet(name, "Rates", (), ("A",), ())])


@pytest.mark.parametrize(
    ("value", "text", "unit", "shown"),
    [
        (0.3125, "31%", "proportion", (0.3125, 0, True)),
        (0.3125, "31", "proportion", (31.25, 0, False)),
        (0.004, "0", "proportion", (0.4, 0, False)),
        (-0.0812, "-8", "percentage points", (-8.12, 0, False)),
        (-8.12, "-8", "percentage points", (-8.12, 0, False)),
        (-8.12, "\u22128.1", "percentage points", (-8.12, 1, False)),
        (51204, "51,204", "people", (51204.0, 0, False)),
        (-0.3, "0", "days", (0.0, 0, False)),
        (1.085, "1.08", "reoffences per person", (1.085, 2, False)),
    ],
)
def test_a_printed_number_becomes_a_number(
    value: float, text: str, unit: str, shown: tuple[float, int, bool]
) -> None:
    found = number(value, text, unit)
    assert isinstance(found, Number)
    assert (found.decimals, found.percent) == shown[1:]
    assert found.value == pytest.approx(shown[0])
    assert found.text == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "[c]"),
        (0.004, "<1%"),
        ("2014-03-13", "13 March 2014"),
        (0.3125, "35%"),
        (True, "1"),
        (8.1, "8 to 9"),
    ],
)
def test_anything_else_stays_text(value: object, text: str) -> None:
    assert number(value, text, "proportion") == text
