"""The live panel in a real JupyterLab: it takes the static output's place, follows the run, and obeys."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.views.snapshots import EVIL

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

START = """
import kling_nb as kn
lab = kn.Lab("lab", simulate=kn.Simulation(speed={speed}))
sweep = kn.Sweep(prompt={prompt!r}, model="kling-v1-6", mode=["std", "pro"], repeats={repeats})
run = lab.start(sweep, name="fox", budget=25)
"""
BUSY = """
import time
end = time.monotonic() + 120
while run.snapshot().state != "cancelled" and time.monotonic() < end:
    time.sleep(0.02)
print("while busy:", run.snapshot().state)
"""
POSTERS = (
    "n => [...document.querySelectorAll('.knb-live .knb-run-pic img')].filter(img => img.naturalWidth > 0).length === n"
)
OVERFLOW = (
    "() => { const box = document.querySelector('.knb-run').parentElement; return box.scrollWidth - box.clientWidth; }"
)

FAR = ".knb-live .knb-run-paced .knb-run-far"
WENT_ON = f"first => document.querySelector('{FAR}').textContent !== first"
LINE = "() => parseFloat(getComputedStyle(document.querySelector('.knb-run-paced .knb-run-pic'), '::after').width) > 0"
FITS = "video => getComputedStyle(video).objectFit"


@pytest.fixture
def shown(desk: Desk) -> Callable[..., Page]:
    """Run a notebook that starts a run, and wait for its panel."""

    def show(
        *cells: str, speed: str = 'float("inf")', repeats: int = 2, prompt: str = "a fox", width: int = 1280
    ) -> Page:
        page = desk.begin(START.format(speed=speed, repeats=repeats, prompt=prompt), *cells, width=width)
        page.wait_for_selector(".knb-live .knb-run-stage", timeout=60_000)
        return page

    return show


def test_the_panel_takes_the_place_of_the_static_output(shown: Callable[..., Page]) -> None:
    """With a kernel the panel follows the run to its end, with a poster for every clip, and no button is left."""
    page = shown()

    page.get_by_text("finished", exact=True).wait_for()
    page.wait_for_function(POSTERS, arg=4)

    assert not page.locator(".knb-static").is_visible()
    assert page.get_by_role("button", name="Cancel…").is_hidden()
    assert "4 saved" in page.locator(".knb-live .knb-run-counts").inner_text()


def test_a_saved_tile_plays_its_clip_and_stops(shown: Callable[..., Page]) -> None:
    """Enter on a tile plays its clip where the poster was, a click stops it, and nothing moves meanwhile."""
    page = shown()
    page.get_by_text("finished", exact=True).wait_for()
    page.wait_for_function(POSTERS, arg=4)
    play = page.get_by_role("button", name="Play ").first
    tiles = page.locator(".knb-live .knb-run-tiles")
    before = tiles.bounding_box()

    play.press("Enter")
    page.wait_for_function("() => document.querySelector('.knb-live video')?.currentTime > 0.1")

    assert page.locator(".knb-live video").count() == 1
    assert page.locator(".knb-live video").evaluate(FITS) == "contain"  # a portrait is seen whole
    assert (tiles.bounding_box(), play.get_attribute("aria-pressed")) == (before, "true")
    play.click()
    assert page.locator(".knb-live video").count() == 0


def test_cancel_asks_and_works_while_a_cell_is_busy(shown: Callable[..., Page]) -> None:
    """Cancel says what it would do, and takes effect although another cell keeps the kernel busy."""
    page = shown(BUSY, speed="1", repeats=5)

    page.get_by_role("button", name="Cancel…").click()
    asked = page.get_by_role("group", name="Cancel the run?").inner_text()
    page.get_by_role("button", name="Cancel the run").click()

    assert "not sent will be cancelled" in asked
    told = page.locator(".jp-OutputArea-output", has_text="while busy:")
    told.wait_for(timeout=150_000)
    assert told.inner_text().strip() == "while busy: cancelled"
    page.locator(".knb-live .knb-run-said", has_text="cancelled").wait_for()


def test_a_tile_says_how_far_it_is(shown: Callable[..., Page]) -> None:
    """A clip that is being made says for how long, beside how long such ones take; time shows in text and in a line."""
    page = shown(speed="1")
    far = page.locator(FAR).first

    first = far.inner_text()
    page.wait_for_function(WENT_ON, arg=first)

    assert re.fullmatch(r"\d+ s of ~[\d.]+ min", far.inner_text())
    assert "since it was accepted; a clip like this usually takes about" in str(far.get_attribute("title"))
    page.wait_for_function(LINE)


def test_keeping_going_changes_nothing(shown: Callable[..., Page]) -> None:
    """Whoever thinks better of it goes back to where they were, by key or by button."""
    page = shown(speed="1", repeats=5)
    question = page.get_by_role("group", name="Cancel the run?")

    page.get_by_role("button", name="Cancel…").click()
    page.keyboard.press("Escape")
    assert question.is_hidden()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Keep going").click()

    assert question.is_hidden()
    assert page.locator(".knb-live .knb-run-stage").inner_text() == "running"


def test_pause_and_resume(shown: Callable[..., Page]) -> None:
    """The same button pauses a run and lets it go on."""
    page = shown(speed="1", repeats=5)

    page.get_by_role("button", name="Pause").click()
    page.get_by_text("paused, still fetching", exact=True).wait_for()
    page.get_by_role("button", name="Resume").click()

    page.get_by_role("button", name="Pause").wait_for()


def test_it_fits_a_narrow_window(shown: Callable[..., Page]) -> None:
    """Nothing sticks out where the notebook is as narrow as a telephone."""
    page = shown(speed="1", repeats=5, width=480)

    page.get_by_role("button", name="Cancel…").click()

    assert page.evaluate(OVERFLOW) <= 0


def test_everything_foreign_is_text(shown: Callable[..., Page]) -> None:
    """Markup in a prompt or a run's name becomes no element and runs nothing."""
    page = shown(prompt=EVIL.replace("{{7*7}}", "").replace("\x1b", ""))

    page.get_by_text("finished", exact=True).wait_for()

    assert page.evaluate("() => window.hit === undefined")
    assert page.locator(".knb-live img[src=x]").count() == 0
