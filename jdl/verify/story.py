"""What a verification has found, in words: a short story for a terminal, and a whole page.

Neither tells what is withheld. Where a figure is withheld in the folder or comes out withheld,
both stand as [c]; and where the people are not those of the release, no recomputed number is told,
since the difference could tell of the few between.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jdl import render
from jdl.compare import SAME, WITHIN, Differing, Held, Place
from jdl.faults import shown
from jdl.figures import SUPPRESSED
from jdl.published import Checked
from jdl.safekeeping import write
from jdl.verify.found import Verification
from jdl.verify.inputs import WITHOUT_EFFECT, Change, of_people

NOT_TOLD = "not shown"
_SHOWN = 5
_LONGEST = 80


def story(found: Verification) -> tuple[str, ...]:
    """Return what a verification has found, long lists cut short; the verdict is not in it.

    Parameters
    ----------
    found : Verification
    """
    return tuple(
        line
        for part in (
            _what,
            _listing,
            _inputs,
            _surroundings,
            _untold,
            _figures,
            _files,
            _cells,
            _published,
        )
        for line in part(found)
    )


def _what(found: Verification) -> Iterator[str]:
    subject = found.subject
    made, code = subject.made, subject.made["code"]
    commit = str(code.get("commit") or "")[:12]
    by = f" by jdl {shown(str(code.get('version')))}" + (f" at commit {commit}" if commit else "")
    yield f"{subject.folder}: {subject.name}, made from {shown(made['vintage']['name'])}{by}."
    if found.documents:
        names = [shown(name or subject.request or "the release page") for name in found.documents]
        yield f"Made again: {', '.join(names)}."
    if found.stopped:
        yield from (f"Stopped: {one}." for one in found.stopped)


def _untold(found: Verification) -> Iterator[str]:
    for document, why in found.cannot.items():
        about = f"{shown(document)} cannot" if document else "Nothing can"
        yield f"{about} be made again: {why}. Only what is published can be checked."


def _listing(found: Verification) -> Iterator[str]:
    many, torn = len(found.subject.listed), found.torn
    if not torn:
        yield f"Files as the manifest lists them: all {many}."
    yield from _cut([f"Not as listed: {shown(name)}: {how}." for name, how in torn.items()])


def _inputs(found: Verification) -> Iterator[str]:
    told = [one for one in found.changed if one not in WITHOUT_EFFECT]
    yield from _cut([f"Input changed since: {shown(one)}." for one in told])
    if people := of_people(found.changed):
        plural = "are" if len(people) > 1 else "is"
        yield (
            f"Since {shown(people[0])} {plural} not what it was, recomputed numbers are not shown: "
            "they may be of other people, and a difference could tell of a few."
        )


def _surroundings(found: Verification) -> Iterator[str]:
    if found.code is None:
        yield "The code is not what it was; this manifest does not tell which files of it."
    environment = _changes(found.environment)
    yield from _cut([f"Code changed since: {shown(one.what)}." for one in found.code or ()])
    yield from _cut(
        [f"Environment: {what} was {then}, is {now}." for what, then, now in environment]
    )
    if found.tolerance:
        yield (
            "Another processor made it: whole numbers must be the same, others agree to "
            f"{found.tolerance:g} of the greater of 1 and their size."
        )


def _figures(found: Verification) -> Iterator[str]:
    if found.figures:
        many = Counter(one["verdict"] for one in figures(found))
        yield "Figures: " + ", ".join(f"{n:,} {told}" for told, n in sorted(many.items())) + "."
    apart = [one for one in figures(found) if one["verdict"] not in (SAME, WITHIN)]
    yield from _cut([_figure_line(one) for one in apart])


def _figure_line(one: Mapping[str, Any]) -> str:
    pages = f" on {', '.join(one['pages'])}" if one["pages"] else ""
    values = f"published {one['published']}, recomputed {one['recomputed']}"
    difference = f", difference {one['difference']}" if one["difference"] else ""
    return f"  {one['name']}{pages}: {one['verdict']} ({values}{difference})"


def _files(found: Verification) -> Iterator[str]:
    for one in found.files[:_SHOWN]:
        yield f"  {shown(one.path)}: {one.verdict}, {one.how}"
        for where, before, after in places(found, one.places)[:2]:
            yield f"    {where}: published {before}, made again {after}"
    if len(found.files) > _SHOWN:
        yield f"  and {len(found.files) - _SHOWN} more files"


def _cells(found: Verification) -> Iterator[str]:
    for document, cell in found.cells.items():
        about = document or found.subject.request or ""
        yield f"First cell that differs in {about}: {shown(cell)}."


def _published(found: Verification) -> Iterator[str]:
    if found.published is not None:
        yield found.published.line
        yield from _cut([f"  {shown(str(one), 2 * _LONGEST)}" for one in found.published.finds])
    if found.signed is not None:
        yield f"Signature: {shown(found.signed.line)}."


def _cut(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"  and {more} more"] if more > 0 else [])]


def figures(found: Verification) -> list[dict[str, Any]]:
    """Return every figure in words, those that differ first, with nothing that is withheld.

    Parameters
    ----------
    found : Verification

    Returns
    -------
    list of dict
        ``name``, ``document``, ``published``, ``recomputed``, ``difference``, ``verdict`` and
        ``pages``, those that print another text.
    """
    rows = [_row(found, one) for one in found.figures]
    return sorted(rows, key=lambda row: row["verdict"] in (SAME, WITHIN))


def _row(found: Verification, one: Held) -> dict[str, Any]:
    pages = found.printed.get((one.document, one.figure), ())
    published, recomputed = (_entry(entry) for entry in (one.before, one.after))
    difference = "" if one.difference is None else f"{one.difference:.6g}"
    if SUPPRESSED in (published, recomputed):
        published = recomputed = SUPPRESSED
        difference = ""
    elif found.withholds and one.verdict != SAME:
        recomputed, difference = NOT_TOLD, ""
    verdict = "printed otherwise" if pages and one.verdict in (SAME, WITHIN) else one.verdict
    return {
        "name": shown(f"{one.document} {one.figure}".strip(), _LONGEST),
        "document": one.document,
        "figure": shown(one.figure, _LONGEST),
        "published": published,
        "recomputed": recomputed,
        "difference": difference if verdict != SAME else "",
        "verdict": verdict,
        "pages": tuple(shown(Path(page).name) for page in pages),
    }


def _entry(entry: Mapping[str, Any] | None) -> str:
    """Return the exact value of a figure, as it is told."""
    if entry is None:
        return "absent"
    if entry.get("suppressed") or entry.get("value") is None or _holds(entry.get("text")):
        return SUPPRESSED
    return shown(str(entry["value"]), _LONGEST)


def _holds(text: Any) -> bool:
    return str(SUPPRESSED) in str(text)


def places(found: Verification, told: Iterable[Place]) -> list[tuple[str, str, str]]:
    """Return where files differ in words, before and after, with nothing that is withheld."""
    return [_quoted(found, place) for place in told]


def _quoted(found: Verification, place: Place) -> tuple[str, str, str]:
    where = shown(place.where, _LONGEST)
    if _holds(place.before) or _holds(place.after):
        return where, SUPPRESSED, SUPPRESSED
    before, after = (
        "nothing" if text is None else repr(shown(text, _LONGEST))
        for text in (place.before, place.after)
    )
    return where, before, NOT_TOLD if found.withholds else after


def write_page(found: Verification, file: Path, on: dt.date) -> None:
    """Write all that was found to a page, whole or not at all, for its owner only.

    Parameters
    ----------
    found : Verification
    file : Path
    on : date
        The day of the verification, which the page tells.
    """
    write(file, render.verification(_facts(found, on)).encode())
    file.chmod(0o600)


def _facts(found: Verification, on: dt.date) -> dict[str, Any]:
    rows = figures(found)
    files = [_file(found, one) for one in found.files]
    return {
        "found": found,
        "subject": found.subject,
        "on": on,
        "what": tuple(_about(found)),
        "apart": [row for row in rows if row["verdict"] not in (SAME, WITHIN)],
        "sections": _sections(row for row in rows if row["verdict"] in (SAME, WITHIN)),
        "files": files,
        "overview": [(one["path"], one["verdict"], one["how"]) for one in files],
        "cells": [(name or found.subject.request, shown(one)) for name, one in found.cells.items()],
        "torn": {shown(name): how for name, how in found.torn.items()},
        "people": of_people(found.changed),
        "changes": _changes,
        "finds": _finds(found.published),
        "told_only": WITHOUT_EFFECT,
    }


def _about(found: Verification) -> Iterator[tuple[str, str]]:
    subject = found.subject
    made, code = subject.made, subject.made["code"]
    yield "Folder", str(subject.folder)
    yield "Release", subject.release
    if subject.request is not None:
        yield "Report", subject.request
    yield "Manifest (SHA-256)", subject.identity
    yield "National data", shown(made["vintage"]["name"])
    yield "Made by", f"jdl {shown(str(code.get('version')))}"
    yield "At commit", shown(str(code.get("commit") or "not known"))
    yield "Seed", shown(str(made["seed"]))
    names = [name or subject.request or "the release page" for name in found.documents]
    yield "Made again", ", ".join(names) or "nothing"


def _file(found: Verification, one: Differing) -> dict[str, Any]:
    quoted = places(found, one.places)
    return {"path": shown(one.path), "verdict": one.verdict, "how": one.how, "places": quoted}


def _finds(checked: Checked | None) -> list[tuple[str, str, str, str]]:
    return [
        (shown(f"{one.file} {one.figure or ''}".strip()), one.rule, one.told, one.derived)
        for one in (checked.finds if checked else ())
    ]


def _changes(told: Iterable[Change]) -> list[tuple[str, str, str]]:
    return [(shown(one.what), shown(one.then), shown(one.now)) for one in told]


def _sections(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return figures by document and by the first part of their names."""
    sections: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for row in rows:
        section = str(row["figure"]).split(".")[0]
        sections.setdefault(row["document"], {}).setdefault(section, []).append(row)
    return sections
