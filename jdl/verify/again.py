"""A release, or one report of it, made again in private scratch space.

The scratch sees the earlier releases that it told of and a copy of what is restricted, so that
nothing that is kept is written to. What cannot be made again, because its inputs are there no more,
is said, request by request; the others are made again all the same.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jdl import cohorts, manifest, national
from jdl.faults import Unusable
from jdl.manifest import MANIFEST
from jdl.release import (
    Places,
    Refused,
    Summary,
    inputs_of,
    open_month,
    run_release,
    run_request,
)
from jdl.request import request_folders
from jdl.verify.as_made import hold_to_history, run
from jdl.verify.subject import Subject
from jdl.workers import RUN, Limits, Tell

SCRATCH = "verify"
_MADE = ".again"
_EARLIER = "earlier uploads"
_NOT_PUBLISHED = (RUN, cohorts.FILE, "disclosure.json")


@dataclass(frozen=True)
class Again:
    """What was made again.

    Parameters
    ----------
    folder : Path
        Laid out as the subject's folder; there only as long as the scratch is.
    documents : tuple of str
        Those that were made again.
    made : dict, optional
        What it was made from now, as a manifest tells it; None where nothing was made.
    stopped : tuple of str
        Why a notebook did not run to its end.
    cannot : dict of str to str
        Why a document cannot be made again at all, by document; by the empty name why none can.
    """

    folder: Path
    documents: tuple[str, ...] = ()
    made: Mapping[str, Any] | None = field(default=None, repr=False)
    stopped: tuple[str, ...] = ()
    cannot: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def made_again(
    subject: Subject,
    places: Places,
    *,
    jobs: int | None,
    limits: Limits,
    as_made: bool = False,
    tell: Tell,
) -> Iterator[Again]:
    """Make a release or a report again from its recorded inputs, as far as they are there.

    Parameters
    ----------
    subject : Subject
    places : Places
        Its ``outputs`` hold the earlier releases and what is restricted.
    jobs, limits, tell
        As for ``release.run_release``.
    as_made : bool
        Whether by the code that it was made by, from this project's history.

    Yields
    ------
    Again

    Raises
    ------
    Refused
        If it is to be made as it was and that code, or its packages, are not at hand.

    """
    vintage, broken = _vintage_named(subject.made["vintage"]["name"], places.data)
    if why := _hopeless(subject, places, vintage, broken):
        yield _none(subject, why)
        return
    assert vintage is not None
    commit = hold_to_history(subject.made) if as_made else None
    with _scratch(places, vintage, subject) as scratch:
        if lacking := cohorts.missing(scratch.outputs, scratch.restricted, subject.release):
            yield _none(subject, _without(lacking))
            return
        try:
            if commit is None:
                again = _made(subject, scratch, jobs, limits, tell)
            else:
                again = _as_made(subject, scratch, commit, jobs)
        except Refused as refused:
            again = Again(subject.folder, stopped=(str(refused).rstrip("."),))
        told = tuple(_where(one, scratch, places) for one in again.stopped)
        yield replace(_as_far_as_due(subject, again, places.requests), stopped=told)


def _vintage_named(name: str, data: Path) -> tuple[Path | None, str]:
    """Return the folder of the vintage of this name, and what is wrong with others that are there.

    One that is broken can hide its name; it stops nothing where the one that is asked for is whole.
    """
    wrong = []
    for folder in national.find_vintages(data) or [data]:
        try:
            if national.open_vintage(folder).name == name:
                return folder, ""
        except Unusable as unusable:
            wrong.append(_told(unusable))
    return None, " ".join(wrong)


def _hopeless(subject: Subject, places: Places, vintage: Path | None, broken: str) -> str:
    """Say why nothing can be made again, or nothing."""
    if vintage is None:
        named = subject.made["vintage"]["name"]
        why = f"there is no vintage {named!r} that can be read in {places.data}"
        return f"{why}: {broken}" if broken else why
    if not places.restricted.is_dir():
        return (
            f"there are no restricted records in {places.outputs}: without review decisions, keys "
            "and cohorts nothing comes out as it did"
        )
    return ""


def _as_made(subject: Subject, scratch: Places, commit: str, jobs: int | None) -> Again:
    """Make it again with the code of a commit, on a copy of what is prepared for the vintage."""
    vintage = scratch.outputs.parent / "vintage"
    shutil.copytree(scratch.data, vintage, ignore=shutil.ignore_patterns(".*"))
    if subject.request is not None:
        _lay_beside(subject.release, subject.request, scratch)
    places = replace(scratch, data=vintage)
    expected = subject.made["code"]["sha256"]
    asked = (subject.release, subject.request, subject.manifest, jobs)
    try:
        stopped, made = run(commit, expected, places, *asked)
    except Refused as refused:
        return _none(subject, str(refused).rstrip("."))
    folder = scratch.outputs / subject.release
    if subject.request is not None:
        folder = scratch.outputs / _MADE
        if not stopped:
            _copy(scratch.work(subject.release) / subject.request, folder)
    if stopped:
        return Again(subject.folder, stopped=stopped)
    return Again(folder, ("",) if subject.request else _documents(folder), made)


def _copy(made: Path, folder: Path) -> None:
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns(*_NOT_PUBLISHED))


def _without(lacking: Sequence[str]) -> str:
    return (
        f"the cohort records of {', '.join(lacking)} are not kept, so that nothing can be held "
        "against what was told before"
    )


def _made(subject: Subject, scratch: Places, jobs: int | None, limits: Limits, tell: Tell) -> Again:
    if subject.request is not None:
        folder = scratch.outputs / _MADE
        return _one(subject, subject.request, scratch, folder, limits, tell)
    try:
        summary = run_release(
            subject.release, scratch, jobs=jobs, limits=limits, repeats=subject.manifest, tell=tell
        )
    except Unusable as unusable:
        return _rest(subject, scratch, limits, tell) or _none(subject, _told(unusable))
    made = scratch.outputs / subject.release
    if summary.failures:
        return Again(made, stopped=_failed(summary))
    again = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
    return Again(made, _documents(made), again)


def _documents(folder: Path) -> tuple[str, ...]:
    """Return the documents of a whole release that was made again."""
    return ("", *(f"reports/{path.name}" for path in sorted(folder.glob("reports/*"))), "bulletin")


def _as_far_as_due(subject: Subject, again: Again, requests: Path) -> Again:
    """Leave out what cannot come out as it did, because what it tells of is there no more."""
    if subject.request is not None or again.made is None:
        return again
    cannot = {**_not_there(subject, again.made), **_bereft(subject, again.made, requests)}
    cannot |= again.cannot
    if not cannot:
        return again
    made = tuple(name for name in again.documents if name.startswith("reports/"))
    documents = tuple(name for name in made if name not in cannot)
    pages = (name for name in subject.listed if "/" not in name and not manifest.is_record(name))
    cannot |= dict.fromkeys(("bulletin", *pages), "it tells of reports that cannot be made again")
    return replace(again, documents=documents, made=_only(again.made, documents), cannot=cannot)


def _not_there(subject: Subject, made: Mapping[str, Any]) -> dict[str, str]:
    missing = subject.made["inputs"]["requests"].keys() - made["inputs"]["requests"].keys()
    why = f"{subject.release} has no such request"
    return {f"reports/{name}": why for name in sorted(missing)}


def _bereft(subject: Subject, made: Mapping[str, Any], requests: Path) -> dict[str, str]:
    """Say of which reports the earlier uploads changed because one of them is there no more."""
    gone = [path.name for path in request_folders(requests) if not any(path.glob("[Uu]pload.*"))]
    then, now = (one["inputs"]["requests"] for one in (subject.made, made))
    why = f"earlier uploads are there no more: {', '.join(gone)}"
    return {
        f"reports/{name}": why
        for name in sorted(then.keys() & now.keys())
        if gone and then[name].get(_EARLIER) != now[name].get(_EARLIER)
    }


def _only(made: Mapping[str, Any], documents: Sequence[str]) -> dict[str, Any]:
    """Return what was made again without the requests of other documents."""
    inputs, parameters = made["inputs"], made["parameters"]
    asked, told = (
        {name: one for name, one in part["requests"].items() if f"reports/{name}" in documents}
        for part in (inputs, parameters)
    )
    return {
        **made,
        "inputs": {**inputs, "requests": asked},
        "parameters": {**parameters, "requests": told},
    }


def _failed(summary: Summary) -> tuple[str, ...]:
    return tuple(f"{one.name} stopped: {one.message.rstrip('.')}" for one in summary.failures)


def _told(unusable: Unusable) -> str:
    return " ".join(str(fault) for fault in unusable.faults).rstrip(".")


def _rest(subject: Subject, scratch: Places, limits: Limits, tell: Tell) -> Again | None:
    """Make those requests of a release again that can be, one after the other; None without any."""
    folder = scratch.outputs / _MADE
    cannot: dict[str, str] = {}
    made: dict[str, Any] | None = None
    stopped: tuple[str, ...] = ()
    for name in sorted(subject.made["inputs"]["requests"]):
        document = f"reports/{name}"
        one = _one(subject, name, scratch, folder / document, limits, tell)
        stopped += one.stopped
        if one.cannot:
            cannot[document] = one.cannot[""]
        elif one.made is not None:
            made = _joined(made, one.made)
    done = tuple(f"reports/{path.name}" for path in sorted(folder.glob("reports/*")))
    return Again(folder, done, made, stopped, cannot) if done or stopped else None


def _none(subject: Subject, why: str) -> Again:
    return Again(subject.folder, cannot={"": why})


def _joined(made: dict[str, Any] | None, more: Mapping[str, Any]) -> dict[str, Any]:
    """Put what two requests were made from into one."""
    if made is None:
        return dict(more)
    inputs, parameters = made["inputs"], made["parameters"]
    return {
        **made,
        "inputs": {
            **inputs,
            "requests": {**inputs["requests"], **more["inputs"]["requests"]},
        },
        "parameters": {
            **parameters,
            "requests": {**parameters["requests"], **more["parameters"]["requests"]},
        },
    }


def _one(
    subject: Subject, name: str, scratch: Places, folder: Path, limits: Limits, tell: Tell
) -> Again:
    """Run one request, beside what the others of its month with smaller ids told."""
    _lay_beside(subject.release, name, scratch)
    try:
        summary = run_request(name, scratch, limits=limits, repeats=subject.manifest, tell=tell)
        made = _made_from(subject, name, scratch)
    except Unusable as unusable:
        return _none(subject, _told(unusable))
    if summary.failures:
        return Again(folder, stopped=_failed(summary))
    _copy(scratch.work(subject.release) / name, folder)
    return Again(folder, ("",), made)


def _lay_beside(release: str, name: str, scratch: Places) -> None:
    """Put the records of the month's smaller ids where a run of the release has them."""
    kept = scratch.restricted / cohorts.NAME / release
    for file in sorted(kept.glob("*.json")):
        beside = scratch.work(release) / file.stem
        if file.stem < name and "." not in file.stem and not (beside / cohorts.FILE).exists():
            beside.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, beside / cohorts.FILE)


