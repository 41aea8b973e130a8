"""The sweep form in a real kernel: what it takes of the way to the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.views.kernel import running_kernel

zmq = pytest.importorskip("zmq")
pytest.importorskip("ipykernel")

OPEN = """
import kling_nb as kn
lab = kn.Lab("study", simulate=kn.Simulation(speed=float("inf")))
"""
SHOW = "lab.form().set(prompt='a {animal}', modes=['std', 'pro'])"


def test_four_forms_are_not_lost_on_their_way_to_a_busy_page(tmp_path: Path) -> None:
    """ZeroMQ drops what a kernel says beyond its mark while nobody reads; a form that lost a message is never whole."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
        mark = socket.sndhwm

    with running_kernel(tmp_path) as kernel:
        kernel.run(OPEN)
        said = [message for _ in range(4) for message in kernel.run(SHOW)]

    assert sum(message["msg_type"] == "comm_open" for message in said) > 400
    assert len(said) < mark
