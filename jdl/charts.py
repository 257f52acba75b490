"""Charts: cleared aggregates drawn by matplotlib as small, self-contained SVG.

Every drawing is laid out on one grid of pixels, its labels in columns and lines of their own, so
that none can cover another at any value. A chart takes cleared effects and tables only: nothing
that was withheld, and no person's value, can be read back from its coordinates.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from jdl import disclosure
from jdl.balance import AMBER, GREEN
from jdl.bulletin import CONCLUSIONS
from jdl.effects import ALL, Effect
from jdl.figures import Cell, Chart, Figure, Group, Part, Sentence, Table
from jdl.survival import Survival
from jdl.tables import (
    NOT_APPLICABLE,
    balance_table,
    by_figure,
    by_sector_table,
    by_type_table,
    funnel_table,
    outcomes_by,
    results_table,
)
from jdl.wording import (
    FIELDS,
    LEVELS,
    Words,
    capital,
    confidence,
    counted,
    direction,
    group_size,
    has_range,
    is_reported,
    kind_of,
    level_of,
    name_of,
    number,
    percentage,
    plural,
    proper,
    scaled,
    share,
    signed,
    slug,
    spelled,
)

WIDTH = 480
GUTTER = 100
PLOT = WIDTH - GUTTER
MARGIN = 1
BLUE, ORANGE, GREY, PALE, INK = "#12436d", "#f46a25", "#6b7276", "#e8e8e8", "#0b0c0c"
FONT = "Arial,Helvetica,sans-serif"
MOST_VARIABLES = 25

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jdl",
    "path.simplify": False,
    "font.family": "DejaVu Sans",
}


# --- The canvas ----------------------------------------------------------------------------------


class Canvas:
    """A drawing of `WIDTH` by `height` pixels, its origin at the top left.

    Parameters
    ----------
    height : float
    """

    def __init__(self, height: float) -> None:
        self._drawing = Drawing(figsize=(WIDTH / 72, height / 72), dpi=72)
        FigureCanvasSVG(self._drawing)
        self._axes = self._drawing.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        self._axes.set_axis_off()
        self._written: list[tuple[Part, ...]] = []
        self.texts: list[tuple[float, float, float, float]] = []

    def text(
        self,
        x: float,
        y: float,
        *parts: Part,
        size: float = 12,
        bold: bool = False,
        align: str = "left",
    ) -> None:
        """Write one line, its baseline at y; each figure in it carries its name in the register."""
        words = Sentence(parts).text
        wide = width_of(words, size, bold)
        left = x - {"left": 0.0, "center": wide / 2, "right": wide}[align]
        self.texts.append((left, y - size, left + wide, y + 0.25 * size))
        self._axes.text(
            x,
            y,
            words,
            fontsize=size,
            fontweight="bold" if bold else "normal",
            ha=align,
            va="baseline",
            color=INK,
            parse_math=False,
            gid=f"text:{len(self._written)}",
            zorder=10_000,
        )
        self._written.append(parts)

    def box(self, x: float, y: float, wide: float, high: float, colour: str) -> None:
        """Fill a rectangle."""
        shape = Rectangle((x, y), wide, high, facecolor=colour, edgecolor="none", clip_on=False)
        shape.set_zorder(self._next())
        self._axes.add_patch(shape)

    def line(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        colour: str = INK,
        *,
        thick: float = 1,
        dashed: bool = False,
    ) -> None:
        """Draw a line through points; not a number parts it."""
        style = (0, (3, 3)) if dashed else "-"
        self._axes.plot(
            xs,
            ys,
            color=colour,
            lw=thick,
            ls=style,
            solid_capstyle="butt",
            clip_on=False,
            zorder=self._next(),
        )

    def marks(
        self,
        xs: Sequence[float],
        ys: Sequence[float],
        shape: str,
        colour: str,
        *,
        hollow: bool = False,
        size: float = 7,
    ) -> None:
        """Draw marks of one kind."""
        self._axes.plot(
            xs,
            ys,
            ls="none",
            marker=shape,
            ms=size,
            mfc="white" if hollow else colour,
            mec=colour if hollow else "white",
            mew=1.5 if hollow else 0.75,
            clip_on=False,
            zorder=self._next(),
        )

    def _next(self) -> int:
        """Return the layer above all that was drawn before."""
        return len(self._axes.patches) + len(self._axes.lines) + 1

    def svg(self, prefix: str) -> str:
        """Return the drawing as SVG that scales, with ids that begin with `prefix`."""
        buffer = io.StringIO()
        with mpl.rc_context(_STYLE):
            self._drawing.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
        return _tidied(buffer.getvalue(), prefix, self._written)


@functools.cache
def width_of(text: str, size: float, bold: bool = False) -> float:
    """Return how wide a line of text is in pixels, in a font wider than most."""
    font = FontProperties(
        family=_STYLE["font.family"], size=size, weight="bold" if bold else "normal"
    )
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def wrapped(text: str, room: float, size: float) -> list[str]:
    """Break a text into lines that are at most `room` pixels wide; a longer word stands alone."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer, size) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _tidied(svg: str, prefix: str, written: Sequence[tuple[Part, ...]]) -> str:
    """Strip what no reader needs, name figures and ids, shorten numbers, and let the rest scale."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r">\s+<", "><", svg.strip())
    svg = re.sub(
        r'<g id="text:(\d+)">(<text[^>]*>)[^<]*</text></g>',
        lambda m: f"{m[2]}{_spans(written[int(m[1])])}</text>",
        svg,
    )
    svg = re.sub(r"<[^>]+>", lambda tag: _shortened(tag[0]), _renamed(svg, prefix))
    svg = re.sub(r"<defs></defs>|<g></g>", "", svg)
    root = f'<svg width="100%" viewBox="{_view_box(svg)}" xmlns="http://www.w3.org/2000/svg" '
    svg = f'{root}font-family="{FONT}" fill="{INK}">{svg[svg.index(">") + 1 :]}'
    return _flattened(svg)


def _view_box(svg: str) -> str:
    """Return the drawing's box with a margin at both sides, for marks that lie on an edge."""
    height = svg.split('viewBox="', 1)[1].split('"', 1)[0].split()[3]
    return f"{-MARGIN} 0 {WIDTH + 2 * MARGIN} {height}"


