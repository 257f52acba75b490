"""The measures of one analysis: what may be told of a result, its check and its curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from jdl.companion import Adjusted
from jdl.disclosure.rules import (
    NOT_BALANCED,
    RELIABLE,
    RULES,
    TABLE,
    WITHHELD,
    Decision,
    Rules,
    part_of,
)
from jdl.effects import ALL, EVERYONE, MEASURES, Effect, Group, suppressed
from jdl.matching import Matched
from jdl.survival import Survival
from jdl.unmeasured import EValue

HEADLINES = ("rate", "frequency")
COURT_OUTCOMES = ("first_indictable", "first_either_way", "first_summary")
FREQUENCIES = ("frequency_indictable", "frequency_either_way", "frequency_summary")
PARTS = (COURT_OUTCOMES, FREQUENCIES)
"""Measures that add up: to everybody who reoffended, and to the frequency of reoffending."""
_SUM = dict.fromkeys(COURT_OUTCOMES, "rate") | dict.fromkeys(FREQUENCIES, "frequency")
_SUM |= {EVERYONE[name].name: whole for name, whole in _SUM.items()}
"""What each of the parts adds up to with the others."""
VERSIONS = {version.name: name for name, version in EVERYONE.items()}
"""The versions for everyone, each with its measure among reoffenders."""


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
    if matched.accepted:
        broken = _broken(effects, None if sample is None else treated(sample), rules, analysis)
    else:
        broken = dict.fromkeys(effects, "balance")
        effects = {name: _sized(effect, matched) for name, effect in effects.items()}
    for name, effect in effects.items():
        if not broken[name] and is_unreliable(effect):
            rules.note(f"{analysis}.{name}", "unreliable", "marked")
    wording = WITHHELD if matched.accepted else NOT_BALANCED
    return Cleared(
        {
            measure: withhold(effect, wording) if broken[measure] else effect
            for measure, effect in effects.items()
        },
        tuple(rules.note(f"{analysis}.{name}", rule) for name, rule in broken.items() if rule),
    )


def _broken(
    effects: Mapping[str, Effect], people: pd.DataFrame | None, rules: Rules, analysis: str
) -> dict[str, str | None]:
    """Name by measure the rule that withholds it, overrides and what adds up included."""
    counts = None if people is None else events_of(people).sum()
    of_rate = rules.apply(f"{analysis}.rate", _rule_of_rate(effects["rate"], rules))
    if of_rate:
        return {name: of_rate if name == "rate" else "parts" for name in effects}
    broken = {"rate": of_rate} | {
        name: rules.apply(
            f"{analysis}.{name}",
            _rule(effect, effects["rate"], _offenders(effect, counts), people, rules),
            also=f"{analysis}.{_SAME[name]}" if name in _SAME else "",
        )
        for name, effect in effects.items()
        if name != "rate"
    }
    for parts in (*PARTS, *(tuple(EVERYONE[name].name for name in parts) for parts in PARTS)):
        broken |= _with_parts(parts, broken, effects, rules, analysis)
    return {name: broken[name] for name in effects}


_SAME = {name: version for version, name in VERSIONS.items()} | VERSIONS
"""By measure what tells the same beside the rate: its version for everyone, and back."""


def _with_parts(
    parts: Sequence[str],
    broken: Mapping[str, str | None],
    effects: Mapping[str, Effect],
    rules: Rules,
    analysis: str,
) -> dict[str, str | None]:
    """Withhold what would give away one of the parts that is withheld, or their sum.

    All parts go together, but for those that a statistician tells; and those too, unless two or
    more stay withheld that reach the smallest cell together.
    """
    there = [name for name in parts if name in broken]
    if not any(broken[name] for name in there) and not (there and broken[_SUM[parts[0]]]):
        return {}
    tell = [
        name
        for name in there
        if not broken[name]
        and "tell" in (rules.wanted(f"{analysis}.{one}") for one in (name, _SAME[name]))
    ]
    hidden = [name for name in there if name not in tell]
    events = sum(round(effects[name].treatment.events or 0) for name in hidden)
    if broken[_SUM[parts[0]]] or len(hidden) < 2 or events < rules.cell:
        hidden = there
    return {name: broken[name] or "parts" for name in hidden}


def is_unreliable(effect: Effect) -> bool:
    """Whether the comparison group of an effect that is told counts for too few people.

    Parameters
    ----------
    effect : Effect
        A result that is told.

    Returns
    -------
    bool
        Its comparison group's effective size is under `RELIABLE`; false where that is not known.
    """
    counts_for = effect.comparison.effective_n
    return counts_for is not None and counts_for < RELIABLE


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


def _rule_of_rate(rate: Effect, rules: Rules) -> str | None:
    """Name the first rule that withholds a rate."""
    if rate.treatment.n < rules.group:
        return "group"
    if rate.conclusion == "suppressed":
        return "events"
    return "cell" if _small_cell(rate.treatment, rules) else None


def _rule(
    effect: Effect, rate: Effect, offenders: int, people: pd.DataFrame | None, rules: Rules
) -> str | None:
    """Name the first rule that withholds a measure, given that the rate is told."""
    name = effect.measure
    if name in HEADLINES and effect.conclusion == "suppressed":
        return "events"
    if name not in HEADLINES:
        of_kind = _rule_of_version if name in VERSIONS else _rule_among_reoffenders
        if rule := of_kind(effect, rate, offenders, rules):
            return rule
    dominated = people is not None and ALL[name].kind == "frequency" and _dominated(name, people)
    return "dominance" if dominated else None


def _rule_among_reoffenders(
    effect: Effect, rate: Effect, offenders: int, rules: Rules
) -> str | None:
    """Name the rule that withholds a measure among reoffenders."""
    if effect.conclusion == "suppressed" or (rate.treatment.events or 0) < rules.reoffenders:
        return "reoffenders"
    kind = ALL[effect.measure].kind
    small = kind == "rate" and _small_cell(effect.treatment, rules)
    small |= kind == "frequency" and offenders < rules.cell
    return "cell" if small else None


def _dominated(measure: str, people: pd.DataFrame) -> bool:
    """Whether one person or two commit so many of the reoffences that the sum tells of them."""
    counted = MEASURES[VERSIONS.get(measure, measure)]
    values = counted.values(people)[counted.rows(people)]
    largest = sorted(values, reverse=True)[:2]
    limit = (TABLE["dominance"].threshold or 0) / 100
    return bool(largest) and (
        largest[0] > limit * sum(values) or sum(largest) > 2 * limit * sum(values)
    )


def _rule_of_version(effect: Effect, rate: Effect, offenders: int, rules: Rules) -> str | None:
    """Name the rule that withholds a version for everyone: few had the outcome, or few had not.

    Those who had not are counted among the reoffenders, whose number the rate tells. The time
    without a reoffence, less the year of those who did not reoffend, is the days to the first.
    """
    if effect.conclusion == "suppressed":
        return "events"
    events, kind = round(effect.treatment.events or 0), ALL[effect.measure].kind
    if kind == "days" and (rate.treatment.events or 0) < rules.reoffenders:
        return "reoffenders"
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
    return fewest(*sums(group.n, group.mean, group.sd))


def sums(many: float, mean: float, sd: float) -> tuple[float, float]:
    """Return the sum of the values of a group and the sum of their squares."""
    return many * mean, (many - 1) * sd**2 + many * mean**2


def fewest(total: float, squares: float) -> int:
    """Return how few values other than zero can have this sum and sum of squares.

    By Cauchy and Schwarz at least the square of the sum over the sum of the squares.
    """
    return math.ceil(total**2 / squares - 1e-6) if total > 0 and squares > 0 else 0


def treated(sample: pd.DataFrame) -> pd.DataFrame:
    """Return the treated rows that count."""
    return sample.loc[(sample["treated"] == 1) & (sample["weight"] > 0)]


def events_of(people: pd.DataFrame) -> pd.DataFrame:
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


def withhold(effect: Effect, reason: str) -> Effect:
    """Return an effect with its sizes and nothing else."""
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


def clear_survival(
    survival: Survival, effects: Mapping[str, Effect], rules: Rules = RULES
) -> Survival:
    """Merge points of the curves until enough treated people reoffended between those told.

    Parameters
    ----------
    survival : Survival
        Of one analysis.
    effects : mapping of str to Effect
        Cleared, of the same analysis.
    rules : Rules

    Returns
    -------
    Survival
        With fewer days: between two that are told at least the smallest cell of treated people
        reoffended. The last day is always told, since the rate tells it. Nothing is told where
        the rate is withheld; no mean where the days to the first reoffence are, which follow
        from it and the rate.
    """
    rate = effects["rate"]
    if rate.conclusion == "suppressed" or survival.reason is not None:
        reason = _why(rate) if rate.conclusion == "suppressed" else survival.reason
        return Survival(survival.analysis, (), (), (), reason=reason)
    if effects["days_to_first"].conclusion == "suppressed":
        withheld: dict[str, Any] = dict.fromkeys(_MEANS)
        survival = replace(survival, **withheld)
    left = [round(rate.treatment.n * (share or 0)) for share in survival.treatment]
    kept = [0]
    for place in range(1, len(left)):
        if left[kept[-1]] - left[place] >= rules.cell:
            kept.append(place)
    last = len(left) - 1
    kept = [*kept[:-1], last] if len(kept) > 1 else [0, last]
    for place, day in enumerate(survival.days):
        decided = ("", "told") if place in kept else ("merged", "merged")
        rules.note(part_of("survival", f"day {day}"), *decided)
    return replace(
        survival,
        days=tuple(survival.days[place] for place in kept),
        treatment=tuple(survival.treatment[place] for place in kept),
        comparison=tuple(survival.comparison[place] for place in kept),
    )


_MEANS = ("mean_treatment", "mean_comparison", "difference", "ci_low", "ci_high", "p_value")


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


def clear_control(
    control: Effect | None, rate: Effect, rules: Rules = RULES, *, part: str = "control"
) -> Effect | None:
    """Let a negative control out, without its sizes, which may differ from the headline's by few.

    Parameters
    ----------
    control : Effect or None
        From ``sensitivity.before_the_index_date``.
    rate : Effect
        The cleared headline effect on the rate.
    rules : Rules
    part : str
        Its name in the decisions.

    Returns
    -------
    Effect or None
        None where there is none, or where it or the headline is withheld.
    """
    if control is None:
        return None
    rule = "parts" if rate.conclusion == "suppressed" else _rule_of_rate(control, rules)
    if rules.apply(part, rule):
        return None
    return replace(
        control,
        treatment=Group(n=0, mean=control.treatment.mean),
        comparison=Group(n=0, mean=control.comparison.mean),
    )
