"""The result for other choices: who is run, what is told of it, and what is never read."""

from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st

from jdl import disclosure, effects, matching, sensitivity
from jdl.disclosure import NOT_BALANCED, RULES
from jdl.linkage import DECISIONS, STAGES
from jdl.matching import Specification
from jdl.sensitivity import NO_HEADLINE

OTHERS = 600


def linked(people, *, stage="pnc id", unlinked=60):
    """Links of these people, as the notebook has them, with others who were not found."""
    rows = [(one, f"o{one}", stage, "linked") for one in people]
    rows += [(10_000 + one, None, None, "not found") for one in range(unlinked)]
    table = pd.DataFrame(rows, columns=["person", "offender_id", "stage", "decision"])

    def counts():
        ends = table["stage"].where(table["decision"] == "linked", table["decision"])
        return {name: int((ends == name).sum()) for name in (*STAGES, *DECISIONS[1:])}

    return SimpleNamespace(table=table, near=pd.Series(["o1"], dtype="str"), counts=counts)


@dataclass
class World:
    """The stages of a notebook, with a record of what was asked of them.

    Treated people reoffend if their number is in `reoffend`; half of the others do.
    """

    reoffend: frozenset = frozenset(range(0, 1000, 4))
    unlike: frozenset = frozenset()
    asked: list = field(default_factory=list)

    def locate(self, table):
        found = table.loc[table["decision"] == "linked"]
        self.asked.append("locate")
        return pd.DataFrame({"disposal_id": found["offender_id"], "reason": None})

    def choose(self, treated, near):
        assert near.tolist() == ["o1"]
        pool = [f"c{one}" for one in range(OTHERS)]
        return pd.DataFrame(
            {
                "disposal_id": [*treated["disposal_id"], *pool],
                "treated": [1] * len(treated) + [0] * OTHERS,
            }
        )

    def match(self, candidates):
        self.asked.append("match")
        ours = candidates["treated"] == 1
        frame = candidates.assign(
            weight=1.0,
            offender_id=candidates["disposal_id"],
            reoffended=[self._reoffended(one) for one in candidates["disposal_id"]],
        )
        people = {int(one[1:]) for one in candidates.loc[ours, "disposal_id"]}
        return SimpleNamespace(
            frame=frame,
            accepted=not people & self.unlike,
            treatment_n=int(ours.sum()),
            comparison_n=OTHERS,
            comparison_people=OTHERS,
            effective_n=float(OTHERS),
        )

    def _reoffended(self, disposal):
        number = int(disposal[1:])
        return number in self.reoffend if disposal[0] == "o" else number % 2 == 0

    def read(self, matched):
        assert matched.accepted
        self.asked.append("read")
        return matched.frame

    def compare(self, sample):
        return {"rate": effects.compare(sample, "rate")}

    def run(self, choices, headline="Headline"):
        return sensitivity.by_linkage(
            choices, headline=headline, locate=self.locate, choose=self.choose, match=self.match,
            read=self.read, compare=self.compare,
        )  # fmt: skip


def test_each_choice_gives_the_result_of_its_own_people():
    told = World().run({"Headline": linked(range(200)), "Fewer": linked(range(150))})
    assert [choice.label for choice in told] == ["Headline", "Fewer"]
    assert {choice.comparison_people for choice in told} == {OTHERS}
    assert [choice.conclusion for choice in told] == ["reduction", "reduction"]
    assert told[0].difference == pytest.approx(50 / 200 - 0.5)
    assert told[1].difference == pytest.approx(38 / 150 - 0.5)
    assert told[1].ci_low < told[1].difference < told[1].ci_high < 0


def test_the_headline_comes_first_and_must_be_there():
    choices = {"Fewer": linked(range(150)), "Headline": linked(range(200))}
    assert [choice.label for choice in World().run(choices)] == ["Headline", "Fewer"]
    with pytest.raises(ValueError, match="headline 'Other'"):
        World().run(choices, headline="Other")


