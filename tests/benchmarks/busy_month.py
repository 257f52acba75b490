"""Write a month of many requests for a synthetic vintage: people, slips and files as the examples'.

Run, after `jdl synth --out data`:

    .venv/bin/python tests/benchmarks/busy_month.py --out requests-57

and then `jdl release 2014-05 --requests requests-57`. The people took part in nothing that works,
so the vintage need not change. Sizes run from 60 to 1,500, with a mean near 300; every third
request shares an eighth of its people with one before it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from jdl.synthetic import CHUNK, _described
from jdl.synthetic.careers import live
from jdl.synthetic.people import draw_people
from jdl.synthetic.programmes import FAMILY, PLANS, RISKIER, SAFER, Plan, run
from jdl.synthetic.tables import national_tables
from jdl.synthetic.uploads import LAYOUTS, Layout, read_texts, uploads

RELEASE, REQUESTS, SEED = "2014-05", 57, 2014
SMALLEST, LARGEST, MEAN = 75, 1500, 240
SHARED, EVERY = 8, 3
AREAS = (
    ("north east", "north west"), ("london", "south east"), ("west midlands", "wales"),
    ("south west", "east of england"), ("yorkshire and the humber", "east midlands"), (),
)  # fmt: skip
KINDS = ("mentoring", "employment", "education", "accommodation")
REQUEST = """\
id = "{name}"
release = "{release}"
received = 2014-0{month}-{day:02d}
organisation = "Organisation {number}"
programme = "Programme {number}"
sector = "voluntary"
intervention_type = "{kind}"
description = "A programme of a month or two."
selection = "Staff referred people, and some asked."
setting = "{setting}"

[data_sharing]
signed_on = 2014-01-02
signed_by_role = "Director"
legal_basis = "Consent of each person"

[analysis]
sex = "{sex}"
{subgroups}"""


def plans(count: int) -> dict[str, Plan]:
    """Draw the programmes; none of them has an effect."""
    rng = np.random.default_rng(SEED)
    sizes = np.sort(rng.lognormal(np.log(MEAN) - 0.4, 0.85, count * 4)).clip(SMALLEST, LARGEST)
    sizes = rng.permutation(sizes[2::4]).round().astype(int)
    return {
        f"programme-{number:02d}": Plan(
            int(size),
            "custody" if number % 2 and number < 50 else "community",
            1.0,
            (RISKIER, SAFER, FAMILY)[number % 3],
            AREAS[number % len(AREAS)],
            (2003, 2011),
            "female" if number % 18 == 6 else "male" if number % 7 == 3 else "all",
            30,
        )
        for number, size in enumerate(sizes, 1)
    }


def participations(made: dict[str, Plan], offenders: int, seed: int) -> pd.DataFrame:
    """Let the people of a vintage live again, and take part."""
    PLANS.update(made)
    parts = []
    starts = range(0, offenders, CHUNK)
    for chunk, start in enumerate(starts):
        people = draw_people(seed, np.arange(start, min(start + CHUNK, offenders)))
        episodes, taken = run(people, live(people), chunk, len(starts), offenders)
        tables = national_tables(people, episodes)
        parts.append(_described(people, episodes, tables, taken))
    taken = pd.concat(parts, ignore_index=True)
    return taken.loc[taken["request"].isin(made)]


def shared(made: dict[str, Plan], taken: pd.DataFrame) -> pd.DataFrame:
    """Have some requests send people of an earlier one of the same kind too."""
    names, more = list(made), [taken]
    for place in range(EVERY + 1, len(names), EVERY):
        like = [one for one in names[:place] if made[one].setting == made[names[place]].setting]
        theirs = taken.loc[(taken["request"] == like[-1]) & (taken["role"] == "treated")]
        few = theirs.sort_values("number")[: made[names[place]].people // SHARED]
        more.append(few.assign(request=names[place]))
    return pd.concat(more, ignore_index=True)


def write(out: Path, count: int = REQUESTS, offenders: int = 200_000, seed: int = SEED) -> None:
    """Write the folder of requests.

    Parameters
    ----------
    out : Path
        Receives ``log.csv``, ``releases/`` and a folder a request; replaced where it is there.
    count : int
        How many requests.
    offenders, seed : int
        As the vintage was made with.
    """
    shutil.rmtree(out, ignore_errors=True)
    (out / "releases").mkdir(parents=True)
    made = plans(count)
    LAYOUTS.update({name: Layout(group=("wave", ("first", "second"))) for name in made})
    for number, (name, plan) in enumerate(made.items(), 1):
        (out / name).mkdir()
        text = REQUEST.format(
            name=name, release=RELEASE, number=number, month=1 + number % 3, day=1 + number % 28,
            kind=KINDS[number % len(KINDS)], setting=plan.setting, sex=plan.sex,
            subgroups='subgroups = ["group_wave"]\n' if number % 4 == 0 else "",
        )  # fmt: skip
        (out / name / "request.toml").write_text(text, encoding="utf-8")
    taken = shared(made, participations(made, offenders, seed))
    files, _ = uploads(seed, taken, read_texts(out))
    for name, (file, content) in files.items():
        (out / name / file).write_bytes(content)
    rows = [_logged(out / name) for name in made]
    pd.DataFrame(rows).to_csv(out / "log.csv", index=False)


def _logged(folder: Path) -> dict[str, str]:
    asked = read_texts(folder.parent)[folder.name]
    shown = ("id", "organisation", "programme", "sector", "intervention_type", "release")
    received = {"received": asked["received"].isoformat(), "status": "ready"}
    return {name: asked[name] for name in shown} | received | {"status_date": "2014-04-30"}


def main() -> None:
    """Write the requests that the command asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--offenders", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    write(asked.out, asked.requests, asked.offenders, asked.seed)


if __name__ == "__main__":
    main()
