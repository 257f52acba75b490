"""Who was in every report, kept in keyed hashes, and reports held against those before them."""

import json
import os
import re
import shutil
import stat
from dataclasses import replace

import pandas as pd
import pytest
from test_disclosure import _analysed

from jdl import cohorts, disclosure
from jdl.faults import Unusable
from jdl.national import Workplace


@pytest.fixture
def place(tmp_path):
    """A workplace with a key, as a release makes it."""
    outputs, handed = tmp_path / "outputs", tmp_path / "handed"
    handed.mkdir()
    cohorts.make_key(outputs / ".restricted")
    return Workplace(
        data=tmp_path, requests=tmp_path, results=outputs / ".work" / "2014-01", outputs=outputs,
        restricted=outputs / ".restricted", handed=handed,
    )  # fmt: skip


def _publish(place, release, name, people, **more):
    """Clear a request of these people as the notebook does, and put it into its release."""
    analysed = [_analysed("headline", people, **more)]
    before = cohorts.told_before(place, _people(people))
    results = disclosure.clear_analyses(analysed, before=before.told)
    cohorts.record(place, before, release, name, analysed, results)
    folder = place.outputs / ".work" / release / name
    folder.mkdir(parents=True, exist_ok=True)
    (place.handed / cohorts.FILE).replace(folder / cohorts.FILE)
    told = results["headline"].effects["rate"].conclusion != "suppressed"
    result = json.dumps({"status": "reported", "of": release, "told": told, "people": len(people)})
    published = place.outputs / release / "reports" / name
    published.mkdir(parents=True, exist_ok=True)
    for one in (folder, published):
        (one / "result.json").write_text(result)
    _appear(place, release, name)
    return told


def _appear(place, release, name):
    """Have a release of this one request appear."""
    made = place.outputs / release
    result = (made / "reports" / name / "result.json").read_text()
    (made / "manifest.json").write_text(json.dumps({"release": release, "of": result}))
    cohorts.lay_ready(place.outputs / ".work" / release, place.restricted, made, [name])
    cohorts.settle(place.outputs, place.restricted)


def _kept(place, release):
    """Name the records kept of a release."""
    return sorted(path.name for path in (place.restricted / "cohorts" / release).iterdir())


def _people(people):
    """Who these people are, by what they are called in a request."""
    return {f"p{one}": f"identifier {one}" for one in people}


def test_three_releases_one_after_the_other(place):
    """The second has three people more, the third enough more than the first and is told."""
    assert _publish(place, "2014-01", "first", range(300))
    assert not _publish(place, "2014-02", "second", range(303))
    assert _publish(place, "2014-03", "third", range(340))
    assert not _publish(place, "2014-04", "fourth", range(300, 346))


def test_the_same_people_are_told_again_by_another_method(place):
    assert _publish(place, "2014-01", "first", range(300))
    assert _publish(place, "2014-02", "first", range(300))


def test_a_sum_over_three_releases_is_found(place):
    """What the third leaves of the first two is six people."""
    assert _publish(place, "2014-01", "one", range(200))
    assert _publish(place, "2014-02", "other", range(200, 400))
    assert not _publish(place, "2014-03", "both", range(406))
    assert _publish(place, "2014-04", "exact", range(400))


def test_a_report_on_others_says_nothing_of_these(place):
    assert _publish(place, "2014-01", "first", range(300))
    assert _publish(place, "2014-02", "second", range(400, 700))
    assert cohorts.told_before(place, _people(range(800, 900))).told == ()


