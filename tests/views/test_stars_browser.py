"""Stars in a real Chromium: clicked, pressed and taken back in JupyterLab, and only shown on a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("playwright")
from playwright.sync_api import expect

from kling_nb.views.compare import grid_of, write_page
from tests.views.clips import LabFolder, make_lab

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

    from tests.desk import Desk

LAB = """
import kling_nb as kn
lab = kn.Lab("rated", simulate=kn.Simulation(speed=float("inf")), provider="kling")
sweep = kn.Sweep(prompt=["a fox", "a boat", "an owl"], model="kling-v2-5-turbo", mode="std", duration=5)
run = lab.start(sweep, show=False).wait()
lab.compare(run)
"""
ONE = """lab.generate("a fox", model="kling-v2-5-turbo", mode="std", duration=5)"""
RATINGS = """print("kept:", *lab.df().sort_values("prompt")["rating"])"""
BUSY = """
import kling_nb as kn
from kling_nb.views.compare import Comparison
def judge(task, rating, note):
    raise kn.KlingError("not kept: <b>another kernel</b> drives")
Comparison(lab.compare(run).grid, lab.folder, judge)
"""
NO_FOURS = """
import kling_nb as kn
from kling_nb.views.compare import Comparison
def judge(task, rating, note):
    if rating == 4:
        raise kn.KlingError("not kept: no fours")
