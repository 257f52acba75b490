"""A headless Chromium that opens a page and answers questions about it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import websocket

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*"),
)
_SECONDS = 30
_KEYS = {
    "Tab": {"windowsVirtualKeyCode": 9},
    "Enter": {"windowsVirtualKeyCode": 13, "text": "\r"},
}


def chromium() -> str | None:
    """Return where Chromium is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One tab, driven over the DevTools protocol."""

    def __enter__(self) -> Browser:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [str(chromium()), *_FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port()}/json", timeout=10) as answer:
            tabs = json.load(answer)
        [address] = [tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"][:1]
        self._socket = websocket.create_connection(address, timeout=_SECONDS)
        self._asked = 0
        self._requested: list[str] = []
        self._ask("Network.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait(timeout=_SECONDS)
        self._folder.cleanup()

    def _port(self) -> str:
        file = Path(self._folder.name) / "DevToolsActivePort"
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            if file.exists() and len(lines := file.read_text(encoding="ascii").split()) == 2:
                return lines[0]
            time.sleep(0.05)
        raise TimeoutError("Chromium did not start")

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        message = {"id": self._asked, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("method") == "Network.requestWillBeSent":
                self._requested.append(answer["params"]["request"]["url"])
            if answer.get("id") == self._asked:
                return dict(answer["result"])

    def resize(self, width: int) -> None:
        """Make the window as wide as this, in pixels of the page."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)

    def open(self, address: str, width: int) -> None:
        """Load a page in a window of this width."""
        self.resize(width)
        self._requested.clear()
        self._ask("Page.navigate", url=address)
        end = time.monotonic() + _SECONDS
        loaded = f"location.href === {json.dumps(address)} && document.readyState === 'complete'"
        while not self.evaluate(loaded):
            if time.monotonic() > end:
                raise TimeoutError(f"{address} did not load")
            time.sleep(0.02)

    def requested(self) -> list[str]:
        """Return every address that the page opened last has asked for, itself but once."""
        self.evaluate("new Promise(done => setTimeout(done, 50))")
        return list(self._requested)

    def press(self, key: str) -> None:
        """Press and let go of a key, such as Tab."""
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, **_KEYS[key])

    def printed(self) -> bytes:
        """Return the page as the PDF that Chromium prints, tagged and with an outline."""
        asked = {"generateTaggedPDF": True, "generateDocumentOutline": True}
        return base64.b64decode(self._ask("Page.printToPDF", **asked)["data"])

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited where it is a promise."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self._ask("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")
