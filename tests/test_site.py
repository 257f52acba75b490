"""The site for the working statistician: whole, offline, true to the code, and its examples run."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import doctest
import importlib
import inspect
import io
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import conformance
import pytest
from browser import Browser, chromium
from conformance import Page

from jdl import cli, glossary, render, site
from jdl.log import SignOff
from jdl.site import described, used
from jdl.site.pages import HOW_TO, METHOD

ROOT = Path(__file__).parent.parent
MOST_WORDS = 900
FEWEST_EXAMPLES = 15
KINDS = (
    "index.html",
    "how-to-run-a-month.html",
    "glossary.html",
    "reference/index.html",
    "reference/effects.html",
    "reference/matching.html",
)
OF_RELEASES = (
    "the page is not labelled as synthetic: []",
    "made-up people are called Official Statistics",
)
"""Asked of pages with results; the glossary explains what Official Statistics are."""
WALK_THROUGH = """<!DOCTYPE html><html lang="en-GB"><head><title>Walk-through</title></head><body>
<p class="status synthetic">{}</p>
<h2 id="cell-matched">Matching</h2><a href="report.html">The report</a>
<a href="walk-through.ipynb">The same notebook, to run yourself</a></body></html>"""
STRANGE = ("walk-through.ipynb", "walk-through-1.ipynb", "certificate.html", "people.csv",
           "run.json", ".lock", "notes.html")  # fmt: skip


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site without walk-throughs."""
    folder = tmp_path_factory.mktemp("site") / "site"
    site.build(folder)
    return folder


