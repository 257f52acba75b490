"""Measure what a reader gets: every page, PDF and spreadsheet, beside other generators.

Run `.venv/bin/python tests/benchmarks/publications.py outputs/2014-03`: it prints the tables of the
README. The stock templates of nbconvert show the same executed notebook. The Ministry's generator
was read, not run.
"""

import argparse
import io
import itertools
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from nbconvert import HTMLExporter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import conformance
from browser import Browser
from conformance import Page
from test_spreadsheet import CHECKLIST, OF_REAL_TABLES
from test_spreadsheet import findings as spreadsheet_findings

KINDS = {
    "index": "release page",
    "bulletin": "bulletin",
    "report": "report",
    "notice": "notice",
    "audit": "audit copy",
    "data_quality": "data quality",
}
RAP = "JDL_RAP"


@dataclass
class Measured:
    """What was found on the pages of one kind."""

    sizes: list[int] = field(default_factory=list)
    requests: int = 0
    violations: dict[int, int] = field(default_factory=lambda: dict.fromkeys(conformance.WIDTHS, 0))
    nodes: dict[int, int] = field(default_factory=lambda: dict.fromkeys(conformance.WIDTHS, 0))
    laid_out: int = 0
    numerals: int = 0
    links: int = 0
    other: int = 0

    def look(self, page: Page, browser: Browser) -> None:
        """Add a page."""
        self.sizes.append(len(page.html.encode()))
        self.numerals += len(conformance.numeral_findings(page))
        self.links += len(conformance.link_findings(page))
        self.other += sum(
            len(check(page))
            for check in (
                conformance.chart_findings,
                conformance.outline_findings,
                conformance.slip_findings,
            )
        )
        for width in conformance.WIDTHS:
            found = conformance.browser_findings(browser, page.file.as_uri(), width)
            axe = [finding for finding in found if finding.startswith("axe, ")]
            asked = [finding for finding in found if finding.startswith("asked for ")]
            self.violations[width] += len(axe)
            self.nodes[width] += sum(int(one.split("(")[1].split(")")[0]) for one in axe)
            self.requests = max(self.requests, len(asked))
            self.laid_out += len(found) - len(axe) - len(asked)

    def row(self, name: str) -> str:
        """The row of the table."""
        axe = ", ".join(f"{self.violations[w]} ({self.nodes[w]})" for w in conformance.WIDTHS)
        size = f"{max(self.sizes) / 1000:.0f}"
        cells = (self.requests, axe, self.laid_out, self.numerals, self.links, self.other)
        return f"| {name} | {len(self.sizes)} | {size} | {' | '.join(map(str, cells))} |"


HEAD = (
    "| page | pages | kB, largest | asked for elsewhere | axe-core at 1280, 320 px: rules (nodes) "
    "| layout and keyboard | numerals untraced | links broken | headings, tables, charts, slips |\n"
    f"|---|{'---|' * 8}"
)


def kind_of(page: Page) -> str:
    """What kind of page it is."""
    stopped = page.record.get("status", "reported") != "reported"
    stem = "notice" if page.file.stem == "report" and stopped else page.file.stem
    return KINDS.get(stem, stem.replace("_", " "))


def stock(release: Path, browser: Browser, folder: Path) -> list[str]:
    """The rows of nbconvert's own templates, of the notebook of the first report."""
    [notebook, *_] = sorted(release.glob("reports/*/report.pdf"))
    notebook = notebook.with_name("notebook.ipynb")
    rows = []
    for template in ("lab", "classic"):
        html, _ = HTMLExporter(template_name=template).from_filename(str(notebook))
        for name in ("figures.json", "result.json"):
            (folder / name).write_bytes(notebook.with_name(name).read_bytes())
        (folder / "report.html").write_text(html, encoding="utf-8")
        (folder / "index.html").write_text(html, encoding="utf-8")
        measured = Measured()
        measured.look(Page.read(folder / "report.html", folder), browser)
        rows.append(measured.row(f"nbconvert, {template}"))
    return rows


