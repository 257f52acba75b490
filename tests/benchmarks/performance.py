"""Make every table of the README's chapter on speed: one command, each figure a ratio in one run.

    .venv/bin/python tests/benchmarks/performance.py --folder FOLDER

Each part is measured beside what it is compared with, on one machine at one time, in seconds of
the processor with the peak of memory. A part that is finished lies in FOLDER as Markdown and is not
measured again; `--only PART ...` takes some, `--again` measures anew. The whole takes hours.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import inspect
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "tailored_report.ipynb"
BIN = Path(sys.executable).parent
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SAMPLE, SEED, WORKERS = 6, 8, 2
LOOK = 0.5
LINKED, REGISTER = 2000, 1_000_000
TUTORIAL = "Splink, trained at once"
SUBREAPER = 36
OVERHEAD = "notebook overhead"
MISSING = "Not measured: "
PAPERMILL, NBCONVERT, PDF = "papermill", "nbconvert", "PDF"


@dataclass(frozen=True)
class Taken:
    """What a command took.

    Parameters
    ----------
    cpu, wall : float
        Seconds of the processor, of all that it started too, and by the clock.
    peak : float
        The most memory of all of them together, in GB; pages that several share count once.
    """

    cpu: float
    wall: float
    peak: float


def taken(command: Sequence[str | Path], environment: Mapping[str, str | None] = {}) -> Taken:
    """Run a command, waiting for all that it started, and measure it.

    Parameters
    ----------
    command : sequence of str or Path
    environment : mapping of str to str or None
        What differs from that of this process; None removes.
    """
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    changed = {name: value for name, value in environment.items() if value is not None}
    kept = {name: value for name, value in os.environ.items() if name not in environment}
    before, started, peak = _children(), time.monotonic(), 0
    with tempfile.TemporaryFile("w+") as said:
        running = subprocess.Popen(
            [str(part) for part in command], env=kept | changed, stdout=said, stderr=said
        )
        while running.poll() is None:
            peak = max(peak, _held(running.pid))
            time.sleep(LOOK)
        _bury()
        if running.returncode:
            said.seek(0)
            sys.exit(
                f"{' '.join(map(str, command))} ended with {running.returncode}:\n{said.read()}"
            )
    return Taken(_children() - before, time.monotonic() - started, peak / 1e9)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _held(number: int) -> int:
    held = 0
    with suppress(psutil.Error):
        for one in (process := psutil.Process(number), *process.children(recursive=True)):
            with suppress(psutil.Error):
                held += one.memory_full_info().pss
    return held


def _bury() -> None:
    """Wait for what a command left behind, so that its seconds count."""
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Write a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(str(cell) for cell in row)} |"


# The month


def month(folder: Path) -> Iterator[str]:
    """A month of 57 reports with bulletin, against the stock chain on a sample of them."""
    import busy_month

    data, requests, outputs = folder / "data", folder / "requests", folder / "outputs"
    where = ["--data", data, "--requests", requests, "--outputs", outputs]
    if not data.exists():
        taken([BIN / "jdl", "synth", "--out", data])
    if not requests.exists():
        busy_month.write(requests)
    prepared = taken([BIN / "jdl", "prepare", *where])
    ours = taken(
        [BIN / "jdl", "release", busy_month.RELEASE, *where, "--jobs", str(WORKERS), "--replace"]
    )
    made = outputs / busy_month.RELEASE
    run = json.loads((made / "run.json").read_text())
    reports = sorted(file.name for file in (made / "reports").iterdir())
    reused = [one["name"] for one in run["notebooks"] if one["reused"]]
    if reused:
        sys.exit(f"{len(reused)} requests were finished before: remove {outputs} to measure")
    spent = [one for notebook in run["notebooks"] for one in notebook["spent"]]
    analysis = sum(one["kernel"] for one in spent if one["stage"] != OVERHEAD)
    pdf = sum(one["worker"] for one in spent if one["part"] == PDF)
    sample = sorted(random.Random(SEED).sample(reports, min(SAMPLE, len(reports))))
    stock = [_stock(name, busy_month.RELEASE, data, requests, outputs) for name in sample]
    scale = len(reports) / len(sample)
    theirs = {step: scale * sum(one[step].cpu for one in stock) for step in stock[0]}
    whole, rest = sum(theirs.values()), ours.cpu - analysis - pdf
    wall = scale * sum(one[step].wall for one in stock for step in one)
    peaks = [max(one.peak for one in request.values()) for request in stock]
    yield (
        f"A month of {len(reports)} reports with bulletin, {WORKERS} workers; the stock chain runs "
        f"{len(sample)} of them one after another, drawn by seed, with threads unset, and its "
        "seconds are scaled by number; it makes no bulletin and no tables."
    )
    yield ""
    yield from table(
        ("", "`jdl release`", "stock chain", "times"),
        [
            ("CPU, s", f"{ours.cpu:.0f}", f"{whole:.0f}", f"{whole / ours.cpu:.1f}"),
            ("wall, s", f"{ours.wall:.0f}", f"{wall:.0f}", f"{wall / ours.wall:.1f}"),
            ("peak memory, GB", f"{ours.peak:.1f}", f"{max(peaks):.1f}", ""),
            ("analysis, CPU s", f"{analysis:.0f}", "in papermill", ""),
            ("PDF, CPU s", f"{pdf:.0f}", f"{theirs[PDF]:.0f}", f"{theirs[PDF] / pdf:.1f}"),
            *((f"{step} CLI, CPU s", "", f"{theirs[step]:.0f}", "") for step in COMMANDS),
            ("the rest, CPU s a report", f"{rest / len(reports):.2f}", "", ""),
        ],
    )
    yield ""
    yield f"Preparing the vintage took {prepared.cpu:.0f} CPU s more."


COMMANDS = (PAPERMILL, NBCONVERT)


def _stock(name: str, release: str, data: Path, requests: Path, outputs: Path) -> dict[str, Taken]:
    """Make one report by the commands that come with the tools, as people run them."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made.ipynb"
        environment: dict[str, str | None] = {
            **dict.fromkeys(THREADS),
            "JDL_VINTAGE": str(data),
            "JDL_REQUESTS": str(requests),
            "JDL_OUTPUTS": str(outputs),
            "JDL_RESULTS": str(outputs / release / "reports"),
            "JDL_RELEASE": release,
            "JDL_HANDED": scratch,
        }
        page = outputs / release / "reports" / name / "report.html"
        commands = {
            PAPERMILL: ["papermill", NOTEBOOK, made, "-p", "request_id", name, "-k", "python3"],
            NBCONVERT: ["jupyter-nbconvert", "--to", "html", made],
            PDF: ["weasyprint", page, Path(scratch) / "report.pdf"],
        }
        return {
            step: taken([BIN / command[0], *command[1:]], environment)
            for step, command in commands.items()
        }


