"""Buying a task: its paid call is sent once, until it is accepted, rejected or in doubt."""

from __future__ import annotations

import logging
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from ..dialect import Call, Dialect, Fault, Whose
from ..errors import Doubt, InputError, KlingError, MediaError, NotSent, RefusedError, WireError
from ..states import Cause, EventKind, TaskState
from ..task import Task, Ticket
from .account import Account
from .answered import Answered, read
from .search import Search
from .sent import logged
from .told import (
    AGAIN,
    resumable,
    told,
    told_of_doubt,
    told_of_push_back,
    told_of_shut,
    told_of_stranger,
    told_of_submit,
    told_of_unreached,
)
from .tools import Tools

_logger = logging.getLogger("kling_nb")

DUPLICATE = "duplicat"
"""Of a refusal's words: an id of ours that is there already."""


class Paid(NamedTuple):
    """A paid call, ready to be sent."""

    dialect: Dialect  # which reads the answer too, wherever the account has moved meanwhile
    plain: Call
    signed: Call
    credential: int  # its number, to have another one if it is refused


class Buyer:
    """Takes planned tasks to acceptance, to a rejection, or into doubt; no task is ever submitted twice."""

    def __init__(self, tools: Tools, search: Search) -> None:
        self._t = tools
        self._book = tools.book
        self._clock = tools.clock
        self._search = search

    async def submit(self, task: Task, account: Account) -> Task:
        """Send the paid call until it is accepted, rejected for good, in doubt, or held back."""
        refused: int | None = None  # the number of a credential that did not do
        while self._may_submit(task, account):
            if (wait := account.gate(task.model).wait_s(self._clock.steady())) > 0:
                await self._clock.sleep(wait)
            paid = await self._signed(task, account, refused)
            # Nothing may be awaited between this and the intent, which reserves the price: others would fit in too.
            if paid is None or not self._may_submit(task, account):
                break
            call = logged(paid.plain, account.provider.base_url)
            task = await self._book.record(task.id, EventKind.INTENT, call=call, account=account.mark)
            if self._book.tasks[task.id].unwanted:
                await self._book.record(task.id, EventKind.NOT_SENT, reason="cancelled before it was sent")
                break
            task, renew = await self._post(task, account, paid, renewed=refused is not None)
            refused = paid.credential if renew else None
        return await self._end_unsent(task)

    def _may_submit(self, task: Task, account: Account) -> bool:
        """Tell whether to submit a task; one that would pass a ceiling holds its run."""
        task = self._book.tasks[task.id]
        if task.state is not TaskState.PLANNED or task.unwanted or account.held:
            return False
        return self._t.hold_if_over_ceiling(task) is None

    async def _end_unsent(self, task: Task) -> Task:
        """Cancel what became unwanted while it was being sent, and came back."""
        task = self._book.tasks[task.id]
        if task.state is not TaskState.PLANNED or not task.unwanted:
            return task
        return await self._book.record(
            task.id, EventKind.CANCELLED, reason="cancelled before it was sent", cause=Cause.CANCELLED
        )

    async def _signed(self, task: Task, account: Account, refused: int | None) -> Paid | None:
        """Return the paid call with its images, before the intent; `None` where that fails.

        A missing key holds the account. An image that cannot be read refuses this task alone. So does a catalogue that
        refuses the request by now: it may be another than the one that the task was planned with.
        """
        try:
            paid = await self._spelled(task, account, refused)
        except RefusedError as error:
            await self._refuse(task, f"the catalogue refuses it by now: {error}; change that")
            return None
        except KlingError as error:
            unreached = isinstance(error, WireError)
            account.held = told_of_unreached(account.where, str(error)) if unreached else resumable(str(error))
            return None
        try:
            return paid._replace(signed=self._t.wire.filled(paid.signed))
        except (InputError, MediaError) as error:
            await self._refuse(task, f"its image cannot be read: {error}; fix that")
            return None

    async def _spelled(self, task: Task, account: Account, refused: int | None) -> Paid:
        """Spell and sign a task for one address: anew where that was corrected while the credential was fetched."""
        while True:
            dialect, plain = account.dialect, self._t.encode(task)
            signed, number = await account.signed(plain, refused=refused)
            if account.dialect is dialect:
                return Paid(dialect, plain, signed, number)

    async def _refuse(self, task: Task, why: str) -> None:
        reason = f"not sent, {why} and start the sweep again to buy it"
        await self._book.record(task.id, EventKind.REFUSED, reason=reason, cause=Cause.REFUSED)

    async def _post(self, task: Task, account: Account, paid: Paid, *, renewed: bool) -> tuple[Task, bool]:
        """Send the paid call once; answers the task, and whether to renew the credential before another try.

        Between the intent and the first byte the process may have slept, and another may have taken over.
        """
        begun = self._clock.steady()
        try:
            with self._t.listening():
                reply = await self._t.wire.send(paid.signed, ready=self._t.turn.check)
        except NotSent as error:
            return await self._not_sent(task, account, str(error), begun), False
        except Doubt as error:
            return await self._doubted(task, str(error)), False
        return await self._answered(task, account, read(paid.dialect, paid.signed, reply), renewed=renewed)

    async def _answered(self, task: Task, account: Account, answer: Answered, *, renewed: bool) -> tuple[Task, bool]:
        """Do what an answer calls for; returns what `_post` does."""
        if not answer.strange:
            account.way.arrived()
        if answer.ticket is not None:
            return await self._accepted(task, account, answer.ticket), False
        if answer.fault is None:
            return await self._doubted(task, f"{account.provider.id}{answer.doubt}", answer.cause), False
        if answer.strange:
            return await self._strange(task, account, answer.fault, answer.strange), False
        if not answer.fault.rejected:
            return await self._unproven(task, account, answer.fault, answer), False
        renew = answer.fault.renew and not renewed
        return await self._faulted(task, account, answer.fault, renew=renew, renewed=renewed), renew

    async def _accepted(self, task: Task, account: Account, ticket: Ticket) -> Task:
        account.gate(task.model).accepted(self._clock.steady())
        try:
            task = await self._book.record(task.id, EventKind.ACCEPTED, id=ticket.id, data=dict(ticket.data))
        except KlingError:
            _logger.warning(
                "%s accepted %s as %s, which could not be written to the log", task.provider, task.id, ticket.id
            )
            raise
        if task.unwanted:
            self._t.spawn(partial(self.cancel, task.id))
        return task

    async def cancel(self, task_id: str) -> None:
        """Ask the provider to cancel, where it can; else the task is followed to its end, and its clip saved."""
        task = self._book.tasks[task_id]
        if task.ticket is not None and await self._is_cancelled(task, task.ticket):
            reason = "cancelled at the provider"
            await self._book.record(task_id, EventKind.CANCELLED, reason=reason, cause=Cause.CANCELLED, charged=False)

    async def _is_cancelled(self, task: Task, ticket: Ticket) -> bool:
        """Ask the provider to cancel; answers whether it did. One that cannot be asked, as without its key, did not."""
        try:
            account = self._t.account(task.provider)
            return account.dialect.cancels and await account.converse(account.dialect.cancel(ticket))
        except KlingError as error:
            _logger.info("could not cancel %s: %s", task.id, error)
            return False

    async def _unproven(self, task: Task, account: Account, fault: Fault, answer: Answered) -> Task:
        """Put in doubt what a fault leaves open; a key that is not taken holds what is not sent yet all the same."""
        if fault.whose is Whose.KEY:
            account.held = told(fault, account.where)
        return await self._doubted(task, f"{account.provider.id}{answer.doubt}: {fault}", answer.cause)

    async def _faulted(self, task: Task, account: Account, fault: Fault, *, renew: bool, renewed: bool) -> Task:
        """Sort a provider's no: worth another try, holding the whole account, or final."""
        words = told(fault, account.where)
        final = told_of_submit(fault, account.where, renewed=renewed)
        if fault.again:
            gate = account.gate(task.model)
            (gate.full if fault.whose is Whose.FULL else gate.slow)(now := self._clock.steady(), fault.after)
            words = told_of_push_back(fault, account.where)
            if account.is_shut(task.model, now):
                account.held = words = told_of_shut(fault, account.where)
        elif fault.whose in (Whose.KEY, Whose.BALANCE) and not renew:
            account.held = words = final
        elif not renew:
            return await self._denied(task, account, fault, final)
        return await self._book.record(task.id, EventKind.PUSHED_BACK, reason=words, cause=fault.whose)

    async def _strange(self, task: Task, account: Account, fault: Fault, why: str) -> Task:
        """Hold the account, since another answers in the provider's place.

        An answer that proves a rejection holds it at once. After any other the task is in doubt, and so would be the
        next: the second such answer in a row holds the account, unless the place itself answers when it is asked.
        """
        held = told_of_stranger(account.where, why)
        if not fault.rejected:
            task = await self._doubted(task, f"{account.provider.id}: {why} ({fault}); {account.where.check}")
            if account.way.met_a_stranger() and not await self._answers_itself(task, account):
                account.held = held
            return task
        account.held = held
        there = await self._there(task, account, fault)
        return there or await self._book.record(task.id, EventKind.PUSHED_BACK, reason=held, cause=Cause.NETWORK)

    async def _answers_itself(self, task: Task, account: Account) -> bool:
        """Look for our own id where that can be done, only to see who answers: so early, its absence proves nothing."""
        if account.dialect.finds:
            with suppress(KlingError):
                await account.find(task)
                return True
        return False

    async def _denied(self, task: Task, account: Account, fault: Fault, final: str) -> Task:
        """Believe a final no, unless our own id is there."""
        there = await self._there(task, account, fault)
        return there or await self._book.record(
            task.id, EventKind.FAILED, reason=final, cause=fault.whose, charged=False
        )

    async def _there(self, task: Task, account: Account, fault: Fault) -> Task | None:
        """Return a refused task if our own id finds it, or in doubt if the refusal says the id is there; else `None`.

        A place calls an id a duplicate in two cases: the log was restored from a copy, and gave the id anew; or the
        place keeps the id of what it had pushed back. Then the look-up ends with another attempt, under another id.
        """
        if fault.whose in (Whose.PARAMETERS, Whose.ADDRESS, Whose.PROVIDER) and account.dialect.finds:
            ticket = await self._search.once(task, account)
            if ticket is not None:
                return await self._accepted(task, account, ticket)
            if DUPLICATE in fault.message.lower():
                return await self._doubted(task, f"{account.provider.id}: {fault}")
        return None

    async def _not_sent(self, task: Task, account: Account, why: str, begun: float) -> Task:
        if account.way.missed(begun):
            why = f"{why}; {AGAIN}"
        else:
            account.held = told_of_unreached(account.where, why)
        task = await self._book.record(task.id, EventKind.NOT_SENT, reason=why, cause=Cause.NETWORK)
        await self._clock.sleep(0 if account.held else account.way.wait_s)
        return task

    async def _doubted(self, task: Task, why: str, cause: str = Cause.DOUBT) -> Task:
        reason = told_of_doubt(why, finds=self._t.account(task.provider).dialect.finds)
        return await self._book.record(task.id, EventKind.DOUBTED, reason=reason, cause=cause)
