"""Tables: result objects and cleared frames laid out, one idea a row, every number a figure.

What is withheld shows as ``[c]``, what does not apply as ``[z]``, what is not known as ``[x]``.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jdl.balance import AMBER, GREEN
from jdl.bulletin import CONCLUSIONS, REVISED, count_of
from jdl.covariates import AGE_BANDS
from jdl.disclosure import (
    OTHER_LEVELS,
    RELIABLE,
    UNTOLD,
    WITHHELD,
    Decision,
    as_public,
    is_unreliable,
)
from jdl.effects import ALL, Effect
from jdl.figures import Cell, Decisions, Figure, Link, Part, Sentence, Table, Tag
from jdl.findings import HEADLINE
from jdl.pooled import Pooled, Synthesis
from jdl.sensitivity import Choice
from jdl.wording import (
    UNRELIABLE,
    Words,
    capital,
    confidence,
    counted,
    dated,
    direction,
    gap,
    group_size,
    has_range,
    is_missing,
    is_reported,
    kind_of,
    limit_of,
    limited,
    mean,
    name_of,
    p_value,
    parts_disagree,
    per_hundred,
    percentage,
    plural,
    proper,
    quoted,
    rounded,
    scaled,
    size_of,
    slug,
    unit_of_difference,
)

NOT_APPLICABLE = "[z]"
NOT_AVAILABLE = "[x]"
SHORTHAND = f"[c] {WITHHELD}; [z] not applicable; [x] not available."
LOW_RELIABILITY = f"{UNRELIABLE} low reliability: it stands for fewer than {RELIABLE} people."
BANDS = {"green": "Well matched", "amber": "Reasonably matched", "red": "Poorly matched"}
ROUNDING = (
    "Differences are worked out before rounding, so a difference may not equal the one between the "
    "rounded numbers beside it."
)


# --- The request ---------------------------------------------------------------------------------


_FACTS = {
    "organisation": "Organisation",
    "programme": "Programme",
    "description": "What was provided",
    "selection": "How people were referred or chosen",
    "sector": "Sector",
    "intervention_type": "Type of intervention",
    "setting": "Setting",
    "received": "Request received",
    "release": "Release",
    "extends": "Includes the people of earlier requests",
}


def request_facts(public: Mapping[str, Any], *, earlier: Mapping[str, str] | None = None) -> Table:
    """Return what the request is about.

    Parameters
    ----------
    public : mapping
        From ``Request.public``; a field that is absent or empty has no row.
    earlier : mapping of str to str, optional
        What each earlier request is called in print, such as its programme and release; one that
        has no name is told by its id.
    """
    rows = [
        (label, _earlier(public[name], earlier or {}))
        if name == "extends"
        else (label, _fact(name, public[name]))
        for name, label in _FACTS.items()
        if public.get(name)
    ]
    return Table("request-facts", "About this request", ("Subject", "Detail"), tuple(rows))


def _earlier(ids: Sequence[str], names: Mapping[str, str]) -> Sentence:
    return Sentence(quoted("request.extends", "; ".join(names.get(id_, id_) for id_ in ids)))


def _fact(name: str, value: Any) -> Cell:
    if name == "received":
        return dated("request.received", value)
    if name == "release":
        day = dt.date.fromisoformat(f"{value}-01")
        return Figure("request.release", str(value), "month", f"{day:%B %Y}")
    if name in {"organisation", "programme"}:
        return str(value)
    if name in {"sector", "intervention_type", "setting"}:
        return capital(proper(str(value)))
    return Sentence(quoted(f"request.{name}", str(value)))


def criteria_table(criteria: Sequence[Any]) -> Table:
    """Return each minimum criterion with what was required, what was found, and whether it is met.

    Parameters
    ----------
    criteria : sequence of request.Criterion
        With code, text, required, actual and met. That a request was withdrawn is no criterion.
    """
    rows = tuple(
        (
            Sentence(quoted(f"criteria.{slug(item.code)}.text", item.text)),
            _stated(f"criteria.{slug(item.code)}.required", item.required),
            _stated(f"criteria.{slug(item.code)}.actual", item.actual),
            Tag("Met", "green") if item.met else Tag("Not met", "red"),
        )
        for item in criteria
        if item.code != "withdrawn"
    )
    return Table(
        "criteria",
        "Minimum criteria for an analysis",
        ("Criterion", "Required", "This request", "Result"),
        rows,
    )


def _stated(name: str, value: Any) -> Cell:
    if value is None or value == "":
        return NOT_APPLICABLE
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, int):
        return counted(name, value)
    if isinstance(value, dt.date):
        return dated(name, value)
    return Sentence(quoted(name, str(value)))


_CHOICES = {
    "link_passes": ("Passes tried before the probabilistic linkage", "passes"),
    "link_threshold": ("Posterior probability needed for a link", "probability"),
    "review_threshold": ("Posterior probability that would merit a clerical review", "probability"),
    "gap_bits": ("Lead over the second candidate needed for a link", "bits"),
    "other_thresholds": ("Other posterior probabilities tried, for comparison", "probability"),
    "custody_days": ("In custody: leeway between the start and the time in prison", "days"),
    "order_days": ("In the community: leeway between the start and the order", "days"),
    "open_order_days": ("In the community: length of an order without a recorded end", "days"),
    "gate_days": ("Through the gate: longest time from release to the start", "days"),
    "date_days": ("Leeway for a date that the provider gave", "days"),
    "pool_window_days": ("Comparison sentences: leeway around the index dates", "days"),
    "late_days": ("A start later than this after the index date is late", "days"),
    "late_share": ("Share of late starts above which the landmark analysis leads", "proportion"),
    "oasys_coverage": ("Share with an assessment from which the run on needs leads", "proportion"),
    "repeat_share": (
        "Share of the pool removed above which earlier sentences are kept in a repeat",
        "proportion",
    ),
    "exact": ("Matched exactly on", "characteristics"),
    "calipers": ("Calipers tried in order", "standard deviations of the logit"),
    "tolerated_loss": ("Share without a match at which the search may end", "proportion"),
    "balance_limit": ("Largest standardised difference accepted", "standard deviations"),
    "second_order_limit": (
        "Largest standardised difference accepted of squares and products",
        "standard deviations",
    ),
    "main_variables": ("Squares and products are compared of", "characteristics"),
    "control": ("Negative control before the index date", "characteristic"),
    "minimum_places": ("Fewest places for errors that allow for them", "places"),
    "significance": ("Significance level", "probability"),
    "power": ("Power for the numbers needed and the smallest detectable difference", "probability"),
    "minimum_treated": ("Fewest people in the treatment group for any result", "people"),
    "minimum_cell": ("Fewest people in any count that a published share implies", "people"),
    "minimum_reoffenders": ("Fewest reoffenders for measures of reoffenders", "people"),
}


def method_table(
    choices: Mapping[str, Any], *, matched_on: Sequence[str], labels: Mapping[str, str]
) -> Table:
    """Return every choice of the method with its value.

    Parameters
    ----------
    choices : mapping of str to object
        By the name of the notebook's parameter; those without words of their own are left out.
    matched_on : sequence of str
        The matching variables.
    labels : mapping of str to str
        What each variable is called in print.
    """
    rows = [
        (label, _choice(f"method.{slug(name)}", choices[name], unit, labels), unit)
        for name, (label, unit) in _CHOICES.items()
        if name in choices
    ]
    variables = "; ".join(labels.get(name, name) for name in matched_on)
    rows.append(("Matched on", Sentence(quoted("method.matched-on", variables)), "characteristics"))
    overrides = choices.get("request", {}).get("method", {})
    notes = tuple(
        f"For this request only, {_named(name)} was set otherwise than usual: {one['reason']}"
        for name, one in overrides.items()
    )
    return Table(
        "method-table", "The choices of the method", ("Choice", "Value", "Unit"), tuple(rows), notes
    )


def _named(name: str) -> str:
    label = _CHOICES[name][0] if name in _CHOICES else name.replace("_", " ")
    return f"“{label}”"


def _choice(name: str, value: Any, unit: str, labels: Mapping[str, str]) -> Cell:
    if isinstance(value, (int, float)):
        return Figure(name, value, unit, f"{value:g}")
    if isinstance(value, str):
        return labels.get(value, proper(value))
    if isinstance(value[0], str):
        return ", ".join(labels.get(part, proper(part)) for part in value)
    parts: list[Part] = []
    for place, part in enumerate(value, start=1):
        parts += [", ", Figure(f"{name}.{place}", part, unit, f"{part:g}")]
    return Sentence(tuple(parts[1:]))


# --- Results -------------------------------------------------------------------------------------


def measurements(effects: Mapping[str, Effect], *, words: Words) -> Table:
    """Return what was measured in the two groups, told for 100 people.

    Parameters
    ----------
    effects : mapping of str to Effect
        The headline analysis's effects by measure, cleared.
    words : Words

    Returns
    -------
    Table
        A row a headline measure; the difference is rounded from the unrounded one, and a note says
        so where the rounded parts do not give it.
    """
    told = [effects[name] for name in HEADLINE if name in effects]
    rows = tuple(
        (
            ALL[e.measure].label,
            _measured(e, "treatment", words),
            _measured(e, "comparison", words),
            _difference(e, words),
        )
        for e in told
    )
    notes = [*_withheld_notes(told)]
    if any(parts_disagree(e) for e in told):
        notes.append(ROUNDING)
    of = f"For 100 typical {words.people} in the"
    return Table(
        "measurements",
        f"Reoffending of {words.people} in the treatment and comparison groups, within one year",
        (
            "Measure",
            f"{of} treatment group, the equivalent of",
            f"{of} comparison group, the equivalent of",
            "Difference",
        ),
        rows,
        tuple(notes),
    )


def _withheld_notes(effects: Iterable[Effect]) -> Iterator[str]:
    reasons = (effect.reason or WITHHELD for effect in effects if not is_reported(effect))
    for reason in dict.fromkeys(reasons):
        yield f"[c] {reason.rstrip('.')}."


def _measured(effect: Effect, group: str, words: Words) -> Cell:
    value = getattr(effect, group).mean
    amount = per_hundred(effect, group, value)
    if amount.suppressed:
        return amount
    if kind_of(effect) == "rate":
        return Sentence.of(
            amount,
            f" of the 100 {words.people} committed a proven reoffence (a rate of ",
            mean(effect, group),
            ")",
        )
    if kind_of(effect) == "frequency":
        each = scaled(f"{name_of(effect)}.{group}.each", value, "reoffences per person", 1)
        noun = plural(amount, "reoffence", "reoffences")
        return Sentence.of(amount, f" proven {noun} (", each, f" per {words.person})")
    noun = plural(amount, "day", "days")
    among = f"on average, among the {words.people} who reoffended"
    return Sentence.of(amount, f" {noun} before the first proven reoffence, {among}")


def _difference(effect: Effect, words: Words) -> Cell:
    if is_missing(effect.difference):
        return per_hundred(effect, "gap", None)
    return Sentence(gap(effect, words))


def sizes_table(
    effects: Sequence[Effect],
    *,
    labels: Mapping[str, str],
    regions: Mapping[str, str] | None = None,
) -> Table:
    """Return the sizes of each analysis.

    Parameters
    ----------
    effects : sequence of Effect
        The effect on the rate of each analysis, cleared.
    labels : mapping of str to str
        What each analysis is called in print.
    regions : mapping of str to str, optional
        The region that an analysis's comparison group was kept to.
    """
    rows = tuple(
        (
            labels.get(e.analysis, e.analysis),
            capital(proper((regions or {}).get(e.analysis) or "no")),
            counted(f"{slug(e.analysis)}.treatment_n", size_of(e, "treatment")),
            _sentences(e),
            _people(e),
            _reoffenders(e, "treatment"),
            _reoffenders(e, "comparison"),
        )
        for e in effects
    )
    return Table(
        "sizes-table",
        "Size of each analysis",
        (
            "Analysis",
            "Kept to one region",
            "Treatment group, people",
            "Comparison group, sentences",
            "Comparison group, people",
            "Treatment group, reoffenders",
            "Comparison group, reoffenders (weighted)",
        ),
        rows,
        (
            "Reoffenders in the comparison group are its weighted share who reoffended times its "
            "sentences. Where a result table counts reoffenders of the comparison group, it counts "
            "their sentences without weights.",
            *([SHORTHAND] if any(not is_reported(e) for e in effects) else []),
        ),
    )


def _sentences(effect: Effect) -> Figure:
    name = f"{slug(effect.analysis)}.comparison_n"
    return counted(name, size_of(effect, "comparison"), "disposals")


def _people(effect: Effect) -> Figure:
    name = f"{slug(effect.analysis)}.comparison_people"
    return counted(name, size_of(effect, "comparison", "people"))


def _reoffenders(effect: Effect, group: str) -> Figure:
    return scaled(
        f"{slug(effect.analysis)}.reoffenders.{group}", getattr(effect, group).events, "people"
    )


@dataclass(frozen=True)
class Layout:
    """One of the seven result tables.

    Parameters
    ----------
    caption : str
    measures : tuple of str
    among : str
        Whose outcomes are averaged, as printed.
    """

    caption: str
    measures: tuple[str, ...]
    among: str = "reoffenders"


_COURT = ("indictable", "either_way", "summary")
RESULT_TABLES = {
    "table-rate": Layout("One-year proven reoffending rate", ("rate",), "people"),
    "table-frequency": Layout("Proven reoffences per person", ("frequency",), "people"),
    "table-days": Layout("Average days to the first proven reoffence", ("days_to_first",)),
    "table-first-court-outcome": Layout(
        "Court outcome of the first proven reoffence", tuple(f"first_{name}" for name in _COURT)
    ),
    "table-court-outcome-frequency": Layout(
        "Proven reoffences per reoffender, by court outcome",
        tuple(f"frequency_{name}" for name in _COURT),
    ),
    "table-first-custody": Layout(
        "Custodial sentence for the first proven reoffence", ("first_custody",)
    ),
    "table-custody-frequency": Layout("Custodial sentences per reoffender", ("frequency_custody",)),
}


def result_table(
    name: str,
    effects: Iterable[Effect],
    *,
    labels: Mapping[str, str],
    significance: float = 0.05,
) -> Table:
    """Return one of the seven result tables, a row an analysis and measure.

    Parameters
    ----------
    name : str
        A key of `RESULT_TABLES`, which is also the table's id.
    effects : iterable of Effect
        Cleared, of every analysis; those of other measures are left out.
    labels : mapping of str to str
        What each analysis is called in print.
    significance : float
        Of each test, and so of the interval.

    Returns
    -------
    Table
        Sizes (of reoffenders: withheld with their result), values, the interval of the difference,
        whether it is significant, and p. Rates are whole per cent, frequencies have two decimals,
        days are whole; a limit that would round to nought has more decimals.
    """
    layout = RESULT_TABLES[name]
    chosen = [e for e in effects if e.measure in layout.measures]
    several = len(layout.measures) > 1
    header = (
        "Analysis",
        *(("Court outcome",) if several else ()),
        f"Treatment group, {layout.among}",
        f"Comparison group, {'sentences' if layout.among == 'people' else layout.among}",
        "Treatment group, value",
        "Comparison group, value",
        f"Estimated difference ({confidence(significance)}), "
        f"{unit_of_difference(layout.measures[0])}",
        "Significant",
        "p\u00a0value",
    )
    rows = tuple(_result_row(e, labels, several) for e in chosen)
    notes = [
        "The estimated difference is treatment minus comparison, given as its confidence interval.",
        *_withheld_notes(chosen),
        *([LOW_RELIABILITY] if any(map(_is_marked, chosen)) else []),
    ]
    return Table(name, layout.caption, header, rows, tuple(notes))


def _is_marked(effect: Effect) -> bool:
    return is_reported(effect) and is_unreliable(effect)


def _result_row(effect: Effect, labels: Mapping[str, str], several: bool) -> tuple[Cell, ...]:
    outcome = effect.measure.split("_", 1)[-1].replace("_", " ").capitalize()
    return (
        labels.get(effect.analysis, effect.analysis),
        *((outcome,) if several else ()),
        group_size(effect, "treatment"),
        group_size(effect, "comparison"),
        mean(effect, "treatment"),
        mean(effect, "comparison"),
        _interval(effect),
        _significant(effect),
        _p_value(effect),
    )


def _p_value(effect: Effect) -> Cell:
    if is_reported(effect) and is_missing(effect.p_value):
        return NOT_APPLICABLE
    return p_value(f"{name_of(effect)}.p_value", effect.p_value)


def _interval(effect: Effect) -> Cell:
    if not has_range(effect):
        return NOT_APPLICABLE if is_reported(effect) else limit_of(effect, "ci_low")
    return Sentence.of(limit_of(effect, "ci_low"), " to ", limit_of(effect, "ci_high"))


def _significant(effect: Effect) -> Cell:
    if not is_reported(effect):
        return "[c]"
    if not has_range(effect):
        return NOT_APPLICABLE
    return Tag("Yes", "blue") if direction(effect) else "No"


def choice_cells(name: str, choice: Choice) -> tuple[Cell, ...]:
    """Return what a choice is called, its sizes, its result, whether alike, and its conclusion."""
    absent = "[c]" if choice.reason == WITHHELD else NOT_APPLICABLE
    sizes: tuple[Cell, ...] = (absent, absent)
    if choice.accepted is not None:
        sizes = (
            counted(f"{name}.treatment_n", choice.analysed),
            counted(f"{name}.comparison_people", choice.comparison_people),
        )
    return (
        Sentence(quoted(f"{name}.label", capital(choice.label))),
        *sizes,
        *_choice_result(name, choice),
        {True: "Yes", False: "No", None: absent}[choice.accepted],
        _choice_conclusion(name, choice),
    )


def _choice_result(name: str, choice: Choice) -> tuple[Cell, Cell]:
    """Return the interval and the p-value of a choice, or the mark of what there is instead."""
    if choice.difference is not None and choice.p_value is not None:
        interval = _told_interval(name, choice.ci_low, choice.ci_high)
        return interval, p_value(f"{name}.p_value", choice.p_value)
    withheld = choice.difference is None and choice.reason in (None, WITHHELD)
    mark = "[c]" if withheld else NOT_APPLICABLE
    return mark, mark


def _choice_conclusion(name: str, choice: Choice) -> Cell:
    """Return the conclusion of a choice, or why it has none."""
    if choice.conclusion != "suppressed" or choice.reason in (None, WITHHELD):
        return RESULT_WORDS[choice.conclusion]
    return Sentence(quoted(f"{name}.reason", capital(choice.reason)))


# --- Balance and profile -------------------------------------------------------------------------


def balance_summary(
    balance: pd.DataFrame, *, shown: pd.DataFrame | None = None, analysis: str = "headline"
) -> Table:
    """Return how many characteristics fall in each band, before and after matching.

    Parameters
    ----------
    balance : DataFrame
        From ``balance.table``, before any row is withheld: how many characteristics are alike
        reveals nobody. The same rows as the verdict counts.
    shown : DataFrame, optional
        The table as it is shown; a note tells where it has fewer rows.
    analysis : str
        First part of the figures' names.
    """
    base = f"{slug(analysis)}.balance"
    rows = tuple(
        (
            Tag(label, band),
            _range(base, band),
            counted(f"{base}.{band}.before", _in_band(balance, "before", band), "characteristics"),
            counted(f"{base}.{band}.after", _in_band(balance, "after", band), "characteristics"),
        )
        for band, label in BANDS.items()
    )
    return Table(
        "balance-summary",
        "Number of characteristics by quality of matching",
        ("Quality", "Standardised difference", "Before matching", "After matching"),
        rows,
        (_COUNTED_APART,) if shown is not None and len(shown) < len(balance) else (),
    )


_COUNTED_APART = (
    "Each category counts by itself here. Other tables show some of them together, so they have "
    "fewer rows."
)


def _in_band(balance: pd.DataFrame, when: str, band: str) -> int:
    return int((balance[f"band_{when}"] == band).sum())


def _range(base: str, band: str) -> Sentence:
    green, amber = percentage(f"{base}.green_to", GREEN), percentage(f"{base}.amber_to", AMBER)
    return {
        "green": Sentence.of(green, " or less"),
        "amber": Sentence.of("More than ", green, " and up to ", amber),
        "red": Sentence.of("More than ", amber),
    }[band]


def balance_table(
    balance: pd.DataFrame, *, labels: Mapping[str, str], analysis: str = "headline"
) -> Table:
    """Return every characteristic compared, before and after matching.

    Parameters
    ----------
    balance : DataFrame
        From ``balance.table``, cleared: a withheld row has no numbers.
    labels : mapping of str to str
        What each variable is called in print.
    analysis : str
        First part of the figures' names.

    Returns
    -------
    Table
        Shares as per cent, means with two decimals, standardised differences as per cent.
    """
    base = f"{slug(analysis)}.balance"
    spread = "variance_ratio_after" in balance
    rows = tuple(
        _balance_row(f"{base}.{name}", row, labels, spread)
        for name, row in zip(_row_names(balance), balance.to_dict("records"), strict=True)
    )
    return Table(
        "balance-table",
        "How alike the groups are on each characteristic, before and after matching",
        (
            "Characteristic",
            "Category",
            "Treatment group, share or average",
            "Comparison group before matching, share or average",
            "Comparison group after matching, share or average",
            "Standardised difference before, %",
            "Standardised difference after, %",
            *(("Variance ratio before", "Variance ratio after") if spread else ()),
            "Quality of matching",
        ),
        rows,
        (
            "Percentages are shares of each group; other numbers are averages. A standardised "
            "difference is treatment minus comparison, in standard deviations of the treatment "
            "group.",
            *((VARIANCE_RATIO,) if spread else ()),
            *_merged(balance),
            SHORTHAND,
        ),
    )


def _merged(balance: pd.DataFrame) -> list[str]:
    """Return what is to be said of categories that are shown together."""
    ages = balance.loc[balance["variable"] == "age_band", "level"]
    notes = []
    if balance["level"].eq(OTHER_LEVELS).any():
        notes.append(f"Categories of few people are shown together, as “{OTHER_LEVELS}”.")
    if not ages.isin([*AGE_BANDS, "not recorded"]).all():
        notes.append("Neighbouring ages are shown together where few people are of one of them.")
    return notes


VARIANCE_RATIO = (
    "The variance ratio compares how widely the two groups are spread: the variance of the "
    "treatment group over that of the comparison group, best near 1; a share has none."
)


def _row_names(balance: pd.DataFrame) -> list[str]:
    """Name each row after its variable and category; a number after those that would repeat."""
    seen: dict[str, int] = {}
    names = []
    for variable, level in zip(balance["variable"], balance["level"], strict=True):
        name = f"{slug(variable)}.{slug(str(level))}" if level else slug(variable)
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return names


def _balance_row(
    name: str, row: Mapping[Any, Any], labels: Mapping[str, str], spread: bool
) -> tuple[Cell, ...]:
    def value(which: str) -> Figure:
        if row["level"]:
            return percentage(f"{name}.{which}", row[f"mean_{which}"], 1)
        return scaled(f"{name}.{which}", row[f"mean_{which}"], "mean", 2)

    band = row["band_after"]
    return (
        labels.get(row["variable"], capital(row["variable"].replace("_", " "))),
        capital(proper(str(row["level"]))) if row["level"] else NOT_APPLICABLE,
        value("treatment"),
        value("before"),
        value("after"),
        percentage(f"{name}.smd_before", row["smd_before"], 1),
        percentage(f"{name}.smd_after", row["smd_after"], 1),
        *(variance_ratio(name, row, when) for when in ("before", "after") if spread),
        "[c]" if is_missing(band) else Tag(BANDS[band], band),
    )


def variance_ratio(name: str, row: Mapping[Any, Any], when: str) -> Cell:
    """Return the variance ratio of a row of a balance table; a share has none."""
    value = row[f"variance_ratio_{when}"]
    if (is_missing(value) or math.isinf(value)) and not is_missing(row["band_after"]):
        return NOT_APPLICABLE
    return scaled(f"{name}.variance_ratio_{when}", value, "ratio", 2)


def profile_table(
    balance: pd.DataFrame, *, labels: Mapping[str, str], words: Words, analysis: str = "headline"
) -> Table:
    """Return who was analysed: the matched treatment group, in per cent of it.

    Parameters
    ----------
    balance : DataFrame
        From ``balance.table`` on the variables to profile, cleared.
    labels : mapping of str to str
        What each variable is called in print.
    words : Words
    analysis : str
        First part of the figures' names.

    Returns
    -------
    Table
        Whole per cent of each category, averages with one decimal; a note where a characteristic
        does not add up to 100%.
    """
    base = f"{slug(analysis)}.profile"
    balance = balance.sort_values("level", key=_in_order, kind="stable").sort_values(
        "variable", key=_as_first_met, kind="stable"
    )
    rows = tuple(
        (
            labels.get(row["variable"], capital(row["variable"].replace("_", " "))),
            capital(proper(str(row["level"]))) if row["level"] else "Average",
            _profiled(f"{base}.{name}", row),
        )
        for name, row in zip(_row_names(balance), balance.to_dict("records"), strict=True)
    )
    notes = _merged(balance)
    if _off_a_hundred(balance):
        notes.append("Percentages may not add up, because of rounding.")
    if balance["mean_treatment"].isna().any():
        notes.append(UNTOLD)
    return Table(
        "profile-table",
        f"Profile of the {words.people} in the treatment group",
        ("Characteristic", "Category", "Share" if (balance["level"] != "").all() else _EITHER),
        rows,
        tuple(notes),
    )


_EITHER = "Share or average"


def _in_order(levels: pd.Series[Any]) -> pd.Series[Any]:
    """Put a band below the others first and what is unknown last; the others stay as they are."""
    return 2 * (levels == "not recorded") - levels.str.casefold().str.startswith("under")


def _as_first_met(names: pd.Series[Any]) -> pd.Series[Any]:
    return names.map({name: place for place, name in enumerate(dict.fromkeys(names))})


def _profiled(name: str, row: Mapping[Any, Any]) -> Figure:
    if row["level"]:
        return percentage(name, row["mean_treatment"])
    return scaled(name, row["mean_treatment"], "mean", 1)


def _off_a_hundred(balance: pd.DataFrame) -> bool:
    shares = balance.loc[~balance["level"].isin(["", "yes"])]
    return any(
        sum(rounded(value, 0, 100) for value in group) != 100
        for _, group in shares.groupby("variable")["mean_treatment"]
        if group.notna().all()
    )


# --- The bulletin --------------------------------------------------------------------------------

_RECONCILED = {
    "received": "Requests received",
    "published": "Reports already published",
    "ready": "Reports ready for publication in this release",
    "complete": "Reports completed",
    "not_processed": "Requests that could not be processed",
    "withdrawn": "Requests withdrawn",
    "remaining": "Requests remaining",
}


def reconciliation(counts: Mapping[str, int]) -> Table:
    """Return the month's counts; received is the sum of the others, completed a part of it.

    Parameters
    ----------
    counts : mapping of str to int
        From ``request.counts_at``.
    """
    rows = tuple((label, count_of(counts, name)) for name, label in _RECONCILED.items())
    return Table(
        "reconciliation",
        "Requests to the Justice Data Lab to date",
        ("Status", "Number"),
        rows,
        (
            "Requests received are those published, ready, not processed, withdrawn and remaining. "
            "Reports completed are those published and ready.",
        ),
    )


RESULT_WORDS: dict[Any, Cell] = {
    "reduction": Tag("Significant reduction", "green"),
    "inconclusive": Tag("Inconclusive", "grey"),
    "increase": Tag("Significant increase", "red"),
    "suppressed": "[c]",
}


def results_table(
    completed: pd.DataFrame,
    *,
    history: pd.DataFrame | None = None,
    links: Mapping[str, str] | None = None,
) -> Table:
    """Return every completed analysis, most recent release first.

    Parameters
    ----------
    completed : DataFrame
        From ``bulletin.completed``.
    history : DataFrame, optional
        From ``history.to_date``: results that replace earlier ones are marked.
    links : mapping of str to str, optional
        From ``history.report_links``: programmes lead to their reports.
    """
    held = pd.DataFrame(columns=["id", "corrects"]) if history is None else history
    revised = frozenset(held.loc[held["corrects"].notna(), "id"])
    rows = tuple(_completed_row(row, links or {}, revised) for row in completed.to_dict("records"))
    corrected = completed["id"].isin(revised).any()
    return Table(
        "results-table",
        "One-year proven re-offending, all completed analyses to date, most recent first",
        (
            "Programme",
            "Organisation",
            "Type of intervention",
            "Release",
            "Treatment group, people",
            f"Estimated difference ({confidence()}), percentage points",
            "Re-offending rate",
            "Frequency of re-offending",
        ),
        rows,
        (SHORTHAND, *([f"{REVISED} replaces a result published before."] if corrected else [])),
    )


def _completed_row(
    row: Mapping[Any, Any], links: Mapping[str, str], revised: Collection[str]
) -> tuple[Cell, ...]:
    name = f"bulletin.{slug(row['id'])}"
    size, release = row["treatment_n"], row["release"]
    withheld = row["rate_result"] == "suppressed"
    rate, frequency = (RESULT_WORDS.get(row[f"{which}_result"]) for which in HEADLINE[:2])
    programme = _known(row["programme"])
    programme = f"{programme} {REVISED}" if row["id"] in revised else programme
    return (
        Link(programme, links[row["id"]]) if row["id"] in links else programme,
        _known(row["organisation"]),
        capital(proper(_known(row["intervention_type"]))),
        NOT_AVAILABLE if is_missing(release) else _month(f"{name}.release", release),
        NOT_AVAILABLE if is_missing(size) else counted(f"{name}.treatment_n", size),
        "[c]" if withheld else _told_interval(name, row["ci_low"], row["ci_high"]),
        rate or NOT_AVAILABLE,
        frequency or NOT_AVAILABLE,
    )


def _known(value: Any) -> str:
    return NOT_AVAILABLE if is_missing(value) or value == "" else str(value)


def _month(name: str, release: str) -> Figure:
    return Figure(name, release, "month", f"{dt.date.fromisoformat(f'{release}-01'):%B %Y}")


def _told_interval(name: str, low: Any, high: Any) -> Cell:
    if is_missing(low) or is_missing(high):
        return NOT_AVAILABLE
    limits = (
        limited(f"{name}.{which}", value, "percentage points", 0, 100)
        for which, value in (("ci_low", low), ("ci_high", high))
    )
    return Sentence.of(next(limits), " to ", next(limits))


def not_processed_table(log: pd.DataFrame) -> Table:
    """Return the requests that could not be processed, by reason.

    Parameters
    ----------
    log : DataFrame
        From ``request.status_at``.
    """
    failed = log.loc[log["status_then"] == "not processed"]
    reasons = failed["reason"].fillna("reason not recorded").value_counts()
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], str(item[0])))
    rows: list[tuple[Cell, ...]] = [
        (
            Sentence(quoted(f"bulletin.not_processed.{place}.reason", capital(str(reason)))),
            counted(f"bulletin.not_processed.{place}", many, "requests"),
        )
        for place, (reason, many) in enumerate(ordered, start=1)
    ]
    return Table(
        "not-processed-table",
        "Requests that could not be processed, by reason",
        ("Reason", "Requests"),
        tuple(rows) or (("None", counted("bulletin.not_processed", 0, "requests")),),
    )


def unprocessed_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """Return the requests of the month that could not be processed, each leading to its notice.

    Parameters
    ----------
    results : sequence of mapping
        Contents of ``result.json``, of this release only.
    """
    failed = [result for result in results if result["status"] == "not processed"]
    rows: list[tuple[Cell, ...]] = []
    for result in sorted(failed, key=lambda result: str(result["request"]["id"])):
        asked = result["request"]
        reason = quoted(f"bulletin.{slug(asked['id'])}.not_processed", _known(result["reason"]))
        notice = f"../reports/{asked['id']}/report.html"
        rows.append((Link(asked["programme"], notice), asked["organisation"], Sentence(reason)))
    return Table(
        "unprocessed-table",
        "Requests that could not be processed this month",
        ("Programme", "Organisation", "Reason"),
        tuple(rows),
    )


def by_type_table(completed: pd.DataFrame) -> Table:
    """Return results to date by type of intervention.

    Parameters
    ----------
    completed : DataFrame
        From ``bulletin.completed``.
    """
    return _by(completed, "intervention_type", "by-type-table", "Type of intervention")


def by_sector_table(completed: pd.DataFrame) -> Table:
    """Return results to date by sector of the organisation.

    Parameters
    ----------
    completed : DataFrame
        From ``bulletin.completed``.
    """
    return _by(completed, "sector", "by-sector-table", "Sector")


def outcomes_by(completed: pd.DataFrame, column: str) -> pd.DataFrame:
    """Count the conclusions on the rate by the values of a column.

    Parameters
    ----------
    completed : DataFrame
        From ``bulletin.completed``.
    column : str

    Returns
    -------
    DataFrame
        A row a value, the one with most analyses first; a column a conclusion.
    """
    told = completed.loc[completed["rate_result"].isin(CONCLUSIONS)]
    counts = pd.crosstab(told[column].fillna("not recorded").astype("str"), told["rate_result"])
    counts = counts.reindex(columns=list(CONCLUSIONS), fill_value=0).sort_index()
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order]


def by_figure(column: str, value: str, conclusion: str, many: int) -> Figure:
    """Return one count of `outcomes_by`."""
    return counted(f"bulletin.by_{slug(column)}.{slug(value)}.{conclusion}", many, "analyses")


def _by(completed: pd.DataFrame, column: str, name: str, label: str) -> Table:
    counts = outcomes_by(completed, column)
    rows: list[tuple[Cell, ...]] = [
        (
            capital(proper(str(value))),
            *(by_figure(column, str(value), which, int(row[which])) for which in CONCLUSIONS),
            by_figure(column, str(value), "total", int(row.sum())),
        )
        for value, row in counts.iterrows()
    ]
    return Table(
        name,
        f"Effect on the one-year proven re-offending rate, by {label[0].lower()}{label[1:]}",
        (label, "Significant reduction", "Inconclusive", "Significant increase", "Analyses"),
        tuple(rows) or (("None yet", *(NOT_APPLICABLE,) * 4),),
        (
            f"These are counts of conclusions, not evidence that one {_KINDS[column]} works better "
            "than another; a re-analysis counts people again.",
        ),
    )


_KINDS = {"intervention_type": "type", "sector": "sector"}


def pooled_table(types: Sequence[Pooled], *, significance: float = 0.05) -> Table:
    """Return the results of each type of intervention put together.

    Parameters
    ----------
    types : sequence of Pooled
        From ``pooled.by_type``.
    significance : float
        One minus the level of the intervals.
    """
    return Table(
        "pooled-table",
        "Results put together, by type: difference in the one-year proven re-offending rate, "
        "percentage points",
        (
            "Type of intervention",
            "Results",
            "In a later analysis",
            "No interval",
            "Average",
            f"Its {confidence(significance)}",
            "Prediction interval",
            "Spread (tau)",
            "I squared",
        ),
        tuple(_pooled_row(each) for each in types)
        or (("None yet", *[NOT_APPLICABLE] * len(_POOLED)),),
        (
            "A synthesis of different programmes, not evidence about any one of them. Results are "
            "independent; those counted in a later analysis of the same people, or without a "
            "published interval, are not among them. I squared is the share of the variance that "
            "is not chance. [z] too few independent results to put together.",
        ),
    )


_POOLED = ("studies", "superseded", "left_out", "estimate", "ci", "prediction", "tau", "i_squared")


def _pooled_row(each: Pooled) -> tuple[Cell, ...]:
    base, told = f"pooled.{slug(each.type)}", each.synthesis
    counts = (counted(f"{base}.{name}", getattr(each, name), "analyses") for name in _POOLED[:3])
    label = capital(proper(each.type))
    if told is None:
        return (label, *counts, *[NOT_APPLICABLE] * len(_POOLED[3:]))
    return (
        label,
        *counts,
        pooled_figure(each.type, told, "estimate"),
        *(_pooled_interval(each.type, told, which) for which in ("ci", "prediction")),
        pooled_figure(each.type, told, "tau"),
        percentage(f"{base}.i_squared", told.i_squared),
    )


def pooled_figure(kind: str, told: Synthesis, which: str) -> Figure:
    """Return one value of a synthesis in percentage points, no limit beyond 100 either way."""
    value = min(max(getattr(told, which), -1.0), 1.0)
    return limited(f"pooled.{slug(kind)}.{which}", value, "percentage points", 0, 100)


def _pooled_interval(kind: str, told: Synthesis, which: str) -> Sentence:
    low, high = (pooled_figure(kind, told, f"{which}_{end}") for end in ("low", "high"))
    return Sentence.of(low, " to ", high)


def release_facts(release: Any, *, synthetic: bool) -> Table:
    """Return when and by whom the release is published.

    Parameters
    ----------
    release : request.Release
    synthetic : bool
        Whether the national data are made up.
    """
    rows: list[tuple[Cell, ...]] = [
        ("Status", _label(synthetic)),
        ("Published", _when("release.published_at", release.published_at)),
        ("Covers requests received up to", _when("release.period_to", release.period_to)),
        ("Next release", _when("release.next_release", release.next_release)),
        ("Lead statistician", _known(release.lead_statistician)),
        ("Contact", Sentence(quoted("release.contact", _known(release.contact)))),
        (
            Sentence.of("Pre-release access, up to ", _PRE_RELEASE, " hours before"),
            "; ".join(release.pre_release) or "Nobody",
        ),
    ]
    if said := release.correction:
        on, why = dated("release.correction.on", said.on), quoted("release.correction", said.reason)
        rows.append((f"Corrected {REVISED}", Sentence((on, ": ", *why))))
    notes = () if release.stated else ("This release has no facts of its own: these are defaults.",)
    return Table("release-facts", "About this release", ("Subject", "Detail"), tuple(rows), notes)


_PRE_RELEASE = Figure("release.pre_release_hours", 24, "hours", "24")


def _label(synthetic: bool) -> str:
    if synthetic:
        return "Synthetic demonstration, not Official Statistics"
    return "Official Statistics"


def _when(name: str, value: Any) -> Cell:
    if is_missing(value) or value == "":
        return NOT_AVAILABLE
    if isinstance(value, dt.datetime):
        day = dated(name, value.date())
        return Figure(name, value.isoformat(), "time", f"{day.text} at {value.hour}:{value:%M}")
    if isinstance(value, dt.date):
        return dated(name, value)
    return Sentence(quoted(name, str(value)))


_DECIDED = {
    "withheld": "[c]",
    "merged": "merged with others",
    "rounded": "rounded",
    "marked": "[u]",
    "told": "told",
}


def decisions_table(decided: Sequence[Decision]) -> Decisions | None:
    """Return what disclosure control decided, for the audit copy; None where all was told.

    Parameters
    ----------
    decided : sequence of Decision
        Without their rules and without any value, see ``disclosure.hand_over``.
    """
    if not decided:
        return None
    table = Table(
        "decisions",
        "What disclosure control withheld, merged or rounded",
        ("Part", "Decided", "By"),
        tuple(
            (
                Sentence(quoted(f"decisions.{place}.part", one.part)),
                _DECIDED[one.decided],
                Sentence(quoted(f"decisions.{place}.by", _decided_by(one))),
            )
            for place, one in enumerate(decided, start=1)
        ),
        (
            f"{UNTOLD} By which rule is not told, since a rule could tell the value; all "
            "decisions with their rules are in a record that only statisticians may read.",
        ),
    )
    return Decisions(tuple(as_public(decided)), table)


def _decided_by(one: Decision) -> str:
    """Say who decided: a rule, or a statistician with the reason given."""
    if one.override is None:
        return "the rules"
    asked = one.override
    who = f"{asked.role}, {asked.on.isoformat()}: {asked.reason}"
    if one.by == "override":
        return who
    return f"the rules, which do not give way to: {asked.to} ({who})"
