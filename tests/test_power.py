import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import NormalIndPower, TTestIndPower

from jdl import cli, power
from jdl.disclosure import RULES
from jdl.effects import Group
from jdl.faults import Unusable
from jdl.power import needed, numbers_needed, plan, reach, read_plan
from jdl.request import MINIMUM_PEOPLE


def rates(treated, n, comparison, size):
    groups = ((treated, n), (comparison, size))
    return tuple(
        Group(n=k, mean=p, sd=math.sqrt(p * (1 - p)), effective_n=k, events=k * p)
        for p, k in groups
    )


EXAMPLE = rates(0.39, 300, 0.45, 16948)


def test_the_reach_is_the_two_quantiles():
    assert reach() == pytest.approx(1.959964 + 0.841621, abs=1e-6)
    assert reach(0.01, 0.9) == pytest.approx(stats.norm.ppf(0.995) + stats.norm.ppf(0.9), rel=1e-12)


def test_numbers_needed_are_the_worked_examples():
    assert numbers_needed(*EXAMPLE) == pytest.approx(528.2, abs=0.05)
    assert numbers_needed(*EXAMPLE, fixed=True) == pytest.approx(535.7, abs=0.05)
    assert numbers_needed(*EXAMPLE, power=0.5) == pytest.approx(258.5, abs=0.05)
    adjusted = SimpleNamespace(difference=-0.06, error=0.0258, df=60.0)
    assert needed(*EXAMPLE, adjusted).adjusted == pytest.approx(435, abs=0.5)


def test_numbers_needed_of_means_are_statsmodels():
    ours, theirs = (
        Group(n=n, mean=mean, sd=1.9, effective_n=n, events=n * mean)
        for n, mean in ((300, 1.23), (16948, 1.5))
    )
    ratio = 16948 / 300
    normal = NormalIndPower().solve_power(0.27 / 1.9, power=0.8, alpha=0.05, ratio=ratio)
    assert numbers_needed(ours, theirs) == pytest.approx(normal, rel=1e-5)
    by_t = TTestIndPower().solve_power(0.27 / 1.9, power=0.8, alpha=0.05, ratio=ratio)
    assert numbers_needed(ours, theirs) == pytest.approx(by_t, rel=0.01)


def test_no_number_is_enough_without_a_difference_or_with_too_small_a_pool():
    assert numbers_needed(*rates(0.45, 300, 0.45, 16948)) == math.inf
    assert numbers_needed(*rates(0.45, 300, 0.45, 16948), fixed=True) == math.inf
    small = rates(0.39, 300, 0.45, 500)
    assert numbers_needed(*small, fixed=True) == math.inf
    assert math.isfinite(numbers_needed(*small))
    assert needed(*small, SimpleNamespace(difference=0.0, error=0.03, df=60.0)).adjusted == math.inf


@pytest.mark.parametrize("fixed", [False, True])
def test_numbers_needed_give_the_power_asked_for(fixed):
    groups = rates(0.39, 300, 0.45, 3000)
    people = math.ceil(numbers_needed(*groups, fixed=fixed))
    pool = 3000 if fixed else 10 * people
    rng = np.random.default_rng(8)
    ours, theirs = (rng.binomial(k, p, 20000) / k for k, p in ((people, 0.39), (pool, 0.45)))
    error = np.sqrt(ours * (1 - ours) / people + theirs * (1 - theirs) / pool)
    found = np.mean(np.abs(ours - theirs) / error > stats.norm.ppf(0.975))
    assert found == pytest.approx(0.8, abs=0.01)


def test_what_is_needed_counts_everyone_where_a_part_is_averaged():
    part = needed(*EXAMPLE, matched=600)
    assert part.growing == pytest.approx(2 * numbers_needed(*EXAMPLE))
    assert part.fixed == pytest.approx(2 * numbers_needed(*EXAMPLE, fixed=True))
    assert part.detectable == needed(*EXAMPLE).detectable == pytest.approx(0.0795, abs=5e-4)
    assert (part.adjusted, part.detectable_adjusted) == (None, None)
    checked = needed(
        *EXAMPLE, SimpleNamespace(difference=-0.06, error=0.0258, df=60.0), matched=600
    )
    assert checked.adjusted == pytest.approx(600 * (reach() * 0.0258 / 0.06) ** 2)
    assert checked.detectable_adjusted == pytest.approx(reach() * 0.0258)


@pytest.mark.parametrize(("df", "told"), [(None, False), (5.2, False), (29.9, False), (30, True)])
def test_an_error_from_few_places_is_not_planned_by(df, told):
    found = needed(*EXAMPLE, SimpleNamespace(difference=-0.06, error=0.0258, df=df))
    assert (found.adjusted is not None, found.detectable_adjusted is not None) == (told, told)
    assert found.growing == needed(*EXAMPLE).growing


def test_a_group_without_figures_has_no_numbers_needed():
    with pytest.raises(ValueError, match="no mean, standard deviation and effective size"):
        needed(Group(n=3), EXAMPLE[1])


def test_a_plan_is_the_numbers_needed_of_its_rates():
    ours = plan(0.45, difference=0.06, pool=4000)
    assert ours.needed == pytest.approx(numbers_needed(*rates(0.39, 300, 0.45, 15000)))
    assert ours.needed_fixed == pytest.approx(
        numbers_needed(*rates(0.39, 300, 0.45, 4000), fixed=True)
    )
    assert plan(0.45, difference=0.06, pool=300).needed_fixed == math.inf


