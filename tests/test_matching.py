import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import patsy
import pytest
import statsmodels.formula.api as smf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matches import EXACT, FORMULAS, REFERENCE, agree, expect_good_match, pool, reference
from statsmodels.discrete.discrete_model import Logit

from jdl import matching
from jdl.matching import (
    Specification,
    entropy,
    first_accepted,
    formula,
    match,
    pairs,
    radius,
    score,
)

BENCHMARK = Path(__file__).parent / "benchmarks" / "matching.py"
FORMULA = "treated ~ age + prior + C(disposal) + region"
PLAIN = Specification("plain", FORMULA, 0.2)


@dataclass(frozen=True)
class Said:
    accepted: bool


def matched_by(formula, candidates, *, caliper=0.2, **how):
    specification = Specification("one", formula, caliper, **how)
    matched = match(candidates, specification, estimator=smf.logit)
    expect_good_match(matched, candidates)
    return matched


def as_in_r(name, **how):
    frame, weights, figures, _ = reference(name)
    return matched_by(FORMULAS[name], frame, **how), weights, figures


def name_in_r(term):
    """Give R's name of a design column: off_theft for C(offence, ...)[T.theft]."""
    level = re.fullmatch(r"C\((\w{3}).*\[T\.(.*)\]", term)
    return f"{level[1]}_{level[2]}" if level else term


@pytest.mark.parametrize("name", FORMULAS)
def test_score_agrees_with_r(name):
    matched, weights, figures = as_in_r(name, caliper=0.2)
    meta = figures["meta"]
    order = ["Intercept", *meta["covariates"]]
    agree(matched.model.params.rename(name_in_r)[order], meta["ps_coef"])
    agree(matched.model.bse.rename(name_in_r)[order], meta["ps_se"], tolerance=1e-7)
    agree(-2 * matched.model.llf, meta["deviance"])
    agree(matched.frame["logit"], weights["logit"])
    agree(matched.frame["score"], weights["ps"])
    agree(matched.frame["logit"].std(ddof=1), meta["sd_logit_all"])
    agree(matched.auc, meta["auc"])


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(
    ("spec", "how"),
    [
        ("radius_logit02sd", {}),
        ("radius_logit02sd_exact", {"exact": True}),
        ("radius_logit005sd", {"caliper": 0.05}),
        ("radius_ps001", {"caliper": 0.01, "scale": "score"}),
        ("ebal", {"method": "entropy balancing"}),
    ],
)
def test_match_agrees_with_r(name, spec, how):
    exact = EXACT[name] if "exact" in how else ()
    matched, weights, figures = as_in_r(name, **(how | {"exact": exact}))
    theirs = figures["specs"][spec]
    if "caliper_width" in theirs:
        agree(matched.caliper_width, theirs["caliper_width"])
    agree(matched.frame["weight"], weights[spec])
    agree(matched.effective_n, theirs["ess_controls"])
    assert matched.treatment_n == theirs["n_treated_matched"]
    assert matched.comparison_n == matched.comparison_people == theirs["n_controls_matched"]
    lost = matched.frame.query("treated == 1 and weight == 0").index
    if "unmatched_treated_ids" in theirs:
        assert set(lost) == set(np.atleast_1d(theirs["unmatched_treated_ids"]))
    for outcome, figures in theirs["outcomes"].items():
        if outcome != "days_first":
            agree(att(matched.frame, outcome), figures["welch_kish"]["est"])


