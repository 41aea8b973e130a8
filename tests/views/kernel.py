"""A real Jupyter kernel, spoken to as JupyterLab speaks to it: cells, comms, subshells."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

PATIENCE_S = 60
Message = dict[str, Any]


@dataclass
class Kernel:
    """A running kernel, and every message that it published so far."""

    client: BlockingKernelClient
    heard: list[Message] = field(default_factory=list)

    def run(self, code: str) -> list[Message]:
        """Run a cell to its end; returns what it published."""
        return self.finish(self.begin(code))

    def begin(self, code: str) -> str:
        """Send a cell and return at once."""
        return str(self.client.execute(code, store_history=True))

    def finish(self, cell: str) -> list[Message]:
        """Wait until a cell has ended; fails with its error if it raised."""
        idle = {"execution_state": "idle"}
        self.until(lambda m: m["parent_header"].get("msg_id") == cell and m["content"] == idle)
        own = [message for message in self.heard if message["parent_header"].get("msg_id") == cell]
        errors = [message["content"]["evalue"] for message in own if message["msg_type"] == "error"]
        assert not errors, errors
        return own

    def reply(self, cell: str) -> Message:
        """Return what the kernel answered to a cell: ``aborted`` where one before it ended in an error."""
        while True:
            message: Message = self.client.get_shell_msg(timeout=PATIENCE_S)
            if message["parent_header"].get("msg_id") == cell:
                return message

    def until(self, sought: Callable[[Message], bool]) -> Message:
        """Return the first message that is sought, heard before or still to come."""
        deadline = time.monotonic() + PATIENCE_S
        seen = 0
        while time.monotonic() < deadline:
            for message in self.heard[seen:]:
                if sought(message):
                    return message
            seen = len(self.heard)
            self.heard.append(self.client.get_iopub_msg(timeout=PATIENCE_S))
        pytest.fail("the kernel did not publish what was waited for")

    def subshell(self) -> str:
        """Make a subshell, as JupyterLab does for its widgets; skips where the kernel has none."""
        features = self.client.kernel_info(reply=True, timeout=PATIENCE_S)["content"].get("supported_features", [])
        if "kernel subshells" not in features:
            pytest.skip("this ipykernel has no subshells")
        self.client.control_channel.send(self.client.session.msg("create_subshell_request"))
        return str(self.client.get_control_msg(timeout=PATIENCE_S)["content"]["subshell_id"])

    def send(self, comm: str, content: Any, *, subshell: str | None = None) -> None:
        """Send a custom message to a widget."""
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)


@contextmanager
def running_kernel(folder: Path) -> Iterator[Kernel]:
    """Start a kernel in a folder, with this package on its path; it is shut down at the end."""
    from jupyter_client.manager import start_new_kernel

    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "IPYTHONDIR": str(folder / "ipython")}
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
    try:
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()
