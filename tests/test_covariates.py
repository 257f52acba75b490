"""Matching variables and the comparison pool, on records made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from by_hand import Row, assessment, custody, engine, offence, order, spell, vintage

from jdl import covariates, sentence
from jdl.national import NEEDS

SENTENCED = custody("S", "2009-09-01", "2009-09-01", "2010-03-01")
REMANDED = custody("S", "2009-09-01", "2009-06-01", "2010-03-01")


def variables(name: str = "S", **tables: Any) -> pd.Series:
    """The variables of one disposal."""
    found = engine(**tables).execute("SELECT * FROM index_disposals").df()
    return covariates.derive(found).set_index("disposal_id").loc[name]


# --------------------------------------------------------------------------------- definitions


def test_every_variable_has_a_definition():
    judged = {*covariates.compared(oasys=True), *covariates.PROFILE}
    assert judged | {"days_to_start"} == set(covariates.DEFINITIONS)
    assert all(all(definition) for definition in covariates.DEFINITIONS.values())
    labels = list(covariates.LABELS.values())
    assert len(labels) == len(set(labels))


def test_every_variable_is_made_and_has_no_gap():
    con = engine(
        disposals=[SENTENCED, order("B1", "2008-05-01", "B")],
        offenders=[{"offender_id": "B", "sex": None, "date_of_birth": None}],
        oasys=[assessment("2009-08-01")],
    )
    frame = covariates.derive(con.execute("SELECT * FROM index_disposals").df())
    assert set(covariates.DEFINITIONS) - {"days_to_start"} <= set(frame.columns)
    always = [*covariates.compared(oasys=False), *covariates.PROFILE]
    assert not frame[always].isna().any().any()


# ------------------------------------------------------------------------------ criminal history


def test_convictions_cautions_and_custody_count_by_recency():
    before = [
        order("O1", "2000-01-10"),
        order("O2", "2005-01-10"),
        order("O3", "2009-08-31"),
        order("C1", "2004-08-31", disposal="caution"),
        order("C2", "2008-09-01", disposal="caution"),
        custody("P1", "2006-01-10", "2006-01-10", "2006-02-10"),
        custody("P2", "2008-08-31", "2008-08-31", "2008-10-01"),
    ]
    found = variables(disposals=[*before, SENTENCED, order("L", "2009-09-01")])
    history = {
        "previous_convictions": 5,
        "convictions_last_five_years": 4,
        "convictions_last_year": 1,
        "previous_cautions": 2,
        "cautions_last_five_years": 1,
        "cautions_last_year": 1,
        "previous_custodial_sentences": 2,
        "custodial_sentences_last_five_years": 2,
        "custodial_sentences_last_year": 0,
    }
    assert found[list(history)].to_dict() == history


def test_copas_rate_is_that_of_the_convictions_and_years_before():
    found = variables(disposals=[order("O1", "1999-09-01"), SENTENCED])
    years = (pd.Timestamp("2009-09-01") - pd.Timestamp("1999-09-01")).days / 365.25
    assert found["copas_rate"] == pytest.approx(np.log(2 / (years + 10)), rel=1e-14)


# ------------------------------------------------------------------------------- what can change


@pytest.mark.parametrize(
    ("start", "end", "employed", "days"),
    [
        ("2009-08-22", None, True, 10),
        ("2009-08-22", "2009-09-01", True, 10),
        ("2009-08-22", "2009-08-31", False, 9),
        ("2000-01-01", None, True, 365),
        ("2000-01-01", "2008-09-02", False, 1),
        ("2000-01-01", "2008-09-01", False, 0),
        ("2009-09-01", None, False, 0),
    ],
)
def test_work_is_that_of_the_year_before_the_conviction(start, end, employed, days):
    found = variables(disposals=[SENTENCED], employment=[spell(start, end)])
    assert (found["employed"], found["employed_days"]) == (employed, days)


def test_two_jobs_at_once_are_days_once():
    jobs = [spell("2009-08-01", "2009-08-11"), spell("2009-08-06", "2009-08-16")]
    assert variables(disposals=[SENTENCED], employment=jobs)["employed_days"] == 15


@pytest.mark.parametrize("table", ["employment", "benefits"])
def test_on_remand_work_and_benefits_are_those_before_it(table):
    until_prison = spell("2009-05-22", "2009-06-01")
    found = variables(disposals=[REMANDED], **{table: [until_prison]})
    state, days = (
        ("employed", "employed_days") if table == "employment" else ("on_benefit", "benefit_days")
    )
    assert (found[state], found[days], found["remanded"]) == (True, 10, True)


def test_remand_in_a_spell_of_its_own_counts_too():
    remand = [spell("2009-06-01", "2009-09-01")]
    job = [spell("2009-05-22", "2009-06-01")]
    found = variables(disposals=[SENTENCED], prison_spells=remand, employment=job)
    assert (found["employed"], found["remanded"]) == (True, True)


@pytest.mark.parametrize("day", ["2009-06-02", "2009-09-02", "2010-02-01", "2010-06-01"])
def test_work_found_in_prison_or_later_is_not_seen(day):
    found = variables(disposals=[REMANDED], employment=[spell(day, None)])
    assert (found["employed"], found["employed_days"]) == (False, 0)


def test_the_assessment_is_the_latest_up_to_the_conviction():
    oasys = [
        assessment("2009-07-01", drugs=70),
        assessment("2009-08-30", drugs=60),
        assessment("2009-09-02", drugs=10),
        assessment("2008-08-31", drugs=80),
    ]
    found = variables(disposals=[REMANDED], oasys=oasys)
    assert (found["drugs"], found["assessed"]) == (60, True)
    assert not variables(disposals=[REMANDED], oasys=oasys[2:])["assessed"]


# ------------------------------------------------------------------------------ missing values


def test_what_is_not_recorded_is_seen():
    unborn = [{"offender_id": "A", "date_of_birth": None, "ethnicity": None}]
    bare = SENTENCED | {"sentence_days": None, "custody_start": None}
    other = order("B1", "2008-05-01", "B")
    found = variables(disposals=[bare, other], offenders=unborn)
    assert found["age_band"] == found["sentence_band"] == found["ethnicity"] == "not recorded"
    assert found[["age_missing", "sentence_days_missing", "days_served_missing"]].all()
    assert found["incomplete"]
    plain = variables("B1", disposals=[bare, other], offenders=unborn)
    assert plain["sentence_band"] == "not custody"
    assert not plain[["sentence_days_missing", "days_served_missing", "incomplete"]].any()


def test_what_is_recorded_for_nobody_is_named():
    unborn = [{"offender_id": "A", "date_of_birth": None, "ethnicity": None}]
    bare = SENTENCED | {"sentence_days": None, "custody_start": None}
    alone = variables(disposals=[bare], offenders=unborn).to_frame().T.infer_objects()
    none = covariates.unrecorded(alone)
    assert {"ethnicity", "age", "sentence_days", "days_served"} <= set(none)
    assert not {"sex", "offence_group", "index_year"} & set(none)
    order_only = alone.assign(disposal="community order")
    assert "sentence_days" not in covariates.unrecorded(order_only)
    both = pd.concat([alone, alone.assign(ethnicity="white")])
    assert "ethnicity" not in covariates.unrecorded(both)


@pytest.mark.parametrize(
    ("edges", "missing"),
    [
        ({"employment_from": "2008-09-01"}, False),
        ({"employment_from": "2008-09-02"}, True),
        ({"employment_to": "2009-08-31"}, False),
        ({"employment_to": "2009-08-30"}, True),
    ],
)
def test_work_is_missing_where_the_vintage_does_not_reach(edges, missing):
    job = [spell("2009-01-01", None)]
    found = variables(of=vintage(**edges), disposals=[SENTENCED], employment=job)
    assert (found["employment_missing"], found["incomplete"]) == (missing, missing)
    assert found["employed"] == (not missing)
    assert not found["benefits_missing"]


def test_a_gap_in_an_assessment_is_seen_and_keeps_the_person():
    oasys = [assessment("2009-08-01", **dict.fromkeys(NEEDS, 40)) | {"ogrs": None}]
    others = [assessment("2008-04-01", "B", **dict.fromkeys(NEEDS, 40))]
    both = [SENTENCED, order("B1", "2008-05-01", "B")]
    found = variables(disposals=both, oasys=oasys + others)
    assert found[["assessed", "needs_incomplete"]].all()
    assert found["ogrs"] == 50


# ------------------------------------------------------------------------------------- the pool

TREATED = order("T2", "2009-03-01", "T")
LIVES = [
    order("T1", "2008-01-10", "T"),
    TREATED,
    order("T3", "2010-02-10", "T"),
    order("A1", "2008-06-01", "A"),
    order("A2", "2009-06-01", "A"),
    order("N1", "2009-01-01", "N"),
    order("W1", "2009-01-01", "W"),
    custody("P1", "2009-01-01", "2009-01-01", "2009-03-01", "P"),
    order("E1", "2001-06-01", "E"),
]
FEMALE = [{"offender_id": "W", "sex": "female"}]


def chosen(**more: Any) -> dict[str, Any]:
    """Arguments of `candidates` for T, with N under review."""
    treated = pd.DataFrame(
        {"offender_id": ["T"], "disposal_id": ["T2"], "start": [pd.Timestamp("2009-03-20")]}
    )
    excluded = pd.Series(["T", "N"])
    return {"located": treated, "excluded": excluded, "window_days": 500, "oasys": False} | more


def fetch(con: Any, **more: Any) -> pd.DataFrame:
    return covariates.candidates(con, **chosen(**more)).set_index("disposal_id")


def test_every_eligible_disposal_of_everybody_else_is_a_candidate():
    found = fetch(engine(disposals=LIVES, offenders=FEMALE))
    assert list(found.index) == ["A1", "A2", "T2"]
    assert found["treated"].to_dict() == {"A1": 0, "A2": 0, "T2": 1}
    assert not found["earlier"].any()


def test_the_pool_keeps_to_the_window_and_the_region():
    con = engine(disposals=LIVES, offenders=FEMALE)
    assert list(fetch(con, window_days=92).index) == ["A2", "T2"]
    assert list(fetch(con, window_days=91).index) == ["T2"]
    assert list(fetch(con, region="wales").index) == ["T2"]


def test_untreated_earlier_disposals_may_stay():
    con = engine(disposals=LIVES, offenders=FEMALE)
    found = fetch(con, keep_earlier=chosen()["located"])
    assert list(found.index) == ["A1", "A2", "T1", "T2"]
    assert found["earlier"].to_dict() == {"A1": False, "A2": False, "T1": True, "T2": False}


@pytest.mark.parametrize(
    ("start", "disposal", "kept"),
    [
        ("2008-01-11", "T2", ["T1"]),
        ("2008-01-10", "T2", []),
        ("2010-05-01", "T2", ["T1"]),
        ("2010-05-01", None, ["T1", "T2", "T3"]),
        (None, "T2", []),
    ],
)
def test_only_what_lies_before_intervention_and_treated_sentence_stays(start, disposal, kept):
    con = engine(disposals=[*LIVES, order("O1", "2009-02-01", "O")])
    other = pd.DataFrame({"offender_id": ["O"], "disposal_id": ["O1"]})
    uploaded = pd.DataFrame(
        {"offender_id": ["T"], "disposal_id": [disposal], "start": [pd.Timestamp(start)]}
    )
    treated = chosen()["located"] if disposal else other
    found = fetch(con, located=treated, keep_earlier=uploaded)
    assert list(found.index[found["earlier"]]) == kept


@pytest.mark.parametrize("other", ["2008-01-05", None])
def test_the_first_of_several_interventions_decides_what_is_earlier(other):
    uploaded = pd.DataFrame(
        {
            "offender_id": ["T", "T"],
            "disposal_id": ["T2", None],
            "start": pd.to_datetime(["2009-03-20", other]),
        }
    )
    con = engine(disposals=LIVES)
    assert not fetch(con, keep_earlier=uploaded)["earlier"].any()


def test_the_pool_is_accounted_for():
    con = engine(disposals=LIVES, offenders=FEMALE)
    found = covariates.pool(con, known=pd.Series(["A", "W", "T"]), **chosen())
    assert found == covariates.Pool(
        disposals=2,
        people=1,
        removed_people=2,
        removed_disposals=3,
        removed_share=2 / 3,
        known_people=1,
    )
    kept = chosen(keep_earlier=chosen()["located"])
    again = covariates.pool(con, known=pd.Series(dtype="str"), **kept)
    assert (again.disposals, again.people, again.removed_disposals) == (3, 2, 2)
    assert again.removed_share == found.removed_share


# ------------------------------------------------------------------- interventions begun early


def early(start: str | None) -> pd.DataFrame:
    """T, whose order of 1 March 2009 came after an intervention begun on this day."""
    day = [pd.Timestamp(start)]
    return pd.DataFrame({"offender_id": ["T"], "disposal_id": ["T2"], "start": day})


JOBS = [spell("2009-02-20", None, "T"), spell("2009-05-25", None, "A")]


def work(start: str | None) -> pd.DataFrame:
    con = engine(
        disposals=LIVES,
        employment=JOBS,
        oasys=[assessment("2009-02-25", "T", drugs=10), assessment("2009-02-01", "T", drugs=60)],
    )
    return fetch(con, located=early(start))[["employed", "employed_days", "drugs"]]


@pytest.mark.parametrize("start", [None, "2009-03-01", "2009-07-01"])
def test_later_starts_leave_the_point_where_it_is(start):
    found = work(start)
    assert found.loc["T2"].tolist() == [True, 9, 10]
    assert found.loc["A2", ["employed", "employed_days"]].tolist() == [True, 7]


def test_an_intervention_begun_before_the_order_moves_the_point_of_both_groups():
    found = work("2009-02-21")
    assert found.loc["T2"].tolist() == [True, 1, 60]
    assert found.loc["A2", ["employed", "employed_days"]].tolist() == [False, 0]
    assert work("2009-02-20").loc["T2"].tolist() == [False, 0, 60]


def test_needs_assessed_after_an_early_start_count_for_nobody():
    con = engine(disposals=LIVES, oasys=[assessment("2009-02-25", "T")])
    assert list(fetch(con, oasys=True).index) == ["T2"]
    assert list(fetch(con, oasys=True, located=early("2009-02-26")).index) == ["T2"]
    assert not len(fetch(con, oasys=True, located=early("2009-02-25")))
    assert not len(fetch(con, oasys=True, located=early("2009-02-21")))


def test_a_move_does_not_fill_what_the_vintage_does_not_hold():
    con = engine(
        vintage(employment_to="2009-02-01"), disposals=LIVES, employment=JOBS, offenders=FEMALE
    )
    found = fetch(con, located=early("2009-02-21"))
    assert found["employment_missing"].to_dict() == {
        "A1": False,
        "A2": True,
        "T2": True,
    }


# ---------------------------------------------------------------------------------- drawn days


def drawn(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame(
        {
            "disposal_id": [f"D{i:04}" for i in range(n)],
            "treated": (np.arange(n) % 10 == 0).astype(int),
            "sex": rng.choice(["male", "female"], n),
            "disposal": rng.choice(["custody", "community order"], n),
        }
    )
    far = (frame["sex"] == "male") * 100 + (frame["disposal"] == "custody") * 1000
    days = (far + rng.integers(0, 9, n)).astype(float)
    frame = frame.assign(days=days.where(frame["treated"] == 1))
    return frame.assign(drawn=covariates.draw(frame, frame["days"], seed))


def test_days_are_drawn_from_those_of_the_same_sex_and_disposal():
    frame = drawn(1)
    ours = frame.loc[frame["treated"] == 1]
    assert ours["drawn"].equals(ours["days"])
    for _, rows in frame.groupby(["sex", "disposal"]):
        assert set(rows["drawn"]) <= set(rows["days"].dropna())
        share = rows["days"].dropna().mean() - rows["drawn"][rows["treated"] == 0].mean()
        assert abs(share) < 1.5


def test_draws_follow_the_seed_and_not_what_a_disposal_is_called():
    frame = drawn(1)
    renamed = frame.assign(disposal_id=frame["disposal_id"].sample(frac=1, random_state=3).array)
    assert frame["drawn"].equals(covariates.draw(renamed, renamed["days"], 1))
    assert not drawn(1)["drawn"].equals(drawn(2)["drawn"])


def test_without_a_treated_day_there_is_nothing_to_draw():
    frame = pd.DataFrame(
        {
            "disposal_id": ["a", "b"],
            "treated": [1, 0],
            "sex": ["male", "female"],
            "disposal": "custody",
        }
    )
    assert covariates.draw(frame, pd.Series([3.0, 9.0]), 1).isna().tolist() == [False, True]


def test_no_row_is_made_of_a_penalty_notice_or_a_breach():
    offences: list[Row] = [
        offence("2007-01-01", "2007-02-01", proven_by="penalty notice"),
        offence("2007-03-01", "2007-04-01", breach=True),
        offence("2007-05-01", "2007-06-01", proven_by="warning"),
    ]
    found = variables(disposals=[SENTENCED], offences=offences)
    counts = found[["previous_offences", "previous_cautions", "previous_convictions"]]
    assert counts.tolist() == [1, 1, 0]


@pytest.mark.parametrize("kind", [bool, object])
@pytest.mark.parametrize(("oasys", "unassessed"), [(False, 0), (True, 1)])
def test_losses_are_those_without_an_assessment_or_a_match(oasys, unassessed, kind):
    everyone = pd.DataFrame({"treated": [1, 1, 1, 0], "assessed": [True, True, False, False]})
    everyone = everyone.astype({"assessed": kind})
    frame = pd.DataFrame({"treated": [1, 1, 0, 0], "weight": [1.0, 0.0, 0.0, 1.0]})
    assert covariates.losses(everyone, frame, oasys=oasys) == {
        sentence.NO_ASSESSMENT: unassessed,
        sentence.NO_MATCH: 1,
    }
