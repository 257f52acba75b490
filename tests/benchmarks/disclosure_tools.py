"""The same people tables through acro, through notebooks that print all, and through this package.

Run `.venv/bin/python tests/benchmarks/disclosure_tools.py --sets 50 --acro PYTHON`: random people
by level and whether they were found, as each lets them out; an intruder who knows how many of each
level were sent asks for every small count. PYTHON is an interpreter that holds acro.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from disclosure_people import KINDS, Sender, Upload, draw, knows
from intruder import WIDE, Found

ALONE = Path(__file__).with_name("acro_alone.py")
STATES = {"found": ("analysed", "lost"), "not found": ("not_found",)}


def people_tables(account: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the tables of who was found: a row a person, by the levels of each kind."""
    found = np.where(account["fate"] == "not_found", "not found", "found")
    return [pd.DataFrame({"group": kind, "level": account[kind], "found": found}) for kind in KINDS]


def through_acro(python: str, tables: Sequence[pd.DataFrame]) -> list[list[dict[str, Any]]]:
    """Return the cells that acro lets out of each table, margins included, in one run of it."""
    given = json.dumps([table.to_dict("list") for table in tables])
    run = subprocess.run(
        [python, str(ALONE)], input=given, capture_output=True, text=True, check=True
    )
    told: list[list[dict[str, Any]]] = json.loads(run.stdout)
    return told


def all_printed(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return every cell, as a notebook prints a table of pandas."""
    counts = table.groupby(["level", "found"]).size()
    return [
        {"level": level, "found": found, "count": int(many)}
        for (level, found), many in counts.items()
    ]


def reads(account: pd.DataFrame, told: Iterable[tuple[str, Iterable[dict[str, Any]]]]) -> Sender:
    """Return an intruder who knows who was sent and reads the cells of tables by kind.

    A margin is at least what is printed: acro leaves out of it what it withholds.
    """
    reader = Sender(account)
    for kind, cells in told:
        for cell in cells:
            if cell["count"] is not None and cell["level"] in set(account[kind]):
                among = account[kind] == cell["level"]
                if cell["found"] in STATES:
                    reader.know(reader.of(STATES[cell["found"]], among), cell["count"])
            elif cell["count"] is not None and cell["found"] in STATES:
                everybody = reader.of(STATES[cell["found"]])
                reader.know(everybody, cell["count"], len(account))
    return reader


def judge(account: pd.DataFrame, reader: Sender, shown: set[tuple[str, str]]) -> dict[str, int]:
    """Count the small counts of a reader's tables: told outright, worked out, narrowed, open."""
    counted = {"small": 0, "printed": 0, "worked out": 0, "narrowed": 0, "open": 0}
    for kind in KINDS:
        for level in sorted(account[kind].unique()):
            among = account[kind] == level
            count = int((account["fate"] != "not_found")[among].sum())
            whole = int(among.sum())
            if min(count, whole - count) >= WIDE:
                continue
            low, high = reader.range_of(reader.of(STATES["found"], among))
            found = Found(f"{kind} {level}", count, whole, low, high, withheld=True)
            counted["small"] += 1
            if (kind, level) in shown:
                counted["printed"] += 1
            elif low == high:
                counted["worked out"] += 1
            else:
                counted["open" if found.is_open else "narrowed"] += 1
    return counted


def printed(told: Iterable[tuple[str, Iterable[dict[str, Any]]]]) -> set[tuple[str, str]]:
    """Return the levels of which a cell is printed."""
    return {
        (kind, cell["level"])
        for kind, cells in told
        for cell in cells
        if cell["count"] is not None and cell["found"] in STATES
    }


def told_here(upload: Upload) -> tuple[Sender, set[tuple[str, str]]]:
    """Return who reads all that this package prints, and the levels whose count it gives."""
    rows = upload.told.rates.dropna(subset=["share"]).to_dict("records")
    exact = {
        (row["group"], row["level"])
        for row in rows
        if math.isclose(row["share"] * row["people"], row["people"]) or not row["share"]
    }
    return knows(upload), exact


def compare(uploads: Sequence[Upload], python: str | None) -> dict[str, dict[str, int]]:
    """Return the counts of `judge` by tool."""
    tables = [table for upload in uploads for table in people_tables(upload.account)]
    ways: dict[str, Callable[[], list[list[dict[str, Any]]]]] = {
        "pandas, papermill, nbconvert": lambda: [all_printed(table) for table in tables]
    }
    if python is not None:
        ways["acro"] = lambda: through_acro(python, tables)
    totals = {}
    for name, way in ways.items():
        told, judged = iter(way()), []
        for upload in uploads:
            cells = [(kind, next(told)) for kind in KINDS]
            reader = reads(upload.account, cells)
            judged.append(judge(upload.account, reader, printed(cells)))
        totals[name] = pd.DataFrame(judged).sum().to_dict()
    here = [judge(upload.account, *told_here(upload)) for upload in uploads]
    totals["this package"] = pd.DataFrame(here).sum().to_dict()
    return totals


def main() -> None:
    """Print what each tool lets out of the same people."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20141107)
    parser.add_argument("--acro", help="an interpreter that holds acro")
    asked = parser.parse_args()
    seeds = random.Random(asked.seed)
    uploads = [draw(np.random.default_rng(seeds.randrange(2**32))) for _ in range(asked.sets)]
    print("| tool | small counts | printed | worked out | narrowed | open |")
    print("|---|---|---|---|---|---|")
    for name, one in compare(uploads, asked.acro).items():
        print(f"| {name} | {' | '.join(str(many) for many in one.values())} |", flush=True)


if __name__ == "__main__":
    main()
