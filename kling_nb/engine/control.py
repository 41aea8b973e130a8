"""What a run is on the engine's side: its points, whether it may submit, and when it is at rest; and all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..log import ExperimentLog, PointRow, RunRow
from ..task import Event, Task
from .book import Book
from .order import Order, appended

_logger = logging.getLogger("kling_nb")

Heard = Callable[[Event, Task], None]


@dataclass
class Control:
    """One run. Changed on the engine's thread only; reading `row`, `points` and `held` from another is safe.

    ``resumed`` is whether this process may submit its points: opening a lab never does. ``asked`` are tasks that a
    person wants submitted all the same. ``held`` is why it does not go on by itself, in words, or what says so as of now.
    """

    row: RunRow
    points: tuple[PointRow, ...]
    resumed: bool = False
    asked: set[str] = field(default_factory=set)
    held: str | Callable[[], str] | None = None
    idle: threading.Event = field(default_factory=threading.Event)
    heard: list[Heard] = field(default_factory=list)
    at_rest: list[Callable[[], object]] = field(default_factory=list)
    files: Mapping[str, str] = field(default_factory=dict)  # the paths that the lab's images were given by
    one_by_one: bool = False  # its points were asked for singly: one that goes on does not wake the others
    task_ids: dict[str, int] = field(init=False)  # the tasks that serve the points, each once, in order: which sample

    def __post_init__(self) -> None:
        self.show(self.points)

    def show(self, points: Iterable[PointRow]) -> None:
        """Change the points. `task_ids` is made at once: made when asked, another thread might keep an old one."""
        self.points = tuple(points)
        self.task_ids = {point.task: point.sample for point in self.points}

    def submits(self, task_id: str = "") -> bool:
        """Tell whether it may submit now, or may submit this task: whether `hold` has no words, which are made when read."""
        is_open = self.row.state == "running" and self.resumed
        return self.held is None and (is_open or task_id in self.asked)

    def hold(self, task_id: str = "") -> str | None:
        """Return why nothing may be submitted now, if so; or why this task may not."""
        if task_id in self.asked:
            return self._held_now()
        if self.row.state != "running":
            return self.row.state
        return self._held_now() if self.resumed else "not resumed since the lab was opened; run.resume() continues it"

    def _held_now(self) -> str | None:
        held = self.held
        return held() if callable(held) else held

    def serve(self, new: Mapping[str, str]) -> None:
        """Let the points of tasks be served by others, given by the ids of the old ones."""
        if new.keys() & self.task_ids.keys():
            self.show(replace(p, task=new[p.task]) if p.task in new else p for p in self.points)

    def wake(self) -> None:
        """Say that work is under way."""
        self.idle.clear()

    def rest(self) -> None:
        """Say that nothing moves any more without a person."""
        if not self.idle.is_set():
            self.idle.set()
            for told in tuple(self.at_rest):
                _tell(told)

    def tell(self, event: Event, task: Task) -> None:
        """Pass an event on to whoever listens."""
        for heard in tuple(self.heard):
            _tell(heard, event, task)


def _tell(told: Callable[..., object], *what: object) -> None:
    """Tell a listener; if the listener fails, that must not stop what is being bought."""
    try:
        told(*what)
    except Exception:  # a view of any kind
        _logger.exception("whoever listens to a run failed")


class Controls(dict[str, Control]):
    """The runs that are in memory, by name; `find` takes in those that only the log holds."""

    def __init__(self, log: ExperimentLog, book: Book) -> None:
        super().__init__()
        self._log = log
        self._book = book

    def find(self, name: str) -> Control | None:
        """Return a run, or `None` where the log has none of that name."""
        if name not in self and (control := self._stored(name)) is not None:
            self[name] = control
            self._load(control)
        return self.get(name)

    def begin(self, order: Order, points: Sequence[PointRow], now: float) -> Control:
        """Write a run with its points, or with those that are appended to what it has, and return it."""
        old = self.find(order.name)
        if order.append and old is not None:
            points = appended(old.points, points)
        row = RunRow(
            name=order.name,
            started_at=old.row.started_at if old else now,
            budget=order.budget if order.budget is not None or old is None else old.row.budget,
            sweep=order.sweep,
        )
        self._log.add_run(row, points, order.files, order.asked)
        control = self[order.name] = old or Control(row, tuple(points))
        control.row, control.one_by_one = row, order.append
        control.show(points)
        self._load(control)
        return control

    def set_state(self, control: Control, state: str) -> None:
        """Change whether a run may submit, here and in the log."""
        control.row = replace(control.row, state=state)
        control.asked.clear()
        self._log.set_run(control.row.name, state=state)

    def _stored(self, name: str) -> Control | None:
        rows = self._log.read_runs(name)
        return Control(rows[0], tuple(self._log.read_points(name))) if rows else None

    def _load(self, control: Control) -> None:
        """Take in what a run's points need, and all that its money went to: earlier attempts count too."""
        needed = self._log.task_ids_of(control.row.name) | control.task_ids.keys()
        self._book.take(self._log.tasks_by_id(needed - self._book.tasks.keys()))
        control.files = self._log.files()
