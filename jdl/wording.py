"""Wording: how people, measures and numbers are spoken of, and what an effect lets anybody say.

A published number is rounded, named in the register and withheld here, in one way for sentences,
tables and charts; an effect whose conclusion contradicts its interval is refused.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd

from jdl.disclosure import is_unreliable
from jdl.effects import ALL, EVERYONE, Effect
from jdl.figures import Figure, Part

ALLOWED_DIGITS = (
    "For 100 typical",
    "with 100 similar",
    "100 typical",
    "of the 100",
    "out of 100",
    "Out of 100",
    "per 100",
    "95% confidence interval",
)
"""Fixed words with a number in them: the scale on which results are told, not a result."""

_NUMBER_WORDS = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_PROPER = {
    **{name: name.title() for name in ("london", "wales", "asian", "black")},
    **{
        f"{side} {place}": f"{side} {place}".title()
        for side, place in (
            ("east", "midlands"),
            ("west", "midlands"),
            *((side, place) for side in ("north", "south") for place in ("east", "west")),
        )
    },
    "east of england": "East of England",
    "yorkshire and the humber": "Yorkshire and the Humber",
    "chinese or other": "Chinese or other",
    "uk": "UK",
    "pnc id": "PNC ID",
}
_NAMES = ("Copas", "OASys")
FIELDS = {
    "forename": "forename",
    "surname": "surname",
    "date_of_birth": "date of birth",
    "sex": "sex",
    "pnc_key": "PNC ID",
    "prison_key": "prison number",
    "sentence": "sentence",
}
LEVELS = {
    "exact": "the same",
    "same": "the same",
    "swapped": "forename and surname swapped",
    "nickname": "a nickname of the other",
    "initial": "one is the initial of the other",
    "close": "spelled nearly the same",
    "similar": "spelled much the same",
    "middle name": "the middle name of the other",
    "part": "part of a double surname",
    "different, woman": "different, for a woman",
    "one digit": "one digit differs",
    "two parts": "two of day, month and year agree",
    "first of January": "first of January, same year",
    "at the time": "one at the time of the intervention",
    "not then": "none at the time of the intervention",
    "missing": "not known",
}
CONCLUDED = {
    "reduction": "a significant reduction",
    "inconclusive": "inconclusive",
    "increase": "a significant increase",
}
"""What a conclusion is called in running text."""

_SIDE = Decimal("0.05")
_NUMERAL = re.compile(r"\d[\d,.]*\d|\d")
_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Words:
    """What the people of an analysis are called.

    Parameters
    ----------
    people, person : str
        Such as ``women`` and ``woman``.
    """

    people: str = "people"
    person: str = "person"

    @classmethod
    def of(cls, sex: str) -> Words:
        """Return the words for a request's sex: ``all``, ``male`` or ``female``."""
        return {"male": cls("men", "man"), "female": cls("women", "woman")}.get(sex, cls())

    def count(self, figure: Figure) -> str:
        """Return the singular or the plural, as the printed number asks."""
        return self.person if figure.text in {"1", "one", "less than 1"} else self.people


@dataclass(frozen=True)
class Wording:
    """How one measure is spoken of.

    Parameters
    ----------
    noun : str
        With its article, such as ``the frequency of reoffending``.
    lower, higher : str
        Words for a negative and a positive difference.
    """

    noun: str
    lower: str = "lower"
    higher: str = "higher"

    def side(self, direction: str) -> str:
        """Return the word for the direction ``lower`` or ``higher``."""
        return self.lower if direction == "lower" else self.higher


_FIRST = "the share of reoffenders whose first proven reoffence was"
WORDING = {
    "rate": Wording("the one-year proven reoffending rate"),
    "frequency": Wording("the frequency of reoffending"),
    "days_to_first": Wording("the time to the first proven reoffence", "shorter", "longer"),
    "first_indictable": Wording(f"{_FIRST} indictable"),
    "first_either_way": Wording(f"{_FIRST} triable either way"),
    "first_summary": Wording(f"{_FIRST} summary"),
    "frequency_indictable": Wording("the number of indictable reoffences per reoffender"),
    "frequency_either_way": Wording("the number of either-way reoffences per reoffender"),
    "frequency_summary": Wording("the number of summary reoffences per reoffender"),
    "first_custody": Wording("the share of reoffenders whose first reoffence led to custody"),
    "frequency_custody": Wording("the number of custodial sentences per reoffender"),
}
WORDING |= {
    version.name: Wording(
        "the average time without a proven reoffence in the year"
        if version.kind == "days"
        else WORDING[measure].noun.replace("reoffenders", "people").replace("reoffender", "person"),
        WORDING[measure].lower,
        WORDING[measure].higher,
    )
    for measure, version in EVERYONE.items()
}


