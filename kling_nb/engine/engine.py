"""The engine of one lab folder: opened on what the log holds, asked from any thread, closed without cancelling."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from .. import media
from ..catalog import Catalog
from ..dialect import Dialect
from ..errors import InputError, LabBusy, LabError, anew
from ..log import ExperimentLog
from ..offer import Provider
from ..plan import Money
from ..secret import Secret
from ..space import writing
from ..states import EventKind, TaskState
from ..task import Task
from ..wire import Wire
from .account import Accounts
from .attempts import Attempts
from .book import Book
from .control import Control, Controls
from .decide import Decisions
from .dispatch import Dispatcher
from .drive import Driver
from .loop import Clock, Loop, VirtualClock
from .order import Order
from .pace import Pace
from .poll import Learnt
from .runs import Runs, wake
from .spelling import Spelling, kind
from .tools import Tools
from .turn import Turn
from .wanted import Simulation

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an engine is made of; the lab fills it. ``app`` makes the embedded simulator on the engine's thread, and
    returns it with what closes it.
    """

    folder: Path
    catalog: Catalog
    bound: Callable[[str], tuple[Provider, Dialect]]
    key: Callable[[Provider], Secret]
    clock: Clock
    lab_key: str  # goes into own ids: random, or fixed by the seed of a simulation
    app: Callable[[Clock], tuple[Any, Callable[[], None]]] | None = None


