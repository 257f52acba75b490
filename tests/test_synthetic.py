from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from jdl.faults import Unusable
from jdl.national import TABLES, check_vintage, open_vintage
from jdl.request import (
    counts_at,
    pooled_upload,
    read_log,
    read_release,
    read_request,
    read_upload,
)
from jdl.synthetic import synthesise
from jdl.synthetic.people import CHECK_LETTERS

REQUESTS = Path(__file__).parent.parent / "requests"

# Published for 2011, England and Wales (see jdl/synthetic/careers.py), and how near we must be.
PUBLISHED = {
    "everybody": ("true", 0.268, 0.015),
    "no previous offence": ("previous = 0", 0.11, 0.02),
    "11 or more previous offences": ("previous >= 11", 0.48, 0.03),
    "men": ("sex = 'male'", 0.28, 0.02),
    "women": ("sex = 'female'", 0.19, 0.03),
}
PUBLISHED_BY_DISPOSAL = {
    "custody": ("disposal = 'custody'", 0.47, 0.05),
    "under twelve months": ("disposal = 'custody' AND sentence_days < 365", 0.58, 0.04),
    "twelve months or more": ("disposal = 'custody' AND sentence_days >= 365", 0.36, 0.05),
    "court order": ("disposal IN ('community order', 'suspended sentence')", 0.34, 0.04),
}


@pytest.fixture(scope="module")
def con(vintage_200k: Path) -> duckdb.DuckDBPyConnection:
    con = open_vintage(vintage_200k).connect()
    con.execute("""
        CREATE TABLE indexed AS
        SELECT d.*, o.sex, CASE WHEN disposal = 'custody' THEN release_date
            ELSE coalesce(sentence_date, conviction_date) END AS index_date,
            date_diff('day', o.date_of_birth, index_date) / 365.25 AS age
        FROM disposals d JOIN offenders o USING (offender_id);
        CREATE TABLE counted AS
        SELECT * FROM offences WHERE proven_by <> 'penalty notice' AND NOT breach;
        CREATE TABLE cohort AS
        SELECT i.*, (SELECT count(*) FROM counted c WHERE c.offender_id = i.offender_id
                     AND c.conviction_date < i.conviction_date) AS previous,
            (SELECT count(*) FROM counted c WHERE c.offender_id = i.offender_id
                AND c.offence_date > index_date AND c.offence_date <= index_date + INTERVAL 1 YEAR
                AND c.conviction_date <= index_date + INTERVAL 18 MONTH) AS reoffences
        FROM indexed i WHERE index_date BETWEEN DATE '2011-01-01' AND DATE '2011-12-31'""")
    return con


def _rate(con: duckdb.DuckDBPyConnection, where: str, first_of: str) -> float:
    """Rate among first index events of the year, of all kinds or of those that `first_of` picks."""
    return float(
        con.execute(f"""
            SELECT avg((reoffences > 0)::INTEGER) FROM (
                SELECT DISTINCT ON (offender_id) * FROM cohort WHERE {first_of}
                ORDER BY offender_id, index_date, disposal_id
            ) WHERE {where}""").fetchall()[0][0]
    )