def att(frame, outcome):
    """The difference of weighted means."""
    ours, theirs = (frame[frame["treated"] == group] for group in (1, 0))
    return ours[outcome] @ ours["weight"] / ours["weight"].sum() - np.average(
        theirs[outcome], weights=theirs["weight"]
    )


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_radius_weights_are_those_of_the_pairs(data):
    n = data.draw(st.integers(3, 40))
    logit = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=n, max_size=n)))
    treated = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    strata = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    caliper = data.draw(st.floats(0, 3))
    width = matching.caliper_width(logit, caliper)
    distance = np.abs(logit[treated][:, None] - logit[~treated][None, :])
    assume(not np.any((np.abs(distance - width) < 1e-9) & (distance > 0)))
    pairs = (distance <= width) & (strata[treated][:, None] == strata[~treated][None, :])
    found = pairs.sum(axis=1)
    shares = np.where(found > 0, 1 / np.maximum(found, 1), 0)
    weight = radius(logit, treated, caliper, strata)
    np.testing.assert_array_equal(weight[treated], found > 0)
    np.testing.assert_allclose(weight[~treated], shares @ pairs, atol=1e-12)
    np.testing.assert_array_equal(weight[~treated] > 0, pairs.any(axis=0))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    treated=st.integers(5, 40),
    others=st.integers(20, 150),
    how=st.fixed_dictionaries(
        {
            "caliper": st.sampled_from([0.02, 0.2, 1.0]),
            "exact": st.sampled_from([(), ("disposal",), ("disposal", "region")]),
            "method": st.sampled_from(["radius", "entropy balancing"]),
            "scale": st.sampled_from(["logit", "score"]),
        }
    ),
)
def test_every_match_of_a_random_frame_is_good(seed, treated, others, how):
    matched_by(FORMULA, pool(seed, treated, others), **how)


def test_order_of_rows_and_type_of_columns_change_nothing():
    candidates = pool()
    ordered = matched_by(FORMULA, candidates, exact=("disposal",))
    shuffled = candidates.sample(frac=1, random_state=2).astype(
        {"treated": int, "region": "category", "disposal": object}
    )
    again = matched_by(FORMULA, shuffled, exact=("disposal",))
    agree(again.frame["weight"].reindex(candidates.index), ordered.frame["weight"])
    agree(again.effective_n, ordered.effective_n)


def test_candidates_where_nobody_treated_falls_leave_before_the_fit():
    candidates = pool()
    far = candidates.index[~candidates["treated"]][:25]
    candidates.loc[far, "region"] = "south east"
    matched = matched_by(FORMULA, candidates)
    assert matched.outside_support == 25
    assert not any("south east" in term for term in matched.model.params.index)
    assert "region: 25" in repr(matched)
    without = matched_by(FORMULA, candidates.drop(far))
    agree(matched.frame["weight"].drop(far), without.frame["weight"])


def test_support_is_judged_again_after_each_loss():
    candidates = pool()
    ours, theirs = (candidates.index[candidates["treated"] == group] for group in (True, False))
    candidates.loc[ours[:3], "region"] = "abroad"
    candidates.insert(0, "flag", 0)
    candidates.loc[ours[:3], "flag"] = 1
    candidates.loc[theirs[:7], "flag"] = 1
    matched = matched_by("treated ~ age + flag + region", candidates)
    assert matched.treatment_lost >= 3
    assert (matched.frame.loc[ours[:3], "weight"] == 0).all()
    assert matched.outside_support == 7
    assert "without any candidate, by variable: region: 3" in repr(matched)


def test_no_common_support_matches_nobody_and_says_so():
    candidates = pool().assign(side=lambda frame: np.where(frame["treated"], "a", "b"))
    matched = matched_by("treated ~ age + side", candidates)
    assert matched.model is None
    assert (matched.treatment_n, matched.treatment_lost) == (0, 40)
    assert repr(matched).startswith("Nobody could be matched: 40 people")


@pytest.mark.parametrize("distance", [8.0, 12.0])
def test_a_score_that_separates_the_groups_matches_nobody(distance):
    candidates = pool().assign(gap=lambda f: distance * f["treated"] + np.linspace(0, 4, len(f)))
    matched = matched_by("treated ~ gap", candidates)
    assert matched.treatment_n == 0
    assert matched.notes[-1] == "No score: the formula separates the two groups completely."


def test_an_empty_cell_of_an_interaction_is_named():
    candidates = pool(treated=60)
    cell = candidates["treated"] & (candidates["disposal"] == "custody")
    candidates.loc[cell & (candidates["region"] == "wales"), "region"] = "london"
    matched = matched_by("treated ~ age + disposal * region", candidates)
    assert "disposal[T.custody]:region[T.wales]" in " ".join(matched.notes)


def test_a_fit_close_to_separation_is_used_and_said():
    candidates = pool().assign(need=lambda f: 9 * f["treated"] + np.linspace(0, 9.5, 440) % 9.2)
    matched = matched_by("treated ~ need", candidates)
    assert matched.model is not None
    assert any("close to separating" in note and "need" in note for note in matched.notes)


