"""Two folders of results held against each other: figure by figure, file by file, cell by cell.

A folder is a release or the folder of one report. Nothing outside a folder is read, whatever links
it holds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jdl.compare.numbers import DIFFERS, SAME, TOLERANCE, WITHIN, agree, near
from jdl.compare.pieces import LIMIT, Broken, Place, alike, apart, read
from jdl.faults import Fault, Unusable
from jdl.manifest import NOT_COMPARED, is_record

__all__ = [
    "DIFFERS",
    "LIMIT",
    "ONLY_AFTER",
    "ONLY_BEFORE",
    "SAME",
    "TOLERANCE",
    "WITHIN",
    "Broken",
    "Differing",
    "Held",
    "Place",
    "figures",
    "files",
    "first_cell",
    "hashes",
    "identical",
    "read",
    "registers",
]
ONLY_BEFORE, ONLY_AFTER = "only before", "only after"
REGISTER = "figures.json"
LINK = "a link or no plain file"
"""Stands in place of a hash for what is not read, because it could lead out of the folder."""


@dataclass(frozen=True)
class Held:
    """One figure, before and after.

    Parameters
    ----------
    document : str
        The folder of its register, such as ``reports/green-shoots``; empty for one report's own.
    figure : str
        Its id.
    before, after : dict, optional
        Its entries in the registers; None where there is none.
    difference : float, optional
        After less before, in the unit of the value; None where either is no number, or it is too
        great to be one.
    verdict : str
        ``same``, ``within tolerance``, ``differs``, ``only before`` or ``only after``.
    """

    document: str
    figure: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    difference: float | None
    verdict: str


@dataclass(frozen=True)
class Differing:
    """One file that is not the same, before and after.

    Parameters
    ----------
    path : str
        In the folder.
    verdict : str
        As for `Held`.
    how : str
        In words, such as ``3 places differ``.
    places : tuple of Place
        What differs in it: the figure, cell, row or page, as it stands before and after.
    """

    path: str
    verdict: str
    how: str
    places: tuple[Place, ...] = ()


def registers(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read every register of figures in a folder.

    Parameters
    ----------
    folder : Path
        Of a release or of one report.

    Returns
    -------
    dict of str to list of dict
        The entries of each ``figures.json`` by the folder that it is in: ``reports/<id>``,
        ``bulletin``, or the empty string for the folder itself.

    Raises
    ------
    Unusable
        With every register that cannot be read.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    faults = []
    for name, path in _plain(folder):
        if path is None or Path(name).name != REGISTER:
            continue
        try:
            found[name.removesuffix(REGISTER).rstrip("/")] = _entries(path)
        except Broken:
            rule = "a register must be a list of figures, each with an id"
            faults.append(Fault(name, rule, "Restore the file, or make the release again"))
    if faults:
        raise Unusable(faults)
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(read(path))
    except (ValueError, RecursionError):
        raise Broken from None
    if isinstance(content, list) and all(
        isinstance(entry, dict) and isinstance(entry.get("id"), str) for entry in content
    ):
        return content
    raise Broken


def figures(
    before: Mapping[str, Sequence[Mapping[str, Any]]],
    after: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    tolerance: float = 0.0,
) -> tuple[Held, ...]:
    """Hold every figure of two registers against each other.

    Parameters
    ----------
    before, after : dict of str to list of dict
        As `registers` returns them.
    tolerance : float
        How far values that are not whole may lie apart, as `numbers.agree` has it.

    Returns
    -------
    tuple of Held
        Document by document, in the order of the registers; a figure that is twice in a register
        is there twice.
    """
    return tuple(
        _held(document, name, ours.get((name, place)), theirs.get((name, place)), tolerance)
        for document in sorted({*before, *after})
        for ours, theirs in [(_named(before.get(document)), _named(after.get(document)))]
        for name, place in dict.fromkeys((*ours, *theirs))
    )


def _named(
    entries: Sequence[Mapping[str, Any]] | None,
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Return entries by their id and how often it came before."""
    named: dict[tuple[str, int], Mapping[str, Any]] = {}
    seen: dict[str, int] = {}
    for entry in entries or ():
        name = entry["id"]
        named[name, seen.get(name, 0)] = entry
        seen[name] = seen.get(name, 0) + 1
    return named


def _held(
    document: str,
    figure: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    tolerance: float,
) -> Held:
    if before is None or after is None:
        verdict = ONLY_AFTER if before is None else ONLY_BEFORE
        return Held(document, figure, before, after, None, verdict)
    old, new = before.get("value"), after.get("value")
    verdict = _entry_verdict(before, after, tolerance)
    return Held(document, figure, before, after, _difference(old, new), verdict)


def _entry_verdict(before: Mapping[str, Any], after: Mapping[str, Any], tolerance: float) -> str:
    if before == after:
        return SAME
    old, new = ({**entry, "value": None} for entry in (before, after))
    values = _values_agree(before.get("value"), after.get("value"), tolerance)
    return WITHIN if old == new and values else DIFFERS


