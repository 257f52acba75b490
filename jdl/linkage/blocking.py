"""Candidates first: the few people of the register who share a key with somebody of the upload."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pandas as pd

from jdl.engines import Engine
from jdl.linkage.lookup import look_up
from jdl.linkage.names import PERSON, clean_each, hand_over, people_of
from jdl.linkage.private import private_engine, scrubbed
from jdl.linkage.register import NAMES, TIGHT, WIDE, Register, Rules, keys

PASSES = ("pnc id", "prison number", "name and date of birth")
# table of keys -> the upload's rules that meet it, and whose.
_TIGHT: dict[str, tuple[Rules, str]] = {
    "tight_keys": (TIGHT, "true"),
    "undated_keys": (NAMES, "true"),
}
_WIDE: dict[str, tuple[Rules, str]] = {
    "wide_keys": (WIDE, "true"),
    "name_keys": (NAMES, "date_of_birth IS NULL"),
}


@dataclass(frozen=True, eq=False)
class Candidates:
    """The people of an upload and the register people who might be they; it shows nobody.

    Parameters
    ----------
    register : Register
    own : duckdb.DuckDBPyConnection
        A private engine with the tables cohort (the upload's people), register (their candidates'
        names), owners (whose each name is) and pairs.
    rows : DataFrame
        The upload rows: row, source, person, complete.
    by_id : Series
        person -> whether an identifier is given, for everybody who is looked for.
    """

    register: Register = field(repr=False)
    own: duckdb.DuckDBPyConnection = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    by_id: pd.Series[bool] = field(repr=False)


@scrubbed("fetching the candidates")
def candidates(cleaned: pd.DataFrame, register: Register) -> Candidates:
    """Fetch, for everybody in the upload, the register names that share a tight key.

    Parameters
    ----------
    cleaned : DataFrame
        As ``clean`` returns it.
    register : Register

    Returns
    -------
    Candidates

    Raises
    ------
    LinkageFailed
        With no word of what the rows hold.

    Notes
    -----
    A tight key is an identifier, a date of birth with an initial, or both names with a year. Wide
    keys, which catch two slips at once, follow in ``score`` for those whom no pass has settled.
    """
    people = people_of(cleaned)
    own = private_engine()
    hand_over(own, people)
    columns = ", ".join(PERSON)
    own.execute(f"""
        CREATE TABLE cohort AS SELECT person AS unique_id, {columns} FROM upload_people
        ORDER BY person""").fetchall()
    own.execute("CREATE TABLE pairs (person INTEGER, name_id INTEGER)").fetchall()
    rows = cleaned[["row", "source", "person", "complete"]].copy()
    by_id = people.set_index("person")[["pnc_key", "prison_key"]].notna().any(axis=1)
    found = Candidates(register, own, rows, by_id)
    bring_frequencies(register.engine, own, register.size)
    _bring(found, _TIGHT, people["person"].tolist(), "owners")
    return found


def widen(found: Candidates, settled: Collection[int]) -> None:
    """Add the names that share a wide key with somebody who is not settled."""
    unsettled = found.by_id.index.difference(list(settled))
    _bring(found, _WIDE, unsettled.tolist(), "more_owners")
    found.own.execute("""
        INSERT INTO owners
        SELECT * FROM more_owners WHERE unique_id NOT IN (SELECT unique_id FROM owners)
        ORDER BY unique_id""").fetchall()
    found.own.execute("DROP TABLE more_owners").fetchall()


def _bring(
    found: Candidates, lookups: dict[str, tuple[Rules, str]], people: list[int], owners: str
) -> None:
    """Bring the pairs that share a key, and the names in them, out of the register."""
    own = found.own
    own.register("wanted", pd.DataFrame({"person": people}, dtype="int32"))
    ours = {}
    for table, (rules, whose) in lookups.items():
        some = f"(SELECT * FROM upload_people SEMI JOIN wanted USING (person) WHERE {whose})"
        ours[table] = own.sql(keys(rules, some, "person")).to_arrow_table()
    own.unregister("wanted")
    for table, brought in zip(
        (f"{owners}_pairs", owners), look_up(found.register, ours), strict=True
    ):
        own.register("brought", brought)
        own.execute(f"CREATE OR REPLACE TABLE {table} AS FROM brought").fetchall()
        own.unregister("brought")
    own.execute(f"""
        CREATE OR REPLACE TABLE pairs AS FROM pairs UNION FROM {owners}_pairs
        ORDER BY person, name_id""").fetchall()
    own.execute(f"DROP TABLE {owners}_pairs").fetchall()
    own.execute(f"ALTER TABLE {owners} RENAME name_id TO unique_id").fetchall()


TYPICAL = 1000
# table of the request -> prepared table and the column by which it is looked up.
_COUNTS = {
    "forenames": ("term_frequencies_forename", "forename"),
    "surnames": ("term_frequencies_surname", "surname"),
    "full_names": ("term_frequencies_full_name", "surname"),
    "births": ("term_frequencies_date_of_birth", "date_of_birth"),
    "sexes": ("term_frequencies_sex", "sex"),
}
_SHARES = {
    "tf_forename": """
        SELECT forename, sum(people)::DOUBLE / {size} AS tf_forename FROM forenames
        GROUP BY forename""",
    "tf_surname": "SELECT surname, people::DOUBLE / {size} AS tf_surname FROM surnames",
    "tf_date_of_birth": """
        SELECT date_of_birth, people::DOUBLE / {size} AS tf_date_of_birth FROM births""",
    "tf_sex": "SELECT sex, people::DOUBLE / {size} AS tf_sex FROM sexes",
    "forenames_then": f"""
        SELECT forename, sex, decade, log2((of_all::DOUBLE / {{size}}) * (of_group + {TYPICAL})
            / (people + {TYPICAL} * of_all::DOUBLE / {{size}})) AS then_bits
        FROM forenames WHERE sex IS NOT NULL AND decade IS NOT NULL""",
    "names_together": """
        SELECT surname, forename, -log2(greatest(1.0,
            (people - 1)::DOUBLE / {size} / tf_forename / tf_surname)) AS together_bits
        FROM (FROM full_names SEMI JOIN cohort USING (surname, forename))
        JOIN tf_forename USING (forename) JOIN tf_surname USING (surname)""",
}


def bring_frequencies(register: Engine, own: duckdb.DuckDBPyConnection, size: int) -> None:
    """Bring how frequent what the table cohort holds is in the register.

    Names do not come by chance: forenames go with sex and time, surnames with forenames of the same
    tongue. The table forenames_then tells, in bits, how much less a forename says among people of
    one sex born in one decade than among everybody (shares of a group are drawn towards those of
    everybody as if ``TYPICAL`` people more had been counted); names_together, how much less a
    surname says once the forename agrees, where others in the register have both.
    """
    for table, (source, column) in _COUNTS.items():
        written = f"SELECT DISTINCT {column} FROM cohort WHERE {column} IS NOT NULL"
        keys = own.sql(written).to_arrow_table()[column].combine_chunks()
        own.register("brought", register.take(source, column, keys))
        own.execute(f"CREATE TABLE {table} AS FROM brought ORDER BY ALL").fetchall()
        own.unregister("brought")
    for table, sql in _SHARES.items():
        own.execute(f"CREATE TABLE {table} AS {sql.format(size=size)} ORDER BY ALL").fetchall()


_FORENAME_AGREES = """(p.forename = n.forename OR p.root = n.root
    OR (least(length(p.forename), length(n.forename)) = 1
        AND left(p.forename, 1) = left(n.forename, 1))
    OR jaro_winkler_similarity(p.forename, n.forename) >= 0.88
    OR contains(n.middle, ' ' || p.forename || ' ')
    OR contains(p.middle, ' ' || n.forename || ' '))"""
_SURNAME_AGREES = """(p.surname = n.surname
    OR jaro_winkler_similarity(p.surname, n.surname) >= 0.88
    OR contains(n.parts, ' ' || p.surname || ' ')
    OR contains(p.parts, ' ' || n.surname || ' '))"""
_BIRTH_AGREES = """(p.date_of_birth = n.date_of_birth
    OR (year(p.date_of_birth) = year(n.date_of_birth)
        AND month(p.date_of_birth) = day(n.date_of_birth)
        AND day(p.date_of_birth) = month(n.date_of_birth))
    OR damerau_levenshtein(strftime(p.date_of_birth, '%Y%m%d'),
        strftime(n.date_of_birth, '%Y%m%d')) <= 1)"""
_SWAPPED = "(p.forename = n.surname AND p.surname = n.forename)"


def _two_agree() -> str:
    """SQL: at least two of forename, surname and date of birth agree, allowing for slips."""
    forename, surname = (
        f"coalesce(({test} OR {_SWAPPED})::INTEGER, 0)"
        for test in (_FORENAME_AGREES, _SURNAME_AGREES)
    )
    return f"{forename} + {surname} + coalesce({_BIRTH_AGREES}::INTEGER, 0) >= 2"


_PASS_SQL = {
    "pnc id": f"p.pnc_key = n.pnc_key AND {_two_agree()}",
    "prison number": f"p.prison_key = n.prison_key AND {_two_agree()}",
    "name and date of birth": """p.surname = n.surname AND p.forename = n.forename
        AND p.date_of_birth = n.date_of_birth""",
}
_CONTRADICTED = " OR ".join(
    f"coalesce(p.{name} <> n.{name}, false)" for name in ("pnc_key", "prison_key", "sex")
)


def deterministic(found: Candidates, passes: list[str] | tuple[str, ...] = PASSES) -> pd.DataFrame:
    """Settle people by guarded rules, one pass after the other.

    Parameters
    ----------
    found : Candidates
    passes : sequence of str
        Some of ``PASSES``, in order. An identifier settles a person only where at least two of
        forename, surname and date of birth agree as well; name and date of birth only where
        no other person of the register, under no alias, has them, and no identifier or sex differs.

    Returns
    -------
    DataFrame
        One row a settled person: person, stage (the pass), offender_id.

    Raises
    ------
    ValueError
        If a pass is not known.
    LinkageFailed
        With no word of what the rows hold.
    """
    unknown = [name for name in passes if name not in _PASS_SQL]
    if unknown:
        raise ValueError(f"no such pass: {', '.join(unknown)}; there are {', '.join(PASSES)}")
    settled = _run_passes(found.own, list(passes))
    return settled.drop_duplicates("person").sort_values("person", ignore_index=True)


def recognised(
    uploads: Sequence[pd.DataFrame],
    register: Register,
    passes: list[str] | tuple[str, ...] = PASSES,
) -> list[list[str]]:
    """Return whom the passes alone settle of each of several uploads.

    Parameters
    ----------
    uploads : sequence of DataFrame
        Rows of each, such as those of other requests. Nobody is one person with somebody of
        another upload.
    register : Register
    passes : sequence of str
        As for `deterministic`.

    Returns
    -------
    list of list of str
        Their offender_id, by upload.
    """
    parts: list[pd.DataFrame] = []
    first = [0]
    if not any(map(len, uploads)):
        return [[] for _ in uploads]
    for part in clean_each(uploads):
        parts.append(part.assign(person=part["person"] + first[-1]))
        first.append(first[-1] + part["person"].nunique())
    cleaned = pd.concat(parts, ignore_index=True)
    settled = deterministic(candidates(cleaned, register), passes)
    whose = np.searchsorted(first, settled["person"], side="right") - 1
    found = [settled.loc[whose == number, "offender_id"] for number in range(len(parts))]
    return [sorted(set(one)) for one in found]


@scrubbed("running the deterministic passes")
def _run_passes(own: duckdb.DuckDBPyConnection, passes: list[str]) -> pd.DataFrame:
    settled = [pd.DataFrame({"person": [], "stage": [], "offender_id": []})]
    for stage in passes:
        rows = own.execute(f"""
            SELECT person, '{stage}' AS stage, min(offender_id) AS offender_id FROM (
                SELECT p.unique_id AS person, n.offender_id, {_CONTRADICTED} AS contradicted
                FROM pairs JOIN cohort p ON p.unique_id = pairs.person
                JOIN owners n ON n.unique_id = pairs.name_id
                WHERE {_PASS_SQL[stage]})
            GROUP BY person
            HAVING count(DISTINCT offender_id) = 1
                AND ('{stage}' <> '{PASSES[2]}' OR NOT bool_or(contradicted))
            ORDER BY person""").df()
        settled.append(rows)
    return pd.concat(settled, ignore_index=True).astype({"person": "int64"})
