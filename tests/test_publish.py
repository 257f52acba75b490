"""What keeps a release from the public folder, and what goes there when nothing does."""

import datetime as dt
import errno
import json
import os
import shutil
import stat
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import test_release
from request_files import people, text

from jdl import cli, log, manifest, publish, verify
from jdl.faults import Unusable
from jdl.log import Release, release_hash
from jdl.publish import awaited
from jdl.release import Places, Refused
from jdl.render import SYNTHETIC

month, telling = test_release.month, test_release.telling
NAME, NEXT = "2014-03", "2014-04"
PAGE = f'<p class="status synthetic">{SYNTHETIC}</p>\n'
LONDON = ZoneInfo("Europe/London")
AFTER = dt.datetime(2014, 3, 13, 9, 30, tzinfo=LONDON)
MADE = dt.datetime(2014, 3, 10, 12, 0, tzinfo=dt.UTC)
FACTS = """period_to = 2014-02-28
published_at = 2014-03-13T09:30:00
pre_release = ["Permanent Secretary"]
"""


class Lab:
    """Finished releases in a folder, made by hand, and the public folder beside it."""

    def __init__(self, folder):
        self.places = Places(folder / "data", folder / "requests", folder / "outputs")
        self.public = folder / "public"

    def facts(self, text=FACTS, name=NAME):
        file = self.places.requests / "releases" / f"{name}.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def finish(self, name=NAME, *, page=PAGE, earlier=(), synthetic=True):
        folder = self.folder(name)
        shutil.rmtree(folder, ignore_errors=True)
        for report in ("bulletin", "reports/harbour"):
            (folder / report).mkdir(mode=0o700, parents=True)
        for path in ("index.html", "reports/harbour/report.html", "reports/harbour/audit.html"):
            (folder / path).write_text(page)
        (folder / "reports" / "harbour" / "facts.html").write_text(page)
        (folder / "bulletin" / "results.csv").write_text(f"id\n{name}\n")
        run = {"started": MADE.isoformat(), "host": {"name": "secret-host"}}
        (folder / "run.json").write_text(json.dumps(run))
        told = {one: self.results(one) for one in earlier}
        made = {"release": name, "vintage": {"synthetic": synthetic, "tables": {}}}
        made["inputs"] = {**self.inputs(name), "requests": {}, "log.csv": None, "earlier": told}
        made |= {"code": {"sha256": None}, "environment": {}, "parameters": {}, "seed": 0}
        made["files"] = manifest.file_hashes(folder)
        (folder / "manifest.json").write_bytes(manifest.dump(made))

    def inputs(self, name):
        return {"release": release_hash(self.places.requests, name)}

    def now(self, name, places):
        """Return the inputs as they were when the release was made, but for the release file."""
        made = json.loads((self.folder(name) / "manifest.json").read_text())
        made["inputs"] |= self.inputs(name)
        return {**made, "log_then": made["files"].get("bulletin/log.csv")}

    def results(self, name):
        return manifest.digest((self.folder(name) / "bulletin" / "results.csv").read_bytes())

    def folder(self, name=NAME):
        return self.places.outputs / name

    def sign(self, name=NAME, facts=FACTS, **changed):
        fingerprint = manifest.fingerprint(self.folder(name))
        signed = {"role": '"Head of the lab"', "on": "2014-03-12", "manifest": f'"{fingerprint}"'}
        lines = [f"{key} = {value}" for key, value in {**signed, **changed}.items() if value]
        self.facts(facts + "\n[sign_off]\n" + "\n".join(lines) + "\n", name)

    def verified(self, name=NAME, verdict=verify.CLEAN):
        identity = manifest.digest_manifest(self.folder(name))
        entry = {"release": name, "on": "2014-03-11", "verdict": verdict}
        file = self.places.restricted / verify.FILE
        kept = json.loads(file.read_text()) if file.exists() else {}
        verify.keep(file, {**kept, identity: entry})

    def publish(self, name=NAME, now=AFTER, **options):
        return publish.publish(name, self.places, self.public, now=now, **options)

    def refusal(self, *arguments, **options):
        before = tree(self.public)
        with pytest.raises(Refused) as refused:
            self.publish(*arguments, **options)
        assert tree(self.public) == before
        return str(refused.value)

    def command(self):
        named = ("data", "requests", "outputs")
        folders = [f"--{name}={getattr(self.places, name)}" for name in named]
        return ["publish", NAME, *folders, f"--public={self.public}"]

    def record(self):
        return json.loads((self.places.restricted / publish.FILE).read_text())


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def modes(folder):
    return {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}, {
        stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*")) if path.is_dir()
    }


