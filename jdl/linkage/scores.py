"""Splink's weights for every candidate, and one posterior a person."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log2
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jdl.linkage.blocking import Candidates, widen
from jdl.linkage.model import (
    ADJUSTED,
    FIELDS,
    LEVELS,
    SHARE_AS_ALIAS,
    SHARE_FOUND,
    START_WEIGHT,
    open_splink,
)
from jdl.linkage.private import scrubbed, silent

Floats = npt.NDArray[np.float64]

START_FITS = 0.9
SURE = 0.99
_TOGETHER = {
    "forename": " + coalesce(then_bits, 0)",
    "surname": " + coalesce(together_bits, 0)",
}


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
    by_id : Series
        person -> whether an identifier was given, for everybody who was looked for.
    size : int
        How many people there are in the register.
    share_found : float
        The estimated share of the upload's people who are in the register.
    model_hash : str
    """

    pairs: pd.DataFrame = field(repr=False)
    rows: pd.DataFrame = field(repr=False)
    by_id: pd.Series[bool] = field(repr=False)
    size: int
    share_found: float
    model_hash: str

    @property
    def prior(self) -> float:
        """The weight, in bits, of two records about which nothing is known."""
        return prior_bits(self.size)


def prior_bits(size: int) -> float:
    """Return the weight, in bits, of a random pair of an upload and a register of this size.

    Parameters
    ----------
    size : int
        People in the register.

    Returns
    -------
    float
        In bits, the logarithm to base two of the odds that the pair is one person.

    Notes
    -----
    log2(q / (1 - q)), q = SHARE_FOUND / size.
    """
    return log2(SHARE_FOUND / size) - log2(1 - SHARE_FOUND / size)


@scrubbed("scoring the candidates")
def score(found: Candidates, settled: pd.DataFrame) -> Scored:
    """Weigh every candidate with Splink and turn the weights into one posterior a person.

    Parameters
    ----------
    found : Candidates
    settled : DataFrame
        What ``deterministic`` settled; for everybody else names that share a wide key are fetched.

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
    in it, found by expectation-maximisation from ``SHARE_FOUND`` worth ``START_WEIGHT`` people;
    those with an identifier and those without have each their own f.
    """
    widen(found, settled["person"])
    size = found.register.size
    best = by_person(weighed(found, found.register.model))
    for name, levels in LEVELS.items():
        labels = np.array(["missing", *(level[0] for level in reversed(levels))], dtype=object)
        best[f"level_{name}"] = labels[best.pop(f"gamma_{name}").to_numpy() + 1]
    scored = Scored(best, found.rows, found.by_id, size, SHARE_FOUND, found.register.model_hash)
    return _shared(scored, best["bits"].to_numpy())


def weighed(found: Candidates, model: Any) -> pd.DataFrame:
    """Let Splink weigh the fetched pairs.

    Parameters
    ----------
    found : Candidates
    model : dict
        Splink's settings.

    Returns
    -------
    DataFrame
        One row a pair of upload person and register name, by person, offender and falling bits:
        person, offender_id, is_alias, bits (evidence, prior not included, with what the name's
        being an alias takes off), and gamma_<field> and weight_<field>.
    """
    own = found.own
    own.execute("""
        CREATE OR REPLACE VIEW blocked AS
        SELECT '0' AS match_key, 'cohort-__-' || person AS join_key_l,
            'register-__-' || name_id AS join_key_r FROM pairs""").fetchall()
    own.execute("""
        CREATE OR REPLACE VIEW register AS
        SELECT * EXCLUDE (offender_id, is_alias, aliases) FROM owners""").fetchall()
    settings = {**model, "probability_two_random_records_match": SHARE_FOUND / found.register.size}
    fields = ", ".join(
        f"gamma_{name}, round(mw_{name}"
        + (f" + mw_tf_adj_{name}" if name in ADJUSTED else "")
        + _TOGETHER.get(name, "")
        + f", 6) AS weight_{name}"
        for name in FIELDS
    )
    both = "".join(_TOGETHER.values())
    with silent():
        linker = open_splink(own, {"cohort": "cohort", "register": "register"}, settings)
        linker.table_management.register_blocked_pairs_for_predict(
            linker._db_api.register("blocked")
        )
        scored = linker.inference.predict(warning_mode="never").physical_name
    pairs = own.execute(f"""
        SELECT s.unique_id_l AS person, n.offender_id, n.is_alias, n.aliases,
            round(s.match_weight{both}, 6) AS bits, {fields}
        FROM {scored} s JOIN owners n ON n.unique_id = s.unique_id_r
        LEFT JOIN forenames_then t ON t.forename = s.forename_l AND t.forename = n.forename
            AND t.sex = n.sex AND t.decade = year(n.date_of_birth) // 10
        LEFT JOIN names_together b ON b.forename = s.forename_l AND b.forename = n.forename
            AND b.surname = s.surname_l AND b.surname = n.surname
        ORDER BY person, offender_id, is_alias, bits DESC, unique_id_r""").df()
    own.execute(f"DROP TABLE {scored}").fetchall()
    alias = pairs["is_alias"].to_numpy(dtype=bool)
    aliases = pairs.pop("aliases").to_numpy(dtype=float)
    role = np.where(
        alias, SHARE_AS_ALIAS / np.maximum(aliases, 1), 1 - SHARE_AS_ALIAS * (aliases > 0)
    )
    pairs["bits"] += np.log2(role) - prior_bits(found.register.size)
    return pairs.sort_values(
        ["person", "offender_id", "bits"],
        ascending=[True, True, False],
        kind="stable",
        ignore_index=True,
    )


