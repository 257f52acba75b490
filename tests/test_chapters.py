"""Each step of the notebook publishes its parts by their names, and no part that says nothing."""

import datetime as dt
import math
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
from test_charts import love
from test_checks import CHOICES as METHODS
from test_checks import CONTROL, CURVE, EFFECTS, VALUE, check
from test_findings import PEOPLE, effect, suppressed, version
from test_groups import ATTEMPTS, DRAWN, TOLD, seconds, verdict
from test_people import CHOICES, FATES, FUNNEL, RATES
from test_scope import CLINK

from jdl import chapters
from jdl.analyses import Analysed, Wanted
from jdl.balance import gate
from jdl.disclosure import NOT_BALANCED, Cleared
from jdl.figures import Table
from jdl.log import Release
from jdl.matching import Attempt, Matched, Specification
from jdl.outcomes import Delays
from jdl.power import Needed
from jdl.request import Criterion
from jdl.survival import Survival
from jdl.unmeasured import Bounds
from jdl.upload import Note

VINTAGE = SimpleNamespace(
    name="synthetic-2013-10", synthetic=True, extracted=dt.date(2013, 10, 1),
    last_index_date=dt.date(2011, 12, 31),
)  # fmt: skip
MONTH = Release(
    "2014-03", dt.date(2014, 2, 28), dt.datetime(2014, 3, 13, 9, 30), dt.date(2014, 4, 10),
    contact="justice.data.lab@example.org",
)  # fmt: skip
ASKED = SimpleNamespace(organisation="Tarnside Trust", public={"id": "harbour-mentoring"})
DRAWING = {"words": PEOPLE, "source": "synthetic vintage", "significance": 0.05}


def match(*attempts, kept="caliper 0.1", accepted=True):
    return Matched(
        pd.DataFrame({"treated": [1, 0], "weight": [1.0, 1.0]}),
        Specification(kept, "treated ~ age", 0.2), None, attempts or ATTEMPTS[1:2], accepted,
        900, 4, 17_000, 16_500, 12e3, 0.7, 0, 0.3, (),
    )  # fmt: skip


def one(name="headline", label="Headline, national", matched=None, **wanted):
    asked = Wanted(name, label, frozenset(), **wanted)
    return Analysed(asked, matched) if asked.enough else Analysed(asked)


def cleared(analysis="headline", **more):
    effects = {name: replace(each, analysis=analysis) for name, each in (EFFECTS | more).items()}
    return Cleared(effects, (), {"rate": check()})


def parts(group):
    """The names of the parts, after holding that none of them is empty."""
    assert all(part.text and (part.html or part.kind == "chart") for part in group.parts.values())
    return list(group.parts)


def test_a_request_that_goes_on_has_neither_notice_nor_record():
    assert chapters.notice([], ASKED, VINTAGE, MONTH) == (None, None)


def test_a_request_that_ends_has_both():
    few = Criterion("minimum_people", "Too few people.", "at least 60 people", "41 people", False)
    told, record = chapters.notice([few], ASKED, VINTAGE, MONTH)
    assert parts(told) == ["outcome-notice"]
    assert record.result["status"] == "not processed"


def test_the_criteria_and_the_facts_to_check():
    few = Criterion("minimum_people", "Too few people.", "at least 60 people", "41 people", False)
    facts = Table("facts-table", "Facts to check", ("Fact", "As we have it"), (("Name", "A"),))
    assert parts(chapters.criteria([few], facts)) == ["criteria", "facts-table"]


def test_the_plan_and_its_choices():
    told = chapters.plan(
        {"power": 0.8}, "ab12", matched_on=["age"], significance=0.05, read_on=None
    )
    assert parts(told) == ["plan", "method-table"]
    assert "Age at index date" in told.parts["method-table"].text


def test_when_people_started_and_with_whom_they_were_compared():
    assert parts(chapters.start(TOLD, after=20, leads=True, words=PEOPLE, limit=0.1)) == [
        "gap-statement"
    ]
    told = chapters.pool(DRAWN, unrecorded=(), needs=False, words=PEOPLE, repeated=True)
    assert parts(told) == ["pool-statement", "unmatched-statement"]
    assert "was repeated" in told.text


def test_how_alike_the_groups_are():
    table, second = love((0.3, 0.02), (0.1, 0.01)), seconds(0.01, 0.02)
    told = chapters.balance(
        match(), gate(table, 0.1, second), table, second, shown=table, source="made up"
    )
    assert parts(told) == [
        *("balance-statement", "attempts-statement", "second-order-statement"),
        *("balance-summary", "balance-table", "second-order-table", "balance-chart"),
    ]


def test_who_was_worked_with_and_how_far_the_scores_overlap():
    overlap = pd.DataFrame(
        {
            "low": [math.nan, 0.1], "high": [0.1, math.nan], "treatment": [0.4, 0.6],
            "before": [0.9, 0.1], "after": [0.41, 0.59],
        }
    )  # fmt: skip
    told = {"words": PEOPLE, "source": "made up"}
    shown = love((0.3, 0.02), (0.1, 0.01))
    assert parts(chapters.profile(shown, overlap, **told)) == ["profile-table", "overlap-chart"]
    assert parts(chapters.profile(shown, overlap.iloc[:0], **told)) == ["profile-table"]


