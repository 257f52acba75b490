"""Separation by linear programming, against exact arithmetic, known data and the fit itself."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from matches import REFERENCE, agree, expect_good_match, pool

from jdl.matching import (
    Specification,
    first_accepted,
    leaving_out,
    match,
    score,
    separation,
    support,
)

PLAIN = Specification("plain", "treated ~ age + C(band) + incomplete", 0.2)


@st.composite
def small(draw, least=4):
    """A constant and two columns of small whole numbers, and who was treated; of full rank."""
    n = draw(st.integers(least, 10))
    column = st.lists(st.integers(-2, 2), min_size=n, max_size=n)
    design = np.column_stack([np.ones(n), draw(column), draw(column)])
    treated = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    assume(np.linalg.matrix_rank(design) == 3)
    return design, treated


def by_hand(design, treated):
    """Whom the edges of the cone of directions move: each is at right angles to two of the rows."""
    signed = (design * np.where(treated, 1, -1)[:, None]).astype(int)
    moved = np.zeros(len(signed), dtype=bool)
    for one, other in combinations(signed, 2):
        for edge in (np.cross(one, other), np.cross(other, one)):
            if (signed @ edge >= 0).all():
                moved |= signed @ edge > 0
    return moved


@settings(max_examples=300, deadline=None)
@given(small())
def test_whom_a_direction_moves_is_what_exact_arithmetic_finds(data):
    design, treated = data
    np.testing.assert_array_equal(separation.separated(design, treated), by_hand(design, treated))


@settings(max_examples=150, deadline=None)
@given(small())
def test_the_rest_has_a_finite_score_and_who_has_one_is_not_removed(data):
    design, treated = data
    out = separation.separated(design, treated)
    if not out.all():
        assert 0 < treated[~out].sum() < (~out).sum()
        assert score.fit(design[~out], treated[~out]).converged
    assert out.any() == (not score.fit(design, treated).converged)


@settings(max_examples=100, deadline=None)
@given(small(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_changes_nothing(data, random):
    design, treated = data
    rows, columns = list(range(len(design))), [0, 1, 2]
    random.shuffle(rows)
    random.shuffle(columns)
    made_of = [set(), {"a"}, {"b"}]
    once = separation.together(design, treated, made_of)
    again = separation.together(
        design[np.ix_(rows, columns)], treated[rows], [made_of[place] for place in columns]
    )
    assert list(once) == list(again)
    for names, out in once.items():
        np.testing.assert_array_equal(out[rows], again[names])
    every = np.any([np.zeros(len(design), dtype=bool), *once.values()], axis=0)
    np.testing.assert_array_equal(every, separation.separated(design, treated))
    assert sum(out.sum() for out in once.values()) == every.sum()


def test_the_endometrial_study_has_an_infinite_coefficient_of_nv_alone():
    """As R's detectseparation finds: everybody with neovasculisation has a tumour of high grade."""
    study = pd.read_csv(REFERENCE / "endometrial.csv")
    design = np.column_stack([np.ones(len(study)), study[["NV", "PI", "EH"]]])
    made_of = [set(), {"NV"}, {"PI"}, {"EH"}]
    found = separation.together(design, study["HG"].to_numpy(bool), made_of)
    assert list(found) == [("NV",)]
    np.testing.assert_array_equal(found[("NV",)], study["NV"] == 1)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e6])
def test_a_number_that_separates_but_for_ties_moves_those_beyond_them(scale):
    days = scale * np.array([3, 4, 5, 5, 5, 6, 8.0])
    treated = np.array([0, 0, 0, 1, 0, 1, 1], dtype=bool)
    design = np.column_stack([np.ones(7), days])
    assert separation.separated(design, treated).tolist() == (days != 5 * scale).tolist()
    days[0] = 7 * scale
    assert not separation.separated(np.column_stack([np.ones(7), days]), treated).any()


def test_one_candidate_among_many_is_not_overlooked():
    """Not among the rows that are constraints from the start, nor the first to become one."""
    rng = np.random.default_rng(5)
    n = 30_000
    treated = np.arange(n) < 60
    age = rng.normal(size=n)
    unknown, incomplete = (np.zeros(n) for _ in range(2))
    unknown[[*range(5), *range(1000, 1200)]] = incomplete[[*range(5), *range(1000, 1200)]] = 1
    incomplete[20_001] = 1
    design = np.column_stack([np.ones(n), age, unknown, incomplete])
    made_of = [set(), {"age"}, {"band"}, {"incomplete"}]
    found = separation.together(design, treated, made_of)
    assert {names: np.flatnonzero(out).tolist() for names, out in found.items()} == {
        ("band", "incomplete"): [20_001]
    }


