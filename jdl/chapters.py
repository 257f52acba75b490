"""Chapters: what each step of the notebook puts on its pages, as parts that a page finds by name.

A step's sentences, tables and charts, put together from cleared results. No statistics, no wording.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from jdl import charts, checks, disclosure, figures, findings, groups, people, scope, tables
from jdl import summary as first_page
from jdl.analyses import Analysed, attempts
from jdl.balance import Verdict
from jdl.covariates import LABELS
from jdl.disclosure import Cleared, Decision, Drawn, People, Rules, Told
from jdl.effects import MEASURES, Effect
from jdl.figures import Group, Sentence, Table
from jdl.linkage import FATES, Links
from jdl.log import Release
from jdl.matching import Matched
from jdl.national import Vintage
from jdl.outcomes import Delays
from jdl.power import Needed
from jdl.request import Criterion, Request
from jdl.sensitivity import Choice
from jdl.survival import Survival
from jdl.unmeasured import Bounds, EValue
from jdl.upload import Upload
from jdl.wording import Words, is_reported

_RECORDS = "demographics, offence and sentence, criminal history, work and benefits"
MATCHED_ON = {False: _RECORDS, True: f"{_RECORDS}, and assessed needs"}
"""What people are matched on in words, without assessed needs and with them."""


def _group(**parts: Any) -> Group | None:
    """Put parts together by their names, those with nothing to say left out."""
    told = {name.replace("_", "-"): part for name, part in parts.items() if part and part.text}
    return Group(told) if told else None


def facts(
    asked: Request, earlier: Mapping[str, str], replaced: Mapping[str, Any] | None = None
) -> Group | None:
    """Return what the request is about, what it corrects, and that this is kept.

    Parameters
    ----------
    asked : Request
    earlier : mapping of str to str
        What each request that it extends is called in print.
    replaced : mapping, optional
        From ``history.replaced``; None also where that is not at hand.
    """
    status = replaced["status"] if replaced else "reported"
    kept = Sentence.of("What was published then is kept, unchanged, and should no longer be used.")
    return _group(
        request_facts=tables.request_facts(asked.public, earlier=earlier),
        correction_statement=asked.correction
        and findings.correction_statement(asked.correction, status),
        correction_kept=kept if replaced else None,
    )


def criteria(told: Sequence[Criterion], facts: Table) -> Group | None:
    """Return the minimum criteria, and the facts for the provider to check.

    Parameters
    ----------
    told : sequence of request.Criterion
    facts : Table
        From ``quality.facts``.
    """
    return _group(criteria=tables.criteria_table(told), facts_table=facts)


def notice(
    reasons: Sequence[Any],
    asked: Request,
    vintage: Vintage,
    release: Release,
    decided: Sequence[Decision] = (),
) -> tuple[Group | None, figures.Result | None]:
    """Return the notice and the record of a request that ends here; None where there is none."""
    told = findings.outcome_notice(reasons, organisation=asked.organisation)
    decisions = tables.decisions_table(decided)
    record = figures.stopped(asked.public, reasons, vintage, release, decisions)
    return _group(outcome_notice=told), record


def plan(
    plan: Mapping[str, Any],
    plan_hash: str,
    *,
    matched_on: Sequence[str],
    significance: float,
    read_on: dt.date | None,
) -> Group | None:
    """Return the sentence and the table of the plan.

    Parameters
    ----------
    plan : mapping
        Every choice by its name.
    plan_hash : str
        Its fingerprint.
    matched_on : sequence of str
        The variables compared.
    significance : float
    read_on : date or None
        When outcomes were first read, by the log.
    """
    return _group(
        plan=findings.plan_sentence(plan_hash, significance=significance, read_on=read_on),
        method_table=tables.method_table(plan, matched_on=matched_on, labels=LABELS),
    )


def start(told: Told, *, after: int, leads: bool, words: Words, limit: float) -> Group | None:
    """Return when interventions started, and which follow-up leads; see ``groups``.

    Parameters
    ----------
    told : Told
        Cleared.
    after : int
        Who started after the index date; without any there is nothing to say.
    leads, words, limit
        See ``groups.gap_statement``.
    """
    if not after:
        return None
    return _group(gap_statement=groups.gap_statement(told, leads=leads, words=words, limit=limit))


def pool(
    drawn: Drawn, *, unrecorded: Sequence[str], needs: bool, words: Words, repeated: bool
) -> Group | None:
    """Return with whom people could be compared, and on what not; see ``groups``.

    Parameters
    ----------
    drawn : Drawn
        Cleared.
    unrecorded : sequence of str
        From ``covariates.unrecorded``.
    needs : bool
        Whether assessed needs are matched on.
    words, repeated
        See ``groups.pool_statement``.
    """
    return _group(
        pool_statement=groups.pool_statement(drawn, words=words, repeated=repeated),
        unmatched_statement=groups.unmatched_statement(unrecorded, needs=needs, labels=LABELS),
    )


def balance(
    matched: Matched,
    verdict: Verdict,
    table: pd.DataFrame,
    second: pd.DataFrame,
    *,
    shown: pd.DataFrame,
    source: str,
) -> Group | None:
    """Return how alike the groups are, and what was tried to make them so.

    Parameters
    ----------
    matched : Matched
    verdict : Verdict
    table, second : DataFrame
        From ``balance.table`` and ``balance.second_order``.
    shown : DataFrame
        The table, cleared.
    source : str
        Of the data.
    """
    return _group(
        balance_statement=findings.balance_statement(verdict, table),
        attempts_statement=groups.attempts_statement(matched),
        second_order_statement=groups.second_order_statement(second, verdict, labels=LABELS),
        balance_summary=tables.balance_summary(table, shown=shown),
        balance_table=tables.balance_table(shown, labels=LABELS),
        second_order_table=groups.second_order_table(second, labels=LABELS),
        balance_chart=charts.balance_chart(shown, labels=LABELS, source=source),
    )


def profile(
    shown: pd.DataFrame, overlap: pd.DataFrame, *, words: Words, source: str
) -> Group | None:
    """Return who was worked with, and how far the scores of the two groups overlap.

    Parameters
    ----------
    shown : DataFrame
        The balance table of the variables to profile, cleared.
    overlap : DataFrame
        From ``disclosure.clear_overlap``.
    words : Words
    source : str
        Of the data.
    """
    return _group(
        profile_table=tables.profile_table(shown, labels=LABELS, words=words),
        overlap_chart=len(overlap) and charts.overlap_chart(overlap, source=source),
    )


def losses(
    told: People,
    upload: Upload,
    links: Links,
    checked: Any,
    *,
    words: Words,
    source: str,
) -> Group | None:
    """Return how people were found, where they were lost, and what better data would have found.

    Parameters
    ----------
    told : People
        Cleared together.
    upload : Upload
        With its notes.
    links : linkage.Links
        For what is expected to be false.
    checked : review.Checks
        What reviewers did.
    words : Words
    source : str
    """
    rows = len(upload.people)
    return _group(
        linkage_table=people.linkage_table(told.counts, rows=rows),
        review_statement=people.review_statement(
            told.counts, expected=links.expected_from_review, checks=checked
        ),
        error_statement=people.error_statement(links.expected_false, told.linked),
        linkage_rates=people.linkage_rates(told.rates),
        linkage_rates_table=told.rates[["share", "low"]].notna().any(axis=None)
        and people.linkage_rates_table(told.rates),
        funnel_table=people.funnel_table(told.funnel),
        rules_table=people.rules_table(told.placed),
        lost_statement=people.lost_statement(told.fates),
        lost_table=told.fates[list(FATES)].notna().any(axis=None) and people.lost_table(told.fates),
        funnel_chart=charts.funnel_chart(told.funnel, words=words, source=source),
        data_quality_note=people.data_quality_note(upload.notes, rows=rows),
        data_quality_table=people.data_quality_table(upload.notes, rows=rows),
        gains_statement=people.gains_statement(told.gains),
        linkage_gains_table=people.linkage_gains_table(told.gains),
    )


def summary(
    cleared: Cleared,
    *,
    words: Words,
    programme: str,
    organisation: str,
    submitted: int,
    index_from: dt.date,
    index_to: dt.date,
    source: str,
) -> Group | None:
    """Return the page that stands first, the result in a paragraph, and who was analysed.

    Parameters
    ----------
    cleared : Cleared
        The headline.
    words : Words
    programme, organisation : str
    submitted : int
        People whose details were sent.
    index_from, index_to : date
        The first and the last index date of the treatment group.
    source : str
        Of the data.
    """
    named: dict[str, Any] = {"words": words, "programme": programme, "submitted": submitted}
    effects, adjusted = cleared.effects, cleared.adjusted
    page = first_page.page(effects, adjusted=adjusted, organisation=organisation, **named)
    return _group(
        **{name.replace("-", "_"): part for name, part in page.items()},
        summary_chart=is_reported(effects["rate"])
        and charts.hundred_chart(effects, words=words, source=source),
        overall_result=findings.overall_result(effects, words=words, programme=programme),
        headline_sentence=findings.headline_sentence(
            effects["rate"], **named, index_from=index_from, index_to=index_to
        ),
    )


def blocks(effects: Mapping[str, Effect], *, words: Words, programme: str) -> Group | None:
    """Return the result for a hundred people, and what may be said of it; see ``findings``."""
    return _group(
        measurements=tables.measurements(effects, words=words),
        estimates_lead=findings.estimates_lead(words),
        estimates=findings.estimates(effects, words=words),
        estimand_statement=findings.estimand_statement(words=words, programme=programme),
        can_say=findings.can_say(effects, words=words, programme=programme),
        cannot_say=findings.cannot_say(effects, words=words, programme=programme),
    )


def pictures(
    effects: Mapping[str, Effect],
    survived: Survival,
    *,
    words: Words,
    source: str,
    significance: float,
) -> Group:
    """Return the headline measures and the time without a reoffence as charts; see ``charts``."""
    told: dict[str, Any] = {"words": words, "source": source, "significance": significance}
    headline = charts.headline_charts(effects, **told)
    curves = _group(
        survival_statement=checks.survival_statement(
            survived, words=words, significance=significance
        ),
        survival_chart=charts.survival_chart(survived, **told),
    )
    return Group(headline.parts | (curves.parts if curves else {}))


def checked(
    cleared: Cleared,
    unmeasured: EValue | None,
    *,
    places: int | None,
    kind: str,
    results: Mapping[str, Cleared],
    delays: Delays,
    words: Words,
    significance: float,
) -> Group | None:
    """Return the adjusted check, what the place may have done, and what an unmeasured need would.

    Parameters
    ----------
    cleared : Cleared
        The headline.
    unmeasured : EValue or None
        Cleared.
    places : int or None
        Prisons or regions of the treatment group.
    kind : str
        What a place is.
    results : mapping of str to Cleared
        By id of the analysis; where one was made within the same places, it is named.
    delays : Delays
        Of the courts, cleared.
    words : Words
    significance : float
    """
    told = cleared.effects, cleared.adjusted
    made = any(one.conclusion != "suppressed" for one in cleared.adjusted.values())
    clustered = any("by place" in (one.errors or "") for one in cleared.adjusted.values())
    beside = f"within the same {kind}s" if f"same-{kind}" in results else None
    return _group(
        adjusted_statement=made and checks.adjusted_statement(*told, significance=significance),
        adjusted_table=made and checks.adjusted_table(*told, significance=significance),
        places_statement=checks.places_statement(
            places, kind=kind, words=words, beside=beside, clustered=clustered
        ),
        unmeasured_statement=checks.unmeasured_statement(unmeasured, labels=LABELS),
        court_delays_statement=checks.court_delays_statement(delays, words=words),
    )


def measures(
    results: Mapping[str, Cleared],
    analysed: Sequence[Analysed],
    *,
    significance: float,
    revised: Table | None = None,
) -> Group:
    """Return the sizes and the eleven measures of every analysis.

    Parameters
    ----------
    results : mapping of str to Cleared
        By id of the analysis, the headline first.
    analysed : sequence of Analysed
        For their labels and regions.
    significance : float
    revised : Table, optional
        From `revision`, which comes with them.
    """
    labels = {one.wanted.id: one.wanted.label for one in analysed}
    regions = {one.wanted.id: one.wanted.region for one in analysed if one.wanted.region}
    rates = [one.effects["rate"] for one in results.values()]
    told = {
        name: tables.result_table(name, _tested(results), labels=labels, significance=significance)
        for name in tables.RESULT_TABLES
    }
    sizes = tables.sizes_table(rates, labels=labels, regions=regions)
    corrected = {"correction-table": revised} if revised else {}
    return Group({"sizes-table": sizes, **told, **corrected})


def revision(
    replaced: Mapping[str, Any] | None,
    asked: Request,
    cleared: Cleared,
    *,
    words: Words,
    rules: Rules,
) -> Table | None:
    """Return what a correction changed in the headline; None where no result is replaced.

    Parameters
    ----------
    replaced : mapping or None
        From ``history.replaced``.
    asked : Request
    cleared : Cleared
        The headline.
    words : Words
    rules : Rules
    """
    if not replaced or not replaced["measures"] or not asked.correction:
        return None
    revised = disclosure.clear_revision(replaced["measures"], cleared, rules)
    concluded = {
        name: (replaced["measures"][name]["conclusion"], cleared.effects[name].conclusion)
        for name in disclosure.HEADLINES
        if name in replaced["measures"] and name in cleared.effects
    }
    return scope.correction_table(revised, concluded, words=words, least=rules.cell)


def _tested(results: Mapping[str, Cleared]) -> list[Effect]:
    """The tests made: the eleven measures of every analysis, without the versions for everyone."""
    effects = (effect for one in results.values() for effect in one.effects.values())
    return [effect for effect in effects if effect.measure in MEASURES]


def tests(
    results: Mapping[str, Cleared],
    analysed: Sequence[Analysed],
    *,
    needed: Mapping[str, Needed],
    earlier: Sequence[Mapping[str, Any]],
    described: pd.DataFrame,
    words: Words,
    significance: float,
    power: float,
) -> Group | None:
    """Return what was tested, what was significant, and how many people would settle the rest.

    Parameters
    ----------
    results, analysed
        As in `measures`.
    needed : mapping of str to Needed
        Of the headline, by measure.
    earlier : sequence of mapping
        From ``history.looks``.
    described : DataFrame
        From ``disclosure.clear_participation``.
    words : Words
    significance, power : float
    """
    told: dict[str, Any] = {
        "labels": {one.wanted.id: one.wanted.label for one in analysed},
        "significance": significance,
    }
    every = [effect for one in results.values() for effect in one.effects.values()]
    tested, headline = _tested(results), results["headline"].effects
    new = results.get("new-people")
    return _group(
        analyses_list=scope.analyses_list(
            [one.wanted for one in analysed], results, matched_on=MATCHED_ON
        ),
        attempts_table=groups.attempts_table(attempts(analysed)),
        significant_results=findings.significant_results(every, **told),
        multiplicity_statement=findings.multiplicity_statement(tested, significance=significance),
        multiplicity_table=scope.multiplicity_table(tested, **told),
        everyone_table=checks.everyone_table(every, **told),
        participation_table=scope.participation_table(described, words=words),
        look_statement=scope.look_statement(
            earlier, new=new.effects["rate"] if new else None, pooled=headline["rate"], words=words
        ),
        numbers_needed=findings.numbers_needed(headline, words=words, needed=needed, power=power),
    )


def by_links(tried: Sequence[Choice], *, significance: float) -> Group | None:
    """Return whether the result depends on the links; see ``sensitivity.by_linkage``."""
    return _group(
        linkage_sensitivity=people.linkage_sensitivity(tried),
        linkage_sensitivity_table=people.linkage_sensitivity_table(
            tried, significance=significance
        ),
    )


BEFORE = "Outcome before the index date, which nothing later can change"
REFUSED = "People who were referred and did not take part (no effect expected)"


def by_method(
    tried: Sequence[Choice],
    past: Effect | None,
    refused: Effect | None,
    bounds: Bounds | None,
    *,
    significance: float,
) -> Group | None:
    """Return whether the result depends on the method; None without a result.

    Parameters
    ----------
    tried : sequence of Choice
        See ``sensitivity.by_method``.
    past, refused : Effect or None
        The negative controls, cleared.
    bounds : Bounds or None
        Of the 1:1 match.
    significance : float
    """
    controls = {BEFORE: past, REFUSED: refused}
    if tried[0].conclusion == "suppressed":
        return None
    return _group(
        sensitivity_statement=checks.sensitivity_statement(tried, controls=controls),
        sensitivity_table=checks.sensitivity_table(
            tried, controls=controls, significance=significance
        ),
        bounds_table=bounds and checks.bounds_table(bounds),
    )


def record(
    asked: Request,
    analysed: Iterable[Analysed],
    results: Mapping[str, Cleared],
    *,
    survived: Survival,
    tried: Sequence[Choice],
    funnel: pd.DataFrame,
    vintage: Vintage,
    release: Release,
    plan_hash: str,
    decided: Sequence[Decision] = (),
) -> figures.Result:
    """Return the result as data, every analysis with what may be told of it.

    Parameters
    ----------
    asked : Request
    analysed : iterable of Analysed
        The headline first.
    results : mapping of str to Cleared
        By id.
    survived : Survival
        The headline's, cleared.
    tried : sequence of Choice
        The headline by other choices.
    funnel : DataFrame
        Cleared.
    vintage : Vintage
    release : Release
    plan_hash : str
    decided : sequence of Decision
        What is public of the decisions of disclosure control.
    """
    entries = [
        figures.analysis(
            one.wanted.id,
            one.wanted.label,
            one.matched,
            _verdict(one.matched),
            results[one.wanted.id].effects,
            adjusted=results[one.wanted.id].adjusted,
            survival=survived if place == 0 else None,
            sensitivity=tried if place == 0 else (),
        )
        for place, one in enumerate(analysed)
        if one.matched is not None
    ]
    return figures.reported(
        asked.public, funnel=funnel, analyses=entries, vintage=vintage, release=release,
        plan=plan_hash, decisions=tables.decisions_table(decided),
    )  # fmt: skip


def _verdict(matched: Matched) -> Any:
    """Return the verdict on the specification that was kept."""
    name = matched.specification.name
    return next(tried.verdict for tried in matched.attempts if tried.specification == name)
