"""A finished release is made again, and whatever is not as it comes out is found.

The notebooks are the tiny ones of test_release.py; the last test makes a real month again.
"""

import datetime as dt
import json
import os
import shutil
import subprocess
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import conformance
import pytest
import test_release
from browser import Browser, chromium
from months import folders, jdl
from request_files import REQUEST, people, text

from jdl import cli, compare, manifest, publish, published, release, scan, verify
from jdl.compare import Differing, Place
from jdl.faults import Unusable
from jdl.log import Release, in_zone
from jdl.publish import Finished
from jdl.published import Checked
from jdl.release import Refused
from jdl.verify import CLEAN, DIFFERS, again, as_made, inputs, origin, subject, verdict_on
from jdl.workers import Limits

month = test_release.month
TODAY = dt.date(2014, 3, 12)
HOLD_TO_SCAN = release._hold_to_scan


def check(month):
    return verify.verify(month.folder, month.places, jobs=1, tell=month.news.append, on=TODAY)


def rehash(folder):
    """Make a manifest agree with what is in its folder, as a forger would."""
    made = json.loads((folder / "manifest.json").read_text())
    made["files"] = manifest.file_hashes(folder)
    for name, content in manifest.records(made).items():
        (folder / name).write_bytes(content)
    made["files"] = manifest.file_hashes(folder)
    (folder / "manifest.json").write_bytes(manifest.dump(made))


def recorded(month):
    return verdict_on(month.places.restricted, manifest.digest_manifest(month.folder))


def kept(places):
    """What stands in the outputs folder, but for the verdicts and the logs."""
    return {
        path.relative_to(places.outputs).as_posix(): path.read_bytes()
        for path in places.outputs.rglob("*")
        if path.is_file() and path.name != verify.FILE and "logs" not in path.parts
    }


@pytest.fixture(autouse=True)
def _no_real_pages(monkeypatch):
    """The tiny pages are none that could be held against themselves."""
    monkeypatch.setattr(published, "check", lambda folder: Checked(()))


@pytest.fixture
def released(month):
    month.release()
    return month


def one_report(month):
    folder = month.folder / "reports" / "harbour"
    return verify.verify(folder, month.places, tell=month.news.append, on=TODAY)


def test_one_report_is_made_again_alone_and_its_verdict_is_none_on_the_release(released):
    released.add("other")
    release.run_release("2014-03", released.places, jobs=1, again=True, tell=released.news.append)
    released.news.clear()
    found = one_report(released)
    assert found.clean, found.line
    assert set(released.ran()) == {"harbour"}
    assert found.line.startswith("2014-03, harbour: clean, each of its ")
    assert recorded(released) is None


def test_a_copy_of_one_reports_folder_alone_is_verified_by_its_own_manifest(released, tmp_path):
    copy = tmp_path / "a copy"
    shutil.copytree(released.folder / "reports" / "harbour", copy)
    found = verify.verify(copy, released.places, tell=released.news.append, on=TODAY)
    assert found.clean, found.line
    (copy / "result.json").write_text((copy / "result.json").read_text().replace("0.2", "0.3"))
    found = verify.verify(copy, released.places, tell=released.news.append, on=TODAY)
    assert (found.verdict, found.differing) == (DIFFERS, ("result.json",))
    assert all("0.3" in place.before and "0.2" in place.after for place in found.files[0].places)
    assert found.files[0].places


def test_the_public_copy_is_verified_as_the_release_is(released, tmp_path):
    facts = Release("2014-03", TODAY, dt.datetime(2014, 3, 13), TODAY)
    finished = Finished("2014-03", released.folder, released.places, facts, released.manifest())
    publish._put(finished, tmp_path)
    assert "released_as" in json.loads((tmp_path / "2014-03" / "manifest.json").read_text())
    for folder in (tmp_path / "2014-03", tmp_path / "2014-03" / "reports" / "harbour"):
        found = verify.verify(folder, released.places, jobs=1, tell=released.news.append, on=TODAY)
        assert found.clean, found.line


