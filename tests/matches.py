"""Shared by the tests of matching, balance and effects: what a match must hold, and R's figures."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd

from jdl.matching import Matched, formula, within

REFERENCE = Path(__file__).parent / "reference"
FORMULAS = {
    "jdl_synth": (
        "treated ~ age + male + prior + firstage + custody + employed + benefits + drug + alcohol"
        " + uk_national + severity + C(offence, Treatment('violence'))"
        " + C(ethnicity, Treatment('white')) + C(region, Treatment('NE'))"
    ),
    "lalonde_psid614": "treated ~ age + educ + black + hisp + married + nodegree + re74k + re75k",
}
EXACT = {"jdl_synth": ("male",), "lalonde_psid614": ("black",)}


def reference(name):
    """Candidates as jdl has them, R's weights row by row, R's figures and R's balance table."""
    frame = pd.read_csv(REFERENCE / f"{name}.csv").rename(columns={"treat": "treated"})
    if name == "lalonde_psid614":
        frame = frame.assign(re74k=frame.re74 / 1000, re75k=frame.re75 / 1000)
    frame = frame.assign(offender_id=frame.id.astype(str)).set_index("id")
    weights = pd.read_csv(REFERENCE / f"{name}_weights.csv").set_index("id")
    figures = json.loads((REFERENCE / f"{name}_reference.json").read_text(encoding="utf-8"))
    balance = pd.read_csv(REFERENCE / f"{name}_balance.csv")
    return frame, weights, figures, balance


def agree(ours, theirs, tolerance=1e-9):
    """Hold abs(a - b) <= tolerance * max(1, abs(b)) for numbers or arrays."""
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    assert ours.shape == theirs.shape
    assert np.all(np.abs(ours - theirs) <= tolerance * np.maximum(1, np.abs(theirs)))


def pool(seed=1, treated=40, others=400):
    """A small pool: two numbers, two categories, people with several disposals."""
    rng = np.random.default_rng(seed)
    n = treated + others
    ours = np.arange(n) < treated
    return pd.DataFrame(
        {
            "treated": ours,
            "offender_id": np.where(ours, np.arange(n), n + rng.integers(0, others // 2, n)),
            "age": rng.normal(32, 9, n) - 2 * ours,
            "prior": rng.poisson(5 + 2 * ours),
            "disposal": rng.choice(["custody", "community order"], n),
            "region": rng.choice(["london", "wales", "north east"], n),
        },
        index=pd.Index(rng.permutation(n) + 1000, name="row"),
    ).astype({"offender_id": "str"})


def expect_good_match(matched: Matched, candidates=None, person="offender_id"):
    """Hold every invariant of a valid match, from the frame alone and pair by pair."""
    frame, specification = matched.frame, matched.specification
    treated = frame[specification.treated].to_numpy(dtype=bool)
    weight, logit = frame["weight"].to_numpy(), frame["logit"].to_numpy()
    if candidates is not None:
        _expect_nothing_else_changed(frame, candidates)
    fitted = ~np.isnan(logit)
    assert np.all(weight >= 0)
    assert np.all(weight[~fitted] == 0)
    assert set(weight[treated]) <= {0.0, 1.0}
    _expect_weights_from_pairs(matched, treated, fitted)
    _expect_counts(matched, treated, weight, person)
    others = ~treated & ~frame.get("earlier", pd.Series(False, frame.index)).to_numpy(dtype=bool)
    assert not set(frame.loc[treated, person]) & set(frame.loc[others, person])
    np.testing.assert_allclose(frame["score"][fitted], 1 / (1 + np.exp(-logit[fitted])), rtol=1e-12)
    if matched.accepted:
        (kept,) = (one for one in matched.attempts if one.specification == specification.name)
        assert kept.verdict.accepted
        assert kept.treatment_lost == matched.treatment_lost


def _expect_nothing_else_changed(frame, candidates):
    pd.testing.assert_frame_equal(frame.drop(columns=["score", "logit", "weight"]), candidates)


def _expect_weights_from_pairs(matched, treated, fitted):
    if not fitted.any():
        assert matched.treatment_n == 0
        return
    frame, specification = matched.frame[fitted], matched.specification
    if specification.method == "entropy balancing":
        _expect_equal_means(frame, specification)
        return
    ours, theirs = frame[treated[fitted]], frame[~treated[fitted]]
    scale, width = specification.scale, specification.caliper
    width *= frame["logit"].std(ddof=1) if scale == "logit" else 1
    agree(matched.caliper_width, width)
    distance = np.abs(ours[scale].to_numpy()[:, None] - theirs[scale].to_numpy()[None, :])
    pairs = distance <= width
    for column in specification.exact:
        pairs &= ours[column].to_numpy()[:, None] == theirs[column].to_numpy()[None, :]
    found = pairs.sum(axis=1)
    np.testing.assert_array_equal(ours["weight"], found > 0)
    shares = np.where(found > 0, 1 / np.maximum(found, 1), 0)
    np.testing.assert_allclose(theirs["weight"], shares @ pairs, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(theirs["weight"] > 0, pairs.any(axis=0))
    _expect_order_irrelevant(frame, specification, width)


def _expect_equal_means(frame, specification):
    """Every term has the same weighted mean in both groups, and so has each exact stratum."""
    kept = frame[frame["weight"] > 0]
    ours = kept[specification.treated].to_numpy(dtype=bool)
    if not ours.any():
        return
    columns = [formula.design(specification.terms, kept).values]
    for column in specification.exact:
        columns.append(pd.get_dummies(kept[column]).to_numpy(dtype=float))
    values, weight = np.column_stack(columns), kept["weight"].to_numpy()
    theirs = np.average(values[~ours], axis=0, weights=weight[~ours])
    sd = np.maximum(values.std(axis=0), 1e-12)
    assert np.all(np.abs(values[ours].mean(axis=0) - theirs) <= 1e-9 * np.maximum(1, sd))


def _expect_order_irrelevant(frame, specification, width):
    shuffled = frame.sample(frac=1, random_state=1)
    strata = None
    if specification.exact:
        strata = shuffled.groupby(list(specification.exact), observed=True).ngroup().to_numpy()
    again = within(
        shuffled[specification.scale].to_numpy(),
        shuffled[specification.treated].to_numpy(dtype=bool),
        width,
        strata,
    )
    np.testing.assert_allclose(again, shuffled["weight"], rtol=0, atol=1e-12)


def _expect_counts(matched, treated, weight, person):
    comparison = matched.frame[~treated & (weight > 0)]
    assert matched.treatment_n == (weight[treated] == 1).sum()
    assert matched.treatment_lost == (weight[treated] == 0).sum()
    assert matched.comparison_n == len(comparison)
    assert matched.comparison_people == comparison[person].nunique()
    assert math.isclose(comparison["weight"].sum(), matched.treatment_n, abs_tol=1e-9)
    by_person = {}
    for who, share in zip(comparison[person], comparison["weight"], strict=True):
        by_person[who] = by_person.get(who, 0) + share
    squares = sum(share**2 for share in by_person.values())
    kish = sum(by_person.values()) ** 2 / squares if squares else 0
    assert math.isclose(matched.effective_n, kish, rel_tol=1e-9)
    assert matched.effective_n <= matched.comparison_people + 1e-6
    if matched.model is not None:
        assert matched.outside_support == (~treated & matched.frame["logit"].isna()).sum()
