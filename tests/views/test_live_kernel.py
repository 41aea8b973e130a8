"""The panel in a real kernel: it shows, follows, and its buttons work while another cell runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kling_nb.views.output import WIDGET
from tests.views.kernel import Kernel, Message, running_kernel

pytest.importorskip("ipykernel")

Start = Callable[[dict[str, Any]], str]

START = """
import kling_nb as kn
lab = kn.Lab("{folder}", simulate=kn.Simulation(speed={speed}))
run = lab.start(kn.Sweep(prompt="a red fox", model="kling-v1-6", mode=["std", "pro"], repeats={repeats}), name="fox", budget=25)
"""
FAST = {"speed": 'float("inf")', "repeats": 2}
SLOW = {"speed": 1, "repeats": 6}
AGAIN = """
from kling_nb.views import live
live.display_run(run, lab.folder)
"""
BUSY = """
import time
end = time.monotonic() + 20
while run.snapshot().state != "cancelled" and time.monotonic() < end:
    time.sleep(0.01)
print("while busy:", run.snapshot().state)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel in an empty folder; each test starts a run in a lab of its own."""
    with running_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Start:
    """Write a cell that starts a run in a new lab."""
    return lambda how: START.format(folder=request.node.name, **how)


def panel_of(messages: list[Message]) -> str:
    """Return the comm of the panel that was displayed."""
    views = [message["content"]["data"].get(WIDGET) for message in messages if message["msg_type"] == "display_data"]
    return str(next(view for view in views if view)["model_id"])


def traits(message: Message, comm: str) -> dict[str, Any]:
    """Return what a message changes in a widget's traits."""
    content = message["content"]
    data = content.get("data", {}) if content.get("comm_id") == comm else {}
    state = data.get("state", {})
    return {name: json.loads(state[name]) for name in ("standing", "tiles", "answer") if state.get(name)}


def displayed(messages: list[Message]) -> list[dict[str, Any]]:
    """Return what a cell displayed."""
    return [message["content"]["data"] for message in messages if message["msg_type"] == "display_data"]


def test_starting_shows_a_static_output_and_a_panel(kernel: Kernel, start: Start) -> None:
    """The cell that starts a run displays words that do not depend on timing, and then the widget."""
    static, live = displayed(kernel.run(start(FAST)))

    assert "lab.run(&#34;fox&#34;)" in static["text/html"]
    in_text = "<Run fox: live panel, in a notebook; run.wait() waits anywhere>"
    assert (static["text/plain"], live["text/plain"]) == ("<Run fox: started>", in_text)
    assert WIDGET in live


def test_the_panel_follows_the_run_to_its_end(kernel: Kernel, start: Start) -> None:
    """Without anybody asking, the panel's traits come to say that the run has finished."""
    comm = panel_of(kernel.run(start(FAST)))

    last = kernel.until(lambda message: traits(message, comm).get("standing", {}).get("stage") == "finished")

    assert traits(last, comm)["standing"]["parts"] == [["saved", 4]]


def test_posters_come_when_asked_for(kernel: Kernel, start: Start) -> None:
    """A tile's wish is answered with a JPEG; the traits hold none."""
    comm = panel_of(kernel.run(start(FAST) + "run.wait()"))
    found = kernel.until(lambda message: any(tile["saved"] for tile in traits(message, comm).get("tiles", [])))
    tile = next(tile for tile in traits(found, comm)["tiles"] if tile["saved"])

    kernel.send(comm, {"want": "poster", "id": tile["id"]})

    answer = kernel.until(lambda message: message["content"].get("data", {}).get("content", {}).get("got") == "poster")
    assert tile["id"] == answer["content"]["data"]["content"]["id"]
    assert bytes(answer["buffers"][0]).startswith(b"\xff\xd8")


def test_cancel_works_while_a_cell_is_busy(kernel: Kernel, start: Start) -> None:
    """A click sent as JupyterLab sends it, on a subshell, ends the run although the main shell stands still."""
    comm = panel_of(kernel.run(start(SLOW)))
    subshell = kernel.subshell()
    kernel.until(lambda message: message["content"].get("comm_id") == comm and message["msg_type"] == "comm_msg")
    cell = kernel.begin(BUSY)
    kernel.until(lambda message: message["msg_type"] == "execute_input" and "while busy" in message["content"]["code"])

    kernel.send(comm, {"do": "cancel", "n": 1}, subshell=subshell)

    said = "".join(message["content"].get("text", "") for message in kernel.finish(cell))
    assert said == "while busy: cancelled\n"


def test_what_came_of_a_button_is_told(kernel: Kernel, start: Start) -> None:
    """After a cancellation the panel says what was cancelled and what is still fetched."""
    comm = panel_of(kernel.run(start(SLOW)))

    kernel.send(comm, {"do": "cancel", "n": 1})

    told = kernel.until(lambda message: traits(message, comm).get("answer", {}).get("acted") == 1)
    assert "cancelled" in traits(told, comm)["answer"]["said"]


def test_a_run_that_its_cell_already_shows_is_not_shown_twice(kernel: Kernel, start: Start) -> None:
    """Displaying a run in the cell that started it adds nothing; in another cell it shows the run as it stands."""
    assert len(displayed(kernel.run(start(FAST) + AGAIN))) == 2
    assert len(displayed(kernel.run(AGAIN))) == 2