def test_equal_people_are_matched_once():
    world = World()
    told = world.run({name: linked(range(200)) for name in ("Headline", "Same", "Again")})
    assert world.asked.count("match") == world.asked.count("read") == 1
    assert len({(c.difference, c.comparison_people) for c in told}) == 1


@pytest.mark.parametrize(("fewer", "numbers"), [(0, True), (1, False), (9, False), (10, True)])
def test_a_few_people_more_or_less_leave_only_the_conclusion(fewer, numbers):
    told = World().run({"Headline": linked(range(200)), "Fewer": linked(range(200 - fewer))})[1]
    assert told.conclusion == "reduction"
    assert told.accepted
    for value in (told.comparison_people, told.difference):
        assert (value is not None) == numbers
    assert (told.ci_low is None) == (told.ci_high is None) == (told.p_value is None) != numbers


def test_a_choice_is_held_apart_from_every_one_told_before():
    people = {"Headline": range(200), "Fewer": range(150), "Nearly": range(145)}
    told = World().run({name: linked(who) for name, who in people.items()})
    assert [choice.difference is None for choice in told] == [False, False, True]
    swapped = [*range(195), *range(300, 305)]
    told = World().run({"Headline": linked(range(200)), "Other": linked(swapped)})
    assert told[1].difference is not None


def test_a_rule_of_disclosure_does_not_show_through_a_conclusion():
    """Eleven of the headline reoffended; that the choice had fewer than ten would tell two."""
    world = World(reoffend=frozenset(range(11)))
    told = world.run({"Headline": linked(range(100)), "Fewer": linked(range(2, 100))})[1]
    assert told.conclusion == "inconclusive"
    assert told.reason is None
    apart = world.run({"Headline": linked(range(100)), "Fewer": linked(range(2, 90))})[1]
    assert apart.conclusion == "suppressed"
    assert apart.reason == disclosure.WITHHELD
    assert apart.comparison_people is None


def test_no_outcome_is_read_of_groups_that_are_not_alike():
    world = World(unlike=frozenset([250]))
    told = world.run({"Headline": linked(range(200)), "More": linked(range(300))})[1]
    assert world.asked.count("read") == 1
    assert (told.conclusion, told.accepted, told.reason) == ("suppressed", False, NOT_BALANCED)
    assert told.difference is None


def test_too_few_people_are_not_matched():
    world = World()
    few = linked(range(RULES.group - 1))
    told = world.run({"Headline": linked(range(200)), "Few": few})[1]
    assert world.asked.count("match") == 1
    assert (told.conclusion, told.accepted, told.reason) == (
        "suppressed",
        None,
        disclosure.WITHHELD,
    )
    assert told.comparison_people is None


@pytest.mark.parametrize("world", [World(unlike=frozenset([5])), World(reoffend=frozenset())])
def test_without_a_headline_result_no_other_is_looked_for(world):
    told = world.run({"Headline": linked(range(200)), "Fewer": linked(range(6, 200))})
    assert world.asked.count("locate") == 1
    assert {choice.conclusion for choice in told} == {"suppressed"}
    assert told[1].reason == NO_HEADLINE


def test_how_many_people_a_choice_of_links_finds_or_analyses_is_never_told():
    told = World().run({"Headline": linked(range(200)), "Fewer": linked(range(150))})
    assert all(choice.difference is not None for choice in told)
    assert [choice.analysed for choice in told] == [None, None]
    assert not hasattr(told[0], "linked")


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.lists(st.sets(st.integers(0, 40), max_size=25), min_size=1, max_size=5))
def test_no_two_numbers_part_fewer_people_than_the_smallest_cell(left_out):
    groups = [set(range(120)), *(set(range(120)) - some for some in left_out)]
    choices = {f"Choice {place}": linked(who) for place, who in enumerate(groups)}
    told = World().run(choices, headline="Choice 0")
    assert told[0].difference
    for which in ("comparison_people", "difference"):
        shown = [who for who, c in zip(groups, told, strict=True) if getattr(c, which) is not None]
        for one in shown:
            assert all(one == other or len(one ^ other) >= RULES.cell for other in shown)


