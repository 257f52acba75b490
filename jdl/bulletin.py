"""The bulletin's sentences: what the service has received, published and found to date.

Made from the counts of the log, the log itself and the results of finished reports, in the words in
which the service has told them since 2013.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from jdl.figures import Figure, Part, Sentence, Sentences
from jdl.pooled import Pooled, Synthesis
from jdl.wording import (
    bound,
    capital,
    counted,
    dated,
    is_missing,
    limited,
    listed,
    number,
    plural,
    proper,
    quoted,
    slug,
    spelled,
)

CONCLUSIONS = ("reduction", "inconclusive", "increase")
_ABOUT = ("id", "organisation", "programme", "sector", "intervention_type", "release")
_RATE = ("treatment_n", "difference", "ci_low", "ci_high")
COLUMNS = (*_ABOUT, *_RATE, "rate_result", "frequency_result")
_COMPLETE = ("published", "ready")
REVISED = "[r]"
"""The mark of what replaces something published before."""

SPELLED = 12
"""The largest count that is written in words where it begins a sentence."""


def completed(log: pd.DataFrame, results: pd.DataFrame) -> pd.DataFrame:
    """Lay out every completed request with its headline result.

    Parameters
    ----------
    log : DataFrame
        From ``request.status_at``.
    results : DataFrame
        Every result to date, a row a request and measure, as ``history.csv`` holds them: columns
        id, measure, conclusion, treatment_n, difference, ci_low and ci_high.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, a row a request published or ready, most recent release first and within
        it by id. Differences and limits are proportions, treatment minus comparison; a request
        counts once, by its headline rate. What is not known is missing; a result that could not be
        shown is ``suppressed``.
    """
    done = log.loc[log["status_then"].isin(_COMPLETE), list(_ABOUT)]
    rate, frequency = (_of_measure(results, name) for name in ("rate", "frequency"))
    numbers = rate[["id", *_RATE, "conclusion"]].rename(columns={"conclusion": "rate_result"})
    results_of_frequency = frequency[["id", "conclusion"]].rename(
        columns={"conclusion": "frequency_result"}
    )
    table = done.merge(numbers, on="id", how="left", validate="1:1").merge(
        results_of_frequency, on="id", how="left", validate="1:1"
    )
    return (
        table.sort_values("id", kind="stable")
        .sort_values("release", ascending=False, kind="stable")
        .reset_index(drop=True)[list(COLUMNS)]
    )


def _of_measure(results: pd.DataFrame, measure: str) -> pd.DataFrame:
    return results.loc[results["measure"] == measure]


def _is_reported(result: Mapping[str, Any]) -> bool:
    return bool(result["status"] == "reported")


def headline(result: Mapping[str, Any], measure: str) -> Mapping[str, Any]:
    """Return one measure of a result's headline analysis."""
    analyses = result["analyses"]
    main = next((entry for entry in analyses if entry.get("headline")), analyses[0])
    return next(entry for entry in main["measures"] if entry["measure"] == measure)


# --- Main findings -------------------------------------------------------------------------------


def main_findings(counts: Mapping[str, int]) -> Sentences:
    """Return the month's reconciliation in words.

    Parameters
    ----------
    counts : mapping of str to int
        received, published (before this release), ready, not_processed, withdrawn, remaining.

    Returns
    -------
    Sentences
        What is complete; what could not be processed or was withdrawn, and what remains.

    Raises
    ------
    ValueError
        If the counts do not add up to what was received.
    """
    parts = ("published", "ready", "not_processed", "withdrawn", "remaining")
    if counts["received"] != sum(counts[name] for name in parts):
        raise ValueError("received = published + ready + not processed + withdrawn + remaining")
    return Sentences(
        (
            Sentence.of(*_received(counts), *_ready(counts)),
            Sentence.of(*_not_processed(counts), *_withdrawn(counts), _remaining(counts)),
        )
    )


