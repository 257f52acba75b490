"""Balance: how alike two weighted groups are, variable by variable, and the gate before outcomes.

Standardised mean differences, variance ratios, their bands and the verdict. Knows nothing of how
the weights were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

GREEN = 0.05
AMBER = 0.10
SECOND_ORDER = 0.25
"""Greatest standardised difference of a square or product that is usual (Rubin 2001)."""
RATIOS = (0.5, 2.0)
"""Variance ratios that are usual (Rubin 2001)."""
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
RATIO_COLUMNS = ("variance_ratio_before", "variance_ratio_after")
BLOCK = 4096
"""Rows computed with at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class Verdict:
    """Whether two groups are alike enough for outcomes to be read.

    Parameters
    ----------
    accepted : bool
        Every standardised difference after matching is within the limit, and within the second
        limit for squares and products where those were looked at.
    worst_variable : str or None
        The variable, with its level in brackets, that differs most; None if nothing was matched.
    worst : float or None
        Its absolute standardised difference.
    greens, ambers, reds : int
        Rows of the balance table in each band after matching.
    limit : float
        The greatest difference allowed.
    second_order_worst_variable : str or None
        The square or product that differs most; None if none was looked at.
    second_order_worst : float or None
        Its absolute standardised difference.
    second_order_limit : float
        The greatest difference of squares and products allowed.
    ratios, ratios_outside : int
        Numbers whose variances were compared, and how many of their ratios are beyond `RATIOS`.
    """

    accepted: bool
    worst_variable: str | None
    worst: float | None
    greens: int
    ambers: int
    reds: int
    limit: float = AMBER
    second_order_worst_variable: str | None = None
    second_order_worst: float | None = None
    second_order_limit: float = SECOND_ORDER
    ratios: int = 0
    ratios_outside: int = 0

    def __repr__(self) -> str:
        if self.worst is None:
            return "Not balanced: nobody was matched."
        said = [
            f"{'Balanced' if self.accepted else 'Not balanced'}: the greatest standardised "
            f"difference is {100 * self.worst:.1f}% for {self.worst_variable}, the limit "
            f"{100 * self.limit:g}%. Green: {self.greens}, amber: {self.ambers}, red: {self.reds}."
        ]
        if self.second_order_worst is not None:
            said.append(
                f"Of squares and products it is {100 * self.second_order_worst:.1f}% for "
                f"{self.second_order_worst_variable}, the limit {100 * self.second_order_limit:g}%."
            )
        if self.ratios:
            said.append(
                f"Of {self.ratios} variance ratios {self.ratios_outside} are outside "
                f"{RATIOS[0]:g} to {RATIOS[1]:g}."
            )
        return " ".join(said)


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
        treated people), `variance_ratio_before`, `variance_ratio_after` (treated by comparison;
        not a number for yes-no and levels, whose mean tells the variance). Shares are proportions.
        Not a number where a group is empty.

    Raises
    ------
    ValueError
        If a number is missing for someone, or a column is absent.

    Notes
    -----
    smd = (mean of the treated - mean of the comparison group) / SD of all treated before matching;
    for a yes-no value SD = sqrt(p (1 - p)). Where nobody treated varies, the SD over everyone
    stands in. Weighted variance = sum w (x - mean)^2 / (sum w - sum w^2 / sum w). The same as
    MatchIt's summary for the effect on the treated (s.d.denom = "treated").

    Examples
    --------
    Before matching the means differ by 5 years, which is 0.71 of the treatment group's SD of 7.07.
    A weight of 0 leaves the oldest out, and the means agree.

    >>> people = pd.DataFrame({"treated": [True, True, False, False, False]})
    >>> people = people.assign(age=[20, 30, 20, 30, 40], weight=[1, 1, 1, 1, 0])
    >>> [row] = table(people, ["age"]).to_dict("records")
    >>> row["mean_treatment"], row["mean_before"], row["mean_after"]
    (25.0, 30.0, 25.0)
    >>> round(row["smd_before"], 2), row["band_before"], row["smd_after"], row["band_after"]
    (-0.71, 'red', 0.0, 'green')
    """
    return _compared(frame, covariates, treated, weight, _firsts)


def analysed(frame: pd.DataFrame, treated: str = "treated", weight: str = "weight") -> pd.DataFrame:
    """Return the candidates without the treated people whom matching left out.

    What a table says of the treatment group before matching then says nothing of those few.

    Parameters
    ----------
    frame, treated, weight
        As in `table`.
    """
    stays = ~frame[treated].to_numpy(dtype=bool) | (frame[weight].to_numpy() > 0)
    return frame if stays.all() else frame.loc[stays]


def second_order(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    treated: str = "treated",
    weight: str = "weight",
) -> pd.DataFrame:
    """Compare squares of numbers and products of all pairs of the covariates.

    Parameters
    ----------
    frame, covariates, treated, weight
        As in `table`. A variable with levels enters by an indicator of each.

    Returns
    -------
    DataFrame
        As `table`; `variable` is for example ``age squared`` or ``age by region``.

    Raises
    ------
    ValueError
        As `table`.
    """
    return _compared(frame, covariates, treated, weight, _seconds)


def gate(
    balance: pd.DataFrame,
    limit: float = AMBER,
    second_order: pd.DataFrame | None = None,
    second_order_limit: float = SECOND_ORDER,
) -> Verdict:
    """Judge a balance table.

    Parameters
    ----------
    balance : DataFrame
        From `table`.
    limit : float
        Greatest absolute standardised difference allowed after matching.
    second_order : DataFrame, optional
        From `second_order`.
    second_order_limit : float
        The same for its rows.

    Returns
    -------
    Verdict
        Not accepted either when nobody was matched or the table is empty.
    """
    bands = balance["band_after"].value_counts()
    name, worst = _worst(balance)
    second_name, second = (None, None) if second_order is None else _worst(second_order)
    ratios = balance.get("variance_ratio_after", pd.Series(dtype=float)).dropna()
    return Verdict(
        accepted=worst is not None
        and worst <= limit
        and (second_order is None or (second is not None and second <= second_order_limit)),
        worst_variable=name,
        worst=worst,
        greens=int(bands.get("green", 0)),
        ambers=int(bands.get("amber", 0)),
        reds=int(bands.get("red", 0)),
        limit=limit,
        second_order_worst_variable=second_name,
        second_order_worst=second,
        second_order_limit=second_order_limit,
        ratios=len(ratios),
        ratios_outside=int((~ratios.between(*RATIOS)).sum()),
    )


def _worst(balance: pd.DataFrame) -> tuple[str | None, float | None]:
    """The row that differs most after matching; none where a difference is not known."""
    size = balance["smd_after"].abs().to_numpy(dtype=float)
    if not len(size) or not np.isfinite(size).all():
        return None, None
    row = balance.iloc[int(size.argmax())]
    return _name(row["variable"], row["level"]), float(size.max())


def judge(
    matched: Any,
    *,
    covariates: Sequence[str],
    limit: float = AMBER,
    main: Sequence[str] = (),
    second_order_limit: float = SECOND_ORDER,
) -> Verdict:
    """Judge a match by the balance of its people: the rule that `first_accepted` is given.

    Parameters
    ----------
    matched : object
        With a ``frame`` that has the covariates, ``treated`` and ``weight``.
    covariates : sequence of str
        Columns to compare.
    limit : float
        Greatest absolute standardised difference allowed.
    main : sequence of str
        Columns whose squares and products are compared as well.
    second_order_limit : float
        Greatest absolute standardised difference of those allowed.

    Returns
    -------
    Verdict
    """
    named = dict.fromkeys(("treated", "weight", *covariates, *main))
    frame = analysed(matched.frame[list(named)])
    seconds = second_order(frame, main) if len(main) else None
    return gate(table(frame, covariates), limit, seconds, second_order_limit)


def distributions(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    treated: str = "treated",
    weight: str = "weight",
) -> pd.DataFrame:
    """Compare the distribution functions of numbers, before and after matching.

    Parameters
    ----------
    frame, covariates, treated, weight
        As in `table`; the covariates are numbers.

    Returns
    -------
    DataFrame
        `variable`, and `mean_before`, `greatest_before`, `mean_after`, `greatest_after`: the
        distance between the two weighted distribution functions, over the values that occur; the
        greatest is the Kolmogorov-Smirnov distance.
    """
    ours = frame[treated].to_numpy(dtype=bool)
    weights = frame[weight].to_numpy(dtype=float)
    rows = []
    for name in covariates:
        values = frame[name].to_numpy(dtype=float)
        order = np.argsort(values, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(values[order]) > 0), len(values) - 1)
        distances = [
            np.abs(np.cumsum(_signed(ours[order], weight[order]))[ends])
            for weight in (np.ones(len(values)), weights)
        ]
        if len(ends) <= 2:
            distances = [distance[:1] for distance in distances]
        rows.append((name, *(of(one) for one in distances for of in (np.mean, np.max))))
    named = ("variable", "mean_before", "greatest_before", "mean_after", "greatest_after")
    return pd.DataFrame(rows, columns=list(named))


def _signed(ours: Flags, weights: Floats) -> Floats:
    """Shares of the treatment group, and less those of the comparison group."""
    shares = np.where(ours, 1, -1) * weights
    for group in (ours, ~ours):
        shares[group] /= weights[group].sum()
    return shares


def band(difference: float) -> str:
    """Return the band of a standardised difference: green to 5%, amber to 10%, else red.

    Parameters
    ----------
    difference : float
        In standard deviations of the treatment group.

    Returns
    -------
    {'green', 'amber', 'red'}
        By its size, whatever its sign.

    Examples
    --------
    >>> band(0.05), band(-0.07), band(0.2)
    ('green', 'amber', 'red')
    """
    if abs(difference) <= GREEN:
        return "green"
    return "amber" if abs(difference) <= AMBER else "red"


class _Column(NamedTuple):
    """Something to compare: its name, whether it is yes or no, and its values of some rows."""

    variable: str
    level: str
    binary: bool
    of: Callable[[slice], NDArray[Any]]


def _compared(
    frame: pd.DataFrame,
    covariates: Sequence[str],
    treated: str,
    weight: str,
    columns: Callable[[Sequence[list[_Column]]], list[_Column]],
) -> pd.DataFrame:
    absent = [name for name in (*covariates, treated, weight) if name not in frame]
    if absent:
        raise ValueError(f"The frame lacks the columns {', '.join(absent)}.")
    ours = frame[treated].to_numpy(dtype=bool)
    weights = frame[weight].to_numpy(dtype=float)
    wanted = columns([list(_columns(frame[name])) for name in covariates])
    groups = np.column_stack((ours, ours * weights, ~ours, ~ours * weights, np.ones(len(ours))))
    return _rows(wanted, _moments(wanted, groups, ours))


def _firsts(variables: Sequence[list[_Column]]) -> list[_Column]:
    return [column for columns in variables for column in columns]


def _seconds(variables: Sequence[list[_Column]]) -> list[_Column]:
    squares = [
        one._replace(variable=f"{one.variable} squared", of=_product(one, one))
        for one in _firsts(variables)
        if not one.binary
    ]
    products = [
        _Column(
            f"{one.variable} by {other.variable}",
            " by ".join(level for level in (one.level, other.level) if level),
            one.binary and other.binary,
            _product(one, other),
        )
        for first, second in combinations(variables, 2)
        for one in first
        for other in second
    ]
    return squares + products


def _product(one: _Column, other: _Column) -> Callable[[slice], Floats]:
    return lambda rows: np.multiply(one.of(rows), other.of(rows), dtype=np.float64)


def _columns(column: pd.Series[Any]) -> Iterator[_Column]:
    name = str(column.name)
    if pd.api.types.is_numeric_dtype(column):
        if column.isna().any():
            raise ValueError(
                f"{name} is missing for {int(column.isna().sum())} rows: "
                "give it a value and an indicator first."
            )
        values = column.to_numpy(dtype=None if isinstance(column.dtype, np.dtype) else float)
        binary = _is_yes_no(values)
        yield _Column(name, "yes" if binary else "", binary, values.__getitem__)
        return
    codes, present = _coded(column)
    for code, level in enumerate(present):
        yield _Column(name, str(level), True, _indicator(codes, code))
    if column.isna().any():
        yield _Column(name, "missing", True, _indicator(codes, -1))


def _indicator(codes: NDArray[Any], code: int) -> Callable[[slice], Flags]:
    return lambda rows: codes[rows] == code


def _is_yes_no(values: NDArray[Any]) -> bool:
    if values.dtype == bool:
        return True
    parts = (values[:BLOCK], values[BLOCK:])
    return all(bool(((part == 0) | (part == 1)).all()) for part in parts)


def _coded(column: pd.Series[Any]) -> tuple[NDArray[Any], Sequence[Any]]:
    """Number the levels that occur: in their own order, or else sorted; -1 where missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        numbers, every = column.cat.codes.to_numpy(), list(column.cat.categories)
        occurs = np.bincount(numbers + 1, minlength=len(every) + 1)[1:] > 0
        if occurs.all():
            return numbers, every
        numbers = np.where(numbers < 0, -1, (np.cumsum(occurs) - 1)[numbers])
        return numbers, [level for level, here in zip(every, occurs, strict=True) if here]
    codes, levels = pd.factorize(column, sort=True)
    return codes, list(levels)


