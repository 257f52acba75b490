"""Made-up uploads, requests and logs for the tests, and what no message may ever hold."""

import csv
import datetime as dt
import io
from pathlib import Path

import openpyxl

from jdl.faults import Fault

PERSON = {
    "reference": "Ref-7731",
    "forename": "Quillon",
    "surname": "Zanthrop",
    "date_of_birth": "1980-02-23",
    "gender": "male",
    "pnc_id": "2003/0123456X",
    "prison_number": "A1234BC",
    "intervention_start": "2010-03-21",
    "intervention_end": "2010-04-22",
    "participation": "completed",
}
RECEIVED = dt.date(2013, 11, 4)

REQUEST = """
id = "{id}"
release = "2014-03"
received = 2013-11-04
organisation = "Harbour Trust"
programme = "Harbour mentoring"
sector = "voluntary"
intervention_type = "mentoring"
description = "Mentoring in custody."
selection = "All who asked."
setting = "custody"
{top}
[data_sharing]
signed_on = 2013-10-01
signed_by_role = "Data protection officer"
legal_basis = "Public task"
{rest}
"""


class Dated(int):
    """A number that a workbook shows as a date."""


def people(count: int, **changes: object) -> list[dict[str, object]]:
    """Return rows of different people."""
    syllables = ("ba", "ko", "ri", "mu", "te", "la", "so", "ni", "du", "pe")
    return [
        {
            **PERSON,
            "reference": f"Ref-{number}",
            "forename": "Quillon" + syllables[number % 10] + syllables[number // 10 % 10],
            "surname": "Zanthrop" + syllables[number // 100],
            **changes,
        }
        for number in range(count)
    ]


def text(rows: list[dict[str, object]], delimiter: str = ",") -> str:
    """Return rows as delimited text with a header."""
    buffer = io.StringIO()
    header = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, header, delimiter=delimiter, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def workbook(sheets: dict[str, list[list[object]]]) -> bytes:
    """Return an XLSX workbook."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append([int(value) if isinstance(value, Dated) else value for value in row])
            for place, value in enumerate(row, start=1):
                if isinstance(value, Dated):
                    sheet.cell(sheet.max_row, place).number_format = "dd/mm/yyyy"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def table(rows: list[dict[str, object]]) -> list[list[object]]:
    """Return rows as a header and cells."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    return [header, *([row.get(name) for name in header] for row in rows)]


def write_request(
    folder: Path, *, top: str = "", rest: str = "", toml: str = REQUEST, upload: str | None = None
) -> Path:
    """Write a request's folder; its id is the folder's name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "request.toml").write_text(
        toml.replace("{id}", folder.name).replace("{top}", top).replace("{rest}", rest),
        encoding="utf-8",
    )
    if upload is not None:
        (folder / "upload.csv").write_text(upload, encoding="utf-8")
    return folder


def assert_silent(faults: list[Fault], *cells: object) -> None:
    """Hold that no message says what a cell holds."""
    said = "\n".join(str(fault) for fault in faults).casefold()
    known = ("male", "female", "completed", "started", "refused", "custody", "row")
    for cell in (*PERSON.values(), *cells):
        told = str(cell).strip().casefold()
        assert len(told) < 4 or told in known or told not in said, "a message holds a cell"
