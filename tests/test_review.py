"""Decisions on links: kept whole and private, used only where they hold, measured."""

import json
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_world import MODEL, TABLES, answer, basis, people, prepared
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from jdl import review
from jdl.faults import Unusable
from jdl.review import CANNOT_TELL, NOBODY

SECOND = {"role": "statistician 2", "purpose": "second"}


@pytest.fixture
def upload():
    return people()


@pytest.fixture
def kept(tmp_path, upload):
    """Return what keeps answers on the upload, one after the other."""

    def keep(*answers):
        for one in answers:
            review.keep(tmp_path / "restricted", "harbour", basis(upload), one)
        return tmp_path / "restricted"

    return keep


def said(table):
    return {(row.row, row.offender_id): row.same for row in table.itertuples()}


# What decisions hold for


def test_an_upload_is_its_people_in_any_order_whatever_else_it_says(upload):
    key = review.upload_key(upload)
    moved = upload.sample(frac=1, random_state=3).assign(row=upload["row"] + 5, location="York")
    assert review.upload_key(moved) == key
    for column in ("forename", "date_of_birth", "pnc_id", "source"):
        other = upload.copy()
        other.loc[3, column] = other[column].iloc[4]
        if column == "source":
            other.loc[3, column] = "quay"
        assert review.upload_key(other) != key, column


def test_what_is_missing_is_missing_however_it_is_held(upload):
    objects = upload.astype({"pnc_id": "object"})
    objects.loc[0, "pnc_id"] = None
    assert review.upload_key(objects) == review.upload_key(upload)


def test_a_register_is_its_offenders_and_aliases():
    key = review.register_key(TABLES)
    assert review.register_key({**TABLES, "offences": "x"}) == key
    for table in ("offenders", "aliases"):
        assert review.register_key({**TABLES, table: "x"}) != key


def test_decisions_on_another_upload_or_register_are_kept_told_and_not_used(kept, upload):
    folder = kept(answer(upload, 2, "A"), answer(upload, 2, "A", **SECOND), answer(upload, 3))
    changed = upload.copy()
    changed.loc[7, "surname"] = "Vantongeren"
    for now, ready in ((changed, prepared()), (upload, prepared(offenders="x"))):
        found = review.read(folder, "harbour", now, ready)
        assert found.table.empty
        assert found.hash is None
        assert found.checks == review.Checks()
        assert found.told == (
            "Clerical decisions on 2 people were made on another upload or another extract of the "
            "national data; they are kept and not used."
        )
    assert len(review.read(folder, "harbour", upload, prepared()).table) == 4
    assert review.read(folder, "harbour", upload, prepared()).told == ""


def test_one_is_one_person(kept, upload):
    found = review.read(kept(answer(upload, 2)), "harbour", people(5), prepared())
    assert found.told.startswith("Clerical decisions on 1 person were made on another upload")


def test_decisions_stay_with_their_people_when_rows_move(kept, upload):
    folder = kept(answer(upload, 2, "A"), answer(upload, 5, "B"))
    before = review.read(folder, "harbour", upload, prepared())
    moved = upload.sample(frac=1, random_state=5).assign(row=upload["row"].to_numpy())
    after = review.read(folder, "harbour", moved, prepared())
    named = [
        {
            (now.set_index("row")["forename"][row], offender): same
            for (row, offender), same in said(found.table).items()
        }
        for now, found in ((upload, before), (moved, after))
    ]
    assert named[0] == named[1]
    assert said(before.table) != said(after.table)
    assert before.hash == after.hash
    assert before.checks == after.checks


def test_a_model_trained_again_loses_no_decision_but_measures_no_precision(kept, upload):
    folder = kept(answer(upload, 2, "A"), answer(upload, 3, "A", purpose="sample", linked="A"))
    first = review.read(folder, "harbour", upload, prepared())
    again = review.read(folder, "harbour", upload, prepared(model="n" * 64))
    assert said(first.table) == said(again.table)
    assert (first.checks.sampled, again.checks.sampled) == (1, 0)
    assert again.checks.precision is None
    assert again.hash == first.hash


# The file


def test_without_a_file_nothing_was_reviewed(tmp_path, upload):
    found = review.read(tmp_path, "harbour", upload, prepared())
    assert list(found.table.columns) == ["source", "row", "offender_id", "same"]
    assert found.table.dtypes.astype("str").tolist() == ["str", "int64", "str", "bool"]
    assert found.table.empty
    assert (found.hash, found.told, found.checks) == (None, "", review.Checks())
    assert list(tmp_path.iterdir()) == []


