"""The pooled view: the average of each type of intervention with its two intervals."""

from __future__ import annotations

from collections.abc import Sequence

from jdl.charts.drawing import (
    BLUE,
    COLUMN,
    GREY,
    INK,
    LINE,
    ORANGE,
    TEXT,
    Canvas,
    Scale,
    axis,
    below,
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

_ROW, _TOP = 70.0, 68.0
_MARKS = {
    "lower": ("o", BLUE, False, "Clearly lower"),
    "not clear": ("D", GREY, True, "Not clear"),
    "higher": ("s", ORANGE, False, "Clearly higher"),
}


def pooled_chart(
    types: Sequence[Pooled], *, source: str, significance: float = 0.05
) -> Chart | None:
    """Draw the average difference of each type, its interval, and that of another programme.

    Parameters
    ----------
    types : sequence of Pooled
        From ``pooled.by_type``; those not put together are left out.
    source : str
        Where the data come from.
    significance : float
        One minus the level of the intervals.

    Returns
    -------
    Chart or None
        None where nothing could be put together.
    """
    drawn = [(each, each.synthesis) for each in types if each.synthesis]
    if not drawn:
        return None
    alt: list[Part] = [
        "Forest plot of the average difference of each type of intervention, in percentage points."
    ]
    for each, told in drawn:
        alt += _described(each, told)
    return Chart(
        "pooled-chart",
        _title([each for each, _ in drawn]),
        f"Average difference in the one-year proven re-offending rate ({confidence(significance)})"
        " and prediction interval, by type of intervention",
        Sentence.of(*alt),
        _drawn(drawn),
        source,
        pooled_table(types, significance=significance),
        folded=False,
    )


def _title(drawn: Sequence[Pooled]) -> Sentence:
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
    longest = 100 * max(
        abs(end) for _, told in drawn for end in (told.prediction_low, told.prediction_high)
    )
    ticks = steps(min(longest or 1, 100), 4)
    ends = "; longer intervals are cut off" if longest > ticks[-1] else ""
    label = f"Average difference, percentage points{ends}"
    canvas = Canvas(bottom + below(label))
    scale = Scale(-ticks[-1], ticks[-1], 10, COLUMN - 10)
    both = [*(-tick for tick in reversed(ticks[1:])), *ticks]
    _key(canvas, scale)
    for place, (each, told) in enumerate(drawn):
        y = _TOP + _ROW * place + 2 * LINE + 14
        grid(canvas, scale, both, y - 9, y + 9)
        canvas.line([scale(0)] * 2, [y - 9, y + 9], INK)
        _row(canvas, scale, each, told, y)
    axis(canvas, scale, both, bottom, label)
    return canvas.svg("pooled-chart")


def _key(canvas: Canvas, scale: Scale) -> None:
    """Write what marks and lines mean, and which side is which."""
    legend(canvas, list(_MARKS.values()), 0, 14, size=6)
    x, y = 0.0, 14 + LINE
    for thick, dashed, label in (
        (4.0, False, "Confidence interval"),
        (1.5, True, "Prediction interval"),
    ):
        canvas.line([x, x + 24], [y - 4, y - 4], GREY, thick=thick, dashed=dashed)
        canvas.text(x + 30, y, label)
        x += 46 + width_of(label, TEXT)
    canvas.text(scale(0) - 6, 62, "Fewer re-offended", align="right")
    canvas.text(scale(0) + 6, 62, "More re-offended")


def _row(canvas: Canvas, scale: Scale, each: Pooled, told: Synthesis, y: float) -> None:
    results, low, high = _written(each, told)
    canvas.text(0, y - 17 - LINE, capital(proper(each.type)), bold=True)
    noun = f" {plural(results, 'result', 'results')}: average between "
    canvas.text(0, y - 17, results, noun, low, " and ", high)
    ends = [scale(100 * end) for end in (told.prediction_low, told.prediction_high)]
    canvas.line(ends, [y, y], GREY, thick=1.5, dashed=True)
    shape, colour, hollow, _ = _MARKS[_direction(each, told)]
    canvas.line([scale(value_of(low)), scale(value_of(high))], [y, y], colour, thick=4)
    canvas.marks([scale(100 * told.estimate)], [y], shape, colour, hollow=hollow, size=8)


def _direction(each: Pooled, told: Synthesis) -> str:
    if not each.is_clear:
        return "not clear"
    return "lower" if told.estimate < 0 else "higher"
