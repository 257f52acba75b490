"""DuckDB, the engine that is part of the program: it reads Parquet where it lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from jdl.engines.engine import Progress
from jdl.national import Vintage, parquet, quoted

MEMORY = "4GB"


@dataclass(frozen=True)
class DuckDB:
    """A connection that holds the national tables and what is prepared from them.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Of its own: closed with the engine.
    """

    con: duckdb.DuckDBPyConnection
    name: str = "duckdb"

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
        found = self.con.sql(f"FROM {table} SEMI JOIN asked USING ({column})").to_arrow_table()
        self.con.unregister("asked")
        return found

    def select(self, table: str, where: str) -> pa.Table:
        """See `Engine`."""
        return self.con.sql(f"FROM {table} WHERE {where}").to_arrow_table()

    def show(self, name: str, file: Path) -> None:
        """Give a Parquet file a name in queries."""
        self.con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {parquet(file)}")

    def rows(self, name: str) -> int:
        """Return how many rows a table has."""
        return int(self.con.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0])

    def close(self) -> None:
        """See `Engine`."""
        self.con.close()

    @classmethod
    def to_prepare(cls, vintage: Vintage) -> DuckDB:
        """Open the engine for the preparation: every core, and bounded memory."""
        con = vintage.connect(threads=os.cpu_count() or 1)
        con.execute(f"SET memory_limit = '{MEMORY}'")
        return cls(con)

    @classmethod
    def to_ask(cls, vintage: Vintage) -> DuckDB:
        """Open the engine for a request: one thread, on national and prepared tables."""
        engine = cls(vintage.connect(threads=1))
        for file in sorted(vintage.prepared.glob("*.parquet")):
            engine.show(file.stem, file)
        return engine
