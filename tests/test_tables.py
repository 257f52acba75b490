"""The tables: every cell filled, every number a figure, rounding and shorthand as promised."""

import datetime as dt
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_findings import (
    HEADLINE,
    MARCH_2014,
    PEOPLE,
    any_words,
    effect,
    effects_by_measure,
    headline,
    suppressed,
    untested,
)

from jdl import disclosure, tables
from jdl.balance import COLUMNS as BALANCE
from jdl.balance import RATIO_COLUMNS as RATIOS
from jdl.bulletin import COLUMNS
from jdl.effects import MEASURES, Group
from jdl.execute import defaults_of
from jdl.figures import Figure, Sentence, Tag
from jdl.wording import ALLOWED_DIGITS, Words


def texts(table):
    return [[cell if isinstance(cell, str) else cell.text for cell in row] for row in table.rows]


def difference(one, words=PEOPLE):
    return texts(tables.measurements({one.measure: one}, words=words))[0][3]


# --- Results --------------------------------------------------------------------------------------


def test_measurements_are_told_for_a_hundred_people():
    table = tables.measurements(headline(effect("rate")), words=PEOPLE)
    assert texts(table)[0][1:] == [
        "38 of the 100 people committed a proven reoffence (a rate of 38%)",
        "45 of the 100 people committed a proven reoffence (a rate of 45%)",
        "7 fewer people",
    ]
    assert texts(table)[1][1] == "120 proven reoffences (1.2 per person)"
    assert texts(table)[2][1].startswith("154 days before the first proven reoffence")
    assert table.header[1] == "For 100 typical people in the treatment group, the equivalent of"


@pytest.mark.parametrize(
    ("one", "words", "expected"),
    [
        (effect("rate", 0.03, 0.11), PEOPLE, "7 more people"),
        (effect("rate", -0.011, -0.009), PEOPLE, "1 fewer person"),
        (effect("rate", -0.011, -0.009), Words.of("female"), "1 fewer woman"),
        (effect("rate", -0.06, 0.054), PEOPLE, "less than 1 person more or fewer"),
        (effect("rate", -0.05, 0.05), PEOPLE, "less than 1 person more or fewer"),
        (effect("rate", -0.05, 0.05), Words.of("male"), "less than 1 man more or fewer"),
        (effect("frequency", -0.3, 0.1), PEOPLE, "10 fewer reoffences"),
        (effect("days_to_first", 1.0, 21.0), PEOPLE, "11 days later"),
        (effect("days_to_first", -3.0, 1.0), PEOPLE, "1 day earlier"),
        (effect("days_to_first", -1.2, 1.0), PEOPLE, "less than 1 day later or earlier"),
        (suppressed(), PEOPLE, "[c]"),
    ],
)
def test_difference(one, words, expected):
    assert difference(one, words) == expected


def test_difference_is_rounded_from_the_unrounded_one_with_a_note():
    apart = effect("rate", -0.06, -0.016, comparison_mean=0.284)
    table = tables.measurements({"rate": apart}, words=PEOPLE)
    assert [text.split()[0] for text in texts(table)[0][1:]] == ["25", "28", "4"]
    assert tables.ROUNDING in table.notes
    agree = effect("rate", -0.06, -0.02, comparison_mean=0.28)
    assert tables.measurements({"rate": agree}, words=PEOPLE).notes == ()


def test_measurements_withheld_give_the_reason_once():
    withheld = {name: suppressed(name, "withheld for confidentiality") for name in HEADLINE[:2]}
    table = tables.measurements(withheld, words=PEOPLE)
    assert {cell for row in texts(table) for cell in row[1:]} == {"[c]"}
    assert table.notes == ("[c] withheld for confidentiality.",)


def row_of(one, name="table-rate"):
    return texts(tables.result_table(name, [one], labels={"headline": "National"}))[0]