SHARES = ("share_with", "low_with", "high_with", "share_without", "low_without")
NO_GAINS = pd.DataFrame({"field": ["surname"], "rows_lacking": [0]}).assign(
    **dict.fromkeys((*SHARES, "high_without", "gain", "fewer"), math.nan)
)


def lost(notes, fates=FATES):
    """What is told of people found and lost."""
    reviewed = SimpleNamespace(
        decided=0, double_keyed=0, agreed=None, kappa=None, sampled=0, right=None, precision=None,
        low=None, high=None,
    )  # fmt: skip
    told = SimpleNamespace(
        counts={"certain pass": 700, "review": 30}, linked=700, rates=RATES, gains=NO_GAINS,
        fates=fates, funnel=FUNNEL, placed=pd.DataFrame({"rule": ["in custody"], "people": [900]}),
    )  # fmt: skip
    upload = SimpleNamespace(people=range(1000), notes=notes)
    links = SimpleNamespace(expected_from_review=2.0, expected_false=0.4)
    return chapters.losses(told, upload, links, reviewed, words=PEOPLE, source="made up")


def test_how_people_were_found_and_where_they_were_lost():
    assert parts(lost([Note("A blank row was skipped", 1)])) == [
        *("linkage-table", "review-statement", "error-statement", "linkage-rates"),
        *("linkage-rates-table", "funnel-table", "rules-table", "lost-statement", "lost-table"),
        *("funnel-chart", "data-quality-note", "data-quality-table", "gains-statement"),
        "linkage-gains-table",
    ]


def test_losses_of_which_nothing_can_be_told_have_no_table():
    told = lost([], FATES.assign(analysed=math.nan, lost=math.nan, not_found=math.nan))
    assert "lost-statement" in told.parts
    assert "lost-table" not in told.parts


def test_the_result_in_words():
    span = {"index_from": dt.date(2005, 1, 3), "index_to": dt.date(2011, 12, 30)}
    told = {"words": PEOPLE, "programme": "Harbour Mentoring"}
    more = {"organisation": "Tarnside Trust", "submitted": 1240, "source": "made up"}
    assert parts(chapters.summary(Cleared(EFFECTS, (), {}), **told, **span, **more)) == [
        *("summary-question", "summary-found", "summary-sure", "summary-meaning", "summary-next"),
        *("summary-chart", "overall-result", "headline-sentence"),
    ]
    withheld = EFFECTS | {"rate": suppressed("rate")}
    assert (
        "summary-chart"
        not in chapters.summary(Cleared(withheld, (), {}), **told, **span, **more).parts
    )
    assert parts(chapters.blocks(EFFECTS, **told)) == [
        *("measurements", "estimates-lead", "estimates", "estimand-statement", "can-say"),
        "cannot-say",
    ]


def test_the_headline_charts_stand_before_the_curves():
    told = chapters.pictures(EFFECTS, CURVE, **DRAWING)
    assert parts(told) == [
        *("chart-rate", "chart-frequency", "chart-time", "survival-statement", "survival-chart"),
    ]


def test_a_withheld_measure_has_no_chart_and_withheld_curves_say_why():
    effects = EFFECTS | {"days_to_first": suppressed("days_to_first")}
    told = chapters.pictures(effects, Survival("headline", (), (), (), reason="Few."), **DRAWING)
    assert "chart-time" not in told.parts
    assert "cannot be told: few." in told.parts["survival-statement"].text


def test_a_result_that_is_not_significant_needs_no_unmeasured_need():
    told = {"places": 9, "kind": "prison", "words": PEOPLE, "significance": 0.05}
    told["delays"] = Delays(18_440, 290, 52.0, ((2009, 0.02),))
    results = {"headline": cleared(), "same-prison": cleared("same-prison")}
    every = chapters.checked(cleared(), VALUE, results=results, **told)
    names = ["adjusted-statement", "adjusted-table", "places-statement", "unmeasured-statement"]
    names.append("court-delays-statement")
    assert parts(every) == names
    assert "the analysis “within the same prisons”" in every.parts["places-statement"].text
    none = chapters.checked(cleared(), None, results={"headline": cleared()}, **told)
    assert parts(none) == [*names[:3], names[-1]]
    assert "the analysis" not in none.parts["places-statement"].text


RESULTS = {"headline": cleared(), "men": cleared("men", days_to_first=suppressed("days_to_first"))}
ANALYSED = [
    one(matched=match()),
    one("men", "Men", match(), region="wales"),
    one("women", "Women", enough=False),
]


def test_every_measure_of_every_analysis():
    told = chapters.measures(RESULTS, ANALYSED, significance=0.05)
    assert parts(told) == [
        *("sizes-table", "table-rate", "table-frequency", "table-days"),
        *("table-first-court-outcome", "table-court-outcome-frequency"),
        *("table-first-custody", "table-custody-frequency"),
    ]
    assert [row[0] for row in told.parts["table-rate"].rows] == ["Headline, national", "Men"]
    assert told.parts["sizes-table"].rows[1][1] == "Wales"


