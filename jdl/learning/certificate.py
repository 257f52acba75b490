"""The certificate at the end of a walk-through: what was done, step by step.

It is made of what the notebook knows, and of nothing else: the answers in its cells, the plan's
fingerprint and the data. It carries no date of its own, so the same answers make the same bytes;
name and date are written by hand. Whether a solution was opened is not known and not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from jdl.learning.course import STEPS

RIGHT, WRONG, NOTED, OPEN = "right", "wrong", "noted", "open"
FILE = "certificate.html"
_BY_STEP, _EACH = "Exercises and guesses by step", "Each exercise and guess"
_TITLES = {step.name: step.title for step in STEPS}
_STYLE = """\
html { font: 100%/1.5 Arial, Helvetica, sans-serif; color: #0b0c0c; background: #fff; }
body { max-width: 48rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 2rem; line-height: 1.15; }
table { width: 100%; border-collapse: collapse; margin: 2rem 0; }
caption { font-size: 1.25rem; font-weight: 700; text-align: left; padding-bottom: 0.5rem; }
th, td { padding: 0.35rem 1rem 0.35rem 0; border-bottom: 1px solid #b1b4b6; text-align: left;
vertical-align: baseline; }
tbody th { font-weight: 400; }
tr { break-inside: avoid; }
.hand { margin: 2.5rem 0 0; border-bottom: 1px solid #0b0c0c; }
code, th, td { overflow-wrap: anywhere; }
@media print { body { padding: 0; } }"""


@dataclass(frozen=True)
class Line:
    """One exercise or guess of the notebook, and what became of it.

    Parameters
    ----------
    step, title : str
    outcome : {'right', 'wrong', 'noted', 'open'}
    tries : int
        Different answers up to this one, since the notebook was last started; 0 without one.
    breaks : bool
        Whether it breaks the method on purpose.
    guess : bool
        Whether it is a guess before a truth is shown, and not judged.
    """

    step: str
    title: str
    outcome: str
    tries: int = 0
    breaks: bool = False
    guess: bool = False

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self.outcome in (RIGHT, NOTED)

    def __str__(self) -> str:
        many = "1 try" if self.tries == 1 else f"{self.tries} tries"
        return {
            RIGHT: "right at the first try" if self.tries == 1 else f"right after {many}",
            WRONG: f"not yet, after {many}",
            NOTED: "noted",
            OPEN: "not answered yet",
        }[self.outcome]


@dataclass(frozen=True)
class Certificate:
    """What was done in one notebook.

    Parameters
    ----------
    lines : sequence of Line
        Of the exercises and guesses that the notebook has asked, in their order.
    course : int
        How many exercises there are in the whole course.
    revealed : int
        Planted truths that were shown; there is one to each guess.
    data, plan : str
        What the notebook ran on, and the fingerprint of its plan; empty where not known.
    saved : str
        The file it was written to, if it was.
    """

    lines: Sequence[Line]
    course: int
    revealed: int = 0
    data: str = ""
    plan: str = ""
    saved: str = ""

    @property
    def said(self) -> tuple[str, ...]:
        """What was done, in sentences."""
        guesses = [line for line in self.lines if line.guess]
        judged = [line for line in self.lines if not line.guess]
        breaks = [line for line in judged if line.breaks]
        right, met, made = (sum(line.done for line in some) for some in (judged, breaks, guesses))
        truths = (
            f"{made:,} of {len(guesses):,} guesses were made, and {self.revealed:,} of "
            f"{len(guesses):,} planted truths shown."
        )
        return (
            f"{right:,} of the {len(judged):,} exercises of this notebook are answered rightly.",
            *([f"The whole course has {self.course:,}."] * (len(judged) < self.course)),
            f"{met:,} of {len(breaks):,} ways to break the method were found out.",
            *([truths] * bool(guesses)),
        )

    def __repr__(self) -> str:
        steps = "\n".join(f"{title}: {done} of {many}" for title, done, many in self._steps())
        return "\n".join([*self.said, steps, *([f"Written to {self.saved}."] * bool(self.saved))])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(one)}</p>" for one in self.said)
        steps = [(title, f"{done} of {many}") for title, done, many in self._steps()]
        written = f"<p>Written to <code>{escape(self.saved)}</code>.</p>" if self.saved else ""
        folded = f"<details><summary>{_EACH}</summary>{self._each()}</details>"
        return said + _table(_BY_STEP, ("Step", "Done"), steps) + folded + written

    def page(self) -> str:
        """Return the certificate as a page of its own, to print and to sign."""
        said = "".join(f"<p>{escape(one)}</p>\n" for one in self.said)
        steps = [(title, f"{done} of {many}") for title, done, many in self._steps()]
        ran = f"<p>The notebook ran on {escape(self.data)}.</p>\n" if self.data else ""
        plan = f"<p>Fingerprint of its plan: <code>{escape(self.plan)}</code></p>\n"
        return f"""\
<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What was done: the justice data lab, step by step</title>
<style>
{_STYLE}
</style>
</head>
<body>
<main>
<h1>The justice data lab, step by step: what was done</h1>
<p class="hand">Name</p>
<p class="hand">Date</p>
{said}{ran}{plan if self.plan else ""}\
<p>Tries are counted since the notebook was last started. Whether a solution was opened first is \
not known.</p>
{_table(_BY_STEP, ("Step", "Done"), steps)}
{self._each()}
</main>
</body>
</html>
"""

    def _each(self) -> str:
        rows = [(line.title, _TITLES[line.step], str(line)) for line in self.lines]
        return _table(_EACH, ("Title", "Step", "What was done"), rows)

    def _steps(self) -> Iterator[tuple[str, int, int]]:
        """Yield the title of each step, how many of what it asks are done, and of how many."""
        for name, title in _TITLES.items():
            lines = [line for line in self.lines if line.step == name]
            if lines:
                yield title, sum(line.done for line in lines), len(lines)


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "\n".join(
        f'<tr><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return (
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead><tr>{top}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )
