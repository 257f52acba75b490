"""The simulation study at toy size, so that it cannot rot."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "benchmarks"
STUDY = FOLDER / "inference.py"


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("inference")
    sys.path.remove(str(FOLDER))


def run(file, *arguments):
    names = ("--scenario", "small pool", "--scenario", "30 people")
    command = [sys.executable, STUDY, "--results", file, "--jobs", "1", *names, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_stopped_study_goes_on_and_ends_with_the_same_tables(tmp_path):
    whole, stopped = tmp_path / "whole.csv", tmp_path / "stopped.csv"
    first = run(whole, "--replications", "4")
    assert first.returncode in (0, 1), first.stderr
    assert "| small pool | adjusted check |" in first.stdout
    assert "| 30 people | rate: coverage, % |" in first.stdout
    lines = whole.read_bytes().splitlines(keepends=True)
    stopped.write_bytes(b"".join(lines[:4]) + lines[4][:70])
    again = run(stopped, "--replications", "4")
    assert again.stdout == first.stdout
    assert sorted(stopped.read_bytes().splitlines()) == sorted(whole.read_bytes().splitlines())


def test_a_bound_is_missed_only_by_more_than_two_errors(study):
    cell = study.mean(np.array([0.0, 1.0] * 50))
    assert cell.value == 0.5
    assert cell.error == pytest.approx(np.sqrt(0.25 / 99), rel=1e-12)
    assert study.resampled(lambda rows: len(rows), 9).error == 0


def test_the_truth_is_planted_in_who_is_analysed(study):
    request = study.draw("small pool", 3)
    matched = study._matched(request)
    row = study.replicate("small pool", 3)
    assert row["truth_rate"] == request.gain_rate[matched.kept].mean() < 0
    assert row["analysed"] == matched.kept.sum()
    assert (request.rate_with <= request.rate[request.treated]).all()
    assert set(row) == set(study.COLUMNS) - {"redrawn", "found"}
    ours = request.rate[matched.rows][: matched.kept.sum()].mean()
    weights = matched.weight[matched.kept.sum() :]
    theirs = np.average(request.rate[matched.rows][matched.kept.sum() :], weights=weights)
    assert row["service.rate.null.estimate"] == pytest.approx(ours - theirs, rel=1e-9)
