"""What stands beside the headline: agreement in words, and nothing claimed beyond it."""

import re
from dataclasses import replace

import pytest
from test_findings import PEOPLE, effect, suppressed, untested, version, words_outside_figures
from test_tables import stray_digits, texts

from jdl import checks
from jdl.companion import Adjusted
from jdl.disclosure import NOT_BALANCED, WITHHELD
from jdl.outcomes import Delays
from jdl.sensitivity import Choice
from jdl.survival import Survival
from jdl.unmeasured import Bounds, EValue
from jdl.wording import ALLOWED_DIGITS, Words, has_range

MEN = Words.of("male")
EFFECTS = {
    "rate": effect(),
    "frequency": effect("frequency", -0.5, 0.1),
    "days_to_first": effect("days_to_first", -20.0, 20.0),
}


def check(measure="rate", low=-0.12, high=-0.02, conclusion="reduction", **more):
    given = {"errors": "HC2 by person", "places": 12, "p_value": 0.013, **more}
    return Adjusted(
        "headline", measure, "logistic", (low + high) / 2, 0.02, low, high,
        conclusion=conclusion, **given,
    )  # fmt: skip


def hold_words(published):
    """Every number is a figure, and no word stands twice in a row."""
    for sentence in getattr(published, "items", (published,)):
        outside = words_outside_figures(sentence)
        for allowed in ALLOWED_DIGITS:
            outside = outside.replace(allowed, "")
        assert not re.search(r"\d", outside), sentence.text
        assert not re.search(r"\b(\w+) \1\b", re.sub(r"\d[\d,.]*", "#", sentence.text))
        assert "  " not in sentence.text and sentence.text.endswith(".")
        assert sentence.text[0].isupper() or sentence.text[0].isdigit()
    return published


def adjusted(*made, effects=EFFECTS):
    told = checks.adjusted_statement(effects, {one.measure: one for one in made})
    return [item.text for item in hold_words(told).items]


def test_an_adjusted_check_that_agrees():
    said = adjusted(check())
    assert said[0] == (
        "As a check, the comparison was made again with an adjustment for the recorded differences "
        "that matching had left. By this adjusted check, the difference in the one-year proven "
        "reoffending rate is -12 to -2 percentage points (95% confidence interval). It agrees with "
        "the headline result."
    )
    assert said[1] == (
        "An adjusted check cannot remove differences between the groups that are not recorded. The "
        "headline result stays the result of this report."
    )


@pytest.mark.parametrize(
    ("one", "rate", "said"),
    [
        (check(conclusion="inconclusive", high=0.01), effect(), "while the check is not"),
        (check(), effect("rate", -0.1, 0.1), "no conclusion is drawn from the check alone"),
        (check(low=0.01, high=0.1, conclusion="increase"), effect(), "It contradicts the headline"),
        (check(), suppressed(), "There is no headline result to compare it with"),
    ],
)
def test_an_adjusted_check_that_does_not_agree(one, rate, said):
    assert said in adjusted(one, effects=EFFECTS | {"rate": rate})[0]


def test_an_adjusted_check_of_the_other_headline_measures():
    said = adjusted(
        check(),
        check("frequency", -0.4, 0.2, "inconclusive"),
        check("days_to_first", 2.0, 9.0, "increase"),
    )
    assert said[1] == "On the frequency of reoffending it agrees with the headline analysis."
    assert said[2] == (
        "On the time to the first proven reoffence it does not agree with the headline analysis: "
        "see the table."
    )


def test_an_adjusted_check_without_a_result_gives_its_reason():
    said = adjusted(Adjusted("headline", "rate", "logistic", reason="Fewer than 10 reoffended."))
    assert said[0].endswith(
        "It gives no result for the one-year proven reoffending rate: fewer than 10 reoffended."
    )
    assert adjusted() == []


