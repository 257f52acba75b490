"""The sentence and its index date, on records made by hand, at random, and as generated."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from by_hand import vintage
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_names import keep_names

from jdl import national, request, sentence
from jdl.synthetic.tables import SCHEMAS
from jdl.upload import by_content

WINDOWS: dict[str, Any] = {
    "setting": "custody",
    "custody_days": 14,
    "order_days": 28,
    "open_order_days": 365,
    "gate_days": 183,
    "date_days": 7,
    "cautions": False,
}
VINTAGE = vintage()
Row = dict[str, Any]


def custody(name: str, start: str | None, release: str | None, **more: Any) -> Row:
    """A custodial sentence passed on the day on which it started, unless `more` says otherwise."""
    given = {"disposal": "custody", "custody_start": start, "release_date": release}
    return {"disposal_id": name, "conviction_date": start, **given, **more}


def order(name: str, begun: str, end: str | None = None, **more: Any) -> Row:
    """A community order."""
    dates = {"conviction_date": begun, "sentence_date": begun, "order_end": end}
    return {"disposal_id": name, "disposal": "community order", **dates, **more}


def spell(kind: str, start: str, end: str | None, **more: Any) -> Row:
    """A spell in prison."""
    return {"kind": kind, "start": start, "end": end, **more}


def records(*disposals: Row, spells: tuple[Row, ...] = (), **person: Any) -> Any:
    """Open an engine on the records of one man, A, or of whoever the rows name."""
    rows = [{"offender_id": "A", "offence_group": "theft", **row} for row in disposals]
    ids = sorted({"A", *(row["offender_id"] for row in rows)})
    people = [{"offender_id": name, "sex": "male", **person} for name in ids]
    held = [{"offender_id": "A", **row} for row in spells]
    return engine({"offenders": people, "disposals": rows, "prison_spells": held})


def engine(tables: dict[str, list[Row]]) -> duckdb.DuckDBPyConnection:
    """Open an engine on tables of the contract; there are no offences to look at."""
    con = duckdb.connect(config={"threads": 1})
    for name, rows in tables.items():
        schema = SCHEMAS[name]
        dates = {field.name for field in schema if field.type == "date32"}
        plain = [
            {key: _day(row.get(key)) if key in dates else row.get(key) for key in schema.names}
            for row in rows
        ]
        con.register("written", pa.Table.from_pylist(plain, schema))
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM written")
    return keep_names(con)


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text)


def upload(*rows: Row) -> pd.DataFrame:
    """An upload, one row a participation."""
    dates = ("index_date", "conviction_date", "intervention_start", "intervention_end")
    frame = pd.DataFrame(
        [
            {"row": place, "source": "r", "setting": None, "participation": "started"}
            | dict.fromkeys(dates)
            | row
            for place, row in enumerate(rows, start=2)
        ]
    )
    return frame.assign(**{name: pd.to_datetime(frame[name]) for name in dates})


def links(people: pd.DataFrame, offenders: list[str | None] | None = None) -> pd.DataFrame:
    """Each row another person, by default A; missing is not found."""
    found = offenders or ["A"] * len(people)
    decisions = ["linked" if offender else "not found" for offender in found]
    return people[["row", "source"]].assign(
        person=range(len(people)), offender_id=found, decision=decisions
    )


def locate(con: Any, people: pd.DataFrame, linked: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """Locate with the notebook's windows, but for changes."""
    chosen = WINDOWS | {"sex": "all", "region": None} | changes
    return sentence.locate(con, VINTAGE, people, linked, **chosen)


def place(con: Any, start: str | None = None, **row: Any) -> pd.Series:
    """Locate one participation of A."""
    changes = {key: row.pop(key) for key in ("cautions", "open_order_days") if key in row}
    people = upload({"intervention_start": start, **row})
    return locate(con, people, links(people), **changes).iloc[0]


def shown(found: pd.Series) -> tuple[Any, Any, Any]:
    """The disposal, the index date and the reason, in plain values."""
    day = found["index_date"]
    plain = None if pd.isna(day) else str(day.date())
    named = None if pd.isna(found["disposal_id"]) else found["disposal_id"]
    return named, plain, found["reason"]


# ------------------------------------------------------------------------------------- in custody

SERVED = custody("S", "2009-01-10", "2009-09-20", sentence_days=500)


@pytest.mark.parametrize(
    ("start", "rule"),
    [
        ("2009-01-10", "in custody"),
        ("2009-05-01", "in custody"),
        ("2009-09-20", "in custody"),
        ("2009-09-21", "released shortly before start"),
        ("2009-10-04", "released shortly before start"),
        ("2008-12-27", "custody begun shortly after start"),
    ],
)
def test_the_stay_that_contains_the_start_ends_at_the_index_date(start, rule):
    found = place(records(SERVED), start)
    assert shown(found) == ("S", "2009-09-20", None)
    assert (found["rule"], found["fitting"]) == (rule, 1)


