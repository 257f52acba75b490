"""Groups: how the two groups came about, before any outcome: pool, gaps, attempts, balance.

Sentences and tables for a reader who asks with whom the treatment group was compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.balance import AMBER, GREEN, RATIOS, Verdict
from jdl.disclosure import RULES, Bounds, Drawn, Told
from jdl.figures import Cell, Figure, Part, Sentence, Sentences, Table, Tag
from jdl.matching import Attempt, Matched
from jdl.tables import BANDS, NOT_APPLICABLE, VARIANCE_RATIO, variance_ratio
from jdl.wording import (
    Words,
    capital,
    counted,
    is_missing,
    listed,
    number,
    percentage,
    plural,
    proper,
    quoted,
    scaled,
    slug,
    spelled,
    within,
)

# --- The pool ------------------------------------------------------------------------------------


def pool_statement(drawn: Drawn, *, words: Words, repeated: bool = False) -> Sentences:
    """Return with whom the treatment group could be compared, and who was left out.

    Parameters
    ----------
    drawn : Drawn
        From ``disclosure.clear_pool``.
    words : Words
    repeated : bool
        Whether the analysis was repeated with the untreated earlier sentences of those left out.
    """
    pool = counted("pool.disposals", drawn.disposals, "disposals")
    people = counted("pool.people", drawn.people)
    lead = Sentence.of(
        "The comparison group was drawn from ",
        pool,
        f" {plural(pool, 'sentence', 'sentences')} of ",
        people,
        f" {words.count(people)}: every eligible sentence of the right kind and time of everybody "
        "else, whatever came after it.",
    )
    return Sentences((lead, _left_out(drawn, repeated), _known(drawn)))


def _left_out(drawn: Drawn, repeated: bool) -> Sentence:
    told = _about("pool.removed_people", drawn.removed_people, "people")
    parts: list[Part] = [
        told,
        " people who are in the upload, or might be, were left out of the pool, with ",
        _about("pool.removed_disposals", drawn.removed_disposals, "disposals"),
        " sentences besides those analysed",
    ]
    if drawn.removed_share is not None:
        parts += [
            "; they would have been ",
            percentage("pool.removed_share", drawn.removed_share, 1),
            " of the people in it",
        ]
    end = "."
    if repeated:
        end = (
            ". Because so many were left out, the analysis was repeated with their earlier "
            "sentences, from before the support, kept in the pool."
        )
    return Sentence.of(*_capitalised(parts), end)


def _known(drawn: Drawn) -> Sentence:
    if drawn.known == Bounds(0, 0):
        return Sentence.of("Nobody in the pool is known to have taken part in another programme.")
    told = _about("pool.known_people", drawn.known, "people")
    return Sentence.of(
        *_capitalised([told]),
        " people in the pool are known from other requests to have had other support; they stay in "
        "it, because the comparison is with usual support.",
    )


def _about(name: str, bounds: Bounds, unit: str) -> Figure:
    """Return a rough number, or the one that it is below or at least."""
    if bounds.low is None or bounds.high is None:
        return Figure.withheld(name, unit)
    if bounds.low == bounds.high:
        return Figure(name, bounds.low, unit, f"about {number(bounds.low)}")
    if bounds.low == 0:
        return Figure(name, bounds.high + 1, unit, f"fewer than {number(bounds.high + 1)}")
    return Figure(name, bounds.low, unit, f"at least {number(bounds.low)}")


def _capitalised(parts: Sequence[Part]) -> tuple[Part, ...]:
    first, *rest = parts
    if isinstance(first, str):
        return (capital(first), *rest)
    return (Figure(first.id, first.value, first.unit, capital(first.text), first.suppressed), *rest)


# --- The time before the start -------------------------------------------------------------------


def gap_statement(told: Told, *, leads: bool, words: Words, limit: float = 0.1) -> Sentences:
    """Return how long after the index date people started, and what follows from it.

    Parameters
    ----------
    told : Told
        From ``disclosure.clear_gaps``.
    leads : bool
        Whether the analysis from the start of the support leads.
    words : Words
    limit : float
        The share of late starts above which that analysis leads.
    """
    if not told.known:
        return Sentences((_unknown(words),))
    return Sentences(
        (
            _late(told, words),
            _reoffended_before(told, words),
            _leads(leads, words, limit),
        )
    )


def _unknown(words: Words) -> Sentence:
    return Sentence.of(
        "When the intervention started is not known, so it cannot be told whether "
        f"{words.people} who started late never reoffended before. The year runs from the index "
        "date, as in the service's method."
    )


def _late(told: Told, words: Words) -> Sentence:
    late = _rough("gaps.late", told.late)
    parts: list[Part] = [f"Of the {words.people} whose start is known, ", late]
    if told.late_share is not None:
        parts += [" (", percentage("gaps.late_share", told.late_share), ")"]
    parts += [
        " started more than ",
        counted("gaps.late_days", told.late_days, "days"),
        " days after the index date, on which the year of follow-up would begin",
    ]
    if told.median is not None and told.upper is not None:
        parts += [
            ". Of those who started after it, half had done so by day ",
            scaled("gaps.median", told.median, "days"),
            ", and nine in ten by day ",
            scaled("gaps.upper", told.upper, "days"),
        ]
    return Sentence.of(*parts, ".")


def _reoffended_before(told: Told, words: Words) -> Sentence:
    many = _rough("gaps.reoffended", told.reoffended)
    return Sentence.of(
        *_capitalised([many]),
        " of them reoffended between the index date and the start. "
        f"{capital(words.people)} who reoffended at once had less chance to start at all, which "
        "makes those who did start look better than they are.",
    )


def _rough(name: str, bounds: Bounds) -> Figure:
    if bounds == Bounds(0, 0):
        return spelled(name, 0, "people", none="none")
    return _about(name, bounds, "people")


def _leads(leads: bool, words: Words, limit: float) -> Sentence:
    edge = percentage("gaps.limit", limit)
    if not leads:
        return Sentence.of(
            "As no more than ",
            edge,
            " started that late, the year runs from the index date, as in the service's method.",
        )
    return Sentence.of(
        "As more than ",
        edge,
        " started that late, in the headline analysis the year runs from the start of the support. "
        "Each comparison sentence is given a start from the same gaps, and only "
        f"{words.people} who were at liberty and without an offence until then are compared. The "
        "service's own version, from the index date, stands beside it.",
    )


# --- The search for balance ----------------------------------------------------------------------


def attempts_table(attempts: Iterable[tuple[str, Attempt]]) -> Table:
    """Return every way to match that was tried, with its verdict.

    Parameters
    ----------
    attempts : iterable of (str, Attempt)
        With the label of the analysis, see ``analyses.attempts``, in the order tried.
    """
    rows = tuple(
        _attempt(f"attempts.{place}", label, attempt)
        for place, (label, attempt) in enumerate(attempts, start=1)
    )
    return Table(
        "attempts-table",
        "Every way to match that was tried, in the order fixed before outcomes were read",
        (
            "Analysis",
            "Way to match",
            "Largest standardised difference left",
            "Largest left of squares and products",
            "People without a match",
            "Groups alike",
        ),
        rows or (("No way", *(NOT_APPLICABLE,) * 5),),
        (
            "Kept is the first that made the groups alike and lost nearly nobody; without one, of "
            "those that made the groups alike the one that lost fewest people.",
            "Groups are alike only if both differences are within their limits.",
        ),
    )


def _attempt(name: str, label: str, attempt: Attempt) -> tuple[Cell, ...]:
    return (
        Sentence(quoted(f"{name}.analysis", label)),
        Sentence(quoted(f"{name}.specification", capital(attempt.specification))),
        *(
            _left(f"{name}.{which}", getattr(attempt.verdict, which, None))
            for which in ("worst", "second_order_worst")
        ),
        _lost(f"{name}.lost", attempt),
        "Yes" if attempt.verdict.accepted else "No",
    )


def _left(name: str, difference: float | None) -> Cell:
    return NOT_APPLICABLE if is_missing(difference) else percentage(name, difference, 1)


def _lost(name: str, attempt: Attempt) -> Cell:
    """Return how many have no match; of a few only that they are few, of all that they are all."""
    lost, verdict = attempt.treatment_lost, attempt.verdict
    if lost and not any(getattr(verdict, one, None) for one in ("worst", "greens", "ambers")):
        return "all"
    if 0 < lost < RULES.cell:
        return Figure(name, RULES.cell, "people", f"fewer than {number(RULES.cell)}")
    return counted(name, lost)


def attempts_statement(matched: Matched, *, analysis: str = "headline") -> Sentence:
    """Return how many ways to match were tried, and which was kept and why.

    Parameters
    ----------
    matched : Matched
        From ``matching.first_accepted``.
    analysis : str
        First part of the figures' names.
    """
    base = f"{slug(analysis)}.attempts"
    tried = spelled(f"{base}.tried", len(matched.attempts), "ways")
    ways = plural(tried, "way to match was", "ways to match were")
    if not matched.accepted:
        failed = "it did not make" if len(matched.attempts) == 1 else "none made"
        end = f" {ways} tried, and {failed} the groups alike. There is no conclusion, and the "
        return Sentence.of(*_capitalised([tried]), f"{end}status is “not balanced”.")
    if len(matched.attempts) == 1:
        return Sentence.of(
            *_capitalised([tried]),
            f" {ways} tried, the first in an order fixed before any outcome was read, and it made "
            "the groups alike: “",
            *quoted(f"{base}.kept", matched.specification.name),
            "”.",
        )
    return Sentence.of(
        *_capitalised([tried]),
        f" {ways} tried, in an order fixed before any outcome was read. The one kept is “",
        *quoted(f"{base}.kept", matched.specification.name),
        f"”, {_why_kept(matched)}.",
    )


def _why_kept(matched: Matched) -> str:
    alike = [one for one in matched.attempts if one.verdict.accepted]
    if alike[0].specification == matched.specification.name:
        later = ", and no later one loses fewer people" if len(alike) > 1 else ""
        return f"the first that made the groups alike{later}"
    return "which made the groups alike and loses fewest people"


# --- Squares and interactions --------------------------------------------------------------------


TIMES = " by "
"""Between the two variables of a product, see ``balance.second_order``."""
MOST_TERMS = 50
"""Squares and products in the table: those that differ most after matching."""


_WORK = {"employed": "employment", "on_benefit": "benefits"}


def unmatched_statement(
    unrecorded: Sequence[str], *, needs: bool, labels: Mapping[str, str]
) -> Sentences:
    """Return what people could not be matched on for want of data; the rest nobody records.

    Parameters
    ----------
    unrecorded : sequence of str
        From ``covariates.unrecorded``.
    needs : bool
        Whether assessed needs were matched on.
    labels : mapping of str to str
        What each variable is called in print.
    """
    items = []
    if unrecorded:
        names = listed([_WORK.get(name, labels.get(name, name).casefold()) for name in unrecorded])
        items.append(
            f"The national data used hold nothing on {names} for anybody who could be compared, "
            "so people could not be matched on that."
        )
    if not needs:
        items.append(
            "Assessed needs, such as those for housing, drugs, alcohol and ways of thinking, were "
            "not matched on."
        )
    return Sentences(tuple(map(Sentence.of, items)))


def second_order_statement(
    second_order: pd.DataFrame,
    verdict: Verdict,
    *,
    labels: Mapping[str, str],
    analysis: str = "headline",
) -> Sentences:
    """Return how alike the groups are on squares, products and spread of the characteristics.

    Parameters
    ----------
    second_order : DataFrame
        From ``balance.second_order``.
    verdict : Verdict
        From ``balance.gate``.
    labels : mapping of str to str
        What each variable is called in print.
    analysis : str
        First part of the figures' names.
    """
    base = f"{slug(analysis)}.second_order"
    after = second_order["smd_after"].abs()
    if after.empty or after.isna().any():
        text = "Squares and products of the characteristics were not compared."
        return Sentences((Sentence.of(text),))
    worst = second_order.iloc[int(after.argmax())].to_dict()
    total = spelled(f"{base}.terms", len(after), "terms")
    return Sentences(
        (
            Sentence.of(
                "Two groups can have the same averages and still differ in how characteristics "
                "come together, so they were also compared on ",
                total,
                f" {plural(total, 'square or product', 'squares and products')} of the main "
                "characteristics. The standardised difference is ",
                *_bands(after, base, f"{slug(analysis)}.balance"),
                ". The largest is ",
                percentage(f"{base}.worst", float(after.max()), 1),
                ", in “",
                *quoted(f"{base}.worst_name", _named(worst, labels)),
                "”.",
            ),
            *_spread(verdict, base),
        )
    )


def _bands(after: pd.Series[float], base: str, balance: str) -> list[Part]:
    green, red = after <= GREEN, after > AMBER
    bands = (
        ("green", green, "up to ", GREEN, "green_to"),
        ("amber", ~green & ~red, "up to ", AMBER, "amber_to"),
        ("red", red, "more than ", AMBER, "amber_to"),
    )
    told = [band for band in bands if band[1].any()]
    parts: list[Part] = []
    for place, (name, which, side, edge, limit) in enumerate(told):
        parts += [
            "" if not place else " and " if place == len(told) - 1 else ", ",
            side,
            percentage(f"{balance}.{limit}", edge),
            " for all " if len(told) == 1 < len(after) else " for ",
            spelled(f"{base}.{name}", int(which.sum()), "terms"),
        ]
    return parts[1:]


def _spread(verdict: Verdict, base: str) -> tuple[Sentence, ...]:
    if not verdict.ratios:
        return ()
    many = spelled(f"{base}.ratios", verdict.ratios, "characteristics")
    low, high = (
        Figure(f"{base}.ratio_{end}", edge, "ratio", f"{edge:g}")
        for end, edge in zip(("from", "to"), RATIOS, strict=True)
    )
    outside = spelled(
        f"{base}.ratios_outside", verdict.ratios_outside, "characteristics", none="none"
    )
    return (
        Sentence.of(
            "Of ",
            many,
            f" {plural(many, 'characteristic', 'characteristics')} that "
            f"{plural(many, 'is a number', 'are numbers')}, ",
            outside,
            f" {'is' if verdict.ratios_outside < 2 else 'are'} spread so differently in the two "
            "groups that the ratio of the variances lies outside ",
            low,
            " to ",
            high,
            ".",
        ),
    )


def _named(row: Mapping[Any, Any], labels: Mapping[str, str]) -> str:
    """Return a square or product in print: ``age squared``, or two variables."""
    factors = str(row["variable"]).split(TIMES)
    told = [_factor(factor, labels) for factor in factors]
    level = f" ({proper(str(row['level']))})" if row["level"] else ""
    return " \u00d7 ".join(told) + level


def _factor(factor: str, labels: Mapping[str, str]) -> str:
    name, squared = factor.removesuffix(" squared"), factor.endswith(" squared")
    label = labels.get(name, name.replace("_", " "))
    return f"{within(label)}{' squared' if squared else ''}"


def second_order_table(
    second_order: pd.DataFrame, *, labels: Mapping[str, str], analysis: str = "headline"
) -> Table:
    """Return the squares and products that differ most after matching, without averages.

    Parameters
    ----------
    second_order : DataFrame
        From ``balance.second_order``.
    labels : mapping of str to str
        What each variable is called in print.
    analysis : str
        First part of the figures' names.
    """
    base = f"{slug(analysis)}.second_order"
    worst = second_order["smd_after"].abs().sort_values(ascending=False, kind="stable").index
    shown = second_order.loc[worst[:MOST_TERMS]]
    rows = tuple(
        _second_order_row(f"{base}.{place}", row, labels)
        for place, row in enumerate(shown.to_dict("records"), start=1)
    )
    left = ("Those that differ most after matching.",) if len(shown) < len(second_order) else ()
    return Table(
        "second-order-table",
        "How alike the groups are on squares and products of the main characteristics",
        (
            "Square or product",
            "Standardised difference before",
            "Standardised difference after",
            "Variance ratio before",
            "Variance ratio after",
            "Quality of matching",
        ),
        rows or (("No variable", *(NOT_APPLICABLE,) * 5),),
        (*left, VARIANCE_RATIO),
    )


def _second_order_row(
    name: str, row: Mapping[Any, Any], labels: Mapping[str, str]
) -> tuple[Cell, ...]:
    band = row["band_after"]
    return (
        Sentence(quoted(f"{name}.name", capital(_named(row, labels)))),
        percentage(f"{name}.smd_before", row["smd_before"], 1),
        percentage(f"{name}.smd_after", row["smd_after"], 1),
        variance_ratio(name, row, "before"),
        variance_ratio(name, row, "after"),
        NOT_APPLICABLE if is_missing(band) else Tag(BANDS[band], band),
    )
