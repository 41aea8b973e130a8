"""The one writer of a log: a connection for life, and transactions that are on disk when they return.

The statements have SQLite's parameter marks, and the driver runs them as they are: a task goes through half a dozen of
them, and SQLAlchemy's part in each costs several times what the database does with it.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import compress
from operator import attrgetter, is_not
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from ..errors import LabError, LabUnwritable
from ..space import told_by_sqlite, unwritable
from ..task import Event, Task
from .rows import TASK_FIELDS, spelled, task_row, text

BUSY_S = 10.0  # how long a write waits for somebody else's

Refuse = Callable[[str | None], Exception]
"""Told what a guarded fact is by now; returns what is raised."""

_CHANGING = tuple(name for name in TASK_FIELDS if name != "id")
_values = attrgetter(*_CHANGING)
_File = tuple[int, int] | None
_FACT = "SELECT value FROM meta WHERE key = ?"
_INSERT_EVENT = "INSERT INTO events (task, kind, at, data) VALUES (?, ?, ?, ?)"
THEN = "nothing more is sent; fix that and open the lab again"
_SERVE = "UPDATE points SET task=? WHERE task=?"


class Writer:
    """Writes to the log at a path. Belongs to one thread."""

    def __init__(self, path: Path, busy_s: float = BUSY_S) -> None:
        self._path = path
        self._wal, self._shared = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
        self.engine = _engine(path, busy_s)
        self._held = self.engine.connect()  # checking one out costs as much as an event
        self.close = weakref.finalize(self, _let_go, os.getpid(), self.engine, self._held)
        self._raw: Any = self._held.connection.driver_connection
        self._written: dict[str, Task] = {}  # the tasks that are not at their end, as they were last written
        self._guard: tuple[str, str, Refuse] | None = None
        self._file = which_file(path)
        self._beside: tuple[_File, _File] | None = None  # what SQLite keeps beside the log, from the first write on

    def guard(self, key: str, value: str, refuse: Refuse) -> None:
        """Write nothing from now on unless a fact is this; ``refuse`` is told what it is, and makes the error."""
        self._guard = (key, value, refuse)

    def _check(self) -> None:
        """Read the guarded fact in the transaction that is to write."""
        if self._guard is not None:
            key, value, refuse = self._guard
            row = self._ask(_FACT, key)
            if row != (value,):
                raise refuse(row[0] if row else None)

    def _ask(self, query: str, *values: str) -> tuple[Any, ...] | None:
        """Return the first row."""
        row: tuple[Any, ...] | None = self._raw.execute(query, values).fetchone()
        return row

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Write in one transaction; raises `LabError` where the file does not take it, and then nothing is written."""
        try:
            self._check_place()
            with self._held.begin():
                self._beside = self._beside or (which_file(self._wal), which_file(self._shared))
                self._check()
                yield self._held
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            raise _unwritable(self._path, error) from error

    def _check_place(self) -> None:
        """Raise if a file is no longer the one that was opened: what is written to it would be in no folder."""
        if which_file(self._path) != self._file:
            message = (
                f"{self._path} was moved, deleted or replaced by another program while it was open: {THEN}, "
                "once the file that was there is back"
            )
            raise LabError(message)
        if self._beside is not None and which_file(self._wal) != self._beside[0]:
            message = f"{self._wal} was deleted or replaced by another program while it was open: {self._rescued()}"
            raise LabError(message)

    def _rescued(self) -> str:
        """Put into the log what only a deleted file beside it holds, which is still open here; says what came of it."""
        lost = f"the last of what was written is in it alone: {THEN}, once the file that was there is back"
        if not self._is_rescuable:
            return lost
        try:
            busy, held, moved = self._raw.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        except sqlite3.Error:
            return lost
        saved = f"what it held is in {self._path.name} by now; nothing more is sent; open the lab again"
        return lost if busy or held != moved else saved

    @property
    def _is_rescuable(self) -> bool:
        """Whether nobody else can have written meanwhile, which a rescue would overwrite."""
        new = self._wal.exists() and self._wal.stat().st_size
        return not new and self._beside is not None and which_file(self._shared) == self._beside[1] is not None

    def commit(self, changes: Sequence[tuple[Event, Task]], served: Mapping[str, str] | None = None) -> None:
        """Append events, write the tasks as they stand after them, and let others serve points, in one transaction."""
        tasks = {task.id: task for _, task in changes}
        events = [(event.task, str(event.kind), event.at, text(event.data)) for event, _ in changes]
        with self.begin():
            self._raw.executemany(_INSERT_EVENT, events)
            for columns, rows in self._moved(tasks.values()).items():
                self._raw.executemany(_statement(columns), rows)
            if served:
                self._raw.executemany(_SERVE, [(new, old) for old, new in served.items()])
        self._remember(tasks)

    def _moved(self, tasks: Iterable[Task]) -> Mapping[tuple[str, ...], list[tuple[Any, ...]]]:
        """Return rows by the columns that they set; a task whose row is not known here is written whole."""
        rows: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for task in tasks:
            before = self._written.get(task.id)
            if before is None:
                rows[TASK_FIELDS].append(tuple(task_row(task).values()))
            elif new := _new(before, task):
                rows[tuple(new)].append((*new.values(), task.id))
        return rows

    def _remember(self, tasks: Mapping[str, Task]) -> None:
        self._written |= tasks
        for task_id in [task_id for task_id, task in tasks.items() if task.state.is_final]:
            del self._written[task_id]


