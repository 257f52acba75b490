"""Locate the person: clean names and identifiers, guarded passes, Splink's weights, decisions.

Of a person's candidates in the register, and of 'not in the register', each has one posterior.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from math import log2
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from splink import DuckDBAPI, Linker

CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
PASSES = ("pnc id", "prison number", "name and date of birth")
STAGES = (*PASSES, "probabilistic")
DECISIONS = ("linked", "review", "not found", "incomplete", "duplicate")
FIELDS = ("forename", "surname", "date_of_birth", "sex", "pnc_key", "prison_key")
AGREES = {
    "forename": ("exact", "swapped", "nickname", "initial", "close", "similar", "middle name"),
    "surname": ("exact", "swapped", "part", "close", "similar"),
    "date_of_birth": (
        "exact",
        "day and month swapped",
        "one digit",
        "two parts",
        "first of January",
    ),
}
SHARE_FOUND = 0.9
SHARE_AS_ALIAS = 0.05
SHARE_WRONG_ID = 0.05
FEWEST_TO_LEARN = 200
FEWEST_PAIRS = 100
START_WEIGHT = 20
SAMPLED_NAMES = 20_000
SAMPLED_PAIRS = 3e6
EM_PAIRS = 1e6

_TEXTS = ("forename", "middle", "surname", "parts", "root", "sex", "pnc_key", "prison_key")
_PERSON = (*_TEXTS, "date_of_birth")
_WRITTEN = ("forename", "middle_names", "surname", "sex", "pnc_id", "prison_number")

Floats = npt.NDArray[np.float64]
P = ParamSpec("P")
T = TypeVar("T")


class LinkageFailed(RuntimeError):  # noqa: N818
    """A step of the linkage stopped; what the engine said is withheld, for it can quote people."""


def _scrubbed(step: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Replace whatever an engine raises by the step's name and the kind of error."""

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except LinkageFailed:
                raise
            except Exception as error:
                kind = type(error).__name__
            raise LinkageFailed(f"the linkage stopped while {step} ({kind})")

        return call

    return decorate


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Splink's progress out of the notebook: it goes to stderr and differs from run to run."""
    logger = logging.getLogger("splink")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _engine() -> duckdb.DuckDBPyConnection:
    """Open a private engine: one thread, nothing written to disk, no progress bar."""
    con = duckdb.connect(":memory:", config={"threads": 1})
    con.execute("SET temp_directory = ''").fetchall()
    _hide_progress(con)
    return con


def _hide_progress(con: duckdb.DuckDBPyConnection) -> None:
    """Switch the progress bar off; where no display could show one, DuckDB refuses the setting."""
    try:
        con.execute("SET enable_progress_bar = false").fetchall()
    except duckdb.Error:
        return


# ---------------------------------------------------------------------------------------- cleaning


@cache
def nicknames() -> dict[tuple[str, str], str]:
    """Return the root of each kept form of a forename.

    Returns
    -------
    dict
        (form, sex) -> root; sex is 'male', 'female' or '' where not known. A form kept for one sex
        only holds for everybody; one kept for both follows the person's sex.
    """
    text = (Path(__file__).parent / "nicknames.toml").read_text(encoding="utf-8")
    kept = {
        sex: {form: root for root, forms in roots.items() for form in forms}
        for sex, roots in tomllib.loads(text).items()
    }
    orders = {
        "male": ("male", "female"),
        "female": ("female", "male"),
        "": ("male", "female"),
    }
    return {
        (form, sex): kept[first].get(form) or kept[second][form]
        for sex, (first, second) in orders.items()
        for form in sorted(kept["male"] | kept["female"])
    }


_FOLD = (("ß", "ss"), ("æ", "ae"), ("œ", "oe"), ("þ", "th"))
_BARE = "'øłđðı', 'olddi'"
_APOSTROPHES = "[''\u2018\u2019\u02bc`\u00b4]"
_TITLES = "mr|mrs|ms|miss|mx|dr|rev|prof|sir|master"
_SUFFIXES = "jr|jnr|junior|sr|snr|senior|ii|iii"
_ASIDE = r"\(.*|\b(nee|née|formerly|aka)\b.*"
_PARTICLES = """'van','von','der','den','del','dos','las','los','the','bin','ibn','mac','nee',
    'formerly','aka'"""
_PLACEHOLDERS = "'unknown','notknown','notrecorded','notgiven','tbc','xxx','xxxx','nfn','nln'"


def _folded(text: str) -> str:
    """SQL: small letters, no diacritics; an apostrophe joins, all else that is no letter parts."""
    sql = f"lower({text})"
    for long, short in _FOLD:
        sql = f"replace({sql}, '{long}', '{short}')"
    sql = f"strip_accents(translate({sql}, {_BARE}))"
    sql = f"regexp_replace({sql}, '{_APOSTROPHES}', '', 'g')"
    sql = f"trim(regexp_replace({sql}, '[^\\p{{L}}]+', ' ', 'g'))"
    sql = f"regexp_replace({sql}, '^(({_TITLES}) )+', '')"
    return f"regexp_replace({sql}, '( ({_SUFFIXES}))+$', '')"


def _main(text: str) -> str:
    """SQL: a name without what stands in brackets or after 'nee', unless that is all there is."""
    main = _folded(f"regexp_replace(lower({text}), '{_ASIDE}', '')")
    return f"coalesce(nullif({main}, ''), {_folded(text)})"


_PNC_FORMS = (
    r"^(?:19|20)?(\d\d)/(\d{1,7})[A-Z]$",
    r"^(\d\d)(\d{7})[A-Z]$",
    r"^(?:19|20)(\d\d)(\d{1,7})[A-Z]$",
    r"^(\d\d)(\d{1,7})[A-Z]$",
)
_PRISON_FORM = r"^([A-Z]\d{4}[A-Z]{2}|[A-Z]{2}\d{4})$"
_PNC_TEXT = (
    r"regexp_replace(regexp_replace(regexp_replace(upper(pnc_id), '[-._\\]', '/', 'g'),"
    r" '[^0-9A-Z/]', '', 'g'), '^[A-Z/]+', '')"
)


def _pnc_number(form: str, checked: bool) -> str:
    """SQL: the nine digits (year, serial) of a PNC id in this form; if checked, a right letter."""
    number = (
        f"(regexp_extract(pnc_text, '{form}', 1)"
        f" || lpad(regexp_extract(pnc_text, '{form}', 2), 7, '0'))"
    )
    letter = f"substr('{CHECK_LETTERS}', 1 + (TRY_CAST({number} AS INTEGER) % 23), 1)"
    test = f" AND {letter} = right(pnc_text, 1)" if checked else ""
    return f"CASE WHEN regexp_matches(pnc_text, '{form}'){test} THEN {number} END"


