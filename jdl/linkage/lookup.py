"""Look names up by key: in memory-mapped files that are read only where asked, or else in SQL.

The SQL way reads every key of the register for every request; the mapped way a few pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from jdl.linkage.names import PERSON
from jdl.linkage.register import Register

KEYS = ("tight_keys", "wide_keys", "name_keys", "undated_keys")
NAME_COLUMNS = ("name_id", *PERSON, "offender_id", "is_alias", "aliases")
_ROWS, _MAPPED = 65_536, 8


def lay_out(folder: Path) -> None:
    """Lay prepared keys and names out to be mapped.

    Parameters
    ----------
    folder : Path
        Holds ``<table>.parquet`` of ``PREPARED``; receives for each table of keys two arrays,
        ``<table>.key.npy`` (sorted) and ``<table>.name_id.npy``, and ``names.arrow``, where the
        name with name_id n is row n.
    """
    for table in KEYS:
        source = pq.ParquetFile(folder / f"{table}.parquet")
        for column, kind in (("key", "<u8"), ("name_id", "<i4")):
            shape = (source.metadata.num_rows,)
            file = folder / f"{table}.{column}.npy"
            array = np.lib.format.open_memmap(file, mode="w+", dtype=kind, shape=shape)
            at = 0
            for batch in source.iter_batches(columns=[column]):
                array[at : at + len(batch)] = batch.column(0).to_numpy()
                at += len(batch)
            array.flush()
    source = pq.ParquetFile(folder / "names.parquet")
    chosen = source.schema_arrow.empty_table().select(NAME_COLUMNS).schema
    with pa.ipc.new_file(folder / "names.arrow", chosen) as sink:
        for batch in source.iter_batches(batch_size=_ROWS, columns=list(NAME_COLUMNS)):
            sink.write_batch(batch.select(NAME_COLUMNS))


def look_up(register: Register, ours: Mapping[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    """Find the names that share a key with somebody.

    Parameters
    ----------
    register : Register
    ours : dict of str to pyarrow.Table
        Table of keys -> key and person of the upload.

    Returns
    -------
    pyarrow.Table
        Pairs: person and name_id, each pair once.
    pyarrow.Table
        The names in them, by name_id.
    """
    if register.mapped is None:
        return _queried(register, ours)
    return _mapped(register.mapped, ours)


def _mapped(folder: Path, ours: Mapping[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    met = [_met(folder, table, keys) for table, keys in ours.items()]
    pairs = np.unique(np.concatenate(met))
    person, name_id = (pairs >> 32).astype("<i4"), (pairs & 0xFFFFFFFF).astype("<i4")
    return pa.table({"person": person, "name_id": name_id}), _rows(folder, np.unique(name_id))


def _met(folder: Path, table: str, ours: pa.Table) -> npt.NDArray[np.int64]:
    """Pairs as one number each: person in the upper half, name_id in the lower."""
    key, person = ours["key"].to_numpy(), ours["person"].to_numpy().astype("<i8")
    register_key, name_id = (
        np.load(folder / f"{table}.{column}.npy", mmap_mode="r") for column in ("key", "name_id")
    )
    low = np.searchsorted(register_key, key, side="left")
    many = np.searchsorted(register_key, key, side="right") - low
    at = np.repeat(low - np.cumsum(many) + many, many) + np.arange(many.sum())
    return np.asarray((np.repeat(person, many) << 32) | name_id[at])


def _rows(folder: Path, wanted: npt.NDArray[np.int32]) -> pa.Table:
    """Copy the names out, a few batches mapped at a time so that few pages stay in memory."""
    with pa.memory_map(str(folder / "names.arrow")) as mapped:
        names = pa.ipc.open_file(mapped)
        schema, count = names.schema, names.num_record_batches
    taken: list[pa.RecordBatch] = []
    for first in range(0, count, _MAPPED):
        taken += _taken(folder, range(first, min(first + _MAPPED, count)), wanted)
    return pa.Table.from_batches(taken, schema)


def _taken(folder: Path, numbers: range, wanted: npt.NDArray[np.int32]) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(folder / "names.arrow")) as mapped:
        names = pa.ipc.open_file(mapped)
        for number in numbers:
            batch, start = names.get_batch(number), number * _ROWS
            low, high = np.searchsorted(wanted, (start, start + len(batch)))
            if high > low:
                yield batch.take(pa.array(wanted[low:high] - start))


def _queried(register: Register, ours: Mapping[str, pa.Table]) -> tuple[pa.Table, pa.Table]:
    con = register.con
    for table, keys in ours.items():
        con.register(f"our_{table}", keys)
    joined = " UNION ".join(
        f"SELECT person, name_id FROM {table} JOIN our_{table} USING (key)" for table in ours
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE met AS {joined}").fetchall()
    pairs = con.sql("FROM met ORDER BY person, name_id").to_arrow_table()
    names = con.sql(f"""
        SELECT {", ".join(NAME_COLUMNS)} FROM names SEMI JOIN met USING (name_id)
        ORDER BY name_id""").to_arrow_table()
    con.execute("DROP TABLE met").fetchall()
    for table in ours:
        con.unregister(f"our_{table}")
    return pairs, names
