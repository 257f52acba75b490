"""Findings: the sentences of a report, made from result objects.

A sentence holds no number that is not a `Figure`, claims nothing for what is withheld, and says of
an inconclusive result neither that there is a difference nor that there is none.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from jdl.balance import AMBER, GREEN, Verdict
from jdl.disclosure import NOT_BALANCED, VERSIONS, WITHHELD
from jdl.effects import EVERYONE, Effect
from jdl.figures import Figure, Part, Sentence, Sentences
from jdl.power import Needed
from jdl.request import Correction
from jdl.wording import (
    WORDING,
    Words,
    bound,
    capital,
    counted,
    dated,
    direction,
    group_size,
    has_range,
    is_good,
    is_missing,
    is_reported,
    kind_of,
    listed,
    mean,
    month,
    name_of,
    number,
    p_value,
    per_hundred,
    percentage,
    plural,
    quoted,
    rounded,
    size_of,
    slug,
    spelled,
    titled,
)

HEADLINE = ("rate", "frequency", "days_to_first")
SMALL_DIFFERENCE = 2
"""Percentage points either way within which an unclear difference is called small."""


def _in_order(effects: Mapping[str, Effect]) -> list[Effect]:
    return [effects[name] for name in HEADLINE if name in effects]


def _nouns(effects: Sequence[Effect], last: str = "or") -> str:
    return listed([WORDING[e.measure].noun for e in effects], last)


def _reason(effect: Effect) -> tuple[Part, ...]:
    reason = (effect.reason or WITHHELD).rstrip(".")
    return quoted(f"{name_of(effect)}.reason", f"{reason[:1].lower()}{reason[1:]}")


# --- The report: the overall result --------------------------------------------------------------

_HAPPENED = {
    ("rate", "lower"): "a smaller share of them committed a proven reoffence within one year",
    ("rate", "higher"): "a larger share of them committed a proven reoffence within one year",
    ("frequency", "lower"): "they committed fewer proven reoffences per person",
    ("frequency", "higher"): "they committed more proven reoffences per person",
    ("days_to_first", "lower"): "those of them who reoffended did so earlier",
    ("days_to_first", "higher"): "those of them who reoffended did so later",
}


def overall_result(effects: Mapping[str, Effect], *, words: Words, programme: str) -> Sentence:
    """Return the paragraph that opens a report.

    Those who took part "reoffended less" or "more" only where the rate says so; any other measure
    is told for itself.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure.
    words : Words
    programme : str
        Its public name, as in "took part in ...".

    Returns
    -------
    Sentence
        Who was compared; what is significant; what is not, and that this is no proof of no effect;
        what cannot be reported.
    """
    headline = _in_order(effects)
    found = [e for e in headline if direction(e)]
    unclear = [e for e in headline if is_reported(e) and not direction(e)]
    withheld = [e for e in headline if not is_reported(e)]
    n = replace(
        group_size(headline[0], "treatment"), id=f"{slug(headline[0].analysis)}.treatment_n"
    )
    opening: tuple[Part, ...] = (
        "This analysis compared ",
        n,
        f" {words.count(n)} who took part in ",
        *titled(programme),
        f" with a comparison group of {words.people} similar on recorded characteristics, who did "
        "not take part but may have had other support.",
    )
    if not found and not unclear:
        return Sentence.of(*opening, _NO_RESULT[headline[0].reason == NOT_BALANCED])
    told = _found(found) if found else ""
    return Sentence.of(*opening, told + _unclear(unclear, bool(found), words) + _none(withheld))


_NO_RESULT = {
    False: " No result can be reported, so no conclusion can be drawn about reoffending.",
    True: (
        " The two groups could not be made alike enough to be compared (status: not balanced), so "
        "no result is reported and no conclusion can be drawn about reoffending. This says "
        "nothing for or against the programme."
    ),
}


def _found(found: list[Effect]) -> str:
    good = [_happened(e) for e in found if is_good(e)]
    bad = [_happened(e) for e in found if not is_good(e)]
    if found[0].measure != "rate":
        told = _without_the_rate(found)
    elif good and bad:
        told = (
            "differences in both directions, compared with the comparison group: "
            f"{listed(good)}, but {listed(bad)}"
        )
    else:
        amount = "less" if good else "more"
        told = (
            f"that those who took part reoffended {amount} than the comparison group: "
            f"{listed(good or bad)}"
        )
    end = "This result is" if len(found) == 1 else "These results are"
    results = "overall results" if found[0].measure == "rate" else "results"
    return f" The {results} show {told}. {end} statistically significant."


_ALONE = {
    ("frequency", "lower"): (
        "that those who took part committed fewer proven reoffences per person than the "
        "comparison group"
    ),
    ("frequency", "higher"): (
        "that those who took part committed more proven reoffences per person than the "
        "comparison group"
    ),
    ("days_to_first", "lower"): (
        "that those who took part and reoffended did so earlier than those in the comparison group "
        "who reoffended"
    ),
    ("days_to_first", "higher"): (
        "that those who took part and reoffended did so later than those in the comparison group "
        "who reoffended"
    ),
}


def _without_the_rate(found: list[Effect]) -> str:
    ordered = sorted(found, key=is_good, reverse=True)
    both_ways = len({is_good(e) for e in found}) > 1
    return (", but " if both_ways else ", and ").join(
        _ALONE[e.measure, direction(e) or ""] for e in ordered
    )


def _happened(effect: Effect) -> str:
    return _HAPPENED[effect.measure, direction(effect) or ""]


def _unclear(unclear: list[Effect], after_others: bool, words: Words) -> str:
    if not unclear:
        return ""
    if after_others:
        lead = f" They do not show a statistically significant difference in {_nouns(unclear)}."
    else:
        lead = (
            " The overall results do not show a statistically significant effect on a "
            f"{words.person}'s reoffending behaviour."
        )
    pronoun = "them" if after_others and len(unclear) > 1 else "it"
    return (
        f"{lead} More {words.people} would need to be analysed to determine the way in which the "
        f"programme affects {pronoun}, but this should not be taken to mean that the programme "
        f"fails to affect {pronoun}."
    )


def _none(withheld: list[Effect]) -> str:
    return f" No result can be reported for {_nouns(withheld)}." if withheld else ""


def headline_sentence(
    rate: Effect,
    *,
    words: Words,
    programme: str,
    submitted: int,
    index_from: dt.date | str,
    index_to: dt.date | str,
) -> Sentence:
    """Return the sentences that say who was analysed.

    Parameters
    ----------
    rate : Effect
        The headline analysis's effect on the rate.
    words : Words
    programme : str
    submitted : int
        Distinct people whose details were submitted.
    index_from, index_to : date or ISO date
        First and last index date of the treatment group, printed as months: a day could be one
        person's.
    """
    base = slug(rate.analysis)
    n = replace(group_size(rate, "treatment"), id=f"{base}.treatment_n")
    return Sentence.of(
        "The headline analysis measured proven reoffences in a one-year period for a treatment "
        "group of ",
        n,
        f" {words.count(n)} who took part in ",
        *titled(programme),
        " and whose one-year period began between ",
        month(f"{base}.index_from", index_from),
        " and ",
        month(f"{base}.index_to", index_to),
        f", and for {_comparison_size(rate)} comparison group of similar {words.people} who did "
        "not take part but may have had other support: ",
        *_sentences_of(rate, words),
        ".",
        *_left_out(not_analysed(rate, submitted), words),
    )


def _sentences_of(rate: Effect, words: Words) -> tuple[Part, ...]:
    base = slug(rate.analysis)
    sentences = replace(group_size(rate, "comparison"), id=f"{base}.comparison_n")
    people = counted(f"{base}.comparison_people", size_of(rate, "comparison", "people"))
    return (
        sentences,
        f" {plural(sentences, 'sentence', 'sentences')} of ",
        people,
        f" {words.count(people)}",
    )


def _comparison_size(rate: Effect) -> str:
    ours, theirs = size_of(rate, "treatment"), size_of(rate, "comparison")
    if ours is None or theirs is None:
        return "a"
    times = theirs / max(ours, 1)
    return "a much larger" if times >= 3 else "a larger" if times > 1 else "a"


def not_analysed(rate: Effect, submitted: int) -> Figure:
    """Return how many of those submitted were not analysed; withheld where those analysed are."""
    n = size_of(rate, "treatment")
    left = None if n is None else max(submitted - n, 0)
    return counted(f"{slug(rate.analysis)}.not_analysed", left)


def _left_out(others: Figure, words: Words) -> tuple[Part, ...]:
    if others.suppressed:
        return ()
    if others.value == 0:
        return (f" All {words.people} whose details were submitted met the criteria for analysis.",)
    return (
        " The results may be different for the ",
        others,
        f" other {words.count(others)} whose details were submitted, who did not meet the "
        "criteria for analysis.",
    )


# --- The report: estimates, and what may be said -------------------------------------------------


def estimates_lead(words: Words) -> Sentence:
    """Return the words that stand above `estimates`."""
    return Sentence.of(
        f"For 100 typical {words.people} who receive support, compared "
        f"with 100 similar {words.people} who do not:"
    )


def estimates(effects: Mapping[str, Effect], *, words: Words) -> Sentences:
    """Return the likely range of each headline difference, a sentence a measure.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure.
    words : Words

    Returns
    -------
    Sentences
        A significant difference lies "between a and b", with decimals where a limit would round
        to nought; any other is "as many as a lower, or as many as b higher", whole and "less than
        1" below that. Last, once for all, that more people are needed where a direction is open.
    """
    headline = _in_order(effects)
    items = [_estimate(e, words) for e in headline]
    unclear = sum(has_range(e) and not direction(e) for e in headline)
    if unclear:
        which = "this difference" if unclear == 1 else "these differences"
        items.append(
            Sentence.of(
                f"More {words.people} would need to be analysed in order to determine the "
                f"direction of {which}."
            )
        )
    return Sentences(tuple(items))


def _subject(effect: Effect, words: Words, *, seen: bool = False) -> str:
    past = "ted" if seen else ""
    return {
        "rate": f"the number of {words.people} who commit{past} a proven reoffence within one year",
        "frequency": "the number of proven reoffences committed within one year",
        "days_to_first": (
            "the average time before the first proven reoffence, among those who "
            f"reoffend{past[1:]},"
        ),
    }[effect.measure]


def _estimate(effect: Effect, words: Words) -> Sentence:
    side = direction(effect)
    subject = capital(_subject(effect, words))
    if not is_reported(effect):
        return Sentence.of(
            f"No estimate can be given for {WORDING[effect.measure].noun}: ", *_reason(effect), "."
        )
    if not has_range(effect):
        return Sentence.of(
            f"No conclusion can be drawn on {WORDING[effect.measure].noun}: ", *_reason(effect), "."
        )
    if side:
        return Sentence.of(
            f"{subject} could be {WORDING[effect.measure].side(side)} by ",
            *_between(effect, words),
            ". This is a statistically significant result.",
        )
    return Sentence.of(f"{subject} could be ", *_either_way(effect, words))


def _scale(effect: Effect) -> int:
    """Results are told for 100 people; days for one."""
    return 1 if kind_of(effect) == "days" else 100


def _unit(effect: Effect, amount: Figure, words: Words) -> str:
    """Return people, reoffences or days, as the printed number asks."""
    if kind_of(effect) == "rate":
        return words.count(amount)
    one = amount.text in {"1", "less than 1"}
    noun = "day" if kind_of(effect) == "days" else "reoffence"
    return noun if one else f"{noun}s"


def _told_unit(effect: Effect) -> str:
    return {"rate": "people per 100", "frequency": "reoffences per 100", "days": "days"}[
        kind_of(effect)
    ]


def _limit(effect: Effect, which: str, value: float) -> Figure:
    """Return the size of a significant difference's limit: decimals where it would be nought."""
    scale = _scale(effect)
    exact = float(Decimal(repr(abs(value))) * scale)
    name = f"{name_of(effect)}.estimate.{which}"
    return Figure(name, exact, _told_unit(effect), bound(abs(value), 0, scale))


