"""What each part took is counted once, and belongs to the part in which it was spent."""

import time

from jdl.profile import Clock, Spent, by_stage, part, peak_memory, processor_time, running, story


def work(seconds):
    """Keep the processor at work for so many of its seconds."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_time_belongs_to_the_part_in_which_it_was_spent():
    clock = Clock("first", "a")
    work(0.05)
    clock.enter("second", "b", kernel=1.5, peak=10_900_000)
    clock.enter("second", "c", kernel=1.75, peak=30_100_000)
    work(0.02)
    clock.enter("first", "a", kernel=1.75, peak=30_100_000)
    clock.enter("end", "end", kernel=2.0, peak=40_000_000)
    first, second, third = clock.spent
    assert [(one.stage, one.part) for one in clock.spent] == [
        ("first", "a"), ("second", "b"), ("second", "c"),
    ]  # fmt: skip
    assert [one.kernel for one in clock.spent] == [1.75, 0.25, 0.0]
    assert first.worker >= 0.05 > third.worker >= 0.02 > second.worker
    assert [one.growth for one in clock.spent] == [20, 20, 0]
    assert [one.peak for one in clock.spent] == [40, 30, 30]
    assert clock.kernel_peak == 40_000_000


def test_a_part_of_a_stage_is_counted_apart_only_where_a_clock_runs():

    @part("PDF")
    def made():
        work(0.03)
        return 7

    assert made() == 7
    clock = Clock("rendering", "rendering")
    with running(clock):
        work(0.01)
        assert made() == 7
        assert made() == 7
    clock.enter("end", "end")
    whole, pdf = clock.spent
    assert (whole.part, pdf.part) == ("rendering", "PDF")
    assert pdf.worker >= 0.06 > 0.04 > whole.worker >= 0.01


def test_stages_add_up_and_are_told_with_their_parts():
    spent = [
        Spent("a", "x", 1.0, 0.5, 0.25, 2, 1),
        Spent("b", "z", 1.0, 0.0, 0.0, 3, 0),
        Spent("a", "y", 2.0, 1.5, 0.25, 1, 1),
    ]
    together, other = by_stage(spent)
    assert together == Spent("a", "", 3.0, 2.0, 0.5, 2, 2)
    assert other.wall == 1.0
    record = {"name": "harbour", "spent": [vars(one) for one in spent]}
    lines = [line.split() for line in story(record)]
    assert lines[1:] == [
        ["harbour", "4.00", "2.00", "0.50", "3", "2"],
        ["a", "3.00", "2.00", "0.50", "2", "2"],
        ["x", "1.00", "0.50", "0.25", "2", "1"],
        ["y", "2.00", "1.50", "0.25", "1", "1"],
        ["b", "1.00", "0.00", "0.00", "3", "0"],
    ]


def test_what_the_system_does_not_say_is_none():
    assert processor_time("self") >= 0
    assert peak_memory("self") > 1_000_000
    assert processor_time(0) is None and peak_memory(0) is None
