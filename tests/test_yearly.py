"""The yearly review: sums over what was published, sentences for every kind of year, same bytes."""

import datetime as dt
import json
import re
import shutil
from contextlib import nullcontext

import pandas as pd
import pytest

from jdl import charts, cli, disclosure, log, manifest, release, workers, yearly
from jdl.faults import Unusable
from jdl.release import Places, Refused, run_yearly
from jdl.workers import Done, News

HEADER = (
    "id,organisation,programme,sector,intervention_type,received,status,status_date,release,reason,"
    "extends,treatment_n,rate_difference,ci_low,ci_high,rate_result,frequency_result\n"
)
LOG = HEADER + (
    "alder,Org A,Alder,voluntary,arts,2013-05-10,published,2013-11-14,2013-11,,,80,-0.05,-0.2,0.1,"
    "inconclusive,inconclusive\n"
    "birch,Org B,Birch,private,mentoring,2013-08-01,published,2014-01-09,2014-01,,,600,-0.08,-0.12,"
    "-0.04,reduction,reduction\n"
    "cedar,Org C,Cedar,voluntary,mentoring,2013-10-01,published,2014-02-13,2014-02,,,,,,,,\n"
    "dogwood,Org D,Dogwood,voluntary,arts,2013-10-05,not processed,2013-12-01,2014-01,"
    "Fewer than 60 people were submitted,,,,,,,\n"
    "elder,Org E,Elder,public,arts,2013-12-01,withdrawn,2014-01-20,2014-02,,,,,,,,\n"
    "fir,Org F,Fir,voluntary,youth,2014-01-15,received,2014-01-15,,,,,,,,,\n"
)


def _funnel(*removed, start=100):
    rows = [{"step": 0, "reason": "submitted", "removed": 0, "remaining": start}]
    for step, (reason, many) in enumerate(removed, start=1):
        left = rows[-1]["remaining"] - many
        rows.append({"step": step, "reason": reason, "removed": many, "remaining": left})
    return rows


def _held(
    name, *removed, start=100, extends=(), told=None, treatment_n=None, detectable=0.1,
    release="2014-01",
):  # fmt: skip
    funnel = _funnel(*removed, start=start)
    rate = {"measure": "rate", "conclusion": "inconclusive", "detectable": detectable}
    size = funnel[-1]["remaining"] if treatment_n is None else treatment_n
    result = {
        "request": {"id": name, "programme": name.title(), "extends": list(extends)},
        "funnel": funnel,
        "analyses": [{"headline": True, "treatment_n": size, "measures": [rate]}],
    }
    return yearly.Held(release, result, told or {})


@pytest.fixture
def folder(tmp_path):
    """Return a requests folder with a log and no release file."""
    (tmp_path / "log.csv").write_text(LOG)
    return tmp_path


@pytest.fixture
def asked(folder):
    """Return the requests as they stood at February 2014."""
    read = log.read_log(folder)
    return yearly.requests_at(read, yearly.releases_to(folder, read, "2014-02"))


def _sized(*rows):
    frame = pd.DataFrame(rows, columns=["treatment_n", "conclusive", "detectable"])
    band = [max(edge for edge in (0, *yearly.BANDS) if edge <= n) for n in frame["treatment_n"]]
    names = [f"r{place}" for place in range(len(frame))]
    return frame.assign(id=names, programme=names, band=band)


# --- What is covered


