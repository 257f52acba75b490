"""The landmark analysis: a follow-up that starts where the intervention does.

In the community or after release, people who start an intervention have by then not reoffended.
Followed from the index date, they have had days in which nothing could happen to them, and the
comparison group has not: an effect of waiting looks like an effect of the service (immortal time).
Here each comparison disposal is given a start day as long after its index date as those of treated
people are, both groups must on their day be alive, at liberty and without an offence since the
index date, and the year runs from that day (van Houwelingen 2007; Hernán and Robins 2016).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from jdl import covariates, outcomes, pseudonyms
from jdl.covariates import draw
from jdl.engines import Tables, bring
from jdl.national import Vintage
from jdl.outcomes import PROVEN, WHOLE
from jdl.sentence import DEAD, INSIDE, NO_START, OFFENDED, UNFINISHED

if TYPE_CHECKING:
    from jdl.outcomes import Matched

NO_GAP = "nobody treated of the same sex and disposal has a day"
REASONS = (NO_START, NO_GAP, UNFINISHED, DEAD, INSIDE, OFFENDED)


@dataclass(frozen=True)
class Gaps:
    """How long after the index date interventions started.

    Parameters
    ----------
    treated : int
        Treated people.
    dated : int
        Those of them whose start is known; the rest counts these only.
    after : int
        Who started after the index date.
    late, late_share : int, float
        Who started more than `late_days` after it.
    reoffended_within : int
        Who committed a proven offence after the index date and not after the start.
    median, upper : float or None
        Days from index date to start of those who started after it: the middle, and what nine in
        ten do not exceed.
    late_days : int
        How late is late.
    """

    treated: int
    dated: int
    after: int
    late: int
    late_share: float
    reoffended_within: int
    median: float | None
    upper: float | None
    late_days: int

    def leads(self, share: float = 0.10) -> bool:
        """Say whether the landmark analysis leads: more than this share start late."""
        return self.late_share > share


@dataclass(frozen=True, eq=False)
class Delayed:
    """Candidates with a day from which each is followed up.

    Parameters
    ----------
    candidates : DataFrame
        The rows that stay, with ``follow_from`` and ``days_to_start``.
    left : DataFrame
        Who left, and why: reason, treatment, comparison (disposals); the first reason of `REASONS`
        that applies, in their order; only reasons that occurred.
    liberty_known : bool
        Whether the vintage tells who was in prison; if not, nobody is left out for it.
    """

    candidates: pd.DataFrame
    left: pd.DataFrame
    liberty_known: bool


def gaps(con: Tables, treated: pd.DataFrame, *, late_days: int = 28) -> Gaps:
    """Count how long after the index date interventions started, and who reoffended before.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables, and who is who (see ``pseudonyms.begin``).
    treated : DataFrame
        Located people in the analysis: disposal_id, offender_id, index_date, start (see
        ``sentence.locate``).
    late_days : int
        A start counts as late when more days than this after the index date.

    Returns
    -------
    Gaps

    Notes
    -----
    Only offences before the start, of treated people, are looked at; no comparison is made.
    """
    days = _days(treated["index_date"], treated["start"])
    waited = days[days > 0]
    dated, late = int(days.notna().sum()), int((days > late_days).sum())
    followed = treated.assign(follow_from=treated["start"]).loc[days > 0]
    return Gaps(
        treated=len(treated),
        dated=dated,
        after=len(waited),
        late=late,
        late_share=late / dated if dated else 0.0,
        reoffended_within=int(_states(con, followed)["offended"].sum()),
        median=float(waited.median()) if len(waited) else None,
        upper=float(waited.quantile(0.9)) if len(waited) else None,
        late_days=late_days,
    )


def delay(
    con: Tables,
    vintage: Vintage,
    candidates: pd.DataFrame,
    treated: pd.DataFrame,
    *,
    seed: int,
) -> Delayed:
    """Start every follow-up on the day of the intervention, or on one drawn like it.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables, and who is who (see ``pseudonyms.begin``).
    vintage : Vintage
        Bounds the days from which follow-up is complete.
    candidates : DataFrame
        From ``covariates.candidates``.
    treated : DataFrame
        Located people in the analysis: disposal_id, start.
    seed : int
        Of the days drawn for comparison disposals, see ``covariates.draw``.

    Returns
    -------
    Delayed

    Notes
    -----
    A treated person who started on the index date or before is followed from the index date. Longer
    gaps are rarer among comparison disposals that stay than among those drawn, because more have
    reoffended by then: ``days_to_start`` belongs into the score. Whether somebody had an offence
    since the index date is known from a conviction or caution within the year and a half from the
    day, as for the outcomes.
    """
    starts = candidates["disposal_id"].map(treated.set_index("disposal_id")["start"])
    days = draw(candidates, _days(candidates["index_date"], starts), seed)
    day = candidates["index_date"] + pd.to_timedelta(days, unit="D")
    rows = candidates.assign(days_to_start=days, follow_from=day)
    reason = _reasons(con, vintage, rows)
    return Delayed(
        candidates=rows.loc[reason.isna()].reset_index(drop=True),
        left=_left(rows["treated"] == 1, reason),
        liberty_known="prison_spells" in vintage.tables,
    )


class Way(NamedTuple):
    """How candidates are chosen and outcomes read, by the day on which the year begins.

    Parameters
    ----------
    choose : callable
        Treated people and the register people near them -> candidates.
    read : callable
        Matched groups -> their outcomes.
    """

    choose: Callable[..., pd.DataFrame]
    read: Callable[[Matched], pd.DataFrame]


def ways(con: Tables, vintage: Vintage, *, window_days: int, seed: int) -> dict[bool, Way]:
    """Return both ways: the year from the index date, and the year from the intervention.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables and the prepared views.
    vintage : Vintage
    window_days : int
        See ``covariates.candidates``.
    seed : int
        See `delay`.

    Returns
    -------
    dict of bool to Way
        By whether the landmark analysis is meant.
    """
    chosen = partial(covariates.candidates, con, window_days=window_days)
    return {
        False: Way(chosen, partial(outcomes.read, con)),
        True: Way(
            partial(candidates, con, vintage, choose=chosen, seed=seed),
            partial(outcomes.follow, con, start="follow_from"),
        ),
    }


def candidates(
    con: Tables,
    vintage: Vintage,
    treated: pd.DataFrame,
    near: pd.Series,
    *,
    choose: Callable[..., pd.DataFrame],
    seed: int,
    **choices: Any,
) -> pd.DataFrame:
    """Fetch candidates and start every follow-up on the day of the intervention.

    Parameters
    ----------
    con, vintage, treated, seed
        As for `delay`.
    near : Series of str
        Register people who leave the pool.
    choose : callable
        Treated people and `near` -> candidates, see ``covariates.candidates``.
    **choices
        Handed on to `choose`.

    Returns
    -------
    DataFrame
    """
    found = choose(treated, near, **choices)
    return delay(con, vintage, found, treated, seed=seed).candidates


def losses(
    con: Tables,
    vintage: Vintage,
    everyone: pd.DataFrame,
    treated: pd.DataFrame,
    *,
    leads: bool,
) -> dict[str, int]:
    """Count the treated people who leave because of the day of their intervention, by reason.

    Parameters
    ----------
    con, vintage, treated
        As for `delay`.
    everyone : DataFrame
        Candidates; only those treated are looked at.
    leads : bool
        Whether the landmark analysis leads; otherwise nobody leaves.
    """
    if not leads:
        return {}
    ours = everyone.loc[everyone["treated"] == 1]
    counts = delay(con, vintage, ours, treated, seed=0).left.set_index("reason")["treatment"]
    return {str(reason): int(many) for reason, many in counts.items() if many}


def _days(index: pd.Series, start: pd.Series) -> pd.Series:
    """Days from the index date to the start, none for a start before it."""
    return (pd.to_datetime(start) - index).dt.days.clip(lower=0).astype("float64")


def _states(con: Tables, rows: pd.DataFrame) -> pd.DataFrame:
    """Say of each row, on its day, whether the person is dead, in prison or has offended since."""
    days = rows[["disposal_id", "offender_id", "index_date", "follow_from"]]
    pseudonyms.enter(con, "day_rows", days)
    bring(con, "day_rows", "offenders", "offences", "prison_spells")
    sql = f"""
        WITH days AS (
            SELECT disposal_id, offender_id, index_date::DATE AS index_date,
                follow_from::DATE AS day
            FROM day_rows
        )
        SELECT d.disposal_id, coalesce(p.died_on <= d.day, false) AS dead,
            EXISTS (
                SELECT 1 FROM prison_spells s WHERE s.offender_id = d.offender_id
                    AND s.start <= d.day AND coalesce(s."end" > d.day, true)
            ) AS inside,
            EXISTS (
                SELECT 1 FROM offences o WHERE o.offender_id = d.offender_id
                    AND o.offence_date > d.index_date AND o.offence_date <= d.day
                    AND o.conviction_date <= d.day + {WHOLE} AND {PROVEN}
            ) AS offended
        FROM days d JOIN offenders p ON p.offender_id = d.offender_id"""
    states = pseudonyms.fetch(con, sql)
    con.execute("DROP TABLE day_rows").fetchall()
    states = states.set_index("disposal_id").reindex(rows["disposal_id"])
    return states.astype(bool).set_axis(rows.index)


def _reasons(con: Tables, vintage: Vintage, rows: pd.DataFrame) -> pd.Series:
    """The first reason to leave of each row; missing for who stays."""
    known = rows["follow_from"].notna()
    states = _states(con, rows.loc[known]).reindex(rows.index, fill_value=False)
    ours = rows["treated"] == 1
    reason = pd.Series(None, index=rows.index, dtype="object")
    for text, applies in (
        (NO_START, ~known & ours),
        (NO_GAP, ~known & ~ours),
        (UNFINISHED, rows["follow_from"] > pd.Timestamp(vintage.last_index_date)),
        (DEAD, states["dead"]),
        (INSIDE, states["inside"]),
        (OFFENDED, states["offended"]),
    ):
        reason = reason.where(reason.notna() | ~applies, text)
    return reason


def _left(ours: pd.Series, reason: pd.Series) -> pd.DataFrame:
    rows = [
        (text, int((reason.eq(text) & ours).sum()), int((reason.eq(text) & ~ours).sum()))
        for text in REASONS
        if reason.eq(text).any()
    ]
    return pd.DataFrame(rows, columns=["reason", "treatment", "comparison"])
