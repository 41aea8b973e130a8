"""What a person decides about one task: a judgement, what became of one in doubt, to buy it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..log import ExperimentLog
from ..task import Task, TaskState
from .attempts import Attempts
from .book import Book
from .control import Controls
from .dispatch import Dispatcher


class Decisions:
    """Carries out what a person decided, and goes on from there. Belongs to the engine's loop."""

    def __init__(
        self, log: ExperimentLog, book: Book, controls: Controls, attempts: Attempts, dispatch: Dispatcher
    ) -> None:
        self._log = log
        self._book = book
        self._controls = controls
        self._attempts = attempts
        self._dispatch = dispatch

    async def record(self, task_id: str, kind: str, data: Mapping[str, Any]) -> Task:
        """Note what was decided; raises `InputError` for an unknown task, and for one that is in doubt no longer."""
        self._load(task_id)
        if kind in ("accepted", "failed"):
            self._still_uncertain(task_id)
        task = await self._book.record(task_id, kind, **data)
        if kind == "accepted":
            await self.look_again(task_id)
        self._dispatch.settle()
        return task

    async def look_again(self, task_id: str) -> None:
        """Drive a task from where it stands."""
        self._load(task_id)
        for control in self._controls.values():
            if task_id in control.task_ids:
                control.wake()
        self._dispatch.spawn([task_id])

    async def buy_again(self, task_id: str) -> None:
        """Plan another attempt at a task's point, and submit it if its run goes on."""
        self._load(task_id)
        await self.look_again(await self._attempts.another(self._book.tasks[task_id]))
        self._dispatch.settle()

    def _load(self, task_id: str) -> None:
        if task_id not in self._book.tasks:
            self._book.take(self._log.tasks_by_id([task_id]))
        if task_id not in self._book.tasks:
            message = f"there is no task {task_id!r} in this lab; the column task of lab.df() has their ids"
            raise InputError(message)

    def _still_uncertain(self, task_id: str) -> None:
        task = self._book.tasks[task_id]
        if task.state is not TaskState.UNCERTAIN:
            message = f"task {task_id} is no longer uncertain, it is {task.state}; nothing was changed"
            raise InputError(message)
