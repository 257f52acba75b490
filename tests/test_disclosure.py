"""What may leave and what may not, at and on either side of each threshold."""

from types import SimpleNamespace

import pandas as pd
import pytest

from jdl import disclosure, sentence
from jdl.effects import MEASURES, Effect, Group

ALIKE = SimpleNamespace(accepted=True)
UNLIKE = SimpleNamespace(
    accepted=False, treatment_n=70, comparison_n=900, comparison_people=800, effective_n=400.0
)


def _effects(people, reoffenders, shares=None):
    """All eleven measures of one analysis, computed from nothing but counts."""
    effects = {}
    for name, measure in MEASURES.items():
        everyone = measure.among == "everyone"
        n = people if everyone else reoffenders
        events = (
            reoffenders if name == "rate" else (shares or {}).get(name, 15 if n > 30 else n / 2)
        )
        group = Group(n=n, people=n, mean=events / max(n, 1), sd=0.5, effective_n=n, events=events)
        effects[name] = Effect(
            "headline", name, group, group, 0.0, -0.1, 0.1, 1.0, 50.0, False, "inconclusive",
            measure.favourable, None, None, 0.2,
        )  # fmt: skip
    return effects


def _withheld(cleared):
    return {name for name, effect in cleared.effects.items() if effect.conclusion == "suppressed"}


@pytest.mark.parametrize(
    ("people", "reoffenders", "withheld"),
    [
        (29, 14, set(MEASURES)),
        (30, 9, set(MEASURES)),
        (30, 21, set(MEASURES)),
        (30, 10, set(MEASURES) - {"rate", "frequency"}),
        (100, 29, set(MEASURES) - {"rate", "frequency"}),
        (100, 30, set()),
        (100, 91, set(MEASURES)),
        (100, 0, set(MEASURES)),
        (100, 100, set(MEASURES)),
    ],
)
def test_thresholds(people, reoffenders, withheld):
    assert _withheld(disclosure.clear(_effects(people, reoffenders), matched=ALIKE)) == withheld


def test_a_small_share_takes_the_other_court_outcomes_with_it():
    cleared = disclosure.clear(
        _effects(200, 60, {"first_indictable": 9, "first_either_way": 20, "first_summary": 31}),
        matched=ALIKE,
    )
    assert _withheld(cleared) == set(disclosure.COURT_OUTCOMES)


def test_without_balance_nothing_is_concluded():
    cleared = disclosure.clear(_effects(500, 200), matched=UNLIKE)
    assert _withheld(cleared) == set(MEASURES)
    assert {effect.reason for effect in cleared.effects.values()} == {disclosure.NOT_BALANCED}
    assert cleared.effects["rate"].treatment.n == 70
    assert cleared.effects["rate"].comparison.people == 800


def test_a_withheld_effect_keeps_nothing_but_the_size_of_everyone():
    cleared = disclosure.clear(_effects(100, 20), matched=ALIKE)
    days = cleared.effects["days_to_first"]
    assert days.treatment == Group(n=0) and days.difference is None and days.detectable is None
    assert {d.rule for d in cleared.decisions} == {"reoffenders"}


def test_one_withheld_level_takes_the_next_smallest_with_it():
    balance = pd.DataFrame(
        {
            "variable": ["age", *["region"] * 3, "employed"],
            "level": ["", "a", "b", "c", "yes"],
            "mean_treatment": [30.0, 0.05, 0.35, 0.6, 0.95],
            "mean_treatment_before": [30.0, 0.05, 0.35, 0.6, 0.95],
            "smd_after": 0.0,
            "band_after": "green",
        }
    )
    shown = disclosure.clear_balance(balance, 100)
    assert shown["mean_treatment"].isna().tolist() == [False, True, True, False, True]
    assert shown["band_after"].isna().tolist() == [False, True, True, False, True]


def _funnel(*removed):
    located = [reason for reason, number in removed for _ in range(number)]
    return sentence.funnel(pd.DataFrame({"reason": [*located, *[None] * 100]}))


def test_small_revealing_losses_are_merged_and_the_sum_stays():
    funnel = _funnel(
        (sentence.INCOMPLETE, 3), (sentence.NOT_FOUND, 40), (sentence.REVIEW, 4),
        (sentence.NO_SENTENCE, 2), (sentence.NO_MATCH, 5),
    )  # fmt: skip
    shown = disclosure.clear_funnel(funnel)
    assert shown["reason"].tolist() == [
        "submitted", sentence.INCOMPLETE, sentence.NOT_FOUND, disclosure.OTHER_REASONS,
    ]  # fmt: skip
    assert shown["removed"].tolist() == [0, 3, 40, 11]
    assert shown["remaining"].iloc[-1] == funnel["remaining"].iloc[-1]


def test_while_other_reasons_are_few_the_next_smallest_joins():
    shown = disclosure.clear_funnel(_funnel((sentence.NOT_FOUND, 12), (sentence.REVIEW, 4)))
    assert shown["removed"].tolist() == [0, 16]


def test_one_small_loss_alone_cannot_be_merged_and_is_named_other():
    shown = disclosure.clear_funnel(_funnel((sentence.REVIEW, 4)))
    assert shown["reason"].tolist() == ["submitted", disclosure.OTHER_REASONS]


def test_small_counts_of_ways_to_link_are_withheld_in_pairs():
    counts = {"pnc id": 40, "prison number": 4, "probabilistic": 12, "not found": 0}
    counts |= {"incomplete": 2, "duplicate": 1}
    assert disclosure.clear_counts(counts) == counts | {
        "prison number": None,
        "probabilistic": None,
    }
    assert disclosure.clear_counts({"pnc id": 40, "incomplete": 3}) == {
        "pnc id": 40,
        "incomplete": 3,
    }


def test_what_defines_the_analysis_is_no_secret():
    balance = pd.DataFrame(
        {
            "variable": ["disposal", "sex", "employed"],
            "level": ["custody", "male", "yes"],
            "mean_treatment": [1.0, 0.98, 1.0],
            "mean_treatment_before": [1.0, 0.98, 1.0],
            "smd_after": 0.0,
        }
    )
    shown = disclosure.clear_balance(balance, 100, known=["disposal", "sex"])
    assert shown["mean_treatment"].isna().tolist() == [False, True, True]
