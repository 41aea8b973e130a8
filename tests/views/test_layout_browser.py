"""Where the clips of a comparison stand, in a real Chromium: the room they take, their headings, and right to left."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

import kling_nb as kn
from kling_nb.views.compare import grid_of, write_page
from kling_nb.views.live import summary_html
from tests.views.clips import make_lab

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

RUNS = """(node) => {
    const edge = (at) => {
        const range = document.createRange();
        range.setStart(node.firstChild, at);
        range.setEnd(node.firstChild, at + 1);
        return range.getBoundingClientRect().left;
    };
    return edge(node.firstChild.length - 1) - edge(0); }"""
NO_AXES: Mapping[str, str] = MappingProxyType({})
TURN = "() => document.documentElement.setAttribute('dir', 'rtl')"


@pytest.fixture
def opened(tmp_path: Path, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """Return what opens the page of so many clips of a lab, with some columns of its table replaced."""

    def show(clips: int, window: int = 1280, axes: Mapping[str, str] = NO_AXES, **columns: Any) -> Page:
        lab = make_lab(tmp_path / "lab", **dict.fromkeys("abcdef"[:clips], 1.0))
        page = new_page(reduced_motion="reduce", viewport={"width": window, "height": 800})
        page.goto(write_page(grid_of(lab.frame(**columns), **axes), lab.path, tmp_path / "page").as_uri())
        page.locator(".knb-ready").first.wait_for()
        return page

    return show


def boxes(found: Locator) -> list[dict[str, float]]:
    """Return where elements stand, in pixels, with where each ends."""
    rectangles: list[dict[str, float]] = found.evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect().toJSON())"
    )
    return rectangles


@pytest.mark.parametrize("columns", [{"mode": "std", "sample": [1, 2]}, {}], ids=["one cell", "two columns"])
def test_two_clips_share_the_width(opened: Callable[..., Page], columns: dict[str, Any]) -> None:
    """Two clips are large and beside each other, in one cell as in two; a wide window does not make them larger still."""
    page = opened(2, **columns)
    assert [box["width"] for box in boxes(page.locator(".knb-media"))] == pytest.approx([560, 560], abs=1)

    page.set_viewport_size({"width": 900, "height": 800})
    first, second = boxes(page.locator(".knb-media"))
    assert (round(first["left"]), round(second["right"])) == (20, 880)
    assert second["left"] - first["right"] <= 14

    page.set_viewport_size({"width": 360, "height": 800})
    assert 1 == len({box["top"] for box in boxes(page.locator(".knb-media"))})


def test_a_large_portrait_fits_the_window(opened: Callable[..., Page]) -> None:
    """Two portraits are not made as wide as two landscapes, since they would be taller than the window."""
    page = opened(2, mode="std", sample=[1, 2], width=[90, 90], height=[160, 160])

    assert all(box["height"] < 640 for box in boxes(page.locator(".knb-media")))


def test_every_cell_divides_its_width_alike(opened: Callable[..., Page]) -> None:
    """A cell with fewer samples than the one above it shows them as large, and what is not there leaves no strip."""
    page = opened(6, prompt=["a fox"] * 4 + ["an owl"] * 2, mode=["std", "std", "pro", "pro", "std", "pro"])

    media = boxes(page.locator(".knb-media"))
    assert 1 == len({round(box["width"]) for box in media})
    for cell in page.locator(".knb-many").all()[:2]:
        (room,), (*_, last) = boxes(cell), boxes(cell.locator(".knb-media"))
        assert room["right"] == pytest.approx(last["right"], abs=0.5)


SCROLLED = """node => {
    node.scrollLeft = (getComputedStyle(node).direction === 'rtl' ? -1 : 1) * 150;
    return Math.abs(node.scrollLeft); }"""
AT_SIDE = """node => {
    const { left, right, top } = node.closest('.knb-stage').getBoundingClientRect();
    const head = node.getBoundingClientRect();
    const x = getComputedStyle(node).direction === 'rtl' ? right - 2 : left + 2;
    return node.contains(document.elementFromPoint(x, Math.max(top, head.top) + 10)); }"""
"""Whether a heading is what is seen at the very side of the stage, a few pixels below its own top."""


@pytest.mark.parametrize("turn", ["() => null", TURN], ids=["left to right", "right to left"])
@pytest.mark.parametrize("window", [1280, 1000])
def test_no_clip_is_seen_beside_the_headings_of_rows(opened: Callable[..., Page], window: int, turn: str) -> None:
    """Scrolled sideways, clips and headings of columns go under the headings of rows, which cover the margin too."""
    providers = [f"relay-{number}" for number in range(6)]
    page = opened(6, window, {"x": "provider", "y": "mode"}, provider=providers, mode=["std"] * 5 + ["pro"])
    page.evaluate(turn)

    assert page.locator(".knb-stage").evaluate(SCROLLED) > 20

    heads = page.locator(".knb-corner, .knb-rowhead")
    assert [True] * 3 == [head.evaluate(AT_SIDE) for head in heads.all()]
    assert 1 == len({(box["left"], box["right"]) for box in boxes(heads)})


SAMPLES = {"one and five": [1, 5], "two and four": [2, 4], "two, one and three": [2, 1, 3]}


@pytest.mark.parametrize("window", [360, 390, 600, 700, 800, 1000, 1280, 1440, 2000])
@pytest.mark.parametrize("name", SAMPLES)
def test_columns_of_many_and_of_few_have_clips_of_one_size(opened: Callable[..., Page], name: str, window: int) -> None:
    """A column with more samples is wider by whole clips, so that none is larger than another; two columns are seen whole."""
    counts = SAMPLES[name]
    modes = [mode for mode, count in zip(("std", "pro", "4k"), counts, strict=False) for _ in range(count)]
    page = opened(len(modes), window, {"x": "mode", "y": "model"}, mode=modes)

    widths = [box["width"] for box in boxes(page.locator(".knb-media"))]
    assert max(widths) < min(widths) + 1
    assert min(widths) > 100
    assert len(counts) > 2 or page.locator(".knb-stage").evaluate("node => node.scrollWidth <= node.clientWidth + 1")


def test_a_window_that_grows_has_more_beside_each_other(opened: Callable[..., Page]) -> None:
    """What stands in two lines in a narrow window stands in one when there is room, and again in two on paper."""
    page = opened(6, 1440, {"x": "mode"}, mode="std", sample=[1, 2, 3, 4, 5, 6])
    lines = lambda: len({round(box["top"]) for box in boxes(page.locator(".knb-media"))})  # noqa: E731
    assert 1 == lines()
    page.set_viewport_size({"width": 700, "height": 900})
    assert 2 == lines()
    page.set_viewport_size({"width": 1440, "height": 900})
    assert 1 == lines()
    page.emulate_media(media="print")
    assert 2 == lines()


def test_a_text_runs_as_its_letters_do(opened: Callable[..., Page]) -> None:
    """An Arabic prompt runs to the left among English words, and these keep their order in a page that runs so."""
    page = opened(2, prompt="ثعلب في الثلج!", mode="std", sample=[1, 2])
    page.locator("summary").first.click()
    assert page.locator(".knb-prompt").first.evaluate(RUNS) < -20

    page.evaluate(TURN)

    assert page.locator("header p").first.evaluate(RUNS) > 20
    assert page.locator("header .knb-same").evaluate(RUNS) < -20
    assert page.locator(".knb-label").first.evaluate(RUNS) > 20


QUOTES = """(node) => [...node.textContent.matchAll(/^ +"/gm)].map(({ index, 0: words }) => {
    const range = document.createRange();
    range.setStart(node.firstChild, index + words.length - 1);
    range.setEnd(node.firstChild, index + words.length);
    return range.getBoundingClientRect().left; })"""
"""Where each line of code begins that is a text."""
MIXED = "ثعلب في الثلج (HD), لقطة تتبع"
ORDER = """(node) => {
    const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    const left = (word) => {
        for (texts.currentNode = node; texts.nextNode(); ) {
            const [range, at] = [document.createRange(), texts.currentNode.data.indexOf(word)];
            if (at < 0) continue;
            range.setStart(texts.currentNode, at);
            range.setEnd(texts.currentNode, at + word.length);
            return range.getBoundingClientRect().left;
        }
    };
    return ["لقطة", "HD", "ثعلب"].map(left); }"""
"""Where the last, the middle and the first word of `MIXED` stand: in this order, as it is read."""


def drawn(new_page: Callable[..., Page], html: str, sought: str) -> Locator:
    """Draw HTML in a wide window and return an element of it."""
    page = new_page(viewport={"width": 2000, "height": 900})
    page.set_content(f"<!doctype html><meta charset=utf-8><style>:not(pre) {{ white-space: nowrap }}</style>{html}")
    return page.locator(sought).first


def test_an_arabic_prompt_is_in_order_behind_english_words(opened: Callable[..., Page]) -> None:
    """In a label each part runs by its own letters, so that an English word in an Arabic prompt stays in its middle."""
    page = opened(2, 2000, {"x": "mode", "y": "model"}, prompt=[MIXED, "a fox"], provider=["kling", "fal"])

    places = page.locator(".knb-label").first.evaluate(ORDER)
    assert places == sorted(places)


def test_an_arabic_prompt_is_in_order_in_saved_outputs(tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """A plan, and what a notebook keeps of a run and a comparison, need no style sheet for it; code runs to the right."""
    sweep = kn.Sweep(prompt=[MIXED, "a fox"], model="kling-v2-6", mode=["std", "pro"], duration=5, repeats=2)
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=float("inf")), provider="kling") as lab:
        run = lab.start(sweep, show=False).wait()
        told = {
            "td": lab.plan(sweep)._repr_html_(),
            ".knb-run-label": summary_html(run.snapshot(), lab.folder),
            "th[scope=row]": lab.compare(run)._repr_html_(),
            "b": lab.compare(run, x="sample", y="mode")._repr_html_(),
        }
        code = lab.form().set(prompt=[MIXED, "a fox " * 20])._repr_html_()

    for sought, html in told.items():
        places = drawn(new_page, html.replace("<style", "<!--").replace("</style>", "-->"), f"{sought}:has-text('HD')")
        assert places.evaluate(ORDER) == sorted(places.evaluate(ORDER)), sought
    head = drawn(new_page, told["th[scope=row]"], "th[scope=row] div")
    assert head.evaluate("node => [getComputedStyle(node).direction, getComputedStyle(node).textAlign]") == [
        "rtl",
        "start",
    ]
    arabic, english = drawn(new_page, code, "pre").evaluate(QUOTES)
    assert arabic == english


def test_open_facts_have_the_whole_width(opened: Callable[..., Page]) -> None:
    """Beside stars the closed line is cut; open, the facts go on under the stars, which stay where they were."""
    page = opened(2, prompt="a fox " * 60, rating=[4.5, 2.0])
    tile = page.locator(".knb-tile").first
    before = boxes(tile.locator(".knb-stars"))

    tile.locator("summary").click()

    (prompt,), (media,) = boxes(tile.locator(".knb-prompt")), boxes(tile.locator(".knb-media"))
    assert prompt["width"] > media["width"] - 5
    assert before == boxes(tile.locator(".knb-stars"))
    (summary,), (stars,) = boxes(tile.locator("summary")), boxes(tile.locator(".knb-stars"))
    assert summary["right"] <= stars["left"]
    assert prompt["top"] >= stars["bottom"] - 4


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("models", [["kling-v1-6"] * 2 + ["kling-v2-6"] * 2, "kling-v2-6"], ids=["rows", "no rows"])
def test_the_first_heading_that_is_seen_begins_with_its_clips(
    opened: Callable[..., Page], width: int, models: Any
) -> None:
    """Where a choice hides the first column, the next heading reaches no further to the left than it has to."""
    page = opened(4, width, model=models, mode=["std", "pro"] * 2, rating=[1.0, 5.0, 1.0, 5.0])
    heads = page.locator(".knb-colhead:visible")
    gap = 14 if page.locator(".knb-corner:visible").count() else 0

    page.get_by_label("Clips to look at").select_option("5")

    assert 1 == heads.count()
    (head,), (media, *_) = boxes(heads), boxes(page.locator(".knb-media:visible"))
    assert head["left"] == pytest.approx(media["left"] - gap, abs=1)


def test_right_to_left(opened: Callable[..., Page]) -> None:
    """In a document that runs right to left so do the grid and the stars, and time runs to the right as everywhere."""
    page = opened(
        4, model=["kling-v1-6"] * 2 + ["kling-v2-6"] * 2, mode=["std", "pro"] * 2, rating=[1.5, 5.0, 1.0, 5.0]
    )
    page.evaluate(TURN)
    tile = page.locator(".knb-tile").first

    (row, *_), (first, second, *_) = boxes(page.locator(".knb-rowhead")), boxes(page.locator(".knb-media"))
    assert row["left"] >= first["right"] > second["right"]
    assert first["right"] - second["right"] > 300
    (one, two, *_), (number,) = boxes(tile.locator("[data-star]")), boxes(tile.locator(".knb-number"))
    assert one["left"] > two["left"] > number["left"]
    tile.hover()
    (tool,), (media, *_) = boxes(tile.locator(".knb-tools")), boxes(tile.locator(".knb-media"))
    assert tool["left"] - media["left"] == pytest.approx(6, abs=1)
    page.get_by_role("slider", name="Time").focus()
    page.keyboard.press("ArrowRight")
    assert "0.04" in str(page.locator(".knb-clock").text_content())
    (play,), (scrub,) = boxes(page.locator(".knb-play")), boxes(page.locator(".knb-scrub"))
    assert play["right"] < scrub["left"]
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
