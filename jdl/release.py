"""Requests -> a finished release folder, whole or not at all.

Everything is checked before anything is written. What does not depend on a request is prepared once
for the vintage. Each request then runs its notebook and is put, rendered, into
``outputs/.work/<release>/<id>/`` in one step; one whose inputs have not changed is not run again.
When all have finished, the bulletin's notebook reads their results, and the whole folder is put
into ``outputs/<release>/`` in one step.
"""

# mypy: untyped-calls-exclude="nbformat"

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import nbformat
import pandas as pd

from jdl import (
    accepted,
    cohorts,
    disclosure,
    elsewhere,
    ledger,
    linkage,
    manifest,
    national,
    prepare,
    render,
    request,
    review,
    safekeeping,
    scan,
    sentence,
    signature,
    yearly,
)
from jdl.execute import defaults_of, write_restricted
from jdl.faults import Fault, Unusable
from jdl.forms import ID
from jdl.history import read_results, result_file
from jdl.log import in_force, log_at, log_file, release_hash
from jdl.manifest import MANIFEST, ROOT, SCHEMA
from jdl.national import Vintage
from jdl.profile import peak_memory
from jdl.safekeeping import fresh, swap
from jdl.sitting import Desk
from jdl.workers import (
    RUN,
    USUAL,
    Crew,
    Done,
    Failure,
    Job,
    Limits,
    News,
    Outcome,
    Tell,
    crew,
    finished,
)

REPORT = ROOT / "notebooks" / "tailored_report.ipynb"
BULLETIN = ROOT / "notebooks" / "bulletin.ipynb"
YEARLY = ROOT / "notebooks" / "yearly_review.ipynb"
_ID = "request_id"
_MONTH = "release"
_YEAR = "year"
_ASSEMBLY = ".assembly"
_REPLACED = ".replaced"
_DECISIONS = "disclosure"
_SET_ASIDE = "set aside"
_MONTHS = "[0-9][0-9][0-9][0-9]-[0-9][0-9]"


@dataclass(frozen=True)
class Places:
    """The folders of a run.

    Parameters
    ----------
    data : Path
        One vintage, or a folder of vintages.
    requests : Path
        The log, the release files and one folder a request.
    outputs : Path
        Receives one folder a release.
    engine : str
        What reads the national data, one of ``engines.ENGINES``.
    """

    data: Path
    requests: Path
    outputs: Path
    engine: str = "duckdb"

    def work(self, release: str) -> Path:
        """Return the folder of a month's finished requests."""
        return self.outputs / ".work" / release

    @property
    def restricted(self) -> Path:
        """The folder of what only its owner may read."""
        return self.outputs / ".restricted"

    def decisions(self, release: str, name: str) -> Path:
        """Return the restricted record of what disclosure control decided in one notebook."""
        return self.restricted / "disclosure" / release / f"{name}.json"

    @property
    def scratch(self) -> Path:
        """Where the temporary files of a run are while it lasts."""
        return self.restricted / "scratch"

    def logs(self, release: str, name: str) -> Path:
        """Return the restricted folder of one notebook's logs."""
        return self.restricted / "logs" / release / name


@dataclass(frozen=True)
class Entry:
    """A request, read and checked with its people.

    Parameters
    ----------
    request : request.Request
    hashes : dict of str to str
        Of its inputs by content: ``request.toml``, ``disclosure.toml`` where there is one,
        ``upload`` with the people of the requests that it extends, ``earlier uploads``, the
        people of the requests received on days before, and ``corrected report``, the result that
        a correction replaces, where that is at hand.
    reviewed_as : str
        The key of its people, as the review of their links has it.
    decisions : review.Decisions
        What was ever decided of their links.
    overrides : tuple of disclosure.Override
        What statisticians decided otherwise than the rules of disclosure control.
    """

    request: request.Request
    hashes: dict[str, str]
    reviewed_as: str
    decisions: review.Decisions = field(repr=False)
    overrides: tuple[disclosure.Override, ...] = ()

    @property
    def parameters(self) -> dict[str, Any]:
        """What papermill puts into the notebook."""
        return {_ID: self.request.id, **self.request.overrides}

    def basis(self, tables: Mapping[str, str]) -> review.Basis:
        """Return what decisions must have been made on to hold, given the hashes of the tables."""
        return review.Basis(self.reviewed_as, review.register_key(tables))

    def inputs(self, tables: Mapping[str, str]) -> dict[str, str]:
        """Return the hashes of its inputs, with ``review`` where decisions hold."""
        decided = self.decisions.hash(self.basis(tables))
        return self.hashes if decided is None else {**self.hashes, "review": decided}


@dataclass(frozen=True)
class Month:
    """All that goes into a release, read and checked.

    Parameters
    ----------
    places : Places
    release : request.Release
    vintage : Vintage
    entries : tuple of Entry
        In id order.
    repeats : Path, optional
        The manifest of a release that this run repeats: its reports are held against what those
        were, and against nothing told since.
    """

    places: Places
    release: request.Release
    vintage: Vintage
    entries: tuple[Entry, ...]
    repeats: Path | None = None

    @property
    def name(self) -> str:
        """The release's name, such as ``2014-03``."""
        return str(self.release.name)

    @property
    def folder(self) -> Path:
        """Where the finished release goes."""
        return self.places.outputs / self.name

    @property
    def work(self) -> Path:
        """Where its finished requests are."""
        return self.places.work(self.name)


@dataclass(frozen=True)
class Year:
    """All that goes into a yearly review, read and checked; no record of a person.

    Parameters
    ----------
    places : Places
    year : int
    finished : tuple of str
        The finished releases that it covers, in order.
    vintage : Vintage
        The national data of the last of them.
    """

    places: Places
    year: int
    finished: tuple[str, ...]
    vintage: Vintage

    @property
    def name(self) -> str:
        """The review's name, such as ``yearly-2014``."""
        return f"yearly-{self.year}"

    @property
    def folder(self) -> Path:
        """Where the finished review goes."""
        return self.places.outputs / self.name

    @property
    def work(self) -> Path:
        """Where it is put together."""
        return self.places.work(self.name)


@dataclass(frozen=True)
class Summary:
    """What a run has come to.

    Parameters
    ----------
    look_at : Path
        What to open when all is well.
    lines : tuple of str
        One a request, and what else is worth knowing.
    failures : tuple of Failure
        When there is one, nothing is published.
    """

    look_at: Path
    lines: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


class Refused(Exception):  # noqa: N818
    """The command cannot go on as things stand; the message says what to do."""


# What goes in


def open_month(name: str, places: Places, only: str | None = None) -> Month:
    """Read and check everything that a release is made from; write nothing.

    Parameters
    ----------
    name : str
        The release, ``YYYY-MM``.
    places : Places
    only : str, optional
        The id of the one request that is wanted.

    Returns
    -------
    Month

    Raises
    ------
    Unusable
        With every fault of the release file, the log, the requests, their uploads and the vintage.
    """
    faults: list[Fault] = []
    release = _gather(faults, request.read_release, places.requests, name)
    if release is None:
        raise Unusable(faults)
    log = _gather(faults, request.read_log, places.requests)
    if log is not None and _gather(faults, request.counts_at, log, release) is not None:
        faults += [] if only else _strangers(log, release, places.requests)
        faults += ledger.hold(log, _gather(faults, ledger.first_read, places.restricted) or {})
    vintage = _gather(faults, national.open_vintage, places.data, release.vintage)
    folders = _gather(faults, request.requests_of, places.requests, name) or []
    parameters = method_parameters()
    entries = [
        _gather(faults, _read_entry, folder, places, vintage, parameters)
        for folder in folders
        if only in (None, request.id_of(folder))
    ]
    if not faults and not folders and not release.stated:
        raise _unusable(
            f"release {name}",
            "a release must have requests, or a file in the folder requests/releases",
            f'Write `release = "{name}"` in a request.toml, or ask for another month',
        )
    if faults:
        raise Unusable(dict.fromkeys(faults))
    return Month(places, release, vintage, tuple(entries))


