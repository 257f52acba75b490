"""The propensity score of a formula: the estimator handed in, solved on all rows, and its notes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import patsy
from numpy.typing import NDArray
from patsy.categorical import _CategoricalBox, categorical_to_int
from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning,
    HessianInversionWarning,
    PerfectSeparationWarning,
)

from jdl.matching import score
from jdl.matching.plan import Specification

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Estimator = Callable[[str, pd.DataFrame], Any]
Model = Callable[..., Any]

SHOWN = 100
"""Rows that the estimator is shown to make a model of."""

SEPARATION_ERROR = 10.0
"""Standard error of a coefficient, per unit of an indicator or per SD of a number, from which the
data hardly determine it: one group has (nearly) nobody, or everybody, in that part."""

TOO_LARGE = "The fit of the score met numbers too large to compute with on its way."


@dataclass(frozen=True, repr=False, eq=False)
class Score:
    """A fitted propensity score.

    Parameters
    ----------
    params, bse : Series
        Coefficients and standard errors, by term.
    logit : array of shape (n,)
        The linear predictor of every row fitted to.
    llf : float
        The log-likelihood.
    start : object
        The estimator's own result, from which the fit to all rows set out.
    start_rows : int
        Rows that result was fitted to: all, or those of the case-control sample.
    passes : int
        Passes over all rows that followed.
    """

    params: pd.Series[float]
    bse: pd.Series[float]
    logit: Floats
    llf: float
    start: Any
    start_rows: int
    passes: int

    def __repr__(self) -> str:
        return (
            f"Logistic regression of {len(self.params)} terms: {type(self.start.model).__name__} "
            f"fitted to {self.start_rows:,} rows, then solved on all {len(self.logit):,} in "
            f"{self.passes} passes."
        )


@dataclass(frozen=True)
class Design:
    """The matrix of a formula's right side: names of its columns, a row a unit, and their terms."""

    names: tuple[str, ...]
    values: Floats
    terms: tuple[str, ...] = ()

    def without(self, out: Flags) -> Design:
        """Leave out columns."""
        if not out.any():
            return self
        kept = np.flatnonzero(~out)
        names, terms = (
            tuple(words[place] for place in kept) if words else ()
            for words in (self.names, self.terms)
        )
        return Design(names, self.values[:, kept], terms)

    def naming(self, variable: str) -> Flags:
        """Tell the columns of terms that name a variable, alone or with others."""
        return np.array([variable in words(term) for term in self.terms], dtype=bool)


def words(code: str) -> set[str]:
    """Return the names that occur in the code of a formula.

    Parameters
    ----------
    code : str
        A formula, or a part of one.

    Returns
    -------
    set of str
        Of columns and of functions.

    Examples
    --------
    >>> sorted(words("treated ~ C(region) + I(age ** 2)"))
    ['C', 'I', 'age', 'region', 'treated']
    """
    return set(re.findall(r"[^\W\d]\w*", code))


def design(terms: str, data: pd.DataFrame) -> Design:
    """Build the matrix of a formula's right side; text becomes indicators of its levels.

    Parameters
    ----------
    terms : str
        The right side of a formula.
    data : DataFrame
        One row a unit, with every column that is named.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        If a term is not a finite number for everyone.
    """
    ready = for_formula(data)
    info = patsy.incr_dbuilder(terms, lambda: iter([_telling(terms, ready)]))
    values = np.empty((len(ready), len(info.column_names)), order="F")
    named = [""] * len(info.column_names)
    for term in info.terms:
        place = info.slice(term)
        named[place] = [str(term.name())] * (place.stop - place.start)
        values[:, place] = columns = _columns(info, term, ready)
        if not np.isfinite(columns.sum()):
            raise ValueError(f"The term {term.name()} is not a finite number for everyone.")
    return Design(tuple(str(name) for name in info.column_names), values, tuple(named))


def _telling(terms: str, ready: pd.DataFrame) -> pd.DataFrame:
    """Return as many rows as the formula engine needs to know the columns of the terms.

    A few, unless a term must be learnt from all: the levels of a categorical and of a yes-no are
    known without looking, those of a number are not, nor is what a function makes of it.
    """
    learnt = [code for code in re.findall(r"\w+(?=\()", terms) if code != "I"]
    named = re.findall(r"\bC\((\w+)\)", terms)
    known = all(name in ready and not _is_number(ready[name]) for name in named)
    return ready.head(SHOWN) if known and learnt == ["C"] * len(named) else ready


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _columns(info: Any, term: Any, data: pd.DataFrame) -> Floats:
    """The columns of one term; the formula engine's own way is slow where there is one factor."""
    if not term.factors:
        return np.ones((len(data), 1))
    if len(term.factors) > 1:
        (columns,) = patsy.build_design_matrices([info.subset([term.name()])], data)
        return np.asarray(columns, dtype=np.float64)
    (factor,) = term.factors
    (coding,), known = info.term_codings[term], info.factor_infos[factor]
    value = factor.eval(known.state, data)
    if known.type == "numerical":
        return np.asarray(value, dtype=np.float64).reshape(len(data), -1)
    if isinstance(value, _CategoricalBox) and value.levels is None:
        value = value.data
    codes = categorical_to_int(value, known.categories, patsy.NAAction())
    indicators: Floats = coding.contrast_matrices[factor].matrix[codes]
    return indicators


