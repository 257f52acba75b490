"""The bulletin's identities: counts, conclusions, history and log, and results put together."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jdl.published import arithmetic
from jdl.published.folder import REGISTER, Document
from jdl.published.places import same
from jdl.published.printing import hundredfold
from jdl.published.register import slug
from jdl.published.results import concluded
from jdl.published.told import Notes

RESULTS, HISTORY, LOG, CODEBOOK = "results.csv", "history.csv", "log.csv", "codebook.csv"
DIGITS = 1e-12
"""Relative difference that the fifteen decimals of the data files leave."""
LEAST = 5
"""Independent results of a type below which none are put together; the bulletin says too few."""
_NUMBERS = (
    *("treatment_n", "comparison_n", "treatment", "comparison"),
    *("difference", "ci_low", "ci_high", "p_value"),
)
_CONCLUSIONS = ("reduction", "inconclusive", "increase")
_Row = Mapping[str, str]


def check(document: Document, notes: Notes, reports: Mapping[str, Document]) -> None:
    """Hold a bulletin's files against each other and against the reports beside it."""
    history, log = document.tables.get(HISTORY, []), _in_force(document.tables.get(LOG, []))
    _codebook(document, notes)
    for file in (RESULTS, HISTORY):
        for row in document.tables.get(file, ()):
            _row(file, row, notes)
    _this_month(document, notes)
    for name, report in reports.items():
        _report(document, name, report, notes)
    _once(document.tables.get(LOG, []), notes)
    _log(history, log, notes)
    for name, follows, rule in _figures(document, history, log, reports):
        entry = document.figures.get(name)
        if entry is not None:
            notes.derived.add(name)
            if not _close(entry["value"], follows):
                notes.find(REGISTER, name, rule, entry["value"], follows)


def _close(told: Any, follows: Any) -> bool:
    """Whether a figure is as worked out again, as far as a search for a maximum is exact."""
    numbers = all(isinstance(one, float) for one in (told, follows))
    return same(told, follows, 1e-7) or (numbers and abs(told - follows) < 1e-6)


def number(text: str | None) -> float | None:
    """Return a number of a data file; None for an empty cell."""
    return float(text) if text else None


def _place(row: _Row, key: str = "") -> str:
    return " ".join(one for one in (row.get("id", ""), row.get("measure", ""), key) if one)


def _codebook(document: Document, notes: Notes) -> None:
    """The codebook tells each column of each data file, and nothing else."""
    told: dict[str, list[str]] = {}
    for row in document.tables.get(CODEBOOK, ()):
        told.setdefault(row["file"], []).append(row["column"])
    for file, columns in told.items():
        rows = document.tables.get(file)
        if rows and list(rows[0]) != columns:
            rule = "a data file has the columns of the codebook"
            notes.find(file, None, rule, list(rows[0]), columns)


def _row(file: str, row: _Row, notes: Notes) -> None:
    """One result agrees with itself."""
    told = {key: number(row[key]) for key in _NUMBERS}
    difference, low, high, p = (told[key] for key in ("difference", "ci_low", "ci_high", "p_value"))
    place = _place(row)
    if told["treatment"] is not None and told["comparison"] is not None and difference is not None:
        follows = told["treatment"] - told["comparison"]
        if abs(difference - follows) > 2e-15 + DIGITS * abs(follows):
            notes.find(file, place, "treatment minus comparison", difference, follows)
    if difference is None or low is None or high is None:
        return
    if not low <= difference <= high:
        notes.find(file, place, "the interval holds the difference", difference, f"{low} to {high}")
    if abs((low + high) / 2 - difference) > 1e-4:
        rule = "the difference lies in the middle of its interval"
        notes.find(file, place, rule, difference, (low + high) / 2)
    follows_from = concluded(p, difference) if p is not None else _by_interval(low, high)
    if row["conclusion"] in _CONCLUSIONS and row["conclusion"] != follows_from:
        rule = "the conclusion follows from the interval and p"
        notes.find(file, place, rule, row["conclusion"], follows_from)
    if p is not None:
        least, most = arithmetic.possible_p(difference, low, high)
        if not least * (1 - 1e-6) - 1e-12 <= p <= most * (1 + 1e-6):
            rule = "p lies where its interval allows"
            notes.find(file, place, rule, p, f"{least:.3g} to {most:.3g}")


def _by_interval(low: float, high: float) -> str:
    return "reduction" if high < 0 else "increase" if low > 0 else "inconclusive"


