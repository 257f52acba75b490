"""Published files are held against each other and their own arithmetic, without any data.

The release is the real one of the session. Changes are made in a copy of one report without a
manifest, so that no hash gives them away.
"""

import ast
import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from months import jdl

from jdl import published
from jdl.published import contents, sealed
from jdl.published.folder import Document
from jdl.published.places import _sheet
from jdl.published.reading import Cell
from jdl.published.told import Notes

HERE = Path(published.__file__).parent
ALLOWED = {"numpy", "scipy", "lxml", "pikepdf"}
OF_JDL = {"jdl.published", "jdl.faults", "jdl.forms"}
EXAMPLE = Path(__file__).resolve().parents[1] / "docs" / "example" / "2014-03"
REPORT = "reports/harbour-mentoring"


def imports(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                f"{node.module}.{alias.name}" if node.module == "jdl" else str(node.module)
                for alias in node.names
            )
            assert not node.level


@pytest.mark.parametrize("module", sorted(HERE.glob("*.py")), ids=lambda path: path.stem)
def test_it_shares_nothing_with_the_pipeline(module):
    import sys

    for name in imports(module.read_text()):
        top = name.partition(".")[0]
        if top == "jdl":
            assert any(name == one or name.startswith(f"{one}.") for one in OF_JDL), name
        else:
            assert top in ALLOWED or top in sys.stdlib_module_names, name


@pytest.fixture(scope="session")
def release(outputs):
    return outputs / "2014-03"


@pytest.fixture
def copy(release, tmp_path):
    shutil.copytree(release, tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.fixture
def report(release, tmp_path):
    """One report's folder, copied elsewhere, without a manifest of its own."""
    shutil.copytree(release / REPORT, tmp_path / "one")
    (tmp_path / "one" / "manifest.json").unlink(missing_ok=True)
    return tmp_path / "one"


def change(file, old, new, *, count=1):
    content = file.read_text()
    assert old in content, old
    file.write_text(content.replace(old, new, count))


def places(folder):
    return {(find.file, find.figure) for find in published.check(folder).finds}


def test_an_untouched_release_has_no_find(release):
    checked = published.check(release)
    assert [str(find) for find in checked.finds] == []
    assert checked.clean and sum(checked.derived.values()) > 500
    assert all(one.why for one in checked.beyond)


def test_so_has_the_yearly_review_and_one_report_alone_and_elsewhere(outputs, report):
    yearly = published.check(outputs / "yearly-2014")
    assert yearly.finds == () and yearly.clean and sum(yearly.derived.values()) > 200
    assert published.check(report).finds == ()


def test_the_kept_example_has_no_find_and_says_that_outputs_are_gone():
    checked = published.check(EXAMPLE)
    assert [str(find) for find in checked.finds] == []
    assert any("outputs of" in said for said in checked.said)


def days(*rows):
    """A sheet of days in two analyses, of which the first is of low reliability."""
    table = {
        "id": "table-days",
        "caption": "Days",
        "header": ["Analysis", "Days"],
        "rows": [["Headline", {"figure": "days"}], ["Another", {"figure": "other.days"}]],
        "notes": [],
    }
    figures = {
        "days": {"value": 120.25, "text": "120", "mark": "[u]"},
        "other.days": {"value": 99.0, "text": "99"},
    }
    sheet = [[Cell("Days")], [Cell("A note.")], *([Cell(*one) for one in row] for row in rows)]
    notes = Notes("")
    _sheet("annex.ods", "table-days", sheet, table, figures, notes)
    return [find.rule for find in notes.finds]


HEAD = [("Analysis", None), ("Days", None), ("Notes", None)]
MARKED = [("Headline", None), ("120", 120.25), ("Days: [u]", None)]
PLAIN = [("Another", None), ("99", 99.0), ("None", None)]


def test_marks_of_a_sheet_stand_in_a_column_of_their_own():
    assert days(HEAD, MARKED, PLAIN) == []
    assert days(HEAD, [*MARKED[:2], ("None", None)], PLAIN) == [
        "spreadsheet and record print the same"
    ]
    assert days(HEAD, [MARKED[0], ("120 [u]", 120.25), MARKED[2]], PLAIN) == [
        "spreadsheet and record print the same"
    ]
    assert days(HEAD[:2], MARKED[:2], PLAIN[:2]) == ["a sheet has the columns of its table"]


def test_what_is_public_needs_no_other_file(copy):
    made = json.loads((copy / "manifest.json").read_text())
    for file in copy.rglob("facts.html"):
        made["files"].pop(file.relative_to(copy).as_posix())
        file.unlink()
    (copy / "run.json").unlink()
    (copy / "manifest.json").write_text(json.dumps(made))
    assert published.check(copy).finds == ()


def figures(folder):
    entries = json.loads((folder / "figures.json").read_text())
    return {entry["id"]: entry for entry in entries}


def another(text):
    """Return a number with its last digit changed."""
    return re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 3) % 10), text)


