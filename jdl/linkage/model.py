"""What agreement and disagreement are worth: levels, their weights, Splink's form of the model."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any

import duckdb
import pandas as pd
from splink import DuckDBAPI, Linker

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
START_WEIGHT = 20

_INITIAL = """least(length(forename_l), length(forename_r)) = 1
    AND left(forename_l, 1) = left(forename_r, 1)"""
_SWAPPED_PAIR = "forename_l = surname_r AND surname_l = forename_r"
_SAME_YEAR = "year(date_of_birth_l) = year(date_of_birth_r)"
_DIGITS = "strftime(date_of_birth_{}, '%Y%m%d')"
# field -> levels, best first: label, condition, starting m. The m of names, dates and identifiers
# start near the published ones of the Ministry's hmpps-person-match, February 2026.
LEVELS: dict[str, tuple[tuple[str, str, float], ...]] = {
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
# Fields in which a frequent value says less; the level that is adjusted is their first.
ADJUSTED = ("forename", "surname", "date_of_birth", "sex")
START_U = {
    "forename": (0.0046, 1e-7, 0.004, 0.001, 0.002, 0.006, 0.005, 0.97),
    "surname": (0.00083, 1e-5, 0.0005, 0.003, 0.15, 0.84),
    "date_of_birth": (6.3e-5, 3e-5, 6e-4, 0.005, 2e-4, 0.045, 0.95),
    "sex": (0.74, 0.26),
    "pnc_key": (1e-7, 1.0),
    "prison_key": (1e-7, 1.0),
}
_SURNAME_SPOKEN_FOR = f"({_SWAPPED_PAIR})"

Values = dict[str, tuple[float, ...]]


def start_m() -> Values:
    """Return the m with which learning starts."""
    return {name: tuple(level[2] for level in levels) for name, levels in LEVELS.items()}


def settings_of(m: Values, u: Values, prior: float, link_type: str = "link_only") -> dict[str, Any]:
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
    for (label, condition, _), m_level, u_level in zip(LEVELS[name], m, u, strict=True):
        level = {
            "sql_condition": condition,
            "label_for_charts": label,
            "m_probability": m_level,
            "u_probability": u_level,
        }
        if name in ADJUSTED and label == LEVELS[name][0][0]:
            level["tf_adjustment_column"] = name
        levels.append(level)
    return {"output_column_name": name, "comparison_levels": levels}


def open_splink(
    con: duckdb.DuckDBPyConnection, tables: dict[str, str], settings: Mapping[str, Any]
) -> Linker:
    """Open Splink on tables of `con` (source -> table), with the register's term frequencies."""
    api = DuckDBAPI(con)
    sources = [api.register(table, dataset_display_name=source) for source, table in tables.items()]
    linker = Linker(sources, dict(settings), log_level=None, validate_settings=False)
    for column in ADJUSTED:
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
