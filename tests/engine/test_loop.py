"""The engine's thread and its clocks."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labs import Open, start, sweep

from kling_nb.engine.loop import Clock, Loop, VirtualClock
from kling_nb.engine.wanted import speed_variable
from kling_nb.errors import LabError


@pytest.fixture
def on() -> Iterator[Callable[[Clock], Loop]]:
    """Run loops with clocks; each is closed in the end."""
    loops: list[Loop] = []

    def make(clock: Clock) -> Loop:
        loops.append(Loop(clock))
        return loops[-1]

    yield make
    for loop in loops:
        loop.close()


async def slept(clock: Clock, seconds: float, name: object, order: list[tuple[object, float]]) -> None:
    """Sleep, and note when that ended."""
    await clock.sleep(seconds)
    order.append((name, clock.now()))


def test_virtual_time_jumps(on: Callable[[Clock], Loop]) -> None:
    """A week passes at once, and everything wakes in order and at its time."""
    clock, order = VirtualClock(1000.0), []

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            for seconds in (604_800, 3600, 1, 60):
                group.start_soon(slept, clock, seconds, seconds, order)

    begun = time.monotonic()
    on(clock).call(scene)
    assert [(s, 1000.0 + s) for s in (1, 60, 3600, 604_800)] == order
    assert time.monotonic() - begun < 5


def test_virtual_time_stands_still_when_nothing_happens(on: Callable[[Clock], Loop]) -> None:
    """A loop without timers does not move the clock, however long it idles."""
    clock = VirtualClock(5.0)
    loop = on(clock)
    loop.start(anyio.sleep, 0)
    assert 5.0 == clock.now()

    async def nothing() -> float:
        return clock.now()

    assert [5.0] * 3 == [loop.call(nothing) for _ in range(3)]


def test_work_on_another_thread_holds_virtual_time(on: Callable[[Clock], Loop]) -> None:
    """While blocking work runs beside the loop no timer can fire, and pieces of work run one at a time."""
    clock, order, running = VirtualClock(0.0), [], []

    def work() -> int:
        running.append(threading.get_ident())
        time.sleep(0.01)
        running.append(threading.get_ident())
        return len(running)

    async def beside(name: str) -> None:
        await clock.in_thread(work)
        order.append((name, clock.now()))

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(beside, "one")
            group.start_soon(beside, "two")
            group.start_soon(slept, clock, 1, "timer", order)

    on(clock).call(scene)
    assert [("one", 0.0), ("two", 0.0), ("timer", 1.0)] == order
    assert running[0] == running[1]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_timers_fire_in_order(waits: list[float]) -> None:
    """Whatever the waits, the clock never goes back and no wait ends before its time."""
    clock, order = VirtualClock(0.0), []

    async def scene() -> None:
        async with anyio.create_task_group() as group:
            for seconds in waits:
                group.start_soon(slept, clock, seconds, seconds, order)

    with asyncio.Runner(loop_factory=clock.new_loop) as runner:
        runner.run(scene())
    assert sorted(now for _, now in order) == [now for _, now in order]
    assert all(now >= round(float(str(seconds)), 3) - 0.001 for seconds, now in order)


@pytest.mark.parametrize("clock", [VirtualClock(0.0, speed=1000), Clock(speed=1000)])
def test_a_speed_paces(on: Callable[[Clock], Loop], clock: Clock) -> None:
    """At speed 1000 a wait of 50 s takes about 50 ms."""
    begun, start_ = time.monotonic(), clock.now()
    on(clock).call(clock.sleep, 50)
    assert time.monotonic() - begun >= 0.045
    assert clock.now() - start_ >= 49


def test_what_a_process_sleeps_through_counts_for_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that came while the process was stopped is read when it goes on, and time for the rest is left."""
    real, slept_s = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept_s[0])

    async def scene() -> bytes:
        loop, (ours, theirs) = asyncio.get_running_loop(), socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            other = threading.Timer(0.05, lambda: (slept_s.insert(0, 300.0), theirs.send(b"id")))
            other.start()
            async with asyncio.timeout(60):
                came = await loop.sock_recv(ours, 9)
                other.join()
                await asyncio.sleep(0.01)
            return came

    with asyncio.Runner(loop_factory=Clock().new_loop) as runner:
        assert b"id" == runner.run(scene())


