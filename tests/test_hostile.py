"""Hostile input, all the way: what a request says is shown as text, or refused with a reason."""

import csv
import datetime as dt
import io
import json
import os
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pikepdf
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from months import jdl
from test_spreadsheet import Workbook
from test_spreadsheet import findings as checklist

from jdl.faults import Fault, Unusable
from jdl.national import check_vintage, open_vintage
from jdl.release import Places, run_prepare
from jdl.synthetic import synthesise

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

import hostile as harness  # noqa: E402

MARK = "Qzx"
"""Stands in every hostile text, and nowhere else."""
ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "</main></title></style><b>",
    "{{ 7 * 7 }} {% raw %} {# x #}",
    "**bold** [x](javascript:alert(1))",
    "`code` $\\frac{1}{2}$ \\(x\\)",
    "&lt;i&gt; &#60;u> %00 %3Cs%3E",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631",
)


def hostile(name: str, first: str = "") -> str:
    """Return a text of the request that attacks everything, with the name of its field in it."""
    return f"{first}{MARK}-{name} {' '.join(ATTACKS)}"[:200].strip()


def briefly(name: str, number: int) -> str:
    """Return a short hostile text."""
    return f"{MARK}-{name} {ATTACKS[number % len(ATTACKS)]}"


def told(text: str) -> str:
    """Return a text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)


LABELS = ("-2+3 " + briefly("label", 0), briefly("label", 1), briefly("label", 4))
REPORTED, STOPPED = "harbour-mentoring", "small-steps"


def _rewrite(folder: Path) -> None:
    """Put hostile texts into a request's form, and hostile labels into its upload."""
    toml = (folder / "request.toml").read_text()
    texts = {
        "organisation": hostile("organisation", "@"),
        "programme": hostile("programme", "="),
        "description": " ".join(hostile("description", "\\t=") for _ in range(9)),
        "selection": hostile("selection", "+"),
        "signed_by_role": hostile("role"),
        "legal_basis": hostile("basis"),
    }
    for key, text in texts.items():
        toml, count = re.subn(
            rf'^{key} = (""".*?"""|"[^"\n]*")$',
            lambda _, key=key, text=text: f"{key} = {told(text)}",
            toml,
            flags=re.MULTILINE | re.DOTALL,
        )
        assert count == 1, key
    toml += f"\n[method]\npower = {{value = 0.81, reason = {told(hostile('reason'))}}}\n"
    if "[analysis]" not in toml:
        toml += "\n[analysis]\n"
    toml = re.sub("^subgroups = .*$", "", toml, flags=re.MULTILINE)
    toml = toml.replace("[analysis]\n", '[analysis]\nsubgroups = ["group_attack"]\n')
    (folder / "request.toml").write_text(toml)
    rows = list(csv.reader(io.StringIO((folder / "upload.csv").read_text("utf-8-sig"))))
    with (folder / "upload.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*rows[0], "group_attack"])
        writer.writerows([*row, LABELS[n % 2]] for n, row in enumerate(rows[1:]))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the release of a month, and its yearly review, all of whose texts are hostile.

    JDL_TEST_HOSTILE names one made earlier, to save time while developing.
    """
    if made := os.environ.get("JDL_TEST_HOSTILE"):
        return Path(made)
    folder = tmp_path_factory.mktemp("hostile")
    synthesise(folder / "data", offenders=40_000)
    requests = folder / "data" / "requests"
    for one in (REPORTED, STOPPED):
        _rewrite(requests / one)
    log = pd.read_csv(requests / "log.csv", dtype="str")
    log = log[log["id"] != "family-matters-pooled"]
    shutil.rmtree(requests / "family-matters-pooled")
    log["organisation"] = [briefly(f"o{n}", n) for n in range(len(log))]
    log["programme"] = ["=" + briefly(f"p{n}", n) for n in range(len(log))]
    log["reason"] = log["reason"].where(log["reason"].isna(), "@" + briefly("why", 1))
    for one in (REPORTED, STOPPED):
        log.loc[log["id"] == one, "organisation"] = hostile("organisation", "@")
        log.loc[log["id"] == one, "programme"] = hostile("programme", "=")
    log["programme"] = "'" + log["programme"]
    log["organisation"] = log["organisation"].str.replace("^@", "'@", regex=True)
    log["reason"] = log["reason"].str.replace("^@", "'@", regex=True)
    log.to_csv(requests / "log.csv", index=False)
    (requests / "releases" / "2014-03.toml").write_text(
        "period_to = 2014-02-28\npublished_at = 2014-03-13T09:30:00\n"
        f"lead_statistician = {told(hostile('lead'))}\ncontact = {told(hostile('contact', '@'))}\n"
        f"pre_release = [{told(briefly('post', 0))}, {told(briefly('post', 4))}]\n"
        f"service_update = {told(' '.join(hostile(f'update{n}') for n in range(5)))}\n"
    )
    places = [
        "--data", folder / "data", "--requests", requests, "--outputs", folder / "out",
    ]  # fmt: skip
    done = jdl("release", "2014-03", "--jobs", "2", *places)
    assert done.returncode == 0, done.stdout + done.stderr
    done = jdl("yearly", "2014", *places)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out"


PAGES = (
    "index.html", "quality.html", "bulletin/bulletin.html", "bulletin/audit.html",
    *(f"reports/{REPORTED}/{page}.html" for page in ("report", "audit", "facts", "data_quality")),
    *(f"reports/{STOPPED}/{page}.html" for page in ("report", "audit", "facts")),
)  # fmt: skip


class Seen(HTMLParser):
    """The elements and attributes of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.text += data


def _plain(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def pages(released: Path) -> dict[str, Seen]:
    """Return every page, by its place in the outputs."""
    files = [file for file in released.rglob("*.html") if ".work" not in file.parts]
    return {str(file.relative_to(released)): Seen(file.read_text()) for file in files}


def test_every_page_is_there(pages):
    assert set(pages) == {*(f"2014-03/{page}" for page in PAGES), "yearly-2014/yearly.html"}


def test_no_element_and_no_attribute_comes_from_a_text(pages):
    example = ROOT / "docs" / "example" / "2014-03"
    known = [Seen(file.read_text()) for file in example.rglob("*.html")]
    tags = set().union(*(page.tags for page in known))
    names = {name for page in known for name, _ in page.attributes}
    assert not tags & {"script", "b", "i", "s", "iframe"}
    for name, page in pages.items():
        assert page.tags <= tags | {"dl", "dt", "dd"}, name
        found = {attribute for attribute, _ in page.attributes}
        assert not {one for one in found - names if one.startswith("on")}, name
        assert found <= names | {"disabled"}, (name, found - names)
        for attribute, value in page.attributes:
            if attribute in ("href", "src", "action"):
                assert MARK not in value or value.startswith("mailto:"), (name, value)
                assert not value.startswith(("javascript:", "http:", "//")), (name, value)
            elif MARK in value:
                assert attribute in ("content", "aria-label", "data-label", "value"), attribute


@pytest.mark.parametrize("page", ["report", "audit", "facts", "data_quality"])
def test_the_texts_are_shown_as_they_were_written(pages, page):
    text = _plain(pages[f"2014-03/reports/{REPORTED}/{page}.html"].text)
    assert _plain(hostile("organisation", "@")) in text
    assert _plain(hostile("programme", "=")) in text
    if page in ("report", "facts"):
        assert _plain(hostile("selection", "+")) in text


def test_labels_of_the_upload_are_shown_as_they_were_written(pages):
    text = _plain(pages[f"2014-03/reports/{REPORTED}/report.html"].text)
    for label in LABELS[:2]:
        assert _plain(label) in text


def test_the_texts_of_log_and_release_are_shown_as_they_were_written(pages):
    bulletin = _plain(pages["2014-03/bulletin/bulletin.html"].text)
    for text in (hostile("update0"), hostile("lead"), hostile("contact", "@"), briefly("post", 0)):
        assert _plain(text) in bulletin, text
    assert _plain(hostile("programme", "=")) in _plain(pages["2014-03/index.html"].text)
    assert f"={MARK}-p3" in bulletin
    assert f"={MARK}-p3" in _plain(pages["yearly-2014/yearly.html"].text)


def test_nothing_of_a_text_was_run(released):
    for file in released.rglob("*.html"):
        assert f"{MARK}-organisation 49" not in file.read_text()
    for file in [*released.glob("2014-03/*/*/*.json"), *released.glob("2014-03/*/*.json")]:
        json.loads(file.read_text())


def test_no_formula_lives_in_a_spreadsheet(released):
    files = [file for file in released.rglob("*.ods") if ".work" not in file.parts]
    assert len(files) >= 3
    marked = 0
    for file in files:
        content = file.read_bytes()
        assert not [rule for rule in checklist(content) if "contact" not in rule], file
        book = Workbook(content)
        assert not [name for node in book.root.iter() for name in node.attrib if "formula" in name]
        marked += MARK in "".join(book.root.itertext())
    assert marked == len(files)


def test_no_formula_lives_in_a_data_file(released):
    files = [file for file in released.rglob("*.csv") if ".work" not in file.parts]
    cells = [
        cell
        for file in files
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline=""))
        for cell in row
    ]
    marked = [cell for cell in cells if MARK in cell]
    assert any(cell.startswith(f"'={MARK}") for cell in marked)
    live = re.compile("[\\s'\"]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
    assert not [cell for cell in marked if live.match(cell) and not cell.startswith("'")]
    assert not [cell for cell in marked if "\n" in cell or "\r" in cell]


def test_the_print_is_whole_and_its_title_is_text(released):
    files = [file for file in released.rglob("*.pdf") if ".work" not in file.parts]
    assert len(files) == 4
    for file in files:
        with pikepdf.open(file) as document:
            assert len(document.pages) > 0
            actions = [one for one in document.objects if isinstance(one, pikepdf.Dictionary)]
            kinds = {str(one.get("/S")) for one in actions if "/S" in one}
            assert not kinds & {"/JavaScript", "/Launch", "/SubmitForm", "/ImportData"}
            assert not [one for one in actions if "/EmbeddedFiles" in one or "/OpenAction" in one]
            to = [str(one["/URI"]) for one in actions if "/URI" in one]
            assert not [uri for uri in to if not uri.startswith(("https://", "mailto:"))], to


def test_the_notebooks_are_valid_and_hold_the_texts_as_data(released):
    for file in [*released.glob("2014-03/**/notebook.ipynb")]:
        record = nbformat.read(file, as_version=4)
        nbformat.validate(record)
        sources = "".join(cell.source for cell in record.cells)
        assert MARK not in sources, file


# National data


@pytest.fixture
def vintage(tmp_path: Path) -> Path:
    """Return a small good vintage, in a folder whose name is a pattern, a column and a quote."""
    folder = tmp_path / "sex=male [a-z]*'"
    for name, content in harness.good_vintage():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    assert check_vintage(folder / "data") == []
    return folder / "data"


def changed(folder: Path, name: str, column: str, values: pa.Array) -> list[Fault]:
    table = pq.read_table(folder / f"{name}.parquet", partitioning=None)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, values), folder / f"{name}.parquet")
    return check_vintage(folder)


