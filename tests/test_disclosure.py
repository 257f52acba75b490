"""What may leave and what may not, at and on either side of each threshold."""

import math
import random
from dataclasses import replace
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intruder import Intruder, is_open
from statsmodels.stats.proportion import proportion_confint

from jdl import disclosure, linkage, sentence
from jdl.companion import Adjusted
from jdl.covariates import Pool
from jdl.disclosure import Bounds
from jdl.effects import ALL, EVERYONE, MEASURES, Effect, Group
from jdl.landmark import Gaps
from jdl.linkage import FATES
from jdl.linkage.model import ADJUSTED
from jdl.outcomes import Delays
from jdl.survival import DAYS, Survival
from jdl.unmeasured import EValue

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


def test_what_the_linkage_table_withholds_the_funnel_does_not_tell():
    """Not found, from the funnel, and those linked would leave the possible matches."""
    funnel = _funnel((sentence.NOT_FOUND, 35), (sentence.REVIEW, 8), (sentence.NO_SENTENCE, 18))
    counts = disclosure.clear_counts({"pnc id": 300, "review": 8, "not found": 35})
    assert disclosure.clear_funnel(funnel)["removed"].tolist() == [0, 35, 26]
    shown = disclosure.clear_funnel(funnel, counts)
    assert shown["reason"].tolist() == ["submitted", sentence.NO_SENTENCE, disclosure.OTHER_REASONS]
    assert shown["removed"].tolist() == [0, 18, 43]
    told = disclosure.clear_counts({"pnc id": 300, "review": 12, "not found": 35})
    assert disclosure.clear_funnel(funnel, told)["removed"].tolist() == [0, 35, 26]


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


# --- How people were found ------------------------------------------------------------------------


def test_those_linked_and_those_not_each_keep_their_own_secret():
    """How many were linked in all is told elsewhere, so no other side can stand in."""
    counts = {"pnc id": 40, "name and date of birth": 30, "review": 4, "not found": 60}
    shown = disclosure.clear_counts(counts)
    assert shown == counts | {"review": None, "not found": None}
    assert disclosure.clear_linked(counts) == 70


def test_where_few_were_not_linked_a_stage_hides_them_and_the_total_is_not_told():
    counts = {"pnc id": 40, "name and date of birth": 30, "review": 4, "not found": 0}
    shown = disclosure.clear_counts(counts)
    assert shown == counts | {"review": None, "name and date of birth": None}
    assert disclosure.clear_linked(counts) is None


_PARTS = (*linkage.STAGES, "clerical review", *disclosure.NOT_LINKED)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(st.integers(0, 40), min_size=len(_PARTS), max_size=len(_PARTS)))
def test_no_small_count_follows_from_the_others_and_the_total_linked(numbers):
    counts = dict(zip(_PARTS, numbers, strict=True)) | {"incomplete": 3, "duplicate": 2}
    shown = disclosure.clear_counts(counts)
    total = disclosure.clear_linked(counts)
    linked = [name for name in _PARTS if name not in disclosure.NOT_LINKED]
    wholes = [linked, list(disclosure.NOT_LINKED)] if total is not None else [list(_PARTS)]
    for whole in wholes:
        hidden = [counts[name] for name in whole if shown[name] is None]
        small = [counts[name] for name in whole if 0 < counts[name] < 10]
        if small and sum(counts[name] for name in whole) >= 10:
            assert len(hidden) > 1 or len([n for name in whole if (n := counts[name])]) == 1
            assert sum(hidden) >= 10
    assert all(shown[name] in (None, counts[name]) for name in counts)
    assert all(shown[name] is None for name in _PARTS if 0 < counts[name] < 10)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (12.4, 40, 12, 12),
        (9.5, 40, 10, 10),
        (9.4, 40, 0, 9),
        (0.0, 40, 0, 9),
        (30.4, 40, 30, 30),
        (31.0, 40, 31, 40),
        (55.0, 40, 31, 40),
        (-1.0, 40, 0, 9),
        (3.0, 12, 0, 9),
        (0.0, 0, 0, 0),
        (5.0, None, None, None),
    ],
)
def test_a_part_is_told_where_neither_it_nor_the_rest_is_few(part, whole, low, high):
    assert disclosure.clear_part(part, whole) == disclosure.Bounds(low, high)


def test_a_whole_is_told_where_the_rest_is_not_few():
    assert disclosure.clear_whole(40, 30) == 40
    assert disclosure.clear_whole(39, 30) is None
    assert disclosure.clear_whole(10, None) == 10
    assert disclosure.clear_whole(9, None) is None


def _rates(*rows):
    return pd.DataFrame(rows, columns=["group", "level", "people", "linked"]).assign(
        review=0, not_found=lambda rates: rates["people"] - rates["linked"]
    )


def test_rates_come_from_people_to_the_nearest_five_with_wilsons_interval():
    (row,) = disclosure.clear_rates(_rates(("sex", "male", 400, 351))).to_dict("records")
    assert (row["people"], row["share"]) == (400, 350 / 400)
    low, high = proportion_confint(350, 400, method="wilson")
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))


def test_a_withheld_rate_takes_the_next_smallest_with_it():
    shown = disclosure.clear_rates(
        _rates(("sex", "male", 400, 350), ("sex", "female", 60, 45), ("sex", "not given", 8, 5))
    )
    assert shown["share"].isna().tolist() == [False, True, True]
    assert shown["low"].isna().all()
    assert shown["people"].tolist() == [400, 60, 8]


def test_what_is_withheld_together_is_not_nearly_all_linked():
    """Two hidden levels of which everybody was found would tell of each."""
    shown = disclosure.clear_rates(
        _rates(("age", "a", 400, 350), ("age", "b", 60, 60), ("age", "c", 30, 30))
    )
    assert shown["share"].isna().all()
    assert shown["low"].isna().all()


def test_a_share_becomes_a_range_where_few_of_many_were_not_linked():
    """Of 527 people 6 were not found: the ranges and the total leave open up to 19."""
    shown = disclosure.clear_rates(
        _rates(("identifier", "a", 527, 521), ("identifier", "b", 362, 276))
    )
    assert shown["share"].isna().all()
    assert shown[["low", "high"]].to_numpy().tolist() == [[0.9, 1.0], [0.7, 0.8]]


def test_a_range_is_withheld_where_the_total_would_close_it():
    """Of 32 people 29 were found; what is left of the range of the others shows that it is most."""
    shown = disclosure.clear_rates(_rates(("sex", "female", 32, 29), ("sex", "male", 857, 768)))
    assert shown[["share", "low", "high"]].isna().all(axis=None)


def test_a_level_of_few_people_does_not_close_the_ranges_of_the_others():
    shown = disclosure.clear_rates(
        _rates(("age", "a", 200, 195), ("age", "b", 300, 220), ("age", "c", 12, 6))
    )
    assert shown["share"].fillna(-1).tolist() == [-1, 220 / 300, -1]
    assert shown["low"].fillna(-1).tolist() == [0.9, -1, -1]


def _fates(*rows):
    return pd.DataFrame(rows, columns=["group", "level", "analysed", "lost", "not_found"])


