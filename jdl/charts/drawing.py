"""What every chart is drawn with: canvas, labels, scales, and the two groups.

One grid of pixels, the labels in columns and lines of their own, so that none can cover another.
"""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path

from jdl.figures import Figure, Part, Sentence

COLUMN = 336
"""The width of a drawing that is legible without scrolling where a window is 320 pixels wide."""
TEXT = 13
"""The size of its text: there is none smaller."""
LINE = 17
"""From one line of its text to the next."""
MARGIN = 1
BLUE, ORANGE, GREY, PALE, INK = "#12436d", "#f46a25", "#6b7276", "#e8e8e8", "#0b0c0c"
FONT = "Arial,Helvetica,sans-serif"

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "jdl",
    "path.simplify": False,
    "font.family": "DejaVu Sans",
}


class Canvas:
    """A drawing as wide as a column, of `height` pixels, its origin at the top left.

    Parameters
    ----------
    height : float
    """

    def __init__(self, height: float) -> None:
        self._drawing = Drawing(figsize=(COLUMN / 72, height / 72), dpi=72)
        FigureCanvasSVG(self._drawing)
        self._axes = self._drawing.add_axes((0, 0, 1, 1))
        self._axes.set(xlim=(0, COLUMN), ylim=(height, 0))
        self._axes.set_axis_off()
        self._written: list[tuple[tuple[Part, ...], str]] = []
        self.texts: list[tuple[float, float, float, float]] = []

    def text(
        self,
        x: float,
        y: float,
        *parts: Part,
        size: float = TEXT,
        bold: bool = False,
        align: str = "left",
        scale: str = "",
    ) -> None:
        """Write one line, its baseline at y; each figure in it carries its name in the register.

        A number that is no figure is a step of a scale, which `scale` names: x across, y upward.
        """
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
        self._written.append((parts, scale))

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

    def dots(
        self,
        rows: Sequence[tuple[float, float, int]],
        apart: float,
        thick: float,
        colour: str,
    ) -> None:
        """Draw rows of round dots, each (left, middle, how many), as one dotted line."""
        nan = math.nan
        self._axes.plot(
            [x for left, _, many in rows for x in (left, left + apart * (many - 1) + 0.1, nan)],
            [y for _, middle, _ in rows for y in (middle, middle, nan)],
            color=colour,
            lw=thick,
            ls=(0, (0, apart / thick)),
            dash_capstyle="round",
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
    """Break a text into lines that are at most `room` pixels wide, and a longer word within."""
    lines = [""]
    words = (part for word in text.split() for part in _broken(word, room, size))
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer, size) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _broken(word: str, room: float, size: float) -> list[str]:
    if width_of(word, size) <= room:
        return [word]
    end = next(n for n in range(len(word), 0, -1) if n == 1 or width_of(word[:n], size) <= room)
    return [word[:end], *_broken(word[end:], room, size)] if word[end:] else [word]


def _tidied(svg: str, prefix: str, written: Sequence[tuple[tuple[Part, ...], str]]) -> str:
    """Strip what no reader needs, name figures and ids, shorten numbers, and let the rest scale."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.S)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r">\s+<", "><", svg.strip())
    svg = re.sub(
        r'<g id="text:(\d+)">(<text[^>]*>)[^<]*</text></g>',
        lambda m: _written_out(m[2], *written[int(m[1])]),
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
    return f"{-MARGIN} 0 {COLUMN + 2 * MARGIN} {height}"


def _written_out(tag: str, parts: tuple[Part, ...], scale: str) -> str:
    mark = f' data-scale="{scale}">' if scale else ">"
    return f"{tag[:-1]}{mark}{_spans(parts)}</text>"


def _spans(parts: tuple[Part, ...]) -> str:
    return "".join(
        escape(part, quote=False)
        if isinstance(part, str)
        else f'<tspan data-figure="{part.id}">{escape(part.text, quote=False)}</tspan>'
        + escape(part.printed.removeprefix(part.text), quote=False)
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
    right: float = COLUMN

    def __call__(self, value: float) -> float:
        """Return the pixel of a value; one beyond an end lies on it."""
        inside = min(max(value, self.low), self.high)
        return self.left + (inside - self.low) / (self.high - self.low) * (self.right - self.left)


def steps(high: float, most: int = 6) -> list[float]:
    """Return round numbers from nought to the first at or above `high`, at most `most` steps."""
    size = 10.0 ** math.floor(math.log10(high)) if high > 0 else 1.0
    step = next(s for s in (size * f for f in (0.1, 0.2, 0.5, 1, 2, 5, 10)) if high / s <= most)
    return [place * step for place in range(math.ceil(high / step - 1e-9) + 1)]


def axis(canvas: Canvas, scale: Scale, ticks: Sequence[float], y: float, label: str) -> None:
    """Write the scale below a plot; its grid is drawn first, by `grid`."""
    for tick in ticks:
        words = f"{tick:,g}"
        half = width_of(words, TEXT) / 2
        x = min(max(scale(tick), half), COLUMN - half)
        canvas.text(x, y + 16, words, align="center", scale="x")
    for place, line in enumerate(wrapped(label, COLUMN - 4, TEXT)):
        left = min(scale.left, COLUMN - width_of(line, TEXT) - 2)
        canvas.text(max(left, 0), y + 34 + LINE * place, line)


def below(label: str) -> float:
    """Return how much room the scale and this label take below a plot."""
    return 24 + LINE * len(wrapped(label, COLUMN - 4, TEXT))


def grid(canvas: Canvas, scale: Scale, ticks: Sequence[float], top: float, bottom: float) -> None:
    """Draw a pale line at each tick, from top to bottom."""
    for tick in ticks:
        canvas.line([scale(tick)] * 2, [top, bottom], PALE)


def legend(
    canvas: Canvas,
    entries: Sequence[tuple[str, str, bool, str]],
    x: float,
    y: float,
    *,
    size: float = 8,
) -> None:
    """Write a mark and its name, one after the other, on as many lines as that takes."""
    start = x
    for shape, colour, hollow, label in entries:
        if x > start and x + 16 + width_of(label, TEXT) > COLUMN:
            x, y = start, y + LINE
        canvas.marks([x + 6], [y - 4], shape, colour, hollow=hollow, size=size)
        canvas.text(x + 16, y, label)
        x += 16 + width_of(label, TEXT) + 16


def colour_key(canvas: Canvas, lines: Sequence[Sequence[tuple[str, str]]]) -> None:
    """Say what each colour stands for, in lines of colours and labels."""
    for place, entries in enumerate(lines):
        x = 0.0
        for colour, label in entries:
            canvas.box(x, 4 + LINE * place, 11, 11, colour)
            canvas.text(x + 16, 14 + LINE * place, label)
            x += 32 + width_of(label, TEXT)


def stacked_bar(
    canvas: Canvas, scale: Scale, parts: Sequence[tuple[Figure, str]], top: float, high: float
) -> None:
    """Draw figures one after the other in their colours."""
    start = 0.0
    for figure, colour in parts:
        end = start + value_of(figure)
        canvas.box(scale(start), top, max(scale(end) - scale(start) - 1.5, 0), high, colour)
        start = end


GROUPS = (("treatment", "Treatment group", BLUE), ("comparison", "Comparison group", ORANGE))


def value_of(figure: Figure) -> float:
    """Return a figure's value to draw with; one that is withheld has nought."""
    return float(figure.value or 0)


def withheld(name: str) -> str:
    """Return a drawing that says a result is withheld."""
    canvas = Canvas(40)
    canvas.text(0, 24, "[c] This result is withheld.")
    return canvas.svg(name)
