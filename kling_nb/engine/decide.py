"""What a person decides about one task: a judgement, what became of one in doubt, to buy it again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..errors import InputError
from ..log import ExperimentLog
from ..task import Task, TaskState
from .attempts import Attempts
from .book import Book
from .control import Control, Controls
from .dispatch import Dispatcher

GIVEN_UP: Mapping[str, Any] = MappingProxyType(
    {"reason": "given up while in doubt", "cause": "given up", "charged": None}
)
NEVER_BOUGHT: Mapping[str, Any] = MappingProxyType(
    {"reason": "never bought, as a person saw at the provider", "cause": "never bought", "charged": False}
)
"""What a person said of a task in doubt, as its event keeps it."""


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

    async def give_up(self, task_id: str) -> Task:
        """Count a task in doubt as failed, and its price as spent, since it may have been charged."""
        return await self.record(task_id, "failed", GIVEN_UP)

    async def never_bought(self, task_id: str) -> Task:
        """Count a task in doubt as failed without a charge, as a person saw at the provider."""
        return await self.record(task_id, "failed", NEVER_BOUGHT)

    async def buy_again(self, task_id: str) -> None:
        """Give up a task in doubt and submit another attempt at its point, whether or not its run goes on.

        Both are one commit: whoever is killed meanwhile finds the task in doubt, or its next attempt planned.

        Raises `InputError`, changing nothing, where no run has its point any more. A budget holds all the same.
        """
        self._load(task_id)
        self._still_uncertain(task_id)
        control = self._having(task_id)
        task = self._book.tasks[task_id]
        another = await self._attempts.another(task, control.row.name, "failed", **GIVEN_UP)
        control.asked.add(another)
        control.held = None
        await self.look_again(another)
        self._dispatch.settle()

    def _having(self, task_id: str) -> Control:
        """Return a run that has a point which a task serves, its own before others."""
        own = self._book.tasks[task_id].run
        for name in (own, *self._log.others_with(task_id, own)):
            control = self._controls.find(name)
            if control is not None and task_id in control.task_ids:
                return control
        message = (
            f"task {task_id} serves no point of any run that goes on or may, so that nobody would get its clip; "
            "nothing was changed; start a sweep with its point, or give it up"
        )
        raise InputError(message)

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
