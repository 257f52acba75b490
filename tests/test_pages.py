"""Every page and PDF of finished releases, measured; and each check shown a planted fault."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import conformance
import pikepdf
import pytest
import sample_notebooks as sample
from browser import Browser, chromium
from conformance import Page
from months import MONTHS, YEAR

from jdl import render

FOLDERS = (*MONTHS, f"yearly-{YEAR}")
ON_A_PAGE = (
    conformance.request_findings,
    conformance.link_findings,
    conformance.numeral_findings,
    conformance.chart_findings,
    conformance.outline_findings,
    conformance.weight_findings,
    conformance.slip_findings,
)
ON_A_RELEASE = (
    conformance.unreached,
    conformance.date_findings,
    conformance.title_findings,
)


@pytest.fixture(scope="module")
def releases(outputs: Path) -> dict[str, list[Page]]:
    """The pages of each folder."""
    return {folder: conformance.pages(outputs / folder) for folder in FOLDERS}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with Browser() as opened:
        yield opened


def found(check: Callable[[Page], list[str]], pages: list[Page]) -> list[str]:
    return [f"{page.name}: {finding}" for page in pages for finding in check(page)]


def test_the_release_that_the_documentation_keeps_is_whole() -> None:
    [kept] = (Path(__file__).parent.parent / "docs" / "example").iterdir()
    pages = conformance.pages(kept)
    assert len(pages) > len(list((kept / "reports").iterdir()))
    assert found(conformance.link_findings, pages) == []


# Templates


def test_only_wording_that_is_fixed_is_marked_so(tmp_path: Path) -> None:
    assert conformance.static_findings(render.TEMPLATES) == []
    page = "<b data-static>The year {{ doc.count }}</b><b data-static>{{ licence }} of 60</b>"
    (tmp_path / "index.html.j2").write_text(page)
    assert len(conformance.static_findings(tmp_path)) == 1


def test_the_comparison_with_other_generators_names_tests_that_exist() -> None:
    here = Path(__file__).parent
    named = re.findall(r'"(test_[a-z_]+)"', (here / "benchmarks" / "publications.py").read_text())
    tests = "".join(file.read_text() for file in here.glob("test_*.py"))
    assert len(named) == 10
    assert [name for name in named if f"def {name}(" not in tests] == []


# Finished releases


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("check", ON_A_PAGE, ids=lambda check: check.__name__)
def test_every_page_of_a_release_conforms(
    check: Callable[[Page], list[str]], folder: str, releases: dict[str, list[Page]]
) -> None:
    assert found(check, releases[folder]) == []


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("check", ON_A_RELEASE, ids=lambda check: check.__name__)
def test_a_release_agrees_with_itself(
    check: Callable[[Path], list[str]], folder: str, outputs: Path
) -> None:
    assert check(outputs / folder) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_pdf_of_a_release_can_be_read_aloud(folder: str, outputs: Path) -> None:
    files = sorted((outputs / folder).rglob("*.pdf"))
    assert files
    told = {str(file): conformance.pdf_findings(file) for file in files}
    assert {file: findings for file, findings in told.items() if findings} == {}


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("width", conformance.WIDTHS)
def test_every_page_of_a_release_works_for_everybody(
    width: int, folder: str, releases: dict[str, list[Page]], browser: Browser
) -> None:
    def look(page: Page) -> list[str]:
        return conformance.browser_findings(browser, page.file.as_uri(), width)

    # The audit copies of one month stand for all: they take as long as all other pages.
    left_out = "" if folder == MONTHS[-1] else "audit"
    assert found(look, [page for page in releases[folder] if page.file.stem != left_out]) == []


# Planted faults, in a release of samples


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release made of the sample notebooks."""
    release = tmp_path_factory.mktemp("outputs") / "2014-03"
    request = release / "reports" / "harbour-mentoring"
    render.write(render.report_files(sample.report()), request)
    bulletin = sample.bulletin()
    page = render.index(bulletin, [Page.read(request / "report.html", release).record])
    render.write({"bulletin.html": render.bulletin(bulletin).encode()}, release / "bulletin")
    render.write({"index.html": page.encode()}, release)
    return release


