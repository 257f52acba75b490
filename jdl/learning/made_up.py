"""Records of a few made-up people, so that the project's own functions can be checked by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from jdl import covariates, national, pseudonyms
from jdl.engines import Tables
from jdl.request import DataSharing, Request
from jdl.synthetic.tables import SCHEMAS
from jdl.upload import DATES

Row = dict[str, Any]
_BORN = "1980-01-01"
_TABLE = "table"


@dataclass(frozen=True)
class Records:
    """The national records of a few made-up people, who are known by their initials.

    Parameters
    ----------
    con : DuckDBPyConnection
        Holds the national tables, and everybody is their own pseudonym.
    vintage : Vintage
        Follows index dates up to the end of 2011.
    """

    con: Tables
    vintage: national.Vintage


def request(
    *, signed: bool = True, special_group: str | None = None, approved: bool = False
) -> Request:
    """Return the request of a choir that does not exist.

    Parameters
    ----------
    signed : bool
        Whether it has signed off that the data may be shared.
    special_group : str, optional
        A group with whom work needs approval.
    approved : bool
        Whether the approval was given.
    """
    day = dt.date(2014, 1, 6)
    return Request(
        folder=Path(),
        id="oak-lane-choir",
        release="2014-05",
        received=day,
        organisation="Oak Lane Trust",
        programme="Oak Lane Choir",
        sector="voluntary",
        intervention_type="arts",
        description="A choir that meets in prison once a week.",
        selection="Anyone who asked to join could join.",
        setting="custody",
        data_sharing=DataSharing(day, "Director", "Consent of each person") if signed else None,
        special_group=special_group,
        approved_on=day if approved else None,
    )


def people(took_part: Iterable[str], refused: Iterable[str] = ()) -> pd.DataFrame:
    """Return an upload, one row for each initial; equal initials are one person.

    Parameters
    ----------
    took_part, refused : iterable of str
        Initials, or other short names.
    """
    named = [(one, "started") for one in took_part] + [(one, "refused") for one in refused]
    rows = pd.DataFrame(named, columns=["forename", "participation"])
    return rows.assign(surname=rows["forename"], date_of_birth=pd.Timestamp(_BORN))


def model(values: Mapping[str, Mapping[str, tuple[float, float]]]) -> dict[str, Any]:
    """Return a linkage model, as ``linkage.train`` would learn one.

    Parameters
    ----------
    values : mapping of str to mapping of str to (float, float)
        By field and by level of agreement: m and u.
    """
    names = ("label_for_charts", "m_probability", "u_probability")
    comparisons = [
        {
            "output_column_name": field,
            "comparison_levels": [
                dict(zip(names, (level, m, u), strict=True)) for level, (m, u) in levels.items()
            ],
        }
        for field, levels in values.items()
    ]
    return {"comparisons": comparisons}


def stay(who: str, start: str, release: str, **more: Any) -> Row:
    """Return a sentence of custody, passed on its first day.

    Parameters
    ----------
    who : str
        The person's initial.
    start, release : str
        Days, ``YYYY-MM-DD``.
    **more
        Other columns of the table of disposals.
    """
    dates = {"custody_start": start, "release_date": release}
    return order(who, start, **{"disposal": "custody", "sentence_days": 365, **dates, **more})


def order(who: str, begun: str, end: str | None = None, **more: Any) -> Row:
    """Return a community order; see `stay`."""
    given = {"disposal": "community order", "offence_group": "theft", "order_end": end, **more}
    dates = {"conviction_date": begun, "sentence_date": begun}
    named = {"disposal_id": f"{who} {begun}", "offender_id": who}
    return {_TABLE: "disposals", **named, **dates, **given}


def offence(who: str, day: str, convicted: str) -> Row:
    """Return a proven offence; see `stay`."""
    given = {"offence_id": f"{who} {day}", "offender_id": who, "proven_by": "conviction"}
    dates = {"offence_date": day, "conviction_date": convicted}
    return {_TABLE: "offences", "offence_group": "theft", **given, **dates}


def person(who: str, **described: Any) -> Row:
    """Return what is on record of somebody who is not a man born in 1980; see `stay`."""
    return {_TABLE: "offenders", "offender_id": who, **described}


def records(*rows: Row) -> Records:
    """Open an engine on a few rows; whoever they name is a man born in 1980 unless it is said.

    Parameters
    ----------
    *rows : dict
        From `stay`, `order`, `offence` and `person`.
    """
    vintage = national.Vintage(
        folder=Path(),
        name="by hand",
        extracted=dt.date(2013, 10, 31),
        offences_to=dt.date(2013, 6, 30),
        convictions_to=dt.date(2013, 6, 30),
        synthetic=True,
        eligible_from=dt.date(2002, 1, 1),
        coverage={},
    )
    con = duckdb.connect(config={"threads": 1})
    described = {row["offender_id"]: row for row in rows if row[_TABLE] == "offenders"}
    man = {"sex": "male", "date_of_birth": _BORN}
    people = [
        {_TABLE: "offenders", **man, **described.get(who, {"offender_id": who})}
        for who in sorted({row["offender_id"] for row in rows})
    ]
    kept = [*people, *(row for row in rows if row[_TABLE] != "offenders")]
    for name in national.TABLES:
        _make(con, name, [row for row in kept if row[_TABLE] == name])
    con.execute(f"CREATE TABLE index_disposals AS {covariates.definition(vintage)}")
    return Records(_named(con), vintage)


def upload(starts: Mapping[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the upload and the links of people who are all found.

    Parameters
    ----------
    starts : mapping of str to str
        The day on which the intervention of each person started.

    Returns
    -------
    DataFrame
        As the notebook's ``upload.people``.
    DataFrame
        As its ``links.table``.
    """
    rows = pd.DataFrame({"row": range(2, len(starts) + 2), "source": "made up"})
    empty: dict[str, Any] = dict.fromkeys(DATES, pd.NaT)
    people = rows.assign(setting=None, participation="started", **empty)
    people["intervention_start"] = pd.to_datetime(list(starts.values()))
    links = rows.assign(person=range(len(starts)), offender_id=list(starts), decision="linked")
    return people, links


def _make(con: duckdb.DuckDBPyConnection, name: str, rows: list[Row]) -> None:
    schema = SCHEMAS[name]
    dates = {field.name for field in schema if pa.types.is_date(field.type)}
    plain = [{key: _value(row.get(key), key in dates) for key in schema.names} for row in rows]
    con.register("written", pa.Table.from_pylist(plain, schema))
    con.execute(f"CREATE TABLE {name} AS SELECT * FROM written")
    con.unregister("written")


def _value(value: Any, dated: bool) -> Any:
    return dt.date.fromisoformat(value) if dated and value is not None else value


def _named(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Let everybody be their own pseudonym: there is nobody to protect."""
    pseudonyms.begin(con)
    con.execute("CREATE OR REPLACE TEMP MACRO pseudonym(kind, id) AS id")
    con.execute("INSERT INTO known_people SELECT offender_id, offender_id FROM offenders")
    con.execute("INSERT INTO known_disposals SELECT disposal_id, disposal_id FROM disposals")
    return con
