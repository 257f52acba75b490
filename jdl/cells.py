"""From a file as people really send it to cells, named columns and dates.

Nothing is guessed per row: encoding, delimiter and header are settled once for the file, and dates
are read as declared. No message holds what a cell holds; it names the file, the row, the column
and the rule.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
import unicodedata
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils import get_column_letter

from jdl.faults import CONTROL, PILED, UNSEEN, Fault, Unusable, shown

TEMPLATE_SHEETS = ("Upload", "Guidance")
LARGEST_FILE = 20_000_000
LARGEST_UNPACKED = 100_000_000
MOST_PARTS = 1000
MOST_TAGS = 10_000_000
MOST_ROWS = 100_000
MOST_ROWS_WITH_BLANK = 150_000
MOST_COLUMNS = 200
LONGEST_CELL = 500
_FORMULA = ("=", "+", "@", "\uff1d", "\uff0b", "\uff20")
"""What a formula begins with; some spreadsheets take the full-width forms for the same."""
_SHEET_ROWS = 1_048_576
_HEADER_WITHIN = 20
GROUP = "group_<name>"
_GROUP = re.compile(r"group_[a-z0-9_]{1,40}")


class Refused(Enum):
    """A spreadsheet cell that holds no plain value: the rule it breaks, and the remedy."""

    FORMULA = (
        "a cell must hold a value, not a formula",
        "Copy the column and paste it as values; text must not start with = + or @",
    )
    ERROR = (
        "a cell must hold a value, not a spreadsheet's error",
        "Correct the cell in the spreadsheet, or leave it blank",
    )


Cell = str | dt.date | Refused
Row = tuple[int, list[Cell]]


class Findings:
    """Faults as they are found, one for each rule and column, with every row number.

    Parameters
    ----------
    where : str
        The file, by its plain name.
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self._seen: dict[tuple[str, str, str | None], list[int | None]] = {}

    def add(
        self, rule: str, remedy: str, column: str | None = None, row: int | None = None
    ) -> None:
        """Record one break of a rule."""
        self._seen.setdefault((rule, remedy, column), []).append(row)

    def has(self, rule: str) -> bool:
        """Whether the rule has been broken anywhere."""
        return any(seen[0] == rule for seen in self._seen)

    def drop(self, rule: str) -> None:
        """Forget every break of a rule."""
        self._seen = {key: rows for key, rows in self._seen.items() if key[0] != rule}

    @property
    def faults(self) -> list[Fault]:
        """All faults, those of the whole file first, then by first row."""
        faults = [
            Fault(
                self.where,
                rule,
                remedy,
                column,
                min(numbers, default=None),
                len(rows),
                tuple(numbers[1:]),
            )
            for (rule, remedy, column), rows in self._seen.items()
            for numbers in [sorted({row for row in rows if row is not None})]
        ]
        return sorted(faults, key=lambda fault: fault.row or 0)


@dataclass(frozen=True)
class Grid:
    """The cells of a file before anything is known of their meaning.

    Parameters
    ----------
    rows : list
        Row number and cells, blank rows left out.
    encoding, delimiter : str
        As read; the delimiter is None for a workbook.
    blank : int
        How many blank rows there are between the others.
    """

    rows: list[Row] = field(repr=False)
    encoding: str
    delimiter: str | None
    blank: int


def read_grid(file: Path, where: str, known: Sequence[str], sheet: str | None = None) -> Grid:
    """Read the cells of a delimited text file or a workbook, whatever the file is called.

    Parameters
    ----------
    file : Path
        UTF-8, UTF-16 with its mark, or Windows-1252 text; or an XLSX workbook.
    where : str
        The file's name in messages.
    known : sequence of str
        Column names by which the delimiter is recognised.
    sheet : str, optional
        The sheet of a workbook that has several.

    Returns
    -------
    Grid

    Raises
    ------
    Unusable
        If the file is empty, too large, damaged, in no readable encoding, or has no delimiter.
    """
    try:
        if not file.is_file():
            raise FileNotFoundError
        if file.stat().st_size > LARGEST_FILE:
            raise unusable(
                where,
                f"the file must be smaller than {LARGEST_FILE // 1_000_000} MB",
                "Send the template's columns only",
            )
        data = file.read_bytes()
    except OSError:
        raise unusable(
            where, "the file must be readable", "Check that it is there and is a file"
        ) from None
    if data.startswith(b"PK\x03\x04"):
        grid = _workbook_grid(data, where, sheet)
    else:
        grid = _text_grid(data, where, known)
    if not grid.rows:
        raise empty(where)
    return grid


