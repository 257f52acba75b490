"""The balance of the two groups before and after matching."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from jdl.balance import AMBER, GREEN
from jdl.charts.drawing import (
    BLUE,
    COLUMN,
    GREY,
    LINE,
    ORANGE,
    PALE,
    TEXT,
    Canvas,
    Scale,
    axis,
    below,
    legend,
    wrapped,
)
from jdl.figures import Chart, Sentence
from jdl.tables import balance_table
from jdl.wording import capital, counted, percentage, plural, proper, slug, spelled

MOST_VARIABLES = 20


def balance_chart(
    balance: pd.DataFrame,
    *,
    labels: Mapping[str, str],
    analysis: str = "headline",
    source: str,
) -> Chart:
    """Draw the standardised difference of each characteristic before and after matching.

    Parameters
    ----------
    balance : DataFrame
        From ``balance.table``, cleared: a row without numbers is left out of the drawing.
    labels : mapping of str to str
        What each variable is called in print.
    analysis : str
        First part of the figures' names.
    source : str
        Where the data come from.

    Notes
    -----
    At most `MOST_VARIABLES` rows are drawn, those that differed most before matching, and the title
    counts those, which are the table behind the chart; ``tables.balance_table`` holds all.
    """
    base = f"{slug(analysis)}.balance"
    known = balance.dropna(subset=["smd_before", "smd_after"])
    size = known["smd_before"].abs()
    drawn = known.loc[size.sort_values(ascending=False, kind="stable").index[:MOST_VARIABLES]]
    green = counted(
        f"{base}.shown_green", int((drawn["band_after"] == "green").sum()), "characteristics"
    )
    total = counted(f"{base}.shown", len(drawn), "characteristics")
    red = int((drawn["band_after"] == "red").sum())
    verb = plural(green, "is", "are")
    alt = Sentence.of(
        "Dot plot of the standardised difference of each characteristic before and after matching. "
        "After matching, ",
        green,
        " of the ",
        total,
        f" {plural(total, 'characteristic', 'characteristics')} shown {verb} within ",
        percentage(f"{base}.green_to", GREEN),
        " and ",
        spelled(f"{base}.shown_red", red, "characteristics", none="none"),
        " beyond ",
        percentage(f"{base}.amber_to", AMBER),
        ".",
    )
    return Chart(
        "balance-chart",
        Sentence.of(
            green,
            " of the ",
            total,
            f" {plural(total, 'characteristic', 'characteristics')} shown {verb} well matched",
        ),
        _balance_subtitle(len(balance), len(known), len(drawn)),
        alt,
        _drawn_balance(drawn, labels, base),
        source,
        replace(
            balance_table(drawn, labels=labels, analysis=analysis),
            id="balance-chart-data",
            caption="How alike the groups are on the characteristics of the chart",
        ),
    )


def _balance_subtitle(every: int, known: int, drawn: int) -> str:
    which = "every characteristic" if known == every else "characteristics that are not withheld"
    if drawn < known:
        which = "those that differed most before matching"
    return f"Size of the standardised difference before and after matching, {which}"


def _drawn_balance(drawn: pd.DataFrame, labels: Mapping[str, str], base: str) -> str:
    names = [
        wrapped(_characteristic(row, labels), COLUMN, TEXT) for row in drawn.to_dict("records")
    ]
    before, after = (100 * drawn[f"smd_{when}"].abs() for when in ("before", "after"))
    high = max([20.0, *before, *after])
    scale = Scale(0, 20 if high <= 20 else 30 if high <= 30 else 50, 4, COLUMN - 8)
    beyond = "; larger ones are drawn at the edge" if high > scale.high else ""
    label = f"Standardised difference, per cent{beyond}"
    bottom = 62.0 + sum(LINE * len(lines) + 20 for lines in names)
    canvas = Canvas(bottom + below(label))
    _bands_key(canvas, base)
    legend(
        canvas,
        [("D", ORANGE, True, "Before matching"), ("o", BLUE, False, "After matching")],
        0,
        14,
    )
    top, ys = 58.0, []
    for lines in names:
        for line in lines:
            top += LINE
            canvas.text(0, top, line)
        ys.append(top + 9)
        top += 20
    ticks = [0, 5, *range(10, int(scale.high) + 1, 10)]
    for y in ys:
        _track(canvas, scale, ticks, y)
    canvas.marks([scale(v) for v in before], ys, "D", ORANGE, hollow=True, size=5.5)
    canvas.marks([scale(v) for v in after], ys, "o", BLUE, size=8)
    axis(canvas, scale, ticks, bottom, label)
    return canvas.svg("balance-chart")


def _characteristic(row: Mapping[Any, Any], labels: Mapping[str, str]) -> str:
    name = labels.get(row["variable"], capital(row["variable"].replace("_", " ")))
    return f"{name}: {proper(str(row['level']))}" if row["level"] not in ("", "yes") else name


def _bands_key(canvas: Canvas, base: str) -> None:
    green, amber = percentage(f"{base}.green_to", GREEN), percentage(f"{base}.amber_to", AMBER)
    canvas.text(0, 33, "Dark marks: well matched up to ", green, ",")
    canvas.text(0, 50, "reasonably up to ", amber, ", poorly beyond")


def _track(canvas: Canvas, scale: Scale, ticks: Sequence[float], y: float) -> None:
    """Draw the line that a characteristic's marks lie on, the ends of the bands upon it."""
    nan = math.nan
    canvas.line([scale.left, scale.right], [y, y], PALE)
    xs = [x for edge in (GREEN, AMBER) for x in (scale(100 * edge), scale(100 * edge), nan)]
    canvas.line(xs, [y - 5, y + 5, nan] * 2, GREY, thick=1.5)
