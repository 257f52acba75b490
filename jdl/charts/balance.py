"""The balance of the two groups before and after matching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from jdl.balance import AMBER, GREEN
from jdl.charts.drawing import BLUE, GREY, ORANGE, WIDTH, Canvas, Scale, axis, grid, legend, wrapped
from jdl.figures import Chart, Sentence
from jdl.tables import balance_table
from jdl.wording import capital, counted, percentage, plural, proper, slug, spelled

MOST_VARIABLES = 25
_LABELS = 200


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
    counts those; the table behind the chart holds all.
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
        replace(balance_table(balance, labels=labels, analysis=analysis), id="balance-chart-data"),
    )


def _balance_subtitle(every: int, known: int, drawn: int) -> str:
    which = "every characteristic" if known == every else "characteristics that are not withheld"
    if drawn < known:
        which = "those that differed most before matching"
    return f"Size of the standardised difference before and after matching, {which}"


def _drawn_balance(drawn: pd.DataFrame, labels: Mapping[str, str], base: str) -> str:
    names = [
        wrapped(_characteristic(row, labels), _LABELS - 8, 10) for row in drawn.to_dict("records")
    ]
    bottom = 48 + sum(12 * len(lines) + 5 for lines in names)
    canvas = Canvas(bottom + 42)
    before, after = (100 * drawn[f"smd_{when}"].abs() for when in ("before", "after"))
    high = max([20.0, *before, *after])
    scale = Scale(0, 20 if high <= 20 else 30 if high <= 30 else 50, _LABELS, WIDTH - 14)
    ticks = [0, 5, *range(10, int(scale.high) + 1, 10)]
    grid(canvas, scale, ticks, 40, bottom)
    _bands(canvas, scale, bottom, base)
    top, ys = 48.0, []
    for lines in names:
        for place, line in enumerate(lines):
            canvas.text(0, top + 9 + 12 * place, line, size=10)
        ys.append(top + 6 * len(lines))
        top += 12 * len(lines) + 5
    canvas.marks([scale(v) for v in before], ys, "D", ORANGE, hollow=True, size=5.5)
    canvas.marks([scale(v) for v in after], ys, "o", BLUE, size=8)
    legend(
        canvas,
        [("D", ORANGE, True, "Before matching"), ("o", BLUE, False, "After matching")],
        _LABELS,
        13,
    )
    beyond = "; larger ones are drawn at the edge" if high > scale.high else ""
    axis(canvas, scale, ticks, bottom, f"Standardised difference, per cent{beyond}")
    return canvas.svg("balance-chart")


def _characteristic(row: Mapping[Any, Any], labels: Mapping[str, str]) -> str:
    name = labels.get(row["variable"], capital(row["variable"].replace("_", " ")))
    return f"{name}: {proper(str(row['level']))}" if row["level"] not in ("", "yes") else name


def _bands(canvas: Canvas, scale: Scale, bottom: float, base: str) -> None:
    for edge in (GREEN, AMBER):
        x = scale(100 * edge)
        canvas.line([x, x], [40, bottom], GREY, dashed=True)
    canvas.text(
        0,
        33,
        "Well matched up to ",
        percentage(f"{base}.green_to", GREEN),
        ", reasonably matched up to ",
        percentage(f"{base}.amber_to", AMBER),
        ", poorly matched beyond (dashed lines)",
        size=10,
    )
