"""Rows laid out to be found: a memory-mapped file of a table, and where in it each key stands.

A request looks up a few thousand of many million keys. Read as Parquet, that takes every key of the
table; here it takes a binary search and the pages that hold the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jdl.national import TABLES

_BATCH = 1 << 20
_KEYS = ("tight_keys", "wide_keys", "name_keys", "undated_keys")
LOOKED_UP: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(TABLES, ("offender_id",)),
    "names": ("name_id", "offender_id"),
    "outcomes": ("disposal_id",),
    **dict.fromkeys(_KEYS, ("key",)),
}
"""The tables that are laid out, and the columns by which their rows are found."""
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """A folder with tables laid out.

    Parameters
    ----------
    folder : Path
        Holds for each table ``<table>.arrow``, its rows in their order, in batches that begin where
        ``<table>.batches.npy`` says, and for each column by which they are found the runs of equal
        values: ``<table>.<column>.npy``, the numbers that stand for the values, rising, and
        ``<table>.<column>.rows.npy``, the first row of each run and how many it has. Of a table of
        blocking keys, which are numbers and in order, it holds the two columns.
    """

    folder: Path

    def lay_out(self, con: duckdb.DuckDBPyConnection, table: str) -> None:
        """Lay a table out.

        Parameters
        ----------
        con : duckdb.DuckDBPyConnection
            Holds the table.
        table : str
            One of ``LOOKED_UP``.
        """
        if table in _KEYS:
            self._lay_keys_out(con, table)
            return
        numbers = [f"{number(column)} AS _{column}" for column in LOOKED_UP[table]]
        sql = f"SELECT {_coded(table)}, {', '.join(numbers)} FROM {table}"
        found: dict[str, list[npt.NDArray[np.uint64]]] = {name: [] for name in LOOKED_UP[table]}
        sizes: list[int] = []
        with con.sql(sql).to_arrow_reader(_BATCH) as read:
            kept = read.schema.names[: -len(numbers)]
            schema = pa.schema([read.schema.field(name) for name in kept])
            with pa.ipc.new_file(self.folder / f"{table}.arrow", schema) as sink:
                for batch in read:
                    sink.write_batch(batch.select(kept))
                    sizes.append(len(batch))
                    for column, parts in found.items():
                        parts.append(batch.column(f"_{column}").to_numpy().astype("<u8"))
        for column, parts in found.items():
            value, rows = _runs(np.concatenate([np.empty(0, "<u8"), *parts]))
            np.save(self._file(table, column), value)
            np.save(self._file(table, f"{column}.rows"), rows)
        np.save(self._file(table, "batches"), np.cumsum([0, *sizes]))

    def take(self, table: str, column: str, wanted: npt.NDArray[np.uint64]) -> pa.Table:
        """Return rows by the numbers that stand for the values of a column.

        Parameters
        ----------
        table, column : str
            Of ``LOOKED_UP``.
        wanted : array of int
            See `number`.

        Returns
        -------
        pyarrow.Table
            Every row with one of the values; once in many million years one with another that has
            the same number.
        """
        runs = self._runs_of(table, column, wanted)
        if table in _KEYS:
            return pa.table({name: self._array(table, name)[runs] for name in ("key", "name_id")})
        rows = self._array(table, f"{column}.rows")[runs].astype("<i8")
        batches = self._batches(table, np.sort(_spread(rows[:, 0], rows[:, 1])))
        with pa.memory_map(str(self.folder / f"{table}.arrow")) as mapped:
            schema = pa.ipc.open_file(mapped).schema
        return pa.Table.from_batches(batches, schema)

    def _runs_of(self, table: str, column: str, wanted: npt.NDArray[np.uint64]) -> Rows:
        values = self._array(table, column)
        sought = wanted.astype("<u8")
        low, high = (np.searchsorted(values, sought, side) for side in ("left", "right"))
        return _spread(low, high - low)

    def _batches(self, table: str, rows: Rows) -> Iterator[pa.RecordBatch]:
        """Copy rows out, one batch mapped at a time so that few pages stay in memory."""
        starts = self._array(table, "batches")
        numbers = np.searchsorted(starts, rows, "right") - 1
        for one in np.unique(numbers):
            with pa.memory_map(str(self.folder / f"{table}.arrow")) as mapped:
                batch = pa.ipc.open_file(mapped).get_batch(int(one))
                yield batch.take(pa.array(rows[numbers == one] - starts[one]))

    def _lay_keys_out(self, con: duckdb.DuckDBPyConnection, table: str) -> None:
        count = con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
        for column, kind in (("key", "<u8"), ("name_id", "<i4")):
            file = self._file(table, column)
            array = np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=(count,))
            at = 0
            for batch in con.sql(f"SELECT {column} FROM {table}").to_arrow_reader(_BATCH):
                array[at : at + len(batch)] = batch.column(0).to_numpy()
                at += len(batch)
            array.flush()

    def _array(self, table: str, name: str) -> npt.NDArray[np.generic]:
        return np.asarray(np.load(self._file(table, name), mmap_mode="r"))

    def _file(self, table: str, name: str) -> Path:
        return self.folder / f"{table}.{name}.npy"


def number(column: str) -> str:
    """Return SQL: the number that stands for a value of a column by which rows are found."""
    return column if column in ("name_id", "key") else f"md5_number_lower({column})"


def _coded(table: str) -> str:
    """SQL: the columns of a table; of a code only its place in the list is stored."""
    columns = TABLES[table].columns if table in TABLES else {}
    lists = {name: one.codes for name, one in columns.items() if one.codes}
    coded = ", ".join(
        f"{name}::ENUM({', '.join(map(repr, codes))}) AS {name}" for name, codes in lists.items()
    )
    return f"* REPLACE ({coded})" if coded else "*"


def _runs(values: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    """Runs of equal values in the order of the values: the value, its first row, how many rows."""
    first = np.append(np.arange(len(values) > 0), np.flatnonzero(values[1:] != values[:-1]) + 1)
    many = np.diff(np.append(first, len(values)))
    order = np.argsort(values[first], kind="stable")
    return values[first][order], np.column_stack([first, many])[order].astype("<u4")


def _spread(first: Rows, many: Rows) -> Rows:
    """Every number of stretches, told by their first number and how many they hold."""
    return np.asarray(np.repeat(first - np.cumsum(many) + many, many) + np.arange(many.sum()))
