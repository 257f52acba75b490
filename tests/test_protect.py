"""Counts in tables that share people, against an intruder who lists every table that fits."""

from __future__ import annotations

import itertools
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jdl.disclosure import Rules
from jdl.disclosure.protect import (
    Offer,
    Secret,
    Told,
    at_least,
    audit,
    between,
    exactly,
    is_open,
    nearest,
    protect,
    share,
)

FEW = Rules(cell=3)
STATES = ("analysed", "lost", "missed")


@pytest.mark.parametrize("step", [5, 10])
@pytest.mark.parametrize("count", [0, 2, 3, 5, 7, 12, 15, 25, 26, 98])
def test_a_rounded_count_tells_the_counts_that_print_alike(step, count):
    alike = [one for one in range(200) if round(one / step) == round(count / step)]
    told = nearest(["a"], count, step)
    assert (told.low, told.high) == (alike[0], alike[-1])


@pytest.mark.parametrize("places", [0, 1])
@pytest.mark.parametrize("whole", [3, 8, 40, 122, 736])
def test_a_share_tells_the_counts_that_print_alike(whole, places):
    def printed(count):
        exact = Decimal(100 * count) / Decimal(whole)
        return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)

    for count in range(whole + 1):
        alike = [one for one in range(whole + 1) if printed(one) == printed(count)]
        told = share(["a"], count, whole, places)
        assert (told.low, told.high) == (alike[0], alike[-1])


@pytest.mark.parametrize(
    ("low", "high", "whole", "fits"),
    [
        (0, 9, 50, True),
        (1, 9, 50, False),
        (1, 11, 50, True),
        (0, 4, 4, True),
        (0, 3, 4, False),
        (41, 50, 50, True),
        (42, 50, 50, False),
        (8, 17, 50, False),
    ],
)
def test_a_count_is_open_where_its_range_is_wide_or_holds_every_small_number(
    low, high, whole, fits
):
    assert is_open(low, high, whole) is fits


def test_what_the_parts_of_a_known_whole_leave_is_worked_out():
    counts = {"men": 108, "women": 14, "men lost": 29, "women lost": 0}
    everyone = Secret("women not analysed", ("women lost",), ("women", "women lost"))
    known = [
        exactly(["men", "men lost"], 137),
        exactly(["women", "women lost"], 14),
        exactly(["men", "women"], 122),
    ]
    assert tuple(audit(counts, known, [everyone]).iloc[0]) == (0, 14, 0, 14)
    known.append(exactly(["men"], 108))
    assert tuple(audit(counts, known, [everyone]).iloc[0]) == (0, 14, 0, 0)


def test_what_comes_first_is_told_and_what_would_tell_of_few_beside_it_is_not():
    counts = {"a": 40, "b": 4, "c": 30}
    offers = [
        Offer("b and c", [(exactly(["b", "c"], 34),)]),
        Offer("c", [(exactly(["c"], 30),), (between(["c"], 20, 40),)]),
        Offer("a", [(exactly(["a"], 40),)]),
    ]
    told = protect(counts, [at_least(["a"], 0)], offers, [Secret("b", ("b",), ("a", "b", "c"))])
    assert told.forms == {"b and c": 0, "c": 1, "a": 0}


def test_a_withheld_count_that_the_rest_would_tell_takes_another_with_it():
    counts = {"a": 40, "b": 4, "c": 30}
    secret = Secret("b", ("b",), ("a", "b", "c"))
    offers = [
        Offer(name, [(exactly([name], many),)], (Secret(name, (name,), ("a", "b", "c")),))
        for name, many in counts.items()
    ]
    told = protect(counts, [exactly(counts, 74)], offers, [secret])
    assert told.forms == {"a": 0, "b": None, "c": None}


def test_what_stands_open_to_everybody_before_anything_is_told_is_named():
    counts = {"a": 4, "b": 40}
    known = [exactly(["a"], 4), exactly(["b"], 40)]
    assert protect(counts, known, [], [Secret("a", ("a",), ("a", "b"))]).bare == ("a",)


def test_nothing_false_is_told():
    with pytest.raises(ValueError, match="not true"):
        audit({"a": 4}, [exactly(["a"], 5)], [])


@pytest.mark.parametrize("seed", range(40))
def test_a_range_is_that_of_every_table_though_loose_numbers_would_make_it_wider(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 6))
    true, parts = rng.integers(0, 4, size), range(size)
    every = np.array(list(itertools.product(range(int(true.sum()) + 1), repeat=size)))
    every = every[every.sum(axis=1) == true.sum()]
    known = [exactly(parts, int(true.sum()))]
    for _ in range(int(rng.integers(2, 7))):
        among = np.flatnonzero(rng.random(size) < 0.5)
        count = int(true[among].sum())
        low, high = count - int(rng.integers(0, 2)), count + int(rng.integers(0, 2))
        known.append(between(among.tolist(), low, high))
        sums = every[:, among].sum(axis=1)
        every = every[(sums >= low) & (sums <= high)]
    asked = [(one,) for one in parts] + list(itertools.combinations(parts, 2))
    secrets = [Secret(str(one), one, tuple(parts)) for one in asked]
    told = audit(dict(enumerate(true.tolist())), known, secrets)
    sums = np.array([every[:, list(one)].sum(axis=1) for one in asked])
    assert told["low"].tolist() == sums.min(axis=1).tolist()
    assert told["high"].tolist() == sums.max(axis=1).tolist()


