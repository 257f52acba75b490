"""The upload: from a file as people really send it to one row a person, or to every fault at once.

Dates are read as declared, and codes are compared after folding case and spaces only. No message
holds what a cell holds; it names the file, the row, the column and the rule.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table as MarkedUp
from openpyxl.worksheet.table import TableStyleInfo
from openpyxl.worksheet.worksheet import Worksheet

from jdl.cells import (
    DATE_FORMATS,
    GROUP,
    LONGEST_CELL,
    MOST_ROWS,
    TEMPLATE_SHEETS,
    Cell,
    DateFormat,
    Findings,
    Grid,
    Misread,
    Table,
    empty,
    fold,
    read_grid,
    read_table,
    text_of,
)
from jdl.faults import Unusable

NAMES = ("forename", "surname")
IDS = ("pnc_id", "prison_number")
DATES = ("index_date", "conviction_date", "intervention_start", "intervention_end")
COLUMNS = (
    "reference",
    *NAMES,
    "date_of_birth",
    "gender",
    *IDS,
    *DATES,
    "setting",
    "referral_route",
    "location",
    "participation",
)
IDENTITY = ("reference", *NAMES, "date_of_birth", *IDS)
ESSENTIAL = (*NAMES, "date_of_birth", "gender")
SETTINGS = ("custody", "community", "through the gate")
PARTICIPATION = ("completed", "started", "refused")
GENDERS = {
    "m": "male",
    "male": "male",
    "man": "male",
    "f": "female",
    "female": "female",
    "woman": "female",
}
EXAMPLE = "EXAMPLE - delete this row"
OLDEST = 110
YOUNGEST = 10

_SYNONYMS = {
    "dob": "date_of_birth",
    "dateofbrith": "date_of_birth",
    "birthdate": "date_of_birth",
    "firstname": "forename",
    "givenname": "forename",
    "lastname": "surname",
    "familyname": "surname",
    "sex": "gender",
    "pnc": "pnc_id",
    "pncnumber": "pnc_id",
    "prisonid": "prison_number",
    "nomsnumber": "prison_number",
    "startdate": "intervention_start",
    "interventionstartdate": "intervention_start",
    "enddate": "intervention_end",
    "interventionenddate": "intervention_end",
    "dateofconviction": "conviction_date",
}
_APOSTROPHE = re.compile(r"^'+(?!t\s)")
_TIME = re.compile(r"[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?$")
_SERIAL = re.compile(r"\d{5}(\.0+)?")
_POWER = re.compile(r"\d(\.\d+)?[eE]\+?\d+")
_MARKS_IN_NAMES = frozenset("\u2018\u2019\u02bc\u00b4\u2010\u2011\u2013\u2014\u00b7")


@dataclass(frozen=True)
class Note:
    """Something seen in an upload that does not stop it.

    Parameters
    ----------
    text : str
        What was seen, in public words.
    rows : int
        In how many rows, or of how many things.
    column : str, optional
        Where.
    """

    text: str
    rows: int
    column: str | None = None


@dataclass(frozen=True)
class Upload:
    """The people of one request.

    Parameters
    ----------
    people : DataFrame
        One row per row of the file: ``row`` (as a spreadsheet counts), ``source`` (the request the
        row came with), the columns of the template, and any ``group_<name>``, by name.
        Text is pandas ``str``, dates are ``datetime64[s]``; what is missing is missing. A row's
        setting and participation are filled from the request's setting and with ``started``.
    name : str
        The file's name; empty where none was needed.
    encoding, delimiter : str
        As read; the delimiter is None for a workbook.
    notes : tuple of Note
        What was seen and does not stop the request.
    repeated : int
        Rows left out because an earlier request already holds the same participation.
    """

    people: pd.DataFrame = field(repr=False)
    name: str
    encoding: str
    delimiter: str | None
    notes: tuple[Note, ...] = ()
    repeated: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.people)

    def without_identity(self) -> Upload:
        """Return the upload without what tells who somebody is, for all that follows linkage."""
        return replace(self, people=self.people.drop(columns=list(IDENTITY)))


def _texts(table: Table, column: str, found: Findings) -> list[str | None]:
    return [text_of(cell, column, row, found) for row, cell in table.cells(column)]


def _identities(table: Table, column: str, found: Findings) -> list[str | None]:
    values: list[str | None] = []
    for row, cell in table.cells(column):
        text = text_of(cell, column, row, found)
        if text is not None:
            _hold_identity(text, cell, column, row, found)
            text = _APOSTROPHE.sub("", text).strip() or None
        values.append(text)
    return values


def _hold_identity(text: str, cell: Cell, column: str, row: int, found: Findings) -> None:
    if isinstance(cell, dt.date) or (column in IDS and _POWER.fullmatch(text)):
        found.add(
            "a cell must hold text as its source writes it, not the date or the power of ten that "
            "a spreadsheet made of it",
            "Format the column as text and enter it again",
            column,
            row,
        )
    if isinstance(cell, str) and "\n" in cell.strip():
        found.add(
            "a cell must not hold a line break",
            "Remove it; a quotation mark that is not closed also gives this",
            column,
            row,
        )
    if column in NAMES and not _is_legible(text):
        found.add(
            "letters must be readable: the file was saved or opened in the wrong encoding",
            "Save it again as CSV UTF-8 from the original",
            column,
            row,
        )


def _is_legible(name: str) -> bool:
    if name.isascii():
        return True
    if any(
        not char.isascii()
        and unicodedata.category(char)[0] not in "LM"
        and char not in _MARKS_IN_NAMES
        for char in name
    ):
        return False
    try:
        return name.encode("cp1252").decode("utf-8") == name
    except UnicodeError:
        return True


def _codes(table: Table, column: str, codes: dict[str, str], found: Findings) -> list[str | None]:
    listed = ", ".join(dict.fromkeys(codes.values()))
    folded = {fold(code): value for code, value in codes.items()}
    values = []
    for row, cell in table.cells(column):
        text = text_of(cell, column, row, found)
        value = None if text is None else folded.get(fold(text))
        if text is not None and value is None:
            found.add(
                f"the value must be one of: {listed}", "Write it so or leave it blank", column, row
            )
        values.append(value)
    return values


@dataclass
class _Dates:
    """One date column as read, and what was met on the way."""

    days: list[dt.date | None] = field(default_factory=list, repr=False)
    real: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    misread: list[str] = field(default_factory=list, repr=False)
    timed: int = 0


def _dates(
    table: Table, column: str, declared: DateFormat, latest: dt.date, found: Findings
) -> _Dates:
    newest = latest.year - YOUNGEST * (column == "date_of_birth")
    seen = _Dates()
    for row, cell in table.cells(column):
        day: dt.date | None
        if isinstance(cell, dt.date):
            day = cell.date() if isinstance(cell, dt.datetime) else cell
            seen.real.append(day.day)
        else:
            day = _text_date(cell, column, row, declared, newest, found, seen)
        seen.days.append(day if day is None else _within(day, column, row, latest, found))
    if _swapped(seen):
        found.add(
            "only the dates with a day up to 12 are real dates of the spreadsheet and all others "
            "are text, so it has probably swapped day and month",
            "Enter the column again from the source, formatted as text",
            column,
        )
    return seen


def _text_date(
    cell: Cell,
    column: str,
    row: int,
    declared: DateFormat,
    newest: int,
    found: Findings,
    seen: _Dates,
) -> dt.date | None:
    text = text_of(cell, column, row, found)
    if text is None:
        return None
    bare = _TIME.sub("", text.lstrip("'"))
    seen.timed += bare != text.lstrip("'")
    day = declared.read(bare, newest)
    if isinstance(day, dt.date):
        seen.written.append(day.day)
        return day
    if day is Misread.SHAPE and _SERIAL.fullmatch(bare):
        day = Misread.SERIAL
    if day is Misread.SHAPE:
        seen.misread.append(bare)
    found.add(*day.value, column, row)
    return None


def _within(
    day: dt.date, column: str, row: int, latest: dt.date, found: Findings
) -> dt.date | None:
    if day > latest:
        found.add(
            "a date must not lie after the day the request was received",
            "Correct the date, or `received` in request.toml",
            column,
            row,
        )
        return None
    if day.year < latest.year - OLDEST:
        found.add(
            f"a date must lie within the {OLDEST} years before the request was received",
            "Correct the cell, or leave it blank where the date is not known",
            column,
            row,
        )
        return None
    return day


def _swapped(seen: _Dates) -> bool:
    """Whether a spreadsheet made dates only of those that can be read with day and month swapped.

    By chance alone, five real dates all on or before the 12th and five written ones all after it
    have a probability below one in five thousand.
    """
    return (
        min(len(seen.real), len(seen.written)) >= 5
        and max(seen.real) <= 12
        and min(seen.written) > 12
    )


def _hold_declared(dates: dict[str, _Dates], declared: DateFormat, found: Findings) -> None:
    """Put one fault in the place of all, where the declared format fits no date of the file."""
    rule, remedy = Misread.SHAPE.value
    texts = [text for seen in dates.values() for text in seen.misread]
    read = any(seen.real or seen.written for seen in dates.values())
    if read or len(texts) < 2 or not found.has(rule):
        return
    fits = {name: _fits(DateFormat(name), texts) for name in DATE_FORMATS}
    most = max(fits.values())
    fitting = ", ".join(name for name, fit in fits.items() if fit == most)
    told = "every date" if most == len(texts) else f"{most} of {len(texts)} dates"
    found.drop(rule)
    found.add(
        f"no date of the file is written as the request declares ({declared.text})",
        f"These would fit {told}: {fitting}; declare the one that is meant as "
        "`date_format` under [upload]"
        if most > len(texts) / 2
        else remedy,
    )


def _fits(form: DateFormat, texts: list[str]) -> int:
    """Return how many dates are written in this way."""
    return sum(isinstance(form.read(text, dt.date.max.year), dt.date) for text in texts)


def _hold_order(columns: dict[str, Any], rows: list[int], found: Findings) -> None:
    born, started = columns["date_of_birth"], columns["intervention_start"]
    for place, row in enumerate(rows):
        end, start, birth = columns["intervention_end"][place], started[place], born[place]
        if end and start and end < start:
            found.add(
                "the intervention must not end before it starts",
                "Correct one of the two dates",
                "intervention_end",
                row,
            )
        for name in DATES:
            if birth and columns[name][place] and columns[name][place] < birth:
                found.add(
                    "the date must not lie before the person's birth",
                    "Correct one of the two dates",
                    name,
                    row,
                )


# From columns to people


def participation(people: pd.DataFrame, dates: Sequence[str] = DATES) -> list[str | None]:
    """Return what identifies each row's person and time of taking part.

    Parameters
    ----------
    people : DataFrame
        Forename, surname, date of birth and the dates.
    dates : sequence of str
        Which dates make the time of taking part.

    Returns
    -------
    list of str or None
        Equal for rows with the same names (letters only, without accents), date of birth and
        dates; None where a name or the date of birth is missing. For comparison, never display.
    """
    kept = people[[*NAMES, "date_of_birth", *dates]].astype(object)
    keys: list[str | None] = []
    for forename, surname, *days in kept.itertuples(index=False, name=None):
        if pd.isna(forename) or pd.isna(surname) or pd.isna(days[0]):
            keys.append(None)
            continue
        names = [_letters(forename), _letters(surname)]
        keys.append("|".join(names + ["" if pd.isna(day) else str(day)[:10] for day in days]))
    return keys


def _letters(name: str) -> str:
    spread = unicodedata.normalize("NFKD", name).casefold()
    return "".join(char for char in spread if char.isalnum())


def _hold_unique(people: pd.DataFrame, found: Findings) -> None:
    keys: set[str] = set()
    for key, row in zip(participation(people), people["row"], strict=True):
        if key is not None and key in keys:
            found.add(
                "the row repeats the name, date of birth and dates of a row above it",
                "Keep one row for each person and time of taking part",
                row=int(row),
            )
        elif key is not None:
            keys.add(key)


def read_people(
    file: Path,
    *,
    received: dt.date,
    where: str | None = None,
    date_format: str = "ISO",
    sheet: str | None = None,
    setting: str | None = None,
    source: str = "",
) -> Upload:
    """Read and check an upload.

    Parameters
    ----------
    file : Path
        Delimited text or an XLSX workbook.
    received : date
        No date may lie after it.
    where : str, optional
        The file's name in messages; its own without it.
    date_format : str
        As `DateFormat` has it. Real dates of a workbook are read whatever is declared. A
        two-digit year is the newest possible one, and gives an age of at least ten years.
    sheet : str, optional
        The sheet of a workbook that has several; the template's own is found by its name.
    setting : str, optional
        Stands where a row has no setting of its own.
    source : str
        The request's id.

    Returns
    -------
    Upload

    Raises
    ------
    Unusable
        With every fault: one for each rule and column, with the first row and how many. Blank
        cells are no fault: such rows are lost later and counted in the funnel.
    """
    found = Findings(where or file.name)
    grid = read_grid(file, found.where, (*COLUMNS, GROUP), sheet)
    table = read_table(grid, (*COLUMNS, GROUP), found, _SYNONYMS)
    examples = _example_rows(table)
    table = Table(
        table.columns,
        [row for row in table.rows if row[0] not in examples],
        table.above,
        table.unknown,
    )
    _hold_columns(table, found)
    if not table.rows:
        raise Unusable([*found.faults, *empty(found.where).faults])
    columns, timed = _columns(table, DateFormat(date_format), received, found)
    rows = [number for number, _ in table.rows]
    _hold_order(columns, rows, found)
    people = _people(columns, rows, source, setting)
    _hold_unique(people, found)
    if found.faults:
        raise Unusable(found.faults)
    notes = _notes(people, grid, table, len(examples), timed)
    return Upload(people, file.name, grid.encoding, grid.delimiter, notes)


def _example_rows(table: Table) -> set[int]:
    if "reference" not in table.columns:
        return set()
    return {
        number
        for number, cell in table.cells("reference")
        if isinstance(cell, str) and fold(cell) == fold(EXAMPLE)
    }


def _hold_columns(table: Table, found: Findings) -> None:
    for name in ESSENTIAL:
        if name not in table.columns:
            found.add("the column must be present", "Add it, as in the template", name)
    if not {*DATES} & {*table.columns}:
        found.add(
            "at least one of these columns must be present: " + ", ".join(DATES),
            "Add it, as in the template",
        )


def _columns(
    table: Table, declared: DateFormat, received: dt.date, found: Findings
) -> tuple[dict[str, list[Any]], int]:
    groups = sorted(name for name in table.columns if name not in COLUMNS)
    dates: dict[str, _Dates] = {}
    columns: dict[str, list[Any]] = {}
    for name in (*COLUMNS, *groups):
        if name not in table.columns:
            columns[name] = [None] * len(table.rows)
        elif name in (*DATES, "date_of_birth"):
            dates[name] = _dates(table, name, declared, received, found)
            columns[name] = dates[name].days
        elif name in _CODES:
            columns[name] = _codes(table, name, _CODES[name], found)
        elif name in _AS_WRITTEN:
            columns[name] = _identities(table, name, found)
        else:
            columns[name] = _texts(table, name, found)
    _hold_declared(dates, declared, found)
    return columns, sum(seen.timed for seen in dates.values())


_AS_WRITTEN = ("reference", *NAMES, *IDS)
_CODES = {
    "gender": GENDERS,
    "setting": {code: code for code in SETTINGS},
    "participation": {code: code for code in PARTICIPATION},
}


def _people(
    columns: dict[str, list[Any]], rows: list[int], source: str, setting: str | None
) -> pd.DataFrame:
    series: dict[str, Any] = {
        "row": np.array(rows, dtype="int64"),
        "source": pd.array([source] * len(rows), dtype="str"),
    }
    for name, values in columns.items():
        if name in (*DATES, "date_of_birth"):
            series[name] = pd.Series(pd.array(values, dtype="datetime64[s]"))
        else:
            series[name] = pd.array(values, dtype="str")
    people = pd.DataFrame(series)
    people["participation"] = people["participation"].fillna("started")
    if setting is not None:
        people["setting"] = people["setting"].fillna(setting)
    return people


def by_content(people: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of an upload in an order that no order of the file can change.

    Parameters
    ----------
    people : DataFrame
        As `Upload.people`.

    Returns
    -------
    DataFrame
        By date of start, then whatever else the rows hold, the reference last. Rows that stay in
        the order of the file are alike in all but their number. Where several rows are of one
        person the first stands for all, so nothing after this may sort by ``row``.
    """
    last = ("reference", "source", "row")
    rest = sorted(name for name in map(str, people) if name not in (*DATES, *last))
    order = ["intervention_start", "intervention_end", "index_date", "conviction_date"]
    return people.sort_values([*order, *rest, *last], ignore_index=True)


