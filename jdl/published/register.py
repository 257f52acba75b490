"""The register's figures held against the result, and worked out from one another."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jdl.published import arithmetic
from jdl.published.folder import REGISTER, Document
from jdl.published.places import same
from jdl.published.printing import hundredfold
from jdl.published.results import measured
from jdl.published.told import Notes

_SLUG = re.compile(r"[^a-z0-9]+")
_Link = tuple[str, Any, str]
"""The name of a figure, what it must be, and the rule."""


def check(document: Document, notes: Notes) -> None:
    """Hold each figure that the result or other figures determine against them."""
    result = document.result
    if not document.register or not result:
        return
    for name, follows, rule in _links(document):
        entry = document.figures.get(name)
        if entry is None:
            continue
        _hold(name, entry["value"], follows, rule, notes)


def _hold(name: str, told: Any, follows: Any, rule: str, notes: Notes) -> None:
    if rule.startswith(_SAME):
        notes.held.add(name)
    else:
        notes.derived.add(name)
    if isinstance(follows, _Within):
        if told is not None and not follows.low <= told <= follows.high:
            notes.find(REGISTER, name, rule, told, f"{follows.low:g} to {follows.high:g}")
    elif not same(told, follows, 1e-7):
        notes.find(REGISTER, name, rule, told, follows)


class _Within:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high


_SAME = "result and register tell the same"
_COUNT = "a figure that counts others"


def _links(document: Document) -> Iterator[_Link]:
    result = document.result
    yield from _facts(result)
    yield from _funnel(document)
    if result.get("status") != "reported":
        return
    for analysis in result.get("analyses", ()):
        yield from _sizes(analysis)
        for row, checked in measured(analysis):
            yield from _effect(analysis, row, checked)
    yield from _tests(document)
    yield from _headline(document)


def _facts(result: Mapping[str, Any]) -> Iterator[_Link]:
    request, release = result.get("request", {}), result.get("release", {})
    for name in ("request.received", "facts.received"):
        yield name, request.get("received"), _SAME
    for name in ("request.release", "facts.release"):
        yield name, request.get("release"), _SAME
    if release.get("published_at"):
        yield "facts.published", str(release["published_at"])[:16], _SAME
    yield "plan.hash", result.get("plan"), _SAME


def _funnel(document: Document) -> Iterator[_Link]:
    """Each remaining is the one before less those removed; shares are of all rows."""
    steps = document.result.get("funnel") or []
    analysis = next((a["id"] for a in document.result.get("analyses", ()) if a["headline"]), None)
    whole = steps[0].get("remaining") if steps else None
    for place, step in enumerate(steps):
        name = f"{analysis}.funnel.{place}"
        for key in ("removed", "remaining"):
            yield f"{name}.{key}", step.get(key), _SAME
            if whole and isinstance(step.get(key), int):
                rule = "a share of the rows submitted"
                yield f"{name}.{key}.share", step[key] / whole, rule
    for name in ("facts.rows", "data_quality.rows") if whole else ():
        yield name, whole, _SAME


def _rate(analysis: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((row for row in analysis["measures"] if row["measure"] == "rate"), {})


def _sizes(analysis: Mapping[str, Any]) -> Iterator[_Link]:
    name = analysis["id"]
    for key in ("treatment_n", "comparison_n", "comparison_people"):
        yield f"{name}.{key}", analysis.get(key), _SAME
    rate = _rate(analysis)
    for group in ("treatment", "comparison"):
        share, size = rate.get(group), rate.get(f"{group}_n")
        if share is not None and size:
            rule = "reoffenders are the rate times the size"
            people = share * size
            follows = float(round(people)) if group == "treatment" else people
            yield f"{name}.reoffenders.{group}", follows, rule
    told = analysis.get("balance") or {}
    for key in ("green", "worst"):
        yield f"{name}.balance.{key}", told.get(key), _SAME
    for key in ("green", "amber", "red"):
        yield f"{name}.balance.{key}.after", told.get(key), _SAME
    if all(isinstance(told.get(key), int) for key in ("green", "amber", "red")):
        follows = told["green"] + told["amber"] + told["red"]
        yield f"{name}.balance.characteristics", follows, "green, amber and red are all"


def _effect(analysis: Mapping[str, Any], row: Mapping[str, Any], kind: str) -> Iterator[_Link]:
    name = f"{analysis['id']}.{row['measure']}"
    scale = hundredfold if kind == "proportion" else float
    for key in ("treatment", "comparison", "treatment_n", "comparison_n", "p_value"):
        yield f"{name}.{key}", row.get(key), _SAME
    yield f"{name}.p_value.words", row.get("p_value"), _SAME
    for key in ("ci_low", "ci_high", "detectable"):
        yield f"{name}.{key}", _scaled(row.get(key), scale), _SAME
    yield f"{name}.numbers_needed", row.get("numbers_needed"), _SAME
    adjusted = row.get("companion") or {}
    if adjusted:
        for key in ("ci_low", "ci_high"):
            yield f"{name}.adjusted.{key}", _scaled(adjusted.get(key), scale), _SAME
        yield f"{name}.adjusted.p_value", adjusted.get("p_value"), _SAME
    if all(isinstance(row.get(key), int | float) for key in _OF_GROUPS):
        yield from _told(name, row, kind)
        yield from _planned(analysis, name, row, adjusted)


_OF_GROUPS = (
    *("treatment", "comparison", "treatment_sd", "comparison_sd"),
    *("treatment_n", "comparison_effective_n", "difference"),
)


def _scaled(value: Any, scale: Any) -> Any:
    return None if value is None else scale(value)


def _told(name: str, row: Mapping[str, Any], kind: str) -> Iterator[_Link]:
    """How an effect is told: for a hundred people, or in days; its gap and its range."""
    scale = float if kind == "days" else hundredfold
    end = "told" if kind == "days" else "per100"
    rule = "a result is told for 100 people, or in days"
    for group in ("treatment", "comparison"):
        yield f"{name}.{group}.{end}", scale(row[group]), rule
        yield f"{name}.{group}.each", row[group], rule
        size = row["treatment_n"] if group == "treatment" else row["comparison_effective_n"]
        if size > 1:
            limits = arithmetic.interval(row[group], row[f"{group}_sd"], size)
            for key, limit in zip(("ci_low", "ci_high"), limits, strict=True):
                follows = scale(_kept(limit, kind))
                yield f"{name}.{group}.{key}.{end}", follows, "the interval of one group's mean"
    yield f"{name}.gap.{end}", scale(abs(row["difference"])), "the gap between the two groups"
    low, high = row.get("ci_low"), row.get("ci_high")
    if low is not None and high is not None:
        rule = "the range told is the confidence interval"
        yield f"{name}.estimate.lower", scale(abs(low)), rule
        yield f"{name}.estimate.higher", scale(abs(high)), rule
        yield f"{name}.estimate.least", scale(min(abs(low), abs(high))), rule
        yield f"{name}.estimate.most", scale(max(abs(low), abs(high))), rule


def _kept(limit: float, kind: str) -> float:
    """Keep the interval of a mean within what is possible."""
    highest = {"proportion": 1.0, "count": math.inf, "days": 366.0}[kind]
    return min(max(limit, 0.0), highest)


def _planned(
    analysis: Mapping[str, Any], name: str, row: Mapping[str, Any], adjusted: Mapping[str, Any]
) -> Iterator[_Link]:
    """The further numbers needed: with the comparison group as it is, and by the adjusted check."""
    people = next((m["treatment_n"] for m in analysis["measures"] if m["measure"] == "rate"), None)
    if not people or not row["treatment_n"]:
        return
    sds = (row["treatment_sd"], row["comparison_sd"])
    sizes = (row["treatment_n"], row["comparison_effective_n"])
    fixed = arithmetic.needed(row["difference"], sds, sizes, fixed=True)
    fixed *= people / row["treatment_n"]
    rule = "the people needed where the comparison group stays as it is"
    if math.isfinite(fixed):
        yield (
            f"{name}.numbers_needed.fixed",
            _Within(fixed * (1 - 1e-9), fixed * (1 + 1e-9) + 1),
            rule,
        )
    if adjusted.get("difference") and adjusted.get("ci_low") is not None:
        half = (adjusted["ci_high"] - adjusted["ci_low"]) / 2
        errors = [half / arithmetic.quantile(df) for df in (arithmetic.CERTAIN, arithmetic.MANY)]
        rule = "as the adjusted check's interval allows"
        needed = [people * (arithmetic.reach() * e / adjusted["difference"]) ** 2 for e in errors]
        yield f"{name}.numbers_needed.adjusted", _Within(min(needed), max(needed) + 1), rule
        scale = 100 if name.endswith(".rate") or ".first_" in name else 1
        found = [scale * arithmetic.reach() * error for error in errors]
        yield f"{name}.detectable.adjusted", _Within(min(found), max(found) * (1 + 1e-9)), rule


def _tests(document: Document) -> Iterator[_Link]:
    """How many results there are, how many were told, and how many are significant."""
    analyses = document.result["analyses"]
    rows = [(a, row) for a in analyses for row in a["measures"]]
    told = [(a, row) for a, row in rows if row.get("p_value") is not None]
    yield "tests.measures", len(rows), _COUNT
    yield "tests.made", len(told), _COUNT
    yield "tests.significant", sum(bool(row["significant"]) for _, row in told), _COUNT
    yield "tests.by_chance", arithmetic.LEVEL * len(told), "so many significant by chance alone"
    others = [(a, r) for a, r in told if not (a["headline"] and r["measure"] == "rate")]
    yield "tests.others", len(others), _COUNT
    yield "tests.others.significant", sum(bool(row["significant"]) for _, row in others), _COUNT
    yield "tests.others.by_chance", arithmetic.LEVEL * len(others), "so many by chance alone"
    values = [row["p_value"] for _, row in others]
    for key, rule in (("holm", "Holm's rule"), ("fdr_bh", "Benjamini and Hochberg's rule")):
        adjusted = getattr(arithmetic, {"fdr_bh": "benjamini_hochberg"}.get(key, key))(values)
        for (analysis, row), value in zip(others, adjusted, strict=True):
            yield f"{analysis['id']}.{row['measure']}.p_value.{key}", value, rule
        yield f"tests.others.{key}", sum(one <= arithmetic.LEVEL for one in adjusted), rule
    numbered = [f"analyses.{analysis['id']}.number" for analysis in analyses]
    numbers = [document.value(name) or 0 for name in numbered]
    for place, name in enumerate(numbered):
        before = numbers[place - 1] if place else 0
        yield name, _Within(before + 1, before + 1 if place == 0 else math.inf), _COUNT


def _headline(document: Document) -> Iterator[_Link]:
    analysis = next((a for a in document.result["analyses"] if a["headline"]), None)
    if analysis is None:
        return
    submitted, analysed = document.value("request.submitted"), analysis.get("treatment_n")
    if isinstance(submitted, int) and isinstance(analysed, int):
        yield f"{analysis['id']}.not_analysed", submitted - analysed, "sent less analysed"
    yield from _survival(analysis)
    yield from _choices(document, analysis)
    yield from _hidden(analysis)
    yield from _alike(document)
    yield from _parts(document)


def _survival(analysis: Mapping[str, Any]) -> Iterator[_Link]:
    told = analysis.get("rmst") or {}
    name = f"{analysis['id']}.survival"
    for place, day in enumerate(told.get("days") or ()):
        yield f"{name}.{day}.day", day, _SAME
        for group in ("treatment", "comparison"):
            yield f"{name}.{day}.{group}", told[group][place], _SAME
    for key in ("mean_treatment", "mean_comparison"):
        yield f"{name}.{key}", told.get(key), _SAME
    for key in ("ci_low", "ci_high"):
        if told.get(key) is not None:
            rule = "the range told is the confidence interval"
            yield f"{name}.{key}.size", abs(told[key]), rule


def _choices(document: Document, analysis: Mapping[str, Any]) -> Iterator[_Link]:
    rows = analysis.get("sensitivity") or ()
    for row in rows:
        name = f"checks.{slug(row['label'])}"
        for key in ("treatment_n", "comparison_people", "p_value"):
            yield f"{name}.{key}", row.get(key), _SAME
        for key in ("ci_low", "ci_high"):
            yield f"{name}.{key}", _scaled(row.get(key), hundredfold), _SAME
    others = rows[1:]
    if others:
        told = sum(row["conclusion"] != "suppressed" for row in others)
        yield "checks.silent", len(others) - told, _COUNT
    rate = _rate(analysis)
    for key in ("ci_low", "ci_high"):
        yield f"sensitivity.as-reported.{key}", _scaled(rate.get(key), hundredfold), _SAME
    yield "sensitivity.as-reported.p_value", rate.get("p_value"), _SAME
    yield "sensitivity.as-reported.comparison_people", analysis.get("comparison_people"), _SAME


def slug(label: str) -> str:
    """Return a label as part of a figure's name."""
    return _SLUG.sub("-", label.lower()).strip("-")


