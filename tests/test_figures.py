"""One analysis as data: what stands beside each measure, and what is withheld there too."""

import json
from dataclasses import replace
from types import SimpleNamespace

from test_checks import CHOICES, CURVE, check
from test_findings import effect, suppressed, version

from jdl import figures
from jdl.balance import Verdict
from jdl.disclosure import NOT_BALANCED
from jdl.effects import Group

EFFECTS = {
    one.measure: one
    for one in (
        effect(),
        effect("days_to_first", -20.0, 20.0),
        version("days_to_first", 2.0, 20.0),
        effect("first_custody", -0.1, 0.1),
    )
}


def analysis(effects=EFFECTS, *, accepted=True, **more):
    matched = SimpleNamespace(
        accepted=accepted, treatment_n=900, comparison_n=17_000, comparison_people=16_500,
        effective_n=12e3, specification=SimpleNamespace(name="caliper 0.2"),
    )  # fmt: skip
    verdict = Verdict(accepted, "age", 0.08, 40, 2, 0)
    return figures.analysis("headline", "Headline", matched, verdict, effects, **more)


def test_each_measure_carries_its_check_and_its_version_for_everyone():
    told = analysis(adjusted={"rate": check()}, survival=CURVE, sensitivity=CHOICES)
    measures = {one["measure"]: one for one in told["measures"]}
    assert list(measures) == ["rate", "days_to_first", "first_custody"]
    assert measures["rate"]["companion"]["ci_low"] == -0.12
    assert measures["rate"]["companion"]["conclusion"] == "reduction"
    assert measures["rate"]["everyone"] is None
    assert measures["days_to_first"]["companion"] is None
    assert measures["days_to_first"]["everyone"]["measure"] == "time_without_reoffence"
    assert measures["days_to_first"]["everyone"]["conclusion"] == "increase"
    assert measures["first_custody"]["everyone"] is None
    assert told["rmst"]["days"] == [0, 90, 180, 365]
    assert told["rmst"]["difference"] == 20.8
    assert [one["label"] for one in told["sensitivity"]] == [one.label for one in CHOICES]
    assert told["sensitivity"][2]["difference"] is None
    assert told["status"] == "reported"
    assert json.loads(json.dumps(told)) == told


def test_days_without_reoffence_are_whole_where_the_days_to_first_are_withheld():
    spread = replace(EFFECTS["time_without_reoffence"], ci_low=2.4, ci_high=20.4, difference=11.4)
    withheld = {"days_to_first": suppressed("days_to_first"), spread.measure: spread}
    told = analysis(EFFECTS | withheld, survival=CURVE)
    rmst = told["rmst"]
    assert (rmst["mean_treatment"], rmst["mean_comparison"]) == (301, 280)
    assert (rmst["difference"], rmst["ci_low"], rmst["ci_high"]) == (21, 3, 38)
    assert (rmst["p_value"], rmst["treatment"]) == (0.02, [1.0, 0.9, 0.8, 0.62])
    everyone = told["measures"][1]["everyone"]
    assert [everyone[name] for name in ("difference", "ci_low", "ci_high")] == [11, 2, 20]
    assert everyone["treatment"] == round(everyone["treatment"])
    empty = replace(CURVE, mean_treatment=None, ci_low=None, ci_high=None)
    told = analysis(EFFECTS | withheld, survival=empty)["rmst"]
    assert (told["mean_treatment"], told["ci_low"], told["mean_comparison"]) == (None, None, 280)


def test_an_analysis_without_checks_has_their_places():
    told = analysis()
    assert (told["rmst"], told["sensitivity"]) == (None, [])
    assert {one["companion"] for one in told["measures"]} == {None}


def test_groups_that_are_not_balanced_have_their_own_status_and_keep_their_size():
    told = analysis({"rate": suppressed(reason=NOT_BALANCED)}, accepted=False)
    assert (told["status"], told["treatment_n"]) == ("not balanced", 900)


def test_a_withheld_size_is_withheld_in_the_data_too():
    none = replace(suppressed(), treatment=Group(0), comparison=Group(0))
    told = analysis({"rate": none})
    sizes = ("treatment_n", "comparison_n", "comparison_people", "effective_n")
    assert [told[name] for name in sizes] == [None] * 4
    assert told["measures"][0]["treatment_n"] is None
