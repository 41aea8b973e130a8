"""Sweeps through every provider in which each point meets faults of its own, all at once, over a real socket.

A wave is a lab folder and a simulator with a point of each scenario or more at every provider, and faults of the
line that strike whoever asks. Known beforehand is how each point has to end. At a provider that can look a submit up
by our own id, one whose answer was lost is found, or is absent and bought by another attempt; at others it ends
uncertain with its price, which is right, and ends saved once it is answered from the ledger.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from kling_nb import Lab, Run, TaskState
from kling_nb.simulator import Fault
from kling_nb.task import Task

from .played import Played, played
from .reckoning import Reckoning, answer, misfiled, reckoned, unspoken
from .victim import AXES, PATIENCE_S, go_on, own_prompts

WAVE = 60
RESUMES = 60
"""How often a run that is held by an empty balance is resumed: each point of that kind holds it once."""
NO_LIMIT = float("inf")
EVER: dict[str, Any] = {"times": None}
SHORT: dict[str, Any] = {"seconds": 0.2}
PROVES = frozenset({"kling"})
"""Where a look-up tells that a submit never arrived."""
FINDS = PROVES | {"quickrouter", "relay"}
"""Where a look-up finds one that did."""


class End(Enum):
    """How a point has to end, as (state, cause); `ABSENT`, `TAKEN` and `WOKEN` are not the same everywhere or always."""

    SAVED = ("saved", "")
    ABSENT = "never arrived"
    TAKEN = "accepted, the answer lost"
    WOKEN = "stalled, then saved"
    POLICY = ("failed", "content policy")
    PROVIDER = ("failed", "provider")
    MEDIA = ("stalled", "media")
    EXPIRED = ("expired", "expired")
    SILENT = ("stalled", "stalled")
    TORN = ("stalled", "network")

    def at(self, provider: str) -> tuple[str, str]:
        """Return state and cause at a provider, before anybody decides about what is in doubt."""
        if self in (End.ABSENT, End.TAKEN):
            looked_up = provider in (PROVES if self is End.ABSENT else FINDS)
            return ("saved", "") if looked_up else ("uncertain", "doubt")
        state, cause = ("stalled", "stalled") if self is End.WOKEN else self.value
        return state, cause


@dataclass(frozen=True)
class Scenario:
    """What a point meets, and how it has to end."""

    name: str
    end: End
    faults: tuple[Fault, ...] = ()


def one(name: str, end: End, action: str, operation: str = "", **more: Any) -> Scenario:
    """Return a scenario of one fault."""
    return Scenario(name, end, (Fault(action=action, operation=operation, **more),))


BROKEN = {
    "reset": {"action": "reset"},
    "hang": {"action": "hang", **SHORT},
    "500": {"action": "http", "status": 500, "body": '{"message": "internal error"}'},
    "HTML 502": {"action": "html"},
}
SPOILT = ("malformed", "truncated", "empty")

SUBMITS = (
    Scenario("calm", End.SAVED),
    *(Scenario(f"submit {name}", End.ABSENT, (Fault(**fault),)) for name, fault in BROKEN.items()),
    *(one(f"submit {action}", End.TAKEN, action) for action in ("lost", *SPOILT)),
    one("submit late", End.SAVED, "late", **SHORT),
    one("submit 429, Retry-After", End.SAVED, "busy", times=2, retry_after=20),
    one("submit 429, rate", End.SAVED, "busy", times=2, code=1302),
    one("submit 429, permanent", End.SAVED, "funds"),
)
TASKS = (
    one("moderation at once", End.POLICY, "moderation"),
    one("moderation late", End.POLICY, "risk-control"),
    one("failure", End.PROVIDER, "fail", body="Service internal error"),
    one("stalled", End.SILENT, "stall"),
    one("stalled, then done", End.WOKEN, "stall", seconds=2600),
)
READS = (
    *(
        Scenario(f"status {name}", End.SAVED, tuple(Fault(**fault, operation=of) for of in ("status", "result")))
        for name, fault in BROKEN.items()
    ),
    *(one(f"status {action}", End.SAVED, action, "status") for action in SPOILT),
    one("status backwards", End.SAVED, "backwards", times=2),
    one("left out of lists", End.SAVED, "missing", **EVER),
)
CLIPS = (
    *(Scenario(f"clip {name}", End.SAVED, (Fault(**fault, operation="asset"),)) for name, fault in BROKEN.items()),
    one("clip truncated", End.SAVED, "cut"),
    one("clip of the wrong type", End.SAVED, "wrong-type"),
    one("clip expired", End.SAVED, "expired"),
    one("clip slow", End.SAVED, "slow", **SHORT),
    one("clip always truncated", End.TORN, "cut", **EVER),
    one("clip always of the wrong type", End.MEDIA, "wrong-type", **EVER),
    one("clip always expired", End.EXPIRED, "expired", **EVER),
    one("clip huge", End.MEDIA, "huge", **EVER),
)
TOGETHER = (
    Scenario(
        "pushed back, statuses broken, clip truncated",
        End.SAVED,
        (
            Fault(action="busy"),
            Fault(action="html", operation="status", times=2),
            Fault(action="backwards", times=2),
            Fault(action="cut"),
        ),
    ),
    Scenario(
        "answer lost, statuses broken, clip of the wrong type, then expired",
        End.TAKEN,
        (
            Fault(action="lost"),
            Fault(action="reset", operation="status"),
            Fault(action="wrong-type"),
            Fault(action="expired", nth=2),
        ),
    ),
)
SCENARIOS: tuple[Scenario, ...] = (*SUBMITS, *TASKS, *READS, *CLIPS, *TOGETHER)


def weather() -> Iterator[Fault]:
    """Go through the faults that strike whoever asks for a list or a token: those have no prompt."""
    for nth, fault in enumerate((*BROKEN.values(), *({"action": action} for action in SPOILT)), 1):
        yield Fault(**fault, operation="list", nth=4 * nth)
    yield Fault(action="html", operation="token")
    yield Fault(action="malformed", operation="token", nth=2)


@dataclass(frozen=True)
class Place:
    """One run at one provider, and which scenario each of a wave's prompts meets there."""

    run: str
    provider: str
    shift: int

    def scenario(self, point: int) -> Scenario:
        """Return what a point meets."""
        return SCENARIOS[(point + self.shift) % len(SCENARIOS)]

    def faults(self, points: Sequence[int]) -> Iterator[Fault]:
        """Go through the faults of some points."""
        for point in points:
            prompt = own_prompts(self.run, [prompt_of(point)])[0]
            for fault in self.scenario(point).faults:
                yield replace(fault, provider=self.provider, prompt=prompt)


