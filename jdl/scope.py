"""Scope: which analyses a report holds, of whom, and how often the programme has been looked at.

What was planned, what came of it, how many tests that made, who completed, and what earlier
reports found: sentences and tables that keep one result from being read as if it stood alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.analyses import Wanted
from jdl.disclosure import NOT_BALANCED, UNTOLD, WITHHELD, Cleared
from jdl.effects import ALL, Effect
from jdl.figures import Cell, Figure, Part, Sentence, Sentences, Table, Tag
from jdl.findings import corrected, secondary
from jdl.tables import NOT_APPLICABLE, RESULT_WORDS, SHORTHAND
from jdl.wording import (
    CONCLUDED,
    Words,
    capital,
    confidence,
    counted,
    direction,
    has_range,
    is_missing,
    is_reported,
    limit_of,
    limited,
    month,
    name_of,
    p_value,
    percentage,
    plural,
    proper,
    quoted,
    scaled,
    signed,
    slug,
    spelled,
    unit_of_difference,
)

# --- The analyses --------------------------------------------------------------------------------


def analyses_list(
    planned: Sequence[Wanted], cleared: Mapping[str, Cleared], *, matched_on: Mapping[bool, str]
) -> Table:
    """Return every analysis of the plan, numbered, with what came of it.

    Parameters
    ----------
    planned : sequence of Wanted
        The headline first.
    cleared : mapping of str to Cleared
        From ``disclosure.clear_analyses``, by id.
    matched_on : mapping of bool to str
        What people are matched on in words, without assessed needs under False and with them
        under True.

    Returns
    -------
    Table
        Also those that were not made because too few people were there.
    """
    rows = tuple(
        (
            _numbered(one, place),
            "Yes" if one.run.assessed else "No",
            capital(proper(one.region)) if one.region else "England and Wales",
            _matched_on(one, matched_on),
            _became(one, cleared.get(one.id)),
        )
        for place, one in enumerate(planned, start=1)
    )
    return Table(
        "analyses-list",
        "The analyses, all planned before any outcome was read",
        ("Analysis", "OASys assessment needed", "Compared within", "Matched on", "Result"),
        rows,
        (UNTOLD,) if any(row[-1] == "[c]" for row in rows) else (),
    )


def _numbered(one: Wanted, place: int) -> Sentence:
    name = f"analyses.{slug(one.id)}"
    number = counted(f"{name}.number", place, "analyses")
    return Sentence.of(number, ". ", *quoted(f"{name}.label", one.label))


def _matched_on(one: Wanted, matched_on: Mapping[bool, str]) -> Sentence:
    exact = [name.replace("_", " ") for name in one.also_exact]
    also = f"; exactly on {' and '.join(exact)}" if exact else ""
    return Sentence(
        quoted(f"analyses.{slug(one.id)}.matched_on", capital(matched_on[one.run.needs]) + also)
    )


def _became(one: Wanted, cleared: Cleared | None) -> Cell:
    if not one.enough or cleared is None:
        return "Not made: too few people"
    rate = cleared.effects["rate"]
    if is_reported(rate):
        return Tag("Reported", "blue")
    return "Not balanced" if rate.reason == NOT_BALANCED else "[c]"


# --- The tests -----------------------------------------------------------------------------------


def multiplicity_table(
    effects: Iterable[Effect], *, labels: Mapping[str, str], significance: float = 0.05
) -> Table:
    """Return the p-value of every test but the main one, as it is and corrected for their number.

    Parameters
    ----------
    effects : iterable of Effect
        Of every analysis and measure, cleared.
    labels : mapping of str to str
        What each analysis is called in print.
    significance : float
        Of each test.
    """
    tests = secondary(effects)
    rules = ("holm", "fdr_bh")
    columns = [corrected(tests, rule) if tests else () for rule in rules]
    rows: list[tuple[Cell, ...]] = [
        (
            Sentence(quoted(f"{name_of(e)}.test", labels.get(e.analysis, e.analysis))),
            ALL[e.measure].label,
            p_value(f"{name_of(e)}.p_value", e.p_value),
            *(
                p_value(f"{name_of(e)}.p_value.{rule}", min(float(column[place]), 1.0))
                for rule, column in zip(rules, columns, strict=True)
            ),
        )
        for place, e in enumerate(tests)
    ]
    return Table(
        "multiplicity-table",
        "Every test beside the main one, with its p-value corrected for the number of tests",
        (
            "Analysis",
            "Measure",
            "p\u00a0value",
            "p\u00a0value by Holm",
            "p\u00a0value by Benjamini and Hochberg",
        ),
        tuple(rows) or (("No other test", *(NOT_APPLICABLE,) * 4),),
        (
            "The report uses the p-values as they are. The corrected ones answer how much would "
            "remain if the number of tests were allowed for.",
        ),
    )


# --- Completers ----------------------------------------------------------------------------------


def participation_table(described: pd.DataFrame, *, words: Words) -> Table:
    """Return who completed and who did not, as a description.

    Parameters
    ----------
    described : DataFrame
        From ``disclosure.clear_participation``: participation, people, share, rate.
    words : Words
    """
    rows = tuple(_took_part(row) for row in described.to_dict("records"))
    return Table(
        "participation-table",
        f"How far the {words.people} analysed took part: a description, not an effect",
        (
            "Taking part",
            f"{capital(words.people)}",
            "Share of those analysed",
            "One-year proven reoffending rate",
        ),
        rows,
        (
            "Those who complete differ from those who do not in ways that also bear on "
            "reoffending, so these rates do not show what completing does. No test is made of "
            "them.",
            *([SHORTHAND] if described["people"].isna().any() else []),
        ),
    )


def _took_part(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    name = f"participation.{slug(str(row['participation']))}"
    return (
        capital(str(row["participation"])),
        counted(f"{name}.people", row["people"]),
        percentage(f"{name}.share", row["share"]),
        percentage(f"{name}.rate", row["rate"]),
    )


# --- Corrections ---------------------------------------------------------------------------------


def correction_table(
    revised: pd.DataFrame,
    concluded: Mapping[str, tuple[str, str]],
    *,
    words: Words,
    least: int,
) -> Table:
    """Return the headline of a corrected report as it was published and as it is now.

    Parameters
    ----------
    revised : DataFrame
        From ``disclosure.clear_revision``.
    concluded : mapping of str to tuple of str
        By measure what was concluded then, and now.
    words : Words
    least : int
        The smallest change of a size that is told.
    """
    rows = [_revised(row, words, least) for row in revised.to_dict("records")]
    rows += [
        (
            f"{_MEASURED[measure]}: conclusion",
            RESULT_WORDS[was],
            RESULT_WORDS[now],
            "none" if was == now else "changed",
        )
        for measure, (was, now) in concluded.items()
    ]
    withheld = revised[["was", "now"]].isna().any(axis=None) or "suppressed" in {
        one for pair in concluded.values() for one in pair
    }
    return Table(
        "correction-table",
        "The headline result as it was published, and as it is now",
        ("Result", "As published", "As corrected", "Change"),
        tuple(rows),
        (SHORTHAND,) if withheld else (),
    )


_MEASURED = {"rate": "One-year rate", "frequency": "Frequency"}
_OF_GROUPS = {
    "treatment_n": "{people} analysed",
    "comparison_n": "Disposals in the comparison group",
    "treatment": "{measure}: treatment group",
    "comparison": "{measure}: comparison group",
    "difference": "{measure}: difference",
    "ci_low": "{measure}: lower limit of the difference",
    "ci_high": "{measure}: upper limit of the difference",
}


def _revised(row: Mapping[Any, Any], words: Words, least: int) -> tuple[Cell, ...]:
    measure, part = row["measure"], row["figure"]
    name = f"correction.{slug(measure)}.{slug(part)}"
    told = _OF_GROUPS[part].format(measure=_MEASURED[measure], people=capital(words.people))
    if part in ("treatment_n", "comparison_n"):
        unit, places, scale = "people" if part == "treatment_n" else "disposals", 0, 1
    else:
        unit, places, scale = unit_of_difference(measure), 2, 1
        if measure == "rate":
            unit = unit if part in ("difference", "ci_low", "ci_high") else "per cent"
            places, scale = 1, 100
    label = told if part in ("treatment_n", "comparison_n") else f"{told}, {unit}"
    was, now = (
        scaled(f"{name}.{which}", row[which], unit, places, scale) for which in ("was", "now")
    )
    if row["few"]:
        few = Sentence.of("fewer than ", counted(f"{name}.few", least, unit))
        return label, was, now, few
    change: Cell = Figure.withheld(f"{name}.change", unit)
    if not is_missing(row["change"]):
        change = signed(f"{name}.change", row["change"] * scale, unit, places)
    return label, was, now, change


# --- Earlier looks -------------------------------------------------------------------------------


def look_statement(
    earlier: Sequence[Mapping[str, Any]], *, new: Effect | None, pooled: Effect, words: Words
) -> Sentences:
    """Return how often the programme has been analysed, and what each look found.

    Parameters
    ----------
    earlier : sequence of mapping
        Each earlier report that this one includes, oldest first: programme, release, and where it
        is known treatment_n, rate_difference, ci_low, ci_high and rate_result.
    new : Effect or None
        The cleared effect on the rate for the new people alone; None where they are too few.
    pooled : Effect
        The same with the people of the earlier requests.
    words : Words

    Returns
    -------
    Sentences
        The number of the look; new people alone; all people pooled; the earlier results; and that
        looking again makes a significant result by chance likelier. Nothing at the first look.
    """
    if not earlier:
        return Sentences(())
    return Sentences(
        (
            _number_of_look(len(earlier), words),
            _new_people(new, words),
            Sentence.of(
                f"With the {words.people} of the earlier requests pooled, nobody counted twice, ",
                *_found(pooled, words),
            ),
            *(_earlier(row, place) for place, row in enumerate(earlier, start=1)),
            Sentence.of(
                "Each further look makes a significant result by chance alone likelier: the stated "
                "level holds for one look."
            ),
        )
    )


_ORDINALS = ("second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def _number_of_look(earlier: int, words: Words) -> Sentence:
    many = spelled("looks.earlier", earlier, "requests")
    ordinal: Figure = counted("looks.number", earlier + 1, "looks")
    if earlier <= len(_ORDINALS):
        ordinal = Figure("looks.number", earlier + 1, "looks", _ORDINALS[earlier - 1])
        parts: tuple[Part, ...] = ("This is the ", ordinal, " analysis of this programme")
    else:
        parts = ("This is analysis number ", ordinal, " of this programme")
    return Sentence.of(
        *parts,
        f": it includes the {words.people} of ",
        many,
        f" earlier {plural(many, 'request', 'requests')}.",
    )


def _new_people(new: Effect | None, words: Words) -> Sentence:
    if new is None:
        return Sentence.of(
            f"For the new {words.people} alone, no result can be reported: {WITHHELD}."
        )
    return Sentence.of(f"For the new {words.people} alone, ", *_found(new, words))


def _found(effect: Effect, words: Words) -> tuple[Part, ...]:
    """Return what an analysis found on the rate, as the end of a sentence."""
    if not is_reported(effect):
        reason = (effect.reason or WITHHELD).rstrip(".")
        told = quoted(f"{name_of(effect)}.reason", f"{reason[:1].lower()}{reason[1:]}")
        return ("no result can be reported: ", *told, ".")
    if not has_range(effect):
        return ("no conclusion can be drawn.",)
    side = direction(effect)
    many = counted(f"{name_of(effect)}.treatment_n", effect.treatment.n)
    result = "the result on the one-year proven reoffending rate is inconclusive"
    if side:
        result = (
            f"the one-year proven reoffending rate was {side} than in the comparison group, a "
            "statistically significant result"
        )
    return (
        f"{result}: a difference of ",
        limit_of(effect, "ci_low"),
        " to ",
        limit_of(effect, "ci_high"),
        f" percentage points ({confidence()}), for ",
        many,
        f" {words.count(many)}.",
    )


def _earlier(row: Mapping[str, Any], place: int) -> Sentence:
    name = f"looks.{place}"
    parts: list[Part] = [
        "Published before, ",
        *quoted(f"{name}.programme", str(row["programme"])),
    ]
    if not is_missing(row.get("release")):
        parts += [" (", month(f"{name}.release", f"{row['release']}-01"), ")"]
    result = CONCLUDED.get(str(row.get("rate_result")))
    parts.append(f": {result or 'its result is not held here'}")
    if result and not is_missing(row.get("ci_low")) and not is_missing(row.get("ci_high")):
        low, high = (
            limited(f"{name}.{end}", row[end], "percentage points", 0, 100)
            for end in ("ci_low", "ci_high")
        )
        parts += [", a difference of ", low, " to ", high, " percentage points"]
    if result and not is_missing(row.get("treatment_n")):
        many = counted(f"{name}.treatment_n", row["treatment_n"])
        parts += [", for ", many, f" {plural(many, 'person', 'people')}"]
    return Sentence.of(*parts, ".")
