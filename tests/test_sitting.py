"""What a reviewer is shown, asked and led through, and what is kept of it."""

import datetime as dt
import io
import stat
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import duckdb
import pandas as pd
import pytest
from review_world import MODEL, SURNAMES, answer, basis, desk, people
from rich.console import Console

from jdl import release, review, sitting
from jdl.linkage import LinkageFailed
from jdl.review import CANNOT_TELL, DIFFERENT, NOBODY, SAME

TODAY = dt.date(2014, 3, 4)


@pytest.fixture
def upload():
    return people()


@pytest.fixture
def here(tmp_path, upload):
    """Return a desk with 12 people: 4 linked, 7 left for review, 1 not found."""
    return desk(tmp_path / "restricted", upload)


class Reviewer:
    """Types what it was told to, and remembers what it was shown and asked."""

    def __init__(self, *typed, role="statistician 1", model=MODEL):
        self.typed = list(typed)
        self.role, self.model = role, model
        self.sheets, self.questions, self.kept = [], [], []

    def ask(self, question):
        self.questions.append(question)
        if not self.typed:
            raise EOFError
        said = self.typed.pop(0)
        if isinstance(said, type):
            raise said
        return said

    def sit(self, agenda, keep=None):
        def both(one):
            self.kept.append(one)
            if keep:
                keep(one)

        return sitting.sit(
            agenda,
            role=self.role,
            model=self.model,
            on=TODAY,
            ask=self.ask,
            show=self.sheets.append,
            keep=both,
        )


def drawn(sheet, width=110, styles=False):
    """Return a sheet as it looks on a terminal of this width."""
    screen = io.StringIO()
    colours = "standard" if styles else None
    console = Console(file=screen, width=width, force_terminal=styles, color_system=colours)
    console.print(sheet)
    return screen.getvalue()


def line(text, label):
    return next(line for line in text.splitlines() if line.startswith(label))


# Which cases


def test_the_cases_are_those_left_for_review_each_once(here):
    cases = sitting.cases(here)
    assert sorted(case.row for case in cases) == [3, 4, 6, 7, 9, 10, 12]
    assert len({case.key for case in cases}) == 7
    assert {case.purpose for case in cases} == {"doubtful"}
    assert {case.reason for case in cases} == {"close second"}


def test_the_order_of_cases_is_drawn_and_does_not_depend_on_rows_or_weights(tmp_path, upload, here):
    order = [case.key for case in sitting.cases(here)]
    moved = upload.sample(frac=1, random_state=4).assign(row=upload["row"].to_numpy())
    assert [case.key for case in sitting.cases(desk(tmp_path, moved))] == order
    assert [case.key for case in sitting.cases(replace(here, seed=8))] != order
    by_weight = sorted(
        sitting.cases(here), key=lambda case: case.candidates[0].match_weight, reverse=True
    )
    assert order not in ([case.key for case in by_weight], [case.key for case in by_weight][::-1])


def test_candidates_are_the_likely_and_those_with_an_identifier_heaviest_first(here):
    for case in sitting.cases(here):
        number = case.candidates[0].offender_id[1:-2]
        shown = [person.offender_id for person in case.candidates]
        assert shown == [f"P{number}C{rank}" for rank in (0, 1, 2, 3, 5)]
        assert not any(person.automatic for person in case.candidates)


def test_candidates_are_at_most_five_and_at_least_one(here):
    pairs = here.scored.pairs
    pairs["posterior"] = 0.2
    assert {len(case.candidates) for case in sitting.cases(here)} == {5}
    pairs["posterior"] = 0.001
    pairs["level_pnc_key"] = "missing"
    assert {len(case.candidates) for case in sitting.cases(here)} == {1}
    assert all(case.candidates[0].offender_id.endswith("C0") for case in sitting.cases(here))


def test_a_sample_is_of_the_links_and_a_larger_one_holds_the_smaller(here):
    everybody = sitting.sample(here, 100)
    assert {case.row for case in everybody} == {2, 5, 8, 11}
    assert {case.purpose for case in everybody} == {"sample"}
    for case in everybody:
        linked = [person.offender_id for person in case.candidates if person.automatic]
        assert linked == [f"P{case.row - 2}C0"]
    smaller = sitting.sample(here, 2)
    assert [case.key for case in smaller] == [case.key for case in everybody[:2]]


