"""How the groups came about: rough where people could be told from it, and whole sentences."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from test_checks import hold_words
from test_findings import PEOPLE
from test_tables import stray_digits, texts

from jdl import balance, groups
from jdl.balance import Verdict, band
from jdl.disclosure import Bounds, Drawn, Told
from jdl.matching import Attempt
from jdl.wording import Words

MEN = Words.of("male")
LABELS = {"age": "Age", "copas_rate": "Copas rate"}
FEW = Bounds(0, 9)


def exactly(many):
    return Bounds(many, many)


DRAWN = Drawn(61_204, 48_110, exactly(890), exactly(2300), 0.0312, exactly(120))


def test_the_pool_and_who_left_it():
    said = hold_words(groups.pool_statement(DRAWN, words=MEN)).items
    assert [item.text for item in said] == [
        "The comparison group was drawn from 61,204 sentences of 48,110 men: every eligible "
        "sentence of the right kind and time of everybody else, whatever came after it.",
        "About 890 people who are in the upload, or might be, were left out of the pool, with "
        "about 2,300 sentences besides those analysed; they would have been 3.1% of the people in "
        "it.",
        "About 120 people in the pool are known from other requests to have had other support; "
        "they stay in it, because the comparison is with usual support.",
    ]


def test_a_pool_that_few_left_and_a_comparison_that_was_repeated():
    few = replace(DRAWN, removed_people=FEW, removed_disposals=FEW, removed_share=None, known=FEW)
    said = hold_words(groups.pool_statement(few, words=PEOPLE)).items
    assert said[1].text == (
        "Fewer than 10 people who are in the upload, or might be, were left out of the pool, with "
        "fewer than 10 sentences besides those analysed."
    )
    assert said[2].text.startswith("Fewer than 10 people in the pool are known")
    one = hold_words(
        groups.pool_statement(
            replace(DRAWN, disposals=1, people=1, known=exactly(0)), words=MEN, repeated=True
        )
    ).items
    assert "drawn from 1 sentence of 1 man:" in one[0].text
    assert one[1].text.endswith(
        "Because so many were left out, the analysis was repeated with their earlier sentences, "
        "from before the support, kept in the pool."
    )
    assert one[2].text.startswith("Nobody in the pool is known")


TOLD = Told(True, exactly(400), exactly(20), 0.46, 31.0, 90.0, 28)


def test_a_late_start_moves_the_year():
    said = hold_words(groups.gap_statement(TOLD, leads=True, words=MEN)).items
    assert [item.text for item in said] == [
        "Of the men whose start is known, about 400 (46%) started more than 28 days after the "
        "index date, on which the year of follow-up would begin. Of those who started after it, "
        "half had done so by day 31, and nine in ten by day 90.",
        "About 20 of them reoffended between the index date and the start. Men who reoffended at "
        "once had less chance to start at all, which makes those who did start look better than "
        "they are.",
        "As more than 10% started that late, in the headline analysis the year runs from the start "
        "of the support. Each comparison sentence is given a start from the same gaps, and only "
        "men who were at liberty and without an offence until then are compared. The service's own "
        "version, from the index date, stands beside it.",
    ]


def test_an_early_start_leaves_the_year_where_it_is():
    few = Told(True, FEW, FEW, None, None, None, 28)
    said = hold_words(groups.gap_statement(few, leads=False, words=MEN)).items
    assert said[0].text == (
        "Of the men whose start is known, fewer than 10 started more than 28 days after the index "
        "date, on which the year of follow-up would begin."
    )
    assert said[1].text.startswith("Fewer than 10 of them reoffended")
    assert said[2].text == (
        "As no more than 10% started that late, the year runs from the index date, as in the "
        "service's method."
    )
    none = groups.gap_statement(
        replace(TOLD, late=exactly(0), reoffended=exactly(0), late_share=0.0),
        leads=False,
        words=MEN,
    )
    assert "whose start is known, none (0%) started" in hold_words(none).text
    assert none.items[1].text.startswith("None of them reoffended between")
    most = hold_words(
        groups.gap_statement(replace(TOLD, late=Bounds(860, 880)), leads=True, words=MEN)
    )
    assert "known, at least 860 (46%)" in most.text


def test_a_start_that_is_not_known_is_said_so():
    said = hold_words(groups.gap_statement(replace(TOLD, known=False), leads=False, words=MEN))
    assert [item.text for item in said.items] == [
        "When the intervention started is not known, so it cannot be told whether men who started "
        "late never reoffended before. The year runs from the index date, as in the service's "
        "method."
    ]


def verdict(accepted, worst=0.08, **more):
    return Verdict(accepted, "age", worst, 3, 1, 0, **more)


ATTEMPTS = (
    Attempt("caliper 0.2", verdict(False, 0.14, second_order_worst=0.31), (), 4),
    Attempt("caliper 0.1", verdict(True), (), 12),
    Attempt("entropy balancing", verdict(True, 0.0), (), 0),
)


def matched(*attempts, kept=None):
    return SimpleNamespace(
        attempts=attempts, accepted=kept is not None, specification=SimpleNamespace(name=kept)
    )


def test_every_attempt_is_a_row_and_few_people_are_not_counted():
    table = groups.attempts_table([("Men", one) for one in ATTEMPTS])
    assert texts(table) == [
        ["Men", "Caliper 0.2", "14.0%", "31.0%", "fewer than 10", "No"],
        ["Men", "Caliper 0.1", "8.0%", "[z]", "12", "Yes"],
        ["Men", "Entropy balancing", "0.0%", "[z]", "0", "Yes"],
    ]
    assert stray_digits(table) == []
    nobody = Attempt("x", Verdict(False, None, None, 0, 0, 4), (), 88)
    assert texts(groups.attempts_table([("Men", nobody)]))[0][2:] == ["[z]", "[z]", "all", "No"]
    unknown = Attempt("x", verdict(False, None), (), 88)
    assert texts(groups.attempts_table([("Men", unknown)]))[0][4] == "88"
    assert texts(groups.attempts_table([]))[0][0] == "No way"


@pytest.mark.parametrize(
    ("match", "said"),
    [
        (
            matched(ATTEMPTS[1], kept="caliper 0.1"),
            "One way to match was tried, the first in an order fixed before any outcome was read, "
            "and it made the groups alike: “caliper 0.1”.",
        ),
        (
            matched(*ATTEMPTS[:2], kept="caliper 0.1"),
            "Two ways to match were tried, in an order fixed before any outcome was read. The one "
            "kept is “caliper 0.1”, the first that made the groups alike.",
        ),
        (
            matched(*ATTEMPTS, kept="caliper 0.1"),
            "Three ways to match were tried, in an order fixed before any outcome was read. The "
            "one kept is “caliper 0.1”, the first that made the groups alike, and no later one "
            "loses fewer people.",
        ),
        (
            matched(*ATTEMPTS, kept="entropy balancing"),
            "Three ways to match were tried, in an order fixed before any outcome was read. The "
            "one kept is “entropy balancing”, which made the groups alike and loses fewest people.",
        ),
        (
            matched(ATTEMPTS[0]),
            "One way to match was tried, and it did not make the groups alike. There is no "
            "conclusion, and the status is “not balanced”.",
        ),
        (
            matched(ATTEMPTS[0], ATTEMPTS[0]),
            "Two ways to match were tried, and none made the groups alike. There is no "
            "conclusion, and the status is “not balanced”.",
        ),
    ],
)
def test_which_way_to_match_was_kept_and_why(match, said):
    assert hold_words(groups.attempts_statement(match)).text == said


def seconds(*differences):
    rows = [
        ("age by copas_rate" if place else "age squared", "", -0.3, one, 2.1, 1.2)
        for place, one in enumerate(differences)
    ]
    columns = [
        *("variable", "level", "smd_before", "smd_after"),
        *("variance_ratio_before", "variance_ratio_after"),
    ]
    return pd.DataFrame(rows, columns=columns).assign(band_after=[band(one) for one in differences])


def combined(*differences, **more):
    told = groups.second_order_statement(
        seconds(*differences), verdict(True, **more), labels=LABELS
    )
    return [item.text for item in hold_words(told).items]


def test_squares_and_products_in_bands():
    said = combined(0.01, -0.12, 0.06, 0.02, ratios=6, ratios_outside=1)
    assert said == [
        "Two groups can have the same averages and still differ in how characteristics come "
        "together, so they were also compared on four squares and products of the main "
        "characteristics. The standardised difference is up to 5% for two, up to 10% for one and "
        "more than 10% for one. The largest is 12.0%, in “age \u00d7 Copas rate”.",
        "Of six characteristics that are numbers, one is spread so differently in the two groups "
        "that the ratio of the variances lies outside 0.5 to 2.",
    ]


def test_one_square_and_no_ratio():
    assert combined(0.01) == [
        "Two groups can have the same averages and still differ in how characteristics come "
        "together, so they were also compared on one square or product of the main "
        "characteristics. The standardised difference is up to 5% for one. The "
        "largest is 1.0%, in “age squared”."
    ]
    assert "is up to 5% for all three." in combined(0.01, 0.02, 0.03)[0]
    assert combined() == ["Squares and products of the characteristics were not compared."]
    assert combined(0.01, ratios=1, ratios_outside=0)[1].startswith(
        "Of one characteristic that is a number, none is spread"
    )


def test_products_of_a_real_match_are_named_by_their_labels():
    frame = pd.DataFrame(
        {
            "treated": [1, 1, 0, 0],
            "weight": 1.0,
            "age": [20, 30, 25, 40],
            "copas_rate": [1, 2, 2, 4],
        }
    )
    table = groups.second_order_table(
        balance.second_order(frame, ["age", "copas_rate"]), labels=LABELS
    )
    assert {row[0] for row in texts(table)} == {
        "Age squared", "Copas rate squared", "Age \u00d7 Copas rate",
    }  # fmt: skip


def test_the_table_of_squares_holds_the_worst_and_no_average():
    table = groups.second_order_table(seconds(0.01, 0.12), labels=LABELS)
    assert texts(table) == [
        ["Age \u00d7 Copas rate", "-30.0%", "12.0%", "2.10", "1.20", "Poorly matched"],
        ["Age squared", "-30.0%", "1.0%", "2.10", "1.20", "Well matched"],
    ]
    many = groups.second_order_table(seconds(*[0.01] * 80), labels=LABELS)
    assert len(many.rows) == groups.MOST_TERMS
    assert many.notes[0] == "Those that differ most after matching."
    ids = [figure.id for figure in many.figures()]
    assert len(ids) == len(set(ids))


# --- What could not be matched on -----------------------------------------------------------------


def test_what_the_data_hold_for_nobody_is_named():
    labels = {"region": "Region", "employed": "Employed before the sentence"}
    told = groups.unmatched_statement(["region", "employed"], needs=False, labels=labels)
    assert [item.text for item in told.items] == [
        "The national data used hold nothing on region and employment for anybody who could be "
        "compared, so people could not be matched on that.",
        "Assessed needs, such as those for housing, drugs, alcohol and ways of thinking, were not "
        "matched on.",
    ]
    assert not groups.unmatched_statement([], needs=True, labels=labels).items
