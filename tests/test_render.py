"""Pages, PDFs and data files made from executed notebooks."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pikepdf
import pytest
import sample_notebooks as sample
from browser import Browser, chromium
from conformance import OUTSIDE, pdf_findings
from jinja2 import UndefinedError
from nbformat import NotebookNode
from test_spreadsheet import SPACES, Workbook
from weasyprint.urls import FatalURLFetchingError

from jdl import cells, render
from jdl.execute import RecordBroken, figures_of
from jdl.figures import Figure, Sentence, Sentences, Table

HOSTILE = "<script>alert(\"1\")</script> {{ 7 * 7 }} =cmd|' /C calc'!A0"
FOUND = {
    "review-statement": {"review-statement"},
    "error-statement": {"error-statement"},
    "weights-chart": {"weights-chart"},
    "linkage-rates-table": {"linkage-rates-table", "linkage-rates"},
    "linkage-sensitivity-table": {"linkage-sensitivity-table", "linkage-sensitivity"},
    "linkage-gains-table": {"linkage-gains-table", "gains-statement"},
}
CHECKED = {
    "adjusted-statement", "adjusted-table", "places-statement", "unmeasured-statement",
    "sensitivity-statement",
}  # fmt: skip
BESIDE = {
    "survival-chart", "survival-statement", "look-statement", "analyses-list",
    "participation-table", "multiplicity-statement", "everyone-table", "attempts-statement",
    "second-order-statement", "pool-statement", "gap-statement",
}  # fmt: skip
OF_THE_AUDIT = {
    "sensitivity-table", "bounds-table", "attempts-table", "second-order-table",
    "multiplicity-table",
}  # fmt: skip
FROM_OTHER_CELLS = {
    "correction-kept", "correction-statement", "correction-table", "court-delays-statement",
    "estimand-statement", "lost-statement",
    "lost-table", "overlap-chart", "summary-chart", "summary-found", "summary-meaning",
    "summary-next", "summary-question", "summary-sure", "unmatched-statement",
}  # fmt: skip
OPTIONAL = {
    *CHECKED,
    *FROM_OTHER_CELLS,
    *BESIDE,
    *("chart-rate", "chart-frequency", "chart-time", "numbers-needed"),
    *("linkage-rates", "linkage-sensitivity", "rules-table"),
    *FOUND,
}
RESULTS = [
    sample.record(
        organisation="Harbour Trust",
        programme="Harbour Mentoring",
        synthetic=True,
        status="reported",
        analyses=[{"headline": True, "measures": [{"measure": "rate", "conclusion": "increase"}]}],
    ),
    sample.record(
        organisation=HOSTILE, programme="Small Steps", synthetic=True, status="not processed"
    ),
    sample.record(
        organisation="Northern Trust", programme="North Star", synthetic=True, status="withdrawn"
    ),
]

Page = tuple[str, NotebookNode]


def index(notebook: NotebookNode) -> str:
    return render.index(notebook, RESULTS)


MAKERS: dict[str, tuple[Callable[[NotebookNode], str], Callable[..., NotebookNode]]] = {
    "report": (render.report, sample.report),
    "audit": (render.audit, sample.report),
    "data_quality": (render.data_quality, sample.report),
    "notice": (render.notice, sample.stopped),
    "bulletin": (render.bulletin, sample.bulletin),
    "bulletin_audit": (render.audit, sample.bulletin),
    "index": (index, sample.bulletin),
}


@pytest.fixture(scope="module", params=MAKERS)
def page(request: pytest.FixtureRequest) -> Page:
    make, notebook = MAKERS[request.param]
    executed = notebook()
    return make(executed), executed


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return render.report_files(sample.report())


@pytest.fixture(scope="module")
def bulletin() -> dict[str, bytes]:
    return render.bulletin_files(sample.bulletin())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with Browser() as opened:
        yield opened


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside of styles."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._in_style else data

    def named(self, *tags: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.elements if tag in tags]


def asked_for(template: str) -> list[str]:
    source = (render.TEMPLATES / template / "index.html.j2").read_text(encoding="utf-8")
    return re.findall(r'(?:shown|traced|prose|paragraphs)\("([a-z-]+)"\)', source)


def without(executed: NotebookNode, name: str) -> NotebookNode:
    """Return the notebook as if nothing had been published under this name."""
    left = nbformat.from_dict(json.loads(json.dumps(executed)))
    left.cells = [cell for cell in left.cells if name not in (cell.id, _published_as(cell))]
    for cell in left.cells:
        for output in cell.get("outputs", []):
            content = output.data[render.MIME]
            if content["kind"] == "group":
                content["parts"] = [part for part in content["parts"] if part["name"] != name]
    return left


def _published_as(cell: NotebookNode) -> str | None:
    shown = [output.data[render.MIME] for output in cell.get("outputs", [])]
    return shown[0].get("id") if shown else None


def result_without(executed: NotebookNode, *path: str) -> NotebookNode:
    left = nbformat.from_dict(json.loads(json.dumps(executed)))
    [record] = [cell for cell in left.cells if cell.id == "record"]
    content: Any = record.outputs[0].data[render.MIME]["result"]
    for key in path[:-1]:
        content = content[key]
    del content[path[-1]]
    return left


# What is missing


@pytest.mark.parametrize("name", sorted(set(asked_for("tailored_report"))))
def test_a_report_lacks_no_cell_but_those_declared_optional(name: str) -> None:
    left = without(sample.report(), name)
    if name in OPTIONAL:
        assert f'data-shown="{name}"' not in render.report(left)
    else:
        with pytest.raises(render.NotPublished, match=name):
            render.report(left)


def test_only_a_report_of_a_rate_says_why_it_has_no_time_to_first() -> None:
    why = "due to low numbers of reoffenders"
    assert why not in render.report(sample.report())
    left = without(sample.report(), "chart-time")
    assert why in render.report(left)
    assert why not in render.report(without(left, "chart-rate"))


@pytest.mark.parametrize("name", sorted(set(asked_for("bulletin"))))
def test_a_bulletin_lacks_no_cell_but_those_declared_optional(name: str) -> None:
    left = without(sample.bulletin(), name)
    if name in {"this-month", "pooled-chart", "unprocessed-table", "not-processed-table"}:
        assert f'data-shown="{name}"' not in render.bulletin(left)
    else:
        with pytest.raises(render.NotPublished, match=name):
            render.bulletin(left)


@pytest.mark.parametrize(
    "path", [("request", "organisation"), ("vintage", "synthetic"), ("vintage", "name")]
)
def test_a_missing_fact_stops_the_page(path: tuple[str, ...]) -> None:
    with pytest.raises(UndefinedError, match=path[-1]):
        render.report(result_without(sample.report(), *path))


def test_an_empty_list_counts_as_nothing_published() -> None:
    executed = without(sample.report(), "can-say")
    executed.cells.append(sample.cell("can-say", Sentences(())))
    with pytest.raises(render.NotPublished, match="can-say"):
        render.report(executed)


def test_one_name_stands_for_one_thing() -> None:
    executed = sample.report()
    executed.cells.append(sample.cell("estimates", Sentence.of("Another.")))
    with pytest.raises(RecordBroken, match="the name estimates"):
        render.report(executed)


# What is hostile


@pytest.mark.parametrize("name", MAKERS)
def test_a_hostile_name_is_only_text(name: str) -> None:
    make, notebook = MAKERS[name]
    html = make(notebook(HOSTILE))
    elements = Elements(html)
    assert not elements.named("script")
    assert HOSTILE in elements.text


@pytest.mark.parametrize("name", MAKERS)
def test_a_long_name_is_cut_in_the_title_and_whole_on_the_page(name: str) -> None:
    long = "A programme of support, " * 6 + "at last"
    make, notebook = MAKERS[name]
    html = make(notebook(long))
    [title] = re.findall(r"<title>(.*?)</title>", html)
    [told] = re.findall(r'<meta name="description" content="(.*?)">', html)
    assert len(unescape(title)) <= 70
    assert len(unescape(told)) <= 175
    assert long in Elements(html).text


def _titles(html: str) -> list[str]:
    return re.findall(r"<title>(.*?)</title>", html)


def test_a_hostile_name_is_a_string_in_every_file() -> None:
    hostile = render.report_files(sample.report(HOSTILE, HOSTILE))
    facts = Workbook(hostile["annex.ods"]).table("request-facts")
    assert ["Organisation", HOSTILE] in facts
    assert Workbook(hostile["annex.ods"]).types("request-facts") == {"string"}
    made = render.bulletin_files(sample.bulletin(f"={HOSTILE}"))
    rows = list(csv.DictReader(io.StringIO(made["results.csv"].decode())))
    assert rows[0]["organisation"] == f"'={HOSTILE}"
    with pikepdf.open(io.BytesIO(hostile["report.pdf"])) as document:
        title = str(document.docinfo["/Title"])
    start, rest = title.split("…")
    assert HOSTILE.startswith(start)
    assert rest == ": Justice Data Lab report"


def test_markdown_shows_raw_html_as_text_and_leaves_the_heading_to_the_page() -> None:
    shown = render.Document(sample.report()).prose("methods")
    assert "&lt;script&gt;" in shown
    assert "How it was done" not in shown
    assert "<h3>Matching</h3>" in shown
    with pytest.raises(render.NotPublished):
        render.Document(sample.report()).prose("why-linking")


def test_nothing_outside_the_page_is_fetched_for_a_pdf() -> None:
    html = render.notice(sample.stopped())
    for address in ("file:///etc/hostname", "http://127.0.0.1:9/x.png", "data:image/gif;base64,R0"):
        with pytest.raises(FatalURLFetchingError):
            render.pdf(html.replace("</main>", f'<img src="{address}" alt="x"></main>'))


# What every page holds


def test_a_page_asks_for_nothing_from_elsewhere(page: Page) -> None:
    html, _ = page
    elements = Elements(html)
    assert not elements.named("script", "link", "iframe", "object", "embed", "form", "base")
    assert all(image["src"].startswith("data:") for image in elements.named("img"))
    leaving = [a["href"] for a in elements.named("a") if re.match(r"[a-z]+:|//", a["href"])]
    assert [address for address in leaving if not address.startswith(("mailto:", *OUTSIDE))] == []
    assert not [name for _, found in elements.elements for name in found if name.startswith("on")]
    assert not re.findall(r"url\((?!data:|#)|@import", html)
    [policy] = [m for m in elements.named("meta") if "http-equiv" in m]
    assert policy["content"].startswith("default-src 'none';")


def test_a_page_is_laid_out_for_everybody(page: Page) -> None:
    html, _ = page
    elements = Elements(html)
    assert elements.named("html") == [{"lang": "en-GB"}]
    assert [len(elements.named(tag)) for tag in ("h1", "main", "title", "header", "footer")] == (
        [1] * 5
    )
    levels = [int(tag[1]) for tag, _ in elements.elements if re.fullmatch("h[1-6]", tag)]
    steps = itertools.pairwise(levels)
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in steps)
    ids = Counter(found["id"] for _, found in elements.elements if "id" in found)
    assert [name for name, count in ids.items() if count > 1] == []
    wanted = [a["href"][1:] for a in elements.named("a") if a["href"].startswith("#")]
    wanted += [
        found["aria-labelledby"] for _, found in elements.elements if "aria-labelledby" in found
    ]
    assert [name for name in wanted if name not in ids] == []
    assert all("tabindex" in found for found in elements.named("pre"))
    assert all(len(title) <= 65 for title in _titles(html))


def test_every_figure_on_a_page_is_in_the_register(page: Page) -> None:
    html, executed = page
    register = {figure["id"]: figure for figure in figures_of(executed)}
    elements = Elements(html).elements
    shown = [found["data-figure"] for _, found in elements if "data-figure" in found]
    assert [name for name in shown if name not in register] == []


def test_what_is_synthetic_says_so_and_is_not_labelled_official(page: Page) -> None:
    text = Elements(page[0]).text
    assert render.SYNTHETIC in text
    assert "Official Statistic" not in text.replace(render.SYNTHETIC, "")


def test_what_is_real_is_labelled_official() -> None:
    html = render.bulletin(sample.bulletin(synthetic=False))
    assert render.SYNTHETIC not in html
    assert '<p class="status">Official Statistics' in html
    assert "approved by the UK Statistics Authority" in html


def test_the_pages_of_a_release_tell_its_embargo() -> None:
    report, bulletin = render.report(sample.report()), render.bulletin(sample.bulletin())
    assert "Embargoed until 13 March 2014 at 9:30" in Elements(report).text
    assert "Embargoed until 13 March 2014, 9:30am" in Elements(bulletin).text


def test_the_report_leads_to_the_cell_of_each_table_and_chart() -> None:
    executed = sample.report()
    cells = {
        a["href"] for a in Elements(render.report(executed)).named("a") if "#cell-" in a["href"]
    }
    anchors = {
        found["id"] for _, found in Elements(render.audit(executed)).elements if "id" in found
    }
    assert len(cells) > 15
    assert {cell.removeprefix("audit.html#") for cell in cells} <= anchors
    assert "audit.html#cell-balance" in cells


def test_the_audit_copy_shows_every_cell() -> None:
    executed = sample.report()
    html = render.audit(executed)
    assert all(f'id="cell-{cell.id}"' in html for cell in executed.cells)
    assert '<span class="c1"># why this step</span>' in html


@pytest.mark.parametrize("notebook", [sample.report, sample.bulletin])
def test_every_number_of_the_audit_copy_leads_to_the_cell_that_made_it(
    notebook: Callable[..., NotebookNode],
) -> None:
    executed = notebook()
    register = {figure["id"]: figure for figure in figures_of(executed)}
    page = Elements(render.audit(executed))
    marked = [(tag, found) for tag, found in page.elements if "data-figure" in found]
    assert {tag for tag, _ in marked} <= {"a", "tspan"}
    links = {found["data-figure"]: found for tag, found in marked if tag == "a"}
    assert set(links) == set(register)
    for name, link in links.items():
        figure = register[name]
        value = "no value" if figure["suppressed"] else str(figure["value"])
        said = f"{value}{'' if figure['suppressed'] else ' ' + figure['unit']}; "
        assert link["href"] == f"#cell-{figure['cell']}"
        assert link["aria-description"].startswith(f"{said}{figure['decision']['decided']}; made ")
    assert {found["data-figure"] for tag, found in marked if tag == "tspan"} <= set(links)


def test_a_number_says_whether_it_was_made_in_the_cell_that_shows_it() -> None:
    executed = sample.report()
    steps = render.audit(executed).split('<section class="step" id="cell-')[1:]
    told = {
        (step.partition('"')[0] == link[1], link[2])
        for step in steps
        for link in re.finditer(r'<a href="#cell-([^"]+)" data-figure[^>]*; made in ([^"]+)"', step)
    }
    assert {where for own, where in told if own} == {"this cell"}
    assert "this cell" not in {where for own, where in told if not own}


def test_a_step_of_many_numbers_has_a_link_past_them() -> None:
    page = render.audit(sample.report())
    steps = page.split('<section class="step"')[1:]
    held = {step.count("aria-description=") > render.MANY: 'class="past"' in step for step in steps}
    assert held == {True: True, False: False}


def test_other_output_is_shown_as_plain_text_in_the_audit_copy_only() -> None:
    executed = sample.report()
    frame = {"text/html": "<table><tr><td>row</td></tr></table>", "text/plain": "a <b> frame"}
    outputs = [
        nbformat.v4.new_output("display_data", data=frame),
        nbformat.v4.new_output("stream", name="stdout", text="said <b>"),
    ]
    executed.cells.append(nbformat.v4.new_code_cell("frame", id="frame", outputs=outputs))
    html = render.audit(executed)
    assert "a &lt;b&gt; frame" in html
    assert "said &lt;b&gt;" in html
    assert "<td>row</td>" not in html
    assert "frame" not in render.report(executed)


def test_the_release_page_tells_each_outcome() -> None:
    html = index(sample.bulletin())
    assert '<strong class="tag tag-red">Significant increase</strong>' in html
    assert '<strong class="tag tag-grey">Not processed</strong>' in html
    assert html.count('<strong class="tag tag-grey">Withdrawn</strong>') == 1
    assert "Requests withdrawn this month" in html
    assert 'href="reports/harbour-mentoring/report.html"' in html


def test_the_release_page_tells_of_reports_made_before_the_system() -> None:
    told = Elements(index(sample.bulletin())).text
    assert "Another report of this month was made before this system" in told
    both = Elements(render.index(sample.bulletin(), [RESULTS[0], RESULTS[0]])).text
    assert "before this system" not in both
    neither = Elements(render.index(sample.bulletin(), [])).text
    assert "Other reports of this month were made before this system" in neither
    assert "No reports are being published" not in neither


def test_a_result_that_could_not_be_shown_has_its_own_word() -> None:
    measures = [{"measure": "rate", "conclusion": "suppressed"}]
    result = {**RESULTS[0], "analyses": [{"headline": True, "measures": measures}]}
    html = render.index(sample.bulletin(), [result])
    assert '<strong class="tag tag-grey">No result to report</strong>' in html


def test_a_withdrawn_request_has_a_notice_of_its_own() -> None:
    executed = sample.stopped(status="withdrawn")
    html = render.notice(executed)
    assert _titles(html) == ["Small Steps Together: request withdrawn"]
    assert "this request was withdrawn" in html
    assert "could not be processed" not in html
    assert "annex.ods" not in render.report_files(executed)


def test_the_bulletin_counts_what_was_withdrawn_and_leads_with_paragraphs() -> None:
    html = render.bulletin(sample.bulletin())
    assert "Besides these, 1 request was withdrawn by the organisation" in Elements(html).text
    [callout] = re.findall(r'<div class="overall">(.*?)</div>', html, re.DOTALL)
    assert callout.count("<p>") == 2
    assert "<li>" not in callout
    assert '<data value="80" data-figure="counts.0">80</data>' in callout


def test_the_audit_copy_ends_where_the_run_stopped() -> None:
    html = render.audit(sample.stopped())
    assert 'id="cell-stop"' in html
    assert "The run stopped here" in html
    assert not re.findall('(?:id="|#)cell-(?:after|overall-result|record)"', html)
    assert "The run stopped here" not in render.audit(sample.report())


@pytest.mark.parametrize(
    ("latex", "plain"),
    [
        (r"\log_2 \frac{m}{u}", "log₂ (m / u)"),
        (r"e(x) = P(\text{treated} = 1 \mid x)", "e(x) = P(treated = 1 | x)"),
        (r"\frac{(\sum w)^2}{\sum w^2}", "((Σw)² / Σw²)"),
        ("m", "m"),
    ],
)
def test_a_formula_is_told_in_plain_text(latex: str, plain: str) -> None:
    assert render.formula(latex) == plain
    assert f"<code>{plain}</code>" in render.markdown(f"The value ${latex}$.", top=2)
    assert f'<code class="formula">{plain}</code>' in render.markdown(f"$${latex}$$", top=2)


def test_each_way_to_the_audit_copy_has_a_name_of_its_own() -> None:
    html = render.report(sample.report())
    names = re.findall(r'<a href="audit.html#cell-[^>]*>(.*?)</a>', html)
    assert len(names) > 15
    assert len(set(names)) == len(names)
    assert 'How this was made<span class="unseen">: Fewer men reoffended</span>' in names


def test_the_data_quality_page_promises_advice_only_where_it_has_some() -> None:
    assert "What would help" in render.data_quality(sample.report())
    without_advice = render.data_quality(without(sample.report(), "linkage-gains-table"))
    assert "What would help" not in without_advice
    assert "what would let the next request" not in without_advice


def test_the_data_quality_page_tells_what_better_data_would_have_found() -> None:
    html = render.data_quality(sample.report())
    assert "about 25 more people would be expected to be found" in Elements(html).text
    assert html.index("linkage-gains-table") < html.index("data-quality-note")
    left = without(sample.report(), "data-quality-note")
    assert "data-quality-note" not in render.data_quality(left)


def test_the_report_tells_how_people_were_found_in_one_section() -> None:
    html = render.report(sample.report())
    section = html[html.index('id="section-found"') :]
    section = section[: section.index("</section>")]
    names = {"linkage-table", *(name for shown in FOUND.values() for name in shown)}
    assert set(re.findall(r'data-shown="([a-z-]+)"', section)) == names
    assert 'href="#section-found">How people were found</a>' in html


def test_a_report_made_before_there_were_checks_still_renders() -> None:
    old = sample.report()
    for name in CHECKED | BESIDE:
        old = without(old, name)
    html = render.report(old)
    assert "section-checks" not in html
    assert all(f'data-shown="{name}"' not in html for name in CHECKED | BESIDE)
    for heading in re.findall(r"<h3[^>]*>(.*?)</h3>", html):
        assert heading not in {"What is not recorded", "How far people took part"}


def test_the_report_checks_its_headline_result_in_a_section_of_its_own() -> None:
    html = render.report(sample.report())
    section = html.split('id="section-checks"')[1].split("</section>")[0]
    assert set(re.findall(r'data-shown="([a-z-]+)"', section)) == CHECKED
    assert 'href="#section-checks"' in html
    audit = render.audit(sample.report())
    for name in OF_THE_AUDIT:
        assert f'id="{name}"' not in html
        assert f'id="{name}"' in audit


def test_a_heading_of_how_people_were_found_stands_over_something() -> None:
    left = sample.report()
    for name in (name for shown in FOUND.values() for name in shown):
        left = without(left, name)
    html = render.report(left)
    section = html[html.index('id="section-found"') :]
    section = section[: section.index("</section>")]
    assert "<h3>" not in section
    assert 'data-shown="linkage-table"' in section


# Folders


def test_a_reported_request_gets_all_files(files: dict[str, bytes]) -> None:
    assert set(files) == {
        *("report.html", "report.pdf", "annex.ods", "audit.html", "data_quality.html"),
        *("notebook.ipynb", "figures.json", "result.json"),
    }
    assert json.loads(files["figures.json"]) == figures_of(sample.report())
    assert nbformat.reads(files["notebook.ipynb"].decode(), 4) == sample.report()


def test_a_stopped_request_gets_a_notice_of_one_page_with_every_reason() -> None:
    made = render.report_files(sample.stopped())
    assert set(made) == {
        *("report.html", "report.pdf", "audit.html"),
        *("notebook.ipynb", "figures.json", "result.json"),
    }
    assert (
        "The upload has 41 people; at least 60 are needed."
        in Elements(made["report.html"].decode()).text
    )
    with pikepdf.open(io.BytesIO(made["report.pdf"])) as document:
        assert len(document.pages) == 1


def pages_of(content: bytes, tmp_path: Path) -> list[list[str]]:
    """Return the lines with words on each page, without those of the margins."""
    (tmp_path / "a.pdf").write_bytes(content)
    command = ["pdftotext", "-layout", str(tmp_path / "a.pdf"), "-"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    pages = [page.splitlines() for page in told.split("\f")[:-1]]
    return [[line.strip() for line in page if line.strip()][1:-1] for page in pages]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_no_page_holds_only_a_heading_before_a_table_longer_than_a_page(tmp_path: Path) -> None:
    tall = [(f"Row {i}", "word " * 250) for i in range(16)]
    executed = without(sample.report(), "profile-table")
    table = Table("profile-table", "A tall table", ("Row", "Words"), tuple(tall))
    executed.cells.append(sample.cell("profile-table", table))
    pages = pages_of(render.pdf(render.report(executed)), tmp_path)
    [start] = [page for page in pages if "A tall table" in page]
    assert "Profile of the treatment group" in start
    assert any("word word" in line for line in start)
    assert min(map(len, pages[:-1])) > 5


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_no_word_of_the_plan_stands_alone_on_its_line(tmp_path: Path) -> None:
    executed = without(sample.report(), "plan")
    plan = Sentence.of(
        "The primary analysis, the ways to match in the order tried, the rule for accepting one "
        "and the significance level of ",
        Figure("plan.significance", 0.05, "proportion", "5%"),
        " were fixed before any outcome was loaded. The fingerprint of that plan is ",
        Figure("plan.hash", "a1" * 32, "", "a1" * 32),
        ".",
    )
    executed.cells.append(sample.cell("plan", plan))
    lines = [
        line for page in pages_of(render.pdf(render.report(executed)), tmp_path) for line in page
    ]
    start = next(i for i, line in enumerate(lines) if line.startswith("The primary analysis"))
    assert lines[start + 2] == f"{'a1' * 32}."


def test_a_request_stopped_after_linkage_keeps_what_was_found_in_its_data() -> None:
    executed = sample.stopped()
    executed.cells += sample.data_quality()
    assert {"annex.ods", "data_quality.html"} <= set(render.report_files(executed))


def test_the_bulletin_gets_all_files(bulletin: dict[str, bytes]) -> None:
    assert set(bulletin) == {
        *("bulletin.html", "bulletin.pdf", "tables.ods", "results.csv", "history.csv"),
        "audit.html",
        "codebook.csv",
        *("notebook.ipynb", "figures.json"),
    }
    rows = list(csv.DictReader(io.StringIO(bulletin["results.csv"].decode())))
    assert [row["difference"] for row in rows] == ["-0.08", "-0.3"]
    assert rows[0]["p_value"] == ""


def test_files_are_written_and_replaced(tmp_path: Path) -> None:
    render.write({"a.txt": b"1"}, tmp_path / "new")
    render.write({"a.txt": b"2"}, tmp_path / "new")
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"2"


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", " =1", "\n-1", "'=1"])
def test_no_text_of_a_data_file_is_a_formula(text: str) -> None:
    content = render.comma_separated([{"name": text, "value": -1.5}])
    [row] = csv.DictReader(io.StringIO(content, newline=""))
    assert row == {"name": f"'{text}", "value": "-1.5"}
    assert "\r" not in render.comma_separated([{"name": f"x\r{text}"}])
    assert cells.restored(row["name"]) == text
    assert cells.inert("'plain") == cells.restored("'plain") == "'plain"


def test_rows_of_a_data_file_have_the_same_columns() -> None:
    assert render.comma_separated([]) == "\n"
    with pytest.raises(ValueError, match="same columns"):
        render.comma_separated([{"a": 1}, {"b": 2}])


def test_sizes_stay_small(files: dict[str, bytes], bulletin: dict[str, bytes]) -> None:
    assert len(files["report.html"]) < 300_000
    assert len(bulletin["bulletin.html"]) < 300_000
    assert len(index(sample.bulletin())) < 50_000


def test_equal_notebooks_give_equal_bytes_in_another_process(files: dict[str, bytes]) -> None:
    script = (
        "import hashlib, sample_notebooks as sample; from jdl import render\n"
        "for name, content in render.report_files(sample.report()).items():\n"
        "    print(name, hashlib.sha256(content).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parent)}
    told = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    here = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in files.items()]
    assert told.stdout.splitlines() == here


# PDF


def structure(node: Any) -> Iterator[pikepdf.Dictionary]:
    children = node.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            yield child
            yield from structure(child)


@pytest.fixture(scope="module")
def pdfs(files: dict[str, bytes], bulletin: dict[str, bytes]) -> dict[str, tuple[bytes, str]]:
    """Return each kind of PDF with the page that it is made from."""
    notice = render.notice(sample.stopped())
    return {
        "report": (files["report.pdf"], files["report.html"].decode()),
        "bulletin": (bulletin["bulletin.pdf"], bulletin["bulletin.html"].decode()),
        "notice": (render.pdf(notice), notice),
    }


PDFS = ("report", "bulletin", "notice")


@pytest.mark.parametrize("name", PDFS)
def test_a_pdf_can_be_read_by_assistive_software(
    name: str, pdfs: dict[str, tuple[bytes, str]]
) -> None:
    assert pdf_findings(io.BytesIO(pdfs[name][0])) == []


@pytest.mark.parametrize("name", PDFS)
def test_a_pdf_holds_the_title_headings_tables_and_drawings_of_its_page(
    name: str, pdfs: dict[str, tuple[bytes, str]]
) -> None:
    content, html = pdfs[name]
    html = re.sub(r"<details.*?</details>", "", html, flags=re.DOTALL)
    with pikepdf.open(io.BytesIO(content)) as document:
        kinds = Counter(str(tag.S) for tag in structure(document.Root.StructTreeRoot))
        assert [str(document.docinfo["/Title"])] == re.findall("<title>(.*?)</title>", html)
    assert kinds["/H1"] == 1
    assert kinds["/Caption"] == len(re.findall("<(?:fig)?caption", html))
    assert kinds["/TH"] >= len(re.findall("<th[ >]", html))
    assert kinds["/Figure"] == html.count('<svg role="img"')


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
@pytest.mark.parametrize("name", ["report", "bulletin"])
def test_a_pdf_offers_nothing_to_open(
    name: str, pdfs: dict[str, tuple[bytes, str]], tmp_path: Path
) -> None:
    content, html = pdfs[name]
    offer = "The numbers behind this chart"
    assert offer in html
    assert not [line for page in pages_of(content, tmp_path) for line in page if offer in line]


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="poppler-utils is not installed")
def test_every_page_of_a_pdf_says_that_it_is_synthetic(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "report.pdf").write_bytes(files["report.pdf"])
    told = subprocess.run(
        ["pdftotext", "-layout", str(tmp_path / "report.pdf"), "-"],
        capture_output=True,
        text=True,
        check=True,
    )
    pages = told.stdout.split("\f")[:-1]
    assert len(pages) > 3
    assert all(render.SYNTHETIC in page for page in pages)
    assert f"Page 2 of {len(pages)}" in pages[1]


# Spreadsheets


def test_the_annex_holds_every_table_of_the_report(files: dict[str, bytes]) -> None:
    annex = Workbook(files["annex.ods"])
    shown = set(re.findall(r'<table id="([a-z-]+)"', files["report.html"].decode()))
    elsewhere = {"cover", "notes", "balance-table", "data-quality-table", *OF_THE_AUDIT}
    assert set(annex.names) == elsewhere | shown
    assert annex.names[:2] == ["cover", "notes"]
    assert annex.first("cover") == "Harbour Trust: Harbour Mentoring, annex tables"
    assert render.SYNTHETIC in annex.text("cover")
    assert "[c]" in annex.text("notes")


def test_the_bulletin_has_its_tables(bulletin: dict[str, bytes]) -> None:
    tables = Workbook(bulletin["tables.ods"])
    assert {"reconciliation", "results-table", "by-type-table"} <= set(tables.names)


def test_limits_of_an_interval_are_numbers_of_their_own(files: dict[str, bytes]) -> None:
    annex = Workbook(files["annex.ods"])
    name = "Estimated difference"
    header = annex.header("table-rate")
    place = header.index(name)
    limits = [f"{name}, lower limit", f"{name}, upper limit"]
    assert header[place : place + 3] == [name, *limits]
    value = f"{{{SPACES['office']}}}value"
    row = annex.cells("table-rate")[-1]
    assert ["".join(cell.itertext()) for cell in row[place : place + 3]] == (
        ["-12% to -4%", "-12%", "-4%"]
    )
    assert [float(cell.attrib[value]) for cell in row[place + 1 : place + 3]] == (
        pytest.approx([-0.12, -0.04])
    )


def test_a_chart_whose_numbers_stand_in_a_table_has_no_worksheet_of_its_own() -> None:
    drawn = sample.chart("drawn", "Some are drawn", {"One": 0.1, "Two": 0.2})
    rows = (*drawn.table.rows, ("Three", sample.share("drawn.more", 0.3)))
    executed = sample.report()
    executed.cells.append(sample.cell("drawn", drawn))
    assert "drawn-numbers" in Workbook(render.annex(executed)).names
    whole = Table("whole", "All of them", drawn.table.header, rows)
    executed.cells.append(sample.cell("whole", whole))
    assert "drawn-numbers" not in Workbook(render.annex(executed)).names


def test_a_range_that_names_a_group_has_no_limits() -> None:
    low, high = sample.number("low", 25), sample.number("high", 34)
    told = ((Sentence.of(low, " to ", high), "Some"), ("Not known", "None"))
    ages = Table("ages", "Ages", ("Age", "Share"), told)
    executed = sample.report()
    executed.cells.append(sample.cell("ages", ages))
    assert Workbook(render.annex(executed)).header("ages") == ["Age", "Share"]


# In a browser


@pytest.mark.parametrize("width", [320, 1280])
def test_a_page_never_scrolls_sideways(
    width: int, page: Page, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(page[0], encoding="utf-8")
    browser.open(file.as_uri(), width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate("document.body.innerText.length") > 300
    assert browser.evaluate("performance.getEntriesByType('resource').length") == 0


def test_a_narrow_window_shows_every_measurement_and_the_whole_of_a_chart(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(render.report(sample.report()), encoding="utf-8")
    browser.open(file.as_uri(), 320)
    edge = "Math.max(...[...document.querySelectorAll('#measurements td')].map("
    assert browser.evaluate(f"{edge}cell => cell.getBoundingClientRect().right))") <= 320
    label = "getComputedStyle(document.querySelector('#measurements td'), '::before').content"
    assert "Treatment group" in browser.evaluate(label)
    chart = "document.querySelector('#chart-rate svg')"
    assert browser.evaluate(f"{chart}.getBoundingClientRect().right") <= 320


@pytest.mark.parametrize("width", [1280, 320])
def test_what_is_known_of_a_number_is_shown_in_room_of_its_own(
    width: int, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "audit.html").write_text(render.audit(sample.report()), encoding="utf-8")
    browser.open((tmp_path / "audit.html").as_uri(), width)
    links = "[...document.querySelectorAll('a[data-figure]')]"
    assert browser.evaluate(f"{links}.length") > 100
    strip = "document.querySelector('.strip').getBoundingClientRect().top"
    browser.press("Tab")
    browser.evaluate(f"{links}[60].focus()")
    for _ in range(25):
        browser.press("Tab")
        at = "document.activeElement"
        if not browser.evaluate(f"{at}.matches('a[data-figure]')"):
            continue  # a table, which may be taller than the window
        assert browser.evaluate(f"{at}.getBoundingClientRect().bottom") <= browser.evaluate(strip)
        style = f"getComputedStyle({at}, '::after')"
        said = browser.evaluate(f"{style}.content")
        assert browser.evaluate(f"{at}.dataset.figure") in said
        assert browser.evaluate(f"{at}.ariaDescription.slice(0, 20)") in said.replace("\\", "")
        assert browser.evaluate(f"[{style}.position, {style}.bottom]") == ["fixed", "0px"]
    browser.press("Enter")
    assert browser.evaluate("document.querySelector(':target').matches('.step')")