def method_parameters() -> dict[str, Any]:
    """Return the parameters of the report's notebook that a request may set, with their values."""
    return {name: value for name, value in defaults_of(REPORT).items() if name != _ID}


def _strangers(log: pd.DataFrame, release: request.Release, requests: Path) -> list[Fault]:
    """Hold the month's requests and the log's rows of that month against each other."""
    then = request.status_at(log, release).set_index("id")
    here = then.loc[then["release"].eq(release.name)]
    folders = {path.name for path in request.request_folders(requests)}
    made = {request.id_of(path) for path in request.requests_of(requests, release.name)}
    corrected = set(log.loc[log["corrects"].notna(), "id"])
    awaited = here.index[here["status_then"].eq("ready") & here["rate_result"].isna()]
    missing = [
        Fault(
            "log.csv",
            f"the log says that {name} is reported in {release.name}, and there is no such request",
            "Add its folder, or correct its status and release in the log",
        )
        for name in awaited
        if name not in folders
    ]
    missing += [
        Fault(
            name,
            f"it was corrected, and what it was in {release.name} is not kept",
            "Put request.toml and the upload of then into a folder in it that is named for the "
            "release of the correction, such as before-2014-04",
        )
        for name in sorted(corrected & set(awaited) & folders - made)
    ]
    return missing + [
        Fault(
            f"{name}/request.toml",
            f"a request of {release.name} must have a row with that release in log.csv",
            "Add the row, or correct the release in one of the two",
        )
        for name in sorted(made)
        if name not in here.index
    ]


def _hold_to_log(month: Month) -> None:
    """Refuse to publish where the log says another outcome than the run found."""
    log = request.read_log(month.places.requests)
    then = request.status_at(log, month.release).set_index("id")["status_then"]
    found = {
        entry.request.id: _status(month.work / entry.request.id).replace("reported", "ready")
        for entry in month.entries
    }
    again = log.loc[log["corrects"].notna() & log["release"].eq(month.name), "id"]
    then = then.mask(then.index.isin(again) & then.eq("published"), "ready")
    wrong = [
        f"{name}: log.csv says {then[name]!r}, the run found {status!r}"
        for name, status in found.items()
        if name in then and then[name] != status
    ]
    if wrong:
        raise Refused(
            f"{month.name} cannot be put together, because the log and the requests disagree. "
            + "; ".join(wrong)
            + ". Correct the status in log.csv, then run the same command again."
        )


def _hold_cohorts(month: Month) -> None:
    """Refuse to go on where a report published before cannot be compared with."""
    places = month.places
    cohorts.make_key(places.restricted)
    if missing := cohorts.missing(places.outputs, places.restricted, month.name):
        raise Refused(
            "Results cannot be held against reports published before, because their cohorts are "
            f"not kept in {places.restricted / cohorts.NAME}: {', '.join(missing)}. A few people "
            "could be told from two reports. Restore that folder from a backup, or make those "
            f"releases again, the oldest first: jdl release {missing[0][:7]} --replace. What is "
            "there no more can only be restored; delete its record only if nobody has seen it."
        )


def _status(folder: Path) -> str:
    return str(json.loads((folder / "result.json").read_text(encoding="utf-8"))["status"])


def _unusable(where: str, rule: str, remedy: str) -> Unusable:
    return Unusable([Fault(where, rule, remedy)])


def _gather(faults: list[Fault], read: Callable[..., Any], *arguments: Any) -> Any:
    """Return what is read, or None with its faults added to the others."""
    try:
        return read(*arguments)
    except Unusable as unusable:
        faults += unusable.faults
        return None


def _read_entry(
    folder: Path, places: Places, vintage: Vintage | None, parameters: Mapping[str, Any]
) -> Entry:
    try:
        read = request.read_request(folder)
    except Unusable:
        raise Unusable(request.check(folder)) from None
    faults = request.overrides_faults(read, parameters)
    upload = _gather(faults, partial(request.pooled_upload, keep=True), read, places.requests)
    decisions = _gather(faults, review.open_decisions, places.restricted, read.id)
    overrides = _gather(faults, disclosure.read_overrides, folder)
    if upload is not None and vintage is not None:
        faults += request.against(read, upload, vintage)
    if faults:
        raise Unusable(faults)
    others = request.people_of_others(read, places.requests, keep=True)
    hashes = {
        "request.toml": manifest.digest_toml(folder / "request.toml"),
        "upload": manifest.digest_people(upload.people),
        "earlier uploads": manifest.digest_people(others),
    }
    if read.correction:
        corrected = _digest_of(result_file(places.outputs, read.correction.of, read.id))
        hashes |= {"corrected report": corrected} if corrected else {}
    if overrides:
        hashes[disclosure.FILE] = manifest.digest_toml(folder / disclosure.FILE)
    return Entry(read, hashes, review.upload_key(upload.people), decisions, overrides)


def open_year(year: str, places: Places) -> Year:
    """Read and check everything that a yearly review is made from; write nothing.

    Parameters
    ----------
    year : str
        Four digits.
    places : Places

    Returns
    -------
    Year

    Raises
    ------
    Unusable
        With every fault of the log, of the files of the releases, and of the vintage.
    Refused
        If no release of the year is finished, or one that it covers is not as it was finished.
    """
    if not (len(year) == 4 and year.isascii() and year.isdigit()):
        raise _unusable("year", "a year has four digits", "Write it such as 2014")
    finished = yearly.finished_releases(places.outputs, int(year))
    if not finished:
        raise Refused(
            f"No release of {year} is finished in {places.outputs}, so there is nothing to look "
            f"back on. Make one first, such as: jdl release {year}-03"
        )
    for folder in sorted(places.outputs.glob(_MONTHS)):
        if folder.is_dir() and folder.name[:4] <= year:
            _hold_whole(folder, folder.name)
    faults: list[Fault] = []
    log = _gather(faults, request.read_log, places.requests)
    if log is not None:
        for facts in _gather(faults, yearly.releases_to, places.requests, log, finished[-1]) or ():
            _gather(faults, request.counts_at, log, facts)
    made = json.loads((places.outputs / finished[-1] / MANIFEST).read_text(encoding="utf-8"))
    vintage = _gather(faults, national.open_vintage, places.data, made["vintage"]["name"])
    if faults:
        raise Unusable(dict.fromkeys(faults))
    return Year(places, int(year), finished, vintage)


def _hold_whole(folder: Path, name: str) -> None:
    """Refuse a finished release of which a file is missing or changed."""
    if wrong := manifest.broken(folder):
        raise Refused(
            f"The release {name} is not as it was finished: {wrong}. Make it again: "
            f"jdl release {name} --replace"
        )


