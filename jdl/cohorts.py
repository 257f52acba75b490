"""Cohorts: who was in every analysis told, kept so that a later report can be held against it.

A record holds people as keyed hashes, those sent and those found, and of an analysis who was in it
and how many had each event that it tells; no outcome of a person. It names the records that it was
held against, so that the report can be made again as it was. The notebook hands its record to
whoever runs it, and reads those of all that is told already: of every release that was ever
finished, whatever its month, with those versions of it that were replaced since; and of the same
month with a smaller id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jdl import safekeeping
from jdl.disclosure import RULES, Cleared, Published, Rules, are_apart, described, what_is_told
from jdl.faults import Fault, Unusable
from jdl.national import Workplace

NAME = "cohorts"
FILE = f"{NAME}.json"
"""The record in a finished request's folder; it never goes into a release."""
TOLD = "told before"
"""The manifest's list of what a release was held against: the hashes of the results."""
SCHEMA = "jdl-cohorts-3"
_KEY, _GATE, _READY, _RELEASE = ".key", ".gate", ".ready", ".release"
_KEY_SHAPE = re.compile(r"[0-9a-f]{64}\n?")
_MANIFEST = "manifest.json"
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
    told : dict of str to Published
        Its analyses by id, of these people; none where nothing was published.
    digest : str
        Of the record's content.
    result : str
        The hash of the report's ``result.json``; empty before its release has appeared.
    beside : tuple of str, optional
        The digests of the records that it was held against; None where they were not kept.
    described : str
        The digest of what its people were described by, from ``disclosure.described``.
    """

    release: str
    request: str
    people: frozenset[str]
    sent: Mapping[str, tuple[str, ...]]
    told: Mapping[str, Published]
    digest: str
    result: str = ""
    beside: tuple[str, ...] | None = None
    described: str = ""


@dataclass(frozen=True, repr=False)
class Before:
    """What was told before of people of a request.

    Parameters
    ----------
    told : tuple of Published
        The oldest first. People of the request go by what they are called here.
    requests : frozenset of str
        The requests whose reports are held, whoever is in them.
    beside : tuple of str
        The digests of the records behind `told`.
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
    beside: tuple[str, ...] = ()
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
    key = key_of(place.restricted)
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
    people: Mapping[str, str],
    sent: Mapping[str, tuple[str, ...]] | None = None,
    *,
    own: str = "",
) -> Before:
    """Return what reports before this one told of its people.

    Parameters
    ----------
    place : Workplace
        Names the requests of the same month that come before, and the manifest of a release that
        is repeated.
    people : mapping of str to str
        The treatment group: by what each person is called here the identifier of the register,
        which a person keeps from one vintage to the next; see ``pseudonyms.identifiers``.
    sent : mapping of str to tuple of str, optional
        From `marks`.
    own : str
        The request in hand: a correction of its own report is not stopped for being near it, else
        no name could ever be mended; its results are held against that report all the same. The
        same people are described as that report described them (see ``rests_of``).

    Returns
    -------
    Before
        What was told of the people, and of others whom reports on them share with further reports,
        since all of them can be added up and taken away. Nothing where no key is at hand.
    """
    key = key_of(place.restricted)
    if key is None:
        return Before()
    hashes = {one: _hashed(key, identifier) for one, identifier in people.items()}
    names = {mark: one for one, mark in hashes.items()}
    records = kept(place.restricted, place.repeats)
    records += [read(place.results / name / FILE) for name in place.beside]
    linked = sharing(names, records)
    published = {
        record.digest: {
            name: replace(one, people=frozenset(names.get(who, who) for who in one.people))
            for name, one in record.told.items()
        }
        for record in linked
    }
    sent = sent or {}
    told = tuple(
        replace(one, beside=_beside(record, published), described=record.described)
        if (record.request, name, record.sent) == (own, "headline", sent)
        else one
        for record in linked
        for name, one in published[record.digest].items()
    )
    requests = frozenset(record.request for record in records)
    others = [one for one in linked if one.told and one.request != own]
    near = any(_is_near(names.keys(), sent, one) for one in others)
    beside = tuple(record.digest for record in linked)
    return Before(told, requests, beside, hashes, _name_of(key), sent, near)


def _beside(
    record: Record, published: Mapping[str, Mapping[str, Published]]
) -> tuple[Published, ...] | None:
    """Return what a report was held against; None where not all of that is known."""
    if record.beside is None or not published.keys() >= set(record.beside):
        return None
    return tuple(one for digest in record.beside for one in published[digest].values())


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
    analysed = list(analysed)
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
    facts |= {"sent": before.sent, "beside": list(before.beside)}
    facts["described"] = next((described(it.matched) for it in analysed if it.matched), "")
    place.hand(NAME, {**facts, "people": people, "told": told})


def _hashed(key: bytes, person: str) -> str:
    return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _packed(members: Collection[str], people: Sequence[str]) -> str:
    """Write a part of people as one bit a person."""
    chosen = frozenset(members)
    return base64.b64encode(np.packbits([one in chosen for one in people]).tobytes()).decode()


