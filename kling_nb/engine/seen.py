"""A run as a process holds it that only reads its lab: it sees, and whatever steers needs the turn to drive."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..keywords import answering
from ..log import ExperimentLog, RunRow
from ..states import MOVING, TaskState
from ..task import Task
from .opening import Opened
from .run import Run
from .snapshot import Moment, Snapshot, snapshot_of


@answering("kn.Run", "run")
class SeenRun(Run):
    """The handle of a run in a lab that another process drives, or that cannot be written.

    `df`, `tasks` and `snapshot` read the log as it is now. Waiting and steering raise `LabBusy` while that process is
    there, or `LabUnwritable`, and drive from here when neither is so any more.
    """

    def __init__(self, opened: Opened, name: str, *, simulated: bool) -> None:
        self._opened = opened
        self._name = name
        self._folder = opened.folder
        self._simulated = simulated
        self._log = opened.log
        self._known = _Known(opened.log)

    def _driven(self) -> Run:
        """Return the handle of one who drives; raises `LabBusy` where that is another process, or `LabUnwritable`."""
        engine = self._opened.driving()
        control = engine.control(self._name)
        return Run(engine, control, self._opened.log, self._folder, simulated=self._simulated)

    @property
    def name(self) -> str:
        """The name that it is stored under."""
        return self._name

    @property
    def _row(self) -> RunRow:
        return self._log.read_runs(self._name)[0]

    @property
    def tasks(self) -> list[Task]:
        """The tasks that serve the points, each once, as they stand now."""
        return self._known.tasks(self._log.serving(self._name))

    def task_for(self, identity: str) -> Task:
        """Return the task that serves the point of an identity."""
        serving = {point.identity: point.task for point in self._log.read_points(self._name)}
        return self._log.tasks_by_id([serving[identity]])[0]

    @property
    def is_moving(self) -> bool:
        """Whether something was under way when the log was last written."""
        return any(task.state in MOVING for task in self.tasks)

    @property
    def held(self) -> str | None:
        """Who drives, or why nobody can, if anything is left to be sent; `None` if nothing is."""
        return next(iter(self._held(self.tasks)), None)

    def _held(self, tasks: Iterable[Task]) -> Mapping[str, Sequence[str]]:
        planned = [task.id for task in tasks if task.state is TaskState.PLANNED]
        return {f"read only: {self._opened.hindrance()}": planned} if planned else {}

    def snapshot(self) -> Snapshot:
        """Return how it stands, frozen."""
        tasks, bought = self.tasks, self._known.tasks(self._log.task_ids_of(self._name))
        now = Moment(
            moving=any(task.state in MOVING for task in tasks),
            held=self._held(tasks),
            spent=sum((task.spent for task in bought), Decimal(0)),
            reserved=sum((task.reserved for task in bought), Decimal(0)),
            samples=self._log.serving(self._name),
            files=self._log.files(),
        )
        return snapshot_of(self._row, tasks, now, simulated=self._simulated)

    # -- what needs a driver -----------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> Run:
        """Wait as a driver; see `Run.wait`."""
        return self._driven().wait(timeout)

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait as a driver, on the caller's own loop."""
        return self._driven().__await__()

    def as_completed(self) -> Iterator[Task]:
        """Yield tasks as a driver; see `Run.as_completed`."""
        return self._driven().as_completed()

    def pause(self) -> Run:
        """Pause as a driver; see `Run.pause`."""
        return self._driven().pause()

    def resume(self) -> Run:
        """Go on as a driver; see `Run.resume`."""
        return self._driven().resume()

    def cancel(self) -> str:
        """Cancel as a driver; see `Run.cancel`."""
        return self._driven().cancel()

    def retry(self, *, uncertain: bool = False, stalled: bool = False, expired: bool = False) -> Run:
        """Buy again as a driver; see `Run.retry`."""
        return self._driven().retry(uncertain=uncertain, stalled=stalled, expired=expired)


class _Known:
    """Tasks as the log holds them, of which only what changed is read again: a panel looks five times a second.

    May be asked from any thread.
    """

    def __init__(self, log: ExperimentLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._tasks: dict[str, Task] = {}
        self._last: tuple[int, str, float] | None = None  # the last event that was seen

    def tasks(self, task_ids: Iterable[str]) -> list[Task]:
        """Return tasks by their ids, as they stand now; one that the log does not hold is left out."""
        with self._lock:
            events = self._events()
            wanted = dict.fromkeys(task_ids)
            changed = self._tasks.keys() & {task for _, task, _ in events[1:]}
            stale = (wanted.keys() - self._tasks.keys()) | changed
            self._tasks |= {task.id: task for task in self._log.tasks_by_id(stale)}
            self._last = events[-1] if events else None
            return [self._tasks[task_id] for task_id in wanted if task_id in self._tasks]

    def _events(self) -> list[tuple[int, str, float]]:
        """Return the last event that was seen and those after it; a log that lacks that event is another by now."""
        if self._last is not None:
            events = self._log.events_from(self._last[0])
            if events[:1] == [self._last]:
                return events
            self._tasks.clear()
        return self._log.events_from(None)
