"""Who may be compared, on a national data set in which no programme does anything.

Every eligible disposal is treated exactly once: the disposals are dealt to groups that take part in
nothing, so that any difference from the comparison group is the fault of how that was chosen, and
the mean over the groups has hardly any noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from plain_names import keep_names

from jdl import covariates, national, outcomes
from jdl.synthetic import VINTAGE_TOML
from jdl.synthetic.careers import live
from jdl.synthetic.people import draw_people
from jdl.synthetic.tables import national_tables

GROUPS = 24
NUMBERS = (
    "age", "sentence_days", "days_served", "remanded", "previous_convictions",
    "convictions_last_year", "convictions_last_five_years", "previous_cautions",
    "previous_custodial_sentences", "previous_offences", "log_previous_offences", "copas_rate",
    "career_years", "age_at_first", "first_conviction", "employed", "employed_days", "on_benefit",
    "benefit_days",
)  # fmt: skip
CATEGORIES = ("age_band", "offence_group", "index_year", "disposal", "sex", "region")


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Open a vintage of 40,000 people whom no programme reached, with what is prepared."""
    folder = tmp_path_factory.mktemp("null")
    people = draw_people(7, np.arange(40_000))
    for name, table in national_tables(people, live(people)).items():
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "vintage.toml").write_text(VINTAGE_TOML)
    vintage = national.open_vintage(Path(folder))
    with vintage.connect() as engine:
        engine.execute(f"CREATE TABLE index_disposals AS {covariates.definition(vintage)}")
        engine.execute(f"CREATE TABLE outcomes AS {outcomes.definition()}")
        yield keep_names(engine)


def dealt(con: Any) -> list[pd.DataFrame]:
    """All disposals that may be treated, in groups of different people, by the seed."""
    every = con.execute("""
        SELECT disposal_id, offender_id, conviction_date AS start FROM index_disposals
        WHERE disposal <> 'caution' ORDER BY disposal_id""").df()
    people = np.sort(every["offender_id"].unique())
    order = pd.Series(np.random.default_rng(2014).permutation(len(people)), index=people)
    every = every.assign(turn=every["offender_id"].map(order)).sort_values(["turn", "disposal_id"])
    groups = [every.iloc[first::GROUPS] for first in range(GROUPS)]
    assert not any(group["offender_id"].duplicated().any() for group in groups)
    return groups


def effect(candidates: pd.DataFrame, reoffended: pd.Series) -> float:
    """The coefficient of treatment beside the matching variables, in percentage points."""
    numbers = candidates[list(NUMBERS)].astype(float)
    levels = pd.get_dummies(candidates[list(CATEGORIES)], drop_first=True, dtype=float)
    x = pd.concat([candidates["treated"], numbers, levels], axis=1).assign(one=1.0)
    x = x / x.abs().max().clip(lower=1)
    y = reoffended.reindex(candidates["disposal_id"]).to_numpy()
    return 100 * float(np.linalg.lstsq(x.T @ x, x.T @ y, rcond=None)[0][0])


def one_each(candidates: pd.DataFrame, which: str) -> pd.DataFrame:
    """One disposal of each comparison person: the last, or one at random."""
    ours, theirs = (candidates.loc[candidates["treated"] == group] for group in (1, 0))
    ordered = (
        theirs.sort_values(["index_date", "disposal_id"], ascending=False)
        if which == "last"
        else theirs.sample(frac=1, random_state=1)
    )
    return pd.concat([ours, ordered.drop_duplicates("offender_id")])


@pytest.fixture(scope="module")
def effects(con: Any) -> pd.DataFrame:
    """The effect in each group, by how the pool was chosen; in truth there is none."""
    outcome = con.execute("SELECT disposal_id, reoffended FROM outcomes").df()
    reoffended = outcome.set_index("disposal_id")["reoffended"].astype(float)
    rows = []
    for group in dealt(con):
        chosen = {"window_days": 9_999, "oasys": False}
        without = covariates.candidates(con, group, group["offender_id"], **chosen)
        kept = covariates.candidates(con, group, group["offender_id"], keep_earlier=group, **chosen)
        pools = {
            "every disposal": covariates.candidates(con, group, group["offender_id"][:0], **chosen),
            "without uploaded people": without,
            "with their earlier disposals": kept,
            "last": one_each(without, "last"),
            "random": one_each(without, "random"),
        }
        rows.append({name: effect(pool, reoffended) for name, pool in pools.items()})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("pool", ["every disposal", "with their earlier disposals"])
def test_where_nothing_works_all_disposals_show_no_effect(effects, pool):
    error = effects[pool].std(ddof=1) / np.sqrt(GROUPS)
    assert abs(effects[pool].mean()) < 0.5
    assert error < 0.5


@pytest.mark.parametrize(("pool", "least"), [("last", 10.0), ("random", 4.0)])
def test_one_disposal_of_each_person_makes_a_false_effect(effects, pool, least):
    assert effects[pool].mean() > least


def test_leaving_out_uploaded_people_has_a_price_that_their_earlier_disposals_repay(effects):
    """One in thirteen people of the pool is uploaded here."""
    price = (effects["without uploaded people"] - effects["every disposal"]).mean()
    assert 0.4 < price < 1.5
    left = (effects["with their earlier disposals"] - effects["every disposal"]).mean()
    assert abs(left) < 0.1


def test_a_small_upload_costs_little(con):
    """Under one in a hundred people of the pool: the price is under a quarter of a point."""
    outcome = con.execute("SELECT disposal_id, reoffended FROM outcomes").df()
    reoffended = outcome.set_index("disposal_id")["reoffended"].astype(float)
    chosen = {"window_days": 9_999, "oasys": False}
    prices = []
    for group in dealt(con):
        some = group.sample(80, random_state=1)
        pool = covariates.pool(con, some, some["offender_id"], known=some["offender_id"], **chosen)
        assert 0.005 < pool.removed_share < 0.01
        assert pool.known_people == 0
        whole = covariates.candidates(con, some, some["offender_id"][:0], **chosen)
        without = covariates.candidates(con, some, some["offender_id"], **chosen)
        assert len(whole) - len(without) == pool.removed_disposals
        prices.append(effect(without, reoffended) - effect(whole, reoffended))
    assert abs(np.mean(prices)) < 0.25