def test_a_year_covers_every_finished_release_up_to_its_last(tmp_path):
    for name in ("2013-12", "2014-01", "2014-03", "2015-01", "yearly-2013"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").touch()
    (tmp_path / "2014-04").mkdir()
    assert yearly.finished_releases(tmp_path, 2014) == ("2013-12", "2014-01", "2014-03")
    assert yearly.finished_releases(tmp_path, 2012) == ()
    assert yearly.finished_releases(tmp_path, 2016) == ()


def test_the_counts_at_each_release_add_up(folder):
    read = log.read_log(folder)
    releases = yearly.releases_to(folder, read, "2014-02")
    assert [one.name for one in releases] == ["2013-11", "2014-01", "2014-02"]
    table = yearly.releases_table(read, releases)
    counts = [[cell.value for cell in row[1:]] for row in table.rows]
    assert counts == [[4, 0, 1, 0, 0, 3], [5, 1, 1, 1, 0, 2], [6, 2, 1, 1, 1, 1]]
    assert all(row[0] == sum(row[1:]) for row in counts)
    assert "second Thursday" in table.notes[1]


def test_a_request_has_its_outcome_month_and_wait(asked):
    told = asked.set_index("id")
    assert told["outcome"].to_dict() == {
        "alder": "reported", "birch": "reported", "cedar": "reported",
        "dogwood": "not processed", "elder": "withdrawn", "fir": "remaining",
    }  # fmt: skip
    assert told.loc["alder", "days"] == (dt.date(2013, 11, 14) - dt.date(2013, 5, 10)).days
    assert told.loc[["dogwood", "elder", "fir"], "days"].isna().all()


def test_months_without_a_request_are_shown_and_kinds_come_most_first(asked):
    months = yearly.outcomes_by(asked, "month")
    assert len(months) == 9
    assert months.sum().sum() == 6
    assert months.loc["2013-06-01"].sum() == 0
    assert list(yearly.outcomes_by(asked, "intervention_type").index) == [
        "arts", "mentoring", "youth",
    ]  # fmt: skip


def test_types_asked_for_equally_often_have_so_many_each(asked):
    told = [row[-1].text for row in yearly.quarters_table(asked).rows]
    assert told == ["Arts: 1", "Mentoring: 1", "Arts: 2", "Youth: 1"]
    one_more = asked.assign(intervention_type=asked["intervention_type"].mask(
        asked["id"] == "elder", "mentoring"))  # fmt: skip
    assert yearly.quarters_table(one_more).rows[2][-1].text == "Mentoring: 2"
    even = asked.assign(quarter=asked["quarter"].min())
    even = even.loc[even["id"].isin(("alder", "birch"))]
    assert yearly.quarters_table(even).rows[0][-1].text == "Arts and mentoring: 1 each"


def test_waits_are_summed_by_release_and_by_quarter(asked):
    by_quarter = yearly.waits_by(asked, "quarter")
    assert by_quarter["n"].tolist() == [1, 2]
    first = (dt.date(2014, 1, 9) - dt.date(2013, 8, 1)).days
    second = (dt.date(2014, 2, 13) - dt.date(2013, 10, 1)).days
    assert by_quarter.iloc[1].tolist() == [2, (first + second) / 2, second, first]
    table = yearly.waits_table(by_quarter, "quarter")
    assert table.rows[1][0].text == "January to March 2014"


# --- People


def test_sums_are_of_published_steps_and_small_reasons_join_the_others():
    lost = yearly.losses(
        [
            _held("a", ("not found", 20), ("listed twice", 4), ("other reasons", 10)),
            _held("b", ("not found", 12), ("listed twice", 3)),
        ]
    )
    assert lost.rows.to_numpy().tolist() == [
        [0, "submitted", 0, 200],
        [1, "not found", 32, 168],
        [2, "other reasons", 17, 151],
    ]
    assert lost.included == ("A", "B")


def test_nobody_counts_twice_and_a_broken_funnel_is_left_out_by_name():
    lost = yearly.losses(
        [
            _held("early", ("not found", 20)),
            _held("late", ("not found", 50), start=300, extends=["early"]),
            _held("torn", ("not found", 20), treatment_n=99),
            _held("below", ("not found", 101), treatment_n=-1),
        ]
    )
    assert lost.rows["remaining"].tolist() == [300, 250]
    assert dict(lost.left_out) == {
        "Early": "its people are counted with Late",
        "Torn": "its published steps do not lead to the number analysed",
        "Below": "its published steps do not lead to the number analysed",
    }


def test_a_re_analysis_that_does_not_add_up_counts_nobody():
    held = [_held("a", ("not found", 20)), _held("b", start=200, extends=["a"], treatment_n=3)]
    lost = yearly.losses(held)
    assert lost.included == ("A",)
    why = "its published steps do not lead to the number analysed"
    assert lost.left_out == (("B", why),)


def test_every_re_analysis_that_counts_the_people_is_named():
    held = [
        _held("a", extends=["a1", "a2"]),
        _held("b", extends=["a1"], release="2014-02"),
        _held("c", extends=["a2"], release="2014-02"),
        _held("d", extends=["b"], release="2014-03"),
    ]
    lost = yearly.losses(held)
    assert lost.included == ("C", "D")
    assert dict(lost.left_out) == {
        "A": "some of its people are counted with C and D",
        "B": "its people are counted with D",
    }


def test_reasons_join_the_others_until_these_are_enough():
    held = [_held("a", ("not found", 30), ("listed twice", 12), ("other reasons", 2))]
    rows = yearly.losses(held).rows
    assert rows[["reason", "removed"]].to_numpy().tolist()[1:] == [
        ["not found", 30], ["other reasons", 14],
    ]  # fmt: skip


def test_what_the_review_merges_or_rounds_is_noted():
    door = disclosure.Door()
    reasons = [("not found", 30), ("listed twice", 12), ("no index date", 4)]
    yearly.losses([_held("a", *reasons)], door)
    yearly.losses([_held("b", ("other reasons", 3))], door)
    assert {part: (one.decided, one.rule) for part, one in door.decided.items()} == {
        "losses.not-found": ("told", ""),
        "losses.listed-twice": ("merged", "merged"),
        "losses.no-index-date": ("merged", "merged"),
        "losses.other-reasons": ("rounded", "to five"),
    }


def test_few_people_lost_in_all_are_told_to_the_nearest_five():
    lost = yearly.losses([_held("a", ("not found", 4), ("listed twice", 2))])
    assert lost.rows[["reason", "removed"]].to_numpy().tolist()[1:] == [["other reasons", 5]]
    assert [yearly.nearest(many) for many in (0, 2, 3, 7, 8, 9, 10, 11)] == [
        0, 0, 5, 5, 10, 10, 10, 11,
    ]  # fmt: skip


def test_no_number_of_people_below_ten_is_told_whatever_the_reasons():
    for first in range(13):
        for second in range(13):
            removed = (("x", first), ("y", second), ("other reasons", 3))
            rows = yearly.losses([_held("a", *removed)]).rows
            assert not rows["removed"].iloc[1:].isin([1, 2, 3, 4, 6, 7, 8, 9]).any()


def _gains(lacking, gain, with_=(0.9, 1.0), without=(0.6, 0.7)):
    base = "gains.pnc-id-or-prison-number"
    told = {f"{base}.rows_lacking": (lacking, str(lacking)), f"{base}.gain": gain}
    for which, ends in (("with", with_), ("without", without)):
        told |= {f"{base}.{end}_{which}": (value, "") for end, value in zip(
            ("low", "high"), ends, strict=True)}  # fmt: skip
    return told


def test_what_was_lacking_is_a_sum_and_a_range():
    held = [
        _held("a", told=_gains(40, (10, "fewer than 10"))),
        _held("b", told=_gains(30, (15, "about 15"), without=(0.8, 0.9))),
        _held("c", told={"gains.pnc-id-or-prison-number.rows_lacking": (5, "5"),
                         "gains.pnc-id-or-prison-number.gain": None}),
        _held("d", told={"gains.surname.rows_lacking": (0, "0")}),
    ]  # fmt: skip
    lacked = yearly.lacking(held)
    row = lacked.to_dict("records")[0]
    assert len(lacked) == 1
    assert (row["reports"], row["rows_lacking"], row["rows"], row["told"]) == (3, 75, 300, 2)
    assert [row[name] for name in ("without_low", "without_high")] == [0.6, 0.9]
    [cells] = yearly.lacking_table(lacked).rows
    assert [getattr(cell, "text", cell) for cell in cells] == [
        "PNC ID or prison number", "3", "75", "25%", "90% to 100%", "60% to 90%", "About 15 to 25",
    ]  # fmt: skip


def test_what_no_report_tells_is_withheld():
    held = [_held("a", told={"gains.surname.rows_lacking": (4, "4"), "gains.surname.gain": None})]
    [cells] = yearly.lacking_table(yearly.lacking(held)).rows
    assert cells[4:] == ("[c]", "[c]", "[c]")
    assert cells[2].value == 5


# --- Size


def test_the_reach_is_as_published_or_follows_from_the_interval():
    every = pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "programme": ["A", "B", "C"],
            "treatment_n": pd.array([99, 100, None], dtype="Int64"),
            "rate_result": ["inconclusive", "reduction", "suppressed"],
            "ci_low": [-0.1, -0.0980, None],
            "ci_high": [0.1, -0.0196, None],
        }
    )
    sized = yearly.sizes(every, [_held("a", detectable=0.123)], significance=0.05)
    assert sized["band"].tolist() == [0, 100]
    assert sized["conclusive"].tolist() == [False, True]
    assert sized["detectable"].tolist() == pytest.approx([0.123, 0.02 * 2.8016], rel=1e-4)
    table = yearly.sizes_table(yearly.by_size(sized))
    assert [row[0].text for row in table.rows] == ["Fewer than 100", "100 to 199"]


