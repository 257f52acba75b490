"""The intruder of the tests against every table that there can be."""

import itertools

import pytest
from intruder import Intruder, is_open


def test_a_part_follows_from_the_whole_and_the_other_part():
    knows = Intruder()
    knows.know(["a", "b"], 20)
    knows.know(["a"], 13)
    assert knows.range_of(["b"]) == (7, 7)


def test_the_range_is_that_of_every_table():
    knows = Intruder()
    rows, columns = {"x": 9, "y": 6}, {"1": 5, "2": 10}
    for name, total in rows.items():
        knows.know([name + column for column in columns], total)
    for name, total in columns.items():
        knows.know([row + name for row in rows], total)
    knows.know(["x1"], 1, 4)
    tables = [
        table
        for table in itertools.product(range(11), repeat=4)
        if table[0] + table[1] == 9
        and table[2] + table[3] == 6
        and table[0] + table[2] == 5
        and 1 <= table[0] <= 4
    ]
    for place, cell in enumerate(["x1", "x2", "y1", "y2"]):
        values = [table[place] for table in tables]
        assert knows.range_of([cell]) == (min(values), max(values))


def test_a_share_is_as_good_as_the_counts_it_implies():
    knows = Intruder()
    knows.know(["yes", "no"], 34)
    knows.know_share(["yes"], ["yes", "no"], 0.12, 0.005)
    assert knows.range_of(["yes"]) == (4, 4)


def test_what_cannot_be_is_an_error():
    knows = Intruder()
    knows.know(["a"], 3)
    knows.know(["a"], 4)
    with pytest.raises(ValueError, match="no counts fit"):
        knows.range_of(["a"])


@pytest.mark.parametrize(
    ("low", "high", "whole", "told"),
    [(0, 9, None, True), (0, 8, None, False), (3, 13, None, True), (3, 12, None, False),
     (0, 4, 4, True), (1, 4, 4, False)],
)  # fmt: skip
def test_a_range_is_open_when_it_is_wide_or_holds_everything_small(low, high, whole, told):
    assert is_open(low, high, whole) is told