def test_terms_that_repeat_or_do_not_vary_leave_the_score_and_are_named():
    candidates = pool().assign(
        years=lambda frame: 2 * frame["age"] + 1,
        never=0,
        only="one",
        place=lambda frame: frame["region"].where(frame["region"] == "wales", "elsewhere"),
    )
    plain = matched_by(FORMULA, candidates)
    more = matched_by(FORMULA + " + years + never + only + place", candidates)
    agree(more.frame["weight"], plain.frame["weight"])
    assert set(plain.model.params.index) == set(more.model.params.index)
    (note,) = more.notes
    assert all(term in note for term in ("years", "never", "place[T.wales]"))


def test_other_warnings_of_the_estimator_are_not_swallowed():
    def grumbling(formula, data):
        warnings.warn("the disk is nearly full", UserWarning, stacklevel=1)
        return smf.logit(formula, data)

    with pytest.warns(UserWarning, match="disk"):
        match(pool(), PLAIN, estimator=grumbling)


def test_the_estimator_handed_in_is_the_one_used():
    used = []

    def watched(formula, data):
        used.append((formula, len(data)))
        return smf.probit(formula, data)

    matched = match(pool(), PLAIN, estimator=watched)
    assert used == [("treated ~ 1", formula.SHOWN)]
    assert type(matched.model.start.model).__name__ == "Probit"
    assert len(matched.model.start.model.endog) == matched.model.start_rows == 440


def searched(*tries, **how):
    """Search a plan whose matches lose and are judged as said: (treated people lost, verdict)."""
    candidates = pool()
    ours = candidates.index[candidates["treated"]]
    plan = []
    for i, (lost, _) in enumerate(tries):
        place = candidates["region"].where(~candidates.index.isin(ours[:lost]), "abroad")
        candidates.insert(0, f"place{i}", place)
        plan.append(Specification(f"{i}", f"treated ~ place{i}", 9.0))
    verdicts = iter([Said(accepted) for _, accepted in tries])
    matched = first_accepted(
        candidates, plan, estimator=smf.logit, accept=lambda matched: next(verdicts), **how
    )
    expect_good_match(matched, candidates)
    return matched


@pytest.mark.parametrize(("tolerated", "kept"), [(0.025, "1"), (0.024, "2"), (0.05, "0")])
def test_a_tolerated_loss_stops_the_search(tolerated, kept):
    matched = searched((2, True), (1, True), (0, True), tolerated=tolerated)
    assert matched.specification.name == kept
    assert len(matched.attempts) == int(kept) + 1


@pytest.mark.parametrize(
    ("tries", "kept", "tried"),
    [
        ([(0, True), (0, True)], "0", 1),
        ([(0, False), (0, True), (0, True)], "1", 2),
        ([(2, True), (1, True), (0, False), (0, True), (0, True)], "3", 4),
        ([(2, True), (0, False), (1, True), (1, True)], "2", 4),
        ([(1, True), (1, True), (2, True)], "0", 3),
    ],
)
def test_the_search_keeps_the_first_accepted_that_loses_nobody_or_else_the_fewest(
    tries, kept, tried
):
    matched = searched(*tries)
    assert matched.accepted
    assert matched.specification.name == kept
    assert [(name, verdict.accepted, lost) for name, verdict, _, lost in matched.attempts] == [
        (str(i), accepted, lost) for i, (lost, accepted) in enumerate(tries[:tried])
    ]
    if kept == "0":
        assert matched.first is None
    else:
        assert matched.first.specification.name == "0"
        assert matched.first.accepted == tries[0][1]
        assert matched.first.treatment_lost == tries[0][0]


def test_the_search_gives_the_plans_first_when_none_is_accepted():
    matched = searched((1, False), (0, False))
    assert not matched.accepted
    assert (matched.specification.name, matched.first) == ("0", None)
    assert len(matched.attempts) == 2


def test_a_match_of_nobody_is_never_accepted():
    candidates = pool().assign(side=lambda frame: np.where(frame["treated"], "a", "b"))
    plan = [Specification("hopeless", "treated ~ side", 0.2), PLAIN]
    matched = first_accepted(
        candidates, plan, estimator=smf.logit, accept=lambda matched: Said(True)
    )
    expect_good_match(matched, candidates)
    assert matched.specification is PLAIN
    assert matched.attempts[0].notes


def test_an_empty_plan_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        first_accepted(pool(), [], estimator=smf.logit, accept=lambda matched: Said(True))