def _pnc(checked: bool) -> str:
    return "coalesce(" + ", ".join(_pnc_number(form, checked) for form in _PNC_FORMS) + ")"


def _cleaned(source: str, keys: str) -> str:
    """SQL: the cleaned people of `source`.

    Parameters
    ----------
    source : str
        A relation with `keys`, forename, middle_names, surname, date_of_birth, sex, pnc_id and
        prison_number, as written.
    keys : str
        Columns to pass through, with commas.
    """
    kept = [(form, sex or "-", root) for (form, sex), root in nicknames().items()]
    form, sex, root = (" ".join(words) for words in zip(*kept, strict=True))
    return f"""
        SELECT {keys}, forename, nullif(concat(' ', middle, ' '), '  ') AS middle, surname,
            CASE WHEN parts <> '' AND parts <> surname THEN concat(' ', parts, ' ') END AS parts,
            coalesce(roots.root, forename) AS root, date_of_birth, t.sex,
            pnc_key, CASE WHEN pnc_text IS NULL THEN 'absent' WHEN pnc_key IS NOT NULL THEN 'valid'
                WHEN {_pnc(checked=False)} IS NOT NULL THEN 'failed check'
                ELSE 'not an id' END AS pnc_state,
            prison_key, CASE WHEN prison_text IS NULL THEN 'absent'
                WHEN prison_key IS NOT NULL THEN 'valid' ELSE 'not an id' END AS prison_state
        FROM ({_fields(source, keys)}) t
        LEFT JOIN (
            SELECT unnest(string_split('{form}', ' ')) AS form,
                unnest(string_split('{sex}', ' ')) AS sex,
                unnest(string_split('{root}', ' ')) AS root
        ) roots ON roots.form = t.forename AND roots.sex = coalesce(t.sex, '-')"""


def _fields(source: str, keys: str) -> str:
    """SQL: words made into one forename, middle names, one surname and its parts, and keys."""
    first = "split_part(forename_words, ' ', 1)"
    whole = "replace(surname_words, ' ', '')"
    return f"""
        SELECT {keys}, sex, date_of_birth, pnc_text, prison_text,
            CASE WHEN replace(forename_words, ' ', '') NOT IN ({_PLACEHOLDERS})
                THEN nullif({first}, '') END AS forename,
            trim(concat_ws(' ', substr(forename_all, length({first}) + 2), middle_words)) AS middle,
            CASE WHEN {whole} NOT IN ({_PLACEHOLDERS}) THEN nullif({whole}, '') END AS surname,
            array_to_string(list_sort(list_distinct(list_filter(string_split(surname_all, ' '),
                lambda word: length(word) > 2 AND word NOT IN ({_PARTICLES})))), ' ') AS parts,
            {_pnc(checked=True)} AS pnc_key,
            CASE WHEN regexp_matches(prison_text, '{_PRISON_FORM}') THEN prison_text END
                AS prison_key
        FROM ({_words(source, keys)})"""


def _words(source: str, keys: str) -> str:
    """SQL: folded words of the names, identifiers without blanks, real dates."""
    return f"""
        SELECT {keys}, sex, nullif({_PNC_TEXT}, '') AS pnc_text,
            nullif(regexp_replace(upper(prison_number), '[^0-9A-Z]', '', 'g'), '') AS prison_text,
            CASE WHEN TRY_CAST(date_of_birth AS DATE) > DATE '1900-01-01'
                THEN TRY_CAST(date_of_birth AS DATE) END AS date_of_birth,
            {_main("forename")} AS forename_words, {_folded("forename")} AS forename_all,
            {_main("surname")} AS surname_words, {_folded("surname")} AS surname_all,
            {_folded("middle_names")} AS middle_words
        FROM {source}"""


# ------------------------------------------------------------------------- prepared once a vintage


def _names() -> str:
    """SQL: every name anybody in the register has gone by, numbered by content."""
    kept = f"offender_id, {', '.join(_PERSON)}"
    return f"""
        WITH written AS (
            SELECT offender_id, 0 AS is_alias, forename, middle_names, surname, date_of_birth, sex,
                pnc_id, prison_number
            FROM offenders
            UNION ALL
            SELECT offender_id, 1, coalesce(a.forename, o.forename), o.middle_names,
                coalesce(a.surname, o.surname), coalesce(a.date_of_birth, o.date_of_birth), o.sex,
                o.pnc_id, o.prison_number
            FROM aliases a JOIN offenders o USING (offender_id)
        ), distinct_names AS (
            SELECT {kept}, min(is_alias) AS is_alias
            FROM ({_cleaned("written", "offender_id, is_alias")}) GROUP BY {kept}
        )
        SELECT row_number() OVER (ORDER BY offender_id, is_alias, surname, forename,
                date_of_birth, middle, parts, root, sex)::INTEGER AS name_id,
            {kept}, is_alias::INTEGER AS is_alias,
            sum(is_alias) OVER (PARTITION BY offender_id)::INTEGER AS aliases
        FROM distinct_names ORDER BY name_id"""


def _frequencies(column: str) -> str:
    """SQL: how many people of the register have this name as their own."""
    return f"""
        SELECT {column}, count(*)::INTEGER AS people FROM names
        WHERE is_alias = 0 AND {column} IS NOT NULL GROUP BY {column} ORDER BY {column}"""


_BOTH = "least(root, form) || '|' || greatest(root, form)"
_DAY = "month(date_of_birth) || '|' || day(date_of_birth)"
_YEAR = "year(date_of_birth)"
# (tag, what two records must share): rules of one tag meet each other.
_TIGHT = (
    ("pnc", "pnc_key"),
    ("prison", "prison_key"),
    ("born-forename", "date_of_birth || '|' || left(forename, 1)"),
    ("born-forename", "date_of_birth || '|' || left(root, 1)"),
    ("born-surname", "date_of_birth || '|' || left(form, 1)"),
    ("names-year", f"{_BOTH} || '|' || {_YEAR}"),
)
_WIDE = (
    ("names-day", f"{_BOTH} || '|' || {_DAY}"),
    ("initial-surname-year", f"left(forename, 1) || '|' || form || '|' || {_YEAR}"),
    (
        "root-initial-month",
        f"root || '|' || left(form, 1) || '|' || {_YEAR} || '|' || month(date_of_birth)",
    ),
    ("root-three-year", f"root || '|' || left(form, 3) || '|' || {_YEAR}"),
)
_UNDATED = (("names", _BOTH),)