@pytest.mark.parametrize(
    ("one", "name", "expected"),
    [
        (effect(), "table-rate", ["38%", "45%", "-11 to -3", "Yes", "<0.01"]),
        (
            effect("rate", -0.09, 0.002),
            "table-rate",
            ["41%", "45%", "-9 to 0.2", "No", "0.30"],
        ),
        (
            effect("rate", -0.09, -0.002),
            "table-rate",
            ["40%", "45%", "-9 to -0.2", "Yes", "<0.01"],
        ),
        (
            effect("frequency", -0.5, 0.001),
            "table-frequency",
            ["1.18", "1.43", "-0.50 to 0.001", "No", "0.30"],
        ),
        (
            effect("days_to_first", -8.0, 20.4),
            "table-days",
            ["154", "148", "-8 to 20", "No", "0.30"],
        ),
        (suppressed(), "table-rate", ["[c]", "[c]", "[c]", "[c]", "[c]"]),
        (untested(), "table-rate", ["38%", "45%", "[z]", "[z]", "[z]"]),
    ],
)
def test_result_row(one, name, expected):
    assert row_of(one, name)[3:] == expected


def test_why_measures_are_withheld_in_several_analyses_is_told_once():
    effects = [suppressed("first_summary"), suppressed("first_indictable")]
    effects += [replace(one, analysis="women") for one in effects]
    table = tables.result_table("table-first-court-outcome", effects, labels={})
    assert [note for note in table.notes if "[c]" in note] == [
        f"[c] {effects[0].reason.rstrip('.')}."
    ]


def test_result_table_has_a_row_an_analysis_and_an_outcome():
    effects = [
        effect(measure, -0.1, 0.1, analysis=analysis)
        for analysis in ("headline", "site")
        for measure in MEASURES
    ]
    rows = {
        name: texts(tables.result_table(name, effects, labels={"site": "One site"}))
        for name in tables.RESULT_TABLES
    }
    assert len(rows) == 7
    assert len(rows["table-rate"]) == 2
    assert [row[:2] for row in rows["table-first-court-outcome"]][3:] == [
        ["One site", "Indictable"],
        ["One site", "Either way"],
        ["One site", "Summary"],
    ]
    told = {measure for layout in tables.RESULT_TABLES.values() for measure in layout.measures}
    assert told == set(MEASURES)


def test_a_significant_row_is_marked_by_word_and_not_by_colour_alone():
    table = tables.result_table("table-rate", [effect()], labels={})
    assert table.rows[0][-2] == Tag("Yes", "blue")


def test_sizes():
    table = tables.sizes_table(
        [effect(), replace(suppressed(), analysis="site")],
        labels={"headline": "National", "site": "One site"},
        regions={"site": "london"},
    )
    assert texts(table)[0] == ["National", "No", "900", "17,000", "16,500", "342", "7,650"]
    assert texts(table)[1] == ["One site", "London", "41", "900", "[c]", "[c]", "[c]"]
    assert "weighted share who reoffended times its sentences" in table.notes[0]


@pytest.mark.parametrize(
    ("measure", "sizes"), [("days_to_first", ["[c]", "[c]"]), ("rate", ["41", "900"])]
)
def test_a_withheld_number_of_reoffenders_is_never_nought(measure, sizes):
    name = {"days_to_first": "table-days", "rate": "table-rate"}[measure]
    assert row_of(suppressed(measure), name)[1:3] == sizes


def test_a_withheld_size_of_everyone_is_never_nought():
    none = replace(suppressed(), treatment=Group(0), comparison=Group(0))
    assert texts(tables.sizes_table([none], labels={}))[0][2:] == ["[c]"] * 5
    assert texts(tables.result_table("table-rate", [none], labels={}))[0][1:3] == ["[c]", "[c]"]


def test_the_interval_is_called_by_its_level():
    header = tables.result_table("table-rate", [effect()], labels={}).header
    assert header[5] == "Estimated difference (95% confidence interval), percentage points"
    strict = tables.result_table("table-days", [], labels={}, significance=0.01).header
    assert strict[5] == "Estimated difference (99% confidence interval), days"


# --- The request ----------------------------------------------------------------------------------


def test_request_facts_leave_out_what_is_empty_and_name_every_number():
    table = tables.request_facts(
        {
            "organisation": "Blue Sky",
            "programme": "Six months' work",
            "description": "Jobs for 6 months after 2005",
            "sector": "voluntary",
            "received": "2014-01-09",
            "release": "2014-03",
            "extends": [],
            "selection": "",
        }
    )
    told = dict(texts(table))
    assert told["Request received"] == "9 January 2014"
    assert told["Release"] == "March 2014"
    assert told["Sector"] == "Voluntary"
    assert "Includes the people of earlier requests" not in told
    assert [f.text for f in table.figures()][:2] == ["6", "2005"]