def _spans(parts: tuple[Part, ...]) -> str:
    return "".join(
        escape(part, quote=False)
        if isinstance(part, str)
        else f'<tspan data-figure="{part.id}">{escape(part.text, quote=False)}</tspan>'
        for part in parts
    )


def _renamed(svg: str, prefix: str) -> str:
    """Keep only ids that are referred to, and begin them with the chart's own name."""
    used = dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))
    names = {old: f"{prefix}-{place}" for place, old in enumerate(used, start=1)}
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{names[m[1]]}"' if m[1] in names else "", svg)
    for old, new in names.items():
        svg = svg.replace(f"#{old}", f"#{new}")
    return svg


_DEFAULTS = {
    "fill": INK,
    "text-anchor": "start",
    "stroke-linejoin": "miter",
    "stroke-linecap": "butt",
    "font-weight": "400",
}


def _shortened(tag: str) -> str:
    """Round a tag's numbers, write its style as attributes, and leave defaults out."""
    tag = re.sub(r"-?\d+\.\d{2,}", lambda m: f"{round(float(m[0]), 1):g}", tag)
    tag = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", tag)
    tag = re.sub(r' style="([^"]*)"', lambda m: _attributes(m[1]), tag)
    return re.sub(r"\s+", " ", tag).replace(' "', '"').replace('" />', '"/>')


def _attributes(style: str) -> str:
    pairs = (entry.split(":", 1) for entry in style.split(";") if ":" in entry)
    kept = {name.strip(): value.strip() for name, value in pairs}
    return "".join(
        f' {name}="{value}"'
        for name, value in kept.items()
        if name != "font-family" and _DEFAULTS.get(name) != value
    )


def _flattened(svg: str) -> str:
    """Drop groups without attributes; give marks in a row their common attributes once."""
    depth: list[bool] = []

    def keep(match: re.Match[str]) -> str:
        if match[0] == "</g>":
            return "</g>" if depth.pop() else ""
        depth.append(match[0] != "<g>")
        return match[0] if depth[-1] else ""

    svg = re.sub(r"<g(?: [^>]*)?>|</g>", keep, svg)
    return re.sub(
        r'(<use href="[^"]*") x="[^"]*" y="[^"]*"([^>]*)/>(?:\1 x="[^"]*" y="[^"]*"\2/>)+',
        lambda m: f"<g{m[2]}>{m[0].replace(m[2], '')}</g>",
        svg,
    )


