"""The engine of one lab folder: starts, pauses and ends runs, and re-attaches to what the log holds."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
from anyio.abc import TaskGroup

from .. import media
from ..catalog import Catalog
from ..dialect import Call, Dialect
from ..errors import InputError, KlingError
from ..log import ExperimentLog, PointRow, RunRow
from ..offer import Provider
from ..plan import PlannedPoint, dollars
from ..request import VideoRequest, digest
from ..task import Event, Task, TaskState, Ticket
from ..wire import Wire
from .account import Account
from .book import Book
from .control import Control, missing
from .drive import Driver, Tools
from .loop import Clock, Loop
from .order import Money, Order, appended, point_row, serves_again
from .poll import Learnt

_log = logging.getLogger("kling_nb")

T = TypeVar("T")

NOT_OPEN = "its run is not open: lab.run(name).resume() goes on"
UNMOVED = (TaskState.STALLED, TaskState.EXPIRED, TaskState.CANCELLED)
"""States in which a task may still be looked at, without anybody having to wait for that."""
LOST_MOST = 3  # attempts of one point that never arrived, before it is left to a person


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What an engine is made of; the lab fills it. ``app`` makes the embedded simulator on the engine's thread, and
    returns it with what closes it.
    """

    folder: Path
    catalog: Catalog
    bound: Callable[[str], tuple[Provider, Dialect]]
    key: Callable[[Provider], str]
    clock: Clock
    lab_key: str  # goes into own ids: random, or fixed by the seed of a simulation
    app: Callable[[Clock], tuple[Any, Callable[[], None]]] | None = None


