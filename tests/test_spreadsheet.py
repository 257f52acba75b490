"""OpenDocument spreadsheets: their shape, and what becomes a number."""

from __future__ import annotations

import io
import zipfile
from xml.etree import ElementTree

import pytest

from jdl.spreadsheet import Number, Sheet, number, workbook

SPACES = {
    name: f"urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"
    for name in ("table", "office", "text")
}


class Workbook:
    """What a reader of an ``.ods`` file sees."""

    def __init__(self, content: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.entries = archive.infolist()
            self.parts = {entry.filename: archive.read(entry) for entry in self.entries}
        root = ElementTree.fromstring(self.parts["content.xml"])
        self.ranges = root.findall(".//table:database-range", SPACES)
        self._tables = {
            table.attrib[f"{{{SPACES['table']}}}name"]: table
            for table in root.findall(".//table:table", SPACES)
        }

    @property
    def names(self) -> list[str]:
        return list(self._tables)

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
    assert [made.first(name) for name in made.names] == ["Title", "Notes", "Rates by group"]
    assert "[c]" in made.text("notes")
    assert "[z]" in made.text("notes")
    assert "[x]" not in made.text("notes")
    assert all(len(row) > 0 and all(row) for name in made.names for row in made.rows(name))


def test_the_table_is_marked_up_where_it_stands(made: Workbook) -> None:
    assert made.header("rates") == list(SHEET.header)
    [marked] = [entry.attrib for entry in made.ranges]
    attributes = {key.split("}")[1]: value for key, value in marked.items()}
    assert attributes["contains-header"] == "true"
    start = made.rows("rates").index(list(SHEET.header)) + 1
    assert attributes["target-range-address"] == f"'rates'.A{start}:'rates'.D{start + 2}"


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
