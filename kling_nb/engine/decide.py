"""What a person decides about one task: a judgement, what became of one in doubt, to buy it again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ..dialect import Reply
from ..errors import InputError, KlingError
from ..excerpts import as_code, in_words
from ..fields import finite
from ..log import ExperimentLog
from ..states import Cause, EventKind, TaskState
from ..task import Task, Ticket
from .account import Account, Accounts
from .attempts import Attempts
from .book import Book
from .control import Control, Controls
from .dispatch import Dispatcher
from .sent import by_now

AFTER_ALL = "if it turns up there after all, lab.uncertain().accepted_as(task, id) fetches it"
GIVEN_UP: Mapping[str, Any] = MappingProxyType(
    {"reason": "given up while uncertain", "cause": Cause.GIVEN_UP, "charged": None}
)
NEVER_BOUGHT: Mapping[str, Any] = MappingProxyType(
    {"reason": "never bought, as a person confirmed at the provider", "cause": Cause.NEVER_BOUGHT, "charged": False}
)
"""What a person said of a task in doubt, as its event keeps it, but for what can be done by then."""
AGAIN: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.GIVEN_UP: "run.retry() buys it again, even if it was bought",
        Cause.NEVER_BOUGHT: "run.retry() buys it",
    }
)
INSTEAD = "another was ordered in its place"


def judgement(rating: object, note: str | None) -> dict[str, Any]:
    """Return what a person says of a clip as its event keeps it; raises `InputError` for a rating that is no number.

    `None` takes a rating back, an ellipsis leaves it as it is.
    """
    given: dict[str, Any] = {} if note is None else {"note": str(note)}
    if rating is ...:
        return given
    if rating is None:
        return {"rating": None, **given}
    number = finite(rating)
    if number is None:
        message = f"rating={rating!r}: expected a number, such as 4; nothing was changed"
        raise InputError(message)
    return {"rating": number, **given}


class Decisions:
    """Carries out what a person decided, and goes on from there. Belongs to the engine's loop."""

    def __init__(
        self,
        log: ExperimentLog,
        book: Book,
        controls: Controls,
        accounts: Accounts,
        attempts: Attempts,
        dispatch: Dispatcher,
    ) -> None:
        self._log = log
        self._book = book
        self._controls = controls
        self._accounts = accounts
        self._attempts = attempts
        self._dispatch = dispatch

    async def record(self, task_id: str, kind: EventKind, data: Mapping[str, Any]) -> Task:
        """Note what was decided; raises `InputError` for an unknown task, and for one that is in doubt no longer."""
        self._load(task_id)
        if kind == EventKind.FAILED:
            self._still_uncertain(task_id)
        task = await self._book.record(task_id, kind, **data)
        if kind == EventKind.ACCEPTED:
            await self.look_again(task_id)
        self._dispatch.settle()
        return task

    async def accepted_as(self, task_id: str, remote_id: str) -> None:
        """Follow a task under the provider's id that a person names, once the provider was asked for it.

        Raises `InputError` where the provider knows no such task or another task has the id, `KlingError` where it
        cannot be asked; nothing is changed then.
        """
        self._load(task_id)
        account = self._accounts[self._book.tasks[task_id].provider]
        call = by_now(self._book.tasks[task_id].call, account.provider.base_url)
        ticket = account.dialect.ticket(_id_from(remote_id), call)
        self._may_be_named(task_id, ticket)
        await _ask_for(account, ticket)
        await self._dispatch.alone(self._accept, task_id, ticket)

    async def _accept(self, task_id: str, ticket: Ticket) -> None:
        self._may_be_named(task_id, ticket)  # again: the provider has taken its time
        await self.record(task_id, EventKind.ACCEPTED, {"id": ticket.id, "data": dict(ticket.data)})

    def _may_be_named(self, task_id: str, ticket: Ticket) -> None:
        task = self._book.tasks[task_id]
        if not task.is_mendable:
            self._still_uncertain(task_id)
        for other in self._log.with_ticket(task.provider, ticket.id):
            message = (
                f"{ticket.id} belongs to another task of this lab, {other.id}, which is {other.state}; nothing was "
                f"changed; in the console of {task.provider}, look for the one {self._told_apart(task)}"
            )
            raise InputError(message)

    def _told_apart(self, task: Task) -> str:
        """Say by what the provider's console shows a task: not every provider is sent an id of ours."""
        if self._accounts[task.provider].dialect.finds:
            return f"that was submitted with {task.id}"
        prompt = task.request.get("prompt") or in_words(task.request.get("multi_prompt", ""))
        return f"with the prompt {as_code(prompt)} and the time that lab.uncertain() shows"

    async def look_again(self, task_id: str) -> None:
        """Drive a task from where it stands."""
        self._load(task_id)
        for control in self._controls.values():
            if task_id in control.task_ids:
                control.wake()
        self._dispatch.spawn([task_id])

    async def give_up(self, task_id: str) -> Task:
        """Count a task in doubt as failed, and its price as spent, since it may have been charged."""
        return await self.record(task_id, EventKind.FAILED, self._advised(GIVEN_UP, task_id))

    async def never_bought(self, task_id: str) -> Task:
        """Count a task in doubt as failed without a charge, as a person saw at the provider."""
        return await self.record(task_id, EventKind.FAILED, self._advised(NEVER_BOUGHT, task_id))

    def _advised(self, said: Mapping[str, Any], task_id: str) -> Mapping[str, Any]:
        """Say what buys it again only where a run has it: another may have been ordered, or its point be removed."""
        self._load(task_id)
        return _with(said, *[AGAIN[said["cause"]]] * self._log.serves(task_id))

    async def buy_again(self, task_id: str) -> None:
        """Give up a task in doubt and submit another attempt at its point, whether or not its run goes on.

        Both are one commit: whoever is killed meanwhile finds the task in doubt, or its next attempt planned.

        Raises `InputError`, changing nothing, where no run has its point any more. A budget holds all the same.
        """
        self._load(task_id)
        self._still_uncertain(task_id)
        control = self._having(task_id)
        task = self._book.tasks[task_id]
        another = await self._attempts.another(task, control.row.name, EventKind.FAILED, **_with(GIVEN_UP, INSTEAD))
        control.asked.add(another)
        control.held = None
        await self.look_again(another)
        self._dispatch.settle()

    def _having(self, task_id: str) -> Control:
        """Return a run that has a point which a task serves, its own before others."""
        own = self._book.tasks[task_id].run
        for name in (own, *self._log.others_with([task_id], own).get(task_id, ())):
            control = self._controls.find(name)
            if control is not None and task_id in control.task_ids:
                return control
        message = (
            f"no run that goes on, or may, has the point of task {task_id}, so nobody would get its clip; "
            "nothing was changed; start a sweep with that point, or give the task up"
        )
        raise InputError(message)

    def _load(self, task_id: str) -> None:
        if not isinstance(task_id, str):
            message = f"expected the id of one task, got {as_code(task_id)}; ids are in the column task of lab.df()"
            raise InputError(message)
        if task_id not in self._book.tasks:
            self._book.take(self._log.tasks_by_id([task_id]))
        if task_id not in self._book.tasks:
            message = f"there is no task {task_id!r} in this lab; their ids are in the column task of lab.df()"
            raise InputError(message)

    def _still_uncertain(self, task_id: str) -> None:
        task = self._book.tasks[task_id]
        if task.state is not TaskState.UNCERTAIN:
            message = f"task {task_id} is no longer uncertain, it is {task.state}; nothing was changed"
            raise InputError(message)


