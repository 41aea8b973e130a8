"""What the log answers in tables: DataFrames of points, tasks, runs, spending and events."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ..spending import spent_before
from ..task import Task
from .reading import ASKED_AT, Reading, parts
from .schema import EVENTS, POINTS, TASKS

if TYPE_CHECKING:
    import pandas as pd


class Tabled(Reading):
    """The log of one lab folder, to read: in records and in tables. pandas is imported when a table is asked for."""

    def runs(self, moving: Callable[[], Iterable[str]] = tuple, *, followed: bool = True) -> pd.DataFrame:
        """Return one row per run: name, when it was started, its state and budget, its points by state, its money.

        ``state`` is ``running``, ``waiting`` (nothing is under way, and points are still to be sent), ``needs a look``
        (the same, and a task is uncertain, stalled or expired), ``finished``, ``paused`` or ``cancelled``. ``moving`` names
        the runs that are under way now, also between two tries, of which the log says nothing. Unless
        runs are ``followed``, nothing moves: one with a task at its provider is ``stopped``.
        """
        from .. import frames

        going = set(moving())
        rows, points = self.read_runs(), self._rows(sa.select(POINTS.c.run, POINTS.c.task))
        tasks = self.read_costs()  # after the points: what serves one is in the log before it does
        by_id = {task.id: task for task in tasks}
        served, own = defaultdict[str, list[Task]](list), defaultdict[str, list[Task]](list)
        for run, task_id in points:
            served[run] += [by_id[task_id]] if task_id in by_id else []
        for task in tasks:
            own[task.run].append(task)
        going.update(moving())  # one that was begun, or ended, while this was read was under way
        return frames.runs_frame([(row, served[row.name], own[row.name]) for row in rows], going, followed=followed)

    def spending(self, by: Sequence[str]) -> pd.DataFrame:
        """Return what was spent and what may still be charged, in USD, by ``day``, ``provider``, ``model``, ``run``."""
        from .. import frames

        return frames.spending_frame(self.read_costs(), by)

    def df(self, run: str | None = None, task: str | None = None) -> pd.DataFrame:
        """Return one row per point, of one run or of all, with the columns that `columns.POINT_COLUMNS` declares.

        With ``task`` only the points that it serves.
        """
        from .. import frames

        order = {row.name: n for n, row in enumerate(self.read_runs())}
        points = sorted(self.read_points(run, task), key=lambda point: (order.get(point.run, 0), point.point))
        every = run is None and task is None
        tasks = self.read_tasks() if every else self.tasks_by_id(point.task for point in points)
        by_id = {task.id: task for task in tasks}
        rows = [(point, by_id[point.task]) for point in points if point.task in by_id]
        served = {point.task for point in points}
        before = spent_before(tasks, served) if every else self._spent_before({task.identity for task in tasks})
        return frames.points_frame(rows, before, self.files(), self._asked())

    def _spent_before(self, identities: Iterable[str]) -> dict[str, Decimal]:
        """Return what was spent on attempts that serve no point any more, in USD, by the id of the one that does."""
        c = TASKS.c
        attempts = [task for part in parts(identities) for task in self.read_costs(c.identity.in_(part))]
        ids = parts(task.id for task in attempts)
        rows = (self._rows(sa.select(POINTS.c.task).where(POINTS.c.task.in_(part))) for part in ids)
        return spent_before(attempts, {row.task for part in rows for row in part})

    def tasks(self) -> pd.DataFrame:
        """Return one row per task: every attempt ever made, with the columns that `columns.TASK_COLUMNS` declares."""
        from .. import frames

        return frames.tasks_frame(self.read_tasks(), self.files())

    def events(self, task: str | None = None) -> pd.DataFrame:
        """Return every event, of one task or of all, oldest first: ``seq, task, kind, at, data``."""
        from .. import frames

        query = sa.select(EVENTS).order_by(EVENTS.c.seq)
        return frames.events_frame(self._records(query if task is None else query.where(EVENTS.c.task == task)))

    def _asked(self) -> dict[str, Mapping[str, Any]]:
        """Return the requests of points that the tasks of others serve, by identity."""
        return {identity: json.loads(request) for identity, request in self.facts(ASKED_AT).items()}
