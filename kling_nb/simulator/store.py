"""What the simulator remembers: tasks, ledger entries and used-up faults, in SQLite.

A task's state is never stored.  Its row holds the instants fixed when it was accepted, and
:meth:`Task.state` compares them with a clock, so a new process continues where the last stood.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

State = Literal["queued", "running", "done", "failed", "cancelled"]
EARLIER: dict[State, State] = {"done": "running", "failed": "running", "running": "queued"}
"""What stands before each state, for a look-up that goes backwards."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One accepted submit.  Instants are unix seconds; *ended_at* may be infinite (a stalled task)."""

    id: str
    provider: str
    account: str
    endpoint: str
    model: str
    own_id: str
    fingerprint: str
    nth: int
    prompt: str
    request: str
    """The request as canonical JSON, images replaced by their hash."""
    scene: str
    """What the clip must show, as JSON; see :class:`kling_nb.simulator.clips.Scene`."""
    image: bytes | None
    asset: str
    """Path of the clip below ``/cdn/``."""
    usd: str
    units: str
    accepted_at: float
    started_at: float
    ended_at: float
    failure: str
    """Why it fails at *ended_at*; empty when it does not."""
    failure_kind: str
    failure_body: str
    """A provider-shaped JSON body for the failure, or empty."""
    refunds: int
    """1 when this task's failure is not charged."""
    cancelled_at: float | None = None

    def state(self, now: float) -> State:
        """What the task is doing at *now* (unix seconds)."""
        if self.cancelled_at is not None and now >= self.cancelled_at:
            return "cancelled"
        if now < self.started_at:
            return "queued"
        if now < self.ended_at:
            return "running"
        return "failed" if self.failure else "done"

    def changed_at(self, now: float) -> float:
        """When the task last changed its state, unix seconds."""
        instants = (self.accepted_at, self.started_at, self.ended_at, self.cancelled_at or self.accepted_at)
        return max(instant for instant in instants if instant <= max(now, self.accepted_at))

    def refunded(self, now: float) -> bool:
        """Whether the charge has been taken back at *now*."""
        if self.state(now) == "cancelled":
            return self.cancelled_at is not None and self.cancelled_at < self.started_at
        return self.state(now) == "failed" and bool(self.refunds)


@dataclass(frozen=True)
class Charge:
    """One line of the ledger: an accepted submit and its list price in USD, *at* in unix seconds.

    *refunded* is this simulator's reading: Kling does not charge failures, fal does not charge what was
    cancelled while queued or failed validation.  Neither provider documents it fully (2026-11).
    """

    provider: str
    task_id: str
    own_id: str
    model: str
    usd: Decimal
    at: float
    refunded: bool


_COLUMNS = tuple(field.name for field in fields(Task))
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS tasks (position INTEGER PRIMARY KEY, {", ".join(_COLUMNS)}, UNIQUE (provider, id));
CREATE INDEX IF NOT EXISTS task_asset ON tasks (asset);
CREATE INDEX IF NOT EXISTS task_fingerprint ON tasks (fingerprint);
CREATE INDEX IF NOT EXISTS task_own_id ON tasks (provider, own_id);
CREATE INDEX IF NOT EXISTS task_active ON tasks (provider, account, ended_at);
CREATE INDEX IF NOT EXISTS task_listed ON tasks (provider, endpoint);
CREATE INDEX IF NOT EXISTS task_window ON tasks (provider, accepted_at);
CREATE TABLE IF NOT EXISTS fault_uses (key TEXT PRIMARY KEY, seen INTEGER NOT NULL);
"""


class Store:
    """Rows of one simulator, in *path* or in memory.

    Safe to use from several threads; every write is committed when the method returns.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, timeout=10, isolation_level=None
        )
        weakref.finalize(self, self._connection.close)  # of one that nobody closes: Python warns of it from 3.13 on
        # NORMAL is enough: losing the last rows needs a power cut, and these are play-money tasks.
        self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)

    def add(self, task: Task) -> None:
        """Enter an accepted task."""
        marks = ", ".join("?" * len(_COLUMNS))
        values = tuple(getattr(task, name) for name in _COLUMNS)
        self._run(f"INSERT INTO tasks ({', '.join(_COLUMNS)}) VALUES ({marks})", values)

    def tasks(self, where: str = "1", values: Sequence[Any] = (), tail: str = "ORDER BY position") -> list[Task]:
        """Tasks that match an SQL condition, oldest first unless *tail* says otherwise."""
        rows = self._run(f"SELECT {', '.join(_COLUMNS)} FROM tasks WHERE {where} {tail}", values)
        return [Task(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def one(self, where: str, values: Sequence[Any]) -> Task | None:
        """The oldest task that matches, or None."""
        found = self.tasks(where, values, "ORDER BY position LIMIT 1")
        return found[0] if found else None

    def count(self, where: str, values: Sequence[Any]) -> int:
        """How many tasks match."""
        return int(self._run(f"SELECT count(*) FROM tasks WHERE {where}", values)[0][0])

    def cancel(self, provider: str, task_id: str, at: float) -> None:
        """Note that a task ends as cancelled at *at*, unless that was noted before."""
        self._run(
            "UPDATE tasks SET cancelled_at = coalesce(cancelled_at, ?) WHERE provider = ? AND id = ?",
            (at, provider, task_id),
        )

    def see_fault(self, key: str) -> int:
        """Count one more match of the fault *key*; returns which match this is, from 1."""
        rows = self._run(
            "INSERT INTO fault_uses VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET seen = seen + 1 RETURNING seen",
            (key,),
        )
        return int(rows[0][0])

    def close(self) -> None:
        """Close the database."""
        with self.lock:
            self._connection.close()

    def _run(self, sql: str, values: Sequence[Any]) -> list[Any]:
        with self.lock:
            return self._connection.execute(sql, tuple(values)).fetchall()
