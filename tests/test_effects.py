import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from matches import FORMULAS, agree, expect_good_match, reference
from scipy import stats

from jdl import outcomes
from jdl.effects import ALL, EVERYONE, MEASURES, Group, compare, compare_all
from jdl.matching import Specification, match
from jdl.power import numbers_needed

CONTRACT = (
    "rate frequency days_to_first first_indictable first_either_way first_summary "
    "frequency_indictable frequency_either_way frequency_summary first_custody frequency_custody"
)
OUTCOME_IN_R = {
    "jdl_synth": {
        "rate": "reoffend",
        "frequency": "n_reoff",
        "days_to_first": "days_first",
    },
    "lalonde_psid614": {"frequency": "re78", "rate": "zero78"},
}
SUPPRESSED = {
    "difference": None,
    "ci_low": None,
    "ci_high": None,
    "p_value": None,
    "df": None,
    "numbers_needed": None,
    "detectable": None,
    "significant": False,
    "conclusion": "suppressed",
}


def people(treated, comparison, weight=None, person=None):
    """Matched groups with as many reoffences a person as listed, the first after 100 days."""
    counts = np.array([*treated, *comparison])
    ours = np.arange(len(counts)) < len(treated)
    again = pd.Series(counts > 0)
    share = len(treated) / max(1, len(comparison))
    return pd.DataFrame(
        {
            "offender_id": np.arange(len(counts)).astype(str) if person is None else person,
            "treated": ours,
            "weight": np.where(ours, 1.0, share) if weight is None else weight,
            "reoffended": again,
            "reoffences": counts,
            "days_to_first": pd.array(np.where(again, 100 + 7 * (counts % 3), 0), "Int64"),
            "first_court_outcome": np.where(
                counts % 2, "either way", np.where(counts % 3, "summary", "indictable")
            ),
            "reoffences_indictable": counts // 2,
            "reoffences_either_way": counts // 3,
            "reoffences_summary": counts - counts // 2 - counts // 3,
            "first_custodial": counts % 2 == 1,
            "custodial_sentences": counts // 2,
        }
    ).assign(
        days_to_first=lambda f: f["days_to_first"].where(f["reoffended"]),
        first_court_outcome=lambda f: f["first_court_outcome"].where(f["reoffended"]),
        first_custodial=lambda f: f["first_custodial"].astype("boolean").where(f["reoffended"]),
    )


def drawn(seed=1, n=150, pool=1500, less=0.3):
    """Draw counts of reoffences; the treated have fewer by the factor 1 - less."""
    rng = np.random.default_rng(seed)
    frame = people(rng.poisson(0.9 * (1 - less), n), rng.poisson(0.9, pool))
    return frame.assign(weight=np.where(frame["treated"], 1.0, rng.uniform(0, 2, len(frame))))


def numbers_of(effect):
    record = asdict(effect)
    groups = record.pop("treatment"), record.pop("comparison")
    return [
        value
        for part in (record, *groups)
        for value in part.values()
        if isinstance(value, (int, float))
    ]


def test_the_measures_are_those_of_the_contract_in_its_order():
    assert " ".join(MEASURES) == CONTRACT
    assert {measure.outcome for measure in MEASURES.values()} <= set(outcomes.COLUMNS)
    assert {m.name for m in MEASURES.values() if m.among == "everyone"} == {"rate", "frequency"}
    assert [m.name for m in MEASURES.values() if m.favourable == "higher"] == [
        "days_to_first",
        "first_summary",
    ]


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("spec", ["radius_logit02sd", "radius_logit02sd_exact", "nn3_cal02"])
def test_effect_interval_and_test_agree_with_r(name, spec):
    frame, weights, figures, _ = reference(name)
    for measure, column in OUTCOME_IN_R[name].items():
        matched = frame.assign(
            weight=weights[spec],
            reoffended=frame[column].notna(),
        ).assign(**{MEASURES[measure].outcome: frame[column]})
        theirs = figures["specs"][spec]["outcomes"][column]
        ours = compare(matched, measure)
        agree(ours.treatment.mean, theirs["mean_treated"])
        agree(ours.comparison.mean, theirs["mean_control"])
        agree(ours.comparison.effective_n, theirs["ess_controls"])
        assert (ours.treatment.n, ours.comparison.n) == (theirs["n_treated"], theirs["n_controls"])
        welch = theirs["welch_kish"]
        agree(ours.difference, welch["est"])
        agree(standard_error(ours), welch["se"])
        agree(ours.df, welch["df"])
        agree(ours.p_value, welch["p"])
        agree([ours.ci_low, ours.ci_high], [welch["lo"], welch["hi"]])


