"""DuckDB, the engine that is part of the program: it reads the files where they lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from jdl.engines.engine import Progress
from jdl.engines.layout import LOOKED_UP, Layout, number
from jdl.national import DISK, MEMORY, TABLES, Vintage, open_engine, parquet, quoted


@dataclass(frozen=True)
class DuckDB:
    """A connection on the national tables and on what is prepared from them.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Of its own: closed with the engine.
    vintage : Vintage or None
        Whose tables are opened when first asked for; None where `con` holds them all.
    layout : Layout or None
        Where rows are found without reading a table; None where there is none.
    """

    con: duckdb.DuckDBPyConnection
    vintage: Vintage | None = None
    layout: Layout | None = None
    name: str = "duckdb"

    @classmethod
    def to_prepare(cls, vintage: Vintage) -> DuckDB:
        """Open the engine for the preparation: every core, and bounded memory."""
        con = vintage.connect(os.cpu_count() or 1, DISK)
        con.execute(f"SET memory_limit = '{MEMORY}'")
        return cls(con)

    @classmethod
    def to_ask(cls, vintage: Vintage) -> DuckDB:
        """Open the engine for a request: one thread, on national and prepared tables."""
        return cls(open_engine(), vintage, Layout(vintage.prepared))

    def write(self, tables: Mapping[str, str], folder: Path, tell: Progress) -> dict[str, int]:
        """See `Engine`."""
        rows = {}
        for done, (name, sql) in enumerate(tables.items()):
            tell(name, done / len(tables))
            file = folder / f"{name}.parquet"
            self.con.execute(f"COPY ({sql}) TO '{quoted(file)}' (FORMAT parquet, COMPRESSION zstd)")
            self.show(name, file)
            rows[name] = self.rows(name)
        return rows

    def take(self, table: str, column: str, keys: pa.Array) -> pa.Table:
        """See `Engine`."""
        self.con.register("asked", pa.table({column: keys}))
        whole = self.layout is None or column not in LOOKED_UP.get(table, ())
        source = self._seen(table) if whole else self._laid_out(table, column)
        found = self.con.sql(f"FROM {source} SEMI JOIN asked USING ({column})").to_arrow_table()
        self.con.unregister("asked")
        self.con.unregister("met")
        return found

    def _laid_out(self, table: str, column: str) -> str:
        assert self.layout is not None
        numbers = self.con.sql(f"SELECT DISTINCT {number(column)} AS n FROM asked ORDER BY n")
        self.con.register("met", self.layout.take(table, column, numbers.fetchnumpy()["n"]))
        return "met"

    def select(self, table: str, where: str) -> pa.Table:
        """See `Engine`."""
        return self.con.sql(f"FROM {self._seen(table)} WHERE {where}").to_arrow_table()

    def show(self, name: str, file: Path) -> None:
        """Give a Parquet file a name in queries."""
        self.con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {parquet(file)}")

    def rows(self, name: str) -> int:
        """Return how many rows a table has."""
        return int(self.con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])

    def close(self) -> None:
        """See `Engine`."""
        self.con.close()

    def _seen(self, table: str) -> str:
        """Open a table when it is first asked for: most requests ask for few."""
        known = "SELECT 1 FROM duckdb_views() WHERE view_name = ?"
        if self.vintage is None or self.con.execute(known, [table]).fetchall():
            return table
        if table in TABLES:
            self.vintage.show(self.con, table)
        else:
            self.show(table, self.vintage.prepared / f"{table}.parquet")
        return table
