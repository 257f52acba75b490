"""Two folders held against each other: every difference is found, and named."""

import json
import zipfile
from io import BytesIO

import pikepdf
import pytest

from jdl import compare
from jdl.compare import DIFFERS, ONLY_AFTER, ONLY_BEFORE, SAME, TOLERANCE, WITHIN, Place
from jdl.compare.numbers import agree
from jdl.faults import Unusable


def entry(figure, value, text=None, **more):
    told = "[c]" if value is None else str(value) if text is None else text
    plain = {"id": figure, "value": value, "unit": "people", "text": told}
    return {**plain, "suppressed": value is None, "cell": "one", **more}


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def pair(tmp_path):
    def made(name, before, after):
        return write(tmp_path / "before", {name: before}), write(tmp_path / "after", {name: after})

    return made


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ("1.5 of 30", "1.5 of 30", SAME),
        ("1.5 of 30", "1.5000000001 of 30", WITHIN),
        ("-1.5e-05", "-1.5000000001e-05", WITHIN),
        ("1e-10", "-2e-10", WITHIN),
        ("0.3", "0.30000000000000004", WITHIN),
        ("0.5", "0.50", DIFFERS),
        ("0.50", "0.5000000000000001", DIFFERS),
        ("1.5 of 30", "1.50001 of 30", DIFFERS),
        ("1.5 of 30", "1.5 of 31", DIFFERS),
        ("1.5 of 30", "1.5 in 30", DIFFERS),
        ("1.5 of 30", "1.5 of 30.0", DIFFERS),
        ("4000000000", "4000000001", DIFFERS),
    ],
)
def test_numbers_agree_to_the_tolerance_and_all_else_exactly(before, after, verdict):
    assert agree(before, after, TOLERANCE) == verdict
    assert agree(before, after) == (SAME if before == after else DIFFERS)


def test_every_figure_is_held_against_its_own():
    before = {"a": [entry("n", 30), entry("rate", 0.5, "50%"), entry("old", 1), entry("c", None)]}
    after = {"a": [entry("n", 31), entry("rate", 0.5 + 1e-13, "50%"), entry("c", None)]}
    after["b"] = [entry("n", 1)]
    held = {(h.document, h.figure): h for h in compare.figures(before, after, tolerance=TOLERANCE)}
    assert {key: one.verdict for key, one in held.items()} == {
        ("a", "n"): DIFFERS,
        ("a", "rate"): WITHIN,
        ("a", "old"): ONLY_BEFORE,
        ("a", "c"): SAME,
        ("b", "n"): ONLY_AFTER,
    }
    assert held["a", "n"].difference == 1.0
    assert held["a", "c"].difference is None
    exact = compare.figures(before, after)
    assert [one.verdict for one in exact if one.figure == "rate"] == [DIFFERS]


@pytest.mark.parametrize("change", [{"text": "31"}, {"cell": "two"}, {"unit": "rows"}, {"id": "m"}])
def test_no_part_of_an_entry_is_passed_over(change):
    one = entry("n", 30)
    held = compare.figures({"": [one]}, {"": [{**one, **change}]}, tolerance=TOLERANCE)
    assert SAME not in {h.verdict for h in held} and WITHIN not in {h.verdict for h in held}


def test_a_whole_number_has_no_tolerance():
    held = compare.figures({"": [entry("n", 10**12)]}, {"": [entry("n", 10**12 + 1)]}, tolerance=1)
    assert held[0].verdict == DIFFERS


def test_a_value_too_great_for_a_number_is_told_apart_all_the_same():
    [held] = compare.figures({"": [entry("n", 10**400)]}, {"": [entry("n", 0.5)]})
    assert (held.verdict, held.difference) == (DIFFERS, None)


def test_registers_are_found_by_document_and_nothing_outside_is(tmp_path):
    kept = [entry("n", 30)]
    outside = write(tmp_path / "outside", {"figures.json": json.dumps(kept)})
    folder = write(tmp_path / "in", {"reports/x/figures.json": json.dumps(kept)})
    assert compare.registers(folder / "reports" / "x") == {"": kept}
    (folder / "bulletin").symlink_to(outside)
    (folder / "figures.json").symlink_to(outside / "figures.json")
    assert compare.registers(folder) == {"reports/x": kept}


