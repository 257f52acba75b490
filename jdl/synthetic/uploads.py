"""Uploads as organisations really send them: slips, few ids, people whom the register lacks."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tomllib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from openpyxl import Workbook

from jdl.synthetic.people import CHECK_LETTERS, draw_people, names, plain, words_of
from jdl.synthetic.programmes import PLANS, POOLED, SHARES
from jdl.synthetic.tables import full_surname

STRANGERS_FROM = 500_000_000
POOLED_AGAIN = 12
DUPLICATES = 0.01
PNC_GIVEN, PNC_SLIP, PNC_WRONG_PERSON = 0.45, 0.04, 0.006
PRISON_NUMBER_GIVEN = 0.4
_FIXED_TIME = (2014, 1, 1, 0, 0, 0)
_KEYS = ("reference", "forename", "surname", "date_of_birth", "gender", "pnc_id", "prison_number")
_LAST = ("referral_route", "location", "participation")
_DATES = (
    "date_of_birth",
    "index_date",
    "conviction_date",
    "intervention_start",
    "intervention_end",
)
ROUTES = {
    "custody": ("prison officer", "self-referral", "offender manager", "chaplaincy"),
    "community": ("offender manager", "court", "self-referral", "another charity"),
}


@dataclass(frozen=True)
class Layout:
    """How an organisation writes its file.

    Parameters
    ----------
    kind : 'csv' or 'xlsx'
    delimiter, encoding : of a CSV file
    dates : columns of dates given beside the date of birth
    group : name and values of a column of its own, if any
    genders : how men and women are written
    setting : whether each row states its setting
    """

    kind: str = "csv"
    delimiter: str = ","
    encoding: str = "utf-8"
    dates: tuple[str, ...] = ("intervention_start", "intervention_end")
    group: tuple[str, tuple[str, ...]] | None = None
    genders: tuple[str, str] = ("Male", "Female")
    setting: bool = False


LAYOUTS: dict[str, Layout] = {
    "harbour-mentoring": Layout(group=("mentor", ("volunteer", "paid")), encoding="utf-8-sig"),
    "fresh-start-bootcamp": Layout(group=("wing", ("north", "south")), genders=("male", "female")),
    "clear-course": Layout(
        delimiter="\t", dates=("index_date", "intervention_start", "intervention_end")
    ),
    "womens-link": Layout(
        delimiter=";", encoding="cp1252", genders=("M", "F"), group=("centre", ("city", "coast"))
    ),
    "family-matters-2012": Layout(),
    "family-matters-2013": Layout("xlsx"),
    "family-matters-pooled": Layout(group=("prison_visits", ("yes", "no"))),
    "green-shoots": Layout(
        "xlsx",
        dates=("conviction_date", "intervention_start", "intervention_end"),
        group=("site", ("allotment", "nursery")),
        setting=True,
    ),
    "small-steps": Layout(dates=("conviction_date", "intervention_start")),
    "open-door": Layout(delimiter=";"),
    "north-star": Layout(genders=("male", "female")),
}


def uploads(
    seed: int, taken: pd.DataFrame, texts: dict[str, dict[str, Any]], slips: float = 1.0
) -> tuple[dict[str, tuple[str, bytes]], pd.DataFrame]:
    """Write the uploads of the example requests.

    Parameters
    ----------
    seed : int
    taken : DataFrame
        The participations: request, role, number, offender_id, disposal_id, names, dates (days),
        ids, place.
    texts : dict
        The ``request.toml`` of each request, whose date format and sheet the upload follows.
    slips : float
        By how much slips in names and dates of birth are more frequent than usual.

    Returns
    -------
    dict of request id to (file name, bytes)
    DataFrame
        Who is who: request, row, offender_id, disposal_id, role, errors (their kinds).
    """
    files, links = {}, []
    for name in PLANS:
        if name not in texts:
            continue
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        people = _gather(seed, name, taken)
        rows = [_row(rng, name, dict(person), slips) for person in people.to_dict("records")]
        rows = _shuffled(rng, _with_duplicates(rng, rows))
        for number, row in enumerate(rows):
            row["reference"] = f"{name[:2].upper()}{number + 1:04d}"
        places, file = _file(rng, LAYOUTS[name], rows, texts[name].get("upload", {}))
        files[name] = (f"upload.{LAYOUTS[name].kind}", file)
        links.append(_links(name, rows, places))
    return files, pd.concat(links, ignore_index=True)


def _gather(seed: int, name: str, taken: pd.DataFrame) -> pd.DataFrame:
    own = taken[taken["request"] == name]
    earlier = [
        taken[(taken["request"] == other) & (taken["role"] == "treated")].sort_values("number")[
            :POOLED_AGAIN
        ]
        for other in POOLED.get(name, ())
    ]
    return pd.concat([own, *earlier, _strangers(seed, name, own)], ignore_index=True)


def _strangers(seed: int, name: str, own: pd.DataFrame) -> pd.DataFrame:
    """People whom the register does not hold, with dates like the others'."""
    n = round(len(own) * SHARES["not in register"] / (1 - SHARES["not in register"]))
    women = PLANS[name].sex == "female"
    pool = draw_people(
        seed, STRANGERS_FROM + zlib.crc32(name.encode()) % 10**6 * 100 + np.arange(12 * n + 12)
    )
    adult = pool.birth < np.datetime64("1988-01-01").astype("datetime64[D]").astype(np.int64)
    fitting = np.flatnonzero(adult & (pool.female == women))[:n]
    words = {
        "forename": words_of(pool.forename).to_pylist(),
        "middle": words_of(pool.middle).to_pylist(),
        "surname": full_surname(pool).to_pylist(),
    }
    like = own.iloc[np.arange(n) % len(own)][
        ["start", "end", "index", "conviction", "place"]
    ].reset_index(drop=True)
    return like.assign(
        request=name,
        role="not in register",
        birth=pool.birth[fitting],
        female=pool.female[fitting],
        culture=pool.culture[fitting],
        **{key: [values[i] for i in fitting] for key, values in words.items()},
    )


