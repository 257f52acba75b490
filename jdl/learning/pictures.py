"""Pictures of ideas, drawn from made-up numbers or from the notebook's own.

They are drawn on the canvas of the reports, as SVG whose text stays text. Each is named by what it
shows, in words, for those who cannot see it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from jdl.charts import BLUE, COLUMN, ORANGE, Canvas, Scale, width_of, wrapped
from jdl.charts.drawing import GREY, INK, LINE, PALE, TEXT, below, legend
from jdl.charts.drawing import axis as drawn_axis
from jdl.charts.drawing import grid as drawn_grid

COLOURS = (BLUE, ORANGE, GREY)
"""Of the treatment group, the comparison group, and everything else."""
_ROW = 30


@dataclass(frozen=True)
class Picture:
    """A picture of an idea.

    Parameters
    ----------
    svg : str
        The drawing.
    alt : str
        What it shows, in words.
    """

    svg: str
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def _repr_html_(self) -> str:
        drawing = self.svg.replace("<svg ", f'<svg role="img" aria-label="{escape(self.alt)}" ', 1)
        return f'<figure class="idea" style="max-width:{2 * COLUMN}px">{drawing}</figure>'


def picture(canvas: Canvas, alt: str) -> Picture:
    """Return what was drawn on a canvas, with what it shows in words."""
    return Picture(canvas.svg(f"idea-{hashlib.sha256(alt.encode()).hexdigest()[:8]}"), alt)


def bars(
    values: Mapping[str, float],
    alt: str,
    *,
    colours: Sequence[str] | None = None,
    shown: str = "{:g}",
) -> Picture:
    """Draw one bar for each name, below it.

    Parameters
    ----------
    values : mapping of str to float
        Nought or more.
    alt : str
        What the picture shows, in words.
    colours : sequence of str, optional
        One for each bar.
    shown : str
        How a value is written at the end of its bar.
    """
    labels = [wrapped(name, COLUMN, TEXT) for name in values]
    canvas = Canvas(sum(LINE * len(lines) + _ROW for lines in labels))
    room = max(width_of(shown.format(value), TEXT) for value in values.values()) + 8
    scale = Scale(0, max(values.values()) or 1, 0, COLUMN - room)
    top = 0.0
    inks = colours or [BLUE] * len(values)
    for lines, value, colour in zip(labels, values.values(), inks, strict=True):
        for place, line in enumerate(lines, start=1):
            canvas.text(0, top + LINE * place - 3, line)
        top += LINE * len(lines)
        canvas.box(0, top + 2, max(scale(value), 1), 16, colour)
        canvas.text(scale(value) + 6, top + 15, shown.format(value))
        top += _ROW
    return picture(canvas, alt)


def timeline(
    rows: Mapping[str, Sequence[tuple[float, float, str]]],
    marks: Mapping[str, Sequence[tuple[float, str]]],
    alt: str,
    *,
    label: str = "Days",
    kinds: Mapping[str, str] | None = None,
    signs: Mapping[str, str] | None = None,
    ticks: Sequence[float] = (),
) -> Picture:
    """Draw spans of time, one line for each person, and what happened on single days.

    Parameters
    ----------
    rows : mapping of str to sequence of (float, float, str)
        By person: from, to, and the kind of span.
    marks : mapping of str to sequence of (float, str)
        By person: when, and the kind of event.
    alt : str
        What the picture shows, in words.
    label : str
        Of the time axis.
    kinds : mapping of str to str, optional
        The colour of each kind of span; in their order of appearance by default.
    signs : mapping of str to str, optional
        The shape of each kind of event, as of ``Canvas.marks``.
    ticks : sequence of float
        Of the time axis; the ends by default.
    """
    spans = dict.fromkeys(kind for row in rows.values() for *_, kind in row)
    events = dict.fromkeys(kind for row in marks.values() for _, kind in row)
    inks = kinds or dict(zip(spans, COLOURS, strict=False))
    shapes = signs or dict(zip(events, ("D", "o", "s", "^", "v"), strict=False))
    key = [("s", inks[kind], False, kind) for kind in spans]
    key += [(shapes[kind], INK, False, kind) for kind in events]
    days = [day for row in rows.values() for start, end, _ in row for day in (start, end)]
    days += [day for row in marks.values() for day, _ in row]
    ends = (min([*days, *ticks]), max([*days, *ticks]))
    scale = Scale(*ends, 30, COLUMN - 10)
    top = 10.0 + LINE * len(key)
    bottom = top + _ROW * len(rows)
    canvas = Canvas(bottom + below(label))
    for place, entry in enumerate(key):
        legend(canvas, [entry], 0, 14 + LINE * place)
    drawn_grid(canvas, scale, ticks or ends, top, bottom)
    for place, (name, row) in enumerate(rows.items()):
        middle = top + _ROW * (place + 0.5)
        canvas.text(0, middle + 5, name, bold=True)
        canvas.line([scale.left, scale.right], [middle] * 2, PALE, thick=2)
        for start, end, kind in row:
            canvas.box(scale(start), middle - 7, scale(end) - scale(start), 14, inks[kind])
        for day, kind in marks.get(name, ()):
            canvas.marks([scale(day)], [middle], shapes[kind], INK, size=9)
    drawn_axis(canvas, scale, ticks or ends, bottom, label)
    return picture(canvas, alt)


def scatter(
    groups: Mapping[str, Sequence[tuple[float, float]]],
    alt: str,
    *,
    across: str,
    up: str,
    joined: bool = False,
    height: float = 200,
) -> Picture:
    """Draw points of one or more groups, or the lines that join them.

    Parameters
    ----------
    groups : mapping of str to sequence of (float, float)
        By name: points, across and up.
    alt : str
        What the picture shows, in words.
    across, up : str
        What is measured in each direction.
    joined : bool
        Whether the points of a group are joined by a line.
    height : float
        Of the plot, in pixels.
    """
    points = [point for group in groups.values() for point in group]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    shapes = ("o", "D", "s", "^")
    inks = (BLUE, ORANGE, GREY, INK)
    top = 20.0 + LINE * (len(groups) + 1)
    canvas = Canvas(top + height + below(across))
    for place, name in enumerate(groups):
        legend(canvas, [(shapes[place], inks[place], False, name)], 0, 14 + LINE * place)
    canvas.text(0, 14 + LINE * len(groups), up)
    flat, steep = (
        Scale(min(xs), max(xs), 36, COLUMN - 8),
        Scale(min(ys), max(ys), top + height, top),
    )
    for y in (min(ys), max(ys)):
        canvas.line([flat.left, flat.right], [steep(y)] * 2, PALE)
        canvas.text(30, steep(y) + 5, f"{y:,g}", align="right", scale="y")
    for group, shape, ink in zip(groups.values(), shapes, inks, strict=False):
        where = [flat(x) for x, _ in group], [steep(y) for _, y in group]
        if joined:
            canvas.line(*where, ink, thick=2)
        canvas.marks(*where, shape, ink)
    drawn_axis(canvas, flat, [min(xs), max(xs)], top + height, across)
    return picture(canvas, alt)


def reach(
    treated: Mapping[str, float],
    candidates: Mapping[str, float],
    width: float,
    alt: str,
    *,
    label: str,
) -> Picture:
    """Draw for each treated person which candidates lie within the caliper.

    Parameters
    ----------
    treated, candidates : mapping of str to float
        By name: the logit of the score.
    width : float
        The caliper, on the same scale.
    alt : str
        What the picture shows, in words.
    label : str
        Of the scale.
    """
    values = [*treated.values(), *candidates.values()]
    scale = Scale(min(values) - 2 * width, max(values) + 2 * width, 30, COLUMN - 10)
    top = 16.0 + 2 * LINE
    bottom = top + 1.5 * _ROW * len(treated)
    canvas = Canvas(bottom + below(label))
    legend(canvas, [("o", BLUE, False, "Took part"), ("D", ORANGE, False, "Within reach")], 0, 14)
    legend(canvas, [("D", ORANGE, True, "Too far away")], 0, 14 + LINE)
    for place, (name, value) in enumerate(treated.items()):
        middle = top + 1.5 * _ROW * (place + 0.6)
        left, right = scale(value - width), scale(value + width)
        canvas.text(0, middle + 5, name, bold=True)
        canvas.line([scale.left, scale.right], [middle] * 2, PALE, thick=2)
        canvas.box(left, middle - 9, right - left, 18, PALE)
        canvas.marks([scale(value)], [middle], "o", BLUE, size=11)
        for other, at in candidates.items():
            canvas.marks([scale(at)], [middle], "D", ORANGE, hollow=abs(at - value) > width)
            canvas.text(scale(at), middle - 12, other, align="center")
    drawn_axis(canvas, scale, sorted(values), bottom, label)
    return picture(canvas, alt)


def strips(
    groups: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    alt: str,
    *,
    label: str,
    ticks: Sequence[float],
) -> Picture:
    """Draw the people of each group on one line, larger by their weight, with the group's mean.

    Parameters
    ----------
    groups : mapping of str to (sequence of float, sequence of float)
        By name: a value of each person, and the person's weight.
    alt : str
        What the picture shows, in words.
    label : str
        Of the scale.
    ticks : sequence of float
        Of the scale.
    """
    scale = Scale(min(ticks), max(ticks), 12, COLUMN - 12)
    each = 2 * LINE + 22.0
    bottom = each * len(groups) + 6
    canvas = Canvas(bottom + below(label))
    inks = (BLUE, GREY, ORANGE)
    drawn_grid(canvas, scale, ticks, LINE, bottom)
    for place, ((name, (values, weights)), ink) in enumerate(
        zip(groups.items(), inks, strict=False)
    ):
        top = each * place
        middle = top + LINE + 18
        mean = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
        canvas.text(0, top + LINE - 2, f"{name}, mean {mean:g}", bold=True)
        canvas.line([scale.left, scale.right], [middle] * 2, PALE, thick=2)
        canvas.line([scale(mean)] * 2, [middle - 13, middle + 13], INK, thick=2)
        for value, weight in zip(values, weights, strict=True):
            canvas.marks([scale(value)], [middle], "o", ink, size=5 + 7 * weight**0.5)
    drawn_axis(canvas, scale, ticks, bottom, label)
    return picture(canvas, alt)


def intervals(
    rows: Mapping[str, tuple[float, float, float]],
    alt: str,
    *,
    label: str,
    ticks: Sequence[float],
    truth: float | None = None,
) -> Picture:
    """Draw estimates with their intervals beside the line of no difference, and the truth.

    Parameters
    ----------
    rows : mapping of str to (float, float, float)
        By name: low end, estimate, high end.
    alt : str
        What the picture shows, in words.
    label : str
        Of the scale.
    ticks : sequence of float
        Of the scale; nought among them.
    truth : float, optional
        The true difference, where it is known.
    """
    scale = Scale(min(ticks), max(ticks), 10, COLUMN - 10)
    top = 0.0 if truth is None else LINE + 4.0
    each = LINE + 26.0
    bottom = top + each * len(rows) + 2
    canvas = Canvas(bottom + below(label))
    if truth is not None:
        canvas.line([0, 22], [10, 10], ORANGE, thick=3)
        canvas.text(28, 14, "The true effect")
    for place, (name, (low, middle, high)) in enumerate(rows.items()):
        y = top + each * place + LINE + 12
        canvas.text(0, y - 14, name)
        drawn_grid(canvas, scale, ticks, y - 9, y + 11)
        canvas.line([scale(0)] * 2, [y - 9, y + 11], INK, thick=1.5)
        if truth is not None:
            canvas.line([scale(truth)] * 2, [y - 11, y + 13], ORANGE, thick=3)
        canvas.line([scale(low), scale(high)], [y, y], BLUE, thick=3)
        canvas.marks([scale(middle)], [y], "o", BLUE, size=9)
    drawn_axis(canvas, scale, ticks, bottom, label)
    return picture(canvas, alt)


def against_line(
    comparison: Sequence[tuple[float, float]],
    line: Sequence[tuple[float, float]],
    treated: Mapping[str, tuple[float, float]],
    alt: str,
    *,
    across: str,
    up: str,
    height: float = 220,
) -> Picture:
    """Draw what a model predicts as a line, and how far from it treated people are.

    Parameters
    ----------
    comparison : sequence of (float, float)
        The people whom the model is fitted to.
    line : sequence of (float, float)
        The ends of what it predicts.
    treated : mapping of str to (float, float)
        By name: where the treated people are.
    alt : str
        What the picture shows, in words.
    across, up : str
        What is measured in each direction.
    height : float
        Of the plot, in pixels.
    """
    points = [*comparison, *line, *treated.values()]
    xs, ys = sorted({x for x, _ in points}), [y for _, y in points]
    top = 20.0 + 2 * LINE
    canvas = Canvas(top + height + below(across))
    flat = Scale(xs[0], xs[-1], 40, COLUMN - 24)
    steep = Scale(min(ys), max(ys), top + height - 8, top)
    legend(canvas, [("D", ORANGE, False, "Comparison"), ("o", BLUE, False, "Took part")], 0, 14)
    canvas.text(0, 14 + LINE, up)
    for y in (min(ys), max(ys)):
        canvas.line([flat.left, flat.right], [steep(y)] * 2, PALE)
        canvas.text(24, steep(y) + 5, f"{y:g}", align="right", scale="y")
    (first, before), (last, after) = line
    canvas.line([flat(x) for x, _ in line], [steep(y) for _, y in line], ORANGE, thick=2)
    for name, (x, y) in treated.items():
        predicted = before + (after - before) * (x - first) / (last - first)
        canvas.line([flat(x)] * 2, [steep(y), steep(predicted)], GREY, thick=1.5, dashed=True)
        canvas.marks([flat(x)], [steep(y)], "o", BLUE, size=9)
        canvas.text(flat(x) + 7, steep(y) + 16, name, bold=True)
    canvas.marks([flat(x) for x, _ in comparison], [steep(y) for _, y in comparison], "D", ORANGE)
    drawn_axis(canvas, flat, xs, top + height, across)
    return picture(canvas, alt)
