"""The plan of analyses, and that each takes the headline's stages again."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pandas as pd
import pytest

from jdl import analyses
from jdl.analyses import ASSESSED, EVERYONE, WITH_NEEDS, Wanted
from jdl.matching import Specification

PLAIN = {
    "lead": EVERYONE, "oasys": False, "sex": "male", "region": None, "subgroups": [],
    "newest": None, "places": None, "minimum": 30,
}  # fmt: skip


def located(men=40, women=0, *, assessed=0):
    """Located people with what the plan reads of them."""
    many = men + women
    return pd.DataFrame(
        {
            "disposal_id": [f"d{one:03}" for one in range(many)],
            "row": range(2, many + 2),
            "source": "own",
            "sex": ["male"] * men + ["female"] * women,
            "ethnicity": "not recorded",
            "treated": 1,
            "assessed": [one < assessed for one in range(many)],
        }
    )


def uploaded(treated, **columns):
    return treated[["row", "source"]].assign(participation="started", **columns)


def planned(treated, upload=None, **changes):
    upload = uploaded(treated) if upload is None else upload
    return analyses.plan(treated, upload, **(PLAIN | changes))


def test_a_plain_request_has_the_headline_only():
    assert planned(located()) == ()


@pytest.mark.parametrize(
    ("assessed", "oasys", "lead"),
    [(20, True, EVERYONE), (30, True, WITH_NEEDS), (30, False, EVERYONE), (0, True, EVERYONE)],
)
def test_the_run_on_needs_leads_where_enough_are_assessed(assessed, oasys, lead):
    treated = located(60, assessed=assessed)
    assert analyses.leading_run(treated, oasys, 0.5, 25) == lead


def test_a_run_of_too_few_people_never_leads():
    treated = located(20, assessed=20)
    assert analyses.leading_run(treated, True, 0.5, 30) == EVERYONE


@pytest.mark.parametrize(
    ("lead", "others"),
    [
        (WITH_NEEDS, {"run-everyone": EVERYONE, "run-assessed": ASSESSED}),
        (EVERYONE, {"run-assessed": ASSESSED, "run-needs": WITH_NEEDS}),
    ],
)
def test_all_three_runs_are_made(lead, others):
    treated = located(60, assessed=40)
    made = planned(treated, oasys=True, lead=lead)
    assert {one.id: one.run for one in made} == others
    assert {one.id: len(one.people) for one in made if one.run.assessed} == dict.fromkeys(
        [name for name, run in others.items() if run.assessed], 40
    )


def test_parts_of_a_headline_of_assessed_people_are_assessed_too():
    treated = located(60, 60, assessed=90)
    men, women = (
        one
        for one in planned(treated, oasys=True, lead=WITH_NEEDS, sex="all")
        if one.label in ("Men", "Women")
    )
    assert (len(men.people), len(women.people)) == (60, 30)
    assert men.run == women.run == WITH_NEEDS


def test_the_sexes_are_analysed_apart_where_both_are_there():
    assert [one.label for one in planned(located(40, 35), sex="all")] == ["Men", "Women"]
    assert planned(located(40), sex="all") == ()


def test_too_small_a_part_is_named_and_not_made():
    made = planned(located(40, 29), sex="all")
    assert [one.enough for one in made] == [True, False]


def test_a_region_has_the_nation_beside_it():
    [national] = planned(located(), region="Wales")
    assert (national.id, national.region) == ("national", None)


def test_other_parts_keep_to_the_region():
    made = planned(located(40, 40), region="Wales", sex="all")
    assert {one.label: one.region for one in made} == {
        "National": None,
        "Men": "Wales",
        "Women": "Wales",
    }


def test_few_places_are_compared_within_themselves():
    [within] = planned(located(), places="region")
    assert within.also_exact == ("region",)


def test_new_people_come_first():
    treated = located(80)
    treated.loc[:39, "source"] = "earlier"
    first, *_ = planned(treated, newest="own", places="region")
    assert first.label == "New people alone"
    assert first.people == frozenset(treated.loc[40:, "disposal_id"])


def test_subgroups_are_levels_of_the_upload_or_of_the_records():
    treated = located(60, 30)
    wings = [None] * 10 + ["north"] * 40 + ["south"] * 40
    made = planned(
        treated, uploaded(treated, group_wing=wings), subgroups=["group_wing", "sex", "ethnicity"]
    )
    assert {one.label: len(one.people) for one in made} == {
        "Wing: north": 40,
        "Wing: south": 40,
        "Sex: female": 30,
        "Sex: male": 60,
    }
    assert [one.id for one in made] == ["group-wing-1", "group-wing-2", "sex-1", "sex-2"]


def test_levels_are_named_by_the_upload_and_only_if_many_have_them():
    """Rare levels may be names; which of them are missing would tell who was not found."""
    treated = located(60)
    names = [f"Zebedee {one}" for one in range(10)] + ["wing A"] * 40 + ["wing B"] * 10
    upload = uploaded(treated, group_who=names)
    more = upload.iloc[:25].assign(row=range(900, 925), group_who="wing B")
    made = planned(treated, pd.concat([upload, more]), subgroups=["group_who"])
    assert [(one.label, one.enough) for one in made] == [
        ("Who: wing A", True),
        ("Who: wing B", False),
    ]


def test_of_many_levels_those_with_the_most_people_are_analysed():
    treated = located(40 * 15)
    names = [f"wing {one:02}" for one in range(15) for _ in range(40)]
    made = planned(treated, uploaded(treated, group_wing=names), subgroups=["group_wing"])
    assert len(made) == analyses.MOST_LEVELS


def test_how_far_people_took_part_is_no_subgroup():
    treated = located(60)
    upload = uploaded(treated).assign(participation=["completed"] * 30 + ["started"] * 30)
    assert planned(treated, upload, subgroups=["participation"]) == ()


def test_nobody_is_named_in_the_print_of_a_plan():
    treated = located(40, 40)
    assert "d000" not in repr(planned(treated, sex="all"))


def test_what_loses_nobody_is_tried_before_what_may():
    made = analyses.specifications(
        "treated ~ age", calipers=[0.2, 0.1], added="I(age ** 2)", exact=["sex"]
    )
    assert [(one.name, one.terms, one.caliper, one.method) for one in made] == [
        ("caliper 0.2", "age", 0.2, "radius"),
        ("caliper 0.2 with added terms", "age + I(age ** 2)", 0.2, "radius"),
        ("caliper 0.1", "age", 0.1, "radius"),
        ("entropy balancing", "age", 0.2, "entropy balancing"),
    ]
    assert {one.exact for one in made} == {("sex",)}


def listed(formula):
    return [Specification("only", formula, 0.2, ("sex",))]


def matched_by_plan(candidates, **changes):
    """What the search was asked for: formula, exact columns and the variables judged."""
    asked = {}

    def search(candidates, chosen, *, accept):
        asked["formula"], asked["exact"] = chosen[0].formula, chosen[0].exact
        asked["judged"] = accept("groups")

    analyses.by_plan(
        candidates,
        formulas={False: "treated ~ age", True: "treated ~ age + ogrs"},
        listed=listed,
        search=search,
        judge=lambda matched, *, covariates: (matched, covariates),
        compared=lambda needs: ["age", *["ogrs"] * needs],
        **{"needs": False} | changes,
    )
    return asked


def test_matching_by_the_plan_takes_the_formula_and_the_columns_of_the_analysis():
    plain = matched_by_plan(pd.DataFrame())
    assert plain == {
        "formula": "treated ~ age",
        "exact": ("sex",),
        "judged": ("groups", ["age"]),
    }
    assert matched_by_plan(pd.DataFrame(), needs=True, also_exact=("region",)) == {
        "formula": "treated ~ age + ogrs",
        "exact": ("sex", "region"),
        "judged": ("groups", ["age", "ogrs"]),
    }


def test_days_to_the_start_are_matched_and_judged_where_candidates_have_them():
    asked = matched_by_plan(pd.DataFrame({"days_to_start": [1.0]}))
    assert asked["formula"] == "treated ~ age + days_to_start"
    assert asked["judged"] == ("groups", ["age", "days_to_start"])


@pytest.mark.parametrize(
    ("leads", "after", "made"),
    [(False, 0, []), (True, 0, []), (False, 40, ["landmark"]), (True, 40, ["index-date"])],
)
def test_the_other_start_of_the_follow_up_stands_beside_the_headline(leads, after, made):
    named = analyses.headline(located(), EVERYONE, "Wales")
    planned = analyses.other_start(named, leads=leads, after=after)
    assert [one.id for one in planned] == made
    assert all((one.people, one.region) == (named.people, "Wales") for one in planned)


def groups(people, *, accepted=True):
    """Matched groups of these treated people."""
    frame = pd.DataFrame({"disposal_id": sorted(people), "treated": 1, "weight": 1.0})
    return SimpleNamespace(accepted=accepted, specification="age", attempts=("one",), frame=frame)


EVERYBODY = frozenset(located(40)["disposal_id"])


@dataclass
class Stages:
    """The notebook's stages, with a record of what was asked of them."""

    accepted: bool = True
    headline: frozenset = EVERYBODY
    asked: list = field(default_factory=list)

    def choose(self, treated, near, *, oasys, region):
        self.asked.append(("choose", len(treated), oasys, region))
        return treated

    def match(self, candidates, *, needs, also_exact):
        self.asked.append(("match", needs, also_exact))
        return groups(candidates["disposal_id"], accepted=self.accepted)

    def read(self, matched):
        self.asked.append("read")
        return pd.DataFrame()

    def compare(self, sample, *, analysis):
        return dict.fromkeys(("rate", "frequency", "days_to_first"), analysis)

    def adjust(self, sample, effects, specification):
        return dict.fromkeys(effects, specification)

    def run(self, *wanted):
        return analyses.run(
            wanted, located(40), pd.Series([], dtype="str"), beside=groups(self.headline),
            choose=self.choose, match=self.match, read=self.read, compare=self.compare,
            adjust=self.adjust,
        )  # fmt: skip


