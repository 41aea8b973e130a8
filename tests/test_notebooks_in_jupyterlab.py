"""The notebooks as a person opens them: JupyterLab, Chromium, every cell run, clips that play in step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
ERRORS = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr'], .jp-RenderedText[data-mime-type*=error]"
)

PLAYING = (
    "() => [...document.querySelectorAll('.knb-live video')].filter(v => v.readyState >= 2 && v.currentTime > 0.3)"
)
ADVANCES = f"() => ({PLAYING})().length >= 2"
IN_STEP = f"""() => {{
    const times = ({PLAYING})().map(video => video.currentTime);
    return times.length > 1 && Math.max(...times) - Math.min(...times) < 2 / 24; }}"""

REACHABLE = int(version("ipykernel").partition(".")[0]) >= 7  # by a click while a cell runs, through a subshell
BUSY = f"""
import time
began = time.monotonic()
while slow.is_moving and time.monotonic() - began < {60 if REACHABLE else 6}:
    time.sleep(0.05)
print("cancelled while busy:", sorted({{task.state.value for task in slow.tasks if not task.unwanted}}), slow.is_moving)
"""
SLOW = """
import tempfile
import kling_nb as kn
lab = kn.Lab(tempfile.mkdtemp(), simulate=kn.Simulation(speed=40))
slow = lab.start(kn.Sweep(prompt="a fox", model="kling-v1", repeats=40), name="slow")
"""
WIDTHS = "tiles => tiles.map(tile => tile.getBoundingClientRect().width)"
SIDES = "cells => cells.map(cell => getComputedStyle(cell).textAlign)"
RUN_NEXT = "async () => { await window.jupyterapp.commands.execute('notebook:run-cell-and-select-next'); }"


@pytest.fixture
def opened(desk: Desk) -> Callable[[str], Page]:
    """Copy a notebook into JupyterLab's folder, open it in a kernel of its own, and run all its cells."""

    def open_notebook(name: str) -> Page:
        shutil.copy(NOTEBOOKS / name, desk.file)
        page = desk.run(own_kernel=True, width=1300, height=1400)
        page.set_default_timeout(90_000)
        return page

    return open_notebook


@pytest.mark.parametrize("name", ["01_quickstart.ipynb", "02_form.ipynb", "04_come_back_later.ipynb"])
def test_every_cell_runs_and_clips_play_in_step(opened: Callable[[str], Page], name: str) -> None:
    """The comparison's clips advance, and come within two frames of each other."""
    page = opened(name)

    assert page.locator(ERRORS).all_text_contents() == []
    transport = page.locator(".knb-live").filter(has=page.get_by_role("slider")).last
    transport.scroll_into_view_if_needed()
    play = transport.get_by_role("button", name="Play", exact=True)
    if play.count():
        play.click()
    page.wait_for_function(ADVANCES)
    page.wait_for_function(IN_STEP)  # clips start one after the other, and the late ones are led to the others' time


def test_what_is_not_trusted_keeps_its_shape(desk: Desk) -> None:
    """A stranger's notebook is shown without its style sheets: tiles stand in rows, and cells begin on the left."""
    desk.leave()  # style sheets of other tests' players are still in its page
    shutil.copy(NOTEBOOKS / "02_form.ipynb", desk.file)
    page = desk.open(width=1300, height=3000)
    page.locator(".jp-RenderedHTML figure").first.wait_for()
    assert 0 == page.locator(".jp-RenderedHTML style").count()

    assert [140] * 8 == page.locator(".jp-RenderedHTML span[title]:has(> span > img)").evaluate_all(WIDTHS)
    assert {"left"} == set(page.locator(".jp-RenderedHTML td:not(:empty)").evaluate_all(SIDES))


def test_the_form_is_used_by_hand(opened: Callable[[str], Page]) -> None:
    """A click on a model changes what is offered and priced, and Start runs it in a panel below."""
    page = opened("02_form.ipynb")
    form = page.locator(".knb-live").first
    form.scroll_into_view_if_needed()

    form.get_by_role("checkbox", name="mode pro", exact=True).uncheck()
    form.get_by_text("4 points").wait_for()
    form.get_by_label("Run name").fill("by-hand")
    form.get_by_role("button", name="Start", exact=True).click()
    form.get_by_text("by-hand", exact=True).first.wait_for()


def test_cancel_works_while_another_cell_is_busy(desk: Desk) -> None:
    """The panel's Cancel takes effect in the middle of another cell; on ipykernel 6 after it, which the panel says."""
    page = desk.open(SLOW, BUSY, width=1300, height=1400)
    page.evaluate(RUN_NEXT)
    cancel = page.get_by_role("button", name="Cancel", exact=False).first
    cancel.wait_for(timeout=60_000)
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-cell'); }")
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=busy]", timeout=30_000)

    cancel.click()
    page.get_by_role("button", name="Cancel", exact=False).last.click()

    if not REACHABLE:
        page.get_by_text("The kernel is busy: this takes effect when its cell has ended.").wait_for()
        page.get_by_text("already paid for, still fetched").wait_for(timeout=60_000)
        return
    page.get_by_text("cancelled while busy: ['cancelled'").wait_for(timeout=60_000)