def no_people() -> pd.DataFrame:
    """Return the frame of an upload that holds nobody, with every column."""
    return _people({name: [] for name in COLUMNS}, [], "", None)


def _notes(
    people: pd.DataFrame, grid: Grid, table: Table, examples: int, timed: int
) -> tuple[Note, ...]:
    early = (people["index_date"] < people["conviction_date"]).sum()
    counts = [
        ("blank rows were left out", grid.blank, None),
        ("rows above the column headings were left out", table.above, None),
        ("example rows of the template were left out", examples, None),
        ("columns that the template does not have were not read", table.unknown, None),
        ("times of day were left off dates", timed, None),
        *(("cells are blank", people[name].isna().sum(), name) for name in ESSENTIAL),
        ("rows have no date at all", people[[*DATES]].isna().all(axis=1).sum(), None),
        ("rows have an index date before the conviction date", early, "index_date"),
        ("people refused to take part", (people["participation"] == "refused").sum(), None),
    ]
    return tuple(Note(text, int(rows), column) for text, rows, column in counts if rows)


# The blank template

_DATE, _TEXT = "date, such as 2011-05-27", "text"
_REQUIRED, _ONE_DATE, _HELPFUL = "required", "one of the dates", "highly desirable"
_GUIDANCE: tuple[tuple[str, str, str, str], ...] = (
    ("reference", "if you like", _TEXT, "Your own reference. It is not used to find people."),
    ("forename", _REQUIRED, _TEXT, "As on official records, if known."),
    (
        "surname",
        _REQUIRED,
        _TEXT,
        "As on official records, if known. Double-barrelled names in full.",
    ),
    (
        "date_of_birth",
        _REQUIRED,
        _DATE,
        "Leave the cell blank if the date is not known; do not estimate it.",
    ),
    ("gender", _REQUIRED, "male or female, from the list", "As on official records."),
    ("pnc_id", _HELPFUL, "text, such as 2003/0123456X", "Police National Computer number."),
    ("prison_number", _HELPFUL, "text, such as A1234BC", "The number given by the prison."),
    ("index_date", _ONE_DATE, _DATE, "Release from custody, or start of the court order."),
    ("conviction_date", _ONE_DATE, _DATE, "The conviction that led to the sentence."),
    ("intervention_start", _ONE_DATE, _DATE, "When your work with the person began."),
    ("intervention_end", _ONE_DATE, _DATE, "When it ended. Blank if it has not ended."),
    (
        "setting",
        "if it differs",
        "custody, community or through the gate, from the list",
        "Only where it differs from the rest of the request.",
    ),
    ("referral_route", _HELPFUL, _TEXT, "How the person came to you."),
    (
        "location",
        _HELPFUL,
        _TEXT,
        "Where you worked with the person, such as the prison or the town.",
    ),
    (
        "participation",
        _HELPFUL,
        "completed, started or refused, from the list",
        "How far the person took part. Blank means started.",
    ),
)
_ADVICE = (
    "Justice Data Lab: data upload template",
    "List everyone your service worked with in the period on the worksheet Upload, one row for "
    "each person and time of taking part. Do not leave people out because of how things went for "
    "them afterwards.",
    "At least 60 people are needed.",
    "The first row of the worksheet Upload that is marked EXAMPLE shows what a row looks like. "
    "Delete it, or leave it as it is: it is passed over. Nobody in it is real.",
    "Required columns must stay. Of the columns marked one of the dates, at least one must be "
    "filled; the more, the better. Columns marked highly desirable help to find more people. The "
    "worksheet Columns says what to write in each.",
    "Enter dates as dates, such as 2011-05-27 or 27 May 2011. If your system gives dates as text, "
    "keep them in one way throughout and say in the request which way it is.",
    "Keep the names of the columns as they are. To have groups compared, add columns named group_ "
    "and a word, such as group_course.",
    "Send the file by secure mail only. Nobody is named in what is published.",
)
_EXAMPLES: dict[str, Any] = {
    "reference": EXAMPLE,
    "forename": "Alex",
    "surname": "Example",
    "date_of_birth": dt.date(1980, 2, 3),
    "gender": "male",
    "pnc_id": "2003/0000000X",
    "prison_number": "A0000AA",
    "index_date": dt.date(2011, 5, 27),
    "conviction_date": dt.date(2010, 11, 2),
    "intervention_start": dt.date(2011, 3, 1),
    "intervention_end": dt.date(2011, 5, 20),
    "setting": "custody",
    "referral_route": "Self-referral",
    "location": "A prison",
    "participation": "completed",
}


