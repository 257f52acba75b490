"""Who was in every report, kept in keyed hashes, and reports held against those before them."""

import json
import re
import stat
from dataclasses import replace

import pandas as pd
import pytest
from test_disclosure import _analysed

from jdl import cohorts, disclosure
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
    before = cohorts.told_before(place, release, _people(people))
    results = disclosure.clear_analyses(analysed, before=before.told)
    cohorts.record(place, before, release, name, analysed, results)
    folder = place.outputs / ".work" / release / name
    folder.mkdir(parents=True)
    (place.handed / cohorts.FILE).replace(folder / cohorts.FILE)
    told = results["headline"].effects["rate"].conclusion != "suppressed"
    result = json.dumps({"status": "reported", "told": told})
    published = place.outputs / release / "reports" / name
    published.mkdir(parents=True)
    for one in (folder, published):
        (one / "result.json").write_text(result)
    cohorts.keep(place.outputs / ".work" / release, place.restricted, release, [name])
    return told


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
    assert cohorts.told_before(place, "2014-03", _people(range(800, 900))).told == ()


def test_reports_are_reached_over_others_that_share_people(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-02", "second", range(200, 500))
    before = cohorts.told_before(place, "2014-03", _people(range(450, 600)))
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
    [told] = cohorts.read(file).told
    assert told.people == set(record["people"]) and told.counts["rate"] == (100, 200)


def test_only_those_of_an_analysis_are_its_members(place):
    people = [_analysed("headline", range(300)), _analysed("part", range(100, 300))]
    before = cohorts.told_before(place, "2014-01", _people(range(300)))
    results = disclosure.clear_analyses(people, before=before.told)
    cohorts.record(place, before, "2014-01", "first", people, results)
    record = cohorts.read(place.handed / cohorts.FILE)
    assert [len(one.people) for one in record.told] == [300, 200]
    assert record.told[1].people == {before.hashes[f"p{one}"] for one in range(100, 300)}


def test_a_large_request_with_many_analyses_is_a_small_record(place):
    groups = {"headline": range(5000)} | {f"part-{n}": range(n, 5000, 20) for n in range(19)}
    told = {
        name: disclosure.Published(frozenset(_people(people)), True, {"rate": (100, 100)})
        for name, people in groups.items()
    }
    before = cohorts.told_before(place, "2014-01", _people(range(5000)))
    packed = {
        name: cohorts._packed([before.hashes[who] for who in one.people], sorted(before.hashes))
        for name, one in told.items()
    }
    assert sum(map(len, packed.values())) < 20 * 900


def test_nothing_is_kept_or_compared_where_a_notebook_is_run_by_hand(place, tmp_path):
    alone = replace(place, handed=None, restricted=tmp_path / "nowhere")
    before = cohorts.told_before(alone, "2014-02", _people(range(300)))
    cohorts.record(alone, before, "2014-02", "second", [], {})
    assert before.told == () and not (tmp_path / "nowhere").exists()


def test_the_request_before_in_the_same_month_is_seen(place):
    _publish(place, "2014-01", "first", range(300))
    people = _people(range(303))
    assert cohorts.told_before(place, "2014-01", people).told == ()
    beside = cohorts.told_before(replace(place, beside=("first",)), "2014-01", people)
    assert len(beside.told) == 1 and beside.requests == {"first"}


def test_a_request_is_current_while_what_it_was_held_against_is(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-02", "second", range(250, 600))
    folder = place.outputs / ".work" / "2014-02" / "second"
    earlier = cohorts.earlier(place.restricted, "2014-02")
    assert cohorts.is_current(folder, earlier)
    assert not cohorts.is_current(folder, [])
    assert not cohorts.is_current(folder, [replace(earlier[0], digest="another")])
    stranger = replace(earlier[0], people=frozenset("x"), digest="another")
    assert cohorts.is_current(folder, [*earlier, stranger])
    assert cohorts.is_current(folder / "nobody", [])


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


def test_a_release_made_again_keeps_only_its_own_records(place):
    _publish(place, "2014-01", "first", range(300))
    _publish(place, "2014-01", "second", range(400, 700))
    assert sorted(path.name for path in (place.restricted / "cohorts" / "2014-01").iterdir()) == [
        "second.json"
    ]


def _sent(people, **changed):
    """An upload of these people after cleaning; some written otherwise."""
    rows = pd.DataFrame({"person": range(len(people))})
    names = [f"name {one}" for one in people]
    days = pd.to_datetime("1970-01-01") + pd.to_timedelta([*people], unit="D")
    return rows.assign(forename="a", surname=names, date_of_birth=days).assign(**changed)


def _near(place, people, found, **changed):
    """Whether a request of February comes near one of 300 people sent and 250 found in January."""
    before = cohorts.told_before(place, "2014-01", _people(range(250)), _sent_marks(place, 300))
    asked = [_analysed("headline", range(250))]
    results = disclosure.clear_analyses(asked)
    cohorts.record(place, before, "2014-01", "first", asked, results)
    work = place.outputs / ".work" / "2014-01" / "first"
    work.mkdir(parents=True)
    (place.handed / cohorts.FILE).replace(work / cohorts.FILE)
    (work / "result.json").write_text("{}")
    cohorts.keep(work.parent, place.restricted, "2014-01", ["first"])
    sent = cohorts.marks(place, _sent(people, **changed))
    return cohorts.told_before(place, "2014-02", _people(found), sent).near


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
    before = cohorts.told_before(place, "2014-01", _people(range(250)), _sent_marks(place, 300))
    cohorts.record(place, before, "2014-01", "first", [], {})
    folder = place.results / "first"
    folder.mkdir(parents=True)
    (place.handed / cohorts.FILE).replace(folder / cohorts.FILE)
    beside = replace(place, beside=("first",))
    sent = _sent_marks(place, 303)
    assert not cohorts.told_before(beside, "2014-01", _people(range(253)), sent).near


def test_a_record_of_an_older_form_cannot_be_compared_with(place):
    _publish(place, "2014-01", "first", range(300))
    file = place.restricted / "cohorts" / "2014-01" / "first.json"
    file.write_text(file.read_text().replace("jdl-cohorts-2", "jdl-cohorts-1"))
    assert cohorts.missing(place.outputs, place.restricted, "2014-02") == ["2014-01/first"]
