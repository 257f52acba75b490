"""Who is known from other requests: found once for each upload, and kept in keyed hashes.

A record holds whom the certain passes find of one upload, and nothing else. It counts for that
upload, that register, those passes and this code; for any other it is made anew. A release keeps
records before its notebooks start. A notebook that finds none, such as one run by hand, finds the
people itself and keeps nothing. The same marks tell which requests share people before any has run.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jdl import cells, cohorts, forms, linkage, request, safekeeping, upload
from jdl.national import Workplace
from jdl.prepare import Prepared
from jdl.pseudonyms import Marked, mark
from jdl.request import Request

NAME = "elsewhere"
SCHEMA = "jdl-elsewhere-1"
Passes = Sequence[str]
Marks = frozenset[str]
_GATE = ".gate"
_READ_BY = (cells, forms, upload, request)


@dataclass(frozen=True)
class _Records:
    """The records that count for one register, some passes and one key."""

    folder: Path
    key: bytes = field(repr=False)
    ready: Prepared
    passes: Passes

    def file(self, one: Request) -> Path:
        """Name the record of an upload by the hash of all that it was made from."""
        sent = [
            *(file for file in one.folder.glob("upload.*") if file.is_file()),
            one.folder / "request.toml",
        ]
        made_from = [
            SCHEMA,
            [_digest(Path(str(module.__file__))) for module in _READ_BY],
            self.ready.record.get("definitions"),
            self.ready.hash,
            list(self.passes),
            [[file.name, _digest(file)] for file in sorted(sent)],
        ]
        return self.folder / f"{cohorts.seal_of(self.key, made_from)}.json"

    def read(self, one: Request) -> Marks | None:
        """Return whom a record holds; None where there is none that is whole."""
        try:
            file = self.file(one)
            content = json.loads(file.read_bytes())
            whole = hmac.compare_digest(content["seal"], self._seal(file, content["people"]))
            return frozenset(content["people"]) if whole else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, one: Request, people: Marks) -> None:
        """Keep a record."""
        held, file = sorted(people), self.file(one)
        content = {"people": held, "seal": self._seal(file, held)}
        safekeeping.write(file, json.dumps(content).encode())

    def _seal(self, file: Path, people: Any) -> str:
        """Return what ties people to the one record that may hold them."""
        return cohorts.seal_of(self.key, [file.name, people])

    def find(self, requests: Sequence[Request], *, keep: bool) -> dict[str, Marks]:
        """Recognise the people of uploads, by id of the request."""
        sent = [request.took_part(one, keep=keep) for one in requests]
        found = linkage.recognised(sent, self.ready.register, tuple(self.passes))
        return {
            one.id: frozenset(mark(self.key.hex(), person) for person in people)
            for one, people in zip(requests, found, strict=True)
        }


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def known(place: Workplace, asked: Request, ready: Prepared, passes: Passes) -> Marked:
    """Return whom the certain passes find of the requests received on earlier days.

    Parameters
    ----------
    place : Workplace
    asked : Request
        The request in hand; those pooled with it do not count.
    ready : Prepared
    passes : sequence of str
        As for ``linkage.deterministic``.

    Returns
    -------
    Marked
        The same people with records and without; their marks are by a key drawn for the moment
        where none is at hand.
    """
    key = cohorts.key_of(place.restricted) or secrets.token_bytes(32)
    records = _Records(place.restricted / NAME, key, ready, passes)
    others = request.others(asked, place.requests)
    kept = {one.id: people for one in others if (people := records.read(one)) is not None}
    found = records.find([one for one in others if one.id not in kept], keep=False)
    return Marked(key.hex(), frozenset().union(*kept.values(), *found.values()))


def keep(
    restricted: Path, requests: Sequence[Request], ready: Prepared, ways: Sequence[Passes]
) -> dict[str, Marks]:
    """Keep a record of each upload, and none of any other.

    Parameters
    ----------
    restricted : Path
        With the key of the hashes (see ``cohorts.make_key``).
    requests : sequence of Request
        Whose people may be looked for (see ``request.usable``).
    ready : Prepared
    ways : sequence of sequence of str
        The passes of the notebooks that are about to run.

    Returns
    -------
    dict of str to frozenset of str
        Whom the passes find of each upload, by id of the request.
    """
    key, folder = cohorts.key_of(restricted), restricted / NAME
    if key is None:
        return {}
    folder.mkdir(mode=0o700, exist_ok=True)
    marks: dict[str, Marks] = {}
    with safekeeping.alone(folder / _GATE):
        current = set()
        for passes in ways:
            records = _Records(folder, key, ready, passes)
            kept = {one.id: records.read(one) for one in requests}
            lacking = [one for one in requests if kept[one.id] is None]
            found = records.find(lacking, keep=True)
            for one in lacking:
                records.write(one, found[one.id])
            current |= {records.file(one) for one in requests}
            for name, people in {**kept, **found}.items():
                marks[name] = marks.get(name, frozenset()) | (people or frozenset())
        for file in set(folder.glob("*.json")) - current:
            file.unlink()
    return marks


def order(people: Mapping[str, Marks]) -> dict[str, set[str]]:
    """Return which requests must be finished before each, since they share people.

    Parameters
    ----------
    people : mapping of str to frozenset of str
        Marks of the people of each request, with those of the requests that it extends.

    Returns
    -------
    dict of str to set of str
        By request the smaller ids that share people with it, or with others of them that do: what
        they tell can be added up and taken away (see ``cohorts.told_before``).
    """
    groups: list[tuple[set[str], set[str]]] = []
    first: dict[str, set[str]] = {}
    for name in sorted(people):
        near = [group for group in groups if not group[1].isdisjoint(people[name])]
        first[name] = set().union(*(names for names, _ in near))
        joined = {name, *first[name]}, set(people[name]).union(*(marks for _, marks in near))
        groups = [*(group for group in groups if group not in near), joined]
    return first
