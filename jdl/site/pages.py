"""The pages of the site, by name: start, how to run a month, methods reference, glossary."""

# mypy: allow-untyped-calls

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup

from jdl import glossary
from jdl.glossary import Term
from jdl.render import PageExporter, code, markdown
from jdl.site import described, used
from jdl.site.described import Chapter, Section, Thing

HOW_TO = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to-run-a-month.md"
METHOD = {
    "linkage": ("names", "register", "lookup", "blocking", "model", "training", "scores"),
    "pseudonyms": (),
    "sentence": (),
    "landmark": (),
    "covariates": (),
    "matching": ("plan", "score", "formula", "support", "calipers", "pairs", "entropy", "search"),
    "balance": (),
    "power": (),
    "analyses": (),
    "outcomes": (),
    "effects": (),
    "companion": (),
    "survival": (),
    "disclosure": ("rules", "protect", "measures", "shown", "overrides", "remainders"),
    "unmeasured": (),
    "sensitivity": (),
    "pooled": (),
}
"""The modules of the method in the order of the report, packages with the order within."""
ABBREVIATIONS = {
    "Floats": "NDArray[np.float64]: an array of numbers with a fraction",
    "Flags": "NDArray[np.bool_]: an array of yes and no",
    "Rows": "NDArray[np.int64]: an array of row numbers",
}
_NAMED = re.compile(r"(?<!`)`([A-Za-z_][\w.]*)`(?!`)")
_MATH = re.compile(r"^\.\. math:: *(.*(?:\n[ \t]+.*)*)", re.M)
_MATH_IN_LINE = re.compile(r":math:`([^`]+)`")
_SIGNS = {
    **{r"\lambda": "λ", r"\mu": "μ", r"\tau": "τ", r"\sum": "Σ", r"\pm": "±", r"\in": "in"},
    **{r"\max": "max", r"\min": "min", r"\sqrt": "√"},
}
"""How a formula of a docstring is written in one line."""
_HEADED = re.compile(r"<h2>(.*?)</h2>")
_NUMBERED = re.compile(r"^\d+\. ")
"""Before the name of a step; the list of contents counts by itself."""
_TABLE = re.compile(r"<p><em>([^<]*)</em></p>\s*<table>(.*?)</table>", re.S)
_FIRST = re.compile(r"<tr>\s*<td>(.*?)</td>", re.S)
_IN_FOLDER = ("reference", "chapter")
_LONGEST_VALUE = 60


@dataclass(frozen=True)
class Learned:
    """A walk-through that the site holds a copy of.

    Parameters
    ----------
    request : str
        The id of its request.
    page : str
        Where it lies in the site.
    anchors : frozenset of str
        The ids on the page.
    """

    request: str
    page: str
    anchors: frozenset[str]


def pages(learned: Sequence[Learned] = ()) -> dict[str, bytes]:
    """Return every page by its name in the site.

    Parameters
    ----------
    learned : sequence of Learned
        The walk-throughs to lead to.

    Returns
    -------
    dict of str to bytes
    """
    chapters = [described.chapter(name, order) for name, order in METHOD.items()]
    places = _places(chapters)
    cells = _by_definition(used.uses())
    reference = _Reference(places, cells, learned)
    made = {
        "index.html": _start(chapters, learned),
        "how-to-run-a-month.html": _how_to(),
        "glossary.html": _glossary(places),
        "reference/index.html": _page(
            "reference",
            "Methods reference",
            "Every function of the method, in the order of the report.",
            chapters=chapters,
            reference=reference,
            short=ABBREVIATIONS,
        ),
    }
    for one in chapters:
        made[f"reference/{one.name}.html"] = _chapter(one, reference)
    return {name: html.encode() for name, html in made.items()}


def _page(kind: str, title: str, about: str, **facts: Any) -> str:
    """Return a page of one kind."""
    home = "../" if kind in _IN_FOLDER else ""
    told = {"kind": kind, "title": title, "about": about, "home": home}
    exporter = PageExporter("site", {**told, **facts})
    html, _ = exporter.from_notebook_node(nbformat.v4.new_notebook())
    return f"{html.rstrip()}\n"


def _start(chapters: Sequence[Chapter], learned: Sequence[Learned]) -> str:
    return _page(
        "start",
        "Justice Data Lab: for the working statistician",
        "How to run a month, the methods and the words of the Justice Data Lab.",
        chapters=chapters,
        learned=learned,
        many=len(glossary.terms()),
    )


# How to run a month


def _how_to() -> str:
    title, _, text = HOW_TO.read_text(encoding="utf-8").partition("\n")
    lead, _, rest = text.partition("\n## ")
    told = glossary.mark(str(_prose(f"## {rest}")))
    headings: list[tuple[str, str]] = []
    body = _HEADED.sub(partial(_anchored, headings), glossary.keep(told.html))
    return _page(
        "how_to",
        title.removeprefix("# "),
        "From the arrival of an upload to the publication of a release, on one page.",
        lead=_prose(lead),
        body=Markup(body),
        sections=headings,
        meanings=Markup(glossary.meanings(told.used)),
    )


def _prose(text: str) -> Markup:
    """Return markdown as HTML whose tables and code a keyboard can scroll."""
    html = str(markdown(text, top=2)).replace("<pre>", '<pre tabindex="0">')
    return Markup(_TABLE.sub(_framed, html))