@pytest.fixture
def lab(tmp_path):
    """Return a release against whose publication nothing stands."""
    made = Lab(tmp_path)
    made.facts()
    made.finish()
    made.sign()
    made.verified()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "inputs_now", made.now)
        yield made


@pytest.fixture
def corrected(lab):
    """Return a release that was published, then made again with what was put right."""
    lab.publish()
    facts = FACTS + "[correction]\nreason = 'A figure was withheld.'\non = 2014-03-14\n"
    lab.facts(facts)
    lab.finish(page=PAGE + "<p>Corrected.</p>\n")
    lab.sign(facts=facts, on="2014-03-14")
    lab.verified()
    return lab


LATER = AFTER + dt.timedelta(days=2)


def test_a_release_against_which_nothing_stands_is_published(lab):
    summary = lab.publish()
    public = lab.public / NAME
    assert summary.look_at == public / "index.html"
    assert set(tree(public)) == {
        "index.html", "manifest.json", "bulletin", "bulletin/results.csv", "reports",
        "reports/harbour", "reports/harbour/report.html", "reports/harbour/audit.html",
    }  # fmt: skip
    assert manifest.broken(public) is None
    assert (
        manifest.file_hashes(public) == json.loads((public / "manifest.json").read_text())["files"]
    )
    assert [path.name for path in lab.public.iterdir()] == [NAME]


def test_everyone_reads_the_public_copy_and_only_the_owner_the_release(lab):
    lab.publish()
    assert modes(lab.public) == ({0o644}, {0o755})
    assert stat.S_IMODE((lab.places.restricted / publish.FILE).stat().st_mode) == 0o600
    assert manifest.broken(lab.folder()) is None
    assert (lab.folder() / "reports" / "harbour" / "facts.html").exists()


def test_folders_made_above_the_public_one_are_open_too(lab):
    lab.public = lab.public / "www" / "releases"
    lab.publish()
    assert modes(lab.public.parent.parent) == ({0o644}, {0o755})


def test_without_an_outputs_folder_none_is_made(lab):
    shutil.rmtree(lab.places.outputs)
    assert "the folder of releases must be there" in lab.refusal()
    assert not lab.places.outputs.exists()


@pytest.mark.parametrize("name", ["../secret.txt", "/secret.txt", "bulletin/link"])
def test_a_manifest_leads_nowhere_outside_its_folder(lab, name):
    secret = lab.places.outputs / "secret.txt"
    secret.write_text("x")
    (lab.folder() / "bulletin" / "link").symlink_to(secret)
    listed = name.replace("/secret.txt", f"{secret}") if name[0] == "/" else name
    made = json.loads((lab.folder() / "manifest.json").read_text())
    made["files"][listed] = manifest.digest(b"x")
    (lab.folder() / "manifest.json").write_bytes(manifest.dump(made))
    lab.sign()
    lab.verified()
    assert f"{listed} does not lie in it" in lab.refusal()


def test_each_publication_is_recorded_with_the_post_that_signed(lab):
    lab.publish()
    [entry] = lab.record()
    assert entry == {
        "release": NAME, "at": AFTER.isoformat(timespec="seconds"),
        "signed_off_by": "Head of the lab", "signed_off_on": "2014-03-12",
        "manifest": manifest.digest_manifest(lab.folder()),
        "public_manifest": manifest.digest_manifest(lab.public / NAME), "superseded": None,
    }  # fmt: skip


def test_publishing_twice_says_so_and_changes_nothing(lab):
    lab.publish()
    before, record = tree(lab.public), lab.record()
    summary = lab.publish(now=LATER)
    assert "already public" in summary.lines[0]
    assert (tree(lab.public), lab.record()) == (before, record)


def test_a_publication_whose_record_was_lost_is_recorded_again(lab):
    lab.publish()
    (lab.places.restricted / publish.FILE).unlink()
    lab.publish(now=LATER)
    assert [entry["superseded"] for entry in lab.record()] == [None]