def test_the_file_and_its_folders_are_for_their_owner_only(kept, upload, tmp_path):
    (tmp_path / "restricted" / "review").mkdir(parents=True, mode=0o755)
    folder = kept(answer(upload, 2))
    file = folder / "review" / "harbour.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file.chmod(0o644)
    kept(answer(upload, 3))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_everything_that_was_said_is_kept(kept, upload):
    answers = (answer(upload, 2, "A"), answer(upload, 2), answer(upload, 3, "B", reason="rare"))
    folder = kept(*answers)
    other = people(9)
    review.keep(folder, "harbour", basis(other), answer(other, 4))
    now = review.open_decisions(folder, "harbour").answers
    assert now == {basis(upload): answers, basis(other): (answer(other, 4),)}
    entry = json.loads((folder / "review" / "harbour.json").read_text())["kept"][0]["answers"][2]
    assert (entry["row"], entry["role"], entry["reason"]) == (5, "statistician 1", "rare")
    assert entry["on"] == "2014-03-03"


@pytest.mark.parametrize("stops", ["fsync", "replace"])
def test_a_file_is_written_whole_or_not_at_all(kept, upload, monkeypatch, stops):
    folder = kept(answer(upload, 2))
    file = folder / "review" / "harbour.json"
    before = file.read_bytes()

    def fail(*arguments):
        raise OSError("the disk is full")

    monkeypatch.setattr(*{"fsync": (review.os, "fsync"), "replace": (Path, "replace")}[stops], fail)
    with pytest.raises(OSError, match="full"):
        kept(answer(upload, 3))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["harbour.json"]


def _spoilt(content, how):
    first = content["kept"][0]["answers"][0]
    if how == "schema":
        content["schema"] = 2
    elif how == "another request":
        content["request"] = "quay"
    elif how == "unknown key":
        first["forename"] = "Wilhelmina"
    elif how == "missing key":
        del first["role"]
    elif how == "wrong kind":
        first["row"] = "Wilhelmina"
    elif how == "unknown judgement":
        first["pairs"][0]["judgement"] = "Wilhelmina"
    elif how == "unknown purpose":
        first["purpose"] = "Wilhelmina"
    elif how == "no pairs":
        first["pairs"] = []
    elif how == "other shape":
        content["kept"] = {"Wilhelmina": 1}
    return content


@pytest.mark.parametrize(
    "how",
    [
        "schema",
        "another request",
        "unknown key",
        "missing key",
        "wrong kind",
        "unknown judgement",
        "unknown purpose",
        "no pairs",
        "other shape",
    ],
)
def test_a_damaged_file_is_a_fault_that_names_nobody(kept, upload, how):
    folder = kept(answer(upload, 2))
    file = folder / "review" / "harbour.json"
    spoilt = json.dumps(_spoilt(json.loads(file.read_text()), how))
    _hold_damaged(folder, file, spoilt.encode(), upload)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"Wilhelmina"', b"\xff\xfe\x00"])
def test_what_is_not_json_is_a_fault_too(kept, upload, content):
    folder = kept(answer(upload, 2))
    _hold_damaged(folder, folder / "review" / "harbour.json", content, upload)


def _hold_damaged(folder, file, content, upload):
    file.write_bytes(content)
    with pytest.raises(Unusable) as refused:
        review.read(folder, "harbour", upload, prepared())
    [fault] = refused.value.faults
    assert fault.where == "review/harbour.json"
    assert "Wilhelmina" not in str(fault)
    assert refused.value.__context__ is None
    with pytest.raises(Unusable):
        review.keep(folder, "harbour", basis(upload), answer(upload, 3))
    assert file.read_bytes() == content


def test_nothing_that_is_shown_of_a_decision_names_a_person(kept, upload):
    folder = kept(answer(upload, 2, "offender-17", listed=("offender-17",), reason="Wilhelmina"))
    found = review.read(folder, "harbour", upload, prepared())
    decisions = review.open_decisions(folder, "harbour")
    shown = f"{found} {decisions} {decisions.answers[basis(upload)]}"
    assert "offender-17" not in shown
    assert "Wilhelmina" not in shown


# What counts


def test_the_chosen_is_the_same_person_and_the_others_are_not(kept, upload):
    folder = kept(answer(upload, 2, "B", listed=("A", "B", "C")))
    table = review.read(folder, "harbour", upload, prepared()).table
    assert said(table) == {(4, "A"): False, (4, "B"): True, (4, "C"): False}
    assert table["source"].eq("harbour").all()


