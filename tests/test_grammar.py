"""The grammar of every sentence: whatever the result, no sentence says what it must not.

Each public maker of sentences is tried with made-up results, at extremes too; one that is missing
here fails.
"""

import datetime as dt
import inspect
import math
import re
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_findings import (
    HEADLINE,
    LOG,
    any_effect,
    any_words,
    effect,
    effects_by_measure,
    result,
    sentences_of,
    suppressed,
    untested,
    version,
    words_outside_figures,
)
from test_groups import seconds
from test_people import Checked

from jdl import bulletin, checks, findings, groups, people, scope, summary, tables
from jdl.balance import Verdict
from jdl.companion import Adjusted
from jdl.covariates import LABELS
from jdl.disclosure import NOT_BALANCED, RULES, WITHHELD, Bounds, Drawn, Told
from jdl.effects import EVERYONE, MEASURES
from jdl.figures import Figure
from jdl.matching import Attempt
from jdl.outcomes import Delays
from jdl.people import REVIEWED
from jdl.pooled import Pooled
from jdl.power import Needed
from jdl.request import Correction
from jdl.sensitivity import Choice
from jdl.survival import Survival
from jdl.unmeasured import EValue
from jdl.wording import ALLOWED_DIGITS, direction, is_reported

MODULES = (findings, summary, people, checks, groups, scope, bulletin)
COUNTS = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred)\b", re.I
)
NOT_COUNTED = (
    *("two groups", "two reviewers", "the two", "nine in ten"),
    "case-by-case",
)
"""Fixed words that count nothing: the two groups, a quantile, two who decide apart."""
CERTAIN = re.compile(
    r"\b(caused|causes|because of|due to|thanks to|proves?|proved|proven to|works|worked(?! out)|"
    r"experienced|result(s|ed) in|reduced|reduces|prevented|prevents|succeeded|succeeds|cuts|"
    r"effective in|responsible for|led to(?! custody| a conviction)|is similar to|"
    r"ha[sd] no effect(?! on average))\b",
    re.I,
)
CLAIMS = re.compile(
    r"re-?offended (less|more) than|[a-z] is a statistically significant|(?<!not a )lower by|"
    r"\bfewer (?!than \d)|higher by",
    re.I,
)

# --- Made-up results ------------------------------------------------------------------------------

programmes = st.sampled_from(["Harbour Mentoring", "Route 66 Plus", "Family Matters (all years)"])
many = st.integers(1, 20_000) | st.sampled_from([1, 2, 12, 13])
shares = st.floats(0, 1) | st.sampled_from([0.0, 1.0, 1e-9, 0.004, 0.005, 0.5])
days = st.floats(0, 365) | st.sampled_from([0.0, 0.4, 1.0, 365.0])
probabilities = st.floats(0, 1) | st.sampled_from([0.0, 0.0499, 0.05, 0.0501, 1.0])


def exactly(numbers):
    return st.builds(lambda n: Bounds(n, n), numbers)


tens = st.integers(1, 400).map(lambda n: 10 * n)
FEW = Bounds(0, RULES.cell - 1)
about = st.sampled_from([FEW, Bounds(860, 880)]) | exactly(tens)
chosen = {"words": any_words, "programme": programmes}


@st.composite
def analysed(draw):
    """Effects of several analyses on every measure, with the versions for everyone."""
    told = []
    for name in draw(st.sampled_from([["headline"], ["headline", "men"], ["men"]])):
        for measure in draw(st.lists(st.sampled_from(sorted(MEASURES)), unique=True, max_size=5)):
            told.append(replace(draw(one_effect(measure)), analysis=name))
            if measure in EVERYONE and draw(st.booleans()):
                other = version(measure, *draw(st.sampled_from([(-0.1, -0.01), (-1.0, 1.0)])))
                told.append(replace(other, analysis=name))
    return told