def planted(page: Page, old: str, new: str) -> Page:
    """The page with something else in place of what first matches."""
    html, count = re.subn(old, new.replace("\\", r"\\"), page.html, count=1, flags=re.S)
    assert count == 1, f"{old} is not on the page"
    return Page(page.file, page.release, html)


END = "</main>"
CHART = r'<svg role="img" aria-label="[^"]*"'
requests, links = conformance.request_findings, conformance.link_findings
numerals, pictures = conformance.numeral_findings, conformance.chart_findings
outline, slips = conformance.outline_findings, conformance.slip_findings
FAULTS = [
    (requests, END, '<img src="http://127.0.0.1:9/x.png"></main>', "asks for"),
    (requests, END, "<script>1</script></main>", "<script> does not belong"),
    (requests, "<body>", '<body onload="1">', "runs something"),
    (requests, "</style>", "@import 'x';</style>", "the style asks"),
    (requests, "</style>", "p { background: url(x.png) }</style>", "style asks"),
    (requests, "default-src 'none';", "", "does not forbid"),
    (requests, "default-src 'none';", "default-src 'none'; img-src *;", "asks for more"),
    (requests, "</head>", '<meta http-equiv="refresh" content="0"></head>', "asks for more"),
    (requests, END, '<a ping="//x" href="#main">x</a></main>', "<a> asks for //x"),
    (requests, "</style>", '@IMPORT "//x";</style>', "the style asks"),
    (requests, END, '<p style="background: URL(//x)">x</p></main>', "the style asks"),
    (requests, END, "<p style=\"background: image-set('//x' 1x)\">x</p></main>", "style asks"),
    (links, "audit.html#cell-", "audit.html#cellar-", "place that is not"),
    (links, "annex.ods", "gone.ods", "file that is not there"),
    (links, "annex.ods", "https://example.org", "leads out of the release"),
    (links, "annex.ods", "../../../../x.html", "file that is not there"),
    (links, END, '<i id="main"></i></main>', "given 2 times"),
    (links, "-caption\" tabindex", "-gone\" tabindex", "points at"),
    (links, END, '<a href="#main"></a></main>', "link without words"),
    (numerals, END, "<p>About 31%</p></main>", "from nowhere: About 31%"),
    (numerals, END, "<p>About \u00bd of them</p></main>", "from nowhere: About \u00bd"),
    (numerals, END, "<p>About \u00b2\u00b3 men</p></main>", "from nowhere: About \u00b2\u00b3"),
    (numerals, END, "<p><span data-static>37%</span> less</p></main>", "marked as fixed: 37%"),
    (numerals, END, "<p><time>37</time> people</p></main>", "a time is printed as '37'"),
    (numerals, END, '<time datetime="2014-03">May 2014</time></main>', "printed as 'May 2014'"),
    (numerals, "</h2>", " in 2009</h2>", "from nowhere"),
    (numerals, "</caption>", ", 14 men</caption>", "from nowhere"),
    (numerals, r'(?<=data-figure="headline.rate.treatment_n">)\d+', "9", "printed"),
    (numerals, 'data-figure="headline.rate', 'data-figure="gone', "not in the"),
    (numerals, r'<data value="\d+', '<data value="1', "another value"),
    (numerals, CHART, '<svg role="img" aria-label="Rates: 31987"', "aria-label"),
    (numerals, "</title>", " 31987</title>", "in text of <title>"),
    (numerals, CHART, '<svg role="img" aria-label="Rates of 38 and 43"', "not its record's"),
    (numerals, "</svg>", '<text x="9" y="9">31</text></svg>', "in a drawing: 31"),
    (numerals, "</svg>", "<text>31 men</text></svg>", "drawing: 31 men"),
    (numerals, "</svg>", '<text x="9" y="9" data-scale="x">31</text></svg>', "scale x are"),
    (numerals, ' data-scale="x"', "", "in a drawing: "),
    (numerals, '(<text[^>]*) x="[^"]*"([^>]*)>20</text>', '<text x="1" data-scale="x">20</text>',
     "not evenly placed"),
    (numerals, '<figure id="', '<figure id="gone-', "a drawing without a record"),
    (pictures, CHART, '<svg role="img" aria-label="Chart 1"', "says nothing"),
    (pictures, CHART, '<svg role="img"', "says nothing"),
    (pictures, CHART, '<svg aria-label="Bars that fall from 31 to 20"', "picture"),
    (pictures, CHART, '<svg role="img" aria-label="Fewer men reoffended"', "title"),
    (pictures, CHART, '<svg role="img" aria-label="Two bars, one longer"', "number"),
    (pictures, "<details>.*?</details>", "", "the table behind it"),
    (pictures, "Source: ", "From: ", "no source"),
    (pictures, "<figcaption><strong>.*?</strong>", "<figcaption>", "no title"),
    (outline, 'lang="en-GB"', 'lang="en"', "language"),
    (outline, "<title>.*?</title>", "<title></title>", "not one title"),
    (outline, END, "<h1>Again</h1></main>", "2 headings of the first"),
    (outline, "<h2([^>]*)>(.*?)</h2>", "<h4>Deep</h4>", "left out before 'Deep'"),
    (outline, END, "<h2> </h2></main>", "without words"),
    (outline, "<h2", '<h2 style="Display: none"', "<h2> is hidden"),
    (outline, "<h2", "<h2 hidden", "<h2> is hidden"),
    (outline, "Not Official Statistics", "Official Statistics", "called Official Statistics"),
    (outline, "Synthetic demonstration", "A demonstration", "not labelled as synthetic"),
    (outline, 'class="skip" href="#main"', 'href="#top"', "does not skip"),
    (outline, END, "<nav><p>x</p></nav></main>", "group of links"),
    (outline, END, "<div></main>", "closes <div>"),
    (outline, "<caption.*?</caption>", "", "no caption"),
    (outline, END, "<table><caption>A</caption></table><table><caption>A"
     "</caption></table></main>", "2 tables are called 'A'"),
    (outline, "<tr><th scope=\"row\">", "<tr><td>x</td><th scope=\"row\">",
     "not alike"),
    (outline, '<th scope="row">', "<th>", "without scope"),
    (outline, '<th scope="row">.*?</th>', "<td>x</td>", "without a header"),
    (outline, "<td([^>]*)>.*?</td>", "<td></td>", "empty cell"),
    (outline, r'\.">', '">', "not one description"),
    (conformance.weight_findings, END, " " * 300_000 + "</main>", "bytes, of at most 300,000"),
    (slips, END, "<p>Few offences offences.</p></main>", "a word twice"),
    (slips, END, "<p>In  two.</p></main>", "two spaces"),
    (slips, END, "<p>In two .</p></main>", "a space before"),
    (slips, END, "<p>In two..</p></main>", "a mark twice"),
    (slips, END, "<p>From -0% to 2%.</p></main>", "negative nought"),
    (slips, END, "<p>From -0.00 to 2.</p></main>", "negative nought"),
    (slips, END, "<p>It is nan.</p></main>", "never filled in"),
    (slips, END, "<p>There were 1 people.</p></main>", "one of many"),
    (slips, END, "<p>On 31st September 2013.</p></main>", "31 September 2013"),
    (slips, END, "<p>On 29 February 2013.</p></main>", "29 February 2013"),
    (slips, CHART, '<svg aria-label="The the 3 bars"', "a word twice"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "old", "new", "words"), FAULTS)
