"""What an engine does: it writes what is prepared, and gives rows of the national data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

Progress = Callable[[str, float], None]


class Engine(Protocol):
    """Where the national tables and the prepared ones are asked.

    Every engine gives the same rows: integers, dates, booleans and text only, in any order, so that
    whoever takes them orders them. What needs a logarithm, or an order inside a list, is not asked
    here, for there engines differ.
    """

    @property
    def name(self) -> str:
        """Its name: ``duckdb`` or ``spark``."""

    def write(self, tables: Mapping[str, str], folder: Path, tell: Progress) -> dict[str, int]:
        """Make tables once per vintage.

        Parameters
        ----------
        tables : mapping of str to str
            Name -> SQL in the dialect of DuckDB. Each is seen by the later ones under its name.
        folder : Path
            Receives ``<name>.parquet`` of each, its rows in the order of the SQL.
        tell : callable
            Receives a table's name before it is made, and the share of the tables that are done.

        Returns
        -------
        dict of str to int
            How many rows each has.
        """

    def take(self, table: str, column: str, keys: pa.Array) -> pa.Table:
        """Take the rows of a national or prepared table whose column holds one of the keys.

        Parameters
        ----------
        table, column : str
        keys : pyarrow.Array
            Each once, none missing.

        Returns
        -------
        pyarrow.Table
        """

    def select(self, table: str, where: str) -> pa.Table:
        """Take the rows of a national or prepared table that a predicate keeps.

        Parameters
        ----------
        table : str
        where : str
            SQL that every engine understands: comparisons of columns with literals, joined by AND,
            OR and brackets.

        Returns
        -------
        pyarrow.Table
        """

    def close(self) -> None:
        """Let go of everything that is open."""
