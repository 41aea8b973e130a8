"""A sweep through every dialect whose process is killed again and again, over a real socket.

One lap is a lab folder with two runs that reach every dialect. A victim opens it, goes on with both and is killed
by SIGKILL at a moment drawn from a seed: after some time, when the simulator has a certain request (dropped, taken,
or answered to nobody; in the middle of a clip), or at a step of its own (see `benchmarks.victim`). The next victim goes
on. When one comes to its end, what is in doubt is answered from the ledger, and the lap is reckoned.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kling_nb import Lab, Run, TaskState
from kling_nb.errors import LabError
from kling_nb.log import ExperimentLog
from kling_nb.simulator import Fault
from kling_nb.task import Task

from .moments import Moment, Tripwire, moments
from .played import Played, played
from .reckoning import Reckoning, answer, misfiled, reckoned
from .victim import AXES, PATIENCE_S, go_on, own_prompts

ROOT = Path(__file__).parents[1]
PROMPTS = 3
SAVED = TaskState.SAVED


# -- victims -------------------------------------------------------------------------------------------------------


class Victims:
    """Forked from one process, one at a time."""

    def __init__(self, process: subprocess.Popen[str], tripwire: Tripwire) -> None:
        self._process, self._tripwire = process, tripwire
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._pid = 0
        self._born = threading.Event()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("end gone")

    def lives(self, given: dict[str, Any], moment: Moment) -> str:
        """Let one live until it is killed or done; answers what it was killed at. Raises for one that fails by itself."""
        self._born.clear()
        self._tripwire.arm(moment, self._kill)
        own = {"trap": moment.where, "nth": moment.nth, "after": moment.how == "after"}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({**given, **own}) + "\n")
        self._process.stdin.flush()
        self._pid = int(self._lines.get(timeout=PATIENCE_S).split()[1])
        self._born.set()
        return self._ended(moment)

    def _ended(self, moment: Moment) -> str:
        name = moment.name
        try:
            line = self._lines.get(timeout=moment.latest_s)
        except queue.Empty:
            name = "delay passed"
            self._kill()
            line = self._lines.get(timeout=PATIENCE_S)
        self._tripwire.arm(None, lambda: None)
        status = line.split()[1]
        if status not in ("0", str(int(signal.SIGKILL))):
            message = f"a victim failed by itself ({status}), to be killed at {moment}"
            raise AssertionError(message)
        return name if status != "0" else ""

    def _kill(self) -> None:
        assert self._born.wait(PATIENCE_S)
        with suppress(ProcessLookupError):  # it ended by itself at this very moment, which its line will tell
            os.kill(self._pid, signal.SIGKILL)


@contextmanager
def victims(tripwire: Tripwire) -> Iterator[Victims]:
    """Start what victims are forked from, in the environment of this process."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.victim"], cwd=ROOT, env=env, text=True, **pipes
    ) as process:
        try:
            yield Victims(process, tripwire)
        finally:
            process.kill()


# -- laps ----------------------------------------------------------------------------------------------------------


@dataclass
class Killed:
    """What came of it: kills by moment, for how many tasks a person was asked, and the reckoning."""

    kills: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    laps: int = 0
    reckoning: Reckoning = field(default_factory=Reckoning)


class Killer:
    """Kills so many times, in as many laps as that takes; lab folders are made below ``place``."""

    def __init__(self, place: Path, one: Played, lives: Victims, seed: int) -> None:
        self.one = one
        self._place, self._victims = place, lives
        self._rng = random.Random(seed)
        self._moments = moments(self._rng)
        self.told = Killed()

    def run(self, kills: int) -> Killed:
        """Run whole laps until there were so many kills."""
        while (left := kills - self.told.kills.total()) > 0:
            self.lap(itertools.islice(self._moments, left))
        return self.told

    def lap(self, moments: Iterable[Moment], *, resume: bool | None = None) -> Killed:
        """Kill at one moment after another until a victim comes to its end; ``resume`` left out: drawn for each."""
        lap, self.told.laps = self.told.laps, self.told.laps + 1
        folder = self._place / f"lap-{lap}"
        prompts = [f"a paper boat, lap {lap}, take {take}" for take in range(PROMPTS)]
        resumes = (self._rng.random() < 0.5 if resume is None else resume for _ in itertools.count())
        for moment, goes_on in zip(moments, resumes, strict=False):
            at = self._victims.lives({"folder": str(folder), "prompts": prompts, "resume": goes_on}, moment)
            if not at:
                break
            self.told.kills[at] += 1
            self.told.reckoning.wrong += [f"{at}: {what}" for what in self._astray(folder, prompts)]
        self.told.reckoning += self._end(folder, prompts, resume=next(resumes))
        return self.told

    def _astray(self, folder: Path, prompts: list[str]) -> list[str]:
        """Say which charge a dead victim's log does not lead to: each is an accepted task's, or may be one's."""
        tasks = logged(folder)
        known = {(task.provider, task.ticket.id) for task in tasks if task.ticket is not None}
        open_ = {
            (task.provider, task.request["prompt"]) for task in tasks if task.ticket is None and task.state.is_sent
        }
        orders = [order for order in self.one.orders() if order.prompt in asked(prompts)]
        return [
            f"the log does not lead to {order.provider} {order.id}"
            for order in orders
            if (order.provider, order.id) not in known and (order.provider, order.prompt) not in open_
        ]

    def _end(self, folder: Path, prompts: list[str], *, resume: bool) -> Reckoning:
        with Lab(folder) as lab:
            runs = go_on(lab, prompts, resume=resume)
            wrong = stuck(runs)
            wrong += [f"no price: {doubt}" for doubt in lab.uncertain() if not doubt.at_stake]
            while found := answer(lab, self.one) + sum(again(run) for run in runs):
                self.told.asked += found
                wrong += stuck(runs)
            points = [task for run in runs for task in run.tasks]
            wrong += [f"{task.provider} {task.state}: {task.reason}" for task in points if task.state is not SAVED]
            tasks = lab._opened.log.read_tasks()
            wrong += misfiled(lab, tasks)
        sum_ = reckoned(self.one, tasks, asked(prompts))
        return Reckoning(len(points), sum_.ledger, sum_.log, sum_.lost, sum_.duplicated, wrong + sum_.wrong)


def logged(folder: Path) -> list[Task]:
    """Return the tasks in a dead victim's log; none where it did not come to make one."""
    try:
        log = ExperimentLog(folder, simulated=False, write=False)
    except LabError:
        return []
    with closing(log):
        return log.read_tasks()


def stuck(runs: Iterable[Run]) -> list[str]:
    """Wait until nothing moves any more, and say in words of which run that does not come."""
    return [f"stuck: {run.snapshot().line()}" for run in runs if run.wait(PATIENCE_S).is_moving]


def again(run: Run) -> int:
    """Retry what never arrived so often that it is left to a person; answers how much that is."""
    lost = sum(task.state is TaskState.FAILED and task.cause == "lost" for task in run.tasks)
    if lost:
        run.retry()
    return lost


@contextmanager
def killer(place: Path, faults: Iterable[Fault] = (), seed: int = 7) -> Iterator[Killer]:
    """Play all providers and have victims ready; lab folders are made below ``place``."""
    wires: list[Tripwire] = []

    def around(app: Any) -> Tripwire:
        wires.append(Tripwire(app))
        return wires[0]

    with played(faults, around=around) as one, victims(wires[0]) as lives:
        yield Killer(place, one, lives, seed)


def asked(prompts: list[str]) -> set[str]:
    """Return every prompt of a lap, as providers get it."""
    return {prompt for name in AXES for prompt in own_prompts(name, prompts)}