def test_rows_that_say_the_same_are_judged_once(kept, upload):
    table = review.read(kept(answer(upload, 12, "A")), "harbour", upload, prepared()).table
    assert said(table) == {(2, "A"): True, (2, "B"): False}


def test_a_later_answer_of_the_same_role_replaces_the_earlier(kept, upload):
    folder = kept(answer(upload, 2, "A"), answer(upload, 2, "B", role=" Statistician  1 "))
    assert said(review.read(folder, "harbour", upload, prepared()).table) == {
        (4, "A"): False,
        (4, "B"): True,
    }


def test_cannot_tell_leaves_the_person_as_it_was(kept, upload):
    found = review.read(kept(answer(upload, 2, CANNOT_TELL)), "harbour", upload, prepared())
    assert found.table.empty
    assert (found.checks.cannot_tell, found.checks.decided) == (1, 0)


@pytest.mark.parametrize("second", ["B", NOBODY, CANNOT_TELL])
def test_where_reviewers_disagree_nothing_is_used_until_it_is_resolved(kept, upload, second):
    folder = kept(answer(upload, 2, "A"), answer(upload, 2, second, **SECOND))
    found = review.read(folder, "harbour", upload, prepared())
    assert found.table.empty
    assert (found.checks.unresolved, found.checks.decided) == (1, 0)
    [case] = review.disagreements(review.open_decisions(folder, "harbour").answers[basis(upload)])
    assert case == review.row_keys(upload).iloc[2]
    kept(answer(upload, 2, "A", role="lead statistician", purpose="resolve"))
    found = review.read(folder, "harbour", upload, prepared())
    assert said(found.table) == {(4, "A"): True, (4, "B"): False}
    assert (found.checks.unresolved, found.checks.decided, found.checks.linked) == (0, 1, 1)


def test_the_last_resolution_counts(kept, upload):
    folder = kept(
        answer(upload, 2, "A"),
        answer(upload, 2, "B", **SECOND),
        answer(upload, 2, "A", role="lead", purpose="resolve"),
        answer(upload, 2, NOBODY, role="deputy", purpose="resolve"),
        answer(upload, 2, "B", role="lead", purpose="resolve"),
    )
    assert said(review.read(folder, "harbour", upload, prepared()).table)[4, "B"]


def test_reviewers_who_agree_are_used_with_all_that_either_saw(kept, upload):
    folder = kept(answer(upload, 2, "A"), answer(upload, 2, "A", listed=("A", "C"), **SECOND))
    assert said(review.read(folder, "harbour", upload, prepared()).table) == {
        (4, "A"): True,
        (4, "B"): False,
        (4, "C"): False,
    }


def test_the_hash_is_of_what_counts(upload):
    here = basis(upload)

    def hashed(*answers):
        return review.Decisions({here: answers}).hash(here)

    one, other = answer(upload, 2, "A"), answer(upload, 3)
    assert hashed() is None
    assert hashed(one) != hashed(other)
    assert hashed(one, other) == hashed(other, one)
    assert hashed(answer(upload, 2), one) == hashed(one)
    assert hashed(replace(one, reason="rare", on="2014-03-09", row=99)) == hashed(one)
    assert hashed(answer(upload, 2, "B")) != hashed(one)
    assert review.Decisions({here: (one,)}).hash(basis(people(5))) is None


# How good it is


def test_the_counts_of_a_review(upload):
    sampled = {"purpose": "sample", "linked": "A"}
    answers = [
        answer(upload, 2, "A"),
        answer(upload, 3, NOBODY),
        answer(upload, 4, CANNOT_TELL),
        answer(upload, 5, "A"),
        answer(upload, 5, "B", **SECOND),
        answer(upload, 6, "A", **sampled),
        answer(upload, 7, "A", **sampled),
        answer(upload, 7, "A", **SECOND),
        answer(upload, 8, "B", **sampled),
        answer(upload, 9, NOBODY, **sampled),
        answer(upload, 10, CANNOT_TELL, **sampled),
    ]
    found = review.checks(answers, MODEL)
    assert (found.decided, found.linked, found.cannot_tell, found.unresolved) == (2, 1, 1, 1)
    assert (found.sampled, found.right, found.precision) == (4, 2, 0.5)
    assert (found.low, found.high) == review.wilson(2, 4)
    assert (found.double_keyed, found.agreed) == (2, 1)
    assert found.kappa == review.kappa([("candidate 1", "candidate 2"), ("candidate 1",) * 2])