def _year_inputs(year: Year) -> dict[str, Any]:
    """Return the hashes of all that a yearly review is made from, for its manifest."""
    folder = year.places.requests
    told = [path.stem for path in sorted(folder.glob("releases/*.toml"))]
    return {
        "inputs": {
            "log.csv": _digest_of_log(folder),
            "changelog": _digest_of(yearly.CHANGELOG),
            "calendar": {
                name: release_hash(folder, name) for name in told if name <= year.finished[-1]
            },
            "releases": {
                name: _digest_of(year.places.outputs / name / MANIFEST) for name in year.finished
            },
        },
        "vintage": {"name": year.vintage.name, "synthetic": year.vintage.synthetic},
        "code": manifest.code(),
        "environment": manifest.environment(),
        "parameters": {_YEAR: year.year},
    }


def _digest_of(path: Path) -> str | None:
    return manifest.digest(path.read_bytes()) if path.exists() else None


def _digest_of_log(folder: Path) -> str | None:
    """Return the hash of what the log says, whatever the order of its rows and columns."""
    if not (folder / "log.csv").exists():
        return None
    return manifest.digest(log_file(request.read_log(folder)))


def inputs_of(month: Month) -> dict[str, Any]:
    """Return the hashes of all that a release is made from, for its manifest.

    Parameters
    ----------
    month : Month
        Its vintage prepared.

    Returns
    -------
    dict
        ``published_at``, ``inputs``, ``vintage``, ``code``, ``environment``, ``parameters`` and
        ``seed``.
    """
    folder = month.places.requests
    vintage = _vintage(month.vintage)
    tables = {name: table["sha256"] for name, table in vintage["tables"].items()}
    return {
        "published_at": month.release.published_at.isoformat(),
        "inputs": {
            "requests": {entry.request.id: entry.inputs(tables) for entry in month.entries},
            "log.csv": _digest_of_log(folder),
            "release": release_hash(folder, month.name),
            "earlier": _earlier_results(month),
        },
        "vintage": vintage,
        "code": manifest.code(),
        "environment": manifest.environment(),
        "parameters": {
            "bulletin": {_MONTH: month.name},
            "requests": {entry.request.id: entry.parameters for entry in month.entries},
        },
        "seed": prepare.SEED,
    }


def _vintage(vintage: Vintage) -> dict[str, Any]:
    prepared = prepare.open_prepared(vintage)
    prepared.con.close()
    hashes, shapes = prepared.record["inputs"], prepare.shapes(vintage)
    return {
        "name": vintage.name,
        "extracted": vintage.extracted.isoformat(),
        "offences_to": vintage.offences_to.isoformat(),
        "convictions_to": vintage.convictions_to.isoformat(),
        "synthetic": vintage.synthetic,
        "tables": {name: {"sha256": hashes[name], **shapes.get(name, {})} for name in hashes},
        "prepared": prepared.hash,
    }


def _earlier_results(month: Month) -> dict[str, str]:
    """The hashes of what earlier releases found, which the bulletin tells again."""
    found = month.places.outputs.glob("????-??/bulletin/results.csv")
    return {
        path.parts[-3]: manifest.digest(path.read_bytes())
        for path in sorted(found)
        if path.parts[-3] < month.name
    }


def inputs_now(name: str, places: Places) -> dict[str, Any]:
    """Return what the manifest of a release would say of its inputs if it were made now.

    Parameters
    ----------
    name : str
        A finished release, ``YYYY-MM``.
    places : Places

    Returns
    -------
    dict
        As a manifest has it, and ``log_then``, the hash of the log as it stood at the release.

    Raises
    ------
    Unusable
        As `open_month`, and if the national data are not prepared.
    """
    month = open_month(name, places)
    with _reading(month.vintage):
        if not prepare.is_current(month.vintage):
            rule = "the national data must be prepared, as they were for the release"
            raise _unusable(month.vintage.name, rule, "Run: jdl prepare")
        made_from = inputs_of(month)
    made = json.loads((month.folder / MANIFEST).read_text(encoding="utf-8"))
    told = cohorts.kept(places.restricted, month.folder / MANIFEST)
    made_from["inputs"][cohorts.TOLD] = cohorts.results(told)
    made_from = hashed_as(made, made_from, places)
    then = log_file(log_at(request.read_log(places.requests), month.release))
    now = {"schema": SCHEMA, "release": name, "log_then": manifest.digest(then), **made_from}
    return dict(json.loads(manifest.dump(now)))


