"""The comparison in a real kernel: what its player asks for is answered while another cell runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_nb.views.output import WIDGET
from tests.views.clips import make_lab
from tests.views.kernel import Kernel, Message, running_kernel

pytest.importorskip("ipykernel")

SHOW = """
import pandas as pd
from kling_nb.views.compare import Comparison, grid_of
frame = pd.DataFrame({"identity": ["a"], "clip": ["clips/a.mp4"], "state": ["saved"], "seconds": [1.0]})
Comparison(grid_of(frame), "lab")
"""
BUSY = """
import pathlib, time
end = time.monotonic() + 20
while not pathlib.Path("go on").exists() and time.monotonic() < end:
    time.sleep(0.01)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a folder with a lab that holds one clip."""
    make_lab(tmp_path / "lab", a=1)
    return tmp_path


@pytest.fixture
def kernel(folder: Path) -> Iterator[Kernel]:
    """Run a kernel in the folder."""
    with running_kernel(folder) as kernel:
        yield kernel


def got(message: Message) -> object:
    """Return what a message to a player answers."""
    return message["content"].get("data", {}).get("content", {}).get("got")


def test_a_player_is_answered_while_a_cell_is_busy(kernel: Kernel, folder: Path) -> None:
    """Asked on a subshell, as JupyterLab asks, the kernel sends a clip although the main shell stands still."""
    shown = [m["content"]["data"].get(WIDGET) for m in kernel.run(SHOW) if m["msg_type"] == "display_data"]
    comm = str(next(view for view in shown if view)["model_id"])
    subshell = kernel.subshell()
    cell = kernel.begin(BUSY)
    kernel.until(lambda message: message["msg_type"] == "execute_input" and "go on" in message["content"]["code"])

    for want in ("hello", "clip"):
        kernel.send(comm, {"want": want, "id": "a"}, subshell=subshell)
        kernel.until(lambda message, want=want: got(message) == want)

    assert not [m for m in kernel.heard if m["parent_header"].get("msg_id") == cell and m["msg_type"] == "status"][1:]
    (folder / "go on").touch()
    kernel.finish(cell)