def one_effect(measure):
    limits = {"rate": 1.0, "frequency": 30.0, "days": 365.0}[MEASURES[measure].kind]
    pairs = st.tuples(st.floats(-limits, limits), st.floats(-limits, limits)).map(sorted)
    spans = pairs.filter(lambda pair: pair[0] < pair[1]) | st.sampled_from([(-0.01, -1e-9)])
    made = spans.map(lambda pair: effect(measure, *pair))
    return made | st.just(suppressed(measure)) | st.just(untested(measure))


@st.composite
def adjusted(draw, measure):
    if draw(st.booleans()):
        reason = draw(st.sampled_from([None, WITHHELD, "Fewer than 30 people reoffended."]))
        return Adjusted("headline", measure, "logistic", reason=reason)
    low, high = draw(st.sampled_from([(-0.1, -0.004), (-0.1, 0.1), (0.001, 0.6), (-1e-9, 1e-9)]))
    side = "reduction" if high < 0 else "increase" if low > 0 else "inconclusive"
    model = draw(st.sampled_from(["logistic", checks.BALANCED]))
    more = {"ci_low": low, "ci_high": high, "p_value": 0.3, "conclusion": side}
    return Adjusted("headline", measure, model, (low + high) / 2, **more)


conclusions = st.sampled_from(["reduction", "inconclusive", "increase", "suppressed"])
labels = st.sampled_from(["A probability of 0.8", "Only sure links", "Caliper 0.2", "With OASys"])
choices = st.lists(st.builds(Choice, labels, conclusion=conclusions), min_size=1, max_size=14)
controls = st.dictionaries(
    st.sampled_from(["reoffences in the 2 years before", "age"]),
    st.none() | any_effect("rate"),
    max_size=2,
)


def survival(mean, low, high, p, reason):
    if reason:
        return Survival("headline", (), (), (), reason=reason)
    told = {"ci_low": low, "ci_high": high, "p_value": p, "notes": ("Whoever died counts.",)}
    at = {"liberty_treatment": mean, "liberty_comparison": None if low is None else mean}
    return Survival("headline", (), (), (), mean, mean, 0.0, **told, **at)


@st.composite
def verdicts(draw):
    counts = draw(st.tuples(*[st.integers(0, 15)] * 3))
    worst = draw(st.none() | shares)
    outside = draw(st.integers(0, 3))
    accepted = draw(st.booleans())
    return Verdict(accepted, "age", worst, *counts, ratios=outside + 2, ratios_outside=outside)


def matched(made, kept):
    attempts = tuple(
        Attempt(name, Verdict(yes, "age", 0.1, 1, 1, 0), (), 0)
        for name, yes in zip(("caliper 0.2", "caliper 0.1", "balancing"), made, strict=False)
    )
    alike = [one.specification for one in attempts if one.verdict.accepted]
    name = alike[kept % len(alike)] if alike else None
    specification = SimpleNamespace(name=name)
    return SimpleNamespace(attempts=attempts, accepted=bool(alike), specification=specification)


def framed(columns, rows):
    return st.lists(rows, max_size=4, unique_by=lambda row: row[:2]).map(
        lambda made: pd.DataFrame(made, columns=columns).astype(dict.fromkeys(columns[2:], float))
    )


