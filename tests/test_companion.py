import json
import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from matches import FORMULAS, REFERENCE, agree, reference
from patsy.highlevel import dmatrix
from scipy import stats

from jdl import companion
from jdl.companion import adjust, adjust_all
from jdl.effects import ALL, MEASURES, compare, compare_all
from jdl.matching import Specification, match

TERMS = "age + prior + C(region)"
ROBUST = json.loads((REFERENCE / "dr_hc_reference.json").read_text(encoding="utf-8"))
OUTCOMES = {"reoffend": "rate", "custody_1y": "rate", "n_reoff": "frequency", "zero78": "rate"}


def sample(seed=1, treated=120, others=1500, effect=0.0, places=0):
    """Matched groups with outcomes that depend on the variables."""
    rng = np.random.default_rng(seed)
    n = treated + others
    ours = np.arange(n) < treated
    frame = pd.DataFrame(
        {
            "treated": ours,
            "offender_id": np.arange(n).astype(str),
            "weight": np.where(ours, 1.0, rng.uniform(0, 2 * treated / others, n)),
            "age": rng.normal(33, 10, n),
            "prior": rng.poisson(5, n).astype(float),
            "region": rng.choice(["wales", "london", "north east"], n),
        }
    )
    if places:
        frame["place"] = rng.choice([f"place {i}" for i in range(places)], n)
    index = 0.03 * (33 - frame["age"]) + 0.15 * (frame["prior"] - 5) + effect * ours
    counts = rng.poisson(np.exp(index))
    return frame.assign(
        reoffended=counts > 0,
        reoffences=counts,
        days_to_first=pd.array(rng.integers(1, 366, n), "Int64"),
        first_court_outcome=rng.choice(["indictable", "either way", "summary"], n),
        reoffences_indictable=counts // 2,
        reoffences_either_way=counts - counts // 2,
        reoffences_summary=counts // 3,
        first_custodial=rng.random(n) < 0.4,
        custodial_sentences=counts // 2,
    ).pipe(_only_of_reoffenders)


def _only_of_reoffenders(frame):
    columns = ["days_to_first", "first_court_outcome", "first_custodial"]
    for column in columns:
        values = frame[column]
        values = values.astype("boolean") if values.dtype == bool else values
        frame[column] = values.where(frame["reoffended"])
    return frame


def figures_of(adjusted):
    return [v for v in asdict(adjusted).values() if isinstance(v, float)]


@pytest.mark.parametrize("key", ROBUST)
def test_the_estimate_and_its_error_are_r_s(key):
    name, spec, outcome = key.split("|")
    frame, weights, _, _ = reference(name)
    frame = frame.assign(weight=weights[spec])
    measure = OUTCOMES.get(outcome, "time_without_reoffence")
    if outcome in ("reoffend", "custody_1y", "zero78"):
        frame = frame.assign(reoffended=frame[outcome])
    elif outcome == "n_reoff":
        frame = frame.assign(reoffended=True, reoffences=frame[outcome])
    else:
        frame = frame.assign(reoffended=True, days_to_first=frame[outcome] - 1e6)
    effect = compare(frame, measure, minimum_events=0)
    ours, theirs = adjust(frame, measure, FORMULAS[name].split("~")[1], effect=effect), ROBUST[key]
    agree(ours.difference, theirs["est"])
    assert ours.error == pytest.approx(theirs["se_HC2"], rel=1e-7)
    assert ours.df == theirs["df"]
    assert ours.p_value == pytest.approx(theirs["p_HC2_t"], rel=1e-6)
    assert ours.errors == "HC2 by person"


