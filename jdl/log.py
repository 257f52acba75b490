"""The log of every request ever received, and the facts of each month's release."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from jdl.cells import (
    DateFormat,
    Findings,
    Misread,
    Table,
    inert,
    read_grid,
    read_table,
    restored,
    text_of,
)
from jdl.faults import Fault, Unusable
from jdl.forms import (
    ID_KEY,
    MONTH,
    MONTH_KEY,
    ROLE,
    VINTAGE_KEY,
    Form,
    Key,
    hold_form,
    load,
    trouble_of,
)
from jdl.national import code_list

STATUSES = ("received", "ready", "published", "not processed", "withdrawn")
REPORTED = ("ready", "published")
"""The statuses of a request with a report."""
RESULTS = ("reduction", "inconclusive", "increase")
ZONE = "Europe/London"
"""The time zone of every day and moment of publication, wherever the machine is."""


@dataclass(frozen=True)
class SignOff:
    """Who signed a release off.

    Parameters
    ----------
    role : str
        A post.
    on : date
    manifest : str, optional
        The fingerprint of the manifest that was signed, as ``jdl release`` tells it; without it
        nothing is published.
    """

    role: str
    on: dt.date
    manifest: str | None = None


@dataclass(frozen=True)
class Replacement:
    """What was put right in a release that had been published.

    Parameters
    ----------
    reason : str
        In public words.
    on : date
    """

    reason: str
    on: dt.date


@dataclass(frozen=True)
class Release:
    """The facts of one month's release.

    Parameters
    ----------
    name : str
        The month, ``YYYY-MM``.
    period_to : date
        Requests received up to this day are counted.
    published_at : datetime
        The moment of publication, by the clock of `ZONE`.
    next_release : date
        When the next one is due.
    vintage : str, optional
        The name of the national extract to use; without it, the latest.
    lead_statistician, contact : str
        A post, and how to reach it.
    pre_release : tuple of str
        The posts that see it up to 24 hours before; an empty list says that nobody does.
    service_update : str
        What is new in the service.
    sign_off : SignOff, optional
        Without it the release cannot be published.
    correction : Replacement, optional
        Without it the release cannot replace one that is public.
    stated : bool
        False where there is no release file and these are plain defaults.
    unstated : tuple of str
        The keys that a release file leaves out.
    """

    name: str
    period_to: dt.date
    published_at: dt.datetime
    next_release: dt.date
    vintage: str | None = None
    lead_statistician: str = "not stated"
    contact: str = "not stated"
    pre_release: tuple[str, ...] = ()
    service_update: str = ""
    sign_off: SignOff | None = None
    correction: Replacement | None = None
    stated: bool = True
    unstated: tuple[str, ...] = ()

    @property
    def due(self) -> dt.datetime:
        """The moment of publication, with its zone."""
        return self.published_at.replace(tzinfo=_zone())


def in_zone(moment: dt.datetime | None = None) -> dt.datetime:
    """Return a moment that has a zone, or now without one, by the clock of `ZONE`.

    Raises
    ------
    Unusable
        If this machine does not know the zone.
    """
    return (moment or dt.datetime.now(dt.UTC)).astimezone(_zone())


def _zone() -> ZoneInfo:
    try:
        return ZoneInfo(ZONE)
    except ZoneInfoNotFoundError:
        rule = f"it must know the time zone {ZONE}, by which releases are published"
        fault = Fault("this machine", rule, "Install the package tzdata")
        raise Unusable([fault]) from None


_FINGERPRINT = (
    re.compile(r"[0-9a-f]{16}"),
    "the fingerprint that `jdl release` tells: 16 digits and letters from a to f",
)
_RELEASE: Form = {
    "": {
        "period_to": Key("date", True),
        "published_at": Key("moment", True),
        "next_release": Key("date"),
        "vintage": VINTAGE_KEY,
        "lead_statistician": Key("text"),
        "contact": Key("text"),
        "pre_release": Key("list of text"),
        "service_update": Key("long text"),
    },
    "sign_off": {
        "role": Key("text", True, shape=(ROLE, "a post, such as: head of the lab")),
        "on": Key("date", True),
        "manifest": Key("text", shape=_FINGERPRINT),
    },
    "correction": {"reason": Key("long text", True), "on": Key("date", True)},
}


def read_release(requests_folder: Path, name: str) -> Release:
    """Read the facts of a release.

    Parameters
    ----------
    requests_folder : Path
        Holds ``releases/<name>.toml``.
    name : str
        The month, ``YYYY-MM``.

    Returns
    -------
    Release
        Without the file, plain defaults: requests to the end of the month before, published at
        09:30 on the second Thursday, the next one a month later, and ``stated`` false.

    Raises
    ------
    Unusable
        With every fault of the file.
    """
    if not MONTH.fullmatch(name):
        raise Unusable(
            [Fault("release", "a release is a month", "Write it as YYYY-MM, such as 2014-03")]
        )
    file = requests_folder / "releases" / f"{name}.toml"
    year, month = int(name[:4]), int(name[5:])
    following = (year, month + 1) if month < 12 else (year + 1, 1)
    plain = Release(
        name=name,
        period_to=dt.date(year, month, 1) - dt.timedelta(days=1),
        published_at=_moment(_second_thursday(year, month)),
        next_release=_second_thursday(*following),
        stated=False,
    )
    if not file.exists():
        return plain
    found = Findings(f"releases/{file.name}")
    raw = load(file, found.where)
    hold_form(raw, _RELEASE, found)
    if found.faults:
        raise Unusable(found.faults)
    unstated = tuple(name for name in _RELEASE[""] if name not in raw)
    release = replace(plain, **_release_fields(raw), stated=True, unstated=unstated)
    _hold_calendar(release, found)
    if found.faults:
        raise Unusable(found.faults)
    return release


def _release_fields(raw: Mapping[str, Any]) -> dict[str, Any]:
    fields = {**raw, "published_at": _moment(raw["published_at"])}
    if "pre_release" in raw:
        fields["pre_release"] = tuple(raw["pre_release"])
    if "sign_off" in raw:
        fields["sign_off"] = SignOff(**raw["sign_off"])
    if "correction" in raw:
        fields["correction"] = Replacement(**raw["correction"])
    return fields


def release_hash(requests_folder: Path, name: str) -> str | None:
    """Return the hash of what a release file says, whatever its layout; None without the file.

    The sign-off does not count: it comes when the release is made, and names what was made.

    Parameters
    ----------
    requests_folder : Path
    name : str
        The month, ``YYYY-MM``.

    Returns
    -------
    str or None
        SHA-256.
    """
    file = requests_folder / "releases" / f"{name}.toml"
    if not file.exists():
        return None
    told = load(file, f"releases/{file.name}")
    told.pop("sign_off", None)
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _moment(day: dt.date) -> dt.datetime:
    return day if isinstance(day, dt.datetime) else dt.datetime.combine(day, dt.time(9, 30))


def _second_thursday(year: int, month: int) -> dt.date:
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(3 - first.weekday()) % 7 + 7)


def _hold_calendar(release: Release, found: Findings) -> None:
    if f"{release.published_at:%Y-%m}" != release.name:
        found.add("the release must be published in its month", "Correct it", "published_at")
    if release.period_to > release.published_at.date():
        found.add("the period must end before publication", "Correct it", "period_to")
    if release.next_release <= release.published_at.date():
        found.add("the next release must come after this one", "Correct it", "next_release")
    if release.correction and release.correction.on < release.published_at.date():
        found.add(
            "a correction comes after publication",
            "Give the day on which the error was put right",
            "[correction] on",
        )


_LOG_REQUIRED = (
    "id",
    "organisation",
    "programme",
    "sector",
    "intervention_type",
    "received",
    "status",
    "status_date",
)
_LOG_NUMBERS = ("treatment_n", "rate_difference", "ci_low", "ci_high")
LOG = (
    *_LOG_REQUIRED,
    "release",
    "reason",
    "extends",
    "corrects",
    "outcomes_read",
    *_LOG_NUMBERS,
    "rate_result",
    "frequency_result",
)
_LOG_DATES = ("received", "status_date", "outcomes_read")
_LOG_TYPES: dict[str, Any] = {
    **dict.fromkeys(_LOG_DATES, "datetime64[s]"),
    "treatment_n": "Int64",
    **dict.fromkeys(_LOG_NUMBERS[1:], "float64"),
}
_LOG_KEYS = {
    "id": ID_KEY,
    "organisation": Key("text"),
    "programme": Key("text"),
    "sector": Key("text", codes=code_list("sector")),
    "intervention_type": Key("text", codes=code_list("intervention_type")),
    "status": Key("text", codes=STATUSES),
    "release": MONTH_KEY,
    "reason": Key("long text"),
    "corrects": MONTH_KEY,
    "rate_result": Key("text", codes=RESULTS),
    "frequency_result": Key("text", codes=RESULTS),
}


def read_log(requests_folder: Path, release: str | None = None) -> pd.DataFrame:
    """Read the log of every request ever received.

    Parameters
    ----------
    requests_folder : Path
        Holds ``log.csv``.
    release : str, optional
        Only the rows that held at this month's release, one a request.

    Returns
    -------
    DataFrame
        One row a request and one more a correction of it, by day of receipt, id and release
        whatever the file's order, every column of `LOG`: ``received``, ``status_date`` and
        ``outcomes_read`` as ``datetime64[s]``, ``treatment_n`` as ``Int64``, the three figures of
        the rate as proportions, all else as text; ``extends`` holds ids set apart by a space,
        ``corrects`` the release of the row that a correction replaces. That row stays, so that
        every month can be told again as it was.

    Raises
    ------
    Unusable
        With every fault.
    """
    found = Findings("log.csv")
    table = read_table(read_grid(requests_folder / "log.csv", found.where, LOG), LOG, found)
    for name in _LOG_REQUIRED:
        if name not in table.columns:
            found.add("the column must be present", "Add it", name)
    if table.unknown:
        found.add("the log has columns that are not known", "Respell or remove them")
    columns = {name: _log_column(table, name, found) for name in LOG}
    rows = [number for number, _ in table.rows]
    _hold_log(columns, rows, found)
    if found.faults:
        raise Unusable(found.faults)
    log = pd.DataFrame(
        {
            name: pd.array(values, dtype=_LOG_TYPES.get(name, "str"))
            for name, values in columns.items()
        }
    )
    log = log.sort_values(["received", "id", "release"], ignore_index=True)
    return log if release is None else in_force(log, release)


def _log_column(table: Table, name: str, found: Findings) -> list[Any]:
    if name not in table.columns:
        return [None] * len(table.rows)
    values: list[Any] = []
    for row, cell in table.cells(name):
        text = text_of(cell, name, row, found)
        if text is None:
            if name in _LOG_REQUIRED:
                found.add("the cell must not be blank", "Fill it in", name, row)
            values.append(None)
            continue
        value, trouble = _log_value(name, restored(text))
        if trouble:
            found.add(*trouble, name, row)
        values.append(None if trouble else value)
    return values


def _log_value(name: str, text: str) -> tuple[Any, tuple[str, str] | None]:
    if name in _LOG_DATES:
        day = DateFormat("ISO").read(text, dt.date.max.year)
        if isinstance(day, dt.date):
            return day, trouble_of(day, Key("date"))
        if day is Misread.SHAPE:
            return None, ("a date must be written YYYY-MM-DD", "Write it as 2014-03-13")
        return None, day.value
    if name in _LOG_NUMBERS:
        return _log_number(name, text)
    if name == "extends":
        ids = re.split(r"[\s;,]+", text)
        bad = next((fault for one in ids if (fault := trouble_of(one, _LOG_KEYS["id"]))), None)
        return " ".join(ids), bad
    return text, trouble_of(text, _LOG_KEYS[name])


def _log_number(name: str, text: str) -> tuple[Any, tuple[str, str] | None]:
    if name == "treatment_n":
        whole = re.fullmatch(r"[0-9]{1,9}", text)
        return (
            (int(text), None)
            if whole
            else (
                None,
                ("the value must be a whole number", "Write it as digits"),
            )
        )
    if re.fullmatch(r"-?[0-9]?\.?[0-9]{1,20}", text) and abs(float(text)) <= 1:
        return float(text), None
    return None, (
        "the value must be a difference of proportions from -1 to 1, not of percentages",
        "Write 5 percentage points as 0.05",
    )


def _hold_log(columns: Mapping[str, list[Any]], rows: list[int], found: Findings) -> None:
    ids: set[str] = set()
    known = {name for name in columns["id"] if name}
    entries = [
        {name: values[place] for name, values in columns.items()} for place in range(len(rows))
    ]
    for entry, row in zip(entries, rows, strict=True):
        if entry["corrects"]:
            _hold_correction(entry, entries, row, found)
        elif entry["id"] in ids:
            rule = (
                "no two requests may have the same id, unless one says that it corrects the other"
            )
            found.add(rule, "Rename one, or fill in `corrects`", "id", row)
        if not entry["corrects"]:
            ids |= {entry["id"]} - {None}
        if not set((entry["extends"] or "").split()) <= known - {entry["id"]}:
            found.add(
                "a request can extend only other requests of the log",
                "Correct the ids",
                "extends",
                row,
            )
        _hold_entry(entry, row, found)


def _hold_correction(
    entry: Mapping[str, Any], entries: Iterable[Mapping[str, Any]], row: int, found: Findings
) -> None:
    """Hold a correction against the row that it replaces, which is the latest before it."""
    release, own = entry["release"] or "", [one for one in entries if one["id"] == entry["id"]]
    before = [one for one in own if one is not entry and (one["release"] or "9999-99") <= release]
    latest = max(before, key=lambda one: str(one["release"]), default=None)
    if latest is None or not latest["release"] == entry["corrects"] < release:
        found.add(
            "a correction must have a release of its own, later than that of the row it corrects, "
            "which stays in the log",
            "Give the month of the correction as `release` and that of the row before as "
            "`corrects`, and leave that row as it was",
            "corrects",
            row,
        )
    elif latest["received"] != entry["received"]:
        found.add(
            "a correction is of the same request, received on the same day",
            "Give the day of the row that it corrects",
            "received",
            row,
        )


def _hold_entry(entry: Mapping[str, Any], row: int, found: Findings) -> None:
    received, status_date, release = entry["received"], entry["status_date"], entry["release"]
    if received and status_date and status_date < received:
        found.add("a status cannot be older than the request", "Correct a date", "status_date", row)
    if received and release and release < received.isoformat()[:7]:
        found.add(
            "a request cannot be published before it is received",
            "Correct `release` or `received`",
            "release",
            row,
        )
    if entry["status"] in REPORTED and not release:
        found.add("a request with a report must have a release", "Add the month", "release", row)
    seen = entry["outcomes_read"]
    if seen and entry["status"] == "withdrawn" and status_date and status_date >= seen:
        found.add(
            "a request can be withdrawn only before its outcomes are read",
            "Publish its report, or correct a date",
            "outcomes_read",
            row,
        )
    if seen and received and seen < received:
        found.add(
            "outcomes cannot be read before the request is received",
            "Correct a date",
            "outcomes_read",
            row,
        )
    _hold_result(entry, row, found)


def _hold_result(entry: Mapping[str, Any], row: int, found: Findings) -> None:
    low, difference, high = (entry[name] for name in ("ci_low", "rate_difference", "ci_high"))
    if None not in (low, difference, high) and not low <= difference <= high:
        found.add(
            "the difference must lie within its interval",
            "Correct the figures",
            "rate_difference",
            row,
        )
    ends = {"reduction": high, "increase": None if low is None else -low}.get(entry["rate_result"])
    if ends is not None and ends > 0:
        found.add(
            "a reduction or increase must have its whole interval on that side of nought",
            "Correct `rate_result` or the interval",
            "rate_result",
            row,
        )


def status_at(log: pd.DataFrame, release: Release) -> pd.DataFrame:
    """Return the log as it stood at a release.

    Parameters
    ----------
    log : DataFrame
        From `read_log`.
    release : Release
        The month.

    Returns
    -------
    DataFrame
        The requests received up to the end of the release's period, each as it had been corrected
        by then, with ``status_then``:

        - ``published``: a report, in an earlier release, or the correction of one; ``ready``: a
          report, in this one;
        - ``not processed``, ``withdrawn``: closed so in this release or an earlier one, or, where
          the row names no release, on a day up to that of publication;
        - ``remaining``: all others, whatever became of them later.

    Raises
    ------
    Unusable
        Where a request of this release or an earlier one was received after the period's end.
    """
    return in_force(_known(log, release), release.name)


def in_force(log: pd.DataFrame, release: str = "9999-12") -> pd.DataFrame:
    """Return one row a request: of a corrected one, the row that held at a release.

    Parameters
    ----------
    log : DataFrame
        From `read_log`.
    release : str
        The month, ``YYYY-MM``; without it, what holds by the log's last row.
    """
    known = log.loc[log["corrects"].isna() | log["release"].le(release)]
    month = known["release"].fillna("")
    latest = month.groupby(known["id"]).transform("max")
    return known.loc[month.eq(latest)].reset_index(drop=True)


def _known(log: pd.DataFrame, release: Release) -> pd.DataFrame:
    """Return the rows that were there at a release, also those corrected, with ``status_then``."""
    late = log["received"] > pd.Timestamp(release.period_to)
    if (late & (log["release"].fillna("9999-99") <= release.name)).any():
        raise Unusable(
            [
                Fault(
                    "log.csv",
                    f"a request of the release {release.name} must be received by the end of its "
                    "period",
                    "Correct `received` or `release` in the log, or `period_to` of the release",
                )
            ]
        )
    there = log["corrects"].isna() | log["release"].le(release.name)
    held = log[~late & there].reset_index(drop=True)
    then = [
        _status_then(status, None if pd.isna(month) else month, day, release)
        for status, month, day in zip(
            held["status"], held["release"], held["status_date"], strict=True
        )
    ]
    reported = held["id"].where(held["status"].isin(REPORTED)) + held["release"]
    again = (held["id"] + held["corrects"]).isin(reported.dropna())
    return held.assign(
        status_then=pd.Series(then, dtype="str").mask(
            again & held["status"].isin(REPORTED), "published"
        )
    )


def _status_then(status: str, month: str | None, day: pd.Timestamp, release: Release) -> str:
    if status == "received":
        return "remaining"
    if month is None:
        return status if day.date() <= release.published_at.date() else "remaining"
    if month > release.name:
        return "remaining"
    if status in REPORTED:
        return "ready" if month == release.name else "published"
    return status


def counts_at(log: pd.DataFrame, release: Release) -> dict[str, int]:
    """Count the log as it stood at a release.

    Parameters
    ----------
    log : DataFrame
        From `read_log`.
    release : Release
        The month.

    Returns
    -------
    dict
        ``received``, ``published`` (before), ``ready`` (this release), ``not_processed``,
        ``withdrawn`` and ``remaining``; received is the sum of the others.
    """
    then = status_at(log, release)["status_then"]
    names = ("published", "ready", "not processed", "withdrawn", "remaining")
    counts = {name.replace(" ", "_"): int((then == name).sum()) for name in names}
    if sum(counts.values()) != len(then):
        raise AssertionError("every request received has one status")
    return {"received": len(then), **counts}


def log_at(log: pd.DataFrame, release: Release) -> pd.DataFrame:
    """Return the log with only what was known when a release was published.

    Parameters
    ----------
    log : DataFrame
        From `read_log`.
    release : Release
        The month.

    Returns
    -------
    DataFrame
        Columns `LOG`, for the requests received up to the end of the release's period, with the
        rows that had been corrected by then. A request
        that remained is ``received``, without release, reason and result; one of this release is
        ``ready``. No day is later than that of publication. `counts_at` counts the same in it.
    """
    then = _known(log, release)
    published = pd.Timestamp(release.published_at.date())
    remains = then["status_then"] == "remaining"
    closed = then["status_date"].where(then["status_date"] <= published, published)
    known = then.assign(
        status=then["status_then"].mask(remains, "received"),
        status_date=closed.mask(remains, then["received"]),
        outcomes_read=then["outcomes_read"].where(then["outcomes_read"] <= published),
        extends=_of_those(then["extends"], frozenset(then["id"])),
    )
    return known[list(LOG)].assign(**{name: known[name].mask(remains) for name in _LATER})


_LATER = ("release", "reason", *_LOG_NUMBERS, "rate_result", "frequency_result")
"""What is entered in the log only when a request is closed."""


def _of_those(extends: pd.Series[Any], ids: frozenset[str]) -> Any:
    """Keep of the ids in each cell those of a log."""
    kept = (" ".join(one for one in told.split() if one in ids) for told in extends.fillna(""))
    return pd.array([told or None for told in kept], dtype="str")


def log_file(log: pd.DataFrame) -> bytes:
    """Return a log as the content of ``log.csv``, for `read_log` to read back.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.
    """
    words = [name for name in LOG if name not in _LOG_TYPES]
    safe = log.assign(**{name: log[name].map(inert, na_action="ignore") for name in words})
    text: str = safe.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n")
    return text.encode()


_TEXT, _SHARE, _DAY = "Text", "Number from -1 to 1", "YYYY-MM-DD"
CODEBOOK = (
    ("id", "Name of the request", "none", "Text; the same in the folder of its report"),
    ("organisation", "Who asked", "none", _TEXT),
    ("programme", "What was evaluated", "none", _TEXT),
    ("sector", "Sector of the organisation", "none", "; ".join(code_list("sector"))),
    (
        "intervention_type",
        "Type of intervention",
        "none",
        "; ".join(code_list("intervention_type")),
    ),
    ("received", "Day on which the request was received", "date", _DAY),
    ("status", "What had become of it at the release", "none", "; ".join(STATUSES)),
    ("status_date", "Day from which this holds", "date", _DAY),
    ("release", "Month of the release that closed it", "month", "YYYY-MM"),
    ("reason", "Why it could not be processed", "none", _TEXT),
    ("extends", "Requests whose people it includes", "none", "Their ids, set apart by a space"),
    (
        "corrects",
        "Release whose row of this request this one replaces; that row stays",
        "month",
        "YYYY-MM",
    ),
    ("outcomes_read", "Day on which its outcomes were first read", "date", _DAY),
    ("treatment_n", "Treatment group of the headline analysis", "people", "Whole number"),
    ("rate_difference", "Treatment minus comparison, one-year rate", "proportion", _SHARE),
    ("ci_low", "Lower limit of its 95% confidence interval", "proportion", _SHARE),
    ("ci_high", "Upper limit of its 95% confidence interval", "proportion", _SHARE),
    ("rate_result", "What the test of the one-year rate shows", "none", "; ".join(RESULTS)),
    ("frequency_result", "What the test of the frequency shows", "none", "; ".join(RESULTS)),
)
"""What each column of `LOG` holds in the log of a release: column, meaning, unit and values."""


def was_withdrawn(log: pd.DataFrame, release: Release, request_id: str) -> bool:
    """Return whether a request counts as withdrawn at a release."""
    then = status_at(log, release)
    return bool(((then["id"] == request_id) & (then["status_then"] == "withdrawn")).any())


def read_on(log: pd.DataFrame, request_id: str) -> dt.date | None:
    """Return the day on which a request's outcomes were first read, where the log has it."""
    days = log.loc[log["id"] == request_id, "outcomes_read"].dropna()
    return days.iloc[0].date() if len(days) else None


def names_of(log: pd.DataFrame, ids: Iterable[str]) -> dict[str, str]:
    """Name requests in print: the programme and the month of its report.

    Parameters
    ----------
    log : DataFrame
        From `read_log`.
    ids : iterable of str
        Those that the log does not hold are left out.

    Returns
    -------
    dict of str to str
    """
    held = log.loc[log["release"].notna()].set_index("id")
    told = {
        str(name): f"{programme} ({dt.date.fromisoformat(f'{month}-01'):%B %Y})"
        for name, programme, month in zip(
            held.index, held["programme"], held["release"], strict=True
        )
    }
    return {name: told[name] for name in ids if name in told}
