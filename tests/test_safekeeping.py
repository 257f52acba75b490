"""Whole or not at all, and nothing left behind."""

import errno
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from jdl import safekeeping
from jdl.safekeeping import obstacle, private, put, scratch, swap, write


def _full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "ledger.json"
    write(file, b"old")
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(OSError, match="No space"):
        write(file, b"new")
    assert file.read_bytes() == b"old"
    assert _names(tmp_path) == {"ledger.json"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_private_folder_has_no_open_one_above_it_that_was_missing(tmp_path):
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        private(tmp_path / "restricted" / "logs" / "scan")
    finally:
        os.umask(before)
    made = list(tmp_path.rglob("*"))
    assert len(made) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_what_a_killed_writer_left_aside_is_no_obstacle(tmp_path):
    (tmp_path / ".ledger.json.new").write_text("hal")
    write(tmp_path / "ledger.json", b"whole")
    assert _names(tmp_path) == {"ledger.json"}


def test_a_folder_that_cannot_be_written_leaves_the_one_that_is_there(tmp_path, monkeypatch):
    put({"a": b"old"}, tmp_path / "made")
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(OSError, match="No space"):
        put({"a": b"new"}, tmp_path / "made")
    assert (tmp_path / "made" / "a").read_bytes() == b"old"
    assert _names(tmp_path) == {"made"}


def test_a_folder_comes_back_when_the_other_cannot_take_its_place(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(FileNotFoundError):
        swap(tmp_path / "missing", tmp_path / "there", tmp_path / "old")
    assert _names(tmp_path) == {"there"}


def test_temporary_files_lie_in_one_private_folder_and_go_with_it(tmp_path):
    before = os.environ.get("TMPDIR"), tempfile.gettempdir()
    with scratch(tmp_path / "scratch") as folder:
        assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(folder)
        Path(tempfile.mkstemp()[1]).write_text("a person")
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)}
        assert modes == {0o700}
    assert (os.environ.get("TMPDIR"), tempfile.gettempdir()) == before
    assert _names(tmp_path / "scratch") == {".gate"}


HOLDS = """
import sys, time
from pathlib import Path
from jdl.safekeeping import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "names").touch()
    print(folder.name, flush=True)
    time.sleep(600)
"""


def _started(*command):
    """Start a Python process; return it with the first word it says."""
    started = subprocess.Popen(
        [sys.executable, "-c", *command], stdout=subprocess.PIPE, text=True, env=_environment()
    )
    with started.stdout as told:
        return started, told.readline().strip()


def _environment():
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_the_next_start_clears_what_a_killed_process_left_and_nothing_of_a_living_one(tmp_path):
    killed, left = _started(HOLDS, str(tmp_path))
    killed.kill()
    killed.wait()
    assert (tmp_path / left / "names").exists()
    living, kept = _started(HOLDS, str(tmp_path))
    try:
        assert _names(tmp_path) == {".gate", kept}
        safekeeping.clear(tmp_path)
        assert (tmp_path / kept / "names").exists()
    finally:
        living.kill()
        living.wait()
    safekeeping.clear(tmp_path)
    assert _names(tmp_path) == {".gate"}


STARTS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
print(child.pid, flush=True)
time.sleep(600)
"""
HELPS = """
import sys, time
from jdl.safekeeping import end_with_parent
end_with_parent(int(sys.argv[1]))
time.sleep(600)
"""


def test_a_helper_ends_in_the_instant_its_parent_does():
    parent, number = _started(STARTS, HELPS)
    helper = Path("/proc") / number
    time.sleep(1)
    parent.kill()
    parent.wait()
    until = time.monotonic() + 5
    while _lives(helper) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(helper)


def _lives(process):
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_helper_whose_parent_has_gone_already_ends_at_once():
    done = subprocess.run([sys.executable, "-c", HELPS, "1"], env=_environment(), timeout=60)
    assert done.returncode == -signal.SIGKILL


IMAGE = """
import ctypes, resource
from jdl.safekeeping import leave_no_image
leave_no_image()
print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_a_process_that_crashes_leaves_no_image():
    command = [sys.executable, "-c", IMAGE]
    told = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["0", "0"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "the disk of out is full: make room"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "x"), "out, or a file in it, may not be"),
        (OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)), "the file system of out has no locks"),
        (MemoryError(), "not enough memory: let fewer run at a time"),
        ("IOException: Could not write: No space left on device\n", "the disk of out is full"),
    ],
)
def test_what_the_system_lacks_is_told_with_a_remedy(error, words):
    assert words in obstacle(error, Path("out"))


def test_of_another_error_nothing_is_told():
    assert obstacle(KeyError("Wilhelmina Canary"), Path("out")) is None