def _keys(rules: tuple[tuple[str, str], ...], relation: str, identity: str) -> str:
    """SQL: the blocking keys of the people of `relation`, as numbers.

    A key is a number that two records share if they agree on what a rule names. A surname of
    several words gives each rule one key for the whole and one for each word.
    """
    spread = f"""
        SELECT {identity}, forename, root, form, date_of_birth, pnc_key, prison_key FROM (
            SELECT *, unnest(list_distinct(list_append(
                string_split(trim(coalesce(parts, surname, '')), ' '), surname))) AS form
            FROM {relation})"""
    keys = " UNION ALL ".join(
        f"SELECT {identity}, md5_number_lower('{tag}|' || ({shared})) AS key FROM spread"
        for tag, shared in rules
    )
    return f"""
        WITH spread AS ({spread}), keys AS ({keys})
        SELECT DISTINCT key, {identity} FROM keys WHERE key IS NOT NULL ORDER BY key, {identity}"""


PREPARED: dict[str, str] = {
    "names": _names(),
    "term_frequencies_forename": _frequencies("forename"),
    "term_frequencies_surname": _frequencies("surname"),
    "tight_keys": _keys(_TIGHT, "names", "name_id"),
    "wide_keys": _keys(_WIDE, "names", "name_id"),
    "undated_keys": _keys(_UNDATED, "(SELECT * FROM names WHERE date_of_birth IS NULL)", "name_id"),
}
_LOOKUPS = {"tight_keys": _TIGHT, "wide_keys": _WIDE, "undated_keys": _UNDATED}


# ------------------------------------------------------------------------------------ the register


@dataclass(frozen=True)
class Register:
    """The people who can be found, open for one request.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds a view for each of ``PREPARED``.
    model : dict
        Splink's settings as returned by ``train``.
    size : int
        How many people there are in the register.
    """

    con: duckdb.DuckDBPyConnection = field(repr=False)
    model: Mapping[str, Any] = field(repr=False)
    size: int

    @property
    def model_hash(self) -> str:
        """SHA-256 of the model in one fixed way of writing."""
        return hashlib.sha256(json.dumps(self.model, sort_keys=True).encode()).hexdigest()


@_scrubbed("cleaning the upload")
def clean(people: pd.DataFrame) -> pd.DataFrame:
    """Clean the names and identifiers of an upload, and see which rows are one person.

    Parameters
    ----------
    people : DataFrame
        Upload rows: row, source, forename, surname, date_of_birth, gender, pnc_id, prison_number.

    Returns
    -------
    DataFrame
        One row an upload row, by source and row: row, source, person, forename, middle, surname,
        parts, root (the formal forename of a nickname), date_of_birth, sex, pnc_key and pnc_state,
        prison_key and prison_state ('absent', 'valid', 'failed check', 'not an id'), complete.
        An identifier whose check letter is wrong gives no key. Rows of one `person` share name and
        date of birth and no identifier speaks against it, or an identifier and two of the three.

    Raises
    ------
    LinkageFailed
        With no word of what the rows hold.

    Notes
    -----
    The check letter of a PNC id is the letter of ``CHECK_LETTERS`` at (two-digit year and
    seven-digit serial, read as one number) modulo 23.
    """
    upload = people[["row", "source"]].assign(
        date_of_birth=pd.to_datetime(people["date_of_birth"]).astype("datetime64[s]"),
        **people.reindex(columns=list(_WRITTEN)).assign(sex=people["gender"]).astype("str"),
    )
    with closing(_engine()) as con:
        con.register("upload", upload)
        rows = con.execute(_cleaned("upload", "row, source")).df()
    rows = rows.astype(dict.fromkeys(("source", *_TEXTS), "str"))
    content = ["surname", "forename", "date_of_birth", "pnc_key", "prison_key", "source", "row"]
    rows = rows.sort_values(content, ignore_index=True)
    rows["person"] = _persons(rows)
    named = rows[["forename", "surname", "date_of_birth"]].notna().all(axis=1)
    rows["complete"] = named | rows["pnc_key"].notna() | rows["prison_key"].notna()
    order = ["row", "source", "person", *_PERSON, "pnc_state", "prison_state", "complete"]
    return rows.sort_values(["source", "row"], ignore_index=True)[order]


def _persons(rows: pd.DataFrame) -> list[int]:
    """Number the people of sorted rows; a row joins the first earlier person it fits."""
    people: list[dict[str, Any]] = []
    by_key: dict[tuple[str, ...], list[int]] = {}
    found = []
    fields = rows[list(_PERSON)].astype(object)
    for values in fields.where(fields.notna(), None).itertuples(index=False):
        row = dict(zip(_PERSON, values, strict=True))
        name = (row["forename"], row["surname"], row["date_of_birth"])
        keys = [("pnc", row["pnc_key"]), ("prison", row["prison_key"]), ("name", *name)]
        keys = [key for key in keys if None not in key]
        near = sorted({number for key in keys for number in by_key.get(key, [])})
        number = next((n for n in near if _same(people[n], row)), len(people))
        if number == len(people):
            people.append(row.copy())
        people[number] |= {key: people[number][key] or value for key, value in row.items()}
        for key in keys:
            by_key.setdefault(key, []).append(number)
        found.append(number)
    return found


def _same(person: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether a row is this person: two of names and birth date agree, no identifier differs."""
    for key in ("pnc_key", "prison_key"):
        if person[key] and row[key] and person[key] != row[key]:
            return False
    alike = [row[key] and person[key] == row[key] for key in ("root", "surname", "date_of_birth")]
    return sum(map(bool, alike)) >= 2


def _people(cleaned: pd.DataFrame) -> pd.DataFrame:
    """One row a person who can be looked for: of each field the first value given."""
    rows = cleaned.loc[cleaned["complete"], ["person", *_PERSON]]
    return rows.groupby("person", sort=True).first().reset_index()


def _hand_over(con: duckdb.DuckDBPyConnection, people: pd.DataFrame) -> None:
    """Make the table `upload_people` of an engine."""
    texts = ", ".join(f"{name}::VARCHAR AS {name}" for name in _TEXTS)
    con.register("upload_frame", people)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE upload_people AS
        SELECT person::INTEGER AS person, {texts}, date_of_birth::DATE AS date_of_birth
        FROM upload_frame ORDER BY person""").fetchall()
    con.unregister("upload_frame")