def test_a_check_finds_a_planted_fault(
    check: Callable[[Page], list[str]], old: str, new: str, words: str, small: Path
) -> None:
    page = Page.read(small / "reports" / "harbour-mentoring" / "report.html", small)
    before = set(check(page))
    told = [finding for finding in check(planted(page, old, new)) if finding not in before]
    assert any(words in finding for finding in told), told


def test_a_link_to_another_release_must_lead_to_a_file_of_it(small: Path, tmp_path: Path) -> None:
    release = tmp_path / "2014-03"
    shutil.copytree(small, release)
    bulletin = Page.read(release / "bulletin" / "bulletin.html", release)
    before = links(bulletin)
    earlier = "../../2014-02/reports/harbour-mentoring/report.html"
    page = planted(bulletin, END, f'<a href="{earlier}">Harbour Mentoring</a></main>')
    [told] = [finding for finding in links(page) if finding not in before]
    assert earlier in told and "file that is not there" in told
    shutil.copytree(small, tmp_path / "2014-02")
    assert links(page) == before


def test_a_check_of_a_release_finds_a_planted_fault(small: Path, tmp_path: Path) -> None:
    release = tmp_path / "2014-03"
    shutil.copytree(small, release)
    report = release / "reports" / "harbour-mentoring" / "report.html"
    dates = [
        {"id": f"headline.index_{end}", "text": f"{month} 2011"}
        for end, month in (("from", "May"), ("to", "June"))
    ]
    (report.parent / "figures.json").write_text(json.dumps(dates))
    assert conformance.date_findings(release) == []
    page = report.read_text(encoding="utf-8")
    wrong = "<p>Their year began between August 2005 and December 2099.</p></main>"
    report.write_text(page.replace(END, wrong), encoding="utf-8")
    [told] = conformance.date_findings(release)
    assert "August 2005 to December 2099" in told
    render.write({"stray.pdf": b""}, release)
    assert "no page leads to stray.pdf" in conformance.unreached(release)
    (release / "copy.html").write_text(page, encoding="utf-8")
    assert any("2 pages are called" in told for told in conformance.title_findings(release))


