"""What the year has taught, in sentences made from the counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from jdl.figures import Figure, Part, Sentence, Sentences
from jdl.wording import (
    counted,
    dated,
    is_missing,
    listed,
    number,
    plural,
    quoted,
    scaled,
    share,
    slug,
    spelled,
)
from jdl.yearly.counts import BANDS, ENOUGH, OTHER, Losses, by_size
from jdl.yearly.numbers import band_label, found_range, lacking_share, reach_figure


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
    told: list[tuple[Part, ...]] = []
    for outcome, (one, many) in _BECAME.items():
        if outcome in by_outcome.index:
            said = counted(f"yearly.{slug(outcome)}", by_outcome[outcome], "requests")
            told.append((said, f" {plural(said, one, many)}"))
    noun = plural(every, "request", "requests")
    return Sentence.of(*lead, every, f" {noun}: ", *_joined(told), ".")


_BECAME = {
    "reported": ("has a report", "have a report"),
    "not processed": ("could not be processed", "could not be processed"),
    "withdrawn": ("was withdrawn", "were withdrawn"),
    "remaining": ("remained", "remained"),
}
"""What became of one request, and of many, in words."""


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
    many = counted("yearly.reasons.most", reasons.max(), "requests")
    noun = plural(many, "request", "requests")
    if len(most) > 1:
        lead = "No single reason for not processing a request stood out: the most frequent had "
        return Sentence.of(lead, many, f" {noun} each.")
    reason = quoted("yearly.reason", f"{most[0][:1].lower()}{most[0][1:]}")
    if len(reasons) == 1:
        lead = "Every reason on record for not processing a request was the same: "
        return Sentence.of(lead, *reason, ".")
    lead = "The most frequent reason for not processing a request was: "
    return Sentence.of(lead, *reason, " (", many, f" {noun}).")


def _lost(lost: Losses) -> Sentence | None:
    if lost.rows.empty:
        return None
    start, end = int(lost.rows["remaining"].iloc[0]), int(lost.rows["remaining"].iloc[-1])
    name = f"yearly.funnel.{len(lost.rows) - 1}.remaining"
    many = spelled("yearly.losses.requests", len(lost.included), "requests")
    return Sentence.of(
        "In the ",
        many,
        f" {plural(many, 'request', 'requests')} whose numbers can be summed, ",
        counted(name, end),
        f" {'person was' if end == 1 else 'people were'} analysed, of ",
        counted("yearly.funnel.0.remaining", start),
        f" {'row' if start == 1 else 'rows'} submitted (",
        share(f"{name}.share", end, start),
        ")",
        *_largest_reason(lost),
        ".",
    )


def _largest_reason(lost: Losses) -> tuple[Part, ...]:
    """Return the reason for which most people left, if one is named."""
    named = lost.rows.loc[lost.rows["reason"] != OTHER].iloc[1:]
    if named.empty:
        return ()
    row = named.iloc[0]
    removed = counted(f"yearly.funnel.{row['step']}.removed", row["removed"])
    rows = plural(removed, "row", "rows")
    reason = quoted("yearly.losses.largest", str(row["reason"]))
    return ("; the largest single reason named was “", *reason, "”, ", removed, f" {rows}")


def _decided(sized: pd.DataFrame) -> Sentence | None:
    """Tell the share that reached a conclusion among small and among large analyses, if many."""
    edge = BANDS[1]
    small, large = sized.loc[sized["band"] < edge], sized.loc[sized["band"] >= edge]
    if small.empty or large.empty or len(sized) < ENOUGH:
        return None
    rises = large["conclusive"].mean() > small["conclusive"].mean()
    (few, of_few), (many, of_many) = (
        (
            counted(f"yearly.{name}.conclusive", int(rows["conclusive"].sum()), "analyses"),
            counted(f"yearly.{name}.analyses", len(rows), "analyses"),
        )
        for name, rows in (("small", small), ("large", large))
    )
    return Sentence.of(
        f"Size {'went' if rises else 'did not go'} with conclusions: ",
        *(few, " of ", of_few),
        f" {plural(of_few, 'analysis', 'analyses')} of fewer than ",
        Figure("yearly.edge", edge, "people", number(edge)),
        " people reached one, and ",
        *(many, " of ", of_many),
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
        reach_figure(first, used.loc[first, "detectable"]),
        " percentage points or more, and with ",
        *band_label(last, lower=True),
        ", one of ",
        reach_figure(last, used.loc[last, "detectable"]),
        ".",
    )


def _better_data(lacked: pd.DataFrame) -> Sentence | None:
    if lacked.empty:
        return None
    row = lacked.to_dict("records")[0]
    parts: list[Part] = [
        lacking_share(row),
        f" of rows came without a {row['field']}",
    ]
    if row["told"]:
        parts += [
            "; where reports tell it, ",
            *found_range(row, "without"),
            " of such people were found, and ",
            *found_range(row, "with"),
            " of the others",
        ]
    return Sentence.of(*parts, ".")


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
                f" {plural(many, 'request', 'requests')}: ",
                *quoted("yearly.losses.included", listed(lost.included)),
                ". Reports made before this system hold no steps.",
            )
        )
    items += [
        Sentence(quoted(f"yearly.left_out.{place}", f"{programme} is left out: {reason}."))
        for place, (programme, reason) in enumerate(lost.left_out, start=1)
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
        *quoted(f"{base}.programme", str(row["programme"])),
        " includes the people of earlier requests. The most precise of those could find a true "
        "difference of ",
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