def _truth(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "truth" / "effects.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def links(synthetic_out: Path) -> pd.DataFrame:
    return pd.read_parquet(synthetic_out / "truth" / "person_links.parquet")


def test_the_vintage_keeps_the_contract(vintage_200k: Path) -> None:
    assert check_vintage(vintage_200k) == []
    vintage = open_vintage(vintage_200k)
    assert vintage.tables == tuple(TABLES)
    assert vintage.synthetic
    assert vintage.last_index_date.isoformat() == "2011-12-31"


def test_dates_make_sense(con: duckdb.DuckDBPyConnection) -> None:
    impossible = {
        "disposals": "release_date < custody_start OR sentence_date < conviction_date"
        " OR order_end <= sentence_date",
        "offences": "conviction_date < offence_date OR conviction_date > DATE '2013-06-30'",
        "prison_spells": '"end" < start',
        "employment": "end_date <= start_date",
        "benefits": "end_date <= start_date",
    }
    for table, where in impossible.items():
        assert con.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchall() == [(0,)]
    orphans = "SELECT count(*) FROM offences ANTI JOIN disposals USING (disposal_id)"
    assert con.execute(f"{orphans} WHERE disposal_id IS NOT NULL").fetchall() == [(0,)]
    outlived = "JOIN offenders USING (offender_id) WHERE offence_date > died_on"
    assert con.execute(f"SELECT count(*) FROM offences {outlived}").fetchall() == [(0,)]


@pytest.mark.parametrize("group", PUBLISHED)
def test_reoffending_is_near_the_published_rate(con: duckdb.DuckDBPyConnection, group: str) -> None:
    where, published, tolerance = PUBLISHED[group]
    assert _rate(con, where, "true") == pytest.approx(published, abs=tolerance)


@pytest.mark.parametrize("group", PUBLISHED_BY_DISPOSAL)
def test_adults_reoffend_by_disposal_near_the_published_rate(
    con: duckdb.DuckDBPyConnection, group: str
) -> None:
    where, published, tolerance = PUBLISHED_BY_DISPOSAL[group]
    assert _rate(con, "true", f"age >= 18 AND {where}") == pytest.approx(published, abs=tolerance)


def test_reoffending_falls_with_age_and_rises_with_previous_offences(
    con: duckdb.DuckDBPyConnection,
) -> None:
    by_age = [
        _rate(con, f"age >= {a} AND age < {b}", "true") for a, b in ((18, 40), (40, 50), (50, 99))
    ]
    assert by_age == sorted(by_age, reverse=True)
    bands = ((0, 0), (1, 2), (3, 6), (7, 10), (11, 9999))
    by_record = [_rate(con, f"previous BETWEEN {a} AND {b}", "true") for a, b in bands]
    assert by_record == sorted(by_record)


def test_reoffences_per_reoffender_are_near_the_published_number(
    con: duckdb.DuckDBPyConnection,
) -> None:
    mean = con.execute("""
        SELECT avg(reoffences) FROM (SELECT DISTINCT ON (offender_id) reoffences FROM cohort
        ORDER BY offender_id, index_date, disposal_id) WHERE reoffences > 0""").fetchall()[0][0]
    assert mean == pytest.approx(2.9, abs=0.25)


def test_needs_work_and_place_predict_reoffending(con: duckdb.DuckDBPyConnection) -> None:
    rows = con.execute("""
        SELECT reoffences > 0 AS again, region, exists(SELECT 1 FROM employment e
            WHERE e.offender_id = c.offender_id AND e.start_date < c.conviction_date
              AND coalesce(e.end_date, DATE '2100-01-01') >= c.conviction_date) AS employed,
            (SELECT max(drugs) FROM oasys o WHERE o.offender_id = c.offender_id
              AND o.assessment_date <= c.index_date) AS drugs
        FROM cohort c""").df()
    again = rows["again"]
    assert again[~rows["employed"]].mean() - again[rows["employed"]].mean() > 0.05
    assert again[rows["drugs"] > 55].mean() - again[rows["drugs"] < 25].mean() > 0.08
    assert again.groupby(rows["region"]).mean().pipe(np.ptp) > 0.03


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("surname",), 8.3e-4),
        (("forename",), 4.6e-3),
        (("forename", "surname"), 5.2e-6),
        (("date_of_birth",), 6.9e-5),
    ],
)
def test_two_people_coincide_as_often_as_published(
    con: duckdb.DuckDBPyConnection, columns: tuple[str, ...], expected: float
) -> None:
    key = ", ".join(f"upper(strip_accents({column}::VARCHAR))" for column in columns)
    held = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    u = con.execute(f"""
        SELECT sum(n * (n - 1.0)) / (sum(n) * (sum(n) - 1.0))
        FROM (SELECT count(*) AS n FROM offenders WHERE {held} GROUP BY {key})""").fetchall()[0][0]
    assert u == pytest.approx(expected, rel=0.10)


