"""Matching variables: what is known of a person at the start of the index sentence.

Everything here is dated before the index conviction, or is a fact of the sentence itself, so that
nothing a programme changed, and nothing after the index date, can reach the propensity score.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pandas as pd

from jdl.national import NEEDS, Vintage
from jdl.sentence import NO_ASSESSMENT, NO_MATCH, eligible

LOOK_BACK_DAYS = 365
OASYS_AFTER_DAYS = 0

AGE_BANDS = {
    "under 18": 17, "18 to 20": 20, "21 to 24": 24, "25 to 29": 29, "30 to 34": 34,
    "35 to 39": 39, "40 to 49": 49, "50 and over": np.inf,
}  # fmt: skip
SENTENCE_BANDS = {
    "under 6 months": 181, "6 months to under 1 year": 364, "1 year to under 2 years": 729,
    "2 years to under 4 years": 1459, "4 years and over": np.inf,
}  # fmt: skip
BALANCED = (
    "sex", "age", "ethnicity", "nationality", "region", "disposal", "offence_group", "index_year",
    "sentence_band", "sentence_days", "days_served", "previous_convictions",
    "convictions_last_year", "previous_cautions", "previous_custodial_sentences",
    "previous_offences", "log_previous_offences", "copas_rate", "career_years", "age_at_first",
    "first_conviction", "employed", "employed_days", "on_benefit", "benefit_days",
)  # fmt: skip
PROFILE = ("sex", "age_band", "ethnicity", "nationality", "region", "disposal", "offence_group")

LABELS = {
    "sex": "Sex",
    "age": "Age at index date (years)",
    "age_band": "Age band",
    "sentence_band": "Length of sentence",
    "log_previous_offences": "Previous proven offences (logarithm)",
    "ethnicity": "Ethnicity",
    "nationality": "Nationality",
    "region": "Region",
    "disposal": "Index disposal",
    "offence_group": "Index offence",
    "index_year": "Year of index date",
    "sentence_days": "Length of sentence (days)",
    "days_served": "Days served",
    "previous_convictions": "Previous convictions",
    "convictions_last_year": "Convictions in the year before",
    "previous_cautions": "Previous cautions",
    "previous_custodial_sentences": "Previous custodial sentences",
    "previous_offences": "Previous proven offences",
    "career_years": "Years since first conviction",
    "age_at_first": "Age at first conviction or caution",
    "copas_rate": "Copas rate",
    "first_conviction": "No previous conviction or caution",
    "employed": "Employed at conviction",
    "employed_days": "Days employed in the year before",
    "on_benefit": "On an out-of-work benefit at conviction",
    "benefit_days": "Days on benefit in the year before",
    "ogrs": "OASys reconviction score",
    **{need: f"OASys need: {need.replace('_', ' and ')}" for need in NEEDS},
}


def _history() -> str:
    return """
        SELECT offender_id, conviction_date,
            coalesce(sum(convicted) OVER prior, 0) AS convictions,
            coalesce(sum(convicted) OVER last_year, 0) AS convictions_last_year,
            coalesce(sum(cautioned) OVER prior, 0) AS cautions,
            coalesce(sum(custody) OVER prior, 0) AS custodial_sentences,
            coalesce(sum(offences) OVER prior, 0) AS offences,
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
            last_year AS (PARTITION BY offender_id ORDER BY conviction_date
                RANGE BETWEEN INTERVAL 365 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING)"""


def _spells(table: str, at: str, days: str) -> str:
    """Overlap of a person's spells with the year that ends the day before conviction."""
    start = f"greatest(s.start_date, d.conviction_date - {LOOK_BACK_DAYS})"
    end = "least(coalesce(s.end_date, d.conviction_date), d.conviction_date)"
    return f"""
        SELECT d.disposal_id,
            max((coalesce(s.end_date, d.conviction_date) >= d.conviction_date)::INTEGER) AS {at},
            least(sum({end} - {start}), {LOOK_BACK_DAYS})::INTEGER AS {days}
        FROM eligible d JOIN {table} s
          ON s.offender_id = d.offender_id AND s.start_date < d.conviction_date
         AND coalesce(s.end_date, d.conviction_date) > d.conviction_date - {LOOK_BACK_DAYS}
        GROUP BY d.disposal_id"""