TOLD = "headline.rate.treatment.per100"


@pytest.mark.parametrize("page", ["report.html", "audit.html"])
def test_a_number_changed_on_a_page_is_found_by_its_name(report, page):
    text = figures(report)[TOLD]["text"]
    change(report / page, f'"{TOLD}">{text}<', f'"{TOLD}">{another(text)}<')
    assert (page, TOLD) in places(report)


def test_so_is_its_exact_value(report):
    value = figures(report)["headline.treatment_n"]["value"]
    marked = '<data value="{}" data-figure="headline.treatment_n">'
    change(report / "report.html", marked.format(value), marked.format(value + 1))
    assert ("report.html", "headline.treatment_n") in places(report)


def test_a_register_that_prints_another_number_is_found(report):
    text = figures(report)[TOLD]["text"]
    file = report / "figures.json"
    entries = json.loads(file.read_text())
    next(one for one in entries if one["id"] == TOLD)["text"] = another(text)
    file.write_text(json.dumps(entries))
    assert ("figures.json", TOLD) in places(report)


def altered_result(report, alter):
    """Change a result and everything that repeats it: only arithmetic can tell."""
    file = report / "result.json"
    result = json.loads(file.read_text())
    alter(next(a for a in result["analyses"] if a["headline"])["measures"][0])
    file.write_text(json.dumps(result))
    (report / "notebook.ipynb").unlink()
    (report / "figures.json").unlink()
    found = published.check(report).finds
    return {find.figure for find in found if find.file == "result.json"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("difference", 0.01),
        ("ci_low", -0.2),
        ("ci_high", 0.2),
        ("p_value", 0.2),
        ("significant", False),
        ("conclusion", "increase"),
        ("favourable", "higher"),
        ("detectable", 0.2),
        ("treatment", 0.2),
        ("treatment_sd", 0.2),
    ],
)
def test_arithmetic_alone_tells_a_changed_effect(report, key, value):
    found = altered_result(report, lambda rate: rate.update({key: value}))
    assert f"headline.rate.{key}" in found


def test_a_cell_of_the_spreadsheet_is_found(report):
    file = report / "annex.ods"
    name = "headline.rate.ci_low"
    value = repr(figures(report)[name]["value"])
    parts = {}
    with zipfile.ZipFile(file) as packed:
        parts = {one: packed.read(one) for one in packed.namelist()}
    content = parts["content.xml"].decode()
    parts["content.xml"] = content.replace(f'"{value[:12]}', f'"{another(value[:12])}').encode()
    assert parts["content.xml"].decode() != content
    with zipfile.ZipFile(file, "w") as packed:
        for one, data in parts.items():
            packed.writestr(one, data)
    assert ("annex.ods", name) in places(report)


def test_the_drawing_of_a_chart_is_held_to_the_notebook(report):
    page = (report / "report.html").read_text()
    bar = re.search(r'id="chart-rate".*?(d="M 0 63 L ([\d.]+) 63)', page, re.S)
    change(report / "report.html", bar[1], bar[1].replace(bar[2], "150.5"))
    assert ("report.html", "chart-rate") in places(report)


