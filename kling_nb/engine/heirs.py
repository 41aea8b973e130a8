"""What runs that have a point in common leave to each other: which of them sends what one planned and never sent."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping

from ..log import ExperimentLog
from ..plan import dollars
from ..states import EventKind, TaskState
from ..task import ZERO
from .book import Book
from .control import Control, Controls
from .dispatch import Dispatcher

GOES_ON = (
    "run %r goes on too, since its provider is tried again: %s not sent yet, for up to %s; "
    "lab.run(%r).pause() holds it back"
)

_logger = logging.getLogger("kling_nb")


class Heirs:
    """Hands tasks from run to run. Belongs to the engine's loop, and is asked by `Runs` alone."""

    def __init__(self, log: ExperimentLog, book: Book, controls: Controls, dispatch: Dispatcher) -> None:
        self._log = log
        self._book = book
        self._controls = controls
        self._dispatch = dispatch

    async def adopt(self, control: Control, task_ids: Iterable[str]) -> None:
        """Take over what another run planned and never sent, and want again what was cancelled too late."""
        tasks, name = [self._book.tasks[task_id] for task_id in task_ids], control.row.name
        unwanted = [task.id for task in tasks if task.unwanted and not task.state.is_final]
        await self._book.record_all(EventKind.WANTED, {task_id: {} for task_id in unwanted})
        planned = [task.id for task in tasks if self._book.tasks[task.id].state is TaskState.PLANNED]
        await self._inherit({task_id: name for task_id in planned if self._book.tasks[task_id].run != name})

    async def leave(self, task_ids: Collection[str], name: str) -> list[str]:
        """Leave to other runs what a run planned for points that it no longer has; returns what none of them has."""
        await self.passed_on(task_ids, name)
        left = [task_id for task_id in task_ids if self._is_unsent(task_id, name)]
        others = self._log.others_with(left, name)
        await self._inherit({task_id: names[0] for task_id, names in others.items()})
        return [task_id for task_id in left if task_id not in others]

    async def passed_on(self, task_ids: Collection[str], name: str) -> bool:
        """Let other runs that go on take over what a run never sent; answers whether there is any."""
        going = [control for control in self._controls.values() if control.row.name != name and control.submits()]
        heirs = {
            task_id: control
            for control in reversed(going)  # the first one that has it takes it
            for task_id in task_ids
            if task_id in control.task_ids and self._is_unsent(task_id, name)
        }
        await self._inherit({task_id: control.row.name for task_id, control in heirs.items()})
        for control in heirs.values():
            control.wake()
        self._dispatch.spawn(heirs)
        return bool(heirs)

    def wake(self, released: Control) -> None:
        """Go on with other runs too whose account was held, and say so: nothing holds their points any more."""
        for control in self._controls.values():
            if control is released or control.one_by_one or not control.submits():
                continue
            planned = [task_id for task_id in control.task_ids if self._is_unsent(task_id, control.row.name)]
            idle = [task_id for task_id in planned if not self._dispatch.is_driving(task_id)]
            if idle:
                self._tell_of(control.row.name, idle)
                control.wake()
                self._dispatch.spawn(idle)

    def _tell_of(self, name: str, task_ids: Iterable[str]) -> None:
        """Say what is bought now beside what was asked for; what a ceiling still holds is not."""
        tasks = [self._book.tasks[task_id] for task_id in task_ids]
        prices = [task.price for task in tasks if self._dispatch.why_held(task) is None]
        if prices:
            points = "1 point" if len(prices) == 1 else f"{len(prices)} points"
            _logger.warning(GOES_ON, name, points, dollars(sum(prices, ZERO)), name)

    async def _inherit(self, heirs: Mapping[str, str]) -> None:
        """Let tasks that were never sent be of other runs, given by their names."""
        await self._book.record_all(EventKind.ADOPTED, {task_id: {"run": name} for task_id, name in heirs.items()})

    def _is_unsent(self, task_id: str, name: str) -> bool:
        task = self._book.tasks.get(task_id)
        return task is not None and task.state is TaskState.PLANNED and task.run == name
