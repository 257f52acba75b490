"""The headline measures: rate, frequency and time in two groups, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jdl.charts.drawing import (
    GROUPS,
    INK,
    PALE,
    WIDTH,
    Canvas,
    Scale,
    axis,
    grid,
    steps,
    value_of,
    withheld,
)
from jdl.effects import ALL, Effect
from jdl.figures import Cell, Chart, Figure, Group, Part, Sentence, Table
from jdl.wording import (
    Words,
    capital,
    confidence,
    direction,
    group_size,
    has_range,
    is_reported,
    kind_of,
    name_of,
    plural,
    scaled,
)


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
    shown = {name: _group_figures(effect, name, told) for name, _, _ in GROUPS}
    table = _group_table(effect, told, shown, interval)
    if not is_reported(effect):
        svg = withheld(told.id)
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
        (label, group_size(effect, name), *shown[name]) for name, label, _ in GROUPS
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
    for place, (name, label, colour) in enumerate(GROUPS):
        top = place * _ROW + 2
        grid(canvas, scale, ticks, top + 22, top + 48)
        size = group_size(effect, name)
        canvas.text(
            0, top + 13, f"{label} (", size, f" {_sized(effect, name, size, words)})", bold=True
        )
        if kind_of(effect) == "days":
            _time_line(canvas, scale, shown[name], top + 22, colour)
        else:
            _bar(canvas, scale, shown[name], top + 22, colour)
        _value(canvas, shown[name], top + 22)
    axis(canvas, scale, ticks, bottom, told.axis)
    canvas.text(WIDTH, 15, interval, size=11, align="right")
    return canvas.svg(told.id)


def _bar(canvas: Canvas, scale: Scale, shown: Sequence[Figure], top: float, colour: str) -> None:
    canvas.box(scale(0), top, scale(value_of(shown[0])) - scale(0), 26, colour)
    _whisker(canvas, scale, shown, top + 13)


def _time_line(
    canvas: Canvas, scale: Scale, shown: Sequence[Figure], top: float, colour: str
) -> None:
    middle = top + 13
    canvas.line([scale(scale.low), scale(scale.high)], [middle] * 2, PALE, thick=8)
    canvas.line([scale(scale.low), scale(value_of(shown[0]))], [middle] * 2, colour, thick=8)
    canvas.marks([scale(value_of(shown[0]))], [middle], "o", colour, size=16)
    _whisker(canvas, scale, shown, middle)


def _whisker(canvas: Canvas, scale: Scale, shown: Sequence[Figure], y: float) -> None:
    if shown[1].suppressed or shown[2].suppressed:
        return
    low, high = scale(value_of(shown[1])), scale(value_of(shown[2]))
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