def _bring(
    source: duckdb.DuckDBPyConnection, target: duckdb.DuckDBPyConnection, table: str, sql: str
) -> None:
    """Make a table of the target engine from a query on the source engine."""
    target.register("brought", source.sql(sql).to_arrow_table())
    target.execute(f"CREATE TABLE {table} AS SELECT * FROM brought").fetchall()
    target.unregister("brought")


# ---------------------------------------------------------------------------- deterministic passes

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


def deterministic(
    cleaned: pd.DataFrame, register: Register, passes: list[str] | tuple[str, ...] = PASSES
) -> pd.DataFrame:
    """Settle people by guarded rules, one pass after the other.

    Parameters
    ----------
    cleaned : DataFrame
        As ``clean`` returns it.
    register : Register
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
    found = _run_passes(_people(cleaned), register.con, list(passes))
    return found.drop_duplicates("person").sort_values("person", ignore_index=True)


_CONTRADICTED = " OR ".join(
    f"coalesce(p.{name} <> n.{name}, false)" for name in ("pnc_key", "prison_key", "sex")
)


@_scrubbed("running the deterministic passes")
def _run_passes(
    people: pd.DataFrame, con: duckdb.DuckDBPyConnection, passes: list[str]
) -> pd.DataFrame:
    found = [pd.DataFrame({"person": [], "stage": [], "offender_id": []})]
    _hand_over(con, people)
    for stage in passes:
        rows = con.execute(f"""
            SELECT person, '{stage}' AS stage, min(offender_id) AS offender_id FROM (
                SELECT p.person, n.offender_id, {_CONTRADICTED} AS contradicted
                FROM upload_people p JOIN names n ON {_PASS_SQL[stage]})
            GROUP BY person
            HAVING count(DISTINCT offender_id) = 1
                AND ('{stage}' <> '{PASSES[2]}' OR NOT bool_or(contradicted))
            ORDER BY person""").df()
        found.append(rows)
    con.execute("DROP TABLE upload_people").fetchall()
    return pd.concat(found, ignore_index=True).astype({"person": "int64"})


# --------------------------------------------------------------------------------------- the model

_INITIAL = """least(length(forename_l), length(forename_r)) = 1
    AND left(forename_l, 1) = left(forename_r, 1)"""
_SWAPPED_PAIR = "forename_l = surname_r AND surname_l = forename_r"
_SAME_YEAR = "year(date_of_birth_l) = year(date_of_birth_r)"
_DIGITS = "strftime(date_of_birth_{}, '%Y%m%d')"
# field -> levels, best first: label, condition, starting m. The m of names, dates and identifiers
# start near the published ones of the Ministry's hmpps-person-match, February 2026.
_LEVELS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "forename": (
        ("exact", "forename_l = forename_r", 0.87),
        ("swapped", _SWAPPED_PAIR, 0.005),
        ("nickname", "root_l = root_r", 0.035),
        ("initial", _INITIAL, 0.02),
        ("close", "jaro_winkler_similarity(forename_l, forename_r) >= 0.92", 0.03),
        ("similar", "jaro_winkler_similarity(forename_l, forename_r) >= 0.85", 0.01),
        (
            "middle name",
            "contains(middle_r, ' ' || forename_l || ' ')"
            " OR contains(middle_l, ' ' || forename_r || ' ')",
            0.01,
        ),
        ("different", "ELSE", 0.02),
    ),
    "surname": (
        ("exact", "surname_l = surname_r", 0.9),
        (
            "part",
            "contains(parts_r, ' ' || surname_l || ' ')"
            " OR contains(parts_l, ' ' || surname_r || ' ')",
            0.01,
        ),
        ("close", "jaro_winkler_similarity(surname_l, surname_r) >= 0.92", 0.03),
        ("similar", "jaro_winkler_similarity(surname_l, surname_r) >= 0.85", 0.01),
        ("different, woman", "sex_l = 'female'", 0.02),
        ("different", "ELSE", 0.03),
    ),
    "date_of_birth": (
        ("exact", "date_of_birth_l = date_of_birth_r", 0.94),
        (
            "day and month swapped",
            f"{_SAME_YEAR} AND month(date_of_birth_l) = day(date_of_birth_r)"
            " AND day(date_of_birth_l) = month(date_of_birth_r)",
            0.01,
        ),
        (
            "one digit",
            f"damerau_levenshtein({_DIGITS.format('l')}, {_DIGITS.format('r')}) <= 1",
            0.02,
        ),
        (
            "two parts",
            f"({_SAME_YEAR})::INTEGER + (month(date_of_birth_l) = month(date_of_birth_r))::INTEGER"
            " + (day(date_of_birth_l) = day(date_of_birth_r))::INTEGER >= 2",
            0.01,
        ),
        (
            "first of January",
            f"{_SAME_YEAR} AND ((month(date_of_birth_l) = 1 AND day(date_of_birth_l) = 1)"
            " OR (month(date_of_birth_r) = 1 AND day(date_of_birth_r) = 1))",
            0.005,
        ),
        ("within a year", "abs(date_diff('day', date_of_birth_l, date_of_birth_r)) <= 366", 0.005),
        ("different", "ELSE", 0.01),
    ),
    "sex": (("same", "sex_l = sex_r", 0.985), ("different", "ELSE", 0.015)),
    "pnc_key": (("exact", "pnc_key_l = pnc_key_r", 0.95), ("different", "ELSE", 0.05)),
    "prison_key": (("exact", "prison_key_l = prison_key_r", 0.96), ("different", "ELSE", 0.04)),
}
_ADJUSTED = ("forename", "surname")
_START_U = {
    "forename": (0.0046, 1e-7, 0.004, 0.001, 0.002, 0.006, 0.005, 0.97),
    "surname": (0.00083, 1e-5, 0.0005, 0.003, 0.15, 0.84),
    "date_of_birth": (6.3e-5, 3e-5, 6e-4, 0.005, 2e-4, 0.045, 0.95),
    "sex": (0.74, 0.26),
    "pnc_key": (1e-7, 1.0),
    "prison_key": (1e-7, 1.0),
}
_SURNAME_SPOKEN_FOR = f"({_SWAPPED_PAIR})"

Values = dict[str, tuple[float, ...]]


def _start_m() -> Values:
    return {name: tuple(level[2] for level in levels) for name, levels in _LEVELS.items()}


def _settings(m: Values, u: Values, prior: float, link_type: str = "link_only") -> dict[str, Any]:
    """Write a model the way Splink stores one; it holds conditions and probabilities, no values."""
    return {
        "link_type": link_type,
        "probability_two_random_records_match": prior,
        "unique_id_column_name": "unique_id",
        "source_dataset_column_name": "source_dataset",
        "sql_dialect": "duckdb",
        "retain_matching_columns": True,
        "retain_intermediate_calculation_columns": True,
        "em_convergence": 0.0001,
        "max_iterations": 50,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": "l.date_of_birth = r.date_of_birth", "sql_dialect": "duckdb"}
        ],
        "comparisons": [_comparison(name, m[name], u[name]) for name in FIELDS],
    }


def _comparison(name: str, m: tuple[float, ...], u: tuple[float, ...]) -> dict[str, Any]:
    missing = f"{name}_l IS NULL OR {name}_r IS NULL"
    if name == "surname":
        missing += f" OR {_SURNAME_SPOKEN_FOR}"
    levels: list[dict[str, Any]] = [
        {"sql_condition": missing, "label_for_charts": "missing", "is_null_level": True}
    ]
    for (label, condition, _), m_level, u_level in zip(_LEVELS[name], m, u, strict=True):
        level = {
            "sql_condition": condition,
            "label_for_charts": label,
            "m_probability": m_level,
            "u_probability": u_level,
        }
        if label == "exact" and name in _ADJUSTED:
            level["tf_adjustment_column"] = name
        levels.append(level)
    return {"output_column_name": name, "comparison_levels": levels}


def _linker(
    con: duckdb.DuckDBPyConnection, tables: dict[str, str], settings: Mapping[str, Any]
) -> Linker:
    """Open Splink on tables of `con` (source -> table), with the register's term frequencies."""
    api = DuckDBAPI(con)
    sources = [api.register(table, dataset_display_name=source) for source, table in tables.items()]
    linker = Linker(sources, dict(settings), log_level=None, validate_settings=False)
    for column in _ADJUSTED:
        lookup = api.register(f"tf_{column}")
        linker.table_management.register_term_frequency_lookup(lookup, column)
    return linker


