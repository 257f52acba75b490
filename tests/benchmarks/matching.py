"""Measure score, radius match and balance table: seconds, memory, ratios to peers and to the floor.

Run `.venv/bin/python tests/benchmarks/matching.py`: it prints the table of the README. Each case
runs in a process of its own, on one thread. `--matchit` adds R's MatchIt, where R has it: nearest
neighbour, which is another algorithm.

Seconds are of the processor, the least of the repeats, data loaded. Memory is the peak over that
of the process with everything imported, the data included. The floor is one reading of the matrix
for each gradient pass and one product for each information matrix that the score took.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
COVARIATES = 50
NUMBERS = 14
CALIPER = 0.2
MATCHIT = Path(__file__).with_name("matching_peers.R")


def make(folder: Path, n: int, treated: int, seed: int = 1) -> None:
    """Write a design matrix, ones first, and who was treated: drawn by a logistic model."""
    rng = np.random.default_rng(seed)
    matrix = np.lib.format.open_memmap(
        folder / "design.npy", "w+", np.float64, (n, 1 + COVARIATES), fortran_order=True
    )
    matrix[:, 0] = 1
    appeal = rng.gumbel(size=n)
    for j in range(1, 1 + COVARIATES):
        matrix[:, j] = (
            rng.normal(size=n) if j <= NUMBERS else rng.random(n) < rng.uniform(0.05, 0.5)
        )
        appeal += rng.normal(scale=0.15) * matrix[:, j]
    matrix.flush()
    np.save(folder / "treated.npy", np.isin(np.arange(n), np.argsort(-appeal)[:treated]))


def loaded(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return np.load(folder / "design.npy"), np.load(folder / "treated.npy")


def named(design: np.ndarray, **more: np.ndarray) -> pd.DataFrame:
    columns = [f"x{j}" for j in range(COVARIATES)]
    return pd.DataFrame(design[:, 1:], columns=columns, copy=False).assign(**more)


class Arrays:
    """Ours, from the design matrix."""

    label = "jdl, arrays"

    def __init__(self, folder: Path) -> None:
        from jdl import balance
        from jdl.matching import radius, score

        self.balance, self.radius, self.score = balance, radius, score

    def load(self, folder: Path) -> None:
        self.design, self.treated = loaded(folder)

    def run(self) -> np.ndarray:
        found = self.score.fit(self.design, self.treated)
        weight = self.radius(found.logit, self.treated, CALIPER)
        frame = named(self.design, treated=self.treated, weight=weight)
        self.balance.table(frame, list(frame.columns[:COVARIATES]))
        self.passes = found.passes
        return weight


class Frame(Arrays):
    """Ours, from a frame and a formula, by the estimator of statsmodels."""

    label = "jdl, frame and formula"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import statsmodels.formula.api as smf

        from jdl.matching import Specification, match

        terms = " + ".join(f"x{j}" for j in range(COVARIATES))
        self.specification = Specification("one", f"treated ~ {terms}", CALIPER)
        self.match, self.logit = match, smf.logit

    def load(self, folder: Path) -> None:
        design, treated = loaded(folder)
        self.frame = named(design, treated=treated, offender_id=np.arange(len(treated)))

    def run(self) -> np.ndarray:
        matched = self.match(self.frame, self.specification, estimator=self.logit)
        self.balance.table(matched.frame, list(self.frame.columns[:COVARIATES]))
        self.passes = matched.model.passes
        return matched.frame["weight"].to_numpy()


class Script:
    """What one would write with scikit-learn and pandas."""

    label = "plain scikit-learn script"

    def __init__(self, folder: Path) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.neighbors import KDTree

        self.regression, self.tree = LogisticRegression, KDTree

    def load(self, folder: Path) -> None:
        self.design, self.treated = loaded(folder)

    def run(self) -> np.ndarray:
        covariates = self.design[:, 1:]
        model = self.regression(C=np.inf, solver="newton-cholesky", tol=1e-8, max_iter=100)
        logit = model.fit(covariates, self.treated).decision_function(covariates)
        ours, theirs = logit[self.treated, None], logit[~self.treated, None]
        near = self.tree(theirs).query_radius(ours, CALIPER * logit.std(ddof=1))
        shares = np.zeros(len(theirs))
        for found in near:
            shares[found] += 1 / max(len(found), 1)
        weight = np.empty(len(logit))
        weight[self.treated] = [len(found) > 0 for found in near]
        weight[~self.treated] = shares
        self.compare(named(self.design, treated=self.treated, weight=weight))
        return weight

    def compare(self, frame: pd.DataFrame) -> pd.DataFrame:
        ours, theirs = frame[frame["treated"]], frame[~frame["treated"]]
        rows = []
        for column in frame.columns[:COVARIATES]:
            sd = ours[column].std()
            after = [np.average(g[column], weights=g["weight"]) for g in (ours, theirs)]
            rows.append(
                (
                    (ours[column].mean() - theirs[column].mean()) / sd,
                    (after[0] - after[1]) / sd,
                    ours[column].var() / theirs[column].var(),
                )
            )
        return pd.DataFrame(rows)


class Floor:
    """The readings of the matrix that the score took, and one product."""

    label = "floor"

    def __init__(self, folder: Path) -> None:
        self.passes = int((folder / "passes").read_text())

    def load(self, folder: Path) -> None:
        self.design, self.treated = loaded(folder)

    def run(self) -> np.ndarray:
        vector = np.zeros(1 + COVARIATES)
        for _ in range(self.passes):
            vector = vector + 0 * ((self.treated - self.design @ vector) @ self.design)
        return self.design.T @ self.design


CASES = {"arrays": Arrays, "frame": Frame, "script": Script, "floor": Floor}


def memory(field: str) -> float:
    """A field of this process's memory, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(field))
    return int(line.split()[1]) / 1024


