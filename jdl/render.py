"""An executed notebook -> pages, PDF, spreadsheets and data files.

The templates hold the order of a page, its headings and its fixed wording; every sentence, number,
table and chart comes from a cell of the notebook, by name: a table or chart by its own id, a part
of a group by its name there, anything else by the id of its cell. A page asks for what was
published with ``doc.show(name)``, and with ``doc.has(name)`` where it need not have been; anything
else that is missing is an error. Equal notebooks give equal bytes.

What the templates read of the record (``doc.result``): ``request.id``, ``.organisation``,
``.programme``, ``.release``; ``status`` (reported, not processed or withdrawn); ``vintage.name``,
``vintage.synthetic``; for a bulletin ``release``, ``counts``, ``vintage``, ``results`` and
``history``.
"""
# mypy: allow-untyped-calls

from __future__ import annotations

import base64
import csv
import datetime as dt
import functools
import gc
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jinja2 import BytecodeCache, Environment, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup, escape
from nbconvert.exporters import TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from jdl import yearly
from jdl.cells import inert
from jdl.disclosure import BY_RULES, TABLE, UNTOLD
from jdl.execute import RecordBroken, figures_of, result_of
from jdl.figures import MIME, Figure, Sentence
from jdl.history import codebook
from jdl.profile import part
from jdl.spreadsheet import SHORTHAND, Cell, Sheet, number, workbook

if TYPE_CHECKING:
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
SYNTHETIC = "Synthetic demonstration: made-up people. Not Official Statistics."
LICENCE = "Made available under the Open Government Licence, version 3.0."
_MONTHS = [
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
]
_LEADING_HEADING = re.compile(r"\A\s*#{1,6} [^\n]*\n?")
_TABLE = re.compile(r'<div class="table"(?=[ >])(.*?</table>)', re.DOTALL)
_PROSE = re.compile(r"<p>.*?</p>|<li>.*?</li>", re.DOTALL)
_MARKED = re.compile(r"</?data[^>]*>")
_TAGS = re.compile(r"<[^>]*>")
_CHART = re.compile(r'<svg role="img" aria-label="([^"]*)"([^>]*)>')
_FONT = "JDL Sans"
_LETTERS, _LINES = 110, 40
MANY = 5
"""With more numbers than this, a step of the audit copy has a link past them."""
_FOR_PROVIDER = "facts-table"
_ENVELOPE = ("request-facts", "criteria", _FOR_PROVIDER)


class NotPublished(LookupError):  # noqa: N818
    """A page asks for something that no cell of the notebook published."""


