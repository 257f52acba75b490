"""How an exact value must be printed: rounding, thousands, signs, shorthand and words for numbers.

Written down again from what the reports say of themselves and from the data contract: rounding is
presentation, half away from nought on the decimal digits; a limit that would round to nought gets
more decimals, so that its side shows; p-values have two decimals, and more where these would hide
on which side of 0.05 they lie.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

LEVEL = 0.05
"""The significance level of the service's test; `plan.significance` of every report tells it."""
WITHHELD, UNRELIABLE = "[c]", "[u]"
_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven"),
    *("eight", "nine", "ten", "eleven", "twelve"),
)
_ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh"),
    *("eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_PLACES = {
    "people": 0,
    "disposals": 0,
    "people per 100": 0,
    "reoffences per 100 people": 0,
    "reoffences per 100": 0,
    "days": 0,
    "percentage points": 0,
    "per cent": 1,
    "mean": 2,
    "ratio": 2,
    "reoffences per person": 2,
    "reoffences per reoffender": 2,
    "custodial sentences per person": 2,
    "custodial sentences per reoffender": 2,
    "standard deviations": 2,
    "odds ratio": 1,
    "risk ratio": 1,
}
"""Decimals by unit."""
_ONE_PLACE = re.compile(
    r"\.each$|^correction\.rate\.(?!.*-n\.).*\.(was|now|change)$"
    r"|(?<!\.frequency)(?<!\.days_to_first)\.detectable(\.adjusted)?$"
)
_BY_SIZE = re.compile(r"^yearly\.size\.")
_FINE_SHARE = re.compile(
    r"\.(balance|second_order)\.(?!(green|amber)_to$)|\.(second_order_)?worst$|^pool\.removed_share$"
)
_BAND = re.compile(r"\.overlap\.\d+\.(low|high)$")
_CHOICE = re.compile(r"^(method|plan)\.|\.ratio_(from|to)$|-limit$|\.(green|amber)_to$")
_MEANT = re.compile(r"\d[\d,]*(\.\d+)?")


def rounded(value: float, places: int = 0) -> Decimal:
    """Round half away from nought, on the decimal digits; nought has no sign."""
    exact = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return exact if exact else abs(exact)


def number(value: float, places: int = 0) -> str:
    """Return a number as printed, thousands parted by commas."""
    return f"{rounded(value, places):,}"


def in_words(value: int) -> str:
    """Return a whole number as running text has it: in words up to twelve."""
    return _WORDS[value - 1] if 1 <= value <= len(_WORDS) else f"{value:,}"


def hundredfold(value: float) -> float:
    """Return 100 times a value, exactly on its decimal digits."""
    return float(Decimal(repr(float(value))) * 100)


def texts(name: str, unit: str, value: Any) -> set[str] | None:
    """Return every text that the value of a figure may be printed as; None for an unknown unit.

    Parameters
    ----------
    name, unit : str
        Of the register.
    value : object
        None where it is withheld.
    """
    if value is None:
        return {WITHHELD}
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _stated(unit, value)
    if isinstance(value, int):
        return _counted(unit, value)
    return _measured(name, unit, value) if isinstance(value, float) else None


def _stated(unit: str, value: str) -> set[str] | None:
    if unit == "as stated":
        return {value, _thousands(value)}
    if unit == "hash":
        return {value, value[:8]}
    try:
        if unit in {"month", "months"}:
            year, month = value.split("-")
            return {f"{MONTHS[int(month) - 1]} {int(year)}"}
        if unit == "quarter":
            year, month = value.split("-")
            first, last = MONTHS[int(month) - 1], MONTHS[int(month) + 1]
            return {f"{first} to {last} {int(year)}"}
        at = dt.datetime.fromisoformat(value)
    except (ValueError, IndexError):
        return set()
    day = f"{at.day} {MONTHS[at.month - 1]} {at.year}"
    if unit in {"moment", "time"}:
        return {f"{day} at {at.hour}:{at.minute:02}"}
    return {day} if unit == "date" else None