@pytest.mark.parametrize("start", ["2008-12-26", "2009-10-05"])
def test_a_start_outside_the_window_finds_no_sentence(start):
    assert shown(place(records(SERVED), start)) == (None, None, sentence.NO_SENTENCE)


def test_a_release_before_the_start_is_taken_before_custody_that_begins_after_it():
    con = records(SERVED, custody("T", "2009-10-03", "2009-12-01"))
    assert shown(place(con, "2009-10-02")) == ("S", "2009-09-20", None)


@pytest.mark.parametrize("linked", ["S", None])
def test_remand_counts_as_time_served(linked):
    on_remand = spell("remand", "2008-06-01", "2009-01-10", disposal_id=linked)
    assert shown(place(records(SERVED, spells=(on_remand,)), "2008-07-01"))[0] == "S"
    assert shown(place(records(SERVED), "2008-07-01"))[0] is None


@pytest.mark.parametrize("setting", ["custody", "through the gate"])
def test_remand_that_led_to_no_custody_is_no_sentence_nor_a_time_outside(setting):
    con = records(SERVED, spells=(spell("remand", "2009-10-01", "2009-12-01"),))
    found = place(con, "2009-10-02", setting=setting)
    assert shown(found) == (None, None, sentence.NO_SENTENCE)
    assert found["rule"] == "on remand"


@pytest.mark.parametrize(
    "second",
    [
        custody("T", "2009-05-01", "2010-03-01"),
        custody("T", "2009-09-20", "2010-03-01"),
        custody("T", "2009-09-21", "2010-03-01"),
        custody("T", "2008-11-01", "2010-03-01"),
    ],
    ids=["overlapping", "from the day of release", "from the next day", "around it"],
)
def test_sentences_served_together_end_at_the_only_release(second):
    con = records(SERVED, second)
    for start in ("2009-01-20", "2009-09-20", "2010-02-01"):
        assert shown(place(con, start)) == ("T", "2010-03-01", None)
    assert place(con, "2009-01-20")["fitting"] == 1
    by_date = place(con, conviction_date="2009-01-10", setting="community")
    assert shown(by_date) == ("T", "2010-03-01", None)
    listed = con.execute(sentence.eligible(VINTAGE)).df().set_index("disposal_id")
    assert list(listed.index) == ["T"]
    first = min(second["custody_start"], "2009-01-10")
    assert str(listed.loc["T", "custody_start"].date()) == first


def test_the_region_is_that_of_the_index_disposal():
    con = records(
        SERVED | {"region": "london"}, custody("T", "2009-05-01", "2010-03-01", region="wales")
    )
    people = upload({"conviction_date": "2009-01-10"})
    for region, reason in (("wales", None), ("london", sentence.NOT_COVERED)):
        assert locate(con, people, links(people), region=region)["reason"].tolist() == [reason]


def test_a_day_outside_parts_two_stays():
    con = records(SERVED, custody("T", "2009-09-22", "2010-03-01"))
    assert shown(place(con, "2009-05-01")) == ("S", "2009-09-20", None)
    assert len(con.execute(sentence.eligible(VINTAGE)).fetchall()) == 2


def test_of_sentences_that_end_together_the_longest_is_the_index_disposal():
    shorter = custody("A1", "2009-02-01", "2009-09-20", sentence_days=60)
    assert shown(place(records(shorter, SERVED), "2009-05-01"))[0] == "S"


def test_nobody_is_released_who_stays_inside_for_something_else():
    inside = (spell("remand", "2009-09-01", "2009-11-15"),)
    assert shown(place(records(SERVED, spells=inside), "2009-05-01"))[1] == "2009-11-15"


def test_without_a_release_there_is_no_follow_up():
    con = records(custody("S", "2012-01-10", None, sentence_days=3000))
    assert shown(place(con, "2012-05-01")) == ("S", None, sentence.NO_RELEASE)


def test_a_release_that_was_never_recorded_does_not_hold_a_person_for_ever():
    lost = custody("L", "2003-01-10", None, sentence_days=100)
    assert shown(place(records(lost), "2009-05-01")) == (None, None, sentence.NO_SENTENCE)
    assert shown(place(records(lost, SERVED), "2009-05-01")) == ("S", "2009-09-20", None)


def test_a_sentence_still_being_served_outlasts_another_ones_release():
    con = records(SERVED, custody("L", "2009-03-01", None, sentence_days=4000))
    assert shown(place(con, "2009-02-01")) == ("L", None, sentence.NO_RELEASE)
    assert con.execute(sentence.eligible(VINTAGE)).fetchall() == []


