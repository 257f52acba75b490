"""The registers of the linkage study: made, prepared and opened in one folder, and used again."""

import hashlib
import json
import time
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cohorts
import duckdb
import pandas as pd

from jdl import linkage, prepare, sentence
from jdl.engines import LOOKED_UP, DuckDB, Layout
from jdl.execute import defaults_of
from jdl.national import Vintage, open_vintage
from jdl.synthetic import synthesise

ROOT = Path(__file__).resolve().parents[2]
TRAINED_ON, TRAINED_ROWS = 901, 4000
MEMORY = "6GB"
TABLES = {**linkage.PREPARED, **sentence.PREPARED}
LAID_OUT = [name for name in LOOKED_UP if name != "outcomes"]


@cache
def choices() -> dict[str, Any]:
    """Return the method's choices as the notebook's parameters cell has them."""
    return defaults_of(ROOT / "notebooks" / "tailored_report.ipynb")


def leeways() -> dict[str, Any]:
    """Return how far dates may be out, as the notebook says; every row gives its own setting."""
    names = ("custody_days", "order_days", "open_order_days", "gate_days", "date_days")
    return {name: choices()[name] for name in names} | {"setting": "community", "cautions": False}


@dataclass(frozen=True)
class Place:
    """A synthetic register in the study's folder.

    Parameters
    ----------
    folder : Path
        Of the study; what is there is used again.
    offenders, seed : int
        As ``jdl synth`` takes them.
    mixed : int
        Not 0: the rows of the national tables stand in another order.
    """

    folder: Path
    offenders: int
    seed: int
    mixed: int = 0

    @property
    def name(self) -> str:
        """What its files are called by."""
        return f"{self.offenders}-{self.seed}" + (f"-mixed-{self.mixed}" if self.mixed else "")

    @cached_property
    def vintage(self) -> Vintage:
        """The national tables, made where they are missing."""
        out = self.folder / self.name
        if not out.exists():
            if self.mixed:
                self._mix(out)
            else:
                synthesise(out, offenders=self.offenders, seed=self.seed)
        return open_vintage(out)

    def _mix(self, out: Path) -> None:
        straight = Place(self.folder, self.offenders, self.seed).vintage
        out.mkdir(parents=True)
        out.joinpath("vintage.toml").write_bytes(
            straight.folder.joinpath("vintage.toml").read_bytes()
        )
        with straight.connect() as con:
            con.execute("SET enable_progress_bar = false")
            for table in straight.tables:
                con.execute(f"""
                    COPY (FROM {table} ORDER BY hash({table}::VARCHAR || '{self.mixed}'))
                    TO '{out / table}.parquet' (FORMAT parquet)""")

    def cohort(self, rows: int, seed: int, often: dict[str, float]) -> cohorts.Cohort:
        """Draw an upload about this register."""
        return cohorts.cohort(self.vintage, self.seed, rows, seed, often)

    @cached_property
    def prepared(self) -> Path:
        """Where what is prepared lies: its name tells by which definitions."""
        digest = hashlib.sha256("".join([*TABLES.values(), *LAID_OUT]).encode())
        return self.folder / "prepared" / self.name / digest.hexdigest()[:12]

    def file(self, table: str) -> Path:
        """Where a prepared table lies."""
        return self.prepared / f"{table}.parquet"

    @property
    def model_file(self) -> Path:
        """Where the model lies: its name tells by which code it was trained."""
        digest = hashlib.sha256()
        for part in sorted(Path(str(linkage.__file__)).parent.glob("*.py")):
            digest.update(part.read_bytes())
        return self.prepared / f"model-{digest.hexdigest()[:12]}.json"

    def prepare(self, threads: int = 2) -> dict[str, float]:
        """Make what is missing, and return the seconds that each part took when it was made."""
        record = self.prepared / "seconds.json"
        if not record.exists():
            self.prepared.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(self._make_tables(threads)))
        spent: dict[str, float] = json.loads(record.read_text())
        if not self.model_file.exists():
            upload = self.cohort(TRAINED_ROWS, TRAINED_ON, {}).people
            started = time.monotonic()
            with self._connect(threads) as con:
                model = linkage.train(DuckDB(con), upload, prepare.SEED)
            spent["model"] = time.monotonic() - started
            record.write_text(json.dumps(spent))
            self.model_file.write_text(json.dumps(model))
        return spent

    def _make_tables(self, threads: int) -> dict[str, float]:
        spent = {}
        with self.vintage.connect(threads=threads) as con:
            con.execute("SET enable_progress_bar = false")
            con.execute(f"SET memory_limit = '{MEMORY}'")
            con.execute(f"SET temp_directory = '{self.prepared / 'spill'}'")
            for name, sql in TABLES.items():
                started, file = time.monotonic(), self.file(name)
                con.execute(f"COPY ({sql}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
                con.execute(f"CREATE VIEW {name} AS FROM read_parquet('{file}')")
                spent[name] = time.monotonic() - started
            started = time.monotonic()
            for name in LAID_OUT:
                Layout(self.prepared).lay_out(con, name)
            spent["layout"] = time.monotonic() - started
        return spent

    def _connect(self, threads: int) -> duckdb.DuckDBPyConnection:
        con = self.vintage.connect(threads=threads)
        for name in TABLES:
            con.execute(f"CREATE VIEW {name} AS FROM read_parquet('{self.file(name)}')")
        return con

    def open(self, threads: int = 1) -> linkage.Register:
        """Open what was prepared, as ``jdl.prepare.open_prepared`` does."""
        engine = DuckDB(self._connect(threads), layout=Layout(self.prepared))
        return linkage.Register(engine, self.model, self.offenders)

    @property
    def model(self) -> dict[str, Any]:
        """The model, as Splink stores one."""
        model: dict[str, Any] = json.loads(self.model_file.read_text())
        return model


@dataclass(frozen=True)
class Weighed:
    """The candidates of an upload: who was settled by a pass, and what speaks for each."""

    certain: pd.DataFrame
    scored: linkage.Scored

    def decide(self) -> linkage.Links:
        """Decide with the notebook's choices."""
        chosen = choices()
        return linkage.decide(
            self.certain,
            self.scored,
            threshold=chosen["link_threshold"],
            review=chosen["review_threshold"],
            gap_bits=chosen["gap_bits"],
        )


def weigh(register: linkage.Register, people: pd.DataFrame) -> Weighed:
    """Weigh the candidates of an upload the way the notebook does."""
    found = linkage.candidates(linkage.clean(people), register)
    certain = linkage.deterministic(found, passes=choices()["link_passes"])
    scored = linkage.score(found, certain)
    found.own.close()
    return Weighed(certain, scored)


def corroborate(
    place: Place,
    register: linkage.Register,
    people: pd.DataFrame,
    weighed: Weighed,
    **about: Any,
) -> Weighed:
    """Let the sentences speak too; `about` is the request where it differs from ``leeways``."""
    scored = weighed.scored
    fitting = sentence.corroboration(
        register.engine.con, place.vintage, people, scored.rows, scored.pairs, **leeways() | about
    )
    return Weighed(weighed.certain, linkage.corroborate(scored, fitting))


def without_ids(people: pd.DataFrame) -> pd.DataFrame:
    """Take the identifiers out of an upload."""
    none = pd.Series([None] * len(people), index=people.index, dtype="str")
    return people.assign(pnc_id=none, prison_number=none)
