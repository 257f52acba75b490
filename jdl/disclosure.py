"""Disclosure control: the only door through which a figure leaves.

The rules are the service's own where they are known and ours where they are not; they stand in
`RULES`. What is withheld shows as ``[c]``, with one public wording for every reason.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from jdl.companion import Adjusted
from jdl.covariates import Pool
from jdl.effects import ALL, EVERYONE, MEASURES, Effect, Group, suppressed
from jdl.landmark import Gaps
from jdl.linkage import FATES
from jdl.matching import Matched
from jdl.outcomes import Delays
from jdl.sentence import DUPLICATE, INCOMPLETE, NO_DATE, NOT_FOUND, REFUSED, REVIEW
from jdl.survival import Survival
from jdl.unmeasured import EValue

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
FREQUENCIES = ("frequency_indictable", "frequency_either_way", "frequency_summary")
PARTS = (COURT_OUTCOMES, FREQUENCIES)
"""Measures that add up: to everybody who reoffended, and to the frequency of reoffending."""
VERSIONS = {version.name: name for name, version in EVERYONE.items()}
"""The versions for everyone, each with its measure among reoffenders."""
UPLOAD_FAULTS = (REFUSED, INCOMPLETE, NO_DATE, DUPLICATE)
UPLOAD_DECISIONS = ("incomplete", "duplicate")
NOT_LINKED = ("review", "not found")
_LOST_AS = {"review": REVIEW, "not found": NOT_FOUND}
STEP = 5
"""People found are told to the nearest five, where one person counts in several tables."""
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
    adjusted : dict of str to Adjusted
        The adjusted checks, by measure, where they were handed in.
    """

    effects: dict[str, Effect]
    decisions: tuple[Decision, ...]
    adjusted: dict[str, Adjusted] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{len(self.effects)} measures, of which {len(self.decisions)} are withheld"


def clear(
    effects: Mapping[str, Effect],
    *,
    matched: Matched,
    sample: pd.DataFrame | None = None,
    rules: Rules = RULES,
    analysis: str = "headline",
) -> Cleared:
    """Let the effects of one analysis out, or withhold them.

    Parameters
    ----------
    effects : mapping of str to Effect
        By measure, versions for everyone too; the rate must be among them.
    matched : Matched
        The groups; where their balance was not accepted, their sizes are all that is let out.
    sample : DataFrame, optional
        The matched rows with their outcomes. The people with an offence are counted in it; without
        it they are taken as the fewest who can have the mean and the standard deviation.
    rules : Rules
        The thresholds.
    analysis : str
        Prefix of the names in the decisions.

    Returns
    -------
    Cleared
    """
    counts = None if sample is None else _events(_treated(sample)).sum()
    broken = {
        measure: _rule(effect, effects["rate"], _offenders(effect, counts), rules)
        if matched.accepted
        else "balance"
        for measure, effect in effects.items()
    }
    for parts in (*PARTS, *(tuple(EVERYONE[name].name for name in parts) for parts in PARTS)):
        if any(broken.get(measure) for measure in parts):
            broken |= {name: broken[name] or "cell" for name in parts if name in broken}
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


def _rule(effect: Effect, rate: Effect, offenders: int, rules: Rules) -> str | None:
    """Name the first rule that withholds a measure, given the rate of the same analysis."""
    if rate.treatment.n < rules.group:
        return "group"
    if _small_cell(rate.treatment, rules):
        return "cell"
    if effect.measure in HEADLINES:
        return None
    if effect.measure in VERSIONS:
        return _rule_of_version(effect, rate, offenders, rules)
    if effect.conclusion == "suppressed" or (rate.treatment.events or 0) < rules.reoffenders:
        return "reoffenders"
    kind = ALL[effect.measure].kind
    small = kind == "rate" and _small_cell(effect.treatment, rules)
    small |= kind == "frequency" and offenders < rules.cell
    return "cell" if small else None


def _rule_of_version(effect: Effect, rate: Effect, offenders: int, rules: Rules) -> str | None:
    """Name the rule that withholds a version for everyone: few had the outcome, or few had not.

    Those who had not are counted among the reoffenders, whose number the rate tells.
    """
    if effect.conclusion == "suppressed":
        return "events"
    events, kind = round(effect.treatment.events or 0), ALL[effect.measure].kind
    few = kind == "rate" and min(events, round(rate.treatment.events or 0) - events) < rules.cell
    few |= kind == "frequency" and offenders < rules.cell
    return "cell" if few else None


