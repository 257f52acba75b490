"""A report's result worked out again: every effect from its own means, spreads and sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from jdl.published import arithmetic
from jdl.published.arithmetic import LEVEL
from jdl.published.folder import RESULT, Document
from jdl.published.places import same
from jdl.published.told import Notes

CLOSE = 1e-9
"""Relative difference of a statistic from the same worked out again."""
MEASURES = {
    "rate": ("proportion", "everyone", "lower"),
    "frequency": ("count", "everyone", "lower"),
    "days_to_first": ("days", "reoffenders", "higher"),
    "first_indictable": ("proportion", "reoffenders", "lower"),
    "first_either_way": ("proportion", "reoffenders", "lower"),
    "first_summary": ("proportion", "reoffenders", "higher"),
    "frequency_indictable": ("count", "reoffenders", "lower"),
    "frequency_either_way": ("count", "reoffenders", "lower"),
    "frequency_summary": ("count", "reoffenders", "lower"),
    "first_custody": ("proportion", "reoffenders", "lower"),
    "frequency_custody": ("count", "reoffenders", "lower"),
}
"""Kind, whose, and the good direction of each measure: section 5 of the data contract, and the
public sheet on how results are read (a less serious first reoffence is the better one)."""
YEAR = 365
_LEAP = 0.01
"""Share of people who may have reoffended on the last day of a leap year, the 366th."""


def check(document: Document, notes: Notes) -> None:
    """Work out again what a report's aggregates determine."""
    result = document.result
    if result.get("status") != "reported":
        return
    for analysis in result.get("analyses", ()):
        for row in _all(analysis):
            _measure(document, analysis, row, notes)
        _together(document, analysis, notes)