@pytest.mark.parametrize("told", ["", "{}", "[1]", '[{"id": 1}]', "[" * 100_000])
def test_a_broken_register_is_told_of_in_words(tmp_path, told):
    with pytest.raises(Unusable) as unusable:
        compare.registers(write(tmp_path, {"bulletin/figures.json": told}))
    [fault] = unusable.value.faults
    assert fault.where == "bulletin/figures.json"


def notebook(**changed):
    cells = {"one": ["a = 1", "0.5"], "two": ["a + 1", "2"], **changed}
    return json.dumps(
        {
            "cells": [
                {"id": name, "cell_type": "code", "source": [source], "outputs": [{"text": shown}]}
                for name, (source, shown) in cells.items()
                if source is not None
            ]
        }
    )


@pytest.mark.parametrize(
    ("changed", "first"),
    [
        ({}, None),
        ({"two": ["a + 1", "3"]}, "two"),
        ({"one": ["a = 2", "0.5"], "two": ["a + 1", "3"]}, "one"),
        ({"three": ["3", "3"]}, "three"),
        ({"one": [None, ""]}, "one"),
        ({"one": ["a = 1", "0.50000000000001"]}, "one"),
    ],
)
def test_the_first_cell_that_differs_is_named(tmp_path, changed, first):
    folder = write(tmp_path, {"a.ipynb": notebook(), "b.ipynb": notebook(**changed)})
    a, b = folder / "a.ipynb", folder / "b.ipynb"
    assert compare.first_cell(a, b) == compare.first_cell(b, a) == first
    if first == "one" and changed["one"][0] == "a = 1":
        assert compare.first_cell(a, b, tolerance=TOLERANCE) is None


def test_a_notebook_that_cannot_be_read_has_no_cells(tmp_path):
    folder = write(tmp_path, {"a.ipynb": notebook(), "b.ipynb": "{"})
    assert compare.first_cell(folder / "a.ipynb", folder / "b.ipynb") == "one"
    assert compare.first_cell(folder / "b.ipynb", folder / "none.ipynb") is None


def spreadsheet(value, *, copies=1):
    rows = f"""<t:table-row><t:table-cell/><t:table-cell o:value="{value}"/></t:table-row>"""
    names = "urn:oasis:names:tc:opendocument:xmlns"
    text = f"""<d xmlns:t="{names}:table:1.0" xmlns:o="{names}:office:1.0">
        <t:table t:name="rates">{rows}</t:table></d>"""
    with zipfile.ZipFile(kept := BytesIO(), "w") as archive:
        for _ in range(copies):
            archive.writestr(zipfile.ZipInfo("content.xml"), text)
    return kept.getvalue()


PAGE = '<h1>Rates</h1><p>Of <data value="{}" data-figure="rate.n">{}</data> people</p><p>{}</p>'


@pytest.mark.parametrize(
    ("name", "before", "after", "where"),
    [
        ("a.html", PAGE.format(30, 30, "x"), PAGE.format(30, 31, "x"), "figure rate.n"),
        ("a.html", PAGE.format(30, 30, "x"), PAGE.format(31, 30, "x"), "figure rate.n"),
        ("a.html", PAGE.format(30, 30, "x"), PAGE.format(30, 30, "y"), "words under 'Rates'"),
        ("a.csv", "id,n\nx,30\n", "id,n\nx,31\n", "row 2, column n"),
        ("a.ods", spreadsheet(30), spreadsheet(31), "sheet rates, cell B1"),
        ("a.json", '{"a": [1, 2]}', '{"a": [1, 3]}', "a[1]"),
        (
            "figures.json",
            '[{"id": "n", "value": 1}]',
            '[{"id": "n", "value": 2}]',
            "figure n.value",
        ),
        ("a.ipynb", notebook(), notebook(two=["a + 2", "2"]), "cell two, source"),
        ("a.txt", "one\ntwo\n", "one\nthree\n", "line 2"),
    ],
)
def test_a_difference_is_named_by_its_place(pair, name, before, after, where):
    [one] = compare.files(*pair(name, before, after))
    assert (one.path, one.verdict) == (name, DIFFERS)
    assert [place.where for place in one.places] == [where]


def test_what_was_put_in_is_all_that_differs(pair):
    [one] = compare.files(*pair("a.txt", "one\ntwo\nthree", "one\nnew\ntwo\nthree"))
    assert {(p.before, p.after) for p in one.places if "new" in str(p.after)} == {(None, "new")}
    [table, _] = compare.files(*pair("a.csv", "a,b\n1,2\n", "a,b\n1,2\n3,4\n"))
    assert Place("row 3, column b", None, "4") in table.places