def count_of(counts: Mapping[str, int], name: str) -> Figure:
    """Return one count of the reconciliation."""
    unit = "reports" if name in {"published", "ready", "complete"} else "requests"
    value = counts["published"] + counts["ready"] if name == "complete" else counts[name]
    return counted(f"bulletin.{name}", value, unit)


def _in_words(counts: Mapping[str, int], name: str) -> Figure:
    """Return a count that running text spells out when it is one."""
    told = count_of(counts, name)
    if told.value != 1:
        return told
    return Figure(f"{told.id}.words", told.value, told.unit, "one")


def _received(counts: Mapping[str, int]) -> tuple[Part, ...]:
    received, published = count_of(counts, "received"), count_of(counts, "published")
    lead = ("To date, the Justice Data Lab has received ", received)
    requests = f" {plural(received, 'request', 'requests')} for re-offending information"
    if not counts["published"]:
        return (*lead, f"{requests}. ")
    told = plural(published, "report which has", "reports which have")
    return (*lead, f"{requests}, including ", published, f" {told} already been published. ")


def _ready(counts: Mapping[str, int]) -> tuple[Part, ...]:
    complete, ready = count_of(counts, "complete"), _in_words(counts, "ready")
    if not counts["ready"]:
        return (
            "None is newly complete this month, and the total of completed reports is ",
            complete,
            ".",
        )
    return (
        "A further " if counts["published"] else "Of these, ",
        ready,
        f" {plural(ready, 'is', 'are')} now complete and ready for publication, bringing the total "
        "of completed reports to ",
        complete,
        ".",
    )


def _not_processed(counts: Mapping[str, int]) -> tuple[Part, ...]:
    failed = _in_words(counts, "not_processed")
    if not counts["not_processed"]:
        failed = Figure(f"{failed.id}.words", 0, failed.unit, "no")
    verb, noun = plural(failed, "has", "have"), plural(failed, "request", "requests")
    return (
        f"To date, there {verb} been ",
        failed,
        f" {noun} that could not be processed as the minimum criteria for analyses through the "
        "Data Lab had not been met",
    )


def _withdrawn(counts: Mapping[str, int]) -> tuple[Part, ...]:
    withdrawn = _in_words(counts, "withdrawn")
    if not counts["withdrawn"]:
        return (". ",)
    further = "further " if counts["not_processed"] else ""
    told = plural(
        withdrawn,
        "request that was withdrawn by the submitting organisation",
        "requests that were withdrawn by the submitting organisations",
    )
    return (", and ", withdrawn, f" {further}{told}. ")


def _remaining(counts: Mapping[str, int]) -> str:
    if not counts["remaining"]:
        return "No request remains to be published."
    if counts["remaining"] == 1:
        return (
            "The remaining request will be published in a future monthly release of these "
            "statistics."
        )
    return (
        "The remaining requests will be published in future monthly releases of these statistics."
    )


# --- This month ----------------------------------------------------------------------------------


def this_month_lead(results: Sequence[Mapping[str, Any]]) -> Sentence:
    """Return the words that stand above `this_month`.

    Parameters
    ----------
    results : sequence of mapping
        Of this release only.
    """
    reports = sum(_is_reported(result) for result in results)
    if not reports:
        return Sentence.of("No report is being published this month.")
    again = any(result["request"].get("correction") for result in results)
    name = "bulletin.reports" if again else "bulletin.ready"
    ready, corrected = counted(name, reports, "reports"), ", corrected ones included" * again
    if reports == 1:
        return Sentence.of(
            "Of the ",
            Figure(f"{name}.words", 1, "reports", "one"),
            f" report being published this month{corrected}:",
        )
    return Sentence.of("Of the ", ready, f" reports being published this month{corrected}:")


def this_month(results: Sequence[Mapping[str, Any]], log: pd.DataFrame) -> Sentences:
    """Return what each of the month's reports is about and shows.

    Parameters
    ----------
    results : sequence of mapping
        Contents of ``result.json``, of this release only; those not reported are left out.
    log : DataFrame
        From ``request.status_at``, for the requests that a re-analysis includes.

    Returns
    -------
    Sentences
        In order of id; empty where there is none, which `this_month_lead` then says.
    """
    told = sorted(filter(_is_told, results), key=lambda result: result["request"]["id"])
    return Sentences(
        tuple(
            _one_report(result, log) if _is_reported(result) else _taken_back(result)
            for result in told
        )
    )