class Engine:
    """Drives one lab folder on one thread. Its public methods may be called from any other thread and return when
    what they ask for is on disk; the work itself goes on behind them.
    """

    def __init__(self, setup: Setup, log: ExperimentLog, turn: Turn) -> None:
        self._setup = setup
        self._log = log
        self._turn = turn
        self._clock = setup.clock
        self.book = Book(log, setup.clock)
        self.closed = False
        self._loop = Loop(setup.clock)
        try:
            self._begin()
        except BaseException:
            self._loop.close()
            raise

    def _begin(self) -> None:
        self._loop.call(self._furnish)
        self._loop.start(self._serve)
        self._loop.call(self._take_up)
        self._turn.on_lost = self._stop
        self._turn.refuse()

    def close(self) -> None:
        """Detach: stop driving, close the log and give the turn back; nothing is cancelled."""
        self.closed = True
        with ExitStack() as left:  # each is done, whatever the one before it raises; the last one first
            left.callback(self._turn.release)
            left.callback(self._log.close)
            left.callback(self._loop.close)
            self._loop.call(self._detach)

    @property
    def is_lost(self) -> bool:
        """Whether another process took over: this one writes and submits nothing more."""
        return self._turn.lost is not None

    @property
    def lost(self) -> LabBusy | None:
        """Who took over, in the words of an error; `None` as long as nobody did."""
        return self._turn.lost

    @property
    def is_stopped(self) -> bool:
        """Whether something failed that stopped it for good, such as a log that took nothing more."""
        return self.book.broken is not None

    def _stop(self, lost: LabBusy) -> None:
        """Stop for good, from any thread."""
        self.book.broken = lost
        self._loop.soon(self._dispatch.stop)

    # -- from any thread ---------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the engine's time, in Unix seconds."""
        return self._clock.now()

    def start(self, order: Order) -> Control:
        """Start or re-attach to a run."""
        return self._alone(self._runs.start, order)

    def money(self, name: str) -> Money:
        """Return the ceiling of a run, and what it spent or may still be charged; nothing for one that is not there."""
        return self._call(self._runs.money, name)

    def renew(self, catalog: Catalog, simulation: Simulation | None) -> None:
        """Spell what is submitted from now on by another catalogue, and play it at another speed."""
        self._call(self._renew, catalog, simulation)

    async def _renew(self, catalog: Catalog, simulation: Simulation | None) -> None:
        self._spelling.renew(catalog)
        if simulation is not None and isinstance(self._clock, VirtualClock):
            self._clock.pace = simulation.pace

    def today(self) -> Money:
        """Return the daily ceiling, and what is spent or may still be charged of what was submitted today (UTC)."""
        return self._call(self._runs.today)

    def set_daily_budget(self, amount: Decimal | None) -> None:
        """Change the ceiling in USD for all that is submitted in a day; `None` lifts it."""
        self._call(self._runs.set_daily_budget, amount)

    def control(self, name: str) -> Control:
        """Return a run that the log holds; raises `KeyError` for an unknown one."""
        return self._call(self._runs.find, name)

    def pause(self, name: str) -> None:
        """Submit nothing more of a run."""
        self._alone(self._runs.pause, name)

    def resume(self, name: str) -> None:
        """Go on with a run: submit what was not sent."""
        self._alone(self._runs.resume, name)

    def cancel(self, name: str) -> tuple[int, int]:
        """End a run; returns how many tasks were cancelled, and how many are already paid for and still fetched."""
        return self._alone(self._runs.cancel, name, self._driver.cancel)

    def retry(self, name: str, states: Iterable[TaskState]) -> int:
        """Buy again the points whose task is in one of the states; returns how many."""
        return self._alone(self._runs.retry, name, frozenset(states))

    def record(self, task_id: str, kind: EventKind, **data: Any) -> Task:
        """Note what a person decided about a task, and go on from there.

        Raises `InputError` for what no log can hold.
        """
        try:
            json.dumps(data, ensure_ascii=False).encode()
        except (TypeError, ValueError) as error:
            message = f"'{kind}' of {task_id} cannot be written: {error}; nothing was changed"
            raise InputError(message) from error
        return self._alone(self._decisions.record, task_id, kind, data)

    def look_again(self, task_id: str) -> None:
        """Drive a task again from where it stands."""
        self._going()
        self._call(self._decisions.look_again, task_id)

    def give_up(self, task_id: str) -> None:
        """Count a task in doubt as failed."""
        self._alone(self._decisions.give_up, task_id)

    def never_bought(self, task_id: str) -> None:
        """Count a task in doubt as failed, and as never charged."""
        self._alone(self._decisions.never_bought, task_id)

    def buy_again(self, task_id: str) -> None:
        """Give up a task in doubt and submit another attempt at its point."""
        self._alone(self._decisions.buy_again, task_id)

    def accepted_as(self, task_id: str, remote_id: str) -> None:
        """Follow a task in doubt, or one that counts as failed by mistake, under the id that a person names."""
        self._call(self._decisions.accepted_as, task_id, remote_id)

    def why_held(self, task: Task) -> str | None:
        """Return why a planned task is not submitted, in words; changes nothing."""
        return self._dispatch.why_held(task)

    def held(self, tasks: Iterable[Task]) -> Mapping[str, Sequence[str]]:
        """Return why planned tasks are not submitted, in words, and the ids of those that each reason holds."""
        return self._dispatch.held(tasks)

    def is_seeking(self, task_id: str) -> bool:
        """Tell whether a task, which is in doubt, is being looked up by our own id."""
        account = self._accounts.get(self.book.tasks[task_id].provider) if self._dispatch.is_driving(task_id) else None
        return account is not None and account.dialect.finds

    def moving(self) -> set[str]:
        """Return the names of the runs in which something is under way, though the log may not say so."""
        return set() if self.closed else self._dispatch.moving()

    def _alone(self, work: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        self._going()
        return self._call(self._dispatch.alone, work, *args)

    def _going(self) -> None:
        """Raise what stopped it, if so: what is steered then would look as if it had been done."""
        self.check()
        if self.book.broken is not None:
            raise anew(self.book.broken)

    def _call(self, work: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        self.check()
        try:
            return self._loop.call(work, *args)
        except (RuntimeError, CancelledError):
            self.check()  # closed by another thread meanwhile, or stopped
            raise

    def check(self) -> None:
        """Raise `LabError` if it was closed, `LabBusy` if another process took over."""
        if self.closed:
            raise was_closed(self._setup.folder)
        self._turn.refuse()

    # -- opening and closing, on the engine's thread -----------------------------------------------------------

    async def _furnish(self) -> None:
        """Make what the engine works with."""
        setup, log, book = self._setup, self._log, self.book
        with writing(setup.folder / "simulator.sqlite"):
            app, self._close_app = setup.app(self._clock) if setup.app else (None, lambda: None)
        self._wire = Wire(app=app, read_image=lambda ref: media.image_bytes(ref, setup.folder / "inputs"))
        self._accounts = Accounts(setup.bound, self._wire, self._clock, setup.key, setup.lab_key)
        self._learnt = Learnt()
        controls = Controls(log, book)
        self._dispatch = Dispatcher(book, controls, self._accounts)
        tools = self._tools()
        self._driver = Driver(tools)
        self.pace = Pace(self._clock, self._learnt, self._accounts.slots, tools.kind, tools.typical_s)
        self._attempts = Attempts(setup.lab_key, self._clock, log, book, controls)
        self._runs = Runs(
            self._clock, log, book, controls, self._accounts, self._attempts, self._dispatch, folder=setup.folder
        )
        self._decisions = Decisions(log, book, controls, self._accounts, self._attempts, self._dispatch)

    def _tools(self) -> Tools:
        self._spelling = spelling = Spelling(self._setup.catalog, lambda name: self._accounts[name].dialect)
        return Tools(
            book=self.book,
            clock=self._clock,
            wire=self._wire,
            folder=self._setup.folder,
            account=self._accounts.__getitem__,
            encode=spelling.call,
            kind=lambda task: kind(task.provider, task.model, task.request),
            typical_s=spelling.typical_s,
            learnt=self._learnt,
            hold_if_over_ceiling=self._dispatch.hold_if_over_ceiling,
            spawn=self._dispatch.spawn_beside,
            listening=self._dispatch.listening,
            turn=self._turn,
        )

    async def _serve(self) -> None:
        """Work until it is closed; or until the turn is lost, which is given back when nothing of it moves any more."""
        await self._dispatch.serve(self._driver.drive, self._runs.go_on)
        if self._turn.lost is not None:
            await self._detach()
            self._turn.release()

    async def _take_up(self) -> None:
        """Follow and fetch what was already submitted, and learn from what has finished."""
        for provider, model, request, seconds in self._log.durations():
            self._learnt.saw(kind(provider, model, request), seconds)
        await self._dispatch.begun()
        self.book.take(self._log.open_tasks())
        await self._driver.doubt([task for task in self.book.tasks.values() if task.state is TaskState.SUBMITTING])
        await self._attempts.take_up_lost()
        await wake(self.book, tuple(self.book.tasks.values()))
        for task in self.book.tasks.values():
            if task.state is TaskState.UNCERTAIN:
                self._driver.finds(task)  # makes its account, which `is_seeking` asks before the task is driven
        self._dispatch.spawn(task.id for task in self.book.tasks.values() if task.state.is_sent)

    async def _detach(self) -> None:
        close, self._close_app = self._close_app, lambda: None
        async with AsyncExitStack() as left:
            left.callback(close)
            left.push_async_callback(self._wire.aclose)
            await self._dispatch.end()


def was_closed(folder: Path) -> LabError:
    """Return the error of whoever wants to drive a lab that was closed."""
    return LabError(
        f"this lab on {folder} was closed; kn.Lab({str(folder)!r}, …) opens it again, where lab.run(name) has its runs"
    )
