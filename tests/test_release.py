"""A release is whole or not at all, whatever its requests do.

The notebooks here are tiny and their pages a few words; the whole chain is in test_end_to_end.py.
"""

import ast
import datetime as dt
import errno
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import duckdb
import nbformat
import pandas as pd
import pytest
from few_pages import pages, silent, torn_pages
from request_files import REQUEST, people, text, write_request
from small_cohorts import named

from jdl import (
    elsewhere,
    execute,
    manifest,
    national,
    prepare,
    profile,
    release,
    render,
    request,
    review,
    scan,
    workers,
)
from jdl.execute import FORKED, STOCK
from jdl.faults import Unusable
from jdl.log import log_file
from jdl.release import Places, Refused, open_month, run_release, run_request
from jdl.safekeeping import fresh, swap
from jdl.workers import STAGES, Done, Limits, News

NOTEBOOKS = Path(__file__).parent / "notebooks"
HOLD, OPEN = release._hold_to_scan, national.open_vintage
MASTER = manifest.ROOT / "notebooks" / "tailored_report.ipynb"
HEADER = "id,organisation,programme,sector,intervention_type,received,status,status_date,release\n"
ROW = "{},Harbour Trust,Harbour mentoring,voluntary,mentoring,2013-11-04,ready,2014-03-13,2014-03\n"
LOG = HEADER + ROW.format("harbour")


class Month:
    """A month's inputs in a folder, and the runs of it."""

    def __init__(self, folder):
        self.places = Places(folder / "data", folder / "requests", folder / "outputs")
        self.news = []

    def add(self, *names, **written):
        log = self.places.requests / "log.csv"
        for name in names:
            write_request(self.places.requests / name, **{"upload": text(people(3)), **written})
            if f"\n{name}," not in log.read_text():
                log.write_text(log.read_text() + ROW.format(name))

    def release(self, **options):
        return run_release("2014-03", self.places, tell=self.news.append, **{"jobs": 1, **options})

    def run(self, name, **options):
        return run_request(name, self.places, tell=self.news.append, **options)

    @property
    def folder(self):
        return self.places.outputs / "2014-03"

    @property
    def work(self):
        return self.places.work("2014-03")

    def ran(self):
        return [news.name for news in self.news if news.stage == "starting"]

    def manifest(self):
        return json.loads((self.folder / "manifest.json").read_text())


class Here:
    """A crew of nobody: this very process does the work, which saves starting others."""

    def run(self, jobs, tell, after=None, begin=lambda job, left: job):
        waiting, outcomes = {job.name: job for job in jobs}, {}
        while waiting:
            free = (one for one in jobs if one.name in waiting)
            job = next(
                one for one in free if waiting.keys().isdisjoint((after or {}).get(one.name, ()))
            )
            outcome = outcomes[job.name] = workers._attempt(begin(job, set(waiting)), tell)
            del waiting[job.name]
            tell(News(outcome.name, "done" if isinstance(outcome, Done) else "failed", 1.0))
        return [outcomes[job.name] for job in jobs]


@pytest.fixture
def month(tmp_path, monkeypatch):
    """Return a month with one request, on a vintage that is prepared; see `crewed`."""
    monkeypatch.setattr(release, "REPORT", NOTEBOOKS / "acts_as_its_request.ipynb")
    monkeypatch.setattr(release, "BULLETIN", NOTEBOOKS / "counts_results.ipynb")
    monkeypatch.setattr(render, "report_files", pages)
    monkeypatch.setattr(render, "bulletin_files", pages)
    monkeypatch.setattr(render, "index", lambda record, results: f"{len(results)} reports\n")
    record = {"hash": "p" * 64, "inputs": {"offenders": "o" * 64}}
    monkeypatch.setattr(prepare, "is_current", lambda vintage: True)
    monkeypatch.setattr(
        prepare,
        "open_prepared",
        lambda vintage, engine="duckdb": SimpleNamespace(
            con=SimpleNamespace(close=lambda: None), record=record, hash=record["hash"]
        ),
    )
    monkeypatch.setattr(elsewhere, "keep", lambda *register: {})
    monkeypatch.setattr(national, "open_vintage", lambda data, name=None: _vintage(data))
    code = {"version": "0", "sha256": manifest.digest_json({}), "files": {}}
    code |= {"commit": None, "changed_since": None}
    monkeypatch.setattr(manifest, "code", lambda: code)
    monkeypatch.setattr(release, "crew", lambda size: nullcontext(Here()))
    monkeypatch.setattr(release, "_hold_to_scan", lambda asked, made: ())  # there is no register
    made = Month(tmp_path)
    made.places.data.mkdir()
    made.places.requests.mkdir()
    (made.places.requests / "log.csv").write_text(LOG)
    made.add("harbour")
    return made


@pytest.fixture
def crewed(month, monkeypatch):
    """Return the month with real worker processes."""
    monkeypatch.setattr(release, "crew", workers.crew)
    return month


def _vintage(data):
    day = national.dt.date
    return national.Vintage(
        folder=data,
        name="tiny",
        extracted=day(2013, 10, 31),
        offences_to=day(2013, 6, 30),
        convictions_to=day(2013, 6, 30),
        synthetic=True,
        eligible_from=None,
        coverage={},
    )


def _files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_result_that_is_not_shown_is_told_in_the_word_of_the_reports(tmp_path):
    measures = [{"measure": "rate", "conclusion": "suppressed"}]
    result = {"status": "reported", "analyses": [{"headline": True, "measures": measures}]}
    (tmp_path / "result.json").write_text(json.dumps(result))
    assert release._verdict(tmp_path) == "reported, one-year rate: withheld"


