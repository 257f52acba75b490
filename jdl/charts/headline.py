"""The headline measures: rate, frequency and time in two groups, with intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

from jdl.charts.drawing import (
    BLUE,
    COLUMN,
    GREY,
    GROUPS,
    INK,
    PALE,
    Canvas,
    Scale,
    axis,
    below,
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
    per_hundred,
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
            "Those who reoffended did so earlier",
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
    return _two_groups(effect, words, steps(max(high, 1), 4), source, significance)


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
    return _two_groups(effect, words, [0, 90, 180, 270, 365], source, significance)


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
        alt: tuple[Part, ...] = ("No chart is drawn, because the result is withheld.",)
    else:
        svg = _drawn_groups(effect, told, shown, ticks, words, interval)
        alt = _group_alt(effect, told, shown, interval)
    title = _title(effect, told)
    return Chart(told.id, title, told.subtitle, Sentence(alt), svg, source, table)


def _title(effect: Effect, told: _Told) -> Sentence:
    """Return the finding."""
    side = direction(effect)
    title = {"lower": told.fewer, "higher": told.more}.get(side or "", told.unclear)
    if not is_reported(effect):
        title = f"{ALL[effect.measure].label}: no result to show"
    elif side is None and not has_range(effect):
        title = f"{ALL[effect.measure].label}: no conclusion can be drawn"
    return Sentence.of(title)


def _group_figures(effect: Effect, name: str, told: _Told) -> tuple[Figure, Figure, Figure]:
    """Return the mean and its limits as drawn."""
    group = getattr(effect, name)
    base = f"{name_of(effect)}.{name}"
    suffix = "told" if kind_of(effect) == "days" else "per100"
    return (
        per_hundred(effect, name, group.mean),
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


_ROW = 76


def _drawn_groups(
    effect: Effect,
    told: _Told,
    shown: Mapping[str, Sequence[Figure]],
    ticks: Sequence[float],
    words: Words,
    interval: str,
) -> str:
    top, bottom = 22.0, 22.0 + 2 * _ROW - 10
    canvas = Canvas(bottom + below(told.axis))
    scale = Scale(ticks[0], ticks[-1], 0, COLUMN)
    _key(canvas, interval)
    for name, label, colour in GROUPS:
        size = group_size(effect, name)
        grid(canvas, scale, ticks, top + 38, top + 66)
        canvas.text(0, top + 15, label, bold=True)
        canvas.text(0, top + 32, size, f" {_sized(effect, name, size, words)}")
        _value(canvas, shown[name], top)
        draw = _time_line if kind_of(effect) == "days" else _bar
        draw(canvas, scale, shown[name], top + 52, colour)
        top += _ROW
    axis(canvas, scale, ticks, bottom, told.axis)
    return canvas.svg(told.id)


def _key(canvas: Canvas, interval: str) -> None:
    """Say what the line with two ends is."""
    _ended(canvas, 1, 23, 9)
    canvas.text(30, 14, interval)


def _bar(canvas: Canvas, scale: Scale, shown: Sequence[Figure], middle: float, colour: str) -> None:
    canvas.box(scale(0), middle - 11, scale(value_of(shown[0])) - scale(0), 22, colour)
    _whisker(canvas, scale, shown, middle)


def _time_line(
    canvas: Canvas, scale: Scale, shown: Sequence[Figure], middle: float, colour: str
) -> None:
    canvas.line([scale(scale.low), scale(scale.high)], [middle] * 2, PALE, thick=8)
    canvas.line([scale(scale.low), scale(value_of(shown[0]))], [middle] * 2, colour, thick=8)
    canvas.marks([scale(value_of(shown[0]))], [middle], "o", colour, size=16)
    _whisker(canvas, scale, shown, middle)


def _whisker(canvas: Canvas, scale: Scale, shown: Sequence[Figure], y: float) -> None:
    if not (shown[1].suppressed or shown[2].suppressed):
        _ended(canvas, scale(value_of(shown[1])), scale(value_of(shown[2])), y)


def _ended(canvas: Canvas, low: float, high: float, y: float) -> None:
    """Draw a line with an end to either side, legible on any colour."""
    nan = math.nan
    xs = [low, high, nan, low, low, nan, high, high]
    ys = [y, y, nan, y - 5, y + 5, nan, y - 5, y + 5]
    canvas.line(xs, ys, "white", thick=4)
    canvas.line(xs, ys, INK, thick=1.5)


def _value(canvas: Canvas, shown: Sequence[Figure], top: float) -> None:
    """Write the value and its interval above the right end of the plot."""
    canvas.text(COLUMN, top + 15, shown[0], size=17, bold=True, align="right")
    if not shown[1].suppressed:
        canvas.text(COLUMN, top + 32, shown[1], " to ", shown[2], align="right")


# --- A hundred people ----------------------------------------------------------------------------

_TENS, _ACROSS, _DOWN = 10, 15.5, 21.0


def hundred_chart(effects: Mapping[str, Effect], *, words: Words, source: str) -> Chart:
    """Draw a hundred typical people of each group, and how many of them reoffended.

    Parameters
    ----------
    effects : mapping of str to Effect
        Cleared, by measure; the rate is drawn.
    words : Words
    source : str
        Where the data come from.
    """
    effect = effects["rate"]
    told = _told(effect, words)
    shown = {name: _group_figures(effect, name, told) for name, _, _ in GROUPS}
    subtitle = f"Of 100 typical {words.people} in each group, those who reoffended within one year"
    table = Table(
        "summary-chart-data",
        f"Typical {words.people} who reoffended within one year",
        ("Group", f"{capital(words.people)} who reoffended, of a hundred"),
        tuple((_PLAIN[name], shown[name][0]) for name, _, _ in GROUPS),
    )
    title, svg = _plain_title(effect, told, words), withheld("summary-chart")
    alt = Sentence.of("No picture is drawn, because the result is withheld.")
    if is_reported(effect):
        svg = _drawn_hundred(shown)
        alt = Sentence.of(
            f"Two blocks of 100 {words.people}: ",
            shown["treatment"][0],
            " of 100 who took part reoffended, and ",
            shown["comparison"][0],
            " of 100 in the comparison group.",
        )
    return Chart("summary-chart", title, subtitle, alt, svg, source, table)


_PLAIN = {"treatment": "Those who took part", "comparison": "Comparison group"}


def _plain_title(effect: Effect, told: _Told, words: Words) -> Sentence:
    """Return the finding on the rate for a reader who has not met the names of the groups."""
    amount = {"lower": "smaller", "higher": "larger"}.get(direction(effect) or "")
    if not is_reported(effect) or amount is None:
        return _title(effect, told)
    return Sentence.of(f"A {amount} share of {words.people} who took part reoffended")


def _drawn_hundred(shown: Mapping[str, Sequence[Figure]]) -> str:
    bottom = 46.0 + _DOWN * _TENS
    canvas = Canvas(bottom + 30)
    right = COLUMN - _ACROSS * _TENS + 2
    for left, (name, _, _) in zip((0, right), GROUPS, strict=True):
        canvas.text(left, 13, _PLAIN[name], bold=True)
        canvas.text(left, 36, shown[name][0], " of 100", size=17, bold=True)
        filled = round(value_of(shown[name][0]))
        many = [min(max(filled - _TENS * row, 0), _TENS) for row in range(_TENS)]
        tops = [46 + _DOWN * row for row in range(_TENS)]
        _people(canvas, zip(repeat(left), tops, many), filled=True)
        rest = ((left + _ACROSS * n, y, _TENS - n) for y, n in zip(tops, many, strict=True))
        _people(canvas, rest, filled=False)
    for left, filled, label in ((0, True, "Reoffended"), (right, False, "Did not reoffend")):
        _people(canvas, [(left, bottom + 8, 1)], filled=filled)
        canvas.text(left + 20, bottom + 22, label)
    return canvas.svg("summary-chart")


def _people(canvas: Canvas, rows: Iterable[tuple[float, float, int]], *, filled: bool) -> None:
    """Draw rows of people, each (left, top, how many): a head and shoulders, filled or hollow."""
    kept = [(left + 7, top, many) for left, top, many in rows if many]
    if not kept:
        return
    for down, thick in ((3.5, 6.5), (12.0, 10.0)):
        placed = [(x, top + down, many) for x, top, many in kept]
        canvas.dots(placed, _ACROSS, thick, BLUE if filled else GREY)
        if not filled:
            canvas.dots(placed, _ACROSS, thick - 2.5, "white")