def _offenders(effect: Effect, counts: pd.Series[float] | None) -> int:
    """Return the treated people with an event; without their counts the fewest there can be."""
    if counts is not None:
        return int(counts[VERSIONS.get(effect.measure, effect.measure)])
    group = effect.treatment
    if group.mean is None or group.sd is None:
        return 0
    return _fewest(*_sums(group.n, group.mean, group.sd))


def _sums(many: float, mean: float, sd: float) -> tuple[float, float]:
    """Return the sum of the values of a group and the sum of their squares."""
    return many * mean, (many - 1) * sd**2 + many * mean**2


def _fewest(total: float, squares: float) -> int:
    """Return how few values other than zero can have this sum and sum of squares.

    By Cauchy and Schwarz at least the square of the sum over the sum of the squares.
    """
    return math.ceil(total**2 / squares - 1e-6) if total > 0 and squares > 0 else 0


def _treated(sample: pd.DataFrame) -> pd.DataFrame:
    return sample.loc[(sample["treated"] == 1) & (sample["weight"] > 0)]


def _events(people: pd.DataFrame) -> pd.DataFrame:
    """Tell by measure who had its event, 1 or 0; not a number for whom it is not about.

    The event of the rate, the frequency and the days to first is any reoffence; of a share that it
    is so, and of another frequency at least one.
    """
    events = {name: one.values(people) > 0 for name, one in MEASURES.items()}
    events |= dict.fromkeys((*HEADLINES, "days_to_first"), events["rate"])
    about = {name: one.rows(people) for name, one in MEASURES.items()}
    about |= {"days_to_first": about["rate"]}
    index = people["offender_id"]
    return pd.DataFrame(events, index=index).astype(float).where(pd.DataFrame(about, index=index))


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
    if ALL[effect.measure].among == "reoffenders":
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
        small |= balance.index.isin(_hidden(rows.to_frame(), small.loc[rows.index]))
    cleared = balance.copy()
    numbers = balance.columns.difference(["variable", "level"])
    cleared[numbers] = balance[numbers].where(~small)
    return cleared


def _hidden(counts: pd.DataFrame, small: pd.Series, rules: Rules = RULES) -> list[Any]:
    """Name what is withheld of the parts of a whole: what is small, and then the next smallest.

    Withholding goes on until at least two parts are hidden that together reach the smallest cell
    in every column of counts, so that the rest of the whole does not give them away. A part that
    stands alone stays as it is.
    """
    order = counts.sum(axis=1).sort_values(kind="stable").index
    hidden = [name for name in order if small.loc[name]]
    rest = [name for name in order if not small.loc[name] and counts.loc[name].sum() > 0]
    while hidden and rest and (len(hidden) < 2 or (counts.loc[hidden].sum() < rules.cell).any()):
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
        recovered from the others, the next smallest is withheld with it. How many were linked in
        all is told elsewhere, see `clear_linked`, so both those linked and those not linked keep
        their own secret wherever they can.
    """
    parts = pd.Series({k: n for k, n in counts.items() if k not in UPLOAD_DECISIONS}, dtype=int)
    linked = ~parts.index.isin(NOT_LINKED)
    hidden = (parts > 0) & (parts < RULES.cell)
    for whole in (parts.loc[linked], parts.loc[~linked], parts):
        hidden |= parts.index.isin(_hidden(whole.to_frame(), hidden.loc[whole.index]))
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
    return linked if min(linked, left) >= rules.cell else None


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
        _shares(rows["linked"], rows["people"], rules)
        for _, rows in rates.groupby("group", sort=False)
    ]
    return rates.drop(columns="linked").join(pd.concat(told) if told else _NO_SHARES)


_NO_SHARES = pd.DataFrame(columns=["share", "ci_low", "ci_high", "low", "high"], dtype=float)


def _shares(linked: pd.Series, people: pd.Series, rules: Rules) -> pd.DataFrame:
    """Clear the shares linked of the parts of a whole, in the columns of `_NO_SHARES`."""
    counts = pd.DataFrame({"linked": linked, "left": people - linked})
    hidden = counts.index.isin(_hidden(counts, (counts < rules.cell).any(axis=1), rules))
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
    shares = _shares(linked, parts, rules).reindex(["with", "without"])
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
    """
    differ = len(set(one) ^ set(other))
    return differ == 0 or differ >= rules.cell


