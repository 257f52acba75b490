"""The training study played again from the start: how many intervals hold the planted truth?

A replay keeps the 30,000 people of the training vintage, with their traits and their needs. All
else is drawn anew: the lives they live, who takes part in which programme, and the year that
follows. The national tables, the matching variables, the score, the match, the gate, the service's
test and the adjusted check are then made as for any request, by the cells of the notebook itself.
One thing is taken as given: everybody who took part is found, with the right sentence.

The truth of a replay is the mean difference that the programme makes to the chance of a proven
reoffence, of the people analysed: their year is lived `LIVES` times, with and without it. The study
is not free of bias, and what it comes from can be taken away (`--without`) or looked at
(`--chances`): other programmes work in the comparison group too; people are chosen by a need that
no table records; and who takes part leaves the pool with all sentences, so that of those who
reoffend, and are sentenced again, fewer stay in it. Run, for the file that the lessons show:

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/replays.py

A replay depends on its number alone. What is in the file is not played again, so the run can be
stopped at any time. For the bias, and for how often the analysed people reoffend beside how often
the same people would over many lives without any programme:

    .venv/bin/python tests/benchmarks/replays.py --without programmes --results elsewhere.csv
    .venv/bin/python tests/benchmarks/replays.py --without programmes need --chances 24
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
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from plain_names import keep_names
from redraws import NOTEBOOK, ROOT, World, again, taken

from jdl import covariates, outcomes
from jdl.synthetic import VINTAGE, VINTAGE_TOML, programmes
from jdl.synthetic.careers import Episodes, Programme, live
from jdl.synthetic.people import Draws, Floats, Ints, People, draw_people
from jdl.synthetic.programmes import PLANS, run
from jdl.synthetic.tables import disposal_ids, national_tables

FILE = ROOT / "jdl" / "learning" / "replays.csv"
REQUEST = "harbour-mentoring"
OFFENDERS, SEED = 30_000, 2014
REPLAYS = 200
LIVES = 200
FIRST_DRAW = 20_140_000
CAUSES = ("programmes", "need")
COLUMNS = (
    "replay", "accepted", "treated", "truth", "estimate", "ci_low", "ci_high",
    "adjusted", "adjusted_low", "adjusted_high",
)  # fmt: skip


def _drawn(number: int, people: People) -> tuple[People, Episodes, pd.DataFrame]:
    drawn = replace(people, draws=Draws.of(FIRST_DRAW + number, people.number))
    return drawn, *run(drawn, live(drawn), 0, 1, OFFENDERS)


def play(number: int, people: People) -> dict[str, Any]:
    """Play one replay: a row of the file, without figures where the gate stays shut."""
    drawn, episodes, takes = _drawn(number, people)
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
    with_, without = (_chances(number, people, e, one) for one in (PLANS[REQUEST].factor, 1.0))
    return float(with_.mean() - without.mean())


def _chances(number: int, people: People, e: Episodes, factor: float) -> Floats:
    """How often each sentence's year has a proven reoffence, over many lives."""
    many = np.tile(np.arange(len(e)), LIVES)
    world = World(
        taken(people, e.who[many]),
        replace(e.take(many), who=np.arange(len(many))),
        Programme(np.ones(len(many)), e.index[many], e.index[many] + 365),
    )
    factors, draw = np.full(len(many), factor), FIRST_DRAW + REPLAYS + number
    lived = again(world, np.arange(len(many)), factors, draw) > 0
    return np.asarray(lived.reshape(LIVES, len(e)).mean(axis=0))


def chances(number: int, people: People) -> dict[str, float]:
    """How often each group reoffended without the programme, and how often it would."""
    drawn, episodes, takes = _drawn(number, people)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder) / VINTAGE, drawn, episodes)
        names = _matched(Path(folder), drawn, episodes, takes)
        _through("planned", "place_of", names)
        _through("effects", "sample", names)
    used = names["matched"].frame.query("weight > 0")
    known = disposal_ids(drawn.number[episodes.who], episodes.number).to_pylist()
    place = {name: at for at, name in enumerate(known)}
    at = used["disposal_id"].map(place).to_numpy()
    of = _chances(number, drawn, episodes.take(at), 1.0)
    ours = (used["treated"] == 1).to_numpy()
    lived = takes.loc[takes["episode"].isin(at[ours]) & (takes["request"] == REQUEST), "without"]
    compared = names["compare"](names["sample"], measures=["rate"])["rate"].comparison
    return {
        "treatment group": float((lived > 0).mean()),
        "treatment group, chance": float(of[ours].mean()),
        "comparison group": compared.mean,
        "comparison group, chance": float(
            np.average(of[~ours], weights=used["weight"].to_numpy()[~ours])
        ),
    }


@contextlib.contextmanager
def without(causes: Sequence[str]) -> Iterator[None]:
    """Take a cause of bias away: what other programmes do, or the need in who takes part."""
    others = {name: replace(plan, factor=1.0) for name, plan in PLANS.items() if name != REQUEST}
    with contextlib.ExitStack() as stack:
        if "programmes" in causes:
            stack.enter_context(patch.dict(PLANS, others))
        if "need" in causes:
            stack.enter_context(patch.object(programmes, "UNMEASURED_SELECTION", 0.0))
        yield


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
    parser.add_argument("--without", nargs="*", choices=CAUSES, default=[], help="causes of bias")
    parser.add_argument("--chances", type=int, metavar="N", help="of so many replays, printed")
    chosen = parser.parse_args(arguments)
    if chosen.without and chosen.results == FILE and not chosen.chances:
        parser.error("--without needs --results: the file that is kept has every cause in it")
    people = draw_people(SEED, np.arange(OFFENDERS))
    with without(chosen.without):
        if chosen.chances:
            found = pd.DataFrame(chances(n, people) for n in range(1, chosen.chances + 1))
            print((100 * found.agg(["mean", "sem"])).round(1).to_string())
        else:
            _play_all(chosen, people)


def _play_all(chosen: argparse.Namespace, people: People) -> None:
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
