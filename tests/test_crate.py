"""A release as a research object crate, held to what the specifications say it must be.

RO-Crate 1.1, sections 'RO-Crate JSON-LD', 'Root Data Entity' and 'Data Entities'; Process Run Crate
0.5, 'Requirements'.
"""

import json
from copy import deepcopy

import pytest

from jdl import crate, manifest

CODE = {"version": "0.1.0", "sha256": "c" * 64, "commit": "d" * 40, "files": {}}
MADE = {
    "schema": manifest.SCHEMA,
    "release": "2014-03",
    "published_at": "2014-03-13T09:30:00",
    "inputs": {
        "requests": {"harbour": {"request.toml": "1" * 64, "earlier uploads": "2" * 64}},
        "log.csv": None,
        "release": "3" * 64,
        "earlier": {"2014-02": "4" * 64},
    },
    "vintage": {"name": "tiny", "synthetic": True, "tables": {"offences": {"sha256": "5" * 64}}},
    "code": CODE,
    "environment": {},
    "parameters": {"requests": {"harbour": {"request_id": "harbour", "specifications": ["a", 1]}}},
    "seed": 7,
    "files": {
        "index.html": "6" * 64,
        "bulletin/results.csv": "7" * 64,
        "reports/harbour/result.json": "8" * 64,
        "reports/harbour/facts.html": "9" * 64,
    },
}


def described(made=MADE):
    return json.loads(manifest.records(made)[crate.FILE])


def broken(metadata, files):
    """Return what of the specifications' MUSTs the metadata of a crate of these files breaks."""
    graph = metadata["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    return [*_not_json_ld(metadata, entities), *_no_crate(entities, files), *_no_process(entities)]


def _not_json_ld(metadata, entities):
    if len(entities) < len(metadata["@graph"]):
        yield "an @id stands for two entities"
    if not all("@type" in entity for entity in entities.values()):
        yield "an entity lacks its @type"
    if metadata["@context"][0] != f"{crate.CRATE}/context":
        yield "the context is not that of RO-Crate 1.1"
    values = [value for entity in entities.values() for value in entity.values()]
    listed = [one for value in values for one in (value if isinstance(value, list) else [value])]
    linked = [one for one in listed if isinstance(one, dict)]
    if any(set(one) != {"@id"} for one in linked):
        yield "the graph is not flat"
    if dangling := {one.get("@id") for one in linked} - {*entities, crate.CRATE}:
        yield f"nothing is said of {dangling}"


def _no_crate(entities, files):
    about = {"@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": crate.CRATE}}
    if entities.get("ro-crate-metadata.json") != {"@id": "ro-crate-metadata.json", **about}:
        yield "the descriptor is not one"
    root = entities.get("./", {})
    needed = {"name", "description", "datePublished", "license"}
    if root.get("@type") != "Dataset" or not needed <= set(root):
        yield "the root lacks what it must have"
    held = {name for name, entity in entities.items() if entity["@type"] == "File"}
    if held - files:
        yield f"not in the crate: {held - files}"
    if {one["@id"] for one in root.get("hasPart", [])} != held:
        yield "a file is no part of the root"


def _no_process(entities):
    root = entities.get("./", {})
    runs = {name: one for name, one in entities.items() if one["@type"] == "CreateAction"}
    software = ("SoftwareApplication", "SoftwareSourceCode")
    for name, run in runs.items():
        if entities.get(run["instrument"]["@id"], {}).get("@type") not in software:
            yield f"{name} was run by nothing"
        if not (run["object"] and run["result"]):
            yield f"{name} has no input or no result"
    if {one["@id"] for one in root.get("mentions", [])} != set(runs):
        yield "a run is not mentioned by the root"
    if root.get("conformsTo") != {"@id": crate.PROCESS} or not runs:
        yield "it is no Process Run Crate"


FILES = {*MADE["files"], "manifest.json", "reports/harbour/manifest.json"}


def test_a_crate_is_what_the_specifications_say():
    assert broken(described(), FILES) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph[0].pop("conformsTo"),
        lambda graph: graph[1].pop("license"),
        lambda graph: graph[1].update(author={"@id": "#nobody"}),
        lambda graph: graph[1]["hasPart"].pop(),
        lambda graph: graph.append({"@id": "lost.html", "@type": "File"}),
        lambda graph: graph.append(graph[2]),
        lambda graph: graph[1].update(publisher={"@type": "Organization", "name": "nested"}),
        lambda graph: graph[1]["mentions"].pop(),
    ],
)
def test_what_is_no_crate_is_found(change):
    metadata = described()
    change(metadata["@graph"])
    assert broken(metadata, FILES)


def test_a_run_names_its_notebook_parameters_inputs_and_files():
    entities = {entity["@id"]: entity for entity in described()["@graph"]}
    run = entities["#run/harbour"]
    given = [entities[one["@id"]] for one in run["object"]]
    values = {one["name"]: one["value"] for one in given if one["@type"] == "PropertyValue"}
    assert values == {"request_id": "harbour", "specifications": '["a", 1]', "seed": 7}
    hashes = {one["name"]: one["sha256"] for one in given if one["@type"] == "CreativeWork"}
    assert hashes == {
        "request.toml of harbour": "1" * 64,
        "earlier uploads of harbour": "2" * 64,
        "offences of tiny": "5" * 64,
        "releases/2014-03.toml": "3" * 64,
        "results of 2014-02": "4" * 64,
    }
    assert [one["@id"] for one in run["result"]] == [
        "reports/harbour/manifest.json",
        "reports/harbour/result.json",
    ]
    assert entities[run["instrument"]["@id"]]["version"] == CODE["commit"]
    assert entities["index.html"]["sha256"] == "6" * 64


def test_nothing_of_a_page_for_the_provider_is_told():
    assert "facts.html" not in json.dumps(described())
    assert "9" * 64 not in json.dumps(described())


def test_the_records_follow_from_the_manifest_whether_or_not_it_lists_them():
    made = deepcopy(MADE)
    made["files"] |= {crate.FILE: "a" * 64, "reports/harbour/manifest.json": "b" * 64}
    assert manifest.records(made) == manifest.records(MADE)


def test_the_crates_of_three_months_describe_every_public_file(outputs):
    folders = list(outputs.glob("2014-*"))
    for folder in folders:
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
        metadata = json.loads((folder / crate.FILE).read_text())
        assert broken(metadata, files) == []
        told = {one["@id"] for one in metadata["@graph"] if one["@type"] == "File"}
        unsaid = {name for name in files - told if not name.endswith("/facts.html")}
        assert unsaid == {"run.json", crate.FILE}
    assert len(folders) == 3
