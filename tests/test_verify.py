"""A finished release is made again, and whatever is not as it comes out is found.

The notebooks are the tiny ones of test_release.py; the last test makes a real month again.
"""

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
import test_release
from months import folders, jdl
from request_files import people, text

from jdl import cli, manifest, release, scan, verify
from jdl.faults import Unusable
from jdl.log import in_zone
from jdl.release import Refused
from jdl.verify import CLEAN, DIFFERS, verdict_on
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


@pytest.fixture
def released(month):
    month.release()
    return month


def test_an_untouched_release_is_clean_and_nothing_else_is_written(released):
    before = kept(released.places)
    verdict = check(released)
    assert verdict.clean
    assert verdict.line == "2014-03: clean, each of its 13 files comes out the same again."
    assert recorded(released) == CLEAN
    assert kept(released.places) == before


def test_a_changed_digit_is_found_though_the_manifest_agrees(released):
    result = released.folder / "reports" / "harbour" / "result.json"
    result.write_text(result.read_text().replace("0.2", "0.3"))
    rehash(released.folder)
    assert manifest.broken(released.folder) is None
    verdict = check(released)
    assert verdict.differing == ("reports/harbour/result.json",)
    assert verdict.line.startswith("2014-03: differs. 1 of 13 files: reports/harbour/result.json")
    assert recorded(released) == DIFFERS


def test_a_report_whose_own_manifest_tells_otherwise_is_found(released):
    file = released.folder / "reports" / "harbour" / "manifest.json"
    made = json.loads(file.read_text())
    made["seed"] += 1
    file.write_bytes(manifest.dump(made))
    whole = json.loads((released.folder / "manifest.json").read_text())
    whole["files"] = manifest.file_hashes(released.folder)
    (released.folder / "manifest.json").write_bytes(manifest.dump(whole))
    assert check(released).differing == ("reports/harbour/manifest.json",)


def test_a_file_added_or_taken_away_is_found(released):
    (released.folder / "extra.html").write_text("mine")
    (released.folder / "index.html").unlink()
    rehash(released.folder)
    assert check(released).differing == ("extra.html", "index.html")


def test_a_folder_that_is_not_as_its_manifest_has_it_is_not_made_again(released):
    (released.folder / "index.html").write_text("other")
    runs = len(released.ran())
    assert check(released).differing == ("index.html",)
    assert len(released.ran()) == runs


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
        raise Unusable([])

    monkeypatch.setattr(verify, "run_release", stops)
    with pytest.raises(Unusable):
        check(released)
    [outputs] = seen
    assert not outputs.parent.exists()
    assert recorded(released) is None


@pytest.mark.parametrize("ends", ["unusable", "refused", "stopped"])
def test_a_verification_begun_takes_the_earlier_verdict_back(released, monkeypatch, ends):
    check(released)
    assert recorded(released) == CLEAN
    how = {"unusable": Unusable([]), "refused": Refused("who"), "stopped": KeyboardInterrupt()}

    def stops(*arguments, **options):
        raise how[ends]

    monkeypatch.setattr(verify, "run_release", stops)
    with pytest.raises(type(how[ends])):
        check(released)
    assert recorded(released) is None


def test_an_upload_that_cannot_be_used_any_more_leaves_no_clean_verdict(released):
    check(released)
    released.add("harbour", upload="forename,surname\nA,B\n")
    with pytest.raises(Unusable):
        check(released)
    assert recorded(released) is None


def test_people_found_when_it_is_made_again_are_told_of_with_a_log_that_stays(
    released, monkeypatch
):
    check(released)
    monkeypatch.setattr(release, "_hold_to_scan", HOLD_TO_SCAN)
    found = scan.Scan((scan.Find("x.html", "a name", 1, ("zyk",)),), ())
    monkeypatch.setattr(scan, "scan", lambda *arguments: found)
    with pytest.raises(Refused, match="cannot be put together, because it would tell") as refused:
        check(released)
    log = Path(str(refused.value).partition("restricted file ")[2].partition(". Look")[0])
    assert "zyk" in log.read_text()
    assert log.is_relative_to(released.places.restricted / "logs")
    assert recorded(released) is None


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

    monkeypatch.setattr(verify, "run_release", limited)
    places = {name: getattr(released.places, name) for name in ("data", "requests", "outputs")}
    named = [f"--{name}={folder}" for name, folder in places.items()]
    command = ["verify", "2014-03", "--timeout", "7", "--memory", "3", *named]
    assert cli.main(command) == cli.FAILED
    assert seen == [Limits(timeout=7, memory=3_000_000_000)]


@pytest.mark.parametrize("told", ["", "{}", '{"release": "../x", "files": {"a": "b"}}'])
def test_what_is_no_release_is_refused(released, told):
    (released.folder / "manifest.json").write_text(told)
    with pytest.raises(Refused, match="is no finished release"):
        check(released)


def test_earlier_months_named_like_paths_lead_nowhere(released):
    file = released.folder / "manifest.json"
    made = json.loads(file.read_text())
    made["inputs"]["earlier"] = {"../../outside": "0" * 64}
    file.write_bytes(manifest.dump(made))
    with pytest.raises(Refused, match="is no finished release"):
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
