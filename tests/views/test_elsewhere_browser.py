"""The views outside JupyterLab and Chromium as they come: nbclassic's page, a missing codec, a browser that plays nothing
by itself, wider letters."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_nb.views.compare import grid_of, write_page
from kling_nb.views.form_face import static_html as form_html
from kling_nb.views.live import start_html
from kling_nb.views.page import script, text_of
from tests.views.clips import LabFolder
from tests.views.snapshots import snapshot
from tests.views.test_scripts_browser import RENDER

if TYPE_CHECKING:
    from playwright.sync_api import Page

AREAS = '<div class="output_area">{before}</div><div class="output_area"><div id="after">{after}</div></div>'
ASKS_FIRST = """
const play = HTMLMediaElement.prototype.play;
let acted = false; // the browser's own userActivation also counts what a test evaluates
addEventListener("pointerdown", () => (acted = true), true);
HTMLMediaElement.prototype.play = function () {
    if (acted) return play.call(this);
    return Promise.reject(new DOMException("a person must do something first", "NotAllowedError"));
};
"""
STANDING = {
    **dict.fromkeys(("pauses", "cancels", "moving"), True),
    "parts": [["saved", 1], ["running", 1]],
    "causes": [],
    "total": 2,
    "name": "fox",
    "stage": "running",
    "money": "$1",
    "counts": "",
}
TILES = [{"id": state, "state": state, "label": state, "saved": state == "saved"} for state in ("saved", "running")]
PACES = {"running": {"said": "112.5 min of ~110.4 min", "words": "", "share": 0.9}}
GIVE = """text => { const { want, id } = window.sent.findLast((one) => one.want !== "hello");
    window.answer({ got: want, id, parts: 1 }, [new TextEncoder().encode(text)]); }"""
COLOUR = "node => getComputedStyle(node).color"
STICKS_OUT = "node => Math.max(node.scrollWidth - node.clientWidth, node.scrollHeight - node.clientHeight)"
RING = """node => { const { left, right } = node.getBoundingClientRect();
    const { outlineStyle, outlineOffset, outlineWidth } = getComputedStyle(node);
    const ring = outlineStyle === "solid" ? parseFloat(outlineOffset) + parseFloat(outlineWidth) : NaN;
    return [left - ring, right + ring]; }"""


@pytest.fixture
def panel(new_page: Callable[..., Page]) -> Callable[..., Page]:
    """Render the panel of a run into an output of nbclassic, under its static output; its kernel has answered."""

    def show(width: int = 600) -> Page:
        page = new_page(viewport={"width": width, "height": 700})
        page.set_content(f"<!doctype html>{AREAS.format(before=start_html(snapshot()), after='')}")
        page.add_style_tag(content=f"body {{ margin: 0; }} .output_area {{ overflow: hidden; }} {text_of('live.css')}")
        traits = {"standing": STANDING, "tiles": TILES, "paces": PACES, "answer": {}, "meanings": {}}
        mark = page.locator(".knb-static").get_attribute("data-knb")
        page.evaluate(RENDER, [script("live"), {"mark": mark, **{name: json.dumps(it) for name, it in traits.items()}}])
        page.evaluate("() => document.querySelector('#after').append(document.body.lastElementChild)")
        page.evaluate("() => window.answer({ got: 'hello', id: '' })")
        return page

    return show


@pytest.fixture
def player(lab_folder: LabFolder, new_page: Callable[..., Page]) -> Page:
    """Render a player that is as wide as its output, which cuts what sticks out; its kernel has answered."""
    frame = lab_folder.frame()
    grid = grid_of(frame.assign(task=frame["identity"])).to_json()
    page = new_page(viewport={"width": 640, "height": 900})
    page.set_content("<!doctype html>")
    page.add_style_tag(content=text_of("style.css") + text_of("compare.css"))
    page.evaluate(RENDER, [script("compare"), {"grid": json.dumps(grid), "mark": "", "rates": True, "ratings": "{}"}])
    page.evaluate("() => window.answer({ got: 'hello', id: '' })")
    page.wait_for_selector(".knb-stars")
    return page


def test_a_panel_takes_the_place_of_the_static_output_in_any_page(panel: Callable[..., Page]) -> None:
    """Where no rule for a known notebook hides its output, the static output goes by itself."""
    page = panel()
    page.evaluate("() => document.querySelectorAll('.output_area').forEach((one) => (one.className = 'unknown'))")

    assert page.locator("section.knb-run").is_visible()
    assert page.locator(".knb-static").is_hidden()


def test_nbclassic_shows_one_of_both(new_page: Callable[..., Page]) -> None:
    """A living form hides what was saved of it; a dead one is hidden behind that."""
    page = new_page()
    page.set_content(AREAS.format(before=form_html("<b>Sweep</b>", "sweep"), after="could not be displayed"))
    saved, widget = page.locator(".knb-static"), page.locator("#after")
    assert (saved.is_visible(), widget.is_visible()) == (True, False)

    page.evaluate("() => document.querySelector('#after').classList.add('knb-live')")

    assert (saved.is_visible(), widget.is_visible()) == (False, True)


def test_a_tile_that_cannot_play_says_so(panel: Callable[..., Page]) -> None:
    """Without the codec the poster stays, and words under it say why nothing plays."""
    page = panel()
    page.evaluate(GIVE, "a poster")
    play = page.get_by_role("button", name="Play saved")

    play.click()
    page.evaluate(GIVE, "not a video")

    page.get_by_role("alert").get_by_text("This browser cannot play the clip.").wait_for()
    assert play.get_attribute("aria-pressed") == "false"
    assert (page.locator("video").count(), page.locator(".knb-run-pic img").count()) == (0, 1)


def test_a_button_that_nobody_hears_says_so(panel: Callable[..., Page]) -> None:
    """Where the kernel was shut down, a press on a button is answered at once, and is not on its way."""
    page = panel()
    page.evaluate("() => { window.mute = true; }")
    error = page.get_by_role("alert").get_by_text("No kernel answers. Run the cell again.", exact=True)

    page.get_by_role("button", name="Cancel…").click()
    page.get_by_role("button", name="Cancel the run").click()
    error.wait_for()
    assert page.locator(".knb-run-said").inner_text() == ""

    page.evaluate("() => { window.mute = false; }")
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("() => window.sent.at(-1)") == {"do": "pause", "n": 1}
    assert error.is_hidden()


def test_media_that_cannot_be_asked_for_say_so(panel: Callable[..., Page]) -> None:
    """Nor does a clip stay on its way for ever that no kernel can bring, however many were asked for before."""
    page = panel()
    page.evaluate(GIVE, "a poster")
    page.evaluate("() => { window.mute = true; }")

    page.get_by_role("button", name="Play saved").click()

    page.get_by_role("alert").get_by_text("No kernel answers. Run the cell again.", exact=True).wait_for()


def test_how_far_a_tile_is_stays_in_it(panel: Callable[..., Page]) -> None:
    """Long words, or wide letters, break into lines in a narrow panel."""
    page = panel(width=230)
    far = page.locator(".knb-run-far", has_text="112.5")

    far.evaluate("node => (node.style.fontSize = '14px')")

    assert far.evaluate(STICKS_OUT) <= 0


def test_the_rings_of_a_panel_are_seen_whole(panel: Callable[..., Page]) -> None:
    """A notebook cuts what sticks out of an output; the ring of what has the focus does not."""
    page = panel(width=300)

    for button in (page.get_by_role("button", name="Pause"), page.get_by_role("button", name="Cancel…")):
        button.focus()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Tab")
        left, right = button.evaluate(RING)
        assert 0 <= left < right <= 300


def test_the_rings_of_a_player_are_seen_whole(player: Page) -> None:
    """Nor does that of a player's buttons, and of the facts and stars of its clips."""
    outer = player.locator(".knb-stage").bounding_box()
    assert outer is not None

    for node in player.locator(".knb :is(button, summary, select, .knb-stars):visible").all():
        node.focus()
        left, right = node.evaluate(RING)
        assert outer["x"] <= left < right <= outer["x"] + outer["width"]


