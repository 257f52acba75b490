"""Disclosure control: the only door through which a figure leaves.

The rules are the service's own where they are known and ours where they are not; they stand in
`RULES`. What is withheld shows as ``[c]``, with one public wording for every reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from jdl.effects import MEASURES, Effect, Group, suppressed
from jdl.matching import Matched
from jdl.sentence import DUPLICATE, INCOMPLETE, REFUSED

WITHHELD = "withheld to protect confidentiality or because too few people were counted"
NOT_BALANCED = "not reported because the groups could not be made alike"
OTHER_REASONS = "other reasons"


@dataclass(frozen=True)
class Rules:
    """The thresholds, each with its source.

    Parameters
    ----------
    group : int
        Fewest treated people after matching for any result (commonly quoted; ours).
    cell : int
        Fewest people in any count that a share implies, either way (the service's n times p of 10;
        its complement is ours).
    reoffenders : int
        Fewest treated reoffenders for days to first and for court and custody measures (the
        service's own).
    """

    group: int = 30
    cell: int = 10
    reoffenders: int = 30


RULES = Rules()
HEADLINES = ("rate", "frequency")
COURT_OUTCOMES = ("first_indictable", "first_either_way", "first_summary")
UPLOAD_FAULTS = (REFUSED, INCOMPLETE, DUPLICATE)


@dataclass(frozen=True)
class Decision:
    """One decision, without the value decided on."""

    figure: str
    rule: str


@dataclass(frozen=True, repr=False)
class Cleared:
    """Effects after disclosure control.

    Parameters
    ----------
    effects : dict of str to Effect
        By measure; a withheld one keeps its group sizes and nothing else.
    decisions : tuple of Decision
        What was withheld and by which rule.
    """

    effects: dict[str, Effect]
    decisions: tuple[Decision, ...]

    def __repr__(self) -> str:
        return f"{len(self.effects)} measures, of which {len(self.decisions)} are withheld"


def clear(
    effects: Mapping[str, Effect],
    *,
    matched: Matched,
    rules: Rules = RULES,
    analysis: str = "headline",
) -> Cleared:
    """Let the effects of one analysis out, or withhold them.

    Parameters
    ----------
    effects : mapping of str to Effect
        By measure; the rate must be among them.
    matched : Matched
        The groups; where their balance was not accepted, their sizes are all that is let out.
    rules : Rules
        The thresholds.
    analysis : str
        Prefix of the names in the decisions.

    Returns
    -------
    Cleared
    """
    broken = {
        measure: _rule(measure, effect, effects["rate"], rules) if matched.accepted else "balance"
        for measure, effect in effects.items()
    }
    if any(broken.get(measure) for measure in COURT_OUTCOMES):
        broken |= {name: broken[name] or "cell" for name in COURT_OUTCOMES if name in broken}
    if not matched.accepted:
        effects = {name: _sized(effect, matched) for name, effect in effects.items()}
    wording = WITHHELD if matched.accepted else NOT_BALANCED
    return Cleared(
        {
            measure: _withhold(effect, wording) if broken[measure] else effect
            for measure, effect in effects.items()
        },
        tuple(Decision(f"{analysis}.{name}", rule) for name, rule in broken.items() if rule),
    )


def _sized(effect: Effect, matched: Matched) -> Effect:
    """Give an effect the sizes of the match, since no outcome was read of it."""
    return replace(
        effect,
        treatment=Group(n=matched.treatment_n, people=matched.treatment_n),
        comparison=Group(
            n=matched.comparison_n,
            people=matched.comparison_people,
            effective_n=matched.effective_n,
        ),
    )


def _rule(measure: str, effect: Effect, rate: Effect, rules: Rules) -> str | None:
    """Name the first rule that withholds a measure, given the rate of the same analysis."""
    if rate.treatment.n < rules.group:
        return "group"
    if _small_cell(rate.treatment, rules):
        return "cell"
    if measure in HEADLINES:
        return None
    if effect.conclusion == "suppressed" or (rate.treatment.events or 0) < rules.reoffenders:
        return "reoffenders"
    small = MEASURES[measure].kind == "rate" and _small_cell(effect.treatment, rules)
    return "cell" if small else None


def _small_cell(group: Group, rules: Rules) -> bool:
    """Whether a share implies fewer than the smallest cell, of those who did or did not."""
    events = round(group.events or 0)
    return min(events, group.n - events) < rules.cell


def _withhold(effect: Effect, reason: str) -> Effect:
    return suppressed(
        effect.analysis,
        effect.measure,
        _size_only(effect, effect.treatment),
        _size_only(effect, effect.comparison),
        reason,
    )


def _size_only(effect: Effect, group: Group) -> Group:
    """Keep the size of a group of everyone; the number of reoffenders is itself a result."""
    if MEASURES[effect.measure].among == "reoffenders":
        return Group(n=0)
    return Group(n=group.n, people=group.people, effective_n=group.effective_n)


def clear_balance(
    balance: pd.DataFrame, treatment_n: int, *, known: Collection[str] = ()
) -> pd.DataFrame:
    """Withhold the rows of a balance table that imply few treated people.

    Parameters
    ----------
    balance : DataFrame
        From ``balance.table``; a row with a level is a share of the people in it.
    treatment_n : int
        Treated people after matching.
    known : collection of str
        Variables that define the analysis: that everybody has one level of such a variable is no
        secret.

    Returns
    -------
    DataFrame
        The same rows; a withheld one has no numbers and no band. The next smallest level of a
        variable goes with it, until the rest gives neither away.
    """
    defining = balance["variable"].isin(known) & balance["mean_treatment_before"].eq(1)
    shares = (balance["level"] != "") & ~defining
    count = (balance["mean_treatment"] * treatment_n).round()
    before = (balance["mean_treatment_before"] * treatment_n).round()
    small = shares & ((count < RULES.cell) | (treatment_n - count < RULES.cell))
    small |= shares & (before < RULES.cell)
    for _, rows in count.loc[shares].groupby(balance["variable"], sort=False):
        small |= balance.index.isin(_hidden(rows, small.loc[rows.index]))
    cleared = balance.copy()
    numbers = balance.columns.difference(["variable", "level"])
    cleared[numbers] = balance[numbers].where(~small)
    return cleared


def _hidden(counts: pd.Series, small: pd.Series) -> list[Any]:
    """Name what is withheld of the parts of a whole: what is small, and then the next smallest.

    Withholding goes on until at least two parts are hidden that together reach the smallest cell,
    so that the rest of the whole does not give them away. A part that stands alone stays as it is.
    """
    order = counts.sort_values(kind="stable").index
    hidden = [name for name in order if small.loc[name]]
    rest = [name for name in order if not small.loc[name] and counts.loc[name] > 0]
    while hidden and rest and (len(hidden) < 2 or counts.loc[hidden].sum() < RULES.cell):
        hidden.append(rest.pop(0))
    return hidden


def clear_counts(counts: Mapping[str, int]) -> dict[str, int | None]:
    """Withhold the small counts of a partition of the uploaded rows.

    Parameters
    ----------
    counts : mapping of str to int
        From ``linkage.Links.counts``; they add up to the upload.

    Returns
    -------
    dict of str to int or None
        None where withheld. What the upload itself shows stays exact; where one count would be
        recovered from the others, the next smallest is withheld with it.
    """
    parts = pd.Series({k: n for k, n in counts.items() if k not in ("incomplete", "duplicate")})
    hidden = set(_hidden(parts, (parts > 0) & (parts < RULES.cell)))
    return {name: None if name in hidden else number for name, number in counts.items()}


def clear_funnel(funnel: pd.DataFrame) -> pd.DataFrame:
    """Merge the reasons for loss that would reveal what the records say of a few people.

    Parameters
    ----------
    funnel : DataFrame
        From ``sentence.funnel``.

    Returns
    -------
    DataFrame
        The same columns and the same sum. What the upload itself shows (`UPLOAD_FAULTS`) stays
        exact; smaller reasons become ``other reasons``, and while that row itself is below the
        smallest cell the next smallest joins it.
    """
    start, losses = funnel.iloc[:1], funnel.iloc[1:]
    revealing = losses.loc[~losses["reason"].isin(UPLOAD_FAULTS)].sort_values(
        "removed", kind="stable"
    )
    small = int((revealing["removed"] < RULES.cell).sum())
    while 0 < small < len(revealing) and revealing["removed"].iloc[:small].sum() < RULES.cell:
        small += 1
    if small < 2:
        small = min(2, len(revealing)) if small else 0
    merged = revealing.iloc[:small]
    kept = losses.drop(index=merged.index)[["reason", "removed"]]
    if len(merged):
        other = pd.DataFrame({"reason": [OTHER_REASONS], "removed": [int(merged["removed"].sum())]})
        kept = pd.concat([kept, other], ignore_index=True)
    rows = pd.concat([start[["reason", "removed"]], kept], ignore_index=True)
    return rows.assign(
        step=range(len(rows)), remaining=start["remaining"].iloc[0] - rows["removed"].cumsum()
    )[["step", "reason", "removed", "remaining"]]