def test_the_table_of_adjusted_checks():
    made = {
        "rate": check(),
        "frequency": check("frequency", -0.6, -0.1),
        "days_to_first": Adjusted("headline", "days_to_first", "linear"),
        "first_custody": check("first_custody"),
    }
    effects = EFFECTS | {"days_to_first": suppressed("days_to_first")}
    table = checks.adjusted_table(effects, made)
    assert texts(table) == [
        [
            "One-year proven reoffending rate, percentage points",
            *("-11 to -3", "Yes, lower", "-12 to -2", "0.01", "Agrees"),
        ],
        [
            "Frequency of proven reoffending, reoffences per person",
            *("-0.50 to 0.10", "No", "-0.60 to -0.10", "0.01"),
            "Only the adjusted check is significant",
        ],
        ["Average time to first proven reoffence, days", "[c]", "[c]", "[c]", "[c]", "[c]"],
    ]
    assert stray_digits(table) == []
    assert texts(checks.adjusted_table(effects, {}))[0][0] == "No measure"


def test_a_result_without_a_test_has_an_adjusted_check_all_the_same():
    rows = texts(checks.adjusted_table({"rate": untested()}, {"rate": check()}))
    assert rows[0][1:4] == ["[z]", "No", "-12 to -2"]


@pytest.mark.parametrize(
    ("places", "beside", "said"),
    [
        (
            None,
            None,
            "In which prison people were is not known, so it cannot be said whether a difference "
            "belongs to the programme or to the prison.",
        ),
        (
            1,
            None,
            "The men analysed come from one prison. With fewer than ten, an effect of the "
            "programme cannot be told from one of the prison.",
        ),
        (
            9,
            "Within the same prisons",
            "The men analysed come from nine prisons. With fewer than ten, an effect of the "
            "programme cannot be told from one of the prison; the analysis “Within the same "
            "prisons” compares them with others of the same prison.",
        ),
        (
            10,
            None,
            "The men analysed come from ten prisons. The adjusted check allows for men of one "
            "prison being more alike than others.",
        ),
    ],
)
def test_places(places, beside, said):
    told = checks.places_statement(places, kind="prison", words=MEN, beside=beside)
    assert hold_words(told).text == said


def test_places_that_the_errors_do_not_know_are_only_counted():
    told = checks.places_statement(12, kind="region", words=MEN, clustered=False)
    assert hold_words(told).text == "The men analysed come from twelve regions."


def test_the_check_of_groups_made_equal_is_said_otherwise():
    made = replace(check(), model="entropy balancing", errors="M-estimation by person")
    assert adjusted(made)[0].startswith(
        "As a check, the difference was tested again with an error that knows how the groups were "
        "made equal on everything they were matched on. By this adjusted check, the difference in "
    )
    table = checks.adjusted_table(EFFECTS, {"rate": made})
    assert "Entropy balancing has made the groups equal" in table.notes[0]
    assert "models the outcome" in checks.adjusted_table(EFFECTS, {"rate": check()}).notes[0]


# --- Everyone -------------------------------------------------------------------------------------


def test_measures_of_reoffenders_stand_beside_everyone():
    effects = [
        effect(),
        effect("days_to_first", -20.0, -2.0),
        version("days_to_first", 2.0, 20.0, comparison_mean=240.0),
        effect("first_custody", -0.1, -0.02),
        suppressed("first_custody_everyone"),
        effect("frequency_custody", -0.1, 0.1),
    ]
    table = checks.everyone_table(effects, labels={"headline": "National"})
    assert texts(table) == [
        [
            "Average time to first proven reoffence, days", "National", "-20 to -2", "251", "240",
            "2 to 20", "Yes, longer",
        ],
        [
            "Custodial sentence for the first proven reoffence, percentage points", "National",
            "-10 to -2", "[c]", "[c]", "[c]", "[c]",
        ],
    ]  # fmt: skip
    assert table.rows[0][6].tone == "green"
    assert stray_digits(table) == []
    assert texts(checks.everyone_table([effect()], labels={}))[0][0] == "No measure"
    assert not any("left out" in note for note in table.notes)


def test_rows_with_nothing_to_tell_are_left_out_of_the_versions_for_everyone():
    effects = [suppressed("first_custody"), suppressed("first_custody_everyone")]
    effects += [effect("days_to_first", -20.0, -2.0), suppressed("time_without_reoffence")]
    table = checks.everyone_table(effects, labels={})
    assert [row[0] for row in texts(table)] == ["Average time to first proven reoffence, days"]
    assert table.notes[-1].endswith("Rows that are withheld throughout are left out.")


