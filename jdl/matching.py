"""Propensity score and radius matching: who in the pool stands in for whom in the treatment group.

The estimand is the effect on the treated. The score is a logistic regression fitted by the
estimator that is handed in; every treated person is compared with all candidates whose logit lies
within a caliper, and shares a weight of one among them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning,
    HessianInversionWarning,
    PerfectSeparationWarning,
)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SEPARATION_ERROR = 10.0
"""Standard error of a coefficient, per unit of an indicator or per SD of a number, from which the
data hardly determine it: one group has (nearly) nobody, or everybody, in that part."""

REPEATED = 1e-11
"""Share of a column's sum of squares not determined by earlier columns, below which it repeats
them."""


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
        How far apart two logits may lie, in standard deviations of the logit over all units.
    exact : tuple of str
        Columns that must agree within every match.
    """

    name: str
    formula: str
    caliper: float
    exact: tuple[str, ...] = ()

    @property
    def treated(self) -> str:
        """The column on the left side of the formula."""
        return self.formula.split("~")[0].strip()


class Verdict(Protocol):
    """What an acceptance rule gives back."""

    @property
    def accepted(self) -> bool:
        """Whether the match may be used."""
        ...


class Attempt(NamedTuple):
    """A specification that was tried: its name, the verdict, and what its fit has to say."""

    specification: str
    verdict: Verdict
    notes: tuple[str, ...]


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
        The fitted model, the estimator's own result; None when no score could be fitted.
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
        Candidates in a category where nobody treated falls; out of the pool before fitting.
    caliper_width : float or None
        The caliper on the logit scale.
    notes : tuple of str
        What has to be said of the fit, in plain words.
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

    def __repr__(self) -> str:
        return " ".join([*_sentences(self), *self.notes])


def first_accepted(
    candidates: pd.DataFrame,
    specifications: Iterable[Specification],
    *,
    estimator: Callable[[str, pd.DataFrame], Any],
    accept: Callable[[Matched], Verdict],
    person: str = "offender_id",
) -> Matched:
    """Match by each specification in turn until one is accepted.

    Parameters
    ----------
    candidates : DataFrame
        One row a treated person or candidate disposal. No outcome is looked at.
    specifications : iterable of Specification
        In the order of the plan.
    estimator : callable
        ``estimator(formula, data).fit(disp=False)``, for example ``statsmodels``' ``smf.logit``.
    accept : callable
        Takes the match and gives a verdict with `accepted`, for example by ``balance.gate``.
    person : str
        The column that tells which disposals belong to one person.

    Returns
    -------
    Matched
        The first that is accepted; when none is, the first of the plan with `accepted` false.
        `attempts` holds every try with its verdict either way.

    Raises
    ------
    ValueError
        As `match`, or if there is no specification.
    """
    attempts: list[Attempt] = []
    first: Matched | None = None
    for specification in specifications:
        matched = match(candidates, specification, estimator=estimator, person=person)
        verdict = accept(matched)
        attempts.append(Attempt(specification.name, verdict, matched.notes))
        if verdict.accepted and matched.treatment_n:
            return replace(matched, attempts=tuple(attempts), accepted=True)
        first = first or matched
    if first is None:
        raise ValueError("There is no specification to match by: the plan must hold at least one.")
    return replace(first, attempts=tuple(attempts))


def match(
    candidates: pd.DataFrame,
    specification: Specification,
    *,
    estimator: Callable[[str, pd.DataFrame], Any],
    person: str = "offender_id",
) -> Matched:
    """Match by one specification.

    Candidates in a category where nobody treated falls, and treated people in a category without
    a candidate, leave before the score is fitted: no finite coefficient exists for them. A score
    that does not converge matches nobody, and the notes say so.

    Parameters
    ----------
    candidates : DataFrame
        One row a treated person or candidate disposal.
    specification : Specification
        Formula, caliper and exact columns.
    estimator : callable
        ``estimator(formula, data).fit(disp=False)``.
    person : str
        The column of person identifiers.

    Returns
    -------
    Matched
        With no attempts and not yet accepted.

    Raises
    ------
    ValueError
        If a column the specification names is missing or has missing values, if one person is
        in both groups, or twice in the treatment group.
    """
    columns = _named_columns(candidates, specification)
    _check_candidates(candidates, specification, columns, person)
    treated = candidates[specification.treated].to_numpy(dtype=bool)
    inside, removed = _common_support(candidates, treated, columns, specification)
    notes = _support_notes(removed)
    logit = np.full(len(candidates), np.nan)
    weight = np.zeros(len(candidates))
    width = None
    model = None
    if not treated[inside].any():
        notes.append("No treated person shares every category with a candidate.")
    else:
        model, said = _fit(candidates.loc[inside, columns], specification, estimator)
        notes += said
    if model is not None:
        logit[inside] = model.predict(which="linear")
        width = caliper_width(logit[inside], specification.caliper)
        strata = _strata(candidates.loc[inside], specification.exact)
        weight[inside] = radius(logit[inside], treated[inside], specification.caliper, strata)
    frame = candidates.assign(score=expit(logit), logit=logit, weight=weight)
    return Matched(
        frame=frame,
        specification=specification,
        model=model,
        attempts=(),
        accepted=False,
        outside_support=int((~inside & ~treated).sum()),
        caliper_width=width,
        auc=None if model is None else _auc(treated[inside], logit[inside]),
        notes=tuple(notes),
        **_counts(treated, weight, candidates[person]),
    )


