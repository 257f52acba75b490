"""The sentences: grammar, rounding, and no claim that its result does not carry."""

import datetime as dt
import math
import re
from dataclasses import dataclass, replace

import pandas as pd
import pytest
from hypothesis import strategies as st

from jdl import bulletin, findings, tables
from jdl.balance import Verdict, gate
from jdl.disclosure import NOT_BALANCED
from jdl.effects import ALL, EVERYONE, Effect, Group
from jdl.figures import Figure, Sentence, Sentences
from jdl.power import Needed
from jdl.request import Correction
from jdl.wording import (
    Words,
    bound,
    counted,
    direction,
    number,
    p_value,
    percentage,
    quoted,
    share,
)

PEOPLE = Words()
PROGRAMME = "Harbour Mentoring"
HEADLINE = ("rate", "frequency", "days_to_first")
MEANS = {"rate": 0.45, "frequency": 1.43, "days_to_first": 148.0}
CLAIMS = re.compile(
    r"reoffended (less|more)|is a statistically significant|(?<!not a )lower by|fewer"
)


def effect(
    measure="rate", low=-0.11, high=-0.03, *, analysis="headline", n=900, comparison_mean=None
):
    """An effect with this interval; significant when the interval leaves out nought."""
    base = MEANS.get(measure, 0.3) if comparison_mean is None else comparison_mean
    difference = (low + high) / 2
    significant = low > 0 or high < 0
    side = "reduction" if difference < 0 else "increase"
    mean = max(base + difference, 0.0)
    return Effect(
        analysis=analysis,
        measure=measure,
        treatment=Group(n, n, mean, 0.5, float(n), mean * 0.9, mean * 1.1, n * mean),
        comparison=Group(17_000, 16_500, base, 0.5, 12e3, base * 0.98, base * 1.02, 17e3 * base),
        difference=difference,
        ci_low=low,
        ci_high=high,
        p_value=0.004 if significant else 0.3,
        df=1200.0,
        significant=significant,
        conclusion=side if significant else "inconclusive",
        favourable=ALL[measure].favourable,
        reason=None,
        numbers_needed=None if significant else 2345,
        detectable=(high - low) * 0.7,
    )


def suppressed(measure="rate", reason="withheld because fewer than 30 people were counted"):
    return replace(
        effect(measure),
        treatment=Group(41 if measure in HEADLINE[:2] else 0),
        comparison=Group(900 if measure in HEADLINE[:2] else 0),
        difference=None,
        ci_low=None,
        ci_high=None,
        p_value=None,
        df=None,
        significant=False,
        conclusion="suppressed",
        reason=reason,
        numbers_needed=None,
        detectable=None,
    )


def untested(measure="rate"):
    """Everybody alike: a difference without an interval."""
    return replace(
        effect(measure),
        ci_low=None,
        ci_high=None,
        p_value=None,
        significant=False,
        conclusion="inconclusive",
        reason="Everyone within each group has the same outcome, so it cannot be tested.",
    )


def headline(rate=None, frequency=None, days=None):
    chosen = (
        rate or effect("rate", -0.02, 0.09),
        frequency or effect("frequency", -0.5, 0.04),
        days or effect("days_to_first", -8.0, 20.0),
    )
    return dict(zip(HEADLINE, chosen, strict=True))


def sentences_of(published):
    return published.items if isinstance(published, Sentences) else (published,)


def words_outside_figures(sentence):
    return "".join(part for part in sentence.parts if isinstance(part, str))


# --- The overall result ---------------------------------------------------------------------------


def overall(effects, words=PEOPLE):
    return findings.overall_result(effects, words=words, programme=PROGRAMME).text


def test_overall_result_of_a_significant_reduction():
    text = overall(
        headline(
            effect("rate"), effect("frequency", -0.5, -0.1), effect("days_to_first", 2.0, 20.0)
        )
    )
    assert text == (
        "This analysis compared 900 people who took part in Harbour Mentoring with a comparison "
        "group of people similar on recorded characteristics, who did not take part but may have "
        "had other support. The overall results show that those who took part reoffended less than "
        "the comparison group: a smaller share of them committed a proven reoffence within one "
        "year, they committed fewer proven reoffences per person and those of them who reoffended "
        "did so later. These results are statistically significant."
    )


def test_overall_result_of_an_increase():
    text = overall({"rate": effect("rate", 0.02, 0.1)})
    assert "those who took part reoffended more than the comparison group: a larger share" in text
    assert text.endswith("This result is statistically significant.")


def test_overall_result_that_is_inconclusive():
    text = overall(headline(), Words.of("female"))
    assert text.endswith(
        " The overall results do not show a statistically significant effect on a woman's "
        "reoffending behaviour. More women would need to be analysed to determine the way in which "
        "the programme affects it, but this should not be taken to mean that the programme fails "
        "to affect it."
    )


def test_overall_result_that_is_mixed_speaks_of_each_measure():
    text = overall(headline(effect("rate")))
    assert "a smaller share of them committed a proven reoffence within one year. This" in text
    assert (
        "They do not show a statistically significant difference in the frequency of reoffending "
        "or the time to the first proven reoffence. More people would need to be analysed to "
        "determine the way in which the programme affects them, but this should not be taken to "
        "mean that the programme fails to affect them."
    ) in text


def test_overall_result_whose_rate_is_unclear_does_not_say_reoffended_less():
    text = overall(headline(None, effect("frequency", -0.5, -0.1)))
    assert (
        " The results show that those who took part committed fewer proven reoffences per person "
        "than the comparison group. This result is statistically significant. They do not show a "
        "statistically significant difference in the one-year proven reoffending rate or the time "
        "to the first proven reoffence. More people would need to be analysed"
    ) in text
    assert not re.search("reoffended (less|more)", text)


def test_overall_result_without_the_rate_in_both_directions_puts_good_before_bad():
    text = overall(
        headline(None, effect("frequency", 0.1, 0.5), effect("days_to_first", 2.0, 20.0))
    )
    assert (
        "that those who took part and reoffended did so later than those in the comparison group "
        "who reoffended, but that those who took part committed more proven reoffences per person "
        "than the comparison group. These results are"
    ) in text


def test_overall_result_with_one_unclear_measure_is_singular():
    effects = headline(effect("rate"), effect("frequency", -0.5, -0.1))
    assert overall(effects).endswith("that the programme fails to affect it.")


def test_overall_result_in_both_directions_puts_good_before_bad():
    text = overall(headline(effect("rate"), None, effect("days_to_first", -20.0, -2.0)))
    assert (
        "show differences in both directions, compared with the comparison group: a smaller share "
        "of them committed a proven reoffence within one year, but those of them who reoffended "
        "did so earlier. These results are"
    ) in text