def which_file(path: Path | str) -> _File:
    """Return which file is at a path now, in a form to compare; `None` where there is none that can be asked."""
    try:
        found = os.stat(path)  # noqa: PTH116 - at every commit, and a path object costs several times that
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _let_go(process: int, engine: sa.Engine, held: sa.Connection) -> None:
    """Close a connection for good; done by itself at the latest when its writer goes, or the interpreter ends.

    In a fork it is left alone: it is the other process's.
    """
    if os.getpid() == process:
        held.close()
        engine.dispose()


def _unwritable(path: Path, error: sa.exc.DBAPIError | sqlite3.Error) -> LabError:
    said = str(error.orig if isinstance(error, sa.exc.DBAPIError) else error)
    if "locked" not in said:
        return unwritable(path, told_by_sqlite(path, said), THEN)
    return LabUnwritable(f"{path} cannot be written ({said} by another program, and stays so): {THEN}")


def _new(before: Task, task: Task) -> dict[str, Any]:
    """Return the columns that changed; what a task took over from the one before is the very same object."""
    was, now = _values(before), _values(task)
    return spelled(dict(compress(zip(_CHANGING, now, strict=True), map(is_not, was, now))))


@cache
def _statement(columns: tuple[str, ...]) -> str:
    """Return the statement that updates some columns of a row, or that writes all of one, there or not."""
    if columns != TASK_FIELDS:
        return f"UPDATE tasks SET {', '.join(f'{name}=?' for name in columns)} WHERE id=?"  # noqa: S608
    marks, taken = ", ".join("?" * len(columns)), ", ".join(f"{name}=excluded.{name}" for name in columns)
    return f"INSERT INTO tasks ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {taken}"  # noqa: S608


def _engine(path: Path, busy_s: float) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": busy_s, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "begin")
    def _immediate(db: sa.Connection) -> None:
        # A plain BEGIN that reads and then writes fails at once when another process wrote in between.
        db.connection.driver_connection.execute("BEGIN IMMEDIATE")  # type: ignore[union-attr]

    try:
        _set_wal(engine)
    except sa.exc.DatabaseError as error:
        engine.dispose()
        if type(error.orig).__name__ == "OperationalError":  # not the file's fault, but of where it lies
            raise _unwritable(path, error) from error
        message = f"{path} cannot be opened as a log for writing: {error.orig}; move it away, or choose another folder; nothing was changed"
        raise LabError(message) from error
    return engine


def _set_wal(engine: sa.Engine, tries: int = 20) -> None:
    """Switch to WAL; two processes doing so on a new file collide in spite of the busy timeout."""
    try:
        raw = engine.raw_connection()
    except sqlite3.Error as error:  # as it is: what connects by itself is not SQLAlchemy's to translate
        raise sa.exc.OperationalError(str(error), None, error) from error
    try:
        for n in range(tries):
            try:
                raw.execute("PRAGMA journal_mode=WAL")
                raw.execute("PRAGMA synchronous=FULL")
            except Exception as error:
                if "locked" not in str(error) or n == tries - 1:
                    raise sa.exc.OperationalError(str(error), None, error) from error
                time.sleep(0.05)
            else:
                return
    finally:
        raw.close()
