"""The static page in a real Chromium, from a file and over http: playing, keeping step, obeying, fitting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_nb.views.compare import grid_of, write_page
from tests.browser import serve_folder
from tests.views.clips import FPS, make_lab

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVIL = "</script><img src=x onerror='window.hit=1'><b>bold</b>"
READY = "n => document.querySelectorAll('.knb-ready').length >= n"
TIMES = "() => [...document.querySelectorAll('.knb-media video')].map(video => video.currentTime)"
MOVING = "() => [...document.querySelectorAll('.knb-media video')].every(video => video.currentTime > 0.4)"
AT = """t => [...document.querySelectorAll('.knb-media video')].every(
    video => !video.seeking && Math.abs(video.currentTime - t) < 1 / 24)"""
BACK_IN_STEP = """async (frame) => {
    const videos = [...document.querySelectorAll('.knb-media video')];
    const scrub = document.querySelector('.knb-scrub');
    const median = (spreads) => spreads.toSorted((a, b) => a - b)[6];
    let [spreads, isOff] = [[], false];
    for (const end = performance.now() + 30_000; performance.now() < end;) {
        await new Promise(done => setTimeout(done, 60));
        if (videos.some(video => video.seeking)) continue;
        const times = videos.map(video => video.currentTime);
        const [first, last] = [Math.max(...times), Math.min(...times)];
        if (first > 5) {
            [spreads, isOff] = [[], false];
            scrub.value = 1;
            scrub.dispatchEvent(new Event('input'));
        } else if (!isOff) {
            isOff = first - last > 2 * frame;
            if (!isOff) videos[times.indexOf(last)].currentTime -= 0.12;
        } else {
            spreads = [...spreads.slice(-11), first - last];
            if (spreads.length === 12 && median(spreads) <= frame) break;
        }
    }
    return median(spreads) ?? Infinity; }"""
"""Puts the last of the clips further behind, and waits until the player has mended that, which takes a busy machine
seconds. At their end clips come into step by themselves: before it they are led back and put out of step again."""
RATES = "() => [...document.querySelectorAll('video')].map(video => video.playbackRate)"
STILL = "() => [...document.querySelectorAll('video')].every(video => video.paused && !video.seeking)"
LAST_MOVES = "() => [...document.querySelectorAll('video')].pop().currentTime > 0"
OVERFLOW = "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - window.innerWidth"
BURST = """() => { const scrub = document.querySelector('.knb-scrub');
    for (const time of [0.4, 3.1, 1.7, 5.2, 4.5]) { scrub.value = time; scrub.dispatchEvent(new Event('input')); } }"""
NOTE_CHANGES = """() => {
    window.changed = {};
    const note = ({ attributeName, target }) => {
        const name = `${attributeName}.${target.className}`;
        window.changed[name] = (window.changed[name] ?? 0) + 1;
    };
    const see = { subtree: true, attributes: true, attributeFilter: ["style", "max", "aria-pressed", "aria-valuetext", "aria-label"] };
    new MutationObserver((changes) => changes.forEach(note)).observe(document.querySelector(".knb-transport"), see);
    document.querySelectorAll(".knb-tools").forEach((one) => new MutationObserver((all) => all.forEach(note)).observe(one, see)); }"""
WHOLE = "() => [...document.querySelectorAll('video')].every(v => v.seekable.length && v.seekable.end(0) > v.duration - 0.1)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a page of four clips of six seconds over two modes and two models."""
    lab = make_lab(tmp_path_factory.mktemp("lab"), a=6, b=6, c=6, d=6)
    frame = lab.frame(model=["kling-v1-6", "kling-v1-6", "kling-v2-6", "kling-v2-6"], sound=[False, True, False, True])
    grid = grid_of(frame, title="four clips", simulated=True)
    return write_page(grid, lab.path, tmp_path_factory.mktemp("page")).parent


