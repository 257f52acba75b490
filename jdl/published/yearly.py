"""The yearly review's numbers, worked out again from its own two data files."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jdl.published.bulletin import number
from jdl.published.folder import REGISTER, Document
from jdl.published.places import same
from jdl.published.register import slug
from jdl.published.told import Notes

RESULTS, LOSSES = "results.csv", "losses.csv"
DIGITS = 1e-12
"""Relative difference that the fifteen decimals of the data files leave."""
_OUTCOMES = ("reported", "not processed", "withdrawn", "remaining")
_BANDS = {0: 99, 100: 199, 200: 499, 500: 999, 1000: None}
"""Least and most people analysed of each band of sizes, as the review prints them."""
_CLEAR = ("reduction", "increase")
_Row = Mapping[str, str]
_Link = tuple[str, Any, str]


def check(document: Document, notes: Notes) -> None:
    """Hold each figure that the data files of a yearly review determine against them."""
    losses, results = (document.tables.get(one, []) for one in (LOSSES, RESULTS))
    if LOSSES not in document.tables or not results or not document.register:
        return
    for name, follows, rule in (*_of_results(results), *_of_losses(losses)):
        entry = document.figures.get(name)
        if entry is None or entry["value"] is None or follows is None:
            continue
        notes.derived.add(name)
        if not same(entry["value"], follows, DIGITS):
            notes.find(REGISTER, name, rule, entry["value"], follows)


def _of_results(rows: Sequence[_Row]) -> Iterator[_Link]:
    yield "yearly.received", len(rows), "requests in results.csv"
    yield from _outcomes("yearly", rows, "requests in results.csv, by what became of them")
    months = {row["id"]: row["received"][:7] for row in rows}
    for place, of in (
        ("yearly.months", months),
        ("yearly.types", {row["id"]: slug(row["intervention_type"]) for row in rows}),
        ("yearly.sectors", {row["id"]: slug(row["sector"]) for row in rows}),
    ):
        for kind in sorted(set(of.values())):
            rule = "requests in results.csv, by what became of them"
            yield from _outcomes(f"{place}.{kind}", _where(rows, of, kind), rule)
    quarters = {name: _quarter(month) for name, month in months.items()}
    for quarter in sorted(set(quarters.values())):
        within = _where(rows, quarters, quarter)
        rule = "requests in results.csv, by the quarter of receipt"
        for sector, count in Counter(slug(row["sector"]) for row in within).items():
            yield f"yearly.quarter.{quarter}.{sector}", count, rule
        yield f"yearly.quarter.{quarter}.all", len(within), rule
    reported = [row for row in rows if row["outcome"] == "reported"]
    yield from _waits(reported)
    yield from _sizes([row for row in reported if row["treatment_n"] and row["detectable"]])


def _where(rows: Iterable[_Row], of: Mapping[str, str], kind: str) -> list[_Row]:
    return [row for row in rows if of[row["id"]] == kind]


def _quarter(month: str) -> str:
    """Return the first month of the quarter of a month, both ``YYYY-MM``."""
    return f"{month[:5]}{(int(month[5:]) - 1) // 3 * 3 + 1:02d}"


def _outcomes(place: str, rows: Sequence[_Row], rule: str) -> Iterator[_Link]:
    counts = Counter(row["outcome"] for row in rows)
    for outcome in _OUTCOMES:
        yield f"{place}.{slug(outcome)}", counts[outcome], rule
    yield f"{place}.all", len(rows), rule


def _waits(reported: Sequence[_Row]) -> Iterator[_Link]:
    """Sum up the days from receipt to publication, of each release, each quarter, and of all."""
    rule = "days in results.csv"
    releases = {row["id"]: row["release"] for row in reported}
    quarters = {name: f"{_quarter(release)}-quarter" for name, release in releases.items()}
    groups = {
        f"yearly.waits.{kind}": _where(reported, of, kind)
        for of in (releases, quarters)
        for kind in sorted(set(of.values()))
    }
    for place, rows in groups.items():
        yield f"{place}.n", len(rows), "reports in results.csv"
        for key, follows in _of_days(rows).items():
            yield f"{place}.{key}", follows, rule
    for key, follows in _of_days(reported).items():
        yield f"yearly.days.{key}.words", follows, rule


def _of_days(rows: Sequence[_Row]) -> dict[str, float]:
    days = [float(row["days"]) for row in rows if row["days"]]
    if not days:
        return {}
    return {"median": statistics.median(days), "shortest": min(days), "longest": max(days)}


def _sizes(analysed: Sequence[_Row]) -> Iterator[_Link]:
    """Count the analyses of each band of sizes, and those with a clear result."""
    yield "yearly.reach.drawn", len(analysed), "analyses in results.csv with a size"
    for least, most in _BANDS.items():
        rows = [row for row in analysed if least <= _size(row) <= (most or _size(row))]
        rule = "analyses in results.csv, by their size"
        clear = sum(row["rate_result"] in _CLEAR for row in rows)
        yield f"yearly.size.{least}.analyses", len(rows), rule
        yield f"yearly.size.{least}.conclusive", clear, rule
        yield f"yearly.size.{least}.conclusive.share", clear / len(rows) if rows else None, rule
        reach = statistics.median(_points(row) for row in rows) if rows else None
        yield f"yearly.size.{least}.detectable", reach, "the median of results.csv"
    for row in analysed:
        rule = "register and results.csv tell the same"
        yield f"yearly.reach.{row['id']}.treatment_n", int(_size(row)), rule
        yield f"yearly.reach.{row['id']}.detectable", _points(row), rule


def _size(row: _Row) -> float:
    return number(row["treatment_n"]) or 0.0


def _points(row: _Row) -> float:
    return 100 * (number(row["detectable"]) or 0.0)


def _of_losses(rows: Sequence[_Row]) -> Iterator[_Link]:
    """Follow the people from what was sent to what was analysed."""
    sent, before = number(rows[0]["remaining"]) if rows else None, None
    for row in rows:
        place = f"yearly.funnel.{row['step']}"
        removed, remaining = number(row["removed"]), number(row["remaining"])
        rule = "register and losses.csv tell the same"
        yield f"{place}.removed", _whole(removed), rule
        yield f"{place}.remaining", _whole(remaining), rule
        if before is not None and removed is not None:
            yield f"{place}.remaining", _whole(before - removed), "those before, less those lost"
        for key, people in (("removed", removed), ("remaining", remaining)):
            share = people / sent if sent and people is not None else None
            yield f"{place}.{key}.share", share, "a share of the rows that were sent"
        before = remaining


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