def test_nothing_is_published_before_its_moment(lab):
    told = lab.refusal(now=AFTER - dt.timedelta(seconds=1))
    assert "embargoed until 2014-03-13 at 09:30" in told
    assert "it is now 2014-03-13 at 09:29" in told


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_embargo_ends_at_one_moment_whatever_the_zone_of_the_machine(lab, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        told = lab.refusal(now=AFTER.astimezone() - dt.timedelta(seconds=1))
        assert "it is now 2014-03-13 at 09:29 (Europe/London)" in told
        lab.publish(now=AFTER.astimezone())
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_embargo_ends_by_the_clock_of_summer_in_summer():
    due = Release("2014-07", dt.date(2014, 6, 30), dt.datetime(2014, 7, 10, 9, 30), None).due
    assert due == dt.datetime(2014, 7, 10, 8, 30, tzinfo=dt.UTC)


def test_a_machine_that_does_not_know_the_zone_says_what_to_install(lab, monkeypatch):
    monkeypatch.setattr(log, "ZONE", "Europe/Nowhere")
    with pytest.raises(Unusable, match="Install the package tzdata"):
        lab.publish()


def test_a_clock_that_went_back_publishes_nothing(lab):
    lab.facts(FACTS.replace("-03", "-04").replace("2014-02-28", "2014-03-31"), NEXT)
    lab.publish(now=dt.datetime(2015, 1, 1).astimezone())
    lab.finish(NEXT, earlier=[NAME])
    assert "earlier than the last publication" in lab.refusal(NEXT, now=AFTER)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"manifest": None}, "names no release"),
        ({"manifest": f'"{"0" * 16}"'}, "names another release"),
        ({"on": "2014-03-14"}, "must not lie in the future"),
        ({"on": "2014-03-09"}, "before the release was made and verified"),
        ({"on": "2014-03-10"}, "before the release was made and verified"),
    ],
)
def test_a_sign_off_is_of_this_release_and_of_its_time(lab, changed, why):
    lab.sign(**changed)
    assert why in lab.refusal()


def test_a_sign_off_needs_the_day_on_which_the_release_was_made(lab):
    (lab.folder() / "run.json").unlink()
    assert "but run.json of the release does not tell when that was" in lab.refusal()


def test_a_release_without_sign_off_says_what_to_write(lab):
    lab.facts()
    assert f'manifest = "{manifest.fingerprint(lab.folder())}"' in lab.refusal()


def test_signing_changes_nothing_of_what_the_release_was_made_from(lab):
    made = json.loads((lab.folder() / "manifest.json").read_text())
    assert made["inputs"]["release"] == release_hash(lab.places.requests, NAME)


def test_a_release_made_again_is_signed_and_verified_again(lab):
    lab.finish(page=PAGE + "<p>Other words.</p>\n")
    told = lab.refusal()
    assert "names another release" in told
    assert "has not been verified" in told


def test_a_release_that_came_out_otherwise_stays(lab):
    lab.verified(verdict=verify.DIFFERS)
    assert "did not come out the same again" in lab.refusal()


def test_a_date_moved_after_the_release_was_made_is_seen(lab):
    lab.sign(facts=FACTS.replace("2014-03-13T09:30", "2014-03-12T09:30"))
    assert "as it was when the release was made, but for the sign-off" in lab.refusal()


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (FACTS.replace('pre_release = ["Permanent Secretary"]', ""), "pre-release access"),
        (None, "must state when it is published"),
    ],
)
def test_the_embargo_and_the_posts_are_stated(lab, facts, why):
    if facts is None:
        (lab.places.requests / "releases" / f"{NAME}.toml").unlink()
    else:
        lab.sign(facts=facts)
    assert why in lab.refusal()


def test_nobody_may_be_stated_as_having_pre_release_access(lab):
    facts = FACTS.replace('"Permanent Secretary"', "")
    lab.facts(facts)
    lab.finish()
    lab.sign(facts=facts)
    lab.verified()
    lab.publish()


def test_a_changed_missing_or_added_file_is_seen(lab):
    page = lab.folder() / "index.html"
    page.write_text("other")
    assert "index.html has been changed" in lab.refusal()
    page.unlink()
    assert "index.html is missing" in lab.refusal()
    page.write_text(PAGE)
    (lab.folder() / "notes.txt").write_text("mine")
    assert "has notes.txt" in lab.refusal()