def files(releases: list[Path], browser: Browser, folder: Path) -> list[str]:
    """The rows of PDFs and spreadsheets."""
    rows = []
    made = [file for release in releases for file in sorted(release.rglob("*.pdf"))]
    each = [conformance.pdf_findings(file) for file in made]
    clean = sum(not findings for findings in each)
    told = sorted({kind(finding) for finding in itertools.chain(*each)})
    largest = max(file.stat().st_size for file in made) / 1000
    rows.append(f"| PDF | {len(made)} | {largest:.0f} | {clean} | {'; '.join(told) or 'none'} |")
    browser.open((folder / "report.html").as_uri(), 1280)
    printed = browser.printed()
    told = sorted({kind(finding) for finding in conformance.pdf_findings(io.BytesIO(printed))})
    rows.append(
        f"| nbconvert, classic, printed by Chromium | 1 | {len(printed) / 1000:.0f} | 0 | "
        f"{'; '.join(told)} |"
    )
    books = [file for release in releases for file in sorted(release.rglob("*.ods"))]
    lacking = [spreadsheet_findings(book.read_bytes()) for book in books]
    largest = max(book.stat().st_size for book in books) / 1000
    rows.append(
        f"| ODS | {len(books)} | {largest:.0f} | {sum(not found for found in lacking)} | of "
        f"{len(CHECKLIST | OF_REAL_TABLES)} points, failed: "
        f"{'; '.join(sorted({*itertools.chain(*lacking)})) or 'none'} |"
    )
    return rows


def kind(finding: str) -> str:
    """A finding without its page and particulars."""
    return finding.partition(": ")[2] if finding.startswith("page ") else finding.partition(": ")[0]


POINTS = (
    ("where results come from", "typed or pasted into tabs of one workbook, a tab an analysis",
     "the notebook's cells", "the notebook's cells; a register names the cell of each number",
     "test_every_figure_on_a_page_is_in_the_register"),
    ("text of the findings", "free text in the workbook; \"offences offences\" came out",
     "typed by hand", "made from result objects by tested functions",
     "test_a_check_finds_a_planted_fault"),
    ("labels of intervals on charts", "moved by hand in the R Markdown", "placed by hand",
     "placed by code, never on one another, tried at the extremes",
     "test_no_label_of_two_groups_covers_another_at_any_value"),
    ("contents", "page numbers typed in the workbook after a first run", "none",
     "made from the sections, page numbers in the PDF counted by the renderer",
     "test_every_pdf_of_a_release_can_be_read_aloud"),
    ("PDF", "three pages printed through a browser, uploaded and merged by hand",
     "LaTeX, or printed through a browser", "written with the page by the one command, tagged",
     "test_every_pdf_of_a_release_can_be_read_aloud"),
    ("dates of the people analysed", "typed; two published differ between page and report",
     "typed", "one figure each, compared on every page of a request",
     "test_a_check_of_a_release_finds_a_planted_fault"),
    ("dates that never were, words twice, -0", "\"31st September\" and a stray \"9\" came out",
     "not looked for", "looked for on every page",
     "test_a_check_finds_a_planted_fault"),
    ("a missing figure", "a missing column or row stops it", "a blank", "the page is not made",
     "test_a_report_lacks_no_cell_but_those_declared_optional"),
    ("annex", "a separate workbook", "none", "OpenDocument, in the same run",
     "test_the_annex_holds_every_table_of_the_report"),
    ("same input, same bytes", "not claimed", "not claimed", "yes, HTML, PDF and ODS",
     "test_equal_notebooks_give_equal_bytes_in_another_process"),
)  # fmt: skip


def comparison() -> list[str]:
    """The rows of the comparison, point by point."""
    return [
        f"| {point} | {theirs} | {nbconvert} | {ours} (`{test}`) |"
        for point, theirs, nbconvert, ours, test in POINTS
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", type=Path, nargs="+", help="folders of finished releases")
    given = [folder.resolve() for folder in parser.parse_args().release]
    measured: dict[str, Measured] = defaultdict(Measured)
    with Browser() as browser, tempfile.TemporaryDirectory() as scratch:
        for release in given:
            for page in conformance.pages(release):
                measured[kind_of(page)].look(page, browser)
        others = stock(given[0], browser, Path(scratch))
        beside = files(given, browser, Path(scratch))
    order = [*KINDS.values(), *sorted(set(measured) - set(KINDS.values()))]
    print(HEAD)
    print("\n".join(measured[name].row(name) for name in order if name in measured))
    print("\n".join(others))
    print("\n| file | files | kB, largest | without a finding | findings |\n|---|---|---|---|---|")
    print("\n".join(beside))
    print(f"\n| | the Ministry's {RAP}, as read in its source | stock nbconvert | jdl |")
    print("|---|---|---|---|")
    print("\n".join(comparison()))


if __name__ == "__main__":
    main()