Comparison(lab.compare(run).grid, lab.folder, judge)
"""
CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.type)"
READY = "n => document.querySelectorAll('.knb-live .knb-ready').length === n"
SOURCE = "window.jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.source"
FULL = "tile => tile.querySelectorAll('.knb-full').length"


@pytest.fixture
def opened(desk: Desk) -> Callable[..., Page]:
    """Return what opens a notebook with these cells, runs it, and waits for so many clips."""

    def show(*cells: str, clips: int, own_kernel: bool = False) -> Page:
        page = desk.run(*cells, own_kernel=own_kernel, height=1400)
        page.wait_for_function(READY, arg=clips, timeout=60_000)
        return page

    return show


def stars(page: Page) -> Locator:
    """Return the stars of all clips that can be rated."""
    return page.get_by_role("slider", name="Stars")


def wait_for(page: Page, *words: str) -> None:
    """Wait until the clips are rated like this, as a screen reader would say it."""
    said = "() => [...document.querySelectorAll('.knb-stars')].map(one => one.ariaValueText ?? one.ariaLabel)"
    page.wait_for_function(f"words => JSON.stringify(({said})()) === JSON.stringify(words)", arg=list(words))


def test_stars_are_clicked_and_pressed(opened: Callable[..., Page]) -> None:
    """A click, a number over the clip and an arrow on the stars rate it; the log has it, and 0 takes it back."""
    page = opened(LAB, RATINGS, clips=3)
    assert not page.get_by_label("Clips to look at").is_visible()

    stars(page).nth(0).locator("[data-star='4']").click()
    wait_for(page, "4 of 5 stars", "not rated", "not rated")
    page.locator(".knb-tile").nth(1).hover()
    page.keyboard.press("2")
    wait_for(page, "4 of 5 stars", "2 of 5 stars", "not rated")
    stars(page).nth(2).focus()
    page.keyboard.press("ArrowRight")
    wait_for(page, "4 of 5 stars", "2 of 5 stars", "1 of 5 stars")
    page.keyboard.press("5")
    wait_for(page, "4 of 5 stars", "2 of 5 stars", "5 of 5 stars")
    assert [4, 2, 5] == [tile.evaluate(FULL) for tile in page.locator(".knb-tile").all()]
    stars(page).nth(0).locator("[data-star='4']").click()
    wait_for(page, "not rated", "2 of 5 stars", "5 of 5 stars")

    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-below')")
    page.get_by_text("kept: 2.0 <NA> 5.0").or_(page.get_by_text("kept: 2.0 nan 5.0")).wait_for()
    assert ["code", "code"] == page.evaluate(CELLS)


def test_a_digit_needs_no_click_before_it(opened: Callable[..., Page]) -> None:
    """With the pointer on a clip a digit rates it while a cell has the focus, and not while one types in the cell."""
    page = opened(LAB, RATINGS, clips=3)
    page.locator(".jp-InputPrompt").first.click()
    page.locator(".knb-tile").nth(1).hover()
    page.keyboard.press("3")
    wait_for(page, "not rated", "3 of 5 stars", "not rated")
    assert ["code", "code"] == page.evaluate(CELLS)

    page.keyboard.press("Enter")
    page.keyboard.type("55")
    page.wait_for_function(f"source => {SOURCE}.includes(source)", arg="55")
    wait_for(page, "not rated", "3 of 5 stars", "not rated")
    page.keyboard.press("Escape")
    page.mouse.move(2, 2)
    page.keyboard.press("3")
    wait_for(page, "not rated", "3 of 5 stars", "not rated")


def test_one_clip_is_rated_too(opened: Callable[..., Page]) -> None:
    """A clip by itself has stars, and what it was rated is there when it is shown again."""
    page = opened(LAB.replace("lab.compare(run)", ""), ONE, clips=1)
    stars(page).press("5")
    wait_for(page, "5 of 5 stars")
    stars(page).locator("[data-star='3']").click()
    wait_for(page, "3 of 5 stars")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(READY, arg=1)
    wait_for(page, "3 of 5 stars")


def test_the_keys_of_the_stars(opened: Callable[..., Page]) -> None:
    """Arrows, Home, End and Delete move them as a slider's, digits set them; with Ctrl, held, or on a choice none does."""
    page = opened(LAB, RATINGS, clips=3)
    one = stars(page).first
    for key, words in (
        ("End", "5"),
        ("ArrowRight", "5"),
        ("ArrowDown", "4"),
        ("2", "2"),
        ("ArrowUp", "3"),
        ("Control+1", "3"),
    ):
        one.press(key)
        expect(one).to_have_attribute("aria-valuetext", f"{words} of 5 stars")
    for key in ("Delete", "4", "0", "3", "Home", "1", "1"):
        one.press(key)
    expect(one).to_have_attribute("aria-valuetext", "not rated")
    for _ in range(4):  # a key that is held comes again and again
        page.keyboard.down("5")
    page.keyboard.up("5")
    expect(one).to_have_attribute("aria-valuetext", "5 of 5 stars")
    one.locator("[data-star='2']").dblclick()
    expect(one).to_have_attribute("aria-valuetext", "2 of 5 stars")
    page.get_by_label("Speed").focus()
    page.locator(".knb-tile").nth(1).hover()
    page.keyboard.press("4")
    wait_for(page, "2 of 5 stars", "not rated", "not rated")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-below')")
    page.get_by_text("kept: <NA> 2.0 <NA>").or_(page.get_by_text("kept: nan 2.0 nan")).wait_for()


def test_the_pointer_and_the_focus_take_turns(opened: Callable[..., Page]) -> None:
    """A digit is for the clip where the pointer came last; when it has left, for the one with the focus."""
    page = opened(LAB, RATINGS, clips=3)
    stars(page).nth(2).focus()
    page.keyboard.press("3")
    page.locator(".knb-tile").nth(0).hover()
    page.keyboard.press("1")
    wait_for(page, "1 of 5 stars", "not rated", "3 of 5 stars")
    page.mouse.move(2, 2)
    page.keyboard.press("5")
    wait_for(page, "1 of 5 stars", "not rated", "5 of 5 stars")


def test_every_view_has_the_stars(opened: Callable[..., Page], desk: Desk) -> None:
    """A comparison that is shown twice has the same stars in both, and after the page was loaded again."""
    one = LAB.replace("lab.compare", "shown = lab.compare").replace(', "a boat", "an owl"', "")
    page = opened(one, "shown", "shown", clips=2)
    stars(page).nth(1).locator("[data-star='4']").click()
    wait_for(page, "4 of 5 stars", "4 of 5 stars")
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    desk.reload()
    page.wait_for_function(READY, arg=2)
    wait_for(page, "4 of 5 stars", "4 of 5 stars")


