"""A follow-up from the start of the intervention, by hand and where waiting fakes an effect."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from by_hand import Row, engine, offence, order, spell, vintage

from jdl import covariates, landmark, outcomes

DAY = "2009-03-01"


def group(*starts: str | None, treated: str = "T") -> pd.DataFrame:
    """Treated people with an order of 1 March 2009, by the start of their intervention."""
    names = [f"{treated}{place}" for place in range(len(starts))]
    return pd.DataFrame(
        {
            "offender_id": names,
            "disposal_id": [f"O{name}" for name in names],
            "index_date": pd.Timestamp(DAY),
            "start": pd.to_datetime(list(starts)),
        }
    )


def orders(people: pd.DataFrame) -> list[Row]:
    return [order(row.disposal_id, DAY, row.offender_id) for row in people.itertuples()]


# ---------------------------------------------------------------------------------------- gaps


def test_gaps_are_counted_from_the_index_date():
    people = group("2009-02-01", "2009-03-01", "2009-03-29", "2009-03-30", "2009-04-30", None)
    found = landmark.gaps(engine(disposals=orders(people)), people)
    assert (found.treated, found.dated, found.after, found.late) == (6, 5, 3, 2)
    assert (found.late_share, found.late_days) == (0.4, 28)
    assert (found.median, found.upper) == (29, pytest.approx(53.8, rel=1e-12))
    assert found.leads() and not found.leads(0.4)
    assert landmark.gaps(engine(disposals=orders(people)), people, late_days=29).late == 1


@pytest.mark.parametrize(
    ("date", "convicted", "counts"),
    [
        ("2009-03-01", "2009-03-20", 0),
        ("2009-03-02", "2009-03-20", 1),
        ("2009-03-29", "2009-12-01", 1),
        ("2009-03-30", "2009-12-01", 0),
        ("2009-03-10", "2010-09-29", 1),
        ("2009-03-10", "2010-09-30", 0),
    ],
)
def test_who_reoffended_between_is_counted_by_the_date_of_the_offence(date, convicted, counts):
    people = group("2009-03-29")
    con = engine(disposals=orders(people), offences=[offence(date, convicted, "T0")])
    assert landmark.gaps(con, people).reoffended_within == counts


def test_without_a_gap_nothing_is_late():
    people = group("2009-02-01", None)
    found = landmark.gaps(engine(disposals=orders(people)), people)
    assert (found.after, found.late, found.late_share, found.reoffended_within) == (0, 0, 0.0, 0)
    assert found.median is found.upper is None
    assert not landmark.gaps(engine(), people.iloc[:0]).leads()


# --------------------------------------------------------------------------------------- delay


def delayed(start: str = "2009-04-10", days: int = 200, **tables: Any) -> landmark.Delayed:
    """T0, whose intervention started on this day, and C, both with an order of 1 March 2009."""
    people = group(start)
    lives = [*orders(people), order("OC", DAY, "C")]
    con = engine(
        **({"disposals": lives, "prison_spells": [spell("2001-01-01", "2001-02-01")]} | tables)
    )
    chosen = covariates.candidates(
        con, people, people["offender_id"], window_days=days, oasys=False
    )
    return landmark.delay(con, vintage(), chosen, people, seed=1)


def gone(found: landmark.Delayed) -> dict[str, tuple[int, int]]:
    return {row.reason: (row.treatment, row.comparison) for row in found.left.itertuples()}


def test_both_groups_are_followed_from_the_same_day():
    found = delayed()
    assert found.candidates["follow_from"].eq(pd.Timestamp("2009-04-10")).all()
    assert found.candidates["days_to_start"].tolist() == [40, 40]
    assert gone(found) == {}


def test_a_start_before_the_index_date_leaves_it_where_it_is():
    assert delayed("2009-01-10").candidates["follow_from"].eq(pd.Timestamp(DAY)).all()


@pytest.mark.parametrize("who", ["T0", "C"])
@pytest.mark.parametrize(
    ("fact", "leaves"),
    [
        ({"offences": [offence("2009-03-02", "2009-06-01")]}, landmark.OFFENDED),
        ({"offences": [offence("2009-04-10", "2009-06-01")]}, landmark.OFFENDED),
        ({"offences": [offence("2009-04-11", "2009-06-01")]}, None),
        ({"offences": [offence("2009-03-01", "2009-06-01")]}, None),
        ({"offences": [offence("2009-03-02", "2009-06-01", breach=True)]}, None),
        ({"prison_spells": [spell("2009-04-10", None)]}, landmark.INSIDE),
        ({"prison_spells": [spell("2009-04-01", "2009-04-11")]}, landmark.INSIDE),
        ({"prison_spells": [spell("2009-04-01", "2009-04-10")]}, None),
        ({"prison_spells": [spell("2009-04-11", None)]}, None),
        ({"offenders": [{"offender_id": "A", "died_on": "2009-04-10"}]}, landmark.DEAD),
        ({"offenders": [{"offender_id": "A", "died_on": "2009-04-11"}]}, None),
    ],
)
def test_who_is_not_alive_at_liberty_and_without_offence_leaves(who, fact, leaves):
    theirs = {name: [row | {"offender_id": who} for row in rows] for name, rows in fact.items()}
    found = delayed(**theirs)
    place = (1, 0) if who == "T0" else (0, 1)
    assert gone(found) == ({leaves: place} if leaves else {})
    assert len(found.candidates) == (1 if leaves else 2)


def test_a_treated_person_who_leaves_still_lends_the_day():
    found = delayed(offenders=[{"offender_id": "T0", "died_on": "2009-04-01"}])
    assert found.candidates["follow_from"].tolist() == [pd.Timestamp("2009-04-10")]


def test_follow_up_must_be_complete_from_the_day():
    people = group("2009-04-10")
    lives = [*orders(people), order("OC", "2011-12-01", "C")]
    con = engine(disposals=lives)
    chosen = covariates.candidates(
        con, people, people["offender_id"], window_days=2000, oasys=False
    )
    found = landmark.delay(con, vintage(), chosen, people, seed=1)
    assert gone(found) == {landmark.UNFINISHED: (0, 1)}


def test_without_a_start_nobody_can_be_followed():
    people = group(None)
    con = engine(disposals=[*orders(people), order("OC", DAY, "C")])
    chosen = covariates.candidates(con, people, people["offender_id"], window_days=9, oasys=False)
    found = landmark.delay(con, vintage(), chosen, people, seed=1)
    assert gone(found) == {landmark.NO_START: (1, 0), landmark.NO_GAP: (0, 1)}
    assert not len(found.candidates)


def test_whether_liberty_is_known_is_told(tmp_path):
    assert not delayed().liberty_known
    (tmp_path / "prison_spells.parquet").touch()
    people = group("2009-04-10")
    con = engine(disposals=orders(people))
    chosen = covariates.candidates(con, people, people["offender_id"], window_days=9, oasys=False)
    held = dataclasses.replace(vintage(), folder=tmp_path)
    assert landmark.delay(con, held, chosen, people, seed=1).liberty_known


# ----------------------------------------------------------------------- waiting fakes an effect


def lives(seed: int, n: int = 12_000) -> tuple[Any, pd.DataFrame]:
    """Orders with a constant hazard and no effect; services that only survivors of a wait reach."""
    rng = np.random.default_rng(seed)
    names = [f"{i:05}" for i in range(n)]
    index = pd.Timestamp("2009-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D")
    wait = rng.integers(0, 120, n)
    first = np.ceil(rng.exponential(365 / 0.7, n)).astype(int)
    reaches = (first > wait) & (rng.random(n) < 0.25)
    disposals = [
        order(f"O{who}", f"{day:%Y-%m-%d}", who) for who, day in zip(names, index, strict=True)
    ]
    offences = [
        offence(f"{day:%Y-%m-%d}", f"{day + pd.Timedelta(days=30):%Y-%m-%d}", who)
        for who, day, days in zip(
            names, index + pd.to_timedelta(first, unit="D"), first, strict=True
        )
        if days < 900
    ]
    people = pd.DataFrame(
        {
            "offender_id": names,
            "disposal_id": [f"O{who}" for who in names],
            "index_date": index,
            "start": index + pd.to_timedelta(wait, unit="D"),
        }
    )
    return engine(disposals=disposals, offences=offences), people.loc[reaches]


def difference(frame: pd.DataFrame, gaps: bool) -> tuple[float, float]:
    """The difference of the rates and its error; among people with the same wait where asked."""
    ours, theirs = (frame.loc[frame["treated"] == group] for group in (1, 0))
    weight = pd.Series(1.0, index=theirs.index)
    if gaps:
        bands = [rows["days_to_start"] // 10 for rows in (ours, theirs)]
        wanted = bands[0].value_counts(normalize=True) / bands[1].value_counts(normalize=True)
        weight = bands[1].map(wanted).fillna(0)
    rates = ours["reoffended"].mean(), np.average(theirs["reoffended"], weights=weight)
    variances = [rate * (1 - rate) for rate in rates]
    size = weight.sum() ** 2 / (weight**2).sum()
    return rates[0] - rates[1], float(np.sqrt(variances[0] / len(ours) + variances[1] / size))


@pytest.fixture(scope="module")
def waited() -> tuple[Any, pd.DataFrame, pd.DataFrame]:
    con, people = lives(5)
    chosen = covariates.candidates(con, people, people["offender_id"], window_days=0, oasys=False)
    return con, people, chosen


class _All:
    """Every candidate with a weight, as an accepted match."""

    accepted = True

    def __init__(self, candidates: pd.DataFrame) -> None:
        self.frame = candidates.assign(weight=1.0)


def test_waiting_fakes_an_effect_that_the_landmark_takes_away(waited):
    con, people, chosen = waited
    found = landmark.gaps(con, people)
    assert found.leads()
    assert found.reoffended_within == 0
    naive, _ = difference(outcomes.read(con, _All(chosen)), gaps=False)
    assert naive < -0.05
    later = landmark.delay(con, vintage(), chosen, people, seed=3)
    assert gone(later)[landmark.OFFENDED][0] == 0
    assert gone(later)[landmark.OFFENDED][1] > 100
    sample = outcomes.follow(con, _All(later.candidates), start="follow_from")
    effect, error = difference(sample, gaps=True)
    assert abs(effect) < 2.5 * error
    assert error < 0.013


def test_only_treated_people_who_leave_are_lost():
    people = group("2009-04-10")
    lives = [*orders(people), order("OC", DAY, "C")]
    inside = [spell("2009-04-10", None) | {"offender_id": who} for who in ("T0", "C")]
    con = engine(disposals=lives, prison_spells=inside)
    everyone = covariates.candidates(
        con, people, people["offender_id"], window_days=200, oasys=False
    )
    assert landmark.losses(con, vintage(), everyone, people, leads=True) == {landmark.INSIDE: 1}
    assert landmark.losses(con, vintage(), everyone, people, leads=False) == {}


def test_both_ways_choose_the_same_people_and_read_from_their_own_day():
    people = group("2009-04-10")
    lives = [*orders(people), order("OC", DAY, "C")]
    late = offence("2010-03-20", "2010-06-01", "T0")
    con = engine(
        disposals=lives, offences=[late], prison_spells=[spell("2001-01-01", "2001-02-01")]
    )
    ways = landmark.ways(con, vintage(), window_days=200, seed=1)
    chosen = {
        late_start: way.choose(people, people["offender_id"], oasys=False, region=None)
        for late_start, way in ways.items()
    }
    assert chosen[False]["disposal_id"].tolist() == chosen[True]["disposal_id"].tolist()
    assert "follow_from" not in chosen[False]
    for late_start, reoffended in ((False, False), (True, True)):
        matched = SimpleNamespace(frame=chosen[late_start].assign(weight=1.0), accepted=True)
        found = ways[late_start].read(matched)
        assert bool(found.loc[found["treated"] == 1, "reoffended"].item()) == reoffended
