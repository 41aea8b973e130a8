"""What every provider of one simulator shares: clock, store, seed, slots and scripted faults."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from kling_nb.simulator import latency
from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import SAME, Event, Fault, Faults
from kling_nb.simulator.store import Store, Task

DAY_S = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an accepted task will fail, *after_s* seconds of work or (None) after its usual time."""

    reason: str
    kind: str
    body: str = ""
    after_s: float | None = latency.CONTENT_FAILURE_S
    refunds: bool = True


@dataclass(frozen=True, kw_only=True)
class Order:
    """A validated submit, ready to be accepted.

    *request* is the body without callback and own id, images as hashes: what makes two requests identical.
    *family* and *mode* choose the latency; *waits* says whether a full account queues (fal) or was checked
    before (Kling).  *stall_s* fixes the end at so many seconds after the submit (infinite: never).
    """

    provider: str
    account: str
    endpoint: str
    model: str
    family: str
    mode: str
    prompt: str
    seconds: int
    sound: bool
    own_id: str
    request: Mapping[str, Any]
    scene: Scene
    usd: Decimal
    units: str
    image: bytes | None = None
    failure: Failure | None = None
    stall_s: float | None = None
    waits: bool = False
    longest_wait_s: float = 30.0


@dataclass(frozen=True)
class Provider:
    """One provider, mounted: its name, a key that it accepts (in the user's form) and its routes."""

    name: str
    key: str
    routes: Sequence[BaseRoute]


@dataclass(kw_only=True)
class World:
    """The simulator as its providers see it.

    *token_now* is the clock of credentials; *lifetimes* are seconds that clip links and results are kept; *shapes*
    chooses by provider among answers that no page describes.
    """

    seed: int
    now: Callable[[], float]
    token_now: Callable[[], float]
    store: Store
    faults: Faults
    slots: Mapping[str, float]
    lifetimes: Mapping[str, float]
    size: str
    errors_as_200: bool
    shapes: Mapping[str, str] = field(default_factory=dict)

    def strike(self, event: Event, actions: frozenset[str]) -> Fault | None:
        """The scripted fault for this event, if one is due."""
        return self.faults.strike(event, actions)

    def active(self, provider: str, account: str, model: str = "") -> list[Task]:
        """Tasks that have not ended at this moment, of one model or of the whole account."""
        where = "provider = ? AND account = ? AND ended_at > ? AND coalesce(cancelled_at, 1e18) > ?"
        values: list[Any] = [provider, account, self.now(), self.now()]
        return self.store.tasks(where + (" AND model = ?" if model else ""), values + ([model] if model else []))

    def accept(self, order: Order, task_id: Callable[[int], str], asset: Callable[[int], str]) -> Task:
        """Enter a task; *task_id* and *asset* make its names from a seeded number.

        Everything drawn depends on seed, request and how often that same request came before: never on the
        own id, nor on what else arrived when.
        """
        with self.store.lock:
            fingerprint = _fingerprint(order)
            nth = 1 + self.store.count("fingerprint = ?", (fingerprint,))
            task = self._task(order, fingerprint, nth, task_id, asset)
            self.store.add(task)
        return task

    def drawn(self, *parts: object) -> int:
        """A number of 128 bits that depends on the seed and *parts* only."""
        text = "\x1f".join(map(str, (self.seed, *parts)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")

    def uuid(self, *parts: object) -> str:
        """A seeded UUID that looks like a random one."""
        return str(uuid.UUID(int=self.drawn("uuid", *parts), version=4))

    def request_id(self, request: Request) -> str:
        """The provider's trace id for this very call at this instant."""
        return self.uuid("request", request.method, request.url.path, request.url.query, self.now())

    def _task(
        self, order: Order, fingerprint: str, nth: int, task_id: Callable[[int], str], asset: Callable[[int], str]
    ) -> Task:
        now, failure = self.now(), order.failure
        started, ended = self._instants(order, fingerprint, nth, now)
        event = Event(order.provider, "submit", order.model, order.prompt)
        take = 1 if self.strike(event, SAME) else nth
        scene = replace(order.scene, take=take, seed=self.drawn("scene", fingerprint, take) % 2**32)
        return Task(
            id=task_id(self.drawn("task", fingerprint, nth)),
            provider=order.provider,
            account=order.account,
            endpoint=order.endpoint,
            model=order.model,
            own_id=order.own_id,
            fingerprint=fingerprint,
            nth=nth,
            prompt=order.prompt,
            request=canonical(order.request),
            scene=json.dumps(asdict(scene)),
            image=order.image,
            asset=asset(self.drawn("asset", fingerprint, take)),
            usd=str(order.usd),
            units=order.units,
            accepted_at=now,
            started_at=started,
            ended_at=ended,
            failure=failure.reason if failure else "",
            failure_kind=failure.kind if failure else "",
            failure_body=failure.body if failure else "",
            refunds=int(failure.refunds) if failure else 0,
        )

    def _instants(self, order: Order, fingerprint: str, nth: int, now: float) -> tuple[float, float]:
        rng = latency.dice(self.seed, fingerprint, nth)
        median = latency.median_s(order.family, order.mode, order.seconds, order.sound)
        drawn = latency.draw(rng, median, order.longest_wait_s)
        wait, work = drawn.queued_s, drawn.running_s
        if order.failure and order.failure.after_s is not None:
            wait, work = order.failure.after_s / 2, order.failure.after_s / 2
        started = now + wait
        if order.waits:
            started = max(started, self._free_at(order, now))
        if order.stall_s is not None:
            return started, max(started, now + order.stall_s)
        return started, started + work

    def _free_at(self, order: Order, now: float) -> float:
        """When a slot falls free for one more task: with n slots, the n-th latest end."""
        slots = self.slots.get(order.provider, math.inf)
        ends = sorted((task.ended_at for task in self.active(order.provider, order.account)), reverse=True)
        return ends[int(slots) - 1] if len(ends) >= slots else now


def canonical(value: object) -> str:
    """JSON with sorted keys and no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _fingerprint(order: Order) -> str:
    text = f"{order.provider}\x1f{order.endpoint}\x1f{canonical(order.request)}"
    return hashlib.sha256(text.encode()).hexdigest()
