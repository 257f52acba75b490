"""The training study played again from the start: how many intervals hold the planted truth?

A replay keeps the 30,000 people of the training vintage, with their traits and their needs. All
else is drawn anew: the lives they live, who takes part in which programme, and the year that
follows. The national tables, the matching variables, the score, the match, the gate, the service's
test and the adjusted check are then made as for any request, by the cells of the notebook itself.
One thing is taken as given: everybody who took part is found, with the right sentence.

The truth of a replay is the mean difference that the programme makes to the chance of a proven
reoffence, of the people analysed: their year is lived `LIVES` times, with and without it. The
comparison group holds people who took part in other programmes, and people are chosen by a need
that no table records, so the study is not free of bias. Run, for the file that the lessons show:

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/replays.py

A replay depends on its number alone. What is in the file is not played again, so the run can be
stopped at any time.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from plain_names import keep_names
from redraws import NOTEBOOK, ROOT, World, again, taken

from jdl import covariates, outcomes
from jdl.synthetic import VINTAGE, VINTAGE_TOML
from jdl.synthetic.careers import Episodes, Programme, live
from jdl.synthetic.people import Draws, Ints, People, draw_people
from jdl.synthetic.programmes import PLANS, run
from jdl.synthetic.tables import disposal_ids, national_tables

FILE = ROOT / "jdl" / "learning" / "replays.csv"
REQUEST = "harbour-mentoring"
OFFENDERS, SEED = 30_000, 2014
REPLAYS = 200
LIVES = 200
FIRST_DRAW = 20_140_000
COLUMNS = (
    "replay", "accepted", "treated", "truth", "estimate", "ci_low", "ci_high",
    "adjusted", "adjusted_low", "adjusted_high",
)  # fmt: skip


def play(number: int, people: People) -> dict[str, Any]:
    """Play one replay: a row of the file, without figures where the gate stays shut."""
    drawn = replace(people, draws=Draws.of(FIRST_DRAW + number, people.number))
    episodes, takes = run(drawn, live(drawn), 0, 1, OFFENDERS)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder) / VINTAGE, drawn, episodes)
        names = _matched(Path(folder), drawn, episodes, takes)
        matched = names["matched"]
        row = {"replay": number, "accepted": int(matched.accepted), "treated": matched.treatment_n}
        if not matched.accepted:
            return row
        _through("planned", "place_of", names)
        _through("effects", "sample", names)
        _through("adjusted", "adjust", names)
        found = names["compare"](names["sample"], measures=["rate"])
        effect = found["rate"]
        check = names["adjust"](names["sample"], found, matched.specification)["rate"]
    used = matched.frame.query("treated == 1 and weight > 0")["disposal_id"]
    figures = {
        "truth": _truth(number, drawn, episodes, takes, set(used)),
        "estimate": effect.difference,
        "ci_low": effect.ci_low,
        "ci_high": effect.ci_high,
        "adjusted": check.difference,
        "adjusted_low": check.ci_low,
        "adjusted_high": check.ci_high,
    }
    return row | {name: f"{value:.6f}" for name, value in figures.items()}


def _write(folder: Path, people: People, episodes: Episodes) -> None:
    folder.mkdir()
    (folder / "vintage.toml").write_text(VINTAGE_TOML, encoding="utf-8")
    tables = national_tables(people, episodes)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="none")


def _matched(data: Path, people: People, episodes: Episodes, takes: pd.DataFrame) -> dict[str, Any]:
    """Take the notebook's cells up to the match, with the links as planted."""
    os.environ |= {"JDL_VINTAGE": str(data), "JDL_REQUESTS": str(ROOT / "requests")}
    names: dict[str, Any] = {"__name__": "__main__"}
    _through("parameters", "minimum_reoffenders", names)
    names["request_id"] = REQUEST
    for cell in ("set-up", "request-facts", "plan"):
        _through(cell, "", names)
    con = keep_names(names["vintage"].connect())
    for name, sql in {
        "index_disposals": covariates.definition(names["vintage"]),
        "outcomes": outcomes.definition(),
    }.items():
        con.execute(f"CREATE TABLE {name} AS {sql}")
    ours = takes.loc[takes["request"] == REQUEST]
    names |= {
        "ready": SimpleNamespace(con=con),
        "links": SimpleNamespace(near=pd.Series(_ids(people, ours["who"]))),
        "treated": _located(people, episodes, ours.loc[ours["role"] == "treated"]),
        "leads": False,
    }
    _through("candidates", "", names)
    _through("matched", "matched", names)
    return names


def _ids(people: People, who: pd.Series) -> list[str]:
    return [f"P{number:08d}" for number in people.number[who.to_numpy()]]


def _located(people: People, episodes: Episodes, takes: pd.DataFrame) -> pd.DataFrame:
    e = episodes.take(takes["episode"].to_numpy())
    return pd.DataFrame(
        {
            "disposal_id": disposal_ids(people.number[e.who], e.number).to_pylist(),
            "offender_id": _ids(people, takes["who"]),
            "index_date": _dates(e.index),
            "start": _dates(takes["start"].to_numpy()),
        }
    )


def _dates(days: Ints) -> Any:
    return pd.to_datetime(days.astype("datetime64[D]"))


def _through(cell: str, name: str, names: dict[str, Any]) -> None:
    """Run the statements of a cell of the notebook until one gives a name; all without a name."""
    for statement in ast.parse(_sources()[cell]).body:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(ast.Module([statement], []), cell, "exec"), names)
        targets = getattr(statement, "targets", [])
        if name and name in {
            part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)
        }:
            return


def _sources() -> dict[str, str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells}


def _truth(
    number: int, people: People, episodes: Episodes, takes: pd.DataFrame, used: set[str]
) -> float:
    """The mean difference that the programme makes to those analysed, over many lives."""
    ours = takes.loc[(takes["request"] == REQUEST) & (takes["role"] == "treated")]
    located = _located(people, episodes, ours)
    ours = ours.loc[located["disposal_id"].isin(used).to_numpy()]
    e = episodes.take(ours["episode"].to_numpy())
    many = np.tile(np.arange(len(e)), LIVES)
    world = World(
        taken(people, e.who[many]),
        replace(e.take(many), who=np.arange(len(many))),
        Programme(np.ones(len(many)), e.index[many], e.index[many] + 365),
    )
    factor = np.full(len(many), PLANS[REQUEST].factor)
    rows, draw = np.arange(len(many)), FIRST_DRAW + REPLAYS + number
    lived = (again(world, rows, one, draw) > 0 for one in (factor, np.ones(len(many))))
    with_, without = (one.mean() for one in lived)
    return float(with_ - without)


def outstanding(file: Path, wanted: Sequence[int]) -> list[int]:
    """List the replays that are not yet in the file; a line cut short is taken away."""
    if not file.exists() or not file.stat().st_size:
        return list(wanted)
    os.truncate(file, file.read_bytes().rfind(b"\n") + 1)
    done = set(pd.read_csv(file)["replay"])
    return [number for number in wanted if number not in done]


def main(arguments: Sequence[str] | None = None) -> None:
    """Play what is outstanding, a line of the file each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=FILE, help="the file to append to")
    parser.add_argument("--replays", type=int, default=REPLAYS)
    chosen = parser.parse_args(arguments)
    people = draw_people(SEED, np.arange(OFFENDERS))
    wanted = outstanding(chosen.results, range(1, chosen.replays + 1))
    new = not chosen.results.exists() or not chosen.results.stat().st_size
    with chosen.results.open("a", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        for number in wanted:
            writer.writerow(play(number, people))
            out.flush()


if __name__ == "__main__":
    main()
