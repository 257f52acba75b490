"""What is to be verified: a release, or the folder of one report, wherever it lies.

A folder can come from anywhere, so nothing in its manifest is believed before it is looked at: a
manifest that is no manifest is told of in words, and no name in it leads out of the folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from jdl import compare, manifest
from jdl.compare import LINK
from jdl.faults import Fault, Unusable
from jdl.forms import ID, MONTH
from jdl.manifest import MANIFEST

CHANGED, MISSING, NOT_LISTED, ELSEWHERE = (
    "changed",
    "missing",
    "not listed",
    "named by a path that leads out of the folder",
)
_SHAPE: Mapping[str, type] = {
    "inputs": dict,
    "vintage": dict,
    "code": dict,
    "environment": dict,
    "parameters": dict,
    "files": dict,
}


@dataclass(frozen=True)
class Subject:
    """A folder that is to be verified, and what its manifest says.

    Parameters
    ----------
    folder : Path
    release : str
        ``YYYY-MM``.
    request : str, optional
        The id, where the folder is that of one report.
    made : dict
        Its manifest; of a report without one of its own, that of its release.
    identity : str
        The SHA-256 of the manifest.
    listed : dict of str to str
        The hash of each of its files, as the manifest has it.
    """

    folder: Path
    release: str
    request: str | None
    made: dict[str, Any] = field(repr=False)
    identity: str
    listed: Mapping[str, str] = field(repr=False)

    @property
    def name(self) -> str:
        """What it is called in a message."""
        return self.release if self.request is None else f"{self.release}, {self.request}"

    @property
    def documents(self) -> tuple[str, ...]:
        """Its reports and bulletin by their folders; the empty name for one report's own."""
        if self.request is not None:
            return ("",)
        requests = sorted(self.made["inputs"]["requests"])
        return (*(f"reports/{name}" for name in requests), "bulletin")

    @property
    def manifest(self) -> Path:
        """The file that says what it was held against when it was made."""
        own = self.folder / MANIFEST
        return own if own.exists() else self.folder.parent.parent / MANIFEST

    @property
    def sealed(self) -> Path | None:
        """The folder of the release, whose manifest alone is signed; None where it is away."""
        if self.request is None:
            return self.folder
        release = self.folder.parent.parent
        inside = self.folder.parent.name == "reports" and (release / MANIFEST).is_file()
        return release if inside else None

    def torn(self) -> dict[str, str]:
        """Return every file that is not as it is listed, and in what way."""
        found = compare.hashes(self.folder)
        provider_only = {name for name in found if Path(name).name in manifest.HELD_BACK}
        told: dict[str, str] = {}
        for name in sorted({*self.listed, *found}):
            expected, there = self.listed.get(name), found.get(name)
            if not _is_within(name):
                told[name] = ELSEWHERE
            elif there == LINK:
                told[name] = LINK
            elif there is None:
                told[name] = MISSING
            elif expected is None and not (self.request and name in provider_only):
                told[name] = NOT_LISTED
            elif expected not in (None, there):
                told[name] = CHANGED
        return told | dict.fromkeys(self._without_a_file(), MISSING)

    def _without_a_file(self) -> list[str]:
        """Return the folders of reports of which nothing is listed but what names them."""
        if self.request is not None:
            return []
        told = [name for name in self.listed if not manifest.is_record(name)]
        reports = (f"reports/{name}" for name in self.made["inputs"]["requests"])
        return [name for name in reports if not any(one.startswith(f"{name}/") for one in told)]


def _is_within(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def subject_of(folder: Path) -> Subject:
    """Read what a folder says of itself.

    Parameters
    ----------
    folder : Path
        Of a release or of one report. A report without a manifest of its own is looked up in that
        of its release, two folders above.

    Returns
    -------
    Subject

    Raises
    ------
    Unusable
        If it is neither.
    """
    folder = folder.resolve()
    if (folder / MANIFEST).exists() or not (folder.parent.parent / MANIFEST).exists():
        made = _read(folder)
        request = made.get("request")
        _hold_to_name(folder, made)
        return Subject(
            folder, made["release"], request, made, manifest.digest_manifest(folder), made["files"]
        )
    release = folder.parent.parent
    made, request = _read(release), folder.name
    if folder.parent.name != "reports" or request not in made["inputs"]["requests"]:
        raise _no_release(folder)
    under = f"reports/{request}/"
    listed = {
        name.removeprefix(under): told
        for name, told in made["files"].items()
        if name.startswith(under)
    }
    identity = manifest.digest_manifest(release)
    return Subject(folder, made["release"], request, made, identity, listed)


def _hold_to_name(folder: Path, made: Mapping[str, Any]) -> None:
    """Refuse a folder that stands in the place of another report or month than it says."""
    request, month = made.get("request"), made["release"]
    in_release = folder.parent.name == "reports" and (folder.parent.parent / MANIFEST).exists()
    release = _read(folder.parent.parent)["release"] if in_release else month
    called = folder.name if in_release or MONTH.fullmatch(folder.name) else request or month
    if (called, release) == (request or month, month):
        return
    is_of = month if request is None else f"{month}, {request}"
    rule = f"this must hold what it is called, and its {MANIFEST} is that of {is_of}"
    remedy = "Put back what belongs there, or name the folder of what is meant"
    raise Unusable([Fault(str(folder), rule, remedy)])


def _read(folder: Path) -> dict[str, Any]:
    """Return a manifest that has the shape of one."""
    file = folder / MANIFEST
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > compare.LIMIT:
            raise _no_release(folder)
        made = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(made["schema"], int) and made["schema"] > manifest.SCHEMA:
            raise _newer(folder)
        if _is_manifest(made):
            return dict(made)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise _no_release(folder)


def _is_manifest(made: Any) -> bool:
    inputs = made["inputs"]
    requests, earlier, told = inputs["requests"], inputs["earlier"], inputs.get("told before", [])
    named = made.get("request")
    return (
        all(isinstance(made[key], kind) for key, kind in _SHAPE.items())
        and all(isinstance(inputs[key], str | None) for key in ("log.csv", "release"))
        and all(map(MONTH.fullmatch, (made["release"], *earlier)))
        and all(name < made["release"] for name in earlier)
        and all(map(ID.fullmatch, requests))
        and (named is None or [named] == [*requests])
        and all(_is_flat(part) for part in (made["files"], earlier, *requests.values()))
        and all(isinstance(one, str) for one in told)
        and isinstance(made["vintage"]["name"], str)
        and all(_is_table(one) for one in manifest.tables_of(made).values())
        and isinstance(made["code"]["sha256"], str)
        and "seed" in made
        and made["schema"] == manifest.schema_of(made)
        and isinstance(made["parameters"]["requests"], dict)
        and (named is not None or made["schema"] == 1 or bool(manifest.records(made)))
        and bool(made["files"])
    )


def _is_table(told: Mapping[str, Any]) -> bool:
    return isinstance(told["sha256"], str) and isinstance(told.get("columns", {}), dict)


def _is_flat(part: Any) -> bool:
    return isinstance(part, dict) and all(isinstance(told, str) for told in part.values())


def _newer(folder: Path) -> Unusable:
    rule = f"this was made by a newer version of jdl, of which the {MANIFEST} is not understood"
    return Unusable([Fault(str(folder), rule, "Install that version")])


def _no_release(folder: Path) -> Unusable:
    rule = f"is no finished release, nor a report of one: it has no {MANIFEST} that can be read"
    remedy = (
        "Name a month, the folder of a release or that of a report, such as: jdl verify 2014-03"
    )
    return Unusable([Fault(str(folder), f"this {rule}", remedy)])
