"""What is under way: each task driven once at a time, why the others are not, and when a run has come to rest."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import TypeVar, TypeVarTuple

import anyio
from anyio.abc import TaskGroup

from ..costs import date_of
from ..errors import Doubt, KlingError, LabBusy, LabError
from ..plan import Money, apart
from ..states import Cause, EventKind, TaskState
from ..task import Event, Task
from .account import Accounts
from .book import Book
from .control import Control, Controls

_logger = logging.getLogger("kling_nb")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Drive = Callable[[str], Awaitable[None]]
"""Takes a task, given by its id, as far as it goes by itself."""
GoOn = Callable[[str], Awaitable[bool]]
"""Sees to what follows a task that was driven; answers whether it is to be driven again."""

NOT_OPEN = "its run is not open; lab.run(name).resume() continues it"
HIGHER = "start it again with a higher budget= to continue"
RAISE = "raise lab.daily_budget, then run.resume()"
ROOM = "the budget that held it back has room again; run.resume() goes on"
TOMORROW = "run.resume() continues tomorrow, or as soon as lab.daily_budget is raised"
LAST_ANSWER_S = 5.0  # how long an answer to a submit is waited for when another process drives by then
LAST_TURNS = 50  # of the loop, which take no time: enough to read an answer that is there
UNMOVED = (TaskState.STALLED, TaskState.EXPIRED, TaskState.CANCELLED)
"""States of a task that may still be looked at, and that nobody has to wait for."""


class Dispatcher:
    """Runs the work of one lab in one task group. Belongs to the engine's loop; `why_held`, `held`, `moving` and
    `is_driving` may be called from any thread.
    """

    def __init__(self, book: Book, controls: Controls, accounts: Accounts) -> None:
        self._book = book
        self._controls = controls
        self._accounts = accounts
        self.is_closing = False
        self._driving: set[str] = set()
        self._steering = anyio.Lock()
        self._begun = anyio.Event()
        self._listening: set[anyio.CancelScope] = set()
        book.listeners.append(self._heard)

    _group: TaskGroup
    _drive: Drive
    _go_on: GoOn

    # -- working -----------------------------------------------------------------------------------------------

    async def serve(self, drive: Drive, go_on: GoOn) -> None:
        """Hold the task group that everything runs in, until `end`."""
        self._drive, self._go_on = drive, go_on
        async with anyio.create_task_group() as self._group:
            self._begun.set()
            # Not `sleep_forever`: that is a timer, which virtual time would jump to.
            await anyio.Event().wait()

    async def begun(self) -> None:
        """Wait until there is a group to work in."""
        await self._begun.wait()

    async def end(self) -> None:
        """Submit nothing more, take in what has already arrived, and leave the rest as it is."""
        self.is_closing = True
        for _ in range(LAST_TURNS):
            await anyio.lowlevel.checkpoint()
        for scope in self._listening:
            scope.shield = False
        self._group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()

    def stop(self) -> None:
        """Leave everything as it is, since another process drives by now: only answers to submits are still heard."""
        self.is_closing = True
        for scope in self._listening:
            scope.shield, scope.deadline = True, asyncio.get_running_loop().time() + LAST_ANSWER_S
        self._group.cancel_scope.cancel()
        self.settle()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear the answer to what is sent within the block, even if the turn is lost: nothing else has the id in it."""
        with anyio.CancelScope() as scope:
            self._listening.add(scope)
            try:
                yield
            finally:
                self._listening.discard(scope)
        if scope.cancelled_caught:
            message = "another process took over before its answer came"
            raise Doubt(message)

    async def alone(self, work: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Do work that plans or steers, one piece at a time: two starts at once would not see each other's tasks."""
        async with self._steering:
            return await work(*args)

    def spawn(self, task_ids: Iterable[str]) -> None:
        """Drive tasks that are not driven yet."""
        for task_id in task_ids:
            if task_id not in self._driving:
                self._driving.add(task_id)
                self._group.start_soon(self._driven, task_id)

    def spawn_beside(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run work that belongs to no one task."""
        self._group.start_soon(self._beside, work)

    def is_driving(self, task_id: str) -> bool:
        """Tell whether a task is being driven."""
        return task_id in self._driving

    async def _driven(self, task_id: str) -> None:
        try:
            await self._drive_once(task_id)
            while await self._go_on(task_id):
                await self._drive_once(task_id)
        except LabBusy:
            pass  # another process drives by now, which whoever waits is told once
        except LabError as error:
            self._break(error, task_id)  # of the folder: whoever waits is told once, and a trace would tell no more
        except Exception as error:  # one task's failure must not end the others
            _logger.exception("driving task %s failed; the log keeps it as it was", task_id)
            self._break(error, task_id)
        finally:
            self._driving.discard(task_id)
            self.settle()

    async def _drive_once(self, task_id: str) -> None:
        try:
            await self._drive(task_id)
        except KlingError as error:
            await self._left(self._book.tasks[task_id], error)

    async def _left(self, task: Task, error: KlingError) -> None:
        """Leave one task that cannot be driven, such as one of a provider that is not known here, and say why."""
        if self._book.broken is not None:
            raise error
        _logger.warning("task %s cannot be driven: %s", task.id, error)
        control = self._controls.get(task.run)
        if task.state is TaskState.PLANNED and control is not None:
            control.held = str(error)
        await self._book.record(task.id, EventKind.STALLED, reason=str(error), cause=Cause.STALLED)

    async def _beside(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run work, and keep what it raises from ending the tasks."""
        try:
            await work()
        except LabBusy:
            pass  # as above
        except Exception as error:  # it would end every task of the lab
            if not isinstance(error, LabError):
                _logger.exception("the engine failed beside its tasks")
            self._break(error)
            self.settle()

    def _break(self, error: Exception, task_id: str = "") -> None:
        if self._book.broken is None:
            where = f" at task {task_id}" if task_id else ""
            message = f"the engine stopped{where}: {error}; nothing saved is lost; close the lab and open it again"
            self._book.broken = KlingError(message)
            self._book.broken.__cause__ = error

    # -- resting -----------------------------------------------------------------------------------------------

    def _heard(self, event: Event, task: Task) -> None:
        for control in self._controls.values():
            if task.run == control.row.name or task.id in control.task_ids:
                control.tell(event, task)
        if task.state in UNMOVED and task.ticket is not None:  # who ends what was never sent settles once for all of it
            self.settle()

    def settle(self) -> None:
        """Tell the runs in which nothing moves any more that they are at rest."""
        for control in self._controls.values():
            if not control.idle.is_set() and not self._is_moving(control):
                control.rest()

    def _is_moving(self, control: Control) -> bool:
        if self._book.broken is not None:
            return self.is_closing and bool(self._listening)
        return any(task_id in control.task_ids and self._moves(task_id, control) for task_id in self._driving)

    def _moves(self, task_id: str, control: Control) -> bool:
        task = self._book.tasks[task_id]
        if task.state in UNMOVED:
            return False
        if task.state is not TaskState.PLANNED:
            return True
        own = self._controls.get(task.run)
        may = control.submits() or (own is not None and own.submits(task.id))  # or is about to be passed on
        return may and not self._accounts.held(task.provider)

    def moving(self) -> set[str]:
        """Return the names of the runs that are not at rest, as far as they are in memory; from any thread."""
        return {name for name, control in self._controls.copy().items() if not control.idle.is_set()}

    # -- holding -----------------------------------------------------------------------------------------------

    def why_held(self, task: Task) -> str | None:
        """Return why a planned task is not submitted, in words; changes nothing."""
        control = self._controls.get(task.run)
        return self._accounts.held(task.provider) or (NOT_OPEN if control is None else control.hold(task.id))

    def held(self, tasks: Iterable[Task]) -> dict[str, list[str]]:
        """Return why planned tasks are not submitted, and the ids of those that each reason holds.

        Each is worked out once: a panel asks five times a second, of thousands of tasks.
        """
        alike: dict[tuple[str, str, bool], list[Task]] = {}
        for task in tasks:
            alike.setdefault((task.provider, task.run, self._is_asked(task)), []).append(task)
        held = defaultdict[str, list[str]](list)
        for some in alike.values():
            if why := self.why_held(some[0]):
                held[why] += [task.id for task in some]
        return held

    def _is_asked(self, task: Task) -> bool:
        control = self._controls.get(task.run)
        return control is not None and task.id in control.asked

    def hold_if_over_ceiling(self, task: Task) -> str | None:
        """Hold the run of a planned task that would pass a ceiling; return why the task may not be submitted now, if so."""
        control = self._controls.get(task.run)
        if self.is_closing:
            return "the lab is being closed"
        if control is None:
            return NOT_OPEN
        if task.id not in control.task_ids:
            return "its run no longer has the point it was for"
        if self._over(control, task.price, self._book.today()):
            control.held = partial(self._over_by_now, control, task.price)
        return control.hold(task.id)

    def _over_by_now(self, control: Control, price: Decimal) -> str:
        """Return what a ceiling that held a run says by now: others may have been charged less, or a day may be over."""
        return self._over(control, price, self._book.known_today()) or ROOM

    def _over(self, control: Control, price: Decimal, today: Money) -> str | None:
        return over(price, Money(control.row.budget, self._book.committed(control.row.name)), today, self._book.day)


def over(price: Decimal, of_run: Money, of_day: Money, day: int) -> str | None:
    """Return which ceiling something at a price would pass, its run's or that of a day, in words; `None` if it fits."""
    run_over, day_over = of_run.refusal(price), of_day.refusal(price)
    if run_over is not None:
        return f"the {run_over}; {HIGHER}"
    if of_day.budget is None or day_over is None:
        return None
    if price > of_day.budget:  # no tomorrow is better
        ceiling, asked = apart(of_day.budget, price)
        return f"the daily budget of {ceiling} is less than the {asked} of one clip; {RAISE}"
    return f"the daily {day_over} of what was submitted on {date_of(day)} (UTC); {TOMORROW}"
