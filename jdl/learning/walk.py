"""The walk-through of a request: the notebook with its teaching cells, run, and as a page.

The training cohort is one request of made-up national data, which are made once and kept. The
notebook to run is there as soon as the data are prepared; the page follows.
"""

# mypy: untyped-calls-exclude="nbformat"

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import nbformat
from nbformat import NotebookNode

from jdl.execute import defaults_of
from jdl.learning import exercises, page
from jdl.learning.course import MADE, PEOPLE, REQUEST, SEED, SLIPS
from jdl.learning.exercises import NOTEBOOKS, OPENED
from jdl.learning.weave import START, ready, weave
from jdl.manifest import ROOT, digest, digest_cells, digest_json
from jdl.release import REPORT, Places, lock, private, run_prepare, run_reading, writing
from jdl.safekeeping import alone, fresh, swap, write
from jdl.safekeeping import private as make_private
from jdl.workers import USUAL, Crew, Done, Failure, Job, Limits, News, Tell

PAIRS = 500_000
"""How many random pairs the linkage model of the training data learns from: enough for those."""
NOTEBOOK, PAGE = "walk-through.ipynb", "walk-through.html"
_READING = ".reading.lock"
_GROWS = re.compile(r"outputs/|synthetic-[^/]+/prepared/|(.*/)?\.")
"""What comes to lie in the training folder by itself."""


class Synthesise(Protocol):
    """What makes national data and uploads: ``synthetic.synthesise``."""

    def __call__(
        self,
        out: Path,
        offenders: int,
        seed: int,
        progress: Callable[[str, float], None],
        *,
        slips: float,
    ) -> None:
        """Make them in a folder that is new."""


@dataclass(frozen=True)
class Walk:
    """A walk-through that is made.

    Parameters
    ----------
    page, notebook : Path
    kept : Path or None
        Where the notebook of an earlier walk-through went, with the trainee's answers.
    """

    page: Path
    notebook: Path
    kept: Path | None = None


@dataclass(frozen=True)
class Cohort:
    """Whose walk-through is made.

    Parameters
    ----------
    name : str
        The request's id.
    places : Places
        Where its data are.
    outputs : Path
        The walk-through goes into a folder ``learn`` in it.
    is_training : bool
        Whether this is the training cohort, whose truth is known.
    """

    name: str
    places: Places
    outputs: Path
    is_training: bool = False


def training(outputs: Path) -> Cohort:
    """Return the training cohort, with all that is its own within a folder of releases."""
    folder = outputs / "learn" / "training"
    places = Places(folder, folder / "requests", folder / "outputs")
    return Cohort(REQUEST, places, outputs, is_training=True)


@contextmanager
def training_data(outputs: Path, synthesise: Synthesise, tell: Tell) -> Iterator[Path | None]:
    """Make the training data, unless they are there as this very code makes them, and hold them.

    Files that somebody added to them are no reason to make them again, and are never deleted.

    Parameters
    ----------
    outputs : Path
        Receives ``learn/training``, whole or not at all, and prepared.
    synthesise : callable
        ``synthetic.synthesise``, which nothing but the command may know.
    tell : callable

    Yields
    ------
    Path or None
        Where the folder of before went, if it held what nobody would make again. As long as the
        context lasts nobody makes the data anew.

    Raises
    ------
    Unusable, Refused
        If the folder cannot be written to, or the data must be made anew while another reads them.
    """
    places, kept = training(outputs).places, None
    folder = places.data.parent
    with ExitStack() as held:
        with private(), writing(outputs):
            make_private(folder)
            with alone(folder / ".training.lock"):
                if not _is_current(places.data):
                    with lock(folder / _READING, exclusive=True):
                        kept = _make_anew(places.data, synthesise, tell)
                held.enter_context(lock(folder / _READING, exclusive=False))
            run_prepare(places, pairs=PAIRS, tell=tell)
        yield kept


