"""What a release is made of, in hashes."""

import ast
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from copy import deepcopy

import duckdb
import pytest

from jdl import manifest, national, prepare, verify

OF_OLD = {
    "schema": 1,
    "release": "2014-03",
    "published_at": "2014-03-13T09:30:00",
    "inputs": {
        "requests": {"harbour": {"request.toml": "by its bytes", "upload": "u"}},
        "log.csv": "l",
        "release": "r",
        "earlier": {},
    },
    "vintage": {
        "name": "tiny",
        "synthetic": True,
        "tables": {"offenders": "o", "vintage.toml": "v"},
    },
    "code": {"version": "0.1.0", "sha256": "c", "commit": None},
    "environment": {"python": "3.11.7", "packages": {"pandas": "3.1.1"}},
    "parameters": {},
    "seed": 1,
}


def of_today():
    """The same inputs, as this version tells them."""
    made = deepcopy(OF_OLD) | {"schema": manifest.SCHEMA}
    made["code"]["files"] = {}
    made["vintage"]["tables"] = {
        "offenders": {"sha256": "o", "rows": 3, "columns": {"offender_id": "id"}},
        "vintage.toml": {"sha256": "v"},
    }
    made["environment"] |= {"native": {"pango": "1.50"}, "lock": None}
    return made


@pytest.mark.parametrize(
    "file",
    [
        "jdl/faults.py", "jdl/codes.toml", "jdl/linkage/names.py", "jdl/disclosure/rules.py",
        "templates/page/page.html.j2", "notebooks/tailored_report.ipynb",
    ],
)  # fmt: skip
def test_a_change_of_any_source_changes_the_hash_of_the_code_and_of_that_file(file, tmp_path):
    for folder in ("jdl", "templates", "notebooks"):
        shutil.copytree(manifest.ROOT / folder, tmp_path / folder)
    before = manifest.code(tmp_path)
    changed = tmp_path / file
    text = changed.read_text(encoding="utf-8")
    new = (
        text.replace("minimum_treated", "minimum_people", 1)
        if file.endswith(".ipynb")
        else f"{text}\n# x"
    )
    assert new != text
    changed.write_text(new, encoding="utf-8")
    after = manifest.code(tmp_path)
    assert after["sha256"] != before["sha256"]
    assert {name for name in after["files"] if after["files"][name] != before["files"][name]} == {
        file
    }


def test_an_old_manifest_tells_the_same_of_the_same_inputs():
    assert verify.changed(OF_OLD, of_today()) == ()
    assert verify.changed(of_today(), OF_OLD) == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda made: made["vintage"]["tables"]["offenders"].update(sha256="x"), "offenders of"),
        (lambda made: made["vintage"]["tables"].update(oasys={"sha256": "x"}), "oasys of"),
        (lambda made: made["inputs"]["requests"]["harbour"].update(upload="x"), "upload of"),
        (lambda made: made["inputs"]["requests"]["harbour"].update(review="x"), "review of"),
        (
            lambda made: made["inputs"]["requests"]["harbour"].update({"request.toml": "x"}),
            "request.toml of",
        ),
        (lambda made: made["environment"].update(python="3.12.0"), "the environment"),
        (lambda made: made["environment"]["packages"].update(new="1"), "the environment"),
    ],
)
def test_a_changed_input_is_told_beside_an_old_manifest(change, told):
    now = of_today()
    change(now)
    [changed] = verify.changed(OF_OLD, now)
    assert changed.startswith(told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda made: made["vintage"]["tables"]["offenders"]["columns"].update(sex="text"),
            "columns of offenders of the vintage",
        ),
        (
            lambda made: made["inputs"]["requests"]["harbour"].update({"request.toml": "x"}),
            "request.toml of harbour",
        ),
        (lambda made: made["environment"]["native"].update(pango="1.56"), "the environment"),
        (
            lambda made: made["vintage"]["tables"]["offenders"].update(rows=4),
            "rows of offenders of the vintage",
        ),
        (lambda made: made.update(published_at="2014-04-01T09:30:00"), "releases/2014-03.toml"),
        (lambda made: made["vintage"].update(prepared="x"), "what is prepared of the vintage"),
        (lambda made: made["vintage"].update(extracted="x"), "the vintage"),
        (lambda made: made["code"]["files"].update(new="x"), "the code"),
        (lambda made: made["code"].update(version="2"), "the code"),
        (lambda made: made.update(seed=2), "the parameters"),
        (lambda made: made.update(endorsed_by="x"), "endorsed_by of the manifest"),
        (lambda made: made["inputs"].update(blessing={}, more=1), "inputs of the manifest"),
    ],
)
def test_manifests_of_today_are_held_against_each_other_in_everything(change, told):
    now = of_today()
    change(now)
    assert verify.changed(of_today(), now) == (told,)


