"""The pooled view: the average of each type of intervention with its two intervals."""

from __future__ import annotations

from collections.abc import Sequence

from jdl.charts.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    WIDTH,
    Canvas,
    Scale,
    axis,
    grid,
    legend,
    steps,
    value_of,
    width_of,
)
from jdl.figures import Chart, Figure, Part, Sentence
from jdl.pooled import Pooled, Synthesis
from jdl.tables import pooled_figure, pooled_table
from jdl.wording import capital, confidence, counted, plural, proper, slug

_ROW, _TOP = 44.0, 66.0
_MARKS = {
    "lower": ("o", BLUE, False, "Clearly lower"),
    "not clear": ("D", GREY, True, "Not clear"),
    "higher": ("s", ORANGE, False, "Clearly higher"),
}


def pooled_chart(types: Sequence[Pooled], *, source: str, significance: float = 0.05) -> Chart:
    """Draw the average difference of each type, its interval, and that of another programme.

    Parameters
    ----------
    types : sequence of Pooled
        From ``pooled.by_type``; those not put together are left out.
    source : str
        Where the data come from.
    significance : float
        One minus the level of the intervals.
    """
    drawn = [(each, each.synthesis) for each in types if each.synthesis]
    alt: list[Part] = ["Forest plot of the average difference of each type of intervention."]
    for each, told in drawn:
        alt += _described(each, told)
    return Chart(
        "pooled-chart",
        _title([each for each, _ in drawn]),
        f"Average difference in the one-year proven re-offending rate ({confidence(significance)})"
        " and prediction interval, by type of intervention",
        Sentence.of(*alt) if drawn else Sentence.of("No type has enough results to be drawn yet."),
        _drawn(drawn),
        source,
        pooled_table(types, significance=significance),
        folded=False,
    )


def _title(drawn: Sequence[Pooled]) -> Sentence:
    if not drawn:
        return Sentence.of("No type has enough results to put together")
    every = counted("pooled.drawn", len(drawn), "types")
    clear = sum(each.is_clear for each in drawn)
    return Sentence.of(
        "The direction is clear for ",
        counted("pooled.drawn_clear", clear, "types"),
        " of ",
        every,
        f" {plural(every, 'type', 'types')}",
    )


def _described(each: Pooled, told: Synthesis) -> list[Part]:
    """Return a type's results, average and intervals in words."""
    results, low, high = _written(each, told)
    ends = [pooled_figure(each.type, told, f"prediction_{end}") for end in ("low", "high")]
    return [
        f" {capital(proper(each.type))}, ",
        results,
        f" {plural(results, 'result', 'results')}: average ",
        pooled_figure(each.type, told, "estimate"),
        ", interval from ",
        low,
        " to ",
        high,
        ", prediction interval from ",
        ends[0],
        " to ",
        ends[1],
        ".",
    ]


def _written(each: Pooled, told: Synthesis) -> tuple[Figure, Figure, Figure]:
    """Return the number of results and the interval, as the drawing has them."""
    results = counted(f"pooled.{slug(each.type)}.studies", each.studies, "analyses")
    low, high = (pooled_figure(each.type, told, f"ci_{end}") for end in ("low", "high"))
    return results, low, high


def _drawn(drawn: Sequence[tuple[Pooled, Synthesis]]) -> str:
    bottom = _TOP + _ROW * len(drawn)
    canvas = Canvas(bottom + 42)
    if not drawn:
        canvas.text(0, _TOP, "No type has enough results yet.")
        return canvas.svg("pooled-chart")
    longest = 100 * max(
        abs(end) for _, told in drawn for end in (told.prediction_low, told.prediction_high)
    )
    ticks = steps(min(longest, 100), 4)
    scale = Scale(-ticks[-1], ticks[-1], 8, WIDTH - 12)
    both = [*(-tick for tick in reversed(ticks[1:])), *ticks]
    _key(canvas, scale)
    grid(canvas, scale, both, _TOP - 8, bottom)
    canvas.line([scale(0)] * 2, [_TOP - 8, bottom], INK)
    for place, (each, told) in enumerate(drawn):
        _row(canvas, scale, each, told, _TOP + _ROW * place)
    ends = "; longer intervals are cut off" if longest > ticks[-1] else ""
    axis(canvas, scale, both, bottom, f"Average difference, percentage points{ends}")
    return canvas.svg("pooled-chart")


def _key(canvas: Canvas, scale: Scale) -> None:
    """Write what marks and lines mean, and which side is which."""
    legend(canvas, list(_MARKS.values()), 0, 13, size=6)
    x = 0.0
    for thick, dashed, label in (
        (4.0, False, "Confidence interval"),
        (1.5, True, "Prediction interval"),
    ):
        canvas.line([x, x + 24], [27, 27], GREY, thick=thick, dashed=dashed)
        canvas.text(x + 30, 31, label, size=11)
        x += 46 + width_of(label, 11)
    canvas.text(scale(0) - 6, 52, "Fewer re-offended", size=11, bold=True, align="right")
    canvas.text(scale(0) + 6, 52, "More re-offended", size=11, bold=True)


def _row(canvas: Canvas, scale: Scale, each: Pooled, told: Synthesis, top: float) -> None:
    results, low, high = _written(each, told)
    noun = f" {plural(results, 'result', 'results')}: "
    canvas.box(0, top, WIDTH, 18, "#ffffff")
    canvas.text(0, top + 13, capital(proper(each.type)), bold=True)
    canvas.text(WIDTH, top + 13, results, noun, low, " to ", high, size=11, align="right")
    y = top + 29
    ends = [scale(100 * end) for end in (told.prediction_low, told.prediction_high)]
    canvas.line(ends, [y, y], GREY, thick=1.5, dashed=True)
    shape, colour, hollow, _ = _MARKS[_direction(each, told)]
    canvas.line([scale(value_of(low)), scale(value_of(high))], [y, y], colour, thick=4)
    canvas.marks([scale(100 * told.estimate)], [y], shape, colour, hollow=hollow, size=8)


def _direction(each: Pooled, told: Synthesis) -> str:
    if not each.is_clear:
        return "not clear"
    return "lower" if told.estimate < 0 else "higher"
