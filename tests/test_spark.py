"""Apache Spark prepares the same tables as DuckDB, and the same figures come of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from months import jdl

from jdl import national, prepare
from jdl.engines.spark_sql import shared, translated
from jdl.synthetic import synthesise

REQUEST = "harbour-mentoring"
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xss4m"
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
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """One small vintage with odd people in it, prepared by each engine; the data of each."""
    pytest.importorskip("pyspark", reason="Apache Spark is not installed: make spark")
    made = tmp_path_factory.mktemp("spark") / "duckdb"
    synthesise(made, offenders=5000)
    [vintage] = national.find_vintages(made)
    _add_odd_people(vintage)
    folders = {"duckdb": made, "spark": made.with_name("spark")}
    shutil.copytree(made, folders["spark"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_SUBMIT_OPTS", QUICK)
        patch.setenv("SPARK_DRIVER_MEMORY", "1g")
        for engine, folder in folders.items():
            done = jdl("prepare", "--engine", engine, "--data", folder)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "WARN" not in done.stderr
        yield folders


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
    from jdl.engines.spark import Spark, SparkFailed

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with closing(Spark.to_ask(national.open_vintage(two["duckdb"]))) as engine:
        assert len(list(tmp_path.iterdir())) == 1
        everybody = engine.take("offenders", "offender_id", pa.array(["odd1", "odd2", "nobody"]))
        assert sorted(everybody["offender_id"].to_pylist()) == ["odd1", "odd2"]
        with pytest.raises(SparkFailed) as caught:
            engine.select("offenders", "CAST(surname AS INTEGER) = 1")
    assert str(caught.value).startswith("Spark stopped while selecting rows (")
    assert caught.value.__context__ is None
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from jdl import engines
    from jdl.faults import Unusable

    monkeypatch.setitem(__import__("sys").modules, "pyspark.sql", None)
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
