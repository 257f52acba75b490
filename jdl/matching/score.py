"""The propensity score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning,
    HessianInversionWarning,
    PerfectSeparationWarning,
)

from jdl.matching.plan import Specification

Floats = NDArray[np.float64]

SEPARATION_ERROR = 10.0
"""Standard error of a coefficient, per unit of an indicator or per SD of a number, from which the
data hardly determine it: one group has (nearly) nobody, or everybody, in that part."""

REPEATED = 1e-11
"""Share of a column's sum of squares not determined by earlier columns, below which it repeats
them."""


def fit_formula(
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
