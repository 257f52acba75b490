"""Why a figure is what it is: the cell that made it, what that rests on, and the inputs in hashes.

All is read from the folder of a report, bulletin or review: its notebook, register, pages and
manifest; no record of a person is needed. Of a figure that is withheld it tells that it is, and
never by which rule.
"""

# mypy: untyped-calls-exclude="nbformat"

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from jdl import manifest
from jdl.execute import INJECTED, RecordBroken, figures_of, literals_of
from jdl.faults import Fault, Unusable
from jdl.forms import MONTH

FIGURES, NOTEBOOK = "figures.json", "notebook.ipynb"
_DOCUMENTS = ("bulletin", "reports/*")
_NEEDED = ("id", "unit", "text", "cell")
_MOST = 40
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.M)
_PARAMETERS = {"parameters", INJECTED}


@dataclass(frozen=True)
class Document:
    """The folder of a report, bulletin or yearly review.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @cached_property
    def name(self) -> str:
        """The request's id, whatever the folder is called; else what it is called."""
        try:
            result = json.loads((self.folder / "result.json").read_text(encoding="utf-8"))
            return str(result["request"]["id"])
        except (OSError, ValueError, KeyError, TypeError):
            return self.folder.resolve().name

    @cached_property
    def register(self) -> dict[str, dict[str, Any]]:
        """The figures by id.

        Raises
        ------
        Unusable
            If the register cannot be read.
        """
        try:
            figures = json.loads((self.folder / FIGURES).read_text(encoding="utf-8"))
            if not all(isinstance(one[name], str) for one in figures for name in _NEEDED):
                raise TypeError
            return {one["id"]: {"value": None, "suppressed": False, **one} for one in figures}
        except (OSError, ValueError, KeyError, TypeError):
            rule = "the register of figures must be there and readable"
            raise _unusable(str(self.folder / FIGURES), rule, _WHOLE) from None

    @cached_property
    def notebook(self) -> NotebookNode:
        """The executed notebook.

        Raises
        ------
        Unusable
            If it cannot be read.
        """
        try:
            notebook: NotebookNode = nbformat.read(self.folder / NOTEBOOK, as_version=4)
        except Exception:
            rule = "the executed notebook must be there and readable"
            raise _unusable(str(self.folder / NOTEBOOK), rule, _WHOLE) from None
        return notebook

    @cached_property
    def made(self) -> dict[str, Any]:
        """The manifest: its own, or that of the release it lies in; empty without one."""
        for folder in (self.folder, *list(self.folder.resolve().parents)[:2]):
            try:
                made = json.loads((folder / manifest.MANIFEST).read_text(encoding="utf-8"))
                made["inputs"].items(), made["vintage"].items(), made["code"].items()
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
            return dict(made)
        return {}


@dataclass(frozen=True)
class Step:
    """A cell on which a figure rests.

    Parameters
    ----------
    cell : str
        Its id.
    names : tuple of str
        What it gives on, of what is used later.
    source : str
    """

    cell: str
    names: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Traced:
    """Where one figure comes from.

    Parameters
    ----------
    document : str
        The request's id, or ``bulletin``.
    figure : dict
        Its entry in the register.
    heading : str
        Of the step of the notebook.
    source : str
        Of the cell that made it.
    steps : tuple of Step
        The cells that this one rests on, in order.
    parameters : dict
        Those that reach it, with the values of the run.
    shown : tuple of tuple of str
        File, and what in it shows the figure.
    inputs : dict of str to str
        Hashes of what went in, from the manifest; empty without one.
    doubts : tuple of str
        What does not agree, or could not be told.
    """

    document: str
    figure: dict[str, Any]
    heading: str
    source: str
    steps: tuple[Step, ...]
    parameters: dict[str, Any]
    shown: tuple[tuple[str, str], ...]
    inputs: dict[str, str]
    doubts: tuple[str, ...]


_WHOLE = "Name the whole folder of a report, as it was published, or a copy of it"


def _unusable(where: str, rule: str, remedy: str) -> Unusable:
    return Unusable([Fault(where, rule, remedy)])


# Which document