def clear_adjusted(
    adjusted: Mapping[str, Adjusted], effects: Mapping[str, Effect]
) -> dict[str, Adjusted]:
    """Withhold the adjusted check of every measure whose own result is withheld.

    Parameters
    ----------
    adjusted : mapping of str to Adjusted
        By measure.
    effects : mapping of str to Effect
        Cleared, of the same analysis.

    Returns
    -------
    dict of str to Adjusted
        In the same order; the check of a measure that is not among the effects is withheld too.
    """
    return {
        measure: one
        if measure in effects and effects[measure].conclusion != "suppressed"
        else Adjusted(one.analysis, measure, one.model, reason=_why(effects.get(measure)))
        for measure, one in adjusted.items()
    }


def _why(effect: Effect | None) -> str:
    return WITHHELD if effect is None else effect.reason or WITHHELD


def clear_survival(survival: Survival, rate: Effect, rules: Rules = RULES) -> Survival:
    """Merge points of the curves until enough treated people reoffended between those told.

    Parameters
    ----------
    survival : Survival
        Of one analysis.
    rate : Effect
        The cleared effect on the rate of the same analysis.
    rules : Rules

    Returns
    -------
    Survival
        With fewer days: between two that are told at least the smallest cell of treated people
        reoffended. The last day is always told, since the rate tells it. Nothing is told where
        the rate is withheld.
    """
    if rate.conclusion == "suppressed" or survival.reason is not None:
        reason = _why(rate) if rate.conclusion == "suppressed" else survival.reason
        return Survival(survival.analysis, (), (), (), reason=reason)
    if (rate.treatment.events or 0) < rules.reoffenders:
        survival = _in_whole_days(survival)
    left = [round(rate.treatment.n * (share or 0)) for share in survival.treatment]
    kept = [0]
    for place in range(1, len(left)):
        if left[kept[-1]] - left[place] >= rules.cell:
            kept.append(place)
    last = len(left) - 1
    kept = [*kept[:-1], last] if len(kept) > 1 else [0, last]
    return replace(
        survival,
        days=tuple(survival.days[place] for place in kept),
        treatment=tuple(survival.treatment[place] for place in kept),
        comparison=tuple(survival.comparison[place] for place in kept),
    )


def _in_whole_days(survival: Survival) -> Survival:
    """Round what would tell, with the rate, the days to the first reoffence that are withheld."""
    told: dict[str, Any] = {
        name: None if value is None else float(round(value))
        for name in ("mean_treatment", "mean_comparison", "difference", "ci_low", "ci_high")
        for value in [getattr(survival, name)]
    }
    return replace(survival, **told)


def clear_unmeasured(unmeasured: EValue | None, effect: Effect) -> EValue | None:
    """Return how strong an unmeasured need must be, if the result itself is told and significant.

    Parameters
    ----------
    unmeasured : EValue or None
    effect : Effect
        Cleared.
    """
    told = effect.conclusion != "suppressed" and effect.significant
    return unmeasured if told else None


def clear_control(control: Effect | None, rate: Effect, rules: Rules = RULES) -> Effect | None:
    """Let a negative control out, without its sizes, which may differ from the headline's by few.

    Parameters
    ----------
    control : Effect or None
        From ``sensitivity.before_the_index_date``.
    rate : Effect
        The cleared headline effect on the rate.
    rules : Rules

    Returns
    -------
    Effect or None
        None where there is none, or where it or the headline is withheld.
    """
    if control is None or rate.conclusion == "suppressed" or _rule(control, control, 0, rules):
        return None
    return replace(
        control,
        treatment=Group(n=0, mean=control.treatment.mean),
        comparison=Group(n=0, mean=control.comparison.mean),
    )


@dataclass(frozen=True)
class Told:
    """What may be told of the time from the index date to the start.

    Parameters
    ----------
    known : bool
        Whether the start of anybody treated is known.
    late, reoffended : Bounds
        Of them, those who started late, and those who reoffended before they started; exact numbers
        are to the nearest ten, so that people located, less those whose start is known, do not
        leave a few.
    late_share : float or None
        In whole per cent; None where few started late, or few did not.
    median, upper : float or None
        Days from the index date to the start, of those who started after it: the middle, and what
        nine in ten do not exceed; None where few people were counted.
    late_days : int
        How late is late.
    """

    known: bool
    late: Bounds
    reoffended: Bounds
    late_share: float | None
    median: float | None
    upper: float | None
    late_days: int