@dataclass(frozen=True)
class Scale:
    """A straight scale from values to pixels.

    Parameters
    ----------
    low, high : float
        Values at the ends.
    left, right : float
        Pixels at the ends.
    """

    low: float
    high: float
    left: float = 0
    right: float = PLOT

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; one beyond an end lies on it."""
        inside = min(max(value, self.low), self.high)
        return self.left + (inside - self.low) / (self.high - self.low) * (self.right - self.left)


def steps(high: float, most: int = 6) -> list[float]:
    """Return round numbers from nought to the first at or above `high`, at most `most` steps."""
    size = 10.0 ** math.floor(math.log10(high)) if high > 0 else 1.0
    step = next(s for s in (size * f for f in (0.1, 0.2, 0.5, 1, 2, 5, 10)) if high / s <= most)
    return [place * step for place in range(math.ceil(high / step - 1e-9) + 1)]


def _axis(canvas: Canvas, scale: Scale, ticks: Sequence[float], y: float, label: str) -> None:
    """Write the scale below a plot; its grid is drawn first, by `_grid`."""
    for tick in ticks:
        align = "left" if scale(tick) < 8 else "center"
        canvas.text(scale(tick), y + 16, f"{tick:,g}", size=11, align=align)
    left = min(scale.left, WIDTH - width_of(label, 11) - 2)
    canvas.text(left, y + 34, label, size=11)


def _grid(canvas: Canvas, scale: Scale, ticks: Sequence[float], top: float, bottom: float) -> None:
    for tick in ticks:
        canvas.line([scale(tick)] * 2, [top, bottom], PALE)


# --- Two groups ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Told:
    """What one headline chart says.

    Parameters
    ----------
    id : str
    unit : str
        Of the figures drawn.
    scale : int
        From a mean to what is drawn.
    axis, subtitle : str
    what : str
        The number drawn, as in "the number of ...".
    fewer, more, unclear : str
        Titles.
    """

    id: str
    unit: str
    scale: int
    axis: str
    subtitle: str
    what: str
    fewer: str
    more: str
    unclear: str


def _told(effect: Effect, words: Words) -> _Told:
    people = words.people
    need = f"More {people} needed to tell whether"
    return {
        "rate": _Told(
            "chart-rate",
            "people per 100",
            100,
            f"{capital(people)} out of 100 who committed a proven reoffence within one year",
            f"One-year proven reoffending rate, number out of 100 {people}",
            f"{people} out of 100 who committed a proven reoffence within one year",
            "A smaller share of the treatment group reoffended",
            "A larger share of the treatment group reoffended",
            f"{need} reoffending differed",
        ),
        "frequency": _Told(
            "chart-frequency",
            "reoffences per 100 people",
            100,
            f"Proven reoffences per 100 {people} within one year",
            f"Frequency of proven reoffending within one year, reoffences per 100 {people}",
            f"proven reoffences per 100 {people} within one year",
            "The treatment group committed fewer reoffences per person",
            "The treatment group committed more reoffences per person",
            f"{need} frequency differed",
        ),
        "days_to_first": _Told(
            "chart-time",
            "days",
            1,
            "Average days before the first proven reoffence, within one year",
            f"Average days to the first proven reoffence, {people} who reoffended within one year",
            "average days before the first proven reoffence",
            "Those who reoffended did so sooner",
            "Those who reoffended did so later",
            f"{need} timing differed",
        ),
    }[effect.measure]


def chart_rate(effect: Effect, *, words: Words, source: str, significance: float = 0.05) -> Chart:
    """Draw how many people out of 100 reoffended in each group, with intervals.

    Parameters
    ----------
    effect : Effect
        On the rate, cleared.
    words : Words
    source : str
        Where the data come from.
    """
    return _two_groups(effect, words, [0, 20, 40, 60, 80, 100], source, significance)


def chart_frequency(
    effect: Effect, *, words: Words, source: str, significance: float = 0.05
) -> Chart:
    """Draw how many reoffences 100 people committed in each group, with intervals.

    Parameters
    ----------
    effect : Effect
        On the frequency, cleared.
    words : Words
    source : str
        Where the data come from.
    """
    high = max(100 * (value or 0) for value in _drawn(effect))
    return _two_groups(effect, words, steps(max(high, 1)), source, significance)


def chart_time(effect: Effect, *, words: Words, source: str, significance: float = 0.05) -> Chart:
    """Draw the average days before the first reoffence on a line of 365 days, with intervals.

    Parameters
    ----------
    effect : Effect
        On the days to the first reoffence, cleared.
    words : Words
    source : str
        Where the data come from.
    """
    return _two_groups(effect, words, [0, 100, 200, 300, 365], source, significance)


def _drawn(effect: Effect) -> list[float | None]:
    groups = (effect.treatment, effect.comparison)
    return [value for g in groups for value in (g.mean, g.ci_high)]


_GROUPS = (("treatment", "Treatment group", BLUE), ("comparison", "Comparison group", ORANGE))


def headline_charts(
    effects: Mapping[str, Effect], *, words: Words, source: str, significance: float = 0.05
) -> Group:
    """Draw the headline measures that are reported: rate, frequency and time.

    Parameters
    ----------
    effects : mapping of str to Effect
        Cleared, by measure.
    words : Words
    source : str
        Where the data come from.
    """
    drawn = [
        draw(effects[measure], words=words, source=source, significance=significance)
        for measure, draw in (
            ("rate", chart_rate),
            ("frequency", chart_frequency),
            ("days_to_first", chart_time),
        )
        if is_reported(effects[measure])
    ]
    return Group({chart.id: chart for chart in drawn})


def _two_groups(
    effect: Effect, words: Words, ticks: Sequence[float], source: str, significance: float
) -> Chart:
    told = _told(effect, words)
    interval = confidence(significance)
    shown = {name: _group_figures(effect, name, told) for name, _, _ in _GROUPS}
    table = _group_table(effect, told, shown, interval)
    if not is_reported(effect):
        svg = _withheld(told.id)
        title = f"{ALL[effect.measure].label}: no result to show"
        alt: tuple[Part, ...] = ("No chart is drawn, because the result is withheld.",)
    else:
        svg = _drawn_groups(effect, told, shown, ticks, words, interval)
        side = direction(effect)
        title = {"lower": told.fewer, "higher": told.more}.get(side or "", told.unclear)
        if side is None and not has_range(effect):
            title = f"{ALL[effect.measure].label}: no conclusion can be drawn"
        alt = _group_alt(effect, told, shown, interval)
    return Chart(told.id, Sentence.of(title), told.subtitle, Sentence(alt), svg, source, table)


def _group_figures(effect: Effect, name: str, told: _Told) -> tuple[Figure, Figure, Figure]:
    """Return the mean and its limits as drawn."""
    group = getattr(effect, name)
    base = f"{name_of(effect)}.{name}"
    suffix = "told" if kind_of(effect) == "days" else "per100"
    return (
        scaled(f"{base}.{suffix}", group.mean, told.unit, 0, told.scale),
        scaled(f"{base}.ci_low.{suffix}", group.ci_low, told.unit, 0, told.scale),
        scaled(f"{base}.ci_high.{suffix}", group.ci_high, told.unit, 0, told.scale),
    )


def _sized(effect: Effect, name: str, size: Figure, words: Words) -> str:
    if ALL[effect.measure].among == "reoffenders":
        return plural(size, "reoffender", "reoffenders")
    return words.count(size) if name == "treatment" else plural(size, "sentence", "sentences")


def _group_table(
    effect: Effect, told: _Told, shown: Mapping[str, Sequence[Figure]], interval: str
) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (label, group_size(effect, name), *shown[name]) for name, label, _ in _GROUPS
    )
    of = "people or sentences" if ALL[effect.measure].among == "everyone" else "reoffenders"
    header = ("Group", f"Size, {of}", "Value", f"{interval}, from", f"{interval}, to")
    return Table(f"{told.id}-data", told.subtitle, header, rows)


def _group_alt(
    effect: Effect, told: _Told, shown: Mapping[str, Sequence[Figure]], interval: str
) -> tuple[Part, ...]:
    tested = "The difference could not be tested."
    if has_range(effect):
        verb = "is" if direction(effect) else "is not"
        tested = f"The difference {verb} statistically significant."
    ours, theirs = shown["treatment"], shown["comparison"]
    return (
        f"Chart of the {told.what}: ",
        ours[0],
        f" in the treatment group ({interval} ",
        ours[1],
        " to ",
        ours[2],
        ") and ",
        theirs[0],
        f" in the comparison group ({interval} ",
        theirs[1],
        " to ",
        theirs[2],
        f"). {tested}",
    )


_ROW = 62


def _drawn_groups(
    effect: Effect,
    told: _Told,
    shown: Mapping[str, Sequence[Figure]],
    ticks: Sequence[float],
    words: Words,
    interval: str,
) -> str:
    bottom = _ROW + 52
    canvas = Canvas(bottom + 42)
    scale = Scale(ticks[0], ticks[-1])
    for place, (name, label, colour) in enumerate(_GROUPS):
        top = place * _ROW + 2
        _grid(canvas, scale, ticks, top + 22, top + 48)
        size = group_size(effect, name)
        canvas.text(
            0, top + 13, f"{label} (", size, f" {_sized(effect, name, size, words)})", bold=True
        )
        if kind_of(effect) == "days":
            _time_line(canvas, scale, shown[name], top + 22, colour)
        else:
            _bar(canvas, scale, shown[name], top + 22, colour)
        _value(canvas, shown[name], top + 22)
    _axis(canvas, scale, ticks, bottom, told.axis)
    canvas.text(WIDTH, 15, interval, size=11, align="right")
    return canvas.svg(told.id)


def _bar(canvas: Canvas, scale: Scale, shown: Sequence[Figure], top: float, colour: str) -> None:
    canvas.box(scale(0), top, scale(_of(shown[0])) - scale(0), 26, colour)
    _whisker(canvas, scale, shown, top + 13)


def _time_line(
    canvas: Canvas, scale: Scale, shown: Sequence[Figure], top: float, colour: str
) -> None:
    middle = top + 13
    canvas.line([scale(scale.low), scale(scale.high)], [middle] * 2, PALE, thick=8)
    canvas.line([scale(scale.low), scale(_of(shown[0]))], [middle] * 2, colour, thick=8)
    canvas.marks([scale(_of(shown[0]))], [middle], "o", colour, size=16)
    _whisker(canvas, scale, shown, middle)


def _of(figure: Figure) -> float:
    return float(figure.value or 0)


def _whisker(canvas: Canvas, scale: Scale, shown: Sequence[Figure], y: float) -> None:
    if shown[1].suppressed or shown[2].suppressed:
        return
    low, high = scale(_of(shown[1])), scale(_of(shown[2]))
    nan = math.nan
    xs = [low, high, nan, low, low, nan, high, high]
    ys = [y, y, nan, y - 5, y + 5, nan, y - 5, y + 5]
    canvas.line(xs, ys, "white", thick=4)
    canvas.line(xs, ys, INK, thick=1.5)


def _value(canvas: Canvas, shown: Sequence[Figure], top: float) -> None:
    """Write the value and its interval in the column to the right of the plot."""
    canvas.text(WIDTH, top + 12, shown[0], size=16, bold=True, align="right")
    if not shown[1].suppressed:
        canvas.text(WIDTH, top + 27, shown[1], " to ", shown[2], size=11, align="right")


def _withheld(name: str) -> str:
    canvas = Canvas(40)
    canvas.text(0, 24, "[c] This result is withheld.")
    return canvas.svg(name)


# --- The time without reoffence ------------------------------------------------------------------


def survival_chart(
    survival: Survival, *, words: Words, source: str, significance: float = 0.05
) -> Chart:
    """Draw the share of each group that has not yet reoffended, over the year.

    Parameters
    ----------
    survival : Survival
        From ``disclosure.clear_survival``: the days that may be told.
    words : Words
    source : str
        Where the data come from.
    significance : float
        Of the test of the means.
    """
    base = f"{slug(survival.analysis)}.survival"
    subtitle = f"Share of {words.people} who have not yet reoffended, by day of the follow-up year"
    days = [counted(f"{base}.{day}.day", day, "days") for day in survival.days]
    shown = {
        name: [
            percentage(f"{base}.{day}.{name}", value)
            for day, value in zip(survival.days, getattr(survival, name), strict=True)
        ]
        for name, _, _ in _GROUPS
    }
    rows = tuple(zip(days, *shown.values(), strict=True))
    return Chart(
        "survival-chart",
        Sentence.of(_survival_title(survival, words, significance)),
        subtitle,
        _survival_alt(days, shown),
        _drawn_survival(days, shown, words) if days else _withheld("survival-chart"),
        source,
        Table(
            "survival-chart-data",
            subtitle,
            ("Day of the follow-up year", *(label for _, label, _ in _GROUPS)),
            rows or (("[c]", "[c]", "[c]"),),
            _SURVIVAL_NOTES,
        ),
    )


_SURVIVAL_NOTES = (
    "The comparison group is weighted. Days are left out until enough people have reoffended "
    "between two that are told.",
)


def _survival_title(survival: Survival, words: Words, significance: float) -> str:
    if survival.reason is not None or not survival.days:
        return "Time without reoffence: no result to show"
    if survival.p_value is None or survival.difference is None:
        return "Time without reoffence: no conclusion can be drawn"
    if survival.p_value > significance:
        return f"More {words.people} needed to tell whether timing differed"
    more = "more" if survival.difference > 0 else "less"
    return f"The treatment group spent {more} time without reoffending"


def _survival_alt(days: Sequence[Figure], shown: Mapping[str, Sequence[Figure]]) -> Sentence:
    if not days:
        return Sentence.of("No chart is drawn, because the result is withheld.")
    parts: list[Part] = [
        "Two falling lines of the share who have not yet reoffended, from all on the first day"
    ]
    places = range(1, len(days))
    for place in sorted({places[len(places) // 2], places[-1]}):
        parts += [
            "; by day ",
            days[place],
            ", ",
            shown["treatment"][place],
            " of the treatment group and ",
            shown["comparison"][place],
            " of the comparison group",
        ]
    return Sentence.of(*parts, ".")


def _drawn_survival(
    days: Sequence[Figure], shown: Mapping[str, Sequence[Figure]], words: Words
) -> str:
    top, bottom = 30.0, 250.0
    canvas = Canvas(bottom + 42)
    across, upward = Scale(0, 365, 42, PLOT - 6), Scale(0, 1, bottom, top)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        canvas.line([across.left, across.right], [upward(tick)] * 2, PALE)
        canvas.text(36, upward(tick) + 4, f"{tick:.0%}", size=11, align="right")
    canvas.text(0, 13, f"Share of {words.people} not yet reoffended", size=11)
    xs = [across(_of(day)) for day in days]
    for (name, _, colour), dashed in zip(_GROUPS, (False, True), strict=True):
        ys = [upward(_of(value)) for value in shown[name]]
        canvas.line(xs, ys, colour, thick=2.5, dashed=dashed)
        canvas.marks(xs[1:], ys[1:], "o" if not dashed else "s", colour, size=6)
    _survival_ends(canvas, upward, shown)
    _axis(canvas, across, [0, 90, 180, 270, 365], bottom, "Day of the follow-up year")
    return canvas.svg("survival-chart")


def _survival_ends(canvas: Canvas, upward: Scale, shown: Mapping[str, Sequence[Figure]]) -> None:
    """Name each line at its end, the two apart from each other."""
    ends = sorted(
        ((upward(_of(shown[name][-1])), name, label) for name, label, _ in _GROUPS),
    )
    first = min(max(ends[0][0], 40.0), 180.0)
    ys = (first, max(min(ends[1][0], 226.0), first + 46))
    for y, (_, name, label) in zip(ys, ends, strict=True):
        canvas.text(PLOT + 6, y, shown[name][-1], size=16, bold=True)
        canvas.text(PLOT + 6, y + 14, label.split()[0], size=11, bold=True)
        canvas.text(PLOT + 6, y + 26, "group", size=11, bold=True)


# --- Losses and balance --------------------------------------------------------------------------


def funnel_chart(
    funnel: pd.DataFrame, *, words: Words, analysis: str = "headline", source: str
) -> Chart:
    """Draw how many people remain after each reason for loss.

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
    title = Sentence.of(last_figure, " of the ", first_figure, " people submitted were analysed")
    if len(rows) == 1:
        title = Sentence.of("All ", first_figure, " people submitted were analysed")
    alt = Sentence.of(
        "Funnel from the ",
        first_figure,
        f" people submitted, through {'each reason' if len(rows) > 1 else 'no reason'} for leaving "
        "the analysis, to the ",
        last_figure,
        f" {words.count(last_figure)} analysed, ",
        part,
        " of those submitted.",
    )
    return Chart(
        "funnel-chart",
        title,
        "Number remaining after each reason for leaving the analysis",
        alt,
        _drawn_funnel(base, rows, start),
        source,
        replace(funnel_table(funnel, analysis=analysis), id="funnel-chart-data"),
    )


