"""The words that a publication may hold: those of an empty rendering and of the public fields.

Nothing here comes from an executed notebook. Known are the templates, the package's own wording and
names, the notebooks' sources, the code lists, what the formats themselves say of an empty document,
and what a request, a release file and the log state in public.
"""

from __future__ import annotations

import ast
import json
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import nbformat
import pandas as pd

from jdl import manifest, render, request
from jdl.charts.drawing import Canvas
from jdl.faults import Unusable
from jdl.national import Vintage
from jdl.scan.reading import texts_of
from jdl.scan.words import STOP, Holds, read
from jdl.spreadsheet import workbook

SHARED = 10
"""So many people must share a value of a group of an upload for it to be no mark of one person."""
_PLACES = ("setting", "referral_route", "location", "participation")
_PAGE = (
    '<!doctype html><html lang="en"><title></title><h1 id="a"> </h1><ul><li><b>.</b> <i>.</i></ul>'
    '<table><tr><th scope="row">.<td>.</table><p><a href="#a">.</a> <a href="about:blank">.</a>'
)
_NOT_OURS = ("synthetic",)


def known(vintage: Vintage, requests: Path, people: pd.DataFrame) -> Holds:
    """Return what an empty rendering and the public fields hold.

    Parameters
    ----------
    vintage : Vintage
    requests : Path
        The folder of the log, the release files and the requests.
    people : DataFrame
        Of all uploads; of them only what many people of one request share is taken.

    Returns
    -------
    Holds
    """
    held = Holds()
    for text in (*_package(), *_empty(), *_environment(), *_public(vintage, requests)):
        held.add(read(text))
    for text in _shared(people):
        held.add(read(text))
    return held


def _package() -> Iterator[str]:
    """Yield the wording of templates, notebooks, code lists and modules."""
    for path in sorted((manifest.ROOT / "templates").rglob("*")):
        if path.suffix in (".j2", ".css", ".json"):
            yield from texts_of(path.name, path.read_bytes())
    for path in sorted((manifest.ROOT / "notebooks").glob("*.ipynb")):
        yield from _sources(path)
    package = Path(__file__).parent.parent
    yield (package / "codes.toml").read_text(encoding="utf-8")
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in _NOT_OURS:
            yield from _wording(path.read_text(encoding="utf-8"))
    changelog = manifest.ROOT / "CHANGELOG.md"
    yield changelog.read_text(encoding="utf-8") if changelog.exists() else ""


def _sources(path: Path) -> Iterator[str]:
    """Yield the cells of a notebook, with their names and tags and without their outputs."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        yield from texts_of("", cell.source.encode())
        yield f"{cell.id} {' '.join(cell.metadata.get('tags', []))}"


def _wording(source: str) -> Iterator[str]:
    """Yield the texts and names of a module, without its comments and documentation."""
    tree = ast.parse(source)
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts, names = [], []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            texts.append(node.value)
        given = (getattr(node, name, None) for name in ("id", "arg", "attr", "name"))
        names += [name for name in given if isinstance(name, str)]
    yield from texts_of("", f" {STOP} ".join(texts).encode(errors="replace"))
    yield f" {STOP} ".join(names)


def _empty() -> Iterator[str]:
    """Yield what each format says of a document with nothing in it."""
    canvas = Canvas(100)
    canvas.line((0, 0), (1, 1))
    yield from texts_of("", canvas.svg("").encode())
    yield from texts_of("", workbook("", (), ()))
    if render.pdf_obstacle() is None:
        yield from texts_of("", render.pdf(_PAGE + canvas.svg("")))
    empty = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell()])  # type: ignore
    yield from texts_of(".ipynb", nbformat.writes(empty).encode())  # type: ignore


def _environment() -> Iterator[str]:
    yield json.dumps(manifest.environment())
    yield json.dumps([*manifest.code()["files"]])
    yield f"{platform.node()} {platform.platform()}"


def _public(vintage: Vintage, requests: Path) -> Iterator[str]:
    """Yield the log, the release files and the public fields of the requests."""
    yield f"{vintage.name} {(vintage.folder / 'vintage.toml').read_text(encoding='utf-8')}"
    for path in (requests / "log.csv", *sorted(requests.glob("releases/*.toml"))):
        if path.exists():
            yield from texts_of(path.name, path.read_bytes())
    for folder in [*request.request_folders(requests), *request.corrected_folders(requests)]:
        with suppress(Unusable):
            public = json.dumps(request.read_request(folder).public, ensure_ascii=False)
            yield from texts_of(".json", public.encode())


def _shared(people: pd.DataFrame) -> Iterator[str]:
    """Yield the names of groups, and their values that many people of one request share."""
    columns = [name for name in people if name in _PLACES or str(name).startswith("group_")]
    for name in columns:
        yield str(name)
        counts = people.groupby(["source", name]).size()
        yield f" {STOP} ".join(str(value) for _, value in counts.index[counts >= SHARED])
