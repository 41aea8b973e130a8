"""Searching for a submit whose answer was lost: by our own id, until it is found or was absent often enough."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from ..errors import KlingError
from ..states import Cause, EventKind, TaskState
from ..task import Task, Ticket
from .account import Account
from .attempts import LOST_MOST
from .gate import backoff_s
from .sent import BASE
from .told import told_of_elsewhere, told_of_lost, told_of_unnamed, told_of_vain_looks
from .tools import Tools
from .witness import LOOKS_S, Witnesses

LOOKS_MOST = 12


@dataclass
class _Looks:
    """What came of looking for a task so far."""

    absent: int = 0  # how often it was absent, since it is looked for where it is now
    is_there: bool = False  # whether that is where it was submitted, with that key
    against: str | None = None  # why its absence proves nothing; `None` until it was absent often enough
    is_untold: bool = False  # whether a question had no answer

    def wait_s(self, look: int) -> float:
        """Return how long to wait before a look: longer where looks before it were in vain."""
        return LOOKS_S[min(self.absent, len(LOOKS_S) - 1)] + (backoff_s(look) if look > self.absent else 0)


class Search:
    """Looks up submits in doubt. Belongs to the engine's loop."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._book = tools.book
        self._clock = tools.clock
        self._witnesses = Witnesses(tools)

    async def once(self, task: Task, account: Account) -> Ticket | None:
        """Look a task up by our own id, once; `None` if it is not found, cannot be asked about, or is another task's."""
        with suppress(KlingError):
            ticket = await account.find(task)
            return None if ticket is None or self._witnesses.anothers(task, ticket) else ticket
        return None

    async def look_up(self, task: Task, account: Account) -> Task:
        """Look a submit up by our own id, until it is found or was absent often enough.

        Its absence proves nothing in three cases: a process that was about to send it still sleeps; key or address were
        corrected, so that the account is not where it was sent; or a task that the place is known to have is absent too
        (`Witnesses`).
        """
        looks, look, was_sent = _Looks(), 0, True
        while look < LOOKS_MOST:
            await self._clock.sleep(looks.wait_s(look))
            task = self._book.tasks[task.id]
            if task.state is not TaskState.UNCERTAIN:
                return task
            is_sent = self._t.turn.sleeper(task.id) is None
            look = 1 if is_sent and not was_sent else look + 1  # anew when the sleeper is gone: too few may be left
            was_sent = is_sent
            try:
                ticket = await self._look(task, account, looks, is_sent=is_sent)
            except KlingError:
                looks.is_untold = is_sent
                continue
            if ticket is not None:
                return await self._found(task, account, ticket)
            looks.absent += is_sent
            if looks.absent >= len(LOOKS_S) and looks.is_there is self._is_where(task, account):
                break
        return await self._not_found(task, account, looks)

    async def _look(self, task: Task, account: Account, looks: _Looks, *, is_sent: bool) -> Ticket | None:
        """Look once; before the last look that counts, a witness says whether absence proves anything."""
        dialect = account.dialect
        ticket = await account.find(task)
        is_there = dialect is account.dialect and self._is_where(task, account)
        if is_there is not looks.is_there:
            looks.absent, looks.against, looks.is_there = 0, None, is_there
        if is_there and ticket is None and is_sent and looks.absent == len(LOOKS_S) - 1:
            looks.against = await self._witnesses.against(task, account)
        return ticket

    async def _found(self, task: Task, account: Account, ticket: Ticket) -> Task:
        """Follow what our own id found; its event says so, which shows that the place keeps our ids.

        If the id that came is another task's, a person decides, unless one has meanwhile.
        """
        against = self._witnesses.anothers(task, ticket)
        if against:
            is_open = self._book.tasks[task.id].state is TaskState.UNCERTAIN
            return await self._still_doubted(task, against) if is_open else task
        self._witnesses.found(task, account)
        return await self._book.record(task.id, EventKind.ACCEPTED, id=ticket.id, data=dict(ticket.data), found=True)

    async def _not_found(self, task: Task, account: Account, looks: _Looks) -> Task:
        """Say what came of a look-up in vain; where nothing speaks against its absence, the task never arrived."""
        task = self._book.tasks[task.id]
        if task.state is not TaskState.UNCERTAIN:  # decided by a person while the last look was under way
            return task
        if not self._is_where(task, account):
            return await self._still_doubted(task, told_of_elsewhere(task))
        if looks.against is None:
            return await self._still_doubted(task, told_of_vain_looks(task.reason)) if looks.is_untold else task
        if looks.against or task.cause == Cause.UNNAMED:
            return await self._still_doubted(task, looks.against or told_of_unnamed(task))
        return await self._never_arrived(task)

    async def _still_doubted(self, task: Task, why: str) -> Task:
        return await self._book.record(task.id, EventKind.DOUBTED, reason=why, cause=task.cause)

    def _is_where(self, task: Task, account: Account) -> bool:
        """Tell whether an account is where a task was submitted, with the key that it was submitted with."""
        is_there = account.is_of(self._book.submitted_with(task.id), task)
        return is_there and (BASE in task.call or self._would_go_there(task))

    def _would_go_there(self, task: Task) -> bool:
        """Tell whether a task whose base URL was not logged would be submitted to the same address by now."""
        with suppress(KlingError):
            return self._t.encode(task).url == task.call.get("url")
        return False

    async def _never_arrived(self, task: Task) -> Task:
        reason = told_of_lost(task.reason, LOOKS_S, again=task.attempt < LOST_MOST)
        return await self._book.record(task.id, EventKind.FAILED, reason=reason, cause=Cause.LOST, charged=False)