class Engine:
    """Drives one lab folder on one thread. Its public methods may be called from any other thread and return when
    what they ask for is on disk; the work itself goes on behind them.
    """

    def __init__(self, setup: Setup, log: ExperimentLog) -> None:
        self._setup = setup
        self._log = log
        self._clock = setup.clock
        self.book = Book(log, setup.clock)
        self.controls: dict[str, Control] = {}
        self._accounts: dict[str, Account] = {}
        self._driving: set[str] = set()
        self._begun = anyio.Event()
        self._turn = anyio.Lock()
        self.closed = False
        self._loop = Loop(setup.clock)
        self._loop.start(self._serve)
        self._loop.call(self._open)

    def close(self) -> None:
        """Detach: stop driving and close the log; nothing is cancelled."""
        self.closed = True
        self._loop.call(self._detach)
        self._loop.close()
        self._log.close()

    # -- from any thread ---------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the engine's time, in Unix seconds."""
        return self._clock.now()

    def start(self, order: Order) -> Control:
        """Start or re-attach to a run."""
        control: Control = self._loop.call(self._alone, self._start, order)
        return control

    def money(self, name: str) -> Money:
        """Return the ceiling of a run, and what it spent or may still be charged; nothing for one that is not there."""
        return self._loop.call(self._money, name)

    def control(self, name: str) -> Control:
        """Return a run that the log holds; raises `KeyError` for an unknown one."""
        return self._loop.call(self._control, name)

    def pause(self, name: str) -> None:
        """Submit nothing more of a run."""
        self._loop.call(self._alone, self._set_state, name, "paused")

    def resume(self, name: str) -> None:
        """Go on with a run: submit what was not sent."""
        self._loop.call(self._alone, self._resume, name)

    def cancel(self, name: str) -> tuple[int, int]:
        """End a run; returns how many tasks were cancelled, and how many are already paid for and still fetched."""
        done: tuple[int, int] = self._loop.call(self._alone, self._cancel, name)
        return done

    def retry(self, name: str, states: Iterable[TaskState]) -> int:
        """Buy again the points whose task is in one of the states; returns how many."""
        count: int = self._loop.call(self._alone, self._retry, name, frozenset(states))
        return count

    def record(self, task_id: str, kind: str, **data: Any) -> Task:
        """Note what a person decided about a task, and go on from there."""
        task: Task = self._loop.call(self._alone, self._decide, task_id, kind, data)
        return task

    def look_again(self, task_id: str) -> None:
        """Drive a task again from where it stands."""
        self._loop.call(self._again, task_id)

    def buy_again(self, task_id: str) -> None:
        """Plan another attempt at a task's point, and submit it if its run goes on."""
        self._loop.call(self._alone, self._buy_again, task_id)

    def ticket(self, task: Task, remote_id: str) -> Ticket:
        """Return the ticket of a task that a person names by the provider's id."""
        return self._setup.bound(task.provider)[1].ticket(remote_id, task.call)

    # -- opening and closing -----------------------------------------------------------------------------------

    async def _open(self) -> None:
        setup = self._setup
        inputs = setup.folder / "inputs"
        app, self._close_app = setup.app(self._clock) if setup.app else (None, lambda: None)
        self._wire = Wire(app=app, read_image=lambda ref: media.image_bytes(ref, inputs))
        self._learnt = Learnt()
        for provider, model, request, seconds in self._log.durations():
            self._learnt.saw(_kind(provider, model, request), seconds)
        self._driver = Driver(self._tools())
        self.book.listeners.append(self._heard)
        await self._begun.wait()
        self.book.take(self._log.open_tasks())
        self._spawn_all(task.id for task in self.book.tasks.values() if task.state.is_sent)

    def _tools(self) -> Tools:
        return Tools(
            book=self.book,
            clock=self._clock,
            wire=self._wire,
            folder=self._setup.folder,
            account=self._account,
            encode=self._encode,
            kind=lambda task: _kind(task.provider, task.model, task.request),
            typical_s=self._typical_s,
            learnt=self._learnt,
            hold_of=self._hold_of,
            spawn=self._start_soon,
        )

    def _start_soon(self, work: Callable[[], Any]) -> None:
        self._group.start_soon(self._beside, work)

    def _typical_s(self, task: Task) -> float:
        return self._setup.catalog.typical_s(VideoRequest.from_fields(task.request), task.provider)

    async def _serve(self) -> None:
        """Hold the task group that everything runs in, until `_detach`."""
        async with anyio.create_task_group() as self._group:
            self._begun.set()
            # Not `sleep_forever`: that is a timer, which virtual time would jump to.
            await anyio.Event().wait()

    async def _detach(self) -> None:
        self._group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()
        await self._wire.aclose()
        self._close_app()

    _group: TaskGroup
    _wire: Wire

    # -- driving -----------------------------------------------------------------------------------------------

    def _spawn_all(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            if task_id not in self._driving:
                self._driving.add(task_id)
                self._group.start_soon(self._drive, task_id)

    async def _drive(self, task_id: str) -> None:
        try:
            await self._driven(task_id)
        except Exception as error:  # noqa: BLE001 - one task's failure must not end the others
            _log.exception("driving task %s failed; it stands in the log as it was", task_id)
            self.book.broken = self.book.broken or _broken(task_id, error)
        finally:
            self._driving.discard(task_id)
            self._settle()

    async def _driven(self, task_id: str) -> None:
        try:
            await self._driver.drive(task_id)
        except KlingError as error:
            await self._left(self.book.tasks[task_id], error)
        if goes_on(self.book.tasks[task_id]):
            await self._alone(self._go_on, task_id)

    async def _alone(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Do what plans or steers while nobody else does: two starts at once would not see each other's tasks."""
        async with self._turn:
            return await work(*args)

    async def _go_on(self, task_id: str) -> None:
        """Plan another attempt for what never arrived, if it still serves a point: another may have replaced it."""
        if self._log.serves(task_id):
            self._spawn_all([await self._another(self.book.tasks[task_id])])

    async def _left(self, task: Task, error: KlingError) -> None:
        """Leave one task that cannot be driven, such as one of a provider that is not known here, and say why."""
        if self.book.broken is not None:
            raise error
        _log.warning("task %s cannot be driven: %s", task.id, error)
        control = self.controls.get(task.run)
        if task.state is TaskState.PLANNED and control is not None:
            control.held = str(error)
        await self.book.record(task.id, "stalled", reason=str(error), cause="stalled")

    async def _beside(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run work that belongs to no one task; what it raises must not take the others along."""
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - it would end every task of the lab
            _log.exception("the engine failed beside its tasks")
            self.book.broken = self.book.broken or _broken("", error)
            self._settle()

    def _heard(self, event: Event, task: Task) -> None:
        for control in self.controls.values():
            if task.run == control.row.name or task.id in control.task_ids:
                control.tell(event, task)
        if task.state in UNMOVED:
            self._settle()

    def _settle(self) -> None:
        for control in self.controls.values():
            if not control.idle.is_set() and not self._is_moving(control):
                control.rest()

    def _is_moving(self, control: Control) -> bool:
        if self.book.broken is not None:
            return False
        return any(task_id in control.task_ids and self._moves(task_id) for task_id in self._driving)

    def _moves(self, task_id: str) -> bool:
        task = self.book.tasks[task_id]
        if task.state in UNMOVED:
            return False
        return task.state is not TaskState.PLANNED or self.why_held(task) is None

    def why_held(self, task: Task) -> str | None:
        """Return why a planned task is not submitted, in words; from any thread, and changing nothing."""
        account, control = self._accounts.get(task.provider), self.controls.get(task.run)
        if account is not None and account.held:
            return account.held
        return NOT_OPEN if control is None else control.hold()

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            provider, dialect = self._setup.bound(name)
            self._accounts[name] = Account(provider, dialect, self._wire, self._clock, self._setup.key)
        return self._accounts[name]

    def _encode(self, task: Task) -> Call:
        _, dialect = self._setup.bound(task.provider)
        request = VideoRequest.from_fields(task.request)
        return dialect.encode(request, self._setup.catalog.offer(request, task.provider), task.id).call

    def _hold_of(self, task: Task) -> str | None:
        """Return why a planned task may not be submitted now; a budget that it would pass holds its run from then on."""
        control = self.controls.get(task.run)
        if control is None:
            return NOT_OPEN
        if task.id not in control.task_ids:
            return "it serves no point of its run any more"
        budget = control.row.budget
        if budget is not None and self.book.committed(task.run) + task.price > budget:
            counted = dollars(self.book.committed(task.run))
            control.held = f"the budget of {dollars(budget)} is used up: {counted} is spent or may still be charged"
        return control.hold()

    # -- runs --------------------------------------------------------------------------------------------------

    async def _start(self, order: Order) -> Control:
        known = {} if order.fresh else self._known(order)
        new: list[Task] = []
        served: dict[int, str] = {}
        self._see_attempts(point.identity for point in order.points)
        for point in sorted(order.points, key=lambda point: point.shares is not None):
            served[point.point.index] = self._serve_point(point, order, known, new, served)
        self.book.take(task for task in known.values() if task.id not in self.book.tasks)
        await self.book.plan(new)
        for point in order.points:
            await self._refuse(point, served[point.point.index])
        return await self._begin_run(order, [point_row(order, p, served[p.point.index]) for p in order.points])

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
        task = self._new_task(point, order.name, self.book.attempts(point.identity) + 1)
        known[point.identity] = task
        new.append(task)
        return task.id

    def _known(self, order: Order) -> dict[str, Task]:
        known = self._log.known((point.identity for point in order.points), shared=order.share)
        return {name: self.book.tasks.get(task.id, task) for name, task in known.items()}

    def _see_attempts(self, identities: Iterable[str]) -> None:
        """Count the attempts at identities that are only in the log: a number, and its own id, is used once."""
        latest = self._log.latest(identities).values()
        self.book.take(task for task in latest if task.id not in self.book.tasks)

    def _new_task(self, point: PlannedPoint, run: str, attempt: int) -> Task:
        return Task(
            id=self._own_id(point.identity, attempt),
            identity=point.identity,
            provider=point.provider,
            model=point.request.model,
            run=run,
            attempt=attempt,
            request=point.request.canonical(),
            call=point.call,
            estimate_low=point.estimate.low,
            estimate_high=point.estimate.high,
            planned_at=self._clock.now(),
        )

    def _own_id(self, identity: str, attempt: int) -> str:
        return "kn-" + digest([self._setup.lab_key, identity, attempt])[:24]

    async def _refuse(self, point: PlannedPoint, task_id: str) -> None:
        if point.refusals and self.book.tasks[task_id].state is TaskState.PLANNED:
            reason = "; ".join(str(problem) for problem in point.refusals)
            await self.book.record(task_id, "refused", reason=reason, cause="refused")

    async def _begin_run(self, order: Order, points: list[PointRow]) -> Control:
        old = self.controls.get(order.name) or self._stored(order.name)
        before = list(old.task_ids) if old is not None else []
        asked = {point.task for point in points}
        if order.append and old is not None:
            points = appended(old.points, points)
        row = RunRow(
            name=order.name,
            started_at=old.row.started_at if old else self._clock.now(),
            budget=order.budget if order.budget is not None or old is None else old.row.budget,
            sweep=order.sweep,
        )
        self._log.add_run(row, points)
        control = old or Control(row, tuple(points))
        control.row, control.one_by_one = row, order.append
        control.show(points)
        self.controls[order.name] = control
        self._load(control)
        await self._drop([task_id for task_id in before if task_id not in control.task_ids], order.name)
        await self._resume(order.name, asked if order.append else None)
        return control

    async def _drop(self, task_ids: Iterable[str], name: str) -> None:
        """Cancel what a run planned for points that it no longer has, unless another run wants it."""
        for task_id in task_ids:
            if self._is_unsent(task_id, name) and not await self._passed_on(task_id, name):
                reason = "its point was taken out of the run before it was sent"
                await self.book.record(task_id, "cancelled", reason=reason, cause="cancelled")

    def _is_unsent(self, task_id: str, name: str) -> bool:
        task = self.book.tasks.get(task_id)
        return task is not None and task.state is TaskState.PLANNED and task.run == name

    async def _passed_on(self, task_id: str, name: str) -> bool:
        """Let another run that goes on take over what was never sent; answers whether there is one."""
        for control in tuple(self.controls.values()):
            if control.row.name != name and task_id in control.task_ids and control.hold() is None:
                await self.book.record(task_id, "adopted", run=control.row.name)
                self._spawn_all([task_id])
                return True
        return False

    def _stored(self, name: str) -> Control | None:
        rows = [row for row in self._log.read_runs() if row.name == name]
        return Control(rows[0], tuple(self._log.read_points(name))) if rows else None

    async def _money(self, name: str) -> Money:
        try:
            control = await self._control(name)
        except KeyError:
            return Money()
        return Money(control.row.budget, self.book.committed(name))

    async def _control(self, name: str) -> Control:
        if name not in self.controls:
            control = self._stored(name)
            if control is None:
                raise KeyError(name)
            self.controls[name] = control
            self._load(control)
            self._settle()
        return self.controls[name]

    def _load(self, control: Control) -> None:
        """Take in what a run's points need, and all that its money went to: earlier attempts count too."""
        gone = self._log.tasks_by_id(missing(control, self.book.tasks))
        own = self._log.tasks_of(control.row.name)
        self.book.take(task for task in [*gone, *own] if task.id not in self.book.tasks)

    async def _set_state(self, name: str, state: str) -> None:
        control = await self._control(name)
        control.set(state=state)
        self._log.set_run(name, state=state)
        if state != "running":
            for task_id in control.task_ids:
                if self._is_unsent(task_id, name):
                    await self._passed_on(task_id, name)
        self._settle()

    async def _resume(self, name: str, only: Collection[str] | None = None) -> None:
        """Go on with a run, or with some of its tasks only."""
        control = await self._control(name)
        control.resumed, control.held = True, None
        await self._set_state(name, "running")
        chosen = [task_id for task_id in control.task_ids if only is None or task_id in only]
        for provider in {self.book.tasks[task_id].provider for task_id in chosen}:
            self._account(provider).release()
        await self._adopt(control, chosen)
        control.wake()
        self._spawn_all(task_id for task_id in chosen if self._needs_driving(task_id))
        self._wake_others(control)
        self._settle()

    def _wake_others(self, released: Control) -> None:
        """Go on with other runs too whose account was held: nothing holds their points any more."""
        for control in self.controls.values():
            if control is released or control.one_by_one or control.hold() is not None:
                continue
            planned = [task_id for task_id in control.task_ids if self._is_unsent(task_id, control.row.name)]
            idle = [task_id for task_id in planned if task_id not in self._driving]
            if idle:
                control.wake()
                self._spawn_all(idle)

    async def _adopt(self, control: Control, task_ids: Iterable[str]) -> None:
        """Take over what another run planned and never sent, and want again what was cancelled too late."""
        for task_id in task_ids:
            task = self.book.tasks[task_id]
            if task.unwanted and not task.state.is_final:
                task = await self.book.record(task_id, "wanted")
            if task.state is TaskState.PLANNED and task.run != control.row.name:
                await self.book.record(task_id, "adopted", run=control.row.name)

    def _needs_driving(self, task_id: str) -> bool:
        state = self.book.tasks[task_id].state
        return state is TaskState.PLANNED or state.is_sent

    async def _cancel(self, name: str) -> tuple[int, int]:
        control = await self._control(name)
        await self._set_state(name, "cancelled")
        elsewhere = self._log.wanted_elsewhere(name)
        own = [task_id for task_id in control.task_ids if task_id not in elsewhere]
        for task_id in own:
            if self.book.tasks[task_id].state is TaskState.PLANNED:
                await self.book.record(task_id, "cancelled", reason="cancelled before it was sent", cause="cancelled")
        sent = [task_id for task_id in own if self.book.tasks[task_id].state.is_sent]
        for task_id in sent:
            await self.book.record(task_id, "unwanted")
            self._start_soon(partial(self._driver.cancel, task_id))
        self._settle()
        cancelled = sum(self.book.tasks[task_id].state is TaskState.CANCELLED for task_id in own)
        return cancelled, len(sent)

    async def _retry(self, name: str, states: frozenset[TaskState]) -> int:
        control = await self._control(name)
        chosen = [task_id for task_id in control.task_ids if self.book.tasks[task_id].state in states]
        for task_id in chosen:
            if task_id in control.task_ids:
                await self._another(self.book.tasks[task_id])
        await self._resume(name)
        return len(chosen)

    async def _another(self, task: Task) -> str:
        """Plan another attempt at a task's point, and let every point that it served be served by it."""
        self._see_attempts([task.identity])
        attempt = self.book.attempts(task.identity) + 1
        new = Task(
            id=self._own_id(task.identity, attempt),
            identity=task.identity,
            provider=task.provider,
            model=task.model,
            run=task.run,
            attempt=attempt,
            request=task.request,
            call=task.call,
            estimate_low=task.estimate_low,
            estimate_high=task.estimate_high,
            planned_at=self._clock.now(),
        )
        await self.book.plan([new])
        self._log.point_to(task.id, new.id)
        for control in self.controls.values():
            control.serve(task.id, new.id)
        return new.id

    # -- what a person decides ---------------------------------------------------------------------------------

    async def _decide(self, task_id: str, kind: str, data: Mapping[str, Any]) -> Task:
        self._load_task(task_id)
        if kind in ("accepted", "failed"):
            self._still_uncertain(task_id)
        task = await self.book.record(task_id, kind, **data)
        if kind == "accepted":
            await self._again(task_id)
        self._settle()
        return task

    async def _again(self, task_id: str) -> None:
        self._load_task(task_id)
        for control in self.controls.values():
            if task_id in control.task_ids:
                control.wake()
        self._spawn_all([task_id])

    async def _buy_again(self, task_id: str) -> None:
        self._load_task(task_id)
        await self._again(await self._another(self.book.tasks[task_id]))
        self._settle()

    def _load_task(self, task_id: str) -> None:
        if task_id not in self.book.tasks:
            self.book.take(self._log.tasks_by_id([task_id]))
        if task_id not in self.book.tasks:
            message = f"there is no task {task_id!r} in this lab; the column task of lab.df() has their ids"
            raise InputError(message)

    def _still_uncertain(self, task_id: str) -> None:
        task = self.book.tasks[task_id]
        if task.state is not TaskState.UNCERTAIN:
            message = f"task {task_id} is no longer uncertain, it is {task.state}; nothing was changed"
            raise InputError(message)


def goes_on(task: Task) -> bool:
    """Tell whether a failed attempt is followed by another by itself: it certainly never arrived."""
    return task.state is TaskState.FAILED and task.cause == "lost" and task.attempt < LOST_MOST


def _broken(task_id: str, error: Exception) -> KlingError:
    where = f" at task {task_id}" if task_id else ""
    broken = KlingError(f"the engine stopped{where}: {error}; nothing saved is lost; close the lab and open it again")
    broken.__cause__ = error
    return broken


def _kind(provider: str, model: str, request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tasks that take about as long have in common."""
    facets = (request.get(name) for name in ("mode", "duration", "sound"))
    return (provider, model, *(str(facet) for facet in facets), str("image" in request))
