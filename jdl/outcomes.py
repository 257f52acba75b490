"""One-year proven reoffending: rate, frequency, time to first, court outcome, custody, liberty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from jdl import pseudonyms
from jdl.covariates import covered
from jdl.engines import Tables, bring, rows_of
from jdl.national import FOLLOW_UP_MONTHS, WAITING_MONTHS

if TYPE_CHECKING:
    from typing import Protocol

    class Matched(Protocol):
        """What is needed of a match: its rows and whether its balance was accepted."""

        frame: pd.DataFrame
        accepted: bool


PROVEN_BY = ("conviction", "caution", "reprimand", "warning")
PROVEN = f"o.proven_by IN {PROVEN_BY} AND NOT coalesce(o.breach, false)"
FOLLOW_UP = f"INTERVAL {FOLLOW_UP_MONTHS} MONTH"
WHOLE = f"INTERVAL {FOLLOW_UP_MONTHS + WAITING_MONTHS} MONTH"
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
    "died",
    "days_at_liberty",
    "at_risk_days",
)


def definition(
    of: str = "index_disposals",
    start: str = "index_date",
    spells: str = "(SELECT count(*) FROM prison_spells) > 0",
) -> str:
    """Return the SQL that defines the outcomes of the year from a day of each disposal.

    Parameters
    ----------
    of : str
        A table with disposal_id, offender_id and the day.
    start : str
        The column with the day from which the year runs.
    spells : str
        SQL: whether the vintage has prison spells.

    Returns
    -------
    str
        Columns disposal_id and `COLUMNS`: counts, days and text; ``days_to_first`` and what
        describes the first reoffence are null for those without one.

    Notes
    -----
    A proven reoffence is committed after the day and within one year of it, and leads to a court
    conviction, caution, reprimand or warning in that year or the six months after; penalty notices
    and breaches do not count. Of several reoffences on the first day, the most serious by court
    outcome is the first.

    ``died`` is death on the day or within the year. ``days_at_liberty`` counts the days of the
    year on which a person lived and was not in prison for any reason, sentence, remand or recall
    (the day of release is a day at liberty); null where the vintage has no prison spells.
    ``at_risk_days`` are the days to the first reoffence, to death, or to the end of the year,
    whichever comes first: the time of a survival analysis, with ``reoffended`` and ``died`` saying
    how it ended. The days of a year are 366 where it holds a 29 February.
    """
    return f"""
        WITH followed AS (
            SELECT f.disposal_id, f.offender_id, f.{start} AS day,
                (f.{start} + {FOLLOW_UP})::DATE AS until,
                CASE WHEN p.died_on >= f.{start} AND p.died_on <= f.{start} + {FOLLOW_UP}
                    THEN p.died_on END AS death
            FROM {of} f JOIN offenders p USING (offender_id)
        ), reoffences AS ({_reoffences()}), summed AS (
            SELECT disposal_id, count(*) AS reoffences,
                min(days) FILTER (place = 1) AS days_to_first,
                min(court_outcome) FILTER (place = 1) AS first_court_outcome,
                count(*) FILTER (court_outcome = 'indictable') AS reoffences_indictable,
                count(*) FILTER (court_outcome = 'either way') AS reoffences_either_way,
                count(*) FILTER (court_outcome = 'summary') AS reoffences_summary,
                bool_or(custodial) FILTER (place = 1) AS first_custodial,
                count(DISTINCT conviction_date) FILTER (custodial) AS custodial_sentences
            FROM reoffences GROUP BY disposal_id
        ), inside AS ({covered(_inside())})
        SELECT d.disposal_id, s.reoffences IS NOT NULL AS reoffended,
            coalesce(s.reoffences, 0)::INTEGER AS reoffences,
            s.days_to_first::INTEGER AS days_to_first, s.first_court_outcome,
            coalesce(s.reoffences_indictable, 0)::INTEGER AS reoffences_indictable,
            coalesce(s.reoffences_either_way, 0)::INTEGER AS reoffences_either_way,
            coalesce(s.reoffences_summary, 0)::INTEGER AS reoffences_summary,
            s.first_custodial,
            coalesce(s.custodial_sentences, 0)::INTEGER AS custodial_sentences,
            d.death IS NOT NULL AS died,
            CASE WHEN {spells}
                THEN (date_diff('day', d.day, coalesce(d.death, d.until)) - coalesce(i.days, 0))
                    ::INTEGER END AS days_at_liberty,
            least(s.days_to_first, date_diff('day', d.day, coalesce(d.death, d.until)))::INTEGER
                AS at_risk_days
        FROM followed d
        LEFT JOIN summed s USING (disposal_id) LEFT JOIN inside i USING (disposal_id)
        ORDER BY d.disposal_id"""


def _reoffences() -> str:
    """SQL: a row a proven reoffence in the year, placed in the order of the offences."""
    return f"""
        SELECT d.disposal_id, o.court_outcome, o.custodial, o.conviction_date,
            date_diff('day', d.day, o.offence_date)::INTEGER AS days,
            row_number() OVER (
                PARTITION BY d.disposal_id
                ORDER BY o.offence_date,
                    CASE o.court_outcome WHEN 'indictable' THEN 1 WHEN 'either way' THEN 2
                        ELSE 3 END,
                    o.offence_id
            ) AS place
        FROM followed d JOIN offences o USING (offender_id)
        WHERE o.offence_date > d.day AND o.offence_date <= d.day + {FOLLOW_UP}
          AND o.conviction_date <= d.day + {WHOLE} AND {PROVEN}"""


def _inside() -> str:
    """SQL: the days in prison, from the day after the first to the end of the year, in life."""
    return """
        SELECT d.disposal_id, greatest(s.start, d.day + 1) AS start,
            least(coalesce(s."end", d.until + 1), coalesce(d.death, d.until) + 1) AS stop
        FROM followed d JOIN prison_spells s USING (offender_id)
        WHERE s.start <= coalesce(d.death, d.until) AND coalesce(s."end" > d.day + 1, true)
          AND coalesce(s."end" > s.start, true)"""


def read(con: Tables, matched: Matched) -> pd.DataFrame:
    """Join the outcomes to a matched sample, if its balance has been accepted.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the prepared view ``outcomes``, and who is who (see ``pseudonyms.begin``).
    matched : Matched
        The groups, with the verdict on their balance.

    Returns
    -------
    DataFrame
        The rows with a weight, in their order, with `COLUMNS`; no row at all where the balance was
        not accepted, so that no outcome is ever seen of groups that are not alike.
    """
    sample = _sample(matched)
    pseudonyms.enter(con, "matched_disposals", sample[["disposal_id"]])
    bring(con, "matched_disposals", "outcomes", column="disposal_id")
    sql = "SELECT * FROM outcomes SEMI JOIN matched_disposals USING (disposal_id)"
    found = pseudonyms.fetch(con, sql)
    con.execute("DROP TABLE matched_disposals").fetchall()
    return sample.merge(found, on="disposal_id", how="left", validate="one_to_one")


def follow(con: Tables, matched: Matched, *, start: str) -> pd.DataFrame:
    """Join the outcomes of the year from another day than the index date; else as `read`.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables, and who is who.
    matched : Matched
        The groups, with the verdict on their balance.
    start : str
        The column of its frame with the day from which each row's year runs.

    Returns
    -------
    DataFrame
        As `read`, by the same `definition`.
    """
    sample = _sample(matched)
    pseudonyms.enter(con, "matched_days", sample[["disposal_id", "offender_id", start]])
    bring(con, "matched_days", "offenders", "offences", "prison_spells")
    days = f"(SELECT disposal_id, offender_id, {start}::DATE AS day FROM matched_days)"
    spells = str(rows_of(con, "prison_spells") > 0)
    found = pseudonyms.fetch(con, definition(days, "day", spells))
    con.execute("DROP TABLE matched_days").fetchall()
    return sample.merge(found, on="disposal_id", how="left", validate="one_to_one")


def _sample(matched: Matched) -> pd.DataFrame:
    return matched.frame.loc[(matched.frame["weight"] > 0) & matched.accepted]


@dataclass(frozen=True)
class Delays:
    """How long the courts took over the offences of the follow-up year.

    Parameters
    ----------
    offences : int or None
        Offences committed within the year and proven by the end of the data; None where withheld.
    late : int or None
        Of these, proven after the six months that follow the year, and so not counted.
    median_days : float or None
        From offence to conviction.
    years : tuple of (int, float)
        By the year of the index date, the share that was late; without years that are withheld.
    """

    offences: int | None
    late: int | None
    median_days: float | None
    years: tuple[tuple[int, float], ...] = ()


def delays(con: Tables, sample: pd.DataFrame) -> pd.DataFrame:
    """Count the comparison group's offences of the year by how late they were proven.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables, and who is who.
    sample : DataFrame
        The matched sample: treated, disposal_id, offender_id and index_date.

    Returns
    -------
    DataFrame
        A row an offence within a year of a comparison sentence's index date that counts when it is
        proven in time: year (of the index date), late (bool) and days (from offence to conviction).
        An offence counts with each sentence in whose year it falls.
    """
    compared = sample.loc[sample["treated"] == 0, ["disposal_id", "offender_id", "index_date"]]
    pseudonyms.enter(con, "compared_disposals", compared)
    bring(con, "compared_disposals", "offences")
    found = con.execute(f"""
        SELECT year(d.index_date)::INTEGER AS year,
            o.conviction_date > d.index_date + {WHOLE} AS late,
            (o.conviction_date - o.offence_date)::INTEGER AS days
        FROM compared_disposals d JOIN offences o USING (offender_id)
        WHERE o.offence_date > d.index_date AND o.offence_date <= d.index_date + {FOLLOW_UP}
          AND {PROVEN}
        ORDER BY ALL""").df()
    con.execute("DROP TABLE compared_disposals").fetchall()
    return found