def test_a_timer_comes_though_every_look_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process gets a moment only every few seconds, time goes on all the same, if slower."""
    real, slept_s, rested = time.monotonic, [0.0], threading.Event()
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept_s[0])

    def keep_away() -> None:
        for _ in range(400):  # so that a loop whose timers never come ends too
            slept_s[0] += 5.0
            if rested.wait(0.005):
                break

    other = threading.Thread(target=keep_away)
    with asyncio.Runner(loop_factory=Clock().new_loop) as runner:
        other.start()
        runner.run(asyncio.sleep(0.2))
        rested.set()
        other.join()
    assert slept_s[0] < 400 * 5.0


def test_time_never_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is timed right after a stop in the middle of a turn is not late by the length of the stop."""
    real, slept_s = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + slept_s[0])

    async def scene() -> list[float]:
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        slept_s[0] = 8 * 3600.0
        times.append(loop.time())
        await asyncio.sleep(0)
        return [*times, loop.time()]

    with asyncio.Runner(loop_factory=Clock().new_loop) as runner:
        times = runner.run(scene())
    assert times == sorted(times)
    assert times[-1] - times[0] < 60


def test_a_wait_can_be_ended_early(on: Callable[[Clock], Loop]) -> None:
    """A wait for seconds or an event ends at the event; without one, at its time."""
    clock = VirtualClock(0.0)

    async def scene() -> tuple[float, float]:
        woken = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_set_after, clock, 5, woken)
            await clock.sleep_or(100, woken)
            early = clock.now()
        await clock.sleep_or(100, anyio.Event())
        return early, clock.now()

    assert (5.0, 105.0) == on(clock).call(scene)


async def _set_after(clock: Clock, seconds: float, event: anyio.Event) -> None:
    await clock.sleep(seconds)
    event.set()


def test_closing_ends_what_runs(on: Callable[[Clock], Loop]) -> None:
    """A loop closes at once although something on it waits for ever, and can be closed twice."""
    loop = Loop(Clock())
    ended = threading.Event()

    async def for_ever() -> None:
        try:
            await anyio.Event().wait()
        finally:
            ended.set()

    loop.start(for_ever)
    loop.close()
    loop.close()
    assert ended.is_set()


def test_what_is_started_fails_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Work that nobody waits for may fail: nothing else ends, and nothing is printed by the loop."""
    loop = Loop(Clock())

    async def fails() -> None:
        raise LookupError

    async def goes_on() -> str:
        await anyio.lowlevel.checkpoint()
        return "on"

    loop.start(fails)
    assert loop.call(goes_on) == "on"
    loop.close()
    del loop
    gc.collect()
    assert not caplog.records


def test_an_error_reaches_the_caller(on: Callable[[Clock], Loop]) -> None:
    """What a coroutine raises is raised where it was called from."""

    async def fails() -> None:
        raise LookupError("so")

    work: Callable[[], Awaitable[None]] = fails
    with pytest.raises(LookupError, match="so"):
        on(Clock()).call(work)


def test_the_speed_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """KLING_NB_SPEED is a number above zero, infinity included; anything else is one sentence."""
    assert speed_variable() is None
    for text, speed in (("2.5", 2.5), ("inf", math.inf), (" 60 ", 60)):
        monkeypatch.setenv("KLING_NB_SPEED", text)
        assert speed == speed_variable()
    for wrong in ("fast", "0", "-1", "nan"):
        monkeypatch.setenv("KLING_NB_SPEED", wrong)
        with pytest.raises(LabError, match="should be a number above 0"):
            speed_variable()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_a_closed_lab_leaves_no_file_open(simulated: Open) -> None:
    """After close nothing of the lab folder is open in this process."""
    lab = simulated()
    start(lab, sweep("fox")).wait()
    lab.df()
    lab.close()
    names = []
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(str(handle.readlink()))
    assert not [name for name in names if str(lab.folder) in name]
