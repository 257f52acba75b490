"""Groups: how the two groups came about, before any outcome: pool, gaps, attempts, balance.

Sentences and tables for a reader who asks with whom the treatment group was compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.balance import AMBER, GREEN
from jdl.disclosure import RULES, Bounds, Drawn, Told
from jdl.figures import Cell, Figure, Part, Sentence, Sentences, Table, Tag
from jdl.matching import Attempt
from jdl.tables import BANDS, NOT_APPLICABLE, VARIANCE_RATIO, variance_ratio
from jdl.wording import (
    Words,
    capital,
    counted,
    is_missing,
    number,
    percentage,
    plural,
    quoted,
    scaled,
    slug,
    spelled,
)

FROM_INDEX_DATE = "Service's version, year from the index date"
FROM_START = "Year from the start of the support"
"""What the two versions of an analysis are called where the support begins after the index date."""


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
    if drawn.removed_people == Bounds(0, 0):
        return Sentence.of("Nobody in the upload had to be left out of it.")
    told = _about("pool.removed_people", drawn.removed_people, "people")
    parts: list[Part] = [
        told,
        f" {plural(told, 'person', 'people')} in the upload, or who might be in it, "
        f"{plural(told, 'was', 'were')} left out of it, with ",
        _about("pool.removed_disposals", drawn.removed_disposals, "disposals"),
        " sentences",
    ]
    if drawn.removed_share is not None:
        parts += [
            "; they would have been ",
            percentage("pool.removed_share", drawn.removed_share, 1),
            " of its people",
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
        f" {plural(told, 'person', 'people')} in the pool {plural(told, 'is', 'are')} known from "
        "other requests to have had other support; they stay in it, because the comparison is with "
        "usual support.",
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
    return Sentences(
        (
            _late(told, words),
            _reoffended_before(told, words),
            _leads(leads, words, limit),
        )
    )


def _late(told: Told, words: Words) -> Sentence:
    dated = counted("gaps.dated", told.dated)
    late = _exactly("gaps.late", told.late)
    parts: list[Part] = ["Of the ", dated, f" {words.count(dated)} whose start is known, ", late]
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
    if told.reoffended == Bounds(0, 0):
        return Sentence.of("None of them reoffended between the index date and the start.")
    many = _exactly("gaps.reoffended", told.reoffended)
    return Sentence.of(
        *_capitalised([many]),
        " of them reoffended between the index date and the start. "
        f"Those {words.people} who reoffended at once had less chance to start at all, which makes "
        "those who did start look better than they are.",
    )


def _exactly(name: str, bounds: Bounds) -> Figure:
    if bounds.low is not None and bounds.low == bounds.high:
        return counted(name, bounds.low)
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
            "People without a match",
            "Groups alike",
        ),
        rows or (("None", *(NOT_APPLICABLE,) * 4),),
        (
            "Of those that made the groups alike, the first that lost nobody was kept, or else the "
            "first.",
        ),
    )


def _attempt(name: str, label: str, attempt: Attempt) -> tuple[Cell, ...]:
    worst = getattr(attempt.verdict, "worst", None)
    return (
        Sentence(quoted(f"{name}.analysis", label)),
        Sentence(quoted(f"{name}.specification", capital(attempt.specification))),
        NOT_APPLICABLE if is_missing(worst) else percentage(f"{name}.worst", worst, 1),
        _lost(f"{name}.lost", attempt.treatment_lost),
        "Yes" if attempt.verdict.accepted else "No",
    )


def _lost(name: str, lost: int) -> Figure:
    """Return how many have no match; of a few only that they are few."""
    if 0 < lost < RULES.cell:
        return Figure(name, RULES.cell, "people", f"fewer than {number(RULES.cell)}")
    return counted(name, lost)


def attempts_statement(attempts: Sequence[Attempt], *, kept: str | None) -> Sentence:
    """Return how many ways to match were tried before the groups of an analysis were alike.

    Parameters
    ----------
    attempts : sequence of Attempt
        Of one analysis, in the order tried.
    kept : str or None
        The name of the specification that was kept; None where none made the groups alike.
    """
    tried = spelled("attempts.tried", len(attempts), "ways", none="none")
    ways = plural(tried, "way to match was", "ways to match were")
    if kept is None:
        return Sentence.of(
            *_capitalised([tried]),
            f" {ways} tried, and none made the groups alike. No outcome was compared: there is no "
            "conclusion, and the status of this analysis is “not balanced”.",
        )
    first = attempts[0].specification == kept
    why = "the first of the plan" if first else "the first that made the groups alike"
    lost = any(one.verdict.accepted and one.treatment_lost for one in attempts)
    if not first and lost:
        why = "of those that made the groups alike the first to lose fewest people"
    return Sentence.of(
        *_capitalised([tried]),
        f" {ways} tried, in an order fixed before any outcome was read; “",
        *quoted("attempts.kept", kept),
        f"” was kept, {why}.",
    )


# --- Squares and interactions --------------------------------------------------------------------


def second_order_statement(second_order: pd.DataFrame, *, analysis: str = "headline") -> Sentence:
    """Return how alike the groups are on squares and interactions of the main characteristics.

    Parameters
    ----------
    second_order : DataFrame
        From ``balance.second_order``.
    analysis : str
        First part of the figures' names.
    """
    base = f"{slug(analysis)}.second_order"
    after = second_order["smd_after"].abs()
    if after.empty or after.isna().any():
        return Sentence.of("Squares and interactions of the characteristics were not compared.")
    total = counted(f"{base}.terms", len(after), "terms")
    worst = second_order.iloc[int(after.argmax())]
    bands = [
        (" differ by up to ", f"{base}.green", (after <= GREEN).sum(), GREEN, "green_to"),
        (
            " by up to ",
            f"{base}.amber",
            ((after > GREEN) & (after <= AMBER)).sum(),
            AMBER,
            "amber_to",
        ),
        (" by more than ", f"{base}.red", (after > AMBER).sum(), AMBER, "amber_to"),
    ]
    parts: list[Part] = []
    for words, name, many, edge, limit in bands:
        side = words if not parts else words.replace(" differ", "")
        parts += [
            ", " if parts else "",
            spelled(name, int(many), "terms", none="none"),
            side,
            percentage(f"{slug(analysis)}.balance.{limit}", edge),
        ]
    return Sentence.of(
        "The groups were also compared on the squares and products of the main characteristics, ",
        total,
        " in all, because two groups can have the same averages and still differ in who combines "
        "which: ",
        *(part for part in parts if part),
        " of a standard deviation. The largest difference is ",
        percentage(f"{base}.worst", float(after.max()), 1),
        ", in ",
        *quoted(f"{base}.worst_name", _named(worst.to_dict())),
        ".",
    )


def _named(row: Mapping[Any, Any]) -> str:
    level = f" ({row['level']})" if row["level"] else ""
    return f"{row['variable']}{level}".replace("_", " ")


def second_order_table(second_order: pd.DataFrame, *, analysis: str = "headline") -> Table:
    """Return the squares and interactions with their standardised differences, without averages.

    Parameters
    ----------
    second_order : DataFrame
        From ``balance.second_order``.
    analysis : str
        First part of the figures' names.
    """
    base = f"{slug(analysis)}.second_order"
    rows = tuple(
        _second_order_row(f"{base}.{place}", row)
        for place, row in enumerate(second_order.to_dict("records"), start=1)
    )
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
        rows,
        (VARIANCE_RATIO,),
    )


def _second_order_row(name: str, row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    band = row["band_after"]
    return (
        Sentence(quoted(f"{name}.name", capital(_named(row)))),
        percentage(f"{name}.smd_before", row["smd_before"], 1),
        percentage(f"{name}.smd_after", row["smd_after"], 1),
        variance_ratio(name, row, "before"),
        variance_ratio(name, row, "after"),
        Tag(BANDS[band], band),
    )
