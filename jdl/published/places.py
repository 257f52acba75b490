"""The same number everywhere: register, notebook, pages, audit copy, spreadsheet, PDF, result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from jdl.published import printing, reading
from jdl.published.folder import RECORD, REGISTER, RESULT, Document, printed
from jdl.published.reading import Cell, Node, Unreadable
from jdl.published.told import Notes

_SHOWN_FIELDS = ("value", "unit", "text", "suppressed", "mark")
_SPACES = re.compile(r"\s+")
_MOST = 5
"""How many differences between two texts are told before the rest is passed over."""


def check(document: Document, notes: Notes) -> None:
    """Hold every place of one document that tells a figure against the others."""
    _register(document, notes)
    _record(document, notes)
    check_pages(document, notes)
    _same_tables(document, notes)
    _audit(document, notes)
    _everywhere(document, notes)
    for name, sheets in document.sheets.items():
        _workbook(document, name, sheets, notes)
    for name in document.files:
        if name.endswith(".pdf"):
            _pdf(document, name, notes)
    _data(document, notes)


def check_pages(document: Document, notes: Notes) -> None:
    """Hold each page to the register, and its blocks to what the notebook published."""
    for name, page in document.pages.items():
        _page(document, name, page, notes)
        _blocks(document, name, page, notes)
        _descriptions(name, page, notes)


def squeezed(text: str) -> str:
    """Return a text without its spaces."""
    return _SPACES.sub("", text)


# The register


def _register(document: Document, notes: Notes) -> None:
    """Every entry once, and printed as its exact value must be."""
    seen: set[str] = set()
    for entry in document.register:
        name, value = entry["id"], entry["value"]
        if name in seen:
            notes.find(REGISTER, name, "a figure stands once in the register", "twice", "once")
        seen.add(name)
        notes.must(
            entry["suppressed"] == (value is None),
            *(REGISTER, name, "a figure has no value exactly when it is withheld"),
            *(value, "withheld" if entry["suppressed"] else "a value"),
        )
        accepted = printing.texts(name, entry["unit"], value)
        if accepted is None:
            notes.find(REGISTER, name, "a figure has a unit that is known", entry["unit"], "")
        elif entry["text"] not in accepted:
            rule = "a figure is printed as its exact value, rounded"
            notes.find(REGISTER, name, rule, entry["text"], " or ".join(sorted(accepted)) or value)
        if entry.get("mark", printing.UNRELIABLE) != printing.UNRELIABLE:
            rule = "the mark behind a figure is the one of low reliability"
            notes.find(REGISTER, name, rule, entry["mark"], printing.UNRELIABLE)


# The notebook


def _record(document: Document, notes: Notes) -> None:
    """The register is what the cells published, and each output is one thing told three ways."""
    if not document.executed:
        return
    if document.register:
        _against_register(document, notes)
    for step, part in document.parts:
        tree = reading.markup(str(part.get("html", "")))
        told = squeezed(tree.text + "".join(one.get("aria-label") for one in tree.named("svg")))
        for own, text in _words_of(part):
            if squeezed(text) not in told:
                rule = "an output's page shows what the output records"
                place = f"{part.get('name') or part.get('id') or step}, {own}"
                notes.find(RECORD, f"{step}: {place}", rule, "another text", text)
    _plainly(document, notes)


def _against_register(document: Document, notes: Notes) -> None:
    """Register and notebook tell the same of every figure, in every cell that shows it."""
    recorded = {
        (name, step): figure
        for step, part in document.parts
        for name, figure in part["figures"].items()
    }
    for name in sorted(set(document.figures) - {name for name, _ in recorded}):
        rule = "every figure of the register was published by a cell of the notebook"
        notes.find(REGISTER, name, rule, document.figures[name]["text"], "absent")
    for (name, step), figure in recorded.items():
        entry = document.figures.get(name)
        if entry is None:
            notes.find(REGISTER, name, "every figure published is in the register", "absent", name)
            continue
        for part in _SHOWN_FIELDS:
            if entry.get(part) != figure.get(part):
                rule = f"register and notebook (cell {step}) tell the same {part}"
                notes.find(REGISTER, name, rule, entry.get(part), figure.get(part))
    for name, entry in document.figures.items():
        cells = _cells_of(document, name)
        if cells and entry.get("cell") not in {None, *cells}:
            rule = "the register names the cell that published a figure"
            notes.find(REGISTER, name, rule, entry.get("cell"), " or ".join(sorted(cells)))


def _cells_of(document: Document, name: str) -> set[str]:
    return {step for step, part in document.parts if name in part["figures"]}


def _words_of(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every piece of text that a part records, with the place where it stands."""
    figures = part["figures"]
    if "items" in part:
        yield from ((f"item {n}", printed(one, figures)) for n, one in enumerate(part["items"], 1))
    elif part.get("kind") == "sentence" or ("parts" in part and "rows" not in part):
        yield "sentence", printed(part.get("parts", []), figures)
    table = part.get("table", part)
    if isinstance(table, Mapping) and "rows" in table:
        if "alt" in part:
            yield "title", printed(part["title"], figures)
            yield "description", printed(part["alt"], figures)
            yield "subtitle", str(part["subtitle"])
            yield "source", str(part["source"])
        if "alt" not in part or "<details" in str(part.get("html", "")):
            yield "caption", str(table["caption"])
            yield "header", "".join(table["header"])
            for number, row in enumerate(table["rows"], 1):
                yield f"row {number}", "".join(printed(cell, figures) for cell in row)
            yield "notes", "".join(table["notes"])


