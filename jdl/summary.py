"""Summary: the one page that stands first in a report, for a charity's trustee.

Five parts in short plain sentences: what was asked, what was found, how sure that is, what it does
not mean, and what to do with it. Every number is one of `findings`, printed as it is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from jdl.companion import Adjusted
from jdl.disclosure import NOT_BALANCED, WITHHELD
from jdl.effects import Effect
from jdl.figures import Figure, Part, Sentence, Sentences
from jdl.findings import (
    HEADLINE,
    SMALL_DIFFERENCE,
    difference,
    is_small,
    not_analysed,
    reaches,
    relative_example,
)
from jdl.wording import (
    Words,
    capital,
    counted,
    direction,
    gap,
    group_size,
    has_range,
    is_good,
    is_reported,
    kind_of,
    listed,
    parts_disagree,
    per_hundred,
    plural,
    quoted,
    slug,
    titled,
)


def page(
    effects: Mapping[str, Effect],
    *,
    adjusted: Mapping[str, Adjusted],
    words: Words,
    programme: str,
    organisation: str,
    submitted: int,
) -> dict[str, Sentence | Sentences]:
    """Return the parts of the page by their names.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure, cleared.
    adjusted : mapping of str to Adjusted
        The adjusted check of each measure, cleared.
    words : Words
    programme, organisation : str
        Their public names.
    submitted : int
        Distinct people whose details were submitted.

    Returns
    -------
    dict of str to Sentence or Sentences
        ``summary-question``, ``summary-found``, ``summary-sure``, ``summary-meaning`` and
        ``summary-next``.
    """
    headline = [effects[name] for name in HEADLINE if name in effects]
    return {
        "summary-question": _question(headline[0], words, programme, organisation, submitted),
        "summary-found": _found(headline, words),
        "summary-sure": _sure(headline, adjusted, words),
        "summary-meaning": _meaning(headline, words, submitted),
        "summary-next": _next(headline, words, programme),
    }


# --- What was asked ------------------------------------------------------------------------------


def _question(
    first: Effect, words: Words, programme: str, organisation: str, submitted: int
) -> Sentence:
    return Sentence.of(
        "This report is about ",
        *titled(programme),
        ", at the request of ",
        *quoted("request.organisation", organisation),
        f". Did {words.people} who took part reoffend less, or more, than others like them? ",
        *_covered(first, words, submitted),
        " A proven reoffence is an offence in that year that led to a conviction or caution. The "
        f"comparison group is similar {words.people} who did not take part, but may have had other "
        "support.",
    )


def _covered(first: Effect, words: Words, submitted: int) -> tuple[Part, ...]:
    """Tell how many of those whose details were sent are followed."""
    n = replace(group_size(first, "treatment"), id=f"{slug(first.analysis)}.treatment_n")
    sent = counted("request.submitted", submitted)
    end = " whose details were sent, each followed for one year."
    if n.suppressed:
        return (f"It covers some of the {words.people}{end}",)
    if not_analysed(first, submitted).value == 0:
        return ("It covers all ", n, f" {words.count(n)}{end}")
    return ("It covers ", n, " of the ", sent, f" {words.count(sent)}{end}")


# --- What was found ------------------------------------------------------------------------------

_TOPICS = {
    "rate": "how many reoffended",
    "frequency": "how often they reoffended",
    "days_to_first": "how soon they reoffended",
}
_SHORT = {"rate": "how many", "frequency": "how often", "days_to_first": "how soon"}


def _topics(effects: Sequence[Effect], last: str = "and") -> str:
    """Return ``how many reoffended, how often and how soon``."""
    first, *others = effects
    return listed([_TOPICS[first.measure], *(_SHORT[e.measure] for e in others)], last)


def _found(headline: Sequence[Effect], words: Words) -> Sentences:
    told = [e for e in headline if has_range(e)]
    untested = [e for e in headline if is_reported(e) and not has_range(e)]
    withheld = [e for e in headline if not is_reported(e)]
    items = [_told(e, words, first=not place) for place, e in enumerate(told)]
    if any(map(parts_disagree, told)):
        items[-1] = Sentence.of(*items[-1].parts, " Differences are worked out before rounding.")
    if untested:
        text = f"The numbers allow no conclusion on {_topics(untested, 'or')}."
        items.append(Sentence.of(text))
    if withheld:
        items.append(Sentence.of(_no_result(withheld, bool(told or untested))))
    return Sentences(tuple(items))


def _no_result(withheld: Sequence[Effect], others: bool) -> str:
    lead = f"No result can be shown on {_topics(withheld, 'or')}" if others else _NOTHING
    if withheld[0].reason == NOT_BALANCED:
        return f"{lead}. The two groups could not be made alike enough to compare."
    return f"{lead}. It is {WITHHELD}."


_NOTHING = "No result can be shown"


def _told(effect: Effect, words: Words, *, first: bool) -> Sentence:
    ours, theirs = (
        per_hundred(effect, group, getattr(effect, group).mean)
        for group in ("treatment", "comparison")
    )
    before, between = {
        "rate": (
            f"Out of 100 typical {words.people} who took part, ",
            " committed a proven reoffence",
        ),
        "frequency": (
            "Those who took part committed ",
            f" proven {plural(ours, 'reoffence', 'reoffences')} per 100 {words.people}",
        ),
        "days": (
            "Those who took part and reoffended did so after ",
            f" {plural(ours, 'day', 'days')} on average",
        ),
    }[kind_of(effect)]
    chance = "" if direction(effect) else ", which may be chance"
    return Sentence.of(
        before,
        ours,
        f"{between}, against ",
        theirs,
        f"{' in the comparison group' if first else ''}. That is ",
        *gap(effect, words),
        f"{chance}.",
    )


# --- How sure it is ------------------------------------------------------------------------------

_MEANS = (
    "“Statistically significant” means that chance alone would seldom give so large a difference. "
)


def _sure(headline: Sequence[Effect], adjusted: Mapping[str, Adjusted], words: Words) -> Sentence:
    found = [e for e in headline if direction(e)]
    unclear = [e for e in headline if is_reported(e) and not direction(e)]
    if not found and not unclear:
        return Sentence.of(
            "Nothing is known from this analysis, for or against the programme. That no result is "
            "shown is not a sign of success or of failure."
        )
    if not found:
        none = "None of the main results told here is significant. "
        if len(unclear) == 1:
            none = "The one main result told here is not significant. "
        return Sentence.of(_MEANS, none, *_open(unclear, words))
    told = (
        _MEANS,
        f"That is so here for {_topics(found)}. ",
        *_mixed(found),
        *_range(found[0], words),
    )
    doubted = _doubted(found, adjusted)
    if not unclear:
        return Sentence.of(*told, *doubted)
    not_so = f" It is not so for {_topics(unclear, 'or')}. "
    return Sentence.of(*told, not_so, *_open(unclear, words), *doubted)


def _doubted(found: Sequence[Effect], adjusted: Mapping[str, Adjusted]) -> tuple[Part, ...]:
    """Tell of significant results with which the adjusted check does not agree."""
    checked = [(e, adjusted[e.measure].conclusion) for e in found if e.measure in adjusted]
    unsure = [e for e, conclusion in checked if conclusion == "inconclusive"]
    against = [e for e, conclusion in checked if {e.conclusion, conclusion} == _OPPOSITE]
    return (
        *((f" A second check was less sure about {_topics(unsure)}.",) if unsure else ()),
        *((f" A second check found the opposite for {_topics(against)}.",) if against else ()),
    )


_OPPOSITE = {"reduction", "increase"}


def _mixed(found: Sequence[Effect]) -> tuple[Part, ...]:
    if len({is_good(e) for e in found}) == 1:
        return ()
    return ("These results point in different directions, so read them together. ",)


def _range(effect: Effect, words: Words) -> tuple[Part, ...]:
    """Tell the likely range of the first significant result."""
    end = {"rate": " out of 100.", "frequency": f" per 100 {words.people}.", "days": "."}
    lead = f"The true difference in {_TOPICS[effect.measure]} is likely to be "
    return (lead, *difference(effect, words), end[kind_of(effect)])


def _open(unclear: Sequence[Effect], words: Words) -> tuple[Part, ...]:
    """Tell what is not known of results that are not significant."""
    rate = next((e for e in unclear if e.measure == "rate" and has_range(e)), None)
    return (
        *(() if rate is None else _either_way(rate, words)),
        f"More {words.people} are needed to tell. This does not show that the programme does "
        "nothing.",
    )


def _either_way(rate: Effect, words: Words) -> tuple[Part, ...]:
    if is_small(rate):
        small = Figure("reading.small_difference", SMALL_DIFFERENCE, "percentage points", "2")
        return (
            "Any difference in how many reoffended is likely to be smaller than ",
            small,
            f" {words.people} out of 100. ",
        )
    less, more = reaches(rate)
    return (
        "The number who reoffended could be lower by ",
        less,
        f" {words.count(less)} out of 100, higher by ",
        more,
        ", or the same. ",
    )


# --- What it does not mean -----------------------------------------------------------------------


def _meaning(headline: Sequence[Effect], words: Words, submitted: int) -> Sentences:
    if not any(map(is_reported, headline)):
        return Sentences(
            (
                Sentence.of("It does not mean that the programme fails, or that it helps."),
                Sentence.of(
                    "It does not mean that anything is wrong with the details that were sent."
                ),
            )
        )
    return Sentences(
        (
            Sentence.of(
                "It is no proof of cause and effect: the groups may differ in ways that are not "
                "recorded."
            ),
            Sentence.of("It cannot be compared with national rates or other reports."),
            Sentence.of("Make no relative claim. ", *relative_example(headline[0], words)),
            *_others(not_analysed(headline[0], submitted), words),
        )
    )


def _others(left: Figure, words: Words) -> tuple[Sentence, ...]:
    if left.suppressed or left.value == 0:
        return ()
    people = f" {words.count(left)} who were not analysed."
    return (Sentence.of("It may not hold for the ", left, people),)


# --- What to do with it --------------------------------------------------------------------------


def _next(headline: Sequence[Effect], words: Words, programme: str) -> Sentences:
    found = [e for e in headline if direction(e)]
    quote = Sentence.of(
        "You can always quote this: “", *_quote(headline, found, words, programme), "”"
    )
    more = (
        f"A new request can add {words.people} who have taken part since."
        if not found or found[0].measure != "rate"
        else "With any number, give its whole range."
    )
    return Sentences(
        (
            quote,
            Sentence.of(f"{more} The next pages explain the method and its limits."),
        )
    )


def _quote(
    headline: Sequence[Effect], found: Sequence[Effect], words: Words, programme: str
) -> tuple[Part, ...]:
    name = titled(programme)
    if not any(map(is_reported, headline)):
        return ("The Justice Data Lab looked at ", *name, " but could not report a result.")
    if found and found[0].measure == "rate":
        amount = "less" if direction(found[0]) == "lower" else "more"
        return (
            f"In a Justice Data Lab analysis, {words.people} who took part in ",
            *name,
            f" reoffended {amount} than the comparison group. The likely difference is ",
            *difference(found[0], words),
            " out of 100.",
            *(f" But {_did(e)}." for e in found[1:] if is_good(e) != is_good(found[0])),
        )
    return (
        f"The Justice Data Lab could not tell whether {words.people} who took part in ",
        *name,
        f" reoffended less or more than similar {words.people}.",
        *(f" {capital(_did(e))}." for e in found),
    )


def _did(effect: Effect) -> str:
    """Return what is significant of a measure beside the rate, as it can be quoted."""
    side = direction(effect)
    if kind_of(effect) == "frequency":
        amount = "fewer" if side == "lower" else "more"
        return f"they committed {amount} proven reoffences per person than the comparison group"
    when = "earlier" if side == "lower" else "later"
    return f"those who reoffended did so {when} than in the comparison group"
