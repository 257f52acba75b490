"""Decide who is who: linked, left to review, not found; each register person once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
import pandas as pd

from jdl.linkage.blocking import PASSES
from jdl.linkage.model import AGREES
from jdl.linkage.scores import Scored

CERTAIN, CLERICAL = "certain pass", "clerical review"
STAGES = (*PASSES, "probabilistic", CLERICAL)
_PAIR = ["person", "offender_id"]
DECISIONS = ("linked", "review", "not found", "incomplete", "duplicate")


@dataclass(frozen=True, eq=False)
class Links:
    """Who is who, for every upload row.

    Parameters
    ----------
    table : DataFrame
        One row an upload row, in their order: row, source, person, offender_id (only where
        linked), stage (a pass, 'probabilistic' or 'clerical review'), weight (bits), posterior (of
        the best candidate), in_register (of all candidates together), gap (bits to the second
        candidate), candidates (register people weighed), decision ('linked', 'review', 'not found',
        'incomplete', 'duplicate') and reason (why a review).
    near : Series
        Register people who are, or might be, in the upload: settled by a pass or with a posterior
        at or above the review threshold. None of them belongs in a comparison pool.
    share_found : float
        The estimated share of the upload's people who are in the register.
    model_hash : str
    """

    table: pd.DataFrame = field(repr=False)
    near: pd.Series[str] = field(repr=False)
    share_found: float = field(repr=False)
    model_hash: str

    @property
    def linked(self) -> int:
        """How many people were linked."""
        return int(self.table["decision"].eq("linked").sum())

    @property
    def expected_false(self) -> float:
        """How many of the links made without a review are false, by their posteriors."""
        automatic = self.table["decision"].eq("linked") & self.table["stage"].ne(CLERICAL)
        return float((1 - self.table.loc[automatic, "posterior"]).sum())

    @property
    def expected_from_review(self) -> float:
        """How many people left to review are in the register, by their posteriors."""
        return float(self.table.loc[self.table["decision"] == "review", "in_register"].sum())

    def counts(self) -> dict[str, int]:
        """Return how many rows were linked in which way, then how many had each other decision.

        Together they are the rows of the upload. The passes are one: who has an identifier is no
        secret to the provider, so how many it settled would tell of those whom it did not.
        """
        linked = self.table["decision"] == "linked"
        stage = self.table["stage"].replace(dict.fromkeys(PASSES, CERTAIN))
        ends = stage.where(linked, self.table["decision"]).value_counts()
        told = (CERTAIN, *STAGES[len(PASSES) :], *DECISIONS[1:])
        return {name: int(ends.get(name, 0)) for name in told}


def decide(
    by_pass: pd.DataFrame,
    scored: Scored,
    threshold: float = 0.95,
    review: float = 0.05,
    gap_bits: float = 4,
    reviewed: pd.DataFrame | None = None,
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
    reviewed : DataFrame or None
        What reviewers have decided: source, row, offender_id and same. A person found to be the
        same is linked; one found to be another is no candidate any more.

    Returns
    -------
    Links

    Notes
    -----
    Whatever its posterior, a link goes to review where the second candidate is close; where a pass
    and the weights name different people; where an identifier agrees but fewer than two of
    forename, surname and date of birth, or somebody else fits all three (twins); and where no
    identifier agrees and forename or date of birth does not (twins, fathers and sons), unless there
    is no date of birth to compare and a sentence at the time stands in for it. A register person
    claimed twice goes to the heavier claim, and the other to review; of equal claims none is taken.
    A person of whom a candidate was struck out by eye is never linked unseen.
    """
    same, pairs = _seen_by_eye(scored, reviewed)
    unseen = _best(by_pass, scored.pairs.assign(struck=False))
    sure = unseen.loc[_objections(unseen, threshold, gap_bits).isna(), _PAIR].merge(same, on=_PAIR)
    by_pass = by_pass.merge(pairs[_PAIR], on=_PAIR)
    best = _best(by_pass, pairs)
    best["reason"] = _objections(best, threshold, gap_bits)
    best = _confirmed(best, same, pairs, sure["person"])
    worth = (best["posterior"] >= review) | best["stage"].ne("probabilistic")
    linked = best["reason"].isna()
    best["decision"] = np.select([linked, worth], ["linked", "review"], "not found")
    best.loc[best["decision"] == "not found", "reason"] = None
    possible = pairs.loc[pairs["posterior"] >= review, "offender_id"]
    near = (
        pd.concat([by_pass["offender_id"], same["offender_id"], possible])
        .drop_duplicates()
        .sort_values()
    )
    table = _by_row(scored.rows, _each_once(best))
    return Links(table, near, scored.share_found, scored.model_hash)


def alternatives(
    by_pass: pd.DataFrame,
    scored: Scored,
    *,
    thresholds: Sequence[float],
    without_dates: Scored,
    threshold: float,
    review: float,
    gap_bits: float,
    reviewed: pd.DataFrame | None = None,
) -> dict[str, Links]:
    """Decide again in other ways, to see what hangs on the choice.

    Parameters
    ----------
    by_pass, scored, threshold, review, gap_bits, reviewed
        As for ``decide``.
    thresholds : sequence of float
        Tried instead of `threshold`.
    without_dates : Scored
        What ``score`` returned, without the evidence of sentences.

    Returns
    -------
    dict of str to Links
        By what each is called in print: the passes alone, each other threshold, the same threshold
        without the evidence of sentences and, where there was one, without the clerical review.
    """
    chosen = {"certain passes only": inf} | {
        f"a probability of {value:g}": value for value in thresholds if value != threshold
    }
    tried = {
        name: decide(by_pass, scored, value, review, gap_bits, reviewed)
        for name, value in chosen.items()
    }
    rest = (threshold, review, gap_bits)
    tried["without the dates of sentences"] = decide(by_pass, without_dates, *rest, reviewed)
    if reviewed is not None and len(reviewed):
        tried["without the clerical review"] = decide(by_pass, scored, *rest)
    return tried


