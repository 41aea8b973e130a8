"""When a victim is killed: moments drawn from a seed, and the wire around the simulator that some of them trip."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect

from .victim import KINDS, PATIENCE_S, TRAPS

DELAYS_S = (0.0, 0.6)
"""After how many real seconds a victim is killed at the earliest and at the latest, from its birth."""
PASSED_S = 1.5
"""After how many a victim is that has not come to the moment drawn for it: some moments do not come twice."""
REQUESTS = {"submit": 6, "status": 8, "asset": 4, "token": 1}
"""At the latest which request of an operation a victim is killed at."""
OWN = {"commit": 8, "rename": 3, "store": 3, "post": 5, **dict.fromkeys(KINDS, 2)}
"""At the latest which call of a step of its own."""
assert OWN.keys() == TRAPS.keys()


@dataclass(frozen=True)
class Moment:
    """When to kill: ``where`` is an operation, a victim's own step, or ``delay``; ``how`` says before or after what.

    Whoever has not come there after ``latest_s`` real seconds is killed then, which counts as a delay.
    """

    where: str
    how: str
    nth: int = 1
    latest_s: float = 2.0 * PATIENCE_S

    @property
    def name(self) -> str:
        """Say it in two words."""
        return f"{self.where} {self.how}"


NAMED = (
    *((where, how) for where in REQUESTS for how in ("dropped", "taken", "answered")),
    ("asset", "halved"),
    *((where, how) for where in OWN for how in ("before", "after")),
)


def moments(rng: random.Random) -> Iterator[Moment]:
    """Draw moments for ever: every named one in turn, in any order, and half as many delays among them."""
    while True:
        deck = [*NAMED, *[("delay", "passed")] * (len(NAMED) // 2)]
        rng.shuffle(deck)
        for where, how in deck:
            latest = rng.uniform(*DELAYS_S) if where == "delay" else PASSED_S
            yield Moment(where, how, nth=rng.randint(1, (REQUESTS | OWN).get(where, 1)), latest_s=latest)


# -- at the simulator ----------------------------------------------------------------------------------------------


def operation(method: str, path: str) -> str:
    """Return what a request is about."""
    if "/cdn/" in path or path.endswith("/content"):
        return "asset"
    if path.endswith("/access_token"):
        return "token"
    return "submit" if method == "POST" and not path.endswith(("/tasks", "/page")) else "status"


class Tripwire:
    """An ASGI app around the simulator's, which kills when a certain request comes."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._moment: Moment | None = None
        self._seen: Counter[str] = Counter()
        self._kill: Callable[[], None] = lambda: None

    def arm(self, moment: Moment | None, kill: Callable[[], None]) -> None:
        """Wait for one moment, and count from now on."""
        self._moment, self._kill = moment, kill
        self._seen.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request; what a dead client leaves half done says nothing."""
        with suppress(ClientDisconnect):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, or kill who sent it: instead of taking it, before, half-way through the answer, or after."""
        about = operation(scope.get("method", ""), scope["path"])
        self._seen[about] += 1
        moment = self._moment
        if moment is None or (moment.where, moment.nth) != (about, self._seen[about]):
            await self._app(scope, receive, send)
            return
        request = [await receive()]
        while request[-1].get("more_body"):
            request.append(await receive())
        if moment.how in ("dropped", "taken"):
            self._kill()
        if moment.how == "dropped":
            scope["extensions"]["kling_nb.reset"]()
            return

        async def received() -> Any:
            return request.pop(0) if request else await receive()

        await self._app(scope, received, self._spoilt(moment, send))

    def _spoilt(self, moment: Moment, send: Any) -> Any:
        async def sent(message: dict[str, Any]) -> None:
            if moment.how == "answered" and message["type"] == "http.response.start":
                self._kill()
            if moment.how == "halved" and message["type"] == "http.response.body":
                body = message["body"]
                await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
                await asyncio.sleep(0.02)  # for the half to arrive
                self._kill()
                message = {**message, "body": body[len(body) // 2 :]}
            await send(message)

        return sent
