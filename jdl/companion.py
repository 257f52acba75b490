"""The adjusted check beside every headline result: doubly robust g-computation after matching.

A model of the outcome is fitted in the matched comparison group on the score's own terms and
predicts what the matched treatment group would have done. It removes what the matching left of
the measured differences; it cannot remove unmeasured ones, and the headline stays the headline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import expit, stdtr, stdtrit

from jdl.effects import ALL, Effect, compare
from jdl.matching import Specification, entropy, formula, support

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

MODELS = {"rate": "logistic", "frequency": "quasi-Poisson", "days": "linear"}
"""The model of the outcome by kind of measure."""

UNRECORDED = "not recorded"
FEWEST_PLACES = 10
"""Treated places from which errors are clustered by place."""

REPEATED = 1e-10
"""Share of a column's weighted sum of squares not determined by earlier columns, below which it
repeats them."""

EDGE = 1e-8
"""Distance of a prediction from the impossible, below which the data do not determine it."""

CERTAIN = 1e-5
"""Mean slope of a model below which it predicts everyone with certainty."""

FARTHEST = 20.0
"""Standard error of the logarithm of a ratio from which there is nothing to say of the ratio."""

QUICK = 0.7
"""Root of the sum of squares of a place's hat matrix up to which a series is summed for it."""

NOUGHT = 1e-18
"""Share of a direction below which a term of that series adds nothing."""

_STEPS = 60
"""Newton's at most; `_PATIENT_STEPS` of them towards `_CLOSE`, the others, where some coefficient
runs away, towards `_CLOSE_ENOUGH`: gain in likelihood, per unit of weight."""
_PATIENT_STEPS = 25
_CLOSE = 1e-20
_CLOSE_ENOUGH = 1e-9


