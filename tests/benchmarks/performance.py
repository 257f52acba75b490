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
import shutil
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
REQUESTS, SAMPLE, SEED, WORKERS = 57, 6, 8, 2
AROUND = ("womens-link", "family-matters-2013", "harbour-mentoring")
MONTHS = ("2014-01", "2014-02", "2014-03")
LOOK = 0.2
LINKED, REGISTER, REPEATS = 2000, 1_000_000, 3
TUTORIAL = "Splink, trained at once"
SUBREAPER = 36
OVERHEAD, RENDERING = "notebook overhead", "rendering"
ANALYSIS, REST = "analysis", "the rest"
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


# What several parts share


def vintage(folder: Path) -> Path:
    """Return a vintage of 200,000 offenders, made and prepared where it is missing."""
    data = folder / "200000"
    if not data.exists():
        taken([BIN / "jdl", "synth", "--out", data])
    taken([BIN / "jdl", "prepare", "--data", data, "--requests", data / "requests"])
    return data


def _where(data: Path, requests: Path, outputs: Path) -> list[str | Path]:
    return ["--data", data, "--requests", requests, "--outputs", outputs]


# The month


def month(folder: Path, count: int, sample: int) -> Iterator[str]:
    """A month of many reports with bulletin, against the stock chain on a sample of them."""
    import busy_month

    data, requests, outputs = vintage(folder.parent), folder / "requests", folder / "outputs"
    if not requests.exists():
        busy_month.write(requests, count)
    where = _where(data, requests, outputs)
    ours = taken(
        [BIN / "jdl", "release", busy_month.RELEASE, *where, "--jobs", str(WORKERS), "--replace"]
    )
    made = outputs / busy_month.RELEASE
    run = json.loads((made / "run.json").read_text())
    reports = sorted(file.name for file in (made / "reports").iterdir())
    if reused := sum(one["reused"] for one in run["notebooks"]):
        sys.exit(f"{reused} requests were finished before: remove {outputs} to measure")
    drawn = sorted(random.Random(SEED).sample(reports, min(sample, len(reports))))
    stock = [_stock(name, busy_month.RELEASE, data, requests, outputs) for name in drawn]
    scale = len(reports) / len(drawn)
    theirs = {step: scale * sum(one[step].cpu for one in stock) for step in stock[0]}
    wall = scale * sum(one[step].wall for one in stock for step in one)
    peak = max(one.peak for steps in stock for one in steps.values())
    split = _split(run["notebooks"], ours.cpu)
    whole, pdf = sum(theirs.values()), split.pop(PDF)
    rest = sum(split.values()) - split[ANALYSIS]
    yield (
        f"A month of {len(reports)} reports with bulletin, {WORKERS} workers, against the stock "
        "chain: papermill, nbconvert and WeasyPrint from the command line, one report after "
        f"another, threads unset, no bulletin, no spreadsheets. It made {len(drawn)} of the "
        f"reports, drawn by seed ({', '.join(drawn)}); its seconds here are those times "
        f"{scale:.2f}, its peak is the greatest of these."
    )
    yield ""
    yield from table(
        ("", "`jdl release`", "stock chain, scaled", "times"),
        [
            ("CPU, s", f"{ours.cpu:.0f}", f"{whole:.0f}", f"{whole / ours.cpu:.1f}"),
            ("wall, s", f"{ours.wall:.0f}", f"{wall:.0f}", f"{wall / ours.wall:.1f}"),
            ("peak memory, GB", f"{ours.peak:.1f}", f"{peak:.1f}", f"{peak / ours.peak:.1f}"),
            (f"{PDF}, CPU s", f"{pdf:.1f}", f"{theirs[PDF]:.1f}", f"{theirs[PDF] / pdf:.1f}"),
            *((f"{step}, CPU s", "", f"{theirs[step]:.0f}", "") for step in COMMANDS),
        ],
    )
    yield ""
    yield "Where the seconds of `jdl release` went, as its run file tells:"
    yield ""
    yield from table(
        ("", "CPU, s", "a report, s", "share"),
        [
            (name, f"{spent:.1f}", f"{spent / len(reports):.2f}", f"{spent / ours.cpu:.0%}")
            for name, spent in {
                ANALYSIS: split.pop(ANALYSIS),
                PDF: pdf,
                REST: rest,
                **split,
            }.items()
        ],
    )


def _split(notebooks: Sequence[Mapping[str, Any]], whole: float) -> dict[str, float]:
    """Split a release's processor seconds: the analysis, the PDF and, by kind, the rest."""
    spent = [one for notebook in notebooks for one in notebook["spent"]]
    before = [one for one in spent if one["stage"] != RENDERING]
    pages = [one for one in spent if one["stage"] == RENDERING]
    found = {
        ANALYSIS: sum(one["kernel"] for one in spent if one["stage"] != OVERHEAD),
        PDF: sum(one["worker"] for one in pages if one["part"] == PDF),
        "of it kernels until the set-up is done": sum(
            one["kernel"] for one in spent if one["stage"] == OVERHEAD
        ),
        "of it workers while cells run (papermill)": sum(one["worker"] for one in before),
        **{
            f"of it workers, {part}": sum(one["worker"] for one in pages if one["part"] == part)
            for part in dict.fromkeys(one["part"] for one in pages if one["part"] != PDF)
        },
    }
    return found | {"of it the command itself and its fork server": whole - sum(found.values())}


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
            "JDL_RESTRICTED": str(outputs / ".restricted"),
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


