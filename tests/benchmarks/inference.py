"""Simulate requests with a planted effect and with none: bias, coverage, false alarms and power.

Run `.venv/bin/python tests/benchmarks/inference.py --results FILE`; with `--replications N` fewer
than a full run has, with `--scenario NAME` one of them. A replication is one line of the file; what
is there is not run again, so the study can be stopped at any time. It prints Markdown tables and
whether each bound holds: one is missed only by more than two Monte Carlo errors.
"""

import argparse
import csv
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from planted import SCENARIOS, Request, draw
from scipy.special import ndtr, ndtri

from jdl import companion
from jdl.effects import Effect, compare
from jdl.matching import pairs, radius, score
from jdl.power import reach

CALIPER = 0.2
OUTCOMES = {"rate": "rate", "count": "frequency"}
RAW, SERVICE, COMPANION, NEAREST = "raw", "service", "companion", "nearest"
ESTIMATORS = {
    RAW: "raw difference",
    SERVICE: "service's test",
    COMPANION: "adjusted check",
    NEAREST: "1:1 nearest",
}
WORLDS = ("planted", "null")
FIGURES = ("estimate", "error", "low", "high", "p")
KEYS = ("scenario", "replication")
TRUTHS = ("truth_rate", "truth_count", "analysed", "effective_n", "redrawn", "found")
COLUMNS = (
    *KEYS,
    *TRUTHS,
    *(
        f"{who}.{outcome}.{where}.{figure}"
        for who in ESTIMATORS
        for outcome in OUTCOMES
        for where in WORLDS
        for figure in FIGURES
    ),
)
GATED = tuple(name for name in SCENARIOS if name not in ("unmeasured need", "numbers needed"))
SEEDS_OF_REDRAWS = 20_151_210


# One replication


@dataclass(frozen=True, eq=False)
class Matched:
    """A request after matching: its rows with a weight, the treated first."""

    request: Request
    kept: np.ndarray
    """Which of the treated are analysed."""
    rows: np.ndarray
    """Which rows are analysed."""
    weight: np.ndarray
    design: companion.Design
    pairs: np.ndarray
    """Rows of the 1:1 pairs."""

    def prediction(self, outcome: str) -> companion.Prediction:
        """Fit the outcome model in the comparison group."""
        values = getattr(self.request, outcome)[self.rows[self.kept.sum() :]]
        return companion.predict(self.design, values, companion.MODELS[OUTCOMES[outcome]])


def replicate(name: str, replication: int) -> dict[str, float | str]:
    """Draw, match and analyse one request; without figures where no score could be fitted."""
    request = draw(name, replication)
    row: dict[str, float | str] = {"scenario": name, "replication": replication}
    matched = _matched(request)
    if matched is None:
        return row
    comparison = matched.weight[matched.kept.sum() :]
    row |= {
        "truth_rate": request.gain_rate[matched.kept].mean(),
        "truth_count": request.gain_count[matched.kept].mean(),
        "analysed": int(matched.kept.sum()),
        "effective_n": comparison.sum() ** 2 / (comparison**2).sum(),
    }
    for outcome in OUTCOMES:
        row |= _figures(matched, outcome)
    redraws = SCENARIOS[name].redraws
    if redraws:
        row |= _redrawn(matched, redraws, replication)
    return row


def _matched(request: Request) -> Matched | None:
    """Match as the product does: common support of the flags, score, radius, 1:1 pairs."""
    treated, variables = request.treated, request.variables
    ours = variables[treated]
    flat = np.ptp(ours, axis=0) == 0
    inside = (variables[:, flat] == ours[0, flat]).all(axis=1)
    rows = np.flatnonzero(inside)
    terms = np.ones((len(rows), 1 + int((~flat).sum())), order="F")
    terms[:, 1:] = variables[np.ix_(rows, ~flat)] if flat.any() else variables
    fit = score.fit(terms, treated[rows])
    if not fit.converged:
        return None
    weight = radius(fit.logit, treated[rows], CALIPER)
    found = pairs.nearest(fit.logit, treated[rows], CALIPER)
    used = weight > 0
    kept = np.zeros(int(treated.sum()), dtype=bool)
    kept[rows[used & treated[rows]]] = True
    return Matched(
        request,
        kept,
        rows[used],
        weight[used],
        companion.design(terms[used], treated[rows[used]], weight[used]),
        rows[found],
    )