def documents(where: str, outputs: Path) -> tuple[Document, ...]:
    """Return the documents that are meant.

    Parameters
    ----------
    where : str
        The folder of a release, report, bulletin or review, or a file in one; a month, such as
        ``2014-03`` or ``2014-03/bulletin``; or a request's id: then its report in the newest
        release that has one, otherwise its last run.
    outputs : Path
        Where releases go.

    Raises
    ------
    Unusable
        If there is nothing of that name.
    """
    for folder in (Path(where), outputs / where):
        if found := _in(folder):
            return found
    releases = sorted(one for one in outputs.glob("*") if MONTH.fullmatch(one.name))
    reports = [one / "reports" / where for one in reversed(releases)]
    reports += sorted(outputs.glob(f".work/*/{where}"), reverse=True) if _is_name(where) else []
    for folder in reports if _is_name(where) else ():
        if found := _in(folder):
            return found
    known = sorted({one.parent.name for one in outputs.glob(f"*/reports/*/{FIGURES}")})
    near = get_close_matches(where, [*known, *(one.name for one in releases)], n=3)
    remedy = "Name a folder of a release or report, or a request's id"
    raise _unusable(
        where,
        "it must be a release, a report, or the id of a request that has been run",
        f"{remedy}; near it are: {', '.join(near)}" if near else remedy,
    )


def _is_name(where: str) -> bool:
    return re.fullmatch(r"[a-z0-9][a-z0-9-]*", where) is not None


def _in(folder: Path) -> tuple[Document, ...]:
    """Return the documents of a folder: itself, or those of a release; none where it is no path."""
    with suppress(OSError, ValueError):
        at = folder.parent if folder.is_file() else folder
        if (at / FIGURES).is_file():
            return (Document(at),)
        found = sorted(file for part in _DOCUMENTS for file in at.glob(f"{part}/{FIGURES}"))
        return tuple(Document(file.parent) for file in found)
    return ()


# Which figure


def search(found: Sequence[Document], wanted: str) -> tuple[tuple[Document, str], ...]:
    """Return the figures that are meant, each with its document.

    Parameters
    ----------
    found : sequence of Document
    wanted : str
        A figure's id, else a printed text, else a part of an id or of a printed text.

    Raises
    ------
    Unusable
        If there is none; what is near is named.
    """
    every = [(one, name, figure) for one in found for name, figure in one.register.items()]
    printed = " ".join(wanted.split())
    for fits in (
        lambda name, _: name == wanted,
        lambda _, figure: printed in (figure["text"], _printed(figure)),
        lambda name, figure: wanted in name or printed.lower() in figure["text"].lower(),
    ):
        if told := tuple((one, name) for one, name, figure in every if fits(name, figure)):
            return told
    near = get_close_matches(wanted, {name: None for _, name, _ in every}, n=5, cutoff=0.5)
    remedy = "Name an id of figures.json, or a number as it is printed"
    raise _unusable(
        wanted,
        "it must be the id of a figure, or a number as it is printed there",
        f"{remedy}; near it are: {', '.join(near)}" if near else remedy,
    )


def _printed(figure: Mapping[str, Any]) -> str:
    return f"{figure['text']} {figure.get('mark', '')}".strip()


def listed(found: Sequence[tuple[Document, str]]) -> tuple[str, ...]:
    """Say which figures there are to choose from."""
    many = len({one.folder for one, _ in found}) > 1
    lines = [
        f"  {f'{one.name}: ' if many else ''}{name}: {_printed(one.register[name])} "
        f"({one.register[name]['unit']})"
        for one, name in found[:_MOST]
    ]
    more = len(found) - len(lines)
    rest = (f"  and {more:,} more",) if more else ()
    choose = "Name one by its id" + (" and the folder of its report" if many else "") + "."
    return (f"{len(found):,} figures match.", *lines, *rest, choose)


# Where it comes from


def trace(document: Document, name: str) -> Traced:
    """Return where a figure comes from.

    Parameters
    ----------
    document : Document
    name : str
        The figure's id.

    Returns
    -------
    Traced

    Raises
    ------
    Unusable
        If the folder is not whole.
    """
    figure = document.register[name]
    cells = document.notebook.cells
    place = next((n for n, cell in enumerate(cells) if cell.id == figure["cell"]), None)
    if place is None:
        rule = f"it must hold the cell {figure['cell']}, which made {name}"
        raise _unusable(str(document.folder / NOTEBOOK), rule, _WHOLE)
    try:
        steps = sliced(cells, place)
        chosen = _chosen(cells, steps)
    except (SyntaxError, ValueError):
        rule = "its cells must hold the code that was run"
        raise _unusable(str(document.folder / NOTEBOOK), rule, _WHOLE) from None
    return Traced(
        document.name,
        figure,
        _heading(cells[:place]),
        cells[place].source,
        steps,
        chosen,
        tuple(_shown(document, name)),
        dict(_inputs(document)),
        tuple(_doubts(document, name)),
    )


def _chosen(cells: Sequence[NotebookNode], steps: Sequence[Step]) -> dict[str, Any]:
    """Return the parameters among what steps give on, with the values of the run."""
    tagged = {cell.id for cell in cells if _PARAMETERS & set(cell.metadata.get("tags", []))}
    chosen: dict[str, Any] = {}
    for step in (step for step in steps if step.cell in tagged):
        told = literals_of(step.source)
        chosen |= {name: told.get(name) for name in step.names}
    return chosen


