"""Bad uploads and request files, made at random, held against the real commands.

Each input is made by Hypothesis: bytes, or a good file with some things changed, so that some are
still good. It is given to `jdl check` in this process, or read as `jdl run` reads what a month is
made from, and must end in 0, 1 or 2 with nothing but faults told, no traceback, nothing written,
and no word of the people in it in anything that is said.

Run `.venv/bin/python tests/benchmarks/hostile.py --examples 10000 --minutes 20`: it prints the
table of the README, and each failure with the input that made it.
"""

import argparse
import contextlib
import csv
import datetime as dt
import io
import re
import shutil
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from jdl import cli
from jdl.faults import CONTROL, UNSEEN, Unusable
from jdl.national import TABLES, Column
from jdl.release import Places, Refused, open_month
from jdl.upload import write_template

Files = dict[str, bytes]

# Who is in the inputs


PERSON = {
    "reference": "RefZq-4471",
    "forename": "Quizzandra",
    "surname": "Vorpalsen",
    "date_of_birth": "1971-02-13",
    "gender": "female",
    "pnc_id": "1999/7654321Q",
    "prison_number": "Q7654QQ",
    "index_date": "2011-05-27",
    "conviction_date": "2010-11-02",
    "intervention_start": "2011-03-01",
    "intervention_end": "2011-05-20",
    "setting": "custody",
    "referral_route": "Canarywharf referral",
    "location": "Canarywharf prison",
    "participation": "completed",
    "group_course": "Canarywharf course",
}
CANARIES = re.compile(
    "refzq|quizzandra|vorpalsen|canarywharf|7654321q|q7654qq|1971-02-13|13/02/1971|19710213|25977",
    re.IGNORECASE,
)
TOLD = re.compile(
    r"The input cannot be used: \d+ faults?\. Nothing has been written\.|- .+: .+\.( .+)?"
)
"""What may stand on standard error where an input cannot be used."""


def people(count: int) -> list[dict[str, str]]:
    """Return rows of different people, all with the same tell-tale names and numbers."""
    return [
        {
            **PERSON,
            "reference": f"RefZq-{number}",
            "forename": f"Quizzandra{chr(97 + number % 26)}{chr(97 + number // 26 % 26)}",
        }
        for number in range(count)
    ]


# Bad values


BAD_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}",
    "`rm -rf` **bold** [x](javascript:alert(1))",
    "$\\href{javascript:alert(1)}{x}$",
    "=HYPERLINK(1)",
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\uff1d1+1",
    "\t=1",
    "\r=1",
    "'=1",
    "a\x00b",
    "a\x1b[2Jb",
    "a\u202eb",
    "a\u200bb",
    "\u2028",
    "\U000e0041",
    "\ufdd0",
    "\ufffd",
    "../../etc/passwd",
    "x" * 201,
    "x" * 6000,
    "Z\u0351\u036b\u0343\u036a\u0342" * 20,
    "\u05d0\u05d1\u05d2",
    "nan",
    "1e400",
    "0001-01-01",
    "9999-12-31",
    "31/02/2011",
    "N/A",
    "",
    " ",
)
BAD_TOML = (
    *("1", "-1", "1e400", "nan", "inf", "-inf", "true", "1" + "0" * 400, "0x10", "1979-05-27"),
    *("0001-01-01", "9999-12-31", "1979-05-27T07:32:00Z", "07:32:00", "[]", "{}", "[[[[]]]]"),
    *('""', "''", "[1, 'a', {}]", "{a = {b = {c = 1}}}", "'''\n'''", '"\\u0000"', '"\\uFFFF"'),
    *('["custody", "custody"]', '"2014-13"', '"../x"', '"a" # "', '"""' + "x" * 300 + '"""'),
)


def toml_text(value: str) -> str:
    """Return a text as TOML writes it."""
    shown = "".join(
        f"\\U{ord(char):08x}" if ord(char) < 32 or char in '"\\\x7f' else char for char in value
    )
    return f'"{shown}"'