def test_the_register_is_as_untidy_as_described(con: duckdb.DuckDBPyConnection) -> None:
    people, women, unborn = con.execute("""
        SELECT count(*), avg((sex = 'female')::INTEGER), avg((date_of_birth IS NULL)::INTEGER)
        FROM offenders""").fetchall()[0]
    assert women == pytest.approx(0.15, abs=0.005)
    assert 0.001 < unborn < 0.01
    aliases = con.execute("SELECT count(*) FROM aliases").fetchall()[0][0]
    assert aliases / people == pytest.approx(0.34, abs=0.015)
    same = con.execute("""
        SELECT avg((a.surname = b.surname AND upper(strip_accents(a.forename))
                    <> upper(strip_accents(b.forename)))::INTEGER) * 2 AS twins
        FROM offenders a JOIN offenders b
          ON b.offender_id = format('P{:08d}', substr(a.offender_id, 2)::INTEGER + 1)
         AND a.date_of_birth = b.date_of_birth""").fetchall()
    assert same[0][0] > 0
    marks = con.execute("""
        SELECT count(*) FILTER (surname LIKE '%''%'), count(*) FILTER (surname LIKE '%-%'),
            count(*) FILTER (surname <> strip_accents(surname)) FROM offenders""").fetchall()[0]
    assert min(marks) > 100


def test_pairs_of_people_are_planted(con: duckdb.DuckDBPyConnection) -> None:
    """Neighbours in the register: twins, relatives of one name, one person held twice."""
    shares = con.execute("""
        WITH named AS (
            SELECT substr(offender_id, 2)::INTEGER AS number, date_of_birth,
                upper(strip_accents(forename)) AS forename, surname
            FROM offenders
        )
        SELECT
            count(*) FILTER (a.forename <> b.forename AND a.date_of_birth = b.date_of_birth),
            count(*) FILTER (a.forename = b.forename AND a.date_of_birth <> b.date_of_birth
                AND upper(strip_accents(a.surname)) = upper(strip_accents(b.surname))),
            count(*) FILTER (a.forename = b.forename AND a.date_of_birth = b.date_of_birth)
        FROM named a JOIN named b ON b.number = a.number + 1 WHERE a.number % 2 = 0""").fetchall()[
        0
    ]
    twins, relatives, twice = (n / 200_000 for n in shares)
    assert 2 * twins == pytest.approx(0.006, abs=0.0015)
    assert 2 * relatives == pytest.approx(0.004, abs=0.0015)
    assert 2 * twice == pytest.approx(0.003 + 0.0004, abs=0.0012)


def test_pnc_ids_carry_their_check_letter(con: duckdb.DuckDBPyConnection) -> None:
    ids = con.execute("SELECT pnc_id FROM offenders WHERE pnc_id IS NOT NULL LIMIT 2000").df()
    for pnc in ids["pnc_id"]:
        assert pnc[-1] == CHECK_LETTERS[int(pnc[2:4] + pnc[5:12]) % 23]
    repeated = "SELECT count(pnc_id) - count(DISTINCT pnc_id) FROM offenders"
    assert con.execute(repeated).fetchall() == [(0,)]


def test_aliases_come_from_later_contact(con: duckdb.DuckDBPyConnection) -> None:
    """People who reoffend leave more aliases, so linkage could depend on reoffending."""
    rates = con.execute("""
        SELECT reoffences > 0 AS again, avg((SELECT count(*) FROM aliases a
            WHERE a.offender_id = c.offender_id AND a.recorded_on > c.index_date))
        FROM cohort c GROUP BY again ORDER BY again""").fetchall()
    assert rates[1][1] > 3 * rates[0][1]


def test_jobs_found_later_go_with_not_reoffending(con: duckdb.DuckDBPyConnection) -> None:
    """A fact of the future that a matching variable must not hold."""
    found = con.execute("""
        SELECT reoffences > 0 AS again, avg(exists(SELECT 1 FROM employment e
            WHERE e.offender_id = c.offender_id
              AND e.start_date BETWEEN index_date + 10 AND index_date + 200)::INTEGER)
        FROM cohort c WHERE disposal IN ('custody', 'community order') GROUP BY again
        ORDER BY again""").fetchall()
    assert found[0][1] > found[1][1] + 0.1


def test_a_pool_of_eligible_disposals(con: duckdb.DuckDBPyConnection) -> None:
    eligible = con.execute("""
        SELECT count(*) FROM indexed
        WHERE disposal IN ('custody', 'community order', 'suspended sentence')
          AND index_date BETWEEN DATE '2002-01-01' AND DATE '2011-12-31'""").fetchall()[0][0]
    assert eligible > 85_000


