"""The overlap of the two groups in their estimated chance of taking part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from jdl.charts.drawing import (
    BLUE,
    COLUMN,
    INK,
    LINE,
    ORANGE,
    Canvas,
    Scale,
    legend,
    value_of,
    withheld,
)
from jdl.figures import Chart, Figure, Sentence, Table
from jdl.wording import percentage, slug

ALIKE = 0.95
"""The part of two distributions that they share, from which on they are called alike."""
_SERIES = (
    ("treatment", "Treatment group"),
    ("before", "All candidates, before matching"),
    ("after", "Comparison group, after matching"),
)
_SUBTITLE = "Estimated chance of taking part (propensity score), share of each group by band"


def overlap_chart(bins: pd.DataFrame, *, analysis: str = "headline", source: str) -> Chart:
    """Draw how the estimated chance of taking part is distributed in the two groups.

    Parameters
    ----------
    bins : DataFrame
        From ``disclosure.clear_overlap``; without rows nothing is drawn.
    analysis : str
        First part of the figures' names.
    source : str
        Where the data come from.
    """
    base = f"{slug(analysis)}.overlap"
    rows = bins.to_dict("records")
    bands = [_band(f"{base}.{place}", row["low"], row["high"]) for place, row in enumerate(rows)]
    shown = {
        name: [percentage(f"{base}.{place}.{name}", row[name]) for place, row in enumerate(rows)]
        for name, _ in _SERIES
    }
    return Chart(
        "overlap-chart",
        Sentence.of(_title(bins)),
        _SUBTITLE,
        _alt(bins, bands, shown, base),
        _drawn(bands, shown) if rows else withheld("overlap-chart"),
        source,
        Table(
            "overlap-chart-data",
            _SUBTITLE,
            ("Estimated chance", *(label for _, label in _SERIES)),
            tuple(zip(bands, *shown.values(), strict=True)) or (("[c]",) * 4,),
            (
                "Candidates count once for each sentence, the comparison group by its weights. "
                "Bands are joined until each holds enough people.",
            ),
        ),
    )


def _band(base: str, low: float, high: float) -> Sentence:
    """Name a band by its ends, which are fixed beforehand."""
    ends = [_end(f"{base}.{name}", end) for name, end in (("low", low), ("high", high))]
    if math.isnan(low):
        return Sentence.of("Below ", ends[1])
    return Sentence.of(ends[0], *(" or more",) if math.isnan(high) else (" to ", ends[1]))


def _end(name: str, chance: float) -> Figure:
    places = 2 if chance < 0.001 else 1 if chance < 0.01 else 0
    return percentage(name, chance, places)


def _shared(bins: pd.DataFrame, when: str) -> float:
    """Return the part of its distribution that the treatment group shares with the other."""
    return 1 - float((bins["treatment"] - bins[when]).abs().sum()) / 2


def _title(bins: pd.DataFrame) -> str:
    if bins.empty:
        return "Chances of taking part: no result to show"
    if _shared(bins, "after") >= ALIKE:
        return "After matching, both groups had similar chances of taking part"
    return "After matching, chances of taking part still differ"


def _alt(
    bins: pd.DataFrame, bands: Sequence[Sentence], shown: Mapping[str, Sequence[Figure]], base: str
) -> Sentence:
    if bins.empty:
        return Sentence.of("No chart is drawn, because the result is withheld.")
    most = int(bins["treatment"].to_numpy().argmax())
    return Sentence.of(
        "Bars by estimated chance of taking part. The band with most of the treatment group (",
        *bands[most].parts,
        ") holds ",
        shown["treatment"][most],
        " of it, ",
        shown["before"][most],
        " of all candidates and ",
        shown["after"][most],
        " of the comparison group. The treatment group has ",
        percentage(f"{base}.shared_before", _shared(bins, "before")),
        " of its distribution in common with all candidates, and ",
        percentage(f"{base}.shared_after", _shared(bins, "after")),
        " with the comparison group.",
    )


_LEFT, _RIGHT, _ROW = 112, COLUMN - 112, 26


def _drawn(bands: Sequence[Sentence], shown: Mapping[str, Sequence[Figure]]) -> str:
    top = 24.0 + 2 * LINE
    canvas = Canvas(top + _ROW * len(bands) + 4)
    high = max(value_of(figure) for figures in shown.values() for figure in figures)
    scale = Scale(0, high or 1, 0, _LEFT - 44)
    legend(canvas, [("D", INK, True, "All candidates, before matching")], 0, 14)
    canvas.text(0, 20 + LINE, "Treatment group", bold=True)
    canvas.text(COLUMN, 20 + LINE, "Comparison group", bold=True, align="right")
    for place, band in enumerate(bands):
        y = top + _ROW * place
        ours, before, theirs = (shown[name][place] for name, _ in _SERIES)
        canvas.text(COLUMN / 2, y + 14, *band.parts, align="center")
        canvas.text(38, y + 14, ours, align="right")
        canvas.text(COLUMN, y + 14, theirs, align="right")
        canvas.box(_LEFT - scale(value_of(ours)), y, scale(value_of(ours)), 19, BLUE)
        canvas.box(_RIGHT, y, scale(value_of(theirs)), 19, ORANGE)
        canvas.marks([_RIGHT + scale(value_of(before))], [y + 9.5], "D", INK, hollow=True, size=6)
    return canvas.svg("overlap-chart")