@pytest.mark.parametrize("pool", [None, 900])
@pytest.mark.parametrize("rate", [0.2, 0.45, 0.8])
def test_the_smallest_difference_needs_the_people_given(rate, pool):
    ours = plan(rate, people=1000, retained=0.4, pool=pool)
    back = plan(rate, difference=ours.detectable, pool=pool)
    assert (back.needed if pool is None else back.needed_fixed) == pytest.approx(400)


@pytest.mark.parametrize(("people", "smallest"), [(300, 0.080), (60, 0.177), (45, 0.204)])
def test_the_smallest_difference_is_about_the_measured_one(people, smallest):
    assert plan(0.45, people=people, retained=1).detectable == pytest.approx(smallest, abs=0.022)


def test_ten_who_reoffend_are_always_needed():
    assert plan(0.05, difference=0.04).needed == pytest.approx(1000)
    assert plan(0.05, people=12, retained=1).detectable == math.inf
    assert plan(0.45, people=30, retained=1).detectable == math.inf
    assert plan(0.05, difference=0.04, pool=100_000).needed_fixed == pytest.approx(1000)


def written(**options):
    names = ("rate", "difference", "people", "pool", "power", "significance", "retained")
    return dict.fromkeys(names) | options


def test_every_fault_of_what_is_written_is_told_at_once():
    with pytest.raises(Unusable) as found:
        read_plan(
            written(rate="45%", difference="-1", people="0.5", pool="", power="1", retained="2")
        )
    assert [fault.column for fault in found.value.faults] == [
        "--rate",
        "--difference",
        "--people",
        "--pool",
        "--power",
        "--retained",
    ]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"difference": "0.06"}, "--rate: is needed"),
        ({"rate": "0.45"}, "there is nothing to work out"),
        ({"rate": "0.45", "difference": "0.45"}, "must be below the rate"),
        (
            {"rate": "0.45", "difference": "1e-200"},
            "--difference: must be a share of at least 0.001",
        ),
        (
            {"rate": "0.45", "difference": "0.0009"},
            "--difference: must be a share of at least 0.001",
        ),
        ({"rate": "nan", "people": "9"}, "--rate: must be a share"),
        ({"rate": "0.4", "people": "inf"}, "--people: must be a whole number"),
        ({"rate": "0.4", "people": "9", "significance": "0"}, "--significance: must be a share"),
    ],
)
def test_what_cannot_be_planned_is_a_fault(options, rule):
    with pytest.raises(Unusable, match=rule):
        read_plan(written(**options))


def test_the_command_says_how_many_people_in_plain_words(capsys):
    command = ["power", "--rate", "0.45", "--difference", "0.06", "--people", "500"]
    assert cli.main([*command, "--pool", "300"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "To find a fall of 6.0 percentage points, from 45% who reoffend without the programme to "
        "39% with it:",
        "- 530 people in the analysis, about 1,515 to upload, with a comparison group that grows "
        "with them",
        "- no number of people is enough with a comparison group that stays at 300 people",
        "With 500 people uploaded, of whom about 175 are analysed:",
        "- the smallest fall that is found is 12.8 percentage points, from 45% to 32.2%",
        "Found means: significant at 5% in 80% of such studies. 35% of the people uploaded are "
        "taken to be analysed.",
    ]


def test_the_command_tells_faults_and_when_nothing_can_be_found(capsys):
    assert cli.main(["power", "--rate", "45", "--people", "many"]) == 2
    told = capsys.readouterr().err
    assert "2 faults" in told
    assert "--people: must be a whole number, at least 1. Write 500 for 500 people." in told
    assert cli.main(["power", "--rate", "0.05", "--people", "60"]) == 0
    assert "fewer than 10 of those analysed would reoffend" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("people", "retained", "few"),
    [(59, 1, True), (60, 0.5, False), (60, 0.49, True), (85, 0.35, True), (86, 0.35, False)],
)
def test_the_command_says_that_too_few_people_give_no_report(people, retained, few):
    line = "- these are too few: for a report at least 60 people must be submitted and 30 analysed"
    told = list(power.sentences(plan(0.45, people=people, retained=retained)))
    assert (line in told) == few
    assert (MINIMUM_PEOPLE, RULES.group) == (power.SUBMITTED, power.ANALYSED)


def test_the_smallest_difference_that_may_be_written():
    assert math.isfinite(read_plan(written(rate="0.45", difference="0.001")).needed)


def test_a_plan_in_words_names_a_pool_that_is_enough():
    lines = list(power.sentences(plan(0.45, difference=0.06, pool=16948, retained=1)))
    assert lines[2].startswith("- 536 people in the analysis, about 536 to upload, with a comp")


def test_the_command_explains_itself(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["power", "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:\n  jdl power --rate 0.45 --difference 0.06\n" in shown
    assert max(map(len, shown.splitlines())) <= 90
    assert cli.main([]) == 0
    assert "say how many people a request would need" in capsys.readouterr().out


def test_each_measure_with_a_test_has_its_own_numbers():
    ours, theirs = EXAMPLE
    rate = SimpleNamespace(treatment=ours, comparison=theirs, p_value=0.2)
    part = SimpleNamespace(
        treatment=Group(n=100, mean=0.3, sd=0.46, effective_n=100, events=30),
        comparison=theirs, p_value=0.4,
    )  # fmt: skip
    untested = SimpleNamespace(treatment=Group(n=0), comparison=Group(n=0), p_value=None)
    check = SimpleNamespace(difference=-0.06, error=0.0258, df=60.0)
    found = power.each_needed(
        {"rate": rate, "part": part, "untested": untested}, {"rate": check}, power=0.9
    )
    assert list(found) == ["rate", "part"]
    assert found["rate"] == needed(ours, theirs, check, matched=300, power=0.9)
    assert found["part"] == needed(part.treatment, theirs, matched=300, power=0.9)