def radius(
    logit: Floats, treated: Flags, caliper_sd: float, exact: NDArray[np.int64] | None = None
) -> Floats:
    """Weigh every unit by radius matching with replacement.

    Treated person i is compared with all n_i candidates of the same stratum with
    ``|logit_i - logit_j| <= caliper_sd * sd(logit)``; each of them receives 1 / n_i from i.
    Sorted, the candidates of i are a run, and so are the treated people of j: two binary searches
    and prefix sums replace the pairs, O(n log n).

    Parameters
    ----------
    logit : array of shape (n,)
        Linear predictor of the propensity score.
    treated : bool array of shape (n,)
        Who was treated.
    caliper_sd : float
        Greatest distance, in standard deviations of the logit over all units.
    exact : int array of shape (n,), optional
        Stratum of each unit; matches stay within a stratum.

    Returns
    -------
    array of shape (n,)
        1 for a treated person with a match and 0 without; for a candidate the sum of the shares.

    Notes
    -----
    Agrees to 1e-9 with R's MatchIt (``replace = TRUE``, as many controls as the caliper holds),
    whose caliper is scaled by the same standard deviation.
    """
    weight = np.zeros(len(logit))
    width = caliper_width(logit, caliper_sd)
    strata = np.zeros(len(logit), dtype=np.int64) if exact is None else exact
    order = np.lexsort((logit, strata))
    starts = np.flatnonzero(np.diff(strata[order])) + 1
    for rows in np.split(order, starts):
        ours, theirs = rows[treated[rows]], rows[~treated[rows]]
        weight[ours], weight[theirs] = _share(logit[ours], logit[theirs], width)
    return weight


def caliper_width(logit: Floats, caliper_sd: float) -> float:
    """Return the caliper on the logit scale: a multiple of its SD over all units (ddof 1)."""
    return caliper_sd * float(np.std(np.sort(logit), ddof=1))


def _share(ours: Floats, theirs: Floats, width: float) -> tuple[Flags, Floats]:
    """Weights within one stratum, both groups sorted.

    Candidates `low[i]` to `high[i]` belong to treated i. Both bounds rise with i, so the treated
    people of candidate j run from the first whose `high` passes j to the last whose `low` does
    not; reading them off the same bounds keeps both sides of every pair in agreement.
    """
    low = np.searchsorted(theirs, ours - width, side="left")
    high = np.searchsorted(theirs, ours + width, side="right")
    found = high > low
    shares = np.zeros(len(ours))
    np.divide(1.0, high - low, out=shares, where=found)
    prefix = np.concatenate(([0.0], np.cumsum(shares)))
    position = np.arange(len(theirs))
    first = np.searchsorted(high, position, side="right")
    last = np.maximum(first, np.searchsorted(low, position, side="right"))
    return found, prefix[last] - prefix[first]


def _named_columns(candidates: pd.DataFrame, specification: Specification) -> list[str]:
    named = _names(specification.formula) | set(specification.exact)
    return [str(column) for column in candidates.columns if column in named]


def _names(code: str) -> set[str]:
    return set(re.findall(r"[^\W\d]\w*", code))