def test_a_choice_tells_nobody():
    assert "o1" not in repr(World().run({"Headline": linked(range(200))}))


KEPT = Specification("caliper 0.2", "treated ~ C(region) + age + ogrs", 0.2, ("sex",))


@dataclass(frozen=True)
class Groups:
    """Matched groups of people by number, of whom every fourth reoffended."""

    frame: pd.DataFrame
    accepted: bool = True
    first: object = None
    specification: Specification = KEPT

    @property
    def treatment_n(self):
        return int(self.frame["treated"].sum())

    comparison_people = OTHERS


def groups(people, **changes):
    world = World()
    treated = pd.DataFrame({"disposal_id": [f"o{one}" for one in people]})
    frame = world.match(world.choose(treated, pd.Series(["o1"]))).frame
    return Groups(frame, **changes)


def by_method(headline, others):
    world = World()
    return sensitivity.by_method(
        headline, others, read=world.read, compare=world.compare
    ), world.asked


def test_other_groups_are_tested_too():
    told, _ = by_method(groups(range(200)), {"caliper": lambda: groups(range(150))})
    assert [choice.label for choice in told] == ["as reported", "caliper"]
    assert [choice.analysed for choice in told] == [200, 150]
    assert told[1].difference == pytest.approx(38 / 150 - 0.5)


def test_groups_that_differ_by_a_few_leave_only_the_conclusion():
    told, _ = by_method(groups(range(200)), {"caliper": lambda: groups(range(197))})
    assert (told[1].analysed, told[1].difference, told[1].conclusion) == (None, None, "reduction")


def test_other_groups_that_are_not_alike_are_not_read():
    told, asked = by_method(
        groups(range(200)), {"caliper": lambda: groups(range(150), accepted=False)}
    )
    assert asked.count("read") == 1
    assert (told[1].accepted, told[1].reason) == (False, NOT_BALANCED)


def test_the_first_specification_is_told_though_it_was_not_kept():
    first = groups(range(160), accepted=False)
    headline = groups(range(200), first=first)
    others = sensitivity.first_tried(headline)
    told, _ = by_method(headline, others)
    assert list(others) == ["first specification (caliper 0.2)"]
    assert told[1].difference == pytest.approx(40 / 160 - 0.5)


def test_nothing_else_was_tried_first():
    assert sensitivity.first_tried(groups(range(200))) == {}


def test_calipers_other_than_the_one_that_was_kept():
    made = sensitivity.other_calipers(KEPT, [0.2, 0.1, 0.05], lambda one: one)
    assert {label: match().caliper for label, match in made.items()} == {
        "caliper of 0.1 standard deviations": 0.1,
        "caliper of 0.05 standard deviations": 0.05,
    }


ADDED = "C(region) + age + works + I(age ** 2) + age:works + C(region):works"


@pytest.fixture(
    scope="module",
    params=[
        ("C(region) + age + works", "radius"),
        (ADDED, "radius"),
        (ADDED, "entropy balancing"),
    ],
)
def matched(request):
    terms, method = request.param
    rng = np.random.default_rng(7)
    n = 3000
    frame = pd.DataFrame(
        {
            "offender_id": [f"p{one}" for one in range(n)],
            "region": rng.choice(["north", "south", "west"], n),
            "sex": rng.choice(["male", "female"], n),
            "age": rng.normal(30, 8, n),
            "works": rng.random(n) < 0.4,
        }
    )
    chance = 1 / (1 + np.exp(4 - frame["age"] / 20 - frame["works"]))
    frame["treated"] = (rng.random(n) < chance).astype(int)
    kept = Specification("kept", f"treated ~ {terms}", 0.2, ("sex",), method=method)
    found = matching.match(frame, kept, estimator=smf.logit)
    return replace(found, accepted=True)


