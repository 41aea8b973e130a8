"""How long a sweep of 1,000 points takes, beside the best that its slots allow.

    python -m benchmarks.makespan

The embedded simulator at infinite speed: what is compared is *virtual* time from the start of the run until the last
task is known to be done, over the makespan of a greedy list schedule. That takes the same points in the same order and
the same drawn latencies, puts each where a slot first falls free, and notices every end at once. Requests take no
virtual time, and drawing clips is the simulator's affair: every task gets the same small one.
"""

from __future__ import annotations

import heapq
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from kling_nb import Sweep
from kling_nb.engine.loop import Clock, VirtualClock
from kling_nb.engine.opening import EPOCH
from kling_nb.simulator import Simulator, clips, latency
from kling_nb.simulator.store import Task as Accepted
from kling_nb.states import TaskState
from kling_nb.task import Task

from .driving import World, driven
from .table import Row, shown

SEED = 7
WAITS_S = {"kling": 30.0, "fal": 6.0}  # the longest wait that the simulator draws, by provider
FAMILIES = {"kling-v1-6": "v1-6", "kling-v2-5-turbo": "v2-5-turbo", "kling-v2-6": "v2-6"}
SCENE = clips.Scene(provider="kling", model="any", mode="std", prompt="a clip", seconds=5, ratio="16:9")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A sweep, and how many slots each provider has: Kling by model, fal by account."""

    what: str
    slots: Mapping[str, int]
    axes: Mapping[str, object]

    def sweep(self, points: int) -> Sweep:
        """Return a sweep of about so many points."""
        combinations = math.prod(len(value) for value in self.axes.values() if isinstance(value, list))
        prompts = [f"a red fox runs through snow, take {n}" for n in range(max(1, points // combinations))]
        return Sweep(prompt=prompts, duration=5, **self.axes)


CASES = (
    Case(
        what="20 slots, one model of 60 s",
        slots={"kling": 20},
        axes={"model": "kling-v2-5-turbo", "mode": "std", "provider": "kling"},
    ),
    Case(
        what="20 slots, one model of 330 s",
        slots={"kling": 20},
        axes={"model": "kling-v1-6", "mode": "pro", "provider": "kling"},
    ),
    Case(
        what="20 slots, one model of 110 s, fal",
        slots={"fal": 20},
        axes={"model": "kling-v2-5-turbo", "mode": "pro", "provider": "fal"},
    ),
    Case(
        what="three models at both providers",
        slots={"kling": 10, "fal": 20},
        axes={"model": list(FAMILIES), "mode": "pro", "provider": ["kling", "fal"]},
    ),
)


@contextmanager
def one_clip() -> Iterator[None]:
    """Let the simulator serve one clip for every task."""
    drawn = clips.render(SCENE, None, "small")
    with patch.object(clips, "render", lambda *_: drawn):
        yield


def bought(case: Case, points: int) -> tuple[list[Task], list[Accepted]]:
    """Run a sweep to its end; returns the tasks in order, and what the simulator accepted."""
    with tempfile.TemporaryDirectory() as place, one_clip():
        made: list[Simulator] = []

        def app(clock: Clock) -> tuple[object, object]:
            made.append(Simulator(Path(place), seed=SEED, now=clock.now, slots=case.slots))
            return made[0].app, lambda: None  # read once more after the run

        world = World(clock=VirtualClock(EPOCH, math.inf), slots=case.slots, app=app)
        with driven(Path(place), world) as lab:
            tasks = lab.buy(lab.plan(case.sweep(points)))
        accepted = made[0]._world.store.tasks()
        made[0].close()
    return tasks, accepted


def greedy(lasting: Iterable[float], slots: int) -> float:
    """Return the makespan of tasks in this order, each put where a slot first falls free, in seconds."""
    free = [0.0] * slots
    for seconds in lasting:
        heapq.heappushpop(free, free[0] + seconds)
    return max(free)


def lasts_s(task: Task, accepted: Accepted) -> float:
    """Return how long a task was drawn to last at the simulator, from submit to end, without waiting for a slot."""
    median = latency.median_s(FAMILIES[task.model], str(task.request["mode"]), 5, sound=False)
    drawn = latency.draw(latency.dice(SEED, accepted.fingerprint, accepted.nth), median, WAITS_S[task.provider])
    return drawn.queued_s + drawn.running_s


def best_s(case: Case, tasks: Sequence[Task], accepted: Sequence[Accepted]) -> float:
    """Return the greedy makespan of all tasks, each gate by itself, in seconds."""
    by_id = {row.id: row for row in accepted}
    gates: dict[tuple[str, str], list[float]] = {}
    for task in tasks:
        gate = (task.provider, task.model if task.provider == "kling" else "")
        gates.setdefault(gate, []).append(lasts_s(task, by_id[task.ticket.id if task.ticket else ""]))
    return max(greedy(lasting, case.slots[provider]) for (provider, _), lasting in gates.items())


def measured(case: Case, points: int) -> Row:
    """Run one case."""
    tasks, accepted = bought(case, points)
    lost = [task for task in tasks if task.state is not TaskState.SAVED]
    if lost or len(accepted) != len(tasks):
        message = f"{len(lost)} of {len(tasks)} not saved, {len(accepted)} accepted: {lost[:1]}"
        raise AssertionError(message)
    took = max(task.done_at or 0 for task in tasks) - min(task.planned_at or 0 for task in tasks)
    best = best_s(case, tasks, accepted)
    behind = f"{took:,.0f} s over {best:,.0f} s, {len(tasks)} points"
    return Row(case.what, took / best, 1.05, behind)


def rows(points: int = 1000) -> Iterator[Row]:
    """Measure every case with about so many points."""
    for case in CASES:
        yield measured(case, points)


def main() -> int:
    """Print the table; return how many targets were missed."""
    return shown("makespan: virtual time over a greedy list schedule", rows())


if __name__ == "__main__":
    sys.exit(min(1, main()))