def test_one_candidate_among_many_can_refute_a_separation():
    n = 30_000
    treated = np.arange(n) < 60
    days = np.where(treated, 5 + np.arange(n) % 4, np.arange(n) % 5)
    design = np.column_stack([np.ones(n), days])
    assert separation.separated(design, treated).all()
    design[20_001, 1] = 9
    assert not separation.separated(design, treated).any()


def without_dates(theirs=1, ours=0):
    """A pool in which a missing date of birth makes a row incomplete, and little else does."""
    candidates = pool(seed=2).assign(band=lambda f: np.where(f["age"] > 32, "older", "younger"))
    people, others = (candidates.index[candidates["treated"] == who] for who in (True, False))
    missing = [*people[:6], *others[:30]]
    candidates["incomplete"] = candidates.index.isin(missing)
    candidates.loc[missing, "band"] = "not recorded"
    if theirs:
        candidates.loc[others[40 : 40 + theirs], "incomplete"] = True
    if ours:
        candidates.loc[people[:ours], "incomplete"] = False
    return candidates


@pytest.mark.parametrize(("theirs", "ours"), [(1, 0), (3, 0), (0, 2)])
def test_who_is_outside_by_two_variables_together_leaves_and_is_named(theirs, ours):
    candidates = without_dates(theirs, ours)
    matched = match(candidates, PLAIN, estimator=smf.logit)
    expect_good_match(matched, candidates)
    assert matched.model is not None
    assert matched.outside_support == theirs
    outside = matched.frame["logit"].isna()
    assert (outside & candidates["treated"]).sum() == ours
    assert matched.treatment_lost >= ours
    whom = "nobody in the treatment group, by variables" if theirs else "no candidate, by variables"
    assert f"together are those of {whom}: band and incomplete: {theirs or ours}." in repr(matched)
    without = match(candidates[~outside], PLAIN, estimator=smf.logit)
    agree(matched.frame.loc[~outside, "weight"], without.frame["weight"])


def test_where_the_score_can_be_fitted_no_separation_is_looked_for(monkeypatch):
    monkeypatch.setattr(support, "together", None)
    assert match(without_dates(theirs=0), PLAIN, estimator=smf.logit).model is not None


def test_where_separation_is_complete_nobody_leaves_and_nobody_is_matched():
    candidates = pool().assign(gap=lambda f: 9 * f["treated"] + np.linspace(0, 4, len(f)))
    matched = match(candidates, Specification("one", "treated ~ gap", 0.2), estimator=smf.logit)
    assert (matched.treatment_n, matched.outside_support) == (0, 0)
    assert matched.notes == ("No score: the formula separates the two groups completely.",)


def test_a_category_left_to_one_group_by_the_others_leaves_too():
    candidates = without_dates(theirs=3)
    others = candidates.index[~candidates["treated"]]
    people = candidates.index[candidates["treated"]]
    candidates["place"] = "here"
    candidates.loc[[*others[40:43], people[20]], "place"] = "there"
    specification = Specification("one", PLAIN.formula, 0.2, exact=("place",))
    matched = match(candidates, specification, estimator=smf.logit)
    expect_good_match(matched, candidates)
    assert np.isnan(matched.frame.loc[people[20], "logit"])
    assert "without any candidate, by variable: place: 1." in repr(matched)


def found_by(*formulas, candidates):
    plan = [Specification(f"try {n}", one, 0.2) for n, one in enumerate(formulas)]
    seen = []

    def accept(matched):
        seen.append(matched.frame["logit"].isna().to_numpy())
        return SimpleNamespace(accepted=False)

    kept = first_accepted(candidates, plan, estimator=smf.logit, accept=accept)
    return kept, seen


def test_the_first_specification_says_who_is_inside_for_all_of_its_variables():
    added = f"{PLAIN.formula} + I(age ** 2)"
    kept, (first, second, third) = found_by(
        PLAIN.formula, added, PLAIN.formula, candidates=without_dates(3)
    )
    assert first.sum() == 3
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)
    assert "band and incomplete: 3" in kept.attempts[1].notes[0]


def test_terms_that_separate_where_the_first_specification_does_not_have_no_score():
    candidates = pool()
    cell = (candidates["disposal"] == "custody") & (candidates["region"] == "wales")
    candidates.loc[cell & candidates["treated"], "region"] = "london"
    _, (first, second) = found_by(
        "treated ~ age + disposal + region", "treated ~ age + disposal * region",
        candidates=candidates,
    )  # fmt: skip
    assert not first.any()
    assert second.all()


def test_a_variable_left_out_later_leaves_the_same_people_inside():
    candidates = without_dates(3)
    matched = match(candidates, PLAIN, estimator=smf.logit)
    fewer = Specification("fewer", "treated ~ age + C(band)", 0.2)
    again = leaving_out(matched)(fewer, "incomplete")
    assert again.treatment_n
    np.testing.assert_array_equal(again.frame["logit"].isna(), matched.frame["logit"].isna())
