"""Notebooks side by side: each in a worker process, each result whole or not at all.

A worker runs one notebook after another and reports over a pipe. A worker that dies takes only its
own notebook with it. Workers leave when their parent does, and take their kernels with them.
Workers and kernels are copies of one fork server, where that can be and nothing else is asked for.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

from nbformat import NotebookNode

from jdl import forkserver
from jdl.execute import (
    DIED,
    FORKED,
    OVERTIME,
    STOCK,
    TIMEOUT,
    CellFailed,
    RecordBroken,
    Step,
    execute,
    fixed_environment,
    told_of,
    write_restricted,
)
from jdl.faults import Fault, Unusable
from jdl.manifest import digest
from jdl.profile import Clock, Spent, by_stage, peak_memory, running
from jdl.safekeeping import call_oneself, end_with_parent, obstacle, put, write

RUN = "run.json"
_PATIENCE = 20
_LOOK = 5
_GRACE = 60
_LONGEST = 7 * 24 * 3600
_GB, _LEAST, _MOST = 10**9, 2, 1_000_000
_SPAWN = multiprocessing.get_context("spawn")
_BEFORE_RENDERING = 0.6
STARTING = "starting"
OVERHEAD = "notebook overhead"
RENDERING = "rendering"
WRITING = "writing"
_ENDING = "ending"
STAGES = {
    "parameters": OVERHEAD,
    "set-up": OVERHEAD,
    "request-facts": "request",
    "certain-passes": "linkage",
    "located": "sentence",
    "candidates": "matching",
    "balance": "balance",
    "effects": "effects",
    "adjusted": "adjusted check",
    "cleared": "further analyses",
    "funnel": "findings",
    "linkage-sensitivity": "sensitivity",
    "reconciliation": "bulletin",
}
"""The cell that begins each stage; the cells after it belong to it."""


@dataclass(frozen=True)
class News:
    """What a progress display is told.

    Parameters
    ----------
    name : str
        A request's id, ``bulletin`` or ``vintage``.
    stage : str
        What is being done to it now.
    share : float, optional
        How much of it is done, where that is known; 1 at its end, come what may.
    """

    name: str
    stage: str
    share: float | None = None


Tell = Callable[[News], None]


@dataclass(frozen=True)
class Limits:
    """What a notebook may take before it is stopped, and what kernel it gets.

    Parameters
    ----------
    timeout : int
        Seconds for one cell, or for making the pages.
    memory : int, optional
        Bytes that the kernel may ask for, see `jdl.execute.execute`.
    kernel : str
        ``forked`` from a server with the imports loaded, where the system can do that, or
        ``stock``, a new interpreter, for the same bytes.

    Raises
    ------
    Unusable
        If one is less than a notebook can start with, or more than the system can count.
    """

    timeout: int = TIMEOUT
    memory: int | None = None
    kernel: str = FORKED

    def __post_init__(self) -> None:
        faults = []
        if not 1 <= self.timeout <= _LONGEST:
            rule = "a cell may take from 1 second to a week"
            faults.append(Fault("--timeout", rule, f"Give at most {_LONGEST}"))
        if self.memory is not None and not _LEAST * _GB <= self.memory <= _MOST * _GB:
            rule = f"a notebook may ask for {_LEAST} to {_MOST} GB"
            faults.append(Fault("--memory", rule, "Give a number in between, or leave it out"))
        if faults:
            raise Unusable(faults)


USUAL = Limits()


@dataclass(frozen=True)
class Job:
    """One notebook to run and render.

    Parameters
    ----------
    name : str
        The request's id, or ``bulletin``.
    notebook : Path
    parameters : dict
    environment : dict
        The folders that the notebook reads.
    files : callable
        From the executed notebook to the files of its folder; importable by its name.
    folder : Path
        Receives the files in one step.
    logs : Path
        Restricted folder for what nobody else must see.
    key : str
        The hash of all that goes in.
    records : dict of str to Path
        Where a restricted record goes that the notebook hands over under this name.
    limits : Limits
    beside : sequence of str
        Names of restricted records that stay in the folder, beside its run.
    """

    name: str
    notebook: Path
    parameters: dict[str, Any]
    environment: dict[str, str]
    files: Callable[[NotebookNode], Mapping[str, bytes]]
    folder: Path
    logs: Path
    key: str
    records: Mapping[str, Path] = field(default_factory=dict)
    limits: Limits = USUAL
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class Done:
    """A notebook that is finished.

    Parameters
    ----------
    name : str
    key : str
        The job's.
    seconds : dict of str to float
        On the clock, by stage.
    memory : dict of str to int
        Peak bytes of the kernel and of the worker that drove it, where known.
    reused : bool
        Whether it was found finished.
    files : dict of str to str
        The hash of each file.
    spent : tuple of Spent
        What each cell and each kind of page took.
    engine : str, optional
        By which it read the national data, where it did.
    """

    name: str
    key: str
    seconds: dict[str, float]
    memory: dict[str, int | None]
    reused: bool = False
    files: dict[str, str] = field(default_factory=dict, repr=False)
    spent: Sequence[Spent] = field(default=(), repr=False)
    engine: str | None = None


@dataclass(frozen=True)
class Failure:
    """A notebook that stopped for an unforeseen reason.

    Parameters
    ----------
    name : str
    message : str
        Cell, kind of error and restricted log, and nothing of a person's.
    """

    name: str
    message: str


Outcome = Done | Failure


def finished(job: Job) -> Done | None:
    """Return the result of an earlier run of this very job, whole as it was, or None."""
    try:
        record = json.loads((job.folder / RUN).read_text(encoding="utf-8"))
        done = Done(**{**record, "spent": tuple(Spent(**one) for one in record["spent"])})
        found = {name: digest((job.folder / name).read_bytes()) for name in done.files}
    except (OSError, ValueError, TypeError, KeyError):
        return None
    same = done.key == job.key and done.files == found != {}
    return replace(done, reused=True) if same else None


def run_job(job: Job, tell: Tell) -> Done:
    """Run, render and put into place one notebook.

    Parameters
    ----------
    job : Job
    tell : callable
        Receives each stage as it begins.

    Returns
    -------
    Done

    Raises
    ------
    CellFailed, Unusable
        As `jdl.execute.execute`.
    """
    progress = _Progress(job.name, tell)
    with tempfile.TemporaryDirectory(prefix="handed-") as handed:
        record = execute(
            job.notebook,
            job.parameters,
            environment={**job.environment, "JDL_HANDED": str(Path(handed).resolve())},
            log_folder=job.logs,
            timeout=job.limits.timeout,
            memory=job.limits.memory,
            kernel=job.limits.kernel,
            observe=progress.step,
        )
        progress.enter(RENDERING)
        with running(progress.clock):
            files = {**job.files(record), **_beside(Path(handed), job.beside)}
        progress.enter(WRITING)
        _keep(Path(handed), job.records)
    spent = progress.clock.spent
    done = Done(
        job.name,
        job.key,
        {one.stage: one.wall for one in by_stage(spent)},
        {"kernel": progress.clock.kernel_peak, "worker": peak_memory("self")},
        files={name: digest(files[name]) for name in sorted(files)},
        spent=spent,
        engine=job.environment.get("JDL_ENGINE"),
    )
    content = json.dumps(asdict(done), indent=1) + "\n"
    put({**files, RUN: content.encode()}, job.folder)
    return done


def _beside(handed: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Read what a notebook handed over that stays in its folder."""
    files = [handed / f"{name}.json" for name in names]
    return {file.name: file.read_bytes() for file in files if file.exists()}


