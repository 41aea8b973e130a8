"""Attempts at points: which task serves a point, and the next attempt at one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..log import ExperimentLog, PointRow
from ..plan import PlannedPoint
from ..request import digest
from ..states import Cause, EventKind, TaskState
from ..task import Task
from .book import Book
from .control import Controls
from .loop import Clock
from .order import Order, point_row, serves_again

LOST_MOST = 3  # attempts of one point that never arrived, before it is left to a person
KEPT = ("provider", "model", "run", "request", "call", "estimate_low", "estimate_high")
"""What the next attempt at a point has in common with the one before."""


class Attempts:
    """Makes the tasks of a lab. ``lab_key`` goes into their ids, which are also what providers are told."""

    def __init__(self, lab_key: str, clock: Clock, log: ExperimentLog, book: Book, controls: Controls) -> None:
        self._lab_key = lab_key
        self._clock = clock
        self._log = log
        self._book = book
        self._controls = controls

    def known(self, order: Order) -> dict[str, Task]:
        """Return the tasks that may serve the points of an order, by identity: none where all is to be bought afresh."""
        if order.fresh:
            return {}
        known = self._log.known((point.identity for point in order.points), shared=order.share)
        return {name: self._book.tasks.get(task.id, task) for name, task in known.items()}

    async def serve(self, order: Order, known: dict[str, Task]) -> list[PointRow]:
        """Write a task for each point that nothing ``known`` serves yet, and return the points with the tasks that do."""
        new: list[Task] = []
        served: dict[int, str] = {}
        self._book.take(task for task in known.values() if task.id not in self._book.tasks)
        self._see_attempts(point.identity for point in order.points)
        for point in sorted(order.points, key=lambda point: point.shares is not None):
            served[point.point.index] = self._serve_point(point, order, known, new, served)
        await self._book.plan(new)
        await self._refuse((point, served[point.point.index]) for point in order.points)
        return [point_row(order, point, served[point.point.index]) for point in order.points]

    async def another(self, task: Task, run: str = "", kind: EventKind | None = None, **data: Any) -> str:
        """Plan another attempt at a task's point, and let every point that it served be served by it, in one commit.

        The attempt is of the same run unless another is named; ``kind`` and ``data`` are what happened to the task
        before it, if something did.
        """
        return (await self.others([task], run, kind, **data))[task.id]

    async def others(
        self, tasks: Sequence[Task], run: str = "", kind: EventKind | None = None, **data: Any
    ) -> dict[str, str]:
        """Do for each of several tasks what `another` does, in one commit; returns the new ids by the old ones."""
        self._see_attempts(task.identity for task in tasks)
        nth, new = Counter[str](), dict[str, Task]()
        for task in tasks:
            nth[task.identity] += 1
            kept = {name: getattr(task, name) for name in KEPT}
            new[task.id] = self._next(task.identity, nth[task.identity], **{**kept, "run": run or task.run})
        await self._book.replace(new, kind, **data)
        served = {old: task.id for old, task in new.items()}
        for control in self._controls.values():
            control.serve(served)
        return served

    async def after_lost(self, task_id: str) -> str | None:
        """Plan another attempt for what never arrived, if it still serves a point: another may have replaced it."""
        return await self.another(self._book.tasks[task_id]) if self._log.serves(task_id) else None

    async def take_up_lost(self) -> None:
        """Plan what follows attempts that never arrived, where a process ended before it had done so."""
        if lost := [task for task in self._log.lost() if goes_on(task)]:
            await self.others(lost)

    def _serve_point(
        self,
        point: PlannedPoint,
        order: Order,
        known: dict[str, Task],
        new: list[Task],
        served: Mapping[int, str],
    ) -> str:
        """Return the id of the task that serves a point: an earlier one, another point's, or a new one."""
        earlier = known.get(point.identity)
        if earlier is not None and serves_again(earlier, point):
            return earlier.id
        if point.shares is not None and point.shares in served:
            return served[point.shares]
        task = self._first(point, order.name)
        known[point.identity] = task
        new.append(task)
        return task.id

    def _see_attempts(self, identities: Iterable[str]) -> None:
        """Count the attempts at identities that are only in the log: a number, and its own id, is used once."""
        latest = self._log.latest(identities).values()
        self._book.take(self._log.tasks_by_id(task_id for task_id in latest if task_id not in self._book.tasks))

    def _first(self, point: PlannedPoint, run: str) -> Task:
        return self._next(
            point.identity,
            provider=point.provider,
            model=point.request.model,
            run=run,
            request=point.request.canonical(),
            call=point.call,
            estimate_low=point.estimate.low,
            estimate_high=point.estimate.high,
        )

    def _next(self, identity: str, nth: int = 1, **facts: Any) -> Task:
        attempt = self._book.attempts(identity) + nth
        own_id = "kn-" + digest([self._lab_key, identity, attempt])[:24]
        return Task(id=own_id, identity=identity, attempt=attempt, planned_at=self._clock.now(), **facts)

    async def _refuse(self, points: Iterable[tuple[PlannedPoint, str]]) -> None:
        """Note which of some points, given with their tasks, are never sent, and why."""
        told = {
            task_id: {"reason": "; ".join(str(problem) for problem in point.refusals), "cause": Cause.REFUSED}
            for point, task_id in points
            if point.refusals and self._book.tasks[task_id].state is TaskState.PLANNED
        }
        await self._book.record_all(EventKind.REFUSED, told)


def goes_on(task: Task) -> bool:
    """Tell whether a failed attempt is followed by another by itself: it certainly never arrived."""
    return task.state is TaskState.FAILED and task.cause == Cause.LOST and task.attempt < LOST_MOST


def is_left(task: Task) -> bool:
    """Tell whether something is still to be sent, followed, looked up or fetched, or follows by itself.

    Whether a saved clip's file is still there is not looked at: `is_gone` does.
    """
    return not task.state.is_final or goes_on(task)
