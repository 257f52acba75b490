"""A copy of the fork server is as good as a process of its own."""

import errno
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path

import nbformat
import pytest
from few_pages import pages

from jdl import forkserver
from jdl.execute import FORKED, STOCK, fixed_environment
from jdl.workers import Done, Job, Limits, crew

NOTEBOOKS = Path(__file__).parent / "notebooks"

pytestmark = pytest.mark.skipif(not forkserver.POSSIBLE, reason="only where it can be")


@pytest.fixture(scope="module")
def server():
    """One server for all these tests; each asks for copies of its own."""
    server = forkserver.start(fixed_environment())
    yield server
    server.close()


def put(what, file):
    """Run in a copy: write the value of an expression to a file."""
    names = {"os": os, "sys": sys, "tempfile": tempfile, "threads": threads, "held": held}
    names["limit"] = lambda: resource.getrlimit(resource.RLIMIT_NOFILE)
    Path(file).write_text(str(eval(what, names)))


def threads():
    return len(list(Path("/proc/self/task").iterdir()))


def held():
    """The kinds of what this process holds open, but for its folder and standard streams."""
    files = [path for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2]
    return [str(path.readlink()) for path in files if path.is_symlink()]


def wait_and_put(file):
    """Run in a copy: say that it lives, then hang."""
    Path(file).write_text(str(os.getpid()))
    time.sleep(600)


def told(server, what, tmp_path, **options):
    """Ask a copy for the value of an expression."""
    file = tmp_path / "told.txt"
    copy = server.fork(put, what, str(file), path=sys.path, **options)
    assert copy.wait(60) == 0
    return file.read_text()


def gone(process):
    deadline = time.monotonic() + 30
    while Path(f"/proc/{process}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return not Path(f"/proc/{process}").exists()


def test_the_server_has_one_thread_and_has_drawn_nothing(server, tmp_path):
    assert told(server, "threads()", tmp_path) == "1"
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    assert "Threads:\t1\n" in status
    drawn = "[m for m in sys.modules if 'pyplot' in m or m == 'matplotlib_inline']"
    assert told(server, drawn, tmp_path) == "[]"


def test_the_imports_of_the_notebooks_are_loaded(server, tmp_path):
    loaded = told(
        server, "'jdl.matching' in sys.modules and 'jdl.bulletin' in sys.modules", tmp_path
    )
    assert loaded == "True"


def test_a_copy_starts_as_it_was_asked_to(server, tmp_path):
    folder = (tmp_path / "here").resolve()
    folder.mkdir()
    environment = {"TMPDIR": str(folder), "ONLY": "this"}
    seen = "[os.getcwd(), tempfile.gettempdir(), os.environ['ONLY'], 'PATH' in os.environ]"
    options = {"environment": environment, "folder": folder, "apart": True}
    assert told(server, seen, tmp_path, **options) == str([str(folder), str(folder), "this", False])
    leads = "os.getsid(0) == os.getpid()"
    assert told(server, leads, tmp_path, apart=True) == "True"
    assert told(server, leads, tmp_path) == "False"


def test_a_copy_holds_nothing_open_but_its_own(server, tmp_path):
    other = server.fork(wait_and_put, str(tmp_path / "other"), path=sys.path)
    assert told(server, "held()", tmp_path) == "[]"
    other.kill()
    assert other.wait(30) == -signal.SIGKILL


def test_copies_draw_different_random_numbers(server, tmp_path):
    for drawn in ("__import__('numpy').random.rand()", "__import__('random').random()"):
        assert told(server, drawn, tmp_path) != told(server, drawn, tmp_path)


def test_a_copy_is_ended_when_nobody_holds_its_line(server, tmp_path):
    file = tmp_path / "pid"
    copy = server.fork(wait_and_put, str(file), path=sys.path)
    process = copy.pid
    copy._line.close()
    assert gone(process)


@pytest.mark.parametrize(("number", "ended"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15)])
def test_how_a_copy_ended_is_told_and_its_number_stays_its_own(server, tmp_path, number, ended):
    copy = server.fork(wait_and_put, str(tmp_path / "pid"), path=sys.path)
    assert copy.poll() is None
    os.kill(copy.pid, number)
    assert copy.wait(30) == ended
    assert gone(copy.pid)
    copy.kill()


