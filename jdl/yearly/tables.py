"""Tables of the review, and its record with the codebook."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.disclosure import UNTOLD, Decision, as_public
from jdl.figures import SCHEMA, Cell, Decisions, Figure, Result, Sentence, Table
from jdl.log import CODEBOOK as LOG_CODEBOOK
from jdl.log import Release, counts_at
from jdl.national import Vintage
from jdl.wording import capital, counted, dated, listed, month, proper, quoted, share, slug
from jdl.yearly.counts import OUTCOMES, Losses
from jdl.yearly.numbers import (
    band_label,
    found_range,
    lacking_name,
    lacking_share,
    outcome_figure,
    outcome_label,
    quarter_of,
    reach_figure,
    size_figure,
    wait_figures,
)
from jdl.yearly.records import Change


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


def quarters_table(requests: pd.DataFrame) -> Table:
    """Return from which sectors, and for which types, requests came in each quarter.

    Parameters
    ----------
    requests : DataFrame
        From `requests_at`.
    """
    sectors = requests["sector"].value_counts().sort_index().sort_values(ascending=False).index
    rows = tuple(
        _quarter_row(pd.Timestamp(str(key)), group, sectors)
        for key, group in requests.groupby("quarter")
    )
    named = (capital(str(one)) for one in sectors)
    header = ("Received in", *named, "All", "Most frequent type of intervention")
    return Table("quarters-table", "Requests by quarter of receipt, sector and type", header, rows)


def _quarter_row(
    start: pd.Timestamp, group: pd.DataFrame, sectors: pd.Index[str]
) -> tuple[Cell, ...]:
    base = f"yearly.quarter.{start:%Y-%m}"
    many = group["sector"].value_counts()
    return (
        quarter_of(f"{base}.name", start),
        *(counted(f"{base}.{slug(one)}", many.get(one, 0), "requests") for one in sectors),
        counted(f"{base}.all", len(group), "requests"),
        _most_frequent(f"{base}.type", group["intervention_type"]),
    )


def _most_frequent(name: str, types: pd.Series[Any]) -> Cell:
    many = types.value_counts()
    most = sorted(str(one) for one in many.index[many == many.max()])
    told = counted(name, int(many.max()), "requests")
    if len(most) > 3:
        return Sentence.of("None stands out: ", told, " at most")
    each = " each" if len(most) > 1 else ""
    return Sentence.of(f"{capital(listed([proper(one) for one in most]))}: ", told, each)


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


def sizes_table(bands: pd.DataFrame) -> Table:
    """Return how many analyses reached a conclusion, by size.

    Parameters
    ----------
    bands : DataFrame
        From `by_size`.
    """
    used = bands.loc[bands["analyses"] > 0]
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
        tuple(_size_row(int(str(band)), row) for band, row in used.iterrows()),
        (
            "A conclusion is a statistically significant reduction or increase. The smallest "
            "difference is the one that an analysis so precise would find four times in five: as "
            "published, or worked out from the width of the published interval. A re-analysis "
            "counts people again.",
        ),
    )


def _size_row(band: int, row: pd.Series[Any]) -> tuple[Cell, ...]:
    return (
        Sentence(band_label(band)),
        *(size_figure(band, which, row[which]) for which in ("analyses", "conclusive")),
        share(f"yearly.size.{band}.conclusive.share", row["conclusive"], int(row["analyses"])),
        reach_figure(band, row["detectable"]),
    )


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
            f"{UNTOLD} Sums and ranges of what each report has told; a sum below ten is told to "
            "the nearest five. The number expected counts people whom something in the records "
            "already suggests, so it is at least that.",
        ),
    )


def _lacking_row(row: Mapping[Any, Any]) -> tuple[Cell, ...]:
    base = lacking_name(row)
    return (
        capital(str(row["field"])),
        counted(f"{base}.reports", row["reports"], "reports"),
        counted(f"{base}.rows_lacking", row["rows_lacking"], "rows"),
        lacking_share(row),
        *(
            Sentence(found_range(row, which)) if row["told"] else "[c]"
            for which in ("with", "without")
        ),
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
    *,
    finished: Sequence[str],
    decided: Sequence[Decision] = (),
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
    finished : sequence of str
        The releases at hand, which the page links to.
    decided : sequence of Decision
        Of disclosure control; which reasons for loss were merged is not told, since that would
        tell which of them occurred.

    Returns
    -------
    Result
        With the rows of ``results.csv`` and ``losses.csv``, whose columns `CODEBOOK` explains.
    """
    shown = [one for one in decided if one.decided != "merged"]
    files = {"results": _results(requests, sized), "losses": lost.rows}
    return Result(
        {
            "schema": SCHEMA,
            "year": year,
            "release": release.name,
            "releases": list(finished),
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
        },
        Decisions(tuple(as_public(shown))),
    )


def _results(requests: pd.DataFrame, sized: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``results.csv``; a request that remains has no release yet."""
    of_sizes = ["treatment_n", "rate_result", "detectable"]
    known = requests.drop(columns=of_sizes, errors="ignore").merge(
        sized[["id", *of_sizes]], on="id", how="left"
    )
    rows = known.assign(
        release=known["release"].where(known["outcome"] != "remaining"),
        received=known["received"].dt.strftime("%Y-%m-%d"),
        treatment_n=known["treatment_n"].astype("Int64"),
    )
    return rows[[column for column, *_ in _RESULTS]].sort_values("id")


_TEXT, _WHOLE, _CONCLUSIONS = "Text", "Whole number", "reduction; inconclusive; increase"
_RESULTS = (
    ("id", "Name of the request", "none", _TEXT),
    *LOG_CODEBOOK[1:5],
    ("received", "Day on which the request was received", "date", "YYYY-MM-DD"),
    ("release", "Month of the release that closed it", "month", "YYYY-MM"),
    ("outcome", "What became of it", "none", "; ".join(OUTCOMES)),
    ("days", "From receipt to publication of its report", "days", _WHOLE),
    ("treatment_n", "Treatment group of the headline analysis", "people", _WHOLE),
    ("rate_result", "What the test of the one-year rate shows", "none", _CONCLUSIONS),
    ("detectable", "Smallest difference found four times in five", "proportion", "0 to 1"),
)
_LOSSES = (
    ("step", "Place in the table; 0 is what was submitted", "none", _WHOLE),
    ("reason", "Why people left the analysis", "none", _TEXT),
    ("removed", "Who left for this reason, over all requests", "people", _WHOLE),
    ("remaining", "Who remain after it", "people", _WHOLE),
)
CODEBOOK = tuple(
    (file, *row)
    for file, rows in (("results.csv", _RESULTS), ("losses.csv", _LOSSES))
    for row in rows
)
"""File, column, meaning, unit and values of every column of the data files."""