def write_template(path: Path) -> None:
    """Write the blank data upload template, an XLSX workbook, the same bytes every time.

    Parameters
    ----------
    path : Path
        The file to write. It has the sheets Guidance, Columns (what each is for, how much it is
        needed and how it is written) and Upload (columns, an example row that is passed over when
        read, and validation of codes and dates).
    """
    book = openpyxl.Workbook()
    book.properties.title = _ADVICE[0]
    book.properties.creator = book.properties.lastModifiedBy = "Justice Data Lab"
    book.properties.description = "A blank list of people, with guidance and an example row."
    book.properties.language = "en-GB"
    upload, guidance = TEMPLATE_SHEETS
    book.worksheets[0].title = guidance
    _fill_guidance(book[guidance])
    _fill_columns(book.create_sheet("Columns"))
    _fill_upload(book.create_sheet(upload))
    buffer = io.BytesIO()
    book.save(buffer)
    path.write_bytes(_undated(buffer.getvalue()))


_LETTERS, _HEAD = Font("Arial", 12), Font("Arial", 12, bold=True)
_WRAPPED = Alignment(wrap_text=True, vertical="top")


def _fill_upload(sheet: Worksheet) -> None:
    guided = {name: (needed, written) for name, needed, written, _ in _GUIDANCE}
    for place, name in enumerate(COLUMNS, start=1):
        letter = get_column_letter(place)
        dated = name in (*DATES, "date_of_birth")
        style = "yyyy-mm-dd" if dated else "@"
        sheet.column_dimensions[letter].width = 30 if name == "reference" else 22
        sheet.column_dimensions[letter].number_format = style
        sheet.column_dimensions[letter].font = _LETTERS
        sheet.cell(1, place, name).font = _HEAD
        example = sheet.cell(2, place, _EXAMPLES[name])
        example.font = _LETTERS
        example.number_format = style
        sheet.add_data_validation(_validation(name, dated, letter, *guided[name]))
    _mark_up(sheet, "people", f"A1:{get_column_letter(len(COLUMNS))}2")
    sheet.freeze_panes = "A2"