def _reach(effect: Effect, which: str, value: float) -> Figure:
    """Return how far an unclear difference may reach one way: whole, or ``less than 1``."""
    told = _limit(effect, which, value)
    if Decimal(repr(told.value)) < 1:
        return replace(told, text="less than 1")
    return replace(told, text=number(abs(value), 0, _scale(effect)))


def told_range(effect: Effect) -> tuple[tuple[Part, ...], Figure]:
    """Return a significant difference's range without its unit, and the limit that counts it.

    Such as ``between 5 and 13``; ``about 3`` where both limits round to that, and ``up to 3`` where
    the nearer one is nought.
    """
    near, far = sorted((float(effect.ci_low or 0), float(effect.ci_high or 0)), key=abs)
    least, most = _limit(effect, "least", near), _limit(effect, "most", far)
    if least.text == most.text:
        return ("about ", most), most
    if not rounded(near, 4, _scale(effect)):
        return ("up to ", most), most
    return ("between ", least, " and ", most), most


def _between(effect: Effect, words: Words) -> tuple[Part, ...]:
    parts, most = told_range(effect)
    return (*parts, f" {_unit(effect, most, words)}")


def _either_way(effect: Effect, words: Words) -> tuple[Part, ...]:
    less, more = reaches(effect)
    wording = WORDING[effect.measure]
    parts: list[Part] = [f"{wording.lower} by "]
    parts += [_as_many(less), less, f" {_unit(effect, less, words)}, or {wording.higher} by "]
    parts += [_as_many(more), more, f" {_unit(effect, more, words)}"]
    if is_small(effect):
        small = Figure("reading.small_difference", SMALL_DIFFERENCE, "percentage points", "2")
        return (
            *parts,
            ". Any difference is likely to be smaller than ",
            small,
            " percentage points.",
        )
    return (*parts, ", and there may be no difference.")