def test_what_pooling_changed_is_told_where_both_are_known(asked):
    sized = _sized((100, False, 0.2), (300, True, 0.08)).assign(id=["birch", "cedar"])
    assert not yearly.pooled(asked, sized).items
    extended = asked.assign(extends=asked["extends"].where(asked["id"] != "cedar", "birch"))
    assert yearly.pooled(extended, sized).text == (
        "- Cedar includes the people of earlier requests. The most precise of those could find a "
        "true difference of 20 percentage points or more four times in five; the new analysis "
        "could find one of 8."
    )


# --- Method


def test_changes_of_method_are_dated_and_apart_from_code(tmp_path, folder):
    file = tmp_path / "CHANGELOG.md"
    file.write_text(
        "# Changelog\n\n## Unreleased\n\n### Methodology\n\n- Later.\n\n"
        "## [1.1.0] - 2014-01-20\n\n### Methodology\n\n#### Added\n\n- The `frequency` beside\n"
        "  the [rate](x.md).\n\n### Code\n\n- A command.\n\n## 1.0.0 - 2015-01-01\n\n"
        "### Methodology\n\n- Too late.\n"
    )
    changelog = yearly.methodology(file)
    assert [change.text for change in changelog] == [
        "Later.", "The frequency beside the rate.", "Too late.",
    ]  # fmt: skip
    releases = yearly.releases_to(folder, log.read_log(folder), "2014-02")
    [change] = yearly.changes(releases, changelog)
    assert (change.on, change.source) == (dt.date(2014, 1, 20), "Changelog, 1.1.0")
    assert yearly.changes_table([change]).rows[0][0].text == "20 January 2014"


