"""Pseudonyms: after the linkage nobody is known by an identifier of the national records.

The engine keeps who is who, in temporary tables of its own memory. Rows that leave it carry
pseudonyms in place of identifiers, and rows that return are found again by them, so that the heavy
work stays in SQL and no identifier comes into a frame. The columns keep their names, for they still
say whose row it is.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from jdl.engines import Tables, bring
from jdl.linkage import Links

_KNOWN = {"offender_id": "known_people", "disposal_id": "known_disposals"}
_MARK = 32


def begin(con: Tables) -> None:
    """Draw the key of one request; what was known by an earlier key is forgotten.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Keeps the key and who is who, in memory, until it is closed.

    Notes
    -----
    A pseudonym is the beginning of the SHA-256 of the key, the kind of identifier and the
    identifier: 64 bits, of which two agree by chance once in thirty million requests that look at a
    million people. The key is drawn anew and stored nowhere, so frames of two requests, or of two
    runs of one, cannot be joined, and no pseudonym can be found again by trying identifiers. No
    figure may hang on it: rows leave the engine in the order of their identifiers, and nothing
    after it may sort by a pseudonym.
    """
    key = secrets.token_hex(32)
    con.execute(f"""
        CREATE OR REPLACE TEMP MACRO pseudonym(kind, id) AS
            left(sha256('{key}' || kind || id), 16)""")
    for known in _KNOWN.values():
        con.execute(f"CREATE OR REPLACE TEMP TABLE {known} (id VARCHAR, pseudonym VARCHAR)")


def of_people(con: Tables, people: pd.Series[str]) -> pd.Series[str]:
    """Return the pseudonyms of people of the register.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        See `begin`.
    people : Series of str
        Their identifiers; may be missing.

    Returns
    -------
    Series of str
        In the order given, missing where those are.
    """
    con.register("met", people.dropna().drop_duplicates().to_frame("offender_id"))
    _learn(con, "met", ["offender_id"])
    pairs = con.execute("""
        SELECT id, pseudonym FROM known_people
        WHERE id IN (SELECT offender_id FROM met)""").fetchall()
    con.unregister("met")
    return people.map(dict(pairs)).astype("str").where(people.notna())


def identifiers(con: Tables, people: pd.Series[str]) -> dict[str, str]:
    """Return whom pseudonyms stand for, to be made into keyed hashes at once.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        See `begin`.
    people : Series of str
        Pseudonyms of people.

    Returns
    -------
    dict of str to str
        The PNC id of each, which outlives an extract that numbers its people anew; the identifier
        of the register for whom it holds none, or one that several share. Such people, and those
        who receive a PNC id later, are known again only while an extract keeps its numbers.

    Raises
    ------
    KeyError
        If a pseudonym is not of this request.
    """
    enter(con, "identified", people.drop_duplicates().to_frame("offender_id"))
    bring(con, "identified", "names")
    own = """
        SELECT offender_id AS id, min(pnc_key) AS pnc_key FROM names
        WHERE is_alias = 0 GROUP BY offender_id"""
    con.execute(f"CREATE TEMP TABLE own_pnc_ids AS {own}").fetchall()
    bring(con, "own_pnc_ids", "shared_pnc_ids", column="pnc_key")
    known = con.execute("""
        SELECT pseudonym, coalesce('pnc ' || pnc_key, 'register ' || id)
        FROM known_people SEMI JOIN identified ON offender_id = id
        LEFT JOIN (FROM own_pnc_ids ANTI JOIN shared_pnc_ids USING (pnc_key)) USING (id)""")
    found = dict(known.fetchall())
    con.execute("DROP TABLE identified; DROP TABLE own_pnc_ids").fetchall()
    return {one: found[one] for one in people}


@dataclass(frozen=True)
class Marked:
    """People of the register, known by keyed hashes alone; it shows nobody.

    Parameters
    ----------
    key : str
    marks : frozenset of str
        From `mark`.
    """

    key: str = field(repr=False)
    marks: frozenset[str] = field(repr=False)


def mark(key: str, person: str) -> str:
    """Return the keyed hash of an identifier of the register, to be kept."""
    return hashlib.sha256(f"{key}{person}".encode()).hexdigest()[:_MARK]


def of_marked(con: Tables, people: Marked) -> pd.Series[str]:
    """Return the pseudonyms of those marked whom the request has met.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        See `begin`.
    people : Marked
    """
    con.register("marked", pd.DataFrame({"mark": sorted(people.marks)}, dtype="str"))
    found = con.execute(f"""
        SELECT pseudonym FROM known_people
        WHERE left(sha256('{people.key}' || id), {_MARK}) IN (SELECT mark FROM marked)
        ORDER BY id""").df()
    con.unregister("marked")
    return found["pseudonym"].astype("str")


def of_links(
    con: Tables, links: Links, otherwise: Mapping[str, Links]
) -> tuple[Links, dict[str, Links]]:
    """Return what was decided of who is who, told by pseudonyms.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        See `begin`.
    links : Links
        From ``linkage.decide``.
    otherwise : mapping of str to Links
        From ``linkage.alternatives``.

    Returns
    -------
    Links
    dict of str to Links
        By the same names.
    """

    def told(one: Links) -> Links:
        offenders = of_people(con, one.table["offender_id"])
        table = one.table.assign(offender_id=offenders)
        return replace(one, table=table, near=of_people(con, one.near))

    return told(links), {name: told(one) for name, one in otherwise.items()}


def enter(con: Tables, name: str, rows: pd.DataFrame) -> None:
    """Make a temporary table of rows, with identifiers in the place of their pseudonyms.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        See `begin`.
    name : str
        Of the table, which is replaced where there is one.
    rows : DataFrame
        With offender_id, disposal_id or both.

    Raises
    ------
    KeyError
        If a pseudonym is not of this request.
    """
    ids = [column for column in _KNOWN if column in rows]
    con.register("entering", rows)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {name} AS
        SELECT e.* REPLACE ({_other("id", ids)})
        FROM entering e {_joined("e", ids, "pseudonym")}""").fetchall()
    con.unregister("entering")
    found = con.execute(f"SELECT {', '.join(f'count({column})' for column in ids)} FROM {name}")
    if found.fetchall()[0] != tuple(int(rows[column].notna().sum()) for column in ids):
        raise KeyError("these rows hold pseudonyms of another request")


