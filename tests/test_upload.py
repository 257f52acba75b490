"""Uploads as people really send them, every fault at once, and never a person's data."""

import calendar
import csv
import datetime as dt
import io
import os
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from request_files import PERSON, RECEIVED, Dated, assert_silent, people, table, text, workbook

from jdl.cells import DATE_FORMATS, DateFormat, Misread, tidy
from jdl.faults import Unusable
from jdl.upload import (
    COLUMNS,
    DATES,
    ESSENTIAL,
    EXAMPLE,
    Upload,
    participation,
    read_people,
    write_template,
)

CANARY = "Kwyjibo"


def examples(count: int) -> settings:
    """Return settings for a property test: the same examples in every run."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(
        max_examples=count, deadline=None, derandomize=True, suppress_health_check=checks
    )


def read(folder: Path, content: bytes | str, **options: object) -> Upload:
    file = folder / "upload.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_people(file, **{"received": RECEIVED, **options})


def faults_of(folder: Path, content: bytes | str, **options: object) -> list:
    with pytest.raises(Unusable) as caught:
        read(folder, content, **options)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return list(caught.value.faults)


# Files that can be read


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings_and_delimiters_are_recognised(tmp_path, delimiter, encoding):
    rows = people(3, surname="O\u2019Néill-Müller", location="Leeds, Hull; York")
    upload = read(tmp_path, text(rows, delimiter).encode(encoding))
    assert upload.rows == 3
    assert set(upload.people["surname"]) == {"O\u2019Néill-Müller"}
    assert upload.delimiter == delimiter
    assert upload.encoding == encoding.removesuffix("-sig")


@pytest.mark.parametrize(
    "heading",
    ["Date of Birth", "date_of_birth", "DATE-OF-BIRTH", " Date\u00a0of  birth * ", "DateOfBirth"],
)
def test_headings_are_folded(tmp_path, heading):
    content = text(people(1)).replace("date_of_birth", heading)
    assert read(tmp_path, content).people["date_of_birth"].iloc[0] == pd.Timestamp("1980-02-23")


def test_what_is_missing_is_missing_and_every_column_is_there(tmp_path):
    only = ("forename", "surname", "date_of_birth", "gender", "index_date")
    row = {name: PERSON.get(name, "") for name in only}
    upload = read(tmp_path, text([row, {**row, "forename": ""}]), setting="custody", source="one")
    assert list(upload.people.columns) == ["row", "source", *COLUMNS]
    assert list(upload.people["row"]) == [2, 3]
    assert set(upload.people["source"]) == {"one"}
    assert set(upload.people["participation"]) == {"started"}
    assert set(upload.people["setting"]) == {"custody"}
    assert upload.people["pnc_id"].isna().all()
    assert upload.people["forename"].isna().sum() == 1
    assert {(note.text, note.column): note.rows for note in upload.notes} == {
        ("cells are blank", "forename"): 1,
        ("rows have no date at all", None): 2,
    }


def test_types_do_not_depend_on_what_is_missing(tmp_path):
    whole = read(tmp_path, text(people(2))).people.dtypes
    sparse = read(tmp_path, text(people(2, pnc_id="", date_of_birth="", gender=""))).people.dtypes
    assert (whole == sparse).all()
    assert str(whole["date_of_birth"]) == "datetime64[s]"
    assert str(whole["pnc_id"]) == "str"


def test_stray_spaces_marks_and_blank_rows_are_tidied(tmp_path):
    rows = people(
        2,
        surname="\u00a0 van\u2009der  Zanthrop\u200b ",
        gender=" F ",
        date_of_birth="'1980-02-23",
        setting="Through-the-Gate",
        participation="COMPLETED",
    )
    lines = text(rows).split("\r\n")
    content = "\r\n".join(["My list,,", *lines[:2], ",,,", "", *lines[2:], "", ",,"])
    upload = read(tmp_path, content)
    assert set(upload.people["surname"]) == {"van der Zanthrop"}
    assert set(upload.people["gender"]) == {"female"}
    assert set(upload.people["setting"]) == {"through the gate"}
    assert set(upload.people["participation"]) == {"completed"}
    assert list(upload.people["row"]) == [3, 6]
    assert [(note.text, note.rows) for note in upload.notes] == [
        ("blank rows were left out", 2),
        ("rows above the column headings were left out", 1),
    ]


def test_a_rows_own_setting_overrides_the_requests(tmp_path):
    rows = people(2)
    rows[0]["setting"] = "community"
    assert list(read(tmp_path, text(rows), setting="custody").people["setting"]) == [
        "community",
        "custody",
    ]


@pytest.mark.parametrize(
    ("written", "kept"),
    [("m", "male"), ("Man", "male"), ("F", "female"), ("WOMAN", "female"), ("Female ", "female")],
)
def test_gender_forms(tmp_path, written, kept):
    assert list(read(tmp_path, text(people(1, gender=written))).people["gender"]) == [kept]


def test_groups_and_unknown_columns(tmp_path):
    rows = people(2, **{"Group Course": "cooking", "favourite colour": "blue"})
    upload = read(tmp_path, text(rows))
    assert list(upload.people["group_course"]) == ["cooking", "cooking"]
    assert "columns that the template does not have were not read" in {
        note.text for note in upload.notes
    }


def test_names_keep_their_apostrophes_and_lose_a_spreadsheets(tmp_path):
    rows = people(4)
    for row, name in zip(rows, ["O'Hara", "'t Hooft", "'Smith", "D\u2019Arcy"], strict=True):
        row["surname"] = name
    names = list(read(tmp_path, text(rows)).people["surname"])
    assert names == ["O'Hara", "'t Hooft", "Smith", "D\u2019Arcy"]


def test_old_mac_line_ends_and_quoted_line_breaks(tmp_path):
    rows = people(2, location="Wing A\nLandward side")
    upload = read(tmp_path, text(rows).replace("\r\n", "\r"))
    assert set(upload.people["location"]) == {"Wing A Landward side"}
    assert list(upload.people["row"]) == [2, 3]


def test_a_workbook_under_a_text_files_name_is_read_by_its_content(tmp_path):
    assert read(tmp_path, workbook({"List": table(people(2))})).encoding == "xlsx"


def test_a_workbooks_dates_numbers_and_empty_sheets(tmp_path):
    rows = people(
        3,
        date_of_birth=dt.date(1980, 2, 23),
        intervention_start=dt.datetime(2010, 3, 21, 15, 30),
        reference=77,
        location=12.0,
    )
    rows = [{**row, "intervention_end": ""} for row in rows]
    content = workbook({"List": [["Our list"], [], *table(rows)], "Sheet2": [], "Sheet3": []})
    upload = read(tmp_path, content, date_format="DD/MM/YYYY")
    assert list(upload.people["row"]) == [4, 5, 6]
    assert set(upload.people["intervention_start"]) == {pd.Timestamp("2010-03-21")}
    assert set(upload.people["reference"]) == {"77"}
    assert set(upload.people["location"]) == {"12"}
    assert upload.delimiter is None


def test_the_sheet_that_the_request_names_is_read(tmp_path):
    content = workbook({"Men": table(people(2)), "Women": table(people(3, gender="f"))})
    assert read(tmp_path, content, sheet="Women").rows == 3


def test_a_hidden_sheet_is_passed_over(tmp_path):
    book = openpyxl.load_workbook(
        io.BytesIO(workbook({"Men": table(people(2)), "Lists": [["male"], ["female"]]}))
    )
    book["Lists"].sheet_state = "hidden"
    buffer = io.BytesIO()
    book.save(buffer)
    assert read(tmp_path, buffer.getvalue()).rows == 2


# Dates


@pytest.mark.parametrize("form", DATE_FORMATS)
@given(day=st.dates(dt.date(1940, 1, 1), dt.date(2013, 12, 31)))
@examples(25)
def test_every_listed_format_reads_what_it_writes(form, day):
    months = list(calendar.month_name)
    written = (
        form.replace("YYYY", f"{day.year}")
        .replace("YY", f"{day.year % 100:02}")
        .replace("DD", f"{day.day:02}")
        .replace("D", str(day.day))
        .replace("MMMM", "#long")
        .replace("MMM", "#short")
        .replace("MM", f"{day.month:02}")
        .replace("#long", months[day.month])
        .replace("#short", months[day.month][:3])
    )
    newest = day.year if "YYYY" not in form else 2013
    assert DateFormat(form).read(written, newest) == day


def test_noughts_may_be_missing_and_case_does_not_matter():
    assert DateFormat("dd/mm/yyyy").read("3/2/1980", 2013) == dt.date(1980, 2, 3)
    assert DateFormat("D MMM YYYY").read("3 SEPT 1980", 2013) == dt.date(1980, 9, 3)
    assert DateFormat("ISO").read("1980-02-03", 2013) == dt.date(1980, 2, 3)


@pytest.mark.parametrize(
    "form", ["", "YYYY", "DD/MM", "DD/MM/YYYY/DD", "hello", "DMYYYY", "%d/%m/%Y", "DD/MM/YYYY HH"]
)
def test_what_is_not_a_format_is_refused(form):
    with pytest.raises(ValueError, match="not a date format"):
        DateFormat(form)


def test_the_order_of_day_and_month_is_never_guessed():
    assert DateFormat("MM/DD/YYYY").read("03/02/1980", 2013) == dt.date(1980, 3, 2)
    assert DateFormat("MM/DD/YYYY").read("23/02/1980", 2013) is Misread.IMPOSSIBLE
    assert DateFormat("DD/MM/YYYY").read("23-02-1980", 2013) is Misread.SHAPE
    assert DateFormat("DD/MM/YYYY").read("٢٣/02/1980", 2013) is Misread.SHAPE


def test_a_two_digit_year_is_the_newest_that_can_be(tmp_path):
    rows = people(1, date_of_birth="04/11/05", intervention_start="05/12/10", intervention_end="")
    upload = read(tmp_path, text(rows), date_format="DD/MM/YY", received=dt.date(2014, 1, 1))
    assert upload.people["date_of_birth"].iloc[0] == pd.Timestamp("1905-11-04")
    assert upload.people["intervention_start"].iloc[0] == pd.Timestamp("2010-12-05")


def test_a_time_of_day_is_left_off_and_noted(tmp_path):
    upload = read(tmp_path, text(people(2, date_of_birth="1980-02-23 00:00:00")))
    assert ("times of day were left off dates", 2) in {(n.text, n.rows) for n in upload.notes}


def test_a_format_that_fits_nothing_gives_one_fault_with_those_that_would_fit(tmp_path):
    rows = people(
        300, date_of_birth="23/02/1980", intervention_start="21/03/2010", intervention_end=""
    )
    (fault,) = faults_of(tmp_path, text(rows))
    assert "no date of the file" in fault.rule
    assert "DD/MM/YYYY" in fault.remedy
    assert "MM/DD/YYYY" not in fault.remedy.replace("DD/MM/YYYY", "")
    assert_silent([fault], "23/02/1980", "21/03/2010")


def test_a_few_odd_dates_do_not_hide_the_format_that_fits_the_rest(tmp_path):
    rows = people(30, date_of_birth="23/02/1980", intervention_start="", intervention_end="")
    rows[4]["date_of_birth"] = "early 1980"
    (fault,) = faults_of(tmp_path, text(rows))
    assert fault.remedy.startswith("These would fit 29 of 30 dates: DD/MM/YYYY; declare")
    assert_silent([fault], "23/02/1980", "early 1980")


def test_a_format_that_fits_some_gives_one_fault_a_column(tmp_path):
    rows = people(20)
    for row in rows[5:9]:
        row["intervention_start"] = "21st of March"
    (fault,) = faults_of(tmp_path, text(rows))
    assert (fault.row, fault.rows, fault.column) == (7, 4, "intervention_start")
    assert_silent([fault], "21st of March")


def test_a_spreadsheet_that_swapped_day_and_month_is_caught(tmp_path):
    rows = people(12, intervention_end="")
    for place, row in enumerate(rows):
        row["date_of_birth"] = dt.date(1980, 5, place + 1) if place < 6 else "05/23/1980"
        row["intervention_start"] = dt.date(2010, 3, 21)
    content = workbook({"List": table(rows)})
    (fault,) = faults_of(tmp_path, content, date_format="MM/DD/YYYY")
    assert "swapped day and month" in fault.rule
    rows[0]["date_of_birth"] = dt.date(1980, 5, 23)
    assert read(tmp_path, workbook({"List": table(rows)}), date_format="MM/DD/YYYY").rows == 12


# Faults: the cell, the row, the file

BAD_CELLS = [
    ("date_of_birth", "1980-02-31", "a day of the calendar"),
    ("date_of_birth", "31/12/1980", "as the request declares"),
    ("date_of_birth", "1980-13-01", "a day of the calendar"),
    ("date_of_birth", "1980-00-10", "a day of the calendar"),
    ("date_of_birth", "29274", "serial number"),
    ("date_of_birth", "29274.0", "serial number"),
    ("date_of_birth", "unknown", "as the request declares"),
    ("date_of_birth", "N/A", "as the request declares"),
    ("date_of_birth", "2099-01-01", "after the day the request was received"),
    ("date_of_birth", "1900-01-01", "within the 110 years"),
    ("date_of_birth", "1980", "as the request declares"),
    ("date_of_birth", "1980-02-23T10:00+01:00", "as the request declares"),
    ("date_of_birth", "2011-02-23", "before the person's birth"),
    ("intervention_start", "1979-01-01", "before the person's birth"),
    ("intervention_start", "2013-11-05", "after the day the request was received"),
    ("intervention_start", "2010-04-31", "a day of the calendar"),
    ("intervention_start", "2010-05-01", "must not end before it starts"),
    ("intervention_end", "2010-03-20", "must not end before it starts"),
    ("intervention_end", "2014-01-01", "after the day the request was received"),
    ("index_date", "1979-12-31", "before the person's birth"),
    ("conviction_date", "1979-12-31", "before the person's birth"),
    ("conviction_date", "0000-00-00", "a day of the calendar"),
    ("gender", "x9x9", "must be one of: male, female"),
    ("gender", "unknown", "must be one of: male, female"),
    ("gender", "1", "must be one of: male, female"),
    ("setting", "in prison", "must be one of: custody"),
    ("participation", "dropped out", "must be one of: completed"),
    ("forename", "Quil\x07lon", "control or replacement"),
    ("forename", "Quil\ufffdlon", "control or replacement"),
    ("forename", "Quil\x85lon", "control or replacement"),
    ("forename", "=HYPERLINK(1)", "not a formula"),
    ("forename", "@SUM(A1)", "not a formula"),
    ("forename", "+Quillon", "not a formula"),
    ("forename", "Quillon\nZanthrop", "line break"),
    ("forename", "Quillon" * 100, "at most 500 characters"),
    ("surname", "MÃ¼ller", "wrong encoding"),
    ("surname", "Ãœnal", "wrong encoding"),
    ("surname", "Oâ€™Neill", "wrong encoding"),
    ("surname", "Ren\u201ae", "wrong encoding"),
    ("surname", "Bj™rn", "wrong encoding"),
    ("pnc_id", "2.00301E+12", "power of ten"),
    ("prison_number", "1E+05", "power of ten"),
    ("prison_number", "A12\n34BC", "line break"),
    ("reference", "=1+1", "not a formula"),
    ("location", "x\x01y", "control or replacement"),
    ("referral_route", "y" * 501, "at most 500 characters"),
    ("group_course", "=A1", "not a formula"),
]


@pytest.mark.parametrize(("column", "value", "rule"), BAD_CELLS)
def test_a_bad_cell_is_a_fault_of_its_row_and_column(tmp_path, column, value, rule):
    rows = people(5, **{column: people(1)[0].get(column, "")})
    rows[2][column] = rows[4][column] = value
    rows[2]["surname" if column != "surname" else "forename"] = "Otherwise"
    content = text(rows)
    faults = [fault for fault in faults_of(tmp_path, content) if rule in fault.rule]
    assert faults, "the fault is not told"
    named = {fault.column for fault in faults}
    assert column in named or named <= {"index_date", "intervention_start", "intervention_end"}
    assert {(fault.row, fault.rows) for fault in faults} == {(4, 2)}
    assert_silent(faults_of(tmp_path, content), value)


HEADERS = [
    ("forename", "", "must be present", "forename"),
    ("surname", "surnam", "nearly", "surname"),
    ("forename", "First name", "nearly", "forename"),
    ("surname", "Last Name", "nearly", "surname"),
    ("date_of_birth", "DOB", "nearly", "date_of_birth"),
    ("date_of_birth", "date of brith", "nearly", "date_of_birth"),
    ("gender", "Sex", "nearly", "gender"),
    ("pnc_id", "PNC number", "nearly", "pnc_id"),
    ("prison_number", "prison_numbr", "nearly", "prison_number"),
    ("intervention_start", "Start date", "nearly", "intervention_start"),
    ("participation", "particpation", "nearly", "participation"),
    ("surname", "forename", "must not come twice", "forename"),
]


@pytest.mark.parametrize(("column", "heading", "rule", "named"), HEADERS)
def test_a_bad_heading_is_a_fault_that_suggests_the_near_name(
    tmp_path, column, heading, rule, named
):
    lines = text(people(2)).split("\r\n")
    lines[0] = ",".join(heading if name == column else name for name in lines[0].split(","))
    faults = faults_of(tmp_path, "\r\n".join(lines))
    assert [fault.column for fault in faults if rule in fault.rule] == [named]
    assert_silent(faults)


def test_a_misspelt_column_is_still_checked(tmp_path):
    content = text(people(2, gender="x9x9")).replace("gender", "sex")
    rules = [(fault.column, fault.rule[:10]) for fault in faults_of(tmp_path, content)]
    assert rules == [("gender", "column E h"), ("gender", "the value ")]


def test_without_a_heading_the_first_person_is_not_told(tmp_path):
    faults = faults_of(tmp_path, text(people(2)).split("\r\n", 1)[1])
    assert {fault.column for fault in faults} == {
        "forename",
        "surname",
        "date_of_birth",
        "gender",
        None,
    }
    assert_silent(faults, "Quillonbaba")


def test_without_any_date_column(tmp_path):
    rows = [{k: v for k, v in row.items() if not k.startswith("intervention")} for row in people(2)]
    (fault,) = faults_of(tmp_path, text(rows))
    assert "at least one of these columns" in fault.rule


def _zip(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _with_part(name: str, content: bytes) -> bytes:
    source = workbook({"List": table(people(2))})
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    return _zip({**parts, name: content})


_SHEET = "xl/worksheets/sheet1.xml"
_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a0 "Kwyjibo">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10))
    + b']><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    b'<sheetData><row r="1"><c t="inlineStr"><is><t>&a9;</t></is></c></row></sheetData></worksheet>'
)
_FAR_ROW = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b'<row r="99999999999"><c t="n"><v>1</v></c></row></sheetData></worksheet>'
)
_WIDE_ROW = b"<worksheet><sheetData><row>" + b"<c/>" * 100_001 + b"</row></sheetData></worksheet>"
_BEYOND_DATES = workbook({"a": table(people(2, date_of_birth=Dated(99_999_999)))})
HEADER = ",".join(PERSON)
BAD_FILES = {
    "nothing": (b"", "must hold people"),
    "only a mark": (b"\xef\xbb\xbf", "must hold people"),
    "only blanks": (b" \r\n\t\r\n,,,\r\n", "must hold people"),
    "only a heading": (HEADER.encode(), "must hold people"),
    "only an example row": (
        text(people(1, reference=EXAMPLE)).encode(),
        "must hold people",
    ),
    "one column": (b"forename\nQuillon\n", "set apart"),
    "spaces as delimiter": (b"forename surname gender\nQuillon Zanthrop m\n", "set apart"),
    "colons as delimiter": (b"forename:surname\nQuillon:Zanthrop\n", "set apart"),
    "utf-16 without mark": (text(people(2)).encode("utf-16-le"), "UTF-8 or Windows-1252"),
    "a nought byte": (
        text(people(2)).encode().replace(b"Zan", b"Zan\x00"),
        "UTF-8 or Windows-1252",
    ),
    "utf-32": (text(people(2)).encode("utf-32"), "UTF-8 or Windows-1252"),
    "truncated utf-16": (text(people(2)).encode("utf-16")[:-1], "UTF-8 or Windows-1252"),
    "bytes of no encoding": (
        text(people(2)).encode().replace(b"Zanthrop", b"Zan\x81hrop"),
        "UTF-8 or Windows-1252",
    ),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", "UTF-8 or Windows-1252"),
    "a PDF": (b"%PDF-1.7\n%\xb5\xb5\xb5\xb5\n1 0 obj\n", "set apart"),
    "an old or locked workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 80, "password"),
    "a damaged workbook": (workbook({"a": table(people(2))})[:900], "readable XLSX"),
    "a zip of other things": (_zip({"people.csv": b"forename"}), "readable XLSX"),
    "an open quotation mark": (
        text(people(3)).replace("Quillonkoba", '"Quillonkoba').encode(),
        "closing",
    ),
    "text after a quotation mark": (
        text(people(3)).replace("Quillonkoba", '"Quillon" ba').encode(),
        "closing",
    ),
    "a delimiter in a bare cell": (
        text(people(3)).replace("completed", "completed,or,so").encode(),
        "more cells than the header",
    ),
    "too many columns": ((HEADER + ",x" * 300 + "\n").encode(), "at most 200 columns"),
    "several sheets": (
        workbook({"Men": table(people(2)), "Women": table(people(2))}),
        'sheets with cells, and the request must say which one holds the people: "Men", "Women"',
    ),
    "empty sheets": (workbook({"Men": [], "Women": []}), "must hold people"),
    "a formula": (
        workbook({"a": [*table(people(2)), ["r", '=CONCATENATE("Kwy","jibo")']]}),
        "not a formula",
    ),
    "a spreadsheet's error": (
        workbook({"a": [*table(people(2)), ["r", "#N/A"]]}),
        "not a spreadsheet's error",
    ),
    "a date for an id": (
        workbook({"a": table(people(2, pnc_id=dt.date(2003, 1, 2)))}),
        "the date or the power of ten",
    ),
    "a date for a name": (
        workbook({"a": table(people(2, surname=dt.date(2003, 5, 1)))}),
        "the date or the power of ten",
    ),
    "a number for a date": (
        workbook({"a": table(people(2, date_of_birth=29274))}),
        "serial number",
    ),
    "a number beyond all dates": (_BEYOND_DATES, "not a spreadsheet's error"),
    "macros": (_with_part("xl/vbaProject.bin", b"x"), "must not hold macros"),
    "a zip bomb": (_with_part("xl/media/x.xml", b"0" * 101_000_000), "unpack to less than"),
    "billion laughs": (_with_part(_SHEET, _LAUGHS), "readable XLSX"),
    "a row beyond all spreadsheets": (_with_part(_SHEET, _FAR_ROW), "must end by row 150,000"),
    "a row of far too many cells": (_with_part(_SHEET, _WIDE_ROW), "far more parts"),
    "far too many formats": (_with_part("xl/styles.xml", b"<xf/>" * 100_001), "far more parts"),
    "far too many parts": (
        _zip({f"xl/media/{part}.png": b"" for part in range(1001)}),
        "far more parts",
    ),
    "a full-width formula": (text(people(2, location="\uff1d1+1")).encode(), "not a formula"),
    "a formula after what is not seen": (
        text(people(2, location="\u200b=1+1")).encode(),
        "not a formula",
    ),
    "accents in a pile": (text(people(2, location="Z" + "\u0351" * 9)).encode(), "in a pile"),
    "a broken part": (_with_part(_SHEET, b"<worksheet><row>"), "readable XLSX"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_told_in_plain_words(tmp_path, name):
    content, rule = BAD_FILES[name]
    faults = faults_of(tmp_path, content)
    assert any(rule in fault.rule for fault in faults), [str(fault) for fault in faults]
    assert_silent(faults, CANARY)


def test_sizes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("jdl.cells.MOST_ROWS", 10)
    (fault,) = faults_of(tmp_path, text(people(30)))
    assert "at most 10 rows" in fault.rule
    (fault,) = faults_of(tmp_path, workbook({"a": table(people(30))}))
    assert "at most 10 rows" in fault.rule
    monkeypatch.setattr("jdl.cells.LARGEST_FILE", 100)
    (fault,) = faults_of(tmp_path, text(people(30)))
    assert "smaller than" in fault.rule


def test_what_is_no_plain_file_is_not_opened(tmp_path):
    """Neither a pipe, which would be waited for, nor a device that never ends."""
    os.mkfifo(tmp_path / "upload.csv")
    (tmp_path / "endless.csv").symlink_to("/dev/zero")
    for name in ("upload.csv", "endless.csv"):
        with pytest.raises(Unusable, match="must be readable"):
            read_people(tmp_path / name, received=RECEIVED)


def test_a_missing_file_and_a_missing_sheet(tmp_path):
    with pytest.raises(Unusable, match="must be readable"):
        read_people(tmp_path / "none.csv", received=RECEIVED)
    (fault,) = faults_of(tmp_path, workbook({"a": table(people(2))}), sheet="b")
    assert '"a"' in fault.rule


def test_a_sheets_title_cannot_dress_a_message_up(tmp_path):
    content = workbook({"A\u202eevil": table(people(2)), "B": table(people(2))})
    (fault,) = faults_of(tmp_path, content)
    assert '"Aevil", "B"' in fault.rule


def test_repeated_people_are_told_and_blanks_are_not_repeats(tmp_path):
    rows = people(4)
    rows[2] = {**rows[0], "forename": rows[0]["forename"].upper() + " ", "reference": "other"}
    (fault,) = faults_of(tmp_path, text(rows))
    assert (fault.row, fault.rows) == (4, 1)
    assert "repeats" in fault.rule
    rows[2]["intervention_start"] = "2010-03-22"
    assert read(tmp_path, text(rows)).rows == 4
    assert read(tmp_path, text([{**row, "forename": ""} for row in [rows[0], rows[0]]])).rows == 2


def test_all_faults_come_at_once_in_the_order_of_their_rows(tmp_path):
    rows = people(6)
    rows[3]["gender"] = "x9x9"
    rows[1]["date_of_birth"] = "1980-02-30"
    rows[4]["intervention_end"] = "2009-01-01"
    rows[5]["surname"] = "=1+1"
    content = text(rows).replace("prison_number", "prison_numbr")
    faults = faults_of(tmp_path, content)
    assert [fault.row for fault in faults] == [1, 3, 5, 6, 7]


def test_an_upload_does_not_show_its_people(tmp_path):
    shown = repr(read(tmp_path, text(people(2))))
    assert "people" not in shown
    assert "row" not in shown


def test_participation_ignores_accents_case_and_punctuation(tmp_path):
    rows = people(2)
    rows[0] |= {"forename": "Zoë-Anne", "surname": "O'Neill"}
    rows[1] |= {"forename": "ZOE ANNE", "surname": "ONeill", "intervention_start": "2010-03-20"}
    frame = read(tmp_path, text(rows)).people
    assert len(set(participation(frame, ()))) == 1
    assert len(set(participation(frame))) == 2


# The template


@pytest.fixture
def template(tmp_path):
    write_template(tmp_path / "template.xlsx")
    return openpyxl.load_workbook(tmp_path / "template.xlsx")


def test_the_template_is_the_same_every_time_and_blank(tmp_path):
    write_template(tmp_path / "one.xlsx")
    write_template(tmp_path / "two.xlsx")
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    with pytest.raises(Unusable, match="must hold people"):
        read_people(tmp_path / "one.xlsx", received=RECEIVED)


def test_the_template_holds_no_time_of_writing(tmp_path):
    write_template(tmp_path / "one.xlsx")
    with zipfile.ZipFile(tmp_path / "one.xlsx") as archive:
        assert {part.date_time for part in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert str(dt.date.today().year).encode() + b"-" not in archive.read("docProps/core.xml")


def test_a_filled_template_goes_through_unchanged(tmp_path):
    file = tmp_path / "filled.xlsx"
    write_template(file)
    book = openpyxl.load_workbook(file)
    sheet = book["Upload"]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for place, row in enumerate(people(70), start=3):
        for name, value in row.items():
            dated = name == "date_of_birth" or name.startswith("intervention")
            value = dt.date.fromisoformat(value) if dated else value
            sheet.cell(place, columns[name], value)
    book.save(file)
    upload = read_people(file, received=RECEIVED)
    assert upload.rows == 70
    assert [(note.text, note.rows) for note in upload.notes] == [
        ("example rows of the template were left out", 1)
    ]


def test_the_template_has_guidance_for_every_column_and_lists_for_every_code(template):
    guided = [row[0].value for row in template["Columns"]]
    assert (
        guided[-len(COLUMNS) :] == list(COLUMNS) == [cell.value for cell in template["Upload"][1]]
    )
    rules = template["Upload"].data_validations.dataValidation
    assert [rule.formula1 for rule in rules if rule.type == "list"] == [
        '"male,female"',
        '"custody,community,through the gate"',
        '"completed,started,refused"',
    ]
    assert [rule.promptTitle for rule in rules] == list(COLUMNS)
    assert [rule.promptTitle for rule in rules if rule.type == "date"] == ["date_of_birth", *DATES]
    assert all(rule.showErrorMessage and rule.showInputMessage for rule in rules)
    assert all(rule.allow_blank for rule in rules)


def test_the_template_says_what_is_required_one_of_the_dates_or_highly_desirable(template):
    needed = {row[0].value: row[1].value for row in template["Columns"].iter_rows(min_row=4)}
    assert {name for name, how in needed.items() if how == "required"} == set(ESSENTIAL)
    assert {name for name, how in needed.items() if how == "one of the dates"} == set(DATES)
    assert {"pnc_id", "prison_number"} <= {
        name for name, how in needed.items() if how == "highly desirable"
    }


def test_the_example_row_of_the_template_is_marked_and_would_pass(tmp_path, template):
    example = [cell.value for cell in template["Upload"][2]]
    assert example[0] == EXAMPLE
    template["Upload"]["A2"] = "mine"
    template.save(tmp_path / "one.xlsx")
    assert read_people(tmp_path / "one.xlsx", received=RECEIVED).rows == 1


def test_the_template_can_be_read_by_assistive_software(tmp_path, template):
    assert template.sheetnames == ["Guidance", "Columns", "Upload"]
    assert template.properties.title == "Justice Data Lab: data upload template"
    assert template.properties.creator == "Justice Data Lab"
    assert template.properties.language == "en-GB"
    tables = {name: sheet.tables for name, sheet in zip(template.sheetnames, template, strict=True)}
    assert [[*tables[name]] for name in template.sheetnames] == [[], ["columns"], ["people"]]
    assert tables["Upload"]["people"].ref == "A1:O2"
    assert tables["Columns"]["columns"].ref == f"A3:D{len(COLUMNS) + 3}"
    for sheet in template:
        assert sheet["A1"].value
        assert sheet.merged_cells.ranges == set()
        assert sheet.sheet_state == "visible"
        used = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
        assert {cell.row for cell in used} == set(range(1, sheet.max_row + 1))
        assert all(cell.font.name == "Arial" and cell.font.sz >= 12 for cell in used)
        assert not any(cell.font.i or cell.data_type == "f" for cell in used)
    write_template(tmp_path / "one.xlsx")
    with zipfile.ZipFile(tmp_path / "one.xlsx") as archive:
        assert not [name for name in archive.namelist() if "vba" in name.lower()]


# Anything at all


def held(folder: Path, content: bytes, **options: object) -> None:
    file = folder / "anything"
    file.write_bytes(content)
    try:
        upload = read_people(file, received=RECEIVED, **options)
    except Unusable as unusable:
        assert unusable.faults
        assert_silent(list(unusable.faults), CANARY)
    else:
        assert isinstance(upload, Upload)
        assert upload.rows > 0


@examples(300)
@given(content=st.binary(max_size=400))
def test_any_bytes_give_faults_or_an_upload(tmp_path, content):
    held(tmp_path, content)


@examples(150)
@given(content=st.text(max_size=300), encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_any_text_below_a_heading_gives_faults_or_an_upload(tmp_path, content, encoding):
    held(tmp_path, (HEADER + "\n" + content).encode(encoding, errors="surrogatepass"))


_CELLS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", *PERSON.values(), "=1", "29274", "1980-02-30", "N/A", "\x00", "\ufffd"]),
    st.dates().map(str),
    st.integers().map(str),
    st.floats().map(str),
).map(lambda cell: cell.encode("utf-8", "ignore").decode())


@examples(200)
@given(rows=st.lists(st.lists(_CELLS, min_size=1, max_size=11), min_size=1, max_size=6))
def test_any_cells_give_faults_or_an_upload_and_are_never_told(tmp_path, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(PERSON)
    writer.writerows([[CANARY + cell for cell in row] for row in rows])
    writer.writerows(rows)
    held(tmp_path, buffer.getvalue().encode())


_VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(CANARY.__add__),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(dt.date(1901, 1, 1)),
    st.datetimes(dt.datetime(1901, 1, 1)),
    st.times(),
    st.timedeltas(dt.timedelta(0), dt.timedelta(days=1000)),
    st.none(),
)


@examples(60)
@given(rows=st.lists(st.lists(_VALUES, min_size=1, max_size=10), min_size=1, max_size=4))
def test_any_workbook_gives_faults_or_an_upload_and_is_never_told(tmp_path, rows):
    held(tmp_path, workbook({"List": [list(PERSON), *rows]}))


@examples(120)
@given(st.data())
def test_a_damaged_workbook_gives_faults_or_an_upload(tmp_path, data):
    content = bytearray(_DAMAGED)
    for _ in range(data.draw(st.integers(1, 12))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    held(tmp_path, bytes(content))


_DAMAGED = workbook({"List": table(people(3, surname=CANARY))})


@examples(100)
@given(cell=st.text())
def test_tidying_twice_is_tidying_once(cell):
    assert tidy(tidy(cell)) == tidy(cell)
