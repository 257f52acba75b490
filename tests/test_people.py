"""How people were found and who was lost: whole sentences, and nothing told of the few."""

import math
import re
from dataclasses import dataclass

import pandas as pd
import pytest
from test_findings import words_outside_figures
from test_tables import stray_digits, texts

from jdl import disclosure, people
from jdl.linkage import DECISIONS, NO_GROUP, STAGES
from jdl.linkage.decisions import CERTAIN
from jdl.people import REVIEWED
from jdl.sensitivity import NO_HEADLINE, Choice
from jdl.upload import Note
from jdl.wording import capital

# --- How people were found ------------------------------------------------------------------------


def test_linkage_counts_share_what_was_submitted():
    table = people.linkage_table(
        {"certain pass": 60, "review": 3, "not found": None, "new pass": 0}, rows=63
    )
    assert texts(table) == [
        ["Linked by an identifier, or by exact name and date of birth", "60", "95%"],
        ["Not linked: a possible match that would need a clerical review", "3", "5%"],
        ["Not linked: not found", "[c]", "[c]"],
        ["New pass", "0", "0%"],
    ]


def test_every_way_to_link_has_its_words():
    assert set(people._LINKED) == {CERTAIN, *STAGES[3:], *DECISIONS[1:]}
    assert REVIEWED in STAGES


@dataclass
class Checked:
    """What `review.Checks` holds."""

    decided: int | None = 0
    sampled: int | None = 0
    right: int | None = 0
    precision: float | None = None
    low: float | None = None
    high: float | None = None
    double_keyed: int | None = 0
    agreed: int | None = 0
    kappa: float | None = None


NO_REVIEW = (
    "No clerical review was made: people were linked only where the evidence was strong enough "
    "without one."
)
NO_SAMPLE = (
    "No random sample of the links was checked, so how many of them are right has not been "
    "measured."
)


def review_of(counts, expected=0.0, **checks):
    told = people.review_statement(counts, expected=expected, checks=Checked(**checks))
    for item in told.items:
        assert not re.search(r"\d", words_outside_figures(item).replace("95% confidence", ""))
        assert item.text.endswith(".")
    return [item.text for item in told.items]


def test_without_a_review_the_report_says_what_one_could_have_added():
    assert review_of({"review": 37}, 12.4) == [
        NO_REVIEW,
        "37 possible matches are left unlinked; a review would be expected to link about 12 of "
        "them.",
        NO_SAMPLE,
    ]


@pytest.mark.parametrize(
    ("left", "expected", "sentence"),
    [
        (37, 0.2, "a review would be expected to link fewer than 10 of them."),
        (37, 9.4, "a review would be expected to link fewer than 10 of them."),
        (37, 27.4, "a review would be expected to link about 27 of them."),
        (37, 30.0, "a review would be expected to link at least 28 of them."),
        (0, 0.0, "No possible match is left unlinked, so a review would not link anybody else."),
        (None, 4.0, "How many possible matches are left unlinked is withheld."),
        (1, 0.4, "1 possible match is left unlinked; a review would be expected to link"),
    ],
)
def test_what_a_review_would_be_expected_to_link(left, expected, sentence):
    assert sentence in review_of({"review": left}, expected)[1]


def test_nothing_of_the_expectation_shows_where_the_count_is_withheld():
    told = people.review_statement({"review": None}, expected=4.2, checks=Checked())
    assert list(told.figures()) == []


@pytest.mark.parametrize(
    ("decided", "linked", "sentence"),
    [
        (40, 25, "A clerical review decided on 40 possible matches and linked 25 of them."),
        (40, 0, "A clerical review decided on 40 possible matches and linked none of them."),
        (40, 36, "A clerical review linked 36 possible matches; how many it decided on is"),
        (40, None, "A clerical review decided on 40 possible matches; how many it linked is"),
        (9, None, "A clerical review was made; how many possible matches it decided on is"),
        (9, 0, "A clerical review was made; how many possible matches it decided on is"),
    ],
)
def test_what_a_review_decided(decided, linked, sentence):
    told = review_of({"review": 12, "clerical review": linked}, 2.0, decided=decided)
    assert told[0].startswith(sentence)
    assert "; a further review would be expected to link fewer than 10 of them." in told[1]


def test_a_sample_alone_is_a_review_too():
    first, *_ = review_of({"review": 37}, 12.4, sampled=60, right=58, precision=0.967, low=0.9,
        high=0.99)  # fmt: skip
    assert first.startswith("A clerical review checked links that had been made without one")
    assert first != NO_REVIEW


