"""What two runs share: passed on when one of them stops, kept for the other when one lets go of it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from labs import Open, in_state, ledger, listen, live_lab, start, sweep, until, until_later

import kling_nb.simulator
from kling_nb.engine.loop import VirtualClock
from kling_nb.simulator import Fault, Simulator
from kling_nb.task import Event, Task

LATE = (Fault(action="busy"), Fault(action="late", operation="submit", seconds=1))
"""The first submit is pushed back, by an answer that takes a second."""


def test_what_comes_back_goes_on_under_the_run_that_still_wants_it(tmp_path: Path) -> None:
    """A task whose run is paused while its submit is on the way, and that is pushed back, is bought by another run."""
    with live_lab(tmp_path / "live", *LATE) as live:
        one = start(live.lab, sweep("fox"), name="one")
        until(one, in_state("submitting"))
        other = start(live.lab, sweep("fox"), name="other")
        one.pause()
        assert {"submitting": 1} == one.snapshot().counts

        assert {"saved": 1} == other.wait(30).snapshot().counts

        assert "other" == other.tasks[0].run
        assert 1 == len(live.simulator.ledger())


def test_what_comes_back_to_no_run_is_cancelled(tmp_path: Path) -> None:
    """A task that is pushed back when its run has other points by then is not left behind as planned."""
    with live_lab(tmp_path / "live", *LATE) as live:
        run = start(live.lab, sweep("fox"), name="one")
        until(run, in_state("submitting"))
        start(live.lab, sweep("boat"), name="one").wait(30)

        until(run, lambda _: {"cancelled": 1, "saved": 1} == live.lab.log.counts())

        assert 1 == len(live.simulator.ledger())


def test_a_point_let_go_of_is_kept_for_a_run_that_is_not_open(simulated: Open) -> None:
    """A run that gets other points leaves what it never sent to another that has it, loaded or not."""
    lab = simulated(speed=60)
    foxes = [f"fox {n}" for n in range(7)]
    other = start(lab, sweep(*foxes), name="other")
    until(other, in_state("queued", 5))
    other.pause()
    start(lab, sweep(*foxes[5:]), name="one").pause()
    assert ["one", "one"] == [task.run for task in other.tasks if task.state == "planned"]
    lab.close()
    lab = simulated()

    start(lab, sweep("boat"), name="one").wait()

    assert {"saved": 7} == lab.run("other").resume().wait().snapshot().counts
    assert 8 == len(ledger(lab))


def test_what_comes_back_while_its_run_is_cancelled_ends_with_it(
    simulated: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A submit that is pushed back while the cancellation is being written is not left behind as planned."""
    monkeypatch.setattr(kling_nb.simulator, "Simulator", partial(Simulator, faults=LATE))
    monkeypatch.setattr(VirtualClock, "beat", lambda clock: clock.sleep(2))  # as a disk that takes its time
    lab = simulated()
    engine = lab._opened.driving()
    heard: list[str] = []

    def cancel(event: Event, _: Task) -> None:
        if event.kind == "intent" and "intent" not in heard:
            engine._dispatch.spawn_beside(
                partial(engine._dispatch.alone, engine._runs.cancel, "a", engine._driver.cancel)
            )
        heard.append(event.kind)

    listen(lab, cancel)
    run = start(lab, sweep(*(f"fox {n}" for n in range(6))), name="a")
    until_later(lab, 3600)

    assert 1 == heard.count("pushed_back")
    assert {"saved": 4, "cancelled": 2} == run.snapshot().counts
    assert 4 == len(ledger(lab))