def _this_month(document: Document, notes: Notes) -> None:
    """results.csv is the part of history.csv that this release published."""
    history = document.tables.get(HISTORY, [])
    ours = [row for row in history if row["origin"] == "this release"]
    told = document.tables.get(RESULTS, [])
    for mine, theirs in zip(told, ours, strict=False):
        key = next((one for one in mine if not _equal(one, mine[one], theirs.get(one))), None)
        if key is not None:
            rule = "results.csv and history.csv tell the same"
            notes.find(RESULTS, _place(mine, key), rule, mine[key], theirs.get(key))
    if len(told) != len(ours):
        notes.find(RESULTS, None, "it has this month's rows of history.csv", len(told), len(ours))
    recorded: Mapping[str, Any] = next(
        (p["result"] for _, p in document.parts if p.get("kind") == "result"), {}
    )
    for row, kept in zip(history, recorded.get("history", ()), strict=False):
        for key, value in kept.items():
            text = row.get(key, "")
            equal = same(number(text), value, DIGITS) if key in _NUMBERS else text == (value or "")
            if not equal:
                rule = "history and notebook tell the same"
                notes.find(HISTORY, _place(row, key), rule, text, value)


def _equal(key: str, told: str, other: str | None) -> bool:
    return told == other or (key in _NUMBERS and same(number(told), number(other)))


def _report(document: Document, name: str, report: Document, notes: Notes) -> None:
    """Each row of results.csv is what the report's own result tells."""
    told = {row["measure"]: row for row in document.tables.get(RESULTS, ()) if row["id"] == name}
    if report.result.get("status") != "reported":
        if told:
            notes.find(RESULTS, name, "only a reported request has results", len(told), 0)
        return
    headline = next(one for one in report.result["analyses"] if one["headline"])
    request = report.result["request"]
    rows = {row["measure"]: row for row in headline["measures"]}
    if sorted(told) != sorted(rows):
        rule = "every measure of a report is in results.csv"
        notes.find(RESULTS, name, rule, sorted(told), sorted(rows))
    for measure in sorted(set(told) & set(rows)):
        row, result = told[measure], rows[measure]
        for key in _NUMBERS:
            if not same(number(row[key]), result.get(key), 1e-10) and not _tiny(
                row[key], result.get(key)
            ):
                rule = "results.csv and the report's result tell the same"
                notes.find(RESULTS, _place(row, key), rule, row[key], result.get(key))
        for key in ("release", "organisation", "programme", "sector", "intervention_type"):
            if row[key] != (request.get(key) or ""):
                rule = "results.csv and the report's result tell the same"
                notes.find(RESULTS, _place(row, key), rule, row[key], request.get(key))
        if row["conclusion"] != result["conclusion"]:
            rule = "results.csv and the report's result conclude the same"
            notes.find(
                RESULTS, _place(row, "conclusion"), rule, row["conclusion"], result["conclusion"]
            )


def _tiny(text: str, value: Any) -> bool:
    """Whether two numbers differ only beyond the fifteenth decimal."""
    told = number(text)
    return told is not None and isinstance(value, int | float) and abs(told - value) <= 1e-15


def _in_force(log: Sequence[_Row]) -> list[_Row]:
    """Return one row a request: of a corrected one, the row of its last correction."""
    last: dict[str, _Row] = {}
    for row in sorted(log, key=lambda row: row["release"]):
        last[row["id"]] = row
    return [row for row in log if row is last[row["id"]]]


def _once(log: Sequence[_Row], notes: Notes) -> None:
    """A request stands once in the log, and once more for each correction of it."""
    first = Counter(row["id"] for row in log if not row.get("corrects"))
    for name, count in first.items():
        if count > 1:
            notes.find(LOG, name, "a request stands once in the log", count, 1)
    there = {(row["id"], row["release"]) for row in log}
    for row in log:
        if row.get("corrects") and (row["id"], row["corrects"]) not in there:
            rule = "what a row of the log corrects stands in the log as well"
            notes.find(LOG, row["id"], rule, row["corrects"], "absent")


def _log(history: Sequence[_Row], log: Sequence[_Row], notes: Notes) -> None:
    """The history tells of older analyses what the log does."""
    entries = {row["id"]: row for row in log}
    for row in history:
        if row["id"] not in entries:
            rule = "a result is of a request in the log"
            notes.find(HISTORY, _place(row), rule, "absent", row["id"])
        else:
            _of_an_entry(row, entries[row["id"]], notes)
    for entry in log:
        _entry(entry, notes)


