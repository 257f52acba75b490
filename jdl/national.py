"""The national data: tables, code lists and the opening of one dated extract, a vintage."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import tempfile
import tomllib
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from jdl.cells import Findings
from jdl.faults import Fault, Unusable
from jdl.forms import VINTAGE_KEY, Form, Key, hold_form, load
from jdl.safekeeping import scratch

PREPARED, RECORD = "prepared", "prepared.json"
"""The folder of what is made once per vintage, and the file in it that says from what."""
_KEPT: dict[str, type] = {
    **dict.fromkeys(("contract", "definitions", "hash"), str),
    **dict.fromkeys(("files", "inputs", "made", "outputs", "rows"), dict),
    "pairs": int,
}
"""What that file holds: hashes, what is known of each file and table by its name, and how many
pairs of people the linkage model might learn from."""
_SCRATCH = ".scratch"
FOLLOW_UP_MONTHS = 12
WAITING_MONTHS = 6
NEEDS = (
    "accommodation",
    "education_employment",
    "finance",
    "relationships",
    "lifestyle",
    "drugs",
    "alcohol",
    "emotional",
    "thinking",
    "attitudes",
)
DISPOSALS = (
    "custody",
    "suspended sentence",
    "community order",
    "fine",
    "caution",
    "discharge",
    "other",
)


@cache
def code_list(name: str) -> tuple[str, ...]:
    """Return the allowed codes of one list of ``codes.toml``, in its order."""
    lists = tomllib.loads((Path(__file__).parent / "codes.toml").read_text(encoding="utf-8"))
    return tuple(lists[name])


@dataclass(frozen=True)
class Column:
    """A column of a national table.

    Parameters
    ----------
    kind : {'id', 'text', 'date', 'integer', 'boolean'}
        What it holds. Identifiers are text as the source writes them.
    optional : bool
        Whether the column may be absent.
    codes : tuple of str
        Allowed values; empty when free.
    nullable : bool
        Whether a value may be missing.
    """

    kind: str
    optional: bool = False
    codes: tuple[str, ...] = ()
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A national table.

    Parameters
    ----------
    columns : dict of str to Column
    optional : bool
        Whether the table may be absent.
    key : str
        The column that tells its rows apart; such a table is not empty.
    """

    columns: dict[str, Column]
    optional: bool = False
    key: str = ""


def _id() -> Column:
    return Column("id")


def _may(kind: str, *codes: str) -> Column:
    return Column(kind, nullable=True, codes=codes)


def _absent(kind: str, *codes: str) -> Column:
    return Column(kind, optional=True, nullable=True, codes=codes)


TABLES: dict[str, Table] = {
    "offenders": Table(
        {
            "offender_id": _id(),
            "pnc_id": _may("id"),
            "prison_number": _absent("id"),
            "forename": _may("text"),
            "middle_names": _absent("text"),
            "surname": _may("text"),
            "date_of_birth": _absent("date"),
            "sex": _may("text", "male", "female"),
            "ethnicity": _absent("text", *code_list("ethnicity")),
            "nationality": _absent("text", *code_list("nationality")),
            "died_on": _absent("date"),
        },
        key="offender_id",
    ),
    "aliases": Table(
        {
            "offender_id": _id(),
            "forename": _absent("text"),
            "surname": _absent("text"),
            "date_of_birth": _absent("date"),
            "recorded_on": _absent("date"),
        }
    ),
    "disposals": Table(
        {
            "disposal_id": _id(),
            "offender_id": _id(),
            "conviction_date": Column("date"),
            "disposal": Column("text", codes=DISPOSALS),
            "sentence_date": _absent("date"),
            "order_end": _absent("date"),
            "custody_start": _absent("date"),
            "release_date": _absent("date"),
            "sentence_days": _absent("integer"),
            "offence_group": Column("text", codes=code_list("offence_group")),
            "region": _absent("text", *code_list("region")),
            "prison": _absent("text"),
        },
        key="disposal_id",
    ),
    "prison_spells": Table(
        {
            "offender_id": _id(),
            "disposal_id": _absent("id"),
            "start": Column("date"),
            "end": _absent("date"),
            "kind": _absent("text", "remand", "sentence", "recall"),
        },
        optional=True,
    ),
    "offences": Table(
        {
            "offence_id": _id(),
            "offender_id": _id(),
            "offence_date": Column("date"),
            "conviction_date": Column("date"),
            "proven_by": Column(
                "text", codes=("conviction", "caution", "reprimand", "warning", "penalty notice")
            ),
            "court_outcome": Column(
                "text", nullable=True, codes=("indictable", "either way", "summary")
            ),
            "offence_group": Column("text", codes=code_list("offence_group")),
            "disposal_id": _absent("id"),
            "custodial": Column("boolean"),
            "breach": _absent("boolean"),
        },
        key="offence_id",
    ),
    "employment": Table(
        {"offender_id": _id(), "start_date": Column("date"), "end_date": _absent("date")}
    ),
    "benefits": Table(
        {
            "offender_id": _id(),
            "benefit": Column("text", codes=code_list("benefit")),
            "start_date": Column("date"),
            "end_date": _absent("date"),
        }
    ),
    "oasys": Table(
        {
            "offender_id": _id(),
            "assessment_date": Column("date"),
            "ogrs": _absent("integer"),
            **{need: Column("integer", nullable=True) for need in NEEDS},
        }
    ),
}