@pytest.mark.parametrize(("low", "high", "when"), [(2.0, 20.0, "later"), (-20.0, -2.0, "earlier")])
def test_overall_result_on_time_alone(low, high, when):
    text = overall(headline(days=effect("days_to_first", low, high)))
    assert (
        f"show that those who took part and reoffended did so {when} than those in the comparison "
        "group who reoffended. This result is statistically significant."
    ) in text
    assert not re.search("reoffended (less|more)", text)


def test_overall_result_says_what_is_withheld():
    text = overall(headline(effect("rate"), days=suppressed("days_to_first")))
    assert text.endswith("No result can be reported for the time to the first proven reoffence.")


def test_overall_result_of_nothing_but_withheld_figures():
    text = overall({name: suppressed(name) for name in HEADLINE})
    assert text.endswith(
        " No result can be reported, so no conclusion can be drawn about reoffending."
    )
    assert not CLAIMS.search(text)


# --- Who was analysed -----------------------------------------------------------------------------


def who(n=900, submitted=1240, words=PEOPLE, comparison=17_000):
    rate = effect(n=n)
    rate = replace(rate, comparison=replace(rate.comparison, n=comparison))
    return findings.headline_sentence(
        rate,
        words=words,
        programme=PROGRAMME,
        submitted=submitted,
        index_from=dt.date(2009, 1, 3),
        index_to="2011-12-31",
    ).text


def test_headline_sentence():
    assert who() == (
        "The headline analysis measured proven reoffences in a one-year period for a treatment "
        "group of 900 people who took part in Harbour Mentoring and whose one-year period began "
        "between January 2009 and December 2011, and for a much larger comparison group of "
        "similar people who did not take part but may have had other support: 17,000 sentences of "
        "16,500 people. The results may be different for the 340 other people whose details were "
        "submitted, who did not meet the criteria for analysis."
    )


def test_headline_sentence_for_one_person_left_out():
    assert "the 1 other man whose details" in who(submitted=901, words=Words.of("male"))


def test_headline_sentence_with_more_taking_part_than_people_leaves_nobody_out():
    assert who(submitted=890).endswith("met the criteria for analysis.")


def test_headline_sentence_for_nobody_left_out():
    assert who(submitted=900).endswith(
        "All people whose details were submitted met the criteria for analysis."
    )


@pytest.mark.parametrize(
    ("comparison", "size"), [(900, "for a"), (1800, "a larger"), (2700, "a much larger")]
)
def test_headline_sentence_says_much_larger_only_when_it_is(comparison, size):
    assert f"{size} comparison group" in who(comparison=comparison)


# --- Estimates ------------------------------------------------------------------------------------


def test_headline_sentence_of_withheld_sizes_tells_no_nought():
    hidden = replace(suppressed(), treatment=Group(0), comparison=Group(0))
    told = {"words": PEOPLE, "programme": PROGRAMME}
    sentence = findings.headline_sentence(
        hidden, **told, submitted=1240, index_from="2009-01-03", index_to="2011-12-31"
    )
    assert "treatment group of [c] people who" in sentence.text
    assert sentence.text.endswith(
        "for a comparison group of similar people who did not take part but may have had other "
        "support: [c] sentences of [c] people."
    )
    opening = findings.overall_result({"rate": hidden}, **told)
    assert next(opening.figures()) == next(sentence.figures())


def test_numbers_in_the_name_of_a_programme_are_figures():
    opening = findings.overall_result({"rate": effect()}, words=PEOPLE, programme="Route 66 Plus")
    assert "took part in Route 66 Plus with" in opening.text
    assert "66" not in words_outside_figures(opening)


def estimate(one, words=PEOPLE):
    return findings.estimates({one.measure: one}, words=words).items[0].text


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            effect("rate", -0.131, -0.017),
            "The number of people who commit a proven reoffence within one year could be lower by "
            "between 2 and 13 people. This is a statistically significant result.",
        ),
        (
            effect("rate", 0.017, 0.131),
            "The number of people who commit a proven reoffence within one year could be higher by "
            "between 2 and 13 people. This is a statistically significant result.",
        ),
        (effect("rate", -0.13, -0.002), "lower by between 0.2 and 13 people. This"),
        (effect("rate", -0.012, -0.002), "lower by between 0.2 and 1 person. This"),
        (effect("rate", -0.009, -0.002), "lower by between 0.2 and 1 person. This"),
        (effect("rate", -0.004, -0.0002), "lower by between 0.02 and 0.4 people. This"),
        (effect("rate", -0.13, -1e-9), "lower by up to 13 people. This"),
        (effect("rate", -0.0304, -0.0296), "lower by about 3 people. This"),
        (effect("frequency", -0.6, -0.2), "lower by between 20 and 60 reoffences. This"),
        (effect("days_to_first", 2.0, 30.0), "longer by between 2 and 30 days. This"),
        (effect("days_to_first", -30.0, -0.6), "shorter by between 1 and 30 days. This"),
        (effect("days_to_first", -30.0, -0.4), "shorter by between 0.4 and 30 days. This"),
        (
            effect("rate", -0.09, 0.04),
            "could be lower by as many as 9 people, or higher by as many as 4 people, and there "
            "may be no difference.",
        ),
        (effect("rate", -0.09, 0.01), "or higher by as many as 1 person, and there may be"),
        (effect("rate", -0.09, 0.002), "or higher by less than 1 person, and there may be"),
        (effect("frequency", -0.5, 0.009), "or higher by less than 1 reoffence, and there may be"),
        (effect("days_to_first", -1.0, 20.0), "shorter by as many as 1 day, or longer by as many"),
    ],
)
def test_estimate(one, expected):
    assert expected in estimate(one)


def test_estimate_within_two_points_is_called_small_and_not_similar():
    text = estimate(effect("rate", -0.015, 0.02))
    assert "Any difference is likely to be smaller than 2 percentage points." in text
    assert "there may be no difference" not in text


def test_estimate_for_women():
    text = estimate(effect("rate", -0.09, 0.01), Words.of("female"))
    assert "number of women who" in text
    assert "as many as 1 woman" in text


def test_estimates_say_once_that_more_people_are_needed():
    told = [item.text for item in findings.estimates(headline(), words=Words.of("female")).items]
    assert len(told) == 4
    assert told[-1] == (
        "More women would need to be analysed in order to determine the direction of these "
        "differences."
    )
    one = findings.estimates({"rate": effect("rate", -0.09, 0.01)}, words=PEOPLE).items
    assert one[-1].text.endswith("to determine the direction of this difference.")
    assert len(findings.estimates({"rate": effect()}, words=PEOPLE).items) == 1