def test_a_sampled_link_on_which_reviewers_disagree_is_not_in_the_precision(upload):
    answers = [
        answer(upload, 6, "A", purpose="sample", linked="A"),
        answer(upload, 6, NOBODY, **SECOND),
    ]
    assert review.checks(answers, MODEL).sampled == 0
    resolved = answer(upload, 6, NOBODY, role="lead", purpose="resolve")
    found = review.checks([*answers, resolved], MODEL)
    assert (found.sampled, found.right) == (1, 0)
    assert (found.double_keyed, found.agreed) == (1, 0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_that_of_statsmodels(trial):
    ours = review.wilson(*trial)
    theirs = proportion_confint(*trial, alpha=0.05, method="wilson")
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_wilsons_interval_as_printed():
    assert all(review.wilson(n, n)[1] == 1 and review.wilson(0, n)[0] == 0 for n in range(1, 99))
    assert review.wilson(49, 50) == pytest.approx((0.8950, 0.9965), abs=5e-5)
    assert review.wilson(5, 5) == pytest.approx((0.5655, 1), abs=5e-5)
    assert review.wilson(0, 5) == pytest.approx((0, 0.4345), abs=5e-5)
    assert review.wilson(5, 10, confidence=0.5)[0] > review.wilson(5, 10)[0]


LABELS = ["candidate 1", "candidate 2", NOBODY, CANNOT_TELL]


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=2))
def test_kappa_is_that_of_statsmodels(ratings):
    ours = review.kappa(ratings)
    if len(set(sum(ratings, ()))) == 1:
        assert ours is None
        return
    counts = Counter(ratings)
    table = np.array([[counts[one, other] for other in LABELS] for one in LABELS])
    theirs = cohens_kappa(table, return_results=False)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_kappa_by_hand_and_where_it_is_not_defined():
    assert review.kappa([("a", "a"), ("a", "b"), ("b", "b"), ("b", "b")]) == pytest.approx(0.5)
    assert review.kappa([]) is None
    assert review.kappa([("a", "a")] * 5) is None


def test_equal_answers_are_equal_places_in_the_list_of_the_first(upload):
    again = answer(upload, 2, "B", listed=("B", "A"), **SECOND)
    assert review.checks([answer(upload, 2, "B"), again], MODEL).agreed == 1
    one, two = (answer(upload, 3, "D", listed=("D",), **who) for who in ({}, SECOND))
    alike = [answer(upload, 2, "A"), answer(upload, 2, "A", **SECOND), one, two]
    assert review.checks(alike, MODEL).agreed == 2
    assert review.checks(alike, MODEL).kappa is None
    unseen = answer(upload, 2, "C", listed=("C",), **SECOND)
    assert review.checks([answer(upload, 2, "B"), unseen], MODEL).agreed == 0


# Who answers again


def _many(count):
    upload = people(26)
    one = answer(upload, 2)
    return [replace(one, case=f"case {n}") for n in range(count)]


@pytest.mark.parametrize(("answered", "drawn"), [(5, 5), (20, 20), (100, 20), (401, 21)])
def test_a_share_of_what_was_answered_is_drawn_to_be_answered_again(answered, drawn):
    keys = review.to_key_again(_many(answered), "statistician 2", seed=1)
    assert len(set(keys)) == drawn
    assert keys == review.to_key_again(_many(answered)[::-1], "statistician 2", seed=1)
    assert keys != review.to_key_again(_many(answered), "statistician 2", seed=2)


def test_nobody_answers_again_what_they_answered_nor_anybody_a_third_time():
    many = _many(30)
    assert review.to_key_again(many, "Statistician  1", seed=1) == []
    first = review.to_key_again(many, "statistician 2", seed=1)
    second = replace(many[0], case=first[0], role="statistician 2", purpose="second")
    assert review.to_key_again([*many, second], "statistician 2", seed=1) == first[1:]
    assert review.to_key_again([*many, second], "statistician 3", seed=1) == first[1:]


@pytest.mark.parametrize("role", ["statistician 1", "Head of profession, statistics", "G7"])
def test_a_post_is_a_role(role):
    assert review.is_role(role) == (len(role) > 2)


@pytest.mark.parametrize("role", ["", "  ", "12", "a\nb", "x" * 61, "<b>boss</b>", "a@b.c"])
def test_what_cannot_be_a_post_is_none(role):
    assert not review.is_role(role)


def test_a_private_file_is_new_and_its_owners(tmp_path):
    file = tmp_path / "audit.csv"
    review.write_private("row\n", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        review.write_private("other\n", file)
    assert file.read_text() == "row\n"