def _needs() -> str:
    return f"""
        SELECT disposal_id, ogrs, {", ".join(NEEDS)} FROM (
            SELECT d.disposal_id, o.*, row_number() OVER (
                PARTITION BY d.disposal_id ORDER BY o.assessment_date DESC, {", ".join(NEEDS)}
            ) AS latest
            FROM eligible d JOIN oasys o ON o.offender_id = d.offender_id
             AND o.assessment_date BETWEEN d.conviction_date - {LOOK_BACK_DAYS}
                                       AND d.conviction_date + {OASYS_AFTER_DAYS}
        ) WHERE latest = 1"""


def definition(vintage: Vintage) -> str:
    """Return the SQL that defines every matching variable of every eligible disposal.

    Parameters
    ----------
    vintage : Vintage
        Its dates bound the index date.

    Returns
    -------
    str
        One row a disposal, integers, dates and text only; what needs logarithms or bands is derived
        from these by `derive`.

    Notes
    -----
    Criminal history, employment and benefits are those before the index conviction; an OASys
    assessment counts when made in the year up to it.
    """
    return f"""
        WITH eligible AS ({eligible(vintage)}),
            history AS ({_history()}),
            work AS ({_spells("employment", "employed", "employed_days")}),
            support AS ({_spells("benefits", "on_benefit", "benefit_days")}),
            needs AS ({_needs()})
        SELECT d.disposal_id, d.offender_id, d.disposal, d.conviction_date, d.index_date,
            d.custody_start, d.order_end, o.sex,
            date_sub('year', o.date_of_birth, d.index_date)::INTEGER AS age,
            o.ethnicity, o.nationality, d.region, d.prison, d.offence_group, d.sentence_days,
            (d.index_date - d.custody_start)::INTEGER AS days_served,
            h.convictions::INTEGER AS previous_convictions,
            h.convictions_last_year::INTEGER AS convictions_last_year,
            h.cautions::INTEGER AS previous_cautions,
            h.custodial_sentences::INTEGER AS previous_custodial_sentences,
            h.offences::INTEGER AS previous_offences,
            (d.conviction_date - coalesce(h.first_proven, d.conviction_date))::INTEGER
                AS career_days,
            date_sub('year', o.date_of_birth,
                coalesce(h.first_proven, d.conviction_date))::INTEGER AS age_at_first,
            coalesce(w.employed, 0) AS employed, coalesce(w.employed_days, 0) AS employed_days,
            coalesce(b.on_benefit, 0) AS on_benefit, coalesce(b.benefit_days, 0) AS benefit_days,
            n.* EXCLUDE (disposal_id)
        FROM eligible d
        JOIN offenders o USING (offender_id)
        JOIN history h ON h.offender_id = d.offender_id AND h.conviction_date = d.conviction_date
        LEFT JOIN work w USING (disposal_id)
        LEFT JOIN support b USING (disposal_id)
        LEFT JOIN needs n USING (disposal_id)
        ORDER BY d.disposal, o.sex, d.index_date, d.disposal_id"""


def compared(oasys: bool) -> list[str]:
    """Return the variables whose balance is judged, in the order of the report."""
    return [*BALANCED, *(("ogrs", *NEEDS) if oasys else ())]


def losses(treated: pd.DataFrame, frame: pd.DataFrame) -> dict[str, int]:
    """Count the treated people lost between the located sentence and the matched sample.

    Parameters
    ----------
    treated : DataFrame
        Located people with an index disposal, one row each.
    frame : DataFrame
        The matched candidates, with treated and weight.

    Returns
    -------
    dict of str to int
        By reason.
    """
    ours = frame.loc[frame["treated"] == 1]
    matched = int((ours["weight"] > 0).sum())
    return {NO_ASSESSMENT: len(treated) - len(ours), NO_MATCH: len(ours) - matched}


