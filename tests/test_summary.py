"""The one page of summary: what each part says, and that a trustee can read it."""

import re
from dataclasses import replace

import pytest
from reading_age import grade, split, syllables, words_of
from test_findings import (
    HEADLINE,
    PEOPLE,
    PROGRAMME,
    effect,
    headline,
    sentences_of,
    suppressed,
    untested,
)

from jdl import findings, summary, tables
from jdl.companion import Adjusted
from jdl.disclosure import NOT_BALANCED
from jdl.effects import Group
from jdl.wording import Words

PARTS = [f"summary-{name}" for name in ("question", "found", "sure", "meaning", "next")]
GRADE = 8
LONGEST_SENTENCE = 25
FULL_PAGE = 380
"""Words that stand on one A4 page in the report's type, with five headings."""

FEWER, MORE = effect("frequency", -0.6, -0.2), effect("frequency", 0.2, 0.6)
LATER, EARLIER = effect("days_to_first", 2.0, 20.0), effect("days_to_first", -20.0, -2.0)
CASES = {
    "reduction": headline(effect("rate"), FEWER, LATER),
    "increase": headline(effect("rate", 0.02, 0.1), MORE, EARLIER),
    "inconclusive": headline(),
    "small difference": headline(effect("rate", -0.015, 0.02)),
    "mixed": headline(effect("rate"), None, EARLIER),
    "rate unclear, frequency not": headline(None, FEWER),
    "time withheld": headline(effect("rate"), None, suppressed("days_to_first")),
    "rate withheld": headline(suppressed(), FEWER),
    "untested": headline(untested(), untested("frequency"), suppressed("days_to_first")),
    "everything withheld": headline(*(suppressed(name) for name in HEADLINE)),
    "not balanced": headline(*(suppressed(name, NOT_BALANCED) for name in HEADLINE)),
}


def page(case, *, adjusted=None, words=PEOPLE, programme=PROGRAMME, submitted=1240):
    effects = CASES[case] if isinstance(case, str) else case
    choices = {"organisation": "Tarnside Trust", "submitted": submitted}
    return summary.page(
        effects, adjusted=adjusted or {}, words=words, programme=programme, **choices
    )


def check(measure, conclusion="reduction"):
    return Adjusted("headline", measure, "logistic", conclusion=conclusion)


def lines(case, part, **choices):
    return [item.text for item in sentences_of(page(case, **choices)[f"summary-{part}"])]


def test_only_a_result_on_the_rate_comes_with_a_number_to_quote():
    ends = {case: lines(case, "next")[1] for case in ("reduction", "rate unclear, frequency not")}
    assert ends["reduction"].startswith("With any number, give its whole range.")
    assert ends["rate unclear, frequency not"].startswith("A new request can add people")


def test_the_page_of_a_reduction():
    assert list(page("reduction")) == PARTS
    assert lines("reduction", "question") == [
        "This report is about Harbour Mentoring, at the request of Tarnside Trust. Did people who "
        "took part reoffend less, or more, than others like them? It covers 900 of the 1,240 "
        "people whose details were sent, each followed for one year. A proven reoffence is an "
        "offence in that year that led to a conviction or caution. The comparison group is "
        "similar people who did not take part, but may have had other support."
    ]
    assert lines("reduction", "found") == [
        "Out of 100 typical people who took part, 38 committed a proven reoffence, against 45 in "
        "the comparison group. That is 7 fewer people.",
        "Those who took part committed 103 proven reoffences per 100 people, against 143. That is "
        "40 fewer reoffences.",
        "Those who took part and reoffended did so after 159 days on average, against 148. That is "
        "11 days later.",
    ]
    assert lines("reduction", "sure") == [
        "“Statistically significant” means that chance alone would seldom give so large a "
        "difference. That is so here for how many reoffended, how often and how soon. The true "
        "difference in how many reoffended is likely to be between 3 and 11 fewer people out of "
        "100."
    ]
    assert lines("reduction", "meaning") == [
        "It is no proof of cause and effect: the groups may differ in ways that are not recorded.",
        "It cannot be compared with national rates or other reports.",
        "Make no relative claim. For example, from rates of 24% and 40%, do not say “40% less "
        "likely to reoffend”, but “16 fewer people out of 100”.",
        "It may not hold for the 340 people who were not analysed.",
    ]
    assert lines("reduction", "next") == [
        "You can always quote this: “In a Justice Data Lab analysis, people who took part in "
        "Harbour Mentoring reoffended less than the comparison group. The likely difference is "
        "between 3 and 11 fewer people out of 100.”",
        "With any number, give its whole range. The next pages explain the method and its limits.",
    ]


def test_an_inconclusive_page_asks_for_more_people_and_does_not_say_that_nothing_was_done():
    assert lines("inconclusive", "found")[0] == (
        "Out of 100 typical people who took part, 49 committed a proven reoffence, against 45 in "
        "the comparison group. That is 3 more people, which may be chance."
    )
    assert lines("inconclusive", "found")[-1].endswith(
        "which may be chance. Differences are worked out before rounding."
    )
    assert lines("inconclusive", "sure")[0].endswith(
        "None of the main results told here is significant. The number who reoffended could be "
        "lower by 2 people out of 100, higher by 9, or the same. More people are needed to tell. "
        "This does not show that the programme does nothing."
    )
    assert lines("inconclusive", "next") == [
        "You can always quote this: “The Justice Data Lab could not tell whether people who took "
        "part in Harbour Mentoring reoffended less or more than similar people.”",
        "A new request can add people who have taken part since. The next pages explain the method "
        "and its limits.",
    ]
    assert "smaller than 2 people out of 100. More" in lines("small difference", "sure")[0]


