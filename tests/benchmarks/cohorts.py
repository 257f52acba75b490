"""Untidy uploads of any size from a synthetic vintage, with who is who: for the linkage study."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jdl.national import Vintage
from jdl.synthetic.people import HELD_TWICE, RELATIVES, TWINS, Draws, draw_people, words_of
from jdl.synthetic.tables import full_surname
from jdl.synthetic.uploads import DUPLICATES, STRANGERS_FROM, give_ids, slip

NOT_IN_REGISTER = 0.10
NO_SENTENCE = 0.05
AWAY = (400, 1400)
DATE_SLIP = 0.10
LATE = 0.08
KINDS = (
    "alias", "changed surname", "nickname", "forename slip", "surname slip", "middle name",
    "double-barrelled", "initial", "swapped", "day and month", "digit", "first of January",
    "no date of birth", "not in the register",
)  # fmt: skip
SPREAD = 0.4
_COLUMNS = [
    "row", "source", "forename", "surname", "date_of_birth", "gender", "pnc_id", "prison_number",
    "index_date", "conviction_date", "intervention_start", "intervention_end", "setting",
    "participation",
]  # fmt: skip
_TRUTH = [
    "row", "offender_id", "disposal_id", "sex", "birth", "errors", "culture", "reoffended",
]  # fmt: skip


@dataclass(frozen=True)
class Cohort:
    """An upload and the truth about it.

    Parameters
    ----------
    people : DataFrame
        As ``upload.Upload.people``.
    truth : DataFrame
        One row an upload row: row, offender_id and disposal_id (whom and which sentence the row is
        about; the person missing for strangers, the sentence also for those who took part when
        they had none), sex and birth (of the person, whatever the row says),
        errors (kinds of slip, by '; '), culture, reoffended (within a year of the index date).
    same : dict
        offender_id -> offender_id of a second record of the very same person.
    """

    people: pd.DataFrame
    truth: pd.DataFrame
    same: dict[str, str]


def profile(seed: int) -> dict[str, float]:
    """Draw how much more or less frequent each kind of slip is than in the example uploads.

    Strangers vary too: with the examples' tenth, between some 5 and 20 in a hundred.
    """
    rng = np.random.default_rng([seed, 7])
    return {kind: float(np.exp(SPREAD * rng.standard_normal())) for kind in KINDS}


def cohort(
    vintage: Vintage, register_seed: int, rows: int, seed: int, often: dict[str, float]
) -> Cohort:
    """Draw people with a sentence, and strangers, and write them as organisations do.

    Parameters
    ----------
    vintage : Vintage
        Made by ``jdl synth``.
    register_seed : int
        The seed it was made with.
    rows : int
        How many rows the upload has.
    seed : int
    often : dict
        Factors for kinds of slip; a kind without one is as frequent as in the examples.
    """
    rng = np.random.default_rng(seed)
    once = round(rows / (1 + DUPLICATES))
    strangers = round(once * NOT_IN_REGISTER * often.get("not in the register", 1.0))
    taken = _participants(vintage, once - strangers, seed)
    taken, same = _described(taken, register_seed)
    people = pd.concat([taken, _strangers(rng, register_seed, strangers, taken)], ignore_index=True)
    lines = [_row(rng, person, often) for person in people.to_dict("records")]
    lines += [_again(rng, lines[at]) for at in rng.permutation(len(lines))[: rows - len(lines)]]
    order = rng.permutation(len(lines))
    frame = pd.DataFrame([lines[at] for at in order])
    frame = frame.assign(row=np.arange(2, len(frame) + 2), source="study")
    for name in ("date_of_birth", "index_date", "conviction_date"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[s]")
    for name in ("intervention_start", "intervention_end"):
        frame[name] = pd.to_datetime(frame[name], unit="D").astype("datetime64[s]")
    texts = ["source", "forename", "surname", "gender", "pnc_id", "prison_number", "setting"]
    frame = frame.astype(dict.fromkeys([*texts, "participation"], "str"))
    return Cohort(frame[_COLUMNS], frame[_TRUTH], same)


def _participants(vintage: Vintage, n: int, seed: int) -> pd.DataFrame:
    """Take random sentences of the years in which programmes work, one a person."""
    with vintage.connect(threads=2) as con:
        return con.execute(f"""
            WITH dated AS (
                SELECT *, CASE WHEN disposal = 'custody' THEN release_date ELSE sentence_date END
                    AS index_date
                FROM disposals
                WHERE disposal IN ('custody', 'community order', 'suspended sentence')
            ), fitting AS (
                SELECT *, hash(disposal_id || '|{seed}') AS place FROM dated
                WHERE index_date BETWEEN DATE '2005-01-01' AND DATE '2011-06-30'
                    AND (disposal <> 'custody' OR release_date - sentence_date >= 28)
            ), first AS (
                SELECT * FROM fitting QUALIFY place = min(place) OVER (PARTITION BY offender_id)
                ORDER BY place LIMIT {n}
            ), alias AS (
                SELECT offender_id, forename AS alias_forename, surname AS alias_surname
                FROM aliases SEMI JOIN first USING (offender_id)
                QUALIFY row_number() OVER (
                    PARTITION BY offender_id ORDER BY recorded_on, surname, forename) = 1
            ), again AS (
                SELECT DISTINCT f.disposal_id FROM first f JOIN offences o
                    ON o.offender_id = f.offender_id AND o.offence_date > f.index_date
                    AND o.offence_date <= f.index_date + INTERVAL 1 YEAR
                    AND o.proven_by <> 'penalty notice'
            )
            SELECT f.offender_id, f.disposal_id, f.disposal, f.conviction_date, f.index_date,
                f.sentence_date, f.release_date, o.forename, o.middle_names AS middle, o.surname,
                o.date_of_birth, o.sex, o.pnc_id, o.prison_number, a.alias_forename,
                a.alias_surname, g.disposal_id IS NOT NULL AS reoffended
            FROM first f JOIN offenders o USING (offender_id) LEFT JOIN alias a USING (offender_id)
            LEFT JOIN again g ON g.disposal_id = f.disposal_id ORDER BY f.disposal_id""").df()


def _described(taken: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add the culture of each name, and who is held twice."""
    number = taken["offender_id"].str[1:].astype("int64").to_numpy()
    pairs = np.unique(number // 2)
    numbers = np.repeat(pairs * 2, 2) + np.tile([0, 1], len(pairs))
    drawn = draw_people(seed, numbers)
    culture = dict(zip(numbers.tolist(), drawn.culture.tolist(), strict=True))
    u = Draws.of(seed, pairs * 2).uniform("pair")
    low = 2 * (TWINS + RELATIVES)
    twice = pairs[(u >= low) & (u < low + 2 * HELD_TWICE)] * 2
    same = {f"P{a:08d}": f"P{b:08d}" for n in twice.tolist() for a, b in ((n, n + 1), (n + 1, n))}
    return taken.assign(culture=[culture[n] for n in number.tolist()]), same


def _strangers(rng: np.random.Generator, seed: int, n: int, like: pd.DataFrame) -> pd.DataFrame:
    start = STRANGERS_FROM + int(rng.integers(10**6)) * 100
    drawn = draw_people(seed, np.arange(start, start + n + n % 2))
    dates = like.iloc[rng.integers(len(like), size=n)][
        ["disposal", "conviction_date", "index_date", "sentence_date", "release_date"]
    ].reset_index(drop=True)
    return dates.assign(
        forename=words_of(drawn.forename).to_pylist()[:n],
        middle=words_of(drawn.middle).to_pylist()[:n],
        surname=full_surname(drawn).to_pylist()[:n],
        date_of_birth=pd.to_datetime(drawn.birth[:n], unit="D"),
        sex=np.where(drawn.female[:n], "female", "male"),
        culture=drawn.culture[:n],
    )


def _row(
    rng: np.random.Generator, person: dict[Any, Any], often: dict[str, float]
) -> dict[str, Any]:
    person = {
        key: None if value is None or value != value else value for key, value in person.items()
    }
    person["female"] = person["sex"] == "female"
    custody = person["disposal"] == "custody"
    row: dict[str, Any] = {
        "forename": person["forename"] or "",
        "surname": person["surname"] or "",
        "date_of_birth": person["date_of_birth"] and person["date_of_birth"].date(),
        "gender": person["sex"],
        "pnc_id": None,
        "prison_number": None,
        "index_date": None,
        "conviction_date": None,
        "setting": "custody" if custody else "community",
        "participation": "started",
        "offender_id": person.get("offender_id"),
        "disposal_id": person.get("disposal_id"),
        "sex": person["sex"],
        "birth": person["date_of_birth"],
        "culture": person["culture"],
        "reoffended": person.get("reoffended"),
        "_errors": [],
    }
    row["intervention_start"] = _start(rng, person, custody)
    if rng.random() < NO_SENTENCE:
        row["intervention_start"] += int(rng.integers(*AWAY)) * int(rng.choice([-1, 1]))
        row["disposal_id"] = None
    row["intervention_end"] = row["intervention_start"] + 40 + int(rng.integers(90))
    slip(rng, row, person, often)
    give_ids(rng, row, person | ({} if custody else {"prison_number": None}))
    row["errors"] = "; ".join(row.pop("_errors"))
    return row


def _start(rng: np.random.Generator, person: dict[Any, Any], custody: bool) -> int:
    day = (person["sentence_date"] - pd.Timestamp(0)).days
    if custody:
        day += int(rng.random() * 0.6 * (person["release_date"] - person["sentence_date"]).days)
    else:
        day += 28 + int(rng.integers(60)) if rng.random() < LATE else int(rng.integers(28))
    return day + (int(rng.integers(-6, 7)) if rng.random() < DATE_SLIP else 0)


def _again(rng: np.random.Generator, row: dict[str, Any]) -> dict[str, Any]:
    return row | {"surname": f"{row['surname']}s"} if rng.random() < 0.5 else dict(row)
