"""The excerpt: one request's own small tables of what it has taken from the national data.

Rows are taken when a step of the analysis asks for them and not before, and no row twice. They
stand under the names of the tables they come from, in a private engine in memory, so that the SQL
of a request is written as if the whole tables were there and costs what its own rows cost.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa

from jdl.engines.engine import Engine
from jdl.national import open_engine

Kind = tuple[str, str | None]


class Excerpt:
    """The rows that one request has taken; it answers queries as a connection of DuckDB does.

    Parameters
    ----------
    engine : Engine
        Whence they are taken.
    rows : mapping of str to int
        How many rows each table has in all.
    """

    def __init__(self, engine: Engine, rows: Mapping[str, int]) -> None:
        self.engine, self.rows = engine, rows
        self.con = _private()
        self._spans: dict[Kind, tuple[dt.date, dt.date]] = {}
        self._brought: dict[str, set[str]] = defaultdict(set)

    def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Run a query on what was taken."""
        return self.con.execute(sql)

    def register(self, name: str, rows: Any) -> None:
        """Show a frame to queries."""
        self.con.register(name, rows)

    def unregister(self, name: str) -> None:
        """Show it no longer."""
        self.con.unregister(name)

    def close(self) -> None:
        """Forget everything."""
        self.con.close()
        self.engine.close()

    def bring(self, table: str, column: str, relation: str) -> None:
        """Take the rows of a table of whom a relation names, but those taken before."""
        known, others = f"brought_{table}_{column}", self._brought[table] - {column}
        self.execute(f"CREATE TEMP TABLE IF NOT EXISTS {known} (id VARCHAR)").fetchall()
        self.execute(f"""
            CREATE OR REPLACE TEMP TABLE asked AS
            SELECT DISTINCT {column} AS id FROM {relation} WHERE {column} IS NOT NULL
            EXCEPT FROM {known}""").fetchall()
        asked = self.con.sql("FROM asked").to_arrow_table()["id"].combine_chunks()
        if len(asked) or not self._holds(table):
            held = " ".join(
                f"ANTI JOIN brought_{table}_{one} AS {one}_held ON {one}_held.id = taken.{one}"
                for one in sorted(others)
            )
            self._add(table, self.engine.take(table, column, asked), held)
            self.execute(f"INSERT INTO {known} FROM asked").fetchall()
            self._brought[table].add(column)
        self.execute("DROP TABLE asked").fetchall()

    def pool(self, wanted: Mapping[Kind, tuple[dt.date, dt.date]]) -> None:
        """Take the eligible disposals of some kinds between two index dates, none of them twice.

        Parameters
        ----------
        wanted : mapping
            (disposal, sex or None) -> first and last index date.
        """
        pieces = []
        for kind, (first, last) in wanted.items():
            low, high = self._spans.get(kind, (last + _DAY, last))
            if first < low:
                pieces.append(_within(kind, first, low - _DAY))
            if last > high:
                pieces.append(_within(kind, high + _DAY, last))
            self._spans[kind] = (min(first, low), max(last, high))
        if pieces or not self._holds("index_disposals"):
            found = self.engine.select("index_disposals", " OR ".join(pieces) or "1 = 0")
            self._add("index_disposals", found, "ANTI JOIN index_disposals USING (disposal_id)")

    def _holds(self, table: str) -> bool:
        found = self.con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table])
        return bool(found.fetchall())

    def _add(self, table: str, rows: pa.Table, but: str) -> None:
        """Add rows to a table, but those that it holds already."""
        self.register("taken", rows)
        if self._holds(table):
            self.execute(f"INSERT INTO {table} SELECT taken.* FROM taken {but}").fetchall()
        else:
            self.execute(f"CREATE TABLE {table} AS FROM taken").fetchall()
        self.unregister("taken")


Tables = duckdb.DuckDBPyConnection | Excerpt
_MEMORY, _DISK = "4GB", "16GB"
_DAY = dt.timedelta(days=1)


def bring(con: Tables, relation: str, *tables: str, column: str = "offender_id") -> None:
    """See to it that tables hold the rows of whom a relation names.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        A plain connection holds the tables whole, and nothing is to be done.
    relation : str
        A table in `con` with the column.
    tables : str
        National or prepared tables.
    column : str
        Whose rows: ``offender_id`` or ``disposal_id``.
    """
    if isinstance(con, Excerpt):
        for table in tables:
            con.bring(table, column, relation)


def rows_of(con: Tables, table: str) -> int:
    """Return how many rows a national table has, however few of them were taken."""
    if isinstance(con, Excerpt):
        return con.rows[table]
    return int(con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _private() -> duckdb.DuckDBPyConnection:
    con = open_engine(disk=_DISK)
    con.execute(f"SET memory_limit = '{_MEMORY}'")
    return con


def _within(kind: Kind, first: dt.date, last: dt.date) -> str:
    disposal, sex = kind
    of_sex = "sex IS NULL" if sex is None else f"sex = '{sex}'"
    return (
        f"(disposal = '{disposal}' AND {of_sex}"
        f" AND index_date BETWEEN DATE '{first}' AND DATE '{last}')"
    )
