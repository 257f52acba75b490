"""Apache Spark, the engine for what one machine cannot hold: local, or a cluster by its settings.

Where Spark runs is said to Spark alone, in ``spark-defaults.conf`` or the environment
(``SPARK_CONF_DIR``, ``SPARK_REMOTE``, ``PYSPARK_SUBMIT_ARGS``); without a word it runs on this
machine. The folder of the vintage must be seen from everywhere it runs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pyarrow as pa

from jdl.engines.engine import Progress
from jdl.engines.spark_sql import functions, shared, translated
from jdl.faults import Fault, Unusable
from jdl.national import TABLES, Vintage, parquet, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MEMORY, _LITTLE = "4g", "1g"
SMALL = 100_000
"""The offenders up to whom a vintage is prepared sooner by a process that starts quickly."""
_SETTINGS = {
    "spark.app.name": "jdl",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
_SAME_EVERYWHERE = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "false",
    "spark.sql.parquet.compression.codec": "zstd",
}
_PRIVATE = "-XX:-UsePerfData"
"""Java would put the state of its process into the system's temporary folder."""
_DEEP, _QUICK = "-Xss4m", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
P = ParamSpec("P")
T = TypeVar("T")


class SparkFailed(RuntimeError):  # noqa: N818
    """A step of Spark's stopped; what it said is withheld, for it can quote people."""


