"""What sums and differences of results leave of a few people."""

import datetime as dt
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp
from test_disclosure import _analysed

from jdl import disclosure
from jdl.disclosure import Counted, leave_enough, together


def _counted(people, reoffend=lambda one: one % 3 == 0):
    events = sum(map(bool, map(reoffend, people)))
    return Counted(frozenset(map(str, people)), events, len(people) - events)


def _blocks(*pairs):
    """Blocks of people, of each so many with the event and so many without, as numbers."""
    blocks, with_event, start = [], set(), 0
    for events, others in pairs:
        blocks.append(range(start, start + events + others))
        with_event |= set(range(start, start + events))
        start += events + others
    return blocks, with_event.__contains__


@pytest.mark.parametrize(
    ("only_first", "only_second", "stand"),
    [
        ((0, 0), (0, 0), True),
        ((10, 10), (0, 0), True),
        ((9, 11), (0, 0), False),
        ((11, 9), (0, 0), False),
        ((15, 0), (0, 15), False),
        ((15, 0), (15, 0), True),
        ((5, 5), (5, 5), True),
        ((5, 4), (5, 5), False),
        ((0, 3), (60, 60), True),
        ((2, 1), (0, 0), False),
    ],
)
def test_who_differ_between_two_results_must_leave_either_extreme_open(
    only_first, only_second, stand
):
    """Events of those only in the first, with those without one only in the second: 10 of each."""
    (first, second, both), event = _blocks(only_first, only_second, (100, 100))
    told = [_counted([*both, *first], event), _counted([*both, *second], event)]
    assert leave_enough(told) == stand
    assert leave_enough(told[::-1]) == stand


def test_outcomes_at_hand_change_no_answer():
    (first, second, both), event = _blocks((12, 3), (4, 40), (100, 100))
    told = [_counted([*both, *first], event), _counted([*both, *second], event)]
    everybody = [*first, *second, *both]
    known = pd.Series({str(one): float(event(one)) for one in everybody})
    for some in (known, known.iloc[:40], known.iloc[:0], None):
        assert leave_enough(told, some) == leave_enough(told)


def test_a_combination_with_halves_is_found():
    """The whole, less half of three pairs of its parts: twelve people, of whom two reoffended."""
    (x, y, z, few), event = _blocks((30, 40), (30, 40), (30, 40), (2, 10))
    pairs = [_counted([*one, *other], event) for one, other in ((x, y), (y, z), (x, z))]
    whole = _counted([*x, *y, *z, *few], event)
    assert leave_enough(pairs) and leave_enough([whole, *pairs[:2]])
    assert not leave_enough([whole, *pairs])


def test_a_remainder_over_three_reports_is_found():
    """The third is the second without the people that only the first has, and six more."""
    (first, second, six), event = _blocks((50, 50), (60, 60), (2, 4))
    told = [
        _counted([*first, *second, *six], event), _counted(first, event), _counted(second, event),
    ]  # fmt: skip
    assert leave_enough(told[:2]) and leave_enough(told[1:])
    assert not leave_enough(told)


def test_of_the_same_people_the_latest_count_is_taken():
    people = frozenset(map(str, range(200)))
    assert leave_enough([Counted(people, 80, 120), Counted(people, 82, 118)])
    rest = frozenset(map(str, range(60)))
    assert not leave_enough(
        [Counted(people, 80, 120), Counted(people, 82, 118), Counted(people - rest, 73, 67)]
    )


def test_those_without_are_counted_among_those_whom_the_measure_is_about():
    """Of sixty left out thirty reoffended, twenty-five of them with custody first."""
    everybody = frozenset(map(str, range(400)))
    fewer = frozenset(map(str, range(60, 400)))
    assert leave_enough([Counted(everybody, 100, 60), Counted(fewer, 75, 45)])
    assert not leave_enough([Counted(everybody, 100, 60), Counted(fewer, 75, 55)])


