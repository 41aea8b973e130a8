"""The two ceilings at every instant, over all orders of what a person and the providers may do.

A program is a list of steps. When it has ended, the log's events are read again one after another, and what is spent
or may still be charged is counted from them alone, in this file's own terms: of each run, and of each day.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from labs import start, sweep

import kling_nb as kn
from kling_nb.engine.doubt import Doubtful
from kling_nb.errors import InputError, OverBudget
from kling_nb.simulator import Simulator, clips
from kling_nb.simulator.store import Task as Charged

RUNS = ("one", "two")
PROVIDERS = ("kling", "fal", "chanjing")
PROMPTS = (
    "fox",
    "owl",
    "crowd #sim:risk-control",
    "mob #sim:moderation",
    "boat #sim:lost:2",
    "ship #sim:reset",
    "hare #sim:busy",
    "snail #sim:stall",
    "mole #sim:funds",
    "crow #sim:502",
)
DAILY = (None, "0.50", "0.84", "1.40")
BUDGETS = (None, "0.45", "0.80")
DECISIONS = ("look", "truth", "give up", "again")
MOST = 12  # steps of a program
DAY_S = 86_400

DRAWN: dict[str, bytes] = {}
RENDER = clips.render


def drawn_once(scene: clips.Scene, image: bytes | None, size: str) -> bytes:
    """Draw one clip for all: drawing takes longer than all that is done with it."""
    if size not in DRAWN:
        DRAWN[size] = RENDER(scene, image, size)
    return DRAWN[size]


# -- ceilings ---------------------------------------------------------------------------------------------------------


@dataclass
class Law:
    """A ceiling in force: from after one event, until another was obeyed for certain."""

    after: int
    until: float
    most: Decimal


class Laws:
    """The ceilings of a program over time: of each run, and under no name of the day."""

    def __init__(self) -> None:
        self._laws: dict[str, list[Law]] = defaultdict(lambda: [Law(-1, math.inf, Decimal("Infinity"))])

    @contextmanager
    def changed(self, world: World, of: str, most: str | None) -> Iterator[None]:
        """Change a ceiling by what is done in the block; while it is done, the one before may hold still."""
        law = Law(world.seq, math.inf, Decimal(most or "Infinity"))
        try:
            yield
        except OverBudget:
            return
        self._laws[of][-1].until = world.seq
        self._laws[of].append(law)

    def most(self, of: str, seq: int) -> Decimal:
        """Return the ceiling for an event, by its number."""
        return max(law.most for law in self._laws[of] if law.after < seq <= law.until)


# -- the world -----------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A simulated lab whose time stands still but where a step lets it pass; ``laws`` are the ceilings over time."""

    folder: Path
    laws: Laws = field(default_factory=Laws)
    given_up: dict[str, str] = field(default_factory=dict)
    """Charges whose task a person gave up while it was in doubt, by provider and remote id, and that task."""

    def open(self) -> None:
        """Open the lab, and hold its time."""
        self.lab = kn.Lab(self.folder, simulate=kn.Simulation(speed=math.inf))
        self.engine = self.lab._opened.driving()
        self._hold(1)

    def _hold(self, by: int) -> None:
        async def held() -> None:
            self.engine._clock.held += by

        self.engine._loop.call(held)

    @contextmanager
    def _passing(self) -> Iterator[None]:
        self._hold(-1)
        try:
            yield
        finally:
            self._hold(1)

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return int(self.lab.log.events()["seq"].max()) if len(self.lab.log.events()) else 0

    def known(self, run: str) -> bool:
        """Tell whether a run was ever started."""
        return run in set(self.lab.runs()["run"])

    # -- steps --

    def start(self, run: str, provider: str, prompts: list[str], budget: str | None, fresh: bool) -> None:
        """Start a run, or go on with it with other points, under another budget or its own."""
        mode = "std" if provider == "kling" else "pro"
        what = sweep(*prompts, provider=provider, mode=mode)
        with self.laws.changed(self, run, budget) if budget else suppress(OverBudget):
            start(self.lab, what, name=run, budget=budget, fresh=fresh, assume_price="official")

    def daily(self, ceiling: str | None) -> None:
        """Assign another daily ceiling, or none."""
        with self.laws.changed(self, "", ceiling):
            self.lab.daily_budget = ceiling

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        with self._passing():
            self.engine._loop.call(self.engine._clock.sleep, seconds)

    def rest(self) -> None:
        """Wait until nothing moves any more."""
        for run in filter(self.known, RUNS):
            with self._passing():
                self.lab.run(run).wait(60)

    def steer(self, run: str, how: str) -> None:
        """Pause, resume, cancel or retry a run that there is."""
        if self.known(run):
            steers: dict[str, Callable[[kn.Run], object]] = {
                "pause": kn.Run.pause,
                "resume": kn.Run.resume,
                "cancel": kn.Run.cancel,
                "retry": kn.Run.retry,
                "retry all": lambda one: one.retry(uncertain=True, stalled=True, expired=True),
            }
            steers[how](self.lab.run(run))

    def reopen(self) -> None:
        """Close the lab and open it again."""
        self.lab.close()
        self.open()

    def decide(self, how: str) -> None:
        """Decide about everything in doubt."""
        for doubt in self.lab.uncertain():
            with suppress(InputError):  # it serves no point any more, or was found in the meantime
                self._decide(doubt, how)

    def _decide(self, doubt: Doubtful, how: str) -> None:
        charged = self.charged_unknown(doubt)
        if how == "look":
            doubt.look_again()
        elif how == "truth":
            doubt.accepted_as(charged[0].id) if charged else doubt.never_bought()
        else:
            (doubt.give_up if how == "give up" else doubt.buy_again)()
            self.given_up |= {f"{one.provider} {one.id}": doubt.task.id for one in charged[:1]}

    # -- the ledger --

    def ledger(self) -> list[Charged]:
        """Return every submit that the simulator accepted."""
        simulator = Simulator(self.folder)
        try:
            return simulator._world.store.tasks()
        finally:
            simulator.close()

    def charged_unknown(self, doubt: Doubtful) -> list[Charged]:
        """Return the charges that may be those of a task in doubt: of its provider and prompt, and known to nobody."""
        task, known = doubt.task, dict(self.tickets()).keys() | self.given_up.keys()
        same = [one for one in self.ledger() if (one.provider, one.prompt) == (task.provider, task.request["prompt"])]
        return [one for one in same if one.own_id in ("", task.id) and f"{one.provider} {one.id}" not in known]

    def tickets(self) -> list[tuple[str, Any]]:
        """Return the tasks that have a ticket, each with provider and remote id as its name."""
        tasks = self.lab._opened.log.read_tasks()
        return [(f"{task.provider} {task.ticket.id}", task) for task in tasks if task.ticket is not None]