def test_a_release_holds_its_reports_bulletin_page_and_manifest(month):
    summary = month.release()
    assert summary.failures == ()
    assert summary.look_at == month.folder / "index.html"
    assert "harbour: reported, one-year rate: reduction" in summary.lines
    names = set(_files(month.folder))
    assert {"index.html", "manifest.json", "run.json", "bulletin/log.csv"} <= names
    assert {"reports/harbour/report.html", "reports/harbour/result.json"} <= names
    assert not any(name.endswith("run.json") for name in names - {"run.json"})
    assert (month.folder / "index.html").read_text() == "1 reports\n"
    told = request.read_log(month.folder / "bulletin")
    pd.testing.assert_frame_equal(told, request.read_log(month.places.requests))
    bulletin = json.loads((month.folder / "bulletin" / "figures.json").read_text())
    assert bulletin[0]["value"] == 1


def test_a_release_holds_the_log_as_it_stood_then(month):
    log = month.places.requests / "log.csv"
    about = "Shore Trust,Shore,voluntary,mentoring"
    log.write_text(
        f"{LOG}shore,{about},2014-02-03,not processed,2014-04-02,2014-04\n"
        f"later,{about},2014-03-03,received,2014-03-03,\n"
    )
    month.release()
    told = (month.folder / "bulletin" / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in told] == ["id", "harbour", "shore"]
    assert told[2].rstrip(",") == f"shore,{about},2014-02-03,received,2014-02-03"
    whole = hashlib.sha256(log_file(request.read_log(log.parent))).hexdigest()
    assert month.manifest()["inputs"]["log.csv"] == whole


def test_the_manifest_holds_every_file_input_and_version(month):
    month.release()
    made = month.manifest()
    for name, content in _files(month.folder).items():
        listed = made["files"].get(name)
        compared = name not in ("manifest.json", "run.json")
        assert listed == (hashlib.sha256(content).hexdigest() if compared else None), name
    assert set(made["inputs"]["requests"]["harbour"]) == {
        "request.toml",
        "upload",
        "earlier uploads",
    }
    log = log_file(request.read_log(month.places.requests))
    assert made["inputs"]["log.csv"] == hashlib.sha256(log).hexdigest()
    assert made["vintage"]["name"] == "tiny"
    assert made["parameters"]["bulletin"] == {"release": "2014-03"}
    assert made["parameters"]["requests"] == {"harbour": {"request_id": "harbour"}}
    assert made["environment"]["packages"]["papermill"]
    assert made["seed"] == prepare.SEED
    assert os.uname().nodename not in json.dumps(made)


def test_the_run_record_holds_seconds_by_stage_and_memory(month):
    month.release()
    run = json.loads((month.folder / "run.json").read_text())
    report, bulletin = run["notebooks"]
    assert (report["name"], bulletin["name"]) == ("harbour", "counts_results")
    assert {"notebook overhead", "linkage", "rendering"} <= set(report["seconds"])
    assert all(seconds >= 0 for seconds in report["seconds"].values())
    assert report["memory"]["worker"] > 1_000_000
    assert run["host"]["name"]


def test_the_run_record_holds_what_each_cell_took(month):
    month.release()
    run = json.loads((month.folder / "run.json").read_text())
    spent = run["notebooks"][0]["spent"]
    told = [(one["stage"], one["part"]) for one in spent]
    assert told[:2] == [("notebook overhead", "starting"), ("notebook overhead", "parameters")]
    assert ("linkage", "certain-passes") in told
    assert told[-2:] == [("notebook overhead", "ending"), ("rendering", "rendering")]
    assert sum(one["kernel"] for one in spent) > 0.1
    assert sum(one["worker"] for one in spent) > 0.01
    for who in (spent[:-1], spent[-1:]):
        peaks = [one["peak"] for one in who]
        assert peaks == sorted(peaks)
    assert 100_000 > spent[0]["peak"] == spent[0]["growth"] > 1
    lines = profile.story(run)
    assert lines[1].startswith("harbour ")
    assert any(line.startswith("    set-up ") for line in lines)


def test_two_releases_of_the_same_inputs_have_the_same_bytes(crewed, tmp_path):
    crewed.add("zeal")
    crewed.release(jobs=1)
    first = _files(crewed.folder)
    crewed.places = Places(crewed.places.data, crewed.places.requests, tmp_path / "elsewhere")
    crewed.release(jobs=2)
    second = _files(crewed.folder)
    first.pop("run.json"), second.pop("run.json")
    assert first == second


