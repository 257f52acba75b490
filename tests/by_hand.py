"""National records made by hand: an engine that holds a few rows of each table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from plain_names import keep_names

from jdl import covariates, national, outcomes
from jdl.synthetic.tables import SCHEMAS

Row = dict[str, Any]


def vintage(**coverage: str) -> national.Vintage:
    """A vintage to the middle of 2013, with the coverage given."""
    return national.Vintage(
        folder=Path(),
        name="by hand",
        extracted=dt.date(2013, 10, 31),
        offences_to=dt.date(2013, 6, 30),
        convictions_to=dt.date(2013, 6, 30),
        synthetic=True,
        eligible_from=dt.date(2002, 1, 1),
        coverage={name: dt.date.fromisoformat(day) for name, day in coverage.items()},
    )


def order(name: str, day: str, who: str = "A", **more: Any) -> Row:
    """A community order."""
    given = {"disposal": "community order", "conviction_date": day, "sentence_date": day}
    return {"disposal_id": name, "offender_id": who, "offence_group": "theft"} | given | more


def custody(name: str, convicted: str, start: str, release: str, who: str = "A") -> Row:
    """A sentence of custody."""
    dates = {"conviction_date": convicted, "custody_start": start, "release_date": release}
    return order(name, convicted, who) | {"disposal": "custody", "sentence_days": 365} | dates


def offence(date: str, convicted: str, who: str = "A", **more: Any) -> Row:
    """A proven offence."""
    given = {"offence_date": date, "conviction_date": convicted, "proven_by": "conviction"}
    kind = {"court_outcome": "summary", "offence_group": "theft", "custodial": False}
    return {"offence_id": f"{who}{date}", "offender_id": who} | given | kind | more


def spell(start: str, end: str | None, who: str = "A", **more: Any) -> Row:
    """A time in work, on a benefit or in prison."""
    dates = {"start_date": start, "end_date": end, "start": start, "end": end}
    return {"offender_id": who, "benefit": "income support", "kind": "remand"} | dates | more


def assessment(day: str, who: str = "A", **scores: int) -> Row:
    """An OASys assessment."""
    return {"offender_id": who, "assessment_date": day, "ogrs": 50} | scores


def engine(of: national.Vintage | None = None, **tables: Iterable[Row]) -> Any:
    """Open an engine with the rows, and with what is prepared from them; people are men by default.

    Everybody named in a table is an offender, born in 1980.
    """
    given = {name: list(tables.get(name, ())) for name in national.TABLES}
    described = {row["offender_id"]: row for row in given["offenders"]}
    named = sorted({row["offender_id"] for rows in given.values() for row in rows})
    man = {"sex": "male", "date_of_birth": "1980-01-01"}
    given["offenders"] = [man | {"offender_id": who} | described.get(who, {}) for who in named]
    con = duckdb.connect(config={"threads": 1})
    for name, rows in given.items():
        schema = SCHEMAS[name]
        dates = {field.name for field in schema if field.type == "date32"}
        plain = [{key: _value(row.get(key), key in dates) for key in schema.names} for row in rows]
        con.register("written", pa.Table.from_pylist(plain, schema))
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM written")
    con.execute(f"CREATE TABLE index_disposals AS {covariates.definition(of or vintage())}")
    con.execute(f"CREATE TABLE outcomes AS {outcomes.definition()}")
    return keep_names(con)


def _value(value: Any, dated: bool) -> Any:
    return dt.date.fromisoformat(value) if dated and value is not None else value
