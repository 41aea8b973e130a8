"""What a notebook shows of our errors: the sentence and the caller's own lines, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.views.kernel import Kernel, running_kernel

OWN = "import kling_nb as kn\n\ndef study(**fields):\n    return kn.Sweep(**fields)\n"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Start one kernel for all of these, beside a module of a person's own."""
    folder: Path = tmp_path_factory.mktemp("work")
    (folder / "study.py").write_text(OWN)
    with running_kernel(folder) as running:
        yield running


def shown(kernel: Kernel, code: str) -> list[str]:
    """Run a cell that raises; returns the lines that are shown, without their colours."""
    cell = kernel.begin(code)
    error = kernel.until(lambda m: m["parent_header"].get("msg_id") == cell and m["msg_type"] == "error")
    idle = {"execution_state": "idle"}  # until then what is sent is dropped, as after any error
    kernel.until(lambda m: m["parent_header"].get("msg_id") == cell and m["content"] == idle)
    text = "\n".join(error["content"]["traceback"])
    return text.replace("\x1b[31m", "").replace("\x1b[39m", "").splitlines()


def test_an_error_is_the_sentence_and_the_line_of_the_cell(kernel: Kernel) -> None:
    """Nobody scrolls through the insides of this library to find out that a word is misspelt."""
    sentence, where = shown(kernel, "import kling_nb as kn\n\nkn.Sweep(prompt='a fox', modle='x')")
    assert sentence.startswith(
        "SweepError: no prompt has {modle}, and there is no field or setting 'modle'; did you mean"
    )
    assert where == "  line 3 of the cell: kn.Sweep(prompt='a fox', modle='x')"


def test_a_persons_own_functions_are_shown(kernel: Kernel) -> None:
    """Each line that a caller can change is named, of a cell and of a file."""
    _, *lines = shown(kernel, "import study\ndef buy():\n    study.study(prompt='')\nbuy()")
    assert lines == [
        "  line 4 of the cell: buy()",
        "  line 3 of the cell, in buy: study.study(prompt='')",
        "  line 4 of study.py, in study: return kn.Sweep(**fields)",
    ]


STOPPED = """
class Stop:
    def wait(self, _): raise KeyboardInterrupt
    def is_set(self): return False

lab = kn.Lab("lab", simulate=kn.Simulation(speed=1))
run = lab.start(kn.Sweep(prompt="a fox"), name="fox", show=False)
run._control.idle = Stop()
run.wait()
"""


def test_an_interrupt_is_the_line_that_waited_and_nothing_after_it_runs(kernel: Kernel) -> None:
    """Stop ends the cell and Run All: the cells below may buy. Where we were waiting is nothing to read."""
    waiting, below = kernel.begin(f"import kling_nb as kn\n{STOPPED}"), kernel.begin("print('went on')")
    reply = kernel.reply(below)
    assert "aborted" == reply["content"]["status"]
    error = kernel.until(lambda m: m["parent_header"].get("msg_id") == waiting and m["msg_type"] == "error")
    said, where = "\n".join(error["content"]["traceback"]).splitlines()
    assert "KeyboardInterrupt" in said
    assert "  line 10 of the cell: run.wait()" == where


AWAITED = """
import asyncio
slow = kn.Lab("slow", simulate=kn.Simulation(speed=1))
run = slow.start(kn.Sweep(prompt="a fox"), name="fox", show=False)
stop = asyncio.current_task().cancel
asyncio.get_running_loop().call_later(0.3, stop)
await run
"""


def test_an_interrupt_of_what_awaits_is_the_line_that_waited(kernel: Kernel) -> None:
    """A cell that awaits a run is cancelled by an interrupt; that is shown as any other is."""
    assert shown(kernel, f"import kling_nb as kn\n{AWAITED}") == ["CancelledError", "  line 8 of the cell: await run"]


def test_any_other_error_is_shown_whole(kernel: Kernel) -> None:
    """What this library does not raise on purpose is told by IPython, as always."""
    assert len(shown(kernel, "import kling_nb as kn\nkn.Swep()")) > 5


def test_all_frames_are_there_for_who_looks_for_them(kernel: Kernel) -> None:
    """Python's own printing leaves nothing out."""
    code = (
        "import traceback\ntry:\n    kn.Sweep()\nexcept kn.SweepError as error:\n    traceback.print_exception(error)"
    )
    assert any(
        "sweep.py" in message["content"].get("text", "") for message in kernel.run(f"import kling_nb as kn\n{code}")
    )
