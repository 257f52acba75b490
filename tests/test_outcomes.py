"""The year of follow-up, on records made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from by_hand import custody, engine, offence, order, spell

from jdl import outcomes

DAY = "2009-03-01"


def outcome(name: str = "O", **tables: Any) -> pd.Series:
    """The outcomes of an order of 1 March 2009."""
    con = engine(**({"disposals": [order("O", DAY)]} | tables))
    return con.execute("SELECT * FROM outcomes").df().set_index("disposal_id").loc[name]


@pytest.mark.parametrize(
    ("date", "convicted", "counts"),
    [
        ("2009-03-01", "2009-04-01", False),
        ("2009-03-02", "2009-04-01", True),
        ("2010-03-01", "2010-04-01", True),
        ("2010-03-02", "2010-04-01", False),
        ("2010-03-01", "2010-09-01", True),
        ("2010-03-01", "2010-09-02", False),
    ],
)
def test_a_year_and_six_months_bound_a_reoffence(date, convicted, counts):
    assert outcome(offences=[offence(date, convicted)])["reoffended"] == counts


@pytest.mark.parametrize(
    ("proven_by", "breach", "counts"),
    [
        ("conviction", None, True),
        ("caution", False, True),
        ("reprimand", False, True),
        ("warning", False, True),
        ("penalty notice", False, False),
        ("conviction", True, False),
    ],
)
def test_notices_and_breaches_do_not_count(proven_by, breach, counts):
    one = offence("2009-06-01", "2009-06-08", proven_by=proven_by, breach=breach)
    assert outcome(offences=[one])["reoffences"] == counts


# -------------------------------------------------------------------------- liberty and death


@pytest.mark.parametrize(
    ("spells", "days"),
    [
        ([], 365),
        ([("2009-04-01", "2009-04-11")], 355),
        ([("2009-04-01", "2009-04-11"), ("2009-04-06", "2009-04-21")], 345),
        ([("2009-04-01", "2009-04-11"), ("2009-04-11", "2009-04-21")], 345),
        ([("2009-04-01", "2009-04-30"), ("2009-04-06", "2009-04-11")], 336),
        ([("2009-02-01", "2009-03-02")], 365),
        ([("2009-02-01", "2009-03-03")], 364),
        ([("2009-02-01", None)], 0),
        ([("2010-03-01", None)], 364),
        ([("2010-03-02", None)], 365),
        ([("2009-04-11", "2009-04-01")], 365),
    ],
)
def test_days_at_liberty_are_those_out_of_prison(spells, days):
    elsewhere = spell("2000-01-01", "2000-02-01")
    held = [elsewhere, *(spell(start, end) for start, end in spells)]
    assert outcome(prison_spells=held)["days_at_liberty"] == days


def test_every_kind_of_spell_takes_liberty():
    held = [
        spell("2009-04-01", "2009-04-11", kind="remand"),
        spell("2009-05-01", "2009-05-11", kind="sentence"),
        spell("2009-06-01", "2009-06-11", kind="recall"),
        spell("2009-07-01", "2009-07-11", kind=None),
    ]
    assert outcome(prison_spells=held)["days_at_liberty"] == 325


def test_liberty_is_unknown_where_the_vintage_has_no_spells():
    assert pd.isna(outcome()["days_at_liberty"])


@pytest.mark.parametrize(
    ("died_on", "died", "days"),
    [
        ("2009-03-01", True, 0),
        ("2009-03-11", True, 10),
        ("2010-03-01", True, 365),
        ("2010-03-02", False, 365),
        (None, False, 365),
    ],
)
def test_death_ends_the_days_at_liberty_and_at_risk(died_on, died, days):
    held = [spell("2000-01-01", "2000-02-01")]
    people = [{"offender_id": "A", "died_on": died_on}]
    found = outcome(offenders=people, prison_spells=held)
    assert found["died"] == died
    assert (found["days_at_liberty"], found["at_risk_days"]) == (days, days)


def test_the_time_at_risk_ends_with_the_first_reoffence():
    reoffences = [offence("2009-06-01", "2009-06-08"), offence("2009-05-01", "2009-06-08")]
    found = outcome(offences=reoffences, offenders=[{"offender_id": "A", "died_on": "2009-12-01"}])
    assert (found["at_risk_days"], found["days_to_first"], found["died"]) == (61, 61, True)


def test_prison_at_death_is_not_counted_beyond_it():
    people = [{"offender_id": "A", "died_on": "2009-03-11"}]
    found = outcome(offenders=people, prison_spells=[spell("2009-03-06", None)])
    assert found["days_at_liberty"] == 4


# ---------------------------------------------------------------------------- another first day


def matched(accepted: bool = True, **columns: Any) -> Any:
    frame = pd.DataFrame({"disposal_id": ["O"], "offender_id": ["A"], "weight": [1.0]} | columns)
    return SimpleNamespace(frame=frame, accepted=accepted)


LATER = [offence("2009-03-10", "2009-04-01"), offence("2010-03-15", "2010-09-10", custodial=True)]


@pytest.mark.parametrize(
    ("day", "reoffences", "first"),
    [("2009-03-01", 1, 9), ("2009-03-10", 0, None), ("2009-03-20", 1, 360)],
)
def test_the_year_can_run_from_another_day(day, reoffences, first):
    con = engine(disposals=[order("O", DAY)], offences=LATER)
    match = matched(follow_from=[pd.Timestamp(day)])
    found = outcomes.follow(con, match, start="follow_from").iloc[0]
    assert found["reoffences"] == reoffences
    assert (None if pd.isna(found["days_to_first"]) else found["days_to_first"]) == first


def test_from_the_index_date_both_readings_are_the_same():
    con = engine(
        disposals=[custody("O", DAY, DAY, "2009-03-20"), order("P", "2008-02-01")],
        offences=LATER,
        prison_spells=[spell("2009-07-01", "2009-08-01")],
    )
    both = con.execute("SELECT disposal_id, offender_id, index_date FROM index_disposals").df()
    match = SimpleNamespace(frame=both.assign(weight=1.0), accepted=True)
    read = outcomes.read(con, match)
    pd.testing.assert_frame_equal(read, outcomes.follow(con, match, start="index_date"))
    assert set(outcomes.COLUMNS) <= set(read.columns)
    assert read["reoffences"].tolist() != [0, 0]


def test_no_outcome_is_read_of_groups_that_are_not_alike():
    con = engine(disposals=[order("O", DAY)], offences=LATER)
    match = matched(accepted=False, follow_from=[pd.Timestamp(DAY)])
    assert not len(outcomes.read(con, match))
    assert not len(outcomes.follow(con, match, start="follow_from"))


# ---------------------------------------------------------------------------------- slow courts


def test_an_offence_of_the_year_that_was_proven_too_late_is_told_as_late():
    con = engine(
        disposals=[order("O", DAY)],
        offences=[
            offence("2009-03-11", "2009-04-01"),
            offence("2010-02-01", "2010-09-02"),
            offence("2010-03-02", "2010-12-01"),
            offence("2009-05-01", "2011-05-01", breach=True),
        ],
    )
    sample = pd.DataFrame(
        {"treated": [0], "disposal_id": ["O"], "offender_id": ["A"],
         "index_date": [pd.Timestamp(DAY)]}
    )  # fmt: skip
    found = outcomes.delays(con, sample)
    assert found.to_dict("list") == {"year": [2009, 2009], "late": [False, True], "days": [21, 213]}
    assert not len(outcomes.delays(con, sample.assign(treated=1)))