_COLUMNS = {"difference": "rate_difference"}


def _of_an_entry(row: _Row, entry: _Row, notes: Notes) -> None:
    pairs = [(key, key) for key in ("organisation", "programme", "sector", "intervention_type")]
    pairs.append(("release", "release"))
    if row["origin"] == "log":
        pairs.append(("conclusion", f"{row['measure']}_result"))
        if row["measure"] == "rate":
            numbers = ("treatment_n", "difference", "ci_low", "ci_high")
            pairs += [(key, _COLUMNS.get(key, key)) for key in numbers]
    for key, column in pairs:
        if column in entry and not _equal(key, entry[column], row[key]):
            rule = "history and log tell the same"
            notes.find(LOG, f"{row['id']} {column}", rule, entry[column], row[key])


def _entry(entry: _Row, notes: Notes) -> None:
    """What the log tells of an older analysis agrees with itself."""
    keys = ("ci_low", "ci_high", "rate_difference")
    low, high, difference = (number(entry[key]) for key in keys)
    if low is None or high is None or difference is None:
        return
    if abs((low + high) / 2 - difference) > 2e-4:
        rule = "the difference lies in the middle of its interval"
        notes.find(LOG, f"{entry['id']} rate_difference", rule, difference, (low + high) / 2)
    told, follows = entry["rate_result"], _by_interval(low, high)
    if told != follows:
        rule = "the conclusion follows from the interval"
        notes.find(LOG, f"{entry['id']} rate_result", rule, told, follows)


def _figures(
    document: Document,
    history: Sequence[_Row],
    log: Sequence[_Row],
    reports: Mapping[str, Document],
) -> Iterator[tuple[str, Any, str]]:
    value = document.value
    parts = [
        value(f"bulletin.{one}") or 0
        for one in ("published", "ready", "not_processed", "withdrawn", "remaining")
    ]
    yield "bulletin.received", sum(parts), "received is all that became of the requests"
    yield "bulletin.complete", sum(parts[:2]), "completed is published and ready"
    yield "bulletin.withdrawn.words", parts[3], "the same number in words"
    yield from _completed(document, history, log)
    yield from _of_log(document, log)
    yield from _put_together(document, history, log)
    yield from _quality(document, reports)


def _without_result(rates: Mapping[str, _Row], log: Sequence[_Row]) -> list[_Row]:
    """Return the requests that were published, but of which no result can be read any more."""
    now = max((row["release"] for row in rates.values()), default="")
    done = (row for row in log if row["status"] == "published" and row["release"] <= now)
    return [row for row in done if row["id"] not in rates]


def _completed(
    document: Document, history: Sequence[_Row], log: Sequence[_Row]
) -> Iterator[tuple[str, Any, str]]:
    """Count the conclusions of every analysis to date, and tell each."""
    rates = {row["id"]: row for row in history if row["measure"] == "rate"}
    if not rates:
        return
    now = document.value("quality.release") or max(row["release"] for row in rates.values())
    ready = sum(_is_new(row, now) for row in rates.values())
    unknown = _without_result(rates, log)
    ready_too = sum(_is_new(row, now) for row in unknown)
    every = len(rates) + len(unknown)
    yield "bulletin.ready", ready + ready_too, "this month's analyses in history.csv and the log"
    yield "bulletin.published", every - ready - ready_too, "earlier analyses in both"
    frequency = {row["id"]: row["conclusion"] for row in history if row["measure"] == "frequency"}
    counts = Counter(row["conclusion"] for row in rates.values())
    rule = "the conclusions in history.csv, counted"
    for one in _CONCLUSIONS:
        for name in (
            f"bulletin.outcomes.{one}",
            f"bulletin.outcomes.{one}.opening",
            f"bulletin.drawn.{one}",
        ):
            yield name, counts[one], rule
    yield "bulletin.outcomes.total", _told(counts), rule
    yield "bulletin.drawn.total", sum(bool(r["ci_low"]) for r in rates.values()), rule
    yield "pooled.every", every, rule
    yield (
        "bulletin.outcomes.by_chance",
        arithmetic.LEVEL / 2 * _told(counts),
        "2.5% in each direction",
    )
    also = sum(
        r["conclusion"] == "inconclusive" and frequency.get(i) == "reduction"
        for i, r in rates.items()
    )
    yield "bulletin.outcomes.inconclusive.frequency_reduction", also, rule
    for column in ("intervention_type", "sector"):
        yield from _by(column, rates)
    for name, row in rates.items():
        yield f"bulletin.{name}.release", row["release"], "history and register tell the same"
        size = number(row["treatment_n"])
        yield (
            f"bulletin.{name}.treatment_n",
            None if size is None else int(size),
            "history and register tell the same",
        )
        low, high = number(row["ci_low"]), number(row["ci_high"])
        for key, limit in (("ci_low", low), ("ci_high", high)):
            yield (
                f"bulletin.{name}.{key}",
                None if limit is None else hundredfold(limit),
                "history and register tell the same",
            )
        if low is not None and high is not None:
            yield (
                f"bulletin.{name}.rate.least",
                100 * min(abs(low), abs(high)),
                "the range is the interval",
            )
            yield (
                f"bulletin.{name}.rate.most",
                100 * max(abs(low), abs(high)),
                "the range is the interval",
            )


