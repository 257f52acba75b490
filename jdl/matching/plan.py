"""What a match is fixed by and what it gives: specifications, verdicts, attempts, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import pandas as pd

METHODS = ("radius", "entropy balancing")
SCALES = ("logit", "score")


@dataclass(frozen=True)
class Specification:
    """One way to match, fixed before outcomes are seen.

    Parameters
    ----------
    name : str
        Its name in the plan.
    formula : str
        The score's formula; the left side names the column that is true for treated people.
    caliper : float
        How far apart two logits may lie, in standard deviations of the logit over all units. On
        the scale of the score itself: how far apart two scores may lie. Entropy balancing has no
        use for it.
    exact : tuple of str
        Columns that must agree within every match. Entropy balancing gives each of their
        combinations the same weight in both groups.
    method : str
        'radius' or 'entropy balancing'.
    scale : str
        What the caliper is measured on: 'logit' or 'score'.

    Raises
    ------
    ValueError
        If the method or the scale is another.
    """

    name: str
    formula: str
    caliper: float
    exact: tuple[str, ...] = ()
    method: str = "radius"
    scale: str = "logit"

    def __post_init__(self) -> None:
        for value, known in ((self.method, METHODS), (self.scale, SCALES)):
            if value not in known:
                raise ValueError(f"{value!r} is none of {', '.join(known)}.")

    @property
    def treated(self) -> str:
        """The column on the left side of the formula."""
        return self.formula.split("~")[0].strip()

    @property
    def terms(self) -> str:
        """The right side of the formula."""
        return self.formula.split("~", 1)[1].strip()


class Verdict(Protocol):
    """What an acceptance rule gives back."""

    @property
    def accepted(self) -> bool:
        """Whether the match may be used."""
        ...


class Attempt(NamedTuple):
    """A specification that was tried.

    Its name, the verdict, what its fit has to say, and how many treated people had no match.
    """

    specification: str
    verdict: Verdict
    notes: tuple[str, ...]
    treatment_lost: int = 0


@dataclass(frozen=True, repr=False, eq=False)
class Matched:
    """A treatment group and its weighted comparison group.

    Parameters
    ----------
    frame : DataFrame
        Every candidate row in the order given, with `score` and `logit` (missing outside common
        support) and `weight`: 1 or 0 for a treated person, the sum of their shares for a
        comparison disposal. The comparison weights sum to `treatment_n`.
    specification : Specification
        How it was matched.
    model : object
        The fitted score; None when none could be fitted.
    attempts : tuple of Attempt
        All specifications tried, in order, this one included.
    accepted : bool
        Whether the acceptance rule passed it.
    treatment_n, treatment_lost : int
        Treated people with and without a match.
    comparison_n, comparison_people : int
        Comparison disposals with a weight, and the people they belong to.
    effective_n : float
        Kish's effective size of the comparison group, weights summed per person first.
    auc : float or None
        Area under the curve of the score over all units within common support.
    outside_support : int
        Candidates outside common support: in a category, or with values of several variables
        together, where nobody treated falls. The fit is without them.
    caliper_width : float or None
        The caliper on the scale of the specification; None without a score or a caliper.
    notes : tuple of str
        What has to be said of the fit, in plain words.
    first : Matched or None
        The match by the first specification of the plan, when a later one was kept.
    """

    frame: pd.DataFrame
    specification: Specification
    model: Any
    attempts: tuple[Attempt, ...]
    accepted: bool
    treatment_n: int
    treatment_lost: int
    comparison_n: int
    comparison_people: int
    effective_n: float
    auc: float | None
    outside_support: int
    caliper_width: float | None
    notes: tuple[str, ...]
    first: Matched | None = None

    @property
    def terms(self) -> str:
        """The right side of the score's formula."""
        return self.specification.terms

    def __repr__(self) -> str:
        return " ".join([*_sentences(self), *self.notes])


def _sentences(matched: Matched) -> list[str]:
    if not matched.treatment_n:
        lost = _number(matched.treatment_lost, "person", "people")
        return [f"Nobody could be matched: {lost} in the treatment group stay without a match."]
    everyone = matched.treatment_n + matched.treatment_lost
    specification = matched.specification
    verb = "was" if everyone == 1 else "were"
    sentences = [
        f"{matched.treatment_n:,} of {_number(everyone, 'person', 'people')} in the treatment "
        f"group {verb} matched to {_number(matched.comparison_n, 'disposal', 'disposals')} of "
        f"{_number(matched.comparison_people, 'person', 'people')} by {_method(specification)}.",
        f"{_WEIGHTS[specification.method]}; together the comparison group "
        f"carries the information of {_number(round(matched.effective_n), 'person', 'people')}.",
    ]
    if matched.treatment_lost == 0:
        sentences.append("Nobody in the treatment group was lost in matching.")
    else:
        verb = "has" if matched.treatment_lost == 1 else "have"
        sentences.append(
            f"{_number(matched.treatment_lost, 'person', 'people')} in the treatment group {verb} "
            "no match and no part in the analysis."
        )
    return sentences


_WEIGHTS = {
    "radius": "Each person's comparison disposals share a weight of one",
    "entropy balancing": "The weights of the comparison disposals differ as little as they can",
}


def _method(specification: Specification) -> str:
    listed = _listed(specification.exact) if specification.exact else ""
    if specification.method == "entropy balancing":
        shares = f" and the shares of {listed}" if listed else ""
        return f"entropy balancing, which makes the means of the formula's terms{shares} equal"
    width = (
        f"{specification.caliper:g} standard deviations of the logit"
        if specification.scale == "logit"
        else f"{specification.caliper:g} of the score"
    )
    return (
        f"radius matching on the {specification.scale} of a propensity score from logistic "
        f"regression, within {width}" + (f", exactly on {listed}" if listed else "")
    ).replace("the score of a propensity score", "a propensity score")


def _number(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
