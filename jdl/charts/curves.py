"""The time without a reoffence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jdl.charts.drawing import GROUPS, PALE, PLOT, Canvas, Scale, axis, value_of, withheld
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
    xs = [across(value_of(day)) for day in days]
    for (name, _, colour), dashed in zip(GROUPS, (False, True), strict=True):
        ys = [upward(value_of(value)) for value in shown[name]]
        canvas.line(xs, ys, colour, thick=2.5, dashed=dashed)
        canvas.marks(xs[1:], ys[1:], "o" if not dashed else "s", colour, size=6)
    _survival_ends(canvas, upward, shown)
    axis(canvas, across, [0, 90, 180, 270, 365], bottom, "Day of the follow-up year")
    return canvas.svg("survival-chart")


def _survival_ends(canvas: Canvas, upward: Scale, shown: Mapping[str, Sequence[Figure]]) -> None:
    """Name each line at its end, the two apart from each other."""
    ends = sorted(
        ((upward(value_of(shown[name][-1])), name, label) for name, label, _ in GROUPS),
    )
    first = min(max(ends[0][0], 40.0), 180.0)
    ys = (first, max(min(ends[1][0], 226.0), first + 46))
    for y, (_, name, label) in zip(ys, ends, strict=True):
        canvas.text(PLOT + 6, y, shown[name][-1], size=16, bold=True)
        canvas.text(PLOT + 6, y + 14, label.split()[0], size=11, bold=True)
        canvas.text(PLOT + 6, y + 26, "group", size=11, bold=True)
