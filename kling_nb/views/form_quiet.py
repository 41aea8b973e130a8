"""Waiting until a person stops typing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

QUIET_S = 0.2  # real seconds


class Quiet:
    """Runs a function once nothing was asked for a while: the one that was asked last, and one at a time.

    While one runs, what is asked waits for it, and only the last of that is run: two plans of many points at once would
    make each other slower, and the typing too. It runs on a thread of its own, in a copy of the asker's context: on
    ipykernel 7.0 a trait that is set in a bare thread raises LookupError.
    """

    def __init__(self, wait_s: float = QUIET_S) -> None:
        self._wait_s = wait_s
        self._lock, self._running = threading.Lock(), threading.Lock()
        self._asked = 0
        self._timer: threading.Timer | None = None

    def ask(self, function: Callable[[], None]) -> None:
        """Run this soon, instead of what was asked before and has not begun."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._asked += 1
            run = copy_context().run
            self._timer = threading.Timer(self._wait_s, run, (self._run, function, self._asked))
            self._timer.daemon = True
            self._timer.start()

    def _run(self, function: Callable[[], None], number: int) -> None:
        """Run what was asked under a number, after what runs already, if nothing was asked since."""
        with self._running:
            if number == self._asked:
                function()