_DUCKDB_KINDS = {
    "id": ("VARCHAR",),
    "text": ("VARCHAR",),
    "date": ("DATE",),
    "boolean": ("BOOLEAN",),
    "integer": (
        "TINYINT",
        "UTINYINT",
        "SMALLINT",
        "USMALLINT",
        "INTEGER",
        "UINTEGER",
        "BIGINT",
        "UBIGINT",
    ),
}
_DUCKDB_ABSENT = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "date": "DATE",
    "boolean": "BOOLEAN",
    "integer": "INTEGER",
}
_VINTAGE: Form = {
    "": {
        "name": replace(VINTAGE_KEY, required=True),
        "extracted": Key("date", True),
        "offences_to": Key("date", True),
        "convictions_to": Key("date", True),
        "synthetic": Key("true or false", True),
        "eligible_from": Key("date"),
        **{
            f"{table}_{edge}": Key("date")
            for table in ("employment", "benefits", "oasys")
            for edge in ("from", "to")
        },
    }
}
MEMORY, DISK = "8GB", "64GB"
"""What an engine may hold of a whole vintage at a time, and how much of the rest waits on disk."""
_LARGE = 1 << 30
"""Bytes of tables from which the check of a vintage may need more than memory."""
_DATES = ("1800-01-01", "2100-12-31")
_MOST = 1_000_000
"""The limits of a date and of a whole number: what lies beyond stands for something else."""


