"""A made-up upload, register and linkage with known answers, for the tests of reviews.

The linkage is written down, not computed, so that what is tested is the review alone.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pandas as pd

from jdl import review, sitting

MODEL = "m" * 64
TABLES = {"offenders": "o" * 64, "aliases": "a" * 64, "offences": "f" * 64}
FIELDS = ("forename", "surname", "date_of_birth", "sex", "pnc_key", "prison_key")
SURNAMES = ["Quillon", "Zanthrop", "Wexcombe", "Yarlsby", "Umbridge", "Thackwell"]


def people(count: int = 12) -> pd.DataFrame:
    """Return an upload of so many different people, of whom the first two stand in it twice."""
    numbers = [*range(count), 0, 1]
    return pd.DataFrame(
        {
            "row": range(2, len(numbers) + 2),
            "source": "harbour",
            "forename": [f"Ottoline{chr(97 + n)}" for n in numbers],
            "surname": [SURNAMES[n % len(SURNAMES)] for n in numbers],
            "date_of_birth": pd.to_datetime(
                [f"198{n % 10}-0{n % 9 + 1}-1{n % 9}" for n in numbers]
            ),
            "gender": "female",
            "pnc_id": [f"2001/{n:07d}A" if n else None for n in numbers],
            "prison_number": None,
            "index_date": pd.to_datetime("2011-03-01"),
            "location": "Leeds",
        }
    ).astype(dict.fromkeys(("source", "forename", "surname", "gender", "pnc_id"), "str"))


def prepared(model: str = MODEL, **tables: str) -> SimpleNamespace:
    """Return what `review.read` asks of a prepared vintage."""
    return SimpleNamespace(
        record={"inputs": {**TABLES, **tables}}, register=SimpleNamespace(model_hash=model)
    )


def basis(upload: pd.DataFrame) -> review.Basis:
    """Return what decisions on these people in this register hold for."""
    return review.Basis(review.upload_key(upload), review.register_key(TABLES))


def answer(
    upload: pd.DataFrame,
    at: int,
    verdict: str = review.NOBODY,
    *,
    role: str = "statistician 1",
    purpose: str = "doubtful",
    listed: tuple[str, ...] = ("A", "B"),
    linked: str | None = None,
    model: str = MODEL,
    reason: str = "names are of different people",
    on: str = "2014-03-03",
) -> review.Answer:
    """Return an answer on the upload row at this place: an offender, nobody, or cannot tell."""
    said = {verdict: review.SAME}
    other = review.CANNOT_TELL if verdict == review.CANNOT_TELL else review.DIFFERENT
    return review.Answer(
        case=review.row_keys(upload).iloc[at],
        source=str(upload["source"].iloc[at]),
        row=int(upload["row"].iloc[at]),
        purpose=purpose,
        role=role,
        reason=reason,
        model=model,
        on=on,
        pairs=tuple(
            review.Pair(offender, said.get(offender, other), 0.5, offender == linked)
            for offender in listed
        ),
    )


def _pairs(count: int) -> pd.DataFrame:
    """Six candidates a person, of falling weight; offender `P<n>C0` is the best of person n."""
    rows = [
        {
            "person": n,
            "offender_id": f"P{n}C{rank}",
            "is_alias": int(rank == 1),
            "match_weight": 2.0 - 3 * rank + n / 100,
            "posterior": [0.7, 0.2, 0.05, 0.02, 0.009, 0.001][rank],
            **{f"level_{name}": "exact" if rank == 0 else "missing" for name in FIELDS},
            **{f"weight_{name}": 1.0 for name in FIELDS},
            "level_surname": "different" if rank else "close",
            "level_pnc_key": "exact" if rank == 5 else "missing",
            "level_prison_key": "missing",
        }
        for n in range(count)
        for rank in range(6)
    ]
    return pd.DataFrame(rows).astype({"offender_id": "str"})


def links(upload: pd.DataFrame, reviewed: pd.DataFrame | None = None) -> SimpleNamespace:
    """Link every third person, leave every other to review; the last is not found."""
    count = len(upload) - 2
    first = ~upload["forename"].duplicated()
    number = upload["forename"].str[-1].map(ord) - 97
    decision = pd.Series("review", index=upload.index).mask(number % 3 == 0, "linked")
    decision = decision.mask(number == count - 1, "not found").where(first, "duplicate")
    table = upload[["row", "source"]].assign(
        person=number,
        offender_id=("P" + number.astype("str") + "C0").where(decision == "linked"),
        decision=decision,
        reason=pd.Series("close second", index=upload.index).where(decision == "review"),
    )
    audit = pd.DataFrame({"row": table["row"], "decision": table["decision"]})
    audit["reviewed"] = 0 if reviewed is None else len(reviewed)
    return SimpleNamespace(table=table, audit=audit)


@cache
def register() -> duckdb.DuckDBPyConnection:
    """Open an engine that holds the candidates, and what nobody may be shown."""
    con = duckdb.connect(":memory:")
    offenders = pd.DataFrame(
        [
            (f"P{n}C{rank}", f"Ottolin{chr(97 + n)}", "Maud" if rank == 1 else None, "Zanthropp")
            for n in range(26)
            for rank in range(6)
        ],
        columns=["offender_id", "forename", "middle_names", "surname"],
    ).assign(
        date_of_birth=pd.Timestamp("1981-02-11"), sex="female", pnc_id=None, prison_number="A1B"
    )
    aliases = pd.DataFrame(
        {
            "offender_id": ["P1C1", "P1C1"],
            "forename": ["Ottoline", "Ottoline"],
            "surname": ["Vantongeren", "Vantongeren"],
            "date_of_birth": pd.to_datetime(["1979-01-01", None]),
        }
    )
    offences = pd.DataFrame({"offender_id": ["P1C1"], "offence_group": ["Robbery"]})
    born = "REPLACE (date_of_birth::DATE AS date_of_birth)"
    for name, frame, kind in (
        ("offenders", offenders, born), ("aliases", aliases, born), ("offences", offences, ""),
    ):  # fmt: skip
        con.register("given", frame)
        con.execute(f"CREATE TABLE {name} AS SELECT * {kind} FROM given").fetchall()
        con.unregister("given")
    return con


def desk(folder: Path, upload: pd.DataFrame, seed: int = 7, alone=nullcontext) -> sitting.Desk:
    """Return all that is needed to review this upload."""
    number = upload["forename"].str[-1].map(ord) - 97
    scored = SimpleNamespace(
        pairs=_pairs(len(upload) - 2),
        rows=upload[["row", "source"]].assign(person=number),
        model_hash=MODEL,
        prior=-17.0,
    )
    return sitting.Desk(
        request_id="harbour",
        people=upload,
        scored=scored,
        decide=lambda reviewed: links(upload, reviewed),
        account=lambda found: found.audit,
        con=register(),
        restricted=folder,
        basis=basis(upload),
        seed=seed,
        drawn_from="a made-up register",
        alone=alone,
    )