def test_the_changelog_beside_the_package_is_found():
    assert yearly.methodology(yearly.CHANGELOG)


def test_an_installation_without_a_changelog_says_nothing(tmp_path):
    assert yearly.methodology(tmp_path / "none.md") == ()


def test_no_release_announces_a_new_method_that_its_fingerprint_denies():
    requests = manifest.ROOT / "requests"
    told = [log.read_release(requests, name).service_update for name in ("2014-02", "2014-03")]
    assert told == [
        "Requests that pool the people of earlier requests are now accepted.",
        "The data upload template now asks how people were referred and where the programme took "
        "place.",
    ]


# --- Sentences


def _lessons(asked, held=(), sized=None, lacked=()):
    told = yearly.lessons(
        asked,
        yearly.losses(held),
        _sized() if sized is None else sized,
        yearly.lacking(lacked),
        period_to=dt.date(2014, 1, 31),
    )
    return [item.text for item in told.items]


def test_the_lessons_of_a_year(asked):
    held = [_held("a", ("not found", 20)), _held("b", ("not found", 12), ("other reasons", 11))]
    sized = _sized(*[(50, False, 0.2)] * 3, *[(150, True, 0.12)] * 3, *[(600, True, 0.06)] * 4)
    assert _lessons(asked, held, sized, [_held("a", told=_gains(40, (10, "about 10")))]) == [
        "By 31 January 2014 the service had received 6 requests: 3 have a report, 1 could not be "
        "processed, 1 was withdrawn and 1 remained.",
        "Half of the reports were published within 161 days of the request; the quickest took 135 "
        "days and the slowest 188 days.",
        "Every reason on record for not processing a request was the same: fewer than 60 people "
        "were submitted.",
        "In the two requests whose numbers can be summed, 157 people were analysed, of 200 "
        "rows submitted (79%); the largest single reason named was “not found”, 32 rows.",
        "Size went with conclusions: 3 of 6 analyses of fewer than 200 people reached one, and 4 "
        "of 4 of that many or more.",
        "Small groups can only show large differences: with fewer than 100 people, an analysis "
        "could typically find a true difference of 20 percentage points or more, and with 500 to "
        "999, one of 6.",
        "40% of rows came without a PNC ID or prison number; where reports tell it, 60% to 70% of "
        "such people were found, and 90% to 100% of the others.",
    ]