def standard_error(effect):
    return (effect.ci_high - effect.ci_low) / 2 / stats.t.ppf(0.975, effect.df)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_whole_way_from_score_to_effect_agrees_with_r(name):
    frame, _, figures, _ = reference(name)
    matched = match(frame, Specification("r", FORMULAS[name], 0.2), estimator=smf.logit)
    expect_good_match(matched, frame)
    column = OUTCOME_IN_R[name]["frequency"]
    outcome = matched.frame.assign(reoffences=frame[column], reoffended=True)
    ours = compare(outcome, "frequency")
    welch = figures["specs"]["radius_logit02sd"]["outcomes"][column]["welch_kish"]
    agree(ours.difference, welch["est"])
    agree(standard_error(ours), welch["se"])


def test_equal_weights_give_the_plain_welch_test():
    frame = drawn().assign(weight=1.0)
    ours = compare(frame, "frequency", significance=0.1)
    treated, comparison = (
        frame.loc[frame["treated"] == side, "reoffences"] for side in (True, False)
    )
    theirs = stats.ttest_ind(treated, comparison, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    agree(
        [ours.p_value, ours.df, ours.ci_low, ours.ci_high],
        [theirs.pvalue, theirs.df, interval.low, interval.high],
    )
    agree(ours.treatment.sd, treated.std(ddof=1))
    own = stats.t.interval(0.9, len(treated) - 1, treated.mean(), stats.sem(treated))
    agree([ours.treatment.ci_low, ours.treatment.ci_high], own)


def test_disposals_of_one_person_count_as_one_person():
    counts, ours = [0, 1, 2, 1] * 20, [0, 1] * 20
    frame = people(ours, counts)
    names = [f"t{i}" for i in range(40)] + [f"c{i // 2}" for i in range(80)]
    pairs = frame.assign(offender_id=names)
    single, paired = compare(frame, "rate"), compare(pairs, "rate")
    agree([single.comparison.effective_n, paired.comparison.effective_n], [80, 40])
    assert (paired.comparison.n, paired.comparison.people) == (80, 40)
    assert paired.ci_high - paired.ci_low > single.ci_high - single.ci_low
    agree(paired.difference, single.difference)


def test_rows_without_a_weight_do_not_count():
    frame = drawn()
    more = pd.concat([frame, frame.assign(weight=0.0, reoffences=99)], ignore_index=True)
    assert compare(more, "frequency") == compare(frame, "frequency")


def test_measures_among_reoffenders_take_the_reoffenders_of_both_groups():
    frame = drawn(less=0)
    effect = compare(frame, "days_to_first")
    again = frame[frame["reoffended"]]
    ours, theirs = again[again["treated"]], again[~again["treated"]]
    assert (effect.treatment.n, effect.comparison.n) == (len(ours), len(theirs))
    mean = np.average(theirs["days_to_first"].astype(float), weights=theirs["weight"])
    agree(effect.comparison.mean, mean)
    agree(effect.treatment.mean, ours["days_to_first"].astype(float).mean())


def test_shares_of_the_first_court_outcome_sum_to_one_and_unrecorded_ones_are_left_out():
    frame = drawn(less=0)
    first = frame["first_court_outcome"]
    unknown = frame.index[first.notna()][::9]
    frame = frame.assign(first_court_outcome=first.where(~frame.index.isin(unknown), None))
    effects = [
        compare(frame, f"first_{name}", minimum_events=0)
        for name in ("indictable", "either_way", "summary")
    ]
    agree(sum(effect.treatment.mean for effect in effects), 1)
    agree(sum(effect.comparison.mean for effect in effects), 1)
    known = frame["first_court_outcome"].notna()
    assert effects[0].treatment.n == (known & frame["treated"]).sum()


@pytest.mark.parametrize("kind", ["boolean", "bool[pyarrow]", object, float])
def test_yes_and_no_may_come_in_any_type(kind):
    frame = drawn(less=0)
    values = frame["first_custodial"].astype(object).where(frame["first_custodial"].notna(), None)
    changed = frame.assign(first_custodial=values.astype(kind))
    assert compare(changed, "first_custody") == compare(frame, "first_custody")


def test_an_outcome_of_everyone_must_be_known():
    frame = drawn()
    frame["reoffences"] = frame["reoffences"].where(frame.index > 2)
    with pytest.raises(ValueError, match="reoffences is missing for 3 matched rows"):
        compare(frame, "frequency")


def test_conclusions_follow_the_sign_of_a_significant_difference():
    fewer, more = [0] * 60 + [1] * 40, [0] * 20 + [1] * 80
    assert compare(people(fewer, more), "rate").conclusion == "reduction"
    assert compare(people(more, fewer), "rate").conclusion == "increase"
    same = compare(people(fewer, fewer), "rate")
    assert (same.conclusion, same.significant, same.reason) == ("inconclusive", False, None)
    assert same.numbers_needed is None
    assert compare(people(fewer, more), "rate").numbers_needed is None


def test_the_level_of_significance_is_a_choice():
    frame = people([1] * 40 + [0] * 60, [1] * 520 + [0] * 480)
    effect = compare(frame, "rate")
    assert 0.02 < effect.p_value < 0.05
    assert (effect.significant, effect.ci_high < 0) == (True, True)
    strict = compare(frame, "rate", significance=0.02)
    assert (strict.significant, strict.ci_high < 0) == (False, False)
    assert strict.conclusion == "inconclusive"


def test_events_are_people_for_a_rate_and_the_sum_for_a_count():
    effects = compare_all(drawn())
    frame = drawn()[drawn()["treated"]]
    agree(effects["rate"].treatment.events, frame["reoffended"].sum())
    agree(effects["frequency"].treatment.events, frame["reoffences"].sum())
    assert list(effects) == list(MEASURES)


@pytest.mark.parametrize(
    ("treated", "comparison", "measure", "reason"),
    [
        ([], [1, 0], "rate", "Nobody in the treatment group could be matched."),
        ([1, 0], [], "rate", "Nobody in the comparison group could be matched."),
        ([0] * 50, [1, 0] * 50, "days_to_first", "Nobody in the treatment group reoffended."),
        ([1] * 50, [0] * 50, "first_custody", "Nobody in the comparison group reoffended."),
        ([1] * 29 + [0] * 9, [1, 0] * 50, "days_to_first", "Fewer than 30 people in the treatment"),
        ([2] * 31 + [1] * 9, [1, 2] * 50, "first_custody", "Fewer than 10 people were counted"),
        ([1] * 40, [1, 2] * 50, "frequency_custody", "Fewer than 10 events were counted"),
        ([1], [1, 0], "rate", "The treatment group is effectively fewer than two people."),
        ([1, 0], [1], "rate", "The comparison group is effectively fewer than two people."),
    ],
)
def test_too_few_is_a_result_with_its_reason(treated, comparison, measure, reason):
    effect = compare(people(treated, comparison), measure)
    assert effect.reason.startswith(reason)
    assert {key: getattr(effect, key) for key in SUPPRESSED} == SUPPRESSED
    assert effect.treatment == Group(n=effect.treatment.n)
    assert repr(effect) == f"{MEASURES[measure].label}: suppressed. {effect.reason}"


def test_thirty_treated_reoffenders_are_enough():
    for n, conclusion in ((29, "suppressed"), (30, "inconclusive")):
        frame = people([1, 2] * (n // 2) + [1] * (n % 2) + [0] * 20, [1, 2] * 100)
        assert compare(frame, "days_to_first").conclusion == conclusion


def test_counts_among_reoffenders_are_per_reoffender():
    frame = people([2] * 30 + [3] * 10 + [0] * 60, [2, 4, 0, 0] * 50)
    effect = compare(frame, "frequency_indictable")
    agree([effect.treatment.mean, effect.comparison.mean], [1, 1.5])
    assert (effect.treatment.n, effect.comparison.n) == (40, 100)


def test_equal_outcomes_have_no_spread_whatever_the_weights():
    weight = [1.0] * 40 + list(np.random.default_rng(3).uniform(0.1, 0.9, 77))
    effect = compare(people([1] * 40, [1] * 77, weight), "days_to_first")
    assert (effect.treatment.sd, effect.comparison.sd) == (0, 0)
    assert (effect.difference, effect.p_value) == (0, None)


def test_one_heavy_weight_is_effectively_one_person():
    frame = people([1, 0] * 20, [1, 0, 1], weight=[1.0] * 40 + [40.0, 1e-9, 1e-9])
    assert compare(frame, "rate").reason.startswith("The comparison group is effectively")


def test_fewer_than_ten_events_do_not_conclude():
    frame = people([1] * 9 + [0] * 91, [1] * 500 + [0] * 500)
    effect = compare(frame, "rate")
    assert (effect.conclusion, effect.significant) == ("inconclusive", False)
    assert effect.p_value < 0.05
    assert effect.reason.startswith("Fewer than 10 people reoffended")
    assert compare(frame, "rate", minimum_events=9).conclusion == "reduction"


def test_the_frequency_concludes_by_how_many_people_reoffended():
    few = people([7] * 9 + [0] * 91, [1] * 500 + [0] * 500)
    effect = compare(few, "frequency")
    assert effect.treatment.events == 63
    assert effect.reason.startswith("Fewer than 10 people reoffended in the treatment group")
    enough = people([1] * 10 + [0] * 90, [1] * 500 + [0] * 500)
    assert compare(enough, "frequency").conclusion == "reduction"
    assert compare(enough, "time_without_reoffence").conclusion == "increase"
    assert compare(few, "time_without_reoffence").conclusion == "inconclusive"


def test_each_measure_among_reoffenders_has_its_version_for_everyone():
    assert list(EVERYONE) == [m.name for m in MEASURES.values() if m.among == "reoffenders"]
    assert EVERYONE["days_to_first"].name == "time_without_reoffence"
    frame = drawn(less=0)
    again = frame["reoffended"]
    for name, version in EVERYONE.items():
        among = MEASURES[name]
        values = np.where(again, among.values(frame), 365.0 if among.kind == "days" else 0.0)
        effect = compare(frame, version.name, minimum_events=0, minimum_reoffenders=0)
        ours, theirs = frame["treated"], ~frame["treated"]
        agree(effect.treatment.mean, values[ours].mean())
        agree(effect.comparison.mean, np.average(values[theirs], weights=frame["weight"][theirs]))
        assert (effect.treatment.n, effect.favourable) == (ours.sum(), among.favourable)
        assert effect.measure == version.name
        assert repr(effect).startswith(version.label)


def test_a_version_for_everyone_tells_nothing_that_its_measure_may_not():
    for n, conclusion in ((29, "suppressed"), (30, "inconclusive")):
        frame = people([2] * n + [0] * 20, [2, 0] * 100)
        assert compare(frame, "frequency_indictable_everyone").conclusion == conclusion
        assert compare(frame, "time_without_reoffence").conclusion != "suppressed"
    rare = people([2] * 31 + [1] * 9, [1, 2] * 50)
    assert compare(rare, "first_custody_everyone").reason == compare(rare, "first_custody").reason


def test_an_unrecorded_court_outcome_is_left_out_for_everyone_too():
    frame = drawn(less=0)
    first = frame["first_court_outcome"]
    unknown = frame.index.isin(frame.index[first.notna()][::9])
    frame = frame.assign(first_court_outcome=first.where(~unknown, None))
    effect = compare(frame, "first_summary_everyone", minimum_events=0)
    assert effect.treatment.n == (~unknown & frame["treated"]).sum()


def test_the_time_without_reoffence_is_r_s_restricted_mean():
    frame, weights, figures, _ = reference("jdl_synth")
    spec = "radius_logit02sd"
    matched = frame.assign(
        weight=weights[spec], reoffended=frame["reoffend"], days_to_first=frame["days_first"]
    )
    ours, theirs = compare(matched, "time_without_reoffence"), figures["specs"][spec]["time"]
    agree([ours.comparison.mean, ours.treatment.mean], theirs["survfit_rmean"])
    welch = theirs["rmst"]["welch_kish"]
    agree([ours.difference, ours.ci_low, ours.p_value], [welch["est"], welch["lo"], welch["p"]])


@pytest.mark.parametrize("name", FORMULAS)
def test_weighted_least_squares_and_welch_on_our_figures_agree_with_r(name):
    frame, weights, figures, _ = reference(name)
    for spec in ("radius_logit02sd", "radius_logit005sd", "radius_ps001", "ebal"):
        for column, theirs in figures["specs"][spec]["outcomes"].items():
            used = frame.assign(weight=weights[spec]).loc[lambda f: f["weight"] > 0]
            used = used.loc[used[column].notna()] if column in used else used
            if column not in used:
                continue
            design = np.column_stack([np.ones(len(used)), used["treated"]])
            fit = sm.WLS(used[column].to_numpy(float), design, used["weight"].to_numpy()).fit()
            agree(fit.params[1], theirs["lm"]["est"])
            for kind in ("HC0", "HC1", "HC2", "HC3"):
                agree(getattr(fit, f"{kind}_se")[1], theirs["lm"][f"se_{kind}"])
            _expect_welch(used, column, theirs)


def _expect_welch(used, column, theirs):
    """Welch's test by scipy on our means and spreads, with each of R's comparison sizes."""
    effect = compare(
        used.assign(reoffended=True, reoffences=used[column]), "frequency", minimum_events=0
    )
    ours, pool = effect.treatment, effect.comparison
    variance = pool.sd**2 * (pool.effective_n - 1) / pool.effective_n
    sizes = {"people": pool.n, "sumw": theirs["sum_w_controls"], "kish": pool.effective_n}
    for kind, size in sizes.items():
        sd = math.sqrt(variance * size / (size - 1))
        test = stats.ttest_ind_from_stats(ours.mean, ours.sd, ours.n, pool.mean, sd, size, False)
        welch = theirs[f"welch_{kind}"]
        agree([test.statistic, test.pvalue], [welch["t"], welch["p"]])


@pytest.mark.parametrize(("treated", "comparison"), [([1] * 40, [1] * 90), ([1] * 40, [0] * 90)])
def test_nobody_differs_within_the_groups(treated, comparison):
    effect = compare(people(treated, comparison), "rate")
    assert effect.conclusion == "inconclusive"
    assert effect.reason.startswith("Everyone within each group has the same outcome")
    assert effect.difference == 1 - comparison[0]
    assert (effect.p_value, effect.ci_low, effect.detectable) == (None, None, None)
    assert effect.numbers_needed is None
    assert "the same outcome" in repr(effect)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), measure=st.sampled_from(list(ALL)))
def test_every_input_gives_finite_figures_and_a_conclusion_or_a_reason(data, measure):
    counts = st.lists(st.integers(0, 4), max_size=60)
    treated, comparison = data.draw(counts), data.draw(counts)
    weight = data.draw(
        st.lists(
            st.sampled_from([0.0, 1e-6, 0.3, 1.0, 7.5]),
            min_size=len(comparison),
            max_size=len(comparison),
        )
    )
    person = [f"t{i}" for i in range(len(treated))] + [f"c{i // 2}" for i in range(len(comparison))]
    frame = people(treated, comparison, [1.0] * len(treated) + weight, person)
    effect = compare(frame, measure, minimum_events=0, minimum_reoffenders=0)
    assert all(math.isfinite(value) for value in numbers_of(effect))
    assert (effect.conclusion == "suppressed") == (effect.difference is None)
    if effect.conclusion == "suppressed":
        assert effect.reason
        return
    direction = "reduction" if effect.difference < 0 else "increase"
    assert effect.conclusion == (direction if effect.significant else "inconclusive")
    if effect.p_value is None:
        assert effect.reason
        return
    assert effect.ci_low <= effect.difference <= effect.ci_high
    assert effect.significant == (effect.p_value <= 0.05)
    assert effect.reason is None
    if abs(effect.p_value - 0.05) > 1e-9:
        assert effect.significant == (not effect.ci_low <= 0 <= effect.ci_high)
    assert 0 <= effect.treatment.ci_low <= effect.treatment.mean <= effect.treatment.ci_high
    assert effect.numbers_needed is None or effect.numbers_needed > effect.treatment.n


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1000), factor=st.floats(1e-3, 1e3))
def test_neither_the_scale_of_the_weights_nor_the_order_of_rows_matters(seed, factor):
    frame = drawn(seed, 60, 120)
    scaled = np.where(frame["treated"], 1.0, factor) * frame["weight"]
    again = frame.assign(weight=scaled).sample(frac=1, random_state=seed)
    np.testing.assert_allclose(
        numbers_of(compare(again, "frequency")), numbers_of(compare(frame, "frequency")), rtol=1e-9
    )