@dataclass(frozen=True)
class Adjusted:
    """The adjusted difference on one measure.

    Parameters
    ----------
    analysis, measure : str
        Those of the effect that it stands beside.
    model : {'logistic', 'quasi-Poisson', 'linear', 'entropy balancing'}
        Of the outcome in the comparison group; 'entropy balancing' where that made the groups and
        no model is needed.
    difference : float or None
        Mean outcome of the matched treatment group minus the mean that the model predicts for it,
        or the weighted mean of the comparison group where there is no model.
    error : float or None
        Its standard error.
    ci_low, ci_high, p_value, df : float or None
        By t with `df` degrees of freedom.
    ratio, ratio_low, ratio_high : float or None
        Of the two means, its interval on the logarithm; None where a mean is not above zero.
    errors : {'HC2 by person', 'CR2 by place', 'M-estimation by person'} or None
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
    error: float | None = None
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


@dataclass(frozen=True, eq=False)
class Design:
    """The terms of an outcome model as numbers, ready for any outcome of the same rows.

    Parameters
    ----------
    treated, comparison : array of shape (n, k)
        The terms in coordinates in which the comparison group's weighted cross-products are one.
    weight : array
        Of the comparison rows.
    person : int array
        Whose row it is, the treated first.
    place : int array or None
        Where, the treated first.
    repeats : tuple of int
        Columns left out because earlier ones determine them.
    """

    treated: Floats
    comparison: Floats
    weight: Floats
    person: Codes
    place: Codes | None
    repeats: tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """A doubly robust estimate from arrays.

    Parameters
    ----------
    treated, predicted : float
        Mean outcome of the treated, and the mean that the model predicts for them.
    error, log_error : float
        Standard error of the difference, and of the logarithm of the ratio (not a number where a
        mean is not above zero).
    df, log_df : float
        Their degrees of freedom.
    certain : bool
        Whether the model predicts an outcome of some comparison rows with certainty.
    """

    treated: float
    predicted: float
    error: float
    log_error: float
    df: float
    log_df: float
    certain: bool

    @property
    def difference(self) -> float:
        """Treated minus predicted."""
        return self.treated - self.predicted

    def interval(self, significance: float = 0.05) -> tuple[float, float]:
        """Return the interval of the difference."""
        half = float(stdtrit(self.df, 1 - significance / 2)) * self.error
        return self.difference - half, self.difference + half

    def ratio_interval(self, significance: float = 0.05) -> tuple[float, float]:
        """Return the interval of the ratio."""
        half = float(stdtrit(self.log_df, 1 - significance / 2)) * self.log_error
        middle = math.log(self.treated / self.predicted)
        return math.exp(middle - half), math.exp(middle + half)

    @property
    def p_value(self) -> float:
        """Two-sided p of no difference."""
        return float(2 * stdtr(self.df, -abs(self.difference) / self.error))


class NoEstimate(Exception):  # noqa: N818
    """The outcome model has no solution; says why in plain words."""


def design(
    terms: Floats,
    treated: NDArray[np.bool_],
    weight: Floats,
    person: Codes | None = None,
    place: Codes | None = None,
) -> Design:
    """Prepare the terms of an outcome model.

    Parameters
    ----------
    terms : array of shape (n, k)
        The columns of the model, the intercept among them.
    treated : bool array
        Who was treated; all are taken to count one.
    weight : array
        Of every row; only that of the comparison rows is read.
    person : int array, optional
        Whose row it is; every row its own person if absent.
    place : int array, optional
        Where, to cluster the errors by it.

    Returns
    -------
    Design

    Notes
    -----
    X = Z R with Z' W Z = I over the comparison rows, R by Cholesky of X' W X, which leaves out
    the columns that earlier ones determine.
    """
    share = weight[~treated]
    factor, kept, scale = _factor(terms[~treated], share)
    change = solve_triangular(factor, np.diag(1 / scale), lower=True).T
    chosen = terms if len(kept) == terms.shape[1] else terms[:, kept]
    order = np.concatenate([np.flatnonzero(treated), np.flatnonzero(~treated)])
    who = np.arange(len(order)) if person is None else person[order]
    return Design(
        treated=chosen[treated] @ change,
        comparison=chosen[~treated] @ change,
        weight=share,
        person=np.unique(who, return_inverse=True)[1],
        place=None if place is None else np.unique(place[order], return_inverse=True)[1],
        repeats=tuple(sorted(set(range(terms.shape[1])) - set(kept))),
    )


def _factor(terms: Floats, weight: Floats) -> tuple[Floats, list[int], Floats]:
    """Factorise the scaled cross-products of the columns that earlier ones do not determine."""
    root = terms * np.sqrt(weight)[:, None]
    gram = root.T @ root
    size = np.sqrt(np.diag(gram))
    scale = np.where(size > 0, size, 1.0)
    gram /= np.outer(scale, scale)
    factor, kept = np.zeros_like(gram), []
    for j in range(len(gram)):
        left = gram[:, j] - factor @ factor[j]
        if left[j] > REPEATED:
            factor[j:, j] = left[j:] / math.sqrt(left[j])
            kept.append(j)
    return factor[np.ix_(kept, kept)], kept, scale[kept]


@dataclass(frozen=True, eq=False)
class Prediction:
    """An outcome model fitted in the comparison group, and what it predicts for the treated.

    Parameters
    ----------
    design : Design
        Its terms.
    predicted : array
        Mean outcome of each treated row without the programme.
    rows, pearson : array
        U of which U U' is the hat matrix, and the Pearson residuals of the comparison rows.
    along : array
        How the treated's mean prediction goes with the rows of U.
    influence : array
        Of each person by their comparison rows on the mean prediction, HC2.
    certain : bool
        Whether the model predicts an outcome of some comparison rows with certainty.
    """

    design: Design
    predicted: Floats
    rows: Floats
    pearson: Floats
    along: Floats
    influence: Floats
    certain: bool


def predict(design: Design, comparison: Floats, model: str) -> Prediction:
    """Fit an outcome model in the comparison group and predict the treated.

    Parameters
    ----------
    design : Design
        The terms of the model.
    comparison : array
        Outcomes of the comparison rows.
    model : {'logistic', 'quasi-Poisson', 'linear'}
        Of the outcome.

    Returns
    -------
    Prediction

    Raises
    ------
    NoEstimate
        If the model has no solution.

    Notes
    -----
    b solves the weighted score equations sum w_j x_j (y_j - m_j) = 0, m_j = g(x_j' b).
    """
    family = _FAMILIES[model]
    fit = _fit(design, comparison, family)
    predicted = family.mean(design.treated @ fit.coefficients)
    if predicted.mean() > comparison.max() and model != "linear":
        raise NoEstimate("The outcome model predicts more than was seen of anybody.")
    direction = (family.slope(predicted)[:, None] * design.treated).mean(axis=0)
    along = solve_triangular(fit.root, direction, lower=True)
    rows, pearson = _hat(design, fit)
    influence = _influence(design, rows, pearson, along)
    return Prediction(design, predicted, rows, pearson, along, influence, fit.certain)


def estimate(prediction: Prediction, treated: Floats) -> Estimate:
    """Estimate the effect on the treated from their outcomes and what was predicted for them.

    Parameters
    ----------
    prediction : Prediction
        As `predict` gives it.
    treated : array
        Outcomes of the treated rows.

    Returns
    -------
    Estimate

    Raises
    ------
    NoEstimate
        If nothing is left unexplained.

    Notes
    -----
    Difference: mean(y_i) - mean(m_i) over the treated. Its influence: of a treated row
    (y_i - m_i - difference) / sqrt(n (n - 1)); of a comparison row
    -w_j a' x_j (y_j - m_j) / sqrt(1 - h_j), a = H^-1 mean(g'_i x_i) over the treated,
    H = sum w_j g'_j x_j x_j', h_j the leverage w_j g'_j x_j' H^-1 x_j (HC2; MacKinnon and White
    1985). Influences are summed by person before they are squared; t with n - 1 degrees of
    freedom. Given places, the errors are clustered by them with the correction of Bell and
    McCaffrey (2002) and their degrees of freedom by Satterthwaite, for the linearised estimate
    (Pustejovsky and Tipton 2018).

    Examples
    --------
    A model without variables predicts the weighted mean of the comparison group for everyone:
    (0.5 x 1 + 0.5 x 0 + 1 x 1) / 2.

    >>> treated = np.array([True, True, False, False, False])
    >>> weight = np.array([1.0, 1.0, 0.5, 0.5, 1.0])
    >>> terms = design(np.ones((5, 1)), treated, weight)
    >>> prediction = predict(terms, np.array([1.0, 0.0, 1.0]), "linear")
    >>> found = estimate(prediction, np.array([1.0, 0.0]))
    >>> round(found.treated, 6), round(found.predicted, 6)
    (0.5, 0.75)
    """
    spread = _spread(prediction)
    ours, theirs = float(treated.mean()), float(prediction.predicted.mean())
    parts = (treated - ours) - (prediction.predicted - theirs)
    error, df = spread(parts, 1.0)
    if not error > 0:
        raise NoEstimate("The outcome model leaves nothing unexplained.")
    log_error, log_df = math.nan, math.nan
    if ours > 0 and theirs > 0:
        parts = (treated - ours) / ours - (prediction.predicted - theirs) / theirs
        log_error, log_df = spread(parts, 1 / theirs)
    return Estimate(ours, theirs, error, log_error, df, log_df, prediction.certain)


@dataclass(frozen=True)
class _Family:
    """An outcome model with its own link: mean, its slope by mean, the likelihood's other part."""

    mean: Callable[[Floats], Floats]
    slope: Callable[[Floats], Floats]
    total: Callable[[Floats], Floats]
    link: Callable[[float], float]
    highest: float = math.inf
    lowest: float = 0.0