_anything = st.text(max_size=40)
_values = st.one_of(
    st.sampled_from(BAD_TEXTS),
    _anything,
    st.dates().map(str),
    st.dates(dt.date(1950, 1, 1), dt.date(2030, 1, 1)).map(lambda day: f"{day:%d/%m/%Y}"),
    st.integers().map(str),
    st.floats().map(str),
)
_toml_values = st.one_of(
    st.sampled_from(BAD_TOML),
    st.one_of(st.sampled_from(BAD_TEXTS), _anything).map(
        lambda text: toml_text(text.encode("utf-8", "ignore").decode())
    ),
    st.integers().map(str),
    st.floats().map(str),
    st.dates().map(str),
)


# The kinds of input


def damaged(draw: Any, content: bytes) -> bytes:
    """Return a file as it is, or cut, or with bytes changed, put in or doubled."""
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2, 8)))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        how = draw(st.integers(0, 3))
        some = draw(st.binary(min_size=1, max_size=4))
        if how == 0:
            content = content[:at] + some + content[at + len(some) :]
        elif how == 1:
            content = content[:at] + some + content[at:]
        elif how == 2:
            content = content[:at]
        else:
            content = content[:at] + content[at // 2 :]
    return content


def changed_rows(draw: Any, count: int) -> list[list[str]]:
    """Return a header and rows of people with cells, headings and widths changed."""
    header = list(PERSON)
    rows = [header, *([*row.values()] for row in people(count))]
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 4)))):
        row = draw(st.integers(0, count))
        how = draw(st.integers(0, 9))
        if how == 0:
            rows[row] = rows[row][: draw(st.integers(0, len(header)))]
        elif how == 1:
            rows[row] = [*rows[row], draw(_values)]
        elif how == 2:
            rows.insert(row, draw(st.lists(_values, max_size=4)))
        elif rows[row]:
            place = draw(st.integers(0, len(rows[row]) - 1))
            keep = draw(st.booleans()) and row > 0
            rows[row][place] = draw(_values) + (rows[row][place] if keep else "")
    return rows