def _validation(name: str, dated: bool, letter: str, needed: str, written: str) -> DataValidation:
    rule: dict[str, Any] = {
        "type": "textLength",
        "operator": "lessThanOrEqual",
        "formula1": str(LONGEST_CELL),
        "error": "Shorten the text.",
    }
    if dated:
        rule = {
            "type": "date",
            "operator": "between",
            "formula1": "DATE(1900,1,2)",
            "formula2": "DATE(2100,1,1)",
            "error": "Enter a date, such as 2011-05-27.",
        }
    elif name in _CODES:
        codes = ",".join(dict.fromkeys(_CODES[name].values()))
        rule = {"type": "list", "formula1": f'"{codes}"', "error": "Choose from the list."}
    return DataValidation(
        **rule,
        sqref=f"{letter}2:{letter}{MOST_ROWS}",
        allow_blank=True,
        showErrorMessage=True,
        showInputMessage=True,
        errorTitle=name,
        promptTitle=name,
        prompt=f"{needed.capitalize()}: {written}.",
    )


def _mark_up(sheet: Worksheet, name: str, cells: str) -> None:
    """Name a table and say that its first row is the header, for assistive software."""
    table = MarkedUp(displayName=name, ref=cells)
    table.tableStyleInfo = TableStyleInfo(name="TableStyleLight1", showRowStripes=False)
    sheet.add_table(table)