def _values_agree(before: Any, after: Any, tolerance: float) -> bool:
    if isinstance(before, float) and isinstance(after, float):
        return near(before, after, tolerance)
    return type(before) is type(after) and before == after


def _difference(before: Any, after: Any) -> float | None:
    if not all(isinstance(value, int | float) for value in (before, after)):
        return None
    try:
        return float(after - before)
    except OverflowError:
        return None


def first_cell(before: Path, after: Path, *, tolerance: float = 0.0) -> str | None:
    """Name the first cell of a notebook of which source or output is not the same.

    Parameters
    ----------
    before, after : Path
        Executed notebooks; one that is not there or cannot be read has no cells.
    tolerance : float
        For numbers in outputs.

    Returns
    -------
    str or None
        The cell's id; None where every cell is the same.
    """
    ours, theirs = _cells(before), _cells(after)
    for (name, *old), (other, *new) in zip(ours, theirs, strict=False):
        if name != other:
            return name if name not in {one[0] for one in theirs} else other
        if old[0] != new[0] or agree(old[1], new[1], tolerance) == DIFFERS:
            return name
    left = [*ours[len(theirs) :], *theirs[len(ours) :]]
    return left[0][0] if left else None


def _cells(notebook: Path) -> list[tuple[str, str, str]]:
    """Return id, source and outputs of each cell."""
    try:
        cells = json.loads(read(notebook))["cells"]
        return [
            (str(cell.get("id", number)), _dumped(cell, "source"), _dumped(cell, "outputs"))
            for number, cell in enumerate(cells, 1)
        ]
    except (Broken, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return []


def _dumped(cell: Mapping[str, Any], key: str) -> str:
    return json.dumps([cell.get("cell_type"), cell.get(key)], ensure_ascii=False)


def files(
    before: Path, after: Path, *, tolerance: float = 0.0, other_layout: bool = False
) -> tuple[Differing, ...]:
    """Hold every file of two folders against each other, and say what differs in it.

    Parameters
    ----------
    before, after : Path
        Of two releases, or of two reports.
    tolerance : float
        Without one, files are the same byte by byte. With one they are compared by content: a page
        or data file by its text, a spreadsheet by what is in it, a PDF by its pages' text and its
        structure, and numbers that are not whole may lie this far apart.
    other_layout : bool
        Whether a PDF is compared by its text and structure even so, because another version of
        what lays out its text made it.

    Returns
    -------
    tuple of Differing
        In order of their paths.
    """
    old, new = dict(_plain(before)), dict(_plain(after))
    found = (
        _differing(name, old[name], new[name], tolerance, other_layout)
        if name in old and name in new
        else Differing(name, verdict := ONLY_BEFORE if name in old else ONLY_AFTER, verdict)
        for name in sorted({*old, *new})
        if not is_record(name)
    )
    return tuple(one for one in found if one is not None)


def _differing(
    name: str, old: Path | None, new: Path | None, tolerance: float, other_layout: bool
) -> Differing | None:
    if old is None or new is None:
        return Differing(name, DIFFERS, LINK)
    try:
        ours, theirs = read(old), read(new)
        if ours == theirs:
            return None
        by_content = tolerance or (other_layout and name.endswith(".pdf"))
        verdict = alike(name, ours, theirs, tolerance) if by_content else DIFFERS
        if verdict != DIFFERS:
            return Differing(name, verdict, "other bytes, the same content")
        places = apart(name, ours, theirs)
    except Broken as broken:
        return Differing(name, DIFFERS, str(broken))
    return Differing(name, DIFFERS, _how(places), places)


def _how(places: Sequence[Place]) -> str:
    if not places:
        return "other bytes, though what it says is the same"
    return "1 place differs" if len(places) == 1 else f"{len(places)} places differ"


def identical(before: Path, after: Path, suffix: str) -> list[bool]:
    """Say of each file of a kind that both folders hold whether it is the same byte by byte.

    Parameters
    ----------
    before, after : Path
    suffix : str
        Of the kind, such as ``.pdf``.
    """
    old, new = (
        {name: _digest(path) for name, path in _plain(folder) if path and name.endswith(suffix)}
        for folder in (before, after)
    )
    return [old[name] == new[name] for name in sorted(old.keys() & new.keys())]


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder by its path, `LINK` for what is no plain file.

    Parameters
    ----------
    folder : Path
        Of a release or of one report; not the files that are never compared.
    """
    return {name: LINK if path is None else _digest(path) for name, path in _plain(folder)}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(folder: Path) -> Iterator[tuple[str, Path | None]]:
    """Yield every file that is compared by its path in a folder; None for what is no plain file."""
    for at, below, names in os.walk(folder):
        links = [name for name in below if (Path(at) / name).is_symlink()]
        for name in (*names, *links):
            path = Path(at) / name
            told = path.relative_to(folder).as_posix()
            plain = path.is_file() and not path.is_symlink()
            if told not in NOT_COMPARED or not plain:
                yield told, path if plain else None
