"""Buying failed points again from the live panel: what is asked, what agrees, and that nothing else buys."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kling_nb as kn
from kling_nb.engine.snapshot import Again, again
from kling_nb.task import Cost
from kling_nb.views.live import Panel
from kling_nb.views.standing import standing
from tests.labs import ledger, start, sweep
from tests.views.snapshots import snapshot
from tests.views.test_live import until
from tests.views.test_scripts_browser import RENDER

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.desk import Desk

SENT = "() => window.sent.filter((message) => message.do)"
TRAITS = ("mark", "meanings", "standing", "tiles", "paces", "answer")
FAILED = {"state": "at rest", "counts": {"saved": 2, "failed": 2}, "left_s": None}
AGAIN = Again(points=2, price=Decimal("0.42"), unsent=0, unsent_price=Decimal(0), counted=Decimal(0), mark="abc")
START = """
import kling_nb as kn
lab = kn.Lab("lab", simulate=kn.Simulation(speed=float("inf")))
sweep = kn.Sweep(prompt=["a fox", "a boat #sim:fail"], model="kling-v2-5-turbo", mode="std", duration=5)
run = lab.start(sweep, name="fox")
run.wait()
print("ready")
"""
BUSY = """
import time
end = time.monotonic() + 60
while len(lab.log.tasks()) < 3 and time.monotonic() < end:
    time.sleep(0.02)