def test_little_is_said_of_size_and_conclusions_where_analyses_are_few(asked):
    rows = [(50, False, 0.2)] * 6 + [(600, True, 0.06)] * 4
    told = [_lessons(asked, sized=_sized(*rows[first:])) for first in (0, 1)]
    assert ["Size went with conclusions" in " ".join(lines) for lines in told] == [True, False]
    drawn = [charts.sizes_chart(_sized(*rows[first:]), source="results") for first in (0, 1)]
    assert ["more often" in chart.title.text for chart in drawn] == [True, False]
    against = [(n, not reached, least) for n, reached, least in rows]
    assert "Size did not go with conclusions: 6 of 6" in " ".join(
        _lessons(asked, sized=_sized(*against))
    )


def test_the_lessons_of_a_year_with_one_of_each(asked):
    one = asked.loc[asked["id"] == "alder"]
    assert _lessons(one, [_held("a", ("other reasons", 30))]) == [
        "By 31 January 2014 the service had received 1 request: 1 has a report.",
        "The one report was published 188 days after the request.",
        "In the one request whose numbers can be summed, 70 people were analysed, of 100 rows "
        "submitted (70%).",
    ]


def test_the_lessons_of_a_year_in_which_nobody_asked(asked):
    assert _lessons(asked.iloc[:0]) == ["By 31 January 2014 the service had received no request."]


def test_reasons_that_tie_are_not_ranked(asked):
    failed = asked.assign(outcome="not processed", reason=list("aabbcd"))
    assert _lessons(failed)[2].endswith("the most frequent had 2 requests each.")
    failed = asked.assign(outcome="not processed", reason=list("aabccc"))
    assert _lessons(failed)[2] == (
        "The most frequent reason for not processing a request was: c (3 requests)."
    )


def test_who_still_waits_is_told(asked):
    on = dt.date(2014, 2, 13)
    assert yearly.waiting(asked, on).text == (
        "When the last release was published, 1 request was waiting, the oldest for 29 days."
    )
    closed = asked.loc[asked["outcome"] != "remaining"]
    assert "No request was waiting" in yearly.waiting(closed, on).text


def test_which_requests_are_summed_is_told():
    assert "No report" in yearly.summed_over(yearly.losses([])).text
    told = yearly.summed_over(yearly.losses([_held("a"), _held("b", treatment_n=3)])).text
    assert "Summed over one request: A." in told
    assert "B is left out: its published steps do not lead to the number analysed." in told


def test_numbers_in_names_are_figures(asked):
    held = [_held("route 66"), _held("year 2 of 3", treatment_n=3)]
    extended = asked.assign(
        extends=asked["extends"].where(asked["id"] != "cedar", "birch"),
        programme="Route 66",
    )
    sized = _sized((100, False, 0.2), (300, True, 0.08)).assign(id=["birch", "cedar"])
    summed = yearly.summed_over(yearly.losses(held))
    assert [one.text for one in summed.figures()][1:] == ["66", "2", "3"]
    assert next(iter(yearly.pooled(extended, sized).figures())).text == "66"


# --- Charts


def _drawn(asked, sized, lost):
    counts = {name: yearly.outcomes_by(asked, name) for name in ("month", "sector")}
    return [
        charts.months_chart(counts["month"], source="log"),
        charts.types_chart(yearly.outcomes_by(asked, "intervention_type"), source="log"),
        charts.sectors_chart(counts["sector"], source="log"),
        charts.waits_chart(yearly.waits_by(asked, "release"), source="log"),
        charts.losses_chart(lost, source="reports"),
        charts.sizes_chart(sized, source="results"),
        charts.reach_chart(sized, source="results"),
    ]


def test_every_chart_has_a_short_title_and_its_numbers(asked):
    sized = _sized(*[(50, False, 0.2), (150, True, 0.12), (600, True, 0.06)] * 4)
    drawn = _drawn(asked, sized, yearly.losses([_held("a", ("not found", 20))]))
    for chart in drawn:
        assert len(chart.title.text.split()) <= 10
        assert chart.table.rows
        assert len(re.findall(r"\d", chart.alt.text)) >= 3
        printed = re.sub(r"<tspan data-figure[^>]*>[^<]*</tspan>", "", chart.svg)
        assert "--" not in printed
    assert [chart.title.text for chart in drawn[5:]] == [
        "Larger analyses reached a conclusion more often",
        "Larger analyses could find smaller differences",
    ]


