"""An executed walk-through -> a page: every cell by step, folded where it can be, terms explained.

What the master put out is shown as in the audit copy. An exercise becomes a question with one fold
for each likely answer, and a planted truth is folded away until the reader has committed to one.
"""

# mypy: untyped-calls-exclude="nbformat"

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import unescape
from itertools import cycle
from typing import Any

import latex2mathml.converter
from markupsafe import Markup
from nbformat import NotebookNode

from jdl import glossary, render
from jdl.execute import figures_of
from jdl.learning.course import STEPS, Step
from jdl.learning.exercises import MIME, Exercise, read
from jdl.learning.weave import FOLD, QUESTION, TEACHING

ROLES = ("plain", "picture", "by-hand", "formula", "reads", "break", "wrong", "in-report")
"""How a teaching cell is set apart for the eye, by its tag."""
_LONG = {"parameters", "imports"}
_HEADING = re.compile(r"\A\s*#{1,3} ([^\n]*)\n?")
_STYLE = re.compile(r"<style[^>]*>.*?</style>|<!--.*?-->", re.S)
_TABLE = re.compile(r"<table[^>]*>(.*?)</table>", re.S)
_EMPTY_HEADER = re.compile(r"<th[^>]*>\s*</th>")
_NOTHING = Markup()
_SCROLLED = 'tabindex="0" role="group"'
_FIRST = re.compile(r"<tr[^>]*>\s*<(td|th)[^>]*>(.*?)</\1>", re.S)
_IN_HEADER = re.compile(r"(<th[^>]*><math)([^>]*>.*?</math>)", re.S)
_CELL = re.compile(r"<t[dh]\b[^>]*>")
_NUMBER = re.compile(r"<td>(?=(?:<strong>)?[-\u2212+]?[\d.,]+%?(?:</strong>)?</td>)")


@dataclass(frozen=True)
class Piece:
    """One cell, as the page shows it.

    Parameters
    ----------
    id : str
        The cell's.
    kind : str
        ``prose``, ``code``, ``exercise`` or ``truth``.
    role : str
        One of `ROLES`, or empty.
    html : Markup
        The prose, or what the code put out.
    code : str
    opened : bool
        Whether the code is in sight.
    many : bool
        Whether so many numbers are links that one wants to skip them.
    asked : Asked, optional
    """

    id: str
    kind: str
    role: str = ""
    html: Markup = _NOTHING
    code: str = ""
    opened: bool = True
    many: bool = False
    asked: Asked | None = None


@dataclass(frozen=True)
class Asked:
    """An exercise, as the page asks it.

    Parameters
    ----------
    exercise : Exercise
    question : Markup
    answers : sequence of tuple
        What is answered, whether that is right, and what is said to it.
    another : str
        What is said to any other answer.
    solution : str
        The right answer, in short.
    """

    exercise: Exercise
    question: Markup
    answers: Sequence[tuple[str, bool, Markup]] = ()
    another: str = ""
    solution: str = ""


@dataclass(frozen=True)
class Chapter:
    """A step of the method with all its cells.

    Parameters
    ----------
    step : Step or None
        None for what comes before the first.
    title : str
    blocks : list of (str, list of Piece)
        Pieces that follow each other, by their role.
    """

    step: Step | None
    title: str
    blocks: list[tuple[str, list[Piece]]] = field(default_factory=list)

    @property
    def asked(self) -> list[Asked]:
        """What is asked in it, exercises and guesses."""
        pieces = [piece for _, held in self.blocks for piece in held]
        return [one.asked for one in pieces if one.asked and one.kind == "exercise"]

    @property
    def many(self) -> str:
        """How much is asked in it, in words."""
        labels = Counter(one.exercise.label.lower() for one in self.asked)
        nouns = {"exercise": "exercises", "guess": "guesses"}
        return ", ".join(
            f"{labels[noun]} {noun if labels[noun] == 1 else more}"
            for noun, more in nouns.items()
            if labels[noun]
        )


