"""The life of a task: bought, followed, fetched. Decides nothing about runs and knows no provider's name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from .. import media
from ..dialect import Asset, Call, Fault, Op, Phase, Status, Whose, origin
from ..errors import Doubt, KlingError, LinkExpired, MediaError, NotSent, ProviderError, WireError
from ..request import VideoRequest
from ..task import FOLLOWED, Cost, Task, TaskState, Ticket
from ..wire import Wire
from .account import UNSENT_MOST, Account, backoff_s, told
from .book import Book
from .gate import Gate
from .loop import Clock
from .poll import Learnt
from .watch import Member, Watch

_log = logging.getLogger("kling_nb")

LOOKS_S = (2.0, 8.0, 20.0, 45.0)
"""When a submit in doubt is looked up, in seconds after the one before: absent every time, it never arrived."""
LOOKS_MOST = 12
STALL_S = 1800.0
STALL_TIMES = 10.0  # times the typical length, counted from the last change that the provider reported
FETCHES = 5
DOWNLOADS = 4


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What driving a task takes. ``encode`` spells a stored task as its paid call; ``kind`` groups tasks that take
    about as long, and ``typical_s`` is how long the catalogue thinks they do, in seconds.
    """

    book: Book
    clock: Clock
    wire: Wire
    folder: Path
    account: Callable[[str], Account]
    encode: Callable[[Task], Call]
    kind: Callable[[Task], tuple[str, ...]]
    typical_s: Callable[[Task], float]
    learnt: Learnt
    hold_of: Callable[[Task], str | None]  # why a planned task may not be submitted now, if so
    spawn: Callable[[Callable[[], Any]], object]