def test_slips_and_strangers_are_as_many_as_described(links: pd.DataFrame) -> None:
    first = ~links["errors"].str.contains("entered twice")
    assert (links.loc[first, "errors"] != "").mean() == pytest.approx(0.27, abs=0.025)
    assert (links["role"] == "not in register").mean() == pytest.approx(0.10, abs=0.01)
    assert (~first).mean() == pytest.approx(0.01, abs=0.004)
    known = links[links["role"] != "not in register"]
    assert known["offender_id"].notna().all()
    assert links.loc[links["role"] == "not in register", "offender_id"].isna().all()


def test_ids_are_given_as_often_as_described(synthetic_out: Path, links: pd.DataFrame) -> None:
    given = []
    links = links.loc[links["request"] != "open-door"]  # not signed off, so never opened
    for request in links["request"].unique():
        people = _upload(synthetic_out, request)
        given.append(people.assign(request=request)[["request", "row", "pnc_id"]])
    joined = links.merge(pd.concat(given), on=["request", "row"])
    assert len(joined) == len(links)
    known = joined[joined["role"] != "not in register"]
    assert known["pnc_id"].notna().mean() == pytest.approx(0.45, abs=0.025)
    slips = known["errors"].str.contains("PNC id slip").sum() / known["pnc_id"].notna().sum()
    assert slips == pytest.approx(0.04, abs=0.015)


def _upload(out: Path, request: str) -> pd.DataFrame:
    return read_upload(read_request(out / "requests" / request), withdrawn=True).people


@pytest.mark.parametrize(
    ("request_id", "people"),
    [
        ("harbour-mentoring", 909),
        ("fresh-start-bootcamp", 707),
        ("clear-course", 505),
        ("womens-link", 354),
        ("green-shoots", 152),
        ("small-steps", 41),
    ],
)
def test_uploads_are_usable_and_of_the_right_size(
    synthetic_out: Path, request_id: str, people: int
) -> None:
    assert len(_upload(synthetic_out, request_id)) == pytest.approx(people, abs=3)


def test_one_request_pools_earlier_ones(synthetic_out: Path) -> None:
    request = read_request(synthetic_out / "requests" / "family-matters-pooled")
    upload = pooled_upload(request, synthetic_out / "requests")
    assert set(upload.people["source"]) == {request.id, *request.extends}
    assert upload.repeated > 0


def test_planted_effects(synthetic_out: Path) -> None:
    effects = {k: v["rate_effect"] for k, v in _truth(synthetic_out)["requests"].items()}
    assert effects["harbour-mentoring"] == pytest.approx(-0.08, abs=0.02)
    assert effects["fresh-start-bootcamp"] == pytest.approx(0.07, abs=0.02)
    assert effects["clear-course"] == pytest.approx(-0.05, abs=0.02)
    assert effects["womens-link"] == pytest.approx(-0.04, abs=0.02)
    assert effects["family-matters-pooled"] == pytest.approx(-0.03, abs=0.02)
    for none in ("green-shoots", "small-steps", "open-door", "north-star"):
        assert effects[none] == 0


@pytest.mark.parametrize(
    ("request_id", "kinds"),
    [
        ("harbour-mentoring", "'custody'"),
        ("fresh-start-bootcamp", "'custody'"),
        ("green-shoots", "'community order', 'suspended sentence'"),
    ],
)
def test_the_raw_difference_misleads(
    con: duckdb.DuckDBPyConnection,
    synthetic_out: Path,
    links: pd.DataFrame,
    request_id: str,
    kinds: str,
) -> None:
    treated = links[(links["request"] == request_id) & (links["role"] == "treated")]
    con.register("treated_here", treated[["disposal_id"]].drop_duplicates())
    rates = con.execute(f"""
        SELECT t.disposal_id IS NOT NULL AS treated, avg(exists(SELECT 1 FROM counted c
            WHERE c.offender_id = i.offender_id AND c.offence_date > index_date
              AND c.offence_date <= index_date + INTERVAL 1 YEAR
              AND c.conviction_date <= index_date + INTERVAL 18 MONTH)::INTEGER) AS rate
        FROM indexed i LEFT JOIN treated_here t USING (disposal_id)
        WHERE disposal IN ({kinds})
          AND index_date BETWEEN DATE '2005-01-01' AND DATE '2011-12-31'
        GROUP BY ALL ORDER BY treated""").fetchall()
    con.unregister("treated_here")
    raw = rates[1][1] - rates[0][1]
    true = _truth(synthetic_out)["requests"][request_id]["rate_effect"]
    assert abs(raw - true) > 0.05