def test_estimate_of_a_withheld_figure_gives_the_reason_and_its_numbers_are_figures():
    text = findings.estimates({"rate": suppressed()}, words=PEOPLE).items[0]
    assert text.text == (
        "No estimate can be given for the one-year proven reoffending rate: withheld because fewer "
        "than 30 people were counted."
    )
    assert [figure.text for figure in text.figures()] == ["30"]


def test_estimate_without_a_test_draws_no_conclusion():
    assert estimate(untested()) == (
        "No conclusion can be drawn on the one-year proven reoffending rate: everyone within each "
        "group has the same outcome, so it cannot be tested."
    )


# --- What may be said -----------------------------------------------------------------------------


def can_say(effects, words=PEOPLE):
    said = findings.can_say(effects, words=words, programme=PROGRAMME)
    return [item.text for item in said.items]


def test_can_say_every_significant_result_in_one_sentence_that_can_be_quoted():
    found = headline(
        effect("rate"), effect("frequency", -0.6, -0.2), effect("days_to_first", 2.0, 20.0)
    )
    assert can_say(found) == [
        "For 100 typical people who took part in Harbour Mentoring, compared with 100 similar "
        "people in the comparison group, between 3 and 11 fewer people committed a proven "
        "reoffence within one year, they committed between 20 and 60 fewer proven reoffences "
        "in that year and those who reoffended did so between 2 and 20 days later on average. "
        "These results are statistically significant."
    ]


def test_can_say_what_is_significant_and_then_what_is_not():
    assert can_say(headline(effect("rate", 0.002, 0.012)), Words.of("male")) == [
        "For 100 typical men who took part in Harbour Mentoring, compared with 100 similar men in "
        "the comparison group, between 0.2 and 1 more man committed a proven reoffence within one "
        "year. This result is statistically significant.",
        "This analysis does not show a statistically significant difference in the frequency of "
        "reoffending or the time to the first proven reoffence between those who took part in "
        "Harbour Mentoring and the comparison group.",
    ]


def test_can_say_of_days_alone():
    assert can_say({"days_to_first": effect("days_to_first", -20.0, -2.0)}) == [
        "Those who took part in Harbour Mentoring and reoffended did so between 2 and 20 days "
        "earlier, on average, than those in the comparison group who reoffended. This result is "
        "statistically significant."
    ]


def test_can_say_nothing_of_withheld_figures():
    said = findings.can_say({"rate": suppressed()}, words=PEOPLE, programme=PROGRAMME)
    assert said.text == (
        "- Nothing can be said about reoffending after Harbour Mentoring: no result is reported."
    )


def cannot_say(effects, words=PEOPLE):
    said = findings.cannot_say(effects, words=words, programme=PROGRAMME)
    return [item.text for item in said.items]


def test_cannot_say_tells_measures_of_one_kind_together():
    found = headline(
        effect("rate"), effect("frequency", -0.6, -0.2), effect("days_to_first", 2.0, 20.0)
    )
    assert cannot_say(found)[0] == (
        "It cannot be said by exactly how much the one-year proven reoffending rate, the frequency "
        "of reoffending and the time to the first proven reoffence differ: each true difference "
        "may lie anywhere in the range given."
    )
    assert [len(cannot_say(one)) for one in (found, headline())] == [5, 5]
    mixed = cannot_say(headline(effect("rate"), days=suppressed("days_to_first")))
    assert mixed[:3] == [
        "It cannot be said by exactly how much the one-year proven reoffending rate differs: the "
        "true difference may lie anywhere in the range given.",
        "It cannot be said that Harbour Mentoring raises, lowers or makes no difference to the "
        "frequency of reoffending.",
        "Nothing can be said about the time to the first proven reoffence, because no result is "
        "reported for it.",
    ]
    assert "national averages or with other Justice Data Lab reports" in mixed[5]


@pytest.mark.parametrize(
    ("rate", "own"),
    [
        (effect("rate"), "is told as “between 3 and 11 fewer men out of 100”."),
        (effect("rate", 0.02, 0.1), "is told as “between 2 and 10 more men out of 100”."),
        (
            effect("rate", -0.1, 0.1),
            "is told as “no statistically significant difference in the one-year proven "
            "reoffending rate”.",
        ),
    ],
)
def test_a_relative_claim_is_refused_by_an_example_and_the_right_words_given(rate, own):
    guard = findings.relative_claim({"rate": rate}, words=Words.of("male"))
    assert guard.text == (
        "A relative claim is not what the results show. For example, from rates of 24% and 40%, do "
        "not say “40% less likely to reoffend”, but “16 fewer men out of 100”. This report's own "
        "result " + own
    )


def test_a_relative_claim_is_refused_where_the_rate_is_withheld_too():
    guard = findings.relative_claim({"rate": suppressed()}, words=PEOPLE)
    assert guard.text.endswith("but “16 fewer people out of 100”.")


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (
            0.31,
            0.44,
            "rates of 24% and 40%, do not say “40% less likely to reoffend”, but “16 fewer",
        ),
        (0.2438, 0.31, "rates of 30% and 50%, do not say “40% less likely to reoffend”, but “20 "),
        (0.31, 0.4012, "rates of 45% and 60%, do not say “25% less likely to reoffend”, but “15 "),
        (0.396, 0.453, "rates of 35% and 70%, do not say “50% less likely to reoffend”, but “35 "),
    ],
)
def test_the_example_of_a_relative_claim_holds_no_rate_of_the_report(ours, theirs, told):
    made = effect("rate")
    groups = {
        "treatment": replace(made.treatment, mean=ours),
        "comparison": replace(made.comparison, mean=theirs),
    }
    example = findings.relative_example(replace(made, **groups), PEOPLE)
    assert told in Sentence.of(*example).text


def test_no_two_rates_are_in_every_example():
    sets = [{*map(str, one)} for one in findings._EXAMPLES]
    for low in range(101):
        for high in range(101):
            assert any(one.isdisjoint({str(low), str(high)}) for one in sets)
    for ours, theirs, wrong, right in findings._EXAMPLES:
        assert (theirs - ours, 100 * (theirs - ours)) == (right, wrong * theirs)


def test_can_say_a_frequency_alone_in_a_whole_sentence():
    alone = headline(None, effect("frequency", -0.6, -0.2), effect("days_to_first", 2.0, 20.0))
    assert can_say(alone)[0] == (
        "Compared with 100 similar people in the comparison group, 100 typical people who took "
        "part in Harbour Mentoring committed between 20 and 60 fewer proven reoffences within one "
        "year and those who reoffended did so between 2 and 20 days later on average. These "
        "results are statistically significant."
    )


