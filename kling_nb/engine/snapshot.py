"""How a run stands at one moment, frozen: what views are given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ..excerpts import excerpt, in_words
from ..log import RunRow
from ..plan import dollars
from ..stage import AT_REST
from ..task import TRIED_AGAIN, Task, TaskState
from .pace import Span

TILES_MOST = 48
FIELD_SHOWN = 40  # characters of a field in a label; a prompt is whole, since its end may be what tells two apart
CAUSES_MOST = 8


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
class Snapshot:
    """How a run stands at one moment. Money in USD, of what the run bought itself, earlier attempts included and what
    it reuses of others not; ``left_s`` is an estimate in real seconds, `None` at rest.

    ``causes`` groups what went wrong, or keeps points waiting: a sentence and how many points it touches.
    """

    name: str
    simulated: bool
    state: str  # running | paused | cancelled | at rest
    is_moving: bool  # whether something is under way: a paused or cancelled run moves until what was sent is fetched
    held: str | None
    counts: dict[str, int]
    total: int
    spent: Decimal
    reserved: Decimal
    budget: Decimal | None
    left_s: float | None
    tiles: tuple[Tile, ...]
    causes: tuple[tuple[str, int], ...]

    def line(self) -> str:
        """Say it in one line."""
        counted = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        money = f"{dollars(self.spent)} spent" + (f", {dollars(self.reserved)} reserved" if self.reserved else "")
        limit = f" of {dollars(self.budget)}" if self.budget is not None else ""
        return f"{'SIMULATED ' if self.simulated else ''}{self.name}: {counted} of {self.total}; {money}{limit}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """What a snapshot is made of beside a run's row and tasks: whether it moves, what holds it, its money in USD, and
    how far a task is, which nobody knows who only reads.
    """

    moving: bool
    held: str | None
    spent: Decimal
    reserved: Decimal
    left_s: float | None = None
    span: Callable[[Task], Span | None] = lambda _: None


def snapshot_of(row: RunRow, tasks: Sequence[Task], now: Moment, *, simulated: bool) -> Snapshot:
    """Return how a run stands."""
    counts = Counter(task.state for task in tasks)
    causes = Counter(task.reason for task in tasks if task.reason and _is_told(task, now))
    if now.held:
        causes[now.held] += counts[TaskState.PLANNED]
    return Snapshot(
        name=row.name,
        simulated=simulated,
        state=_state(row, moving=now.moving),
        is_moving=now.moving,
        held=now.held,
        counts={state.value: counts[state] for state in TaskState if counts[state]},
        total=len(tasks),
        spent=now.spent,
        reserved=now.reserved,
        budget=row.budget,
        left_s=now.left_s,
        tiles=_tiles(_shown(tasks), now),
        causes=tuple(causes.most_common(CAUSES_MOST)),
    )


def _is_told(task: Task, now: Moment) -> bool:
    """Tell whether a task's reason is a cause: it has come to rest, or waits for a network while nothing holds it."""
    waits = task.cause in TRIED_AGAIN and not (now.held and task.state is TaskState.PLANNED)
    return task.state.is_resting or waits


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
    return tuple(_tile(task, " · ".join(_facets(task, differ)), now.span(task)) for task in tasks)


def _tile(task: Task, label: str, span: Span | None) -> Tile:
    return Tile(task.id, label, task.state.value, task.reason, task.clip.path if task.clip else None, span)


def _facets(task: Task, differ: Sequence[str]) -> Iterator[str]:
    """Say what a task is of: where, by what, how long, then the other fields in which the shown ones differ."""
    request = task.request
    length = request.get("duration") and f"{request['duration']} s"
    yield from (str(facet) for facet in (task.provider, task.model, request.get("mode"), length) if facet)
    yield from (_field(name, request.get(name)) for name in differ)
    if request.get("prompt"):
        yield str(request["prompt"])


def _field(name: str, value: Any) -> str:
    """Return a field in a few words; a ratio is known by itself."""
    words = "—" if value is None else in_words(value)
    return excerpt(words if name == "aspect_ratio" and value is not None else f"{name} {words}", FIELD_SHOWN)