def hashed_as(made: Mapping[str, Any], again: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """Return a manifest with the files of its requests hashed as another has them.

    Parameters
    ----------
    made : dict
        Of any schema.
    again : dict
        Of the same release, made from what is in `places`.
    places : Places

    Returns
    -------
    dict
    """
    if manifest.schema_of(made) != 1 or manifest.schema_of(again) == 1:
        return dict(again)
    requests = {
        name: {
            kind: _by_bytes(places, name, made["release"], kind, told)
            for kind, told in hashes.items()
        }
        for name, hashes in again["inputs"]["requests"].items()
    }
    return {**again, "inputs": {**again["inputs"], "requests": requests}}


def _by_bytes(places: Places, request_id: str, release: str, kind: str, told: str) -> str:
    if kind not in manifest.BY_BYTES:
        return told
    folder = request.folder_of(places.requests, request_id, release)
    return manifest.digest((folder / kind).read_bytes())


def _same_inputs(month: Month) -> bool:
    """Whether the finished release was made from these very inputs by this very code."""
    if not prepare.is_current(month.vintage):
        return False
    now = json.loads(manifest.dump(inputs_of(month)))
    try:
        made = json.loads((month.folder / MANIFEST).read_text(encoding="utf-8"))
        made["inputs"].pop(cohorts.TOLD, None)
        same = [made[key] == now[key] for key in now if key != "code"]
        return all(same) and made["code"]["sha256"] == now["code"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _made_from(month: Month) -> tuple[Month, dict[str, Any]]:
    """Return a month and what it is made from, with what it is held against.

    A run of the very inputs of the finished release repeats that, so that the bytes are the same.
    Any other is held against all that is told already, by whatever month and version.
    """
    if month.repeats is None and _same_inputs(month):
        month = replace(month, repeats=month.folder / MANIFEST)
    made_from = inputs_of(month)
    told = cohorts.kept(month.places.restricted, month.repeats)
    made_from["inputs"][cohorts.TOLD] = cohorts.results(told)
    return month, made_from


# Doing it


def run_release(
    name: str,
    places: Places,
    *,
    jobs: int | None,
    again: bool = False,
    limits: Limits = USUAL,
    repeats: Path | None = None,
    tell: Tell,
) -> Summary:
    """Make a month's release, whole or not at all.

    Parameters
    ----------
    name : str
        The release, ``YYYY-MM``.
    places : Places
    jobs : int, optional
        How many requests at a time; as many as there are cores without it.
    again : bool
        Whether to replace a finished release.
    limits : Limits
        What each notebook may take.
    repeats : Path, optional
        The manifest of a release that is made again elsewhere, to be held against what that was.
    tell : callable
        Receives what is being done.

    Returns
    -------
    Summary

    Raises
    ------
    Unusable
        If any input cannot be used; nothing has been written then.
    Refused
        If another command works in the outputs folder, or the release is finished and its inputs
        have changed since.
    """
    started = _Start()
    signature.key()
    month = replace(open_month(name, places), repeats=repeats)
    with private(), _outputs(places, exclusive=True):
        if month.folder.exists() and not again:
            return _already_there(month)
        _hold_cohorts(month)
        with _prepared(month.vintage, places, tell), crew(jobs or _cores()) as workers:
            month, made_from = _made_from(month)
            outcomes = _run_requests(month, made_from, workers, limits, tell, again=False)
            lines = _lines(month, made_from, outcomes)
            if not _failures(outcomes):
                _hold_to_log(month)
                made = _assemble(month, made_from, outcomes, started, workers, limits, tell)
                outcomes.append(made[0])
                lines += made[1]
        return Summary(month.folder / "index.html", lines, _failures(outcomes))


def run_request(
    name: str,
    places: Places,
    *,
    again: bool = False,
    limits: Limits = USUAL,
    repeats: Path | None = None,
    tell: Tell,
) -> Summary:
    """Make one request's folder under ``outputs/.work``; its release gathers it from there.

    Parameters
    ----------
    name : str
        The request's id.
    places, limits, repeats, tell
        As for `run_release`.
    again : bool
        Whether to run it though nothing has changed.

    Returns
    -------
    Summary
        Another run of this very request is waited for; what that has finished is not run again.

    Raises
    ------
    Unusable, Refused
        As `run_release`.
    """
    opened = _opened(name, places, tell, repeats)
    with opened as (month, made_from), crew(1) as workers:
        outcomes = _run_requests(month, made_from, workers, limits, tell, again=again)
        lines = _lines(month, made_from, outcomes)
    if month.folder.exists():
        lines += (f"{month.folder} is finished and stays as it is; --replace makes it again.",)
    return Summary(month.work / name / "report.html", lines, _failures(outcomes))


def run_reading(
    name: str,
    places: Places,
    read: Callable[[Job], Job],
    keep: Callable[[Job, Done], None],
    workers: Crew,
    *,
    limits: Limits = USUAL,
    tell: Tell,
) -> Outcome:
    """Run a request's notebook to be read otherwise than as a report; no release gathers it.

    Parameters
    ----------
    name : str
        The request's id.
    places, limits, tell
        As for `run_release`.
    read : callable
        From the job that `run_request` would run, without its records, to the one that is run: of
        another notebook, with other files and another folder. The national data are prepared by
        then.
    keep : callable
        Receives that job and its result, while no other reading of the request can begin.
    workers : Crew

    Returns
    -------
    Done or Failure
        Of this very job, where that has finished before and was held against all that it would be
        held against now. The request is entered in the ledger as by any run that reads outcomes.

    Raises
    ------
    Unusable, Refused
        As `run_release`.
    """
    with _opened(name, places, tell) as (month, made_from):
        log = request.read_log(places.requests, month.name)
        [entry] = month.entries
        job = replace(_job(month, entry, made_from, limits, log), records={}, beside=())
        told = [*cohorts.kept(places.restricted, month.repeats), *_beside(month, name)]
        key = manifest.digest_json([job.key, *(one.digest for one in told)])
        job = read(_held_against(month, replace(job, key=key), ()))
        outcome: Outcome | None = finished(job)
        if outcome and _status(job.folder) == "reported":
            ledger.enter(places.restricted, name, dt.date.today())
        outcome = outcome or workers.run([job], _entering(month, tell))[0]
        if isinstance(outcome, Done):
            keep(job, outcome)
        return outcome


@contextmanager
def _opened(
    name: str, places: Places, tell: Tell, repeats: Path | None = None
) -> Iterator[tuple[Month, dict[str, Any]]]:
    """Hold a request while it is run, its national data prepared, and say what it is made from."""
    month = replace(open_month(_release_of(name, places), places, only=name), repeats=repeats)
    with private(), _outputs(places, exclusive=False):
        month.work.mkdir(parents=True, exist_ok=True)
        _hold_cohorts(month)
        held = lock(month.work / f".{name}.lock", exclusive=True, patient=True)
        with held, _prepared(month.vintage, places, tell):
            yield _made_from(month)


def run_order(name: str, places: Places, *, tell: Tell) -> dict[str, set[str]]:
    """Prepare what the requests of a month share, and say which are to be finished before which.

    Parameters
    ----------
    name : str
        The release, ``YYYY-MM``.
    places, tell
        As for `run_release`.

    Returns
    -------
    dict of str to set of str
        From `order_of`, every request of the month in id order: a scheduler that starts each with
        `jdl run` when those are done has the release find all of them finished.

    Raises
    ------
    Unusable, Refused
        As `run_release`.
    """
    month = open_month(name, places)
    with private(), _outputs(places, exclusive=False):
        _hold_cohorts(month)
        with _prepared(month.vintage, places, tell):
            after = order_of(month)
    return {entry.request.id: after.get(entry.request.id, set()) for entry in month.entries}


def run_yearly(year: str, places: Places, *, again: bool = False, tell: Tell) -> Summary:
    """Make the review of a year under ``outputs/yearly-<year>``, whole or not at all.

    Parameters
    ----------
    year : str
        Four digits; the review covers everything up to the last finished release of that year.
    places, tell
        As for `run_release`.
    again : bool
        Whether to replace a finished review.

    Returns
    -------
    Summary

    Raises
    ------
    Unusable, Refused
        As `open_year`; and if another command works in the outputs folder, or the review is
        finished and its inputs have changed since.
    """
    if _replaced(places.outputs):
        with private(), _outputs(places, exclusive=True):
            pass
    asked = open_year(year, places)
    page = asked.folder / "yearly.html"
    with private(), _outputs(places, exclusive=True):
        made_from = _year_inputs(asked)
        if asked.folder.exists() and not again:
            return _year_already_there(asked, made_from, page)
        with crew(1) as workers, _cleared(asked.work):
            outcome, notes = _assemble_year(asked, made_from, workers, tell)
    months = f"{asked.finished[0]} to {asked.finished[-1]}"
    if len(asked.finished) == 1:
        months = asked.finished[0]
    lines = (f"{asked.name}: made from the log and the releases {months}", *notes)
    return Summary(page, () if _failures([outcome]) else lines, _failures([outcome]))


def _assemble_year(
    year: Year, made_from: dict[str, Any], workers: Crew, tell: Tell
) -> tuple[Outcome, tuple[str, ...]]:
    """Run the review's notebook and put its folder into place."""
    scratch = fresh(year.work / _ASSEMBLY)
    made = scratch / "new"
    results = year.places.outputs / year.finished[-1] / "reports"
    job = Job(
        name=year.name,
        notebook=YEARLY,
        parameters={_YEAR: year.year},
        environment={
            "JDL_VINTAGE": str(year.vintage.folder.resolve()),
            "JDL_REQUESTS": str(year.places.requests.resolve()),
            "JDL_RESULTS": str(results.resolve()),
            "JDL_OUTPUTS": str(year.places.outputs.resolve()),
        },
        files=render.yearly_files,
        folder=scratch / "made",
        logs=year.places.logs(year.name, YEARLY.stem),
        records={"disclosure": year.places.decisions(year.name, YEARLY.stem)},
        key="",
    )
    [told] = workers.run([job], tell)
    notes: tuple[str, ...] = ()
    if isinstance(told, Done):
        _copy(job.folder, made)
        content = {"schema": SCHEMA, "year": year.year, "covers": year.finished, **made_from}
        content["files"] = manifest.file_hashes(made)
        (made / MANIFEST).write_bytes(manifest.dump(content))
        notes = _hold_to_scan(year, made)
        swap(made, year.folder, year.work / _REPLACED)
    return told, notes


def _year_already_there(year: Year, made_from: dict[str, Any], page: Path) -> Summary:
    try:
        made = json.loads((year.folder / MANIFEST).read_text(encoding="utf-8"))
        now = json.loads(manifest.dump(made_from))
        same = all(made[key] == now[key] for key in now if key != "code")
        same = same and made["code"]["sha256"] == now["code"]["sha256"]
    except (OSError, ValueError, KeyError):
        same = False
    if wrong := manifest.broken(year.folder):
        raise Refused(
            f"{year.folder} is not as it was finished: {wrong}. To make it again: --replace."
        )
    if same:
        line = f"{year.name} is already there, made from the same inputs by the same code."
        return Summary(page, (line,))
    raise Refused(
        f"{year.folder} is finished and stays as it is, though inputs or code have changed since. "
        "To make it again: --replace."
    )


def run_prepare(places: Places, *, pairs: int = linkage.SAMPLED_PAIRS, tell: Tell) -> Summary:
    """Make what is made once per vintage, for every vintage in the data folder.

    Parameters
    ----------
    places, tell
        As for `run_release`.
    pairs : int
        As for ``prepare.prepare``.

    Raises
    ------
    Unusable
        If there is no vintage, or one breaks the contract.
    """
    latest = national.open_vintage(places.data)
    folders = national.find_vintages(places.data)
    lines = []
    for folder in folders:
        vintage = national.open_vintage(folder)
        with private():
            made = _prepare(vintage, places, tell, pairs)
        lines.append(f"{vintage.name}: {'prepared' if made else 'already prepared'}")
    return Summary(latest.prepared, tuple(lines))


@contextmanager
def open_desk(name: str, places: Places, *, tell: Tell) -> Iterator[Desk]:
    """Link the people of a request as its notebook does, for a reviewer to look at.

    Parameters
    ----------
    name : str
        The request's id.
    places, tell
        As for `run_release`.

    Yields
    ------
    Desk
        Nothing has been written but the prepared vintage.

    Raises
    ------
    Unusable
        As `run_release`.
    Refused
        If the request does not meet the criteria, so that nobody in it may be looked for.
    """
    month = open_month(_release_of(name, places), places, only=name)
    [entry] = month.entries
    method = {**defaults_of(REPORT), **entry.parameters}
    upload = request.pooled_upload(entry.request, places.requests)
    withdrawn = request.was_withdrawn(request.read_log(places.requests), month.release, name)
    asked = request.criteria(entry.request, upload.people, withdrawn, method["minimum_people"])
    if unmet := request.unmet(asked):
        reasons = " ".join(criterion.text for criterion in unmet)
        raise Refused(f"{name} cannot be processed, so nobody in it is looked for. {reasons}")
    with private():
        _prepare(month.vintage, places, tell)
    tell(News(name, "linkage"))
    ready = prepare.open_prepared(month.vintage, places.engine)
    with safekeeping.scratch(places.scratch), closing(ready.con):
        cleaned = linkage.clean(upload.people)
        found = linkage.candidates(cleaned, ready.register)
        certain = linkage.deterministic(found, method["link_passes"])
        by_names = linkage.score(found, certain)
        at_the_time = sentence.corroboration(
            ready.con,
            month.vintage,
            upload.people,
            by_names.rows,
            by_names.pairs,
            setting=entry.request.setting,
            cautions=entry.request.cautions,
            **{leeway: method[leeway] for leeway in sentence.LEEWAYS},
        )
        scored = linkage.corroborate(by_names, at_the_time)
        tell(News(name, "done", 1.0))
        yield Desk(
            name,
            upload.people,
            scored,
            partial(_decided, certain, scored, method),
            partial(_audited, scored, cleaned, method, ready.hash),
            ready.con,
            places.restricted,
            entry.basis(ready.record["inputs"]),
            prepare.SEED,
            month.vintage.source,
            partial(_alone, month, name),
        )


def _decided(
    certain: pd.DataFrame,
    scored: linkage.Scored,
    method: Mapping[str, Any],
    reviewed: pd.DataFrame | None,
) -> linkage.Links:
    return linkage.decide(
        certain,
        scored,
        threshold=method["link_threshold"],
        review=method["review_threshold"],
        gap_bits=method["gap_bits"],
        reviewed=reviewed,
    )


def _audited(
    scored: linkage.Scored,
    cleaned: pd.DataFrame,
    method: Mapping[str, Any],
    register: str,
    links: linkage.Links,
) -> pd.DataFrame:
    return linkage.audit(
        links, scored, cleaned, review=method["review_threshold"], register=register
    )


@contextmanager
def _alone(month: Month, name: str) -> Iterator[None]:
    """Hold a request until nothing else reads its inputs: a moment, or as long as a run takes."""
    with private(), _outputs(month.places, exclusive=False, patient=True):
        month.work.mkdir(parents=True, exist_ok=True)
        with lock(month.work / f".{name}.lock", exclusive=True, patient=True):
            yield


def _release_of(name: str, places: Places) -> str:
    folder = places.requests / name
    if not ID.fullmatch(name) or not (folder / "request.toml").exists():
        raise _unusable(
            "request",
            "a request must have a folder of its own in the requests folder",
            "Name one of: " + (", ".join(_names(places.requests)) or "there is none"),
        )
    return str(request.read_request(folder).release)


def _names(requests: Path) -> list[str]:
    return [folder.name for folder in request.request_folders(requests)]


def _prepare(
    vintage: Vintage, places: Places, tell: Tell, pairs: int = linkage.SAMPLED_PAIRS
) -> bool:
    """Prepare a vintage unless that is done; wait for other commands that do so or read it."""
    safekeeping.clear(vintage.scratch)
    if prepare.is_current(vintage):
        return False
    with _preparing(vintage, tell):
        return _prepare_now(vintage, places, tell, pairs)


@contextmanager
def _prepared(vintage: Vintage, places: Places, tell: Tell) -> Iterator[None]:
    """Prepare a vintage unless that is done, and let nobody prepare it anew while it is read."""
    safekeeping.clear(vintage.scratch)
    with ExitStack() as reading:
        reading.enter_context(_reading(vintage))
        if not prepare.is_current(vintage):
            reading.close()
            with _preparing(vintage, tell):
                _prepare_now(vintage, places, tell)
                reading.enter_context(_reading(vintage))
        yield


@contextmanager
def _preparing(vintage: Vintage, tell: Tell) -> Iterator[None]:
    if not os.access(vintage.folder, os.W_OK):
        raise _unusable(
            vintage.folder.name,
            "a vintage that is not prepared must lie in a folder that can be written",
            "Run `jdl prepare` where it can be, or copy the vintage",
        )
    waiting = partial(tell, News("vintage", "waiting for another command"))
    file = vintage.folder / ".prepare.lock"
    with _told(vintage.folder), lock(file, exclusive=True, patient=True, waiting=waiting):
        yield


@contextmanager
def _reading(vintage: Vintage, *, alone: bool = False) -> Iterator[None]:
    """Hold what was prepared of a vintage, together with others who read it or alone."""
    file = vintage.folder / ".reading.lock"
    if os.access(file if file.exists() else file.parent, os.W_OK):
        with lock(file, exclusive=alone, patient=True):
            yield
    else:
        yield


def _prepare_now(
    vintage: Vintage, places: Places, tell: Tell, pairs: int = linkage.SAMPLED_PAIRS
) -> bool:
    with _reading(vintage, alone=True):
        if prepare.is_current(vintage):
            return False
        tell(News("vintage", "starting", 0.0))
        people = _people_to_learn_from(places.requests)
        prepare.prepare(
            vintage,
            people,
            lambda stage, share: tell(News("vintage", stage, share)),
            places.engine,
            pairs,
        )
    return True


def _people_to_learn_from(requests: Path) -> pd.DataFrame | None:
    """Pool the uploads that may be used: readable, with a sign-off, not withdrawn."""
    try:
        log = in_force(request.read_log(requests))
    except Unusable:
        return None
    withdrawn = set(log.loc[log["status"] == "withdrawn", "id"])
    pooled = []
    for name in _names(requests):
        with suppress(Unusable):
            read = request.read_request(requests / name)
            if read.data_sharing is not None and name not in withdrawn:
                pooled.append(request.read_upload(read, keep=True).people)
    return pd.concat(pooled, ignore_index=True) if pooled else None


def _run_requests(
    month: Month,
    made_from: dict[str, Any],
    workers: Crew,
    limits: Limits,
    tell: Tell,
    *,
    again: bool,
) -> list[Outcome]:
    """Run the requests that are not finished, and return all in id order.

    A request is held against those of smaller ids that share people with it. Whom the certain
    passes find tells nearly all of these beforehand, and it waits for them. Who shares people
    after all only the notebooks find out: who was not held against what has come out in the end
    is run again, and each turn settles at least the first of them.
    """
    log = request.read_log(month.places.requests, month.name)
    work = [_job(month, entry, made_from, limits, log) for entry in month.entries]
    outcomes: dict[str, Outcome] = {
        job.name: done for job in work if not again and (done := finished(job))
    }
    for name in outcomes:
        if _status(month.work / name) == "reported":
            ledger.enter(month.places.restricted, name, dt.date.today())
        tell(News(name, "not changed", 1.0))
    after = order_of(month)
    todo = [job for job in work if job.name not in outcomes]
    while todo or (todo := _outdated(month, work, outcomes)):
        for job in todo:
            tell(News(job.name, "waiting", 0.0))
        in_turn = sorted(todo, key=partial(_awaited, after), reverse=True)
        made = workers.run(in_turn, _entering(month, tell), after, partial(_held_against, month))
        outcomes |= {outcome.name: outcome for outcome in made}
        todo = []
    return [outcomes[job.name] for job in work]


def order_of(month: Month) -> dict[str, set[str]]:
    """Return which requests of a month must be finished before each, by id.

    Parameters
    ----------
    month : Month
        Its vintage prepared. Whom the certain passes find of each upload is kept in a restricted
        record, which the notebooks read.
    """
    requests = month.places.requests
    usual = {"link_passes": linkage.PASSES, **method_parameters()}
    uploads = request.usable(requests, month.name)
    ready = prepare.open_prepared(month.vintage, month.places.engine)
    with closing(ready.con), suppress(linkage.LinkageFailed):
        ways = {tuple({**usual, **one.parameters}["link_passes"]) for one in month.entries}
        marks = elsewhere.keep(month.places.restricted, uploads, ready, sorted(ways))
        own = [one for one in uploads if one.release == month.name]
        chains = {one.id: request.chain(one, requests) for one in own}
        return elsewhere.order(
            {
                name: frozenset().union(*(marks.get(one, ()) for one in chain), chain)
                for name, chain in chains.items()
            }
        )
    return {}


def _awaited(after: Mapping[str, Collection[str]], job: Job) -> int:
    """How many requests wait for this one."""
    return sum(job.name in first for first in after.values())


def _held_against(month: Month, job: Job, left: Collection[str]) -> Job:
    """Name to a job the finished requests of its month that come before it."""
    names = [name for name in _before(month, job.name) if name not in left]
    return replace(job, environment={**job.environment, "JDL_BESIDE": " ".join(names)})


def _before(month: Month, name: str) -> list[str]:
    """Name the requests of a month with smaller ids that have a record, in order."""
    folders = request.requests_of(month.places.requests, month.name)
    names = sorted(one for one in map(request.id_of, folders) if one < name)
    return [one for one in names if (month.work / one / cohorts.FILE).exists()]


def _beside(month: Month, name: str) -> list[cohorts.Record]:
    """Read the records of the requests of a month that come before one."""
    return [cohorts.read(month.work / one / cohorts.FILE) for one in _before(month, name)]


def _outdated(month: Month, work: Sequence[Job], outcomes: Mapping[str, Outcome]) -> list[Job]:
    """Return the jobs that were not held against what comes before them and is settled."""
    told = cohorts.kept(month.places.restricted, month.repeats)
    found: list[Job] = []
    for job in (one for one in work if isinstance(outcomes[one.name], Done)):
        before = [*told, *_beside(month, job.name)]
        if not cohorts.is_current(job.folder, month.places.restricted, before):
            found.append(job)
    unsettled = [cohorts.read(job.folder / cohorts.FILE) for job in found]
    return [
        job
        for job, own in zip(found, unsettled, strict=True)
        if not cohorts.sharing(own.people, [one for one in unsettled if one.request < job.name])
    ]


def _entering(month: Month, tell: Tell) -> Tell:
    """Enter a request in the ledger as soon as its outcomes are about to be read."""

    def told(news: News) -> None:
        if news.stage == ledger.STAGE:
            ledger.enter(month.places.restricted, news.name, dt.date.today())
        tell(news)

    return told


def _failures(outcomes: list[Outcome]) -> tuple[Failure, ...]:
    return tuple(outcome for outcome in outcomes if isinstance(outcome, Failure))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _job(
    month: Month, entry: Entry, made_from: dict[str, Any], limits: Limits, log: pd.DataFrame
) -> Job:
    name = entry.request.id
    shown = {} if month.folder.exists() else {_DECISIONS: month.places.decisions(month.name, name)}
    return Job(
        name=name,
        notebook=REPORT,
        parameters=entry.parameters,
        environment=_environment(month, month.work),
        files=render.report_files,
        folder=month.work / name,
        logs=month.places.logs(month.name, name),
        records=shown,
        beside=[cohorts.NAME, _DECISIONS],
        key=manifest.digest_json(
            [
                made_from["inputs"]["requests"][name],
                entry.parameters,
                _told_by_log(log, entry.request),
                made_from["inputs"]["earlier"] if entry.request.extends else {},
                made_from["inputs"]["release"],
                made_from["vintage"],
                made_from["code"]["sha256"],
                made_from["environment"],
            ]
        ),
        limits=limits,
    )


def _told_by_log(log: pd.DataFrame, asked: request.Request) -> str:
    """Hash what a request's notebook reads in the log: its own row and those it extends."""
    rows = log.loc[log["id"].isin([asked.id, *asked.extends])]
    return manifest.digest(rows.to_csv(index=False).encode())


def _environment(month: Month, results: Path) -> dict[str, str]:
    folders = {
        "JDL_VINTAGE": month.vintage.folder,
        "JDL_REQUESTS": month.places.requests,
        "JDL_RESULTS": results,
        "JDL_OUTPUTS": month.places.outputs,
        "JDL_RESTRICTED": month.places.restricted,
    }
    repeats = {"JDL_REPEATS": month.repeats} if month.repeats else {}
    return {
        "JDL_RELEASE": month.name,
        "JDL_ENGINE": month.places.engine,
        **{name: str(folder.resolve()) for name, folder in {**folders, **repeats}.items()},
    }


def _assemble(
    month: Month,
    made_from: dict[str, Any],
    outcomes: list[Outcome],
    started: _Start,
    workers: Crew,
    limits: Limits,
    tell: Tell,
) -> tuple[Outcome, tuple[str, ...]]:
    """Gather the requests, make the bulletin and put the whole folder into place.

    What the scan could not look for is returned too.
    """
    scratch = fresh(month.work / _ASSEMBLY)
    made = scratch / "new"
    notes: tuple[str, ...] = ()
    with _cleared(scratch):
        for outcome in outcomes:
            _copy(month.work / outcome.name, made / "reports" / outcome.name)
        [told] = workers.run([_bulletin_job(month, scratch, limits)], tell)
        if isinstance(told, Done):
            _copy(scratch / BULLETIN.stem, made / "bulletin")
            _finish(month, made, made_from)
            run = _run_record(month, [*outcomes, told], started)
            (made / RUN).write_bytes(manifest.dump(run))
            notes = _hold_to_scan(month, made)
            _put_into_place(month, scratch, [outcome.name for outcome in outcomes])
    return told, notes


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """Leave nothing of a folder, whatever stops the run."""
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _put_into_place(month: Month, scratch: Path, names: Sequence[str]) -> None:
    """Have a release appear, and keep what is restricted of it: of no other request."""
    made, restricted = scratch / "new", month.places.restricted
    cohorts.lay_ready(month.work, restricted, made, names)
    _keep_decisions(month, [*(month.work / name for name in names), scratch / BULLETIN.stem])
    swap(made, month.folder, month.work / _REPLACED)
    cohorts.settle(month.places.outputs, restricted)
    shutil.rmtree(month.work / _REPLACED, ignore_errors=True)


def _keep_decisions(month: Month, folders: Sequence[Path]) -> None:
    """Put what disclosure control decided in these notebooks in place of what it did before."""
    found = {one.name: one / f"{_DECISIONS}.json" for one in folders}
    decided = {f"{name}.json": file.read_bytes() for name, file in found.items() if file.exists()}
    place = month.places.decisions(month.name, BULLETIN.stem).parent
    place.parent.mkdir(mode=0o700, exist_ok=True)
    safekeeping.put(decided, place)


def _hold_to_scan(asked: Month | Year, made: Path) -> tuple[str, ...]:
    """Refuse to put into place what tells who somebody is, or what nobody can read.

    Then a request that is to blame runs again next time. Otherwise what could not be looked for is
    returned, in words.
    """
    restricted = asked.places.restricted
    found = accepted.decided(scan.scan(made, asked.vintage, asked.places.requests), restricted)
    if found.finds:
        story = accepted.told(found, restricted)
        log = write_restricted(asked.places.logs(asked.name, "scan"), "found", story)
        for find in found.finds:
            place, _, rest = find.file.partition("/")
            if place == "reports":
                (asked.work / rest.partition("/")[0] / RUN).unlink(missing_ok=True)
        raise Refused(
            f"{asked.name} cannot be put together, because it would tell who people are.\n"
            + "\n".join(f"- {line}" for line in found.told)
            + f"\nWhat was found is in the restricted file {log}. Look there, mend the notebook, "
            "template or request that shows it, then run the same command again. What tells of "
            "nobody can be accepted by its mark: jdl scan --accept MARK --reason TEXT --role POST"
        )
    return found.notes


def _copy(source: Path, target: Path) -> None:
    restricted = (RUN, cohorts.FILE, f"{_DECISIONS}.json")
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*restricted))


