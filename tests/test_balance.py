from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from matches import FORMULAS, agree, expect_good_match, pool, reference

from jdl import balance
from jdl.matching import Specification, first_accepted

SPECS = (
    "nn1", "nn1_cal02", "nn1_replace", "nn3_cal02", "nn1_exact", "subclass6", "radius_logit02sd",
    "radius_logit02sd_exact", "radius_logit005sd", "radius_ps001", "ebal", "ipw_att", "overlap",
)  # fmt: skip
NUMBERS = {
    "jdl_synth": "age male prior firstage custody employed benefits drug alcohol uk_national "
    "severity logit",
    "lalonde_psid614": "age educ black hisp married nodegree re74k re75k logit",
}
CATEGORIES = {"jdl_synth": ("offence", "ethnicity", "region"), "lalonde_psid614": ()}


def two(treated, comparison, weight=None, name="x"):
    """A frame of one variable, all with a weight of one unless said."""
    values = [*treated, *comparison]
    return pd.DataFrame(
        {
            name: values,
            "treated": [True] * len(treated) + [False] * len(comparison),
            "weight": [1.0] * len(values) if weight is None else weight,
        }
    )


def row_of(frame, name="x", level=None):
    table = balance.table(frame, [name])
    rows = table if level is None else table[table["level"] == level]
    assert len(rows) == 1
    return rows.iloc[0]


def name_in_r(variable, level):
    return f"{variable[:3]}_{level}" if variable in CATEGORIES["jdl_synth"] else variable


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("spec", SPECS)
def test_standardised_differences_agree_with_r(name, spec):
    frame, weights, _, theirs = reference(name)
    frame = frame.assign(weight=weights[spec], logit=weights["logit"])
    ours = balance.table(frame, [*NUMBERS[name].split(), *CATEGORIES[name]])
    ours.index = [name_in_r(*key) for key in zip(ours["variable"], ours["level"], strict=True)]
    theirs = theirs[theirs["spec"] == spec].set_index("variable")
    shared = theirs.index
    assert len(shared) == {"jdl_synth": 22, "lalonde_psid614": 9}[name]
    for mine, r in {
        "mean_treatment_before": "mean_t_before",
        "mean_treatment": "mean_t_after",
        "mean_before": "mean_c_before",
        "mean_after": "mean_c_after",
        "smd_before": "smd_treated_before",
        "smd_after": "smd_treated_after",
    }.items():
        agree(ours.loc[shared, mine], theirs[r])
    for mine, r in {
        "variance_ratio_before": "vr_before",
        "variance_ratio_after": "vr_after",
    }.items():
        numbers = theirs.index[theirs["vr_before"].notna()]
        assert len(numbers) >= 5
        agree(ours.loc[numbers, mine], theirs.loc[numbers, r])
        # MatchIt's distance is the score itself there, not the logit.
        distance = ["logit"] if spec == "radius_ps001" else []
        of_matchit = theirs[f"mi_{r}"].drop(distance).dropna()
        agree(ours.loc[of_matchit.index, mine], of_matchit)
        assert ours[mine].drop(numbers).isna().all()


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("spec", ["radius_logit02sd", "nn1_cal02", "nn1_replace"])
def test_distances_of_distributions_agree_with_r(name, spec):
    frame, weights, _, theirs = reference(name)
    frame = frame.assign(weight=weights[spec], logit=weights["logit"])
    ours = balance.distributions(frame, NUMBERS[name].split()).set_index("variable")
    theirs = theirs[theirs["spec"] == spec].set_index("variable").loc[ours.index]
    for when in ("before", "after"):
        agree(ours[f"mean_{when}"], theirs[f"mi_ecdf_mean_{when}"])
        agree(ours[f"greatest_{when}"], theirs[f"mi_ecdf_max_{when}"])


def test_squares_and_products_are_compared_as_columns_of_their_own():
    frame = pool().assign(older=lambda f: f["age"] > 30, weight=np.linspace(0, 2, 440))
    found = balance.second_order(frame, ["age", "older", "region", "prior"])
    assert list(zip(found["variable"], found["level"], strict=True))[:5] == [
        ("age squared", ""),
        ("prior squared", ""),
        ("age by older", "yes"),
        ("age by region", "london"),
        ("age by region", "north east"),
    ]
    assert len(found) == 2 + 1 + 3 + 1 + 3 + 1 + 3
    wales = frame["region"] == "wales"
    products = {
        ("age squared", ""): frame["age"] ** 2,
        ("age by region", "wales"): frame["age"] * wales,
        ("older by region", "yes by wales"): frame["older"] & wales,
        ("age by prior", ""): frame["age"] * frame["prior"],
        ("older by prior", "yes"): frame["older"] * frame["prior"],
    }
    found = found.set_index(["variable", "level"])
    for key, product in products.items():
        expected = balance.table(frame.assign(product=product), ["product"]).iloc[0]
        mine = found.loc[key]
        for column in ("mean_treatment", "mean_after", "smd_before", "smd_after"):
            agree(mine[column], expected[column])
        np.testing.assert_allclose(
            mine["variance_ratio_after"], expected["variance_ratio_after"], rtol=1e-9
        )


