"""The planted truth, on five made-up people and on what was decided of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from jdl import matching
from jdl.faults import Unusable
from jdl.learning import truth

NONE = pd.DataFrame()
SLIPS = {2: "", 3: "nickname", 4: "alias; digit", 5: "", 6: "", 7: "entered twice"}


def planted() -> truth.Truth:
    """A to D are in the register, D on two rows; the one of row 5 is not in it."""
    links = pd.DataFrame(
        {
            "request": "r",
            "row": list(SLIPS),
            "offender_id": ["A", "B", "C", None, "D", "D"],
            "disposal_id": ["a", "b", "c", None, "d", "d"],
            "role": ["treated", "treated", "no sentence", "not in register", "treated", "treated"],
            "errors": list(SLIPS.values()),
        }
    )
    other = links.assign(request="another", offender_id="Z")
    return truth.Truth(pd.concat([other, links]), NONE, NONE, {})


def decided(**given: str) -> pd.DataFrame:
    """Links by row; whoever is not named has none."""
    return pd.DataFrame(
        {"row": list(SLIPS), "offender_id": [given.get(f"row{row}") for row in SLIPS]}
    )


LINKS = decided(row2="A", row3="C", row5="B", row6="D")


def test_links_are_held_against_who_people_are():
    told = truth.linked(planted(), LINKS, "r")
    assert told.table.to_numpy().tolist() == [[2, 0], [1, 1], [1, 0]]
    assert "Of 4 people linked, 2" in told.said and "a precision of 50.0%" in told.said
    assert "Of 4 people who are in the register, 2 were found: a share of 50.0%" in told.said


def test_new_links_are_told_apart_from_those_there_before():
    told = truth.linked(planted(), LINKS, "r", decided(row2="A", row3="C"))
    assert told.said.endswith("Of the 2 new links, 1 are right and 1 are wrong.")
    assert "new links" not in truth.linked(planted(), LINKS, "r").said


def test_a_person_of_two_rows_counts_once():
    told = truth.linked(planted(), decided(row7="D"), "r")
    assert told.table.to_numpy().tolist() == [[1, 0], [0, 0], [3, 1]]


def test_the_missed_are_told_by_each_of_their_slips():
    told = truth.missed(planted(), LINKS, "r")
    assert told.table["Missed"].to_dict() == {"alias": 1, "digit": 1, "nickname": 1, "no slip": 0}
    assert told.table.loc["no slip"].tolist() == [2, 2, 0]
    assert told.said.startswith("2 people of the register were missed, 2 of them with a slip")


def test_participants_missed_are_held_against_those_found():
    took = {"A": 2, "B": 0, "C": 1, "D": 0, "E": 4}
    given = {"request": "r", "role": "treated", "offender_id": list(took)}
    participation = pd.DataFrame({**given, "reoffences_without": list(took.values())})
    told = truth.unlike(replace(planted(), participation=participation), LINKS, "r")
    assert told.table.loc["Found"].tolist() == [2, 1]
    assert told.table.loc["Missed"].tolist() == [2, 1]
    assert "50.0% of those found and 50.0% of those missed" in told.said


def test_nobody_missed_is_said_in_words():
    everyone = decided(row2="A", row3="B", row4="C", row6="D")
    assert truth.missed(planted(), everyone, "r").said.startswith("Nobody of the register")


def located(**reasons: str) -> pd.DataFrame:
    rows = pd.DataFrame({"row": list(SLIPS), "rule": "in custody"})
    rows["disposal_id"] = ["p1", "p9", "p3", None, "p4", None]
    rows["reason"] = [reasons.get(f"row{row}") for row in SLIPS]
    return rows


def test_sentences_are_held_against_those_really_served():
    con = duckdb.connect()
    con.execute("CREATE TABLE known_disposals (id VARCHAR, pseudonym VARCHAR)")
    con.execute("INSERT INTO known_disposals VALUES ('a', 'p1'), ('x', 'p9'), ('d', 'p4')")
    found = located(row4="lost", row5="lost", row7="twice")
    told = truth.sentences(planted(), con, found, "r")
    assert told.said.startswith("2 of 3 people")
    assert told.table.loc["in custody"].tolist() == [3, 2]


def test_roles_are_held_against_what_became_of_the_rows():
    told = truth.fates(planted(), located(row3="lost", row5="lost", row7="twice"), "r")
    assert "should not have been: 1 people" in told.said and "took part: 1 people" in told.said
    assert "shows 2 such rows" in told.said
    assert told.table.loc["in the treatment group"].to_dict() == {
        "no sentence": 1,
        "not in register": 0,
        "treated": 2,
    }


def test_what_is_told_is_a_table_without_anybodys_identifier():
    page = truth.linked(planted(), LINKS, "r")._repr_html_()
    assert page.count("<tr>") == 4 and '<th scope="row">not linked</th><td>1</td>' in page
    assert "offender_id" not in repr(planted())


def test_data_without_planted_truth_are_refused(tmp_path: Path):
    with pytest.raises(Unusable, match="planted truth"):
        truth.open_truth(SimpleNamespace(data=tmp_path))  # type: ignore[arg-type]


def test_no_truth_is_told_of_people_who_may_be_real(tmp_path: Path):
    vintage, beside = tmp_path / "vintage", tmp_path / "truth"
    vintage.mkdir()
    beside.mkdir()
    for name in truth._FILES:
        (beside / name).write_text("what must not be read")
    for told in ("synthetic = false", 'name = "x"', 'synthetic = "true"'):
        (vintage / "vintage.toml").write_text(told)
        with pytest.raises(Unusable, match="made-up people only"):
            truth.open_truth(SimpleNamespace(data=vintage))  # type: ignore[arg-type]


GROUPS = pd.DataFrame(
    {
        "treated": [True, True, False, False, False],
        "disposal_id": list("pqrst"),
        "offender_id": list("PQRST"),
        "weight": [1.0, 1.0, 2.0, 0.0, 0.0],
        "reoffended": [1, 0, 0, 0, 0],
    }
)
"""Two who took part and three who did not, by their pseudonyms, the first of those alike."""
KNOWN = duckdb.connect()
KNOWN.execute(
    "CREATE TABLE known_disposals AS SELECT unnest(['p','q']) AS pseudonym, unnest(['a','b']) AS id"
)
KNOWN.execute(
    "CREATE TABLE known_people AS SELECT unnest(['P','Q','R','S','T']) AS pseudonym, "
    "unnest(['A','B','C','D','E']) AS id"
)
LIVED = truth.Truth(
    links=NONE,
    participation=pd.DataFrame(
        {
            "disposal_id": ["a", "b", "c", "a"],
            "role": ["treated", "treated", "treated", "refused"],
            "reoffences_without": [3, 1, 1, 0],
            "reoffences_within": [2, 0, 1, 0],
        }
    ),
    unmeasured=pd.DataFrame({"offender_id": list("ABCDE"), "need": [1.0, 3.0, 1.0, 0.0, -1.0]}),
    effects={"unmeasured_need": {"log_hazard_per_sd": 0.15, "log_odds_of_selection_per_sd": 0.08}},
)
"""Without the programme A and B would both have reoffended; with it A did."""


def estimate(difference: float, low: float, high: float) -> SimpleNamespace:
    return SimpleNamespace(difference=difference, ci_low=low, ci_high=high)


ESTIMATES = {"Wide": estimate(-0.3, -0.6, 0.0), "Narrow": estimate(-0.3, -0.4, -0.2)}
BELOW = {"Below": estimate(-0.8, -0.9, -0.7)}


def test_an_interval_is_held_against_the_effect_on_those_analysed():
    told = truth.found(LIVED, KNOWN, GROUPS, ESTIMATES | BELOW)
    assert "Without the programme 100.0%" in told.said and "with it 50.0% did" in told.said
    assert told.table["Percentage points"].tolist() == ["-50.0", "-30.0", "-30.0", "-80.0"]
    assert told.table["Interval holds the truth"].tolist() == ["", "yes", "no", "no"]


def test_the_truth_is_that_of_the_people_of_the_sample():
    only_q = truth.found(LIVED, KNOWN, GROUPS.query("disposal_id != 'p'"), ESTIMATES)
    assert only_q.table.loc["The truth", "Percentage points"] == "-100.0"


def test_the_picture_says_which_interval_holds_the_truth():
    drawn = truth.drawn(LIVED, KNOWN, GROUPS, ESTIMATES)
    assert "The true effect is -50.0" in drawn.alt
    assert "Wide is -30.0, its interval holds the truth." in drawn.alt
    assert "Narrow is -30.0, its interval does not hold the truth." in drawn.alt


def test_the_hidden_need_is_told_of_groups_only():
    told = truth.hidden(LIVED, KNOWN, GROUPS)
    assert told.table["Mean of the hidden need"].tolist() == ["+2.00", "+0.00", "+1.00"]
    assert told.table["Standardised difference"].tolist() == ["", "+1.41", "+0.71"]
    assert "taking part by 1.08" in told.said and "an offence by 1.16" in told.said


def test_the_raw_difference_counts_everybody_once():
    told = truth.raw(GROUPS.assign(weight=1.0))
    assert told.table["Reoffended in the year"].tolist() == ["50.0%", "0.0%"]
    assert "The raw difference is +50.0 percentage points" in told.said


def test_who_was_planted_to_take_part_is_told_beside_the_groups():
    people = GROUPS.assign(
        previous_offences=[10, 20, 1, 2, 3],
        age=[20, 30, 40, 40, 40],
        sex=["female", *["male"] * 4],
        employed=[False, False, True, True, False],
        offence_group=["theft", "theft", "theft", "other", "other"],
        region=["london", "north east", "wales", "wales", "north east"],
    )
    told = truth.selection("harbour-mentoring", people)
    table = told.table
    assert "the mean ages are 25.0 and 40.0 years" in told.said
    assert table.loc["In work before the sentence"].tolist() == ["times 0.67", "share", "0%", "67%"]
    assert table.loc["Ten years younger"].tolist() == ["times 1.28", "mean age", "25.0", "40.0"]
    assert table.loc["Living outside the regions of the service"].tolist() == [
        "times 0.45",
        "share",
        "50%",
        "67%",
    ]


def test_what_the_gate_keeps_back_is_read_only_when_it_is_forced():
    kept_back = matching.match(
        GROUPS.assign(x=[0.0, 1.0, 1.0, 0.0, 2.0]),
        matching.Specification("wide", "treated ~ x", 9.0),
        estimator=smf.logit,
    )

    def read(matched: matching.Matched) -> pd.DataFrame:
        return matched.frame.loc[(matched.frame["weight"] > 0) & matched.accepted]

    assert len(read(kept_back)) == 0
    assert len(truth.unguarded(kept_back, read)) == 5
    assert truth.everyone(kept_back, read)["weight"].tolist() == [1.0] * 5