def _figures(matched: Matched, outcome: str) -> dict[str, float]:
    """Return every estimator's figures on one outcome, with the planted effect and without."""
    request = matched.request
    without, n = getattr(request, outcome), int(matched.kept.sum())
    prediction = matched.prediction(outcome)
    figures = {}
    for where in WORLDS:
        values = without.copy()
        if where == "planted":
            values[: len(matched.kept)] = getattr(request, f"{outcome}_with")
        adjusted = companion.estimate(prediction, values[matched.rows[:n]])
        found = {
            RAW: _difference(values[request.treated], values[~request.treated]),
            SERVICE: _service(_compared(matched, values, outcome)),
            COMPANION: (
                adjusted.difference,
                adjusted.error,
                *adjusted.interval(),
                adjusted.p_value,
            ),
            NEAREST: _paired(-np.diff(values[matched.pairs], axis=1)),
        }
        for who, numbers in found.items():
            keys = (f"{who}.{outcome}.{where}.{figure}" for figure in FIGURES)
            figures |= dict(zip(keys, numbers, strict=True))
    return figures


def _compared(matched: Matched, values: np.ndarray, outcome: str) -> Effect:
    measure = OUTCOMES[outcome]
    column = "reoffended" if measure == "rate" else "reoffences"
    frame = pd.DataFrame(
        {
            "reoffended": True,
            column: values[matched.rows],
            "treated": matched.request.treated[matched.rows],
            "weight": matched.weight,
            "offender_id": matched.rows,
        }
    )
    return compare(frame, measure, minimum_events=0)


def _service(effect: Effect) -> tuple[float, ...]:
    half = (effect.ci_high - effect.ci_low) / 2
    return effect.difference, half / 1.96, effect.ci_low, effect.ci_high, effect.p_value


def _difference(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, ...]:
    error = math.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs))
    return _by_normal(ours.mean() - theirs.mean(), error)


def _paired(gaps: np.ndarray) -> tuple[float, ...]:
    return _by_normal(gaps.mean(), gaps.std(ddof=1) / math.sqrt(len(gaps)))


def _by_normal(estimate: float, error: float) -> tuple[float, ...]:
    half = float(ndtri(0.975)) * error
    p = float(2 * ndtr(-abs(estimate) / error))
    return estimate, error, estimate - half, estimate + half, p


def _redrawn(matched: Matched, redraws: int, replication: int) -> dict[str, float]:
    """Draw the treated people's outcomes again and count how often the effect is found."""
    request, n = matched.request, int(matched.kept.sum())
    rng = np.random.default_rng([SEEDS_OF_REDRAWS, replication])
    prediction = matched.prediction("rate")
    chance = request.chance[matched.kept]
    draws = (rng.random((redraws, n)) < chance).astype(float)
    found = sum(companion.estimate(prediction, one).p_value <= 0.05 for one in draws)
    return {"redrawn": redraws, "found": int(found)}


# The tables


@dataclass(frozen=True)
class Cell:
    """A figure and its Monte Carlo error."""

    value: float
    error: float

    def told(self, digits: int = 1, scale: float = 100) -> str:
        """Write both."""
        return f"{self.value * scale:.{digits}f} ({self.error * scale:.{digits}f})"


def mean(values: np.ndarray) -> Cell:
    """Return a mean."""
    return Cell(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values))))


def resampled(statistic: Callable[[np.ndarray], float], n: int, times: int = 200) -> Cell:
    """Return a statistic of replications, and its error by the bootstrap."""
    rng = np.random.default_rng(n)
    drawn = [statistic(rng.integers(0, n, n)) for _ in range(times)]
    return Cell(statistic(np.arange(n)), float(np.std(drawn, ddof=1)))


