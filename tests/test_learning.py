"""The walk-through teaches beside the release and never in it; its exercises check themselves."""

import ast
import errno
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from functools import cache
from html import unescape
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from browser import Browser, chromium
from conformance import (
    Page,
    browser_findings,
    link_findings,
    request_findings,
    weight_findings,
)
from jupyter_client.manager import start_new_kernel
from months import folders as named
from months import jdl
from reading_age import grade

from jdl import cli, cohorts, ledger, prepare, release
from jdl.execute import execute, figures_of, result_of
from jdl.figures import MIME as FIGURE
from jdl.learning import exercises, lab, page, walk
from jdl.learning.course import STEPS
from jdl.learning.exercises import KINDS, MIME, NOTED, OPEN, RIGHT, WRONG
from jdl.learning.weave import QUESTION, TEACHING, TRAINING, Unwoven, ready, weave
from jdl.manifest import ROOT, code
from jdl.national import RECORD, open_vintage
from jdl.release import Places, Refused, run_reading
from jdl.workers import Failure

NOTEBOOKS = ROOT / "notebooks"
MASTER = nbformat.read(NOTEBOOKS / "tailored_report.ipynb", as_version=4)
LESSONS = nbformat.read(NOTEBOOKS / "lessons.ipynb", as_version=4)
ASKED = exercises.read()
NEEDED = ("plain", "picture", "by-hand", "formula", "reads", "wrong", "in-report")
LONGEST, MEDIAN, GRADE = 12, 5, 8
BRANCHES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If,
    ast.Try, ast.TryStar, ast.Match, ast.With,
)  # fmt: skip
STEP_NAMES = [step.name for step in STEPS]
DECIMALS = {"one": 1, "two": 2, "three": 3}
BROKEN = [None, [], {}, (), "", "zz", "a" * 99, -1e9, 1e99, float("nan"), float("inf"), True, b"a"]


@cache
def woven(*, training=True):
    return weave(MASTER, LESSONS, ASKED, training=training)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def code_of(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


def lines(cell):
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def made(source):
    """The names that a cell assigns or imports at its top."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(one.asname or one.name).split(".")[0] for one in node.names}
    return names


def used(source):
    nodes = ast.walk(ast.parse(source))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def imported():
    """What the master imports: its packages, not its data."""
    [cell] = [cell for cell in MASTER.cells if cell.id == "set-up"]
    told = [n for n in ast.parse(cell.source).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return {one.asname or one.name for node in told for one in node.names}


def step_of(cell):
    fits = [name for name in STEP_NAMES if cell.id.startswith(f"{name}-")]
    return max(fits, key=len, default=None)


# --- How it is written ----------------------------------------------------------------------------


def test_the_cells_of_the_master_are_woven_as_they_are():
    for training in (True, False):
        own = [cell for cell in woven(training=training).cells if TEACHING not in tags(cell)]
        assert own == MASTER.cells
    nbformat.validate(woven())


def test_every_cell_and_every_exercise_has_one_name():
    ids = [cell.id for cell in woven().cells]
    assert [one for one in set(ids) if ids.count(one) > 1] == []


def test_a_lesson_without_a_place_or_a_question_is_refused():
    lesson = nbformat.v4.new_code_cell('study.answer("no-such", ...)', id="x")
    for tag in ("after:set-up", "after:nowhere", "plain"):
        lesson.metadata["tags"] = [tag]
        with pytest.raises(Unwoven):
            weave(MASTER, nbformat.v4.new_notebook(cells=[lesson]), ASKED, training=True)


def test_teaching_code_is_short_and_straight():
    cells = code_of(LESSONS.cells)
    assert [cell.id for cell in cells if lines(cell) > LONGEST] == []
    assert statistics.median(map(lines, cells)) <= MEDIAN
    branching = {
        cell.id
        for cell in cells
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, BRANCHES)
    }
    assert branching == set()


def test_teaching_code_makes_no_name_of_the_master():
    """What both import, they import alike; nothing else of the master's is made anew or changed."""
    own = code_of(MASTER.cells)
    assigned = {
        node.id
        for cell in own
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name)
    }
    taken = {}
    for cell in code_of(LESSONS.cells):
        bound = {
            node.id
            for node in ast.walk(ast.parse(cell.source))
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)
        }
        if both := (bound - comprehended([cell.source])) & (assigned | imported()):
            taken[cell.id] = both
    assert taken == {}


def test_teaching_code_sets_nothing_of_an_object_it_did_not_make():
    changed = []
    for cell in code_of(LESSONS.cells):
        own = set().union(*(made(one.source) for one in code_of(LESSONS.cells)))
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(
                node.ctx, ast.Store | ast.Del
            ):
                root = node
                while isinstance(root, ast.Attribute | ast.Subscript):
                    root = root.value
                if not (isinstance(root, ast.Name) and root.id in own):
                    changed.append(cell.id)
    assert changed == []