CURVE = Survival(
    "headline", (0, 90, 180, 365), (1.0, 0.9, 0.8, 0.62), (1.0, 0.85, 0.7, 0.55),
    301.2, 280.4, 20.8, 3.3, 38.1, 0.02, notes=("A death counts as 1 year.",),
)  # fmt: skip


def test_time_without_reoffence_stands_with_its_fixed_sentence():
    said = hold_words(checks.survival_statement(CURVE, words=MEN)).items
    assert said[0].text == (
        "Counting everyone, men in the treatment group spent 301 days of the year without a proven "
        "reoffence on average, and the comparison group 280: a difference of 3 to 38 days more "
        "(95% confidence interval), which is statistically significant."
    )
    assert said[1].text == checks.REVERSAL
    assert said[2].text == "A death counts as 1 year."


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-30.2, -4.1, "a difference of 4 to 30 days fewer (95%"),
        (-5.2, 7.4, "a difference between 5 days fewer and 7 more (95%"),
        (-1.0, 0.4, "a difference between 1 day fewer and 0.4 more (95%"),
    ],
)
def test_a_difference_in_days_has_a_direction(low, high, told):
    curve = replace(CURVE, ci_low=low, ci_high=high, p_value=0.5)
    assert told in hold_words(checks.survival_statement(curve, words=MEN)).items[0].text


def test_time_without_reoffence_that_is_unclear_untested_or_withheld():
    unclear = checks.survival_statement(replace(CURVE, ci_low=-2.0, p_value=0.3), words=PEOPLE)
    assert unclear.items[0].text.endswith(
        ": a difference between 2 days fewer and 38 more (95% confidence interval), which is not "
        "statistically significant, and there may be no difference."
    )
    untested_ = checks.survival_statement(replace(CURVE, ci_low=None, p_value=None), words=PEOPLE)
    assert untested_.items[0].text.endswith("and the comparison group 280.")
    none = checks.survival_statement(
        Survival("headline", (), (), (), reason="Withheld."), words=MEN
    )
    assert none.items[0].text == "The time without reoffence cannot be told: withheld."
    assert none.items[1].text == checks.REVERSAL


# --- Unmeasured needs -----------------------------------------------------------------------------

VALUE = EValue("headline", "rate", 2.2, 1.62, "drugs", 1.31)


LABELS = {
    "drugs": "Drug use", "copas_rate": "Copas rate", "ogrs": "OASys reconviction score",
    "ethnicity": "Ethnicity", "sentence_band": "Length of sentence",
}  # fmt: skip


def unmeasured(value):
    return hold_words(checks.unmeasured_statement(value, labels=LABELS))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("copas_rate", "Copas rate"),
        ("ogrs", "OASys reconviction score"),
        ("ethnicity: black", "ethnicity (Black)"),
        ("sentence_band: under 6 months", "length of sentence (under 6 months)"),
        ("first_conviction", "first conviction"),
    ],
)
def test_the_strongest_characteristic_is_named_as_in_running_text(name, told):
    said = unmeasured(replace(VALUE, strongest_variable=name)).text
    assert f"the strongest recorded characteristic, {told}, reaches 1.3" in said


def test_how_strong_an_unmeasured_need_must_be():
    assert unmeasured(VALUE).items[0].text == (
        "Something that is not recorded, such as drug relapse, homelessness or motivation, would "
        "make the headline result no longer significant only if, beyond all that was matched on, "
        "it made both taking part and reoffending at least 1.6 times as likely, or as unlikely; "
        "the strongest recorded characteristic, drug use, reaches 1.3 on the same scale, so it "
        "would have to be stronger than anything recorded."
    )
    assert "something as strong as that would be enough." in (
        unmeasured(replace(VALUE, strongest_ratio=1.7)).text
    )
    assert unmeasured(replace(VALUE, strongest_variable=None)).text.endswith("as unlikely.")
    assert "Even a slight difference" in unmeasured(replace(VALUE, limit=1.0)).text
    assert unmeasured(None).items == ()


def test_rosenbaum_bounds_are_those_of_another_match():
    table = checks.bounds_table(Bounds((1.0, 1.1, 1.5), (0.004, 0.03, 0.2), "fewer", 400, 180))
    assert texts(table) == [["1.0", "<0.01"], ["1.1", "0.03"], ["1.5", "0.20"]]
    assert "not to the match that the report rests on" in table.notes[0]