def test_a_checked_sample_measures_the_precision():
    checks = {"sampled": 200, "right": 198, "precision": 0.99, "low": 0.9643, "high": 0.9973}
    assert review_of({"review": 0}, **checks)[-1] == (
        "Of a random sample of the links, 198 of 200 checked links were right: precision 99.0% "
        "(95% confidence interval 96.4% to 99.7%)."
    )
    one = review_of({"review": 0}, sampled=1, right=1, precision=1.0, low=0.2065, high=1.0)[-1]
    assert "1 of 1 checked link was right: precision 100.0%" in one
    none = review_of({"review": 0}, sampled=3, right=0)[-1]
    assert none == "Of a random sample of the links, 0 of 3 checked links were right."
    assert review_of({"review": 0}, sampled=None, right=None)[-1] == NO_SAMPLE


def test_how_far_two_reviewers_agree():
    told = review_of({"review": 0}, double_keyed=20, agreed=19, kappa=0.8765)[2]
    assert told == (
        "Two reviewers decided on 20 cases without knowing of each other, and agreed on 19 "
        "(Cohen's kappa 0.88)."
    )
    one = review_of({"review": 0}, double_keyed=1, agreed=1)[2]
    assert one == "Two reviewers decided on 1 case without knowing of each other, and agreed on 1."
    assert len(review_of({"review": 0}, double_keyed=0)) == 3
    assert len(review_of({"review": 0}, double_keyed=4, agreed=None)) == 3


@pytest.mark.parametrize(
    ("expected", "linked", "sentence"),
    [
        (3.27, 835, "Of the 835 links, the model expects about 3 to be wrong."),
        (0.49, 835, "Of the 835 links, the model expects fewer than one to be wrong."),
        (0.96, 835, "Of the 835 links, the model expects about 1 to be wrong."),
        (0.0, 1, "Of the 1 link, the model expects fewer than one to be wrong."),
        (0.0, 0, "Nobody was linked, so no link can be wrong."),
        (2.0, None, "How many of the links are expected to be wrong is withheld."),
    ],
)
def test_what_the_model_expects_of_its_links(expected, linked, sentence):
    told = people.error_statement(expected, linked)
    assert told.text.startswith(sentence)
    assert not re.search(r"\d", words_outside_figures(told))
    assert ("only a checked sample" in told.text) == bool(linked)


# --- Who was found more often than others ---------------------------------------------------------


def found(*rows):
    columns = ["group", "level", "share", "ci_low", "ci_high", "low", "high"]
    frame = pd.DataFrame([(*row, *[None] * (7 - len(row))) for row in rows], columns=columns)
    return frame.astype(dict.fromkeys(columns[2:], float)).assign(people=100)


def test_the_widest_gap_in_finding_people_is_told():
    rates = found(
        ("sex", "male", 0.9, 0.87, 0.93),
        ("sex", "female", 0.8, 0.74, 0.85),
        ("age", "18 to 20", 0.85, 0.8, 0.9),
        ("age", "21 to 24", 0.9, 0.85, 0.95),
        ("name group", "A", None, None, None),
    )
    told = people.linkage_rates(rates)
    assert told.text == (
        "The widest gap is by sex: 80% were found where it is “female”, but 90% were found where "
        "it is “male”. The first are harder to find, so the result may hold less well for them."
    )
    ages = people.linkage_rates(rates.iloc[2:])
    assert ages.text.startswith("The widest gap is by age: 85% were found where it is “18 to 20”")
    assert ages.text.endswith("What is known of the two overlaps, so this may be chance.")
    assert not re.search(r"\d", words_outside_figures(ages))


def test_a_gap_between_ranges_is_told_as_one():
    rates = found(
        ("identifier", "given", None, None, None, 0.9, 1.0),
        ("identifier", "none given", None, None, None, 0.7, 0.8),
        ("sex", "male", 0.9, 0.87, 0.93),
        ("sex", "female", 0.8, 0.74, 0.85),
    )
    assert people.linkage_rates(rates).text == (
        "The widest gap is by identifier: 70% to 80% were found where it is “none given”, but 90% "
        "to 100% were found where it is “given”. The first are harder to find, so the result may "
        "hold less well for them."
    )
    near = rates.assign(low=[0.8, 0.7, 0, 0], high=[0.9, 0.8, 0, 0]).iloc[:2]
    assert "The first are harder" in people.linkage_rates(near).text
    same = rates.assign(low=0.8, high=0.9).iloc[:2]
    assert "may be chance" in people.linkage_rates(same).text


def test_no_gap_in_finding_people_can_be_shown():
    for rates in (found(), found(("sex", "male", 0.9, 0.8, 0.95)), found(("a", "b", *[None] * 3))):
        assert "cannot be shown" in people.linkage_rates(rates).text


