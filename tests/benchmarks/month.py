"""Measure the main job: a fresh clone, `make release`, wall time, memory and each request's stages.

Run `.venv/bin/python tests/benchmarks/month.py`: it prints the table of the README.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
RELEASE = "2014-03"
COLUMNS = {
    "linkage": ("linkage", "sentence"),
    "matching": ("matching", "balance", "effects", "adjusted check"),
    "further analyses": ("further analyses", "sensitivity"),
    "findings": ("request", "findings", "bulletin"),
    "rendering": ("rendering",),
    "notebook overhead": ("notebook overhead",),
}


def peak_of(process: psutil.Process, peak: int) -> int:
    """The greatest memory of the process and all it started, together."""
    try:
        family = [process, *process.children(recursive=True)]
        held = sum(one.memory_info().rss for one in family if one.is_running())
    except psutil.NoSuchProcess:
        return peak
    return max(peak, held)


def timed(command: list[str], folder: Path) -> tuple[float, int]:
    """Run a command; its wall seconds and greatest memory in bytes."""
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    started = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=sys.stderr) as running:
        peak, process = 0, psutil.Process(running.pid)
        while running.poll() is None:
            peak = peak_of(process, peak)
            time.sleep(0.2)
    if running.returncode:
        sys.exit(f"{' '.join(command)} stopped with {running.returncode}")
    return time.monotonic() - started, peak


def main() -> None:
    """Clone, run, print."""
    with tempfile.TemporaryDirectory() as scratch:
        clone = Path(scratch) / "jdl"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        rows = []
        for label, command in (
            ("`make setup`", ["make", "setup"]),
            ("`jdl synth` (200,000 offenders)", [".venv/bin/jdl", "synth", "--out", "data"]),
            ("`jdl prepare`", [".venv/bin/jdl", "prepare"]),
            (f"`jdl release {RELEASE}`", [".venv/bin/jdl", "release", RELEASE]),
        ):
            rows.append((label, *timed(command, clone)))
        run = json.loads((clone / "outputs" / RELEASE / "run.json").read_text())
    print("| step | wall, s | peak memory, all processes, GB |\n|---|---|---|")
    for label, seconds, peak in rows:
        print(f"| {label} | {seconds:.0f} | {peak / 1e9:.1f} |")
    print(f"| all of `make release` | {sum(row[1] for row in rows):.0f} | |\n")
    print(f"| notebook | {' | '.join(f'{name}, s' for name in COLUMNS)} | kernel, GB |")
    print("|---|" + "---|" * (len(COLUMNS) + 1))
    for one in run["notebooks"]:
        spent = [
            sum(one["seconds"].get(stage, 0.0) for stage in stages) for stages in COLUMNS.values()
        ]
        kernel = (one["memory"]["kernel"] or 0) / 1e9
        print(f"| {one['name']} | {' | '.join(f'{s:.1f}' for s in spent)} | {kernel:.2f} |")


if __name__ == "__main__":
    main()