def _unpacked(packed: str, people: Sequence[str]) -> frozenset[str]:
    held = np.frombuffer(base64.b64decode(packed, validate=True), dtype=np.uint8)
    bits = np.unpackbits(held, count=len(people))
    if len(held) != -(-len(people) // 8):
        raise ValueError("one bit a person")
    return frozenset(one for one, bit in zip(people, bits, strict=True) if bit)


# Records


def read(file: Path) -> Record:
    """Read a record as a notebook handed it over."""
    return _record_of(json.loads(file.read_bytes()))


def _record_of(record: Mapping[str, Any]) -> Record:
    people = record["people"]
    told = {
        name: Published(
            _unpacked(one["members"], people),
            one["sized"],
            {measure: (events, others) for measure, (events, others) in one["counts"].items()},
        )
        for name, one in sorted(record["told"].items())
    }
    known = {name: record[name] for name in ("release", "request", "told", "people", "sent")}
    found = _digest(json.dumps(known, sort_keys=True).encode())
    result = record.get("result", "")
    sent = {name: tuple(hashes) for name, hashes in record["sent"].items()}
    names = record["release"], record["request"]
    beside = tuple(record["beside"]) if "beside" in record else None
    how = beside, record.get("described", "")
    return Record(*names, frozenset(people), sent, told, found, result, *how)


def kept(restricted: Path, repeats: Path | None = None) -> list[Record]:
    """Read what every release told that was ever finished.

    Parameters
    ----------
    restricted : Path
    repeats : Path, optional
        The manifest of a release that is made again from the same inputs: only what that was held
        against is read, and nothing told since.

    Returns
    -------
    list of Record
        By month and request, the oldest version first. A record that is not as it was kept is left
        out: `missing` names it.
    """
    key = key_of(restricted)
    records = [one for file in _files(restricted) if (one := _kept(file, key))]
    listed = None if repeats is None else named(json.loads(repeats.read_bytes()))
    return [one for one in records if listed is None or one.result in listed]


def named(made: Mapping[str, Any]) -> list[str]:
    """Return the list in a manifest of what its release was held against."""
    return list(made["inputs"].get(TOLD, []))


def results(records: Iterable[Record]) -> list[str]:
    """Return the hashes of the results that records tell of, for a manifest."""
    return sorted({one.result for one in records})


def _files(restricted: Path) -> list[Path]:
    """List the records kept, by month and request, the oldest version first."""
    found = (restricted / NAME).glob("????-??/*.json")
    return sorted((file for file in found if not file.name.startswith(".")), key=_age)


def _age(file: Path) -> tuple[str, str, float]:
    """Put a version that was replaced before the one in place of it."""
    request, _, version = file.stem.partition(".")
    return file.parent.name, request, int(version) if version.isdecimal() else math.inf


def _kept(file: Path, key: bytes | None) -> Record | None:
    """Read a kept record; None where it is not as it was kept, or was kept with another key."""
    try:
        content = json.loads(file.read_bytes())
        seal = content.pop("seal")
        sealed = key is not None and hmac.compare_digest(seal, seal_of(key, content))
        if sealed and content["schema"] == SCHEMA:
            return _record_of(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    return None


def seal_of(key: bytes, content: Any) -> str:
    """Return what a record holds beside its content, so that none is taken for it but its own."""
    return hmac.new(key, json.dumps(content, sort_keys=True).encode(), hashlib.sha256).hexdigest()


def sharing(people: Collection[str], records: Sequence[Record]) -> list[Record]:
    """Return the records that share people with these, or with others that do, in their order."""
    reached, left = set(people), list(records)
    while found := [one for one in left if not reached.isdisjoint(one.people)]:
        reached.update(*(one.people for one in found))
        left = [one for one in left if one not in found]
    return [one for one in records if one not in left]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# Around the notebooks


def make_key(restricted: Path) -> None:
    """Draw the key of the hashes, once for a folder of releases; only its owner can read it.

    Raises
    ------
    Unusable
        As `key_of`.
    """
    folder = restricted / NAME
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with safekeeping.alone(folder / _GATE):
        if not (folder / _KEY).exists():
            safekeeping.write(folder / _KEY, f"{secrets.token_hex(32)}\n".encode())
    key_of(restricted)


def key_of(restricted: Path) -> bytes | None:
    """Return the key of the hashes; None where there is none yet.

    Raises
    ------
    Unusable
        If there is one that is not whole.
    """
    file = restricted / NAME / _KEY
    if not file.exists():
        return None
    written = file.read_text(encoding="ascii", errors="replace")
    if _KEY_SHAPE.fullmatch(written):
        return bytes.fromhex(written)
    raise Unusable(
        [
            Fault(
                f"{NAME}/{_KEY}",
                "the key that cohorts are kept with must be 64 hexadecimal digits",
                "Restore the folder from a backup, or delete the folder and make all releases "
                "again, the oldest first",
            )
        ]
    )


def _name_of(key: bytes) -> str:
    return _hashed(key, "the key itself")


def is_current(folder: Path, restricted: Path, before: Sequence[Record]) -> bool:
    """Whether a finished request was cleared beside what is told before it now.

    Parameters
    ----------
    folder : Path
        Of the finished request; one that analysed nobody has no record.
    restricted : Path
    before : sequence of Record
        From `kept`, then of the same month in order of id. Where the request's own is among them,
        it has been told just so, and telling it again tells nothing more.
    """
    file, key = folder / FILE, key_of(restricted)
    if not file.exists():
        return True
    own, content = read(file), json.loads(file.read_bytes())
    if key is None or content["key"] != _name_of(key):
        return False
    told = any(one.digest == own.digest for one in before)
    return told or own.beside == tuple(one.digest for one in sharing(own.people, before))


def lay_ready(work: Path, restricted: Path, made: Path, requests: Iterable[str]) -> None:
    """Write the records of a release that is about to appear; `settle` keeps them once it has.

    Parameters
    ----------
    work : Path
        Holds a folder a finished request.
    restricted : Path
    made : Path
        The release, with its manifest.
    requests : iterable of str
        The requests it publishes.
    """
    release = str(json.loads((made / _MANIFEST).read_bytes())["release"])
    ready, key = safekeeping.fresh(restricted / NAME / _READY / release), key_of(restricted)
    for name in requests:
        if key is not None and (work / name / FILE).exists():
            content = json.loads((work / name / FILE).read_bytes())
            content["result"] = _digest((work / name / "result.json").read_bytes())
            content["seal"] = seal_of(key, content)
            text = json.dumps(content, indent=1, sort_keys=True)
            safekeeping.write(ready / f"{name}.json", f"{text}\n".encode())
    safekeeping.write(ready / _RELEASE, _digest((made / _MANIFEST).read_bytes()).encode())


def is_settled(restricted: Path) -> bool:
    """Whether no run was stopped while its release appeared."""
    return not any((restricted / NAME / _READY).glob("*"))


def settle(outputs: Path, restricted: Path) -> None:
    """Keep the records of releases that have appeared, drop those of releases that have not.

    What a release before it told stays kept as a numbered version, ``<id>.1.json`` the oldest,
    since somebody may have seen it.
    """
    for ready in (restricted / NAME / _READY).glob("*"):
        if _has_appeared(outputs / ready.name, ready):
            _settle(ready, restricted / NAME / ready.name, key_of(restricted))
        (ready / _RELEASE).unlink(missing_ok=True)
        shutil.rmtree(ready)


def _has_appeared(folder: Path, ready: Path) -> bool:
    try:
        found = _digest((folder / _MANIFEST).read_bytes())
        return found == (ready / _RELEASE).read_text(encoding="ascii")
    except OSError:
        return False


def _settle(ready: Path, folder: Path, key: bytes | None) -> None:
    new = {file.name: file.read_bytes() for file in ready.glob("*.json")}
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.glob("*.json"):
        current = "." not in file.stem
        if current and new.get(file.name) != file.read_bytes() and _kept(file, key):
            versions = len(list(folder.glob(f"{file.stem}.*.json")))
            file.replace(folder / f"{file.stem}.{versions + 1}.json")
    for name, content in new.items():
        safekeeping.write(folder / name, content)


def missing(outputs: Path, restricted: Path, release: str) -> list[str]:
    """Name what was told and cannot be compared with, because its cohort is not kept.

    Parameters
    ----------
    outputs, restricted : Path
    release : str
        The release to be made. Its own reports may lack their records, and then those of later
        months too: all are made again, the oldest first.

    Returns
    -------
    list of str
        ``<release>/<id>`` of reports of finished releases without a record, with one made with
        another key, or with one of another result; and records of versions that are there no more
        and not as they were kept, by the names of their files.
    """
    key = key_of(restricted)
    whole = {file: _kept(file, key) for file in _files(restricted)}
    reports = {
        restricted / NAME / file.parts[-4] / f"{file.parent.name}.json": file
        for file in sorted(outputs.glob("????-??/reports/*/result.json"))
    }
    lacking = [held for held, file in reports.items() if not _is_of(whole.get(held), file)]
    torn = [held for held, record in whole.items() if record is None and held not in reports]
    own = any(held.parent.name == release for held in lacking)
    months = [held for held in lacking if held.parent.name != release]
    wanted = [held for held in months if held.parent.name < release or not own]
    return [f"{held.parent.name}/{held.stem}" for held in sorted({*wanted, *torn})]


def _is_of(record: Record | None, result: Path) -> bool:
    """Whether a record is of this result, which may be one of nobody."""
    content = result.read_bytes()
    try:
        nobody = json.loads(content)["status"] != "reported"
    except (ValueError, KeyError, TypeError):
        nobody = False
    return nobody or (record is not None and record.result == _digest(content))
