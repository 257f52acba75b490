"""What a release was made from, then and now: inputs, code, environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jdl import cohorts, manifest

WITHOUT_EFFECT = ("log.csv", "the code", "the environment")
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


def told(made: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the hash of everything that a release was made from, by what it is called.

    Parameters
    ----------
    made : dict
        Its manifest.
    """
    inputs, tables = made["inputs"], manifest.tables_of(made)
    vintage = {key: value for key, value in made["vintage"].items() if key != "tables"}
    return {
        **{
            f"{kind} of {request_id}": value
            for request_id, hashes in inputs["requests"].items()
            for kind, value in hashes.items()
        },
        "log.csv": inputs["log.csv"],
        f"releases/{made['release']}.toml": inputs["release"],
        "what was told before": manifest.digest_json(cohorts.named(made)),
        **{f"the results of {name}": value for name, value in inputs["earlier"].items()},
        **{f"{name} of the vintage": table["sha256"] for name, table in tables.items()},
        **{
            f"columns of {name} of the vintage": manifest.digest_json(table["columns"])
            for name, table in tables.items()
            if "columns" in table
        },
        "the vintage": manifest.digest_json(vintage),
        "the code": made["code"]["sha256"],
        "the environment": manifest.digest_json(made["environment"]),
        "the parameters": manifest.digest_json([made["parameters"], made["seed"]]),
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
    absent = object()
    return tuple(
        name
        for name in dict.fromkeys((*before, *now))
        if before.get(name, absent) != now.get(name, absent)
    )


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
