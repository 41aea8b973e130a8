"""The sweep form in a real JupyterLab: typing, starting, and what a saved notebook keeps of it."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.views.forms import picture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

REACHABLE = int(version("ipykernel").partition(".")[0]) >= 7
SHOW = """
import kling_nb as kn
lab = kn.Lab("study", simulate=kn.Simulation(speed=float("inf")))
form = lab.form()
form
"""
SHOTS = """
shots = [kn.Shot(prompt=words, duration=3) for words in ("one", "two")]
form.set(provider="kling", model="kling-v3", prompt="a fox", shots=shots)
"""
EVIL = "a fox <img src=x onerror='window.hit=1'> in {weather}"
BUSY = """
import time
end = time.monotonic() + 8
while form.run is None and time.monotonic() < end:
    time.sleep(0.05)
print("while busy:", form.run is not None)
"""
FOCUS = "() => document.activeElement.textContent || document.activeElement.labels?.[0]?.textContent || ''"
SELECTED = "() => getSelection().toString()"
STOP = """() => {
    const node = document.activeElement;
    const around = [node, node.closest("label")].filter(Boolean).map((one) => getComputedStyle(one));
    const ringed = around.some((style) => style.outlineStyle === "solid" && parseFloat(style.outlineWidth) >= 2);
    return [node.closest(".knb-form") ? [...document.querySelectorAll(".knb-form *")].indexOf(node) : -1, ringed]; }"""
SAVE_WIDGETS = "() => window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')"
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()"
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"
OVERFLOW = "() => { const form = document.querySelector('.knb-live'); return form.scrollWidth - form.clientWidth; }"


@pytest.fixture
def page(desk: Desk) -> Page:
    """Open a notebook with a form, and type two points into it."""
    return typed_into(desk.run(SHOW))


@pytest.fixture
def page_of_own_kernel(desk: Desk) -> Page:
    """Open the same in a kernel that the test may end."""
    return typed_into(desk.run(SHOW, own_kernel=True))


def typed_into(opened: Page) -> Page:
    """Type two points into a form, and wait until they are counted."""
    opened.get_by_label("Prompts, one per line").fill(EVIL)
    opened.get_by_label("{weather}").fill("snow, heavy rain")
    opened.get_by_role("checkbox", name="mode std", exact=True).check()
    opened.get_by_text("2 points · ").wait_for()
    return opened


def test_a_double_click_starts_one_run(page: Page) -> None:
    """What is typed is priced while one types; two quick clicks on Start make one run with one panel."""
    page.get_by_role("button", name="Start", exact=True).dblclick()

    page.get_by_text("started as ").wait_for()
    page.locator(".knb-panels > *").first.wait_for()
    assert page.locator(".knb-panels > *").count() == 1
    assert page.evaluate("window.hit") is None


def test_a_slider_an_upload_and_shots_are_bought(page: Page) -> None:
    """By keyboard and file chooser: one camera move with an uploaded image, then two shots, each a run of its own."""
    choose(page, "model kling-v1", "camera simple")
    choose(page, "model kling-v2-6", checked=False)
    page.get_by_role("slider", name="camera zoom").press("ArrowLeft")
    page.get_by_role("slider", name="camera pan").press("ArrowRight")
    page.get_by_label("Upload start image").set_input_files(
        {"name": EVIL, "mimeType": "image/png", "buffer": picture()}
    )
    page.wait_for_function("() => document.querySelector('.knb-frame img')?.naturalWidth > 0")
    start(page, 'kn.CameraControl(type="simple", pan=0.5)')

    choose(page, "model kling-v3", "shots several, written here")
    choose(page, "model kling-v1", checked=False)
    page.get_by_label("Shot 1", exact=True).fill("a fox wakes in {weather}")
    page.get_by_label("Shot 2", exact=True).fill("it runs")
    page.set_viewport_size({"width": 520, "height": 900})
    page.wait_for_function(f"() => ({OVERFLOW})() <= 0")
    start(page, 'kn.Shot(prompt="it runs", duration=2)', panels=2)
    assert page.evaluate("window.hit") is None


def choose(page: Page, *names: str, checked: bool = True) -> None:
    """Check boxes by their names, or take the checks away."""
    for name in names:
        page.get_by_role("checkbox", name=name, exact=True).set_checked(checked)


def start(page: Page, code: str, panels: int = 1) -> None:
    """Wait until the Python says this, start, and wait until every clip of the run is saved."""
    page.locator(".knb-python", has_text=code).wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function(f"() => document.querySelectorAll('.knb-panels > *').length === {panels}")
    page.locator(".knb-panels > *").first.get_by_text("finished: all 2 saved").wait_for()


def test_no_tooltip_is_markup(page: Page) -> None:
    """Under the pointer a choice has no tooltip: ipywidgets would show the markup that names its field."""
    hidden = page.get_by_role("checkbox", name="mode pro", exact=True)

    assert hidden.get_attribute("title") is None
    for position in ({"x": 12, "y": 12}, {"x": 32, "y": 12}):
        page.locator("label").filter(has=hidden).hover(position=position)
        assert page.evaluate("() => [...document.querySelectorAll(':hover')].map(node => node.title).join('')") == ""


def test_it_fits_a_narrow_window(page: Page) -> None:
    """In a narrow notebook the form wraps; nothing of it has to be scrolled sideways."""
    page.set_viewport_size({"width": 400, "height": 900})

    page.wait_for_function(f"() => ({OVERFLOW})() <= 0")


def test_the_keyboard_goes_through(page: Page) -> None:
    """Tab stops once at every control, in the order of reading, with a ring round it, and leads out at the end."""
    page.get_by_role("button", name="More: ").press("Enter")
    page.get_by_label("Callback address").wait_for()
    page.get_by_role("checkbox", name="provider kling", exact=True).focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")

    stops = list(iter(lambda: stop_and_go_on(page), None))

    assert stops == sorted(set(stops))
    assert len(stops) == page.locator(".knb-form :is(input, textarea, button, pre):visible").count()


def stop_and_go_on(page: Page) -> int | None:
    """Return the place in the form of what has the focus, and press Tab; nothing once the focus has left the form."""
    place, is_ringed = page.evaluate(STOP)
    page.keyboard.press("Tab")
    assert is_ringed or place < 0
    return None if place < 0 else int(place)


def test_keys_are_the_forms_own(page: Page) -> None:
    """Keys that are commands of JupyterLab do nothing to the notebook; the Python is selected where Tab reaches it."""
    box = page.get_by_role("checkbox", name="mode std", exact=True)
    for key in ("ArrowDown", "b", "x", "Space"):
        box.press(key)
    assert not box.is_checked()
    assert (page.evaluate(FOCUS), page.locator(".jp-Notebook .jp-Cell").count()) == ("mode std", 1)

    page.get_by_role("button", name="Start", exact=True).focus()
    page.keyboard.press("Tab")
    assert 'prompt="a fox <img' in page.evaluate(SELECTED)
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(SELECTED) == ""


def test_a_button_that_is_done_hands_the_focus_on(page: Page) -> None:
    """Start and *Add a shot* are disabled when they have done their last; the button before them gets the focus."""
    page.get_by_role("button", name="Start", exact=True).press("Enter")
    page.get_by_text("started as ").wait_for()
    page.wait_for_function(f"() => ({FOCUS})() === 'Plan'")

    choose(page, "model kling-v3", "shots several, written here")
    for number in range(3, 7):
        page.get_by_role("button", name="Add a shot").press("Enter")
        page.get_by_label(f"Shot {number}", exact=True).wait_for()
    page.wait_for_function(f"() => ({FOCUS})() === 'Remove shot 6'")


def test_it_says_what_belongs_together(desk: Desk) -> None:
    """To a screen reader: choices are groups, a sentence is tied to its control, and the focus outlives what had it."""
    page = desk.run(SHOW.removesuffix("form\n") + SHOTS)
    budget = page.get_by_label("Budget, USD")

    budget.fill("abc")
    page.wait_for_selector(".knb-budget [aria-invalid=true]")
    said = page.locator(f"#{budget.get_attribute('aria-describedby')}")
    assert "is not an amount in USD" in said.inner_text()
    assert page.get_by_label("Run name").get_attribute("aria-invalid") is None
    budget.fill("")
    page.wait_for_function("() => !document.querySelector('.knb-budget [aria-invalid]')")
    page.get_by_role("button", name="Remove shot 1").press("Enter")
    page.wait_for_function("() => document.activeElement.textContent === 'Add a shot'")
    more = page.get_by_role("button", name="More: ")
    assert more.get_attribute("aria-expanded") == "false"
    more.press("Enter")
    page.wait_for_selector(".knb-form [aria-expanded=true]")
    assert page.get_by_role("group", name="Model").get_by_role("checkbox", checked=True).count() == 1
    assert page.locator(".knb-line").get_by_role("status").count() == 1


def test_a_saved_notebook_keeps_the_python_as_typed(page: Page, desk: Desk) -> None:
    """Opened again without a kernel, the notebook says what the form was for and shows its Python, and no error."""
    page.locator(".knb-static pre", has_text="heavy rain").wait_for(state="attached")
    assert not page.locator(".knb-static").is_visible()
    desk.save()

    again = desk.come_back()

    again.get_by_text("Sweep form: run this cell to use it.").wait_for()
    assert 'weather=["snow", "heavy rain"]' in again.locator(".knb-static pre").inner_text()
    assert again.get_by_text("Error displaying widget").and_(again.locator(":visible")).count() == 0
    assert again.evaluate("window.hit") is None


@pytest.mark.skipif(not REACHABLE, reason="ipykernel 6 has no subshells")
def test_start_works_while_a_cell_is_busy(desk: Desk) -> None:
    """A press on Start takes effect in the middle of another cell."""
    filled = SHOW.removesuffix("form\n") + "form.set(prompt='a fox', model='kling-v1', mode='std')\nform\n"
    page = desk.begin(filled, BUSY)

    page.get_by_role("button", name="Start", exact=True).click()

    page.get_by_text("while busy: True", exact=True).wait_for()


def test_a_form_that_nobody_hears_is_not_shown(page_of_own_kernel: Page, desk: Desk) -> None:
    """After a restart, and where widgets are saved with the notebook, its Python stands there and no dead button."""
    page = page_of_own_kernel
    static = page.locator(".knb-static pre", has_text="heavy rain")
    static.wait_for(state="attached")
    assert not static.is_visible()
    page.evaluate(SAVE_WIDGETS)
    desk.save()
    page.evaluate(SAVE_WIDGETS)  # which is a switch, for all notebooks
    assert "widgets" in json.loads(desk.file.read_text("utf-8"))["metadata"]

    page.evaluate(RESTART)

    static.wait_for()
    assert not page.locator(".knb-form").is_visible()
    again = desk.come_back()
    again.locator(".knb-form").wait_for(state="attached")
    again.locator(".knb-static pre", has_text="heavy rain").wait_for()
    assert not again.locator(".knb-form").is_visible()


def test_a_press_after_the_kernel_was_shut_down_is_answered(page_of_own_kernel: Page) -> None:
    """Where nobody hears it any more, a press on Start says what to do; while somebody does, nothing is said."""
    page = page_of_own_kernel
    said = page.get_by_role("alert").get_by_text("No kernel answers. Run the cell again.", exact=True)
    page.get_by_role("button", name="Plan", exact=True).click()
    page.locator(".knb-table table").first.wait_for()
    assert said.count() == 0

    page.evaluate(SHUT_DOWN)
    page.get_by_role("button", name="Start", exact=True).click()

    said.wait_for()