def test_reports_are_reached_over_others_that_share_people(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-02", "second", range(200, 500))
    before = cohorts.told_before(place, _people(range(450, 600)))
    assert [len(one.people) for one in before.told] == [300, 300]
    assert "p460" in before.told[1].people and "p210" not in before.told[1].people


def test_a_record_holds_no_identifier_and_no_outcome_of_a_person(place):
    _publish(place, "2014-01", "first", range(300))
    file = place.restricted / "cohorts" / "2014-01" / "first.json"
    record = json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((place.restricted / "cohorts" / ".key").stat().st_mode) == 0o600
    assert record["people"] == sorted(record["people"]) and len(set(record["people"])) == 300
    assert not re.search(r"identifier|\bp\d", file.read_text())
    assert set(record["told"]["headline"]) == {"members", "sized", "counts"}
    assert record["told"]["headline"]["counts"]["rate"] == [100, 200]
    [told] = cohorts.read(file).told.values()
    assert told.people == set(record["people"]) and told.counts["rate"] == (100, 200)


def test_only_those_of_an_analysis_are_its_members(place):
    people = [_analysed("headline", range(300)), _analysed("part", range(100, 300))]
    before = cohorts.told_before(place, _people(range(300)))
    results = disclosure.clear_analyses(people, before=before.told)
    cohorts.record(place, before, "2014-01", "first", people, results)
    record = cohorts.read(place.handed / cohorts.FILE)
    assert [len(one.people) for one in record.told.values()] == [300, 200]
    assert record.told["part"].people == {before.hashes[f"p{one}"] for one in range(100, 300)}


def test_a_large_request_with_many_analyses_is_a_small_record(place):
    groups = {"headline": range(5000)} | {f"part-{n}": range(n, 5000, 20) for n in range(19)}
    told = {
        name: disclosure.Published(frozenset(_people(people)), True, {"rate": (100, 100)})
        for name, people in groups.items()
    }
    before = cohorts.told_before(place, _people(range(5000)))
    everybody = sorted(before.hashes.values())
    for one in told.values():
        members = [before.hashes[who] for who in one.people]
        packed = cohorts._packed(members, everybody)
        assert cohorts._unpacked(packed, everybody) == set(members) and len(packed) < 900


def test_nothing_is_kept_or_compared_where_a_notebook_is_run_by_hand(place, tmp_path):
    alone = replace(place, handed=None, restricted=tmp_path / "nowhere")
    before = cohorts.told_before(alone, _people(range(300)))
    cohorts.record(alone, before, "2014-02", "second", [], {})
    assert before.told == () and not (tmp_path / "nowhere").exists()


def test_the_request_before_in_the_same_month_is_seen(place):
    _publish(place, "2014-01", "first", range(300))
    (place.restricted / "cohorts" / "2014-01" / "first.json").unlink()
    people = _people(range(303))
    assert cohorts.told_before(place, people).told == ()
    beside = cohorts.told_before(replace(place, beside=("first",)), people)
    assert len(beside.told) == 1 and beside.requests == {"first"}


def test_a_request_is_current_while_what_it_was_held_against_is(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-02", "second", range(250, 600))
    folder = place.outputs / ".work" / "2014-02" / "second"
    first, own = cohorts.kept(place.restricted)

    def current(*before):
        return cohorts.is_current(folder, place.restricted, before)

    assert current(first) and not current()
    assert not current(replace(first, digest="another"))
    assert current(first, replace(first, people=frozenset("x"), digest="another"))
    assert current(replace(first, digest="another"), own)
    assert cohorts.is_current(folder / "nobody", place.restricted, [])
    (place.restricted / "cohorts" / ".key").write_text("00" * 32)
    assert not current(first)


def test_reports_without_their_cohorts_are_named(place):
    _publish(place, "2014-01", "first", range(300))
    where = (place.outputs, place.restricted, "2014-02")
    assert cohorts.missing(*where) == []
    assert cohorts.missing(place.outputs, place.restricted, "2014-01") == []
    result = place.outputs / "2014-01" / "reports" / "first" / "result.json"
    result.write_text(result.read_text() + " ")
    assert cohorts.missing(*where) == ["2014-01/first"]
    result.write_text(result.read_text().strip())
    (place.restricted / "cohorts" / ".key").write_text("00" * 32)
    assert cohorts.missing(*where) == ["2014-01/first"]
    result.write_text('{"status": "not processed"}')
    assert cohorts.missing(*where) == []


def test_a_key_is_drawn_once(place):
    key = (place.restricted / "cohorts" / ".key").read_text()
    cohorts.make_key(place.restricted)
    assert (place.restricted / "cohorts" / ".key").read_text() == key


def test_a_version_that_was_replaced_is_kept_under_a_number(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-01", "second", range(400, 700))
    assert _kept(place, "2014-01") == ["first.1.json", "second.json"]
    _publish(place, "2014-01", "first", range(340))
    assert _kept(place, "2014-01") == ["first.1.json", "first.json", "second.1.json"]
    _publish(place, "2014-01", "first", range(400))
    told = [(one.request, len(one.people)) for one in cohorts.kept(place.restricted)]
    assert told == [("first", 300), ("first", 340), ("first", 400), ("second", 300)]


def test_a_correction_is_held_against_the_version_in_place_of_which_it_comes(place):
    assert _publish(place, "2014-01", "first", range(300))
    assert not _publish(place, "2014-01", "first", range(303))
    assert _publish(place, "2014-01", "first", range(300))
    assert _publish(place, "2014-01", "first", range(340))


def test_a_month_remade_after_a_later_one_is_held_against_that(place):
    assert _publish(place, "2014-01", "first", range(1000, 1300))
    assert _publish(place, "2014-02", "second", range(300))
    assert not _publish(place, "2014-01", "first", range(303))


def _beside(place, people, own):
    """How many people were in what each version of a report was held against, if it is known."""
    told = cohorts.told_before(place, _people(people), own=own).told
    sizes = [[len(it.people) for it in one.beside] for one in told if one.beside is not None]
    return sizes, len(told)


def test_a_version_of_a_report_is_known_with_what_it_was_held_against(place):
    """Reports of other requests are not, nor what was told since."""
    assert _publish(place, "2014-01", "first", range(300))
    assert _publish(place, "2014-02", "second", range(600))
    assert _publish(place, "2014-03", "third", range(400))
    assert _beside(place, range(600), own="second") == ([[300]], 3)
    assert _beside(place, range(300), own="first") == ([[]], 3)
    assert _beside(place, range(300), own="fourth") == ([], 3)


def test_a_version_whose_upload_was_another_is_not_told_again(place):
    assert _publish(place, "2014-01", "first", range(300))
    told = cohorts.told_before(
        place, _people(range(300)), _sent_marks(place, 300), own="first"
    ).told
    assert [one.beside for one in told] == [None]


def test_what_a_version_was_held_against_is_not_known_where_a_record_is_gone(place):
    assert _publish(place, "2014-01", "first", range(300))
    assert _publish(place, "2014-02", "second", range(600))
    (place.restricted / "cohorts" / "2014-01" / "first.json").unlink()
    assert _beside(place, range(600), own="second") == ([], 1)


def test_a_record_kept_before_it_named_what_it_was_held_against_counts_as_before(place):
    assert _publish(place, "2014-01", "first", range(300))
    file = place.restricted / "cohorts" / "2014-01" / "first.json"
    record = json.loads(file.read_text())
    del record["beside"], record["described"], record["seal"]
    key = cohorts.key_of(place.restricted)
    file.write_text(json.dumps(record | {"seal": cohorts.seal_of(key, record)}))
    assert _beside(place, range(300), own="first") == ([], 1)


def test_a_release_that_is_repeated_sees_what_it_saw_then(place, tmp_path):
    _publish(place, "2014-01", "first", range(300))
    then = cohorts.results(cohorts.kept(place.restricted))
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"inputs": {cohorts.TOLD: then}}))
    _publish(place, "2014-02", "second", range(200, 500))
    _publish(place, "2014-01", "first", range(340))
    people = _people(range(200, 400))
    assert [len(one.people) for one in cohorts.told_before(place, people).told] == [300, 340, 300]
    repeated = replace(place, repeats=manifest)
    assert [len(one.people) for one in cohorts.told_before(repeated, people).told] == [300]


