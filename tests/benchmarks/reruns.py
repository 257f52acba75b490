"""Verify a release under 20 other circumstances, none of which may raise a false alarm.

Run `.venv/bin/python tests/benchmarks/reruns.py`: it makes a small world of its own, releases once,
and lets `jdl verify` make the release again with another hash seed, zone, locale, folder, number of
jobs and order of rows. The table must show no file that differs. With --processors it shows what
the report comes to where other instructions of the processor do the sums: there files may differ,
and the largest relative difference of a figure is what a verification elsewhere must allow.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import nbformat
from kills import ANALYSED, RELEASE, STOPPED, stop
from papermill.execute import execute_notebook

from jdl import execute, manifest, release

JDL = Path(sys.executable).with_name("jdl")
REPORT = ANALYSED
TIMES = 600.0
AT_ONCE = 2
BOOK = "notebook.ipynb"
RESTRICTED = ("run.json", "cohorts.json")
AVX = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR"
PLAIN_LIBC = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable"


@dataclass(frozen=True)
class World:
    """The inputs of a run, and the folder that it works in."""

    folder: Path
    data: Path

    @property
    def requests(self) -> Path:
        return self.data / "requests"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"


@dataclass(frozen=True)
class Condition:
    """What is otherwise than in the first run."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    change: Callable[[World], None] = lambda world: None
    folder: str | None = None
    umask: int = 0o022
    stock: bool = False


def shuffle_tables(world: World, seed: int) -> None:
    """Write every national table again: rows and columns in another order, stored otherwise."""
    drawn = random.Random(seed)
    [vintage] = world.data.glob("*/vintage.toml")
    shutil.rmtree(vintage.parent / "prepared")
    for file in sorted(vintage.parent.glob("*.parquet")):
        with duckdb.connect(config={"threads": 1}) as con:
            con.execute(f"SELECT setseed({seed / 10})")
            names = [row[0] for row in con.execute(f"DESCRIBE FROM '{file}'").fetchall()]
            drawn.shuffle(names)
            columns = ", ".join(f'"{name}"' for name in names)
            con.execute(
                f"COPY (SELECT {columns} FROM '{file}' ORDER BY random()) TO '{file}.new' "
                f"(FORMAT parquet, COMPRESSION gzip, ROW_GROUP_SIZE {seed * 4000})"
            )
        Path(f"{file}.new").replace(file)


def shuffle_upload(world: World, seed: int, rows: bool = True, columns: bool = True) -> None:
    """Write an upload again with its rows or its columns in another order.

    Blank rows stay where they are: how many lie between others is told, as a count of its own.
    """
    file = world.requests / REPORT / "upload.csv"
    drawn = random.Random(seed)
    text = file.read_text(encoding="utf-8-sig")
    header, *people = csv.reader(text.splitlines())
    places = list(range(len(header)))
    if columns:
        drawn.shuffle(places)
    if rows:
        filled = [row for row in people if any(row)]
        drawn.shuffle(filled)
        people = [filled.pop() if any(row) else row for row in people]
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows([row[place] for place in places] for row in [header, *people])


def reorder_request(world: World) -> None:
    """Write a request with its keys in another order, and with a comment."""
    file = world.requests / REPORT / "request.toml"
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    plain = {key: value for key, value in told.items() if not isinstance(value, dict)}
    lines = ["# the same in another order", *_toml(plain)]
    for table in reversed([key for key in told if key not in plain]):
        lines += ["", f"[{table}]", *_toml(told[table])]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert tomllib.loads(file.read_text(encoding="utf-8")) == told


def _toml(table: dict[str, object]) -> Iterator[str]:
    for key, value in reversed(table.items()):
        plain = isinstance(value, str | bool | int | float | list)
        yield f"{key} = {json.dumps(value, ensure_ascii=False) if plain else value}"


def reverse_log(world: World) -> None:
    """Write the log with its rows the other way round."""
    file = world.requests / "log.csv"
    header, *rows = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([header, *reversed(rows)]) + "\n", encoding="utf-8")


