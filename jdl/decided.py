"""Every decision of disclosure control of a release on one restricted page, and overrides of one.

An override is written to ``disclosure.toml`` in the request's folder; the report is made again
with it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jdl import disclosure, render
from jdl.cells import Findings
from jdl.disclosure import TABLE, Override
from jdl.faults import Fault, Unusable
from jdl.forms import hold_form
from jdl.release import Places, Refused
from jdl.safekeeping import write

_ORDER = ("withheld", "merged", "rounded", "marked", "told")
Decided = Sequence[Mapping[str, Any]]


def read_decisions(places: Places, release: str) -> dict[str, Decided]:
    """Return what was decided for a release, by request, the bulletin last.

    Parameters
    ----------
    places : Places
    release : str
        ``YYYY-MM``.

    Raises
    ------
    Refused
        If nothing is recorded.
    """
    folder = places.restricted / "disclosure" / release
    files = sorted(folder.glob("*.json"), key=lambda file: (file.stem == "bulletin", file.stem))
    if not files:
        raise Refused(
            f"No decision is recorded for {release}. Make the release first: jdl release {release}"
        )
    return {file.stem: json.loads(file.read_text(encoding="utf-8"))["decisions"] for file in files}


def sections(decided: Decided) -> dict[str, dict[str, list[Mapping[str, Any]]]]:
    """Return decisions by what was decided, what tells least first, and by section of the report.

    The section is the first part of a name, such as ``headline`` or ``fates``.
    """
    found: dict[str, dict[str, list[Mapping[str, Any]]]] = {}
    for kind in _ORDER:
        for one in decided:
            if one["decided"] == kind:
                section = str(one["part"]).split(".")[0]
                found.setdefault(kind, {}).setdefault(section, []).append(one)
    return found


def counted(decided: Decided) -> str:
    """Say in counts what was decided."""
    many = Counter(one["decided"] for one in decided)
    overridden = sum(one["override"] is not None for one in decided)
    told = [f"{many[kind]} {kind}" for kind in _ORDER if many[kind]] or ["nothing decided"]
    return ", ".join([*told, *([f"{overridden} with an override"] if overridden else [])])


def write_page(places: Places, release: str) -> tuple[Path, tuple[str, ...]]:
    """Write the page with every decision of a release, which only its owner can read.

    Parameters
    ----------
    places : Places
    release : str

    Returns
    -------
    tuple of Path and tuple of str
        The page, and one line in counts for each request.
    """
    records = read_decisions(places, release)
    result = _result_of(places, release, records)
    page = render.decisions(release, result, records, TABLE, sections)
    file = places.restricted / "disclosure" / f"{release}.html"
    write(file, page.encode())
    return file, tuple(f"{name}: {counted(decided)}" for name, decided in records.items())


def _result_of(places: Places, release: str, names: Iterable[str]) -> Any:
    """Return the result of one of these requests, of the release or of a run towards it."""
    reports = (places.outputs / release / "reports", places.work(release))
    files = [folder / name / "result.json" for folder in reports for name in names]
    for file in filter(Path.exists, files):
        return json.loads(file.read_text(encoding="utf-8"))
    raise Refused(
        f"No report of {release} is there any more. Make the release again: jdl release {release}"
    )


def override(
    places: Places, release: str, name: str, wanted: Mapping[str, Any], on: dt.date
) -> tuple[str, ...]:
    """Record what a statistician decides otherwise on one part of one request.

    Parameters
    ----------
    places : Places
    release, name : str
        The release, and the request's id.
    wanted : mapping
        part, to, reason and role.
    on : date

    Returns
    -------
    tuple of str
        What to know of it.

    Raises
    ------
    Unusable
        With every fault of what is wanted.
    Refused
        If the part does not give way to it.
    """
    records = read_decisions(places, release)
    folder = places.requests / name
    if name not in records or not (folder / "request.toml").exists():
        there = ", ".join(one for one in records if (places.requests / one).is_dir())
        rule = "it must be a request of the release"
        raise Unusable([Fault("--request", rule, f"Name one of: {there}")])
    found = Findings("override")
    hold_form({**wanted, "on": on}, disclosure.FORM, found)
    if found.faults:
        raise Unusable(found.faults)
    new = Override(**wanted, on=on)
    _hold_to(new, records[name])
    text = disclosure.as_text([*disclosure.read_overrides(folder), new])
    write(folder / disclosure.FILE, text.encode())
    return (
        f"{new.part} of {name} is to be {new.wanted}: recorded in {folder / disclosure.FILE}.",
        "The role, the day and the reason are published in the report's audit copy.",
        f"It holds from the next run: jdl release {release} (--replace if that is finished).",
    )


def _hold_to(new: Override, decided: Decided) -> None:
    """Refuse an override of a part that is unknown, or that does not give way."""
    by_part = {one["part"]: one for one in decided}
    if new.part not in by_part:
        near = get_close_matches(new.part, by_part, n=5, cutoff=0.4)
        remedy = f"Near it are: {', '.join(near)}" if near else "See the page for all parts"
        raise Unusable([Fault("--part", "it must be a part that was decided on", remedy)])
    one = by_part[new.part]
    if not one["open"]:
        raise Refused(
            f"{new.part} is {one['decided']} together with others and cannot be decided on alone."
        )
    if one["decided"] in (new.wanted, "rounded" if new.to == "tell" else ""):
        raise Refused(f"{new.part} is {one['decided']} already.")
    rule = one["rule"]
    if new.to == "tell" and rule and not TABLE[rule].may_tell:
        raise Refused(f"{new.part} cannot be told. The rule does not give way: {TABLE[rule].says}")
