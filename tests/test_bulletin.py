"""The bulletin: the service's published history, corrections, the pooled view in words."""

import datetime as dt
import json
import re
from itertools import pairwise

import pandas as pd
import pytest
import sample_notebooks as sample
from test_charts import hold_chart

from jdl import bulletin, history, log, render, tables
from jdl.charts import pooled_chart
from jdl.charts.drawing import BLUE, GREY, ORANGE
from jdl.effects import MEASURES
from jdl.national import code_list
from jdl.pooled import Pooled, Synthesis

# --- The published history -----------------------------------------------------------------------

# Month of release, requests received, reports completed; None where no number was published.
PUBLISHED = (
    ("2013-10", 52, None),
    ("2013-11", 58, 30),
    ("2013-12", 65, 36),
    ("2014-01", 73, 46),
    ("2014-02", None, 55),
    ("2014-03", 80, 57),
    ("2014-05", 87, None),
)
NOT_PROCESSED = {"2014-01": 11, "2014-03": 12}
WITHDRAWN = {"2014-01": 1}
HEADER = "id,organisation,programme,sector,intervention_type,received,status,status_date,release"


def months_of(known, place):
    """The month in which each request is counted first, as many as the totals say."""
    told = [(row[0], row[place]) for row in known if row[place] is not None]
    before = (0, *(total for _, total in told))
    return [
        month
        for (month, total), earlier in zip(told, before, strict=False)
        for _ in range(total - earlier)
    ]


