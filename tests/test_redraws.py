"""The study of redrawn outcomes at toy size, so that it cannot rot."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jdl import national, prepare

STUDY = Path(__file__).parent / "benchmarks" / "redraws.py"


@pytest.fixture(scope="module")
def data(small_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared copy of the small vintage, with its requests."""
    folder = tmp_path_factory.mktemp("redraws") / "data"
    shutil.copytree(small_out, folder)
    vintage = national.open_vintage(folder)
    prepare.prepare(vintage, None)
    return vintage.folder


def test_lives_are_those_of_the_vintage_and_every_redraw_is_tested(data: Path):
    asked = ["--requests", "harbour-mentoring", "--redraws", "3"]
    command = [sys.executable, STUDY, "--data", data, *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert re.search(r"own draws, (99\.\d+|100\.00)% of the counts", done.stderr)
    head, _, *lines = done.stdout.splitlines()
    names = [cell.strip() for cell in head.split("|")[1:-1]]
    rows = [
        dict(zip(names, (cell.strip() for cell in line.split("|")[1:-1]), strict=True))
        for line in lines
    ]
    told = {(row["measure"], row["test"]) for row in rows if row["request"] == "all"}
    assert told == {
        (measure, test)
        for measure in ("rate", "frequency")
        for test in ("service's test", "adjusted check")
    }
    assert all(row["redraws"] == "3" for row in rows)
    assert all(-0.25 < float(row["truth"]) < 0 for row in rows if row["measure"] == "rate")