def _is_new(row: _Row, now: str) -> bool:
    """Whether an analysis is of this release, and no correction of one that was published."""
    return row["release"] == now and not row.get("corrects")


def _told(counts: Mapping[str, int]) -> int:
    """Return how many results were told, without those withheld."""
    return sum(counts[one] for one in _CONCLUSIONS)


def _by(column: str, rates: Mapping[str, _Row]) -> Iterator[tuple[str, Any, str]]:
    name = f"bulletin.by_{column.replace('_', '-')}"
    rule = f"the conclusions in history.csv, counted by {column}"
    kinds: dict[str, Counter[str]] = {}
    for row in rates.values():
        kinds.setdefault(row[column], Counter())[row["conclusion"]] += 1
    for kind, counts in kinds.items():
        for one in _CONCLUSIONS:
            yield f"{name}.{slug(kind)}.{one}", counts[one], rule
        yield f"{name}.{slug(kind)}.total", _told(counts), rule
    mostly = sum(2 * counts["inconclusive"] > _told(counts) for counts in kinds.values())
    yield f"{name}.mostly_inconclusive", mostly, rule
    yield f"{name}.values", len(kinds), rule


_BECOME = {"not processed": "not_processed", "withdrawn": "withdrawn", "received": "remaining"}
"""Under which name the bulletin counts the requests of a status in the log."""


def _of_log(document: Document, log: Sequence[_Row]) -> Iterator[tuple[str, Any, str]]:
    """Count what had become of each request when the period of the release ended."""
    until, release = document.value("release.period_to"), document.value("quality.release")
    if not log or not until or not release:
        return
    known = [row for row in log if row["received"] <= until]
    yield "bulletin.received", len(known), "requests in the log, received in the period"
    counts = Counter(row["status"] for row in known)
    for status, name in _BECOME.items():
        yield f"bulletin.{name}", counts[status], "requests in the log, by what became of them"


def _put_together(
    document: Document, history: Sequence[_Row], log: Sequence[_Row]
) -> Iterator[tuple[str, Any, str]]:
    """Put the results of each type together again."""
    rates = [row for row in history if row["measure"] == "rate"]
    said = _independent(rates, log)
    unknown = Counter(
        row["intervention_type"] for row in _without_result({r["id"]: r for r in rates}, log)
    )
    kinds = sorted({row["intervention_type"] for row in rates})
    used = few = clear = types = superseded = 0
    for kind in kinds:
        rows = [row for row in rates if row["intervention_type"] == kind]
        counts = Counter(said[row["id"]] for row in rows)
        name, rule = f"pooled.{slug(kind)}", "independent results of the type, counted"
        yield f"{name}.studies", counts["used"], rule
        yield f"{name}.results", counts["used"], rule
        yield f"{name}.superseded", counts["superseded"], rule
        yield f"{name}.left_out", counts["left out"] + unknown[kind], rule
        if counts["used"] < LEAST:
            few += counts["used"]
            superseded += counts["superseded"]
            continue
        used, types, superseded = (
            used + counts["used"],
            types + 1,
            superseded + counts["superseded"],
        )
        pooled = _pool([row for row in rows if said[row["id"]] == "used"])
        clear += pooled.high < 0 or pooled.low > 0
        yield from _synthesis(name, pooled)
    yield "pooled.used", used, "results put together, counted"
    yield "pooled.few", few, "results of types with too few"
    yield "pooled.superseded", superseded, "results within a later one"
    for key in ("clear", "drawn_clear"):
        yield f"pooled.{key}", clear, "averages whose interval leaves nought out"
    for key in ("types", "drawn"):
        yield f"pooled.{key}", types, "types put together"
    yield "pooled.by_chance", arithmetic.LEVEL * types, "so many clear by chance alone"


