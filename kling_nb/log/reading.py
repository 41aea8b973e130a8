"""What the log answers in records. Readers have a read-only connection of their own and never wait for the writer."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ..costs import DAY_S
from ..errors import LabError
from ..states import Cause, TaskState
from ..states import EventKind as Kind
from ..task import Task
from .rows import PointRow, RunRow, point_from, run_from, task_from, text
from .schema import EVENTS, META, POINTS, RUNS, TASKS

DAILY_BUDGET = "daily_budget"
FILE_OF = "file of "
"""Before the reference of an image: the key of the path or address that it was last given by."""
ASKED_AT = "asked at "
"""Before an identity: the key of the request of a point that the task of another request serves, as JSON."""
_OF_A_SUBMIT = (Kind.INTENT, Kind.NOT_SENT, Kind.PUSHED_BACK, Kind.ACCEPTED, Kind.DOUBTED, Kind.FAILED)
_BARE = dict.fromkeys(("request", "call", "asset", "clip"))  # what no sum of money needs, and most of a row
_SHORT = [column for column in TASKS.c if column.name not in _BARE]
READ_ONLY = {"mode": "ro", "uri": "true"}


class Reading:
    """Every question that the log answers. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = reader(path)

    def _rows(self, query: Any) -> Sequence[Any]:
        with self._asking() as db:
            return db.execute(query).all()

    def _records(self, query: Any) -> list[dict[str, Any]]:
        with self._asking() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        try:
            with self._reader.connect() as db:
                yield db
        except sa.exc.DatabaseError as error:
            message = f"{self.path} cannot be read ({error.orig}): is it still there, and may you read it? nothing was changed"
            raise LabError(message) from error

    def fact(self, key: str) -> str | None:
        """Return a fact of the lab, or `None`."""
        rows = self._rows(sa.select(META.c.value).where(META.c.key == key))
        return None if not rows else str(rows[0][0])

    def daily_budget(self) -> Decimal | None:
        """Return the ceiling in USD for all that is submitted in a day, or `None`."""
        kept = self.fact(DAILY_BUDGET)
        return Decimal(kept) if kept else None

    def files(self) -> dict[str, str]:
        """Return the paths and addresses that the images of runs were last given by, by reference."""
        return self.facts(FILE_OF)

    def facts(self, begin: str) -> dict[str, str]:
        """Return the facts whose keys begin so, by the rest of the key."""
        rows = self._rows(sa.select(META).where(META.c.key.startswith(begin)))
        return {row.key.removeprefix(begin): row.value for row in rows}

    def submitted_on(self, day: int) -> list[Task]:
        """Return the tasks that were last submitted on a day, as `task.day_of` counts."""
        at = TASKS.c.submitted_at
        return self.read_tasks(sa.and_(at >= day * DAY_S, at < (day + 1) * DAY_S))

    def read_tasks(self, where: Any = None) -> list[Task]:
        """Return tasks, oldest first."""
        query = sa.select(TASKS).order_by(TASKS.c.planned_at, sa.text("rowid"))
        return [task_from(row) for row in self._records(query if where is None else query.where(where))]

    def read_costs(self, where: Any = None) -> list[Task]:
        """Return tasks as `read_tasks` does, without what is long: the request, the call, the asset and the clip."""
        query = sa.select(*_SHORT).order_by(TASKS.c.planned_at, sa.text("rowid"))
        rows = self._records(query if where is None else query.where(where))
        return [task_from(_BARE | row) for row in rows]

    def open_tasks(self) -> list[Task]:
        """Return the tasks that are not at their end."""
        return self.read_tasks(TASKS.c.state.not_in([state.value for state in TaskState if state.is_final]))

    def latest(self, identities: Iterable[str]) -> dict[str, str]:
        """Return the id of the last attempt at each identity that was ever planned."""
        c = TASKS.c
        query = sa.select(c.identity, c.id).order_by(c.attempt)
        found = (self._rows(query.where(c.identity.in_(part))) for part in parts(identities))
        return {row.identity: row.id for rows in found for row in rows}

    def known(self, identities: Iterable[str], *, shared: bool = True) -> dict[str, Task]:
        """Return what serves each identity best: an attempt at it, or with ``shared`` the task of another's point.

        What is saved comes before what runs or is in doubt, that before what is planned, that before what failed; a
        later attempt that was cancelled or refused never hides an earlier one that was bought.
        """
        wanted = set(identities)
        own = self._tasks_in(TASKS.c.identity, wanted)
        serving = self._serving(wanted, own) if shared else ()
        best: dict[str, Task] = {}
        for identity, task in [*((task.identity, task) for task in own), *serving]:
            if identity not in best or _worth(task) > _worth(best[identity]):
                best[identity] = task
        return best

    def _serving(self, identities: Iterable[str], read: Iterable[Task]) -> list[tuple[str, Task]]:
        """Return identities with the tasks that serve their points; those that were ``read`` are not read again."""
        pairs: set[tuple[str, str]] = set()
        for part in parts(identities):
            query = sa.select(POINTS.c.identity, POINTS.c.task).where(POINTS.c.identity.in_(part))
            pairs |= {(row.identity, row.task) for row in self._rows(query)}
        tasks = {task.id: task for task in read}
        tasks |= {task.id: task for task in self.tasks_by_id({task_id for _, task_id in pairs} - tasks.keys())}
        return [(identity, tasks[task_id]) for identity, task_id in sorted(pairs) if task_id in tasks]

    def serves(self, task_id: str) -> bool:
        """Tell whether any run has a point that a task serves."""
        return bool(self._rows(sa.select(POINTS.c.run).where(POINTS.c.task == task_id).limit(1)))

    def lost(self) -> list[Task]:
        """Return the attempts that never arrived and that still serve a point, oldest first."""
        served = TASKS.c.id.in_(sa.select(POINTS.c.task))
        return self.read_tasks(sa.and_(TASKS.c.state == TaskState.FAILED.value, TASKS.c.cause == Cause.LOST, served))

    def wanted_elsewhere(self, run: str) -> set[str]:
        """Return the tasks that serve points of other runs which were neither paused nor cancelled."""
        query = sa.select(POINTS.c.task).join(RUNS, RUNS.c.name == POINTS.c.run)
        return {row.task for row in self._rows(query.where(RUNS.c.state == "running", POINTS.c.run != run))}

    def others_with(self, task_ids: Iterable[str], run: str) -> dict[str, list[str]]:
        """Return the other runs that have a point which a task serves and were not cancelled, by task, oldest first."""
        query = sa.select(POINTS.c.task, RUNS.c.name).join(RUNS, RUNS.c.name == POINTS.c.run)
        wanting = query.where(RUNS.c.state != "cancelled", RUNS.c.name != run).order_by(RUNS.c.started_at)
        found = defaultdict[str, dict[str, None]](dict)
        for part in parts(task_ids):
            for task_id, name in self._rows(wanting.where(POINTS.c.task.in_(part))):
                found[task_id][name] = None
        return {task_id: list(names) for task_id, names in found.items()}

    def task_ids_of(self, run: str) -> set[str]:
        """Return the ids of every task that a run bought or means to."""
        return {row.id for row in self._rows(sa.select(TASKS.c.id).where(TASKS.c.run == run))}

    def serving(self, run: str) -> dict[str, int]:
        """Return the ids of the tasks that serve the points of a run, each once, in order, with its sample number."""
        rows = self._rows(sa.select(POINTS.c.task, POINTS.c.sample).where(POINTS.c.run == run).order_by(POINTS.c.point))
        return {row.task: row.sample for row in rows}

    def events_from(self, seq: int | None) -> list[tuple[int, str, float]]:
        """Return number, task and time of the events from a number on, oldest first; from `None` the last one."""
        c = EVENTS.c
        first = sa.select(sa.func.max(c.seq)).scalar_subquery() if seq is None else seq
        rows = self._rows(sa.select(c.seq, c.task, c.at).where(c.seq >= first).order_by(c.seq))
        return [(row.seq, row.task, row.at) for row in rows]

    def tasks_by_id(self, task_ids: Iterable[str]) -> list[Task]:
        """Return tasks by their ids."""
        return self._tasks_in(TASKS.c.id, task_ids)

    def _tasks_in(self, column: Any, values: Iterable[str]) -> list[Task]:
        """Return the tasks whose column holds one of many values, some hundred at a time."""
        return [task for part in parts(values) for task in self.read_tasks(column.in_(part))]

    def with_ticket(self, provider: str, remote_id: str) -> list[Task]:
        """Return the tasks that a provider knows under an id, oldest first."""
        holds = TASKS.c.ticket.contains(text(remote_id), autoescape=True)
        found = self.read_tasks(sa.and_(TASKS.c.provider == provider, holds))
        return [task for task in found if task.ticket is not None and task.ticket.id == remote_id]

    def read_runs(self, name: str | None = None) -> list[RunRow]:
        """Return all runs, oldest first, or the one of a name."""
        query = sa.select(RUNS).order_by(RUNS.c.started_at)
        rows = self._records(query if name is None else query.where(RUNS.c.name == name))
        return [run_from(row) for row in rows]

    def read_points(self, run: str | None = None, task: str | None = None) -> list[PointRow]:
        """Return the points of a run, or of all, in order; with ``task`` those that it serves."""
        asked = [*([POINTS.c.run == run] if run is not None else []), *([POINTS.c.task == task] if task else [])]
        query = sa.select(POINTS).where(*asked).order_by(POINTS.c.run, POINTS.c.point)
        return [point_from(row) for row in self._records(query)]

    def was_submitting(self, task_id: str, last: int) -> bool:
        """Tell whether a task's submit was begun and had no end by the event with this number."""
        mine = (EVENTS.c.task == task_id, EVENTS.c.kind.in_(_OF_A_SUBMIT), EVENTS.c.seq <= last)
        query = sa.select(EVENTS.c.kind).where(*mine).order_by(EVENTS.c.seq.desc()).limit(1)
        return [row.kind for row in self._rows(query)] == [Kind.INTENT]

    def submitted_with(self, task_id: str) -> str | None:
        """Return the mark of the key that a task was last submitted with (`kling_nb.secret.Secret.mark`)."""
        mine = (EVENTS.c.task == task_id, EVENTS.c.kind == Kind.INTENT)
        query = sa.select(EVENTS.c.data).where(*mine).order_by(EVENTS.c.seq.desc()).limit(1)
        return next((json.loads(row.data).get("account") for row in self._rows(query)), None)

    def witness(self, provider: str, mark: str, url: str, *, since: float, at: float) -> Task | None:
        """Return a task that was accepted at a call address with a key, and sent since then.

        It is the first that was sent after ``at``, or else the last before; when it was accepted says less, since it
        may have been found long after. One whose id a person named does not count: the id came with the answer to the
        submit, or was found by our own. One query answers, however many tasks there are.
        """
        c, data = TASKS.c, EVENTS.c.data
        of_this = sa.select(EVENTS.c.seq).where(EVENTS.c.task == c.id)
        doubted = of_this.where(EVENTS.c.kind == Kind.DOUBTED).exists()
        found = of_this.where(EVENTS.c.kind == Kind.ACCEPTED, sa.func.json_extract(data, "$.found")).exists()
        intents = of_this.where(EVENTS.c.kind == Kind.INTENT).with_only_columns(sa.func.json_extract(data, "$.account"))
        with_key = intents.order_by(EVENTS.c.seq.desc()).limit(1).scalar_subquery() == mark
        there = (c.accepted_at.is_not(None), c.provider == provider, sa.func.json_extract(c.call, "$.url") == url)
        query = sa.select(TASKS).where(*there, c.submitted_at >= since, sa.or_(~doubted, found), with_key)
        nearest = query.order_by(c.submitted_at < at, sa.func.abs(c.submitted_at - at)).limit(1)
        return next((task_from(row) for row in self._records(nearest)), None)

    def last_at(self) -> float | None:
        """Return the time of the last event, in Unix seconds."""
        return self._rows(sa.select(sa.func.max(EVENTS.c.at)))[0][0]  # type: ignore[no-any-return]

    def durations(self) -> list[tuple[str, str, Mapping[str, Any], float]]:
        """Return provider, model, request and seconds from acceptance to done of every finished task."""
        c = TASKS.c
        query = sa.select(c.provider, c.model, c.request, c.done_at - c.accepted_at)
        rows = self._rows(query.where(c.asset.is_not(None), c.accepted_at.is_not(None)))
        return [(row[0], row[1], json.loads(row[2]), row[3]) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many tasks are in each state."""
        rows = self._rows(sa.select(TASKS.c.state, sa.func.count()).group_by(TASKS.c.state))
        found = dict(tuple(row) for row in rows)
        return {state.value: found[state.value] for state in TaskState if state.value in found}


def _worth(task: Task) -> tuple[int, int]:
    """Return how well a task serves its point, to be compared; of two as good the later attempt is better."""
    state = task.state
    sent = 3 if state.is_sent else 0
    rank = {TaskState.SAVED: 4, TaskState.PLANNED: 2, TaskState.FAILED: 1}.get(state, sent)
    return rank, task.attempt


def parts(values: Iterable[str]) -> list[list[str]]:
    """Return values in portions that one query takes, each value once."""
    wanted = sorted(set(values))
    return [wanted[start : start + 500] for start in range(0, len(wanted), 500)]


def reader(path: Path) -> sa.Engine:
    """Return an engine that reads a log, and can do nothing else.

    In a folder that takes no file SQLite cannot share the log with a writer. No writer can be there either, so that the
    log is opened as a file that never changes.
    """
    # As a file URI, since only that can say read-only; quoted, since a folder may be called "what? #2".
    place = "file:" + quote(path.resolve().as_posix(), errors="surrogateescape")
    alone = {"immutable": "1"} if not os.access(path.parent, os.W_OK) and not _is_shared(path) else {}
    return sa.create_engine(sa.URL.create("sqlite", database=place, query=READ_ONLY | alone), poolclass=NullPool)


def _is_shared(path: Path) -> bool:
    """Tell whether a log has changes beside it that a writer has not put into it yet."""
    beside = path.with_name(path.name + "-wal")
    return beside.is_file() and beside.stat().st_size > 0