_FAMILIES = {
    "logistic": _Family(
        mean=expit,
        slope=lambda mean: mean * (1 - mean),
        total=lambda eta: np.logaddexp(0, eta),
        link=lambda mean: math.log(mean / (1 - mean)),
        highest=1.0,
    ),
    "quasi-Poisson": _Family(
        mean=np.exp, slope=lambda mean: mean, total=np.exp, link=lambda mean: math.log(mean)
    ),
    "linear": _Family(
        mean=lambda eta: eta,
        slope=lambda mean: np.ones_like(mean),
        total=lambda eta: eta**2 / 2,
        link=lambda mean: mean,
        lowest=-math.inf,
    ),
}


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fitted outcome model: what the errors need of it."""

    coefficients: Floats
    root: Floats
    """Lower Cholesky factor of H."""
    residual: Floats
    slope: Floats
    certain: bool


def _fit(design: Design, outcome: Floats, family: _Family) -> _Fit:
    """Fit an outcome model and see whether it determines anything."""
    average = float(design.weight @ outcome / design.weight.sum())
    if not family.lowest < average < family.highest or np.ptp(outcome) == 0:
        raise NoEstimate("Everyone in the comparison group has the same outcome.")
    at, mean = _solved(design, outcome, family, average)
    slope = family.slope(mean)
    if design.weight @ slope <= CERTAIN * design.weight.sum():
        raise NoEstimate("The outcome model predicts everyone with certainty.")
    certain = np.minimum(mean - family.lowest, family.highest - mean) < EDGE
    root = _root(design.comparison, design.weight * slope)
    return _Fit(at, root, outcome - mean, slope, bool(certain.any()))


def _solved(
    design: Design, outcome: Floats, family: _Family, average: float
) -> tuple[Floats, Floats]:
    """Solve the weighted score equations by Newton steps, the Hessian kept while it serves."""
    z, weight = design.comparison, design.weight
    at = z.T @ (weight * family.link(average))
    eta = z @ at
    root: Floats = np.eye(len(at)) * math.sqrt(family.slope(np.array([average]))[0])
    worth, before = _likelihood(weight, outcome, eta, family), math.inf
    for step in range(_STEPS):
        mean = family.mean(eta)
        gradient = z.T @ (weight * (outcome - mean))
        change, gain = _solve(root, gradient)
        if gain <= (_CLOSE if step < _PATIENT_STEPS else _CLOSE_ENOUGH) * weight.sum():
            return at, mean
        if gain > before / 50:
            root = _root(z, weight * family.slope(mean))
            change, gain = _solve(root, gradient)
        at, eta, worth = _step(design, outcome, family, at, eta, change, worth)
        before = gain
    raise NoEstimate("The outcome model did not converge.")


def _root(z: Floats, weight: Floats) -> Floats:
    """Return the lower Cholesky factor of the weighted cross-products."""
    scaled = z * np.sqrt(weight)[:, None]
    try:
        root = np.linalg.cholesky(scaled.T @ scaled)
    except np.linalg.LinAlgError as error:
        raise NoEstimate("The data do not determine the outcome model.") from error
    return np.asarray(root, dtype=np.float64)


def _solve(root: Floats, gradient: Floats) -> tuple[Floats, float]:
    """Return Newton's step, and twice what it is expected to gain."""
    half = solve_triangular(root, gradient, lower=True)
    return solve_triangular(root, half, lower=True, trans="T"), float(half @ half)