def test_a_label_with_a_colon_is_told_in_brackets():
    one = replace(effect("rate"), analysis="paid")
    said = findings.significant_results([one], labels={"paid": "Mentor: paid"})
    assert said.items[1].text.startswith("Mentor (paid): the one-year proven reoffending rate was")


def test_cannot_say_anything_of_nothing():
    assert cannot_say({"rate": suppressed(), "frequency": suppressed("frequency")}) == [
        "Nothing can be said about the one-year proven reoffending rate or the frequency of "
        "reoffending, because no result is reported for them.",
        "It cannot be said that Harbour Mentoring has an effect, or that it has none.",
    ]


# --- Tests made, people needed --------------------------------------------------------------------


def test_significant_results_are_counted_out_of_those_that_can_be_reported():
    effects = [effect(), effect("frequency", -0.5, 0.1), suppressed("days_to_first")]
    told = findings.significant_results(effects, labels={"headline": "National"})
    assert told.items[0].text == (
        "Of the three measures, two can be reported; one of these gave a statistically significant "
        "result. If no programme had any effect, fewer than one of two would be expected to do so "
        "by chance alone."
    )
    assert told.items[1].text == (
        "National: the one-year proven reoffending rate was lower in the treatment group (38%) "
        "than in the comparison group (45%), p < 0.01."
    )
    assert len(told.items) == 2
    with_untested = findings.significant_results([*effects, untested("first_custody")], labels={})
    assert "Of the four measures, two could be tested and can be reported;" in with_untested.text


def test_significant_results_expected_by_chance_are_a_twentieth():
    effects = [effect("rate", -0.1, 0.1, analysis=f"site-{place}") for place in range(60)]
    told = findings.significant_results(effects, labels={}).text
    assert "All 60 results can be reported; none of these gave" in told
    assert "about three of 60 would be expected" in told


def test_significant_results_of_one_test_and_of_two():
    one = findings.significant_results([effect(), suppressed("frequency")], labels={}).items[0]
    assert one.text == (
        "Of the two measures, one can be reported; it gave a statistically significant result."
    )
    unclear = findings.significant_results([effect("rate", -0.1, 0.1)], labels={}).items[0]
    assert unclear.text.endswith("it gave no statistically significant result.")
    both = findings.significant_results([effect(), effect("frequency", -0.5, -0.1)], labels={})
    assert both.items[0].text.startswith("Both measures can be reported; two of these gave a")


def test_significant_results_without_a_test():
    told = findings.significant_results([suppressed()], labels={})
    assert told.text == "- No test was made whose result can be reported."


def test_numbers_needed_puts_the_detectable_difference_first():
    one = findings.numbers_needed({"rate": effect("rate", -0.09, 0.04)}, words=PEOPLE).items[0].text
    assert one == (
        "The one-year proven reoffending rate: the smallest true difference that this analysis had "
        "a good chance (four in five) of detecting is 9.1 percentage points. If the true "
        "difference were as large as seen, it is estimated that 2,345 people would be needed in "
        "the treatment group to detect it."
    )


def test_numbers_needed_tells_another_power_as_it_is():
    one = findings.numbers_needed({"rate": effect("rate", -0.09, 0.04)}, words=PEOPLE, power=0.9)
    assert "had a good chance (90%) of detecting" in one.text


def test_numbers_needed_that_is_no_number():
    tiny = replace(effect("rate", -0.05, 0.06), numbers_needed=None)
    assert findings.numbers_needed({"rate": tiny}, words=PEOPLE).text.endswith(
        "The difference seen is too small to say how many people are needed."
    )
    none = replace(effect("rate", -0.05, 0.05), numbers_needed=None)
    assert findings.numbers_needed({"rate": none}, words=PEOPLE).text.endswith(
        "No difference was seen, so no number of people would be enough."
    )


@pytest.mark.parametrize(
    ("needed", "end"),
    [
        (
            Needed(2345.0, 3000.2, None, 0.0912, None),
            ", and 3,001 with one of the present size.",
        ),
        (
            Needed(2345.0, math.inf, None, 0.0912, None),
            "; with one of the present size, no number of people is enough.",
        ),
        (
            Needed(2345.0, 3000.2, 1200.5, 0.0912, 0.0701),
            ", and 3,001 with one of the present size. By the adjusted check, that smallest "
            "difference is 7.0 percentage points, and 1,201 people would be needed to detect the "
            "difference that the check gives.",
        ),
        (
            Needed(2345.0, 3000.2, math.inf, 0.0912, 0.0701),
            "is 7.0 percentage points, and no number of people would be enough.",
        ),
    ],
)
def test_numbers_needed_with_the_pool_as_it_is_and_by_the_adjusted_check(needed, end):
    told = findings.numbers_needed(
        {"rate": effect("rate", -0.09, 0.04)}, words=PEOPLE, needed={"rate": needed}
    )
    assert "to detect it, with a comparison group that grew in proportion" in told.text
    assert told.text.endswith(end)
    assert not re.search(r"\d", words_outside_figures(told.items[0]))


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (effect(), "is statistically significant, so no number needed is given."),
        (suppressed(), "because no result could be tested."),
        (untested(), "because no result could be tested."),
    ],
)
def test_numbers_needed_where_there_is_none(one, expected):
    assert findings.numbers_needed({"rate": one}, words=PEOPLE).text.endswith(expected)


# --- Balance, plan, notice ------------------------------------------------------------------------


def matched(greens, ambers, reds, worst):
    verdict = Verdict(reds == 0, "age", worst, greens, ambers, reds)
    return findings.balance_statement(verdict, pd.DataFrame(index=range(greens + ambers + reds)))


def test_balance_statement_in_bands():
    assert matched(27, 1, 0, 0.0721).text == (
        "The treatment and comparison groups were reasonably matched. Of the 28 recorded "
        "characteristics compared, 27 were well matched (green, a standardised difference of up to "
        "5%) and one was reasonably matched (amber, up to 10%). The largest standardised "
        "difference left is 7.2%."
    )


def test_balance_statement_and_summary_count_the_same_rows():
    balance = pd.DataFrame(
        {
            "band_before": ["red"] * 4,
            "band_after": ["green", "green", "amber", "green"],
            "smd_after": [0.01, 0.02, 0.06, 0.0],
            "variable": list("abcd"),
            "level": [""] * 4,
        }
    )
    told = findings.balance_statement(gate(balance), balance).text
    assert "Of the 4 recorded characteristics compared, three were well" in told
    assert [row[3].text for row in tables.balance_summary(balance).rows] == ["3", "1", "0"]
    with pytest.raises(ValueError, match="another table"):
        findings.balance_statement(gate(balance), balance.head(2))


