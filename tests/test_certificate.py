"""The certificate: what was done, from the answers in the cells alone."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from browser import Browser, chromium
from conformance import browser_findings

from jdl.learning import Study
from jdl.learning.certificate import FILE
from jdl.learning.exercises import Exercise, Misconception, read

EXERCISES = {
    one.id: one
    for one in (
        Exercise("request-a", "request", "First", "choice", "?", "a", "So it is.",
                 {"a": "yes", "b": "no"}, (Misconception("b", "Look again."),)),
        Exercise("request-b", "request", "Second", "number", "?", "2", "Two.", breaks=True),
        Exercise("score-c", "score", "Third", "commit", "?", "", "", {"a": "1", "b": "2"}),
        Exercise("score-d", "score", "Never asked", "number", "?", "2", "Two."),
    )
}  # fmt: skip


def walked() -> Study:
    """First right after another answer, second never answered, third noted; one is not asked."""
    study = Study({"plan_hash": "abc123"}, EXERCISES)
    study.answer("request-a", "b")
    study.answer("request-a", "a")
    study.answer("request-b", ...)
    study.answer("score-c", "b")
    study.reveal("score-c", lambda: "the truth")
    return study


def lines(study: Study) -> list[str]:
    return [str(line) for line in study.certificate().lines]


def test_it_tells_what_was_done_and_what_was_not():
    study = walked()
    assert lines(study) == ["right after 2 tries", "not answered yet", "noted"]
    assert study.certificate().said == (
        "1 of the 2 exercises of this notebook are answered rightly.",
        "The whole course has 3.",
        "0 of 1 ways to break the method were found out.",
        "1 of 1 guesses were made, and 1 of 1 planted truths shown.",
    )
    assert "The request: 1 of 2" in repr(study.certificate())


def test_an_answer_given_again_is_no_new_try_and_a_wrong_one_counts_as_not_yet():
    study = walked()
    study.answer("request-a", "a")
    study.answer("request-b", 3)
    study.answer("request-b", 4)
    assert lines(study) == ["right after 2 tries", "not yet, after 2 tries", "noted"]


def test_running_all_cells_again_restores_it():
    study = walked()
    again = Study({"plan_hash": "abc123"}, EXERCISES)
    for name, given in (("request-a", "a"), ("request-b", ...), ("score-c", "b")):
        again.answer(name, given)
    again.reveal("score-c", lambda: "the truth")
    assert lines(again) == ["right at the first try", "not answered yet", "noted"]
    assert again.certificate().said == study.certificate().said
    assert again.certificate().page() == again.certificate().page()


def test_where_no_truth_is_known_none_is_spoken_of():
    study = Study({}, EXERCISES)
    study.answer("request-a", "a")
    [right, *_] = study.certificate().said
    assert right == "1 of the 1 exercises of this notebook are answered rightly."
    assert "truth" not in study.certificate().page()


def test_it_names_the_data_and_the_seed_of_the_training_data_only(tmp_path: Path):
    vintage = SimpleNamespace(name="synthetic-2013-10", folder=tmp_path / "v")
    study = Study({"vintage": vintage}, EXERCISES)
    assert study.certificate().data == "the vintage synthetic-2013-10"
    (tmp_path / "made.json").write_text("{}")
    assert study.certificate().data == "the training data: 30,000 made-up people, seed 2014"


def test_it_is_written_only_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    walked().certificate()
    assert not Path(FILE).exists()
    assert "Written to certificate.html" in repr(walked().certificate(save=True))
    page = Path(FILE).read_text(encoding="utf-8")
    assert page == walked().certificate().page()
    assert "abc123" in page
    assert re.findall(r"<td>(right[^<]*|not [^<]*|noted)</td>", page) == lines(walked())


@pytest.mark.skipif(chromium() is None, reason="no Chromium")
def test_the_page_can_be_read_by_everybody(tmp_path: Path):
    file = tmp_path / FILE
    file.write_text(walked().certificate().page(), encoding="utf-8")
    nothing_to_skip = "the link to the content does not show itself"
    with Browser() as browser:
        for width in (320, 1280):
            assert browser_findings(browser, file.as_uri(), width) == [nothing_to_skip]


def test_a_page_that_folds_its_truths_has_shown_none():
    one = next(one for one in read().values() if one.kind == "commit")
    study = Study({}, opened=True)
    study.answer(one.id, ...)
    study.reveal(one.id, lambda: "the truth")
    assert study.certificate().revealed == 0
    study.answer(one.id, next(iter(one.choices)))
    study.reveal(one.id, lambda: "the truth")
    assert study.certificate().revealed == 1