def _likelihood(weight: Floats, outcome: Floats, eta: Floats, family: _Family) -> float:
    with np.errstate(over="ignore"):
        return float(weight @ (outcome * eta - family.total(eta)))


def _step(
    design: Design,
    outcome: Floats,
    family: _Family,
    at: Floats,
    eta: Floats,
    change: Floats,
    worth: float,
) -> tuple[Floats, Floats, float]:
    """Go the way of `change`, half of it as long as the likelihood falls by more than rounding."""
    along = design.comparison @ change
    for halving in range(30):
        share = 0.5**halving
        further = _likelihood(design.weight, outcome, eta + share * along, family)
        if further >= worth - 1e-9 * abs(worth):
            break
    return at + share * change, eta + share * along, further


def _hat(design: Design, fit: _Fit) -> tuple[Floats, Floats]:
    """Return the rows U of which U U' is the hat matrix, and the Pearson residuals beside them."""
    scale = np.sqrt(design.weight * fit.slope)
    whiten = solve_triangular(fit.root, np.eye(len(fit.root)), lower=True).T
    pearson = np.zeros(len(scale))
    np.divide(design.weight * fit.residual, scale, out=pearson, where=scale > 0)
    return (design.comparison * scale[:, None]) @ whiten, pearson


def _influence(design: Design, rows: Floats, pearson: Floats, along: Floats) -> Floats:
    left = 1 - np.einsum("ij,ij->i", rows, rows)
    theirs = np.zeros(len(left))
    np.divide(rows @ along * pearson, np.sqrt(np.abs(left)), out=theirs, where=left > REPEATED)
    people = design.person[len(design.treated) :]
    by_person = np.bincount(people, theirs, int(design.person.max()) + 1)
    return np.asarray(by_person, dtype=np.float64)


def _spread(prediction: Prediction) -> Callable[[Floats, float], tuple[float, float]]:
    """Return what makes a standard error and its degrees of freedom.

    Of the treated people's own parts, and the scale of the prediction's influence.
    """
    if prediction.design.place is None:
        return partial(_by_person, prediction)
    return partial(_by_place, prediction, _places(prediction, prediction.design.place))


def _by_person(prediction: Prediction, ours: Floats, scale: float) -> tuple[float, float]:
    """Standard error by HC2, influences summed by person, and n - 1 degrees of freedom."""
    n, people = len(ours), len(prediction.influence)
    own = np.bincount(prediction.design.person[:n], ours / math.sqrt(n * (n - 1)), people)
    influence = own - scale * prediction.influence
    return math.sqrt(float(influence @ influence)), n - 1.0


