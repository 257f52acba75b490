"""Make one report, and a small release, again under other circumstances, and compare every file.

Run `.venv/bin/python tests/benchmarks/reruns.py DATA`: DATA holds a vintage and its requests. The
first table must show no file that differs. The second, with --processors, shows what the same
report comes to where other instructions of the processor do the sums: there files may differ, and
the largest relative difference of a figure is what a verification on another machine must allow.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import nbformat
from papermill.execute import execute_notebook

from jdl import execute, manifest, release

JDL = Path(sys.executable).with_name("jdl")
REPORT = "harbour-mentoring"
RELEASE = "2014-02"
SEED = 7
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
    release: bool = False
    stock: bool = False


def shuffle_tables(world: World) -> None:
    """Write every national table again: rows and columns in another order, stored otherwise."""
    drawn = random.Random(SEED)
    [vintage] = world.data.glob("*/vintage.toml")
    shutil.rmtree(vintage.parent / "prepared")
    for file in sorted(vintage.parent.glob("*.parquet")):
        with duckdb.connect(config={"threads": 1}) as con:
            con.execute("SELECT setseed(0.7)")
            names = [row[0] for row in con.execute(f"DESCRIBE FROM '{file}'").fetchall()]
            drawn.shuffle(names)
            columns = ", ".join(f'"{name}"' for name in names)
            con.execute(
                f"COPY (SELECT {columns} FROM '{file}' ORDER BY random()) TO '{file}.new' "
                "(FORMAT parquet, COMPRESSION gzip, ROW_GROUP_SIZE 30000)"
            )
        Path(f"{file}.new").replace(file)


def shuffle_upload(world: World) -> None:
    """Write an upload again with its rows and its columns in another order."""
    file = world.requests / REPORT / "upload.csv"
    drawn = random.Random(SEED)
    text = file.read_text(encoding="utf-8-sig")
    header, *rows = csv.reader(text.splitlines())
    places = list(range(len(header)))
    drawn.shuffle(places)
    drawn.shuffle(rows)
    with file.open("w", encoding="utf-8", newline="") as written:
        csv.writer(written).writerows([row[place] for place in places] for row in [header, *rows])


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
    Condition("upload shuffled", change=shuffle_upload),
    Condition("keys of the request reordered", change=reorder_request),
    Condition("rows of the log reversed", change=reverse_log),
    Condition("national tables shuffled, prepared again", change=shuffle_tables),
    Condition("stock papermill and kernel", stock=True),
    Condition("release, 1 job", options=("--jobs", "1"), release=True),
    Condition("release, 2 jobs", options=("--jobs", "2"), release=True),
    Condition("release, 3 jobs", options=("--jobs", "3"), release=True),
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


def run(condition: Condition, data: Path, scratch: Path) -> dict[str, bytes]:
    """Make a report or a release in a world of its own; return its files."""
    world = World(scratch, scratch / "data")
    shutil.copytree(data, world.data)
    condition.change(world)
    what = ["release", RELEASE] if condition.release else ["run", REPORT]
    places = ("--data", world.data, "--requests", world.requests, "--outputs", world.outputs)
    done = subprocess.run(
        [str(JDL), *what, *map(str, places), *condition.options],
        env={**os.environ, **condition.environment},
        cwd=condition.folder,
        umask=condition.umask,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{condition.name}: {done.stdout}{done.stderr}")
    month = RELEASE if condition.release else _month(world)
    made = world.outputs / (RELEASE if condition.release else f".work/{month}/{REPORT}")
    if condition.stock:
        return {"notebook.ipynb": stock(world, month)}
    return {
        path.relative_to(made).as_posix(): path.read_bytes()
        for path in sorted(made.rglob("*"))
        if path.is_file() and path.name not in RESTRICTED
    }


def _month(world: World) -> str:
    [folder] = (world.outputs / ".work").glob("????-??")
    return folder.name


def stock(world: World, name: str) -> bytes:
    """Run the notebook as papermill does by itself, with the kernel that Jupyter knows."""
    places = release.Places(world.data, world.requests, world.outputs)
    month = release.open_month(name, places, only=REPORT)
    folders = release._environment(month, month.work)
    with tempfile.TemporaryDirectory() as scratch:
        environment = execute._kernel_environment(Path(scratch), folders)
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(environment)
        try:
            executed = execute_notebook(
                str(release.REPORT),
                str(Path(scratch) / "out.ipynb"),
                parameters=month.entries[0].parameters,
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


def main() -> None:
    """Print both tables."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("data", type=Path)
    asked.add_argument("--processors", action="store_true", help="the second table only")
    asked.add_argument("--only", default="", help="conditions whose name holds this")
    given = asked.parse_args()
    firsts: dict[bool, dict[str, bytes]] = {}
    print("| condition | files compared | files that differ |\n|---|---|---|", flush=True)
    for condition in PROCESSORS if given.processors else CONDITIONS:
        if given.only not in condition.name:
            continue
        kind = condition.release
        if kind not in firsts:
            with tempfile.TemporaryDirectory() as scratch:
                first = Condition("first", release=kind)
                firsts[kind] = run(first, given.data.resolve(), Path(scratch))
        with tempfile.TemporaryDirectory() as scratch:
            made = run(condition, given.data.resolve(), Path(scratch))
        names = sorted({*made} if condition.stock else {*made, *firsts[kind]})
        differ = [name for name in names if made.get(name) != firsts[kind].get(name)]
        told = f"{len(differ)}: {', '.join(differ)}" if differ else "0"
        if given.processors:
            apart, where, texts, values = difference(
                firsts[kind]["figures.json"], made["figures.json"]
            )
            told += f"; {values} values, the most {apart:.1e} ({where}); {texts} printed texts"
        print(f"| {condition.name} | {len(names)} | {told} |", flush=True)
    print(f"Environment: {json.dumps(manifest.environment()['processor'])}")


if __name__ == "__main__":
    main()
