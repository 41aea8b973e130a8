"""What driving a task takes: one record, which the engine fills."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dialect import Call
from ..task import Task
from ..wire import Wire
from .account import Account
from .book import Book
from .loop import Clock
from .poll import Learnt
from .turn import Turn


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What driving a task takes. ``encode`` spells a stored task as its paid call; ``kind`` groups tasks that take
    about as long, and ``typical_s`` is how long the catalogue thinks they do, in seconds.
    """

    book: Book
    clock: Clock
    wire: Wire
    folder: Path
    account: Callable[[str], Account]
    encode: Callable[[Task], Call]
    kind: Callable[[Task], tuple[str, ...]]
    typical_s: Callable[[Task], float]
    learnt: Learnt
    hold_if_over_ceiling: Callable[[Task], str | None]  # returns why a planned task may not be submitted
    spawn: Callable[[Callable[[], Any]], object]
    listening: Callable[[], AbstractContextManager[None]]  # around a paid call, whose answer is heard to the last
    turn: Turn