RATES = disclosure.clear_rates(
    pd.DataFrame(
        [
            ("sex", "male", 700, 611),
            ("sex", "female", 200, 150),
            ("age", "18 to 20", 12, 8),
            ("age", "21 to 24", 288, 230),
            ("age", "25 or over", 600, 523),
            ("identifier", "PNC id or prison number given", 500, 494),
            ("identifier", "none given", 400, 267),
        ],
        columns=["group", "level", "people", "linked"],
    )
)


def test_linkage_rates_are_shares_with_their_interval():
    table = people.linkage_rates_table(RATES)
    assert texts(table) == [
        ["Sex", "Male", "700", "87%", "84% to 89%"],
        ["Sex", "Female", "200", "75%", "69% to 80%"],
        ["Age", "18 to 20", "12", "[c]", "[c]"],
        ["Age", "21 to 24", "288", "[c]", "[c]"],
        ["Age", "25 or over", "600", "88%", "85% to 90%"],
        ["Identifier", "PNC ID or prison number given", "500", "90% to 100%", "[z]"],
        ["Identifier", "None given", "400", "60% to 70%", "[z]"],
    ]
    assert table.header[-1] == "95% confidence interval of the share"
    assert stray_digits(table) == []
    assert any(note.startswith("[c]") for note in table.notes)
    assert not any(figure.value in (494, 494 / 500, 611 / 700) for figure in table.figures())


def test_notes_of_linkage_rates_only_where_they_apply():
    shown = RATES.loc[RATES["group"] == "sex"]
    assert len(people.linkage_rates_table(shown).notes) == 1
    named = people.linkage_rates_table(shown.assign(group="name group"))
    assert "and not of the person" in named.notes[1]


# --- Other choices of links -----------------------------------------------------------------------


def choice(label, conclusion="reduction", **more):
    return Choice(label, conclusion=conclusion, accepted=True, **more)


HEAD = choice("Headline")


def sensitivity_of(*others, head=HEAD):
    told = people.linkage_sensitivity([head, *others])
    assert not re.search(r"\d", words_outside_figures(told))
    return told.text


def test_a_conclusion_that_holds_for_every_choice_of_links():
    assert sensitivity_of(choice("a"), choice("b"), choice("c")) == (
        "The conclusion does not depend on how sure a link had to be: it is a significant "
        "reduction in the headline analysis and with three other choices of links."
    )
    assert sensitivity_of(choice("a")).endswith("and with one other choice of links.")
    unclear = choice("Headline", "inconclusive")
    same = sensitivity_of(choice("a", "inconclusive"), head=unclear)
    assert "it is inconclusive in the headline analysis and with one other" in same


def test_a_conclusion_that_depends_on_the_links():
    assert sensitivity_of(
        choice("a probability of 0.8", "inconclusive"), choice("b"), choice("c", "increase")
    ) == (
        "The conclusion depends on how sure a link had to be: in the headline analysis it is a "
        "significant reduction, but inconclusive with “a probability of 0.8” "
        "and a significant increase with “c”."
    )


def test_choices_without_a_result_are_counted():
    shut = choice("a", "suppressed", reason="not alike")
    few = Choice("b", reason=disclosure.WITHHELD)
    assert sensitivity_of(shut, few, choice("c")).endswith(
        "with one other choice of links. For two more, no result can be given."
    )
    unlike = sensitivity_of(shut, choice("c", "inconclusive"))
    assert unlike.endswith("with “c”. For one more, no result can be given.")
    assert sensitivity_of(shut, few).startswith("No other choice of links gives a result")


def test_without_a_headline_result_nothing_is_said_of_the_links():
    head = choice("Headline", "suppressed")
    text = sensitivity_of(Choice("a", reason=NO_HEADLINE), head=head)
    assert text.startswith("The headline has no result that can be reported")


CHOICES = (
    Choice("headline", 726, 7997, -0.0847, -0.126, -0.0435, 0.00006, "reduction", True),
    Choice("certain passes only", 683, 8008, -0.05, -0.12, 0.02, 0.16, "inconclusive", True),
    Choice("a probability of 0.8", conclusion="reduction", accepted=True),
    Choice("a probability of 0.9", 690, 7000, accepted=False, reason="groups differ"),
    Choice("a probability of 0.99", reason=disclosure.WITHHELD),
    Choice("None", reason=NO_HEADLINE),
    Choice("Withheld", accepted=True, reason=disclosure.WITHHELD),
    Choice("All alike", 500, 4000, 0.0, None, None, None, "inconclusive", True),
)