@pytest.mark.parametrize(
    ("measure", "family", "model"),
    [
        ("rate", sm.families.Binomial(), "logistic"),
        ("frequency", sm.families.Poisson(), "quasi-Poisson"),
        ("time_without_reoffence", sm.families.Gaussian(), "linear"),
        ("first_custody", sm.families.Binomial(), "logistic"),
        ("frequency_indictable", sm.families.Poisson(), "quasi-Poisson"),
    ],
)
def test_the_estimate_is_statsmodels_prediction(measure, family, model):
    frame = sample(effect=-0.3)
    ours = adjust(frame, measure, TERMS)
    used = frame.loc[ALL[measure].rows(frame)]
    design, values = np.asarray(dmatrix(TERMS, used)), ALL[measure].values(used)
    treated = used["treated"].to_numpy()
    fit = sm.GLM(
        values[~treated],
        design[~treated],
        family=family,
        var_weights=used["weight"].to_numpy()[~treated],
    ).fit(tol=1e-13)
    predicted = fit.predict(design[treated])
    agree(ours.difference, values[treated].mean() - predicted.mean())
    agree(ours.ratio, values[treated].mean() / predicted.mean())
    assert ours.model == model


def test_the_errors_are_those_of_the_influences_written_out():
    frame = sample(3)
    ours = adjust(frame, "rate", TERMS)
    influence, treated, predicted = _influences(frame)
    agree(ours.error, math.sqrt((influence**2).sum()))
    half = stats.t.ppf(0.975, 119) * ours.error
    agree([ours.ci_low, ours.ci_high], [ours.difference - half, ours.difference + half])
    agree(ours.p_value, 2 * stats.t.sf(abs(ours.difference / ours.error), 119))
    values = frame["reoffended"].to_numpy(float)[treated]
    log_parts = (values - values.mean()) / values.mean()
    log_parts = log_parts - (predicted - predicted.mean()) / predicted.mean()
    parts = np.concatenate(
        [log_parts / math.sqrt(120 * 119), influence[~treated] / predicted.mean()]
    )
    half = stats.t.ppf(0.975, 119) * math.sqrt((parts**2).sum())
    agree(np.log([ours.ratio_low, ours.ratio_high]), math.log(ours.ratio) + np.array([-half, half]))


def _influences(frame):
    """HC2 influences of a logistic outcome model by dense algebra, row by row."""
    design, treated = np.asarray(dmatrix(TERMS, frame)), frame["treated"].to_numpy()
    y, w = frame["reoffended"].to_numpy(float), frame["weight"].to_numpy()
    x, n = design[~treated], int(treated.sum())
    fit = sm.GLM(y[~treated], x, sm.families.Binomial(), var_weights=w[~treated]).fit(tol=1e-14)
    m, m1 = fit.predict(x), fit.predict(design[treated])
    weights = w[~treated] * m * (1 - m)
    inverse = np.linalg.inv(x.T @ (weights[:, None] * x))
    h = weights * np.einsum("ij,jk,ik->i", x, inverse, x)
    a = inverse @ (design[treated] * (m1 * (1 - m1))[:, None]).mean(axis=0)
    influence = np.zeros(len(frame))
    residual = y[treated] - m1
    influence[treated] = (residual - residual.mean()) / math.sqrt(n * (n - 1))
    influence[~treated] = -w[~treated] * (x @ a) * (y[~treated] - m) / np.sqrt(1 - h)
    return influence, treated, m1


