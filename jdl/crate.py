"""A release as a research object crate: what ran, on what, with what result.

It follows from the manifest alone, so that it holds no time of a run and no input: an input is
described by its hash.

Sources: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1); Process Run Crate 0.5
(https://w3id.org/ro/wfrun/process/0.5).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

FILE = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
PROCESS = "https://w3id.org/ro/wfrun/process/0.5"
_LICENCE = "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
_AGENT, _CODE, _BULLETIN = "#justice-data-lab", "#jdl", "#run/bulletin"
_NOTEBOOKS = {"report": "notebooks/tailored_report.ipynb", "bulletin": "notebooks/bulletin.ipynb"}
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".pdf": "application/pdf",
}

Entity = dict[str, Any]


def describe(made: Mapping[str, Any], files: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the metadata of a release's crate, as flattened JSON-LD.

    Parameters
    ----------
    made : dict
        The manifest.
    files : dict of str to str or None
        What the crate holds, by path: each with its hash, or with None where the file follows from
        the manifest as this one does.

    Returns
    -------
    dict
    """
    reports = {name: _report(made, name, files) for name in made["inputs"]["requests"]}
    runs = [*(run for run, _ in reports.values()), _bulletin(made, files)]
    parts = [part for _, described in reports.values() for part in described]
    entities = [
        _descriptor(),
        _root(made, files, runs),
        *(_file(name, hashed) for name, hashed in files.items()),
        *runs,
        *parts,
        *_shared(made),
        *_code(made),
        *_named(),
    ]
    return {
        "@context": [f"{CRATE}/context", {"sha256": "http://schema.org/sha256"}],
        "@graph": list({entity["@id"]: entity for entity in entities}.values()),
    }


def contradicts(content: bytes, expected: bytes) -> bool:
    """Whether the metadata of a crate, as other code wrote them, tell another hash of anything.

    Parameters
    ----------
    content : bytes
        As they stand.
    expected : bytes
        As this code writes them.
    """
    try:
        (files, others), (ours, known) = map(_hashes, (content, expected))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return True
    return files != ours or not others <= known


def _hashes(content: bytes) -> tuple[dict[str, str | None], set[str]]:
    """Return the hash of each file, and every other that is told."""
    entities = json.loads(content)["@graph"]
    files = {one["@id"]: one.get("sha256") for one in entities if one["@type"] == "File"}
    return files, {str(one["sha256"]) for one in entities if one.get("sha256")}


def _descriptor() -> Entity:
    return {
        "@id": FILE,
        "@type": "CreativeWork",
        "conformsTo": _to(CRATE),
        "about": _to("./"),
    }


def _root(made: Mapping[str, Any], files: Iterable[str], runs: Iterable[Entity]) -> Entity:
    about = (
        "Reports on one-year proven reoffending of people who took part in programmes, beside "
        "similar people who did not, with the bulletin of the month. Every file follows from the "
        "inputs, code and environment that manifest.json names by their hashes."
    )
    if made["vintage"]["synthetic"]:
        about += " A demonstration: the people are made up, and nothing in it is official."
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Justice Data Lab: release {made['release']}",
        "description": about,
        "datePublished": made["published_at"][:10],
        "license": _to(_LICENCE),
        "author": _to(_AGENT),
        "publisher": _to(_AGENT),
        "conformsTo": _to(PROCESS),
        "hasPart": [_to(name) for name in files],
        "mentions": [_to(run["@id"]) for run in runs],
    }


def _file(name: str, hashed: str | None) -> Entity:
    path = PurePosixPath(name)
    entity: Entity = {"@id": name, "@type": "File", "name": " of ".join([path.name, *_of(path)])}
    if path.suffix in _FORMATS:
        entity["encodingFormat"] = _FORMATS[path.suffix]
    return entity if hashed is None else {**entity, "sha256": hashed}


def _of(path: PurePosixPath) -> list[str]:
    return [path.parent.name] if path.parent.name else []


