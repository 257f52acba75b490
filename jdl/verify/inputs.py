"""What a release was made from, then and now: inputs, code, environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jdl import cohorts, manifest

_MAKING = ("the code", "the environment")
_PREPARED = "what is prepared of the vintage"
WITHOUT_EFFECT = ("log.csv", *_MAKING, _PREPARED)
"""Inputs that go on changing; where every file comes out the same, they are only told."""
_LAYOUT = ("native.pango", "native.harfbuzz", "native.fontconfig")
_PEOPLE = (
    "upload of ",
    "earlier uploads of ",
    "review of ",
    "request.toml of ",
    "disclosure.toml of ",
    "what was told before",
    "the parameters",
    "the code",
)


@dataclass(frozen=True)
class Change:
    """One thing that is not now as it was then.

    Parameters
    ----------
    what : str
        Such as ``packages.numpy`` or ``jdl/effects.py``.
    then, now : str
        In words; ``absent`` where there is none.
    """

    what: str
    then: str
    now: str


def told(made: Mapping[str, Any]) -> dict[str, str]:
    """Return the hash of everything that a release was made from, by what it is called.

    Everything in its manifest counts, also what no version of it has ever had; but for the files of
    the release, and for the commit, which is held to the history of the code.

    Parameters
    ----------
    made : dict
        Its manifest.
    """
    parts: dict[str, dict[str, Any]] = {}
    for path, value in _leaves(made):
        if (name := _called(path, made["release"])) is not None:
            parts.setdefault(name, {})[str(path)] = value
    return {name: manifest.digest_json(part) for name, part in parts.items()}


def _leaves(told: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Walk through a manifest; a part without anything in it tells nothing."""
    if isinstance(told, dict) and told:
        for key, value in told.items():
            yield from _leaves(value, (*path, key))
    elif told not in ({}, []) or len(path) == 1:
        yield path, told


def _called(path: tuple[str, ...], release: str) -> str | None:
    """Return what a part of a manifest tells of; None where of nothing that went in."""
    match path:
        case ("inputs", "requests", request_id, *kind):
            name = f"{'.'.join(kind)} of {request_id}"
        case ("inputs", "log.csv"):
            name = "log.csv"
        case ("inputs", "release") | ("published_at",):
            name = f"releases/{release}.toml"
        case ("inputs", cohorts.TOLD):
            name = "what was told before"
        case ("inputs", "earlier", month):
            name = f"the results of {month}"
        case ("vintage", "tables", table, *kind):
            about = "".join(f"{one} of " for one in kind[:1] if one != "sha256")
            name = f"{about}{table} of the vintage"
        case ("vintage", "prepared"):
            name = _PREPARED
        case ("schema" | "release" | "request" | manifest.RELEASED_AS | "files", *_) | (
            "code",
            "commit" | "changed_since",
        ):
            return None
        case (part, *_):
            name = _PARTS.get(part, f"{part} of the manifest")
    return name


_PARTS = {
    "vintage": "the vintage",
    "code": "the code",
    "environment": "the environment",
    "parameters": "the parameters",
    "seed": "the parameters",
}


def changed(made: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the inputs that two manifests do not tell the same of.

    Parameters
    ----------
    made, again : dict
        Manifests of one release.

    Returns
    -------
    tuple of str
        As `told` calls them.
    """
    before, now = map(told, manifest.comparable(made, again))
    return tuple(
        name for name in dict.fromkeys((*before, *now)) if before.get(name) != now.get(name)
    )


def of_effect(changed: Iterable[str]) -> tuple[str, ...]:
    """Return the inputs among these that must be as they were, whatever comes out.

    What is prepared follows from the tables, by the code and its environment: where all of these
    are as they were, it must be too.
    """
    names = tuple(changed)
    others = any(name in names for name in _MAKING)
    free = {name for name in WITHOUT_EFFECT if name != _PREPARED or others}
    return tuple(name for name in names if name not in free)


def of_people(changed: Iterable[str]) -> tuple[str, ...]:
    """Return the inputs among these that hold people.

    What comes out of other people, taken from what was published, could tell of the few between
    them; so where there are any, no recomputed number is told.
    """
    return tuple(
        name
        for name in changed
        if name.startswith(_PEOPLE) or name.endswith(" of the vintage") or name == "the vintage"
    )


def environment_changes(made: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...]:
    """Return what differs between two environments, of what both manifests tell.

    Parameters
    ----------
    made, now : dict
        The ``environment`` of two manifests; schema 1 knew nothing but Python and packages.
    """
    both = made.keys() & now.keys()
    before, after = (
        dict(_flat({key: told for key, told in one.items() if key in both})) for one in (made, now)
    )
    return tuple(_changes(before, after))


def code_changes(made: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Change, ...] | None:
    """Return the files of code that differ; None where a manifest tells only one hash for all.

    Parameters
    ----------
    made, now : dict
        The ``code`` of two manifests.
    """
    if made["sha256"] == now["sha256"]:
        return ()
    files, others = made.get("files"), now.get("files")
    if not isinstance(files, dict) or not isinstance(others, dict):
        return None
    names = sorted({*files, *others})
    return tuple(
        Change(name, _short(files.get(name)), _short(others.get(name)))
        for name in names
        if files.get(name) != others.get(name)
    )


def _short(told: Any) -> str:
    return "absent" if told is None else str(told)[:12]


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name, "absent"), after.get(name, "absent"))


def _flat(told: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(told, dict):
        for key, value in told.items():
            yield from _flat(value, f"{name}.{key}".lstrip("."))
    else:
        yield name, ", ".join(map(str, told)) if isinstance(told, list) else str(told)


def other_processor(changes: Iterable[Change]) -> bool:
    """Whether floating point is calculated by another processor, so that a tolerance is due."""
    told = [one for one in changes if "absent" not in (one.then, one.now)]
    return any(one.what.startswith("processor.") for one in told)


def other_layout(changes: Iterable[Change]) -> bool:
    """Whether text is laid out by another version, so that a PDF is compared by what it says."""
    return any(change.what in _LAYOUT for change in changes)