def _row(
    rng: np.random.Generator, name: str, person: dict[Any, Any], slips: float
) -> dict[str, Any]:
    """Write one person's row, with slips; keys with an underscore are truth, not upload."""
    plan, layout = PLANS[name], LAYOUTS[name]
    person = {
        key: None if value is None or value != value else value for key, value in person.items()
    }
    noisy = int(rng.integers(-6, 7)) if rng.random() < 0.10 else 0
    start = int(person["start"]) + noisy
    known = person["index"] is not None
    row: dict[str, Any] = {
        "forename": person["forename"] or "",
        "surname": person["surname"] or "",
        "date_of_birth": _date(person["birth"]),
        "gender": layout.genders[int(person["female"])],
        "pnc_id": None,
        "prison_number": None,
        "index_date": _date(person["index"]) if known and rng.random() > 0.05 else None,
        "conviction_date": _date(person["conviction"]) if known and rng.random() > 0.15 else None,
        "intervention_start": _date(start),
        "intervention_end": _date(max(int(person["end"]), start)) if rng.random() > 0.03 else None,
        "setting": plan.setting,
        "referral_route": str(rng.choice(ROUTES[plan.setting])),
        "location": person["place"],
        "participation": "refused" if person["role"] == "refused" else _taken_part(rng),
        "_offender_id": person.get("offender_id"),
        "_disposal_id": person.get("disposal_id"),
        "_role": person["role"],
        "_errors": [],
    }
    if layout.group:
        row[f"group_{layout.group[0]}"] = str(rng.choice(layout.group[1]))
    slip(rng, row, person, slips)
    give_ids(rng, row, person)
    return row


def _taken_part(rng: np.random.Generator) -> str | None:
    return str(rng.choice(["completed", "started", ""], p=[0.68, 0.27, 0.05])) or None


def _date(days: Any) -> dt.date | None:
    return None if days is None else dt.date(1970, 1, 1) + dt.timedelta(days=int(days))


def slip(
    rng: np.random.Generator,
    row: dict[str, Any],
    person: dict[str, Any],
    often: Mapping[str, float] | float = 1.0,
) -> None:
    """Put in the slips of section 3 of the linkage notes, each with its own chance.

    Parameters
    ----------
    rng : numpy Generator
    row : dict
        forename, surname, date_of_birth as the register has them, and ``_errors``, a list that
        receives the kinds of slip; changed in place.
    person : dict
        female, culture, middle, alias_forename and alias_surname.
    often : float or mapping of kind to factor
        By how much slips, or those of a kind, are more frequent than here.
    """
    slips = {
        "alias": (0.055, _use_alias),
        "changed surname": (0.11 if person["female"] else 0.0, _changed_surname),
        "nickname": (0.095, _nickname),
        "forename slip": (0.036, lambda r, w, p: _slip_in(r, w, "forename")),
        "surname slip": (0.042, lambda r, w, p: _slip_in(r, w, "surname")),
        "middle name": (0.06, _middle),
        "double-barrelled": (0.016, _double),
        "initial": (0.02, _initial),
        "swapped": (0.012, _swapped),
        "day and month": (0.034, _day_month),
        "digit": (0.022, _digit),
        "first of January": (0.009, _january),
        "no date of birth": (0.02, _no_birth),
    }
    factors = often if isinstance(often, Mapping) else dict.fromkeys(slips, often)
    for kind, (chance, make) in slips.items():
        before = (row["forename"], row["surname"], row["date_of_birth"])
        if rng.random() < chance * factors.get(kind, 1.0):
            make(rng, row, person)
        if (row["forename"], row["surname"], row["date_of_birth"]) != before:
            row["_errors"].append(kind)


