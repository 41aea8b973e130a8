"""The life of a task: bought, followed, fetched. Decides nothing about runs and knows no provider's name."""

from __future__ import annotations

from collections.abc import Sequence

from ..states import FOLLOWED, Cause, EventKind, TaskState
from ..task import Task
from .account import Account
from .buy import Buyer
from .fetch import Fetcher
from .follow import Follower
from .gate import Gate
from .search import Search
from .told import told_of_doubt
from .tools import Tools
from .who import may_send

CUT_OFF = "the process that submitted it ended, or was taken over from, before the answer was in the log"


class Driver:
    """Drives tasks one step after another, from wherever the log says they stand."""

    def __init__(self, tools: Tools) -> None:
        self._book = tools.book
        self._account = tools.account
        self._turn = tools.turn
        self._search = Search(tools)
        self._buyer = Buyer(tools, self._search)
        self._follower = Follower(tools, self._leave)
        self._fetcher = Fetcher(tools)
        self._slots: dict[str, Gate] = {}

    async def doubt(self, tasks: Sequence[Task]) -> None:
        """Put in doubt what was being submitted when its process ended, or when its turn was taken."""
        if tasks:
            told = {task.id: {"reason": self._doubt_of(task), "cause": Cause.DOUBT} for task in tasks}
            await self._book.record_all(EventKind.DOUBTED, told)

    def _doubt_of(self, task: Task) -> str:
        asleep = self._turn.sleeper(task.id)
        return may_send(asleep, finds=self.finds(task)) if asleep else told_of_doubt(CUT_OFF, finds=self.finds(task))

    def finds(self, task: Task) -> bool:
        """Tell whether a task can be looked up by our own id."""
        try:
            return self._account(task.provider).dialect.finds
        except Exception:  # noqa: BLE001 - of a provider that is not known here, say: driving the task tells it
            return False

    async def drive(self, task_id: str) -> None:
        """Take a task as far as it goes by itself."""
        task = self._book.tasks[task_id]
        account = self._account(task.provider)
        if task.state is TaskState.PLANNED:
            task = await self._buy(task, account)
        elif task.state in FOLLOWED | {TaskState.UNCERTAIN}:
            task = await self._follow_in_gate(task, account)
        if task.asset is not None and not task.state.is_final:
            await self._fetcher.fetch(task, account)

    async def cancel(self, task_id: str) -> None:
        """Ask the provider to cancel, where it can; else the task is followed to its end, and its clip saved."""
        await self._buyer.cancel(task_id)

    async def _buy(self, task: Task, account: Account) -> Task:
        gate = account.gate(task.model)
        await gate.enter()
        self._slots[task.id] = gate
        try:
            task = await self._buyer.submit(task, account)
            if task.ticket is None:
                gate.ended()
            return await self._until_generated(task, account)
        finally:
            self._leave(task.id)

    async def _follow_in_gate(self, task: Task, account: Account) -> Task:
        gate = account.gate(task.model)
        gate.occupy()
        self._slots[task.id] = gate
        try:
            return await self._until_generated(task, account)
        finally:
            self._leave(task.id)

    def _leave(self, task_id: str) -> None:
        """Give a task's slot back, once: at its end, or when it stalls, for it may stall for ever."""
        gate = self._slots.pop(task_id, None)
        if gate is not None:
            gate.leave()

    async def _until_generated(self, task: Task, account: Account) -> Task:
        if task.state is TaskState.UNCERTAIN and account.dialect.finds:
            task = await self._search.look_up(task, account)
        if task.state in (TaskState.QUEUED, TaskState.RUNNING, TaskState.STALLED) and task.asset is None:
            task = await self._follower.follow(task, account)
        return task