def _made_from(subject: Subject, name: str, scratch: Places) -> dict[str, Any]:
    """Return what one request was made from now, as the manifest of its report tells it."""
    made: dict[str, Any] = {"schema": manifest.SCHEMA, "release": subject.release}
    made |= inputs_of(open_month(subject.release, scratch, only=name))
    told = cohorts.kept(scratch.restricted, subject.manifest)
    made["inputs"][cohorts.TOLD] = cohorts.results(told)
    made["parameters"] = {"requests": made["parameters"]["requests"]}
    return dict(json.loads(manifest.dump(made)))


def _where(message: str, scratch: Places, places: Places) -> str:
    """Name a log where it is kept."""
    kept = places.restricted / "logs" / SCRATCH
    return message.replace(str(scratch.restricted / "logs"), str(kept))


@contextmanager
def _scratch(places: Places, vintage: Path, subject: Subject) -> Iterator[Places]:
    """Lay out an outputs folder that is as the real one was for this release; clear it at the end.

    Logs go to the real restricted folder, all else that is restricted is a copy.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH}-"))
    scratch = Places(vintage, places.requests, folder / "outputs")
    try:
        shutil.copytree(
            places.restricted,
            scratch.restricted,
            ignore=lambda at, names: _left_out(Path(at), names, places.restricted),
        )
        logs = places.restricted / "logs" / SCRATCH
        logs.mkdir(parents=True, exist_ok=True)
        (scratch.restricted / "logs").symlink_to(logs.resolve())
        for name in sorted(subject.made["inputs"]["earlier"]):
            (scratch.outputs / name).symlink_to((places.outputs / name).resolve())
        yield scratch
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _left_out(at: Path, names: Sequence[str], restricted: Path) -> set[str]:
    return {"logs", "scratch", "superseded"} & set(names) if at == restricted else set()
