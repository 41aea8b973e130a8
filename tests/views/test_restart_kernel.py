"""A real kernel that is restarted in the middle of a run, and all its cells run again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labs import Live, agrees, live_lab

from tests.views.kernel import PATIENCE_S, Kernel, Message

pytest.importorskip("ipykernel")

CELLS = (
    "import kling_nb as kn\nlab = kn.Lab({folder!r})",
    """sweep = kn.Sweep(prompt=["fox", "owl", "boat"], model="kling-v2-5-turbo", mode="std", duration=5,
                     provider=["kling", "quickrouter"])
run = lab.start(sweep, name="fox", budget=25, assume_price=0.5)""",
    "run.wait()\nprint(run.snapshot().counts)",
)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """Play the providers here, so that they outlive the kernel; slowly, until the kernel is new."""
    with live_lab(tmp_path / "live", speed=60) as live:
        live.lab.close()
        yield live


@pytest.fixture
def manager(tmp_path: Path, live: Live) -> Iterator[Any]:
    """Start a kernel that knows the providers' addresses."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "IPYTHONDIR": str(tmp_path / "ipython")}
    manager.start_kernel(cwd=str(tmp_path), env={**os.environ, **environment})
    yield manager
    manager.shutdown_kernel(now=True)
    manager.context.destroy()


def connected(manager: Any) -> Kernel:
    """Return the kernel, once it answers."""
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=PATIENCE_S)
    return Kernel(client)


def printed(messages: list[Message]) -> str:
    """Return what a cell printed."""
    return "".join(message["content"]["text"] for message in messages if message["msg_type"] == "stream")


@pytest.mark.parametrize("now", [True, False])
def test_a_kernel_is_restarted_in_the_middle(live: Live, manager: Any, now: bool) -> None:
    """Restarted at once or in order while a cell waits, the same cells attach to what was bought, and save it all."""
    cells = [cell.format(folder=str(live.lab.folder)) for cell in CELLS]
    kernel = connected(manager)
    for cell in cells[:2]:
        kernel.run(cell)
    kernel.begin(cells[2])
    end = time.monotonic() + PATIENCE_S
    # All have arrived: whether one that had not yet ever would, QuickRouter does not tell, and a person decides.
    while len(live.simulator.ledger()) < 6:
        assert time.monotonic() < end
        time.sleep(0.005)
    kernel.client.stop_channels()
    begun = time.monotonic()
    manager.restart_kernel(now=now)
    assert time.monotonic() - begun < 5  # after which the manager would kill it
    live.simulator._world.now.speed = 300
    kernel = connected(manager)
    said = [printed(kernel.run(cell)) for cell in cells]
    kernel.client.stop_channels()
    assert "{'saved': 6}\n" == said[2]
    manager.shutdown_kernel()
    live.lab = live.open()
    assert 6 == len(live.simulator.ledger())
    agrees(live)
