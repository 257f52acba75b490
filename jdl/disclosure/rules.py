"""The rules: thresholds with their sources, the public wording, and the parts of a whole."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

WITHHELD = "withheld to protect confidentiality or because too few people were counted"
UNTOLD = f"[c] {WITHHELD}."
"""What a note says of ``[c]``, whatever the reason."""
NOT_BALANCED = "not reported because the groups could not be made alike"
OTHER_REASONS = "other reasons"
STEP = 5
TENS = 10
_SERVICE, _OURS = "the service's own", "ours"


@dataclass(frozen=True)
class Rule:
    """One rule of disclosure control.

    Parameters
    ----------
    name : str
        As decisions name it.
    says : str
        What is withheld, merged, rounded or marked, and where.
    protects : str
        Whom, against what.
    source : str
        The service's own, or ours and why.
    threshold : int, optional
        The number in `says`.
    may_tell : bool
        Whether a statistician may tell what it withholds, with a recorded reason.
    """

    name: str
    says: str
    protects: str
    source: str
    threshold: int | None = None
    may_tell: bool = False


_ALL = (
    Rule(
        "group",
        "No result of fewer than 30 treated people after matching; no median or percentile of "
        "fewer.",
        "the people of a small group, whom the provider knows by name",
        f"{_OURS}: 30 is commonly quoted for the service, and its source is not known",
        30,
    ),
    Rule(
        "cell",
        "No count of treated or uploaded people under 10, and no share that implies fewer than 10 "
        "with or fewer than 10 without, none and all among them.",
        "a few people, and everybody where all or none had an outcome",
        f"{_SERVICE} for n times p; {_OURS} for n times (1 - p), since 'all of them' tells of "
        "each one",
        10,
        may_tell=True,
    ),
    Rule(
        "reoffenders",
        "No days to the first reoffence, court or custody measure among fewer than 30 treated "
        "reoffenders.",
        "reoffenders of a small group; and readers, from a result of very few",
        _SERVICE,
        30,
    ),
    Rule(
        "events",
        "No test where fewer than 10 treated people have the event, nor of the version for "
        "everyone of a court or custody measure beside fewer than 30 reoffenders.",
        "readers, from a test of very few; nothing is calculated that could be told",
        _OURS,
        10,
    ),
    Rule(
        "parts",
        "Of the parts of a whole the next smallest go with one withheld, until two or more are "
        "hidden that reach 10 together; a measure goes with the rate, and its version for "
        "everyone with it.",
        "what is withheld, from being worked out from the rest",
        f"{_OURS}: totals and percentages are printed beside it",
        10,
    ),
    Rule(
        "difference",
        "No two results of one request whose people differ by fewer than 10, or by fewer than 10 "
        "with or without the outcome; nor sums and differences of several.",
        "the few people who are in one of them only",
        f"{_OURS}: the provider knows who is in which",
        10,
    ),
    Rule(
        "earlier",
        "The same, with the same 10, beside every report published before, of this provider or "
        "another; people are known again by their PNC id, or by their number in the register. No "
        "report at all where the people sent, or those found, differ by fewer than 10 from those "
        "of one published before.",
        "the few people who were added, left out or shared",
        f"{_OURS}: a second report less the first tells of those between",
        10,
    ),
    Rule(
        "beside",
        "No size of an analysis, count, share or reason for loss that, with the others of the "
        "report and what the upload shows, leaves a count under 10 or withheld a range less than "
        "10 wide.",
        "people of whom the upload shows something, whether they were found and analysed",
        f"{_OURS}: the provider knows whom it sent",
        10,
    ),
    Rule(
        "size",
        "The size of the headline analysis is told, even where it shows by itself that fewer than "
        "10 of those sent, or of a kind of them, were not analysed.",
        "nobody; no other figure may then tell who of them was found, or why one was lost",
        f"{_SERVICE}: a report says how many people it is about, and whether they are enough",
    ),
    Rule(
        "dominance",
        "No frequency to which one person contributes more than 43 per cent of the reoffences, or "
        "two more than 86.",
        "a prolific offender, whose number of offences it would nearly tell",
        f"{_OURS}, after the statistics office's rule for its research data",
        43,
        may_tell=True,
    ),
    Rule(
        "merged",
        "Reasons for loss, rules of placing and levels of a characteristic with fewer than 10 "
        "people are one row; neighbouring bands and days of a curve are one until 10 lie between.",
        "a few people, whose records a reason or a day would tell",
        f"{_OURS}: a sum that stays exact hides less than a gap",
        10,
    ),
    Rule(
        "to five",
        "People found, by level of a group, are rounded to the nearest 5 before a share is "
        "made; sums of a yearly review are, where they are under ten.",
        "people in two tables that differ by few",
        f"{_OURS}: one person counts in several tables",
        STEP,
    ),
    Rule(
        "to ten",
        "People who left the pool, started late or were convicted too late are rounded to the "
        "nearest 10.",
        "people left when one such number is taken from another",
        f"{_OURS}: their wholes are printed elsewhere",
        TENS,
    ),
    Rule(
        "unreliable",
        "Marked [u]: a mean of a comparison group that counts for fewer than 30 people (its "
        "effective size), and a share of fewer than 30 people looked for.",
        "readers, from relying on very few; nothing is withheld",
        f"{_OURS}: the same number as for a treatment group",
        30,
    ),
    Rule(
        "statistician",
        "What a statistician withholds, with a recorded reason.",
        "whom no rule foresaw",
        _OURS,
        may_tell=True,
    ),
    Rule(
        "balance",
        "No result where the groups could not be made alike; outcomes are then not read.",
        "readers, from a comparison that is none; not a rule of disclosure",
        _SERVICE,
    ),
)
TABLE = {rule.name: rule for rule in _ALL}
"""Every rule by its name; what is said of the rules anywhere is drawn from here."""
_THRESHOLDS = {name: rule.threshold or 0 for name, rule in TABLE.items()}


@dataclass(frozen=True)
class Override:
    """What a statistician decided otherwise than the rules.

    Parameters
    ----------
    part : str
        As in a `Decision`.
    to : {'tell', 'withhold'}
    reason : str
        Published, so it must not tell what is withheld.
    role : str
        A post, never a name.
    on : date
    """

    part: str
    to: str
    reason: str
    role: str
    on: dt.date

    @property
    def wanted(self) -> str:
        """What is then decided, as in a `Decision`."""
        return {"tell": "told", "withhold": "withheld"}[self.to]

    @property
    def told(self) -> str:
        """The override in one line, for the lines of a run."""
        who = f"{self.role}, {self.on.isoformat()}"
        return f"{self.part} to be {self.wanted} by override: {who}: {self.reason}"


@dataclass(frozen=True)
class Decision:
    """One decision, without the value decided on.

    Parameters
    ----------
    part : str
        What was decided on, such as ``headline.first_indictable`` or ``fates.sex.female``.
    rule : str
        The name of the rule; empty where none applies.
    decided : {'withheld', 'told', 'merged', 'rounded', 'marked'}
    override : Override, optional
        What a statistician wanted of this part.
    """

    part: str
    rule: str
    decided: str = "withheld"
    override: Override | None = None

    @property
    def by(self) -> str:
        """Whether a rule or an override decided."""
        followed = self.override is not None and self.override.wanted == self.decided
        return "override" if followed else "rule"


@dataclass(frozen=True)
class Rules:
    """The thresholds; see `TABLE` for their sources.

    Parameters
    ----------
    group : int
        Fewest treated people after matching for any result.
    cell : int
        Fewest people in any count that a share implies, either way.
    reoffenders : int
        Fewest treated reoffenders for days to first and for court and custody measures.
    """

    group: int = _THRESHOLDS["group"]
    cell: int = _THRESHOLDS["cell"]
    reoffenders: int = _THRESHOLDS["reoffenders"]

    @property
    def plain(self) -> Rules:
        """The thresholds alone, for what is decided on the way to a part."""
        return Rules(self.group, self.cell, self.reoffenders)

    def wanted(self, part: str) -> str | None:
        """Return what a statistician wants of a part: ``tell``, ``withhold``, or None."""
        return None

    def note(self, part: str, rule: str, decided: str = "withheld") -> Decision:
        """Return the decision on a part; `Door` writes it down too."""
        return Decision(part, rule, decided)

    def apply(self, part: str, rule: str | None, *, also: str = "") -> str | None:
        """Decide on a part by itself: return the rule that withholds it, if any, and note it.

        Parameters
        ----------
        part : str
        rule : str or None
            What the rules say: the name of the first that withholds it.
        also : str
            A part that tells this one, so that an override of it holds here too.

        Returns
        -------
        str or None
            None where it is told: no rule withholds it, or a statistician tells it, which holds
            only against a rule that gives way.
        """
        wanted = self.wanted(part) or (self.wanted(also) if also else None)
        if wanted == "withhold":
            held: str | None = rule or "statistician"
        elif wanted == "tell" and rule is not None and TABLE[rule].may_tell:
            held = None
        else:
            held = rule
        self.note(part, held or rule or "", "withheld" if held else "told")
        return held


@dataclass(frozen=True)
class Door(Rules):
    """The rules in force for one report: thresholds, overrides, and every decision they led to.

    Parameters
    ----------
    overrides : tuple of Override
    decided : dict of str to Decision
        By part; where a part is decided on again the last word stands.
    open : set of str
        The parts that an override is looked for.
    """

    overrides: tuple[Override, ...] = ()
    decided: dict[str, Decision] = field(default_factory=dict, compare=False)
    open: set[str] = field(default_factory=set, compare=False)

    def override(self, part: str) -> Override | None:
        """Return the last override of a part."""
        return next((one for one in reversed(self.overrides) if one.part == part), None)

    def wanted(self, part: str) -> str | None:
        """Return what a statistician wants of a part."""
        self.open.add(part)
        override = self.override(part)
        return None if override is None else override.to

    def note(self, part: str, rule: str, decided: str = "withheld") -> Decision:
        """Write down the decision on a part."""
        self.decided[part] = Decision(part, rule, decided, self.override(part))
        return self.decided[part]


RULES = Rules()
RELIABLE = _THRESHOLDS["unreliable"]
"""Means and shares of fewer people are marked as unreliable."""


def part_of(whole: str, *labels: object) -> str:
    """Return the name of a part: its whole, and its words in lower case joined by hyphens."""
    words = (re.sub(r"[^a-z0-9_]+", "-", str(label).lower()).strip("-") for label in labels)
    return ".".join([whole, *(word or "none" for word in words)])


def as_markdown() -> str:
    """Return `TABLE` as a table in Markdown."""
    rows = [f"| {one.says} | {one.protects} | {one.source} |" for one in TABLE.values()]
    return "\n".join(["| rule | protects | source |", "|---|---|---|", *rows])


def hide_parts(
    counts: pd.DataFrame,
    small: pd.Series,
    rules: Rules = RULES,
    *,
    within: str = "",
    rounded: str = "",
) -> list[Any]:
    """Name what is withheld of the parts of a whole: what is small, and then the next smallest.

    Withholding goes on until at least two parts are hidden that together reach the smallest cell
    in every column of counts, so that the rest of the whole does not give them away. A part that
    stands alone stays as it is. What a statistician withholds counts as small; what one tells goes
    last, and is withheld all the same where nothing else is left to protect the others.

    Parameters
    ----------
    counts : DataFrame
        A row a part.
    small : Series of bool
        By part, whether a rule withholds it by itself.
    rules : Rules
    within : str
        Name of the whole, to which the labels of the rows are added; without it no override is
        looked for and no decision noted.
    rounded : str
        The rule by which what is told is rounded.

    Returns
    -------
    list
        The labels of what is withheld.
    """
    part = {name: part_of(within, name) if within else "" for name in counts.index}
    wanted = {name: rules.wanted(part[name]) if within else None for name in counts.index}
    order = counts.sum(axis=1).sort_values(kind="stable").index
    hidden = [
        name
        for name in order
        if wanted[name] == "withhold" or (small.loc[name] and wanted[name] != "tell")
    ]
    rest = [name for name in order if name not in hidden and counts.loc[name].sum() > 0]
    rest.sort(key=lambda name: wanted[name] == "tell")
    while hidden and rest and (len(hidden) < 2 or (counts.loc[hidden].sum() < rules.cell).any()):
        hidden.append(rest.pop(0))
    for name in counts.index if within else ():
        by_itself = wanted[name] == "withhold" and not small.loc[name]
        rule = "statistician" if by_itself else "cell" if small.loc[name] else "parts"
        if name in hidden:
            rules.note(part[name], rule)
        elif rounded and not small.loc[name]:
            rules.note(part[name], rounded, "rounded")
        else:
            rules.note(part[name], "cell" if small.loc[name] else "", "told")
    return hidden


@dataclass(frozen=True)
class Bounds:
    """What may be told of a part of a whole.

    Parameters
    ----------
    low, high : int or None
        The part lies between them, both included; equal where it is told exactly. Without a whole
        that may be told both are None.
    """

    low: int | None = None
    high: int | None = None


def clear_part(part: float, whole: int | None, rules: Rules = RULES) -> Bounds:
    """Return a part of a whole, or only that it is small, or nearly all.

    Parameters
    ----------
    part : float
        Rounded to people.
    whole : int or None
        Cleared.
    rules : Rules

    Returns
    -------
    Bounds
    """
    if whole is None:
        return Bounds()
    people = min(max(math.floor(part + 0.5), 0), whole)
    if people < rules.cell:
        return Bounds(0, min(rules.cell - 1, whole))
    if whole - people < rules.cell:
        return Bounds(whole - rules.cell + 1, whole)
    return Bounds(people, people)


def clear_whole(whole: int, part: int | None, rules: Rules = RULES) -> int | None:
    """Return a whole of which one part may already be known; None where the rest would be few.

    Parameters
    ----------
    whole : int
    part : int or None
        None where it is withheld.
    rules : Rules
    """
    return whole if whole - (part or 0) >= rules.cell else None


def are_apart(one: Collection[Any], other: Collection[Any], rules: Rules = RULES) -> bool:
    """Whether results of two groups may stand side by side.

    Parameters
    ----------
    one, other : collection
        Who is in each.
    rules : Rules

    Returns
    -------
    bool
        They hold the same people, or differ by at least the smallest cell: what differs between
        two results never tells of fewer.

    Examples
    --------
    Five people more would be told of by the difference; ten may be.

    >>> are_apart(range(100), range(105)), are_apart(range(100), range(110))
    (False, True)
    """
    differ = len(set(one) ^ set(other))
    return differ == 0 or differ >= rules.cell


def in_tens(many: int, rules: Rules, part: str = "") -> Bounds:
    """Return a number to the nearest ten, or only that it is small.

    Parameters
    ----------
    many : int
        People.
    rules : Rules
        Their smallest cell is what counts as small.
    part : str
        Under which name the rounding is noted; without one it is not.

    Returns
    -------
    Bounds
        Both the nearest ten (a five goes up), or from 0 to one below the smallest cell.

    Examples
    --------
    >>> in_tens(47, RULES), in_tens(7, RULES)
    (Bounds(low=50, high=50), Bounds(low=0, high=9))
    """
    if part:
        rules.note(part, "to ten", "rounded")
    if many < rules.cell:
        return Bounds(0, rules.cell - 1)
    near = TENS * math.floor(many / TENS + 0.5)
    return Bounds(near, near)