def _check_candidates(
    candidates: pd.DataFrame, specification: Specification, columns: list[str], person: str
) -> None:
    absent = {specification.treated, person, *specification.exact} - set(candidates.columns)
    if absent:
        raise ValueError(f"The candidates lack the columns {', '.join(sorted(absent))}.")
    gaps = [column for column in columns if candidates[column].isna().any()]
    if gaps:
        raise ValueError(
            f"Matching variables must have no missing values: {', '.join(gaps)}. "
            "Give a missing value its own category or indicator."
        )
    treated = candidates[specification.treated].to_numpy(dtype=bool)
    ours = candidates.loc[treated, person]
    pool = candidates.loc[~treated, person]
    both = pool[pool.isin(ours)].nunique()
    twice = int(ours.duplicated().sum())
    if both or twice:
        raise ValueError(
            f"{both} treated people are in the pool too and {twice} treated rows repeat a person: "
            "everyone treated has one row, and no disposal in the pool."
        )


def _is_category(values: pd.Series[Any], formula: str) -> bool:
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return True
    return bool(re.search(rf"\bC\(\s*{values.name}\b", formula)) or values.nunique() <= 2


def _common_support(
    candidates: pd.DataFrame, treated: Flags, columns: list[str], specification: Specification
) -> tuple[Flags, dict[str, tuple[int, int]]]:
    """Tell who shares every category with the other group; and how many each variable removed."""
    codes = {
        column: pd.factorize(candidates[column])[0]
        for column in columns
        if column != specification.treated
        and _is_category(candidates[column], specification.formula)
    }
    inside = np.ones(len(candidates), dtype=bool)
    removed: dict[str, tuple[int, int]] = {}
    before = -1
    while before != (before := int(inside.sum())):
        for column, code in codes.items():
            out = inside & _one_sided(code, treated, inside)
            if out.any():
                pool, ours = removed.get(column, (0, 0))
                removed[column] = (
                    pool + int((out & ~treated).sum()),
                    ours + int((out & treated).sum()),
                )
                inside &= ~out
    return inside, removed


def _one_sided(code: NDArray[np.int64], treated: Flags, inside: Flags) -> Flags:
    size = int(code.max(initial=0)) + 1
    ours = np.bincount(code[inside & treated], minlength=size)
    theirs = np.bincount(code[inside & ~treated], minlength=size)
    one_sided: Flags = ((ours == 0) | (theirs == 0))[code]
    return one_sided


def _support_notes(removed: dict[str, tuple[int, int]]) -> list[str]:
    pool = [f"{column}: {n:,}" for column, (n, _) in removed.items() if n]
    ours = [f"{column}: {n:,}" for column, (_, n) in removed.items() if n]
    notes = []
    if pool:
        notes.append(
            "Disposals outside common support, in a category where nobody in the treatment group "
            f"falls, by variable: {', '.join(pool)}."
        )
    if ours:
        notes.append(
            "People in the treatment group in a category without any candidate, by variable: "
            f"{', '.join(ours)}."
        )
    return notes


def _fit(
    data: pd.DataFrame, specification: Specification, estimator: Callable[[str, pd.DataFrame], Any]
) -> tuple[Any, list[str]]:
    """Fit the score; without convergence give None, and in each case what has to be said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ready = _for_formula(data, specification.treated)
        model, notes = _without_repeats(estimator(specification.formula, ready))
        try:
            fitted = model.fit(disp=False)
            loose = _loose_terms(fitted)
        except np.linalg.LinAlgError:
            fitted = None
    kinds = _numerical(caught)
    if fitted is None or PerfectSeparationWarning in kinds:
        return None, [*notes, "No score: the formula separates the two groups completely."]
    if not _converged(fitted):
        return None, [*notes, f"No score: the fit did not converge{_because(loose)}."]
    if loose:
        notes.append(f"The score is close to separating the groups{_because(loose)}.")
    elif kinds:
        notes.append("The fit of the score met numbers too large to compute with on its way.")
    return fitted, notes


def _without_repeats(model: Any) -> tuple[Any, list[str]]:
    """Take out of a model the columns that earlier ones determine, as R's glm does."""
    repeats = _repeats(np.asarray(model.exog), [str(name) for name in model.exog_names])
    if not repeats:
        return model, []
    design = model.data.orig_exog.drop(columns=repeats)
    smaller = type(model)(model.data.orig_endog, design, **model._get_init_kwds())
    note = "Left out of the score, because nobody varies there or other terms say the same: "
    return smaller, [f"{note}{', '.join(repeats)}."]


