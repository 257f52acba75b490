"""Canaries: one person planted in register and upload, and every way a notebook is known to leak.

.venv/bin/python tests/benchmarks/canaries.py --folder FOLDER          a tiny notebook
.venv/bin/python tests/benchmarks/canaries.py --folder FOLDER --real   four through `jdl release`

Each mode is one cell that mishandles the table of people. It runs through the same workers as a
release. Counted is where the canary can then be read: on the terminal, in file names, in any file
outside the restricted folder, temporary files included. A canary in what would be published is no
leak where the scan stops the release.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import nbformat
from nbformat import NotebookNode

from jdl import national, render, scan
from jdl.synthetic import synthesise
from jdl.workers import Failure, Job, crew

ROOT = Path(__file__).parents[2]
FORENAME, SURNAME, PNC, BORN, REFERENCE = (
    "Zebulonia", "Quillfeather", "1971/4399001K", "1971-03-09", "CANARY77",
)  # fmt: skip
TRACE = re.compile(
    rb"zebulonia|quillfeather|71/?4399001|canary77|1971-03-09|09/03/1971",
    re.I,
)
ROWS = f"""reference,forename,surname,date_of_birth,pnc_id
{REFERENCE},{FORENAME},{SURNAME},{BORN},{PNC}
B2,Bo,Lee,1980-02-01,
"""
PEOPLE = """
import os, sys, subprocess, warnings, logging, duckdb, pandas as pd
from pathlib import Path
from jdl.figures import Chart, Figure, Result, Sentence, Table
people = pd.read_csv(os.environ["JDL_PEOPLE"])
who = people.surname[0]
"""
MODES = {
    "a frame displayed": "people",
    "a frame printed": "print(people.to_string())",
    "group sizes": 'people.groupby("surname").size()',
    "a value counted": "people.surname.value_counts().to_dict()",
    "astype": "people.surname.astype(int)",
    "a missing key": "{'a': 1}[who]",
    "a cast in the engine": 'duckdb.sql("SELECT surname::INTEGER FROM people").fetchall()',
    "an assertion": "assert people.empty, people.surname.tolist()",
    "merge": 'pd.concat([people, people]).merge(people, on="surname", validate="1:1")',
    "a warning": "warnings.warn(who)",
    "logging": 'logging.getLogger("x").error(who)',
    "standard error": "print(who, file=sys.stderr)",
    "standard output": "print(who)",
    "the terminal itself": "os.write(1, who.encode()); os.write(2, who.encode())",
    "a helper's output": 'subprocess.run(["echo", who])',
    "a killed kernel": "os.write(2, who.encode()); os.kill(os.getpid(), 9)",
    "a crash": 'import faulthandler; faulthandler.enable(); os.environ["W"] = who; os.abort()',
    "exit with a message": "sys.exit(who)",
    "an error named after a person": "raise type(who, (Exception,), {})(who)",
    "a file left in the folder": 'Path(f"{who}.csv").write_text(people.to_csv())',
    "a temporary file left": "import tempfile; tempfile.NamedTemporaryFile("
    '"w", prefix=who, delete=False).write(people.to_csv())',
    "a helper that stays": 'subprocess.Popen(["sh", "-c", "sleep 30; echo " + who])',
    "a settrace": "sys.settrace(lambda frame, event, arg: print(who) and None); len(who)",
    "the shell's history": "get_ipython().history_manager.store_inputs(99, who); who",
    "a name in a sentence": 'Sentence.of(f"Of {who}.")',
    "a comment in a drawing": 'display({"image/svg+xml": f"<svg><!-- {who} --></svg>"}, raw=True)',
    "the title of a drawing": 'display({"text/html": f"<svg><title>{who}</title>"}, raw=True)',
    "an id in a drawing": "display("
    '{"text/html": f\'<svg><g id="{who.lower()}_1"/></svg>\'}, raw=True)',
    "a label of a chart": "import matplotlib.pyplot as plt\nplt.bar([who], [1]);\nplt.gcf()",
    "metadata of an output": 'display({"text/plain": "x"}, metadata={"who": who}, raw=True)',
    "a figure's name": 'Sentence.of(Figure(f"rate.{who}", 0.5, "proportion", "50"))',
    "after the last cell": 'Result({"status": who, "request": {}})',
}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
REAL = ("a frame displayed", "a cast in the engine", "a name in a sentence", "a killed kernel")


@dataclass(frozen=True)
class Seen:
    """Where the canary of one mode was."""

    mode: str
    ended: str
    terminal: int
    files: int
    record: bool
    stopped: bool

    @property
    def leaks(self) -> int:
        return self.terminal + self.files + (self.record and not self.stopped)


def files_of(notebook: NotebookNode) -> Mapping[str, bytes]:
    """Return the record of a tiny notebook; its result names the canary where the mode is last."""
    record = render._record(notebook)
    if b"uillfeather" in record["result.json"]:
        raise KeyError(SURNAME)
    return record


def notebook_of(code: str) -> NotebookNode:
    cells = [
        nbformat.v4.new_code_cell(PEOPLE, id="set-up"),
        nbformat.v4.new_code_cell(code, id="mode"),
    ]
    if "Result(" not in code:
        cells.append(
            nbformat.v4.new_code_cell('Result({"status": "reported", "request": {}})', id="record")
        )
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def world(folder: Path) -> tuple[Path, Path]:
    """Make a small vintage and requests with the canary in both."""
    synthesise(folder, offenders=20_000)
    [vintage] = folder.glob("synthetic-*")
    table = vintage / "offenders.parquet"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE offenders AS FROM '{table}'")
        con.execute(
            "INSERT INTO offenders (offender_id, pnc_id, forename, surname, date_of_birth, sex)"
            " VALUES ('P99999999', ?, ?, ?, ?, 'female')",
            [PNC, FORENAME, SURNAME, BORN],
        )
        con.execute(f"COPY offenders TO '{table}'")
    plant(folder / "requests")
    return vintage, folder / "requests"


def plant(requests: Path) -> None:
    file = requests / "north-star" / "upload.csv"
    lines = file.read_text(encoding="utf-8-sig").rstrip().splitlines()
    cells = lines[1].split(",")
    cells[:6] = [REFERENCE, FORENAME, SURNAME, "09/03/1971", "Female", PNC]
    file.write_text("\n".join([*lines, ",".join(cells)]) + "\n", encoding="utf-8")


def run_one(mode: str, folder: Path) -> None:
    """Run one mode as a release would, and say what the command would say."""
    notebook = folder / "code" / "tiny.ipynb"
    notebook.parent.mkdir(parents=True)
    nbformat.write(notebook_of(MODES[mode]), notebook)
    people = folder / "code" / "people.csv"
    people.write_text(ROWS)
    job = Job(
        name="tiny", notebook=notebook, parameters={}, files=files_of,
        environment={"JDL_PEOPLE": str(people)},
        folder=folder / "outputs" / "made", logs=folder / "outputs" / ".restricted" / "logs",
        key="k",
    )  # fmt: skip
    job.folder.parent.mkdir()
    with crew(1) as workers:
        [outcome] = workers.run([job], print)
    print(outcome.message if isinstance(outcome, Failure) else f"done {outcome.name}")


def traces(folder: Path, *but: Path) -> list[Path]:
    """Return the files whose name or content holds the canary, but for those below `but`."""
    found = []
    for path in sorted(folder.rglob("*")):
        if any(path.is_relative_to(one) for one in but):
            continue
        inside = path.is_file() and TRACE.search(path.read_bytes())
        if inside or TRACE.search(path.name.encode()):
            found.append(path)
    return found


def try_one(mode: str, folder: Path) -> tuple[str, int, list[Path], bool]:
    for name in ("tmp", "cwd"):
        (folder / name).mkdir(parents=True)
    told = subprocess.run(
        [sys.executable, __file__, "--folder", folder, "--one", mode],
        capture_output=True, check=False, timeout=300, cwd=folder / "cwd",
        env={**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said = told.stdout + told.stderr
    if b"done tiny" not in said and b"notebook tiny.ipynb" not in said:
        raise RuntimeError(f"the mode {mode} was not tried: {said.decode(errors='replace')[-500:]}")
    made, restricted = folder / "outputs" / "made", folder / "outputs" / ".restricted"
    left = traces(folder, made, restricted, folder / "code")
    ended = said.decode(errors="replace").strip().splitlines()[-1:]
    return "".join(ended), len(TRACE.findall(said)), left, bool(traces(made))


def run_all(folder: Path, modes: list[str]) -> list[Seen]:
    vintage, requests = world(folder / "data")
    tried = {mode: try_one(mode, folder / "runs" / str(n)) for n, mode in enumerate(modes)}
    published = folder / "published"
    for n, mode in enumerate(modes):
        made = folder / "runs" / str(n) / "outputs" / "made"
        if tried[mode][3]:
            shutil.copytree(made, published / str(n))
    published.mkdir(exist_ok=True)
    finds = scan.scan(published, national.open_vintage(vintage), requests).finds
    stopped = {find.file.split("/")[0] for find in finds}
    return [
        Seen(mode, ended, terminal, len(left), record, str(n) in stopped)
        for n, (mode, (ended, terminal, left, record)) in enumerate(tried.items())
    ]


def run_real(folder: Path, data: Path, month: str) -> list[Seen]:
    """Put a mode into a copy of the master, in a checkout of its own, and run `jdl release`."""
    seen = []
    shutil.copytree(data, folder / "data", ignore=shutil.ignore_patterns("truth"))
    plant(folder / "data" / "requests")
    for n, mode in enumerate(REAL):
        place = folder / f"real-{n}"
        for name in ("jdl", "templates", "notebooks", "CHANGELOG.md"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            (place / "code").mkdir(parents=True, exist_ok=True)
            copy(source, place / "code" / name)
        master = place / "code" / "notebooks" / "tailored_report.ipynb"
        notebook = nbformat.read(master, as_version=4)
        at = next(i for i, c in enumerate(notebook.cells) if c.id == "certain-passes")
        notebook.cells[at:at] = notebook_of(MODES[mode]).cells[:2]
        notebook.cells[at].source = notebook.cells[at].source.replace(
            'os.environ["JDL_PEOPLE"]', f"{str(place / 'code' / 'people.csv')!r}"
        )
        nbformat.write(notebook, master)
        (place / "tmp").mkdir()
        (place / "code" / "people.csv").write_text(ROWS)
        told = subprocess.run(
            [sys.executable, "-m", "jdl.cli", "release", month, "--data", folder / "data",
             "--requests", folder / "data" / "requests", "--outputs", place / "outputs"],
            capture_output=True, check=False, timeout=900, cwd=place / "code",
            env={**os.environ, "TMPDIR": str(place / "tmp"), "PYTHONPATH": str(place / "code")},
        )  # fmt: skip
        said = told.stdout + told.stderr
        outputs = place / "outputs"
        left = traces(place, outputs / ".restricted", outputs / ".work", place / "code")
        record, gone = bool(traces(outputs / ".work")), not (outputs / month).exists()
        line = said.decode(errors="replace").strip().splitlines()[-1]
        found = len(TRACE.findall(said))
        seen.append(Seen(f"release: {mode}", line, found, len(left), record, gone))
    return seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="scratch, new")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--only", action="append", help="a mode; all without it")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--data", type=Path, help="for --real: a vintage and its requests")
    parser.add_argument("--month", default="2014-01")
    given = parser.parse_args()
    folder = given.folder.resolve()
    if given.one:
        run_one(given.one, folder)
        return 0
    if given.real:
        seen = run_real(folder, given.data, given.month)
    else:
        seen = run_all(folder, given.only or list(MODES))
    print("| mode | terminal | other files | in the record | scan stops it | leaks |")
    print("|---|---|---|---|---|---|")
    for one in seen:
        stop = "yes" if one.stopped and one.record else "" if not one.record else "NO"
        row = (one.mode, one.terminal, one.files, "yes" if one.record else "", stop, one.leaks)
        print(f"| {' | '.join(map(str, row))} |")
    print(f"\n{len(seen)} modes, {sum(one.leaks for one in seen)} leaks")
    return int(any(one.leaks for one in seen))


if __name__ == "__main__":
    sys.exit(main())
