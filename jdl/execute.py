"""A notebook and its parameters -> an executed, normalised notebook, run by papermill.

A notebook runs in a kernel of its own: this interpreter, one thread, a fixed hash seed, no user
settings, sockets that only the owner can open. In a worker that is a copy of a fork server the
kernel is another copy, unless a new one is asked for. What comes back holds no time, path or host,
so that equal inputs give equal bytes. What went wrong is told by cell and kind of error; everything
that could name a person goes to a log that only the owner can read.
"""

# mypy: untyped-calls-exclude="nbformat,papermill"

from __future__ import annotations

import ast
import asyncio
import datetime as dt
import logging
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.client import KernelClient
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import ensure_event_loop, run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from papermill.execute import execute_notebook

from jdl import forkserver
from jdl.disclosure import decision_on
from jdl.faults import Fault, Unusable
from jdl.figures import MIME
from jdl.profile import peak_memory, processor_time
from jdl.safekeeping import obstacle, private, write

INJECTED = "injected-parameters"
STARTING = "(starting the kernel)"
FORKED, STOCK = "forked", "stock"
TIMEOUT = 3600
_START_TIMEOUT = 180
_KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
_FIXED = {
    "LC_ALL": "C.UTF-8",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "agg",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
}
_KERNEL = """\
import os
from jdl.safekeeping import end_with_parent
end_with_parent(int(os.environ["JPY_PARENT_PID"]))
from ipykernel.kernelapp import launch_new_instance
launch_new_instance()
"""
_PLAIN_KIND = re.compile(
    r"[A-Za-z]*(Error|Exception|Exit|Interrupt|Warning|Failed|Broken|Unusable)"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_DROPPED = ("PYTHON", "JUPYTER", "IPYTHON", "JPY_", "JDL_", "LC_", "LANG", "DEBUGPY", "PYDEVD")


@dataclass(frozen=True)
class Step:
    """The start of a code cell, or the end of the notebook.

    Parameters
    ----------
    cell : str
        The id of the cell that starts now; empty at the end.
    at : float
        Seconds on the monotonic clock.
    peak : int or None
        The most memory the kernel has held so far, in bytes; None where it is not known.
    processor : float or None
        Processor seconds of the kernel so far; None where they are not known.
    share : float
        How many of the code cells have been run, from 0 to 1.
    """

    cell: str
    at: float
    peak: int | None
    processor: float | None
    share: float


Observe = Callable[[Step], None]


class CellFailed(Exception):  # noqa: N818
    """A cell stopped for an unforeseen reason; the message names no value.

    Parameters
    ----------
    notebook : str
        Its file name.
    cell : str
        The id of the cell.
    error_type : str
        The kind of error.
    log : Path or None
        Where the whole story is, readable by the owner only.
    what : str
        What happened, in words; the kind of error without it.
    """

    def __init__(
        self, notebook: str, cell: str, error_type: str, log: Path | None, what: str = ""
    ) -> None:
        self.notebook = notebook
        self.cell = cell
        self.error_type = error_type
        self.log = log
        what = what or f"stopped with {error_type}"
        super().__init__(f"notebook {notebook}, cell {cell}: {what}. {told_of(log)}")


DIED = (
    "died, most often for want of memory: let fewer run at a time (--jobs 1), or use a machine "
    "with more"
)
OVERTIME = "did not finish within {} s, the time allowed, and was stopped; --timeout allows more"


class RecordBroken(ValueError):  # noqa: N818
    """An executed notebook does not hold one coherent record."""


def execute(
    notebook: Path,
    parameters: Mapping[str, Any],
    *,
    environment: Mapping[str, str],
    log_folder: Path,
    timeout: int = TIMEOUT,
    memory: int | None = None,
    kernel: str = FORKED,
    observe: Observe | None = None,
) -> NotebookNode:
    """Run a notebook with its parameters.

    A cell that raises ``SystemExit(0)`` ends the notebook, which counts as complete.

    Parameters
    ----------
    notebook : Path
        The notebook; its file is not changed.
    parameters : dict
        Values for names that its parameters cell assigns.
    environment : dict
        Environment variables for the kernel: the folders it reads.
    log_folder : Path
        A restricted folder for what must not be seen by others; made when needed.
    timeout : int
        Seconds that one cell may take.
    memory : int, optional
        Bytes of addresses that the kernel may ask for, beyond what a copy begins with; what the
        machine has without it.
    kernel : str
        ``forked`` is a copy of the server that this process is a copy of, if it is one; ``stock``
        a new interpreter.
    observe : callable, optional
        Told of each code cell as it starts, and of the end.

    Returns
    -------
    NotebookNode
        Executed and normalised, see `normalise`.

    Raises
    ------
    Unusable
        If a parameter is unknown to the notebook.
    CellFailed
        If a cell raises, hangs or kills its kernel.
    """
    source = nbformat.read(notebook, as_version=4)
    _check_parameters(notebook.name, source, parameters)
    log_folder = log_folder.resolve()
    watch = _Watch(observe, sum(cell.cell_type == "code" for cell in source.cells) + 1)
    with _private_folder() as scratch, (scratch / "kernel.txt").open("w+") as console:
        try:
            with _quiet(), _kernel(scratch, console, environment, kernel) as manager:
                watch.manager = manager
                _limit(manager, memory)
                executed = execute_notebook(
                    source,
                    None,
                    parameters=dict(parameters),
                    km=manager,
                    progress_bar=False,
                    request_save_on_cell_execute=False,
                    execution_timeout=timeout,
                    start_timeout=_START_TIMEOUT,
                    on_cell_execute=watch,
                    record_timing=False,
                    coalesce_streams=True,
                )
                watch.end()
        except Exception as error:
            log = _write_log(log_folder, notebook.stem, _story(error), console)
            what = _what(error, timeout, console)
            raise CellFailed(notebook.name, watch.cell, _kind(error), log, what) from None
        if warnings := _standard_error(executed):
            _write_log(log_folder, f"{notebook.stem}.warnings", warnings, console)
    return normalise(executed)


def parameters_of(notebook: Path) -> tuple[str, ...]:
    """Return the names that a notebook's parameters cell assigns, in its order.

    papermill's own inspection passes over ``a, b = 1, 2`` and over lines with two equals signs.
    """
    return _parameters_of(nbformat.read(notebook, as_version=4))


def defaults_of(notebook: Path) -> dict[str, Any]:
    """Return the literals that a notebook's parameters cell assigns, by name."""
    source = nbformat.read(notebook, as_version=4)
    tagged = [cell for cell in source.cells if "parameters" in cell.metadata.get("tags", [])]
    return literals_of(tagged[0].source) if tagged else {}


def literals_of(source: str) -> dict[str, Any]:
    """Return the literals that the source of a parameters cell assigns, by name."""
    held: dict[str, Any] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], ast.literal_eval(statement.value)
            many = isinstance(target, ast.Tuple)
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = value if many else [value]
            held |= {
                name.id: one
                for name, one in zip(names, values, strict=True)
                if isinstance(name, ast.Name)
            }
    return held


