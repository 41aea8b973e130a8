"""Following a task that the provider has, until its clip is there, it failed, or it has stalled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..costs import Cost, cost_data
from ..dialect import Asset, Phase, Status, Whose
from ..states import FINAL, Cause, EventKind, TaskState
from ..task import Event, Task
from .account import Account
from .book import Change
from .told import ASKED_AGAIN, told_of_task
from .tools import Tools
from .watch import Answer, Member, Watch

STALL_S = 1800.0
STALL_TIMES = 10.0  # times the typical length, counted from the last change that the provider reported
LATER = "while this lab is open it is asked about every ten minutes; run.resume() asks at once"
LAST_TIME = "it could not be asked about, the last time: "
NOT_DONE = "the provider still says it is under way"
NO_CLIP = "the provider says it is done, but names no clip"
NOT_KNOWN = "the provider does not mention it, as if it did not know it: is this the key it was bought with?"


class Follower:
    """Asks how accepted tasks are doing and notes what it learns; ``leave`` gives a task's slot back."""

    def __init__(self, tools: Tools, leave: Callable[[str], None]) -> None:
        self._t = tools
        self._book = tools.book
        self._clock = tools.clock
        self._leave = leave
        self._watches: dict[str, Watch] = {}
        self._followed: dict[str, tuple[Watch, Member]] = {}
        self._book.listeners.append(self._heard)

    async def follow(self, task: Task, account: Account) -> Task:
        """Watch an accepted task to the end of its generating, and return it as it then stands."""
        if task.ticket is None:
            return task
        since = task.accepted_at or self._clock.now()
        changed = self._clock.steadied(task.changed_at or since)
        curve = self._t.learnt.curve(self._t.kind(task), self._t.typical_s(task))
        slow = task.state is TaskState.STALLED
        member = Member(task.ticket, self._clock.steadied(since), curve, changed, slow=slow)
        watch = self._watch(account)
        if self._clock.steady() - member.since > curve.median_s:  # it may have been done for hours
            watch.look()
        self._followed[task.id] = watch, member
        try:
            await watch.follow(task, member)
        finally:
            del self._followed[task.id]
        return self._book.tasks[task.id]

    def _heard(self, event: Event, task: Task) -> None:
        """Have a task that is looked at now and then asked about at once, as a person wants."""
        if event.kind == EventKind.RECHECK and task.id in self._followed:
            watch, member = self._followed[task.id]
            member.slow, member.stalls_at = False, 0.0
            watch.look()

    def _watch(self, account: Account) -> Watch:
        if account.provider.per_check <= 1:
            return Watch(account, self._clock, self)
        name = account.provider.id
        if name not in self._watches:
            self._watches[name] = Watch(account, self._clock, self, self._t.spawn)
        return self._watches[name]

    async def learn(self, members: Mapping[str, Member], learnt: Mapping[str, Answer]) -> list[str]:
        """Note what a check said, in one commit; return the tasks that have ended.

        Raises what was wrong with the answer about one once the others are noted: it may be wrong at every check.
        """
        noted: list[Change] = []
        ended: list[str] = []
        wrong: list[Exception] = []
        for task_id, member, answer in self._news(members, learnt):
            try:
                if self._is_end(task_id, member, answer, noted):
                    ended.append(task_id)
            except Exception as error:  # noqa: BLE001 - whatever a dialect of somebody else's makes of an answer
                wrong.append(error)
        await self._book.keep(noted)
        if wrong:
            raise wrong[0]
        for event, task in noted:
            if event.kind == EventKind.STALLED:
                self._leave(task.id)
        return ended

    def _news(self, members: Mapping[str, Member], learnt: Mapping[str, Answer]) -> list[tuple[str, Member, Answer]]:
        """Return the answers that something has to be done about, each with its task's id and member.

        They differ from the check before, or came again for so long that the task has stalled, or follow a trouble, or
        are about a task that has ended.
        """
        now, tasks = self._clock.steady(), self._book.tasks
        return [
            (task_id, member, answer)
            for task_id, member in members.items()
            if ((answer := learnt.get(member.ticket.id, "")) is not member.said and answer != member.said)
            or now >= member.stalls_at
            or tasks[task_id].state in FINAL
        ]

    def _is_end(self, task_id: str, member: Member, answer: Answer, noted: list[Change]) -> bool:
        """Note what a check said of a task; answers whether it has ended."""
        task = self._book.tasks[task_id]
        if task.state.is_final:
            return True
        match answer:
            case Status(phase=Phase.DONE, asset=Asset() as asset, cost=cost):
                noted.append(self._done(member, task, asset, cost))
            case Status(phase=Phase.FAILED | Phase.CANCELLED):
                noted.append(self._ended(task, answer))
            case _:
                noted += self._no_end_yet(member, task, answer)
                return False
        return True

    def _done(self, member: Member, task: Task, asset: Asset, cost: Cost | None) -> Change:
        self._t.learnt.saw(self._t.kind(task), self._clock.steady() - member.since)
        return self._book.happened(task.id, EventKind.READY, asset=asset_data(asset), **_cost_data(cost))

    def _ended(self, task: Task, status: Status) -> Change:
        if status.phase is Phase.CANCELLED:
            told = {"charged": status.charged, **_cost_data(status.cost)}
            return self._book.happened(
                task.id, EventKind.CANCELLED, reason=status.reason, cause=Cause.CANCELLED, **told
            )
        account = self._t.account(task.provider)
        charged = False if account.provider.refunds_failures else status.charged
        cause = status.whose or Whose.PROVIDER
        words = told_of_task(account.where, cause, status.reason, charged=charged)
        return self._book.happened(
            task.id, EventKind.FAILED, reason=words, cause=cause, charged=charged, **_cost_data(status.cost)
        )

    def _no_end_yet(self, member: Member, task: Task, answer: Answer) -> Iterator[Change]:
        if task.state is TaskState.STALLED:
            return
        status, trouble = (None, answer) if isinstance(answer, str) else (answer, "")
        now, before = self._clock.steady(), task.changed_at
        if status is not None and _is_news(task, status):
            yield self._book.happened(task.id, EventKind.STATUS, state=status.phase.value, reason=status.reason)
        elif trouble and member.troubled is None:
            words = f"could not ask: {trouble}; {ASKED_AGAIN}"
            yield self._book.happened(
                task.id, EventKind.STATUS, state=task.state.value, reason=words, cause=Cause.UNTOLD
            )
        task = self._book.tasks[task.id]
        # Silence counts from the last change; while nobody answers, from the first question that failed: a laptop
        # that wakes before its network does has no stalled tasks.
        member.changed = member.changed if task.changed_at == before else now
        member.troubled = (member.troubled or now) if trouble else None
        quiet = now - (member.troubled or member.changed)
        longest = max(STALL_S, STALL_TIMES * self._t.typical_s(task))
        if quiet > longest:
            why = trouble and f"{LAST_TIME}{trouble}"
            why = why or (NOT_KNOWN if status is None else status.reason or _not_done(status))
            reason = f"no change for {quiet / 60:.0f} minutes ({why}); {LATER}"
            yield self._book.happened(task.id, EventKind.STALLED, reason=reason, cause=Cause.STALLED)
            member.slow = True
        member.said, member.stalls_at = answer, 0.0 if trouble else now - quiet + longest


def _is_news(task: Task, status: Status) -> bool:
    if status.phase is Phase.RUNNING and task.state is TaskState.QUEUED:
        return True
    return status.reason != task.reason


def _not_done(status: Status) -> str:
    return NO_CLIP if status.phase is Phase.DONE else NOT_DONE


def asset_data(asset: Asset) -> dict[str, Any]:
    """Return where a clip can be fetched as the log keeps it."""
    return {"url": asset.url, "credential": asset.credential}


def _cost_data(cost: Cost | None) -> Mapping[str, Any]:
    return {} if cost is None else {"cost": cost_data(cost)}