def test_a_word_of_a_sentence_is_found_on_the_page(report):
    change(report / "report.html", " fewer people.", " more people.")
    found = {file for file, _ in places(report)}
    assert "report.html" in found


def without_copies(report):
    """Leave the page, the register and the result only: no other copy tells what was changed."""
    for name in ("notebook.ipynb", "audit.html", "report.pdf", "annex.ods"):
        (report / name).unlink()
    return {(find.file, find.figure) for find in published.check(report).finds}


@pytest.mark.parametrize(
    ("old", "new", "figure"),
    [
        (r"reoffended less than the comparison", "reoffended more than the comparison", "rate"),
        (r"lower by between", "higher by between", "rate"),
        (r" fewer people\.", " more people.", "rate"),
        (r"A smaller share of the treatment", "A larger share of the treatment", None),
        (r'tag-blue">Yes<', 'tag-blue">No<', "rate"),
    ],
)
def test_words_that_contradict_the_numbers_are_found_without_a_copy(report, old, new, figure):
    file = report / "report.html"
    page, count = re.subn(old, new, file.read_text(), count=1)
    assert count == 1
    file.write_text(page)
    name = f"headline.{figure}" if figure else "chart-rate"
    assert ("report.html", name) in without_copies(report)


def test_a_moved_point_of_a_curve_is_found_without_a_copy(report):
    file = report / "report.html"
    page = file.read_text()
    start = page.index('<figure id="survival-chart">')
    curve = re.compile(r'd="M 44 30 L [\d.]+ ([\d.]+) L').search(page, start)
    moved = f"{float(curve[1]) + 6:g}"
    file.write_text(page[: curve.start(1)] + moved + page[curve.end(1) :])
    assert ("report.html", "headline.survival.30.treatment") in without_copies(report)


def bulletin_finds(copy):
    return {(find.file, find.figure) for find in published.check(copy).finds}


def test_the_log_the_history_and_the_release_page_are_held_to_each_other(copy):
    log = copy / "bulletin" / "log.csv"
    change(log, "reduction,reduction", "increase,reduction")
    change(copy / "index.html", ">Significant reduction<", ">Significant increase<")
    history = copy / "bulletin" / "history.csv"
    row = re.search(r"^print-room,.*$", history.read_text(), re.M)[0]
    change(history, row, row.replace(",263,", ",264,"))
    found = bulletin_finds(copy)
    assert ("bulletin/log.csv", "at-the-gate-mentors rate_result") in found
    assert ("bulletin/log.csv", "print-room treatment_n") in found
    assert ("index.html", REPORT) in found


def test_a_pooled_average_is_worked_out_again(copy):
    file = copy / "bulletin" / "figures.json"
    entries = json.loads(file.read_text())
    entry = next(one for one in entries if one["id"] == "pooled.employment.ci_low")
    entry["value"] -= 0.01
    file.write_text(json.dumps(entries))
    rules = {find.rule for find in published.check(copy).finds if find.figure == entry["id"]}
    assert "the random-effects average of the results told" in rules


def test_a_hash_and_an_unlisted_file_are_found(copy):
    (copy / "index.html").write_text((copy / "index.html").read_text() + "\n")
    (copy / "bulletin" / "more.csv").write_text("a\n1\n")
    found = {find.file for find in published.check(copy).finds}
    assert {"index.html", "bulletin/more.csv"} <= found


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b"PK\x03\x04" + b"\0" * 40]
)
def test_broken_files_give_words_and_never_a_traceback(report, broken):
    for file in sorted(report.iterdir()):
        file.write_bytes(broken)
    checked = published.check(report)
    assert not checked.clean
    assert all(find.file and find.rule for find in checked.finds)


def test_a_link_out_of_the_folder_is_not_followed(report, tmp_path):
    (tmp_path / "secret.html").write_text("<p>secret</p>")
    (report / "report.html").unlink()
    (report / "report.html").symlink_to(tmp_path / "secret.html")
    assert "report.html" in {find.file for find in published.check(report).finds}


