"""Matching variables: what is known of a person at the start of the index sentence.

Criminal history is that before the index conviction. What a programme could change (work, benefits,
assessed needs) is taken at a point of the sentence that is the same for both groups, before the
programme and before the index date:

- employment and benefits at the last day at liberty before the sentence: the earlier of the index
  conviction and the first day in prison, remand included. Somebody on remand cannot be employed, so
  at the conviction remand would hide what work there had been; remand is a variable of its own.
- OASys in the year up to the index conviction: the assessment is made for the court, often on
  remand, and being in prison does not spoil it.
- Where an intervention began before the conviction (it may, on remand or by the leeways of
  `sentence.locate`), work and benefits are those before its start, if that is earlier than prison,
  and the assessment one from before it; and as many comparison disposals, drawn at random within
  sex and disposal, are measured as long before their conviction.

So nothing a programme changed, and nothing after the index date, can reach the propensity score.
Two variables are later than the start of the programme: age at the index date and the time served,
known at release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jdl import pseudonyms
from jdl.engines import Excerpt, Tables, bring
from jdl.national import NEEDS, Vintage
from jdl.sentence import NO_ASSESSMENT, NO_MATCH, eligible

LOOK_BACK_DAYS = 365
RECENT = {"last_year": 365, "last_five_years": 1826}
DRAW_SEED = 20140313

AGE_BANDS = {
    "under 18": 17, "18 to 20": 20, "21 to 24": 24, "25 to 29": 29, "30 to 34": 34,
    "35 to 39": 39, "40 to 49": 49, "50 and over": np.inf,
}  # fmt: skip
SENTENCE_BANDS = {
    "under 6 months": 181, "6 months to under 1 year": 364, "1 year to under 2 years": 729,
    "2 years to under 4 years": 1459, "4 years and over": np.inf,
}  # fmt: skip


class Definition(NamedTuple):
    """What a matching variable is: its label, unit, the tables it comes from, and as of when."""

    label: str
    unit: str
    tables: str
    at: str


_CONVICTION, _LIBERTY = "before the index conviction", "last day at liberty before the sentence"
_YEAR = "in the 365 days before the last day at liberty before the sentence"
_BEFORE = {
    "last_year": "in the 365 days before the index conviction",
    "last_five_years": "in the 1,826 days before the index conviction",
}
_COURT = "latest in the year up to the index conviction"


def _proven(label: str, at: str = _CONVICTION) -> Definition:
    return Definition(label, "number", "disposals, offences", at)


DEFINITIONS: dict[str, Definition] = {
    "sex": Definition("Sex", "category", "offenders", "as recorded"),
    "age": Definition("Age at index date (years)", "years", "offenders", "index date"),
    "age_band": Definition("Age band", "category", "offenders", "index date"),
    "ethnicity": Definition("Ethnicity", "category", "offenders", "as recorded"),
    "nationality": Definition("Nationality", "category", "offenders", "as recorded"),
    "region": Definition("Region", "category", "disposals", "index disposal"),
    "disposal": Definition("Index disposal", "category", "disposals", "index disposal"),
    "offence_group": Definition("Index offence", "category", "disposals", "index disposal"),
    "index_year": Definition("Year of index date", "category", "disposals", "index date"),
    "sentence_band": Definition("Length of sentence", "category", "disposals", "index disposal"),
    "sentence_days": Definition("Length of sentence (days)", "days", "disposals", "index disposal"),
    "remanded": Definition(
        "In prison before conviction", "yes or no", "disposals, prison_spells", "index conviction"
    ),
    "days_served": Definition("Days served", "days", "disposals", "index date"),
    "previous_convictions": _proven("Previous convictions"),
    "convictions_last_year": _proven("Convictions in the year before", _BEFORE["last_year"]),
    "convictions_last_five_years": _proven(
        "Convictions in the five years before", _BEFORE["last_five_years"]
    ),
    "previous_cautions": _proven("Previous cautions"),
    "cautions_last_year": _proven("Cautions in the year before", _BEFORE["last_year"]),
    "cautions_last_five_years": _proven(
        "Cautions in the five years before", _BEFORE["last_five_years"]
    ),
    "previous_custodial_sentences": _proven("Previous custodial sentences"),
    "custodial_sentences_last_year": _proven(
        "Custodial sentences in the year before", _BEFORE["last_year"]
    ),
    "custodial_sentences_last_five_years": _proven(
        "Custodial sentences in the five years before", _BEFORE["last_five_years"]
    ),
    "previous_offences": _proven("Previous proven offences"),
    "log_previous_offences": Definition(
        "Previous proven offences (logarithm)", "log(1 + n)", "offences", _CONVICTION
    ),
    "copas_rate": Definition(
        "Copas rate", "log((convictions + 1) / (years + 10))", "disposals, offences", _CONVICTION
    ),
    "career_years": Definition(
        "Years since first conviction", "years", "disposals, offences", "index conviction"
    ),
    "age_at_first": Definition(
        "Age at first conviction or caution", "years", "offenders, disposals, offences", _CONVICTION
    ),
    "first_conviction": Definition(
        "No previous conviction or caution", "yes or no", "disposals, offences", _CONVICTION
    ),
    "employed": Definition("Employed before the sentence", "yes or no", "employment", _LIBERTY),
    "employed_days": Definition("Days employed in the year before", "days", "employment", _YEAR),
    "on_benefit": Definition(
        "On an out-of-work benefit before the sentence", "yes or no", "benefits", _LIBERTY
    ),
    "benefit_days": Definition("Days on benefit in the year before", "days", "benefits", _YEAR),
    "incomplete": Definition(
        "Something of this not recorded", "yes or no", "all of these", "index date"
    ),
    "ogrs": Definition("OASys reconviction score", "0 to 100", "oasys", _COURT),
    **{
        need: Definition(f"OASys need: {need.replace('_', ' and ')}", "0 to 100", "oasys", _COURT)
        for need in NEEDS
    },
    "needs_incomplete": Definition("OASys assessment incomplete", "yes or no", "oasys", _COURT),
    "days_to_start": Definition(
        "Days from index date to start", "days", "upload", "start of the intervention"
    ),
}
LABELS = {name: definition.label for name, definition in DEFINITIONS.items()}
_OASYS = ("ogrs", *NEEDS, "needs_incomplete")
BALANCED = tuple(name for name in DEFINITIONS if name not in ("age_band", "days_to_start", *_OASYS))
PROFILE = ("sex", "age_band", "ethnicity", "nationality", "region", "disposal", "offence_group")

_CHANGEABLE = (
    "employed", "employed_days", "on_benefit", "benefit_days", "assessed", "ogrs", *NEEDS,
)  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """With whom the treatment group can be compared, and who left the pool.

    Parameters
    ----------
    disposals, people : int
        In the pool.
    removed_people, removed_disposals : int
        Uploaded people, linked or under review, who would otherwise be in it, and the disposals of
        theirs that left it. A treated disposal is no candidate and does not count.
    removed_share : float
        The share of the pool's people they would be.
    known_people : int
        People in the pool who are known from other requests.
    """

    disposals: int
    people: int
    removed_people: int
    removed_disposals: int
    removed_share: float
    known_people: int


def covered(spells: str) -> str:
    """Return the SQL that counts the days of each disposal within any of its spells.

    Parameters
    ----------
    spells : str
        SQL of rows disposal_id, start, stop: the days from start up to, not including, stop.

    Returns
    -------
    str
        Columns disposal_id and days; a day within several spells counts once.
    """
    return f"""
        SELECT disposal_id,
            sum(greatest(date_diff('day', greatest(start, coalesce(past, start)), stop), 0))
                ::INTEGER AS days
        FROM (
            SELECT *, max(stop) OVER (PARTITION BY disposal_id ORDER BY start, stop
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS past
            FROM ({spells})
        ) GROUP BY disposal_id"""


def _history() -> str:
    counts = {
        "convictions": "convicted", "cautions": "cautioned", "custodial_sentences": "custody",
    }  # fmt: skip
    recent = ",\n".join(
        f"coalesce(sum({column}) OVER {window}, 0) AS {name}_{window}"
        for name, column in counts.items()
        for window in RECENT
    )
    windows = ",\n".join(
        f"""{window} AS (PARTITION BY offender_id ORDER BY conviction_date
            RANGE BETWEEN INTERVAL {days} DAY PRECEDING AND INTERVAL 1 DAY PRECEDING)"""
        for window, days in RECENT.items()
    )
    return f"""
        SELECT offender_id, conviction_date,
            coalesce(sum(convicted) OVER prior, 0) AS convictions,
            coalesce(sum(cautioned) OVER prior, 0) AS cautions,
            coalesce(sum(custody) OVER prior, 0) AS custodial_sentences,
            coalesce(sum(offences) OVER prior, 0) AS offences,
            {recent},
            min(conviction_date) OVER prior AS first_proven
        FROM (
            SELECT offender_id, conviction_date,
                max(convicted) AS convicted, max(cautioned) AS cautioned,
                max(custody) AS custody, sum(offences) AS offences
            FROM (
                SELECT offender_id, conviction_date, (disposal <> 'caution')::INTEGER AS convicted,
                    (disposal = 'caution')::INTEGER AS cautioned,
                    (disposal = 'custody')::INTEGER AS custody, 0 AS offences
                FROM disposals
                UNION ALL
                SELECT offender_id, conviction_date, (proven_by = 'conviction')::INTEGER,
                    (proven_by <> 'conviction')::INTEGER, 0, 1
                FROM offences
                WHERE proven_by <> 'penalty notice' AND NOT coalesce(breach, false)
            )
            GROUP BY offender_id, conviction_date
        )
        WINDOW
            prior AS (PARTITION BY offender_id ORDER BY conviction_date
                RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 DAY PRECEDING),
            {windows}"""


def _spells(table: str) -> str:
    """Whether a spell reaches the point, and its days in the year that ends the day before."""
    return f"""
        SELECT p.disposal_id, p.at_liberty, greatest(s.start_date, p.at_liberty - {LOOK_BACK_DAYS})
                AS start,
            least(coalesce(s.end_date, p.at_liberty), p.at_liberty) AS stop
        FROM points p JOIN {table} s
          ON s.offender_id = p.offender_id AND s.start_date < p.at_liberty
         AND coalesce(s.end_date, p.at_liberty) > p.at_liberty - {LOOK_BACK_DAYS}"""


def _held(vintage: Vintage, table: str) -> str:
    """Whether the records of a table reach over the year before the point."""
    first, last = (vintage.coverage.get(f"{table}_{edge}") for edge in ("from", "to"))
    point = "least(d.begun, d.conviction_date)"
    begins = "true" if first is None else f"{point} - {LOOK_BACK_DAYS} >= DATE '{first}'"
    ends = "true" if last is None else f"{point} - 1 <= DATE '{last}'"
    return f"({begins} AND {ends})"


def _changeable(points: str) -> str:
    """SQL: work, benefits and needs of rows disposal_id, offender_id, at_liberty, convicted."""
    return f"""
        WITH points AS ({points}), work AS ({_spells("employment")}),
            support AS ({_spells("benefits")}),
            working AS (SELECT DISTINCT disposal_id FROM work WHERE stop = at_liberty),
            supported AS (SELECT DISTINCT disposal_id FROM support WHERE stop = at_liberty),
            needs AS (
                SELECT disposal_id, ogrs, {", ".join(NEEDS)} FROM (
                    SELECT p.disposal_id, o.*, row_number() OVER (
                        PARTITION BY p.disposal_id
                        ORDER BY o.assessment_date DESC, ogrs, {", ".join(NEEDS)}
                    ) AS latest
                    FROM points p JOIN oasys o ON o.offender_id = p.offender_id
                     AND o.assessment_date BETWEEN p.convicted - {LOOK_BACK_DAYS} AND p.convicted
                ) WHERE latest = 1
            )
        SELECT p.disposal_id, (working.disposal_id IS NOT NULL)::INTEGER AS employed,
            coalesce(w.days, 0) AS employed_days,
            (supported.disposal_id IS NOT NULL)::INTEGER AS on_benefit,
            coalesce(b.days, 0) AS benefit_days,
            n.disposal_id IS NOT NULL AS assessed, n.* EXCLUDE (disposal_id)
        FROM points p
        LEFT JOIN working USING (disposal_id)
        LEFT JOIN ({covered("SELECT * FROM work")}) w USING (disposal_id)
        LEFT JOIN supported USING (disposal_id)
        LEFT JOIN ({covered("SELECT * FROM support")}) b USING (disposal_id)
        LEFT JOIN needs n USING (disposal_id)"""


def definition(vintage: Vintage) -> str:
    """Return the SQL that defines every matching variable of every eligible disposal.

    Parameters
    ----------
    vintage : Vintage
        Its dates bound the index date, and the years in which work and benefits are known.

    Returns
    -------
    str
        One row a disposal, integers, dates and text only; what needs logarithms or bands is derived
        from these by `derive`. Work and benefits are null where the vintage does not hold the whole
        year before; ``assessed`` says whether there is an OASys assessment.

    Notes
    -----
    `DEFINITIONS` says of each variable from which table it comes and as of when; the module's own
    text says why.
    """
    points = """
        SELECT disposal_id, offender_id, least(begun, conviction_date) AS at_liberty,
            conviction_date AS convicted FROM eligible"""
    held, paid = _held(vintage, "employment"), _held(vintage, "benefits")
    recent = ", ".join(
        f"h.{name}_{window}::INTEGER AS {name}_{window}"
        for name in ("convictions", "cautions", "custodial_sentences")
        for window in RECENT
    )
    return f"""
        WITH eligible AS ({eligible(vintage)}),
            history AS ({_history()}),
            changeable AS ({_changeable(points)})
        SELECT d.disposal_id, d.offender_id, d.disposal, d.conviction_date, d.index_date, d.begun,
            d.custody_start, d.order_end, o.sex,
            date_sub('year', o.date_of_birth, d.index_date)::INTEGER AS age,
            o.ethnicity, o.nationality, d.region, d.prison, d.offence_group, d.sentence_days,
            (d.begun < d.conviction_date)::INTEGER AS remanded,
            date_diff('day', d.custody_start, d.index_date)::INTEGER AS days_served,
            h.convictions::INTEGER AS previous_convictions,
            h.cautions::INTEGER AS previous_cautions,
            h.custodial_sentences::INTEGER AS previous_custodial_sentences,
            h.offences::INTEGER AS previous_offences, {recent},
            date_diff('day', coalesce(h.first_proven, d.conviction_date), d.conviction_date)
                ::INTEGER AS career_days,
            date_sub('year', o.date_of_birth,
                coalesce(h.first_proven, d.conviction_date))::INTEGER AS age_at_first,
            CASE WHEN {held} THEN employed END AS employed,
            CASE WHEN {held} THEN employed_days END AS employed_days,
            CASE WHEN {paid} THEN on_benefit END AS on_benefit,
            CASE WHEN {paid} THEN benefit_days END AS benefit_days,
            assessed, ogrs, {", ".join(NEEDS)}
        FROM eligible d
        JOIN offenders o USING (offender_id)
        JOIN history h ON h.offender_id = d.offender_id AND h.conviction_date = d.conviction_date
        JOIN changeable c USING (disposal_id)
        ORDER BY d.disposal, o.sex, d.index_date, d.disposal_id"""


def compared(oasys: bool) -> list[str]:
    """Return the variables whose balance is judged, in the order of the report.

    Parameters
    ----------
    oasys : bool
        Whether people are matched on assessed needs too.

    Returns
    -------
    list of str
        Columns.
    """
    return [*BALANCED, *(_OASYS if oasys else ())]


def losses(everyone: pd.DataFrame, frame: pd.DataFrame, *, oasys: bool) -> dict[str, int]:
    """Count the treated people lost between the located sentence and the matched sample.

    Parameters
    ----------
    everyone : DataFrame
        From `candidates`, with or without an assessment.
    frame : DataFrame
        The matched candidates, with treated and weight; who left between the two for another
        reason is not counted.
    oasys : bool
        Whether only people with an assessment were matched.

    Returns
    -------
    dict of str to int
        By reason.
    """
    lacking = (everyone["treated"] == 1) & ~everyone["assessed"].astype(bool)
    unmatched = (frame["treated"] == 1) & (frame["weight"] == 0)
    return {NO_ASSESSMENT: int(lacking.sum()) if oasys else 0, NO_MATCH: int(unmatched.sum())}


def candidates(
    con: Tables,
    located: pd.DataFrame,
    excluded: pd.Series,
    *,
    window_days: int,
    oasys: bool,
    region: str | None = None,
    keep_earlier: pd.DataFrame | None = None,
    seed: int = DRAW_SEED,
) -> pd.DataFrame:
    """Fetch the treated disposals and every eligible disposal that could be compared with them.

    Parameters
    ----------
    con : DuckDBPyConnection or Excerpt
        Holds the prepared view ``index_disposals`` and the national tables, and who is who (see
        ``pseudonyms.begin``); people and disposals come and go as pseudonyms.
    located : DataFrame
        The treatment group: disposal_id, and start where known; also index_date, by which the pool
        is brought into an excerpt (see ``sentence.locate``).
    excluded : Series of str
        Offenders who leave the comparison pool: everybody uploaded, linked or under review.
    window_days : int
        How far, in days, an index date may lie outside the treatment group's own range.
    oasys : bool
        Whether only disposals with an OASys assessment count, for both groups.
    region : str, optional
        The one region to which the comparison is kept.
    keep_earlier : DataFrame, optional
        Uploaded people whose untreated earlier disposals stay in the pool although they are
        excluded: offender_id and start (see ``sentence.locate``). Of several starts the first
        counts; where one is not known, nothing stays.
    seed : int
        Of the comparison disposals that are measured as early as treated people whose intervention
        began before the sentence; not used where there are none.

    Returns
    -------
    DataFrame
        One row a disposal, with ``treated`` (0 or 1), ``earlier`` (whether it is an earlier
        disposal of somebody uploaded) and the variables of `derive`, ordered by what disposal_id
        stands for.
        Comparison disposals have a sex and a disposal type that a treated one has.

    Notes
    -----
    Nothing after its index date decides whether a disposal is a candidate. Leaving out everything
    of the uploaded people breaks that: their earlier disposals go because of a later one, and with
    them disposals that were followed by another. Those convicted before the treated disposal, with
    an index date before the intervention began, are what a treated person was before; kept, only
    disposals from after the intervention are gone, which is a fact of their past.
    """
    chosen = _choose(con, located, excluded, window_days, region, oasys, keep_earlier, seed)
    return derive(chosen.loc[~chosen["removed"]].drop(columns="removed").reset_index(drop=True))


def pool(
    con: Tables,
    located: pd.DataFrame,
    excluded: pd.Series,
    *,
    known: pd.Series,
    window_days: int,
    oasys: bool,
    region: str | None = None,
    keep_earlier: pd.DataFrame | None = None,
    seed: int = DRAW_SEED,
) -> Pool:
    """Count the comparison pool and who left it.

    Parameters
    ----------
    con, located, excluded, window_days, oasys, region, keep_earlier, seed
        As for `candidates`.
    known : Series of str
        Offenders known from other requests.

    Returns
    -------
    Pool
    """
    chosen = _choose(con, located, excluded, window_days, region, oasys, keep_earlier, seed)
    theirs = chosen.loc[(chosen["treated"] == 0) & ~chosen["removed"], "offender_id"]
    gone = chosen.loc[(chosen["treated"] == 0) & chosen["removed"], "offender_id"]
    would = chosen.loc[chosen["offender_id"].isin(excluded), "offender_id"].nunique()
    people = theirs.nunique()
    others = theirs[~theirs.isin(excluded)].nunique()
    return Pool(
        disposals=len(theirs),
        people=people,
        removed_people=would,
        removed_disposals=len(gone),
        removed_share=would / (others + would) if others + would else 0.0,
        known_people=theirs[theirs.isin(known)].nunique(),
    )


def _choose(
    con: Tables,
    located: pd.DataFrame,
    excluded: pd.Series,
    window_days: int,
    region: str | None,
    oasys: bool,
    keep_earlier: pd.DataFrame | None,
    seed: int,
) -> pd.DataFrame:
    """Treated and comparison disposals, also those removed from the pool, as they are measured."""
    people = excluded.drop_duplicates().to_frame("offender_id")
    pseudonyms.enter(con, "treated_disposals", located[["disposal_id"]])
    pseudonyms.enter(con, "excluded_people", people)
    pseudonyms.enter(con, "kept_people", _kept(keep_earlier))
    if isinstance(con, Excerpt):
        _bring_pool(con, located["index_date"], window_days)
    here = "true" if region is None else f"d.region = '{region}'"
    sql = f"""
        WITH treated AS (
            SELECT * FROM index_disposals
            WHERE disposal_id IN (SELECT disposal_id FROM treated_disposals)
        ), kinds AS (SELECT DISTINCT disposal, sex FROM treated),
        span AS (
            SELECT min(index_date) - {window_days} AS first_day,
                   max(index_date) + {window_days} AS last_day
            FROM treated
        ), kept AS (
            SELECT k.offender_id, k.start::DATE AS start, min(t.conviction_date) AS convicted
            FROM kept_people k LEFT JOIN treated t USING (offender_id)
            GROUP BY k.offender_id, k.start
        ), pool AS (
            SELECT d.*, x.offender_id IS NOT NULL AS excluded,
                coalesce(d.index_date < k.start
                    AND coalesce(d.conviction_date < k.convicted, true), false) AS before
            FROM index_disposals d
            JOIN kinds ON d.disposal = kinds.disposal AND d.sex = kinds.sex
            JOIN span s ON d.index_date BETWEEN s.first_day AND s.last_day
            LEFT JOIN excluded_people x ON x.offender_id = d.offender_id
            LEFT JOIN kept k ON k.offender_id = d.offender_id
            WHERE {here} AND d.disposal_id NOT IN (SELECT disposal_id FROM treated)
        )
        SELECT 1 AS treated, false AS earlier, false AS removed, * FROM treated
        UNION ALL
        SELECT 0, excluded AND before, excluded AND NOT before, * EXCLUDE (excluded, before)
        FROM pool"""
    fetched = pseudonyms.fetch(con, sql)
    for name in ("treated_disposals", "excluded_people", "kept_people"):
        con.execute(f"DROP TABLE {name}").fetchall()
    measured = _measured_early(con, fetched, located, seed)
    return measured.loc[measured["assessed"] | (not oasys)].reset_index(drop=True)


def _bring_pool(con: Excerpt, days: pd.Series, window_days: int) -> None:
    """Bring the disposals of the kinds of those treated, about their index dates."""
    kinds = con.execute("""
        SELECT DISTINCT d.disposal, p.sex
        FROM treated_disposals JOIN disposals d USING (disposal_id)
        JOIN offenders p ON p.offender_id = d.offender_id
        ORDER BY disposal, sex""").fetchall()
    around = pd.Timedelta(days=window_days)
    span = (days.min() - around, days.max() + around)
    con.pool({kind: (span[0].date(), span[1].date()) for kind in kinds})


def _kept(keep_earlier: pd.DataFrame | None) -> pd.DataFrame:
    """Who keeps the disposals from before the first intervention, where its day is known."""
    if keep_earlier is None:
        empty = {"offender_id": pd.Series(dtype="str"), "start": pd.Series(dtype="datetime64[ns]")}
        return pd.DataFrame(empty)
    found = keep_earlier.dropna(subset=["offender_id"])
    starts = found.groupby("offender_id", sort=True)["start"]
    return starts.agg(lambda days: days.min(skipna=False)).dropna().reset_index()


def _measured_early(
    con: Tables, fetched: pd.DataFrame, located: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Measure what can change before interventions that began before the conviction."""
    if "start" not in located:
        return fetched
    starts = fetched["disposal_id"].map(located.set_index("disposal_id")["start"])
    early = (fetched["conviction_date"] - starts).dt.days.clip(lower=0).fillna(0)
    if not (early > 0).any():
        return fetched
    days = draw(fetched, early.where(fetched["treated"] == 1), seed).fillna(0)
    began = fetched["conviction_date"] - pd.to_timedelta(days, unit="D")
    points = fetched[["disposal_id", "offender_id"]].assign(
        convicted=began - pd.Timedelta(days=1),
        at_liberty=began.where(began < fetched["begun"], fetched["begun"]),
    )
    pseudonyms.enter(con, "moved_points", points.loc[days > 0])
    bring(con, "moved_points", "employment", "benefits", "oasys")
    sql = _changeable("""
        SELECT disposal_id, offender_id, at_liberty::DATE AS at_liberty,
            convicted::DATE AS convicted
        FROM moved_points""")
    moved = pseudonyms.fetch(con, sql)
    con.execute("DROP TABLE moved_points").fetchall()
    return _replaced(fetched, moved)


def _replaced(fetched: pd.DataFrame, moved: pd.DataFrame) -> pd.DataFrame:
    """Take the columns of the moved rows; what the vintage does not hold stays missing."""
    rows = fetched["disposal_id"].isin(moved["disposal_id"])
    values = moved.set_index("disposal_id").reindex(fetched.loc[rows, "disposal_id"])
    changed = fetched.copy()
    for name in _CHANGEABLE:
        held = fetched.loc[rows, name].notna() | (name in ("ogrs", *NEEDS))
        new = values[name].set_axis(held.index)
        changed[name] = fetched[name].mask(rows, new.where(held).reindex(fetched.index))
    return changed


def draw(frame: pd.DataFrame, days: pd.Series, seed: int) -> pd.Series:
    """Give comparison disposals days of the treatment group, at random within sex and disposal.

    Parameters
    ----------
    frame : DataFrame
        Columns treated, sex and disposal.
    days : Series of float
        Of the treated rows; what it holds of other rows is not looked at.
    seed : int

    Returns
    -------
    Series of float
        In the order of `frame`: the treated rows' own days, and for every other row those of a
        treated row of the same sex and disposal; missing where these have none.

    Notes
    -----
    Rows are drawn for in the order given, from the sorted days of their stratum. Candidates are in
    the order of the identifiers of their disposals, so that the draw does not hang on pseudonyms.
    """
    drawn = days.astype("float64").where(frame["treated"] == 1)
    rng = np.random.default_rng(seed)
    for _, rows in frame.groupby(["sex", "disposal"], sort=True, observed=True):
        ours = rows["treated"] == 1
        theirs = np.sort(drawn.loc[rows.index[ours]].dropna().to_numpy())
        if len(theirs):
            drawn.loc[rows.index[~ours]] = rng.choice(theirs, int((~ours).sum()))
    return drawn


def derive(fetched: pd.DataFrame) -> pd.DataFrame:
    """Add what is computed from the fetched integers, and make missing values visible.

    Parameters
    ----------
    fetched : DataFrame
        Rows of `definition`.

    Returns
    -------
    DataFrame
        With the bands, years and logarithms of `DEFINITIONS`. Missing text is "not recorded", and
        so is the band of a missing age or of a missing length of custody ("not custody" for other
        disposals); a missing number gets the middle one and an indicator ``<name>_missing``, work
        and benefits zero and ``employment_missing`` and ``benefits_missing``. ``incomplete`` is
        true where any of these applies. Disposals without an assessment have missing needs.

    Notes
    -----
    Copas rate: log((c + 1) / (t + 10)), c convictions in t years since the first (Copas and
    Marshall 1998, as used in the offender group reconviction scale).
    """
    text = {
        name: fetched[name].fillna("not recorded").astype("str")
        for name in ("sex", "ethnicity", "nationality", "region", "offence_group", "disposal")
    }
    custody = fetched["disposal"] == "custody"
    numbers = _filled(fetched, custody)
    career_years = fetched["career_days"] / 365.25
    convictions = fetched["previous_convictions"]
    sentence_band = band(numbers["sentence_days"], SENTENCE_BANDS).where(custody, "not custody")
    derived = {
        "age_band": band(numbers["age"], AGE_BANDS).mask(numbers["age_missing"], "not recorded"),
        "sentence_band": sentence_band.mask(numbers["sentence_days_missing"], "not recorded"),
        "index_year": fetched["index_date"].dt.year.astype("str"),
        "career_years": career_years,
        "log_previous_offences": np.log1p(fetched["previous_offences"].astype("float64")),
        "copas_rate": np.log((convictions + 1) / (career_years + 10)),
        "first_conviction": fetched["career_days"] == 0,
        "remanded": (fetched["remanded"] == 1).astype(bool),
        "employed": (fetched["employed"].fillna(0) == 1).astype(bool),
        "on_benefit": (fetched["on_benefit"].fillna(0) == 1).astype(bool),
        "incomplete": pd.concat(
            [values for name, values in numbers.items() if name.endswith("_missing")], axis=1
        ).any(axis=1),
    }
    assessed = fetched["assessed"].astype(bool)
    scores = fetched[["ogrs", *NEEDS]].astype("float64")
    filled = scores.fillna(scores.median()).where(assessed)
    needs = {name: filled[name] for name in ("ogrs", *NEEDS)}
    derived["needs_incomplete"] = scores.isna().any(axis=1) & assessed
    return fetched.assign(**text, **numbers, **derived, **needs)


def _filled(fetched: pd.DataFrame, custody: pd.Series) -> dict[str, Any]:
    """Numbers without gaps, and where the gaps were; only custody has a length and time served."""
    numbers: dict[str, Any] = {}
    for name in ("age", "age_at_first", "sentence_days", "days_served"):
        values = fetched[name].astype("float64")
        applies = custody | (name in ("age", "age_at_first"))
        middle = values.where(applies).median()
        values = values.where(applies, 0.0)
        numbers[name] = values.fillna(0.0 if np.isnan(middle) else middle)
        numbers[f"{name}_missing"] = values.isna()
    for name, days in (("employment", "employed_days"), ("benefits", "benefit_days")):
        numbers[days] = fetched[days].fillna(0).astype("int64")
        numbers[f"{name}_missing"] = fetched[days].isna()
    return numbers


def unrecorded(candidates: pd.DataFrame) -> tuple[str, ...]:
    """Name what the vintage holds for nobody who could be compared.

    Parameters
    ----------
    candidates : DataFrame
        From `candidates`.

    Returns
    -------
    tuple of str
        Names of `DEFINITIONS`; people cannot be alike in these but by chance.
    """
    custody = candidates.loc[candidates["disposal"] == "custody"]
    text = ("ethnicity", "nationality", "region", "offence_group")
    gaps = {name: candidates[name] == "not recorded" for name in text}
    gaps |= {name: candidates[f"{name}_missing"] for name in ("age", "age_at_first")}
    gaps |= {name: custody[f"{name}_missing"] for name in ("sentence_days", "days_served")}
    gaps["employed"], gaps["on_benefit"] = (
        candidates[f"{name}_missing"] for name in ("employment", "benefits")
    )
    return tuple(name for name, missing in gaps.items() if len(missing) and missing.all())


def band(values: pd.Series, bands: dict[str, float]) -> pd.Series:
    """Return the band of each value.

    Parameters
    ----------
    values : Series of float
    bands : dict of str to float
        The name of each band and the greatest value in it, in rising order.

    Returns
    -------
    Series of str

    Examples
    --------
    >>> bands = {"under 21": 20, "21 to 24": 24, "25 and over": np.inf}
    >>> band(pd.Series([17, 21, 40]), bands).tolist()
    ['under 21', '21 to 24', '25 and over']
    """
    return pd.cut(values, [-np.inf, *bands.values()], labels=list(bands)).astype("str")