def _drawn_funnel(base: str, rows: Sequence[Mapping[Any, Any]], start: int) -> str:
    labels = [wrapped(capital(str(row["reason"])), PLOT - 90, 12) for row in rows]
    canvas = Canvas(sum(15 * len(lines) + 28 for lines in labels) + 22)
    scale = Scale(0, max(start, 1))
    canvas.text(PLOT - 6, 13, "Leaving", size=11, align="right")
    canvas.text(WIDTH, 13, "Remaining", size=11, align="right")
    top = 20.0
    for place, (row, lines) in enumerate(zip(rows, labels, strict=True)):
        _funnel_step(canvas, scale, f"{base}.{place}", row, lines, top, start)
        top += 15 * len(lines) + 28
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
        top += 15
        canvas.text(0, top, line)
    remaining = counted(f"{name}.remaining", row["remaining"])
    left = counted(f"{name}.removed", row["removed"])
    canvas.box(0, top + 5, scale(start), 16, PALE)
    canvas.box(0, top + 5, scale(_of(remaining)), 16, BLUE)
    canvas.box(scale(_of(remaining)), top + 5, scale(_of(left)), 16, ORANGE)
    if row["step"]:
        canvas.text(PLOT - 6, top, left, align="right")
    canvas.text(WIDTH, top + 4, remaining, size=14, bold=True, align="right")
    canvas.text(
        WIDTH,
        top + 19,
        share(f"{name}.remaining.share", row["remaining"], start),
        size=11,
        align="right",
    )


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
    _grid(canvas, scale, ticks, 40, bottom)
    _bands(canvas, scale, bottom, base)
    top, ys = 48.0, []
    for lines in names:
        for place, line in enumerate(lines):
            canvas.text(0, top + 9 + 12 * place, line, size=10)
        ys.append(top + 6 * len(lines))
        top += 12 * len(lines) + 5
    canvas.marks([scale(v) for v in before], ys, "D", ORANGE, hollow=True, size=5.5)
    canvas.marks([scale(v) for v in after], ys, "o", BLUE, size=8)
    _legend(
        canvas,
        [("D", ORANGE, True, "Before matching"), ("o", BLUE, False, "After matching")],
        _LABELS,
        13,
    )
    beyond = "; larger ones are drawn at the edge" if high > scale.high else ""
    _axis(canvas, scale, ticks, bottom, f"Standardised difference, per cent{beyond}")
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


