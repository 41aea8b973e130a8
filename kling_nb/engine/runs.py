"""Runs from start to end: begun, paused, resumed, cancelled, retried."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

from ..log import ExperimentLog
from ..plan import Money
from ..states import Cause, EventKind, TaskState
from ..task import Task
from .account import Accounts
from .attempts import Attempts, goes_on, is_left
from .book import Book
from .control import Control, Controls
from .dispatch import Dispatcher
from .fetch import GONE, is_gone
from .heirs import Heirs
from .loop import Clock
from .order import Order, serves_again

LEFT = (
    "run %r has other points now: %s bought before left its table; lab.compare(lab.log.tasks()) still shows every clip, "
    "starting the earlier sweep again brings it back for free, and another name= keeps both"
)

AGAIN = (
    "run %r was bought again: %s bought before left its table; lab.compare(lab.log.tasks()) still shows every clip, "
    "and %s"
)
KEEPS = "another name= with fresh=True, or more samples by repeats=, keeps both"
KEEPS_SINGLES = "another sample= keeps both"

AT_REST = (TaskState.STALLED, TaskState.EXPIRED)
"""States in which nothing is done about a task but to look now and then."""

_logger = logging.getLogger("kling_nb")


class Runs:
    """Steers the runs of a lab. Belongs to the engine's loop.

    What plans or steers is called through `Dispatcher.alone`, one at a time; only `go_on` sees to that itself.
    """

    def __init__(
        self,
        clock: Clock,
        log: ExperimentLog,
        book: Book,
        controls: Controls,
        accounts: Accounts,
        attempts: Attempts,
        dispatch: Dispatcher,
        *,
        folder: Path,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._log = log
        self._book = book
        self._controls = controls
        self._accounts = accounts
        self._attempts = attempts
        self._dispatch = dispatch
        self._heirs = Heirs(log, book, controls, dispatch)

    # -- beginning ---------------------------------------------------------------------------------------------

    async def start(self, order: Order) -> Control:
        """Start or re-attach to a run, and submit what it needs."""
        known = self._attempts.known(order)
        self._accounts.release(self._left_of(order, known))  # may raise: before anything is written
        points = await self._attempts.serve(order, known)
        old = self._controls.find(order.name)
        before = list(old.task_ids) if old is not None else []
        control = self._controls.begin(order, points, self._clock.now())
        left = [task_id for task_id in before if task_id not in control.task_ids]
        await self._drop(left, order.name)
        self._tell_of(left, order)
        await self._go_on(control, [point.task for point in points] if order.append else control.task_ids)
        return control

    def _tell_of(self, left: Iterable[str], order: Order) -> None:
        """Say what was bought for points that a run has no more, or that it bought again: its table does not show it."""
        asked = {planned.identity for planned in order.points}
        tasks = [self._book.tasks[task_id] for task_id in left]
        bought = [task for task in tasks if task.state is TaskState.SAVED or task.state.is_sent]
        gone = sum(task.identity not in asked for task in bought)
        if gone:
            _logger.warning(LEFT, order.name, _clips(gone))
        if order.fresh and len(bought) > gone:
            _logger.warning(AGAIN, order.name, _clips(len(bought) - gone), KEEPS_SINGLES if order.append else KEEPS)

    async def find(self, name: str) -> Control:
        """Return a run that the log holds; raises `KeyError` for an unknown one."""
        control = self._controls.find(name)
        if control is None:
            raise KeyError(name)
        self._dispatch.settle()
        return control

    async def money(self, name: str) -> Money:
        """Return the ceiling of a run, and what it spent or may still be charged; nothing for one that is not there."""
        control = self._controls.find(name)
        self._dispatch.settle()
        return Money() if control is None else Money(control.row.budget, self._book.committed(name))

    async def today(self) -> Money:
        """Return the daily ceiling, and what is spent or may still be charged of what was submitted today."""
        return self._book.today()

    async def set_daily_budget(self, amount: Decimal | None) -> None:
        """Change the daily ceiling; what it held goes on when its run is resumed."""
        self._book.set_daily_budget(amount)

    # -- steering ----------------------------------------------------------------------------------------------

    async def pause(self, name: str) -> None:
        """Submit nothing more of a run."""
        await self._set_state(await self.find(name), "paused")

    async def resume(self, name: str) -> None:
        """Go on with a run; saved clips whose files are gone are fetched again."""
        control = await self.find(name)
        self._release(control, [])
        await self._go_on(control, control.task_ids)

    def _release(self, control: Control, chosen: Iterable[Task]) -> None:
        """Submit again where a run has something left, or is to buy again what was chosen.

        It may raise for a bad address, so that it comes before any change; of a place that is done with none is needed.
        """
        tasks = [self._book.tasks[task_id] for task_id in control.task_ids]
        self._accounts.release({task.provider for task in (*filter(self._has_left, tasks), *chosen)})

    def _left_of(self, order: Order, known: Mapping[str, Task]) -> set[str]:
        """Return the providers where an order has something left, by the tasks that are known by identity."""
        served = [(point, known.get(point.identity)) for point in order.points]
        done = (task is not None and serves_again(task, point) and not self._has_left(task) for point, task in served)
        return {point.provider for point, is_done in zip(order.points, done, strict=True) if not is_done}

    def _has_left(self, task: Task) -> bool:
        """Tell whether something of a task is left, a clip whose file is gone included: it is fetched again."""
        return is_left(task) or is_gone(task, self._folder)

    async def _go_on(self, control: Control, of_run: Iterable[str]) -> None:
        """Go on with some of a run's tasks, where nothing is in the way."""
        name, chosen = control.row.name, list(dict.fromkeys(of_run))
        control.resumed, control.held = True, None
        await self._set_state(control, "running")
        await self._heirs.adopt(control, chosen)
        await self._miss(name, chosen)
        await wake(self._book, (self._book.tasks[task_id] for task_id in chosen))
        control.wake()
        self._dispatch.spawn(task_id for task_id in chosen if self._needs_driving(task_id))
        self._heirs.wake(control)
        self._dispatch.settle()

    async def cancel(self, name: str, ask: Callable[[str], Awaitable[object]]) -> tuple[int, int]:
        """End a run; returns how many tasks were cancelled, and how many are already paid for and still fetched.

        ``ask`` asks the provider of a task to cancel it.
        """
        control = await self.find(name)
        await self._set_state(control, "cancelled")
        elsewhere = self._log.wanted_elsewhere(name)
        own = [task_id for task_id in control.task_ids if task_id not in elsewhere]
        sent = [task_id for task_id in own if self._book.tasks[task_id].state.is_sent]
        await self._book.record_all(EventKind.UNWANTED, {task_id: {} for task_id in sent})
        # Looked at after that: what was on its way and came back meanwhile is planned again, and ends here too.
        planned = [task_id for task_id in own if self._book.tasks[task_id].state is TaskState.PLANNED]
        await self._end(planned, "cancelled before it was sent")
        paid = [task_id for task_id in sent if self._book.tasks[task_id].state is not TaskState.CANCELLED]
        for task_id in paid:
            self._dispatch.spawn_beside(partial(ask, task_id))
        self._dispatch.settle()
        return sum(self._book.tasks[task_id].state is TaskState.CANCELLED for task_id in own), len(paid)

    async def retry(self, name: str, states: frozenset[TaskState]) -> int:
        """Buy again the points whose task is in one of the states; returns how many."""
        control = await self.find(name)
        chosen = [task for task_id in control.task_ids if (task := self._book.tasks[task_id]).state in states]
        self._release(control, chosen)
        if chosen:
            await self._attempts.others(chosen)
        await self._go_on(control, control.task_ids)
        return len(chosen)

    async def _set_state(self, control: Control, state: str) -> None:
        self._controls.set_state(control, state)
        if state != "running":
            await self._heirs.passed_on(control.task_ids, control.row.name)
        self._dispatch.settle()

    async def _miss(self, name: str, task_ids: Iterable[str]) -> None:
        """Note which saved clips are not in the folder any more."""
        gone = [task_id for task_id in task_ids if is_gone(self._book.tasks[task_id], self._folder)]
        if gone:
            _logger.warning("run %r: %d gone from clips/; fetched again, which costs nothing", name, len(gone))
            await self._book.record_all(EventKind.GONE, dict.fromkeys(gone, GONE))

    def _needs_driving(self, task_id: str) -> bool:
        state = self._book.tasks[task_id].state
        return state is TaskState.PLANNED or state.is_sent

    async def _drop(self, task_ids: Collection[str], name: str) -> None:
        """Cancel what a run planned for points that it no longer has, where no other run has it."""
        unwanted = await self._heirs.leave(task_ids, name)
        await self._end(unwanted, "its point was removed from the run before it was sent")

    async def _end(self, task_ids: Iterable[str], reason: str) -> None:
        told = {"reason": reason, "cause": Cause.CANCELLED}
        await self._book.record_all(EventKind.CANCELLED, dict.fromkeys(task_ids, told))

    # -- after driving -----------------------------------------------------------------------------------------

    async def go_on(self, task_id: str) -> bool:
        """See to what follows a task that was driven; answers whether it is to be driven again."""
        task = self._book.tasks[task_id]
        if goes_on(task):
            await self._dispatch.alone(self._after_lost, task_id)
        return task.state is TaskState.PLANNED and await self._dispatch.alone(self._again, task_id)

    async def _after_lost(self, task_id: str) -> None:
        """Submit another attempt at the point of a task that never arrived."""
        another = await self._attempts.after_lost(task_id)
        if another is not None:
            self._dispatch.spawn([another])

    async def _again(self, task_id: str) -> bool:
        """Tell whether what was held back goes on: its run was resumed meanwhile, or another run takes it over."""
        task = self._book.tasks[task_id]
        control = self._controls.get(task.run)
        if self._dispatch.is_closing or control is None or task.state is not TaskState.PLANNED:
            return False
        if task_id in control.task_ids and control.submits(task_id):
            return self._accounts.held(task.provider) is None
        if await self._heirs.passed_on([task_id], task.run):
            return True
        if task_id not in control.task_ids:
            await self._drop([task_id], task.run)
        return False


def _clips(number: int) -> str:
    return f"{number} clip{'s' * (number != 1)}"


async def wake(book: Book, tasks: Iterable[Task]) -> None:
    """Have tasks that stalled or expired asked about or fetched once more, and so waited for until they end again.

    Whoever drives looks every ten minutes; a command that is run again has ended long before that, every time.
    """
    still = [task for task in tasks if task.state in AT_REST]
    unasked = [task.id for task in still if task.state is TaskState.STALLED and task.ticket and task.asset is None]
    await book.record_all(EventKind.REFETCH, {task.id: {"reason": ""} for task in still if task.asset is not None})
    await book.record_all(EventKind.RECHECK, {task_id: {"reason": ""} for task_id in unasked})