# --- The time that courts take --------------------------------------------------------------------

DELAYS = Delays(12_340, 320, 74.0, ((2006, 0.02), (2007, 0.04), (2008, 0.03)))


def delays(told, words=PEOPLE):
    return [item.text for item in checks.court_delays_statement(told, words=words).items]


def test_court_delays_bear_on_both_groups():
    assert delays(DELAYS, Words.of("male")) == [
        "An offence of the year counts only if it was proven by the end of the six months after "
        "the year. Where courts take longer, an offence goes uncounted.",
        "Of about 12,340 offences that men in the comparison group committed within the year and "
        "that were proven by the end of the data, about 320 (3%) were proven too late to count.",
        "That share was lowest, 2%, where the year of follow-up began in 2006, and highest, 4%, "
        "where it began in 2007.",
        "Half of these offences led to a conviction within 74 days of being committed.",
        "The rule is the same for both groups, so delays make both look as if they had reoffended "
        "somewhat less. They bear on the difference only as far as the cases of one group took "
        "longer than those of the other.",
    ]


@pytest.mark.parametrize(
    ("told", "lines", "second"),
    [
        (
            Delays(None, None, None),
            3,
            "How many offences were proven too late to count is withheld.",
        ),
        (
            Delays(12_340, None, 1.0),
            4,
            "Of about 12,340 offences that people in the comparison group committed within the "
            "year and that were proven by the end of the data, how many were proven too late to "
            "count is withheld.",
        ),
    ],
)
def test_court_delays_that_are_withheld(told, lines, second):
    said = delays(told)
    assert len(said) == lines
    assert said[1] == second
    assert lines == 3 or "within 1 day of being" in said[2]


def test_court_delays_alike_in_every_year():
    said = delays(replace(DELAYS, years=((2006, 0.02), (2007, 0.02))))
    assert said[2] == "That share was 2% in each year of an index date that is told."
    said = delays(replace(DELAYS, years=((2006, 0.02), (2007, 0.01), (2008, 0.02))))
    assert said[2] == "That share was 1% or 2% in each year of an index date that is told."


# --- Other choices --------------------------------------------------------------------------------

CHOICES = (
    Choice("as reported", 726, 7997, -0.08, -0.12, -0.04, 0.00006, "reduction", True),
    Choice("caliper of 0.1", 700, 7000, -0.07, -0.1, -0.01, 0.01, "reduction", True),
    Choice("without age", conclusion="reduction", accepted=True),
    Choice("without sex", 690, 7000, -0.05, -0.1, 0.01, 0.09, "inconclusive", True),
    Choice("without region", 690, 7000, accepted=False, reason=NOT_BALANCED),
    Choice("another region", reason=WITHHELD),
)
CONTROL = effect("rate", -0.03, 0.05)


BEFORE = "Outcome before the index date, which nothing later can change"
REFERRED = "People who were referred and did not take part (no effect expected)"