def _heading(before: Sequence[NotebookNode]) -> str:
    headings = [
        line
        for cell in before
        if cell.cell_type == "markdown"
        for line in _HEADING.findall(cell.source)
    ]
    return headings[-1].replace("`", "") if headings else ""


def sliced(cells: Sequence[NotebookNode], place: int) -> tuple[Step, ...]:
    """Return the cells that a cell rests on, by the names they assign and use.

    Nothing is run. What a cell changes without assigning it is not seen.

    Parameters
    ----------
    cells : sequence of NotebookNode
    place : int
        Of the cell, among them.

    Returns
    -------
    tuple of Step
        In the order of the notebook, back to the parameters and to the cells that open inputs.
    """
    code = [cell for cell in cells[: place + 1] if cell.cell_type == "code"]
    wanted: set[str] = set()
    for names in reversed(_named(code[-1].source)):
        wanted = (wanted - set(names.given)) | names.used
    steps = []
    for cell in reversed(code[:-1]):
        given: list[str] = []
        for names in reversed(_named(cell.source)):
            needed = [one for one in names.given if one in wanted or _EVERYTHING in wanted]
            if needed:
                given = [*needed, *given]
                wanted = (wanted - set(names.given)) | names.used
        if given:
            steps.append(Step(str(cell.id), tuple(dict.fromkeys(given)), cell.source))
    return tuple(reversed(steps))


_EVERYTHING = "globals"
"""What uses this uses every name that there is."""


@dataclass(frozen=True)
class _Names:
    """What a statement uses, and what it gives on; modules, which never change, left out."""

    used: set[str]
    given: list[str]


def _named(source: str) -> list[_Names]:
    return [_Names(_loaded(one), _stored(one)) for one in ast.parse(source).body]


def _loaded(statement: ast.stmt) -> set[str]:
    nodes = list(ast.walk(statement))
    names = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    if isinstance(statement, ast.AugAssign):
        names |= _of_targets([statement.target])
    return names - _inner(nodes)