def _repeats(design: Floats, names: Sequence[str]) -> list[str]:
    """Name the columns that are sums of earlier columns: a Cholesky factor that skips them."""
    size = np.sqrt(np.einsum("ij,ij->j", design, design))
    scale = np.where(size > 0, size, 1.0)
    gram = design.T @ design / np.outer(scale, scale)
    factor = np.zeros_like(gram)
    repeats = []
    for j, name in enumerate(names):
        left = gram[:, j] - factor @ factor[j]
        if left[j] > REPEATED:
            factor[j:, j] = left[j:] / np.sqrt(left[j])
        else:
            repeats.append(name)
    return repeats


def _numerical(caught: Iterable[warnings.WarningMessage]) -> set[type[Warning]]:
    """Return the kinds of warning that the notes will tell of; issue all others again."""
    told = (ConvergenceWarning, HessianInversionWarning, PerfectSeparationWarning, RuntimeWarning)
    kinds: set[type[Warning]] = set()
    for warning in caught:
        if issubclass(warning.category, told):
            kinds.add(warning.category)
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return kinds


def _because(loose: Sequence[str]) -> str:
    return f", for want of people on one side of: {', '.join(loose)}" if loose else ""


def _for_formula(data: pd.DataFrame, treated: str) -> pd.DataFrame:
    """Give text as categoricals, which the formula engine codes without a Python loop."""
    changes: dict[Any, Any] = {treated: data[treated].astype(float)}
    for column in data.columns.drop(treated):
        if not pd.api.types.is_numeric_dtype(data[column]):
            present = sorted(data[column].unique())
            if isinstance(data[column].dtype, pd.CategoricalDtype):
                present = [level for level in data[column].cat.categories if level in set(present)]
            changes[column] = pd.Categorical(data[column].astype(object), categories=present)
    return data.assign(**changes)


def _converged(model: Any) -> bool:
    returned = getattr(model, "mle_retvals", None) or {}
    return bool(returned.get("converged", getattr(model, "converged", True)))


def _loose_terms(model: Any) -> list[str]:
    """Name the terms whose coefficient the data hardly determine (see `SEPARATION_ERROR`)."""
    errors = np.nan_to_num(np.asarray(model.bse), nan=np.inf)
    columns = zip(model.model.exog_names, np.asarray(model.model.exog).T, errors, strict=True)
    return [
        str(name)
        for name, values, error in columns
        if name != "Intercept"
        and error * (1.0 if np.isin(values, (0, 1)).all() else values.std()) > SEPARATION_ERROR
    ]


def _strata(frame: pd.DataFrame, exact: Sequence[str]) -> NDArray[np.int64] | None:
    if not exact:
        return None
    groups = frame.groupby(list(exact), observed=True).ngroup()
    return np.asarray(groups, dtype=np.int64)


def _auc(treated: Flags, logit: Floats) -> float:
    return float(roc_auc_score(treated, logit))


def _counts(treated: Flags, weight: Floats, person: pd.Series[Any]) -> dict[str, Any]:
    used = ~treated & (weight > 0)
    by_person = pd.Series(weight[used]).groupby(person.to_numpy()[used]).sum().to_numpy()
    matched = int((treated & (weight > 0)).sum())
    return {
        "treatment_n": matched,
        "treatment_lost": int(treated.sum()) - matched,
        "comparison_n": int(used.sum()),
        "comparison_people": len(by_person),
        "effective_n": float(by_person.sum() ** 2 / (by_person**2).sum()) if used.any() else 0.0,
    }


def _sentences(matched: Matched) -> list[str]:
    if not matched.treatment_n:
        lost = _number(matched.treatment_lost, "person", "people")
        return [f"Nobody could be matched: {lost} in the treatment group stay without a match."]
    everyone = matched.treatment_n + matched.treatment_lost
    specification = matched.specification
    exactly = f", exactly on {_listed(specification.exact)}" if specification.exact else ""
    verb = "was" if everyone == 1 else "were"
    sentences = [
        f"{matched.treatment_n:,} of {_number(everyone, 'person', 'people')} in the treatment "
        f"group {verb} matched to {_number(matched.comparison_n, 'disposal', 'disposals')} of "
        f"{_number(matched.comparison_people, 'person', 'people')} by radius matching on the "
        "logit of a propensity score from logistic regression, within "
        f"{specification.caliper:g} standard deviations of the logit{exactly}.",
        "Each person's comparison disposals share a weight of one; together the comparison group "
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


def _number(n: int, one: str, many: str) -> str:
    return f"{n:,} {one if n == 1 else many}"


def _listed(names: Sequence[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
