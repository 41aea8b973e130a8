"""How far a task is and how long a run still takes, as whoever watches is told."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labs import Open, in_state, listen, start, sweep, until

import kling_nb as kn
from kling_nb.engine.poll import Curve
from kling_nb.engine.snapshot import Snapshot
from kling_nb.task import Event, Task

POINTS = [f"take {n}" for n in range(20)]  # four rounds of the five slots that kling starts with


def finished(curve: Curve, seconds: float) -> float:
    """Return the share of tasks that have finished by an age."""
    return NormalDist(0, curve.sigma).cdf(math.log(seconds / curve.median_s))


@given(st.floats(20, 90), st.floats(0.05, 0.95))
def test_what_remains_is_when_so_many_have_finished(age: float, share: float) -> None:
    """Of the tasks that have not finished by an age, the asked share has so many seconds later."""
    curve = Curve(60.0)
    later = finished(curve, age + curve.remaining_s(age, share)) - finished(curve, age)
    assert later == pytest.approx(share * (1 - finished(curve, age)))


def test_what_remains_at_the_ends() -> None:
    """A new task takes its median, one that is made nothing, one far beyond its time a while, not for ever."""
    curve = Curve(60.0)
    assert (60.0, 0.0) == (curve.remaining_s(0), curve.remaining_s(math.inf))
    assert 0 < curve.remaining_s(1e6) < 1e5


Look = tuple[Event, Snapshot]


def watched(lab: kn.Lab) -> tuple[list[Look], kn.Run]:
    """Run a sweep to its end; return how it stood at every event, and the run."""
    runs: list[kn.Run] = []
    seen: list[Look] = []

    def look(event: Event, _: Task) -> None:
        if runs:
            seen.append((event, runs[0].snapshot()))

    listen(lab, look)
    runs.append(start(lab, sweep(*POINTS)))
    return seen, runs[0].wait()


def test_the_time_left_is_about_right_from_the_first_clip_on(simulated: Open) -> None:
    """When the first of many is done, what runs beside it is nearly done too: it is no pace to reckon the others by."""
    speed = 1000.0
    seen, run = watched(simulated(speed=speed))
    event, snapshot = next(look for look in seen if look[0].kind == "saved")
    took = max(task.saved_at or 0.0 for task in run.tasks) - event.at
    assert snapshot.left_s is not None
    assert took / 2 < snapshot.left_s * speed < took * 2


def test_what_the_machine_needs_counts_too(simulated: Open) -> None:
    """A simulator that is slower than its clock is reckoned by what came of it so far."""
    seen, run = watched(simulated(speed=1e9))
    half = next(s for _, s in seen if s.counts.get("saved", 0) == len(POINTS) // 2)
    assert half.left_s is not None
    assert half.left_s > 0.01
    assert run.snapshot().left_s is None


def test_a_tile_says_how_far_its_task_is(simulated: Open) -> None:
    """Of a task that the provider is at: how long it has it, and how long it usually has such ones; of no other."""
    seen, _ = watched(simulated(speed=1000.0))
    _, snapshot = next(look for look in seen if look[0].kind == "saved")
    spans = {tile.state: tile.span for tile in snapshot.tiles}
    assert {"planned": None, "saved": None} == {state: spans[state] for state in ("planned", "saved")}
    under_way = spans.get("running") or spans["queued"]
    assert under_way is not None
    assert 30 < under_way.age_s < 60
    assert 50 < under_way.usual_s < 70


def test_what_is_held_is_not_waited_for(simulated: Open) -> None:
    """Of a paused run only what was sent is still to come."""
    speed = 300.0
    lab = simulated(speed=speed)
    lefts: list[float] = []
    run = start(lab, sweep(*POINTS))
    listen(lab, lambda event, _: lefts.append(run.snapshot().left_s or 0.0) if event.kind == "ready" else None)
    until(run, in_state("queued"))
    run.pause().wait()
    assert lefts
    assert max(lefts) * speed < 100
