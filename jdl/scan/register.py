"""Hold what a publication holds against everybody: the register of a vintage and the uploads.

The register is never loaded: what was found in the publication is small and goes to the engine,
which reads each column once.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pandas as pd

from jdl import request
from jdl.faults import Unusable
from jdl.national import Vintage
from jdl.scan.words import Holds

IDENTITY = "full identity"
BORN = "surname with its date of birth"
DAY = "date of birth of a person of an upload"
NAME = "name"
PNC = "PNC id"
KINDS = (IDENTITY, BORN, DAY, PNC, "prison number", "reference", "identifier of the register", NAME)
_THREADS = 2
_UPLOADED = ("reference", "forename", "surname", "date_of_birth", "pnc_id", "prison_number")


@dataclass(frozen=True)
class Cohort:
    """The people of every upload in the folder of requests.

    Parameters
    ----------
    people : DataFrame
        As ``Upload.people``.
    unread : tuple of str
        The requests whose uploads cannot be read, so that nobody of them is looked for.
    """

    people: pd.DataFrame = field(repr=False)
    unread: tuple[str, ...]


def cohort(requests: Path) -> Cohort:
    """Read the uploads of all requests, of this release or not.

    Parameters
    ----------
    requests : Path
        The folder of requests.

    Returns
    -------
    Cohort
    """
    parts, unread = [], []
    folders = [*request.request_folders(requests), *request.corrected_folders(requests)]
    for folder in folders:
        try:
            parts.append(request.read_upload(request.read_request(folder)).people)
        except Unusable:
            unread.append(request.id_of(folder))
    people = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_UPLOADED)
    return Cohort(people, tuple(unread))


@dataclass(frozen=True)
class Hits:
    """What of a publication is of a person.

    Parameters
    ----------
    found : dict of str to set
        By kind, see `KINDS`: words, pairs, days or codes.
    firm : dict of str to set
        Those that are a full identity, a surname with its date of birth, or an identifier of a
        person of an upload, whom the register can know by an identifier under another name.
    unsought : int
        Identifiers too short to tell from any number, which were not looked for.
    """

    found: dict[str, set[object]] = field(repr=False)
    firm: dict[str, set[object]] = field(repr=False)
    unsought: int


_FOLDED = """
CREATE MACRO spelt(name) AS translate(replace(replace(replace(replace(
    strip_accents(lower(nfc_normalize(name))),
    'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'øłđð\u0131', 'olddi');
CREATE MACRO folded(name) AS trim(regexp_replace(regexp_replace(spelt(name),
    '[''\u2018\u2019\u02bc`\u00b4]', '', 'g'), '[^\\p{L}]+', ' ', 'g'));
CREATE MACRO code(id) AS lower(regexp_replace(id, '[^0-9A-Za-z]', '', 'g'));
CREATE MACRO parts(id) AS regexp_extract(id,
    '^\\s*(?:\\d\\d)?(\\d\\d)[^0-9A-Za-z]+(\\d{1,7})\\s*[A-Za-z]?\\s*$', ['year', 'serial']);
CREATE MACRO pnc(id) AS CASE WHEN parts(id).serial <> ''
    THEN parts(id).year || lpad(parts(id).serial, 7, '0')
    ELSE regexp_extract(id, '^\\s*(?:19|20)?(\\d{9})\\s*[A-Za-z]?\\s*$', 1) END;
"""

_NAMES = """
CREATE TEMP TABLE name AS
SELECT offender_id AS id, 'given' AS part, forename AS raw FROM offenders
UNION ALL SELECT offender_id, 'given', middle_names FROM offenders
UNION ALL SELECT offender_id, 'family', surname FROM offenders
UNION ALL SELECT offender_id, 'given', forename FROM aliases
UNION ALL SELECT offender_id, 'family', surname FROM aliases
UNION ALL SELECT person, 'given', forename FROM uploaded
UNION ALL SELECT person, 'family', surname FROM uploaded
"""

_WORDS = """
CREATE TEMP TABLE form AS
WITH plain AS (SELECT raw, folded(raw) AS text FROM (SELECT DISTINCT raw FROM name)),
word AS (
    SELECT raw, unnest(string_split(text, ' ')) AS word FROM plain
    UNION SELECT raw, replace(text, ' ', '') FROM plain)
SELECT raw, word FROM word WHERE length(word) > 1 AND word IN (SELECT word FROM words);
CREATE TEMP TABLE named AS
SELECT DISTINCT id, part, word FROM name JOIN form USING (raw);
"""

_BORN = """
CREATE TEMP TABLE born AS
SELECT offender_id AS id, date_of_birth::DATE::VARCHAR AS day, false AS upload FROM offenders
WHERE date_of_birth::DATE::VARCHAR IN (SELECT day FROM days)
UNION ALL SELECT offender_id, date_of_birth::DATE::VARCHAR, false FROM aliases
WHERE date_of_birth::DATE::VARCHAR IN (SELECT day FROM days)
UNION ALL SELECT person, date_of_birth::DATE::VARCHAR, true FROM uploaded
WHERE date_of_birth::DATE::VARCHAR IN (SELECT day FROM days)
"""

_IDENTIFIERS = (
    (PNC, "offenders", "pnc_id"),
    (PNC, "uploaded", "pnc_id"),
    ("prison number", "offenders", "prison_number"),
    ("prison number", "uploaded", "prison_number"),
    ("reference", "uploaded", "reference"),
    ("identifier of the register", "offenders", "offender_id"),
    ("identifier of the register", "disposals", "disposal_id"),
    ("identifier of the register", "offences", "offence_id"),
)


def hits(seen: Holds, allowed: Holds, vintage: Vintage, people: pd.DataFrame) -> Hits:
    """Find whom a publication could tell of.

    Parameters
    ----------
    seen : Holds
        What the publication holds.
    allowed : Holds
        What an empty rendering and the public fields hold: a name or an identifier that is one of
        these words is no sign of a person, nor are two of them that stand together there too. A
        forename and a surname beside each other are, wherever else each of them stands.
    vintage : Vintage
    people : DataFrame
        Of all uploads.

    Returns
    -------
    Hits
    """
    pairs = (seen.pairs | halves(seen.words - allowed.words)) - allowed.pairs
    found: dict[str, set[object]] = {}
    with closing(vintage.connect(_THREADS)) as con:
        con.execute("SET temp_directory = ''")
        con.execute(_FOLDED)
        _bring(con, "uploaded", _uploaded(people))
        words = seen.words | {word for pair in pairs for word in pair}
        _bring(con, "words", pd.DataFrame({"word": sorted(words)}, dtype="str"))
        _bring(con, "pairs", pd.DataFrame(sorted(pairs), columns=["a", "b"], dtype="str"))
        near = pd.DataFrame(sorted(seen.near), columns=["word", "day"], dtype="str")
        _bring(con, "near", near)
        _bring(con, "days", pd.DataFrame({"day": sorted(seen.days)}, dtype="str"))
        codes = sorted(seen.codes - allowed.codes)
        _bring(con, "codes", pd.DataFrame({"code": codes}, dtype="str"))
        _bring(con, "pncs", pd.DataFrame({"pnc": sorted(seen.pnc)}, dtype="str"))
        for step in (_NAMES, _WORDS, _BORN):
            con.execute(step)
        found[IDENTITY] = _identities(con)
        found[BORN] = _of(con, _NEAR)
        found[DAY] = _of(con, "SELECT DISTINCT day FROM born WHERE upload") - allowed.days
        found[NAME] = _of(con, "SELECT DISTINCT word FROM named") & (seen.words - allowed.words)
        unsought = 0
        for kind, table, column in _IDENTIFIERS:
            sure, passed = _identifiers(con, table, column)
            found.setdefault(kind, set()).update(sure)
            unsought += passed
        found[PNC] |= _of(con, _PNC_KEYS)
        firm = _firm(con) if any(found.values()) else {kind: set() for kind in KINDS}
    return Hits(found, firm, unsought)


def halves(words: set[str]) -> set[tuple[str, str]]:
    """Return every way to part a word into two: a name can be run into one."""
    return {
        (word[:place], word[place:]) for word in words for place in range(2, max(len(word) - 1, 2))
    }


def _uploaded(people: pd.DataFrame) -> pd.DataFrame:
    rows = people.reindex(columns=list(_UPLOADED))
    days = pd.to_datetime(rows["date_of_birth"]).dt.strftime("%Y-%m-%d")
    texts = rows.astype("str").assign(date_of_birth=days.astype("str"))
    return texts.assign(person=[f"upload {place}" for place in range(len(rows))])


def _bring(con: duckdb.DuckDBPyConnection, table: str, rows: pd.DataFrame) -> None:
    con.register("brought", rows)
    con.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM brought")
    con.unregister("brought")


def _of(con: duckdb.DuckDBPyConnection, sql: str) -> set[object]:
    return {row if len(row) > 1 else row[0] for row in con.execute(sql).fetchall()}


_NEAR = """
SELECT DISTINCT word, day FROM near
JOIN named USING (word) JOIN born USING (id, day) WHERE part = 'family'
"""

_PNC_KEYS = """
SELECT DISTINCT pnc(pnc_id) FROM offenders WHERE pnc(pnc_id) IN (SELECT pnc FROM pncs)
UNION SELECT DISTINCT pnc(pnc_id) FROM uploaded
WHERE pnc(pnc_id) IN (SELECT pnc FROM pncs UNION ALL SELECT code FROM codes)
"""


_COHORT = """
CREATE TEMP TABLE uploader AS
SELECT person AS id FROM uploaded
UNION ALL SELECT offender_id FROM offenders
WHERE nullif(pnc(pnc_id), '') IN (SELECT pnc(pnc_id) FROM uploaded)
OR nullif(code(prison_number), '') IN (SELECT code(prison_number) FROM uploaded)
"""


def _firm(con: duckdb.DuckDBPyConnection) -> dict[str, set[object]]:
    """Return by kind what is of a person of an upload beyond doubt."""
    con.execute(_COHORT)
    of_them = "id IN (SELECT id FROM uploader)"
    firm: dict[str, set[object]] = {kind: set() for kind in KINDS}
    firm[IDENTITY] = _identities(con, of_them)
    firm[BORN] = _of(con, f"{_NEAR} AND {of_them}")
    for kind, table, column in _IDENTIFIERS:
        if table == "uploaded":
            firm[kind] |= _identifiers(con, table, column)[0]
    firm["identifier of the register"] = _of(con, "SELECT DISTINCT code(id) FROM uploader")
    firm[PNC] |= _of(con, "SELECT DISTINCT pnc(pnc_id) FROM uploaded")
    return firm


def _identities(con: duckdb.DuckDBPyConnection, of: str = "true") -> set[object]:
    """Return the pairs of words that are a forename and a surname of one person, in their order."""
    return _of(
        con,
        f"""
        WITH whole AS (
            SELECT DISTINCT one.word AS given, other.word AS family
            FROM named one JOIN named other USING (id)
            WHERE one.part = 'given' AND other.part = 'family' AND one.word <> other.word
            AND {of})
        SELECT a, b FROM pairs JOIN whole ON a = given AND b = family
        UNION SELECT a, b FROM pairs JOIN whole ON b = given AND a = family""",
    )


def _identifiers(
    con: duckdb.DuckDBPyConnection, table: str, column: str
) -> tuple[set[object], int]:
    """Return the codes seen that identify somebody, and how many identifiers no code could be.

    Those are too short to tell from any number or word; a provider's own may be shorter by one.
    """
    fewest = 9 if table == "uploaded" else 10
    short = f"""CASE WHEN length(code) >= {fewest} THEN false
        ELSE length(code) < 5 OR regexp_full_match(code, '[0-9]+') END"""
    [(found, passed)] = con.execute(
        f"""WITH id AS (SELECT code({column}) AS code FROM {table}),
        told AS (SELECT code, {short} AS short, code IN (SELECT code FROM codes) AS seen FROM id)
        SELECT list(DISTINCT code) FILTER (seen AND NOT short), count(*) FILTER (short)
        FROM told WHERE seen OR short"""
    ).fetchall()
    return set(found or ()), int(passed)
