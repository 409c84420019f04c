"""A headless Chromium, driven over a pipe by the DevTools protocol: what a page shows, says, asks for and prints."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--remote-debugging-pipe",
)  # fmt: skip
_PATIENCE = 60
"""Seconds in which a browser says something, however slow the machine is."""
_WITH_PIPES = """
import fcntl, os, sys
asked, told = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])
os.dup2(asked, 3), os.dup2(told, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads from descriptor 3 and writes to 4, whatever numbers the pipes have here."""


def command() -> str | None:
    """Chromium's program, or None: NETSPEC_CHROMIUM, or one on the PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("NETSPEC_CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)


needed = pytest.mark.skipif(command() is None or sys.platform == "win32", reason="there is no Chromium here")
"""Marks a test that needs a browser."""


class Page:
    """A page that is open: `console` and `requests` are what it wrote there and asked for, beside itself, so far."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self.console: list[str] = []
        self.requests: list[str] = []

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command of the DevTools protocol, and its result."""
        return self._browser.send(method, self._session, **params)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    @property
    def text(self) -> str:
        """The text that can be seen."""
        return str(self.run("document.body.innerText"))

    def picture(self) -> bytes:
        """The whole page as a PNG."""
        clip = self.send("Page.getLayoutMetrics")["cssContentSize"] | {"scale": 1}
        return base64.b64decode(self.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"])

    def printed(self) -> bytes:
        """The page as a PDF, as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])


class Browser:
    """A running Chromium."""

    def __init__(self, profile: Path) -> None:
        asked, self._ask = os.pipe()
        heard, told = os.pipe()
        program = command()
        assert program is not None
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WITH_PIPES, str(asked), str(told), program, *_FLAGS, f"--user-data-dir={profile}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(asked, told),
        )
        os.close(asked), os.close(told)
        self._answers = os.fdopen(heard, "rb")
        self._rest, self._number = b"", 0
        self._pages: dict[str, Page] = {}
        self._seen: list[dict[str, Any]] = []

    @contextmanager
    def page(self, file: Path, *, dark: bool = False, width: int = 1200, height: int = 900) -> Iterator[Page]:
        """A file as an open page in a window of a size."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for part in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{part}.enable")
        page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Page.navigate", url=file.resolve().as_uri())
        while not any(one.get("method") == "Page.loadEventFired" for one in self._seen):
            self._take(self._read())
        self._seen.clear()
        page.requests = page.requests[1:]  # the first is the page itself
        yield page
        del self._pages[session]
        self.send("Target.closeTarget", targetId=target)

    def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """A command, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        os.write(self._ask, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self._take(answer)
        assert "error" not in answer, (method, answer["error"])
        return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        """The next message of the browser."""
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], _PATIENCE)
            assert ready, f"the browser has not answered for {_PATIENCE} s"
            more = os.read(self._answers.fileno(), 1 << 20)
            assert more, "the browser ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        """Take an event: what a page says and asks for."""
        self._seen.append(message)
        page, params = self._pages.get(message.get("sessionId", "")), message.get("params", {})
        if page is None:
            return
        match message.get("method"):
            case "Runtime.consoleAPICalled":
                page.console.append(" ".join(str(one.get("value")) for one in params["args"]))
            case "Runtime.exceptionThrown":
                page.console.append(str(params["exceptionDetails"]["text"]))
            case "Log.entryAdded":
                page.console.append(params["entry"]["text"])
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith("data:"):
                page.requests.append(params["request"]["url"])

    def close(self) -> None:
        """End the browser."""
        os.close(self._ask)
        self._answers.close()
        self._process.kill()
        self._process.wait()


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with an empty profile, for the length of a body."""
    with TemporaryDirectory(prefix="netspec-", ignore_cleanup_errors=True) as folder:
        found = Browser(Path(folder))
        try:
            yield found
        finally:
            found.close()