def test_lessons_for_any_request_look_at_made_up_people_only():
    """Without the training tag, code uses imports and names of other such cells, and `study`."""
    cells = [cell for cell in code_of(LESSONS.cells) if TRAINING not in tags(cell)]
    known = set(dir(__import__("builtins"))).union(*(made(cell.source) for cell in cells))
    strange = {cell.id: used(cell.source) - known - imported() for cell in cells}
    strange.pop("study", None)
    assert {name: found for name, found in strange.items() if found} == {}


def test_exercises_for_any_request_ask_nothing_of_its_data():
    """An expression of an exercise that is asked of any request uses made-up names only."""
    cells = [cell for cell in code_of(LESSONS.cells) if TRAINING not in tags(cell)]
    known = set(dir(__import__("builtins"))).union({"answer"}, *(made(one.source) for one in cells))
    known |= imported()
    strange = {}
    for cell in cells:
        for name in re.findall(r'study\.answer\("([^"]+)"', cell.source):
            one = ASKED[name]
            told = [one.right, *(m.answer for m in one.misconceptions)]
            worked = told if one.kind in ("number", "design") else []
            worked += filter(None, [one.accepts, *(m.when for m in one.misconceptions)])
            if found := set().union(*map(used, worked)) - known - comprehended(worked):
                strange[name] = found
    assert strange == {}


