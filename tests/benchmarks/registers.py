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

from jdl import linkage, sentence
from jdl.execute import defaults_of
from jdl.national import Vintage, open_vintage
from jdl.synthetic import synthesise

ROOT = Path(__file__).resolve().parents[2]
MODEL_SEED = 20140313
TRAINED_ON, TRAINED_ROWS = 901, 4000
MEMORY = "6GB"
TABLES = {**linkage.PREPARED, **sentence.PREPARED}


@cache
def choices() -> dict[str, Any]:
    """Return the method's choices as the notebook's parameters cell has them."""
    return defaults_of(ROOT / "notebooks" / "tailored_report.ipynb")


def leeways() -> dict[str, Any]:
    """Return how far dates may be out, as the notebook says; each row of a study has its setting."""
    names = ("custody_days", "order_days", "gate_days", "date_days")
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
            for table in straight.tables:
                con.execute(f"""
                    COPY (FROM {table} ORDER BY hash({table}::VARCHAR || '{self.mixed}'))
                    TO '{out / table}.parquet' (FORMAT parquet)""")

    def cohort(self, rows: int, seed: int, often: dict[str, float] | None) -> cohorts.Cohort:
        """Draw an upload about this register."""
        return cohorts.cohort(self.vintage, self.seed, rows, seed, often)

    def _file(self, table: str) -> Path:
        """Where a prepared table lies: its name tells by which SQL, all before it included."""
        names = list(TABLES)
        before = "".join(TABLES[name] for name in names[: names.index(table) + 1])
        digest = hashlib.sha256(before.encode()).hexdigest()[:12]
        return self.folder / "prepared" / self.name / f"{table}-{digest}.parquet"

    @property
    def names_file(self) -> Path:
        """The cleaned names of the register, which the peers are given too."""
        return self._file("names")

    @property
    def model_file(self) -> Path:
        """Where the model lies: its name tells by which code it was trained."""
        digest = hashlib.sha256("".join(TABLES.values()).encode())
        for part in sorted(Path(linkage.__file__).parent.glob("*.py")):
            digest.update(part.read_bytes())
        return self.names_file.parent / f"model-{digest.hexdigest()[:12]}.json"

    def prepare(self, threads: int = 2) -> dict[str, Any]:
        """Make what is missing, and return the seconds each table took when it was made."""
        folder = self.names_file.parent
        folder.mkdir(parents=True, exist_ok=True)
        record = folder / "seconds.json"
        spent: dict[str, float] = json.loads(record.read_text()) if record.exists() else {}
        if not self.model_file.exists():
            with self.vintage.connect(threads=threads) as con:
                con.execute("SET enable_progress_bar = false")
                con.execute(f"SET memory_limit = '{MEMORY}'")
                con.execute(f"SET temp_directory = '{folder / 'spill'}'")
                for name, sql in TABLES.items():
                    spent |= self._prepare(con, name, sql)
                started = time.monotonic()
                upload = self.cohort(TRAINED_ROWS, TRAINED_ON, None).people
                drawn = time.monotonic()
                model = linkage.train(con, upload, MODEL_SEED)
                spent |= {"model": time.monotonic() - drawn, "upload": drawn - started}
            record.write_text(json.dumps(spent))
            self.model_file.write_text(json.dumps(model))
        return {name: spent[name] for name in (*TABLES, "model")}

    def _prepare(self, con: duckdb.DuckDBPyConnection, name: str, sql: str) -> dict[str, float]:
        file, started = self._file(name), time.monotonic()
        missing = not file.exists()
        if missing:
            part = file.with_suffix(".part")
            con.execute(f"COPY ({sql}) TO '{part}' (FORMAT parquet, COMPRESSION zstd)")
            part.rename(file)
        con.execute(f"CREATE VIEW {name} AS FROM read_parquet('{file}')")
        return {name: time.monotonic() - started} if missing else {}

    def open(self, threads: int = 1) -> linkage.Register:
        """Open what was prepared, as ``jdl.prepare.open_prepared`` does."""
        con = self.vintage.connect(threads=threads)
        for name in TABLES:
            con.execute(f"CREATE VIEW {name} AS FROM read_parquet('{self._file(name)}')")
        model = json.loads(self.model_file.read_text())
        return linkage.Register(con, model, self.offenders)


@dataclass(frozen=True)
class Linked:
    """What came of an upload."""

    scored: linkage.Scored
    links: linkage.Links


def link(
    place: Place, register: linkage.Register, people: pd.DataFrame, corroborated: bool
) -> Linked:
    """Link an upload the way the notebook does, with its choices."""
    chosen = choices()
    cleaned = linkage.clean(people)
    found = linkage.candidates(cleaned, register)
    certain = linkage.deterministic(found, passes=chosen["link_passes"])
    scored = linkage.score(found, certain)
    found.own.close()
    if corroborated:
        at_the_time = sentence.corroboration(
            register.con,
            place.vintage,
            people,
            scored.rows,
            scored.pairs,
            **leeways(),
        )
        scored = linkage.corroborate(scored, at_the_time)
    links = linkage.decide(
        certain,
        scored,
        threshold=chosen["link_threshold"],
        review=chosen["review_threshold"],
        gap_bits=chosen["gap_bits"],
    )
    return Linked(scored, links)


def without_ids(people: pd.DataFrame) -> pd.DataFrame:
    """Take the identifiers out of an upload."""
    none = pd.Series([None] * len(people), index=people.index, dtype="str")
    return people.assign(pnc_id=none, prison_number=none)
