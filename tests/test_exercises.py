"""An exercise reads an answer as a person means it, and never ends in an error."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from jdl.learning import Study, exercises
from jdl.learning.exercises import NOTED, OPEN, RIGHT, WRONG, Exercise, Misconception

ASKED = exercises.read()
ALONE = {one.id: one for one in ASKED.values() if one.kind in ("choice", "several", "commit")}
SHARE = Exercise("request-share", "request", "Share", "number", "?", "7 / 13", "So.", digits=2,
                 misconceptions=(Misconception("6 / 13", "The others."),))  # fmt: skip
WHOLE = Exercise("request-whole", "request", "Whole", "number", "?", "held.linked", "So.",
                 misconceptions=(Misconception("held.linked + 1", "One less."),))  # fmt: skip
DESIGN = Exercise("request-plan", "request", "Plan", "design", "?", "{'people': 60}", "So.",
                  accepts="answer['people'] >= fewest",
                  misconceptions=(Misconception("{'people': 1}", "More.",
                                                when="answer['people'] < fewest"),))  # fmt: skip


class Held:
    linked = 12


class Unspeakable:
    def __repr__(self) -> str:
        raise ValueError("no")

    __eq__ = __hash__ = __len__ = __str__ = __repr__


class Strange:
    shape = ()

    def item(self) -> object:
        raise RuntimeError("no")


HOSTILE = [Unspeakable(), Strange(), 10**400, -(10**5000), Decimal("sNaN"), 1j, [0] * 3_000_000,
           "a" * 3_000_000, np.zeros(10**6), pd.DataFrame({"a": [1]}), ["a", ["b"]], {"a": {}},
           np.bool_(True)]  # fmt: skip


def said(one: Exercise, given: object, **names: object) -> tuple[str, str]:
    """Answer as in a cell, and show what is said as a notebook does."""
    told = Study(names, {one.id: one}, opened=False).answer(one.id, given)
    shown = told._repr_mimebundle_()
    assert shown["text/plain"] == repr(told)
    return told.given, told.said


@pytest.mark.parametrize(
    "kind",
    [int, float, np.int64, np.int32, np.int8, np.float32, np.array, Decimal, Fraction],
    ids=lambda kind: kind.__name__,
)
def test_a_number_may_be_of_any_type(kind):
    assert said(WHOLE, kind(12), held=Held) == (RIGHT, "So.")
    assert said(WHOLE, kind(13), held=Held) == (WRONG, "One less.")
    assert said(WHOLE, kind(14), held=Held) == (WRONG, WHOLE.hint)


def test_a_whole_number_is_not_rounded():
    assert said(WHOLE, 12.4, held=Held) == (WRONG, WHOLE.hint)


@pytest.mark.parametrize(("expression", "places"), [("7 / 13", 2), ("5 / 8", 2), ("-1 / 8", 2)])
def test_a_share_may_be_rounded_to_the_decimals_that_are_shown(expression, places):
    one = Exercise("request-x", "request", "X", "number", "?", expression, "So.", digits=places)
    value = one.value(expression, {})
    ways = [round(value, places), float(one.shown(value)), round(value + 1e-9, places)]
    assert {said(one, given)[0] for given in ways} == {RIGHT}
    assert said(one, round(value, places) + 0.02)[0] == WRONG


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (53.8, "That is a hundred times the answer."),
        (0.0054, "That is a hundredth of the answer."),
        (-0.54, "The size is right, the sign is not."),
        (0.5, "Right as far as it goes. Give it with 2 decimals."),
        (0.6, "Read the step again"),
        (0, "Read the step again"),
        (float("nan"), "Read the step again"),
    ],
)
def test_a_slip_of_unit_sign_or_rounding_is_named(given, hint):
    one = Exercise("request-x", "request", "X", "number", "?", "7 / 13", "So.", digits=2)
    outcome, told = said(one, given)
    assert outcome == WRONG
    assert told.startswith(hint)


@pytest.mark.parametrize("one", ALONE.values(), ids=lambda one: one.id)
def test_a_letter_may_be_written_as_people_write_it(one):
    right = one.right or next(iter(one.choices))
    outcome = NOTED if one.kind == "commit" else RIGHT
    if one.kind == "several":
        joined = "".join(right)
        ways = [list(right), ", ".join(right), ",".join(right), joined, joined.upper(),
                " and ".join(right).replace(" and ", " "), np.array(right), pd.Series(right),
                set(right), tuple(f"({letter})" for letter in right)]  # fmt: skip
    else:
        ways = [right, f"{right})", f"({right})", f"{right}.", f"{right.upper()} ", [right],
                np.str_(right)]  # fmt: skip
    assert {said(one, given)[0] for given in ways} == {outcome}
    for wrong in one.misconceptions:
        assert said(one, one.value(wrong.answer, {})) == (WRONG, wrong.hint)


@pytest.mark.parametrize("one", ALONE.values(), ids=lambda one: one.id)
@pytest.mark.parametrize("given", [None, 1, "zz", "no such letter", b"a", "", []], ids=repr)
def test_letters_of_another_form_are_told_the_form(one, given):
    assert said(one, given) == (WRONG, one.form)


def test_a_number_or_a_design_of_another_form_is_told_the_form():
    for given in ("12", None, True, [12], b"12"):
        assert said(WHOLE, given, held=Held) == (WRONG, WHOLE.form)
    for given in ("sixty", None, {}, 60):
        assert said(DESIGN, given, fewest=60) == (WRONG, DESIGN.form)
    assert said(DESIGN, {"people": 59}, fewest=60) == (WRONG, "More.")


@pytest.mark.parametrize("one", ASKED.values(), ids=lambda one: one.id)
def test_nothing_that_is_answered_too_early_ends_in_an_error(one):
    study = Study({}, opened=False)
    for given in (..., 12, "a", {"people": 60}, one.right):
        told = study.answer(one.id, given)
        shown = told._repr_mimebundle_()
        if told.given == OPEN and given is not ...:
            assert shown["text/plain"].startswith("Run the cells above first: the name `")
    study.certificate()._repr_html_()


def test_a_name_that_is_not_there_or_not_what_it_was_is_named():
    absent = "Run the cells above first: the name `held` is not there yet."
    changed = "Run the cells above again: the name `held` is not what it was."
    assert said(WHOLE, 12) == (OPEN, absent)
    assert said(WHOLE, 12, held=3) == (OPEN, changed)
    other = type("Other", (), {"linked": "twelve"})
    assert said(WHOLE, 12, held=other) == (OPEN, changed)
    assert said(DESIGN, {"people": 60}) == (OPEN, absent.replace("held", "fewest"))
    assert said(DESIGN, {"people": 60}, fewest="x") == (OPEN, changed.replace("held", "fewest"))
    assert said(DESIGN, {"people": 60}, fewest=99) == (OPEN, changed.replace("held", "fewest"))


def test_an_answer_too_early_is_no_try():
    study = Study(names := {}, {WHOLE.id: WHOLE})
    study.answer(WHOLE.id, 13)
    names["held"] = Held
    study.answer(WHOLE.id, 12)
    assert [str(line) for line in study.certificate().lines] == ["right at the first try"]


@pytest.mark.parametrize("given", HOSTILE, ids=lambda given: type(given).__name__)
@pytest.mark.parametrize("one", [WHOLE, DESIGN, *ALONE.values()][:5], ids=lambda one: one.id)
def test_a_strange_answer_is_wrong_and_never_ends_in_an_error(one, given):
    told = said(one, given, held=Held, fewest=60)
    assert told[0] == WRONG
    assert told[1] in (one.form, one.hint)


def test_an_exercise_that_there_is_not_is_told():
    study = Study({})
    for name in ("request-which-wey", "zz", 3, ["x"], None):
        told = repr(study.answer(name, "a"))
        assert told == study.answer(name)._repr_mimebundle_()["text/plain"]
        assert told.startswith("There is no exercise")
        assert "There is no exercise" in repr(study.reveal(name, lambda: "the truth"))
    assert 'Did you mean "request-which-way"?' in repr(study.answer("request-which-wey"))


def test_a_truth_is_shown_to_whoever_committed_and_to_nobody_else():
    one = next(one for one in ASKED.values() if one.kind == "commit")
    study = Study({}, opened=False)
    for given, seen in (("zz", False), ("a", True), ("zz", False)):
        study.answer(one.id, given)
        assert (repr(study.reveal(one.id, lambda: "the truth")) == "'the truth'") is seen


def test_a_truth_that_is_opened_too_early_says_what_to_run():
    one = next(one for one in ASKED.values() if one.kind == "commit")
    study = Study({}, opened=False)
    study.answer(one.id, "a")
    shown = study.reveal(one.id, lambda: person_tight)  # noqa: F821
    assert "the name `person_tight` is not there yet" in repr(shown)
    assert study.certificate().revealed == 0
    with pytest.raises(NameError):
        Study({}, opened=True).reveal(one.id, lambda: person_tight)  # noqa: F821


@pytest.mark.parametrize("vintage", [3, None, Held])
def test_the_certificate_stands_whatever_the_notebook_holds(vintage):
    assert Study({"vintage": vintage, "plan_hash": 3}).certificate().data == ""