def _with_gap(candidates):
    return candidates.assign(age=candidates["age"].where(candidates["age"] > 20))


def _copy_first_person(row):
    def spoil(candidates):
        names = list(candidates["offender_id"])
        names[row] = names[0]
        return candidates.assign(offender_id=names)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_with_gap, "no missing values: age"),
        (_copy_first_person(-1), "1 treated people are in the pool too and 0 treated rows repeat"),
        (_copy_first_person(1), "0 treated people are in the pool too and 1 treated rows repeat"),
        (lambda frame: frame.drop(columns="offender_id"), "lack the columns offender_id"),
    ],
)
def test_candidates_that_cannot_be_matched_are_refused_without_naming_anyone(spoil, message):
    candidates = pool().assign(offender_id=lambda f: [f"X{i:04}" for i in range(len(f))])
    with pytest.raises(ValueError, match=message) as caught:
        match(spoil(candidates), PLAIN, estimator=smf.logit)
    assert "X0" not in str(caught.value)


def test_an_untreated_earlier_disposal_of_somebody_treated_may_stay_in_the_pool():
    candidates = _copy_first_person(-1)(pool())
    earlier = np.arange(len(candidates)) == len(candidates) - 1
    matched = match(candidates.assign(earlier=earlier), PLAIN, estimator=smf.logit)
    expect_good_match(matched)
    with pytest.raises(ValueError, match="1 treated people are in the pool too"):
        match(candidates.assign(earlier=False), PLAIN, estimator=smf.logit)


def test_an_unknown_method_or_scale_is_refused():
    with pytest.raises(ValueError, match="'nearest' is none of radius, entropy balancing"):
        Specification("a", FORMULA, 0.2, method="nearest")
    with pytest.raises(ValueError, match="'odds' is none of logit, score"):
        Specification("a", FORMULA, 0.2, scale="odds")


def test_the_terms_are_the_right_side_of_the_formula():
    assert matched_by(FORMULA, pool()).terms == "age + prior + C(disposal) + region"


def test_repr_is_the_methods_sentence():
    matched = matched_by(FORMULA, pool(), exact=("disposal", "region"))
    assert repr(matched).startswith(
        f"{matched.treatment_n} of 40 people in the treatment group were matched to "
        f"{matched.comparison_n} disposals of {matched.comparison_people} people by radius "
        "matching on the logit of a propensity score from logistic regression, within 0.2 "
        "standard deviations of the logit, exactly on disposal and region."
    )
    assert f"the information of {matched.effective_n:.0f} people" in repr(matched)


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        (0, "Nobody in the treatment group was lost in matching."),
        (1, "1 person in the treatment group has no match"),
        (2, "2 people in the treatment group have no match"),
    ],
)
def test_repr_counts_the_lost(lost, words):
    candidates = pool()
    ours = candidates.index[candidates["treated"]]
    candidates.loc[ours[:lost], "region"] = "abroad"
    matched = matched_by("treated ~ age + region", candidates, caliper=5)
    assert matched.treatment_lost == lost
    assert words in repr(matched)


def test_one_treated_person_can_be_matched():
    candidates = pool(treated=1, others=60)
    matched = matched_by("treated ~ 1", candidates)
    assert matched.treatment_n == 1
    agree(matched.frame["weight"].to_numpy()[1:], np.full(60, 1 / 60))


def test_pandas_string_identifiers_and_nullable_flags_work():
    candidates = pool().astype({"offender_id": "string", "treated": "boolean"})
    matched = matched_by(FORMULA, candidates)
    assert isinstance(matched.frame["weight"].dtype, type(pd.Series([1.0]).dtype))