def _bulletin_job(month: Month, scratch: Path, limits: Limits) -> Job:
    return Job(
        name=BULLETIN.stem,
        notebook=BULLETIN,
        parameters={_MONTH: month.name},
        environment=_environment(month, scratch / "new" / "reports"),
        files=render.bulletin_files,
        folder=scratch / BULLETIN.stem,
        logs=month.places.logs(month.name, BULLETIN.stem),
        beside=[_DECISIONS],
        key="",
        limits=limits,
    )


def _finish(month: Month, made: Path, made_from: dict[str, Any]) -> None:
    """Add the log as it stood, the release page, the quality statement and the manifests."""
    known = log_at(request.read_log(month.places.requests), month.release)
    (made / "bulletin" / "log.csv").write_bytes(log_file(known))
    record = nbformat.read(made / "bulletin" / "notebook.ipynb", as_version=4)
    results = read_results(made / "reports")
    render.write(render.release_pages(record, results), made)
    content = {"schema": SCHEMA, "release": month.name, **made_from}
    content["files"] = manifest.file_hashes(made)
    for name, told in manifest.records(content).items():
        (made / name).write_bytes(told)
    content["files"] = manifest.file_hashes(made)
    (made / MANIFEST).write_bytes(manifest.dump(content))
    if key := signature.key():
        signature.sign(made, key)