def measure(case: str, folder: Path, repeats: int) -> None:
    """Run one case in this process and print what it took; keep its weights."""
    running = CASES[case](folder)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    running.load(folder)
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        weight = running.run()
        seconds.append(time.process_time() - started)
    np.save(folder / f"{case}.npy", weight)
    taken = {"seconds": min(seconds), "mb": memory("VmHWM") - before}
    print(json.dumps(taken | {"passes": getattr(running, "passes", None)}))


def child(case: str, folder: Path, repeats: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--case", case, "--folder", folder]
    done = subprocess.run(
        [*map(str, command), "--repeats", str(repeats)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ONE_THREAD,
    )
    return dict(json.loads(done.stdout))


def matchit(folder: Path) -> tuple[str, dict[str, float]]:
    """Measure R's MatchIt on the same data."""
    design, treated = loaded(folder)
    design[:, 1:].ravel(order="F").tofile(folder / "covariates.bin")
    treated.astype(np.float64).tofile(folder / "treated.bin")
    done = subprocess.run(
        ["Rscript", MATCHIT, folder, str(len(treated)), str(COVARIATES), str(CALIPER)],
        check=True, stdout=subprocess.PIPE, text=True, env=os.environ | ONE_THREAD,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    return f"R, MatchIt {found.pop('version')} nearest (another algorithm)", found


def compare(n: int, treated: int, repeats: int, with_matchit: bool) -> list[str]:
    """Measure all cases at one size: lines of the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make(folder, n + treated, treated)
        taken = {case: child(case, folder, repeats) for case in ("arrays", "frame", "script")}
        weights = [np.load(folder / f"{case}.npy") for case in taken]
        for other in weights[1:]:
            np.testing.assert_allclose(other, weights[0], rtol=0, atol=0.01)
        passes = int(taken["arrays"]["passes"])
        (folder / "passes").write_text(str(passes))
        taken["floor"] = child("floor", folder, repeats)
        labels = {case: CASES[case].label for case in taken}
        labels["floor"] += f": {passes} gradient passes and an information matrix"
        if with_matchit and shutil.which("Rscript"):
            labels["matchit"], taken["matchit"] = matchit(folder)
    return [
        f"| {n:,} | {labels[case]} | {one['seconds']:.2f} | {one['mb']:,.0f} | "
        + " | ".join(
            f"{one['seconds'] / taken[base]['seconds']:.1f}"
            for base in ("arrays", "frame", "floor")
        )
        + " |"
        for case, one in taken.items()
    ]


def table(
    sizes: Sequence[int] = (100_000, 1_000_000),
    treated: int = 1000,
    repeats: int = 3,
    with_matchit: bool = False,
) -> Iterator[str]:
    """Measure all cases at each size of the pool, side by side: lines of a Markdown table."""
    yield "| pool | what | CPU s | MB | times jdl, arrays | times jdl, formula | times the floor |"
    yield "|---|---|---|---|---|---|---|"
    for n in sizes:
        yield from compare(n, treated, repeats, with_matchit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--treated", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--matchit", action="store_true")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        measure(asked.case, asked.folder, asked.repeats)
        return
    for line in table(asked.sizes, asked.treated, asked.repeats, asked.matchit):
        print(line, flush=True)


if __name__ == "__main__":
    main()