def test_those_analysed_lost_and_not_found_are_shares_to_the_nearest_five():
    shown = disclosure.clear_fates(
        _fates(("sex", "male", 702, 61, 80), ("sex", "female", 98, 40, 19))
    ).set_index("level")
    assert shown.loc["male", "analysed"] == 700 / 800
    assert shown.loc["female", ["lost", "not_found"]].tolist() == [40 / 100, 20 / 100]


@pytest.mark.parametrize("cell", [0, 9])
def test_a_level_with_few_of_one_fate_is_withheld_with_another(cell):
    shown = disclosure.clear_fates(
        _fates(
            ("age", "under 25", 200, 30, 40), ("age", "25 to 34", 300, 40, 50),
            ("age", "35 and over", 100, 20, cell), ("sex", "male", 600, 90, 100),
        )
    ).set_index("level")  # fmt: skip
    assert shown["lost"].isna().to_dict() == {
        "under 25": True, "25 to 34": False, "35 and over": True, "male": True,
    }  # fmt: skip
    assert shown[list(FATES)].isna().sum(axis=1).isin([0, 3]).all()


def test_where_few_were_lost_at_all_nothing_of_them_is_told():
    assert not len(disclosure.clear_fates(_fates(("sex", "male", 400, 19, 60))))
    assert not len(disclosure.clear_fates(_fates()))


def _offences(*years):
    rows = [
        {"year": year, "late": place < late, "days": 40 + place % 3}
        for year, many, late in years
        for place in range(many)
    ]
    return pd.DataFrame(rows, columns=["year", "late", "days"])


def test_late_offences_are_told_to_the_nearest_ten_and_years_of_few_left_out():
    told = disclosure.clear_delays(_offences((2008, 1004, 23), (2009, 503, 9)))
    assert (told.offences, told.late, told.median_days) == (1510, 30, 41.0)
    assert told.years == ((2008, 0.02),)


def test_a_year_with_few_offences_in_time_is_left_out():
    told = disclosure.clear_delays(_offences((2008, 1004, 23), (2009, 25, 16), (2010, 25, 15)))
    assert told.years == ((2008, 0.02), (2010, 0.6))


@pytest.mark.parametrize("late", [0, 9, 495, 503])
def test_few_late_offences_or_few_in_time_are_not_told(late):
    told = disclosure.clear_delays(_offences((2009, 503, late)))
    assert (told.offences, told.late, told.years) == (500, None, ())


def test_few_offences_tell_nothing_of_the_courts():
    assert disclosure.clear_delays(_offences((2009, 9, 4))) == Delays(None, None, None)
    assert disclosure.clear_delays(_offences()) == Delays(None, None, None)


def test_nobody_in_a_level_is_no_secret():
    shown = disclosure.clear_rates(
        _rates(("sex", "male", 400, 350), ("sex", "female", 90, 70), ("sex", "not given", 0, 0))
    )
    assert shown["level"].tolist() == ["male", "female"]
    assert shown["share"].notna().all()


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 120), st.floats(0, 1)), min_size=1, max_size=6),
    st.integers(10, 12),
)
def test_an_intruder_who_knows_the_upload_and_the_total_finds_no_withheld_rate(levels, cell):
    rules = disclosure.Rules(cell=cell)
    rows = [("age", str(i), n, round(n * share)) for i, (n, share) in enumerate(levels)]
    rates = _rates(*rows)
    shown = disclosure.clear_rates(rates, rules).merge(rates, on=["group", "level", "people"])
    told, hidden = (shown.loc[shown["share"].isna() == flag] for flag in (False, True))
    assert (told["linked"] >= cell).all()
    assert (told["not_found"] >= cell).all()
    total = disclosure.clear_linked(
        {"pnc id": int(rates["linked"].sum()), "not found": int(rates["not_found"].sum())}, rules
    )
    if not len(hidden) or total is None:
        assert hidden["low"].isna().all()
        return
    assert len(hidden) > 1
    assert min(hidden["linked"].sum(), hidden["not_found"].sum()) >= cell
    ranges = [_counts_in(row) for row in hidden.to_dict("records")]
    for place, row in enumerate(hidden.to_dict("records")):
        others = [r for i, r in enumerate(ranges) if i != place]
        left = hidden["linked"].sum() - sum(max(r) for r in others)
        most = hidden["linked"].sum() - sum(min(r) for r in others)
        possible = [n for n in ranges[place] if left <= n <= most]
        assert row["linked"] in possible
        assert max(possible) >= min(cell, row["people"])
        assert row["people"] - min(possible) >= min(cell, row["people"])


def _counts_in(row):
    """Every number linked that a printed range allows, from below its upper end."""
    if row["low"] != row["low"]:
        return list(range(row["people"] + 1))
    shares = [(n, n / row["people"]) for n in range(row["people"] + 1)]
    return [n for n, s in shares if row["low"] <= s < row["high"] or s == row["high"] == 1]


def _gains(*rows):
    columns = ["field", "rows_lacking", "people_lacking", "rate_with", "rate_without", "gain"]
    return pd.DataFrame(rows, columns=columns)


COUNTS = {"pnc id": 800, "not found": 100, "incomplete": 30, "duplicate": 9}


def _gain(*row):
    (shown,) = disclosure.clear_gains(_gains(row), COUNTS).to_dict("records")
    known = {name: value for name, value in shown.items() if value == value}
    assert known.pop("field") == row[0]
    assert known.pop("rows_lacking") == row[1]
    return known


def test_what_a_missing_field_cost_is_told_for_enough_people():
    shown = _gain("pnc id", 210, 200, 0.951, 0.804, 22.4)
    assert (shown["share_with"], shown["share_without"]) == (665 / 700, 160 / 200)
    assert shown["ci_low_with"] < shown["share_with"] < shown["ci_high_with"]
    assert shown["gain"] == 20
    assert "fewer" not in shown


@pytest.mark.parametrize(
    ("row", "shares", "told"),
    [
        (("few lack it", 9, 9, 0.9, 0.5, 4.0), False, {}),
        (("few of them linked", 100, 100, 0.9, 0.09, 60.0), False, {"gain": 60}),
        (("few of them not linked", 100, 100, 0.85, 0.91, 5.0), True, {}),
        (("few have it", 895, 895, 0.8, 0.8, 40.0), False, {"gain": 40}),
        (("few of the others not linked", 362, 362, 0.99, 0.76, 9.4), True, {"fewer": 10}),
        (("nearly all would be linked", 300, 300, 0.9, 0.8, 55.0), True, {}),
        (("nobody would be linked", 300, 300, 0.9, 0.8, 0.0), True, {"fewer": 10}),
        (("it would show that nobody was linked", 19, 19, 0.9, 0.0, 0.0), False, {}),
        (("at the smallest number", 20, 20, 0.9, 0.0, 0.0), False, {"fewer": 10}),
        (("it would show that few were linked", 40, 40, 0.9, 0.2, 20.0), False, {}),
        (("open", 45, 45, 0.9, 0.2, 20.0), False, {"gain": 20}),
        (("sex", 0, 0, 0.9, float("nan"), 0.0), True, {}),
    ],
)
def test_what_a_missing_field_cost_is_withheld_where_few_would_be_told(row, shares, told):
    shown = _gain(*row)
    assert {name: value for name, value in shown.items() if name in ("gain", "fewer")} == told
    assert any(name.startswith(("share", "low")) for name in shown) == shares
    door = disclosure.Door()
    disclosure.clear_gains(_gains(row), COUNTS, door)
    [noted] = [one.decided for part, one in door.decided.items() if part.endswith(".gain")]
    assert noted == ("rounded" if told else "withheld")


