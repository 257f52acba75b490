"""Engines: a request takes only what it asks for, and finds the same as in whole tables."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jdl import national, prepare
from jdl.engines import LOOKED_UP, DuckDB, Excerpt, Layout, bring, rows_of
from jdl.faults import Unusable
from jdl.national import Vintage, open_vintage
from jdl.synthetic import VINTAGE_TOML
from jdl.synthetic.careers import live
from jdl.synthetic.people import draw_people
from jdl.synthetic.tables import national_tables

PEOPLE = 3000


@pytest.fixture
def con() -> Any:
    """Rows of people in no order; every person's rows lie apart, some people have none."""
    with duckdb.connect(":memory:", config={"threads": 2}) as opened:
        opened.execute(f"""
            CREATE TABLE employment AS SELECT 'D' || i AS disposal_id,
                'P' || (i * 7919 % {PEOPLE}) AS offender_id,
                DATE '2009-01-01' + (i % 900)::INTEGER AS index_date,
                CASE i % 3 WHEN 0 THEN 'custody' WHEN 1 THEN 'fine' END AS disposal,
                CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'female' ELSE 'male' END AS sex
            FROM range({2 * PEOPLE}) t (i) WHERE i % {PEOPLE} < 2500""")
        opened.execute("CREATE TABLE index_disposals AS FROM employment WHERE disposal IS NOT NULL")
        opened.execute("""
            CREATE TABLE tight_keys AS SELECT (i // 3)::UBIGINT AS key, i::INTEGER AS name_id
            FROM range(900) t (i)""")
        yield opened


class Counted(DuckDB):
    """An engine that keeps count of what is asked of it."""

    asked: list[tuple[str, int]]

    def take(self, table: str, column: str, keys: pa.Array) -> pa.Table:
        self.asked.append((table, len(keys)))
        return super().take(table, column, keys)

    def select(self, table: str, where: str) -> pa.Table:
        found = super().select(table, where)
        self.asked.append((table, len(found)))
        return found


def excerpt(con: duckdb.DuckDBPyConnection) -> tuple[Excerpt, list[tuple[str, int]]]:
    engine = Counted(con)
    asked: list[tuple[str, int]] = []
    object.__setattr__(engine, "asked", asked)
    return Excerpt(engine, {"employment": 5000}), asked


