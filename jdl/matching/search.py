"""The search for a match: one specification after another, until the groups are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from jdl.matching import calipers, entropy, formula, score, support
from jdl.matching.plan import Attempt, Matched, Specification, Verdict

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def first_accepted(
    candidates: pd.DataFrame,
    specifications: Iterable[Specification],
    *,
    estimator: Callable[[str, pd.DataFrame], Any],
    accept: Callable[[Matched], Verdict],
    tolerated: float = 0.0,
    person: str = "offender_id",
) -> Matched:
    """Match by each specification in turn until one is accepted and loses (nearly) nobody.

    The search stops at the first accepted match that loses at most the tolerated share of the
    treatment group. Where there is none, the accepted one that loses the fewest is kept, the
    earlier of equals.

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
    tolerated : float
        Share of the treatment group, from 0 to 1.
    person : str
        The column that tells which disposals belong to one person.

    Returns
    -------
    Matched
        The one that is kept; when none is accepted, the first of the plan with `accepted` false.
        `attempts` holds every try with its verdict either way, `first` the match by the first
        specification where another was kept.

    Raises
    ------
    ValueError
        As `match`, or if there is no specification.
    """
    attempts: list[Attempt] = []
    first = kept = None
    fitted: dict[tuple[str, tuple[str, ...]], _Fitted] = {}
    shared: _Shared = {}
    for specification in specifications:
        same = specification.formula, specification.exact
        if same not in fitted:
            fitted[same] = _fit(candidates, specification, estimator, person, shared)
        matched = _matched(candidates, specification, fitted[same], person)
        verdict = accept(matched)
        lost = matched.treatment_lost
        attempts.append(Attempt(specification.name, verdict, matched.notes, lost))
        matched = replace(matched, accepted=bool(verdict.accepted and matched.treatment_n))
        first = first or matched
        if matched.accepted and (kept is None or lost < kept.treatment_lost):
            kept = matched
        if matched.accepted and lost <= tolerated * (lost + matched.treatment_n):
            break
    if first is None:
        raise ValueError("There is no specification to match by: the plan must hold at least one.")
    if kept is None or kept is first:
        return replace(first, attempts=tuple(attempts))
    return replace(kept, attempts=tuple(attempts), first=first)


def match(
    candidates: pd.DataFrame,
    specification: Specification,
    *,
    estimator: Callable[[str, pd.DataFrame], Any],
    person: str = "offender_id",
) -> Matched:
    """Match by one specification.

    Candidates in a category where nobody treated falls, and treated people in a category without
    a candidate, leave before the score is fitted: no finite coefficient exists for them. Where
    variables only together separate the groups, those whose score would be 0 or 1 leave when the
    fit has failed, and it is tried again. A score that does not converge then matches nobody, and
    the notes say so.

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
        twice in the treatment group, or in both groups: but for candidate disposals that a column
        `earlier` marks as their own of the time before.
    """
    fitted = _fit(candidates, specification, estimator, person, {})
    return _matched(candidates, specification, fitted, person)


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A score of candidates, for every specification of its formula and exact columns."""

    treated: Flags
    inside: Flags
    model: formula.Score | None
    design: formula.Design | None
    strata: NDArray[np.int64] | None
    notes: tuple[str, ...]


_Shared = dict[tuple[str, ...], support.Support | None]
"""By columns, the support of variables together; None where it is that of each alone."""


def _fit(
    candidates: pd.DataFrame,
    specification: Specification,
    estimator: Callable[[str, pd.DataFrame], Any],
    person: str,
    shared: _Shared,
) -> _Fitted:
    """Fit the score of a specification to the candidates within common support.

    Variables that together separate the groups are looked for only where the score cannot be
    fitted, and only by the first specification of the same variables: the later ones, with other
    terms of them, keep its candidates.
    """
    columns = support.named_columns(candidates, specification)
    support.check(candidates, specification, columns, person)
    treated = candidates[specification.treated].to_numpy(dtype=bool)
    data = formula.for_formula(candidates[columns])
    known = shared.get(tuple(columns))
    found = known or support.common(data, treated, columns, specification)
    fitted = _solved(data, treated, found, specification, estimator)
    if fitted.model is None and fitted.design is not None and tuple(columns) not in shared:
        known = support.together(data, treated, columns, specification, found)
        if known is not None:
            fitted = _solved(data, treated, known, specification, estimator)
    shared.setdefault(tuple(columns), known)
    return fitted