def test_a_link_is_among_the_candidates_however_light(here):
    pairs = here.scored.pairs
    pairs.loc[pairs["offender_id"] == "P0C0", "posterior"] = 0.0
    here.scored.pairs = pairs.sort_values(["person", "posterior"], ascending=[True, False])
    case = next(case for case in sitting.sample(here, 9) if case.row == 2)
    assert [p.offender_id for p in case.candidates if p.automatic] == ["P0C0"]


def test_a_sample_draws_each_link_equally_often(here):
    times = dict.fromkeys((2, 5, 8, 11), 0)
    for seed in range(80):
        [case] = sitting.sample(replace(here, seed=seed), 1)
        times[case.row] += 1
    assert all(10 <= count <= 30 for count in times.values())


def test_a_reviewer_goes_on_where_somebody_stopped(here):
    agenda = sitting.agenda(here, "statistician 1")
    Reviewer("1", "1", "n", "1", "q").sit(agenda, here.keep)
    assert sitting.agenda(here, "statistician 2") == agenda[2:]


@pytest.mark.parametrize("purpose", ["doubtful", "second"])
def test_a_disagreement_comes_first_with_both_answers(here, upload, purpose):
    first = answer(upload, 1, "P1C0", listed=("P1C0", "P1C1"), reason="rare names agree")
    here.keep(first)
    second = answer(upload, 1, NOBODY, role="statistician 2", purpose=purpose, listed=("P1C0",))
    here.keep(second)
    for options in ({}, {"checked": 3}, {"again": True}):
        case, *rest = sitting.agenda(here, "lead statistician", **options)
        assert (case.purpose, case.row, case.earlier) == ("resolve", 3, (first, second))
        assert case.key not in {other.key for other in rest}
    Reviewer("1", "1", "q", role="lead statistician").sit([case], here.keep)
    assert all(case.purpose != "resolve" for case in sitting.agenda(here, "statistician 1"))
    assert review.checks(here.answers, MODEL).linked == 1


def test_a_disagreement_on_somebody_no_longer_in_doubt_can_still_be_resolved(here, upload):
    here.keep(answer(upload, 11, "P11C0", listed=("P11C0",)))
    here.keep(answer(upload, 11, role="statistician 2", purpose="second", listed=("P11C0",)))
    assert sitting.agenda(here, "lead statistician")[0].row == 13


def test_nobody_resolves_a_disagreement_of_their_own(here, upload):
    here.keep(answer(upload, 11, "P11C0", listed=("P11C0",)))
    here.keep(answer(upload, 11, role="statistician 2", purpose="second", listed=("P11C0",)))
    for role in ("statistician 1", "Statistician  2"):
        assert all(case.purpose != "resolve" for case in sitting.agenda(here, role))


def test_a_sample_is_checked_again_for_another_model(here, upload):
    checked = answer(upload, 0, "P0C0", purpose="sample", listed=("P0C0",), linked="P0C0")
    here.keep(checked)
    assert 2 not in {case.row for case in sitting.agenda(here, "x y", checked=9)}
    here.scored.model_hash = "n" * 64
    assert 2 in {case.row for case in sitting.agenda(here, "x y", checked=9)}


def test_a_second_reviewer_is_not_told_the_first_answer(here, upload):
    for at in (1, 2):
        here.keep(answer(upload, at, "P1C0", reason="rare and unusual", role="principal 1"))
    assert sitting.agenda(here, "Principal 1", again=True) == ()
    agenda = sitting.agenda(here, "statistician 2", again=True)
    assert {(case.row, case.purpose) for case in agenda} == {(3, "second"), (4, "second")}
    reviewer = Reviewer("n", "1", "q", role="statistician 2")
    reviewer.sit(agenda, here.keep)
    seen = "".join(map(drawn, reviewer.sheets)) + "".join(reviewer.questions)
    assert "rare and unusual" not in seen
    assert "principal 1" not in seen
    assert len(sitting.agenda(here, "statistician 3", again=True)[-1:]) == 1


def test_what_the_register_cannot_say_is_told_without_a_value(here):
    object.__setattr__(here, "con", duckdb.connect(":memory:"))
    with pytest.raises(LinkageFailed) as failed:
        sitting.cases(here)
    assert str(failed.value) == "the review stopped while reading the register (BinderException)"
    assert failed.value.__context__ is None


# What is shown


@pytest.fixture
def case(here):
    return next(case for case in sitting.cases(here) if case.row == 3)


