"""All tasks that matter now, in memory; every change goes through here to the log, and is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import anyio

from ..costs import day_of
from ..errors import anew
from ..log import ExperimentLog
from ..plan import Money
from ..states import EventKind
from ..task import ZERO, Event, Task
from .loop import Clock
from .told import unkept

Listener = Callable[[Event, Task], None]
Change = tuple[Event, Task]
"""An event, and the task as it stands after it."""


class Book:
    """Tasks by id, and the money of each run and day. Written on the engine's thread; `tasks` may be read from any.

    ``daily_budget`` is the ceiling in USD for all that is submitted in a day, or `None`; the log keeps it.

    Changes of one beat of the clock share a commit: `record` returns when its change is on disk.
    """

    def __init__(self, log: ExperimentLog, clock: Clock) -> None:
        self.tasks: dict[str, Task] = {}
        self.listeners: list[Listener] = []
        self.broken: Exception | None = None
        self._log = log
        self._clock = clock
        self._spent: dict[str, Decimal] = {}
        self._reserved: dict[str, Decimal] = {}
        self._by_day: dict[int, Decimal] = {}
        self._days: set[int] = set()
        self._counted: dict[str, tuple[str, int | None, Decimal, Decimal]] = {}  # how each task is in those sums
        self.daily_budget = log.daily_budget()
        self._attempts: dict[str, int] = {}
        self._changes: list[Change] = []
        self._bearers: dict[tuple[str, str], str] = {}  # who was first given a provider's id
        self._served: dict[str, str] = {}
        self._flush: _Flush | None = None

    def take(self, tasks: Iterable[Task]) -> None:
        """Take in tasks that the log already holds."""
        for task in tasks:
            self._put(task)

    def spent(self, run: str) -> Decimal:
        """Return what a run has spent, in USD; what it reuses of others does not count."""
        return self._spent.get(run, ZERO)

    def reserved(self, run: str) -> Decimal:
        """Return what a run may still be charged, in USD."""
        return self._reserved.get(run, ZERO)

    def committed(self, run: str) -> Decimal:
        """Return what a run has spent or may still be charged, in USD."""
        return self.spent(run) + self.reserved(run)

    @property
    def day(self) -> int:
        """Today by the engine's clock, as `task.day_of` counts."""
        return day_of(self._clock.now())

    def today(self) -> Money:
        """Return the daily ceiling, and what is spent or may still be charged of all that was submitted today (UTC).

        What the log alone holds of a day is taken in when the day is first asked for.
        """
        day = self.day
        if self.daily_budget is not None and day not in self._days:
            self._days.add(day)
            self.take(task for task in self._log.submitted_on(day) if task.id not in self.tasks)
        return self.known_today()

    def known_today(self) -> Money:
        """Return `today` without a look into the log; from any thread."""
        return Money(self.daily_budget, self._by_day.get(self.day, ZERO))

    def set_daily_budget(self, amount: Decimal | None) -> None:
        """Change the daily ceiling, here and in the log."""
        self._log.set_daily_budget(amount)
        self.daily_budget = amount

    def submitted_with(self, task_id: str) -> str | None:
        """Return the mark of the key that a task was last submitted with, as its intent says."""
        return self._log.submitted_with(task_id)

    def witness(self, provider: str, mark: str, url: str, *, since: float, at: float) -> Task | None:
        """Return a task that was accepted at a call address with a key (`ExperimentLog.witness`)."""
        return self._log.witness(provider, mark, url, since=since, at=at)

    def attempts(self, identity: str) -> int:
        """Return the number of the last attempt at an identity, as far as is known here; 0: none."""
        return self._attempts.get(identity, 0)

    def bearer(self, task: Task, remote_id: str) -> Task | None:
        """Return the other task that its provider gave an id to before, as far as is known here."""
        first = self._bearers.get((task.provider, remote_id), task.id)
        return None if first == task.id else self.tasks[first]

    async def plan(self, tasks: Iterable[Task]) -> None:
        """Write new tasks."""
        await self._commit([self._planned(task) for task in tasks])

    async def record(self, task_id: str, kind: EventKind, **data: Any) -> Task:
        """Apply an event to a task, write both, and return the task as it then stands."""
        change = self.happened(task_id, kind, **data)
        await self._commit([change])
        return change[1]

    def happened(self, task_id: str, kind: EventKind, **data: Any) -> Change:
        """Apply an event to a task here, for `keep` to write, before which nothing may be awaited."""
        # Asked for by its word, so that no kind of our own can be one that changes nothing.
        event = Event(task_id, EventKind(kind), self._clock.now(), data)
        task = self.tasks[task_id].apply(event)
        self._put(task)
        return event, task

    async def keep(self, changes: Sequence[Change]) -> None:
        """Write what `happened`, in one commit."""
        if changes:
            await self._commit(changes)

    async def record_all(self, kind: EventKind, told: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply an event to many tasks, in one commit; ``told`` is what it says of each, by task id."""
        await self.keep([self.happened(task_id, kind, **data) for task_id, data in told.items()])

    async def replace(self, new: Mapping[str, Task], kind: EventKind | None = None, **data: Any) -> None:
        """Write new tasks, let each serve every point that an old one, by its id, served, and apply an event to those.

        All of it is one transaction: a process that ends at any moment leaves all or nothing.
        """
        changes = [self.happened(old, kind, **data) for old in new] if kind else []
        planned = [self._planned(task) for task in new.values()]
        await self._commit([*changes, *planned], {old: task.id for old, task in new.items()})

    def _planned(self, task: Task) -> Change:
        self._put(task)
        return Event(task.id, EventKind.PLANNED, self._clock.now()), task

    def _put(self, task: Task) -> None:
        now, before = (task.run, task.day, task.spent, task.reserved), self._counted.get(task.id)
        if now != before:
            self._counted[task.id] = now
            self._count(1, *now)
            if before is not None:
                self._count(-1, *before)
        if task.id not in self.tasks:
            self._attempts[task.identity] = max(task.attempt, self.attempts(task.identity))
        if task.ticket is not None:
            self._bearers.setdefault((task.provider, task.ticket.id), task.id)
        self.tasks[task.id] = task

    def _count(self, sign: int, run: str, day: int | None, spent: Decimal, reserved: Decimal) -> None:
        self._spent[run] = self.spent(run) + sign * spent
        self._reserved[run] = self.reserved(run) + sign * reserved
        if day is not None:
            self._by_day[day] = self._by_day.get(day, ZERO) + sign * (spent + reserved)

    async def _commit(self, changes: Sequence[Change], served: Mapping[str, str] | None = None) -> None:
        if self.broken is not None:
            self.broken = unkept(self.broken, changes)
            raise anew(self.broken)
        self._changes += changes
        self._served |= served or {}
        if self._flush is None:
            self._flush = _Flush()
            try:
                await self._clock.beat()
            finally:
                self._write()  # although cancelled: an answer that came must not be lost to somebody who detaches
            return
        await self._flush.joined()

    def _write(self) -> None:
        changes, served, flush = self._changes, self._served, self._flush
        self._changes, self._served, self._flush = [], {}, None
        try:
            self._log.commit(changes, served)
        except Exception as error:
            self.broken = unkept(error, changes)
            if self.broken is not error:
                raise self.broken from error
            raise
        finally:
            if flush is not None:
                flush.end(self.broken)
        for event, task in changes:
            for listener in self.listeners:
                listener(event, task)


class _Flush:
    """One commit that several changes wait for."""

    def __init__(self) -> None:
        self._done = anyio.Event()
        self._error: Exception | None = None

    def end(self, error: Exception | None) -> None:
        self._error = error
        self._done.set()

    async def joined(self) -> None:
        await self._done.wait()
        if self._error is not None:
            raise anew(self._error)
