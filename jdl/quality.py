"""Quality: how far a release can be relied on, who is in it, and the facts a provider checks.

All of it is made from what the month's reports have already published, cleared, and from the facts
of the request and the release; nothing here reads a record of a person. Counts pooled over the
reports are told to the nearest five, and not where they are small or could be worked out from the
others.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from jdl.disclosure import NOT_BALANCED, RULES, STEP, UNTOLD, WITHHELD, Rules, part_of
from jdl.figures import Cell, Figure, Group, Part, Sentence, Sentences, Table, Tag
from jdl.log import Release
from jdl.national import FOLLOW_UP_MONTHS, WAITING_MONTHS, Vintage
from jdl.request import Request
from jdl.upload import DATES
from jdl.wording import (
    capital,
    counted,
    dated,
    listed,
    month,
    percentage,
    plural,
    proper,
    quoted,
    scaled,
    share,
    slug,
    spelled,
)

Result = Mapping[str, Any]
Registers = Mapping[str, Mapping[str, Any]]


def read_registers(folder: Path) -> dict[str, dict[str, Any]]:
    """Read what the figures of every finished report stand for.

    Parameters
    ----------
    folder : Path
        Holds one folder a request, each with its ``figures.json``.

    Returns
    -------
    dict of str to dict
        By request, the value of each figure by its id; None where it is withheld.
    """
    return {
        file.parent.name: {
            figure["id"]: figure["value"] for figure in json.loads(file.read_text(encoding="utf-8"))
        }
        for file in sorted(folder.glob("*/figures.json"))
    }


# --- The quality statement -----------------------------------------------------------------------


def statement(
    results: Sequence[Result],
    registers: Registers,
    counts: Mapping[str, int],
    *,
    release: Release,
    vintage: Vintage,
) -> Group:
    """Return what a quality statement says of one month, by the names of its parts.

    Parameters
    ----------
    results : sequence of dict
        The ``result.json`` content of the month's requests.
    registers : dict of str to dict
        From `read_registers`.
    counts : dict of str to int
        Of requests by status, from ``log.counts_at``.
    release : log.Release
    vintage : national.Vintage

    Returns
    -------
    Group
        ``quality-lead``, ``quality-label``, ``quality-timeliness`` and ``quality-revisions``
        always; ``quality-timeliness-table`` where requests were finished; ``quality-accuracy``,
        ``quality-accuracy-table`` and ``quality-coherence`` where reports were made.
    """
    reports = [result for result in results if result["status"] == "reported"]
    parts: dict[str, Any] = {
        "quality-lead": _lead(results, len(reports), counts, release),
        "quality-label": _label(vintage),
        "quality-timeliness": _timeliness(results, release, vintage),
        "quality-revisions": _revisions(reports),
    }
    if results:
        parts["quality-timeliness-table"] = _timeliness_table(results, release)
    if reports:
        parts["quality-accuracy"] = _accuracy(reports, registers)
        parts["quality-accuracy-table"] = _accuracy_table(reports, registers)
        parts["quality-coherence"] = _coherence(reports)
    return Group(parts)


def _many(name: str, value: int, unit: str = "reports") -> Figure:
    return spelled(f"quality.{name}", value, unit)


def _lead(
    results: Sequence[Result], reports: int, counts: Mapping[str, int], release: Release
) -> Sentences:
    made = _many("reports", reports)
    when = month("quality.release", f"{release.name}-01")
    items = [
        Sentence.of(
            "The release of ", when, " holds ", made, f" {plural(made, 'report', 'reports')}."
        )
    ]
    for status, verb in (
        ("not processed", "could not be processed"),
        ("withdrawn", "had been withdrawn"),
    ):
        many = sum(result["status"] == status for result in results)
        if many:
            told = _many(slug(status), many, "requests")
            items.append(
                Sentence.of(*_capitalised(told), f" {plural(told, 'request', 'requests')} {verb}.")
            )
    if counts["ready"] > reports:
        items.append(_made_before(counts["ready"] - reports))
    return Sentences(tuple(items))


def _capitalised(told: Figure) -> tuple[Part, ...]:
    """Return a count that begins a sentence; the register tells it apart from the one within."""
    return (Figure(f"{told.id}.opening", told.value, told.unit, capital(told.text)),)


def _made_before(many: int) -> Sentence:
    told = _many("before", many)
    return Sentence.of(
        *_capitalised(told),
        f" further {plural(told, 'report', 'reports')} of this month "
        f"{plural(told, 'was', 'were')} made before this system, so this statement does not "
        f"describe {plural(told, 'it', 'them')}.",
    )


def _label(vintage: Vintage) -> Sentence:
    if vintage.synthetic:
        return Sentence.of(
            "These are synthetic figures about made-up people. They show how the service works and "
            "say nothing about any real programme, so they carry no label of official statistics."
        )
    return Sentence.of(
        "These are Official Statistics. They have not been accredited by the Office for Statistics "
        "Regulation."
    )


# Accuracy and reliability


def _headline(result: Result) -> Mapping[str, Any]:
    return next(analysis for analysis in result["analyses"] if analysis["headline"])


@dataclass(frozen=True)
class _Kept:
    """How many of those submitted one report could analyse; None where withheld."""

    name: str
    programme: str
    submitted: int
    linked: int | None
    analysed: int | None
    balance: Mapping[str, Any]


def _kept(result: Result, registers: Registers) -> _Kept:
    request, headline = result["request"], _headline(result)
    return _Kept(
        f"quality.{slug(request['id'])}",
        request["programme"],
        result["funnel"][0]["remaining"],
        registers[request["id"]].get("linkage.linked"),
        headline["treatment_n"],
        headline["balance"],
    )


def _accuracy(reports: Sequence[Result], registers: Registers) -> Sentences:
    kept = [_kept(report, registers) for report in reports]
    return Sentences((*_pooled(kept), *_balanced(kept), *_withheld(reports)))


def _pooled(kept: Sequence[_Kept]) -> tuple[Sentence, ...]:
    """Tell what share was found and analysed, of those reports where it is not withheld."""
    told = []
    for which, verb in (
        ("linked", "were linked to a national record"),
        ("analysed", "are of people who were analysed; a result speaks of them alone"),
    ):
        known = [one for one in kept if getattr(one, which) is not None]
        if known:
            part = sum(getattr(one, which) for one in known)
            whole = sum(one.submitted for one in known)
            opening = (
                "Of all rows submitted, "
                if len(known) == len(kept)
                else ("Of the rows submitted for the reports that tell it, ")
            )
            told.append(
                Sentence.of(opening, share(f"quality.{which}.share", part, whole), f" {verb}.")
            )
    return tuple(told)


def _balanced(kept: Sequence[_Kept]) -> tuple[Sentence, ...]:
    passed = sum(one.balance["accepted"] for one in kept)
    gate = "the balance gate, which asks that the two groups are alike on what is recorded"
    if len(kept) == 1:
        result = "passed" if passed else "did not pass"
        return (Sentence.of(f"The headline analysis {result} {gate}."),)
    of = _many("headlines", len(kept), "analyses")
    lead: tuple[Part, ...] = ("Each of the ", of, " headline analyses")
    if passed < len(kept):
        told = spelled("quality.balanced", passed, "analyses", none="none")
        lead = ("Of the ", of, " headline analyses, ", told)
    return (Sentence.of(*lead, f" passed {gate}. One that does not pass gives no result."),)


def _withheld(reports: Sequence[Result]) -> tuple[Sentence, ...]:
    gone = sum(_conclusion(_headline(report)) == "suppressed" for report in reports)
    if not gone:
        return ()
    told = _many("no_result", gone)
    return (
        Sentence.of(
            *_capitalised(told),
            f" {plural(told, 'report gives', 'reports give')} no result on the rate. It is "
            f"{WITHHELD}, or {NOT_BALANCED}.",
        ),
    )


def _conclusion(analysis: Mapping[str, Any]) -> str:
    rate = next(entry for entry in analysis["measures"] if entry["measure"] == "rate")
    return str(rate["conclusion"])


def _accuracy_table(reports: Sequence[Result], registers: Registers) -> Table:
    kept = [_kept(report, registers) for report in reports]
    notes = [
        "A row is one person's details as they were sent; people who refused to take part have "
        "rows too, and people listed more than once have several. The two groups are alike on a "
        "characteristic if the standardised difference is small; the largest is that of the "
        "characteristic on which they differ most."
    ]
    if any(None in (one.linked, one.analysed) for one in kept):
        notes.append(UNTOLD)
    return Table(
        "quality-accuracy-table",
        "How many people each report analysed, of the rows submitted, and how alike the groups are",
        (
            "Report",
            "Rows submitted",
            "Linked to a national record, share of rows",
            "People analysed",
            "People analysed, share of rows",
            "Passed the balance gate",
            "Largest standardised difference, standard deviations",
        ),
        tuple(map(_accuracy_row, kept)),
        tuple(notes),
    )


def _accuracy_row(one: _Kept) -> tuple[Cell, ...]:
    worst = one.balance["worst"]
    return (
        one.programme,
        counted(f"{one.name}.submitted", one.submitted, "rows"),
        share(f"{one.name}.linked.share", one.linked, one.submitted),
        counted(f"{one.name}.analysed", one.analysed),
        share(f"{one.name}.analysed.share", one.analysed, one.submitted),
        Tag("Yes", "green") if one.balance["accepted"] else Tag("No", "red"),
        "[x]" if worst is None else scaled(f"{one.name}.worst", worst, "standard deviations", 2),
    )


# Timeliness and punctuality


def _published(release: Release) -> dt.date:
    return release.published_at.date()


def _days(result: Result, release: Release) -> int:
    return (_published(release) - dt.date.fromisoformat(result["request"]["received"])).days


def _timeliness(results: Sequence[Result], release: Release, vintage: Vintage) -> Sentences:
    items = [_taken(results, release)] if results else []
    items += [_age(release, vintage), _waiting(), _due(release)]
    return Sentences(tuple(items))


def _taken(results: Sequence[Result], release: Release) -> Sentence:
    days = sorted(_days(result, release) for result in results)
    least = counted("quality.days.least", days[0], "days")
    if days[0] == days[-1]:
        noun = plural(least, "day", "days")
        return Sentence.of("From receipt to publication took ", least, f" {noun}.")
    most = counted("quality.days.most", days[-1], "days")
    return Sentence.of("From receipt to publication took between ", least, " and ", most, " days.")


def _age(release: Release, vintage: Vintage) -> Sentence:
    last, out = vintage.last_index_date, _published(release)
    months = (out.year - last.year) * 12 + out.month - last.month - (out.day < last.day)
    return Sentence.of(
        "The most recent people who can be analysed left custody or began a court order on ",
        dated("vintage.last_index_date", last),
        ", ",
        counted("quality.age", months, "months"),
        " whole months before publication; the national data were extracted on ",
        dated("quality.extracted", vintage.extracted),
        ".",
    )


def _waiting() -> Sentence:
    return Sentence.of(
        "Most of that time cannot be saved: ",
        counted("quality.follow_up", FOLLOW_UP_MONTHS, "months"),
        " months are the follow-up, and ",
        counted("quality.waiting", WAITING_MONTHS, "months"),
        " more are allowed for a reoffence to be proven.",
    )


def _due(release: Release) -> Sentence:
    dates = (
        dated("quality.published", _published(release)),
        ", and the next is due on ",
        dated("quality.next", release.next_release),
    )
    if not release.stated:
        return Sentence.of(
            "No dates were announced for this release; by the usual calendar it comes out on ",
            *dates,
            ".",
        )
    return Sentence.of("The date announced for this release is ", *dates, ".")


def _timeliness_table(results: Sequence[Result], release: Release) -> Table:
    words = {
        "reported": Tag("Report", "blue"),
        "not processed": Tag("Not processed", "grey"),
        "withdrawn": Tag("Withdrawn", "grey"),
    }
    rows = tuple(
        (
            result["request"]["programme"],
            words[result["status"]],
            dated(
                f"quality.{slug(result['request']['id'])}.received", result["request"]["received"]
            ),
            counted(
                f"quality.{slug(result['request']['id'])}.days", _days(result, release), "days"
            ),
        )
        for result in results
    )
    return Table(
        "quality-timeliness-table",
        "Days from the receipt of each request to publication",
        ("Request", "Outcome", "Request received", "Days to publication"),
        rows,
    )


# Coherence, revisions


def _coherence(reports: Sequence[Result]) -> Sentence:
    again = sum(bool(report["request"]["extends"]) for report in reports)
    if not again:
        return Sentence.of("No report of this month includes the people of an earlier request.")
    told = _many("again", again)
    return Sentence.of(
        *_capitalised(told),
        f" {plural(told, 'report', 'reports')} of this month "
        f"{plural(told, 'includes', 'include')} the people of earlier requests. "
        f"{plural(told, 'It counts', 'They count')} some people again, so "
        f"{plural(told, 'its result', 'their results')} and the earlier ones are not separate "
        "evidence.",
    )


def _revisions(reports: Sequence[Result]) -> Sentence:
    made = sum(report["request"]["correction"] is not None for report in reports)
    if not made:
        return Sentence.of("No report of this month corrects an earlier one.")
    told = _many("corrections", made)
    return Sentence.of(
        *_capitalised(told),
        f" {plural(told, 'report', 'reports')} of this month "
        f"{plural(told, 'corrects an earlier one', 'correct earlier ones')}; the reason is in the "
        "report.",
    )


# --- The equality breakdown ----------------------------------------------------------------------

_ANALYSED = {"sex": "Sex", "age-band": "Age", "ethnicity": "Ethnicity"}
_SOUGHT = {"sex": "Sex", "age": "Age"}
_PROFILE, _LINKAGE = "headline.profile", "linkage"


@dataclass
class _Pool:
    """One kind of people over all reports: how many, and how many reports tell it."""

    characteristic: str
    level: str
    whole: float = 0
    part: float = 0
    reports: int = 0
    hidden: bool = False


def equality(results: Sequence[Result], registers: Registers, rules: Rules = RULES) -> Group:
    """Return who was looked for, found and analysed over all reports of a month.

    Parameters
    ----------
    results : sequence of dict
        The ``result.json`` content of the month's requests.
    registers : dict of str to dict
        From `read_registers`.
    rules : Rules
        Of disclosure control.

    Returns
    -------
    Group
        ``equality-analysed`` and ``equality-found`` (tables, where a report tells of any), and
        ``equality-apart``: whether men and women were analysed apart.
    """
    reports = [result for result in results if result["status"] == "reported"]
    told = {report["request"]["id"]: registers[report["request"]["id"]] for report in reports}
    parts: dict[str, Any] = {"equality-apart": _apart(reports)}
    analysed, found = _analysed(told.values(), rules), _found(told.values(), rules)
    if analysed:
        parts["equality-analysed"] = _analysed_table(analysed, len(told))
    if found:
        parts["equality-found"] = _found_table(found, len(told))
    return Group(parts)


def _apart(reports: Sequence[Result]) -> Sentences:
    of = {
        sex: [report for report in reports if report["request"]["sex"] == sex]
        for sex in ("all", "male", "female")
    }
    both = of["all"]
    items = _of_one_sex(len(of["male"]), len(of["female"]))
    if both:
        items.append(_by_sex(both))
    if not items:
        items.append(Sentence.of("No report was made this month."))
    return Sentences(tuple(items))


def _of_one_sex(men: int, women: int) -> list[Sentence]:
    """Tell how many reports are about men only, and how many about women only."""
    parts: list[Part] = []
    for sex, many in (("men", men), ("women", women)):
        if not many:
            continue
        told = _many(f"only_{sex}", many)
        noun = plural(told, "report is", "reports are")
        if parts:
            parts += [" and ", told, f" about {sex} only"]
        else:
            parts += [*_capitalised(told), f" {noun} about {sex} only"]
    return [Sentence.of(*parts, ".")] if parts else []


def _by_sex(both: Sequence[Result]) -> Sentence:
    every = _many("both_sexes", len(both))
    men, women = (sum(_has_result(one, sex) for one in both) for sex in ("male", "female"))
    if len(both) == 1:
        return Sentence.of(
            *_capitalised(every),
            f" report is about men and women together, and tells {_ALONE[men, women]}.{_APART}",
        )
    return Sentence.of(
        *_capitalised(every),
        " reports are about men and women together: a result for men alone is told in ",
        spelled("quality.apart.male", men, "reports", none="none"),
        " of them, and one for women alone in ",
        spelled("quality.apart.female", women, "reports", none="none"),
        f".{_APART}",
    )


_APART = (
    " Men and women are analysed apart wherever both took part, and a result is told where enough "
    "of them did."
)
_ALONE = {
    (0, 0): "no result for either alone",
    (1, 0): "a result for men alone, but none for women alone",
    (0, 1): "a result for women alone, but none for men alone",
    (1, 1): "a result for men alone and one for women alone",
}


def _has_result(result: Result, sex: str) -> bool:
    return any(one["id"] == sex and _conclusion(one) != "suppressed" for one in result["analyses"])


def _analysed(registers: Iterable[Mapping[str, Any]], rules: Rules) -> list[_Pool]:
    """Pool the profiles: people of a kind are its share of those analysed."""
    pools: dict[tuple[str, str], _Pool] = {}
    for register in registers:
        people = register.get("headline.treatment_n")
        for characteristic in _ANALYSED:
            shares = _levels(register, f"{_PROFILE}.{characteristic}")
            for level, share_of in shares.items():
                pool = pools.setdefault((characteristic, level), _Pool(characteristic, level))
                if None not in (people, share_of):
                    pool.whole += round(share_of * people)
                    pool.reports += 1
    held = list(pools.values())
    return _covered(held, [pool.whole for pool in held], rules, "equality.analysed")


def _found(registers: Iterable[Mapping[str, Any]], rules: Rules) -> list[_Pool]:
    """Pool the rates of linkage, over the reports that tell the share of a kind."""
    pools: dict[tuple[str, str], _Pool] = {}
    for register in registers:
        for characteristic in _SOUGHT:
            base = f"{_LINKAGE}.{characteristic}"
            for level in _levels(register, base, "people"):
                pool = pools.setdefault((characteristic, level), _Pool(characteristic, level))
                people, found = (
                    register[f"{base}.{level}.people"],
                    register.get(f"{base}.{level}.share"),
                )
                if people is not None and found is not None:
                    pool.whole += people
                    pool.part += round(found * people)
                    pool.reports += 1
    held = list(pools.values())
    smallest = [min(pool.part, pool.whole - pool.part) for pool in held]
    return _covered(held, smallest, rules, "equality.found")


def _levels(register: Mapping[str, Any], base: str, end: str = "") -> dict[str, Any]:
    """Return the figures called ``<base>.<level>`` or ``<base>.<level>.<end>``, by level."""
    name = re.compile(rf"{re.escape(base)}\.([a-z0-9-]+)" + (rf"\.{end}" if end else ""))
    return {match[1]: value for id_, value in register.items() if (match := name.fullmatch(id_))}


def _covered(
    pools: list[_Pool], smallest: Sequence[float], rules: Rules, table: str
) -> list[_Pool]:
    """Hide what is small, and beside a kind that hides alone the next smallest of its group."""
    for pool, least in zip(pools, smallest, strict=True):
        pool.hidden = least < rules.cell
        decided = ("cell",) if pool.hidden else ("to five", "rounded")
        rules.note(part_of(table, pool.characteristic, pool.level), *decided)
    for characteristic in {pool.characteristic: None for pool in pools}:
        group = [pool for pool in pools if pool.characteristic == characteristic]
        shown = [pool for pool in group if not pool.hidden]
        if len(group) - len(shown) == 1 and shown:
            beside = min(shown, key=lambda pool: pool.whole)
            beside.hidden = True
            rules.note(part_of(table, characteristic, beside.level), "parts")
    return sorted(pools, key=_order)


def _order(pool: _Pool) -> tuple[int, bool, int, bool, str]:
    """Order kinds by characteristic, then by age or name; what is not recorded comes last."""
    age = re.search(r"\d+", pool.level)
    return (
        list({**_ANALYSED, **_SOUGHT}).index(pool.characteristic),
        pool.level in {"not-recorded", "not-known"},
        int(age[0]) if age else 0,
        not pool.level.startswith("under"),
        pool.level,
    )


def _group(name: str, characteristic: str, pool: _Pool) -> Cell:
    level = pool.level.replace("-", " ")
    told = proper(level) if characteristic != "Ethnicity" else capital(proper(level))
    words = f"{characteristic}: {told}"
    return Sentence(quoted(f"{name}.level", words)) if re.search(r"\d", level) else words


def _to_the_nearest(name: str, people: float, *, hidden: bool) -> Figure:
    return counted(name, None if hidden else STEP * round(people / STEP))


def _analysed_table(pools: Sequence[_Pool], reports: int) -> Table:
    rows = []
    for pool in pools:
        name = f"equality.analysed.{pool.characteristic}.{pool.level}"
        rows.append(
            (
                _group(name, _ANALYSED[pool.characteristic], pool),
                _to_the_nearest(name, pool.whole, hidden=pool.hidden),
                _telling(name, pool, reports),
            )
        )
    return Table(
        "equality-analysed",
        "People analysed in this month's reports, by sex, age and ethnicity",
        ("Group", "People analysed, to the nearest five", "Reports that tell of this group"),
        tuple(rows),
        _notes(pools, "Age is at the index date. Ethnicity is as the national records have it."),
    )


def _found_table(pools: Sequence[_Pool], reports: int) -> Table:
    rows = []
    for pool in pools:
        name = f"equality.found.{pool.characteristic}.{pool.level}"
        rate = None if pool.hidden else pool.part / pool.whole
        rows.append(
            (
                _group(name, _SOUGHT[pool.characteristic], pool),
                _to_the_nearest(f"{name}.people", pool.whole, hidden=pool.hidden),
                percentage(f"{name}.share", rate),
                _telling(name, pool, reports),
            )
        )
    return Table(
        "equality-found",
        "People found in the national records, by sex and age as the upload has them",
        (
            "Group",
            "People looked for, to the nearest five",
            "Share found",
            "Reports that tell of this group",
        ),
        tuple(rows),
        _notes(pools, "Age is at the first date given of the intervention or the sentence."),
    )


def _telling(name: str, pool: _Pool, reports: int) -> Cell:
    """Return how many reports a pooled number comes from; nothing where it is withheld."""
    if pool.hidden:
        return "[z]"
    many = counted(f"{name}.reports", pool.reports, "reports")
    return Sentence.of(many, " of ", counted("equality.reports", reports, "reports"))


def _notes(pools: Sequence[_Pool], age: str) -> tuple[str, ...]:
    notes = [
        f"{age} People analysed in several reports count in each. Where not all reports tell of a "
        "group, its number is of those that do, so it cannot be set against the number of another."
    ]
    if any(pool.hidden for pool in pools):
        notes.append(f"{UNTOLD} [z] not applicable.")
    return tuple(notes)


# --- The facts for the provider to check ---------------------------------------------------------

_DATE_NAMES = {
    "index_date": "release from custody or start of the court order",
    "conviction_date": "conviction",
    "intervention_start": "start of the intervention",
    "intervention_end": "end of the intervention",
}
_SEXES = {"all": "Men and women", "male": "Men", "female": "Women"}


def facts(
    asked: Request,
    people: pd.DataFrame,
    release: Release,
    *,
    earlier: Mapping[str, str] | None = None,
) -> Table:
    """Return the facts that a provider checks before its report is published, none of a result.

    Parameters
    ----------
    asked : request.Request
    people : DataFrame
        The upload's rows, as sent, with those of earlier requests where they are pooled.
    release : log.Release
    earlier : dict of str to str, optional
        What each earlier request is called in print.
    """
    rows: list[tuple[Cell, ...]] = [
        *_asked(asked, earlier or {}),
        *_sent(people),
        *_to_come(release),
    ]
    return Table("facts-table", "Facts to check", ("Fact", "As we have it"), tuple(rows))


def _quoted(name: str, text: str) -> Sentence:
    return Sentence(quoted(f"facts.{name}", text))


def _asked(asked: Request, earlier: Mapping[str, str]) -> list[tuple[Cell, ...]]:
    names = [name.removeprefix("group_").replace("_", " ") for name in asked.subgroups]
    texts = {
        "Organisation": asked.organisation,
        "Programme": asked.programme,
        "Sector": capital(proper(asked.sector)),
        "Type of intervention": capital(proper(asked.intervention_type)),
        "What was provided": asked.description,
        "How people were referred or chosen": asked.selection,
        "Setting": capital(asked.setting),
        "People the analysis is to cover": _SEXES[asked.sex],
        "Region": capital(proper(asked.region)) if asked.region else "Not limited to a region",
        "Groups to be analysed apart": capital(listed(names)) if names else "No groups were named",
        "Includes the people of earlier requests": capital(
            listed([earlier.get(one, one) for one in asked.extends])
        ) or "No earlier requests",
    }  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (label, _quoted(slug(label), text)) for label, text in texts.items()
    ]
    return [*rows, ("Data sharing signed off", _signed(asked)), _received(asked)]


def _received(asked: Request) -> tuple[Cell, ...]:
    return ("Request received", dated("facts.received", asked.received))


def _signed(asked: Request) -> Cell:
    signed = asked.data_sharing
    if signed is None:
        return "Not signed off"
    role = quoted("facts.signed_by", f", by the {signed.signed_by_role}")
    return Sentence.of(dated("facts.signed_on", signed.signed_on), *role)


def _sent(people: pd.DataFrame) -> list[tuple[Cell, ...]]:
    given = [name for name in DATES if people[name].notna().any()]
    return [
        ("Rows submitted", counted("facts.rows", len(people), "rows")),
        ("Dates given", capital(listed([_DATE_NAMES[name] for name in given])) or "No dates"),
        *([("Years of these dates", _years(people[given]))] if given else []),
    ]


def _years(dates: pd.DataFrame) -> Sentence:
    """Return the first and the last year, which tells of nobody's day."""
    first, last = dates.min().min().year, dates.max().max().year
    start, end = (
        Figure(f"facts.years.{name}", int(year), "year", str(year))
        for name, year in (("first", first), ("last", last))
    )
    return Sentence.of(start) if first == last else Sentence.of(start, " to ", end)


def _to_come(release: Release) -> list[tuple[Cell, ...]]:
    out = release.published_at
    moment = f"{out.day} {out:%B %Y} at {out.hour}:{out:%M}"
    return [
        ("Release", month("facts.release", f"{release.name}-01")),
        (
            "To be published on",
            Figure("facts.published", out.isoformat(timespec="minutes"), "moment", moment),
        ),
        (
            "What will be published",
            "A report on your programme with its tables and an audit copy, and a mention in the "
            "bulletin; or, if the request cannot be processed, a notice that says why. Nobody is "
            "named.",
        ),
        ("Contact", _quoted("contact", release.contact)),
    ]