def reaches(effect: Effect) -> tuple[Figure, Figure]:
    """Return how far a difference that is not significant may reach downwards and upwards."""
    low, high = float(effect.ci_low or 0), float(effect.ci_high or 0)
    return _reach(effect, "lower", low), _reach(effect, "higher", high)


def is_small(effect: Effect) -> bool:
    """Whether an unclear difference in the rate is likely smaller than `SMALL_DIFFERENCE`."""
    furthest = max(abs(float(effect.ci_low or 0)), abs(float(effect.ci_high or 0)))
    return kind_of(effect) == "rate" and furthest * 100 <= SMALL_DIFFERENCE


def _as_many(amount: Figure) -> str:
    return "" if amount.text == "less than 1" else "as many as "


def can_say(effects: Mapping[str, Effect], *, words: Words, programme: str) -> Sentences:
    """Return what the headline results allow a reader to say, a sentence a reported measure.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure.
    words : Words
    programme : str
    """
    reported = [e for e in _in_order(effects) if is_reported(e)]
    found = [e for e in reported if direction(e)]
    unclear = [e for e in reported if not direction(e)]
    if not reported:
        nothing = ("Nothing can be said about reoffending after ", *titled(programme))
        return Sentences((Sentence.of(*nothing, ": no result is reported."),))
    items = [_sayable(found, words, programme)] if found else []
    if unclear:
        items.append(
            Sentence.of(
                "This analysis does not show a statistically significant difference in "
                f"{_nouns(unclear)} between those who took part in ",
                *titled(programme),
                " and the comparison group.",
            )
        )
    return Sentences(tuple(items))


def _sayable(found: Sequence[Effect], words: Words, programme: str) -> Sentence:
    """Tell every significant result with its range, in one sentence that can be quoted."""
    end = " This result is statistically significant."
    if len(found) > 1:
        end = " These results are statistically significant."
    if kind_of(found[0]) == "days":
        return Sentence.of(
            "Those who took part in ",
            *titled(programme),
            " and reoffended did so ",
            *difference(found[0], words),
            f", on average, than those in the comparison group who reoffended.{end}",
        )
    parts: list[Part] = []
    for place, effect in enumerate(found):
        joint = " and " if place == len(found) - 1 else ", "
        parts += [joint if place else "", *_did(effect, words, again=bool(place))]
    if kind_of(found[0]) == "frequency":
        return Sentence.of(
            f"Compared with 100 similar {words.people} in the comparison group, 100 typical "
            f"{words.people} who took part in ",
            *titled(programme),
            " ",
            *parts,
            f".{end}",
        )
    return Sentence.of(
        f"For 100 typical {words.people} who took part in ",
        *titled(programme),
        f", compared with 100 similar {words.people} in the comparison group, ",
        *parts,
        f".{end}",
    )