@pytest.mark.parametrize(
    "wrong",
    [
        custody("W", "2009-05-01", "2009-02-01"),
        custody("W", "2009-02-01", "2009-04-01", conviction_date="2009-05-01"),
    ],
)
def test_dates_that_contradict_each_other_have_their_own_reason(wrong):
    con = records(wrong)
    assert shown(place(con, "2009-03-01"))[2] == sentence.CONTRADICTORY
    assert con.execute(sentence.eligible(VINTAGE)).fetchall() == []
    assert shown(place(records(wrong, SERVED), "2009-03-01")) == ("S", "2009-09-20", None)


# ------------------------------------------------------------------------------------- recalled


@pytest.mark.parametrize("linked", ["S", None])
@pytest.mark.parametrize("setting", ["custody", "through the gate"])
def test_a_recall_belongs_to_the_recalled_sentence_and_starts_no_follow_up(linked, setting):
    back = spell("recall", "2010-02-01", "2010-04-01", disposal_id=linked)
    con = records(custody("R", "2007-01-01", "2007-06-01"), SERVED, spells=(back,))
    found = place(con, "2010-03-01", setting=setting)
    assert shown(found) == ("S", "2010-04-01", sentence.ON_RECALL)
    assert found["rule"] == "on recall"
    by_date = place(con, "2010-03-01", conviction_date="2009-01-10", setting=setting)
    assert by_date["reason"] == sentence.ON_RECALL
    listed = con.execute(sentence.eligible(VINTAGE)).df().set_index("disposal_id")
    assert str(listed.loc["S", "index_date"].date()) == "2009-09-20"


def test_a_later_recall_does_not_move_the_index_date():
    back = spell("recall", "2009-10-01", "2009-12-01", disposal_id="S")
    con = records(SERVED, spells=(back,))
    assert shown(place(con, "2009-05-01")) == ("S", "2009-09-20", None)
    after = place(con, "2009-12-20", setting="through the gate")
    assert shown(after) == ("S", "2009-09-20", None)


def test_a_new_sentence_during_a_recall_ends_with_the_recall():
    back = spell("recall", "2010-02-01", "2010-08-01", disposal_id="S")
    con = records(SERVED, custody("N", "2010-03-01", "2010-05-01"), spells=(back,))
    assert shown(place(con, "2010-04-01")) == ("N", "2010-08-01", None)


def test_a_recall_without_an_end_lasts_to_the_end_of_the_sentence_at_most():
    back = spell("recall", "2010-02-01", None, disposal_id="S")
    con = records(SERVED, spells=(back,))
    assert shown(place(con, "2010-05-01")) == ("S", None, sentence.ON_RECALL)
    assert shown(place(con, "2010-06-01"))[2] == sentence.NO_SENTENCE


# --------------------------------------------------------------------------------- in the community


@pytest.mark.parametrize(
    ("start", "disposal", "rule"),
    [
        ("2009-01-01", "O", "order in force"),
        ("2009-12-31", "O", "order in force"),
        ("2008-12-31", "O", "order begun after start"),
        ("2008-12-04", "O", "order begun after start"),
        ("2008-12-03", None, None),
        ("2010-01-01", None, None),
    ],
)
def test_the_order_in_force_or_begun_soon(start, disposal, rule):
    found = place(records(order("O", "2009-01-01", "2009-12-31")), start, setting="community")
    assert shown(found)[0] == disposal
    assert (None if pd.isna(found["rule"]) else found["rule"]) == rule


def test_of_several_orders_in_force_the_latest_begun_is_taken():
    con = records(order("O", "2009-01-01", "2010-06-01"), order("P", "2009-05-01", "2009-12-01"))
    found = place(con, "2009-06-01", setting="community")
    assert (shown(found)[0], found["fitting"]) == ("P", 2)
    assert shown(place(con, "2010-01-15", setting="community"))[:2] == ("O", "2009-01-01")


def test_an_order_made_after_the_start_never_replaces_the_one_in_force():
    con = records(order("O", "2009-01-01", "2010-06-01"), order("P", "2009-06-02", "2010-06-01"))
    assert shown(place(con, "2009-06-01", setting="community"))[:2] == ("O", "2009-01-01")


def test_of_orders_begun_after_the_start_the_first_is_taken():
    con = records(order("P", "2009-06-20"), order("O", "2009-06-10"))
    assert shown(place(con, "2009-06-01", setting="community"))[:2] == ("O", "2009-06-10")


@pytest.mark.parametrize("end", [None, "2008-01-01"])
def test_an_order_without_a_sound_end_runs_for_the_stated_days(end):
    con = records(order("O", "2009-01-01", end))
    assert shown(place(con, "2009-11-01", setting="community"))[0] == "O"
    found = place(con, "2009-11-01", setting="community", open_order_days=180)
    assert shown(found)[2] == sentence.NO_SENTENCE