def _legend(
    canvas: Canvas,
    entries: Sequence[tuple[str, str, bool, str]],
    x: float,
    y: float,
    *,
    size: float = 8,
) -> None:
    for shape, colour, hollow, label in entries:
        canvas.marks([x + 6], [y - 4], shape, colour, hollow=hollow, size=size)
        canvas.text(x + 16, y, label, size=11)
        x += 16 + width_of(label, 11) + 16


# --- Linkage -------------------------------------------------------------------------------------

_TOLD = 196


def weights_chart(weights: pd.DataFrame, *, source: str) -> Chart:
    """Draw how much each kind of agreement speaks for or against a link.

    Parameters
    ----------
    weights : DataFrame
        From ``linkage.weights``: field, level, m, u and weight in bits; no value of anybody. What
        is told is rounded as printed.
    source : str
        Where the data come from.
    """
    rows = [_weight_row(row) for row in weights.to_dict("records")]
    most, least = (pick(rows, key=lambda row: _of(row.weight)) for pick in (max, min))
    fields = counted("weights.fields", weights["field"].nunique(), "fields")
    return Chart(
        "weights-chart",
        Sentence.of(f"{most.told} speaks most strongly for a link"),
        "Match weight of each kind of agreement, in bits: one bit more doubles the odds",
        Sentence.of(
            "Bars of the match weight of each kind of agreement, for ",
            fields,
            f" {plural(fields, 'field', 'fields')}. The strongest for a link is {most.named}, ",
            most.weight,
            f" bits; the strongest against one is {least.named}, ",
            least.weight,
            " bits.",
        ),
        _drawn_weights(rows),
        source,
        Table(
            "weights-chart-data",
            "What each kind of agreement is worth",
            (
                "Field",
                "How far two records agree",
                "Of pairs that are one person",
                "Of pairs that are two people, one in",
                "Match weight, bits",
            ),
            tuple((row.field, row.level, row.m, row.u, row.weight) for row in rows),
            (
                "The match weight is the logarithm to base two of the first share divided by the "
                "second. What is the same counts for more where it is rare; this is the weight "
                "before that.",
            ),
        ),
    )