def _plainly(document: Document, notes: Notes) -> None:
    """What a terminal shows has the words of the page, but for drawings."""
    for step in document.steps:
        for published, text in zip(step.published, step.texts, strict=True):
            shown = squeezed(text)
            figures = {entry["id"]: entry for entry in published.get("figures", ())}
            for part in published.get("parts", [published]):
                for own, words in _words_of({**part, "figures": figures}):
                    if own not in {"source"} and squeezed(words) not in shown:
                        rule = "the text of an output has the words that it records"
                        notes.find(RECORD, f"{step.id}: {own}", rule, "another text", words)


# Pages


def _page(document: Document, file: str, page: Node, notes: Notes) -> None:
    """Each number of a page is as the register has it."""
    if not document.register:
        return
    for told in reading.told_on(page):
        entry = document.figures.get(told.figure)
        if entry is None:
            rule = "every number that names a figure is in the register"
            notes.find(file, told.figure, rule, told.text, "absent")
            continue
        if told.text != entry["text"]:
            rule = "page and register print the same"
            notes.find(file, told.figure, rule, told.text, entry["text"])
        exact = "" if entry["value"] is None else str(entry["value"])
        if told.value is not None and told.value != exact:
            rule = "page and register tell the same exact value"
            notes.find(file, told.figure, rule, told.value, exact)


_ASIDE = frozenset({"trace", "unseen", "said"})


def _blocks(document: Document, file: str, page: Node, notes: Notes) -> None:
    """Each block of a page is what a cell of the notebook published, drawings included."""
    published = {part["name"]: part for _, part in document.parts if "name" in part}
    published |= {
        part["id"]: part for _, part in document.parts if "name" not in part and "id" in part
    }
    published |= {step: part for step, part in document.parts if "name" not in part}
    for block in page.all():
        name = block.get("data-shown")
        if not name or not document.executed:
            continue
        part = published.get(name)
        if part is None:
            notes.find(file, name, "a block of a page was published by a cell", name, "absent")
            continue
        if "rows" in part and not block.named("table"):
            _as_list(file, name, block, part, notes)
            continue
        compare(file, name, _without(block), reading.markup(str(part["html"])), notes)


def _descriptions(file: str, page: Node, notes: Notes) -> None:
    """Where the description of a drawing stands in sight, it is that of the drawing."""
    for figure in page.named("figure"):
        for said in (one for one in figure.all() if "said" in one.get("class").split()):
            wanted = " ".join(one.get("aria-label") for one in figure.named("svg"))
            if squeezed(said.text) != squeezed(wanted):
                rule = "the description in sight is that of the drawing"
                notes.find(file, figure.get("id"), rule, said.text, wanted)


def _as_list(file: str, name: str, block: Node, part: Mapping[str, Any], notes: Notes) -> None:
    """A table shown as a list has the words of each of its rows, in order."""
    told, at = squeezed(block.text), 0
    for number, row in enumerate(part["rows"], 1):
        for cell in row:
            wanted = squeezed(printed(cell, part["figures"]))
            found = told.find(wanted, at)
            if found < 0:
                figure = next(_figures_in(cell), f"{name}, row {number}")
                rule = "a page has the words that its cell published"
                notes.find(file, figure, rule, told[at : at + len(wanted)], wanted)
                return
            at = found + len(wanted)