@st.composite
def upload_texts(draw: Any) -> Files:
    """Delimited text: any bytes, or people in some encoding, some cells and bytes changed."""
    if draw(st.integers(0, 9)) == 0:
        return {"upload.csv": draw(st.binary(max_size=400))}
    buffer = io.StringIO()
    delimiter = draw(st.sampled_from((",", ",", ";", "\t", "|")))
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerows(changed_rows(draw, draw(st.integers(1, 4))))
    encoding = draw(st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-32")))
    content = buffer.getvalue().encode(encoding, errors="replace")
    return {"upload.csv": damaged(draw, content) if draw(st.integers(0, 3)) == 0 else content}


@cache
def template() -> dict[str, bytes]:
    """Return the parts of the blank template."""
    with tempfile.TemporaryDirectory() as folder:
        write_template(Path(folder) / "template.xlsx")
        with zipfile.ZipFile(Path(folder) / "template.xlsx") as book:
            return {name: book.read(name) for name in book.namelist()}


def workbook_of(rows: Sequence[Sequence[Any]], title: str, hidden: bool, merged: bool) -> bytes:
    """Return a workbook of one filled sheet beside those of the template."""
    book = openpyxl.load_workbook(io.BytesIO(zipped(template())))
    if title in book.sheetnames:
        sheet = book[title]
        sheet.delete_rows(1, 5)
    else:
        del book["Upload"]
        sheet = book.create_sheet(title)
    for place, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            with contextlib.suppress(ValueError, openpyxl.utils.exceptions.IllegalCharacterError):
                sheet.cell(place, column).value = value
    if hidden:
        sheet.sheet_state = "veryHidden"
    if merged:
        sheet.merge_cells("A1:C2")
    buffer = io.BytesIO()
    book.save(buffer)
    return zipped(unzipped(buffer.getvalue()))


def zipped(parts: dict[str, bytes]) -> bytes:
    """Return the parts of a workbook as the file it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return the parts of a workbook, without the time at which it was made."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        parts = {name: book.read(name) for name in sorted(book.namelist())}
    return {name: _TIMES.sub(b"2013-04-02T00:00:00Z", part) for name, part in parts.items()}


_TIMES = re.compile(rb"20\d\d-\d\d-\d\dT[\d:.]+Z")


_DTD = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
)
SWAPS = (
    (b"<sheetData>", b'<sheetData><row r="1048577"><c r="XFE1"><v>1</v></c></row>'),
    (b"<sheetData>", b'<sheetData><row r="-1"><c r="A0"><v>1</v></c></row>'),
    (b'r="2"', b'r="99999999"'),
    (b'<dimension ref="', b'<dimension ref="A1:XFD1048576" x="'),
    (b't="n"', b't="s"'),
    (b't="n"', b't="d"'),
    (b"<v>", b"<v>99999999999"),
    (b"<v>", b"<v>-1"),
    (b"<v>", b"<v>NaN"),
    (b"<v>", b"<v>1e308"),
    (b"Target=", b'TargetMode="External" Target='),
    (b"<?xml version='1.0' encoding='UTF-8'?>", _DTD),
    (b'<?xml version="1.0"?>', _DTD),
    (b"worksheets/sheet", b"../../../etc/sheet"),
    (b"<si>", b"<si><r><t>&c;</t></r>"),
    (b"yyyy-mm-dd", b"[$-404]" + b"y" * 300),
)
EXTRA = {
    "xl/vbaProject.bin": b"\xd0\xcf\x11\xe0macro",
    "xl/externalLinks/externalLink1.xml": b"<externalLink/>",
    "../../evil.xml": b"<x/>",
    "/etc/passwd": b"root",
    "xl/media/x.png": b"\x00" * 5_000_000,
    "docProps/custom.xml": b"<x/>",
}


@st.composite
def upload_workbooks(draw: Any) -> Files:
    """A workbook of people, its cells, its XML, its parts or its bytes changed."""
    rows: list[list[Any]] = [list(row) for row in changed_rows(draw, draw(st.integers(1, 3)))]
    typed = st.one_of(
        st.dates(dt.date(1900, 1, 1)),
        st.datetimes(dt.datetime(1900, 1, 1)),
        st.integers(-(10**12), 10**12),
        st.floats(),
        st.booleans(),
        st.times(),
        st.timedeltas(),
    )
    for _ in range(draw(st.sampled_from((0, 0, 1, 3)))):
        row = draw(st.sampled_from(rows))
        if row:
            row[draw(st.integers(0, len(row) - 1))] = draw(typed)
    title = draw(st.sampled_from(("Upload", "Upload", "People", "\u202eX", "=1")))
    content = workbook_of(rows, title, draw(st.integers(0, 9)) == 0, draw(st.integers(0, 9)) == 0)
    how = draw(st.integers(0, 3))
    if how == 1:
        return {"upload.xlsx": damaged(draw, content)}
    if how > 1:
        parts = unzipped(content)
        if how == 2:
            name = draw(st.sampled_from(sorted(parts)))
            parts[name] = damaged(draw, parts[name])
        for old, new in draw(st.lists(st.sampled_from(SWAPS), max_size=2)):
            name = draw(st.sampled_from(sorted(parts)))
            parts[name] = parts[name].replace(old, new)
        for name in draw(st.lists(st.sampled_from(sorted(EXTRA)), max_size=1)):
            parts[name] = EXTRA[name]
        content = zipped(parts)
    return {"upload.xlsx": content}


REQUEST = {
    "id": '"harbour"',
    "release": '"2014-03"',
    "received": "2013-11-04",
    "organisation": '"Vorpalsen Trust"',
    "programme": '"Vorpalsen mentoring"',
    "sector": '"voluntary"',
    "intervention_type": '"mentoring"',
    "description": '"Vorpalsen mentoring in custody."',
    "selection": '"All who asked Vorpalsen."',
    "setting": '"custody"',
    "[data_sharing]": None,
    "signed_on": "2013-10-01",
    "signed_by_role": '"Vorpalsen officer"',
    "legal_basis": '"Vorpalsen task"',
    "[upload]": None,
    "date_format": '"ISO"',
    "[analysis]": None,
    "sex": '"all"',
    "oasys": "false",
    "subgroups": '["group_course"]',
    "follow_up_days": "365",
    "cautions": "false",
    "[method]": None,
    "balance_limit": '{value = 0.1, reason = "Vorpalsen reason"}',
    "added_terms": '{value = "I(age ** 2) + age:copas_rate", reason = "Vorpalsen reason"}',
    "[correction]": None,
    "of": '"2014-01"',
    "reason": '"Vorpalsen reason"',
    "on": "2014-02-01",
}
RELEASE = {
    "period_to": "2014-02-28",
    "published_at": "2014-03-13T09:30:00",
    "next_release": "2014-04-10",
    "vintage": '"made-up"',
    "lead_statistician": '"Vorpalsen head"',
    "contact": '"vorpalsen@example.org"',
    "pre_release": '["Vorpalsen secretary", "Press office"]',
    "service_update": '"Vorpalsen update."',
    "[sign_off]": None,
    "role": '"Vorpalsen head"',
    "on": "2014-03-12",
}
VINTAGE = {
    "name": '"made-up"',
    "extracted": "2013-10-01",
    "offences_to": "2013-06-30",
    "convictions_to": "2013-06-30",
    "synthetic": "true",
    "eligible_from": "2005-01-01",
    "employment_from": "2005-01-01",
    "employment_to": "2013-01-01",
}


def changed_form(draw: Any, form: dict[str, str | None]) -> bytes:
    """Return a TOML form with keys and values changed, doubled, moved, left out or added."""
    lines = [f"{key} = {value}" if value is not None else key for key, value in form.items()]
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 3)))):
        place = draw(st.integers(0, len(lines) - 1))
        how = draw(st.integers(0, 9))
        key = lines[place].partition(" =")[0]
        if how == 0:
            del lines[place]
        elif how == 1:
            lines.insert(place, draw(st.sampled_from(lines)))
        elif how == 2:
            name = draw(st.one_of(st.sampled_from(BAD_TEXTS), _anything))
            name = toml_text(name.encode("utf-8", "ignore").decode())
            lines.insert(place, f"{name} = {draw(_toml_values)}")
        elif how == 3:
            lines.insert(place, draw(_anything).encode("utf-8", "ignore").decode())
        elif how == 4:
            lines.insert(place, f"{key}.{draw(st.sampled_from('abc'))} = 1")
        elif "=" in lines[place]:
            lines[place] = f"{key} = {draw(_toml_values)}"
        lines = lines or ["#"]
    content = "\n".join(lines).encode()
    if draw(st.integers(0, 11)) == 0:
        first = draw(st.sampled_from((b"\xef\xbb\xbf", b"\xff\xfe", b"x = " + b"[" * 3000)))
        content = first + content
    return damaged(draw, content) if draw(st.integers(0, 9)) == 0 else content


LOG = {
    "id": "harbour",
    "organisation": "Vorpalsen Trust",
    "programme": "Vorpalsen mentoring",
    "sector": "voluntary",
    "intervention_type": "mentoring",
    "received": "2013-11-04",
    "status": "published",
    "status_date": "2014-01-02",
    "release": "2014-03",
    "reason": "",
    "extends": "",
    "outcomes_read": "2013-12-01",
    "treatment_n": "100",
    "rate_difference": "-0.05",
    "ci_low": "-0.09",
    "ci_high": "-0.01",
    "rate_result": "reduction",
    "frequency_result": "inconclusive",
}


def changed_log(draw: Any) -> bytes:
    """Return a log with some cells, headings and rows changed."""
    rows = [list(LOG), list(LOG.values()), ["older", *list(LOG.values())[1:10], "harbour"]]
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3)))):
        row = draw(st.integers(0, len(rows) - 1))
        how = draw(st.integers(0, 9))
        if how == 0:
            rows.append(list(rows[row]))
        elif how == 1:
            rows[row] = rows[row][: draw(st.integers(1, len(LOG)))]
        else:
            rows[row][draw(st.integers(0, len(rows[row]) - 1))] = draw(_values)
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    content = buffer.getvalue().encode("utf-8", "replace")
    return damaged(draw, content) if draw(st.integers(0, 7)) == 0 else content


@cache
def good_upload() -> bytes:
    """Return an upload of enough people."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(PERSON))
    writer.writeheader()
    writer.writerows(people(70))
    return buffer.getvalue().encode()


def form(keys: dict[str, str | None]) -> bytes:
    """Return a good form."""
    return "\n".join(
        key if value is None else f"{key} = {value}" for key, value in keys.items()
    ).encode()


def month_of(**files: bytes) -> Files:
    """Return a folder of requests, all good but for what is given."""
    return {
        "requests/harbour/request.toml": files.get("request", form(REQUEST)),
        "requests/harbour/upload.csv": files.get("upload", good_upload()),
        "requests/log.csv": files.get("log", _good_log()),
        "requests/releases/2014-03.toml": files.get("release", form(RELEASE)),
    }


@cache
def _good_log() -> bytes:
    return f"{','.join(LOG)}\n{','.join(LOG.values())}\n".encode()


@st.composite
def requests_changed(draw: Any) -> Files:
    """A month whose request.toml is changed."""
    return month_of(request=changed_form(draw, REQUEST))


@st.composite
def logs_changed(draw: Any) -> Files:
    """A month whose log is changed."""
    return month_of(log=changed_log(draw))


@st.composite
def releases_changed(draw: Any) -> Files:
    """A month whose release file is changed."""
    return month_of(release=changed_form(draw, RELEASE))


KINDS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "text": pa.string(),
    "date": pa.date32(),
    "integer": pa.int32(),
    "boolean": pa.bool_(),
}
GOOD: dict[str, Any] = {
    "text": "Vorpalsen",
    "date": dt.date(2010, 5, 1),
    "integer": 12,
    "boolean": True,
}
OTHER_TYPES = (
    *(pa.string(), pa.large_string(), pa.binary(), pa.int8(), pa.int64(), pa.uint64()),
    *(pa.float64(), pa.bool_(), pa.date32(), pa.date64(), pa.time64("us"), pa.timestamp("ns")),
    *(pa.timestamp("us", "Europe/London"), pa.decimal128(30, 4), pa.null(), pa.list_(pa.string())),
    *(pa.struct([("a", pa.string())]), pa.dictionary(pa.int32(), pa.string())),
    pa.map_(pa.string(), pa.int32()),
)
BAD_CELLS: dict[str, Sequence[Any]] = {
    "id": (None, "", "\x00", "x" * 10_000, "Vorpalsen"),
    "text": (None, "", "no such code", "\u202e", "<b>Vorpalsen</b>"),
    "date": (None, dt.date.min, dt.date.max, dt.date(1800, 1, 1)),
    "integer": (None, -(2**31), 2**31 - 1),
    "boolean": (None, False),
}