DAY = pa.array([dt.date(9999, 12, 31)] * 6)
NESTED = pa.array([{"Quizzandra": "x"}] * 6)
ZONED = pa.array([dt.datetime(2010, 1, 1)] * 6, pa.timestamp("us", "Europe/London"))


@pytest.mark.parametrize(
    ("name", "column", "values", "rule"),
    [
        ("disposals", "disposal_id", pa.array(["a", "a", "b", "c", "d", "e"]), "the same"),
        ("offences", "offence_id", pa.array(["a", None, "b", "c", "d", "e"]), "missing"),
        ("disposals", "order_end", DAY, "must lie between 1800-01-01 and 2100-12-31"),
        ("disposals", "conviction_date", pa.array(["2010-01-01"] * 6), "date values, not varchar"),
        ("disposals", "conviction_date", ZONED, "not timestamp with time zone"),
        ("disposals", "sentence_days", pa.array([2**64 - 1] * 6, pa.uint64()), "between 0 and"),
        ("offenders", "forename", NESTED, "text values, not struct."),
        ("offenders", "sex", pa.array(["Quizzandra"] * 6), "one of: male, female"),
    ],
)
def test_a_table_is_held_to_types_and_values(vintage, name, column, values, rule):
    (fault,) = changed(vintage, name, column, values)
    assert fault.column == column
    assert rule in f"{fault.rule}."
    assert not harness.CANARIES.search(str(fault))