def crowd(n=60_000, treated=150, terms=12, seed=3):
    """A design matrix with a much larger pool, and who was treated (by a logistic model)."""
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(n, terms))
    design[:, 0] = 1
    design[:, terms // 2 :] = design[:, terms // 2 :] > 0.5
    appeal = design @ rng.normal(scale=0.4, size=terms) + rng.gumbel(size=n)
    return design, np.isin(np.arange(n), np.argsort(-appeal)[:treated])


def test_the_score_of_a_large_pool_is_that_of_a_plain_fit_whatever_the_sample():
    design, treated = crowd()
    plain = Logit(treated.astype(float), design).fit(disp=False, tol=1e-14)
    fits = [score.fit(design, treated, seed=seed) for seed in (1, 2)]
    for found in fits:
        assert found.converged
        assert found.passes <= 8
        agree(found.coefficients, plain.params, tolerance=1e-11)
        agree(found.errors, plain.bse, tolerance=1e-8)
        agree(found.logit, plain.predict(which="linear"), tolerance=1e-11)
        agree(found.log_likelihood, plain.llf)


def test_the_case_control_sample_starts_a_large_fit_by_the_estimator_handed_in():
    design, treated = crowd()
    names = [f"x{j}" for j in range(12)]
    frame = pd.DataFrame(design, columns=names).assign(treated=treated)
    frame["offender_id"] = np.arange(len(frame))
    formula = "treated ~ " + " + ".join(names[1:])
    matched = match(frame, Specification("a", formula, 0.2), estimator=smf.logit)
    assert matched.model.start_rows == 150 + score.FEWEST
    assert len(matched.model.start.model.endog) == matched.model.start_rows
    plain = smf.logit(formula, frame.assign(treated=treated * 1.0)).fit(disp=False, tol=1e-14)
    agree(matched.model.params, plain.params, tolerance=1e-11)
    agree(matched.model.bse, plain.bse, tolerance=1e-8)
    agree(matched.frame["logit"], plain.predict(which="linear"), tolerance=1e-11)


def test_what_repeats_or_separates_in_the_sample_alone_is_fitted_to_all_rows():
    design, treated = crowd()
    first, *rare, last = np.flatnonzero(~treated)[::3000]
    place = np.arange(len(design))
    more = np.column_stack(
        (
            design,
            np.isin(place, [*rare, treated.argmax()]),
            2 * design[:, 3] + (place == first) - (place == last),
        )
    )
    plain = Logit(treated.astype(float), more).fit(disp=False, tol=1e-11, maxiter=99)
    for seed in range(3):
        found = score.fit(more, treated, seed=seed)
        agree(found.coefficients, plain.params, tolerance=1e-9)


def test_without_some_columns_the_full_fit_leads_to_the_refit():
    design, treated = crowd()
    more = np.column_stack((design, design[:, 2] + design[:, 3]))
    full = score.fit(more, treated)
    fit = score.leaving_out(more, treated, np.nan_to_num(full.coefficients))
    for out in (1, [2, 5], 3, [], range(4, 9)):
        left_out = np.isin(np.arange(more.shape[1]), out)
        found, refit = fit(left_out), score.fit(more[:, ~left_out], treated)
        assert found.converged
        assert found.passes <= refit.passes
        assert np.isnan(found.coefficients[left_out]).all()
        same = partial(np.testing.assert_allclose, rtol=0, equal_nan=True)
        same(found.coefficients[~left_out], refit.coefficients, atol=1e-10)
        same(found.errors[~left_out], refit.errors, atol=1e-8)
        agree(found.logit, refit.logit, tolerance=1e-10)
        agree(radius(found.logit, treated, 0.2), radius(refit.logit, treated, 0.2), tolerance=1e-10)


def test_the_first_step_from_the_full_fit_takes_no_pass_and_ends_near_the_refit(monkeypatch):
    design, treated = crowd()
    design[:, 4] += 2 * design[:, 5]
    kept = np.delete(design, 4, axis=1)
    full, refit = score.fit(design, treated), score.fit(kept, treated)
    left_out = np.arange(design.shape[1]) == 4
    starts = []

    def solve(design, treated, start):
        starts.append(start.coefficients)
        return solved(design, treated, start)

    solved = score.solve
    monkeypatch.setattr(score, "solve", solve)
    score.leaving_out(design, treated, full.coefficients)(left_out)
    (start,) = starts
    far, near, after = (
        np.abs(one - refit.coefficients).max()
        for one in (full.coefficients[~left_out], start, one_step(kept, treated, start))
    )
    assert near < far / 5
    assert after < near / 50


def one_step(design, treated, coefficients):
    at = score._pass(design, treated.astype(float), coefficients, True)
    return coefficients + np.linalg.solve(at.information, at.gradient)


def test_calipers_of_one_formula_share_its_score():
    asked = []

    def watched(formula, data):
        asked.append(formula)
        return smf.logit(formula, data)

    candidates = pool()
    plan = [Specification(f"{width}", FORMULA, width) for width in (0.4, 0.2, 0.1)]
    plan.append(Specification("exact", FORMULA, 0.2, ("region",)))
    found = first_accepted(
        candidates,
        plan,
        estimator=watched,
        accept=lambda matched: Said(matched.specification.exact),
    )
    assert len(asked) == 2
    assert found.accepted
    for one in (plan[0], plan[2]):
        alone = match(candidates, one, estimator=smf.logit)
        (tried,) = [tried for tried in found.attempts if tried.specification == one.name]
        assert tried.treatment_lost == alone.treatment_lost


def test_columns_that_repeat_have_no_coefficient():
    design, treated = crowd()
    more = np.column_stack((design[:, 0], design, 2 - design[:, 3]))
    found, plain = score.fit(more, treated), score.fit(design, treated)
    assert list(np.isnan(found.coefficients)) == [j in (1, 13) for j in range(14)]
    agree(found.logit, plain.logit, tolerance=1e-11)
    assert np.isnan(found.errors).sum() == 2


@pytest.mark.parametrize("cells", [1, 2])
def test_groups_that_are_separated_have_no_score(cells):
    """Completely, or in one cell only, where nobody treated falls."""
    design, treated = crowd(n=4000, treated=60)
    gap = treated * 1.0 if cells == 1 else ~treated * (np.arange(4000) % 2) * 1.0
    assert not score.fit(np.column_stack((design, gap)), treated).converged


@pytest.mark.parametrize(
    "terms",
    [
        "age + prior + C(disposal) + region",
        "0 + region + age",
        "region * disposal + np.log1p(prior)",
        "bs(age, df=4) + region:C(older, Treatment(True)) - 1",
        "center(age) + C(region, Sum) + older",
        "older + I(older * age) + region:older",
        "C(older) + older:age + C(region)",
    ],
)
def test_the_matrix_of_a_formula_is_that_of_the_formula_engine(terms):
    data = pool().assign(older=lambda frame: frame["age"] > 30)
    theirs = patsy.dmatrix(terms, data)
    ours = formula.design(terms, data)
    assert list(ours.names) == theirs.design_info.column_names
    np.testing.assert_array_equal(ours.values, theirs)


def test_a_term_without_a_number_for_somebody_is_refused():
    with (
        np.errstate(divide="ignore"),
        pytest.raises(ValueError, match=r"np.log\(never\) is not a finite number"),
    ):
        matched_by("treated ~ np.log(never)", pool().assign(never=lambda f: f["prior"] * 0.0))


@pytest.mark.parametrize("exact", [(), ("disposal", "region")])
def test_entropy_balancing_makes_means_equal_and_differs_least(exact):
    candidates = pool(seed=5, treated=60, others=900)
    matched = matched_by(FORMULA, candidates, method="entropy balancing", exact=exact)
    assert matched.treatment_lost == 0
    assert matched.caliper_width is None
    frame = matched.frame[~matched.frame["treated"]]
    values = formula.design(matched.terms, frame).values
    if exact:
        values = np.column_stack((values, pd.get_dummies(frame["disposal"] + frame["region"])))
    values = values.astype(float)
    log_weight = np.log(frame["weight"].to_numpy())
    fitted = values @ np.linalg.lstsq(values, log_weight, rcond=None)[0]
    agree(fitted, log_weight)
    assert "entropy balancing, which makes the means of the formula's terms" in repr(matched)


def test_where_no_weights_balance_nobody_is_matched_and_it_is_said():
    candidates = pool().assign(need=lambda f: 9 * f["treated"] + np.linspace(0, 9.5, 440) % 9.2)
    matched = matched_by("treated ~ need + prior", candidates, method="entropy balancing")
    assert matched.model is not None
    assert matched.treatment_n == 0
    assert matched.notes[-1] == (
        "Nobody was matched: no weights make the means of both groups equal."
    )


def test_entropy_balancing_leaves_out_exact_strata_of_one_group():
    candidates = pool(seed=2, treated=50)
    cell = (candidates["disposal"] == "custody") & (candidates["region"] == "wales")
    lost = candidates.index[cell & candidates["treated"]]
    candidates = candidates.drop(candidates.index[cell & ~candidates["treated"]])
    matched = matched_by(
        "treated ~ age", candidates, method="entropy balancing", exact=("disposal", "region")
    )
    assert (matched.frame["weight"].loc[lost] == 0).all()
    assert matched.treatment_lost == len(lost) > 0


@pytest.mark.parametrize("outcome", ["re78", "zero78"])
def test_the_error_after_entropy_balancing_is_that_of_least_squares(outcome):
    """With a linear model of the outcome R's doubly robust estimate is the same estimate."""
    frame, _, figures, _ = reference("lalonde_psid614")
    values = formula.design(FORMULAS["lalonde_psid614"].split("~")[1], frame).values
    treated, y = frame["treated"].to_numpy(dtype=bool), frame[outcome].to_numpy(dtype=float)
    weight = entropy.weigh(values, treated)
    found = entropy.difference(entropy.balanced(values, treated, weight), y)
    theirs = figures["specs"]["ebal"]["outcomes"][outcome]
    agree(found.difference, theirs["welch_kish"]["est"])
    if outcome == "re78":
        agree(found.error, theirs["dr_att"]["se"], tolerance=1e-7)
    again = entropy.difference(entropy.balanced(values, treated, weight, np.arange(len(y))), y)
    agree(again.error, found.error)


@pytest.mark.parametrize("among", [False, True])
def test_the_error_is_that_of_the_estimating_equations_solved_together(among):
    """The sandwich of treated means, multipliers and both means of the outcome, by differences."""
    frame, _, _, _ = reference("lalonde_psid614")
    x = frame[["age", "educ", "nodegree", "married"]].to_numpy(dtype=float)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    treated, y = frame["treated"].to_numpy(dtype=bool), frame["re78"].to_numpy() / 1000
    inside = y > 0 if among else np.ones(len(y), dtype=bool)
    weight = entropy.weigh(x, treated)
    found = entropy.difference(entropy.balanced(x, treated, weight), y, inside)
    log_weight = np.log(weight[~treated])
    slopes = np.linalg.lstsq(np.column_stack((np.ones((~treated).sum()), x[~treated])), log_weight)
    means = x[treated].mean(axis=0)
    at = np.concatenate((means, slopes[0], [found.treated, found.comparison]))

    def equations(at):
        means, (one, *multipliers), (ours, theirs) = at[:4], at[4:9], at[9:]
        w = np.where(treated, 1, np.exp(one + x @ multipliers))
        columns = [
            treated[:, None] * (x - means),
            np.where(treated, -1, w)[:, None],
            (~treated * w)[:, None] * (x - means),
            (treated * inside * (y - ours))[:, None],
            (~treated * inside * w * (y - theirs))[:, None],
        ]
        return np.column_stack(columns)

    step = 1e-6
    bread = np.column_stack(
        [
            (equations(at + step * unit) - equations(at - step * unit)).sum(axis=0) / (2 * step)
            for unit in np.eye(len(at))
        ]
    )
    n = (treated & inside).sum()
    each = np.where(treated, np.sqrt(n / (n - 1)), 1)[:, None] * equations(at)
    influence = np.linalg.solve(bread, each.T)
    agree(found.error, np.sqrt(((influence[9] - influence[10]) ** 2).sum()), tolerance=1e-6)
    relative = influence[9] / found.treated - influence[10] / found.comparison
    agree(found.log_error, np.sqrt((relative**2).sum()), tolerance=1e-6)
    agree(found.difference, found.treated - found.comparison)
    agree(found.treated, y[treated & inside].mean())


def test_rows_of_one_person_err_together():
    frame, _, _, _ = reference("lalonde_psid614")
    values = frame[["age", "educ"]].to_numpy(dtype=float)
    treated, y = frame["treated"].to_numpy(dtype=bool), frame["re78"].to_numpy()
    weight = entropy.weigh(values, treated)
    alone = entropy.difference(entropy.balanced(values, treated, weight), y).error
    rows = np.concatenate((np.arange(len(y)), np.flatnonzero(~treated)))
    twice = np.where(treated, 1, weight / 2)[rows]
    pairs, each = (
        entropy.balanced(values[rows], treated[rows], twice, whose) for whose in (rows, None)
    )
    agree(entropy.difference(pairs, y[rows]).error, alone)
    assert entropy.difference(each, y[rows]).error < alone


def test_columns_that_repeat_others_do_not_change_the_error():
    frame, _, _, _ = reference("lalonde_psid614")
    values = frame[["age", "educ"]].to_numpy(dtype=float)
    treated, y = frame["treated"].to_numpy(dtype=bool), frame["re78"].to_numpy()
    weight = entropy.weigh(values, treated)
    more = np.column_stack((np.ones(len(y)), values, values.sum(axis=1)))
    plain, repeated = (
        entropy.difference(entropy.balanced(x, treated, weight), y) for x in (values, more)
    )
    agree(repeated.error, plain.error)
    agree(repeated.log_error, plain.log_error)


def test_pairs_are_those_of_r():
    frame, weights, _, _ = reference("jdl_synth")
    theirs = pd.read_csv(REFERENCE / "jdl_synth_nn1_cal02_pairs.csv").dropna().astype(int)
    treated = frame["treated"].to_numpy(dtype=bool)
    found = pairs.nearest(weights["logit"].to_numpy(), treated, 0.2)
    ours = frame.index.to_numpy()[found]
    assert len(ours) == 438
    np.testing.assert_array_equal(ours, theirs.sort_values("treated_id"))


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(
    ("spec", "caliper", "exact"),
    [("nn1", np.inf, False), ("nn1_cal02", 0.2, False), ("nn1_exact", 0.2, True)],
)
def test_paired_people_are_those_of_r(name, spec, caliper, exact):
    frame, weights, figures, _ = reference(name)
    treated = frame["treated"].to_numpy(dtype=bool)
    strata = frame[EXACT[name][0]].to_numpy(dtype=np.int64) if exact else None
    found = pairs.nearest(weights["logit"].to_numpy(), treated, caliper, strata)
    assert len(found) == figures["specs"][spec]["n_treated_matched"]
    if name == "jdl_synth":
        paired = np.isin(np.arange(len(frame)), found)
        np.testing.assert_array_equal(paired, weights[spec] > 0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_each_takes_the_nearest_that_is_left(data):
    n = data.draw(st.integers(2, 40))
    coarse = st.integers(-5, 5).map(float)
    logit = np.array(data.draw(st.lists(coarse, min_size=n, max_size=n)))
    treated = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    strata = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)))
    caliper = data.draw(st.sampled_from([0.0, 0.3, 1.0, np.inf]))
    width = np.inf if caliper == np.inf else matching.caliper_width(logit, caliper)
    left, expected = set(np.flatnonzero(~treated)), []
    for i in sorted(np.flatnonzero(treated), key=lambda i: (-logit[i], i)):
        near = [(abs(logit[i] - logit[j]), j) for j in left if strata[i] == strata[j]]
        if near and min(near)[0] <= width:
            expected.append((i, min(near)[1]))
            left.remove(min(near)[1])
    found = pairs.nearest(logit, treated, caliper, strata)
    assert [tuple(pair) for pair in found] == sorted(expected)