def of_tests(results, analysed, **more):
    given = {
        "needed": {"frequency": Needed(2345.0, math.inf, 1200.0, 0.4, 0.3)},
        "earlier": [],
        "described": pd.DataFrame(
            {"participation": ["completed"], "people": [500], "share": [0.6], "rate": [0.3]}
        ),
    } | more
    return chapters.tests(results, analysed, words=PEOPLE, significance=0.05, power=0.8, **given)


TESTS = [
    *("analyses-list", "attempts-table", "significant-results", "multiplicity-statement"),
    *("multiplicity-table", "everyone-table", "participation-table", "look-statement"),
    "numbers-needed",
]


def test_what_was_tested_and_what_would_settle_the_rest():
    told = of_tests(RESULTS, ANALYSED, earlier=[CLINK])
    assert parts(told) == TESTS
    assert (
        "for the new people alone, no result can be reported: withheld"
        in told.parts["look-statement"].text.lower()
    )
    assert "3. Women" in told.parts["analyses-list"].text
    assert "1,200 people would be needed" in told.parts["numbers-needed"].text


def test_one_analysis_at_its_first_look_has_no_look_statement():
    told = of_tests({"headline": cleared()}, ANALYSED[:1])
    assert parts(told) == [name for name in TESTS if name != "look-statement"]
    assert len(told.parts["analyses-list"].rows) == 1


def test_versions_for_everyone_are_shown_and_not_counted():
    both = {
        "first_custody": effect("first_custody", -0.1, -0.02),
        "first_custody_everyone": version("first_custody", -0.1, -0.02),
    }
    told = of_tests({"headline": cleared(**both)}, ANALYSED[:1])
    assert "Of these" not in told.parts["significant-results"].text
    assert told.parts["significant-results"].text.startswith("- All four measures can be reported")
    assert len(told.parts["everyone-table"].rows) == 1
    tables = chapters.measures({"headline": cleared(**both)}, ANALYSED[:1], significance=0.05)
    assert len(tables.parts["table-first-custody"].rows) == 1


def test_whether_the_result_depends_on_links_and_method():
    assert parts(chapters.by_links(CHOICES, significance=0.05)) == [
        "linkage-sensitivity", "linkage-sensitivity-table",
    ]  # fmt: skip
    told = chapters.by_method(METHODS, CONTROL, None, None, significance=0.05)
    assert parts(told) == ["sensitivity-statement", "sensitivity-table"]
    assert len(told.parts["sensitivity-table"].rows) == len(METHODS) + 1
    bounds = Bounds((1.0, 1.5), (0.004, 0.2), "fewer", 400, 180)
    told = chapters.by_method(METHODS, None, None, bounds, significance=0.05)
    assert parts(told)[-1] == "bounds-table"


def recorded(*analysed, results):
    told = chapters.record(
        ASKED, analysed, results, survived=CURVE, tried=METHODS, funnel=FUNNEL, vintage=VINTAGE,
        release=MONTH, plan_hash="ab12",
    )  # fmt: skip
    return told.result


def test_the_record_holds_the_verdict_of_the_specification_that_was_kept():
    tried = (
        Attempt("caliper 0.2", verdict(False, 0.14), (), 0),
        Attempt("caliper 0.1", verdict(True, 0.04), (), 30),
        Attempt("caliper 0.05", verdict(True, 0.07), (), 60),
    )
    content = recorded(
        one(matched=match(*tried)), one("men", "Men", match(*tried, kept="caliper 0.2")),
        one("women", "Women", enough=False), results=RESULTS,
    )  # fmt: skip
    headline, men = content["analyses"]
    assert (headline["id"], men["id"]) == ("headline", "men")
    assert headline["balance"]["specification"] == "caliper 0.1"
    assert (headline["balance"]["accepted"], headline["balance"]["worst"]) == (True, 0.04)
    assert (men["balance"]["accepted"], men["balance"]["worst"]) == (False, 0.14)
    assert content["plan"] == "ab12"


def test_only_the_headline_carries_the_curves_and_the_other_choices():
    content = recorded(*ANALYSED, results=RESULTS)
    headline, men = content["analyses"]
    assert headline["rmst"]["difference"] == CURVE.difference
    assert len(headline["sensitivity"]) == len(METHODS)
    assert (men["rmst"], men["sensitivity"]) == (None, [])


def test_groups_that_are_not_alike_are_recorded_with_their_sizes():
    refused = match(ATTEMPTS[0], kept="caliper 0.2", accepted=False)
    rate = suppressed(reason=NOT_BALANCED)
    content = recorded(one(matched=refused), results={"headline": Cleared({"rate": rate}, ())})
    assert content["analyses"][0]["status"] == "not balanced"
    assert content["analyses"][0]["treatment_n"] == 900


def test_without_a_headline_result_no_check_of_it_is_published():
    nothing = [replace(METHODS[0], conclusion="suppressed"), *METHODS[1:]]
    assert chapters.by_method(nothing, CONTROL, None, None, significance=0.05) is None
