import json
import os
import re
import signal
import stat
import sys
import threading
from pathlib import Path

import nbformat
import pytest

import jdl
from jdl.execute import (
    INJECTED,
    CellFailed,
    RecordBroken,
    execute,
    figures_of,
    normalise,
    parameters_of,
    result_of,
    write_restricted,
)
from jdl.faults import Unusable

NOTEBOOKS = Path(__file__).parent / "notebooks"


@pytest.fixture
def run(tmp_path):
    """Run a fixture notebook, its logs in `tmp_path`."""

    def run(name, parameters=None, **options):
        return execute(
            NOTEBOOKS / f"{name}.ipynb",
            {"request_id": "nobody"} if parameters is None else parameters,
            environment=options.pop("environment", {}),
            log_folder=tmp_path / "logs",
            **options,
        )

    return run


def _kernels():
    """Return the kernels that this process has left running."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = status.read_text().rpartition(")")[2].split()[1]
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == str(os.getpid()) and b"ipykernel" in command:
            found.append(status.parent.name)
    return found


def _outputs(record, cell):
    return next(each for each in record.cells if each.id == cell).outputs


def test_parameters_reach_the_notebook(run):
    record = run("shows_figures", {"request_id": "harbour-mentoring", "caliper": 0.05})
    assert result_of(record)["request"] == {"id": "harbour-mentoring"}
    assert result_of(record)["caliper"] == 0.05


def test_every_unknown_parameter_is_refused_before_anything_runs(run, tmp_path):
    with pytest.raises(Unusable) as refused:
        run("fails", {"request_id": "a", "calliper": 0.1, "tresh": 1})
    assert [fault.column for fault in refused.value.faults] == ["calliper", "tresh"]
    assert "caliper" in refused.value.faults[0].remedy
    assert not (tmp_path / "logs").exists()


def test_the_known_parameters_are_those_of_the_parameters_cell():
    assert parameters_of(NOTEBOOKS / "shows_figures.ipynb") == ("request_id", "release", "caliper")
    assert parameters_of(NOTEBOOKS / "assigns_in_many_ways.ipynb") == ("a", "b", "c", "d", "e")


def test_figures_are_listed_once_with_the_cell_that_first_shows_them(run):
    assert figures_of(run("shows_figures")) == [
        {
            "id": "headline.rate",
            "value": 0.25,
            "unit": "proportion",
            "text": "25",
            "suppressed": False,
            "cell": "finding",
            "decision": {"part": None, "decided": "told", "by": "the rules"},
        }
    ]


def test_one_name_for_two_figures_is_an_error_that_names_both_cells(run):
    with pytest.raises(RecordBroken, match=r"headline\.rate in cell finding-again .* cell finding"):
        figures_of(run("same_figure_differs"))


def test_a_record_without_a_result_is_an_error(run):
    with pytest.raises(RecordBroken, match="this one records 0"):
        result_of(run("prints_and_warns"))


def test_stopping_early_is_completion(run, tmp_path):
    record = run("stops_early")
    assert result_of(record)["status"] == "not processed"
    assert figures_of(record) == []
    assert all(output.output_type != "error" for output in _outputs(record, "stop"))
    assert not (tmp_path / "logs").exists()


def test_two_runs_give_the_same_bytes_with_no_time_path_or_version(run):
    first, second = (nbformat.writes(run("shows_figures")) for _ in range(2))
    assert first == second
    assert INJECTED in first
    assert not re.search(
        r"papermill|execution\"|_time|version\"|/tmp|20\d\d-\d\d-\d\d|ipykernel", first
    )


def test_normalising_again_changes_nothing_and_leaves_its_input_alone(run):
    record = run("shows_figures")
    before = nbformat.writes(record)
    assert nbformat.writes(normalise(record)) == before == nbformat.writes(record)


def test_the_kernel_is_this_interpreter_with_a_fixed_environment(run, monkeypatch):
    monkeypatch.setenv("JDL_STRAY", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    record = run("shows_environment", environment={"JDL_VINTAGE": "here"})
    seen = _outputs(record, "environment")[0].data["text/plain"]
    assert "'PYTHONHASHSEED': '0'" in seen
    assert "'OMP_NUM_THREADS': '1'" in seen
    assert "'TZ': 'UTC'" in seen
    assert "'MPLBACKEND': 'agg'" in seen
    assert "'JDL_VINTAGE': 'here'" in seen
    assert "'JDL_STRAY': None" in seen
    assert f"'PYTHONPATH': '{Path(jdl.__file__).parent.parent}'" in seen
    assert _outputs(record, "interpreter")[0].data["text/plain"] == repr(sys.prefix)


def test_another_kernel_of_that_name_on_the_machine_is_not_taken(run, monkeypatch, tmp_path):
    spec = tmp_path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    assert result_of(run("shows_figures"))["status"] == "reported"


def test_a_failing_cell_is_named_and_its_story_is_restricted(run, tmp_path):
    with pytest.raises(CellFailed) as failed:
        run("fails")
    assert (failed.value.cell, failed.value.error_type) == ("link", "ValueError")
    assert "fails.ipynb" in str(failed.value)
    assert str(failed.value.log) in str(failed.value)
    assert "Canary" not in str(failed.value)
    assert failed.value.__cause__ is None
    assert "Wilhelmina Canary" in failed.value.log.read_text()
    assert stat.S_IMODE(failed.value.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(failed.value.log.parent.stat().st_mode) == 0o700


def test_the_story_is_kept_where_the_folder_of_logs_is_named_from_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CellFailed) as failed:
        execute(NOTEBOOKS / "fails.ipynb", {}, environment={}, log_folder=Path("logs"))
    assert failed.value.log == Path("logs/fails.log").resolve()
    assert "Wilhelmina Canary" in failed.value.log.read_text()


def test_a_kernel_without_the_memory_to_start_says_what_it_lacks(run):
    with pytest.raises(CellFailed, match=r"starting the kernel.* not enough memory: let fewer run"):
        run("shows_figures", memory=200_000_000)


def test_leaving_with_another_status_is_a_failure(run):
    with pytest.raises(CellFailed, match="cell quit: stopped with SystemExit"):
        run("exits_nonzero")


def test_a_hanging_cell_is_stopped_with_its_kernel_and_logged_nowhere_else(run, caplog):
    with pytest.raises(CellFailed, match="cell wait: did not finish within 1 s, the time allowed"):
        run("hangs", timeout=1)
    assert _kernels() == []
    assert caplog.records == []


def test_a_long_way_to_the_scratch_folder_is_no_obstacle(run, monkeypatch, tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    before = Path.cwd()
    assert result_of(run("shows_figures"))["status"] == "reported"
    assert Path.cwd() == before
    assert list(deep.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("bytearray(30 * 10**9)", "MemoryError: there is not enough memory: let fewer run"),
        (
            "import errno, os\nraise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'Canary')",
            "OSError: the disk of .* is full: make room on it",
        ),
    ],
)
def test_what_a_cell_lacks_is_told_with_a_remedy(tmp_path, source, words):
    cells = [nbformat.v4.new_code_cell(source, id="wants")]
    file = tmp_path / "wants.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), file)
    with pytest.raises(CellFailed, match=f"cell wants: stopped with {words}") as failed:
        execute(file, {}, environment={}, log_folder=tmp_path, memory=8 * 10**9)
    assert "Canary" not in str(failed.value)


def test_a_kernel_that_dies_is_a_failure_of_the_cell(run):
    with pytest.raises(CellFailed, match="cell die: the kernel died"):
        run("kernel_dies")


def test_interrupting_leaves_no_kernel_behind(run):
    def interrupt(step):
        if step.cell == "wait":
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        run("hangs", observe=interrupt)
    assert _kernels() == []


def test_standard_error_is_kept_out_of_the_record_but_not_lost(run, tmp_path):
    record = run("prints_and_warns")
    assert [output.name for output in _outputs(record, "talk")] == ["stdout"]
    log = (tmp_path / "logs" / "prints_and_warns.warnings.log").read_text()
    assert "said aside" in log
    assert "Canary warned" in log


def test_nothing_is_printed_and_nothing_is_left(run, capfd, tmp_path, monkeypatch):
    scratch = tmp_path / "t"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    run("prints_and_warns")
    assert capfd.readouterr() == ("", "")
    assert list(scratch.iterdir()) == []


def test_the_observer_hears_of_each_code_cell_and_of_the_end(run):
    steps = []
    run("shows_figures", observe=steps.append)
    assert [step.cell for step in steps] == [
        "parameters",
        INJECTED,
        "imports",
        "finding",
        "finding-again",
        "record",
        "",
    ]
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    if sys.platform == "linux":
        assert all(step.peak > 1_000_000 for step in steps)


def test_a_restricted_log_replaces_one_that_others_could_read(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    (folder / "a.log").write_text("old")
    (folder / "a.log").chmod(0o644)
    log = write_restricted(folder, "a", "new")
    assert "old" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_folders_above_a_restricted_log_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        log = write_restricted(tmp_path / ".restricted" / "logs" / "scan", "found", "who")
    finally:
        os.umask(before)
    assert log is not None
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in tmp_path.rglob("*")} == {0}


def test_no_history_is_written(run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    run("shows_figures")
    assert list(tmp_path.rglob("history.sqlite")) == []


def test_an_error_whose_name_could_be_a_persons_is_not_named(tmp_path):
    notebook = nbformat.read(NOTEBOOKS / "shows_figures.ipynb", as_version=4)
    notebook.cells[-1].source = 'raise type("Wilhelmina", (Exception,), {})'
    nbformat.write(notebook, tmp_path / "named.ipynb")
    with pytest.raises(CellFailed) as failed:
        execute(tmp_path / "named.ipynb", {}, environment={}, log_folder=tmp_path / "logs")
    assert "Wilhelmina" not in str(failed.value)
    assert failed.value.error_type == "an error with a name of its own"