def test_each_choice_of_the_method_is_a_row_and_the_controls_the_last():
    table = checks.sensitivity_table(
        CHOICES, controls={BEFORE: CONTROL, "Withheld": None, REFERRED: effect(), "No": untested()}
    )
    assert texts(table) == [
        ["As reported", "726", "7,997", "-12 to -4", "<0.01", "Yes", "Significant reduction"],
        ["Caliper of 0.1", "700", "7,000", "-10 to -1", "0.01", "Yes", "Significant reduction"],
        ["Without age", "[c]", "[c]", "[c]", "[c]", "Yes", "Significant reduction"],
        ["Without sex", "690", "7,000", "-10 to 1", "0.09", "Yes", "Inconclusive"],
        ["Without region", "690", "7,000", "[z]", "[z]", "No", NOT_BALANCED.capitalize()],
        ["Another region", *["[c]"] * 6],
        [BEFORE, "[z]", "[z]", "-3 to 5", "0.30", "[z]", "No significant difference"],
        [REFERRED, "[z]", "[z]", "-11 to -3", "<0.01", "[z]", "Significant difference"],
    ]
    assert [row[-1].tone for row in table.rows[-2:]] == ["grey", "red"]
    assert stray_digits(table) == []
    assert len(table.notes) == 3
    assert table.notes[1].startswith("The last rows are negative controls: no programme can")
    one = checks.sensitivity_table(CHOICES[:2], controls={BEFORE: CONTROL})
    assert one.notes[1].startswith("The last row is a negative control: no programme can")
    ids = [figure.id for figure in table.figures()]
    assert len(ids) == len(set(ids))
    assert len(checks.sensitivity_table(CHOICES[:2]).notes) == 1


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (
            CHOICES,
            "The conclusion depends on the method: it is a significant reduction in the headline "
            "analysis, but another with one of three other choices that gave a result. For two "
            "more, no result can be given.",
        ),
        (
            CHOICES[:3],
            "The conclusion does not depend on the method: it is a significant reduction in the "
            "headline analysis and with both other choices that gave a result.",
        ),
        (
            CHOICES[:2],
            "The conclusion does not depend on the method: it is a significant reduction in the "
            "headline analysis and with the one other choice that gave a result.",
        ),
        (
            (*CHOICES[:2], *CHOICES[4:]),
            "The conclusion could be checked with one of three other choices only: it is a "
            "significant reduction in the headline analysis, and the same with it. For two more, "
            "no result can be given.",
        ),
        (
            (CHOICES[0], *CHOICES[3:]),
            "The conclusion could be checked with one of three other choices only: it is a "
            "significant reduction in the headline analysis, but another with it. For two more, no "
            "result can be given.",
        ),
        (
            (*CHOICES[:2], *CHOICES[3:], *CHOICES[4:], *CHOICES[4:]),
            "The conclusion could be checked with two of eight other choices only: it is a "
            "significant reduction in the headline analysis, but another with one of them. For six "
            "more, no result can be given.",
        ),
        (
            (CHOICES[0], CHOICES[3]),
            "The conclusion depends on the method: it is a significant reduction in the headline "
            "analysis, but another with the one other choice that gave a result.",
        ),
        (
            (CHOICES[0], CHOICES[3], CHOICES[3], CHOICES[3]),
            "The conclusion depends on the method: it is a significant reduction in the headline "
            "analysis, but another with all three other choices that gave a result.",
        ),
        (
            CHOICES[:1],
            "No other choice of the method gives a result to compare with.",
        ),
        (
            (CHOICES[0], CHOICES[4]),
            "No other choice of the method gives a result to compare with. For one more, no result "
            "can be given.",
        ),
        (
            (replace(CHOICES[0], conclusion="suppressed"), CHOICES[1]),
            "The headline has no result that can be reported, so it was not checked against other "
            "choices of the method.",
        ),
    ],
)
def test_one_sentence_says_whether_the_conclusion_depends_on_the_method(choices, said):
    assert hold_words(checks.sensitivity_statement(choices)).text == said


@pytest.mark.parametrize(
    ("controls", "end"),
    [
        (
            {BEFORE: CONTROL},
            " The negative control “outcome before the index date, which nothing later can "
            "change” shows no significant difference.",
        ),
        (
            {BEFORE: None, REFERRED: effect()},
            " The negative control “people who were referred and did not take part (no effect "
            "expected)” shows a significant difference, which no programme can have made: the "
            "groups compared are unlike in something that is not recorded.",
        ),
        ({BEFORE: CONTROL, REFERRED: CONTROL}, " shows no significant difference."),
        ({BEFORE: untested()}, ""),
        ({}, ""),
    ],
)
def test_each_negative_control_is_told_beside_the_choices(controls, end):
    lead = checks.sensitivity_statement(CHOICES[:3]).text
    told = hold_words(checks.sensitivity_statement(CHOICES[:3], controls=controls)).text
    assert told.startswith(lead)
    assert told.endswith(end)
    assert told.count("The negative control “") == sum(
        map(has_range, filter(None, controls.values()))
    )


def test_days_at_liberty_stand_beside_the_time_without_reoffence():
    curve = Survival(
        "headline", (0, 365), (1.0, 0.5), (1.0, 0.4), 254.0, 224.0, 30.0, 19.0, 41.0, 0.001,
        liberty_treatment=320.4, liberty_comparison=301.0,
    )  # fmt: skip
    said = [one.text for one in hold_words(checks.survival_statement(curve, words=MEN)).items]
    assert said[2].startswith(
        "The treatment group was alive and at liberty on 320 days of the year on average, and the "
        "comparison group on 301: "
    )
