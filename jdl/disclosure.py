"""Disclosure control: the only door through which a figure leaves.

The rules are the service's own where they are known and ours where they are not; they stand in
`RULES`. What is withheld shows as ``[c]``, with one public wording for every reason.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

from jdl.effects import MEASURES, Effect, Group, suppressed
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


def clear(effects: Mapping[str, Effect], *, balanced: bool, analysis: str = "headline") -> Cleared:
    """Let the effects of one analysis out, or withhold them.

    Parameters
    ----------
    effects : mapping of str to Effect
        By measure; the rate must be among them.
    balanced : bool
        Whether the balance gate accepted the match; without it no effect is concluded.
    analysis : str
        Prefix of the names in the decisions.

    Returns
    -------
    Cleared
    """
    rules = {
        measure: _rule(measure, effect, effects["rate"]) if balanced else "balance"
        for measure, effect in effects.items()
    }
    if any(rules.get(measure) for measure in COURT_OUTCOMES):
        rules |= {
            measure: rules[measure] or "cell" for measure in COURT_OUTCOMES if measure in rules
        }
    wording = WITHHELD if balanced else NOT_BALANCED
    return Cleared(
        {
            measure: _withhold(effect, wording) if rules[measure] else effect
            for measure, effect in effects.items()
        },
        tuple(Decision(f"{analysis}.{name}", rule) for name, rule in rules.items() if rule),
    )


def _rule(measure: str, effect: Effect, rate: Effect) -> str | None:
    """Name the first rule that withholds a measure, given the rate of the same analysis."""
    if rate.treatment.n < RULES.group:
        return "group"
    if _small_cell(rate.treatment):
        return "cell"
    if measure in HEADLINES:
        return None
    if effect.conclusion == "suppressed" or (rate.treatment.events or 0) < RULES.reoffenders:
        return "reoffenders"
    return "cell" if MEASURES[measure].kind == "rate" and _small_cell(effect.treatment) else None


def _small_cell(group: Group) -> bool:
    """Whether a share implies fewer than the smallest cell, of those who did or did not."""
    events = round(group.events or 0)
    return min(events, group.n - events) < RULES.cell


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
        The same rows; a withheld one has no numbers and no band. Where one level of a variable
        would be recovered from the others, the next smallest is withheld with it.
    """
    defining = balance["variable"].isin(known) & balance["mean_treatment_before"].eq(1)
    shares = (balance["level"] != "") & ~defining
    count = (balance["mean_treatment"] * treatment_n).round()
    before = (balance["mean_treatment_before"] * treatment_n).round()
    small = shares & ((count < RULES.cell) | (treatment_n - count < RULES.cell))
    small |= shares & (before < RULES.cell)
    alone = small.groupby(balance["variable"]).transform("sum").eq(1)
    others = count.where(shares & alone & ~small)
    small |= others.eq(others.groupby(balance["variable"]).transform("min"))
    cleared = balance.copy()
    numbers = balance.columns.difference(["variable", "level"])
    cleared[numbers] = balance[numbers].where(~small)
    return cleared


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
    revealing = {k: n for k, n in counts.items() if k not in ("incomplete", "duplicate")}
    hidden = {name for name, number in revealing.items() if 0 < number < RULES.cell}
    others = sorted(set(revealing) - hidden, key=lambda name: (revealing[name], name))
    if len(hidden) == 1:
        hidden |= set([name for name in others if revealing[name]][:1])
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