@cache
def national_table(name: str) -> pa.Table:
    """Return a small good table of the contract."""
    return pa.table(
        {
            key: pa.array([_value(column, row) for row in range(6)], KINDS[column.kind])
            for key, column in TABLES[name].columns.items()
        }
    )


def _value(column: Column, row: int) -> Any:
    if column.kind == "id":
        return f"Q{row}7654QQ"
    return column.codes[row % len(column.codes)] if column.codes else GOOD[column.kind]


def bytes_of(table: pa.Table, **how: Any) -> bytes:
    """Return a table as Parquet."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **how)
    return buffer.getvalue()


@cache
def good_vintage() -> tuple[tuple[str, bytes], ...]:
    """Return the files of a small good vintage."""
    tables = [(f"data/{name}.parquet", bytes_of(national_table(name))) for name in TABLES]
    return (("data/vintage.toml", form(VINTAGE)), *tables)


@st.composite
def vintages_changed(draw: Any) -> Files:
    """A vintage whose vintage.toml is changed."""
    return {**dict(good_vintage()), "data/vintage.toml": changed_form(draw, VINTAGE)}


@st.composite
def tables_changed(draw: Any) -> Files:
    """A vintage one of whose tables has other columns, types, values or bytes."""
    name = draw(st.sampled_from(sorted(TABLES)))
    table = national_table(name)
    for _ in range(draw(st.sampled_from((0, 1, 1, 2)))):
        key = draw(st.sampled_from(table.column_names or [""]))
        if key:
            table = changed_table(draw, table, key, TABLES[name].columns.get(key))
    if not table.num_columns:
        return {**dict(good_vintage()), f"data/{name}.parquet": b""}
    content = bytes_of(
        table,
        compression=draw(st.sampled_from(("none", "snappy", "zstd"))),
        row_group_size=draw(st.sampled_from((1, 4, 100))),
        version=draw(st.sampled_from(("1.0", "2.6"))),
        write_statistics=draw(st.booleans()),
    )
    how = draw(st.integers(0, 7))
    if how == 0:
        content = damaged(draw, content)
    elif how == 1:
        content = bytearray(content)
        for _ in range(draw(st.integers(1, 6))):
            content[-draw(st.integers(1, min(900, len(content))))] = draw(st.integers(0, 255))
        content = bytes(content)
    elif how == 2:
        content = draw(st.sampled_from((b"", b"PAR1", b"PAR1PAR1", b"a,b\n1,2\n", b"PARE" * 9)))
    return {**dict(good_vintage()), f"data/{name}.parquet": content}


def changed_table(draw: Any, table: pa.Table, key: str, column: Column | None) -> pa.Table:
    """Return a table with one thing about one column changed."""
    place = table.column_names.index(key)
    how = draw(st.integers(0, 7))
    if how == 0:
        return table.drop_columns([key])
    if how == 1:
        name = draw(st.sampled_from(("x", key.upper(), '"; DROP', "", *table.column_names)))
        names = [name if at == place else old for at, old in enumerate(table.column_names)]
        return table.rename_columns(names)
    if how == 2:
        return table.append_column(draw(st.sampled_from(("more", f"{key}_1"))), table[key])
    if how == 3:
        return table.slice(0, draw(st.integers(0, 1)))
    if how == 4:
        return pa.concat_tables([table, table])
    if how == 5:
        kind = draw(st.sampled_from(OTHER_TYPES))
        return table.set_column(place, key, pa.array([None] * len(table), kind))
    if column is None or not len(table):
        return table
    values = table[key].to_pylist()
    values[draw(st.integers(0, len(values) - 1))] = draw(st.sampled_from(BAD_CELLS[column.kind]))
    try:
        return table.set_column(place, key, pa.array(values, table[key].type))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return table


# Held against the commands


@dataclass
class Tally:
    """What became of the inputs of one kind."""

    ended: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """How many inputs there were."""
        return sum(self.ended.values())


Command = Callable[[Path], int]


def check(what: str, *options: str) -> Command:
    """Return the command that checks a part of the folder."""
    return lambda folder: cli.main(["check", str(folder / what), *options])


def as_run(folder: Path) -> int:
    """Read all that a month is made from, as `jdl run` and `jdl release` do before they start."""
    data = folder / "data"
    try:
        open_month("2014-03", Places(data, folder / "requests", folder / "outputs"))
    except Unusable as unusable:
        return cli._tell_faults(unusable.faults)
    except Refused as refused:
        sys.stderr.write(f"- {refused}: refused.\n")
        return 1
    return 0


def by_request(folder: Path) -> int:
    """Check a request, then read its month."""
    checked = cli.main(
        ["check", "harbour", "--requests", str(folder / "requests"), "--data", str(folder / "data")]
    )
    with contextlib.redirect_stderr(io.StringIO()):
        run = as_run(folder)
    if checked == 0 != run:
        raise AssertionError("check finds no fault, run does")
    return checked


INPUTS: dict[str, tuple[Any, tuple[Command, ...], float]] = {
    "upload, text": (
        upload_texts(),
        (check("upload.csv"), check("upload.csv", "--date-format", "DD/MM/YYYY")),
        0.35,
    ),
    "upload, workbook": (upload_workbooks(), (check("upload.xlsx"),), 0.2),
    "request.toml": (requests_changed(), (check("requests/harbour"), by_request), 0.15),
    "log.csv": (logs_changed(), (check("requests/log.csv"), check("requests"), as_run), 0.1),
    "release file": (releases_changed(), (check("requests/releases/2014-03.toml"), as_run), 0.05),
    "vintage.toml": (vintages_changed(), (check("data"),), 0.05),
    "Parquet table": (tables_changed(), (check("data"),), 0.1),
}
"""What makes each kind, what it is given to in turn, and its share."""


def hold(command: Command, files: Files, tally: Tally, folder: Path) -> None:
    """Give one input to a command, and keep how it ended and what was wrong."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    there = set(folder.rglob("*"))
    said, told = io.StringIO(), io.StringIO()
    status, got_out = -1, ""
    begun = time.monotonic()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        try:
            status = command(folder)
        except BaseException as error:  # whatever gets out of it is what is looked for
            got_out = f"{type(error).__name__} got out: {error}"
    output = said.getvalue() + told.getvalue()
    lines = told.getvalue().split("\n")[:-1]
    wrong = {
        got_out: bool(got_out),
        f"status {status}": status not in (0, 1, 2),
        "a traceback, or an unforeseen reason": re.search("Traceback|unforeseen", output),
        "a word of the input is told": CANARIES.search(output),
        "something besides faults is told": any(not TOLD.fullmatch(line) for line in lines),
        "a control character is told": CONTROL.search(output) or UNSEEN.search(output),
        "something is written": set(folder.rglob("*")) != there,
        "it took over half a minute": time.monotonic() - begun > 30,
    }
    tally.ended[status] += 1
    if found := [what for what, holds in wrong.items() if holds]:
        tally.failures.append(f"{'; '.join(found)}\n{output[:1500]}\n{_shown(files)}")