def ordered(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


@pytest.mark.parametrize("batch", [2048, 1 << 20])
@pytest.mark.parametrize(
    ("table", "column", "keys"),
    [
        ("employment", "offender_id", ["P7", "P0", "P2999", "nobody", "P2500"]),
        ("employment", "offender_id", []),
        ("tight_keys", "key", [5, 0, 299, 300, 7]),
    ],
)
def test_what_is_laid_out_is_found_as_in_the_whole_table(
    con, tmp_path: Path, monkeypatch, batch, table, column, keys
):
    monkeypatch.setattr("jdl.engines.layout._BATCH", batch)
    Layout(tmp_path).lay_out(con, table)
    wanted = pa.array(keys, pa.string() if column == "offender_id" else pa.uint64())
    whole = DuckDB(con).take(table, column, wanted)
    found = DuckDB(con, layout=Layout(tmp_path)).take(table, column, wanted)
    assert ordered(found) == ordered(whole)
    assert (len(found) > 0) == (len(keys) > 0)
    assert found.schema.types == whole.schema.types


def test_two_values_of_one_number_are_kept_apart(con, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("jdl.engines.layout.number", lambda column: f"length({column})::UBIGINT")
    monkeypatch.setattr("jdl.engines.duck.number", lambda column: f"length({column})::UBIGINT")
    Layout(tmp_path).lay_out(con, "employment")
    found = DuckDB(con, layout=Layout(tmp_path)).take(
        "employment", "offender_id", pa.array(["P77", "P78"])
    )
    assert sorted(found["offender_id"].to_pylist()) == ["P77", "P77", "P78", "P78"]


def test_the_numbers_of_every_column_are_whole(con, tmp_path: Path):
    """Among fractions a number of 64 bits would be one with its neighbours."""
    con.execute("""
        CREATE TABLE names AS
        SELECT disposal_id[2:]::INTEGER AS name_id, offender_id FROM employment""")
    layout = Layout(tmp_path)
    layout.lay_out(con, "names")
    for column in LOOKED_UP["names"]:
        assert np.load(tmp_path / f"names.{column}.npy").dtype == np.dtype("<u8")
    found = DuckDB(con, layout=layout).take("names", "name_id", pa.array([5, 7], pa.int32()))
    assert sorted(found["name_id"].to_pylist()) == [5, 7]


def test_an_empty_table_can_be_laid_out(con, tmp_path: Path):
    con.execute("DELETE FROM employment; DELETE FROM tight_keys")
    engine = DuckDB(con, layout=Layout(tmp_path))
    for table, keys in (
        ("employment", pa.array(["P1"])),
        ("tight_keys", pa.array([1], pa.uint64())),
    ):
        Layout(tmp_path).lay_out(con, table)
        found = engine.take(table, LOOKED_UP[table][0], keys)
        assert found.num_rows == 0
        assert found.column_names == [row[0] for row in con.execute(f"DESCRIBE {table}").fetchall()]


def test_an_excerpt_takes_nobody_twice(con):
    some, asked = excerpt(con)
    for people in (["P1", "P2", None], ["P2", "P3", "nobody"], ["P1", "nobody"]):
        some.register("wanted", pa.table({"offender_id": pa.array(people, pa.string())}))
        bring(some, "wanted", "employment")
        some.unregister("wanted")
    assert asked == [("employment", 2), ("employment", 2)]
    held = some.execute("SELECT offender_id FROM employment ORDER BY disposal_id").fetchall()
    true = con.execute("""
        SELECT offender_id FROM employment WHERE offender_id IN ('P1', 'P2', 'P3')
        ORDER BY disposal_id""").fetchall()
    assert held == true
    assert rows_of(some, "employment") == 5000


def test_rows_brought_by_one_column_and_then_by_another_are_all_there_once(con):
    some, _ = excerpt(con)
    wanted = {
        "offender_id": ["P0", "P7"],
        "disposal": ["custody"],
        "disposal_id": ["D1", "D2", "D3"],
    }
    for column, values in wanted.items():
        some.register("wanted", pa.table({column: pa.array(values, pa.string())}))
        bring(some, "wanted", "employment", column=column)
        some.unregister("wanted")
    held = some.execute("SELECT * FROM employment ORDER BY ALL").fetchall()
    true = con.execute("""
        SELECT * FROM employment WHERE offender_id IN ('P0', 'P7') OR disposal = 'custody'
            OR disposal_id IN ('D1', 'D2', 'D3') ORDER BY ALL""").fetchall()
    assert held == true
    assert rows_of(some, "employment") == 5000


def test_an_excerpt_widens_the_pool_by_what_is_missing(con):
    some, asked = excerpt(con)
    day = dt.date(2010, 1, 1)
    spans = [(0, 50), (10, 40), (-30, 20), (60, 90), (-30, 90)]
    for first, last in spans:
        span = (day + dt.timedelta(days=first), day + dt.timedelta(days=last))
        some.pool({("custody", "male"): span, ("fine", None): span})
    held = some.execute("SELECT disposal_id FROM index_disposals ORDER BY ALL").fetchall()
    true = con.execute("""
        SELECT disposal_id FROM index_disposals
        WHERE (disposal, coalesce(sex, '')) IN (('custody', 'male'), ('fine', ''))
          AND index_date BETWEEN DATE '2009-12-02' AND DATE '2010-04-01' ORDER BY ALL""").fetchall()
    assert held == true
    assert len(asked) == 3
    assert sum(many for _, many in asked) == len(true)


def test_a_pool_of_nobody_is_an_empty_table(con):
    some, _ = excerpt(con)
    some.pool({})
    assert some.execute("FROM index_disposals").fetchall() == []


@pytest.fixture(scope="module")
def vintages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Vintage, Vintage]:
    """One small vintage, prepared twice: by one thread, and by four in the least of memory."""
    made = []
    people = draw_people(7, np.arange(1500))
    tables = national_tables(people, live(people))
    for threads, memory in ((1, "4GB"), (4, "100MB")):
        folder = tmp_path_factory.mktemp("vintage")
        for name, table in tables.items():
            order = np.random.default_rng(threads).permutation(len(table))
            pq.write_table(table.take(pa.array(order)), folder / f"{name}.parquet")
        (folder / "vintage.toml").write_text(VINTAGE_TOML)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("jdl.engines.duck.os.cpu_count", lambda many=threads: many)
            patch.setattr("jdl.engines.duck.MEMORY", memory)
            prepare.prepare(open_vintage(folder), None)
        made.append(open_vintage(folder))
    return made[0], made[1]


def test_what_is_prepared_hangs_neither_on_threads_nor_memory_nor_order(vintages):
    """Every prepared table has the same rows in the same order, whatever made it."""
    one, other = vintages
    names = sorted(file.name for file in one.prepared.glob("*.parquet"))
    assert names == sorted(file.name for file in other.prepared.glob("*.parquet"))
    for name in names:
        assert pq.read_table(one.prepared / name).equals(pq.read_table(other.prepared / name)), name
    records = [prepare.open_prepared(vintage).record for vintage in vintages]
    for part in ("inputs", "outputs", "rows", "hash"):
        assert records[0][part] == records[1][part]


def test_every_laid_out_table_gives_its_rows(vintages):
    """What a request finds is what the whole table holds, absent columns and codes included."""
    vintage = vintages[1]
    whole, found = DuckDB(vintage.connect()), DuckDB.to_ask(vintage)
    for table, columns in LOOKED_UP.items():
        if table not in vintage.tables:
            whole.show(table, vintage.prepared / f"{table}.parquet")
        for column in columns:
            keys = some_of(whole, table, column)
            taken = found.take(table, column, keys)
            assert ordered(taken) == ordered(whole.take(table, column, keys))
            assert len(taken) >= len(keys)
    whole.close()
    found.close()


def test_a_vintage_is_held_against_the_contract_once(vintages, monkeypatch):
    """Only where no file and nothing of the contract has changed since it was prepared."""
    vintage, looked = vintages[0], []
    monkeypatch.setattr(national, "check_vintage", lambda folder: looked.append(folder) or [])
    open_vintage(vintage.folder)
    assert looked == []
    with monkeypatch.context() as patch:
        patch.setattr(national, "contract_hash", lambda: "another")
        open_vintage(vintage.folder)
    assert len(looked) == 1
    file = vintage.file("oasys")
    table = pq.read_table(file)
    pq.write_table(table.slice(1), file)
    open_vintage(vintage.folder)
    assert len(looked) == 2


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vintage of few people, not prepared."""
    folder = tmp_path_factory.mktemp("tiny")
    people = draw_people(7, np.arange(300))
    for name, table in national_tables(people, live(people)).items():
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "vintage.toml").write_text(VINTAGE_TOML)
    return folder


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """The linkage model takes longest, and says nothing here."""
    monkeypatch.setattr("jdl.linkage.train", lambda *_: {})


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("step", ["names", "layout of names", "hashes", "done"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_table_put_in_place_while_a_vintage_is_prepared_is_refused(
    tiny: Path, tmp_path: Path, step: str, whole: bool
):
    """What was made of the old one is not taken for made of the new, which nobody has checked."""
    folder = shutil.copytree(tiny, tmp_path / "vintage")
    vintage, other = open_vintage(folder), tmp_path / "other.parquet"
    table = pq.read_table(vintage.file("benefits")).slice(0, 10)
    codes = pa.array(["no such benefit"] * len(table))
    pq.write_table(
        table.set_column(table.schema.get_field_index("benefit"), "benefit", codes)
        if whole
        else table.select(["benefit"]),
        other,
    )

    def tell(now: str, share: float) -> None:
        if now == step:
            other.replace(vintage.file("benefits"))

    with pytest.raises(Unusable, match="may change"):
        prepare.prepare(vintage, None, tell)
    assert not other.exists()
    assert not prepare.is_current(vintage)
    with pytest.raises(Unusable, match=r"benefits\.parquet"):
        open_vintage(folder)


@pytest.mark.usefixtures("untrained")
def test_a_table_put_in_place_before_a_vintage_is_prepared_is_refused(tiny: Path, tmp_path: Path):
    folder = shutil.copytree(tiny, tmp_path / "vintage")
    vintage = open_vintage(folder)
    pq.write_table(pq.read_table(vintage.file("oasys")).slice(1), vintage.file("oasys"))
    with pytest.raises(Unusable, match="may change"):
        prepare.prepare(vintage, None)
    prepare.prepare(open_vintage(folder), None)
    assert prepare.is_current(open_vintage(folder))


@pytest.mark.usefixtures("untrained")
def test_what_is_not_whole_is_not_prepared(tiny: Path, tmp_path: Path):
    """Neither a record of another shape, nor one whose files are gone or cut short."""
    vintage = open_vintage(shutil.copytree(tiny, tmp_path / "vintage"))
    prepare.prepare(vintage, None)
    file, kept = vintage.prepared / "prepared.json", json.loads(stored(vintage, "prepared.json"))
    assert prepare.is_current(vintage)
    shapes = [None, [], "x", 7, {}, {**kept, "files": []}, {**kept, "rows": None}]
    lacking = [{key: kept[key] for key in kept if key != gone} for gone in kept]
    for text in (*map(json.dumps, [*shapes, *lacking]), "{", "[" * 100_000, "\ud800"):
        file.write_bytes(text.encode(errors="surrogatepass"))
        assert not prepare.is_current(open_vintage(vintage.folder)), text[:80]
        with pytest.raises(FileNotFoundError, match="jdl prepare"):
            prepare.open_prepared(vintage)
    file.write_text(json.dumps(kept))
    for name in ("offences.arrow", "names.name_id.npy", "outcomes.parquet", "linkage_model.json"):
        content = stored(vintage, name)
        (vintage.prepared / name).write_bytes(content[:-1])
        assert not prepare.is_current(vintage)
        (vintage.prepared / name).unlink()
        assert not prepare.is_current(vintage)
        (vintage.prepared / name).write_bytes(content)
        assert prepare.is_current(vintage)


def stored(vintage: Vintage, name: str) -> bytes:
    return (vintage.prepared / name).read_bytes()


_CONTRACT = ("national.py", "codes.toml", "cells.py", "forms.py")
_DEFINITIONS = ("prepare.py", "nicknames.toml", "engines/duck.py", "engines/spark_sql.py")
_MODULES = ("engines/layout.py", "linkage/names.py", "sentence.py", "covariates.py", "outcomes.py")


@pytest.mark.parametrize("part", [*_CONTRACT, *_DEFINITIONS, *_MODULES])
def test_what_is_prepared_is_of_the_code_and_lists_that_define_it(monkeypatch, part: str):
    before, contract = prepare.definitions_hash(), national.contract_hash()
    read, changed = Path.read_bytes, Path(national.__file__).parent / part
    assert changed.exists()
    monkeypatch.setattr(Path, "read_bytes", lambda file: read(file) + b"#" * (file == changed))
    assert prepare.definitions_hash() != before
    assert (national.contract_hash() != contract) == (part in _CONTRACT)


def waiting(con: Any) -> list[Path]:
    """Fill an engine with more than its 100 MB, and return the files that the rest waits in."""
    con.execute("CREATE TEMP TABLE full_up AS SELECT md5(i::VARCHAR) FROM range(3000000) t (i)")
    files = con.execute("SELECT path FROM duckdb_temporary_files()").fetchall()
    con.execute("DROP TABLE full_up")
    return [Path(one) for (one,) in files]


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(one.stat().st_mode) for one in (folder, folder.parent)}


def test_what_memory_does_not_hold_waits_in_the_restricted_scratch_of_the_vintage(
    vintages, tmp_path: Path, monkeypatch
):
    """While it is prepared, there alone; and nothing is left."""
    vintage, found, opened = vintages[1], set(), []
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("jdl.engines.duck.MEMORY", "100MB")
    prepared = DuckDB.to_prepare

    def to_prepare(one: Vintage) -> DuckDB:
        opened.append(prepared(one))
        files = waiting(opened[-1].con)
        found.update(file.parent for file in files)
        assert files
        assert modes(files[0].parent) == {0o700}
        return opened[-1]

    monkeypatch.setattr(DuckDB, "to_prepare", staticmethod(to_prepare))
    prepare.prepare(vintage, None)
    assert len(opened) == len(found) == 2
    assert {folder.parent.parent for folder in found} == {vintage.scratch}
    assert [file.name for file in vintage.scratch.iterdir()] == [".gate"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_request_has_no_memory_for_waits_in_private_and_goes_with_it(
    vintages, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("jdl.engines.excerpt._MEMORY", "100MB")
    ready = prepare.open_prepared(vintages[1])
    [file, *_] = waiting(ready.con)
    assert file.parent.parent == tmp_path
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    with pytest.raises(duckdb.OutOfMemoryException):
        waiting(ready.con.engine.con.execute("SET memory_limit = '100MB'"))
    ready.con.close()
    del ready
    assert list(tmp_path.iterdir()) == []


def test_a_large_vintage_is_checked_on_its_own_disk_and_a_small_one_in_memory(
    vintages, tmp_path: Path, monkeypatch
):
    """So is a large one that may not be written: it could not be prepared either."""
    used, folder = [], vintages[0].folder
    opened = national.open_engine

    def open_engine(threads: int, disk: str) -> duckdb.DuckDBPyConnection:
        used.append((disk, Path(tempfile.gettempdir()).parent))
        return opened(threads, disk)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(national, "open_engine", open_engine)
    assert national.check_vintage(folder) == []
    monkeypatch.setattr(national, "_LARGE", 1)
    assert national.check_vintage(folder) == []
    monkeypatch.setattr("jdl.national.os.access", lambda *_: False)
    assert national.check_vintage(folder) == []
    in_memory = ("", tmp_path.parent)
    assert used == [in_memory, (national.DISK, vintages[0].scratch), in_memory]
    assert list(tmp_path.iterdir()) == []


def some_of(whole: DuckDB, table: str, column: str) -> pa.Array:
    values = whole.con.sql(f"SELECT DISTINCT {column} AS key FROM {table} ORDER BY key")
    every = values.to_arrow_table()["key"].combine_chunks()
    places = np.random.default_rng(5).choice(len(every), min(20, len(every)), replace=False)
    return every.take(pa.array(places))
