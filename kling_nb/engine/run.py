"""A run as a person holds it: a handle that waits, pauses, cancels and shows; safe from any thread."""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, LabError, anew, without_our_frames
from ..excerpts import as_code
from ..fields import flag
from ..keywords import answering
from ..log import ExperimentLog
from ..states import TaskState
from ..task import Event, Task
from .attempts import goes_on
from .control import Control, Heard
from .engine import Engine
from .interrupted import say_it_goes_on, saying_it_goes_on
from .snapshot import Moment, Snapshot, counted, in_one, others, snapshot_of

if TYPE_CHECKING:
    import pandas as pd

RETRIED = (TaskState.FAILED,)
WAIT_STEP_S = 0.2  # how often a blocking wait looks for an interrupt
STAYS = "run %r: %s cancelled, which %s does not undo; starting the sweep again buys what is missing"

_logger = logging.getLogger("kling_nb")


@answering("kn.Run", "run")
class Run:
    """A started sweep, stored under a name: ``lab.start(sweep)`` makes one, and ``lab.run(name)`` finds it again.

    It goes on by itself, whether or not anybody waits or holds it. ``run.df`` is its table. Every method may be called
    from any thread.
    """

    def __init__(
        self,
        engine: Engine,
        control: Control,
        log: ExperimentLog,
        folder: Path,
        *,
        simulated: bool,
        shows: bool = True,
    ) -> None:
        self._engine = engine
        self._control = control
        self._log = log
        self._folder = folder
        self._simulated = simulated
        self._shows = shows
        self._began = time.monotonic()
        self._began_at = engine.now()

    @property
    def name(self) -> str:
        """The name it is stored under."""
        return self._control.row.name

    @property
    def budget(self) -> Decimal | None:
        """Ceiling in USD, `None` where there is none; starting the sweep again under this name with another changes it."""
        return self.snapshot().budget

    @property
    def df(self) -> pd.DataFrame:
        """One row a point; see `lab.df`."""
        return self._log.df(self.name)

    @property
    def tasks(self) -> list[Task]:
        """The tasks that serve the points, each once, as they stand now."""
        return [self._engine.book.tasks[task_id] for task_id in self._control.task_ids]

    @property
    def is_moving(self) -> bool:
        """Whether something is under way, so that `wait` would block."""
        return not self._control.idle.is_set()

    @property
    def held(self) -> str | None:
        """Why the run does not go on by itself, in words; `None` if it does or is done."""
        tasks = self.tasks
        return in_one(counted(self._held(tasks)), sum(task.state is TaskState.PLANNED for task in tasks))

    def _held(self, tasks: Sequence[Task]) -> Mapping[str, Sequence[str]]:
        """Return why planned ones of the run's tasks are not submitted, and the ids of those that each reason holds."""
        waiting = [task for task in tasks if task.state is TaskState.PLANNED]
        if self._engine.lost is not None:  # what the turn says: the book hears of it a moment later
            return {str(self._engine.lost): [task.id for task in waiting]}
        return self._engine.held(waiting)

    # -- waiting -----------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> Run:
        """Block until nothing will move any more without a person; returns the run itself.

        By then all are saved, failed, refused or cancelled, or uncertain, stalled or held back (``run.held`` says why).
        After ``timeout`` real seconds it returns all the same, and raises nothing: look at ``run.is_moving``. An interrupt
        ends the waiting and the cell with `KeyboardInterrupt`; the run goes on, and one sentence says how to cancel it.
        A cell that awaits something is interrupted in ``await run`` alone. In a terminal it shows meanwhile how the run
        stands, unless it was started with ``show=False``.

        Raises `LabError` if the lab was closed meanwhile, `LabBusy` if another process took over, `KlingError` if the
        engine stopped, as on a disk that is full.
        """
        if timeout is not None and not isinstance(timeout, Real):
            message = f"timeout={as_code(timeout)}: expected a number of seconds; the run goes on"
            raise InputError(message)
        with saying_it_goes_on(self.name):
            self._rest_within(math.inf if timeout is None else timeout)
        self._raise_broken()
        return self

    def _rest_within(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with self._progress() as look:
            while not self._control.idle.wait(WAIT_STEP_S):
                look()
                if time.monotonic() >= end:
                    return

    def _progress(self) -> AbstractContextManager[Callable[[], None]]:
        from ..views import terminal_wait

        return terminal_wait.progress(self) if self._shows else nullcontext(lambda: None)

    def task_for(self, identity: str) -> Task:
        """Return the task that serves the point of an identity (column ``identity``), its own or one that it shares.

        Raises `KeyError` where the run has no such point.
        """
        serving = {point.identity: point.task for point in self._control.points}
        return self._engine.book.tasks[serving[identity]]

    def _raise_broken(self) -> None:
        if self._engine.closed and any(not task.state.is_resting for task in self.tasks):
            then = f"kn.Lab(…) opens it again and follows it, as lab.run({self.name!r}) there"
            message = f"the lab was closed while run {self.name!r} went on; {then}"
            raise LabError(message)
        if self._engine.book.broken is not None:
            raise anew(self._engine.book.broken)
        if self._engine.is_lost:
            self._engine.check()

    def __await__(self) -> Generator[Any, None, Run]:
        """Wait as `wait` does, on the caller's own loop, without blocking it: ``await run``."""
        return self._rested().__await__()

    async def _rested(self) -> Run:
        loop = asyncio.get_running_loop()
        rested = asyncio.Event()
        told = lambda: loop.call_soon_threadsafe(rested.set)  # noqa: E731
        self._control.at_rest.append(told)
        try:
            with self._progress() as look:
                while not self._control.idle.is_set() and not rested.is_set():
                    # a loop that sleeps does not see that a notebook's cell was interrupted
                    with suppress(TimeoutError):
                        await asyncio.wait_for(rested.wait(), WAIT_STEP_S)
                    look()
        except asyncio.CancelledError as interrupt:  # what an interrupted cell that awaits gets
            say_it_goes_on(self.name)
            without_our_frames(interrupt)
            raise
        finally:
            self._control.at_rest.remove(told)
        self._raise_broken()
        return self

    def as_completed(self) -> Iterator[Task]:
        """Yield each task as it comes to rest, those already at rest first; ends when nothing moves any more.

        An interrupt ends it, and it raises, as `wait`.
        """
        heard: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        listen, rest = self._listener(heard), lambda: heard.put(None)
        self._control.heard.append(listen)
        self._control.at_rest.append(rest)
        try:
            with saying_it_goes_on(self.name):
                yield from self._completed(heard)
        finally:
            self._control.heard.remove(listen)
            self._control.at_rest.remove(rest)

    def _listener(self, heard: queue.SimpleQueue[Task | None]) -> Heard:
        def listen(_: Event, task: Task) -> None:
            if _has_come_to_rest(task):
                heard.put(task)

        return listen

    def _completed(self, heard: queue.SimpleQueue[Task | None]) -> Iterator[Task]:
        seen: set[str] = set()
        pending = [task for task in self.tasks if _has_come_to_rest(task)]
        while True:
            for task in pending:
                if task.id not in seen:
                    seen.add(task.id)
                    yield task
            if self._control.idle.is_set() and heard.empty():
                yield from (task for task in self.tasks if task.state.is_resting and task.id not in seen)
                self._raise_broken()
                return
            pending = []
            with suppress(queue.Empty):
                pending = [task for task in [heard.get(timeout=WAIT_STEP_S)] if task is not None]

    # -- steering ----------------------------------------------------------------------------------------------

    def pause(self) -> Run:
        """Submit nothing more; what was sent is followed and fetched."""
        self._engine.pause(self.name)
        return self

    def resume(self) -> Run:
        """Go on: submit what was not sent, with keys and addresses looked up anew. What was cancelled stays so."""
        self._engine.resume(self.name)
        self._tell_of_cancelled("resuming")
        return self

    def _tell_of_cancelled(self, what: str) -> None:
        """Say that something does not undo a cancellation, where there is one."""
        cancelled = sum(task.state is TaskState.CANCELLED for task in self.tasks)
        if cancelled:
            _logger.warning(STAYS, self.name, "1 point stays" if cancelled == 1 else f"{cancelled} points stay", what)

    def cancel(self) -> str:
        """End the run; says what was cancelled, and what is already paid for and still fetched."""
        cancelled, sent = self._engine.cancel(self.name)
        kept = f", {sent} already paid for, still fetched unless the provider cancels" if sent else ""
        return f"{cancelled} cancelled{kept}"

    def retry(self, *, uncertain: bool = False, stalled: bool = False, expired: bool = False) -> Run:
        """Buy again the points that failed; with ``uncertain``, ``stalled`` or ``expired`` those too. This costs money,
        even for those whose clip may still come. What was cancelled stays so.
        """
        also = {TaskState.UNCERTAIN: uncertain, TaskState.STALLED: stalled, TaskState.EXPIRED: expired}
        self._engine.retry(self.name, [*RETRIED, *(state for state, given in also.items() if flag(state, given))])
        self._tell_of_cancelled("buying again what failed")
        return self

    # -- showing -----------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return how it stands now, frozen: counts by state, money, and what holds or went wrong, in words."""
        tasks = self.tasks
        held = self._held(tasks)
        now = Moment(
            moving=self.is_moving,
            driven=not self._engine.closed and not self._engine.is_lost and not self._engine.is_stopped,
            held=held,
            spent=self._engine.book.spent(self.name),
            reserved=self._engine.book.reserved(self.name),
            left_s=self._left_s(others(tasks, held)),
            span=self._engine.pace.span,
            samples=self._control.task_ids,
            files=self._control.files,
        )
        return snapshot_of(self._control.row, tasks, now, simulated=self._simulated)

    def _left_s(self, coming: Sequence[Task]) -> float | None:
        """Estimate, in real seconds, by how long such tasks take and how many may run at once."""
        return max(self._engine.pace.left_s(coming), self._at_this_pace_s(coming)) if self.is_moving else None

    def _at_this_pace_s(self, tasks: Sequence[Task]) -> float:
        """Estimate for what is not sent yet, by what came of it so far, once that is more than is under way.

        A provider may be slower than it said to be at its limit, and a simulator than its own clock.
        """
        sent = [task.state.is_resting for task in tasks if self._is_of_this_time(task)]
        done = sum(sent)
        if done <= len(sent) - done:
            return 0.0
        planned = sum(task.state is TaskState.PLANNED for task in tasks)
        return (time.monotonic() - self._began) / done * planned

    def _is_of_this_time(self, task: Task) -> bool:
        """Tell whether a task was submitted since this handle was made: what was reused says nothing of the pace."""
        return task.submitted_at is not None and task.submitted_at >= self._began_at

    def __repr__(self) -> str:
        """Return one line, and why the rest is not sent, which no column of `df` says."""
        stands = self.snapshot()
        held = f"; not sent: {stands.held}" if stands.held else ""
        return f"<Run {stands.line()}{held}>"

    def _ipython_display_(self) -> None:
        from ..views import live

        live.display_run(self, self._folder)


def _has_come_to_rest(task: Task) -> bool:
    """Tell whether a task will not change by itself: one in doubt is looked up, one that never arrived bought again."""
    return task.state.is_resting and task.state is not TaskState.UNCERTAIN and not goes_on(task)
