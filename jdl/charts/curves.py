"""The time without a reoffence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jdl.charts.drawing import COLUMN, GROUPS, PALE, Canvas, Scale, axis, below, value_of, withheld
from jdl.figures import Chart, Figure, Part, Sentence, Table
from jdl.survival import Survival
from jdl.wording import Words, counted, percentage, slug


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
        for name, _, _ in GROUPS
    }
    rows = tuple(zip(days, *shown.values(), strict=True))
    return Chart(
        "survival-chart",
        Sentence.of(_survival_title(survival, words, significance)),
        subtitle,
        _survival_alt(days, shown),
        _drawn_survival(days, shown, words) if days else withheld("survival-chart"),
        source,
        Table(
            "survival-chart-data",
            subtitle,
            ("Day of the follow-up year", *(label for _, label, _ in GROUPS)),
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


_ENDS = 80


def _drawn_survival(
    days: Sequence[Figure], shown: Mapping[str, Sequence[Figure]], words: Words
) -> str:
    label = "Day of the follow-up year"
    top, bottom = 30.0, 240.0
    canvas = Canvas(bottom + below(label))
    across, upward = Scale(0, 365, 44, COLUMN - _ENDS - 6), Scale(0, 1, bottom, top)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        canvas.line([across.left, across.right], [upward(tick)] * 2, PALE)
        canvas.text(38, upward(tick) + 5, f"{tick:.0%}", align="right", scale="y")
    canvas.text(0, 14, f"Share of {words.people} not yet reoffended")
    xs = [across(value_of(day)) for day in days]
    for (name, _, colour), dashed in zip(GROUPS, (False, True), strict=True):
        ys = [upward(value_of(value)) for value in shown[name]]
        canvas.line(xs, ys, colour, thick=2.5, dashed=dashed)
        canvas.marks(xs[1:], ys[1:], "o" if not dashed else "s", colour, size=6)
    _survival_ends(canvas, upward, shown)
    axis(canvas, across, [0, 90, 180, 270, 365], bottom, label)
    return canvas.svg("survival-chart")


def _survival_ends(canvas: Canvas, upward: Scale, shown: Mapping[str, Sequence[Figure]]) -> None:
    """Name each line at its end, the two apart from each other."""
    ends = sorted(
        ((upward(value_of(shown[name][-1])), name, label) for name, label, _ in GROUPS),
    )
    first = min(max(ends[0][0], 46.0), 180.0)
    ys = (first, max(min(ends[1][0], 222.0), first + 40))
    for y, (_, name, label) in zip(ys, ends, strict=True):
        canvas.text(COLUMN - _ENDS, y, shown[name][-1], size=17, bold=True)
        canvas.text(COLUMN - _ENDS, y + 16, label.split()[0])