def rates(treated, n, comparison, size):
    groups = ((treated, n), (comparison, size))
    return tuple(
        Group(n=k, mean=p, sd=math.sqrt(p * (1 - p)), effective_n=k, events=k * p)
        for p, k in groups
    )


def test_numbers_needed_is_the_worked_example():
    needed = numbers_needed(*rates(0.39, 300, 0.45, 16948))
    assert needed == pytest.approx(528.2, abs=0.05)
    just_significant = numbers_needed(*rates(0.39, 300, 0.45, 16948), power=0.5)
    assert just_significant == pytest.approx(258.5, abs=0.05)
    assert numbers_needed(*rates(0.45, 300, 0.45, 16948)) == math.inf


def test_numbers_needed_gives_the_power_asked_for():
    needed = math.ceil(numbers_needed(*rates(0.39, 300, 0.45, 16948)))
    pool = round(16948 / 300 * needed)
    rng = np.random.default_rng(8)
    ours, theirs = (rng.binomial(k, p, 20000) / k for k, p in ((needed, 0.39), (pool, 0.45)))
    error = np.sqrt(ours * (1 - ours) / (needed - 1) + theirs * (1 - theirs) / (pool - 1))
    power = np.mean(np.abs(ours - theirs) / error > stats.norm.ppf(0.975))
    assert power == pytest.approx(0.8, abs=0.01)