def _did(effect: Effect, words: Words, *, again: bool) -> tuple[Part, ...]:
    """Return what a hundred people did less or more than as many others."""
    within = "in that year" if again else "within one year"
    told = difference(effect, words)
    return {
        "rate": (*told, f" committed a proven reoffence {within}"),
        "frequency": ("they " if again else "", "committed ", *told, f" {within}"),
        "days": ("those who reoffended did so ", *told, " on average"),
    }[kind_of(effect)]


def difference(effect: Effect, words: Words) -> tuple[Part, ...]:
    """Return the range of a significant difference, such as ``between 5 and 13 fewer people``."""
    parts, most = told_range(effect)
    side = "less" if direction(effect) == "lower" else "more"
    if kind_of(effect) == "days":
        noun = plural(most, "day", "days")
        return (*parts, f" {noun} {'earlier' if side == 'less' else 'later'}")
    few = "fewer" if side == "less" else "more"
    noun = words.count(most)
    if kind_of(effect) == "frequency":
        noun = f"proven {plural(most, 'reoffence', 'reoffences')}"
    return (*parts, f" {few} {noun}")


def cannot_say(effects: Mapping[str, Effect], *, words: Words, programme: str) -> Sentences:
    """Return what the headline results do not allow a reader to say.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure.
    words : Words
    programme : str

    Returns
    -------
    Sentences
        First of the measures, those alike told together; then what holds for every report with a
        result: other reasons, relative claims, comparison with other rates, those not analysed.
    """
    items = list(_unsayable(_in_order(effects), programme))
    name = titled(programme)
    if not any(is_reported(effect) for effect in effects.values()):
        neither = ("It cannot be said that ", *name, " has an effect, or that it has none.")
        return Sentences((*items, Sentence.of(*neither)))
    return Sentences(
        (
            *items,
            Sentence.of(
                "It cannot be said that ",
                *name,
                " is the only reason for a difference between the groups: they are alike on "
                "recorded characteristics, but may differ in ways that are not recorded.",
            ),
            relative_claim(effects, words=words),
            Sentence.of(
                "The results cannot be compared with national averages or with other Justice Data "
                f"Lab reports, because each report is about a different group of {words.people}."
            ),
            Sentence.of(
                "The results cannot be assumed to hold for those who took part in ",
                *name,
                " but were not analysed.",
            ),
        )
    )


def _unsayable(headline: Sequence[Effect], programme: str) -> tuple[Sentence, ...]:
    found = [e for e in headline if direction(e)]
    unclear = [e for e in headline if is_reported(e) and not direction(e)]
    withheld = [e for e in headline if not is_reported(e)]
    told = []
    if found:
        verb, each = ("differs", "the") if len(found) == 1 else ("differ", "each")
        told.append(
            Sentence.of(
                f"It cannot be said by exactly how much {_nouns(found, 'and')} {verb}: {each} true "
                "difference may lie anywhere in the range given."
            )
        )
    if unclear:
        end = f" raises, lowers or makes no difference to {_nouns(unclear)}."
        told.append(Sentence.of("It cannot be said that ", *titled(programme), end))
    if withheld:
        pronoun = "it" if len(withheld) == 1 else "them"
        end = f"because no result is reported for {pronoun}."
        told.append(Sentence.of(f"Nothing can be said about {_nouns(withheld)}, {end}"))
    return tuple(told)


_EXAMPLES = ((24, 40, 40, 16), (30, 50, 40, 20), (45, 60, 25, 15), (35, 70, 50, 35))
"""Made-up rates of two groups, the relative difference in per cent, and people fewer of 100.

Of any two rates, at least one of these holds neither.
"""
_EXAMPLE_UNITS = {
    "treatment": "proportion, made up",
    "comparison": "proportion, made up",
    "wrong": "relative difference, made up",
    "right": "people per 100, made up",
}


def relative_claim(effects: Mapping[str, Effect], *, words: Words) -> Sentence:
    """Return the guard against relative claims, by an example, and how to tell this result.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure.
    words : Words
    """
    return Sentence.of(
        "A relative claim is not what the results show. ",
        *relative_example(effects.get("rate"), words),
        *_rightly(effects.get("rate"), words),
    )


def relative_example(rate: Effect | None, words: Words) -> tuple[Part, ...]:
    """Return how rates of two made-up groups are told wrongly, and how rightly.

    Parameters
    ----------
    rate : Effect or None
        The headline analysis's effect on the rate; no number of the example is one of its rates.
    words : Words
    """
    ours, theirs, wrong, right = _example(rate)
    return (
        "For example, from rates of ",
        ours,
        " and ",
        theirs,
        ", do not say “",
        wrong,
        " less likely to reoffend”, but “",
        right,
        f" fewer {words.people} out of 100”.",
    )