def unusable(where: str, rule: str, remedy: str, row: int | None = None) -> Unusable:
    """Return the exception for one fault of a whole file."""
    return Unusable([Fault(where, rule, remedy, row=row)])


def empty(where: str) -> Unusable:
    """Return the exception for a file that holds nobody."""
    return unusable(
        where, "the file must hold people", "Fill in the template, one row for each person"
    )


def _text_grid(data: bytes, where: str, known: Sequence[str]) -> Grid:
    text, encoding = _decode(data, where)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip(' \t\n,;|"'):
        raise empty(where)
    delimiter = _delimiter(text, where, known)
    rows: list[Row] = []
    blank = pending = 0
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(reader, start=1):
            if not any(cell.strip() for cell in cells):
                pending += 1
                continue
            blank, pending = blank + pending, 0
            rows.append((number, [_text_cell(cell) for cell in cells]))
            _hold_size(where, number, len(rows), _width(cells))
    except csv.Error:
        raise unusable(
            where,
            "every opening quotation mark must have its closing one, just before a delimiter",
            "Save the file again from the spreadsheet",
            row=len(rows) + blank + pending + 1,
        ) from None
    return Grid(rows, encoding, delimiter, blank)


def _width(cells: Sequence[Any]) -> int:
    return max((place for place, cell in enumerate(cells, start=1) if cell), default=0)


def _hold_size(where: str, number: int, rows: int, width: int) -> None:
    if rows > MOST_ROWS or number > _SHEET_ROWS:
        raise unusable(where, f"the file must have at most {MOST_ROWS:,} rows", "Split the request")
    if width > MOST_COLUMNS:
        raise unusable(
            where,
            f"the file must have at most {MOST_COLUMNS} columns",
            "Send the template's columns only",
            row=number,
        )


def _text_cell(cell: str) -> Cell:
    return Refused.FORMULA if UNSEEN.sub("", cell).lstrip().startswith(_FORMULA) else cell


def _decode(data: bytes, where: str) -> tuple[str, str]:
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise unusable(
            where,
            "the file must not be an old Excel workbook (XLS) or protected by a password",
            "Save it as an XLSX workbook without a password, or as CSV UTF-8",
        )
    if data.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        raise _undecodable(where)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    if len(encodings) > 1 and b"\x00" in data:
        raise _undecodable(where)
    for encoding in encodings:
        try:
            return data.decode(encoding), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise _undecodable(where)


def _undecodable(where: str) -> Unusable:
    return unusable(
        where,
        "the file must be text in UTF-8 or Windows-1252, or an XLSX workbook",
        "In the spreadsheet choose Save as, then CSV UTF-8 (comma delimited)",
    )


def _delimiter(text: str, where: str, known: Sequence[str]) -> str:
    best, most = "", (0, 1)
    for delimiter in (",", ";", "\t", "|"):
        reader = csv.reader(io.StringIO(text[:100_000]), delimiter=delimiter)
        rows: list[list[str]] = []
        try:
            for cells in reader:
                if any(cells):
                    rows.append(cells)
                if len(rows) == _HEADER_WITHIN:
                    break
        except csv.Error:
            continue
        score = max(
            ((_score(cells, known), len(cells)) for cells in rows if len(cells) > 1), default=(0, 0)
        )
        if score > most:
            best, most = delimiter, score
    if not best:
        raise unusable(
            where,
            "the cells of a row must be set apart by comma, semicolon, tab or | throughout",
            "In the spreadsheet choose Save as, then CSV UTF-8 (comma delimited)",
        )
    return best


def _workbook_grid(data: bytes, where: str, sheet: str | None) -> Grid:
    _hold_archive(data, where)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, keep_links=False)
            try:
                return _sheet_grid(_sheet(book, where, sheet), where)
            finally:
                book.close()
    except Unusable:
        raise
    except Exception:  # openpyxl raises whatever a damaged file brings it to, values included
        raise _damaged(where) from None


def _damaged(where: str) -> Unusable:
    return unusable(
        where, "the workbook must be readable XLSX", "Open it and save it again as XLSX or CSV"
    )


