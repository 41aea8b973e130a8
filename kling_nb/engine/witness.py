"""A witness: a task that a place is known to have, looked for before what is absent there counts as never bought.

A place may speak a protocol and keep nothing of our own ids, as a relay does that passes on what it knows of a submit
and drops the rest: it answers every look as if nothing had been bought.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import anyio

from ..costs import DAY_S
from ..errors import KlingError
from ..task import Task, Ticket
from .account import Account
from .told import told_of_anothers, told_of_unkept_ids
from .tools import Tools

LOOKS_S = (2.0, 8.0, 20.0, 45.0)
"""When a submit in doubt is looked up, in seconds after the look before: absent every time, it never arrived."""

SETTLED_S = sum(LOOKS_S)
"""What was accepted so long ago is listed by now: only then it says something that it is absent; in seconds.

As long as a submit in doubt is looked for: what lists it in that time has listed a witness too.
"""

Place = tuple[str, str, str]
"""Where a task was submitted: the provider, the mark of the key, the address of the call."""


@dataclass
class _Heard:
    """What a place said of its witness: ``against`` is `None` while that is not known, ``failure`` why it is not."""

    against: str | None = None
    failure: str = ""
    witness: str = ""  # which one was looked for last
    times: int = 0  # how often one was
    told: set[str] = field(default_factory=set)  # the tasks that ``against`` was told of
    asking: anyio.Lock = field(default_factory=anyio.Lock)

    def is_due(self, task_id: str) -> bool:
        """Tell whether to ask the place once more.

        What speaks against a place holds for all tasks, except one that was told so before and is looked up again. What
        speaks for a place does not hold: the place may fall behind, and what it lists late would be bought twice.
        """
        return not self.against or task_id in self.told

    def tell(self, task_id: str) -> str | None:
        """Return what speaks against a task."""
        if self.against:
            self.told.add(task_id)
        return self.against


class Witnesses:
    """Tells whether a place keeps our own ids, as it says now. Belongs to the engine's loop."""

    def __init__(self, tools: Tools) -> None:
        self._book = tools.book
        self._clock = tools.clock
        self._heard: defaultdict[Place, _Heard] = defaultdict(_Heard)

    async def against(self, task: Task, account: Account) -> str:
        """Return why the absence of a task where it was submitted proves nothing; empty if nothing speaks against it.

        If that address has no witness, another address of the same host and key stands in for it. A task that was told so
        before, and is looked up again because a person asked, has the witness looked for afresh.

        Raises `KlingError` if the witness cannot be looked for; the next look tries again.
        """
        if not account.is_of(account.mark, task):  # submitted elsewhere, so that no witness of that place is here
            return ""
        place = (account.provider.id, account.mark, str(task.call.get("url")))
        for one in (place, *self._beside(place)):
            against = await self._at(one, task, account)
            if against is not None:
                return against
        return ""

    def found(self, task: Task, account: Account) -> None:
        """Forget what speaks against the place where a task was found by our own id, unless that was late."""
        if self._clock.now() - (task.submitted_at or 0) > SETTLED_S:
            return
        heard = self._heard.get((account.provider.id, account.mark, str(task.call.get("url"))))
        if heard is not None:
            heard.against = None

    def anothers(self, task: Task, found: Ticket) -> str:
        """Return why a ticket that our own id found is not this task's but another's of this lab; else an empty text.

        Followed, it would show one clip for two prompts, and lose what was bought for one of them.
        """
        other = self._book.bearer(task, found.id)
        return "" if other is None else told_of_anothers(task, found, other)

    def _beside(self, place: Place) -> list[Place]:
        """Return the other addresses that are known not to keep our own ids, for the same key.

        They are of one host, since a provider has one base URL while a lab is open.
        """
        known = (other for other, heard in self._heard.items() if heard.against and other != place)
        return [other for other in known if other[:2] == place[:2]]

    async def _at(self, place: Place, task: Task, account: Account) -> str | None:
        """Return what speaks against one place, `None` if it has no witness; tasks that wait for one share it."""
        heard = self._heard[place]
        before = heard.times
        async with heard.asking:
            if not heard.is_due(task.id):
                return heard.tell(task.id)
            witness = self._witness(place, task)
            if witness is None:
                return heard.against or None
            if heard.times == before or heard.witness != witness.id:
                await self._ask(witness, heard, account)
            if heard.failure:
                raise KlingError(heard.failure)
            return heard.tell(task.id)

    def _witness(self, place: Place, task: Task) -> Task | None:
        """Return the task to look for; if it was sent after this one and is listed, this one would be listed too."""
        return self._book.witness(*place, since=self._clock.now() - DAY_S, at=task.submitted_at or 0.0)

    async def _ask(self, witness: Task, heard: _Heard, account: Account) -> None:
        heard.witness, heard.failure = witness.id, ""
        try:
            heard.against, heard.told = await _look_for(witness, account, self._clock.now() - SETTLED_S), set()
        except KlingError as error:
            heard.failure = str(error)
        heard.times += 1


async def _look_for(witness: Task, account: Account, settled: float) -> str:
    """Look for a witness; return why its place proves nothing by absence, or an empty text if the witness is there.

    Raises `KlingError` for a witness that may not be listed yet.
    """
    found = await account.find(witness)
    if found is not None and witness.ticket is not None and found.id == witness.ticket.id:
        return ""
    if found is None and (witness.accepted_at or 0) > settled:
        message = f"{witness.provider} accepted {witness.id} less than {SETTLED_S:.0f} s ago, and does not list it yet"
        raise KlingError(message)
    return told_of_unkept_ids(witness, found)