def test_squares_and_products_beyond_their_limit_shut_the_gate_and_are_told():
    values = [1.0, 2.0, 3.0, 4.0]
    apart = two([1.0, 1.0, 4.0, 4.0], values)
    table, seconds = balance.table(apart, ["x"]), balance.second_order(apart, ["x"])
    worst = abs(seconds["smd_after"].iloc[0])
    assert balance.gate(table).accepted
    assert balance.gate(table, second_order=seconds, second_order_limit=worst).accepted
    verdict = balance.gate(table, second_order=seconds, second_order_limit=worst - 1e-9)
    assert not verdict.accepted
    assert verdict.second_order_worst_variable == "x squared"
    assert f"Of squares and products it is {100 * worst:.1f}% for x squared" in repr(verdict)
    assert balance.judge(type("M", (), {"frame": apart}), covariates=["x"], main=["x"]).accepted
    assert not balance.judge(
        type("M", (), {"frame": apart}), covariates=["x"], main=["x"], second_order_limit=0.1
    ).accepted


def test_unusual_variance_ratios_are_counted():
    frame = two([1.0, 9.0, 5.0], [4.0, 6.0, 5.0]).assign(y=[1.0, 2, 3, 1, 2, 3])
    verdict = balance.gate(balance.table(frame, ["x", "y"]))
    assert (verdict.ratios, verdict.ratios_outside) == (2, 1)
    assert repr(verdict).endswith("Of 2 variance ratios 1 are outside 0.5 to 2.")


def test_a_large_mean_does_not_cost_the_variance():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 50))
    plain, far = (row_of(two(ours + shift, theirs + shift)) for shift in (0, 1e7))
    np.testing.assert_allclose(
        far["variance_ratio_after"], plain["variance_ratio_after"], rtol=1e-7
    )
    agree(far["smd_after"], plain["smd_after"], tolerance=1e-7)


def test_every_level_of_a_category_has_a_row_and_shares_sum_to_one():
    frame = pool().assign(weight=1.0)
    table = balance.table(frame, ["region", "age", "disposal"])
    assert list(table.columns) == [*balance.COLUMNS, *balance.RATIO_COLUMNS]
    assert list(zip(table["variable"], table["level"], strict=True)) == [
        ("region", "london"),
        ("region", "north east"),
        ("region", "wales"),
        ("age", ""),
        ("disposal", "community order"),
        ("disposal", "custody"),
    ]
    shares = table[table["variable"] == "region"][["mean_treatment", "mean_before", "mean_after"]]
    agree(shares.sum(), [1, 1, 1])


def test_levels_of_a_categorical_keep_their_order():
    frame = two(["old", "young"], ["young", "old"]).astype(
        {"x": pd.CategoricalDtype(["young", "old", "unused"])}
    )
    assert list(balance.table(frame, ["x"])["level"]) == ["young", "old"]


@pytest.mark.parametrize("kind", [bool, int, "boolean"])
def test_yes_and_no_is_one_row_with_the_binomial_sd(kind):
    frame = two([1, 1, 1, 0], [1, 0, 0, 0]).astype({"x": kind})
    row = row_of(frame, level="yes")
    agree(row["smd_before"], 0.5 / np.sqrt(0.75 * 0.25))


def test_a_missing_category_is_a_level_and_a_missing_number_an_error():
    table = balance.table(two(["a", None], ["a", "b"]), ["x"])
    assert list(table["level"]) == ["a", "b", "missing"]
    agree(table["mean_treatment"], [0.5, 0, 0.5])
    with pytest.raises(ValueError, match="x is missing for 1 rows"):
        balance.table(two([1.5, np.nan], [2.5, 3.0]), ["x"])
    with pytest.raises(ValueError, match="lacks the columns y"):
        balance.table(two([1], [0]), ["y"])


def test_the_sd_is_that_of_all_treated_even_when_some_are_lost():
    frame = two([1.0, 3.0, 8.0], [2.0, 4.0], weight=[1, 1, 0, 0.5, 1.5])
    row = row_of(frame)
    sd = np.std([1, 3, 8], ddof=1)
    agree(row["mean_treatment"], 2)
    agree(row["mean_treatment_before"], 4)
    agree(row["smd_before"], (4 - 3) / sd)
    agree(row["smd_after"], (2 - 3.5) / sd)


