"""What a run keeps appears whole or not at all; what it must not leave is gone by the next start.

Files and folders are written aside, flushed to the disk and moved into place in one step. Temporary
files lie in one private folder that the living process holds locked: the next start clears those
that nobody holds. A helping process ends in the instant its parent does and leaves no memory image.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
_NO_MEMORY = (
    "MemoryError",
    "OutOfMemoryException",
    "bad_alloc",
    "can't start new thread",
    "failed to map segment",
    os.strerror(errno.ENOMEM),
)
_SIGNAL_WITH_PARENT, _DUMPABLE, _NAME = 1, 4, 15
_GATE, _OWNER = ".gate", ".owner"


def write(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, in one step and for good.

    Parameters
    ----------
    file : Path
        Its folder exists; two processes must not write it at once.
    content : bytes
    """
    aside = file.with_name(f".{file.name}.new")
    aside.unlink(missing_ok=True)
    try:
        number = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
    _flush(file.parent)


def private(folder: Path) -> None:
    """Make a folder that only its owner may look into, with those that are missing above it."""
    for part in (*reversed(folder.parents), folder):
        if not part.exists():
            part.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Make a folder with these files appear in one step, in place of one that is there.

    Parameters
    ----------
    files : dict of str to bytes
        By name, which may hold folders.
    folder : Path
        Its parent receives the scratch space, ``.scratch-<name>``, cleared first.
    """
    aside = fresh(folder.parent / f".scratch-{folder.name}")
    made = aside / "new"
    made.mkdir(mode=0o700)
    try:
        for name, content in files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            (made / name).write_bytes(content)
        swap(made, folder, aside / "old")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def fresh(folder: Path) -> Path:
    """Return an empty private folder, clearing what an interrupted run has left."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def swap(made: Path, folder: Path, old: Path) -> None:
    """Move a finished folder into place for good; one that is there is moved to `old` first.

    Parameters
    ----------
    made : Path
        Flushed to the disk first, so that a failing power supply cannot leave a folder in place
        without its content.
    folder, old : Path
        On the same file system as `made`.
    """
    _flush_all(made)
    there = folder.exists()
    try:
        if there:
            folder.replace(old)
        made.replace(folder)
    except BaseException:
        if there and not folder.exists():
            old.replace(folder)
        raise
    _flush(folder.parent)


def _flush_all(folder: Path) -> None:
    for inside, _, names in os.walk(folder):
        for name in names:
            _flush(Path(inside) / name)
        _flush(Path(inside))


def _flush(path: Path) -> None:
    """Have the system write a file's or a folder's content to the disk, where it can."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(number)


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """Have every temporary file of this process, and of those it starts, in a private folder.

    Parameters
    ----------
    place : Path
        Holds one folder for each process at work. Those that nobody holds are cleared first: their
        process was killed.

    Yields
    ------
    Path
        The folder; it is gone afterwards.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    with alone(place / _GATE):
        _clear(place)
        folder = Path(tempfile.mkdtemp(dir=place.resolve(), prefix="run-"))
        owner = (folder / _OWNER).open("w")
        fcntl.flock(owner, fcntl.LOCK_EX)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    variable = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR")
        if variable is not None:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(folder, ignore_errors=True)
        owner.close()


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds a lock file, and hold it; a killed one lets go of it."""
    with os.fdopen(os.open(lock, os.O_WRONLY | os.O_CREAT, 0o600), "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def clear(place: Path) -> None:
    """Clear what killed processes have left in a place for `scratch`, if there is one."""
    with suppress(OSError), alone(place / _GATE):
        _clear(place)


def _clear(place: Path) -> None:
    for folder in place.glob("run-*"):
        with suppress(OSError), (folder / _OWNER).open("a") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


def leave_no_image() -> None:
    """Have the system write no memory image of this process, or of those it starts, if it crashes.

    An image would hold everybody's records.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _control(_DUMPABLE, 0)


def end_with_parent(parent: int, *, by: int = signal.SIGKILL) -> None:
    """End this process when its parent ends, however that is, where the system can do so.

    Parameters
    ----------
    parent : int
        The number of the process that started this one; if that is gone, this one ends now.
    by : int
        The signal.
    """
    leave_no_image()
    _control(_SIGNAL_WITH_PARENT, by)
    if os.getppid() != parent:
        os.kill(os.getpid(), by)


def call_oneself(name: str) -> None:
    """Give this process a name in the system's lists, 15 letters at most."""
    _control(_NAME, name.encode())


def _control(option: int, value: int | bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def obstacle(error: BaseException | str, folder: Path) -> str | None:
    """Say what the system lacks and what to do, without a word of the error's own.

    Parameters
    ----------
    error : exception or str
        Of this process, or the story of one in another.
    folder : Path
        Where it was at work.

    Returns
    -------
    str or None
        None where it is none of a full disk, a folder that may not be written, no locks, and too
        little memory.
    """
    told = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    if _names(told, _NO_ROOM):
        return f"the disk of {folder} is full: make room on it, then run the same command again"
    if _names(told, _NOT_WRITABLE):
        return f"{folder}, or a file in it, may not be written: change that, or name another folder"
    if _names(told, _NO_LOCKS):
        return f"the file system of {folder} has no locks: name a folder on a local disk"
    if any(name in told for name in _NO_MEMORY):
        return (
            "there is not enough memory: let fewer run at a time (--jobs 1), or use a machine "
            "with more"
        )
    return None


def _names(told: str, numbers: tuple[int, ...]) -> bool:
    return any(os.strerror(number) in told for number in numbers)
