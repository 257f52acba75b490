"""Cohorts: who was in every analysis told, kept so that a later report can be held against it.

A record holds people as keyed hashes, those sent and those found, and of an analysis who was in it
and how many had each event that it tells; no outcome of a person. The notebook hands its record to
whoever runs it, and reads those of the reports that come before: of earlier releases, and of the
same month with a smaller id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jdl.disclosure import RULES, Cleared, Published, Rules, are_apart, what_is_told
from jdl.national import Workplace

NAME = "cohorts"
FILE = f"{NAME}.json"
"""The record in a finished request's folder; it never goes into a release."""
SCHEMA = "jdl-cohorts-2"
_KEY = ".key"
_DIGITS = 32


@dataclass(frozen=True, repr=False)
class Record:
    """What one report told of whom.

    Parameters
    ----------
    release, request : str
    people : frozenset of str
        Keyed hashes of its treatment group.
    sent : mapping of str to tuple of str
        From `marks`: everybody in its upload.
    told : tuple of Published
        Its analyses, of these people; none where nothing was published.
    digest : str
        Of the record's content.
    """

    release: str
    request: str
    people: frozenset[str]
    sent: Mapping[str, tuple[str, ...]]
    told: tuple[Published, ...]
    digest: str


@dataclass(frozen=True, repr=False)
class Before:
    """What was told before of people of a request.

    Parameters
    ----------
    told : tuple of Published
        The oldest first. People of the request go by what they are called here.
    requests : frozenset of str
        The requests whose reports are held, whoever is in them.
    saw : str
        Digest of the records behind `told`; empty without any.
    hashes : dict of str to str
        By person of the request; empty where no key is at hand.
    key : str
        Which key the hashes are made with.
    sent : mapping of str to tuple of str
        Everybody in the upload, from `marks`.
    near : bool
        Whether those sent, or those found, are those of a report told before but for fewer than the
        smallest cell: beside it, any number of either would tell of these few.
    """

    told: tuple[Published, ...] = ()
    requests: frozenset[str] = frozenset()
    saw: str = ""
    hashes: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    sent: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    near: bool = False

    def __repr__(self) -> str:
        return f"{len(self.told)} analyses told before of some of these people"


# In the notebook


