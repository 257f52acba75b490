"""The scan: every way to tell who somebody is, planted and found; a clean release passes."""

import base64
import io
import json
import re
import shutil
import stat
import unicodedata
import zipfile
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pikepdf
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from months import MONTHS

from jdl import accepted, cli, national, render, scan
from jdl.scan import UNREADABLE
from jdl.scan.reading import texts_of
from jdl.scan.register import BORN, DAY, IDENTITY, NAME, PNC, cohort
from jdl.scan.words import folded, read

PEOPLE = [
    ("X1", "1971/0004321B", "A9871QX", "Will", None, "May", "1971-03-09"),
    ("X2", "1971/0004322C", None, "Siobh\u00e1n", "Grace Hope", "O'Brien-Zykwicz", "1971-03-10"),
    ("X3", None, None, "Mark", None, "Page", "1971-03-11"),
    ("X4", None, None, "Grace", None, "White", "1971-03-12"),
    ("X5", None, None, "Rich", None, "Young", "1971-03-13"),
    ("X6", None, None, "J\u00fcrgen", None, "van der Kwolsk", "1971-03-14"),
    ("X7", None, None, "Faith", None, "England", "1971-03-15"),
    ("X8", None, None, "Hope", None, "Rate", "1971-03-16"),
    ("X9", None, None, "Art", None, "Case", "1971-03-17"),
]


@pytest.fixture(scope="module")
def world(small_out, tmp_path_factory):
    """A register of 20,000 with people whose names are ordinary words, and the uploads."""
    folder = tmp_path_factory.mktemp("world")
    [source] = small_out.glob("synthetic-*")
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("prepared"))
    table = folder / source.name / "offenders.parquet"
    columns = "offender_id, pnc_id, prison_number, forename, middle_names, surname"
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE offenders AS FROM '{table}'")
        con.executemany(
            f"INSERT INTO offenders ({columns}, date_of_birth, sex) VALUES (?,?,?,?,?,?,?,'male')",
            PEOPLE,
        )
        con.execute(f"COPY offenders TO '{table}'")
    requests = small_out / "requests"
    people = cohort(requests).people
    one = people.loc[people["pnc_id"].notna() & people["date_of_birth"].notna()].iloc[0]
    vintage = national.open_vintage(folder)
    return SimpleNamespace(
        data=folder, vintage=vintage, requests=requests, one=one, born=one["date_of_birth"]
    )


@pytest.fixture
def found(world, tmp_path):
    """Scan texts by file name; return the kinds found in each file."""

    def found(texts):
        for name, content in texts.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        kinds = {name: set() for name in texts}
        for find in scan.scan(tmp_path, world.vintage, world.requests).finds:
            kinds.setdefault(find.file, set()).add(find.kind)
        return kinds

    return found


def html(body):
    return f"<!doctype html><html><body><p>The report.</p>{body}</body></html>"


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, content in members.items():
            made.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


def paper(change):
    with pikepdf.open(io.BytesIO(render.pdf("<html lang=en><title>T</title><p>Text"))) as pdf:
        change(pdf)
        buffer = io.BytesIO()
        pdf.save(buffer)
    return buffer.getvalue()


def test_a_full_identity_of_ordinary_words_is_found_however_it_is_written(found):
    texts = {
        "a.html": html("<td>Will</td><td>May</td>"),
        "b.html": html("<p>MAY, Will</p>"),
        "c.html": html("<p>W<b>il</b>l&nbsp;M&#97;y</p>"),
        "d.html": html('<div data-who="will may"></div>'),
        "e.html": html("<!-- will\nmay -->"),
        "f.html": html('<svg><g id="WillMay"><title>x</title></g></svg>'),
        "g.html": html('<a href="x?q=Will%20May">x</a>'),
        "h.json": json.dumps({"forename": "Will", "surname": "May"}),
        "i.csv": "row,forename,surname\n1,Will,May\n",
        "j.txt": "W\u200bill M\u00aday",
        "k.txt": "\uff37ill  may",
        "l.txt": "forename: Will, surname: May",
        "will_may.txt": "",
        "may/will/x.txt": "",
        "m.txt": "willmay",
        "n.txt": "Will J. May",
        "o.txt": "'Will\\nMay'",
        "p.html": html(f'<img src="data:text/plain;base64,{coded("Will May " * 20)}">'),
        "q.ods": archive(content_xml="<x><y>Will</y> <y>May</y></x>"),
        "r.xlsx": archive(docProps_core_xml="<dc:creator>Will May</dc:creator>"),
        "s.pdf": render.pdf("<html lang=en><title>T</title><p>By Will May and others"),
        "t.pdf": render.pdf("<html lang=en><title>Will May</title><p>T"),
        "u.pdf": paper(lambda pdf: pdf.docinfo.update({"/Author": "Will May"})),
        "v.pdf": paper(attach),
        "w.bin": b"\x00\xff" * 9 + b"wrote this: Will May" + b"\xfe\x00",
    }
    missed = {name for name, kinds in found(texts).items() if IDENTITY not in kinds}
    assert missed == set()