def test_no_weight_tells_a_name_a_date_or_a_sex():
    levels = pd.DataFrame(
        [
            ("forename", "exact", 6.1),
            ("surname", "exact", 17.3),
            ("surname", "exact", 9.1),
            ("surname", "close", 7.2),
            ("date_of_birth", "exact", 10.4),
            ("sex", "same", 2.9),
            ("pnc_key", "exact", 21.9),
        ],
        columns=["field", "level", "weight"],
    )
    shown = disclosure.hide_rarity(levels)
    assert shown["rarity"].tolist() == ["common", "rare", "uncommon", "", "", "", ""]
    assert shown["weight"].tolist() == [7.5, 13.5, 10.5, 7.2, 13.7, 0.4, 21.9]
    assert levels["weight"].iloc[0] == 6.1


def test_whatever_weighs_by_its_frequency_has_its_classes():
    assert set(ADJUSTED) == set(disclosure.RARITIES)


def test_every_name_of_a_class_weighs_the_same():
    weights = [bits / 10 for bits in range(-20, 300)]
    levels = pd.DataFrame({"field": "forename", "level": "exact", "weight": weights})
    assert disclosure.hide_rarity(levels)["weight"].nunique() == 3
    assert disclosure.hide_rarity(levels.iloc[:0]).empty


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [("abc", "cab", True), ("abcdefghij", "", True), ("abcdefghi", "", False), ("ab", "ac", False)],
)
def test_groups_are_apart_when_equal_or_far_enough(one, other, apart):
    assert disclosure.are_apart(one, other) == apart


# --- Versions for everyone, checks, curves --------------------------------------------------------


def _with_versions(people, reoffenders, events):
    """The eleven measures and one version for everyone with this many events."""
    effects = _effects(people, reoffenders)
    for name, many in events.items():
        sd = math.sqrt(abs(many - many**2 / people) / (people - 1))
        group = Group(n=people, people=people, mean=many / people, sd=sd, events=many)
        effects[name] = replace(effects["frequency"], measure=name, treatment=group)
    return effects


@pytest.mark.parametrize(
    ("name", "events", "told"),
    [
        ("first_custody_everyone", 9, False),
        ("first_custody_everyone", 10, True),
        ("first_custody_everyone", 50, True),
        ("first_custody_everyone", 51, False),
        ("frequency_custody_everyone", 9, False),
        ("frequency_custody_everyone", 10, True),
        ("time_without_reoffence", 300 * 240, True),
    ],
)
def test_a_version_for_everyone_tells_of_enough_of_the_reoffenders(name, events, told):
    cleared = disclosure.clear(_with_versions(300, 60, {name: events}), matched=ALIKE)
    assert (cleared.effects[name].conclusion != "suppressed") == told


def test_a_small_court_outcome_of_everyone_takes_the_others_with_it():
    outcomes = {"indictable": 9, "either_way": 20, "summary": 31}
    events = {f"first_{name}_everyone": many for name, many in outcomes.items()}
    cleared = disclosure.clear(_with_versions(300, 60, events), matched=ALIKE)
    assert _withheld(cleared) == set(events)


def test_a_check_is_withheld_with_its_result():
    checks = {
        name: Adjusted("headline", name, "logistic", -0.1, conclusion="inconclusive", ratio=0.5)
        for name in ("rate", "days_to_first", "unknown")
    }
    cleared = disclosure.clear(_effects(100, 20), matched=ALIKE)
    told = disclosure.clear_adjusted(checks, cleared.effects)
    assert told["rate"] == checks["rate"]
    for name in ("days_to_first", "unknown"):
        assert (told[name].difference, told[name].ratio) == (None, None)
        assert told[name].conclusion == "suppressed" and told[name].reason == disclosure.WITHHELD


def _curve(reoffended, people=100):
    """A curve of these numbers reoffended by each day."""
    shares = tuple(1 - many / people for many in reoffended)
    return Survival("headline", DAYS, shares, shares, 240.0, 220.0, 20.0, 5.0, 35.0, 0.01)


def _results(people, reoffenders):
    return disclosure.clear(_effects(people, reoffenders), matched=ALIKE).effects


def _rate_of(people, reoffenders):
    return _results(people, reoffenders)["rate"]


def test_points_of_a_curve_are_merged_until_enough_reoffended_between_them():
    by_day = (0, 4, 9, 10, 12, 19, 21, 25, 29, 31, 32, 33, 35, 40)
    told = disclosure.clear_survival(_curve(by_day), _results(100, 40))
    assert told.days == (0, 90, 180, 365)
    left = [round(100 * share) for share in told.treatment]
    assert left == [100, 90, 79, 60]
    assert len(told.comparison) == 4 and told.mean_treatment == 240.0


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.lists(st.integers(0, 12), min_size=13, max_size=13))
def test_no_step_of_a_told_curve_tells_of_few(steps):
    by_day = [0, *pd.Series(steps).cumsum()]
    people = by_day[-1] + 50
    rate = _rate_of(people, by_day[-1])
    told = disclosure.clear_survival(_curve(by_day, people), _results(people, by_day[-1]))
    if rate.conclusion == "suppressed":
        assert (told.days, told.mean_treatment) == ((), None) and told.reason
    else:
        left = [round(people * share) for share in told.treatment]
        assert all(before - after >= 10 for before, after in pairwise(left))
        assert (told.days[0], told.days[-1]) == (0, 365)


def test_an_e_value_is_told_of_a_significant_result_only():
    value = EValue("headline", "rate", 2.0, 1.4)
    rate = _rate_of(100, 40)
    assert disclosure.clear_unmeasured(value, rate) is None
    assert disclosure.clear_unmeasured(value, replace(rate, significant=True)) == value
    withheld = replace(rate, significant=True, conclusion="suppressed")
    assert disclosure.clear_unmeasured(value, withheld) is None


def test_a_negative_control_is_told_without_its_sizes():
    rate = _rate_of(100, 40)
    control = _effects(97, 40)["rate"]
    told = disclosure.clear_control(control, rate)
    assert (told.treatment.n, told.treatment.events, told.difference) == (0, None, 0.0)
    assert disclosure.clear_control(_effects(97, 9)["rate"], rate) is None
    assert disclosure.clear_control(control, replace(rate, conclusion="suppressed")) is None
    assert disclosure.clear_control(None, rate) is None


# --- Gaps, pool, participation --------------------------------------------------------------------


def _gaps(late, reoffended, dated=200, after=150):
    return Gaps(210, dated, after, late, late / dated, reoffended, 31.0, 90.0, 28)


