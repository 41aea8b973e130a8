"""Lab folders for tests: simulated ones, and live ones whose providers are played over a real socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import kling_nb as kn
from kling_nb.keys import base_url_variable, key_variable
from kling_nb.simulator import Charge, Fault, Simulator, running
from kling_nb.task import Event, Task
from tests.forking import Piped

SPEED = 300.0
"""How many seconds of the engine and of the simulator pass in a real one, over sockets."""

CHEAP: dict[str, Any] = {"model": "kling-v2-5-turbo", "mode": "std", "duration": 5, "provider": "kling"}
PRICE = {"kling": Decimal("0.21"), "fal": Decimal("0.35")}
"""What a clip of `sweep` costs, in USD."""

Open = Callable[..., kn.Lab]


def sweep(*prompts: str, **axes: Any) -> kn.Sweep:
    """Return a sweep over prompts, of the cheapest kind unless told otherwise; fal sells that in pro only."""
    mode = {"mode": "pro"} if axes.get("provider") == "fal" else {}
    return kn.Sweep(prompt=list(prompts), **{**CHEAP, **mode, **axes})


def start(lab: kn.Lab, what: kn.Sweep, **options: Any) -> kn.Run:
    """Start without a panel."""
    return lab.start(what, show=False, **options)


def ledger(lab: kn.Lab | Path) -> list[Charge]:
    """Return what the simulator embedded in a lab charged."""
    folder = lab if isinstance(lab, Path) else lab.folder
    simulator = Simulator(folder)
    try:
        return simulator.ledger()
    finally:
        simulator.close()


def until(run: kn.Run, happened: Callable[[list[Task]], bool], seconds: float = 20) -> None:
    """Wait until a run's tasks stand as wanted; raises `AssertionError` after so many real seconds."""
    end = time.monotonic() + seconds
    while not happened(run.tasks):
        assert time.monotonic() < end, run
        time.sleep(0.002)


def in_state(state: str, count: int = 1) -> Callable[[list[Task]], bool]:
    """Tell whether at least so many tasks are in a state."""
    return lambda tasks: sum(task.state == state for task in tasks) >= count


def listen(lab: kn.Lab, heard: Callable[[Event, Task], None]) -> None:
    """Hear every event of a lab, on the engine's thread."""
    lab._opened.driving().book.listeners.append(heard)


def until_later(lab: kn.Lab, seconds: float) -> None:
    """Let so many seconds pass in a simulated lab whose time never waits."""
    engine = lab._opened.driving()
    engine._loop.call(engine._clock.sleep, seconds)


def agrees(live: Live) -> None:
    """Check that the ledger and the log tell the same: nothing was charged twice, and nothing that the log lacks."""
    tasks = live.lab.log.tasks().set_index("task")
    bought, charges = tasks.index[tasks["spent_usd"] > 0], live.simulator.ledger()
    own_ids = [charge.own_id for charge in charges if charge.own_id]  # fal knows none
    assert (len(bought), len(own_ids)) == (len(charges), len(set(own_ids)))
    assert set(own_ids) <= set(bought)
    assert not list((live.lab.folder / "clips").glob("*.part"))


class ScaledClock:
    """Unix seconds that run so many times as fast as real ones."""

    def __init__(self, speed: float) -> None:
        self.start, self.speed = time.time(), speed

    def __call__(self) -> float:
        """Return the scaled time."""
        return self.start + (time.time() - self.start) * self.speed


@dataclass
class Live:
    """A live lab and the simulator that plays its providers over a real socket."""

    lab: kn.Lab
    simulator: Simulator
    base: str
    open: Callable[[], kn.Lab]

    def reopen(self) -> kn.Lab:
        """Close the lab and open it again."""
        self.lab.close()
        self.lab = self.open()
        return self.lab

    @property
    def charged(self) -> Decimal:
        """The sum of the ledger, in USD, refunds left out."""
        return sum((charge.usd for charge in self.simulator.ledger() if not charge.refunded), Decimal(0))

    def bought(self, task_id: str) -> int:
        """Return how often an own id was charged."""
        return sum(charge.own_id == task_id for charge in self.simulator.ledger())


@contextmanager
def live_lab(folder: Path, *faults: Fault, speed: float = SPEED, **options: Any) -> Iterator[Live]:
    """Play all providers on 127.0.0.1, with their addresses and keys in the environment, and open a live lab."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as environment:
        simulator = Simulator(None, now=ScaledClock(speed), token_now=time.time, faults=faults, **options)
        stack.callback(simulator.close)
        base = stack.enter_context(running(simulator))
        for name in simulator.providers:
            environment.setenv(base_url_variable(name), base + simulator.path(name))
            environment.setenv(key_variable(name), simulator.key(name))
        environment.setenv("KLING_NB_SPEED", str(speed))

        def open_lab() -> kn.Lab:
            lab = kn.Lab(folder)
            stack.callback(lab.close)
            return lab

        yield Live(open_lab(), simulator, base, open_lab)


def process(code: str, *arguments: str) -> Piped:
    """Run Python in another process, which has ended when the block has; warnings are errors there."""
    return Piped(list(arguments), code=code, strict=True)