def around(folder: Path) -> Iterator[str]:
    """What requests cost beside their analysis, against the commands of papermill and nbconvert."""
    import overhead

    data, outputs = vintage(folder.parent), folder / "outputs"
    for one in MONTHS:
        if not (outputs / one).exists():
            taken([BIN / "jdl", "release", one, *_where(data, data / "requests", outputs)])
    head, *rows = overhead.table(data, data / "requests", outputs, AROUND, REPEATS)
    yield from table(head, rows)


def second(folder: Path) -> Iterator[str]:
    """A second request on a prepared vintage, against the first, which prepares."""
    data, outputs = folder / "data", folder / "outputs"
    if not data.exists():
        taken([BIN / "jdl", "synth", "--out", data])
    where = _where(data, data / "requests", outputs)
    rows = []
    for name in AROUND[:1]:
        shutil.rmtree(next(data.glob("synthetic-*")) / "prepared", ignore_errors=True)
        command = [BIN / "jdl", "run", name, "--replace", *where]
        first, again = taken(command), taken(command)
        times, held = first.cpu / again.cpu, f"{first.peak:.1f}, {again.peak:.1f}"
        rows.append(
            ("200,000", f"`jdl run {name}`", f"{first.cpu:.1f}", f"{again.cpu:.1f}",
             f"{times:.1f}", held)
        )  # fmt: skip
    for kept in sorted((folder.parent / "growth").glob("*/growth.json"), key=_size):
        found = json.loads(kept.read_text())
        if "preparing" in found and "request" in found:
            stages = sum(found["request"]["request"].values()) + found["opening"]["opening"]
            whole = found["preparing"]["preparing"] + stages
            peaks = [found[one]["memory"][one] / 1e9 for one in ("preparing", "request")]
            rows.append(
                (f"{_size(kept):,}", "its cells alone", f"{whole:.1f}", f"{stages:.1f}",
                 f"{whole / stages:.1f}", f"{peaks[0]:.1f}, {peaks[1]:.1f}")
            )  # fmt: skip
    head = ("offenders", "what", "first, CPU s", "second, CPU s", "times", "peak of each, GB")
    yield from table(head, rows)


def _size(kept: Path) -> int:
    return int(kept.parent.name)


def linked(folder: Path) -> Iterator[str]:
    """Linking 2,000 people to a million, against Splink as its tutorial does it; and to ten."""
    import accuracy
    import growth
    import linkage_peers
    import registers

    place = registers.Place(folder, REGISTER, 71)
    place.prepare()
    cohort = place.cohort(LINKED, 921, {})
    file = folder / "linked.parquet"
    cohort.people.to_parquet(file)
    rows, base = [], 0.0
    for method, repeats in (("jdl", REPEATS), (TUTORIAL, 1)):
        runs = [linkage_peers.run(method, place, file) for _ in range(repeats)]
        cpu, peak = statistics.median(one.cpu for one in runs), max(one.peak for one in runs) / 1e9
        base = base or cpu
        precision, recall, _ = accuracy.best_judged(cohort, runs[0].best)
        f1 = 2 * precision * recall / (precision + recall)
        rows.append((method, f"{cpu:.2f}", f"{cpu / base:.1f}", f"{f1:.4f}", f"{peak:.2f}"))
    yield f"{LINKED:,} people, a register of {REGISTER:,}; Splink trains and predicts, once."
    yield ""
    yield from table(("method", "CPU, s", "times jdl", "F1", "peak, GB"), rows)
    sizes = (REGISTER, 10 * REGISTER)
    grown = [growth.measured(folder.parent / "growth", size) for size in sizes]
    small, large = (one["linking"]["linking"] for one in grown)
    yield ""
    yield (
        f"From {sizes[0]:,} to {sizes[1]:,} offenders, on the vintages of the table by size, it "
        f"grows from {small:.1f} to {large:.1f} CPU s, {large / small:.1f} times."
    )


def _of(module: str, name: str, **given: Any) -> Callable[[Path], Iterator[str]]:
    """Call a function of another benchmark, with the folder where it wants one."""

    def measured(folder: Path) -> Iterator[str]:
        try:
            called = getattr(importlib.import_module(module), name)
        except (ModuleNotFoundError, AttributeError) as missing:
            yield f"{MISSING}{missing}."
            return
        wants = "folder" in inspect.signature(called).parameters
        told = called(**given, **({"folder": folder} if wants else {}))
        yield from told.splitlines() if isinstance(told, str) else told

    return measured


PARTS: dict[str, tuple[str, Callable[..., Iterator[str]]]] = {
    "overhead": ("Around the analysis, per request", around),
    "month": ("A month", month),
    "linkage": ("Linking", linked),
    "matching": (
        "Score, radius match and balance",
        _of("matching", "table", sizes=(REGISTER,), with_matchit=True),
    ),
    "growth": ("Cost per request by size of the register", _of("growth", "table")),
    "second": ("A second request", second),
    "engines": ("DuckDB and Spark", _of("engines", "table")),
}


def main() -> None:
    """Measure what is asked for and print all that is measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="scratch of many GB, kept")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--again", action="store_true", help="measure what is there anew")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of the month")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="of them by the stock chain")
    asked = parser.parse_args()
    how = {"month": {"count": asked.requests, "sample": asked.sample}}
    for name in asked.only:
        title, part = PARTS[name]
        place = asked.folder.resolve() / name
        place.mkdir(parents=True, exist_ok=True)
        done = place.with_suffix(".md")
        if asked.again or not done.exists():
            lines = [f"### {title}", "", *part(place, **how.get(name, {})), ""]
            text = "\n".join(lines)
            if MISSING in text:
                print(text, flush=True)
                continue
            done.write_text(text, encoding="utf-8")
        print(done.read_text(encoding="utf-8"), flush=True)


if __name__ == "__main__":
    main()