def fit(
    data: pd.DataFrame, specification: Specification, estimator: Estimator
) -> tuple[Score | None, Design, list[str]]:
    """Fit the score of a specification.

    Parameters
    ----------
    data : DataFrame
        The columns that the formula names, within common support.
    specification : Specification
        Its formula is the score's.
    estimator : callable
        ``estimator(formula, data).fit(disp=False)``.

    Returns
    -------
    tuple of (Score or None, Design, list of str)
        None where the fit does not converge or the groups are separated; the matrix of the terms
        that stay; what has to be said.
    """
    treated = data[specification.treated].to_numpy(dtype=bool)
    whole = design(specification.terms, data)
    out, rows = score.repeated(whole.values, score.case_control(treated))
    kept = whole.without(out)
    notes = _repeated(whole, out)
    found: Score | None = None
    said: list[str] = []
    model = _model(estimator, treated, specification.treated)
    if rows is not None:
        found, said = _solve(kept, treated, rows, model)
    if found is None or TOO_LARGE in said:
        found, said = _solve(kept, treated, None, model)
    return found, kept, [*notes, *said]


def _model(estimator: Estimator, treated: Flags, name: str) -> Model:
    """Return what makes the estimator's own model of coded rows.

    The terms are coded once for all fits, so the estimator itself is shown a few rows without them.
    """
    shown = pd.DataFrame({name: treated[:SHOWN].astype(np.float64)})
    model = estimator(f"{name} ~ 1", shown)
    kind: Model = type(model)
    choices = model._get_init_kwds()
    if "check_rank" in signature(kind).parameters:
        choices["check_rank"] = False
    return partial(kind, **choices)


def _solve(
    kept: Design,
    treated: Flags,
    rows: score.Rows | None,
    model: Model,
) -> tuple[Score | None, list[str]]:
    """Fit the estimator to some rows, or all, and solve the score equations of all from there."""
    fitted, kinds = _fitted(kept, treated, rows, model)
    if fitted is None or PerfectSeparationWarning in kinds:
        return None, ["No score: the formula separates the two groups completely."]
    if not _converged(fitted):
        loose = _loose_terms(kept, np.asarray(fitted.bse))
        return None, [f"No score: the fit did not converge{_because(loose)}."]
    params = np.asarray(fitted.params, dtype=np.float64)
    start: score.Start | None = score.Start(params)
    if rows is not None:
        start = score.to_all(kept.values, treated, rows, params)
    found = score.solve(kept.values, treated, start)
    loose = _loose_terms(kept, found.errors)
    if not found.converged:
        return None, [f"No score: the fit did not converge{_because(loose)}."]
    notes = []
    if loose:
        notes = [f"The score is close to separating the groups{_because(loose)}."]
    elif kinds:
        notes = [TOO_LARGE]
    index = pd.Index(kept.names)
    solved = Score(
        params=pd.Series(found.coefficients, index),
        bse=pd.Series(found.errors, index),
        logit=found.logit,
        llf=found.log_likelihood,
        start=fitted,
        start_rows=len(treated) if rows is None else len(rows),
        passes=found.passes,
    )
    return solved, notes


def _fitted(
    kept: Design, treated: Flags, rows: score.Rows | None, model: Model
) -> tuple[Any, set[type[Warning]]]:
    """Fit the estimator's model; None if it cannot be."""
    values, ours = (kept.values, treated) if rows is None else (kept.values[rows], treated[rows])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fitted = model(ours.astype(np.float64), values).fit(disp=False)
        except np.linalg.LinAlgError:
            fitted = None
    return fitted, _numerical(caught)


def _repeated(whole: Design, out: Flags) -> list[str]:
    if not out.any():
        return []
    note = "Left out of the score, because nobody varies there or other terms say the same: "
    return [note + ", ".join(np.array(whole.names)[out]) + "."]


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


def for_formula(data: pd.DataFrame) -> pd.DataFrame:
    """Give text as categoricals of the levels that occur, which are coded without a Python loop.

    Parameters
    ----------
    data : DataFrame
        One row a unit.

    Returns
    -------
    DataFrame
        The same columns; numbers are left as they are.
    """
    changes = {
        column: levelled(data[column])
        for column in data.columns
        if not pd.api.types.is_numeric_dtype(data[column])
    }
    return data.assign(**changes) if changes else data


def levelled(column: pd.Series[Any]) -> pd.Categorical:
    """Number the levels that occur: a categorical's in its own order, others sorted.

    Parameters
    ----------
    column : Series
        Text, or a categorical.

    Returns
    -------
    Categorical
        Without levels that do not occur.
    """
    if not isinstance(column.dtype, pd.CategoricalDtype):
        codes, levels = pd.factorize(column, sort=True)
        return pd.Categorical.from_codes(codes, categories=pd.Index(levels, dtype=object))
    values = column.array
    occurs = np.bincount(values.codes + 1, minlength=len(values.categories) + 1)[1:] > 0
    kept: pd.Categorical = values if occurs.all() else values.remove_unused_categories()
    return kept


def _converged(model: Any) -> bool:
    returned = getattr(model, "mle_retvals", None) or {}
    return bool(returned.get("converged", getattr(model, "converged", True)))


def _loose_terms(kept: Design, errors: Floats) -> list[str]:
    """Name the terms whose coefficient the data hardly determine (see `SEPARATION_ERROR`)."""
    errors = np.nan_to_num(errors, nan=np.inf)
    size = np.sqrt([column @ column / len(column) for column in kept.values.T])
    suspected = np.flatnonzero(errors * np.maximum(1, size) > SEPARATION_ERROR)
    return [
        kept.names[j]
        for j in suspected
        if kept.names[j] != "Intercept" and errors[j] * _unit(kept.values[:, j]) > SEPARATION_ERROR
    ]


def _unit(values: Floats) -> float:
    return 1.0 if np.isin(values, (0, 1)).all() else float(values.std())