def test_a_destroyed_upload_leaves_the_published_aggregates_and_the_rest_is_made_again(released):
    released.add("other")
    release.run_release("2014-03", released.places, jobs=1, again=True, tell=released.news.append)
    asked = released.places.requests / "other"
    (asked / "upload.csv").unlink()
    (asked / "destroyed.toml").write_text('on = 2016-03-14\nrole = "data manager"\n')
    found = check(released)
    assert found.verdict == recorded(released) == verify.PUBLISHED_ONLY
    assert found.documents == ("reports/harbour",)
    assert "destroyed on 2016-03-14" in found.cannot["reports/other"]
    assert not found.clean and "published aggregates only" in found.line
    page = released.folder / "reports" / "harbour" / "report.html"
    page.write_text(f"{page.read_text()} more")
    assert check(released).verdict == DIFFERS


@pytest.mark.parametrize("gone", ["the vintage", "the records", "the cohorts"])
def test_what_is_gone_is_named_and_nothing_is_refused(released, monkeypatch, gone):
    if gone == "the vintage":
        made = json.loads((released.folder / "manifest.json").read_text())
        made["vintage"]["name"] = "another"
        (released.folder / "manifest.json").write_bytes(manifest.dump(made))
    if gone == "the records":
        shutil.rmtree(released.places.restricted)
    if gone == "the cohorts":
        monkeypatch.setattr(again.cohorts, "missing", lambda *_: ["2014-02/harbour"])
    found = check(released)
    words = {"the vintage": "'another'", "the records": "restricted", "the cohorts": "2014-02/"}
    assert words[gone] in found.cannot[""]
    assert found.verdict == (DIFFERS if gone == "the vintage" else verify.PUBLISHED_ONLY)


def test_an_upload_destroyed_since_is_none_that_changed_for_those_after_it(released):
    day = "received = 2013-11-0"
    released.add("early", toml=REQUEST.replace(f"{day}4", f"{day}1"))
    released.add("later")
    log = released.places.requests / "log.csv"
    early = next(row for row in log.read_text().splitlines() if row.startswith("early"))
    log.write_text(log.read_text().replace(early, early.replace("2013-11-04", "2013-11-01")))
    release.run_release("2014-03", released.places, jobs=1, again=True, tell=released.news.append)
    (released.places.requests / "early" / "upload.csv").unlink()
    found = check(released)
    assert found.verdict == verify.PUBLISHED_ONLY, found.line
    assert found.changed == () and found.documents == ()
    assert found.cannot["reports/later"] == "earlier uploads are there no more: early"
    assert {"bulletin", "index.html"} <= found.cannot.keys()
    assert "index.html: it tells of reports that cannot be made again" in found.line


def test_a_request_that_nobody_made_is_not_told_as_made_again(released):
    made = json.loads((released.folder / "manifest.json").read_text())
    made["inputs"]["requests"]["ghost"] = made["inputs"]["requests"]["harbour"]
    made["parameters"]["requests"]["ghost"] = made["parameters"]["requests"]["harbour"]
    (released.folder / "reports" / "ghost").mkdir()
    (released.folder / "manifest.json").write_bytes(manifest.dump(made))
    rehash(released.folder)
    found = check(released)
    assert "reports/ghost" not in found.documents
    assert found.torn["reports/ghost"] == "missing" and found.verdict == DIFFERS
    assert found.cannot["reports/ghost"] == "2014-03 has no such request"


@pytest.mark.parametrize(
    "name",
    [
        "request.toml of x",
        "disclosure.toml of x",
        "upload of x",
        "what was told before",
        "the parameters",
        "the code",
        "offences of the vintage",
    ],
)
def test_what_decides_who_is_counted_withholds_recomputed_numbers(name):
    assert inputs.of_people(["log.csv", name]) == (name,)


