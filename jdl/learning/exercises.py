"""Exercises that check themselves: the right answer, and a hint for each likely misconception.

They are written in ``notebooks/exercises.toml``. Answers that depend on the data are expressions
over the names of the notebook, so that they are worked out there and never typed.

Kinds: ``choice`` (one letter), ``several`` (a list of letters), ``number`` (an expression),
``design`` (anything that a condition accepts) and ``commit`` (one letter, which is noted and not
judged until the truth is revealed).
"""

from __future__ import annotations

import ast
import math
import os
import re
import reprlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from html import escape
from numbers import Integral, Real
from pathlib import Path
from types import EllipsisType
from typing import Any

from jdl import safekeeping
from jdl.learning.certificate import FILE, NOTED, OPEN, RIGHT, WRONG, Certificate, Line
from jdl.learning.course import MADE, PEOPLE, SEED

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
OPENED = "JDL_OPENED"
MIME = "application/vnd.jdl.lesson+json"
KINDS = ("choice", "several", "number", "design", "commit")
_WITHIN = 1e-9
_MOST_LETTERS = 26
_SLIPS = {
    100: "That is a hundred times the answer. Is it asked for as a share, or in per cent?",
    0.01: "That is a hundredth of the answer. Is it asked for as a share, or in per cent?",
    -1: "The size is right, the sign is not.",
}
_SHORT = reprlib.Repr()
_SHORT.maxdict = _SHORT.maxlist = _SHORT.maxset = _SHORT.maxtuple = 40
_SHORT.maxstring = _SHORT.maxother = 400


class Unready(Exception):  # noqa: N818
    """A name of the notebook that an exercise needs is not there, or is not what it was."""