def _use_alias(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["forename"] = person.get("alias_forename") or row["forename"]
    row["surname"] = person.get("alias_surname") or row["surname"]


def _another_surname(rng: np.random.Generator, person: dict[str, Any]) -> str:
    words, cdf = names().surnames[int(person["culture"] or 0)]
    return str(words_of(words[[int(np.searchsorted(cdf, rng.random()))]])[0])


def _changed_surname(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["surname"] = _another_surname(rng, person)


def _double(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["surname"] = f"{row['surname']}-{_another_surname(rng, person)}"


def _nickname(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["forename"] = _short_forms().get(row["forename"].title(), row["forename"])


def _short_forms() -> dict[str, str]:
    words = names().words
    half = names().plain
    short = names().nicknames
    return {
        str(words[k]): str(words[int(short[k])])
        for k in np.flatnonzero(short != np.arange(half)).tolist()
    }


def _slip_in(rng: np.random.Generator, row: dict[str, Any], key: str) -> None:
    word = row[key]
    if len(word) < 3:
        return
    at = int(rng.integers(1, len(word) - 1))
    letter = "aeioulnrst"[int(rng.integers(10))]
    kinds = (
        word[:at] + word[at + 1 :],
        word[:at] + letter + word[at:],
        word[:at] + letter + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    row[key] = kinds[int(rng.integers(4))]


def _middle(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    if person["middle"]:
        row["forename"] = f"{row['forename']} {person['middle']}"


def _initial(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["forename"] = row["forename"][:1]


def _swapped(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["forename"], row["surname"] = row["surname"], row["forename"]


def _day_month(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    birth = row["date_of_birth"]
    if birth and birth.day <= 12:
        row["date_of_birth"] = dt.date(birth.year, birth.day, birth.month)


def _digit(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    birth = row["date_of_birth"]
    if not birth:
        return
    step = int(rng.choice([-10, -1, 1, 10])) if rng.random() < 0.5 else 0
    if step and 1925 <= birth.year + step <= 1990:
        row["date_of_birth"] = dt.date(birth.year + step, birth.month, min(birth.day, 28))
    else:
        row["date_of_birth"] = dt.date(
            birth.year, birth.month, (birth.day + int(rng.choice([1, 2, 10]))) % 28 + 1
        )


def _january(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    if row["date_of_birth"]:
        row["date_of_birth"] = dt.date(row["date_of_birth"].year, 1, 1)


def _no_birth(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    row["date_of_birth"] = None


def give_ids(rng: np.random.Generator, row: dict[str, Any], person: dict[str, Any]) -> None:
    """Give some rows a PNC id or prison number, now and then a wrong one.

    Parameters
    ----------
    rng : numpy Generator
    row : dict
        Receives pnc_id and prison_number, and kinds of slip in ``_errors``; changed in place.
    person : dict
        pnc_id and prison_number of the register.
    """
    pnc = person.get("pnc_id")
    if pnc and rng.random() < PNC_GIVEN:
        u = rng.random()
        if u < PNC_WRONG_PERSON:
            pnc = _other_pnc(rng)
            row["_errors"].append("somebody else's PNC id")
        elif u < PNC_WRONG_PERSON + PNC_SLIP:
            at = 5 + int(rng.integers(7))
            pnc = pnc[:at] + str((int(pnc[at]) + 1 + int(rng.integers(8))) % 10) + pnc[at + 1 :]
            row["_errors"].append("PNC id slip")
        row["pnc_id"] = _pnc_form(rng, pnc)
    prison = person.get("prison_number")
    if prison and rng.random() < PRISON_NUMBER_GIVEN:
        row["prison_number"] = prison if rng.random() < 0.9 else prison.lower()


def _other_pnc(rng: np.random.Generator) -> str:
    year, serial = int(rng.integers(1986, 2010)), int(rng.integers(10**7))
    return f"{year}/{serial:07d}{CHECK_LETTERS[(year % 100 * 10**7 + serial) % 23]}"


def _pnc_form(rng: np.random.Generator, pnc: str) -> str:
    year, rest = pnc.split("/")
    forms = (
        pnc,
        f"{year[2:]}/{rest}",
        f"{year[2:]}/{rest.lstrip('0')}",
        f"{year}{rest}",
        f"{year} / {rest}",
        pnc.lower(),
    )
    return forms[int(rng.choice(6, p=[0.55, 0.15, 0.1, 0.1, 0.05, 0.05]))]


def _with_duplicates(rng: np.random.Generator, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Enter one row in a hundred again, never word for word."""
    again = []
    twice = min(len(rows), max(1, round(DUPLICATES * len(rows))))
    for at in rng.permutation(len(rows))[:twice]:
        row = {**rows[at], "_errors": [*rows[at]["_errors"], "entered twice"]}
        if rng.random() < 0.5:
            row["intervention_start"] += dt.timedelta(days=3)
            end = row["intervention_end"]
            row["intervention_end"] = end and max(end, row["intervention_start"]) + dt.timedelta(
                days=2
            )
        else:
            row["surname"] = f"{row['surname']}s"
        again.append(row)
    return rows + again


def _shuffled(rng: np.random.Generator, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rows[k] for k in rng.permutation(len(rows))]


def _file(
    rng: np.random.Generator, layout: Layout, rows: list[dict[str, Any]], upload: dict[str, Any]
) -> tuple[list[int], bytes]:
    """Lay out the rows; return the spreadsheet row of each, and the file."""
    columns = [*_KEYS, *layout.dates, *(("setting",) if layout.setting else ()), *_LAST]
    columns += [f"group_{layout.group[0]}"] if layout.group else []
    form = upload.get("date_format", "YYYY-MM-DD")
    lines: list[list[Any]] = [columns]
    places = []
    for row in rows:
        if rng.random() < 0.006:
            lines.append([""] * len(columns))
        lines.append([_cell(rng, layout, key, row.get(key), form) for key in columns])
        places.append(len(lines))
    if layout.kind == "csv":
        return places, _csv([*lines, [""] * len(columns)], layout)
    return places, _xlsx(lines, upload["sheet"])


def _cell(rng: np.random.Generator, layout: Layout, key: str, value: Any, form: str) -> Any:
    if value is None:
        return None if layout.kind == "xlsx" else ""
    if key in _DATES:
        real_date = layout.kind == "xlsx" and (key != "date_of_birth" or rng.random() < 0.7)
        return value if real_date else _written_date(value, form)
    if layout.encoding == "cp1252":
        value = value.encode("cp1252", "ignore").decode("cp1252") if _fits(value) else plain(value)
    if key in ("forename", "surname"):
        u = rng.random()
        forms = (f" {value}", f"{value} ", value.upper(), value)
        return forms[int(np.searchsorted((0.02, 0.06, 0.16), u))]
    return value


def _fits(value: str) -> bool:
    return value == value.encode("cp1252", "ignore").decode("cp1252")


def _written_date(value: dt.date, form: str) -> str:
    parts = {"YYYY": f"{value.year:04d}", "MM": f"{value.month:02d}", "DD": f"{value.day:02d}"}
    return re.sub("YYYY|MM|DD", lambda match: parts[match.group()], form)


def _csv(lines: list[list[Any]], layout: Layout) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=layout.delimiter, lineterminator="\r\n").writerows(lines)
    return text.getvalue().encode(layout.encoding)


def _xlsx(lines: list[list[Any]], sheet: str) -> bytes:
    book = Workbook()
    cover = book.worksheets[0]
    cover.title = "Read me"
    cover["A1"] = "Data upload"
    cover["A2"] = "The people we worked with are on the next sheet."
    page = book.create_sheet(sheet)
    for line in lines:
        page.append(line)
    for cells in page.iter_rows(min_row=2):
        for cell in cells:
            if isinstance(cell.value, dt.date):
                cell.number_format = "DD/MM/YYYY"
    raw = io.BytesIO()
    book.save(raw)
    return _without_times(raw.getvalue())


def _without_times(raw: bytes) -> bytes:
    """Pack a workbook again with fixed times, so that the same content gives the same bytes."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(raw)) as old,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in sorted(old.namelist()):
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT[\d:.]+Z", b"2014-01-01T00:00:00Z", part)
            entry = zipfile.ZipInfo(name, _FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, part)
    return packed.getvalue()


def _links(name: str, rows: list[dict[str, Any]], places: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "request": name,
            "row": places,
            "offender_id": [row["_offender_id"] for row in rows],
            "disposal_id": [row["_disposal_id"] for row in rows],
            "role": [row["_role"] for row in rows],
            "errors": ["; ".join(row["_errors"]) for row in rows],
        }
    )


def read_texts(requests: Path) -> dict[str, dict[str, Any]]:
    """Read every ``request.toml`` of a requests folder."""
    return {
        file.parent.name: tomllib.loads(file.read_text(encoding="utf-8"))
        for file in sorted(requests.glob("*/request.toml"))
    }