def test_no_link_is_followed_and_no_path_leads_out(released, tmp_path):
    secret = tmp_path / "secret.html"
    secret.write_text("canary")
    (released.folder / "index.html").unlink()
    (released.folder / "index.html").symlink_to(secret)
    made = json.loads((released.folder / "manifest.json").read_text())
    made["files"]["../../secret.html"] = "0" * 64
    (released.folder / "manifest.json").write_bytes(manifest.dump(made))
    found = check(released)
    assert {"index.html", "../../secret.html"} <= set(found.torn)
    assert "canary" not in "\n".join(verify.story(found))


def test_what_is_withheld_on_either_side_is_told_on_neither(released):
    found = check(released)
    told = {"id": "a.rate", "value": 0.123, "text": "12%", "suppressed": False}
    held = {**told, "value": None, "text": "[c]", "suppressed": True}
    for before, after in ((told, held), (held, told)):
        apart = replace(
            found,
            figures=compare.figures({"bulletin": [before]}, {"bulletin": [after]}),
            files=(Differing("x.csv", "differs", "", (Place("row 2", "12.3", "[c]"),)),),
        )
        assert "12" not in "".join(line for line in verify.story(apart) if "a.rate" in line)
        assert "12.3" not in "".join(verify.story(apart))


def test_other_people_are_never_held_against_those_published(released):
    rows = people(3)
    result = released.folder / "reports" / "harbour" / "result.json"
    result.write_text(result.read_text().replace("0.2", "0.3"))
    told = "\n".join(verify.story(check(released)))
    assert "made again '0.2" in told and "not shown" not in told
    released.add("harbour", upload=text([*rows[:2], {**rows[2], "location": "Leeds"}]))
    told = "\n".join(verify.story(check(released)))
    assert "not shown" in told and "made again '0.2" not in told


def test_a_signature_taken_away_is_told_and_not_clean(released):
    (released.places.requests / "allowed_signers").write_text("head@example.org ssh-ed25519 AAAA")
    for folder in (released.folder, released.folder / "reports" / "harbour"):
        found = verify.verify(folder, released.places, tell=released.news.append, on=TODAY)
        assert found.verdict == DIFFERS
        assert "not signed, though there is a file allowed_signers" in found.line


def test_only_code_of_this_history_with_the_hash_of_the_manifest_is_run(tmp_path, monkeypatch):
    root = tmp_path / "checkout"
    (root / "jdl").mkdir(parents=True)
    (root / "jdl" / "one.py").write_text("1\n")

    def git(*told):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(["git", "-C", root, *who, *told], capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    monkeypatch.setattr(as_made, "ROOT", root)
    code = {"changed_since": False, "commit": git("commit-tree", "HEAD^{tree}", "-m", "of nobody")}
    made = {"code": code, "environment": manifest.environment()}
    with pytest.raises(Refused, match="is not in the history"):
        as_made.hold_to_history(made)
    code["commit"] = git("rev-parse", "HEAD")
    head = as_made.hold_to_history(made)
    places = release.Places(tmp_path, tmp_path, tmp_path / "outputs")
    with pytest.raises(Refused, match="is not that which its manifest names"):
        as_made.run(head, "c" * 64, places, "2014-03", None, tmp_path / "none", 1)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"commit": None}, "names no commit"),
        ({"commit": "--output=x"}, "names no commit"),
        ({"commit": "0" * 40, "changed_since": True}, "had been changed since"),
        ({"commit": "0" * 40, "changed_since": False}, "not in the history"),
    ],
)
def test_code_that_is_not_at_hand_is_refused_in_words(released, told, why):
    file = released.folder / "manifest.json"
    made = json.loads(file.read_text())
    made["code"] |= told
    file.write_bytes(manifest.dump(made))
    with pytest.raises(Refused, match=why):
        verify.verify(
            released.folder, released.places, as_made=True, tell=released.news.append, on=TODAY
        )
    assert recorded(released) is None