def test_one_name_stands_for_one_figure_on_the_whole_page(asked):
    sized = _sized((50, False, 0.2), (150, True, 0.12), (600, True, 0.06))
    lost = yearly.losses([_held("a", ("not found", 20))])
    told = yearly.lessons(asked, lost, sized, yearly.lacking([]), period_to=dt.date(2014, 1, 31))
    seen = {}
    for shown in [told, *_drawn(asked, sized, lost), yearly.sizes_table(yearly.by_size(sized))]:
        for one in shown.figures():
            assert seen.setdefault(one.id, one.record()) == one.record()


def test_extremes_can_be_drawn():
    sized = _sized((1, False, 0.99), (2_000_000, True, 0.0001))
    assert charts.reach_chart(sized, source="results").svg
    alone = charts.sizes_chart(_sized((1, False, 0.99)), source="results")
    assert alone.title.text == "0 of 1 analysis reached a conclusion"


def test_nothing_to_draw_draws_nothing(asked):
    none = asked.iloc[:0]
    assert _drawn(none, _sized(), yearly.losses([])) == [None] * 7


# --- The command


class Here:
    """A crew of nobody: this very process does the work."""

    def run(self, jobs, tell):
        outcomes = [workers._attempt(job, tell) for job in jobs]
        for outcome in outcomes:
            tell(News(outcome.name, "done" if isinstance(outcome, Done) else "failed", 1.0))
        return outcomes


@pytest.fixture
def places(tmp_path, vintage_200k, monkeypatch):
    """Return folders with two finished releases and nothing else."""
    made = Places(vintage_200k, tmp_path / "requests", tmp_path / "outputs")
    made.requests.mkdir()
    (made.requests / "log.csv").write_text(LOG)
    for month in ("2014-01", "2014-02"):
        report = made.outputs / month / "reports" / "cedar"
        report.mkdir(parents=True)
    vintage = {"name": vintage_200k.name}
    code = {"version": "0.1.0", "sha256": "c" * 64}
    result, told = _report()
    (report / "result.json").write_text(json.dumps(result))
    (report / "figures.json").write_text(json.dumps(told))
    for month in ("2014-01", "2014-02"):
        _finish(made.outputs / month, vintage=vintage, code=code)
    monkeypatch.setattr(release, "crew", lambda size: nullcontext(Here()))
    known = {**code, "commit": None, "changed_since": None, "files": {}}
    monkeypatch.setattr(manifest, "code", lambda: known)
    return made


def _finish(folder, **facts):
    """Write the manifest of a release, with what the one before it told of the software."""
    if not facts:
        facts = json.loads((folder / "manifest.json").read_text())
    content = {**facts, "files": manifest.file_hashes(folder)}
    (folder / "manifest.json").write_text(json.dumps(content))


def _report():
    about = {
        "id": "cedar", "release": "2014-02", "organisation": "Org C", "programme": "Cedar",
        "sector": "voluntary", "intervention_type": "mentoring", "extends": [],
    }  # fmt: skip
    rate = {
        "measure": "rate", "treatment_n": 250, "comparison_n": 5000, "treatment": 0.3,
        "comparison": 0.4, "difference": -0.1, "ci_low": -0.15, "ci_high": -0.05, "p_value": 0.001,
        "conclusion": "reduction", "detectable": 0.07,
    }  # fmt: skip
    funnel = _funnel(("not found", 50), start=300)
    analysis = {"headline": True, "treatment_n": 250, "measures": [rate]}
    result = {"request": about, "status": "reported", "funnel": funnel, "analyses": [analysis]}
    name = "gains.pnc-id-or-prison-number"
    told = [
        {"id": f"{name}.rows_lacking", "value": 90, "text": "90", "suppressed": False},
        {"id": f"{name}.gain", "value": None, "text": "[c]", "suppressed": True},
    ]
    return result, told


