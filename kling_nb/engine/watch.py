"""The one poll loop of the project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import anyio

from ..dialect import Learnt, Status, Whose
from ..errors import InputError, KlingError, ProviderError, anew
from ..task import Task, Ticket
from .account import Account
from .gate import backoff_s
from .loop import Clock
from .poll import FLOOR_S, LATEST_S, Curve, wait_s

Spawn = Callable[[Callable[[], Awaitable[None]]], object]

Answer = Status | str
"""How a task is; in words, why it could not be asked about, and nothing where it was not mentioned."""


@dataclass
class Member:
    """A watched task: its ticket, when it was accepted, how long its kind takes, when the provider last said news.

    Moments are in the clock's `steady` seconds.
    """

    ticket: Ticket
    since: float
    curve: Curve
    changed: float  # when the provider last said that it went on
    slow: bool = False
    troubled: float | None = None  # since when it could not be asked about
    said: Answer = ""  # at the last check
    stalls_at: float = 0.0  # when the same answer again would be too long a silence; while it is troubled: at once
    failed: Exception | None = None  # why the watch ended before it did
    done: anyio.Event = field(default_factory=anyio.Event)
    sort: tuple[float, Curve] = field(init=False)

    def __post_init__(self) -> None:
        """Sort it with those that were accepted at much the same time and take as long: they are weighed as one."""
        self.sort = self.curve.rounded(self.since), self.curve


class Learner(Protocol):
    """Told what checks said of tasks."""

    async def learn(self, members: Mapping[str, Member], learnt: Mapping[str, Answer]) -> Iterable[str]:
        """Note what a check of the members, by task id, said by ticket id; return the tasks to watch no longer."""


class Watch:
    """Asks one account about tasks, together where its dialect can; the loop runs while there are any.

    ``spawn`` starts the loop beside the followers; without it the one follower runs it.
    """

    def __init__(self, account: Account, clock: Clock, learner: Learner, spawn: Spawn | None = None) -> None:
        self._account = account
        self._clock = clock
        self._learner = learner
        self._spawn = spawn
        self._members: dict[str, Member] = {}
        self._woken = anyio.Event()
        self._running = self._soon = False
        self._troubled = 0  # checks in which some could not be asked about

    def look(self) -> None:
        """Ask as soon as may be, whenever that would be due."""
        self._soon = True
        self._woken.set()

    async def follow(self, task: Task, member: Member) -> None:
        """Watch a task until the learner says that is enough."""
        self._members[task.id] = member
        self._woken.set()
        if self._spawn is None:
            await self._run()
            return
        if not self._running:
            self._running = True
            self._spawn(self._run)
        await member.done.wait()
        if member.failed is not None:
            raise anew(member.failed)

    async def _run(self) -> None:
        try:
            failures = 0
            while self._members:
                await self._wait(failures)
                failures = await self._check(failures)
        except Exception as error:
            if self._spawn is None:
                raise
            for member in self._members.values():
                member.failed = error
                member.done.set()
        finally:
            self._members.clear()
            self._running = False

    async def _wait(self, failures: int) -> None:
        begun = now = self._clock.steady()
        while (left := begun + (delay := self._delay(now, failures)) - now) > 0:
            self._woken = anyio.Event()
            # Who joins makes the shortest wait no shorter: thousands would be weighed again for each that does.
            joined = self._woken if delay > FLOOR_S else anyio.Event()
            await self._clock.sleep_or(left, joined)
            if not joined.is_set():
                return
            now = self._clock.steady()

    def _delay(self, now: float, failures: int) -> float:
        if failures:
            return backoff_s(failures)
        if self._soon:
            return FLOOR_S
        sorts = Counter([one.sort for one in self._members.values() if not one.slow])
        return wait_s([(now - since, curve, n) for (since, curve), n in sorts.items()]) if sorts else LATEST_S

    async def _check(self, failures: int) -> int:
        self._soon = False
        members = dict(self._members)
        learnt = await self._ask(self._in_turn([member.ticket for member in members.values()]))
        for task_id in await self._learner.learn(members, learnt):
            self._members.pop(task_id, None)
            members[task_id].done.set()
        kinds = {*map(type, learnt.values())}
        self._troubled += str in kinds
        return failures + 1 if kinds == {str} else 0

    def _in_turn(self, tickets: list[Ticket]) -> list[Ticket]:
        """Begin with another task after each trouble: whoever asks singly gives up after a few that fail, and the tasks
        behind those would never be asked about.
        """
        first = self._troubled % max(1, len(tickets))
        return [*tickets[first:], *tickets[:first]]

    async def _ask(self, tickets: list[Ticket]) -> dict[str, Answer]:
        learnt: dict[str, Status | KlingError] = {}
        most = max(1, self._account.provider.per_check)
        for start in range(0, len(tickets), most):
            learnt |= await self._ask_some(tickets[start : start + most])
        troubles = {name: str(learnt[name]) or type(learnt[name]).__name__ for name in _failed(learnt)}
        return cast("dict[str, Answer]", learnt | troubles)

    async def _ask_some(self, tickets: list[Ticket]) -> Learnt:
        """Ask about some at once; where one of them is what the provider does not like, about each alone."""
        learnt = dict(await self._told(tickets))
        if len(tickets) > 1 and (failed := _failed(learnt)):
            for ticket in tickets:
                if ticket.id in failed and _is_of_one(learnt[ticket.id]):
                    learnt |= await self._told([ticket])
        return learnt

    async def _told(self, tickets: list[Ticket]) -> Learnt:
        try:
            return await self._account.converse(self._account.dialect.check(tickets))
        except KlingError as error:
            return dict.fromkeys([ticket.id for ticket in tickets], error)


def _failed(learnt: Learnt) -> set[str]:
    """Return of which tasks an error came in place of a status; mostly there is none among hundreds."""
    if {*map(type, learnt.values())} <= {Status}:
        return set()
    return {task_id for task_id, said in learnt.items() if not isinstance(said, Status)}


def _is_of_one(said: Status | KlingError) -> bool:
    """Tell whether it may be only some of the tasks that cannot be asked about, such as those of a key that is gone."""
    whose = said.fault.whose if isinstance(said, ProviderError) and said.fault else None
    return isinstance(said, InputError) or whose in (Whose.PARAMETERS, Whose.ADDRESS, Whose.MISSING)