def _hidden(analysis: Mapping[str, Any]) -> Iterator[_Link]:
    """The E-value of the weaker of the two headline results."""
    rate = _rate(analysis)
    if not rate.get("significant") or not all(rate.get(key) for key in _OF_GROUPS):
        return
    ratio = arithmetic.nearest_ratio(
        (rate["treatment"], rate["comparison"]),
        (rate["treatment_sd"], rate["comparison_sd"]),
        (rate["treatment_n"], rate["comparison_effective_n"]),
    )
    adjusted = rate.get("companion") or {}
    low, high = adjusted.get("ratio_low"), adjusted.get("ratio_high")
    if low and high:
        ratio = min(
            ratio, 1.0 if low <= 1 <= high else min(max(one, 1 / one) for one in (low, high))
        )
    rule = "the E-value of the weaker of the two results"
    yield f"{analysis['id']}.rate.e_value.limit", arithmetic.e_value(ratio), rule


_SMD = re.compile(r"(.+\.balance\..+)\.smd_(before|after)$")


def _alike(document: Document) -> Iterator[_Link]:
    """A standardised difference is in standard deviations of the treatment group."""
    for name, entry in document.figures.items():
        found = _SMD.match(name)
        if found is None or entry["value"] is None:
            continue
        theirs = document.value(f"{found[1]}.treatment")
        other = document.value(f"{found[1]}.{found[2]}")
        unit = document.figures.get(f"{found[1]}.treatment", {}).get("unit")
        if theirs is None or other is None:
            continue
        rule = "a difference in standard deviations of the treatment group"
        if unit == "proportion" and 0 < theirs < 1:
            yield name, (theirs - other) / math.sqrt(theirs * (1 - theirs)), rule
        elif unit == "mean" and found[2] == "after":
            first, before = (
                document.value(f"{found[1]}.smd_before"),
                document.value(f"{found[1]}.before"),
            )
            if first and before is not None and abs(theirs - before) > 1e-6:
                yield name, first * (theirs - other) / (theirs - before), rule


def _parts(document: Document) -> Iterator[_Link]:
    """Shares of the people who completed, and of links."""
    analysed = document.value("headline.treatment_n")
    for kind in ("completed", "started"):
        people = document.value(f"participation.{kind}.people")
        if people is not None and analysed:
            yield f"participation.{kind}.share", people / analysed, "a share of those analysed"
    rows = document.value("data_quality.rows")
    for name in document.figures:
        if (
            rows
            and name.startswith("linkage.")
            and name.count(".") == 2
            and name.endswith(".share")
        ):
            count = document.value(name.removesuffix(".share"))
            if isinstance(count, int):
                yield name, count / rows, "a share of the rows submitted"
        if rows and re.fullmatch(r"data_quality\.\d+\.share", name):
            count = document.value(name.replace(".share", ".rows"))
            if isinstance(count, int):
                yield name, count / rows, "a share of the rows submitted"