def clear_gaps(gaps: Gaps, rules: Rules = RULES) -> Told:
    """Tell of the gaps between index date and start what does not tell of a few people.

    Parameters
    ----------
    gaps : Gaps
        From ``landmark.gaps``.
    rules : Rules

    Returns
    -------
    Told
    """
    late, many = _tens(gaps.late, rules), gaps.after >= rules.group
    apart = late.low == late.high
    if apart and gaps.dated - gaps.late < rules.cell:
        low = (gaps.dated - rules.cell + 1) // TENS * TENS
        late, apart = Bounds(low, low + 2 * TENS), False
    return Told(
        gaps.dated > 0,
        late,
        _tens(gaps.reoffended_within, rules),
        round(gaps.late_share, 2) if apart else None,
        gaps.median if many else None,
        gaps.upper if many else None,
        gaps.late_days,
    )


@dataclass(frozen=True)
class Drawn:
    """What may be told of the pool that the comparison group was drawn from.

    Parameters
    ----------
    disposals, people : int
        Candidates.
    removed_people, removed_disposals : Bounds
        Uploaded people, and people who might be among them, who left the pool; exact numbers are
        to the nearest ten, so that people linked, taken from them, do not leave a few.
    removed_share : float or None
        The share of the pool's people they would be; None where they are few.
    known : Bounds
        People of the pool known from other requests; that there are none is no secret.
    """

    disposals: int
    people: int
    removed_people: Bounds
    removed_disposals: Bounds
    removed_share: float | None
    known: Bounds


TENS = 10
"""People who left the pool are told to the nearest ten."""


def clear_pool(pool: Pool, rules: Rules = RULES) -> Drawn:
    """Tell how large the pool was, and roughly how many left it.

    Parameters
    ----------
    pool : Pool
        From ``covariates.pool``.
    rules : Rules

    Returns
    -------
    Drawn
    """
    people, disposals = _tens(pool.removed_people, rules), _tens(pool.removed_disposals, rules)
    few = people.low == 0
    return Drawn(
        pool.disposals,
        pool.people,
        people,
        Bounds(0, rules.cell - 1) if few and disposals.low == disposals.high else disposals,
        None if few else pool.removed_share,
        _tens(pool.known_people, rules) if pool.known_people else Bounds(0, 0),
    )


def _tens(many: int, rules: Rules) -> Bounds:
    if many < rules.cell:
        return Bounds(0, rules.cell - 1)
    near = TENS * math.floor(many / TENS + 0.5)
    return Bounds(near, near)


BANDS = (
    *(0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07),
    *(0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99),
)
"""Where bands of the score may end; fixed, so that an end is nobody's score."""


def clear_overlap(matched: Matched, rules: Rules = RULES) -> pd.DataFrame:
    """Tell how far the scores of the two groups overlap, before matching and after it.

    Parameters
    ----------
    matched : Matched
        With `score` and `weight`.
    rules : Rules

    Returns
    -------
    DataFrame
        A row a band of the score: low, high, and the shares of the treatment group, of all
        candidates (before) and of the weighted comparison group (after), to the nearest hundredth.
        Neighbouring bands are one until each of the three has enough people in it; the first and
        the last have no outer end. No row where a single band would be left.
    """
    scored = matched.frame.dropna(subset=["score"])
    treated = scored[matched.specification.treated].astype(bool)
    kept = scored["weight"] > 0
    groups = {
        "treatment": scored.loc[treated & kept],
        "before": scored.loc[~treated],
        "after": scored.loc[~treated & kept],
    }
    ends = _bands([group["score"] for group in groups.values()], rules)
    if len(ends) < 3:
        return pd.DataFrame(columns=["low", "high", *groups], dtype=float)
    told = {"low": [math.nan, *ends[1:-1]], "high": [*ends[1:-1], math.nan]}
    for name, group in groups.items():
        weight = group["weight"] if name == "after" else pd.Series(1.0, group.index)
        band = pd.cut(group["score"], ends, right=False, labels=False)
        told[name] = list((weight.groupby(band).sum() / weight.sum()).round(2))
    return pd.DataFrame(told)