def prompt_of(point: int) -> str:
    """Return a prompt that no other holds."""
    return f"a paper boat, point {point:05d}"


def places(seed: int = 0) -> list[Place]:
    """Return every provider of every run; at each the scenarios begin elsewhere, and elsewhere for each seed."""
    named = [(run, provider) for run, axes in AXES.items() for provider in listed(axes["provider"])]
    return [Place(run, provider, seed + 5 * n) for n, (run, provider) in enumerate(named)]


def listed(value: Any) -> list[Any]:
    """Return an axis as a list."""
    return value if isinstance(value, list) else [value]


# -- a wave --------------------------------------------------------------------------------------------------------


@dataclass
class Stormed:
    """What came of it: faults by kind, for how many tasks a person was asked, and the reckoning."""

    struck: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    reckoning: Reckoning = field(default_factory=Reckoning)


class Wave:
    """Some points at every provider, in a lab of their own."""

    def __init__(self, folder: Path, points: Sequence[int], seed: int) -> None:
        self._folder, self._points, self._places = folder, points, places(seed)
        self._prompts = [prompt_of(point) for point in points]
        self._met = {
            (place.provider, prompt): place.scenario(point)
            for place in self._places
            for point, prompt in zip(points, self._prompts, strict=True)
            for prompt in own_prompts(place.run, [prompt])
        }

    def ride(self, told: Stormed) -> None:
        """Buy them, look how each ended, decide what is in doubt, and reckon."""
        faults = [*weather(), *(fault for place in self._places for fault in place.faults(self._points))]
        with played(faults, slots=dict.fromkeys(AXES["sweep"]["provider"], NO_LIMIT)) as world:
            with Lab(self._folder) as lab:
                told.reckoning += self._ridden(lab, world, told)
            told.struck += world.struck

    def _ridden(self, lab: Lab, world: Played, told: Stormed) -> Reckoning:
        runs = go_on(lab, self._prompts, resume=False)
        wrong = [f"held: {run.held}" for run in runs if not rested(run)]
        wrong += self._amiss(runs)
        wrong += [f"no price: {doubt}" for doubt in lab.uncertain() if not doubt.at_stake]
        told.asked += answer(lab, world)
        wrong += [f"held: {run.held}" for run in runs if not rested(run)]
        wrong += self._amiss(runs, decided=True)
        tasks = lab._opened.log.read_tasks()
        sum_ = reckoned(world, tasks, {prompt for _, prompt in self._met})
        return replace(sum_, points=len(self._met), wrong=wrong + sum_.wrong + misfiled(lab, tasks))

    def _amiss(self, runs: Sequence[Run], *, decided: bool = False) -> list[str]:
        """Say in words which point did not end as it has to, or without a reason for a person."""
        tasks = [task for run in runs for task in run.tasks]
        woken = [task.id for task in tasks if decided and self._scenario(task).end is End.WOKEN]
        if not until_saved(runs, woken):
            return ["a stalled task did not wake"]
        tasks = [task for run in runs for task in run.tasks]
        return [shown(task, self._scenario(task)) for task in tasks if self._is_amiss(task, decided=decided)]

    def _is_amiss(self, task: Task, *, decided: bool) -> bool:
        end = self._scenario(task).end
        right = end.at(task.provider)
        early = not decided and end is End.WOKEN and task.state is TaskState.SAVED
        if decided and end in (End.ABSENT, End.TAKEN, End.WOKEN):
            right = End.SAVED.value
        return unspoken(task) or ((task.state.value, task.cause) != right and not early)

    def _scenario(self, task: Task) -> Scenario:
        return self._met[task.provider, task.request["prompt"]]


def shown(task: Task, scenario: Scenario) -> str:
    """Say how a point ended that met something."""
    return f"{task.provider}, {scenario.name}: {task.state} ({task.cause}) {task.reason}"


def rested(run: Run) -> bool:
    """Wait until a run is at rest, resumed whenever an empty balance held it; answers whether it came to that."""
    for _ in range(RESUMES):
        if run.wait(2 * PATIENCE_S).is_moving:
            return False
        if not run.held:
            return True
        run.resume()
    return False


def until_saved(runs: Sequence[Run], task_ids: Sequence[str]) -> bool:
    """Wait until some tasks are saved; answers whether they were in time."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if all(task.state is TaskState.SAVED for run in runs for task in run.tasks if task.id in task_ids):
            return True
        time.sleep(0.05)
    return False


def stormed(place: Path, points: int, seed: int = 0) -> Stormed:
    """Send so many points through each provider, with lab folders below ``place``, and reckon."""
    told = Stormed()
    for first in range(0, points, WAVE):
        wave = range(first, min(points, first + WAVE))
        Wave(place / f"wave-{first}", wave, seed).ride(told)
    return told