def test_gaps_tell_of_nobody():
    told = disclosure.clear_gaps(_gaps(40, 7))
    assert (told.late, told.late_share) == (Bounds(40, 40), 0.2)
    assert told.known and told.reoffended == Bounds(0, 9)
    few = disclosure.clear_gaps(_gaps(195, 0, after=29))
    assert few.late == Bounds(190, 210) and few.late_share is None
    assert (few.median, few.upper, few.reoffended) == (None, None, Bounds(0, 9))
    assert not disclosure.clear_gaps(replace(_gaps(0, 0), dated=0)).known


def test_gaps_do_not_tell_how_many_starts_are_known():
    told = [disclosure.clear_gaps(_gaps(62, 24, dated=dated)) for dated in range(199, 202)]
    assert told[0] == told[1] == told[2]
    assert (told[0].late, told[0].late_share) == (Bounds(60, 60), 0.31)
    assert told[0].reoffended == Bounds(20, 20)
    assert disclosure.clear_gaps(_gaps(193, 0)) == disclosure.clear_gaps(_gaps(199, 0, dated=204))


@pytest.mark.parametrize(
    ("removed", "told"),
    [(0, (0, 9)), (1, (0, 9)), (9, (0, 9)), (10, (10, 10)), (94, (90, 90)), (95, (100, 100))],
)
def test_people_who_left_the_pool_are_told_to_the_nearest_ten(removed, told):
    pool = Pool(60_000, 48_000, removed, 3 * removed, removed / 48_000, removed)
    drawn = disclosure.clear_pool(pool)
    assert drawn.removed_people == Bounds(*told)
    assert drawn.known == (Bounds(*told) if removed else Bounds(0, 0))
    few = told == (0, 9)
    assert (drawn.removed_share is None) == few
    assert not few or drawn.removed_disposals == Bounds(0, 9)


def _took_part(**counts):
    rows = [
        (kind, int(place < many))
        for kind, (people, many) in counts.items()
        for place in range(people)
    ]
    people = pd.DataFrame(rows, columns=["participation", "reoffended"])
    return people.assign(offender_id=[f"p{place}" for place in range(len(people))])


def test_participation_is_described_where_enough_did_and_did_not_reoffend():
    told = disclosure.clear_participation(_took_part(completed=(100, 40), started=(60, 30)), [], {})
    assert told["people"].tolist() == [100, 60]
    assert told["rate"].tolist() == [0.4, 0.5]
    assert told["share"].tolist() == pytest.approx([0.625, 0.375])


def test_a_small_kind_of_participation_takes_the_next_smallest_with_it():
    people = _took_part(completed=(100, 40), left=(19, 10), started=(60, 30))
    told = disclosure.clear_participation(people, [], {}).set_index("participation")
    assert told["people"].isna().to_dict() == {"completed": False, "left": True, "started": True}
    assert told["rate"].isna().equals(told["people"].isna())


# --- Several analyses -----------------------------------------------------------------------------

EVERYBODY = range(400)


def _lived(people, reoffend, outcomes):
    """Outcomes of these people, of which the rest follows from the reoffending."""
    rows = [
        {
            "offender_id": f"p{one}", "treated": 1, "weight": 1.0,
            "reoffended": bool(reoffend(one)), "reoffences": 3 * bool(reoffend(one)),
            "days_to_first": 100.0,
            "first_court_outcome": ("indictable", "either way", "summary")[one % 3],
            "reoffences_indictable": one % 2, "reoffences_either_way": one % 4 // 2,
            "reoffences_summary": one % 8 // 4, "first_custodial": one % 2 == 0,
            "custodial_sentences": one % 5 % 2, **(outcomes(one) if outcomes else {}),
        }
        for one in people
    ]  # fmt: skip
    described = ["days_to_first", "first_court_outcome", "first_custodial"]
    frame = pd.DataFrame(rows)
    counted = [name for name in frame if name.startswith(("reoffences_", "custodial_"))]
    again = frame["reoffended"]
    frame[described] = frame[described].astype(object).where(again, None)
    frame[counted] = frame[counted].where(again, 0)
    return frame


def _measured(frame, name):
    """The effects that these outcomes of the treatment group imply."""
    effects, again = {}, int(frame["reoffended"].sum())
    for measure, described in ALL.items():
        values = described.values(frame)[described.rows(frame)]
        many = len(values)
        mean = float(values.mean()) if many else 0.0
        sd = float(values.std(ddof=1)) if many > 1 else 0.0
        group = Group(n=many, people=many, mean=mean, sd=sd, effective_n=many, events=many * mean)
        few = measure in disclosure.VERSIONS and described.kind != "days" and again < 30
        effects[measure] = Effect(
            name, measure, group, group, 0.0, -0.1, 0.1, 1.0, 50.0, False,
            "suppressed" if few else "inconclusive", described.favourable, None, None, 0.2,
        )  # fmt: skip
    return effects


def _analysed(name, people, *, reoffend=lambda one: one % 3 == 0, accepted=True, outcomes=None):
    """An analysis of these people, with effects that follow from their outcomes."""
    ours = _lived(list(people), reoffend, outcomes)
    others = ours.iloc[[0, 0]].assign(offender_id=["c1", "c2"], treated=0)
    frame = pd.concat([ours, others], ignore_index=True)
    matched = SimpleNamespace(
        accepted=accepted, frame=frame[["offender_id", "treated", "weight"]],
        treatment_n=len(ours), comparison_n=900, comparison_people=800, effective_n=400.0,
    )  # fmt: skip
    return SimpleNamespace(
        wanted=SimpleNamespace(id=name), matched=matched, sample=frame if accepted else None,
        effects=_measured(ours, name) if accepted else {},
        adjusted={"rate": Adjusted(name, "rate", "logistic", -0.1, conclusion="inconclusive")},
    )  # fmt: skip


def _told(*analysed):
    cleared = disclosure.clear_analyses(analysed)
    return {name for name, one in cleared.items() if one.effects["rate"].conclusion != "suppressed"}


def _named(**groups):
    return [_analysed(name, people) for name, people in groups.items()]


def test_the_same_people_may_be_analysed_twice():
    assert _told(*_named(headline=EVERYBODY, again=EVERYBODY)) == {"headline", "again"}


@pytest.mark.parametrize(("left_out", "told"), [(1, False), (27, False), (28, True), (200, True)])
def test_who_is_left_out_of_a_subgroup_must_hold_enough_reoffenders(left_out, told):
    """Of 28 people ten reoffended: the fewest who may be left out."""
    groups = _named(headline=EVERYBODY, part=range(left_out, 400))
    assert _told(*groups) == {"headline"} | ({"part"} if told else set())


def test_who_is_left_out_must_hold_enough_who_did_not_reoffend():
    groups = [
        _analysed(name, people, reoffend=lambda one: one < 45 or one % 3 == 0)
        for name, people in (("headline", EVERYBODY), ("part", range(50, 400)))
    ]
    assert _told(*groups) == {"headline"}


