"""The yearly review: what running the service has taught, from its log, releases and reports.

Everything here is counted from what has been published already: the log of requests, the files of
finished releases and the record of each report. Sums over requests are of rows that passed
disclosure control one by one; a reason that few people had is put with the other reasons.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import ndtri

from jdl.figures import SCHEMA, Cell, Figure, Part, Result, Sentence, Sentences, Table
from jdl.log import Release, counts_at, read_release, status_at
from jdl.national import Vintage, code_list
from jdl.power import reach
from jdl.wording import (
    capital,
    counted,
    dated,
    is_missing,
    listed,
    month,
    number,
    percentage,
    plural,
    proper,
    quoted,
    scaled,
    share,
    slug,
    spelled,
)

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
OUTCOMES = {
    "reported": "Reported",
    "not processed": "Could not be processed",
    "withdrawn": "Withdrawn",
    "remaining": "Remaining",
}
"""What became of a request, and its name in print."""
BANDS = (100, 200, 500, 1_000)
"""Sizes of the treatment group at which a new band begins."""
SMALL = 10
"""Sums of people below this are put together, or told to the nearest five."""
OTHER = "other reasons"
_TEXT, _WHOLE = "Text", "Whole number"
CODEBOOK = (
    ("results.csv", "id", "Name of the request", "none", _TEXT),
    ("results.csv", "organisation", "Who asked", "none", _TEXT),
    ("results.csv", "programme", "What was evaluated", "none", _TEXT),
    ("results.csv", "sector", "Sector of the organisation", "none", "; ".join(code_list("sector"))),
    (
        *("results.csv", "intervention_type", "Type of intervention", "none"),
        "; ".join(code_list("intervention_type")),
    ),
    ("results.csv", "received", "Day on which the request was received", "date", "YYYY-MM-DD"),
    ("results.csv", "release", "Month of the release that closed it", "month", "YYYY-MM"),
    ("results.csv", "outcome", "What became of it", "none", "; ".join(OUTCOMES)),
    ("results.csv", "days", "From receipt to publication of its report", "days", _WHOLE),
    ("results.csv", "treatment_n", "Treatment group of the headline analysis", "people", _WHOLE),
    (
        *("results.csv", "rate_result", "What the test of the one-year rate shows", "none"),
        "reduction; inconclusive; increase",
    ),
    (
        *("results.csv", "detectable", "Smallest difference found four times in five"),
        *("proportion", "0 to 1"),
    ),
    ("losses.csv", "step", "Place in the table; 0 is what was submitted", "none", _WHOLE),
    ("losses.csv", "reason", "Why people left the analysis", "none", _TEXT),
    ("losses.csv", "removed", "Who left for this reason, over all requests", "people", _WHOLE),
    ("losses.csv", "remaining", "Who remain after it", "people", _WHOLE),
)
"""File, column, meaning, unit and values of every column of the data files."""

_LACKED = {"pnc-id-or-prison-number": "PNC ID or prison number"}
_DONE = ("published", "ready")


# --- What is at hand -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """The public record of one request.

    Parameters
    ----------
    release : str
        The release that published it.
    result : dict
        Content of ``result.json``.
    figures : dict
        Value and text by the name of the figure, from ``figures.json``; None where withheld.
    """

    release: str
    result: Mapping[str, Any]
    figures: Mapping[str, tuple[Any, str] | None]

    @property
    def id(self) -> str:
        """The request's id."""
        return str(self.result["request"]["id"])

    @property
    def programme(self) -> str:
        """What was delivered."""
        return str(self.result["request"]["programme"])

    @property
    def headline(self) -> Mapping[str, Any] | None:
        """Its headline analysis, where it was reported."""
        return next((one for one in self.result["analyses"] if one["headline"]), None)


def finished_releases(outputs: Path, year: int) -> tuple[str, ...]:
    """Return the finished releases that a year's review covers, in order.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    year : int

    Returns
    -------
    tuple of str
        Every one up to the last of the year; empty where none of the year itself is finished.
    """
    found = sorted(file.parent.name for file in outputs.glob("[0-9]*/manifest.json"))
    names = [name for name in found if re.fullmatch(r"\d{4}-\d{2}", name) and int(name[:4]) <= year]
    return tuple(names) if any(name.startswith(f"{year:04}-") for name in names) else ()


def read_reports(outputs: Path, releases: Sequence[str]) -> tuple[Held, ...]:
    """Read the public record of every request in finished releases.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    releases : sequence of str
        In order; of a request published twice, the last counts.

    Returns
    -------
    tuple of Held
        In order of id.
    """
    held: dict[str, Held] = {}
    for release in releases:
        for file in sorted(outputs.glob(f"{release}/reports/*/result.json")):
            result = json.loads(file.read_text(encoding="utf-8"))
            told = json.loads((file.parent / "figures.json").read_text(encoding="utf-8"))
            values = {
                one["id"]: None if one["suppressed"] else (one["value"], one["text"])
                for one in told
            }
            held[file.parent.name] = Held(release, result, values)
    return tuple(held[name] for name in sorted(held))


def releases_to(requests_folder: Path, log: pd.DataFrame, last: str) -> tuple[Release, ...]:
    """Return the facts of every release that the log names, up to the last one.

    Parameters
    ----------
    requests_folder : Path
        Holds ``releases``; a release without a file there has plain defaults.
    log : DataFrame
        From ``log.read_log``.
    last : str
        ``YYYY-MM``.
    """
    names = sorted({name for name in log["release"].dropna() if name < last} | {last})
    return tuple(read_release(requests_folder, name) for name in names)


