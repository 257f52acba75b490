"""Published files held against each other, and against what their own aggregates determine.

A second, independent pair of eyes: it needs no person-level data and shares no code with the
modules that make a release. Where it finds nothing, no published number contradicts another, and
everything that follows from published aggregates follows as it is told; whether the aggregates
themselves are those of the people can only be seen by making them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jdl.published import (
    bulletin,
    contents,
    drawing,
    kinds,
    places,
    register,
    results,
    sealed,
    wording,
    yearly,
)
from jdl.published.folder import MANIFEST, RECORD, REGISTER, RESULT, Document, open_document
from jdl.published.told import Beyond, Checked, Find, Notes

__all__ = ["Beyond", "Checked", "Find", "check", "is_published"]

_DEEPEST = 3
_OF_A_DOCUMENT = (REGISTER, RECORD, RESULT)
_T = TypeVar("_T")
_BROKEN = "the file has the shape that the rest of the release has"


def is_published(folder: Path) -> bool:
    """Whether a folder holds a release, or one document of one."""
    return folder.is_dir() and bool((folder / MANIFEST).exists() or _documents(folder))


def check(folder: Path) -> Checked:
    """Check a release, or one report of one, from its published files alone.

    Parameters
    ----------
    folder : Path
        Of a release, of one report, or a copy of either; what `jdl publish` makes public is enough.

    Returns
    -------
    Checked
    """
    opened: dict[str, tuple[Document, Notes]] = {}
    for path in _documents(folder):
        name = "" if path == folder else path.relative_to(folder).as_posix()
        notes = Notes(name)
        opened[name] = (open_document(name, path, notes), notes)
    for document, notes in opened.values():
        for part in (places, results, register, wording, drawing, yearly):
            _try(part.check, document, notes)
    _bulletins(opened)
    _top(folder, opened)
    every = [notes for _, notes in opened.values()]
    documents = {name: document for name, (document, _) in opened.items()}
    whole = Notes("")
    contents.check(folder, documents, whole)
    every.append(whole)
    for name in dict.fromkeys(("", *documents)):
        if name == "" or (folder / name / MANIFEST).exists():
            notes = Notes(name)
            _try(partial(sealed.check, folder / name), documents, notes)
            every.append(notes)
    finds = {find: None for notes in every for find in notes.finds}
    derived, held, beyond = kinds.count(opened.values())
    said = dict.fromkeys(one for notes in every for one in notes.said)
    told = (*said, *contents.uncompared(documents))
    return Checked(tuple(finds), derived, held, beyond, told)


def _bulletins(opened: Mapping[str, tuple[Document, Notes]]) -> None:
    """Hold each bulletin to the reports that lie beside it."""
    for name, (document, notes) in opened.items():
        if bulletin.HISTORY not in document.tables:
            continue
        beside = name.rpartition("/")[0]
        start = f"{beside}/reports/" if beside else "reports/"
        reports = {
            other.removeprefix(start): report
            for other, (report, _) in opened.items()
            if other.startswith(start)
        }
        _try(partial(bulletin.check, reports=reports), document, notes)


def _top(folder: Path, opened: dict[str, tuple[Document, Notes]]) -> None:
    """Hold the pages at the top of a release to its bulletin, whose cells published them."""
    source = opened.get("bulletin")
    if source is None or "" in opened:
        return
    notes = Notes("")
    top = open_document("", folder, notes)
    of_bulletin = source[0]
    top.steps, top.parts = of_bulletin.steps, of_bulletin.parts
    reports = {name: document for name, (document, _) in opened.items() if "reports/" in name}
    top.figures, top.register = of_bulletin.figures, of_bulletin.register
    _try(places.check_pages, top, notes)
    _try(partial(wording.check_index, reports=reports), top, notes)
    _try(partial(wording.check_bulletin, history=of_bulletin.tables), top, notes)
    _try(partial(wording.check_bulletin, history=of_bulletin.tables), of_bulletin, source[1])
    top.figures, top.register = {}, []
    opened[""] = (top, notes)


def _documents(folder: Path) -> list[Path]:
    """Return the folders that hold a document, this one first, none through a link."""
    found, waiting = [], [(folder, 0)]
    while waiting:
        path, depth = waiting.pop(0)
        if any((path / name).is_file() for name in _OF_A_DOCUMENT):
            found.append(path)
        if depth < _DEEPEST:
            inner = (one for one in sorted(path.iterdir()) if one.is_dir() and not one.is_symlink())
            waiting += [(one, depth + 1) for one in inner if not one.name.startswith(".")]
    return found


def _try(part: Callable[[_T, Notes], Any], given: _T, notes: Notes) -> None:
    """Check one part; data of another shape than a release has are a find, never a traceback."""
    try:
        part(given, notes)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        told = f"{type(error).__name__}: {error}"
        notes.find("", None, _BROKEN, told, "a document that can be read throughout")
