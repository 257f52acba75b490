"""Locate the sentence: the index disposal and the index date of each person who was found."""

from __future__ import annotations

import datetime as dt

import duckdb
import pandas as pd

from jdl.national import Vintage

INDEX_DISPOSALS = ("custody", "suspended sentence", "community order", "caution")
RULES = (
    "index date",
    "conviction date",
    "in custody",
    "release before start",
    "order in force",
)
REFUSED = "referred but did not take part"
INCOMPLETE = "name or date of birth missing"
DUPLICATE = "listed more than once"
NOT_FOUND = "not found in the national records"
REVIEW = "possible match that would need a clerical review"
NO_SENTENCE = "no sentence found at the time of the intervention"
TOO_EARLY = "sentence before the years for which reoffending is measured"
TOO_LATE = "follow-up not yet complete in the national records"
NOT_COVERED = "not among the people this analysis covers"
NO_ASSESSMENT = "no needs assessment before the sentence"
NO_MATCH = "no similar person in the comparison pool"
REASONS = (
    REFUSED,
    INCOMPLETE,
    DUPLICATE,
    NOT_FOUND,
    REVIEW,
    NO_SENTENCE,
    TOO_EARLY,
    TOO_LATE,
    NOT_COVERED,
    NO_ASSESSMENT,
    NO_MATCH,
)
_DECISIONS = {"incomplete": INCOMPLETE, "not found": NOT_FOUND, "review": REVIEW}


def eligible(vintage: Vintage) -> str:
    """Return SQL that lists every disposal that can start a follow-up in this vintage.

    Parameters
    ----------
    vintage : Vintage
        Its dates bound the index date; complete follow-up is a matter of index date alone.

    Returns
    -------
    str
        Columns disposal_id, offender_id, disposal, conviction_date, index_date, custody_start,
        order_end, sentence_days, offence_group, region, prison.

    Notes
    -----
    The index date is the release from custody, or the date of a court order or caution.
    """
    first = vintage.eligible_from or dt.date(1900, 1, 1)
    return f"""
        SELECT * FROM ({dated()})
        WHERE index_date BETWEEN DATE '{first}' AND DATE '{vintage.last_index_date}'"""


def dated() -> str:
    """Return SQL that gives every disposal its index date, whether or not it is eligible."""
    return f"""
        SELECT disposal_id, offender_id, disposal, conviction_date,
            CASE WHEN disposal = 'custody' THEN release_date
                 ELSE coalesce(sentence_date, conviction_date) END AS index_date,
            custody_start, order_end, sentence_days, offence_group, region, prison
        FROM disposals
        WHERE disposal IN {INDEX_DISPOSALS}
          AND (disposal <> 'custody' OR release_date IS NOT NULL)"""


def locate(
    con: duckdb.DuckDBPyConnection,
    vintage: Vintage,
    people: pd.DataFrame,
    links: pd.DataFrame,
    *,
    setting: str,
    custody_days: int,
    order_days: int,
    gate_days: int,
    date_days: int,
    sex: str,
    region: str | None,
    cautions: bool,
) -> pd.DataFrame:
    """Find the one sentence of each person to which the intervention belongs.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds the national tables.
    vintage : Vintage
        Bounds the index dates whose follow-up is complete.
    people : DataFrame
        The upload, one row a participation.
    links : DataFrame
        One row an upload row: row, source, person, offender_id, decision.
    setting : {'custody', 'community', 'through the gate'}
        Where the service works; a row's own setting overrides it.
    custody_days : int
        An intervention in custody may start this many days outside the time in prison.
    order_days : int
        An intervention in the community may start this many days before the order.
    gate_days : int
        A service after release may start this many days after it.
    date_days : int
        A given index or conviction date may be this many days off.
    sex : {'all', 'male', 'female'}
        Whom the analysis covers.
    region : str or None
        The one region the analysis covers.
    cautions : bool
        Whether a caution can start a follow-up.

    Returns
    -------
    DataFrame
        One row an upload row, in its order: row, source, person, offender_id, disposal_id,
        index_date, rule and reason. A row that stays in the analysis has a disposal and no reason;
        every other row has the first reason that applies.

    Notes
    -----
    Of several sentences, a date given by the provider decides before the setting's own rule; then
    the sentence nearest to the intervention; then the identifier. Of several participations of one
    person, the earliest with an eligible sentence is taken, and the person counts once.
    """
    rows = _participations(people, links, setting)
    con.register("participations", rows)
    found = con.execute(_pairs(custody_days, order_days, gate_days, date_days, cautions)).df()
    con.unregister("participations")
    kept = rows.merge(found, on=["row", "source"], how="left")
    kept["reason"] = _reasons(kept, vintage, sex, region)
    return _one_each(kept)[
        ["row", "source", "person", "offender_id", "disposal_id", "index_date", "rule", "reason"]
    ]