def coded(text):
    return base64.b64encode(text.encode()).decode()


def attach(pdf):
    pdf.attachments["notes.txt"] = pikepdf.AttachedFileSpec(pdf, b"Will May was here")


def test_a_common_word_that_is_a_name_is_no_alarm(found):
    texts = {
        "a.html": html("<p>The rate of each case will change: young people, in May.</p>"),
        "b.html": html("<p>White people in England. Page 3. The young, a mark of the will.</p>"),
    }
    assert found(texts) == {"a.html": set(), "b.html": set()}


def test_a_rare_name_alone_is_found_with_accents_hyphens_and_apostrophes_folded(found):
    texts = {
        "a.txt": "Zykwicz",
        "b.txt": "O\u2019BRIEN-ZYKWICZ",
        "c.txt": "J\u00dcRGEN",
        "d.txt": "invalid literal for int() with base 10: 'kwolsk'",
        "e.txt": "kwolsk77",
        "f.txt": "siobhan",
        "g.html": html("Zyk<span>wicz</span>"),
        "h.txt": "Zykwicz's",
        "i.html": html("Zyk&#119;icz"),
        "j.json": '{"a": "Zyk\\u0077icz"}',
    }
    missed = {name for name, kinds in found(texts).items() if NAME not in kinds}
    assert missed == set()


def test_a_day_of_birth_is_found_in_every_common_form(world, found):
    born = world.born
    forms = (
        "%Y-%m-%d", "%d/%m/%Y", "%d-%m-%y", "%d.%m.%Y", "%-d %B %Y", "%d %b %Y", "%B %-d, %Y",
        "%m/%d/%Y", "%Y%m%d", "%d%m%Y", "%Y-%m-%dT00:00:00", "%d-%b-%y", "%-dth of %B %Y",
        "datetime.date(%Y, %-m, %-d)", "%-d/%-m/%Y", "%Y/%m/%d", "%d.%m.%y",
    )  # fmt: skip
    texts = {f"{place}.txt": f"on {born:{form}}." for place, form in enumerate(forms)}
    texts["ms.json"] = json.dumps({"when": int(born.timestamp() * 1000)})
    missed = {name for name, kinds in found(texts).items() if DAY not in kinds}
    assert {forms[int(name[:-4])] if name[0] != "m" else name for name in missed} == set()


def test_a_day_of_birth_of_the_register_needs_its_surname_close_by(found):
    texts = {
        "a.txt": "May 1971-03-09",
        "b.txt": "born on 9 March 1971: may",
        "c.txt": "1971-03-09",
        "d.txt": "may" + " word" * 12 + " 1971-03-09",
        "e.txt": "page 1971-03-09",
    }
    close = {name: BORN in kinds for name, kinds in found(texts).items()}
    assert close == {"a.txt": True, "b.txt": True, "c.txt": False, "d.txt": False, "e.txt": False}


def test_every_identifier_is_found_in_every_spelling(world, found):
    one = world.one
    year, serial = one["pnc_id"].split("/")
    spellings = [
        one["pnc_id"], one["pnc_id"].lower(), f"{year[-2:]}/{serial}", f"{year}{serial}",
        f"{year[-2:]}{serial}", f"{year}-{serial}", f"{year[-2:]}{serial[:-1]}",
        f"{year}/{serial[:-1]}",
        "1971/4321B", "71/0004321B", "19710004321B",
    ]  # fmt: skip
    texts = {f"{place}.txt": f"see {text}." for place, text in enumerate(spellings)}
    missed = {name for name, kinds in found(texts).items() if PNC not in kinds}
    assert {spellings[int(name[:-4])] for name in missed} == set()
    others = found(
        {
            "prison.txt": "A9871QX",
            "prison2.txt": "a9871 qx",
            "reference.txt": f"row of {one['reference']}",
            "register.html": html("<i id='P00000007'></i>"),
            "disposal.json": json.dumps(["D0000000100"]),
        }
    )
    assert others["prison.txt"] == others["prison2.txt"] == {"prison number"}
    assert others["reference.txt"] == {"reference"}
    assert others["register.html"] == others["disposal.json"] == {"identifier of the register"}