def _shown(files: Files) -> str:
    good = {**dict(good_vintage()), **month_of()}
    return "\n".join(
        f"{name}: {content[:3000]!r}"
        for name, content in files.items()
        if good.get(name) != content
    )


class _Enough(KeyboardInterrupt):
    """The time is over; Hypothesis lets only such an interruption through at once."""


def examine(kind: str, examples: int, seconds: float, number: int) -> Tally:
    """Make inputs of one kind and hold each against its commands in turn.

    Parameters
    ----------
    kind : str
        Of `INPUTS`.
    examples : int
        How many at most.
    seconds : float
        How long at most.
    number : int
        The seed.
    """
    strategy, commands, _ = INPUTS[kind]
    tally = Tally()
    begun = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="hostile-"))
    standing = {**month_of(), **dict(good_vintage())}

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def one(files: Files) -> None:
        if time.monotonic() - begun > seconds:
            raise _Enough
        folder = scratch / "one"
        needed = standing if any("/" in name for name in files) else {}
        hold(commands[tally.count % len(commands)], {**needed, **files}, tally, folder)
        if not needed:
            shutil.rmtree(folder)

    try:
        with warnings.catch_warnings(), contextlib.suppress(_Enough):
            warnings.simplefilter("always")
            one()
    finally:
        shutil.rmtree(scratch)
    tally.seconds = time.monotonic() - begun
    return tally


def main() -> None:
    """Make, hold, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=2014)
    parser.add_argument("--kinds", nargs="*", choices=list(INPUTS), default=list(INPUTS))
    given = parser.parse_args()
    failed = []
    print("| input | made | used | refused | failed | s |\n|---|---|---|---|---|---|")
    whole: Counter[str] = Counter()
    for kind in given.kinds:
        share = INPUTS[kind][2]
        tally = examine(kind, round(given.examples * share), given.minutes * 60 * share, given.seed)
        row = {
            "made": tally.count,
            "used": tally.ended[0],
            "refused": tally.ended[1] + tally.ended[2],
            "failed": len(tally.failures),
            "s": round(tally.seconds),
        }
        print(f"| {kind} | {' | '.join(f'{value:,}' for value in row.values())} |", flush=True)
        whole.update(row)
        failed += [f"{kind}: {failure}" for failure in tally.failures]
    print(f"| all | {' | '.join(f'{value:,}' for value in whole.values())} |")
    for failure in failed[:20]:
        sys.stderr.write(f"\n{failure}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