def _framed(table: re.Match[str]) -> str:
    """Return a table with the line in italics before it as its caption, and headers to its rows."""
    anchor = f"table-{_slug(table[1])}"
    rows = _FIRST.sub(r'<tr><th scope="row">\1</th>', table[2])
    columns = rows.replace("<th>", '<th scope="col">')
    return (
        f'<div class="table" role="region" aria-labelledby="{anchor}" tabindex="0">'
        f'<table><caption id="{anchor}">{table[1]}</caption>'
        f"{columns}</table></div>"
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _anchored(headings: list[tuple[str, str]], heading: re.Match[str]) -> str:
    name = _NUMBERED.sub("", heading[1])
    anchor = _slug(name)
    headings.append((anchor, name))
    return f'<h2 id="section-{anchor}">{heading[1]}</h2>'


# The glossary


def _glossary(places: Mapping[str, str]) -> str:
    terms = glossary.terms()
    letters = groupby(terms, lambda term: term.name[0].upper())
    return _page(
        "glossary",
        "Glossary",
        "The terms of the field in plain words.",
        letters=[(letter, list(held)) for letter, held in letters],
        by_name={term.name: term for term in terms},
        computed=_computed(places),
    )


def _computed(places: Mapping[str, str]) -> Callable[[Term], str | None]:
    """Return what says where in the site it is told how a term is worked out."""

    def leads(term: Term) -> str | None:
        found = described.resolve(term.where, "jdl") if term.where else None
        return places.get(found) if found else None

    return leads


# The reference


def _chapter(chapter: Chapter, reference: _Reference) -> str:
    lead = glossary.mark(str(reference.text(chapter.rest, f"jdl.{chapter.name}")))
    return _page(
        "chapter",
        f"{chapter.name}: methods reference",
        " ".join(chapter.summary.split()),
        chapter=chapter,
        reference=reference,
        lead=Markup(glossary.keep(lead.html)),
        meanings=Markup(glossary.meanings(lead.used)),
    )


def _places(chapters: Sequence[Chapter]) -> dict[str, str]:
    """Return the address of everything that the reference describes, by its full path."""
    return {
        path: f"reference/{one.name}.html#{anchor(path, one.name)}"
        for one in chapters
        for section in one.sections
        for path in _told_in(section)
    }


def _told_in(section: Section) -> list[str]:
    members = (member.path for thing in section.things for member in thing.members)
    return [
        section.path,
        *(one.path for one in section.constants),
        *(one.path for one in section.things),
        *members,
    ]


def anchor(path: str, chapter: str) -> str:
    """Return the anchor of what has a path, on the page of its chapter."""
    return path.removeprefix(f"jdl.{chapter}").strip(".") or "module"


def _by_definition(cells: Mapping[str, tuple[used.Use, ...]]) -> dict[str, tuple[used.Use, ...]]:
    """Return the cells by the full path of what they call."""
    found: dict[str, tuple[used.Use, ...]] = {}
    for name, uses in cells.items():
        if path := described.resolve(name, "jdl"):
            found[path] = (*found.get(path, ()), *uses)
    return found


def _in_line(formula: re.Match[str]) -> str:
    return f"``{_plain(formula[1])}``"


def _apart(formula: re.Match[str]) -> str:
    return f"$${_plain(formula[1]).rstrip(',')}$$"


def _plain(formula: str) -> str:
    """Return a formula in LaTeX as one line of text."""
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"\\sqrt(\1)", " ".join(formula.split()))
    return re.sub(r"\\[a-z]+", lambda sign: _SIGNS[sign[0]], text)


@dataclass(frozen=True)
class _Reference:
    """What the pages of the reference ask for.

    Parameters
    ----------
    places : dict of str to str
        Addresses in the site by full path.
    cells : dict of str to tuple of Use
        By full path.
    learned : sequence of Learned
    """

    places: Mapping[str, str]
    cells: Mapping[str, tuple[used.Use, ...]]
    learned: Sequence[Learned]

    def text(self, text: str, path: str) -> Markup:
        """Return a text of a docstring as HTML, with links to what it names."""
        linked = _NAMED.sub(lambda m: self._linked(m[1], path), _MATH_IN_LINE.sub(_in_line, text))
        return _prose(_MATH.sub(_apart, linked))

    def line(self, text: str, path: str) -> Markup:
        """Return a text of one paragraph without its own element."""
        html = str(self.text(text, path)).strip()
        whole = html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1
        return Markup(html[3:-4] if whole else html)

    def _linked(self, name: str, path: str) -> str:
        found = described.resolve(name, path)
        if found and found in self.places and found != path:
            return f"[`{name}`](../{self.places[found]})"
        return f"`{name}`"

    def signature(self, thing: Thing) -> Markup:
        """Return a signature as highlighted code."""
        return code(thing.signature)

    def value(self, value: str) -> str:
        """Return the value of a constant where it is short."""
        return value if len(value) <= _LONGEST_VALUE and "\n" not in value else ""

    def example(self, typed: str) -> Markup:
        """Return an example as highlighted code."""
        return code(typed)

    def of_cell(self, path: str) -> Markup:
        """Return in which cells something is called, empty where in none."""
        return Markup("; ").join(map(self._cell, self.cells.get(path, ())))

    def _cell(self, use: used.Use) -> Markup:
        told = Markup("<code>{}</code>").format(use.cell)
        if use.notebook == used.BULLETIN:
            return told + " of the bulletin"
        if use.notebook == used.YEARLY:
            return told + " of the yearly review"
        for one in self.learned:
            if f"cell-{use.cell}" in one.anchors:
                return Markup('<a href="../{}#cell-{}">{}</a>').format(one.page, use.cell, told)
        return told

    def cells_of(self, chapter: Chapter) -> Markup:
        """Return the cells that call anything of a chapter, in reading order."""
        found = [
            use
            for path, uses in self.cells.items()
            if path.startswith(f"jdl.{chapter.name}.")
            for use in uses
        ]
        return Markup(", ").join(map(self._cell, dict.fromkeys(found)))

    def anchor(self, path: str, chapter: Chapter) -> str:
        """Return the anchor of a path on the page of its chapter."""
        return anchor(path, chapter.name)