def test_a_withheld_subgroup_keeps_its_size_only_if_that_counts_nobody():
    cleared = disclosure.clear_analyses(
        _named(headline=EVERYBODY, nearly=range(5, 400), half=range(20, 400))
    )
    rates = {name: one.effects["rate"] for name, one in cleared.items()}
    assert rates["nearly"].treatment.n == 0 and rates["nearly"].comparison.n == 0
    assert rates["half"].treatment.n == 380
    assert rates["half"].conclusion == rates["nearly"].conclusion == "suppressed"
    assert cleared["half"].adjusted["rate"].difference is None
    assert {one.rule for one in cleared["half"].decisions} == {"difference"}


def test_the_whole_less_its_parts_must_not_tell_of_a_few():
    """Each part differs from the whole by many, but both together leave six people."""
    whole = _named(headline=EVERYBODY, men=range(200), women=range(200, 394))
    assert _told(*whole) == {"headline", "men"}
    exact = _named(headline=EVERYBODY, men=range(200), women=range(200, 400))
    assert _told(*exact) == {"headline", "men", "women"}
    enough = _named(headline=EVERYBODY, men=range(200), women=range(200, 370))
    assert _told(*enough) == {"headline", "men", "women"}


def test_the_rest_is_small_even_where_another_subgroup_cuts_through_it():
    """Six people are in no region; half of them are young, which the analysis by age tells."""
    groups = _named(
        headline=EVERYBODY, young=[*range(0, 400, 2)], north=range(200), south=range(200, 394)
    )
    assert _told(*groups) == {"headline", "young", "north"}


def test_crossed_subgroups_may_both_stand():
    groups = _named(
        headline=EVERYBODY, young=range(0, 400, 2), old=range(1, 400, 2),
        north=range(200), south=range(200, 400),
    )  # fmt: skip
    assert _told(*groups) == {"headline", "young", "old", "north", "south"}


def test_an_analysis_that_is_not_balanced_tells_its_size_and_no_outcome():
    cleared = disclosure.clear_analyses(
        [_analysed("headline", EVERYBODY), _analysed("men", range(100), accepted=False)]
    )
    rate = cleared["men"].effects["rate"]
    assert (rate.reason, rate.treatment.n) == (disclosure.NOT_BALANCED, 100)
    near = disclosure.clear_analyses(
        [_analysed("headline", EVERYBODY), _analysed("men", range(3, 400), accepted=False)]
    )
    assert near["men"].effects["rate"].treatment.n == 0


def test_an_analysis_that_was_not_begun_is_left_out():
    none = SimpleNamespace(wanted=SimpleNamespace(id="few"), matched=None)
    assert list(disclosure.clear_analyses([_analysed("headline", EVERYBODY), none])) == ["headline"]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from("ab-"), min_size=6, max_size=6), min_size=2, max_size=2),
    st.lists(st.integers(1, 60), min_size=6, max_size=6),
)
def test_no_difference_of_two_told_analyses_and_no_rest_of_a_partition_is_small(splits, sizes):
    """By brute force over all pairs, and over the sums of disjoint parts of one analysis."""
    starts = [sum(sizes[:place]) for place in range(6)]
    blocks = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    groups = [set(range(6)), *({b for b in range(6) if s[b] == n} for s in splits for n in "ab")]
    people = [frozenset(p for block in group for p in blocks[block]) for group in groups if group]
    analysed = [_analysed(f"a{place}", sorted(one)) for place, one in enumerate(people)]
    told = [people[int(name[1:])] for name in sorted(_told(*analysed))]
    for one, other in combinations(told, 2):
        assert _is_large(one ^ other)
    for whole in told:
        for many in range(1, len(told)):
            for parts in combinations([one for one in told if one < whole], many):
                if sum(map(len, parts)) == len(frozenset().union(*parts)):
                    assert _is_large(whole - frozenset().union(*parts))


def _is_large(people):
    reoffenders = sum(one % 3 == 0 for one in people)
    return not people or min(reoffenders, len(people) - reoffenders) >= 10


def _random(many, seed):
    """Outcomes by chance, some of them rare and some nearly everybody's."""
    chance = random.Random(seed)
    odds = {
        name: chance.choice((0.1, 0.3, 0.5, 0.9))
        for name in (
            "reoffences_indictable", "reoffences_either_way", "reoffences_summary",
            "custodial_sentences", "first_custodial",
        )
    }  # fmt: skip
    shares = [chance.choice((1, 4, 9)) for _ in range(3)]
    outcomes = ("indictable", "either way", "summary")
    again = [chance.random() < 0.5 for _ in range(many)]
    lived = [
        {name: int(chance.random() < odd) * chance.randint(1, 4) for name, odd in odds.items()}
        | {"first_court_outcome": chance.choices(outcomes, shares)[0]}
        for _ in range(many)
    ]
    for one in lived:
        one["first_custodial"] = one["first_custodial"] > 0
    return {"reoffend": again.__getitem__, "outcomes": lived.__getitem__}


def _holds_enough(people, events):
    """Whether nobody, or ten with the event and ten without of those whom the measure is about."""
    values = events.reindex([f"p{one}" for one in sorted(people)]).dropna()
    return not people or min(values.sum(), len(values) - values.sum()) >= 10