CONDITIONS = (
    Condition("again, nothing changed"),
    Condition("hash seed 1", {"PYTHONHASHSEED": "1"}),
    Condition("hash seed 4711", {"PYTHONHASHSEED": "4711"}),
    Condition("zone of Kiritimati", {"TZ": "Pacific/Kiritimati"}),
    Condition("zone of New York", {"TZ": "America/New_York"}),
    Condition("Turkish locale", {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}),
    Condition("locale C", {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0"}),
    Condition("another folder, home and umask", {"HOME": "/nowhere"}, folder="/", umask=0o077),
    Condition("four threads", {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}),
    Condition("rows of the upload shuffled", change=partial(shuffle_upload, seed=7, columns=False)),
    Condition("columns of the upload shuffled", change=partial(shuffle_upload, seed=7, rows=False)),
    Condition("rows and columns of the upload", change=partial(shuffle_upload, seed=8)),
    Condition("keys of the request reordered", change=reorder_request),
    Condition("rows of the log reversed", change=reverse_log),
    Condition("national tables shuffled", change=partial(shuffle_tables, seed=7)),
    Condition("national tables, otherwise stored", change=partial(shuffle_tables, seed=2)),
    Condition("1 job", options=("--jobs", "1")),
    Condition("2 jobs", options=("--jobs", "2")),
    Condition("3 jobs", options=("--jobs", "3")),
    Condition("stock papermill and kernel", stock=True),
)
PROCESSORS = (
    Condition("BLAS of Nehalem", {"OPENBLAS_CORETYPE": "Nehalem"}),
    Condition("BLAS of Haswell", {"OPENBLAS_CORETYPE": "Haswell"}),
    Condition("BLAS of SkylakeX", {"OPENBLAS_CORETYPE": "SkylakeX"}),
    Condition("numpy without AVX", {"NPY_DISABLE_CPU_FEATURES": AVX}),
    Condition("C library without FMA", {"GLIBC_TUNABLES": PLAIN_LIBC}),
    Condition(
        "all of an old processor",
        {
            "OPENBLAS_CORETYPE": "Nehalem",
            "NPY_DISABLE_CPU_FEATURES": AVX,
            "GLIBC_TUNABLES": PLAIN_LIBC,
            "ARROW_USER_SIMD_LEVEL": "NONE",
        },
    ),
)


def jdl(what: list[str], world: World, condition: Condition) -> subprocess.CompletedProcess[str]:
    """Let the command work in a world, under a condition."""
    places = ("--data", world.data, "--requests", world.requests, "--outputs", world.outputs)
    return subprocess.run(
        [str(JDL), *what, *map(str, places), *condition.options],
        env={**os.environ, **condition.environment},
        cwd=condition.folder,
        umask=condition.umask,
        capture_output=True,
        text=True,
        timeout=TIMES,
    )


def make(folder: Path, offenders: int) -> World:
    """Make data and one release of them, of which one request is analysed."""
    world = World(folder, folder / "data")
    synth = [str(JDL), "synth", "--offenders", str(offenders), "--out", str(world.data)]
    subprocess.run(synth, check=True, capture_output=True)
    stop(world.requests, STOPPED)
    done = jdl(["release", RELEASE], world, Condition("first"))
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}")
    return world


def rerun(condition: Condition, first: World) -> tuple[int, list[str], str]:
    """Make the release again; return how many files are compared, which differ, the verdict."""
    with tempfile.TemporaryDirectory(prefix="rerun-") as folder:
        world = World(Path(folder), Path(folder) / "data")
        shutil.copytree(first.folder, folder, dirs_exist_ok=True)
        condition.change(world)
        made = world.outputs / RELEASE
        if condition.stock:
            same = stock(world, RELEASE) == (made / "reports" / REPORT / BOOK).read_bytes()
            return 1, [] if same else [BOOK], "clean" if same else "differs"
        files = list(json.loads((made / manifest.MANIFEST).read_bytes())["files"])
        done = jdl(["verify", str(made)], world, condition)
        told = f"{done.stdout}{done.stderr}"
        if done.returncode not in (0, 1):
            return len(files), [], f"stopped: {told}"
        differ = (
            []
            if done.returncode == 0
            else [name for name in files if re.search(rf"(?<![\w/]){re.escape(name)}\b", told)]
        )
        return len(files), differ, "clean" if done.returncode == 0 else f"differs: {told}"


def calculated(condition: Condition, first: World) -> dict[str, bytes]:
    """Make the report under a condition; return its files."""
    with tempfile.TemporaryDirectory(prefix="rerun-") as folder:
        world = World(Path(folder), Path(folder) / "data")
        shutil.copytree(first.data, world.data)
        done = jdl(["run", REPORT], world, condition)
        if done.returncode:
            sys.exit(f"{condition.name}: {done.stdout}{done.stderr}")
        made = world.outputs / ".work" / RELEASE / REPORT
        return {
            path.relative_to(made).as_posix(): path.read_bytes()
            for path in sorted(made.rglob("*"))
            if path.is_file() and path.name not in RESTRICTED
        }


def stock(world: World, name: str) -> bytes:
    """Run the notebook as papermill does by itself, with the kernel that Jupyter knows."""
    places = release.Places(world.data, world.requests, world.outputs)
    month = release.open_month(name, places, only=REPORT)
    folders = release._environment(month, month.work)
    [asked] = month.entries
    with tempfile.TemporaryDirectory() as scratch:
        environment = execute._kernel_environment(Path(scratch), folders)
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        try:
            executed = execute_notebook(
                str(release.REPORT),
                str(Path(scratch) / "out.ipynb"),
                parameters=asked.parameters,
                kernel_name="python3",
                cwd=scratch,
                progress_bar=False,
            )
        finally:
            os.environ.clear()
            os.environ.update(before)
    return nbformat.writes(execute.normalise(executed)).encode() + b"\n"


def difference(before: bytes, after: bytes) -> tuple[float, str, int, int]:
    """Return the largest relative difference of a figure's value, which, and how many texts."""
    was, now = ({one["id"]: one for one in json.loads(content)} for content in (before, after))
    worst, where, texts, values = 0.0, "", len(was.keys() ^ now.keys()), 0
    for name in was.keys() & now.keys():
        texts += was[name]["text"] != now[name]["text"]
        one, other = was[name]["value"], now[name]["value"]
        values += one != other
        if isinstance(one, float | int) and isinstance(other, float | int) and one != other:
            apart = abs(one - other) / max(abs(one), abs(other))
            worst, where = max((worst, where), (apart, name))
        elif one != other:
            worst, where = math.inf, name
    return worst, where, texts, values


def verify_all(chosen: Sequence[Condition], first: World) -> int:
    """Print the table of reruns, made two at a time; return how many raised a false alarm."""
    print("| condition | reruns | files compared | files that differ | verdict |")
    print("|---|---|---|---|---|", flush=True)
    together = [one for one in chosen if not one.stock]
    alone = [one for one in chosen if one.stock]  # It changes the environment of this process.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(partial(rerun, first=first), together)
        alarms = sum(map(is_alarm, together, found))
    alarms += sum(is_alarm(one, rerun(one, first)) for one in alone)
    print(f"{alarms} false alarms in {len(chosen)} reruns, {len(together)} of them by jdl verify")
    return alarms


def is_alarm(condition: Condition, found: tuple[int, list[str], str]) -> bool:
    """Print what came of a rerun; return whether it was not the same."""
    files, differ, verdict = found
    names = f"{len(differ)}: {', '.join(differ)}" if differ else "0"
    print(f"| {condition.name} | 1 | {files} | {names} | {verdict} |", flush=True)
    return verdict != "clean"


def compare_processors(chosen: Sequence[Condition], first: World) -> None:
    """Print what the report comes to by other instructions of the processor."""
    usual = calculated(Condition("first"), first)
    print("| condition | files compared | files that differ |\n|---|---|---|", flush=True)
    for condition in chosen:
        made = calculated(condition, first)
        names = sorted({*made, *usual})
        differ = [name for name in names if made.get(name) != usual.get(name)]
        apart, where, texts, values = difference(usual["figures.json"], made["figures.json"])
        told = f"{len(differ)}: {', '.join(differ)}; " if differ else "0; "
        told += f"{values} values, the most {apart:.1e} ({where}); {texts} printed texts"
        print(f"| {condition.name} | {len(names)} | {told} |", flush=True)
    print(f"Environment: {json.dumps(manifest.environment()['processor'])}")


def main() -> None:
    """Print one of the tables."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--offenders", type=int, default=40_000, help="size of the made-up world")
    asked.add_argument("--processors", action="store_true", help="the second table only")
    asked.add_argument("--only", default="", help="conditions whose name holds this")
    given = asked.parse_args()
    chosen = [
        one for one in (PROCESSORS if given.processors else CONDITIONS) if given.only in one.name
    ]
    with tempfile.TemporaryDirectory(prefix="rerun-") as folder:
        first = make(Path(folder), given.offenders)
        if given.processors:
            compare_processors(chosen, first)
        elif verify_all(chosen, first):
            sys.exit(1)


if __name__ == "__main__":
    main()