@dataclass(frozen=True)
class _Start:
    """When a run began: by the calendar to be told, by a clock that only goes on to count from."""

    day: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    clock: float = field(default_factory=time.monotonic)


def _run_record(month: Month, outcomes: list[Outcome], started: _Start) -> dict[str, Any]:
    """Times and host: what is never compared."""
    made = [outcome for outcome in outcomes if isinstance(outcome, Done)]
    return {
        "schema": SCHEMA,
        "release": month.name,
        "engine": month.places.engine,
        "started": started.day.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started.clock, 1),
        "host": {"name": platform.node(), "system": platform.platform(), "cores": _cores()},
        "peak_memory": {
            "command": peak_memory("self"),
            "kernel": max((o.memory["kernel"] or 0 for o in made), default=0),
            "worker": max((o.memory["worker"] or 0 for o in made), default=0),
        },
        "notebooks": [
            {
                "name": o.name,
                "seconds": o.seconds,
                "memory": o.memory,
                "reused": o.reused,
                "engine": o.engine,
                "spent": [asdict(one) for one in o.spent],
            }
            for o in made
        ],
    }


def _lines(month: Month, made_from: dict[str, Any], outcomes: list[Outcome]) -> tuple[str, ...]:
    """One line a request that is finished, and what else is worth knowing."""
    lines = [
        f"{done.name}: {_verdict(month.work / done.name)}"
        + (" (not changed since it was made)" if done.reused else "")
        for done in outcomes
        if isinstance(done, Done) and done.name != BULLETIN.stem
    ]
    for entry in month.entries:
        tables = {name: one["sha256"] for name, one in made_from["vintage"]["tables"].items()}
        told = entry.decisions.told(entry.basis(tables))
        lines += [f"{entry.request.id}: {told}"] if told else []
        lines += [f"{entry.request.id}: {one.told}" for one in entry.overrides]
        lines += [f"{entry.request.id}: {one}" for one in _not_followed(month, entry)]
    ids = [entry.request.id for entry in month.entries]
    lines += filter(None, (_changed_plan(month, one) for one in outcomes))
    log = request.read_log(month.places.requests)
    lines += ledger.unwritten(log, ledger.first_read(month.places.restricted), ids)
    if not month.release.stated:
        lines.append(f"There is no releases/{month.name}.toml: plain defaults were used.")
    return (*lines, *filter(None, [render.pdf_obstacle()]))


