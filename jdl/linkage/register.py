"""The register as it is prepared once a vintage: names, how frequent they are, blocking keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jdl.engines import Engine
from jdl.linkage.names import PERSON, cleaned_sql


def _names() -> str:
    """SQL: every name anybody in the register has gone by, numbered by birth date and content."""
    kept = f"offender_id, {', '.join(PERSON)}"
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
            FROM ({cleaned_sql("written", "offender_id, is_alias")}) GROUP BY {kept}
        )
        SELECT (row_number() OVER (ORDER BY date_of_birth, surname, forename, offender_id,
                is_alias, middle, parts, root, sex) - 1)::INTEGER AS name_id,
            {kept}, is_alias::INTEGER AS is_alias,
            sum(is_alias) OVER (PARTITION BY offender_id)::INTEGER AS aliases
        FROM distinct_names ORDER BY name_id"""


_FORENAMES = """
    SELECT *, sum(people) OVER (PARTITION BY forename)::INTEGER AS of_all,
        sum(people) OVER (PARTITION BY sex, decade)::INTEGER AS of_group
    FROM (
        SELECT forename, sex, (year(date_of_birth) // 10)::INTEGER AS decade,
            count(*)::INTEGER AS people
        FROM names WHERE is_alias = 0 AND forename IS NOT NULL
        GROUP BY ALL)
    ORDER BY forename, sex, decade"""
_SHARED = """
    SELECT pnc_key FROM (
        SELECT offender_id, min(pnc_key) AS pnc_key FROM names WHERE is_alias = 0
        GROUP BY offender_id)
    WHERE pnc_key IS NOT NULL GROUP BY pnc_key HAVING count(*) > 1 ORDER BY pnc_key"""


def _frequencies(*columns: str, least: int = 1) -> str:
    """SQL: how many people of the register have this as their own."""
    given = " AND ".join(f"{column} IS NOT NULL" for column in columns)
    listed = ", ".join(columns)
    return f"""
        SELECT {listed}, count(*)::INTEGER AS people FROM names WHERE is_alias = 0 AND {given}
        GROUP BY {listed} HAVING count(*) >= {least} ORDER BY {listed}"""


_BOTH = "least(root, form) || '|' || greatest(root, form)"
_DAY = "month(date_of_birth) || '|' || day(date_of_birth)"
_YEAR = "year(date_of_birth)"
Rules = tuple[tuple[str, str], ...]
# (tag, what two records must share): rules of one tag meet each other.
TIGHT: Rules = (
    ("pnc", "pnc_key"),
    ("prison", "prison_key"),
    ("born-forename", "date_of_birth || '|' || left(forename, 2)"),
    ("born-forename", "date_of_birth || '|' || left(root, 2)"),
    ("born-surname", "date_of_birth || '|' || left(form, 2)"),
    ("names-year", f"{_BOTH} || '|' || {_YEAR}"),
)
_INITIALS = "date_of_birth || '|' || least({0}, {1}) || greatest({0}, {1})"
WIDE: Rules = (
    ("born-initials", _INITIALS.format("left(forename, 1)", "left(form, 1)")),
    ("born-initials", _INITIALS.format("left(root, 1)", "left(form, 1)")),
    ("names-day", f"{_BOTH} || '|' || {_DAY}"),
    ("initial-surname-year", f"left(forename, 1) || '|' || form || '|' || {_YEAR}"),
    ("initial-surname-day", f"left(forename, 1) || '|' || form || '|' || {_DAY}"),
    (
        "root-initial-month",
        f"root || '|' || left(form, 1) || '|' || {_YEAR} || '|' || month(date_of_birth)",
    ),
    ("root-three-year", f"root || '|' || left(form, 3) || '|' || {_YEAR}"),
    ("root-three-day", f"root || '|' || left(form, 3) || '|' || {_DAY}"),
)
NAMES: Rules = (("names", _BOTH),)


def keys(rules: Rules, relation: str, identity: str) -> str:
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


_SURNAME_GROUPS = """
    SELECT surname, arg_max(ethnicity, (people, ethnicity)) AS ethnicity,
        sum(people)::INTEGER AS people
    FROM (
        SELECT surname, ethnicity, count(*) AS people FROM names JOIN (
            SELECT offender_id, ethnicity FROM offenders) USING (offender_id)
        WHERE is_alias = 0 AND surname IS NOT NULL AND ethnicity <> 'not recorded'
        GROUP BY surname, ethnicity)
    GROUP BY surname HAVING 2 * max(people) >= sum(people) ORDER BY surname"""
_UNDATED = "(SELECT * FROM names WHERE date_of_birth IS NULL)"
PREPARED: dict[str, str] = {
    "names": _names(),
    "shared_pnc_ids": _SHARED,
    "term_frequencies_forename": _FORENAMES,
    "term_frequencies_surname": _frequencies("surname"),
    "term_frequencies_full_name": _frequencies("surname", "forename", least=2),
    "term_frequencies_date_of_birth": _frequencies("date_of_birth"),
    "term_frequencies_sex": _frequencies("sex"),
    "surname_groups": _SURNAME_GROUPS,
    "tight_keys": keys(TIGHT, "names", "name_id"),
    "wide_keys": keys(WIDE, "names", "name_id"),
    "name_keys": keys(NAMES, "names", "name_id"),
    "undated_keys": keys(NAMES, _UNDATED, "name_id"),
}


@dataclass(frozen=True)
class Register:
    """The people who can be found, open for one request.

    Parameters
    ----------
    engine : Engine
        Holds a table for each of ``PREPARED``.
    model : dict
        Splink's settings as returned by ``train``.
    size : int
        How many people there are in the register.
    """

    engine: Engine = field(repr=False)
    model: Mapping[str, Any] = field(repr=False)
    size: int

    @property
    def model_hash(self) -> str:
        """SHA-256 of the model in one fixed way of writing."""
        return hashlib.sha256(json.dumps(self.model, sort_keys=True).encode()).hexdigest()