def test_numbers_needed_of_an_inconclusive_effect_are_rounded_up():
    frame = people([1] * 45 + [0] * 55, [1] * 520 + [0] * 480)
    effect = compare(frame, "rate")
    needed = numbers_needed(effect.treatment, effect.comparison)
    assert effect.conclusion == "inconclusive"
    assert effect.numbers_needed == math.ceil(needed) > 100


def test_numbers_needed_among_reoffenders_count_everyone_treated():
    frame = drawn(less=0)
    effect = compare(frame, "days_to_first")
    assert effect.conclusion == "inconclusive"
    reoffenders = numbers_needed(effect.treatment, effect.comparison)
    assert effect.numbers_needed == math.ceil(reoffenders * 150 / effect.treatment.n)


def test_the_detectable_difference_is_found_with_the_power_asked_for():
    frame = people([1] * 135 + [0] * 165, [1] * 7200 + [0] * 8800)
    effect = compare(frame, "rate")
    assert effect.detectable == pytest.approx(0.081, abs=0.0005)
    assert compare(frame, "rate", power=0.5).detectable == pytest.approx(
        1.96 * standard_error(effect), rel=1e-4
    )


def test_repr_is_in_plain_words():
    effect = compare(people([1] * 45 + [0] * 55, [1] * 520 + [0] * 480), "rate")
    assert repr(effect) == (
        "One-year proven reoffending rate: 0.45 against 0.52, difference -0.07 proportion "
        f"({effect.ci_low:.4g} to {effect.ci_high:.4g}; p = {effect.p_value:.3g}): inconclusive."
    )


