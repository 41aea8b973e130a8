"""The experiment log: events, tasks, runs and points, in SQL.

``events`` is append-only. A task's row changes in the transaction that appends the event which changed it. One
writer, on the engine's thread; readers open their own read-only connection and never wait for it.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.pool import NullPool, StaticPool

from .errors import LabError, LabMode, LogTooNew
from .task import Clip, Cost, Event, Task, TaskState, Ticket

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
BUSY_S = 10
FILE = "log.sqlite"
READ_ONLY = {"mode": "ro", "uri": "true"}

_schema = sa.MetaData()
META = sa.Table("meta", _schema, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String))
TASKS = sa.Table(
    "tasks",
    _schema,
    sa.Column("id", sa.String, primary_key=True),
    *(
        sa.Column(name, sa.String, index=name in ("identity", "state", "run"))
        for name in (
            "identity",
            "provider",
            "model",
            "run",
            "state",
            "reason",
            "cause",
            "note",
            "estimate_low",
            "estimate_high",
            "request",
            "call",
            "ticket",
            "asset",
            "cost",
            "clip",
        )
    ),
    *(sa.Column(name, sa.Integer) for name in ("attempt", "unwanted", "charged")),
    *(
        sa.Column(name, sa.Float)
        for name in ("rating", "planned_at", "submitted_at", "accepted_at", "changed_at", "done_at", "saved_at")
    ),
)
EVENTS = sa.Table(
    "events",
    _schema,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("task", sa.String, index=True),
    sa.Column("kind", sa.String),
    sa.Column("at", sa.Float),
    sa.Column("data", sa.String),
)
RUNS = sa.Table(
    "runs",
    _schema,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("started_at", sa.Float),
    sa.Column("state", sa.String),
    sa.Column("budget", sa.String),
    sa.Column("sweep", sa.String),
)
POINTS = sa.Table(
    "points",
    _schema,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("point", sa.Integer, primary_key=True),
    sa.Column("sample", sa.Integer),
    sa.Column("identity", sa.String, index=True),
    sa.Column("task", sa.String, index=True),
    sa.Column("template", sa.String),
    sa.Column("variables", sa.String),
    sa.Column("losses", sa.String),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PointRow:
    """One point of a run, as the log keeps it: which task serves it, and how it came to be."""

    run: str
    point: int
    sample: int
    identity: str
    task: str
    template: str = ""
    variables: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A started sweep: its name, when, whether it may submit, its ceiling in USD, and the sweep as TOML."""

    name: str
    started_at: float
    state: str = "running"  # running | paused | cancelled
    budget: Decimal | None = None
    sweep: str = ""