def rounded(value: float, places: int = 0, scale: int = 1) -> Decimal:
    """Round `value` x `scale` half away from nought, as printed; nought has no sign.

    The decimal digits of the value are rounded, not its binary ones, so that 0.285 is 29%.
    """
    exact = Decimal(repr(float(value))) * scale
    result = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return result if result else abs(result)


def number(value: float, places: int = 0, scale: int = 1) -> str:
    """Return the printed number, thousands parted by commas."""
    return f"{rounded(value, places, scale):,}"


def bound(value: float, places: int = 0, scale: int = 1) -> str:
    """Return a limit of an interval: more decimals where it would round to nought, at most four."""
    for more in range(5):
        if rounded(value, places + more, scale):
            return number(value, places + more, scale)
    return number(0, places)


def is_missing(value: Any) -> bool:
    """Whether a value was withheld: None, or not a number in a table that has been cleared."""
    return value is None or bool(pd.isna(value))


def figure(name: str, value: Any, unit: str, text: str) -> Figure:
    """Return the figure, or the mark of a withheld one when its value is missing."""
    if is_missing(value):
        return Figure.withheld(name, unit)
    plain = value.item() if hasattr(value, "item") else value
    return Figure(name, plain, unit, text)


def counted(name: str, value: Any, unit: str = "people") -> Figure:
    """Return a whole number."""
    if is_missing(value):
        return Figure.withheld(name, unit)
    return figure(name, int(value), unit, number(int(value)))


def scaled(name: str, value: Any, unit: str, places: int = 0, scale: int = 1) -> Figure:
    """Return a figure whose value and text are both `value` x `scale`, the text rounded."""
    if is_missing(value):
        return Figure.withheld(name, unit)
    exact = float(Decimal(repr(float(value))) * scale)
    return figure(name, exact, unit, number(value, places, scale))


def percentage(name: str, proportion: Any, places: int = 0) -> Figure:
    """Return a proportion printed as a percentage."""
    if is_missing(proportion):
        return Figure.withheld(name, "proportion")
    return figure(name, float(proportion), "proportion", f"{number(proportion, places, 100)}%")


def share(name: str, part: Any, whole: int) -> Figure:
    """Return a share of a total in whole per cent: ``<1%`` for one that rounds to nought."""
    if is_missing(part) or not whole:
        return Figure.withheld(name, "proportion")
    proportion = int(part) / whole
    tiny = part > 0 and not rounded(proportion, 0, 100)
    return figure(
        name, proportion, "proportion", "<1%" if tiny else f"{number(proportion, 0, 100)}%"
    )


def dated(name: str, day: dt.date | str) -> Figure:
    """Return a day, printed such as ``28 February 2014``."""
    date = dt.date.fromisoformat(day[:10]) if isinstance(day, str) else day
    return Figure(name, f"{date:%Y-%m-%d}", "date", f"{date.day} {date:%B %Y}")


def month(name: str, day: dt.date | str) -> Figure:
    """Return the month of a date, such as ``March 2014``; its value is ``2014-03``."""
    date = dt.date.fromisoformat(str(day)[:10])
    return Figure(name, f"{date:%Y-%m}", "month", f"{date:%B %Y}")


def proper(code: str) -> str:
    """Return a code as it stands within a sentence: names of places and peoples have capitals."""
    return _PROPER.get(code, code).replace("PNC id", "PNC ID")


def confidence(significance: float = 0.05) -> str:
    """Return what the interval of a test at this level is called: ``95% confidence interval``."""
    return f"{100 * (1 - significance):g}% confidence interval"


def level_of(level: str) -> str:
    """Return how far two records agree, in words that a reader outside the team knows."""
    return LEVELS.get(level, level)


