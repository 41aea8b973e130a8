"""How long tasks take, and a run still will: told to whoever watches, from what was seen and the catalogue says."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..task import MOVING, Task, TaskState
from .loop import Clock
from .poll import Curve, Learnt

FOLLOWED = (TaskState.QUEUED, TaskState.RUNNING)

Kind = tuple[str, ...]
Place = tuple[str, str]
"""Where tasks share slots: a provider's account, or a model there."""
Slots = Callable[[str, str], tuple[Place, float]]
"""Told the ids of a provider and a model: where its tasks share slots, and how many there are."""


@dataclass(frozen=True, slots=True)
class Span:
    """How long a provider has had a task, and how long it usually has such ones, in seconds of the engine's clock."""

    age_s: float
    usual_s: float


class Pace:
    """Estimates for views; its methods may be called from any thread."""

    def __init__(
        self,
        clock: Clock,
        learnt: Learnt,
        slots: Slots,
        kind: Callable[[Task], Kind],
        typical_s: Callable[[Task], float],
    ) -> None:
        self._clock = clock
        self._learnt = learnt
        self._slots = slots
        self._kind = kind
        self._typical_s = typical_s
        self._kinds: dict[str, tuple[Kind, float]] = {}

    def span(self, task: Task) -> Span | None:
        """Return how far a task is that the provider is at; `None` for any other."""
        if task.state not in FOLLOWED or task.accepted_at is None:
            return None
        return Span(self._age_s(task), self._curve(task).median_s)

    def left_s(self, tasks: Sequence[Task]) -> float:
        """Return after how many real seconds all of some tasks are done, as likely as not; a planned one is to be sent.

        Either the last of them takes so long, or a provider that takes only a few at once takes so long over all.
        """
        open_tasks = Counter(self._standing(task) for task in tasks if task.state in MOVING | {TaskState.PLANNED})
        if not open_tasks:
            return 0.0
        last = 0.5 ** (1 / open_tasks.total())
        shared: defaultdict[Place, float] = defaultdict(float)
        for (provider, model, curve, age), count in open_tasks.items():
            place, slots = self._slots(provider, model)
            shared[place] += count * curve.remaining_s(age) / slots
        longest = max(curve.remaining_s(age, last) for _, _, curve, age in open_tasks)
        return self._clock.real_s(max(longest, *shared.values()))

    def _standing(self, task: Task) -> tuple[str, str, Curve, float]:
        """Return where a task is bought, how long it takes, and its age; of one that is made, that it is at its end."""
        curve = self._curve(task)
        age = math.inf if task.state is TaskState.READY else curve.rounded(self._age_s(task))
        return task.provider, task.model, curve, age

    def _age_s(self, task: Task) -> float:
        if task.accepted_at is None:
            return 0.0
        return self._clock.passing() - self._clock.steadied(task.accepted_at)

    def _curve(self, task: Task) -> Curve:
        if task.id not in self._kinds:
            self._kinds[task.id] = self._kind(task), self._typical_s(task)
        return self._learnt.curve(*self._kinds[task.id])