def _without(block: Node) -> Node:
    kept = [
        _without(child) if isinstance(child, Node) else child
        for child in block.children
        if isinstance(child, str) or not _ASIDE & set(child.get("class").split())
    ]
    return Node(block.tag, block.attributes, kept)


def compare(file: str, name: str, shown: Node, published: Node, notes: Notes) -> None:
    """Note where a block of a page differs from what was published, naming the nearest figure."""
    if shown.text != published.text and squeezed(shown.text) != squeezed(published.text):
        figure, told, follows = _first_difference(shown, published)
        rule = "a page has the words that its cell published"
        notes.find(file, figure or name, rule, told, follows)
    ours, theirs = list(drawn(shown)), list(drawn(published))
    if ours != theirs:
        told, follows = next(
            ((a, b) for a, b in zip(ours, theirs, strict=False) if a != b),
            (f"{len(ours)} shapes", f"{len(theirs)} shapes"),
        )
        rule = "a page has the drawing that its cell published"
        notes.find(file, name, rule, told, follows)


def drawn(node: Node) -> Iterator[str]:
    """Yield what is drawn within, each shape as one line, with the description of the whole."""
    for drawing in node.named("svg"):
        for shape in drawing.all():
            yield " ".join([shape.tag, *(f"{k}={v}" for k, v in sorted(shape.attributes.items()))])


def _first_difference(shown: Node, published: Node) -> tuple[str | None, str, str]:
    """Return the figure before the first word that differs, and both texts around it."""
    figure: str | None = None
    ours, theirs = list(_words(shown)), list(_words(published))
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        figure = mine[1] or other[1] or figure
        if squeezed(mine[0]) != squeezed(other[0]):
            return mine[1] or other[1], _around(ours, place), _around(theirs, place)
    return None, f"{len(ours)} pieces of text", f"{len(theirs)} pieces of text"


def _around(pieces: list[tuple[str, str]], place: int) -> str:
    return "".join(text for text, _ in pieces[max(place - 1, 0) : place + 2])


def _words(node: Node, figure: str = "") -> Iterator[tuple[str, str]]:
    """Yield the pieces of text within, each with the figure that it belongs to."""
    for child in node.children:
        if isinstance(child, str):
            if child.strip():
                yield child, figure
        else:
            yield from _words(child, child.get("data-figure") or figure)


def _same_tables(document: Document, notes: Notes) -> None:
    """A table that stands on two pages has one content."""
    first: dict[str, tuple[str, str]] = {}
    for file, page in document.pages.items():
        for table in page.named("table"):
            name, text = table.get("id"), squeezed(table.text)
            if not name:
                continue
            other, known = first.setdefault(name, (file, text))
            if known != text:
                rule = f"a table is the same on this page and on {other}"
                notes.find(file, name, rule, *_parting(text, known))


def _parting(told: str, other: str) -> tuple[str, str]:
    """Return both texts from shortly before they part."""
    at = next((n for n, (a, b) in enumerate(zip(told, other, strict=False)) if a != b), 0)
    return told[max(at - 20, 0) : at + 40], other[max(at - 20, 0) : at + 40]


def _audit(document: Document, notes: Notes) -> None:
    """The audit copy shows the code and the output of every cell."""
    file = "audit.html"
    page = document.pages.get(file)
    if page is None or not document.steps:
        return
    shown = {node.get("id"): node for node in page.all() if node.get("id").startswith("cell-")}
    ran = max((n for n, one in enumerate(document.steps) if f"cell-{one.id}" in shown), default=-1)
    whole = document.result.get("status", "reported") == "reported"
    for step in document.steps if whole else document.steps[: ran + 1]:
        node = shown.get(f"cell-{step.id}")
        if node is None:
            if step.source:
                notes.find(file, step.id, "the audit copy shows every cell", "absent", step.id)
            continue
        text = squeezed(node.text)
        if step.kind == "code":
            if squeezed(step.source) not in text:
                rule = "the audit copy shows the code of the notebook"
                code = next(iter(node.named("pre")), node)
                notes.find(
                    file, step.id, rule, *_parting(squeezed(code.text), squeezed(step.source))
                )
        else:
            _prose(file, step.id, text, step.source, notes)
        outputs = [one for one in node.all() if "published" in one.get("class").split()]
        if document.executed:
            for output, html in zip(outputs, step.html, strict=False):
                compare(file, step.id, _without(output), reading.markup(html), notes)
            if len(outputs) != len(step.html):
                rule = "the audit copy shows every output that was published"
                notes.find(file, step.id, rule, len(outputs), len(step.html))


