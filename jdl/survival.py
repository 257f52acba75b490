"""Time without reoffence, for everyone: weighted curves and the mean to one year.

The average time to the first reoffence among those who reoffend depends on who reoffends at all,
and can rise or fall against the effect; the time without reoffence over everyone cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

DAYS = (*range(0, 361, 30), 365)
"""Days after the index date at which the curves are read."""


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
        Why there is nothing to show.
    notes : tuple of str
        What has to be said, such as how deaths are counted.
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
