"""Teaching cells between the steps of the master notebook.

A cell of ``lessons.ipynb`` that is tagged ``after:NAME`` stands after the cell of that name of the
master, one tagged ``before:NAME`` before it; a cell with neither follows the one above it. The cell
of an exercise holds ``study.answer("NAME", ...)`` alone, and its question is put before it.
"""

# mypy: untyped-calls-exclude="nbformat"

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

import nbformat
from nbformat import NotebookNode

from jdl.learning.exercises import Exercise

TEACHING = "teaching"
TRAINING = "training"
FOLD = "fold"
QUESTION = "exercise"
START = "start-here"
_ANSWER = re.compile(r'study\.answer\("([a-z0-9-]+)", \.\.\.\)')


class Unwoven(ValueError):  # noqa: N818
    """A teaching cell has no place in the master, or an exercise no question."""


def weave(
    master: NotebookNode,
    lessons: NotebookNode,
    exercises: Mapping[str, Exercise],
    *,
    training: bool,
) -> NotebookNode:
    """Return the master with the teaching cells between its steps.

    Parameters
    ----------
    master, lessons : NotebookNode
        Neither is changed.
    exercises : mapping of str to Exercise
    training : bool
        Whether this is the training cohort, whose data may be looked at. Otherwise cells tagged
        ``training`` are left out: what remains speaks of made-up people only.

    Returns
    -------
    NotebookNode
        The cells of the master are as they were, in their order. Every other cell is tagged
        ``teaching``.

    Raises
    ------
    Unwoven
        If a cell names a step that the master does not have, or an exercise that there is not.
    """
    before, after = _places(lessons.cells, {cell.id for cell in master.cells}, training)
    woven: NotebookNode = nbformat.v4.new_notebook(metadata=copy.deepcopy(master.metadata))
    for cell in master.cells:
        woven.cells += [
            *_taught(before[cell.id], exercises),
            copy.deepcopy(cell),
            *_taught(after[cell.id], exercises),
        ]
    return woven


def ready(
    woven: NotebookNode, folders: Mapping[str, str], choices: Mapping[str, object]
) -> NotebookNode:
    """Return a woven notebook that can be run on its own, by a trainee.

    Parameters
    ----------
    woven : NotebookNode
        It is not changed.
    folders : mapping of str to str
        The environment variables that the notebook reads; folders as seen from its own.
    choices : mapping
        What the request sets otherwise than the master does, by name.
    """
    cells = []
    for cell in copy.deepcopy(woven.cells):
        cells.append(cell)
        if len(cells) == 1:
            cells.append(_folders(folders))
        if "parameters" in cell.metadata.get("tags", []) and choices:
            source = "\n".join(f"{name} = {value!r}" for name, value in choices.items())
            cells.append(_taught_code(source, "choices-of-the-request", fold=False))
    alone: NotebookNode = nbformat.v4.new_notebook(metadata=woven.metadata, cells=cells)
    alone.nbformat_minor = 5
    return alone


def _folders(folders: Mapping[str, str]) -> NotebookNode:
    listed = "\n".join(f"    {name!r}: {value!r}," for name, value in sorted(folders.items()))
    source = "# Where the data are, as seen from this notebook's own folder.\nimport os\n\n"
    return _taught_code(f"{source}os.environ |= {{\n{listed}\n}}", START, fold=True)


def _taught_code(source: str, name: str, *, fold: bool) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_code_cell(source, id=name)
    cell.metadata["tags"] = [FOLD] if fold else []
    return _tagged(cell)


def _places(
    cells: Iterable[NotebookNode], steps: set[str], training: bool
) -> tuple[Mapping[str, list[NotebookNode]], Mapping[str, list[NotebookNode]]]:
    before: defaultdict[str, list[NotebookNode]] = defaultdict(list)
    after: defaultdict[str, list[NotebookNode]] = defaultdict(list)
    place: list[NotebookNode] | None = None
    for cell in cells:
        for tag in cell.metadata.get("tags", []):
            side, _, step = tag.partition(":")
            if side in ("before", "after"):
                if step not in steps:
                    raise Unwoven(f"the master has no step {step}, which cell {cell.id} names")
                place = (before if side == "before" else after)[step]
        if place is None:
            raise Unwoven(f"cell {cell.id} names no step, and none above it does")
        if training or TRAINING not in cell.metadata.get("tags", []):
            place.append(cell)
    return before, after


def _taught(
    cells: Iterable[NotebookNode], exercises: Mapping[str, Exercise]
) -> Iterable[NotebookNode]:
    for cell in cells:
        if asked := _ANSWER.fullmatch(cell.source.strip()):
            if asked[1] not in exercises:
                raise Unwoven(f"there is no exercise {asked[1]}, which cell {cell.id} asks")
            yield _question(exercises[asked[1]])
        yield _tagged(cell)


def _question(exercise: Exercise) -> NotebookNode:
    cell: NotebookNode = nbformat.v4.new_markdown_cell(
        exercise.markdown, id=f"{exercise.id}-question"
    )
    cell.metadata["tags"] = [TEACHING, QUESTION]
    return cell


def _tagged(cell: NotebookNode) -> NotebookNode:
    taught: NotebookNode = copy.deepcopy(cell)
    taught.metadata["tags"] = [TEACHING, *cell.metadata.get("tags", [])]
    if FOLD in taught.metadata["tags"]:
        taught.metadata["jupyter"] = {"source_hidden": True}
    return taught