def test_outcomes_of_the_same_candidates_are_read_once(matched):
    asked = []

    def read(one):
        asked.append(one)
        sample = one.frame.loc[(one.frame["weight"] > 0) & one.accepted]
        return sample.assign(reoffended=sample["age"] > 30)

    def result(one):
        return effects.compare(read(one), "rate").difference

    named = matched.frame.assign(disposal_id=matched.frame["offender_id"])
    headline = replace(matched, frame=named, accepted=True)
    fewer = replace(headline, frame=named.iloc[200:])
    odd, even = (
        replace(
            headline, frame=named.assign(weight=named["weight"].where(named.index % 2 == one, 0))
        )
        for one in (1, 0)
    )
    refused = replace(headline, accepted=False)
    others = {"fewer": fewer, "odd": odd, "even": even, "refused": refused}
    told = sensitivity.by_method(
        headline,
        {name: partial(lambda one: one, one) for name, one in others.items()},
        read=read,
        compare=lambda sample: {"rate": effects.compare(sample, "rate")},
        rules=replace(RULES, cell=0),
    )
    assert [len(one.frame) for one in asked] == [3000, 2800, 3000]
    assert all(one.accepted for one in asked)
    assert told[0].difference == pytest.approx(result(headline))
    assert told[1].difference == pytest.approx(result(fewer))
    assert told[2].difference == pytest.approx(result(odd))
    assert told[3].difference == pytest.approx(result(even))
    assert told[4].difference is None


def test_each_variable_is_left_out_once(matched):
    labels = {"region": "region", "age": "age in years"}
    made = sensitivity.without_each(matched, labels, lambda _: SimpleNamespace(accepted=True))
    assert list(made) == ["without “region”", "without “age in years”"]
    for name, without in zip(("region", "age"), made.values(), strict=True):
        found = without()
        terms = " + ".join(term for term in matched.terms.split(" + ") if name not in term)
        whole = matching.match(
            matched.frame.drop(columns=["score", "logit", "weight"]),
            replace(matched.specification, formula=f"treated ~ {terms}"),
            estimator=smf.logit,
        )
        assert found.accepted
        assert found.terms == terms
        np.testing.assert_allclose(found.frame["weight"], whole.frame["weight"], atol=1e-9)
        assert found.auc == pytest.approx(whole.auc)
        assert found.effective_n == pytest.approx(whole.effective_n)


def test_another_caliper_by_the_same_score_is_the_match_made_anew(matched):
    made = sensitivity.other_calipers(
        matched.specification,
        [0.2, 0.05],
        partial(
            sensitivity.by_same_score, matched, accept=lambda _: SimpleNamespace(accepted=True)
        ),
    )
    found = made["caliper of 0.05 standard deviations"]()
    whole = matching.match(
        matched.frame.drop(columns=["score", "logit", "weight"]),
        found.specification,
        estimator=smf.logit,
    )
    assert found.specification.caliper == 0.05
    assert found.accepted
    pd.testing.assert_frame_equal(found.frame, whole.frame)
    for name in ("auc", "caliper_width", "effective_n"):
        assert getattr(found, name) == pytest.approx(getattr(whole, name))
    assert found.treatment_lost == whole.treatment_lost


def test_by_the_same_score_nobody_matched_is_not_accepted(matched):
    narrow = replace(matched.specification, caliper=-1.0, method="radius")
    said = SimpleNamespace(accepted=True)
    assert not sensitivity.by_same_score(matched, narrow, accept=lambda _: said).accepted


def test_without_a_variable_the_balance_is_judged_too(matched):
    judged = []
    made = sensitivity.without_each(
        matched, {"age": "age"}, lambda one: SimpleNamespace(accepted=judged.append(one.terms))
    )
    assert not made["without “age”"]().accepted
    assert [terms.split(" + ")[:2] for terms in judged] == [["C(region)", "works"]]
    assert "age" not in judged[0]