def test_a_release_that_is_not_there_is_refused(lab):
    shutil.rmtree(lab.folder())
    assert "must be finished" in lab.refusal()
    with pytest.raises(Unusable, match="a release is a month"):
        lab.publish("../outside")


def test_every_reason_is_told_at_once(lab):
    lab.facts(FACTS.replace('pre_release = ["Permanent Secretary"]', ""))
    lab.finish()
    told = lab.refusal(now=AFTER - dt.timedelta(days=1))
    assert told.count("\n- ") == 4
    for word in ("pre-release", "embargoed", "signed off", "verified"):
        assert word in told


def test_earlier_results_are_public_before_they_are_told_again(lab):
    facts = "period_to = 2014-03-31\npublished_at = 2014-04-10\npre_release = []\n"
    now = dt.datetime(2014, 4, 10, 9, 30, tzinfo=LONDON)
    lab.facts(facts, NEXT)
    lab.finish(NEXT, earlier=[NAME])
    lab.sign(NEXT, facts)
    lab.verified(NEXT)
    assert f"Publish {NAME} first" in lab.refusal(NEXT, now)
    lab.publish(now=now)
    lab.publish(NEXT, now)
    assert sorted(path.name for path in lab.public.iterdir()) == [NAME, NEXT]


@pytest.mark.parametrize(
    ("page", "synthetic", "why"),
    [
        ("<p>Unmarked.</p>", True, "must say so"),
        (PAGE + '<p class="status">Official Statistics</p>', True, "must say so"),
        (PAGE + "<p>These are <b>national</b> statistics.</p>", True, "must say so"),
        (PAGE + "<p>An Offi<b>cial</b><br>Statistic</p>", True, "must say so"),
        (PAGE + "<p>Accredited by the Office for Statistics Regulation</p>", True, "must say so"),
        (PAGE + '<img alt="National Statistics">', True, "must say so"),
        (PAGE, False, "must not be marked as synthetic"),
    ],
)
def test_made_up_data_are_marked_and_nothing_else_is(lab, page, synthetic, why):
    lab.finish(page=page, synthetic=synthetic)
    lab.sign()
    lab.verified()
    assert why in lab.refusal()


def test_a_denial_is_no_claim_and_an_accredited_programme_no_statistic(lab):
    told = "Not Official Statistics: no label of official statistics; an accredited programme."
    lab.finish(page=PAGE + f"<p>{told} Office for National Statistics.</p>")
    lab.sign()
    lab.verified()
    lab.publish()


@pytest.mark.parametrize("inside", ["outputs", "outputs/x", ".", "requests/x", "data"])
def test_the_public_folder_lies_apart_from_what_is_private(lab, tmp_path, inside):
    lab.public = tmp_path / inside
    with pytest.raises(Refused, match="the public folder must lie outside"):
        lab.publish()


def test_a_corrected_release_replaces_only_when_asked_and_the_old_is_kept(corrected):
    before = tree(corrected.public / NAME)
    assert "another version of this release is public" in corrected.refusal(now=LATER)
    corrected.publish(now=LATER, again=True)
    assert "Corrected." in (corrected.public / NAME / "index.html").read_text()
    kept = corrected.places.restricted / "superseded" / f"{NAME}-1"
    assert tree(kept) == before
    assert modes(kept) == ({0o600}, {0o700})
    assert [entry["superseded"] for entry in corrected.record()] == [None, kept.name]
    assert [path.name for path in corrected.public.iterdir()] == [NAME]


@pytest.mark.parametrize("on", [None, "2014-03-13"])
def test_a_replacement_says_what_was_put_right_since(lab, on):
    lab.publish(now=LATER)
    facts = FACTS + (f"[correction]\nreason = 'A figure.'\non = {on}\n" if on else "")
    lab.facts(facts)
    lab.finish(page=PAGE + "<p>Other.</p>\n")
    lab.sign(facts=facts)
    lab.verified()
    refused = lab.refusal(now=LATER, again=True)
    assert "must say what was put right since" in refused
    assert ("its day lies before 2014-" in refused) == (on is not None)
    assert ("Correct [correction] with" in refused) == (on is not None)


