"""Run the cells of the master notebook, and look for people in every frame that is then alive.

A script, for an interpreter of its own: `alive.py REQUEST`, with the folders in the environment.
Prints what was found by step, as JSON; never a value.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from jdl import national, request

MASTER = Path(__file__).parent.parent / "notebooks" / "tailored_report.ipynb"
STEPS = ("certain-passes", "located", "pool", "record")
TEXTS = ("forename", "surname", "pnc_id", "prison_number", "offender_id")


def identities(vintage: national.Vintage, people: pd.DataFrame) -> dict[str, set[str]]:
    """What tells who somebody is, by kind; names that are also codes or bands are left out."""
    with vintage.connect() as con:

        def texts(columns: Iterable[str], table: str) -> set[str]:
            return {
                str(row[0]).casefold()
                for column in columns
                for row in con.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()
                if row[0] is not None
            }

        codes = {"green", "amber", "red"} | texts(("sex", "ethnicity", "nationality"), "offenders")
        codes |= texts(("disposal", "offence_group", "region", "prison"), "disposals")
        found = {name: texts([name], "offenders") - codes for name in TEXTS}
        found["disposal_id"] = texts(["disposal_id"], "disposals")
        found["offence_id"] = texts(["offence_id"], "offences")
    for name in (*TEXTS[:4], "reference"):
        sent = set(people[name].dropna().str.casefold()) - codes
        found[name] = found.get(name, set()) | sent
    found["date_of_birth"] = {str(day.date()) for day in people["date_of_birth"].dropna()}
    return found


def told(values: pd.Series | pd.Index) -> Iterator[str]:
    """The different values of a column as text, dates as in ISO 8601."""
    for value in pd.Index(values).unique():
        if isinstance(value, dt.date) and not pd.isna(value):
            yield value.isoformat()[:10]
        elif isinstance(value, str):
            yield value.casefold()


def columns(frame: pd.DataFrame | pd.Series) -> Iterator[tuple[str, pd.Series | pd.Index]]:
    yield "index", frame.index
    parts = (
        [frame]
        if isinstance(frame, pd.Series)
        else [frame.iloc[:, i] for i in range(frame.shape[1])]
    )
    for part in parts:
        if not pd.api.types.is_numeric_dtype(part):
            yield str(part.name), part


def leaks(sought: dict[str, set[str]]) -> tuple[int, list[str]]:
    """How many frames are alive, and which column of any holds which kind of identity."""
    gc.collect()
    frames = [one for one in gc.get_objects() if isinstance(one, pd.DataFrame | pd.Series)]
    found = {
        f"{column}: {kind}"
        for frame in frames
        for column, values in columns(frame)
        for kind, known in sought.items()
        if known.intersection(told(values))
    }
    return len(frames), sorted(found)


def main(request_id: str) -> dict[str, Any]:
    place = national.workplace()
    asked = request.read_request(place.requests / request_id)
    people = request.pooled_upload(asked, place.requests).people
    sought = identities(national.open_vintage(place.data), people)
    del people
    names: dict[str, Any] = {"__name__": "__main__"}
    seen: dict[str, Any] = {}
    for cell in json.loads(MASTER.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()):
                exec("".join(cell["source"]), names)
            if cell["id"] == "parameters":
                names["request_id"] = request_id
            if cell["id"] in STEPS:
                frames, found = leaks(sought)
                shown = [f"{key}: {kind}" for key in names for kind in printed(names[key], sought)]
                seen[cell["id"]] = {"frames": frames, "found": found, "printed": shown}
    return seen


def printed(value: Any, sought: dict[str, set[str]]) -> list[str]:
    """What kinds of identity but names, which are also words, a cell would print of an object."""
    text = repr(value).casefold()
    words = set(text.replace("'", " ").replace(",", " ").split())
    kinds = set(sought) - {"forename", "surname"}
    return sorted(kind for kind in kinds if sought[kind] & words)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])))