def test_each_choice_of_links_is_a_row():
    table = people.linkage_sensitivity_table(CHOICES)
    assert texts(table) == [
        ["Headline", "7,997", "-13 to -4", "<0.01", "Yes", "Significant reduction"],
        ["Certain passes only", "8,008", "-12 to 2", "0.16", "Yes", "Inconclusive"],
        ["A probability of 0.8", *["[c]"] * 3, "Yes", "Significant reduction"],
        ["A probability of 0.9", "7,000", "[z]", "[z]", "No", "Groups differ"],
        ["A probability of 0.99", *["[c]"] * 5],
        ["None", *["[z]"] * 4, capital(NO_HEADLINE)],
        ["Withheld", *["[c]"] * 3, "Yes", "[c]"],
        ["All alike", "4,000", "[z]", "[z]", "Yes", "Inconclusive"],
    ]
    assert stray_digits(table) == []
    assert len(table.notes) == 2
    assert len(people.linkage_sensitivity_table(CHOICES[:2]).notes) == 1


# --- Who was lost on the way ----------------------------------------------------------------------


FUNNEL = pd.DataFrame(
    [
        (0, "submitted", 0, 1000),
        (1, "not found in the national records", 4, 996),
        (2, "other reasons", 0, 996),
        (3, "no similar person in the comparison pool", 90, 906),
    ],
    columns=["step", "reason", "removed", "remaining"],
)


def test_funnel_shares_are_always_of_the_starting_total():
    assert texts(people.funnel_table(FUNNEL)) == [
        ["Rows submitted", "[z]", "[z]", "1,000", "100%"],
        ["Not found in the national records", "4", "<1%", "996", "100%"],
        ["Other reasons", "0", "0%", "996", "100%"],
        ["No similar person in the comparison pool", "90", "9%", "906", "91%"],
    ]


def test_the_funnel_counts_rows_and_says_what_one_is():
    table = people.funnel_table(FUNNEL)
    assert table.caption == "From the rows submitted to the people analysed"
    assert table.notes[0].startswith("A row is one person's details as they were sent.")
    assert "more rows than people whose details were sent" in table.notes[1]


def test_a_single_rule_without_a_name_makes_no_table():
    few = disclosure.clear_rules(pd.DataFrame({"rule": ["a", "b"], "people": [4, 30]}))
    assert list(few["rule"]) == ["another rule"]
    assert people.rules_table(few) is None


def test_rules_that_placed_few_are_told_together():
    placed = pd.DataFrame(
        {"rule": ["index date", "in custody", "on remand"], "people": [40, 12, 3]}
    )
    cleared = disclosure.clear_rules(placed)
    assert cleared["people"].sum() == 55
    assert texts(people.rules_table(cleared)) == [["Index date", "73%"], ["Another rule", "27%"]]
    assert list(disclosure.clear_rules(placed.iloc[:2])["people"]) == [40, 12]


def fates(*rows):
    return pd.DataFrame(rows, columns=["group", "level", "analysed", "lost", "not_found"])


def lost(*rows):
    return [item.text for item in people.lost_statement(fates(*rows)).items]


def test_where_those_analysed_differ_most_from_those_lost():
    nan = math.nan
    assert lost(
        ("sex", "male", 0.9, 0.85, 0.7),
        ("age", "18 to 20", 0.1, 0.25, 0.2),
        ("age", "21 to 24", nan, nan, nan),
        ("identifier", "PNC id given", 0.8, 0.75, nan),
    ) == [
        "Of what can be shown, those analysed differ most from those found but not analysed by "
        "age: 10% of the first and 25% of the second were aged 18 to 20.",
        "Of what can be shown, those analysed differ most from those not found by sex: 90% of the "
        "first and 70% of the second were men.",
        "Where those analysed are unlike the others, the result may hold less well for everybody "
        "whose details were submitted.",
    ]


@pytest.mark.parametrize(
    ("group", "level", "told"),
    [
        ("sex", "female", "were women."),
        ("sex", "not given", "were people whose sex is not given."),
        ("age", "under 25", "were aged under 25."),
        ("age", "not known", "were people whose age is not known."),
        ("name group", "asian", "had a name of the group “Asian”."),
        ("name group", NO_GROUP, "had a surname of no clear group."),
        (
            "identifier",
            "PNC id or prison number given",
            "came with a PNC ID or prison number.",
        ),
        ("identifier", "none given", "came with no identifier."),
    ],
)
def test_those_lost_are_told_of_in_english(group, level, told):
    assert lost((group, level, 0.9, 0.5, 0.9))[0] == (
        f"Those analysed differ most from those found but not analysed by {group}: 90% of the "
        f"first and 50% of the second {told}"
    )