def test_the_command_tells_what_it_saw_and_ends_with_its_verdict(release, copy, tmp_path):
    done = jdl("verify", "--published", str(release))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Derived from other published aggregates" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("Published aggregates: clean")
    change(copy / "index.html", "2014", "2015")
    done = jdl("verify", "--published", str(copy))
    assert done.returncode == 1 and "index.html" in done.stderr
    assert jdl("verify", "--published", str(tmp_path / "nothing")).returncode == 2


def alter_manifest(folder, alter):
    made = json.loads((folder / "manifest.json").read_text())
    alter(made)
    (folder / "manifest.json").write_text(json.dumps(made))


def resealed(folder):
    """List every file that is there with its hash, as somebody would who removed some."""
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"manifest.json", "run.json"}
    }
    alter_manifest(folder, lambda made: made.update(files=files))
    return published.check(folder)


def lacking(folder):
    """Return the files that are missed, with one report known as reported."""
    notes = Notes("")
    reported = Document(REPORT, folder / REPORT, result={"status": "reported"})
    contents.check(folder, {REPORT: reported}, notes)
    return {find.file for find in notes.finds if "every file of its kind" in find.rule}


def test_where_nothing_is_compared_nothing_is_clean(tmp_path):
    (tmp_path / "manifest.json").write_text('{"files": {}}')
    checked = published.check(tmp_path)
    assert not checked.clean and not checked.finds
    done = jdl("verify", "--published", str(tmp_path))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "nothing could be checked" in done.stderr and "clean" not in done.stdout


@pytest.mark.parametrize(
    ("pattern", "missed"),
    [
        ("reports/*/result.json", f"{REPORT}/result.json"),
        ("**/*.pdf", f"{REPORT}/report.pdf"),
        ("bulletin/*", "bulletin/log.csv"),
        (f"{REPORT}/*", f"{REPORT}/report.html"),
        ("reports/small-steps/audit.html", "reports/small-steps/audit.html"),
        (f"{REPORT}/annex.ods", f"{REPORT}/annex.ods"),
        ("quality.html", "quality.html"),
        ("ro-crate-metadata.json", "ro-crate-metadata.json"),
        ("manifest.json", "manifest.json"),
    ],
)
def test_files_that_every_document_of_the_kind_has_are_missed(copy, pattern, missed):
    assert lacking(copy) == set()
    removed = {path.relative_to(copy).as_posix() for path in copy.glob(pattern)}
    for file in removed:
        (copy / file).unlink()
    named = {file for file in removed if not file.endswith("facts.html")}
    assert missed in removed and lacking(copy) == named


def test_a_release_without_registers_records_and_results_is_not_clean(copy):
    for name in ("figures.json", "notebook.ipynb", "result.json"):
        for file in copy.rglob(name):
            file.unlink()
    finds = {find.file for find in resealed(copy).finds}
    assert {f"{REPORT}/result.json", "bulletin/figures.json"} <= finds


def test_pdfs_are_not_missed_where_the_environment_had_none(copy):
    for file in copy.rglob("*.pdf"):
        file.unlink()
    native = ("pango", "harfbuzz", "fontconfig")
    alter_manifest(copy, lambda made: [made["environment"]["native"].pop(one) for one in native])
    assert lacking(copy) == set()


def test_listed_files_of_a_kind_that_no_release_has_are_found(copy):
    extra = {"press-release.html", "reports/note.csv", f"{REPORT}/more.html"}
    for name in extra:
        (copy / name).write_text("<p>All of it works.</p>")
    rule = "a file is of a kind that a release has"
    assert {find.file for find in resealed(copy).finds if find.rule == rule} == extra


def test_pages_that_are_held_to_nothing_are_named(release, report):
    said = " ".join(published.check(release).account)
    assert "compared with nothing" in said
    assert "index.html, quality.html" in said and f"{REPORT}/data_quality.html" in said
    assert f"{REPORT}/report.html" not in said
    (report / "notebook.ipynb").unlink()
    told = " ".join(published.check(report).account)
    assert "no output of a cell is left" in told and "report.html" in told


