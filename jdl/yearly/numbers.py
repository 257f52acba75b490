"""The numbers that sentences, tables and charts share, each under its one name in the register."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from jdl.figures import Figure, Part
from jdl.wording import capital, counted, month, number, percentage, proper, scaled, share, slug
from jdl.yearly.counts import BANDS

# --- Requests ------------------------------------------------------------------------------------


def outcome_label(name: str, value: Any) -> Figure | str:
    """Return the name of a row of `outcomes_by`: a month, or a code with a capital."""
    if isinstance(value, pd.Timestamp):
        return month(f"yearly.{name}.{value:%Y-%m}", value.date())
    return capital(proper(str(value)))


def outcome_figure(name: str, value: Any, which: str, many: Any) -> Figure:
    """Return one count of `outcomes_by`."""
    key = f"{value:%Y-%m}" if isinstance(value, pd.Timestamp) else slug(str(value))
    return counted(f"yearly.{name}.{key}.{slug(which)}", many, "requests")


def quarter_of(name: str, start: pd.Timestamp) -> Figure:
    """Return a quarter of a year, such as ``April to June 2013``."""
    end = start + pd.DateOffset(months=2)
    return Figure(name, f"{start:%Y-%m}", "quarter", f"{start:%B} to {end:%B %Y}")


def wait_figures(by: str, value: Any, row: pd.Series[Any]) -> dict[str, Figure]:
    """Return the numbers of a row of `waits_by`."""
    key = str(value) if by == "release" else f"{value:%Y-%m}-quarter"
    base = f"yearly.waits.{key}"
    days = {
        name: scaled(f"{base}.{name}", float(row[name]), "days")
        for name in ("median", "shortest", "longest")
    }
    return {"n": counted(f"{base}.n", row["n"], "reports"), **days}


# --- Size ----------------------------------------------------------------------------------------


def size_figure(band: int, which: str, many: Any) -> Figure:
    """Return one count of `by_size`."""
    return counted(f"yearly.size.{band}.{which}", many, "analyses")


def reach_figure(band: int, value: Any) -> Figure:
    """Return the smallest difference that could be found in a band of `by_size`."""
    return scaled(f"yearly.size.{band}.detectable", value, "percentage points", 0, 100)


def band_label(band: int, *, lower: bool = False) -> tuple[Part, ...]:
    """Return the name of a band of sizes, such as ``100 to 199``.

    Parameters
    ----------
    band : int
        The size at which it begins.
    lower : bool
        Whether it stands within a sentence.
    """
    base = f"yearly.band.{band}"
    following = next((edge for edge in BANDS if edge > band), None)
    if not band:
        edge = Figure(f"{base}.below", BANDS[0], "people", number(BANDS[0]))
        return ("fewer than " if lower else "Fewer than ", edge)
    least = Figure(f"{base}.from", band, "people", number(band))
    if following is None:
        return (least, " or more")
    return (least, " to ", Figure(f"{base}.to", following - 1, "people", number(following - 1)))


# --- What was lacking ----------------------------------------------------------------------------


def lacking_name(row: Mapping[Any, Any]) -> str:
    """Return the first part of the names of the figures of a row of `lacking`."""
    return f"yearly.lacking.{slug(str(row['field']))}"


def lacking_share(row: Mapping[Any, Any]) -> Figure:
    """Return the share of rows that lacked it."""
    return share(f"{lacking_name(row)}.share", row["rows_lacking"], row["rows"])


def found_range(row: Mapping[Any, Any], which: str) -> tuple[Part, ...]:
    """Return the range of the shares found, ``with`` it or ``without``; one share where they agree.

    Parameters
    ----------
    row : mapping
        Of `lacking`, told by a report at least.
    which : {'with', 'without'}
    """
    name, low, high = f"{lacking_name(row)}.{which}", row[f"{which}_low"], row[f"{which}_high"]
    if low == high:
        return (percentage(f"{name}.low", low),)
    return (percentage(f"{name}.low", low), " to ", percentage(f"{name}.high", high))
