"""What several hands do to the runs of one lab at once, while each commit takes a while.

A program is a list of steps, each begun so many seconds after the one before, whether that has ended or not. When all
is at rest, the log, the simulator's ledger and what the engine holds in memory have to tell the same.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import anyio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from labs import sweep
from test_ceilings import drawn_once

from benchmarks.driving import Driven, World, driven
from kling_nb.engine.engine import Order
from kling_nb.engine.loop import VirtualClock
from kling_nb.errors import KlingError
from kling_nb.simulator import Charge, Fault, Simulator, clips
from kling_nb.states import TaskState

EPOCH = 1_790_000_000.0
RUNS = ("one", "two", "three")
PROMPTS = (
    "fox",
    "owl",
    "crowd #sim:risk-control",
    "boat #sim:lost",
    "ship #sim:reset",
    "hare #sim:busy",
    "mouse #sim:busy",
    "snail #sim:stall",
    "crow #sim:502",
)
AGAIN = frozenset({TaskState.FAILED, TaskState.STALLED, TaskState.CANCELLED, TaskState.UNCERTAIN})
LONG_S = 20_000.0
LATE = Fault(action="late", operation="submit", seconds=1, times=9999)
"""A submit is answered when other things have happened meanwhile."""
Step = tuple[float, str, str, Sequence[str]]
"""Seconds after the step before, what is done, to which run, with which prompts."""


class SlowDisk(VirtualClock):
    """Virtual time in which commits take so many seconds, in turn."""

    def __init__(self, waits: Sequence[float]) -> None:
        super().__init__(EPOCH)
        self._waits = itertools.cycle(waits)

    async def beat(self) -> None:
        """Wait as long as the next commit takes."""
        await self.sleep(next(self._waits))


class Hands:
    """Whoever steers: carries steps out on the engine's own loop, where they cross."""

    def __init__(self, lab: Driven) -> None:
        self._engine = lab.engine
        self._runs = lab.engine._runs
        self._plan = lab.plan

    def carry_out(self, program: Sequence[Step]) -> None:
        """Begin every step at its time, and wait for a long while after the last."""
        orders = [Order(name=run, points=self._plan(sweep(*prompts))) for _, _, run, prompts in program]
        steps = [(wait, self._work(how, order)) for (wait, how, _, _), order in zip(program, orders, strict=True)]

        async def all_of_them() -> None:
            async with anyio.create_task_group() as group:
                for wait, work in steps:
                    await self._engine._clock.sleep(wait)
                    group.start_soon(self._done, work)
            await self._engine._clock.sleep(LONG_S)

        self._engine._loop.call(all_of_them)

    async def _done(self, work: Callable[[], Awaitable[object]]) -> None:
        with suppress(KlingError, KeyError):  # of a run that was not started yet, and of what is decided by now
            await self._engine._dispatch.alone(work)

    def _work(self, how: str, order: Order) -> Callable[[], Awaitable[object]]:
        runs, name = self._runs, order.name
        works: dict[str, Callable[[], Awaitable[object]]] = {
            "start": lambda: runs.start(order),
            "pause": lambda: runs.pause(name),
            "resume": lambda: runs.resume(name),
            "cancel": lambda: runs.cancel(name, self._engine._driver.cancel),
            "retry": lambda: runs.retry(name, AGAIN),
        }
        return works[how]


# -- what has to hold ------------------------------------------------------------------------------------------------


def nothing_is_bought_twice(lab: Driven, charges: list[Charge]) -> None:
    """Each charge is of an own id of its own, which the log has as bought, or in doubt."""
    tasks = {task.id: task for task in lab.engine._log.read_tasks()}
    assert all(count == 1 for count in Counter(charge.own_id for charge in charges).values())
    for charge in charges:
        task = tasks[charge.own_id]
        assert task.ticket is not None or task.state is TaskState.UNCERTAIN, task


def memory_is_the_log(lab: Driven) -> None:
    """Tasks, points and money in memory are those of the log."""
    book, log = lab.engine.book, lab.engine._log
    assert book.broken is None
    tasks = {task.id: task for task in log.read_tasks()}
    assert dict(book.tasks) == tasks
    spent, reserved = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for task in tasks.values():
        spent[task.run] += task.spent
        reserved[task.run] += task.reserved
    assert [(spent[run], reserved[run]) for run in RUNS] == [(book.spent(run), book.reserved(run)) for run in RUNS]
    for name, control in lab.engine._runs._controls.items():
        assert [point.task for point in control.points] == [point.task for point in log.read_points(name)]


def all_is_at_rest(lab: Driven) -> None:
    """What is planned serves a point and is held for a reason that is told; nothing else is under way."""
    served = {point.task for point in lab.engine._log.read_points()}
    for task in lab.engine.book.tasks.values():
        assert task.state not in (TaskState.SUBMITTING, TaskState.QUEUED, TaskState.RUNNING), task
        if task.state is TaskState.PLANNED:
            assert task.id in served, task
            assert lab.engine.why_held(task), task
    assert all(control.idle.is_set() for control in lab.engine._runs._controls.values())


def nothing_is_left_in_a_cancelled_run(lab: Driven) -> None:
    """What is planned in a run that was cancelled is the next attempt at something that was in doubt then."""
    cancelled = {row.name for row in lab.engine._log.read_runs() if row.state == "cancelled"}
    tasks = lab.engine._log.read_tasks()
    lost = {(task.identity, task.attempt + 1) for task in tasks if task.cause == "lost"}
    left = [task for task in tasks if task.run in cancelled and task.state is TaskState.PLANNED]
    assert [task for task in left if (task.identity, task.attempt) not in lost] == []


names = st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=5, unique=True)
hows = st.sampled_from(["start", "start", "pause", "resume", "cancel", "retry", "retry"])
steps = st.tuples(st.sampled_from([0.0, 0.5, 1.5, 4.5, 20.0, 200.0]), hows, st.sampled_from(RUNS), names)
waits = st.lists(st.sampled_from([0.0, 0.01, 0.3, 2.0, 8.0]), min_size=1, max_size=5)
BUSY = ("hare #sim:busy", "mouse #sim:busy", "fox")


@example([2.0], [(0.0, "start", "one", BUSY), (4.5, "cancel", "one", BUSY)])
@given(waits, st.lists(steps, min_size=2, max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_crosses_nothing_is_bought_twice_and_all_comes_to_rest(
    waits: list[float], program: list[Step]
) -> None:
    """Runs that are started, paused, resumed, cancelled and retried while commits take seconds."""
    simulator = Simulator(None, now=(clock := SlowDisk(waits)).now, faults=[LATE])
    world = World(clock=clock, slots={"kling": 2}, app=lambda _: (simulator.app, simulator.close))
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(clips, "render", drawn_once),
        driven(Path(folder), world) as lab,
    ):
        Hands(lab).carry_out(program)
        nothing_is_bought_twice(lab, simulator.ledger())
        memory_is_the_log(lab)
        all_is_at_rest(lab)
        nothing_is_left_in_a_cancelled_run(lab)