def test_outputs_are_for_their_owner_only(crewed):
    crewed.release()
    for path in [crewed.folder, *crewed.folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_leak_stops_a_release_before_its_folder_appears(month, small_out, monkeypatch):
    vintage = OPEN(small_out)
    [register] = small_out.glob("*/offenders.parquet")
    sql = f"SELECT forename, surname FROM '{register}' WHERE length(surname) > 6 LIMIT 1"
    [person] = duckdb.sql(sql).fetchall()
    monkeypatch.setattr(national, "open_vintage", lambda data, name=None: vintage)
    monkeypatch.setattr(release, "_hold_to_scan", HOLD)
    leak = {"note.html": f"<p>{' '.join(person)}</p>".encode()}
    monkeypatch.setattr(render, "report_files", lambda notebook: {**pages(notebook), **leak})
    with pytest.raises(Refused, match="tell who people are") as refused:
        month.release()
    assert "reports/harbour/note.html: full identity (1)" in str(refused.value)
    assert not any(name in str(refused.value) for name in person)
    assert not month.folder.exists()
    assert {path.name for path in month.work.iterdir()} == {"harbour"}
    monkeypatch.setattr(render, "report_files", pages)
    month.news.clear()
    assert month.release().failures == ()
    assert month.ran() == ["harbour", "counts_results"]
    assert month.folder.exists()


def test_nothing_is_left_in_scratch(month):
    month.release()
    left = {path.name for path in month.work.iterdir()}
    assert left == {"harbour"}


def test_a_failing_request_stops_the_month_but_not_the_others(crewed):
    crewed.add("fails", "zeal")
    summary = crewed.release()
    assert [failure.name for failure in summary.failures] == ["fails"]
    message = summary.failures[0].message
    assert "cell certain-passes: stopped with ValueError" in message
    assert "Canary" not in message
    log = Path(message.rpartition("Restricted log: ")[2])
    assert "Wilhelmina Canary" in log.read_text()
    assert log.is_relative_to(crewed.places.outputs / ".restricted")
    for folder in (log.parent, crewed.places.outputs / ".restricted"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not crewed.folder.exists()
    assert (crewed.work / "harbour" / "report.html").exists()
    assert (crewed.work / "zeal" / "report.html").exists()
    assert not (crewed.work / "fails").exists()


def test_after_mending_only_what_failed_is_run_again(month):
    month.add("dies", "zeal")
    month.release()
    (month.places.requests / "dies" / "request.toml").unlink()
    log = month.places.requests / "log.csv"
    log.write_text(log.read_text().replace(ROW.format("dies"), ""))
    month.add("lives")
    month.news.clear()
    summary = month.release()
    assert summary.failures == ()
    assert month.ran() == ["lives", "counts_results"]
    assert "zeal: reported, one-year rate: reduction (not changed since it was made)" in (
        summary.lines
    )


def test_a_page_that_cannot_be_made_is_a_failure_without_its_words(month, monkeypatch):
    monkeypatch.setattr(render, "report_files", torn_pages)
    [failure] = month.release().failures
    assert "after the last cell, stopped with KeyError" in failure.message
    assert "Canary" not in failure.message
    assert not (month.work / "harbour").exists()


def test_a_bulletin_that_fails_publishes_nothing(month, monkeypatch):
    monkeypatch.setattr(release, "BULLETIN", NOTEBOOKS / "fails.ipynb")
    [failure] = month.release().failures
    assert failure.name == "fails"
    assert "cell link: stopped with ValueError" in failure.message
    assert not month.folder.exists()
    assert (month.work / "harbour").exists()


KERNELS = pytest.mark.parametrize("kernel", [FORKED, STOCK])


@KERNELS
@pytest.mark.parametrize("victim", ["worker", "server"])
def test_a_worker_that_is_killed_fails_its_own_request_only(crewed, kernel, victim):
    if (kernel, victim) == (STOCK, "server"):
        pytest.skip("there is none")
    crewed.add("hangs", "zeal")

    def kill(news):
        if news.name == "hangs" and news.stage == "linkage":
            family.extend(_family(os.getpid()))
            _end(family, victim)

    family = []
    limits = Limits(kernel=kernel)
    summary = run_release("2014-03", crewed.places, jobs=1, limits=limits, tell=kill)
    assert [pid for pid in family if _kind(pid)] == []
    assert [failure.name for failure in summary.failures] == ["hangs"]
    assert "the process that ran it died" in summary.failures[0].message
    assert (crewed.work / "zeal").exists()


def test_every_fault_of_every_input_is_told_at_once_and_nothing_is_written(month):
    month.add("short", upload="forename,surname\nQuillon,Zanthrop\n")
    month.add("odd", rest='[method]\ncalliper = {value = 1, reason = "x"}\n')
    (month.places.requests / "log.csv").write_text("id\nharbour\n")
    with pytest.raises(Unusable) as refused:
        month.release()
    where = {fault.where for fault in refused.value.faults}
    assert {"short/upload.csv", "odd/request.toml", "log.csv"} <= where
    override = next(fault for fault in refused.value.faults if fault.where == "odd/request.toml")
    assert override.column == "[method] calliper"
    assert "caliper" in override.remedy
    assert "Zanthrop" not in str(refused.value)
    assert not month.places.outputs.exists()


def test_a_request_may_not_take_another_ones_id(month):
    month.add("odd", rest='[method]\nrequest_id = {value = "harbour", reason = "x"}\n')
    with pytest.raises(Unusable, match="request_id: a method override"):
        month.release()


def test_an_override_reaches_the_notebook_and_the_manifest(month):
    month.add("wide", rest='[method]\ncaliper = {value = 0.5, reason = "few alike"}\n')
    month.release()
    result = json.loads((month.folder / "reports" / "wide" / "result.json").read_text())
    assert result["caliper"] == 0.5
    assert month.manifest()["parameters"]["requests"]["wide"]["caliper"] == 0.5


def test_an_upload_too_late_for_the_vintage_is_a_fault(month):
    late = people(3, intervention_start="2012-06-01", intervention_end="2012-07-01")
    month.add("late", upload=text(late))
    with pytest.raises(Unusable, match="the vintage tiny follows up index dates to 2011-12-31"):
        month.release()


def test_a_month_without_requests_or_facts_is_a_fault(month):
    with pytest.raises(Unusable, match="release 2015-01: a release must have requests"):
        open_month("2015-01", month.places)


def test_what_is_not_a_month_is_a_fault(month):
    with pytest.raises(Unusable, match="YYYY-MM"):
        open_month("../../etc", month.places)


def test_plain_defaults_are_said(month):
    assert any("plain defaults were used" in line for line in month.release().lines)


def test_a_finished_release_is_left_alone(month):
    month.release()
    month.news.clear()
    before = _files(month.folder)
    assert "already there" in month.release().lines[0]
    month.add("zeal")
    with pytest.raises(Refused, match="--replace"):
        month.release()
    assert _files(month.folder) == before
    assert month.ran() == []


def test_replacing_makes_it_again_from_what_has_changed(month):
    month.release()
    month.add("zeal")
    month.news.clear()
    assert month.release(again=True).failures == ()
    assert month.ran() == ["zeal", "counts_results"]
    assert {path.name for path in (month.folder / "reports").iterdir()} == {"harbour", "zeal"}


def test_the_order_of_rows_changes_nothing(month):
    month.release()
    rows = people(3)
    month.add("harbour", upload=text(rows[::-1]))
    assert "already there" in month.release().lines[0]
    month.add("harbour", upload=text([*rows[:2], {**rows[2], "location": "Leeds"}]))
    with pytest.raises(Refused):
        month.release()


@pytest.mark.parametrize("changed", ["log", "request", "release"])
def test_a_changed_input_runs_its_request_again(month, changed):
    month.run("harbour")
    if changed == "log":
        (month.places.requests / "log.csv").write_text(LOG.replace("ready", "published"))
    elif changed == "request":
        month.add("harbour", top='approved_on = 2013-11-01\nspecial_group = "mental health"')
    else:
        (month.places.requests / "releases").mkdir()
        facts = "period_to = 2014-02-28\npublished_at = 2014-03-13\nservice_update = 'New.'\n"
        (month.places.requests / "releases" / "2014-03.toml").write_text(facts)
    month.run("harbour")
    assert month.ran() == ["harbour", "harbour"]


def test_changed_code_runs_a_request_again(month, monkeypatch):
    month.run("harbour")
    code = {**manifest.code(), "sha256": "another"}
    monkeypatch.setattr(manifest, "code", lambda: code)
    month.run("harbour")
    assert month.ran() == ["harbour", "harbour"]


def test_running_one_request_reads_and_writes_only_its_own(month):
    month.add("broken", upload="forename,surname\nQuillon,Zanthrop\n")
    summary = month.run("harbour")
    assert summary.look_at == month.work / "harbour" / "report.html"
    assert summary.look_at.exists()
    assert not month.folder.exists()


def test_a_request_is_run_again_only_when_asked(month):
    month.run("harbour")
    month.run("harbour")
    month.run("harbour", again=True)
    assert month.ran() == ["harbour", "harbour"]


def test_an_unknown_request_is_a_fault_that_names_the_known(month):
    for name in ("nobody", "../harbour", "Harbour"):
        with pytest.raises(Unusable, match="Name one of: harbour"):
            month.run(name)


def test_two_releases_at_once_are_refused(month):
    month.release()
    with release._outputs(month.places, exclusive=True):
        with pytest.raises(Refused, match="Another jdl command is at work"):
            month.release()
        with pytest.raises(Refused, match="Another jdl command is at work"):
            month.run("harbour")
    month.add("zeal")
    with release._outputs(month.places, exclusive=False):
        assert month.run("zeal").failures == ()


def test_outputs_that_cannot_be_written_are_a_fault(month):
    month.places.outputs.write_text("a file where a folder should be")
    with pytest.raises(Unusable, match="the outputs folder must be writable"):
        month.release()


def test_what_a_killed_run_left_is_cleared_and_a_replaced_release_comes_back(month):
    month.release()
    before = _files(month.folder)
    month.folder.replace(month.work / ".replaced")
    (month.work / ".assembly").mkdir()
    (month.work / ".scratch-harbour").mkdir()
    assert "already there" in month.release().lines[0]
    assert _files(month.folder) == before
    assert {path.name for path in month.work.iterdir()} == {"harbour"}


def test_a_replaced_release_comes_back_at_the_start_of_whatever_comes_next(month):
    month.release()
    before = _files(month.folder)
    month.folder.replace(month.work / ".replaced")
    month.run("harbour")
    assert _files(month.folder) == before
    assert not (month.work / ".replaced").exists()


def test_half_of_a_replaced_release_does_not_come_back(month):
    month.release()
    month.folder.replace(month.work / ".replaced")
    (month.work / ".replaced" / "index.html").unlink()
    month.news.clear()
    assert month.release().failures == ()
    assert (month.folder / "index.html").exists()
    assert month.ran() == ["counts_results"]


def _killed(month, name, stage):
    """Release in a process that is killed when it hears of a stage."""

    def tell(news):
        if (news.name, news.stage) == (name, stage):
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        run_release("2014-03", month.places, jobs=1, tell=tell)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


@pytest.mark.parametrize(
    ("name", "stage", "again"),
    [
        ("harbour", "linkage", ["harbour", "zeal", "counts_results"]),
        ("zeal", "starting", ["zeal", "counts_results"]),
        ("counts_results", "done", ["counts_results"]),
    ],
)
def test_a_killed_release_goes_on_from_there_to_the_same_bytes(
    crewed, tmp_path, name, stage, again
):
    crewed.add("zeal")
    assert _killed(crewed, name, stage) == signal.SIGKILL
    assert not crewed.folder.exists()
    crewed.release()
    assert crewed.ran() == again
    assert {path.name for path in crewed.work.iterdir()} == {"harbour", "zeal"}
    assert {path.name for path in crewed.places.scratch.iterdir()} == {".gate"}
    interrupted = _files(crewed.folder)
    crewed.places = Places(crewed.places.data, crewed.places.requests, tmp_path / "elsewhere")
    crewed.release()
    alone = _files(crewed.folder)
    alone.pop("run.json"), interrupted.pop("run.json")
    assert interrupted == alone


@KERNELS
def test_a_kernel_that_is_killed_fails_its_own_request_only(crewed, kernel):
    crewed.add("hangs", "zeal")

    def kill(news):
        if (news.name, news.stage) == ("hangs", "linkage"):
            _end(_family(os.getpid()), "kernel")

    limits = Limits(kernel=kernel)
    summary = run_release("2014-03", crewed.places, jobs=1, limits=limits, tell=kill)
    [failure] = summary.failures
    assert "the kernel died, most often for want of memory: let fewer run" in failure.message
    assert (crewed.work / "zeal").exists()


def _full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_with_its_folder_and_nothing_is_half_written(crewed):
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(os, "fsync", _full)
        with pytest.raises(Refused, match=f"the disk of {crewed.places.outputs} is full"):
            crewed.release()
    assert not crewed.folder.exists()
    assert not (crewed.work / "harbour").exists()
    assert crewed.release().failures == ()


def test_a_disk_that_fills_up_while_a_result_is_written_costs_that_result(month):
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(workers, "put", _full)
        [failure] = month.release().failures
    assert f"the disk of {month.work} is full: make room on it" in failure.message
    assert month.release().failures == ()


def test_a_disk_that_fills_up_at_the_last_step_costs_no_request(month):
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(release, "swap", _full)
        with pytest.raises(Refused, match="what had finished is"):
            month.release()
    assert not month.folder.exists()
    month.news.clear()
    assert month.release().failures == ()
    assert month.ran() == ["counts_results"]


def test_without_locks_nothing_is_made(month, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(release.fcntl, "flock", flock)
    with pytest.raises(Refused, match="has no locks: name a folder on a local disk"):
        month.release()


def test_a_worker_that_hangs_is_ended_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_LOOK", 0.2)
    monkeypatch.setattr(workers, "_GRACE", 0)
    limits = workers.Limits(timeout=1)
    job = workers.Job("hangs", MASTER, {}, {}, pages, tmp_path, tmp_path, "", limits=limits)
    monkeypatch.setattr(workers, "_serve", silent)
    with workers.crew(1) as crew:
        [failure] = crew.run([job], lambda news: None)
        family = _family(os.getpid())
    assert [pid for pid in family if _kind(pid)] == []
    assert "did not finish within 1 s, the time allowed" in failure.message
    assert "--timeout allows more" in failure.message


def test_a_finished_request_that_was_changed_is_made_again(month):
    month.run("harbour")
    (month.work / "harbour" / "report.html").write_text("torn")
    month.release()
    assert month.ran() == ["harbour", "harbour", "counts_results"]


def test_a_finished_release_that_was_changed_is_not_called_finished(month):
    month.release()
    (month.folder / "index.html").unlink()
    with pytest.raises(Refused, match=r"not as it was finished: index.html is missing.*--replace"):
        month.release()
    (month.folder / "manifest.json").unlink()
    with pytest.raises(Refused, match=r"manifest\.json cannot be read"):
        month.release()
    assert month.release(again=True).failures == ()


def test_outcomes_read_by_a_run_that_was_killed_are_entered_by_the_next(month):
    month.run("harbour")
    (month.places.restricted / "outcomes_read.json").unlink()
    month.run("harbour")
    assert month.ran() == ["harbour"]
    assert "harbour" in (month.places.restricted / "outcomes_read.json").read_text()


@pytest.mark.parametrize("mask", [0o000, 0o777])
def test_what_is_made_is_for_its_owner_only_whatever_the_caller_allows(month, mask):
    (month.places.outputs / ".work").mkdir(mode=0o755, parents=True)
    (month.places.outputs / ".restricted").mkdir(mode=0o755)
    before = os.umask(mask)
    try:
        month.release()
    finally:
        os.umask(before)
    made = list(month.places.outputs.rglob("*"))
    assert month.folder in made and month.places.restricted in made
    assert [path for path in made if path.stat().st_mode & 0o077] == []


def test_a_new_outputs_folder_is_for_its_owner_only(month):
    month.release()
    assert stat.S_IMODE(month.places.outputs.stat().st_mode) == 0o700


@KERNELS
def test_stopping_a_release_ends_its_workers_and_kernels(crewed, kernel):
    crewed.add("hangs")

    def interrupt(news):
        if (news.name, news.stage) == ("hangs", "linkage"):
            seen.update({pid: _kind(pid) for pid in _family(os.getpid())})
            os.kill(os.getpid(), signal.SIGINT)

    seen = {}
    with pytest.raises(KeyboardInterrupt):
        limits = Limits(kernel=kernel)
        run_release("2014-03", crewed.places, jobs=2, limits=limits, tell=interrupt)
    assert {"worker", "kernel"} <= set(seen.values())
    assert ("server" in seen.values()) == (kernel == FORKED)
    assert [pid for pid in seen if _kind(pid)] == []
    assert not crewed.folder.exists()


ALONE = """
import os
import signal
import sys
from pathlib import Path

from few_pages import pages
from jdl.workers import Job, Limits, crew


def tell(news):
    if news.stage == "linkage":
        sys.stdin.readline()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    here = Path(sys.argv[2])
    given = {"request_id": "hangs"}
    job = Job(
        "hangs", Path(sys.argv[1]), given, {}, pages, here / "made", here / "logs", "",
        limits=Limits(kernel=sys.argv[3]),
    )
    with crew(1) as workers:
        workers.run([job], tell)
"""


@KERNELS
def test_workers_and_kernels_leave_with_a_killed_parent(tmp_path, kernel):
    script = tmp_path / "alone.py"
    script.write_text(ALONE)
    parent = subprocess.Popen(
        [sys.executable, script, NOTEBOOKS / "acts_as_its_request.ipynb", tmp_path, kernel],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    deadline = time.monotonic() + 120
    while "kernel" not in (kinds := {pid: _kind(pid) for pid in _family(parent.pid)}).values():
        assert parent.poll() is None and time.monotonic() < deadline
        time.sleep(0.2)
    parent.communicate(b"\n", 120)
    assert parent.returncode == -signal.SIGKILL
    assert {"worker", "kernel"} <= set(kinds.values())
    while any(map(_kind, kinds)) and time.monotonic() < deadline:
        time.sleep(0.2)
    left = [pid for pid in kinds if _kind(pid)]
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert left == []


def test_every_stage_begins_with_a_cell_of_the_notebooks():
    notebooks = [nbformat.read(path, as_version=4) for path in (release.REPORT, release.BULLETIN)]
    cells = [cell.id for notebook in notebooks for cell in notebook.cells if cell.id in STAGES]
    assert list(dict.fromkeys(cells)) == list(STAGES)


def test_a_folder_is_put_in_place_of_another_in_one_step(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "old").touch()
    made = fresh(tmp_path / "scratch")
    (made / "new").touch()
    swap(made, tmp_path / "there", tmp_path / "before")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["new"]
    assert [path.name for path in (tmp_path / "before").iterdir()] == ["old"]


def test_news_of_waiting_requests_comes_first(month):
    month.add("zeal")
    month.release()
    assert month.news[:2] == [News("harbour", "waiting", 0.0), News("zeal", "waiting", 0.0)]
    assert News("harbour", "done", 1.0) in month.news


def _children(parent):
    return [
        int(status.parent.name)
        for status in Path("/proc").glob("[0-9]*/stat")
        if _fields(status)[1:2] == [str(parent)]
    ]


def _family(parent):
    """Return what a process has started, and what that has."""
    children = _children(parent)
    return [*children, *(pid for child in children for pid in _family(child))]


def _fields(status):
    try:
        return status.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _kind(pid):
    """Return what a living process is to a release; empty if it is nothing, or gone."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    forked = {"jdl worker": "worker", "jdl kernel": "kernel", "jdl forkserver": "server"}
    started = {b"spawn_main": "worker", b"ipykernel": "kernel"}
    stock = (kind for told, kind in started.items() if told in command)
    return forked.get(name) or next(stock, "") if command else ""


def _end(processes, kind):
    for pid in processes:
        if _kind(pid) == kind:
            os.kill(pid, signal.SIGKILL)


def test_the_month_and_the_log_name_the_same_requests(month):
    log = month.places.requests / "log.csv"
    log.write_text(HEADER + ROW.format("elsewhere"))
    with pytest.raises(Unusable) as unusable:
        month.release()
    where = {fault.where for fault in unusable.value.faults}
    assert where == {"log.csv", "harbour/request.toml"}
    assert not month.places.outputs.exists()


def test_a_month_is_not_published_against_its_log(month):
    log = month.places.requests / "log.csv"
    log.write_text(LOG.replace("ready", "not processed"))
    with pytest.raises(release.Refused, match=r"harbour: log.csv says 'not processed'"):
        month.release()
    assert not month.folder.exists()


@pytest.mark.parametrize(
    ("value", "default", "same"),
    [
        ("five", 0.05, False), (1, 0.05, True), (True, 0.05, False), (0.5, 14, False),
        ([0.1, 0.2], [0.2], True), (["x"], [0.2], False), (0.2, [0.2], False), ("a", "b", True),
    ],
)  # fmt: skip
def test_an_override_is_of_the_notebooks_kind(value, default, same):
    assert request._same_kind(value, default) == same


def test_an_override_of_the_wrong_kind_is_a_fault(month):
    form = month.places.requests / "harbour" / "request.toml"
    name = next(n for n, d in release.defaults_of(release.REPORT).items() if n != "request_id")
    override = f'{name} = {{value = {{}}, reason = "wrong"}}'.replace("{}", "2013-01-01")
    form.write_text(f"{form.read_text()}\n[method]\n{override}\n")
    with pytest.raises(Unusable):
        month.release()


def test_the_masters_defaults_are_read():
    defaults = execute.defaults_of(MASTER)
    assert defaults["link_threshold"] == 0.95 and defaults["calipers"] == [0.2, 0.1, 0.05]
    assert list(defaults) == list(execute.parameters_of(MASTER))


def _decide(month, judgement=review.SAME, register=None):
    """Keep one clerical decision on the request harbour."""
    asked = request.read_request(month.places.requests / "harbour")
    people_ = request.pooled_upload(asked, month.places.requests).people
    tables = {"offenders": register or "o" * 64}
    basis = review.Basis(review.upload_key(people_), review.register_key(tables))
    answer = review.Answer(
        case=review.row_keys(people_).iloc[0],
        source="harbour",
        row=2,
        purpose="doubtful",
        role="statistician 1",
        reason="rare names agree",
        model="m" * 64,
        on="2014-03-03",
        pairs=(review.Pair("offender-17", judgement, 0.5, False),),
    )
    review.keep(month.places.restricted, "harbour", basis, answer)


def test_a_request_is_run_again_after_its_review(month):
    month.add("zeal")
    month.release()
    _decide(month)
    with pytest.raises(Refused, match="--replace"):
        month.release()
    month.news.clear()
    month.release(again=True)
    assert month.ran() == ["harbour", "counts_results"]
    month.run("harbour")
    _decide(month, review.DIFFERENT)
    month.run("harbour")
    assert month.ran() == ["harbour", "counts_results", "harbour"]


def test_the_manifest_holds_the_hash_of_a_review_and_nothing_else_of_it(month):
    month.add("zeal")
    _decide(month)
    month.release()
    inputs = month.manifest()["inputs"]["requests"]
    assert set(inputs["harbour"]) == {"request.toml", "upload", "earlier uploads", "review"}
    assert set(inputs["zeal"]) == {
        "request.toml",
        "upload",
        "earlier uploads",
    }
    assert len(inputs["harbour"]["review"]) == 64
    published = b"".join(_files(month.folder).values())
    for told in (b"offender-17", b"statistician 1", b"rare names"):
        assert told not in published
    assert not any("review" in name for name in _files(month.folder))


def test_a_review_of_another_register_is_told_and_changes_nothing(month):
    month.release()
    _decide(month, register="x" * 64)
    assert "already there" in month.release().lines[0]
    month.news.clear()
    lines = month.run("harbour").lines
    assert month.ran() == []
    assert [line for line in lines if "Clerical" in line] == [
        "harbour: Clerical decisions on 1 person were made on another upload or another extract of "
        "the national data; they are kept and not used."
    ]


def test_a_damaged_review_is_a_fault_before_anything_is_made(month):
    _decide(month)
    file = review.file_of(month.places.restricted, "harbour")
    file.write_text('{"Wilhelmina": 1}')
    month.add("harbour", upload="forename,surname\nQuillon,Zanthrop\n")
    with pytest.raises(Unusable) as refused:
        month.release()
    where = {fault.where for fault in refused.value.faults}
    assert where == {"harbour/upload.csv", "review/harbour.json"}
    assert "Wilhelmina" not in str(refused.value)
    assert not month.folder.exists()
    assert not month.places.work("2014-03").exists()


def test_a_notebook_is_told_where_decisions_lie(month, monkeypatch, tmp_path):
    opened = open_month("2014-03", month.places)
    for name, folder in release._environment(opened, month.work).items():
        monkeypatch.setenv(name, folder)
    assert national.workplace().restricted == month.places.restricted.resolve()
    monkeypatch.delenv("JDL_RESTRICTED")
    assert national.workplace().restricted == month.places.outputs.resolve() / ".restricted"


def test_an_answer_waits_until_no_run_reads_what_it_changes(month):
    opened = open_month("2014-03", month.places)
    kept = threading.Event()

    def answer():
        with release._alone(opened, "harbour"):
            kept.set()

    month.work.mkdir(parents=True)
    for hold in (
        release._outputs(month.places, exclusive=True),
        release.lock(month.work / ".harbour.lock", exclusive=True),
    ):
        kept.clear()
        writer = threading.Thread(target=answer)
        with hold:
            writer.start()
            assert not kept.wait(0.3)
        writer.join(30)
        assert kept.is_set()
    with release._outputs(month.places, exclusive=False):
        answer()


def test_nobody_is_looked_for_whose_request_cannot_be_processed(month, monkeypatch):
    monkeypatch.setattr(release, "REPORT", MASTER)
    form = month.places.requests / "harbour" / "request.toml"
    unsigned = form.read_text().partition("[data_sharing]")[0]
    form.write_text(unsigned)
    with pytest.raises(Refused, match=r"harbour cannot be processed.*has not signed off"):
        release.open_desk("harbour", month.places, tell=month.news.append).__enter__()
    assert month.news == []


def _linkage_steps(source):
    """The calls of a linkage in source code, in order."""
    functions = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    steps = [
        (function.lineno, function.attr)
        for function in functions
        if isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "linkage"
    ]
    known = ("clean", "candidates", "deterministic", "score", "corroborate", "decide")
    return [name for _, name in sorted(steps) if name in known]


def test_a_desk_links_by_the_steps_of_the_master_notebook():
    cells = nbformat.read(MASTER, as_version=4).cells
    until = [cell.id for cell in cells].index("linkage-table") + 1
    notebook = "\n".join(cell.source for cell in cells[:until] if cell.cell_type == "code")
    told = _linkage_steps(notebook)
    assert told[-1] == "decide"
    assert _linkage_steps(Path(release.__file__).read_text()) == told


def test_a_request_whose_outcomes_were_read_cannot_be_withdrawn_afterwards(month):
    month.release()
    day = dt.date.today().isoformat()
    ledger = json.loads((month.places.restricted / "outcomes_read.json").read_text())
    assert ledger == {"harbour": day}
    log = month.places.requests / "log.csv"
    withdrawn = ROW.format("harbour").replace(",ready,2014-03-13,", f",withdrawn,{day},")
    log.write_text(log.read_text().replace(ROW.format("harbour"), withdrawn))
    with pytest.raises(Unusable, match="only before its outcomes are read"):
        month.release(again=True)


@pytest.fixture
def telling(month, monkeypatch):
    """Return the month with a notebook that goes through disclosure control."""
    monkeypatch.setattr(release, "REPORT", NOTEBOOKS / "tells_of_its_people.ipynb")
    month.add("harbour", upload=_upload(range(300)))
    return month


def _upload(numbers):
    """An upload of people whose surnames stand for these numbers."""
    rows = people(len(numbers))
    pairs = zip(rows, numbers, strict=True)
    return text([{**row, "surname": named(number)} for row, number in pairs])


def _conclusion(month, name):
    result = json.loads((month.folder / "reports" / name / "result.json").read_text())
    return result["analyses"][0]["measures"][0]["conclusion"]


def test_a_release_holds_its_reports_against_those_told_and_keeps_its_own(telling):
    """Corrected with three people more, the report is held against itself; then all is the same."""
    assert telling.release().failures == ()
    assert _conclusion(telling, "harbour") != "suppressed"
    assert not {"cohorts.json", "disclosure.json"} & {one.name for one in telling.folder.rglob("*")}
    kept = telling.places.restricted / "cohorts" / "2014-03"
    assert [one.name for one in kept.iterdir()] == ["harbour.json"]
    assert telling.places.decisions("2014-03", "harbour").exists()
    first = _files(telling.folder)
    shutil.rmtree(telling.work)
    telling.release(again=True)
    second = _files(telling.folder)
    first.pop("run.json"), second.pop("run.json")
    assert first == second
    telling.add("harbour", upload=_upload(range(303)))
    telling.release(again=True)
    assert _conclusion(telling, "harbour") == "suppressed"
    assert {one.name for one in kept.iterdir()} == {"harbour.json", "harbour.1.json"}
    (kept / "harbour.1.json").write_text("[]")
    with pytest.raises(Refused, match=r"2014-03/harbour\.1\..*Restore that folder"):
        telling.release(again=True)


def _correct(month):
    """Correct harbour, reported in March, in May."""
    again = ROW.format("harbour").replace("2014-03", "2014-05")
    lines = [f"{HEADER.strip()},corrects", LOG.splitlines()[1] + ",", f"{again.strip()},2014-03"]
    (month.places.requests / "log.csv").write_text("\n".join(lines))
    told = '[correction]\nof = "2014-03"\nreason = "Dates were misread."\non = 2014-05-01\n'
    toml = REQUEST.replace("2014-03", "2014-05")
    month.add("harbour", toml=toml, rest=told, upload=_upload(range(330)))


def test_an_earlier_month_made_again_is_as_it_was_before_the_correction(telling):
    upload = (telling.places.requests / "harbour" / "upload.csv").read_text()
    telling.release()
    first = _files(telling.folder)
    _correct(telling)
    harbour = telling.places.requests / "harbour"
    with pytest.raises(Unusable, match="what it was in 2014-03 is not kept"):
        telling.release(again=True)
    before = harbour / "before-2014-05"
    write_request(before, toml=REQUEST.replace("{id}", "harbour"), upload=upload)
    made = run_release("2014-05", telling.places, jobs=1, tell=telling.news.append)
    assert made.failures == ()
    assert _files(telling.folder) == first
    held = json.loads((telling.places.outputs / "2014-05" / "manifest.json").read_text())
    of = held["inputs"]["requests"]["harbour"]["corrected report"]
    assert of == manifest.digest(first["reports/harbour/result.json"])
    telling.release(again=True)
    second = _files(telling.folder)
    changed = {name for name in {*first, *second} if first.get(name) != second.get(name)}
    assert {name for name in changed if not manifest.is_record(name)} <= {"run.json"}


def test_requests_that_share_people_come_out_the_same_one_by_one_and_side_by_side(
    telling, monkeypatch, tmp_path
):
    """Both run at first as if alone; the second is then held against the first."""
    monkeypatch.setattr(release, "crew", workers.crew)
    telling.add("zeal", upload=_upload(range(303)))
    made = []
    for jobs in (1, 2):
        telling.places = Places(
            telling.places.data, telling.places.requests, tmp_path / f"outputs of {jobs}"
        )
        assert telling.release(jobs=jobs).failures == ()
        assert _conclusion(telling, "zeal") == "suppressed" != _conclusion(telling, "harbour")
        made.append(_files(telling.folder))
        made[-1].pop("run.json")
    assert made[0] == made[1]


def test_a_request_waits_for_those_that_are_foreseen_to_share_people(telling, monkeypatch):
    """Three requests share people by way of the second, two nobody; none runs twice."""
    monkeypatch.setattr(release, "crew", workers.crew)
    telling.add("alone", upload=_upload(range(900, 990)))
    telling.add("zeal", upload=_upload(range(250, 600)))
    telling.add("zest", upload=_upload(range(550, 850)))
    telling.add("other", upload=_upload(range(1000, 1090)))
    monkeypatch.setattr(elsewhere, "keep", _by_surname)
    assert telling.release(jobs=2).failures == ()
    ran = [name for name in telling.ran() if name != release.BULLETIN.stem]
    assert sorted(ran) == ["alone", "harbour", "other", "zeal", "zest"]


def test_the_order_of_a_month_names_every_request_and_runs_none(telling, monkeypatch):
    telling.add("alone", upload=_upload(range(900, 990)))
    telling.add("zeal", upload=_upload(range(250, 600)))
    monkeypatch.setattr(elsewhere, "keep", _by_surname)
    order = release.run_order("2014-03", telling.places, tell=telling.news.append)
    assert list(order.items()) == [("alone", set()), ("harbour", set()), ("zeal", {"harbour"})]
    assert telling.ran() == []
    for name in order:
        telling.run(name)
    telling.news.clear()
    assert telling.release().failures == ()
    assert telling.ran() == [release.BULLETIN.stem]


def test_the_same_request_asked_for_twice_at_once_runs_once(month):
    """The second waits for the first, as a scheduler that starts a job again would want."""
    month.run("harbour")
    month.news.clear()
    second = threading.Thread(target=month.run, args=("harbour",))
    with release.lock(month.work / ".harbour.lock", exclusive=True):
        second.start()
        second.join(1)
        assert second.is_alive() and month.news == []
    second.join(30)
    assert not second.is_alive()
    assert [news.stage for news in month.news] == ["not changed"]


def _by_surname(restricted, uploads, ready, ways):
    """Stand in for the register."""
    return {one.id: frozenset(request.took_part(one)["surname"]) for one in uploads}


def test_what_the_scan_finds_stops_the_release_and_is_cleared_away(month, monkeypatch):
    monkeypatch.setattr(release, "_hold_to_scan", HOLD)
    found = scan.Find("index.html", "a name", 1, ("zyk",))
    monkeypatch.setattr(scan, "scan", lambda *places: scan.Scan((found,), ()))
    with pytest.raises(Refused, match="would tell who people are"):
        month.release()
    assert not month.folder.exists()
    assert not (month.work / ".assembly").exists()


def test_a_replaced_release_that_was_changed_is_set_aside(month):
    month.release()
    month.folder.replace(month.work / ".replaced")
    (month.work / ".replaced" / "index.html").write_text("touched by an editor")
    month.run("harbour")
    aside = month.places.restricted / "set aside" / "2014-03-1"
    assert (aside / "index.html").read_text() == "touched by an editor"
    assert not month.folder.exists() and not (month.work / ".replaced").exists()


@pytest.mark.parametrize("name", ["bulletin", "con", "nul", "com1"])
def test_ids_that_stand_for_something_else_are_refused(month, name):
    month.add(name)
    with pytest.raises(Unusable, match="not bulletin or a device of Windows"):
        month.release()