def _seen_by_eye(
    scored: Scored, reviewed: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return who was found to be whom, and the pairs without those struck out."""
    if reviewed is None:
        return scored.pairs[_PAIR].head(0), scored.pairs.assign(struck=False)
    judged = scored.rows.merge(reviewed, on=["source", "row"])[[*_PAIR, "same"]]
    judged = judged.drop_duplicates(_PAIR).astype({"same": bool})
    pairs = scored.pairs.merge(judged, on=_PAIR, how="outer")
    # A pair that was judged, and is no candidate of a model trained since, has no weight.
    pairs["match_weight"] = pairs["match_weight"].fillna(scored.prior)
    pairs["posterior"] = pairs["posterior"].fillna(0.0)
    struck = pairs["same"].eq(False).fillna(False).astype(bool)
    touched = pairs.loc[struck, "person"].unique()
    pairs = pairs.loc[~struck].drop(columns="same")
    pairs["struck"] = pairs["person"].isin(touched)
    odds = np.exp2((pairs["match_weight"] - scored.prior).clip(upper=900) - np.log2(scored.size))
    odds *= scored.share_found / (1 - scored.share_found)
    alone = odds / (1 + odds.groupby(pairs["person"]).transform("sum"))
    pairs["posterior"] = pairs["posterior"].mask(pairs["struck"], alone.round(6))
    pairs = pairs.sort_values(
        ["person", "match_weight", "offender_id"], ascending=[True, False, True], ignore_index=True
    )
    return judged.loc[judged["same"], _PAIR].drop_duplicates("person"), pairs


def _confirmed(
    best: pd.DataFrame, same: pd.DataFrame, pairs: pd.DataFrame, sure: pd.Series[int]
) -> pd.DataFrame:
    """Put the people confirmed by eye in their places; the `sure` would be there all the same."""
    shown = ["offender_id", "match_weight", "posterior"]
    found = pairs.merge(same, on=_PAIR).set_index("person")[shown]
    best = best.set_index("person")
    best["confirmed"] = best.index.isin(found.index)
    best.loc[found.index, shown] = found
    best.loc[best["confirmed"] & ~best.index.isin(sure), "stage"] = CLERICAL
    best.loc[best["confirmed"], "reason"] = None
    return best.reset_index()


def _best(by_pass: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """One row a person with candidates: the heaviest one, and what speaks for and against it."""
    agrees = {name: pairs[f"level_{name}"].isin(levels) for name, levels in AGREES.items()}
    agrees["surname"] |= pairs["level_forename"].eq("swapped")
    marked = pairs[["person", "offender_id", "match_weight", "posterior", "struck"]].assign(
        forename_agrees=agrees["forename"],
        birth_agrees=agrees["date_of_birth"] | _at_the_time(pairs),
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
    best["in_register"] = by_person["posterior"].sum().clip(upper=1).round(6)
    settled = by_pass.set_index("person")
    best["stage"] = settled["stage"].reindex(best.index).fillna("probabilistic")
    best["passed"] = settled["offender_id"].reindex(best.index)
    return best.reset_index()


def _at_the_time(pairs: pd.DataFrame) -> pd.Series[bool]:
    """Whether, with no date of birth to compare, a sentence at the time stands in for it."""
    if "level_sentence" not in pairs:
        return pd.Series(False, index=pairs.index)
    return pairs["level_date_of_birth"].eq("missing") & pairs["level_sentence"].eq("at the time")


def _objections(best: pd.DataFrame, threshold: float, gap_bits: float) -> pd.Series:
    """Say why a person's best candidate may not be linked unseen; missing where nothing does."""
    by_id = best["id_agrees"]
    by_pass = best["passed"].notna()
    rules = {
        "another was struck out": best["struck"],
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
    """Give each register person to the heaviest claim; the others are left to review."""
    claims = best.loc[best["decision"] == "linked"]
    weight = claims["match_weight"] + 1000.0 * claims["confirmed"]
    heaviest = weight == weight.groupby(claims["offender_id"]).transform("max")
    winners = heaviest.groupby(claims["offender_id"]).transform("sum")
    lost = claims.index[~heaviest | (winners > 1)]
    best = best.copy()
    best.loc[lost, "decision"] = "review"
    best.loc[lost, "reason"] = "claimed twice"
    return best


def _by_row(rows: pd.DataFrame, best: pd.DataFrame) -> pd.DataFrame:
    """One row an upload row; the first row of a person carries the decision."""
    known = ["offender_id", "stage", "match_weight", "posterior", "in_register", "gap"]
    known += ["candidates", "reason"]
    table = rows.merge(best[["person", "decision", *known]], on="person", how="left")
    table["decision"] = table["decision"].fillna("not found")
    table["decision"] = table["decision"].where(table["complete"], "incomplete")
    table["decision"] = table["decision"].mask(table.duplicated("person"), "duplicate")
    again = table["decision"] == "duplicate"
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
        "in_register",
        "gap",
        "candidates",
        "decision",
        "reason",
    ]
    return table[order]