@pytest.fixture(scope="session")
def pages(built: Path) -> dict[str, Page]:
    return {page.name: page for page in conformance.pages(built)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    with Browser() as opened:
        yield opened


def modules_of(name: str) -> list[Path]:
    folder = ROOT / "jdl" / name
    return sorted(folder.glob("[!_]*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def dotted(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)


METHODS = [dotted(file) for name in METHOD for file in modules_of(name)]


# --- The pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "check",
    [conformance.request_findings, conformance.link_findings, conformance.outline_findings],
    ids=lambda check: check.__name__,
)
def test_every_page_conforms(check, pages):
    found = {name: [f for f in check(page) if f not in OF_RELEASES] for name, page in pages.items()}
    assert {name: findings for name, findings in found.items() if findings} == {}


def test_every_button_opens_a_meaning(pages):
    opening = 0
    for page in pages.values():
        for button in page.root.find("button"):
            opening += 1
            assert page.ids[button.attributes["popovertarget"]] == 1
    assert opening >= 10


def test_every_page_is_reached_from_the_first(built):
    assert conformance.unreached(built) == []


@pytest.mark.parametrize("width", conformance.WIDTHS)
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_page_works_for_everybody(name, width, pages, browser):
    assert conformance.browser_findings(browser, pages[name].file.as_uri(), width) == []


def test_a_term_opens_in_place(pages, browser):
    browser.open(pages["how-to-run-a-month.html"].file.as_uri(), 1280)
    browser.evaluate("document.querySelector('button.term').click()")
    shown = "getComputedStyle(document.querySelector(':popover-open')).display"
    assert browser.evaluate(shown) == "block"
    seen = browser.evaluate("document.querySelector(':popover-open').innerText")
    assert any(term.means in seen for term in glossary.terms())


def test_the_same_sources_give_the_same_bytes(built, tmp_path):
    site.build(tmp_path / "again")
    made = {str(f.relative_to(built)): f.read_bytes() for f in built.rglob("*") if f.is_file()}
    again = {
        str(f.relative_to(tmp_path / "again")): f.read_bytes()
        for f in (tmp_path / "again").rglob("*")
        if f.is_file()
    }
    assert made == again


def test_the_site_appears_whole_or_stays_as_it_was(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    monkeypatch.setattr(site, "pages", lambda learned: {"index.html": b"old"})
    site.build(folder)
    monkeypatch.setattr(site, "pages", lambda learned: {"index.html": b"new", "a/b": None})
    with pytest.raises(TypeError):
        site.build(folder)
    assert [(f.name, f.read_bytes()) for f in folder.rglob("*")] == [("index.html", b"old")]
    assert list(tmp_path.iterdir()) == [folder]


def planted(folder: Path, *, synthetic: object, said: str = render.SYNTHETIC) -> None:
    """A walk-through with all that may lie in its folder, and more."""
    folder.mkdir(parents=True)
    (folder / site.WALK_THROUGH).write_text(WALK_THROUGH.format(said))
    (folder / "result.json").write_text(json.dumps({"vintage": {"synthetic": synthetic}}))
    for name in STRANGE:
        (folder / name).write_text("a trainee's own")
    for name in site.LINKED[:-1]:
        (folder / name).write_text("made with the page")
    (folder.parent / "elsewhere").write_text("somebody's file")
    (folder / site.LINKED[-1]).symlink_to(folder.parent / "elsewhere")


def test_walk_throughs_of_made_up_people_alone_are_taken_in(tmp_path):
    learn = tmp_path / "learn"
    planted(learn / "training-cohort", synthetic=True)
    planted(learn / "2014-02" / "made-up", synthetic=True)
    planted(learn / "2014-03" / "real", synthetic=False, said="Restricted")
    planted(learn / "2014-03" / "real-with-a-wrong-label", synthetic=False)
    planted(learn / "2014-03" / "of-no-result", synthetic=None)
    planted(learn / "2014-03" / "labelled-as-real", synthetic=True, said="Restricted")
    planted(learn / "training" / "outputs" / ".work" / "learn" / "scratch", synthetic=True)
    planted(tmp_path / "outside", synthetic=True)
    (learn / "led-away").symlink_to(tmp_path / "outside")
    planted(learn / "page-led-away", synthetic=True)
    (learn / "page-led-away" / site.WALK_THROUGH).unlink()
    led = tmp_path / "outside" / site.WALK_THROUGH
    (learn / "page-led-away" / site.WALK_THROUGH).symlink_to(led)
    site.build(tmp_path / "site", learn)
    copied = [file for file in (tmp_path / "site" / "learn").rglob("*") if file.is_file()]
    assert {file.relative_to(tmp_path / "site" / "learn").as_posix() for file in copied} == {
        f"{folder}/{name}"
        for folder in ("training-cohort", "2014-02-made-up")
        for name in (site.WALK_THROUGH, *site.LINKED[:-1])
    }
    assert {f.read_text() for f in copied} & {"a trainee's own", "somebody's file"} == set()
    page = Page.read(tmp_path / "site" / "reference" / "matching.html", tmp_path / "site")
    assert '<a href="../learn/training-cohort/walk-through.html#cell-matched">' in page.html
    assert conformance.link_findings(page) == []
    for folder in ("training-cohort", "2014-02-made-up"):
        file = tmp_path / "site" / "learn" / folder / site.WALK_THROUGH
        page = Page.read(file, tmp_path / "site")
        assert conformance.link_findings(page) == []
        assert 'href="report.html"' in page.html


# --- How to run a month ---------------------------------------------------------------------------


def commands(text: str) -> list[str]:
    """Every jdl command of the console blocks of a text, with lines that go on put together."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.S | re.M)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if re.match(r"(\.venv/bin/)?jdl ", line)]


DOCUMENTS = [HOW_TO, ROOT / "README.md"]
COMMANDS = [(file.name, line) for file in DOCUMENTS for line in commands(file.read_text())]


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_every_command_of_the_documents_is_one_of_the_program(document, line):
    _, *arguments = shlex.split(line, comments=True)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            given = cli._parser().parse_args(arguments)
        except SystemExit:
            pytest.fail(said.getvalue())
    assert callable(given.do)


def test_the_page_of_a_month_goes_through_every_step_in_order():
    used_there = [shlex.split(line)[1] for line in commands(HOW_TO.read_text())]
    assert list(dict.fromkeys(used_there)) == [
        *("check", "review", "run", "release", "disclosure", "scan", "why", "verify"),
        *("publish", "yearly"),
    ]


def test_the_page_of_a_month_tells_of_a_request_that_is_there():
    arguments = {one for line in commands(HOW_TO.read_text()) for one in shlex.split(line)}
    [name] = {path.name for path in (ROOT / "requests").iterdir()} & arguments
    asked = tomllib.loads((ROOT / "requests" / name / "request.toml").read_text())
    assert asked["release"] in arguments
    [upload] = [one for one in arguments if one.startswith("requests/")]
    assert (ROOT / upload).is_file()
    assert asked["upload"]["date_format"] in arguments


def test_the_sign_off_of_the_page_has_the_form_of_a_release_file():
    [block] = re.findall(r"^```toml\n(.*?)^```", HOW_TO.read_text(), re.S | re.M)
    signed = tomllib.loads(block)["sign_off"]
    assert {*signed} == {field.name for field in dataclasses.fields(SignOff)}


def test_the_page_of_a_month_numbers_its_steps_once(pages):
    steps = re.findall(r"^## (\d+)\. (.+)$", HOW_TO.read_text(), re.M)
    assert [int(number) for number, _ in steps] == [
        *range(1, HOW_TO.read_text().count("\n## ") + 1)
    ]
    html = pages["how-to-run-a-month.html"].html
    listed = html.partition('class="contents"')[2].partition("</nav>")[0]
    for number, name in steps:
        assert f">{name}</a>" in listed
        assert f">{number}. {name}</h2>" in html


def test_the_page_of_a_month_checks_the_log_beside_all_requests():
    """Only this tells where the log and a request part."""
    assert "jdl check requests" in commands(HOW_TO.read_text())


def test_the_page_of_a_month_is_one_page():
    prose = re.sub(r"^```.*?^```", "", HOW_TO.read_text(), flags=re.S | re.M)
    assert len(re.findall(r"[\w'-]+", prose)) <= MOST_WORDS


def test_refusals_are_quoted_as_the_program_says_them():
    """The words by which a statistician finds a refusal on the page stand in the code."""
    said = " ".join(
        re.sub(r"\"\s*\n\s*f?\"", "", path.read_text()) for path in (ROOT / "jdl").glob("*.py")
    )
    page = HOW_TO.read_text()
    for words in (
        "the log and the requests disagree",
        "would tell who people are",
        "finished and stays as it is",
        "nother jdl command is at work",
        "embargoed until",
        "the results of",
    ):
        assert words in page
        assert words in said


# --- The reference --------------------------------------------------------------------------------


@pytest.mark.parametrize("module", METHODS)
def test_every_public_name_of_the_method_is_in_the_reference(module, pages):
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text())
    names = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    chapter = module.split(".")[1]
    page = pages[f"reference/{chapter}.html"]
    within = module.removeprefix(f"jdl.{chapter}").strip(".")
    wanted = {f"{within}.{name}".strip(".") for name in names}
    assert wanted - set(page.ids) == set()


@pytest.mark.parametrize("name", METHOD)
def test_the_reference_tells_signatures_as_python_has_them(name):
    for section in described.chapter(name).sections:
        module = importlib.import_module(section.path)
        for thing in section.things:
            if thing.kind == "function":
                has = inspect.signature(getattr(module, thing.name)).parameters
                told = ast.parse(f"def {thing.signature}: ...").body[0].args
                given = [a.arg for a in [*told.posonlyargs, *told.args, *told.kwonlyargs]]
                stars = [one.arg for one in (told.vararg, told.kwarg) if one]
                assert sorted([*given, *stars]) == sorted(has), thing.path


@pytest.mark.parametrize("name", METHOD)
def test_every_parameter_that_is_told_is_one(name):
    for section in described.chapter(name).sections:
        module = importlib.import_module(section.path)
        for thing in section.things:
            for part in thing.parts:
                if thing.kind == "function" and part.title == "Parameters":
                    has = set(inspect.signature(getattr(module, thing.name)).parameters)
                    told = [n for f in part.fields for n in f.name.replace("*", "").split(", ")]
                    assert set(told) == has, thing.path
                    assert len(told) == len(set(told)), thing.path
                    assert all(field.type for field in part.fields), thing.path


@pytest.mark.parametrize("module", METHODS)
def test_every_public_name_of_the_method_says_what_it_is(module):
    for name, held in inspect.getmembers(importlib.import_module(module)):
        own = getattr(held, "__module__", None) == module and not name.startswith("_")
        if own and (inspect.isfunction(held) or inspect.isclass(held)):
            assert (inspect.getdoc(held) or "").strip(), f"{module}.{name}"


def test_the_cell_that_calls_a_function_is_told(pages):
    assert used.Use("tailored_report", "matched") in used.uses()["matching.first_accepted"]
    assert used.Use("tailored_report", "significant-results") in used.uses()["power.each_needed"]
    section = pages["reference/matching.html"].html.partition('id="search.first_accepted"')[2]
    assert section.partition('<div class="thing">')[0].count("<code>matched</code>") == 1
    assert (
        "Called in"
        not in pages["reference/matching.html"]
        .html.partition('id="calipers.radius"')[2]
        .partition('<div class="thing">')[0]
    )


def test_the_reference_has_the_sections_of_a_docstring(pages):
    html = pages["reference/matching.html"].html.partition('id="calipers.radius"')[2]
    radius = " ".join(html.partition('<div class="thing">')[0].split())
    for wanted in (
        '<p class="part">Parameters</p>',
        '<dt><code>caliper_sd</code>: <span class="type">float</span></dt>',
        '<p class="part">Returns</p>',
        "Agrees to 1e-9 with R's MatchIt",
        '<p class="part">Examples</p>',
        '<a href="../reference/matching.html#calipers.within"><code>within</code></a>',
    ):
        assert wanted.replace("'", "&#x27;") in radius.replace("'", "&#x27;"), wanted


# --- Examples -------------------------------------------------------------------------------------


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [
        test
        for module in METHODS
        for test in finder.find(importlib.import_module(module), module)
        if test.examples
    ]
    return sorted(found, key=lambda test: test.name)


EXAMPLES = examples()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_gives_what_it_says(example):
    said = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(example, out=said.write, clear_globs=False)
    assert runner.failures == 0, said.getvalue()


def test_examples_are_many_and_stand_in_the_reference(pages):
    assert len(EXAMPLES) >= FEWEST_EXAMPLES
    shown = sum(page.html.count('<p class="part">Examples</p>') for page in pages.values())
    assert shown == len(EXAMPLES)


# --- The glossary ---------------------------------------------------------------------------------


def test_the_glossary_holds_every_term(pages):
    page = pages["glossary.html"]
    text = " ".join(page.root.text.split())
    for term in glossary.terms():
        assert page.ids[term.id] == 1
        assert term.means in text


def test_a_term_of_the_method_leads_to_what_works_it_out(pages):
    links = [a.attributes["href"] for a in pages["glossary.html"].root.find("a")]
    of_method = [t for t in glossary.terms() if t.where.partition(".")[0] in METHOD]
    assert len([one for one in links if one.startswith("reference/") and "#" in one]) == len(
        of_method
    )
    assert "reference/matching.html#calipers.radius" in links