def _example(rate: Effect | None) -> list[Figure]:
    """Return the first of `_EXAMPLES` that holds no rate of this report."""
    shown: set[str] = set()
    if rate is not None and kind_of(rate) == "rate" and is_reported(rate):
        shown = {
            per_hundred(rate, g, getattr(rate, g).mean).text for g in ("treatment", "comparison")
        }
    kept = next(one for one in _EXAMPLES if shown.isdisjoint(map(str, one)))
    told = []
    for (name, unit), number_ in zip(_EXAMPLE_UNITS.items(), kept, strict=True):
        people = name == "right"
        value, text = (number_, str(number_)) if people else (number_ / 100, f"{number_}%")
        told.append(Figure(f"reading.relative_claim.{name}", value, unit, text))
    return told


def _rightly(rate: Effect | None, words: Words) -> tuple[Part, ...]:
    """Return how this report's own result on the rate is to be told."""
    if rate is None or not is_reported(rate):
        return ()
    if direction(rate):
        return (
            " This report's own result is told as “",
            *difference(rate, words),
            " out of 100”.",
        )
    return (
        " This report's own result is told as “no statistically significant difference in "
        f"{WORDING['rate'].noun}”.",
    )


# --- The report: tests made, people needed, balance, plan, notice --------------------------------


def significant_results(
    effects: Iterable[Effect], *, labels: Mapping[str, str], significance: float = 0.05
) -> Sentences:
    """Return the significant results, after their count out of those that can be reported.

    Parameters
    ----------
    effects : iterable of Effect
        Of every analysis and measure, cleared, with the versions for everyone of the measures
        among reoffenders: those are checks and not counted among the tests.
    labels : mapping of str to str
        What each analysis is called in print.
    significance : float
        Of each test.

    Returns
    -------
    Sentences
        The count beside what chance alone would give; then a sentence a result, in which a measure
        among reoffenders never stands without its version for everyone.
    """
    given = list(effects)
    every = [e for e in given if e.measure not in VERSIONS]
    versions = {(e.analysis, e.measure): e for e in given if e.measure in VERSIONS}
    tests = _tests(every)
    found = [e for e in tests if direction(e)]
    return Sentences(
        (
            _count_of_tests(len(found), len(tests), every, significance),
            *(_result(e, labels, versions) for e in found),
        )
    )


def _tests(effects: Iterable[Effect]) -> list[Effect]:
    """Return the tests made whose result can be told, without the versions for everyone."""
    return [
        e
        for e in effects
        if e.measure not in VERSIONS and is_reported(e) and not is_missing(e.p_value)
    ]


def _count_of_tests(
    found: int, tests: int, every: Sequence[Effect], significance: float
) -> Sentence:
    if not tests:
        return Sentence.of("No test was made whose result can be reported.")
    made = spelled("tests.made", tests, "tests")
    significant = spelled("tests.significant", found, "tests", none="none")
    if tests == 1:
        what = "a" if found else "no"
        text = f"it gave {what} statistically significant result."
        return Sentence.of(*_reportable(made, every), text)
    return Sentence.of(
        *_reportable(made, every),
        significant,
        " of these gave a statistically significant result. If no programme had any effect, ",
        _by_chance(tests, significance),
        " of ",
        made,
        " would be expected to do so by chance alone.",
    )


def _by_chance(tests: int, significance: float) -> Figure:
    expected = tests * significance
    told = spelled("tests.by_chance", int(rounded(expected)), "tests")
    text = "fewer than one" if rounded(expected) < 1 else f"about {told.text}"
    return replace(told, value=expected, text=text)


def _reportable(made: Figure, every: Sequence[Effect]) -> tuple[Part, ...]:
    told = spelled("tests.measures", len(every), "measures")
    several = len({e.analysis for e in every}) > 1
    nouns = ("result", "results") if several else ("measure", "measures")
    can = "can be reported"
    if sum(is_reported(e) for e in every) > int(made.value or 0):
        can = "could be tested and can be reported"
    if made.value == told.value == 2:
        return (replace(told, text="Both"), f" {nouns[1]} {can}; ")
    if made.value == told.value != 1:
        return ("All ", told, f" {plural(told, *nouns)} {can}; ")
    return ("Of the ", told, f" {plural(told, *nouns)}, ", made, f" {can}; ")


def _result(
    effect: Effect, labels: Mapping[str, str], versions: Mapping[tuple[str, str], Effect]
) -> Sentence:
    base, wording = name_of(effect), WORDING[effect.measure]
    beside: tuple[Part, ...] = ()
    if effect.measure in EVERYONE:
        version = versions.get((effect.analysis, EVERYONE[effect.measure].name))
        beside = _for_everyone(version, direction(effect))
    label = _in_brackets(labels.get(effect.analysis, effect.analysis))
    return Sentence.of(
        *quoted(f"{slug(effect.analysis)}.label", label),
        f": {wording.noun} was {wording.side(direction(effect) or '')} in the treatment group (",
        mean(effect, "treatment"),
        f"{_mean_unit(effect, 'treatment')}) than in the comparison group (",
        mean(effect, "comparison"),
        f"{_mean_unit(effect, 'comparison')}{_alike_in_print(effect)}), p ",
        p_value(f"{base}.p_value.words", effect.p_value, in_words=True),
        *beside,
        ".",
    )


def _in_brackets(label: str) -> str:
    """Return an analysis's label as it stands before a colon, such as ``Mentor (paid)``."""
    kind, colon, level = label.partition(": ")
    return f"{kind} ({level})" if colon else label