def fetch(con: Tables, sql: str, order: str = "disposal_id") -> pd.DataFrame:
    """Fetch rows, with pseudonyms in the place of their identifiers.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        See `begin`.
    sql : str
        With a column offender_id, disposal_id or both.
    order : str
        The column by which the rows are ordered, before pseudonyms take its place.

    Returns
    -------
    DataFrame
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE fetched AS {sql}").fetchall()
    described = {row[0] for row in con.execute("DESCRIBE fetched").fetchall()}
    ids = [column for column in _KNOWN if column in described]
    _learn(con, "fetched", ids)
    frame = con.execute(f"""
        SELECT f.* REPLACE ({_other("pseudonym", ids)})
        FROM fetched f {_joined("f", ids, "id")} ORDER BY f.{order}""").df()
    con.execute("DROP TABLE fetched").fetchall()
    return frame


def _learn(con: Tables, relation: str, ids: Iterable[str]) -> None:
    """Give pseudonyms to those of a relation who have none yet."""
    for column in ids:
        con.execute(f"""
            INSERT INTO {_KNOWN[column]}
            SELECT id, pseudonym('{column}', id)
            FROM (SELECT DISTINCT {column} AS id FROM {relation} WHERE {column} IS NOT NULL)
            ANTI JOIN {_KNOWN[column]} USING (id)""").fetchall()


def _other(side: str, ids: Iterable[str]) -> str:
    return ", ".join(f"{_KNOWN[column]}.{side} AS {column}" for column in ids)


def _joined(rows: str, ids: Iterable[str], on: str) -> str:
    return "\n".join(
        f"LEFT JOIN {_KNOWN[column]} ON {_KNOWN[column]}.{on} = {rows}.{column}::VARCHAR"
        for column in ids
    )