def test_the_page_has_no_fault_that_a_browser_finds(released, tmp_path):
    if chromium() is None:
        pytest.skip("Chromium is not installed (Debian package chromium)")
    (released.folder / "index.html").write_text("other")
    verify.write_page(check(released), tmp_path / "found.html", TODAY)
    with Browser() as browser:
        for width in conformance.WIDTHS:
            address = (tmp_path / "found.html").as_uri()
            assert conformance.browser_findings(browser, address, width) == []


def test_the_page_is_written_whole_and_private(released, tmp_path):
    found = check(released)
    verify.write_page(found, tmp_path / "found.html", TODAY)
    verify.write_page(found, tmp_path / "again.html", TODAY)
    page = (tmp_path / "found.html").read_bytes()
    assert page == (tmp_path / "again.html").read_bytes()
    assert (tmp_path / "found.html").stat().st_mode & 0o777 == 0o600
    assert found.line in page.decode()


def test_an_untouched_release_is_clean_and_nothing_else_is_written(released):
    before = kept(released.places)
    verdict = check(released)
    assert verdict.clean
    assert verdict.line == "2014-03: clean, each of its 14 files comes out the same again."
    assert recorded(released) == CLEAN
    assert kept(released.places) == before


def test_a_changed_digit_is_found_though_the_manifest_agrees(released):
    result = released.folder / "reports" / "harbour" / "result.json"
    result.write_text(result.read_text().replace("0.2", "0.3"))
    rehash(released.folder)
    assert manifest.broken(released.folder) is None
    verdict = check(released)
    assert verdict.differing == ("reports/harbour/result.json",)
    assert verdict.line.startswith("2014-03: differs. 1 of 14 files: reports/harbour/result.json")
    assert recorded(released) == DIFFERS


def other_code(made):
    """Say that it was made by code that is not known here."""
    files = {"jdl/effects.py": "x"}
    made["code"] |= {"files": files, "sha256": manifest.digest_json(files)}


def forge(folder, change):
    """Change a manifest and make all else agree with it."""
    made = json.loads((folder / "manifest.json").read_text())
    change(made)
    (folder / "manifest.json").write_bytes(manifest.dump(made))
    rehash(folder)


def relist(folder):
    """List the files as they are."""
    made = json.loads((folder / "manifest.json").read_text())
    made["files"] = manifest.file_hashes(folder)
    (folder / "manifest.json").write_bytes(manifest.dump(made))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda made: made.update(published_at="2014-01-01T09:30:00"), "releases/2014-03.toml"),
        (lambda made: made.update(endorsed_by="x"), "endorsed_by of the manifest"),
        (
            lambda made: made["vintage"]["tables"]["offenders"].update(rows=5),
            "rows of offenders of the vintage",
        ),
        (lambda made: made["vintage"].update(prepared="x"), "what is prepared of the vintage"),
    ],
)
def test_a_manifest_is_held_in_all_that_it_says(released, change, told):
    forge(released.folder, change)
    found = check(released)
    assert (found.changed, found.verdict) == ((told,), DIFFERS)


def test_what_is_prepared_by_other_code_is_told_and_clean(released):
    forge(released.folder, lambda made: other_code(made) or made["vintage"].update(prepared="x"))
    found = check(released)
    assert found.changed == ("what is prepared of the vintage", "the code")
    assert found.clean, found.line


def test_files_of_code_that_do_not_make_its_hash_are_found(released):
    forge(released.folder, lambda made: made["code"].update(files={"jdl/effects.py": "x"}))
    told = {"manifest.json": "names other files of code than it hashes"}
    assert origin.contradicting(subject.subject_of(released.folder)) == told