@dataclass(frozen=True)
class Published:
    """What one cell, or one named part of a cell, published.

    Parameters
    ----------
    name : str
        The name under which a page asks for it.
    cell : str
        The id of the cell.
    html : str
    content : dict
        Its structure, see `jdl.figures`; ``kind`` says what it is.
    """

    name: str
    cell: str
    html: str
    content: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether it is a list or table with nothing in it."""
        return self.content.get("items") == [] or self.content.get("rows") == []


class Document:
    """An executed notebook as a page sees it.

    Parameters
    ----------
    notebook : NotebookNode

    Raises
    ------
    RecordBroken
        If two things are published under one name, or not exactly one cell records a result.
    """

    def __init__(self, notebook: NotebookNode) -> None:
        self.result: dict[str, Any] = result_of(notebook)
        self._figures = {figure["id"]: figure for figure in figures_of(notebook)}
        self._prose = {
            cell.id: cell.source
            for cell in notebook.cells
            if cell.cell_type == "markdown" and "report" in cell.metadata.get("tags", [])
        }
        self._published: dict[str, Published] = {}
        for item in _published(notebook):
            if item.name in self._published:
                raise RecordBroken(f"two things are published under the name {item.name}")
            self._published[item.name] = item

    def has(self, name: str) -> bool:
        """Return whether something, not empty, was published under this name."""
        return name in self._published and not self._published[name].is_empty

    def show(self, name: str) -> Markup:
        """Return the HTML published under this name.

        Raises
        ------
        NotPublished
            If there is none, or it is an empty list or table.
        """
        return Markup(self._item(name).html)

    def title(self, name: str) -> Markup:
        """Return what this is called: a chart's title, a table's caption, or else its name."""
        content = self._item(name).content
        if "title" in content:
            return Markup(self._sentence(content["title"]).inner)
        return Markup(escape(content.get("caption", name.replace("-", " "))))

    def rows(self, name: str) -> list[tuple[Markup, ...]]:
        """Return the cells of a table, row by row, for a page that lays them out itself.

        Raises
        ------
        NotPublished
            As for `show`.
        """
        return [tuple(map(self._inner, row)) for row in self._item(name).content["rows"]]

    def paragraphs(self, name: str) -> Markup:
        """Return one sentence or several as paragraphs rather than as a list.

        Raises
        ------
        NotPublished
            As for `show`.
        """
        content = self._item(name).content
        items = content["items"] if content["kind"] == "sentences" else [content["parts"]]
        return Markup("".join(self._sentence(parts).html for parts in items))

    def cards(self, name: str) -> Markup:
        """Return a table whose cells name their column, so that rows can be shown as cards.

        The roles are given, because a browser forgets them where a table is laid out otherwise.

        Raises
        ------
        NotPublished
            As for `show`.
        """
        item = self._item(name)
        head, body = item.html.split("<tbody>")
        labels = itertools.cycle(item.content["header"][1:])
        head = head.replace("><caption", ' role="table"><caption').replace(
            "<tr>", '<tr role="row">'
        )
        head = head.replace("<thead>", '<thead role="rowgroup">')
        head = head.replace('<th scope="col"', '<th role="columnheader" scope="col"')
        body = body.replace("<tr>", '<tr role="row">')
        body = body.replace('<th scope="row"', '<th role="rowheader" scope="row"')
        body = re.sub("<td", lambda _: f'<td role="cell" data-label="{escape(next(labels))}"', body)
        return Markup(f'{head}<tbody role="rowgroup">{body}')

    def cell(self, name: str) -> str:
        """Return the id of the cell that published this."""
        return self._item(name).cell

    def prose(self, name: str) -> Markup:
        """Return a markdown cell tagged ``report``, without its heading, which the page gives.

        Raises
        ------
        NotPublished
            If there is no such cell.
        """
        if name not in self._prose:
            raise NotPublished(f"no markdown cell tagged report has the id {name}")
        return markdown(_LEADING_HEADING.sub("", self._prose[name]), top=3)

    def sheets(self) -> tuple[Sheet, ...]:
        """Return every table as a worksheet, then those behind charts that are not yet there."""
        tables = [item.content for item in self._items() if item.content["kind"] == "table"]
        seen = [table["rows"] for table in tables]
        for item in self._items():
            if item.content["kind"] == "chart" and not _stand_in(item.content["table"], seen):
                tables.append(item.content["table"])
        return tuple(self._sheet(table) for table in tables)

    def _items(self) -> Iterator[Published]:
        yield from (item for item in self._published.values() if not item.is_empty)

    def _item(self, name: str) -> Published:
        if not self.has(name):
            raise NotPublished(f"no cell published {name}, which the page needs")
        return self._published[name]

    def _inner(self, cell: Any) -> Markup:
        parts = cell if isinstance(cell, list) else [cell]
        return Markup(self._sentence(parts).inner)

    def _sentence(self, parts: Sequence[Any]) -> Sentence:
        return _sentence_of(parts, self._figures)

    def _sheet(self, table: Mapping[str, Any]) -> Sheet:
        columns = [
            (name, [row[place] for row in table["rows"]])
            for place, name in enumerate(table["header"])
        ]
        laid_out = [column for name, cells in columns for column in self._columns(name, cells)]
        if any(marks := [self._marks(columns, place) for place in range(len(table["rows"]))]):
            laid_out.append(("Notes", [mark or "None" for mark in marks]))
        header, filled = zip(*laid_out, strict=True)
        rows = tuple(zip(*filled, strict=True))
        return Sheet(table["id"], table["caption"], tuple(table["notes"]), header, rows)

    def _marks(self, columns: Sequence[tuple[str, Sequence[Any]]], place: int) -> str:
        """Return the marks of a row, each with its column: a number itself carries none."""
        marked = [
            f"{name}: {mark}"
            for name, cells in columns
            if isinstance(cells[place], dict)
            and (mark := self._figures[cells[place]["figure"]].get("mark"))
        ]
        return "; ".join(marked)

    def _columns(self, name: str, cells: Sequence[Any]) -> Iterator[tuple[str, list[Cell]]]:
        """Yield a column, and its limits as numbers where it holds intervals and no words."""
        yield name, [self._cell(cell) for cell in cells]
        if any(map(_is_interval, cells)) and not any(map(_is_words, cells)):
            for end, which in ((0, "lower limit"), (-1, "upper limit")):
                limits = [cell[end] if _is_interval(cell) else cell for cell in cells]
                yield f"{name}, {which}", [self._cell(limit) for limit in limits]

    def _cell(self, content: Any) -> Cell:
        if isinstance(content, str):
            return content
        if isinstance(content, list):
            return self._sentence(content).text
        figure = self._figures[content["figure"]]
        return number(figure["value"], figure["text"], figure["unit"])


def _stand_in(table: Mapping[str, Any], others: Sequence[Sequence[Any]]) -> bool:
    """Whether every row of a table stands in one other table."""
    return any(all(row in rows for row in table["rows"]) for rows in others)


def _is_interval(cell: Any) -> bool:
    """Whether a cell holds two figures with "to" between them."""
    return isinstance(cell, list) and len(cell) == 3 and cell[1] == " to "


def _is_words(cell: Any) -> bool:
    """Whether a cell holds neither a figure, an interval nor shorthand."""
    if isinstance(cell, str):
        return cell not in SHORTHAND
    return isinstance(cell, list) and not _is_interval(cell)


def _published(notebook: NotebookNode) -> Iterator[Published]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if MIME in output.get("data", {}):
                yield from _named(str(cell.id), output["data"])


def _named(cell: str, data: Mapping[str, Any]) -> Iterator[Published]:
    content = data[MIME]
    if content["kind"] == "group":
        for part in content["parts"]:
            yield Published(part["name"], cell, part["html"], part)
    elif content["kind"] != "result":
        yield Published(content.get("id", cell), cell, data["text/html"], content)


class Prose(IPythonRenderer):
    """Markdown of a notebook: raw HTML shown as text, plain headings below the page's own."""

    def __init__(self, top: int) -> None:
        super().__init__(escape=True, allow_harmful_protocols=False, exclude_anchor_links=True)
        self._top = top

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """Return a heading, no higher than the page allows."""
        level = min(max(level, self._top), 6)
        return f"<h{level}>{text}</h{level}>\n"

    def block_math(self, body: str) -> str:
        """Return a formula of its own line."""
        return f'<code class="formula">{escape(formula(body))}</code>'

    def inline_math(self, body: str) -> str:
        """Return a formula within a line."""
        return f"<code>{escape(formula(body))}</code>"


