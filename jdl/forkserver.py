"""A process with the notebooks' imports loaded, of which workers and kernels are copies.

Loading the libraries takes seconds, copying a process that holds them milliseconds. The server only
loads and copies: it has one thread, opens no connection and calculates nothing, so that a copy is
as good as a process of its own. A copy is a real ipykernel, or a real worker, with the environment,
folder, output and limits that it would have had; the server's own variables hold what is read once
when Python or a library starts: hash seed, threads, language.

It is asked over a pair of sockets without a name, which nobody else can open. What is wished lies
in a file in memory, so that the server waits for no single asker. Each copy hangs on a line of its
own: who asked for it holds the other end, and the copy is ended when that closes. The
server ends with the command that started it, its copies with the server, whatever ends them.

Only on Linux, where the system ends a process with its parent; elsewhere, and where it is asked
for, each kernel is a new interpreter, which is what the bytes of the forked ones are held to.
"""

from __future__ import annotations

import ast
import errno
import gc
import importlib
import json
import os
import pickle
import resource
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from jdl.profile import addresses
from jdl.safekeeping import call_oneself, end_with_parent

POSSIBLE = sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(os, "memfd_create")
_ROOT = Path(__file__).resolve().parent.parent
_SERVER = "import sys; from jdl.forkserver import serve; serve(*map(int, sys.argv[1:]))"
_ONE_THREAD = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
_PATIENCE = 20
_TOLD = struct.Struct("!ci")
_BORN, _ENDED, _NONE = b"b", b"e", b"n"
_LESSONS = "lessons.ipynb"
_MODULES = (
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "sqlglot.dialects.duckdb",
    "jdl.render",
    "jdl.workers",
    "weasyprint",
)


class Copy:
    """A process that a server made, handled as one that was started.

    Parameters
    ----------
    line : socket
        Over which the server tells of it; closing it ends the process.

    Raises
    ------
    OSError
        If the system has no room for another process, or the server is gone.
    """

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket) -> None:
        self.returncode: int | None = None
        self._line = line
        told, self.pid = _hear(line)
        if told != _BORN:
            raise OSError(self.pid, os.strerror(self.pid))

    def poll(self) -> int | None:
        """Return how it ended, or None while it lives."""
        return self.wait(0)

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended, so many seconds at most, and return as `poll`."""
        if self.returncode is None and wait([self._line], timeout):
            told, ended = _hear(self._line)
            self.returncode = ended if told == _ENDED else -signal.SIGKILL
            self._line.close()
        return self.returncode

    join = wait

    def send_signal(self, number: int) -> None:
        """Send it a signal; its number stays its own until it was heard to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def _hear(line: socket.socket) -> tuple[bytes, int]:
    """Return what a server tells; where it is gone, and its copies with it, that there is none."""
    told = line.recv(_TOLD.size, socket.MSG_WAITALL)
    kind, number = _TOLD.unpack(told) if len(told) == _TOLD.size else (_NONE, errno.EPIPE)
    return bytes(kind), int(number)


class Server:
    """Where to ask for copies.

    Parameters
    ----------
    channel : socket
        Its other end is the server's; any number of processes may ask over it.
    process : Popen, optional
        The server, in the process that started it.
    """

    def __init__(
        self, channel: socket.socket, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._channel = channel
        self._process = process

    def fork(
        self,
        act: Callable[..., None],
        *arguments: Any,
        files: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        path: Sequence[str] | None = None,
        apart: bool = False,
        asks: bool = False,
    ) -> Copy:
        """Have a process made that does something.

        Parameters
        ----------
        act : callable
            Importable by its name.
        arguments
            What it is called with, before the files.
        files : sequence of int
            Open files that the process gets, under other numbers.
        environment : mapping, optional
            Its variables; those of this process without it.
        folder : Path, optional
            Where it starts; where this process is without it.
        path : sequence of str, optional
            Where it looks for modules; where the server does without it.
        apart : bool
            Whether it leads a session of its own, as a kernel does.
        asks : bool
            Whether it may ask the server too, which is then `mine` there.

        Raises
        ------
        OSError
            As `Copy`.
        """
        ours, theirs = socket.socketpair()
        asked = (
            dict(os.environ if environment is None else environment),
            str(folder or Path.cwd()),
            path,
            apart,
            asks,
            pickle.dumps((act, arguments)),
        )
        given = [*files, self._channel.fileno()] if asks else list(files)
        try:
            with theirs, os.fdopen(os.memfd_create("wish"), "wb") as wish:
                pickle.dump(asked, wish)
                wish.flush()
                sent = [theirs.fileno(), wish.fileno(), *given]
                socket.send_fds(self._channel, [b"f"], sent)
            return Copy(ours)
        except OSError:
            ours.close()
            raise

    @property
    def lives(self) -> bool:
        """Whether the server that this process started is there."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the server, and every copy of it."""
        self._channel.close()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
            self._process.kill()
            self._process.wait()


_mine: Server | None = None


def mine() -> Server | None:
    """Return the server of which this process is a copy and may ask for others, or None."""
    return _mine


def start(environment: Mapping[str, str]) -> Server:
    """Start a server.

    Parameters
    ----------
    environment : mapping
        Its variables: those that are read when Python or a library starts are its copies' too.

    Returns
    -------
    Server
        To be closed by this process.
    """
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-P", "-c", _SERVER, str(theirs.fileno()), str(os.getpid())]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={**environment, **_ONE_THREAD},
        )
    return Server(ours, process)