@pytest.mark.parametrize("result", [{"status": "x", "request": 5}, {"status": 1, "request": {}}])
def test_a_result_of_another_shape_is_found_in_words(tmp_path, result):
    (tmp_path / "manifest.json").write_text('{"release": "2014-03", "files": {}}')
    (tmp_path / "result.json").write_text(json.dumps(result))
    told = {find.told for find in published.check(tmp_path).finds if find.file == "result.json"}
    assert "it is no result of a request" in told


def described(folder):
    """Return what is found in the description of a release as a research object."""
    notes = Notes("")
    sealed.check(folder, {}, notes)
    assert {find.file for find in notes.finds} <= {"ro-crate-metadata.json"}
    return {find.figure for find in notes.finds}


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("index.html", "sha256"),
        (f"{REPORT}/report.pdf", "sha256"),
        ("#run/harbour-mentoring/input/upload", "sha256"),
        ("#input/log.csv", "sha256"),
        ("#jdl", "sha256"),
        ("#notebooks/bulletin.ipynb", "sha256"),
        ("bulletin/log.csv", "@type"),
    ],
)
def test_a_description_of_the_release_tells_what_the_manifest_does(copy, place, key):
    assert described(copy) == set()
    file = copy / "ro-crate-metadata.json"
    crate = json.loads(file.read_text())
    next(one for one in crate["@graph"] if one["@id"] == place)[key] = "0" * 64
    file.write_text(json.dumps(crate))
    made = json.loads((copy / "manifest.json").read_text())
    made["files"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(made))
    assert described(copy) == {place}


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("yearly.types.mentoring.reported", "results.csv"),
        ("yearly.waits.2014-01.median", "results.csv"),
        ("yearly.size.200.conclusive", "results.csv"),
        ("yearly.quarter.2013-07.all", "results.csv"),
        ("yearly.funnel.0.remaining", "losses.csv"),
    ],
)
def test_a_count_of_the_year_is_worked_out_again(outputs, tmp_path, name, file):
    for one in ("figures.json", file, "losses.csv", "results.csv"):
        shutil.copy(outputs / "yearly-2014" / one, tmp_path / one)
    entries = json.loads((tmp_path / "figures.json").read_text())
    next(one for one in entries if one["id"] == name)["value"] += 1
    (tmp_path / "figures.json").write_text(json.dumps(entries))
    found = {find.rule for find in published.check(tmp_path).finds if find.figure == name}
    assert len(found) == 2, "its text and its data file both contradict it"


@pytest.mark.parametrize("name", ["not_processed", "withdrawn", "remaining"])
def test_what_became_of_requests_is_counted_in_the_published_log(copy, name):
    file = copy / "bulletin" / "figures.json"
    entries = json.loads(file.read_text())
    for one in entries:
        if one["id"] in {f"bulletin.{name}", "bulletin.received"}:
            one["value"] += 1
    file.write_text(json.dumps(entries))
    shutil.rmtree(copy / "reports")
    rules = {find.rule for find in published.check(copy).finds if find.figure == f"bulletin.{name}"}
    assert "requests in the log, by what became of them" in rules


def test_a_correction_in_the_log_is_no_second_request(copy):
    file = copy / "bulletin" / "log.csv"
    rows = file.read_text().splitlines()
    head = rows[0].split(",")
    last = next(row for row in rows if row.startswith("print-room,")).split(",")
    last[head.index("corrects")] = last[head.index("release")]
    last[head.index("release")] = "2014-03"
    file.write_text("\n".join([*rows, ",".join(last)]) + "\n")
    rules = {(find.file, find.rule) for find in published.check(copy).finds}
    assert ("bulletin/log.csv", "a request stands once in the log") not in rules
    assert not any("received in the period" in rule for _, rule in rules)
    file.write_text("\n".join([*rows, rows[1]]) + "\n")
    finds = {(find.file, find.rule) for find in published.check(copy).finds}
    assert ("bulletin/log.csv", "a request stands once in the log") in finds
