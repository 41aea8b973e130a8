"""JupyterLab, loaded once for the tests of a file: each opens a notebook of its own in it, most of them in one kernel.

To load JupyterLab, start a kernel and import ``kling_nb`` there takes ten times as long as what a test does then.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import VIEWPORT, JupyterLab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LOADED = "() => Boolean(window.jupyterapp)"
OPEN = """async (path) => {
    const { commands, shell } = window.jupyterapp;
    const panel = await commands.execute("docmanager:open", { path, factory: "Notebook" });
    await panel.revealed;
    shell.activateById(panel.id); }"""
CONNECTED = """async () => {
    const app = window.jupyterapp; await app.restored;
    const { context, sessionContext } = app.shell.currentWidget; await context.ready; await sessionContext.ready;
    await sessionContext.session?.kernel?.info; }"""
RUN_ALL = "async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
BEGIN_ALL = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
SAVE = "async () => { await window.jupyterapp.shell.currentWidget.context.save(); }"
EXECUTE = """async (code) => {
    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel;
    if (!kernel) return;
    const { content } = await kernel.requestExecute({ code, silent: true, store_history: false }).done;
    if (content.status !== "ok") throw new Error(`${content.ename}: ${content.evalue}`);
    if (kernel.supportsSubshells) await kernel.requestListSubshell({}).done; }"""
"""Ends when the kernel has nothing left to answer, on either channel: JupyterLab would call that an error at closing."""
FORGET = """
import sys
if "kling_nb" in sys.modules:
    import ipywidgets
    from kling_nb.engine import shared
    for folder in [*shared._open]:
        shared.close(folder)
    ipywidgets.Widget.close_all()  # the next notebook that is opened in this kernel would be sent them all
get_ipython().reset(new_session=False)
"""
CLOSE_ALL = """async () => {
    const { commands, shell } = window.jupyterapp;
    for (const { context } of shell.widgets("main")) if (context) context.model.dirty = false; // or a person is asked
    delete window.hit;
    await commands.execute("application:close-all"); }"""
CLOSED = "() => !document.querySelector('.jp-NotebookPanel, .jp-Dialog')"
BOUNDED = """async (argument) => {
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error("not done within 60 s")), 60_000));
    await Promise.race([(WORK)(argument), late]); }"""
"""Playwright itself waits for a promise for ever."""


class Desk:
    """JupyterLab in one page, at which one test after the other sits down, each with a folder of its own.

    A notebook is opened in the kernel that all tests share, unless a test is about a kernel and asks for one of its own.
    What a test leaves in the shared one is gone when the next begins: no lab is open, and there is no widget and no name.
    """

    def __init__(self, browser: Browser, jupyterlab: JupyterLab) -> None:
        self.errors: list[str] = []
        self._browser, self._jupyterlab = browser, jupyterlab
        self._page: Page | None = None

    @property
    def page(self) -> Page:
        """The page, which is empty until a notebook is opened."""
        if self._page is None:
            self._page = self._browser.new_context().new_page()
            self._page.on("pageerror", lambda error: self.errors.append(str(error)))
        return self._page

    @property
    def file(self) -> Path:
        """The test's notebook."""
        return self.folder / "notebook.ipynb"

    def sit_down(self) -> None:
        """Begin a test: its folder is empty."""
        self.folder = Path(tempfile.mkdtemp(dir=self._jupyterlab.folder))
        self.errors.clear()
        self._shares_kernel = False

    def open(self, *cells: str, own_kernel: bool = False, **viewport: int) -> Page:
        """Open a notebook of code cells, or the one that lies there already, and wait for its kernel."""
        if cells:
            self._jupyterlab.write(self._path(self.file), *cells)
        self._shares_kernel = not own_kernel
        if self._shares_kernel:
            self._jupyterlab.share_kernel(self._path(self.file))
        self.page.set_default_timeout(30_000)
        self.page.set_viewport_size({**VIEWPORT, **viewport})  # type: ignore[typeddict-item]
        self.page.mouse.move(0, 0)
        self._show()
        self._do(CONNECTED)
        if self._shares_kernel:
            self._do(EXECUTE, f"import os; os.chdir({str(self.folder)!r})")
        return self.page

    def run(self, *cells: str, own_kernel: bool = False, **viewport: int) -> Page:
        """Open a notebook and run all its cells."""
        page = self.open(*cells, own_kernel=own_kernel, **viewport)
        page.evaluate(RUN_ALL)
        return page

    def begin(self, *cells: str, own_kernel: bool = False, **viewport: int) -> Page:
        """Open a notebook and begin to run all its cells, without waiting for their end."""
        page = self.open(*cells, own_kernel=own_kernel, **viewport)
        page.evaluate(BEGIN_ALL)
        return page

    def save(self) -> None:
        """Save the notebook that is open."""
        self.page.evaluate(SAVE)

    def reload(self) -> Page:
        """Load JupyterLab anew, with the same notebook and its kernel."""
        self._jupyterlab.open(self.page, self._path(self.file))
        return self.page

    def come_back(self) -> Page:
        """Open what was saved as on another day: JupyterLab is loaded anew, and the kernel knows nothing of it."""
        self._close()
        again = shutil.copy(self.file, self.folder / "again.ipynb")
        self._jupyterlab.open(self.page, self._path(again))
        return self.page

    def clear(self) -> None:
        """End a test: nothing of it is left but its folder. If that fails, neither page nor kernel is used again."""
        try:
            self._close()
        except BaseException:
            self.leave()
            self._jupyterlab.stop_kernels(shared=True)
            raise
        self._jupyterlab.stop_kernels()

    def leave(self) -> None:
        """Close the page: who opens a notebook next loads JupyterLab anew."""
        if self._page is not None:
            self._page.context.close()
            self._page = None

    def _show(self) -> None:
        if not self.page.evaluate(LOADED):
            self._jupyterlab.open(self.page, self._path(self.file))
            return
        self._do(OPEN, self._path(self.file))
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)

    def _close(self) -> None:
        if self._page is None or not self._page.evaluate(LOADED):
            return
        self._do(CONNECTED)  # jupyter_server 2.21 does not stop a kernel that it is told to while the kernel starts
        self._do(EXECUTE, FORGET if self._shares_kernel else "")
        self._do(CLOSE_ALL)
        self._page.wait_for_function(CLOSED)
        self._shares_kernel = False

    def _do(self, work: str, argument: Any = None) -> None:
        self.page.evaluate(BOUNDED.replace("WORK", work), argument)

    def _path(self, file: Path) -> str:
        return str(file.relative_to(self._jupyterlab.folder))


@pytest.fixture(scope="module")
def _desk(browser: Browser, jupyterlab: JupyterLab) -> Iterator[Desk]:
    desk = Desk(browser, jupyterlab)
    yield desk
    desk.leave()


@pytest.fixture
def desk(_desk: Desk) -> Iterator[Desk]:
    """JupyterLab, with an empty folder. An uncaught error in its page fails the test."""
    _desk.sit_down()
    yield _desk
    _desk.clear()
    assert not _desk.errors