def test_balance_statement_of_a_match_that_is_not_accepted():
    text = matched(3, 0, 1, 0.23).text
    assert "were poorly matched." in text
    assert text.endswith(
        "is 23.0%, more than is accepted, so no conclusion is drawn and no effect is reported. The "
        "status of this analysis is “not balanced”."
    )


def test_balance_statement_of_groups_that_differ_in_combination_only():
    verdict = Verdict(False, "age", 0.08, 3, 1, 0)
    text = findings.balance_statement(verdict, pd.DataFrame(index=range(4))).text
    assert "is 8.0%; but their squares or interactions differ by more than is accepted, so" in text


def test_overall_result_of_groups_that_are_not_balanced():
    effects = headline(*(suppressed(name, NOT_BALANCED) for name in HEADLINE))
    assert overall(effects).endswith(
        "The two groups could not be made alike enough to be compared (status: not balanced), so "
        "no result is reported and no conclusion can be drawn about reoffending. This says nothing "
        "for or against the programme."
    )


def version(measure, low, high, **more):
    """The version for everyone of a measure among reoffenders, with this interval."""
    return effect(EVERYONE[measure].name, low, high, **more)


def custody(*others, significant=(-0.1, -0.02)):
    told = findings.significant_results([effect("first_custody", *significant), *others], labels={})
    return told.items[-1]


LEAD = "p < 0.01; this describes reoffenders only, and counting everyone, "
SHARE_IN_CUSTODY = "the share of people whose first reoffence led to custody"


@pytest.mark.parametrize(
    ("low", "high", "end"),
    [
        (-0.1, -0.02, f"{SHARE_IN_CUSTODY} was also lower (24% against 30%; p < 0.01)."),
        (0.02, 0.1, f"on the contrary, {SHARE_IN_CUSTODY} was higher (36% against 30%; p < 0.01)."),
        (
            -0.1,
            0.1,
            f"{SHARE_IN_CUSTODY} does not differ significantly (30% against 30%; p = 0.30).",
        ),
    ],
)
def test_a_result_among_reoffenders_never_stands_alone(low, high, end):
    sentence = custody(version("first_custody", low, high))
    assert sentence.text.endswith(LEAD + end)
    assert not re.search(r"\d", words_outside_figures(sentence))


def test_means_that_are_printed_alike_are_said_to_differ_before_rounding():
    close = replace(effect("rate", -0.004, -0.001), treatment=Group(900, 900, 0.4475, 0.5))
    label = {"headline": "Course: 12 weeks"}
    told = findings.significant_results([close], labels=label).items[1]
    assert told.text == (
        "Course (12 weeks): the one-year proven reoffending rate was lower in the treatment group "
        "(45%) than in the comparison group (45%; they differ before rounding), p < 0.01."
    )
    assert "12" not in words_outside_figures(told)


def test_a_result_among_reoffenders_without_its_version_says_so():
    assert custody().text.endswith(f"{LEAD}no result can be reported.")
    withheld = suppressed(EVERYONE["first_custody"].name)
    assert custody(withheld).text.endswith(f"{LEAD}no result can be reported.")
    elsewhere = version("first_custody", -0.1, -0.02, analysis="men")
    assert custody(elsewhere).text.endswith(f"{LEAD}no result can be reported.")


def test_versions_for_everyone_are_no_tests_of_their_own():
    every = [effect(), version("first_custody", -0.1, -0.02), version("days_to_first", 2.0, 9.0)]
    told = findings.significant_results(every, labels={})
    assert len(told.items) == 2
    assert told.items[0].text.startswith("Of the one measure, one can be reported; it gave a ")


def test_time_without_reoffence_is_told_in_days():
    sentence = findings.significant_results(
        [
            effect("days_to_first", -20.0, -2.0),
            version("days_to_first", 2.0, 20.0, comparison_mean=240.0),
        ],
        labels={},
    ).items[1]
    assert sentence.text.endswith(
        "counting everyone, on the contrary, the average time without a proven reoffence in the "
        "year was longer (251 days against 240 days; p < 0.01)."
    )


UNCOUNTED = (
    "Versions for everyone and adjusted checks are not counted here, and neither are tests whose "
    "result is withheld."
)


def test_multiplicity_of_one_test_and_of_none():
    assert findings.multiplicity_statement([suppressed()]).text == (
        "- No test was made whose result can be reported."
    )
    one = findings.multiplicity_statement([effect()]).items
    assert one[0].text == (
        "The main result is one test, fixed before any outcome was read: that of the one-year "
        "proven reoffending rate in the headline analysis."
    )
    assert [item.text for item in one[1:]] == [
        "No other test was made that can be reported.",
        UNCOUNTED,
    ]


def test_multiplicity_of_many_tests_by_hand():
    """Of p = 0.004, 0.04 and 0.3 Holm keeps the first (x 3), and so does Benjamini and Hochberg."""
    every = [
        effect(),
        effect("frequency", -0.5, -0.1),
        replace(effect("days_to_first", 2.0, 9.0), p_value=0.04),
        effect("first_custody", -0.1, 0.1),
        version("first_custody", -0.1, -0.02),
    ]
    told = findings.multiplicity_statement(every).items
    assert told[1].text == (
        "Besides it, three other tests were made, of other measures or other analyses; two of them "
        "are significant at the level of 5%, and if no programme had any effect, fewer than one "
        "would be expected to be so by chance alone."
    )
    assert told[2].text == (
        "No correction is made for the number of tests. If one were made, one of these other "
        "results would still be significant by Holm's rule, which keeps any false finding "
        "unlikely, and one by that of Benjamini and Hochberg, which keeps the share of false "
        "findings low."
    )
    assert told[3].text == UNCOUNTED
    for sentence in told:
        assert not re.search(r"\d", words_outside_figures(sentence))


def test_multiplicity_where_the_main_test_cannot_be_told():
    told = findings.multiplicity_statement([suppressed(), effect("frequency", -0.5, -0.1)]).items
    assert told[0].text == (
        "The main test, of the one-year proven reoffending rate in the headline analysis, has no "
        "result that can be told."
    )
    assert told[1].text == (
        "Besides it, one other test was made; it is significant at the level of 5%."
    )


def test_multiplicity_of_one_other_test():
    told = findings.multiplicity_statement([effect(), effect("frequency", -0.5, 0.1)]).items
    assert [item.text for item in told[1:]] == [
        "Besides it, one other test was made; it is not significant at the level of 5%.",
        UNCOUNTED,
    ]