def test_a_kernel_that_is_gone_keeps_nothing(opened: Callable[..., Page]) -> None:
    """Without a kernel a click is taken back, and the clip says what to do."""
    page = opened(LAB, clips=3, own_kernel=True)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.context.sessionContext.shutdown()")
    stars(page).first.locator("[data-star='4']").click()
    page.get_by_text("no kernel answers").wait_for()
    wait_for(page, "not rated", "not rated", "not rated")


def test_jupyterlabs_keys_leave_the_player_alone(opened: Callable[..., Page]) -> None:
    """On stars, on a button and on the clips, X cuts no cell, B adds none and 3 makes no heading; Ctrl+S saves."""
    page = opened(LAB, RATINGS, clips=3)
    player = page.locator(".knb-live")
    summary = player.locator("summary").first
    for what in (
        stars(page).first,
        player.get_by_role("button", name="Loop (l)"),
        player.locator(".knb-stage"),
        summary,
    ):
        for key in ("x", "b", "3", "y", "Escape"):
            what.focus()
            page.keyboard.press(key)
    assert ["code", "code"] == page.evaluate(CELLS)
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.context.model.dirty = true; }")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")


def test_one_clip_on_two_tiles_is_rated_once(opened: Callable[..., Page]) -> None:
    """Where a clip is shown twice, as by two runs that share it, both tiles have its stars."""
    twice = LAB.replace(
        "lab.compare(run)", "lab.compare([run, lab.start(sweep, name='again', show=False).wait()], x='run')"
    )
    page = opened(twice.replace(', "a boat", "an owl"', ""), clips=2)
    stars(page).nth(1).locator("[data-star='4']").click()
    wait_for(page, "4 of 5 stars", "4 of 5 stars")


def test_what_could_not_be_kept_is_taken_back(opened: Callable[..., Page]) -> None:
    """A rating that the kernel refuses is gone again, and the clip says why, in words and not as markup."""
    page = opened(LAB.replace("lab.compare(run)", ""), BUSY, clips=3)
    stars(page).nth(1).locator("[data-star='4']").click()
    page.get_by_text("not kept: <b>another kernel</b> drives", exact=True).wait_for()
    wait_for(page, "not rated", "not rated", "not rated")


def test_why_it_was_not_kept_is_told_until_the_next_answer(opened: Callable[..., Page]) -> None:
    """The words are gone with the next rating that is kept, on whichever clip, with the next wish, a click and Escape."""
    page = opened(LAB.replace("lab.compare(run)", ""), NO_FOURS, clips=3)
    complaint = page.get_by_text("not kept: no fours", exact=True)
    second = stars(page).nth(1)

    second.press("4")
    expect(complaint).to_have_count(1)
    stars(page).nth(0).press("2")
    wait_for(page, "2 of 5 stars", "not rated", "not rated")
    expect(complaint).to_have_count(0)
    second.press("4")
    expect(complaint).to_have_count(1)
    second.press("Escape")
    expect(complaint).to_have_count(0)
    second.press("4")
    expect(complaint).to_have_count(1)
    page.locator("video").nth(1).click()
    expect(complaint).to_have_count(0)


def test_the_arrows_of_stars_that_run_to_the_left(opened: Callable[..., Page]) -> None:
    """In a document that runs right to left the left arrow adds a star, since the next one is on the left."""
    page = opened(LAB, clips=3)
    page.evaluate("() => document.querySelector('.knb-live').setAttribute('dir', 'rtl')")
    first = stars(page).first

    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowRight"):
        first.press(key)

    expect(first).to_have_attribute("aria-valuetext", "2 of 5 stars")