@pytest.mark.parametrize("where", ["elsewhere", "deleted"])
def test_the_rules_for_corrections_hold_wherever_the_version_before_was_public(lab, where):
    lab.publish()
    lab.finish(page=PAGE + "<p>Other.</p>\n")
    lab.sign()
    lab.verified()
    if where == "elsewhere":
        lab.public = lab.public.with_name("public2")
    else:
        shutil.rmtree(lab.public / NAME)
    assert "public since 2014-03-13T09:30:00+00:00 and stays as it is" in lab.refusal(now=LATER)
    assert "must say what was put right since" in lab.refusal(now=LATER, again=True)


def test_the_same_version_can_be_public_again_after_it_was_deleted_or_defaced(lab):
    lab.publish()
    shutil.rmtree(lab.public / NAME)
    lab.publish(now=LATER)
    (lab.public / NAME / "index.html").write_text("defaced")
    lab.publish(now=LATER, again=True)
    assert manifest.broken(lab.public / NAME) is None
    assert len(lab.record()) == 3


def test_a_public_copy_that_was_changed_is_seen(lab):
    lab.publish()
    (lab.public / NAME / "index.html").write_text("defaced")
    assert "another version of this release is public" in lab.refusal()


def test_a_disk_that_is_full_publishes_nothing(lab, monkeypatch):
    write = Path.write_bytes

    def full(path, content):
        if lab.public in path.parents and path.name == "results.csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(Refused, match="No space left on device"):
        lab.publish()
    assert list(lab.public.iterdir()) == []
    assert not (lab.places.restricted / publish.FILE).exists()


@pytest.mark.parametrize("killed_at", ["copy", "first move", "record"])
def test_a_publication_that_was_killed_is_finished_by_the_next(corrected, monkeypatch, killed_at):
    before = tree(corrected.public / NAME)

    class Killed(BaseException):
        pass

    def killed(*arguments):
        if killed_at == "first move":
            _, folder, old = arguments
            folder.replace(old)
        raise Killed

    target = {"copy": (manifest, "broken"), "first move": (publish, "swap")}
    monkeypatch.setattr(*target.get(killed_at, (verify, "keep")), killed)
    monkeypatch.setattr(publish, "_torn", lambda finished: [])
    monkeypatch.setattr(publish.shutil, "rmtree", lambda *a, **k: None)
    with pytest.raises(Killed):
        corrected.publish(now=LATER, again=True)
    monkeypatch.undo()
    if killed_at == "copy":
        assert tree(corrected.public / NAME) == before
    corrected.publish(now=LATER, again=True)
    assert [path.name for path in corrected.public.iterdir()] == [NAME]
    assert manifest.broken(corrected.public / NAME) is None
    assert "Corrected." in (corrected.public / NAME / "index.html").read_text()
    assert len(corrected.record()) == 2


@pytest.mark.parametrize("stopped", ["before the move", "after the move"])
def test_stopped_on_the_way_it_tells_what_is_public(lab, monkeypatch, capsys, stopped):
    def stop(*arguments):
        raise KeyboardInterrupt

    place = (publish, "swap") if stopped == "before the move" else (verify, "keep")
    monkeypatch.setattr(*place, stop)
    assert cli.main(lab.command()) == cli.INTERRUPTED
    told, there = capsys.readouterr().err, (lab.public / NAME).exists()
    assert there == (stopped == "after the move")
    assert ("Nothing has been published" in told) != there
    assert (f"{NAME} is public already" in told) == there
    monkeypatch.undo()
    lab.publish()
    assert len(lab.record()) == 1


