"""Train the model once a vintage: u from random pairs, m from the uploads at hand."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import duckdb
import numpy as np
import pandas as pd
from splink import Linker

from jdl.engines import DuckDB
from jdl.linkage.blocking import bring_frequencies, candidates, deterministic, widen
from jdl.linkage.model import (
    ADJUSTED,
    FIELDS,
    LEVELS,
    SHARE_FOUND,
    SHARE_WRONG_ID,
    START_U,
    START_WEIGHT,
    Values,
    open_splink,
    settings_of,
    start_m,
)
from jdl.linkage.names import PERSON, clean, hand_over, people_of
from jdl.linkage.private import bring, private_engine, scrubbed, silent
from jdl.linkage.register import Register
from jdl.linkage.scores import by_person, shared_out, weighed

FEWEST_TO_LEARN = 200
FEWEST_PAIRS = 100
SAMPLED_NAMES = 20_000
SAMPLED_PAIRS = 3_000_000
EM_PAIRS = 1e6
ROUNDS = 30


@scrubbed("training the linkage model")
def train(
    engine: DuckDB, uploads: pd.DataFrame | None, seed: int, pairs: int = SAMPLED_PAIRS
) -> dict[str, Any]:
    """Learn, once a vintage, what agreement and disagreement are worth.

    Parameters
    ----------
    engine : DuckDB
        Holds a table for each of ``PREPARED``.
    uploads : DataFrame or None
        All uploads at hand, pooled, as ``clean`` takes them.
    seed : int
        Of the random pairs from which u is estimated.
    pairs : int
        How many they are, at most.

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
    first of January) has added the share m of people written so, times the chance that such a thing
    agrees; an identifier that is wrong belongs to one of the `size` people at random. m, how
    often the same person agrees: expectation-maximisation (Winkler, 1988) on the pooled uploads, in
    one session within equal PNC ids and one within equal names, against people's own names, not
    their aliases. Each m is pulled to its starting value as if that had been seen in
    ``START_WEIGHT`` pairs; below ``FEWEST_TO_LEARN`` people, or ``FEWEST_PAIRS`` pairs in a
    session, the starting values stand.
    """
    con = engine.con
    size = int(con.execute("SELECT count(DISTINCT offender_id) FROM names").fetchall()[0][0])
    prior = SHARE_FOUND / max(size, 2)
    chance = _chance(con, size)
    with closing(private_engine()) as own, silent():
        u = _sampled_u(con, own, seed, pairs)
    m = start_m()
    cleaned = None if uploads is None else clean(uploads)
    if cleaned is not None and cleaned["person"].nunique() >= FEWEST_TO_LEARN:
        with closing(private_engine()) as own, silent():
            started = settings_of(m, _by_formula(u, m, chance), prior)
            m = _learned_m(engine, own, people_of(cleaned), started, size)
        settings = settings_of(m, _by_formula(u, m, chance), prior)
        m = _refined_m(cleaned, Register(engine, settings, size))
    return settings_of(
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
    births = "(SELECT date_of_birth, 1 AS people FROM names)"
    year = squares("year(date_of_birth)", births)
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
    """Add to u what the register does not show: the upload's way of writing, agreeing by chance."""
    return {
        name: tuple(
            u_level + chance.get((name, level[0]), 0.0) * m_level
            for level, m_level, u_level in zip(levels, m[name], u[name], strict=True)
        )
        for name, levels in LEVELS.items()
    }


