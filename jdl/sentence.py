"""Locate the sentence: the index disposal and the index date of each person who was found."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from jdl import pseudonyms
from jdl.engines import Tables, bring, rows_of
from jdl.national import FOLLOW_UP_MONTHS, Vintage

LEEWAYS = ("custody_days", "order_days", "gate_days", "date_days", "open_order_days")
ORDERS = ("suspended sentence", "community order")
INDEX_DISPOSALS = ("custody", *ORDERS, "caution")
BY_SETTING = (
    "in custody",
    "on recall",
    "on remand",
    "release before start",
    "released shortly before start",
    "custody begun shortly after start",
    "order in force",
    "order begun after start",
)
RULES = ("index date", "conviction date", *BY_SETTING)
REFUSED = "referred but did not take part"
INCOMPLETE = "no names and no identifier to look for"
NO_DATE = "no date of the intervention or the sentence"
DUPLICATE = "listed more than once"
NOT_FOUND = "not found in the national records"
REVIEW = "possible match that would need a clerical review"
NO_SENTENCE = "no sentence found at the time of the intervention"
OTHER_KIND = "sentence of a kind that is not followed up"
CONTRADICTORY = "dates of the sentence that contradict each other"
ON_RECALL = "in prison on recall, from which no follow-up starts"
NO_RELEASE = "no release from prison in the national records"
DIED = "died before the follow-up began"
TOO_EARLY = "sentence before the years for which reoffending is measured"
TOO_LATE = "follow-up not yet complete in the national records"
AFTER_FOLLOW_UP = "intervention began after the year of follow-up"
NOT_COVERED = "not among the people this analysis covers"
NO_START = "no day on which the intervention started"
UNFINISHED = "follow-up from the start of the intervention not yet complete"
DEAD = "died before the intervention started"
INSIDE = "in prison when the intervention started"
OFFENDED = "offence between the index date and the start of the intervention"
NO_ASSESSMENT = "no needs assessment before the sentence"
NO_MATCH = "no similar person in the comparison pool"
REASONS = (
    REFUSED,
    INCOMPLETE,
    NO_DATE,
    DUPLICATE,
    NOT_FOUND,
    REVIEW,
    NO_SENTENCE,
    OTHER_KIND,
    CONTRADICTORY,
    ON_RECALL,
    NO_RELEASE,
    DIED,
    TOO_EARLY,
    TOO_LATE,
    AFTER_FOLLOW_UP,
    NOT_COVERED,
    NO_ASSESSMENT,
    NO_START,
    UNFINISHED,
    DEAD,
    INSIDE,
    OFFENDED,
    NO_MATCH,
)
_DECISIONS = {"incomplete": INCOMPLETE, "not found": NOT_FOUND, "review": REVIEW}
_NEVER = "DATE '2999-12-31'"


def eligible(vintage: Vintage) -> str:
    """Return SQL that lists every disposal that can start a follow-up in this vintage.

    Parameters
    ----------
    vintage : Vintage
        Its dates bound the index date; complete follow-up is a matter of index date alone.

    Returns
    -------
    str
        Columns disposal_id, offender_id, disposal, conviction_date, index_date, begun (the first
        day of the stay in prison, remand included, or of the order), custody_start, order_end,
        sentence_days, offence_group, region, prison.

    Notes
    -----
    The index date is the release from custody, or the date of a court order or caution. Custodial
    sentences that overlap or follow each other without a day outside are served in one stay: its
    only release is the last, and only the sentence that ends the stay (of several the longest, then
    the first by identifier) is listed. A sentence whose release comes before its conviction or its
    start is left out, and so is one whose index date comes after death.
    """
    first = vintage.eligible_from or dt.date(1900, 1, 1)
    return f"""
        SELECT s.disposal_id, s.offender_id, s.disposal, s.conviction_date, s.index_date,
            s.begun, s.custody_start, s.order_end, s.sentence_days, s.offence_group, s.region,
            s.prison
        FROM ({_sentences("true")}) s JOIN offenders o ON o.offender_id = s.offender_id
        WHERE s.disposal_id = s.own_id AND s.standing = 'index'
          AND s.index_date BETWEEN DATE '{first}' AND DATE '{vintage.last_index_date}'
          AND coalesce(o.died_on >= s.index_date, true)"""


def _sentences(among: str) -> str:
    """SQL: a row a disposal, with the sentence it belongs to and the time that sentence took.

    A row's own disposal is own_id, with its own conviction; disposal_id is the one that ends the
    stay in prison, and the rest is of that one. The standing is 'index', 'contradictory' or 'other
    kind'. Where no release is recorded, the whole length of the sentence counts as served; a remand
    or recall without an end as a day. A stay without a sentence has no disposal and the standing
    'remand'.
    """
    chain = "PARTITION BY offender_id ORDER BY begun, until, own_id ROWS"
    described = "region, order_end, sentence_days, offence_group, prison"
    return f"""
        WITH ours AS (
            SELECT *, coalesce(custody_start, sentence_date, conviction_date) AS begun,
                coalesce(release_date < greatest(begun, conviction_date), false) AS contradictory
            FROM disposals WHERE {among}
        ), inside AS (
            SELECT offender_id, disposal_id AS own_id, begun, custody_start, sentence_days,
                coalesce(release_date, begun + sentence_days, {_NEVER}) AS until,
                release_date AS released
            FROM ours WHERE disposal = 'custody' AND NOT contradictory
            UNION ALL
            SELECT offender_id, NULL, start, NULL, NULL, coalesce("end", start), "end"
            FROM prison_spells
            WHERE kind IN ('remand', 'recall') AND coalesce("end" >= start, true) AND {among}
        ), chained AS (
            SELECT *, coalesce(begun > 1 + max(until) OVER ({chain} BETWEEN UNBOUNDED PRECEDING
                AND 1 PRECEDING), true)::INTEGER AS opens
            FROM inside
        ), stays AS (
            SELECT *, sum(opens) OVER ({chain} UNBOUNDED PRECEDING) AS stay FROM chained
        ), served AS (
            SELECT own_id, offender_id, first_value(own_id) OVER ending AS disposal_id,
                min(begun) OVER together AS begun, max(until) OVER together AS until,
                max(released) OVER together AS released,
                min(custody_start) OVER together AS custody_start
            FROM stays
            WINDOW together AS (PARTITION BY offender_id, stay),
                ending AS (PARTITION BY offender_id, stay ORDER BY own_id IS NULL, until DESC,
                    sentence_days DESC NULLS LAST, own_id)
        )
        SELECT s.disposal_id, s.own_id, o.offender_id, o.disposal, 'index' AS standing,
            o.conviction_date, o.sentence_date, s.begun, s.until,
            CASE WHEN s.released = s.until THEN s.released END AS index_date, s.custody_start,
            last.region, last.order_end, last.sentence_days, last.offence_group, last.prison
        FROM served s
        JOIN ours o ON o.disposal_id = s.own_id JOIN ours last ON last.disposal_id = s.disposal_id
        UNION ALL
        SELECT DISTINCT NULL, NULL, offender_id, 'remand', 'remand', NULL, NULL, begun, until,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM served WHERE disposal_id IS NULL
        UNION ALL
        SELECT disposal_id, disposal_id, offender_id, disposal, 'contradictory', conviction_date,
            sentence_date, least(begun, release_date), greatest(begun, release_date), release_date,
            custody_start, {described}
        FROM ours WHERE disposal = 'custody' AND contradictory
        UNION ALL
        SELECT disposal_id, disposal_id, offender_id, disposal,
            CASE WHEN disposal IN {INDEX_DISPOSALS} THEN 'index' ELSE 'other kind' END,
            conviction_date, sentence_date, coalesce(sentence_date, conviction_date),
            CASE WHEN order_end >= coalesce(sentence_date, conviction_date) THEN order_end END,
            coalesce(sentence_date, conviction_date), custody_start, {described}
        FROM ours WHERE disposal <> 'custody'"""


def _recalls() -> str:
    """SQL: a row a recall, under the sentence whose release it took back."""
    return f"""
        SELECT disposal_id, offender_id, 'recall' AS disposal, 'recall' AS standing,
            conviction_date, sentence_date, start AS begun,
            coalesce("end", greatest(start, begun + sentence_days), {_NEVER}) AS until,
            "end" AS index_date, region
        FROM (
            SELECT s.*, r.start, r."end", row_number() OVER (
                PARTITION BY r.offender_id, r.start, r."end" ORDER BY s.until DESC, s.own_id
            ) AS place
            FROM prison_spells r JOIN sentences s ON s.offender_id = r.offender_id
             AND s.disposal = 'custody' AND s.standing = 'index'
             AND (r.disposal_id = s.own_id OR (r.disposal_id IS NULL AND s.until < r.start))
            WHERE r.kind = 'recall' AND coalesce(r."end" >= r.start, true)
        ) WHERE place = 1"""


@dataclass(frozen=True)
class _Windows:
    """How far dates may be out; see `locate`."""

    custody_days: int
    order_days: int
    gate_days: int
    date_days: int
    open_order_days: int


def _ruled(windows: _Windows, cautions: bool) -> str:
    """SQL: every sentence that fits a row of the table `sought`, and the rule by which it does."""
    w = windows
    ended = f"""greatest(coalesce(s.until, s.index_date + {w.open_order_days}),
        s.index_date + {w.order_days})"""
    on = (
        "least(abs(s.conviction_date - p.given_conviction),"
        " abs(s.sentence_date - p.given_conviction))"
    )
    prison = "p.setting IN ('custody', 'through the gate')"
    order = f"p.setting = 'community' AND s.disposal IN {ORDERS}"
    return f"""
        WITH sentences AS ({_sentences("offender_id IN (SELECT offender_id FROM sought)")}),
        every AS (
            SELECT disposal_id, offender_id, disposal,
                CASE WHEN disposal = 'caution' AND {not cautions} THEN 'other kind'
                    ELSE standing END AS standing,
                conviction_date, sentence_date, begun, until, index_date, region
            FROM sentences
            UNION ALL {_recalls()}
        ), tried AS (
            SELECT p.*, s.* EXCLUDE (offender_id),
                coalesce(abs(s.index_date - p.given_index) <= {w.date_days}, false) AS by_index,
                coalesce({on} <= {w.date_days}, false) AS by_conviction,
                CASE
                    WHEN {prison} AND s.disposal IN ('custody', 'recall', 'remand')
                        AND p.start BETWEEN s.begun AND s.until
                        THEN CASE s.disposal WHEN 'custody' THEN 'in custody'
                            ELSE concat('on ', s.disposal) END
                    WHEN p.setting = 'through the gate' AND s.disposal = 'custody'
                        AND p.start - s.index_date BETWEEN 0 AND {w.gate_days}
                        THEN 'release before start'
                    WHEN p.setting = 'custody' AND s.disposal = 'custody'
                        AND p.start - s.index_date BETWEEN 0 AND {w.custody_days}
                        THEN 'released shortly before start'
                    WHEN p.setting = 'custody' AND s.disposal = 'custody'
                        AND s.begun - p.start BETWEEN 0 AND {w.custody_days}
                        THEN 'custody begun shortly after start'
                    WHEN {order} AND p.start BETWEEN s.index_date AND {ended}
                        THEN 'order in force'
                    WHEN {order} AND s.index_date - p.start BETWEEN 0 AND {w.order_days}
                        THEN 'order begun after start'
                END AS by_setting,
                abs(s.index_date - p.given_index) AS off_index, {on} AS off_conviction,
                abs(coalesce(s.index_date, s.begun) - p.start) AS off_start,
                (p.setting = 'community') = (s.disposal IN {ORDERS}) AS suits
            FROM sought p JOIN every s ON s.offender_id = p.offender_id
        )
        SELECT *, CASE WHEN by_index THEN 'index date' WHEN by_conviction THEN 'conviction date'
                ELSE by_setting END AS rule,
            by_index::INTEGER + by_conviction::INTEGER + (by_setting IS NOT NULL)::INTEGER
                AS agreeing,
            CASE WHEN by_index THEN off_index WHEN by_conviction THEN off_conviction
                ELSE off_start END AS off
        FROM tried WHERE by_index OR by_conviction OR by_setting IS NOT NULL"""


def locate(
    con: Tables,
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
    open_order_days: int,
) -> pd.DataFrame:
    """Find the one sentence of each person to which the intervention belongs.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables, and who is who (see ``pseudonyms.begin``).
    vintage : Vintage
        Bounds the index dates whose follow-up is complete.
    people : DataFrame
        The upload, one row a participation.
    links : DataFrame
        One row an upload row: row, source, person, offender_id (a pseudonym), decision.
    setting : {'custody', 'community', 'through the gate'}
        Where the service works; a row's own setting overrides it.
    custody_days : int
        An intervention in custody may start this many days outside the time in prison.
    order_days : int
        An intervention in the community may start this many days before the order, and an order
        counts as in force at least this long.
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
    open_order_days : int
        An order whose end is not recorded counts as in force this long.

    Returns
    -------
    DataFrame
        One row an upload row, in its order: row, source, person, offender_id and disposal_id (both
        pseudonyms), index_date, start (of the intervention, missing where the upload does not give
        it), rule, fitting (how many sentences the rule fitted) and reason. A row that stays
        in the analysis has a disposal of `eligible` and no reason; every other row has the first
        reason that applies.

    Notes
    -----
    The start of the intervention, or its end where no start is given, is held against what the
    records show of that day. A date of release, order, conviction or sentencing given by the
    provider decides first: of several sentences, the one that agrees with most of the given dates
    and the setting, then the nearest. Without one the setting decides.

    - Custody: the stay in prison that contains the start, remand included; else the release at most
      `custody_days` before it; else the stay that begins at most `custody_days` after it.
    - Community: the order in force at the start, of several the latest begun; else the first order
      begun at most `order_days` after it.
    - Through the gate: the stay that contains the start; else the latest release at most
      `gate_days` before it.

    So nothing dated after both the start and the index date can move an index date; a reconviction
    least of all. An intervention within a recall belongs to the recalled sentence and to the
    release from that recall. Neither it nor the people compared have a follow-up from there, and
    one from the first release would begin before the intervention: it ends in a reason of its own.
    So does one that began when the year of follow-up was over. Somebody on remand at the start has
    the sentence of custody that remand led to, or none. Of several participations of one
    person, the earliest with an eligible sentence is taken, and the person counts once.
    """
    windows = _Windows(custody_days, order_days, gate_days, date_days, open_order_days)
    rows = _participations(people, links, setting)
    sought = rows.reset_index(names="key")[["key", "offender_id", *_DATED]]
    pseudonyms.enter(con, "sought_rows", sought)
    _seek(con)
    found = pseudonyms.fetch(con, _best(windows, cautions), "key").set_index("key")
    con.execute("DROP TABLE sought_rows; DROP TABLE sought").fetchall()
    kept = rows.join(found)
    kept["reason"] = _reasons(kept, vintage, sex, region)
    return _one_each(kept.assign(start=kept["began"]))[list(_LOCATED)]


_DATED = ("setting", "given_index", "given_conviction", "start")
_LOCATED = (
    "row", "source", "person", "offender_id", "disposal_id", "index_date", "start", "rule",
    "fitting", "reason",
)  # fmt: skip


def _dates(people: pd.DataFrame, setting: str) -> pd.DataFrame:
    """What each row of an upload tells of when and where the intervention was."""
    return pd.DataFrame(
        {
            "row": people["row"],
            "source": people["source"],
            "setting": people["setting"].fillna(setting).astype("str"),
            "given_index": pd.to_datetime(people["index_date"]),
            "given_conviction": pd.to_datetime(people["conviction_date"]),
            "began": pd.to_datetime(people["intervention_start"]),
            "start": pd.to_datetime(
                people["intervention_start"].fillna(people["intervention_end"])
            ),
        }
    )


def _participations(people: pd.DataFrame, links: pd.DataFrame, setting: str) -> pd.DataFrame:
    keys = ["row", "source"]
    refused = people["participation"].eq("refused").fillna(False).astype(bool)
    rows = (
        _dates(people, setting)
        .assign(refused=refused)
        .merge(
            links[[*keys, "person", "offender_id", "decision"]],
            on=keys,
            how="inner",
            validate="one_to_one",
        )
    )
    known = rows.loc[rows["decision"] != "duplicate"]
    first = known.drop_duplicates("person").set_index("person")
    offender = rows["person"].map(first["offender_id"])
    return rows.assign(
        offender_id=offender.astype("str").where(offender.notna()),
        decision=rows["person"].map(first["decision"]),
    )


def _seek(con: Tables) -> None:
    """Make the table `sought` of `sought_rows`: what to look for, and among whose sentences."""
    con.execute("""
        CREATE OR REPLACE TEMP TABLE sought AS
        SELECT key, offender_id::VARCHAR AS offender_id, setting, given_index::DATE AS given_index,
            given_conviction::DATE AS given_conviction, start::DATE AS start
        FROM sought_rows WHERE offender_id IS NOT NULL ORDER BY key, offender_id""").fetchall()
    bring(con, "sought", "offenders", "disposals", "prison_spells")


def _best(windows: _Windows, cautions: bool) -> str:
    """SQL: the best sentence of each participation and the rule that found it."""
    order = f"""standing = 'other kind', standing = 'contradictory',
        list_position({list(RULES)}, rule), agreeing DESC,
        list_position({list(RULES)}, by_setting) NULLS LAST, suits DESC, off,
        index_date NULLS LAST, disposal_id"""
    return f"""
        WITH ruled AS ({_ruled(windows, cautions)}), placed AS (
            SELECT *, row_number() OVER (PARTITION BY key ORDER BY {order}) AS place FROM ruled
        ), fitting AS (
            SELECT key, rule, standing, count(DISTINCT disposal_id) AS fitting
            FROM ruled GROUP BY key, rule, standing
        )
        SELECT p.key, p.disposal_id, p.standing, p.index_date, p.region, o.sex, o.died_on, p.rule,
            f.fitting::INTEGER AS fitting
        FROM placed p
        JOIN fitting f ON f.key = p.key AND f.rule = p.rule AND f.standing = p.standing
        JOIN offenders o ON o.offender_id = p.offender_id
        WHERE p.place = 1"""


def _reasons(rows: pd.DataFrame, vintage: Vintage, sex: str, region: str | None) -> pd.Series:
    first = pd.Timestamp(vintage.eligible_from or "1900-01-01")
    covered = (sex == "all") | rows["sex"].eq(sex)
    if region is not None:
        covered &= rows["region"].eq(region)
    undated = rows[["given_index", "given_conviction", "start"]].isna().all(axis=1)
    released = rows["index_date"].notna()
    year_over = rows["index_date"] + pd.DateOffset(months=FOLLOW_UP_MONTHS)
    reasons = pd.Series(None, index=rows.index, dtype="object")
    for reason, applies in (
        (REFUSED, rows["refused"]),
        (INCOMPLETE, rows["decision"].eq("incomplete")),
        (NO_DATE, undated),
        *((text, rows["decision"].eq(code)) for code, text in _DECISIONS.items()),
        (NO_SENTENCE, rows["disposal_id"].isna()),
        (OTHER_KIND, rows["standing"].eq("other kind")),
        (CONTRADICTORY, rows["standing"].eq("contradictory")),
        (ON_RECALL, rows["standing"].eq("recall")),
        (DIED, rows["died_on"].notna() & ~(rows["died_on"] >= rows["index_date"])),
        (NO_RELEASE, ~released),
        (TOO_EARLY, rows["index_date"] < first),
        (TOO_LATE, rows["index_date"] > pd.Timestamp(vintage.last_index_date)),
        (AFTER_FOLLOW_UP, rows["began"] > year_over),
        (NOT_COVERED, ~covered.fillna(False).astype(bool)),
    ):
        reasons = reasons.where(reasons.notna() | ~applies.fillna(False).astype(bool), reason)
    return reasons


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    """Keep one participation a person: the earliest that stays in, else the furthest it came."""
    progress = rows["reason"].map({reason: i for i, reason in enumerate(REASONS)})
    order = rows.assign(progress=progress.fillna(len(REASONS))).sort_values(
        ["progress", "index_date"], ascending=[False, True], kind="stable"
    )
    chosen = order.drop_duplicates("person").index
    reason = rows["reason"].where(rows.index.isin(chosen), DUPLICATE)
    return rows.assign(reason=reason.where(reason.notna(), None))


def rules(located: pd.DataFrame) -> pd.DataFrame:
    """Count by which rule the people who stay were placed.

    Parameters
    ----------
    located : DataFrame
        From `locate`.

    Returns
    -------
    DataFrame
        Columns rule, people, and several: how many of these had more than one sentence that fitted
        the rule. One row a rule that occurred, in the order in which the rules are tried; people
        add up to those without a reason.
    """
    stay = located.loc[located["reason"].isna()]
    counted = (
        stay.assign(several=stay["fitting"] > 1)
        .groupby("rule", observed=True)
        .agg(people=("rule", "size"), several=("several", "sum"))
    )
    occurred = [rule for rule in RULES if rule in counted.index]
    return counted.reindex(occurred).astype("int64").rename_axis("rule").reset_index()


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


def _days() -> str:
    """SQL: how many sentences began and ended on each day; a date alone begins and ends at once."""
    return f"""
        WITH sentences AS ({_sentences("true")}), recalls AS ({_recalls()}), dates AS (
            SELECT 'custody' AS kind, begun, until FROM sentences
            WHERE disposal = 'custody' AND standing = 'index' AND disposal_id = own_id
            UNION ALL
            SELECT 'recall', begun, until FROM recalls
            UNION ALL
            SELECT CASE WHEN until IS NULL THEN 'open order' ELSE 'order' END, begun,
                coalesce(until, begun)
            FROM sentences WHERE disposal IN {ORDERS}
            UNION ALL
            SELECT 'index date', index_date, index_date FROM sentences
            WHERE standing = 'index' AND disposal_id = own_id AND disposal <> 'caution'
            UNION ALL
            SELECT 'index date', index_date, index_date FROM recalls
            UNION ALL
            SELECT 'conviction date', conviction_date, conviction_date FROM sentences
            WHERE standing = 'index' AND disposal <> 'caution'
            UNION ALL
            SELECT 'conviction date', sentence_date, sentence_date FROM sentences
            WHERE standing = 'index' AND disposal <> 'caution' AND sentence_date <> conviction_date
            UNION ALL
            SELECT 'caution', index_date, index_date FROM sentences WHERE disposal = 'caution'
        )
        SELECT kind, day, sum(begun)::INTEGER AS begun, sum(ended)::INTEGER AS ended FROM (
            SELECT kind, begun AS day, 1 AS begun, 0 AS ended FROM dates
            UNION ALL
            SELECT kind, until, 0, 1 FROM dates
        ) WHERE day IS NOT NULL GROUP BY kind, day ORDER BY kind, day"""


PREPARED: dict[str, str] = {"sentence_days": _days()}
_KINDS = ("custody", "recall", "order", "open order", "index date", "conviction date")


def corroboration(
    con: Tables,
    vintage: Vintage,
    people: pd.DataFrame,
    rows: pd.DataFrame,
    pairs: pd.DataFrame,
    *,
    setting: str,
    custody_days: int,
    order_days: int,
    gate_days: int,
    date_days: int,
    cautions: bool,
    open_order_days: int,
) -> pd.DataFrame:
    """Say which candidates were serving a sentence of the setting at the time of the intervention.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the national tables and `PREPARED`.
    vintage : Vintage
        Dates after its last convictions corroborate nothing.
    people : DataFrame
        The upload, one row a participation.
    rows : DataFrame
        The upload rows by person: row, source, person.
    pairs : DataFrame
        The candidates: person, offender_id.
    setting, custody_days, order_days, gate_days, date_days, cautions, open_order_days
        As for `locate`.

    Returns
    -------
    DataFrame
        One row a pair, in its order: person, offender_id, fits (whether one of the person's
        participations fits a sentence of the candidate by a rule of `locate`; missing where the
        upload gives no date at which the records could show one) and chance (the share of all
        people in the register who would fit; missing with fits).

    Notes
    -----
    Nothing later than the dates of the upload and their windows is looked at, but the release from
    the very sentence. `chance` comes from the counts of each day in ``sentence_days``. Somebody
    with two orders at once counts twice there, and the chances of several dates are put together as
    if independent, so it may be a tenth of itself too high. Candidates have more names and records
    than most people: of those who were somebody else, two to three times `chance` fitted in the
    synthetic custody requests, under twice in the community ones.
    """
    windows = _Windows(custody_days, order_days, gate_days, date_days, open_order_days)
    con.register("kinds", pd.DataFrame({"kind": [*_KINDS, *["caution"] * cautions]}))
    bring(con, "kinds", "sentence_days", column="kind")
    days = con.execute("""
        SELECT kind, day, begun, ended FROM sentence_days SEMI JOIN kinds USING (kind)
        ORDER BY kind, day""").df()
    con.unregister("kinds")
    tests = _tests(people, rows, setting, vintage)
    tests["chance"] = _share(tests, days, windows, rows_of(con, "offenders"))
    tests = tests.loc[tests["chance"] > 0]
    sought = tests.merge(pairs[["person", "offender_id"]], on="person")
    con.register("sought_rows", sought[["key", "offender_id", *_DATED]])
    _seek(con)
    con.unregister("sought_rows")
    fitting = con.execute(f"""
        SELECT DISTINCT key, offender_id FROM ({_ruled(windows, cautions)})
        WHERE standing IN ('index', 'recall') ORDER BY key, offender_id""").df()
    con.execute("DROP TABLE sought").fetchall()
    fitting = fitting.merge(tests[["key", "person"]], on="key")[["person", "offender_id"]]
    none_fits = (1 - tests["chance"]).groupby(tests["person"]).prod()
    found = pairs[["person", "offender_id"]].merge(
        fitting.drop_duplicates().assign(fits=True), on=["person", "offender_id"], how="left"
    )
    chance = 1 - found["person"].map(none_fits)
    fits = found["fits"].eq(True).astype("boolean").mask(chance.isna())
    return found.assign(fits=fits, chance=chance)


def _tests(
    people: pd.DataFrame, rows: pd.DataFrame, setting: str, vintage: Vintage
) -> pd.DataFrame:
    """The different participations of each person; dates that the records do not reach are gone."""
    tests = _dates(people, setting).merge(rows[["row", "source", "person"]], on=["row", "source"])
    dates = list(_DATED[1:])
    tests[dates] = tests[dates].where(tests[dates] <= pd.Timestamp(vintage.convictions_to))
    tests = tests.dropna(subset=dates, how="all").drop_duplicates(["person", *_DATED])
    tests = tests.sort_values("person", kind="stable", ignore_index=True)
    return tests.reset_index(names="key")


def _share(
    tests: pd.DataFrame, days: pd.DataFrame, windows: _Windows, size: int
) -> npt.NDArray[np.float64]:
    """The share of the register's people who have a sentence that fits each participation."""
    w = windows
    counts = dict(tuple(days.groupby("kind")))

    def share(kind: str, date: str, before: int, after: int) -> npt.NDArray[np.float64]:
        """Sentences begun by so many days after a date, and not over so many days before it."""
        if kind not in counts:
            return np.zeros(len(tests))
        day = counts[kind]["day"].to_numpy()
        begun, ended = (np.append(0, counts[kind][edge].cumsum()) for edge in ("begun", "ended"))
        at = tests[date].to_numpy().astype(day.dtype)
        first, last = at - np.timedelta64(after, "D"), at + np.timedelta64(before, "D")
        many = begun[day.searchsorted(last, "right")] - ended[day.searchsorted(first, "left")]
        return np.where(np.isnat(at), 0, many) / max(size, 1)

    recall = share("recall", "start", 0, 0)
    by_setting = {
        "custody": share("custody", "start", w.custody_days, w.custody_days) + recall,
        "through the gate": share("custody", "start", 0, w.gate_days) + recall,
        "community": share("order", "start", w.order_days, 0)
        + share("open order", "start", w.order_days, w.open_order_days),
    }
    chosen = [tests["setting"].eq(name).to_numpy() for name in by_setting]
    none = 1 - np.select(chosen, list(by_setting.values()))
    for kind, date in (("index date", "given_index"), ("conviction date", "given_conviction")):
        found = share(kind, date, w.date_days, w.date_days)
        none *= 1 - found - share("caution", date, w.date_days, w.date_days)
    return np.asarray(1 - none)
