"""The way to a place: whether submits get there, and how long one that does not is tried again."""

from __future__ import annotations

import math

from .gate import backoff_s
from .loop import Clock

UNSENT_MOST = 5  # rounds of submits in a row that did not get to a place that never answered, before it is given up
UNSENT_LONGEST_S = 3600.0  # as long may a place be away that did answer: a network comes back


class Way:
    """How submits to one place fared lately. Belongs to the engine's loop; only counts, and holds nothing back itself."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew: the place may be another, or the network mended."""
        self._all_arrive()
        self._has_answered = False
        self._strangers = 0  # submits in a row that another answered

    def _all_arrive(self) -> None:
        self._unsent = 0  # rounds of submits in a row that did not get there
        self._unsent_since = self._unsent_at = -math.inf

    def answered(self) -> None:
        """Learn that something was answered there, whatever was asked."""
        self._has_answered = True

    def arrived(self) -> None:
        """Learn that a submit got there."""
        self._all_arrive()
        self._has_answered = True
        self._strangers = 0

    def met_a_stranger(self) -> bool:
        """Learn that another answered a submit in this place's stead; answers whether the one before was answered so."""
        self._strangers += 1
        return self._strangers > 1

    def missed(self, begun: float) -> bool:
        """Note that a submit, begun at that `steady` moment, did not get there; answers whether to go on trying.

        Submits that were under way together, or waited together, count once: they met one moment without a network.
        """
        now = self._clock.steady()
        if begun - self._unsent_at >= backoff_s(self._unsent) / 2:
            self._unsent_since = now if self._unsent == 0 else self._unsent_since
            self._unsent, self._unsent_at = self._unsent + 1, now
        if self._has_answered:
            return now - self._unsent_since < UNSENT_LONGEST_S
        return self._unsent < UNSENT_MOST

    @property
    def wait_s(self) -> float:
        """How long to wait before another submit, after one that did not get there, in seconds."""
        return backoff_s(self._unsent)
