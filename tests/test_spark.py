"""Apache Spark prepares the same tables as DuckDB, and the same figures come of them."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from months import jdl

from jdl import engines, national, prepare
from jdl.engines.spark_sql import shared, translated
from jdl.faults import Unusable
from jdl.synthetic import synthesise

REQUEST = "harbour-mentoring"
OPTIONS = "-Xss4m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
ODD_NAMES = (
    "Éloïse", "STRAßE", "İpek", "ΣΟΦΟΣ", "Zoe\u0301", "O\u2019Neil", "Ann (nee Green)", "éneeé",
    "Mr Mrs Lee Jr", "Søren\nÆbelø", "  ", "", "Łucja née Nowak", "van der Berg-Smith", "王",
    "\u00a0Ng",
)  # fmt: skip
ODD_IDS = (
    "06/1234567V",
    "2006/1234567Z",
    "06123V",
    "ß6/12A",
    "1999/0000001A (old)",
    "/",
    "A1234BC",
)
needs_spark = pytest.mark.skipif(
    shutil.which("java") is None,
    reason="Apache Spark needs Java, which is not installed: Debian's openjdk-17-jre-headless",
)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small vintage with odd people in it, prepared by each engine; the data of each."""
    pytest.importorskip("pyspark", reason="Apache Spark is not installed: make spark")
    made = tmp_path_factory.mktemp("spark") / "duckdb"
    synthesise(made, offenders=5000)
    [vintage] = national.find_vintages(made)
    _add_odd_people(vintage)
    _empty(vintage / "oasys.parquet")
    folders = {"duckdb": made, "spark": made.with_name("spark")}
    shutil.copytree(made, folders["spark"])
    for engine, folder in folders.items():
        done = jdl("prepare", "--engine", engine, "--data", folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "WARN" not in done.stderr
    return folders


def _add_odd_people(vintage: Path) -> None:
    """People with odd names, ids and dates, one of them with a sentence of each odd date."""
    with duckdb.connect() as con:
        con.register("odd", pa.table({"name": ODD_NAMES}))
        con.register("ids", pa.table({"pnc": ODD_IDS}))
        own = f"read_parquet('{vintage / 'offenders.parquet'}')"
        _rewrite(
            con,
            vintage / "offenders.parquet",
            f"""
            FROM {own} UNION ALL BY NAME
            SELECT 'odd' || row_number() OVER () AS offender_id, a.name AS forename,
                b.name AS surname, nullif(b.name, '') AS middle_names, pnc AS pnc_id,
                CASE WHEN a.name < b.name THEN DATE '1980-02-29' END AS date_of_birth,
                CASE WHEN a.name <> 'x' THEN 'male' END AS sex
            FROM odd a, odd b, ids WHERE (length(a.name) + length(b.name)) % 7 = length(pnc) % 7""",
        )
        days = (
            "SELECT unnest(generate_series(DATE '2008-01-28', DATE '2012-03-02', INTERVAL 1 DAY))"
        )
        chosen = f"""(SELECT day::DATE AS day FROM ({days} AS day)
            WHERE day(day) >= 28 OR (month(day) = 3 AND day(day) = 1))"""
        _rewrite(
            con,
            vintage / "disposals.parquet",
            f"""
            FROM read_parquet('{vintage / "disposals.parquet"}') UNION ALL BY NAME
            SELECT 'odd' || row_number() OVER () AS disposal_id,
                'odd' || (1 + day(day) % 5) AS offender_id, day AS conviction_date,
                'community order' AS disposal, day AS sentence_date, 'theft' AS offence_group
            FROM {chosen}""",
        )
        _rewrite(
            con,
            vintage / "offences.parquet",
            f"""
            FROM read_parquet('{vintage / "offences.parquet"}') UNION ALL BY NAME
            SELECT 'odd' || row_number() OVER () AS offence_id,
                'odd' || (1 + day(day) % 5) AS offender_id, day AS offence_date,
                day AS conviction_date, 'conviction' AS proven_by, 'summary' AS court_outcome,
                'theft' AS offence_group, day(day) = 28 AS custodial
            FROM {chosen}""",
        )


def _empty(file: Path) -> None:
    pq.write_table(pq.read_schema(file).empty_table(), file)


def _rewrite(con: duckdb.DuckDBPyConnection, file: Path, sql: str) -> None:
    con.execute(f"COPY ({sql}) TO '{file}.new' (FORMAT parquet)")
    Path(f"{file}.new").replace(file)


@needs_spark
def test_both_engines_prepare_the_same_rows_in_the_same_order(two: dict[str, Path]) -> None:
    ours, theirs = (national.find_vintages(folder)[0] / "prepared" for folder in two.values())
    names = [file.name for file in sorted(ours.glob("*.parquet"))]
    assert names == [file.name for file in sorted(theirs.glob("*.parquet"))]
    assert {"names.parquet", "index_disposals.parquet", "outcomes.parquet"} <= set(names)
    for name in names:
        one, other = (pq.read_table(folder / name) for folder in (ours, theirs))
        assert one.schema.names == other.schema.names, name
        assert one.schema.types == other.schema.types, name
        assert one.equals(other.cast(one.schema)), name
    records = [json.loads((one / "prepared.json").read_text()) for one in (ours, theirs)]
    assert records[0]["outputs"] == records[1]["outputs"]
    assert records[0]["hash"] == records[1]["hash"]


@needs_spark
def test_a_request_has_the_same_figures(two: dict[str, Path], tmp_path: Path) -> None:
    """Each engine reads what the other has prepared."""
    made = {}
    for engine, data in zip(two, reversed(two.values()), strict=True):
        outputs = tmp_path / engine
        done = jdl("run", REQUEST, "--engine", engine, "--data", data, "--outputs", outputs)
        assert done.returncode == 0, done.stdout + done.stderr
        [folder] = outputs.glob(f".work/*/{REQUEST}")
        made[engine] = folder
        assert json.loads((folder / "run.json").read_text())["engine"] == engine
    for name in ("figures.json", "result.json"):
        assert (made["duckdb"] / name).read_bytes() == (made["spark"] / name).read_bytes(), name
    assert json.loads((made["spark"] / "result.json").read_text())["status"] == "reported"


@needs_spark
def test_what_spark_says_of_an_error_is_withheld_and_nothing_is_left(
    two: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Also where the user has options of their own for Java, a temporary folder among them."""
    from jdl.engines.spark import Spark, SparkFailed

    ours, theirs = tmp_path / "our own", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(ours))
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(theirs))
    monkeypatch.setenv(
        "SPARK_SUBMIT_OPTS", f"{OPTIONS} -XX:+UsePerfData -Djava.io.tmpdir={theirs} -Dmine=kept"
    )
    before = _temporary()
    with closing(Spark.to_ask(national.open_vintage(two["duckdb"]))) as engine:
        assert len(list(ours.iterdir())) == 1
        assert _java("mine") == "kept"
        assert _java("java.io.tmpdir").startswith(str(ours))
        everybody = engine.take("offenders", "offender_id", pa.array(["odd1", "odd2", "nobody"]))
        assert sorted(everybody["offender_id"].to_pylist()) == ["odd1", "odd2"]
        with pytest.raises(SparkFailed) as caught:
            engine.select("offenders", "CAST(surname AS INTEGER) = 1")
        assert _temporary() <= before
    assert str(caught.value).startswith("Spark stopped while selecting rows (")
    assert caught.value.__context__ is None
    assert capfd.readouterr() == ("", "")
    assert [*ours.iterdir(), *theirs.iterdir()] == []
    assert os.environ["SPARK_LOCAL_DIRS"] == str(theirs)


def _temporary() -> set[Path]:
    """What Java and Spark have in the system's temporary folder."""
    system = Path("/tmp")
    patterns = ("hsperfdata_*/*", "spark-*", "blockmgr-*", "hadoop-*", "lib*", "*.so")
    return {path for pattern in patterns for path in system.glob(pattern)}


def _java(name: str) -> str:
    """A property of the process that Spark is in."""
    from pyspark import SparkContext

    assert SparkContext._jvm is not None
    return str(SparkContext._jvm.java.lang.System.getProperty(name))


@needs_spark
def test_a_killed_preparation_leaves_no_process_and_the_next_start_clears_its_files(
    two: dict[str, Path], tmp_path: Path
) -> None:
    data, before = _unprepared(two["duckdb"], tmp_path), _temporary()
    scratch = data / "synthetic-2013-10" / ".scratch"
    command = [Path(sys.executable).with_name("jdl"), "prepare", "--engine", "spark"]
    with subprocess.Popen([*command, "--data", data], stdout=-3, stderr=-3) as process:
        _until(lambda: any(scratch.glob("run-*/spark-*/blockmgr-*")))
        assert _at_work(scratch)
        process.kill()
    _until(lambda: not _at_work(scratch))
    assert [*scratch.glob("run-*/new"), *scratch.glob("run-*/spark-*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (scratch, *scratch.glob("run-*"))} == {
        0o700
    }
    assert _temporary() <= before
    shutil.copytree(two["duckdb"] / "synthetic-2013-10/prepared", scratch.with_name("prepared"))
    done = jdl("prepare", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(scratch.glob("run-*"))


def _unprepared(data: Path, folder: Path) -> Path:
    hidden = shutil.ignore_patterns("prepared", ".*")
    return Path(shutil.copytree(data, folder / "data", ignore=hidden))


def _at_work(folder: Path) -> list[Path]:
    """The processes whose working folder lies in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append(process)
    return found


def _until(true: Callable[[], bool]) -> None:
    latest = time.monotonic() + 120
    while not true():
        assert time.monotonic() < latest
        time.sleep(0.05)


@needs_spark
def test_missing_java_is_a_fault(
    two: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = _unprepared(two["duckdb"], tmp_path)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    done = jdl("prepare", "--engine", "spark", "--data", data)
    assert done.returncode == 2
    assert "Java must be installed" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_package_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(Unusable) as caught:
        engines.to_prepare(_nowhere(), "spark")
    assert "pyspark must be installed" in str(caught.value.faults[0])


def _nowhere() -> national.Vintage:
    from by_hand import vintage

    return vintage()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT md5_number_upper(a) FROM t",
        "SELECT date_sub('month', a, b) FROM t",
        "SELECT date_diff('month', a, b) FROM t",
        r"SELECT regexp_replace(a, '\s', '') FROM t",
        "SELECT regexp_replace(a, 'x', 'y', 'i') FROM t",
        "WITH a AS (SELECT 1), b AS (WITH a AS (SELECT 2) FROM a) FROM b",
    ],
)
def test_what_might_mean_something_else_in_spark_is_not_translated(sql: str) -> None:
    with pytest.raises(ValueError, match=r"is not known|the same name"):
        translated(sql)


def test_an_expression_that_is_named_twice_is_worked_out_once() -> None:
    steps = translated("WITH a AS (SELECT 1 AS x), b AS (FROM a) SELECT * FROM b, a")
    assert list(steps) == ["a", "b", ""]
    assert shared(steps) == {"a"}


def test_prepared_definitions_can_be_translated() -> None:
    for sql in prepare._tables(_nowhere()).values():
        assert translated(sql)[""]
