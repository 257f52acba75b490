"""The notebooks hold to their budget: prose first, short cells, decisions only, nothing typed."""

import ast
import io
import re
import statistics
import tokenize
from itertools import groupby, pairwise
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

LESSONS = "lessons"  # teaching cells between the steps of the master: see test_lessons.py
NOTEBOOKS = sorted(
    path
    for path in (Path(__file__).parent.parent / "notebooks").glob("*.ipynb")
    if path.stem != LESSONS
)
LONG_BY_NATURE = {"parameters", "imports"}
BRANCHES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.If,
    ast.Try,
    ast.TryStar,
    ast.Match,
)
STEP_NAME = re.compile(r"[a-z]+(-([a-z]+|[0-9]+))*")
RESULT_FIGURE = re.compile(r"\d\.\d|\d\s?%|\d\s(?:per\s?cent|percentage)\b")
NOT_PROSE = re.compile(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]*\$|\]\([^)]*\)|<[^>]*>", re.S)

pytestmark = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def cells(notebook: Path) -> list[NotebookNode]:
    return nbformat.read(notebook, as_version=4).cells


def code_cells(notebook: Path) -> list[NotebookNode]:
    return [cell for cell in cells(notebook) if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def lines(cell: NotebookNode) -> int:
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def comments(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT]


def is_code(comment: str) -> bool:
    """Whether a comment would run: an assignment, a call, an import; single words are prose."""
    try:
        body = ast.parse(comment).body
    except SyntaxError:
        return False
    working = (ast.Assign, ast.AugAssign, ast.Import, ast.ImportFrom, ast.Call, ast.Subscript)
    return any(isinstance(node, working) for statement in body for node in ast.walk(statement))


def test_cells_are_short(notebook):
    sizes = [lines(cell) for cell in code_cells(notebook)]
    too_long = [
        cell.id
        for cell in code_cells(notebook)
        if lines(cell) > 20 and not tags(cell) & LONG_BY_NATURE
    ]
    assert too_long == []
    assert statistics.median(sizes) <= 5
    assert sum(size <= 12 for size in sizes) >= 0.9 * len(sizes)


def test_code_is_introduced_by_prose(notebook):
    introduced = [
        after.id
        for before, after in pairwise(cells(notebook))
        if (before.cell_type, after.cell_type) == ("markdown", "code")
    ]
    assert len(introduced) >= 0.85 * len(code_cells(notebook))


def test_never_more_than_two_code_cells_in_a_row(notebook):
    runs = [
        [cell.id for cell in run]
        for kind, run in groupby(cells(notebook), key=lambda cell: cell.cell_type)
        if kind == "code"
    ]
    assert [run for run in runs if len(run) > 2] == []


def test_cells_decide_and_do_not_branch(notebook):
    branching = [
        cell.id
        for cell in code_cells(notebook)
        if any(isinstance(node, BRANCHES) for node in ast.walk(ast.parse(cell.source)))
    ]
    assert branching == []


def test_no_magic_and_no_shell(notebook):
    magic = re.compile(r"^\s*[%!]", re.M)
    assert [cell.id for cell in code_cells(notebook) if magic.search(cell.source)] == []


def test_no_commented_out_code(notebook):
    dead = [
        cell.id
        for cell in code_cells(notebook)
        if any(is_code(comment) for comment in comments(cell.source))
    ]
    assert dead == []


def test_cell_ids_are_step_names(notebook):
    names = [cell.id for cell in cells(notebook)]
    assert [name for name in names if not STEP_NAME.fullmatch(name)] == []
    assert len(set(names)) == len(names)


def test_no_result_is_typed_into_prose(notebook):
    typed = [
        cell.id
        for cell in cells(notebook)
        if cell.cell_type == "markdown" and RESULT_FIGURE.search(NOT_PROSE.sub("", cell.source))
    ]
    assert typed == []


def test_parameters_are_literals(notebook):
    (cell,) = (cell for cell in code_cells(notebook) if "parameters" in tags(cell))
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, (ast.Assign, ast.AnnAssign)), ast.unparse(statement)
        assert statement.value is not None
        ast.literal_eval(statement.value)


def test_prose_carries_the_code(notebook):
    if notebook.stem != "tailored_report":
        pytest.skip("only the master is read from top to bottom")
    prose = [cell.source for cell in cells(notebook) if cell.cell_type == "markdown"]
    words = sum(len(text.split()) for text in prose)
    assert 15 <= words / sum(map(lines, code_cells(notebook))) <= 35


def test_length_in_all(notebook):
    if notebook.stem != "tailored_report":
        pytest.skip("only the master has a length to keep")
    assert 45 <= len(cells(notebook)) <= 60
