"""After the linkage everybody is a pseudonym, of a key that no other request has and no figure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from by_hand import Row, engine, offence, order, spell, vintage
from plain_names import keep_names

from jdl import covariates, landmark, national, outcomes, prepare, pseudonyms, sentence
from jdl.linkage import PREPARED, Links

PEOPLE = 120
IDS = ["offender_id", "disposal_id"]
WINDOWS = {
    "custody_days": 14, "order_days": 28, "open_order_days": 365, "gate_days": 183,
    "date_days": 7, "cautions": False,
}  # fmt: skip


def numbered(kind: str, numbers: np.ndarray) -> list[str]:
    return [f"{kind}{number:04}" for number in numbers]


def world(shuffle: int = 0) -> Any:
    """Open an engine on two orders each of some people, in any order, identified at random."""
    rng = np.random.default_rng(5)
    people = numbered("P", rng.permutation(PEOPLE))
    disposals = numbered("D", rng.permutation(2 * PEOPLE))
    waits = rng.integers(1, 700, PEOPLE)
    orders, offences, work = [], [], []
    for place, who in enumerate(people):
        first = pd.Timestamp("2008-01-01") + pd.Timedelta(days=int(rng.integers(0, 300)))
        second = first + pd.Timedelta(days=400)
        for name, day in zip(disposals[2 * place : 2 * place + 2], (first, second), strict=True):
            orders.append(order(name, f"{day:%Y-%m-%d}", who))
        done = second + pd.Timedelta(days=int(waits[place]))
        offences.append(offence(f"{done:%Y-%m-%d}", f"{done:%Y-%m-%d}", who))
        work.append(spell("2007-06-01", f"{first:%Y-%m-%d}", who))
    mixed = partial(mix, rng=np.random.default_rng(shuffle))
    return engine(disposals=mixed(orders), offences=mixed(offences), employment=mixed(work))


def mix(rows: list[Row], rng: np.random.Generator) -> list[Row]:
    return [rows[place] for place in rng.permutation(len(rows))]


def decided() -> Links:
    """Link every sixth person of the register, and hold every fifth to be near."""
    linked = numbered("P", np.arange(0, PEOPLE, 6))
    table = pd.DataFrame(
        {
            "row": range(len(linked)),
            "source": "r",
            "person": range(len(linked)),
            "offender_id": pd.array([*linked[:-1], None], dtype="str"),
            "decision": [*["linked"] * (len(linked) - 1), "not found"],
        }
    )
    near = pd.Series([*linked[:-1], *numbered("P", np.arange(1, PEOPLE, 5))], dtype="str")
    return Links(table, near, 0.9, "model")


def upload() -> pd.DataFrame:
    rows = decided().table[["row", "source"]]
    dates = dict.fromkeys(("index_date", "conviction_date", "intervention_end"), pd.NaT)
    start = pd.Timestamp("2009-04-01") + pd.to_timedelta(rows["row"] * 5, unit="D")
    return rows.assign(
        setting="community", participation="started", intervention_start=start, **dates
    )


class Groups:
    """Every candidate with a weight, as an accepted match."""

    accepted = True

    def __init__(self, candidates: pd.DataFrame) -> None:
        self.frame = candidates.assign(weight=1.0)


def way(con: Any) -> dict[str, pd.DataFrame]:
    """Take the whole way from the links to outcomes, and return every frame on it."""
    links, _ = pseudonyms.of_links(con, decided(), {})
    known = pseudonyms.of_people(con, pd.Series(numbered("P", np.arange(2, PEOPLE, 7))))
    located = sentence.locate(
        con,
        vintage(),
        upload(),
        links.table,
        setting="community",
        sex="all",
        region=None,
        **WINDOWS,
    )
    treated = located.loc[located["reason"].isna()]
    chosen = {"window_days": 300, "oasys": False, "keep_earlier": located}
    candidates = covariates.candidates(con, treated, links.near, **chosen)
    delayed = landmark.delay(con, vintage(), candidates, treated, seed=3).candidates
    read = outcomes.read(con, Groups(candidates))
    return {
        "links": links.table,
        "near": links.near.to_frame("offender_id"),
        "located": located,
        "treated": treated,
        "candidates": candidates,
        "delayed": delayed,
        "read": read,
        "followed": outcomes.follow(con, Groups(delayed), start="follow_from"),
        "delays": outcomes.delays(con, read),
        "pool": pd.DataFrame([covariates.pool(con, treated, links.near, known=known, **chosen)]),
        "gaps": pd.DataFrame([landmark.gaps(con, treated)]),
    }


@pytest.fixture(scope="module")
def plain() -> dict[str, pd.DataFrame]:
    """The way by the identifiers themselves."""
    return way(keep_names(world()))


def hidden(shuffle: int = 0) -> dict[str, pd.DataFrame]:
    con = world(shuffle)
    pseudonyms.begin(con)
    return way(con)


def test_the_world_is_one_in_which_something_is_at_stake(plain):
    assert 10 < len(plain["treated"]) < len(plain["located"])
    assert plain["candidates"]["treated"].value_counts().min() > 10
    assert plain["candidates"]["earlier"].any()
    assert plain["delayed"]["days_to_start"].nunique() > 10
    assert 0.2 < plain["read"]["reoffended"].mean() < 0.8
    assert len(plain["delays"]) > 10


@pytest.mark.parametrize("shuffle", [0, 1])
def test_no_value_and_no_order_depends_on_the_key(plain, shuffle):
    """Only the names differ, and the same row has the same name in every frame."""
    found = hidden(shuffle)
    names: dict[str, str] = {}
    for step, frame in plain.items():
        pd.testing.assert_frame_equal(
            found[step].drop(columns=IDS, errors="ignore"),
            frame.drop(columns=IDS, errors="ignore"),
        )
        for column in set(IDS) & set(frame):
            real, told = frame[column].dropna(), found[step][column].dropna()
            assert real.index.equals(told.index)
            assert all(names.setdefault(a, b) == b for a, b in zip(real, told, strict=True))
    assert len(set(names.values())) == len(names) > PEOPLE


def test_no_frame_holds_an_identifier(plain):
    real = {*numbered("P", np.arange(PEOPLE)), *numbered("D", np.arange(2 * PEOPLE))}
    for step, frame in hidden().items():
        told = set(frame.astype("str").to_numpy().ravel())
        assert not told & real, step
    assert set(plain["candidates"]["offender_id"]) <= real


def test_the_same_person_is_somebody_else_in_another_request():
    con = world()
    told = []
    for _ in range(2):
        pseudonyms.begin(con)
        told.append(way(con)["candidates"])
    assert told[0].drop(columns=IDS).equals(told[1].drop(columns=IDS))
    for column in IDS:
        assert not set(told[0][column]) & set(told[1][column])
    assert told[0].merge(told[1], on="offender_id").empty


def test_rows_of_another_request_are_refused():
    con = world()
    pseudonyms.begin(con)
    candidates = way(con)["candidates"]
    pseudonyms.begin(con)
    with pytest.raises(KeyError, match="another request") as refused:
        outcomes.read(con, Groups(candidates))
    assert candidates["disposal_id"].iloc[0] not in str(refused.value)


def test_a_pseudonym_tells_neither_kind_nor_order():
    con = world()
    pseudonyms.begin(con)
    people = pd.Series(numbered("P", np.arange(PEOPLE)), dtype="str")
    told = pseudonyms.of_people(con, people)
    assert told.str.fullmatch("[0-9a-f]{16}").all() and told.is_unique
    assert abs(told.rank().corr(people.rank())) < 0.35
    same = con.execute("SELECT pseudonym('offender_id', 'A') = pseudonym('disposal_id', 'A')")
    assert same.fetchall() == [(False,)]


def test_who_is_missing_stays_missing():
    con = world()
    pseudonyms.begin(con)
    told = pseudonyms.of_people(con, pd.Series([None, "P0001", None], dtype="str", index=[7, 8, 9]))
    assert told.isna().tolist() == [True, False, True]
    assert told.index.tolist() == [7, 8, 9]
    nobody = pseudonyms.of_people(con, pd.Series([], dtype="str"))
    assert nobody.empty


# ---------------------------------------------------------------------- in the master notebook


@pytest.fixture(scope="module")
def alive(small_out: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Run the notebook on a prepared copy of the small vintage, and look at what is alive."""
    folder = tmp_path_factory.mktemp("alive") / "data"
    shutil.copytree(small_out, folder)
    prepare.prepare(national.open_vintage(folder), None)
    places = {
        "JDL_VINTAGE": folder,
        "JDL_REQUESTS": folder / "requests",
        "JDL_OUTPUTS": folder / "o",
    }
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("alive.py"), "harbour-mentoring"],
        env=os.environ
        | {name: str(place) for name, place in places.items()}
        | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_while_people_are_linked_their_identities_are_there_to_be_found(alive):
    kinds = {entry.split(": ")[1] for entry in alive["certain-passes"]["found"]}
    assert kinds >= {
        "forename", "surname", "date_of_birth", "pnc_id", "prison_number", "reference",
        "offender_id",
    }  # fmt: skip


@pytest.mark.parametrize("step", ["located", "pool", "record"])
def test_no_frame_alive_after_the_linkage_holds_an_identity(alive, step):
    assert alive[step]["frames"] > 10
    assert alive[step]["found"] == []


@pytest.mark.parametrize("step", ["located", "pool", "record"])
def test_nothing_a_cell_could_print_holds_an_identifier(alive, step):
    assert alive[step]["printed"] == []


def test_a_person_is_known_again_in_an_extract_with_other_numbers():
    """By the PNC id; by the number where there is none or several share one."""
    con = duckdb.connect()
    con.execute("""
        CREATE TABLE names AS SELECT * FROM (VALUES ('a', 'P1', 0), ('a', 'P1', 1), ('b', NULL, 0),
            ('c', 'P2', 0), ('d', 'P2', 0)) AS t (offender_id, pnc_key, is_alias)""")
    con.execute(f"CREATE TABLE shared_pnc_ids AS {PREPARED['shared_pnc_ids']}")
    pseudonyms.begin(con)
    people = pseudonyms.of_people(con, pd.Series(["a", "b", "c"]))
    known = pseudonyms.identifiers(con, people)
    assert [known[one] for one in people] == ["pnc P1", "register b", "register c"]