_MARKS = re.compile(
    r"[*`_#>]|^\s*(?:-|\d+\.)\s+|\$\$?.*?\$\$?|\[([^\]]*)\]\([^)]*\)|\|[-:| ]*", re.M | re.S
)
_WORD = re.compile(r"[^\W_]+")


def _prose(file: str, name: str, shown: str, source: str, notes: Notes) -> None:
    """The words of a text cell stand in the audit copy, in their order."""
    at = 0
    for word in _WORD.findall(_MARKS.sub(lambda m: m[1] or " ", source)):
        found = shown.find(word, at)
        if found < 0 or found > at + 200:
            rule = "the audit copy shows the text of the notebook"
            notes.find(file, name, rule, shown[at : at + 60], word)
            return
        at = found + len(word)


def _everywhere(document: Document, notes: Notes) -> None:
    """Every figure of the register stands on a page."""
    if not document.pages or not document.register or not document.executed:
        return
    shown = {told.figure for page in document.pages.values() for told in reading.told_on(page)}
    shown |= {
        figure
        for _, part in document.parts
        if "alt" in part
        for figure in _figures_in([part["alt"], part["title"]])
    }
    for name in document.figures:
        if name not in shown and not _elsewhere(document, name):
            rule = "every figure of the register stands on a page or in a file"
            notes.find(REGISTER, name, rule, "on none", "on one")


def _elsewhere(document: Document, name: str) -> bool:
    return document.name == "bulletin" or name.startswith(("gains.", "facts.", "data_quality."))


# Spreadsheets


def _workbook(
    document: Document, file: str, sheets: Mapping[str, list[list[Cell]]], notes: Notes
) -> None:
    """Each sheet holds the table that a cell published: its words, and exact values."""
    tables = {}
    for _, part in document.parts:
        table = part.get("table", part)
        if isinstance(table, Mapping) and "rows" in table:
            tables[table["id"]] = (table, part["figures"])
    if not tables:
        return
    for name, rows in sheets.items():
        if name in tables:
            _sheet(file, name, rows, *tables[name], notes)
        elif name not in {"cover", "notes"}:
            notes.find(file, name, "a sheet holds a table of the record", name, "absent")
    _cover(document, file, sheets, notes)


def _sheet(
    file: str,
    name: str,
    rows: list[list[Cell]],
    table: Mapping[str, Any],
    figures: Mapping[str, Mapping[str, Any]],
    notes: Notes,
) -> None:
    told = [row for row in rows if len(row) > 1][1:]
    table = _with_notes(table, figures)
    if rows and rows[0] and rows[0][0].text != table["caption"]:
        rule = "a sheet is titled as its table"
        notes.find(file, name, rule, rows[0][0].text, table["caption"])
    if len(told) != len(table["rows"]):
        notes.find(file, name, "a sheet has the rows of its table", len(told), len(table["rows"]))
    known = {squeezed(printed(note, figures)) for note in table["notes"]}
    for note in [row[0].text for row in rows if len(row) == 1][2:]:
        if squeezed(note) not in known and not any(squeezed(note) in one for one in known):
            notes.find(file, name, "the notes of a sheet are those of its table", note, "absent")
    head = next((row for row in rows if len(row) > 1), [])
    columns = _header(file, name, head, table, notes)
    for number, (row, source) in enumerate(zip(told, table["rows"], strict=False), 1):
        if columns:
            _row(file, f"{name}, row {number}", row, columns, source, figures, notes)


