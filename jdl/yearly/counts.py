"""Counts of the review: requests and their waits, people lost, what was lacking, and size.

Sums over requests are of rows that passed disclosure control one by one; a reason that few people
had is put with the other reasons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy.special import ndtri

from jdl.disclosure import OTHER_REASONS, RULES, STEP, Rules, part_of
from jdl.log import Release, status_at
from jdl.pooled import included
from jdl.power import reach
from jdl.wording import listed
from jdl.yearly.records import Held

OUTCOMES = {
    "reported": "Reported",
    "not processed": "Could not be processed",
    "withdrawn": "Withdrawn",
    "remaining": "Remaining",
}
"""What became of a request, and its name in print."""
BANDS = (100, 200, 500, 1_000)
"""Sizes of the treatment group at which a new band begins."""
ENOUGH = 10
"""Fewer analyses say nothing of size and conclusions."""
OTHER = OTHER_REASONS
_LACKED = {"pnc-id-or-prison-number": "PNC ID or prison number"}
_DONE = ("published", "ready")


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
        ``quarter`` of receipt as their first day; ``first_release``, ``published_on`` and ``days``
        from receipt to the first publication, missing where no report was published.
    """
    then = status_at(log, releases[-1])
    published = {release.name: pd.Timestamp(release.published_at.date()) for release in releases}
    reported = then["status_then"].isin(_DONE)
    reports = log.loc[log["status"].isin(_DONE) & log["release"].le(releases[-1].name)]
    first = then["id"].map(reports.groupby("id")["release"].min()).where(reported)
    on = first.map(published).astype("datetime64[s]")
    return then.assign(
        outcome=then["status_then"].where(~reported, "reported"),
        month=then["received"].dt.to_period("M").dt.start_time.dt.as_unit("s"),
        quarter=then["received"].dt.to_period("Q").dt.start_time.dt.as_unit("s"),
        first_release=first,
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
    keys = done["first_release"]
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


def losses(held: Sequence[Held], rules: Rules = RULES) -> Losses:
    """Sum the reasons for which people left the analyses.

    A request is left out where its published steps do not lead from the rows submitted to the
    people analysed, and where one that is counted includes the same people. Reasons of few rows
    are put with the other reasons.

    Parameters
    ----------
    held : sequence of Held
        From `read_reports`.
    rules : Rules
        Of disclosure control.
    """
    counted_in, left_out = _once(held)
    removed: dict[str, int] = {}
    submitted = 0
    for one in counted_in:
        submitted += one.result["funnel"][0]["remaining"]
        for row in one.result["funnel"][1:]:
            removed[row["reason"]] = removed.get(row["reason"], 0) + row["removed"]
    rows = [(0, "submitted", 0, submitted)]
    for step, (reason, many) in enumerate(_put_together(removed, rules), start=1):
        rows.append((step, reason, many, rows[-1][-1] - many))
    frame = pd.DataFrame(
        rows if counted_in else [], columns=["step", "reason", "removed", "remaining"]
    )
    return Losses(frame, tuple(one.programme for one in counted_in), left_out)


def _once(held: Sequence[Held]) -> tuple[tuple[Held, ...], tuple[tuple[str, str], ...]]:
    """Return the reports in which each person counts once, and why the others are left out.

    Of those that add up the latest come first, and of one release the one that includes most.
    """
    reported = [one for one in held if one.headline is not None]
    extends = {one.id: one.result["request"]["extends"] for one in held}
    people = {one.id: included(one.id, extends) for one in reported}
    order = sorted(reported, key=lambda one: (one.release, len(people[one.id])), reverse=True)
    counting: list[Held] = []
    for one in filter(_adds_up, order):
        if not any(people[one.id] & people[other.id] for other in counting):
            counting.append(one)
    return (
        tuple(one for one in reported if one in counting),
        tuple(
            (one.programme, _why_not(one, counting, people))
            for one in reported
            if one not in counting
        ),
    )


def _why_not(one: Held, counting: Sequence[Held], people: Mapping[str, set[str]]) -> str:
    """Say why a report is left out: what counts its people, or that its steps do not add up."""
    others = [other for other in counting if people[one.id] & people[other.id]]
    names = listed(sorted(other.programme for other in others))
    if people[one.id] <= set[str]().union(*(people[other.id] for other in others)):
        return f"its people are counted with {names}"
    if not _adds_up(one):
        return "its published steps do not lead to the number analysed"
    return f"some of its people are counted with {names}"


def _adds_up(held: Held) -> bool:
    """Whether a funnel leads from the rows submitted to the people analysed."""
    funnel, headline = held.result["funnel"], held.headline
    if not funnel or headline is None or not headline["treatment_n"]:
        return False
    start = funnel[0]["remaining"] - sum(row["removed"] for row in funnel[1:])
    lowest = min(row["remaining"] for row in funnel)
    return bool(start == funnel[-1]["remaining"] == headline["treatment_n"] and lowest >= 0)


def _put_together(removed: Mapping[str, int], rules: Rules) -> list[tuple[str, int]]:
    """Return reasons, most people first; those of few are among the other reasons, told last."""
    named = sorted(
        ((reason, many) for reason, many in removed.items() if reason != OTHER and many),
        key=lambda item: (-item[1], item[0]),
    )
    other = removed.get(OTHER, 0)
    while named and (named[-1][1] < rules.cell or 0 < other < rules.cell):
        reason, many = named.pop()
        rules.note(part_of("losses", reason), "merged", "merged")
        other += many
    for reason, _ in named:
        rules.note(part_of("losses", reason), "", "told")
    return [*named, (OTHER, nearest(other, rules, part_of("losses", OTHER)))] if other else named


def nearest(many: int, rules: Rules = RULES, part: str = "") -> int:
    """Return a sum of people as it is told: to the nearest five where it is small."""
    told = int(STEP * ((many + STEP // 2) // STEP)) if many < rules.cell else many
    if part:  # as rounded counts all that rounding can lead to
        rules.note(part, *(("to five", "rounded") if told <= rules.cell else ("", "told")))
    return told


def lacking(held: Sequence[Held], rules: Rules = RULES) -> pd.DataFrame:
    """Sum what uploads lacked, and what was found with and without it.

    Parameters
    ----------
    held : sequence of Held
        From `read_reports`; each person counts once, as in `losses`.
    rules : Rules
        Of disclosure control.

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
    rows = [row for field in fields if (row := _lacked(field, chosen, rules))["rows_lacking"]]
    rows.sort(key=lambda row: (-row["rows_lacking"], row["field"]))
    return pd.DataFrame(rows, columns=_LACKING)


_ENDS = ("with_low", "with_high", "without_low", "without_high")
_LACKING = ["field", "reports", "rows_lacking", "rows", *_ENDS, "told", "gain", "fewer", "withheld"]


def _lacked(field: str, held: Sequence[Held], rules: Rules) -> dict[str, Any]:
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
    if many := row["rows_lacking"]:
        row["rows_lacking"] = nearest(many, rules, part_of("lacking", field))
    row["told"] = len(ranges)
    return row | _widest(ranges)


def _both_ranges(held: Held, base: str) -> list[tuple[float, float, float, float]]:
    """Return the shares found with and without it, where a report tells both."""
    ends: list[float] = []
    for which in ("with", "without"):
        exact = held.figures.get(f"{base}.share_{which}")
        low, high = (held.figures.get(f"{base}.{end}_{which}") for end in ("low", "high"))
        ends += [float(one[0]) for one in (low or exact, high or exact) if one is not None]
    return [(ends[0], ends[1], ends[2], ends[3])] if len(ends) == 4 else []


def _widest(ranges: Sequence[tuple[float, ...]]) -> dict[str, float | None]:
    """Return the ends of the ranges of all reports together; None where no report tells one."""
    if not ranges:
        return dict.fromkeys(_ENDS)
    ends = zip(_ENDS, (min, max, min, max), zip(*ranges, strict=True), strict=True)
    return {name: pick(values) for name, pick, values in ends}


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