def _thousands(value: str) -> str:
    whole, point, rest = value.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole.isascii() and whole.isdigit() else value


def _counted(unit: str, value: int) -> set[str]:
    plain, word = f"{value:,}", in_words(value)
    if unit == "year":
        return {str(value)}
    told = {plain, word, word.capitalize(), f"{plain}%", f"all {plain}", f"all {word}"}
    told |= {f"{about} {plain}" for about in _ABOUT} | {f"{about} {word}" for about in _ABOUT}
    if value == 0:
        told |= {"none", "no", "None", "No"}
    if unit == "looks" and 1 <= value <= len(_ORDINALS):
        told |= {_ORDINALS[value - 1]}
    return told


_ABOUT = ("about", "About", "fewer than", "Fewer than", "at least", "At least")


def _measured(name: str, unit: str, value: float) -> set[str] | None:
    if _CHOICE.search(name):
        plain = {f"{value:g}", f"{Decimal(repr(value)) * 100:f}".rstrip("0").rstrip(".") + "%"}
        return {*plain, *({"four in five"} if value == 0.8 else ()), *_others(name, unit, value)}
    return _others(name, unit, value) or None


def _others(name: str, unit: str, value: float) -> set[str]:
    if unit.startswith(("proportion", "relative difference")):
        return _share(name, value)
    if unit == "probability":
        return p_value(value)
    if unit == "bits":
        return {f"{'+' if rounded(value, 1) > 0 else ''}{number(value, 1)}"}
    if unit == "pairs":
        return {number(value, 0 if abs(value) >= 10 else 1)}
    if unit in {"tests", "types", "links", "analyses"}:
        return _expected(value)
    if unit not in _PLACES:
        return set()
    places = 1 if _ONE_PLACE.search(name) and not _BY_SIZE.search(name) else _PLACES[unit]
    if ".estimate." in name and value < 1:
        return {"less than 1", limit(value, places)}
    told = {limit(value, places)} if "ci_" in name or "pi_" in name else {number(value, places)}
    if not rounded(value, places):
        told |= {limit(value, places), "less than 1"}
    return told | ({f"{one} days" for one in told} if name.endswith(".words") else set())


def limit(value: float, places: int = 0) -> str:
    """Return a limit of an interval: more decimals where it would round to nought, at most four."""
    more = next((n for n in range(5) if rounded(value, places + n)), None)
    return number(0, places) if more is None else number(value, places + more)


def _share(name: str, value: float) -> set[str]:
    percent = hundredfold(value)
    if _BAND.search(name):
        return {f"{number(percent, places)}%" for places in (0, 1)}
    if _FINE_SHARE.search(name):
        return {f"{number(percent, 1)}%"}
    if rounded(percent):
        return {f"{number(percent)}%"}
    return {"<1%", "0%"} if value <= 0 else {"<1%"} if 0 < value < 1 else {"0%"}


def p_value(value: float) -> set[str]:
    """Return how a p-value may be printed, in tables and in words."""
    if value < 0.01:
        return {"<0.01", "< 0.01"}
    side = Decimal(repr(LEVEL))
    places = next((n for n in range(2, 9) if (rounded(value, n) <= side) == (value <= LEVEL)), 9)
    return {number(value, places), f"= {number(value, places)}"}


def _expected(value: float) -> set[str]:
    count = int(rounded(value))
    return {"fewer than one"} if count < 1 else {f"about {in_words(count)}", f"about {count:,}"}


def meant(text: str) -> float | None:
    """Return the number that a printed text holds; None where it holds none or several."""
    found = _MEANT.findall(text)
    first = _MEANT.search(text)
    if len(found) != 1 or first is None:
        return None
    size = float(first[0].replace(",", ""))
    return -size if text[: first.start()].endswith("-") else size