def edited(file: Path, edit: Callable[[pikepdf.Pdf, list[pikepdf.Dictionary]], None]) -> io.BytesIO:
    """A PDF after an edit of the document and its tags."""
    made = io.BytesIO()
    with pikepdf.open(file) as document:
        edit(document, list(conformance.structure(document.Root.StructTreeRoot)))
        document.save(made)
    return made


def drop(place: pikepdf.Object, name: str) -> None:
    del place[name]


def first(tags: list[pikepdf.Dictionary], kind: str) -> pikepdf.Dictionary:
    return next(tag for tag in tags if str(tag.S) == kind)


def without_metadata(document: pikepdf.Pdf, name: str) -> None:
    with document.open_metadata(set_pikepdf_as_editor=False) as metadata:
        del metadata[name]


def without_outline(document: pikepdf.Pdf) -> None:
    with document.open_outline() as outline:
        outline.root.clear()


def annotation(document: pikepdf.Pdf) -> pikepdf.Dictionary:
    return next(note for page in document.pages for note in page.get("/Annots", []))


def font(document: pikepdf.Pdf) -> pikepdf.Dictionary:
    return next(iter(document.pages[0].Resources.Font.values()))


def described(one: pikepdf.Dictionary) -> pikepdf.Dictionary:
    return one.DescendantFonts[0].FontDescriptor


SCRIPT = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="1")
AWAY = pikepdf.Dictionary(S=pikepdf.Name.URI, URI="https://example.org")
PDF_FAULTS: list[tuple[Callable[..., None], str]] = [
    (lambda pdf, _: drop(pdf.docinfo, "/Title"), "no title"),
    (lambda pdf, _: without_metadata(pdf, "dc:title"), "title in the metadata"),
    (lambda pdf, _: without_metadata(pdf, "pdfuaid:part"), "not marked as PDF/UA-1"),
    (lambda pdf, _: drop(pdf.Root, "/ViewerPreferences"), "the file's name"),
    (lambda pdf, _: drop(pdf.Root, "/Lang"), "language"),
    (lambda pdf, _: drop(pdf.Root, "/MarkInfo"), "not tagged"),
    (lambda pdf, _: pdf.Root.__setitem__("/OpenAction", SCRIPT), "runs something"),
    (lambda pdf, _: pdf.Root.Names.__setitem__("/JavaScript", SCRIPT), "JavaScript"),
    (lambda pdf, tags: first(tags, "/H2").__setitem__("/S", pikepdf.Name.H4), "left out"),
    (lambda pdf, tags: first(tags, "/H1").__setitem__("/S", pikepdf.Name.P), "0 headings of the"),
    (lambda pdf, tags: first(tags, "/Figure").__setitem__("/Alt", "Chart 1"), "says nothing"),
    (lambda pdf, tags: drop(first(tags, "/Figure"), "/Alt"), "says nothing"),
    (lambda pdf, tags: first(tags, "/Caption").__setitem__("/S", pikepdf.Name.P), "no caption"),
    (lambda pdf, tags: drop(first(tags, "/TH"), "/ID"), "no cell can name"),
    (lambda pdf, tags: drop(first(tags, "/TD").A, "/Headers"), "does not name its headers"),
    (lambda pdf, _: without_outline(pdf), "0 entries in the outline"),
    (lambda pdf, _: annotation(pdf).__setitem__("/A", AWAY), "leads out of the release"),
    (lambda pdf, _: annotation(pdf).__setitem__("/A", SCRIPT), "other than a link"),
    (lambda pdf, _: annotation(pdf).__setitem__("/Dest", "gone"), "leads nowhere"),
    (lambda pdf, _: drop(annotation(pdf), "/StructParent"), "not in the reading order"),
    (lambda pdf, _: drop(annotation(pdf), "/Contents"), "no description"),
    (lambda pdf, _: drop(pdf.pages[0].obj, "/Tabs"), "page 1: not in the order"),
    (lambda pdf, _: font(pdf).__setitem__("/BaseFont", pikepdf.Name.Arial), "of the machine"),
    (lambda pdf, _: drop(font(pdf), "/ToUnicode"), "cannot be read out"),
    (lambda pdf, _: drop(described(font(pdf)), "/FontFile2"), "not in the file"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), PDF_FAULTS, ids=[words for _, words in PDF_FAULTS])
