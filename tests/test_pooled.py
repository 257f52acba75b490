"""The pooled view: metafor's numbers, statsmodels' error, planted truth, nobody counted twice."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matches import REFERENCE
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from jdl import pooled

METAFOR = json.loads((REFERENCE / "pooled_reference.json").read_text())


@pytest.fixture(params=METAFOR, ids=str)
def reference(request):
    return METAFOR[request.param]


def sets_of(reference):
    return np.array(reference["differences"]), np.array(reference["errors"])


# --- The model -----------------------------------------------------------------------------------


def test_the_synthesis_is_that_of_metafor(reference):
    told = pooled.synthesise(*sets_of(reference))
    assert told.tau**2 == pytest.approx(reference["tau2"], rel=1e-8, abs=1e-12)
    for name in ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high", "i_squared"):
        assert getattr(told, name) == pytest.approx(reference[name], rel=1e-8), name


def test_given_tau_the_mean_and_error_are_those_of_statsmodels(reference):
    differences, errors = sets_of(reference)
    told = pooled.synthesise(differences, errors)
    theirs = combine_effects(differences, errors**2 + told.tau**2, method_re="pm")
    assert told.estimate == pytest.approx(theirs.mean_effect_fe, rel=1e-12)
    error = (told.ci_high - told.ci_low) / 2 / stats.t.ppf(0.975, len(errors) - 1)
    assert error == pytest.approx(max(theirs.sd_eff_w_fe_hksj, theirs.sd_eff_w_fe), rel=1e-9)


def test_results_that_agree_too_well_are_no_surer_than_their_errors():
    told = pooled.synthesise(np.full(6, -0.05), np.full(6, 0.03))
    assert told.tau == told.i_squared == 0
    half = stats.t.ppf(0.975, 5) * 0.03 / np.sqrt(6)
    assert told.ci_high - told.estimate == pytest.approx(half)
    assert told.prediction_high > told.ci_high


def restricted_likelihood(tau2, differences, variances):
    weights = 1 / (variances + tau2)
    mean = np.average(differences, weights=weights)
    squares = (weights * (differences - mean) ** 2).sum()
    return -(np.log(variances + tau2).sum() + np.log(weights.sum()) + squares) / 2


@given(st.lists(st.tuples(st.floats(-0.4, 0.4), st.floats(0.01, 0.15)), min_size=5, max_size=12))
def test_no_other_spread_is_likelier(results):
    differences, errors = map(np.array, zip(*results, strict=True))
    found = pooled.between_results(differences, errors**2)
    best = restricted_likelihood(found, differences, errors**2)
    near = found + np.array([-0.01, 0.01]) * max(found, 1e-4)
    others = [restricted_likelihood(other, differences, errors**2) for other in near[near >= 0]]
    assert found >= 0
    assert best >= max(others) - 1e-9


def test_of_two_peaks_of_the_likelihood_the_higher_is_found():
    differences = np.array([0.0, 0.0, 0.0, 0.3, -0.3, 0.35, -0.35])
    errors = np.array([0.001, 0.001, 0.001, 0.05, 0.05, 0.05, 0.05])
    found = pooled.between_results(differences, errors**2)
    best = restricted_likelihood(found, differences, errors**2)
    spreads = [0.0, *np.geomspace(1e-9, 1, 500)]
    assert best >= max(restricted_likelihood(s, differences, errors**2) for s in spreads) - 1e-9
    assert found > 0.01


@pytest.mark.parametrize("error", [0.0, 1e-200])
def test_errors_of_nought_give_numbers(error):
    told = pooled.synthesise(np.array([-0.1, 0.1, 0.0, 0.1, 0.2]), np.full(5, error))
    assert np.isfinite(list(vars(told).values())).all()
    same = pooled.synthesise(np.full(5, 0.1), np.full(5, error))
    assert np.isfinite(list(vars(same).values())).all()
    assert same.tau == 0


def coverage_of(studies, tau, repeats, seed):
    """How often the intervals hold the true mean and the true difference of a new programme."""
    draw = np.random.default_rng(seed)
    mean, held, predicted = -0.04, 0, 0
    for _ in range(repeats):
        errors = draw.uniform(0.015, 0.06, studies)
        told = pooled.synthesise(draw.normal(mean, np.hypot(tau, errors)), errors)
        held += told.ci_low <= mean <= told.ci_high
        predicted += told.prediction_low <= draw.normal(mean, tau) <= told.prediction_high
    return held, predicted


def test_the_interval_of_eight_results_holds_the_truth_as_often_as_it_says():
    repeats = 1_000
    held, predicted = coverage_of(8, 0.05, repeats, seed=20140313)
    low, high = stats.binom.interval(0.999, repeats, 0.95)
    assert low <= held <= high
    assert 0.85 * repeats <= predicted <= high, "the prediction interval is the rougher guide"


def test_without_any_spread_the_interval_holds_the_truth_at_least_as_often():
    repeats = 500
    held, _ = coverage_of(8, 0.0, repeats, seed=20140410)
    assert held >= stats.binom.ppf(0.0005, repeats, 0.95)


# --- Which results -------------------------------------------------------------------------------


def results(*rows):
    """Results as (id, release, type, has an interval)."""
    return pd.DataFrame(
        [
            {
                "id": name,
                "release": release,
                "intervention_type": kind,
                "difference": -0.05 if known else None,
                "ci_low": -0.1 if known else None,
                "ci_high": 0.0 if known else None,
            }
            for name, release, kind, known in rows
        ]
    )


def log_of(**extends):
    return pd.DataFrame(
        {"id": list(extends), "extends": pd.array(list(extends.values()), dtype="str")}
    )


FAMILY = [("first", "2013-10", "arts", True), ("second", "2013-11", "arts", True)]


def test_a_re_analysis_supersedes_what_it_includes():
    every = results(("all", "2014-03", "arts", True), *FAMILY)
    log = log_of(first=None, second=None, all="first second")
    assert list(pooled.independent(every, log)) == ["used", "superseded", "superseded"]


def test_a_re_analysis_of_a_re_analysis_supersedes_the_first_too():
    every = results(*FAMILY, ("all", "2014-03", "arts", True))
    log = log_of(first=None, second="first", all="second")
    assert list(pooled.independent(every, log)) == ["superseded", "superseded", "used"]


def test_of_two_that_share_a_request_the_latest_counts():
    every = results(*FAMILY, ("one", "2014-02", "arts", True), ("other", "2014-03", "arts", True))
    log = log_of(first=None, second=None, one="first second", other="second")
    assert list(pooled.independent(every, log)) == ["used", "superseded", "superseded", "used"]


def test_of_two_in_one_release_the_larger_counts():
    every = results(("first", "2014-03", "arts", True), ("all", "2014-03", "arts", True))
    assert list(pooled.independent(every, log_of(first=None, all="first"))) == [
        "superseded",
        "used",
    ]


def test_a_re_analysis_without_an_interval_supersedes_nothing():
    every = results(("all", "2014-03", "arts", False), *FAMILY)
    log = log_of(first=None, second=None, all="first second")
    assert list(pooled.independent(every, log)) == ["left out", "used", "used"]


def test_an_interval_without_width_is_none():
    every = results(*FAMILY)
    every.loc[0, "ci_high"] = every.loc[0, "ci_low"]
    assert list(pooled.independent(every, log_of(first=None, second=None))) == ["left out", "used"]


def test_every_report_of_a_type_is_told_once_and_five_are_needed():
    rows = [(f"a{place}", "2014-01", "arts", place < 5) for place in range(7)]
    rows += [(f"e{place}", "2014-01", "education", True) for place in range(4)]
    log = log_of(**{name: None for name, *_ in rows})
    arts, education = pooled.by_type(results(*rows), log)
    assert (arts.type, arts.studies, arts.superseded, arts.left_out) == ("arts", 5, 0, 2)
    assert arts.synthesis.estimate == pytest.approx(-0.05)
    assert (education.studies, education.synthesis) == (4, None)
    assert education.reason == "fewer than 5 independent results"


def test_the_error_of_a_result_is_read_from_its_interval():
    rows = [(f"a{place}", "2014-01", "arts", True) for place in range(5)]
    [arts] = pooled.by_type(results(*rows), log_of(**{name: None for name, *_ in rows}))
    error = 0.05 / stats.norm.ppf(0.975)
    assert arts.synthesis.ci_high == pytest.approx(
        -0.05 + stats.t.ppf(0.975, 4) * error / np.sqrt(5)
    )


def test_no_result_at_all():
    empty = results(("a", "2014-01", "arts", True)).iloc[:0]
    assert pooled.by_type(empty, log_of(a=None)) == ()