def _stored(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    nodes = list(ast.walk(statement))
    inner = _inner(nodes)
    names = [n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return [name for name in names if name not in inner]


def _inner(nodes: Sequence[ast.AST]) -> set[str]:
    """Return the names that exist within an expression only."""
    targets = [n.target for n in nodes if isinstance(n, ast.comprehension)]
    arguments = [n.arg for n in nodes if isinstance(n, ast.arg)]
    return {*_of_targets(targets), *arguments}


def _of_targets(targets: Sequence[ast.AST]) -> set[str]:
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


# Where it stands


class _Places(HTMLParser):
    """Finds what on a page shows a figure: a table, a drawing, or a place in the text."""

    _VOID = frozenset(("area", "base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"))

    def __init__(self, html: str, name: str) -> None:
        super().__init__()
        self._name = name
        self._open: list[tuple[str, dict[str, str]]] = []
        self.found: dict[str, int] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self._open.append((tag, told))
        if told.get("data-figure") == self._name:
            where = self._where()
            self.found[where] = self.found.get(where, 0) + 1
        if tag in self._VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def _where(self) -> str:
        drawing = any(tag == "svg" for tag, _ in self._open)
        for tag, told in reversed(self._open):
            if tag in ("table", "figure") and "id" in told:
                kind = "table" if tag == "table" else "drawing" if drawing else "chart"
                return f"{kind} {told['id']}"
            if name := told.get("data-shown"):
                return f"text {name}"
            if tag == "section" and told.get("id", "").startswith("cell-"):
                return f"text of cell {told['id'].removeprefix('cell-')}"
        return "text"


def _shown(document: Document, name: str) -> Iterator[tuple[str, str]]:
    """Yield the files that show a figure; a PDF shows what its page does, a workbook its tables."""
    pages = sorted(document.folder.glob("*.html"))
    if document.name == "bulletin":
        pages += sorted(document.folder.parent.glob("*.html"))
    tables: dict[str, None] = {}
    for page in pages:
        html = page.read_text(encoding="utf-8", errors="replace")
        found = _Places(html, name).found if f'data-figure="{name}"' in html else {}
        for where, many in found.items():
            yield page.name, where if many == 1 else f"{where}, {many} times"
        if found and page.with_suffix(".pdf").exists():
            yield page.with_suffix(".pdf").name, f"as in {page.name}"
        tables |= dict.fromkeys(where for where in found if where.startswith("table "))
    for workbook in sorted(document.folder.glob("*.ods")):
        yield from ((workbook.name, table) for table in sorted(tables))


# What went in


def _inputs(document: Document) -> Iterator[tuple[str, str]]:
    made = document.made
    if not made:
        return
    inputs, vintage, code = made["inputs"], made["vintage"], made["code"]
    requests = inputs.get("requests", {})
    for name, value in _flat(requests.get(document.name, {})):
        yield name, value
    for name, value in _flat({key: one for key, one in inputs.items() if key != "requests"}):
        yield name, value
    if document.name not in requests:
        results = made.get("files", {})
        yield from ((name, results[name]) for name in results if name.endswith("/result.json"))
    yield "vintage", str(vintage.get("name"))
    for name, value in vintage.get("tables", {}).items():
        yield f"table {name}", value if isinstance(value, str) else str(value["sha256"])
    if prepared := vintage.get("prepared"):
        yield "prepared data", prepared
    state = ", with changes since" if code.get("changed_since") else ""
    yield "code", f"{code.get('sha256')} (commit {code.get('commit') or 'not known'}{state})"
    environment = made.get("environment", {})
    yield "environment", f"Python {environment.get('python')}, {_locked(environment)}"


def _locked(environment: Mapping[str, Any]) -> str:
    if lock := environment.get("lock"):
        return f"lock {lock}"
    return f"packages {manifest.digest_json(environment.get('packages', {}))}"


def _flat(told: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    for name, value in told.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{of}{name} ")
        elif isinstance(value, list):
            many = "1 record" if len(value) == 1 else f"{len(value)} records, together"
            yield f"{of}{name}", f"{many} {manifest.digest_json(value)}"
        elif value is not None:
            yield f"{of}{name}", str(value)


# What does not agree


def _doubts(document: Document, name: str) -> Iterator[str]:
    try:
        held = {figure["id"]: figure for figure in figures_of(document.notebook)}
    except (RecordBroken, KeyError, TypeError):
        held = {}
    told = document.register[name]
    if {key: held.get(name, {}).get(key) for key in told} != told:
        yield f"{FIGURES} and {NOTEBOOK} do not tell the same of this figure."
    made = document.made
    if not made:
        yield "There is no manifest: what went in is not recorded here."
        return
    recorded = [
        value
        for file, value in made["code"].get("files", {}).items()
        if file.startswith("notebooks/")
    ]
    if not recorded:
        yield "The manifest is of an older version, which does not tell the notebook's own hash."
    elif manifest.digest_cells(_as_written(document.notebook)) not in recorded:
        yield "The notebook's cells are not those of the code recorded."


def _as_written(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the cells without the one that papermill put in."""
    return [cell for cell in notebook.cells if cell.id != INJECTED]


# In words


def as_lines(traced: Traced, *, whole: bool = False) -> tuple[str, ...]:
    """Say where a figure comes from.

    Parameters
    ----------
    traced : Traced
    whole : bool
        Whether with the source of every cell that it rests on.
    """
    figure = traced.figure
    decision = figure.get("decision") or dict.fromkeys(("decided", "by"), "not recorded")
    value = "withheld" if figure["suppressed"] else json.dumps(figure["value"], ensure_ascii=False)
    facts = {
        "printed": _printed(figure),
        "exact value": value,
        "unit": figure["unit"],
        "decision": decision["decided"],
        "decided by": decision["by"],
        "decided on": decision.get("part") or "no part of its own",
    }
    lines = [f"{figure['id']}, in {traced.document}", *_columns(facts.items())]
    lines += ["", "Where it stands", *_columns(traced.shown or [("on no page", "")])]
    lines += ["", f"Made by the cell {figure['cell']}, under “{traced.heading}”"]
    lines += _indented(traced.source)
    lines += ["", "That cell rests on, by the names that cells assign and use"]
    for step in traced.steps:
        lines.append(f"  {step.cell}: {', '.join(step.names)}")
        lines += _indented(step.source, 6) if whole else []
    lines += [] if traced.steps else ["  no other cell"]
    told = [
        (name, json.dumps(value, ensure_ascii=False)) for name, value in traced.parameters.items()
    ]
    lines += ["", "Parameters that reach it", *_columns(told or [("none", "")])]
    lines += ["", "What went in, as SHA-256 of the content", *_columns(traced.inputs.items())]
    lines += ["", *(traced.doubts or ["The notebook's cells are those of the code recorded."])]
    return tuple(lines)


def _columns(pairs: Any) -> list[str]:
    rows = list(pairs)
    wide = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{wide}}  {value}".rstrip() for name, value in rows]


def _indented(source: str, by: int = 4) -> list[str]:
    return [f"{' ' * by}{line}".rstrip() for line in source.splitlines()]
