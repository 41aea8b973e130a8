"""The rest of a bad day: the clock is set, the interpreter ends, a process forks; nothing is lost or bought twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from labs import agrees, in_state, listen, live_lab, process, start, sweep, until

from kling_nb.engine import opening
from kling_nb.engine.loop import Clock
from kling_nb.engine.poll import Learnt
from kling_nb.simulator import Fault
from kling_nb.task import Event, Task

DAY, MONTH = 86_400.0, 30 * 86_400.0

# -- the clock is set --------------------------------------------------------------------------------------------------


class Set(Clock):
    """A clock that is set while it runs: ``off`` by so many seconds; ``signs_off`` is how far tokens are off."""

    off = signs_off = 0.0

    def now(self) -> float:
        """Return the time, wrongly."""
        return super().now() + self.off

    def token_now(self) -> float:
        """Return the time that tokens are signed with."""
        return super().token_now() + self.signs_off


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Set]:
    """Let labs have such a clock; it is set for all of them."""
    one = type("One", (Set,), {})
    monkeypatch.setattr(opening, "Clock", one)
    return one


@pytest.mark.parametrize("jump", [-DAY, MONTH])
def test_a_clock_that_is_set_while_tasks_run(tmp_path: Path, clock: type[Set], jump: float) -> None:
    """Set by a day or a month, the machine's clock stalls nothing, and nobody waits for it to come round again."""
    long = Fault(action="stall", prompt="owl", seconds=400, times=None)
    seen: set[str] = set()

    def heard(event: Event, task: Task) -> None:
        seen.update([task.id] * (task.request["prompt"] == "owl" and task.state == "running"))
        if event.kind == "status" and len(seen) == 2:
            clock.off = jump

    with live_lab(tmp_path / "live", long, speed=100) as live:
        listen(live.lab, heard)
        runs = [start(live.lab, sweep("fox", "owl")), start(live.lab, sweep("fox", "owl", provider="fal"))]
        until(runs[0], lambda _: clock.off == jump)
        runs.append(start(live.lab, sweep("late")))
        assert [2, 2, 1] == [run.wait(20).snapshot().counts.get("saved") for run in runs]
        events = live.lab.log.events()
        assert "stalled" not in set(events["kind"])
        assert events["seq"].is_monotonic_increasing
        assert not events["at"].is_monotonic_increasing or jump > 0
        agrees(live)


@pytest.mark.parametrize("jump", [-DAY, MONTH])
def test_a_clock_that_is_set_while_submitting(tmp_path: Path, clock: type[Set], jump: float) -> None:
    """A submit that is pushed back is tried again after as long as was meant, whatever the clock says by then."""
    with live_lab(tmp_path / "live", Fault(action="busy", prompt="fox")) as live:
        listen(live.lab, lambda event, _: setattr(clock, "off", jump) if event.kind == "pushed_back" else None)
        assert {"saved": 1} == start(live.lab, sweep("fox")).wait(20).snapshot().counts
        assert clock.off == jump
        agrees(live)


def test_a_clock_that_was_wrong_all_along(tmp_path: Path, clock: type[Set]) -> None:
    """Tokens of a wrong clock are refused, which says so; set right, the same run goes on with tokens signed anew."""
    with live_lab(tmp_path / "live") as live:
        clock.signs_off = DAY
        run = start(live.lab, sweep("fox")).wait(20)
        assert {"planned": 1} == run.snapshot().counts
        said = (
            "tried twice; nothing was charged; set this machine's clock; if that is right, correct the key: it is from"
        )
        assert f"is this machine's clock right? (code 1003); {said}" in str(run.held)
        clock.signs_off = 0.0
        assert {"saved": 1} == run.resume().wait(20).snapshot().counts
        agrees(live)


def test_a_clock_set_back_between_two_openings(tmp_path: Path, clock: type[Set]) -> None:
    """What the log has from the future is followed all the same."""
    with live_lab(tmp_path / "live", speed=60) as live:
        until(start(live.lab, sweep("fox"), name="a"), in_state("queued"))
        clock.off = -MONTH
        live.simulator._world.now.speed = 300
        assert {"saved": 1} == live.reopen().run("a").wait(20).snapshot().counts
        agrees(live)


def test_a_day_is_no_length_of_a_task() -> None:
    """What took a day by the clock is not learnt from."""
    learnt = Learnt()
    learnt.saw(("a",), DAY)
    learnt.saw(("a",), -5)
    assert learnt.curve(("a",), 100) == learnt.curve(("b",), 100)


# -- the interpreter ends ----------------------------------------------------------------------------------------------

BEGIN = """
import gc, os, signal, sys, kling_nb as kn
lab = kn.Lab(sys.argv[1])
run = lab.start(kn.Sweep(prompt=["fox", "owl"], model="kling-v2-5-turbo", mode="std", duration=5, provider="kling"),
                name="a", show=False)

class Told:  # says when somebody waits, since only then an interrupt is one of the waiting
    def wait(self, _step): print("ready", flush=True); signal.pause()
"""
ENDS = {
    "the last line": "",
    "sys.exit": "sys.exit(3)",
    "an exception": "raise RuntimeError('a mistake of the notebook')",
    "os._exit": "os._exit(4)",
    "nobody holds the lab": "del lab, run; gc.collect()",
    "a fork that ends": "child = os.fork()\nif not child: sys.exit()\nos.waitpid(child, 0)",
    "a fork that starts": (
        "child = os.fork()\nif not child:\n    try:\n        run.cancel()\n    except kn.LabError as error:\n"
        "        sys.exit('this process is a fork of' not in str(error))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    ),
    "SIGTERM": "print('ready', flush=True); run.wait()",
    "SIGINT": "run._control.idle = Told(); run.wait()\nprint('went on', flush=True)",
}
# CPython forgets that an interrupt ends it where any thread evaluates text meanwhile, as making a dataclass does: then 1.
CODES = {
    "sys.exit": {3},
    "an exception": {1},
    "os._exit": {4},
    "SIGTERM": {-signal.SIGTERM},
    "SIGINT": {-signal.SIGINT, 1},
}
SIGNALS = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither these signals nor forks")
@pytest.mark.parametrize("end", ENDS)
def test_the_interpreter_ends_in_the_middle(tmp_path: Path, end: str) -> None:
    """However a process ends with a run under way, it ends at once; opened again, the lab goes on to the last clip."""
    with live_lab(tmp_path / "live", speed=6) as live:  # so slow that no clip is there before the end
        live.lab.close()
        with process(BEGIN + ENDS[end], str(live.lab.folder)) as one:
            if end in SIGNALS:
                assert "ready\n" == one.stdout.readline()
                one.send_signal(SIGNALS[end])
            out, err = one.communicate(timeout=30)
        assert one.returncode in CODES.get(end, {0}), err
        assert ("went on" in out, "goes on: lab.run('a')" in err) == (False, end == "SIGINT")
        assert ("Traceback" in err) == (end in ("an exception", "SIGINT")), err
        live.simulator._world.now.speed = 300
        os.environ["KLING_NB_SPEED"] = "300"
        lab = live.lab = live.open()
        assert {"saved": 2} == lab.run("a").resume().wait(20).snapshot().counts
        agrees(live)
