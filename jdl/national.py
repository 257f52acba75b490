"""The national data: tables, code lists and the opening of one dated extract, a vintage."""

from __future__ import annotations

import datetime as dt
import json
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from jdl.faults import Fault, Unusable

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
    """A national table: its columns, and whether it may be absent."""

    columns: dict[str, Column]
    optional: bool = False


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
        }
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
        }
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
        }
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
_TOML_KEYS: dict[str, tuple[type, bool]] = {
    "name": (str, True),
    "extracted": (dt.date, True),
    "offences_to": (dt.date, True),
    "convictions_to": (dt.date, True),
    "synthetic": (bool, True),
    "eligible_from": (dt.date, False),
    **{
        f"{table}_{edge}": (dt.date, False)
        for table in ("employment", "benefits", "oasys")
        for edge in ("from", "to")
    },
}


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
    """

    folder: Path
    name: str
    extracted: dt.date
    offences_to: dt.date
    convictions_to: dt.date
    synthetic: bool
    eligible_from: dt.date | None
    coverage: dict[str, dt.date]

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
        return self.folder / "prepared"

    def file(self, table: str) -> Path:
        """Return the Parquet file of a table."""
        return self.folder / f"{table}.parquet"

    def connect(self, threads: int = 1) -> duckdb.DuckDBPyConnection:
        """Open an engine on the vintage: one view a table, absent columns and tables as nulls.

        Parameters
        ----------
        threads : int
            One thread gives the same float sums in every run.

        Returns
        -------
        duckdb.DuckDBPyConnection
        """
        con = duckdb.connect(
            ":memory:", config={"threads": threads, "preserve_insertion_order": True}
        )
        hide_progress(con)
        for name, table in TABLES.items():
            con.execute(_view(name, table, self.file(name)))
        return con


def hide_progress(con: duckdb.DuckDBPyConnection) -> None:
    """Switch the progress bar off; where no display could show one, DuckDB refuses the setting."""
    try:
        con.execute("SET enable_progress_bar = false").fetchall()
    except duckdb.Error:
        return


def _view(name: str, table: Table, file: Path) -> str:
    if not file.exists():
        nulls = ", ".join(
            f'NULL::{_DUCKDB_ABSENT[column.kind]} AS "{key}"'
            for key, column in table.columns.items()
        )
        return f"CREATE VIEW {name} AS SELECT {nulls} WHERE false"
    present = {row[0] for row in _describe(file)}
    selected = ", ".join(
        f'"{key}"' if key in present else f'NULL::{_DUCKDB_ABSENT[column.kind]} AS "{key}"'
        for key, column in table.columns.items()
    )
    return f"CREATE VIEW {name} AS SELECT {selected} FROM read_parquet('{_quoted(file)}')"


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")


def _describe(file: Path) -> list[tuple[str, str]]:
    with duckdb.connect(":memory:") as con:
        rows = con.execute(f"DESCRIBE SELECT * FROM read_parquet('{_quoted(file)}')").fetchall()
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
    results : Path
        The folder of finished reports of this release.
    outputs : Path
        The folder of releases, for the results of earlier ones.
    restricted : Path
        The folder of what only its owner may read, such as clerical decisions.
    handed : Path or None
        A private folder for what the notebook hands to whoever runs it, and no page shows; None
        where it is run by hand.
    """

    data: Path
    requests: Path
    results: Path
    outputs: Path
    restricted: Path
    handed: Path | None = None

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
        From JDL_VINTAGE, JDL_REQUESTS, JDL_RESULTS, JDL_OUTPUTS, JDL_RESTRICTED and JDL_HANDED;
        without JDL_RESTRICTED, ``.restricted`` in the folder of releases.
    """
    root = Path(__file__).resolve().parent.parent

    def folder(variable: str, default: str) -> Path:
        return Path(os.environ.get(variable, root / default))

    outputs = folder("JDL_OUTPUTS", "outputs")
    handed = os.environ.get("JDL_HANDED")
    return Workplace(
        data=folder("JDL_VINTAGE", "data"),
        requests=folder("JDL_REQUESTS", "requests"),
        results=folder("JDL_RESULTS", f"outputs/{release}/reports"),
        outputs=outputs,
        restricted=Path(os.environ.get("JDL_RESTRICTED", outputs / ".restricted")),
        handed=Path(handed) if handed else None,
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
    faults = [fault for folder in folders for fault in check_vintage(folder)]
    if faults:
        raise Unusable(faults)
    vintages = sorted(
        (_read_vintage(folder) for folder in folders), key=lambda v: (v.extracted, v.name)
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
                f"the release asks for the vintage named {name!r}, which is not in the data folder",
                "Put it there, or change `vintage` in the release file; here are: "
                + ", ".join(v.name for v in vintages),
            )
        ]
    )


def _read_vintage(folder: Path) -> Vintage:
    raw = tomllib.loads((folder / "vintage.toml").read_text(encoding="utf-8"))
    return Vintage(
        folder=folder.resolve(),
        name=raw["name"],
        extracted=raw["extracted"],
        offences_to=raw["offences_to"],
        convictions_to=raw["convictions_to"],
        synthetic=raw["synthetic"],
        eligible_from=raw.get("eligible_from"),
        coverage={key: raw[key] for key in raw if key.partition("_")[0] in TABLES},
    )


def check_vintage(folder: Path) -> list[Fault]:
    """Hold a vintage against the contract.

    Parameters
    ----------
    folder : Path
        A vintage folder.

    Returns
    -------
    list of Fault
        Every fault of ``vintage.toml``, tables, columns, types and codes; empty when usable.
    """
    faults = _check_toml(folder / "vintage.toml")
    for name, table in TABLES.items():
        file = folder / f"{name}.parquet"
        if file.exists():
            faults += _check_table(name, table, file)
        elif not table.optional:
            faults.append(
                Fault(
                    f"{folder.name}/{file.name}",
                    f"the table {name} must be present",
                    "Add the file; an empty table with the right columns is allowed",
                )
            )
    return faults


def _check_toml(file: Path) -> list[Fault]:
    where = f"{file.parent.name}/vintage.toml"
    try:
        raw: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return [Fault(where, "the file must be readable TOML in UTF-8", "Mend its syntax")]
    faults = []
    for key, (kind, required) in _TOML_KEYS.items():
        if key not in raw and required:
            faults.append(Fault(where, "the key is required", "Add it", column=key))
        elif key in raw and type(raw[key]) is not kind:
            faults.append(
                Fault(where, f"the value must be a {kind.__name__}", "Write it so", column=key)
            )
    faults += [
        Fault(where, "the key is not known", "Remove or respell it", column=key)
        for key in raw
        if key not in _TOML_KEYS
    ]
    return faults


def _check_table(name: str, table: Table, file: Path) -> list[Fault]:
    where = f"{file.parent.name}/{file.name}"
    try:
        present = dict(_describe(file))
    except duckdb.Error:
        return [Fault(where, "the file must be readable Parquet", "Write it again from the source")]
    faults = []
    usable = {}
    for key, column in table.columns.items():
        if key not in present:
            if not column.optional:
                faults.append(Fault(where, "the column must be present", "Add it", column=key))
        elif present[key] not in _DUCKDB_KINDS[column.kind]:
            faults.append(
                Fault(
                    where,
                    f"the column must hold {column.kind} values, not {present[key].lower()}",
                    "Write it with that type",
                    column=key,
                )
            )
        else:
            usable[key] = column
    return faults + _check_values(where, usable, file)


def _check_values(where: str, columns: dict[str, Column], file: Path) -> list[Fault]:
    checks = [
        (key, "no value may be missing", f'count(*) FILTER ("{key}" IS NULL)')
        for key, column in columns.items()
        if not column.nullable
    ]
    checks += [
        (
            key,
            "every code must be one of: " + ", ".join(column.codes),
            f'count(*) FILTER ("{key}" NOT IN ({", ".join(repr(code) for code in column.codes)}))',
        )
        for key, column in columns.items()
        if column.codes
    ]
    if not checks:
        return []
    with duckdb.connect(":memory:") as con:
        counts = con.execute(
            f"SELECT {', '.join(check[2] for check in checks)} FROM read_parquet('{_quoted(file)}')"
        ).fetchall()[0]
    return [
        Fault(
            where,
            rule,
            "Correct the extract or add the code to the code list",
            column=key,
            rows=count,
        )
        for (key, rule, _), count in zip(checks, counts, strict=True)
        if count
    ]