def study(rng, effect):
    """One pool in which need raises both selection and reoffending, and the true effect."""
    n = 2000
    age, need = rng.normal(size=n), rng.normal(size=n)
    treated = rng.random(n) < 1 / (1 + np.exp(3 - 0.8 * need + 0.5 * age))
    base = 1 / (1 + np.exp(-(0.9 * need - 0.6 * age)))
    with_effect = 1 / (1 + np.exp(-(0.9 * need - 0.6 * age + effect)))
    again = rng.random(n) < np.where(treated, with_effect, base)
    frame = pd.DataFrame(
        {"treated": treated, "offender_id": np.arange(n), "age": age, "need": need}
    )
    return frame, again, with_effect - base


def test_the_planted_effect_is_recovered_and_the_raw_difference_misleads():
    rng = np.random.default_rng(20140313)
    specification = Specification("planted", "treated ~ age + need", 0.1)
    errors, raw, covered = [], [], []
    for _ in range(200):
        candidates, again, gain = study(rng, effect=-0.6)
        matched = match(candidates, specification, estimator=smf.logit)
        analysed = (matched.frame["treated"] & (matched.frame["weight"] > 0)).to_numpy()
        truth = gain[analysed].mean()
        effect = compare(matched.frame.assign(reoffended=again), "rate")
        errors.append(effect.difference - truth)
        treated = candidates["treated"].to_numpy()
        raw.append(again[treated].mean() - again[~treated].mean() - gain[treated].mean())
        covered.append(effect.ci_low <= truth <= effect.ci_high)
    expect_good_match(matched, candidates)
    monte_carlo = np.std(errors, ddof=1) / math.sqrt(len(errors))
    assert abs(np.mean(errors)) < 3 * monte_carlo < 0.01
    assert np.mean(raw) > 0.15
    assert np.mean(covered) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / 200)