@dataclass(frozen=True, eq=False)
class Results:
    """The replications of one scenario that have a result."""

    name: str
    table: pd.DataFrame
    failed: int

    def __len__(self) -> int:
        return len(self.table)

    def get(self, who: str, outcome: str, where: str, figure: str) -> np.ndarray:
        """Return one figure of each replication."""
        return self.table[f"{who}.{outcome}.{where}.{figure}"].to_numpy()

    def truth(self, outcome: str, where: str) -> np.ndarray:
        """Return the mean planted difference over the analysed treated."""
        return self.table[f"truth_{outcome}"].to_numpy() * (where == "planted")

    def misses(self, who: str, outcome: str, where: str) -> np.ndarray:
        """Return how far each estimate is from the truth."""
        return self.get(who, outcome, where, "estimate") - self.truth(outcome, where)

    def bias(self, who: str, outcome: str, where: str = "planted") -> Cell:
        """Mean estimate minus truth."""
        return mean(self.misses(who, outcome, where))

    def rmse(self, who: str, outcome: str) -> Cell:
        """Root of the mean squared miss."""
        misses = self.misses(who, outcome, "planted")
        return resampled(lambda rows: math.sqrt((misses[rows] ** 2).mean()), len(self))

    def covers(self, who: str, outcome: str, where: str = "planted") -> Cell:
        """Share of intervals with the truth in them."""
        truth = self.truth(outcome, where)
        low, high = (self.get(who, outcome, where, end) for end in ("low", "high"))
        return mean((low <= truth) & (truth <= high))

    def finds(self, who: str, outcome: str, where: str) -> Cell:
        """Share of tests that are significant: power, or errors of the first kind."""
        return mean(self.get(who, outcome, where, "p") <= 0.05)

    def width(self, who: str, outcome: str) -> float:
        """Mean standard error over the standard deviation of the misses."""
        errors = self.get(who, outcome, "planted", "error")
        return float(errors.mean() / self.misses(who, outcome, "planted").std(ddof=1))

    def ratio_of_rmse(self, outcome: str) -> Cell:
        """Return the adjusted check's over that of 1:1 nearest."""
        ours, theirs = (self.misses(who, outcome, "planted") ** 2 for who in (COMPANION, NEAREST))
        return resampled(lambda r: math.sqrt(ours[r].mean() / theirs[r].mean()), len(self))

    def gain(self, outcome: str, *, at_equal_size: bool) -> Cell:
        """Power of the adjusted check minus that of the service's test."""
        planted, null = (
            [self.get(who, outcome, where, "p") for who in (COMPANION, SERVICE)] for where in WORLDS
        )

        def difference(rows: np.ndarray) -> float:
            powers = []
            for p, p_null in zip(planted, null, strict=True):
                limit = np.quantile(p_null[rows], 0.05) if at_equal_size else 0.05
                powers.append((p[rows] <= limit).mean())
            return float(powers[0] - powers[1])

        return resampled(difference, len(self))

    def people(self, outcome: str) -> float:
        """How many more people the service's test needs for the adjusted check's power."""
        powers = (self.finds(who, outcome, "planted").value for who in (COMPANION, SERVICE))
        ours, theirs = (float(ndtri(0.975) + ndtri(power)) for power in powers)
        return SCENARIOS[self.name].treated * ((ours / theirs) ** 2 - 1)


def rows_of(results: Results) -> Iterator[str]:
    """Write a row an estimator."""
    for who, label in ESTIMATORS.items():
        cells = [
            cell
            for outcome, scale, digits in (("rate", 100, 2), ("count", 1, 3))
            for cell in (
                results.bias(who, outcome).told(digits, scale),
                results.rmse(who, outcome).told(digits, scale),
                f"{results.width(who, outcome):.2f}",
                results.covers(who, outcome).told(),
                results.finds(who, outcome, "null").told(),
                results.finds(who, outcome, "planted").told(),
            )
        ]
        yield f"| {results.name} | {label} | {' | '.join(cells)} |"


HEAD = """\
| scenario | estimator | rate: bias | RMSE | error / SD | coverage | first kind | power \
| count: bias | RMSE | error / SD | coverage | first kind | power |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"""


def bounds(results: dict[str, Results]) -> Iterator[tuple[str, str, Cell, float, float, float]]:
    """Yield scenario, what is bounded, the figure, its least and greatest value, and its scale."""
    for name in GATED:
        if name not in results:
            continue
        one = results[name]
        yield name, "rate: bias, points", one.bias(COMPANION, "rate"), -0.003, 0.003, 100
        yield name, "rate: coverage, %", one.covers(COMPANION, "rate"), 0.94, 0.965, 100
        yield name, "rate: first kind, %", one.finds(COMPANION, "rate", "null"), 0.04, 0.06, 100
        yield name, "count: first kind, %", one.finds(COMPANION, "count", "null"), 0, 0.065, 100
    if "300 people" in results:
        one = results["300 people"]
        yield one.name, "RMSE over 1:1 nearest's", one.ratio_of_rmse("rate"), 0, 0.70, 1
        more = one.gain("rate", at_equal_size=False)
        yield one.name, "power over the service's, points", more, 0.04, 1, 100
    if "wrong score model" in results:
        one = results["wrong score model"]
        yield one.name, "count: bias", one.bias(COMPANION, "count"), -0.01, 0.01, 1
    if {"300 people", "numbers needed"} <= set(results):
        share = numbers_needed(results["300 people"], results["numbers needed"])
        yield "numbers needed", "formula over simulated, % off", share, -0.03, 0.03, 100


