"""The adjusted check beside every headline result: doubly robust g-computation after matching.

A model of the outcome is fitted in the matched comparison group on the score's own terms and
predicts what the matched treatment group would have done. It removes what the matching left of
the measured differences; it cannot remove unmeasured ones, and the headline stays the headline.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Adjusted:
    """The adjusted difference on one measure.

    Parameters
    ----------
    analysis, measure : str
        Those of the effect that it stands beside.
    model : {'logistic', 'quasi-Poisson', 'linear'}
        Of the outcome in the comparison group.
    difference : float or None
        Mean outcome of the matched treatment group minus the mean that the model predicts for it.
    ci_low, ci_high, p_value, df : float or None
        By t with `df` degrees of freedom.
    ratio, ratio_low, ratio_high : float or None
        Of the two means, its interval on the logarithm; None where a mean is not above zero.
    errors : {'HC2 by person', 'CR2 by place'} or None
        How the standard error was made; None without a result.
    places : int or None
        Prisons or areas that the treatment group comes from; None where they are not known.
    conclusion : {'reduction', 'increase', 'inconclusive', 'suppressed'}
        As of an effect, under the same minima.
    reason : str or None
        Why there is no conclusion, where that is not the width of the interval.
    notes : tuple of str
        What has to be said of the model, in plain words.
    """

    analysis: str
    measure: str
    model: str
    difference: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
    df: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    errors: str | None = None
    places: int | None = None
    conclusion: str = "suppressed"
    reason: str | None = None
    notes: tuple[str, ...] = ()
