"""The charts: small, stable, traceable, and legible at every value."""

import itertools
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_checks import CHOICES as METHODS
from test_checks import CONTROL, CURVE, check
from test_findings import (
    FAMILY,
    LOG,
    MARCH_2014,
    PEOPLE,
    effect,
    headline,
    result,
    suppressed,
    untested,
    version,
)
from test_groups import ATTEMPTS, seconds, verdict
from test_people import CHOICES, FUNNEL, RATES, Checked
from test_scope import CLINK
from test_tables import RESULTS, SHARES, completed, stray_digits

from jdl import bulletin, charts, checks, disclosure, findings, groups, people, scope, tables
from jdl.balance import COLUMNS as BALANCE
from jdl.balance import band, gate
from jdl.charts import width_of
from jdl.survival import Survival
from jdl.wording import Words

SOURCE = "synthetic national data"
SVG = "{http://www.w3.org/2000/svg}"
WORST = 25_000
NARROWEST = 288
"""Pixels across a drawing in a window of 320."""
SMALLEST = 11


def root(chart):
    return ET.fromstring(chart.svg)


def boxes(chart):
    """Left, top, right, bottom and words of every text, from the drawing itself."""
    found = []
    for text in root(chart).iter(f"{SVG}text"):
        words = "".join(text.itertext())
        size = float(text.get("font-size").removesuffix("px"))
        wide = width_of(words, size, text.get("font-weight") == "700")
        x, y = float(text.get("x")), float(text.get("y"))
        left = x - {"middle": wide / 2, "end": wide}.get(text.get("text-anchor"), 0)
        found.append((left, y - 0.75 * size, left + wide, y + 0.2 * size, words))
    return found