def _sampled_u(
    con: duckdb.DuckDBPyConnection, own: duckdb.DuckDBPyConnection, seed: int, pairs: int
) -> Values:
    """Estimate u from random pairs of register people, drawn by a hash of seed and person."""
    sampled = f"""
        SELECT name_id AS unique_id, {", ".join(PERSON)} FROM names WHERE is_alias = 0
        ORDER BY md5('{int(seed)}|' || offender_id), name_id LIMIT {SAMPLED_NAMES}"""
    bring(con, own, "people", f"SELECT * FROM ({sampled}) ORDER BY unique_id")
    for column in ADJUSTED:
        own.execute(f"CREATE TABLE tf_{column} AS SELECT '' AS {column}, 1.0 AS tf_{column}")
    settings = settings_of(start_m(), START_U, 0.0001, "dedupe_only")
    linker = open_splink(own, {"people": "people"}, settings)
    linker.training.estimate_u_using_random_sampling(
        max_pairs=pairs, seed=seed, min_count_per_level=None, num_chunks=10
    )
    return _trained(linker, "u_probability", START_U)


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
    engine: DuckDB,
    own: duckdb.DuckDBPyConnection,
    people: pd.DataFrame,
    settings: dict[str, Any],
    size: int,
) -> Values:
    """Estimate m by expectation-maximisation within blocks, only on register people in a block."""
    con = engine.con
    hand_over(con, people)
    joins = [" AND ".join(f"p.{c} = n.{c}" for c in columns) for columns in _SESSIONS]
    blocked = " OR ".join(f"EXISTS (FROM upload_people p WHERE {join})" for join in joins)
    columns = ", ".join(PERSON)
    bring(
        con,
        own,
        "register",
        f"""
        SELECT name_id AS unique_id, {columns}
        FROM names n WHERE is_alias = 0 AND ({blocked})
        ORDER BY name_id""",
    )
    bring(con, own, "cohort", f"SELECT person AS unique_id, {columns} FROM upload_people")
    bring_frequencies(engine, own, size)
    con.execute("DROP TABLE upload_people").fetchall()
    start = start_m()
    learned: dict[str, list[tuple[int, tuple[float, ...]]]] = {name: [] for name in FIELDS}
    for (equal, fields), join in zip(_SESSIONS.items(), joins, strict=True):
        pairs = own.execute(
            f"SELECT count(DISTINCT p.unique_id) FROM cohort p JOIN register n ON {join}"
        ).fetchall()[0][0]
        if pairs < FEWEST_PAIRS:
            continue
        linker = open_splink(own, {"cohort": "cohort", "register": "register"}, settings)
        rule = " AND ".join(f"l.{c} = r.{c}" for c in equal)
        linker.training.estimate_parameters_using_expectation_maximisation(
            rule, max_pairs=EM_PAIRS, record_sample_proportion=1.0
        )
        found = _trained(linker, "m_probability", {k: (0.0,) * len(v) for k, v in start.items()})
        for name in fields:
            learned[name].append((pairs, found[name]))
    return {name: _pulled(start[name], learned[name]) for name in FIELDS}


def _refined_m(cleaned: pd.DataFrame, register: Register) -> Values:
    """Go on with EM over all candidates, where each person is at most one of them."""
    found = candidates(cleaned, register)
    with closing(found.own):
        widen(found, deterministic(found)["person"])
        pairs = weighed(found, register.model)
    gammas = {name: pairs[f"gamma_{name}"].to_numpy() for name in FIELDS}
    keys = ["person", "offender_id"]
    offender = (~pairs.duplicated(keys)).to_numpy().cumsum() - 1
    start = start_m()
    m = old = {
        name: tuple(
            level["m_probability"]
            for level in comparison["comparison_levels"]
            if not level.get("is_null_level")
        )
        for name, comparison in zip(FIELDS, register.model["comparisons"], strict=True)
    }
    for _ in range(ROUNDS):
        moved = sum(_moved(gammas[name], old[name], m[name]) for name in FIELDS)
        now = (
            pairs[keys]
            .assign(bits=pairs["bits"] + moved)
            .sort_values([*keys, "bits"], ascending=[True, True, False], kind="stable")
        )
        best = by_person(now)
        bits = best["bits"].to_numpy()
        _, posterior = shared_out(bits, best["person"], found.by_id, register.size)
        share = np.exp2((pairs["bits"] + moved).to_numpy() - bits[offender])
        credit = posterior[offender] * share
        m = {name: _credited(start[name], gammas[name], credit) for name in FIELDS}
    return m


def _moved(gamma: Any, old: tuple[float, ...], new: tuple[float, ...]) -> Any:
    """How many bits each pair gains by a new m."""
    gains = np.log2(np.array(new) / np.array(old))[::-1]
    return np.where(gamma < 0, 0.0, gains[gamma])


def _credited(start: tuple[float, ...], gamma: Any, credit: Any) -> tuple[float, ...]:
    """Share the credit of the pairs out among the levels, best first, from a few starting pairs."""
    seen = gamma >= 0
    counts = np.bincount(gamma[seen], weights=credit[seen], minlength=len(start))[::-1]
    total = counts + START_WEIGHT * np.array(start)
    return tuple((total / total.sum()).tolist())


def _pulled(
    start: tuple[float, ...], sessions: list[tuple[int, tuple[float, ...]]]
) -> tuple[float, ...]:
    """Average the sessions by their pairs, with the starting value as a few pairs more."""
    all_of_them = [(START_WEIGHT, start), *sessions]
    summed = [
        sum(pairs * values[level] for pairs, values in all_of_them) for level in range(len(start))
    ]
    return tuple(value / sum(summed) for value in summed)