# --- Requests ------------------------------------------------------------------------------------


def requests_at(log: pd.DataFrame, releases: Sequence[Release]) -> pd.DataFrame:
    """Return every request as it stood at the last release, with the time that it took.

    Parameters
    ----------
    log : DataFrame
        From ``log.read_log``.
    releases : sequence of Release
        From `releases_to`.

    Returns
    -------
    DataFrame
        The log's columns and ``status_then``; ``outcome``, a key of `OUTCOMES`; ``month`` and
        ``quarter`` of receipt as their first day; ``published_on`` and ``days`` from receipt to
        publication, missing where no report was published.
    """
    then = status_at(log, releases[-1])
    published = {release.name: pd.Timestamp(release.published_at.date()) for release in releases}
    reported = then["status_then"].isin(_DONE)
    on = then["release"].where(reported).map(published).astype("datetime64[s]")
    return then.assign(
        outcome=then["status_then"].where(~reported, "reported"),
        month=then["received"].dt.to_period("M").dt.start_time.dt.as_unit("s"),
        quarter=then["received"].dt.to_period("Q").dt.start_time.dt.as_unit("s"),
        published_on=on,
        days=(on - then["received"]).dt.days.astype("Int64"),
    )


def outcomes_by(requests: pd.DataFrame, column: str) -> pd.DataFrame:
    """Count what became of requests by the values of a column.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`.
    column : str

    Returns
    -------
    DataFrame
        A row a value, a column an outcome: months in order, every month between the first and the
        last; all else by the number of requests, most first.
    """
    counts = pd.crosstab(requests[column], requests["outcome"])
    counts = counts.reindex(columns=list(OUTCOMES), fill_value=0).sort_index()
    if column == "month" and len(counts):
        months = pd.date_range(counts.index[0], counts.index[-1], freq="MS")
        return counts.reindex(months, fill_value=0)
    order = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return counts.loc[order]


def waits_by(requests: pd.DataFrame, by: str) -> pd.DataFrame:
    """Sum up the days from receipt to publication.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`; those without a report are left out.
    by : {'release', 'quarter'}
        The release, or the quarter of the year, in which a report was published.

    Returns
    -------
    DataFrame
        A row a value: n, median, shortest and longest, in days.
    """
    done = requests.dropna(subset=["days"])
    keys = done["release"]
    if by == "quarter":
        keys = done["published_on"].dt.to_period("Q").dt.start_time
    found = done.groupby(keys)["days"].agg(["size", "median", "min", "max"]).sort_index()
    return found.set_axis(["n", "median", "shortest", "longest"], axis=1)


# --- People --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Losses:
    """Where people were lost between upload and analysis, summed over requests.

    Parameters
    ----------
    rows : DataFrame
        step, reason, removed and remaining; the first row is what was submitted. Empty where no
        report is at hand.
    included : tuple of str
        The programmes whose numbers are summed.
    left_out : tuple of (str, str)
        The other programmes with a report, and why they are left out.
    """

    rows: pd.DataFrame
    included: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


def losses(held: Sequence[Held]) -> Losses:
    """Sum the reasons for which people left the analyses.

    A request is left out where a later one at hand includes its people, and where its published
    steps do not lead from the people submitted to those analysed. Reasons that few people had are
    put with the other reasons.

    Parameters
    ----------
    held : sequence of Held
        From `read_reports`.
    """
    counted_in, left_out = _once(held)
    removed: dict[str, int] = {}
    submitted = 0
    for one in counted_in:
        submitted += one.result["funnel"][0]["remaining"]
        for row in one.result["funnel"][1:]:
            removed[row["reason"]] = removed.get(row["reason"], 0) + row["removed"]
    rows = [(0, "submitted", 0, submitted)]
    for step, (reason, many) in enumerate(_put_together(removed), start=1):
        rows.append((step, reason, many, rows[-1][-1] - many))
    frame = pd.DataFrame(
        rows if counted_in else [], columns=["step", "reason", "removed", "remaining"]
    )
    return Losses(frame, tuple(one.programme for one in counted_in), left_out)


def _once(held: Sequence[Held]) -> tuple[tuple[Held, ...], tuple[tuple[str, str], ...]]:
    """Return the reports in which each person counts once, and why the others are left out."""
    reported = [one for one in held if one.headline is not None]
    later = {earlier: one for one in reported for earlier in one.result["request"]["extends"]}
    why = {}
    for one in reported:
        if one.id in later:
            why[one.id] = f"its people are counted with {later[one.id].programme}"
        elif not _adds_up(one):
            why[one.id] = "its published steps do not lead to the number analysed"
    return (
        tuple(one for one in reported if one.id not in why),
        tuple((one.programme, why[one.id]) for one in reported if one.id in why),
    )


def _adds_up(held: Held) -> bool:
    """Whether a funnel leads from the people submitted to those analysed."""
    funnel, headline = held.result["funnel"], held.headline
    if not funnel or headline is None or not headline["treatment_n"]:
        return False
    start = funnel[0]["remaining"] - sum(row["removed"] for row in funnel[1:])
    lowest = min(row["remaining"] for row in funnel)
    return bool(start == funnel[-1]["remaining"] == headline["treatment_n"] and lowest >= 0)