def _files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_year_is_made_whole_twice_the_same_and_kept(places):
    news = []
    summary = run_yearly("2014", places, tell=news.append)
    assert not summary.failures
    assert summary.look_at == places.outputs / "yearly-2014" / "yearly.html"
    made = _files(summary.look_at.parent)
    assert {
        "yearly.html", "tables.ods", "results.csv", "losses.csv", "codebook.csv", "notebook.ipynb",
        "figures.json", "manifest.json",
    } <= set(made)  # fmt: skip
    record = json.loads(made["manifest.json"])
    assert record["covers"] == ["2014-01", "2014-02"]
    assert set(record["files"]) == set(made) - {"manifest.json"}
    page = made["yearly.html"].decode()
    assert len(made["yearly.html"]) < 300_000
    assert "Synthetic demonstration" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)
    columns = {row[:2] for row in yearly.CODEBOOK}
    for file in ("results.csv", "losses.csv"):
        header = made[file].decode().splitlines()[0].split(",")
        assert {(file, name) for name in header} == {row for row in columns if row[0] == file}

    again = run_yearly("2014", places, tell=news.append)
    assert "already there, made from the same inputs" in again.lines[0]
    run_yearly("2014", places, again=True, tell=news.append)
    assert _files(summary.look_at.parent) == made
    assert not (places.outputs / ".work" / "yearly-2014").exists()

    (places.requests / "log.csv").write_text(LOG.replace("Org F", "Org G"))
    with pytest.raises(Refused, match="--replace"):
        run_yearly("2014", places, tell=news.append)
    assert _files(summary.look_at.parent) == made


def test_no_record_of_a_person_is_opened(places, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a record of a person was opened")

    for name in ("open_prepared", "prepare"):
        monkeypatch.setattr(release.prepare, name, refuse)
    monkeypatch.setattr(release.request, "pooled_upload", refuse)
    monkeypatch.setattr(release.request, "read_upload", refuse)
    shutil.rmtree(places.outputs / "2014-02" / "reports")
    _finish(places.outputs / "2014-02")
    opened = release.open_year("2014", places)
    assert opened.finished == ("2014-01", "2014-02")


def test_a_year_without_a_finished_release_is_refused(places):
    with pytest.raises(Refused, match="No release of 2015 is finished"):
        run_yearly("2015", places, tell=print)
    with pytest.raises(Unusable, match="four digits"):
        run_yearly("14", places, tell=print)
    assert not (places.outputs / ".work").exists()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda made: shutil.rmtree(made / "reports"), "reports/cedar/figures.json is missing"),
        (lambda made: (made / "reports/cedar/figures.json").unlink(), "figures.json is missing"),
        (lambda made: (made / "reports/cedar/result.json").write_text("{}"), "has been changed"),
        (lambda made: (made / "manifest.json").unlink(), "manifest.json cannot be read"),
        (lambda made: (made / "manifest.json").write_text("{"), "manifest.json cannot be read"),
        (lambda made: (made / "manifest.json").write_text("[]"), "manifest.json cannot be read"),
    ],
)
def test_a_release_that_is_not_as_it_was_finished_is_refused_by_name(places, harm, words):
    harm(places.outputs / "2014-02")
    with pytest.raises(Refused, match=f"The release 2014-02 is not as it was finished: .*{words}"):
        run_yearly("2014", places, tell=print)
    assert not (places.outputs / "yearly-2014").exists()


def test_every_fault_of_the_log_is_told_and_nothing_is_written(places):
    (places.requests / "log.csv").write_text(LOG.replace("2014-01-15,received", "soon,received"))
    with pytest.raises(Unusable):
        run_yearly("2014", places, tell=print)
    assert not (places.outputs / "yearly-2014").exists()


def test_a_failing_notebook_publishes_nothing(places, monkeypatch):
    def torn(*_):
        raise KeyError("Wilhelmina Canary")

    monkeypatch.setattr(release.render, "yearly_files", torn)
    summary = run_yearly("2014", places, tell=lambda news: None)
    assert [failure.name for failure in summary.failures] == ["yearly-2014"]
    assert "Canary" not in summary.failures[0].message
    assert not (places.outputs / "yearly-2014").exists()


def test_the_command_ends_as_the_others_do(places, monkeypatch, capsys):
    calls = []

    def stand_in(*arguments, tell, **options):
        calls.append((arguments, options))
        return release.Summary(places.outputs / "yearly-2014" / "yearly.html", ("a line",))

    monkeypatch.setattr(release, "run_yearly", stand_in)
    assert cli.main(["yearly", "2014", "--outputs", str(places.outputs), "--replace"]) == 0
    assert capsys.readouterr().out.startswith("a line\nDone. Look at ")
    assert calls[0][0][0] == "2014"
    assert calls[0][1] == {"again": True}
    monkeypatch.undo()
    assert cli.main(["yearly", "1999", "--outputs", str(places.outputs)]) == 1
    assert "No release of 1999 is finished" in capsys.readouterr().err