def _scrubbed(step: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Replace whatever Spark raises by the step's name and the kind of error."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except (Unusable, SparkFailed):
                raise
            except Exception as error:
                kind = type(error).__name__
            raise SparkFailed(f"Spark stopped while {step} ({kind})")

        return call

    return decorate


class Spark:
    """A session of Spark that holds the national tables and what is prepared from them.

    Parameters
    ----------
    vintage : Vintage
    asks : bool
        Whether rows are only taken, not prepared: then, as with a small vintage, starting soon
        matters more than the speed afterwards.
    """

    name = "spark"

    def __init__(self, vintage: Vintage, *, asks: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="spark-"))
        self._opened = ExitStack()
        self._opened.callback(shutil.rmtree, self._folder, ignore_errors=True)
        try:
            self._known = self._opened.enter_context(vintage.connect(threads=1))
            quick = asks or self._rows("offenders") <= SMALL
            self._session = self._opened.enter_context(_session(self._folder, quick=quick))
            self._show_national(vintage)
        except BaseException:
            self.close()
            raise

    @_scrubbed("writing what is prepared")
    def write(self, tables: Mapping[str, str], folder: Path, tell: Progress) -> dict[str, int]:
        """See `Engine`.

        Notes
        -----
        Spark writes the ordered rows in parts. DuckDB puts them together, part by part, so that the
        file has the columns and types that DuckDB itself would have given it.
        """
        for name, sql in functions().items():
            self._session.sql(f"CREATE OR REPLACE TEMPORARY FUNCTION {name}{sql}")
        rows = {}
        for done, (name, sql) in enumerate(tables.items()):
            tell(name, done / len(tables))
            parts, file = folder / f".{name}.parts", folder / f"{name}.parquet"
            self._run(sql, parts)
            self._join(sql, parts, file)
            shutil.rmtree(parts)
            self.show(name, file)
            rows[name] = self._rows(name)
        return rows

    @_scrubbed("taking rows by a key")
    def take(self, table: str, column: str, keys: pa.Array) -> pa.Table:
        """See `Engine`."""
        kinds = self._kinds(table)
        asked = pa.table({column: keys.cast(kinds.field(column).type)})
        wanted = self._session.createDataFrame(_without_unsigned(asked)).hint("broadcast")
        return self._fetched(self._session.table(table).join(wanted, column, "left_semi"), kinds)

    @_scrubbed("selecting rows")
    def select(self, table: str, where: str) -> pa.Table:
        """See `Engine`."""
        found = self._session.sql(translated(f"SELECT * FROM {table} WHERE {where}")[""])
        return self._fetched(found, self._kinds(table))

    def show(self, name: str, file: Path) -> None:
        """Give a prepared file a name in queries."""
        self._known.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {parquet(file)}")
        self._read(file).createOrReplaceTempView(name)

    def close(self) -> None:
        """See `Engine`."""
        self._opened.close()

    @classmethod
    def to_prepare(cls, vintage: Vintage) -> Spark:
        """Open the engine for the preparation."""
        return cls(vintage)

    @classmethod
    def to_ask(cls, vintage: Vintage) -> Spark:
        """Open the engine for a request, on national and prepared tables."""
        engine = cls(vintage, asks=True)
        for file in sorted(vintage.prepared.glob("*.parquet")):
            engine.show(file.stem, file)
        return engine

    def _run(self, sql: str, parts: Path) -> None:
        """Write the rows of a query in parts, each step that is named twice worked out once."""
        steps = translated(sql)
        kept = shared(steps)
        frames = []
        for name, step in steps.items():
            frame = self._session.sql(step)
            frames.append(frame.persist() if name in kept else frame)
            if name:
                frame.createOrReplaceTempView(name)
        frames[-1].write.parquet(str(parts))
        for name, frame in zip(steps, frames, strict=True):
            if name:
                self._session.catalog.dropTempView(name)
            if name in kept:
                frame.unpersist()

    def _join(self, sql: str, parts: Path, file: Path) -> None:
        described = self._known.execute(f"DESCRIBE {sql}").fetchall()
        columns = ", ".join(f'"{row[0]}"::{row[1]} AS "{row[0]}"' for row in described)
        pieces = ", ".join(f"'{quoted(part)}'" for part in sorted(parts.glob("part-*.parquet")))
        self._known.execute(f"""
            COPY (SELECT {columns} FROM read_parquet([{pieces}], hive_partitioning = false))
            TO '{quoted(file)}' (FORMAT parquet, COMPRESSION zstd)""")

    @_scrubbed("opening the national tables")
    def _show_national(self, vintage: Vintage) -> None:
        """Show the national tables: absent columns, and absent tables, as nulls."""
        for name in TABLES:
            file = vintage.file(name)
            frame = self._read(file) if file.exists() else self._session.range(0)
            present = frame.columns if file.exists() else []
            described = self._known.execute(f"DESCRIBE {name}").fetchall()
            columns = [
                f"`{column}`"
                if column in present
                else f"CAST(NULL AS {_SPARK_KINDS.get(kind, kind)}) AS `{column}`"
                for column, kind, *_ in described
            ]
            frame.selectExpr(*columns).createOrReplaceTempView(name)

    def _rows(self, table: str) -> int:
        return int(self._known.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def _read(self, file: Path) -> DataFrame:
        """Read one Parquet file; no letter of its path is a pattern."""
        return self._session.read.parquet(re.sub(r"([\\*?\[\]{}])", r"\\\1", str(file)))

    def _kinds(self, table: str) -> pa.Schema:
        return self._known.sql(f"FROM {table} LIMIT 0").to_arrow_table().schema

    def _fetched(self, frame: DataFrame, kinds: pa.Schema) -> pa.Table:
        return frame.toArrow().select(kinds.names).cast(kinds)


_SPARK_KINDS = {"VARCHAR": "STRING", "INTEGER": "INT"}


def _without_unsigned(rows: pa.Table) -> pa.Table:
    """Whole numbers of 64 bits without a sign are decimals in Spark, also where it reads them."""
    kinds = [
        pa.decimal128(20, 0) if field.type == pa.uint64() else field.type for field in rows.schema
    ]
    return rows.cast(pa.schema(zip(rows.column_names, kinds, strict=True)))


@contextmanager
def _session(folder: Path, *, quick: bool) -> Iterator[SparkSession]:
    """Open a session that logs nothing; what it puts down on this machine lies in the folder."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully", FutureWarning)
        try:
            from pyspark.logger import PySparkLogger
            from pyspark.sql import SparkSession
        except ImportError:
            rule = "the package pyspark must be installed"
            raise _missing(rule, "Install it with `make spark`") from None
        PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True  # it quotes values
        local = "SPARK_REMOTE" not in os.environ
        with _local(folder, quick) if local else _remote(SparkSession) as session:
            for key, value in _SAME_EVERYWHERE.items():
                session.conf.set(key, value)
            yield session


@contextmanager
def _remote(sessions: Any) -> Iterator[SparkSession]:
    """Open a session of a server, which SPARK_REMOTE names."""
    session = _scrubbed("connecting to its server")(sessions.builder.create)()
    try:
        yield session
    finally:
        session.stop()


@contextmanager
def _local(folder: Path, quick: bool) -> Iterator[SparkSession]:
    """Open a session in a process of Spark's own, which prints nothing."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    gateway = _launched(folder, quick)
    try:
        context = _scrubbed("starting")(SparkContext)(gateway=gateway)
        session = SparkSession(context)
        if context.master.startswith("local"):
            parts = str(context.defaultParallelism)
            session.conf.set("spark.sql.shuffle.partitions", parts)
        yield session
        session.stop()
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()
        SparkContext._gateway = SparkContext._jvm = None


def _launched(folder: Path, quick: bool) -> Any:
    """Start Spark's process, all whose files lie in the folder; it ends when this process does."""
    from pyspark import SparkConf
    from pyspark.errors import PySparkRuntimeError
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf(loadDefaults=False)
    places = {"spark.local.dir": str(folder), "spark.sql.warehouse.dir": str(folder / "warehouse")}
    for key, value in (_SETTINGS | places).items():
        conf.set(key, value)
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": str(folder)}
    with _environment(_variables(folder, quick)):
        try:
            return launch_gateway(conf, silent)
        except PySparkRuntimeError:
            rule = "Java must be installed, 17 or later"
            remedy = "Install it, such as Debian's openjdk-17-jre-headless, or name it in JAVA_HOME"
            raise _missing(rule, remedy) from None


def _variables(folder: Path, quick: bool) -> dict[str, str]:
    """What Spark's process is to find: of speed and memory the user's word, of places ours."""
    usual = f"{_DEEP} {_QUICK}" if quick else _DEEP
    options = os.environ.get("SPARK_SUBMIT_OPTS", usual)
    launcher = os.environ.get("SPARK_LAUNCHER_OPTS", "")
    place = shlex.quote(f"-Djava.io.tmpdir={folder}")
    return {
        "SPARK_SUBMIT_OPTS": f"{options} {_PRIVATE} {place}",
        "SPARK_LAUNCHER_OPTS": f"{launcher} {_PRIVATE}",
        "SPARK_DRIVER_MEMORY": os.environ.get("SPARK_DRIVER_MEMORY", _LITTLE if quick else MEMORY),
        "SPARK_LOCAL_DIRS": str(folder),
    }


def _missing(rule: str, remedy: str) -> Unusable:
    return Unusable([Fault("--engine spark", rule, f"{remedy}; or leave --engine out")])


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have variables in the environment of the process that is started."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