def _parameters_of(source: NotebookNode) -> tuple[str, ...]:
    tagged = [cell for cell in source.cells if "parameters" in cell.metadata.get("tags", [])]
    return tuple(
        name.id
        for cell in tagged[:1]
        for statement in ast.parse(cell.source).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for name in ast.walk(statement)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    )


def _check_parameters(name: str, source: NotebookNode, parameters: Mapping[str, Any]) -> None:
    known = _parameters_of(source)
    faults = [
        Fault(
            name,
            "a parameter must be one that the notebook's parameters cell assigns",
            "Respell or remove it; known are: " + (", ".join(known) or "none"),
            column=parameter,
        )
        for parameter in parameters
        if parameter not in known
    ]
    if faults:
        raise Unusable(faults)


def normalise(executed: NotebookNode) -> NotebookNode:
    """Return an executed notebook without what differs between equal runs.

    Dropped are times, paths, versions of the language, standard error (warnings hold file names),
    and the error output by which a notebook says that it is complete; the cell that papermill
    injects gets a fixed id.

    Parameters
    ----------
    executed : NotebookNode

    Returns
    -------
    NotebookNode
        A new notebook, valid, of nbformat 4.5.
    """
    record: NotebookNode = nbformat.v4.new_notebook(
        metadata={"kernelspec": dict(_KERNELSPEC), "language_info": {"name": "python"}},
        cells=[_normal_cell(cell) for cell in executed.cells],
    )
    record.nbformat_minor = 5
    nbformat.validate(record)
    return record


def _normal_cell(cell: NotebookNode) -> NotebookNode:
    tags = list(cell.metadata.get("tags", []))
    metadata = {
        key: value
        for key, value in cell.metadata.items()
        if key not in ("papermill", "execution", "tags")
    }
    if tags:
        metadata["tags"] = tags
    normal = NotebookNode(
        cell_type=cell.cell_type, id=_cell_id(cell), metadata=metadata, source=cell.source
    )
    if cell.cell_type == "code":
        normal.execution_count = cell.execution_count
        normal.outputs = [output for output in cell.outputs if _is_kept(output)]
    return normal