def test_multiplicity_where_nothing_else_is_significant_or_stays_so():
    unclear = [effect("frequency", -0.5, 0.1), effect("days_to_first", -9.0, 9.0)]
    told = findings.multiplicity_statement([effect(), *unclear]).items
    assert told[2].text == (
        "No correction is made for the number of tests; with one, none of these results would be "
        "significant either."
    )
    weak = replace(effect("first_custody", -0.1, -0.02), p_value=0.04)
    told = findings.multiplicity_statement([effect(), *unclear, weak]).items
    assert told[2].text.startswith(
        "No correction is made for the number of tests. If one were made, none of these other "
        "results would still be significant, neither by Holm's rule, which"
    )


def test_multiplicity_that_only_the_weaker_rule_keeps():
    """Of p = 0.02, 0.03 and 0.04, Holm asks 0.06 of the first; the other rule 0.04 of the last."""
    weak = [
        replace(effect("frequency", -0.5, -0.1), p_value=0.02),
        replace(effect("days_to_first", 2.0, 9.0), p_value=0.03),
        replace(effect("first_custody", -0.1, -0.02), p_value=0.04),
    ]
    told = findings.multiplicity_statement([effect(), *weak]).items[2].text
    assert "none of these other results would still be significant by Holm's rule" in told
    assert ", and three by that of Benjamini and Hochberg" in told


def test_balance_statement_all_well_matched():
    assert (
        "groups were well matched. Of the 4 recorded characteristics compared, four were well "
        "matched (green, a standardised difference of up to 5%). The"
    ) in matched(4, 0, 0, 0.01).text


def test_balance_statement_of_nobody():
    text = findings.balance_statement(Verdict(False, None, None, 0, 0, 0), pd.DataFrame()).text
    assert text == "The groups could not be matched, so they cannot be compared."


def test_plan_sentence_carries_the_hash_as_a_figure():
    told = findings.plan_sentence("0ab1" * 16)
    assert [f.text for f in told.figures()] == ["5%", "0ab1" * 16]
    assert "does not yet hold" in told.text
    told = findings.plan_sentence("0ab1" * 16, read_on=dt.date(2014, 3, 3))
    assert "fixed before any outcomes were read. They were first read on 3 March 2014." in told.text


@dataclass
class Criterion:
    code: str
    text: str


def test_what_is_estimated_and_what_it_is_not_compared_with():
    told = findings.estimand_statement(words=Words.of("female"), programme=PROGRAMME)
    assert [item.text for item in told.items] == [
        "What is estimated is the effect of Harbour Mentoring on women like those analysed, beside "
        "usual practice. Usual practice is not nothing: it may include similar services.",
        "Women who were not analysed, or who take part elsewhere or later, may respond in another "
        "way.",
        "The rates are those of two groups chosen to be alike. They cannot be compared with "
        "national rates of reoffending, which are of everybody and counted in another way.",
    ]


def test_a_correction_says_when_what_and_why():
    why = "Tarnside Trust sent 12 people\n twice. They are now counted once."
    made = Correction("2014-03", why, dt.date(2014, 4, 3))
    told = findings.correction_statement(made)
    assert told.text == (
        "This report was corrected on 3 April 2014. It replaces the one published in March 2014. "
        "What changed: Tarnside Trust sent 12 people twice. They are now counted once."
    )
    assert not re.search(r"\d", words_outside_figures(told))


def test_outcome_notice_gives_every_reason():
    reasons = [
        Criterion("minimum_people", "Details of 41 people were submitted; at least 60 are needed."),
        Criterion("data_sharing", "The organisation has not signed off."),
    ]
    told = findings.outcome_notice(reasons, organisation="Small Steps")
    assert [item.text for item in told.items] == [
        "This request from Small Steps could not be processed as the minimum criteria for analyses "
        "through the Data Lab had not been met.",
        "Details of 41 people were submitted; at least 60 are needed.",
        "The organisation has not signed off.",
    ]
    assert [figure.text for figure in told.figures()] == ["41", "60"]


def test_outcome_notice_of_a_withdrawn_request_does_not_blame_the_criteria():
    told = findings.outcome_notice(
        [Criterion("minimum_people", "Too few."), Criterion("withdrawn", "Withdrawn.")],
        organisation="North Star",
    )
    assert told.text == "- This request was withdrawn by North Star."


# --- The bulletin ---------------------------------------------------------------------------------

MARCH_2014 = {
    "received": 80,
    "published": 55,
    "ready": 2,
    "not_processed": 12,
    "withdrawn": 1,
    "remaining": 10,
}
JANUARY_2014 = {
    "received": 73,
    "published": 36,
    "ready": 10,
    "not_processed": 11,
    "withdrawn": 1,
    "remaining": 15,
}


def test_main_findings_of_march_2014_are_those_published():
    assert [item.text for item in bulletin.main_findings(MARCH_2014).items] == [
        "To date, the Justice Data Lab has received 80 requests for re-offending information, "
        "including 55 reports which have already been published. A further 2 are now complete and "
        "ready for publication, bringing the total of completed reports to 57.",
        "To date, there have been 12 requests that could not be processed as the minimum criteria "
        "for analyses through the Data Lab had not been met, and one further request that was "
        "withdrawn by the submitting organisation. The remaining requests will be published in "
        "future monthly releases of these statistics.",
    ]


def test_main_findings_of_january_2014():
    first, second = (item.text for item in bulletin.main_findings(JANUARY_2014).items)
    assert "has received 73 requests" in first
    assert "including 36 reports which" in first
    assert "A further 10 are now complete" in first
    assert first.endswith("to 46.")
    assert "have been 11 requests" in second


def test_main_findings_in_the_singular():
    counts = {
        "received": 5,
        "published": 1,
        "ready": 1,
        "not_processed": 1,
        "withdrawn": 1,
        "remaining": 1,
    }
    first, second = (item.text for item in bulletin.main_findings(counts).items)
    assert "including 1 report which has already been published. A further one is now" in first
    assert "there has been one request that could" in second
    assert second.endswith(
        "The remaining request will be published in a future monthly release of these statistics."
    )


def test_main_findings_of_nothing():
    counts = dict.fromkeys(MARCH_2014, 0)
    first, second = (item.text for item in bulletin.main_findings(counts).items)
    assert first == (
        "To date, the Justice Data Lab has received 0 requests for re-offending information. None "
        "is newly complete this month, and the total of completed reports is 0."
    )
    assert second == (
        "To date, there have been no requests that could not be processed as the minimum criteria "
        "for analyses through the Data Lab had not been met. No request remains to be published."
    )