def _for_everyone(version: Effect | None, side: str | None) -> tuple[Part, ...]:
    """Tell of the version for everyone beside a result among reoffenders on this side."""
    lead = "; this describes reoffenders only, and counting everyone, "
    if version is None or not is_reported(version):
        return (f"{lead}no result can be reported",)
    wording, found = WORDING[version.measure], direction(version)
    means: tuple[Part, ...] = (
        " (",
        mean(version, "treatment"),
        f"{_mean_unit(version, 'treatment')} against ",
        mean(version, "comparison"),
        f"{_mean_unit(version, 'comparison')}{_alike_in_print(version) if found else ''}",
    )
    if found is None:
        return (f"{lead}{wording.noun} does not differ significantly", *means, *_p_of(version), ")")
    also = "also " if found == side else ""
    other = "" if found == side else "on the contrary, "
    return (
        f"{lead}{other}{wording.noun} was {also}{wording.side(found)}",
        *means,
        *_p_of(version),
        ")",
    )


def _alike_in_print(effect: Effect) -> str:
    """Say that two means differ which are printed alike."""
    alike = mean(effect, "treatment").text == mean(effect, "comparison").text
    return "; they differ before rounding" if alike else ""


def _p_of(effect: Effect) -> tuple[Part, ...]:
    if is_missing(effect.p_value):
        return ()
    return ("; p ", p_value(f"{name_of(effect)}.p_value.words", effect.p_value, in_words=True))


def multiplicity_statement(effects: Iterable[Effect], *, significance: float = 0.05) -> Sentences:
    """Return how the number of tests bears on what they show.

    Parameters
    ----------
    effects : iterable of Effect
        Of every analysis and measure, cleared.
    significance : float
        Of each test.

    Returns
    -------
    Sentences
        That the headline result is one test; how many others were made, how many of them are
        significant and how many would be by chance; how many still are by Holm's rule and by that
        of Benjamini and Hochberg; what is not counted.
    """
    tests = _tests(effects)
    if not tests:
        return Sentences((Sentence.of("No test was made whose result can be reported."),))
    others = secondary(tests)
    noun = WORDING["rate"].noun
    lead = Sentence.of(
        f"The main result is one test, fixed before any outcome was read: that of {noun} in the "
        "headline analysis."
    )
    if len(others) == len(tests):
        lead = Sentence.of(
            f"The main test, of {noun} in the headline analysis, has no result that can be told."
        )
    if not others:
        none = Sentence.of("No other test was made that can be reported.")
        return Sentences((lead, none, _UNCOUNTED))
    told = [_others(others, significance)]
    if len(others) > 1:
        told.append(_still(others, significance))
    return Sentences((lead, *told, _UNCOUNTED))


_UNCOUNTED = Sentence.of(
    "Versions for everyone and adjusted checks are not counted here, and neither are tests whose "
    "result is withheld."
)


def secondary(effects: Iterable[Effect]) -> list[Effect]:
    """Return the tests made, but for the main one: the headline's, of the rate.

    Parameters
    ----------
    effects : iterable of Effect
        Cleared; versions for everyone are no tests of their own.
    """
    return [e for e in _tests(effects) if (e.analysis, e.measure) != ("headline", "rate")]


def _others(others: Sequence[Effect], significance: float) -> Sentence:
    many = spelled("tests.others", len(others), "tests")
    found = sum(bool(direction(e)) for e in others)
    level = percentage("plan.significance", significance)
    if len(others) == 1:
        verb = "is" if found else "is not"
        text = f" other test was made; it {verb} significant at the level of "
        return Sentence.of("Besides it, ", many, text, level, ".")
    return Sentence.of(
        "Besides it, ",
        many,
        " other tests were made, of other measures or other analyses; ",
        spelled("tests.others.significant", found, "tests", none="none"),
        f" of them {'is' if found < 2 else 'are'} significant at the level of ",
        level,
        ", and if no programme had any effect, ",
        replace(_by_chance(len(others), significance), id="tests.others.by_chance"),
        " would be expected to be so by chance alone.",
    )


def _still(others: Sequence[Effect], significance: float) -> Sentence:
    lead = "No correction is made for the number of tests"
    if not any(map(direction, others)):
        return Sentence.of(f"{lead}; with one, none of these results would be significant either.")
    holm, hochberg = (
        spelled(f"tests.others.{rule}", int(sum(corrected(others, rule) <= significance)), "tests")
        for rule in ("holm", "fdr_bh")
    )
    if not hochberg.value:
        return Sentence.of(
            f"{lead}. If one were made, none of these other results would still be significant, "
            f"neither by Holm's rule, {_HOLM}, nor by that of Benjamini and Hochberg, {_HOCHBERG}."
        )
    return Sentence.of(
        f"{lead}. If one were made, ",
        replace(holm, text="none") if not holm.value else holm,
        f" of these other results would still be significant by Holm's rule, {_HOLM}, and ",
        hochberg,
        f" by that of Benjamini and Hochberg, {_HOCHBERG}.",
    )


_HOLM = "which keeps any false finding unlikely"
_HOCHBERG = "which keeps the share of false findings low"


def corrected(effects: Sequence[Effect], method: str) -> NDArray[np.float64]:
    """Return the p-values of these tests corrected for their number.

    Parameters
    ----------
    effects : sequence of Effect
        Each with a p-value.
    method : {'holm', 'fdr_bh'}
        As ``statsmodels.stats.multitest.multipletests`` names them.
    """
    raw = [float(e.p_value or 0) for e in effects]
    corrected_ = multipletests(raw, method=method)[1]  # type: ignore[no-untyped-call,unused-ignore]
    return np.asarray(corrected_, dtype=np.float64)