def add_months(day: dt.date, months: int) -> dt.date:
    """Return the same day of the month `months` later, or that month's last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (dt.date(year + (month == 11), (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month + 1, min(day.day, last))


def latest_start(end: dt.date, months: int) -> dt.date:
    """Return the last day from which `months` months are over by `end`."""
    day = add_months(end, -months)
    while add_months(day + dt.timedelta(days=1), months) <= end:
        day += dt.timedelta(days=1)
    return day


@dataclass(frozen=True)
class Vintage:
    """One dated extract of the national data.

    Parameters
    ----------
    folder : Path
        Holds ``vintage.toml`` and one Parquet file a table.
    name : str
        Its public name.
    extracted, offences_to, convictions_to : date
        When it was made; the last offence and the last conviction date it holds.
    synthetic : bool
        Whether the people are made up; then nothing made from it is an Official Statistic.
    eligible_from : date, optional
        First index date of the reoffending data set.
    coverage : dict
        First and last dates of employment, benefits and oasys, where stated.
    files : dict
        What was known of its files when they were held against the contract, see `stamps`.
    """

    folder: Path
    name: str
    extracted: dt.date
    offences_to: dt.date
    convictions_to: dt.date
    synthetic: bool
    eligible_from: dt.date | None
    coverage: dict[str, dt.date]
    files: dict[str, list[int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def last_index_date(self) -> dt.date:
        """The last index date whose follow-up and waiting period the vintage holds whole."""
        return min(
            latest_start(self.offences_to, FOLLOW_UP_MONTHS),
            latest_start(self.convictions_to, FOLLOW_UP_MONTHS + WAITING_MONTHS),
        )

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that are present, in the order of the contract."""
        return tuple(name for name in TABLES if self.file(name).exists())

    @property
    def source(self) -> str:
        """What to print as the source of a chart."""
        if self.synthetic:
            return f"synthetic national data, made-up people (vintage {self.name})"
        return (
            "Ministry of Justice extract of the Police National Computer and prison data "
            f"(vintage {self.name})"
        )

    @property
    def prepared(self) -> Path:
        """The folder of what is made once per vintage."""
        return self.folder / PREPARED

    @property
    def scratch(self) -> Path:
        """The folder of temporary files while it is checked and prepared; see `safekeeping`."""
        return self.folder / _SCRATCH

    def file(self, table: str) -> Path:
        """Return the Parquet file of a table."""
        return self.folder / f"{table}.parquet"

    def connect(self, threads: int = 1, disk: str = "") -> duckdb.DuckDBPyConnection:
        """Open an engine on the vintage: one view a table, absent columns and tables as nulls.

        Parameters
        ----------
        threads, disk
            As for `open_engine`.

        Returns
        -------
        duckdb.DuckDBPyConnection
        """
        con = open_engine(threads, disk)
        for name in TABLES:
            self.show(con, name)
        return con

    def show(self, con: duckdb.DuckDBPyConnection, table: str) -> None:
        """Make the view of one table; see `connect`."""
        con.execute(_view(con, table, self.file(table)))


def open_engine(threads: int = 1, disk: str = "") -> duckdb.DuckDBPyConnection:
    """Open an engine that holds nothing yet.

    Parameters
    ----------
    threads : int
        One thread gives the same float sums in every run.
    disk : str
        The most that may wait on disk of what memory does not hold, such as ``4GB``: in a private
        folder among this process's temporary files, gone with the engine or, should the process be
        killed, with those. Without it nothing is written.

    Returns
    -------
    duckdb.DuckDBPyConnection
    """
    folder = tempfile.mkdtemp(prefix="duckdb-") if disk else ""
    con = duckdb.connect(":memory:", config={"threads": threads, "temp_directory": folder})
    if disk:
        weakref.finalize(con, shutil.rmtree, folder, ignore_errors=True)
        con.execute(f"SET max_temp_directory_size = '{disk}'")
    hide_progress(con)
    return con


def hide_progress(con: duckdb.DuckDBPyConnection) -> None:
    """Switch the progress bar off; where no display could show one, DuckDB refuses the setting."""
    try:
        con.execute("SET enable_progress_bar = false").fetchall()
    except duckdb.Error:
        return


def _view(con: duckdb.DuckDBPyConnection, name: str, file: Path) -> str:
    table = TABLES[name]
    if not file.exists():
        nulls = ", ".join(
            f'NULL::{_DUCKDB_ABSENT[column.kind]} AS "{key}"'
            for key, column in table.columns.items()
        )
        return f"CREATE VIEW {name} AS SELECT {nulls} WHERE false"
    present = dict(_described(con, file))
    selected = ", ".join(
        f'"{key}"' if key in present else f'NULL::{_DUCKDB_ABSENT[column.kind]} AS "{key}"'
        for key, column in table.columns.items()
    )
    return f"CREATE VIEW {name} AS SELECT {selected} FROM {parquet(file)}"


def parquet(file: Path) -> str:
    """Return how a query names one Parquet file: no letter of its path is a pattern or a column."""
    path = re.sub(r"([*?\[])", r"[\1]", quoted(file))
    return f"read_parquet('{path}', hive_partitioning = false)"


def quoted(file: Path) -> str:
    """Return a path as it stands between the quotation marks of a query."""
    return str(file).replace("'", "''")


def _described(con: duckdb.DuckDBPyConnection, file: Path) -> list[tuple[str, str]]:
    rows = con.execute(f"DESCRIBE SELECT * FROM {parquet(file)}").fetchall()
    return [(row[0], row[1]) for row in rows]