def test_a_record_that_cannot_be_written_does_not_hide_that_it_is_public(lab, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(verify, "keep", full)
    with pytest.raises(Refused, match=r"is public already.*Run the same command again"):
        lab.publish()


def test_a_damaged_record_stops_everything(lab):
    verify.keep(lab.places.restricted / publish.FILE, [{"release": NAME}])
    assert "Restore it from a backup" in lab.refusal()
    verify.keep(lab.places.restricted / publish.FILE, [])
    verify.keep(lab.places.restricted / verify.FILE, {"x": "clean"})
    assert "cannot be read as the record of verifications" in lab.refusal()


def test_the_command_tells_why_not_and_gives_one(lab, capsys):
    command = lab.command()
    lab.verified(verdict=verify.DIFFERS)
    assert cli.main(command) == 1
    assert f"Run: jdl verify {NAME}" in capsys.readouterr().err
    lab.verified()
    assert cli.main(command) == 0
    assert capsys.readouterr().out.endswith(f"Look at {lab.public / NAME / 'index.html'}\n")


def test_only_the_owner_reads_a_release_whatever_the_umask_and_the_folder_it_is_in(month):
    month.places.outputs.mkdir()
    month.places.outputs.chmod(0o755)
    before = os.umask(0)
    try:
        month.release()
    finally:
        os.umask(before)
    made = [path for path in month.places.outputs.rglob("*") if not path.is_symlink()]
    assert month.folder in made
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in made} == {0}


def test_what_is_still_missing_is_told_with_the_fingerprint(lab):
    fingerprint = manifest.fingerprint(lab.folder())
    told = awaited(NAME, lab.places)
    due = "2014-03-13 at 09:30 (Europe/London)"
    assert told == (f"Its fingerprint is {fingerprint}; embargoed until {due}.",)
    lab.facts()
    lab.verified(verdict=verify.DIFFERS)
    assert len(awaited(NAME, lab.places)) == 3
    assert awaited("2014-05", lab.places) == ()


class Ready:
    """A month of tiny notebooks that was released, of which the inputs are looked at."""

    def __init__(self, month):
        self.month, self.public = month, month.places.outputs.parent / "public"

    def told(self):
        """Return what refuses publication because of an input."""
        with pytest.raises(Refused) as refused:
            publish.publish(NAME, self.month.places, self.public, now=AFTER)
        lines = str(refused.value).split("\n- ")[1:]
        about = ("when the release was made", "log.csv", "upload", "disclosure")
        return [line for line in lines if any(word in line for word in about)]


def test_an_input_that_changed_since_the_release_stops_it(month):
    month.release()
    ready, folder = Ready(month), month.places.requests / "harbour"
    log = month.places.requests / "log.csv"
    assert ready.told() == []

    later = "later,New Trust,Later,voluntary,mentoring,2014-03-20,received,2014-03-20,\n"
    before = log.read_text()
    log.write_text(before + later)
    assert ready.told() == []
    log.write_text(before.replace("Harbour Trust", "Harbour Society"))
    assert [line.partition(":")[0] for line in ready.told()] == ["log.csv, as it stood then"]
    log.write_text(before)

    override = "part = 'headline.rate'\nto = 'withhold'\nreason = 'Asked for.'\n"
    override += "role = 'statistician 1'\non = 2014-03-12\n"
    (folder / "disclosure.toml").write_text(f"[[override]]\n{override}")
    [line] = ready.told()
    assert line.startswith("disclosure.toml of harbour: it must be as it was")
    assert f"jdl release {NAME} --replace" in line
    (folder / "disclosure.toml").unlink()

    rows = people(3)
    month.add("harbour", upload=text([*rows[:2], {**rows[2], "location": "Leeds"}]))
    assert [line.partition(":")[0] for line in ready.told()] == ["upload of harbour"]
    month.add("harbour", upload="forename,surname\nA,B\n")
    assert any("upload.csv" in line for line in ready.told())


def test_a_release_held_against_what_was_told_before_has_no_input_that_changed(telling):
    telling.release()
    telling.add("harbour", upload=test_release._upload(range(303)))
    telling.release(again=True)
    assert telling.manifest()["inputs"]["told before"]
    assert Ready(telling).told() == []


@pytest.mark.parametrize("part", ["request.toml", "review", "the vintage"])
def test_a_request_its_reviews_and_the_national_data_are_held_too(month, monkeypatch, part):
    month.release()
    made = month.manifest()
    if part == "the vintage":
        made["vintage"]["extracted"] = "2013-11-30"
        now, name = made, part
    else:
        made["inputs"]["requests"]["harbour"][part] = "0" * 64
        now, name = made, f"{part} of harbour"
    whole = publish.inputs_now(NAME, month.places)
    told = {**now, "log_then": whole["log_then"]}
    monkeypatch.setattr(publish, "inputs_now", lambda name, places: told)
    assert [line.partition(":")[0] for line in Ready(month).told()] == [name]