def _with(said: Mapping[str, Any], *more: str) -> Mapping[str, Any]:
    return {**said, "reason": "; ".join([said["reason"], *more, AFTER_ALL])}


def _id_from(given: object) -> str:
    """Return an id as a person gave it: as text, or as the number that Kling's looks like; a float has lost digits."""
    is_number = isinstance(given, int) and not isinstance(given, bool)
    remote_id = str(given).strip() if is_number or isinstance(given, str) else ""
    is_seen = remote_id.isprintable()  # nothing invisible is left of where it was copied
    if not remote_id or len(remote_id) > 200 or not is_seen or any(char in remote_id for char in "/?# "):
        message = f"{given!r} is not a task id; copy it from the provider's console, as text"
        raise InputError(message)
    return remote_id


async def _ask_for(account: Account, ticket: Ticket) -> None:
    """Ask a provider whether it knows a task; raises with its words where it does not, or cannot be asked."""
    heard: list[Reply] = []
    name = account.provider.id
    try:
        learnt = await account.converse(account.dialect.check([ticket]), heard.append)
        if isinstance(trouble := learnt.get(ticket.id), KlingError):  # a dialect may keep it, instead of raising it
            raise trouble
    except KlingError as error:
        message = f"could not ask {name} whether it has a task {ticket.id}: {error}; nothing was changed"
        raise KlingError(message) from error
    if ticket.id not in learnt:
        said = f"HTTP {heard[-1].status} with {heard[-1].excerpt()!r}" if heard else "nothing"
        message = (
            f"{name} does not report a task {ticket.id}: it answered {said}; nothing was changed; is the id right?"
        )
        raise InputError(message)
