"""An engine on a folder, wired as a lab wires it, with a clock, a world and slots that a benchmark chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kling_nb import Sweep, catalog
from kling_nb.dialect import Dialect
from kling_nb.dialects import bind
from kling_nb.engine.control import Control
from kling_nb.engine.engine import Engine, Order, Setup
from kling_nb.engine.loop import Clock
from kling_nb.engine.turn import take_if_free
from kling_nb.offer import Provider
from kling_nb.plan import PlannedPoint, Planner, Settings
from kling_nb.secret import Secret
from kling_nb.simulator import Simulator
from kling_nb.task import Task

HOST = "http://simulator"


@dataclass(frozen=True, kw_only=True)
class World:
    """Where the engine's calls go: an ASGI app in this process, or a host; and how many slots a provider has."""

    clock: Clock
    slots: Mapping[str, int]
    app: Callable[[Clock], Any] | None = None
    host: str = HOST


class Driven:
    """An open engine. Closed by `driven`."""

    def __init__(self, folder: Path, world: World) -> None:
        self._catalog, self._world, stranger = catalog.load(), world, Simulator(None)
        self._keys = {name: stranger.key(name) for name in stranger.providers}
        stranger.close()
        for name in ("clips", "inputs"):
            (folder / name).mkdir()
        setup = Setup(
            folder=folder,
            catalog=self._catalog,
            bound=self._bound,
            key=lambda provider: Secret(self._keys[provider.id], "the simulator"),
            clock=world.clock,
            lab_key="benchmark",
            app=world.app,
        )
        taken = take_if_free(folder, simulated=True)
        assert taken is not None
        self.engine = Engine(setup, *taken)

    def _bound(self, name: str) -> tuple[Provider, Dialect]:
        slots = self._world.slots.get(name, 5)
        row = replace(self._catalog.provider(name), base_url=f"{self._world.host}/{name}", slots=slots)
        return row, bind(row)

    def plan(self, sweep: Sweep) -> Sequence[PlannedPoint]:
        """Plan every point of a sweep; raises what stands in the way of buying them."""
        plan = Planner(self._catalog, self._bound, lambda _: None, simulated=True).plan(sweep.points(), {}, Settings())
        plan.check(None)
        return plan.points

    def buy(self, points: Sequence[PlannedPoint], name: str = "run") -> list[Task]:
        """Buy planned points and return their tasks as they stand at rest, in order."""
        control: Control = self.engine.start(Order(name=name, points=points))
        control.idle.wait()
        if self.engine.book.broken is not None:
            raise self.engine.book.broken
        return [self.engine.book.tasks[task_id] for task_id in control.task_ids]


@contextmanager
def driven(folder: Path, world: World) -> Iterator[Driven]:
    """Open an engine, and detach it at the end."""
    open_now = Driven(folder, world)
    try:
        yield open_now
    finally:
        open_now.engine.close()
