"""The static page as a whole, in a real Chromium: every key is the player's, and paper gets every clip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_nb.views.compare import grid_of, write_page
from tests.views.clips import make_lab

if TYPE_CHECKING:
    from playwright.sync_api import Page

SHEET = {"width": 720, "height": 960}  # about what a printer leaves of a sheet, in CSS pixels
POSTERS = "() => [...document.querySelectorAll('img.knb-poster')].map(one => one.loading + (one.src ? ' src' : ''))"
CUT = """() => [...document.querySelectorAll('.knb-tile')].filter(tile => {
    const { right, bottom } = tile.getBoundingClientRect();
    return right > innerWidth || bottom > document.documentElement.scrollHeight; }).length"""


@pytest.fixture
def page(tmp_path: Path, new_page: Callable[..., Page]) -> Page:
    """Open a page of more clips than fit a window, in seven columns, standing still and dark."""
    names = {f"c{number}": 1.0 for number in range(28)}
    lab = make_lab(tmp_path / "lab", **names)
    frame = lab.frame(
        provider=[f"relay-{n % 7}" for n in range(28)], prompt=[f"a fox, take {n // 7}" for n in range(28)]
    )
    index = write_page(grid_of(frame, title="sheet"), lab.path, tmp_path / "page")
    page = new_page(viewport=SHEET, reduced_motion="reduce", color_scheme="dark")
    page.goto(index.as_uri())
    page.locator(".knb-ready").first.wait_for()
    return page


def test_keys_need_no_click_before_them(page: Page) -> None:
    """Nothing has the focus on a page that was just opened: Space plays there all the same, and again after a click."""
    page.keyboard.press(" ")
    page.get_by_role("button", name="Pause").wait_for()
    page.locator("h1").click()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play", exact=False).first.wait_for()


def test_a_printed_page_has_every_clip(page: Page) -> None:
    """On paper nothing scrolls: all tiles stand within the sheet's width, light, with posters, and without controls."""
    assert ["lazy src"] * 28 == page.evaluate(POSTERS)  # which a browser loads before it prints

    page.emulate_media(media="print")

    assert page.evaluate("() => document.documentElement.scrollHeight > innerHeight")
    assert 0 == page.evaluate(CUT)
    assert not page.locator(".knb-transport").is_visible()
    assert page.evaluate("() => getComputedStyle(document.querySelector('h1')).color") == "rgb(22, 24, 29)"
