"""Uncertain tasks in a real browser: their buttons by hand and by keyboard, and in JupyterLab beside a busy cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import kling_nb as kn
from kling_nb.views.uncertain import Panel, static_html
from tests.labs import start, sweep
from tests.views.test_scripts_browser import RENDER

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

SENT = "() => window.sent.filter((message) => message.do)"
ANSWER = "answers => { window.traits.answers = JSON.stringify(answers); window.tell('change:answers'); }"
TRAITS = ("mark", "ways", "simulated", "head", "left", "trouble", "rows", "answers")
OVERFLOW = "() => document.documentElement.scrollWidth - window.innerWidth"
START = """
import kling_nb as kn
lab = kn.Lab("lab", simulate=kn.Simulation(speed=float("inf")))
sweep = kn.Sweep(prompt=["boat #sim:lost"], model="kling-v2-5-turbo", mode="pro", duration=5, provider="fal")
lab.start(sweep, name="a", show=False).wait()
print("ready")
"""
BUSY = """
import time
end = time.monotonic() + 60
while len(lab.uncertain()) and time.monotonic() < end:
    time.sleep(0.02)
print("while busy:", len(lab.uncertain()))
"""


@pytest.fixture
def doubtful(simulated: Callable[..., kn.Lab]) -> kn.Lab:
    """Open a lab with two tasks at fal whose answers were lost."""
    lab = simulated()
    start(lab, sweep("boat #sim:lost", "fox " * 40 + "#sim:lost", provider="fal"), name="a").wait()
    return lab


@pytest.fixture
def shown(doubtful: kn.Lab, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """Render the panel of both tasks, in front of a kernel that only notes what it is told."""

    def show(width: int = 1000, **options: Any) -> Page:
        one = Panel(doubtful.uncertain())
        traits = {name: getattr(one.widget, name) for name in TRAITS}
        page = new_page(viewport={"width": width, "height": 800}, **options)
        page.set_content("<!doctype html><body></body>")
        page.add_style_tag(content=str(one.widget._css))
        page.evaluate(RENDER, [str(one.widget._esm), traits])
        page.evaluate("() => window.answer({ got: 'hello' })")
        one.widget.close()
        return page

    return show


def test_buying_again_asks_with_the_price(shown: Callable[..., Page]) -> None:
    """Nothing is sent before a person agreed to the price that the question names; Escape leaves it, and goes back."""
    page = shown()
    again = page.get_by_role("button", name="Buy again…").first
    question = page.get_by_role("group", name="Buy again… boat")

    again.focus()
    page.keyboard.press("Enter")
    assert (
        "Buy it again for $0.35? If the first one was bought too, both are paid: $0.70 in all." in question.inner_text()
    )
    page.keyboard.press("Escape")
    assert question.is_hidden()
    assert again.evaluate("node => node === document.activeElement")
    assert page.evaluate(SENT) == []
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")

    (message,) = page.evaluate(SENT)
    assert (message["do"], message["id"], message["n"]) == ("buy_again", "", 1)
    assert again.is_disabled()


def test_a_key_that_is_held_agrees_to_nothing(shown: Callable[..., Page]) -> None:
    """Enter that is held on *Buy again…* opens the question, and does not answer it; pressed anew it does."""
    page = shown()
    page.get_by_role("button", name="Buy again…").first.focus()

    for _ in range(4):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")

    assert page.get_by_role("group", name="Buy again… boat").is_visible()
    assert page.evaluate(SENT) == []
    page.keyboard.press("Enter")
    assert len(page.evaluate(SENT)) == 1


def test_an_id_is_typed_and_sent_by_enter(shown: Callable[..., Page]) -> None:
    """The box has a name, an empty one sends nothing, and Enter sends what was typed for its own task."""
    page = shown()

    page.get_by_role("button", name="It was accepted as…").nth(1).click()
    box = page.get_by_label("Id at fal")
    box.press("Enter")
    assert page.evaluate(SENT) == []
    box.fill("  abc-123 ")
    box.press("Enter")

    (message,) = page.evaluate(SENT)
    second = page.evaluate("() => JSON.parse(window.traits.rows)[1].id")
    assert "own id" not in page.locator(".knb-doubt-asked").nth(1).inner_text()  # fal is not sent it
    assert (message["do"], message["id"], message["task"]) == ("accepted_as", "abc-123", second)


def test_a_refused_id_stays_to_be_mended(shown: Callable[..., Page]) -> None:
    """The question stays open with what was typed, and why it was refused; a mended one is sent, and closes it."""
    page = shown()
    page.get_by_role("button", name="It was accepted as…").first.click()
    box, question = page.get_by_label("Id at fal"), page.get_by_role("group", name="It was accepted as… boat")
    box.fill("abc-124")
    box.press("Enter")
    assert box.evaluate("node => node.readOnly")
    box.press("Enter")
    box.press("Escape")
    assert question.is_visible()
    (message,) = page.evaluate(SENT)

    page.evaluate(ANSWER, {message["task"]: {"acted": 1, "said": "", "error": "no such task"}})
    assert page.get_by_text("no such task").is_visible()
    assert box.input_value() == "abc-124"
    assert box.evaluate("node => node === document.activeElement && !node.readOnly")
    box.fill("abc-123")
    box.press("Enter")
    page.evaluate(ANSWER, {message["task"]: {"acted": 2, "said": "It was found.", "error": ""}})

    assert [one["id"] for one in page.evaluate(SENT)] == ["abc-124", "abc-123"]
    assert question.is_hidden()
    assert page.get_by_text("no such task").is_hidden()
    assert page.get_by_text("It was found.").evaluate("node => node === document.activeElement")


def test_a_kernel_that_does_not_hear_is_told_from_a_slow_provider(shown: Callable[..., Page]) -> None:
    """A row says that the kernel is busy until the kernel has the message; then it says that it is on its way."""
    page = shown()

    page.get_by_role("button", name="Look again").first.click()
    page.get_by_text("The kernel is busy").wait_for()
    (message,) = page.evaluate(SENT)
    page.evaluate(f"() => window.answer({{ got: 'do', task: {json.dumps(message['task'])}, n: 1 }})")

    assert page.get_by_text("On its way…").first.is_visible()


@pytest.mark.parametrize("width", [320, 700, 850, 930, 1200])
def test_the_tasks_fit_their_place(shown: Callable[..., Page], width: int) -> None:
    """There is a table only where all its columns have room; elsewhere it is a list."""
    assert shown(width).evaluate(OVERFLOW) <= 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone_and_can_be_read(shown: Callable[..., Page], doubtful: kn.Lab, scheme: str) -> None:
    """At 400 px nothing sticks out, live or static, with a question open; words stand out from what is behind them."""
    page = shown(width=400, color_scheme=scheme)

    page.get_by_role("button", name="It was accepted as…").first.click()
    assert page.evaluate(OVERFLOW) <= 0
    lightness = "node => Number(getComputedStyle(node).color.match(/\\d+/)[0])"
    assert (page.locator(".knb-doubt-asked").first.evaluate(lightness) > 128) == (scheme == "dark")
    page.set_content(f"<!doctype html><main>{static_html(doubtful.uncertain())}</main>")
    assert page.evaluate(OVERFLOW) <= 0


def test_a_decision_works_while_a_cell_is_busy(desk: Desk) -> None:
    """In JupyterLab the panel takes the table's place, and giving up takes effect although a cell keeps the kernel busy."""
    page = desk.begin(START, "lab.uncertain()", BUSY, width=1000)
    page.wait_for_selector(".knb-live .knb-doubt", timeout=60_000)
    assert not page.locator(".knb-static").is_visible()

    page.get_by_role("button", name="Give up…").click()
    page.get_by_role("button", name="Give up $0.35").click()

    page.get_by_text("It was given up; $0.35 stays counted as spent.").wait_for()
    page.get_by_text("no uncertain tasks: nothing is in doubt · 1 decided or found").wait_for()
    told = page.locator(".jp-OutputArea-output", has_text="while busy:")
    told.wait_for(timeout=90_000)
    assert told.inner_text().strip() == "while busy: 0"
