"""What is made once per vintage: names, linkage model, matching variables and outcomes."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from jdl import covariates, engines, linkage, outcomes, pseudonyms, safekeeping, sentence
from jdl.engines import LOOKED_UP, DuckDB, Engine, Excerpt, Layout, Progress
from jdl.faults import Fault, Unusable
from jdl.national import RECORD, TABLES, Vintage, contract_hash, parquet, recorded, sizes, stamps

SEED = 20140313
_HASHED = ("names", "index_disposals", "outcomes")
_DEFINED_IN = (
    "cells.py",
    "codes.toml",
    "covariates.py",
    "engines/*.py",
    "forms.py",
    "linkage/*.py",
    "national.py",
    "nicknames.toml",
    "outcomes.py",
    "prepare.py",
    "sentence.py",
)
_TAIL = 0.15
"""The share of the work that training and hashes are, as shown; the layout counts as much."""


@dataclass(frozen=True)
class Prepared:
    """A vintage with what was made from it, open for one request.

    Parameters
    ----------
    vintage : Vintage
    con : Excerpt
        What this request has taken of national and prepared tables, and its pseudonyms.
    register : linkage.Register
        The people who can be found, with the trained model.
    record : dict
        Hashes of inputs, definitions and outputs, and row counts.
    """

    vintage: Vintage
    con: Excerpt
    register: linkage.Register
    record: dict[str, Any]

    @property
    def hash(self) -> str:
        """One hash of all that was prepared."""
        return str(self.record["hash"])


def content_hash(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    """Return a hash of a table's rows that does not depend on their order.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    relation : str
        A table or view.

    Returns
    -------
    str
        SHA-256 of the column names, the number of rows and the sums of both halves of each row's
        MD5.

    Notes
    -----
    A sum of row hashes is the multiset hash of Bellare and Micciancio (1997).
    """
    columns = [row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    cells = ", ".join(f'coalesce("{name}"::VARCHAR, chr(30))' for name in sorted(columns))
    sums = con.execute(f"""
        SELECT count(*), sum(('0x' || left(line, 15))::BIGINT::HUGEINT),
            sum(('0x' || right(line, 15))::BIGINT::HUGEINT)
        FROM (SELECT md5(concat_ws(chr(31), {cells})) AS line FROM {relation})""").fetchall()
    return hashlib.sha256(repr((sorted(columns), sums[0])).encode()).hexdigest()


def definitions_hash() -> str:
    """Return the hash of the code and the lists that define what is prepared."""
    parts = [part for name in _DEFINED_IN for part in sorted(Path(__file__).parent.glob(name))]
    return hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()


def is_current(vintage: Vintage) -> bool:
    """Return whether the prepared folder was made from this very vintage by this very code."""
    record = recorded(vintage.prepared)
    if record is None or record["definitions"] != definitions_hash():
        return False
    files = stamps(vintage.folder)
    if record["files"] == files:
        return True
    with vintage.connect() as con:
        same = bool(record["inputs"] == _inputs(con, vintage))
    if same:
        with suppress(OSError):
            safekeeping.write(vintage.prepared / RECORD, _dump({**record, "files": files}))
    return same


def shapes(vintage: Vintage) -> dict[str, dict[str, Any]]:
    """Return the number of rows and the columns of each table that is present.

    Parameters
    ----------
    vintage : Vintage

    Returns
    -------
    dict of str to dict
        ``rows``, and ``columns`` with the kinds of the contract: how wide a number is stored makes
        no difference.
    """
    with duckdb.connect(":memory:") as con:
        return {name: _shape(con, name, vintage.file(name)) for name in vintage.tables}


def _shape(con: duckdb.DuckDBPyConnection, name: str, file: Path) -> dict[str, Any]:
    rows = con.execute(f"SELECT count(*) FROM {parquet(file)}").fetchall()[0][0]
    present = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {parquet(file)}").fetchall()}
    columns = TABLES[name].columns.items()
    return {"rows": rows, "columns": {key: one.kind for key, one in columns if key in present}}


def prepare(
    vintage: Vintage,
    uploads: pd.DataFrame | None,
    progress: Progress | None = None,
    engine: str = "duckdb",
    pairs: int = linkage.SAMPLED_PAIRS,
) -> None:
    """Make everything that does not depend on a request, whole or not at all.

    Parameters
    ----------
    vintage : Vintage
        Its folder receives ``prepared/``.
    uploads : DataFrame or None
        All uploads at hand, pooled: the linkage model learns from them how people are written.
    progress : callable, optional
        Receives the step's name and the share done.
    engine : str
        By which the tables are made, one of ``engines.ENGINES``; what is made is the same.
    pairs : int
        How many random pairs of people tell how often different people agree, at most. Fewer take
        less time and leave the linkage model less exact; how many were allowed is recorded.

    Raises
    ------
    Unusable
        If a file of the vintage has changed since it was opened.
    """
    tell = progress or (lambda step, share: None)
    with safekeeping.scratch(vintage.scratch) as scratch:
        made = safekeeping.fresh(scratch / "new")
        with closing(engines.to_prepare(vintage, engine)) as writer:
            try:
                record = _make(writer, vintage, uploads, made, tell, pairs)
            except Exception:
                _hold_unchanged(vintage)
                raise
        _hold_unchanged(vintage)
        safekeeping.write(made / RECORD, _dump(record))
        safekeeping.swap(made, vintage.prepared, scratch / "old")


def open_prepared(vintage: Vintage, engine: str = "duckdb") -> Prepared:
    """Open a prepared vintage for one request.

    Parameters
    ----------
    vintage : Vintage
    engine : str
        By which rows are taken, one of ``engines.ENGINES``; figures are the same.

    Returns
    -------
    Prepared

    Raises
    ------
    FileNotFoundError
        If the vintage has not been prepared.
    """
    record = recorded(vintage.prepared)
    if record is None:
        raise FileNotFoundError("this vintage is not prepared yet: run `jdl prepare`")
    asked = engines.to_ask(vintage, engine)
    con = Excerpt(asked, record["rows"])
    pseudonyms.begin(con)
    model = json.loads((vintage.prepared / "linkage_model.json").read_text(encoding="utf-8"))
    register = linkage.Register(asked, model, record["rows"]["offenders"])
    return Prepared(vintage, con, register, record)


def _tables(vintage: Vintage) -> dict[str, str]:
    return {
        **linkage.PREPARED,
        **sentence.PREPARED,
        "index_disposals": covariates.definition(vintage),
        "outcomes": outcomes.definition(),
    }


def _make(
    engine: Engine,
    vintage: Vintage,
    uploads: pd.DataFrame | None,
    folder: Path,
    tell: Progress,
    pairs: int,
) -> dict[str, Any]:
    def written(name: str, share: float) -> None:
        tell(name.replace("_", " "), share * (1 - 2 * _TAIL))

    rows = engine.write(_tables(vintage), folder, written)
    with closing(DuckDB.to_prepare(vintage)) as own:
        for name in rows:
            own.show(name, folder / f"{name}.parquet")
        for done, name in enumerate(LOOKED_UP):
            tell(f"layout of {name.replace('_', ' ')}", 1 - _TAIL * (2 - done / len(LOOKED_UP)))
            Layout(folder).lay_out(own.con, name)
        tell("linkage model", 1 - _TAIL)
        laid_out = replace(own, layout=Layout(folder))
        trained = linkage.train(laid_out, uploads, SEED, pairs)
        model = json.dumps(trained, indent=1, sort_keys=True)
        (folder / "linkage_model.json").write_text(model + "\n", encoding="utf-8")
        tell("hashes", 1 - _TAIL / 2)
        national = {name: own.rows(name) for name in TABLES}
        record = {
            "definitions": definitions_hash(),
            "contract": contract_hash(),
            "inputs": _inputs(own.con, vintage),
            "outputs": {
                **{name: content_hash(own.con, name) for name in _HASHED},
                "linkage_model": hashlib.sha256(model.encode()).hexdigest(),
            },
            "pairs": pairs,
            "rows": national | rows,
            "files": vintage.files,
            "made": sizes(folder),
        }
    digest = hashlib.sha256(json.dumps(record["outputs"], sort_keys=True).encode()).hexdigest()
    tell("done", 1.0)
    return {**record, "hash": digest}


def _hold_unchanged(vintage: Vintage) -> None:
    """Hold that what was prepared was made from the files that were held against the contract."""
    if stamps(vintage.folder) != vintage.files:
        rule = "no file of a vintage may change from its check to the end of its preparation"
        raise Unusable([Fault(vintage.folder.name, rule, "Leave its files alone, and try again")])


def _inputs(con: duckdb.DuckDBPyConnection, vintage: Vintage) -> dict[str, str]:
    """The content hash of each table and the plain hash of vintage.toml."""
    about = hashlib.sha256((vintage.folder / "vintage.toml").read_bytes()).hexdigest()
    return {"vintage.toml": about} | {name: content_hash(con, name) for name in vintage.tables}


def _dump(record: dict[str, Any]) -> bytes:
    return f"{json.dumps(record, indent=1, sort_keys=True)}\n".encode()
