"""Which files each kind of document has: one that is missing, and one that no release has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdl.published import reading
from jdl.published.folder import MANIFEST, RECORD, REGISTER, RESULT, Document, table
from jdl.published.reading import Unreadable
from jdl.published.told import Notes

CRATE = "ro-crate-metadata.json"
TIMES = "run.json"
"""The one file of a release that is outside every comparison: times and host of a run."""
PROVIDERS = "facts.html"
"""What only a report's provider sees: it stays behind when a release is made public."""
_SIGNATURE = f"{MANIFEST}.sig"
_REPORTED = frozenset({"annex.ods", "data_quality.html"})
_AUDIT = "audit.html"


@dataclass(frozen=True)
class Kind:
    """A kind of document and its files.

    Parameters
    ----------
    needed : frozenset of str
        What it always has.
    later : frozenset of str
        What it has since the second schema of manifests.
    may : frozenset of str
        What it may have.
    pdf : str
        Its PDF, which is missing where none could be made; empty where there never is one.
    """

    needed: frozenset[str]
    later: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    pdf: str = ""

    @property
    def known(self) -> frozenset[str]:
        """Every name that a file of it can have."""
        return self.needed | self.later | self.may | ({self.pdf} if self.pdf else set())


RELEASE = Kind(
    needed=frozenset({"index.html", "quality.html", MANIFEST}),
    later=frozenset({CRATE}),
    may=frozenset({TIMES, _SIGNATURE}),
)
BULLETIN = Kind(
    needed=frozenset(
        {"bulletin.html", "codebook.csv", "history.csv", "log.csv", "results.csv", "tables.ods"}
        | {REGISTER, RECORD}
    ),
    later=frozenset({_AUDIT}),
    pdf="bulletin.pdf",
)
YEARLY = Kind(
    needed=frozenset(
        {"yearly.html", "codebook.csv", "losses.csv", "results.csv", "tables.ods"}
        | {REGISTER, RECORD, MANIFEST}
    ),
    may=frozenset({_SIGNATURE}),
    pdf="yearly.pdf",
)
REPORT = Kind(
    needed=frozenset({"report.html", _AUDIT, REGISTER, RECORD, RESULT}),
    later=frozenset({MANIFEST}),
    may=_REPORTED | {PROVIDERS},
    pdf="report.pdf",
)


def check(folder: Path, documents: Mapping[str, Document], notes: Notes) -> None:
    """Hold the files of a folder to those that its documents have."""
    made = _manifest(folder)
    kinds = _kinds(folder, made)
    if not kinds:
        return
    for name, kind in kinds.items():
        for file in sorted(_needed(name, kind, made, documents.get(name))):
            if not (folder / name / file).is_file():
                rule = "a document has every file of its kind"
                notes.find(_within(name, file), None, rule, "absent", "a file of its own")
    known = {_within(name, file) for name, kind in kinds.items() for file in kind.known}
    for path in sorted(folder.rglob("*")):
        file = path.relative_to(folder).as_posix()
        if file not in known and (path.is_symlink() or not path.is_dir()):
            rule = "a file is of a kind that a release has"
            notes.find(file, None, rule, "no release has one", "absent")


def uncompared(documents: Mapping[str, Document]) -> Iterator[str]:
    """Say which pages, and which words of pages, are held to nothing else."""
    whole, around = [], []
    for name, document in documents.items():
        for page in document.pages:
            if not document.executed:
                whole.append(_within(name, page))
            elif page.replace(".html", ".pdf") not in document.files:
                around.append(_within(name, page))
    if whole:
        yield (
            "no output of a cell is left to compare the words of these pages with, only their "
            f"numbers are compared: {', '.join(sorted(whole))}"
        )
    if around:
        yield (
            "words of these pages that come from no cell stand in no other file, and are compared "
            f"with nothing: {', '.join(sorted(around))}"
        )


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        made = reading.records(reading.content(folder / MANIFEST))
    except Unreadable:
        return {}
    return made if isinstance(made, dict) else {}


def _kinds(folder: Path, made: Mapping[str, Any]) -> dict[str, Kind]:
    """Return each document that belongs into a folder, by its place in it, with its kind."""
    top = _kind(folder, made)
    if top is None:
        return {}
    if top is not RELEASE:
        return {"": top}
    asked = {one for one in table(table(made, "inputs"), "requests") if Path(one).name == one}
    there = {path.name for path in folder.glob("reports/*") if path.is_dir()}
    reports = {f"reports/{one}": REPORT for one in sorted(asked | there)}
    return {"": RELEASE, "bulletin": BULLETIN, **reports}


def _kind(folder: Path, made: Mapping[str, Any]) -> Kind | None:
    """Return the kind of a folder as its manifest tells it, or else its files."""
    told = {"request": REPORT, "year": YEARLY, "release": RELEASE}
    if kind := next((told[key] for key in told if key in made), None):
        return kind
    if any((folder / one).is_dir() for one in ("bulletin", "reports")):
        return RELEASE
    by_page = {"report.html": REPORT, "bulletin.html": BULLETIN, "yearly.html": YEARLY}
    by_file = {**by_page, RESULT: REPORT, "history.csv": BULLETIN, "index.html": RELEASE}
    return next((kind for file, kind in by_file.items() if (folder / file).is_file()), None)


def _needed(
    name: str, kind: Kind, made: Mapping[str, Any], document: Document | None
) -> frozenset[str]:
    """Return the files that a document must have."""
    needed = kind.needed
    if "native" in table(made, "environment") or made.get("schema", 1) != 1:
        needed |= kind.later
    if document is not None and kind is REPORT and document.result.get("status") == "reported":
        needed |= _REPORTED
    if kind.pdf and _has_pdf(kind, made, document):
        needed |= {kind.pdf}
    return needed


def _has_pdf(kind: Kind, made: Mapping[str, Any], document: Document | None) -> bool:
    """Whether the record of the environment, or a page, tells of the PDF."""
    if "pango" in table(table(made, "environment"), "native"):
        return True
    pages = document.pages.values() if document is not None else ()
    return any(link.get("href") == kind.pdf for page in pages for link in page.named("a"))


def _within(folder: str, file: str) -> str:
    return f"{folder}/{file}" if folder else file