def test_a_commit_is_held_to_the_history_of_the_code(released, monkeypatch):
    told = {"commit": "d" * 40, "changed_since": False}
    forge(released.folder, lambda made: made["code"].update(told))
    found = check(released)
    assert found.clean
    assert found.line.endswith("(not held: the commit 'dddddddddddd').")
    then = {"version": "0", "sha256": manifest.digest_json({}), "files": {}}
    monkeypatch.setattr(manifest, "code_at", lambda commit: then)
    assert check(released).line.endswith("comes out the same again.")
    monkeypatch.setattr(manifest, "code_at", lambda commit: {**then, "version": "9"})
    assert list(check(released).torn) == ["manifest.json"]


@pytest.mark.parametrize("change", [lambda made: None, other_code])
def test_a_record_that_tells_otherwise_is_found_whatever_code_made_it(released, change):
    forge(released.folder, change)
    own, crate = "reports/harbour/manifest.json", "ro-crate-metadata.json"
    made = json.loads((released.folder / own).read_text())
    made["seed"] += 1
    (released.folder / own).write_bytes(manifest.dump(made))
    told = (released.folder / crate).read_text()
    page = manifest.digest((released.folder / "index.html").read_bytes())
    (released.folder / crate).write_text(told.replace(page, "0" * 64))
    relist(released.folder)
    assert set(origin.contradicting(subject.subject_of(released.folder))) == {own, crate}


def test_the_metadata_of_a_crate_may_be_worded_otherwise_by_other_code(released):
    crate = released.folder / "ro-crate-metadata.json"
    crate.write_text(crate.read_text().replace("A notebook", "It"))
    assert set(origin.contradicting(subject.subject_of(released.folder))) == {
        "ro-crate-metadata.json"
    }
    forge(released.folder, other_code)
    crate.write_text(crate.read_text().replace("A notebook", "It"))
    relist(released.folder)
    found = check(released)
    assert found.clean
    assert found.unheld == ("the words of ro-crate-metadata.json",)


@pytest.mark.parametrize(
    "name",
    ["extra/ro-crate-metadata.json", "reports/manifest.json", "reports/ghost/manifest.json"],
)
def test_only_the_records_of_a_release_are_not_held_to_the_rerun(released, name):
    (released.folder / name).parent.mkdir(exist_ok=True)
    (released.folder / name).write_text("the reduction was 90%")
    rehash(released.folder)
    assert check(released).differing == (name,)


def test_a_report_is_held_to_the_release_that_it_lies_in(released):
    own = released.folder / "reports" / "harbour" / "manifest.json"
    made = json.loads(own.read_text()) | {"released_as": "x"}
    own.write_bytes(manifest.dump(made))
    told = {"manifest.json": "is not the one that its release lists"}
    assert origin.contradicting(subject.subject_of(own.parent)) == told


def of_schema_1(made, places):
    """Lay a manifest out as the first version did."""
    for name, hashes in made["inputs"]["requests"].items():
        file = places.requests / name / "request.toml"
        hashes["request.toml"] = manifest.digest(file.read_bytes())
    tables = made["vintage"]["tables"].items()
    made["vintage"]["tables"] = {name: told["sha256"] for name, told in tables}
    environment = made["environment"]
    made["environment"] = {key: environment[key] for key in ("python", "packages")}
    del made["code"]["files"]
    made["schema"] = 1


def test_a_release_of_the_first_schema_is_held_in_all_that_it_told(released):
    file = released.folder / "manifest.json"
    made = released.manifest()
    of_schema_1(made, released.places)
    for name in ("ro-crate-metadata.json", "reports/harbour/manifest.json"):
        (released.folder / name).unlink()
        del made["files"][name]
    file.write_bytes(manifest.dump(made))
    found = check(released)
    assert (found.changed, found.verdict) == ((), CLEAN), found.line
    made["inputs"]["requests"]["harbour"]["request.toml"] = "0" * 64
    file.write_bytes(manifest.dump(made))
    assert check(released).changed == ("request.toml of harbour",)


