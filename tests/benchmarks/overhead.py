"""What a request costs beside its analysis: jdl against papermill's and nbconvert's commands.

Run `.venv/bin/python tests/benchmarks/overhead.py --data DATA --outputs SCRATCH ID...` on a
prepared vintage. Both run the same notebook for the same request with one numerical thread. Told
are the processor seconds of all that was started, less the analysis: the kernel's own seconds in
the cells after the set-up cell. Imports and set-up therefore count on both sides.

jdl: kernel, papermill and worker as its run file tells them, with all pages, spreadsheet, audit
copy and data files, without the PDF. What the command and its fork server spend besides, once
however many requests there are, counts whole on the row of one `jdl run` by itself, and by its
share on the row of a release, of as many requests as the one in the outputs has.

The commands: papermill with its defaults, then nbconvert to HTML with its defaults; they make no
spreadsheet and no audit copy, and nothing is added for that.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from month import peak_of
from psutil import Process

from jdl import forkserver
from jdl.execute import fixed_environment
from jdl.release import REPORT

BIN = Path(sys.executable).parent
SET_UP = "set-up"
BEFORE = ("starting", "parameters", "injected-parameters", SET_UP)
STARTED = "\nimport time as clock_; started_ = clock_.process_time()"
ENDED = (
    "\nimport os as os_, pathlib as pathlib_\n"
    "pathlib_.Path(os_.environ['JDL_SPENT']).write_text(str(clock_.process_time() - started_))"
)


@dataclass(frozen=True)
class Cost:
    """What a request costs.

    Parameters
    ----------
    beside, analysis : float
        Processor seconds of its own, outside the analysis and the PDF, and those of the analysis.
    peak : int
        The most memory of all processes together, in bytes.
    shared : float
        Processor seconds that all requests of a command have in common.
    """

    beside: float
    analysis: float
    peak: int
    shared: float = 0.0

    def among(self, requests: int) -> float:
        """Return the seconds beside the analysis of one of so many requests."""
        return self.beside + self.shared / requests


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, int]:
    """Processor seconds of a command and all it started and waited for, and their peak memory."""
    with tempfile.TemporaryFile() as told:
        running = subprocess.Popen(command, env=environment, stdout=told, stderr=told)
        peak, process = 0, Process(running.pid)
        while True:
            pid, status, used = os.wait4(running.pid, os.WNOHANG)
            if pid:
                break
            peak = peak_of(process, peak)
            time.sleep(0.2)
        running.returncode = os.waitstatus_to_exitcode(status)
        if running.returncode:
            told.seek(0)
            sys.exit(f"{' '.join(command)} stopped: {told.read().decode()[-2000:]}")
    return used.ru_utime + used.ru_stime, peak


def by_jdl(name: str, release: str, data: Path, requests: Path, outputs: Path) -> Cost:
    """One request by jdl, as its run file tells it; what that does not tell is shared."""
    folders = ["--data", str(data), "--requests", str(requests), "--outputs", str(outputs)]
    command = [str(BIN / "jdl"), "run", name, "--replace", *folders]
    spent, peak = measured(command, dict(os.environ))
    made = json.loads((outputs / ".work" / release / name / "run.json").read_text())
    analysis = sum(one["kernel"] for one in made["spent"] if one["part"] not in BEFORE)
    pdf = sum(one["worker"] for one in made["spent"] if one["part"] == "PDF")
    whole = sum(one["kernel"] + one["worker"] for one in made["spent"])
    return Cost(whole - analysis - pdf, analysis, peak, spent - whole)


def by_commands(name: str, release: str, data: Path, requests: Path, outputs: Path) -> Cost:
    """The same by papermill and nbconvert, from a copy of the notebook that tells its analysis."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        book = nbformat.read(REPORT, as_version=4)
        code = [cell for cell in book.cells if cell.cell_type == "code"]
        next(cell for cell in code if cell.id == SET_UP).source += STARTED
        code[-1].source += ENDED
        nbformat.write(book, scratch / "request.ipynb")
        environment = {
            **fixed_environment(),
            "JDL_VINTAGE": str(data.resolve()),
            "JDL_REQUESTS": str(requests.resolve()),
            "JDL_OUTPUTS": str(outputs.resolve()),
            "JDL_RESTRICTED": str((outputs / ".restricted").resolve()),
            "JDL_RESULTS": str((outputs / release / "reports").resolve()),
            "JDL_RELEASE": release,
            "JDL_HANDED": folder,
            "JDL_SPENT": str(scratch / "spent"),
        }
        made = str(scratch / "made.ipynb")
        papermill = [str(BIN / "papermill"), str(scratch / "request.ipynb"), made]
        first = measured([*papermill, "-p", "request_id", name, "--cwd", folder], environment)
        nbconvert = [str(BIN / "jupyter-nbconvert"), "--to", "html", made]
        second = measured(nbconvert, environment)
        analysis = float((scratch / "spent").read_text())
    return Cost(first[0] + second[0] - analysis, analysis, max(first[1], second[1]))