def test_earlier_requests_are_named_where_their_names_are_known():
    public = {"extends": ["family-2012", "family-2013"]}
    plain = tables.request_facts(public)
    assert texts(plain) == [["Includes the people of earlier requests", "family-2012; family-2013"]]
    named = tables.request_facts(public, earlier={"family-2012": "Family Man, October 2013"})
    assert texts(named)[0][1] == "Family Man, October 2013; family-2013"
    assert next(named.figures()).text == "2013"


@dataclass
class Criterion:
    code: str
    text: str
    required: object
    actual: object
    met: bool


def test_criteria_show_required_actual_and_whether_met():
    table = tables.criteria_table(
        [
            Criterion("minimum_people", "Enough people", "at least 60 people", "41 people", False),
            Criterion("data_sharing", "Signed off", True, dt.date(2013, 5, 1), True),
            Criterion("special_group", "Approved", "", None, True),
            Criterion("withdrawn", "Withdrawn", "", None, False),
        ]
    )
    assert texts(table) == [
        ["Enough people", "at least 60 people", "41 people", "Not met"],
        ["Signed off", "Yes", "1 May 2013", "Met"],
        ["Approved", "[z]", "[z]", "Met"],
    ]
    assert [f.text for f in table.figures()] == ["60", "41", "1 May 2013"]


# --- Balance and profile --------------------------------------------------------------------------


def balance(*rows):
    return pd.DataFrame(list(rows), columns=[*BALANCE, *RATIOS])


SHARES = balance(
    ("sex", "male", 0.804, 0.7, 0.79, 0.3, 0.02, "red", "green", 0.8, None, None),
    ("sex", "female", 0.196, 0.3, 0.21, -0.3, -0.02, "red", "green", 0.2, None, None),
    ("age", "", 31.26, 35.0, 31.5, -0.2, -0.0004, "red", "green", 31.0, 0.7, math.inf),
    ("region", "wales", 0.5, 0.5, 0.5, 0.0, 0.07, "green", "amber", 0.5, None, None),
    ("region", "east of england", *(None,) * 10),
)


def test_balance_summary_counts_before_and_after():
    assert [row[2:] for row in texts(tables.balance_summary(SHARES))] == [
        ["1", "3"],
        ["0", "1"],
        ["3", "0"],
    ]


def test_balance_table_holds_every_row_and_withholds_the_cleared_ones():
    table = tables.balance_table(SHARES, labels={"sex": "Sex"})
    assert texts(table)[0][:5] == ["Sex", "Male", "80.4%", "70.0%", "79.0%"]
    assert texts(table)[0][5:] == ["30.0%", "2.0%", "[z]", "[z]", "Well matched"]
    assert texts(table)[2][:5] == ["Age", "[z]", "31.26", "35.00", "31.50"]
    assert texts(table)[2][6:9] == ["0.0%", "0.70", "[z]"]
    assert texts(table)[3][1] == "Wales"
    assert texts(table)[4][1:] == ["East of England"] + ["[c]"] * 8
    assert tables.VARIANCE_RATIO in table.notes
    old = tables.balance_table(SHARES.drop(columns=["variance_ratio_after"]), labels={})
    assert len(old.header) == 8 and tables.VARIANCE_RATIO not in old.notes
    repeated = pd.concat([SHARES, SHARES], ignore_index=True)
    ids = [figure.id for figure in tables.balance_table(repeated, labels={}).figures()]
    assert len(ids) == len(set(ids))


def test_profile_adds_a_note_only_where_rounding_does_not_add_up():
    table = tables.profile_table(SHARES, labels={}, words=Words.of("male"))
    assert [row[2] for row in texts(table)] == ["80%", "20%", "31.3", "50%", "[c]"]
    assert table.notes == (disclosure.UNTOLD,)
    assert table.header[2] == "Share or average"
    assert "men" in table.caption
    off = SHARES.head(2).assign(mean_treatment=[0.335, 0.335])
    assert tables.profile_table(off, labels={}, words=PEOPLE).header[2] == "Share"
    assert "Percentages may not add up, because of rounding." in (
        tables.profile_table(off, labels={}, words=PEOPLE).notes
    )


