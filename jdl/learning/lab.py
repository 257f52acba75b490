"""JupyterLab on one folder: on this machine only, with a token, and asking nothing of a network."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jdl.execute import fixed_environment
from jdl.safekeeping import private, write

HOST, PORT = "127.0.0.1", 8888
_PATIENCE = 10
_SERVER = """\
import os, signal, sys
from jdl.safekeeping import end_with_parent
end_with_parent(int(sys.argv.pop(1)), by=signal.SIGTERM)
from jupyterlab.labapp import main
main()
"""
_STARTUP = """\
def tell_absent(shell, kind, error, trace, tb_offset=None):
    shell._showtraceback(kind, error, [
        f"The name `{error.name}` is not there. Run the cells above first: "
        "Run > Run All Above Selected Cell. If you wrote it yourself, look at its spelling."
    ])
get_ipython().set_custom_exc((NameError,), tell_absent)
del tell_absent
"""
"""What every kernel runs first: after a restart nothing of the notebook is there."""
_QUIET = {
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    "@jupyterlab/extensionmanager-extension/plugin": {"enabled": False, "disclaimed": False},
}
"""What JupyterLab would otherwise look for outside, by settings file."""


Server = subprocess.Popen[bytes]


def obstacle(port: int) -> str | None:
    """Return why JupyterLab cannot listen on a port, in words, or None."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return (
                f"Port {port} is taken, most likely by another JupyterLab. Stop that, or name "
                f"another port: --port {port + 1}"
            )
    return None


@contextmanager
def opened(
    notebook: Path, settings: Path, port: int = PORT, *, browser: bool = True
) -> Iterator[Server]:
    """Serve a notebook's folder, with the notebook open, for as long as the context lasts.

    Parameters
    ----------
    notebook : Path
    settings : Path
        A private folder for the settings and the workspace; the user's own are not read.
    port : int
    browser : bool
        Whether to open it in the browser.

    Yields
    ------
    Server
        Its process; it and its kernels are gone afterwards.
    """
    process = subprocess.Popen(
        _command(notebook, port, browser=browser),
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
        process.kill()
        process.wait()


def _command(notebook: Path, port: int, *, browser: bool) -> list[str]:
    options = {
        "ServerApp.ip": HOST,
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": notebook.parent.resolve(),
        "ServerApp.open_browser": browser,
        "ServerApp.allow_root": True,
        "ServerApp.terminals_enabled": False,
        "ServerApp.log_level": "ERROR",
        "LabApp.default_url": f"/lab/tree/{notebook.name}",
        "LabApp.extension_manager": "readonly",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": "",
    }
    listed = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-P", "-c", _SERVER, str(os.getpid()), *listed]


def _environment(settings: Path) -> dict[str, str]:
    """Return the variables of the server and its kernels, after writing its settings."""
    for name, content in _QUIET.items():
        file = settings / "lab" / f"{name}.jupyterlab-settings"
        private(file.parent)
        write(file, json.dumps(content, indent=1).encode())
    startup = settings / "ipython" / "profile_default" / "startup"
    private(startup)
    write(startup / "absent.py", _STARTUP.encode())
    places = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "lab",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    folders = {name: str((settings / part).resolve()) for name, part in places.items()}
    return {**fixed_environment(), **folders}