def test_a_sheet_holds_both_sides(case):
    shown = drawn(sitting.Sheet(case, 2, 7), width=200)
    assert shown.startswith("For review, 2 of 7: row 3 of harbour\nWhy: close second\n")
    assert line(shown, "Forename").split()[1:4] == ["Ottolineb", "=", "Ottolinb"]
    assert line(shown, "Surname").split()[1:5] == ["Zanthrop", "~", "Zanthropp", "(close)"]
    assert "2001/0000001A" in line(shown, "PNC id")
    assert line(shown, "Match weight").split()[2:4] == ["+2.0", "bits"]
    assert "70%" in line(shown, "Probability")
    assert "Ottoline Vantongeren, born" in shown
    assert "Maud" in line(shown, "Middle names")


def test_a_sheet_holds_nothing_but_who_people_are(case):
    shown = drawn(sitting.Sheet(case, 1, 1), width=200)
    assert "Robbery" not in shown
    assert "2011-03-01" not in shown
    assert "Leeds" not in shown
    assert "P1C0" not in shown


def test_all_candidates_are_shown_on_a_narrow_terminal_too(case):
    for width in (80, 110, 200):
        shown = drawn(sitting.Sheet(case, 1, 1), width)
        assert max(map(len, shown.splitlines())) <= width
        assert all(f"Candidate {number}" in shown for number in range(1, 6))
        assert shown.count("Upload") == {80: 5, 110: 3, 200: 1}[width]


NASTY = "[bold]O'N\x1b[2Jeil\u202e"
SHOWN = "[bold]O'N\ufffd[2Jeil\ufffd"


def test_names_are_shown_as_they_are_and_command_no_terminal(here):
    here.people["surname"] = NASTY
    con = duckdb.connect(":memory:")
    for table in ("offenders", "aliases"):
        frame = here.con.execute(f"SELECT * REPLACE (? AS surname) FROM {table}", [NASTY]).df()
        con.register("given", frame)
        con.execute(f"CREATE TABLE {table} AS SELECT * FROM given").fetchall()
        con.unregister("given")
    case = next(c for c in sitting.cases(replace(here, con=con)) if c.row == 3)
    shown = drawn(sitting.Sheet(replace(case, reason="[i]why"), 1, 1), width=300, styles=True)
    assert not any(control in shown for control in ("\x1b[2J", "\u202e"))
    assert shown.count("[bold]O'N") == 1 + 5 + 2
    assert SHOWN in shown
    assert "[i]why" in shown


def test_the_rows_of_one_person_are_shown_together(tmp_path, upload):
    upload.loc[13, "surname"] = "Zanthrop-Wells"
    [case] = [case for case in sitting.cases(desk(tmp_path, upload)) if case.row == 3]
    assert case.written["surname"] == "Zanthrop or Zanthrop-Wells"
    assert case.written["forename"] == "Ottolineb"
    turned = upload.iloc[::-1].reset_index(drop=True)
    assert case.key in {case.key for case in sitting.cases(desk(tmp_path, turned))}


def test_a_level_of_an_alias_is_not_put_on_the_own_name(case):
    shown = drawn(sitting.Sheet(case, 1, 1), width=200)
    assert "Ottolinb (alias: missing)" in line(shown, "Forename")
    assert "Zanthropp (alias: different)" in line(shown, "Surname")


def test_an_own_value_that_agrees_does_not_hide_that_the_compared_alias_differs(case):
    alias = next(n for n, person in enumerate(case.candidates) if person.by_alias)
    person = case.candidates[alias]
    own = {**person.written, "date_of_birth": case.written["date_of_birth"]}
    for level, told in (("different", " (alias: different)"), ("exact", ""), ("missing", "")):
        levels = {**person.levels, "date_of_birth": level}
        shown = replace(case, candidates=(replace(person, written=own, levels=levels),))
        drawn_line = line(drawn(sitting.Sheet(shown, 1, 1), width=200), "Date of birth")
        assert drawn_line.rstrip().endswith(f"= {own['date_of_birth']}{told}")


def test_the_sentence_is_shown_as_a_level_only(case):
    levels = ("at the time", "not then", "missing")
    candidates = tuple(
        replace(person, levels={**person.levels, "sentence": level})
        for person, level in zip(case.candidates, levels, strict=False)
    )
    shown = drawn(sitting.Sheet(replace(case, candidates=candidates), 1, 1), width=200)
    assert line(shown, "Sentence").rstrip().endswith("missing")
    assert "= at the time" in line(shown, "Sentence")
    assert "≠ not then" in line(shown, "Sentence")


