"""Where a figure comes from is told from the published folder alone."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import sample_notebooks as sample

from jdl import manifest, render, why
from jdl.cli import main
from jdl.execute import INJECTED, figures_of
from jdl.faults import Unusable

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
HASH = "5e1f" * 16


def _cells(*sources):
    return [
        nbformat.v4.new_code_cell(source, id=f"cell-{place}")
        for place, source in enumerate(sources)
    ]


def _sliced(*sources):
    return {
        step.cell.removeprefix("cell-"): step.names
        for step in why.sliced(_cells(*sources), len(sources) - 1)
    }


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Two months; the notebook of the later report begins with parameters that were put in."""
    folder = tmp_path_factory.mktemp("outputs")
    for month in ("2014-02", "2014-03"):
        executed = sample.report()
        parameters = nbformat.v4.new_code_cell('least = 60\nname = "a"', id="parameters")
        parameters.metadata["tags"] = ["parameters"]
        injected = nbformat.v4.new_code_cell(f'name = "{month}"', id=INJECTED)
        injected.metadata["tags"] = [INJECTED]
        made = next(c for c in executed.cells if c.id == figures_of(executed)[0]["cell"])
        made.source = "shown = tell(name)\nshown"
        executed.cells = [parameters, injected, *executed.cells]
        report = folder / month / "reports" / "harbour-mentoring"
        render.write(render.report_files(executed), report)
        written = [cell for cell in executed.cells if cell.id != INJECTED]
        content = {
            "inputs": {
                "requests": {"harbour-mentoring": {"upload": HASH}, "other": {"upload": "f" * 64}},
                "log.csv": "1" * 64,
                "told before": ["2" * 64],
            },
            "vintage": {"name": "v", "tables": {"offences": {"sha256": "3" * 64}}},
            "code": {
                "sha256": "4" * 64,
                "commit": None,
                "changed_since": None,
                "files": {"notebooks/tailored_report.ipynb": manifest.digest_cells(written)},
            },
            "environment": {"python": "3.11.7", "packages": {}, "lock": "5" * 64},
        }
        (folder / month / manifest.MANIFEST).write_bytes(manifest.dump(content))
    bulletin = folder / "2014-03" / "bulletin"
    render.write(render.bulletin_files(sample.bulletin()), bulletin)
    return folder


def _one(where, figure, outputs):
    [(document, name)] = why.search(why.documents(where, outputs), figure)
    return why.trace(document, name)


@pytest.fixture
def first(outputs):
    report = outputs / "2014-03" / "reports" / "harbour-mentoring"
    return json.loads((report / "figures.json").read_text())[0]["id"]


# --- What a cell rests on ------------------------------------------------------------------------


def test_a_slice_holds_what_is_used_and_nothing_else():
    assert _sliced("a = 1\nb = 2", "c = a + 1", "d = b", "c") == {"0": ("a",), "1": ("c",)}


def test_a_slice_takes_the_last_assignment_before_the_use():
    assert _sliced("a = 1", "a = 2", "a") == {"1": ("a",)}
    assert _sliced("a = 1", "b = a\na = 2", "b") == {"0": ("a",), "1": ("b",)}


def test_what_adds_to_a_name_rests_on_what_it_adds_to():
    assert _sliced("a = {}", "b = 1", "a |= b", "a") == {"0": ("a",), "1": ("b",), "2": ("a",)}


def test_a_name_within_an_expression_is_not_one_of_the_notebook():
    assert _sliced("x = 1", "a = [x for x in (1, 2)]", "f = lambda x: x", "a, f") == {
        "1": ("a",), "2": ("f",),
    }  # fmt: skip


def test_all_names_are_used_where_all_are_asked_for():
    assert _sliced("a = 1", "b = 2", "c = globals()", "c") == {
        "0": ("a",), "1": ("b",), "2": ("c",),
    }  # fmt: skip


def test_modules_are_not_part_of_a_slice():
    assert _sliced("import json\na = 1", "json.dumps(a)") == {"0": ("a",)}


def test_a_slice_of_the_master_leads_back_to_parameters_and_inputs():
    cells = nbformat.read(NOTEBOOKS / "tailored_report.ipynb", as_version=4).cells
    place = {cell.id: number for number, cell in enumerate(cells)}
    steps = {step.cell: step.names for step in why.sliced(cells, place["weights"])}
    assert steps == {"set-up": ("place", "vintage"), "certain-passes": ("ready",)}
    steps = {step.cell: step.names for step in why.sliced(cells, place["balance"])}
    assert "balance_limit" in steps["parameters"] and "significance" not in steps["parameters"]
    assert {"criteria", "located", "candidates", "matched"} <= set(steps)
    assert not {"effects", "adjusted", "record"} & set(steps)


# --- Which document, which figure ----------------------------------------------------------------


def test_an_id_means_its_newest_report(outputs, first):
    assert _one("harbour-mentoring", first, outputs).parameters == {"name": "2014-03"}
    assert _one("2014-02", first, outputs).parameters == {"name": "2014-02"}