def _is_told(result: Mapping[str, Any]) -> bool:
    """Whether a result is a report, or the notice that took a report's place."""
    replaced = result.get("replaced")
    return _is_reported(result) or bool(replaced and _is_reported(replaced))


def _taken_back(result: Mapping[str, Any]) -> Sentence:
    """Tell of a report that a correction left without a result."""
    request = result["request"]
    return Sentence.of(
        f"A correction {REVISED} takes back the report on ",
        *quoted(f"bulletin.{slug(request['id'])}.about", _about(request)),
        ", which was published in ",
        *_of_correction(request),
        "No result of it stands any longer.",
    )


def _one_report(result: Mapping[str, Any], log: pd.DataFrame) -> Sentence:
    request = result["request"]
    mark = f" {REVISED}" if request.get("correction") else ""
    return Sentence.of(
        f"One report{mark} looks at the effectiveness of ",
        *quoted(f"bulletin.{slug(request['id'])}.about", _about(request)),
        ". ",
        *_includes(request, log),
        *_corrects(request, result.get("replaced")),
        *_shows(result),
    )


def _about(request: Mapping[str, Any]) -> str:
    about = str(request["programme"])
    if request["organisation"] != request["programme"]:
        return f"{about} run by {request['organisation']}"
    return about


def _corrects(request: Mapping[str, Any], replaced: Mapping[str, Any] | None) -> tuple[Part, ...]:
    """Tell what a corrected report replaces, what changed, and what was found then."""
    if not request.get("correction"):
        return ()
    of, *why = _of_correction(request)
    if replaced and not _is_reported(replaced):
        lead = "It corrects the notice published in "
        return (lead, of, ", that the request could not be processed", *why)
    lead = "It corrects the report published in "
    return (lead, of, " and replaces it", *why, *_found_then(request, replaced))


