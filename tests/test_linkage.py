"""Linkage recovers who is who, guards identifiers, tells twins apart, gives nobody away."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import linkage_world
import numpy as np
import pandas as pd
import pytest
from linkage_world import World, pnc

from jdl import linkage, national
from jdl.engines import DuckDB
from jdl.linkage import decisions, scores, training
from jdl.linkage import model as modelling
from jdl.linkage.decisions import CERTAIN
from jdl.national import open_vintage
from jdl.request import read_request, read_upload
from jdl.upload import DATES, by_content

SEED = 20140313
CANARY = "Quillfeather"


def upload(*rows: dict[str, Any]) -> pd.DataFrame:
    """An upload of these rows, all else blank."""
    frame = pd.DataFrame(list(rows)).reindex(columns=linkage_world.UPLOAD)
    frame["row"] = range(2, len(rows) + 2)
    frame["source"] = "made-up-request"
    texts = ["forename", "surname", "gender", "pnc_id", "prison_number"]
    return frame.astype(dict.fromkeys(texts, "str"))


@pytest.fixture(scope="module")
def few_pairs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SAMPLED_PAIRS", 3e5)
        yield


@pytest.fixture(scope="module")
def world() -> World:
    return linkage_world.make(people=4000, rows=700, seed=11)


@pytest.fixture(scope="module")
def register(world: World, few_pairs: None) -> linkage.Register:
    con = world.connect()
    model = linkage.train(DuckDB(con), world.upload, SEED)
    return linkage.Register(DuckDB(con), model, len(world.offenders))


def located(rows: pd.DataFrame, register: linkage.Register, **choices: Any) -> linkage.Links:
    cleaned = linkage.clean(rows)
    found = linkage.candidates(cleaned, register)
    by_pass = linkage.deterministic(found)
    return linkage.decide(by_pass, linkage.score(found, by_pass), **choices)


def scored_of(rows: pd.DataFrame, register: linkage.Register) -> linkage.Scored:
    found = linkage.candidates(linkage.clean(rows), register)
    return linkage.score(found, linkage.deterministic(found))


def quality(links: linkage.Links, truth: pd.Series) -> tuple[float, float]:
    """Precision of the links; share of the people truly in the register who are linked."""
    linked = links.table.loc[links.table["decision"] == "linked"].set_index("row")["offender_id"]
    right = linked[linked == truth[linked.index]]
    return len(right) / len(linked), right.nunique() / truth.nunique()


def small(offenders: list[dict[str, Any]], aliases: list[dict[str, Any]] | None = None) -> World:
    """A world of these people among others."""
    other = linkage_world.make(people=60, rows=5, seed=3)
    people = pd.DataFrame(offenders).reindex(columns=other.offenders.columns)
    people["date_of_birth"] = pd.to_datetime(people["date_of_birth"]).astype("datetime64[s]")
    names = pd.DataFrame(aliases or [], columns=other.aliases.columns)
    return World(
        pd.concat([other.offenders, people], ignore_index=True),
        names,
        other.upload,
        other.truth,
    )


def register_of(world: World) -> linkage.Register:
    settings = modelling.settings_of(modelling.start_m(), modelling.START_U, 1e-4)
    return linkage.Register(DuckDB(world.connect()), settings, 200_000)


PERSON = {
    "offender_id": "N1",
    "forename": "William",
    "surname": CANARY,
    "date_of_birth": "1980-03-07",
    "sex": "male",
    "pnc_id": pnc(2001, 123),
    "prison_number": "A1234BC",
}
ROW = {
    "forename": "William",
    "surname": CANARY,
    "date_of_birth": pd.Timestamp("1980-03-07"),
    "gender": "male",
}


# ------------------------------------------------------------------------------------ cleaning


@pytest.mark.parametrize(
    ("written", "forename", "root"),
    [
        ("  WILLIAM ", "william", "william"),
        ("Bill", "bill", "william"),
        ("Mr. Bill", "bill", "william"),
        ("Dr Jürgen", "jurgen", "jurgen"),
        ("Łukasz", "lukasz", "luke"),
        ("Zoë", "zoe", "zoe"),
        ("Zoe\u0308", "zoe", "zoe"),
        ("J.", "j", "j"),
        ("J.P.", "j", "j"),
        ("Anne-Marie", "anne", "ann"),
        ("D'Andre", "dandre", "dandre"),
        ("D\u2019Andre", "dandre", "dandre"),
        ("Robert (Bob)", "robert", "robert"),
        ("Muhammad", "muhammad", "mohammed"),
        ("Иван", "иван", "иван"),
        ("Master", "master", "master"),
        ("unknown", None, None),
        ("Not known", None, None),
        ("   ", None, None),
        (None, None, None),
    ],
)
def test_forenames_are_cleaned(written: str | None, forename: str | None, root: str | None) -> None:
    row = linkage.clean(upload({**ROW, "forename": written})).iloc[0]
    assert [None if pd.isna(row[key]) else row[key] for key in ("forename", "root")] == [
        forename,
        root,
    ]


@pytest.mark.parametrize(
    ("written", "surname", "parts"),
    [
        ("O'BRIEN", "obrien", None),
        ("O Brien", "obrien", " brien "),
        ("O\u2019Brien", "obrien", None),
        ("Smith-Jones", "smithjones", " jones smith "),
        ("Smith Jones", "smithjones", " jones smith "),
        ("de la Cruz", "delacruz", " cruz "),
        ("van der Berg", "vanderberg", " berg "),
        ("Smith (nee Jones)", "smith", " jones smith "),
        ("Smith née Jones", "smith", " jones smith "),
        ("Smith Jr.", "smith", None),
        ("Ångström", "angstrom", None),
        ("Strauß", "strauss", None),
        ("Sørensen", "sorensen", None),
        ("Unknown", None, None),
    ],
)
def test_surnames_are_cleaned(written: str, surname: str | None, parts: str | None) -> None:
    row = linkage.clean(upload({**ROW, "surname": written})).iloc[0]
    assert [None if pd.isna(row[key]) else row[key] for key in ("surname", "parts")] == [
        surname,
        parts,
    ]


def test_a_form_of_both_sexes_follows_the_persons_sex() -> None:
    rows = upload({**ROW, "forename": "Chris"}, {**ROW, "forename": "Chris", "gender": "female"})
    assert list(linkage.clean(rows)["root"]) == ["christopher", "christine"]


@pytest.mark.parametrize(
    "written",
    [
        "2003/0062845E",
        "03/62845E",
        "03/0062845e",
        "20030062845E",
        "030062845E",
        "0362845E",
        "200362845E",
        " 2003 / 0062845 E ",
        "2003-62845E",
        "03.62845E",
        "PNC ID: 03/62845E",
        "'03/62845E",
        "03\\62845E",
    ],
)
def test_every_written_form_of_a_pnc_id_gives_one_key(written: str) -> None:
    row = linkage.clean(upload({**ROW, "pnc_id": written})).iloc[0]
    assert (row["pnc_key"], row["pnc_state"]) == ("030062845", "valid")


@pytest.mark.parametrize(
    ("written", "state"),
    [
        ("2003/0062845F", "failed check"),
        ("03/62846E", "failed check"),
        ("03/62845", "not an id"),
        ("yes", "absent"),
        ("n/a", "absent"),
        ("", "absent"),
        (None, "absent"),
    ],
)
def test_a_pnc_id_that_cannot_be_right_gives_no_key(written: str | None, state: str) -> None:
    row = linkage.clean(upload({**ROW, "pnc_id": written})).iloc[0]
    assert pd.isna(row["pnc_key"])
    assert row["pnc_state"] == state


def test_the_check_letter_finds_every_wrong_digit_and_every_swap_of_neighbours() -> None:
    digits = "030062845"
    wrong = [
        digits[:at] + other + digits[at + 1 :]
        for at in range(9)
        for other in "0123456789"
        if other != digits[at]
    ]
    wrong += [
        digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
        for at in range(8)
        if digits[at] != digits[at + 1]
    ]
    rows = upload(*({**ROW, "pnc_id": f"{text[:2]}/{text[2:]}E"} for text in wrong))
    assert set(linkage.clean(rows)["pnc_state"]) == {"failed check"}


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("A1234BC", "A1234BC"),
        (" a1234 bc", "A1234BC"),
        ("AB1234", "AB1234"),
        ("A12345", None),
        ("no", None),
    ],
)
def test_prison_numbers_are_cleaned(written: str, key: str | None) -> None:
    row = linkage.clean(upload({**ROW, "prison_number": written})).iloc[0]
    assert (None if pd.isna(row["prison_key"]) else row["prison_key"]) == key
    assert row["prison_state"] == ("valid" if key else "not an id")


def test_rows_of_one_person_are_grouped_unless_an_identifier_differs() -> None:
    first, second = pnc(2001, 123), pnc(2001, 456)
    rows = upload(
        {**ROW, "pnc_id": first},
        {**ROW, "forename": "WILLIAM "},
        {**ROW, "surname": "Quillfether", "forename": "Bill", "pnc_id": first},
        {**ROW, "pnc_id": second},
        {**ROW, "date_of_birth": pd.Timestamp("1981-03-07")},
    )
    person = list(linkage.clean(rows)["person"])
    assert person[0] == person[1] == person[2]
    assert len({person[0], person[3], person[4]}) == 3


def test_kept_nicknames_are_plain_and_stand_once() -> None:
    text = Path(national.__file__).with_name("nicknames.toml").read_text(encoding="utf-8")
    for roots in tomllib.loads(text).values():
        forms = [form for kept in roots.values() for form in kept]
        assert len(forms) == len(set(forms))
        assert not set(forms) & set(roots)
        assert all(re.fullmatch("[a-z]+", word) for word in (*forms, *roots))


# ------------------------------------------------------------------------------- planted truth


def test_planted_truth_is_recovered(world: World, register: linkage.Register) -> None:
    links = located(world.upload, register)
    precision, recall = quality(links, world.truth)
    assert precision >= 0.995
    assert recall >= 0.95
    assert abs(links.share_found - world.truth.notna().mean()) < 0.03
    again = links.table["decision"].eq("duplicate") | links.table["reason"].eq("claimed twice")
    assert again.sum() >= 0.8 * len(world.upload) / 51


def test_planted_truth_is_recovered_without_identifiers(
    world: World, register: linkage.Register
) -> None:
    rows = world.upload.assign(pnc_id=None, prison_number=None)
    precision, recall = quality(located(rows, register), world.truth)
    assert precision >= 0.99
    assert recall >= 0.9


def test_planted_truth_of_the_example_requests_is_recovered(synthetic_out: Path) -> None:
    folders = sorted(path.parent for path in (synthetic_out / "requests").glob("*/request.toml"))
    people = [read_upload(read_request(folder)).people for folder in folders]
    rows = pd.concat(people, ignore_index=True)
    links = pd.read_parquet(synthetic_out / "truth" / "person_links.parquet")
    with open_vintage(synthetic_out).connect() as con:
        for name, sql in linkage.PREPARED.items():
            con.execute(f"CREATE TABLE {name} AS {sql}").fetchall()
        size = con.execute("SELECT count(*) FROM offenders").fetchall()[0][0]
        register = linkage.Register(DuckDB(con), linkage.train(DuckDB(con), rows, SEED), size)
        found = pd.concat([located(upload, register).table for upload in people])
    found = found.merge(
        links[["request", "row", "offender_id"]],
        left_on=["source", "row"],
        right_on=["request", "row"],
        suffixes=("", "_true"),
    )
    linked = found.loc[found["decision"] == "linked"]
    right = linked["offender_id"] == linked["offender_id_true"]
    there = found.dropna(subset="offender_id_true").drop_duplicates(["source", "offender_id_true"])
    assert right.mean() >= 0.995
    assert right.sum() / len(there) >= 0.95


def overlapping(rows: pd.DataFrame) -> pd.DataFrame:
    """These rows and half of them again, on other dates, each with some fields lacking."""
    rng = np.random.default_rng(7)
    both = pd.concat([rows, rows.head(len(rows) // 2)], ignore_index=True)
    for name in ("gender", "pnc_id", "prison_number", "date_of_birth", "surname", "forename"):
        both.loc[rng.random(len(both)) < 0.15, name] = None
    days = pd.Timestamp("2009-01-01") + pd.to_timedelta(rng.integers(0, 900, len(both)), unit="D")
    started = pd.Series(days).where(rng.random(len(both)) < 0.9).astype("datetime64[s]")
    dates = dict.fromkeys(DATES, pd.Series(pd.NaT, both.index, dtype="datetime64[s]"))
    both["reference"] = [f"R{number}" for number in range(len(both))]
    return both.assign(**{**dates, "intervention_start": started})


def test_a_shuffled_upload_and_register_give_the_same_model_and_links(
    few_pairs: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linkage.accounts, "FEWEST_WITH_SURNAME", 1)
    world = linkage_world.make(people=800, rows=300, seed=5)
    made = []
    for shuffled in (None, 1, 2, 3):
        con = world.connect(shuffled)
        rows = overlapping(world.upload)
        if shuffled:
            rows = rows.sample(frac=1, random_state=shuffled)
        rows = by_content(rows.assign(row=range(2, len(rows) + 2)))
        model = linkage.train(DuckDB(con), rows, SEED)
        register = linkage.Register(DuckDB(con), model, len(world.offenders))
        cleaned, links = linkage.clean(rows), located(rows, register)
        kinds = linkage.kinds(links, cleaned, rows, register)
        tables = [table.drop(columns="row").to_csv() for table in (cleaned, links.table)]
        referred = rows["reference"].tolist()
        made.append((json.dumps(model), links.model_hash, referred, *tables, kinds.to_csv()))
    assert made[0] == made[1] == made[2] == made[3]


def test_posteriors_of_a_person_never_exceed_certainty(
    world: World, register: linkage.Register
) -> None:
    pairs = scored_of(world.upload, register).pairs
    assert pairs.groupby("person")["posterior"].sum().max() <= 1 + 1e-5
    assert pairs["posterior"].between(0, 1).all()
    assert not pairs.duplicated(["person", "offender_id"]).any()


def test_the_posterior_is_bayes_rule() -> None:
    bits, person = np.array([20.0, 17.0, 5.0]), pd.Series([0, 0, 1])
    share, posterior = scores.shared_out(bits, person, pd.Series([False, False]), 2**18)
    odds = np.array([2.0**2, 2.0**-1, 2.0**-13]) * share
    none = 1 - share
    expected = [
        odds[0] / (none + odds[0] + odds[1]),
        odds[1] / (none + odds[0] + odds[1]),
        odds[2] / (none + odds[2]),
    ]
    assert posterior == pytest.approx(expected, rel=1e-12)
    weight = modelling.START_WEIGHT
    assert share == pytest.approx((sum(expected) + weight * 0.9) / (2 + weight), abs=1e-8)


def test_a_bigger_register_makes_the_same_agreement_worth_less() -> None:
    one, nobody = pd.Series([0]), pd.Series([False])
    near, far = (
        scores.shared_out(np.array([20.0]), one, nobody, size)[1][0] for size in (1_000, 10_000_000)
    )
    assert near > 0.99
    assert far < 0.5


# ------------------------------------------------------------------- identifiers, twins, namesakes


def test_somebody_elses_identifier_never_links(world: World, register: linkage.Register) -> None:
    rows = world.upload.copy()
    rows["pnc_id"] = np.roll(world.offenders["pnc_id"].sample(len(rows), random_state=1), 1)
    found = linkage.candidates(linkage.clean(rows), register)
    by_pass = linkage.deterministic(found, ["pnc id"])
    assert len(by_pass) <= 1
    precision, _ = quality(located(rows, register), world.truth)
    assert precision >= 0.995


@pytest.mark.parametrize(
    ("change", "settled"),
    [
        ({"forename": "Bill", "surname": "Other"}, True),
        ({"forename": "Other", "date_of_birth": pd.Timestamp("1980-07-03")}, True),
        ({"forename": "Bill", "date_of_birth": pd.Timestamp("1955-11-29")}, True),
        ({"forename": CANARY, "surname": "William", "date_of_birth": None}, True),
        ({"forename": "Zebedee", "surname": "Other"}, False),
        ({"surname": "Other", "date_of_birth": pd.Timestamp("1955-11-29")}, False),
        ({"surname": None, "date_of_birth": None}, False),
    ],
)
@pytest.mark.parametrize("identifier", ["pnc_id", "prison_number"])
def test_an_identifier_settles_only_with_two_more(
    change: dict[str, Any], settled: bool, identifier: str
) -> None:
    rows = upload({**ROW, **change, identifier: PERSON[identifier]})
    register = register_of(small([PERSON]))
    found = linkage.deterministic(linkage.candidates(linkage.clean(rows), register))
    assert (list(found["offender_id"]) == ["N1"]) is settled
    decision = located(rows, register).table["decision"][0]
    assert (decision == "linked") is settled


def test_an_absent_twin_is_not_taken_for_the_other() -> None:
    rows = upload({**ROW, "forename": "Zebedee"})
    table = located(rows, register_of(small([PERSON]))).table
    assert table["decision"][0] in ("review", "not found")
    assert pd.isna(table["offender_id"][0])


def test_twins_with_each_others_identifier_go_to_review() -> None:
    twin = {**PERSON, "offender_id": "N2", "forename": "Zebedee", "pnc_id": pnc(2001, 456)}
    rows = upload({**ROW, "pnc_id": twin["pnc_id"]})
    world = small([PERSON, {**twin, "prison_number": None}])
    table = located(rows, register_of(world)).table
    assert (table["decision"][0], table["reason"][0]) == ("review", "another person fits the name")


def test_twins_are_told_apart_by_forename() -> None:
    twin = {**PERSON, "offender_id": "N2", "forename": "Zebedee", "pnc_id": pnc(2001, 456)}
    rows = upload({**ROW, "forename": "Wiliam"}, {**ROW, "forename": "Zebedee"})
    world = small([PERSON, {**twin, "prison_number": None}])
    assert list(located(rows, register_of(world)).table["offender_id"]) == ["N1", "N2"]


def test_namesakes_with_one_birth_date_go_to_review() -> None:
    other = {**PERSON, "offender_id": "N2", "pnc_id": None, "prison_number": None}
    table = located(upload(ROW), register_of(small([PERSON, other]))).table
    assert (table["decision"][0], table["reason"][0]) == ("review", "close second")
    with_id = upload({**ROW, "pnc_id": PERSON["pnc_id"]})
    assert located(with_id, register_of(small([PERSON, other]))).table["offender_id"][0] == "N1"


def test_father_and_son_are_not_confused() -> None:
    rows = upload({**ROW, "date_of_birth": pd.Timestamp("1955-11-29")})
    assert located(rows, register_of(small([PERSON]))).table["decision"][0] != "linked"


def test_an_alias_finds_the_person() -> None:
    alias = {"offender_id": "N1", "surname": "Maidenwell", "forename": None, "date_of_birth": None}
    table = located(
        upload({**ROW, "surname": "Maidenwell"}), register_of(small([PERSON], [alias]))
    ).table
    assert (table["offender_id"][0], table["stage"][0]) == ("N1", "name and date of birth")


def test_a_register_without_birth_dates_links_nobody_unseen() -> None:
    rows = upload(ROW)
    table = located(rows, register_of(small([{**PERSON, "date_of_birth": None}]))).table
    assert (table["candidates"][0], table["decision"][0]) == (1, "review")


# ----------------------------------------------------------------------------------- decisions


def test_each_register_person_is_used_once() -> None:
    rows = upload({**ROW, "forename": "Wiliam"}, ROW)
    table = located(rows, register_of(small([PERSON]))).table
    assert list(table["decision"]) == ["review", "linked"]
    assert table["reason"][0] == "claimed twice"
    assert table["offender_id"].notna().sum() == 1


def test_equal_claims_on_one_person_go_to_review() -> None:
    best = pd.DataFrame(
        {
            "person": [0, 1, 2],
            "offender_id": ["N1", "N1", "N2"],
            "match_weight": [12.0, 12.0, 9.0],
            "decision": "linked",
            "reason": None,
            "confirmed": False,
        }
    )
    assert list(decisions._each_once(best)["decision"]) == ["review", "review", "linked"]


def judged(row: int, offender_id: str, same: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {"source": "made-up-request", "row": [row], "offender_id": offender_id, "same": same}
    )


UNDATED = {**ROW, "date_of_birth": None}


def test_what_a_reviewer_confirms_is_linked_whatever_the_weights() -> None:
    register = register_of(small([PERSON]))
    assert located(upload(UNDATED), register).table["decision"][0] == "review"
    links = located(upload(UNDATED), register, reviewed=judged(2, "N1", True))
    first = links.table.iloc[0]
    assert (first["decision"], first["stage"]) == ("linked", "clerical review")
    assert first["offender_id"] == "N1"
    assert links.counts()["clerical review"] == 1
    assert links.expected_false == 0
    assert "N1" in set(links.near)


def test_an_automatic_link_that_was_checked_and_is_right_stays_what_it_was() -> None:
    register = register_of(small([PERSON]))
    links = located(upload(ROW), register, reviewed=judged(2, "N1", True))
    assert links.table["stage"][0] == "name and date of birth"
    assert links.counts()["clerical review"] == 0
    assert links.counts()["certain pass"] == 1


def test_what_a_reviewer_confirmed_is_linked_though_no_candidate_any_more() -> None:
    others = [PERSON, {**PERSON, "offender_id": "N2", "surname": "Quite-Another"}]
    links = located(upload(ROW), register_of(small(others)), reviewed=judged(2, "N2", True))
    assert links.table["offender_id"][0] == "N2"
    assert links.table["stage"][0] == "clerical review"


def test_what_a_reviewer_strikes_out_is_no_candidate_even_by_a_pass() -> None:
    register = register_of(small([PERSON]))
    assert located(upload(ROW), register).table["decision"][0] == "linked"
    links = located(upload(ROW), register, reviewed=judged(2, "N1", False))
    assert links.table["decision"][0] == "not found"
    assert links.linked == 0


def test_striking_one_out_leaves_its_certainty_to_the_others() -> None:
    people = [PERSON, {**PERSON, "offender_id": "N2", "pnc_id": pnc(2002, 456)}]
    register = register_of(small(people))
    before = located(upload(ROW), register).table.iloc[0]
    assert (before["decision"], before["reason"]) == ("review", "close second")
    assert before["posterior"] == pytest.approx(0.5, abs=0.01)
    after = located(upload(ROW), register, reviewed=judged(2, "N1", False)).table.iloc[0]
    assert (after["decision"], after["reason"]) == ("review", "another was struck out")
    assert after["posterior"] > 0.95
    both = pd.concat([judged(2, "N1", False), judged(2, "N2", True)])
    last = located(upload(ROW), register, reviewed=both).table.iloc[0]
    assert (last["decision"], last["offender_id"]) == ("linked", "N2")


def test_a_confirmed_claim_beats_a_heavier_one() -> None:
    register = register_of(small([PERSON]))
    rows = upload(ROW, {**UNDATED, "forename": "Bill"})
    links = located(rows, register, reviewed=judged(3, "N1", True))
    assert list(links.table["decision"]) == ["review", "linked"]


def test_decisions_on_other_rows_change_nothing(world: World, register: linkage.Register) -> None:
    elsewhere = judged(99_999, "N1", True)
    links = located(world.upload, register, reviewed=elsewhere)
    pd.testing.assert_frame_equal(links.table, located(world.upload, register).table)


def test_alternatives_hold_the_choice_itself_and_only_grow(
    world: World, register: linkage.Register
) -> None:
    found = linkage.candidates(linkage.clean(world.upload), register)
    by_pass = linkage.deterministic(found)
    scored = linkage.score(found, by_pass)
    made = linkage.alternatives(
        by_pass, scored, thresholds=[0.99, 0.95, 0.8], without_dates=scored,
        threshold=0.95, review=0.05, gap_bits=4,
    )  # fmt: skip
    assert list(made) == [
        "certain passes only",
        "a probability of 0.99",
        "a probability of 0.8",
        "without the dates of sentences",
    ]
    *grown, same = made.values()
    assert [links.linked for links in grown] == sorted(links.linked for links in grown)
    assert made["certain passes only"].counts()["probabilistic"] == 0
    pd.testing.assert_frame_equal(same.table, linkage.decide(by_pass, scored).table)


def corroborated(fits: bool | None, chance: float = 0.02) -> tuple[linkage.Scored, linkage.Scored]:
    before = scored_of(upload(UNDATED), register_of(small([PERSON])))
    sentences = before.pairs[["person", "offender_id"]].assign(fits=fits, chance=chance)
    return before, linkage.corroborate(before, sentences)


def test_a_sentence_at_the_time_speaks_for_a_candidate_and_none_against() -> None:
    before, fitting = corroborated(True)
    _, failing = corroborated(False)
    sure = before.pairs["posterior"].ge(scores.SURE).sum()
    m = (20 * scores.START_FITS + sure) / (20 + sure)
    weight = np.log2(m / 0.02)
    assert fitting.pairs["weight_sentence"][0] == pytest.approx(weight, abs=1e-6)
    gained = fitting.pairs["match_weight"] - before.pairs["match_weight"]
    assert gained[0] == pytest.approx(weight, abs=1e-5)
    assert failing.pairs["weight_sentence"][0] < -2.5


def test_without_a_birth_date_only_a_sentence_at_the_time_links_unseen() -> None:
    for fits, decision in ((True, "linked"), (False, "review"), (None, "review")):
        _, scored = corroborated(fits)
        nobody = pd.DataFrame({"person": [], "stage": [], "offender_id": []}, dtype="object")
        links = linkage.decide(nobody.astype({"person": "int64"}), scored, threshold=0.5)
        assert links.table["decision"][0] == decision


def test_dates_that_say_nothing_change_nothing() -> None:
    before, after = corroborated(None)
    assert after.pairs["level_sentence"][0] == "missing"
    columns = before.pairs.columns
    pd.testing.assert_frame_equal(after.pairs[columns], before.pairs, check_dtype=False)


def test_a_providers_bad_dates_lose_their_weight(world: World, register: linkage.Register) -> None:
    scored = scored_of(world.upload, register)
    rng = np.random.default_rng(1)
    at_random = scored.pairs[["person", "offender_id"]].assign(
        fits=rng.random(len(scored.pairs)) < 0.3, chance=0.3
    )
    weighed = linkage.corroborate(scored, at_random).pairs
    assert weighed["weight_sentence"].abs().max() < 0.5


def test_every_decision_has_its_account_and_nobodys_name(
    world: World, register: linkage.Register
) -> None:
    cleaned = linkage.clean(world.upload)
    found = linkage.candidates(cleaned, register)
    by_pass = linkage.deterministic(found)
    scored = linkage.score(found, by_pass)
    links = linkage.decide(by_pass, scored)
    rows = linkage.audit(links, scored, cleaned, review=0.05, register="v1")
    assert len(rows) == links.table["decision"].ne("duplicate").sum()
    weights = [f"weight_{name}" for name in linkage.FIELDS]
    one_name = rows["is_alias"].eq(0) & rows["stage"].notna() & rows["weight"].gt(0)
    added = rows.loc[one_name, weights].sum(axis=1) + scored.prior
    # One register person's other names add to the evidence, never take away more than their share.
    assert (rows.loc[one_name, "weight"] - added).median() == pytest.approx(0, abs=1)
    assert (rows[weights].dropna() * 2 % 1 == 0).all(axis=None)
    text = rows.to_csv()
    assert not re.search(r"N\d{7}", text)
    assert not set(re.findall(r"[a-z']+", text.lower())) & values_of(world)


def test_rates_count_each_person_once_in_every_group(
    world: World, register: linkage.Register
) -> None:
    people = world.upload.assign(
        intervention_start=pd.Timestamp("2009-05-01"), index_date=pd.NaT, conviction_date=pd.NaT
    )
    links = located(world.upload, register)
    kinds = linkage.kinds(links, linkage.clean(world.upload), people, register)
    assert not set(kinds.astype("str").stack().str.lower()) & values_of(world)
    rates = linkage.rates(kinds)
    persons = (~links.table["decision"].isin(["duplicate", "incomplete"])).sum()
    assert (rates.groupby("group")["people"].sum() == persons).all()
    assert (rates.groupby("group")["linked"].sum() == links.linked).all()
    assert (rates[["linked", "review", "not_found"]].sum(axis=1) == rates["people"]).all()
    ages = rates.loc[rates["group"] == "age", "level"]
    assert list(ages)[:3] == ["under 25", "25 to 34", "35 to 49"]
    assert "white" in set(rates.loc[rates["group"] == "name group", "level"])


def test_everybody_looked_for_was_analysed_lost_or_not_found(
    world: World, register: linkage.Register
) -> None:
    people = world.upload.assign(
        intervention_start=pd.Timestamp("2009-05-01"), index_date=pd.NaT, conviction_date=pd.NaT
    )
    links = located(world.upload, register)
    kinds = linkage.kinds(links, linkage.clean(world.upload), people, register)
    linked = links.table.loc[links.table["decision"] == "linked", ["source", "row"]]
    kept = linked.iloc[::3]
    fates = linkage.fates(kinds, links, kept)
    rates = linkage.rates(kinds)
    assert fates["people"].tolist() == rates["people"].tolist()
    assert (fates["analysed"] + fates["lost"]).tolist() == rates["linked"].tolist()
    assert fates.groupby("group")["analysed"].sum().unique().tolist() == [len(kept)]
    assert (fates[list(linkage.FATES)].sum(axis=1) == fates["people"]).all()


def test_gains_count_people_whom_better_data_would_find() -> None:
    register = register_of(small([PERSON]))
    rows = upload(UNDATED, {**UNDATED, "surname": "Zzyzx"})
    links = located(rows, register)
    gains = linkage.gains(links, linkage.clean(rows)).set_index("field")
    assert gains.loc["date of birth", "rows_lacking"] == 2
    assert gains.loc["date of birth", "people_lacking"] == 2
    assert gains.loc["date of birth", "gain"] == pytest.approx(
        links.table["in_register"].fillna(0).sum(), abs=1e-5
    )
    assert 0 < gains.loc["date of birth", "gain"] <= 1
    assert gains.loc["surname", "people_lacking"] == 0


def test_repeated_rows_are_linked_once(world: World, register: linkage.Register) -> None:
    twice = pd.concat([world.upload, world.upload.assign(row=world.upload["row"] + 10_000)])
    once, again = located(world.upload, register), located(twice, register)
    assert again.linked == once.linked
    assert again.table["offender_id"].dropna().is_unique


def test_only_rows_with_nothing_to_look_for_are_incomplete() -> None:
    rows = upload(
        {**ROW, "date_of_birth": None},
        {**ROW, "date_of_birth": None, "forename": "Zebedee"},
        {**ROW, "surname": None},
        {**ROW, "forename": "unknown"},
        {**ROW, "forename": None, "pnc_id": PERSON["pnc_id"]},
    )
    ends = list(located(rows, register_of(small([PERSON]))).table["decision"])
    assert ends == ["review", "not found", "incomplete", "incomplete", "linked"]


def test_thresholds_move_decisions_the_right_way(world: World, register: linkage.Register) -> None:
    found = linkage.candidates(linkage.clean(world.upload), register)
    by_pass = linkage.deterministic(found)
    scored = linkage.score(found, by_pass)
    linked = [
        linkage.decide(by_pass, scored, threshold=threshold).linked
        for threshold in (0.5, 0.95, 0.999, 1.1)
    ]
    assert linked == sorted(linked, reverse=True)
    assert linked[0] > linked[3]
    only_passes = linkage.decide(by_pass, scored, threshold=1.1).counts()
    assert only_passes["probabilistic"] == 0
    narrow = linkage.decide(by_pass, scored, review=1.01).counts()
    assert narrow["review"] < linkage.decide(by_pass, scored, review=0.001).counts()["review"]
    strict = linkage.decide(by_pass, scored, gap_bits=1000).table
    assert strict.loc[strict["decision"] == "linked", "candidates"].eq(1).all()


def test_every_row_gets_one_decision_and_counts_add_up(
    world: World, register: linkage.Register
) -> None:
    links = located(world.upload, register)
    counts = links.counts()
    assert sum(counts.values()) == len(world.upload)
    assert sum(counts[name] for name in (CERTAIN, *linkage.STAGES[3:])) == links.linked
    assert list(links.table["row"]) == sorted(world.upload["row"])
    assert (links.table["offender_id"].notna() == (links.table["decision"] == "linked")).all()


def test_an_unknown_pass_is_refused(register: linkage.Register) -> None:
    with pytest.raises(ValueError, match="no such pass"):
        linkage.deterministic(linkage.candidates(linkage.clean(upload(ROW)), register), ["by eye"])


def test_nobody_at_all_is_no_trouble(register: linkage.Register) -> None:
    assert located(upload(ROW).head(0), register).linked == 0
    assert located(upload({**ROW, "surname": "Zzyzx"}), register).counts()["not found"] == 1


# ---------------------------------------------------------------------------------- the model


def test_few_uploads_leave_the_starting_values(few_pairs: None) -> None:
    world = linkage_world.make(people=500, rows=190, seed=2)
    con = world.connect()
    model = linkage.train(DuckDB(con), world.upload, SEED)
    assert model == linkage.train(DuckDB(con), None, SEED)
    m = linkage.weights(model).groupby("field", sort=False)["m"].agg(tuple).to_dict()
    assert m == modelling.start_m()


def test_training_learns_how_people_are_written(world: World, register: linkage.Register) -> None:
    found = linkage.weights(register.model).set_index(["field", "level"])
    assert found.loc[("date_of_birth", "exact"), "m"] == pytest.approx(0.95, abs=0.03)
    women = world.offenders["sex"].eq("female").mean()
    same = women**2 + (1 - women) ** 2
    assert found.loc[("sex", "same"), "u"] == pytest.approx(same, abs=0.03)
    assert found.loc[("forename", "nickname"), "m"] == pytest.approx(0.06, abs=0.03)
    start = [m for values in modelling.start_m().values() for m in values]
    assert (found["m"] != start).all()
    sums = found.groupby("field")["m"].sum()
    assert np.allclose(sums, 1, atol=1e-4)


def test_levels_the_register_never_shows_are_no_strong_evidence(
    register: linkage.Register,
) -> None:
    found = linkage.weights(register.model).set_index(["field", "level"])["weight"]
    assert found[("forename", "initial")] < 6
    assert found[("forename", "nickname")] < 9
    assert found[("surname", "part")] < 11
    assert found[("forename", "swapped")] < 19


def test_another_seed_moves_u_and_only_a_little(world: World, few_pairs: None) -> None:
    con = world.connect()
    one, two = (linkage.weights(linkage.train(DuckDB(con), None, seed)) for seed in (1, 2))
    assert not one["u"].equals(two["u"])
    common = one["u"] > 0.01
    assert np.allclose(one.loc[common, "u"], two.loc[common, "u"], rtol=0.2)


# ------------------------------------------------------------------------------------- privacy


def values_of(world: World) -> set[str]:
    texts = pd.concat(
        [world.offenders[key] for key in ("forename", "surname", "pnc_id", "prison_number")]
    ).dropna()
    known = {level[0] for levels in modelling.LEVELS.values() for level in levels}
    return {text for text in texts.str.lower() if len(text) > 4} - known


def test_the_model_holds_no_value_of_anybody(world: World, register: linkage.Register) -> None:
    text = json.dumps(register.model).lower()
    words = set(re.findall(r"[a-z]+", text))
    assert not words & values_of(world)
    assert "linker_uid" not in text


def test_nothing_is_printed_logged_or_shown(
    world: World,
    few_pairs: None,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    con = world.connect()
    model = linkage.train(DuckDB(con), world.upload, SEED)
    register = linkage.Register(DuckDB(con), model, len(world.offenders))
    links = located(world.upload, register)
    scored = scored_of(world.upload, register)
    for made in (links, scored, register):
        assert not set(re.findall(r"[a-z']+", repr(made).lower())) & values_of(world)
        assert not re.search(r"N\d{7}", repr(made))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("table", ["names", "tight_keys", "term_frequencies_surname"])
def test_a_failure_names_the_step_and_nobody(table: str) -> None:
    register = register_of(small([PERSON]))
    register.engine.con.execute(f"ALTER TABLE {table} RENAME TO spoilt").fetchall()
    column = "surname" if table != "tight_keys" else "key"
    register.engine.con.execute(f"""
        CREATE VIEW {table} AS SELECT * REPLACE (error('{CANARY}: ' || {column}) AS {column})
        FROM spoilt""").fetchall()
    with pytest.raises(linkage.LinkageFailed) as caught:
        located(upload(ROW), register)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_an_upload_of_the_wrong_kind_fails_without_quoting_it() -> None:
    rows = upload(ROW)
    rows["date_of_birth"] = f"{CANARY} 31/02/1980"
    with pytest.raises(linkage.LinkageFailed) as caught:
        linkage.clean(rows)
    assert "1980" not in str(caught.value)
    assert caught.value.__context__ is None


def test_nothing_is_left_behind(world: World, register: linkage.Register) -> None:
    before = register.engine.con.execute("SHOW ALL TABLES").fetchall()
    located(world.upload, register)
    assert register.engine.con.execute("SHOW ALL TABLES").fetchall() == before


def test_prepared_tables_hold_only_integers_dates_and_text(register: linkage.Register) -> None:
    kinds = {
        row[1]
        for name in linkage.PREPARED
        for row in register.engine.con.execute(f"DESCRIBE {name}").fetchall()
    }
    assert kinds <= {"INTEGER", "UBIGINT", "DATE", "VARCHAR"}
