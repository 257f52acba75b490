"""Time without reoffence, for everyone: weighted curves and the mean to one year.

The average time to the first reoffence among those who reoffend depends on who reoffends at all,
and can rise or fall against the effect; the time without reoffence over everyone cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jdl.effects import EVERYONE, compare

DAYS = (*range(0, 361, 30), 365)
"""Days after the index date at which the curves are read."""

DEATHS_KNOWN = (
    "Whoever died within the year without a proven reoffence counts as not having reoffended to "
    "its end."
)
DEATHS_UNKNOWN = (
    "The data do not say who died within the year; whoever did counts as not having reoffended."
)
LIBERTY_UNKNOWN = (
    "The data do not say who was in prison within the year, so the days at liberty cannot be told."
)


@dataclass(frozen=True)
class Survival:
    """The share not yet reoffended over the year, and the mean time without reoffence.

    Parameters
    ----------
    analysis : str
        Which analysis.
    days : tuple of int
        `DAYS`.
    treatment, comparison : tuple of float or None
        Share of each group, weighted, that has not reoffended by the end of each day.
    mean_treatment, mean_comparison : float or None
        Mean days without reoffence within the first 365 (the restricted mean).
    difference, ci_low, ci_high, p_value : float or None
        Of the means, treatment minus comparison, by the headline's test.
    reason : str or None
        Why there is no conclusion, or nothing to show.
    notes : tuple of str
        What has to be said, such as how deaths are counted.
    liberty_treatment, liberty_comparison : float or None
        Mean days of the year at liberty and alive; None where the data do not tell.
    """

    analysis: str
    days: tuple[int, ...]
    treatment: tuple[float | None, ...]
    comparison: tuple[float | None, ...]
    mean_treatment: float | None = None
    mean_comparison: float | None = None
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    liberty_treatment: float | None = None
    liberty_comparison: float | None = None


def curves(
    frame: pd.DataFrame,
    *,
    analysis: str = "headline",
    significance: float = 0.05,
    minimum_events: int = 10,
    person: str = "offender_id",
    treated: str = "treated",
    weight: str = "weight",
) -> Survival:
    """Follow both matched groups to their first reoffence.

    Parameters
    ----------
    frame : DataFrame
        Matched units with ``reoffended``, ``days_to_first`` and, where known, ``died``; rows
        without a weight are left out.
    analysis : str
        Name of the analysis.
    significance, minimum_events
        As in ``effects.compare``.
    person, treated, weight : str
        Columns.

    Returns
    -------
    Survival

    Notes
    -----
    Everyone is followed for the whole year and death is a competing event after which nobody
    reoffends, so nobody is censored: the weighted share with no reoffence by day t is the
    Aalen-Johansen estimate of one minus the cumulative incidence, which without deaths is Kaplan
    and Meier's. Its integral to 365 is the weighted mean of min(T, 365), T infinite for who does
    not reoffend.

    Examples
    --------
    One of four treated people reoffended, on day 100; three of four others did, on days 50, 100 and
    200. Mean days: (100 + 3 x 365) / 4 and (50 + 100 + 200 + 365) / 4.

    >>> people = pd.DataFrame({"treated": [True] * 4 + [False] * 4, "weight": 1.0})
    >>> people = people.assign(offender_id=range(8), reoffended=[1, 0, 0, 0, 1, 1, 1, 0])
    >>> people = people.assign(days_to_first=[100, None, None, None, 50, 100, 200, None])
    >>> found = curves(people, minimum_events=1)
    >>> found.treatment[-1], found.comparison[-1]
    (0.75, 0.25)
    >>> found.mean_treatment, found.mean_comparison, found.difference
    (298.75, 178.75, 120.0)
    """
    used = frame.loc[frame[weight] > 0]
    measure = EVERYONE["days_to_first"]
    effect = compare(
        used,
        measure.name,
        analysis=analysis,
        significance=significance,
        minimum_events=minimum_events,
        person=person,
        treated=treated,
        weight=weight,
    )
    free = "days_at_liberty" in used.columns and used["days_at_liberty"].notna().all()
    notes = (
        DEATHS_KNOWN if "died" in used.columns else DEATHS_UNKNOWN,
        *([] if free else [LIBERTY_UNKNOWN]),
    )
    if effect.conclusion == "suppressed":
        nothing = (None,) * len(DAYS)
        return Survival(analysis, DAYS, nothing, nothing, reason=effect.reason, notes=notes)
    first = np.where(used["reoffended"].astype(bool), used["days_to_first"], np.inf).astype(float)
    ours, weights = used[treated].to_numpy(dtype=bool), used[weight].to_numpy(dtype=float)
    return Survival(
        analysis,
        DAYS,
        _shares(first[ours], weights[ours]),
        _shares(first[~ours], weights[~ours]),
        mean_treatment=effect.treatment.mean,
        mean_comparison=effect.comparison.mean,
        difference=effect.difference,
        ci_low=effect.ci_low,
        ci_high=effect.ci_high,
        p_value=effect.p_value,
        reason=effect.reason,
        notes=notes,
        liberty_treatment=_mean_days(used, ours, weights) if free else None,
        liberty_comparison=_mean_days(used, ~ours, weights) if free else None,
    )


def _mean_days(used: pd.DataFrame, group: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    days = used["days_at_liberty"].to_numpy(dtype=np.float64)
    return float(np.average(days[group], weights=weights[group]))


def _shares(first: NDArray[np.float64], weight: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(float(np.average(first > day, weights=weight)) for day in DAYS)