class Forked(LocalProvisioner):
    """Starts a kernel as a copy of a server, and looks after it as after one started anew.

    It is handed to the kernel manager as it is: an entry point would be found only by an
    installation that is newer than itself. What the kernel has taken of addresses as it begins is
    `loaded`, in bytes.
    """

    def __init__(self, server: Server, **known: Any) -> None:
        super().__init__(**known)
        self.loaded = 0
        self._server = server

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel that a command line asks for; all after the ``-c`` part of it counts."""
        process: Any = self._server.fork(
            _kernel,
            cmd[3:],
            files=[kwargs["stdout"].fileno()],
            environment=kwargs["env"],
            folder=Path(kwargs["cwd"]),
            apart=True,
        )
        self.process = process
        self.pid = self.pgid = process.pid
        self.loaded = addresses(process.pid) or 0
        return self.connection_info


def _kernel(arguments: Sequence[str], console: int) -> None:
    """Be a kernel."""
    from ipykernel.kernelapp import launch_new_instance

    call_oneself("jdl kernel")
    for number in (1, 2):
        os.dup2(console, number)
    os.close(console)
    os.environ["JPY_PARENT_PID"] = str(os.getppid())
    sys.argv = ["-c", *arguments]
    launch_new_instance()


# The server's own process


def serve(channel: int, parent: int) -> None:
    """Load what the notebooks and their pages need, then make copies until nobody can ask."""
    end_with_parent(parent)
    call_oneself("jdl forkserver")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, frame: None)
    before = set(os.environ)
    _load()
    gc.collect()
    gc.freeze()
    added = {name: value for name, value in os.environ.items() if name not in before}
    _Copies(socket.socket(fileno=channel), added, files).make()
    os._exit(0)  # the libraries, taken down in order, would complain on the terminal


def _load() -> None:
    """Import what is needed by notebooks, kernels and workers; nothing draws or calculates."""
    with suppress(OSError):  # weasyprint without Pango: the pages then say so
        for name in _MODULES:
            importlib.import_module(name)
    found = (_ROOT / "notebooks").glob("*.ipynb")
    for notebook in sorted(path for path in found if path.name != _LESSONS):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if "imports" in cell["metadata"].get("tags", []):
                _import("".join(cell["source"]))


def _import(source: str) -> None:
    """Do what a cell imports, and nothing else of it."""
    cell = ast.parse(source)
    cell.body = [one for one in cell.body if isinstance(one, ast.Import | ast.ImportFrom)]
    exec(compile(cell, "<imports>", "exec"), {})


class _Copies:
    """The living copies: the line of each, and a number by which the system tells of its end.

    Parameters
    ----------
    channel : socket
        Over which copies are asked for.
    added : mapping
        The variables that a library sets as it is loaded, where there is none of that name.
    files : tuple of int
        How many files a copy may open, the soft limit and the hard one.
    """

    def __init__(
        self, channel: socket.socket, added: Mapping[str, str], files: tuple[int, int]
    ) -> None:
        self._channel = channel
        self._added = added
        self._files = files
        self._waiting = selectors.DefaultSelector()
        self._waiting.register(channel, selectors.EVENT_READ, self._ask)
        self._open: dict[int, tuple[socket.socket, int]] = {}
        self._more = True

    def make(self) -> None:
        """Make copies until nobody holds the other end of the channel."""
        while self._more:
            for key, _ in self._waiting.select():
                key.data()

    def _ask(self) -> None:
        """Hear who asks; a message without a line, or without all its files, gets no copy."""
        message, files, flags, _ = socket.recv_fds(self._channel, 1, 8)
        self._more = bool(message)
        if files:
            line = socket.socket(fileno=files[0])
            self._answer(line, files[1:], bool(flags & socket.MSG_CTRUNC))
        for number in files[1:]:
            os.close(number)

    def _answer(self, line: socket.socket, files: Sequence[int], torn: bool) -> None:
        """Make the copy that is asked for, or say why there is none."""
        try:
            if torn:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            asked = _wish(files)
            process = os.fork()
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            _refuse(line, error)
            return
        if process == 0:
            self._leave()
            os.close(files[0])
            _become(line, files[1:], self._added, *asked)
        try:
            number = os.pidfd_open(process)
        except OSError as error:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            _refuse(line, error)
        else:
            self._watch(process, number, line)

    def _leave(self) -> None:
        """Close, in a copy, what is the server's, and take its limit back."""
        resource.setrlimit(resource.RLIMIT_NOFILE, self._files)
        self._waiting.close()
        self._channel.close()
        for number, (line, _) in self._open.items():
            os.close(number)
            line.close()

    def _watch(self, process: int, number: int, line: socket.socket) -> None:
        self._open[number] = (line, process)
        self._waiting.register(number, selectors.EVENT_READ, lambda: self._tell(number))
        self._waiting.register(line, selectors.EVENT_READ, lambda: self._end(number))

    def _tell(self, number: int) -> None:
        """Tell that a copy has ended; until that is heard the system gives nobody its number."""
        line, _ = self._open[number]
        ended = os.waitid(os.P_PIDFD, number, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        by_signal = ended.si_code != os.CLD_EXITED
        with suppress(OSError):
            line.send(_TOLD.pack(_ENDED, -ended.si_status if by_signal else ended.si_status))
        self._waiting.unregister(number)

    def _end(self, number: int) -> None:
        """End a copy whose line was closed, with those of its session."""
        line, process = self._open.pop(number)
        self._waiting.unregister(line)
        with suppress(KeyError):
            self._waiting.unregister(number)
        with suppress(OSError):
            end = os.killpg if os.getpgid(process) == process else os.kill
            end(process, signal.SIGKILL)
        os.waitpid(process, 0)
        line.close()
        os.close(number)


def _wish(files: Sequence[int]) -> tuple[Any, ...]:
    """Read what is wished of a copy: the first of the files that were sent with the line."""
    if not files:
        raise EOFError
    with open(files[0], "rb", closefd=False) as wish:
        wish.seek(0)
        asked: tuple[Any, ...] = pickle.load(wish)
    return asked


def _refuse(line: socket.socket, error: Exception) -> None:
    """Say that there is no copy, and why."""
    with suppress(OSError):
        line.send(_TOLD.pack(_NONE, getattr(error, "errno", None) or errno.EAGAIN))
    line.close()


def _become(
    line: socket.socket,
    files: Sequence[int],
    added: Mapping[str, str],
    environment: Mapping[str, str],
    folder: str,
    path: Sequence[str] | None,
    apart: bool,
    asks: bool,
    deed: bytes,
) -> None:
    """Turn this copy into the process that was asked for, and leave when that has ended."""
    status = 1
    try:
        end_with_parent(os.getppid())
        _start_afresh({**added, **environment}, folder, path)
        if apart:
            os.setsid()
        if asks:
            globals()["_mine"] = Server(socket.socket(fileno=files[-1]))
        line.send(_TOLD.pack(_BORN, os.getpid()))
        line.close()
        act, arguments = pickle.loads(deed)
        act(*arguments, *(files[:-1] if asks else files))
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _start_afresh(environment: Mapping[str, str], folder: str, path: Sequence[str] | None) -> None:
    """Undo what one process would otherwise share with the next."""
    import numpy as np

    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    if path is not None:
        sys.path[:] = path
    tempfile.tempdir = None
    np.random.seed()