def test_influences_of_one_person_are_summed_before_they_are_squared():
    frame = sample(3)
    names = frame["offender_id"].where(frame["treated"], "c" + (frame.index // 3).astype(str))
    several = frame.assign(offender_id=names)
    influence, *_ = _influences(frame)
    by_person = pd.Series(influence).groupby(names.to_numpy()).sum()
    ours = adjust(several, "rate", TERMS)
    agree(ours.error, math.sqrt((by_person**2).sum()))
    agree(ours.difference, adjust(frame, "rate", TERMS).difference)


def test_copies_of_every_disposal_tell_nothing_new():
    frame = sample(4)
    again = pd.concat([frame, frame.loc[~frame["treated"]]], ignore_index=True)
    again["weight"] = np.where(again["treated"], 1.0, again["weight"] / 2)
    once, twice = adjust(frame, "frequency", TERMS), adjust(again, "frequency", TERMS)
    agree(twice.difference, once.difference)
    assert twice.error == pytest.approx(once.error, rel=1e-3)


@pytest.mark.parametrize("seed", [5, 6])
def test_errors_by_place_are_bell_and_mccaffrey_s_in_full_matrices(seed):
    frame = sample(seed, treated=60, others=240, places=12)
    ours = adjust(frame, "time_without_reoffence", TERMS)
    assert (ours.errors, ours.places) == ("CR2 by place", 12)
    error, df = _by_place(frame)
    agree(ours.error, error, 1e-9)
    assert ours.df == pytest.approx(df, rel=1e-8)
    assert ours.df < 12


def _by_place(frame):
    """CR2 and Satterthwaite's degrees of freedom of the linear model, by n x n matrices."""
    design, treated = np.asarray(dmatrix(TERMS, frame)), frame["treated"].to_numpy()
    y, w = ALL["time_without_reoffence"].values(frame), frame["weight"].to_numpy()
    n, root = int(treated.sum()), np.sqrt(w[~treated])
    x = design[~treated] * root[:, None]
    left = np.eye(len(x)) - x @ np.linalg.solve(x.T @ x, x.T)
    b = np.linalg.solve(x.T @ x, x.T @ (root * y[~treated]))
    pull = x @ np.linalg.solve(x.T @ x, design[treated].mean(axis=0))
    residual = y[treated] - design[treated] @ b
    centre = np.eye(n) - 1 / n
    parts, rows = [], []
    for place in sorted(frame["place"].unique()):
        here = (frame["place"] == place).to_numpy()
        inside, theirs = here[treated], here[~treated]
        ours = np.zeros(n)
        ours[inside] = _power(centre[np.ix_(inside, inside)]) @ np.ones(inside.sum()) / n
        row = np.zeros(len(x))
        row[theirs] = _power(left[np.ix_(theirs, theirs)]) @ pull[theirs]
        rows.append((ours @ centre, row @ left))
        parts.append(ours @ (centre @ residual) - row @ (left @ (root * y[~treated])))
    spread = (centre @ residual) @ residual / (n - 1)
    noise = left @ (root * y[~treated])
    scale = noise @ noise / (len(x) - x.shape[1])
    expected = np.array(
        [[spread * (s[0] @ t[0]) + scale * (s[1] @ t[1]) for t in rows] for s in rows]
    )
    return math.sqrt(sum(part**2 for part in parts)), np.trace(expected) ** 2 / (expected**2).sum()


def _power(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * values**-0.5) @ vectors.T


def test_fewer_than_ten_places_do_not_cluster_and_are_counted():
    frame = sample(places=9)
    ours = adjust(frame, "rate", TERMS)
    assert (ours.errors, ours.places) == ("HC2 by person", 9)
    assert figures_of(ours) == figures_of(adjust(frame.drop(columns="place"), "rate", TERMS))
    assert adjust(sample(), "rate", TERMS).places is None


def test_intervals_by_place_cover_where_places_differ():
    covered = plain = 0
    for seed in range(150):
        frame = sample(seed, treated=200, others=800, places=20)
        rng = np.random.default_rng([seed, 1])
        codes = frame["place"].str[6:].astype(int)
        lucky = rng.normal(0, 40, 20)[codes] + rng.normal(180, 60, len(frame))
        frame = frame.assign(
            reoffended=True,
            days_to_first=lucky + rng.normal(0, 40, 20)[codes] * frame["treated"],
        )
        low = {
            name: adjust(part, "days_to_first", TERMS)
            for name, part in (("by place", frame), ("plain", frame.drop(columns="place")))
        }
        covered += low["by place"].ci_low <= 0 <= low["by place"].ci_high
        plain += low["plain"].ci_low <= 0 <= low["plain"].ci_high
    assert plain < 130 < 135 <= covered


def test_what_a_wrong_score_leaves_is_removed():
    frame = sample(7, treated=400, others=8000).assign(weight=1.0)
    older = frame.loc[~frame["treated"] | (frame["age"] > 33)].assign(
        weight=lambda f: np.where(f["treated"], 1.0, 0.02)
    )
    raw, ours = compare(older, "frequency"), adjust(older, "frequency", TERMS)
    assert raw.conclusion == "reduction"
    assert ours.ci_low < 0 < ours.ci_high
    assert abs(ours.difference) < abs(raw.difference) / 3


def test_it_follows_the_effect_it_stands_beside():
    frame = sample(8, treated=40, effect=-1.6)
    effects = compare_all(frame, list(ALL))
    adjusted = adjust_all(frame, effects, TERMS)
    assert list(adjusted) == list(ALL)
    for name, effect in effects.items():
        assert (adjusted[name].conclusion == "suppressed") == (effect.conclusion == "suppressed")
        assert adjusted[name].measure == name
        if effect.conclusion == "suppressed":
            assert figures_of(adjusted[name]) == []
            assert adjusted[name].reason == effect.reason
    few = compare(frame, "rate", minimum_events=1000)
    ours = adjust(frame, "rate", TERMS, effect=few)
    assert ours.p_value < 0.05
    assert (ours.conclusion, ours.reason) == ("inconclusive", few.reason)


def test_all_at_once_is_one_by_one():
    frame = sample(9, effect=-0.4)
    effects = compare_all(frame, list(ALL))
    together = adjust_all(frame, effects, TERMS, significance=0.1)
    for name, effect in effects.items():
        assert together[name] == adjust(frame, name, TERMS, effect=effect, significance=0.1)
    assert together["rate"].conclusion == "reduction"


def test_repeated_and_empty_terms_are_left_out_and_named():
    frame = sample(10)
    repeats = [f"older{i}" for i in range(6)]
    for i, name in enumerate(repeats):
        frame[name] = 0.3 * frame["age"] + (i + 0.7) * frame["prior"] + 0.1
    moved = frame["region"].where(frame["treated"] | (frame["region"] != "wales"), "london")
    frame["region"] = moved
    ours = adjust(frame, "rate", " + ".join(["age + prior + C(region)", *repeats]))
    without = adjust(
        frame.assign(region=moved.replace("wales", "london")), "rate", "age + prior + C(region)"
    )
    assert ours.notes[0].startswith("Left out of the outcome model, because nobody in the")
    named = ours.notes[0].split(": ")[1]
    assert "wales" in named
    assert all(name in named for name in repeats)
    assert "age" not in named
    np.testing.assert_allclose(figures_of(ours), figures_of(without), rtol=1e-9)


def test_a_term_without_variation_in_the_outcome_is_said_and_does_no_harm():
    frame = sample(11)
    frame["odd"] = (frame["age"] > 55).astype(float)
    frame.loc[frame["odd"] == 1, "reoffended"] = False
    ours = adjust(frame, "rate", "prior + odd")
    assert ours.notes == (
        "The outcome model is certain of the outcome of some in the comparison group.",
    )
    even = frame.loc[frame["odd"] == 0]
    inside = adjust(even, "rate", "prior")
    share = even["treated"].sum() / frame["treated"].sum()
    agree(ours.difference, inside.difference * share, 1e-7)
    assert math.isfinite(ours.error)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f["treated"] & f["reoffended"], "Everyone in the comparison group has the same"),
        (lambda f: f["age"] > 33, "The outcome model predicts everyone with certainty."),
    ],
)
def test_without_a_solution_there_is_a_reason_and_no_figure(change, reason):
    frame = sample(12).assign(reoffended=lambda f: change(f))
    ours = adjust(frame, "rate", "age")
    assert ours.conclusion == "inconclusive"
    assert ours.reason.startswith(reason)
    assert figures_of(ours) == []