missing = st.just(math.nan)
kinds = st.sampled_from(
    [("sex", "male"), ("sex", "female"), ("age", "18 to 20"), ("age", "21 to 24")]
)
rates = framed(
    ["group", "level", "people", "share", "ci_low", "ci_high", "low", "high"],
    st.builds(
        lambda kind, people, told: (*kind, people, *told),
        kinds,
        st.integers(20, 500),
        st.one_of(
            st.builds(lambda at: (at, at, at, math.nan, math.nan), shares),
            st.just((*[math.nan] * 3, 0.3, 0.4)),
            st.just((math.nan,) * 5),
        ),
    ),
)
fates = framed(
    ["group", "level", "analysed", "lost", "not_found"],
    st.builds(lambda kind, *told: (*kind, *told), kinds, *[shares | missing] * 3),
)
gains = st.lists(
    st.builds(
        lambda field, rows, gain: (field, rows, *gain),
        st.sampled_from(["date of birth", "PNC id or prison number"]),
        st.integers(0, 300),
        st.sampled_from(
            [(math.nan, 10.0), (math.nan, math.nan), (5.0, math.nan), (25.0, math.nan)]
        ),
    ),
    min_size=1,
    max_size=3,
).map(lambda made: pd.DataFrame(made, columns=["field", "rows_lacking", "gain", "fewer"]))
delays = st.builds(
    Delays,
    st.none() | tens,
    st.none() | tens,
    st.none() | days,
    st.lists(st.tuples(st.integers(2005, 2011), shares), unique_by=lambda t: t[0]).map(tuple),
)
reviewed = st.builds(
    Checked,
    decided=st.none() | st.integers(0, 40),
    sampled=st.integers(0, 40),
    right=st.none() | st.integers(0, 40),
    precision=st.none() | shares,
    low=shares,
    high=shares,
    double_keyed=st.integers(0, 30),
    agreed=st.none() | st.integers(0, 30),
    kappa=st.none() | shares,
)
earlier = st.lists(
    st.fixed_dictionaries(
        {"programme": programmes, "rate_result": st.none() | conclusions},
        optional={
            "release": st.just("2013-10"),
            "treatment_n": many,
            "ci_low": st.just(-0.1),
            "ci_high": st.just(0.0001),
        },
    ),
    max_size=12,
)
counts = st.tuples(*[st.integers(0, 2) | st.integers(0, 90)] * 5).map(
    lambda parts: (
        dict(
            zip(
                ("published", "ready", "not_processed", "withdrawn", "remaining"),
                parts,
                strict=True,
            )
        )
        | {"received": sum(parts)}
    )
)
results = st.lists(
    st.builds(
        lambda id_, rate, frequency, earlier, correction: result(
            id_,
            rate=rate,
            frequency=frequency,
            programme="Route 66 Plus",
            extends=earlier,
            organisation="Project 21",
            correction=correction,
        ),
        st.sampled_from(["family", "footprints"]),
        any_effect("rate").filter(lambda e: e.ci_low is not None or not is_reported(e)),
        any_effect("frequency"),
        st.sampled_from([[], ["family-2012"], ["family-2012", "family-2013"]]),
        st.sampled_from([None, {"of": "2014-01", "reason": "12 people were\ncounted twice."}]),
    ),
    max_size=2,
    unique_by=lambda made: made["request"]["id"],
)
outcomes = st.lists(st.tuples(st.none() | conclusions, st.none() | conclusions), max_size=60).map(
    lambda rows: pd.DataFrame(rows, columns=["rate_result", "frequency_result"], dtype=object)
)
spans = st.sampled_from([(-0.1, -0.00001), (-0.1, 0.1), (0.002, 0.2)])
pooled = st.lists(
    st.builds(
        lambda type_, span, *numbers: Pooled(
            type_, *numbers, span and SimpleNamespace(ci_low=span[0], ci_high=span[1])
        ),
        st.sampled_from(["education", "mentoring", "arts"]),
        st.none() | spans,
        *[st.integers(0, 30)] * 3,
    ),
    max_size=3,
    unique_by=lambda one: one.type,
)
reasons = st.lists(
    st.sampled_from(
        [
            SimpleNamespace(code="too few", text="Only 41 people could be found; 60 are needed."),
            SimpleNamespace(code="withdrawn", text="It was withdrawn."),
        ]
    ),
    max_size=2,
)
needed = st.dictionaries(
    st.sampled_from(HEADLINE),
    st.builds(Needed, *[many.map(float) | st.just(math.inf)] * 3, st.just(0.1), st.none() | shares),
)