def test_custody_is_no_order_and_an_order_no_custody():
    con = records(SERVED, order("O", "2011-01-01", "2011-12-31"))
    assert shown(place(con, "2009-05-01", setting="community"))[0] is None
    assert shown(place(con, "2011-05-01", setting="custody"))[0] is None
    suspended = order("O", "2011-01-01", "2011-12-31", disposal="suspended sentence")
    assert shown(place(records(suspended), "2011-05-01", setting="community"))[0] == "O"


# --------------------------------------------------------------------------------- through the gate


@pytest.mark.parametrize(
    ("start", "disposal", "rule"),
    [
        ("2009-09-20", "S", "in custody"),
        ("2009-05-01", "S", "in custody"),
        ("2009-09-21", "S", "release before start"),
        ("2010-03-22", "S", "release before start"),
        ("2010-03-23", None, None),
        ("2009-01-09", None, None),
    ],
)
def test_the_release_in_the_window_before_the_start(start, disposal, rule):
    found = place(records(SERVED), start, setting="through the gate")
    assert shown(found)[0] == disposal
    assert (None if pd.isna(found["rule"]) else found["rule"]) == rule


def test_of_two_releases_in_the_window_the_last_is_taken():
    con = records(SERVED, custody("T", "2009-11-01", "2009-12-01"))
    found = place(con, "2010-01-10", setting="through the gate")
    assert shown(found)[:2] == ("T", "2009-12-01")
    assert found["fitting"] == 2


def test_custody_that_begins_after_the_start_is_no_release_before_it():
    con = records(SERVED, custody("T", "2009-11-01", "2009-12-01"))
    found = place(con, "2009-10-25", setting="through the gate")
    assert shown(found)[:2] == ("S", "2009-09-20")


# ---------------------------------------------------------------------------------- dates given


def test_a_given_date_decides_before_the_setting():
    con = records(SERVED, order("O", "2008-01-10", "2009-12-31"))
    assert shown(place(con, "2009-05-01", index_date="2008-01-17"))[0] == "O"
    assert shown(place(con, "2009-05-01", index_date="2008-01-18"))[0] == "S"
    assert shown(place(con, index_date="2009-09-13"))[0] == "S"


def test_a_given_date_of_conviction_may_be_the_date_of_sentencing():
    con = records(order("O", "2009-01-01", "2009-12-31", sentence_date="2009-01-29"))
    for day in ("2009-01-03", "2009-01-29"):
        found = place(con, conviction_date=day)
        assert (shown(found)[:2], found["rule"]) == (("O", "2009-01-29"), "conviction date")


def test_of_sentences_of_the_given_date_the_one_that_agrees_with_the_rest_is_taken():
    con = records(custody("S", "2009-01-03", "2009-09-20"), order("O", "2009-01-01", "2009-12-31"))
    day = {"conviction_date": "2009-01-01"}
    assert shown(place(con, "2009-05-01", **day, setting="custody"))[0] == "S"
    assert shown(place(con, "2009-05-01", **day, setting="community"))[0] == "O"
    assert shown(place(con, **day, setting="custody"))[0] == "S"
    assert shown(place(con, **day, setting="community"))[0] == "O"
    assert shown(place(con, **day, index_date="2009-01-01", setting="custody"))[0] == "O"


def test_a_sentence_of_both_given_dates_is_taken_before_a_nearer_one():
    con = records(
        order("O", "2009-01-05"),
        order("P", "2008-12-01", sentence_date="2009-01-09"),
    )
    given = {"index_date": "2009-01-06", "conviction_date": "2008-12-01"}
    assert shown(place(con, **given, setting="community")) == ("P", "2009-01-09", None)


def test_the_nearest_of_two_dates_is_taken():
    con = records(order("O", "2009-01-01"), order("P", "2009-01-09"))
    assert shown(place(con, index_date="2009-01-06", setting="community"))[0] == "P"
    assert place(con, index_date="2009-01-06", setting="community")["fitting"] == 2


def test_an_end_stands_in_for_a_missing_start():
    found = place(records(SERVED), intervention_end="2009-05-01")
    assert shown(found) == ("S", "2009-09-20", None)


@pytest.mark.parametrize("offender", ["A", None])
def test_without_any_date_there_is_a_reason_of_its_own(offender):
    people = upload({})
    found = locate(records(SERVED), people, links(people, [offender])).iloc[0]
    assert shown(found) == (None, None, sentence.NO_DATE)


@pytest.mark.parametrize("disposal", ["fine", "discharge", "other", "caution"])
def test_a_sentence_of_a_kind_that_is_not_followed_up(disposal):
    lesser = order("F", "2009-05-03", disposal=disposal)
    given = {"conviction_date": "2009-05-01"}
    assert shown(place(records(lesser), **given)) == ("F", "2009-05-03", sentence.OTHER_KIND)
    assert shown(place(records(lesser, SERVED), "2009-05-01", **given))[0] == "S"
    asked = place(records(lesser), **given, cautions=True)["reason"]
    assert asked == (None if disposal == "caution" else sentence.OTHER_KIND)


