"""Which cell of which notebook calls what of the package, read from the code of the notebooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

_NOTEBOOKS = Path(__file__).resolve().parent.parent.parent / "notebooks"
MASTER, BULLETIN, YEARLY = "tailored_report", "bulletin", "yearly_review"


@dataclass(frozen=True)
class Use:
    """A cell that calls something.

    Parameters
    ----------
    notebook : {'tailored_report', 'bulletin', 'yearly_review'}
    cell : str
        Its id, which is the name of its step.
    """

    notebook: str
    cell: str


def uses() -> dict[str, tuple[Use, ...]]:
    """Return by name, such as ``matching.radius``, the cells that call it, in reading order."""
    found: dict[str, list[Use]] = {}
    for notebook in (MASTER, BULLETIN, YEARLY):
        for name, cell in _named(_NOTEBOOKS / f"{notebook}.ipynb"):
            one = Use(notebook, cell)
            if one not in found.setdefault(name, []):
                found[name].append(one)
    return {name: tuple(cells) for name, cells in found.items()}


def _named(notebook: Path) -> Iterator[tuple[str, str]]:
    """Yield what is named in each code cell, with the id of the cell."""
    cells = nbformat.read(notebook, as_version=4).cells  # type: ignore[no-untyped-call]
    code = [(str(cell.id), ast.parse(cell.source)) for cell in cells if cell.cell_type == "code"]
    imported: dict[str, str] = {}
    for _, tree in code:
        imported |= dict(_imported(tree))
    for cell, tree in code:
        for node in ast.walk(tree):
            if name := _path(node, imported):
                yield name, cell


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the names by which a notebook knows what it imports from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "jdl":
            within = node.module.partition(".")[2]
            for alias in node.names:
                yield alias.asname or alias.name, f"{within}.{alias.name}".lstrip(".")


def _path(node: ast.AST, imported: dict[str, str]) -> str | None:
    """Return what a name, or a name with attributes, stands for; None for anything else."""
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute) and (owner := _path(node.value, imported)):
        return f"{owner}.{node.attr}"
    return None
