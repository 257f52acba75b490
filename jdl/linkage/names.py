"""Clean names, dates and identifiers, and see which rows of an upload are one person."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from jdl.linkage.private import private_engine, scrubbed

CHECK_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
TEXTS = ("forename", "middle", "surname", "parts", "root", "sex", "pnc_key", "prison_key")
PERSON = (*TEXTS, "date_of_birth")
_WRITTEN = ("forename", "middle_names", "surname", "sex", "pnc_id", "prison_number")


@cache
def nicknames() -> dict[tuple[str, str], str]:
    """Return the root of each kept form of a forename.

    Returns
    -------
    dict
        (form, sex) -> root; sex is 'male', 'female' or '' where not known. A form kept for one sex
        only holds for everybody; one kept for both follows the person's sex.
    """
    text = (Path(__file__).parent.parent / "nicknames.toml").read_text(encoding="utf-8")
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
    r"regexp_replace(regexp_replace(regexp_replace(regexp_replace(upper(pnc_id), '\(.*', ''),"
    r" '[-._\\]', '/', 'g'), '[^0-9A-Z/]', '', 'g'), '^[A-Z/]+|/+$', '', 'g')"
)
_PNC_TEXT = rf"regexp_replace({_PNC_TEXT}, '/([A-Z])$', '\1')"


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


def cleaned_sql(source: str, keys: str) -> str:
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
    entries = "|".join(" ".join(words) for words in kept)
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
            SELECT split_part(entry, ' ', 1) AS form, split_part(entry, ' ', 2) AS sex,
                split_part(entry, ' ', 3) AS root
            FROM (SELECT unnest(string_split('{entries}', '|')) AS entry)
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


def clean(people: pd.DataFrame) -> pd.DataFrame:
    """Clean the names and identifiers of an upload, and see which rows are one person.

    Parameters
    ----------
    people : DataFrame
        Upload rows: row, source, forename, surname, date_of_birth, gender, pnc_id, prison_number.

    Returns
    -------
    DataFrame
        One row an upload row, in their order: row, source, person, forename, middle, surname,
        parts, root (the formal forename of a nickname), date_of_birth, sex, pnc_key and pnc_state,
        prison_key and prison_state ('absent', 'valid', 'failed check', 'not an id'), complete (both
        names, or an identifier: enough to be looked for).
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

    Examples
    --------
    Titles, case and apostrophes go; the formal name of a nickname is its root. The check letter of
    80/1234567 is the thirteenth of `CHECK_LETTERS`, for 801234567 leaves 12 when divided by 23.

    >>> sent = {"row": [2], "source": ["upload"], "forename": ["Mr. TOM"], "surname": ["O'Neill"]}
    >>> sent |= {"date_of_birth": ["1980-05-01"], "gender": ["male"]}
    >>> sent |= {"pnc_id": ["80/1234567M"], "prison_number": [None]}
    >>> [row] = clean(pd.DataFrame(sent)).to_dict("records")
    >>> row["forename"], row["root"], row["surname"], row["pnc_state"]
    ('tom', 'thomas', 'oneill', 'valid')
    """
    return clean_each([people])[0]


@scrubbed("cleaning the upload")
def clean_each(uploads: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Clean several uploads at once, each as `clean` does; it costs little more than one.

    Parameters
    ----------
    uploads : sequence of DataFrame
        As for `clean`.

    Returns
    -------
    list of DataFrame
        In their order.
    """
    written = pd.concat(
        [_written(people).assign(upload=number) for number, people in enumerate(uploads)]
    )
    with closing(private_engine()) as con:
        con.register("upload", written)
        rows = con.execute(cleaned_sql("upload", "upload, row, source, place")).df()
    rows = rows.astype(dict.fromkeys(("source", *TEXTS), "str"))
    return [
        _numbered(rows.loc[rows["upload"] == number].drop(columns="upload"))
        for number in range(len(uploads))
    ]


def _written(people: pd.DataFrame) -> pd.DataFrame:
    return people[["row", "source"]].assign(
        place=range(len(people)),
        date_of_birth=pd.to_datetime(people["date_of_birth"]).astype("datetime64[s]"),
        **people.reindex(columns=list(_WRITTEN)).assign(sex=people["gender"]).astype("str"),
    )


def _numbered(rows: pd.DataFrame) -> pd.DataFrame:
    """Number the people of one upload, and see who can be looked for."""
    first = ["surname", "forename", "date_of_birth", "pnc_key", "prison_key"]
    rest = [name for name in PERSON if name not in first]
    rows = rows.sort_values([*first, *rest, "source", "place"], ignore_index=True)
    rows["person"] = _persons(rows)
    by_id = rows["pnc_key"].notna() | rows["prison_key"].notna()
    rows["complete"] = by_id | rows[["forename", "surname"]].notna().all(axis=1)
    order = ["row", "source", "person", *PERSON, "pnc_state", "prison_state", "complete"]
    return rows.sort_values("place", ignore_index=True)[order]


def _persons(rows: pd.DataFrame) -> list[int]:
    """Number the people of sorted rows; a row joins the first earlier person it fits."""
    people: list[dict[str, Any]] = []
    by_key: dict[tuple[str, ...], list[int]] = {}
    found = []
    fields = rows[list(PERSON)].astype(object)
    for values in fields.where(fields.notna(), None).itertuples(index=False):
        row = dict(zip(PERSON, values, strict=True))
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


def people_of(cleaned: pd.DataFrame) -> pd.DataFrame:
    """One row a person who can be looked for: of each field the first value given."""
    rows = cleaned.loc[cleaned["complete"], ["person", *PERSON]]
    return rows.groupby("person", sort=True).first().reset_index()


def hand_over(con: duckdb.DuckDBPyConnection, people: pd.DataFrame) -> None:
    """Make the table `upload_people` of an engine."""
    texts = ", ".join(f"{name}::VARCHAR AS {name}" for name in TEXTS)
    con.register("upload_frame", people)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE upload_people AS
        SELECT person::INTEGER AS person, {texts}, date_of_birth::DATE AS date_of_birth
        FROM upload_frame ORDER BY person""").fetchall()
    con.unregister("upload_frame")