def _fill_guidance(sheet: Worksheet) -> None:
    for text in _ADVICE:
        sheet.append([text])
    for (cell,) in sheet.iter_rows():
        cell.font, cell.alignment = _LETTERS, _WRAPPED
    sheet["A1"].font = Font("Arial", 16, bold=True)
    sheet.column_dimensions["A"].width = 100


def _fill_columns(sheet: Worksheet) -> None:
    sheet.append(["What to write in each column of the worksheet Upload"])
    sheet.append(["This worksheet contains one table."])
    sheet.append(["Column", "Needed", "How it is written", "What to write"])
    for row in _GUIDANCE:
        sheet.append(row)
    for row_cells in sheet.iter_rows(min_row=3):
        for cell in row_cells:
            cell.font, cell.alignment = (_HEAD if cell.row == 3 else _LETTERS), _WRAPPED
    sheet["A1"].font, sheet["A2"].font = Font("Arial", 16, bold=True), _LETTERS
    for letter, width in zip("ABCD", (26, 22, 34, 70), strict=True):
        sheet.column_dimensions[letter].width = width
    _mark_up(sheet, "columns", f"A3:D{len(_GUIDANCE) + 3}")


def _undated(workbook: bytes) -> bytes:
    """Return the same workbook without the times at which it and its parts were made."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(target, "w") as new:
        for part in sorted(old.infolist(), key=lambda part: part.filename):
            content = old.read(part)
            if part.filename == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2013-04-02T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(part.filename, (1980, 1, 1, 0, 0, 0)), content)
    return target.getvalue()