def signed(name: str, value: float, unit: str, places: int = 1) -> Figure:
    """Return a number with its sign, at the precision it is printed with."""
    exact = rounded(value, places)
    return Figure(name, float(exact), unit, f"{'+' if exact > 0 else ''}{exact:,}")


def spelled(name: str, value: int, unit: str, *, none: str = "no") -> Figure:
    """Return a whole number, in words up to twelve as running text has it; nought is `none`."""
    words = (none, *_NUMBER_WORDS)
    return Figure(name, value, unit, words[value] if value < len(words) else number(value))


def titled(programme: str) -> tuple[Part, ...]:
    """Return a programme's name, every number in it a figure."""
    return quoted("request.programme", programme)


def slug(text: str) -> str:
    """Return the words of a text as part of a figure's name."""
    return _SLUG.sub("-", text.lower()).strip("-") or "none"


def quoted(name: str, text: str) -> tuple[Part, ...]:
    """Return somebody else's words with every number in them a figure called ``<name>.<place>``."""
    parts: list[Part] = []
    end = 0
    for place, match in enumerate(_NUMERAL.finditer(text), start=1):
        value = match[0].replace(",", "")
        parts += [
            text[end : match.start()],
            Figure(f"{name}.{place}", value, "as stated", match[0]),
        ]
        end = match.end()
    return tuple(part for part in (*parts, text[end:]) if part != "")