def test_an_unfinished_run_is_found_where_there_is_no_release(outputs, first, tmp_path):
    report = outputs / "2014-02" / "reports" / "harbour-mentoring"
    shutil.copytree(report, tmp_path / ".work" / "2014-04" / "harbour-mentoring")
    told = _one("harbour-mentoring", first, tmp_path)
    assert told.inputs == {}
    assert any("no manifest" in doubt for doubt in told.doubts)


def test_a_copy_elsewhere_under_another_name_is_read_as_what_it_is(outputs, first, tmp_path):
    shutil.copytree(outputs / "2014-03" / "reports" / "harbour-mentoring", tmp_path / "copy")
    content = (outputs / "2014-03" / manifest.MANIFEST).read_bytes()
    (tmp_path / "copy" / manifest.MANIFEST).write_bytes(content)
    told = _one(str(tmp_path / "copy" / "report.html"), first, tmp_path / "nowhere")
    assert told.document == "harbour-mentoring"
    assert told.inputs["upload"] == HASH
    assert told.doubts == ()


def test_a_printed_number_lists_all_that_match(outputs, capsys):
    status = main(["why", "2014-03", "[c]", "--outputs", str(outputs)])
    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert "figures match" in lines[0] and len(lines) > 4
    assert all("[c]" in line for line in lines[1:-1])


@pytest.mark.parametrize(
    ("where", "figure", "near"),
    [
        ("harbour-mentoring", "headline.rate.treatmnt_n", "headline.rate.treatment_n"),
        ("harbour-mentorin", "x", "harbour-mentoring"),
        ("../../etc", "x", "a folder of a release"),
        ("x" * 5_000, "x", "a folder of a release"),
    ],
)
def test_what_is_not_there_is_told_with_what_is_near(where, figure, near, outputs, capsys):
    assert main(["why", where, figure, "--outputs", str(outputs)]) == 2
    assert near in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("figures.json", "{"),
        ("figures.json", '[{"id": 1}]'),
        ("notebook.ipynb", "{"),
        ("notebook.ipynb", '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'),
    ],
)
def test_a_folder_that_is_not_whole_is_refused_in_words(file, content, outputs, first, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(outputs / "2014-03" / "reports" / "harbour-mentoring", folder)
    (folder / file).write_text(content)
    with pytest.raises(Unusable, match="Name the whole folder"):
        _one(str(folder), first, tmp_path)


# --- What is told --------------------------------------------------------------------------------


def test_everything_that_led_to_a_figure_is_told(outputs, first):
    told = _one("harbour-mentoring", first, outputs)
    text = "\n".join(why.as_lines(told, whole=True))
    figure = told.figure
    for words in (figure["id"], figure["text"], figure["unit"], figure["cell"], told.heading):
        assert words in text
    assert json.dumps(figure["value"]) in text
    assert "shown = tell(name)" in text and 'name = "2014-03"' in text
    assert "least" not in text.replace("least = 60", "")
    assert HASH in text and "f" * 64 not in text
    for value in "1345":
        assert value * 64 in text
    assert "2" * 64 not in text and "1 record " in text
    assert told.doubts == () and "those of the code recorded" in text


def test_the_pages_that_show_a_figure_are_named_with_the_place(outputs):
    report = (outputs / "2014-03" / "reports" / "harbour-mentoring" / "report.html").read_text()
    in_table = re.search(r'<td data-figure="([^"]+)"', report)[1]
    told = _one("harbour-mentoring", in_table, outputs)
    files = {file for file, _ in told.shown}
    assert {"report.html", "audit.html", "report.pdf", "annex.ods"} == files
    assert ("report.pdf", "as in report.html") in told.shown
    assert any(where.startswith("table ") for _, where in told.shown)


def test_the_bulletin_rests_on_the_results_of_its_reports(outputs):
    found = why.documents("2014-03/bulletin", outputs)
    name = next(iter(found[0].register))
    assert why.trace(found[0], name).document == "bulletin"
    assert HASH not in why.trace(found[0], name).inputs.values()


def test_of_a_withheld_figure_only_that_is_told(outputs):
    register = why.documents("harbour-mentoring", outputs)[0].register
    withheld = [name for name, figure in register.items() if figure["suppressed"]]
    told = why.as_lines(_one("harbour-mentoring", withheld[0], outputs))
    assert "  printed      [c]" in told and "  exact value  withheld" in told
    assert "  decision     [c]" in told and "  decided by   the rules" in told


def test_another_notebook_and_another_register_are_noticed(outputs, first, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(outputs / "2014-03", folder)
    report = folder / "reports" / "harbour-mentoring"
    changed = (report / "notebook.ipynb").read_text().replace("tell(name)", "tell(names)")
    (report / "notebook.ipynb").write_text(changed)
    [doubt] = _one(str(report), first, tmp_path).doubts
    assert "not those of the code" in doubt
    figures = json.loads((report / "figures.json").read_text())
    figures[0]["text"] = "another"
    (report / "figures.json").write_text(json.dumps(figures))
    assert len(_one(str(report), first, tmp_path).doubts) == 2


def test_nothing_is_written(outputs, first):
    before = manifest.file_hashes(outputs)
    assert main(["why", "harbour-mentoring", first, "--all", "--outputs", str(outputs)]) == 0
    assert manifest.file_hashes(outputs) == before