def some(many, **changes):
    people = frozenset(sorted(EVERYBODY)[:many])
    return Wanted("some", "Some", people, **changes)


def test_an_analysis_takes_the_stages_with_its_own_people():
    stages = Stages()
    [made] = stages.run(some(2, run=ASSESSED, region="Wales", also_exact=("region",)))
    assert stages.asked == [
        ("choose", 2, True, "Wales"),
        ("match", False, ("region",)),
        "read",
    ]
    assert made.effects["days_to_first"] == "some"
    assert made.adjusted == {"rate": "age", "frequency": "age"}


@pytest.mark.parametrize(("more", "made"), [(0, 40), (1, 39), (9, 31), (10, 40)])
def test_a_few_people_more_than_the_headline_has_are_left_out(more, made):
    [one] = Stages(headline=frozenset(sorted(EVERYBODY)[more:])).run(some(40))
    assert len(one.matched.frame) == len(one.wanted.people) == made


def test_people_whom_only_the_headline_has_are_not_sought_again():
    stages = Stages()
    stages.run(some(35))
    assert len([step for step in stages.asked if step[0] == "match"]) == 1


def test_too_few_people_are_not_analysed():
    stages = Stages()
    [made] = stages.run(some(1, enough=False))
    assert (stages.asked, made.matched, dict(made.effects)) == ([], None, {})


def test_outcomes_are_not_read_of_groups_that_are_not_alike():
    stages = Stages(accepted=False)
    [made] = stages.run(some(40))
    assert "read" not in stages.asked
    assert (made.sample, dict(made.effects)) == (None, {})


def test_every_try_is_listed_with_its_analysis():
    made = Stages().run(some(40), Wanted("few", "Few", frozenset(), enough=False))
    assert analyses.attempts(made) == (("Some", "one"),)
