"""Waiting until a person stops typing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

QUIET_S = 0.2  # real seconds


class Quiet:
    """Runs a function once nothing was asked for a while: the one that was asked last.

    It runs on a thread of its own, in a copy of the asker's context: on ipykernel 7.0 a trait that is set in a bare
    thread raises LookupError.
    """

    def __init__(self, wait_s: float = QUIET_S) -> None:
        self._wait_s = wait_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def ask(self, function: Callable[[], None]) -> None:
        """Run this soon, instead of what was asked before and has not begun."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(self._wait_s, copy_context().run, (function,))
            self._timer.daemon = True
            self._timer.start()
