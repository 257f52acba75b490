"""Measure Apache Spark, on this machine alone, against DuckDB: a preparation and a request.

Run `.venv/bin/python tests/benchmarks/engines.py FOLDER [SIZE ...]`: FOLDER keeps one vintage a
size, by its number of offenders, with its uploads; what is missing there is made. Both engines work
side by side in one run, with the memory that each takes where nothing is said. It prints the table
of the README, from which one sees at which size to move.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import performance
from performance import BIN, Taken

SIZES = (200_000, 1_000_000)
REQUEST = "harbour-mentoring"


def measured(data: Path, engine: str) -> dict[str, Taken]:
    """What a preparation and a request take, one after the other.

    Parameters
    ----------
    data : Path
        Holds one vintage and its requests; what is prepared there is made anew.
    engine : str

    Returns
    -------
    dict of str to Taken
    """
    for made in (*data.glob("*/prepared"), data / engine):
        shutil.rmtree(made, ignore_errors=True)
    given = ["--engine", engine, "--data", data, "--requests", data / "requests"]
    commands: dict[str, list[str | Path]] = {
        "prepare": [BIN / "jdl", "prepare", *given],
        "run": [BIN / "jdl", "run", REQUEST, *given, "--outputs", data / engine],
    }
    return {step: performance.taken(command) for step, command in commands.items()}


def table(folder: Path, sizes: Sequence[int] = SIZES) -> Iterable[str]:
    """Return the table of the README: two rows a size, one a command, each engine in it.

    Parameters
    ----------
    folder : Path
        Keeps the vintages.
    sizes : sequence of int
        Offenders of each.
    """
    from jdl.synthetic import synthesise

    rows = []
    for size in sizes:
        data = folder / str(size)
        if not data.exists():
            synthesise(data, offenders=size)
        ours, theirs = (measured(data, engine) for engine in ("duckdb", "spark"))
        rows += [(f"{size:,}", f"`jdl {step}`", *_row(ours[step], theirs[step])) for step in ours]
    head = ("offenders", "", *(f"{what}, DuckDB / Spark" for what in ("CPU, s", "wall, s")))
    return performance.table((*head, "peak, GB, DuckDB / Spark", "times the CPU"), rows)


def _row(ours: Taken, theirs: Taken) -> tuple[str, ...]:
    return (
        f"{ours.cpu:.0f} / {theirs.cpu:.0f}",
        f"{ours.wall:.0f} / {theirs.wall:.0f}",
        f"{ours.peak:.1f} / {theirs.peak:.1f}",
        f"{theirs.cpu / ours.cpu:.1f}",
    )


def main() -> None:
    """Print the table of the sizes that are given."""
    print("\n".join(table(Path(sys.argv[1]).resolve(), list(map(int, sys.argv[2:])) or SIZES)))


if __name__ == "__main__":
    main()