@pytest.mark.parametrize(
    ("schema", "why"), [(1, "is no finished"), (0, "is no finished"), (99, "newer version of jdl")]
)
def test_a_manifest_has_the_schema_that_it_says(released, schema, why):
    forge(released.folder, lambda made: made.update(schema=schema))
    with pytest.raises(Unusable, match=why):
        check(released)


@pytest.mark.parametrize("named", ["2014-03", "2014-04"])
def test_no_release_tells_of_itself_or_of_later_ones(released, named):
    forge(released.folder, lambda made: made["inputs"].update(earlier={named: "0" * 64}))
    with pytest.raises(Unusable, match="is no finished release"):
        check(released)


def test_an_earlier_month_that_is_at_hand_and_not_named_is_told(released):
    earlier = released.places.outputs / "2014-02" / "bulletin"
    earlier.mkdir(parents=True)
    (earlier / "results.csv").write_text("id\nshore\n")
    found = check(released)
    assert found.clean
    assert found.line.endswith("(not held: 2014-02, which is at hand, against it).")


def test_the_verdict_on_a_copy_is_none_on_the_release(released, tmp_path):
    assert check(released).clean
    shutil.copytree(released.folder, tmp_path / "2014-03")
    (tmp_path / "2014-03" / "index.html").write_text("other")
    found = verify.verify(
        tmp_path / "2014-03", released.places, jobs=1, tell=released.news.append, on=TODAY
    )
    assert found.verdict == DIFFERS
    assert recorded(released) == CLEAN


def test_a_file_added_or_taken_away_is_found(released):
    (released.folder / "extra.html").write_text("mine")
    (released.folder / "index.html").unlink()
    rehash(released.folder)
    assert check(released).differing == ("extra.html", "index.html")


def test_a_folder_that_is_not_as_its_manifest_has_it_is_made_again_all_the_same(released):
    (released.folder / "index.html").write_text("other")
    runs = len(released.ran())
    found = check(released)
    assert found.differing == ("index.html",)
    assert found.torn == {"index.html": "changed"}
    assert [one.path for one in found.files] == ["index.html"]
    assert len(released.ran()) > runs


def test_a_changed_upload_is_named(released):
    rows = people(3)
    released.add("harbour", upload=text([*rows[:2], {**rows[2], "location": "Leeds"}]))
    verdict = check(released)
    assert verdict.changed == ("upload of harbour",)
    assert not verdict.clean
    assert verdict.line.endswith("changed since: upload of harbour.")


def test_a_log_that_tells_otherwise_of_then_is_found(released):
    log = released.places.requests / "log.csv"
    log.write_text(log.read_text().replace("Harbour Trust", "Harbour Society"))
    verdict = check(released)
    assert verdict.differing == ("bulletin/log.csv",)
    assert verdict.changed == ("log.csv",)
    assert not verdict.clean


def test_a_log_that_only_went_on_is_told_and_clean(released):
    log = released.places.requests / "log.csv"
    later = "later,New Trust,Later,voluntary,mentoring,2014-03-20,received,2014-03-20,\n"
    log.write_text(log.read_text() + later)
    verdict = check(released)
    assert verdict.clean
    assert verdict.line.endswith("(changed since: log.csv).")


def test_other_code_is_told_and_clean_where_every_file_is_the_same(released, monkeypatch):
    code = {**manifest.code(), "sha256": "another"}
    monkeypatch.setattr(manifest, "code", lambda: code)
    verdict = check(released)
    assert (verdict.clean, verdict.changed) == (True, ("the code",))


def test_a_verdict_stands_until_the_next_on_the_same_manifest(released):
    check(released)
    log = released.places.requests / "log.csv"
    told = log.read_text()
    log.write_text(told.replace("Harbour Trust", "Harbour Society"))
    check(released)
    assert recorded(released) == DIFFERS
    log.write_text(told)
    check(released)
    assert recorded(released) == CLEAN