def numbers_needed(seen: Results, larger: Results) -> Cell:
    """Return how far the numbers needed are from the simulated sample size, as a share.

    Notes
    -----
    Formula: n ((z + zb) error / planted difference)^2 in each replication of 300 people, averaged
    over n. Simulated: the power of a study of about that size, its outcomes redrawn, moved to 80%
    along the same curve.
    """
    n = seen.table["analysed"].to_numpy()
    error = seen.get(COMPANION, "rate", "planted", "error")
    truth = seen.truth("rate", "planted")
    formula = float((n * (reach() * error / truth) ** 2).mean())
    found = larger.table["found"].to_numpy() / larger.table["redrawn"].to_numpy()
    size = float(larger.table["analysed"].mean())

    def simulated(rows: np.ndarray) -> float:
        return size * (reach() / float(ndtri(0.975) + ndtri(found[rows].mean()))) ** 2

    needed = resampled(simulated, len(larger))
    print(
        f"\nNumbers needed: {formula:.0f} by the formula; {needed.told(1, 1)} simulated, from a "
        f"power of {mean(found).told(2)} % with {size:.0f} people.\n"
    )
    return Cell(formula / needed.value - 1, needed.error / needed.value)


def tell(results: dict[str, Results]) -> bool:
    """Print the tables; tell whether every bound holds."""
    for one in results.values():
        print(f"{one.name}: {len(one):,} replications, {one.failed} without a score.")
    print(f"\n{HEAD}")
    for one in results.values():
        print("\n".join(rows_of(one)))
    for name in ("300 people", "small pool", "60 people", "30 people"):
        if name in results:
            one = results[name]
            print(
                f"\n{name}: power over the service's test "
                f"{one.gain('rate', at_equal_size=False).told()} points, "
                f"{one.gain('rate', at_equal_size=True).told()} at an equal error of the first "
                f"kind; the service's test would need {one.people('rate'):.0f} people more."
            )
    limits = list(bounds(results))
    print("\n| scenario | bound | measured | at least | at most | |\n|---|---|---|---|---|---|")
    passed = True
    for name, what, cell, least, most, scale in limits:
        slack = 2 * cell.error
        holds = least - slack <= cell.value <= most + slack
        passed &= holds
        digits = 3 if scale == 1 else 2
        print(
            f"| {name} | {what} | {cell.told(digits, scale)} | {least * scale:g} | "
            f"{most * scale:g} | {'pass' if holds else 'short'} |"
        )
    return passed


# The run


def outstanding(file: Path, names: Iterable[str], replications: int | None) -> list[tuple]:
    """List what is not yet in the file, of which a line cut short is taken away."""
    done = set()
    if file.exists():
        os.truncate(file, file.read_bytes().rfind(b"\n") + 1)
    if file.exists() and file.stat().st_size:
        table = pd.read_csv(file, usecols=list(KEYS))
        done = set(zip(table["scenario"], table["replication"], strict=True))
    return [
        (name, replication)
        for name in names
        for replication in range(replications or SCENARIOS[name].replications)
        if (name, replication) not in done
    ]


def run(file: Path, asked: Sequence[tuple], jobs: int) -> None:
    """Run replications and append each to the file."""
    new = not file.exists() or file.stat().st_size == 0
    with (
        file.open("a", newline="", encoding="utf-8") as out,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as workers,
    ):
        writer = csv.DictWriter(out, COLUMNS)
        if new:
            writer.writeheader()
        for row in workers.map(replicate, *zip(*asked, strict=True), chunksize=20):
            writer.writerow(row)
            out.flush()


def read(file: Path, names: Sequence[str], replications: int | None) -> dict[str, Results]:
    """Read the replications asked for."""
    table = pd.read_csv(file).drop_duplicates(list(KEYS)).sort_values(list(KEYS))
    results = {}
    for name in names:
        most = replications or SCENARIOS[name].replications
        part = table.loc[(table["scenario"] == name) & (table["replication"] < most)]
        got = part.loc[part["analysed"].notna()]
        if len(got):
            results[name] = Results(name, got.reset_index(drop=True), len(part) - len(got))
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is outstanding and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="the file to append to")
    parser.add_argument(
        "--replications", type=int, help="of each scenario (a full run's if absent)"
    )
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args(arguments)
    names = given.scenario or list(SCENARIOS)
    asked = outstanding(given.results, names, given.replications)
    if asked:
        run(given.results, asked, given.jobs)
    return 0 if tell(read(given.results, names, given.replications)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