# What others measure


def linked(folder: Path) -> Iterator[str]:
    """Linking 2,000 people to a million, and to ten, against Splink as its tutorial does it."""
    import accuracy
    import linkage_peers
    import registers

    rows, growth = [], {}
    for offenders, seed in ((REGISTER, 71), (10 * REGISTER, 72)):
        place = registers.Place(folder, offenders, seed)
        place.prepare()
        cohort = place.cohort(LINKED, 921, None)
        file = folder / f"linked-{offenders}.parquet"
        cohort.people.to_parquet(file)
        runs = {}
        for method in ("jdl", TUTORIAL) if offenders == REGISTER else ("jdl",):
            repeats = 1 if method == TUTORIAL else 3
            runs[method] = [linkage_peers.run(method, place, file) for _ in range(repeats)]
        cpu = {name: statistics.median(one.cpu for one in of) for name, of in runs.items()}
        growth[offenders] = cpu["jdl"]
        for name, of in runs.items():
            precision, recall, *_ = accuracy.best_judged(cohort, of[0].best)
            f1 = 2 * precision * recall / (precision + recall)
            peak = max(one.peak for one in of) / 1e9
            times = f"{cpu[name] / cpu['jdl']:.1f}"
            rows.append(
                (f"{offenders:,}", name, f"{cpu[name]:.2f}", times, f"{f1:.4f}", f"{peak:.2f}")
            )
    head = ("register", f"{LINKED:,} people, method", "CPU, s", "times jdl", "F1", "peak, GB")
    yield from table(head, rows)
    grown = growth[10 * REGISTER] / growth[REGISTER]
    yield ""
    yield f"From 1 to 10 million offenders the cost grows {grown:.1f} times."


def _of(module: str, name: str, **given: Any) -> Callable[[Path], Iterator[str]]:
    """Call a function of another benchmark, with the folder where it wants one."""

    def measured(folder: Path) -> Iterator[str]:
        try:
            called = getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError) as missing:
            yield f"{MISSING}{missing}."
            return
        wants = "folder" in inspect.signature(called).parameters
        yield from called(**given, **({"folder": folder} if wants else {}))

    return measured


PARTS: dict[str, tuple[str, Callable[[Path], Iterator[str]]]] = {
    "overhead": ("Around the analysis, per request", _of("overhead", "table")),
    "month": ("A month", month),
    "linkage": ("Linking", linked),
    "matching": (
        "Score, radius match and balance",
        _of("matching", "table", sizes=(REGISTER,), with_matchit=True),
    ),
    "second": ("A second request", _of("growth", "second")),
    "growth": ("Cost per request by size of the register", _of("growth", "table")),
    "engines": ("DuckDB and Spark", _of("engines", "table")),
}


def main() -> None:
    """Measure what is asked for and print all that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="scratch of many GB, kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--again", action="store_true", help="measure what is there anew")
    asked = parser.parse_args()
    for name in asked.only:
        title, part = PARTS[name]
        place = asked.folder.resolve() / name
        place.mkdir(parents=True, exist_ok=True)
        done = place.with_suffix(".md")
        if asked.again or not done.exists():
            lines = [f"### {title}", "", *part(place), ""]
            text = "\n".join(lines)
            if MISSING in text:
                print(text, flush=True)
                continue
            done.write_text(text, encoding="utf-8")
        print(done.read_text(encoding="utf-8"), flush=True)


if __name__ == "__main__":
    main()
