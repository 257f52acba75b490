"""The linkage study at toy size, so that it cannot rot, and how the cost of a request adds up."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import overhead  # noqa: E402

STUDY = BENCHMARKS / "linkage.py"
SIZE = ["--small", "20000", "71", "--large", "20000", "71", "--rows", "500"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


def tables(part: str, folder: Path, *more: str) -> list[list[dict[str, str]]]:
    """The Markdown tables that a part prints, a dict a row."""
    command = [sys.executable, "-W", "error::FutureWarning", STUDY, part, "--folder", folder]
    done = subprocess.run(
        [*command, *SIZE, *more], check=True, stdout=subprocess.PIPE, text=True, timeout=900
    )
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", done.stdout, re.M):
        head, _, *rows = ([c.strip() for c in line.split("|")[1:-1]] for line in block.splitlines())
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def test_accuracy_is_that_of_a_toy_register(folder: Path):
    first, groups, slips, missed, reviews = tables("accuracy", folder, "--seeds", "1", "2")
    by_upload = {row["upload"]: row for row in first if row["seed"] == "mean"}
    assert len(by_upload) == 4
    for row in by_upload.values():
        assert float(row["precision"]) > 0.99
        assert float(row["recall"]) > 0.92
        assert float(row["recall after review"]) >= float(row["recall"])
    recall = {name: float(row["recall"]) for name, row in by_upload.items()}
    assert recall["without identifiers"] < recall["as sent"] < recall["as sent, with sentences"]
    assert {"reoffended later", "sex", "identifiers sent"} <= {row["by"] for row in groups}
    lost = {row["slip"]: int(row["without identifiers"]) for row in slips}
    assert lost["no date of birth"] > 0
    assert missed
    assert reviews


def test_calibration_counts_what_was_linked(folder: Path):
    (rows,) = tables("calibration", folder, "--most", "1")
    whole = {row["without identifiers"]: row for row in rows if row["posterior"] == "all"}
    assert set(whole) == {"alone", "with sentences"}
    for name, row in whole.items():
        parts = [one for one in rows if one["without identifiers"] == name and one is not row]
        assert sum(int(one["links"]) for one in parts) == int(row["links"]) > 300
        assert float(row["expected false"]) < 10


def test_the_sentence_found_is_the_one_of_the_participation(folder: Path):
    (rows,) = tables("sentence", folder, "--seeds", "1")
    assert sum(int(row["right sentence"]) for row in rows) > 0.98 * sum(
        int(row["people linked rightly"]) for row in rows
    )


def test_the_same_bytes_come_out_in_any_order(folder: Path):
    (rows,) = tables("same-bytes", folder)
    assert len(rows) == 5
    assert len({(row["links"], row["model"]) for row in rows}) == 1


def test_peers_are_measured_on_the_same_uploads(folder: Path):
    methods = ["jdl", "ten exact rules", "Splink, jdl's saved model"]
    (rows,) = tables("peers", folder, "--seeds", "1", "--methods", *methods)
    recall = {row["method"]: float(row["recall"]) for row in rows if row["upload"] == "as sent"}
    assert list(recall) == methods
    assert min(recall.values()) > 0.8
    assert recall["jdl"] > recall["ten exact rules"]


def test_speed_tells_what_a_process_of_its_own_took(folder: Path):
    methods = ["jdl, with sentences", "Splink, trained at once"]
    first, second = tables("speed", folder, "--repetitions", "1", "--methods", *methods)
    for row in first + second:
        assert float(row["seconds, median"]) > 0
        assert 0.1 < float(row["peak memory, GB"]) < 2
    assert first[0]["ratio to the first"] == "1.00"


def test_the_seconds_of_the_command_itself_count_too(tmp_path: Path, monkeypatch):
    made = tmp_path / ".work" / "2014-03" / "north"
    made.mkdir(parents=True)
    for name in ("north", "south"):
        (tmp_path / "2014-03" / "reports" / name).mkdir(parents=True)
    (tmp_path / "north").mkdir()
    (tmp_path / "north" / "request.toml").write_text('release = "2014-03"')
    spent = [
        {"part": part, "kernel": kernel, "worker": 0.1}
        for part, kernel in (("starting", 0.4), (overhead.SET_UP, 0.5), ("effects", 3.0))
    ]
    (made / "run.json").write_text(json.dumps({"spent": spent}))
    monkeypatch.setattr(overhead, "measured", lambda *_: (12.2, 1))
    monkeypatch.setattr(overhead, "by_commands", lambda *_: overhead.Cost(18.4, 3.0, 1))
    monkeypatch.setattr(overhead, "loading", lambda: overhead.Cost(4.5, 0.0, 1))
    _, *rows = overhead.table(tmp_path, tmp_path, tmp_path, ("north",))
    assert [row[:4] for row in rows] == [
        ("north, in a release of 2", "5.20", "18.40", "3.5"),
        ("north, one `jdl run` by itself", "9.20", "18.40", "2.0"),
        ("command and fork server, once", "8.00", "", ""),
        ("of these the fork server", "4.50", "", ""),
    ]