def test_many_terms_for_few_people_give_a_result_or_a_reason():
    rng = np.random.default_rng(13)
    for seed in range(30):
        frame = sample(seed, treated=12, others=14)
        for i in range(15):
            frame[f"flag{i}"] = rng.integers(0, 2, len(frame)).astype(float)
        terms = " + ".join(f"flag{i}" for i in range(15))
        for measure in MEASURES:
            effect = compare(frame, measure, minimum_events=0, minimum_reoffenders=0)
            ours = adjust(frame, measure, terms, effect=effect)
            assert ours.reason or all(math.isfinite(value) for value in figures_of(ours))


def test_rows_without_a_weight_and_the_order_of_rows_do_not_matter():
    frame = sample(14, places=12)
    more = pd.concat([frame.assign(weight=0.0, reoffences=99), frame], ignore_index=True)
    shuffled = more.sample(frac=1, random_state=2)
    for measure in ("rate", "frequency", "days_to_first"):
        ours, again = (adjust(f, measure, TERMS) for f in (frame, shuffled))
        np.testing.assert_allclose(figures_of(again), figures_of(ours), rtol=1e-8)


def test_the_scale_of_a_variable_does_not_matter():
    frame = sample(15)
    scaled = frame.assign(age=frame["age"] * 1e6 + 3e6, prior=frame["prior"] / 1e4)
    ours, again = (adjust(f, "frequency", TERMS) for f in (frame, scaled))
    np.testing.assert_allclose(figures_of(again), figures_of(ours), rtol=1e-7)


