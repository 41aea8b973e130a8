"""A user's own coroutine, run from a cell or a widget callback."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sized
from contextlib import suppress
from importlib import import_module
from typing import Any, TypeVar

from .errors import without_our_frames
from .keywords import answered

T = TypeVar("T")

NESTERS = ("nest_asyncio2", "nest_asyncio")
"""The maintained fork first: the original breaks Python 3.14 (archived; read 2026-11), and on ipykernel 7.1 and later
loses the cells that arrive meanwhile (Chaoses-Ib/nest-asyncio2#4, mended in 1.7.3 of the fork)."""


@answered("kn.run_sync")
def run_sync(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result, from anywhere: a script, a cell, a widget callback.

    If no loop is running, this is `asyncio.run`. If one is, as in a notebook's cell, nest-asyncio lets the coroutine
    run inside it; it is applied only then, and stays applied to that kernel. Two such calls unwind last in, first out:
    the outer one returns only after the inner. An interrupt cancels the coroutine, as it does in a script. This library
    itself does not need it.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coro)
    _nested(loop)
    due = len(_ready(loop))
    task = loop.create_task(coro)
    try:
        return loop.run_until_complete(task)
    except KeyboardInterrupt as interrupt:
        _end(loop, task)
        without_our_frames(interrupt)
        raise
    finally:
        _top_up(loop, due)


def _end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Cancel what was interrupted, and let it clean up: left alone it would go on beside the cells after it, and buy."""
    if task.cancel():
        with suppress(asyncio.CancelledError, Exception):
            loop.run_until_complete(task)


def _nested(loop: asyncio.AbstractEventLoop) -> None:
    """Let a running loop be run again."""
    for name in NESTERS:
        try:
            import_module(name).apply(loop)
        except ModuleNotFoundError:
            continue
        return
    message = "a loop already runs here, and neither nest-asyncio2 nor nest-asyncio is installed; await the coroutine"
    raise RuntimeError(message)


def _top_up(loop: asyncio.AbstractEventLoop, due: int) -> None:
    """Schedule no-op callbacks until ``due`` callbacks are ready again.

    The iteration of the loop that called us began before nesting was applied: asyncio counts the ready callbacks, and
    then pops as many (``base_events.py``, read 2026-11). If the nested loop has popped some of them, ``run_forever``
    raises an IndexError, which ends a kernel. ipykernel 6.29 has other callbacks ready in every cell.
    """
    for _ in range(due - len(_ready(loop))):
        loop.call_soon(_nothing)


def _ready(loop: asyncio.AbstractEventLoop) -> Sized:
    """Return the ready callbacks; every loop that can be nested keeps them in this private attribute."""
    return loop._ready  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _nothing() -> None:
    """Take the place of a callback that has run already."""