def _report(
    made: Mapping[str, Any], request: str, files: Iterable[str]
) -> tuple[Entity, list[Entity]]:
    """Return the run of one report, and what was its alone among what went in."""
    place = f"#run/{request}"
    given = [
        _value(f"{place}/parameter/{name}", name, value)
        for name, value in made["parameters"]["requests"][request].items()
    ]
    sent = [
        _input(f"{place}/input/{kind.replace(' ', '-')}", f"{kind} of {request}", hashed)
        for kind, hashed in made["inputs"]["requests"][request].items()
    ]
    run = _run(
        place,
        f"The report on {request}",
        _NOTEBOOKS["report"],
        [*given, *sent, *_shared(made)],
        [name for name in files if name.startswith(f"reports/{request}/")],
    )
    return run, [*given, *sent]


def _bulletin(made: Mapping[str, Any], files: Iterable[str]) -> Entity:
    results = [name for name in files if name.endswith(("/result.json", "/figures.json"))]
    read: list[Entity] = [{"@id": name} for name in results if name.startswith("reports/")]
    return _run(
        _BULLETIN,
        f"The bulletin of {made['release']}, with the release page and the quality statement",
        _NOTEBOOKS["bulletin"],
        [*read, *_shared(made)],
        [name for name in files if not name.startswith("reports/") and name != "manifest.json"],
    )


def _run(
    place: str, name: str, notebook: str, given: Iterable[Entity], made: Iterable[str]
) -> Entity:
    return {
        "@id": place,
        "@type": "CreateAction",
        "name": name,
        "description": "A notebook run with these parameters; when and where is in no record.",
        "instrument": _to(f"#{notebook}"),
        "object": [_to(entity["@id"]) for entity in given],
        "result": [_to(name) for name in made],
        "agent": _to(_AGENT),
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }


def _shared(made: Mapping[str, Any]) -> list[Entity]:
    """Return what went into every run: national data, log, release file, earlier results."""
    inputs, vintage = made["inputs"], made["vintage"]
    tables = {name: told["sha256"] for name, told in vintage["tables"].items()}
    earlier = {f"results-of-{name}": hashed for name, hashed in inputs["earlier"].items()}
    return [
        *(
            _input(f"#input/{vintage['name']}/{name}", f"{name} of {vintage['name']}", hashed)
            for name, hashed in tables.items()
        ),
        *(
            _input(f"#input/{name}", name.replace("-of-", " of "), hashed)
            for name, hashed in {
                "log.csv": inputs["log.csv"],
                f"releases/{made['release']}.toml": inputs["release"],
                **earlier,
            }.items()
            if hashed is not None
        ),
        _value("#input/seed", "seed", made["seed"]),
    ]


def _input(place: str, name: str, hashed: str) -> Entity:
    about = "An input that the release does not hold, by the hash of its content."
    return {
        "@id": place,
        "@type": "CreativeWork",
        "name": name,
        "description": about,
        "sha256": hashed,
    }


def _value(place: str, name: str, value: Any) -> Entity:
    plain = isinstance(value, str | int | float)
    told = value if plain else json.dumps(value, ensure_ascii=False, default=str)
    return {"@id": place, "@type": "PropertyValue", "name": name, "value": told}


def _code(made: Mapping[str, Any]) -> list[Entity]:
    code = made["code"]
    version = code["commit"] or code["sha256"]
    program: Entity = {
        "@id": _CODE,
        "@type": "SoftwareApplication",
        "name": "jdl",
        "softwareVersion": f"{code['version']} ({version})",
        "sha256": code["sha256"],
    }
    notebooks = [
        {
            "@id": f"#{path}",
            "@type": "SoftwareSourceCode",
            "name": path,
            "description": "The notebook before it was run.",
            "version": version,
            "isPartOf": _to(_CODE),
            **({"sha256": code["files"][path]} if path in code["files"] else {}),
        }
        for path in _NOTEBOOKS.values()
    ]
    return [program, *notebooks]


def _named() -> list[Entity]:
    return [
        {"@id": _AGENT, "@type": "Organization", "name": "Justice Data Lab"},
        {"@id": _LICENCE, "@type": "CreativeWork", "name": "Open Government Licence, version 3.0"},
        {"@id": PROCESS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
    ]


def _to(place: str) -> dict[str, str]:
    return {"@id": place}