def _keep(handed: Path, records: Mapping[str, Path]) -> None:
    """Put what a notebook handed over where only its owner can read it; drop what nobody wants."""
    for name, file in records.items():
        made = handed / f"{name}.json"
        if made.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(file, made.read_bytes())


@contextmanager
def crew(size: int) -> Iterator[Crew]:
    """Employ workers for a while; at its end each is gone, with its kernel.

    Parameters
    ----------
    size : int
        How many notebooks run at a time, at most.
    """
    workers = Crew(size)
    try:
        yield workers
    finally:
        workers.dismiss()


class Crew:
    """Worker processes, started when first needed.

    Parameters
    ----------
    size : int
        How many there may be.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._busy: dict[Connection, Job] = {}
        self._idle: list[Connection] = []
        self._processes: dict[Connection, SpawnProcess | forkserver.Copy] = {}
        self._server: forkserver.Server | None = None
        self._silent: dict[Connection, float] = {}
        self._hung: set[Connection] = set()

    def warm(self) -> None:
        """Have the server load while something else is done, before there is a job."""
        if forkserver.POSSIBLE and self._server is None:
            self._server = forkserver.start(fixed_environment())

    def run(
        self,
        jobs: Sequence[Job],
        tell: Tell,
        after: Mapping[str, Collection[str]] = MappingProxyType({}),
        begin: Callable[[Job, Collection[str]], Job] = lambda job, left: job,
    ) -> list[Outcome]:
        """Run jobs side by side; a failing one does not stop the others.

        Parameters
        ----------
        jobs : sequence of Job
            Those that come first are begun first.
        tell : callable
            Called in this process with the stages of each job.
        after : mapping of str to collection of str
            By job the names of others that must have ended before it begins; not in a circle.
        begin : callable
            From a job that is about to begin, and the names of all that have not ended, to the job
            as it is run.

        Returns
        -------
        list of Done or Failure
            In the order of the jobs.
        """
        outcomes: dict[str, Outcome] = {}
        left, waiting = {job.name for job in jobs}, list(jobs)
        while left:
            free = (job for job in list(waiting) if left.isdisjoint(after.get(job.name, ())))
            refused: list[News | Outcome] = []
            while len(self._busy) < self._size and (job := next(free, None)):
                waiting.remove(job)
                refused += self._give(begin(job, left))
            for said in refused or map(self._hear, self._listen()):
                if not isinstance(said, News):
                    outcomes[said.name] = said
                    left.remove(said.name)
                    ended = "failed" if isinstance(said, Failure) else "done"
                    said = News(said.name, ended, 1.0)
                tell(said)
        return [outcomes[job.name] for job in jobs]

    def dismiss(self) -> None:
        """End every worker, and wait until each has ended its kernel."""
        for process in self._processes.values():
            process.terminate()
        for pipe, process in self._processes.items():
            process.join(_PATIENCE)
            process.kill()
            process.join()
            pipe.close()
        self._processes.clear()
        if self._server is not None:
            self._server.close()

    def _give(self, job: Job) -> list[Failure]:
        """Give a job to an idle worker that lives, else to a new one, else say that it failed.

        One more attempt is made, since the server may end just as it is asked for a worker.
        """
        why = ""
        for _ in range(len(self._idle) + 2):
            try:
                self._send(job)
            except OSError as error:
                why = f"there is no process to run it, {_plain(error)}"
            else:
                return []
        return [Failure(job.name, f"notebook {job.notebook.name}: {why}")]

    def _send(self, job: Job) -> None:
        pipe = self._idle.pop() if self._idle else self._hire(job.limits.kernel)
        try:
            pipe.send(job)
        except OSError:
            self._forget(pipe)
            raise
        self._busy[pipe] = job

    def _listen(self) -> list[Any]:
        """Return the pipes on which there is something to hear; end a worker that hangs.

        The seconds of silence are added up look by look, so that a machine that slept, or a
        command that was stopped and goes on, ends nobody.
        """
        since = time.monotonic()
        speaking = wait(list(self._busy), _LOOK)
        passed = min(time.monotonic() - since, _LOOK)
        for pipe, job in self._busy.items():
            self._silent[pipe] = 0 if pipe in speaking else self._silent.get(pipe, 0) + passed
            if self._silent[pipe] > job.limits.timeout + _GRACE:
                self._hung.add(pipe)
                self._processes[pipe].kill()
        return speaking

    def _hear(self, pipe: Connection) -> News | Outcome:
        """Return what a worker says; one that has died says that its job failed."""
        try:
            said: News | Outcome = pipe.recv()
        except (EOFError, OSError):
            self._forget(pipe)
            job = self._busy.pop(pipe)
            why = (
                OVERTIME.format(job.limits.timeout)
                if pipe in self._hung
                else f"the process that ran it {DIED}"
            )
            return Failure(job.name, f"notebook {job.notebook.name}: {why}")
        if not isinstance(said, News):
            del self._busy[pipe]
            self._idle.append(pipe)
        return said

    def _forget(self, pipe: Connection) -> None:
        """Take leave of a worker that has died."""
        self._processes.pop(pipe).join()
        pipe.close()

    def _hire(self, kernel: str) -> Connection:
        ours, theirs = _SPAWN.Pipe()
        hire = _spawned if kernel == STOCK or not forkserver.POSSIBLE else self._forked
        try:
            with theirs:
                self._processes[ours] = hire(theirs)
        except OSError:
            ours.close()
            raise
        return ours

    def _forked(self, pipe: Connection) -> forkserver.Copy:
        if self._server is not None and not self._server.lives:
            self._server.close()
            self._server = None
        self._server = self._server or forkserver.start(fixed_environment())
        files = [pipe.fileno()]
        return self._server.fork(_enter, _serve, files=files, path=sys.path, asks=True)


def _spawned(pipe: Connection) -> SpawnProcess:
    process = _SPAWN.Process(target=_serve, args=(pipe, os.getpid()))
    process.start()
    return process


def _enter(serve: Callable[[Connection, int], None], pipe: int) -> None:
    """Begin as a worker that is a copy of a fork server."""
    call_oneself("jdl worker")
    serve(Connection(pipe), os.getppid())


def _serve(pipe: Connection, parent: int) -> None:
    """Work as a worker: run jobs until told to leave or left alone."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGHUP, lambda number, frame: None)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    while True:
        job: Job = pipe.recv()
        pipe.send(_attempt(job, pipe.send))