def _make_anew(folder: Path, synthesise: Synthesise, tell: Tell) -> Path | None:
    scratch = fresh(folder.parent / ".scratch-training")
    made = scratch / "new"
    try:
        synthesise(
            made,
            PEOPLE,
            SEED,
            lambda stage, share: tell(News("training data", stage, share)),
            slips=SLIPS,
        )
        record = {"code": _synthetic_code(), "files": _files(made)}
        (made / MADE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        told = _record(folder).get("files", {})
        ours = folder.is_dir() and _files(folder).items() <= told.items()
        strange = os.path.lexists(folder) and not ours
        kept = _set_aside(folder) if strange else None
        swap(made, folder, scratch / "old")
        return kept
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_current(folder: Path) -> bool:
    """Whether each file that was made is there as it was made, by this very code."""
    made = _record(folder)
    if made.get("code") != _synthetic_code():
        return False
    return bool(made["files"].items() <= _files(folder).items())


def _record(folder: Path) -> dict[str, Any]:
    """Return what the training data were when they were made; nothing if that cannot be read."""
    try:
        made: dict[str, Any] = json.loads((folder / MADE).read_text(encoding="utf-8"))
        return {"code": str(made["code"]), "files": dict(made["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _set_aside(path: Path) -> Path:
    """Move a file or folder to the first number that is free, and return where it is now."""
    for number in count(1):
        aside = path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            aside.mkdir() if path.is_dir() else aside.touch(exist_ok=False)
        except FileExistsError:
            continue
        return path.replace(aside)
    raise AssertionError("numbers have no end")


def _synthetic_code() -> str:
    parts = sorted((ROOT / "jdl" / "synthetic").glob("*.py"))
    code = b"".join(part.read_bytes() for part in parts)
    return digest(code + repr((PEOPLE, SEED, SLIPS)).encode())


def _files(folder: Path) -> dict[str, str]:
    """Return the hash of each file of the training data, but for what is made from them."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in found}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in named.items()
        if name != MADE and not _GROWS.match(name)
    }


def walk_through(
    cohort: Cohort,
    workers: Crew,
    *,
    begin: Callable[[Path], None] = lambda notebook: None,
    start_over: bool = False,
    limits: Limits = USUAL,
    tell: Tell,
) -> Walk | Failure:
    """Make the walk-through of a request: a page, a notebook to run, and the report they speak of.

    Parameters
    ----------
    cohort : Cohort
    workers : Crew
    begin : callable
        Told of the notebook as soon as it can be run. That of the training cohort can be before
        the page is made; any other once its request has run, and is in the ledger.
    start_over : bool
        Whether a notebook that is there is set aside for a fresh one, though its cells are the
        same.
    limits : Limits
    tell : callable

    Returns
    -------
    Walk or Failure

    Raises
    ------
    Unusable, Refused
        As ``release.run_reading``.
    """
    woven = weave(
        nbformat.read(REPORT, as_version=4),
        nbformat.read(NOTEBOOKS / "lessons.ipynb", as_version=4),
        exercises.read(),
        training=cohort.is_training,
    )
    work, made = cohort.places.work("learn"), cohort.outputs / "learn"
    walks: list[Walk] = []

    def hand_out(job: Job) -> None:
        folder = made / (cohort.name if cohort.is_training else f"{_month(job)}/{cohort.name}")
        make_private(folder)
        answered = folder / NOTEBOOK
        kept = _set_aside(answered) if start_over and answered.exists() else None
        kept = _hand_out(woven, job, folder) or kept
        walks.append(Walk(folder / PAGE, folder / NOTEBOOK, kept))
        begin(folder / NOTEBOOK)

    def read(job: Job) -> Job:
        if cohort.is_training:
            hand_out(job)
        folder = work / _month(job) / cohort.name
        make_private(folder.parent)
        source = folder.with_suffix(".ipynb")
        write(source, _written(woven))
        return replace(
            job,
            notebook=source,
            environment={**job.environment, OPENED: "1"},
            files=page.files,
            folder=folder,
            logs=cohort.places.logs("learn", cohort.name),
            key=digest_json([job.key, _code(), digest_cells(woven.cells)]),
        )

    def keep(job: Job, done: Done) -> None:
        if not cohort.is_training:
            hand_out(job)
        for file in done.files:
            write(walks[0].page.parent / file, (job.folder / file).read_bytes())

    done = run_reading(cohort.name, cohort.places, read, keep, workers, limits=limits, tell=tell)
    return done if isinstance(done, Failure) else walks[0]


def _month(job: Job) -> str:
    return job.folder.parent.name


def _code() -> dict[str, str]:
    """Return the hashes of what makes a walk-through and no release."""
    parts = ("jdl/learning/*.py", "templates/walk_through/*", "notebooks/exercises.toml")
    found = sorted(path for part in parts for path in ROOT.glob(part))
    return {path.relative_to(ROOT).as_posix(): digest(path.read_bytes()) for path in found}


def _hand_out(woven: NotebookNode, job: Job, folder: Path) -> Path | None:
    """Write the notebook to run, and return where one of another kind was kept aside.

    One of the same cells stays as it is, with the trainee's answers in it; it only learns where
    the data are now.
    """
    usual = defaults_of(REPORT)
    choices = {name: value for name, value in job.parameters.items() if usual[name] != value}
    environment = {name: value for name, value in job.environment.items() if name != OPENED}
    handed = ready(woven, _seen_from(folder, environment), choices)
    mark = digest_cells([cell for cell in handed.cells if cell.id != START])
    handed.metadata["jdl"] = {"woven": mark}
    file = folder / NOTEBOOK
    if file.exists() and _mark_of(file) == mark:
        _lead(file, handed)
        return None
    kept = _set_aside(file) if file.exists() else None
    write(file, _written(handed))
    return kept


def _lead(file: Path, handed: NotebookNode) -> None:
    """Have a trainee's notebook name the folders as one that is handed out now does."""
    [now] = [cell.source for cell in handed.cells if cell.id == START]
    held = nbformat.read(file, as_version=4)
    old = [cell for cell in held.cells if cell.get("id") == START and cell.source != now]
    for cell in old:
        cell.source = now
    if old:
        write(file, _written(held))


def _mark_of(file: Path) -> str | None:
    try:
        held: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["metadata"]["jdl"]
        return str(held["woven"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _seen_from(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a notebook reads in the environment, with folders as seen from its own."""
    return {
        name: os.path.relpath(value, folder.resolve()) if Path(value).is_absolute() else value
        for name, value in environment.items()
        if value
    }


def _written(notebook: NotebookNode) -> bytes:
    return f"{nbformat.writes(notebook).rstrip()}\n".encode()