def test_profile_begins_with_the_youngest_and_ends_with_what_is_not_recorded():
    levels = ["18 to 20", "21 and over", "not recorded", "Under 18"]
    ages = pd.concat([SHARES.iloc[[0]]] * 4).assign(variable="age_band", level=levels)
    told = tables.profile_table(pd.concat([ages, SHARES]), labels={}, words=PEOPLE)
    first = [row[1] for row in texts(told)][:4]
    assert first == ["Under 18", "18 to 20", "21 and over", "Not recorded"]
    assert [row[1] for row in texts(told)][4:] == [
        row[1] for row in texts(tables.profile_table(SHARES, labels={}, words=PEOPLE))
    ]


# --- The bulletin ---------------------------------------------------------------------------------


def completed(*rows):
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


BLUE_SKY = ("a", "Blue Sky", "Work", "voluntary", "employment", "2014-03")
RESULTS = completed(
    (*BLUE_SKY, 72, -0.12, -0.229, -0.002, "reduction", "inconclusive"),
    ("b", "Art", "Org", "public", "arts", "2014-02", 41, None, None, None, "suppressed", None),
    ("c", "Art", "Org", "public", "arts", None, None, None, None, None, "inconclusive", None),
    ("d", "Art", "Org", None, "arts", "2013-10", None, None, None, None, None, None),
)


def test_reconciliation_shows_every_status():
    assert dict(texts(tables.reconciliation(MARCH_2014)))["Reports completed"] == "57"


def test_results_table_tells_withheld_from_unknown():
    rows = texts(tables.results_table(RESULTS))
    assert rows[0][3:] == [
        "March 2014",
        "72",
        "-23 to -0.2",
        "Significant reduction",
        "Inconclusive",
    ]
    assert rows[1][3:] == ["February 2014", "41", "[c]", "[c]", "[x]"]
    assert rows[2][3:] == ["[x]", "[x]", "[x]", "Inconclusive", "[x]"]
    assert rows[3][6:] == ["[x]", "[x]"]


def test_results_by_type_and_sector_count_only_results():
    assert texts(tables.by_type_table(RESULTS)) == [
        ["Arts", "0", "1", "0", "1"],
        ["Employment", "1", "0", "0", "1"],
    ]
    assert [row[0] for row in texts(tables.by_sector_table(RESULTS))] == ["Public", "Voluntary"]
    assert texts(tables.by_type_table(RESULTS.iloc[:0]))[0][0] == "None yet"
    assert tables.by_sector_table(RESULTS).notes == (
        "These are counts of conclusions, not evidence that one sector works better than another; "
        "a re-analysis counts people again.",
    )


def test_not_processed_by_reason_the_commonest_first():
    log = pd.DataFrame(
        {
            "status_then": ["not processed"] * 3 + ["ready"],
            "reason": ["no sign-off", "fewer than 60 people", "fewer than 60 people", None],
        }
    )
    table = tables.not_processed_table(log)
    assert texts(table) == [["Fewer than 60 people", "2"], ["No sign-off", "1"]]
    assert next(table.figures()).text == "60"
    assert texts(tables.not_processed_table(log.tail(1))) == [["None", "0"]]


@dataclass
class Release:
    period_to: object = dt.date(2014, 2, 28)
    published_at: object = dt.datetime(2014, 3, 13, 9, 30)
    next_release: object = dt.date(2014, 4, 10)
    lead_statistician: str = "Head of the lab"
    contact: str = "020 3334 0770"
    pre_release: tuple[str, ...] = ("Secretary of State", "Permanent Secretary")
    correction: object = None
    stated: bool = False


def test_release_facts():
    table = tables.release_facts(Release(), synthetic=True)
    told = dict(texts(table))
    assert told["Published"] == "13 March 2014 at 9:30"
    assert told["Status"] == "Synthetic demonstration, not Official Statistics"
    assert told["Pre-release access, up to 24 hours before"] == (
        "Secretary of State; Permanent Secretary"
    )
    assert table.notes
    plain = tables.release_facts(Release(stated=True, pre_release=()), synthetic=False)
    assert dict(texts(plain))["Status"] == "Official Statistics"
    assert plain.notes == ()
    assert "Corrected [r]" not in dict(texts(plain))


