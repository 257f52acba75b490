"""The people of the upload: how they were found, placed and lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from jdl.disclosure.rules import (
    OTHER_REASONS,
    RULES,
    STEP,
    Bounds,
    Rules,
    clear_part,
    hide_parts,
    part_of,
)
from jdl.linkage import FATES
from jdl.sentence import DUPLICATE, INCOMPLETE, NO_DATE, NOT_FOUND, REASONS, REFUSED, REVIEW

UPLOAD_FAULTS = (REFUSED, INCOMPLETE, NO_DATE, DUPLICATE)
UPLOAD_DECISIONS = ("incomplete", "duplicate")
NOT_LINKED = ("review", "not found")
_LOST_AS = {"review": REVIEW, "not found": NOT_FOUND}
_BY_NAME = (("common", 9.0, 7.5), ("uncommon", 12.0, 10.5), ("rare", math.inf, 13.5))
RARITIES: dict[str, tuple[tuple[str, float, float], ...]] = {
    "forename": _BY_NAME,
    "surname": _BY_NAME,
    "date_of_birth": (("", math.inf, 13.7),),
    "sex": (("", math.inf, 0.4),),
}
"""What agreement weighs more for where the value is rare, by field: of each class its word, the
greatest weight in bits, and the weight told for it. Each class of names holds a twentieth of the
people or more; dates and sexes have one class, for two would tell the sex."""


def clear_counts(counts: Mapping[str, int], rules: Rules = RULES) -> dict[str, int | None]:
    """Withhold the small counts of a partition of the uploaded rows.

    Parameters
    ----------
    counts : mapping of str to int
        From ``linkage.Links.counts``; they add up to the upload.
    rules : Rules

    Returns
    -------
    dict of str to int or None
        None where withheld. What the upload itself shows stays exact; where one count would be
        recovered from the others, the next smallest is withheld with it. How many were linked in
        all is told elsewhere, see `clear_linked`, so both those linked and those not linked keep
        their own secret wherever they can.
    """
    parts = pd.Series({k: n for k, n in counts.items() if k not in UPLOAD_DECISIONS}, dtype=int)
    linked = ~parts.index.isin(NOT_LINKED)
    small = (parts > 0) & (parts < rules.cell)
    tell = [name for name in parts.index if rules.wanted(part_of("linkage", name)) == "tell"]
    hidden = small & ~parts.index.isin(tell)
    for whole in (parts.loc[linked], parts.loc[~linked], parts):
        held = hide_parts(whole.to_frame(), hidden.loc[whole.index], rules, within="linkage")
        hidden |= parts.index.isin(held)
    for name in parts.index:
        rule = "cell" if small[name] else "parts" if hidden[name] else ""
        rules.note(part_of("linkage", name), rule, "withheld" if hidden[name] else "told")
    return {name: None if hidden.get(name, False) else number for name, number in counts.items()}


def clear_linked(counts: Mapping[str, int], rules: Rules = RULES) -> int | None:
    """Return how many people were linked in all, if it may be told.

    Parameters
    ----------
    counts : mapping of str to int
        From ``linkage.Links.counts``.
    rules : Rules

    Returns
    -------
    int or None
        None where few people were linked, or few were not.
    """
    left = sum(counts.get(name, 0) for name in NOT_LINKED)
    linked = sum(counts.values()) - left - sum(counts.get(name, 0) for name in UPLOAD_DECISIONS)
    rule = None if min(linked, left) >= rules.cell else "cell"
    return None if rules.apply("linkage.linked", rule) else linked


def clear_rates(rates: pd.DataFrame, rules: Rules = RULES) -> pd.DataFrame:
    """Withhold the rates of linkage that would tell of a few people whether they are on record.

    The provider knows the upload, so a share is as good as a count to it, and a level that it
    cannot see is what is left of the whole: the shares of a group are withheld until those that
    are hidden hold enough people, both linked and not. Those become ranges, if even all ranges of
    the group and the total linked leave it open whether few were linked or not.

    Parameters
    ----------
    rates : DataFrame
        A row a level of each group: group, level, people and linked. Each group parts the same
        people, those who were looked for.
    rules : Rules

    Returns
    -------
    DataFrame
        group, level, people, then of the share linked: share, ci_low and ci_high (Wilson, 95%), or
        low and high where it is a range, or not a number in any of them; without levels that hold
        nobody. Shares come from people linked rounded to `STEP`, because two levels of different
        groups may hold nearly the same people.
    """
    rates = rates.loc[rates["people"] > 0, ["group", "level", "people", "linked"]]
    rates = rates.reset_index(drop=True)
    told = [
        _shares(
            rows.set_index("level")["linked"],
            rows.set_index("level")["people"],
            rules,
            part_of("linkage-rates", group),
        ).set_axis(rows.index)
        for group, rows in rates.groupby("group", sort=False)
    ]
    return rates.drop(columns="linked").join(pd.concat(told) if told else _NO_SHARES)


_NO_SHARES = pd.DataFrame(columns=["share", "ci_low", "ci_high", "low", "high"], dtype=float)


def _shares(linked: pd.Series, people: pd.Series, rules: Rules, within: str) -> pd.DataFrame:
    """Clear the shares linked of the parts of a whole, in the columns of `_NO_SHARES`."""
    counts = pd.DataFrame({"linked": linked, "left": people - linked})
    small = (counts < rules.cell).any(axis=1)
    held = hide_parts(counts, small, rules, within=within, rounded="to five")
    hidden = counts.index.isin(held)
    told = (STEP * (linked / STEP).round()).clip(upper=people).where(~hidden)
    ci_low, ci_high = proportion_confint(told, people.where(~hidden), alpha=0.05, method="wilson")
    shares = pd.DataFrame({"share": told / people, "ci_low": ci_low, "ci_high": ci_high})
    return shares.join(_ranges(linked.loc[hidden], people.loc[hidden], rules), how="left")


def _ranges(linked: pd.Series, people: pd.Series, rules: Rules) -> pd.DataFrame:
    """Give shares of the parts of a known total as tenths, where that leaves every part open.

    What the ranges of the others and the total say of a part must allow that as many of it as the
    smallest cell, or all of it, were linked, and that as many were not.
    """
    told = people >= 2 * rules.cell
    tenth = (linked * 10 // people).clip(upper=9)
    least = (-(-tenth * people // 10)).where(told, 0)
    most = (-(-(tenth + 1) * people // 10) - (tenth < 9)).where(told, people)
    surely = (linked.sum() - (most.sum() - most)).clip(lower=least)
    perhaps = (linked.sum() - (least.sum() - least)).clip(upper=most)
    either = pd.concat([perhaps, people - surely], axis=1).min(axis=1)
    if (either < people.clip(upper=rules.cell)).any():
        return _NO_SHARES[["low", "high"]]
    return pd.DataFrame({"low": tenth / 10, "high": (tenth + 1) / 10}).where(told)


def clear_gains(
    gains: pd.DataFrame, counts: Mapping[str, int], rules: Rules = RULES
) -> pd.DataFrame:
    """Withhold what a missing field cost where that would tell of a few people.

    Parameters
    ----------
    gains : DataFrame
        A row a field: field, rows_lacking; people_lacking, of those who were looked for; rate_with
        and rate_without, of those who have the field and of those who lack it the share linked;
        and gain, how many of those who lack it and were not linked are expected to be on record.
    counts : mapping of str to int
        From ``linkage.Links.counts``.
    rules : Rules

    Returns
    -------
    DataFrame
        field; rows_lacking, which the provider knows; of those who have the field and of those who
        lack it the columns of `clear_rates`, as ``share_with`` and so on; gain rounded to `STEP`,
        or fewer, the number that it is below. Not a number where withheld.
    """
    people = sum(many for name, many in counts.items() if name not in UPLOAD_DECISIONS)
    return pd.DataFrame([_gain(row, people, rules) for row in gains.to_dict("records")])


def _gain(row: Mapping[Any, Any], people: int, rules: Rules) -> dict[str, Any]:
    parts = pd.Series({"without": row["people_lacking"], "with": people - row["people_lacking"]})
    parts = parts.loc[parts > 0]
    rates = pd.Series({name: row[f"rate_{name}"] for name in parts.index}, dtype=float)
    linked = (rates * parts).round()
    within = part_of("gains", row["field"])
    shares = _shares(linked, parts, rules, within).reindex(["with", "without"])
    told = {
        f"{column}_{name}": shares.loc[name, column]
        for name in shares.index
        for column in shares.columns
    }
    left = int(row["people_lacking"] - linked.get("without", 0))
    bounds = clear_part(row["gain"], left, rules) if left >= rules.cell else Bounds()
    rounded = STEP * round(row["gain"] / STEP)
    exact = bounds.low is not None and bounds.low == bounds.high
    # That a number is told shows how many were not linked at least: as many must be left open.
    is_open = row["people_lacking"] >= 2 * rules.cell + (rounded + STEP if exact else 0)
    fewer = bounds.low == 0 and bounds.high is not None
    is_told = is_open and (exact or fewer)
    rules.note(part_of(within, "gain"), *(("to five", "rounded") if is_told else ("cell",)))
    return {
        "field": row["field"],
        "rows_lacking": row["rows_lacking"],
        **told,
        "gain": rounded if exact and is_open else math.nan,
        "fewer": rules.cell if fewer and is_open else math.nan,
    }


def hide_rarity(levels: pd.DataFrame) -> pd.DataFrame:
    """Put every value that agrees into a class of rarity, so that its weight does not tell it.

    Parameters
    ----------
    levels : DataFrame
        field, level and weight in bits, of one link; the same value in a field of `RARITIES` weighs
        what its frequency in the register gives.

    Returns
    -------
    DataFrame
        The same columns and ``rarity``, the word of the class, empty where it has none; the weight
        of the same value is that of its class.
    """
    told = [
        _classed(row["field"], row["level"], row["weight"]) for row in levels.to_dict("records")
    ]
    words, weights = zip(*told, strict=True) if told else ((), ())
    return levels.assign(weight=weights, rarity=words)


def _classed(field: str, level: str, weight: float) -> tuple[str, float]:
    if level not in ("exact", "same") or field not in RARITIES:
        return "", weight
    word, _, told = next(c for c in RARITIES[field] if weight <= c[1])
    return word, told


def clear_rules(placed: pd.DataFrame, rules: Rules = RULES) -> pd.DataFrame:
    """Merge the rules that placed few people.

    Parameters
    ----------
    placed : DataFrame
        From ``sentence.rules``: rule and people.
    rules : Rules

    Returns
    -------
    DataFrame
        rule and people, with the same sum. Rules with fewer people than the smallest cell become
        ``another rule``; while that row itself is below it the next smallest joins.
    """
    ordered = placed.sort_values("people", kind="stable")[["rule", "people"]]
    few = int((ordered["people"] < rules.cell).sum())
    while 0 < few < len(ordered) and ordered["people"].iloc[:few].sum() < rules.cell:
        few += 1
    kept = placed.drop(index=ordered.index[:few])[["rule", "people"]]
    for name in ordered["rule"].iloc[few:]:
        rules.note(part_of("placed", name), "", "told")
    if few:
        rules.note("placed.another-rule", "merged", "merged")
    other = pd.DataFrame({"rule": ["another rule"], "people": [ordered["people"].iloc[:few].sum()]})
    return pd.concat([kept, other], ignore_index=True) if few else kept.reset_index(drop=True)


def clear_fates(fates: pd.DataFrame, rules: Rules = RULES) -> pd.DataFrame:
    """Withhold what would tell of a few people whether they were found or analysed.

    Parameters
    ----------
    fates : DataFrame
        From ``linkage.fates``.
    rules : Rules

    Returns
    -------
    DataFrame
        A row a level of each group: group, level, and of those analysed, lost and not found the
        share who are of this level (not a number where withheld). A level is told where each of
        the three holds enough people of it and enough others, and the levels withheld of a group
        stand together. Shares come from people to the nearest `STEP`. No row at all where one of
        the three is itself too small to be shown apart.
    """
    shares = [
        _fate_shares(rows.set_index("level")[list(FATES)], rules, part_of("fates", group)).assign(
            group=group
        )
        for group, rows in fates.groupby("group", sort=False)
    ]
    columns = ["group", "level", *FATES]
    if not shares:
        return pd.DataFrame(columns=columns)
    return pd.concat([one.reset_index() for one in shares], ignore_index=True)[columns]


def _fate_shares(counts: pd.DataFrame, rules: Rules, within: str) -> pd.DataFrame:
    whole = counts.sum()
    if (whole < 2 * rules.cell).any():
        rules.note(within, "cell")
        return counts.iloc[:0].astype(float)
    counts = counts.loc[counts.sum(axis=1) > 0]
    small = ((counts < rules.cell) | (whole - counts < rules.cell)).any(axis=1)
    rounded = STEP * (counts / STEP).round() / (STEP * (whole / STEP).round())
    hidden = hide_parts(counts, small, rules, within=within, rounded="to five")
    return rounded.clip(upper=1).drop(index=hidden).reindex(counts.index)


def note_merged(told: Iterable[str], rules: Rules) -> None:
    """Note every reason that has no row as merged: which of them occurred is not told.

    Parameters
    ----------
    told : iterable of str
        The reasons that have a row; that of the other reasons is merged too.
    rules : Rules
    """
    shown = {*told, *UPLOAD_FAULTS}
    others = [OTHER_REASONS] if OTHER_REASONS in shown else []
    for reason in (*(one for one in REASONS if one not in shown), *others):
        rules.note(part_of("funnel", reason), "merged", "merged")


def clear_funnel(
    funnel: pd.DataFrame,
    counts: Mapping[str, int | None] | None = None,
    rules: Rules = RULES,
) -> pd.DataFrame:
    """Merge the reasons for loss that would reveal what the records say of a few people.

    Parameters
    ----------
    funnel : DataFrame
        From ``sentence.funnel``.
    counts : mapping of str to int or None, optional
        From `clear_counts`: what is withheld there of those not linked is merged here too.
    rules : Rules

    Returns
    -------
    DataFrame
        The same columns and the same sum. What the upload itself shows (`UPLOAD_FAULTS`) stays
        exact; smaller reasons become ``other reasons``, and while that row itself is below the
        smallest cell the next smallest joins it.
    """
    start, losses = funnel.iloc[:1], funnel.iloc[1:]
    withheld = [_LOST_AS[name] for name in NOT_LINKED if (counts or {}).get(name, 0) is None]
    revealing = losses.loc[~losses["reason"].isin(UPLOAD_FAULTS)]
    few = (revealing["removed"] < rules.cell) | revealing["reason"].isin(withheld)
    revealing = revealing.assign(few=few).sort_values(
        ["few", "removed"], ascending=[False, True], kind="stable"
    )
    small = int(few.sum())
    while 0 < small < len(revealing) and revealing["removed"].iloc[:small].sum() < rules.cell:
        small += 1
    if small < 2:
        small = min(2, len(revealing)) if small else 0
    merged = revealing.iloc[:small]
    kept = losses.drop(index=merged.index)[["reason", "removed"]]
    for reason in kept["reason"]:
        rules.note(part_of("funnel", reason), "", "told")
    if len(merged):
        other = pd.DataFrame({"reason": [OTHER_REASONS], "removed": [int(merged["removed"].sum())]})
        kept = pd.concat([kept, other], ignore_index=True)
        note_merged(kept["reason"], rules)
    rows = pd.concat([start[["reason", "removed"]], kept], ignore_index=True)
    return rows.assign(
        step=range(len(rows)), remaining=start["remaining"].iloc[0] - rows["removed"].cumsum()
    )[["step", "reason", "removed", "remaining"]]