@dataclass(frozen=True)
class _Weight:
    """What is told of one kind of agreement."""

    field: str
    level: str
    m: Figure
    u: Figure
    weight: Figure

    @property
    def named(self) -> str:
        """The field and the kind, within a sentence."""
        return f"{_lower(self.field)}, {_lower(self.level)}"

    @property
    def told(self) -> str:
        """The same to begin a sentence with."""
        same = self.level == capital(LEVELS["exact"])
        return f"The same {_lower(self.field)}" if same else capital(self.named)


def _lower(text: str) -> str:
    return text if text[:2].isupper() else f"{text[:1].lower()}{text[1:]}"


def _weight_row(row: Mapping[Any, Any]) -> _Weight:
    name = f"weights.{slug(row['field'])}.{slug(row['level'])}"
    share_of_same = round(row["m"], 2)
    pairs = float(f"{1 / row['u']:.2g}")
    return _Weight(
        capital(FIELDS.get(row["field"], row["field"])),
        capital(level_of(row["level"])),
        Figure(
            f"{name}.m",
            share_of_same,
            "proportion",
            percentage(name, share_of_same).text if share_of_same else "<1%",
        ),
        Figure(f"{name}.u", pairs, "pairs", number(pairs, 1 if pairs < 9.5 else 0)),
        signed(f"{name}.weight", row["weight"], "bits"),
    )