# ------------------------------------------------------------------------------- the index date


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        ("2001-12-31", sentence.TOO_EARLY),
        ("2002-01-01", None),
        ("2011-12-31", None),
        ("2012-01-01", sentence.TOO_LATE),
    ],
)
def test_the_index_date_lies_in_the_years_that_are_followed_up(release, reason):
    con = records(custody("S", "2000-01-01", release))
    assert place(con, "2001-06-01")["reason"] == reason
    listed = [row[0] for row in con.execute(sentence.eligible(VINTAGE)).fetchall()]
    assert listed == ([] if reason else ["S"])


def test_who_died_before_the_index_date_has_no_follow_up():
    for died, reason in (("2009-09-19", sentence.DIED), ("2009-09-20", None)):
        con = records(SERVED, died_on=died)
        assert place(con, "2009-05-01")["reason"] == reason
        assert len(con.execute(sentence.eligible(VINTAGE)).fetchall()) == (reason is None)
    inside = records(custody("S", "2009-01-10", None, sentence_days=900), died_on="2009-07-01")
    assert place(inside, "2009-05-01")["reason"] == sentence.DIED


@pytest.mark.parametrize(
    ("start", "reason"), [("2010-01-01", None), ("2010-01-02", sentence.AFTER_FOLLOW_UP)]
)
def test_an_intervention_after_the_year_of_follow_up_is_not_judged_by_it(start, reason):
    con = records(order("O", "2009-01-01", "2011-12-31"))
    assert place(con, start, setting="community")["reason"] == reason


def test_whom_the_analysis_covers():
    people = upload({"intervention_start": "2009-05-01"})
    con = records(SERVED | {"region": "wales"})
    for changes, reason in (
        ({"sex": "male"}, None),
        ({"sex": "female"}, sentence.NOT_COVERED),
        ({"region": "wales"}, None),
        ({"region": "london"}, sentence.NOT_COVERED),
    ):
        assert locate(con, people, links(people), **changes)["reason"].tolist() == [reason]


# --------------------------------------------------------------------- people, rules and the funnel


def test_of_several_participations_the_earliest_with_an_eligible_sentence_counts():
    con = records(SERVED, custody("T", "2010-11-01", "2010-12-01"))
    days = ("2010-11-10", "2009-05-01", "1999-01-01", "2009-06-01")
    people = upload(*({"intervention_start": day} for day in days))
    same = links(people).assign(person=1, decision=["linked", *["duplicate"] * 3])
    same.loc[1:, "offender_id"] = None
    found = locate(con, people, same)
    assert found["reason"].tolist() == [sentence.DUPLICATE, None, *[sentence.DUPLICATE] * 2]
    assert found["disposal_id"].iloc[1] == "S"


def test_the_rules_that_placed_people_are_counted():
    con = records(
        order("O", "2009-01-01", "2010-06-01"), order("P", "2009-05-01", "2009-12-01"), SERVED
    )
    people = upload(
        {"intervention_start": "2009-06-01", "setting": "community"},
        {"intervention_start": "2010-01-01", "setting": "community"},
        {"intervention_start": "2009-06-01"},
        {"index_date": "2009-05-01"},
        {"intervention_start": "1999-06-01"},
    )
    counted = sentence.rules(locate(con, people, links(people)))
    assert counted.values.tolist() == [
        ["index date", 1, 0],
        ["in custody", 1, 0],
        ["order in force", 2, 1],
    ]
    nobody = sentence.rules(locate(con, people.iloc[4:], links(people).iloc[4:]))
    assert nobody.empty
    assert list(nobody.columns) == ["rule", "people", "several"]


# -------------------------------------------------------------------------------- random records

FIRST, LAST = np.datetime64("2000-06-01"), np.datetime64("2013-06-30")


def _days(rng: np.random.Generator, n: int, missing: float = 0.0) -> list[Any]:
    days = FIRST + rng.integers(0, int((LAST - FIRST).astype(int)), n)
    gone = rng.random(n) < missing
    return [None if missed else str(day) for day, missed in zip(days, gone, strict=True)]


def _later(rng: np.random.Generator, day: str, most: int) -> str:
    return str(np.datetime64(day) + int(rng.integers(0, most)))