def _mean_unit(effect: Effect, group: str) -> str:
    if kind_of(effect) != "days":
        return ""
    return " day" if mean(effect, group).text == "1" else " days"


def numbers_needed(
    effects: Mapping[str, Effect],
    *,
    words: Words,
    needed: Mapping[str, Needed] | None = None,
    power: float = 0.8,
) -> Sentences:
    """Return what could have been detected on each inconclusive measure, and how many are needed.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure.
    words : Words
    needed : mapping of str to Needed, optional
        From ``power.needed``, by measure: also how many with the comparison group as it is, and
        by the adjusted check.
    power : float
        The chance with which the smallest difference would have been detected.

    Returns
    -------
    Sentences
        The smallest difference that could have been detected comes first; the number of people
        holds only "if the true difference were as large as seen".
    """
    unclear = [e for e in _in_order(effects) if has_range(e) and not direction(e)]
    if unclear:
        beside = needed or {}
        chance = _chance(power)
        return Sentences(tuple(_needed(e, words, beside.get(e.measure), chance) for e in unclear))
    if any(direction(e) for e in effects.values()):
        text = (
            "Each headline result that could be tested is statistically significant, so no number "
            "needed is given."
        )
    else:
        text = (
            f"No number of {words.people} needed can be given, because no result could be tested."
        )
    return Sentences((Sentence.of(text),))


def _chance(power: float) -> Figure:
    text = "four in five" if power == 0.8 else f"{number(power, 0, 100)}%"
    return Figure("plan.power.words", power, "proportion", text)


def _needed(effect: Effect, words: Words, beside: Needed | None, chance: Figure) -> Sentence:
    noun = WORDING[effect.measure].noun
    least = detectable(effect, effect.detectable)
    return Sentence.of(
        f"{capital(noun)}: the smallest true difference that this analysis had a good chance (",
        chance,
        ") of detecting is ",
        least,
        f" {_detectable_unit(effect, least)}. ",
        *_people_needed(effect, words, beside),
        *(() if beside is None else _by_adjusted(effect, words, beside)),
    )


def _people_needed(effect: Effect, words: Words, beside: Needed | None) -> tuple[Part, ...]:
    if effect.difference == 0:
        return (f"No difference was seen, so no number of {words.people} would be enough.",)
    if is_missing(effect.numbers_needed):
        return (f"The difference seen is too small to say how many {words.people} are needed.",)
    needed = counted(f"{name_of(effect)}.numbers_needed", effect.numbers_needed)
    return (
        "If the true difference were as large as seen, it is estimated that ",
        needed,
        f" {words.count(needed)} would be needed in the treatment group to detect it",
        *(() if beside is None else _with_the_pool(effect, words, beside)),
        ".",
    )


def _with_the_pool(effect: Effect, words: Words, beside: Needed) -> tuple[Part, ...]:
    """Tell how many are needed if the comparison group does not grow."""
    lead = ", with a comparison group that grew in proportion"
    if math.isinf(beside.fixed):
        return (f"{lead}; with one of the present size, no number of {words.people} is enough",)
    fixed = counted(f"{name_of(effect)}.numbers_needed.fixed", math.ceil(beside.fixed))
    return (lead, ", and ", fixed, " with one of the present size")


def _by_adjusted(effect: Effect, words: Words, beside: Needed) -> tuple[Part, ...]:
    """Tell the same of the adjusted check, for the difference that it gives."""
    if beside.adjusted is None or beside.detectable_adjusted is None:
        return ()
    least = detectable(effect, beside.detectable_adjusted, "detectable.adjusted")
    lead = (
        " By the adjusted check, that smallest difference is ",
        least,
        f" {_detectable_unit(effect, least)}, and ",
    )
    end = " would be needed to detect the difference that the check gives."
    if math.isinf(beside.adjusted):
        return (*lead, f"no number of {words.people} would be enough.")
    needed = counted(f"{name_of(effect)}.numbers_needed.adjusted", math.ceil(beside.adjusted))
    return (*lead, needed, f" {words.count(needed)}{end}")


def detectable(effect: Effect, least: float | None, which: str = "detectable") -> Figure:
    """Return the smallest true difference that could have been detected, as it is told."""
    kind, name = kind_of(effect), f"{name_of(effect)}.{which}"
    if is_missing(least):
        return Figure.withheld(name, _DETECTABLE_UNIT[kind])
    places, scale = {"rate": (1, 100), "frequency": (2, 1), "days": (0, 1)}[kind]
    value = float(least or 0)
    exact = float(Decimal(repr(value)) * scale)
    return Figure(name, exact, _DETECTABLE_UNIT[kind], bound(value, places, scale))


_DETECTABLE_UNIT = {
    "rate": "percentage points",
    "frequency": "reoffences per person",
    "days": "days",
}


def _detectable_unit(effect: Effect, amount: Figure) -> str:
    unit = _DETECTABLE_UNIT[kind_of(effect)]
    return "day" if unit == "days" and amount.text == "1" else unit