print("while busy:", len(lab.log.tasks()))
"""


# -- what is asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "question", "sure"),
    [
        ({}, "Buy 2 failed points again for up to $0.42?", "Buy again for $0.42"),
        (
            {"points": 1, "counted": Decimal("0.35")},
            "Buy 1 failed point again for up to $0.42? The $0.35 of what failed stays counted as spent.",
            "Buy again for $0.42",
        ),
        (
            {"unsent": 1, "unsent_price": Decimal("0.21")},
            "Buy 2 failed points again for up to $0.42? 1 not sent yet is then sent too: $0.63 in all.",
            "Buy again for $0.63",
        ),
    ],
)
def test_the_question_has_number_and_price(changes: dict[str, Any], question: str, sure: str) -> None:
    """It says how many are bought and for how much, with all that goes on beside them, and what stays counted."""
    told = {name: getattr(AGAIN, name) for name in AGAIN.__slots__} | changes
    asked = standing(snapshot(**FAILED, again=Again(**told))).retry

    assert asked is not None
    assert (question, sure, "abc") == (asked.question, asked.sure, asked.mark)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {**FAILED, "counts": {"saved": 4}},
        {"again": AGAIN},
        {"state": "paused", "counts": {"running": 1, "failed": 1}, "again": AGAIN},
    ],
)
def test_nothing_is_asked_while_something_moves(changes: dict[str, Any]) -> None:
    """There is nothing to buy again where nothing failed, and nothing is offered before all has come to rest."""
    assert standing(snapshot(**changes)).retry is None


# -- what it buys ------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(simulated: Callable[..., kn.Lab]) -> kn.Lab:
    """Open a lab in which one of two points failed."""
    lab = simulated()
    start(lab, sweep("a fox", "a boat #sim:fail"), name="fox").wait()
    return lab


@pytest.fixture
def panels() -> Iterator[Callable[[kn.Lab], Any]]:
    """Make panels of the run of a lab, which have looked once; they are closed at the end."""
    made: list[Any] = []

    def make(lab: kn.Lab) -> Any:
        made.append(Panel(lab.run("fox"), lab.folder).widget)
        until(lambda: bool(made[-1].standing), widget=made[-1], trait="standing")
        return made[-1]

    yield make
    for one in made:
        one.close()


def answered(widget: Any, number: int) -> dict[str, Any]:
    """Return what came of a message."""
    until(lambda: json.loads(widget.answer)["acted"] == number, widget=widget, trait="answer")
    answer: dict[str, Any] = json.loads(widget.answer)
    return answer


def test_what_was_agreed_to_is_bought(failed: kn.Lab, panels: Callable[[kn.Lab], Any]) -> None:
    """The failed point alone is bought once more, by another attempt; asked anew, another question is asked."""
    widget = panels(failed)
    asked = json.loads(widget.standing)["retry"]

    widget._handle_custom_msg({"do": "retry", "agreed": asked["mark"], "n": 1}, [])

    assert "1 ordered again, for up to $0.21" == answered(widget, 1)["said"]
    failed.run("fox").wait()
    assert 3 == len(failed.log.tasks())
    until(lambda: json.loads(widget.standing)["retry"] not in (None, asked), widget=widget, trait="standing")


@pytest.mark.parametrize("agreed", ["", "another"])
def test_nothing_else_is_bought(failed: kn.Lab, panels: Callable[[kn.Lab], Any], agreed: str) -> None:
    """Without an answer to this very question nothing is bought, whoever sends it; the panel says so."""
    widget, before = panels(failed), ledger(failed)

    widget._handle_custom_msg({"do": "retry", "agreed": agreed, "n": 1}, [])

    assert "is not what you were asked about; nothing was bought" in answered(widget, 1)["error"]
    assert (2, before) == (len(failed.log.tasks()), ledger(failed))


def test_the_same_answer_buys_once(failed: kn.Lab, panels: Callable[[kn.Lab], Any]) -> None:
    """Two panels that ask the same buy once: the second answer is to a question that is no longer asked."""
    one, other = panels(failed), panels(failed)
    mark = json.loads(one.standing)["retry"]["mark"]

    one._handle_custom_msg({"do": "retry", "agreed": mark, "n": 1}, [])
    answered(one, 1)
    other._handle_custom_msg({"do": "retry", "agreed": mark, "n": 1}, [])

    assert "nothing was bought" in answered(other, 1)["error"]
    assert 3 == len(failed.log.tasks())


def test_over_the_budget_nothing_is_bought(simulated: Callable[..., kn.Lab], panels: Callable[[kn.Lab], Any]) -> None:
    """What may pass the budget is refused as a whole, with the sums."""
    lab = simulated()
    start(lab, sweep("a fox", "a boat #sim:fail"), name="fox", budget=0.42).wait()
    start(lab, sweep("a fox", "a boat #sim:fail"), name="fox", budget=0.3).wait()
    widget = panels(lab)

    widget._handle_custom_msg({"do": "retry", "agreed": json.loads(widget.standing)["retry"]["mark"], "n": 1}, [])

    assert "buying again may cost $0.21, over the budget of $0.30, of which $0.42 is" in answered(widget, 1)["error"]
    assert 2 == len(lab.log.tasks())


def test_who_reads_or_was_closed_is_not_asked(failed: kn.Lab) -> None:
    """A handle that only reads, or whose lab was closed, offers nothing to buy."""
    run = failed.run("fox")
    assert run.snapshot().again is not None

    failed.close()

    assert run.snapshot().again is None


def test_what_it_costs_anew_is_its_estimate(failed: kn.Lab) -> None:
    """That the provider charged nothing for what failed does not make another one free."""
    (task,) = (task for task in failed.run("fox").tasks if task.state == "failed")

    found = again([replace(task, cost=Cost(amount=Decimal(0), unit="USD", usd=Decimal(0)))])

    assert found is not None
    assert Decimal("0.21") == found.price


# -- in a browser ------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(failed: kn.Lab, panels: Callable[[kn.Lab], Any], new_page: Callable[..., Page]) -> Page:
    """Render the panel of a run in which one point failed, in front of a kernel that only notes what it is told."""
    return render(panels(failed), new_page(viewport={"width": 900, "height": 700}))


def render(widget: Any, page: Page) -> Page:
    """Render a panel as it stands."""
    page.set_content("<!doctype html><body></body>")
    page.add_style_tag(content=str(widget._css))
    page.evaluate(RENDER, [str(widget._esm), {name: getattr(widget, name) for name in TRAITS}])
    page.evaluate("() => window.answer({ got: 'hello' })")
    return page


def test_it_asks_before_it_buys(shown: Page) -> None:
    """The first click asks with number and price; leaving it goes back and sends nothing; agreeing sends what was asked."""
    retry = shown.get_by_role("button", name="Retry…")
    question = shown.get_by_role("group", name="Buy again?")
    assert shown.get_by_role("button", name="Cancel…").is_hidden()

    retry.click()
    assert "Buy 1 failed point again for up to $0.21?" in question.inner_text()
    shown.keyboard.press("Escape")
    assert question.is_hidden()
    assert retry.evaluate("node => node === document.activeElement")
    assert shown.evaluate(SENT) == []
    retry.click()
    shown.get_by_role("button", name="Buy again for $0.21").click()

    (message,) = shown.evaluate(SENT)
    assert (message["do"], message["n"], len(message["agreed"])) == ("retry", 1, 16)
    retry.click(force=True)
    assert question.is_hidden()  # until the kernel has answered


def test_a_key_that_is_held_buys_nothing(shown: Page) -> None:
    """Enter that is held on *Retry…* opens the question, and does not answer it; pressed anew it does."""
    shown.get_by_role("button", name="Retry…").focus()

    for _ in range(4):
        shown.keyboard.down("Enter")
    shown.keyboard.up("Enter")

    assert shown.get_by_role("group", name="Buy again?").is_visible()
    assert shown.evaluate(SENT) == []
    shown.keyboard.press("Enter")
    assert len(shown.evaluate(SENT)) == 1


def test_in_full_can_be_touched(failed: kn.Lab, panels: Callable[[kn.Lab], Any], new_page: Callable[..., Page]) -> None:
    """Where a finger points *In full* is at least 24 px high."""
    page = render(panels(failed), new_page(has_touch=True, is_mobile=True))

    assert page.locator("summary").evaluate("node => node.getBoundingClientRect().height") >= 24


def test_it_works_while_a_cell_is_busy(desk: Desk) -> None:
    """In JupyterLab a failed point is bought again although another cell keeps the kernel busy."""
    page = desk.begin(START, BUSY, width=1000)
    page.get_by_role("button", name="Retry…").click(timeout=60_000)

    page.get_by_role("button", name="Buy again for $0.21").click()

    page.locator(".knb-live .knb-run-said", has_text="1 ordered again, for up to $0.21").wait_for()
    told = page.locator(".jp-OutputArea-output", has_text="while busy:")
    told.wait_for(timeout=90_000)
    assert told.inner_text().strip() == "while busy: 3"


def test_who_only_reads_sees_no_button(failed: kn.Lab, tmp_path: Path) -> None:
    """The handle of a run that another process drives says what failed, and offers nothing to buy."""
    from kling_nb.engine.seen import SeenRun

    seen = SeenRun(failed._opened, "fox", simulated=True)

    assert 1 == seen.snapshot().counts["failed"]
    assert standing(seen.snapshot()).retry is None