def hold_chart(chart):
    """What every chart keeps to: size, ids, names, and labels that cover nothing."""
    svg = chart.svg
    assert len(svg.encode()) <= WORST
    assert svg.startswith('<svg width="100%" viewBox="-1 0 ')
    wide, height = (float(size) for size in root(chart).get("viewBox").split()[2:])
    sizes = [float(text.get("font-size")[:-2]) for text in root(chart).iter(f"{SVG}text")]
    assert min(sizes) * NARROWEST / wide >= SMALLEST
    for unwanted in ("<!--", "metadata", "matplotlib", "xlink", "<style", "DejaVu", "clip-path"):
        assert unwanted not in svg
    ids = re.findall(r' id="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert all(name.startswith(f"{chart.id}-") for name in ids)
    assert set(re.findall(r'href="#([^"]+)"', svg)) == set(ids)
    named = {figure.id: figure.text for figure in chart.figures()}
    for span in root(chart).iter(f"{SVG}tspan"):
        assert named[span.get("data-figure")] == span.text
    for left, top, right, bottom, words in boxes(chart):
        assert left >= -0.5, words
        assert right <= wide - 1.5, words
        assert top >= 0, words
        assert bottom <= height, words
    for one, two in itertools.combinations(boxes(chart), 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart, (one[4], two[4])
    assert chart.alt.text != chart.title.text
    assert stray_digits(chart.table) == []


def around(one, mean, low, high, comparison=(0.0, 0.0, 0.0)):
    """The effect with these means and limits in the two groups."""
    ours = replace(one.treatment, mean=mean, ci_low=low, ci_high=high)
    theirs = dict(zip(("mean", "ci_low", "ci_high"), comparison, strict=True))
    return replace(one, treatment=ours, comparison=replace(one.comparison, **theirs))


def unreliable(one):
    """The effect with a comparison group that counts for few."""
    return replace(one, comparison=replace(one.comparison, effective_n=12.0))


DRAW = {
    "rate": charts.chart_rate,
    "frequency": charts.chart_frequency,
    "days_to_first": charts.chart_time,
}


@pytest.mark.parametrize(
    ("one", "title"),
    [
        (effect(), "A smaller share of the treatment group reoffended"),
        (effect("rate", 0.1, 0.2), "A larger share of the treatment group reoffended"),
        (effect("rate", -0.1, 0.2), "More people needed to tell whether reoffending differed"),
        (
            effect("frequency", -0.5, -0.1),
            "The treatment group committed fewer reoffences per person",
        ),
        (effect("frequency", -0.5, 0.1), "More people needed to tell whether frequency differed"),
        (effect("days_to_first", 2.0, 20.0), "Those who reoffended did so later"),
        (effect("days_to_first", -20.0, -2.0), "Those who reoffended did so earlier"),
        (suppressed(), "One-year proven reoffending rate: no result to show"),
        (untested(), "One-year proven reoffending rate: no conclusion can be drawn"),
    ],
)
def test_the_title_is_the_finding_in_at_most_ten_words(one, title):
    chart = DRAW[one.measure](one, words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == title
    assert len(title.split()) <= 10


def test_rate_chart_says_what_it_shows():
    chart = charts.chart_rate(effect(), words=Words.of("male"), source=SOURCE)
    assert chart.alt.text == (
        "Chart of the men out of 100 who committed a proven reoffence within one year: 38 in the "
        "treatment group (95% confidence interval 34 to 42) and 45 in the comparison group (95% "
        "confidence interval 44 to 46). The difference is statistically significant."
    )
    assert "95% confidence interval" in [box[4] for box in boxes(chart)]
    assert "number out of 100 men" in chart.subtitle
    assert chart.table.id == "chart-rate-data"


@pytest.mark.parametrize(
    ("one", "end"),
    [
        (effect("rate", -0.1, 0.2), "The difference is not statistically significant."),
        (untested(), "The difference could not be tested."),
    ],
)
def test_the_alternative_text_says_whether_the_difference_is_significant(one, end):
    assert charts.chart_rate(one, words=PEOPLE, source=SOURCE).alt.text.endswith(end)


def test_bars_begin_at_nought_and_end_at_the_value():
    chart = charts.chart_rate(
        around(effect(), 0.5, 0.4, 0.6, (1.0, 1.0, 1.0)), words=PEOPLE, source=SOURCE
    )
    bars = {
        path.get("fill"): [float(x) for x in re.findall(r"[ML] (\S+) ", path.get("d"))]
        for path in root(chart).iter(f"{SVG}path")
        if path.get("fill") in (charts.BLUE, charts.ORANGE)
    }
    assert (min(bars[charts.BLUE]), max(bars[charts.BLUE])) == (0, charts.COLUMN / 2)
    assert (min(bars[charts.ORANGE]), max(bars[charts.ORANGE])) == (0, charts.COLUMN)


@pytest.mark.parametrize(
    ("measure", "values"),
    [
        ("rate", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)]),
        ("rate", [(0.5, 0.0, 1.0), (0.02, 0.0, 0.9)]),
        ("rate", [(1.0, 0.97, 1.0), (0.5, None, None)]),
        ("frequency", [(0.0, 0.0, 0.0), (0.0, 0.0, 0.0)]),
        ("frequency", [(0.004, 0.0, 0.009), (0.001, 0.0, 0.002)]),
        ("frequency", [(123.4, 0.0, 9_999.0), (0.3, 0.2, 0.4)]),
        ("days_to_first", [(0.0, 0.0, 0.0), (365.0, 340.0, 366.0)]),
        ("days_to_first", [(180.0, 0.0, 366.0), (1.0, 0.0, 365.0)]),
    ],
)
def test_two_groups_at_extremes(measure, values):
    one = around(effect(measure), *values[0], values[1])
    hold_chart(DRAW[measure](one, words=PEOPLE, source=SOURCE))


limits = st.floats(0, 1)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    st.sampled_from(["rate", "frequency", "days_to_first"]),
    st.lists(limits, min_size=6, max_size=6),
    st.sampled_from([1, 30, 900, 1_234_567]),
)
def test_no_label_of_two_groups_covers_another_at_any_value(measure, values, n):
    largest = {"rate": 1, "frequency": 40, "days_to_first": 365}[measure]
    ours, theirs = ([largest * v for v in sorted(group)] for group in (values[:3], values[3:]))
    one = around(effect(measure, n=n), ours[1], ours[0], ours[2], (theirs[1], theirs[0], theirs[2]))
    hold_chart(DRAW[measure](one, words=PEOPLE, source=SOURCE))