def test_a_run_that_stops_is_no_clean_verdict_and_its_log_is_kept(released):
    released.add("fails")
    verdict = check(released)
    [why] = verdict.stopped
    assert why.startswith("fails stopped: ")
    log = Path(why.partition("Restricted log: ")[2])
    assert log.is_relative_to(released.places.restricted / "logs")
    assert "Canary" in log.read_text()
    assert recorded(released) == DIFFERS


def test_scratch_is_private_and_cleared_whatever_happens(released, monkeypatch):
    seen = []

    def stops(name, scratch, **options):
        seen.append(scratch.outputs)
        assert scratch.outputs.is_relative_to(released.places.scratch.resolve())
        raise KeyboardInterrupt

    monkeypatch.setattr(again, "run_release", stops)
    with pytest.raises(KeyboardInterrupt):
        check(released)
    [outputs] = seen
    assert not outputs.parent.exists()
    assert recorded(released) is None


@pytest.mark.parametrize(
    ("ends", "left"),
    [
        (Unusable([]), verify.PUBLISHED_ONLY),
        (Refused("who"), DIFFERS),
        (KeyboardInterrupt(), None),
    ],
)
def test_a_verification_begun_takes_the_earlier_verdict_back(released, monkeypatch, ends, left):
    check(released)
    assert recorded(released) == CLEAN

    def stops(*_, **__):
        raise ends

    for name in ("run_release", "run_request"):
        monkeypatch.setattr(again, name, stops)
    with pytest.raises(KeyboardInterrupt) if left is None else nullcontext():
        check(released)
    assert recorded(released) == left


def test_an_upload_that_cannot_be_used_any_more_leaves_no_clean_verdict(released):
    check(released)
    released.add("harbour", upload="forename,surname\nA,B\n")
    found = check(released)
    assert found.verdict == recorded(released) == verify.PUBLISHED_ONLY
    assert "harbour/upload.csv" in found.cannot[""]


def test_people_found_when_it_is_made_again_are_told_of_with_a_log_that_stays(
    released, monkeypatch
):
    check(released)
    monkeypatch.setattr(release, "_hold_to_scan", HOLD_TO_SCAN)
    found = scan.Scan((scan.Find("x.html", "a name", 1, ("zyk",)),), ())
    monkeypatch.setattr(scan, "scan", lambda *arguments: found)
    [why] = check(released).stopped
    assert "cannot be put together, because it would tell" in why
    log = Path(why.partition("restricted file ")[2].partition(". Look")[0])
    assert "zyk" in log.read_text()
    assert log.is_relative_to(released.places.restricted / "logs")
    assert recorded(released) == DIFFERS


def test_a_release_that_tells_of_an_earlier_one_sees_it_again(month):
    earlier = month.places.outputs / "2014-02"
    (earlier / "bulletin").mkdir(parents=True)
    (earlier / "bulletin" / "results.csv").write_text("id\nshore\n")
    month.release()
    assert set(month.manifest()["inputs"]["earlier"]) == {"2014-02"}
    assert check(month).line.startswith("2014-03: clean")
    (earlier / "bulletin" / "results.csv").write_text("id\nother\n")
    assert check(month).changed == ("the results of 2014-02",)


def test_the_command_keeps_to_its_limits(released, monkeypatch):
    seen = []

    def limited(name, scratch, *, limits, **options):
        seen.append(limits)
        raise Refused("held to its limits")

    monkeypatch.setattr(again, "run_release", limited)
    places = {name: getattr(released.places, name) for name in ("data", "requests", "outputs")}
    named = [f"--{name}={folder}" for name, folder in places.items()]
    command = ["verify", "2014-03", "--timeout", "7", "--memory", "3", *named]
    assert cli.main(command) == cli.FAILED
    assert cli.main([*command, "--kernel", "forked"]) == cli.FAILED
    limits = Limits(timeout=7, memory=3_000_000_000, kernel="stock")
    assert seen == [limits, replace(limits, kernel="forked")]