def _of_correction(request: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the month that is corrected, and what changed."""
    correction = request["correction"]
    base = f"bulletin.{slug(request['id'])}.correction"
    of = Figure(f"{base}.of", correction["of"], "month", _months([correction["of"]]))
    why = quoted(f"{base}.reason", f"{' '.join(correction['reason'].split()).rstrip('.')}. ")
    return (of, ". What changed: ", *why)


def _found_then(request: Mapping[str, Any], replaced: Mapping[str, Any] | None) -> tuple[Part, ...]:
    """Tell the rate that was published, with its interval where that was told."""
    rate = replaced and replaced["measures"].get("rate")
    if not rate:
        return ()
    if rate["conclusion"] == "suppressed":
        return ("No result was shown then. ",)
    words = {"inconclusive": "inconclusive"}.get(
        rate["conclusion"], f"a statistically significant {rate['conclusion']}"
    )
    lead = f"The result for the one-year proven re-offending rate was then {words}"
    if is_missing(rate["ci_low"]) or is_missing(rate["ci_high"]):
        return (f"{lead}. ",)
    base = f"bulletin.{slug(request['id'])}.correction.rate"
    low, high = (
        limited(f"{base}.{name}", rate[name], "percentage points", 0, 100)
        for name in ("ci_low", "ci_high")
    )
    return (f"{lead} (a difference of ", low, " to ", high, " percentage points). ")


def _includes(request: Mapping[str, Any], log: pd.DataFrame) -> tuple[Part, ...]:
    earlier = log.loc[log["id"].isin(list(request.get("extends") or ()))]
    months = sorted({release for release in earlier["release"] if not is_missing(release)})
    if not len(earlier):
        return ()
    base = f"bulletin.{slug(request['id'])}.includes"
    many = spelled(f"{base}.requests", len(earlier), "requests")
    subject: tuple[Part, ...] = (
        *(() if len(earlier) == 1 else (many, " ")),
        "previous ",
        *quoted(f"{base}.organisation", request["organisation"]),
        f" {plural(many, 'request', 'requests')} ",
    )
    if not months:
        return ("This analysis includes offenders from the ", *subject, "received before. ")
    when = Figure(f"{base}.published", ", ".join(months), "months", _months(months))
    return ("This analysis includes offenders from the ", *subject, "published in ", when, ". ")


def _months(names: Sequence[str]) -> str:
    """Return ``October and November 2013`` for the releases 2013-10 and 2013-11."""
    days = [dt.date.fromisoformat(f"{name}-01") for name in names]
    years = sorted({day.year for day in days})
    told = [f"{listed([f'{day:%B}' for day in days if day.year == year])} {year}" for year in years]
    return listed(told)


def _shows(result: Mapping[str, Any]) -> tuple[Part, ...]:
    rate, frequency = headline(result, "rate"), headline(result, "frequency")
    if rate["conclusion"] == "suppressed":
        return ("No result of this analysis can be shown.",)
    if rate["conclusion"] == "inconclusive":
        return (_without_the_rate(frequency),)
    amount, side = {"reduction": ("less", "lower"), "increase": ("more", "higher")}[
        rate["conclusion"]
    ]
    return (
        f"This analysis shows that those who took part re-offended {amount} than the comparison "
        f"group: the one-year proven re-offending rate was {side} by ",
        *_points(result, rate),
        _against(rate, frequency),
    )


def _points(result: Mapping[str, Any], rate: Mapping[str, Any]) -> tuple[Part, ...]:
    base = f"bulletin.{slug(result['request']['id'])}.rate"
    near, far = sorted((rate["ci_low"], rate["ci_high"]), key=abs)
    if (near < 0) != (rate["conclusion"] == "reduction"):
        raise ValueError(f"{base}: the conclusion contradicts the interval")
    least, most = (
        Figure(f"{base}.{name}", abs(value) * 100, "percentage points", bound(abs(value), 0, 100))
        for name, value in (("least", near), ("most", far))
    )
    end = " percentage points, a statistically significant result."
    return ("between ", least, " and ", most, end)


def _against(rate: Mapping[str, Any], frequency: Mapping[str, Any]) -> str:
    """Tell a significant frequency that points the other way than the rate."""
    amount = {"reduction": "fewer", "increase": "more"}.get(frequency["conclusion"])
    if amount is None or frequency["conclusion"] == rate["conclusion"]:
        return ""
    return (
        f" However, they committed {amount} proven re-offences per person, also a statistically "
        "significant result."
    )


def _without_the_rate(frequency: Mapping[str, Any]) -> str:
    amount = {"reduction": "fewer", "increase": "more"}.get(frequency["conclusion"])
    if amount is None:
        return (
            "This analysis shows that the impact of this intervention on re-offending is currently "
            "inconclusive."
        )
    return (
        f"This analysis shows that those who took part committed {amount} proven re-offences per "
        "person than the comparison group, a statistically significant result. The impact of this "
        "intervention on the one-year proven re-offending rate is currently inconclusive."
    )


# --- To date -------------------------------------------------------------------------------------


def outcomes_to_date(every: pd.DataFrame, *, significance: float = 0.05) -> Sentences:
    """Return how many analyses came to each conclusion, beside what chance alone would give.

    Parameters
    ----------
    every : DataFrame
        From `completed`.
    significance : float
        Of each test.
    """
    rate, frequency = every["rate_result"], every["frequency_result"]
    many = {name: int((rate == name).sum()) for name in CONCLUSIONS}
    total = sum(many.values())
    if not total:
        return Sentences((Sentence.of("No analysis has yet given a result."),))
    also = int(((rate == "inconclusive") & (frequency == "reduction")).sum())
    unknown = len(every) - total
    items = [
        _first(many["reduction"], total, unknown),
        _inconclusive(many["inconclusive"]),
        *([_fewer(also, many["inconclusive"])] if many["inconclusive"] else []),
        _increase(many["increase"]),
        _by_chance(total, significance),
    ]
    if unknown:
        items.append(_unknown(unknown))
    return Sentences(tuple(items))


def outcome(name: str, value: int) -> Figure:
    """Return a count of analyses by conclusion."""
    return counted(f"bulletin.outcomes.{name}", value, "analyses")


def _analyses(value: Figure) -> str:
    return plural(value, "analysis", "analyses")


def _opening(name: str, value: int) -> Figure:
    """Return a count that begins a sentence: in words, and with a capital."""
    words = spelled(f"bulletin.outcomes.{name}.opening", value, "analyses")
    return replace(words, text=capital(words.text))


def _first(reductions: int, total: int, unknown: int) -> Sentence:
    every, found = outcome("total", total), outcome("reduction", reductions)
    result = plural(
        found, "a statistically significant reduction", "statistically significant reductions"
    )
    return Sentence.of(
        "Of the ",
        every,
        f" {_analyses(every)} {'counted here' if unknown else 'completed so far'}, ",
        found,
        f" {_analyses(found)} indicated {result} in re-offending on the one-year proven "
        "re-offending rate.",
    )


def _inconclusive(value: int) -> Sentence:
    if not value:
        return Sentence.of("No analysis was inconclusive on the one-year proven re-offending rate.")
    told = outcome("inconclusive", value)
    return Sentence.of(
        "In ",
        told,
        f" {_analyses(told)} there was insufficient evidence to draw a conclusion about the effect "
        "on the one-year proven re-offending rate.",
    )


def _fewer(value: int, of: int) -> Sentence:
    told = spelled("bulletin.outcomes.inconclusive.frequency_reduction", value, "analyses")
    shows = plural(
        told,
        "shows a statistically significant reduction",
        "show statistically significant reductions",
    )
    if of == 1:
        lead: tuple[Part, ...] = ("That analysis ",) if value else ("That analysis does not ",)
        shows = shows if value else "show a statistically significant reduction"
        return Sentence.of(*lead, f"{shows} in the frequency of re-offending.")
    return Sentence.of(
        "Of these ",
        outcome("inconclusive", of),
        ", ",
        told,
        f" {_analyses(told)} {shows} in the frequency of re-offending.",
    )


def _increase(value: int) -> Sentence:
    on = "in re-offending on the one-year proven re-offending rate."
    if not value:
        return Sentence.of(f"No analysis indicated a statistically significant increase {on}")
    if value > SPELLED:
        told = outcome("increase", value)
        lead = f" analyses there were statistically significant increases {on}"
        return Sentence.of("In ", told, lead)
    told = _opening("increase", value)
    found = "a statistically significant increase"
    if value > 1:
        found = "statistically significant increases"
    return Sentence.of(told, f" {'analyses' if value > 1 else 'analysis'} indicated {found} {on}")


def _by_chance(total: int, significance: float) -> Sentence:
    expected = total * significance / 2
    text = "fewer than one" if expected < 1 else f"about {number(expected)}"
    every = outcome("total", total)
    return Sentence.of(
        "If no programme had any effect, ",
        Figure("bulletin.outcomes.by_chance", expected, "analyses", text),
        " of ",
        every,
        f" {_analyses(every)} would be expected to give a significant result in each direction by "
        "chance alone.",
    )


def _unknown(value: int) -> Sentence:
    lead: tuple[Part, ...] = ("Another ", outcome("unknown", value), " analyses")
    if value <= SPELLED:
        noun = "analysis" if value == 1 else "analyses"
        lead = (_opening("unknown", value), f" further {noun}")
    why = "are not counted here: their results are in earlier releases that were not at hand"
    if value == 1:
        why = "is not counted here: its result is in an earlier release that was not at hand"
    return Sentence.of(*lead, f" {why}, or could not be shown.")


# --- The pooled view -----------------------------------------------------------------------------


def pooled_findings(types: Sequence[Pooled], *, significance: float = 0.05) -> Sentences:
    """Return what the results of each type of intervention say together.

    Parameters
    ----------
    types : sequence of Pooled
        From ``pooled.by_type``.
    significance : float
        One minus the level of the intervals.

    Returns
    -------
    Sentences
        Which results are put together and which are not; in how many types the direction is clear,
        beside what chance alone would give; and the average of each of those.
    """
    together = [each for each in types if each.synthesis]
    used = _put_together(types)
    if not together:
        return Sentences((used, Sentence.of("No type has enough results to be put together.")))
    clear = [(each, each.synthesis) for each in together if each.synthesis and each.is_clear]
    lead = _clear_directions(len(clear), len(together), significance)
    return Sentences((used, lead, *(_average(each, told) for each, told in clear)))


def _put_together(types: Sequence[Pooled]) -> Sentence:
    used = sum(each.studies for each in types if each.synthesis)
    why = {
        "few": "of a type with too few independent results",
        "superseded": "counted within a later analysis of the same people",
        "left_out": "without a published confidence interval",
    }
    many = {
        "few": sum(each.studies for each in types if not each.synthesis),
        "superseded": sum(each.superseded for each in types),
        "left_out": sum(each.left_out for each in types),
    }
    every = counted("pooled.every", used + sum(many.values()), "analyses")
    told = spelled("pooled.used", used, "analyses", none="none")
    parts: list[Part] = ["Of the ", every, f" {_analyses(every)} completed, ", told]
    parts.append(f" {_verb(used)} put together here.")
    left = [name for name, value in many.items() if value]
    for place, name in enumerate(left):
        lead = " Not put together: " if not place else " and " if name == left[-1] else ", "
        parts += [lead, spelled(f"pooled.{name}", many[name], "analyses"), f" {why[name]}"]
    return Sentence.of(*parts, *(["."] if left else []))


def _verb(value: int) -> str:
    return "is" if value == 1 else "are"


def _clear_directions(clear: int, together: int, significance: float) -> Sentence:
    every = spelled("pooled.types", together, "types")
    told = spelled("pooled.clear", clear, "types", none="none")
    subject: tuple[Part, ...] = ("clear for ", told, " of the ", every, " types")
    if together == 1:
        subject = (f"{'' if clear else 'not '}clear for the ", every, " type")
    expected = together * significance
    chance = "fewer than one" if expected < 1 else f"about {number(expected)}"
    return Sentence.of(
        "The direction of the average difference is ",
        *subject,
        " put together. If programmes had no effect on average in any type, ",
        Figure("pooled.by_chance", expected, "types", chance),
        " would be expected to look clear by chance alone.",
    )


def _average(each: Pooled, told: Synthesis) -> Sentence:
    base = f"pooled.{slug(each.type)}"
    near, far = sorted((told.ci_low, told.ci_high), key=abs)
    least, most = (
        Figure(f"{base}.{name}", abs(value) * 100, "percentage points", bound(abs(value), 0, 100))
        for name, value in (("least", near), ("most", far))
    )
    amount, side = ("less", "lower") if far < 0 else ("more", "higher")
    return Sentence.of(
        f"{capital(proper(each.type))}: on average over the ",
        spelled(f"{base}.results", each.studies, "results"),
        f" results, those who took part re-offended {amount} than the comparison groups. The "
        f"average one-year proven re-offending rate was {side} by between ",
        least,
        " and ",
        most,
        " percentage points.",
    )


def service_update(
    text: str | None, *, last_index_date: dt.date | str, synthetic: bool
) -> Sentences:
    """Return the news of the service.

    Parameters
    ----------
    text : str or None
        The release's own words; a line each.
    last_index_date : date or ISO date
        The last day on which a one-year follow-up can begin.
    synthetic : bool
        Whether the national data are made up.
    """
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    items = [
        Sentence.of(*quoted(f"release.service_update.{place}", line))
        for place, line in enumerate(lines, start=1)
    ]
    items.append(
        Sentence.of(
            "The national data cover people who left custody or began a court order up to ",
            dated("vintage.last_index_date", last_index_date),
            ".",
        )
    )
    if synthetic:
        items.append(
            Sentence.of("The national data are synthetic: nobody in them is a real person.")
        )
    return Sentences(tuple(items))
