"""How many tasks may run at once: learnt from what the provider says."""

from __future__ import annotations

import math
from collections import deque

import anyio

FORGET_S = 600.0  # after so long without "too many tasks", more than was refused then is tried again
BACKOFF_S = 1.0  # Kling recommends an exponential backoff from at least 1 s (concurrency rules, read 2026-09-20)
BACKOFF_MOST_S = 60.0
SHUT_S = 3600.0  # pushed back for so long, with nothing accepted, submits are held
AFTER_MOST_S = 600.0  # a provider that says "tomorrow" is asked again in ten minutes, and says so again


def backoff_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row, in seconds: 1, 2, 4 … 60."""
    doubled = min(max(0, failures - 1), 10)  # a place that is away for a day fails more often than a float has room for
    return min(BACKOFF_MOST_S, BACKOFF_S * 2.0**doubled)


class Gate:
    """Slots of one account, or of one model at an account; first come, first served.

    It shrinks to what was accepted when the provider says "too many tasks", and grows by one for each full round
    of accepted submits, past the start value too, but not past what was refused within the last ten minutes.
    Belongs to one event loop. Times are the engine's `steady` seconds.
    """

    def __init__(self, slots: int) -> None:
        self.limit: float = max(1, slots)
        self.used = 0
        self._unanswered = 0  # of these, how many are still to be accepted
        self._ceiling: float | None = None
        self._refused_at = 0.0
        self._waiting: deque[anyio.Event] = deque()
        self._opens_at = 0.0
        self._pushed = 0  # in a row
        self._pushed_since = 0.0
        self.accepted_at = -math.inf

    @property
    def slots(self) -> int:
        """How many may run at once, as far as is known now."""
        return int(self.limit)

    @property
    def _held(self) -> int:
        """How many tasks the provider has, as far as its answers say."""
        return self.used - self._unanswered

    async def enter(self) -> None:
        """Wait for a slot and take it, for a task that is to be submitted."""
        await self._turn()
        self._unanswered += 1

    async def _turn(self) -> None:
        if self.used < self.slots and not self._waiting:
            self.used += 1
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except BaseException:
            self._withdraw(turn)
            raise

    def occupy(self) -> None:
        """Take a slot without asking: for a task that the provider already has."""
        self.used += 1

    def leave(self) -> None:
        """Give a slot back."""
        self.used -= 1
        self._admit()

    def wait_s(self, now: float) -> float:
        """Return how long a submit should still wait, in seconds."""
        return max(0.0, self._opens_at - now)

    def full(self, now: float, after: float | None) -> None:
        """Learn that the provider has too many tasks: those that it has not accepted hold slots here."""
        self.limit = min(self.limit, max(1, self._held))
        self._ceiling, self._refused_at = self.limit, now
        self.slow(now, after)

    def slow(self, now: float, after: float | None) -> None:
        """Learn that submits come too fast: wait as the provider says, else exponentially longer."""
        if not self._pushed or now - self._opens_at > FORGET_S:  # long after a wait nobody had tried meanwhile
            self._pushed, self._pushed_since = 0, now
        self._pushed += 1
        wait = backoff_s(self._pushed) if after is None else min(after, AFTER_MOST_S)
        self._opens_at = max(self._opens_at, now + wait)

    def is_shut(self, now: float) -> bool:
        """Tell whether submits have been pushed back for an hour without one accepted, so that waiting on is no use.

        By the time and not by their number: as many are pushed back at once as there are slots.
        """
        return self._pushed > 0 and now - self._pushed_since >= SHUT_S

    def forgive(self) -> None:
        """Try again as if nothing had been pushed back."""
        self._pushed, self._opens_at = 0, 0.0

    def accepted(self, now: float) -> None:
        """Learn that a submit was accepted: there are at least as many slots as are held now."""
        self._pushed, self.accepted_at = 0, now
        self.ended()
        self.limit = max(self.limit, self._held)
        if self._ceiling is not None:
            self._ceiling = max(self._ceiling, self._held)
        if self._ceiling is not None and now - self._refused_at > FORGET_S:
            self._ceiling = None
        if self.used >= self.slots:
            self.limit = min(self.limit + 1 / self.limit, self._ceiling or float("inf"))
        self._admit()

    def ended(self) -> None:
        """Learn that a submit ended otherwise: rejected for good, held back, or in doubt, which may hold a slot."""
        self._unanswered -= 1

    def _admit(self) -> None:
        while self._waiting and self.used < self.slots:
            self.used += 1
            self._waiting.popleft().set()

    def _withdraw(self, turn: anyio.Event) -> None:
        if turn.is_set():
            self.leave()
        else:
            self._waiting.remove(turn)