def by_person(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row a person and register person: the heaviest name, the evidence of all."""
    keys = ["person", "offender_id"]
    best = pairs.drop_duplicates(keys).reset_index(drop=True)
    best["bits"] = _log2_sums(pairs["bits"].to_numpy(), ~pairs.duplicated(keys).to_numpy())
    return best


def _shared(scored: Scored, bits: Floats) -> Scored:
    """Put in the posteriors that follow from the evidence of each pair."""
    pairs = scored.pairs.drop(columns="bits", errors="ignore")
    share, posterior = shared_out(bits, pairs["person"], scored.by_id, scored.size)
    pairs = pairs.assign(
        match_weight=(bits + scored.prior).round(6), posterior=posterior.round(6)
    ).sort_values(
        ["person", "match_weight", "offender_id"], ascending=[True, False, True], ignore_index=True
    )
    return replace(scored, pairs=pairs, share_found=round(share, 6))


@scrubbed("weighing the sentences")
def corroborate(scored: Scored, sentences: pd.DataFrame) -> Scored:
    """Add what it says that a candidate had, or had not, a sentence at the time.

    Parameters
    ----------
    scored : Scored
    sentences : DataFrame
        One row a pair: person, offender_id, fits (whether there was a sentence of the setting at
        the time of the intervention; missing where that cannot be said) and chance (the share of
        the register with such a sentence then).

    Returns
    -------
    Scored
        With level_sentence and weight_sentence beside the other fields.

    Notes
    -----
    The weight is ``log2(m / chance)`` where it fits and ``log2((1 - m) / (1 - chance))`` where not.
    m, how often the sentence of the right person fits, is the share among this upload's links
    beyond doubt, with ``START_FITS`` worth ``START_WEIGHT`` people. Nothing dated after the
    sentence enters, so reoffending can make nobody easier to find.
    """
    keys = ["person", "offender_id"]
    pairs = scored.pairs.merge(sentences, on=keys, how="left", validate="one_to_one")
    known = pairs["fits"].notna()
    fits = pairs["fits"].eq(True).fillna(False)
    sure = known & (pairs["posterior"] >= SURE)
    m = (fits[sure].sum() + START_WEIGHT * START_FITS) / (sure.sum() + START_WEIGHT)
    chance = pairs["chance"].astype(float).clip(1e-6, m)
    weight = np.log2(np.where(fits, m / chance, (1 - m) / (1 - chance)))
    pairs["weight_sentence"] = pd.Series(weight).where(known, 0.0).round(6)
    pairs["level_sentence"] = np.select([~known, fits], ["missing", "at the time"], "not then")
    pairs = pairs.drop(columns=["fits", "chance"])
    bits = pairs["match_weight"] - scored.prior + pairs["weight_sentence"]
    return _shared(replace(scored, pairs=pairs), bits.to_numpy())


def _log2_sums(bits: Floats, starts: npt.NDArray[np.bool_]) -> Floats:
    """Add up the evidence of each run of rows; `bits` fall within a run."""
    at = np.flatnonzero(starts)
    top = bits[at]
    total = np.add.reduceat(np.exp2(bits - top[np.cumsum(starts) - 1]), at) if len(at) else top
    return np.asarray(top + np.log2(total))


def shared_out(
    bits: Floats, person: pd.Series, by_id: pd.Series[bool], size: int
) -> tuple[float, Floats]:
    """Share each person's certainty out among the candidates and 'not in the register'.

    Parameters
    ----------
    bits : array of shape (n,)
        The evidence on each pair, in bits.
    person : Series
        Whose candidate it is.
    by_id : Series of bool
        By person, whether an identifier speaks for a candidate.
    size : int
        People in the register.

    Returns
    -------
    float
        The share of these people who are in the register.
    array of shape (n,)
        The posterior of each pair, from 0 to 1.
    """
    odds = np.exp2(np.minimum(bits, 900.0) - log2(size))
    owner = by_id.index.get_indexer(pd.Index(person))
    total = np.bincount(owner, weights=odds, minlength=len(by_id))
    share = np.full(len(by_id), SHARE_FOUND)
    for given in (True, False):
        group = by_id.to_numpy() == given
        share[group] = _share_found(total[group])
    if not len(by_id):
        return SHARE_FOUND, odds
    return float(share.mean()), share[owner] * odds / (1 - share + share * total)[owner]


def _share_found(total: Floats) -> float:
    """Estimate what share of some people is in the register, from their candidates' odds."""
    share = SHARE_FOUND
    for _ in range(200):
        found = float((share * total / (1 - share + share * total)).sum())
        new = (found + START_WEIGHT * SHARE_FOUND) / (len(total) + START_WEIGHT)
        if abs(new - share) < 1e-9:
            break
        share = new
    return share