def balance_statement(
    verdict: Verdict, table: pd.DataFrame, *, analysis: str = "headline"
) -> Sentence:
    """Return how alike the groups were after matching, in the words of the three bands.

    Parameters
    ----------
    verdict : Verdict
        From ``balance.gate``.
    table : DataFrame
        The balance table the verdict was given on: every row, cleared or not.
    analysis : str
        First part of the figures' names.

    Raises
    ------
    ValueError
        If the verdict was given on a table of another length.
    """
    base = f"{slug(analysis)}.balance"
    if not len(table) or verdict.worst is None:
        return Sentence.of("The groups could not be matched, so they cannot be compared.")
    if len(table) != verdict.greens + verdict.ambers + verdict.reds:
        raise ValueError(f"{base}: the verdict was given on another table")
    total = counted(f"{base}.characteristics", len(table), "characteristics")
    return Sentence.of(
        f"The treatment and comparison groups were {_matched_how(verdict)} matched. Of the ",
        total,
        f" recorded {plural(total, 'characteristic', 'characteristics')} compared, ",
        *_bands(base, verdict),
        ". The largest standardised difference left is ",
        percentage(f"{base}.worst", verdict.worst, 1),
        "."
        if verdict.accepted
        else f"{_refused(verdict)}, so no conclusion is drawn and no "
        "effect is reported. The status of this analysis is “not balanced”.",
    )


def _refused(verdict: Verdict) -> str:
    if (verdict.worst or 0) > verdict.limit:
        return ", more than is accepted"
    return "; but their squares or interactions differ by more than is accepted"


def _matched_how(verdict: Verdict) -> str:
    if not verdict.accepted or verdict.reds:
        return "poorly"
    return "reasonably" if verdict.ambers else "well"


def _bands(base: str, verdict: Verdict) -> tuple[Part, ...]:
    """Tell the bands that hold a characteristic."""
    parts: list[Part] = []
    every = (
        ("green", verdict.greens, "well matched (green, ", "up to ", GREEN),
        ("amber", verdict.ambers, "reasonably matched (amber, ", "up to ", AMBER),
        ("red", verdict.reds, "poorly matched (red, ", "more than ", AMBER),
    )
    told = [band for band in every if band[1]]
    for place, (name, many, text, side, edge) in enumerate(told):
        figure_ = spelled(f"{base}.{name}", many, "characteristics")
        joint = " and " if place == len(told) - 1 else ", "
        limit = f"{base}.{'green_to' if name == 'green' else 'amber_to'}"
        verb = plural(figure_, "was", "were")
        of = "" if place else "a standardised difference of "
        parts += [joint, figure_, f" {verb} {text}{of}{side}", percentage(limit, edge), ")"]
    return tuple(parts[1:])


def estimand_statement(*, words: Words, programme: str) -> Sentences:
    """Return what is estimated, and with what it cannot be compared.

    Parameters
    ----------
    words : Words
    programme : str
    """
    return Sentences(
        (
            Sentence.of(
                "What is estimated is the effect of ",
                *titled(programme),
                f" on {words.people} like those analysed, beside usual practice. Usual practice is "
                "not nothing: it may include similar services.",
            ),
            Sentence.of(
                f"{capital(words.people)} who were not analysed, or who take part elsewhere or "
                "later, may respond in another way."
            ),
            Sentence.of(
                "The rates are those of two groups chosen to be alike. They cannot be compared "
                "with national rates of reoffending, which are of everybody and counted in another "
                "way."
            ),
        )
    )


def correction_statement(correction: Correction, status: str = "reported") -> Sentence:
    """Return the notice of a report that corrects an earlier one.

    Parameters
    ----------
    correction : request.Correction
        The release corrected (``YYYY-MM``), the reason in public words, and the day.
    status : str
        Of what was published: ``reported``, or a notice that there was no report.
    """
    what = "one" if status == "reported" else "notice"
    reason = " ".join(correction.reason.split()).rstrip(".")
    return Sentence.of(
        "This report was corrected on ",
        dated("request.correction.on", correction.on),
        f". It replaces the {what} published in ",
        month("request.correction.of", f"{correction.of}-01"),
        ". What changed: ",
        *quoted("request.correction.reason", reason),
        ".",
    )


def plan_sentence(
    plan_hash: str, *, significance: float = 0.05, read_on: dt.date | None = None
) -> Sentence:
    """Return what was fixed before outcomes could be seen, its fingerprint, and when they were.

    Parameters
    ----------
    plan_hash : str
        SHA-256 of the plan.
    significance : float
    read_on : date, optional
        When outcomes were first read, by the log of requests.
    """
    when: tuple[Part, ...] = (" The log of requests does not yet hold the day of that.",)
    if read_on is not None:
        when = (" They were first read on ", dated("plan.read_on", read_on), ".")
    return Sentence.of(
        "The primary analysis, the ways to match in the order tried, the rule for accepting one "
        "and the significance level of ",
        percentage("plan.significance", significance),
        " were fixed before any outcomes were read.",
        *when,
        " The fingerprint of that plan is ",
        Figure("plan.hash", plan_hash, "hash", plan_hash),
        ".",
    )


def outcome_notice(reasons: Sequence[Any], *, organisation: str) -> Sentences:
    """Return why a request could not be processed, every reason; or that it was withdrawn.

    Parameters
    ----------
    reasons : sequence of request.Reason
        Each with code and public text. A withdrawn request is not measured by the criteria.
    organisation : str
        Who asked.
    """
    if any(r.code == "withdrawn" for r in reasons):
        name = quoted("request.organisation", organisation)
        return Sentences((Sentence.of("This request was withdrawn by ", *name, "."),))
    items: list[Sentence] = []
    if reasons:
        items.append(
            Sentence.of(
                "This request from ",
                *quoted("request.organisation", organisation),
                " could not be processed as the minimum criteria for analyses through the Data Lab "
                "had not been met.",
            )
        )
    items += [Sentence.of(*quoted(f"reason.{slug(r.code)}", r.text)) for r in reasons]
    return Sentences(tuple(items))