def _participations(people: pd.DataFrame, links: pd.DataFrame, setting: str) -> pd.DataFrame:
    keys = ["row", "source"]
    rows = people.merge(
        links[[*keys, "person", "offender_id", "decision"]], on=keys, validate="one_to_one"
    )
    first = rows.loc[rows["decision"] != "duplicate"].drop_duplicates("person").set_index("person")
    offender = rows["person"].map(first["offender_id"])
    return pd.DataFrame(
        {
            **{key: rows[key] for key in keys},
            "person": rows["person"],
            "offender_id": offender.astype("str").where(offender.notna()),
            "decision": rows["person"].map(first["decision"]),
            "refused": rows["participation"].eq("refused").fillna(False).astype(bool),
            "setting": rows["setting"].fillna(setting).astype("str"),
            "given_index": pd.to_datetime(rows["index_date"]),
            "given_conviction": pd.to_datetime(rows["conviction_date"]),
            "start": pd.to_datetime(rows["intervention_start"].fillna(rows["intervention_end"])),
        }
    )  # fmt: skip


def _pairs(
    custody_days: int, order_days: int, gate_days: int, date_days: int, cautions: bool
) -> str:
    """SQL: the best sentence of each participation and the rule that found it."""
    prison = "d.disposal = 'custody'"
    inside = f"""{prison} AND p.start BETWEEN coalesce(d.custody_start, d.conviction_date)
        - {custody_days} AND d.index_date + {custody_days}"""
    return f"""
        WITH dated AS (
            SELECT * FROM ({dated()}) WHERE {"true" if cautions else "disposal <> 'caution'"}
        ), ruled AS (
            SELECT p.row, p.source, p.start, p.given_index, p.given_conviction,
                d.disposal_id, d.index_date, d.region, o.sex,
                CASE
                    WHEN abs(d.index_date - p.given_index::DATE) <= {date_days}
                        THEN 'index date'
                    WHEN abs(d.conviction_date - p.given_conviction::DATE) <= {date_days}
                        THEN 'conviction date'
                    WHEN p.setting IN ('custody', 'through the gate') AND {inside}
                        THEN 'in custody'
                    WHEN p.setting = 'through the gate' AND {prison}
                        AND p.start BETWEEN d.index_date AND d.index_date + {gate_days}
                        THEN 'release before start'
                    WHEN p.setting = 'community' AND NOT {prison}
                        AND p.start BETWEEN d.index_date - {order_days}
                            AND greatest(coalesce(d.order_end, d.index_date),
                                d.index_date + {order_days})
                        THEN 'order in force'
                END AS rule
            FROM participations p
            JOIN dated d ON d.offender_id = p.offender_id AND d.index_date IS NOT NULL
            JOIN offenders o ON o.offender_id = p.offender_id
        )
        SELECT row, source, disposal_id, index_date, region, sex, rule FROM (
            SELECT *, row_number() OVER (
                PARTITION BY row, source
                ORDER BY list_position({list(RULES)}, rule),
                    abs(index_date - coalesce(given_index, start)::DATE), disposal_id
            ) AS place
            FROM ruled WHERE rule IS NOT NULL
        ) WHERE place = 1
        ORDER BY source, row"""


def _reasons(rows: pd.DataFrame, vintage: Vintage, sex: str, region: str | None) -> pd.Series:
    first = pd.Timestamp(vintage.eligible_from or "1900-01-01")
    covered = (sex == "all") | rows["sex"].eq(sex)
    if region is not None:
        covered &= rows["region"].eq(region)
    reasons = pd.Series(None, index=rows.index, dtype="object")
    for reason, applies in (
        (REFUSED, rows["refused"]),
        *((text, rows["decision"].eq(code)) for code, text in _DECISIONS.items()),
        (NO_SENTENCE, rows["disposal_id"].isna()),
        (TOO_EARLY, rows["index_date"] < first),
        (TOO_LATE, rows["index_date"] > pd.Timestamp(vintage.last_index_date)),
        (NOT_COVERED, ~covered.fillna(False).astype(bool)),
    ):
        reasons = reasons.where(reasons.notna() | ~applies.fillna(False).astype(bool), reason)
    return reasons


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep one participation a person: the earliest that stays in, else the furthest it came."""
    progress = rows["reason"].map({reason: i for i, reason in enumerate(REASONS)})
    order = rows.assign(progress=progress.fillna(len(REASONS))).sort_values(
        ["progress", "index_date", "source", "row"], ascending=[False, True, True, True]
    )
    chosen = order.drop_duplicates("person").index
    reason = rows["reason"].where(rows.index.isin(chosen), DUPLICATE)
    return rows.assign(reason=reason.where(reason.notna(), None))


def funnel(located: pd.DataFrame, later: dict[str, int] | None = None) -> pd.DataFrame:
    """Count how many submitted rows stay after each reason for loss.

    Parameters
    ----------
    located : DataFrame
        From `locate`: column reason, missing for those who stay.
    later : dict of str to int, optional
        Losses in matching: reason and number of people.

    Returns
    -------
    DataFrame
        Columns step, reason, removed and remaining; the first row is what was submitted, and each
        later row a reason that occurred. Removed and the last remaining add up to the first.

    Raises
    ------
    ValueError
        If a reason is unknown, which would break the sum.
    """
    counts = located["reason"].dropna().value_counts().to_dict()
    for reason, number in (later or {}).items():
        counts[reason] = counts.get(reason, 0) + number
    if unknown := set(counts) - set(REASONS):
        raise ValueError(f"unknown reasons for loss: {unknown}")
    remaining = len(located)
    rows = [(0, "submitted", 0, remaining)]
    for reason in REASONS:
        if counts.get(reason, 0):
            remaining -= counts[reason]
            rows.append((len(rows), reason, counts[reason], remaining))
    return pd.DataFrame(rows, columns=["step", "reason", "removed", "remaining"])
