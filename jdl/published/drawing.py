"""What charts draw, read back through their own axes and held to the numbers behind them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jdl.published.folder import Document
from jdl.published.printing import meant, rounded
from jdl.published.reading import Node
from jdl.published.told import Notes

NEAR = 0.12
"""Pixels by which a drawn place may be off: places are written with one decimal."""
_NOTHING = "No chart is drawn, because the result is withheld."
_RULE = "a chart draws the numbers behind it"
_GRID = "#e8e8e8"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_HORIZONTAL = re.compile(r"M (-?[\d.]+) (-?[\d.]+) L (-?[\d.]+) (-?[\d.]+)(?= M|$)")


@dataclass
class Drawn:
    """The marks of a drawing, in the order in which they were drawn.

    Parameters
    ----------
    bars : list of (y, left, right)
    lines : list of (y, left, right, style)
        Horizontal lines; `style` is their colour, dashes and width.
    curves : list of list of (x, y)
    points : list of (x, y, shape)
    uprights : list of float
        Where grid lines stand.
    texts : list of (x, y, text)
    """

    bars: list[tuple[float, float, float]] = field(default_factory=list)
    lines: list[tuple[float, float, float, str]] = field(default_factory=list)
    curves: list[list[tuple[float, float]]] = field(default_factory=list)
    points: list[tuple[float, float, str]] = field(default_factory=list)
    uprights: list[float] = field(default_factory=list)
    texts: list[tuple[float, float, str]] = field(default_factory=list)


def read(drawing: Node) -> Drawn:
    """Return the marks of an ``<svg>`` element; what only defines a shape is no mark."""
    drawn = Drawn()
    defined = {id(one) for defs in drawing.named("defs") for one in defs.all()}
    for node in drawing.all():
        if node.tag == "path" and id(node) not in defined:
            _path(node, drawn)
        elif node.tag == "use":
            place = float(node.get("x")), float(node.get("y"))
            drawn.points.append((*place, node.get("href")))
        elif node.tag == "text":
            drawn.texts.append((float(node.get("x")), float(node.get("y")), node.text))
    return drawn


def _path(node: Node, drawn: Drawn) -> None:
    shape = node.get("d")
    corners = [float(one) for one in _NUMBER.findall(shape)]
    places = list(zip(corners[::2], corners[1::2], strict=False))
    style = f"{node.get('stroke')} {node.get('stroke-width')} {node.get('stroke-dasharray')}"
    if shape.endswith("z"):
        if len(places) == 4 and not node.get("stroke"):
            heights = [y for _, y in places]
            widths = [x for x, _ in places]
            drawn.bars.append(((min(heights) + max(heights)) / 2, min(widths), max(widths)))
        return
    pairs = [tuple(map(float, one)) for one in _HORIZONTAL.findall(shape)]
    if not pairs and len(places) > 2:
        drawn.curves.append(places)
    for left, top, right, bottom in pairs:
        if top == bottom:
            drawn.lines.append((top, left, right, style))
        elif left == right and node.get("stroke") == _GRID:
            drawn.uprights.append(left)


class _Chart:
    """One chart of a page, with the ways to say what is wrong with it."""

    def __init__(self, document: Document, file: str, name: str, drawn: Drawn, notes: Notes):
        self.document, self.file, self.name, self.drawn = document, file, name, drawn
        self.notes = notes
        self.scale = _scale(drawn)

    def value(self, name: str) -> float | None:
        """Return the exact value of a figure as a number."""
        value = self.document.value(name)
        return float(value) if isinstance(value, int | float) else None

    def must(self, figure: str, place: float | None, value: float | None) -> None:
        """Note a place that is not where its value lies on the axis."""
        if place is None or value is None or self.scale is None:
            return
        at, per = self.scale
        if abs(at + per * value - place) > NEAR:
            shown = (place - at) / per
            self.notes.find(self.file, figure, f"{_RULE} ({self.name})", f"{shown:.4g}", value)

    def wrong(self, figure: str | None, told: object, follows: object) -> None:
        """Note something else that is drawn wrongly."""
        self.notes.find(self.file, figure or self.name, f"{_RULE} ({self.name})", told, follows)


def _scale(drawn: Drawn) -> tuple[float, float] | None:
    """Return where nought lies and how many pixels one takes, from the lowest row of numbers."""
    rows: dict[float, list[tuple[float, float]]] = {}
    for x, y, text in drawn.texts:
        number = meant(text) if re.fullmatch(r"-?[\d,.]+%?", text) else None
        if number is not None:
            rows.setdefault(y, []).append((x, number))
    axes = sorted((y, sorted(row)) for y, row in rows.items() if len(row) > 2)
    if not axes:
        return None
    ticks = axes[-1][1]
    uprights = sorted(set(drawn.uprights))
    if len(uprights) == len(ticks):
        ticks = [(x, number) for x, (_, number) in zip(uprights, ticks, strict=True)]
    elif len(ticks) > 3:
        ticks = ticks[1:-1]
    (first, low), (last, high) = ticks[0], ticks[-1]
    if high == low:
        return None
    per = (last - first) / (high - low)
    return first - per * low, per


def _withheld(figure: Node) -> bool:
    """Whether a figure says that it draws nothing, and has no number behind it."""
    told = [one for one in figure.named("data") if one.get("value")]
    return _NOTHING in figure.named("svg")[0].get("aria-label") and not told


def check(document: Document, notes: Notes) -> None:
    """Hold every chart of the pages that are read to the figures behind it."""
    for file, page in document.pages.items():
        for figure in page.named("figure"):
            kind = _KINDS.get(figure.get("id"))
            drawings = figure.named("svg")
            if kind is None or not drawings or _withheld(figure):
                continue
            try:
                chart = _Chart(document, file, figure.get("id"), read(drawings[0]), notes)
                kind(chart)
            except (ValueError, IndexError, ZeroDivisionError):
                notes.find(file, figure.get("id"), _RULE, "a drawing that cannot be read", "marks")


def _bars(measure: str, end: str) -> Callable[[_Chart], None]:
    """Two bars from nought, or two marks, each with its interval."""

    def held(chart: _Chart) -> None:
        bars = [one for one in chart.drawn.bars if one[2] - one[1] < _WIDE]
        marks = [(y, x, x) for x, y, _ in chart.drawn.points if y > 20]
        bars = (bars or marks)[-2:]
        whiskers = [
            one for one in chart.drawn.lines if one[3].startswith("#0b0c0c") and one[0] > 20
        ]
        for number, group in enumerate(("treatment", "comparison")):
            name = f"headline.{measure}.{group}"
            if chart.value(f"{name}.{end}") is None:
                continue
            chart.must(f"{name}.{end}", bars[number][2], chart.value(f"{name}.{end}"))
            low, high = (chart.value(f"{name}.{key}.{end}") for key in ("ci_low", "ci_high"))
            own = [one for one in whiskers if abs(one[0] - bars[number][0]) < 1]
            if low is not None and own:
                chart.must(f"{name}.ci_low.{end}", own[0][1], low)
                chart.must(f"{name}.ci_high.{end}", own[0][2], high)

    return held


_WIDE = 335.5
"""A filled shape as wide as the drawing is its background."""


def _survival(chart: _Chart) -> None:
    """Two falling curves: days along, shares up."""
    ups = sorted(
        (meant(text) or 0.0, y - 5)
        for _, y, text in chart.drawn.texts
        if re.fullmatch(r"\d+%", text) and _ < 44
    )
    (low, bottom), (high, top) = ups[0], ups[-1]
    days = sorted(
        int(found[1])
        for name in chart.document.figures
        if (found := re.fullmatch(r"headline\.survival\.(\d+)\.day", name))
    )
    last = max(x for curve in chart.drawn.curves for x, _ in curve)
    first = min(x for curve in chart.drawn.curves for x, _ in curve)
    groups = ("treatment", "comparison")
    for curve, group in zip(chart.drawn.curves, groups, strict=False):
        told = [one for one in days if chart.value(f"headline.survival.{one}.{group}") is not None]
        if len(curve) != len(told):
            chart.wrong(None, f"{len(curve)} places", f"{len(told)} days")
            continue
        for (x, y), day in zip(curve, told, strict=True):
            name = f"headline.survival.{day}.{group}"
            share = (chart.value(name) or 0.0) * 100
            height = bottom + (share - low) * (top - bottom) / (high - low)
            along = first + (last - first) * day / told[-1]
            if abs(y - height) > NEAR or abs(x - along) > NEAR:
                chart.wrong(name, f"({x}, {y})", f"({along:.1f}, {height:.1f})")
    marks = {(x, y) for x, y, _ in chart.drawn.points}
    drawn = {place for curve in chart.drawn.curves for place in curve}
    for place in sorted(marks - drawn):
        chart.wrong(None, f"a mark at {place}", "a mark on its curve")


def _funnel(chart: _Chart) -> None:
    """Bars as long as the share of rows that remain."""
    rows = _by_height(chart.drawn.bars)
    whole = rows[0][0][2] - rows[0][0][1]
    for number, row in enumerate(rows):
        share = chart.value(f"headline.funnel.{number}.remaining.share")
        if share is None:
            continue
        ends = [right for _, left, right in row if left == rows[0][0][1]]
        if all(abs(whole * share - right + row[0][1]) > NEAR for right in ends):
            name = f"headline.funnel.{number}.remaining"
            chart.wrong(name, f"{min(ends) / whole:.3f} of the whole", f"{share:.3f}")


def _by_height(
    bars: Sequence[tuple[float, float, float]],
) -> list[list[tuple[float, float, float]]]:
    rows: dict[float, list[tuple[float, float, float]]] = {}
    for bar in bars:
        if bar[2] - bar[1] < _WIDE:
            rows.setdefault(bar[0], []).append(bar)
    return [rows[height] for height in sorted(rows)]


def _results(chart: _Chart) -> None:
    """Every result is a line from limit to limit with a mark at the difference."""
    expected: dict[str, tuple[float, float, float | None]] = {}
    history = chart.document.tables.get("history.csv", ())
    middle = {row["id"]: row["difference"] for row in history if row["measure"] == "rate"}
    for name in chart.document.figures:
        found = re.fullmatch(r"bulletin\.((?!.*\.correction\.).+)\.ci_low", name)
        low, high = chart.value(name), chart.value(name.replace("ci_low", "ci_high"))
        if found and low is not None and high is not None:
            text = middle.get(found[1])
            expected[found[1]] = low, high, float(text) * 100 if text else None
    if chart.scale is None:
        return
    at, per = chart.scale
    lines = [(left, right, y) for y, left, right, s in chart.drawn.lines if not s.startswith(_GRID)]
    lines = [one for one in lines if one[2] > 40]
    points = [(x, y) for x, y, _ in chart.drawn.points]
    for name, (low, high, difference) in expected.items():
        own = [
            one
            for one in lines
            if abs(at + per * low - one[0]) <= NEAR and abs(at + per * high - one[1]) <= NEAR
        ]
        if not own:
            near = min(
                lines, key=lambda one: abs(at + per * low - one[0]) + abs(at + per * high - one[1])
            )
            told = f"{(near[0] - at) / per:.4g} to {(near[1] - at) / per:.4g}"
            chart.wrong(f"bulletin.{name}.ci_low", told, f"{low:.4g} to {high:.4g}")
        elif difference is not None and not any(
            abs(at + per * difference - x) <= NEAR and abs(y - one[2]) <= NEAR
            for x, y in points
            for one in own
        ):
            chart.wrong(f"bulletin.{name}.ci_low", "no mark at its difference", difference)
        elif not _as_high(chart, name, [one[2] for one in own]):
            size = chart.value(f"bulletin.{name}.treatment_n")
            chart.wrong(f"bulletin.{name}.treatment_n", "another height", size)


def _as_high(chart: _Chart, name: str, heights: Sequence[float]) -> bool:
    """Whether one of the heights is that of the treatment group, on the logarithmic axis."""
    size = chart.value(f"bulletin.{name}.treatment_n")
    ticks = sorted(
        (y - 5, meant(text) or 1.0)
        for x, y, text in chart.drawn.texts
        if abs(x - 41.2) < 1 and re.fullmatch(r"[\d,]+", text)
    )
    if not size or len(ticks) < 2:
        return True
    (top, most), (bottom, least) = ticks[0], ticks[-1]
    per = (bottom - top) / (math.log(most) - math.log(least))
    wanted = bottom - per * (math.log(size) - math.log(least))
    return any(abs(wanted - one) <= 2 * NEAR for one in heights)


def _pooled(chart: _Chart) -> None:
    """A dashed line of prediction, a thick one of confidence, and a mark at the average."""
    kinds = [
        name.split(".")[1]
        for name in chart.document.figures
        if re.fullmatch(r"pooled\.[\w-]+\.estimate", name)
    ]
    rows: dict[float, list[tuple[float, float, str]]] = {}
    for y, left, right, style in chart.drawn.lines:
        if y > 40:
            rows.setdefault(y, []).append((left, right, style))
    heights = sorted(rows)
    if len(heights) != len(kinds):
        chart.wrong(None, f"{len(heights)} types", f"{len(kinds)} types")
        return
    for height, kind in zip(heights, kinds, strict=True):
        for left, right, style in rows[height]:
            which = "ci" if style.strip().endswith("4") or " 4 " in f"{style} " else "prediction"
            for end, place in (("low", left), ("high", right)):
                name = f"pooled.{kind}.{which}_{end}"
                chart.must(name, place, chart.value(name))
        marks = [x for x, y, _ in chart.drawn.points if abs(y - height) < 1]
        if marks:
            name = f"pooled.{kind}.estimate"
            chart.must(name, marks[0], chart.value(name))


def _balance(chart: _Chart) -> None:
    """Two marks a characteristic: how far apart before matching, and after; the axis ends at 50."""
    names = [one.removesuffix(".smd_after") for one in _behind(chart, ".smd_after")]
    if not names or chart.scale is None:
        return
    points = [one for one in chart.drawn.points if one[1] > 60]
    for number, height in enumerate(sorted({y for _, y, _ in points})):
        drawn = sorted(x for x, y, _ in points if y == height)
        values = [chart.value(f"{names[number]}.{key}") for key in ("smd_before", "smd_after")]
        if None in values:
            continue
        at, per = chart.scale
        follows = sorted(at + per * min(abs(v or 0) * 100, 50) for v in values)
        if any(abs(a - b) > NEAR for a, b in zip(drawn, follows, strict=True)):
            chart.wrong(f"{names[number]}.smd_after", drawn, [round(one, 1) for one in follows])


def _behind(chart: _Chart, end: str) -> list[str]:
    """Return the figures of one column of the table behind a chart, from the top."""
    tables = chart.document.pages[chart.file].named("table")
    own = [one for one in tables if one.get("id") == f"{chart.name}-data"]
    told = [one.get("data-figure") for table in own[:1] for one in table.all()]
    return [name for name in told if name.endswith(end)]


def _stacked(column: str) -> Callable[[_Chart], None]:
    """Bars of counts by conclusion, beside one another."""

    def held(chart: _Chart) -> None:
        kinds = [
            name.rpartition(".")[0]
            for name in chart.document.figures
            if re.fullmatch(rf"bulletin\.by_{column}\.[\w-]+\.total", name)
        ]
        rows = [row for row in _by_height(chart.drawn.bars) if row[0][0] > 60]
        if chart.scale is None or len(rows) != len(kinds):
            return
        for row, kind in zip(rows, kinds, strict=True):
            for (_, left, right), one in zip(
                row, ("reduction", "inconclusive", "increase"), strict=False
            ):
                count = chart.value(f"{kind}.{one}") or 0
                if abs(max(count * chart.scale[1] - _GAP, 0) - (right - left)) > 2 * NEAR:
                    told = f"{(right - left + _GAP) / chart.scale[1]:.3g}"
                    chart.wrong(f"{kind}.{one}", told, count)

    return held


_GAP = 1.5
"""Pixels between two neighbouring bars of a stack."""


def _hundred(chart: _Chart) -> None:
    """As many dark people of a hundred in each block as reoffended."""
    dark = [one for one in chart.drawn.lines if one[3].startswith("#12436d 6.5")]
    blocks = [[one for one in dark if (one[1] > 168) == right] for right in (False, True)]
    lowest = max(one[0] for one in dark)
    for block, group in zip(blocks, ("treatment", "comparison"), strict=True):
        told = sum(_dots(one) for one in block if one[0] < lowest)
        name = f"headline.rate.{group}.per100"
        value = chart.value(name)
        if value is not None and told != rounded(value):
            chart.wrong(name, told, rounded(value))


def _dots(line: tuple[float, float, float, str]) -> int:
    step = float(line[3].rpartition(",")[2])
    return int((line[2] - line[1]) / step + 1e-6) + 1


def _weights(chart: _Chart) -> None:
    """A bar from nought for each kind of agreement."""
    names = _behind(chart, ".weight")
    bars = [row[0] for row in _by_height(chart.drawn.bars) if row[0][0] > 25]
    if chart.scale is None or len(bars) != len(names):
        return
    for (_, left, right), name in zip(bars, names, strict=True):
        value = chart.value(name)
        chart.must(name, right if (value or 0) > 0 else left, value)


def _overlap(chart: _Chart) -> None:
    """Bars and marks whose lengths are to one another as the shares of the bands are."""
    names = [one.removesuffix(".treatment") for one in _behind(chart, ".treatment")]
    rows = [row for row in _by_height(chart.drawn.bars) if row[0][0] > 40]
    if len(rows) != len(names) or any(len(row) != 2 for row in rows):
        return
    shares = [[chart.value(f"{one}.{key}") or 0.0 for key in _BANDS] for one in names]
    most = max(range(len(rows)), key=lambda at: shares[at][0])
    per = (rows[most][0][2] - rows[most][0][1]) / shares[most][0]
    for name, row, told in zip(names, rows, shares, strict=True):
        left, right = sorted(row, key=lambda bar: bar[1])
        marks = [x - right[1] for x, y, _ in chart.drawn.points if abs(y - right[0]) < 1]
        lengths = (left[2] - left[1], right[2] - right[1], *marks[:1])
        for key, share, long in zip(_BANDS, told, lengths, strict=False):
            if abs(long - per * share) > 2 * NEAR:
                chart.wrong(f"{name}.{key}", f"{long / per:.3f}", share)


_BANDS = ("treatment", "after", "before")


_KINDS: dict[str, Callable[[_Chart], None]] = {
    "chart-rate": _bars("rate", "per100"),
    "chart-frequency": _bars("frequency", "per100"),
    "chart-time": _bars("days_to_first", "told"),
    "survival-chart": _survival,
    "funnel-chart": _funnel,
    "results-chart": _results,
    "pooled-chart": _pooled,
    "balance-chart": _balance,
    "by-type-chart": _stacked("intervention-type"),
    "by-sector-chart": _stacked("sector"),
    "summary-chart": _hundred,
    "weights-chart": _weights,
    "overlap-chart": _overlap,
}