def test_a_page_shows_stars_and_the_best(lab_folder: LabFolder, tmp_path: Path, new_page: Callable[..., Page]) -> None:
    """Without a kernel ratings are only shown; a choice leaves the clips with so many stars, larger, and their headings.

    Among all clips is one that was rated below zero by hand.
    """
    models = ["kling-v1-6", "kling-v1-6", "kling-v2-6", "kling-v2-6"]
    lab = make_lab(lab_folder.path, a=2, b=2, c=2, d=2)
    page = new_page(reduced_motion="reduce", viewport={"width": 1100, "height": 900})
    frame = lab.frame(model=models, rating=[2.0, -1.0, 1.0, 4.5])
    page.goto(write_page(grid_of(frame, x="mode", y="model"), lab.path, tmp_path / "page").as_uri())
    wait_for(page, "2 of 5 stars", "rated -1", "1 of 5 stars", "4.5 of 5 stars")
    assert 0 == stars(page).count()
    seen = page.locator(".knb-tile:visible")
    assert 4 == seen.count()
    width = seen.first.bounding_box()["width"]  # type: ignore[index]

    page.get_by_label("Clips to look at").select_option("2")
    assert 2 == seen.count()
    assert ["std", "pro"] == page.locator(".knb-colhead:visible .knb-value").all_inner_texts()
    page.get_by_label("Clips to look at").select_option("4")
    assert 1 == seen.count()
    assert ["pro", "kling-v2-6"] == page.locator(".knb-value:visible").all_inner_texts()
    assert seen.bounding_box()["width"] > 1.3 * width  # type: ignore[index]
    assert page.get_by_role("option", name="★★★★★").is_disabled()

    for least in ("1", "0"):
        page.get_by_label("Clips to look at").select_option(least)
    assert 4 == seen.count()
    assert width == seen.first.bounding_box()["width"]  # type: ignore[index]


def test_the_best_are_large_and_of_one_size(
    lab_folder: LabFolder, tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    """Of samples that share a cell those that are left grow alike; where none is hidden all are as they were."""
    lab = make_lab(lab_folder.path, a=2, b=2, c=2, d=2)
    page = new_page(reduced_motion="reduce", viewport={"width": 1100, "height": 900})
    grid = grid_of(lab.frame(sample=[1, 1, 2, 2], rating=[5.0, 4.0, 5.0, 1.0]), x="mode")
    page.goto(write_page(grid, lab.path, tmp_path / "page").as_uri())
    wait_for(page, "5 of 5 stars", "5 of 5 stars", "4 of 5 stars", "1 of 5 stars")  # by cell
    before = widths(page)
    page.get_by_label("Clips to look at").select_option("4")
    best = widths(page)
    assert 3 == len(best)
    assert min(best) > 1.3 * max(before)
    assert max(best) < 1.1 * min(best)
    for least in ("1", "0"):
        page.get_by_label("Clips to look at").select_option(least)
        assert before == widths(page)


def widths(page: Page) -> list[float]:
    """Return the widths of the clips that are seen, in pixels."""
    boxes = [one.bounding_box() for one in page.locator(".knb-tile:visible").all()]
    return [box["width"] for box in boxes if box]


def test_what_has_the_focus_is_not_hidden(opened: Callable[..., Page]) -> None:
    """A clip that loses its stars while it has the focus stays until the focus leaves it; the last one shows all again."""
    page = opened(LAB, clips=3)
    seen = page.locator(".knb-tile:visible")
    for n, key in enumerate("254"):
        page.locator(".knb-stars").nth(n).press(key)
    page.get_by_label("Clips to look at").select_option("4")
    expect(seen).to_have_count(2)
    page.locator(".knb-stars").nth(1).press("1")
    wait_for(page, "2 of 5 stars", "1 of 5 stars", "4 of 5 stars")
    assert 2 == seen.count()
    page.locator(".knb-stars").nth(2).focus()
    expect(seen).to_have_count(1)
    page.locator(".knb-stars").nth(2).press("0")
    expect(seen).to_have_count(3)
    expect(page.get_by_label("Clips to look at")).to_have_value("0")


def test_a_page_without_ratings_has_no_stars(
    lab_folder: LabFolder, tmp_path: Path, new_page: Callable[..., Page]
) -> None:
    """Where nothing was rated nothing of it is shown."""
    page = new_page()
    page.goto(write_page(grid_of(lab_folder.frame()), lab_folder.path, tmp_path / "page").as_uri())
    page.wait_for_function("() => document.querySelectorAll('.knb-ready').length === 2")
    assert 0 == page.locator(".knb-stars").count()
    assert not page.get_by_label("Clips to look at").is_visible()