# -- counting ------------------------------------------------------------------------------------------------------


@dataclass
class Count:
    """What is spent or may still be charged, from events alone; a task counts at its upper estimate or its charge."""

    prices: dict[str, Decimal]
    counted: dict[str, Decimal] = field(default_factory=dict)
    days: dict[str, str] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    def hear(self, task: str, kind: str, at: datetime, data: dict[str, Any]) -> None:
        """Take in one event."""
        if task in self.ended:
            return
        free = kind in ("not_sent", "pushed_back", "refused") or (kind == "failed" and data["charged"] is False)
        free = free or (kind == "cancelled" and (task not in self.accepted or data["charged"] is False))
        if kind == "intent":
            self.counted[task], self.days[task] = self.prices[task], at.astimezone(UTC).date().isoformat()
        if kind == "accepted":
            self.accepted.add(task)
        if task in self.counted and (data.get("cost") or {}).get("usd"):
            self.counted[task] = Decimal(data["cost"]["usd"])
        if free:
            self.counted.pop(task, None)
        if kind in ("saved", "failed", "refused") or (kind == "cancelled" and task not in self.accepted):
            self.ended.add(task)

    def sums(self, runs: dict[str, str]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
        """Return what counts, by run and by day."""
        by_run: dict[str, Decimal] = defaultdict(Decimal)
        by_day: dict[str, Decimal] = defaultdict(Decimal)
        for task, amount in self.counted.items():
            by_run[runs[task]] += amount
            by_day[self.days[task]] += amount
        return by_run, by_day


def obeyed(world: World) -> None:
    """Check every event: what an intent adds fits under both ceilings in force, and nothing else adds anything."""
    tasks = world.lab.log.tasks().set_index("task")
    runs = dict(tasks["run"])
    count = Count({task: Decimal(str(usd)) for task, usd in tasks["estimate_usd"].items() if usd == usd})
    before = Decimal(0)
    for event in world.lab.log.events().itertuples():
        count.hear(event.task, event.kind, event.at, json.loads(event.data))
        by_run, by_day = count.sums(runs)
        if event.kind == "intent":
            run, day = runs[event.task], count.days[event.task]
            assert by_run[run] <= world.laws.most(run, event.seq), f"event {event.seq}: over the budget of {run}"
            assert by_day[day] <= world.laws.most("", event.seq), f"event {event.seq}: over the ceiling of {day}"
        else:
            assert sum(by_day.values()) <= before
        before = sum(by_day.values(), Decimal(0))
    own = {task.id: task.spent + task.reserved for task in world.lab._opened.log.read_tasks()}
    assert {task: amount for task, amount in own.items() if amount} == count.counted


def agreed(world: World) -> None:
    """Check the log against the ledger: the same charges, of the same amounts, and free only what was refunded."""
    ledger = {f"{one.provider} {one.id}": one for one in world.ledger()}
    by_id = {task.id: task for task in world.lab._opened.log.read_tasks()}
    tickets = world.tickets() + [(name, by_id[task_id]) for name, task_id in world.given_up.items()]
    assert len(tickets) == len(dict(tickets)), "one charge, and two tasks that name it"
    assert ledger.keys() == dict(tickets).keys()
    for provider in PROVIDERS:
        charged = sum(Decimal(one.usd) for one in ledger.values() if one.provider == provider)
        assert charged == sum(task.price for _, task in tickets if task.provider == provider)
    for name, task in tickets:
        free = ledger[name].refunded(math.inf)
        assert free or task.spent + task.reserved, f"{name} was charged, and {task.state} counts as nothing"


# -- programs ------------------------------------------------------------------------------------------------------

runs, prompts = st.sampled_from(RUNS), st.lists(st.sampled_from(PROMPTS), min_size=1, max_size=3, unique=True)
starts = st.tuples(st.just("start"), runs, st.sampled_from(PROVIDERS), prompts, st.sampled_from(BUDGETS), st.booleans())
steering = st.tuples(
    st.just("steer"), runs, st.sampled_from(["pause", "resume", "resume", "cancel", "retry", "retry", "retry all"])
)
steps = st.one_of(
    starts,
    starts,
    steering,
    steering,
    st.tuples(st.just("decide"), st.sampled_from(DECISIONS)),
    st.tuples(st.just("daily"), st.sampled_from(DAILY)),
    st.tuples(st.just("sleep"), st.sampled_from([1, 30, 200, DAY_S])),
    st.tuples(st.sampled_from(["rest", "reopen"])),
)
FAILS, LOST, FOX = "crowd #sim:risk-control", "boat #sim:lost:2", "fox"
TIGHT = [  # a run's budget that takes one retry and no second, a day that takes both and no third, and one in doubt
    ("start", "one", "kling", [FAILS], "0.45", False),
    ("rest",),
    ("steer", "one", "retry"),
    ("rest",),
    ("steer", "one", "retry"),
    ("rest",),
    ("start", "two", "fal", [LOST, FOX, "owl"], None, False),
    ("rest",),
    ("decide", "again"),
    ("sleep", DAY_S),
    ("steer", "two", "resume"),
]
REOPENED = [
    ("start", "one", "kling", ["fox", "owl"], None, False),
    ("rest",),
    ("reopen",),
    ("start", "two", "kling", ["crowd #sim:risk-control", "boat #sim:lost:2"], None, False),
]
GIVEN_UP = [("start", "one", "fal", [LOST], None, False), ("rest",), ("decide", "give up"), ("steer", "one", "retry")]
CANCELLED = [("start", "one", "fal", ["fox", "owl"], None, False), ("sleep", 30), ("steer", "one", "cancel")]


def run_program(folder: Path, ceiling: str | None, program: list[tuple[Any, ...]]) -> None:
    """Carry a program out in a new lab, let the truth be told of what is still in doubt, and check everything."""
    world = World(folder)
    with patch.object(clips, "render", drawn_once):
        world.open()
        try:
            world.daily(ceiling)
            for name, *given_to in program:
                getattr(world, name)(*given_to)
            world.rest()
            world.decide("truth")
            world.rest()
            obeyed(world)
            agreed(world)
        finally:
            world.lab.close()


@example("0.84", TIGHT)
@example("0.50", REOPENED)
@example("0.50", GIVEN_UP)
@example("1.40", CANCELLED)
@given(st.sampled_from(DAILY), st.lists(steps, min_size=3, max_size=MOST))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_at_every_instant_both_ceilings_hold(ceiling: str | None, program: list[tuple[Any, ...]]) -> None:
    """Whatever is started, retried, resumed, cancelled, reopened or decided, and whatever fails, both ceilings hold."""
    with tempfile.TemporaryDirectory() as folder:
        run_program(Path(folder), ceiling, program)
