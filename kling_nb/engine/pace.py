"""How long tasks take, and a run still will: told to whoever watches, from what was seen and the catalogue says."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..states import MOVING, TaskState
from ..task import Task
from .loop import Clock
from .poll import Curve, Learnt

AT_PROVIDER = (TaskState.QUEUED, TaskState.RUNNING)

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


@dataclass(frozen=True, slots=True, eq=False)
class Sort:
    """Tasks that are bought at one place and take about as long, ``typical_s`` seconds by the catalogue.

    There is one for all of them, told apart from others by being another: thousands are counted at every look.
    """

    provider: str
    model: str
    kind: Kind
    typical_s: float


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
        self._sorts: dict[tuple[str, str, Kind, float], Sort] = {}
        self._sort_of: dict[str, Sort] = {}  # by the task's id

    def span(self, task: Task) -> Span | None:
        """Return how far a task is that the provider is at; `None` for any other."""
        if task.state not in AT_PROVIDER or task.accepted_at is None:
            return None
        return Span(self._age_s(task), self._curve(self._sort(task)).median_s)

    def left_s(self, tasks: Sequence[Task]) -> float:
        """Return after how many real seconds all of some tasks are done, as likely as not; a planned one is to be sent.

        Either the last of them takes so long, or a provider that takes only a few at once takes so long over all.
        """
        aged = self._aged(tasks)
        if not aged:
            return 0.0
        last = 0.5 ** (1 / aged.total())
        longest, shared = 0.0, defaultdict[Place, float](float)
        for (sort, age), count in aged.items():
            curve, (place, slots) = self._curve(sort), self._slots(sort.provider, sort.model)
            shared[place] += count * curve.remaining_s(age) / slots
            longest = max(longest, curve.remaining_s(age, last))
        return self._clock.real_s(max(longest, *shared.values()))

    def _aged(self, tasks: Sequence[Task]) -> Counter[tuple[Sort, float]]:
        """Count tasks that are still to come by sort and age; one that is generated is at the end of its time."""
        planned = Counter(self._sort(task) for task in tasks if task.state is TaskState.PLANNED)
        aged = Counter({(sort, 0.0): count for sort, count in planned.items()})
        for task in tasks:
            if task.state in MOVING:
                sort = self._sort(task)
                made = task.state is TaskState.READY
                aged[sort, math.inf if made else self._curve(sort).rounded(self._age_s(task))] += 1
        return aged

    def _age_s(self, task: Task) -> float:
        if task.accepted_at is None:
            return 0.0
        return self._clock.passing() - self._clock.steadied(task.accepted_at)

    def _curve(self, sort: Sort) -> Curve:
        return self._learnt.curve(sort.kind, sort.typical_s)

    def _sort(self, task: Task) -> Sort:
        if task.id not in self._sort_of:
            key = task.provider, task.model, self._kind(task), self._typical_s(task)
            self._sort_of[task.id] = self._sorts.setdefault(key, Sort(*key))
        return self._sort_of[task.id]
