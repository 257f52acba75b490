"""The replays of the training study: two played again, and a picture that counts what is kept."""

import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from jdl.learning import replays

STUDY = Path(__file__).parent / "benchmarks" / "replays.py"
COLOURS = {"missed": "#f46a25", "held": "#12436d"}


def test_the_second_replay_played_again_after_the_first_gives_the_row_that_is_kept(tmp_path: Path):
    kept = replays.read().head(2)
    head, first, *_ = replays.FILE.read_text(encoding="utf-8").splitlines(keepends=True)
    file = tmp_path / "replays.csv"
    file.write_text(f"{head}{first}2,1,4", encoding="utf-8")
    subprocess.run([sys.executable, STUDY, "--results", file, "--replays", "2"], check=True)
    pd.testing.assert_frame_equal(replays.read(file), kept, rtol=0, atol=2e-6)


def test_two_hundred_replays_are_kept_each_once():
    kept = replays.read()
    assert kept["replay"].tolist() == list(range(1, 201))
    played = kept.loc[kept["accepted"] == 1]
    assert not played.isna().any(axis=None)
    assert played["truth"].between(-0.12, -0.07).all()


def five() -> pd.DataFrame:
    """Two intervals that hold the truth, one on each side that misses it, and a gate shut."""
    return pd.DataFrame(
        {
            "replay": [1, 2, 3, 4, 5],
            "accepted": [1, 1, 1, 1, 0],
            "treated": [9, 9, 9, 9, 0],
            "truth": [-0.10, -0.10, -0.10, -0.10, None],
            "estimate": [-0.11, -0.05, -0.20, 0.04, None],
            "ci_low": [-0.15, -0.12, -0.25, 0.01, None],
            "ci_high": [-0.07, 0.02, -0.15, 0.07, None],
            "adjusted": [-0.11, -0.05, -0.20, 0.04, None],
            "adjusted_low": [-0.15, -0.12, -0.25, -0.11, None],
            "adjusted_high": [-0.07, -0.01, -0.15, 0.19, None],
        }
    )


def test_what_intervals_held_and_said_is_counted_by_hand():
    found = replays.counts(five())
    assert found.loc["Service's test"].to_dict() == {
        "held": 2, "missed": 2, "width": pytest.approx(0.095),
        "apart": pytest.approx(0.02), "fewer": 2, "more": 1, "open": 1,
    }  # fmt: skip
    assert found.loc["Adjusted check"].to_dict() == {
        "held": 3, "missed": 1, "width": pytest.approx(0.1475),
        "apart": pytest.approx(0.02), "fewer": 3, "more": 0, "open": 1,
    }  # fmt: skip


def test_the_picture_draws_every_interval_and_says_what_the_file_holds(tmp_path: Path):
    file = tmp_path / "five.csv"
    five().to_csv(file, index=False)
    shown = replays.shown(file)
    assert "In 1 of them the gate stayed shut" in repr(shown)
    assert "held the truth in 2 of them, that of the adjusted check in 3" in repr(shown)
    assert "A significant increase was found in 1 and 0." in repr(shown)
    assert "Service's test: 2 hold it, 2 miss it" in shown.picture.alt
    lines = re.findall(r'<path[^>]* stroke="(#[0-9a-f]+)"', shown.picture.svg)
    missed, held = ([one for one in lines if one == COLOURS[kind]] for kind in COLOURS)
    assert (len(missed), len(held)) == (3 + 1, 5 + 1)  # and one of each in the key


def test_the_sentence_of_the_lesson_counts_the_file_that_is_kept():
    kept = replays.read()
    held = int(((kept["ci_low"] <= kept["truth"]) & (kept["truth"] <= kept["ci_high"])).sum())
    check = kept["adjusted_low"].le(kept["truth"]) & kept["truth"].le(kept["adjusted_high"])
    said = replays.shown().told.said
    assert f"held the truth in {held} of them, that of the adjusted check in {check.sum()}" in said
    assert f"reduction in {(kept['ci_high'] < 0).sum()}," in said
    assert "Neither found a significant increase in any." in said
    assert f"lies {100 * (kept['estimate'] - kept['truth']).mean():+.1f} points" in said


def test_what_an_exercise_supposes_of_the_replays_is_so():
    service, check = (replays.counts(replays.read()).loc[name] for name in replays.TESTS)
    assert service["held"] >= 0.95 * 200
    assert service["width"] > check["width"]
    assert service["fewer"] < check["fewer"]
