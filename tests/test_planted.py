"""What the programme changed and what came later reach no matching variable, candidate or estimate.

A synthetic vintage is altered: people improve during the programme, or something happens to them
after all their index dates. Everything known at the index dates must stay as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plain_names import keep_names

from jdl import covariates, national, outcomes

REQUESTS = ("harbour-mentoring", "womens-link")
Altered = dict[str, str]


@pytest.fixture(scope="module")
def vintage(small_out: Path) -> national.Vintage:
    return national.open_vintage(small_out / "synthetic-2013-10")


@pytest.fixture(scope="module", params=REQUESTS)
def treated(request: pytest.FixtureRequest, small_out: Path, vintage: Any) -> pd.DataFrame:
    """The people of one request as they truly took part, with the days of their intervention."""
    truth = pd.read_parquet(small_out / "truth" / "participation.parquet")
    ours = truth.loc[(truth["request"] == request.param) & (truth["role"] == "treated")]
    ours = ours.assign(start=pd.to_datetime(ours["start"]))
    with vintage.connect() as con:
        rows = con.execute(covariates.definition(vintage)).df()
    found = ours.merge(rows[["disposal_id", "index_date", "begun"]], on="disposal_id")
    assert len(found) > 80
    return found


def prepared(vintage: national.Vintage, treated: pd.DataFrame, altered: Altered) -> Any:
    """Open an engine with some tables altered, and with what is prepared from them.

    The alterations are SQL, over the tables and over ``took_part`` (offender_id, start, begun) and
    ``ended`` (offender_id and the last index date of each person).
    """
    con = vintage.connect()
    con.register("took_part_rows", treated[["offender_id", "start", "begun"]])
    con.execute("""
        CREATE TABLE took_part AS
        SELECT offender_id, start::DATE AS start, begun::DATE AS begun FROM took_part_rows""")
    con.execute(f"""
        CREATE TABLE ended AS SELECT offender_id, max(index_date) AS day
        FROM ({covariates.definition(vintage)}) GROUP BY offender_id""")
    for name, sql in altered.items():
        con.execute(f"CREATE TABLE altered_{name} AS {sql}")
    for name in altered:
        con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM altered_{name}")
    con.execute(f"CREATE TABLE index_disposals AS {covariates.definition(vintage)}")
    con.execute(f"CREATE TABLE outcomes AS {outcomes.definition()}")
    return keep_names(con)


def chosen(con: Any, treated: pd.DataFrame) -> pd.DataFrame:
    return covariates.candidates(
        con, treated, treated["offender_id"], window_days=183, oasys=False, keep_earlier=treated
    )


def estimate(con: Any, candidates: pd.DataFrame) -> float:
    """The coefficient of treatment on the rate, beside a few matching variables."""
    found = con.execute("SELECT disposal_id, reoffended FROM outcomes").df()
    y = candidates.merge(found, on="disposal_id")["reoffended"].astype(float)
    names = ["treated", "age", "copas_rate", "employed", "employed_days", "benefit_days"]
    x = candidates[names].astype(float).assign(one=1.0)
    return float(np.linalg.lstsq(x.to_numpy(), y.to_numpy(), rcond=None)[0][0])


@pytest.fixture(scope="module")
def before(vintage: national.Vintage, treated: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    with prepared(vintage, treated, {}) as con:
        candidates = chosen(con, treated)
        return candidates, estimate(con, candidates)


NO_NEED = ", ".join(["0"] * len(national.NEEDS))
IMPROVEMENTS: dict[str, Altered] = {
    "a job found": {
        "employment": """
            SELECT * FROM employment
            UNION ALL SELECT offender_id, start + 1, NULL FROM took_part"""
    },
    "a benefit ended": {
        "benefits": """
            SELECT b.* REPLACE (
                CASE WHEN b.start_date < p.begun AND coalesce(b.end_date >= p.begun, true)
                    THEN p.start + 1 ELSE b.end_date END AS end_date)
            FROM benefits b LEFT JOIN took_part p USING (offender_id)"""
    },
    "needs fallen": {
        "oasys": f"""
            SELECT * FROM oasys
            UNION ALL SELECT offender_id, start + 1, 1, {NO_NEED} FROM took_part"""
    },
}


@pytest.mark.parametrize("what", IMPROVEMENTS)
def test_an_improvement_during_the_programme_moves_nothing(vintage, treated, before, what):
    with prepared(vintage, treated, IMPROVEMENTS[what]) as con:
        (table,) = IMPROVEMENTS[what]
        changed = con.execute(f"""
            SELECT count(*) FROM (SELECT * FROM altered_{table} EXCEPT ALL
                SELECT * FROM read_parquet('{vintage.file(table)}'))""").fetchall()[0][0]
        assert changed > (0 if what == "a benefit ended" else len(treated) - 1)
        candidates = chosen(con, treated)
        pd.testing.assert_frame_equal(candidates, before[0])
        assert estimate(con, candidates) == before[1]


FUTURE: dict[str, Altered] = {
    "a job found": {"employment": "SELECT * FROM employment UNION ALL SELECT *, NULL FROM ended"},
    "a benefit claimed": {
        "benefits": """
            SELECT * FROM benefits
            UNION ALL SELECT offender_id, 'income support', day, NULL FROM ended"""
    },
    "an assessment": {
        "oasys": f"""
            SELECT * FROM oasys
            UNION ALL SELECT offender_id, day + 1, 99, {NO_NEED} FROM ended"""
    },
    "a death": {
        "offenders": """
            SELECT o.* REPLACE (coalesce(day, died_on) AS died_on)
            FROM offenders o LEFT JOIN ended USING (offender_id)"""
    },
    "a recall": {
        "prison_spells": """
            SELECT * FROM prison_spells
            UNION ALL SELECT offender_id, NULL, day + 2, day + 90, 'recall' FROM ended"""
    },
    "a fine and prison": {
        "disposals": """
            SELECT * FROM disposals
            UNION ALL
            SELECT 'new fine ' || offender_id, offender_id, day + 1, 'fine', day + 1, NULL, NULL,
                NULL, NULL, 'theft', NULL, NULL FROM ended
            UNION ALL
            SELECT 'new prison ' || offender_id, offender_id, day + 2, 'custody', day + 2, NULL,
                day + 2, NULL, 900, 'theft', NULL, NULL FROM ended"""
    },
}


@pytest.mark.parametrize("what", FUTURE)
def test_a_fact_from_after_the_index_date_moves_nothing(vintage, treated, before, what):
    with prepared(vintage, treated, FUTURE[what]) as con:
        candidates = chosen(con, treated)
        pd.testing.assert_frame_equal(candidates, before[0])
        assert estimate(con, candidates) == before[1]


def test_a_later_offence_moves_outcomes_and_no_candidate(vintage, treated, before):
    offences = """
        SELECT * FROM offences
        UNION ALL
        SELECT 'new ' || offender_id, offender_id, day + 1, day + 30, 'conviction', 'summary',
            'theft', NULL, false, false FROM ended"""
    with prepared(vintage, treated, {"offences": offences}) as con:
        candidates = chosen(con, treated)
        pd.testing.assert_frame_equal(candidates, before[0])
        assert abs(estimate(con, candidates) - before[1]) > 0.01


def test_a_fact_from_before_is_seen(vintage, treated, before):
    """That the alterations above would be noticed if they were dated earlier."""
    dated = IMPROVEMENTS["a job found"]["employment"].replace("start + 1", "DATE '2000-01-01'")
    with prepared(vintage, treated, {"employment": dated}) as con:
        candidates = chosen(con, treated)
        assert (candidates["employed_days"] != before[0]["employed_days"]).sum() > len(treated) / 2
        assert estimate(con, candidates) != before[1]
