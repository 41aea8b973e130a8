"""How a run stands at one moment, frozen: what views are given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import chain
from typing import Any

from ..errors import InputError, OverBudget
from ..excerpts import both_ends, in_words, names_of
from ..fields import IMAGE_FIELDS
from ..log import RunRow
from ..plan import Money, dollars, over
from ..request import digest
from ..stage import AT_REST
from ..states import TRIED_AGAIN, TaskState
from ..task import ZERO, Task
from .pace import Span

TILES_MOST = 48
FIELD_SHOWN = 40  # characters of a field in a label; a prompt is whole
CAUSES_MOST = 8
_PATH = re.compile(r"\b(GET [^\s/]+)/[^\s:;,]+")


@dataclass(frozen=True, slots=True)
class Tile:
    """One task as a panel shows it. ``clip`` is relative to the lab folder; ``span`` of one that a provider is at."""

    id: str
    label: str
    state: str
    reason: str
    clip: str | None
    span: Span | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """What ``run.retry()`` would buy: the failed ``points``, and those that were not sent yet, which go on with them.

    ``price`` and ``unsent_price`` are the most that either may cost, ``counted`` what failed and counts as spent all the
    same, in USD. ``mark`` tells these tasks from any others.
    """

    points: int
    price: Decimal
    unsent: int
    unsent_price: Decimal
    counted: Decimal
    mark: str

    @property
    def sum(self) -> Decimal:
        """The most that all of it may cost, in USD."""
        return self.price + self.unsent_price

    def check(self, money: Money) -> None:
        """Raise `OverBudget` where it may pass a run's budget."""
        if money.budget is not None and money.refusal(self.sum):
            price, budget, spent = over(self.sum, money.budget, money.committed)
            message = (
                f"buying again may cost {price}, over the budget of {budget}, of which {spent} is spent or may still be "
                "charged; nothing was bought again; start it again with a higher budget= first"
            )
            raise OverBudget(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """How a run stands at one moment. Money in USD, of what the run bought itself, earlier attempts included and what
    it reuses of others not; ``left_s`` is an estimate in real seconds, `None` at rest.

    ``holds`` says why points are not sent, and of how many each reason is; ``causes`` has these and what went wrong: a
    sentence and how many points it touches. ``again`` is what can be bought again from here, `None` where nothing
    failed, something moves or somebody else drives.
    """

    name: str
    simulated: bool
    state: str  # running | paused | cancelled | at rest
    is_moving: bool  # whether something is under way: a paused or cancelled run moves until what was sent is fetched
    holds: Mapping[str, int]
    counts: dict[str, int]
    total: int
    spent: Decimal
    reserved: Decimal
    budget: Decimal | None
    left_s: float | None
    tiles: tuple[Tile, ...]
    causes: tuple[tuple[str, int], ...]
    again: Again | None = None

    @property
    def held(self) -> str | None:
        """Why points are not sent, in words; `None` if nothing holds any."""
        return in_one(self.holds, self.counts.get(TaskState.PLANNED.value, 0))

    @property
    def money(self) -> Money:
        """The run's ceiling, and what is spent or may still be charged under it."""
        return Money(self.budget, self.spent + self.reserved)

    def check_again(self, mark: str) -> Again:
        """Return what is bought again; raises `InputError` where that is not what a person agreed to, which ``mark`` tells,
        `OverBudget` where it may pass the run's budget.
        """
        if self.again is None or self.again.mark != mark:
            message = "what can be bought again is not what you were asked about; nothing was bought; look, and press Retry… again"
            raise InputError(message)
        self.again.check(self.money)
        return self.again

    def line(self) -> str:
        """Say it in one line."""
        counted = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        money = f"{dollars(self.spent)} spent" + (f", {dollars(self.reserved)} reserved" if self.reserved else "")
        limit = f" of {dollars(self.budget)}" if self.budget is not None else ""
        return f"{'SIMULATED ' if self.simulated else ''}{self.name}: {counted} of {self.total}; {money}{limit}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What a snapshot is made of beside a run's row and tasks: whether it moves, why some of its tasks are held and their
    ids, its money in USD, whether it is driven from here, how far a task is, which nobody knows who only reads, which
    sample each task is of, and the paths that the lab's images were given by, by reference.
    """

    moving: bool
    driven: bool = False
    held: Mapping[str, Collection[str]]
    spent: Decimal
    reserved: Decimal
    left_s: float | None = None
    span: Callable[[Task], Span | None] = lambda _: None
    samples: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def snapshot_of(row: RunRow, tasks: Sequence[Task], now: Moment, *, simulated: bool) -> Snapshot:
    """Return how a run stands."""
    counts = Counter(task.state for task in tasks)
    holds, free = counted(now.held), {task.id for task in others(tasks, now.held)}
    causes = Counter(_cause(task.reason) for task in tasks if task.reason and _is_told(task, free))
    causes.update(holds)
    return Snapshot(
        name=row.name,
        simulated=simulated,
        state=_state(row, moving=now.moving),
        is_moving=now.moving,
        holds=holds,
        counts={state.value: counts[state] for state in TaskState if counts[state]},
        total=len(tasks),
        spent=now.spent,
        reserved=now.reserved,
        budget=row.budget,
        left_s=now.left_s,
        tiles=_tiles(_shown(tasks), now),
        causes=_most(causes),
        again=again(tasks) if now.driven and not now.moving else None,
    )


def in_one(holds: Mapping[str, int], planned: int) -> str | None:
    """Say why points are not sent, in one; with the number of each reason unless it is that of all ``planned`` ones."""
    if len(holds) == 1 and planned in (0, *holds.values()):
        return next(iter(holds))
    return "; ".join(f"{count} × {why}" for why, count in holds.items()) or None


def again(tasks: Iterable[Task]) -> Again | None:
    """Return what buying the failed ones of a run's tasks again would come to; `None` where none failed.

    What one costs anew is its estimate: what the provider charged for the one that failed may be nothing.
    """
    tasks = list(tasks)
    failed = [task for task in tasks if task.state is TaskState.FAILED]
    unsent = [task for task in tasks if task.state is TaskState.PLANNED]
    if not failed:
        return None
    return Again(
        points=len(failed),
        price=_estimate(failed),
        unsent=len(unsent),
        unsent_price=_estimate(unsent),
        counted=sum((task.spent for task in failed), ZERO),
        mark=digest([task.id for task in (*failed, *unsent)])[:16],
    )


def _estimate(tasks: Iterable[Task]) -> Decimal:
    return sum((task.estimate_high or ZERO for task in tasks), ZERO)


def counted(held: Mapping[str, Collection[str]]) -> dict[str, int]:
    """Return how many each reason holds."""
    return {why: len(task_ids) for why, task_ids in held.items()}


def others(tasks: Iterable[Task], held: Mapping[str, Collection[str]]) -> list[Task]:
    """Return the tasks that nothing holds."""
    ids = {*chain(*held.values())}
    return [task for task in tasks if task.id not in ids]


def _cause(reason: str) -> str:
    """Return a reason without the path of what was asked for, which is every task's own."""
    return _PATH.sub(r"\1/…", reason)


def _most(causes: Counter[str]) -> tuple[tuple[str, int], ...]:
    """Return the most frequent causes; the last one counts those that there is no room for."""
    if len(causes) <= CAUSES_MOST:
        return tuple(causes.most_common())
    first = causes.most_common(CAUSES_MOST - 1)
    kinds, left = len(causes) - len(first), causes.total() - sum(count for _, count in first)
    return (*first, (f"other reasons ({kinds} in all): df has each, in the column reason", left))


def _is_told(task: Task, free: Collection[str]) -> bool:
    """Tell whether a task's reason is a cause: it has come to rest, or waits for a network while nothing holds it."""
    return task.state.is_resting or (task.cause in TRIED_AGAIN and task.id in free)


def _state(row: RunRow, *, moving: bool) -> str:
    if row.state != "running":
        return row.state
    return "running" if moving else AT_REST


def _shown(tasks: Sequence[Task]) -> Sequence[Task]:
    """Choose the tiles: what moves and what went wrong before what is done, in order."""
    if len(tasks) <= TILES_MOST:
        return tasks
    first = sorted(range(len(tasks)), key=lambda n: (tasks[n].state in _QUIET, n))[:TILES_MOST]
    return [tasks[n] for n in sorted(first)]


_QUIET = (TaskState.PLANNED, TaskState.REFUSED, TaskState.CANCELLED)


IN_ITS_PLACE = frozenset({"model", "mode", "duration", "prompt"})


def _tiles(tasks: Sequence[Task], now: Moment) -> tuple[Tile, ...]:
    names = dict.fromkeys(name for task in tasks for name in task.request if name not in IN_ITS_PLACE)
    differ = [name for name in names if any(t.request.get(name) != tasks[0].request.get(name) for t in tasks)]
    samples = now.samples if len({*now.samples.values()}) > 1 else {}
    images = [task.request[name] for task in tasks for name in {*IMAGE_FIELDS}.intersection(differ, task.request)]
    words = partial(_field, names=names_of(images, now.files) if images else {})
    labels = (" · ".join(_facets(task, differ, samples.get(task.id), words)) for task in tasks)
    return tuple(_tile(task, label, now.span(task)) for task, label in zip(tasks, labels, strict=True))


def _tile(task: Task, label: str, span: Span | None) -> Tile:
    return Tile(task.id, label, task.state.value, _cause(task.reason), task.clip.path if task.clip else None, span)


def _facets(task: Task, differ: Sequence[str], sample: int | None, words: Callable[[str, Any], str]) -> Iterator[str]:
    """Say what a task is of: where, by what, how long, the other fields in which the shown ones differ, which sample."""
    request = task.request
    length = request.get("duration") and f"{request['duration']} s"
    yield from (str(facet) for facet in (task.provider, task.model, request.get("mode"), length) if facet)
    yield from (words(name, request.get(name)) for name in differ)
    yield from () if sample is None else (f"sample {sample}",)
    if request.get("prompt"):
        yield str(request["prompt"])


def _field(name: str, value: Any, names: Mapping[str, str]) -> str:
    """Return a field in a few words, of an image its name; a ratio is known by itself."""
    told = names[value] if name in IMAGE_FIELDS and value in names else in_words(value)
    words = "—" if value is None else both_ends(told, FIELD_SHOWN)
    return words if name == "aspect_ratio" and value is not None else f"{name} {words}"