def test_main_findings_with_two_withdrawn_and_the_first_ready_report():
    counts = {
        "received": 5,
        "published": 0,
        "ready": 1,
        "not_processed": 0,
        "withdrawn": 2,
        "remaining": 2,
    }
    first, second = (item.text for item in bulletin.main_findings(counts).items)
    assert "information. Of these, one is now complete and ready" in first
    assert "and 2 requests that were withdrawn by the submitting organisations. The" in second


def test_main_findings_refuse_counts_that_do_not_add_up():
    with pytest.raises(ValueError, match="received = published"):
        bulletin.main_findings(MARCH_2014 | {"remaining": 11})


def result(id_="footprints", rate=None, frequency=None, **request):
    effects = {
        "rate": rate or effect("rate", -0.09, 0.04),
        "frequency": frequency or effect("frequency", -0.5, 0.1),
    }
    fields = ("measure", "difference", "ci_low", "ci_high", "conclusion")
    return {
        "status": "reported",
        "request": {"id": id_, "organisation": "The Footprints Project"}
        | {"programme": "The Footprints Project", "extends": []}
        | request,
        "analyses": [
            {
                "id": "headline",
                "headline": True,
                "measures": [
                    {name: getattr(e, name) for name in fields} | {"treatment_n": e.treatment.n}
                    for e in effects.values()
                ],
            }
        ],
    }


LOG = pd.DataFrame(
    {
        "id": ["family-2012", "family-2013", "footprints", "family"],
        "organisation": ["Safe Ground"] * 4,
        "release": ["2013-10", "2013-11", "2014-03", "2014-03"],
        "status_then": ["published", "published", "ready", "ready"],
        "programme": ["Family Man"] * 4,
        "sector": ["voluntary", "private", "voluntary", None],
        "intervention_type": ["arts"] * 4,
        "reason": [None] * 4,
    }
)
FAMILY = {
    "organisation": "Safe Ground",
    "programme": "the Family Man programme",
    "extends": ["family-2012", "family-2013"],
}


def test_this_month_in_the_words_of_march_2014():
    told = bulletin.this_month([result(), result("family-man", **FAMILY)], LOG)
    assert [item.text for item in told.items] == [
        "One report looks at the effectiveness of the Family Man programme run by Safe Ground. "
        "This analysis includes offenders from the two previous Safe Ground requests published in "
        "October and November 2013. This analysis shows that the impact of this intervention on "
        "re-offending is currently inconclusive.",
        "One report looks at the effectiveness of The Footprints Project. This analysis shows that "
        "the impact of this intervention on re-offending is currently inconclusive.",
    ]
    assert "October and November 2013" in [figure.text for figure in told.figures()]


def test_this_month_with_one_earlier_request():
    one = result("family-man", **FAMILY | {"extends": ["family-2013"]})
    told = bulletin.this_month([one], LOG).text
    assert "from the previous Safe Ground request published in November 2013." in told


def test_this_month_names_months_of_several_years():
    log = LOG.assign(release=["2013-11", "2014-01", "2014-03", "2014-03"])
    told = bulletin.this_month([result("family-man", **FAMILY)], log).text
    assert "published in November 2013 and January 2014." in told


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (
            effect("rate", -0.131, -0.002),
            "re-offended less than the comparison group: the one-year proven re-offending rate was "
            "lower by between 0.2 and 13 percentage points, a statistically significant result.",
        ),
        (effect("rate", 0.02, 0.1), "re-offended more than the comparison group"),
        (suppressed(), "No result of this analysis can be shown."),
    ],
)
def test_this_month_by_conclusion(rate, expected):
    assert expected in bulletin.this_month([result(rate=rate)], LOG).text


def test_this_month_adds_a_significant_frequency_to_an_inconclusive_rate():
    told = bulletin.this_month([result(frequency=effect("frequency", -0.5, -0.1))], LOG).text
    assert told.endswith(
        "This analysis shows that those who took part committed fewer proven re-offences per "
        "person than the comparison group, a statistically significant result. The impact of this "
        "intervention on the one-year proven re-offending rate is currently inconclusive."
    )


def test_this_month_tells_a_frequency_that_points_the_other_way():
    both = result(rate=effect("rate", -0.1, -0.02), frequency=effect("frequency", 0.1, 0.5))
    assert bulletin.this_month([both], LOG).text.endswith(
        "However, they committed more proven re-offences per person, also a statistically "
        "significant result."
    )
    alike = result(rate=effect("rate", -0.1, -0.02), frequency=effect("frequency", -0.5, -0.1))
    assert "However" not in bulletin.this_month([alike], LOG).text


def test_this_month_refuses_a_conclusion_against_its_interval():
    wrong = result(rate=replace(effect("rate", -0.1, -0.02), conclusion="increase"))
    with pytest.raises(ValueError, match="contradicts"):
        bulletin.this_month([wrong], LOG)


@pytest.mark.parametrize(
    ("reports", "lead"),
    [
        (0, "No report is being published this month."),
        (1, "Of the one report being published this month:"),
        (2, "Of the 2 reports being published this month:"),
    ],
)
def test_this_month_lead(reports, lead):
    stopped = {"status": "not processed", "request": {"id": "small-steps"}, "analyses": []}
    results = [stopped, *(result(f"r{place}") for place in range(reports))]
    assert bulletin.this_month_lead(results).text == lead
    assert len(bulletin.this_month(results, LOG).items) == reports


def outcomes(reductions, inconclusive, increases, fewer=0, unknown=0):
    rates = ["reduction"] * reductions + ["inconclusive"] * inconclusive
    rates += ["increase"] * increases + [None] * unknown
    frequency = [None] * reductions + ["reduction"] * fewer
    frequency += ["inconclusive"] * (len(rates) - len(frequency))
    return bulletin.outcomes_to_date(
        pd.DataFrame({"rate_result": rates, "frequency_result": frequency})
    )


def test_outcomes_of_september_2015_beside_chance():
    assert [item.text for item in outcomes(37, 90, 7, fewer=11).items] == [
        "Of the 134 analyses completed so far, 37 analyses indicated statistically significant "
        "reductions in re-offending on the one-year proven re-offending rate.",
        "In 90 analyses there was insufficient evidence to draw a conclusion about the effect on "
        "the one-year proven re-offending rate.",
        "Of these 90, eleven analyses show statistically significant reductions in the frequency "
        "of re-offending.",
        "Seven analyses indicated statistically significant increases in re-offending on the "
        "one-year proven re-offending rate.",
        "If no programme had any effect, about 3 of 134 analyses would be expected to give a "
        "significant result in each direction by chance alone.",
    ]


