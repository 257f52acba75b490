"""One analysis as data, what is withheld there too, and tables and charts on a page."""

import datetime as dt
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from test_checks import CHOICES, CURVE, check
from test_findings import effect, suppressed, version

from jdl import figures
from jdl.balance import Verdict
from jdl.disclosure import NOT_BALANCED
from jdl.effects import Group
from jdl.figures import Chart, Figure, Sentence, Table
from jdl.render import comma_separated

EFFECTS = {
    one.measure: one
    for one in (
        effect(),
        effect("days_to_first", -20.0, 20.0),
        version("days_to_first", 2.0, 20.0),
        effect("first_custody", -0.1, 0.1),
    )
}


def analysis(effects=EFFECTS, *, accepted=True, **more):
    matched = SimpleNamespace(
        accepted=accepted, treatment_n=900, comparison_n=17_000, comparison_people=16_500,
        effective_n=12e3, specification=SimpleNamespace(name="caliper 0.2"),
    )  # fmt: skip
    verdict = Verdict(accepted, "age", 0.08, 40, 2, 0)
    return figures.analysis("headline", "Headline", matched, verdict, effects, **more)


def test_each_measure_carries_its_check_and_its_version_for_everyone():
    told = analysis(adjusted={"rate": check()}, survival=CURVE, sensitivity=CHOICES)
    measures = {one["measure"]: one for one in told["measures"]}
    assert list(measures) == ["rate", "days_to_first", "first_custody"]
    assert measures["rate"]["companion"]["ci_low"] == -0.12
    assert measures["rate"]["companion"]["conclusion"] == "reduction"
    assert measures["rate"]["everyone"] is None
    assert measures["days_to_first"]["companion"] is None
    assert measures["days_to_first"]["everyone"]["measure"] == "time_without_reoffence"
    assert measures["days_to_first"]["everyone"]["conclusion"] == "increase"
    assert measures["first_custody"]["everyone"] is None
    assert told["rmst"]["days"] == [0, 90, 180, 365]
    assert told["rmst"]["difference"] == 20.8
    assert [one["label"] for one in told["sensitivity"]] == [one.label for one in CHOICES]
    assert told["sensitivity"][2]["difference"] is None
    assert told["status"] == "reported"
    assert json.loads(json.dumps(told)) == told


def test_an_analysis_without_checks_has_their_places():
    told = analysis()
    assert (told["rmst"], told["sensitivity"]) == (None, [])
    assert {one["companion"] for one in told["measures"]} == {None}


def test_groups_that_are_not_balanced_have_their_own_status_and_keep_their_size():
    told = analysis({"rate": suppressed(reason=NOT_BALANCED)}, accepted=False)
    assert (told["status"], told["treatment_n"]) == ("not balanced", 900)


def test_a_withheld_size_is_withheld_in_the_data_too():
    none = replace(suppressed(), treatment=Group(0), comparison=Group(0))
    told = analysis({"rate": none})
    sizes = ("treatment_n", "comparison_n", "comparison_people", "effective_n")
    assert [told[name] for name in sizes] == [None] * 4
    assert told["measures"][0]["treatment_n"] is None


# --- Tables and charts on a page ------------------------------------------------------------------

HALF = Figure("a.share", 0.513, "proportion", "51%")
RANGE = Sentence.of(
    Figure("a.low", -0.13, "proportion", "-13"), " to ", Figure("a.high", -0.05, "proportion", "-5")
)


def shown(*rows):
    """The HTML of a table's rows, cell by cell."""
    header = tuple(f"Column {place}" for place in range(len(rows[0])))
    return re.findall(r"<t[hd](?: [^>]*)?>.*?</t[hd]>", Table("t", "A table", header, rows).html)


def test_a_cell_of_numbers_carries_the_name_of_its_figure_itself():
    cells = shown(("One", HALF, RANGE), ("Two", "[z]", Figure.withheld("b.low", "proportion")))
    assert cells[:3] == [
        '<th scope="col">Column 0</th>',
        '<th scope="col" class="numeric">Column 1</th>',
        '<th scope="col" class="numeric">Column 2</th>',
    ]
    assert cells[4] == '<td data-figure="a.share">51%</td>'
    assert cells[5] == f'<td class="numeric">{RANGE.inner}</td>'
    assert cells[7:] == ['<td class="numeric">[z]</td>', '<td data-figure="b.low">[c]</td>']


def test_a_number_among_words_keeps_to_their_side_and_its_value():
    cells = shown(
        ("One", "a word", "July", HALF),
        ("Two", HALF, RANGE, Figure("d", "2014-03", "month", "March 2014")),
    )
    assert cells[1:4] == [f'<th scope="col">Column {place}</th>' for place in (1, 2, 3)]
    assert cells[9:] == [
        '<td><data value="0.513" data-figure="a.share">51%</data></td>',
        f'<td class="whole">{RANGE.inner}</td>',
        '<td><data value="2014-03" data-figure="d">March 2014</data></td>',
    ]


def test_a_table_without_rows_keeps_its_header():
    assert Table("t", "A table", ("One", "Two"), ()).html.count("<th ") == 2


@pytest.mark.parametrize("folded", [True, False])
def test_the_numbers_behind_a_chart_are_folded_in_or_one_link_away(folded):
    table = Table("numbers", "A table", ("One", "Two"), (("A", HALF),))
    title, alt = Sentence.of("A finding"), Sentence.of("Bars that say what the chart says")
    chart = Chart("c", title, "Of what", alt, "<svg></svg>", "a source", table, folded=folded)
    assert ('<table id="numbers">' in chart.html) == folded
    assert ('<a href="#numbers">The numbers behind this chart</a>' in chart.html) != folded
    assert HALF in chart.figures()


def test_people_are_whole_numbers_in_the_data_files_also_beside_withheld_ones():
    vintage = SimpleNamespace(name="v", synthetic=True, last_index_date=dt.date(2012, 4, 1))
    measures = pd.DataFrame(
        {
            "id": ["a", "b"],
            "treatment_n": [308.0, None],
            "comparison_n": [9972, 45],
            "rate": [0.4, 1.0],
        }
    )
    told = figures.month("2014-03", {}, measures, measures, vintage).result
    assert [row["treatment_n"] for row in told["history"]] == [308, None]
    assert comma_separated(told["results"]).splitlines()[1:] == ["a,308,9972,0.4", "b,,45,1.0"]
