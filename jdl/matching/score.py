"""Logistic regression without a penalty, exact to the last digits and fast.

Where one group is much the larger, the first fit is to a case-control sample (Prentice and Pyke
1979: only the intercept differs from that of all rows). From there a few Newton passes over all
rows solve the score equations, so that the sample leaves no trace in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.int64]

SAMPLED = 7
"""Candidates in the case-control sample for each treated person."""
FEWEST = 5000
"""Candidates in the case-control sample at least."""
SEED = 20140301
"""Of the case-control sample."""
REPEATED = 1e-11
"""Share of a column's sum of squares not determined by earlier columns, below which it repeats
them."""

BLOCK = 2048
"""Rows computed with at a time, so that they stay in the processor's cache."""
PASSES = 40
"""Passes over the rows after which a fit is given up."""
FAR = 0.3
"""Step, as root mean square of the logit's changes, beyond which the information is computed
anew."""
SHRINKS = 0.25
"""Share of the step before that a step has at most, or else the information is computed anew."""
NEAR = 3e-6
"""Step from which one more, with the information computed anew, is the last."""
STILL = 1e-3
"""Greatest change of anybody's logit by the last step."""
SLACK = 1e-9
"""Share of the log-likelihood that rounding may cost."""


@dataclass(frozen=True, repr=False, eq=False)
class Fit:
    """A logistic regression.

    Parameters
    ----------
    coefficients, errors : array of shape (k,)
        With their standard errors from the inverse of the information; not a number for a column
        that repeats earlier ones.
    logit : array of shape (n,)
        The linear predictor.
    log_likelihood : float
        At the coefficients.
    converged : bool
        Whether the score equations were solved.
    passes : int
        Passes over all rows.
    """

    coefficients: Floats
    errors: Floats
    logit: Floats
    log_likelihood: float
    converged: bool
    passes: int

    def __repr__(self) -> str:
        state = "solved" if self.converged else "not solved"
        return f"Logistic regression of {len(self.logit):,} rows, {state} in {self.passes} passes."


class Start(NamedTuple):
    """Coefficients to set out from, and the information there where it is known."""

    coefficients: Floats
    information: Floats | None = None


def fit(design: Floats, treated: Flags, *, seed: int = SEED) -> Fit:
    """Fit a logistic regression without a penalty.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column; one column is constant.
    treated : bool array of shape (n,)
        Who was treated.
    seed : int
        Of the case-control sample; it does not show in the result.

    Returns
    -------
    Fit
        Not converged where the groups are separated.

    Notes
    -----
    The equations solved are sum_i x_i (t_i - p_i) = 0, p = 1 / (1 + exp(-x b)), by
    b <- b + I(b)^-1 sum_i x_i (t_i - p_i), I(b) = sum_i p_i (1 - p_i) x_i x_i'.

    Examples
    --------
    One of four women was treated and three of four men: odds of 1 to 3 and of 3 to 1, log odds of
    -1.0986 and 1.0986. The men's are higher by log 9 = 2.1972.

    >>> man = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    >>> treated = np.array([1, 0, 0, 0, 1, 1, 1, 0], dtype=bool)
    >>> found = fit(np.column_stack([np.ones(8), man]), treated)
    >>> found.coefficients.round(4).tolist()
    [-1.0986, 2.1972]
    """
    out, rows = repeated(design, case_control(treated, seed))
    kept = design[:, ~out] if out.any() else design
    found = None
    if rows is not None:
        sample = solve(kept[rows], treated[rows])
        start = to_all(kept, treated, rows, sample.coefficients)
        if sample.converged and start is not None:
            found = solve(kept, treated, start)
    if found is None or not found.converged:
        found = solve(kept, treated)
    return replace(
        found, coefficients=_spread(found.coefficients, out), errors=_spread(found.errors, out)
    )