def _all(analysis: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for row in analysis.get("measures", ()):
        yield row
        if row.get("everyone"):
            yield row["everyone"]


def measured(analysis: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield every effect of an analysis with its kind."""
    for row in _all(analysis):
        yield row, _kind(row["measure"])[0]


class _Row:
    """Holds the numbers of one effect against what they should be."""

    def __init__(self, document: Document, place: str, notes: Notes) -> None:
        self.document, self.place, self.notes = document, place, notes

    def must(self, told: Any, name: str, follows: Any, rule: str, close: float = CLOSE) -> None:
        """Note a value of the result that is not what follows from the others."""
        if not same(told, follows, close):
            self.notes.find(RESULT, f"{self.place}.{name}", rule, told, follows)
        self.notes.derived.add(f"{self.place}.{name}")


def _measure(
    document: Document, analysis: Mapping[str, Any], row: Mapping[str, Any], notes: Notes
) -> None:
    name = row["measure"]
    hold = _Row(document, f"{analysis['id']}.{name}", notes)
    kind, _, favourable = _kind(name)
    hold.must(row.get("favourable"), "favourable", favourable, "the good direction of a measure")
    numbers = [row.get(key) for key in _NEEDED]
    if any(not isinstance(one, int | float) for one in numbers):
        _withheld(hold, row)
        return
    means, sds, sizes = _inputs(row)
    tested = arithmetic.welch(means, sds, sizes)
    hold.must(row["difference"], "difference", means[0] - means[1], "treatment minus comparison")
    if kind == "proportion":
        _shares(hold, row, means, sizes)
    if tested is None:
        return
    if row.get("p_value") is not None:
        _test(hold, row, tested)
    _verdict(hold, row)
    hold.must(
        row.get("detectable"),
        "detectable",
        arithmetic.reach() * tested.error,
        "the smallest difference that the two sizes could show four times in five",
    )
    _needed(hold, analysis, row, means, sds, sizes)


_NEEDED = (
    *("treatment", "comparison", "treatment_sd", "comparison_sd"),
    *("treatment_n", "comparison_effective_n", "difference"),
)


def _inputs(
    row: Mapping[str, Any],
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    return (
        (row["treatment"], row["comparison"]),
        (row["treatment_sd"], row["comparison_sd"]),
        (row["treatment_n"], row["comparison_effective_n"]),
    )


def _kind(name: str) -> tuple[str, str, str]:
    if name == "time_without_reoffence":
        return "days", "everyone", "higher"
    return MEASURES.get(name.removesuffix("_everyone"), ("", "", ""))


def _withheld(hold: _Row, row: Mapping[str, Any]) -> None:
    """Nothing of a withheld effect is told, and no conclusion drawn."""
    if row.get("conclusion") == "suppressed":
        for key in ("treatment", "comparison", "difference", "ci_low", "ci_high", "p_value"):
            hold.must(row.get(key), key, None, "nothing is told of a result that is withheld")
        hold.must(bool(row.get("reason")), "reason", True, "what is withheld has a reason")
        hold.must(bool(row.get("significant")), "significant", False, "what is withheld is no test")


def _shares(
    hold: _Row, row: Mapping[str, Any], means: tuple[float, float], sizes: tuple[float, float]
) -> None:
    """A share is of whole people, and its spread follows from it and the size."""
    people = means[0] * sizes[0]
    rule = "a share of the treatment group is a whole number of people"
    hold.must(people, "treatment", round(people), rule, 1e-9)
    rule = "the spread of a share follows from the share and the size"
    for group, mean, size in zip(("treatment", "comparison"), means, sizes, strict=True):
        if size > 1:
            follows = arithmetic.spread_of_share(mean, size)
            hold.must(row[f"{group}_sd"], f"{group}_sd", follows, rule, 1e-8)


def _test(hold: _Row, row: Mapping[str, Any], tested: arithmetic.Welch) -> None:
    rule = "Welch's test of the published means, spreads and sizes"
    hold.must(row["ci_low"], "ci_low", tested.low, rule, 1e-8)
    hold.must(row["ci_high"], "ci_high", tested.high, rule, 1e-8)
    hold.must(row["p_value"], "p_value", tested.p, rule, 1e-6)


def _verdict(hold: _Row, row: Mapping[str, Any]) -> None:
    """Significance, conclusion and interval say one thing."""
    p, low, high = row.get("p_value"), row.get("ci_low"), row.get("ci_high")
    if p is None or low is None or high is None:
        hold.must(bool(row.get("significant")), "significant", False, "what is untested is not")
        return
    significant = p <= LEVEL
    hold.must(row.get("significant"), "significant", significant, "p is at most 0.05")
    rule = "the interval leaves nought out exactly when p is at most 0.05"
    hold.must(not low <= 0 <= high, "ci_low", significant, rule)
    rule = "the conclusion follows from p and the direction"
    hold.must(row.get("conclusion"), "conclusion", concluded(p, row["difference"]), rule)
    rule = "the interval holds the difference"
    hold.must(low <= row["difference"] <= high, "difference", True, rule)


def concluded(p: float, difference: float) -> str:
    """Return what is concluded from a p-value and a difference."""
    if p > LEVEL:
        return "inconclusive"
    return "reduction" if difference < 0 else "increase"


def _needed(
    hold: _Row,
    analysis: Mapping[str, Any],
    row: Mapping[str, Any],
    means: tuple[float, float],
    sds: tuple[float, float],
    sizes: tuple[float, float],
) -> None:
    told = row.get("numbers_needed")
    if row.get("significant"):
        hold.must(told, "numbers_needed", None, "none are needed for a significant result")
    elif told is not None:
        whole = next(
            (m["treatment_n"] for m in analysis["measures"] if m["measure"] == "rate"), None
        )
        people = arithmetic.needed(means[0] - means[1], sds, sizes)
        if row["treatment_n"] and whole:
            people *= whole / row["treatment_n"]
        rule = "the people needed follow from difference, spreads and sizes"
        exact = math.isfinite(people) and not is_ceiling(told, people)
        hold.must(told, "numbers_needed", math.ceil(people) if exact else told, rule)


def is_ceiling(told: float, exact: float) -> bool:
    """Whether a whole number is another rounded up, but for the last digits of the other."""
    return exact * (1 - 1e-9) <= told < exact * (1 + 1e-9) + 1


def _together(document: Document, analysis: Mapping[str, Any], notes: Notes) -> None:
    """Hold the measures of one analysis against each other and against its size."""
    rows = {row["measure"]: row for row in _all(analysis)}
    hold = _Row(document, str(analysis["id"]), notes)
    rate = rows.get("rate", {})
    if _known(analysis, "treatment_n") and _known(rate, "treatment_n"):
        rule = "the rate is of everybody analysed"
        hold.must(rate["treatment_n"], "rate.treatment_n", analysis["treatment_n"], rule)
        hold.must(rate["comparison_n"], "rate.comparison_n", analysis["comparison_n"], rule)
        if _known(rate, "comparison_effective_n"):
            follows = analysis["effective_n"]
            hold.must(rate["comparison_effective_n"], "rate.comparison_effective_n", follows, rule)
    if _known(rate, "treatment", "comparison", "treatment_n"):
        _reoffenders(hold, rows, rate)
        _versions(hold, rows, rate)
    _sums(hold, rows, rate)
    for name, row in rows.items():
        if row.get("companion"):
            _companion(hold, name, row, row["companion"])
    _curve(hold, analysis, rows, rate)
    _balance(hold, analysis.get("balance") or {})
    for row in analysis.get("sensitivity", ()):
        _choice(hold, row, rate)


def _known(row: Mapping[str, Any], *keys: str) -> bool:
    return all(isinstance(row.get(key), int | float) for key in keys)


def _reoffenders(hold: _Row, rows: Mapping[str, Any], rate: Mapping[str, Any]) -> None:
    """Reoffenders are as many as the rate says."""
    people = round(rate["treatment"] * rate["treatment_n"])
    for name, row in rows.items():
        whose = _kind(name)[1] if not name.endswith("_everyone") else "everyone"
        if _known(row, "treatment_n"):
            follows = people if whose == "reoffenders" else rate["treatment_n"]
            rule = "a measure is of everybody, or of as many reoffenders as the rate says"
            hold.must(row["treatment_n"], f"{name}.treatment_n", follows, rule)


def _versions(hold: _Row, rows: Mapping[str, Any], rate: Mapping[str, Any]) -> None:
    """A version for everyone counts those who did not reoffend as nought, or as the whole year."""
    for name, row in rows.items():
        version = row.get("everyone") or {}
        for group in ("treatment", "comparison"):
            if not _known(row, group) or not _known(version, group):
                continue
            follows = row[group] * rate[group]
            rule = "the version for everyone follows from the reoffenders' and the rate"
            close = 1e-8
            if name == "days_to_first":
                follows, close = follows + YEAR * (1 - rate[group]), 2e-4
            place = f"{version['measure']}.{group}"
            hold.must(version[group], place, follows, rule, close)


def _sums(hold: _Row, rows: Mapping[str, Any], rate: Mapping[str, Any]) -> None:
    """Court outcomes are the parts of a whole: of first reoffences, and of all of them."""
    outcomes = ("indictable", "either_way", "summary")
    for group in ("treatment", "comparison"):
        first = [rows.get(f"first_{one}", {}).get(group) for one in outcomes]
        if all(isinstance(one, int | float) for one in first):
            rule = "the court outcomes of the first reoffence add up to all"
            hold.must(sum(first), f"first_indictable.{group}", 1.0, rule, 1e-8)
        each = [rows.get(f"frequency_{one}", {}).get(group) for one in outcomes]
        whole = rows.get("frequency", {})
        if all(isinstance(one, int | float) for one in each) and _known(whole, group):
            rule = "the frequencies by court outcome add up to the frequency"
            if _known(rate, group):
                follows = sum(each) * rate[group]
                hold.must(whole[group], f"frequency.{group}", follows, rule, 1e-8)


def _companion(hold: _Row, name: str, row: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """The adjusted check agrees with itself: interval, p-value, ratio and conclusion."""
    place = f"{name}.companion"
    if not _known(told, "difference", "ci_low", "ci_high", "p_value"):
        return
    _symmetric(hold, place, told)
    hold.must(
        told["conclusion"],
        f"{place}.conclusion",
        concluded(told["p_value"], told["difference"]),
        "the conclusion follows from p and the direction",
    )
    if _known(told, "ratio", "ratio_low", "ratio_high") and _known(row, "treatment"):
        without = row["treatment"] - told["difference"]
        rule = "the ratio is that of the treatment group to what it would have been"
        if without:
            hold.must(told["ratio"], f"{place}.ratio", row["treatment"] / without, rule, 1e-8)
        middle = math.sqrt(max(told["ratio_low"] * told["ratio_high"], 0))
        rule = "the limits of a ratio lie as far to both sides"
        hold.must(told["ratio"], f"{place}.ratio_low", middle, rule, 1e-8)


def _symmetric(hold: _Row, place: str, told: Mapping[str, Any]) -> None:
    low, high, difference = told["ci_low"], told["ci_high"], told["difference"]
    rule = "the difference lies in the middle of its interval"
    size = max(abs(low), abs(high))
    follows = (low + high) / 2
    hold.must(
        abs(difference - follows) <= CLOSE * size, f"{place}.ci_low", True, f"{rule} ({follows:g})"
    )
    rule = "the interval leaves nought out exactly when p is at most 0.05"
    hold.must(not low <= 0 <= high, f"{place}.ci_high", told["p_value"] <= LEVEL, rule)
    least, most = arithmetic.possible_p(difference, low, high)
    rule = f"p lies where its interval allows, from {least:.3g} to {most:.3g}"
    inside = least * (1 - 1e-6) - 1e-15 <= told["p_value"] <= most * (1 + 1e-6)
    hold.must(inside, f"{place}.p_value", True, rule)


def _curve(
    hold: _Row, analysis: Mapping[str, Any], rows: Mapping[str, Any], rate: Mapping[str, Any]
) -> None:
    """The curves fall to those who did not reoffend; their areas differ as the times do."""
    told = analysis.get("rmst") or {}
    if _known(told, "mean_treatment", "mean_comparison", "difference"):
        follows = told["mean_treatment"] - told["mean_comparison"]
        rule = "the difference is that of the two means"
        hold.must(told["difference"], "rmst.difference", follows, rule)
        version = rows.get("time_without_reoffence", {})
        rule = "the time without a reoffence is told the same among the measures"
        for mine, other in (("mean_treatment", "treatment"), ("mean_comparison", "comparison")):
            if _known(version, other):
                hold.must(told[mine], f"rmst.{mine}", version[other], rule, 1e-8)
        for key in ("ci_low", "ci_high", "p_value"):
            if _known(version, key) and _known(told, key):
                hold.must(told[key], f"rmst.{key}", version[key], rule, 1e-6)
    for group in ("treatment", "comparison"):
        shares = [one for one in told.get(group) or () if one is not None]
        falls = all(a >= b for a, b in pairwise(shares))
        hold.must(falls, f"rmst.{group}", True, "a curve of those who have not reoffended falls")
        if shares and _known(rate, group) and (told.get("days") or [0])[-1] == YEAR:
            rest = 1 - rate[group]
            ends = rest - CLOSE <= shares[-1] <= rest + _LEAP
            rule = "the curve ends at those who did not reoffend, but for a leap year's last day"
            hold.must(shares[-1], f"rmst.{group}.{YEAR}", shares[-1] if ends else rest, rule)


def _balance(hold: _Row, told: Mapping[str, Any]) -> None:
    """Groups are alike where no standardised difference is above 10%."""
    if not _known(told, "worst", "green", "amber", "red"):
        return
    rule = "how alike the groups are follows from the largest standardised difference"
    hold.must(told["red"] > 0, "balance.red", told["worst"] > 0.1, rule)
    hold.must(told["accepted"], "balance.accepted", told["red"] == 0, rule)
    if told["red"] == 0:
        hold.must(told["amber"] > 0, "balance.amber", told["worst"] > 0.05, rule)


def _choice(hold: _Row, row: Mapping[str, Any], rate: Mapping[str, Any]) -> None:
    """Another choice of the method is told consistently; the first is the headline itself."""
    place = f"sensitivity.{row['label']}"
    if row["label"] == "as reported":
        rule = "the first choice is the headline result"
        for key in ("treatment_n", "difference", "ci_low", "ci_high", "p_value", "conclusion"):
            if row.get(key) is not None or rate.get("difference") is not None:
                hold.must(row.get(key), f"{place}.{key}", rate.get(key), rule)
    if _known(row, "difference", "ci_low", "ci_high", "p_value"):
        _symmetric(hold, place, row)
        rule = "the conclusion follows from p and the direction"
        follows = concluded(row["p_value"], row["difference"])
        hold.must(row["conclusion"], f"{place}.conclusion", follows, rule)
    if row.get("balanced") is False:
        rule = "nothing is told where the groups are not alike"
        hold.must(row["conclusion"], f"{place}.conclusion", "suppressed", rule)