@pytest.mark.parametrize(
    ("value", "given", "underlined"),
    [
        ("Smyth", "Smith", "y"),
        ("1981-02-03", "1981-03-02", "23"),
        ("Ann-Marie", "Ann", "Ann-Marie"),
        ("Johnson", "Johnsen", "o"),
        ("Robinson", "Robson", "in"),
        ("SMITH", "Smith", ""),
    ],
)
def test_what_differs_is_underlined(value, given, underlined):
    text = sitting._underlined(value, given)
    marked = "".join(text.plain[span.start : span.end] for span in text.spans)
    assert marked == underlined
    assert all("underline" in str(span.style) for span in text.spans)


def test_differences_are_told_by_more_than_style(case):
    plain = drawn(sitting.Sheet(case, 1, 1))
    assert "~ Zanthropp (close)" in plain
    assert "= agrees   ~ agrees in part   ≠ differs" in plain
    assert "\x1b[1;4mp" in drawn(sitting.Sheet(case, 1, 1), styles=True)


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.0, "0%"), (0.002, "under 1%"), (0.266, "27%"), (0.9961, "over 99%"), (1.0, "100%")],
)
def test_a_probability_is_never_rounded_to_certainty(share, told):
    assert sitting._percent(share) == told


def test_nothing_but_the_sheet_shows_a_person(here, case):
    told = f"{case!r} {here!r} {case.candidates!r} {sitting.Sheet(case, 1, 1)!r}"
    assert not any(name in told for name in (*SURNAMES, "Ottolin", "P1C0", case.key))


# What is asked and kept


def test_a_number_chooses_who_it_is(here, case):
    reviewer = Reviewer("2", "3")
    assert reviewer.sit([case]) == 1
    [kept] = reviewer.kept
    assert [pair.judgement for pair in kept.pairs] == [DIFFERENT, SAME, *[DIFFERENT] * 3]
    assert kept.verdict == "P1C1"
    assert kept.reason == sitting.REASONS[SAME][2]
    assert (kept.case, kept.source, kept.row) == (case.key, "harbour", 3)
    assert (kept.purpose, kept.role, kept.model) == ("doubtful", "statistician 1", MODEL)
    assert kept.on == "2014-03-04"
    assert [pair.posterior for pair in kept.pairs] == [0.7, 0.2, 0.05, 0.02, 0.001]


@pytest.mark.parametrize(
    ("key", "judgement", "verdict"), [("n", DIFFERENT, NOBODY), ("T ", CANNOT_TELL, CANNOT_TELL)]
)
def test_nobody_and_cannot_tell_are_answers(case, key, judgement, verdict):
    reviewer = Reviewer(key, "1")
    reviewer.sit([case])
    assert {pair.judgement for pair in reviewer.kept[0].pairs} == {judgement}
    assert reviewer.kept[0].verdict == verdict
    assert reviewer.kept[0].reason == sitting.REASONS[judgement][0]


def test_every_key_is_explained_and_others_ask_again(case):
    reviewer = Reviewer("6", "0", "", "yes", "-1", "b", "1", "1")
    assert reviewer.sit([case]) == 1
    assert len(reviewer.questions) == 8
    assert "1 to 5 the same person   n none of them   t cannot tell" in reviewer.questions[0]
    assert not reviewer.questions[0].startswith("That")
    assert all(asked.startswith("That is none of the keys.") for asked in reviewer.questions[1:7])
    assert reviewer.questions[7].startswith("Why is this the same person?\n1 names and date")


def test_one_candidate_is_asked_about_as_one(case):
    reviewer = Reviewer("2", "n", "1")
    reviewer.sit([replace(case, candidates=case.candidates[:1])])
    assert "1 the same person   n a different person   t cannot tell" in reviewer.questions[0]
    assert reviewer.kept[0].verdict == NOBODY


def test_a_reason_is_required_and_may_be_in_own_words(case):
    long = "x" * 201
    reviewer = Reviewer(
        "1", "", "9", "no", "12345678", long, "a\x1b[2Jbcdef", "  twins,  told apart "
    )
    assert reviewer.sit([case]) == 1
    assert reviewer.kept[0].reason == "twins, told apart"
    assert len(reviewer.questions) == 8