def _random_disposal(rng: np.random.Generator, name: str, offender: str, day: str) -> Row:
    kind = str(rng.choice(national.DISPOSALS, p=[0.45, 0.1, 0.2, 0.05, 0.1, 0.05, 0.05]))
    row: Row = {
        "disposal_id": name,
        "offender_id": offender,
        "disposal": kind,
        "conviction_date": day,
        "offence_group": "theft",
        "sentence_date": _later(rng, day, 30) if rng.random() < 0.8 else None,
        "region": "wales",
    }
    if kind == "custody":
        begun = day if rng.random() < 0.7 else str(np.datetime64(day) - int(rng.integers(90)))
        row["custody_start"] = begun if rng.random() < 0.9 else None
        row["release_date"] = _later(rng, day, 500) if rng.random() < 0.9 else None
        row["sentence_days"] = int(rng.integers(10, 1000)) if rng.random() < 0.9 else None
        if rng.random() < 0.05:
            row["release_date"] = str(np.datetime64(begun) - 10)
    elif kind in sentence.ORDERS:
        end = str(np.datetime64(day) + int(rng.integers(60, 700)))
        row["order_end"] = end if rng.random() < 0.8 else None
    return row


def random_tables(seed: int) -> dict[str, list[Row]]:
    """Six people with records of every kind, sound and unsound."""
    rng = np.random.default_rng(seed)
    offenders = [f"P{k}" for k in range(6)]
    disposals, spells = [], []
    for offender in offenders:
        many = int(rng.integers(0, 6))
        for k, day in enumerate(sorted(_days(rng, many))):
            disposals.append(_random_disposal(rng, f"{offender}-{k}", offender, day))
        for day in _days(rng, int(rng.integers(0, 3))):
            end = _later(rng, day, 120) if rng.random() < 0.9 else None
            named = f"{offender}-0" if many and rng.random() < 0.5 else None
            kind = str(rng.choice(["remand", "recall", "sentence"]))
            spells.append(spell(kind, day, end, offender_id=offender, disposal_id=named))
    people = [
        {
            "offender_id": offender,
            "sex": str(rng.choice(["male", "female"])),
            "died_on": _days(rng, 1, missing=0.9)[0],
        }
        for offender in offenders
    ]
    return {"offenders": people, "disposals": disposals, "prison_spells": spells}