def test_a_copy_that_fails_says_so(server, tmp_path, capfd):
    copy = server.fork(put, "1 / 0", str(tmp_path / "x"), path=sys.path)
    assert copy.wait(60) == 1
    with pytest.raises(OSError):
        server.fork(put, "1", "x", path=sys.path, folder=tmp_path / "nowhere")


def test_an_asker_that_says_nothing_keeps_nobody_waiting(server, tmp_path):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server._channel.send(b"f")
        socket.send_fds(server._channel, [b"f"], [theirs.fileno()])
        served = threading.Thread(target=told, args=(server, "1", tmp_path), daemon=True)
        served.start()
        served.join(20)
        late = served.is_alive()
    assert not late
    assert (tmp_path / "told.txt").read_text() == "1"
    assert server.lives


def test_where_no_more_files_may_be_opened_a_copy_is_refused_and_the_others_live(server, tmp_path):
    first = server.fork(wait_and_put, str(tmp_path / "first"), path=sys.path)
    process, most = server._process.pid, resource.RLIMIT_NOFILE
    before = resource.prlimit(process, most)
    open_now = len(list(Path(f"/proc/{process}/fd").iterdir()))
    for room in range(6):
        resource.prlimit(process, most, (open_now + room, before[1]))
        with suppress(OSError):
            server.fork(wait_and_put, str(tmp_path / "more"), path=sys.path)._line.close()
        assert server.lives
    resource.prlimit(process, most, (open_now, before[1]))
    with pytest.raises(OSError):
        server.fork(wait_and_put, str(tmp_path / "more"), path=sys.path)
    resource.prlimit(process, most, before)
    assert told(server, "1", tmp_path) == "1"
    assert first.poll() is None
    first.kill()
    assert first.wait(30) == -signal.SIGKILL


