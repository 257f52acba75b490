"""Does the interval hold the planted effect? The example requests with outcomes drawn again.

The vintage, the located people and the matched groups of each request stay as the notebook made
them; only the year of follow-up is lived again, by everybody, in the generator's own model with new
draws. The truth is the mean difference between the lives with and without the programme, of the
people analysed. Run, after `jdl synth --out data` and `jdl prepare`:

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/redraws.py --data data --redraws 2000

A request draws the same whichever others are asked for, so they can be shared among processes with
`--requests`.

Two things beside the planted effect set the groups apart. They differ in what no table holds:
lasting traits behind the careers, and the planted unmeasured need. And some people of the
comparison group took part in the programmes of other requests, which work too. With `--as-it-is`
both stay. Then they are a bias of this one sample, told in standard errors, and no interval can
hold 95 in a hundred of each request. Otherwise what the matching variables do not explain of the
logarithm of the hazard is dealt out anew among all people of the groups in each redraw, as if over
many samples, and the comparison group takes part in nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, t

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from plain_names import keep_names

from jdl import companion, effects, national
from jdl.companion import NoEstimate
from jdl.matching import Matched, formula
from jdl.synthetic import CHUNK
from jdl.synthetic.careers import Episodes, Programme, known, live, relive, reoffences
from jdl.synthetic.people import Bools, Draws, Floats, Ints, People, draw_people
from jdl.synthetic.programmes import PLANS, run
from jdl.synthetic.tables import disposal_ids, offence_rows

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "tailored_report.ipynb"
MEASURES = {"rate": "reoffended", "frequency": "reoffences"}
TRUTH_DRAWS = 400
LEAST_ALIKE = 0.99


# ------------------------------------------------------------------------------ the matched groups


def matched_by_notebook(request_id: str) -> Matched | None:
    """Run the notebook's own cells until the groups are matched; None where it stops before.

    Disposals keep their names, since their lives are found again by them.
    """
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec("".join(cell["source"]), names)
        except SystemExit:
            return None
        if "parameters" in cell["metadata"].get("tags", ()):
            names["request_id"] = request_id
        if "ready" in names and "located" not in names:
            keep_names(names["ready"].con)
        if isinstance(names.get("matched"), Matched):
            return names["matched"]
    return None


# ----------------------------------------------------------------------------------- lives again


@dataclass(frozen=True)
class World:
    """Everybody as the generator made them, ready to live a year again.

    Parameters
    ----------
    people : People
        One element a disposal: whose it is.
    episodes : Episodes
        The disposals; ``who`` is the place in `people`.
    programme : Programme
        What programmes do to each of them.
    """

    people: People
    episodes: Episodes
    programme: Programme


def taken(people: People, index: Ints) -> People:
    """Some of the people, in an order, perhaps several times."""
    chosen: dict[str, Any] = {}
    for field in fields(People):
        value = getattr(people, field.name)
        if isinstance(value, Draws):
            chosen[field.name] = value.take(index)
        elif isinstance(value, tuple):
            chosen[field.name] = tuple(part[index] for part in value)
        else:
            chosen[field.name] = value[index]
    return People(**chosen)


def world(seed: int, offenders: int, wanted: pd.Series) -> World:
    """Make the people again and find the disposals, in the order of `wanted`."""
    parts, order = [], []
    starts = range(0, offenders, CHUNK)
    places = pd.Series(range(len(wanted)), index=wanted.to_numpy())
    for chunk, start in enumerate(starts):
        people = draw_people(seed, np.arange(start, min(start + CHUNK, offenders)))
        episodes, takes = run(people, live(people), chunk, len(starts), offenders)
        ids = disposal_ids(people.number[episodes.who], episodes.number).to_pylist()
        found = np.flatnonzero(pd.Index(ids).isin(wanted))
        programme = _programme(people, episodes, takes)
        who = episodes.who[found]
        parts.append((taken(people, who), episodes.take(found), programme, who))
        order.append(places.loc[[ids[row] for row in found]].to_numpy())
    return _in_order(parts, np.argsort(np.concatenate(order)), len(wanted))


def _programme(people: People, episodes: Episodes, takes: pd.DataFrame) -> Programme:
    """Who took part truly, and between which days that counts."""
    programme = Programme.none(len(people))
    treated = takes.loc[takes["role"] == "treated"]
    e = episodes.take(treated["episode"].to_numpy())
    programme.factor[e.who] = [PLANS[name].factor for name in treated["request"]]
    inside = np.array([PLANS[name].setting == "custody" for name in treated["request"]])
    programme.start[e.who] = np.where(inside, e.index, treated["start"].to_numpy())
    programme.end[e.who] = e.index + 365
    return programme


def _in_order(parts: list[Any], order: Ints, size: int) -> World:
    if len(order) != size:
        sys.exit("The vintage was made with another seed or size: name them.")
    people, programme = {}, {}
    for field in fields(People):
        values = [getattr(part[0], field.name) for part in parts]
        if field.name == "draws":
            people[field.name] = Draws(np.concatenate([value.keys for value in values])[order])
        elif isinstance(values[0], tuple):
            people[field.name] = tuple(
                np.concatenate(halves)[order] for halves in zip(*values, strict=True)
            )
        else:
            people[field.name] = np.concatenate(values)[order]
    for field in fields(Programme):
        values = [getattr(part[2], field.name)[part[3]] for part in parts]
        programme[field.name] = np.concatenate(values)[order]
    episodes = Episodes.join([part[1] for part in parts]).take(order)
    return World(People(**people), replace(episodes, who=np.arange(size)), Programme(**programme))


def again(
    all_: World, rows: Ints, factor: Floats, draw: int | None, log_hazard: Floats | None = None
) -> Ints:
    """Count the proven reoffences of the year from some disposals, lived with new draws or own."""
    people = taken(all_.people, rows)
    if draw is not None:
        people = replace(people, draws=Draws.of(draw, rows))
    episodes = replace(all_.episodes.take(rows), who=np.arange(len(rows)))
    if log_hazard is not None:
        episodes = replace(episodes, log_hazard=log_hazard)
    programme = Programme(factor, all_.programme.start[rows], all_.programme.end[rows])
    year = replace(people, death=np.minimum(people.death, episodes.index + 367))
    after = relive(year, episodes, programme)
    after = after.take(known(people, after))
    return reoffences(offence_rows(people, after), episodes.who, episodes.index)


# --------------------------------------------------------------------------------------- a request


@dataclass(frozen=True)
class Sample:
    """The matched groups of a request, with what is needed to draw and to test.

    Of the logarithm of each row's hazard, `explained` is what the matching variables tell of it and
    `unseen` the rest.
    """

    frame: pd.DataFrame
    treated: Bools
    rows: Ints
    programme: Floats
    design: companion.Design
    explained: Floats
    unseen: Floats

    def log_hazard(self, as_it_is: bool, draw: int) -> Floats:
        """What is not seen as it is, or dealt out anew."""
        if as_it_is:
            return self.explained + self.unseen
        return self.explained + np.random.default_rng(draw).permutation(self.unseen)


def sample_of(matched: Matched, places: pd.Series, all_: World) -> Sample:
    """Prepare a matched sample: the outcome model's terms never change."""
    frame = matched.frame.loc[matched.frame["weight"] > 0].reset_index(drop=True)
    treated = frame["treated"].to_numpy(dtype=bool)
    rows = places.loc[frame["disposal_id"]].to_numpy()
    where = None
    if "place" in frame and frame.loc[treated, "place"].nunique() >= companion.FEWEST_PLACES:
        where = pd.factorize(frame["place"], use_na_sentinel=False)[0]
    named = set(re.findall(r"[^\W\d]\w*", matched.specification.terms))
    columns = [column for column in frame.columns if column in named]
    terms = formula.design(matched.specification.terms, frame[columns]).values
    weight = frame["weight"].to_numpy(dtype=float)
    people = pd.factorize(frame["offender_id"])[0]
    log_hazard = all_.episodes.log_hazard[rows]
    explained = terms @ np.linalg.lstsq(terms, log_hazard, rcond=None)[0]
    return Sample(
        frame=frame[["offender_id", "treated", "weight"]],
        treated=treated,
        rows=rows,
        programme=all_.programme.factor[rows],
        design=companion.design(terms, treated, weight, people, where),
        explained=explained,
        unseen=log_hazard - explained,
    )