@pytest.mark.parametrize("measure", DRAW)
def test_a_mean_of_low_reliability_is_marked_where_it_is_drawn(measure):
    one = unreliable(effect(measure))
    chart = DRAW[measure](one, words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    written = ["".join(text.itertext()) for text in root(chart).iter(f"{SVG}text")]
    assert [words.endswith(" [u]") for words in written].count(True) == 1
    assert chart.table.text.count("[u]") == 1


def test_headline_charts_leave_out_what_is_withheld():
    effects = headline(effect(), days=suppressed("days_to_first"))
    drawn = charts.headline_charts(effects, words=PEOPLE, source=SOURCE).parts
    assert list(drawn) == ["chart-rate", "chart-frequency"]


def test_a_withheld_result_draws_nothing():
    chart = charts.chart_rate(suppressed(), words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert "[c] This result is withheld." in chart.svg
    assert all(figure.suppressed or figure.unit != "people per 100" for figure in chart.figures())


def test_the_chart_of_a_withheld_time_tells_no_number_of_reoffenders():
    chart = charts.chart_time(suppressed("days_to_first"), words=PEOPLE, source=SOURCE)
    assert all(figure.suppressed for figure in chart.figures())


def test_the_same_chart_is_the_same_bytes():
    first, second = (charts.chart_rate(effect(), words=PEOPLE, source=SOURCE).svg for _ in range(2))
    assert first == second


def test_charts_of_one_page_share_no_id():
    drawn = [
        charts.balance_chart(SHARES, labels={}, source=SOURCE),
        results_chart(every(50)),
    ]
    ids = [name for chart in drawn for name in re.findall(r' id="([^"]+)"', chart.svg)]
    assert ids
    assert len(ids) == len(set(ids))


# --- Losses and balance ---------------------------------------------------------------------------


def test_funnel_chart():
    chart = charts.funnel_chart(FUNNEL, words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == "906 people analysed, of 1,000 rows submitted"
    assert "the 1,000 rows submitted" in chart.alt.text
    assert "91% of the rows submitted" in chart.alt.text
    assert "Rows submitted" in {box[4] for box in boxes(chart)}


@pytest.mark.parametrize("people", [0, 1, 10_000_000])
def test_funnel_chart_at_extremes(people):
    steps = [(0, "submitted", 0, people)]
    steps += [
        (place, "a reason so long that it has to run over several lines of the drawing " * 3, 0, 0)
        for place in range(1, 12)
    ]
    hold_chart(
        charts.funnel_chart(
            pd.DataFrame(steps, columns=FUNNEL.columns), words=PEOPLE, source=SOURCE
        )
    )


def test_funnel_chart_that_loses_nobody():
    chart = charts.funnel_chart(FUNNEL.head(1), words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == "1,000 people analysed, of 1,000 rows submitted"


def love(*differences):
    means = (0.5, 0.5, 0.5)
    rows = [
        (f"variable_{place}", "a category with rather a long name", *means, before, after)
        for place, (before, after) in enumerate(differences)
    ]
    bands = [(band(before), band(after), 0.5) for before, after in differences]
    joined = [(*row, *rest) for row, rest in zip(rows, bands, strict=True)]
    return pd.DataFrame(joined, columns=list(BALANCE))


def test_balance_chart_counts_the_bands_and_leaves_out_what_is_withheld():
    chart = charts.balance_chart(SHARES, labels={"sex": "Sex"}, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == "3 of the 4 characteristics shown are well matched"
    assert "3 of the 4 characteristics shown are within 5% and none beyond 10%" in chart.alt.text
    assert chart.subtitle.endswith("characteristics that are not withheld")
    assert "well matched up to 5%,reasonably up to 10%, poorly beyond" in "".join(
        root(chart).itertext()
    )
    words = [box[4] for box in boxes(chart)]
    assert "Sex: male" in words
    assert "Region: Wales" in words
    assert not any(word.startswith("Region: East") for word in words)


@pytest.mark.parametrize("largest", [0.0, 0.04, 0.2, 0.29, 3.0])
def test_balance_chart_at_extremes(largest):
    chart = charts.balance_chart(
        love((largest, 0.0), (-largest, largest)), labels={}, source=SOURCE
    )
    hold_chart(chart)
    assert ("drawn at the edge" in " ".join(box[4] for box in boxes(chart))) == (largest > 0.5)


def test_balance_chart_of_many_variables_stays_small_and_says_what_it_left_out():
    chart = charts.balance_chart(
        love(*[(place / 100, 0.01) for place in range(120)]), labels={}, source=SOURCE
    )
    hold_chart(chart)
    assert chart.subtitle.endswith("those that differed most before matching")
    assert chart.title.text == "20 of the 20 characteristics shown are well matched"
    assert len(chart.table.rows) == 20
    assert "Variable 0:" not in chart.svg


# --- The time without reoffence -------------------------------------------------------------------


def survival(**more):
    return replace(CURVE, **more)


@pytest.mark.parametrize(
    ("curve", "title"),
    [
        (survival(), "The treatment group spent more time without reoffending"),
        (
            survival(difference=-9.0),
            "The treatment group spent less time without reoffending",
        ),
        (survival(p_value=0.3), "More people needed to tell whether timing differed"),
        (survival(p_value=None), "Time without reoffence: no conclusion can be drawn"),
        (
            Survival("headline", (), (), (), reason="withheld"),
            "Time without reoffence: no result to show",
        ),
    ],
)
def test_the_title_of_the_curves_is_the_finding(curve, title):
    chart = charts.survival_chart(curve, words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == title
    assert len(title.split()) <= 10


def test_the_title_of_the_curves_speaks_of_the_people():
    chart = charts.survival_chart(survival(p_value=0.3), words=Words.of("female"), source=SOURCE)
    assert chart.title.text == "More women needed to tell whether timing differed"


def test_the_curves_say_what_they_show():
    chart = charts.survival_chart(survival(), words=Words.of("male"), source=SOURCE)
    assert chart.alt.text == (
        "Two falling lines of the share who have not yet reoffended, from all on the first day; by "
        "day 180, 80% of the treatment group and 70% of the comparison group; by day 365, 62% of "
        "the treatment group and 55% of the comparison group."
    )
    assert [[cell.text for cell in row] for row in chart.table.rows] == [
        ["0", "100%", "100%"],
        ["90", "90%", "85%"],
        ["180", "80%", "70%"],
        ["365", "62%", "55%"],
    ]
    short = survival(days=(0, 365), treatment=(1.0, 0.6), comparison=(1.0, 0.5))
    assert (
        "by day 365, 60% of" in charts.survival_chart(short, words=PEOPLE, source=SOURCE).alt.text
    )


def test_withheld_curves_draw_and_tell_nothing():
    none = Survival("headline", (), (), (), reason="withheld")
    chart = charts.survival_chart(none, words=PEOPLE, source=SOURCE)
    assert [box[4] for box in boxes(chart)] == ["[c] This result is withheld."]
    assert list(chart.figures()) == []


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=14),
    st.lists(st.floats(0, 1), min_size=14, max_size=14),
)
def test_no_label_of_the_curves_covers_another(ours, theirs):
    days = (*range(0, 361, 30), 365)[: len(ours)]
    curve = survival(
        days=days,
        treatment=tuple(sorted(ours, reverse=True)),
        comparison=tuple(sorted(theirs[: len(ours)], reverse=True)),
    )
    hold_chart(charts.survival_chart(curve, words=PEOPLE, source=SOURCE))


# --- The bulletin ---------------------------------------------------------------------------------


def results_chart(completed):
    table = tables.results_table(completed)
    return charts.results_chart(completed, table=table, source=SOURCE)


def every(many, width=1.0, size=50):
    """Results whose sizes and differences spread evenly, without chance."""
    rows = []
    for place in range(many):
        difference = 0.2 * (place % 7 - 3) / 3
        half = width / (place + 4) ** 0.5
        low, high = difference - half, difference + half
        found = "reduction" if high < 0 else "increase" if low > 0 else "inconclusive"
        kind = ("arts", "through the gate support", "family and relationships")[place % 3]
        about = (f"r{place}", "Org", "Programme", ("voluntary", "private")[place % 2], kind)
        size_n = size + place**2
        rows.append((*about, "2014-03", size_n, difference, low, high, found, None))
    return completed(*rows)


def test_results_chart_counts_what_it_draws():
    chart = results_chart(every(20, 0.3))
    hold_chart(chart)
    many = every(20, 0.3)["rate_result"].value_counts()
    assert chart.title.text == f"{many['inconclusive']} of 20 results are inconclusive"
    assert chart.table.id == "results-table"
    assert not chart.folded


@pytest.mark.parametrize(
    "results",
    [
        every(0),
        every(1, size=1),
        every(1, size=9_999_999),
        every(1, 100.0),
        every(1, 1e-6),
        every(250, 0.5),
        RESULTS,
    ],
)
def test_results_chart_at_extremes(results):
    hold_chart(results_chart(results))


def test_results_chart_says_when_an_interval_is_cut_off():
    long, short = (results_chart(every(1, wide)) for wide in (3.0, 0.5))
    assert "are cut off" in " ".join(box[4] for box in boxes(long))
    assert "are cut off" not in " ".join(box[4] for box in boxes(short))


def test_results_differ_by_shape_as_well_as_colour():
    svg = results_chart(every(60, 0.5)).svg
    shapes = re.findall(r'<path id="results-chart-\d" d="([^"]+)"', svg)
    assert len(set(shapes)) == 3


@pytest.mark.parametrize("draw", [charts.by_type_chart, charts.by_sector_chart])
@pytest.mark.parametrize("many", [0, 1, 60, 2000])
def test_counts_by_group(draw, many):
    hold_chart(draw(every(many, 0.5), source=SOURCE))


def test_counts_by_group_print_every_count_beside_its_name():
    chart = charts.by_sector_chart(RESULTS, source=SOURCE)
    words = [box[4] for box in boxes(chart)]
    assert "1 reduction, 0 inconclusive, 0 increases" in words
    assert chart.title.text == "Most results are inconclusive in 1 of 2 sectors"
    assert chart.alt.text.endswith("Public: 1 inconclusive. Voluntary: 1 significant reduction.")


# --- One register ---------------------------------------------------------------------------------


def hold_register(published):
    """Whatever is shown twice has one value, one unit and one text."""
    seen = {}
    for shown in published:
        for figure in shown.figures():
            assert seen.setdefault(figure.id, figure) == figure


@pytest.mark.parametrize(
    "effects",
    [
        headline(effect()),
        headline(effect("rate", 0.1, 0.2), effect("frequency", 0.1, 0.2)),
        headline(days=suppressed("days_to_first")),
        headline(untested()),
        {name: suppressed(name) for name in ("rate", "frequency", "days_to_first")},
        {name: unreliable(effect(name)) for name in ("rate", "frequency", "days_to_first")},
    ],
)
def test_the_parts_of_a_report_agree(effects):
    told = {"words": PEOPLE, "programme": "Harbour Mentoring"}
    known = SHARES.dropna(subset=["smd_after"])
    hold_register(
        [
            findings.overall_result(effects, **told),
            findings.headline_sentence(
                effects["rate"],
                **told,
                submitted=1000,
                index_from="2009-01-01",
                index_to="2010-01-01",
            ),
            findings.can_say(effects, **told),
            findings.cannot_say(effects, **told),
            findings.estimates(effects, words=PEOPLE),
            findings.numbers_needed(effects, words=PEOPLE),
            findings.significant_results(effects.values(), labels={}),
            findings.balance_statement(gate(known), known),
            tables.measurements(effects, words=PEOPLE),
            tables.sizes_table([effects["rate"]], labels={}),
            *(
                tables.result_table(name, effects.values(), labels={})
                for name in tables.RESULT_TABLES
            ),
            tables.balance_summary(SHARES),
            tables.balance_table(SHARES, labels={}),
            tables.profile_table(SHARES, labels={}, words=PEOPLE),
            people.funnel_table(FUNNEL),
            *(DRAW[name](one, words=PEOPLE, source=SOURCE) for name, one in effects.items()),
            charts.hundred_chart(effects, words=PEOPLE, source=SOURCE),
            charts.funnel_chart(FUNNEL, words=PEOPLE, source=SOURCE),
            charts.balance_chart(SHARES, labels={}, source=SOURCE),
        ]
    )


def test_the_parts_that_tell_how_people_were_found_agree():
    counts = {"pnc id": 400, "clerical review": 25, "review": 37, "not found": 60}
    checks = Checked(decided=50, sampled=100, right=98, precision=0.98, low=0.93, high=0.99)
    raw = pd.DataFrame(
        [("date of birth", 140, 140, 0.9, 0.7, 15.0)],
        columns=["field", "rows_lacking", "people_lacking", "rate_with", "rate_without", "gain"],
    )
    gains = disclosure.clear_gains(raw, counts)
    hold_register(
        [
            people.linkage_table(counts, rows=522),
            people.review_statement(counts, expected=12.0, checks=checks),
            people.error_statement(3.2, 425),
            people.linkage_rates_table(RATES),
            people.linkage_rates(RATES),
            people.linkage_sensitivity_table(CHOICES),
            people.linkage_sensitivity(CHOICES),
            people.linkage_gains_table(gains),
            people.gains_statement(gains),
            charts.weights_chart(WEIGHTS, source=SOURCE),
        ]
    )


def test_the_parts_that_check_the_result_agree():
    every_effect = [
        *headline(effect()).values(),
        version("days_to_first", 2.0, 20.0, comparison_mean=240.0),
    ]
    effects = {one.measure: one for one in every_effect}
    made = {"rate": check(), "frequency": check("frequency", -0.6, -0.1)}
    hold_register(
        [
            findings.balance_statement(gate(SHARES.iloc[:4]), SHARES.iloc[:4]),
            findings.plan_sentence("abc"),
            findings.significant_results(every_effect, labels={}),
            findings.multiplicity_statement(every_effect),
            findings.numbers_needed(effects, words=PEOPLE),
            scope.multiplicity_table(every_effect, labels={}),
            scope.look_statement([CLINK], new=None, pooled=effects["rate"], words=PEOPLE),
            *(tables.result_table(n, every_effect, labels={}) for n in tables.RESULT_TABLES),
            checks.adjusted_statement(effects, made),
            checks.adjusted_table(effects, made),
            checks.everyone_table(every_effect, labels={}),
            checks.survival_statement(CURVE, words=PEOPLE),
            charts.survival_chart(CURVE, words=PEOPLE, source=SOURCE),
            checks.sensitivity_statement(METHODS, controls={"Outcome before": CONTROL}),
            checks.sensitivity_table(METHODS, controls={"Outcome before": CONTROL}),
            groups.attempts_table([("Men", one) for one in ATTEMPTS]),
            groups.second_order_statement(seconds(0.01, 0.12), verdict(True), labels={}),
            groups.second_order_table(seconds(0.01, 0.12), labels={}),
        ]
    )


def test_the_parts_of_a_bulletin_agree():
    results = every(60, 0.5)
    hold_register(
        [
            bulletin.main_findings(MARCH_2014),
            bulletin.this_month_lead([result("a"), result("b")]),
            bulletin.this_month([result("a"), result("family-man", **FAMILY)], LOG),
            bulletin.outcomes_to_date(results),
            tables.reconciliation(MARCH_2014),
            tables.results_table(results),
            tables.by_type_table(results),
            tables.by_sector_table(results),
            tables.not_processed_table(LOG.assign(status_then="not processed")),
            results_chart(results),
            charts.by_type_chart(results, source=SOURCE),
            charts.by_sector_chart(results, source=SOURCE),
        ]
    )


# --- How people were found ------------------------------------------------------------------------

WEIGHTS = pd.DataFrame(
    [
        ("forename", "exact", 0.892332, 0.00462029),
        ("forename", "swapped", 0.007643, 1e-7),
        ("forename", "middle name", 0.009903, 0.0032),
        ("forename", "different", 0.0171, 0.9889),
        ("surname", "different, woman", 0.0225, 0.1608),
        ("date_of_birth", "two parts", 0.0062, 0.0034),
        ("date_of_birth", "different", 0.002969, 0.9503),
        ("sex", "same", 0.9949, 0.7358),
        ("pnc_key", "exact", 0.986157, 2.46539e-7),
        ("a new field", "a level without words of its own", 0.5, 0.5),
    ],
    columns=["field", "level", "m", "u"],
).assign(weight=lambda rows: (rows["m"] / rows["u"]).map(math.log2))


def bars(chart):
    """Left and right of every filled bar with its colour, from the drawing itself."""
    found = []
    for path in root(chart).iter(f"{SVG}path"):
        if path.get("fill") not in (None, "none"):
            xs = [float(x) for x in re.findall(r"[ML] (-?[\d.]+)", path.get("d"))]
            found.append((min(xs), max(xs), path.get("fill")))
    return found


def test_weights_are_bars_to_both_sides_of_nought_with_their_sign():
    chart = charts.weights_chart(WEIGHTS, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == "The same PNC ID speaks most strongly for a link"
    assert chart.alt.text == (
        "Bars of the match weight of each kind of agreement, for 6 fields. The strongest for a "
        "link is PNC ID, the same, +21.9 bits; the strongest against one is date of birth, "
        "different, -8.3 bits."
    )
    drawn = bars(chart)
    assert len(drawn) == len(WEIGHTS)
    (nought,) = {left for left, _, fill in drawn if fill == charts.BLUE}
    assert nought == pytest.approx({right for _, right, f in drawn if f == charts.ORANGE}.pop())
    for (left, right, _), weight in zip(drawn, WEIGHTS["weight"], strict=True):
        assert right - left == pytest.approx(
            abs(round(weight, 1)) * (drawn[0][1] - nought) / 7.6, abs=0.2
        )
    words = " ".join(box[4] for box in boxes(chart))
    assert {"Speaks for", "Speaks against"} <= {box[4] for box in boxes(chart)}
    for told in ("+7.6", "-5.9", "+21.9", "0.0", "Two of day, month and year agree"):
        assert told in words


def test_the_numbers_behind_the_weights_are_rounded_as_printed():
    table = charts.weights_chart(WEIGHTS, source=SOURCE).table
    told = [[cell if isinstance(cell, str) else cell.text for cell in row] for row in table.rows]
    assert told[0] == ["Forename", "The same", "89%", "220", "+7.6"]
    assert told[3][2:] == ["2%", "1.0", "-5.9"]
    assert told[6] == ["Date of birth", "Different", "<1%", "1.1", "-8.3"]
    assert told[9] == ["A new field", "A level without words of its own", "50%", "2.0", "0.0"]
    values = [figure.value for figure in table.figures()]
    assert values[:3] == [0.89, 220, 7.6]
    assert not set(values) & set(WEIGHTS["m"]) - {0.5}


def evidence(*rows):
    return pd.DataFrame(rows, columns=["field", "level", "weight"])


LINK = evidence(
    ("forename", "exact", 11.2317),
    ("surname", "different, woman", -2.8),
    ("date_of_birth", "exact", 13.2),
    ("sex", "same", 2.9),
    ("pnc_key", "missing", 0.0),
    ("prison_key", "exact", 21.9),
    ("sentence", "at the time", 3.1),
)


def waterfall(levels=LINK, prior=4.5e-6, posterior=0.99912):
    chart = charts.waterfall_chart(levels, prior, posterior, source=SOURCE)
    hold_chart(chart)
    return chart


def test_a_waterfall_adds_up_from_the_prior_to_the_sum():
    chart = waterfall()
    weights = [row[2].value for row in chart.table.rows]
    assert weights[0] == pytest.approx(math.log2(4.5e-6), abs=0.05)
    assert weights[1:-1] == [10.5, -2.8, 13.7, 0.4, 0.0, 21.9, 3.1]
    assert weights[-1] == pytest.approx(sum(weights[:-1]), abs=0.051)
    assert chart.title.text == "The evidence speaks for this link"
    assert "forename, the same, and uncommon: +10.5;" in chart.alt.text
    assert "PNC ID, not known: 0.0;" in chart.alt.text
    assert chart.alt.text.endswith("The probability of the link is 99% or more.")
    ends = [(left, right) for left, right, _ in bars(chart)]
    assert len(ends) == 9
    for before, after in itertools.pairwise(ends[:-1]):
        assert {round(x) for x in before} & {round(x) for x in after}


@pytest.mark.parametrize(
    ("posterior", "told", "title"),
    [
        (0.9999, "99% or more", "The evidence speaks for this link"),
        (0.95, "95% to 99%", "The evidence speaks for this link"),
        (0.949, "80% to 95%", "The evidence does not settle this link"),
        (0.05, "5% to 50%", "The evidence does not settle this link"),
        (0.0499, "less than 5%", "The evidence speaks against this link"),
        (0.0, "less than 5%", "The evidence speaks against this link"),
    ],
)
def test_a_waterfall_tells_the_range_of_the_probability(posterior, told, title):
    chart = waterfall(posterior=posterior)
    assert chart.title.text == title
    assert chart.alt.text.endswith(f"The probability of the link is {told}.")


def test_a_waterfall_is_the_same_for_every_name_of_a_class():
    """Neither a bar, nor the sum, nor the probability tells how rare the name itself is."""
    drawn = {
        waterfall(
            evidence(
                ("forename", "exact", forename), ("surname", "exact", surname),
                ("date_of_birth", "exact", born), ("sex", "same", sex),
            ),
            posterior=posterior,
        ).html
        for forename, surname, born, sex, posterior in (
            (9.1, 12.1, 13.0, 0.2, 0.991), (11.9, 17.4, 10.2, 2.8, 0.9999),
        )
    }  # fmt: skip
    assert len(drawn) == 1


@settings(deadline=None, derandomize=True, max_examples=30)
@given(st.lists(st.floats(-30, 30), min_size=6, max_size=6), st.floats(1e-8, 0.5))
def test_a_waterfall_is_legible_at_every_weight(weights, prior):
    fields = ("forename", "surname", "date_of_birth", "sex", "pnc_key", "prison_key")
    levels = zip(fields, ["day and month swapped", *["different, woman"] * 5], weights, strict=True)
    waterfall(evidence(*levels), prior)


# --- Scales ---------------------------------------------------------------------------------------


@given(st.floats(1e-3, 1e6))
def test_steps_reach_the_highest_value_in_few_round_steps(high):
    ticks = charts.steps(high)
    assert ticks[0] == 0
    assert ticks[-1] >= high * (1 - 1e-9)
    assert 2 <= len(ticks) <= 7


def test_a_scale_holds_what_lies_beyond_its_ends():
    scale = charts.Scale(0, 10, 0, 100)
    assert [scale(value) for value in (-5, 0, 5, 10, 50)] == [0, 0, 50, 100, 100]


def test_wrapping_keeps_every_word_within_its_room():
    text = "no sentence found at the time of the intervention"
    lines = charts.wrapped(text, 120, 12)
    assert " ".join(lines) == text
    assert all(width_of(line, 12) <= 120 for line in lines)


# --- A hundred people and the overlap -------------------------------------------------------------


def people_drawn(chart):
    """How many people are filled and hollow on either side, counted from the dotted lines."""
    found = {}
    for path in root(chart).iter(f"{SVG}path"):
        if path.get("stroke-linecap") == "round" and path.get("stroke-width") == "6.5":
            for left, right in re.findall(r"M (\S+) \S+ L (\S+) ", f"{path.get('d')} "):
                many = round((float(right) - float(left)) / 15.5) + 1
                key = path.get("stroke") == charts.BLUE, float(left) + 15.5 * many > 170
                found[key] = found.get(key, 0) + many
    return found


@pytest.mark.parametrize(("rate", "other"), [(0.51, 0.6), (0.0, 1.0), (0.004, 0.996), (0.1, 0.09)])
def test_a_hundred_people_are_drawn_and_those_who_reoffended_filled(rate, other):
    effects = headline(around(effect(), rate, rate, rate, (other, other, other)))
    chart = charts.hundred_chart(effects, words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert len(chart.svg.encode()) < 8_000
    ours, theirs = round(100 * rate), round(100 * other)
    # One of each more: the key below.
    drawn = people_drawn(chart)
    assert drawn.get((True, False), 0) == ours + 1
    assert drawn.get((False, False), 0) == 100 - ours
    assert drawn.get((True, True), 0) == theirs
    assert drawn.get((False, True), 0) == 100 - theirs + 1
    assert f"{ours} of 100 who took part reoffended" in chart.alt.text
    assert {f"{ours} of 100", f"{theirs} of 100"} <= {box[4] for box in boxes(chart)}


@pytest.mark.parametrize("rate", [effect(), effect("rate", 0.02, 0.1), effect("rate", -0.1, 0.1)])
@pytest.mark.parametrize("sex", ["all", "male", "female"])
def test_the_hundred_people_are_drawn_in_plain_words(rate, sex):
    chart = charts.hundred_chart(headline(rate), words=Words.of(sex), source=SOURCE)
    told = [chart.title.text, chart.subtitle, chart.alt.text, *(box[4] for box in boxes(chart))]
    told += [str(cell) for row in chart.table.rows for cell in row]
    assert len(chart.title.text.split()) <= 10
    assert {"Those who took part", "Comparison group"} <= set(told)
    assert not any("treatment" in one.casefold() for one in told if "Figure" not in one)


def test_a_withheld_rate_draws_nobody():
    effects = {"rate": suppressed()}
    chart = charts.hundred_chart(effects, words=PEOPLE, source=SOURCE)
    hold_chart(chart)
    assert [box[4] for box in boxes(chart)] == ["[c] This result is withheld."]
    assert all(figure.suppressed for figure in chart.figures())


def overlap(*rows):
    return pd.DataFrame(rows, columns=["low", "high", "treatment", "before", "after"])


OVERLAP = overlap(
    (math.nan, 0.0005, 0.1, 0.5, 0.11),
    (0.0005, 0.01, 0.3, 0.33, 0.29),
    (0.01, 0.5, 0.59, 0.16, 0.59),
    (0.5, math.nan, 0.01, 0.01, 0.01),
)


def test_overlap_chart_says_how_much_the_groups_share():
    chart = charts.overlap_chart(OVERLAP, source=SOURCE)
    hold_chart(chart)
    assert chart.title.text == "After matching, both groups had similar chances of taking part"
    assert chart.alt.text == (
        "Bars by estimated chance of taking part. The band with most of the treatment group "
        "(1% to 50%) holds 59% of it, 16% of all candidates and 59% of the comparison group. The "
        "treatment group has 57% of its distribution in common with all candidates, and 99% with "
        "the comparison group."
    )
    assert [row[0].text for row in chart.table.rows] == [
        "Below 0.05%",
        "0.05% to 1%",
        "1% to 50%",
        "50% or more",
    ]


@pytest.mark.parametrize(
    ("bins", "title"),
    [
        (OVERLAP.assign(after=OVERLAP["before"]), "still differ"),
        (overlap(), "no result to show"),
        (overlap((0.0, 0.1, 0, 0, 0), (0.1, 0.2, 0, 0, 0)), "similar chances"),
        (overlap((math.nan, 0.0001, 0, 1, 0), (0.0001, math.nan, 1, 0, 1)), "similar chances"),
        (
            overlap(*((0.0001, 0.0002, 0.05, 1.0, 0.05) for _ in range(18))),
            "similar chances",
        ),
    ],
)
def test_overlap_chart_at_extremes(bins, title):
    chart = charts.overlap_chart(bins, source=SOURCE)
    hold_chart(chart)
    assert title in chart.title.text
    assert len(chart.title.text.split()) <= 10
