"""What a release says of itself, held against what needs no run.

Its records must follow from its manifest, a report's manifest must be the one that its release
lists, and what it says of its code must be so in this project's history. What cannot be held is
named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jdl import cohorts, compare, crate, manifest
from jdl.manifest import MANIFEST
from jdl.release import Places
from jdl.verify.subject import Subject


def contradicting(subject: Subject) -> dict[str, str]:
    """Return the files by which a release contradicts itself or the history of its code, and how.

    Parameters
    ----------
    subject : Subject
    """
    expected = _expected(subject)
    own = _records(subject, expected) if subject.request is None else _above(subject)
    strays = {
        name: "does not follow from the manifest"
        for name in compare.hashes(subject.folder)
        if manifest.is_record(name) and name not in expected
    }
    return {**_code(subject.made), **own, **strays}


def _expected(subject: Subject) -> dict[str, bytes]:
    """Return the records that a release must have; schema 1 knew none."""
    whole = subject.request is None and manifest.schema_of(subject.made) != 1
    return manifest.records(subject.made) if whole else {}


def _records(subject: Subject, expected: Mapping[str, bytes]) -> dict[str, str]:
    return {
        name: "tells otherwise than the manifest"
        for name, content in expected.items()
        if _content(subject.folder / name) != content
        and not (name == crate.FILE and _is_reworded(subject, content))
    }


def _is_reworded(subject: Subject, expected: bytes | None) -> bool:
    """Whether other code wrote the metadata of the crate in other words, with the same hashes."""
    content = _content(subject.folder / crate.FILE)
    if expected is None or content in (None, expected) or _is_by_this_code(subject.made):
        return False
    return not crate.contradicts(content or b"", expected)


def _is_by_this_code(made: Mapping[str, Any]) -> bool:
    return bool(made["code"]["sha256"] == manifest.code()["sha256"])


def _above(subject: Subject) -> dict[str, str]:
    """Hold the manifest of a report to the release that it lies in."""
    folder = subject.folder.parent.parent
    content = _content(folder / MANIFEST) if (subject.folder / MANIFEST).exists() else None
    try:
        whole = json.loads(content or b"null")
        listed = whole["files"].get(f"reports/{subject.request}/{MANIFEST}")
        other = whole["release"] != subject.release or listed == subject.identity
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {} if other else {MANIFEST: "is not the one that its release lists"}


def _code(made: Mapping[str, Any]) -> dict[str, str]:
    code, files = made["code"], made["code"].get("files")
    if manifest.schema_of(made) == 1:
        return {}
    if manifest.digest_json(files) != code["sha256"]:
        return {MANIFEST: "names other files of code than it hashes"}
    then = _then(code)
    if then and any(code.get(key) != told for key, told in then.items()):
        return {MANIFEST: f"names other code than that of the commit {code['commit'][:12]}"}
    return {}


def _then(code: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the code at the commit that a manifest names, where it says that it was that."""
    named = isinstance(code.get("commit"), str) and code.get("changed_since") is False
    return manifest.code_at(code["commit"]) if named else None


def unheld(subject: Subject, places: Places) -> tuple[str, ...]:
    """Name what a manifest says that was held against nothing, and what it was not held against.

    Parameters
    ----------
    subject : Subject
    places : Places
        Its ``outputs`` hold the other releases and what is restricted.
    """
    code = subject.made["code"]
    commit = code.get("commit")
    told = []
    if commit is not None and (manifest.schema_of(subject.made) == 1 or _then(code) is None):
        told.append(f"the commit {str(commit)[:12]!r}")
    if _is_reworded(subject, _expected(subject).get(crate.FILE)):
        told.append(f"the words of {crate.FILE}")
    return (
        *told,
        *(f"{month}, which is at hand, against it" for month in _at_hand(subject, places)),
    )


def _at_hand(subject: Subject, places: Places) -> list[str]:
    """Return the earlier months that are there and that the manifest does not name."""
    inputs = subject.made["inputs"]
    found = places.outputs.glob("????-??/bulletin/results.csv")
    months = {path.parts[-3] for path in found} - set(inputs["earlier"])
    if places.restricted.is_dir():
        named = cohorts.named(subject.made)
        kept = cohorts.kept(places.restricted)
        months |= {one.release for one in kept if one.result not in named}
    return sorted(month for month in months if month < subject.release)


def _content(path: Path) -> bytes | None:
    try:
        return None if path.is_symlink() else compare.read(path)
    except compare.Broken:
        return None