def _solved(
    data: pd.DataFrame,
    treated: Flags,
    shared: support.Support,
    specification: Specification,
    estimator: Callable[[str, pd.DataFrame], Any],
) -> _Fitted:
    """Fit the score to those inside."""
    inside, notes = shared.inside, support.told(shared)
    if not treated[inside].any():
        notes.append("No treated person shares every category with a candidate.")
        return _Fitted(treated, inside, None, None, None, tuple(notes))
    within = data if inside.all() else data.loc[inside]
    model, design, said = formula.fit(within, specification, estimator)
    strata = support.strata(within, specification.exact)
    return _Fitted(treated, inside, model, design, strata, (*notes, *said))


def _matched(
    candidates: pd.DataFrame, specification: Specification, fitted: _Fitted, person: str
) -> Matched:
    """Weigh the candidates by a score that fits the specification."""
    treated, inside, model = fitted.treated, fitted.inside, fitted.model
    logit, weight, width = np.full(len(candidates), np.nan), np.zeros(len(candidates)), None
    notes: list[str] = []
    if model is not None and fitted.design is not None:
        logit[inside] = model.logit
        weight[inside], width, notes = _weigh(
            model.logit, fitted.design, treated[inside], specification, fitted.strata
        )
    return Matched(
        frame=candidates.assign(score=expit(logit), logit=logit, weight=weight),
        specification=specification,
        model=model,
        attempts=(),
        accepted=False,
        outside_support=int((~inside & ~treated).sum()),
        caliper_width=width,
        auc=None if model is None else _auc(treated[inside], logit[inside]),
        notes=(*fitted.notes, *notes),
        **_counts(treated, weight, candidates[person]),
    )


def leaving_out(
    matched: Matched, *, person: str = "offender_id"
) -> Callable[[Specification, str], Matched]:
    """Return what matches the same candidates again by a score without one of its variables.

    Parameters
    ----------
    matched : Matched
        With a score. Its candidates within common support are matched, and the matrix of its
        formula is built once for all: whoever is outside support by the variable left out, alone
        or with others, stays outside.
    person : str
        The column of person identifiers.

    Returns
    -------
    callable
        Specification and the name of the variable that its formula lacks -> Matched, not yet
        accepted, text as categoricals. Every term that names the variable is left out.
    """
    frame, kept = matched.frame, matched.specification
    treated = frame[kept.treated].to_numpy(dtype=bool)
    inside = frame["logit"].notna().to_numpy()
    coded = formula.for_formula(frame[support.named_columns(frame, kept)])
    within = coded.loc[inside]
    whole = formula.design(matched.terms, within)
    at = matched.model.params.reindex(whole.names).fillna(0.0).to_numpy()
    fit = score.leaving_out(whole.values, treated[inside], at)
    strata = support.strata(within, kept.exact)
    numbered = replace(matched, frame=frame.assign(**{str(name): coded[name] for name in coded}))

    def match_without(specification: Specification, name: str) -> Matched:
        out = whole.naming(name)
        fitted = fit(out)
        logit, weight, width = np.full(len(treated), np.nan), np.zeros(len(treated)), None
        if fitted.converged:
            logit[inside] = fitted.logit
            weight[inside], width, _ = _weigh(
                fitted.logit, whole.without(out), treated[inside], specification, strata
            )
        auc = _auc(treated[inside], fitted.logit) if fitted.converged else None
        return _again(numbered, specification, logit, weight, width, auc, person)

    return match_without