def _not_followed(month: Month, entry: Entry) -> Iterator[str]:
    """Say which overrides changed nothing: of parts that there are not, or that do not give way."""
    file = month.places.decisions(month.name, entry.request.id)
    if not entry.overrides or not file.exists():
        return
    record = json.loads(file.read_text(encoding="utf-8"))["decisions"]
    decided = {one["part"]: one["decided"] for one in record}
    for one in entry.overrides:
        if one.part not in decided:
            yield (
                f"{one.part} is no part that was decided on, so its override changed nothing. See "
                f"all parts: jdl disclosure {month.name}"
            )
        elif decided[one.part] != one.wanted:
            yield f"{one.part} is {decided[one.part]} all the same: the rules do not give way."


def _changed_plan(month: Month, outcome: Outcome) -> str | None:
    """Say where a report's plan is not the one under which its outcomes were first read."""
    file = month.work / outcome.name / "result.json"
    if not isinstance(outcome, Done) or not file.exists():
        return None
    plan = json.loads(file.read_text(encoding="utf-8")).get("plan")
    corrected = any(
        entry.request.correction is not None
        for entry in month.entries
        if entry.request.id == outcome.name
    )
    kept = month.places.restricted
    return plan and ledger.keep_plan(kept, outcome.name, plan, corrected=corrected)