def candidates(
    con: duckdb.DuckDBPyConnection,
    located: pd.DataFrame,
    excluded: pd.Series,
    *,
    window_days: int,
    oasys: bool,
    region: str | None = None,
) -> pd.DataFrame:
    """Fetch the treated disposals and every eligible disposal that could be compared with them.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Holds the prepared view ``index_disposals``.
    located : DataFrame
        The treatment group: column disposal_id.
    excluded : Series of str
        Offenders who leave the comparison pool: everybody uploaded, linked or under review.
    window_days : int
        How far, in days, an index date may lie outside the treatment group's own range.
    oasys : bool
        Whether only disposals with an OASys assessment count, for both groups.
    region : str, optional
        The one region to which the comparison is kept.

    Returns
    -------
    DataFrame
        One row a disposal, with ``treated`` (0 or 1) and the variables of `derive`, ordered by
        disposal_id. Comparison disposals have a sex and a disposal type that a treated one has.
    """
    con.register("treated_disposals", located[["disposal_id"]])
    con.register("excluded_people", excluded.drop_duplicates().to_frame("offender_id"))
    assessed = "ogrs IS NOT NULL" if oasys else "true"
    here = "true" if region is None else f"d.region = '{region}'"
    fetched = con.execute(f"""
        WITH treated AS (
            SELECT * FROM index_disposals
            WHERE disposal_id IN (SELECT disposal_id FROM treated_disposals)
        ), kinds AS (SELECT DISTINCT disposal, sex FROM treated),
        span AS (
            SELECT min(index_date) - {window_days} AS first_day,
                   max(index_date) + {window_days} AS last_day
            FROM treated
        )
        SELECT 1 AS treated, * FROM treated WHERE {assessed}
        UNION ALL
        SELECT 0 AS treated, d.*
        FROM index_disposals d
        JOIN kinds k ON d.disposal = k.disposal AND d.sex = k.sex
        JOIN span s ON d.index_date BETWEEN s.first_day AND s.last_day
        WHERE {assessed} AND {here} AND NOT EXISTS (
            SELECT 1 FROM excluded_people x WHERE x.offender_id = d.offender_id
        )
        ORDER BY disposal_id""").df()
    con.unregister("treated_disposals")
    con.unregister("excluded_people")
    return derive(fetched)


def derive(fetched: pd.DataFrame) -> pd.DataFrame:
    """Add what is computed from the fetched integers, and make missing values visible.

    Parameters
    ----------
    fetched : DataFrame
        Rows of `definition`.

    Returns
    -------
    DataFrame
        With age_band, sentence_band, index_year, career_years, log_previous_offences, copas_rate
        and first_conviction; missing text is
        the category ``not recorded``; a missing age, sentence length or time served takes the
        median and has its own indicator ``<name>_missing``; a need left unscored in an assessment
        takes the median and ``needs_incomplete`` says so; without an assessment it stays missing.

    Notes
    -----
    Copas rate: log((c + 1) / (t + 10)), c convictions in t years since the first (Copas and
    Marshall 1998, as used in the offender group reconviction scale).
    """
    text = {
        name: fetched[name].fillna("not recorded").astype("str")
        for name in ("sex", "ethnicity", "nationality", "region", "offence_group", "disposal")
    }
    numbers: dict[str, Any] = {}
    for name in ("age", "age_at_first", "sentence_days", "days_served"):
        values = fetched[name].astype("float64")
        middle = values.median()
        numbers[name] = values.fillna(0.0 if np.isnan(middle) else middle)
        numbers[f"{name}_missing"] = values.isna()
    career_years = fetched["career_days"] / 365.25
    convictions = fetched["previous_convictions"]
    derived = {
        "age_band": band(numbers["age"], AGE_BANDS),
        "sentence_band": band(numbers["sentence_days"], SENTENCE_BANDS),
        "index_year": fetched["index_date"].dt.year.astype("str"),
        "career_years": career_years,
        "log_previous_offences": np.log1p(fetched["previous_offences"].astype("float64")),
        "copas_rate": np.log((convictions + 1) / (career_years + 10)),
        "first_conviction": fetched["career_days"] == 0,
        "employed": fetched["employed"] == 1,
        "on_benefit": fetched["on_benefit"] == 1,
    }
    scores = fetched[list(NEEDS)].astype("float64")
    assessed = fetched["ogrs"].notna()
    needs = {need: scores[need].fillna(scores[need].median()).where(assessed) for need in NEEDS}
    derived["needs_incomplete"] = scores.isna().any(axis=1) & assessed
    return fetched.assign(**text, **numbers, **derived, **needs)


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
    """
    return pd.cut(values, [-np.inf, *bands.values()], labels=list(bands)).astype("str")