def test_what_a_killed_run_left_half_written_is_not_read(place):
    _publish(place, "2014-01", "first", range(300))
    (place.restricted / "cohorts" / "2014-01" / ".first.json").write_text('{"half')
    assert cohorts.missing(place.outputs, place.restricted, "2014-02") == []
    assert not _publish(place, "2014-02", "second", range(303))


@pytest.mark.parametrize("appeared", [True, False])
def test_records_are_kept_of_a_release_that_has_appeared_and_of_no_other(place, appeared):
    """The process is killed between the last record and the release, or just after that."""
    _publish(place, "2014-01", "first", range(300))
    work, made = place.outputs / ".work" / "2014-01", place.outputs / "2014-01"
    shutil.rmtree(place.restricted / "cohorts" / "2014-01")
    cohorts.lay_ready(work, place.restricted, made, ["first"])
    assert not cohorts.is_settled(place.restricted) and cohorts.kept(place.restricted) == []
    if not appeared:
        (made / "manifest.json").write_text("another")
    cohorts.settle(place.outputs, place.restricted)
    assert cohorts.is_settled(place.restricted)
    assert len(cohorts.kept(place.restricted)) == int(appeared)


def test_keeping_goes_on_where_it_was_stopped(place, monkeypatch):
    _publish(place, "2014-01", "first", range(300))
    work, made = place.outputs / ".work" / "2014-01", place.outputs / "2014-01"
    cohorts.lay_ready(work, place.restricted, made, ["first"])
    with monkeypatch.context() as broken:
        broken.setattr(cohorts.shutil, "rmtree", lambda folder: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cohorts.settle(place.outputs, place.restricted)
    cohorts.settle(place.outputs, place.restricted)
    assert _kept(place, "2014-01") == ["first.json"]


def _empty(record):
    record["told"] = {}


def _cut(record):
    record["told"]["headline"]["members"] = ""


def _without(record):
    del record["people"]


@pytest.mark.parametrize("change", [_empty, _cut, _without, None])
def test_a_record_that_is_not_as_it_was_kept_is_named_and_not_read(place, change):
    _publish(place, "2014-01", "first", range(300))
    file = place.restricted / "cohorts" / "2014-01" / "first.json"
    record = json.loads(file.read_text())
    if change:
        change(record)
    file.write_text(json.dumps(record if change else [record]))
    assert cohorts.kept(place.restricted) == []
    assert cohorts.missing(place.outputs, place.restricted, "2014-02") == ["2014-01/first"]


def test_a_torn_record_of_a_version_replaced_stops_every_month(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-01", "first", range(340))
    (place.restricted / "cohorts" / "2014-01" / "first.1.json").write_text("[]")
    for month in ("2014-01", "2014-02"):
        assert cohorts.missing(place.outputs, place.restricted, month) == ["2014-01/first.1"]


def test_members_are_one_bit_a_person(place):
    with pytest.raises(ValueError, match="one bit a person"):
        cohorts._unpacked("", ["a"])


def test_later_months_without_their_cohorts_are_named_unless_all_is_made_again(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-02", "second", range(400, 700))
    where = (place.outputs, place.restricted)
    (place.restricted / "cohorts" / "2014-02" / "second.json").unlink()
    assert cohorts.missing(*where, "2014-01") == ["2014-02/second"]
    assert cohorts.missing(*where, "2014-02") == []
    (place.restricted / "cohorts" / "2014-01" / "first.json").unlink()
    assert cohorts.missing(*where, "2014-01") == []
    assert cohorts.missing(*where, "2014-02") == ["2014-01/first"]


def test_a_result_of_an_earlier_month_that_cannot_be_read_is_named(place):
    _publish(place, "2014-01", "first", range(300))
    (place.outputs / "2014-01" / "reports" / "first" / "result.json").write_text('{"sta')
    assert cohorts.missing(place.outputs, place.restricted, "2014-02") == ["2014-01/first"]


@pytest.mark.parametrize("key", ["", "ab", "zz" * 32, "00" * 33, "\n" + "00" * 32])
def test_a_key_that_is_not_whole_is_refused(place, key):
    (place.restricted / "cohorts" / ".key").write_text(key)
    for use in (
        lambda: cohorts.make_key(place.restricted),
        lambda: cohorts.told_before(place, _people(range(3))),
    ):
        with pytest.raises(Unusable, match=r"64 hexadecimal digits.*Restore the folder"):
            use()


def test_a_key_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda number: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            cohorts.make_key(tmp_path)
    assert not (tmp_path / "cohorts" / ".key").exists()
    cohorts.make_key(tmp_path)
    assert len((tmp_path / "cohorts" / ".key").read_text()) == 65


def _sent(people, **changed):
    """An upload of these people after cleaning; some written otherwise."""
    rows = pd.DataFrame({"person": range(len(people))})
    names = [f"name {one}" for one in people]
    days = pd.to_datetime("1970-01-01") + pd.to_timedelta([*people], unit="D")
    return rows.assign(forename="a", surname=names, date_of_birth=days).assign(**changed)


def _near(place, people, found, **changed):
    """Whether a request of February comes near one of 300 people sent and 250 found in January."""
    before = cohorts.told_before(place, _people(range(250)), _sent_marks(place, 300))
    asked = [_analysed("headline", range(250))]
    results = disclosure.clear_analyses(asked)
    cohorts.record(place, before, "2014-01", "first", asked, results)
    for folder in (".work/2014-01/first", "2014-01/reports/first"):
        (place.outputs / folder).mkdir(parents=True)
        (place.outputs / folder / "result.json").write_text("{}")
    (place.handed / cohorts.FILE).replace(place.results / "first" / cohorts.FILE)
    _appear(place, "2014-01", "first")
    sent = cohorts.marks(place, _sent(people, **changed))
    assert not cohorts.told_before(place, _people(found), sent, own="first").near
    return cohorts.told_before(place, _people(found), sent).near


def _sent_marks(place, many):
    return cohorts.marks(place, _sent(range(many)))


@pytest.mark.parametrize(
    ("sent", "found", "near"),
    [
        (range(303), range(250), True),
        (range(303), range(251), True),
        (range(303), range(100, 350), True),
        (range(300), range(250), False),
        (range(300), range(253), True),
        (range(330), range(253), True),
        (range(309), range(270), True),
        (range(310), range(260), False),
        (range(400, 700), range(400, 650), False),
        (range(5, 305), range(5, 255), False),
    ],
)
def test_those_sent_or_found_who_differ_by_few_come_near(place, sent, found, near):
    """Even where all who were added were lost: that they were would be told."""
    assert _near(place, sent, found) is near


def test_people_written_otherwise_are_no_others(place):
    """A spelling of forty names, and three people more."""
    names = [f"name {one}{'e' * (one < 40)}" for one in range(303)]
    assert _near(place, range(303), range(250), surname=names)


def test_a_report_that_told_nothing_is_none_to_come_near(place):
    before = cohorts.told_before(place, _people(range(250)), _sent_marks(place, 300))
    cohorts.record(place, before, "2014-01", "first", [], {})
    folder = place.results / "first"
    folder.mkdir(parents=True)
    (place.handed / cohorts.FILE).replace(folder / cohorts.FILE)
    beside = replace(place, beside=("first",))
    sent = _sent_marks(place, 303)
    assert not cohorts.told_before(beside, _people(range(253)), sent).near


def test_a_record_of_an_older_form_cannot_be_compared_with(place):
    _publish(place, "2014-01", "first", range(300))
    file = place.restricted / "cohorts" / "2014-01" / "first.json"
    file.write_text(file.read_text().replace("jdl-cohorts-3", "jdl-cohorts-1"))
    assert cohorts.missing(place.outputs, place.restricted, "2014-02") == ["2014-01/first"]