class Driver:
    """Drives tasks one step after another, from wherever the log says they stand."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._book = tools.book
        self._clock = tools.clock
        self._watches: dict[str, Watch] = {}
        self._slots: dict[str, Gate] = {}
        self._downloads = anyio.Semaphore(DOWNLOADS)

    async def drive(self, task_id: str) -> None:
        """Take a task as far as it goes by itself."""
        task = self._book.tasks[task_id]
        account = self._t.account(task.provider)
        if task.state is TaskState.SUBMITTING:
            task = await self._book.record(task_id, "doubted", reason="the process ended while it was being submitted")
        if task.state is TaskState.PLANNED:
            task = await self._buy(task, account)
        elif task.state in FOLLOWED | {TaskState.UNCERTAIN}:
            task = await self._follow_in_gate(task, account)
        if task.asset is not None and not task.state.is_final:
            await self._fetch(task, account)

    # -- buying ------------------------------------------------------------------------------------------------

    async def _buy(self, task: Task, account: Account) -> Task:
        gate = account.gate(task.model)
        await gate.enter()
        self._slots[task.id] = gate
        try:
            task = await self._submit(task, account)
            if task.ticket is None:
                gate.ended()
            return await self._until_generated(task, account)
        finally:
            self._leave(task.id)

    async def _follow_in_gate(self, task: Task, account: Account) -> Task:
        gate = account.gate(task.model)
        gate.occupy()
        self._slots[task.id] = gate
        try:
            return await self._until_generated(task, account)
        finally:
            self._leave(task.id)

    def _leave(self, task_id: str) -> None:
        """Give a task's slot back, once: at its end, or when it stalls, for it may stall for ever."""
        gate = self._slots.pop(task_id, None)
        if gate is not None:
            gate.leave()

    async def _until_generated(self, task: Task, account: Account) -> Task:
        if task.state is TaskState.UNCERTAIN and account.dialect.finds:
            task = await self._look_up(task, account)
        if task.state in (TaskState.QUEUED, TaskState.RUNNING, TaskState.STALLED) and task.asset is None:
            task = await self._follow(task, account)
        return task

    async def _submit(self, task: Task, account: Account) -> Task:
        """Send the paid call until it is accepted, rejected for good, in doubt, or held back."""
        renew = False
        while self._may_submit(task, account):
            await self._clock.sleep(account.gate(task.model).wait_s(self._clock.now()))
            calls = await self._signed(task, account, renew=renew)
            # Nothing may be awaited between this and the intent, which reserves the price: others would fit in too.
            if calls is None or not self._may_submit(task, account):
                break
            plain, signed = calls
            task = await self._book.record(task.id, "intent", call=plain.shown())
            if self._book.tasks[task.id].unwanted:
                await self._book.record(task.id, "not_sent", reason="cancelled before it was sent")
                break
            task, renew = await self._post(task, account, signed, renewed=renew)
        return await self._end_unsent(task)

    def _may_submit(self, task: Task, account: Account) -> bool:
        task = self._book.tasks[task.id]
        if task.state is not TaskState.PLANNED or task.unwanted or account.held:
            return False
        return self._t.hold_of(task) is None

    async def _end_unsent(self, task: Task) -> Task:
        """Cancel what became unwanted while it was being sent, and came back."""
        task = self._book.tasks[task.id]
        if task.state is not TaskState.PLANNED or not task.unwanted:
            return task
        return await self._book.record(task.id, "cancelled", reason="cancelled before it was sent", cause="cancelled")

    async def _signed(self, task: Task, account: Account, *, renew: bool) -> tuple[Call, Call] | None:
        """Return the paid call, plain and signed. Before the intent: a missing key holds the account, buying nothing."""
        try:
            plain = self._t.encode(task)
            return plain, await account.signed(plain, renew=renew)
        except KlingError as error:
            account.held = str(error)
            return None

    async def _post(self, task: Task, account: Account, call: Call, *, renewed: bool) -> tuple[Task, bool]:
        """Send the paid call once; answers the task, and whether to renew the credential before another try."""
        try:
            reply = await self._t.wire.send(call)
        except NotSent as error:
            return await self._not_sent(task, account, str(error)), False
        except Doubt as error:
            return await self._doubted(task, str(error)), False
        account.unsent = 0
        try:
            fault = account.dialect.judge(call, reply)
            ticket = account.dialect.accepted(call, reply) if fault is None else None
        except Exception as error:  # noqa: BLE001 - an answer that a dialect did not foresee is no answer
            return await self._doubted(task, f"{account.provider.id}: {error}"), False
        if ticket is not None:
            return await self._accepted(task, account, ticket), False
        return await self._refused(task, account, fault, renewed=renewed)

    async def _refused(self, task: Task, account: Account, fault: Fault | None, *, renewed: bool) -> tuple[Task, bool]:
        if fault is None:
            return await self._doubted(task, f"{account.provider.id} accepted it without an id"), False
        renew = fault.renew and not renewed
        return await self._faulted(task, account, fault, renew=renew), renew

    async def _accepted(self, task: Task, account: Account, ticket: Ticket) -> Task:
        account.gate(task.model).accepted(self._clock.now())
        task = await self._book.record(task.id, "accepted", id=ticket.id, data=dict(ticket.data))
        if task.unwanted:
            self._t.spawn(partial(self.cancel, task.id))
        return task

    async def cancel(self, task_id: str) -> None:
        """Ask the provider to cancel, where it can; else the task is followed to its end, and its clip saved."""
        task = self._book.tasks[task_id]
        account = self._t.account(task.provider)
        if task.ticket is None or not account.dialect.cancels:
            return
        try:
            if await account.converse(account.dialect.cancel(task.ticket)):
                await self._book.record(task_id, "cancelled", reason="cancelled at the provider", cause="cancelled")
        except (WireError, ProviderError) as error:
            _log.info("cancelling %s was not possible: %s", task_id, error)

    async def _faulted(self, task: Task, account: Account, fault: Fault, *, renew: bool) -> Task:
        """Sort a provider's no: in doubt, worth another try, holding the whole account, or final."""
        words = told(fault, account.provider)
        if not fault.rejected:
            return await self._doubted(task, words)
        if fault.again:
            gate = account.gate(task.model)
            (gate.full if fault.whose is Whose.FULL else gate.slow)(self._clock.now(), fault.after)
            if gate.is_shut:
                account.held = f"{words}; that for more than an hour: run.resume() tries again"
        elif fault.whose in (Whose.KEY, Whose.BALANCE) and not renew:
            account.held = words
        elif not renew:
            return await self._book.record(task.id, "failed", reason=words, cause=fault.whose, charged=False)
        return await self._book.record(task.id, "pushed_back", reason=words, cause=fault.whose)

    async def _not_sent(self, task: Task, account: Account, why: str) -> Task:
        account.unsent += 1
        if account.unsent >= UNSENT_MOST:
            account.held = f"{account.provider.id} cannot be reached: {why}; run.resume() tries again"
        task = await self._book.record(task.id, "not_sent", reason=why, cause="network")
        await self._clock.sleep(0 if account.held else backoff_s(account.unsent))
        return task

    async def _doubted(self, task: Task, why: str) -> Task:
        reason = f"the answer to the submit was lost, it may have been bought: {why}"
        return await self._book.record(task.id, "doubted", reason=reason, cause="doubt")

    # -- doubt -------------------------------------------------------------------------------------------------

    async def _look_up(self, task: Task, account: Account) -> Task:
        """Look a submit up by our own id, until it is found or was absent often enough."""
        absent = 0
        for look in range(LOOKS_MOST):
            await self._clock.sleep(LOOKS_S[min(absent, len(LOOKS_S) - 1)] + (backoff_s(look) if look > absent else 0))
            task = self._book.tasks[task.id]
            if task.state is not TaskState.UNCERTAIN:
                return task
            try:
                ticket = await account.converse(account.dialect.find(task.id, task.call))
            except KlingError:
                continue
            if ticket is not None:
                return await self._book.record(task.id, "accepted", id=ticket.id, data=dict(ticket.data))
            absent += 1
            if absent == len(LOOKS_S):
                return await self._never_arrived(task)
        return task

    async def _never_arrived(self, task: Task) -> Task:
        reason = f"it never arrived: looked up {len(LOOKS_S)} times over {sum(LOOKS_S):.0f} s; nothing was bought"
        return await self._book.record(task.id, "failed", reason=reason, cause="lost", charged=False)

    # -- following ---------------------------------------------------------------------------------------------

    async def _follow(self, task: Task, account: Account) -> Task:
        if task.ticket is None:
            return task
        since = task.accepted_at or self._clock.now()
        curve = self._t.learnt.curve(self._t.kind(task), self._t.typical_s(task))
        member = Member(task.ticket, since, curve, slow=task.state is TaskState.STALLED)
        await self._watch(account).follow(task, member)
        return self._book.tasks[task.id]

    def _watch(self, account: Account) -> Watch:
        if account.provider.per_check <= 1:
            return Watch(account, self._clock, self._learn)
        name = account.provider.id
        if name not in self._watches:
            self._watches[name] = Watch(account, self._clock, self._learn, self._t.spawn)
        return self._watches[name]

    async def _learn(self, member: Member, task_id: str, status: Status | None, trouble: str) -> bool:
        """Note what a check said of a task; answers whether to go on watching."""
        task = self._book.tasks[task_id]
        if task.state.is_final:
            return False
        match status.phase if status else None:
            case Phase.DONE:
                await self._done(task, status)
            case Phase.FAILED | Phase.CANCELLED:
                await self._ended(task, status)
            case _:
                return await self._no_end_yet(member, task, status, trouble)
        return False

    async def _done(self, task: Task, status: Status | None) -> None:
        if status is None or status.asset is None:
            return
        now = self._clock.now()
        self._t.learnt.saw(self._t.kind(task), now - (task.accepted_at or now))
        await self._book.record(task.id, "ready", asset=_asset_data(status.asset), **_cost_data(status.cost))

    async def _ended(self, task: Task, status: Status | None) -> None:
        if status is None:
            return
        if status.phase is Phase.CANCELLED:
            await self._book.record(task.id, "cancelled", reason=status.reason)
            return
        provider = self._t.account(task.provider).provider
        charged = False if provider.refunds_failures else status.charged
        cause = status.whose or Whose.PROVIDER
        words = f"{provider.id} ({cause}): {status.reason}"
        await self._book.record(
            task.id, "failed", reason=words, cause=cause, charged=charged, **_cost_data(status.cost)
        )

    async def _no_end_yet(self, member: Member, task: Task, status: Status | None, trouble: str) -> bool:
        if task.state is TaskState.STALLED:
            return True
        now = self._clock.now()
        if status is not None and _is_news(task, status):
            task = await self._book.record(task.id, "status", state=status.phase.value, reason=status.reason)
        elif trouble and member.troubled is None:
            task = await self._book.record(
                task.id, "status", state=task.state.value, reason=f"asking failed: {trouble}"
            )
        # Silence counts from the last change; while nobody answers, from the first question that failed: a laptop
        # that wakes before its network does has no stalled tasks.
        member.troubled = (member.troubled or now) if trouble else None
        quiet = now - (member.troubled or task.changed_at or task.accepted_at or now)
        if quiet > STALL_S and quiet > STALL_TIMES * self._t.typical_s(task):
            why = trouble or "the provider still says it is under way"
            reason = f"no change for {quiet / 60:.0f} minutes ({why}); it is still looked at every ten minutes"
            await self._book.record(task.id, "stalled", reason=reason, cause="stalled")
            self._leave(task.id)
            member.slow = True
        return True

    # -- fetching ----------------------------------------------------------------------------------------------

    async def _fetch(self, task: Task, account: Account) -> None:
        """Fetch the clip until it is saved, its link is dead, or it is no video."""
        trouble: Exception
        asked = False
        for failures in range(1, FETCHES + 1):
            try:
                clip = await self._download(task, account)
            except LinkExpired as error:
                if asked or not await self._renewed(task, account):
                    await self._book.record(task.id, "expired", reason=str(error), cause="expired")
                    return
                asked, task, trouble = True, self._book.tasks[task.id], error
            except (KlingError, OSError) as error:
                trouble = error
            else:
                await self._book.record(task.id, "saved", clip=clip)
                return
            await self._clock.sleep(backoff_s(failures))
        await self._unfetched(task, trouble)

    async def _unfetched(self, task: Task, trouble: Exception) -> None:
        tried = f"tried {FETCHES} times"
        if isinstance(trouble, MediaError):
            reason = f"the provider's file is no usable video: {trouble}; {tried}"
            await self._book.record(task.id, "failed", reason=reason, cause="media", charged=True)
        else:
            reason = f"the clip cannot be fetched: {trouble}; {tried}; opening the lab again tries again"
            await self._book.record(task.id, "stalled", reason=reason, cause="network")

    async def _renewed(self, task: Task, account: Account) -> bool:
        """Ask for the link again; answers whether there is another."""
        if task.ticket is None:
            return False
        try:
            learnt = await account.converse(account.dialect.check([task.ticket]))
        except KlingError:
            return False
        status = learnt.get(task.ticket.id)
        if status is None or status.asset is None:
            return False
        await self._book.record(task.id, "renewed", asset=_asset_data(status.asset))
        return True

    async def _download(self, task: Task, account: Account) -> dict[str, Any]:
        asset = dict(task.asset or {})
        call = Call(op=Op.CONTENT, method="GET", url=str(asset["url"]))
        part = self._t.folder / "clips" / f"{task.id}.mp4.part"
        async with self._downloads:
            signed = await account.signed(call) if asset.get("credential") else call
            await self._t.wire.stream(signed, part, own_origin=origin(account.provider.base_url or ""))
        return await self._clock.in_thread(lambda: _stored(part, task, self._t.folder))


def _stored(part: Path, task: Task, folder: Path) -> dict[str, Any]:
    """Verify a download and move it into place; a file that is no video is removed."""
    try:
        return media.store_clip(part, folder, _clip_name(task), VideoRequest.from_fields(task.request))
    except MediaError:
        part.unlink(missing_ok=True)
        raise


def _clip_name(task: Task) -> str:
    """Return a name that a person can read in a folder, unique by the task's id."""
    mode = task.request.get("mode") or "default"
    return f"{task.provider}_{task.model}_{mode}_{task.id}.mp4"


def _is_news(task: Task, status: Status) -> bool:
    if status.phase is Phase.RUNNING and task.state is TaskState.QUEUED:
        return True
    return status.reason != task.reason


def _asset_data(asset: Asset) -> dict[str, Any]:
    return {"url": asset.url, "credential": asset.credential}


def _cost_data(cost: Cost | None) -> Mapping[str, Any]:
    if cost is None:
        return {}
    usd = None if cost.usd is None else str(cost.usd)
    return {"cost": {"amount": str(cost.amount), "unit": cost.unit, "usd": usd}}