@pytest.fixture(params=["file", "http"])
def address(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Give the page's address as a file, and over http without byte ranges."""
    if request.param == "file":
        yield (folder / "index.html").as_uri()
        return
    with serve_folder(folder) as base:
        yield f"{base}/index.html"


@pytest.fixture
def page(folder: Path, new_page: Callable[..., Page]) -> Page:
    """Open the page from a file, standing still, with all four clips ready."""
    page = new_page(reduced_motion="reduce")
    show(page, (folder / "index.html").as_uri(), clips=4)
    return page


def show(page: Page, address: str, *, clips: int) -> None:
    """Open an address and wait until so many clips are ready."""
    page.goto(address)
    page.wait_for_function(READY, arg=clips)


def write(tmp_path: Path, seconds: dict[str, float], **columns: Any) -> str:
    """Write a page for clips of these lengths and return its address."""
    lab = make_lab(tmp_path / "lab", **seconds)
    grid = grid_of(lab.frame(**columns), title=str(columns.get("title", "")))
    return write_page(grid, lab.path, tmp_path / "page").as_uri()


def test_it_plays_by_itself(address: str, new_page: Callable[..., Page]) -> None:
    """All clips in sight play, muted, wherever the page comes from."""
    page = new_page()
    show(page, address, clips=4)

    page.wait_for_function(MOVING)

    assert page.evaluate("() => [...document.querySelectorAll('video')].every(video => video.muted && !video.paused)")


def test_clips_are_in_step(address: str, new_page: Callable[..., Page]) -> None:
    """After a seek and while playing, all clips are within one frame of each other, and one that falls behind catches up."""
    page = new_page()
    show(page, address, clips=4)

    page.get_by_role("slider", name="Time").fill("1")
    page.wait_for_function("() => document.querySelector('.knb-media video').currentTime > 1.5")

    assert page.evaluate(BACK_IN_STEP, 1 / FPS) <= 1 / FPS


def test_every_clip_can_be_sought(address: str, new_page: Callable[..., Page]) -> None:
    """Any moment of a clip can be reached, even from a server that knows no byte ranges."""
    page = new_page()
    show(page, address, clips=4)

    page.wait_for_function(WHOLE)


def test_it_asks_nobody_else(address: str, new_page: Callable[..., Page]) -> None:
    """Every request goes to the page's own place."""
    page = new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    show(page, address, clips=4)

    assert asked
    assert all(url.startswith((address.removesuffix("index.html"), "blob:", "data:")) for url in asked)


def test_the_scrubber_moves_all_clips(page: Page) -> None:
    """Moving the one scrubber brings every clip to the same frame, the last of many moves included."""
    page.get_by_role("slider", name="Time").fill("3.1")
    page.wait_for_function(AT, arg=3.1)
    page.evaluate(BURST)

    page.wait_for_function(AT, arg=4.5)


def test_reduced_motion_stands_still(page: Page) -> None:
    """Whoever asks for less motion gets no motion until they press play."""
    assert [int(time) for time in page.evaluate(TIMES)] == [0] * 4
    assert page.evaluate("() => [...document.querySelectorAll('video')].every(video => video.paused)")


def test_the_keyboard_steps_by_frames(page: Page) -> None:
    """Arrows, and comma and full stop, move all clips by one frame; Home goes to the start, End to the end."""
    page.locator(".knb-stage").focus()

    for key in ("ArrowRight", "ArrowRight", ".", "ArrowRight", ",", "ArrowLeft"):
        page.keyboard.press(key)
    page.wait_for_function(AT, arg=2.3 / FPS)

    page.keyboard.press("End")
    page.wait_for_function(AT, arg=6 - 0.5 / FPS)
    page.keyboard.press("Home")
    page.wait_for_function(AT, arg=0)


def test_the_keyboard_plays_and_sets_the_speed(page: Page) -> None:
    """Space plays and pauses; plus and minus change the speed of all clips."""
    page.locator(".knb-stage").focus()

    page.keyboard.press("+")
    page.keyboard.press("+")
    page.keyboard.press("Space")
    page.wait_for_function(MOVING)
    assert all(rate > 1.6 for rate in page.evaluate(RATES))

    page.keyboard.press("Space")
    page.wait_for_function(STILL)
    times = page.evaluate(TIMES)
    assert max(times) - min(times) < 1 / FPS


def test_space_on_a_button_presses_only_that_button(page: Page) -> None:
    """A focused button keeps its own keys: space on *Loop* does not start playback."""
    page.get_by_role("button", name="Loop").focus()

    page.keyboard.press("Space")

    assert page.get_by_role("button", name="Loop").get_attribute("aria-pressed") == "false"
    assert page.get_by_role("button", name="Play").is_visible()


@pytest.mark.parametrize("scripted", [True, False], ids=["live", "without JavaScript"])
def test_what_opens_can_be_touched(folder: Path, new_page: Callable[..., Page], *, scripted: bool) -> None:
    """The line that opens a clip's facts is 24 px high for a mouse and 44 px for a finger, in the same place."""
    told = {}
    for touch in (True, False):
        page = new_page(
            is_mobile=touch, has_touch=touch, viewport={"width": 500, "height": 900}, java_script_enabled=scripted
        )
        page.goto((folder / "index.html").as_uri())
        boxes = [one.bounding_box() for one in page.locator("summary").all()]
        told[touch] = [(box["y"] + box["height"] / 2, box["height"]) for box in boxes if box]

    assert 4 == len(told[True]) == len(told[False])
    assert {44 <= high < 46 for _, high in told[True]} == {24 <= high < 26 for _, high in told[False]} == {True}
    assert [middle for middle, _ in told[True]] == [middle for middle, _ in told[False]]


def test_each_button_of_a_clip_is_named_by_its_clip(page: Page) -> None:
    """Whoever hears a list of the buttons can tell which clip one is of."""
    names = page.locator(".knb-tools button").evaluate_all("nodes => nodes.map((node) => node.ariaLabel)")

    large = [name for name in names if name.startswith("Full screen: ")]
    assert len(set(large)) == len(large) == page.locator("video").count()
    assert any(name.startswith("Hear this clip: ") for name in names)
    page.locator(".knb-speaker").first.click()
    assert page.locator(".knb-speaker").first.get_attribute("aria-label").startswith("Hear this clip: ")


def test_the_controls_are_reached_at_once_by_keys(page: Page) -> None:
    """The first stop of Tab leads past all clips to Play; it is seen when it has the focus, and moves nothing."""
    place = "() => document.querySelector('.knb-stage').getBoundingClientRect().top"
    before = page.evaluate(place)

    page.keyboard.press("Tab")
    skip = page.get_by_role("button", name="To the controls")
    assert skip.evaluate("node => node === document.activeElement && node.getBoundingClientRect().width > 60")
    assert page.evaluate(place) == before
    page.keyboard.press("Enter")

    assert page.evaluate("() => document.activeElement.title") == "Play (space)"


def test_space_plays_on_the_whole_screen(page: Page) -> None:
    """Whoever goes there by the button plays by Space, as everywhere, and stands on the button again afterwards."""
    large = page.get_by_role("button", name="Full screen").first
    large.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.fullscreenElement && document.activeElement.tagName === 'VIDEO'")

    page.keyboard.press("Space")
    page.wait_for_function("() => !document.querySelector('video').paused")
    assert page.evaluate("() => Boolean(document.fullscreenElement)")
    page.evaluate("() => document.exitFullscreen()")
    page.wait_for_function("() => !document.fullscreenElement")
    page.wait_for_function("() => document.activeElement.title === 'Full screen'")


def test_what_does_not_change_is_not_written_at_every_frame(page: Page) -> None:
    """While all clips play only the time is: no button, and to a screen reader the second and not each frame."""
    page.evaluate(NOTE_CHANGES)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(MOVING)

    changed = page.evaluate("() => window.changed")

    assert changed.pop("style.knb-scrub") > 5
    assert sum(changed.values()) < 12, changed


def test_one_clip_is_heard_at_a_time(page: Page) -> None:
    """A clip's speaker makes it the only one that is heard; M mutes it again."""
    heard = "() => [...document.querySelectorAll('video')].map(video => !video.muted)"
    speakers = page.get_by_role("button", name="Hear this clip")
    assert speakers.count() == 2

    speakers.last.click()
    assert page.evaluate(heard) == [False, False, False, True]
    speakers.first.click()
    assert page.evaluate(heard) == [False, True, False, False]
    page.keyboard.press("m")
    assert page.evaluate(heard) == [False] * 4


def test_without_loop_it_stops_at_the_end(page: Page) -> None:
    """With the loop off, playback ends at the end and starts again from the beginning."""
    page.get_by_role("button", name="Loop").click()
    page.get_by_role("slider", name="Time").fill("5.7")
    page.get_by_role("button", name="Play").click()

    page.get_by_role("button", name="Play").wait_for()

    assert page.locator(".knb-clock").text_content() == "6.00 / 6.00 s"
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => Number.parseFloat(document.querySelector('.knb-clock').textContent) < 5")


def test_a_shorter_clip_holds_its_last_frame(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """Beyond its end a shorter clip stays on its last frame and is marked; the others go on."""
    page = new_page(reduced_motion="reduce")
    show(page, write(tmp_path, {"long": 4, "short": 2}), clips=2)

    page.get_by_role("slider", name="Time").fill("3")
    page.wait_for_function("() => document.querySelectorAll('video')[0].currentTime > 2.9")

    assert page.locator(".knb-over").count() == 1
    assert 2 - 1 / FPS <= page.evaluate(TIMES)[1] <= 2


def test_a_clip_that_does_not_come_holds_nobody(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """A clip that cannot be played says so on its tile, and the others play."""
    address = write(tmp_path, {"good": 2, "bad": 2})
    (tmp_path / "page/clips/bad.mp4").write_bytes(b"not a video")
    page = new_page()
    show(page, address, clips=1)

    page.wait_for_function("() => document.querySelectorAll('video')[0].currentTime > 0.4")

    page.get_by_text("This browser cannot play the clip.").wait_for()


def test_foreign_text_stays_text(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """Markup in a prompt, a reason, a title or an axis value is shown as it is written and does nothing."""
    state = {"state": ["failed", "saved"], "clip": [None, "clips/b.mp4"]}
    page = new_page()
    foreign = {"prompt": EVIL, "reason": EVIL, "mode": [EVIL, "std"], "title": EVIL}
    show(page, write(tmp_path, {"a": 1, "b": 1}, **foreign, **state), clips=1)

    assert page.locator(".knb-reason").text_content() == EVIL
    assert page.locator(".knb-colhead .knb-value").first.text_content() == EVIL
    assert page.locator("h1").text_content() == EVIL
    assert page.locator("b b, img[onerror], h1 b").count() == 0
    assert page.evaluate("() => window.hit === undefined")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 700, 1600])
def test_the_page_never_scrolls_sideways(folder: Path, new_page: Callable[..., Page], scheme: str, width: int) -> None:
    """At any width and in both themes the page fits; only the grid itself may scroll."""
    page = new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    show(page, (folder / "index.html").as_uri(), clips=1)

    assert page.evaluate(OVERFLOW) <= 0
    assert page.get_by_role("button", name="Pause").is_visible()
    red = page.evaluate("() => Number(getComputedStyle(document.documentElement).backgroundColor.match(/[0-9]+/)[0])")
    assert (red < 60) == (scheme == "dark")


def test_headings_stay_in_sight(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """Scrolled both ways, the headings of columns and rows stay at the edges of the grid."""
    names = {f"c{number}": 1.0 for number in range(24)}
    columns = {"mode": [f"mode {n % 6}" for n in range(24)], "model": [f"model {n // 6}" for n in range(24)]}
    page = new_page(viewport={"width": 640, "height": 500})
    show(page, write(tmp_path, names, **columns), clips=1)
    stage = page.locator(".knb-stage")

    stage.evaluate("stage => stage.scrollTo(150, 260)")

    assert page.evaluate(OVERFLOW) <= 0
    edge = "node => [Math.round(node.getBoundingClientRect().left), Math.round(node.getBoundingClientRect().top)]"
    left, top = stage.evaluate(edge)
    assert stage.evaluate("stage => [stage.scrollLeft, stage.scrollTop]") == [150, 260]
    assert left + 20 == page.locator(".knb-rowhead").nth(2).evaluate(edge)[0]
    assert top == page.locator(".knb-colhead").nth(2).evaluate(edge)[1]


def test_only_what_is_near_is_loaded(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """Clips far below are not fetched until they come near; then they join the others."""
    names = {f"c{number}": 1.0 for number in range(40)}
    page = new_page(viewport={"width": 500, "height": 500})
    show(page, write(tmp_path, names, mode="std"), clips=1)

    assert page.locator("video[src]").count() < 24
    page.locator("figure").last.scroll_into_view_if_needed()
    page.wait_for_function(LAST_MOVES)


def test_without_javascript_it_is_a_table(folder: Path, new_page: Callable[..., Page]) -> None:
    """Where scripts are off, the page shows the table with posters and the browser's own players."""
    page = new_page(java_script_enabled=False)
    page.goto((folder / "index.html").as_uri())

    assert page.get_by_role("table").is_visible()
    assert page.locator("video[controls][poster]").count() == 4
    assert page.get_by_text("kling-v1-6").first.is_visible()
    assert page.get_by_text("SIMULATED").is_visible()


def test_rows_without_columns_begin_beside_their_clips(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """Where no axis makes columns there is no heading to stay below: a row's name stands at its first clip's top."""
    lab = make_lab(tmp_path / "lab", a=1, b=1)
    grid = grid_of(lab.frame(prompt=["a fox", "a boat"], mode="std"), y="prompt")
    page = new_page()
    page.goto(write_page(grid, lab.path, tmp_path / "page").as_uri())
    page.locator(".knb-tile").first.wait_for()

    tops = "nodes => nodes.map(node => Math.round(node.getBoundingClientRect().y))"
    names = page.locator(".knb-rowhead > div").evaluate_all(tops)
    assert page.locator(".knb-colhead").count() == 0
    assert names == page.locator(".knb-tile").evaluate_all(tops)