_CELLS_IN = re.compile(r"xl/(worksheets/[^/]+|sharedStrings)\.xml")
_ROW = re.compile(rb"<(?:\w+:)?(?:row|si)[\s/>]")


def _hold_archive(data: bytes, where: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _hold_parts(archive.infolist(), where)
            _hold_tags(archive, where)
    except Unusable:
        raise
    except Exception:  # a damaged archive raises far more than BadZipFile
        raise _damaged(where) from None


def _hold_parts(parts: Sequence[zipfile.ZipInfo], where: str) -> None:
    if sum(part.file_size for part in parts) > LARGEST_UNPACKED:
        raise unusable(
            where,
            f"the workbook must unpack to less than {LARGEST_UNPACKED // 1_000_000} MB",
            "Copy the template's columns to a new workbook",
        )
    if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise unusable(
            where, "the workbook must not hold macros", "Save it as XLSX, which has none"
        )
    if len(parts) > MOST_PARTS:
        raise _overfull(where)


def _hold_tags(archive: zipfile.ZipFile, where: str) -> None:
    """Hold that no part is made to be read for hours: openpyxl builds an object for each tag."""
    for part in archive.infolist():
        if not part.filename.endswith((".xml", ".rels")):
            continue
        content = archive.read(part)
        cells = _CELLS_IN.fullmatch(part.filename) is not None
        if content.count(b"<") > (MOST_TAGS if cells else MOST_TAGS // 100):
            raise _overfull(where)
        if cells and max(row.count(b"<") for row in _ROW.split(content)) > MOST_TAGS // 100:
            raise _overfull(where)


def _overfull(where: str) -> Unusable:
    return unusable(
        where,
        "the workbook must not hold far more parts, formats or cells than a list of people needs",
        "Copy the template's columns to a new workbook",
    )


def _sheet(book: Any, where: str, name: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    if name is not None:
        if name not in sheets:
            raise unusable(
                where,
                "the sheet that the request names must be in the workbook, which has: "
                + _listed(sheets),
                "Correct `sheet` under [upload] in request.toml",
            )
        return sheets[name]
    if set(TEMPLATE_SHEETS) <= set(sheets):
        return sheets[TEMPLATE_SHEETS[0]]
    shown = [one for one in sheets.values() if one.sheet_state == "visible"] or [*sheets.values()]
    filled = [one for one in shown if any(True for _ in _sheet_rows(one, where))]
    if not filled:
        raise empty(where)
    if len(filled) > 1:
        raise unusable(
            where,
            f"the workbook has {len(filled)} sheets with cells, and the request must say which "
            "one holds the people: " + _listed(one.title for one in filled),
            "Name it as `sheet` under [upload] in request.toml, or remove the others",
        )
    return filled[0]


def _listed(titles: Iterable[str]) -> str:
    return ", ".join(f'"{shown(title, 31)}"' for title in titles)


def _sheet_rows(sheet: Any, where: str) -> Iterator[tuple[int, list[Cell]]]:
    sheet.reset_dimensions()
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        if number > MOST_ROWS_WITH_BLANK:
            raise unusable(
                where,
                f"the sheet must end by row {MOST_ROWS_WITH_BLANK:,}, blank rows and all",
                "Delete the blank rows below the people, or split the request",
            )
        values = [_workbook_cell(cell.value, cell.data_type) for cell in cells]
        if any(not isinstance(value, str) or value.strip() for value in values):
            yield number, values


def _sheet_grid(sheet: Any, where: str) -> Grid:
    rows: list[Row] = []
    for number, cells in _sheet_rows(sheet, where):
        rows.append((number, cells))
        _hold_size(where, number, len(rows), _width(cells))
    return Grid(rows, "xlsx", None, rows[-1][0] - len(rows) if rows else 0)


def _workbook_cell(value: Any, kind: str) -> Cell:
    if kind in ("f", "e"):
        return Refused.FORMULA if kind == "f" else Refused.ERROR
    if value is None:
        return ""
    if isinstance(value, dt.date):
        return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True)
class Table:
    """The rows below the header, by column name.

    Parameters
    ----------
    columns : dict
        The place of each known column; a misspelt one stands under the name that is suggested.
    rows : list
        Row number and cells.
    above : int
        Rows above the header.
    unknown : int
        Columns whose header is not known, and which are not read.
    """

    columns: dict[str, int]
    rows: list[Row] = field(repr=False)
    above: int
    unknown: int

    def cells(self, name: str) -> Iterator[tuple[int, Cell]]:
        """Yield the row number and cell of each row in one column."""
        place = self.columns[name]
        for number, cells in self.rows:
            yield number, cells[place] if place < len(cells) else ""


def fold(text: str) -> str:
    """Return text in lower case, with one underscore for whatever stands between words."""
    folded = unicodedata.normalize("NFKC", UNSEEN.sub("", text)).casefold()
    return re.sub(r"[^a-z0-9]+", "_", folded).strip("_")


def _named(cell: Cell, known: Sequence[str]) -> str | None:
    if not isinstance(cell, str) or len(cell) > 100:
        return None
    folded = fold(cell)
    if GROUP in known and _GROUP.fullmatch(folded):
        return folded
    bare = folded.replace("_", "")
    return next((name for name in known if name.replace("_", "") == bare), None)


def _score(cells: Sequence[Cell], known: Sequence[str]) -> int:
    return len({name for cell in cells if (name := _named(cell, known))})


def read_table(
    grid: Grid, known: Sequence[str], found: Findings, synonyms: Mapping[str, str] | None = None
) -> Table:
    """Find the header and give the known columns their names.

    Parameters
    ----------
    grid : Grid
        The cells.
    known : sequence of str
        The names that columns may have; ``group_<name>`` stands for any such.
    found : Findings
        Takes the faults: repeated and misspelt columns, rows longer than the header.
    synonyms : mapping, optional
        Other words, in bare lower case, and the column that is suggested for each.

    Returns
    -------
    Table
    """
    scores = [_score(cells, known) for _, cells in grid.rows[:_HEADER_WITHIN]]
    above = scores.index(max(scores)) if max(scores) > 1 else 0
    header = grid.rows[above][1]
    columns: dict[str, int] = {}
    others = []
    for place, cell in enumerate(header):
        name = _named(cell, known)
        if name is None:
            others.append(place)
        elif name in columns:
            found.add("a column must not come twice", "Keep one of them", name, grid.rows[above][0])
        else:
            columns[name] = place
    unknown = 0
    for place in others:
        near = _near(header[place], [name for name in known if name not in columns], synonyms or {})
        if near:
            found.add(
                f"column {get_column_letter(place + 1)} has a header that is nearly, but not "
                f"exactly, {near}",
                f"Name it {near}",
                near,
                grid.rows[above][0],
            )
            columns[near] = place
            continue
        unknown += any(_filled(cells, place) for _, cells in grid.rows[above:])
    rows = grid.rows[above + 1 :]
    _hold_widths(rows, len(header), found)
    return Table(columns, rows, above, unknown)


def _filled(cells: Sequence[Cell], place: int) -> bool:
    return place < len(cells) and cells[place] != ""


def _near(cell: Cell, absent: Sequence[str], synonyms: Mapping[str, str]) -> str | None:
    if not isinstance(cell, str) or len(cell) > 100:
        return None
    bare = fold(cell).replace("_", "")
    if synonyms.get(bare) in absent:
        return synonyms[bare]
    names = {name.replace("_", ""): name for name in absent}
    near = get_close_matches(bare, names, n=1, cutoff=0.8)
    return names[near[0]] if near else None


def _hold_widths(rows: list[Row], width: int, found: Findings) -> None:
    for number, cells in rows:
        if _width(cells) > width:
            found.add(
                "a row must not have more cells than the header",
                "Put a cell that holds a delimiter in quotation marks, or name every column",
                row=number,
            )


def tidy(cell: str) -> str:
    """Return a cell's text without stray, doubled, non-breaking and unseen characters."""
    return " ".join(UNSEEN.sub("", cell).split())


_LIVE = re.compile("'*(?:[\t\r]|\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20])")


def inert(text: str) -> str:
    """Return a text for a CSV file, after an apostrophe where a spreadsheet would run it."""
    return f"'{text}" if _LIVE.match(text) else text


def restored(text: str) -> str:
    """Return the text that `inert` was given."""
    return text[1:] if text.startswith("'") and _LIVE.match(text) else text


def text_of(cell: Cell, column: str, row: int, found: Findings) -> str | None:
    """Return a cell's tidied text, or None where it is blank or its fault has been recorded."""
    if isinstance(cell, Refused):
        found.add(*cell.value, column, row)
        return None
    if isinstance(cell, dt.date):
        return cell.isoformat()[:10]
    if len(cell) > LONGEST_CELL:
        found.add(f"a cell must hold at most {LONGEST_CELL} characters", "Shorten it", column, row)
        return None
    if CONTROL.search(cell) or PILED.search(cell) or "\ufffd" in cell:
        found.add(
            "a cell must not hold control or replacement characters, or accents in a pile",
            "Save the file again as CSV UTF-8 from the original",
            column,
            row,
        )
        return None
    return tidy(cell) or None


DATE_FORMATS = (
    "YYYY-MM-DD",
    "DD/MM/YYYY",
    "DD-MM-YYYY",
    "DD.MM.YYYY",
    "DD/MM/YY",
    "DD-MM-YY",
    "D MMM YYYY",
    "DD-MMM-YY",
    "DD-MMM-YYYY",
    "D MMMM YYYY",
    "MM/DD/YYYY",
    "YYYY/MM/DD",
    "YYYYMMDD",
    "DDMMYYYY",
)
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_TOKENS = re.compile(r"YYYY|YY|MMMM|MMM|MM|M|DD|D|[/. -]|.")


class Misread(Enum):
    """Why a cell is not the date it should be: the rule, and the remedy."""

    SHAPE = (
        "a date must be written as the request declares",
        "Correct the cell, or `date_format` under [upload] in request.toml",
    )
    IMPOSSIBLE = (
        "a date must be a day of the calendar",
        "Correct the cell, or leave it blank where the date is not known",
    )
    SERIAL = (
        "a date must not be the serial number of a spreadsheet",
        "Format the column as a date in the spreadsheet and save it again",
    )


@dataclass(frozen=True)
class DateFormat:
    """A declared way of writing dates.

    Parameters
    ----------
    text : str
        As declared: YYYY or YY, MMMM, MMM, MM or M, DD or D, set apart by / . - or space;
        ``ISO`` means YYYY-MM-DD. Leading noughts may be missing where separators stand.
    """

    text: str
    _shape: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        written = "YYYY-MM-DD" if self.text.upper() == "ISO" else self.text.strip().upper()
        tokens = _TOKENS.findall(written)
        parts = [token[0] for token in tokens if token[0] in "YMD"]
        strict = len(parts) == len(tokens)
        if sorted(parts) != ["D", "M", "Y"] or (strict and {"M", "D"} & set(tokens)):
            raise ValueError("not a date format")
        shape = "".join(_token(token, strict) for token in tokens)
        object.__setattr__(self, "_shape", re.compile(shape, re.IGNORECASE))

    def read(self, text: str, newest: int) -> dt.date | Misread:
        """Read one date.

        Parameters
        ----------
        text : str
            The tidied cell.
        newest : int
            The newest year a two-digit year can mean.

        Returns
        -------
        date or Misread
        """
        found = self._shape.fullmatch(text)
        if found is None:
            return Misread.SHAPE
        year = int(found["year"])
        if len(found["year"]) == 2:
            year += newest // 100 * 100
            year -= 100 * (year > newest)
        month = found["month"].casefold()
        number = int(month) if month.isdigit() else _month(month)
        if number is None:
            return Misread.SHAPE
        try:
            return dt.date(year, number, int(found["day"]))
        except ValueError:
            return Misread.IMPOSSIBLE


def is_date_format(text: object) -> bool:
    """Whether text declares a way of writing dates."""
    try:
        return isinstance(text, str) and bool(DateFormat(text))
    except ValueError:
        return False


def _month(name: str) -> int | None:
    """Return the number of a month written in English, in full or by its first letters."""
    short = [month[:3] for month in _MONTHS]
    if name == "sept" or name in _MONTHS or name in short:
        return short.index(name[:3]) + 1
    return None


def _token(token: str, strict: bool) -> str:
    digits = "[0-9]{2}" if strict else "[0-9]{1,2}"
    shapes = {
        "YYYY": "(?P<year>[0-9]{4})",
        "YY": "(?P<year>[0-9]{2})",
        "MM": f"(?P<month>{digits})",
        "M": f"(?P<month>{digits})",
        "DD": f"(?P<day>{digits})",
        "D": f"(?P<day>{digits})",
        "MMM": "(?P<month>[a-z]{3,9})",
        "MMMM": "(?P<month>[a-z]{3,9})",
    }
    if token in shapes:
        return shapes[token]
    if token in "/. -":
        return re.escape(token)
    raise ValueError("not a date format")
