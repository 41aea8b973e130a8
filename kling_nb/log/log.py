"""The log of a lab folder: opened, asked and written."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from ..errors import LabError, LabMode, LogTooNew
from ..task import Event, Task
from .reading import ASKED_AT, DAILY_BUDGET, FILE_OF, reader
from .rows import POINT_FIELDS, PointRow, RunRow, decimal_text, point_row, run_row, text
from .schema import EVENTS, FILE, META, POINTS, RUNS, SCHEMA, SCHEMA_VERSION
from .tabled import Tabled
from .writing import BUSY_S, Refuse, Writer

# As it is for the driver, which knows its marks: SQLAlchemy's part in each row costs more than the database's.
_COLUMNS, _VALUES = ", ".join(POINT_FIELDS), ", ".join(f":{name}" for name in POINT_FIELDS)
_NEW = ", ".join(f"excluded.{name}" for name in POINT_FIELDS)
_DROP_POINT = "DELETE FROM points WHERE run=? AND point=?"
# A row that stays as it is dirties no page: a run that grows by one point would be written whole each time.
_PUT_POINT = (
    f"INSERT INTO points ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (run, point) DO UPDATE "  # noqa: S608
    f"SET ({_COLUMNS}) = ({_NEW}) WHERE ({_COLUMNS}) IS NOT ({_NEW})"
)

_PUT_FACT = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value != excluded.value"


class ExperimentLog(Tabled):
    """The log of one lab folder.

    Guarantees: when `commit` returns, what it was given is on disk (SQLite WAL, ``synchronous=FULL``). `commit`
    and the other writing methods belong to one thread; reading methods may be called from any.
    """

    def __init__(self, folder: Path, *, simulated: bool, write: bool, busy_s: float = BUSY_S) -> None:
        self._writer: Writer | None = None
        with suppress(sa.exc.DatabaseError):  # a file that is no log: whatever opens it says so
            if not _is_made(folder / FILE):
                _check_new(folder, write=write)
        super().__init__(folder / FILE)
        try:
            if write:
                self._writer = Writer(self.path, busy_s)
                self._make(simulated=simulated)
            self.check(simulated=simulated)
        except BaseException:
            self.close()
            raise

    # -- opening ----------------------------------------------------------------------------------------------

    def _make(self, *, simulated: bool) -> None:
        facts = {"schema_version": str(SCHEMA_VERSION), "simulated": str(int(simulated)), "lab": uuid.uuid4().hex}
        with self._begin() as db:
            tables = sa.inspect(db).get_table_names()
            if "meta" not in tables:
                self._check_is_ours(tables)
                SCHEMA.create_all(db)
                db.execute(META.insert(), [{"key": key, "value": value} for key, value in facts.items()])

    def _check_is_ours(self, tables: Sequence[str]) -> None:
        """Raise `LabError` for a database of another program, which is not written to."""
        if tables:
            message = f"{self.path} is a database of another program, with the table {tables[0][:40]!r}: move it away, or choose another folder; nothing was changed"
            raise LabError(message)

    def check(self, *, simulated: bool) -> None:
        """Raise `LogTooNew` for a log of a later version, `LabMode` for one that is simulated and should be live."""
        written = self.fact("schema_version") or "0"
        if not written.isdecimal():
            message = f"{self.path} is not a log of this library: its schema is {written[:40]!r}, expected a number; restore a copy, or choose another folder; nothing was changed"
            raise LabError(message)
        version = int(written)
        if version > SCHEMA_VERSION:
            message = f"{self.path} was written by a later version (schema {version}, this one reads {SCHEMA_VERSION}); upgrade kling_nb to open it; nothing was changed"
            raise LogTooNew(message)
        was = self.fact("simulated") == "1"
        if was != simulated:
            one, other = ("simulated", "live") if was else ("live", "simulated")
            hint = f"{'add' if was else 'leave out'} simulate=True, or choose another folder"
            if not self.counts():
                hint += (
                    "; it is still empty, so you may also delete it and start over, after lab.close() where it is open"
                )
            message = f"{self.path.parent} is a {one} lab and cannot be opened {other}: {hint}"
            raise LabMode(message)

    def close(self) -> None:
        """Close both connections."""
        if self._writer is not None:
            self._writer.close()
        self._reader.dispose()

    # -- writing, on the engine's thread -----------------------------------------------------------------------

    def _begin(self) -> AbstractContextManager[sa.Connection]:
        return self._driven().begin()

    def _driven(self) -> Writer:
        if self._writer is None:
            message = f"{self.path} is open for reading only"
            raise LabError(message)
        return self._writer

    def commit(self, changes: Sequence[tuple[Event, Task]], served: Mapping[str, str] | None = None) -> None:
        """Append events and write the tasks as they stand after them, in one transaction.

        ``served`` names tasks whose points are served by another task from then on, and by which.
        """
        self._driven().commit(changes, served)

    def add_run(
        self,
        run: RunRow,
        points: Sequence[PointRow],
        files: Mapping[str, str] = MappingProxyType({}),
        asked: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        """Write a run and its points, in place of what it had before.

        ``files`` are the paths and addresses that images were given by, by reference; ``asked`` the requests of points
        that the task of another request serves, by identity.
        """
        facts = {FILE_OF + image: path for image, path in files.items()}
        facts |= {ASKED_AT + identity: text(request) for identity, request in asked.items()}
        with self._begin() as db:
            db.execute(RUNS.delete().where(RUNS.c.name == run.name))
            db.execute(RUNS.insert(), run_row(run))
            had = {*db.scalars(sa.select(POINTS.c.point).where(POINTS.c.run == run.name))}
            if gone := had - {point.point for point in points}:
                db.exec_driver_sql(_DROP_POINT, [(run.name, point) for point in gone])
            if points:
                db.exec_driver_sql(_PUT_POINT, [point_row(point) for point in points])
            if facts:
                db.exec_driver_sql(_PUT_FACT, list(facts.items()))

    def set_run(self, name: str, **changes: Any) -> None:
        """Change columns of a run."""
        with self._begin() as db:
            db.execute(RUNS.update().where(RUNS.c.name == name), changes)

    def set_daily_budget(self, amount: Decimal | None) -> None:
        """Keep the ceiling in USD for all that is submitted in a day; `None` lifts it."""
        self.set_fact(DAILY_BUDGET, decimal_text(amount) or "")

    def set_fact(self, key: str, value: str) -> None:
        """Keep a fact of the lab."""
        with self._begin() as db:
            _set_fact(db, key, value)

    def swap_fact(self, key: str, was: str | None, value: Callable[[int], str]) -> str | None:
        """Replace a fact that still is what it was, and return the new one; else change nothing, and return `None`.

        ``value`` makes the new one from the number of the last event, 0 if there is none.
        """
        with self._begin() as db:
            if db.execute(_fact(key)).scalar() != was:
                return None
            new = value(db.execute(sa.select(sa.func.max(EVENTS.c.seq))).scalar() or 0)
            _set_fact(db, key, new)
        return new

    def guard(self, key: str, value: str, refuse: Refuse) -> None:
        """Write nothing from now on unless a fact is this; ``refuse`` is told what it is, and makes the error."""
        self._driven().guard(key, value, refuse)


def _fact(key: str) -> sa.Select[Any]:
    return sa.select(META.c.value).where(META.c.key == key)


def _set_fact(db: sa.Connection, key: str, value: str) -> None:
    db.execute(META.delete().where(META.c.key == key))
    db.execute(META.insert(), {"key": key, "value": value})


def is_simulated(folder: Path) -> bool:
    """Tell whether a lab folder is simulated; raises `LabError` where there is no log to ask."""
    path = folder / FILE
    try:
        if _is_made(path):
            return _asked(path, "simulated") == "1"
    except sa.exc.DatabaseError as error:
        message = f"{path} cannot be read as a log ({error.orig}); nothing was changed; restore a copy of it"
        raise LabError(message) from error
    message = f"expected a lab folder with a {FILE}, found none in {folder}"
    raise LabError(message)


def stored_fact(folder: Path, key: str) -> str | None:
    """Return a fact of a lab folder without opening it; `None` too where there is no log that can be asked."""
    try:
        return _asked(folder / FILE, key) if _is_made(folder / FILE) else None
    except sa.exc.DatabaseError:
        return None


def _asked(path: Path, key: str) -> str | None:
    with reader(path).connect() as db:
        value: str | None = db.execute(_fact(key)).scalar()
        return value


def _check_new(folder: Path, *, write: bool) -> None:
    """Raise `LabError` where there is no log and none may be made: beside clips that were bought, one is missing."""
    if not write:
        message = f"expected a lab folder with a {FILE}, found none in {folder}; open it once as its driver"
        raise LabError(message)
    clip = next((folder / "clips").glob("*_kn-*.mp4"), None)
    if clip is not None:
        message = (
            f"expected the {FILE} that belongs to the clips in {folder}, such as {clip.name}, but found none: with a "
            f"new one, everything would be bought again. Restore {FILE}, with {FILE}-wal if there is one; or "
            "choose another folder, or move clips/ away; nothing was sent"
        )
        raise LabError(message)


def _is_made(path: Path) -> bool:
    """Tell whether there is a log: a process that ended while it made one has left a file without tables."""
    if os.path.isdir(path):  # noqa: PTH112 - as below
        message = f"expected a file or nothing at {path}, found a folder: move it away, or choose another lab folder"
        raise LabError(message)
    if not os.path.isfile(path):  # noqa: PTH113 - a path's own raises for a name that is too long
        return False
    with reader(path).connect() as db:
        return sa.inspect(db).has_table("meta")
