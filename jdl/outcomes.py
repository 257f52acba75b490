"""One-year proven reoffending: rate, frequency, time to first, court outcome and custody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from jdl.national import FOLLOW_UP_MONTHS, WAITING_MONTHS

if TYPE_CHECKING:
    from typing import Protocol

    class Matched(Protocol):
        """What is needed of a match: its rows and whether its balance was accepted."""

        frame: pd.DataFrame
        accepted: bool


PROVEN_BY = ("conviction", "caution", "reprimand", "warning")
COLUMNS = (
    "reoffended",
    "reoffences",
    "days_to_first",
    "first_court_outcome",
    "reoffences_indictable",
    "reoffences_either_way",
    "reoffences_summary",
    "first_custodial",
    "custodial_sentences",
)


def definition() -> str:
    """Return the SQL that defines the outcomes of every row of the view ``index_disposals``.

    Returns
    -------
    str
        Columns disposal_id and `COLUMNS`: counts, days and text; ``days_to_first`` and what
        describes the first reoffence are null for those without one.

    Notes
    -----
    A proven reoffence is committed after the index date and within one year of it, and leads to a
    court conviction, caution, reprimand or warning in that year or the six months after; penalty
    notices and breaches do not count. Of several reoffences on the first day, the most serious by
    court outcome is the first.
    """
    follow_up = f"INTERVAL {FOLLOW_UP_MONTHS} MONTH"
    whole = f"INTERVAL {FOLLOW_UP_MONTHS + WAITING_MONTHS} MONTH"
    return f"""
        WITH reoffences AS (
            SELECT d.disposal_id, o.court_outcome, o.custodial, o.conviction_date,
                (o.offence_date - d.index_date)::INTEGER AS days,
                row_number() OVER (
                    PARTITION BY d.disposal_id
                    ORDER BY o.offence_date,
                        CASE o.court_outcome WHEN 'indictable' THEN 1 WHEN 'either way' THEN 2
                            ELSE 3 END,
                        o.offence_id
                ) AS place
            FROM index_disposals d JOIN offences o USING (offender_id)
            WHERE o.offence_date > d.index_date
              AND o.offence_date <= d.index_date + {follow_up}
              AND o.conviction_date <= d.index_date + {whole}
              AND o.proven_by IN {PROVEN_BY}
              AND NOT coalesce(o.breach, false)
        ), summed AS (
            SELECT disposal_id, count(*) AS reoffences,
                min(days) FILTER (place = 1) AS days_to_first,
                min(court_outcome) FILTER (place = 1) AS first_court_outcome,
                count(*) FILTER (court_outcome = 'indictable') AS reoffences_indictable,
                count(*) FILTER (court_outcome = 'either way') AS reoffences_either_way,
                count(*) FILTER (court_outcome = 'summary') AS reoffences_summary,
                bool_or(custodial) FILTER (place = 1) AS first_custodial,
                count(DISTINCT conviction_date) FILTER (custodial) AS custodial_sentences
            FROM reoffences GROUP BY disposal_id
        )
        SELECT d.disposal_id, s.reoffences IS NOT NULL AS reoffended,
            coalesce(s.reoffences, 0)::INTEGER AS reoffences,
            s.days_to_first::INTEGER AS days_to_first, s.first_court_outcome,
            coalesce(s.reoffences_indictable, 0)::INTEGER AS reoffences_indictable,
            coalesce(s.reoffences_either_way, 0)::INTEGER AS reoffences_either_way,
            coalesce(s.reoffences_summary, 0)::INTEGER AS reoffences_summary,
            s.first_custodial,
            coalesce(s.custodial_sentences, 0)::INTEGER AS custodial_sentences
        FROM index_disposals d LEFT JOIN summed s USING (disposal_id)
        ORDER BY d.disposal_id"""


def read(con: duckdb.DuckDBPyConnection, matched: Matched) -> pd.DataFrame:
    """Join the outcomes to a matched sample, if its balance has been accepted.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds the prepared view ``outcomes``.
    matched : Matched
        The groups, with the verdict on their balance.

    Returns
    -------
    DataFrame
        The rows with a weight, in their order, with `COLUMNS`; no row at all where the balance was
        not accepted, so that no outcome is ever seen of groups that are not alike.
    """
    sample = matched.frame.loc[(matched.frame["weight"] > 0) & matched.accepted]
    con.register("matched_disposals", sample[["disposal_id"]])
    found = con.execute(
        "SELECT * FROM outcomes SEMI JOIN matched_disposals USING (disposal_id) ORDER BY ALL"
    ).df()
    con.unregister("matched_disposals")
    return sample.merge(found, on="disposal_id", how="left", validate="one_to_one")