def walk_through(notebook: NotebookNode, exercises: Mapping[str, Exercise]) -> str:
    """Return the page of an executed walk-through.

    Parameters
    ----------
    notebook : NotebookNode
        As `weave` made it, executed with truths revealed.
    exercises : mapping of str to Exercise

    Returns
    -------
    str
    """
    cells, stopped = render.as_run(notebook)
    chapters = list(_chapters(cells, _Reader(notebook, exercises)))
    used: list[glossary.Term] = []
    marked = [_marked(chapter, used) for chapter in chapters]
    asked = [one.exercise for chapter in marked for one in chapter.asked]
    guesses = sum(one.guess for one in asked)
    return render.page_of(
        "walk_through",
        notebook,
        chapters=marked,
        stopped=stopped,
        meanings=Markup(glossary.meanings(used)),
        exercises=len(asked) - guesses,
        guesses=guesses,
        prose=prose,
        line=line,
    )


def files(notebook: NotebookNode) -> dict[str, bytes]:
    """Return the walk-through's page, and beside it the request's own, by name.

    Parameters
    ----------
    notebook : NotebookNode
        As for `walk_through`, of the project's own exercises.
    """
    return {
        **render.report_files(untaught(notebook), printed=False),
        "walk-through.html": walk_through(notebook, read()).encode(),
    }


def untaught(notebook: NotebookNode) -> NotebookNode:
    """Return a walk-through without what is taught in it: the master, executed."""
    alone: NotebookNode = notebook.copy()
    alone.cells = [cell for cell in notebook.cells if not _is_taught(cell)]
    return alone


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _is_taught(cell: NotebookNode) -> bool:
    return TEACHING in _tags(cell)


def _chapters(cells: Iterable[NotebookNode], reader: _Reader) -> Iterator[Chapter]:
    openers = {step.opener: step for step in STEPS}
    chapter = Chapter(None, "Before the first step")
    for cell in cells:
        if cell.id in openers:
            yield chapter
            step = openers[cell.id]
            heading = _HEADING.match(cell.source)
            chapter = Chapter(step, heading[1] if heading else step.title)
        if piece := reader.piece(cell, opens=cell.id in openers):
            if not chapter.blocks or chapter.blocks[-1][0] != piece.role:
                chapter.blocks.append((piece.role, []))
            chapter.blocks[-1][1].append(piece)
    yield chapter


class _Reader:
    """Makes a piece of each cell.

    Parameters
    ----------
    notebook : NotebookNode
    exercises : mapping of str to Exercise
    """

    def __init__(self, notebook: NotebookNode, exercises: Mapping[str, Exercise]) -> None:
        self._figures = {figure["id"]: figure for figure in figures_of(notebook)}
        self._exercises = exercises

    def piece(self, cell: NotebookNode, *, opens: bool) -> Piece | None:
        """Return a cell as a piece; None for one that the page shows elsewhere, or not at all."""
        role = next((tag for tag in _tags(cell) if tag in ROLES), "") if _is_taught(cell) else ""
        if cell.cell_type == "markdown":
            if QUESTION in _tags(cell):
                return None
            source = _HEADING.sub("", cell.source) if opens else cell.source
            return Piece(cell.id, "prose", role, prose(source))
        if not cell.source:
            return None
        if record := _lesson(cell):
            return self._exercise(cell, record)
        return self._code(cell, role)

    def _exercise(self, cell: NotebookNode, record: Mapping[str, Any]) -> Piece:
        exercise = self._exercises[record["exercise"]]
        question = prose(exercise.question, top=5)
        if record["kind"] == "reveal":
            [output] = cell.outputs
            asked = Asked(exercise, question)
            return Piece(cell.id, "truth", "truth", _shown(output.data), asked=asked)
        told = {one["answer"]: one for one in record["answers"]}
        answers = [
            (answer, one["outcome"] == "right", prose(one["said"], top=5))
            for answer, one in sorted(told.items(), key=lambda held: _order(held[0]))
        ]
        right = next((answer for answer, is_right, _ in answers if is_right), "")
        asked = Asked(exercise, question, answers, record["another"], right)
        return Piece(cell.id, "exercise", "exercise", asked=asked)

    def _code(self, cell: NotebookNode, role: str) -> Piece:
        if _is_taught(cell):
            shown = [_shown(one.data) for one in cell.outputs if "data" in one]
            many, opened = False, not {FOLD, "reads", "picture"} & set(_tags(cell))
            html = Markup("\n").join(shown)
        else:
            output = render.output_of(cell, self._figures)
            many, opened = output.numbers > render.MANY, not _LONG & set(_tags(cell))
            html = output.html
        return Piece(cell.id, "code", role, html, cell.source, opened, many)


