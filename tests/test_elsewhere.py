"""Who is known from other requests is found once, and the same with records and without."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from request_files import write_request

from jdl import (
    cells,
    cohorts,
    elsewhere,
    forms,
    linkage,
    national,
    prepare,
    pseudonyms,
    request,
    upload,
)

ASKED = "family-matters-pooled"
MONTH = "2014-03"
PASSES = list(linkage.PASSES)


@pytest.fixture
def place(synthetic_out: Path, outputs: Path, tmp_path: Path) -> SimpleNamespace:
    """Return a folder of requests that may be changed, and an empty restricted one with a key."""
    del outputs  # its releases have prepared the vintage
    shutil.copytree(synthetic_out / "requests", tmp_path / "requests")
    cohorts.make_key(tmp_path / "restricted")
    return SimpleNamespace(requests=tmp_path / "requests", restricted=tmp_path / "restricted")


@pytest.fixture(scope="module")
def ready(vintage_200k: Path, outputs: Path) -> prepare.Prepared:
    del outputs
    return prepare.open_prepared(national.open_vintage(vintage_200k))


def known(place, ready, passes=PASSES):
    asked = request.read_request(place.requests / ASKED)
    return elsewhere.known(place, asked, ready, passes)


def kept(place, ready, ways=(PASSES,)):
    uploads = request.usable(place.requests, MONTH)
    return elsewhere.keep(place.restricted, uploads, ready, ways)


def files(place):
    return {file.name for file in (place.restricted / elsewhere.NAME).glob("*.json")}


def everybody(ready):
    with ready.vintage.connect() as con:
        ids = con.execute("SELECT offender_id FROM offenders ORDER BY offender_id").fetchall()
    return [row[0] for row in ids]


def nobody(*asked):
    assert asked[0] == [], "the people were found again"
    return []


def test_the_same_people_are_known_with_records_and_without(place, ready, monkeypatch):
    by_hand = known(place, ready)
    asked = request.read_request(place.requests / ASKED)
    others = request.people_of_others(asked, place.requests)
    uploads = [part for _, part in others.groupby("source")]
    people = {one for found in linkage.recognised(uploads, ready.register) for one in found}
    [together] = linkage.recognised([others], ready.register)
    assert people == set(together)
    key = cohorts.key_of(place.restricted).hex()
    assert by_hand.marks == {pseudonyms.mark(key, one) for one in people}
    assert len(by_hand.marks) == len(people) > 1000
    marks = kept(place, ready)
    assert marks.keys() == {one.id for one in request.usable(place.requests, MONTH)}
    monkeypatch.setattr(linkage, "recognised", nobody)
    assert known(place, ready) == by_hand
    assert kept(place, ready) == marks
    (place.restricted / cohorts.NAME / ".key").unlink()
    monkeypatch.undo()
    assert len(known(place, ready).marks) == len(people)


def test_marked_people_are_found_again_among_those_met(place, ready):
    marked = known(place, ready)
    asked = request.read_request(place.requests / ASKED)
    people = request.took_part(request.others(asked, place.requests)[0])
    [theirs] = linkage.recognised([people], ready.register)
    strangers = [
        one for one in everybody(ready) if pseudonyms.mark(marked.key, one) not in marked.marks
    ]
    pseudonyms.begin(ready.con)
    met = pseudonyms.of_people(ready.con, pd.Series([*theirs, *strangers[:50]]))
    assert sorted(pseudonyms.of_marked(ready.con, marked)) == sorted(met[: len(theirs)])
    assert marked.key not in repr(marked)


def test_a_record_is_made_anew_when_anything_it_was_made_from_has_changed(place, ready):
    first = kept(place, ready)
    before = files(place)
    sent = place.requests / "green-shoots" / "upload.xlsx"
    (sent.parent / "request.toml").write_text(
        (sent.parent / "request.toml").read_text() + "# looked through\n"
    )
    kept(place, ready)
    after = files(place)
    assert len(before - after) == len(after - before) == 1
    sent.unlink()
    marks = kept(place, ready)
    assert marks == {**first, "green-shoots": frozenset()}
    shutil.rmtree(sent.parent)
    assert kept(place, ready).keys() == first.keys() - {"green-shoots"}
    assert len(files(place)) == len(before) - 1
    fewer = kept(place, ready, [PASSES[:2]])
    assert files(place).isdisjoint(before)
    assert len(fewer["harbour-mentoring"]) < len(first["harbour-mentoring"])


def test_a_record_that_is_not_as_it_was_kept_counts_for_nothing(place, ready):
    first, by_hand = kept(place, ready), known(place, ready)
    torn, forged = sorted((place.restricted / elsewhere.NAME).glob("*.json"))[:2]
    torn.write_bytes(torn.read_bytes()[:-9])
    forged.write_text(json.dumps({**json.loads(forged.read_text()), "people": ["0" * 32]}))
    assert known(place, ready) == by_hand
    assert kept(place, ready) == first
    assert "0" * 32 not in forged.read_text()


def test_records_of_two_uploads_cannot_change_places(tmp_path, monkeypatch):
    cohorts.make_key(tmp_path)
    asked = [SimpleNamespace(id=name, folder=tmp_path / name) for name in ("one", "other")]
    for one in asked:
        one.folder.mkdir()
        (one.folder / "request.toml").write_text(one.id)
    ready = SimpleNamespace(record={"definitions": ""}, hash="", register=None)
    monkeypatch.setattr(request, "took_part", lambda one, **_: [one.id])
    monkeypatch.setattr(linkage, "recognised", lambda sent, *_: sent)
    first = elsewhere.keep(tmp_path, asked, ready, [PASSES])
    assert first["one"] != first["other"]
    one, other = (tmp_path / elsewhere.NAME).glob("*.json")
    one.rename(tmp_path / "aside")
    other.rename(one)
    (tmp_path / "aside").rename(other)
    assert elsewhere.keep(tmp_path, asked, ready, [PASSES]) == first


def made(folder: Path) -> request.Request:
    return request.read_request(write_request(folder, upload="reference"))


def some_records(folder: Path) -> elsewhere._Records:
    ready = SimpleNamespace(record={}, hash="prepared")
    return elsewhere._Records(folder, b"key", ready, PASSES)


@pytest.mark.parametrize("module", [cells, forms, upload, request])
def test_a_record_is_of_the_code_that_reads_uploads(tmp_path: Path, monkeypatch, module):
    asked, records = made(tmp_path / "one"), some_records(tmp_path)
    before, read = records.file(asked), Path.read_bytes

    def changed(file: Path) -> bytes:
        return read(file) + b"#" * (file == Path(module.__file__))

    monkeypatch.setattr(Path, "read_bytes", changed)
    assert records.file(asked) != before


def test_a_link_to_nowhere_is_no_upload(tmp_path: Path):
    asked, records = made(tmp_path / "one"), some_records(tmp_path)
    before = records.file(asked)
    (asked.folder / "upload.old").symlink_to(tmp_path / "nowhere")
    assert records.file(asked) == before


def test_records_are_restricted_and_name_nobody(place, ready):
    kept(place, ready)
    folder = place.restricted / elsewhere.NAME
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    ids = everybody(ready)
    for file in folder.glob("*.json"):
        content = json.loads(file.read_text())
        assert content.keys() == {"people", "seal"}
        assert set(ids).isdisjoint(content["people"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_nobody_without_a_sign_off_is_looked_for(place, ready):
    assert "open-door" not in kept(place, ready)


@pytest.mark.parametrize(
    ("people", "first"),
    [
        ({"a": "p", "b": "q", "c": "r"}, {"a": "", "b": "", "c": ""}),
        ({"b": "p", "a": "pq", "c": "q"}, {"a": "", "b": "a", "c": "ab"}),
        ({"a": "p", "b": "q", "c": "pq", "d": "q"}, {"a": "", "b": "", "c": "ab", "d": "abc"}),
        ({"a": "p", "b": "pq", "c": "r", "d": "q", "e": "s"}, {"b": "a", "d": "ab"}),
        ({"a": "", "b": ""}, {"a": "", "b": ""}),
    ],
)
def test_a_request_follows_those_that_share_people_also_by_way_of_others(people, first):
    found = elsewhere.order({name: frozenset(marks) for name, marks in people.items()})
    assert found == {name: set(first.get(name, "")) for name in people}