def weights(model: Mapping[str, Any]) -> pd.DataFrame:
    """Show a model: how much each level of agreement speaks for or against.

    Parameters
    ----------
    model : dict
        As ``train`` returns it.

    Returns
    -------
    DataFrame
        One row a level: field, level, m, u and weight = log2(m / u), in bits, before the
        adjustment of exact names for how frequent they are (Fellegi and Sunter, 1969).
    """
    rows = [
        (
            comparison["output_column_name"],
            level["label_for_charts"],
            level["m_probability"],
            level["u_probability"],
            log2(level["m_probability"] / level["u_probability"]),
        )
        for comparison in model["comparisons"]
        for level in comparison["comparison_levels"]
        if not level.get("is_null_level")
    ]
    return pd.DataFrame(rows, columns=["field", "level", "m", "u", "weight"])


# ---------------------------------------------------------------------------------------- training


@_scrubbed("training the linkage model")
def train(
    con: duckdb.DuckDBPyConnection, uploads: pd.DataFrame | None, seed: int
) -> dict[str, Any]:
    """Learn, once a vintage, what agreement and disagreement are worth.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds a view for each of ``PREPARED``.
    uploads : DataFrame or None
        All uploads at hand, pooled, as ``clean`` takes them.
    seed : int
        Of the random pairs from which u is estimated.

    Returns
    -------
    dict
        Splink's settings. Probabilities have six significant digits; the same inputs in any order
        give the same model.

    Raises
    ------
    LinkageFailed
        With no word of what the tables hold.

    Notes
    -----
    u, how often different people agree: random pairs of register people, seeded. What the register
    shows seldom or never (nicknames, initials, half of a double surname, swapped names, an assumed
    first of January) is at least the share m of people written so, times the chance that such a
    thing agrees; an identifier that is wrong belongs to one of the `size` people at random. m, how
    often the same person agrees: expectation-maximisation (Winkler, 1988) on the pooled uploads, in
    one session within equal PNC ids and one within equal names, against people's own names, not
    their aliases. Each m is pulled to its starting value as if that had been seen in
    ``START_WEIGHT`` pairs; below ``FEWEST_TO_LEARN`` people, or ``FEWEST_PAIRS`` pairs in a
    session, the starting values stand.
    """
    size = int(con.execute("SELECT count(DISTINCT offender_id) FROM names").fetchall()[0][0])
    prior = SHARE_FOUND / max(size, 2)
    chance = _chance(con, size)
    with closing(_engine()) as own, _silent():
        u = _sampled_u(con, own, seed)
    m = _start_m()
    people = None if uploads is None else _people(clean(uploads))
    if people is not None and len(people) >= FEWEST_TO_LEARN:
        with closing(_engine()) as own, _silent():
            m = _learned_m(con, own, people, _settings(m, _by_formula(u, m, chance), prior), size)
    return _settings(
        {name: _rounded(values) for name, values in m.items()},
        {name: _rounded(values) for name, values in _by_formula(u, m, chance).items()},
        float(f"{prior:.6g}"),
    )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(f"{value:.6g}") for value in values)


def _chance(con: duckdb.DuckDBPyConnection, size: int) -> dict[tuple[str, str], float]:
    """How likely two people agree by chance on what a register seldom shows."""

    def squares(grouped: str, table: str) -> float:
        rows = con.execute(f"""
            SELECT sum(people::DOUBLE * people), sum(people) FROM (
                SELECT sum(people)::BIGINT AS people FROM {table} WHERE {grouped} IS NOT NULL
                GROUP BY {grouped} ORDER BY {grouped})""").fetchall()
        return float(rows[0][0] / rows[0][1] ** 2) if rows[0][1] else 1.0

    surname = squares("surname", "term_frequencies_surname")
    forename = squares("forename", "term_frequencies_forename")
    initial = squares("left(forename, 1)", "term_frequencies_forename")
    year = squares("year(date_of_birth)", "(SELECT date_of_birth, 1 AS people FROM names)")
    another = SHARE_WRONG_ID / max(size, 2)
    return {
        ("forename", "swapped"): surname * forename,
        ("forename", "nickname"): forename,
        ("forename", "initial"): initial,
        ("surname", "part"): 2 * surname,
        ("date_of_birth", "first of January"): year,
        ("pnc_key", "exact"): another,
        ("prison_key", "exact"): another,
    }


def _by_formula(u: Values, m: Values, chance: dict[tuple[str, str], float]) -> Values:
    """Raise the u that a sample of the register shows too small, or not at all."""
    return {
        name: tuple(
            max(chance.get((name, level[0]), 0.0) * m_level, u_level)
            for level, m_level, u_level in zip(levels, m[name], u[name], strict=True)
        )
        for name, levels in _LEVELS.items()
    }