def test_a_reviewer_can_choose_again_before_giving_a_reason(case):
    reviewer = Reviewer("1", "b", "n", "2")
    reviewer.sit([case])
    assert [kept.verdict for kept in reviewer.kept] == [NOBODY]


def test_skipping_keeps_nothing_and_goes_on(here):
    agenda = sitting.cases(here)
    reviewer = Reviewer("s", "1", "1", "q")
    assert reviewer.sit(agenda) == 1
    assert [kept.case for kept in reviewer.kept] == [agenda[1].key]
    assert [(sheet.number, sheet.of) for sheet in reviewer.sheets] == [(1, 7), (2, 7), (3, 7)]


def test_going_back_answers_again_and_the_later_answer_counts(here):
    agenda = sitting.cases(here)[:2]
    reviewer = Reviewer("1", "1", "b", "n", "1", "q")
    assert reviewer.sit(agenda, here.keep) == 1
    assert [kept.case for kept in reviewer.kept] == [agenda[0].key] * 2
    assert "b back" not in reviewer.questions[0]
    assert "b back" in reviewer.questions[2]
    assert review.verdicts(here.answers) == {agenda[0].key: NOBODY}


@pytest.mark.parametrize("end", ["q", EOFError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [("1", "1"), ("1", "1", "n")])
def test_stopping_keeps_every_answer_that_was_given(here, end, before):
    typed = [*before, end] if end != "q" or len(before) == 2 else [*before, EOFError]
    reviewer = Reviewer(*typed)
    assert reviewer.sit(sitting.cases(here), here.keep) == 1
    assert len(here.answers) == 1


def test_an_answer_is_kept_while_others_are_held_off(tmp_path, upload):
    held = []

    @contextmanager
    def alone():
        held.append(review.file_of(tmp_path, "harbour").exists())
        yield
        held.append(review.file_of(tmp_path, "harbour").exists())

    desk(tmp_path, upload, alone=alone).keep(answer(upload, 1))
    assert held == [False, True]


def test_an_answer_is_kept_before_the_next_case_is_shown(here):
    seen = []
    reviewer = Reviewer("1", "1", "n", "1", "q")

    def show(sheet):
        seen.append(len(here.answers))

    sitting.sit(
        sitting.cases(here),
        role="x y",
        model=MODEL,
        on=TODAY,
        ask=reviewer.ask,
        show=show,
        keep=here.keep,
    )
    assert seen == [0, 1, 2]


def test_the_answers_that_disagree_are_shown_when_it_is_to_be_resolved(here, upload, case):
    listed = tuple(person.offender_id for person in case.candidates)
    earlier = (
        answer(upload, 1, "P1C1", listed=listed, reason="rare names agree"),
        answer(upload, 1, NOBODY, role="statistician 2", listed=listed),
        answer(upload, 1, "gone", role="statistician 3", listed=("gone",)),
        answer(upload, 1, CANNOT_TELL, role="statistician 4", listed=listed),
    )
    shown = drawn(sitting.Sheet(replace(case, purpose="resolve", earlier=earlier), 1, 1))
    assert "statistician 1: candidate 2. rare names agree" in shown
    assert "statistician 2: none of them. names are of different people" in shown
    assert "statistician 3: somebody who is no longer a candidate" in shown
    assert "statistician 4: cannot tell" in shown


# In counts


def test_the_status_is_counts_only(here, upload):
    assert sitting.status(here) == (
        "Left for review: 7. Decided: 0, of whom found: 0. Nobody could tell: 0. "
        "Reviewers disagree: 0. To do: 7.",
        "Automatic links: 4. None has been checked.",
        "Second answers: 0. None has been given.",
    )
    sampled = {"purpose": "sample", "listed": ("P0C0",), "linked": "P0C0"}
    for one in (
        answer(upload, 1, "P1C0", listed=("P1C0",)),
        answer(upload, 1, "P1C0", listed=("P1C0",), role="x y", purpose="second"),
        answer(upload, 2),
        answer(upload, 4, CANNOT_TELL),
        answer(upload, 5),
        answer(upload, 5, "A", role="x y", purpose="second"),
        answer(upload, 0, "P0C0", **sampled),
    ):
        here.keep(one)
    told = sitting.status(here)
    assert told[0] == (
        "Left for review: 7. Decided: 2, of whom found: 1. Nobody could tell: 1. "
        "Reviewers disagree: 1. To do: 3."
    )
    assert told[1].startswith("Automatic links: 4. Checked: 1, right: 1. Precision 100.0% (95%")
    assert told[2] == "Second answers: 2. Equal to the first: 1. Cohen's kappa: 0.00."
    assert not any(name in " ".join(told) for name in (*SURNAMES, "Ottolin", "P1C0"))


def test_the_status_tells_of_decisions_that_cannot_be_used(tmp_path, upload, here):
    other = people(9)
    review.keep(here.restricted, "harbour", basis(other), answer(other, 3))
    assert sitting.status(here)[-1].endswith("they are kept and not used.")


def test_the_links_of_a_run_are_made_with_what_counts(here, upload):
    assert here.audit()["reviewed"].eq(0).all()
    here.keep(answer(upload, 1, "P1C0", listed=("P1C0", "P1C1")))
    assert here.audit()["reviewed"].eq(2).all()
    assert here.links.audit["reviewed"].eq(0).all()


# The evidence on one link


def test_the_evidence_is_on_the_linked_person_else_the_heaviest(here, upload):
    before = sitting.evidence(here, "harbour", 3)
    assert before.posterior == 0.7
    assert before.prior == pytest.approx(2.0**-17 / (1 + 2.0**-17))
    levels = before.levels.set_index("field")
    assert list(levels.columns) == ["level", "weight"]
    assert levels["level"].to_dict() == {
        "forename": "exact", "surname": "close", "date_of_birth": "exact", "sex": "exact",
        "pnc_key": "missing", "prison_key": "missing",
    }  # fmt: skip
    assert sitting.evidence(here, "harbour", 15).posterior == 0.7
    table = here.links.table.copy()
    table.loc[1, "offender_id"] = "P1C1"
    chosen = SimpleNamespace(table=table)
    assert sitting.evidence(replace(here, decide=lambda _: chosen), "harbour", 15).posterior == 0.2


def test_there_is_no_evidence_without_a_candidate_or_a_row(here):
    pairs = here.scored.pairs
    here.scored.pairs = pairs.loc[pairs["person"] != 1]
    assert sitting.evidence(here, "harbour", 3) is None
    for source, row in (("harbour", 99), ("quay", 3)):
        with pytest.raises(KeyError):
            sitting.evidence(here, source, row)


# The whole way


def test_a_reviewer_who_knows_the_truth_leaves_nobody_wrong(synthetic_out, tmp_path):
    places = release.Places(synthetic_out, synthetic_out / "requests", tmp_path / "outputs")
    truth = pd.read_parquet(synthetic_out / "truth" / "person_links.parquet")
    right = truth.loc[truth["request"] == "harbour-mentoring"].set_index("row")["offender_id"]
    with release.open_desk("harbour-mentoring", places, tell=lambda news: None) as here:
        reviewer = Knowing(right, model=here.scored.model_hash)
        before = here.links.table
        answered = reviewer.sit(sitting.agenda(here, "statistician 1"), here.keep)
        assert answered == before["decision"].eq("review").sum() > 0
        after = here.reviewed().table
        assert sitting.agenda(here, "statistician 1") == ()
        assert len(here.audit()) == after["decision"].ne("duplicate").sum()
        checked = reviewer.sit(sitting.agenda(here, "statistician 1", checked=60), here.keep)
        found = review.checks(here.answers, here.scored.model_hash)
    assert after["decision"].eq("review").sum() == 0
    gained = after["decision"].eq("linked").sum() - before["decision"].eq("linked").sum()
    assert gained == found.linked > 0
    seen = after.loc[after["stage"] == "clerical review"].set_index("row")["offender_id"]
    assert seen.equals(right[seen.index].rename("offender_id"))
    assert checked == found.sampled == 60
    assert found.low < found.precision <= 1
    assert stat.S_IMODE((tmp_path / "outputs" / ".restricted").stat().st_mode) == 0o700


class Knowing(Reviewer):
    """Chooses whom the truth names."""

    def __init__(self, right, model):
        super().__init__(model=model)
        self.right = right

    def ask(self, question):
        if question.startswith(tuple(sitting._WHY.values())):
            return "1"
        case = self.sheets[-1].case
        listed = [person.offender_id for person in case.candidates]
        who = self.right[case.row]
        return str(listed.index(who) + 1) if who in listed else "n"
