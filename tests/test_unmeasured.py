import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matches import REFERENCE, agree, reference
from scipy import stats

from jdl.companion import Adjusted
from jdl.effects import Effect, Group, compare
from jdl.matching import caliper_width
from jdl.unmeasured import Bounds, e_value, of_pairs, rosenbaum


def matched(seed=1, need=1.0, n=500, pool=5000):
    """Groups of which one variable, drugs, drives both taking part and reoffending."""
    rng = np.random.default_rng(seed)
    ours = np.arange(n + pool) < n
    drugs = rng.random(n + pool) < np.where(ours, 0.5, 0.25)
    age = rng.normal(33, 9, n + pool) - ours
    chance = 0.3 * np.where(drugs, 1 + need, 1) * np.where(ours, 0.6, 1)
    weight = np.where(ours, 1.0, np.where(drugs, 2, 2 / 3) * n / pool)
    return pd.DataFrame(
        {
            "offender_id": np.arange(n + pool).astype(str),
            "treated": ours,
            "weight": weight,
            "drugs": drugs,
            "age": age,
            "region": rng.choice(["north", "south", "wales"], n + pool),
            "rare": np.arange(n + pool) % 100 == 0,
            "reoffended": rng.random(n + pool) < chance,
            "reoffences": rng.poisson(2 * chance),
            "days_to_first": 100.0,
        }
    )


def value_of(ratio):
    ratio = max(ratio, 1 / ratio)
    return ratio + math.sqrt(ratio * (ratio - 1))


@pytest.mark.parametrize("measure", ["rate", "frequency"])
def test_the_value_is_vanderweele_and_ding_s(measure):
    effect = compare(matched(), measure)
    ours = e_value(effect)
    t, c = effect.treatment, effect.comparison
    agree(ours.estimate, value_of(t.mean / c.mean))
    error = math.sqrt(sum((g.sd / g.mean) ** 2 / g.effective_n for g in (t, c)))
    limit = math.exp(math.log(t.mean / c.mean) + stats.norm.ppf(0.975) * error)
    agree(ours.limit, value_of(limit))
    assert 1 < ours.limit < ours.estimate
    assert (ours.analysis, ours.measure) == ("headline", measure)


def test_a_published_example_is_given_back():
    # VanderWeele and Ding (2017): a risk ratio of 3.9 (1.8 to 8.7) gives 7.26 and 3.0.
    log_error = math.log(3.9 / 1.8) / 1.96
    n, p0 = 10**9, 0.1
    treated = Group(n=n, mean=0.39, sd=0.39 * log_error * math.sqrt(n), effective_n=n)
    pool = Group(n=n, mean=p0, sd=1e-9, effective_n=n)
    effect = Effect(
        "headline", "rate", treated, pool, 0.29, 0.1, 0.5, 0.001, n, True, "increase", "lower",
        None, None, None,
    )  # fmt: skip
    ours = e_value(effect)
    assert ours.estimate == pytest.approx(7.26, abs=0.005)
    assert ours.limit == pytest.approx(3.0, abs=0.01)


def test_only_a_significant_result_has_one():
    frame = matched()
    null = frame.assign(reoffended=np.arange(len(frame)) % 3 == 0)
    assert e_value(compare(null, "rate")) is None
    assert e_value(compare(frame.head(3), "rate")) is None


def test_days_go_by_standard_deviations():
    frame = matched()
    effect = compare(frame, "time_without_reoffence")
    ours = e_value(effect)
    agree(ours.estimate, value_of(math.exp(0.91 * effect.difference / effect.comparison.sd)))
    agree(ours.limit, value_of(math.exp(0.91 * effect.ci_low / effect.comparison.sd)))


def test_the_weaker_of_the_result_and_its_adjusted_check_counts():
    effect = compare(matched(), "rate")
    alone = e_value(effect)

    def checked(difference, ratio, low, high):
        return e_value(
            effect,
            Adjusted(
                "headline",
                "rate",
                "logistic",
                difference=difference,
                ratio=ratio,
                ratio_low=low,
                ratio_high=high,
            ),
        )

    weaker = checked(-0.02, 0.95, 0.8, 1.1)
    agree([weaker.estimate, weaker.limit], [value_of(0.95), 1])
    stronger = checked(-0.3, 0.3, 0.2, 0.4)
    assert (stronger.estimate, stronger.limit) == (alone.estimate, alone.limit)
    against = checked(0.01, 1.02, 0.9, 1.1)
    assert (against.estimate, against.limit) == (1, 1)
    nothing = e_value(effect, Adjusted("headline", "rate", "logistic", reason="None."))
    assert nothing == alone