@dataclass(frozen=True)
class Misconception:
    """A likely wrong answer, and what to say to it.

    Parameters
    ----------
    answer : str or tuple of str
        A letter or letters, or an expression that gives the number or an example of the design.
    hint : str
        What the answer shows, and where to look again.
    when : str
        For a design: the condition on ``answer`` that tells it.
    """

    answer: str | tuple[str, ...]
    hint: str
    when: str = ""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Parameters
    ----------
    id, step, title : str
        The step is the name of a cell of the master that opens it.
    kind : str
        See the module.
    question : str
        Markdown.
    right : str or tuple of str
        A letter or letters, or an expression; for a design an example.
    solution : str
        Markdown: the right answer and why.
    choices : dict of str to str
        By letter.
    misconceptions : tuple of Misconception
    hint : str
        What is said to any other wrong answer.
    accepts : str
        For a design: the condition on ``answer``.
    within : float
        For a number: how far it may be out. A number that is not whole may always be rounded to
        the decimals shown.
    digits : int
        For a number: decimals shown.
    breaks : bool
        Whether it breaks the method on purpose.
    """

    id: str
    step: str
    title: str
    kind: str
    question: str
    right: str | tuple[str, ...]
    solution: str
    choices: Mapping[str, str] = field(default_factory=dict)
    misconceptions: tuple[Misconception, ...] = ()
    hint: str = "Read the step again, and try once more."
    accepts: str = ""
    within: float = _WITHIN
    digits: int = 0
    breaks: bool = False

    @property
    def guess(self) -> bool:
        """Whether it is committed to before a truth is shown, and not judged."""
        return self.kind == "commit"

    @property
    def label(self) -> str:
        """What a trainee is asked for."""
        return "Guess" if self.guess else "Exercise"

    @property
    def markdown(self) -> str:
        """The question as it stands in the notebook."""
        listed = [f"- **{letter}** {text}" for letter, text in self.choices.items()]
        return "\n".join(
            [f"#### {self.label}: {self.title}", "", self.question.strip(), "", *listed]
        ).rstrip()

    def judge(self, answer: Any, names: Mapping[str, Any]) -> tuple[str, str]:
        """Return what an answer is, and what is said to it.

        Parameters
        ----------
        answer
            As the trainee wrote it.
        names : mapping
            Those of the notebook, for the expressions.

        Returns
        -------
        str
            ``right``, ``wrong`` or ``noted``.
        str
            A hint, or the solution.

        Raises
        ------
        Unready
            If a name that the exercise needs is not there, or is not what it was.
        """
        if self.kind == "design":
            return self._judge_design(answer, names)
        if not self._has_form(answer):
            return WRONG, self.form
        if self.guess:
            return NOTED, "Noted."
        if self._same(answer, self.right, names):
            return RIGHT, self.solution
        for one in self.misconceptions:
            if self._same(answer, one.answer, names):
                return WRONG, one.hint
        return WRONG, self._slip(answer, names) or self.hint

    @property
    def form(self) -> str:
        """What is said to an answer of another form than is asked for."""
        return {
            "number": "Write one number, such as 12 or 0.25, without quotation marks or brackets.",
            "several": 'Write the letters in a list, such as ["a", "b"].',
            "design": "Write it in the form that the question shows.",
        }.get(self.kind, f"Write one of the letters {', '.join(self.choices)}, in quotation marks.")

    def _has_form(self, answer: Any) -> bool:
        if self.kind == "number":
            return _number(answer) is not None
        letters = _letters(answer)
        return (
            bool(letters)
            and letters <= set(self.choices)
            and (self.kind == "several" or len(letters) == 1)
        )

    def _judge_design(self, answer: Any, names: Mapping[str, Any]) -> tuple[str, str]:
        """Judge a design; each condition is asked once, since it may run the method."""
        self._check(names)
        accepted = _holds(self.accepts, answer, names)
        if accepted:
            return RIGHT, self.solution
        can_be_asked = accepted is not None
        for one in self.misconceptions:
            holds = _holds(one.when, answer, names)
            if holds:
                return WRONG, one.hint
            can_be_asked |= holds is not None
        return WRONG, self.hint if can_be_asked else self.form

    def _check(self, names: Mapping[str, Any]) -> None:
        """Check that the notebook holds what a design is judged by."""
        example = self.value(self.right, names)
        if not _worked(f"bool({self.accepts})", {**names, "answer": example}):
            raise _changed(self.accepts, names)

    def _same(self, answer: Any, other: str | tuple[str, ...], names: Mapping[str, Any]) -> bool:
        if self.kind != "number":
            return _letters(answer) == _letters(other)
        given, told = _number(answer), _number(self.value(other, names))
        if given is None or told is None:
            return False
        return self._near(given, told)

    def _near(self, given: float, told: float) -> bool:
        rounded = 0.0 if told.is_integer() else 0.5 * 10**-self.digits + _WITHIN
        return math.isclose(given, told, rel_tol=0, abs_tol=max(self.within, rounded))

    def _slip(self, answer: Any, names: Mapping[str, Any]) -> str:
        """Return what is said to a number that is right but for unit, sign or rounding."""
        given = _number(answer) if self.kind == "number" else None
        told = _number(self.value(self.right, names)) if given else None
        if not given or not told:
            return ""
        for times, said in _SLIPS.items():
            if self._near(given / times, told):
                return said
        if any(given == round(told, places) for places in range(1, self.digits)):
            return f"Right as far as it goes. Give it with {self.digits} decimals."
        return ""

    def value(self, expression: str | tuple[str, ...], names: Mapping[str, Any]) -> Any:
        """Return an answer as it would be given: letters as they are, an expression worked out."""
        if self.kind in ("choice", "commit"):
            return expression
        if self.kind == "several":
            return list(expression)
        worked = _worked(str(expression), names)
        if self.kind == "number" and _number(worked) is None:
            raise _changed(str(expression), names)
        return worked

    def shown(self, value: Any) -> str:
        """Return an answer as a page prints it, but a design, which is printed as it is written."""
        if self.kind == "number":
            whole = isinstance(value, Integral)
            return str(int(value)) if whole else f"{value:,.{self.digits}f}"
        if self.kind == "several":
            return ", ".join(value)
        return str(value)


def _number(answer: Any) -> float | None:
    """Return a number of any type; None for what is none."""
    one = answer.item() if getattr(answer, "shape", None) == () else answer
    if isinstance(one, bool) or not isinstance(one, (Real, Decimal)):
        return None
    return float(one)


def _letters(answer: Any) -> frozenset[str]:
    """Return the letters of an answer; what is no letter is none of the choices."""
    if hasattr(answer, "tolist") and getattr(answer, "size", 0) <= _MOST_LETTERS:
        answer = answer.tolist()
    if isinstance(answer, str):
        return _written(answer)
    if isinstance(answer, (list, tuple, set, frozenset)) and len(answer) <= _MOST_LETTERS:
        return frozenset().union(*(_written(str(one)) for one in answer))
    return frozenset(["?"])


def _written(text: str) -> frozenset[str]:
    """Return the letters of a text, such as ``(a)``, ``a, b`` or ``ab``."""
    words = [word for word in re.split(r"[^a-z0-9]+", text[:400].lower()) if word]
    if len(words) == 1 and len(set(words[0])) == len(words[0]):
        return frozenset(words[0])
    return frozenset(words)


def _worked(expression: str, names: Mapping[str, Any]) -> Any:
    """Return what an expression gives in a notebook."""
    try:
        return eval(expression, dict(names))
    except NameError as absent:
        raise Unready(_absent(absent)) from absent
    except Exception as other:
        raise _changed(expression, names) from other


def _absent(name: NameError) -> str:
    return f"Run the cells above first: the name `{name.name}` is not there yet."


def _changed(expression: str, names: Mapping[str, Any]) -> Unready:
    nodes = [node for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)]
    bound = {node.id for node in nodes if isinstance(node.ctx, ast.Store)}
    used = dict.fromkeys(node.id for node in nodes if node.id in names and node.id not in bound)
    told = " or ".join(f"`{name}`" for name in used if name != "answer")
    return Unready(f"Run the cells above again: the name {told} is not what it was.")


def _holds(condition: str, answer: Any, names: Mapping[str, Any]) -> bool | None:
    """Whether a condition is true of an answer; None where it cannot be asked of one."""
    try:
        return bool(eval(condition, {**names, "answer": answer}))
    except Exception:
        return None


def read(path: Path = NOTEBOOKS / "exercises.toml") -> dict[str, Exercise]:
    """Return the exercises, by id, in their order."""
    held = tomllib.loads(path.read_text(encoding="utf-8")).get("exercise", [])
    return {one["id"]: _exercise(one) for one in held}


def _exercise(held: Mapping[str, Any]) -> Exercise:
    written = dict(held)
    hints = written.pop("hints", {})
    listed = [Misconception(letter, hint) for letter, hint in hints.items()]
    listed += [
        Misconception(**{**one, "answer": _fixed(one["answer"])})
        for one in written.pop("misconception", [])
    ]
    right = _fixed(written.pop("right", ""))
    return Exercise(**written, right=right, misconceptions=tuple(listed))


def _fixed(answer: str | Sequence[str]) -> str | tuple[str, ...]:
    return answer if isinstance(answer, str) else tuple(answer)


_NOT_YET = "Not answered yet: replace ... by your answer and run the cell again."


@dataclass(frozen=True)
class Feedback:
    """What is said to an answer, below the cell that gives it."""

    exercise: Exercise
    given: str
    said: str
    names: Mapping[str, Any] = field(repr=False)

    def __repr__(self) -> str:
        return {
            OPEN: self.said or _NOT_YET,
            RIGHT: f"Right. {self.said}",
            WRONG: f"Not yet. {self.said}",
            NOTED: "Noted. Now run the next cell.",
        }[self.given]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": repr(self), "text/html": self._html(), MIME: self._record()}

    def _html(self) -> str:
        told = f"<p>{escape(repr(self))}</p>"
        if self.given in (RIGHT, NOTED) or not self.exercise.solution:
            return told
        shown = escape(self.exercise.solution)
        return f"{told}<details><summary>Solution</summary><p>{shown}</p></details>"

    def _record(self) -> dict[str, Any]:
        """Return what is said to each likely answer, as a page tells it beside the question."""
        one = self.exercise
        return {
            "kind": one.kind,
            "exercise": one.id,
            "given": self.given,
            "answers": self._answers(),
            "another": one.form if one.guess else one.hint,
        }

    def _answers(self) -> list[dict[str, str]]:
        """Return what is said to each likely answer; nothing where that cannot be worked out."""
        one = self.exercise
        if one.guess:
            return []
        try:
            return [
                self._judged(answer)
                for answer in (one.right, *(m.answer for m in one.misconceptions))
            ]
        except Unready:
            return []

    def _judged(self, answer: str | tuple[str, ...]) -> dict[str, str]:
        value = self.exercise.value(answer, self.names)
        outcome, said = self.exercise.judge(value, self.names)
        shown = str(answer) if self.exercise.kind == "design" else self.exercise.shown(value)
        return {"answer": shown, "outcome": outcome, "said": said}


@dataclass(frozen=True)
class Revealed:
    """The planted truth, once the trainee has committed to an answer."""

    exercise: str
    shown: Any

    def __repr__(self) -> str:
        return repr(self.shown)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        record = {"kind": "reveal", "exercise": self.exercise}
        html = getattr(self.shown, "_repr_html_", lambda: f"<p>{escape(str(self.shown))}</p>")()
        return {"text/plain": repr(self.shown), "text/html": html, MIME: record}


class Study:
    """A trainee's way through the exercises of one notebook.

    Parameters
    ----------
    names : mapping
        Those of the notebook: ``globals()``.
    exercises : mapping of str to Exercise, optional
        The project's own by default.
    opened : bool, optional
        Whether truths are revealed without an answer, for a page that folds them; as
        ``JDL_OPENED`` in the environment says by default.
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        exercises: Mapping[str, Exercise] | None = None,
        *,
        opened: bool | None = None,
    ) -> None:
        self._names = names
        self._exercises = exercises or read()
        self._opened = OPENED in os.environ if opened is None else opened
        self.outcomes: dict[str, str] = {}
        self._asked: dict[str, None] = {}
        self._tried: dict[str, list[str]] = {}
        self._last: dict[str, str] = {}
        self._revealed: set[str] = set()

    def answer(self, exercise: str, given: Any = ...) -> Feedback:
        """Check an answer; ``...`` stands for one not yet given.

        Whatever is given, and whatever the notebook holds, is answered and never ends in an error.
        """
        asked = self._exercises.get(str(exercise))
        if asked is None:
            strange = Exercise(str(exercise), "", "", "commit", "", "", "")
            return Feedback(strange, OPEN, self._unknown(exercise), self._names)
        self._asked[asked.id] = None
        if isinstance(given, EllipsisType):
            return Feedback(asked, OPEN, "", self._names)
        try:
            outcome, said = asked.judge(given, self._names)
        except Unready as unready:
            return Feedback(asked, OPEN, str(unready), self._names)
        except Exception:
            outcome, said = WRONG, asked.form
        self.outcomes[asked.id] = outcome
        self._last[asked.id] = _brief(given)
        if _brief(given) not in self._tried.setdefault(asked.id, []):
            self._tried[asked.id].append(_brief(given))
        return Feedback(asked, outcome, said, self._names)

    def _unknown(self, exercise: object) -> str:
        near = get_close_matches(str(exercise), self._exercises, 1)
        meant = f' Did you mean "{near[0]}"?' if near else ""
        return f'There is no exercise "{exercise}".{meant}'

    def reveal(self, exercise: str, show: Callable[[], Any]) -> Revealed:
        """Show a truth once the trainee has committed to an answer."""
        if str(exercise) not in self._exercises:
            return Revealed(exercise, self._unknown(exercise))
        committed = self.outcomes.get(exercise) == NOTED
        if self._opened:
            self._revealed |= {exercise} if committed else set()
            return Revealed(exercise, show())
        if not committed:
            title = self._exercises[exercise].title
            return Revealed(exercise, f'First commit to an answer: "{title}", above.')
        try:
            shown = show()
        except NameError as absent:
            return Revealed(exercise, _absent(absent))
        self._revealed.add(exercise)
        return Revealed(exercise, shown)

    def certificate(self, *, save: bool = False) -> Certificate:
        """Say what was done, step by step, in the exercises that this notebook has asked.

        Parameters
        ----------
        save : bool
            Whether to write it, as a page of its own, beside the notebook. It is written only
            when asked for: running all cells of a notebook writes nothing.

        Returns
        -------
        Certificate
            Of the answers in the cells: running them again gives the same.
        """
        lines = [self._line(one) for name, one in self._exercises.items() if name in self._asked]
        made = Certificate(
            lines,
            course=sum(not one.guess for one in self._exercises.values()),
            revealed=len(self._revealed & set(self._asked)),
            data=_data(self._names),
            plan=str(self._names.get("plan_hash", "")),
            saved=FILE if save else "",
        )
        if save:
            safekeeping.write(Path(FILE), made.page().encode())
        return made

    def _line(self, one: Exercise) -> Line:
        """Return what became of an exercise; an answer given twice is one try."""
        if one.id not in self.outcomes:
            return Line(one.step, one.title, OPEN, breaks=one.breaks, guess=one.guess)
        tries = self._tried[one.id].index(self._last[one.id]) + 1
        outcome = self.outcomes[one.id]
        return Line(one.step, one.title, outcome, tries, one.breaks, one.guess)


def _data(names: Mapping[str, Any]) -> str:
    """Name what a notebook ran on; of the training data, how they are made."""
    vintage = names.get("vintage")
    folder = getattr(vintage, "folder", None)
    if not isinstance(folder, Path):
        return ""
    if (folder.parent / MADE).exists():
        return f"the training data: {PEOPLE:,} made-up people, seed {SEED}"
    return f"the vintage {getattr(vintage, 'name', folder.name)}"


def _brief(given: object) -> str:
    """Return an answer in short, to tell it from others."""
    try:
        return _SHORT.repr(given)
    except ValueError:
        return type(given).__name__