def test_what_cannot_be_read_stops_a_release(found):
    picture = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
    texts = {
        "a.png": picture,
        "b.html": html(
            f'<img src="data:image/png;base64,{base64.b64encode(picture * 4).decode()}">'
        ),
        "c.pdf": b"%PDF-1.7 broken",
        "d.ods": b"PK\x03\x04 broken",
    }
    assert all(UNREADABLE in kinds for kinds in found(texts).values())


def test_a_text_run_through_a_pdf_comes_out(tmp_path):
    made = render.pdf("<html lang=en><title>T</title><p>Zykwicz and <b>J\u00fcrgen</b> fi\u0142o")
    assert {"zykwicz", "jurgen", "filo"} <= {
        word for text in texts_of("x.pdf", made) for word in read(text).words
    }


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(categories=["L", "Mn", "Pd", "Zs"], max_codepoint=0x24F), max_size=12))
def test_python_and_the_engine_fold_a_name_alike(name):
    from jdl.scan.register import _FOLDED

    assume(unicodedata.normalize("NFKD", name) == unicodedata.normalize("NFD", name))
    with duckdb.connect() as con:
        con.execute(_FOLDED)
        [(engine,)] = con.execute("SELECT folded(?)", [name]).fetchall()
    assert set(engine.split()) - {""} == {w for w in folded(name).split("\\n") for w in words(w)}


def words(text):
    return "".join(one if one.isalpha() else " " for one in text if one not in "'`\u00b4").split()


def test_a_clean_release_passes(outputs, synthetic_out):
    vintage = national.open_vintage(synthetic_out)
    found = scan.scan(outputs / MONTHS[0], vintage, synthetic_out / "requests")
    assert found.told == ()


def test_words_of_a_clean_release_are_nearly_all_known(outputs, synthetic_out):
    """However large a register is, only words beyond the known can be taken for a name."""
    from jdl.scan import contents, read_all
    from jdl.scan.vocabulary import known

    vintage = national.open_vintage(synthetic_out)
    requests = synthetic_out / "requests"
    allowed = known(vintage, requests, cohort(requests).people)
    seen, _ = contents(outputs / MONTHS[0])
    beyond = {
        word
        for file, parts in seen.items()
        if not file.endswith(".pdf")
        for word in read_all(parts).words - allowed.words
    }
    assert len(beyond) < 40, beyond  # words of drawings, and two run into one by inline markup


def test_the_command_tells_kinds_and_counts_and_keeps_the_values(world, tmp_path, capsys):
    folder = tmp_path / "release"
    folder.mkdir()
    (folder / "x.html").write_text(html("Zykwicz, Will May"))
    where = ["--data", str(world.data), "--requests", str(world.requests)]
    told = cli.main(["scan", str(folder), *where, "--outputs", str(tmp_path / "out")])
    said = "".join(capsys.readouterr())
    assert told == 1
    assert f"x.html: {IDENTITY} (1)" in said
    assert f"x.html: {NAME} (" in said
    assert not {"zykwicz", "will", "may"} & set(said.lower().replace(".", " ").split())
    [log] = Path(tmp_path / "out").rglob("found.log")
    assert ".restricted" in log.parts
    assert "zykwicz" in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert cli.main(["scan", str(tmp_path / "nothing"), *where]) == 2


def test_a_leak_into_a_finished_release_is_found_in_every_kind_of_file(world, outputs, tmp_path):
    shutil.copytree(outputs / MONTHS[0] / "bulletin", tmp_path / "made" / "clean")
    for name, (file, plant) in PLANTED.items():
        target = tmp_path / "made" / name / file
        target.parent.mkdir()
        target.write_bytes(plant(min((outputs / MONTHS[0]).rglob(file)).read_bytes()))
    named = tmp_path / "made" / "file name"
    (named / "figures.json").rename(named / "Will-May.json")
    finds = scan.scan(tmp_path / "made", world.vintage, world.requests).finds
    assert {one.file.split("/")[0] for one in finds if one.kind == IDENTITY} == {*PLANTED}