def test_participation_falls_before_release_or_about_the_order(
    con: duckdb.DuckDBPyConnection, synthetic_out: Path
) -> None:
    events = pd.read_parquet(synthetic_out / "truth" / "participation.parquet")
    con.register("events", events[events["role"] == "treated"])
    rows = con.execute("""
        SELECT disposal, e.start, e."end", sentence_date, index_date
        FROM events e JOIN indexed USING (disposal_id)""").df()
    con.unregister("events")
    custody = rows["disposal"] == "custody"
    inside = rows[custody]
    assert (
        (inside["start"] >= inside["sentence_date"]) & (inside["end"] < inside["index_date"])
    ).all()
    order = rows[~custody]
    wait = (order["start"] - order["sentence_date"]).dt.days
    assert (wait >= 0).all()
    assert (wait < 28).mean() > 0.85


def test_the_unmeasured_need_is_in_no_table(synthetic_out: Path, vintage_200k: Path) -> None:
    truth = _truth(synthetic_out)["unmeasured_need"]
    assert 0 < truth["log_odds_of_selection_per_sd"] <= 0.1
    assert 0 < truth["log_hazard_per_sd"] <= 0.2
    assert sorted(path.stem for path in vintage_200k.glob("*.parquet")) == sorted(TABLES)
    assert not list((synthetic_out / "requests").rglob("*truth*"))


def test_committed_uploads_are_those_of_the_default_seed(synthetic_out: Path) -> None:
    made = sorted((synthetic_out / "requests").rglob("*.*"))
    for file in made:
        kept = REQUESTS / file.relative_to(synthetic_out / "requests")
        if file.is_file():
            assert kept.read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize(
    ("release", "counts"),
    [
        ("2014-01", (73, 36, 10, 11, 1, 15)),
        ("2014-02", (77, 46, 9, 11, 1, 10)),
        ("2014-03", (80, 55, 2, 12, 1, 10)),
    ],
)
def test_the_log_gives_the_counts_of_the_month(release: str, counts: tuple[int, ...]) -> None:
    facts = read_release(REQUESTS, release)
    assert facts.stated
    assert tuple(counts_at(read_log(REQUESTS), facts).values()) == counts


def test_thirteen_reductions_by_january_2014() -> None:
    log = read_log(REQUESTS)
    old = log[log["release"] <= "2014-01"]
    assert (old["rate_result"] == "reduction").sum() == 13


def _hashes(out: Path) -> dict[str, str]:
    return {
        str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(out.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    stages: list[str] = []
    for name in ("first", "second"):
        synthesise(tmp_path / name, 3000, 7, lambda stage, share: stages.append(stage))
    synthesise(tmp_path / "other", 3000, 8)
    assert stages[-1] == "done"
    assert _hashes(tmp_path / "first") == _hashes(tmp_path / "second")
    assert _hashes(tmp_path / "first") != _hashes(tmp_path / "other")


def test_programmes_shrink_with_a_small_register(small_out: Path) -> None:
    assert 200 < _truth(small_out)["requests"]["harbour-mentoring"]["treated"] < 400


def test_an_earlier_data_set_is_replaced_whole(tmp_path: Path) -> None:
    out = tmp_path / "data"
    synthesise(out, 2000, 1)
    before = _hashes(out)
    synthesise(out, 2000, 2)
    assert _hashes(out) != before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    broken = tmp_path / "requests"
    shutil.copytree(REQUESTS, broken)
    (broken / "green-shoots" / "request.toml").write_text("not TOML", encoding="utf-8")
    with pytest.raises(ValueError):
        synthesise(tmp_path / "data", 2000, 1, requests=broken)
    assert [path.name for path in tmp_path.iterdir()] == ["requests"]


@pytest.mark.parametrize("what", ["too few", "a folder with other things"])
def test_bad_input_is_refused(tmp_path: Path, what: str) -> None:
    out = tmp_path / "data"
    if what != "too few":
        out.mkdir()
        (out / "my thesis.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(Unusable):
        synthesise(out, 10 if what == "too few" else 2000)
    assert what == "too few" or (out / "my thesis.txt").exists()
