"""The bulletin: every result to date, and results by intervention type and by sector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from jdl.bulletin import CONCLUSIONS
from jdl.charts.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    WIDTH,
    Canvas,
    Scale,
    axis,
    grid,
    legend,
    steps,
    value_of,
    width_of,
)
from jdl.figures import Chart, Figure, Part, Sentence, Table
from jdl.tables import by_figure, by_sector_table, by_type_table, outcomes_by, results_table
from jdl.wording import capital, confidence, counted, number, plural, proper, slug

_MARKS = {
    "reduction": ("o", BLUE, False, "Significant reduction"),
    "inconclusive": ("D", GREY, True, "Inconclusive"),
    "increase": ("s", ORANGE, False, "Significant increase"),
}


def results_chart(every: pd.DataFrame, *, source: str) -> Chart:
    """Draw every result to date: its interval across, the size of its treatment group upward.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``; rows without an interval or a size are left out.
    source : str
        Where the data come from.
    """
    drawn = every.loc[every["rate_result"].isin(CONCLUSIONS)].dropna(
        subset=["ci_low", "ci_high", "treatment_n"]
    )
    many = {name: int((drawn["rate_result"] == name).sum()) for name in CONCLUSIONS}
    shown = {
        name: counted(f"bulletin.drawn.{name}", value, "analyses") for name, value in many.items()
    }
    total = counted("bulletin.drawn.total", len(drawn), "analyses")
    alt = Sentence.of(
        "Plot of ",
        total,
        f" {plural(total, 'result', 'results')}, each a line from the lower to the upper limit of "
        f"its {confidence()}, higher up for a larger treatment group",
        *((": ", *_conclusions(shown)) if len(drawn) else ()),
        ".",
    )
    return Chart(
        "results-chart",
        Sentence.of(
            shown["inconclusive"],
            " of ",
            total,
            f" {plural(total, 'result', 'results')} {plural(shown['inconclusive'], 'is', 'are')} "
            "inconclusive",
        ),
        f"Effect on the one-year proven reoffending rate ({confidence()}), by size of the "
        "treatment group",
        alt,
        _drawn_results(drawn),
        source,
        _results_data(drawn),
    )


def _conclusions(shown: Mapping[str, Figure]) -> list[Part]:
    """Return the counts of the conclusions that occur, in words."""
    told = {
        which: plural(shown[which], f"significant {which}", f"significant {which}s")
        for which in CONCLUSIONS
    } | {"inconclusive": "inconclusive"}
    parts: list[Part] = []
    for which in (name for name in CONCLUSIONS if shown[name].value):
        parts += [", ", shown[which], f" {told[which]}"]
    return parts[1:]


def _results_data(drawn: pd.DataFrame) -> Table:
    whole = results_table(drawn)
    keep = [0, 4, 5, 6]
    return Table(
        "results-chart-data",
        "Results drawn, most recent first",
        tuple(whole.header[place] for place in keep),
        tuple(tuple(row[place] for place in keep) for row in whole.rows),
        whole.notes,
    )


_SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def _drawn_results(drawn: pd.DataFrame) -> str:
    top, bottom = 58.0, 410.0
    canvas = Canvas(bottom + 42)
    if drawn.empty:
        canvas.text(0, top, "No result can be drawn yet.")
        return canvas.svg("results-chart")
    longest = 100 * max(drawn[["ci_low", "ci_high"]].abs().max())
    reach = min(max(10, 10 * math.ceil(longest / 10)), 60)
    sizes = _size_ticks(drawn["treatment_n"])
    across = Scale(-reach, reach, 10 + width_of(number(sizes[-1]), 11), WIDTH - 12)
    upward = Scale(math.log(sizes[0]), math.log(sizes[-1]), bottom, top)
    ticks = _ticks_across(reach)
    grid(canvas, across, ticks, top, bottom)
    for size in sizes:
        y = upward(math.log(size))
        canvas.line([across.left, across.right], [y, y], PALE)
        canvas.text(across.left - 6, y + 4, number(size), size=11, align="right")
    canvas.line([across(0)] * 2, [top, bottom], INK)
    legend(canvas, list(_MARKS.values()), 0, 13, size=6)
    canvas.text(0, 34, "People in the treatment group", size=11)
    canvas.text(across(0) - 6, 51, "Fewer reoffended", size=11, bold=True, align="right")
    canvas.text(across(0) + 6, 51, "More reoffended", size=11, bold=True)
    for name in ("inconclusive", "reduction", "increase"):
        _points(canvas, drawn.loc[drawn["rate_result"] == name], name, across, upward)
    ends = "; longer intervals are cut off" if longest > reach else ", with intervals"
    label = f"Difference in the reoffending rate, percentage points{ends}"
    axis(canvas, across, ticks, bottom, label)
    return canvas.svg("results-chart")


def _ticks_across(reach: int) -> list[int]:
    if reach == 10:
        return [-10, -5, 0, 5, 10]
    step = 10 if reach <= 40 else 20
    outermost = reach // step * step
    return list(range(-outermost, outermost + 1, step))


def _size_ticks(sizes: pd.Series[Any]) -> list[int]:
    low = max((tick for tick in _SIZES if tick <= sizes.min()), default=1)
    high = min((tick for tick in _SIZES if tick >= sizes.max()), default=10_000_000)
    ticks = [tick for tick in (1, *_SIZES, 10_000_000) if low <= tick <= high]
    return ticks if len(ticks) > 1 else [ticks[0], ticks[0] * 3]


def _points(canvas: Canvas, rows: pd.DataFrame, name: str, across: Scale, upward: Scale) -> None:
    if rows.empty:
        return
    shape, colour, hollow, _ = _MARKS[name]
    ys = [upward(math.log(size)) for size in rows["treatment_n"]]
    xs: list[float] = []
    for low, high in zip(rows["ci_low"], rows["ci_high"], strict=True):
        xs += [across(100 * low), across(100 * high), math.nan]
    canvas.line(xs, [v for y in ys for v in (y, y, math.nan)], colour, thick=1)
    middles = rows["difference"].fillna((rows["ci_low"] + rows["ci_high"]) / 2)
    canvas.marks([across(100 * v) for v in middles], ys, shape, colour, hollow=hollow, size=6)


def by_type_chart(every: pd.DataFrame, *, source: str) -> Chart:
    """Draw results to date by type of intervention.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``.
    source : str
        Where the data come from.
    """
    return _by_chart(every, "intervention_type", "by-type-chart", by_type_table(every), source)


def by_sector_chart(every: pd.DataFrame, *, source: str) -> Chart:
    """Draw results to date by sector of the organisation.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``.
    source : str
        Where the data come from.
    """
    return _by_chart(every, "sector", "by-sector-chart", by_sector_table(every), source)


def _by_chart(every: pd.DataFrame, column: str, name: str, table: Table, source: str) -> Chart:
    counts = outcomes_by(every, column)
    kind = "type of intervention" if column == "intervention_type" else "sector"
    alt: list[Part] = [f"Stacked bars of results by {kind}."]
    for value, row in counts.iterrows():
        figures = _row_figures(column, str(value), row)
        alt += [f" {capital(proper(str(value)))}: ", *_conclusions(figures), "."]
    if counts.empty:
        alt = [f"No result by {kind} can be drawn yet."]
    return Chart(
        name,
        _mostly(counts, column, kind),
        f"Number of analyses by effect on the one-year proven reoffending rate and {kind}",
        Sentence(tuple(alt)),
        _drawn_counts(counts, column, name),
        source,
        replace(table, id=f"{name}-data"),
    )


def _mostly(counts: pd.DataFrame, column: str, kind: str) -> Sentence:
    """Return in how many rows more than half of the results are inconclusive."""
    base = f"bulletin.by_{slug(column)}"
    most = int((counts["inconclusive"] * 2 > counts.sum(axis=1)).sum())
    every = counted(f"{base}.values", len(counts), "values")
    nouns = {"sector": ("sector", "sectors")}.get(kind, (kind, "types of intervention"))
    return Sentence.of(
        "Most results are inconclusive in ",
        counted(f"{base}.mostly_inconclusive", most, "values"),
        " of ",
        every,
        f" {plural(every, *nouns)}",
    )


def _row_figures(column: str, value: str, row: pd.Series[Any]) -> dict[str, Figure]:
    return {which: by_figure(column, value, which, int(row[which])) for which in CONCLUSIONS}


_COLOURS = {"reduction": BLUE, "inconclusive": "#bfbfbf", "increase": ORANGE}


def _drawn_counts(counts: pd.DataFrame, column: str, name: str) -> str:
    high = max(1, int(counts.sum(axis=1).max())) if len(counts) else 1
    ticks = [tick for tick in steps(high, 5) if tick == int(tick)]
    scale = Scale(0, ticks[-1], 0, WIDTH - 20)
    bottom = 30 + 44 * len(counts)
    canvas = Canvas(bottom + 42)
    x = 0.0
    for which in CONCLUSIONS:
        canvas.box(x, 4, 11, 11, _COLOURS[which])
        canvas.text(x + 16, 14, _MARKS[which][3], size=11)
        x += 32 + width_of(_MARKS[which][3], 11)
    for place, (value, row) in enumerate(counts.iterrows()):
        grid(canvas, scale, ticks, 50 + 44 * place, 68 + 44 * place)
        figures = _row_figures(column, str(value), row)
        _counted_row(canvas, scale, capital(proper(str(value))), figures, 30 + 44 * place)
    axis(canvas, scale, ticks, bottom, "Number of analyses")
    return canvas.svg(name)


def _counted_row(
    canvas: Canvas, scale: Scale, label: str, figures: Mapping[str, Figure], top: float
) -> None:
    canvas.text(0, top + 15, label, bold=True)
    canvas.text(
        WIDTH,
        top + 15,
        figures["reduction"],
        f" {plural(figures['reduction'], 'reduction', 'reductions')}, ",
        figures["inconclusive"],
        " inconclusive, ",
        figures["increase"],
        f" {plural(figures['increase'], 'increase', 'increases')}",
        size=11,
        align="right",
    )
    start = 0.0
    for which in CONCLUSIONS:
        wide = scale(value_of(figures[which]))
        canvas.box(start, top + 20, max(wide - 1.5, 0), 18, _COLOURS[which])
        start += wide
