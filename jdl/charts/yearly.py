"""The yearly review: requests over time, waits, losses, and how size decides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

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
    colour_key,
    grid,
    legend,
    stacked_bar,
    steps,
    value_of,
    width_of,
)
from jdl.charts.funnel import funnel_chart
from jdl.figures import Chart, Figure, Part, Sentence, Table
from jdl.wording import Words, counted, number, plural, scaled, slug
from jdl.yearly import (
    ENOUGH,
    OUTCOMES,
    Losses,
    band_label,
    by_size,
    outcome_figure,
    outcome_label,
    outcomes_table,
    size_figure,
    sizes_table,
    wait_figures,
    waits_table,
)

_COLOURS = dict(zip(OUTCOMES, (BLUE, ORANGE, "#801650", "#bfbfbf"), strict=True))
_SPOKEN = {
    "reported": "reported",
    "not processed": "not processed",
    "withdrawn": "withdrawn",
    "remaining": "remaining",
}
_ROW = 27
_REACHED = {
    True: ("o", BLUE, False, "Reached a conclusion"),
    False: ("D", GREY, True, "Inconclusive"),
}


# --- Requests ------------------------------------------------------------------------------------


def months_chart(counts: pd.DataFrame, *, source: str) -> Chart | None:
    """Draw what became of requests, by month of receipt.

    Parameters
    ----------
    counts : DataFrame
        From ``yearly.outcomes_by``, by month.
    source : str
        Where the data come from.

    Returns
    -------
    Chart or None
        None where there is no request.
    """
    caption = "Requests by month of receipt and what became of them"
    return _outcomes_chart(counts, "months", "Received in", caption, source)


def types_chart(counts: pd.DataFrame, *, source: str) -> Chart | None:
    """Draw what became of requests, by type of intervention; as `months_chart`."""
    caption = "Requests by type of intervention and what became of them"
    return _outcomes_chart(counts, "types", "Type of intervention", caption, source)


def sectors_chart(counts: pd.DataFrame, *, source: str) -> Chart | None:
    """Draw what became of requests, by sector; as `months_chart`."""
    caption = "Requests by sector of the organisation and what became of them"
    return _outcomes_chart(counts, "sectors", "Sector", caption, source)


def _outcomes_chart(
    counts: pd.DataFrame, name: str, label: str, caption: str, source: str
) -> Chart | None:
    if counts.empty:
        return None
    rows = [
        (
            outcome_label(name, value),
            {which: outcome_figure(name, value, which, row[which]) for which in OUTCOMES},
            outcome_figure(name, value, "all", row.sum()),
        )
        for value, row in counts.iterrows()
    ]
    alt: list[Part] = [f"Stacked bars of {caption[0].lower()}{caption[1:]}."]
    for said, parts, _ in rows:
        alt += [" ", said, ": ", *_in_words(parts), "."]
    return Chart(
        f"{name}-chart",
        _most(counts, name),
        f"Number of {caption[0].lower()}{caption[1:]}",
        Sentence(tuple(alt)),
        _drawn_bars(rows, f"{name}-chart", "Number of requests"),
        source,
        outcomes_table(counts, f"{name}-chart-data", label, caption, names=name),
    )


def _in_words(parts: Mapping[str, Figure]) -> list[Part]:
    """Return the counts that are not nought, or that there is none."""
    told: list[Part] = []
    for which in (name for name in OUTCOMES if parts[name].value):
        told += [", ", parts[which], f" {_SPOKEN[which]}"]
    return told[1:] or ["none"]


def _most(counts: pd.DataFrame, name: str) -> Sentence:
    """Return which row had most requests."""
    totals = counts.sum(axis=1)
    value = totals.idxmax()
    most = outcome_figure(name, value, "all", totals.max())
    noun = plural(most, "request", "requests")
    if (totals == totals.max()).sum() > 1:
        return Sentence.of(_ALIKE[name], most, f" {noun}")
    if name == "sectors":
        every = counted("yearly.received", totals.sum(), "requests")
        return Sentence.of(most, " of ", every, f" requests came from the {value} sector")
    return Sentence.of(outcome_label(name, value), f" had the most {noun}: ", most)


_ALIKE = {
    "months": "No month had more than ",
    "types": "No type of intervention had more than ",
    "sectors": "No sector had more than ",
}


def _drawn_bars(
    rows: Sequence[tuple[Figure | str, Mapping[str, Figure], Figure]], name: str, label: str
) -> str:
    """Draw a stacked bar a row, its sum behind it and its label before it, or above a long one."""
    wide = max(width_of(Sentence((said,)).text, TEXT) for said, _, _ in rows)
    above = LINE + 3 if wide > _BESIDE else 0
    top = 10.0 + 2 * LINE
    bottom = top + (_ROW + above) * len(rows)
    canvas = Canvas(bottom + below(label))
    colour_key(canvas, _KEY)
    scale = _count_scale([value_of(total) for _, _, total in rows], 0 if above else wide + 8, 30)
    if not above:
        grid(canvas, scale, _whole(scale), top - 4, bottom)
    for said, parts, total in rows:
        canvas.text(0, top + 15, said)
        top += above
        if above:
            grid(canvas, scale, _whole(scale), top, top + 20)
        stacked_bar(canvas, scale, [(parts[one], _COLOURS[one]) for one in OUTCOMES], top + 1, 18)
        canvas.text(scale(value_of(total)) + 5, top + 15, total)
        top += _ROW
    axis(canvas, scale, _whole(scale), bottom, label)
    return canvas.svg(name)


_BESIDE = 0.4 * COLUMN
"""The longest label that stands before its bar."""
_KEY = tuple(
    tuple((_COLOURS[which], OUTCOMES[which]) for which in line)
    for line in (("reported", "not processed"), ("withdrawn", "remaining"))
)


def _count_scale(totals: Sequence[float], left: float, behind: float) -> Scale:
    return Scale(0, steps(max(1.0, *totals), 5)[-1], left, COLUMN - behind)


def _whole(scale: Scale) -> list[float]:
    return [tick for tick in steps(scale.high, 5) if tick == int(tick)]


# --- Waits ---------------------------------------------------------------------------------------


def waits_chart(waits: pd.DataFrame, *, source: str) -> Chart | None:
    """Draw the days from receipt to publication: shortest, median and longest of each release.

    Parameters
    ----------
    waits : DataFrame
        From ``yearly.waits_by``, by release.
    source : str
        Where the data come from.

    Returns
    -------
    Chart or None
        None where no report was published.
    """
    if waits.empty:
        return None
    table = waits_table(waits, "release")
    rows = [
        (table.rows[place][0], wait_figures("release", value, row))
        for place, (value, row) in enumerate(waits.iterrows())
    ]
    alt: list[Part] = ["For each release, a line from the shortest to the longest wait."]
    for said, days in rows:
        assert isinstance(said, Figure)
        reports = plural(days["n"], "report", "reports")
        alt += [
            *(" ", said, ": ", days["n"], f" {reports}, median ", days["median"], " days"),
            *(", from ", days["shortest"], " to ", days["longest"], "."),
        ]
    return Chart(
        "waits-chart",
        _slowest(waits),
        "Days from receipt of the request to publication of its report, by release",
        Sentence(tuple(alt)),
        _drawn_waits(rows),
        source,
        Table("waits-chart-data", table.caption, table.header, table.rows),
    )


def _slowest(waits: pd.DataFrame) -> Sentence:
    """Return between which medians the releases lie."""
    low, high = (
        wait_figures("release", value, row)["median"]
        for value, row in waits.sort_values("median", kind="stable").iloc[[0, -1]].iterrows()
    )
    if low.text == high.text:
        return Sentence.of("The median wait was ", high, " days")
    return Sentence.of("Median waits ran from ", low, " to ", high, " days")


def _drawn_waits(rows: Sequence[tuple[Any, Mapping[str, Figure]]]) -> str:
    top = 10.0 + 2 * LINE
    bottom = top + _ROW * len(rows)
    canvas = Canvas(bottom + below("Days"))
    legend(canvas, [("o", BLUE, False, "Median")], 0, 14)
    canvas.line([0, 12], [10 + LINE, 10 + LINE], BLUE, thick=3)
    canvas.text(16, 14 + LINE, "From the shortest to the longest")
    left = max(width_of(said.text, TEXT) for said, _ in rows) + 14
    most = steps(max(1.0, *(value_of(days["longest"]) for _, days in rows)), 5)
    scale = Scale(0, most[-1], left, COLUMN - 14)
    grid(canvas, scale, most, top - 4, bottom)
    for place, (said, days) in enumerate(rows):
        y = top + _ROW * place + 10
        canvas.text(0, y + 5, said)
        ends = [scale(value_of(days[name])) for name in ("shortest", "longest")]
        canvas.line(ends, [y, y], BLUE, thick=3)
        canvas.marks([scale(value_of(days["median"]))], [y], "o", BLUE, size=9)
    axis(canvas, scale, most, bottom, "Days")
    return canvas.svg("waits-chart")


# --- People and size -----------------------------------------------------------------------------


def losses_chart(lost: Losses, *, source: str) -> Chart | None:
    """Draw where people were lost between upload and analysis, summed over requests.

    Parameters
    ----------
    lost : Losses
        From ``yearly.losses``.
    source : str
        Where the data come from.

    Returns
    -------
    Chart or None
        None where no report with its steps is at hand.
    """
    if lost.rows.empty:
        return None
    drawn = funnel_chart(lost.rows, words=Words(), analysis="yearly", source=source)
    return replace(drawn, table=replace(drawn.table, id="funnel-chart-data"), folded=True)


def sizes_chart(sized: pd.DataFrame, *, source: str) -> Chart | None:
    """Draw how many analyses of each size reached a conclusion.

    Parameters
    ----------
    sized : DataFrame
        From ``yearly.sizes``.
    source : str
        Where the data come from.

    Returns
    -------
    Chart or None
        None where no result is known.
    """
    if sized.empty:
        return None
    bands = by_size(sized)
    used = bands.loc[bands["analyses"] > 0]
    rows = [
        (
            band_label(int(str(band))),
            size_figure(int(str(band)), "conclusive", row["conclusive"]),
            size_figure(int(str(band)), "analyses", row["analyses"]),
        )
        for band, row in used.iterrows()
    ]
    alt: list[Part] = ["Bars of analyses by size of the treatment group."]
    for said, reached, every in rows:
        noun = plural(every, "analysis", "analyses")
        alt += [" ", *said, " people: ", reached, " of ", every, f" {noun} reached a conclusion."]
    return Chart(
        "sizes-chart",
        _by_size(sized),
        "Number of analyses by size of the treatment group and conclusion on the one-year rate",
        Sentence(tuple(alt)),
        _drawn_sizes(rows),
        source,
        sizes_table(bands),
        folded=False,
    )


def _by_size(sized: pd.DataFrame) -> Sentence:
    """Return whether the larger half of the analyses reached a conclusion more often."""
    middle = sized["treatment_n"].median()
    small, large = (
        sized.loc[part, "conclusive"]
        for part in (sized["treatment_n"] <= middle, sized["treatment_n"] > middle)
    )
    if len(sized) >= ENOUGH and len(large) and large.mean() > small.mean():
        return Sentence.of("Larger analyses reached a conclusion more often")
    reached = counted("yearly.conclusive", sized["conclusive"].sum(), "analyses")
    every = counted("yearly.analyses", len(sized), "analyses")
    noun = plural(every, "analysis", "analyses")
    return Sentence.of(reached, " of ", every, f" {noun} reached a conclusion")


def _drawn_sizes(rows: Sequence[tuple[tuple[Part, ...], Figure, Figure]]) -> str:
    top = 14.0 + 2 * LINE
    bottom = top + _ROW * len(rows)
    canvas = Canvas(bottom + below("Number of analyses"))
    colour_key(canvas, [[(BLUE, "Reached a conclusion"), ("#bfbfbf", "Inconclusive")]])
    canvas.text(0, 18 + LINE, "People in the treatment group")
    left = max(width_of(Sentence(said).text, TEXT) for said, _, _ in rows) + 10
    told = max(width_of(f"{one.text} of {every.text}", TEXT) for _, one, every in rows)
    scale = _count_scale([value_of(every) for _, _, every in rows], left, told + 8)
    grid(canvas, scale, _whole(scale), top - 4, bottom)
    for said, reached, every in rows:
        canvas.text(0, top + 15, *said)
        canvas.box(scale(0), top + 1, scale(value_of(every)) - scale(0), 18, "#bfbfbf")
        canvas.box(scale(0), top + 1, scale(value_of(reached)) - scale(0), 18, BLUE)
        canvas.text(scale(value_of(every)) + 5, top + 15, reached, " of ", every)
        top += _ROW
    axis(canvas, scale, _whole(scale), bottom, "Number of analyses")
    return canvas.svg("sizes-chart")


def reach_chart(sized: pd.DataFrame, *, source: str) -> Chart | None:
    """Draw the smallest difference that each analysis could find, by its size.

    Parameters
    ----------
    sized : DataFrame
        From ``yearly.sizes``; those without an interval are left out.
    source : str
        Where the data come from.

    Returns
    -------
    Chart or None
        None where none can be drawn.
    """
    drawn = sized.dropna(subset=["detectable"]).sort_values(["treatment_n", "id"])
    if drawn.empty:
        return None
    falls = drawn["treatment_n"].corr(drawn["detectable"], method="spearman") < 0
    title = "Larger analyses could find smaller differences"
    return Chart(
        "reach-chart",
        Sentence.of(title if falls else "What each analysis could have found"),
        "Smallest true difference in the one-year reoffending rate that an analysis so precise "
        "would find four times in five, by size of the treatment group",
        _reach_in_words(drawn),
        _drawn_reach(drawn),
        source,
        _reach_data(drawn),
    )


def _reach_in_words(drawn: pd.DataFrame) -> Sentence:
    total = counted("yearly.reach.drawn", len(drawn), "analyses")
    (few, widest), (many, narrowest) = (
        _reach_figures(row) for row in drawn.iloc[[0, -1]].to_dict("records")
    )
    return Sentence.of(
        "Plot of ",
        total,
        f" {plural(total, 'analysis', 'analyses')}: the smallest difference that could be found, "
        "by size. It was ",
        widest,
        " percentage points for the smallest, of ",
        few,
        " people, and ",
        narrowest,
        " for the largest, of ",
        many,
        ".",
    )


def _reach_figures(row: Mapping[Any, Any]) -> tuple[Figure, Figure]:
    base = f"yearly.reach.{slug(str(row['id']))}"
    return (
        counted(f"{base}.treatment_n", row["treatment_n"]),
        scaled(f"{base}.detectable", row["detectable"], "percentage points", 1, 100),
    )


def _reach_data(drawn: pd.DataFrame) -> Table:
    rows = tuple(
        (str(row["programme"]), *_reach_figures(row), _REACHED[bool(row["conclusive"])][3])
        for row in drawn.to_dict("records")
    )
    return Table(
        "reach-chart-data",
        "Smallest difference that each analysis could find, smallest group first",
        (
            "Programme",
            "People in the treatment group",
            "Smallest difference, percentage points",
            "Result on the rate",
        ),
        rows,
    )


_TICKS = (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)


def _drawn_reach(drawn: pd.DataFrame) -> str:
    top, bottom = 54.0, 310.0
    canvas = Canvas(bottom + 6 + below("People in the treatment group"))
    legend(canvas, list(_REACHED.values()), 0, 14, size=6)
    canvas.text(0, 20 + LINE, "Smallest difference, percentage points")
    points = steps(100 * drawn["detectable"].max(), 6)
    low = max((tick for tick in _TICKS if tick <= drawn["treatment_n"].min()), default=1)
    high = min((t for t in _TICKS if t >= drawn["treatment_n"].max()), default=10_000_000)
    sizes = [tick for tick in _TICKS if low <= tick <= high] or [low]
    across = Scale(math.log(low), math.log(max(high, 3 * low)), 30, COLUMN - 20)
    upward = Scale(points[0], points[-1], bottom, top)
    for tick in points:
        canvas.line([across.left, across.right], [upward(tick)] * 2, PALE)
        canvas.text(across.left - 6, upward(tick) + 5, f"{tick:g}", align="right", scale="y")
    for tick in sizes:
        canvas.line([across(math.log(tick))] * 2, [top, bottom], PALE)
        canvas.text(across(math.log(tick)), bottom + 22, number(tick), align="center", scale="x")
    canvas.text(across.left, bottom + 40, "People in the treatment group")
    for reached in (False, True):
        shape, colour, hollow, _ = _REACHED[reached]
        rows = drawn.loc[drawn["conclusive"] == reached]
        xs = [across(math.log(size)) for size in rows["treatment_n"]]
        ys = [upward(100 * value) for value in rows["detectable"]]
        canvas.marks(xs, ys, shape, colour, hollow=hollow, size=7 - hollow)
    return canvas.svg("reach-chart")