def test_those_analysed_and_those_lost_that_are_alike_or_cannot_be_shown():
    assert lost(("sex", "men", 0.9, 0.9, math.nan))[0] == (
        "Those analysed and those found but not analysed are alike, to the nearest per cent, in "
        "every share that is told."
    )
    nothing = [
        "Whether the people analysed are unlike those who were lost cannot be shown: who was lost "
        f"is {disclosure.WITHHELD}."
    ]
    assert lost() == nothing
    assert lost(("sex", "men", math.nan, math.nan, math.nan)) == nothing


FATES = pd.DataFrame(
    [("sex", "male", 0.90, 0.75, 0.80), ("sex", "female", 0.10, 0.25, 0.20)]
    + [("age", "under 25", math.nan, math.nan, math.nan)] * 2,
    columns=["group", "level", "analysed", "lost", "not_found"],
).assign(level=["male", "female", "under 25", "25 to 34"])


def test_those_lost_stand_beside_those_analysed():
    table = people.lost_table(FATES)
    assert texts(table)[0] == ["Sex", "Male", "90%", "75%", "80%"]
    assert texts(table)[2][2:] == ["[c]"] * 3
    assert table.notes[-1].startswith("[c]")
    assert not any("[c]" in note for note in people.lost_table(FATES.head(2)).notes)
    ids = [figure.id for figure in table.figures()]
    assert len(ids) == len(set(ids))


# --- What better data would have found ------------------------------------------------------------


def lacked(*rows):
    return pd.DataFrame(rows, columns=["field", "rows_lacking", "gain", "fewer"])


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            [("date of birth", 40, 10.0, None), ("PNC id or prison number", 210, 25.0, None)],
            "Better data would have found more people. The most would come from the PNC ID or "
            "prison number, which 210 rows lacked: had it been given, about 25 more people would "
            "be expected to be found.",
        ),
        ([("surname", 1, 10.0, None)], "which 1 row lacked: had it been given, about 10 more"),
        ([("surname", 40, None, 10)], "Nothing that was lacking is"),
        ([("surname", 40, None, 10), ("sex", 9, None, None)], "Nothing of which this can be told"),
        ([("surname", 40, 15.0, None), ("sex", 9, None, None)], "Of what can be told, the most"),
        ([("sex", 9, None, None)], "What better data would have found is withheld to protect"),
        ([("sex", 0, None, None)], "Every row held all that is used to find people"),
    ],
)
def test_what_better_data_would_have_found(rows, sentence):
    told = people.gains_statement(lacked(*rows))
    assert sentence in told.text
    assert not re.search(r"\d", words_outside_figures(told))


def test_what_was_lacking_and_what_it_cost():
    rows = [
        ("PNC id or prison number", 200, 0.951, 0.804, 22.4),
        ("date of birth", 8, 0.9, 0.5, 2.0),
        ("forename in full", 362, 0.99, 0.76, 9.0),
        ("gender", 0, 0.9, float("nan"), 0.0),
    ]
    raw = pd.DataFrame(rows, columns=["field", "rows_lacking", "rate_with", "rate_without", "gain"])
    counts = {"certain pass": 800, "not found": 100, "incomplete": 7}
    gains = disclosure.clear_gains(raw.assign(people_lacking=raw["rows_lacking"]), counts)
    table = people.linkage_gains_table(gains)
    assert texts(table) == [
        ["PNC ID or prison number", "200", "95%", "80%", "about 20"],
        ["Date of birth", "8", "[c]", "[c]", "[c]"],
        ["Forename in full", "362", "90% to 100%", "70% to 80%", "fewer than 10"],
        ["Gender", "0", "[z]", "[z]", "[z]"],
    ]
    assert len(table.notes) == 2
    assert len(people.linkage_gains_table(gains.iloc[[0, 2, 3]]).notes) == 1
    assert stray_digits(table) == []


def test_data_quality_note_counts():
    one = people.data_quality_note([Note("A blank row was skipped", 1)], rows=1).text
    none = people.data_quality_note([], rows=1200).text
    assert "In all, 1 row was read, with one observation on the data." in one
    assert "1,200 rows were read, with no observations on the data." in none


def test_data_quality_of_something_and_of_nothing():
    notes = [Note("dates written with 2 digits", 3, "index_date")]
    table = people.data_quality_table(notes, rows=1000)
    assert texts(table) == [["Dates written with 2 digits", "index_date", "3", "<1%"]]
    assert texts(people.data_quality_table([], rows=0))[0][0] == "Nothing was noticed"
