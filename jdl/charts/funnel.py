"""From the rows submitted to the people analysed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.charts.drawing import (
    BLUE,
    COLUMN,
    LINE,
    ORANGE,
    PALE,
    TEXT,
    Canvas,
    Scale,
    value_of,
    wrapped,
)
from jdl.figures import Chart, Sentence
from jdl.people import funnel_step, funnel_table
from jdl.wording import Words, counted, plural, share, slug


def funnel_chart(
    funnel: pd.DataFrame, *, words: Words, analysis: str = "headline", source: str
) -> Chart:
    """Draw how many remain after each reason for loss.

    Parameters
    ----------
    funnel : DataFrame
        Cleared: step, reason, removed, remaining; the first row is what was submitted.
    words : Words
    analysis : str
        First part of the figures' names.
    source : str
        Where the data come from.
    """
    base = f"{slug(analysis)}.funnel"
    rows = funnel.to_dict("records")
    start = int(rows[0]["remaining"])
    last = f"{base}.{len(rows) - 1}"
    first_figure = counted(f"{base}.0.remaining", start)
    last_figure = counted(f"{last}.remaining", rows[-1]["remaining"])
    part = share(f"{last}.remaining.share", rows[-1]["remaining"], start)
    submitted = f" {plural(first_figure, 'row', 'rows')} submitted"
    analysed = f" {words.count(last_figure)} analysed, "
    title = Sentence.of(last_figure, analysed, "of ", first_figure, submitted)
    alt = Sentence.of(
        "Funnel from the ",
        first_figure,
        f"{submitted}, through {'each reason' if len(rows) > 1 else 'no reason'} for leaving "
        "the analysis, to the ",
        last_figure,
        analysed,
        part,
        " of the rows submitted.",
    )
    return Chart(
        "funnel-chart",
        title,
        "Number remaining after each reason for leaving the analysis",
        alt,
        _drawn_funnel(base, rows, start),
        source,
        funnel_table(funnel, analysis=analysis),
        folded=False,
    )


_BARS, _LEAVING = 168, 232


def _drawn_funnel(base: str, rows: Sequence[Mapping[Any, Any]], start: int) -> str:
    labels = [wrapped(funnel_step(row), COLUMN, TEXT) for row in rows]
    canvas = Canvas(sum(LINE * len(lines) + 30 for lines in labels) + 20)
    scale = Scale(0, max(start, 1), 0, _BARS)
    canvas.text(_LEAVING, 14, "Leaving", align="right")
    canvas.text(COLUMN, 14, "Remaining", align="right")
    top = 20.0
    for place, (row, lines) in enumerate(zip(rows, labels, strict=True)):
        _funnel_step(canvas, scale, f"{base}.{place}", row, lines, top, start)
        top += LINE * len(lines) + 30
    return canvas.svg("funnel-chart")


def _funnel_step(
    canvas: Canvas,
    scale: Scale,
    name: str,
    row: Mapping[Any, Any],
    lines: Sequence[str],
    top: float,
    start: int,
) -> None:
    for line in lines:
        top += LINE
        canvas.text(0, top, line)
    remaining = counted(f"{name}.remaining", row["remaining"])
    left = counted(f"{name}.removed", row["removed"])
    canvas.box(0, top + 6, scale(start), 14, PALE)
    canvas.box(0, top + 6, scale(value_of(remaining)), 14, BLUE)
    canvas.box(scale(value_of(remaining)), top + 6, scale(value_of(left)), 14, ORANGE)
    if row["step"]:
        canvas.text(_LEAVING, top + 18, left, align="right")
    part = share(f"{name}.remaining.share", row["remaining"], start)
    canvas.text(COLUMN, top + 18, remaining, " (", part, ")", align="right")