def day_before(month):
    """The last day of the period that a month's release covers."""
    return dt.date.fromisoformat(f"{month}-01") - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The log of a service with the counts that were published, month by month."""
    received = months_of(PUBLISHED, 1)
    ends = [("published", month) for month in months_of(PUBLISHED, 2)]
    totals = [("2014-01", 0, 11), ("2014-03", 0, 12)]
    ends += [("not processed", month) for month in months_of(totals, 2)]
    ends += [("withdrawn", "2014-01")]
    rows = []
    for place, month in enumerate(received):
        status, release = ends[place] if place < len(ends) else ("received", "")
        day = day_before(month)
        rows.append(f"r{place},Org,Prog,voluntary,arts,{day},{status},{day},{release}")
    folder = tmp_path_factory.mktemp("requests")
    (folder / "log.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return folder


@pytest.mark.parametrize(("month", "received", "complete"), PUBLISHED)
def test_the_log_gives_the_counts_that_each_month_published(service, month, received, complete):
    counts = log.counts_at(log.read_log(service), log.read_release(service, month))
    if received is not None:
        assert counts["received"] == received
    if complete is not None:
        assert counts["published"] + counts["ready"] == complete
    if month in NOT_PROCESSED:
        assert (counts["not_processed"], counts["withdrawn"]) == (NOT_PROCESSED[month], 1)
    assert len(bulletin.main_findings(counts).items) == 2


def test_published_before_is_what_the_month_before_completed(service):
    requests = log.read_log(service)
    months = ["2013-11", "2013-12", "2014-01", "2014-02", "2014-03"]
    for earlier, later in pairwise(log.read_release(service, month) for month in months):
        before, after = (log.counts_at(requests, release) for release in (earlier, later))
        assert after["published"] == before["published"] + before["ready"]


FINDINGS = (
    "To date, the Justice Data Lab has received {received} requests for re-offending information, "
    "including {before} reports which have already been published. A further {ready} are now "
    "complete and ready for publication, bringing the total of completed reports to {complete}.",
    "To date, there have been {failed} requests that could not be processed as the minimum "
    "criteria for analyses through the Data Lab had not been met, and one further request that was "
    "withdrawn by the submitting organisation. The remaining requests will be published in future "
    "monthly releases of these statistics.",
)


@pytest.mark.parametrize(
    ("month", "numbers"),
    [
        ("2014-01", {"received": 73, "before": 36, "ready": 10, "complete": 46, "failed": 11}),
        ("2014-03", {"received": 80, "before": 55, "ready": 2, "complete": 57, "failed": 12}),
    ],
)
def test_a_log_with_a_months_counts_prints_its_findings_word_for_word(service, month, numbers):
    counts = log.counts_at(log.read_log(service), log.read_release(service, month))
    told = [item.text for item in bulletin.main_findings(counts).items]
    assert told == [sentence.format(**numbers) for sentence in FINDINGS]
    shown = tables.reconciliation(counts)
    parts = {row[0]: row[1].value for row in shown.rows}
    complete = parts.pop("Reports completed")
    assert parts.pop("Requests received") == sum(parts.values()) == numbers["received"]
    assert complete == numbers["complete"]


def test_the_outcomes_of_september_2015_and_what_chance_would_give(tmp_path):
    rates = ["reduction"] * 37 + ["inconclusive"] * 90 + ["increase"] * 7
    fewer = ["inconclusive"] * 37 + ["reduction"] * 11 + ["inconclusive"] * 86
    rows = [
        f"r{place},Org,Prog,voluntary,arts,2014-01-01,published,2014-01-01,2015-08,{rate},{less}"
        for place, (rate, less) in enumerate(zip(rates, fewer, strict=True))
    ]
    header = f"{HEADER},rate_result,frequency_result"
    (tmp_path / "log.csv").write_text("\n".join([header, *rows]) + "\n")
    requests, release = log.read_log(tmp_path), log.read_release(tmp_path, "2015-09")
    told = history.to_date([], tmp_path, requests, "2015-09")
    every = bulletin.completed(log.status_at(requests, release), told)
    outcomes = bulletin.outcomes_to_date(every)
    shown = {figure.id.rpartition("bulletin.outcomes.")[2]: figure for figure in outcomes.figures()}
    assert [shown[name].value for name in ("total", "reduction", "inconclusive")] == [134, 37, 90]
    assert shown["inconclusive.frequency_reduction"].value == 11
    assert shown["increase.opening"].value == 7
    assert shown["by_chance"].value == pytest.approx(134 * 0.025)
    assert "about 3 of 134 analyses would be expected to give a significant" in outcomes.text


@pytest.mark.parametrize(
    ("many", "text"),
    [(1, "fewer than one"), (20, "fewer than one"), (39, "fewer than one"), (40, "about 1"),
     (51, "about 1"), (59, "about 1"), (60, "about 2"), (134, "about 3")],
)  # fmt: skip
def test_what_chance_would_give_is_never_called_one_where_it_is_less(many, text):
    every = pd.DataFrame({"rate_result": ["inconclusive"] * many, "frequency_result": None})
    assert f"any effect, {text} of {many} anal" in bulletin.outcomes_to_date(every).text


# --- This month ----------------------------------------------------------------------------------

LOG = pd.DataFrame(
    {
        "id": ["harbour"],
        "release": ["2014-03"],
        "extends": pd.array([None], dtype="str"),
    }
)


def result(correction=None):
    numbers = dict.fromkeys(history.FIGURES, -0.05) | {"ci_low": -0.1, "ci_high": 0.01}
    about = {"organisation": "Tarnside", "programme": "Harbour", "sector": "voluntary"}
    return {
        "status": "reported",
        "request": {
            **about,
            **{"id": "harbour", "release": "2014-03", "intervention_type": "mentoring"},
            "extends": [],
            "correction": correction,
        },
        "analyses": [
            {
                "headline": True,
                "measures": [
                    {"measure": name, **numbers, "conclusion": "inconclusive"}
                    for name in ("rate", "frequency")
                ],
            }
        ],
    }


CORRECTION = {
    "of": "2014-01",
    "reason": "Dates of 12 people were read wrongly.",
    "on": "2014-02-20",
}


def test_a_corrected_report_is_marked_and_says_what_changed():
    results = [result(CORRECTION)]
    held = history.measures_of(results)
    [told] = bulletin.this_month(history.reports_of("2014-03", held, LOG, results), LOG).items
    assert told.text == (
        "One report [r] looks at the effectiveness of Harbour run by Tarnside. It corrects the "
        "report published in January 2014 and replaces it. What changed: Dates of 12 people were "
        "read wrongly. This analysis shows that the impact of this intervention on re-offending is "
        "currently inconclusive."
    )
    assert [figure.text for figure in told.figures()] == ["January 2014", "12"]
    assert held["corrects"].eq("2014-01").all()


def _was(outputs, status="reported", conclusion="reduction", low=-0.12, high=-0.02):
    """Lay down what a correction replaces, as its release has it."""
    file = history.result_file(outputs, "2014-01", "harbour")
    file.parent.mkdir(parents=True)
    rate = {"measure": "rate", "conclusion": conclusion, "ci_low": low, "ci_high": high}
    analyses = [{"headline": True, "measures": [rate]}] if status == "reported" else []
    file.write_text(json.dumps({"status": status, "analyses": analyses}))
    return outputs


@pytest.mark.parametrize(
    ("was", "words"),
    [
        ({}, "was then a statistically significant reduction (a difference of -12 to -2 "
         "percentage points). This"),
        ({"conclusion": "inconclusive", "low": None, "high": None}, "was then inconclusive. This"),
        ({"conclusion": "suppressed"}, "read wrongly. No result was shown then. This"),
        ({"status": "not processed"}, "It corrects the notice published in January 2014, that the "
         "request could not be processed. What changed: Dates of 12 people were read wrongly. "
         "This"),
    ],
)  # fmt: skip
def test_a_correction_tells_what_was_found_then(tmp_path, was, words):
    results = [result(CORRECTION)]
    held = history.measures_of(results)
    reports = history.reports_of("2014-03", held, LOG, results, _was(tmp_path, **was))
    [told] = bulletin.this_month(reports, LOG).items
    assert words in told.text
    assert bulletin.this_month_lead(reports).text == (
        "Of the one report being published this month, corrected ones included:"
    )


def test_a_report_taken_back_by_a_correction_is_told_and_counts_as_no_report(tmp_path):
    notice = {**result(CORRECTION), "status": "not processed", "analyses": []}
    nobody = history.measures_of([])
    reports = history.reports_of("2014-03", nobody, LOG, [notice], _was(tmp_path))
    [told] = bulletin.this_month(reports, LOG).items
    assert told.text == (
        "A correction [r] takes back the report on Harbour run by Tarnside, which was published in "
        "January 2014. What changed: Dates of 12 people were read wrongly. No result of it stands "
        "any longer."
    )
    assert bulletin.this_month_lead(reports).text == "No report is being published this month."
    assert history.replaced("harbour", "2013-12", tmp_path) is None
    assert history.replaced("harbour", None, tmp_path) is None


def test_a_report_that_corrects_nothing_bears_no_mark():
    held = history.measures_of([result()])
    told = bulletin.this_month(history.reports_of("2014-03", held, LOG, [result()]), LOG)
    assert "[r]" not in told.text
    assert held["corrects"].isna().all()


def test_of_a_result_and_its_correction_only_the_correction_counts(tmp_path):
    for month, low in (("2014-01", -0.2), ("2014-02", -0.1)):
        folder = tmp_path / month / "bulletin"
        folder.mkdir(parents=True)
        rows = history.measures_of([result(None if month == "2014-01" else CORRECTION)])
        rows.assign(release=month, ci_low=low).to_csv(folder / "results.csv", index=False)
    held = history.earlier_releases(tmp_path, "2014-03")
    assert list(held["measure"]) == ["rate", "frequency"]
    assert held["ci_low"].eq(-0.1).all()
    assert held["release"].eq("2014-02").all()


def test_earlier_releases_without_the_newer_columns_are_read(tmp_path):
    folder = tmp_path / "2014-02" / "bulletin"
    folder.mkdir(parents=True)
    old = history.measures_of([result()]).drop(columns="corrects")
    old.assign(release="2014-02").to_csv(folder / "results.csv", index=False)
    held = history.earlier_releases(tmp_path, "2014-03")
    assert list(held.columns) == list(history.COLUMNS)
    assert held["corrects"].isna().all()


def completed(**columns):
    row = {
        "id": "harbour", "organisation": "Tarnside", "programme": "Harbour",
        "sector": "voluntary", "intervention_type": "mentoring", "release": "2014-03",
        "treatment_n": 90, "difference": -0.05, "ci_low": -0.1, "ci_high": 0.01,
        "rate_result": "inconclusive", "frequency_result": "inconclusive",
    }  # fmt: skip
    return pd.DataFrame([row | columns], columns=list(bulletin.COLUMNS))


def test_a_programme_leads_to_its_report_where_that_is_at_hand(tmp_path):
    now = history.measures_of([result()])
    before = now.assign(origin="earlier release", release="2014-02")
    assert history.report_links(now, tmp_path) == {"harbour": "../reports/harbour/report.html"}
    assert history.report_links(before, tmp_path) == {}
    report = tmp_path / "2014-02" / "reports" / "harbour" / "report.html"
    report.parent.mkdir(parents=True)
    report.touch()
    links = history.report_links(before, tmp_path)
    assert (tmp_path / "2014-03" / "bulletin" / links["harbour"]).resolve() == report
    shown = tables.results_table(completed(), history=before, links=links)
    assert '<a href="../../2014-02/reports/harbour/report.html">Harbour</a>' in shown.html
    assert history.report_links(before.assign(origin="log"), tmp_path) == {}
    alone = tables.results_table(completed(), history=before)
    assert "<a " not in alone.html
    assert alone.content()["rows"][0][0] == "Harbour"


def test_what_could_not_be_processed_this_month_leads_to_its_notice():
    failed = result() | {"status": "not processed", "reason": "Details of 42 people; 60 needed."}
    [row] = tables.unprocessed_table([result(), failed]).rows
    assert [cell if isinstance(cell, str) else cell.text for cell in row] == [
        "Harbour", failed["request"]["organisation"], "Details of 42 people; 60 needed.",
    ]  # fmt: skip
    assert row[0].href == "../reports/harbour/report.html"
    assert [figure.text for figure in row[2].figures()] == ["42", "60"]
    assert tables.unprocessed_table([result()]).rows == ()


def test_a_corrected_result_is_marked_in_the_table_with_what_the_mark_means():
    told = tables.results_table(completed(), history=history.measures_of([result(CORRECTION)]))
    assert told.rows[0][0] == "Harbour [r]"
    assert told.notes[-1].startswith("[r] ")
    assert (
        len(tables.results_table(completed(), history=history.measures_of([result()])).notes) == 1
    )


def test_a_name_of_a_programme_cannot_write_a_tag():
    hostile = completed(programme="<b>Harbour</b>")
    html = tables.results_table(hostile, links={"harbour": "../reports/x/report.html"}).html
    assert "<b>" not in html


# --- The pooled view -----------------------------------------------------------------------------


def pooled(kind="arts", low=-0.09, high=-0.04, studies=5, superseded=0, left_out=0):
    together = Synthesis((low + high) / 2, low, high, low - 0.1, high + 0.1, 0.04, 0.6)
    return Pooled(kind, studies, superseded, left_out, together)


def few(kind="youth", studies=4, superseded=0, left_out=0):
    return Pooled(kind, studies, superseded, left_out, None, "fewer than 5 independent results")


def test_the_pooled_view_counts_every_report_and_names_the_types_that_are_clear():
    types = [pooled(studies=7, superseded=2), pooled("education", -0.1, 0.07, 6), few(left_out=1)]
    assert [item.text for item in bulletin.pooled_findings(types).items] == [
        "Of the 20 analyses completed, 13 are put together here. Not put together: four of a type "
        "with too few independent results, two counted within a later analysis of the same people "
        "and one without a published confidence interval.",
        "The direction of the average difference is clear for one of the two types put together. "
        "If programmes had no effect on average in any type, fewer than one would be expected to "
        "look clear by chance alone.",
        "Arts: on average over the seven results, those who took part re-offended less than the "
        "comparison groups. The average one-year proven re-offending rate was lower by between 4 "
        "and 9 percentage points.",
    ]


def test_an_average_on_the_other_side_is_told_the_same_way():
    told = bulletin.pooled_findings([pooled(low=0.002, high=0.06)]).text
    assert "is clear for the one type put together" in told
    assert "re-offended more than the comparison groups" in told
    assert "higher by between 0.2 and 6 percentage points" in told


def test_a_direction_that_is_not_clear_is_not_told():
    told = [item.text for item in bulletin.pooled_findings([pooled(low=-0.04, high=0.01)]).items]
    assert len(told) == 2
    assert "is not clear for the one type put together" in told[1]


def test_nothing_is_put_together_where_every_type_has_too_few():
    told = bulletin.pooled_findings([few(studies=1)]).text
    assert "Of the 1 analysis completed, none are put together here." in told
    assert told.endswith("No type has enough results to be put together.")


@pytest.mark.parametrize(
    "types", [[], [few()], [pooled()], [pooled(), pooled("education", -0.1, 0.1), few(left_out=3)]]
)
def test_the_pooled_view_never_claims_for_a_programme_nor_a_share_that_worked(types):
    told = f"{bulletin.pooled_findings(types).text} {tables.pooled_table(types).text}"
    assert not re.search(r"\bwork(s|ed)\b|\bcaused?\b|\bsuccess|\bno effect\b(?! on average)", told)
    assert "not evidence about any one of them" in told


@pytest.mark.parametrize(
    "types",
    [
        [pooled()],
        [pooled(low=-0.001, high=0.0004)],
        [pooled(low=-1.0, high=1.0, studies=999)],
        [Pooled("arts", 5, 0, 0, Synthesis(0, 0, 0, 0, 0, 0, 0))],
        [pooled(low=0.0001, high=0.02), few()],
        [pooled(kind) for kind in code_list("intervention_type")],
    ],
    ids=["one", "tiny", "widest", "nought", "near nought", "every type"],
)
def test_the_pooled_chart_is_legible_at_extremes(types):
    chart = pooled_chart(types, source="synthetic")
    hold_chart(chart)
    assert len(chart.title.text.split()) <= 10
    assert "percentage points" in chart.alt.text
    assert "nan" not in chart.svg
    ticks = re.findall(r">(-?[\d.]+)</text>", chart.svg)
    limits = [figure for figure in chart.alt.figures() if not figure.id.endswith(".studies")]
    assert max(abs(float(told)) for told in [*ticks, *(limit.text for limit in limits)]) <= 100
    assert max(abs(limit.value) for limit in limits) <= 100


@pytest.mark.parametrize(("low", "high", "mark"), [(-0.06, -0.01, "lower"), (0.01, 0.06, "higher")])
def test_the_mark_of_a_type_is_that_of_its_direction(low, high, mark):
    chart = pooled_chart([pooled(low=low, high=high)], source="synthetic")
    thick = re.findall(r'stroke="(#\w+)" stroke-width="4"/>', chart.svg)
    assert thick == [GREY, {"lower": BLUE, "higher": ORANGE}[mark]]


@pytest.mark.parametrize("types", [[], [few()]], ids=["no type", "too few"])
def test_no_chart_is_drawn_of_nothing(types):
    assert pooled_chart(types, source="synthetic") is None


def test_the_pooled_chart_says_what_it_shows():
    chart = pooled_chart([pooled(), pooled("education", -0.1, 0.07, 6), few()], source="synthetic")
    assert chart.title.text == "The direction is clear for 1 of 2 types"
    assert chart.alt.text == (
        "Forest plot of the average difference of each type of intervention, in percentage points. "
        "Arts, 5 results: average -7, interval from -9 to -4, prediction interval from -19 to 6. "
        "Education, 6 results: average -2, interval from -10 to 7, prediction interval from -20 "
        "to 17."
    )
    texts: dict[str, str] = {}
    for part in (chart, bulletin.pooled_findings([pooled()])):
        for figure in part.figures():
            assert texts.setdefault(figure.id, figure.text) == figure.text


def test_every_report_is_in_one_column_of_the_pooled_table():
    types = [pooled(studies=7, superseded=2, left_out=1), few()]
    first, second = tables.pooled_table(types).rows
    assert [cell.value for cell in first[1:4]] == [7, 2, 1]
    assert [cell.text for cell in first[5].figures()] == ["-9", "-4"]
    assert second[4:] == ("[z]",) * 5


# --- Data files and pages ------------------------------------------------------------------------


def test_the_codebook_tells_of_every_column_in_order_and_every_value():
    book = history.codebook()
    told = [(row["file"], row["column"]) for row in book]
    assert told == [
        *(("results.csv", column) for column in history.COLUMNS),
        *(("history.csv", column) for column in history.COLUMNS),
        *(("log.csv", column) for column in log.LOG),
    ]
    assert all(all(row.values()) for row in book)
    values = {
        row["column"]: row["values"].split("; ") for row in book if row["file"] == "history.csv"
    }
    assert [name.split(" (")[0] for name in values["measure"]] == list(MEASURES)
    held = history.measures_of([result()]).iloc[0]
    for column in ("sector", "intervention_type", "conclusion", "origin"):
        assert held[column] in values[column]


@pytest.mark.parametrize("make", [render.bulletin, lambda notebook: render.index(notebook, [])])
def test_titles_and_summaries_keep_to_the_lengths_of_a_release_page(make):
    html = make(sample.bulletin())
    [title] = re.findall(r"<title>(.*?)</title>", html)
    [summary] = re.findall(r'<meta name="description" content="(.*?)">', html)
    longest = len("September") - len("March")
    assert len(title) + longest <= 65
    assert len(summary) + longest <= 160
    assert summary.endswith(".")


def test_the_release_page_has_a_title_of_its_own_without_the_word_statistics():
    titles = [
        re.findall(r"<title>(.*?)</title>", html)
        for html in (render.index(sample.bulletin(), []), render.bulletin(sample.bulletin()))
    ]
    assert titles == [["Justice Data Lab: March 2014"], ["Justice Data Lab statistics: March 2014"]]