def _put_together(removed: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return reasons, most people first; those of few are among the other reasons, told last."""
    named = sorted(
        ((reason, many) for reason, many in removed.items() if reason != OTHER and many),
        key=lambda item: (-item[1], item[0]),
    )
    other = removed.get(OTHER, 0)
    while named and (named[-1][1] < SMALL or 0 < other < SMALL):
        other += named.pop()[1]
    return [*named, (OTHER, nearest(other))] if other else named


def nearest(many: int) -> int:
    """Return a sum of people as it is told: to the nearest five where it is small."""
    return many if many >= SMALL else int(5 * ((many + 2) // 5))


def lacking(held: Sequence[Held]) -> pd.DataFrame:
    """Sum what uploads lacked, and what was found with and without it.

    Parameters
    ----------
    held : sequence of Held
        From `read_reports`; each person counts once, as in `losses`.

    Returns
    -------
    DataFrame
        A row for each thing that was lacking, most rows first: field; reports that lacked it;
        rows_lacking, and rows, those submitted in these reports; with_low to without_high, the
        range of the shares found over the reports that tell them for both; told, their number;
        gain and fewer, the people expected to be found besides, and a number that the rest of them
        is below; withheld, the reports that tell no number expected.
    """
    chosen = _once(held)[0]
    fields = dict.fromkeys(
        name.split(".")[1]
        for one in chosen
        for name in one.figures
        if re.fullmatch(r"gains\.[a-z0-9-]+\.rows_lacking", name)
    )
    rows = [row for field in fields if (row := _lacked(field, chosen))["rows_lacking"]]
    rows.sort(key=lambda row: (-row["rows_lacking"], row["field"]))
    return pd.DataFrame(rows, columns=_LACKING)


_ENDS = ("with_low", "with_high", "without_low", "without_high")
_LACKING = ["field", "reports", "rows_lacking", "rows", *_ENDS, "told", "gain", "fewer", "withheld"]


def _lacked(field: str, held: Sequence[Held]) -> dict[str, Any]:
    """Sum one thing that uploads lacked."""
    base = f"gains.{field}"
    row: dict[str, Any] = dict.fromkeys(_LACKING, 0)
    row["field"] = _LACKED.get(field, field.replace("-", " "))
    ranges = []
    for one in held:
        many = one.figures.get(f"{base}.rows_lacking")
        if many is None or not many[0]:
            continue
        row["reports"] += 1
        row["rows_lacking"] += many[0]
        row["rows"] += one.result["funnel"][0]["remaining"]
        ranges += _both_ranges(one, base)
        gain = one.figures.get(f"{base}.gain")
        if gain is None:
            row["withheld"] += 1
        else:
            row["fewer" if gain[1].startswith("fewer") else "gain"] += gain[0]
    ends = zip(*ranges, strict=True) if ranges else [(None,)] * 4
    picks = (min, max, min, max)
    told = {name: pick(end) for name, pick, end in zip(_ENDS, picks, ends, strict=True)}
    return row | told | {"told": len(ranges), "rows_lacking": nearest(row["rows_lacking"])}


def _both_ranges(held: Held, base: str) -> list[tuple[float, float, float, float]]:
    """Return the shares found with and without it, where a report tells both."""
    ends: list[float] = []
    for which in ("with", "without"):
        exact = held.figures.get(f"{base}.share_{which}")
        low, high = (held.figures.get(f"{base}.{end}_{which}") for end in ("low", "high"))
        ends += [float(one[0]) for one in (low or exact, high or exact) if one is not None]
    return [(ends[0], ends[1], ends[2], ends[3])] if len(ends) == 4 else []


# --- Size ----------------------------------------------------------------------------------------


def sizes(every: pd.DataFrame, held: Sequence[Held], *, significance: float) -> pd.DataFrame:
    """Return the size, the conclusion and the reach of every analysis whose result is known.

    Parameters
    ----------
    every : DataFrame
        From ``bulletin.completed``.
    held : sequence of Held
        From `read_reports`, for the smallest detectable difference as it was published.
    significance : float
        Of each test.

    Returns
    -------
    DataFrame
        id, programme, treatment_n, rate_result, ``conclusive``, ``band`` (the size at which it
        begins) and ``detectable``: as published, or else from the width of the interval.

    Notes
    -----
    An interval of width w at level s has the standard error w / (2 z), z the normal quantile at
    1 - s / 2; the smallest difference found with a power of four in five is ``power.reach`` of it.
    """
    shown = every["rate_result"].isin(("reduction", "inconclusive", "increase"))
    known = every.loc[shown & every["treatment_n"].notna()].reset_index(drop=True)
    error = (known["ci_high"] - known["ci_low"]) / (2 * ndtri(1 - significance / 2))
    published = {one.id: _published_reach(one) for one in held}
    reached = known["id"].map(published).astype("float64")
    size = known["treatment_n"].astype("int64")
    return pd.DataFrame(
        {
            "id": known["id"],
            "programme": known["programme"],
            "treatment_n": size,
            "rate_result": known["rate_result"],
            "conclusive": known["rate_result"] != "inconclusive",
            "band": [max(edge for edge in (0, *BANDS) if edge <= many) for many in size],
            "detectable": reached.fillna(reach(significance) * error),
        }
    )


def _published_reach(held: Held) -> float | None:
    if held.headline is None:
        return None
    rate = next(row for row in held.headline["measures"] if row["measure"] == "rate")
    return None if rate["detectable"] is None else float(rate["detectable"])


def by_size(sized: pd.DataFrame) -> pd.DataFrame:
    """Count conclusions by band of size.

    Parameters
    ----------
    sized : DataFrame
        From `sizes`.

    Returns
    -------
    DataFrame
        A row a band, every band: analyses, conclusive, inconclusive, and the median of detectable.
    """
    bands = sized.groupby("band")
    found = pd.DataFrame(
        {
            "analyses": bands.size(),
            "conclusive": bands["conclusive"].sum(),
            "detectable": bands["detectable"].median(),
        }
    ).reindex([0, *BANDS])
    counts = found[["analyses", "conclusive"]].fillna(0).astype("int64")
    return counts.assign(
        inconclusive=counts["analyses"] - counts["conclusive"], detectable=found["detectable"]
    )


# --- Method --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A change of method.

    Parameters
    ----------
    on : date or None
        The day from which it holds; None where it has none yet.
    text : str
        As it was announced.
    source : str
        Where.
    """

    on: dt.date | None
    text: str
    source: str


_VERSION = re.compile(r"## \[?([^\]\s]+)\]?(?: - (\d{4}-\d{2}-\d{2}))?\s*$")


def methodology(changelog: Path) -> tuple[Change, ...]:
    """Read the changes of method that a changelog keeps apart from those of code.

    Parameters
    ----------
    changelog : Path
        Laid out as Keep a Changelog proposes, with a part called Methodology in a version; an
        installation may lack it.

    Returns
    -------
    tuple of Change
        In the file's order; dated as their version is. None without the file.
    """
    if not changelog.exists():
        return ()
    changes: list[Change] = []
    on, version, part = None, "", ""
    for line in changelog.read_text(encoding="utf-8").splitlines():
        if told := _VERSION.match(line):
            version, part = told[1], ""
            on = dt.date.fromisoformat(told[2]) if told[2] else None
        elif line.startswith("### "):
            part = line[4:].strip()
        elif part == "Methodology" and line.startswith("- "):
            changes.append(Change(on, _plain(line[2:]), f"Changelog, {version}"))
        elif part == "Methodology" and line.startswith("  ") and changes:
            before = changes.pop()
            changes.append(Change(on, f"{before.text} {_plain(line)}", before.source))
    return tuple(changes)


def _plain(text: str) -> str:
    return re.sub(r"\[([^\]]*)\]\([^)]*\)|`|\*\*", lambda m: m[1] or "", text.strip())


def changes(releases: Sequence[Release], changelog: Sequence[Change]) -> tuple[Change, ...]:
    """Return what changed in service and method, by date, up to the last release.

    Parameters
    ----------
    releases : sequence of Release
        Their words about the service are news of the day on which they were published.
    changelog : sequence of Change
        From `methodology`; those without a date, or with a later one, are left out.
    """
    until = releases[-1].published_at.date()
    told = [
        Change(release.published_at.date(), line.strip(), "Release")
        for release in releases
        for line in release.service_update.splitlines()
        if line.strip()
    ]
    dated_changes = [change for change in changelog if change.on is not None and change.on <= until]
    return tuple(sorted([*told, *dated_changes], key=lambda change: str(change.on)))


def made_with(outputs: Path, releases: Sequence[str]) -> pd.DataFrame:
    """Return what each finished release was made with, from its manifest.

    Parameters
    ----------
    outputs : Path
        The folder of releases.
    releases : sequence of str

    Returns
    -------
    DataFrame
        release, vintage, version and code, the hash of package, notebooks and templates.
    """
    rows = []
    for name in releases:
        made = json.loads((outputs / name / "manifest.json").read_text(encoding="utf-8"))
        code = made["code"]
        rows.append((name, made["vintage"]["name"], code["version"], code["sha256"]))
    return pd.DataFrame(rows, columns=["release", "vintage", "version", "code"])


# --- Sentences -----------------------------------------------------------------------------------


def lessons(
    requests: pd.DataFrame,
    lost: Losses,
    sized: pd.DataFrame,
    lacked: pd.DataFrame,
    *,
    period_to: dt.date,
) -> Sentences:
    """Return what the year has taught, a sentence or two for each part of the review.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`.
    lost : Losses
    sized : DataFrame
        From `sizes`.
    lacked : DataFrame
        From `lacking`.
    period_to : date
        The last day on which a request counts.
    """
    items = (
        _received(requests, period_to),
        _waited(requests),
        _turned_away(requests),
        _lost(lost),
        _decided(sized),
        _seen(sized),
        _better_data(lacked),
    )
    return Sentences(tuple(item for item in items if item is not None))


def _received(requests: pd.DataFrame, period_to: dt.date) -> Sentence:
    by_outcome = requests["outcome"].value_counts()
    every = counted("yearly.received", len(requests), "requests")
    lead = ("By ", dated("yearly.period_to", period_to), " the service had received ")
    if not len(requests):
        return Sentence.of(*lead, "no request.")
    parts: list[Part] = [every, f" {plural(every, 'request', 'requests')}: "]
    words = {
        "reported": ("has a report", "have a report"),
        "not processed": ("could not be processed", "could not be processed"),
        "withdrawn": ("was withdrawn", "were withdrawn"),
        "remaining": ("remained", "remained"),
    }
    told: list[tuple[Part, ...]] = []
    for outcome, (one, many) in words.items():
        value = int(by_outcome.get(outcome, 0))
        if value:
            said = counted(f"yearly.{slug(outcome)}", value, "requests")
            told.append((said, f" {plural(said, one, many)}"))
    return Sentence.of(*lead, *parts, *_joined(told), ".")


def _joined(told: Sequence[tuple[Part, ...]]) -> list[Part]:
    """Return parts set apart as ``a, b and c``."""
    parts: list[Part] = []
    for place, part in enumerate(told):
        if place:
            parts.append(" and " if place == len(told) - 1 else ", ")
        parts += part
    return parts


def _waited(requests: pd.DataFrame) -> Sentence | None:
    done = requests["days"].dropna()
    if done.empty:
        return None
    if len(done) == 1:
        return Sentence.of(
            "The one report was published ", _days("only", done.iloc[0]), " after the request."
        )
    return Sentence.of(
        "Half of the reports were published within ",
        _days("median", done.median()),
        " of the request; the quickest took ",
        _days("shortest", done.min()),
        " and the slowest ",
        _days("longest", done.max()),
        ".",
    )


def _days(name: str, value: Any) -> Figure:
    text = number(float(value))
    noun = "day" if text == "1" else "days"
    return Figure(f"yearly.days.{name}.words", float(value), "days", f"{text} {noun}")


def _turned_away(requests: pd.DataFrame) -> Sentence | None:
    failed = requests.loc[requests["outcome"] == "not processed", "reason"].dropna()
    if failed.empty:
        return None
    reasons = failed.value_counts()
    most = sorted(str(reason) for reason, many in reasons.items() if many == reasons.max())
    many = counted("yearly.reasons.most", int(reasons.max()), "requests")
    if len(reasons) == 1:
        return Sentence.of(
            "Every reason on record for not processing a request was the same: ",
            *quoted("yearly.reason", _lower(most[0])),
            ".",
        )
    if len(most) > 1:
        return Sentence.of(
            "No single reason for not processing a request stood out: the most frequent had ",
            many,
            f" {plural(many, 'request', 'requests')} each.",
        )
    return Sentence.of(
        "The most frequent reason for not processing a request was: ",
        *quoted("yearly.reason", _lower(most[0])),
        " (",
        many,
        f" {plural(many, 'request', 'requests')}).",
    )


def _lower(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"


def _lost(lost: Losses) -> Sentence | None:
    if lost.rows.empty:
        return None
    start, end = int(lost.rows["remaining"].iloc[0]), int(lost.rows["remaining"].iloc[-1])
    name = f"yearly.funnel.{len(lost.rows) - 1}.remaining"
    many = spelled("yearly.losses.requests", len(lost.included), "requests")
    parts: list[Part] = [
        "In the ",
        many,
        f" {plural(many, 'request', 'requests')} whose numbers can be summed, ",
        counted(name, end),
        " of ",
        counted("yearly.funnel.0.remaining", start),
        " people submitted were analysed (",
        share(f"{name}.share", end, start),
        ")",
    ]
    named = lost.rows.loc[lost.rows["reason"] != OTHER].iloc[1:2]
    for step, reason, removed in named[["step", "reason", "removed"]].itertuples(index=False):
        parts += [
            f"; the largest single reason named was “{reason}”, ",
            counted(f"yearly.funnel.{step}.removed", removed),
            " people",
        ]
    return Sentence.of(*parts, ".")


def _decided(sized: pd.DataFrame) -> Sentence | None:
    """Tell the share that reached a conclusion among small and among large analyses."""
    edge = 200
    small, large = sized.loc[sized["band"] < edge], sized.loc[sized["band"] >= edge]
    if small.empty or large.empty:
        return None
    limit = Figure("yearly.edge", edge, "people", number(edge))
    told = [
        (
            counted(f"yearly.{name}.conclusive", int(rows["conclusive"].sum()), "analyses"),
            counted(f"yearly.{name}.analyses", len(rows), "analyses"),
        )
        for name, rows in (("small", small), ("large", large))
    ]
    return Sentence.of(
        "Size went with conclusions: ",
        told[0][0],
        " of ",
        told[0][1],
        f" {plural(told[0][1], 'analysis', 'analyses')} of fewer than ",
        limit,
        " people reached one, and ",
        told[1][0],
        " of ",
        told[1][1],
        " of that many or more.",
    )


def _seen(sized: pd.DataFrame) -> Sentence | None:
    """Tell what the smallest and the largest analyses could have found."""
    bands = by_size(sized)
    used = bands.loc[bands["analyses"] > 0]
    if len(used) < 2:
        return None
    first, last = int(used.index[0]), int(used.index[-1])
    return Sentence.of(
        "Small groups can only show large differences: with ",
        *band_label(first, lower=True),
        " people, an analysis could typically find a true difference of ",
        _reached(first, used.loc[first, "detectable"]),
        " percentage points or more, and with ",
        *band_label(last, lower=True),
        ", one of ",
        _reached(last, used.loc[last, "detectable"]),
        ".",
    )


def _reached(band: int, value: Any) -> Figure:
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


def _better_data(lacked: pd.DataFrame) -> Sentence | None:
    if lacked.empty:
        return None
    row = lacked.to_dict("records")[0]
    base = f"yearly.lacking.{slug(str(row['field']))}"
    parts: list[Part] = [
        share(f"{base}.share", row["rows_lacking"], row["rows"]),
        f" of rows came without a {row['field']}",
    ]
    if row["told"]:
        parts += [
            "; where reports tell it, ",
            *_range(f"{base}.without", row["without_low"], row["without_high"]),
            " of such people were found, and ",
            *_range(f"{base}.with", row["with_low"], row["with_high"]),
            " of the others",
        ]
    return Sentence.of(*parts, ".")


def _range(name: str, low: float, high: float) -> tuple[Part, ...]:
    if low == high:
        return (percentage(f"{name}.low", low),)
    return (percentage(f"{name}.low", low), " to ", percentage(f"{name}.high", high))


def summed_over(lost: Losses) -> Sentences:
    """Return which requests the sums of people are over, and which are left out and why.

    Parameters
    ----------
    lost : Losses
    """
    if not lost.included and not lost.left_out:
        return Sentences((Sentence.of("No report with its steps is at hand."),))
    items = []
    if lost.included:
        many = spelled("yearly.losses.requests", len(lost.included), "requests")
        items.append(
            Sentence.of(
                "Summed over ",
                many,
                f" {plural(many, 'request', 'requests')}: {listed(lost.included)}. Reports made "
                "before this system hold no steps.",
            )
        )
    items += [
        Sentence.of(f"{programme} is left out: {reason}.") for programme, reason in lost.left_out
    ]
    return Sentences(tuple(items))


def pooled(requests: pd.DataFrame, sized: pd.DataFrame) -> Sentences:
    """Return what putting earlier requests together has changed.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`.
    sized : DataFrame
        From `sizes`.

    Returns
    -------
    Sentences
        One for each re-analysis whose own reach and that of an earlier request are known.
    """
    known = sized.set_index("id")["detectable"].dropna()
    items = []
    for row in requests.sort_values("id").to_dict("records"):
        if is_missing(row["extends"]) or row["id"] not in known.index:
            continue
        parts = [one for one in str(row["extends"]).split() if one in known.index]
        if parts:
            items.append(_narrowed(row, known[row["id"]], min(known[one] for one in parts)))
    return Sentences(tuple(items))


def _narrowed(row: Mapping[Any, Any], after: float, before: float) -> Sentence:
    base = f"yearly.pooled.{slug(str(row['id']))}"
    return Sentence.of(
        f"{row['programme']} includes the people of earlier requests. The most precise of those "
        "could find a true difference of ",
        scaled(f"{base}.before", before, "percentage points", 0, 100),
        " percentage points or more four times in five; the new analysis could find one of ",
        scaled(f"{base}.after", after, "percentage points", 0, 100),
        ".",
    )


def waiting(requests: pd.DataFrame, on: dt.date) -> Sentence:
    """Return how many requests still wait, and how long they have waited.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`.
    on : date
        The day of the last publication.
    """
    open_ = requests.loc[requests["outcome"] == "remaining", "received"]
    if open_.empty:
        return Sentence.of("No request was waiting when the last release was published.")
    many = counted("yearly.remaining", len(open_), "requests")
    longest = int((pd.Timestamp(on) - open_.min()).days)
    return Sentence.of(
        "When the last release was published, ",
        many,
        f" {plural(many, 'request was', 'requests were')} waiting, the oldest for ",
        _days("waiting", longest),
        ".",
    )


def undated(changelog: Sequence[Change]) -> Sentences:
    """Return how many changes of method the changelog holds that have no date yet.

    Parameters
    ----------
    changelog : sequence of Change
        From `methodology`; nothing is said where there is none.
    """
    many = sum(change.on is None for change in changelog)
    if not many:
        return Sentences(())
    told = counted("yearly.undated", many, "changes")
    return Sentences(
        (
            Sentence.of(
                "The software's changelog holds ",
                told,
                f" {plural(told, 'entry', 'entries')} on method in a version that has no date yet; "
                f"{plural(told, 'it belongs', 'they belong')} to no month above.",
            ),
        )
    )


# --- Tables --------------------------------------------------------------------------------------


def releases_table(log: pd.DataFrame, releases: Sequence[Release]) -> Table:
    """Return the service's counts at each release; received is the sum of the others.

    Parameters
    ----------
    log : DataFrame
        From ``log.read_log``.
    releases : sequence of Release
    """
    names = ("received", "published", "ready", "not_processed", "withdrawn", "remaining")
    rows: list[tuple[Cell, ...]] = []
    for release in releases:
        counts = counts_at(log, release)
        base = f"yearly.at.{release.name}"
        rows.append(
            (
                _month(f"{base}.release", release.name),
                *(counted(f"{base}.{name}", counts[name], "requests") for name in names),
            )
        )
    return Table(
        "releases-table",
        "Requests to date at each release",
        ("Release", "Received", "Published before", "Ready", "Not processed", "Withdrawn",
         "Remaining"),
        tuple(rows),
        (_IDENTITY,) if all(one.stated for one in releases) else (_IDENTITY, _DEFAULTS),
    )  # fmt: skip


_IDENTITY = (
    "Requests received are those published before, ready, not processed, withdrawn and remaining, "
    "at every release."
)
_DEFAULTS = (
    "A release without facts of its own is taken to be of the second Thursday of its month, with "
    "requests up to the end of the month before."
)


def _month(name: str, release: str) -> Figure:
    return month(name, f"{release}-01")


def outcomes_table(
    counts: pd.DataFrame, name: str, label: str, caption: str, *, names: str
) -> Table:
    """Return what became of requests by month of receipt, sector or type.

    Parameters
    ----------
    counts : DataFrame
        From `outcomes_by`.
    name : str
        Of the table.
    label, caption : str
        Of the first column and of the whole.
    names : str
        First part of the figures' names.
    """
    rows = tuple(
        (
            outcome_label(names, value),
            *(outcome_figure(names, value, which, row[which]) for which in OUTCOMES),
            outcome_figure(names, value, "all", row.sum()),
        )
        for value, row in counts.iterrows()
    )
    header = (label, *OUTCOMES.values(), "All")
    return Table(name, caption, header, rows)


def outcome_label(name: str, value: Any) -> Figure | str:
    """Return the name of a row of `outcomes_by`: a month, or a code with a capital."""
    if isinstance(value, pd.Timestamp):
        return month(f"yearly.{name}.{value:%Y-%m}", value.date())
    return capital(proper(str(value)))


def outcome_figure(name: str, value: Any, which: str, many: Any) -> Figure:
    """Return one count of `outcomes_by`."""
    key = f"{value:%Y-%m}" if isinstance(value, pd.Timestamp) else slug(str(value))
    return counted(f"yearly.{name}.{key}.{slug(which)}", many, "requests")


def quarters_table(requests: pd.DataFrame) -> Table:
    """Return from which sectors, and for which types, requests came in each quarter.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`.
    """
    sectors = requests["sector"].value_counts().sort_index().sort_values(ascending=False).index
    rows: list[tuple[Cell, ...]] = []
    for key, group in requests.groupby("quarter"):
        start = pd.Timestamp(str(key))
        base = f"yearly.quarter.{start:%Y-%m}"
        many = group["sector"].value_counts()
        rows.append(
            (
                quarter_of(f"{base}.name", start),
                *(
                    counted(f"{base}.{slug(str(one))}", many.get(one, 0), "requests")
                    for one in sectors
                ),
                counted(f"{base}.all", len(group), "requests"),
                _most_frequent(f"{base}.type", group["intervention_type"]),
            )
        )
    header = (
        "Received in",
        *(capital(str(one)) for one in sectors),
        "All",
        "Most frequent type of intervention",
    )
    return Table(
        "quarters-table", "Requests by quarter of receipt, sector and type", header, tuple(rows)
    )


def quarter_of(name: str, start: pd.Timestamp) -> Figure:
    """Return a quarter of a year, such as ``April to June 2013``."""
    end = start + pd.DateOffset(months=2)
    return Figure(name, f"{start:%Y-%m}", "quarter", f"{start:%B} to {end:%B %Y}")


def _most_frequent(name: str, types: pd.Series[Any]) -> Cell:
    many = types.value_counts()
    most = sorted(str(one) for one in many.index[many == many.max()])
    told = counted(name, int(many.max()), "requests")
    if len(most) > 3:
        return Sentence.of("None stands out: ", told, " at most")
    return Sentence.of(f"{capital(listed([proper(one) for one in most]))}: ", told)


def waits_table(waits: pd.DataFrame, by: str) -> Table:
    """Return the days from receipt to publication.

    Parameters
    ----------
    waits : DataFrame
        From `waits_by`.
    by : {'release', 'quarter'}
    """
    rows = tuple(
        (
            _month(f"yearly.waits.{value}.release", str(value))
            if by == "release"
            else quarter_of(f"yearly.waits.{value:%Y-%m}-quarter.name", pd.Timestamp(str(value))),
            *wait_figures(by, value, row).values(),
        )
        for value, row in waits.iterrows()
    )
    return Table(
        f"waits-by-{by}-table",
        f"Days from receipt to publication, by {by} of publication",
        (capital(by), "Reports", "Median days", "Shortest, days", "Longest, days"),
        rows,
    )


def wait_figures(by: str, value: Any, row: pd.Series[Any]) -> dict[str, Figure]:
    """Return the numbers of a row of `waits_by`."""
    key = str(value) if by == "release" else f"{value:%Y-%m}-quarter"
    base = f"yearly.waits.{key}"
    days = {
        name: scaled(f"{base}.{name}", float(row[name]), "days")
        for name in ("median", "shortest", "longest")
    }
    return {"n": counted(f"{base}.n", row["n"], "reports"), **days}


def sizes_table(bands: pd.DataFrame) -> Table:
    """Return how many analyses reached a conclusion, by size.

    Parameters
    ----------
    bands : DataFrame
        From `by_size`.
    """
    rows: list[tuple[Cell, ...]] = []
    for band, row in bands.loc[bands["analyses"] > 0].iterrows():
        start = int(str(band))
        base = f"yearly.size.{start}"
        rows.append(
            (
                Sentence(band_label(start)),
                *(size_figure(start, which, row[which]) for which in ("analyses", "conclusive")),
                share(f"{base}.conclusive.share", row["conclusive"], int(row["analyses"])),
                _reached(start, row["detectable"]),
            )
        )
    return Table(
        "sizes-table",
        "Analyses that reached a conclusion on the reoffending rate, by size",
        (
            "People in the treatment group",
            "Analyses",
            "Reached a conclusion",
            "Share",
            "Smallest difference that could be found, median, percentage points",
        ),
        tuple(rows),
        (
            "A conclusion is a statistically significant reduction or increase. The smallest "
            "difference is the one that an analysis so precise would find four times in five: as "
            "published, or worked out from the width of the published interval. A re-analysis "
            "counts people again.",
        ),
    )


def size_figure(band: int, which: str, many: Any) -> Figure:
    """Return one count of `by_size`."""
    return counted(f"yearly.size.{band}.{which}", many, "analyses")


def lacking_table(lacked: pd.DataFrame) -> Table:
    """Return what uploads lacked, and what was found with and without it.

    Parameters
    ----------
    lacked : DataFrame
        From `lacking`.
    """
    return Table(
        "lacking-table",
        "What uploads lacked, and what it would be expected to change",
        (
            "What was lacking",
            "Reports",
            "Rows that lacked it",
            "Share of their rows",
            "Share found, of people who had it",
            "Share found, of people who lacked it",
            "More people expected to be found, had it been given",
        ),
        tuple(_lacking_row(row) for row in lacked.to_dict("records")),
        (
            "Sums and ranges of what each report has told. [c] Withheld in every report: few "
            "people lacked it, or few were found or not found. A sum below ten is told to the "
            "nearest five. The number expected counts people whom something in the records already "
            "suggests, so it is at least that.",
        ),
    )


def _lacking_row(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    base = f"yearly.lacking.{slug(str(row['field']))}"
    found: list[Cell] = ["[c]", "[c]"]
    if row["told"]:
        found = [
            Sentence(_range(f"{base}.{which}", row[f"{which}_low"], row[f"{which}_high"]))
            for which in ("with", "without")
        ]
    return (
        capital(str(row["field"])),
        counted(f"{base}.reports", row["reports"], "reports"),
        counted(f"{base}.rows_lacking", row["rows_lacking"], "rows"),
        share(f"{base}.share", row["rows_lacking"], int(row["rows"])),
        *found,
        _expected(base, row),
    )


def _expected(base: str, row: Mapping[Any, Any]) -> Cell:
    """Return the people expected to be found besides, summed over the reports that tell it."""
    gain, fewer = int(row["gain"]), int(row["fewer"])
    if not gain and not fewer:
        return "[c]" if row["withheld"] else counted(f"{base}.gain", 0)
    if not gain:
        return Sentence.of("Fewer than ", counted(f"{base}.fewer", fewer))
    if not fewer:
        return Sentence.of("About ", counted(f"{base}.gain", gain))
    return Sentence.of(
        "About ", counted(f"{base}.gain", gain), " to ", counted(f"{base}.most", gain + fewer)
    )


def changes_table(told: Sequence[Change]) -> Table:
    """Return what changed in service and method, by date.

    Parameters
    ----------
    told : sequence of Change
        From `changes`; each has a date.
    """
    rows: list[tuple[Cell, ...]] = [
        (
            dated(f"yearly.change.{place}.on", str(change.on)),
            Sentence(quoted(f"yearly.change.{place}", change.text)),
            Sentence(quoted(f"yearly.change.{place}.source", change.source)),
        )
        for place, change in enumerate(told, start=1)
    ]
    return Table(
        "changes-table",
        "Changes of service and method, by date",
        ("From", "Change", "Announced in"),
        tuple(rows),
    )


def made_with_table(made: pd.DataFrame) -> Table:
    """Return what each finished release was made with.

    Parameters
    ----------
    made : DataFrame
        From `made_with`.
    """
    rows: list[tuple[Cell, ...]] = []
    for row in made.to_dict("records"):
        base = f"yearly.made.{row['release']}"
        rows.append(
            (
                _month(f"{base}.release", str(row["release"])),
                Sentence(quoted(f"{base}.vintage", str(row["vintage"]))),
                Figure(f"{base}.version", row["version"], "as stated", row["version"]),
                Figure(f"{base}.code", row["code"], "hash", row["code"][:8]),
            )
        )
    return Table(
        "made-with-table",
        "What each release at hand was made with",
        ("Release", "National data", "Version of the software", "Fingerprint of the software"),
        tuple(rows),
        ("Releases with the same fingerprint were made by the very same method, pages and code.",),
    )


# --- The record ----------------------------------------------------------------------------------


def record(
    year: int,
    release: Release,
    requests: pd.DataFrame,
    sized: pd.DataFrame,
    lost: Losses,
    vintage: Vintage,
) -> Result:
    """Return the record of a year's review.

    Parameters
    ----------
    year : int
    release : Release
        The last one covered.
    requests, sized : DataFrame
        From `requests_at` and `sizes`.
    lost : Losses
    vintage : Vintage
        The national data of the last release.

    Returns
    -------
    Result
        With the rows of ``results.csv`` and ``losses.csv``, whose columns `CODEBOOK` explains.
    """
    closed = requests["release"].where(requests["outcome"] != "remaining")
    known = requests.assign(release=closed)[[*_IN_FILE, "days"]].merge(
        sized[["id", "treatment_n", "rate_result", "detectable"]], on="id", how="left"
    )
    rows = known.assign(
        received=known["received"].dt.strftime("%Y-%m-%d"),
        treatment_n=known["treatment_n"].astype("Int64"),
    ).sort_values("id")
    files = {"results": rows, "losses": lost.rows}
    return Result(
        {
            "schema": SCHEMA,
            "year": year,
            "release": release.name,
            "period_to": release.period_to.isoformat(),
            "vintage": {
                "name": vintage.name,
                "synthetic": vintage.synthetic,
                "last_index_date": vintage.last_index_date.isoformat(),
            },
            **{
                name: json.loads(frame.to_json(orient="records", double_precision=15))
                for name, frame in files.items()
            },
        }
    )


_IN_FILE = [
    *("id", "organisation", "programme", "sector", "intervention_type"),
    *("received", "release", "outcome"),
]