def _lesson(cell: NotebookNode) -> Mapping[str, Any] | None:
    for output in cell.outputs:
        if MIME in output.get("data", {}):
            record: Mapping[str, Any] = output.data[MIME]
            return record
    return None


def _order(answer: str) -> tuple[bool, float, str]:
    """Sort numbers by size, then words."""
    try:
        return False, float(answer.replace(",", "")), ""
    except ValueError:
        return True, 0.0, answer


def _shown(data: Mapping[str, Any]) -> Markup:
    """Return what a teaching cell put out."""
    if "text/html" in data:
        return Markup(f'<div class="told">{_tidy(data["text/html"])}</div>')
    if "text/markdown" in data:
        return Markup('<div class="told">{}</div>').format(prose(data["text/markdown"]))
    shown = Markup('<div class="told"><pre class="output" tabindex="0">{}</pre></div>')
    return shown.format(data["text/plain"])


def _tidy(html: str) -> str:
    """Return HTML whose tables are the page's own, and can be scrolled where they are too wide."""
    return _TABLE.sub(_table, _STYLE.sub("", html))


def _table(found: re.Match[str]) -> str:
    rows = _EMPTY_HEADER.sub("<td></td>", re.sub(r' style="[^"]*"', "", found[1]))
    head, divided, body = rows.partition("<tbody>")
    head = re.sub("<th(?=>)", '<th scope="col"', head)
    body = _FIRST.sub(r'<tr><th scope="row">\2</th>', _NUMBER.sub('<td class="numeric">', body))
    head = _IN_HEADER.sub(_spoken, _aligned(head, body))
    table = f"<table>{head}{divided}{body}</table>"
    return f'<div class="table" {_SCROLLED} aria-label="Table">{table}</div>'


def _aligned(head: str, body: str) -> str:
    """Set the header of a column of numbers to the right, as the numbers are."""
    rows = [_CELL.findall(row) for row in body.split("</tr>")]
    columns = zip(*filter(None, rows), strict=False)
    numbers = cycle([set(column) == {'<td class="numeric">'} for column in columns] or [False])
    return _CELL.sub(
        lambda cell: f'{cell[0][:-1]} class="numeric">' if next(numbers) else cell[0], head
    )


def _spoken(header: re.Match[str]) -> str:
    """Name a header that is only a formula, for those who cannot see it."""
    return f'{header[1]} aria-label="{re.sub("<[^>]*>", "", header[2])}"{header[2]}'


class _Mathematics(render.Prose):
    """Prose whose formulas are mathematics."""

    def block_math(self, body: str) -> str:
        """Return a formula of its own line."""
        made = mathematics(body, "block")
        return f'<div class="mathematics" {_SCROLLED} aria-label="Formula">{made}</div>'

    def inline_math(self, body: str) -> str:
        """Return a formula within a line."""
        return mathematics(body, "inline")


def mathematics(latex: str, display: str) -> str:
    """Return a formula in LaTeX as MathML."""
    made = str(latex2mathml.converter.convert(unescape(latex), display=display))
    return made.replace("<mi>&#x000B1;</mi>", "<mo>&#x000B1;</mo>")


def prose(source: str, top: int = 3) -> Markup:
    """Return markdown as HTML whose formulas are mathematics and whose tables can be scrolled."""
    return Markup(_tidy(render.markdown(source, top, _Mathematics)))


def line(source: str) -> Markup:
    """Return a line of markdown as HTML that stands within another."""
    return Markup(prose(source).strip().removeprefix("<p>").removesuffix("</p>"))


def _marked(chapter: Chapter, used: list[glossary.Term]) -> Chapter:
    """Return a chapter in whose prose each term is explained where it is first used."""
    told: list[str] = []

    def mark(html: Markup) -> Markup:
        made = glossary.mark(str(html), but=told)
        told.extend(term.name for term in made.used)
        used.extend(made.used)
        return Markup(glossary.keep(made.html))

    return Chapter(
        chapter.step,
        chapter.title,
        [(role, [_explained(piece, mark) for piece in held]) for role, held in chapter.blocks],
    )


def _explained(piece: Piece, mark: Callable[[Markup], Markup]) -> Piece:
    if piece.kind == "prose":
        return replace(piece, html=mark(piece.html))
    if piece.kind == "exercise" and piece.asked:
        return replace(piece, asked=replace(piece.asked, question=mark(piece.asked.question)))
    return piece