def leaving_out(design: Floats, treated: Flags, coefficients: Floats) -> Callable[[Flags], Fit]:
    """Return what fits the same rows without some of the columns, setting out from the full fit.

    Parameters
    ----------
    design : array of shape (n, k)
        As for `fit`.
    treated : bool array of shape (n,)
        Who was treated.
    coefficients : array of shape (k,)
        That solve the score equations of all columns; nought for a column that repeats others.

    Returns
    -------
    callable
        Columns left out -> Fit without them, its coefficients and errors not a number for those.

    Notes
    -----
    Near its greatest the log-likelihood is a quadratic of the coefficients b, with the information
    I. Without the columns S it is greatest at b_R + I_RR^-1 I_RS b_S for the others, R: a Newton
    step that takes no pass over the rows. Steps from there solve the score equations of R as
    exactly as `fit` does.
    """
    information = _pass(design, treated.astype(np.float64), coefficients, True).information
    assert information is not None
    gram = products(design)

    def fit_without(left_out: Flags) -> Fit:
        out = left_out.copy()
        out[~left_out] = repeats(gram[np.ix_(~left_out, ~left_out)])
        own, cross = information[np.ix_(~out, ~out)], information[np.ix_(~out, out)]
        start = coefficients[~out] + _step(own, cross @ coefficients[out])
        kept = design[:, np.flatnonzero(~out)]
        found = solve(kept, treated, Start(start, own))
        if not found.converged:
            found = solve(kept, treated)
        return replace(
            found, coefficients=_spread(found.coefficients, out), errors=_spread(found.errors, out)
        )

    return fit_without


def case_control(treated: Flags, seed: int = SEED) -> Rows | None:
    """Draw all treated people and some candidates, in the order of the rows.

    None where that would leave out less than half of the candidates.

    Parameters
    ----------
    treated : bool array of shape (n,)
        Who was treated.
    seed : int
        Of the draw.

    Returns
    -------
    int array or None
        Rows, rising.
    """
    pool = np.flatnonzero(~treated)
    size = max(FEWEST, SAMPLED * int(treated.sum()))
    if 2 * size > len(pool):
        return None
    drawn = np.random.default_rng(seed).choice(pool, size, replace=False, shuffle=False)
    return np.sort(np.concatenate((np.flatnonzero(treated), drawn)))


def to_all(design: Floats, treated: Flags, rows: Rows, coefficients: Floats) -> Start | None:
    """Carry the coefficients of a case-control sample over to all rows.

    The constant column takes up the share of candidates sampled, and the information is estimated
    by giving each of them the weight of those it stands for. None without a constant column.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column.
    treated : bool array of shape (n,)
        Who was treated.
    rows : int array
        The sample.
    coefficients : array of shape (k,)
        Fitted to the sample.

    Returns
    -------
    Start or None
    """
    sample, ours = design[rows], treated[rows]
    constant = np.flatnonzero((np.ptp(sample, axis=0) == 0) & (sample[0] != 0))
    if not len(constant):
        return None
    stands_for = (~treated).sum() / (~ours).sum()
    start = coefficients.copy()
    start[constant[0]] -= np.log(stands_for) / sample[0, constant[0]]
    p = _part(sample @ start)[0]
    weighted = sample * np.sqrt(p * (1 - p) * np.where(ours, 1, stands_for))[:, None]
    return Start(start, weighted.T @ weighted)


def solve(design: Floats, treated: Flags, start: Start | None = None) -> Fit:
    """Solve the score equations by Newton steps.

    A step that lowers the likelihood is halved. The information is computed anew far from the
    solution, where steps hardly shrink, and for the last step, so that the standard errors are
    those of the solution. Where the groups are separated a step never becomes small for those
    whom it concerns: then the fit has not converged.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column, none repeating others.
    treated : bool array of shape (n,)
        Who was treated.
    start : Start, optional
        Where to set out from; zero if absent.

    Returns
    -------
    Fit

    Notes
    -----
    As `fit`; the standard errors are the roots of the diagonal of I(b)^-1.
    """
    y = treated.astype(np.float64)
    fewer = max(1.0, min(y.sum(), len(y) - y.sum()))
    coefficients, information = start or Start(np.zeros(design.shape[1]))
    moved, anew, best, passes = np.inf, information is None, -np.inf, 0
    step = gradient = np.zeros_like(coefficients)
    while passes < PASSES:
        passes += 1
        at = _pass(design, y, coefficients, anew)
        if at.log_likelihood < best - SLACK * abs(best):
            step = step / 2
            coefficients = coefficients - step
            continue
        best = at.log_likelihood
        information = (
            _secant(information, step, gradient - at.gradient)
            if at.information is None
            else at.information
        )
        gradient = at.gradient
        step = _step(information, gradient)
        before, moved = moved, float(np.sqrt(max(at.gradient @ step, 0) / fewer))
        coefficients = coefficients + step
        if not np.isfinite(moved) or (anew and moved <= NEAR):
            break
        anew = moved > FAR or moved <= NEAR or moved > SHRINKS * before
    logit = design @ coefficients
    solved = bool(anew and moved <= NEAR and np.abs(logit - at.logit).max() <= STILL)
    return Fit(coefficients, _errors(information), logit, best, solved, passes)


