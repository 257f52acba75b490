"""The evidence for a link: what each agreement is worth, and how one link adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from jdl import disclosure
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
    value_of,
    width_of,
    wrapped,
)
from jdl.figures import Chart, Figure, Sentence, Table
from jdl.tables import NOT_APPLICABLE
from jdl.wording import (
    FIELDS,
    LEVELS,
    capital,
    counted,
    level_of,
    number,
    percentage,
    plural,
    signed,
    slug,
)

_TOLD = 150
_BITS = "Match weight, bits"


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
    most, least = (pick(rows, key=lambda row: value_of(row.weight)) for pick in (max, min))
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
    lines = [wrapped(row.level, _TOLD - 8, TEXT) for row in rows]
    firsts = [
        place for place, row in enumerate(rows) if row.field != rows[place - 1].field or not place
    ]
    bottom = 26 + 26 * len(firsts) + sum(LINE * len(line) + 4 for line in lines)
    canvas = Canvas(bottom + below(_BITS))
    scale = _scale_of_bits([value_of(row.weight) for row in rows])
    ticks = _ticks_of_bits(scale)
    grid(canvas, scale, ticks, 22, bottom)
    _sides_of_nought(canvas, scale)
    top = 26.0
    for place, (row, words) in enumerate(zip(rows, lines, strict=True)):
        if place in firsts:
            canvas.text(0, top + 19, row.field, bold=True)
            top += 26
        _bits(canvas, scale, row.weight, words, top)
        top += LINE * len(words) + 4
    canvas.line([scale(0)] * 2, [22, bottom], INK)
    axis(canvas, scale, ticks, bottom, _BITS)
    return canvas.svg("weights-chart")


def _scale_of_bits(values: Sequence[float]) -> Scale:
    low = 10 * math.floor(min([*values, -1]) / 10)
    high = 10 * math.ceil(max([*values, 1]) / 10)
    return Scale(low, high, _TOLD, COLUMN - 46)


def _ticks_of_bits(scale: Scale) -> list[float]:
    step = 10 if scale.high - scale.low <= 60 else 20
    return [tick for tick in range(int(scale.low), int(scale.high) + 1, 10) if tick % step == 0]


def _sides_of_nought(canvas: Canvas, scale: Scale) -> None:
    right = min(scale(0) + 6, COLUMN - width_of("Speaks for", TEXT))
    canvas.text(right - 12, 14, "Speaks against", align="right")
    canvas.text(right, 14, "Speaks for")


def _bits(
    canvas: Canvas,
    scale: Scale,
    weight: Figure,
    words: Sequence[str],
    top: float,
) -> None:
    """Draw one bar from nought, its words to the left and its number to the right."""
    for place, line in enumerate(words):
        canvas.text(0, top + 13 + LINE * place, line)
    value = value_of(weight)
    left, right = sorted((scale(0), scale(value)))
    middle = top + LINE * len(words) / 2
    canvas.box(left, middle - 4, right - left, 10, BLUE if value > 0 else ORANGE)
    canvas.text(COLUMN, middle + 5, weight, align="right")


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
    at = value_of(first)
    rows = [_Evidence("Before anything is compared", "", first, 0, at)]
    for row in disclosure.hide_rarity(levels).to_dict("records"):
        weight = signed(f"waterfall.{slug(row['field'])}", row["weight"], "bits")
        level = level_of(row["level"])
        if row["rarity"]:
            level = f"{level}, and {row['rarity']}"
        name = capital(FIELDS.get(row["field"], row["field"]))
        rows.append(_Evidence(name, capital(level), weight, at, at + value_of(weight)))
        at += value_of(weight)
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
    lines = [wrapped(row.level, _TOLD - 8, TEXT) for row in rows]
    heights = [22 + LINE * len(words) for words in lines]
    bottom = 26 + sum(heights)
    label = "Evidence added up, bits"
    canvas = Canvas(bottom + below(label) + 28 + LINE)
    scale = _scale_of_bits([row.end for row in rows])
    ticks = _ticks_of_bits(scale)
    grid(canvas, scale, ticks, 22, bottom)
    _sides_of_nought(canvas, scale)
    canvas.line([scale(0)] * 2, [22, bottom], INK)
    top = 26.0
    for place, (row, words, high) in enumerate(zip(rows, lines, heights, strict=True)):
        canvas.text(0, top + 14, row.field, bold=True)
        for line, word in enumerate(words):
            canvas.text(0, top + 31 + LINE * line, word)
        left, right = sorted((scale(row.start), scale(row.end)))
        colour = BLUE if value_of(row.weight) > 0 else ORANGE
        ends = place in (0, len(rows) - 1)
        canvas.box(left, top + 20, right - left, 16, GREY if ends else colour)
        if place < len(rows) - 1:
            start = top + (36 if right > left else 20)
            canvas.line([scale(row.end)] * 2, [start, top + high + 20], INK, dashed=True)
        canvas.text(COLUMN, top + 33, row.weight, bold=ends, align="right")
        top += high
    axis(canvas, scale, ticks, bottom, label)
    canvas.text(0, bottom + 64, "Probability that the two are one person:")
    canvas.text(0, bottom + 64 + LINE, told)
    return canvas.svg("waterfall-chart")
