"""Account for the decisions: one row each, how they fell on different people, what would help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from jdl.linkage.blocking import PASSES
from jdl.linkage.decisions import CERTAIN, Links
from jdl.linkage.private import scrubbed
from jdl.linkage.register import Register
from jdl.linkage.scores import Scored

AGE_BANDS = ((0, "under 25"), (25, "25 to 34"), (35, "35 to 49"), (50, "50 and over"))
FEWEST_WITH_SURNAME = 10
# What the provider sees for itself: counted with the others, the rest would give them away.
_NOT_LOOKED_FOR = ("duplicate", "incomplete")
NO_GROUP = "no group clear from the surname"
KINDS = ("sex", "age", "name group", "identifier")
FATES = ("analysed", "lost", "not_found")
_DECIDED = ("linked", "review", "not found")

_KEPT = ("stage", "decision", "reason", "weight", "posterior", "gap", "candidates")


def audit(
    links: Links, scored: Scored, cleaned: pd.DataFrame, *, review: float, register: str
) -> pd.DataFrame:
    """Account for each decision, with nothing about who the person is.

    Parameters
    ----------
    links : Links
    scored : Scored
    cleaned : DataFrame
        As ``clean`` returns it.
    review : float
        The posterior from which a candidate counts as possible.
    register : str
        The version of the register, such as the hash of a prepared vintage.

    Returns
    -------
    DataFrame
        One row a decision: source and row of the upload; stage (pass, or 'probabilistic'),
        decision and reason; level_<field> and weight_<field> (bits) of the linked candidate, else
        of the best, missing without one; prior and weight (bits), posterior, second_posterior and
        gap (bits); candidates weighed and possible ones; whether a name on record as an alias
        agreed; what became of the identifiers; model_hash and register. Weights are told to half a
        bit, for an exact one would tell how rare a name is.
    """
    decided = links.table.loc[links.table["decision"] != "duplicate"]
    linked = decided[["person", "offender_id"]].dropna().assign(chosen=True)
    pairs = scored.pairs.merge(linked, on=["person", "offender_id"], how="left").sort_values(
        ["person", "chosen", "match_weight", "offender_id"],
        ascending=[True, True, False, True],
        ignore_index=True,
    )
    evidence = [name for name in map(str, pairs) if name.startswith(("level_", "weight_"))]
    by_person = pairs.groupby("person", sort=True)
    first = by_person[[*evidence, "is_alias"]].first()
    first["second_posterior"] = (
        by_person["posterior"]
        .nth(1)
        .set_axis(pairs.loc[by_person["posterior"].nth(1).index, "person"])
    )
    first["possible"] = pairs["posterior"].ge(review).groupby(pairs["person"]).sum()
    states = cleaned[["source", "row", "pnc_state", "prison_state"]]
    rows = decided[["source", "row", "person", *_KEPT]].merge(states, on=["source", "row"])
    rows = rows.merge(first, left_on="person", right_index=True, how="left")
    weights = ["weight", "gap", *(name for name in evidence if name.startswith("weight_"))]
    rows[weights] = (rows[weights] * 2).round() / 2
    return rows.drop(columns="person").assign(
        prior=round(scored.prior, 6), model_hash=links.model_hash, register=register
    )


@scrubbed("telling people apart")
def kinds(
    links: Links, cleaned: pd.DataFrame, people: pd.DataFrame, register: Register
) -> pd.DataFrame:
    """Give each person who was looked for the decision and a level of each of `KINDS`.

    Parameters
    ----------
    links : Links
    cleaned : DataFrame
        As ``clean`` returns it.
    people : DataFrame
        The upload rows: row, source, intervention_start, index_date, conviction_date.
    register : Register

    Returns
    -------
    DataFrame
        One row a person whose rows were not incomplete: person, decision and `KINDS`; years, the
        age in whole years; how, the name in ``Links.counts``; and for each field of `gains` a
        column ``lacks <field>``. Nothing by which to know them.

    Notes
    -----
    Age is at the first date that is given of intervention, sentence and conviction. The name group
    is the ethnicity recorded for at least half of the register people with the surname, where
    there are ``FEWEST_WITH_SURNAME`` of them: it tells of names, not of the person.
    """
    looked_for = ~links.table["decision"].isin(_NOT_LOOKED_FOR)
    decided = links.table.loc[looked_for, ["source", "row", "stage", "decision"]]
    dates = people[["intervention_start", "index_date", "conviction_date"]]
    when = people[["source", "row"]].assign(when=dates.bfill(axis=1).iloc[:, 0])
    rows = decided.merge(cleaned, on=["source", "row"]).merge(when, on=["source", "row"])
    born = pd.to_datetime(rows["date_of_birth"])
    years = (pd.to_datetime(rows["when"]) - born).dt.days / 365.25
    bounds = [float(bound) for bound, _ in AGE_BANDS] + [np.inf]
    age = pd.cut(years, bounds, right=False, labels=[label for _, label in AGE_BANDS])
    by_id = rows["pnc_key"].notna() | rows["prison_key"].notna()
    levels = {
        "sex": rows["sex"].fillna("not given"),
        "age": age.astype("object").fillna("not known"),
        "name group": _name_groups(rows["surname"], register),
        "identifier": by_id.map({True: "PNC id or prison number given", False: "none given"}),
    }
    linked = rows["decision"].eq("linked")
    how = rows["stage"].replace(dict.fromkeys(PASSES, CERTAIN)).where(linked, rows["decision"])
    lacks = {f"lacks {name}": lacking for name, lacking in _lacking(rows).items()}
    told = rows[["person", "decision"]].assign(**levels, **lacks)
    return told.assign(years=np.floor(years), how=how)


def rates(rows: pd.DataFrame) -> pd.DataFrame:
    """Count who was found among different people, to show whom the linkage may lose.

    Parameters
    ----------
    rows : DataFrame
        From `kinds`.

    Returns
    -------
    DataFrame
        One row a level: group (one of `KINDS`), level, people (without
        those whose rows were incomplete), linked, review and not_found.
    """
    return pd.concat(
        [_counted(name, rows[name], rows["decision"], _DECIDED) for name in KINDS],
        ignore_index=True,
    ).rename(columns={"not found": "not_found"})


def fates(rows: pd.DataFrame, links: Links, analysed: pd.DataFrame) -> pd.DataFrame:
    """Count who was analysed, who was found and then lost, and who was not found.

    Parameters
    ----------
    rows : DataFrame
        From `kinds`.
    links : Links
    analysed : DataFrame
        The source and row of each treated person of the matched sample.

    Returns
    -------
    DataFrame
        One row a level, as of `rates`: group, level, people, analysed, lost and not_found.

    Notes
    -----
    A person with several participations counts once, as analysed where any of them was.
    """
    persons = links.table[["source", "row", "person"]]
    kept = analysed[["source", "row"]].merge(persons)["person"]
    linked = rows["decision"].eq("linked").map({True: "lost", False: "not_found"})
    fate = linked.mask(rows["person"].isin(kept), "analysed")
    return pd.concat([_counted(name, rows[name], fate, FATES) for name in KINDS], ignore_index=True)


def _counted(
    group: str, level: pd.Series, outcome: pd.Series, outcomes: Sequence[str]
) -> pd.DataFrame:
    counts = pd.crosstab(level, outcome).reindex(columns=list(outcomes), fill_value=0)
    counts = counts.rename_axis(columns=None)
    counts.insert(0, "people", counts.sum(axis=1))
    order = [label for _, label in AGE_BANDS] if group == "age" else []
    last = [name for name in ("not given", "not known", NO_GROUP) if name in counts.index]
    middle = sorted(set(counts.index) - set(order) - set(last))
    counts = counts.reindex([*(name for name in order if name in counts.index), *middle, *last])
    return (
        counts.rename_axis("level")
        .reset_index()
        .assign(group=group)[["group", "level", "people", *outcomes]]
    )


def _name_groups(surnames: pd.Series, register: Register) -> pd.Series:
    """Give each surname the ethnicity that most register people with it have on record."""
    written = pa.array(surnames.dropna().unique(), pa.string())
    known = register.engine.take("surname_groups", "surname", written).to_pandas()
    known = known.loc[known["people"] >= FEWEST_WITH_SURNAME]
    found = surnames.map(known.set_index("surname")["ethnicity"]).astype("str")
    return found.fillna(NO_GROUP)


def _lacking(rows: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    """Tell of each row what it lacks of all that people are found by."""
    initial = rows["forename"].str.len().eq(1).fillna(False).astype(bool)
    return {
        "date of birth": rows["date_of_birth"].isna(),
        "PNC id or prison number": rows["pnc_key"].isna() & rows["prison_key"].isna(),
        "forename in full": rows["forename"].isna() | initial,
        "surname": rows["surname"].isna(),
        "gender": rows["sex"].isna(),
    }


def gains(links: Links, cleaned: pd.DataFrame) -> pd.DataFrame:
    """Say how many more people better data might have linked.

    Parameters
    ----------
    links : Links
    cleaned : DataFrame
        As ``clean`` returns it.

    Returns
    -------
    DataFrame
        One row a thing that rows lack: field, rows_lacking, people_lacking, rate_with and
        rate_without (share linked of the people who have it, and who lack it) and gain: how many
        people who lack it and were not linked are in the register, by the posteriors of their
        candidates. What no candidate suggests is not in it, so it is at least that.
    """
    rows = cleaned.merge(
        links.table[["source", "row", "decision", "in_register"]], on=["source", "row"]
    )
    lacking = _lacking(rows)
    once = ~rows["decision"].isin(_NOT_LOOKED_FOR)
    linked = rows["decision"] == "linked"
    found = []
    for name, lacks in lacking.items():
        missed = rows.loc[once & lacks & ~linked, "in_register"]
        found.append(
            {
                "field": name,
                "rows_lacking": int(lacks.sum()),
                "people_lacking": int((once & lacks).sum()),
                "rate_with": float(linked[once & ~lacks].mean()),
                "rate_without": float(linked[once & lacks].mean()),
                "gain": round(float(missed.fillna(0).sum()), 6),
            }
        )
    return pd.DataFrame(found)
