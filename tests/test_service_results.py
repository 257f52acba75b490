"""The service's published results, held against what its method gives for them."""

import math

import numpy as np
import pandas as pd
import pytest
from matches import REFERENCE
from scipy import stats

from jdl.effects import compare

ROWS = pd.read_csv(REFERENCE / "published_results.csv").set_index("id")
ROUNDING = 0.5
POOL = 50_000
TESTABLE = {
    "bluesky2013": "rates, size and interval are published",
    "pet2014_all": "rates, size and interval are published",
    "workingchance2014": "not: neither rates nor the size are published",
    "clink2022": "rates and size are published: the conclusion",
    "cityguilds2026_m": "not from the rounded rates; from the stated difference: the conclusion",
}


def rates_that_round_to(percent, n):
    """The shares of n people that are published as so many per cent."""
    low = math.ceil((percent - ROUNDING) / 100 * n)
    return [k for k in range(low, n + 1) if k / n * 100 <= percent + ROUNDING]


def analysed(events, n, percent):
    """The result for so many reoffenders of n against a large pool at a rate."""
    theirs = round(percent / 100 * POOL)
    return compare(
        pd.DataFrame(
            {
                "treated": np.arange(n + POOL) < n,
                "offender_id": np.arange(n + POOL),
                "weight": np.where(np.arange(n + POOL) < n, 1.0, n / POOL),
                "reoffended": np.concatenate(
                    [np.arange(n) < events, np.arange(POOL) < theirs]
                ).astype(float),
            }
        ),
        "rate",
    )


def possible(row):
    """The results of every pair of ends of the two rates' roundings."""
    n = int(row["treatment_n"])
    ours = rates_that_round_to(row["treat_rate_pct"], n)
    return [
        analysed(events, n, row["comp_rate_pct"] + shift)
        for events in {ours[0], ours[-1]}
        for shift in (-ROUNDING, ROUNDING)
    ]


def test_each_row_is_testable_or_not_with_the_reason():
    assert list(ROWS.index) == list(TESTABLE)
    untold = ROWS[["treat_rate_pct", "comp_rate_pct", "treatment_n"]].isna().any(axis=1)
    assert list(ROWS.index[untold]) == [
        name for name, why in TESTABLE.items() if why.startswith("not: ")
    ]


@pytest.mark.parametrize("name", ["bluesky2013", "pet2014_all"])
def test_published_intervals_are_possible_and_so_is_the_conclusion(name):
    row, results = ROWS.loc[name], possible(ROWS.loc[name])
    for end, column in (("ci_low", "ci_low_pp"), ("ci_high", "ci_high_pp")):
        values = [getattr(result, end) * 100 for result in results]
        assert min(values) - ROUNDING <= row[column] <= max(values) + ROUNDING
    assert any(result.conclusion == "reduction" for result in results)
    assert row["rate_result"] == "decrease"


@pytest.mark.parametrize("name", ["bluesky2013", "pet2014_all"])
def test_a_comparison_group_counted_by_its_weights_could_not_have_given_them(name):
    row = ROWS.loc[name]
    n, p1, p0 = (row[c] for c in ("treatment_n", "treat_rate_pct", "comp_rate_pct"))
    width = row["ci_high_pp"] - row["ci_low_pp"]
    variances = [p / 100 * (1 - p / 100) for p in (p1, p0)]
    by_people, by_weights = (
        2 * 1.96 * 100 * math.sqrt(variances[0] / n + variances[1] / size) for size in (POOL, n)
    )
    assert abs(by_people - width) <= 2 * ROUNDING
    assert by_weights - width > 2 * ROUNDING


def test_the_published_rates_of_an_inconclusive_result_are_inconclusive():
    row, results = ROWS.loc["clink2022"], possible(ROWS.loc["clink2022"])
    assert row["rate_result"] == "inconclusive"
    assert {result.conclusion for result in results} == {"inconclusive"}
    differences = [result.difference * 100 for result in results]
    assert min(differences) <= float(row["diff_pp_stated"]) <= max(differences)


def test_whole_percentages_would_have_given_a_wrong_conclusion():
    row = ROWS.loc["cityguilds2026_m"]
    n, shown = int(row["treatment_n"]), row["treat_rate_pct"]
    rounded = analysed(round(shown / 100 * n), n, row["comp_rate_pct"])
    assert rounded.conclusion == "increase"
    assert row["rate_result"].startswith("no significant effect")
    small = [
        analysed(events, n, events / n * 100 - less)
        for events in rates_that_round_to(shown, n)[:: n // 300]
        for less in (0.05, 0.3, 0.5)
        if round(events / n * 100 - less) == row["comp_rate_pct"]
    ]
    assert small
    assert {result.conclusion for result in small} == {"inconclusive"}
    limit = stats.norm.ppf(0.975) * 100 * math.sqrt(0.195 * 0.805 * (1 / n + 1 / POOL))
    assert limit == pytest.approx(0.65, abs=0.01)
