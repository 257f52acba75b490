"""A closed-world scan: whether anything that is to be published tells who somebody is.

Everybody is known: the people of all uploads, and of the whole register, from whom a comparison
group is drawn. Each of their names, dates of birth and identifiers is looked for in every file, in
every way it is commonly written. What is found is told by file, kind and count; the values are for
the owner alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from jdl.manifest import MANIFEST
from jdl.national import Vintage
from jdl.scan.reading import Unreadable, files_of, texts_of
from jdl.scan.register import BORN, DAY, IDENTITY, KINDS, NAME, Cohort, Hits, cohort, halves, hits
from jdl.scan.vocabulary import known
from jdl.scan.words import STOP, Holds, read

__all__ = ["KINDS", "UNREADABLE", "Find", "Scan", "made_from", "scan"]

UNREADABLE = "content that cannot be read"


@dataclass(frozen=True)
class Find:
    """One kind of thing that one file tells of people.

    Parameters
    ----------
    file : str
        Its path in the folder.
    kind : str
        One of `KINDS`, or `UNREADABLE`.
    count : int
        How many different ones.
    values : tuple of str
        Which; never to be shown.
    firm : frozenset of str
        Those of them that are a full identity or an identifier of a person of an upload.
    """

    file: str
    kind: str
    count: int
    values: tuple[str, ...] = field(default=(), repr=False)
    firm: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Scan:
    """What a scan has come to.

    Parameters
    ----------
    finds : tuple of Find
        By file, then kind; empty when the folder may be published.
    notes : tuple of str
        What was not looked for, and why.
    """

    finds: tuple[Find, ...]
    notes: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """Each find in words that name nobody."""
        return tuple(f"{one.file}: {one.kind} ({one.count})" for one in self.finds)


def made_from(path: Path) -> str | None:
    """Return the name of the vintage that a finished folder was made from, where it says so."""
    try:
        made = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return str(made["vintage"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def scan(path: Path, vintage: Vintage, requests: Path) -> Scan:
    """Look for people in everything that is to be published.

    Parameters
    ----------
    path : Path
        A folder, or one file.
    vintage : Vintage
        Its whole register is looked for.
    requests : Path
        The folder of requests; the people of all uploads are looked for.

    Returns
    -------
    Scan
    """
    everybody = cohort(requests)
    seen, unreadable = contents(path)
    whole = read_all([part for parts in seen.values() for part in parts])
    found = hits(whole, known(vintage, requests, everybody.people), vintage, everybody.people)
    finds = [Find(file, UNREADABLE, 1) for file in unreadable]
    for file, parts in seen.items() if any(found.found.values()) else ():
        held = read_all(parts)
        finds += [
            Find(
                file,
                kind,
                len(values),
                tuple(sorted(map(str, values))),
                frozenset(map(str, values & found.firm[kind])),
            )
            for kind in KINDS
            if (values := found.found[kind] & _sought(held, kind))
        ]
    return Scan(tuple(sorted(finds, key=lambda one: one.file)), tuple(_notes(everybody, found)))


def contents(path: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Return the texts of each file in parts, its name the first, and the files without any.

    Those are files that cannot be read, in whole or in part.
    """
    seen: dict[str, list[str]] = {}
    unreadable = []
    for name, content in files_of(path):
        seen[name] = [name]
        try:
            for text in texts_of(name, content):
                seen[name] += text.split(STOP)
        except Unreadable:
            unreadable.append(name)
    return seen, unreadable


def read_all(parts: Sequence[str]) -> Holds:
    """Read parts of texts, each once only beside the same part before it."""
    once: list[str] = []
    for before, part in dict.fromkeys(pairwise(["", *parts])):
        once += [part] if once[-1:] == [before] else [before, part]
    return read(f" {STOP} ".join(once))


def _sought(held: Holds, kind: str) -> set[object]:
    """Return what of a file a find of this kind is one of."""
    if kind == IDENTITY:
        return {*held.pairs, *halves(held.words)}
    by_kind: dict[str, set[object]] = {BORN: {*held.near}, DAY: {*held.days}, NAME: {*held.words}}
    return by_kind.get(kind, {*held.codes, *held.pnc})


def _notes(everybody: Cohort, found: Hits) -> Iterator[str]:
    if everybody.unread:
        yield (
            "Not looked for: the people of uploads that cannot be read, "
            f"those of {', '.join(everybody.unread)}."
        )
    if found.unsought:
        yield (
            f"Not looked for on their own: {found.unsought} identifiers too short to tell from "
            "any number or word."
        )