def _drawn_weights(rows: Sequence[_Weight]) -> str:
    lines = [wrapped(row.level, _TOLD - 14, 10) for row in rows]
    firsts = [
        place for place, row in enumerate(rows) if row.field != rows[place - 1].field or not place
    ]
    bottom = 26 + 22 * len(firsts) + sum(12 * len(line) + 4 for line in lines)
    canvas = Canvas(bottom + 42)
    scale = _scale_of_bits([_of(row.weight) for row in rows])
    ticks = _ticks_of_bits(scale)
    _grid(canvas, scale, ticks, 22, bottom)
    _sides_of_nought(canvas, scale)
    top = 26.0
    for place, (row, words) in enumerate(zip(rows, lines, strict=True)):
        if place in firsts:
            canvas.text(0, top + 15, row.field, bold=True)
            top += 22
        _bits(canvas, scale, row.weight, words, top)
        top += 12 * len(words) + 4
    canvas.line([scale(0)] * 2, [22, bottom], INK)
    _axis(canvas, scale, ticks, bottom, "Match weight, bits")
    return canvas.svg("weights-chart")


def _scale_of_bits(values: Sequence[float]) -> Scale:
    low = 10 * math.floor(min([*values, -1]) / 10)
    high = 10 * math.ceil(max([*values, 1]) / 10)
    return Scale(low, high, _TOLD, WIDTH - 62)


def _ticks_of_bits(scale: Scale) -> list[float]:
    step = 10 if scale.high - scale.low <= 60 else 20
    return [tick for tick in range(int(scale.low), int(scale.high) + 1, 10) if tick % step == 0]


def _sides_of_nought(canvas: Canvas, scale: Scale) -> None:
    canvas.text(scale(0) - 6, 13, "Speaks against", size=11, bold=True, align="right")
    canvas.text(scale(0) + 6, 13, "Speaks for", size=11, bold=True)


def _bits(
    canvas: Canvas,
    scale: Scale,
    weight: Figure,
    words: Sequence[str],
    top: float,
) -> None:
    """Draw one bar from nought, its words to the left and its number to the right."""
    for place, line in enumerate(words):
        canvas.text(10, top + 10 + 12 * place, line, size=10)
    value = _of(weight)
    left, right = sorted((scale(0), scale(value)))
    middle = top + 6 * len(words)
    canvas.box(left, middle - 4, right - left, 10, BLUE if value > 0 else ORANGE)
    canvas.text(WIDTH, middle + 5, weight, size=11, align="right")


def waterfall_chart(levels: pd.DataFrame, prior: float, posterior: float, *, source: str) -> Chart:
    """Draw how the evidence on one link adds up: levels of agreement only, no value of anybody.

    Parameters
    ----------
    levels : DataFrame
        field, level and weight in bits, as ``linkage.score`` gives them for one pair. How rare a
        name is shows as one of three classes, see ``disclosure.hide_rarity``, in the bars and in
        their sum alike.
    prior : float
        The probability of the pair before anything is compared.
    posterior : float
        The probability after it, among all candidates; told as a range.
    source : str
        Where the data come from.

    Returns
    -------
    Chart
        For the restricted folder and for training; its figures belong to no register.
    """
    rows = _evidence(levels, prior)
    told = _certainty(posterior)
    parts = [part for row in rows[1:-1] for part in (f"{row.named}: ", row.weight, "; ")]
    return Chart(
        "waterfall-chart",
        Sentence.of(_verdict(posterior)),
        "Evidence for and against one link, in bits: one bit more doubles the odds",
        Sentence.of(
            "Waterfall of the evidence in bits. Before anything is compared: ",
            rows[0].weight,
            "; ",
            *parts,
            "in all ",
            rows[-1].weight,
            ". The probability of the link is ",
            told,
            ".",
        ),
        _drawn_waterfall(rows, told),
        source,
        Table(
            "waterfall-chart-data",
            "How the evidence on one link adds up",
            ("Step", "How far the two records agree", "Evidence, bits"),
            tuple((row.field, row.level or NOT_APPLICABLE, row.weight) for row in rows),
            (
                "A name that is the same has the weight of its class: common, uncommon or rare. "
                "The sum is that of what is shown; the probability weighs other candidates too.",
            ),
        ),
    )