def test_stars_show_what_is_kept_under_a_pointer_that_rests(player: Page) -> None:
    """A number that is pressed while the pointer is on the stars is seen at once; a move shows again what a click does."""
    third, fifth = (player.locator(f".knb-tile:first-child [data-star='{n}']").first for n in (3, 5))
    player.locator(".knb-stage").focus()
    third.hover()
    full, empty = third.evaluate(COLOUR), fifth.evaluate(COLOUR)
    assert full != empty

    player.keyboard.press("5")
    assert fifth.evaluate(COLOUR) == full
    third.hover(position={"x": 3, "y": 8})
    assert fifth.evaluate(COLOUR) == empty


def test_a_browser_that_plays_nothing_by_itself(
    lab_folder: LabFolder, tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    """Where playing is refused before a person has done something, the first press on Play plays."""
    page = new_page()
    page.add_init_script(ASKS_FIRST)
    page.goto(write_page(grid_of(lab_folder.frame()), lab_folder.path, tmp_path / "page").as_uri())
    page.wait_for_selector(".knb-ready")
    play = page.get_by_role("button", name="Play (space)")
    play.wait_for()

    play.click()

    page.wait_for_function("() => document.querySelector('video').currentTime > 0.3")
    page.get_by_role("button", name="Pause (space)").wait_for()