def test_the_server_may_open_more_files_than_its_copies(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    fewer = (256, before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, fewer)
    server = forkserver.start(fixed_environment())
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
    try:
        assert told(server, "limit()", tmp_path) == str(fewer)
        assert resource.prlimit(server._process.pid, resource.RLIMIT_NOFILE)[0] == fewer[1]
    finally:
        server.close()


def test_without_a_server_nothing_is_forked():
    server = forkserver.start(fixed_environment())
    process = server._process.pid
    server._process.kill()
    server._process.wait()
    assert not server.lives
    with pytest.raises(OSError):
        server.fork(put, "1", "x")
    server.close()
    assert gone(process)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A notebook that leaves traces wherever a process can, and tells those it finds."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    source = """
import sys, os, random, decimal, locale, time, hashlib, tempfile
import numpy as np
import jdl
import jdl.wording
import matplotlib
import pandas as pd
from jdl.figures import Result
found = [getattr(jdl.wording, "trace", None), os.environ.get("TRACE"), decimal.getcontext().prec]
found += [matplotlib.rcParams["lines.linewidth"], pd.get_option("display.max_rows")]
found += [time.tzname[0], hash("x") == hash(str("x")), hash("order"), sys.argv[1:2]]
found += [matplotlib.get_backend(), sys.path[-3:], sys.flags.hash_randomization]
found += [os.getcwd() == os.path.realpath(tempfile.gettempdir()), sorted(os.listdir())]
found += [locale.setlocale(locale.LC_ALL), sys.stdin and sys.stdin.__class__.__name__]
found += [os.getpgid(0) == os.getpid(), signal_of_interrupt()]
jdl.wording.trace = os.environ["TRACE"] = "left"
decimal.getcontext().prec = 3
matplotlib.rcParams["lines.linewidth"] = 7
pd.set_option("display.max_rows", 3)
open("left.txt", "w").close()
"""
    signals = (
        "import signal\ndef signal_of_interrupt(): return str(signal.getsignal(signal.SIGINT))"
    )
    cells = [
        nbformat.v4.new_code_cell(
            'request_id = ""', id="parameters", metadata={"tags": ["parameters"]}
        ),
        nbformat.v4.new_code_cell(f"{signals}\n{source}", id="found"),
        nbformat.v4.new_code_cell('Result({"found": found})', id="record"),
    ]
    file = tmp_path_factory.mktemp("state") / "state.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), file)
    return file


def made(notebook, kernel, folder, *names):
    """Run a notebook under several names, one after the other in one worker."""
    limits = Limits(timeout=60, kernel=kernel)
    jobs = [
        Job(
            name, notebook, {"request_id": "a"}, {}, pages, folder / name, folder, "", limits=limits
        )
        for name in names
    ]
    with crew(1) as workers:
        outcomes = workers.run(jobs, lambda news: None)
    assert all(isinstance(one, Done) for one in outcomes), outcomes
    return [(folder / name / "notebook.ipynb").read_bytes() for name in names]


def test_no_kernel_sees_what_another_left_and_all_start_alike(state, tmp_path):
    first, second = made(state, FORKED, tmp_path / "forked", "a", "b")
    [stock] = made(state, STOCK, tmp_path / "stock", "a")
    assert first == second == stock


@pytest.mark.parametrize("kernel", [FORKED, STOCK])
def test_the_imports_of_a_report_fit_into_the_least_memory_and_more_is_refused(tmp_path, kernel):
    report = Path(forkserver.__file__).parent.parent / "notebooks" / "tailored_report.ipynb"
    [imports] = [
        cell.source.split("\n\nchoices")[0]
        for cell in nbformat.read(report, as_version=4).cells
        if "imports" in cell.metadata.get("tags", [])
    ]
    asks = "try:\n    bytearray(2 * 10**9)\nexcept MemoryError:\n    refused = True"
    cells = [
        nbformat.v4.new_code_cell("", id="parameters", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(imports, id="imports"),
        nbformat.v4.new_code_cell(asks, id="asks"),
        nbformat.v4.new_code_cell(
            'from jdl import figures\nfigures.Result({"refused": refused})', id="record"
        ),
    ]
    metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    file = tmp_path / "report.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), file)
    limits = Limits(memory=2 * 10**9, kernel=kernel)
    job = Job("a", file, {}, {}, pages, tmp_path / "a", tmp_path, "", limits=limits)
    with crew(1) as workers:
        [outcome] = workers.run([job], lambda news: None)
    assert isinstance(outcome, Done), outcome
    assert json.loads((tmp_path / "a" / "result.json").read_text()) == {"refused": True}


def told_by(workers, folder, name="a"):
    """Return what a worker says of a notebook that is not there."""
    job = Job(name, folder / "none.ipynb", {}, {}, pages, folder / name, folder, "")
    [outcome] = workers.run([job], lambda news: None)
    return outcome.message


def test_a_worker_that_died_idle_and_a_server_that_ended_are_replaced(tmp_path):
    with crew(1) as workers:
        first = told_by(workers, tmp_path)
        assert "No such file" in first
        for process in list(workers._processes.values()):
            process.kill()
            process.join()
        assert told_by(workers, tmp_path) == first
        workers._server._process.kill()
        workers._server._process.wait()
        assert wait(workers._idle, 30)
        assert told_by(workers, tmp_path) == first
        assert len(workers._processes) == 1


def test_a_notebook_that_no_process_can_be_had_for_fails_in_words(tmp_path, monkeypatch):
    def full(environment):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(forkserver, "start", full)
    with crew(2) as workers:
        told = told_by(workers, tmp_path)
    assert told == (
        "notebook none.ipynb: there is no process to run it, BlockingIOError "
        f"({os.strerror(errno.EAGAIN)})"
    )
