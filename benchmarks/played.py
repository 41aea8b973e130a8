"""All providers played on 127.0.0.1, as a live lab in any process finds them: addresses and keys in the environment."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from kling_nb.keys import base_url_variable, key_variable
from kling_nb.simulator import Fault, Simulator, clips, running
from kling_nb.simulator.store import Task

SPEED = 600.0
"""How many seconds of the engine and of the simulator pass in a real one."""

RENDER = clips.render

LIFETIMES_S = {"fal-result": 30 * 86_400.0}
"""fal keeps a result for an hour, which is 6 s here: less than a machine may be busy with something else."""


def drawn_alike(scene: clips.Scene, image: bytes | None, size: str) -> bytes:
    """Draw every clip of a provider with the same pictures: drawing takes longer than all that is done with it."""
    return RENDER(replace(scene, prompt="", take=1, seed=0), image, size)


class ScaledClock:
    """Unix seconds that run so many times as fast as real ones."""

    def __init__(self, speed: float) -> None:
        self._start, self._speed = time.time(), speed

    def __call__(self) -> float:
        """Return the scaled time."""
        return self._start + (time.time() - self._start) * self._speed


@dataclass(frozen=True)
class Played:
    """A simulator on a socket; ``struck`` counts the faults that it injected, by action."""

    simulator: Simulator
    base: str
    struck: Counter[str] = field(default_factory=Counter)

    def orders(self) -> list[Task]:
        """Return every submit that was accepted, oldest first, with its prompt."""
        return self.simulator._world.store.tasks()


def environment(simulator: Simulator, base: str, speed: float) -> dict[str, str]:
    """Return the variables that make a live lab speak to a simulator."""
    variables = {"KLING_NB_SPEED": str(speed)}
    for name in simulator.providers:
        variables[base_url_variable(name)] = base + simulator.path(name)
        variables[key_variable(name)] = simulator.key(name)
    return variables


@contextmanager
def played(
    faults: Iterable[Fault] = (),
    *,
    around: Callable[[Any], Any] = lambda app: app,
    slots: Mapping[str, float] | None = None,
    speed: float = SPEED,
) -> Iterator[Played]:
    """Serve every provider, and set the environment for as long; ``around`` wraps the ASGI app."""
    with ExitStack() as stack:
        clock = ScaledClock(speed)
        simulator = Simulator(
            None, now=clock, token_now=time.time, faults=faults, slots=slots, lifetimes=LIFETIMES_S, seed=7
        )
        stack.callback(simulator.close)
        stack.enter_context(patch.object(clips, "render", drawn_alike))
        simulator.app = around(simulator.app)
        base = stack.enter_context(running(simulator))
        others = {name: value for name, value in os.environ.items() if not name.startswith("KLING_NB_")}
        stack.enter_context(patch.dict(os.environ, {**others, **environment(simulator, base, speed)}, clear=True))
        one = Played(simulator, base)
        _count(one)
        yield one


def _count(one: Played) -> None:
    """Let every fault that strikes be counted."""
    faults = one.simulator._world.faults
    strike = faults.strike

    def counted(event: Any, actions: frozenset[str]) -> Fault | None:
        fault = strike(event, actions)
        if fault is not None:
            one.struck[fault.action] += 1
        return fault

    faults.strike = counted  # type: ignore[method-assign]