def formula(latex: str) -> str:
    """Return a simple LaTeX formula as one line of plain text.

    Fractions without braces inside, square and base-two logarithm, sums and text are written out;
    any other command keeps its name.
    """
    text = latex.strip()
    text = re.sub(r"\\(?:text|mathrm)\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"(\1 / \2)", text)
    for command, plain in (("\\sum ", "Σ"), ("\\log_2", "log₂"), ("\\mid", "|"), ("^2", "²")):
        text = text.replace(command, plain)
    return re.sub(r"\\([A-Za-z]+)", r"\1", text)


def markdown(source: str, top: int, renderer: Callable[[int], Prose] = Prose) -> Markup:
    """Return a markdown text as HTML whose headings start at level `top`."""
    html = MarkdownWithMath(renderer=renderer(top)).render(source)
    return Markup(html)


def month(release: str) -> Markup:
    """Return a release named ``2014-03`` as "March 2014"."""
    year, index = release.split("-")
    return Markup('<time datetime="{}">{} {}</time>').format(release, _MONTHS[int(index) - 1], year)


def code(source: str) -> Markup:
    """Return Python code as highlighted HTML that a keyboard can scroll."""
    html = Highlight2HTML()(source, language="python")
    return Markup(html.replace("<pre>", '<pre tabindex="0">', 1))


class _Compiled(BytecodeCache):
    """Templates compiled once in a process, though each page has an environment of its own."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the code of a template that was compiled before."""
        bucket.code = self._held.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template."""
        self._held[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


class PageExporter(TemplateExporter):
    """nbconvert's template exporter that escapes everything and accepts nothing missing.

    A page is made of the notebook as it is: nothing in it is to be processed first, and copies of
    it would take longer than the page.
    """

    file_extension = ".html"
    output_mimetype = "text/html"

    def __init__(self, template: str, facts: Mapping[str, Any]) -> None:
        super().__init__(template_name=template, extra_template_basedirs=[str(TEMPLATES)])
        self.environment.globals.update(facts)

    def from_notebook_node(  # type: ignore[override]
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Return the page, and what nobody needs."""
        return self.template.render(nb=nb).lstrip("\r\n"), {}

    def _create_environment(self) -> Environment:
        environment: Environment = super()._create_environment()
        environment.autoescape = True
        environment.undefined = StrictUndefined
        environment.bytecode_cache = _COMPILED
        environment.trim_blocks = environment.lstrip_blocks = True
        environment.filters.update(month=month, code=code, markdown=markdown)
        return environment


_STANDING = {"licence": LICENCE, "synthetic": SYNTHETIC, "embargo": None}


@part("pages")
def page_of(template: str, notebook: NotebookNode, **facts: Any) -> str:
    """Return a page of an executed notebook.

    Parameters
    ----------
    template : str
        Its folder among the templates.
    notebook : NotebookNode
    facts
        What else the template reads, or reads otherwise than is usual.
    """
    document = Document(notebook)
    standing = {
        **_STANDING,
        "has_pdf": pdf_obstacle() is None,
        "embargo": _embargo(document),
    }
    exporter = PageExporter(template, {"doc": document, **standing, **facts})
    html, _ = exporter.from_notebook_node(notebook)
    return f"{html.rstrip()}\n"


def _embargo(document: Document) -> str | None:
    """Return until when nobody without pre-release access may see a page of a release."""
    if "year" in document.result:
        return None
    release = document.result["release"]
    if isinstance(release, Mapping):
        return _moment(release["published_at"])
    told = {row[0].striptags(): row[1].striptags() for row in document.rows("release-facts")}
    return told["Published"]


def report(notebook: NotebookNode, **facts: Any) -> str:
    """Return the tailored report of an executed notebook as a page."""
    return page_of("tailored_report", notebook, **facts)


def notice(notebook: NotebookNode, **facts: Any) -> str:
    """Return the outcome notice of a request that was withdrawn or could not be processed."""
    return page_of("notice", notebook, **facts)


def audit(notebook: NotebookNode) -> str:
    """Return the audit copy: every cell with its outputs, each at the anchor ``cell-<id>``.

    Every number is a link to the cell that made it, described by its exact value, its unit, what
    disclosure control decided, that cell and its name. Of a run that stopped, the copy ends with
    the last cell that ran.
    """
    cells, stopped = as_run(notebook)
    figures = {figure["id"]: figure for figure in figures_of(notebook)}
    shown = {cell.id: output_of(cell, figures) for cell in cells if cell.cell_type == "code"}
    return page_of("audit", notebook, cells=cells, stopped=stopped, shown=shown, many=MANY)


def as_run(notebook: NotebookNode) -> tuple[list[NotebookNode], bool]:
    """Return the cells of an executed notebook, to the last that ran, and whether it stopped there.

    Parameters
    ----------
    notebook : NotebookNode
    """
    ran = [
        place
        for place, cell in enumerate(notebook.cells)
        if cell.get("execution_count") or cell.get("outputs")
    ]
    end = ran[-1] + 1
    stopped = any(cell.cell_type == "code" and cell.source for cell in notebook.cells[end:])
    return (notebook.cells[:end] if stopped else notebook.cells), stopped


@dataclass(frozen=True)
class Output:
    """What the audit copy shows below the source of a cell.

    Parameters
    ----------
    html : Markup
    numbers : int
        How many links to cells are in it.
    """

    html: Markup
    numbers: int


def output_of(cell: NotebookNode, figures: Mapping[str, Mapping[str, Any]]) -> Output:
    """Return what a cell put out, as the audit copy shows it.

    Parameters
    ----------
    cell : NotebookNode
        An executed code cell.
    figures : mapping
        The register of figures of its notebook, by id.
    """
    shown = [_shown(cell.id, output, figures) for output in cell.outputs]
    html = Markup("\n").join(shown)
    return Output(html, html.count("aria-description="))


def _shown(cell: str, output: NotebookNode, figures: Mapping[str, Mapping[str, Any]]) -> Markup:
    if output.output_type == "stream":
        return Markup('<pre class="output" tabindex="0">{}</pre>').format(output.text)
    data = output.data
    if MIME in data:
        html = _LABEL.sub(lambda m: _link(cell, figures[m[1]]), _described(data, figures))
        html = _NUMERIC.sub(lambda m: f'<td class="numeric">{_link(cell, figures[m[1]])}', html)
        html = _HEADER.sub(lambda m: f'<th scope="row">{_link(cell, figures[m[1]])}', html)
        return Markup('<div class="output published">{}</div>').format(Markup(html))
    if "image/png" in data:
        alt = "A working picture of this step; it is not published."
        return Markup(
            '<div class="output"><img alt="{}" src="data:image/png;base64,{}"></div>'
        ).format(alt, data["image/png"].replace("\n", ""))
    return Markup('<pre class="output" tabindex="0">{}</pre>').format(data["text/plain"])


_LABEL = re.compile(r'<data value="[^"]*" data-figure="([^"]+)">[^<]*</data>')
_NUMERIC = re.compile(r'<td data-figure="([^"]+)">[^<]*(?=</td>)')
_HEADER = re.compile(r'<th scope="row" data-figure="([^"]+)">[^<]*(?=</th>)')


def _described(data: Mapping[str, Any], figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the HTML with the description of each drawing in sight, its numbers as figures."""
    html = str(data["text/html"])
    content = data[MIME]
    held = content["parts"] if content["kind"] == "group" else [content]
    for chart in (one for one in held if one["kind"] == "chart"):
        before, figure, after = html.partition(f'<figure id="{chart["id"]}">')
        drawing, end, rest = after.partition("</svg>")
        said = _sentence_of(chart["alt"], figures).inner
        html = f'{before}{figure}{drawing}{end}<p class="said">{said}</p>{rest}'
    return html


def _sentence_of(parts: Sequence[Any], figures: Mapping[str, Mapping[str, Any]]) -> Sentence:
    return Sentence(tuple(p if isinstance(p, str) else _figure_of(figures, p) for p in parts))


def _figure_of(figures: Mapping[str, Mapping[str, Any]], part: Mapping[str, str]) -> Figure:
    told = figures[part["figure"]]
    held = (told["id"], told["value"], told["unit"], told["text"], told["suppressed"])
    return Figure(*held, told.get("mark", ""))


def _link(cell: str, figure: Mapping[str, Any]) -> str:
    """Return a number as a link to the cell that made it."""
    made, decision = figure["cell"], figure["decision"]
    by = "" if decision["by"] == BY_RULES else f" by {decision['by']}"
    value = "no value" if figure["suppressed"] else f"{figure['value']} {figure['unit']}"
    where = "made in this cell" if made == cell else f"made in {made}"
    said = f"{value}; {decision['decided']}{by}; {where}"
    return (
        f'<a href="#cell-{made}" data-figure="{figure["id"]}" aria-description="{escape(said)}">'
        f"{escape(figure['text'])}</a>"
    )


def data_quality(notebook: NotebookNode) -> str:
    """Return what the provider can learn about the data it sent."""
    return page_of("data_quality", notebook)


def facts(notebook: NotebookNode) -> str:
    """Return the facts that the provider checks before the release, which hold no result."""
    return page_of("facts", notebook, embargo=None)


def decisions(
    release: str,
    result: Mapping[str, Any],
    records: Mapping[str, Sequence[Mapping[str, Any]]],
    rules: Mapping[str, Any],
    sections: Callable[[Any], Mapping[str, Mapping[str, Sequence[Any]]]],
) -> str:
    """Return the restricted page with every decision of disclosure control of a release.

    Parameters
    ----------
    release : str
    result : mapping
        Of one of its requests, for the vintage.
    records : mapping of str to sequence of mapping
        Decisions by request.
    rules : mapping of str to Rule
    sections : callable
        Groups decisions by what was decided and by section of the report.
    """
    about = {"doc": {"result": result}, "release": release, "records": records}
    facts = {**about, **_STANDING, "rules": rules, "sections": sections}
    exporter = PageExporter("disclosure", facts)
    html, _ = exporter.from_notebook_node(nbformat.v4.new_notebook())
    return f"{html.rstrip()}\n"


def verification(facts: Mapping[str, Any]) -> str:
    """Return the restricted page that tells what a verification has found.

    Parameters
    ----------
    facts : mapping
        ``found`` with the manifest of what was verified, and what it came to, in words.
    """
    vintage = facts["subject"].made["vintage"]
    about = {"name": vintage["name"], "synthetic": vintage.get("synthetic") is not False}
    exporter = PageExporter(
        "verification", {"doc": {"result": {"vintage": about}}, **_STANDING, **facts}
    )
    html, _ = exporter.from_notebook_node(nbformat.v4.new_notebook())
    return f"{html.rstrip()}\n"


def quality(notebook: NotebookNode) -> str:
    """Return the quality statement of a release, from its executed bulletin."""
    return page_of("quality", notebook, rules=TABLE.values(), untold=UNTOLD)


def bulletin(notebook: NotebookNode) -> str:
    """Return the month's bulletin as a page."""
    return page_of("bulletin", notebook)


def index(notebook: NotebookNode, results: Sequence[Mapping[str, Any]]) -> str:
    """Return the release page.

    Parameters
    ----------
    notebook : NotebookNode
        The executed bulletin.
    results : sequence of dict
        The ``result.json`` content of the month's requests, in the order shown.
    """
    reports = [
        {"request": r["request"], "status": r["status"], "conclusion": _conclusion(r)}
        for r in results
    ]
    ready = result_of(notebook)["counts"]["ready"]
    earlier = max(0, ready - sum(report["status"] == "reported" for report in reports))
    return page_of("release_index", notebook, reports=reports, earlier=earlier)


def _conclusion(result: Mapping[str, Any]) -> str | None:
    if result["status"] != "reported":
        return None
    headline = next(analysis for analysis in result["analyses"] if analysis["headline"])
    rate = next(row for row in headline["measures"] if row["measure"] == "rate")
    return str(rate["conclusion"])


def release_pages(notebook: NotebookNode, results: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the pages that stand at the top of a release folder, by name.

    Parameters
    ----------
    notebook : NotebookNode
        The executed bulletin.
    results : sequence of dict
        As for `index`.

    Returns
    -------
    dict of str to bytes
    """
    pages = {"index.html": index(notebook, results).encode()}
    if Document(notebook).has("quality-lead"):
        pages["quality.html"] = quality(notebook).encode()
    return pages


@functools.cache
def pdf_obstacle() -> str | None:
    """Return why no PDF can be made here, in one plain line, or None."""
    try:
        import weasyprint  # noqa: F401
    except OSError:
        return (
            "PDFs are not made: Pango is missing. Install the Debian packages "
            "libpango-1.0-0, libpangoft2-1.0-0 and libharfbuzz-subset0."
        )
    return None


@part("PDF")
def pdf(html: str) -> bytes:
    """Return a page as a tagged PDF (PDF/UA-1) in the project's own font, named JDL Sans.

    Parameters
    ----------
    html : str
        A page that holds all it needs; nothing is fetched, and only the fonts are read from data.

    Returns
    -------
    bytes

    Raises
    ------
    weasyprint.urls.FatalURLFetchingError
        If the page asks for anything outside itself.
    """
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    fonts, style = _fonts()
    refuse = URLFetcher(allowed_protocols=[], fail_on_errors=True)
    html = _PROSE.sub(_unmarked, _TABLE.sub(_breakable, _CHART.sub(_titled, html)))
    with _uncollected():
        page = HTML(string=html, url_fetcher=refuse)
        made = page.write_pdf(stylesheets=[style], font_config=fonts, pdf_variant="pdf/ua-1")
    return bytes(made)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Do not look for garbage meanwhile: the boxes of a page are all in use until it is written."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _titled(chart: re.Match[str]) -> str:
    """Give a drawing its description where WeasyPrint looks for it, and the project's font."""
    attributes = chart[2].replace('font-family="', f'font-family="{_FONT},')
    return f'<svg role="img"{attributes}><title>{chart[1]}</title>'


def _unmarked(prose: re.Match[str]) -> str:
    """Leave figures unmarked in running text: WeasyPrint breaks lines badly around an element."""
    return _MARKED.sub("", prose[0])


def _breakable(table: re.Match[str]) -> str:
    """Let a table break between its rows when it could be longer than a page.

    Its height is judged from above: every column as wide as any other.
    """
    rows = [re.split(r"<t[hd][ >]", row)[1:] for row in re.split("<tr[ >]", table[1])[1:]]
    letters = max(_LETTERS // max(map(len, rows)), 1)
    lines = sum(max(len(_TAGS.sub("", cell)) // letters + 1 for cell in row) for row in rows)
    return f'<div class="table{" long" if lines > _LINES else ""}"{table[1]}'


@functools.cache
def _fonts() -> tuple[FontConfiguration, CSS]:
    """Return the project's own font, read once in a process."""
    from weasyprint import CSS
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher

    fonts = FontConfiguration()
    own = URLFetcher(allowed_protocols=["data"], fail_on_errors=True)
    return fonts, CSS(string=_font_faces(), font_config=fonts, url_fetcher=own)


def _font_faces() -> str:
    return "".join(
        f"@font-face {{ font-family: {_FONT}; font-weight: {weight}; "
        f"src: url(data:font/ttf;base64,{_base64(TEMPLATES / 'fonts' / name)}) }}"
        for weight, name in [(400, "LiberationSans-Regular.ttf"), (700, "LiberationSans-Bold.ttf")]
    )


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")


@part("spreadsheets")
def annex(notebook: NotebookNode) -> bytes:
    """Return every table of a report as an OpenDocument spreadsheet."""
    document = Document(notebook)
    request, release = document.result["request"], document.result["release"]
    title = f"{request['organisation']}: {request['programme']}, annex tables"
    about = (
        f"Every table of the tailored report on {request['programme']}, and the numbers behind its "
        "charts: one-year proven reoffending of people who took part, beside that of similar "
        "people who did not.",
        f"Published on {_moment(release['published_at'])}, in the Justice Data Lab's release of "
        f"{month(request['release']).striptags()}.",
        f"Contact: {release['contact']}.",
    )
    sheets = tuple(sheet for sheet in document.sheets() if sheet.name != _FOR_PROVIDER)
    return workbook(title, _cover(document.result, about), sheets)


@part("spreadsheets")
def bulletin_tables(notebook: NotebookNode) -> bytes:
    """Return every table of a bulletin as an OpenDocument spreadsheet."""
    document = Document(notebook)
    release = month(document.result["release"]).striptags()
    about = (
        "Every table of the bulletin, and the numbers behind its charts: requests to the Justice "
        "Data Lab, and what every analysis to date has found.",
        *_told_of_release(document),
    )
    title = f"Justice Data Lab statistics: {release}, tables"
    return workbook(title, _cover(document.result, about), document.sheets())


def _told_of_release(document: Document) -> tuple[str, str]:
    """Return when the release comes out and whom to ask, as its table of facts tells it."""
    facts = {row[0].striptags(): row[1].striptags() for row in document.rows("release-facts")}
    return f"Published on {facts['Published']}.", f"Contact: {facts['Contact']}."


def _moment(iso: str) -> str:
    at = dt.datetime.fromisoformat(iso)
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year} at {at.hour}:{at.minute:02}"


def _cover(result: Mapping[str, Any], about: Sequence[str]) -> tuple[str, ...]:
    vintage = result["vintage"]
    return (
        SYNTHETIC if vintage["synthetic"] else "Official Statistics",
        *about,
        f"Made from the data vintage {vintage['name']}.",
        "Each of the other worksheets holds one table. A number alone in a cell is at full "
        "precision and shown as in the publication, and so are the limits of an interval, which "
        "have columns of their own. A number within words is as printed.",
        LICENCE,
    )


def comma_separated(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as CSV: one header, full precision, missing values empty.

    A text that a spreadsheet would run as a formula gets a leading apostrophe.

    Parameters
    ----------
    rows : sequence of dict
        All with the same keys, in the same order.

    Raises
    ------
    ValueError
        If the rows do not have the same keys.
    """
    header = list(rows[0]) if rows else []
    if any(list(row) != header for row in rows):
        raise ValueError("all rows of a data file have the same columns, in the same order")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_csv_value(value) for value in row.values()] for row in rows)
    return text.getvalue()


def _csv_value(value: Any) -> Any:
    return inert(value.replace("\r", " ")) if isinstance(value, str) else value


def report_files(notebook: NotebookNode, *, printed: bool = True) -> dict[str, bytes]:
    """Return the files of one request's folder, by name.

    A request that was withdrawn or not processed gets a notice in place of the report, and an annex
    and a data quality page only where there is something to show. PDFs are left out where
    `pdf_obstacle` says so.

    Parameters
    ----------
    notebook : NotebookNode
        The executed ``tailored_report.ipynb``.
    printed : bool
        Whether there is a PDF.

    Returns
    -------
    dict of str to bytes
    """
    document = Document(notebook)
    reported = document.result["status"] == "reported"
    without = {} if printed else {"has_pdf": False}
    page = report(notebook, **without) if reported else notice(notebook, **without)
    files = {"report.html": page.encode(), **(_pdf("report.pdf", page) if printed else {})}
    if reported or any(sheet.name not in _ENVELOPE for sheet in document.sheets()):
        files["annex.ods"] = annex(notebook)
    if reported or document.has("data-quality-table"):
        files["data_quality.html"] = data_quality(notebook).encode()
    if document.has("facts-table"):
        files["facts.html"] = facts(notebook).encode()
    return {**files, "audit.html": audit(notebook).encode(), **_record(notebook)}


def bulletin_files(notebook: NotebookNode) -> dict[str, bytes]:
    """Return the files of the bulletin's folder, by name, but for the log.

    Parameters
    ----------
    notebook : NotebookNode
        The executed ``bulletin.ipynb``.

    Returns
    -------
    dict of str to bytes
    """
    page = bulletin(notebook)
    record = _record(notebook)
    result = json.loads(record.pop("result.json"))
    return {
        "bulletin.html": page.encode(),
        "audit.html": audit(notebook).encode(),
        **_pdf("bulletin.pdf", page),
        "tables.ods": bulletin_tables(notebook),
        "results.csv": comma_separated(result["results"]).encode(),
        "history.csv": comma_separated(result["history"]).encode(),
        "codebook.csv": comma_separated(codebook()).encode(),
        **record,
    }


def yearly_files(notebook: NotebookNode) -> dict[str, bytes]:
    """Return the files of a yearly review's folder, by name, but for its manifest.

    Parameters
    ----------
    notebook : NotebookNode
        The executed ``yearly_review.ipynb``.

    Returns
    -------
    dict of str to bytes
    """
    page = page_of("yearly_review", notebook)
    record = _record(notebook)
    result = json.loads(record.pop("result.json"))
    title = f"Justice Data Lab: yearly review {result['year']}, tables"
    until, document = month(result["release"]).striptags(), Document(notebook)
    about = (
        "Every table of the yearly review, and the numbers behind its charts.",
        f"Covers the releases of the Justice Data Lab up to that of {until}.",
        *_told_of_release(document),
    )
    columns = ("file", "column", "meaning", "unit", "values")
    return {
        "yearly.html": page.encode(),
        **_pdf("yearly.pdf", page),
        "tables.ods": workbook(title, _cover(result, about), document.sheets()),
        "results.csv": comma_separated(result["results"]).encode(),
        "losses.csv": comma_separated(result["losses"]).encode(),
        "codebook.csv": comma_separated(
            [dict(zip(columns, row, strict=True)) for row in yearly.CODEBOOK]
        ).encode(),
        **record,
    }


def _pdf(name: str, page: str) -> dict[str, bytes]:
    return {} if pdf_obstacle() else {name: pdf(page)}


@part("data files")
def _record(notebook: NotebookNode) -> dict[str, bytes]:
    return {
        "notebook.ipynb": f"{nbformat.writes(notebook).rstrip()}\n".encode(),
        "figures.json": _json(figures_of(notebook)),
        "result.json": _json(result_of(notebook)),
    }


def _json(content: Any) -> bytes:
    return f"{json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)}\n".encode()


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder, which is made when needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