def marks(place: Workplace, cleaned: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Hash the people of an upload, by their names and by their dates of birth.

    Parameters
    ----------
    place : Workplace
    cleaned : DataFrame
        From ``linkage.clean``.

    Returns
    -------
    dict of str to tuple of str
        Sorted, one a person; empty where no key is at hand.
    """
    key = _key(place.restricted)
    if key is None:
        return {}
    people = cleaned.drop_duplicates("person")
    return {
        name: tuple(
            sorted(_hashed(key, repr(row)) for row in people[fields].astype("str").values.tolist())
        )
        for name, fields in _KNOWN_BY.items()
    }


_KNOWN_BY = {"name": ["forename", "surname"], "date of birth": ["date_of_birth"]}


def told_before(
    place: Workplace,
    release: str,
    people: Mapping[str, str],
    sent: Mapping[str, tuple[str, ...]] | None = None,
) -> Before:
    """Return what reports before this one told of its people.

    Parameters
    ----------
    place : Workplace
    release : str
        The release in hand; of the same month come the requests that `place` names.
    people : mapping of str to str
        The treatment group: by what each person is called here the identifier of the register,
        which a person keeps from one vintage to the next; see ``pseudonyms.identifiers``.
    sent : mapping of str to tuple of str, optional
        From `marks`.

    Returns
    -------
    Before
        What was told of the people, and of others whom reports on them share with further reports,
        since all of them can be added up and taken away. Nothing where no key is at hand.
    """
    key = _key(place.restricted)
    if key is None:
        return Before()
    hashes = {one: _hashed(key, identifier) for one, identifier in people.items()}
    names = {mark: one for one, mark in hashes.items()}
    records = earlier(place.restricted, release)
    records += [read(place.results / name / FILE) for name in place.beside]
    linked = sharing(names, records)
    told = tuple(
        Published(frozenset(names.get(who, who) for who in one.people), one.sized, one.counts)
        for record in linked
        for one in record.told
    )
    requests = frozenset(record.request for record in records)
    sent = sent or {}
    near = any(_is_near(names.keys(), sent, one) for one in linked if one.told)
    return Before(told, requests, _sight(linked), hashes, _name_of(key), sent, near)


def _is_near(
    found: Collection[str],
    sent: Mapping[str, tuple[str, ...]],
    record: Record,
    rules: Rules = RULES,
) -> bool:
    """Whether people are those of a record but for a few.

    Those sent are the same where names and dates of birth are; they differ by few where either
    does, for a name may be spelt, and a date written, in another way.
    """
    differ = [_differing(sent[name], record.sent[name]) for name in sent if name in record.sent]
    few = bool(differ) and max(differ) > 0 and min(differ) < rules.cell
    return few or not are_apart(found, record.people, rules)


def _differing(one: Iterable[str], other: Iterable[str]) -> int:
    ours, theirs = Counter(one), Counter(other)
    return ((ours - theirs) + (theirs - ours)).total()


def record(
    place: Workplace,
    before: Before,
    release: str,
    request: str,
    analysed: Iterable[Any],
    results: Mapping[str, Cleared],
) -> None:
    """Hand over who was in each analysis told; nothing where the notebook is run by hand.

    Parameters
    ----------
    place : Workplace
    before : Before
        Of this request.
    release, request : str
        Which report this is.
    analysed : iterable of Analysed
    results : mapping of str to Cleared
        What was let out of them.
    """
    if not before.hashes:
        return
    people = sorted(before.hashes.values())
    told = {
        name: {
            "members": _packed([before.hashes[who] for who in one.people], people),
            "sized": one.sized,
            "counts": {measure: list(pair) for measure, pair in one.counts.items()},
        }
        for name, one in what_is_told(analysed, results).items()
    }
    facts: dict[str, Any] = {
        "schema": SCHEMA,
        "key": before.key,
        "release": release,
        "request": request,
    }
    facts |= {"sent": before.sent}
    place.hand(NAME, {**facts, "saw": before.saw, "people": people, "told": told})


def _hashed(key: bytes, person: str) -> str:
    return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _packed(members: Collection[str], people: Sequence[str]) -> str:
    """Write a part of people as one bit a person."""
    chosen = frozenset(members)
    return base64.b64encode(np.packbits([one in chosen for one in people]).tobytes()).decode()


def _unpacked(packed: str, people: Sequence[str]) -> frozenset[str]:
    bits = np.unpackbits(np.frombuffer(base64.b64decode(packed), dtype=np.uint8))
    return frozenset(one for one, bit in zip(people, bits, strict=False) if bit)


# Records


def read(file: Path) -> Record:
    """Read a record."""
    content = file.read_bytes()
    record = json.loads(content)
    people = record["people"]
    told = tuple(
        Published(
            _unpacked(one["members"], people),
            one["sized"],
            {measure: (events, others) for measure, (events, others) in one["counts"].items()},
        )
        for _, one in sorted(record["told"].items())
    )
    known = {name: record[name] for name in ("release", "request", "told", "people", "sent")}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    sent = {name: tuple(hashes) for name, hashes in record["sent"].items()}
    return Record(record["release"], record["request"], frozenset(people), sent, told, digest)


def earlier(restricted: Path, release: str) -> list[Record]:
    """Read the records of all releases before one, the oldest first."""
    files = sorted((restricted / NAME).glob("????-??/*.json"))
    return [read(file) for file in files if file.parent.name < release]


def sharing(people: Collection[str], records: Sequence[Record]) -> list[Record]:
    """Return the records that share people with these, or with others that do, in their order."""
    reached, left = set(people), list(records)
    while found := [one for one in left if not reached.isdisjoint(one.people)]:
        reached.update(*(one.people for one in found))
        left = [one for one in left if one not in found]
    return [one for one in records if one not in left]


def _sight(records: Sequence[Record]) -> str:
    told = [one.digest for one in records]
    return hashlib.sha256("".join(told).encode()).hexdigest() if told else ""


# Around the notebooks


def make_key(restricted: Path) -> None:
    """Draw the key of the hashes, once for a folder of releases; only its owner can read it."""
    folder = restricted / NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        handle = os.open(folder / _KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")


def _key(restricted: Path) -> bytes | None:
    file = restricted / NAME / _KEY
    return bytes.fromhex(file.read_text(encoding="ascii")) if file.exists() else None


def _name_of(key: bytes) -> str:
    return _hashed(key, "the key itself")


def is_current(folder: Path, before: Sequence[Record]) -> bool:
    """Whether a finished request was cleared beside what is told before it now.

    Parameters
    ----------
    folder : Path
        Of the finished request; one that analysed nobody has no record.
    before : sequence of Record
        Of earlier releases, then of the same month in order of id.
    """
    file = folder / FILE
    if not file.exists():
        return True
    saw = json.loads(file.read_bytes())["saw"]
    return bool(saw == _sight(sharing(read(file).people, before)))


def keep(work: Path, restricted: Path, release: str, requests: Iterable[str]) -> None:
    """Keep the records of a release that is about to appear, in place of those of one before it.

    Parameters
    ----------
    work : Path
        Holds a folder a finished request.
    restricted : Path
    release : str
    requests : iterable of str
        The requests it publishes.
    """
    kept = restricted / NAME / release
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = {f"{name}.json": work / name for name in requests if (work / name / FILE).exists()}
    for name, folder in made.items():
        content = json.loads((folder / FILE).read_bytes())
        content["result"] = _digest(folder / "result.json")
        new = kept / f".{name}"
        new.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        new.chmod(0o600)
        new.replace(kept / name)
    for file in kept.glob("*.json"):
        if file.name not in made:
            file.unlink()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def missing(outputs: Path, restricted: Path, release: str) -> list[str]:
    """Name the reports of finished releases before one whose cohorts cannot be compared with.

    Parameters
    ----------
    outputs, restricted : Path
    release : str

    Returns
    -------
    list of str
        ``<release>/<id>``: no record, one made with another key, or one of another result.
    """
    key = _key(restricted)
    found = []
    for file in sorted(outputs.glob("????-??/reports/*/result.json")):
        made, name = file.parts[-4], file.parent.name
        reported = json.loads(file.read_text(encoding="utf-8"))["status"] == "reported"
        held = restricted / NAME / made / f"{name}.json"
        if made < release and reported and not _is_of(held, file, key):
            found.append(f"{made}/{name}")
    return found


def _is_of(held: Path, result: Path, key: bytes | None) -> bool:
    try:
        record = json.loads(held.read_bytes())
    except (OSError, ValueError):
        return False
    same_key = key is not None and record.get("key") == _name_of(key)
    return same_key and record.get("schema") == SCHEMA and record.get("result") == _digest(result)
