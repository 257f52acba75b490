"""What differs between two releases, reports or runs: told in order, and never by a traceback."""

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from jdl import cli, diff
from jdl.effects import ALL
from jdl.faults import Unusable
from jdl.figures import MIME, Figure, Group, Sentence

HASHES = [digit * 64 for digit in "abcdef"]


def entry(name, value, text=None, unit="proportion", cell="summary"):
    withheld = value is None
    text = "[c]" if withheld else text or str(value)
    return {"id": name, "value": value, "unit": unit, "text": text, "suppressed": withheld,
            "cell": cell}  # fmt: skip


FIGURES = [
    entry("request.release", "2014-02", "February 2014", "month", "request-facts"),
    entry("headline.rate.difference", -0.07, "-7"),
    entry("headline.rate.treatment", 0.24, "24%"),
    entry("checks.few", None, unit="people", cell="checks"),
    entry("checks.many", 40, unit="people", cell="checks"),
]
NEEDED = Figure("headline.rate.least", 2, "percentage points", "2")


def notebook(sentence="They reoffended less, by at least ", figure=NEEDED, **values):
    """Return an executed notebook with the defaults of its parameters and those put in."""
    words = Group({"result": Sentence.of(sentence, figure, " points.")})
    output = nbformat.v4.new_output("display_data", words._repr_mimebundle_())
    injected = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    cells = [
        nbformat.v4.new_code_cell("caliper, days = 0.2, 14\n", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(injected, metadata={"tags": ["injected-parameters"]}),
        nbformat.v4.new_code_cell("blocks", outputs=[output], id="blocks"),
    ]
    assert MIME in output["data"]
    return nbformat.v4.new_notebook(cells=cells)


def report(folder, figures=FIGURES, conclusion="reduction", name="harbour", **told):
    """Write the folder of a report."""
    folder.mkdir(parents=True)
    measures = [{"measure": "rate", "conclusion": conclusion}]
    result = {"request": {"id": name}, "status": "reported",
              "analyses": [{"label": "Headline", "measures": measures}]}  # fmt: skip
    (folder / "figures.json").write_text(json.dumps(figures))
    (folder / "result.json").write_text(json.dumps(result))
    nbformat.write(notebook(**told), folder / "notebook.ipynb")
    return folder


def manifest(**changes):
    made = {
        "release": "2014-02",
        "inputs": {
            "requests": {"harbour": {"request.toml": HASHES[0], "upload": HASHES[1]}},
            "log.csv": HASHES[2],
            "earlier": {"2014-01": HASHES[3]},
            "told before": HASHES[:2],
        },
        "vintage": {"name": "extract", "tables": {"offences": HASHES[4]}},
        "code": {"version": "0.1.0", "sha256": HASHES[5], "commit": "abc", "changed_since": False},
        "environment": {"python": "3.11.7", "packages": {"numpy": "2.4.6", "pandas": "3.1.1"}},
        "seed": 20140313,
    }
    return made | changes


def month(folder, made, *names, **told):
    for name in names:
        report(folder / "reports" / name, name=name, **told)
    (folder / "manifest.json").write_text(json.dumps(made))
    return folder


def held(before, after, outputs):
    return diff.diff(*diff.open_sides(str(before), str(after), outputs))


def told(found, **how):
    return "\n".join(diff.lines(found, **how))


def test_a_copy_elsewhere_does_not_differ(tmp_path):
    one = month(tmp_path / "2014-02", manifest(), "harbour")
    shutil.copytree(one, tmp_path / "copy")
    found = held("2014-02", tmp_path / "copy", tmp_path)
    assert found.none
    assert told(found).endswith("Nothing differs.")


def test_what_changed_is_told_the_most_important_first(tmp_path):
    month(tmp_path / "2014-02", manifest(), "harbour", "old")
    made = manifest()
    made["inputs"]["requests"]["harbour"]["upload"] = HASHES[5]
    made["environment"] = {"python": "3.11.7", "packages": {"numpy": "2.5.0"}}
    made["code"] = made["code"] | {"changed_since": True}
    made["seed"] = 1
    figures = [
        *FIGURES[:1],
        entry("headline.rate.difference", -0.05, "-5"),
        {**FIGURES[2], "cell": "elsewhere"},
        entry("checks.few", 12, unit="people", cell="checks"),
        entry("checks.new", 3, unit="people", cell="checks"),
    ]
    month(tmp_path / "2014-03", made, "harbour", figures=figures, conclusion="inconclusive",
          sentence="They may have reoffended less, by ", days=21)  # fmt: skip
    text = told(held("2014-02", "2014-03", tmp_path))
    expected = [
        "Only in A: reports/old",
        f"reports/harbour: Headline, {ALL['rate'].label}: was a significant reduction, "
        "is inconclusive",
        "upload of harbour: changed",
        "not as it was committed: was no, is yes",
        "numpy: was 2.4.6, is 2.5.0",
        "pandas: only in A",
        "seed: was 20140313, is 1",
        "reports/harbour, days: was 14, is 21",
        "Figures: 2 the same (1 of them made by another cell or decided otherwise), 2 changed, "
        "1 only in A, 1 only in B",
        "headline.rate.difference: -7 \u2192 -5 (+0.02 proportion)",
        "checks.few: [c] \u2192 12",
        "checks.many: 40, only in A",
        "checks.new: 3, only in B",
        "A: They reoffended less, by at least 2 points.",
        "B: They may have reoffended less, by 2 points.",
    ]
    places = [text.index(one) for one in expected]
    assert places == sorted(places)
    assert "request.toml" not in text and "python" not in text and "caliper" not in text


def test_where_only_a_figure_of_a_sentence_changed_it_is_counted(tmp_path):
    report(tmp_path / "one")
    report(tmp_path / "two", figure=Figure(NEEDED.id, 3, NEEDED.unit, "3"))
    found = held(tmp_path / "one", tmp_path / "two", tmp_path)
    assert [(one.before[-9:], one.in_words) for one in found.sentences] == [("2 points.", False)]
    assert "Sentences in which only figures changed: 1" in told(found)
    assert "B: They reoffended less, by at least 3 points." in told(found, everything=True)
    assert "has no manifest.json" in found.notes[0]


def test_what_is_long_is_told_in_part_unless_all_is_asked_for(tmp_path):
    many = [entry(f"checks.n.{place}", place, cell="checks") for place in range(20)]
    report(tmp_path / "one", figures=many)
    report(tmp_path / "two", figures=[{**one, "text": "x"} for one in many])
    found = held(tmp_path / "one", tmp_path / "two", tmp_path)
    assert "    and 14 more" in told(found)
    assert told(found).count("\u2192") == diff.SHOWN
    assert told(found, everything=True).count("\u2192") == 20
    rows = list(csv.DictReader(io.StringIO(diff.table(found).decode())))
    assert len(rows) == 20 and tuple(rows[0]) == diff.COLUMNS
    assert rows[1] == {
        "id": "checks.n.1", "document": "reports/harbour", "verdict": "differs", "before": "1",
        "after": "x", "difference": "0.0", "unit": "proportion", "cell": "checks",
    }  # fmt: skip


def test_no_printed_text_is_a_formula_in_a_spreadsheet(tmp_path):
    report(tmp_path / "one", figures=[entry("a.b", "x", "=1+1")])
    report(tmp_path / "two", figures=[entry("a.b", "y", "@x")])
    table = diff.table(held(tmp_path / "one", tmp_path / "two", tmp_path)).decode()
    assert "'=1+1,'@x," in table


def test_a_name_is_a_month_an_id_both_or_a_folder(tmp_path):
    month(tmp_path / "2014-02", manifest(), "harbour", "old")
    month(tmp_path / "2014-03", manifest(), "harbour")
    report(tmp_path / ".work" / "2014-03" / "harbour")

    def labels(before, after):
        sides = diff.open_sides(before, after, tmp_path)
        return [(side.label, sorted(side.documents)) for side in sides]

    one = ["reports/harbour"]
    assert labels("2014-02", "2014-03/harbour") == [("2014-02", one), ("2014-03/harbour", one)]
    assert labels("harbour", "harbour") == [("harbour", one), ("harbour (run)", one)]
    latest, run = diff.open_sides("harbour", "harbour", tmp_path)
    assert latest.documents["reports/harbour"] == tmp_path / "2014-03" / "reports" / "harbour"
    assert latest.made and run.made is None
    found = held("2014-02/old", "2014-03/harbour", tmp_path)
    assert {one.document for one in found.figures} == {"reports/old"}


BROKEN = {
    "figures.json": ["{", "[1]", "[{}]", "{}"],
    "result.json": ["[", '{"status": "reported", "analyses": [{}]}', "null"],
    "notebook.ipynb": ["{", "[]", '{"cells": 3}', '{"cells": [{"outputs": [{"data": 3}]}]}'],
    "manifest.json": ["[]", "{", '{"inputs": 1}', '{"inputs": {"requests": {"harbour": 1}}}'],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, one) for name, many in BROKEN.items() for one in many]
)
def test_a_folder_that_cannot_be_read_is_told_in_words(tmp_path, capsys, name, content):
    month(tmp_path / "2014-02", manifest(), "harbour")
    month(tmp_path / "2014-03", manifest(), "harbour")
    folder = tmp_path / "2014-03"
    (folder if name == "manifest.json" else folder / "reports" / "harbour").joinpath(
        name
    ).write_text(content)
    given = ["diff", "2014-02", "2014-03", "--outputs", str(tmp_path)]
    assert cli.main(given) == cli.UNUSABLE
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("what", ["2014-09", "nobody", "2014-02/nobody", "no/such/folder", "."])
def test_what_is_not_there_is_told(tmp_path, what):
    month(tmp_path / "2014-02", manifest(), "harbour")
    with pytest.raises(Unusable):
        diff.open_sides("2014-02", what if what != "." else str(tmp_path), tmp_path)


def test_the_command_says_by_its_status_whether_anything_differs(tmp_path, capsys):
    one, two = tmp_path / "one", tmp_path / "two"
    report(one)
    report(two, figures=FIGURES[1:])
    file = tmp_path / "figures.csv"
    assert cli.main(["diff", str(one), str(one)]) == cli.DONE
    assert cli.main(["diff", str(one), str(two), "--csv", str(file)]) == cli.FAILED
    assert "1 only in A" in capsys.readouterr().out
    assert file.read_text().count("\n") == len(FIGURES) + 1
    assert cli.main(["diff", str(one), str(two), "--csv", str(file)]) == cli.UNUSABLE


def test_a_reader_who_stops_reading_is_no_error(tmp_path):
    many = [entry(f"checks.n.{place}", place) for place in range(9_000)]
    report(tmp_path / "one", figures=many)
    report(tmp_path / "two", figures=[{**one, "text": "x"} for one in many])
    script = f"{Path(sys.executable).parent / 'jdl'} diff one two --all | head -1"
    done = subprocess.run(
        script, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("A: one\n", "")