def reweighed(
    matched: Matched, specification: Specification, *, person: str = "offender_id"
) -> Matched:
    """Match the same candidates again by the score that they have, within another caliper.

    Parameters
    ----------
    matched : Matched
        With a score.
    specification : Specification
        Of the same formula; radius matching.
    person : str
        The column of person identifiers.

    Returns
    -------
    Matched
        As `match` would give it, but for the model's notes; not yet accepted.
    """
    frame = matched.frame
    treated = frame[specification.treated].to_numpy(dtype=bool)
    logit, weight = frame["logit"].to_numpy(dtype=float), np.zeros(len(frame))
    inside = ~np.isnan(logit)
    strata = support.strata(frame.loc[inside], specification.exact)
    weight[inside], width = _radius(logit[inside], treated[inside], specification, strata)
    return _again(matched, specification, logit, weight, width, matched.auc, person)


def _again(
    matched: Matched,
    specification: Specification,
    logit: Floats,
    weight: Floats,
    width: float | None,
    auc: float | None,
    person: str,
) -> Matched:
    """Return the same candidates with other weights."""
    treated = matched.frame[specification.treated].to_numpy(dtype=bool)
    return replace(
        matched,
        frame=matched.frame.assign(score=expit(logit), logit=logit, weight=weight),
        specification=specification,
        attempts=(),
        accepted=False,
        caliper_width=width,
        auc=auc,
        notes=(),
        first=None,
        **_counts(treated, weight, matched.frame[person]),
    )


def _weigh(
    logit: Floats,
    design: formula.Design,
    treated: Flags,
    specification: Specification,
    strata: NDArray[np.int64] | None,
) -> tuple[Floats, float | None, list[str]]:
    """Return the weights by the method of the specification, its caliper and what is to be said."""
    if specification.method == "radius":
        return *_radius(logit, treated, specification, strata), []
    weight, said = _entropy(design.values, treated, strata)
    return weight, None, said


def _radius(
    logit: Floats, treated: Flags, specification: Specification, strata: NDArray[np.int64] | None
) -> tuple[Floats, float | None]:
    if specification.scale == "score":
        width = specification.caliper
        return calipers.within(expit(logit), treated, width, strata), width
    width = calipers.caliper_width(logit, specification.caliper)
    return calipers.within(logit, treated, width, strata), width


def _entropy(
    design: Floats, treated: Flags, strata: NDArray[np.int64] | None
) -> tuple[Floats, list[str]]:
    """Balance the terms and the shares of the strata, of those strata that both groups have."""
    weight = np.zeros(len(treated))
    rows = np.ones(len(treated), dtype=bool)
    if strata is not None:
        rows = ~support.one_sided(strata, treated, rows)
        shares = (strata[rows, None] == np.unique(strata[rows])).astype(np.float64)
        design = np.column_stack((design[rows], shares))
    if not rows.any():
        return weight, ["No treated person shares every exact category with a candidate."]
    out = score.repeats(score.products(design))
    found = entropy.weigh(design[:, ~out] if out.any() else design, treated[rows])
    if found is None:
        return weight, ["Nobody was matched: no weights make the means of both groups equal."]
    weight[rows] = found
    return weight, []


def _auc(treated: Flags, logit: Floats) -> float:
    """The share of pairs of a treated person and a candidate that the score puts in order."""
    theirs = np.sort(logit[~treated])
    below = [np.searchsorted(theirs, logit[treated], side).sum() for side in ("left", "right")]
    return float(sum(below) / (2 * treated.sum() * len(theirs)))


def _counts(treated: Flags, weight: Floats, person: pd.Series[Any]) -> dict[str, Any]:
    used = ~treated & (weight > 0)
    by_person = np.bincount(pd.factorize(person[used])[0], weight[used])
    matched = int((treated & (weight > 0)).sum())
    return {
        "treatment_n": matched,
        "treatment_lost": int(treated.sum()) - matched,
        "comparison_n": int(used.sum()),
        "comparison_people": len(by_person),
        "effective_n": float(by_person.sum() ** 2 / (by_person**2).sum()) if used.any() else 0.0,
    }