def _independent(rates: Sequence[_Row], log: Sequence[_Row]) -> dict[str, str]:
    """Say of each result if it is used, so that nobody counts twice; the latest comes first."""
    extends = {row["id"]: row.get("extends", "").split() for row in log}
    said: dict[str, str] = {}
    taken: set[str] = set()
    order = sorted(
        rates, key=lambda row: (row["release"], len(_included(row["id"], extends))), reverse=True
    )
    for row in order:
        low, high = number(row["ci_low"]), number(row["ci_high"])
        people = _included(row["id"], extends)
        if not row["difference"] or low is None or high is None or high <= low:
            said[row["id"]] = "left out"
        elif people & taken:
            said[row["id"]] = "superseded"
        else:
            said[row["id"]] = "used"
            taken |= people
    return said


def _included(name: str, extends: Mapping[str, Sequence[str]]) -> set[str]:
    found, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(extends.get(one, ()))
    return found


def _pool(rows: Sequence[_Row]) -> arithmetic.Pooled:
    normal = arithmetic.normal_quantile()
    differences = [float(row["difference"]) for row in rows]
    errors = [(float(row["ci_high"]) - float(row["ci_low"])) / (2 * normal) for row in rows]
    return arithmetic.pool(differences, errors)


def _synthesis(name: str, pooled: arithmetic.Pooled) -> Iterator[tuple[str, Any, str]]:
    rule = "the random-effects average of the results told"
    yield f"{name}.estimate", 100 * pooled.average, rule
    yield f"{name}.ci_low", 100 * pooled.low, rule
    yield f"{name}.ci_high", 100 * pooled.high, rule
    yield f"{name}.least", 100 * min(abs(pooled.low), abs(pooled.high)), rule
    yield f"{name}.most", 100 * max(abs(pooled.low), abs(pooled.high)), rule
    yield f"{name}.prediction_low", 100 * pooled.spread_low, rule
    yield f"{name}.prediction_high", 100 * pooled.spread_high, rule
    yield f"{name}.tau", 100 * pooled.tau, rule
    yield f"{name}.i_squared", pooled.i_squared, rule


def _quality(document: Document, reports: Mapping[str, Document]) -> Iterator[tuple[str, Any, str]]:
    """The quality statement counts what the reports beside it tell."""
    rule = "the quality statement and the reports tell the same"
    published = document.value("release.published_at")
    waits, rows, analysed, linked = [], 0, 0, 0
    reported = 0
    for name, report in reports.items():
        result = report.result
        received = result.get("request", {}).get("received")
        if published and received:
            days = (dt.date.fromisoformat(published[:10]) - dt.date.fromisoformat(received)).days
            waits.append(days)
            yield f"quality.{name}.days", days, "days from receipt to publication"
            yield f"quality.{name}.received", received, rule
        if result.get("status") != "reported":
            continue
        reported += 1
        submitted = result["funnel"][0]["remaining"]
        headline = next(one for one in result["analyses"] if one["headline"])
        people = headline["treatment_n"]
        yield f"quality.{name}.submitted", submitted, rule
        yield f"quality.{name}.analysed", people, rule
        yield f"quality.{name}.worst", headline["balance"]["worst"], rule
        if submitted and people:
            yield f"quality.{name}.analysed.share", people / submitted, "a share of the rows"
            rows, analysed = rows + submitted, analysed + people
        links = report.value("linkage.linked")
        if links and submitted:
            yield f"quality.{name}.linked.share", links / submitted, "a share of the rows"
            linked += links
    if waits and all(one.result for one in reports.values()):
        yield "quality.days.least", min(waits), "the shortest wait"
        yield "quality.days.most", max(waits), "the longest wait"
    if rows:
        yield "quality.analysed.share", analysed / rows, "a share of all rows"
        yield "quality.reports", reported, "reports, counted"
        yield "quality.headlines", reported, "reports, counted"
    if linked and all(
        r.value("linkage.linked") for r in reports.values() if r.result.get("status") == "reported"
    ):
        yield "quality.linked.share", linked / rows, "a share of all rows"
