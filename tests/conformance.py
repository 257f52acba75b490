"""What every published file must be: each check returns its findings in plain words.

`tests/test_pages.py` runs them over every file of a finished release and plants a fault for each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf

PLACEHOLDER = re.compile(
    r"no description|(image|figure|chart|picture|graph|untitled)\W*\d*\W*$", re.I
)
SHORTEST_ALT = 20
FONT = "JDL-Sans"


# PDF


def pdf_findings(file: Path | BinaryIO) -> list[str]:
    """Return what keeps a PDF from being one that assistive software can read (PDF/UA-1).

    Checked: title, language, tags, PDF/UA flag, headings, alternative text, table headers, links,
    outline, tab order, fonts, and that nothing in it acts or leads out. The links to other files
    are only followed where `file` is a path.
    """
    with pikepdf.open(file) as document:
        tags = list(_structure(document.Root.get("/StructTreeRoot", {})))
        return [
            *_pdf_facts(document),
            *_pdf_headings(document, tags),
            *_pdf_figures(tags),
            *_pdf_tables(document, tags),
            *_pdf_links(document, tags, file.parent if isinstance(file, Path) else None),
            *_pdf_pages(document),
        ]


def _structure(node: Any) -> Iterator[pikepdf.Dictionary]:
    children = node.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            yield child
            yield from _structure(child)


def _pdf_facts(document: pikepdf.Pdf) -> Iterator[str]:
    root = document.Root
    metadata = document.open_metadata()
    title = str(document.docinfo.get("/Title", ""))
    facts = {
        "no title": title,
        "the title in the metadata is another": metadata.get("dc:title") == title,
        "a window would show the file's name, not the title": root.get(
            "/ViewerPreferences", {}
        ).get("/DisplayDocTitle"),
        "the language is not en-GB": root.get("/Lang") == "en-GB",
        "not tagged": root.get("/MarkInfo", {}).get("/Marked") and "/StructTreeRoot" in root,
        "not marked as PDF/UA-1": metadata.get("pdfuaid:part") == "1",
        "it runs something when opened": not {"/OpenAction", "/AA"} & set(root.keys()),
        "it holds JavaScript or files": not {"/JavaScript", "/EmbeddedFiles"}
        & set(root.get("/Names", {}).keys()),
    }
    yield from (finding for finding, good in facts.items() if not good)


def _pdf_headings(document: pikepdf.Pdf, tags: list[pikepdf.Dictionary]) -> Iterator[str]:
    levels = [int(str(tag.S)[2:]) for tag in tags if str(tag.S)[1:] in {f"H{n}" for n in range(7)}]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} headings of the first level"
    if any(after > before + 1 for before, after in itertools.pairwise([0, *levels])):
        yield "a level of heading is left out"
    with document.open_outline() as outline:
        told = list(_outline(outline.root))
    if len(told) != len(levels):
        yield f"{len(levels)} headings, {len(told)} entries in the outline"
    if not all(str(entry.title).strip() for entry in told):
        yield "an entry of the outline has no words"


def _outline(entries: Any) -> Iterator[Any]:
    for entry in entries:
        yield entry
        yield from _outline(entry.children)


def _pdf_figures(tags: list[pikepdf.Dictionary]) -> Iterator[str]:
    for alt in (str(tag.get("/Alt", "")) for tag in tags if tag.S == "/Figure"):
        if is_placeholder(alt):
            yield f"a figure's alternative text says nothing: {alt!r}"


def _pdf_tables(document: pikepdf.Pdf, tags: list[pikepdf.Dictionary]) -> Iterator[str]:
    pages = [page.objgen for page in document.pages]
    before = (-1, 0)
    for table in (tag for tag in tags if tag.S == "/Table"):
        inside = list(_structure(table))
        heads = [str(tag.get("/ID", "")) for tag in inside if tag.S == "/TH"]
        columns = sum(tag.S == "/TH" for tag in inside if tag.P.P.S == "/THead")
        page = pages.index(table.Pg.objgen)
        continued = (page - 1, columns) == before  # it then repeats the row of headers
        before = (page, columns)
        if not continued and all(tag.S != "/Caption" for tag in inside):
            yield f"page {page + 1}: a table has no caption"
        if not heads or "" in heads or len(set(heads)) < len(heads):
            yield f"page {page + 1}: a table has a header that no cell can name"
        cells = [tag.get("/A", {}).get("/Headers", []) for tag in inside if tag.S == "/TD"]
        if not all(named and {str(name) for name in named} <= set(heads) for named in cells):
            yield f"page {page + 1}: a table has a cell that does not name its headers"


def _pdf_links(
    document: pikepdf.Pdf, tags: list[pikepdf.Dictionary], folder: Path | None
) -> Iterator[str]:
    read = {child.Obj.objgen for tag in tags for child in _references(tag)}
    names = set(_destinations(document))
    for note in (note for page in document.pages for note in page.get("/Annots", [])):
        action = note.get("/A", {})
        if note.Subtype != "/Link" or action.get("/S", "/URI") != "/URI":
            yield f"something other than a link lies on a page: {note.Subtype}"
        elif action:
            yield from _led_out(str(action.URI), folder)
        elif str(note.get("/Dest", "")) not in names:
            yield f"a link leads nowhere: {note.get('/Dest', '')}"
        if note.objgen not in read or "/StructParent" not in note:
            yield "a link is not in the reading order"
        if not str(note.get("/Contents", "")):
            yield "a link has no description"


def _references(tag: pikepdf.Dictionary) -> Iterator[pikepdf.Dictionary]:
    children = tag.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and child.get("/Type") == "/OBJR":
            yield child


def _led_out(address: str, folder: Path | None) -> Iterator[str]:
    """Say what is wrong with a link to another file of the release."""
    path = address.partition("#")[0]
    if re.match(r"[a-z]+:|/", address):
        yield f"a link leads out of the release: {address}"
    elif folder is not None and not (folder / path).is_file():
        yield f"a link leads to a file that is not there: {path}"


def _destinations(document: pikepdf.Pdf) -> Iterator[str]:
    tree = document.Root.get("/Names", {}).get("/Dests")
    if tree is not None:
        yield from pikepdf.NameTree(tree)


def _pdf_pages(document: pikepdf.Pdf) -> Iterator[str]:
    fonts = {}
    for number, page in enumerate(document.pages, start=1):
        if page.get("/Tabs") != "/S" or "/StructParents" not in page:
            yield f"page {number}: not in the order of its structure"
        fonts.update(
            {str(font.BaseFont): font for font in page.Resources.get("/Font", {}).values()}
        )
    for name, font in fonts.items():
        if FONT not in name:
            yield f"a font of the machine, not of the project: {name}"
        descriptor = font.DescendantFonts[0].FontDescriptor if "/DescendantFonts" in font else {}
        if not {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor.keys()):
            yield f"a font is not in the file: {name}"
        if "/ToUnicode" not in font:
            yield f"the letters of a font cannot be read out: {name}"


def is_placeholder(alt: str) -> bool:
    """Whether a description is missing, or stands for one."""
    return len(alt) < SHORTEST_ALT or bool(PLACEHOLDER.match(alt))