def _leave(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _attempt(job: Job, tell: Tell) -> Outcome:
    tell(News(job.name, STARTING))
    try:
        return run_job(job, tell)
    except (CellFailed, Unusable) as told:
        return Failure(job.name, str(told))
    except Exception as error:
        log = write_restricted(job.logs, "error", "".join(traceback.format_exception(error)))
        what = obstacle(error, job.folder.parent) or _plain(error)
        why = f"after the last cell, {what}. {told_of(log)}"
        return Failure(job.name, f"notebook {job.notebook.name}, {why}")


def _plain(error: Exception) -> str:
    """Say what went wrong without a value that an error message may hold."""
    if isinstance(error, RecordBroken):
        return str(error)
    if isinstance(error, OSError):
        return f"{type(error).__name__} ({error.strerror})"
    return f"stopped with {type(error).__name__}"


class _Progress:
    """Tells how far a notebook is, and what its stages take."""

    def __init__(self, name: str, tell: Tell) -> None:
        self.clock = Clock(OVERHEAD, STARTING)
        self._name = name
        self._tell = tell

    def step(self, step: Step) -> None:
        """Take note of a cell that starts, or of the notebook's end."""
        stage = STAGES.get(step.cell, self.clock.stage) if step.cell else OVERHEAD
        cell = step.cell or _ENDING
        self.clock.enter(stage, cell, kernel=step.processor, peak=step.peak)
        self._tell(News(self._name, stage, _BEFORE_RENDERING * step.share))

    def enter(self, stage: str) -> None:
        """Begin a stage after the last cell."""
        self.clock.enter(stage, stage)
        self._tell(News(self._name, stage, _BEFORE_RENDERING))