@dataclass(frozen=True, eq=False)
class _Places:
    """What the comparison rows of each place do to the mean prediction.

    Parameters
    ----------
    treated : array
        Treated people of each place.
    influence : array
        On the mean prediction.
    expected : array of shape (places, places)
        Expected products of these influences under the working model.
    """

    treated: Floats
    influence: Floats
    expected: Floats


def _places(prediction: Prediction, place: Codes) -> _Places:
    """Sum influences by place with the correction of Bell and McCaffrey.

    In a place g, U_g U_g' is the block of the hat matrix and (I - U_g U_g')^(-1/2) U_g equals
    U_g (I - U_g' U_g)^(-1/2), so that all is as large as the number of terms.
    """
    rows, pearson, along = prediction.rows, prediction.pearson, prediction.along
    n, places = len(prediction.predicted), int(place.max()) + 1
    there = place[n:]
    hats, scores = np.empty((places, len(along), len(along))), np.empty((places, len(along)))
    order = np.argsort(there, kind="stable")
    bounds = np.searchsorted(there[order], np.arange(places + 1))
    for here, (first, last) in enumerate(pairwise(bounds)):
        part = rows[order[first:last]]
        hats[here] = part.T @ part
        scores[here] = part.T @ pearson[order[first:last]]
    reached = _root_inverses(hats, along)
    shared = (hats @ reached[:, :, None])[:, :, 0]
    influence, own = (np.einsum("ij,ij->i", reached, other) for other in (scores, shared))
    dispersion = float(pearson @ pearson) / max(1, len(pearson) - len(along))
    expected = (np.diag(own) - shared @ shared.T) * dispersion
    people = np.bincount(place[:n], minlength=places).astype(np.float64)
    return _Places(people, influence, expected)


def _by_place(
    prediction: Prediction, places: _Places, ours: Floats, scale: float
) -> tuple[float, float]:
    """Standard error by CR2, influences summed by place, and its degrees of freedom.

    These are 2 E(V)^2 / Var(V) under the working model, tr(E)^2 / tr(E^2) with E the expected
    products of the places' influences.
    """
    assert prediction.design.place is not None
    n, people = len(ours), places.treated
    inflate = 1 / np.sqrt(1 - np.minimum(people, n - 1) / n)
    influence = inflate * np.bincount(prediction.design.place[:n], ours, len(people)) / n
    influence -= scale * places.influence
    scaled = inflate * people
    expected = (np.diag(inflate * scaled) - np.outer(scaled, scaled) / n) * (
        float(ours @ ours) / (n - 1) / n**2
    )
    expected += scale**2 * places.expected
    df = float(np.trace(expected) ** 2 / (expected**2).sum())
    return math.sqrt(float(influence @ influence)), min(df, n - 1.0)


def _root_inverses(hats: Floats, along: Floats) -> Floats:
    """Return (I - hat)^(-1/2) along a direction, for each hat.

    By the binomial series, sum of C(2k, k) / 4^k hat^k, where it converges fast, as it does for
    every place that is one of many; else by the eigenvalues.
    """
    reached = np.tile(along, (len(hats), 1))
    small = np.sqrt(np.einsum("ijk,ijk->i", hats, hats)) <= QUICK
    for here in np.flatnonzero(~small):
        reached[here] = _root_inverse(hats[here]) @ along
    few, terms = hats[small], reached[small][:, :, None]
    total, least = terms.copy(), NOUGHT * np.abs(along).max(initial=0)
    power = 0
    while np.abs(terms).max(initial=0) > least:
        terms = (2 * power + 1) / (2 * power + 2) * (few @ terms)
        total += terms
        power += 1
    reached[small] = total[:, :, 0]
    return reached


def _root_inverse(hat: Floats) -> Floats:
    """Return (I - hat)^(-1/2), nothing along what one place alone determines."""
    values, vectors = np.linalg.eigh(hat)
    left = 1 - values
    power = np.where(left > REPEATED, 1 / np.sqrt(np.maximum(left, REPEATED)), 0.0)
    inverse: Floats = (vectors * power) @ vectors.T
    return inverse