def _sampled_u(con: duckdb.DuckDBPyConnection, own: duckdb.DuckDBPyConnection, seed: int) -> Values:
    """Estimate u from random pairs of register people, drawn by a hash of seed and person."""
    sampled = f"""
        SELECT name_id AS unique_id, {", ".join(_PERSON)} FROM names WHERE is_alias = 0
        ORDER BY md5('{int(seed)}|' || offender_id), name_id LIMIT {SAMPLED_NAMES}"""
    _bring(con, own, "people", f"SELECT * FROM ({sampled}) ORDER BY unique_id")
    for column in _ADJUSTED:
        own.execute(f"CREATE TABLE tf_{column} AS SELECT '' AS {column}, 1.0 AS tf_{column}")
    settings = _settings(_start_m(), _START_U, 0.0001, "dedupe_only")
    linker = _linker(own, {"people": "people"}, settings)
    linker.training.estimate_u_using_random_sampling(
        max_pairs=SAMPLED_PAIRS, seed=seed, min_count_per_level=None, num_chunks=10
    )
    return _trained(linker, "u_probability", _START_U)


def _trained(linker: Linker, key: str, start: Values) -> Values:
    """Read m or u of every level from a linker; a level never seen takes the given value."""
    comparisons = {
        comparison["output_column_name"]: [
            level for level in comparison["comparison_levels"] if not level.get("is_null_level")
        ]
        for comparison in linker.misc.save_model_to_json()["comparisons"]
    }
    return {
        name: tuple(
            float(level.get(key, value))
            for level, value in zip(comparisons[name], values, strict=True)
        )
        for name, values in start.items()
    }


_SESSIONS = {
    ("pnc_key",): ("forename", "surname", "date_of_birth", "sex", "prison_key"),
    ("forename", "surname"): ("date_of_birth", "sex", "pnc_key", "prison_key"),
}


def _learned_m(
    con: duckdb.DuckDBPyConnection,
    own: duckdb.DuckDBPyConnection,
    people: pd.DataFrame,
    settings: dict[str, Any],
    size: int,
) -> Values:
    """Estimate m by expectation-maximisation within blocks, only on register people in a block."""
    _hand_over(con, people)
    joins = [" AND ".join(f"p.{c} = n.{c}" for c in columns) for columns in _SESSIONS]
    blocked = " OR ".join(f"EXISTS (FROM upload_people p WHERE {join})" for join in joins)
    columns = ", ".join(_PERSON)
    _bring(
        con,
        own,
        "register",
        f"""
        SELECT name_id AS unique_id, {columns} FROM names n WHERE is_alias = 0 AND ({blocked})
        ORDER BY name_id""",
    )
    _bring(con, own, "cohort", f"SELECT person AS unique_id, {columns} FROM upload_people")
    _copy_frequencies(con, own, size)
    con.execute("DROP TABLE upload_people").fetchall()
    start = _start_m()
    learned: dict[str, list[tuple[int, tuple[float, ...]]]] = {name: [] for name in FIELDS}
    for (equal, fields), join in zip(_SESSIONS.items(), joins, strict=True):
        pairs = own.execute(
            f"SELECT count(DISTINCT p.unique_id) FROM cohort p JOIN register n ON {join}"
        ).fetchall()[0][0]
        if pairs < FEWEST_PAIRS:
            continue
        linker = _linker(own, {"cohort": "cohort", "register": "register"}, settings)
        rule = " AND ".join(f"l.{c} = r.{c}" for c in equal)
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, max_pairs=EM_PAIRS, record_sample_proportion=1.0
        )
        found = _trained(linker, "m_probability", {k: (0.0,) * len(v) for k, v in start.items()})
        for name in fields:
            learned[name].append((pairs, found[name]))
    return {name: _pulled(start[name], learned[name]) for name in FIELDS}


def _pulled(
    start: tuple[float, ...], sessions: list[tuple[int, tuple[float, ...]]]
) -> tuple[float, ...]:
    """Average the sessions by their pairs, with the starting value as a few pairs more."""
    all_of_them = [(START_WEIGHT, start), *sessions]
    summed = [
        sum(pairs * values[level] for pairs, values in all_of_them) for level in range(len(start))
    ]
    return tuple(value / sum(summed) for value in summed)


def _copy_frequencies(
    con: duckdb.DuckDBPyConnection, own: duckdb.DuckDBPyConnection, size: int
) -> None:
    """Bring the register's share of people with each name that the upload's people have."""
    for column in _ADJUSTED:
        _bring(
            con,
            own,
            f"tf_{column}",
            f"""
            SELECT {column}, people::DOUBLE / {size} AS tf_{column}
            FROM term_frequencies_{column}
            WHERE {column} IN (SELECT {column} FROM upload_people) ORDER BY {column}""",
        )


# ----------------------------------------------------------------------------------------- scoring


@dataclass(frozen=True, eq=False)
class Scored:
    """Every register person who could be a person of the upload, with the evidence.

    Parameters
    ----------
    pairs : DataFrame
        One row a pair, by person, falling weight and offender: person, offender_id, match_weight
        (bits, prior included), posterior, is_alias, and level_<field> and weight_<field>.
    rows : DataFrame
        The upload rows: row, source, person, complete.
    share_found : float
        The estimated share of the upload's people who are in the register.
    model_hash : str
    """

    pairs: pd.DataFrame = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    share_found: float
    model_hash: str


@_scrubbed("scoring the candidates")
def score(cleaned: pd.DataFrame, register: Register) -> Scored:
    """Weigh every candidate with Splink and turn the weights into one posterior a person.

    Parameters
    ----------
    cleaned : DataFrame
        As ``clean`` returns it.
    register : Register

    Returns
    -------
    Scored

    Raises
    ------
    LinkageFailed
        With no word of what the rows hold.

    Notes
    -----
    A person's candidates are the register names that share a blocking key; Splink weighs only
    these, with the term frequencies of the whole register. The names of one register person are
    alternatives: its own has probability ``1 - SHARE_AS_ALIAS``, each alias an equal part of the
    rest. The posterior of register person j is ``f 2**w_j / N / (1 - f + sum_k f 2**w_k / N)`` with
    N people in the register, w the evidence in bits, and f the share of the upload's people who are
    in it, found by expectation-maximisation from ``SHARE_FOUND`` worth ``START_WEIGHT`` people.
    """
    people = _people(cleaned)
    prior = SHARE_FOUND / register.size
    with closing(_engine()) as own, _silent():
        _fetch(register, own, people)
        pairs = _weighed(own, {**register.model, "probability_two_random_records_match": prior})
    pairs, share = _posterior(pairs, len(people), log2(prior / (1 - prior)), register.size)
    rows = cleaned[["row", "source", "person", "complete"]].copy()
    return Scored(pairs, rows, share, register.model_hash)


