"""The real watch loop over a listing that lives in memory, in virtual time."""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import anyio

from kling_nb import catalog
from kling_nb.dialect import Call, Phase, Reply, Status
from kling_nb.dialects.native import Native
from kling_nb.engine.account import Account
from kling_nb.engine.loop import VirtualClock
from kling_nb.engine.poll import Curve
from kling_nb.engine.watch import Answer, Member, Watch
from kling_nb.secret import Secret
from kling_nb.task import Task, Ticket
from kling_nb.wire import Wire

PATH = "v1/videos/text2video"


@dataclass(frozen=True)
class Listed:
    """Requests a task, and seconds from finishing to being found, on average."""

    requests: float
    delay_s: float


@dataclass
class Provider:
    """Tasks that end when they were drawn to end, as the native protocol lists them. Stands in for a `Wire`."""

    clock: VirtualClock
    ends: dict[str, float] = field(default_factory=dict)  # by task id, oldest first
    born: dict[str, float] = field(default_factory=dict)
    requests: int = 0

    def accept(self, task_id: str, lasts_s: float) -> Ticket:
        """Enter a task."""
        self.born[task_id] = self.clock.now()
        self.ends[task_id] = self.clock.now() + lasts_s
        return Ticket(task_id, {"path": PATH, "created_ms": self._created_ms(task_id)})

    async def send(self, call: Call) -> Reply:
        """Answer a listing, or the question after one task."""
        self.requests += 1
        parts = urlsplit(call.url)
        query = {key: int(value) for key, (value,) in parse_qs(parts.query).items()}
        data: Any = self._page(query["pageNum"], query["pageSize"]) if query else self._item(parts.path.split("/")[-1])
        return Reply(status=200, content=json.dumps({"code": 0, "data": data}).encode())

    def _page(self, number: int, size: int) -> list[dict[str, Any]]:
        newest = list(reversed(self.ends))
        return [self._item(task_id) for task_id in newest[(number - 1) * size : number * size]]

    def _item(self, task_id: str) -> dict[str, Any]:
        item: dict[str, Any] = {
            "task_id": task_id,
            "created_at": self._created_ms(task_id),
            "task_status": "processing",
        }
        if self.clock.now() < self.ends[task_id]:
            return item
        return {**item, "task_status": "succeed", "task_result": {"videos": [{"url": "https://clips.example/1.mp4"}]}}

    def _created_ms(self, task_id: str) -> int:
        return round(self.born[task_id] * 1000)


class Followed:
    """Follows so many tasks at once until all have ended; where one ends, the next begins."""

    def __init__(self, clock: VirtualClock, curve: Curve, tasks: int, seed: int = 7) -> None:
        self._clock, self._curve = clock, curve
        self.provider = Provider(clock)
        self.delays: list[float] = []
        dice = random.Random(seed)
        draw = lambda: curve.median_s * math.exp(curve.sigma * dice.gauss(0, 1))  # noqa: E731
        self._lasting: Iterator[tuple[int, float]] = iter([(n, draw()) for n in range(tasks)])

    async def all(self, in_flight: int) -> None:
        """Follow them all."""
        row = replace(catalog.load().provider("kling"), base_url="https://kling.example")
        key = Secret("a-plain-api-key", "the benchmark")
        account = Account(row, Native(row), cast(Wire, self.provider), self._clock, lambda _: key)
        async with anyio.create_task_group() as group:
            watch = Watch(account, self._clock, self, group.start_soon)
            for _ in range(in_flight):
                group.start_soon(self._slot, watch)

    async def _slot(self, watch: Watch) -> None:
        for n, lasts_s in self._lasting:
            ticket = self.provider.accept(f"task-{n}", lasts_s)
            task = Task(id=ticket.id, identity="", provider="kling", model="")
            now = self._clock.steady()
            await watch.follow(task, Member(ticket, now, self._curve, changed=now))

    async def learn(self, members: Mapping[str, Member], learnt: Mapping[str, Answer]) -> list[str]:
        """Note how late tasks were found; return those."""
        assert all(isinstance(said, Status) for said in learnt.values()), learnt
        told = {task_id: learnt.get(member.ticket.id) for task_id, member in members.items()}
        found = [task_id for task_id, said in told.items() if isinstance(said, Status) and said.phase is Phase.DONE]
        self.delays += [self._clock.now() - self.provider.ends[task_id] for task_id in found]
        return found


def watched(median_s: float, sigma: float, *, tasks: int, in_flight: int) -> Listed:
    """Follow tasks with the project's watch loop and count."""
    clock = VirtualClock(0.0)
    followed = Followed(clock, Curve(median_s, sigma), tasks)
    with asyncio.Runner(loop_factory=clock.new_loop) as runner:
        runner.run(followed.all(in_flight))
    return Listed(followed.provider.requests / tasks, sum(followed.delays) / len(followed.delays))