def adjust(
    frame: pd.DataFrame, measure: str, terms: str, *, effect: Effect | None = None, **choices: Any
) -> Adjusted:
    """Adjust one measure; see `adjust_all`, whose `choices` it takes.

    Parameters
    ----------
    frame, terms
        As in `adjust_all`.
    measure : str
        One of ``effects.ALL``.
    effect : Effect, optional
        The headline result of the measure; compared here if absent.
    **choices
        As in `adjust_all`.

    Returns
    -------
    Adjusted
    """
    given = compare(frame, measure) if effect is None else effect
    return adjust_all(frame, {measure: given}, terms, **choices)[measure]


def beside(
    frame: pd.DataFrame,
    effects: Mapping[str, Effect],
    specification: Specification,
    **choices: Any,
) -> dict[str, Adjusted]:
    """Adjust each measure as the match was made; see `adjust_all`, whose `choices` it takes.

    Parameters
    ----------
    frame, effects
        As in `adjust_all`.
    specification : Specification
        Of the match: its terms, its method and its exact columns.
    **choices
        As in `adjust_all`.

    Returns
    -------
    dict of str to Adjusted
    """
    made = specification
    return adjust_all(frame, effects, made.terms, method=made.method, exact=made.exact, **choices)


def places_of(treated: pd.DataFrame, place: str) -> int:
    """Count the places that treated people come from.

    Parameters
    ----------
    treated : DataFrame
        Treated people with a match.
    place : str
        The column; whose place is not recorded counts for none.

    Examples
    --------
    >>> places_of(pd.DataFrame({"prison": ["A", "B", "A", None]}), "prison")
    2
    """
    known = treated[place].dropna()
    return int(known[known != UNRECORDED].nunique())


def adjust_all(
    frame: pd.DataFrame,
    effects: Mapping[str, Effect],
    terms: str,
    *,
    method: str = "radius",
    exact: Sequence[str] = (),
    significance: float = 0.05,
    person: str = "offender_id",
    place: str = "place",
    treated: str = "treated",
    weight: str = "weight",
) -> dict[str, Adjusted]:
    """Adjust the matched comparison on each measure by a model of its outcome.

    Parameters
    ----------
    frame : DataFrame
        Matched units with their outcomes and the variables of the terms; rows without a weight are
        left out.
    effects : mapping of str to Effect
        The headline results by measure. What is suppressed there is suppressed here, and what
        is not concluded there for want of numbers is not concluded here.
    terms : str
        Right side of the score's formula.
    method : {'radius', 'entropy balancing'}
        How the groups were matched.
    exact : sequence of str
        Columns that agreed in the match. Entropy balancing has made the shares of their
        combinations equal; the errors know of it.
    significance : float
        Of the two-sided test and, as 1 - significance, of the intervals.
    person, place, treated, weight : str
        Columns; `place` may be absent.

    Returns
    -------
    dict of str to Adjusted
        In the order of `effects`; see `estimate` for the method. The errors are clustered by place
        where the treatment group comes from ten places or more.

    Notes
    -----
    Groups made by entropy balancing differ in none of the terms, and the weighted difference is
    doubly robust already: it is what weighted least squares on the terms would give (Zhao and
    Percival 2017). Its check is the same difference with the error that the weights leave it,
    which Welch's test does not know of; see ``matching.entropy.difference``. Among reoffenders the
    groups are not balanced, and the difference is that of the weighted means there. No errors
    are clustered by place.
    """
    used = frame.loc[frame[weight] > 0]
    rows = _Rows(
        treated=used[treated].to_numpy(dtype=bool),
        weight=used[weight].to_numpy(dtype=float),
        person=pd.factorize(used[person])[0],
        place=pd.factorize(used[place], use_na_sentinel=False)[0] if place in used else None,
    )
    places = places_of(used.loc[rows.treated], place) if place in used else None
    check: _Check | None = None
    results = {}
    for name, effect in effects.items():
        model = MODELS[ALL[name].kind] if method == "radius" else method
        blank = Adjusted(effect.analysis, name, model, places=places, reason=effect.reason)
        if effect.conclusion == "suppressed":
            results[name] = blank
            continue
        if check is None:
            columns = _columns(used, terms)
            strata = support.strata(used, exact)
            by_place = places is not None and places >= FEWEST_PLACES
            check = (
                _Modelled(columns, rows if by_place else replace(rows, place=None))
                if method == "radius"
                else _Balanced.of(columns, strata, rows)
            )
        find = partial(check.estimate, model, ALL[name].rows(used), ALL[name].values(used))
        results[name] = _adjusted(blank, effect, find, significance)
    return results