MADE = {
    findings.overall_result: st.builds(findings.overall_result, effects_by_measure(), **chosen),
    findings.headline_sentence: st.builds(
        findings.headline_sentence,
        any_effect("rate"),
        **chosen,
        submitted=many,
        index_from=st.just("2009-01-03"),
        index_to=st.just(dt.date(2011, 12, 31)),
    ),
    findings.estimates_lead: st.builds(findings.estimates_lead, any_words),
    findings.estimates: st.builds(findings.estimates, effects_by_measure(), words=any_words),
    findings.can_say: st.builds(findings.can_say, effects_by_measure(), **chosen),
    findings.cannot_say: st.builds(findings.cannot_say, effects_by_measure(), **chosen),
    findings.relative_claim: st.builds(
        findings.relative_claim, effects_by_measure(), words=any_words
    ),
    findings.significant_results: st.builds(
        findings.significant_results,
        analysed(),
        labels=st.just({"headline": "Headline, national", "men": "Course: 12 weeks"}),
    ),
    findings.multiplicity_statement: st.builds(findings.multiplicity_statement, analysed()),
    findings.numbers_needed: st.builds(
        findings.numbers_needed,
        effects_by_measure(),
        words=any_words,
        needed=st.none() | needed,
        power=st.sampled_from([0.8, 0.9]),
    ),
    findings.balance_statement: verdicts().map(
        lambda one: findings.balance_statement(
            one, pd.DataFrame(index=range(one.greens + one.ambers + one.reds))
        )
    ),
    findings.estimand_statement: st.builds(findings.estimand_statement, **chosen),
    findings.correction_statement: st.builds(
        findings.correction_statement,
        st.builds(
            Correction,
            st.just("2014-03"),
            st.sampled_from(["12 people were counted\ntwice.", "A table was wrong"]),
            st.dates(dt.date(2014, 1, 1), dt.date(2015, 1, 1)),
        ),
    ),
    checks.court_delays_statement: st.builds(
        checks.court_delays_statement, delays, words=any_words
    ),
    findings.plan_sentence: st.builds(findings.plan_sentence, st.just("ab12" * 16)),
    people.review_statement: st.builds(
        people.review_statement,
        st.fixed_dictionaries(
            {"review": st.none() | st.integers(0, 90), REVIEWED: st.none() | st.integers(0, 90)}
        ),
        expected=st.floats(0, 90),
        checks=reviewed,
    ),
    people.error_statement: st.builds(
        people.error_statement, st.floats(0, 90), st.none() | st.integers(0, 900)
    ),
    people.linkage_rates: st.builds(people.linkage_rates, rates),
    people.lost_statement: st.builds(people.lost_statement, fates),
    people.linkage_sensitivity: st.builds(people.linkage_sensitivity, choices),
    people.gains_statement: st.builds(people.gains_statement, gains),
    findings.outcome_notice: st.builds(
        findings.outcome_notice, reasons, organisation=st.just("Project 21")
    ),
    people.data_quality_note: st.builds(
        people.data_quality_note, st.lists(st.none(), max_size=14), rows=many
    ),
    summary.page: st.builds(
        summary.page,
        effects_by_measure(),
        adjusted=st.fixed_dictionaries({}, optional={name: adjusted(name) for name in HEADLINE}),
        **chosen,
        organisation=st.just("Project 21"),
        submitted=many,
    ),
    checks.adjusted_statement: st.builds(
        checks.adjusted_statement,
        effects_by_measure(),
        st.fixed_dictionaries({}, optional={name: adjusted(name) for name in HEADLINE}),
    ),
    checks.places_statement: st.builds(
        checks.places_statement,
        st.none() | st.integers(0, 90),
        kind=st.sampled_from(["prison", "region"]),
        words=any_words,
        beside=st.none() | st.just("Within the same prison"),
        clustered=st.booleans(),
    ),
    checks.survival_statement: st.builds(
        checks.survival_statement,
        st.builds(
            survival,
            days,
            st.none() | st.just(-0.3),
            st.just(0.4),
            probabilities,
            st.sampled_from([None, None, WITHHELD, "Fewer than 30 people reoffended."]),
        ),
        words=any_words,
    ),
    checks.unmeasured_statement: st.builds(
        checks.unmeasured_statement,
        st.none()
        | st.builds(
            EValue,
            st.just("headline"),
            st.just("rate"),
            st.just(3.0),
            st.floats(1, 9),
            st.none() | st.sampled_from(["ogrs", "ethnicity: black", "prior_custody: 3 to 5"]),
            st.none() | st.floats(1, 9),
        ),
        labels=st.just(LABELS),
    ),
    checks.sensitivity_statement: st.builds(
        checks.sensitivity_statement, choices, controls=st.none() | controls
    ),
    groups.pool_statement: st.builds(
        groups.pool_statement,
        st.builds(
            Drawn, many, many, about, about, st.none() | shares, about | st.just(Bounds(0, 0))
        ),
        words=any_words,
        repeated=st.booleans(),
    ),
    groups.gap_statement: st.builds(
        groups.gap_statement,
        st.builds(
            Told,
            st.booleans(),
            about | st.just(Bounds(0, 0)),
            about | st.just(Bounds(0, 0)),
            st.none() | shares,
            st.none() | days,
            st.none() | days,
            st.just(28),
        ),
        leads=st.booleans(),
        words=any_words,
    ),
    groups.attempts_statement: st.builds(
        groups.attempts_statement,
        st.builds(matched, st.lists(st.booleans(), min_size=1, max_size=3), st.integers(0, 2)),
    ),
    groups.unmatched_statement: st.builds(
        groups.unmatched_statement,
        st.lists(st.sampled_from(["region", "employed", "on_benefit"]), unique=True),
        needs=st.booleans(),
        labels=st.just(LABELS),
    ),
    groups.second_order_statement: st.builds(
        groups.second_order_statement,
        st.lists(st.floats(-0.3, 0.3), max_size=15).map(lambda smds: seconds(*smds)),
        verdicts(),
        labels=st.just(LABELS),
    ),
    scope.look_statement: st.builds(
        scope.look_statement,
        earlier,
        new=st.none() | any_effect("rate").map(lambda one: replace(one, analysis="new-people")),
        pooled=any_effect("rate"),
        words=any_words,
    ),
    bulletin.main_findings: st.builds(bulletin.main_findings, counts),
    bulletin.this_month_lead: st.builds(bulletin.this_month_lead, results),
    bulletin.this_month: st.builds(bulletin.this_month, results, st.just(LOG)),
    bulletin.outcomes_to_date: st.builds(bulletin.outcomes_to_date, outcomes),
    bulletin.pooled_findings: st.builds(bulletin.pooled_findings, pooled),
    bulletin.service_update: st.builds(
        bulletin.service_update,
        st.none() | st.just("From 2014 the records of 2011 are used.\nThe template has changed."),
        last_index_date=st.just("2011-12-31"),
        synthetic=st.booleans(),
    ),
}
NAMED = {f"{one.__module__.removeprefix('jdl.')}.{one.__name__}": one for one in MADE}
LEADS = {"findings.estimates_lead", "bulletin.this_month_lead"}
few = settings(
    deadline=None,
    derandomize=True,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def every_sentence(published):
    parts = published.values() if isinstance(published, dict) else (published,)
    return [sentence for one in parts for sentence in sentences_of(one)]


def test_every_maker_of_sentences_is_tried():
    makers = {
        f"{module.__name__.removeprefix('jdl.')}.{name}"
        for module in MODULES
        for name, one in inspect.getmembers(module, inspect.isfunction)
        if one.__module__ == module.__name__
        and not name.startswith("_")
        and "Sentence" in str(one.__annotations__["return"])
    }
    assert makers == set(NAMED)


# --- What no sentence may say ---------------------------------------------------------------------


def hold_grammar(sentence, *, lead=False):
    """A whole sentence, every number in it a figure, nothing certain, nothing doubled."""
    text, outside = sentence.text, words_outside_figures(sentence)
    plain = re.sub(r"\d[\d,.]*", "#", text)
    assert not re.search(r"\b([\w-]+) \1\b", plain, re.I), text
    assert not re.search(r"-0(\.0*)?(?![\d.])", text), text
    assert not re.search(r"\s\s|\s[.,;:)”]|[(“]\s|\n|[.,;:]{2}|\bnan\b|\binf\b", text), text
    assert text.endswith(":" if lead else (".", ".”")), text
    assert text[0].isupper() or text[0].isdigit() or text[0] in "[“", text
    for allowed in ALLOWED_DIGITS:
        outside = outside.replace(allowed, "")
    assert not re.search(r"\d", outside), text
    for fixed in NOT_COUNTED:
        outside = re.sub(fixed, "", outside, flags=re.I)
    assert not COUNTS.search(outside), text
    assert not CERTAIN.search(text), text
    assert not re.search(
        r"\b(one|1|less than 1) (\w+ )?(people|men|women|requests|reports)\b", text
    )


def hold_figures(sentences):
    """One name has one value and text, and a number printed is its value rounded."""
    seen = {}
    for figure in (figure for sentence in sentences for figure in sentence.figures()):
        assert seen.setdefault(figure.id, figure) == figure
        printed = figure.text.replace(",", "")
        if not isinstance(figure.value, str) and re.fullmatch(r"-?\d+(\.\d+)?", printed):
            slack = 0.5 * 10 ** -len(printed.partition(".")[2]) * (1 + 1e-9) + 1e-12
            assert abs(float(printed) - figure.value) <= slack, figure


@pytest.mark.parametrize("name", NAMED)
def test_every_sentence_holds_the_grammar(name):
    @few
    @given(MADE[NAMED[name]])
    def hold(published):
        said = every_sentence(published)
        for sentence in said:
            hold_grammar(sentence, lead=name in LEADS and not sentence.text.startswith("No "))
        hold_figures(said)

    hold()


# --- What a result lets nobody say ----------------------------------------------------------------


def of_effects(effects, words):
    """Every sentence on the headline effects, by the name of its maker."""
    told = {"words": words, "programme": "Route 66 Plus"}
    page = summary.page(effects, adjusted={}, **told, organisation="Project 21", submitted=2000)
    made = {
        "overall": findings.overall_result(effects, **told),
        "estimates": findings.estimates(effects, words=words),
        "can say": findings.can_say(effects, **told),
        "cannot say": findings.cannot_say(effects, **told),
        "needed": findings.numbers_needed(effects, words=words),
        "significant": findings.significant_results(
            effects.values(), labels={"headline": "Headline"}
        ),
        "multiplicity": findings.multiplicity_statement(effects.values()),
        "look": scope.look_statement(
            [{"programme": "Before"}], new=None, pooled=effects["rate"], words=words
        ),
        "month": bulletin.this_month(
            [result(rate=effects["rate"], frequency=effects["frequency"])], LOG
        ),
        **page,
    }
    return {name: every_sentence(one) for name, one in made.items()}


@few
@given(effects_by_measure(), any_words)
def test_no_direction_contradicts_its_interval(effects, words):
    made = of_effects(effects, words).items()
    said = {name: " ".join(sentence.text for sentence in told) for name, told in made}
    way = {name: direction(one) for name, one in effects.items()}
    for name in ("overall", "summary-next", "month"):
        less = re.search(r"re-?offended less than", said[name])
        more = re.search(r"re-?offended more than (?!similar)", said[name])
        assert bool(less) == (way["rate"] == "lower"), said[name]
        assert bool(more) == (way["rate"] == "higher"), said[name]
    people = words.people
    for name in ("can say", "summary-sure"):
        text = said[name]
        end = " committed" if name == "can say" else " out of 100."
        persons = f"({people}|{words.person}){end}"
        if name == "summary-sure" and not way["rate"]:
            continue
        assert bool(re.search(f"fewer {persons}", text)) == (way["rate"] == "lower"), text
        assert bool(re.search(f"more {persons}", text)) == (way["rate"] == "higher"), text
    text = said["can say"]
    assert ("fewer proven" in text) == (way["frequency"] == "lower")
    assert ("more proven" in text) == (way["frequency"] == "higher")
    assert bool(re.search("days? earlier", text)) == (way["days_to_first"] == "lower")
    assert bool(re.search("days? later", text)) == (way["days_to_first"] == "higher")
    assert ("is likely to be between" in said["summary-sure"]) <= any(way.values())


@few
@given(effects_by_measure(), any_words)
def test_estimates_go_the_way_of_their_intervals(effects, words):
    told = findings.estimates(effects, words=words).items[: len(effects)]
    for one, sentence in zip(effects.values(), told, strict=True):
        low, high = one.ci_low, one.ci_high
        lower = "shorter by" if one.measure == "days_to_first" else "lower by"
        higher = "longer by" if one.measure == "days_to_first" else "higher by"
        ranged = low is not None and one.reason is None
        assert (lower in sentence.text) == (ranged and low < 0)
        assert (higher in sentence.text) == (ranged and high > 0)
        assert ("is a statistically significant" in sentence.text) == one.significant


@few
@given(effects_by_measure(), any_words)
def test_the_gap_on_the_first_page_goes_the_way_of_the_difference(effects, words):
    told = [e for e in effects.values() if e.ci_low is not None and e.reason is None]
    told_of = {"words": words, "programme": "X", "organisation": "Y", "submitted": 2000}
    page = summary.page(effects, adjusted={}, **told_of)
    for one, sentence in zip(told, page["summary-found"].items, strict=False):
        end = sentence.text.split("That is ")[1]
        less, more = ("earlier", "later") if one.measure == "days_to_first" else ("fewer", "more")
        if end.startswith("less than 1"):
            assert less in end and more in end
        else:
            assert (less in end) == (one.difference < 0)
            assert (more in end) == (one.difference > 0)
        assert ("which may be chance" in end) == (not one.significant)
        assert "similar" not in end


@few
@given(effects_by_measure(), any_words)
def test_nothing_is_claimed_of_a_withheld_measure(effects, words):
    hidden = {name: one for name, one in effects.items() if not is_reported(one)}
    for name, told in of_effects(effects, words).items():
        for sentence in told:
            for figure in sentence.figures():
                of = figure.id.split(".")[1]
                if (
                    figure.id.startswith("headline.")
                    and of in hidden
                    and ".reason" not in figure.id
                ):
                    assert figure.suppressed or figure.id.endswith("_n"), (name, figure)
            if len(hidden) == len(HEADLINE) and name != "look":
                bare = sentence.text.replace("fewer than 30", "")
                assert not CLAIMS.search(bare), sentence.text
                values = [f.value for f in sentence.figures() if f.id != "request.submitted"]
                assert set(values) <= {41, None, "30", "66", "21", 1, 1959, 3}, sentence.text


@few
@given(st.sampled_from([None, NOT_BALANCED]), any_words)
def test_a_page_without_a_result_holds_no_number_of_one(reason, words):
    effects = {name: suppressed(name, *([reason] if reason else [])) for name in HEADLINE}
    table = tables.measurements(effects, words=words)
    for told in of_effects(effects, words).values():
        for sentence in told:
            assert not re.search(r"\d\.\d|\d%", sentence.text), sentence.text
    assert all(figure.suppressed for figure in table.figures() if isinstance(figure, Figure))


@few
@given(effects_by_measure(), any_words)
def test_people_are_called_by_one_name(effects, words):
    if words.people == "people":
        return
    for name, told in of_effects(effects, words).items():
        if name == "month":
            continue
        for sentence in told:
            text = sentence.text.replace("people were counted", "").replace("single people", "")
            others = {"men", "man", "women", "woman", "people", "person", "persons"}
            others -= {words.people, words.person}
            text = text.replace("per person", "")
            assert not others & set(re.findall(r"[a-z]+", text.lower())), text