def test_a_missing_variable_is_not_passed_over():
    frame = sample(16)
    frame.loc[3, "age"] = math.nan
    with pytest.raises(ValueError, match="age is not a finite number"):
        adjust(frame, "rate", TERMS)


def test_one_design_serves_any_outcome():
    frame = sample(17)
    treated = frame["treated"].to_numpy()
    design = companion.design(
        np.asarray(dmatrix(TERMS, frame)), treated, frame["weight"].to_numpy()
    )
    for measure, model in (("rate", "logistic"), ("frequency", "quasi-Poisson")):
        values = MEASURES[measure].values(frame)
        prediction = companion.predict(design, values[~treated], model)
        ours = companion.estimate(prediction, values[treated])
        agree([ours.difference, ours.error], _of(adjust(frame, measure, TERMS)))


def _of(adjusted):
    return [adjusted.difference, adjusted.error]


def balanced(seed=1, **choices):
    """Groups that entropy balancing has made, within strata, and how they were made."""
    frame = sample(seed, **choices).drop(columns="weight")
    frame["sex"] = np.where(np.arange(len(frame)) % 3 == 0, "female", "male")
    specification = Specification(
        "entropy balancing", f"treated ~ {TERMS}", 0.2, ("sex",), method="entropy balancing"
    )
    return match(frame, specification, estimator=smf.logit)


def of_balanced(matched, measure="rate", **choices):
    made = matched.specification
    return adjust(
        matched.frame, measure, matched.terms, method=made.method, exact=made.exact, **choices
    )


@pytest.mark.parametrize(("outcome", "measure"), [("re78", "days_to_first"), ("zero78", "rate")])
def test_after_entropy_balancing_the_check_is_the_same_difference_with_its_own_error(
    outcome, measure
):
    frame, weights, figures, _ = reference("lalonde_psid614")
    theirs = figures["specs"]["ebal"]["outcomes"][outcome]
    again = frame["zero78"] if outcome == "zero78" else True
    frame = frame.assign(weight=weights["ebal"], reoffended=again, days_to_first=frame["re78"])
    effect = compare(frame, measure, minimum_events=0)
    terms = FORMULAS["lalonde_psid614"].split("~")[1]
    ours = adjust(frame, measure, terms, effect=effect, method="entropy balancing")
    agree(ours.difference, theirs["welch_kish"]["est"], 1e-8)
    agree(ours.difference, effect.difference)
    if outcome == "re78":
        agree(ours.error, theirs["dr_att"]["se"], 1e-7)
    assert (ours.model, ours.errors) == ("entropy balancing", "M-estimation by person")
    assert ours.df == 184
    half = stats.t.ppf(0.975, 184) * ours.error
    agree([ours.ci_low, ours.ci_high], [ours.difference - half, ours.difference + half])
    agree(ours.p_value, 2 * stats.t.sf(abs(ours.difference / ours.error), 184))
    agree(ours.ratio, theirs["mean_treated"] / theirs["mean_control"], 1e-8)
    assert ours.ratio_low < ours.ratio < ours.ratio_high