def test_whole_numbers_may_do_best_where_loose_ones_would_leave_a_part_at_nought():
    """Halves of three rings of three make 4.5, ones make 3; the tenth part alone makes 4."""
    rings = [(ring, ring + 1, ring + 2) for ring in (0, 3, 6)]
    pairs = [pair for ring in rings for pair in itertools.combinations(ring, 2)]
    known = [between(pair, 0, 1) for pair in pairs]
    known.append(Told({**dict.fromkeys(range(9), 2.0), 9: 9.0}, 0, 9))
    asked = Secret("all", (*range(9), 9, 9, 9, 9), tuple(range(10)))
    told = audit(dict.fromkeys(range(10), 0), known, [asked])
    assert told.loc["all", ["low", "high"]].tolist() == [0, 4]


# --- An intruder who lists every table -----------------------------------------------------------


@st.composite
def tables(draw):
    """People by class and by what became of them, few enough to list every table."""
    sizes = draw(st.lists(st.integers(1, 8), min_size=2, max_size=3))
    rows = []
    for many in sizes:
        first = draw(st.integers(0, many))
        second = draw(st.integers(0, many - first))
        rows.append((first, second, many - first - second))
    return np.array(rows)


def listed(sizes):
    """Every table of classes of these sizes."""
    rows = [
        [(a, b, many - a - b) for a in range(many + 1) for b in range(many - a + 1)]
        for many in sizes
    ]
    return np.array(list(itertools.product(*rows)))


def figures(table):
    """What could be published: a name, the cells, and what is printed of them, the finest first."""
    classes = range(len(table))
    for state, name in enumerate(STATES):
        cells = [(one, state) for one in classes]
        yield f"all {name}", cells, [str]
        for one in classes:
            many = int(table[one].sum())
            yield (
                f"{one} {name}",
                [(one, state)],
                [str, lambda count: round(count / 2), lambda count, n=many: int(2 * count / n)],
            )


def offer_of(name, cells, prints, table):
    """The offer that says what each of these prints tells."""
    count = int(sum(table[cell] for cell in cells))
    most = int(sum(table[one].sum() for one, _ in cells))
    forms = []
    for printed in prints:
        alike = [one for one in range(most + 1) if printed(one) == printed(count)]
        forms.append((between(cells, alike[0], alike[-1]),))
    return Offer(name, forms, (secret_of(name, cells, table),))


def secret_of(name, cells, table):
    whole = [(one, state) for one in {one for one, _ in cells} for state in range(len(STATES))]
    return Secret(name, tuple(cells), tuple(whole))


@settings(max_examples=60, deadline=None)
@given(tables())
def test_an_intruder_who_lists_every_table_finds_every_small_and_withheld_count_open(table):
    counts = {
        (one, state): int(table[one, state]) for one in range(len(table)) for state in range(3)
    }
    known = [
        exactly([(one, state) for state in range(3)], int(table[one].sum()))
        for one in range(len(table))
    ]
    could = list(figures(table))
    offers = [offer_of(*figure, table) for figure in could]
    secrets = [offer.secrets[0] for offer in offers]
    chosen = protect(counts, known, offers, secrets, FEW)
    every = listed(table.sum(axis=1))
    fits = np.ones(len(every), dtype=bool)
    for name, cells, prints in could:
        if (form := chosen.forms[name]) is not None:
            sums = sum(every[:, one, state] for one, state in cells)
            shown = prints[form](int(sum(table[cell] for cell in cells)))
            fits &= np.array([prints[form](int(value)) == shown for value in sums])
    left = every[fits]
    for secret in secrets:
        values = sum(left[:, one, state] for one, state in secret.parts)
        true, whole = (sum(counts[cell] for cell in of) for of in (secret.parts, secret.whole))
        small = min(true, whole - true) < FEW.cell
        if (small or chosen.forms[secret.name] is None) and secret.name not in chosen.bare:
            assert is_open(int(values.min()), int(values.max()), whole, FEW), secret.name


@settings(max_examples=25, deadline=None)
@given(tables(), st.data())
def test_the_range_worked_out_is_that_of_every_table_that_fits(table, data):
    counts = {
        (one, state): int(table[one, state]) for one in range(len(table)) for state in range(3)
    }
    known = [
        exactly([(one, state) for state in range(3)], int(table[one].sum()))
        for one in range(len(table))
    ]
    could = list(figures(table))
    told = data.draw(st.lists(st.sampled_from(could), unique_by=lambda one: one[0], max_size=4))
    every = listed(table.sum(axis=1))
    for name, cells, prints in told:
        known += offer_of(name, cells, prints, table).forms[-1]
        shown = prints[-1](int(sum(table[cell] for cell in cells)))
        sums = sum(every[:, one, state] for one, state in cells)
        every = every[[prints[-1](int(value)) == shown for value in sums]]
    ranges = audit(counts, known, [secret_of(name, cells, table) for name, cells, _ in could])
    for name, cells, _ in could:
        values = sum(every[:, one, state] for one, state in cells)
        assert tuple(ranges.loc[name, ["low", "high"]]) == (values.min(), values.max())
