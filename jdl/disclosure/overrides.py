"""What a statistician decided otherwise than the rules: an input of the request, never of a page.

Overrides stand in ``disclosure.toml`` beside a request's ``request.toml``, so that whoever makes
the report again makes the same one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jdl.cells import Findings
from jdl.disclosure.measures import Cleared
from jdl.disclosure.rules import Decision, Door, Override
from jdl.faults import Fault, Unusable
from jdl.forms import ROLE, Key, hold_form, load
from jdl.national import Workplace

FILE = "disclosure.toml"

FORM: Mapping[str, Mapping[str, Key]] = {
    "": {
        "part": Key("text", True),
        "to": Key("text", True, codes=("tell", "withhold")),
        "reason": Key("text", True),
        "role": Key("text", True, shape=(ROLE, "a post, such as: statistician 1")),
        "on": Key("date", True),
    }
}
"""The keys of one ``[[override]]``."""


def read_overrides(folder: Path) -> tuple[Override, ...]:
    """Return what statisticians decided otherwise for one request.

    Parameters
    ----------
    folder : Path
        The request's.

    Returns
    -------
    tuple of Override
        In the order of the file; none without one.

    Raises
    ------
    Unusable
        With every fault of the file.
    """
    file, where = folder / FILE, f"{folder.name}/{FILE}"
    if not file.exists():
        return ()
    raw = load(file, where)
    entries = raw.get("override")
    if set(raw) != {"override"} or not isinstance(entries, list) or not entries:
        rule = "the file must hold overrides and nothing else"
        raise Unusable([Fault(where, rule, "Write each as a table under [[override]]")])
    faults = [fault for place, one in enumerate(entries, 1) for fault in _held(one, where, place)]
    if faults:
        raise Unusable(faults)
    return tuple(Override(**one) for one in entries)


def _held(entry: Any, where: str, place: int) -> list[Fault]:
    found = Findings(f"{where}, override {place}")
    if isinstance(entry, dict):
        hold_form(entry, FORM, found)
    else:
        found.add("an override must be a table", "Write it under [[override]]")
    return found.faults


def check(path: Path) -> list[Fault]:
    """Return every fault of the overrides in a request's folder, or in a folder of requests."""
    folder = path.parent if path.is_file() else path
    faults: list[Fault] = []
    for file in sorted({folder / FILE, *folder.glob(f"*/{FILE}")}):
        try:
            read_overrides(file.parent)
        except Unusable as unusable:
            faults += unusable.faults
    return faults


def open_door(folder: Path, group: int, cell: int, reoffenders: int) -> Door:
    """Return the rules in force for one request, with its overrides.

    Parameters
    ----------
    folder : Path
        The request's.
    group, cell, reoffenders : int
        As in `Rules`.
    """
    return Door(group, cell, reoffenders, overrides=read_overrides(folder))


def as_text(overrides: Iterable[Override]) -> str:
    """Return overrides as the content of ``disclosure.toml``."""
    return "\n".join(
        "[[override]]\n"
        + "".join(f"{key} = {_quoted(getattr(one, key))}\n" for key in ("part", "to", "reason"))
        + f"role = {_quoted(one.role)}\non = {one.on.isoformat()}\n"
        for one in overrides
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


RECORD = "disclosure"
"""Under this name a notebook hands its decisions over."""


def hand_over(
    place: Workplace, door: Door, results: Mapping[str, Cleared] | None = None
) -> tuple[Decision, ...]:
    """Hand every decision over for the restricted record, and return what is public of them.

    Parameters
    ----------
    place : Workplace
    door : Door
        The rules in force, which have written down what they decided.
    results : mapping of str to Cleared, optional
        By analysis; what was decided on several together is noted here.

    Returns
    -------
    tuple of Decision
        By part: all that was not simply told, without the rule, which could tell the value.
    """
    for cleared in (results or {}).values():
        for one in cleared.decisions:
            door.note(one.part, one.rule, one.decided)
    decided = [door.decided[part] for part in sorted(door.decided)]
    record = [
        {
            "part": one.part,
            "decided": one.decided,
            "rule": one.rule,
            "open": one.part in door.open,
            "override": None if one.override is None else _as_data(one.override),
        }
        for one in decided
    ]
    place.hand(RECORD, {"schema": 1, "decisions": record})
    return tuple(
        replace(one, rule="")
        for one in decided
        if one.decided != "told" or one.override is not None
    )


def _as_data(one: Override) -> dict[str, str]:
    told = {name: getattr(one, name) for name in ("part", "to", "reason", "role")}
    return {**told, "on": one.on.isoformat()}