class _Moments(NamedTuple):
    """Means and variances: a row a column; all treated, matched treated, pool, comparison group."""

    means: Floats
    variances: Floats
    sd: Floats


def _moments(columns: Sequence[_Column], groups: Floats, ours: Flags) -> _Moments:
    """Sum the columns and their squares, less a value near the mean of each, in one pass."""
    shift = _near(columns, ours)
    sums, squares = np.zeros((2, len(columns), groups.shape[1]))
    for first in range(0, len(groups), BLOCK):
        rows = slice(first, min(first + BLOCK, len(groups)))
        block = np.empty((len(columns), rows.stop - first))
        for place, column in enumerate(columns):
            np.subtract(column.of(rows), shift[place], out=block[place], dtype=np.float64)
        sums += block @ groups[rows]
        block *= block
        squares += block @ groups[rows]
    total = groups.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / total
        spread = squares - means * sums
        variances = spread / (total - (groups**2).sum(axis=0) / total)
    binary = np.array([column.binary for column in columns], dtype=bool)
    population = np.where(binary[:, None], spread / np.where(total > 0, total, 1), variances)
    sd = _first_positive(np.sqrt(np.nan_to_num(np.maximum(population[:, [0, 4]], 0))))
    variances[binary] = np.nan
    return _Moments(means[:, :4] + shift[:, None], variances[:, :4], sd)


