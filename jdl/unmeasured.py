"""Unmeasured differences: how strong one would have to be to change a conclusion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EValue:
    """The least strength of an unmeasured need that would explain a significant result away.

    Parameters
    ----------
    analysis, measure : str
        Those of the effect.
    estimate : float
        Risk ratio that the need must have with both taking part and the outcome, beyond all that
        is measured, to explain the seen difference whole.
    limit : float
        The same for the interval's limit nearest no difference: enough to lose significance.
    strongest_variable : str or None
        The measured variable that, left out, could bias most; None where none can be judged.
    strongest_ratio : float or None
        Its strength on the same scale.
    strongest_treatment, strongest_outcome : float or None
        Its own risk ratios with taking part and with the outcome.
    """

    analysis: str
    measure: str
    estimate: float
    limit: float
    strongest_variable: str | None = None
    strongest_ratio: float | None = None
    strongest_treatment: float | None = None
    strongest_outcome: float | None = None


@dataclass(frozen=True)
class Bounds:
    """Rosenbaum's bounds of the 1:1 match on the reoffending rate.

    Parameters
    ----------
    gamma : tuple of float
        How many times likelier one of a pair may have been to take part than the other.
    p : tuple of float
        Greatest one-sided p that the null of no effect can have at each `gamma`, against the
        alternative in the direction seen.
    pairs, discordant : int
        Pairs of the 1:1 match, and those of which exactly one reoffended.
    """

    gamma: tuple[float, ...]
    p: tuple[float, ...]
    pairs: int
    discordant: int
