"""The :class:`Simulator`: providers mounted side by side over one clock, one store and one script of faults."""

from __future__ import annotations

import importlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp

from kling_nb.simulator.cdn import Cdn
from kling_nb.simulator.faults import Fault, Faults
from kling_nb.simulator.store import Charge, Store, Task
from kling_nb.simulator.wire import Line
from kling_nb.simulator.world import DAY_S, Provider, World

_log = logging.getLogger(__name__)

BUILT_IN = {
    "kling": "kling_nb.simulator.native:provider",
    "fal": "kling_nb.simulator.falqueue:provider",
    "quickrouter-fal": "kling_nb.simulator.quickrouter_fal:provider",
    "chanjing": "kling_nb.simulator.chanjing:provider",
    "quickrouter": "kling_nb.simulator.quickrouter:provider",
    "relay": "kling_nb.simulator.relay:provider",
    "openroute": "kling_nb.simulator.openroute:provider",
}
"""Providers that need no installed metadata; others come from the entry-point group ``kling_nb.simulators``."""

SLOTS = {
    "kling": 5,
    "fal": 10,
    "quickrouter-fal": 10,
    "chanjing": 5,
    "quickrouter": 5,
    "relay": 5,
    "openroute": 5,
}
LIFETIMES_S = {
    "kling": 30 * DAY_S,
    "fal": 7 * DAY_S,
    "fal-result": 3600.0,
    "quickrouter-fal": 7 * DAY_S,
    "chanjing": 7 * DAY_S,
    "chanjing-token": DAY_S,
    "quickrouter": 3 * DAY_S,
    "relay": 3 * DAY_S,
    "openroute": 3 * DAY_S,
}