def test_a_mixed_page_tells_both_directions():
    assert (
        "That is so here for how many reoffended and how soon. These results point in different "
        "directions, so read them together. "
    ) in lines("mixed", "sure")[0]
    assert lines("mixed", "sure")[0].endswith(
        "It is not so for how often they reoffended. More people are needed to tell. This "
        "does not show that the programme does nothing."
    )
    assert lines("mixed", "next")[0].endswith(
        "But those who reoffended did so earlier than in the comparison group.”"
    )
    unlike = lines("rate unclear, frequency not", "next")[0]
    assert unlike.endswith(
        "similar people. They committed fewer proven reoffences per person than the comparison "
        "group.”"
    )


def test_a_check_that_disagrees_is_told():
    less_sure = {"frequency": check("frequency", "inconclusive"), "rate": check("rate")}
    assert lines("reduction", "sure", adjusted=less_sure)[0].endswith(
        " out of 100. A second check was less sure about how often they reoffended."
    )
    assert lines("rate unclear, frequency not", "sure", adjusted=less_sure)[0].endswith(
        " does nothing. A second check was less sure about how often they reoffended."
    )
    opposite = {"rate": check("rate", "increase")}
    assert lines("reduction", "sure", adjusted=opposite)[0].endswith(
        " A second check found the opposite for how many reoffended."
    )
    agreed = {
        "rate": check("rate"),
        "frequency": check("frequency", "suppressed"),
        "days_to_first": check("days_to_first", "increase"),
    }
    unlike = {name: check(name, "inconclusive") for name in HEADLINE}
    assert lines("reduction", "sure", adjusted=agreed) == lines("reduction", "sure")
    assert lines("inconclusive", "sure", adjusted={"rate": check("rate")}) == lines(
        "inconclusive", "sure"
    )
    withheld = lines("everything withheld", "sure", adjusted=unlike)
    assert withheld == lines("everything withheld", "sure")


def test_one_result_that_is_not_significant_is_not_spoken_of_as_several():
    alone = headline(None, suppressed("frequency"), suppressed("days_to_first"))
    assert " The one main result told here is not significant. " in lines(alone, "sure")[0]


def test_a_page_tells_what_is_withheld_and_no_more():
    assert lines("time withheld", "found")[-1] == (
        "No result can be shown on how soon they reoffended. It is withheld to protect "
        "confidentiality or because too few people were counted."
    )
    assert lines("everything withheld", "found") == [
        "No result can be shown. It is withheld to protect confidentiality or because too few "
        "people were counted."
    ]
    assert lines("not balanced", "found") == [
        "No result can be shown. The two groups could not be made alike enough to compare."
    ]
    assert lines("untested", "found")[0] == (
        "The numbers allow no conclusion on how many reoffended or how often."
    )
    assert (
        "“The Justice Data Lab looked at Harbour Mentoring but could not report a result.”"
        in (lines("everything withheld", "next")[0])
    )
    assert lines("rate withheld", "found")[0].startswith(
        "Those who took part committed 103 proven reoffences per 100 people, against 143 in the "
        "comparison group."
    )


def test_who_is_covered():
    women = Words.of("female")
    one_left = {"submitted": 901, "words": women}
    assert "It covers 900 of the 901 women" in lines("mixed", "question", **one_left)[0]
    assert lines("mixed", "meaning", **one_left)[-1] == (
        "It may not hold for the 1 woman who were not analysed."
    )
    assert "It covers all 900 people whose" in lines("mixed", "question", submitted=900)[0]
    assert len(lines("mixed", "meaning", submitted=900)) == 3
    hidden = {"rate": replace(suppressed(), treatment=Group(0), comparison=Group(0))}
    assert "It covers some of the people whose details" in lines(hidden, "question")[0]


def test_a_number_on_the_page_is_printed_as_in_the_findings_and_tables():
    seen = {}
    for effects in CASES.values():
        seen.clear()
        told = {"words": PEOPLE, "programme": PROGRAMME}
        published = [
            *page(effects).values(),
            findings.overall_result(effects, **told),
            findings.headline_sentence(
                effects["rate"],
                **told,
                submitted=1240,
                index_from="2009-01-01",
                index_to="2011-01-01",
            ),
            findings.estimates(effects, words=PEOPLE),
            findings.can_say(effects, **told),
            findings.cannot_say(effects, **told),
            tables.measurements(effects, words=PEOPLE),
        ]
        for figure in (figure for one in published for figure in one.figures()):
            assert seen.setdefault(figure.id, figure) == figure


# --- Reading age ----------------------------------------------------------------------------------

JARGON = re.compile(
    r"propensity|p-value|p value|confidence interval|standardised|caliper|covariate|index date|"
    r"disposal|treatment group|headline|inconclusive|estimand|percentage point",
    re.I,
)


def test_the_grade_is_that_of_a_sentence_counted_by_hand():
    assert grade("The cat sat on the mat. It saw a table.") == pytest.approx(
        0.39 * 10 / 2 + 11.8 * 11 / 10 - 15.59
    )
    assert [syllables(word) for word in ("comparison", "reoffended", "people", "one", "100")] == [
        *(4, 4, 2, 1, 1)
    ]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("programme", [PROGRAMME, "Family Matters (all years)"])
def test_a_trustee_can_read_the_page(case, programme):
    for sex in ("all", "male", "female"):
        unlike = {name: check(name, "inconclusive") for name in HEADLINE}
        parts = page(case, adjusted=unlike, words=Words.of(sex), programme=programme).values()
        text = " ".join(item.text for one in parts for item in sentences_of(one))
        assert grade(text) <= GRADE
        assert max(len(words_of(one)) for one in split(text)) <= LONGEST_SENTENCE
        assert len(words_of(text)) <= FULL_PAGE
        assert not JARGON.search(text)
        assert text.count("tatistically significant") <= 1