def _verdict(folder: Path) -> str:
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    if result["status"] != "reported":
        return str(result["status"])
    headline = next(analysis for analysis in result["analyses"] if analysis["headline"])
    rate = next(row for row in headline["measures"] if row["measure"] == "rate")
    conclusion = str(rate["conclusion"])
    return f"reported, one-year rate: {_WITHHELD.get(conclusion, conclusion)}"


_WITHHELD = {"suppressed": "withheld"}
"""What a result file calls a result that is not shown, in the word of the reports."""


def _already_there(month: Month) -> Summary:
    _hold_whole(month.folder, month.name)
    if _same_inputs(month):
        line = f"{month.name} is already there, made from the same inputs by the same code."
        return Summary(month.folder / "index.html", (line,))
    raise Refused(
        f"{month.folder} is finished and stays as it is, though inputs or code have changed since. "
        "To make it again: --replace."
    )


# Keeping others out, and cleaning up


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Have the outputs folder to oneself; what is written is for its owner, the scratch private.

    Raises
    ------
    Unusable
        If it cannot be written to.
    Refused
        If another command is at work in it.
    """
    with private(), _outputs(places, exclusive=True):
        yield


@contextmanager
def writing(outputs: Path) -> Iterator[None]:
    """Write to an outputs folder what no other command makes.

    Raises
    ------
    Unusable
        If it cannot be written to.
    Refused
        If the system stops it.
    """
    with _told(outputs):
        _make_folders(outputs)
        yield


@contextmanager
def private() -> Iterator[None]:
    """Let only the owner read what is written."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _outputs(places: Places, *, exclusive: bool, patient: bool = False) -> Iterator[None]:
    """Hold the outputs folder: a release has it to itself, single requests share it."""
    work = places.outputs / ".work"
    with _told(places.outputs):
        _make_private(places)
        if exclusive:
            with lock(work / ".lock", exclusive=True, patient=patient):
                _recover(places)
                with safekeeping.scratch(places.scratch):
                    yield
            return
        if _replaced(places.outputs) or not cohorts.is_settled(places.restricted):
            with suppress(Refused), lock(work / ".lock", exclusive=True):
                _recover(places)
        held = lock(work / ".lock", exclusive=False, patient=patient)
        with held, safekeeping.scratch(places.scratch):
            yield


def _make_private(places: Places) -> None:
    """Make the folders of a run; whatever they were, only their owner may look into them."""
    _make_folders(places.outputs, places.outputs / ".work", places.restricted)


def _make_folders(outputs: Path, *inside: Path) -> None:
    try:
        outputs.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in inside:
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        writable = os.access(outputs, os.W_OK)
    except (FileExistsError, NotADirectoryError, PermissionError):
        writable = False
    if not writable:
        raise _unusable(
            str(outputs),
            "the outputs folder must be writable",
            "Name another with --outputs",
        )


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Say in words, with a remedy, what the system refuses to do in a folder."""
    try:
        yield
    except (OSError, MemoryError, duckdb.Error) as error:
        lacking = safekeeping.obstacle(error, folder)
        if lacking is None or _elsewhere(error, folder):
            raise
        raise Refused(
            f"Stopped: {lacking}. Nothing half-written is kept; what had finished is."
        ) from None


def _elsewhere(error: BaseException, folder: Path) -> bool:
    """Whether an error names a file that is not in a folder."""
    file = getattr(error, "filename", None)
    return isinstance(file, str) and not Path(file).resolve().is_relative_to(folder.resolve())


@contextmanager
def lock(
    file: Path,
    *,
    exclusive: bool,
    patient: bool = False,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold a lock file; the system lets go of it when the process ends, however it ends.

    Parameters
    ----------
    file : Path
    exclusive : bool
        Alone, or together with others who hold it so.
    patient : bool
        Whether to wait for others.
    waiting : callable
        Called before that.

    Raises
    ------
    Refused
        If another holds it, unless patient.
    """
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    with file.open("a") as handle:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not patient:
                raise Refused(
                    f"Another jdl command is at work in {file.parent}. Wait until it has "
                    "finished, or name another folder with --outputs."
                ) from None
            waiting()
            fcntl.flock(handle, kind)
        yield


def _recover(places: Places) -> None:
    """Put right what runs that were killed have left behind, of whatever month."""
    outputs = places.outputs
    for replaced in _replaced(outputs):
        folder = outputs / replaced.parent.name
        if folder.exists():
            shutil.rmtree(replaced, ignore_errors=True)
        elif manifest.broken(replaced) is None:
            replaced.replace(folder)
        else:
            _set_aside(replaced, places.restricted / _SET_ASIDE)
    cohorts.settle(outputs, places.restricted)
    for pattern in (f"*/{_ASSEMBLY}", "*/.scratch-*", "*/*/.scratch-*"):
        for left in outputs.joinpath(".work").glob(pattern):
            shutil.rmtree(left, ignore_errors=True)


def _set_aside(replaced: Path, place: Path) -> None:
    """Keep a release that was moved aside and is not as it was finished: it may be the only one."""
    place.mkdir(mode=0o700, exist_ok=True)
    release = replaced.parent.name
    replaced.replace(place / f"{release}-{len(list(place.glob(f'{release}-*'))) + 1}")


def _replaced(outputs: Path) -> list[Path]:
    """Return the releases that were moved aside for another and are still there."""
    return list(outputs.glob(f".work/*/{_REPLACED}"))