def loading() -> Cost:
    """What the fork server takes once a release."""
    before = os.times()
    server = forkserver.start(fixed_environment())
    server.fork(time.sleep, 0).wait()
    process = Process(server._process.pid)
    peak = process.memory_info().rss
    server.close()
    after = os.times()
    spent = after.children_user - before.children_user
    return Cost(spent + after.children_system - before.children_system, 0.0, peak)


def table(
    data: Path, requests: Path, outputs: Path, names: tuple[str, ...], repeats: int = 1
) -> list[tuple[str, ...]]:
    """Measure requests in turns, and return the rows of the README's table, its header first.

    Parameters
    ----------
    data, requests, outputs : Path
        As for `jdl run`; the vintage is prepared, and `outputs` holds the release of each request.
    names : tuple of str
        Ids of requests.
    repeats : int
        How often each; the median counts.
    """
    rows = [
        ("request", "jdl, CPU s", "papermill and nbconvert, CPU s", "times less",
         "analysis in each, CPU s", "peak of all processes in each, GB"),
    ]  # fmt: skip
    shared = []
    for name in names:
        asked = tomllib.loads((requests / name / "request.toml").read_text(encoding="utf-8"))
        release = asked["release"]
        place = (name, release, data, requests, outputs)
        turns = [(by_jdl(*place), by_commands(*place)) for _ in range(repeats)]
        ours, theirs = (
            Cost(*(statistics.median(vars(one)[key] for one in side) for key in vars(side[0])))
            for side in zip(*turns, strict=True)
        )
        together = len(list((outputs / release / "reports").iterdir()))
        for way, share in (
            (f"in a release of {together}", together),
            ("one `jdl run` by itself", 1),
        ):
            rows.append(
                (
                    f"{name}, {way}",
                    f"{ours.among(share):.2f}",
                    f"{theirs.beside:.2f}",
                    f"{theirs.beside / ours.among(share):.1f}",
                    f"{ours.analysis:.1f}, {theirs.analysis:.1f}",
                    f"{ours.peak / 1e9:.2f}, {theirs.peak / 1e9:.2f}",
                )
            )
        shared.append(ours.shared)
    once = loading()
    rows.append(
        ("command and fork server, once", f"{statistics.median(shared):.2f}", "", "", "", "")
    )
    rows.append(
        ("of these the fork server", f"{once.beside:.2f}", "", "", "", f"{once.peak / 1e9:.2f}")
    )
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--requests", type=Path)
    parser.add_argument("--outputs", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("names", nargs="+", metavar="ID")
    given = parser.parse_args()
    requests = given.requests or given.data / "requests"
    rows = table(given.data, requests, given.outputs, tuple(given.names), given.repeats)
    for place, row in enumerate(rows):
        print(f"| {' | '.join(row)} |")
        if place == 0:
            print("|---" * len(row) + "|")


if __name__ == "__main__":
    main()