def listed(words: Sequence[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def within(label: str) -> str:
    """Return a label as it stands within a sentence: only a proper name keeps its capital."""
    return label if label.startswith(_NAMES) else f"{label[:1].lower()}{label[1:]}"


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return f"{text[:1].upper()}{text[1:]}"


def plural(value: Figure, one: str, many: str) -> str:
    """Return `one` or `many`, as the printed number asks."""
    return one if value.text in {"1", "one"} else many


def is_reported(effect: Effect) -> bool:
    """Whether the effect has passed disclosure control."""
    return effect.conclusion != "suppressed"


def size_of(effect: Effect, group: str, which: str = "n") -> int | None:
    """Return a size of an effect's group; a withheld one, even of nobody, is None."""
    size: int | None = getattr(getattr(effect, group), which)
    return size or None if not is_reported(effect) else size


def group_size(effect: Effect, group: str) -> Figure:
    """Return the size of an effect's group; a withheld number is no nought."""
    unit = "people" if group == "treatment" else "disposals"
    known = is_reported(effect) or ALL[effect.measure].among != "reoffenders"
    value = size_of(effect, group) if known else None
    return counted(f"{name_of(effect)}.{group}_n", value, unit)


def has_range(effect: Effect) -> bool:
    """Whether an interval may be told: not withheld, and tested without a reason against it."""
    known = not is_missing(effect.ci_low) and not is_missing(effect.ci_high)
    return is_reported(effect) and known and not effect.reason


def direction(effect: Effect) -> str | None:
    """Return ``lower`` or ``higher`` for a significant difference, else None.

    Raises
    ------
    ValueError
        If the conclusion contradicts the interval or the test.
    """
    if not has_range(effect):
        agrees = not effect.significant and effect.conclusion in {"inconclusive", "suppressed"}
    else:
        low, high = float(effect.ci_low or 0), float(effect.ci_high or 0)
        agrees = {
            "reduction": bool(effect.significant) and high <= 0,
            "increase": bool(effect.significant) and low >= 0,
            "inconclusive": not effect.significant and low <= 0 <= high,
        }.get(effect.conclusion, False)
    if not agrees:
        raise ValueError(f"{name_of(effect)}: the conclusion contradicts the interval")
    return {"reduction": "lower", "increase": "higher"}.get(effect.conclusion)


def name_of(effect: Effect) -> str:
    """Return the first part of the names of an effect's figures, such as ``headline.rate``."""
    return f"{slug(effect.analysis)}.{effect.measure}"


def kind_of(effect: Effect) -> str:
    """Return ``rate``, ``frequency`` or ``days``."""
    return str(ALL[effect.measure].kind)


def is_good(effect: Effect) -> bool:
    """Whether a significant difference lies in the measure's favourable direction."""
    return direction(effect) == ALL[effect.measure].favourable


def mean(effect: Effect, group: str) -> Figure:
    """Return a group's mean as tables print it: whole per cent, two decimals, or whole days."""
    value = getattr(effect, group).mean
    name = f"{name_of(effect)}.{group}"
    places = 0 if kind_of(effect) == "days" else 2
    told = (
        percentage(name, value)
        if kind_of(effect) == "rate"
        else scaled(name, value, ALL[effect.measure].unit, places)
    )
    return marked(told, group == "comparison" and is_unreliable(effect))


UNRELIABLE = "[u]"


def marked(told: Figure, unreliable: bool) -> Figure:
    """Return a figure with the mark of low reliability, unless it is withheld."""
    return replace(told, mark=UNRELIABLE) if unreliable and not told.suppressed else told


def per_hundred(effect: Effect, which: str, value: float | None) -> Figure:
    """Return a group's mean, or the gap between two, as it is told: for 100 people, or in days."""
    name, unreliable = f"{name_of(effect)}.{which}", is_unreliable(effect) and which == "comparison"
    if kind_of(effect) == "days":
        return marked(scaled(f"{name}.told", value, "days"), unreliable)
    unit = "people per 100" if kind_of(effect) == "rate" else "reoffences per 100 people"
    return marked(scaled(f"{name}.per100", value, unit, 0, 100), unreliable)


_SIDES = {"rate": ("fewer", "more"), "frequency": ("fewer", "more"), "days": ("earlier", "later")}


def gap(effect: Effect, words: Words) -> tuple[Part, ...]:
    """Return the difference seen, such as ``9 fewer people``.

    One that rounds to nought is ``less than 1 person more or fewer``, never alike.
    """
    kind, value = kind_of(effect), float(effect.difference or 0)
    size = per_hundred(effect, "gap", abs(value))
    nouns = {
        "rate": (words.person, words.people),
        "frequency": ("reoffence", "reoffences"),
        "days": ("day", "days"),
    }[kind]
    less, more = _SIDES[kind]
    if size.text == "0":
        return (replace(size, text="less than 1"), f" {nouns[0]} {more} or {less}")
    side, noun = less if value < 0 else more, plural(size, *nouns)
    return (size, f" {noun} {side}" if kind == "days" else f" {side} {noun}")


def parts_disagree(effect: Effect) -> bool:
    """Whether the gap, rounded, is another than that between the two rounded means."""
    treatment, comparison = effect.treatment.mean, effect.comparison.mean
    if treatment is None or comparison is None or effect.difference is None:
        return False
    scale = 1 if kind_of(effect) == "days" else 100
    shown = rounded(treatment, 0, scale) - rounded(comparison, 0, scale)
    return shown != rounded(effect.difference, 0, scale)


def limit_of(effect: Effect, which: str) -> Figure:
    """Return a limit of the difference as tables print it; more decimals where it would be nought.

    Parameters
    ----------
    effect : Effect
    which : {'ci_low', 'ci_high'}
    """
    value, name = getattr(effect, which), f"{name_of(effect)}.{which}"
    places, scale = {"rate": (0, 100), "frequency": (2, 1), "days": (0, 1)}[kind_of(effect)]
    return limited(name, value, unit_of_difference(effect.measure), places, scale)


def limited(name: str, value: Any, unit: str, places: int = 0, scale: int = 1) -> Figure:
    """Return a limit of an interval: `value` x `scale`, more decimals where it would be nought."""
    plain = scaled(name, value, unit, places, scale)
    return plain if plain.suppressed else replace(plain, text=bound(value, places, scale))


def unit_of_difference(measure: str) -> str:
    """Return the unit in which a difference of this measure is told."""
    chosen = ALL[measure]
    return "percentage points" if chosen.kind == "rate" else chosen.unit


def p_value(name: str, value: float | None, *, in_words: bool = False) -> Figure:
    """Return p with two decimals, ``<0.01`` below 0.01; more where they would hide which side."""
    if value is None or is_missing(value):
        return Figure.withheld(name, "probability")
    equals, below = ("= ", "< 0.01") if in_words else ("", "<0.01")
    if value < 0.01:
        return Figure(name, value, "probability", below)
    same_side = (n for n in range(2, 9) if (rounded(value, n) <= _SIDE) == (value <= float(_SIDE)))
    return Figure(name, value, "probability", f"{equals}{number(value, next(same_side, 9))}")
