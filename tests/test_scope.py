"""Which analyses there are, what came of each, and how often the programme was looked at."""

import pandas as pd
import pytest
from test_checks import hold_words
from test_findings import PEOPLE, effect, suppressed, untested, version
from test_tables import stray_digits, texts

from jdl import disclosure, scope
from jdl.analyses import ASSESSED, WITH_NEEDS, Wanted
from jdl.disclosure import NOT_BALANCED, RULES, WITHHELD, Cleared
from jdl.wording import Words

MEN = Words.of("male")
NONE = float("nan")


def result(rate):
    return Cleared({"rate": rate}, ())


def test_every_planned_analysis_is_numbered_with_what_came_of_it():
    planned = [
        Wanted("headline", "Headline", frozenset()),
        Wanted("run-assessed", "OASys: assessed", frozenset(), ASSESSED),
        Wanted("run-needs", "OASys: on needs", frozenset(), WITH_NEEDS, "wales"),
        Wanted("age-1", "Age group: 18 to 20", frozenset(), also_exact=("prison",)),
        Wanted("women", "Women", frozenset(), enough=False),
        Wanted("men", "Men", frozenset()),
    ]
    cleared = {
        "headline": result(effect()),
        "run-assessed": result(suppressed(reason=NOT_BALANCED)),
        "run-needs": result(suppressed()),
        "age-1": result(effect("rate", -0.1, 0.1)),
    }
    table = scope.analyses_list(planned, cleared, matched_on={False: "History", True: "all"})
    assert texts(table) == [
        ["1. Headline", "No", "England and Wales", "History", "Reported"],
        [
            "2. OASys: assessed", "Yes", "England and Wales",
            "History", "Not balanced",
        ],
        ["3. OASys: on needs", "Yes", "Wales", "All", "[c]"],
        [
            "4. Age group: 18 to 20", "No", "England and Wales",
            "History; exactly on prison", "Reported",
        ],
        [
            "5. Women", "No", "England and Wales", "History",
            "Not made: too few people",
        ],
        [
            "6. Men", "No", "England and Wales", "History",
            "Not made: too few people",
        ],
    ]  # fmt: skip
    assert stray_digits(table) == []
    assert table.notes[0].startswith("[c] withheld")
    open_ = scope.analyses_list(planned[:1], cleared, matched_on={False: "History"})
    assert open_.notes == ()


def _published(n=300, low=-0.1, conclusion="inconclusive"):
    """What a report told of its rate, as ``history.replaced`` reads it."""
    told = {"treatment_n": n, "comparison_n": 4_000, "treatment": 0.4, "comparison": 0.45}
    rest = {"difference": -0.05, "ci_low": low, "ci_high": 0.02, "conclusion": conclusion}
    return {"rate": told | rest}


def _correction(published, now):
    revised = disclosure.clear_revision(published, result(now))
    pair = (published["rate"]["conclusion"], now.conclusion)
    return revised, scope.correction_table(revised, {"rate": pair}, words=PEOPLE, least=RULES.cell)


def test_a_correction_sets_what_was_told_beside_what_is():
    now = effect("rate", -0.12, -0.02)
    revised, table = _correction(_published(n=now.treatment.n + 20), now)
    rows = {label: cells for label, *cells in texts(table)}
    assert table.header[1:] == ("As published", "As corrected", "Change")
    n = now.treatment.n
    assert rows["People analysed"] == [f"{n + 20}", f"{n}", "-20"]
    assert rows["One-year rate: lower limit of the difference, percentage points"] == [
        "-10.0", "-12.0", "-2.0",
    ]  # fmt: skip
    assert rows["One-year rate: conclusion"] == [
        "Inconclusive", "Significant reduction", "changed",
    ]  # fmt: skip
    assert not revised["few"].any() and table.notes == ()
    assert stray_digits(table) == []


@pytest.mark.parametrize("more", [-9, -1, 1, 9])
def test_a_size_that_changed_by_few_is_not_told_beside_what_it_was(more):
    now = effect("rate", -0.12, -0.02)
    revised, table = _correction(_published(n=now.treatment.n + more), now)
    assert texts(table)[0][2:] == ["[c]", "fewer than 10"]
    assert revised.loc[0, ["now", "change"]].isna().all()
    held = {one.id: one.value for one in table.figures() if ".treatment-n." in one.id}
    assert set(held.values()) == {now.treatment.n + more, None, 10}
    assert table.notes


