"""Which decision a published figure shows: the register of figures joined with the door's record.

Only what is public of the decisions comes in here, and nothing beyond it goes out: a figure that
is withheld tells the same of itself whatever rule withheld it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jdl.disclosure.measures import VERSIONS
from jdl.disclosure.rules import Decision, part_of
from jdl.effects import MEASURES

BY_RULES = "the rules"
_MEASURES = "|".join([*MEASURES, *VERSIONS, "time_without_reoffence"])
_ROW = r"([\w-]+\.[\w-]+)"
_STATISTICS = r"\.(?:treatment|before|after|smd_\w+|variance_ratio_\w+)"
_SHARES = r"\.(?:share|ci_low|ci_high|low|high)"
_WHICH = r"(?:share|low|high)_(with|without)"
_SHOWN = tuple(
    (re.compile(name), part)
    for name, part in (
        (rf"([\w-]+)\.({_MEASURES})\..+", r"\1.\2"),
        (r"([\w-]+)\.(?:reoffenders\.\w+|treatment_n|comparison_n|comparison_people)", r"\1.rate"),
        (r"headline\.survival\.(\d+)\.(?:treatment|comparison)", r"survival.day-\1"),
        (r"headline\.survival\.(?:mean|ci|liberty)_.+", "headline.time_without_reoffence"),
        (r"headline\.overlap\..+", "overlap"),
        (rf"headline\.balance\.(?!green|amber|red)([\w-]+){_STATISTICS}", r"balance.\1"),
        (rf"headline\.balance\.{_ROW}{_STATISTICS}", r"balance.\1"),
        (rf"headline\.profile\.{_ROW}", r"profile.\1"),
        (r"linkage\.(?!duplicate|incomplete)([a-z-]+)(?:\.share)?", r"linkage.\1"),
        (rf"linkage\.{_ROW}\.fate\.(?:analysed|lost|not_found)", r"fates.\1"),
        (rf"linkage\.{_ROW}{_SHARES}", r"linkage-rates.\1"),
        (r"gains\.([\w-]+)\.gain", r"gains.\1.gain"),
        (rf"gains\.([\w-]+)\.{_WHICH}", r"gains.\1.\2"),
        (r"sentence\.([\w-]+)", r"placed.\1"),
        (r"pool\.(removed|known)_(people|disposals)", r"pool.\1-\2"),
        (r"gaps\.(late|reoffended)", r"start.\1"),
        (r"gaps\.(?:median|upper)", "start.days-from-index-date"),
        (r"delays\.(late|offences)", r"delays.\1"),
        (r"delays\.years\.(\d+)\.late", r"delays.year-\1"),
        (r"participation\.([\w-]+)\.(?:people|share|rate)", r"participation.\1"),
        (r"checks\.control\..+", "control.before"),
        (rf"equality\.analysed\.{_ROW}", r"equality.analysed.\1"),
        (rf"equality\.found\.{_ROW}\.(?:people|share)", r"equality.found.\1"),
        (r"yearly\.lacking\.([\w-]+)\.(?:rows_lacking|share)", r"lacking.\1"),
    )
)
_RANGE = re.compile(r"\.(?:low|high)(?:_with|_without)?$")
"""The ends of a wide range, which is told of a share that is withheld."""
_LEFT = re.compile(r"(headline|yearly)\.funnel\.(\d+)\.removed(?:\.share)?")
_VARIABLE = re.compile(r"(?<=^balance\.)[\w-]+|(?<=^profile\.)[\w-]+")


def part_shown(name: str, reasons: Sequence[str] = ()) -> str | None:
    """Return the part of the decisions that a figure shows; None where no rule looks at it.

    Parameters
    ----------
    name : str
        Of the figure, in the register.
    reasons : sequence of str
        Why people left, by row of the table of losses, whose figures are named by row.
    """
    if left := _LEFT.fullmatch(name):
        whole = {"headline": "funnel", "yearly": "losses"}[left[1]]
        place = int(left[2])
        return part_of(whole, reasons[place]) if 0 < place < len(reasons) else None
    for pattern, part in _SHOWN:
        if found := pattern.fullmatch(name):
            return _VARIABLE.sub(lambda variable: variable[0].replace("-", "_"), found.expand(part))
    return None


def as_public(decided: Sequence[Decision]) -> list[dict[str, str]]:
    """Return decisions as data, each with the part, what was decided, and by whom.

    Parameters
    ----------
    decided : sequence of Decision
        From `hand_over`.
    """
    return [{"part": one.part, "decided": one.decided, "by": _decider(one)} for one in decided]


def _decider(one: Decision) -> str:
    """Name the post that decided, and the day; the rules where they did."""
    if one.override is None or one.by != "override":
        return BY_RULES
    return f"{one.override.role}, {one.override.on.isoformat()}"


def decision_on(
    figure: Mapping[str, Any],
    decided: Mapping[str, Mapping[str, str]],
    reasons: Sequence[str] = (),
) -> dict[str, str | None]:
    """Return what disclosure control decided on a figure.

    Parameters
    ----------
    figure : mapping
        Its entry in the register.
    decided : mapping of str to mapping
        What is public of the decisions, from `as_public`, by part; what it does not name was told.
    reasons : sequence of str
        As for `part_shown`.

    Returns
    -------
    dict
        ``part``; ``decided``: told, [c], [u], rounded or merged; and ``by``: the rules, or a
        statistician's post and the day.
    """
    part = part_shown(figure["id"], reasons)
    whole = (part or "").rpartition(".")[0]
    one = decided.get(part or "", decided.get(whole, {}))
    done, by = one.get("decided", "told"), one.get("by", BY_RULES)
    if figure["suppressed"]:
        return {"part": part, "decided": "[c]", "by": by if done == "withheld" else BY_RULES}
    if figure.get("mark") == "[u]":
        return {"part": part, "decided": "[u]", "by": BY_RULES}
    if done in ("rounded", "merged"):
        return {"part": part, "decided": done, "by": by}
    if done == "withheld" and _RANGE.search(figure["id"]):
        return {"part": part, "decided": "rounded", "by": BY_RULES}
    return {"part": part, "decided": "told", "by": by if done == "told" else BY_RULES}