def _range_of(told, group, blocks):
    """The fewest and the most of a group who can have had the event, by integer programming."""
    rows = [[float(set(map(str, block)) <= one.people) for block in blocks] for one in told]
    sizes = [len(block) for block in blocks]
    sums = [one.events for one in told]
    aim = np.array([float(place in group) for place in range(len(blocks))])
    within = {
        "constraints": LinearConstraint(np.array(rows), sums, sums),
        "bounds": Bounds(0, sizes),
        "integrality": np.ones(len(blocks)),
    }
    least, most = milp(aim, **within), milp(-aim, **within)
    return round(least.fun), round(-most.fun)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    st.lists(st.lists(st.integers(0, 1), min_size=4, max_size=4), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=4, max_size=4),
)
def test_no_group_of_people_is_shown_to_hold_few_with_or_few_without(members, counts):
    """By brute force over all groups of blocks, with an intruder who solves integer programmes."""
    blocks, event = _blocks(*counts)
    told = []
    for row in members:
        people = [one for block, inside in zip(blocks, row, strict=True) if inside for one in block]
        one = _counted(people, event)
        if min(one.events, one.others) >= 10 and leave_enough([*told, one]):
            told.append(one)
    for group in product((0, 1), repeat=4):
        chosen = [place for place in range(4) if group[place]]
        many = sum(len(blocks[place]) for place in chosen)
        if told and many:
            low, high = _range_of(told, chosen, blocks)
            assert high >= min(10, many) and many - low >= min(10, many)


WITH_EVENT = set(range(60)) | set(range(200, 270)) | set(range(410, 419))
A, B, C = range(200), range(200, 410), range(410, 500)
"""Parts of 200, 210 and 90 people, of whom 60, 70 and 9 reoffended."""


def _cleared(groups, before=()):
    analysed = [
        _analysed(name, people, reoffend=lambda one: one in WITH_EVENT)
        for name, people in groups.items()
    ]
    cleared = disclosure.clear_analyses(analysed, before=before)
    rates = {name: one.effects["rate"].conclusion != "suppressed" for name, one in cleared.items()}
    return analysed, cleared, rates


def test_a_count_withheld_is_left_a_wide_range_by_the_smallest_result_that_narrows_it():
    """One reoffender is in no part, so that what the parts leave of all are ten: nine or ten."""
    groups = {"headline": [*A, *B, *C], "b": B, "a": [*A][1:], "c": C}
    _, cleared, told = _cleared(groups)
    assert told == {"headline": True, "b": True, "a": False, "c": False}
    rules = {one.rule for one in cleared["a"].decisions}
    assert rules == {"difference"}


def test_nothing_more_is_withheld_where_the_range_is_wide():
    groups = {"headline": [*A, *B, *C], "b": B, "a": [*A][11:], "c": C}
    assert _cleared(groups)[2] == {"headline": True, "b": True, "a": True, "c": False}


def test_the_headline_goes_where_nothing_else_narrows_what_is_withheld():
    """Ten of a hundred, of whom all but three with eight are a second analysis."""
    people = [*range(10), *range(60, 150)]
    _, _, told = _cleared({"headline": people, "again": people[2:99]})
    assert told == {"headline": False, "again": False}


def test_a_count_withheld_is_left_a_wide_range_beside_earlier_reports():
    first, cleared, _ = _cleared({"headline": [*A, *B, *C]})
    before = [*disclosure.what_is_told(first, cleared).values()]
    first, cleared, _ = _cleared({"headline": B})
    before += disclosure.what_is_told(first, cleared).values()
    _, cleared, told = _cleared({"headline": [*A][1:], "c": C}, before)
    assert told == {"headline": False, "c": False}
    assert {one.rule for one in cleared["headline"].decisions} == {"earlier"}


def test_each_measure_is_withheld_by_its_own_rule():
    why = {"first_custody": "earlier", "first_summary": "difference"}
    rules = [together._why(name, why) for name in ("first_custody", "first_indictable")]
    assert rules == ["earlier", "difference"]


def test_kinds_of_participation_are_decided_by_their_name():
    door = disclosure.Door()
    everyone = _analysed("headline", range(300))
    kinds = pd.DataFrame(
        {
            "offender_id": [f"p{one}" for one in range(300)],
            "participation": ["completed"] * 150 + ["started"] * 150,
            "reoffended": [one % 3 == 0 for one in range(300)],
        }
    )
    results = disclosure.clear_analyses([everyone], door)
    told = disclosure.clear_participation(kinds, [everyone], results, door)
    assert told["people"].tolist() == [150, 150]
    assert door.decided["participation.completed"].decided == "told"
    door = disclosure.Door(
        overrides=(
            disclosure.Override(
                "participation.started", "withhold", "asked for", "a post", dt.date(2014, 1, 9)
            ),
        )
    )
    told = disclosure.clear_participation(kinds, [everyone], results, door)
    assert told["people"].isna().all()


def test_a_year_from_another_day_is_not_an_outcome_of_the_same_kind():
    """The same people have other outcomes there, which do not add up with these."""
    first = _analysed("headline", range(200), reoffend=lambda one: one % 3 == 0)
    few = _analysed("few", range(120), reoffend=lambda one: one < 5)
    assert together._tells(disclosure.clear_analyses([first, few])["headline"], "rate")
