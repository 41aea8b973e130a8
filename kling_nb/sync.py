"""A user's own coroutine, run from a cell or a widget callback."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")

NESTERS = ("nest_asyncio2", "nest_asyncio")
"""The maintained fork first: the original breaks Python 3.14 (archived; read 2026-11)."""


def run_sync(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end and return its result, from anywhere: a script, a cell, a widget callback.

    Where no loop runs this is `asyncio.run`. Where one does, as in a notebook's cell, nest-asyncio lets it run
    inside; it is applied then and only then, and stays applied to that kernel. Two such calls unwind last in first
    out: the outer one returns only after the inner. Nothing of this library's own needs it.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coro)
    _nested(loop)
    return loop.run_until_complete(coro)


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
