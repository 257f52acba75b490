"""What the tests share: synthetic data and the releases made of them, once a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from months import MONTHS, YEAR, folders, jdl

from jdl.synthetic import synthesise


@pytest.fixture(scope="session")
def synthetic_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a whole synthetic data set: 200,000 offenders, the default seed.

    JDL_TEST_SYNTH names one made earlier, to save time while developing.
    """
    if made := os.environ.get("JDL_TEST_SYNTH"):
        return Path(made)
    out = tmp_path_factory.mktemp("synthetic") / "out"
    synthesise(out)
    return out


@pytest.fixture(scope="session")
def vintage_200k(synthetic_out: Path) -> Path:
    """Return the folder of the vintage of 200,000 offenders."""
    return synthetic_out / "synthetic-2013-10"


@pytest.fixture(scope="session")
def small_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small synthetic data set: 20,000 offenders, the default seed."""
    out = tmp_path_factory.mktemp("synthetic-small") / "out"
    synthesise(out, offenders=20_000)
    return out


@pytest.fixture(scope="session")
def outputs(synthetic_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the outputs folder after three months, released one after the other, and their review.

    JDL_TEST_OUTPUTS names one made earlier, to save time while developing.
    """
    if made := os.environ.get("JDL_TEST_OUTPUTS"):
        return Path(made)
    folder = tmp_path_factory.mktemp("outputs")
    for month in MONTHS:
        done = jdl("release", month, *folders(synthetic_out, folder))
        assert done.returncode == 0, done.stdout + done.stderr
    done = jdl("yearly", YEAR, *folders(synthetic_out, folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