def _is_kept(output: NotebookNode) -> bool:
    return output.output_type != "error" and output.get("name") != "stderr"


def _cell_id(cell: NotebookNode) -> str:
    return INJECTED if INJECTED in cell.metadata.get("tags", []) else str(cell.id)


def figures_of(record: NotebookNode) -> list[dict[str, Any]]:
    """Return the register of figures of an executed notebook: the content of ``figures.json``.

    Parameters
    ----------
    record : NotebookNode

    Returns
    -------
    list of dict
        ``id``, ``value``, ``unit``, ``text``, ``suppressed``, ``cell`` (the first that shows it)
        and ``decision`` (of disclosure control, see ``disclosure.decision_on``), in reading order,
        each id once.

    Raises
    ------
    RecordBroken
        If one id stands for two different figures.
    """
    register: dict[str, dict[str, Any]] = {}
    for cell, shown in _published(record):
        for figure in shown["figures"]:
            first = register.setdefault(figure["id"], {**figure, "cell": cell})
            if {**figure, "cell": first["cell"]} != first:
                raise RecordBroken(
                    f"the figure {figure['id']} in cell {cell} differs from the one of that name "
                    f"in cell {first['cell']}: a name stands for one figure"
                )
    decided, reasons = _decisions_of(record)
    return [
        {**figure, "decision": decision_on(figure, decided, reasons)}
        for figure in register.values()
    ]


def _decisions_of(record: NotebookNode) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return what is public of the decisions, by part, and the reasons for loss, by row."""
    results = [shown for _, shown in _published(record) if shown["kind"] == "result"]
    decided = {one["part"]: one for shown in results for one in shown.get("decisions", [])}
    losses = (shown["result"].get(name, []) for shown in results for name in ("funnel", "losses"))
    return decided, [str(row["reason"]) for rows in losses for row in rows]


def result_of(record: NotebookNode) -> dict[str, Any]:
    """Return the result of an executed notebook: the content of ``result.json``.

    Raises
    ------
    RecordBroken
        Unless exactly one cell records a result.
    """
    results = [shown["result"] for _, shown in _published(record) if shown["kind"] == "result"]
    if len(results) != 1:
        raise RecordBroken(f"a notebook records one result; this one records {len(results)}")
    return dict(results[0])


def _published(record: NotebookNode) -> Iterator[tuple[str, dict[str, Any]]]:
    for cell in record.cells:
        for output in cell.get("outputs", []):
            if MIME in output.get("data", {}):
                yield str(cell.id), output["data"][MIME]


class _Watch:
    """Remembers which cell runs, out of how many, and tells the observer."""

    def __init__(self, observe: Observe | None, cells: int) -> None:
        self.cell = STARTING
        self.manager: _Kernel | None = None
        self._observe = observe
        self._cells = cells
        self._run = 0

    def __call__(self, cell: NotebookNode, **_: Any) -> None:
        self.cell = _cell_id(cell)
        self._tell(self.cell, self._run / self._cells)
        self._run += 1

    def end(self) -> None:
        """Say that the notebook has come to its end."""
        self._tell("", 1.0)

    def _tell(self, cell: str, share: float) -> None:
        if self._observe is not None:
            process = getattr(getattr(self.manager, "provisioner", None), "pid", None)
            used = peak_memory(str(process)), processor_time(str(process))
            self._observe(Step(cell, time.monotonic(), *used, share))


class _ThisInterpreter(KernelSpecManager):
    """Knows one kernel: the running interpreter's, whatever else the machine has."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return the kernel of the running interpreter, by whatever name it is asked for."""
        known = get_kernel_dict()
        known["argv"] = [sys.executable, "-c", _KERNEL, *known["argv"][-2:]]
        return KernelSpec(resource_dir=RESOURCES, **known)


class _Kernel(AsyncKernelManager):
    """A kernel that remembers who talks to it, so that both can be closed."""

    talker: KernelClient | None = None

    def client(self, **kwargs: Any) -> Any:
        """Return a client, and remember it."""
        self.talker = super().client(**kwargs)
        return self.talker

    def close(self) -> None:
        """Stop the kernel now, whatever it is doing, and close the sockets."""
        if self.talker is not None:
            self.talker.stop_channels()
        run_sync(self.shutdown_kernel)(now=True)