def inside(before, planted):
    def plant(content):
        assert before in content, before
        return content.replace(before, planted + before, 1)

    return plant


def in_json(change):
    def plant(content):
        held = json.loads(content)
        change(held)
        return json.dumps(held).encode()

    return plant


def in_archive(content):
    source = zipfile.ZipFile(io.BytesIO(content))
    members = {one: source.read(one) for one in source.namelist()}
    members["content.xml"] = inside(b"</text:p>", b" Will May")(members["content.xml"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, member in members.items():
            made.writestr(name, member)
    return buffer.getvalue()


def in_paper(change):
    def plant(content):
        with pikepdf.open(io.BytesIO(content)) as pdf:
            change(pdf)
            buffer = io.BytesIO()
            pdf.save(buffer)
        return buffer.getvalue()

    return plant


def written(pdf):
    name = pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1)
    name.BaseFont = pikepdf.Name.Helvetica
    pdf.pages[0].obj.Resources.Font["/Plain"] = name
    shown = b"BT /Plain 9 Tf (Will May) Tj ET"
    pdf.pages[0].contents_add(pdf.make_stream(shown))


PLANTED = {
    "html text": ("report.html", inside(b"</p>", b" Will May")),
    "html attribute": ("report.html", inside(b"<p>", b'<i data-x="will may"></i>')),
    "html comment": ("report.html", inside(b"</p>", b"<!-- Will May -->")),
    "svg": ("audit.html", inside(b"</svg>", b"<title>Will May</title>")),
    "notebook output": (
        "notebook.ipynb",
        in_json(lambda held: next(c for c in held["cells"] if c.get("outputs"))["outputs"].append(
            {"output_type": "stream", "name": "stdout", "text": ["Will\n", "May\n"]}
        )),
    ),
    "notebook metadata": (
        "notebook.ipynb", in_json(lambda held: held["metadata"].update(who="Will May")),
    ),
    "json": ("figures.json", in_json(lambda held: held.append({"text": "May, Will"}))),
    "csv": ("results.csv", lambda content: content + b"Will,May\n"),
    "ods": ("annex.ods", in_archive),
    "pdf metadata": (
        "bulletin.pdf", in_paper(lambda pdf: pdf.docinfo.update({"/Author": "Will May"})),
    ),
    "pdf text": ("bulletin.pdf", in_paper(written)),
    "file name": ("figures.json", lambda content: content),
}  # fmt: skip


def test_what_is_no_person_is_accepted_by_its_mark_and_people_of_uploads_never(
    world, tmp_path, capsys
):
    folder = tmp_path / "release"
    folder.mkdir()
    where = ["--data", str(world.data), "--requests", str(world.requests)]
    where += ["--outputs", str(tmp_path / "out")]
    (folder / "x.html").write_text(html("Will May"))
    (folder / "y.html").write_text(html(f"{world.one['forename']} {world.one['surname']}"))
    assert cli.main(["scan", str(folder), *where]) == 1
    story = max((tmp_path / "out").rglob("found.log")).read_text()
    [mark] = re.findall(r"will.*may.*\[(\w+)\]", story)
    assert "[of a person of an upload]" in story
    decide = ["scan", "--accept", mark, "--role", "statistician 1", *where]
    assert cli.main(decide) == 2
    assert cli.main(["scan", "--accept", "0" * 12, *decide[3:], "--reason", "a month, no man"]) == 2
    assert cli.main([*decide, "--reason", "a month, no man"]) == 0
    capsys.readouterr()
    assert cli.main(["scan", str(folder), *where]) == 1
    said = "".join(capsys.readouterr())
    assert "x.html" not in said
    assert "y.html: full identity (1)" in said
    assert "Taken for people and accepted: 1, decided by statistician 1." in said
    kept = tmp_path / "out" / ".restricted" / accepted.FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not {"will", "may"} & set(re.findall("[a-z]+", kept.read_text()))
    kept.write_text("{")
    assert cli.main(["scan", str(folder), *where]) == 2
