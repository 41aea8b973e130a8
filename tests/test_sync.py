"""``kn.run_sync``: a user's own coroutine, from a script, from a cell, from a widget callback, in a real kernel."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

import kling_nb as kn

SETUP = """
import asyncio, kling_nb as kn
async def double(value):
    await asyncio.sleep(0.01)
    return value * 2
async def fail():
    raise ValueError("as it is")
"""
CALLBACK = """
import ipywidgets
got = []
button = ipywidgets.Button()
button.on_click(lambda _: got.append(kn.run_sync(double(4))))
button.click()
print(got)
"""
SWEEP = """
import tempfile
lab = kn.Lab(tempfile.mkdtemp(), simulate=kn.Simulation(speed=float("inf")))
run = lab.start(kn.Sweep(prompt="a fox", model=["kling-v1", "kling-v2-6"]), show=False)
async def wait(run):
    await run
    return [task.state.value for task in run.tasks]
print(kn.run_sync(wait(run)))
"""

BESIDE_OTHERS = """
import asyncio, kling_nb as kn
async def nested():
    return kn.run_sync(asyncio.sleep(0.01, 1)), kn.run_sync(asyncio.sleep(0.01, 2))
async def main():
    return await asyncio.gather(nested(), *[asyncio.sleep(0.2, n) for n in range(3)])
print(asyncio.run(main()))
"""
INTERRUPTED = """
import os, signal, tempfile, threading
slow = kn.Lab(tempfile.mkdtemp(), simulate=kn.Simulation(speed=1))
first = slow.start(kn.Sweep(prompt="a fox", model="kling-v1"), name="first", show=False)
async def one_by_one():
    await first
    slow.start(kn.Sweep(prompt="an owl", model="kling-v1"), name="second", show=False)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
kn.run_sync(one_by_one())
"""
LATER = """
first._control.rest()
await asyncio.sleep(0.5)
print([*slow.runs()["run"]])
slow.close()
"""
NAP = "print(kn.run_sync(asyncio.sleep(1, 'first')))"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """A real kernel, as a notebook has it."""
    manager, client = start_new_kernel(kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def said(kernel: Any, code: str) -> str:
    """Run a cell and return what it printed, or the error it ended with."""
    out: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        content = message["content"]
        out.append(content.get("text", "") if message["msg_type"] == "stream" else content.get("evalue", ""))

    kernel.execute_interactive(code, output_hook=hear, timeout=60)
    return "".join(out).strip()


async def _answer() -> int:
    await asyncio.sleep(0)
    return 42


def test_it_runs_where_no_loop_runs() -> None:
    """In a script it is ``asyncio.run``, and applies nothing."""
    assert kn.run_sync(_answer()) == 42
    assert not hasattr(asyncio, "_nest_patched")


def test_importing_patches_nothing(kernel: Any) -> None:
    """Nesting is applied by the first call that needs it, never by an import."""
    assert said(kernel, SETUP + "print(hasattr(asyncio, '_nest_patched'))") == "False"


def test_it_runs_inside_a_cell(kernel: Any) -> None:
    """In a cell a loop already runs; the coroutine runs inside it and its result comes back."""
    assert said(kernel, SETUP + "print(kn.run_sync(double(21)), await double(1))") == "42 2"


def test_it_runs_inside_a_widget_callback(kernel: Any) -> None:
    """A button's callback may call it too."""
    assert said(kernel, SETUP + CALLBACK) == "[8]"


def test_what_was_due_beside_it_still_runs() -> None:
    """Called where others are due in the same turn of the loop, as in ipykernel 6.29, it leaves the loop in order."""
    done = subprocess.run(
        [sys.executable, "-c", BESIDE_OTHERS], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout == "[(1, 2), 0, 1, 2]\n", done.stderr


def test_cells_that_wait_behind_it_are_run(kernel: Any) -> None:
    """Run All loses no cell: those that arrive while a coroutine runs in the first follow it."""
    said(kernel, SETUP)
    first = kernel.execute(NAP)
    while kernel.get_iopub_msg(timeout=60)["msg_type"] != "execute_input":
        pass
    later = [kernel.execute(f"print({number})") for number in range(3)]

    assert [kernel.get_shell_msg(timeout=20)["parent_header"]["msg_id"] for _ in range(4)] == [first, *later]


def test_an_error_comes_out_as_it_is(kernel: Any) -> None:
    """What the coroutine raises is what the caller sees."""
    assert said(kernel, SETUP + "kn.run_sync(fail())") == "as it is"


def test_a_run_can_be_awaited_in_it(kernel: Any) -> None:
    """``await run`` inside works while the engine drives on its own thread."""
    assert said(kernel, SETUP + SWEEP) == "['saved', 'saved']"


def test_an_interrupt_ends_the_coroutine(kernel: Any) -> None:
    """What stands below the wait in an interrupted coroutine is not run later, beside other cells: it might buy."""
    told = said(kernel, SETUP + INTERRUPTED)
    assert told.startswith("stopped waiting; run 'first' goes on")
    assert said(kernel, LATER) == "['first']"
