"""The sweep form in a real kernel: what it takes of the way to the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.views.kernel import Kernel, running_kernel

zmq = pytest.importorskip("zmq")
pytest.importorskip("ipykernel")

OPEN = """
import kling_nb as kn
lab = kn.Lab("study", simulate=kn.Simulation(speed=float("inf")))
"""
SHOW = "lab.form().set(prompt='a {animal}', modes=['std', 'pro'])"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel, with a lab."""
    with running_kernel(tmp_path_factory.mktemp("kernel")) as running:
        running.run(OPEN)
        yield running


def test_four_forms_are_not_lost_on_their_way_to_a_busy_page(kernel: Kernel) -> None:
    """ZeroMQ drops what a kernel says beyond its mark while nobody reads; a form that lost a message is never whole."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        mark = socket.sndhwm

    said = [message for _ in range(4) for message in kernel.run(SHOW)]

    assert sum(message["msg_type"] == "comm_open" for message in said) > 400
    assert len(said) < mark


def test_a_form_needs_nothing_that_came_before_it(kernel: Kernel) -> None:
    """A page that was opened anew has not heard of the models of an earlier form when the cell is run again at once."""
    kernel.run(SHOW)
    opened: set[str] = set()

    for message in kernel.run(SHOW):
        if message["msg_type"] == "comm_open":
            opened.add(message["content"]["comm_id"])
        named = re.findall("IPY_MODEL_([0-9a-f]+)", json.dumps(message["content"]))
        assert set(named) <= opened
