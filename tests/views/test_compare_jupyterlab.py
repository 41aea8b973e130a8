"""The comparison in a real JupyterLab: alive with a kernel, and readable in the saved notebook without one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.views.clips import make_lab

if TYPE_CHECKING:
    from tests.desk import Desk

SHOW = """
import pandas as pd
from kling_nb.views.compare import Comparison, grid_of
names = ["a", "b", "c", "d"]
frame = pd.DataFrame({
    "identity": names, "clip": [f"lab/clips/{n}.mp4" for n in names], "state": "saved", "seconds": 4.0, "fps": 24.0,
    "mode": ["std", "pro"] * 2, "model": ["kling-v1-6"] * 2 + ["kling-v2-6"] * 2, "width": 160, "height": 90,
})
Comparison(grid_of(frame, title="four clips", simulated=True), ".")
"""
ONE = """
from kling_nb.views.clip import clip_view
clip_view(frame, ".", simulated=True)
"""
BUSY = """
import pathlib, time
end = time.monotonic() + 60
while not pathlib.Path("go on").exists() and time.monotonic() < end:
    time.sleep(0.02)
print("the cell was", "let go" if time.monotonic() < end else "waited for")
"""
MOVING = "() => [...document.querySelectorAll('.knb-media video')].every(video => video.currentTime > 0.4)"
CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.type)"


@pytest.fixture
def with_clips(desk: Desk) -> Desk:
    """Write the clips that a notebook compares."""
    make_lab(desk.folder / "lab", a=4, b=4, c=4, d=4)
    return desk


def test_the_player_takes_the_place_of_the_table(with_clips: Desk) -> None:
    """With a kernel the clips play in the notebook, the static table gives way, and keys stay with the player."""
    page = with_clips.run(SHOW)

    page.wait_for_selector(".knb-live .knb-ready")
    page.wait_for_function("() => document.querySelectorAll('.knb-ready').length === 4")
    page.wait_for_function(MOVING)
    assert not page.locator(".knb-static").is_visible()
    page.locator(".knb-stage").focus()
    for key in ("m", "ArrowRight", "y"):
        page.keyboard.press(key)
    assert page.evaluate(CELLS) == ["code"]
    assert page.get_by_role("button", name="Play (space)").is_visible()


def test_the_player_does_not_wait_for_a_busy_cell(with_clips: Desk) -> None:
    """Opened while another cell keeps the kernel busy, the player repeats its hello until it is answered, and plays."""
    page = with_clips.begin(SHOW, BUSY)

    page.wait_for_function("() => document.querySelectorAll('.knb-live .knb-ready').length === 4", timeout=50_000)
    (with_clips.folder / "go on").touch()
    page.get_by_text("the cell was let go", exact=True).wait_for()


def test_a_saved_notebook_needs_no_kernel(with_clips: Desk) -> None:
    """Saved and opened again without a kernel, the notebook shows posters and facts and no error."""
    page = with_clips.run(SHOW)
    page.wait_for_selector(".knb-live .knb-ready")
    with_clips.save()

    again = with_clips.come_back()

    again.wait_for_selector(".knb-static img")
    assert again.locator(".knb-static img").count() == 4
    assert again.get_by_text("SIMULATED", exact=True).is_visible()
    assert again.get_by_text("Error displaying widget").and_(again.locator(":visible")).count() == 0
    assert again.locator(".knb-live").count() == 0


def test_a_saved_notebook_is_small(with_clips: Desk) -> None:
    """What is saved holds a table without script and one line for whoever cannot show the player."""
    with_clips.run(SHOW)
    with_clips.save()

    text = with_clips.file.read_text()
    static, player = (output["data"] for output in json.loads(text)["cells"][0]["outputs"])

    assert len(text) < 60_000
    assert "<script" not in _joined(static["text/html"])
    assert len(_joined(player["text/plain"]).splitlines()) == 1


def test_one_clip_has_the_browsers_controls(with_clips: Desk) -> None:
    """A single clip stands by itself: native controls, no transport, standing still."""
    page = with_clips.run(SHOW.replace("Comparison(", "_ = Comparison("), ONE)

    page.wait_for_selector(".knb-live .knb-bare .knb-ready")
    assert page.locator("video[controls]").count() == 1
    assert page.locator(".knb-transport").count() == 0
    assert page.evaluate("() => document.querySelector('video').paused")


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(text)