def test_a_name_on_more_than_one_line_forges_no_verdict(released):
    (released.folder / "x\n2014-03: clean\x1b[1m.html").write_text("mine")
    found = check(released)
    assert "\n" not in found.line and "\x1b" not in found.line
    assert not any("\n" in line or "\x1b" in line for line in verify.story(found))


def test_a_manifest_that_is_no_plain_file_is_refused_at_once(released):
    (released.folder / "manifest.json").unlink()
    os.mkfifo(released.folder / "manifest.json")
    with pytest.raises(Unusable, match="is no finished release"):
        check(released)


def test_what_stands_in_the_place_of_another_is_refused(released, tmp_path):
    reports = released.folder / "reports"
    shutil.copytree(reports / "harbour", reports / "other")
    with pytest.raises(Unusable, match="is that of 2014-03, harbour"):
        subject.subject_of(reports / "other")
    shutil.copytree(released.folder, tmp_path / "2014-02")
    with pytest.raises(Unusable, match="is that of 2014-03"):
        subject.subject_of(tmp_path / "2014-02")
    made = {**released.manifest(), "release": "2014-04"}
    (released.folder / "manifest.json").write_bytes(manifest.dump(made))
    with pytest.raises(Unusable, match="is that of 2014-03, harbour"):
        subject.subject_of(reports / "harbour")


@pytest.mark.parametrize("told", ["", "{}", '{"release": "../x", "files": {"a": "b"}}'])
def test_what_is_no_release_is_refused(released, told):
    (released.folder / "manifest.json").write_text(told)
    with pytest.raises(Unusable, match="is no finished release"):
        check(released)


def test_earlier_months_named_like_paths_lead_nowhere(released):
    file = released.folder / "manifest.json"
    made = json.loads(file.read_text())
    made["inputs"]["earlier"] = {"../../outside": "0" * 64}
    file.write_bytes(manifest.dump(made))
    with pytest.raises(Unusable, match="is no finished release"):
        check(released)


def test_a_real_month_is_verified_signed_and_published(outputs, synthetic_out, tmp_path):
    made = json.loads((outputs / "2014-01" / "manifest.json").read_text())
    if made["code"]["sha256"] != manifest.code()["sha256"]:
        pytest.skip("JDL_TEST_OUTPUTS was made by other code")
    requests, mine, public = (tmp_path / name for name in ("requests", "outputs", "public"))
    shutil.copytree(synthetic_out / "requests", requests)
    for name in ("2014-01", ".restricted"):
        shutil.copytree(outputs / name, mine / name)
    places = [*folders(synthetic_out, mine)[:2], "--requests", requests, "--outputs", mine]
    page = mine / "2014-01" / "reports" / "clear-course" / "report.html"

    refused = jdl("publish", "2014-01", *places, "--public", public)
    assert refused.returncode == 1
    assert refused.stderr.count("\n- ") == 2
    assert "signed off" in refused.stderr and "has not been verified" in refused.stderr
    checked = jdl("verify", mine / "2014-01", *places)
    assert checked.returncode == 0, checked.stderr
    with (requests / "releases" / "2014-01.toml").open("a") as file:
        fingerprint = manifest.fingerprint(mine / "2014-01")
        today = in_zone().date().isoformat()
        file.write(f'[sign_off]\nrole = "Head"\non = {today}\nmanifest = "{fingerprint}"\n')
    published = jdl("publish", "2014-01", *places, "--public", public)
    assert published.returncode == 0, published.stderr
    assert not list(public.rglob("facts.html")) and not list(public.rglob("run.json"))
    assert manifest.broken(public / "2014-01") is None
    assert "already public" in jdl("publish", "2014-01", *places, "--public", public).stdout

    page.write_bytes(page.read_bytes().replace(b"2014", b"2015", 1))
    rehash(mine / "2014-01")
    forged = jdl("publish", "2014-01", *places, "--public", public)
    assert forged.returncode == 1
    for why in ("names another release", "has not been verified", "stays as it is"):
        assert why in forged.stderr
