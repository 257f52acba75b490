"""Manifests: each file listed with its hash, nothing unlisted, and ids that belong together.

So does what describes a release as a research object: every hash in it is one of the manifest's.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jdl.published import reading
from jdl.published.contents import CRATE, PROVIDERS, TIMES
from jdl.published.folder import MANIFEST, RECORD, Document, table
from jdl.published.reading import Unreadable
from jdl.published.told import Notes

_STRIPPED = (
    "the outputs of {} were taken away after the release was made, so only its code is compared"
)
_RUN = ("notebooks/tailored_report.ipynb", "notebooks/bulletin.ipynb")
_HASH = re.compile(r"[0-9a-f]{64}")


def check(folder: Path, documents: Mapping[str, Document], notes: Notes) -> None:
    """Hold a folder to its manifest, if it has one."""
    if not (folder / MANIFEST).exists():
        notes.said.append(f"{notes.document or 'the folder'} has no manifest of its own")
        return
    try:
        made = reading.records(reading.content(folder / MANIFEST))
        files = {str(name): str(value) for name, value in made["files"].items()}
    except (Unreadable, KeyError, TypeError, AttributeError) as error:
        notes.find(MANIFEST, None, "the file can be read", error, "a manifest")
        return
    outside = {MANIFEST, TIMES, *({PROVIDERS} if "request" in made else ())}
    _files(folder, files, outside, documents, notes)
    _names(made, documents, notes)
    if (folder / CRATE).exists():
        _crate(folder, made, files, notes)


def _files(
    folder: Path,
    files: Mapping[str, str],
    outside: set[str],
    documents: Mapping[str, Document],
    notes: Notes,
) -> None:
    present = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }
    for name in sorted({*files, *present}):
        if name not in present:
            notes.find(name, None, "every file of the manifest is there", "absent", files[name])
        elif name in files:
            _hash(name, present[name], files[name], documents, notes)
        elif Path(name).name not in outside:
            notes.find(name, None, "every file is listed in the manifest", "not listed", "listed")


def _hash(
    name: str, path: Path, listed: str, documents: Mapping[str, Document], notes: Notes
) -> None:
    try:
        found = hashlib.sha256(reading.content(path)).hexdigest()
    except Unreadable as error:
        notes.find(name, None, "the file can be read", error, "a plain file")
        return
    if found == listed:
        return
    inner = documents.get(_within(notes.document, Path(name).parent.as_posix()))
    if Path(name).name == RECORD and inner is not None and inner.steps and not inner.executed:
        notes.said.append(_STRIPPED.format(name))
        return
    notes.find(name, None, "a file has the hash of the manifest", found, listed)


def _within(document: str, folder: str) -> str:
    return "/".join(one for one in (document, "" if folder == "." else folder) if one)


def _names(made: Mapping[str, Any], documents: Mapping[str, Document], notes: Notes) -> None:
    """Requests, release and parameters are those of the results that are there."""
    inside = [
        one
        for name, one in documents.items()
        if one.result and (not notes.document or name == notes.document)
    ]
    inputs = table(made, "inputs")
    requests = table(inputs, "requests")
    ids = sorted(str(one.result.get("request", {}).get("id")) for one in inside)
    if requests and ids and set(ids) != set(requests):
        rule = "the requests of the manifest are those with a result"
        notes.find(MANIFEST, "inputs.requests", rule, sorted(requests), ids)
    for one in inside:
        request = one.result.get("request", {})
        if made.get("release") != request.get("release"):
            rule = "manifest and result name one release"
            notes.find(MANIFEST, "release", rule, made.get("release"), request.get("release"))
        _parameters(made, one, str(request.get("id")), notes)
    if any(not _HASH.fullmatch(value) for value in _hashes(inputs)):
        notes.find(MANIFEST, "inputs", "inputs are told in hashes", "something else", "SHA-256")


def _hashes(inputs: Any) -> Iterable[str]:
    if isinstance(inputs, dict):
        for value in inputs.values():
            yield from _hashes(value)
    elif isinstance(inputs, list):
        for value in inputs:
            yield from _hashes(value)
    elif inputs is not None:
        yield str(inputs)


def _parameters(made: Mapping[str, Any], document: Document, name: str, notes: Notes) -> None:
    """The notebook ran with the parameters that the manifest tells."""
    told = table(table(made, "parameters"), "requests").get(name)
    step = next((one for one in document.steps if "injected-parameters" in one.tags), None)
    if not isinstance(told, dict) or step is None:
        return
    ran = dict(re.findall(r"^(\w+) = (.+)$", step.source, re.M))
    for key, value in told.items():
        if isinstance(value, str) and ran.get(key, "").strip("\"'") != value:
            rule = "notebook and manifest tell the same parameters"
            notes.find(MANIFEST, f"parameters.{name}.{key}", rule, value, ran.get(key))


def _crate(folder: Path, made: Mapping[str, Any], files: Mapping[str, str], notes: Notes) -> None:
    """The description of a release lists its files, and tells the hashes that its manifest does."""
    try:
        graph = reading.records(reading.content(folder / CRATE))["@graph"]
        told = {str(one["@id"]): one for one in graph}
        parts = {str(one["@id"]) for one in told.get("./", {}).get("hasPart", ())}
    except (Unreadable, KeyError, TypeError, AttributeError) as error:
        notes.find(CRATE, None, "the file can be read", error, "a description of a release")
        return
    if len(told) != len(graph):
        rule = "the description of the release tells of a thing once"
        notes.find(CRATE, "@graph", rule, len(graph), len(told))
    follows = _described(made, files)
    public = {one for one in files if Path(one).name != PROVIDERS} - {CRATE} | {MANIFEST}
    listed = {name for name, one in told.items() if one.get("@type") == "File"}
    for name in sorted(public ^ listed | public ^ parts):
        rule = "the description of the release lists the files of the manifest"
        notes.find(CRATE, name, rule, name in listed & parts, name in public)
    for name in sorted({*follows, *(name for name, one in told.items() if "sha256" in one)}):
        hashed = told.get(name, {}).get("sha256")
        if hashed != follows.get(name):
            rule = "the description of the release tells the hash that the manifest does"
            notes.find(CRATE, name, rule, hashed or "no hash", follows.get(name) or "no hash")


def _described(made: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Any]:
    """Return the hash of each thing that the description of a release tells one of."""
    inputs, vintage, code = (table(made, name) for name in ("inputs", "vintage", "code"))
    outside = {MANIFEST, CRATE, PROVIDERS}
    follows: dict[str, Any] = {
        name: hashed for name, hashed in files.items() if Path(name).name not in outside
    }
    for request, sent in table(inputs, "requests").items():
        for name, hashed in sent.items():
            follows[f"#run/{request}/input/{name.replace(' ', '-')}"] = hashed
    for name, one in table(vintage, "tables").items():
        follows[f"#input/{vintage.get('name')}/{name}"] = one["sha256"]
    for name, hashed in table(inputs, "earlier").items():
        follows[f"#input/results-of-{name}"] = hashed
    follows["#input/log.csv"] = inputs.get("log.csv")
    follows[f"#input/releases/{made.get('release')}.toml"] = inputs.get("release")
    follows["#jdl"] = code.get("sha256")
    notebooks = (one for one in table(code, "files") if one in _RUN)
    follows |= {f"#{name}": table(code, "files")[name] for name in notebooks}
    return {name: hashed for name, hashed in follows.items() if hashed is not None}
