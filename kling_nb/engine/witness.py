"""A witness: a task that a place is known to have, looked for before what is absent there counts as never bought.

A place may speak a protocol and keep nothing of our own ids, as a relay does that passes on what it knows of a submit
and drops the rest: it answers every look as if nothing had been bought.
"""

from __future__ import annotations

from collections import defaultdict

import anyio

from ..costs import DAY_S
from ..task import Task
from .account import Account
from .told import told_of_unkept_ids
from .tools import Tools

SETTLED_S = 60.0
"""What was accepted so long ago is looked for rather than what is younger, which may not be listed yet; in seconds."""

Place = tuple[str, str, str]
"""Where a task was submitted: the provider, the mark of the key, the address of the call."""


class Witnesses:
    """Tells whether a place keeps our own ids, and asks each place once. Belongs to the engine's loop."""

    def __init__(self, tools: Tools) -> None:
        self._book = tools.book
        self._clock = tools.clock
        self._heard: dict[Place, str] = {}
        self._asking: defaultdict[Place, anyio.Lock] = defaultdict(anyio.Lock)

    async def against(self, task: Task, account: Account) -> str:
        """Return why it proves nothing that a task is absent where it was submitted; empty where nothing says so.

        Raises `KlingError` where the witness cannot be looked for, which is tried again the next time.
        """
        url = str(task.call.get("url"))
        place = (account.provider.id, account.mark, url)
        async with self._asking[place]:
            if place not in self._heard:
                witness = self._witness(account, url)
                if witness is None:
                    return ""
                self._heard[place] = await _look_for(witness, account)
            return self._heard[place]

    def _witness(self, account: Account, url: str) -> Task | None:
        """Return the newest task that was accepted with this key at this address, within a day."""
        now = self._clock.now()
        tasks = [
            task for task in self._book.accepted_since(now - DAY_S, account.provider.id) if task.call.get("url") == url
        ]
        tasks.sort(key=lambda task: (task.accepted_at or now) > now - SETTLED_S)
        return next((task for task in tasks if account.is_of(self._book.submitted_with(task.id), url)), None)


async def _look_for(witness: Task, account: Account) -> str:
    found = await account.converse(account.dialect.find(witness.id, witness.call))
    if found is not None and witness.ticket is not None and found.id == witness.ticket.id:
        return ""
    return told_of_unkept_ids(witness, found)
