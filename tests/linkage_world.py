"""A small made-up register and upload with known truth, for the linkage tests."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from jdl import linkage

OFFENDERS = """offender_id VARCHAR, pnc_id VARCHAR, prison_number VARCHAR, forename VARCHAR,
    middle_names VARCHAR, surname VARCHAR, date_of_birth DATE, sex VARCHAR, ethnicity VARCHAR"""
ALIASES = "offender_id VARCHAR, forename VARCHAR, surname VARCHAR, date_of_birth DATE"
UPLOAD = [
    "row", "source", "forename", "surname", "date_of_birth", "gender", "pnc_id", "prison_number",
]  # fmt: skip
ONSETS = ["B", "Br", "C", "D", "F", "G", "H", "K", "L", "M", "N", "P", "R", "S", "St", "T", "W"]
MIDDLES = ["a", "e", "i", "o", "u", "ar", "er", "al", "en", "or", "ill", "ant", "ock", "edd"]
ENDS = ["son", "ton", "ley", "man", "er", "s", "ford", "wood", "well", "field", "by", "kins"]


def pnc(year: int, serial: int, written: int = 0) -> str:
    """Write a PNC id with its letter, in one of several ways."""
    letter = linkage.CHECK_LETTERS[int(f"{year % 100:02d}{serial:07d}") % 23]
    return (
        f"{year}/{serial:07d}{letter}",
        f"{year % 100:02d}/{serial}{letter}",
        f"{year % 100:02d}{serial:07d}{letter.lower()}",
        f" {year}-{serial}{letter}",
    )[written]


@dataclass(frozen=True)
class World:
    """A register, an upload and who is who."""

    offenders: pd.DataFrame
    aliases: pd.DataFrame
    upload: pd.DataFrame
    truth: pd.Series

    def connect(self, shuffled: int | None = None) -> duckdb.DuckDBPyConnection:
        """Open an engine with the national tables and what is prepared from them."""
        con = duckdb.connect(":memory:", config={"threads": 1})
        for name, schema in (("offenders", OFFENDERS), ("aliases", ALIASES)):
            frame = getattr(self, name)
            if shuffled is not None:
                frame = frame.sample(frac=1, random_state=shuffled)
            con.execute(f"CREATE TABLE {name} ({schema})").fetchall()
            con.register("given", frame)
            con.execute(f"INSERT INTO {name} SELECT * FROM given").fetchall()
            con.unregister("given")
        for name, sql in linkage.PREPARED.items():
            con.execute(f"CREATE TABLE {name} AS {sql}").fetchall()
        return con


def make(people: int = 5000, rows: int = 700, seed: int = 1, ids: bool = True) -> World:
    """Draw a world whose upload is about as untidy as the linkage measurements describe."""
    rng = np.random.default_rng(seed)
    offenders = _offenders(rng, people)
    aliases = _aliases(rng, offenders)
    upload, truth = _upload(rng, offenders, aliases, rows, ids)
    inside = offenders["inside"]
    kept = offenders.loc[inside].drop(columns="inside").reset_index(drop=True)
    aliases = aliases.loc[aliases["offender_id"].isin(kept["offender_id"])]
    return World(kept, aliases.reset_index(drop=True), upload, truth)


def _zipf(rng: np.random.Generator, words: list[str], n: int, flat: float) -> np.ndarray:
    weights = 1 / (np.arange(len(words)) + flat)
    return rng.choice(np.array(words, dtype=object), n, p=weights / weights.sum())


def _offenders(rng: np.random.Generator, n: int) -> pd.DataFrame:
    surnames = [a + b + c for c in ENDS for b in MIDDLES for a in ONSETS]
    rng.shuffle(surnames)
    forms = linkage.nicknames()
    male, female = (
        sorted({root.title() for (_, s), root in forms.items() if s == sex})
        for sex in ("male", "female")
    )
    woman = rng.random(n) < 0.15
    forename = np.where(woman, _zipf(rng, female, n, 15), _zipf(rng, male, n, 15))
    surname = _zipf(rng, surnames, n, 60)
    twice = rng.random(n) < 0.02
    surname = np.where(twice, surname + "-" + _zipf(rng, surnames, n, 60), surname)
    surname = np.where(rng.random(n) < 0.02, "O'" + surname, surname)
    born = np.datetime64("1950-01-01") + rng.integers(0, 45 * 365, n)
    frame = pd.DataFrame(
        {
            "offender_id": [f"N{number:07d}" for number in rng.permutation(n)],
            "pnc_id": [pnc(1990 + i % 24, 1000 + i * 7) for i in rng.permutation(n)],
            "prison_number": [
                f"A{i % 10000:04d}{chr(65 + i // 10000 % 26)}{chr(65 + i // 260000)}"
                for i in rng.permutation(n)
            ],
            "forename": forename,
            "middle_names": np.where(rng.random(n) < 0.4, _zipf(rng, male, n, 15), None),
            "surname": surname,
            "date_of_birth": born.astype("datetime64[s]"),
            "sex": np.where(woman, "female", "male"),
            "ethnicity": np.where(np.arange(n) % 10 > 0, "white", "mixed"),
            "inside": rng.random(n) > 0.1,
        }
    )
    twins = np.flatnonzero(rng.random(n - 1) < 0.006)
    frame.loc[twins + 1, "surname"] = frame.loc[twins, "surname"].to_numpy()
    frame.loc[twins + 1, "date_of_birth"] = frame.loc[twins, "date_of_birth"].to_numpy()
    frame.loc[rng.random(n) < 0.5, "prison_number"] = None
    return frame


def _aliases(rng: np.random.Generator, offenders: pd.DataFrame) -> pd.DataFrame:
    some = offenders.loc[rng.random(len(offenders)) < 0.25]
    other = rng.permutation(some["surname"].to_numpy())
    women = some["sex"].eq("female") | (rng.random(len(some)) < 0.3)
    return pd.DataFrame(
        {
            "offender_id": some["offender_id"],
            "forename": some["forename"],
            "surname": np.where(women, other, some["surname"]),
            "date_of_birth": some["date_of_birth"].mask(
                ~women, some["date_of_birth"] + dt.timedelta(days=1)
            ),
        }
    )


def _upload(
    rng: np.random.Generator, offenders: pd.DataFrame, aliases: pd.DataFrame, n: int, ids: bool
) -> tuple[pd.DataFrame, pd.Series]:
    chosen = offenders.iloc[rng.permutation(len(offenders))[:n]]
    again = chosen.iloc[: n // 50]
    people = pd.concat([chosen, again], ignore_index=True)
    maiden = aliases.drop_duplicates("offender_id").set_index("offender_id")["surname"]
    rows = [_written(rng, person, maiden, ids) for person in people.to_dict("records")]
    upload = pd.DataFrame(rows)
    upload["row"] = np.arange(2, len(rows) + 2)
    upload["source"] = "made-up-request"
    truth = people["offender_id"].where(people["inside"])
    upload = upload.astype(dict.fromkeys(("forename", "surname", "gender"), "str"))
    return upload[UPLOAD], pd.Series(truth.to_numpy(), index=upload["row"])


def _typo(rng: np.random.Generator, word: str) -> str:
    at = int(rng.integers(1, max(len(word) - 1, 2)))
    kind = rng.integers(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[: at - 1] + word[at : at + 1] + word[at - 1] + word[at + 1 :]
    return word[:at] + "aeirtnsl"[rng.integers(8)] + word[at + 1 :]


def _written(
    rng: np.random.Generator, person: dict[str, object], maiden: pd.Series, ids: bool
) -> dict[str, object]:
    forename, surname, born = (person[key] for key in ("forename", "surname", "date_of_birth"))
    sex = str(person["sex"])
    forms: dict[str, list[str]] = {}
    for (form, of), root in linkage.nicknames().items():
        if of == sex:
            forms.setdefault(root, []).append(form)
    chance = rng.random(12)
    if chance[0] < 0.06:
        forename = rng.choice(forms[str(forename).lower()]).upper()
    elif chance[0] < 0.08:
        forename = str(forename)[0] + "."
    elif chance[0] < 0.12:
        forename = _typo(rng, str(forename))
    if chance[1] < 0.04:
        surname = _typo(rng, str(surname))
    elif chance[1] < 0.08:
        surname = maiden.get(person["offender_id"], surname)
    elif chance[1] < 0.11:
        surname = str(surname).split("-")[0]
    if chance[2] < 0.005:
        forename, surname = surname, forename
    born = _birth(rng, pd.Timestamp(str(born)), chance[3])
    return {
        "forename": f"Mr {forename} " if chance[4] < 0.03 else forename,
        "surname": str(surname).upper() if chance[5] < 0.2 else surname,
        "date_of_birth": born,
        "gender": sex if chance[6] < 0.98 else None,
        "pnc_id": _pnc_as_sent(rng, str(person["pnc_id"]), chance[7]) if ids else None,
        "prison_number": person["prison_number"] if ids and chance[8] < 0.3 else None,
    }


def _birth(rng: np.random.Generator, born: pd.Timestamp, chance: float) -> pd.Timestamp | None:
    if chance < 0.01 and born.day <= 12:
        return born.replace(month=born.day, day=born.month)
    if chance < 0.03:
        return born.replace(day=int(rng.integers(1, 29)))
    if chance < 0.04:
        return born.replace(year=born.year + int(rng.choice([-1, 1])), day=min(born.day, 28))
    if chance < 0.05:
        return born.replace(month=1, day=1)
    return None if chance < 0.06 else born


def _pnc_as_sent(rng: np.random.Generator, pnc_id: str, chance: float) -> str | None:
    if chance > 0.45:
        return None
    year, serial = int(pnc_id[:4]), int(pnc_id[5:12])
    if chance < 0.003:
        return pnc(year, serial + 7)
    if chance < 0.02:
        return pnc_id.replace(pnc_id[10], str((int(pnc_id[10]) + 1) % 10))
    return pnc(year, serial, int(rng.integers(4)))