def test_outcomes_in_the_singular():
    first, second, third, fourth, fifth, sixth = outcomes(1, 1, 1, fewer=1, unknown=1).items
    assert first.text.startswith("Of the 3 analyses counted here, 1 analysis indicated a stat")
    assert second.text.startswith("In 1 analysis there was insufficient")
    assert third.text.startswith("That analysis shows a statistically significant reduction in")
    assert fourth.text.startswith("One analysis indicated a statistically significant increase in")
    assert "fewer than one of 3 analyses" in fifth.text
    assert sixth.text == (
        "One further analysis is not counted here: its result is in an earlier release that was "
        "not at hand, or could not be shown."
    )


@pytest.mark.parametrize("many", [0, 1, 2, 12, 13, 40])
def test_no_sentence_of_the_outcomes_begins_with_a_digit(many):
    for item in outcomes(many, many, many, fewer=many, unknown=max(many, 1)).items:
        assert not item.text[0].isdigit()
        assert not re.search(r"\b(one|1) analyses|\bno analyses there", item.text)


def test_outcomes_that_are_none_or_many():
    none = [item.text for item in outcomes(3, 0, 0).items]
    assert none[1] == "No analysis was inconclusive on the one-year proven re-offending rate."
    assert none[2].startswith("No analysis indicated a statistically significant increase in")
    alone = outcomes(0, 1, 15, unknown=38).text
    assert "That analysis does not show a statistically significant reduction in" in alone
    assert "In 15 analyses there were statistically significant increases in" in alone
    assert (
        "Another 38 analyses are not counted here: their results are in earlier releases that were "
        "not at hand, or could not be shown."
    ) in alone


def test_outcomes_of_nothing():
    assert outcomes(0, 0, 0).text == "- No analysis has yet given a result."


def test_completed_joins_the_log_and_the_results():
    results = pd.DataFrame(
        {
            "id": ["footprints", "footprints", "family-2012"],
            "measure": ["rate", "frequency", "rate"],
            "conclusion": ["reduction", "inconclusive", "increase"],
            "treatment_n": [72, 72, 200],
            "difference": [-0.12, -0.4, 0.1],
            "ci_low": [-0.23, -0.9, 0.02],
            "ci_high": [-0.01, 0.1, 0.18],
        }
    )
    log = LOG.assign(status_then=["published", "withdrawn", "ready", "remaining"])
    told = bulletin.completed(log, results)
    assert list(told["id"]) == ["footprints", "family-2012"]
    assert list(told["rate_result"]) == ["reduction", "increase"]
    assert told["frequency_result"].iloc[0] == "inconclusive"
    assert pd.isna(told["frequency_result"].iloc[1])


def test_service_update_makes_its_numbers_figures():
    told = bulletin.service_update(
        "Data for 2011 added.", last_index_date="2011-12-31", synthetic=True
    )
    assert [figure.text for figure in told.figures()] == ["2011", "31 December 2011"]
    assert "nobody in them is a real person" in told.text


# --- Numbers in print -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "places", "scale", "text"),
    [
        (0.285, 0, 100, "29"),
        (0.125, 2, 1, "0.13"),
        (-0.004, 0, 100, "0"),
        (-0.4, 0, 1, "0"),
        (1234.5, 0, 1, "1,235"),
        (2.5, 0, 1, "3"),
        (-2.5, 0, 1, "-3"),
    ],
)
def test_number_rounds_the_decimal_half_away_from_nought(value, places, scale, text):
    assert number(value, places, scale) == text


@pytest.mark.parametrize(
    ("value", "places", "scale", "text"),
    [
        (-0.002, 0, 100, "-0.2"),
        (0.00004, 0, 100, "0.004"),
        (0.0, 0, 100, "0"),
        (-0.001, 2, 1, "-0.001"),
    ],
)
def test_bound_keeps_the_sign_of_a_small_limit(value, places, scale, text):
    assert bound(value, places, scale) == text


@pytest.mark.parametrize(
    ("part", "text"), [(0, "0%"), (1, "<1%"), (4, "<1%"), (5, "1%"), (1000, "100%"), (None, "[c]")]
)
def test_share_is_of_the_total(part, text):
    assert share("x", part, 1000).text == text


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0004, "<0.01"),
        (0.01, "0.01"),
        (0.0501, "0.0501"),
        (0.05, "0.05"),
        (0.0499, "0.05"),
        (0.2, "0.20"),
    ],
)
def test_p_value_never_hides_on_which_side_of_five_per_cent_it_is(p, text):
    told = p_value("x", p).text
    assert told == text


def test_missing_values_are_withheld():
    assert percentage("x", float("nan")).suppressed
    assert counted("x", None).text == "[c]"


def test_quoted_text_is_whole_and_its_numbers_are_figures():
    parts = quoted("x", "From 1,234 to 2.5, in 2013.")
    assert Sentence(parts).text == "From 1,234 to 2.5, in 2013."
    assert [part.text for part in parts if isinstance(part, Figure)] == ["1,234", "2.5", "2013"]


def test_direction_refuses_a_conclusion_against_its_interval():
    for wrong in (
        replace(effect("rate", -0.1, 0.1), conclusion="reduction", significant=True),
        replace(effect("rate", -0.1, -0.02), conclusion="increase"),
        replace(effect("rate", -0.1, -0.02), conclusion="inconclusive", significant=False),
        replace(suppressed(), significant=True),
    ):
        with pytest.raises(ValueError, match="contradicts"):
            direction(wrong)


# --- Results for tests of properties: test_grammar, test_tables, test_charts ----------------------

widths = {"rate": 1.0, "frequency": 30.0, "days_to_first": 365.0}


@st.composite
def effects_by_measure(draw):
    return {name: draw(any_effect(name)) for name in HEADLINE}


@st.composite
def any_effect(draw, measure):
    kind = draw(st.sampled_from(["tested", "tested", "tested", "suppressed", "untested"]))
    if kind != "tested":
        return suppressed(measure) if kind == "suppressed" else untested(measure)
    limit = widths[measure]
    limits = st.one_of(
        st.floats(-limit, limit), st.sampled_from([-0.011, -0.004, -1e-9, 1e-9, 0.004, 0.5])
    )
    low, high = sorted((draw(limits), draw(limits)))
    if low <= 0 <= high or low == high:
        low, high = min(low, -1e-6), max(high, 1e-6)
    n = draw(st.sampled_from([1, 30, 60, 900, 18_555]))
    return effect(measure, low, high, n=n, comparison_mean=draw(st.floats(0, limit)))


any_words = st.sampled_from([Words.of(sex) for sex in ("all", "male", "female")])