def test_the_strongest_measured_variable_stands_beside_it():
    frame = matched()
    variables = ("age", "region", "drugs", "rare")
    ours = e_value(compare(frame, "rate"), None, frame, frame, variables)
    assert ours.strongest_variable == "drugs"
    treated, pool = frame.loc[frame["treated"]], frame.loc[~frame["treated"]]
    with_treatment = treated["drugs"].mean() / pool["drugs"].mean()
    means = [
        np.average(part["reoffended"], weights=part["weight"])
        for part in (pool[pool["drugs"]], pool[~pool["drugs"]])
    ]
    with_outcome = means[0] / means[1]
    agree([ours.strongest_treatment, ours.strongest_outcome], [with_treatment, with_outcome])
    bias = with_treatment * with_outcome / (with_treatment + with_outcome - 1)
    agree(ours.strongest_ratio, value_of(bias))


def test_a_rare_category_is_not_judged_and_without_variables_there_is_none():
    frame = matched()
    ours = e_value(compare(frame, "rate"), None, frame, frame, ("rare",))
    assert (ours.strongest_variable, ours.strongest_ratio) == (None, None)
    assert e_value(compare(frame, "rate"), None, frame, frame).strongest_variable is None
    only = e_value(compare(frame, "rate"), None, frame, frame, ("region",))
    assert only.strongest_variable.startswith("region: ")


def test_the_bounds_are_r_s():
    frame, _, figures, _ = reference("jdl_synth")
    pairs = pd.read_csv(REFERENCE / "jdl_synth_nn1_cal02_pairs.csv").dropna().astype(int)
    again = frame["reoffend"].astype(bool)
    theirs = figures["specs"]["rosenbaum"]
    ours = rosenbaum(
        again.loc[pairs["treated_id"]].to_numpy(),
        again.loc[pairs["control_id"]].to_numpy(),
        gamma=theirs["gamma"],
    )
    agree(ours.p, theirs["p_upper_fewer"])
    assert ours.discordant == theirs["n10"] + theirs["n01"]
    assert (ours.direction, ours.pairs, ours.gamma) == ("fewer", 438, (1, 1.1, 1.2, 1.3, 1.5, 2))
    agree(2 * ours.p[0], theirs["mcnemar_exact_two_sided"])


def test_the_bounds_go_the_way_that_was_seen_and_rise():
    treated, comparison = np.array([True] * 30 + [False] * 10), np.array([False] * 30 + [True] * 10)
    more, fewer = rosenbaum(treated, comparison), rosenbaum(comparison, treated)
    assert (more.direction, fewer.direction) == ("more", "fewer")
    assert more.p == fewer.p
    assert list(more.p) == sorted(more.p)
    agree(more.p[0], stats.binomtest(30, 40, alternative="greater").pvalue)


def test_pairs_that_all_agree_say_nothing():
    same = np.array([True, False, True])
    assert rosenbaum(same, same, gamma=(1, 2)) == Bounds((1, 2), (1, 1), "fewer", 3, 0)


def test_a_direction_that_was_not_seen_is_tested_as_well():
    treated, comparison = np.array([True] * 10 + [False] * 30), np.array([False] * 10 + [True] * 30)
    against = rosenbaum(treated, comparison, gamma=(1, 2), direction="more")
    agree(against.p, stats.binom.sf(9, 40, [1 / 2, 2 / 3]))
    none = rosenbaum(np.zeros(3, bool), np.ones(3, bool), gamma=(1,), direction="more")
    assert none.p == (1,)


def test_the_bounds_of_pairs_are_r_s():
    frame, weights, figures, _ = reference("jdl_synth")
    frame = frame.assign(weight=1.0, logit=weights["logit"], reoffended=frame["reoffend"])
    effect = compare(frame.assign(weight=weights["radius_logit02sd"]), "rate")
    theirs = figures["specs"]["rosenbaum"]
    ours = of_pairs(frame, replace(effect, significant=True), 0.2, gamma=theirs["gamma"])
    agree(ours.p, theirs["p_upper_fewer"])
    assert ours.direction == "fewer"
    assert ours.discordant == theirs["n10"] + theirs["n01"]
    assert ours.pairs is None  # three people have none