def comprehended(sources):
    """The names that comprehensions bind, which are theirs alone."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    targets = [node.target for node in nodes if isinstance(node, ast.comprehension)]
    return {n.id for one in targets for n in ast.walk(one) if isinstance(n, ast.Name)}


@pytest.mark.parametrize("step", STEP_NAMES)
def test_every_step_is_taught_whole(step):
    here = [cell for cell in LESSONS.cells if step_of(cell) == step]
    held = set().union(*map(tags, here))
    assert [role for role in NEEDED if role not in held] == []
    asked = [one for one in ASKED.values() if one.step == step]
    assert len(asked) >= 2
    assert len({one.kind for one in asked}) >= 2


def test_every_exercise_is_asked_once_and_of_its_step():
    calls = re.findall(r'study\.answer\("([^"]+)"', "\n".join(c.source for c in LESSONS.cells))
    assert sorted(calls) == sorted(ASKED)
    assert len(ASKED) >= 30
    for one in ASKED.values():
        assert one.step in STEP_NAMES
        assert one.id.startswith(f"{one.step}-")
        assert one.kind in KINDS


@pytest.mark.parametrize("one", ASKED.values(), ids=lambda one: one.id)
def test_an_exercise_has_what_its_kind_needs(one):
    hints = [m.hint.strip() for m in one.misconceptions]
    assert all(hints)
    assert len(set(hints)) == len(hints), "each misconception has its own hint"
    if one.kind == "choice":
        wrong = [letter for letter in one.choices if letter != one.right]
        assert sorted(m.answer for m in one.misconceptions) == wrong
    elif one.kind == "commit":
        assert len(one.choices) >= 2
    else:
        assert len(hints) >= 2
    assert one.kind == "commit" or one.solution.strip()


def test_every_commitment_is_revealed_and_every_truth_committed_to():
    source = "\n".join(cell.source for cell in code_of(LESSONS.cells))
    revealed = set(re.findall(r'study\.reveal\(\s*"([^"]+)"', source))
    assert revealed == {one.id for one in ASKED.values() if one.kind == "commit"}
    for cell in code_of(LESSONS.cells):
        assert ("study.reveal" in cell.source) <= ({TRAINING, "truth"} <= tags(cell)), cell.id


@pytest.mark.parametrize("step", STEP_NAMES)
def test_the_teaching_text_of_a_step_can_be_read_with_school_statistics(step):
    cells = [c for c in LESSONS.cells if step_of(c) == step and c.cell_type == "markdown"]
    texts = [c.source for c in cells]
    for one in (one for one in ASKED.values() if one.step == step):
        texts += [one.question, one.solution, *(m.hint for m in one.misconceptions)]
    assert grade(plain("\n\n".join(texts))) <= GRADE


def plain(source):
    """The sentences of a markdown text, without code, formulas, tables and headings."""
    source = re.sub(r"```.*?```|\$\$.*?\$\$", " ", source, flags=re.S)
    kept = []
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", source):
        if re.match(r"\s*(#|\|)", part) or not part.strip():
            continue
        text = re.sub(r"`[^`]*`|\$[^$\n]*\$", "it", part)
        text = re.sub(r"[*_#>]|\]\([^)]*\)|\[", "", text)
        text = re.sub(r"^\s*(?:[-*]|\d+\.) ", "", text).strip()
        kept.append(text if text[-1:] in ".?!" else f"{text.rstrip(':,;')}.")
    return " ".join(" ".join(kept).split())


# --- Run, once ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Return the outputs folder in which the walk-through of the training cohort was made.

    JDL_TEST_LEARN names one made earlier, to save time while developing.
    """
    if held := os.environ.get("JDL_TEST_LEARN"):
        return Path(held)
    folder = tmp_path_factory.mktemp("learn")
    done = jdl("learn", "--no-browser", "--outputs", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "walk-through.html" in done.stdout
    return folder


@pytest.fixture(scope="module")
def walked(outputs):
    return outputs / "learn" / walk.REQUEST


@pytest.fixture(scope="module")
def trainee(outputs, walked, tmp_path_factory):
    """Return the notebook after a trainee has answered everything rightly, tried and checked."""
    notebook = nbformat.read(walked / walk.NOTEBOOK, as_version=4)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if found := re.fullmatch(r'study\.answer\("([^"]+)", \.\.\.\)', cell.source.strip()):
            cell.source = cell.source.replace("...", solved(ASKED[found[1]]))
            cells.append(nbformat.v4.new_code_cell(tried(found[1]), id=f"tried-{found[1]}"))
            if ASKED[found[1]].kind == "number":
                cells.append(nbformat.v4.new_code_cell(rounded(found[1]), id=f"round-{found[1]}"))
                cells.append(nbformat.v4.new_code_cell(printed(found[1]), id=f"print-{found[1]}"))
    notebook.cells = [*cells, nbformat.v4.new_code_cell("study.certificate()", id="certified")]
    file = tmp_path_factory.mktemp("trainee") / walk.NOTEBOOK
    nbformat.write(notebook, file)
    environment = {
        "JDL_TRIED": json.dumps(1),
        **{
            name: str((walked / value).resolve()) if "/" in value else value
            for name, value in folders(notebook).items()
        },
    }
    file.write_text(file.read_text().replace("os.environ |= {", "_ = {"))
    return execute(file, {}, environment=environment, log_folder=file.parent)


def folders(notebook):
    [first] = [cell for cell in notebook.cells if cell.id == "start-here"]
    held = re.search(r"\{.*\}", first.source, re.S)
    return ast.literal_eval(held[0])


def solved(one):
    """What a trainee writes who knows the answer."""
    if one.kind == "commit":
        return repr(next(iter(one.choices)))
    return repr(list(one.right)) if one.kind == "several" else (
        repr(one.right) if one.kind == "choice" else str(one.right)
    )  # fmt: skip


def tried(name):
    """A cell that tries on an exercise what a trainee may write wrongly."""
    return (
        f"_one, _broken = study._exercises[{name!r}], "
        f"[{', '.join(map(spelled, BROKEN))}, object()]\n"
        "print([_one.judge(_given, globals()) for _given in _broken])"
    )


def rounded(name):
    """A cell that answers rightly, with the decimals that are asked for, half up or half even."""
    asked = [word for word in DECIMALS if f"{word} decimal" in ASKED[name].question.lower()]
    places = min([ASKED[name].digits, *(DECIMALS[word] for word in asked)])
    return (
        "import decimal as _decimal\n"
        f"_one, _unit = study._exercises[{name!r}], _decimal.Decimal(1).scaleb(-{places})\n"
        "_right = _decimal.Decimal(repr(float(_one.value(_one.right, globals()))))\n"
        "_ways = [_decimal.ROUND_HALF_UP, _decimal.ROUND_HALF_EVEN]\n"
        "_near = [float(_right.quantize(_unit, rounding=_way)) for _way in _ways]\n"
        "print([_one.judge(_given, globals())[0] for _given in _near])"
    )


def printed(name):
    """A cell that answers what the page prints, and whole numbers as numpy counts them."""
    return (
        "import numpy as _numpy\n"
        f"_one = study._exercises[{name!r}]\n"
        "_told = [_one.right, *(_m.answer for _m in _one.misconceptions)]\n"
        "_values = [_one.value(_answer, globals()) for _answer in _told]\n"
        "_shown = [float(_one.shown(_value).replace(',', '')) for _value in _values]\n"
        "_counts = [_numpy.int64(_v) if float(_v).is_integer() else _v for _v in _values]\n"
        "print([[_one.judge(_given, globals()) for _given in _ways]"
        " for _ways in (_shown, _counts)])"
    )


def spelled(value):
    return f"float({str(value)!r})" if isinstance(value, float) else repr(value)


def lesson(cell):
    return next((o.data[MIME] for o in cell.get("outputs", []) if MIME in o.get("data", {})), None)


def test_an_answer_is_told_right_and_each_misconception_by_its_own_hint(trainee):
    records = [record for cell in trainee.cells if (record := lesson(cell))]
    answered = {one["exercise"]: one for one in records if one["kind"] != "reveal"}
    assert set(answered) == set(ASKED)
    for name, record in answered.items():
        one = ASKED[name]
        if one.kind == "commit":
            assert record["given"] == NOTED, name
            continue
        assert record["given"] == RIGHT, name
        expected = [(RIGHT, one.solution), *((WRONG, m.hint) for m in one.misconceptions)]
        assert [(told["outcome"], told["said"]) for told in record["answers"]] == expected, name
        assert record["another"] == one.hint, name


def test_the_right_number_is_accepted_as_rounded_as_the_question_asks(trainee):
    given = {cell.id: cell.outputs for cell in trainee.cells if cell.id.startswith("round-")}
    numbers = [one.id for one in ASKED.values() if one.kind == "number"]
    assert set(given) == {f"round-{name}" for name in numbers}
    told = {
        name: ast.literal_eval("".join(o.text for o in given[f"round-{name}"])) for name in numbers
    }
    assert {name: said for name, said in told.items() if said != [RIGHT, RIGHT]} == {}


def test_every_number_is_judged_as_the_page_prints_it_and_as_numpy_counts_it(trainee):
    told = {
        cell.id.removeprefix("print-"): ast.literal_eval("".join(o.text for o in cell.outputs))
        for cell in trainee.cells
        if cell.id.startswith("print-")
    }
    assert set(told) == {one.id for one in ASKED.values() if one.kind == "number"}
    for name, ways in told.items():
        one = ASKED[name]
        expected = [(RIGHT, one.solution), *((WRONG, m.hint) for m in one.misconceptions)]
        assert ways == [expected, expected], name


def test_no_two_answers_of_an_exercise_are_shown_alike(trainee):
    records = [record for cell in trainee.cells if (record := lesson(cell))]
    shown = {one["exercise"]: [a["answer"] for a in one.get("answers", [])] for one in records}
    assert len(shown) == len(ASKED)
    assert {name: said for name, said in shown.items() if len(set(said)) < len(said)} == {}


def test_a_broken_answer_is_told_so_and_never_ends_in_a_traceback(trainee):
    tries = {cell.id: cell for cell in trainee.cells if cell.id.startswith("tried-")}
    assert len(tries) == len(ASKED)
    for name, one in ASKED.items():
        told = ast.literal_eval("".join(o.text for o in tries[f"tried-{name}"].outputs))
        assert len(told) == len(BROKEN) + 1
        assert {outcome for outcome, _ in told} == {WRONG}, name
        known = {one.form, one.hint, *(m.hint for m in one.misconceptions)}
        assert {said for _, said in told} <= known, name


def test_what_a_solution_counts_is_what_its_cell_shows(trainee):
    shown = {
        cell.id: "".join(output.get("data", {}).get("text/plain", "") for output in cell.outputs)
        for cell in trainee.cells
        if cell.cell_type == "code"
    }
    fished, starred = shown["planned-break-fishing"], shown["result-nothing"]
    counted = {
        ("plan-fished", "This throw gave {}"): int(
            re.search(r"\d+", shown["plan-fished-machine"])[0]
        ),
        ("planned-fished", "This throw gave {}"): sum("(p =" in row for row in fished.splitlines()),
        ("result-eleven", "it came out in {}"): sum("*" in row for row in starred.splitlines()),
    }
    words = ("none", "one", "two", "three", "four", "five", "six", "seven")
    for (name, said), many in counted.items():
        assert said.format(words[many]) in ASKED[name].solution, (name, many)
    few, all_ = map(int, re.findall(r"\d+", shown["person-tight-machine"]))
    assert 0.4 < 1 - few / all_ < 0.5
    assert "More than four in ten are gone" in ASKED["person-tight-lost"].solution


def test_the_certificate_lists_everything_that_was_done(trainee):
    [last] = [cell for cell in trainee.cells if cell.id == "certified"]
    [output] = last.outputs
    told = unescape(output.data["text/html"])
    assert [one.title for one in ASKED.values() if one.title not in told] == []
    assert "not answered yet" not in told


def test_what_is_not_answered_asks_for_an_answer():
    one = next(one for one in ASKED.values() if one.kind == "choice")
    said = exercises.Study({}).answer(one.id)
    assert said.given == OPEN
    assert repr(said).startswith("Not answered yet")
    assert "Solution" in said._repr_mimebundle_()["text/html"]


def test_a_truth_waits_for_an_answer(monkeypatch):
    one = next(one for one in ASKED.values() if one.kind == "commit")
    monkeypatch.delenv(exercises.OPENED, raising=False)
    study = exercises.Study({})
    assert "commit" in repr(study.reveal(one.id, lambda: "the truth"))
    study.answer(one.id, "no such letter")
    assert "commit" in repr(study.reveal(one.id, lambda: "the truth"))
    study.answer(one.id, next(iter(one.choices)))
    assert repr(study.reveal(one.id, lambda: "the truth")) == "'the truth'"


def test_no_teaching_cell_publishes_a_figure(trainee):
    taught = [cell for cell in code_of(trainee.cells) if TEACHING in tags(cell)]
    assert [c.id for c in taught for o in c.outputs if FIGURE in o.get("data", {})] == []


# --- The same figures -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(outputs, tmp_path_factory):
    """Return the same request as `jdl run` makes it, by a checkout in which nothing is taught."""
    bare = tmp_path_factory.mktemp("bare")
    for part in ("jdl", "notebooks", "templates"):
        shutil.copytree(ROOT / part, bare / part, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("jdl/learning", "templates/walk_through", "jdl/site", "templates/site"):
        shutil.rmtree(bare / folder)
    for file in ("jdl/glossary.py", "jdl/glossary.toml", "templates/page/terms.css"):
        (bare / file).unlink()
    (bare / "notebooks" / "lessons.ipynb").write_text("poison")
    (bare / "notebooks" / "exercises.toml").write_text("poison")
    command = "import sys; from jdl.cli import main; sys.exit(main())"
    data = walk.training(outputs).places.data
    places = ["--data", data, "--requests", data / "requests", "--outputs", bare / "outputs"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", command, "run", walk.REQUEST, *map(str, places)],
        env={**os.environ, "PYTHONPATH": str(bare)},
        cwd=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [made] = (bare / "outputs" / ".work").glob(f"*/{walk.REQUEST}")
    return bare, made


def test_release_and_walk_through_give_the_same_figures(released, walked, trainee):
    _, made = released
    for name in ("figures.json", "result.json"):
        assert (made / name).read_bytes() == (walked / name).read_bytes()
    assert figures_of(trainee) == json.loads((made / "figures.json").read_text())
    assert result_of(trainee) == json.loads((made / "result.json").read_text())


def test_a_release_runs_no_teaching_cell(released):
    _, made = released
    ran = nbformat.read(made / "notebook.ipynb", as_version=4).cells
    assert [cell.id for cell in ran if TEACHING in tags(cell)] == []
    own = [cell for cell in ran if cell.id != "injected-parameters"]
    assert [(c.id, c.source) for c in own] == [(c.id, c.source) for c in MASTER.cells]


def test_what_is_taught_is_no_input_of_a_release(released):
    bare, _ = released
    assert code(bare)["sha256"] == code(ROOT)["sha256"]


# --- The page and the notebook --------------------------------------------------------------------


def test_the_notebook_to_run_holds_no_output_and_finds_its_folders(walked):
    notebook = nbformat.read(walked / walk.NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert [c.id for c in code_of(notebook.cells) if c.outputs or c.execution_count] == []
    first = code_of(notebook.cells)[0]
    assert first.id == "start-here"
    assert first.metadata["jupyter"] == {"source_hidden": True}
    named = {name: value for name, value in folders(notebook).items() if name != "JDL_RELEASE"}
    inside = {name for name, value in named.items() if (walked / value).exists()}
    assert inside >= {"JDL_VINTAGE", "JDL_REQUESTS", "JDL_OUTPUTS"}
    assert not [value for value in named.values() if value.startswith("/")]


def test_a_request_with_choices_of_its_own_keeps_them_in_the_notebook():
    notebook = ready(woven(), {}, {"request_id": "other", "calipers": [0.1]})
    ids = [cell.id for cell in notebook.cells]
    [chosen] = [cell for cell in notebook.cells if cell.id == "choices-of-the-request"]
    assert ids.index("choices-of-the-request") == ids.index("parameters") + 1
    assert chosen.source == "request_id = 'other'\ncalipers = [0.1]"


def test_only_the_owner_can_read_a_walk_through(outputs, walked):
    assert [f for f in walked.iterdir() if f.stat().st_mode & 0o077] == []
    assert not (outputs / "learn").stat().st_mode & 0o077


def test_every_link_fold_and_term_of_the_page_leads_somewhere(walked):
    shown = Page.read(walked / walk.PAGE, walked)
    assert shown.faults == []
    assert link_findings(shown) == []
    assert request_findings(shown) == []
    assert weight_findings(shown) == []
    assert [name for name, count in shown.ids.items() if count > 1] == []
    html = (walked / walk.PAGE).read_text()
    opened = set(re.findall(r'popovertarget="([^"]+)"', html))
    assert len(opened) > 30
    assert opened == set(re.findall(r'<div popover class="meaning" id="([^"]+)"', html))
    named = set(re.findall(r'href="#(?:step|exercise)-([^"]+)"', html))
    assert named == set(STEP_NAMES) | set(ASKED)
    assert "<script" not in html
    assert "$$" not in re.sub(r"<pre.*?</pre>|<code.*?</code>", "", html, flags=re.S)


def test_the_page_holds_every_hint_and_no_word_of_official_statistics(walked):
    html = (walked / walk.PAGE).read_text()
    assert html.count('class="verdict"') >= 3 * len(ASKED)
    assert html.count("Not Official Statistics") == html.count("Official Statistics") > 0


@pytest.mark.skipif(chromium() is None, reason="Chromium is not installed")
def test_the_page_can_be_used_by_everybody(walked):
    with Browser() as browser:
        for width in (1280, 320):
            assert browser_findings(browser, (walked / walk.PAGE).as_uri(), width) == []


def test_a_page_made_again_has_the_same_bytes(trainee):
    assert page.walk_through(trainee, ASKED) == page.walk_through(trainee, ASKED)


def test_where_people_are_real_the_page_is_restricted_and_no_release(trainee):
    notebook = nbformat.reads(nbformat.writes(trainee), as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("data", {}).get(FIGURE, {}).get("kind") == "result":
                output["data"][FIGURE]["result"]["vintage"]["synthetic"] = False
    html = page.walk_through(notebook, ASKED)
    assert "Working material. Restricted: not for publication." in html
    assert "Open Government Licence" not in html
    assert not re.search(r'class="status[^>]*>Official Statistics', html)


# --- A request of which nobody knows the truth ----------------------------------------------------

OTHER, STOPPED = "green-shoots", "small-steps"
POISON = "what must not be read"


@pytest.fixture(scope="module")
def unknown(outputs, tmp_path_factory):
    """Return the training data as if they were of real people, beside a truth that is none."""
    made = walk.training(outputs).places.data
    folder = tmp_path_factory.mktemp("unknown") / "data"
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("outputs", "truth"))
    [vintage] = folder.glob("*/vintage.toml")
    told = vintage.read_text()
    assert "synthetic = true" in told
    vintage.write_text(told.replace("synthetic = true", "synthetic = false"))
    prepared_from(open_vintage(vintage.parent))
    (folder / "truth").mkdir()
    for truth in (made / "truth").iterdir():
        (folder / "truth" / truth.name).write_text(POISON)
    return folder


def prepared_from(vintage):
    """Have what was prepared pass for made from these tables: they are the same, as they were."""
    file = vintage.prepared / RECORD
    with vintage.connect() as con:
        inputs = prepare._inputs(con, vintage)
    file.write_text(json.dumps({**json.loads(file.read_text()), "inputs": inputs}))


@pytest.fixture(scope="module")
def other(unknown, tmp_path_factory):
    """Return where such a request was learned from, and how things stood at the handing out."""
    places = Places(unknown, unknown / "requests", tmp_path_factory.mktemp("other"))
    stood, hand_out = [], walk._hand_out

    def handed(woven, job, folder):
        lock = places.work("2014-02") / f".{OTHER}.lock"
        with pytest.raises(Refused), release.lock(lock, exclusive=True):
            pass
        stood.append(set(ledger.first_read(places.restricted)))
        return hand_out(woven, job, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "_hand_out", handed)
        assert command("learn", OTHER, "--no-browser", places=places) == 0
    return places, stood


def command(*words, places):
    return cli.main([*words, *map(str, named(places.data, places.outputs))])


def taught(places, name):
    [folder] = places.outputs.glob(f"learn/*/{name}")
    notebook = nbformat.read(folder / walk.NOTEBOOK, as_version=4)
    return folder, notebook, (folder / walk.PAGE).read_text()


def of_training_only():
    return {cell.id for cell in LESSONS.cells if TRAINING in tags(cell)}


def test_another_request_is_taught_without_its_data_or_a_truth(other, walked):
    _, notebook, html = taught(other[0], OTHER)
    assert of_training_only() & {cell.id for cell in notebook.cells} == set()
    assert {cell.id for cell in woven(training=False).cells} <= {cell.id for cell in notebook.cells}
    for word in ("open_truth", 'class="truth'):
        assert word in (walked / walk.PAGE).read_text()
        assert word not in html
    assert POISON not in html
    assert "Working material. Restricted: not for publication." in html


def test_another_request_is_in_the_ledger_before_its_notebook_is_handed_out(other):
    places, stood = other
    assert stood == [{OTHER}]
    assert set(ledger.first_read(places.restricted)) == {OTHER}


def test_a_walk_through_changes_nothing_of_the_report_that_follows(other):
    places, _ = other
    assert command("run", OTHER, places=places) == 0
    for name in ("figures.json", "result.json"):
        made = places.work("2014-02") / OTHER / name
        assert made.read_bytes() == (taught(places, OTHER)[0] / name).read_bytes()


def test_a_reading_is_used_again_until_something_else_has_been_told(other, monkeypatch):
    places, _ = other
    work = places.work("2014-02")
    asked = []

    def keys():
        """The key and what stands beside, of the reading that would be run."""

        def read(job):
            asked.append((job.key, job.environment["JDL_BESIDE"]))
            return walk.replace(job, folder=places.outputs / "none")

        workers = SimpleNamespace(run=lambda jobs, tell: [Failure(OTHER, "not run")])
        run_reading(OTHER, places, read, lambda *_: None, workers, tell=lambda news: None)
        return asked[-1]

    first = keys()
    assert keys() == first
    beside = work / "fresh-start-bootcamp"
    beside.mkdir()
    [held] = places.outputs.glob(f"**/{OTHER}/{cohorts.FILE}")
    shutil.copy(held, beside)
    second = keys()
    assert second[1] == beside.name
    shutil.rmtree(beside)
    assert keys() == first
    told = [SimpleNamespace(digest="told", result="told")]
    monkeypatch.setattr(cohorts, "kept", lambda *_: told)
    assert len({first[0], second[0], keys()[0]}) == 3


def test_a_walk_through_made_before_is_not_run_again(other, monkeypatch):
    places, _ = other
    monkeypatch.setattr(release.Crew, "run", None)
    (places.restricted / ledger.FILE).unlink()
    assert command("learn", OTHER, "--no-browser", places=places) == 0
    assert set(ledger.first_read(places.restricted)) == {OTHER}


def test_a_request_that_stops_is_taught_to_its_stop(unknown, tmp_path):
    places = Places(unknown, unknown / "requests", tmp_path)
    assert command("learn", STOPPED, "--no-browser", places=places) == 0
    folder, _, html = taught(places, STOPPED)
    assert json.loads((folder / "result.json").read_text())["status"] == "not processed"
    assert ledger.first_read(places.restricted) == {}
    assert "exercise-criteria-" in html
    assert "exercise-effects-" not in html


def test_who_starts_over_gets_a_fresh_notebook_and_keeps_the_one_with_answers(other, capsys):
    places, _ = other
    folder = taught(places, OTHER)[0]
    file = folder / walk.NOTEBOOK
    fresh = file.read_text()
    answered = fresh.replace(", ...)", r", \"b\")", 1)
    file.write_text(answered)
    assert command("learn", OTHER, "--no-browser", "--start-over", places=places) == 0
    assert file.read_text() == fresh != answered
    kept = folder / "walk-through-1.ipynb"
    assert kept.read_text() == answered
    assert f"Your notebook of before, with its answers, is kept: {kept}" in capsys.readouterr().out


# --- The command ----------------------------------------------------------------------------------


def test_training_data_are_made_again_when_broken_or_of_another_code(tmp_path):
    made = []

    def synthesise(folder, people, seed, tell, *, slips):
        made.append((people, seed))
        folder.mkdir()
        (folder / "table").write_text("as made")

    folder = walk.training(tmp_path).places.data

    def make():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(walk, "run_prepare", lambda *_, **__: None)
            with walk.training_data(tmp_path, synthesise, lambda news: None):
                pass

    make()
    make()
    assert made == [(walk.PEOPLE, walk.SEED)]
    (folder / "table").write_text("changed")
    make()
    assert (folder / "table").read_text() == "as made"
    (folder / "made.json").write_text("{}")
    make()
    assert len(made) == 3
    there = sorted(one.name for one in folder.parent.iterdir())
    locks = [".reading.lock", ".training.lock"]
    assert there == [*locks, "training", "training-1", "training-2"]


def test_what_a_trainee_puts_beside_the_training_data_is_never_deleted(tmp_path, monkeypatch):
    def synthesise(folder, *_, slips):
        folder.mkdir()
        (folder / "table").write_text("as made")

    def make():
        with walk.training_data(tmp_path, synthesise, lambda news: None) as kept:
            return kept

    monkeypatch.setattr(walk, "run_prepare", lambda *_, **__: None)
    assert make() is None
    folder = walk.training(tmp_path).places.data
    for grown in ("outputs", "synthetic-2013-10/prepared"):
        (folder / grown).mkdir(parents=True)
        (folder / grown / "ledger").write_text("grown")
    monkeypatch.setattr(walk, "_synthetic_code", lambda: "another")
    assert make() is None
    own = folder / "requests" / "outputs" / "request.toml"
    own.parent.mkdir(parents=True)
    own.write_text("my own")
    assert make() is None
    assert own.read_text() == "my own"
    (folder / "table").write_text("changed")
    (folder.parent / "training-1").mkdir()
    kept = make()
    assert kept == folder.parent / "training-2"
    assert (kept / own.relative_to(folder)).read_text() == "my own"
    assert (folder / "table").read_text() == "as made"
    assert not own.exists()


def test_what_stands_where_the_training_data_belong_is_kept(tmp_path, monkeypatch):
    def synthesise(folder, *_, slips):
        folder.mkdir()
        (folder / "table").write_text("as made")

    monkeypatch.setattr(walk, "run_prepare", lambda *_, **__: None)
    file, link = (walk.training(tmp_path / name).places.data for name in ("file", "link"))
    for one in (file, link):
        one.parent.mkdir(parents=True)
    file.write_text("my own")
    link.symlink_to("a disk that is not there")
    for name, one in (("file", file), ("link", link)):
        with walk.training_data(tmp_path / name, synthesise, lambda news: None) as kept:
            assert kept == one.with_name("training-1")
            assert (one / "table").read_text() == "as made"
    assert file.with_name("training-1").read_text() == "my own"
    assert link.with_name("training-1").is_symlink()


_READER = """
import sys
from pathlib import Path
from jdl.learning import walk
walk.run_prepare = lambda *_, **__: None
def synthesise(folder, *_, slips):
    folder.mkdir()
    (folder / "table").write_text("as made")
with walk.training_data(Path(sys.argv[1]), synthesise, lambda news: None):
    print("reading", flush=True)
    sys.stdin.readline()
"""


def test_training_data_are_not_made_anew_while_another_reads_them(tmp_path, monkeypatch):
    def synthesise(folder, *_, slips):
        folder.mkdir()
        (folder / "table").write_text("as another code makes them")

    def read():
        with walk.training_data(tmp_path, synthesise, lambda news: None):
            return (walk.training(tmp_path).places.data / "table").read_text()

    monkeypatch.setattr(walk, "run_prepare", lambda *_, **__: None)
    command = [sys.executable, "-c", _READER, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout.readline() == "reading\n"
        assert read() == "as made"
        monkeypatch.setattr(walk, "_synthetic_code", lambda: "another")
        with pytest.raises(Refused, match="Another jdl command is at work"):
            read()
        assert (walk.training(tmp_path).places.data / "table").read_text() == "as made"
        reader.communicate("\n")
    assert read() == "as another code makes them"


def test_a_notebook_with_answers_is_never_written_over(walked, tmp_path):
    file = tmp_path / walk.NOTEBOOK
    job = walk.Job("x", file, {"request_id": walk.REQUEST}, {}, dict, tmp_path, tmp_path, "")
    assert walk._hand_out(woven(), job, tmp_path) is None
    answered = file.read_text().replace(", ...)", r", \"b\")", 1)
    file.write_text(answered)
    assert walk._hand_out(woven(), job, tmp_path) is None
    assert file.read_text() == answered
    kept = walk._hand_out(woven(training=False), job, tmp_path)
    assert kept is not None
    assert kept.read_text() == answered
    assert file.read_text() != answered


def test_a_notebook_kept_aside_takes_a_name_that_is_free(walked, tmp_path):
    file = tmp_path / walk.NOTEBOOK
    job = walk.Job("x", file, {"request_id": walk.REQUEST}, {}, dict, tmp_path, tmp_path, "")
    held = {f"walk-through-{name}.ipynb": name for name in ("2", "3", "my copy")}
    for name, content in held.items():
        (tmp_path / name).write_text(content)
    kept = []
    for number in range(3):
        file.write_text(f"answers {number}")
        kept.append(walk._hand_out(woven(), job, tmp_path).name)
    assert kept == [f"walk-through-{number}.ipynb" for number in (1, 4, 5)]
    assert {name: (tmp_path / name).read_text() for name in held} == held
    assert [(tmp_path / name).read_text() for name in kept] == [f"answers {n}" for n in range(3)]


def test_a_notebook_with_answers_learns_where_the_data_are_now(tmp_path):
    def handed(**environment):
        file = tmp_path / walk.NOTEBOOK
        given = {"request_id": walk.REQUEST}
        job = walk.Job("x", file, given, environment, dict, tmp_path, tmp_path, "")
        assert walk._hand_out(woven(), job, tmp_path) is None
        return nbformat.read(file, as_version=4)

    before = handed(JDL_RELEASE="2014-03")
    answer = next(cell for cell in before.cells if cell.source.startswith("study.answer"))
    answer.source = answer.source.replace("...", "'my own'")
    nbformat.write(before, tmp_path / walk.NOTEBOOK)
    after = handed(JDL_RELEASE="2014-03", JDL_BESIDE="another-request")
    changed = [
        (old.id, new.source)
        for old, new in zip(before.cells, after.cells, strict=True)
        if old != new
    ]
    [(name, source)] = changed
    assert name == "start-here"
    assert "'JDL_BESIDE': 'another-request'" in source


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    assert cli.main(["learn", "--no-browser", "--outputs", str(tmp_path / "file")]) == 2
    assert "the outputs folder must be writable" in capsys.readouterr().err

    def read_only(folder):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr(walk, "make_private", read_only)
    assert cli.main(["learn", "--no-browser", "--outputs", str(tmp_path / "made")]) == 1
    assert "may not be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["no-such-request"], 2, "a request must have a folder of its own"),
        (["--data", "x"], 2, "the training cohort has data of its own"),
    ],
)
def test_what_cannot_be_used_is_told(arguments, status, said, tmp_path):
    done = jdl("learn", *arguments, "--no-browser", "--outputs", tmp_path)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told_before_anything_is_made(tmp_path):
    with socket.socket() as held:
        held.bind((lab.HOST, 0))
        held.listen()
        done = jdl("learn", "--port", held.getsockname()[1], "--outputs", tmp_path / "made")
    assert done.returncode == 1
    assert "is taken" in done.stderr
    assert not (tmp_path / "made").exists()


def test_jupyterlab_serves_the_notebook_to_whoever_has_the_token(walked, tmp_path):
    with socket.socket() as free:
        free.bind((lab.HOST, 0))
        port = free.getsockname()[1]
    with lab.opened(walked / walk.NOTEBOOK, tmp_path, port, browser=False) as server:
        end = time.monotonic() + 60
        while not (told := list(tmp_path.glob("runtime/jpserver-*.json"))):
            assert server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        token = json.loads(told[0].read_text())["token"]
        assert len(token) >= 32
        address = f"http://{lab.HOST}:{port}/api/contents/{walk.NOTEBOOK}"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(address, timeout=20)
        with urllib.request.urlopen(f"{address}?token={token}", timeout=20) as answer:
            served = json.load(answer)
        assert served["name"] == walk.NOTEBOOK
        assert lab.obstacle(port) is not None
    assert server.returncode is not None
    assert lab.obstacle(port) is None


def test_after_a_restart_a_trainee_is_told_to_run_the_cells_above(tmp_path):
    manager, client = start_new_kernel(env=lab._environment(tmp_path))
    try:
        reply = client.execute("study.answer('request-who', 'b')", reply=True, timeout=60)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    [said] = reply["content"]["traceback"]
    assert said.startswith(
        "The name `study` is not there. Run the cells above first: Run > Run All"
    )


def test_every_question_is_put_before_its_answer():
    cells = woven().cells
    for before, cell in pairwise(cells):
        if found := re.fullmatch(r'study\.answer\("([^"]+)", \.\.\.\)', cell.source.strip()):
            assert QUESTION in tags(before)
            assert ASKED[found[1]].title in before.source