@dataclass(frozen=True)
class _Evidence:
    """One step of a waterfall: from `start` to `end`, in bits."""

    field: str
    level: str
    weight: Figure
    start: float
    end: float

    @property
    def named(self) -> str:
        """The field and the level, within a sentence."""
        return f"{_lower(self.field)}, {_lower(self.level)}"


def _evidence(levels: pd.DataFrame, prior: float) -> list[_Evidence]:
    first = signed("waterfall.prior", math.log2(prior / (1 - prior)), "bits")
    at = _of(first)
    rows = [_Evidence("Before anything is compared", "", first, 0, at)]
    for row in disclosure.hide_rarity(levels).to_dict("records"):
        weight = signed(f"waterfall.{slug(row['field'])}", row["weight"], "bits")
        level = level_of(row["level"])
        if row["rarity"]:
            level = f"{level}, and {row['rarity']}"
        name = capital(FIELDS.get(row["field"], row["field"]))
        rows.append(_Evidence(name, capital(level), weight, at, at + _of(weight)))
        at += _of(weight)
    return [*rows, _Evidence("In all", "", signed("waterfall.total", at, "bits"), 0, at)]


_CERTAINTIES = (0.05, 0.5, 0.8, 0.95, 0.99)
"""Where one range of probability ends and the next begins."""


def _certainty(posterior: float) -> Figure:
    """Return the range in which a probability lies; the probability itself could tell a name."""
    below = max((edge for edge in _CERTAINTIES if edge <= posterior), default=0.0)
    above = min((edge for edge in _CERTAINTIES if edge > posterior), default=1.0)
    low, high = (number(edge, 0, 100) for edge in (below, above))
    text = f"{low}% to {high}%" if below else f"less than {high}%"
    return Figure(
        "waterfall.posterior", below, "proportion", f"{low}% or more" if above == 1 else text
    )


def _verdict(posterior: float) -> str:
    if posterior >= _CERTAINTIES[-2]:
        return "The evidence speaks for this link"
    if posterior < _CERTAINTIES[0]:
        return "The evidence speaks against this link"
    return "The evidence does not settle this link"


def _drawn_waterfall(rows: Sequence[_Evidence], told: Figure) -> str:
    lines = [wrapped(row.level, _TOLD - 14, 10) for row in rows]
    heights = [30 + 12 * (len(words) - 1) + 4 for words in lines]
    bottom = 26 + sum(heights)
    canvas = Canvas(bottom + 66)
    scale = _scale_of_bits([row.end for row in rows])
    ticks = _ticks_of_bits(scale)
    _grid(canvas, scale, ticks, 22, bottom)
    _sides_of_nought(canvas, scale)
    canvas.line([scale(0)] * 2, [22, bottom], INK)
    top = 26.0
    for place, (row, words, high) in enumerate(zip(rows, lines, heights, strict=True)):
        canvas.text(0, top + 13, row.field, size=11, bold=True)
        for line, word in enumerate(words):
            canvas.text(0, top + 25 + 12 * line, word, size=10)
        left, right = sorted((scale(row.start), scale(row.end)))
        colour = BLUE if _of(row.weight) > 0 else ORANGE
        ends = place in (0, len(rows) - 1)
        canvas.box(left, top + 4, right - left, 16, GREY if ends else colour)
        if place < len(rows) - 1:
            below = top + (20 if right > left else 4)
            canvas.line([scale(row.end)] * 2, [below, top + high + 4], INK, dashed=True)
        canvas.text(WIDTH, top + 17, row.weight, size=12, bold=ends, align="right")
        top += high
    _axis(canvas, scale, ticks, bottom, "Evidence added up, bits")
    canvas.text(0, bottom + 58, "Probability that the two are one person: ", told, size=12)
    return canvas.svg("waterfall-chart")


# --- The bulletin --------------------------------------------------------------------------------

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
    _grid(canvas, across, ticks, top, bottom)
    for size in sizes:
        y = upward(math.log(size))
        canvas.line([across.left, across.right], [y, y], PALE)
        canvas.text(across.left - 6, y + 4, number(size), size=11, align="right")
    canvas.line([across(0)] * 2, [top, bottom], INK)
    _legend(canvas, list(_MARKS.values()), 0, 13, size=6)
    canvas.text(0, 34, "People in the treatment group", size=11)
    canvas.text(across(0) - 6, 51, "Fewer reoffended", size=11, bold=True, align="right")
    canvas.text(across(0) + 6, 51, "More reoffended", size=11, bold=True)
    for name in ("inconclusive", "reduction", "increase"):
        _points(canvas, drawn.loc[drawn["rate_result"] == name], name, across, upward)
    ends = "; longer intervals are cut off" if longest > reach else ", with intervals"
    label = f"Difference in the reoffending rate, percentage points{ends}"
    _axis(canvas, across, ticks, bottom, label)
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
        _grid(canvas, scale, ticks, 50 + 44 * place, 68 + 44 * place)
        figures = _row_figures(column, str(value), row)
        _counted_row(canvas, scale, capital(proper(str(value))), figures, 30 + 44 * place)
    _axis(canvas, scale, ticks, bottom, "Number of analyses")
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
        wide = scale(_of(figures[which]))
        canvas.box(start, top + 20, max(wide - 1.5, 0), 18, _COLOURS[which])
        start += wide