class Simulator:
    """Strict stand-ins for paid video services; nothing here costs money or reaches the internet.

    *folder* keeps ``simulator.sqlite`` (None: in memory), so that a new simulator on it continues where the last
    stood.  *now* returns unix seconds and rules every task; *token_now* (default *now*) rules credentials.
    *slots* limits concurrent tasks, for Kling and its relays per account and model, for fal per account; it is merged over
    :data:`SLOTS`, and ``math.inf`` lifts a limit.  *lifetimes* (seconds, merged over :data:`LIFETIMES_S`) says how
    long clip links (by provider), fal's JSON results (``fal-result``) and tokens (``chanjing-token``) are good.
    *size* "real" renders clips at 720p and up instead of thumbnails.  *root* additionally serves that provider at
    ``/``, where its paths come before another provider's of the same beginning.
    *errors_as_200* makes Kling answer its error bodies with HTTP 200, as has been measured too.  *shapes* says how
    an undocumented query answers: ``quickrouter`` in A, C (the default), D or D'.
    """

    def __init__(  # noqa: PLR0913 - each is a dial of its own
        self,
        folder: Path | None,
        *,
        seed: int = 7,
        now: Callable[[], float] = time.time,
        token_now: Callable[[], float] | None = None,
        slots: Mapping[str, float] | None = None,
        faults: Iterable[Fault] = (),
        size: Literal["small", "real"] = "small",
        root: str | None = None,
        errors_as_200: bool = False,
        lifetimes: Mapping[str, float] | None = None,
        shapes: Mapping[str, str] | None = None,
    ) -> None:
        store = Store(folder / "simulator.sqlite" if folder else None)
        self._world = World(
            seed=seed,
            now=now,
            token_now=token_now or now,
            store=store,
            faults=Faults(store, faults),
            slots={**SLOTS, **(slots or {})},
            lifetimes={**LIFETIMES_S, **(lifetimes or {})},
            size=size,
            errors_as_200=errors_as_200,
            shapes=shapes or {},
        )
        self._providers = {name: make(self._world) for name, make in known_providers().items()}
        self.app: ASGIApp = Line(Router(self._routes(root)))

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers it can play."""
        return tuple(self._providers)

    def path(self, provider: str) -> str:
        """Where *provider* lives on this app, such as ``/kling``."""
        return f"/{self._known(provider).name}"

    def key(self, provider: str) -> str:
        """A key that this simulator accepts, in the form in which a user would hold it."""
        return self._known(provider).key

    def ledger(self) -> list[Charge]:
        """Every accepted submit, oldest first, with its list price."""
        return [_charge(task, self.now()) for task in self._world.store.tasks()]

    def add_fault(self, fault: Fault) -> None:
        """Append to the script.  Faults are not stored, only how often each has struck."""
        self._world.faults.add(fault)

    def now(self) -> float:
        """The clock, unix seconds."""
        return self._world.now()

    def close(self) -> None:
        """Close the store; the app must not be used afterwards."""
        self._world.store.close()

    def _known(self, provider: str) -> Provider:
        if provider not in self._providers:
            raise KeyError(f"no simulated provider {provider!r}; there are: {', '.join(self._providers)}")
        return self._providers[provider]

    def _routes(self, root: str | None) -> list[BaseRoute]:
        mounts: list[BaseRoute] = [Mount(f"/{name}", routes=p.routes) for name, p in self._providers.items()]
        own, rest = _split(self._known(root).routes if root else [])
        return [Cdn(self._world).route, *self._control(), *own, *mounts, *rest]

    def _control(self) -> list[BaseRoute]:
        """For other processes: what a test in this process would ask the object."""

        async def health(request: Request) -> Response:
            return JSONResponse({"simulated": True, "now": self.now(), "providers": list(self.providers)})

        async def ledger(request: Request) -> Response:
            return JSONResponse([vars(charge) | {"usd": str(charge.usd)} for charge in self.ledger()])

        async def tasks(request: Request) -> Response:
            return JSONResponse([_row(task, self.now()) for task in self._world.store.tasks()])

        async def faults(request: Request) -> Response:
            return self._read_faults(await request.json())

        return [
            Route("/_sim/health", health),
            Route("/_sim/ledger", ledger),
            Route("/_sim/tasks", tasks),
            Route("/_sim/faults", faults, methods=["POST"]),
        ]

    def _read_faults(self, records: Any) -> Response:
        try:
            read = [Fault.read(record) for record in (records if isinstance(records, list) else [records])]
        except (TypeError, ValueError) as problem:
            return JSONResponse({"error": str(problem)}, 400)
        for fault in read:
            self.add_fault(fault)
        return JSONResponse({"added": len(read)})


def known_providers() -> dict[str, Callable[[World], Provider]]:
    """Return what makes each known provider, by its name; an installed one may replace a built-in of its name.

    One that does not load is left out with a warning: what another package breaks must not stop the rest.
    """
    found = {name: _loaded(place) for name, place in BUILT_IN.items()}
    for point in entry_points(group="kling_nb.simulators"):
        try:
            found[point.name] = point.load()
        except Exception as error:  # noqa: BLE001 - a foreign module may raise anything
            _log.warning("the simulated provider %r (%s) does not load: %s", point.name, point.value, error)
    return found


def _split(routes: Sequence[BaseRoute]) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """Routes at the root that come before the mounts, and those that would swallow them."""
    greedy: list[BaseRoute] = [route for route in routes if isinstance(route, Route) and route.path.startswith("/{")]
    return [route for route in routes if route not in greedy], greedy


def _loaded(place: str) -> Callable[[World], Provider]:
    module, _, name = place.partition(":")
    function: Callable[[World], Provider] = getattr(importlib.import_module(module), name)
    return function


def _charge(task: Task, now: float) -> Charge:
    usd, refunded = Decimal(task.usd), task.refunded(now)
    return Charge(task.provider, task.id, task.own_id, task.model, usd, task.accepted_at, refunded)


def _row(task: Task, now: float) -> dict[str, object]:
    row = {key: value for key, value in vars(task).items() if key != "image"}
    return row | {"state": task.state(now), "ended_at": None if math.isinf(task.ended_at) else task.ended_at}