@dataclass(frozen=True)
class Workplace:
    """Where a notebook finds its inputs; the record holds none of these paths.

    Parameters
    ----------
    data : Path
        One vintage, or a folder of vintages.
    requests : Path
        The folder of requests, with the log.
    release : str
        The release in hand; empty where the notebook is run by hand.
    results : Path
        The folder of finished reports of this release.
    outputs : Path
        The folder of releases, for the results of earlier ones.
    restricted : Path
        The folder of what only its owner may read, such as clerical decisions.
    handed : Path or None
        A private folder for what the notebook hands to whoever runs it, and no page shows; None
        where it is run by hand.
    beside : tuple of str
        The requests of the same month that come before the one in hand and are finished.
    repeats : Path or None
        The manifest of the release that is made again from the same inputs.
    engine : str
        What reads the national data: ``duckdb`` or ``spark``.
    """

    data: Path
    requests: Path
    results: Path
    outputs: Path
    restricted: Path
    release: str = ""
    handed: Path | None = None
    beside: tuple[str, ...] = ()
    repeats: Path | None = None
    engine: str = "duckdb"

    def hand(self, name: str, content: Any) -> None:
        """Hand something to whoever runs the notebook, for a restricted record.

        Parameters
        ----------
        name : str
            Such as ``disclosure``.
        content : object
            That can be written as JSON; of nobody.
        """
        if self.handed is not None:
            text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
            (self.handed / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def workplace(release: str = "") -> Workplace:
    """Return the folders named in the environment, else those of this checkout.

    Parameters
    ----------
    release : str
        The release in hand, ``YYYY-MM``, whose finished reports are read.

    Returns
    -------
    Workplace
        From JDL_VINTAGE, JDL_REQUESTS, JDL_RESULTS, JDL_OUTPUTS, JDL_RESTRICTED, JDL_RELEASE,
        JDL_HANDED, JDL_BESIDE, JDL_REPEATS and JDL_ENGINE; without JDL_RESTRICTED,
        ``.restricted`` in the folder of releases.
    """
    root = Path(__file__).resolve().parent.parent

    def folder(variable: str, default: str) -> Path:
        return Path(os.environ.get(variable, root / default))

    outputs = folder("JDL_OUTPUTS", "outputs")
    handed, repeats = os.environ.get("JDL_HANDED"), os.environ.get("JDL_REPEATS")
    return Workplace(
        data=folder("JDL_VINTAGE", "data"),
        requests=folder("JDL_REQUESTS", "requests"),
        results=folder("JDL_RESULTS", f"outputs/{release}/reports"),
        outputs=outputs,
        restricted=Path(os.environ.get("JDL_RESTRICTED", outputs / ".restricted")),
        release=release or os.environ.get("JDL_RELEASE", ""),
        handed=Path(handed) if handed else None,
        beside=tuple(os.environ.get("JDL_BESIDE", "").split()),
        repeats=Path(repeats) if repeats else None,
        engine=os.environ.get("JDL_ENGINE", "duckdb"),
    )


def find_vintages(data: Path) -> list[Path]:
    """Return the vintage folders in `data`: itself, or those directly inside, by name."""
    if (data / "vintage.toml").exists():
        return [data]
    return sorted(path.parent for path in data.glob("*/vintage.toml"))


def open_vintage(data: Path, name: str | None = None) -> Vintage:
    """Open a vintage.

    Parameters
    ----------
    data : Path
        One vintage, or a folder of vintages.
    name : str, optional
        Which one; without it, the latest extracted.

    Returns
    -------
    Vintage

    Raises
    ------
    Unusable
        If there is none, or its ``vintage.toml`` or tables break the contract.
    """
    folders = find_vintages(data)
    if not folders:
        raise Unusable(
            [
                Fault(
                    data.name or str(data),
                    "the folder must hold a vintage: vintage.toml and Parquet tables",
                    "Name one with --data, or make a synthetic one with `jdl synth --out data`",
                )
            ]
        )
    known = {folder: stamps(folder) for folder in folders}
    unseen = [folder for folder, files in known.items() if not _held_before(folder, files)]
    faults = [fault for folder in unseen for fault in check_vintage(folder)]
    if faults:
        raise Unusable(faults)
    vintages = sorted(
        (_read_vintage(folder, files) for folder, files in known.items()),
        key=lambda v: (v.extracted, v.name),
    )
    names = [vintage.name for vintage in vintages]
    if twice := [one.folder.name for one in vintages if names.count(one.name) > 1]:
        raise Unusable(
            Fault(f"{folder}/vintage.toml", "no two vintages may have the same name", "Rename one")
            for folder in twice
        )
    if name is None:
        return vintages[-1]
    for vintage in vintages:
        if vintage.name == name:
            return vintage
    raise Unusable(
        [
            Fault(
                "vintage",
                f"the release asks for the vintage {name}, which is not in the data folder",
                "Put it there, or change `vintage` in the release file; here are: "
                + ", ".join(v.name for v in vintages),
            )
        ]
    )


def _read_vintage(folder: Path, files: dict[str, list[int]]) -> Vintage:
    raw = load(folder / "vintage.toml", folder.name)
    return Vintage(
        folder=folder.resolve(),
        name=raw["name"],
        extracted=raw["extracted"],
        offences_to=raw["offences_to"],
        convictions_to=raw["convictions_to"],
        synthetic=raw["synthetic"],
        eligible_from=raw.get("eligible_from"),
        coverage={key: raw[key] for key in raw if key.partition("_")[0] in TABLES},
        files=files,
    )


def stamps(folder: Path) -> dict[str, list[int]]:
    """Return what the system knows of each file of a vintage.

    An unchanged file needs no second look at its content. Times are looked at for being the same,
    never for being earlier or later, and no time alone decides: a file put in the place of another
    has another number, whatever the clock says.
    """
    files = [folder / "vintage.toml", *(folder / f"{name}.parquet" for name in TABLES)]
    known = {file.name: file.stat() for file in files if file.exists()}
    return {
        name: [one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns]
        for name, one in known.items()
    }


def contract_hash() -> str:
    """Return the hash of the code and the code lists against which a vintage is held."""
    parts = ("cells.py", "codes.toml", "forms.py", "national.py")
    code = b"".join((Path(__file__).parent / part).read_bytes() for part in parts)
    return hashlib.sha256(code).hexdigest()


def recorded(prepared: Path) -> dict[str, Any] | None:
    """Return the record of what was prepared; None where it, or any file it names, is not whole.

    Parameters
    ----------
    prepared : Path
        The folder ``prepared`` of a vintage.

    Returns
    -------
    dict or None
        With the keys of ``_KEPT``.
    """
    try:
        record = json.loads((prepared / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or any(
        not isinstance(record.get(name), kind) for name, kind in _KEPT.items()
    ):
        return None
    return record if record["made"].items() <= sizes(prepared).items() else None


def sizes(prepared: Path) -> dict[str, int]:
    """Return how many bytes each file has of what was prepared."""
    return {file.name: file.stat().st_size for file in prepared.iterdir() if file.is_file()}


def _held_before(folder: Path, files: dict[str, list[int]]) -> bool:
    """Whether these very files were held against this very contract before they were prepared."""
    record = recorded(folder / PREPARED)
    return record is not None and (record["contract"], record["files"]) == (contract_hash(), files)


def check_vintage(folder: Path) -> list[Fault]:
    """Hold a vintage against the contract.

    Parameters
    ----------
    folder : Path
        A vintage folder.

    Returns
    -------
    list of Fault
        Every fault of ``vintage.toml``, tables, columns, types, codes and values; empty when
        usable.
    """
    found = Findings(f"{folder.name}/vintage.toml")
    faults: list[Fault] = []
    try:
        hold_form(load(folder / "vintage.toml", found.where), _VINTAGE, found)
    except Unusable as unusable:
        faults += unusable.faults
    faults += found.faults
    with _room(folder) as disk, closing(open_engine(os.cpu_count() or 1, disk)) as con:
        if disk:
            con.execute(f"SET memory_limit = '{MEMORY}'")
        for name, table in TABLES.items():
            file = folder / f"{name}.parquet"
            if file.exists():
                faults += _check_table(con, table, file)
            elif not table.optional:
                faults.append(
                    Fault(
                        f"{folder.name}/{file.name}",
                        f"the table {name} must be present",
                        "Add the file"
                        if table.key
                        else "Add the file; an empty table with the right columns is allowed",
                    )
                )
    return faults


@contextmanager
def _room(folder: Path) -> Iterator[str]:
    """Give the look at a large vintage room on its own disk, if that may be written."""
    if not os.access(folder, os.W_OK) or _size(folder) < _LARGE:
        yield ""
        return
    with scratch(folder / _SCRATCH):
        yield DISK


def _size(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.glob("*.parquet"))


def _check_table(con: duckdb.DuckDBPyConnection, table: Table, file: Path) -> list[Fault]:
    where = f"{file.parent.name}/{file.name}"
    try:
        present = dict(_described(con, file))
        usable = {
            key: column
            for key, column in table.columns.items()
            if present.get(key) in _DUCKDB_KINDS[column.kind]
        }
        return [
            *_check_columns(where, table, present),
            *_check_values(con, where, table.key, usable, file),
        ]
    except duckdb.Error:
        rule = "the file must be readable Parquet, whole and as its own footer describes it"
        return [Fault(where, rule, "Write it again from the source")]


def _check_columns(where: str, table: Table, present: dict[str, str]) -> Iterator[Fault]:
    for key, column in table.columns.items():
        if key not in present:
            if not column.optional:
                yield Fault(where, "the column must be present", "Add it", column=key)
        elif present[key] not in _DUCKDB_KINDS[column.kind]:
            yield Fault(
                where,
                f"the column must hold {column.kind} values, not {_kind(present[key])}",
                "Write it with that type",
                column=key,
            )


def _kind(duckdb_type: str) -> str:
    """Return the name of a type without the names that a nested one holds."""
    return duckdb_type.partition("(")[0].partition("[")[0].lower()


def _check_values(
    con: duckdb.DuckDBPyConnection, where: str, key: str, columns: dict[str, Column], file: Path
) -> list[Fault]:
    rules = [rule for name, column in columns.items() for rule in _rules(name, column)]
    if key in columns:
        empty = "the table must not be empty"
        rules.append((key, empty, "Write it again from the source", "(count(*) = 0)::INTEGER"))
        once = f'count("{key}") - count(DISTINCT "{key}")'
        rules.append((key, "no two rows may have the same", "Keep one of them", once))
    if not rules:
        return []
    counts = con.execute(
        f"SELECT {', '.join(rule[3] for rule in rules)} FROM {parquet(file)}"
    ).fetchall()[0]
    return [
        Fault(where, rule, remedy, column=name, rows=count)
        for (name, rule, remedy, _), count in zip(rules, counts, strict=True)
        if count
    ]


def _rules(name: str, column: Column) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rules of a column: its name, the rule, the remedy, and how the breaks count."""
    broken: list[tuple[str, str, str]] = []
    if not column.nullable:
        broken.append(("no value may be missing", "Correct the extract", f'"{name}" IS NULL'))
    if column.codes:
        codes = ", ".join(repr(code) for code in column.codes)
        rule = "every code must be one of: " + ", ".join(column.codes)
        remedy = "Correct the extract or add the code to the code list"
        broken.append((rule, remedy, f'"{name}" NOT IN ({codes})'))
    if column.kind == "date":
        rule = f"every date must lie between {_DATES[0]} and {_DATES[1]}, or be missing"
        low, high = (f"DATE '{day}'" for day in _DATES)
        broken.append((rule, "Correct the extract", f'"{name}" NOT BETWEEN {low} AND {high}'))
    if column.kind == "integer":
        rule = f"every number must lie between 0 and {_MOST:,}, or be missing"
        broken.append((rule, "Correct the extract", f'"{name}" NOT BETWEEN 0 AND {_MOST}'))
    for rule, remedy, condition in broken:
        yield name, rule, remedy, f"count(*) FILTER ({condition})"