def test_where_nobody_treated_varies_the_sd_of_everyone_stands_in():
    row = row_of(two([2.0, 2.0], [1.0, 3.0, 4.0]))
    agree(row["smd_before"], (2 - 8 / 3) / np.std([2, 2, 1, 3, 4], ddof=1))
    same = row_of(two([2.0, 2.0], [2.0, 2.0]))
    assert same["smd_before"] == 0
    assert same["band_after"] == "green"


@pytest.mark.parametrize(
    ("difference", "colour"),
    [(0.05, "green"), (-0.05, "green"), (0.0501, "amber"), (-0.1, "amber"), (0.1001, "red")],
)
def test_bands(difference, colour):
    assert balance.band(difference) == colour


def test_nobody_matched_is_not_balanced():
    table = balance.table(two([1.0, 2.0], [1.0, 2.0], weight=[0, 0, 0, 0]), ["x"])
    verdict = balance.gate(table)
    assert not verdict.accepted
    assert verdict.worst is None
    assert repr(verdict) == "Not balanced: nobody was matched."
    assert not balance.gate(table.iloc[:0]).accepted


def test_the_gate_names_the_worst_and_counts_the_bands():
    table = pd.DataFrame(
        {
            "variable": ["age", "region", "region", "prior"],
            "level": ["", "wales", "london", ""],
            "smd_after": [0.02, -0.12, 0.06, 0.1],
            "band_after": ["green", "red", "amber", "amber"],
        }
    )
    verdict = balance.gate(table)
    assert (verdict.greens, verdict.ambers, verdict.reds) == (1, 2, 1)
    assert (verdict.accepted, verdict.worst_variable) == (False, "region (wales)")
    agree(verdict.worst, 0.12)
    assert balance.gate(table, limit=0.12).accepted
    assert not balance.gate(table.drop(1), limit=0.09).accepted
    assert balance.gate(table.drop(1)).accepted
    assert repr(verdict) == (
        "Not balanced: the greatest standardised difference is 12.0% for region (wales), the "
        "limit 10%. Green: 1, amber: 2, red: 1."
    )


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.floats(1e-3, 1e3),
    shift=st.floats(-100, 100),
)
def test_neither_the_unit_of_a_number_nor_the_order_of_rows_matters(seed, scale, shift):
    frame = pool(seed % 100, 20, 60)
    frame = frame.assign(weight=np.random.default_rng(seed).uniform(0.1, 2, len(frame)))
    changed = frame.assign(age=shift + scale * frame["age"]).sample(frac=1, random_state=seed)
    columns = ["smd_before", "smd_after"]
    covariates = ["age", "prior", "region"]
    before, after = (balance.table(f, covariates)[columns] for f in (frame, changed))
    np.testing.assert_allclose(after, before, rtol=1e-7, atol=1e-9)


def test_the_gate_decides_between_specifications():
    candidates = pool(seed=4, treated=150, others=3000)
    plan = [
        Specification("nothing", "treated ~ 1", 0.2),
        Specification("all", "treated ~ age + prior + disposal + region", 0.2),
    ]

    def accept(matched):
        return balance.gate(balance.table(matched.frame, ["age", "prior", "disposal", "region"]))

    matched = first_accepted(candidates, plan, estimator=smf.logit, accept=accept)
    expect_good_match(matched, candidates)
    assert matched.specification.name == "all"
    assert [attempt.verdict.accepted for attempt in matched.attempts] == [False, True]
    assert matched.attempts[0].verdict.worst > 0.2


def test_judge_reads_the_frame_of_a_match():
    class Match:
        frame = two([1, 2, 3], [1, 2, 30])

    assert not balance.judge(Match(), covariates=["x"]).accepted
    Match.frame = two([1, 2, 3], [1, 2, 3])
    assert balance.judge(Match(), covariates=["x"], limit=0.01).accepted


def test_people_whom_matching_left_out_leave_no_trace_in_the_table():
    """From means before and after and the standard deviation they could be worked out."""
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "age": random.normal(35, 9, 400),
            "prior": random.poisson(3, 400),
            "treated": np.arange(400) < 80,
            "weight": np.where(np.arange(400) == 7, 0.0, 1.0),
        }
    )
    odd = frame.assign(age=frame["age"].where(frame.index != 7, 99.0))
    kept = [balance.analysed(one) for one in (frame, odd)]
    assert len(kept[0]) == 399
    pd.testing.assert_frame_equal(*(balance.table(one, ["age", "prior"]) for one in kept))
    pd.testing.assert_frame_equal(*(balance.second_order(one, ["age", "prior"]) for one in kept))
    judged = [balance.judge(SimpleNamespace(frame=one), covariates=["age"]) for one in (frame, odd)]
    assert judged[0] == judged[1]
