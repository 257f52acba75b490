"""Synthetic national data and example uploads with planted truth, reproducible to the byte.

What is made, by whom: people with names and ids (`people`), their careers
(`careers`), programmes that some of them take part in (`programmes`), the
national tables (`tables`) and the uploads (`uploads`). Nothing here describes a
real person, organisation or programme. The truth is written to a folder of its own, which only
the lessons read (`jdl.learning.truth`).
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from jdl.faults import Fault, Unusable
from jdl.national import code_list
from jdl.synthetic.careers import (
    CUSTODY,
    PRISONS_PER_REGION,
    UNMEASURED_HAZARD,
    Episodes,
    live,
)
from jdl.synthetic.people import Ints, People, draw_people, words_of
from jdl.synthetic.programmes import PLANS, POOLED, UNMEASURED_SELECTION, run
from jdl.synthetic.tables import PRISONS, SCHEMAS, disposal_ids, national_tables
from jdl.synthetic.uploads import read_texts, uploads

CHUNK = 50_000
VINTAGE = "synthetic-2013-10"
PARTS = (VINTAGE, "truth", "requests")
VINTAGE_TOML = """\
name = "synthetic-2013-10"
extracted = 2013-10-31
offences_to = 2013-06-30
convictions_to = 2013-06-30
synthetic = true
eligible_from = 2002-01-01
employment_from = 1998-04-06
employment_to = 2013-06-30
benefits_from = 1999-06-01
benefits_to = 2013-06-30
oasys_from = 2004-01-01
oasys_to = 2013-06-30
"""


def synthesise(
    out: Path,
    offenders: int = 200_000,
    seed: int = 2014,
    progress: Callable[[str, float], None] | None = None,
    requests: Path | None = None,
    slips: float = 1.0,
) -> None:
    """Make a synthetic vintage, example requests with uploads, and the planted truth.

    Parameters
    ----------
    out : Path
        Gets ``synthetic-2013-10/`` (the vintage), ``requests/`` and ``truth/``, whole or not at
        all. It must be new,
        or hold nothing but an earlier synthetic data set, which is replaced.
    offenders : int
        How many people the national data hold. The programmes keep their size from 50,000 people
        on.
    seed : int
        The same seed gives the same bytes.
    progress : callable, optional
        Called with what is being done and the share done, 0 to 1.
    requests : Path, optional
        The folder with the texts of the requests; by default the project's own.
    slips : float
        By how much slips in the uploads are more frequent than usual.

    Raises
    ------
    Unusable
        If `out` holds anything else, or `offenders` is below 1,000.
    """
    out = Path(out)
    _check(out, offenders)
    tell = progress or (lambda stage, share: None)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        made = scratch / "made"
        taken = _make_vintage(made, offenders, seed, tell)
        tell("uploads", 0.97)
        texts = requests or Path(__file__).parent.parent.parent / "requests"
        _make_requests(made, texts, seed, taken, slips)
        if out.exists():
            out.replace(scratch / "old")
        made.replace(out)
    finally:
        shutil.rmtree(scratch)
    tell("done", 1.0)


def _check(out: Path, offenders: int) -> None:
    faults = []
    if offenders < 1000:
        faults.append(
            Fault(
                "jdl synth",
                "at least 1,000 offenders are needed",
                "Ask for more",
                column="offenders",
            )
        )
    if out.exists() and (not out.is_dir() or any(path.name not in PARTS for path in out.iterdir())):
        faults.append(
            Fault(
                out.name,
                "the folder must be new, or hold nothing but an earlier synthetic data set",
                "Name another folder",
            )
        )
    if faults:
        raise Unusable(faults)


def _make_vintage(
    made: Path, offenders: int, seed: int, tell: Callable[[str, float], None]
) -> pd.DataFrame:
    vintage, truth = made / VINTAGE, made / "truth"
    vintage.mkdir(parents=True)
    truth.mkdir()
    (vintage / "vintage.toml").write_text(VINTAGE_TOML, encoding="utf-8")
    schemas = {vintage / f"{name}.parquet": schema for name, schema in SCHEMAS.items()}
    schemas[truth / "unmeasured.parquet"] = pa.schema(
        [("offender_id", pa.string()), ("need", pa.float32())]
    )
    writers = {
        file: pq.ParquetWriter(file, schema, compression="zstd") for file, schema in schemas.items()
    }
    starts = range(0, offenders, CHUNK)
    taken = []
    try:
        for chunk, start in enumerate(starts):
            tell("people and their careers", 0.97 * start / offenders)
            numbers = np.arange(start, min(start + CHUNK, offenders))
            tables, part = _chunk(seed, numbers, chunk, len(starts), offenders)
            taken.append(part)
            for file, writer in writers.items():
                writer.write_table(tables[file.stem])
    finally:
        for writer in writers.values():
            writer.close()
    return pd.concat(taken, ignore_index=True)


def _chunk(
    seed: int, numbers: Ints, chunk: int, chunks: int, offenders: int
) -> tuple[dict[str, pa.Table], pd.DataFrame]:
    people = draw_people(seed, numbers)
    episodes, taken = run(people, live(people), chunk, chunks, offenders)
    tables = national_tables(people, episodes)
    tables["unmeasured"] = pa.table(
        {
            "offender_id": tables["offenders"]["offender_id"],
            "need": people.unmeasured.astype(np.float32),
        }
    )
    return tables, _described(people, episodes, tables, taken)


def _described(
    people: People, episodes: Episodes, tables: dict[str, pa.Table], taken: pd.DataFrame
) -> pd.DataFrame:
    """Add to the participations what an organisation may know of each person."""
    who = taken["who"].to_numpy()
    row = tables["offenders"].take(pa.array(who)).to_pandas()
    names = ("offender_id", "forename", "surname", "pnc_id")
    taken = taken.assign(
        number=people.number[who],
        birth=people.birth[who],
        female=people.female[who],
        culture=people.culture[who],
        middle=words_of(people.middle[who]).to_pylist(),
        place=[code_list("region")[r] for r in people.region[who]],
        prison_number=None,
        **{key: row[key].to_numpy() for key in names},
    )
    has = np.flatnonzero(taken["episode"] >= 0)
    e = episodes.take(taken["episode"].to_numpy()[has])
    given = {
        "index": e.index,
        "conviction": e.conviction_date,
        "disposal_id": disposal_ids(people.number[e.who], e.number).to_pylist(),
    }
    for key, values in given.items():
        taken[key] = pd.Series(list(values), index=has, dtype=object)
    been = has[(e.previous_custody > 0) | (e.disposal == CUSTODY)]
    taken.loc[been, "prison_number"] = row["prison_number"].to_numpy()[been]
    custody = np.flatnonzero([PLANS[name].setting == "custody" for name in taken["request"]])
    local = people.region[who] * PRISONS_PER_REGION
    taken.loc[custody, "place"] = [PRISONS[p] for p in local[custody]]
    inside = e.prison > 0
    taken.loc[has[inside], "place"] = [PRISONS[p - 1] for p in e.prison[inside]]
    aliases = tables["aliases"].to_pandas()[["offender_id", "forename", "surname"]]
    aliases = aliases.drop_duplicates("offender_id").add_prefix("alias_")
    return taken.merge(aliases, left_on="offender_id", right_on="alias_offender_id", how="left")


def _make_requests(made: Path, texts: Path, seed: int, taken: pd.DataFrame, slips: float) -> None:
    folder = made / "requests"
    shutil.copytree(texts, folder, ignore=shutil.ignore_patterns("upload.*", ".*"))
    files, links = uploads(seed, taken, read_texts(texts), slips)
    for name, (file, content) in files.items():
        (folder / name / file).write_bytes(content)
    _write_truth(made / "truth", taken, links)


def _write_truth(truth: Path, taken: pd.DataFrame, links: pd.DataFrame) -> None:
    links.to_parquet(truth / "person_links.parquet", index=False)
    events = taken[["request", "role", "offender_id", "disposal_id"]].copy()
    for key in ("start", "end"):
        events[key] = [dt.date(1970, 1, 1) + dt.timedelta(days=int(d)) for d in taken[key]]
    for key in ("without", "within"):
        events[f"reoffences_{key}"] = taken[key]
    events.to_parquet(truth / "participation.parquet", index=False)
    effects = {name: _effect(taken, name) for name in PLANS}
    strength = {
        "log_hazard_per_sd": UNMEASURED_HAZARD,
        "log_odds_of_selection_per_sd": UNMEASURED_SELECTION,
    }
    text = json.dumps({"unmeasured_need": strength, "requests": effects}, indent=2)
    (truth / "effects.json").write_text(text + "\n", encoding="utf-8")


def _effect(taken: pd.DataFrame, name: str) -> dict[str, float | int]:
    """Mean effect on those treated, both lives simulated; pooled requests over all their people."""
    treated = taken[
        taken["request"].isin([name, *POOLED.get(name, ())]) & (taken["role"] == "treated")
    ]
    without, within = treated["without"], treated["within"]
    return {
        "treated": len(treated),
        "hazard_factor": PLANS[name].factor,
        "rate_without": float((without > 0).mean()),
        "rate_with": float((within > 0).mean()),
        "rate_effect": float((within > 0).mean() - (without > 0).mean()),
        "frequency_without": float(without.mean()),
        "frequency_with": float(within.mean()),
        "frequency_effect": float(within.mean() - without.mean()),
    }