@dataclass(frozen=True, eq=False)
class _Rows:
    """Matched units: whether treated, their weight, whose they are, and where."""

    treated: NDArray[np.bool_]
    weight: Floats
    person: Codes
    place: Codes | None


class _Found(NamedTuple):
    """An estimate, how its errors were made and what has to be said of it."""

    estimate: Estimate
    errors: str
    notes: tuple[str, ...]


class _Check(Protocol):
    """A way to the adjusted difference: the model, its rows and the outcome of every unit."""

    def estimate(self, model: str, inside: NDArray[np.bool_], outcome: Floats) -> _Found: ...


@dataclass(frozen=True, eq=False)
class _Modelled:
    """The outcome modelled in the comparison group; measures of the same rows share a design."""

    columns: formula.Design
    rows: _Rows
    designs: dict[bytes, Design] = field(default_factory=dict)

    def estimate(self, model: str, inside: NDArray[np.bool_], outcome: Floats) -> _Found:
        ours = self.rows.treated
        made = self._design(inside)
        found = estimate(predict(made, outcome[inside & ~ours], model), outcome[inside & ours])
        errors = "HC2 by person" if made.place is None else "CR2 by place"
        return _Found(found, errors, tuple(_notes(made, self.columns, found)))

    def _design(self, inside: NDArray[np.bool_]) -> Design:
        key = inside.tobytes()
        if key not in self.designs:
            rows = self.rows
            self.designs[key] = design(
                self.columns.values[inside],
                rows.treated[inside],
                rows.weight[inside],
                rows.person[inside],
                None if rows.place is None else rows.place[inside],
            )
        return self.designs[key]


@dataclass(frozen=True, eq=False)
class _Balanced:
    """Groups whose means entropy balancing has made equal: no model is needed, only its error."""

    groups: entropy.Balanced

    @classmethod
    def of(cls, columns: formula.Design, strata: Codes | None, rows: _Rows) -> _Balanced:
        shares = [] if strata is None else [strata[:, None] == np.unique(strata)]
        values = np.column_stack((columns.values, *shares))
        return cls(entropy.balanced(values, rows.treated, rows.weight, rows.person))

    def estimate(self, model: str, inside: NDArray[np.bool_], outcome: Floats) -> _Found:
        if np.ptp(outcome[inside]) == 0:
            raise NoEstimate("Everyone in both groups has the same outcome.")
        found = entropy.difference(self.groups, outcome, inside)
        df = float((inside & self.groups.treated).sum()) - 1
        means = found.treated, found.comparison
        made = Estimate(*means, found.error, found.log_error, df, df, certain=False)
        return _Found(made, "M-estimation by person", ())


def _columns(used: pd.DataFrame, terms: str) -> formula.Design:
    """Return the terms as numbers, built from the columns that they name."""
    named = formula.words(terms)
    return formula.design(terms, used[[column for column in used.columns if column in named]])


def _adjusted(
    blank: Adjusted, effect: Effect, find: Callable[[], _Found], significance: float
) -> Adjusted:
    try:
        found, errors, notes = find()
    except NoEstimate as error:
        return replace(blank, conclusion="inconclusive", reason=str(error))
    low, high = found.interval(significance)
    direction = "reduction" if found.difference < 0 else "increase"
    concludes = effect.reason is None and found.p_value <= significance
    has_ratio = found.log_error < FARTHEST
    ratio_low, ratio_high = found.ratio_interval(significance) if has_ratio else (None, None)
    return replace(
        blank,
        difference=found.difference,
        error=found.error,
        ci_low=low,
        ci_high=high,
        p_value=found.p_value,
        df=found.df,
        ratio=found.treated / found.predicted if has_ratio else None,
        ratio_low=ratio_low,
        ratio_high=ratio_high,
        errors=errors,
        conclusion=direction if concludes else "inconclusive",
        notes=notes,
    )


def _notes(design: Design, columns: formula.Design, found: Estimate) -> Iterator[str]:
    if design.repeats:
        left = ", ".join(columns.names[column] for column in design.repeats)
        yield (
            "Left out of the outcome model, because nobody in the comparison group varies there or "
            f"other terms say the same: {left}."
        )
    if found.certain:
        yield "The outcome model is certain of the outcome of some in the comparison group."