def _with_notes(
    table: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    """Return a table as its sheet has it: marks of figures in a last column, if there are any."""
    marks = [
        "; ".join(
            f"{name}: {figures[cell['figure']]['mark']}"
            for name, cell in zip(table["header"], row, strict=False)
            if isinstance(cell, dict) and figures.get(cell["figure"], {}).get("mark")
        )
        for row in table["rows"]
    ]
    if not any(marks):
        return table
    rows = [[*row, mark or "None"] for row, mark in zip(table["rows"], marks, strict=True)]
    return {**table, "header": [*table["header"], "Notes"], "rows": rows}


def _header(
    file: str, name: str, head: list[Cell], table: Mapping[str, Any], notes: Notes
) -> list[tuple[int, int]]:
    """Return what each column of a sheet holds: a column of the table, or 1 or 2 of its limits."""
    columns: list[tuple[int, int]] = []
    for cell in head:
        at, limit = columns[-1] if columns else (-1, 0)
        own = at + 1 < len(table["header"]) and squeezed(cell.text) == squeezed(
            table["header"][at + 1]
        )
        lower = (
            at >= 0
            and limit < 2
            and squeezed(cell.text)
            == squeezed(f"{table['header'][at]}, {('lower', 'upper')[limit]} limit")
        )
        if not (own or lower):
            break
        columns.append((at + 1, 0) if own else (at, limit + 1))
    if len(columns) != len(head) or not columns or columns[-1][0] + 1 != len(table["header"]):
        rule = "a sheet has the columns of its table"
        notes.find(file, name, rule, [cell.text for cell in head], table["header"])
        return []
    return columns


def _row(
    file: str,
    place: str,
    row: list[Cell],
    columns: list[tuple[int, int]],
    source: list[Any],
    figures: Mapping[str, Mapping[str, Any]],
    notes: Notes,
) -> None:
    """Follow the cells of a sheet's row; an interval has its limits in columns of their own."""
    if len(row) != len(columns):
        rule = "a row of a sheet has the cells of its table"
        notes.find(file, place, rule, len(row), len(columns))
        return
    for cell, (at, limit) in zip(row, columns, strict=True):
        part = source[at]
        named = list(_figures_in(part))
        figure = named[min(max(limit - 1, 0), len(named) - 1)] if named else None
        wanted = printed({"figure": figure} if limit and len(named) == 2 else part, figures)
        if isinstance(part, dict):
            wanted = str(figures.get(part["figure"], {}).get("text", ""))
        if squeezed(cell.text) != squeezed(wanted):
            rule = "spreadsheet and record print the same"
            notes.find(file, figure or place, rule, cell.text, wanted)
        if figure and (limit or isinstance(part, dict)):
            _exact(file, figure, cell, figures, notes)


def _exact(
    file: str, name: str, cell: Cell, figures: Mapping[str, Mapping[str, Any]], notes: Notes
) -> None:
    value = figures.get(name, {}).get("value")
    nought = cell.value == 0 and printing.meant(cell.text) == 0
    if cell.value is not None and not nought and not same(cell.value, value):
        rule = "spreadsheet and record tell the same exact value"
        notes.find(file, name, rule, cell.value, value)


def same(told: Any, other: Any, digits: float = 1e-13) -> bool:
    """Whether two values are the same number, but for the last digits that a file may not keep."""
    if isinstance(told, int | float) and isinstance(other, int | float):
        return abs(told - other) <= digits * max(abs(told), abs(other))
    return bool(told == other)


def _figures_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict) and "figure" in part:
        yield part["figure"]
    elif isinstance(part, list):
        for one in part:
            yield from _figures_in(one)


def _cover(
    document: Document, file: str, sheets: Mapping[str, list[list[Cell]]], notes: Notes
) -> None:
    """The numbers of the cover and the notes stand on a page or in the record as well."""
    numbered = [row[0].text for row in sheets.get("notes", ()) if row[0].text.startswith("note ")]
    if numbered != [f"note {number}" for number in range(1, len(numbered) + 1)]:
        notes.find(file, "notes", "the notes are numbered one by one", numbered, "1, 2, 3 ...")
    known = " ".join(page.text for page in document.pages.values())
    told = set(re.findall(r"\d[\d,.]*\d|\d", known))
    for name in ("cover", "notes"):
        for row in sheets.get(name, ()):
            for cell in row:
                for numeral in re.findall(r"\d[\d,.]*\d|\d", re.sub(r"^note \d+", "", cell.text)):
                    if numeral not in told:
                        rule = "a number of the spreadsheet's cover stands on a page as well"
                        notes.find(file, name, rule, numeral, "absent")


# PDF

_HIDDEN = re.compile(r"([^{}]+)\{\s*display:\s*none;?\s*\}")
_INLINE = frozenset(
    (
        *("data", "span", "strong", "a", "em", "time", "code", "tspan"),
        *("b", "i", "sub", "sup", "cite", "abbr"),
    )
)


def _pdf(document: Document, file: str, notes: Notes) -> None:
    """The PDF has the words of its page, in order, but for what the page hides in print."""
    page = document.pages.get(file.replace(".pdf", ".html"))
    try:
        told = squeezed(reading.pdf_text(document.files[file]))
    except Unreadable as error:
        notes.find(file, None, "the file can be read", error, "a tagged PDF")
        return
    if page is None:
        notes.said.append(f"{file} has no page beside it, so its words were not compared")
        return
    _follow(file, told, list(_leaves(page, _hidden(page), ())), notes)