def _fetch(register: Register, own: duckdb.DuckDBPyConnection, people: pd.DataFrame) -> None:
    """Bring the candidates of the upload's people, and nothing else, from the register."""
    con = register.con
    _hand_over(con, people)
    joined = " UNION ".join(
        f"SELECT u.person, k.name_id FROM ({_keys(rules, 'upload_people', 'person')}) u"
        f" JOIN {table} k USING (key)"
        for table, rules in _LOOKUPS.items()
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE candidate_pairs AS {joined}").fetchall()
    columns = ", ".join(_PERSON)
    _bring(con, own, "cohort", f"SELECT person AS unique_id, {columns} FROM upload_people")
    _bring(
        con,
        own,
        "pairs",
        """
        SELECT person, name_id, '0' AS match_key, 'cohort-__-' || person AS join_key_l,
            'register-__-' || name_id AS join_key_r
        FROM candidate_pairs ORDER BY person, name_id""",
    )
    _bring(
        con,
        own,
        "owners",
        f"""
        SELECT name_id AS unique_id, {columns}, offender_id, is_alias, aliases FROM names
        WHERE name_id IN (SELECT name_id FROM candidate_pairs) ORDER BY name_id""",
    )
    own.execute(f"CREATE TABLE register AS SELECT unique_id, {columns} FROM owners").fetchall()
    _copy_frequencies(con, own, register.size)
    con.execute("DROP TABLE candidate_pairs").fetchall()
    con.execute("DROP TABLE upload_people").fetchall()


def _weighed(own: duckdb.DuckDBPyConnection, settings: dict[str, Any]) -> pd.DataFrame:
    """Let Splink weigh the fetched pairs: one row a pair of upload person and register name."""
    linker = _linker(own, {"cohort": "cohort", "register": "register"}, settings)
    blocked = linker._db_api.register("pairs")
    linker.table_management.register_blocked_pairs_for_predict(blocked)
    scored = linker.inference.predict(warning_mode="never").physical_name
    fields = ", ".join(
        f"gamma_{name}, round(mw_{name}"
        + (f" + mw_tf_adj_{name}" if name in _ADJUSTED else "")
        + f", 6) AS weight_{name}"
        for name in FIELDS
    )
    return own.execute(f"""
        SELECT s.unique_id_l AS person, n.offender_id, n.is_alias, n.aliases,
            round(s.match_weight, 6) AS match_weight, {fields}
        FROM {scored} s JOIN owners n ON n.unique_id = s.unique_id_r
        ORDER BY person, offender_id, is_alias, match_weight DESC, unique_id_r""").df()


def _posterior(
    pairs: pd.DataFrame, people: int, prior_bits: float, size: int
) -> tuple[pd.DataFrame, float]:
    """One row a person and register person, with posterior; and the share of people found."""
    alias = pairs["is_alias"].to_numpy(dtype=bool)
    aliases = pairs["aliases"].to_numpy(dtype=float)
    role = np.where(
        alias, SHARE_AS_ALIAS / np.maximum(aliases, 1), 1 - SHARE_AS_ALIAS * (aliases > 0)
    )
    bits = pairs["match_weight"].to_numpy(dtype=float) - prior_bits + np.log2(role)
    pairs = pairs.assign(bits=bits).sort_values(
        ["person", "offender_id", "bits"], ascending=[True, True, False], kind="stable"
    )
    keys = ["person", "offender_id"]
    best = pairs.drop_duplicates(keys).drop(columns=["aliases", "bits"])
    best["bits"] = _log2_sums(pairs["bits"].to_numpy(), ~pairs.duplicated(keys).to_numpy())
    owner = pd.factorize(best["person"])[0]
    share, posterior = _shared_out(best["bits"].to_numpy(), owner, people, size)
    best["match_weight"] = (best["bits"] + prior_bits).round(6)
    best["posterior"] = posterior.round(6)
    for name, levels in _LEVELS.items():
        labels = np.array(["missing", *(level[0] for level in reversed(levels))], dtype=object)
        best[f"level_{name}"] = labels[best.pop(f"gamma_{name}").to_numpy() + 1]
    order = ["person", "match_weight", "offender_id"]
    best = best.sort_values(order, ascending=[True, False, True], ignore_index=True)
    return best.drop(columns="bits"), round(share, 6)


def _log2_sums(bits: Floats, starts: npt.NDArray[np.bool_]) -> Floats:
    """Add up the evidence of each run of rows; `bits` fall within a run."""
    at = np.flatnonzero(starts)
    top = bits[at]
    total = np.add.reduceat(np.exp2(bits - top[np.cumsum(starts) - 1]), at) if len(at) else top
    return np.asarray(top + np.log2(total))


def _shared_out(
    bits: Floats, owner: npt.NDArray[np.intp], people: int, size: int
) -> tuple[float, Floats]:
    """Share each person's certainty out among the candidates and 'not in the register'."""
    odds = np.exp2(np.minimum(bits, 900.0) - log2(size))
    total = np.bincount(owner, weights=odds, minlength=1)
    share = SHARE_FOUND
    for _ in range(100):
        found = (share * total / (1 - share + share * total)).sum()
        new = (found + START_WEIGHT * SHARE_FOUND) / (people + START_WEIGHT)
        if abs(new - share) < 1e-9:
            break
        share = float(new)
    return share, share * odds / (1 - share + share * total[owner]) if len(odds) else odds


# ---------------------------------------------------------------------------------------- deciding


@dataclass(frozen=True, eq=False)
class Links:
    """Who is who, for every upload row.

    Parameters
    ----------
    table : DataFrame
        One row an upload row, by source and row: row, source, person, offender_id (only where
        linked), stage (a pass, or 'probabilistic'), weight (bits), posterior, gap (bits to the
        second candidate), candidates (register people weighed), decision ('linked', 'review',
        'not found', 'incomplete', 'duplicate') and reason (why a review).
    near : Series
        Register people who are, or might be, in the upload: settled by a pass or with a posterior
        at or above the review threshold. None of them belongs in a comparison pool.
    share_found : float
        The estimated share of the upload's people who are in the register.
    model_hash : str
    """

    table: pd.DataFrame = field(repr=False)
    near: pd.Series[str] = field(repr=False)
    share_found: float
    model_hash: str

    @property
    def linked(self) -> int:
        """How many people were linked."""
        return int(self.table["decision"].eq("linked").sum())

    def counts(self) -> dict[str, int]:
        """Return how many rows were linked at each stage, then how many had each other decision.

        Together they are the rows of the upload.
        """
        linked = self.table["decision"] == "linked"
        ends = self.table["stage"].where(linked, self.table["decision"]).value_counts()
        return {name: int(ends.get(name, 0)) for name in (*STAGES, *DECISIONS[1:])}


def decide(
    by_pass: pd.DataFrame,
    scored: Scored,
    threshold: float = 0.95,
    review: float = 0.05,
    gap_bits: float = 4,
) -> Links:
    """Link, leave to review, or give up.

    Parameters
    ----------
    by_pass : DataFrame
        What ``deterministic`` settled.
    scored : Scored
    threshold : float
        The posterior from which a link is made without review.
    review : float
        The posterior from which a person is worth a clerical look.
    gap_bits : float
        How far the second candidate must be behind.

    Returns
    -------
    Links

    Notes
    -----
    Whatever its posterior, a link goes to review where the second candidate is close; where a pass
    and the weights name different people; where an identifier agrees but fewer than two of
    forename, surname and date of birth, or somebody else fits all three (twins); and where no
    identifier agrees and forename or date of birth does not (twins, fathers and sons). A register
    person claimed twice goes to the heavier claim, the other is a duplicate; of equal claims none
    is taken.
    """
    best = _best(by_pass, scored.pairs)
    best["reason"] = _objections(best, threshold, gap_bits)
    worth = (best["posterior"] >= review) | best["stage"].ne("probabilistic")
    linked = best["reason"].isna()
    best["decision"] = np.select([linked, worth], ["linked", "review"], "not found")
    best.loc[best["decision"] == "not found", "reason"] = None
    possible = scored.pairs.loc[scored.pairs["posterior"] >= review, "offender_id"]
    near = pd.concat([by_pass["offender_id"], possible]).drop_duplicates().sort_values()
    table = _by_row(scored.rows, _each_once(best))
    return Links(table, near, scored.share_found, scored.model_hash)


def _best(by_pass: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row a person with candidates: the heaviest one, and what speaks for and against it."""
    agrees = {name: pairs[f"level_{name}"].isin(levels) for name, levels in AGREES.items()}
    agrees["surname"] |= pairs["level_forename"].eq("swapped")
    marked = pairs[["person", "offender_id", "match_weight", "posterior"]].assign(
        forename_agrees=agrees["forename"],
        birth_agrees=agrees["date_of_birth"],
        fields=sum(column.astype(int) for column in agrees.values()),
        id_agrees=pairs["level_pnc_key"].eq("exact") | pairs["level_prison_key"].eq("exact"),
    )
    marked["all_agree"] = marked["fields"].eq(len(agrees))
    by_person = marked.groupby("person", sort=True)
    best = by_person.first().join(by_person.size().rename("candidates"))
    best["other_fits"] = by_person["all_agree"].any() & ~best["all_agree"]
    second = by_person["match_weight"].nth(1)
    second.index = marked.loc[second.index, "person"]
    best["gap"] = (best["match_weight"] - second).round(6)
    settled = by_pass.set_index("person")
    best["stage"] = settled["stage"].reindex(best.index).fillna("probabilistic")
    best["passed"] = settled["offender_id"].reindex(best.index)
    return best.reset_index()


def _objections(best: pd.DataFrame, threshold: float, gap_bits: float) -> pd.Series:
    """Say why a person's best candidate may not be linked unseen; missing where nothing does."""
    by_id = best["id_agrees"]
    by_pass = best["passed"].notna()
    rules = {
        "pass and weights differ": by_pass & best["passed"].ne(best["offender_id"]),
        "close second": best["gap"].lt(gap_bits),
        "another person fits the name": by_id & ~best["forename_agrees"] & best["other_fits"],
        "fewer than two fields agree": by_id & best["fields"].lt(2),
        "forename differs": ~by_id & ~best["forename_agrees"],
        "date of birth differs": ~by_id & ~best["birth_agrees"],
        "below the threshold": ~by_pass & best["posterior"].lt(threshold),
    }
    return pd.Series(
        np.select(list(rules.values()), list(rules), default=""), index=best.index, dtype="str"
    ).replace("", None)


def _each_once(best: pd.DataFrame) -> pd.DataFrame:
    """Give each register person to the heaviest claim; lighter ones are duplicates of it."""
    best = best.assign(counted_as=best["person"])
    claims = best.loc[best["decision"] == "linked"].sort_values(
        ["offender_id", "match_weight", "person"], ascending=[True, False, True]
    )
    winner = claims.groupby("offender_id")[["person", "match_weight"]].transform("first")
    lighter = claims["match_weight"] < winner["match_weight"]
    equals = claims.assign(top=~lighter).groupby("offender_id")["top"].transform("sum")
    tied = claims.index[equals > 1]
    lost = claims.index[lighter & (equals == 1)]
    best.loc[tied, ["decision", "reason"]] = ["review", "claimed twice"]
    best.loc[lost, "decision"] = "duplicate"
    best.loc[lost, "counted_as"] = winner.loc[lost, "person"]
    return best


def _by_row(rows: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """One row an upload row; the first row of a person carries the decision."""
    known = ["offender_id", "stage", "match_weight", "posterior", "gap", "candidates", "reason"]
    table = rows.merge(
        best[["person", "counted_as", "decision", *known]], on="person", how="left"
    ).sort_values(["source", "row"], ignore_index=True)
    table["decision"] = table["decision"].fillna("not found").where(table["complete"], "incomplete")
    table["decision"] = table["decision"].mask(table.duplicated("person"), "duplicate")
    table["person"] = table["counted_as"].fillna(table["person"]).astype("int64")
    again = table["decision"].isin(["duplicate", "incomplete"])
    table.loc[again, known] = None
    table.loc[table["decision"] != "linked", ["offender_id", "stage"]] = None
    table["candidates"] = table["candidates"].astype("Int64").fillna(0).mask(again)
    table = table.rename(columns={"match_weight": "weight"})
    order = [
        "row",
        "source",
        "person",
        "offender_id",
        "stage",
        "weight",
        "posterior",
        "gap",
        "candidates",
        "decision",
        "reason",
    ]
    return table[order]