def test_what_either_report_withheld_shows_no_change():
    withheld = dict.fromkeys(("treatment", "comparison", "difference"))
    before = {"rate": _published(n=500, low=None)["rate"] | withheld}
    for published, now in ((before, effect("rate", -0.12, -0.02)), (_published(500), suppressed())):
        _, table = _correction(published, now)
        rows = {label: cells for label, *cells in texts(table)}
        told = rows["One-year rate: difference, percentage points"]
        assert told[2] == "[c]" and "[c]" in told[:2]
        assert table.notes


def test_every_secondary_test_has_its_corrected_p_values():
    """By hand: Holm takes 0.004 three times, then 0.3 twice at least; BH 0.3 as it is."""
    every = [
        effect(),
        effect("frequency", -0.5, -0.1),
        effect("days_to_first", -9.0, 9.0),
        version("days_to_first", 1.0, 9.0),
        effect("rate", -0.1, 0.1, analysis="men"),
        suppressed("first_custody"),
    ]
    table = scope.multiplicity_table(every, labels={"men": "Men", "headline": "National"})
    assert texts(table) == [
        ["National", "Frequency of proven reoffending", "<0.01", "0.01", "0.01"],
        ["National", "Average time to first proven reoffence", "0.30", "0.60", "0.30"],
        ["Men", "One-year proven reoffending rate", "0.30", "0.60", "0.30"],
    ]
    assert stray_digits(table) == []
    assert texts(scope.multiplicity_table([effect()], labels={}))[0][0] == "No other test"


def test_completers_and_others_are_a_description():
    described = pd.DataFrame(
        {
            "participation": ["completed", "started", "left early"],
            "people": [500, NONE, NONE],
            "share": [0.575, NONE, NONE],
            "rate": [0.285, NONE, NONE],
        }
    )
    table = scope.participation_table(described, words=MEN)
    assert texts(table) == [
        ["Completed", "500", "58%", "29%"],
        ["Started", "[c]", "[c]", "[c]"],
        ["Left early", "[c]", "[c]", "[c]"],
    ]
    assert "a description, not an effect" in table.caption
    assert "No test is made of them." in table.notes[0]
    assert len(scope.participation_table(described.head(1), words=MEN).notes) == 1


CLINK = {
    "programme": "The Clink 2", "release": "2016-11", "treatment_n": 89, "rate_difference": -0.04,
    "ci_low": -0.11, "ci_high": 0.004, "rate_result": "inconclusive",
}  # fmt: skip


def looks(*earlier, new=None, pooled=None, words=MEN):
    told = scope.look_statement(earlier, new=new, pooled=pooled or effect(), words=words)
    return [item.text for item in hold_words(told).items]


def test_the_second_look():
    assert looks(CLINK, new=effect("rate", -0.1, 0.02, analysis="new-people", n=169)) == [
        "This is the second analysis of this programme: it includes the men of one earlier "
        "request.",
        "For the new men alone, the result on the one-year proven reoffending rate is "
        "inconclusive: a difference of -10 to 2 percentage points (95% confidence interval), for "
        "169 men.",
        "With the men of the earlier requests pooled, nobody counted twice, the one-year proven "
        "reoffending rate was lower than in the comparison group, a statistically significant "
        "result: a difference of -11 to -3 percentage points (95% confidence interval), for 900 "
        "men.",
        "Published before, The Clink 2 (November 2016): inconclusive, a difference of -11 to 0.4 "
        "percentage points, for 89 people.",
        "Each further look makes a significant result by chance alone likelier: the stated level "
        "holds for one look.",
    ]


def test_a_first_look_says_nothing():
    assert looks() == []


def test_looks_without_results():
    said = looks(
        {"programme": "A", "release": None, "rate_result": None, "ci_low": None},
        {"programme": "B", "release": "2015-01", "rate_result": "reduction", "ci_low": None},
        pooled=suppressed(),
        words=PEOPLE,
    )
    assert said[0].startswith(
        "This is the third analysis of this programme: it includes the people"
    )
    assert said[0].endswith("of two earlier requests.")
    assert said[1] == f"For the new people alone, no result can be reported: {WITHHELD}."
    assert said[2].endswith(
        "nobody counted twice, no result can be reported: withheld because fewer than 30 people "
        "were counted."
    )
    assert said[3] == "Published before, A: its result is not held here."
    assert said[4] == "Published before, B (January 2015): a significant reduction."
    assert looks(CLINK, pooled=untested())[2].endswith("no conclusion can be drawn.")


def test_a_look_beyond_the_tenth_is_counted_in_figures():
    assert looks(*[CLINK | {"programme": "A"}] * 10)[0] == (
        "This is analysis number 11 of this programme: it includes the men of ten earlier requests."
    )
    assert looks(*[CLINK] * 9)[0].startswith("This is the tenth analysis")
