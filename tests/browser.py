"""Chromium and JupyterLab for tests: real browsers, real servers, on loopback only."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytest_plugins = ["tests.desk"]
ARGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOKEN = "tests"
VIEWPORT = {"width": 1280, "height": 900}
SETTINGS: dict[str, dict[str, Any]] = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


def chromium_path() -> str:
    """Return where Chromium is; skips the test where it is missing, or fails it if ``KLING_NB_REQUIRE=browser``."""
    named = (os.environ.get("CHROMIUM"), shutil.which("chromium"), shutil.which("chromium-browser"))
    found = next((path for path in named if path), None)
    if found is not None:
        return found
    words = "no Chromium here: apt-get install chromium"
    if "browser" in os.environ.get("KLING_NB_REQUIRE", "").split(","):
        pytest.fail(words)
    pytest.skip(words)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs Chromium where there is none: here and not in a fixture, for all of them in one line."""
    if "browser" in getattr(item, "fixturenames", ()):
        chromium_path()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file; they share nothing, since each page has a context of its own.

    Not for all files: Playwright keeps a loop running on this thread, where other tests run their own.
    """
    path = chromium_path()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(ARGS))
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open pages; options are those of a browser context. An uncaught error in any page fails the test."""
    contexts: list[Any] = []
    errors: list[str] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": VIEWPORT, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@contextmanager
def serve_folder(folder: Path) -> Iterator[str]:
    """Serve a folder over http as ``python -m http.server`` does (without byte ranges); gives the base URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join(10)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        """Let a browser that closes its page hang up."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


@dataclass
class JupyterLab:
    """A running JupyterLab: its address, the folder whose notebooks it shows, and the kernel that tests share."""

    url: str
    folder: Path
    kernel: str = ""

    def write(self, name: str, *cells: str) -> None:
        """Write a notebook with code cells."""
        empty: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        code = [{**empty, "id": f"cell-{number}", "source": source} for number, source in enumerate(cells)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = {"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / name).write_text(json.dumps(notebook))

    def open(self, page: Page, name: str) -> None:
        """Open a notebook and wait for its first cell."""
        page.goto(f"{self.url}/doc/tree/{name}?token={TOKEN}&reset")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)

    def share_kernel(self, name: str) -> None:
        """Have a notebook opened in the kernel that tests share."""
        if not self.kernel:
            self.kernel = self._ask("POST", "kernels", {"name": "python3"})["id"]
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"id": self.kernel}}
        self._ask("POST", "sessions", session)

    def stop_kernels(self, *, shared: bool = False) -> None:
        """Shut down every kernel, or every one but that which tests share."""
        for kernel in self._ask("GET", "kernels"):
            if shared or kernel["id"] != self.kernel:
                self._ask("DELETE", f"kernels/{kernel['id']}")
        if shared:
            self.kernel = ""

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        head = {"Authorization": f"token {TOKEN}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method, headers=head, data=data)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterLab]:
    """JupyterLab on loopback, with its own settings folder and nothing from the network."""
    pytest.importorskip("jupyterlab")
    home = tmp_path_factory.mktemp("jupyterlab")
    notebooks = home / "notebooks"
    notebooks.mkdir()
    port = free_port()
    with (home / "log.txt").open("w") as log:
        process = subprocess.Popen(_command(port, notebooks), env=_environment(home), stdout=log, stderr=log)
        try:
            wait_for_server(f"http://127.0.0.1:{port}/api/status?token={TOKEN}", process)
            yield JupyterLab(f"http://127.0.0.1:{port}", notebooks)
        finally:
            stop(process)


def stop(process: subprocess.Popen[Any]) -> None:
    """End a server that this process started; one that hangs on a kernel in the making is killed."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def free_port() -> int:
    """Return a port of loopback that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_server(url: str, process: subprocess.Popen[Any], *, seconds: float = 60) -> None:
    """Wait until a server answers; fails when its process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended before it answered"
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            threading.Event().wait(0.05)
        else:
            return
    pytest.fail(f"no answer from {url} within {seconds:g} s")


def _command(port: int, folder: Path) -> list[str]:
    options = ("--allow-root", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0")
    lab = ("--LabApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly")
    server = (f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}")
    return [sys.executable, "-m", "jupyterlab", *options, *lab, *server]


def _environment(home: Path) -> dict[str, str]:
    for name, values in SETTINGS.items():
        file = home / f"config/lab/user-settings/@jupyterlab/{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    folders = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "runtime"}
    jupyter = {f"JUPYTER_{name}": str(home / folder) for name, folder in folders.items()}
    root = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {**os.environ, **jupyter, "IPYTHONDIR": str(home / "ipython"), "PYTHONPATH": path}