@settings(deadline=None, derandomize=True, max_examples=15)
@given(
    st.lists(st.lists(st.sampled_from("ab-"), min_size=6, max_size=6), min_size=2, max_size=2),
    st.lists(st.integers(1, 90), min_size=6, max_size=6),
    st.integers(0, 10**6),
)
def test_no_measure_of_two_told_analyses_and_no_rest_tells_of_few(splits, sizes, seed):
    """By brute force, as for the rate; and of what is printed no difference is few."""
    starts = [sum(sizes[:place]) for place in range(6)]
    blocks = [range(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    groups = [set(range(6)), *({b for b in range(6) if s[b] == n} for s in splits for n in "ab")]
    people = [frozenset(p for block in group for p in blocks[block]) for group in groups if group]
    lived = _random(sum(sizes), seed)
    cleared = disclosure.clear_analyses(
        [_analysed(f"a{place}", sorted(one), **lived) for place, one in enumerate(people)]
    )
    truth = disclosure.measures.events_of(_lived(range(sum(sizes)), **lived))
    for measure, described in MEASURES.items():
        version = EVERYONE[measure].name if measure in EVERYONE else measure
        # of a frequency everybody without the event is one of the others
        events = truth[measure].fillna(0) if described.kind == "frequency" else truth[measure]
        for name in {measure, version}:
            told = {
                people[int(key[1:])]: one.effects[name].treatment
                for key, one in cleared.items()
                if _tells(one, name)
            }
            for one, other in combinations(told, 2):
                assert _holds_enough(one ^ other, events)
                if described.kind == "rate" and other < one:
                    rest = round(told[one].events) - round(told[other].events)
                    assert 10 <= rest <= told[one].n - told[other].n - 10
            for whole in told:
                for many in range(1, len(told)):
                    for parts in combinations([one for one in told if one < whole], many):
                        if sum(map(len, parts)) == len(frozenset().union(*parts)):
                            rest = whole - frozenset().union(*parts)
                            assert _holds_enough(rest, events)


def _split(women):
    """A headline of 153 who reoffended, of whom 143 are men; eleven first reoffences indictable."""
    lived = {
        "reoffend": lambda one: one < 153,
        "outcomes": lambda one: {
            "first_court_outcome": "indictable" if one in women else "summary",
            "reoffences_indictable": int(one in women), "reoffences_summary": one % 2,
            "first_custodial": one % 2 == 0,
        },
    }  # fmt: skip
    men = [*range(133), *range(165, 400)]
    return disclosure.clear_analyses(
        [_analysed("headline", range(400), **lived), _analysed("men", men, **lived)]
    )


@pytest.mark.parametrize(
    ("women", "told"),
    [(range(11), False), (range(100, 142), False), (range(100, 143), True)],
)
def test_a_measure_is_withheld_where_those_left_out_hold_few_with_its_event(women, told):
    """Twenty women reoffended; the rate stands, and 10% of 153 less 14% of 143 would be nobody."""
    women = {*women, *range(30)}
    cleared = _split(women)
    assert _tells(cleared["headline"], "frequency_indictable")
    for name in ("frequency_indictable", "frequency_indictable_everyone"):
        assert _tells(cleared["men"], name) == told
    assert _tells(cleared["men"], "rate") and _tells(cleared["men"], "first_custody")
    rules = {one.part: one.rule for one in cleared["men"].decisions}
    assert (rules.get("men.frequency_indictable") == "difference") != told


@pytest.mark.parametrize("people", [5, 9, 10, 20])
def test_a_frequency_is_judged_by_people_and_not_by_offences(people):
    """Twenty offences by five men are few, by the sample and by mean and standard deviation."""
    offences = {one: 20 // people + (one < 20 % people) for one in range(people)}
    one = _analysed(
        "headline", range(300), reoffend=lambda one: one < 100,
        outcomes=lambda one: {"reoffences_indictable": offences.get(one, 0)},
    )  # fmt: skip
    for sample in (one.sample, None):
        cleared = disclosure.clear(one.effects, matched=ALIKE, sample=sample)
        for name in ("frequency_indictable", "frequency_indictable_everyone"):
            assert _tells(cleared, name) == (people >= 10)


@given(st.lists(st.integers(0, 6), min_size=2, max_size=40))
def test_the_fewest_who_can_have_a_mean_are_never_more_than_have_it(values):
    described = np.array(values, dtype=float)
    sums = disclosure.measures.sums(len(values), described.mean(), described.std(ddof=1))
    assert disclosure.measures.fewest(*sums) <= (described > 0).sum()


def test_a_withheld_frequency_by_court_outcome_takes_the_others_with_it():
    """With the frequency of all offences they add up, so the others would tell it."""
    effects = _effects(200, 60, {"frequency_indictable": 9})
    cleared = disclosure.clear(effects, matched=ALIKE)
    assert _withheld(cleared) == set(disclosure.FREQUENCIES)


def test_sizes_of_groups_that_are_not_alike_are_held_apart_too():
    """The sample of such groups is empty; their people are those of the match."""
    first = _analysed("headline", range(60), accepted=False)
    first.sample = first.matched.frame.iloc[:0].assign(reoffended=False)
    cleared = disclosure.clear_analyses([first, _analysed("men", range(59), accepted=False)])
    assert cleared["headline"].effects["rate"].treatment.n == 60
    assert cleared["men"].effects["rate"].treatment.n == 0


@pytest.mark.parametrize(("left_out", "told"), [(1, False), (9, False), (40, True), (0, True)])
def test_participation_is_held_apart_from_subgroups(left_out, told):
    """A subgroup of those who completed, less a few of them, would tell of these few."""
    everybody = range(300)
    completed = [one for one in everybody if one < 200]
    analysed = [
        _analysed("headline", everybody),
        _analysed("part", completed[left_out:]),
    ]
    results = disclosure.clear_analyses(analysed)
    assert results["part"].effects["rate"].conclusion != "suppressed"
    people = pd.DataFrame(
        {
            "offender_id": [f"p{one}" for one in everybody],
            "participation": ["completed" if one < 200 else "started" for one in everybody],
            "reoffended": [int(one % 3 == 0) for one in everybody],
        }
    )
    described = disclosure.clear_participation(people, analysed, results)
    assert described["rate"].notna().all() == told


@pytest.mark.parametrize(
    ("published", "told"),
    [
        ((300, 100 / 300), True),
        ((308, 103 / 308), False),
        ((300, 97 / 300), False),
        ((320, 0.5), True),
        ((270, 90 / 270), True),
    ],
)
def test_new_people_and_earlier_reports_must_not_tell_of_a_few(published, told):
    results = disclosure.clear_analyses(
        _named(**{"headline": range(400), "new-people": range(300, 400)})
    )
    assert results["new-people"].effects["rate"].conclusion != "suppressed"
    many, rate = published
    earlier = [
        {"treatment_n": 100, "treatment": rate}, {"treatment_n": many - 100, "treatment": rate},
    ]  # fmt: skip
    held = disclosure.clear_looks(results, earlier)["new-people"].effects["rate"]
    assert (held.conclusion != "suppressed") == told
    assert (held.treatment.n == 0) != told


def _reported(results):
    """What a report tells of its headline, as its ``result.json`` holds it."""
    groups = {name: one.treatment for name, one in results["headline"].effects.items()}
    return {
        "measures": [
            {
                "measure": name,
                "treatment_n": one.n or None,
                "treatment": one.mean,
                "treatment_sd": one.sd,
            }
            for name, one in groups.items()
        ]
    }


@pytest.mark.parametrize(
    ("new", "told"), [(9, False), (10, True), (30, True), (31, False), (0, False)]
)
def test_all_people_less_those_of_earlier_reports_must_not_tell_of_a_few(new, told):
    """Of a hundred new people forty reoffended, and so many of these had custody first."""
    custody = {
        "reoffend": lambda one: one % 100 < 40,
        "outcomes": lambda one: {"first_custodial": one % 100 < (new if one >= 300 else 20)},
    }
    earlier = disclosure.clear_analyses([_analysed("headline", range(300), **custody)])
    results = disclosure.clear_analyses([_analysed("headline", range(400), **custody)])
    assert _tells(results["headline"], "first_custody") and _tells(earlier["headline"], "rate")
    cleared = disclosure.clear_looks(results, [_reported(earlier)])["headline"]
    assert _tells(cleared, "first_custody") == _tells(cleared, "first_custody_everyone") == told
    assert _tells(cleared, "rate")


def _tells(cleared, measure):
    return cleared.effects[measure].conclusion != "suppressed"


def test_without_the_rate_nothing_of_all_people_is_told_nor_of_the_same_people_elsewhere():
    earlier = disclosure.clear_analyses([_analysed("headline", range(395))])
    results = disclosure.clear_analyses(_named(**{"headline": range(400), "again": range(400)}))
    cleared = disclosure.clear_looks(results, [_reported(earlier)])
    for one in cleared.values():
        assert _withheld(one) == set(ALL)
        assert one.adjusted["rate"].difference is None


@settings(deadline=None, derandomize=True, max_examples=12)
@given(st.lists(st.integers(1, 120), min_size=3, max_size=3), st.integers(0, 10**6), st.booleans())
def test_no_earlier_report_taken_from_all_people_leaves_few(sizes, seed, alone):
    """By brute force over all sets of earlier reports, and the new people where they are told."""
    ends = [sum(sizes[:place]) for place in range(4)]
    groups = [range(*ends[place : place + 2]) for place in range(3)]
    lived = _random(ends[3], seed)
    before = [
        disclosure.clear_analyses([_analysed("headline", one, **lived)]) for one in groups[:2]
    ]
    ours = [_analysed("headline", range(ends[3]), **lived)]
    ours += [_analysed("new-people", groups[2], **lived)] if alone else []
    results = disclosure.clear_looks(
        disclosure.clear_analyses(ours), [_reported(one) for one in before]
    )
    reports = [one["headline"] for one in before] + [results[one] for one in results][1:]
    truth = disclosure.measures.events_of(_lived(range(ends[3]), **lived))
    for measure in MEASURES:
        if not disclosure.together._tells(results["headline"], measure):
            continue
        told = [
            set(groups[2] if one is results.get("new-people") else groups[place])
            for place, one in enumerate(reports)
            if disclosure.together._tells(one, measure)
        ]
        for many in range(1, len(told) + 1):
            for taken in combinations(told, many):
                rest = set(range(ends[3])) - set().union(*taken)
                if rest and ALL[measure].kind == "frequency":
                    assert truth.loc[[f"p{one}" for one in rest], measure].sum() >= 10
                else:
                    assert _holds_enough(rest, truth[measure])


@pytest.mark.parametrize("extends", [False, True])
def test_a_request_that_extends_others_does_not_describe_participation(extends):
    analysed = _named(headline=range(160))
    analysed += [SimpleNamespace(wanted=SimpleNamespace(id="new-people"), matched=None)] * extends
    people = _took_part(completed=(100, 40), started=(60, 30))
    told = disclosure.clear_participation(people, analysed, {})
    assert told["people"].isna().all() == told["rate"].isna().all() == extends


@pytest.mark.parametrize("reoffenders", [29, 30])
def test_no_mean_time_is_told_where_the_days_to_the_first_are_withheld(reoffenders):
    """The time without a reoffence, less a year of those who did not, is the days to the first."""
    by_day = tuple(round(reoffenders * day / 13) for day in range(14))
    told = disclosure.clear_survival(_curve(by_day), _results(100, reoffenders))
    means = (told.mean_treatment, told.difference, told.ci_low, told.p_value)
    assert means == ((240.0, 20.0, 5.0, 0.01) if reoffenders >= 30 else (None,) * 4)
    assert told.days[-1] == 365
    effects = _with_versions(100, reoffenders, {"time_without_reoffence": 100 * 240})
    version = disclosure.clear(effects, matched=ALIKE).effects["time_without_reoffence"]
    assert (version.conclusion == "suppressed") == (reoffenders < 30)


def test_new_people_are_withheld_beside_a_report_whose_figures_are_not_held():
    groups = {"headline": range(400), "new-people": range(300, 400)}
    results = disclosure.clear_analyses(_named(**groups))
    earlier = [{"programme": "First", "treatment_n": None, "rate_result": "reduction"}]
    told = disclosure.clear_looks(results, earlier)
    assert told["new-people"].effects["rate"].conclusion == "suppressed"
    assert disclosure.clear_looks(results, [])["new-people"] == results["new-people"]


# --- The overlap of the scores --------------------------------------------------------------------


def scored(treated, others, weights=None):
    """A match of people with these scores."""
    ours = pd.DataFrame({"score": treated, "weight": 1.0, "treated": True})
    theirs = pd.DataFrame({"score": others, "weight": weights or 1.0, "treated": False})
    frame = pd.concat([ours, theirs], ignore_index=True)
    return SimpleNamespace(frame=frame, specification=SimpleNamespace(treated="treated"))


def test_overlap_is_told_in_fixed_bands_whose_outer_ends_are_open():
    others = [0.001] * 60 + [0.03] * 40 + [0.3] * 20
    weights = [0.0] * 30 + [0.1] * 30 + [1.0] * 40 + [3.0] * 20
    told = disclosure.clear_overlap(
        scored([0.0015] * 10 + [0.03] * 30 + [0.4] * 60, others, weights)
    )
    assert told["low"].dropna().tolist() == [0.002, 0.05]
    assert told["high"].dropna().tolist() == [0.002, 0.05]
    assert told["treatment"].tolist() == [0.1, 0.3, 0.6]
    assert told["before"].tolist() == [0.5, 0.33, 0.17]
    assert told["after"].tolist() == [0.03, 0.39, 0.58]


@settings(deadline=None, derandomize=True)
@given(
    st.lists(st.floats(0, 1), min_size=0, max_size=80),
    st.lists(st.floats(0, 1), min_size=0, max_size=200),
)
def test_no_band_of_the_overlap_holds_few_people(treated, others):
    matched = scored(treated, others)
    told = disclosure.clear_overlap(matched)
    assert len(told) != 1
    if told.empty:
        return
    assert set(told["high"].dropna()) <= set(disclosure.BANDS)
    assert told["high"].tolist()[:-1] == told["low"].tolist()[1:]
    assert told[["low", "high"]].isna().sum().tolist() == [1, 1]
    for row in told.fillna({"low": -1, "high": 2}).itertuples():
        for scores in (treated, others):
            assert sum(row.low <= score < row.high for score in scores) >= disclosure.RULES.cell
    shares = told[["treatment", "before", "after"]]
    assert (100 * shares % 1).round(9).isin([0, 1]).all(axis=None)


@pytest.mark.parametrize(
    ("others", "weights"),
    [
        ([0.001] * 20 + [0.3] * 9, None),
        ([0.001] * 20 + [0.3] * 20, [1.0] * 20 + [1.0] * 9 + [0.0] * 11),
    ],
    ids=["few candidates", "few in the comparison group"],
)
def test_a_band_needs_enough_people_of_the_other_groups_too(others, weights):
    treated = [0.001] * 20 + [0.3] * 20
    assert len(disclosure.clear_overlap(scored(treated, [0.001] * 20 + [0.3] * 20))) == 2
    assert disclosure.clear_overlap(scored(treated, others, weights)).empty


def test_people_without_a_score_or_a_match_tell_nothing_of_the_overlap():
    matched = scored([0.01] * 20 + [0.3] * 20 + [None] * 9, [0.01] * 20 + [0.3] * 20)
    assert disclosure.clear_overlap(matched)["treatment"].tolist() == [0.5, 0.5]
    matched.frame.loc[:19, "weight"] = 0.0
    assert disclosure.clear_overlap(matched).empty


# --- What earlier reports leave of balance and profile --------------------------------------------


def _compared(region, cautions, told=(), beside=None, then=None):
    """The balance of people p0, p1 ... with these regions and cautions, beside earlier reports.

    Where a version of this very report was told, `beside` are the reports it was held against, and
    `then` is the digest of who its people were, if it was another.
    """
    many, others = len(region), sorted(set(region))
    frame = pd.DataFrame(
        {
            "offender_id": [f"p{one}" for one in range(many)] + [f"c{one}" for one in others],
            "region": [*region, *others],
            "cautions": [*cautions, *range(5, 5 + len(others))],
            "treated": [1] * many + [0] * len(others),
            "weight": 1.0,
        }
    )
    account = pd.DataFrame({"could": [True], "years": [30.0], "sex": ["male"]})
    before = [_published(people) for people in told]
    matched = SimpleNamespace(frame=frame, treatment_n=many)
    if beside is not None:
        first = replace(
            _published(range(many)), beside=tuple(map(_published, beside)),
            described=then or disclosure.described(matched),
        )  # fmt: skip
        before.append(first)
    return disclosure.clear_categories(
        matched, ["region", "cautions"],
        account=account, before=before,
    ).set_index(["variable", "level"])["mean_treatment"]  # fmt: skip


def _published(people):
    return disclosure.Published(frozenset(f"p{one}" for one in people), True, {})


@pytest.mark.parametrize(("holders", "told"), [(0, False), (1, False), (9, False), (10, True)])
def test_a_number_that_few_people_have_is_withheld(holders, told):
    """Its mean and size are the sum: one caution among a hundred people is one person's."""
    shown = _compared(["north"] * 60 + ["south"] * 60, [1] * holders + [0] * (120 - holders))
    assert pd.notna(shown["cautions", ""]) == told
    assert shown["region", "north"] == 0.5


@pytest.mark.parametrize(("welsh", "told"), [(9, False), (10, True)])
def test_a_level_is_told_if_enough_have_it_of_those_whom_earlier_reports_leave(welsh, told):
    """Sixty people were reported before, twenty of them Welsh: the rest follows by subtraction."""
    earlier = ["wales"] * 20 + ["north"] * 20 + ["south"] * 20
    new = ["wales"] * welsh + ["north"] * 20 + ["south"] * 20
    again = _compared(earlier + new, [2] * (100 + welsh), told=[range(60)])
    assert ("wales" in again.index.get_level_values("level")) == told
    alone = _compared(earlier + new, [2] * (100 + welsh))
    assert pd.notna(alone["region", "wales"])
    apart = _compared(earlier + new, [2] * (100 + welsh), told=[[*range(60), *range(900, 910)]])
    assert pd.notna(apart["region", "wales"])


def test_what_two_earlier_reports_leave_together_counts_too():
    """Of either alone enough are left, of both together five."""
    cautions = [0] * 25 + [1] * 30 + [0] * 25 + [1] * 30 + [0] * 10 + [1] * 5
    told = [range(55), range(55, 110)]
    region = ["north", "south"] * 62 + ["north"]
    assert pd.isna(_compared(region, cautions, told=told)["cautions", ""])
    for one in told:
        assert pd.notna(_compared(region, cautions, told=[one])["cautions", ""])


@pytest.mark.parametrize("again", [range(115), range(110, 115), range(100, 115)])
def test_what_several_reports_leave_counts_though_a_further_one_leaves_nobody(again):
    """A version of the report itself, or its analysis of the rest, takes away who is left."""
    cautions = [0] * 25 + [1] * 30 + [0] * 25 + [1] * 30 + [1] * 5
    told = [range(55), range(55, 110)]
    region = ["north", "south"] * 57 + ["north"]
    assert pd.isna(_compared(region, cautions, told=[*told, again])["cautions", ""])


_REGIONS = {"wales": 5, "kent": 12, "surrey": 25, "north": 40}
_WHERE = [region for region, many in _REGIONS.items() for _ in range(many)]
_SURREY = range(17, 37)
"""People of a later report: of Surrey it leaves five, which were merged with Kent then."""


def _known_of_wales(*versions):
    """The range of those from Wales, for a reader of several versions of one report."""
    reader = Intruder(len(_WHERE))
    reader.know(list(_REGIONS), len(_WHERE))
    for version in versions:
        shown = version["region"].dropna()
        merged = [one for one in _REGIONS if one not in shown]
        for level, share in shown.items():
            parts = merged if level == "other categories" else [level]
            reader.know_share(parts, _REGIONS, round(share, 2), 0.005)
    return reader.range_of(["wales"])


def test_two_versions_of_one_report_tell_together_what_the_first_told():
    """Wales goes with Kent, and beside a later report with Surrey: less Surrey Wales is left."""
    cautions = [2] * len(_WHERE)
    first = _compared(_WHERE, cautions)
    as_new = _compared(_WHERE, cautions, told=[_SURREY])
    again = _compared(_WHERE, cautions, told=[_SURREY], beside=[])
    assert is_open(*_known_of_wales(first)) and is_open(*_known_of_wales(as_new))
    assert _known_of_wales(first, as_new) == (5, 5)
    assert is_open(*_known_of_wales(first, again))
    pd.testing.assert_series_equal(again, first)


def test_a_version_held_against_reports_is_told_again_beside_those_alone():
    """Whatever was told since, by its own other analyses too, changes no row."""
    cautions = [2] * len(_WHERE)
    then = _compared(_WHERE, cautions, told=[_SURREY])
    again = _compared(_WHERE, cautions, told=[_SURREY, range(70)], beside=[_SURREY])
    pd.testing.assert_series_equal(again, then)


@pytest.mark.parametrize(("more", "told"), [(0, True), (1, False), (9, False)])
def test_nothing_is_told_beside_a_report_of_the_same_people_and_a_few_more(more, told):
    """A correction leaves out three people: the profile before less the one now is theirs."""
    shown = _compared(_WHERE, [2] * len(_WHERE), told=[range(len(_WHERE) + more)])
    assert shown.notna().any() == shown.notna().all() == told


def test_a_version_of_people_of_whom_something_changed_is_held_against_all():
    cautions = [2] * len(_WHERE)
    held = _compared(_WHERE, cautions, told=[_SURREY])
    changed = _compared(_WHERE, cautions, told=[_SURREY], beside=[], then="another")
    pd.testing.assert_series_equal(changed, held)


def test_people_are_described_alike_in_any_order_and_by_any_name():
    frame = pd.DataFrame(
        {
            "offender_id": ["a", "b", "c"], "region": ["kent", "wales", "kent"],
            "treated": [1, 1, 0], "weight": 1.0,
        }
    )  # fmt: skip
    digest = disclosure.described(SimpleNamespace(frame=frame))
    turned = frame.iloc[::-1].assign(offender_id=["x", "y", "z"])
    assert disclosure.described(SimpleNamespace(frame=turned)) == digest
    moved = frame.assign(region=["kent", "kent", "kent"])
    assert disclosure.described(SimpleNamespace(frame=moved)) != digest


def test_the_decisions_do_not_tell_which_merged_reason_occurred():
    """Whichever two of the small reasons occurred, all that have no row are merged."""
    parts = []
    for small in ((sentence.REVIEW, sentence.NO_MATCH), (sentence.DIED, sentence.TOO_LATE)):
        door = disclosure.Door()
        funnel = _funnel((sentence.NOT_FOUND, 40), (small[0], 9), (small[1], 7))
        disclosure.clear_funnel(funnel, rules=door)
        parts.append(door.decided)
    assert parts[0] == parts[1]
    assert parts[0]["funnel.no-similar-person-in-the-comparison-pool"].decided == "merged"