def test_without_a_caliper_equal_scores_make_pairs_too():
    treated = np.array([False, True, False])
    np.testing.assert_array_equal(pairs.nearest(np.zeros(3), treated, np.inf), [[1, 0]])


def test_the_benchmark_runs_at_toy_size_and_its_cases_agree():
    command = [sys.executable, BENCHMARK, "--sizes", "6000", "--treated", "100", "--repeats", "1"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300)
    _, _, *rows = done.stdout.splitlines()
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [cell[1].split(":")[0] for cell in cells] == [
        "jdl, arrays", "jdl, frame and formula", "plain scikit-learn script", "floor"
    ]  # fmt: skip
    assert all(float(cell[2]) >= 0 and float(cell[3]) > 0 for cell in cells)


def test_a_number_that_all_treated_people_share_is_the_only_one_in_the_pool():
    rng = np.random.default_rng(3)
    n = 2000
    frame = pd.DataFrame(
        {
            "offender_id": [f"p{one}" for one in range(n)],
            "age": rng.normal(30, 8, n),
            "rare": rng.integers(0, 4, n),
            "treated": (np.arange(n) < 100).astype(int),
        }
    )
    frame.loc[frame["treated"] == 1, "rare"] = 0
    found = match(frame, Specification("one", "treated ~ age + rare", 0.2), estimator=smf.logit)
    assert found.treatment_n >= 95
    assert found.outside_support == int(((frame["treated"] == 0) & (frame["rare"] != 0)).sum())
    assert "rare: " in " ".join(found.notes)
