"""The bulletin: every result to date, and results by intervention type and by sector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jdl.bulletin import CONCLUSIONS
from jdl.charts.drawing import (
    BLUE,
    COLUMN,
    GREY,
    INK,
    LINE,
    ORANGE,
    PALE,
    TEXT,
    Canvas,
    Scale,
    axis,
    below,
    colour_key,
    grid,
    legend,
    stacked_bar,
    steps,
    width_of,
    wrapped,
)
from jdl.figures import Chart, Figure, Part, Sentence, Table
from jdl.tables import by_figure, by_sector_table, by_type_table, outcomes_by
from jdl.wording import capital, confidence, counted, number, plural, proper, slug

_MARKS = {
    "reduction": ("o", BLUE, False, "Significant reduction"),
    "inconclusive": ("D", GREY, True, "Inconclusive"),
    "increase": ("s", ORANGE, False, "Significant increase"),
}


def results_chart(every: pd.DataFrame, *, table: Table, source: str) -> Chart:
    """Draw every result to date: its interval across, the size of its treatment group upward.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``; rows without an interval or a size are left out.
    table : Table
        The numbers behind the drawing, which stand on the page: from ``tables.results_table``.
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
        f"Effect on the one-year proven re-offending rate ({confidence()}), by size of the "
        "treatment group",
        alt,
        _drawn_results(drawn),
        source,
        table,
        folded=False,
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


_SIZES = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)


def _drawn_results(drawn: pd.DataFrame) -> str:
    label = "Difference in the re-offending rate, percentage points"
    top, bottom = 98.0, 420.0
    canvas = Canvas(bottom + 24 + 2 * LINE)
    if drawn.empty:
        canvas.text(0, top, "No result can be drawn yet.")
        return canvas.svg("results-chart")
    longest = 100 * max(drawn[["ci_low", "ci_high"]].abs().max())
    reach = min(max(10, 10 * math.ceil(longest / 10)), 60)
    sizes = _size_ticks(drawn["treatment_n"])
    across = Scale(-reach, reach, 10 + width_of(number(sizes[-1]), TEXT), COLUMN - 10)
    upward = Scale(math.log(sizes[0]), math.log(sizes[-1]), bottom - 8, top)
    ticks = _ticks_across(reach)
    grid(canvas, across, ticks, top, bottom)
    for size in sizes:
        y = upward(math.log(size))
        canvas.line([across.left, across.right], [y, y], PALE)
        canvas.text(across.left - 6, y + 5, number(size), align="right", scale="y")
    canvas.line([across(0)] * 2, [top, bottom], INK)
    legend(canvas, list(_MARKS.values()), 0, 14, size=6)
    canvas.text(0, 66, "People in the treatment group")
    canvas.text(across(0) - 6, 88, "Fewer re-offended", align="right")
    canvas.text(across(0) + 6, 88, "More re-offended")
    for name in ("inconclusive", "reduction", "increase"):
        _points(canvas, drawn.loc[drawn["rate_result"] == name], name, across, upward)
    ends = "; longer intervals are cut off" if longest > reach else ", with intervals"
    axis(canvas, across, ticks, bottom, f"{label}{ends}")
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
        f"Number of analyses by effect on the one-year proven re-offending rate and {kind}",
        Sentence(tuple(alt)),
        _drawn_counts(counts, column, name),
        source,
        table,
        folded=False,
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
    scale = Scale(0, ticks[-1], 0, COLUMN - 10)
    rows = [
        _Counted(capital(proper(str(value))), _row_figures(column, str(value), row))
        for value, row in counts.iterrows()
    ]
    top = 8.0 + LINE * len(_KEY)
    bottom = top + sum(row.height for row in rows)
    canvas = Canvas(bottom + below("Number of analyses"))
    colour_key(canvas, [[(_COLOURS[one], _MARKS[one][3]) for one in line] for line in _KEY])
    for row in rows:
        grid(canvas, scale, ticks, top + row.height - 24, top + row.height - 4)
        row.draw(canvas, scale, top)
        top += row.height
    axis(canvas, scale, ticks, bottom, "Number of analyses")
    return canvas.svg(name)


_KEY = (("reduction", "inconclusive"), ("increase",))
"""The conclusions as they stand in the lines of the key."""


@dataclass(frozen=True)
class _Counted:
    """One row of counts: its name, the counts in words, and a bar."""

    label: str
    figures: Mapping[str, Figure]

    @property
    def names(self) -> list[str]:
        """The lines of the name."""
        return wrapped(self.label, 0.9 * COLUMN, TEXT)

    @property
    def told(self) -> list[tuple[Part, ...]]:
        """The lines of the counts."""
        reduction, increase = self.figures["reduction"], self.figures["increase"]
        parts: tuple[Part, ...] = (
            reduction,
            f" {plural(reduction, 'reduction', 'reductions')}, ",
            self.figures["inconclusive"],
            " inconclusive, ",
            increase,
            f" {plural(increase, 'increase', 'increases')}",
        )
        if width_of(Sentence(parts).text, TEXT) <= COLUMN:
            return [parts]
        return [(*parts[:3], " inconclusive,"), parts[4:]]

    @property
    def height(self) -> float:
        """How much room it takes."""
        return LINE * (len(self.names) + len(self.told)) + 32

    def draw(self, canvas: Canvas, scale: Scale, top: float) -> None:
        """Draw it."""
        for line in self.names:
            top += LINE
            canvas.text(0, top, line, bold=True)
        for parts in self.told:
            top += LINE
            canvas.text(0, top, *parts)
        bar = [(self.figures[which], _COLOURS[which]) for which in CONCLUSIONS]
        stacked_bar(canvas, scale, bar, top + 7, 16)