def _bands(scores: Sequence[pd.Series[float]], rules: Rules) -> list[float]:
    """Return the ends of bands in which every group has enough people."""
    ends = [-math.inf]
    for end in (*BANDS, math.inf):
        if all(_in_band(score, ends[-1], end) >= rules.cell for score in scores):
            ends.append(end)
    ends[-1] = math.inf
    return ends


def _in_band(score: pd.Series[float], low: float, high: float) -> int:
    return int(score.between(low, high, inclusive="left").sum())


def clear_participation(
    people: pd.DataFrame,
    analysed: Iterable[Any],
    results: Mapping[str, Cleared],
    rules: Rules = RULES,
) -> pd.DataFrame:
    """Describe those who completed and the others, as far as that tells of nobody.

    Parameters
    ----------
    people : DataFrame
        One row an analysed treated person: offender_id, participation and reoffended.
    analysed : iterable of Analysed
        As for `clear_analyses`.
    results : mapping of str to Cleared
        What that let out: the kinds stand beside it, and less it.
    rules : Rules

    Returns
    -------
    DataFrame
        participation, people, share, rate. Not a number for kinds with few people, few
        reoffenders or few others, and for the next smallest until the rest gives none away; for all
        where a kind and the analyses told would tell of a few, and for all of a request that
        extends others, whose reports may have told theirs.
    """
    analysed = list(analysed)
    reoffended = people["reoffended"].astype(float)
    counts = pd.DataFrame({"reoffended": reoffended, "left": 1 - reoffended})
    counts = counts.groupby(people["participation"].to_numpy()).sum()
    hidden = counts.index.isin(_hidden(counts, (counts < rules.cell).any(axis=1), rules))
    shown = people.loc[people["participation"].isin(counts.index[~hidden])]
    extends = any(one.wanted.id == NEW_PEOPLE for one in analysed)
    if extends or not _kinds_stand(shown, analysed, results, rules):
        hidden[:] = True
    many = counts.sum(axis=1).where(~hidden)
    told = pd.DataFrame({"people": many, "share": many / len(people)})
    told["rate"] = counts["reoffended"].where(~hidden) / many
    return told.rename_axis("participation").reset_index()


def _kinds_stand(
    people: pd.DataFrame, analysed: Iterable[Any], results: Mapping[str, Cleared], rules: Rules
) -> bool:
    """Whether each kind may stand beside the analyses told and the kinds before it."""
    outcomes = [
        _outcomes(one)["rate"]
        for one in analysed
        if one.wanted.id in results
        and results[one.wanted.id].effects["rate"].conclusion != "suppressed"
    ]
    for _, kind in people.groupby("participation"):
        outcome = kind.set_index("offender_id")["reoffended"].astype(float)
        if not _may_stand(outcomes, outcome, rules):
            return False
        outcomes.append(outcome)
    return True


NEW_PEOPLE = "new-people"
"""The analysis of the new people alone, planned for every request that extends others."""


def clear_looks(
    results: Mapping[str, Cleared], earlier: Sequence[Mapping[str, Any]], rules: Rules = RULES
) -> dict[str, Cleared]:
    """Withhold what would tell of a few beside the earlier reports that a request extends.

    Parameters
    ----------
    results : mapping of str to Cleared
        From `clear_analyses`.
    earlier : sequence of mapping
        From ``history.looks``: of the headline of each earlier report the rate, as treatment_n and
        treatment, missing where unknown; and measures, the entries of its ``result.json``.
    rules : Rules

    Returns
    -------
    dict of str to Cleared

    Notes
    -----
    All people pooled, less those of the earlier reports that tell a measure, leave the new people
    and those of the reports that withheld it; less the new people too, only the latter. Whoever is
    in one of them only is known to the provider, so what is left must be nobody, or hold at least
    the smallest cell of people with the event and of others. A measure that fails with all people
    is withheld in every analysis but that of the new people, for other analyses may hold the same
    people or add up to them. Of a report whose figures are not held nothing can be taken away; the
    new people's results are withheld beside it.
    """
    if not earlier or not _tells(results["headline"], "rate"):
        return dict(results)
    told = [_published(row) for row in earlier]
    pooled = results["headline"]
    held = [name for name in _measures_told(pooled) if not _is_clear(name, told, [pooled], rules)]
    cleared = {
        name: one if name == NEW_PEOPLE else _held_back(one, name, _with_rate(held, one))
        for name, one in results.items()
    }
    new = results.get(NEW_PEOPLE)
    if new is None or not _tells(new, "rate"):
        return cleared
    both = [
        name for name in _measures_told(new) if name not in held and name in _measures_told(pooled)
    ]
    held = [name for name in both if not _is_clear(name, told, [pooled, new], rules)]
    if "rate" in held or not all(told):
        return {**cleared, NEW_PEOPLE: _unsized(_held_back(new, NEW_PEOPLE, new.effects))}
    return {**cleared, NEW_PEOPLE: _held_back(new, NEW_PEOPLE, held)}