@pytest.mark.parametrize(
    ("changed", "left"),
    [
        (("log.csv", "the code", "the environment"), ()),
        (("what is prepared of the vintage", "the code"), ()),
        (("what is prepared of the vintage",), ("what is prepared of the vintage",)),
        (("offenders of the vintage", "the code"), ("offenders of the vintage",)),
    ],
)
def test_what_is_prepared_may_change_with_the_code_and_not_without(changed, left):
    assert verify.of_effect(changed) == left


@pytest.mark.parametrize(
    "later",
    [
        lambda made: made["environment"].update(native={}),
        lambda made: made["code"].update(files={}),
        lambda made: made["vintage"]["tables"].update(offenders={"sha256": "o"}),
    ],
)
def test_an_old_manifest_is_known_by_its_layout(later):
    made = deepcopy(OF_OLD)
    assert manifest.schema_of(made) == 1
    later(made)
    assert manifest.schema_of(made) == manifest.schema_of(of_today()) == manifest.SCHEMA


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("ro-crate-metadata.json", True),
        ("reports/harbour/manifest.json", True),
        ("reports/manifest.json", False),
        ("bulletin/manifest.json", False),
        ("reports/harbour/ro-crate-metadata.json", False),
        ("reports/harbour/extra/manifest.json", False),
    ],
)
def test_a_record_is_known_by_its_place(path, is_one):
    assert manifest.is_record(path) == is_one