def test_a_planted_fault_of_a_pdf_is_found(
    edit: Callable[..., None], words: str, small: Path
) -> None:
    file = small / "reports" / "harbour-mentoring" / "report.pdf"
    assert conformance.pdf_findings(file) == []
    assert any(words in finding for finding in conformance.pdf_findings(edited(file, edit)))


SVG = '<svg role="img" aria-label="A drawing" width="200" height="60" viewBox="0 0 200 60">'
SCROLLS = '<div style="overflow: auto; width: 9rem"><p style="width: 20rem">x</p></div>'
IN_A_BROWSER = [
    ('<img src="http://127.0.0.1:9/x.png" alt="A picture from elsewhere">', "", "asked for http:"),
    ("<p class='x'>Faint.</p>", ".x { color: #999 }", "axe, color-contrast"),
    ("<p class='x'>Faint.</p>", ".x { color: #999; background: linear-gradient(#fff, #eee) }",
     "color-contrast"),
    ("<details><summary>More</summary><p class='x'>Faint.</p></details>", ".x { color: #999 }",
     "axe, color-contrast"),
    ('<img src="data:,">', "", "axe, image-alt"),
    ('<p style="width: 90rem; max-width: none">Wide.</p>', "", "wider than a window of 1280"),
    ('<p style="width: 50rem; max-width: none">Wide.</p>', "", "wider than a window of 640"),
    ("<p class='x'>In a box</p>", ".x { height: 1rem; overflow: hidden }", "wide spacing cuts off"),
    (SCROLLS, "", "not with a keyboard"),
    (SCROLLS.replace("<div", "<div tabindex='0'"), "", "has no name"),
    ("<p><a href='#main'>On</a></p>", "a:focus-visible { all: unset }", "the focus cannot be seen"),
    ("<div class='x'><p>One</p><p>Two</p></div>", ".x { display: flex; flex-flow: column-reverse }",
     "stands above"),
    (f'{SVG}<text x="5" y="20" fill="#aaa">31</text></svg>', "", "too faint"),
    (f'{SVG}<rect width="99" height="60" fill="#12436d"/><text x="5" y="20">31</text></svg>', "",
     "too faint"),
    (f'{SVG}<text x="180" y="20">a long label</text></svg>', "", "leaves its drawing"),
    (f'{SVG}<text x="5" y="20">one</text><text x="15" y="22">two</text></svg>', "", "one another"),
    ("", ".skip { display: none }", "does not show itself"),
    ("", "main, footer { visibility: hidden }", "does not lead there"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "style", "words"), IN_A_BROWSER)
def test_a_planted_fault_is_found_in_a_browser(
    body: str, style: str, words: str, browser: Browser, tmp_path: Path
) -> None:
    html = render.notice(sample.stopped())
    if "http" in body:
        html = html.replace("img-src data:", "img-src *")
    file = tmp_path / "page.html"
    file.write_text(html.replace(END, body + END).replace("</style>", f"{style}</style>"))
    assert any(words in f for f in conformance.browser_findings(browser, file.as_uri(), 1280))


def test_a_page_without_a_fault_has_no_finding_in_a_browser(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(render.notice(sample.stopped()))
    for width in conformance.WIDTHS:
        assert conformance.browser_findings(browser, file.as_uri(), width) == []