def test_a_negative_control_leaves_its_own_variable_out():
    asked = []

    def match(specification):
        asked.append(specification.formula)
        return groups(range(200))

    frame = groups(range(200)).frame.assign(ogrs=[2] * 50 + [0] * 150 + [1] * 300 + [0] * 300)
    effect = sensitivity.before_the_index_date(frame, KEPT, "ogrs", match, World().compare)
    assert asked == ["treated ~ C(region) + age"]
    assert (effect.treatment.mean, effect.comparison.mean) == (0.25, 0.5)


def test_a_negative_control_without_a_match_says_nothing():
    none = groups([])
    assert (
        sensitivity.before_the_index_date(
            none.frame, KEPT, "treated", lambda _: none, World().compare
        )
        is None
    )


def referred(refused, took_part=range(200, 260)):
    """An upload of people by number, with their links; row numbers are those of the people."""
    took_part = list(took_part)
    people = pd.DataFrame(
        {
            "row": np.arange(len(refused) + len(took_part)),
            "source": "upload",
            "participation": ["refused"] * len(refused)
            + ["completed", None] * (len(took_part) // 2),
        }
    ).astype({"participation": "str"})
    table = people[["row", "source"]].assign(person=[*refused, *took_part])
    table["offender_id"] = [f"o{one}" for one in table["person"]]
    return people, SimpleNamespace(table=table, near=pd.Series(["o1"], dtype="str"))


def of_refused(world, people, links, minimum=30):
    located = []

    def locate(rows, table):
        assert (rows["participation"] == "started").all()
        assert table is links.table
        world.asked.append("locate")
        found = table.merge(rows[["row", "source"]], on=["row", "source"])
        found = found.rename(columns={"offender_id": "disposal_id"})
        reason = np.where(found["person"] % 10 == 9, "not found", None)
        return found.assign(reason=pd.Series(reason, dtype="object"))

    def choose(treated, near):
        located.extend(treated["person"])
        return world.choose(treated, near)

    effect = sensitivity.who_refused(
        people, links, minimum=minimum, locate=locate, choose=choose, match=world.match,
        read=world.read, compare=world.compare,
    )  # fmt: skip
    return effect, located


def test_people_who_refused_are_compared_as_if_they_had_taken_part():
    world = World()
    people, links = referred(range(100))
    before = people.copy()
    effect, located = of_refused(world, people, links)
    assert located == [one for one in range(100) if one % 10 != 9]
    assert effect.treatment.n == 90
    assert effect.treatment.mean == pytest.approx(sum(one % 4 == 0 for one in located) / 90)
    assert effect.comparison.mean == 0.5
    pd.testing.assert_frame_equal(people, before)


def test_who_took_part_another_time_did_not_refuse():
    people, links = referred(range(100), took_part=range(50, 150))
    _, located = of_refused(World(), people, links)
    assert located == [one for one in range(50) if one % 10 != 9]


@pytest.mark.parametrize(("refused", "asked"), [(29, []), (32, ["locate"])])
def test_too_few_who_refused_are_not_matched(refused, asked):
    world = World()
    effect, _ = of_refused(world, *referred(range(refused)))
    assert effect is None
    assert world.asked == asked


def test_no_outcome_is_read_of_people_who_refused_and_are_unlike():
    world = World(unlike=frozenset([5]))
    effect, _ = of_refused(world, *referred(range(100)))
    assert effect is None
    assert "read" not in world.asked


def test_without_a_result_of_the_headline_no_other_groups_are_made():
    told, asked = by_method(
        groups(range(200), accepted=False), {"caliper": lambda: pytest.fail("made")}
    )
    assert asked.count("read") == 0
    assert [choice.reason for choice in told] == [NOT_BALANCED, NO_HEADLINE]


def test_without_a_score_no_variable_is_left_out(matched):
    assert sensitivity.without_each(replace(matched, model=None), {"age": "age"}, None) == {}