class ExperimentLog:
    """The log of one lab folder.

    Guarantees: when `commit` returns, what it was given is on disk (SQLite WAL, ``synchronous=FULL``). `commit`
    and the other writing methods belong to one thread; reading methods may be called from any.
    """

    def __init__(self, folder: Path, *, simulated: bool, write: bool) -> None:
        self.path = folder / FILE
        self._writer: sa.Engine | None = None
        self._held: sa.Connection | None = None
        if not write and not self.path.exists():
            message = f"expected a lab folder with a {FILE}, found none in {folder}; open it once as its driver"
            raise LabError(message)
        self._reader = _reader(self.path)
        try:
            if write:
                self._writer = _writer(self.path)
                self._held = self._writer.connect()  # one for life: checking one out costs as much as an event
                self._make(simulated=simulated)
            self.check(simulated=simulated)
        except BaseException:
            self.close()
            raise

    # -- opening ----------------------------------------------------------------------------------------------

    def _make(self, *, simulated: bool) -> None:
        facts = {"schema_version": str(SCHEMA_VERSION), "simulated": str(int(simulated)), "lab": uuid.uuid4().hex}
        with self._begin() as db:
            if not sa.inspect(db).has_table("meta"):
                _schema.create_all(db)
                db.execute(META.insert(), [{"key": key, "value": value} for key, value in facts.items()])

    def check(self, *, simulated: bool) -> None:
        """Raise `LogTooNew` for a log of a later version, `LabMode` for one that is simulated and should be live."""
        version = int(self.fact("schema_version") or 0)
        if version > SCHEMA_VERSION:
            message = f"{self.path} was written by a later version (schema {version}, this one reads {SCHEMA_VERSION}); upgrade kling_nb to open it; nothing was changed"
            raise LogTooNew(message)
        was = self.fact("simulated") == "1"
        if was != simulated:
            one, other = ("simulated", "live") if was else ("live", "simulated")
            message = f"{self.path.parent} is a {one} lab and cannot be opened {other}: {'add' if was else 'leave out'} simulate=True, or choose another folder"
            raise LabMode(message)

    def close(self) -> None:
        """Close both connections."""
        if self._held is not None:
            self._held.close()
        for engine in filter(None, (self._writer, self._reader)):
            engine.dispose()

    # -- writing, on the engine's thread -----------------------------------------------------------------------

    @contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        """Write in one transaction; raises `LabError` where the file does not take it, and then nothing is written."""
        if self._held is None:
            message = f"{self.path} is open for reading only"
            raise LabError(message)
        try:
            with self._held.begin():
                yield self._held
        except sa.exc.DBAPIError as error:
            message = (
                f"{self.path} cannot be written ({error.orig}): nothing more is sent; mend that and open the lab again"
            )
            raise LabError(message) from error

    def commit(self, changes: Sequence[tuple[Event, Task]]) -> None:
        """Append events and write the tasks as they stand after them, in one transaction."""
        rows = {task.id: task_row(task) for _, task in changes}
        events = [{"task": e.task, "kind": e.kind, "at": e.at, "data": _text(e.data)} for e, _ in changes]
        with self._begin() as db:
            if events:
                db.execute(EVENTS.insert(), events)
                db.execute(_UPSERT, list(rows.values()))

    def add_run(self, run: RunRow, points: Sequence[PointRow]) -> None:
        """Write a run and its points, in place of what it had before."""
        with self._begin() as db:
            db.execute(RUNS.delete().where(RUNS.c.name == run.name))
            db.execute(RUNS.insert(), {**asdict(run), "budget": _decimal_text(run.budget)})
            db.execute(POINTS.delete().where(POINTS.c.run == run.name))
            if points:
                db.execute(POINTS.insert(), [_point_row(point) for point in points])

    def set_run(self, name: str, **changes: Any) -> None:
        """Change columns of a run."""
        with self._begin() as db:
            db.execute(RUNS.update().where(RUNS.c.name == name), changes)

    def point_to(self, old: str, new: str) -> None:
        """Let every point that one task served be served by another."""
        with self._begin() as db:
            db.execute(POINTS.update().where(POINTS.c.task == old), {"task": new})

    def set_fact(self, key: str, value: str) -> None:
        """Keep a fact of the lab, such as who drives it."""
        with self._begin() as db:
            db.execute(META.delete().where(META.c.key == key))
            db.execute(META.insert(), {"key": key, "value": value})

    # -- reading, from any thread ------------------------------------------------------------------------------

    def _rows(self, query: Any) -> Sequence[Any]:
        with self._reader.connect() as db:
            return db.execute(query).all()

    def _records(self, query: Any) -> list[dict[str, Any]]:
        with self._reader.connect() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def fact(self, key: str) -> str | None:
        """Return a fact of the lab, or `None`."""
        rows = self._rows(sa.select(META.c.value).where(META.c.key == key))
        return None if not rows else str(rows[0][0])

    def read_tasks(self, where: Any = None) -> list[Task]:
        """Return tasks, oldest first."""
        query = sa.select(TASKS).order_by(TASKS.c.planned_at, sa.text("rowid"))
        return [task_from(row) for row in self._records(query if where is None else query.where(where))]

    def open_tasks(self) -> list[Task]:
        """Return the tasks that are not at their end."""
        return self.read_tasks(TASKS.c.state.not_in([state.value for state in TaskState if state.is_final]))

    def latest(self, identities: Iterable[str]) -> dict[str, Task]:
        """Return the last attempt at each identity that was ever planned."""
        tasks = self._tasks_in(TASKS.c.identity, identities)
        return {task.identity: task for task in sorted(tasks, key=lambda task: task.attempt)}

    def known(self, identities: Iterable[str], *, shared: bool = True) -> dict[str, Task]:
        """Return what serves each identity best: an attempt at it, or with ``shared`` the task of another's point.

        What is saved comes before what runs or is in doubt, that before what is planned, that before what failed; a
        later attempt that was cancelled or refused never hides an earlier one that was bought.
        """
        wanted = set(identities)
        own = [(task.identity, task) for task in self._tasks_in(TASKS.c.identity, wanted)]
        best: dict[str, Task] = {}
        for identity, task in [*own, *(self._serving(wanted) if shared else ())]:
            if identity not in best or _worth(task) > _worth(best[identity]):
                best[identity] = task
        return best

    def _serving(self, identities: Iterable[str]) -> list[tuple[str, Task]]:
        pairs: set[tuple[str, str]] = set()
        for part in _parts(identities):
            query = sa.select(POINTS.c.identity, POINTS.c.task).where(POINTS.c.identity.in_(part))
            pairs |= {(row.identity, row.task) for row in self._rows(query)}
        tasks = {task.id: task for task in self.tasks_by_id({task_id for _, task_id in pairs})}
        return [(identity, tasks[task_id]) for identity, task_id in sorted(pairs) if task_id in tasks]

    def serves(self, task_id: str) -> bool:
        """Tell whether any run has a point that a task serves."""
        return bool(self._rows(sa.select(POINTS.c.run).where(POINTS.c.task == task_id).limit(1)))

    def wanted_elsewhere(self, run: str) -> set[str]:
        """Return the tasks that serve points of other runs which were neither paused nor cancelled."""
        query = sa.select(POINTS.c.task).join(RUNS, RUNS.c.name == POINTS.c.run)
        return {row.task for row in self._rows(query.where(RUNS.c.state == "running", POINTS.c.run != run))}

    def others_with(self, task_id: str, run: str) -> list[str]:
        """Return the other runs that have a point which a task serves and were not cancelled, oldest first."""
        query = sa.select(RUNS.c.name).join(POINTS, RUNS.c.name == POINTS.c.run).order_by(RUNS.c.started_at)
        wanting = (POINTS.c.task == task_id, RUNS.c.state != "cancelled", RUNS.c.name != run)
        return list(dict.fromkeys(row.name for row in self._rows(query.where(*wanting))))

    def tasks_of(self, run: str) -> list[Task]:
        """Return every task that a run bought or means to, earlier attempts included."""
        return self.read_tasks(TASKS.c.run == run)

    def tasks_by_id(self, task_ids: Iterable[str]) -> list[Task]:
        """Return tasks by their ids."""
        return self._tasks_in(TASKS.c.id, task_ids)

    def _tasks_in(self, column: Any, values: Iterable[str]) -> list[Task]:
        """Return the tasks whose column holds one of many values, some hundred at a time."""
        return [task for part in _parts(values) for task in self.read_tasks(column.in_(part))]

    def read_runs(self) -> list[RunRow]:
        """Return all runs, oldest first."""
        rows = self._records(sa.select(RUNS).order_by(RUNS.c.started_at))
        return [RunRow(**{**row, "budget": _decimal(row["budget"])}) for row in rows]

    def read_points(self, run: str | None = None) -> list[PointRow]:
        """Return the points of a run, or of all, in order."""
        query = sa.select(POINTS).order_by(POINTS.c.run, POINTS.c.point)
        rows = self._records(query if run is None else query.where(POINTS.c.run == run))
        return [_point_from(row) for row in rows]

    def last_at(self) -> float | None:
        """Return the time of the last event, in Unix seconds."""
        return self._rows(sa.select(sa.func.max(EVENTS.c.at)))[0][0]  # type: ignore[no-any-return]

    def durations(self) -> list[tuple[str, str, Mapping[str, Any], float]]:
        """Return provider, model, request and seconds from acceptance to done of every finished task."""
        c = TASKS.c
        query = sa.select(c.provider, c.model, c.request, c.done_at - c.accepted_at)
        rows = self._rows(query.where(c.asset.is_not(None), c.accepted_at.is_not(None)))
        return [(row[0], row[1], json.loads(row[2]), row[3]) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many tasks are in each state."""
        rows = self._rows(sa.select(TASKS.c.state, sa.func.count()).group_by(TASKS.c.state))
        found = dict(tuple(row) for row in rows)
        return {state.value: found[state.value] for state in TaskState if state.value in found}

    def runs(self) -> pd.DataFrame:
        """Return one row a run: name, when it was started, its state and budget, its points by state, its money."""
        from . import frames

        rows = self.read_runs()
        return frames.runs_frame([(row, self._served(row.name), self.tasks_of(row.name)) for row in rows])

    def _served(self, run: str) -> list[Task]:
        by_id = {task.id: task for task in self.tasks_by_id(point.task for point in self.read_points(run))}
        return [by_id[point.task] for point in self.read_points(run) if point.task in by_id]

    def spending(self, by: Sequence[str]) -> pd.DataFrame:
        """Return what was spent and what may still be charged, in USD, by ``day``, ``provider``, ``model``, ``run``."""
        from . import frames

        return frames.spending_frame(self.read_tasks(), by)

    def df(self, run: str | None = None) -> pd.DataFrame:
        """Return one row a point, of one run or of all, with the columns that `frames.POINT_COLUMNS` declares."""
        from . import frames

        order = {row.name: n for n, row in enumerate(self.read_runs())}
        points = sorted(self.read_points(run), key=lambda point: (order.get(point.run, 0), point.point))
        by_id = {task.id: task for task in self.read_tasks()}
        return frames.points_frame([(point, by_id[point.task]) for point in points if point.task in by_id])

    def tasks(self) -> pd.DataFrame:
        """Return one row a task: every attempt ever made, with the columns that `frames.TASK_COLUMNS` declares."""
        from . import frames

        return frames.tasks_frame(self.read_tasks())

    def events(self, task: str | None = None) -> pd.DataFrame:
        """Return every event, of one task or of all, oldest first: ``seq, task, kind, at, data``."""
        from . import frames

        query = sa.select(EVENTS).order_by(EVENTS.c.seq)
        return frames.events_frame(self._records(query if task is None else query.where(EVENTS.c.task == task)))


def _worth(task: Task) -> tuple[int, int]:
    """Return how well a task serves its point, to be compared; of two as good the later attempt is better."""
    state = task.state
    sent = 3 if state.is_sent else 0
    rank = {TaskState.SAVED: 4, TaskState.PLANNED: 2, TaskState.FAILED: 1}.get(state, sent)
    return rank, task.attempt


def is_simulated(folder: Path) -> bool:
    """Tell whether a lab folder is simulated; raises `LabError` where there is no log to ask."""
    path = folder / FILE
    if not path.is_file():
        message = f"expected a lab folder with a {FILE}, found none in {folder}"
        raise LabError(message)
    reader = _reader(path)
    with reader.connect() as db:
        return db.execute(sa.select(META.c.value).where(META.c.key == "simulated")).scalar() == "1"


def _parts(values: Iterable[str]) -> list[list[str]]:
    """Return values in portions that one query takes, each value once."""
    wanted = sorted(set(values))
    return [wanted[start : start + 500] for start in range(0, len(wanted), 500)]


def _reader(path: Path) -> sa.Engine:
    # As a file URI, since only that can say read-only; quoted, since a folder may be called "what? #2".
    place = "file:" + quote(path.resolve().as_posix())
    return sa.create_engine(sa.URL.create("sqlite", database=place, query=READ_ONLY), poolclass=NullPool)


def _writer(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": BUSY_S, "isolation_level": None},
    )

    @sa.event.listens_for(engine, "begin")
    def _immediate(db: sa.Connection) -> None:
        # A plain BEGIN that reads and then writes fails at once when another process wrote in between.
        db.exec_driver_sql("BEGIN IMMEDIATE")

    try:
        _set_wal(engine)
    except sa.exc.DatabaseError as error:
        engine.dispose()
        message = f"{path} cannot be opened as a log for writing: {error.orig}"
        raise LabError(message) from error
    return engine


def _set_wal(engine: sa.Engine, tries: int = 20) -> None:
    """Switch to WAL; two processes doing so on a new file collide in spite of the busy timeout."""
    raw = engine.raw_connection()
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


_JSON_COLUMNS = ("request", "call", "ticket", "asset", "cost", "clip")
_DECIMAL_COLUMNS = ("estimate_low", "estimate_high")
_TASK_FIELDS = tuple(f.name for f in fields(Task))
_UPSERT = sa.text(
    f"INSERT INTO tasks ({', '.join(_TASK_FIELDS)}) VALUES ({', '.join(':' + n for n in _TASK_FIELDS)}) "  # noqa: S608
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{n}=excluded.{n}' for n in _TASK_FIELDS)}"
)


def task_row(task: Task) -> dict[str, Any]:
    """Return a task as a row of plain column values; `task_from` is its inverse."""
    row = {name: getattr(task, name) for name in _TASK_FIELDS}
    row["state"] = task.state.value
    for name in _JSON_COLUMNS:
        row[name] = _record_text(row[name])
    for name in _DECIMAL_COLUMNS:
        row[name] = _decimal_text(row[name])
    return row


def task_from(row: Mapping[str, Any]) -> Task:
    """Return the task that a row holds."""
    values = {name: row[name] for name in _TASK_FIELDS}
    values |= {name: _decimal(values[name]) for name in _DECIMAL_COLUMNS}
    values |= {name: _frozen(values[name]) or MappingProxyType({}) for name in ("request", "call")}
    values["state"] = TaskState(values["state"])
    values["unwanted"] = bool(values["unwanted"])
    values["charged"] = None if values["charged"] is None else bool(values["charged"])
    values["asset"] = _frozen(values["asset"])
    values["ticket"] = _ticket_from(_load(values["ticket"]))
    values["cost"] = _cost_from(_load(values["cost"]))
    values["clip"] = _clip_from(_load(values["clip"]))
    return Task(**values)


def _record_text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case Ticket():
            return _text({"id": value.id, "data": dict(value.data)})
        case Cost():
            return _text({"amount": str(value.amount), "unit": value.unit, "usd": _decimal_text(value.usd)})
        case Clip():
            return _text(asdict(value))
        case _:
            return _text(value)


def _ticket_from(value: Any) -> Ticket | None:
    return None if value is None else Ticket(value["id"], MappingProxyType(value["data"]))


def _cost_from(value: Any) -> Cost | None:
    return None if value is None else Cost(Decimal(value["amount"]), value["unit"], _decimal(value["usd"]))


def _clip_from(value: Any) -> Clip | None:
    return None if value is None else Clip(**{**value, "flags": tuple(value["flags"])})


def _frozen(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else MappingProxyType(json.loads(text))


def _load(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _text(value: Any) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _decimal_text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _point_row(point: PointRow) -> dict[str, Any]:
    row = {f.name: getattr(point, f.name) for f in fields(PointRow)}
    return {**row, "variables": _text(point.variables), "losses": _text(list(point.losses))}


def _point_from(row: Mapping[str, Any]) -> PointRow:
    variables = MappingProxyType(json.loads(row["variables"]))
    return PointRow(**{**row, "variables": variables, "losses": tuple(json.loads(row["losses"]))})
