"""Balance: how alike two weighted groups are, variable by variable, and the gate before outcomes.

Standardised mean differences, their bands and the verdict. Knows nothing of how the weights were
made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

GREEN = 0.05
AMBER = 0.10
COLUMNS = (
    "variable",
    "level",
    "mean_treatment",
    "mean_before",
    "mean_after",
    "smd_before",
    "smd_after",
    "band_before",
    "band_after",
    "mean_treatment_before",
)


@dataclass(frozen=True)
class Verdict:
    """Whether two groups are alike enough for outcomes to be read.

    Parameters
    ----------
    accepted : bool
        Every standardised difference after matching is within the limit.
    worst_variable : str or None
        The variable, with its level in brackets, that differs most; None if nothing was matched.
    worst : float or None
        Its absolute standardised difference.
    greens, ambers, reds : int
        Rows of the balance table in each band after matching.
    limit : float
        The greatest difference allowed.
    """

    accepted: bool
    worst_variable: str | None
    worst: float | None
    greens: int
    ambers: int
    reds: int
    limit: float = AMBER

    def __repr__(self) -> str:
        if self.worst is None:
            return "Not balanced: nobody was matched."
        return (
            f"{'Balanced' if self.accepted else 'Not balanced'}: the greatest standardised "
            f"difference is {100 * self.worst:.1f}% for {self.worst_variable}, the limit "
            f"{100 * self.limit:g}%. Green: {self.greens}, amber: {self.ambers}, red: {self.reds}."
        )


def table(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    treated: str = "treated",
    weight: str = "weight",
) -> pd.DataFrame:
    """Compare the two groups on each covariate, before and after matching.

    Parameters
    ----------
    frame : DataFrame
        One row a unit.
    covariates : sequence of str
        Columns to compare. A number has one row, with level ""; a yes-no variable (bool, or only
        0 and 1) one row, its share of "yes"; any other variable a row for each of its levels, a
        missing value being the level "missing".
    treated, weight : str
        Columns: who was treated (bool); the weight after matching, 0 for whoever is left out.

    Returns
    -------
    DataFrame
        `variable`, `level`, `mean_treatment` (treated people with a weight),
        `mean_before`, `mean_after` (comparison group), `smd_before`, `smd_after`, `band_before`,
        `band_after` (green up to 0.05, amber up to 0.10, else red), `mean_treatment_before` (all
        treated people). Shares are proportions. Not a number where a group is empty.

    Raises
    ------
    ValueError
        If a number is missing for someone, or a column is absent.

    Notes
    -----
    smd = (mean of the treated - mean of the comparison group) / SD of all treated before matching;
    for a yes-no value SD = sqrt(p (1 - p)). Where nobody treated varies, the SD over everyone
    stands in. The same as MatchIt's summary for the effect on the treated (s.d.denom = "treated").
    """
    absent = [name for name in (*covariates, treated, weight) if name not in frame]
    if absent:
        raise ValueError(f"The frame lacks the columns {', '.join(absent)}.")
    ours = frame[treated].to_numpy(dtype=bool)
    weights = frame[weight].to_numpy(dtype=float)
    rows = [
        row
        for name in covariates
        for level, values in _levels(frame[name])
        for row in [_row(name, level, values, ours, weights)]
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def gate(balance: pd.DataFrame, limit: float = AMBER) -> Verdict:
    """Judge a balance table.

    Parameters
    ----------
    balance : DataFrame
        From `table`.
    limit : float
        Greatest absolute standardised difference allowed after matching.

    Returns
    -------
    Verdict
        Not accepted either when nobody was matched or the table is empty.
    """
    bands = balance["band_after"].value_counts()
    size = balance["smd_after"].abs().to_numpy(dtype=float)
    complete = len(size) > 0 and bool(np.isfinite(size).all())
    worst = int(size.argmax()) if complete else None
    names = [_name(*key) for key in zip(balance["variable"], balance["level"], strict=True)]
    return Verdict(
        accepted=worst is not None and bool(size[worst] <= limit),
        worst_variable=None if worst is None else names[worst],
        worst=None if worst is None else float(size[worst]),
        greens=int(bands.get("green", 0)),
        ambers=int(bands.get("amber", 0)),
        reds=int(bands.get("red", 0)),
        limit=limit,
    )


def judge(matched: Any, *, covariates: Sequence[str], limit: float = AMBER) -> Verdict:
    """Judge a match by the balance of its frame: the rule that `first_accepted` is given.

    Parameters
    ----------
    matched : object
        With a ``frame`` that has the covariates, ``treated`` and ``weight``.
    covariates : sequence of str
        Columns to compare.
    limit : float
        Greatest absolute standardised difference allowed.

    Returns
    -------
    Verdict
    """
    return gate(table(matched.frame, covariates), limit)


def band(difference: float) -> str:
    """Return the band of a standardised difference: green to 5%, amber to 10%, else red."""
    if abs(difference) <= GREEN:
        return "green"
    return "amber" if abs(difference) <= AMBER else "red"


def _levels(column: pd.Series[Any]) -> Iterator[tuple[str, Floats]]:
    if pd.api.types.is_numeric_dtype(column):
        if column.isna().any():
            raise ValueError(
                f"{column.name} is missing for {int(column.isna().sum())} rows: "
                "give it a value and an indicator first."
            )
        values = column.to_numpy(dtype=float)
        yield "yes" if _is_yes_no(values) else "", values
        return
    for level in _present(column):
        yield str(level), np.asarray((column == level).fillna(False), dtype=np.float64)
    if column.isna().any():
        yield "missing", np.asarray(column.isna(), dtype=np.float64)


def _is_yes_no(values: Floats) -> bool:
    return bool(((values == 0) | (values == 1)).all())


def _present(column: pd.Series[Any]) -> list[Any]:
    present = set(column.dropna().unique())
    if isinstance(column.dtype, pd.CategoricalDtype):
        return [level for level in column.cat.categories if level in present]
    return sorted(present)


def _row(
    variable: str, level: str, values: Floats, ours: Flags, weights: Floats
) -> tuple[Any, ...]:
    before = _mean(values[ours]), _mean(values[~ours])
    after = tuple(_mean(values[group], weights[group]) for group in (ours, ~ours))
    sd = _sd(values, ours)
    smd_before, smd_after = ((mean[0] - mean[1]) / sd for mean in (before, after))
    return (
        variable,
        level,
        after[0],
        before[1],
        after[1],
        smd_before,
        smd_after,
        band(smd_before),
        band(smd_after),
        before[0],
    )


def _mean(values: Floats, weights: Floats | None = None) -> float:
    total = len(values) if weights is None else weights.sum()
    if total == 0:
        return float("nan")
    return float(np.average(values, weights=weights))


def _sd(values: Floats, ours: Flags) -> float:
    """SD of the treated; over everyone where they do not vary; 1 where nobody does."""
    tiny = float(np.sqrt(np.finfo(float).eps))
    binary = _is_yes_no(values)
    for group in (values[ours], values):
        if len(group) > 1 and (sd := float(group.std(ddof=0 if binary else 1))) > tiny:
            return sd
    return 1.0


def _name(variable: str, level: str) -> str:
    return f"{variable} ({level})" if level else variable