def test_the_code_at_a_commit_is_that_of_a_checkout_of_it(tmp_path):
    def git(*arguments):
        named = ["-c", "user.name=x", "-c", "user.email=x"]
        command = ["git", "-C", tmp_path, *named, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    for folder in ("jdl", "templates", "notebooks"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.toml").write_text("a = 1\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7"\n')
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    made, commit = manifest.code(tmp_path), git("rev-parse", "HEAD")
    (tmp_path / "jdl" / "a.toml").write_text("a = 2\n")
    git("commit", "-qam", "two")
    then = manifest.code_at(commit, tmp_path)
    assert then == {"version": "7", "sha256": made["sha256"], "files": made["files"]}
    later = git("rev-parse", "HEAD")
    git("reset", "-q", "--hard", commit)
    assert manifest.code_at(later, tmp_path) is None
    assert manifest.code_at("--output=x", tmp_path) is None


def test_the_environment_names_what_lays_out_and_calculates_and_no_host():
    made = manifest.environment()
    assert {"pandas", "weasyprint"} <= set(made["packages"])
    assert {"fonttools", "threadpoolctl"} <= set(made["dependencies"])
    assert not set(made["packages"]) & set(made["dependencies"])
    assert "mypy" not in {*made["packages"], *made["dependencies"]}
    versions = {name: re.search(r"\d+\.\d+", told) for name, told in made["native"].items()}
    assert {"blas", "fontconfig", "freetype", "harfbuzz", "libc", "pango", "zlib"} == set(versions)
    assert all(versions.values())
    assert set(made["processor"]) == {"machine", "blas", "simd", "libm"}
    assert made["lock"] == manifest.digest((manifest.ROOT / "requirements.lock").read_bytes())
    assert json.loads(manifest.dump(made)) == made


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names instructions of x86-64")
def test_an_older_processor_is_told_apart_and_can_tell_its_environment():
    old = {
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    }
    script = "import json; from jdl import manifest; print(json.dumps(manifest.environment()))"
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, env={**os.environ, **old}, capture_output=True, check=True)
    made, here = json.loads(done.stdout), manifest.environment()
    assert made["processor"]["blas"] == ["Nehalem"]
    assert made["processor"]["simd"] == ["X86_V2"]
    assert {**made, "processor": None} == {**here, "processor": None}


def test_a_toml_file_is_hashed_by_what_it_says(tmp_path):
    one, other, third = (tmp_path / name for name in ("a", "b", "c"))
    one.write_text('id = "x"\nday = 2014-03-01\n[method]\na = 1\nb = [1, 2]\n')
    other.write_text('# the same\nday = 2014-03-01\nid = "x"\n\n[method]\nb = [1,2]\na = 1\n')
    third.write_text('id = "x"\nday = 2014-03-01\n[method]\na = 1\nb = [2, 1]\n')
    assert manifest.digest_toml(one) == manifest.digest_toml(other)
    assert manifest.digest_toml(one) != manifest.digest_toml(third)


def test_a_reports_manifest_tells_of_no_other_request_and_of_no_page_held_back():
    content = of_today()
    content["inputs"]["requests"]["other"] = {"upload": "x"}
    content["parameters"] = {"bulletin": {}, "requests": {"harbour": {"a": 1}, "other": {}}}
    content["files"] = {
        "index.html": "i", "reports/harbour/report.html": "r", "reports/harbour/facts.html": "f",
        "reports/harbour/manifest.json": "m", "reports/other/report.html": "o",
    }  # fmt: skip
    told = manifest.records(content)
    own = {"reports/harbour/manifest.json", "reports/other/manifest.json"}
    assert set(told) == {*own, "ro-crate-metadata.json"}
    made = json.loads(told["reports/harbour/manifest.json"])
    assert list(made["inputs"]["requests"]) == ["harbour"]
    assert made["parameters"] == {"requests": {"harbour": {"a": 1}}}
    assert made["request"] == "harbour"
    assert made["files"] == {"report.html": "r"}
    for key in ("schema", "release", "vintage", "code", "environment", "seed"):
        assert made[key] == content[key]


def test_the_shape_of_a_table_does_not_depend_on_how_it_is_stored(small_out, tmp_path):
    vintage = national.open_vintage(small_out)
    before = prepare.shapes(vintage)
    assert before["offenders"]["rows"] == 20_000
    assert list(before["aliases"]["columns"]) == list(national.TABLES["aliases"].columns)
    with duckdb.connect() as con:
        con.execute(f"""COPY (SELECT oasys.* REPLACE (ogrs::BIGINT AS ogrs), 1 AS strange
            FROM read_parquet('{vintage.file("oasys")}') AS oasys ORDER BY random())
            TO '{tmp_path / "oasys.parquet"}' (COMPRESSION gzip)""")
        assert prepare._shape(con, "oasys", tmp_path / "oasys.parquet") == before["oasys"]


TAUGHT = {"learning", "site", "glossary"}


def test_what_is_taught_is_no_part_of_the_code_and_nothing_of_a_release_loads_it():
    told = manifest.code(manifest.ROOT)["files"]
    taught = re.compile("learning|site|glossary|walk_through|lessons|terms[.]css")
    assert [name for name in told if taught.search(name)] == []
    sources = [name for name in told if name.endswith(".py") and name != "jdl/cli.py"]
    assert len(sources) > 50
    loaded = {name: imported(manifest.ROOT / name) & TAUGHT for name in sources}
    assert {name: found for name, found in loaded.items() if found} == {}


def imported(file):
    """The parts of the package that a module imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    paths = [one.name for node in nodes if isinstance(node, ast.Import) for one in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            paths += [f"{node.module}.{one.name}" for one in node.names]
    return {path.split(".")[1] for path in paths if path.startswith("jdl.")}
