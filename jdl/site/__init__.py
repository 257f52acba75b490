"""A small site for the working statistician: how to run a month, the methods, the words.

It is built from what is there: docstrings, notebooks, the glossary, and walk-throughs that were
made. It needs no network and no script, and equal sources give equal bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from jdl import safekeeping
from jdl.render import SYNTHETIC
from jdl.site.pages import Learned, pages

WALK_THROUGH, REPORT = "walk-through.html", "report.html"
LINKED = (REPORT, "annex.ods", "data_quality.html", "audit.html", "figures.json", "notebook.ipynb")
"""What the page leads to, and these in turn: nothing else of its folder is copied."""
_MADE_UP = f'<p class="status synthetic">{SYNTHETIC}</p>'
_TO_RUN = re.compile(r' *<a href="walk-through\.ipynb">[^<]*</a>')
_ID = re.compile(r'\bid="([^"]+)"')


def build(folder: Path, learn: Path | None = None) -> tuple[str, ...]:
    """Build the site, whole or not at all, in place of one that is there.

    Parameters
    ----------
    folder : Path
    learn : Path, optional
        Holds one folder for each walk-through, at any depth. Those of made-up people are copied;
        those of real requests stay where they are, since a site may be passed on. The notebook to
        run stays as well: it holds a trainee's answers, and it needs the data beside it.

    Returns
    -------
    tuple of str
        The names of its files.
    """
    copied, learned = _copied(learn)
    files = {**pages(learned), **copied}
    folder.parent.mkdir(parents=True, exist_ok=True)
    safekeeping.put(files, folder)
    return tuple(files)


def _copied(learn: Path | None) -> tuple[dict[str, bytes], list[Learned]]:
    """Return the files of walk-throughs by their names in the site, and what they are."""
    files: dict[str, bytes] = {}
    learned: list[Learned] = []
    if learn is None:
        return files, learned
    for page in _made_up(learn):
        request = page.parent.relative_to(learn).as_posix()
        within = f"learn/{request.replace('/', '-')}"
        html = _TO_RUN.sub("", page.read_text(encoding="utf-8"))
        files[f"{within}/{WALK_THROUGH}"] = html.encode()
        for file in (page.parent / name for name in LINKED):
            if file.is_file() and not file.is_symlink():
                files[f"{within}/{file.name}"] = file.read_bytes()
        learned.append(Learned(request, f"{within}/{WALK_THROUGH}", frozenset(_ID.findall(html))))
    return files, learned


def _made_up(learn: Path) -> Iterator[Path]:
    """Yield the pages of walk-throughs of made-up people, the training cohort's first."""
    found = (page for page in learn.rglob(WALK_THROUGH) if page.is_file())
    for page in sorted(found, key=lambda page: (len(page.parts), page.parts)):
        parts = page.relative_to(learn).parts
        hidden = any(part.startswith(".") for part in parts)
        linked = page.resolve() != learn.resolve().joinpath(*parts)
        if not hidden and not linked and _is_synthetic(page):
            yield page


def _is_synthetic(page: Path) -> bool:
    """Whether a run says in its result and on its page that its people are made up."""
    result = page.with_name("result.json")
    try:
        vintage = json.loads(result.read_text(encoding="utf-8"))["vintage"]
        told = _MADE_UP in page.read_text(encoding="utf-8")
        return told and vintage["synthetic"] is True and not result.is_symlink()
    except (OSError, ValueError, KeyError, TypeError):
        return False


__all__ = ["WALK_THROUGH", "Learned", "build", "pages"]