def test_the_error_after_entropy_balancing_knows_of_the_strata():
    matched = balanced(2)
    frame, treated = matched.frame, matched.frame["treated"].to_numpy()
    values = np.asarray(dmatrix(f"{TERMS} + C(sex)", frame))
    y, weight = frame["reoffended"].to_numpy(float), frame["weight"].to_numpy()
    root = np.sqrt(weight[~treated])
    centred = values[:, 1:] - values[treated, 1:].mean(axis=0)
    x = np.column_stack((np.ones(len(y)), centred))
    b = np.linalg.lstsq(x[~treated] * root[:, None], y[~treated] * root)[0]
    n, rest = int(treated.sum()), y - x @ b
    parts = np.where(
        treated, math.sqrt(n / (n - 1)) * (rest - rest[treated].mean()), -weight * rest
    )
    ours = of_balanced(matched)
    agree(ours.error, math.sqrt((parts**2).sum()) / n)
    without = adjust(frame, "rate", matched.terms, method="entropy balancing")
    assert without.error != pytest.approx(ours.error, rel=1e-6)


def test_after_entropy_balancing_what_is_suppressed_stays_so_and_nothing_is_modelled():
    matched = balanced(3, treated=60)
    frame = matched.frame
    effects = compare_all(frame, list(ALL))
    made = matched.specification
    checks = adjust_all(frame, effects, matched.terms, method=made.method, exact=made.exact)
    assert companion.beside(frame, effects, made) == checks
    by_radius = replace(made, method="radius")
    assert companion.beside(frame, effects, by_radius) == adjust_all(frame, effects, made.terms)
    for name, effect in effects.items():
        assert checks[name].model == "entropy balancing"
        assert (checks[name].conclusion == "suppressed") == (effect.conclusion == "suppressed")
        if effect.difference is not None and effect.conclusion != "suppressed":
            agree(checks[name].difference, effect.difference)
    same = frame.assign(reoffences=1)
    effect = replace(effects["frequency"], conclusion="inconclusive")
    nothing = of_balanced(replace(matched, frame=same), "frequency", effect=effect)
    assert nothing.reason == "Everyone in both groups has the same outcome."
    assert figures_of(nothing) == []


def test_intervals_after_entropy_balancing_cover_at_their_level():
    covered = 0
    for seed in range(200):
        matched = balanced(seed, treated=100, others=400)
        rng = np.random.default_rng([seed, 2])
        frame = matched.frame
        days = 180 + 20 * frame["prior"] + rng.normal(0, 40, len(frame))
        matched = replace(matched, frame=frame.assign(reoffended=True, days_to_first=days))
        ours = of_balanced(matched, "days_to_first")
        covered += ours.ci_low <= 0 <= ours.ci_high
    assert 182 <= covered <= 197


def test_a_place_that_is_not_recorded_is_none():
    regions = pd.DataFrame({"region": ["north", "south", "not recorded", None, "north"]})
    assert companion.places_of(regions, "region") == 2


@pytest.mark.parametrize("greatest", [0.05, 0.6, 0.99, 1.0])
def test_the_root_of_an_inverse_is_the_same_by_series_and_by_eigenvalues(greatest):
    rng = np.random.default_rng(4)
    turned = np.linalg.qr(rng.normal(size=(3, 9, 9)))[0]
    values = np.linspace(0, greatest, 9) ** 2 / greatest
    hats = np.stack([(one * values) @ one.T for one in turned])
    along = rng.normal(size=9)
    power = np.where(values < 1 - 1e-12, 1 / np.sqrt(1 - np.minimum(values, 1 - 1e-12)), 0)
    right = [(one * power) @ one.T @ along for one in turned]
    found = companion._root_inverses(hats, along)
    np.testing.assert_allclose(found, right, rtol=0, atol=1e-12)
    assert (np.sqrt((hats**2).sum(axis=(1, 2))) <= companion.QUICK).all() == (greatest < 0.5)