def _with_rate(measures: Collection[str], one: Cleared) -> Collection[str]:
    """Without the rate nothing of an analysis is told."""
    return one.effects if "rate" in measures else measures


def _published(row: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """Return by measure the size, mean and standard deviation that an earlier report tells."""
    rate = {**row, "measure": "rate"}
    entries = [rate, *(row.get("measures") or ())]
    found = {
        one["measure"]: [one.get(name) for name in ("treatment_n", "treatment", "treatment_sd")]
        for one in entries
    }
    return {
        measure: (float(many), float(mean), math.nan if sd is None else float(sd))
        for measure, (many, mean, sd) in found.items()
        if not pd.isna(many) and not pd.isna(mean)
    }


def _is_clear(
    measure: str,
    earlier: Sequence[Mapping[str, tuple[float, float, float]]],
    ours: Sequence[Cleared],
    rules: Rules,
) -> bool:
    """Whether nobody or enough are left of the first of our analyses without all the others."""
    groups = [one.effects[measure].treatment for one in ours]
    whole, *others = [
        (float(one.n), one.mean or 0.0, math.nan if one.sd is None else one.sd) for one in groups
    ]
    taken = [*others, *(one[measure] for one in earlier if measure in one)]
    if not taken:
        return True
    left = _size_and_sums(*whole) - sum(_size_and_sums(*one) for one in taken)
    many, total, squares = left if left.iloc[0] >= 0 else -left
    return _are_enough(ALL[measure].kind, round(many), round(total, 6), squares, rules)


def _size_and_sums(many: float, mean: float, sd: float) -> pd.Series[float]:
    return pd.Series([many, *_sums(many, mean, sd)])


def _are_enough(kind: str, many: int, total: float, squares: float, rules: Rules) -> bool:
    """Whether a group is nobody, or has enough people with the event and, of a share, without."""
    if many == 0 and round(total) == 0:
        return True
    if kind == "days":
        return many >= rules.cell
    if kind == "rate":
        return min(round(total), many - round(total)) >= rules.cell
    people = total if math.isnan(squares) else _fewest(total, squares)
    return round(people) >= rules.cell


def clear_analyses(analysed: Iterable[Any], rules: Rules = RULES) -> dict[str, Cleared]:
    """Let the results of several analyses of one request out, the headline first.

    Their people overlap, and whoever sent the upload knows who is in which: what is left of one
    analysis after others are taken from it is as good as told.

    Parameters
    ----------
    analysed : iterable of Analysed
        With ``wanted`` and its ``id``; ``matched``, None where too few people were there to begin;
        ``sample``, the matched rows with their outcomes; ``effects`` and ``adjusted``. The headline
        comes first, and what comes before another is told before it.
    rules : Rules

    Returns
    -------
    dict of str to Cleared
        By id, without those that were not begun. A measure is told only if for every result that
        tells it before, the treated people are the same, or those who differ hold at least the
        smallest cell of people with its event and of others, among those whom it is about; and if
        no sum and difference of results leaves fewer. Without the rate nothing is told, and of
        `PARTS` none where one is withheld; the version for everyone goes with its measure.

    Notes
    -----
    Sums and differences: people are grouped by the analyses that they are in. The analyses are
    reduced by Gauss and Jordan, large groups of people first; what is left without a large group
    can be worked out from what is told, so its people must be enough. This finds every remainder of
    one partition; an unusual combination of several could escape it.
    """
    told: dict[str, list[pd.Series[float]]] = {measure: [] for measure in MEASURES}
    sized: list[pd.Index[str]] = []
    cleared: dict[str, Cleared] = {}
    for one in (entry for entry in analysed if entry.matched is not None):
        name, outcomes = one.wanted.id, _outcomes(one)
        sample = one.sample if one.matched.accepted else None
        alone = clear(_made(one), matched=one.matched, sample=sample, rules=rules, analysis=name)
        alone = replace(alone, adjusted=clear_adjusted(one.adjusted, alone.effects))
        stands = not cleared or _size_stands(sized, outcomes.index, rules)
        if stands:
            sized.append(outcomes.index)
        if _tells(alone, "rate"):
            failing = [
                measure
                for measure in _measures_told(alone)
                if not stands or not _may_stand(told[measure], outcomes[measure], rules)
            ]
            alone = _held_back(alone, name, _with_rate(failing, alone))
        for measure in _measures_told(alone):
            told[measure].append(outcomes[measure])
        cleared[name] = alone if stands else _unsized(alone)
    return cleared


def _tells(alone: Cleared, measure: str) -> bool:
    """Whether an analysis tells a measure, or its version for everyone."""
    names = (measure, EVERYONE[measure].name if measure in EVERYONE else measure)
    return any(
        name in alone.effects and alone.effects[name].conclusion != "suppressed" for name in names
    )


def _measures_told(alone: Cleared) -> list[str]:
    return [measure for measure in MEASURES if _tells(alone, measure)]


def _made(one: Any) -> Mapping[str, Effect]:
    """Return the effects of an analysis; without any, empty ones that `clear` gives its sizes."""
    return one.effects or {
        measure: suppressed(one.wanted.id, measure, Group(0), Group(0), NOT_BALANCED)
        for measure in MEASURES
    }


def _outcomes(one: Any) -> pd.DataFrame:
    """Return by treated person the events of each measure; not a number where they are unread."""
    if one.sample is None or not one.matched.accepted:
        index = _treated(one.matched.frame)["offender_id"]
        return pd.DataFrame(math.nan, index=index, columns=list(MEASURES))
    return _events(_treated(one.sample))


def _size_stands(sized: Sequence[pd.Index[str]], new: pd.Index[str], rules: Rules) -> bool:
    return len(new) >= rules.cell and all(are_apart(new, one, rules) for one in sized)


def _held_back(alone: Cleared, name: str, measures: Collection[str]) -> Cleared:
    """Withhold measures that differ too little from those told before, and what tells them."""
    held = {*measures, *(part for parts in PARTS if {*parts} & {*measures} for part in parts)}
    held |= {EVERYONE[measure].name for measure in held if measure in EVERYONE}
    told = [
        measure
        for measure, one in alone.effects.items()
        if measure in held and (one.conclusion != "suppressed" or "rate" in held)
    ]
    effects = alone.effects | {one: _withhold(alone.effects[one], WITHHELD) for one in told}
    figures = {f"{name}.{measure}": "difference" for measure in told}
    before = tuple(one for one in alone.decisions if one.figure not in figures)
    return Cleared(
        effects,
        (*before, *(Decision(figure, rule) for figure, rule in figures.items())),
        clear_adjusted(alone.adjusted, effects),
    )


def _unsized(alone: Cleared) -> Cleared:
    """Withhold the sizes too, because they would count a few people."""
    none = Group(n=0)
    effects = {
        measure: replace(one, treatment=none, comparison=none, reason=WITHHELD)
        for measure, one in alone.effects.items()
    }
    return replace(alone, effects=effects)


def _may_stand(told: Sequence[pd.Series[float]], new: pd.Series[float], rules: Rules) -> bool:
    """Whether nothing that can be worked out from the results tells of a few people."""
    if not told:
        return True
    everyone = [*told, new]
    members = pd.concat(
        [pd.Series(1, one.index) for one in everyone], axis=1, keys=range(len(everyone)), sort=True
    ).notna()
    values = pd.concat(everyone)
    events = values.loc[~values.index.duplicated()].reindex(members.index)
    pairs = (members[place] != members[len(told)] for place in range(len(told)))
    remainders = _remainders(members, events, rules)
    return all(_enough(events.loc[differ], rules) for differ in (*pairs, *remainders))


def _enough(events: pd.Series[float], rules: Rules) -> bool:
    """Whether nobody, or enough people with the event and enough without it, are meant."""
    many = events.sum()
    return not len(events) or min(many, events.count() - many) >= rules.cell


def _remainders(
    members: pd.DataFrame, events: pd.Series[float], rules: Rules
) -> Iterator[pd.Series[bool]]:
    """Yield the people of every small remainder that sums and differences of analyses leave."""
    group = members.groupby(list(members.columns), sort=False).ngroup()
    parts = {part: group == part for part in range(group.max() + 1)}
    large = {part: _enough(events.loc[who], rules) for part, who in parts.items()}
    order = sorted(parts, key=lambda part: not large[part])
    first = [group.eq(part).idxmax() for part in order]
    for row in _reduced(members.loc[first].T.astype(int).to_numpy().tolist()):
        support = [part for part, value in zip(order, row, strict=True) if value]
        if support and not any(large[part] for part in support):
            yield group.isin(support)


def _reduced(rows: Sequence[Sequence[int]]) -> list[list[Fraction]]:
    """Return the rows in reduced echelon form (Gauss and Jordan), exactly."""
    matrix = [[Fraction(value) for value in row] for row in rows]
    done = 0
    for column in range(len(matrix[0])):
        pivot = next((r for r in range(done, len(matrix)) if matrix[r][column]), None)
        if pivot is None:
            continue
        matrix[done], matrix[pivot] = matrix[pivot], matrix[done]
        lead = matrix[done][column]
        matrix[done] = [value / lead for value in matrix[done]]
        for place, row in enumerate(matrix):
            if place != done and row[column]:
                matrix[place] = [
                    value - row[column] * one for value, one in zip(row, matrix[done], strict=True)
                ]
        done += 1
    return matrix[:done]


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
        _fate_shares(rows.set_index("level")[list(FATES)], rules).assign(group=group)
        for group, rows in fates.groupby("group", sort=False)
    ]
    columns = ["group", "level", *FATES]
    if not shares:
        return pd.DataFrame(columns=columns)
    return pd.concat([one.reset_index() for one in shares], ignore_index=True)[columns]


