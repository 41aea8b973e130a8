"""A cell that is run again and again in JupyterLab: what its view was before is let go of."""

from __future__ import annotations

from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession, Page

    from tests.desk import Desk

LAB = """
import math, tempfile
import kling_nb as kn
lab = kn.Lab(tempfile.mkdtemp(), simulate=kn.Simulation(speed=math.inf))
run = lab.start(kn.Sweep(prompt=["fox", "owl"], model="kling-v2-6", mode=["std", "pro"]), name="a", show=False).wait()
"""
AGAIN = """async () => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = 1;
    document.querySelectorAll(".knb-live").forEach(node => node.classList.add("before"));
    await window.jupyterapp.commands.execute("notebook:run-cell"); }"""
RUNS = 6
SETTLED = 3  # so many looks alike, one after the other
SWAY = 3  # nodes that come and go while clips play
PATIENCE = 30  # looks at the most: a slow machine is late with what follows a click
OF_ANYWIDGET = 3
"""Listeners that a widget of anywidget leaves, which does nothing: JupyterLab keeps the element of each view."""


def counters(page: Page, cdp: CDPSession) -> tuple[int, int]:
    """Return the nodes and the listeners that are left when collecting the garbage finds no more."""
    seen: list[tuple[int, int]] = []
    while len(seen) < SETTLED or (len(seen) < PATIENCE and not are_alike(seen[-SETTLED:])):
        cdp.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(100)
        found = cdp.send("Memory.getDOMCounters")
        seen.append((found["nodes"], found["jsEventListeners"]))
    return seen[-1]


def are_alike(seen: list[tuple[int, int]]) -> bool:
    """Return whether looks found the same listeners, and nodes that differ no more than those of playing clips."""
    nodes, listeners = zip(*seen, strict=True)
    return len(set(listeners)) == 1 and max(nodes) - min(nodes) <= SWAY


@pytest.mark.parametrize(
    ("cell", "alive", "widgets"), [("lab.compare(run)", "video", 1), ("run", ".knb-run-tile", 1), ("lab.form()", "", 4)]
)
def test_a_view_that_is_gone_hears_nothing(desk: Desk, cell: str, alive: str, widgets: int) -> None:
    """Running a cell again leaves no listeners of ours, and of our own views no nodes; ipywidgets keeps a form's."""
    page = desk.run(LAB, cell)
    cdp = page.context.new_cdp_session(page)
    found = []
    for _ in range(RUNS):
        page.locator(f".knb-live:not(.before) {alive}").first.wait_for(
            state="attached", timeout=60_000
        )  # keeps no handle
        page.wait_for_timeout(500)
        found.append(counters(page, cdp))
        page.evaluate(AGAIN)
    nodes, listeners = (
        median(after - before for before, after in pairwise(counts)) for counts in zip(*found, strict=True)
    )
    assert listeners <= OF_ANYWIDGET * widgets + 1  # JupyterLab adds some of its own once, so not the mean
    assert widgets > 1 or nodes < 10
