"""Verification: a finished release, or one report of it, is made again and everything compared.

What was found is recorded for the very manifest of the release that was looked at: a release that
is made again must be verified again. A verdict on one report is none on its release.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jdl import compare, manifest, published, signature
from jdl.compare import ONLY_AFTER, TOLERANCE, Differing
from jdl.faults import Unusable
from jdl.release import Places, alone, hashed_as
from jdl.verify.again import Again, made_again
from jdl.verify.found import Verification
from jdl.verify.inputs import (
    WITHOUT_EFFECT,
    Change,
    changed,
    code_changes,
    environment_changes,
    of_effect,
    other_layout,
    other_processor,
    told,
)
from jdl.verify.origin import contradicting, unheld
from jdl.verify.record import (
    CLEAN,
    DIFFERS,
    FILE,
    PUBLISHED_ONLY,
    keep,
    record,
    revoke,
    verdict_on,
    verified_on,
)
from jdl.verify.story import story, write_page
from jdl.verify.subject import Subject, subject_of
from jdl.workers import USUAL, Limits, Tell

__all__ = [
    "CLEAN",
    "DIFFERS",
    "FILE",
    "PUBLISHED_ONLY",
    "WITHOUT_EFFECT",
    "Change",
    "Verification",
    "changed",
    "keep",
    "of_effect",
    "story",
    "told",
    "verdict_on",
    "verified_on",
    "verify",
    "write_page",
]


def verify(
    folder: Path,
    places: Places,
    *,
    jobs: int | None = None,
    limits: Limits = USUAL,
    as_made: bool = False,
    tell: Tell,
    on: dt.date,
) -> Verification:
    """Make a finished release or report again, compare everything, and record the verdict.

    Parameters
    ----------
    folder : Path
        Of the release, or of one report of it, wherever it lies.
    places : Places
        Its ``outputs`` hold the earlier releases and what is restricted.
    jobs, limits, tell
        As for ``release.run_release``.
    as_made : bool
        Whether by the code that it was made by. The verdict is then not recorded: what `publish`
        asks for is that today's code makes it. Nor is that on a copy of a release.
    on : date
        The day, for the record.

    Returns
    -------
    Verification

    Raises
    ------
    Unusable
        If the folder is no finished release or report.
    Refused
        If another command is at work in the outputs folder, or if it is to be made as it was and
        that code or its packages are not at hand. An earlier verdict no longer stands
        once a verification has begun.
    """
    subject = subject_of(folder)
    finished = (places.outputs / subject.release).resolve()
    recorded = subject.folder == finished and subject.request is None and not as_made
    making = partial(
        made_again, subject, places, jobs=jobs, limits=limits, as_made=as_made, tell=tell
    )
    if not places.restricted.is_dir():
        with making() as again:
            return _compared(subject, again, places)
    with alone(places):
        if recorded:
            revoke(places.restricted, subject.identity)
        with making() as again:
            found = _compared(subject, again, places)
        if recorded:
            record(places.restricted, subject.identity, subject.release, found.verdict, on)
    return found


def _compared(subject: Subject, again: Again, places: Places) -> Verification:
    """Hold a folder against what was made again of it."""
    torn = {**contradicting(subject), **subject.torn()}
    environment = environment_changes(subject.made["environment"], manifest.environment())
    found = Verification(
        subject,
        torn,
        again.documents,
        environment=environment,
        code=code_changes(subject.made["code"], (again.made or {"code": manifest.code()})["code"]),
        stopped=again.stopped,
        cannot=again.cannot,
        tolerance=TOLERANCE if other_processor(environment) else 0.0,
        published=published.check(subject.folder),
        signed=_signed(subject, places),
        unheld=unheld(subject, places),
    )
    if again.made is None:
        return found
    return _with_results(found, again, hashed_as(subject.made, again.made, places))


def _signed(subject: Subject, places: Places) -> signature.Signed | None:
    """Return what is known of the signature; None of a report away from its release."""
    if subject.sealed is None:
        return None
    return signature.check(subject.sealed, places.requests / signature.SIGNERS)


def _with_results(found: Verification, again: Again, made: Mapping[str, Any]) -> Verification:
    subject, pair = found.subject, (found.subject.folder, again.folder)
    tolerance = 0.0 if all(compare.identical(*pair, ".ipynb")) else found.tolerance
    layout = other_layout(found.environment) and not any(compare.identical(*pair, ".pdf"))
    files = tuple(
        one
        for one in compare.files(
            subject.folder, again.folder, tolerance=tolerance, other_layout=layout
        )
        if _is_due(one, subject, again)
    )
    figures = tuple(
        one
        for one in compare.figures(
            _registers(subject.folder), _registers(again.folder), tolerance=tolerance
        )
        if one.document in again.documents
    )
    cells = {
        document: cell
        for document in again.documents
        if (cell := _first_cell(subject.folder / document, again.folder / document, tolerance))
    }
    return replace(
        found,
        tolerance=tolerance,
        files=files,
        figures=figures,
        printed=_printed(files, subject),
        cells=cells,
        changed=changed(_as_far_as(again, subject.made), made),
    )


def _as_far_as(again: Again, before: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a manifest with the requests only that were made again, where not all were."""
    made = again.made
    if made is None or "bulletin" in again.documents:
        return before
    inputs, parameters = before["inputs"], before["parameters"]
    names = made["inputs"]["requests"]
    kept = {name: told for name, told in inputs["requests"].items() if name in names}
    asked = {name: told for name, told in parameters.get("requests", {}).items() if name in names}
    others = {key: told for key, told in parameters.items() if key in made["parameters"]}
    return {
        **before,
        "inputs": {**inputs, "requests": kept},
        "parameters": {**others, "requests": asked},
    }


def _is_due(one: Differing, subject: Subject, again: Again) -> bool:
    """Whether a file that differs is one that was made again, and is not held back when public."""
    document = _document_of(one.path, subject)
    whole = "" in again.documents and document not in again.cannot
    held_back = Path(one.path).name in manifest.HELD_BACK and one.path not in subject.listed
    absent = held_back and one.verdict == ONLY_AFTER
    return (whole or document in again.documents) and not absent


def _document_of(path: str, subject: Subject) -> str:
    """Return the folder of the report or bulletin that a file belongs to."""
    first, *others = path.split("/")
    if subject.request is not None or not others:
        return ""
    return f"{first}/{others[0]}" if first == "reports" else first


def _registers(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the registers; that one is broken is told of its file."""
    try:
        return compare.registers(folder)
    except Unusable:
        return {}


def _first_cell(before: Path, after: Path, tolerance: float) -> str | None:
    name = "notebook.ipynb"
    return compare.first_cell(before / name, after / name, tolerance=tolerance)


def _printed(
    files: Sequence[Differing], subject: Subject
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the pages that print a figure otherwise, by document and figure."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in (file for file in files if file.path.endswith(".html")):
        for place in one.places:
            if place.where.startswith("figure "):
                key = _document_of(one.path, subject), place.where.removeprefix("figure ")
                found[key] = tuple(dict.fromkeys((*found.get(key, ()), one.path)))
    return found