def test_an_empty_table_of_people_is_a_fault_and_one_of_benefits_is_none(vintage):
    for name, faults in (("benefits", 0), ("offenders", 1)):
        file = vintage / f"{name}.parquet"
        pq.write_table(pq.read_table(file, partitioning=None).slice(0, 0), file)
        assert len(check_vintage(vintage)) == faults


@pytest.mark.parametrize("end", [b"", b"\xff\xff\xff\x7fPAR1", b"\0" * 64])
def test_a_footer_that_lies_is_a_fault(vintage, end):
    file = vintage / "offences.parquet"
    file.write_bytes(file.read_bytes()[: -len(end) or -9] + end)
    (fault,) = check_vintage(vintage)
    assert "readable Parquet" in fault.rule


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("name = 3", "must be text"),
        ('name = "../x"', "at most 60 letters"),
        ('extracted = "2013-10-01"', "must be a date"),
        ("extracted = 0001-01-01", "years 1900 to 2100"),
        ("offences_to = 2013-06-30T00:00:00", "must be a date"),
        ("synthetic = 1", "true or false"),
        ("name = " + "[" * 3000, "must be TOML"),
        ('"Quizzandra\\u0000" = 1', "not known"),
    ],
)
def test_a_vintage_is_held_to_its_form(vintage, line, rule):
    key = line.partition(" =")[0]
    kept = [one for one in (vintage / "vintage.toml").read_text().split("\n") if key not in one]
    (vintage / "vintage.toml").write_text("\n".join([*kept, line]))
    (fault,) = check_vintage(vintage)
    assert rule in fault.rule