def truth(sample: Sample, all_: World, seed: int, draws: int, as_it_is: bool) -> dict[str, float]:
    """The planted effect on those analysed: the same draws with and without their programme."""
    ours = sample.rows[sample.treated]
    worlds = (sample.programme[sample.treated], np.ones(len(ours)))
    sums = np.zeros(2)
    for draw in range(seed, seed + draws):
        hazard = sample.log_hazard(as_it_is, draw)[sample.treated]
        with_, without = (again(all_, ours, factor, draw, hazard) for factor in worlds)
        sums += [(with_ > 0).mean() - (without > 0).mean(), with_.mean() - without.mean()]
    return dict(zip(MEASURES, sums / draws, strict=True))


def tested(sample: Sample, counts: Ints, measures: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The service's test and the adjusted check of one draw of outcomes."""
    frame = sample.frame.assign(reoffended=counts > 0, reoffences=counts)
    for measure in measures:
        effect = effects.compare(frame, measure)
        values = frame[MEASURES[measure]].to_numpy(dtype=float)
        model = companion.MODELS[effects.ALL[measure].kind]
        half = (effect.ci_high - effect.ci_low) / 2
        error = half / t.ppf(0.975, effect.df)
        yield _row(
            measure, "service's test", effect.difference, error, effect.ci_low, effect.ci_high
        )
        try:
            predicted = companion.predict(sample.design, values[~sample.treated], model)
            found = companion.estimate(predicted, values[sample.treated])
        except NoEstimate:
            continue
        yield _row(measure, "adjusted check", found.difference, found.error, *found.interval())


def _row(measure: str, test: str, difference: float, error: float, low: float, high: float) -> Any:
    return {
        "measure": measure, "test": test, "difference": difference, "error": error,
        "low": low, "high": high,
    }  # fmt: skip


def redrawn(
    name: str, sample: Sample, all_: World, redraws: int, measures: Sequence[str], as_it_is: bool
) -> pd.DataFrame:
    """Every redraw of a request, with the truth beside it."""
    started = time.monotonic()
    seed = (list(PLANS).index(name) + 1) * 10**7
    planted = truth(sample, all_, seed, max(redraws, TRUTH_DRAWS), as_it_is)
    programme = np.where(sample.treated | as_it_is, sample.programme, 1.0)
    rows = []
    for draw in range(seed + 10**6, seed + 10**6 + redraws):
        hazard = sample.log_hazard(as_it_is, draw)
        counts = again(all_, sample.rows, programme, draw, hazard)
        rows += list(tested(sample, counts, measures))
    table = pd.DataFrame(rows).assign(request=name)
    table["truth"] = table["measure"].map(planted)
    told = f"{sample.treated.sum()} people, {(~sample.treated).sum()} comparison disposals"
    print(f"{name}: {told}; {time.monotonic() - started:.0f} s", file=sys.stderr)
    return table


def coverage(rows: pd.DataFrame) -> dict[str, Any]:
    """How often the interval holds the truth, and whether that is 95 in a hundred."""
    held = int(((rows["low"] <= rows["truth"]) & (rows["truth"] <= rows["high"])).sum())
    p = binomtest(held, len(rows), 0.95).pvalue
    apart = (rows["difference"] - rows["truth"]).groupby(rows["request"]).mean()
    error = rows.groupby("request")["error"].mean()
    spread = rows.groupby("request")["difference"].std(ddof=1)
    return {
        "redraws": len(rows),
        "truth": f"{rows['truth'].mean():.4f}",
        "bias": f"{apart.mean():+.4f}",
        "bias in errors": f"{(apart / error).mean():+.2f}",
        "error / spread": f"{(error / spread).mean():.2f}",
        "covered, %": f"{100 * held / len(rows):.1f}",
        "p of 95%": f"{p:.3g}",
        "at 1%": "rejected" if p < 0.01 else "not rejected",
    }


def print_table(rows: pd.DataFrame) -> None:
    """A line a request, measure and test, and one for all requests together."""
    groups = [*rows.groupby(["measure", "test", "request"], sort=False)]
    groups += [((*key, "all"), part) for key, part in rows.groupby(["measure", "test"], sort=False)]
    lines = [
        {"measure": key[0], "test": key[1], "request": key[2]} | coverage(part)
        for key, part in sorted(groups, key=lambda group: group[0][:2], reverse=True)
    ]
    head = list(lines[0])
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for line in lines:
        print(f"| {' | '.join(str(line[name]) for name in head)} |")


def main() -> None:
    """Match by the notebook, redraw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="made by `jdl synth`")
    parser.add_argument("--seed", type=int, default=2014, help="of `jdl synth`")
    parser.add_argument("--redraws", type=int, default=2000)
    parser.add_argument("--requests", nargs="*", default=list(PLANS))
    parser.add_argument("--measures", nargs="*", default=list(MEASURES), choices=list(MEASURES))
    parser.add_argument("--as-it-is", action="store_true", help="keep what sets the groups apart")
    chosen = parser.parse_args()
    vintage = national.open_vintage(chosen.data)
    os.environ["JDL_VINTAGE"] = str(chosen.data)
    os.environ["JDL_REQUESTS"] = str(vintage.folder.parent / "requests")
    matches = {name: matched_by_notebook(name) for name in chosen.requests}
    done = {name: one for name, one in matches.items() if one is not None and one.accepted}
    print(f"Analysed: {', '.join(done)}.", file=sys.stderr)
    with vintage.connect() as con:
        offenders = con.execute("SELECT count(*) FROM offenders").fetchall()[0][0]
    used = [one.frame.loc[one.frame["weight"] > 0, "disposal_id"] for one in done.values()]
    wanted = pd.concat(used).drop_duplicates().sort_values(ignore_index=True)
    all_ = world(chosen.seed, offenders, wanted)
    check(vintage, wanted, all_)
    places = pd.Series(range(len(wanted)), index=wanted.to_numpy())
    tables = []
    for name, matched in done.items():
        sample = sample_of(matched, places, all_)
        part = redrawn(name, sample, all_, chosen.redraws, chosen.measures, chosen.as_it_is)
        tables.append(part)
    print_table(pd.concat(tables, ignore_index=True))


def check(vintage: national.Vintage, wanted: pd.Series, all_: World) -> None:
    """Hold the lives against the vintage: with their own draws they are those in the records."""
    with vintage.connect() as con:
        file = vintage.prepared / "outcomes.parquet"
        found = con.execute(f"SELECT disposal_id, reoffences FROM read_parquet('{file}')").df()
    recorded = found.set_index("disposal_id")["reoffences"].reindex(wanted).to_numpy()
    lived = again(all_, np.arange(len(wanted)), all_.programme.factor, None)
    share = float((lived == recorded).mean())
    print(
        f"Lived with their own draws, {share:.2%} of the counts are those of the vintage; the "
        "rest is leap years, six months against 183 days, and the end of the records.",
        file=sys.stderr,
    )
    if share < LEAST_ALIKE:
        sys.exit("The lives are not those of this vintage: name its seed.")


if __name__ == "__main__":
    main()