def _near(columns: Sequence[_Column], ours: Flags) -> Floats:
    """A value near each column's: of the first treated, if there is one."""
    first = int(ours.argmax()) if len(ours) else 0
    row = slice(first, first + 1)
    return np.array([np.sum(column.of(row), dtype=np.float64) for column in columns])


def _first_positive(sd: Floats) -> Floats:
    """SD of the treated; over everyone where they do not vary; 1 where nobody does."""
    tiny = float(np.sqrt(np.finfo(float).eps))
    return np.where(sd[:, 0] > tiny, sd[:, 0], np.where(sd[:, 1] > tiny, sd[:, 1], 1.0))


def _rows(columns: Sequence[_Column], moments: _Moments) -> pd.DataFrame:
    ours, matched, pool, comparison = moments.means.T
    before, after = (ours - pool) / moments.sd, (matched - comparison) / moments.sd
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = moments.variances[:, :2] / moments.variances[:, 2:]
    values = (
        [column.variable for column in columns],
        [column.level for column in columns],
        matched,
        pool,
        comparison,
        before,
        after,
        [band(difference) for difference in before],
        [band(difference) for difference in after],
        ours,
        *ratios.T,
    )
    return pd.DataFrame(dict(zip((*COLUMNS, *RATIO_COLUMNS), values, strict=True)))


def _name(variable: str, level: str) -> str:
    return f"{variable} ({level})" if level else variable