def _hidden(page: Node) -> tuple[set[str], set[str]]:
    """Return the classes and the elements that the page's own style hides in print."""
    style = "".join("".join(node.strings(skip=frozenset())) for node in page.named("style"))
    printed_style = style.partition("@media print")[2]
    names = {one.strip() for rule in _HIDDEN.findall(printed_style) for one in rule.split(",")}
    return {one[1:] for one in names if one.startswith(".")}, {n for n in names if n[:1].isalpha()}


def _leaves(
    node: Node, hidden: tuple[set[str], set[str]], above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield each run of printed text, with the figure in it and the elements that hold it."""
    run, figure = "", ""
    here = (*above, node.tag, *node.get("class").split())
    for child in node.children:
        if isinstance(child, str):
            run += child
        elif _is_hidden(child, hidden):
            continue
        elif child.tag in _INLINE:
            run += "".join(child.strings())
            figure = next(
                (n.get("data-figure") for n in child.all() if n.get("data-figure")), figure
            )
        else:
            if run.strip():
                yield run, here, figure
            run, figure = "", ""
            yield from _leaves(child, hidden, here)
    if run.strip():
        yield run, here, figure or node.get("data-figure")


def _is_hidden(node: Node, hidden: tuple[set[str], set[str]]) -> bool:
    unseen = node.tag in hidden[1] or node.tag in reading.UNSEEN
    return unseen or bool(hidden[0] & set(node.get("class").split()))


def _follow(
    file: str, told: str, leaves: list[tuple[str, tuple[str, ...], str]], notes: Notes
) -> None:
    at = differences = 0
    head, heading = "", False
    for text, above, figure in leaves:
        wanted = squeezed(text)
        if "thead" in above:
            head, heading = head + wanted if heading else wanted, True
        else:
            heading = False
        if "tbody" in above and told.startswith(head + wanted, at):
            at += len(head)
        at = _past_marker(told, at, wanted, above)
        if told.startswith(wanted, at):
            at += len(wanted)
            if "contents" in above:
                at += len(re.match(r"\.*\d*", _upto(told, at))[0])  # type: ignore[index]
            continue
        differences += 1
        if differences <= _MOST:
            rule = "the PDF has the words of its page"
            notes.find(file, figure or None, rule, told[at : at + len(wanted) + 20], text.strip())
        again = told.find(wanted, at, at + len(wanted) + 400)
        at = again + len(wanted) if again >= 0 else at + len(wanted)
    if told[at:].strip("•") and differences == 0:
        notes.find(file, None, "the PDF has no words beside its page's", told[at:], "nothing more")


def _upto(told: str, at: int) -> str:
    """Return the dots and the page number behind an entry of the contents, not the next one's."""
    found = re.match(r"\.{3,}(\d+?)(?=\d{1,2}\.[^\d.]|[^\d.]|$)", told[at : at + 200])
    return found[0] if found else ""


def _past_marker(told: str, at: int, wanted: str, above: tuple[str, ...]) -> int:
    if "li" not in above or told.startswith(wanted, at):
        return at
    marker = re.compile(r"•|\d{1,2}\.").match(told, at)
    return marker.end() if marker and told.startswith(wanted, marker.end()) else at


# Data


def _data(document: Document, notes: Notes) -> None:
    """result.json is what the notebook's last cell recorded."""
    recorded = next((p["result"] for _, p in document.parts if p.get("kind") == "result"), None)
    if recorded is None or not document.result:
        return
    for place, told, follows in differences(document.result, recorded):
        notes.find(RESULT, place, "result and notebook tell the same", told, follows)


def differences(told: Any, other: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two pieces of data differ, with the place in words."""
    if isinstance(told, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*told, *other)):
            inner = f"{at}.{name}" if at else str(name)
            yield from differences(told.get(name), other.get(name), inner)
    elif isinstance(told, list) and isinstance(other, list) and len(told) == len(other):
        for number, (mine, theirs) in enumerate(zip(told, other, strict=True)):
            label = mine if isinstance(mine, dict) else {}
            name = label.get("measure") or label.get("id") or label.get("label") or number
            yield from differences(mine, theirs, f"{at}.{name}")
    elif told != other or type(told) is not type(other):
        yield at, told, other