def random_upload(seed: int, tables: dict[str, list[Row]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows near the dates of the records, for people of the register and others."""
    rng = np.random.default_rng([seed, 1])
    known = [
        row[key]
        for row in tables["disposals"]
        for key in ("conviction_date", "release_date")
        if row.get(key)
    ] or ["2008-01-01"]

    def near(missing: float) -> str | None:
        day = np.datetime64(str(rng.choice(known))) + int(rng.integers(-40, 40))
        return None if rng.random() < missing else str(min(day, LAST))

    people = upload(
        *(
            {
                "intervention_start": near(0.2),
                "intervention_end": near(0.5),
                "index_date": near(0.8),
                "conviction_date": near(0.8),
                "participation": str(rng.choice(["started", "completed", "refused"])),
                "setting": str(rng.choice(["custody", "community", "through the gate"])),
            }
            for _ in range(12)
        )
    )
    offender = rng.choice([None, *(f"P{k}" for k in range(6))], 12)
    person = pd.factorize(offender, use_na_sentinel=False)[0]
    linked = links(people, list(offender)).assign(person=person)
    again = linked.duplicated("person")
    return people, linked.assign(
        decision=linked["decision"].mask(again, "duplicate"),
        offender_id=linked["offender_id"].mask(again, None),
    )


def by_row(found: pd.DataFrame) -> pd.DataFrame:
    """What was found, by upload row, whatever the order in which it came."""
    return found.sort_values("row", ignore_index=True)


SEEDS = st.integers(0, 10**6)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_every_row_has_one_outcome_and_the_sum_is_exact(seed):
    tables = random_tables(seed)
    people, linked = random_upload(seed, tables)
    con = engine(tables)
    found = locate(con, people, linked, sex="male")
    assert found[["row", "source"]].equals(people[["row", "source"]])
    assert set(found["reason"].dropna()) <= set(sentence.REASONS)
    funnel = sentence.funnel(found)
    assert funnel["removed"].sum() + funnel["remaining"].iloc[-1] == len(people)
    stay = found.loc[found["reason"].isna()]
    assert funnel["remaining"].iloc[-1] == len(stay) == sentence.rules(found)["people"].sum()
    assert not stay["person"].duplicated().any()
    listed = con.execute(sentence.eligible(VINTAGE)).df().set_index("disposal_id")
    assert not listed.index.duplicated().any()
    same = listed.reindex(stay["disposal_id"])
    assert same["index_date"].tolist() == stay["index_date"].tolist()
    assert same["offender_id"].tolist() == stay["offender_id"].tolist()
    assert not (same["index_date"] < same["conviction_date"]).any()


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_order_of_rows_moves_nothing(seed):
    tables = random_tables(seed)
    people, linked = random_upload(seed, tables)
    mixed = {name: list(reversed(rows)) for name, rows in tables.items()}
    people["reference"] = None
    found = locate(engine(tables), by_content(people), linked)
    shuffled, mixed_links = (frame.sample(frac=1, random_state=seed) for frame in (people, linked))
    again = locate(engine(mixed), by_content(shuffled), mixed_links)
    pd.testing.assert_frame_equal(by_row(again), by_row(found))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_nothing_after_the_start_and_the_index_date_moves_an_index_date(seed):
    tables = random_tables(seed)
    people = random_upload(seed, tables)[0].assign(
        index_date=pd.NaT, conviction_date=pd.NaT, participation="started"
    )
    offenders = [f"Q{k}" for k in range(len(people))]
    copies: dict[str, list[Row]] = {name: [] for name in tables}
    for name, new in itertools.product(tables, offenders):
        for row in tables[name]:
            if row["offender_id"] == "P0":
                named = f"{new}{row['disposal_id'][2:]}" if row.get("disposal_id") else None
                copies[name].append(row | {"offender_id": new, "disposal_id": named})
    each = links(people, offenders)
    before = locate(engine(copies), people, each)
    rng = np.random.default_rng([seed, 2])
    start = people["intervention_start"].fillna(people["intervention_end"])
    for new, index_date, begun in zip(offenders, before["index_date"], start, strict=True):
        if pd.notna(index_date):
            day = str(max(index_date, begun).date() + dt.timedelta(days=2))
            later = _random_disposal(rng, f"{new}-later", new, day) | {"custody_start": day}
            copies["disposals"].append(later)
    after = locate(engine(copies), people, each)
    dated = before["index_date"].notna() & before["reason"].ne(sentence.CONTRADICTORY)
    kept = before.columns.drop("fitting")
    pd.testing.assert_frame_equal(after.loc[dated, kept], before.loc[dated, kept])


# --------------------------------------------------------------------- against the planted truth


def _true_links(people: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    rows = people[["row", "source"]].merge(truth[["row", "offender_id"]], on="row")
    rows["person"] = pd.factorize(rows["offender_id"].fillna(rows["row"].astype("str")))[0]
    again = rows.duplicated("person")
    decision = rows["offender_id"].notna().map({True: "linked", False: "not found"})
    first = rows["offender_id"].mask(again, None)
    return rows.assign(decision=decision.mask(again, "duplicate"), offender_id=first)


def test_the_sentence_is_the_generators_own(synthetic_out):
    truth = pd.read_parquet(synthetic_out / "truth/person_links.parquet")
    vintage = national.open_vintage(synthetic_out)
    placed = []
    with vintage.connect() as con:
        keep_names(con)
        for folder in request.request_folders(synthetic_out / "requests"):
            asked = request.read_request(folder)
            people = request.read_upload(asked).people
            planted = truth.loc[truth["request"] == asked.id]
            found = sentence.locate(
                con, vintage, people, _true_links(people, planted),
                **WINDOWS | {"setting": asked.setting}, sex=asked.sex, region=asked.region,
            )  # fmt: skip
            planted = planted.rename(columns={"disposal_id": "planted"})
            placed.append(found.merge(planted[["row", "planted", "role"]], on="row"))
    rows = pd.concat(placed)
    rows = rows.loc[rows["reason"] != sentence.DUPLICATE]
    treated = rows.loc[rows["role"] == "treated"]
    right = treated["disposal_id"] == treated["planted"]
    assert len(treated) > 2000
    assert right.mean() >= 0.995
    assert right[treated["reason"].isna()].mean() >= 0.995
    passing = rows.loc[rows["role"] == "no sentence"]
    assert passing["reason"].eq(sentence.NO_SENTENCE).mean() >= 0.995


# ------------------------------------------------------------------------------- corroboration


def prepare(con: Any) -> None:
    """Make what is prepared once per vintage."""
    for name, sql in sentence.PREPARED.items():
        con.execute(f"CREATE OR REPLACE TABLE {name} AS {sql}")


def corroborate(con: Any, people: pd.DataFrame, pairs: list[Any], **changes: Any) -> pd.DataFrame:
    """Corroborate pairs of row number and offender, each row a person of its own."""
    prepare(con)
    rows = people[["row", "source"]].assign(person=people["row"])
    frame = pd.DataFrame(pairs, columns=["person", "offender_id"])
    return sentence.corroboration(con, VINTAGE, people, rows, frame, **WINDOWS | changes)


def test_a_candidate_fits_who_served_a_sentence_of_the_setting_at_the_time():
    con = records(
        SERVED,
        order("O", "2009-01-01", "2009-12-31", offender_id="B"),
        order("F", "2009-05-01", offender_id="C", disposal="fine"),
    )
    people = upload(
        {"intervention_start": "2009-05-01"},
        {"intervention_start": "2009-05-01", "setting": "community"},
        {"intervention_start": "2009-05-01", "conviction_date": "2009-05-01"},
        {},
        {"intervention_start": "2019-05-01"},
        {"intervention_start": "1969-05-01"},
    )
    pairs = [(row, offender) for row in people["row"] for offender in "CBA"]
    found = corroborate(con, people, pairs)
    assert found[["person", "offender_id"]].apply(tuple, axis=1).tolist() == pairs
    assert found["fits"].iloc[:9].tolist() == [
        False, False, True, False, True, False, False, False, True,
    ]  # fmt: skip
    assert found["chance"].iloc[:6].round(6).tolist() == [round(1 / 3, 6)] * 6
    assert found["fits"].iloc[9:].isna().all()
    assert found["chance"].iloc[9:].isna().all()


def test_a_person_fits_by_any_participation():
    con = records(SERVED, custody("T", "2011-01-01", "2011-06-01", offender_id="B"))
    prepare(con)
    people = upload({"intervention_start": "2009-05-01"}, {"intervention_start": "2011-05-01"})
    rows = people[["row", "source"]].assign(person=1)
    pairs = pd.DataFrame({"person": 1, "offender_id": ["A", "B", "C"]})
    found = sentence.corroboration(con, VINTAGE, people, rows, pairs, **WINDOWS)
    assert found["fits"].tolist() == [True, True, False]
    assert found["chance"].tolist() == [1 - 0.5 * 0.5] * 3
    twice = pd.concat([people, people.assign(row=people["row"] + 10)])
    rows = twice[["row", "source"]].assign(person=1)
    again = sentence.corroboration(con, VINTAGE, twice, rows, pairs, **WINDOWS)
    pd.testing.assert_frame_equal(again, found)


def test_dates_after_the_last_convictions_corroborate_nothing():
    con = records(custody("S", "2013-01-01", None, sentence_days=2000))
    people = upload({"intervention_start": "2013-06-30"}, {"intervention_start": "2013-07-01"})
    found = corroborate(con, people, [(row, "A") for row in people["row"]])
    assert found["fits"].astype(object).where(found["fits"].notna(), None).tolist() == [True, None]


def test_cautions_corroborate_where_they_can_start_a_follow_up():
    warned = order("C", "2009-05-01", offender_id="B", disposal="caution")
    con = records(order("O", "2009-05-01"), warned)
    people = upload({"index_date": "2009-05-01"})
    pairs = [(2, "A"), (2, "B")]
    without = corroborate(con, people, pairs)
    assert (without["fits"].tolist(), without["chance"].tolist()) == ([True, False], [0.5, 0.5])
    asked = corroborate(con, people, pairs, cautions=True)
    assert (asked["fits"].tolist(), asked["chance"].tolist()) == ([True, True], [1.0, 1.0])


def test_nobody_to_corroborate():
    con = records(SERVED)
    people = upload({"intervention_start": "2009-05-01"})
    assert corroborate(con, people, []).empty
    assert corroborate(con, people.iloc[:0], [(2, "A")])["fits"].isna().all()
    assert corroborate(records(), people, [(2, "A")])["fits"].isna().all()


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_who_fits_is_who_would_be_located_and_chance_is_their_share(seed):
    tables = random_tables(seed)
    people = random_upload(seed, tables)[0].assign(participation="started")
    con = engine(tables)
    offenders = [f"P{k}" for k in range(6)]
    each = people.merge(pd.DataFrame({"offender_id": offenders}), how="cross")
    found = corroborate(con, people, each[["row", "offender_id"]].values.tolist())
    alone = each.drop(columns="offender_id").assign(row=each.index)
    located = locate(con, alone, links(alone, each["offender_id"].tolist()))
    told = located["rule"].ne("on remand")
    neither = located["reason"].isin([sentence.OTHER_KIND, sentence.CONTRADICTORY])
    expected = located["disposal_id"].notna() & ~neither
    assert found["fits"].fillna(False)[told].tolist() == expected[told].tolist()
    by_setting = each[["index_date", "conviction_date"]].isna().all(axis=1) & found["fits"].notna()
    shares = found.loc[by_setting].astype({"fits": "float64"}).groupby("person")
    assert (shares["fits"].mean() <= shares["chance"].max() + 1e-9).all()


def test_chance_is_the_share_of_the_register(synthetic_out):
    vintage = national.open_vintage(synthetic_out)
    asked = request.read_request(synthetic_out / "requests/harbour-mentoring")
    people = request.read_upload(asked).people.sort_values("row", ignore_index=True).head(60)
    half = people.assign(setting=np.where(people["row"] % 2, "custody", "community"))
    rows = half[["row", "source"]].assign(person=half["row"])
    with vintage.connect() as con:
        prepare(con)
        drawn = con.execute("SELECT offender_id FROM offenders WHERE offender_id LIKE '%7'").df()
        pairs = rows[["person"]].merge(drawn, how="cross")
        found = sentence.corroboration(con, vintage, half, rows, pairs, **WINDOWS)
    for _, part in found.groupby(found["person"] % 2):
        assert part["chance"].mean() == pytest.approx(part["fits"].mean(), rel=0.1)