def test_two_vintages_of_one_name_are_a_fault(vintage, tmp_path):
    shutil.copytree(vintage, vintage.parent / "again")
    with pytest.raises(Unusable, match="the same name"):
        open_vintage(vintage.parent)


def test_a_vintage_that_can_be_neither_written_nor_used_is_a_fault(vintage, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(Unusable, match="jdl prepare"):
        run_prepare(Places(vintage, tmp_path, tmp_path / "out"), tell=lambda news: None)
    assert not (vintage / ".prepare.lock").exists()


# Anything at all


@pytest.mark.parametrize("kind", harness.INPUTS)
def test_whatever_comes_in_is_read_or_refused(kind):
    tally = harness.examine(kind, 60, 8, number=5)
    assert tally.count >= 10
    assert not tally.failures, tally.failures[0]


def test_the_harness_finds_what_it_looks_for(monkeypatch):
    """A message with a word of the input, and an error that gets out, are failures."""
    name = "upload, text"
    strategy, _, share = harness.INPUTS[name]
    for command in (
        lambda folder: sys.stdout.write(harness.PERSON["surname"]) * 0,
        lambda folder: 1 // 0,
        lambda folder: (folder / "left").write_text("x") * 0,
        lambda folder: 3,
    ):
        monkeypatch.setitem(harness.INPUTS, name, (strategy, (command,), share))
        tally = harness.examine(name, 5, 20, number=5)
        assert len(tally.failures) == tally.count > 0
