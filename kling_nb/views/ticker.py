"""A thread that looks again and again, and rests when nothing moves."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from typing import Any

from .output import reply_on_the_askers_subshell

STEP_S = 0.2  # real seconds between two looks while something moves
REST_STEP_S = 1.0
LONGEST_STEP_S = 5.0
RATIO = 20.0  # a panel takes a twentieth of a core at most: thousands of tasks that another process drives take some to read
GIVE_UP_S = 600.0  # at rest for so long, the thread ends; `Ticker.nudge` starts it again

_log = logging.getLogger(__name__)


class Ticker:
    """A daemon thread that calls ``look`` again and again: quickly while it says that something moves, and that is cheap.

    It ends by itself after `GIVE_UP_S` of rest, when ``look`` fails, and on `close`; `nudge` makes it look at once,
    and starts it where it has ended.
    """

    def __init__(self, look: Callable[[], bool]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._nudged = threading.Event()
        self._closed = False
        self.thread: threading.Thread | None = None

    def attend(self, widget: Any, heard: Callable[..., None]) -> None:
        """Look, and go on looking until the widget's comm goes; ``heard`` is given what its front end says."""
        reply_on_the_askers_subshell(widget.comm)
        widget.on_msg(heard)
        widget.observe(self._follow, "comm")
        self._look()
        self.nudge()

    def nudge(self) -> None:
        """Look now."""
        with self._lock:
            self._nudged.set()
            if self.thread is None and not self._closed:
                self.thread = begin(self._run)

    def _follow(self, change: Mapping[str, Any]) -> None:
        if change["new"] is None:
            self.close()

    def close(self) -> None:
        """Stop looking, for good."""
        with self._lock:
            self._closed = True
            self._nudged.set()

    def _run(self) -> None:
        moved = time.monotonic()
        while not self._is_over(moved):
            self._nudged.clear()
            begun = time.thread_time()
            moving = self._try()
            moved = time.monotonic() if moving else moved
            self._nudged.wait(step_s(time.thread_time() - begun, moving=moving))

    def _try(self) -> bool:
        try:
            return self._look()
        except Exception:  # noqa: BLE001 - the kernel or the widget is going, and nobody is left to be told
            _log.debug("a panel stops", exc_info=True)
            self.close()
            return False

    def _is_over(self, moved: float) -> bool:
        with self._lock:
            rested = time.monotonic() - moved > GIVE_UP_S and not self._nudged.is_set()
            if self._closed or rested:
                self.thread = None
            return self.thread is None


def step_s(took_s: float, *, moving: bool) -> float:
    """Return the real seconds until the next look, after one that took so many seconds of CPU time."""
    return min(max(STEP_S if moving else REST_STEP_S, RATIO * took_s), LONGEST_STEP_S)


def begin(work: Callable[..., object], *values: Any) -> threading.Thread:
    """Start a daemon thread in a copy of the caller's context.

    ipykernel 7.0 finds the cell that output belongs to there, and raises `LookupError` in a bare thread.
    """
    thread = threading.Thread(target=copy_context().run, args=(work, *values), name="kling_nb-panel", daemon=True)
    thread.start()
    return thread