def paired(seed=1, n=400, pool=1200, less=0.25):
    """Matched groups with a logit, of which the treated reoffend less."""
    rng = np.random.default_rng(seed)
    ours = np.arange(n + pool) < n
    frame = pd.DataFrame(
        {
            "treated": ours,
            "weight": 1.0,
            "logit": rng.normal(0, 1, n + pool) + ours,
            "sex": rng.choice(["male", "female"], n + pool),
            "offender_id": np.where(ours, np.arange(n + pool), n + rng.integers(0, 900, n + pool)),
            "reoffended": rng.random(n + pool) < 0.55 - less * ours,
        }
    )
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def by_hand(frame, caliper):
    """Greedy pairs one by one; of several pairs with one comparison person the nearest stays."""
    width = caliper * frame["logit"].std(ddof=1)
    assert width == pytest.approx(caliper_width(frame["logit"].to_numpy(), caliper))
    left, found = frame.loc[~frame["treated"]].copy(), []
    for _, one in frame.loc[frame["treated"]].sort_values("logit", ascending=False).iterrows():
        near = (left.loc[left["sex"] == one["sex"], "logit"] - one["logit"]).abs()
        if len(near) and near.min() <= width:
            other = left.loc[near.idxmin()]
            found.append((near.min(), other["offender_id"], one.reoffended, other.reoffended))
            left = left.drop(index=near.idxmin())
    seen, kept = set(), []
    for _, whose, ours, theirs in sorted(found, key=lambda pair: pair[0]):
        if whose not in seen:
            kept.append((ours, theirs))
            seen.add(whose)
    assert len(kept) < len(found)
    return np.array(kept, dtype=bool)


@pytest.mark.parametrize(("seed", "less"), [(1, 0.25), (2, 0.25), (3, -0.25)])
def test_the_bounds_of_pairs_are_those_by_hand(seed, less):
    frame = paired(seed, less=less)
    effect = compare(frame, "rate")
    kept = by_hand(frame, 0.1)
    ours, theirs = kept[:, 0] & ~kept[:, 1], ~kept[:, 0] & kept[:, 1]
    most = max(ours.sum(), theirs.sum())
    gamma = np.array([1, 1.5, 2])
    more = pd.concat([frame, frame.assign(weight=0.0)], ignore_index=True)
    found = of_pairs(more, effect, 0.1, ("sex",), gamma=gamma)
    agree(found.p, stats.binom.sf(most - 1, ours.sum() + theirs.sum(), gamma / (1 + gamma)))
    assert found.direction == ("fewer" if less > 0 else "more")
    assert (found.pairs, found.discordant) == (len(kept), ours.sum() + theirs.sum())


def test_pairs_go_in_the_direction_of_the_result():
    frame = paired()
    effect = compare(frame, "rate")
    fewer, more = (of_pairs(frame, replace(effect, difference=size), 0.1) for size in (-0.2, 0.2))
    assert (fewer.direction, more.direction) == ("fewer", "more")
    assert fewer.p[0] < 0.01 < 0.99 < more.p[0]


def test_without_a_result_to_explain_there_are_no_bounds():
    frame = paired()
    effect = compare(frame, "rate")
    assert of_pairs(frame, replace(effect, significant=False), 0.1) is None
    assert of_pairs(frame, replace(effect, conclusion="suppressed"), 0.1) is None
    assert of_pairs(frame, replace(effect, difference=None), 0.1) is None


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ((40, 40, 60, 40), True),
        ((9, 40, 60, 40), False),
        ((40, 9, 60, 40), False),
        ((40, 40, 9, 40), False),
        ((40, 40, 60, 9), False),
        ((10, 10, 12, 10), True),
    ],
)
def test_few_pairs_of_one_kind_are_not_told_of(kinds, told):
    """Both reoffended, the treated one, the match, neither: two rows a pair, far from others."""
    events = np.repeat([(True, True), (True, False), (False, True), (False, False)], kinds, axis=0)
    many = len(events)
    frame = pd.DataFrame(
        {
            "treated": np.repeat([True, False], many),
            "weight": 1.0,
            "logit": np.tile(np.arange(many, dtype=float), 2),
            "offender_id": np.arange(2 * many),
            "reoffended": events.T.ravel(),
        }
    )
    effect = replace(compare(frame, "rate"), significant=True, conclusion="reduction")
    found = of_pairs(frame, effect, 0.001)
    assert (found is not None) == told
    assert found is None or found.pairs == many
    assert of_pairs(frame, effect, 0.001, minimum_pairs=many + 1) is None
    if told:
        few = frame.loc[frame.index != many + 20]
        assert of_pairs(few, effect, 0.001, minimum_cell=5).pairs is None


def test_nobody_with_a_pair_says_nothing():
    frame = paired(n=40, pool=40)
    frame["logit"] = np.where(frame["treated"], 100.0, -100.0)
    effect = replace(compare(frame, "rate"), significant=True, conclusion="reduction")
    assert of_pairs(frame, effect, 0.1) is None