class _At(NamedTuple):
    """What a pass over the rows finds at one set of coefficients."""

    logit: Floats
    log_likelihood: float
    gradient: Floats
    information: Floats | None


def _pass(design: Floats, y: Floats, coefficients: Floats, informed: bool) -> _At:
    """Compute likelihood, gradient and, where asked for, information, block by block."""
    logit = np.empty(len(y))
    gradient = np.zeros(len(coefficients))
    information = np.zeros((len(coefficients),) * 2) if informed else None
    likelihood = 0.0
    for rows in blocks(len(y)):
        block = design[rows]
        logit[rows] = eta = block @ coefficients
        p, log_rest = _part(eta)
        likelihood += y[rows] @ eta + log_rest.sum()
        gradient += (y[rows] - p) @ block
        if information is not None:
            weighted = block * np.sqrt(p * (1 - p))[:, None]
            information += weighted.T @ weighted
    return _At(logit, float(likelihood), gradient, information)


def blocks(n: int) -> Iterator[slice]:
    """Cut rows into runs that stay in the processor's cache.

    Parameters
    ----------
    n : int
        How many rows.

    Returns
    -------
    iterator of slice
        Of `BLOCK` rows each, the last of what is left.
    """
    return (slice(first, first + BLOCK) for first in range(0, n, BLOCK))


def _part(logit: Floats) -> tuple[Floats, Floats]:
    """The probability of a logit, and the logarithm of what is left of one."""
    small = np.exp(-np.abs(logit))
    p = np.where(logit < 0, small, 1.0) / (1 + small)
    return p, -np.maximum(logit, 0) - np.log1p(small)


def _step(information: Floats | None, gradient: Floats) -> Floats:
    try:
        return np.linalg.solve(np.asarray(information), gradient)
    except np.linalg.LinAlgError:
        return np.full_like(gradient, np.nan)


def _secant(information: Floats | None, step: Floats, change: Floats) -> Floats:
    """Correct the information by what a step changed the gradient (Broyden, Fletcher et al.)."""
    known = np.asarray(information)
    along = known @ step
    if not step @ change > 0:
        return known
    return (
        known - np.outer(along, along) / (step @ along) + np.outer(change, change) / (step @ change)
    )


def _errors(information: Floats | None) -> Floats:
    try:
        variance = np.diag(np.linalg.inv(np.asarray(information)))
    except np.linalg.LinAlgError:
        variance = np.full(len(np.asarray(information)), np.nan)
    return np.sqrt(np.where(variance > 0, variance, np.nan))


def repeated(design: Floats, rows: Rows | None) -> tuple[Flags, Rows | None]:
    """Tell the columns that repeat earlier ones, and whether the sample tells them too.

    What varies in some rows varies in all. Columns that repeat others in the sample alone make it
    unfit to start from.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column.
    rows : int array, optional
        The sample to start from.

    Returns
    -------
    bool array of shape (k,)
        The columns that repeat earlier ones.
    int array or None
        The sample, where it is fit to start from.
    """
    if rows is not None and not (found := repeats(products(design[rows]))).any():
        return found, rows
    every = repeats(products(design))
    return every, rows if rows is not None and np.array_equal(found, every) else None


def products(design: Floats) -> Floats:
    """Sum the products of all pairs of columns.

    Parameters
    ----------
    design : array of shape (n, k)
        Column by column.

    Returns
    -------
    array of shape (k, k)
        The sums over rows of x_i x_i'.
    """
    gram = np.zeros((design.shape[1],) * 2)
    for rows in blocks(len(design)):
        gram += design[rows].T @ design[rows]
    return gram


def repeats(gram: Floats) -> Flags:
    """Tell, by their products, the columns that are sums of earlier ones.

    By a Cholesky factor that skips them.

    Parameters
    ----------
    gram : array of shape (k, k)
        As `products` gives it.

    Returns
    -------
    bool array of shape (k,)
        Less than `REPEATED` of the column's sum of squares is its own.
    """
    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0, size, 1.0)
    gram = gram / np.outer(scale, scale)
    factor = np.zeros_like(gram)
    found = np.zeros(len(gram), dtype=bool)
    for j in range(len(gram)):
        left = gram[:, j] - factor @ factor[j]
        found[j] = left[j] <= REPEATED
        if not found[j]:
            factor[j:, j] = left[j:] / np.sqrt(left[j])
    return found


def _spread(values: Floats, out: Flags) -> Floats:
    spread = np.full(len(out), np.nan)
    spread[~out] = values
    return spread