def _fate_shares(counts: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    whole = counts.sum()
    if (whole < 2 * rules.cell).any():
        return counts.iloc[:0].astype(float)
    counts = counts.loc[counts.sum(axis=1) > 0]
    small = ((counts < rules.cell) | (whole - counts < rules.cell)).any(axis=1)
    rounded = STEP * (counts / STEP).round() / (STEP * (whole / STEP).round())
    hidden = _hidden(counts, small, rules)
    return rounded.clip(upper=1).drop(index=hidden).reindex(counts.index)


def clear_delays(found: pd.DataFrame, rules: Rules = RULES) -> Delays:
    """Withhold what would tell of a few offences; see ``outcomes.delays``.

    Parameters
    ----------
    found : DataFrame
        A row an offence of the comparison group: year, late and days.
    rules : Rules

    Returns
    -------
    Delays
        Counts to the nearest `TENS`, the share of a year to a whole per cent; what comes from fewer
        offences than the smallest cell, late or not, is withheld.
    """
    late, offences = int(found["late"].sum()), len(found)
    if offences < rules.cell or min(late, offences - late) < rules.cell:
        late_told = None
    else:
        late_told = TENS * round(late / TENS)
    by_year = found.groupby("year", sort=True)["late"].agg(["sum", "size"])
    enough = by_year["sum"].ge(rules.cell) & (by_year["size"] - by_year["sum"]).ge(rules.cell)
    told = by_year.loc[enough] if late_told is not None else by_year.iloc[:0]
    shares = (told["sum"] / told["size"]).round(2)
    return Delays(
        TENS * round(offences / TENS) if offences >= rules.cell else None,
        late_told,
        float(found["days"].median()) if offences >= rules.cell else None,
        tuple(zip(told.index.tolist(), shares.tolist(), strict=True)),
    )


def clear_funnel(
    funnel: pd.DataFrame, counts: Mapping[str, int | None] | None = None
) -> pd.DataFrame:
    """Merge the reasons for loss that would reveal what the records say of a few people.

    Parameters
    ----------
    funnel : DataFrame
        From ``sentence.funnel``.
    counts : mapping of str to int or None, optional
        From `clear_counts`: what is withheld there of those not linked is merged here too.

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
    few = (revealing["removed"] < RULES.cell) | revealing["reason"].isin(withheld)
    revealing = revealing.assign(few=few).sort_values(
        ["few", "removed"], ascending=[False, True], kind="stable"
    )
    small = int(few.sum())
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