def test_files_of_one_folder_only_and_links_are_told_of(tmp_path):
    before = write(tmp_path / "before", {"a.html": "a", "b/c.csv": "c", "run.json": "1"})
    after = write(tmp_path / "after", {"b/d.csv": "c", "run.json": "2"})
    (after / "a.html").symlink_to(before / "a.html")
    found = {one.path: one.verdict for one in compare.files(before, after)}
    assert found == {"a.html": DIFFERS, "b/c.csv": ONLY_BEFORE, "b/d.csv": ONLY_AFTER}
    (after / "run.json").unlink()
    (after / "run.json").symlink_to(before, target_is_directory=True)
    assert compare.hashes(after)["run.json"] == compare.LINK
    assert compare.hashes(after)["a.html"] == compare.LINK


@pytest.mark.parametrize(
    "name", ["a.html", "a.csv", "a.json", "a.ods", "a.pdf", "a.ipynb", "a.bin"]
)
def test_a_file_that_is_not_what_it_is_called_is_told_of_in_words(pair, name):
    [one] = compare.files(*pair(name, b"\xff\x00", b"\xfe\x00"))
    assert one.verdict == DIFFERS and one.how.startswith(("it is no", "1 place"))


@pytest.mark.parametrize("value", [0.5 + 1e-13, 0.6])
def test_content_is_compared_to_the_tolerance_only_where_one_is_given(pair, value):
    for name, before, after in (
        ("a.ods", spreadsheet(0.5), spreadsheet(value)),
        ("a.html", PAGE.format(0.5, 1, ""), PAGE.format(value, 1, "")),
        ("a.json", "[0.5]", f"[{value}]"),
    ):
        folders = pair(name, before, after)
        assert {one.path: one.verdict for one in compare.files(*folders)}[name] == DIFFERS
        found = {one.path: one.verdict for one in compare.files(*folders, tolerance=TOLERANCE)}
        assert found[name] == (DIFFERS if value == 0.6 else WITHIN)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_tolerance_lets_other_things_into_a_file(pair):
    mine, printed = spreadsheet(0.5), PAGE.format(0.5, 0.5, "")
    for name, before, after in (
        ("junk.ods", mine, b"junk" + mine),
        ("more.ods", mine, mine + b"junk"),
        ("twice.ods", mine, spreadsheet(0.5, copies=2)),
        ("print.html", printed, PAGE.format(0.5, 0.5000000000000001, "")),
        ("padded.html", printed, PAGE.format("0.50", 0.5, "")),
    ):
        folders = pair(name, before, after)
    found = {one.path: one.verdict for one in compare.files(*folders, tolerance=TOLERANCE)}
    assert set(found.values()) == {DIFFERS} and len(found) == 5


def test_a_printed_text_has_no_tolerance():
    one = entry("n", 0.5, "0.5")
    [held] = compare.figures(
        {"": [one]}, {"": [{**one, "text": "0.5000000000000001"}]}, tolerance=TOLERANCE
    )
    assert held.verdict == DIFFERS


def test_files_of_a_kind_that_are_the_same_are_counted(pair):
    pair("a.pdf", "a", "a")
    pair("c.html", "a", "a")
    assert compare.identical(*pair("b.pdf", "a", "b"), ".pdf") == [True, False]


@pytest.mark.parametrize("change", ["title", "script", "attachment", "box"])
def test_no_other_layout_lets_other_things_into_a_pdf(pair, change):
    kept = []
    for told in (None, change):
        pdf = pikepdf.new()
        pdf.add_blank_page()
        pdf.add_blank_page().contents_add(b"0 0 9 9 re f")
        if told == "title":
            pdf.docinfo["/Title"] = "Mine"
        if told == "script":
            pdf.Root.OpenAction = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")
        if told == "attachment":
            pdf.attachments["a.txt"] = b"mine"
        if told == "box":
            pdf.pages[0].contents_add(b"1 0 0 rg 0 0 99 99 re f")
        pdf.save(out := BytesIO())
        kept.append(out.getvalue())
    [one] = compare.files(*pair("a.pdf", *kept), other_layout=True)
    assert one.verdict == DIFFERS