@contextmanager
def _kernel(
    scratch: Path, console: IO[str], environment: Mapping[str, str], kernel: str
) -> Iterator[_Kernel]:
    manager = _Kernel(
        kernel_spec_manager=_ThisInterpreter(), connection_file="kernel.json", transport="ipc"
    )
    if kernel == FORKED and (server := forkserver.mine()):
        manager.provisioner = forkserver.Forked(
            server, parent=manager, kernel_spec=manager.kernel_spec
        )
    try:
        run_sync(manager.start_kernel)(
            env=_kernel_environment(scratch, environment),
            cwd=str(scratch),
            stdout=console,
            stderr=console,
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
        )
        yield manager
    finally:
        _cancel_pending()
        manager.close()


def _cancel_pending() -> None:
    """Drop what an interrupted execution was still waiting for."""
    loop = ensure_event_loop()
    pending = asyncio.all_tasks(loop)
    for task in pending:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))


def _kernel_environment(scratch: Path, environment: Mapping[str, str]) -> dict[str, str]:
    private = {"IPYTHONDIR": str(scratch / "ipython"), "TMPDIR": str(scratch)}
    return {**fixed_environment(), **private, **environment}


def fixed_environment() -> dict[str, str]:
    """Return the variables that a kernel starts with, but for its folders."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_DROPPED)}
    same_code = {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    return {**inherited, **_FIXED, **same_code}


@contextmanager
def _private_folder() -> Iterator[Path]:
    """Work in a folder of one's own: a socket's path is short from there, wherever it lies."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="jdl-", ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(here)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep papermill's log, which quotes cells, off the terminal."""
    logger = logging.getLogger("papermill")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _limit(manager: _Kernel, memory: int | None) -> None:
    """Let the system refuse a kernel more memory than it may have.

    The system counts addresses, of which a copy has those of all imports as it begins, used or not.
    """
    process = getattr(manager.provisioner, "pid", None)
    if memory is not None and process is not None and sys.platform == "linux":
        most = memory + getattr(manager.provisioner, "loaded", 0)
        resource.prlimit(process, resource.RLIMIT_AS, (most, most))


def _what(error: Exception, timeout: int, console: IO[str]) -> str:
    """Say in words what stopped a cell; empty where only the kind of error may be told.

    Why a kernel did not start is on its console only.
    """
    if isinstance(error, CellTimeoutError):
        return OVERTIME.format(timeout)
    if isinstance(error, DeadKernelError):
        return f"the kernel {DIED}"
    story = _story(error)
    if not isinstance(error, PapermillExecutionError):
        console.seek(0)
        story += console.read()
    lacking = obstacle(story, Path(tempfile.gettempdir()))
    return f"stopped with {_kind(error)}: {lacking}" if lacking else ""


def _kind(error: Exception) -> str:
    kind = error.ename if isinstance(error, PapermillExecutionError) else type(error).__name__
    return kind if _PLAIN_KIND.fullmatch(kind) else "an error with a name of its own"


def _story(error: Exception) -> str:
    if isinstance(error, PapermillExecutionError):
        return "\n".join([f"{error.ename}: {error.evalue}", *error.traceback])
    if isinstance(error, CellTimeoutError | DeadKernelError):
        return str(error)
    return repr(error)


def _standard_error(executed: NotebookNode) -> str:
    """Return what cells said on standard error, but for the one that ended the notebook."""
    return "".join(
        f"[{_cell_id(cell)}]\n{output.text}"
        for cell in executed.cells
        if not any(output.output_type == "error" for output in cell.get("outputs", []))
        for output in cell.get("outputs", [])
        if output.get("name") == "stderr"
    )


def _write_log(folder: Path, name: str, text: str, console: IO[str]) -> Path | None:
    console.seek(0)
    return write_restricted(folder, name, _COLOUR.sub("", f"{text}\n{console.read()}"))


def write_restricted(folder: Path, name: str, text: str) -> Path | None:
    """Write a log that only its owner can read: folder 0700, file 0600.

    Parameters
    ----------
    folder : Path
        Made when needed.
    name : str
        Without suffix; a log of that name is replaced.
    text : str

    Returns
    -------
    Path or None
        The log; None where it cannot be written.
    """
    log = folder / f"{name}.log"
    try:
        private(folder)
        content = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S} UTC\n{text}\n"
        write(log, content.encode(errors="backslashreplace"))
    except OSError:
        return None
    return log


def told_of(log: Path | None) -> str:
    """Say where the whole story is."""
    return f"Restricted log: {log}" if log else "No log could be written"