def test_a_release_that_was_corrected_says_when_and_why():
    said = SimpleNamespace(on=dt.date(2014, 3, 20), reason="Table 3 of 2 reports was withheld.")
    table = tables.release_facts(Release(correction=said), synthetic=True)
    assert dict(texts(table))["Corrected [r]"] == (
        "20 March 2014: Table 3 of 2 reports was withheld."
    )


# --- Properties -----------------------------------------------------------------------------------


def stray_digits(table):
    cells = [cell for row in table.rows for cell in row]
    outside = " ".join(
        part
        for cell in cells
        if isinstance(cell, Sentence)
        for part in cell.parts
        if isinstance(part, str)
    )
    outside += " ".join(table.header) + table.caption
    for allowed in ALLOWED_DIGITS:
        outside = outside.replace(allowed, "")
    return re.findall(r"\d+", outside)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(effects_by_measure(), any_words)
def test_tables_print_no_minus_nought_and_no_stray_number(effects, words):
    shown = [
        tables.measurements(effects, words=words),
        tables.sizes_table([effects["rate"]], labels={}),
        *(tables.result_table(name, effects.values(), labels={}) for name in tables.RESULT_TABLES),
    ]
    seen = {}
    for table in shown:
        assert not re.search(r"-0(\.0*)?%?(?![\d.])", table.text)
        assert stray_digits(table) == []
        for figure in table.figures():
            assert seen.setdefault(figure.id, figure) == figure


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.floats(-1, 1), st.floats(0, 1))
def test_a_printed_limit_keeps_the_sign_of_its_value(low, width):
    one = effect("rate", low, low + width)
    if one.significant:
        interval = row_of(one)[5]
        first, last = (float(text) for text in interval.split(" to "))
        assert (first > 0) == (last > 0) == (one.difference > 0) or abs(low) < 1e-6


def test_every_number_in_a_result_row_is_a_figure():
    table = tables.result_table("table-rate", [effect()], labels={})
    kinds = [type(cell) for cell in table.rows[0]]
    assert kinds == [str, Figure, Figure, Figure, Figure, Sentence, Tag, Figure]


def test_method_table_states_every_choice():
    choices = dict.fromkeys(tables._CHOICES, 0.25) | {"exact": ["sex"], "calipers": [0.2, 0.1]}
    table = tables.method_table(
        choices | {"link_passes": ["pnc id"], "formula": "x"},
        matched_on=["sex", "age"],
        labels={"sex": "Sex"},
    )
    told = dict(row[:2] for row in texts(table))
    assert len(told) == len(tables._CHOICES) + 1
    fewer = tables.method_table({"power": 0.8}, matched_on=["sex"], labels={})
    assert len(fewer.rows) == 2
    assert told["Calipers tried in order"] == "0.2, 0.1"
    assert told["Matched exactly on"] == "Sex"
    assert told["Passes tried before the probabilistic linkage"] == "PNC ID"
    assert told["Matched on"] == "Sex; age"
    assert told["Significance level"] == "0.25"


def test_what_a_request_sets_otherwise_is_told_with_its_reason():
    asked = {"method": {"calipers": {"value": [0.3], "reason": "Few people."}}}
    table = tables.method_table(
        {"calipers": [0.3], "request": asked}, matched_on=["sex"], labels={}
    )
    assert table.notes == (
        "For this request only, “Calipers tried in order” was set otherwise than usual: Few "
        "people.",
    )
    assert tables.method_table({"calipers": [0.3]}, matched_on=["sex"], labels={}).notes == ()


def test_every_choice_of_the_notebook_that_can_be_said_is_in_the_method_table():
    notebook = Path(__file__).parent.parent / "notebooks" / "tailored_report.ipynb"
    formulas = {
        "request_id", "demographics", "sentence_terms", "history", "career", "work", "needs",
        "added_terms", "start_seed", "minimum_people",
    }  # fmt: skip
    assert set(defaults_of(notebook)) - formulas == set(tables._CHOICES)
