"""A task, which is one attempt to buy a point, and the only state machine of the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from .costs import Cost, cost_from, day_of
from .records import changed
from .states import FINAL, UNPROVEN, EventKind, TaskState

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a provider gave for an accepted task: its ids and addresses, as opaque JSON that the dialect reads."""

    id: str
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Clip:
    """The verified file of a saved task, measured. ``path`` is relative to the lab folder, with forward slashes."""

    path: str
    sha256: str
    bytes: int
    width: int
    height: int
    fps: float
    seconds: float
    sound: bool
    flags: tuple[str, ...] = ()  # differences from what was asked, in words


CLIP_FIELDS = tuple(f.name for f in fields(Clip))


def clip_from(value: Mapping[str, Any]) -> Clip:
    """Read a `Clip` from plain JSON; ignores measures that a later version added."""
    known = {name: value[name] for name in CLIP_FIELDS if name in value}
    return Clip(**{**known, "flags": tuple(value.get("flags", ()))})


def clip_data(clip: Clip) -> dict[str, Any]:
    """Return a `Clip` as plain JSON; `clip_from` is its inverse."""
    return {**{name: getattr(clip, name) for name in CLIP_FIELDS}, "flags": list(clip.flags)}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a task. ``at`` is in Unix seconds; ``data`` is plain JSON."""

    task: str
    kind: str
    at: float
    data: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True, repr=False)  # no slots: `changed` copies the attributes at once
class Task:
    """One attempt to buy a point. Records are frozen; `apply` returns the next one.

    ``id`` is also the own id that is sent as ``external_task_id``: one per attempt. ``asset`` is where the clip
    can be fetched, as the dialect wrote it.
    """

    id: str
    identity: str
    provider: str
    model: str
    run: str = ""  # the run that bought it, or means to
    attempt: int = 1
    request: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    call: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    estimate_low: Decimal | None = None
    estimate_high: Decimal | None = None
    state: TaskState = TaskState.PLANNED
    reason: str = ""
    cause: str = ""
    unwanted: bool = False
    charged: bool | None = None  # a failed or cancelled task: whether it costs money; None is not known
    ticket: Ticket | None = None
    asset: Mapping[str, Any] | None = None
    cost: Cost | None = None
    clip: Clip | None = None
    rating: float | None = None
    note: str = ""
    planned_at: float | None = None
    submitted_at: float | None = None
    accepted_at: float | None = None
    changed_at: float | None = None
    done_at: float | None = None
    saved_at: float | None = None

    def __repr__(self) -> str:
        """Show the task's point, its state, and its clip's path or why there is no clip."""
        what = " · ".join(filter(None, (self.provider, self.model, self.request.get("mode"))))
        held = (
            self.clip.path if self.clip else self.reason and repr(self.reason)
        )  # others' words may rewrite a terminal
        return f"<Task {self.id} {what}: {self.state}{f', {held}' if held else ''}>"

    @property
    def is_mendable(self) -> bool:
        """Whether it counts as failed although the provider never said so: an id found there proves that wrong."""
        return self.state is TaskState.FAILED and self.cause in UNPROVEN

    @property
    def price(self) -> Decimal:
        """What the task costs or may cost, in USD: the provider's charge if known, else the upper estimate.

        A negative or NaN charge counts as unknown: it would make room in a budget.
        """
        charge = self.cost.usd if self.cost is not None else None
        if charge is not None and charge.is_finite() and charge >= 0:
            return charge
        return self.estimate_high or ZERO

    @property
    def _is_spent(self) -> bool:
        ended = self.state is TaskState.FAILED or (self.state is TaskState.CANCELLED and self.ticket is not None)
        return self.state is TaskState.SAVED or (ended and self.charged is not False)

    @property
    def may_cost(self) -> bool:
        """Whether it was charged, or may have been or may still be: what every sum of money counts, and nothing else."""
        return self._is_spent or self.state.is_sent

    @property
    def spent(self) -> Decimal:
        """What counts as spent, in USD; one that failed, or was cancelled when the provider had it, counts unless it is
        known to cost nothing.
        """
        return self.price if self._is_spent else ZERO

    @property
    def reserved(self) -> Decimal:
        """What may still be charged, in USD."""
        return self.price if self.state.is_sent else ZERO

    @property
    def day(self) -> int | None:
        """The day on which it was last submitted, as `day_of` counts; `None` for one that never was."""
        return None if self.submitted_at is None else day_of(self.submitted_at)

    def apply(self, event: Event) -> Task:
        """Return the task after an event.

        An event that cannot happen in this state, or of a kind that this version does not know, changes nothing: the
        log keeps it all the same. Final states are never left, except that a task that `is_mendable` may be accepted,
        and a saved task whose file is gone is fetched again.
        """
        move = MOVES.get(event.kind)
        if move is None or self.state not in move.sources:
            return self
        if move.target is not None and self.state is TaskState.FAILED and not self.is_mendable:
            return self
        fields = move.fields(self, event)
        if move.target is not None and move.target is not self.state:
            fields = {"state": move.target, "changed_at": event.at, **fields}
        return changed(self, fields)


Fields = dict[str, Any]
FieldsOf = Callable[[Task, Event], Fields]


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the state machine: from which states, to which (`None`: it stays), and what else is set."""

    sources: frozenset[TaskState]
    target: TaskState | None
    fields: FieldsOf


def _words(task: Task, event: Event) -> Fields:
    return {"reason": str(event.data.get("reason", task.reason)), "cause": str(event.data.get("cause", ""))}


def _intent(task: Task, event: Event) -> Fields:
    call = MappingProxyType(dict(event.data.get("call") or task.call))
    return {"submitted_at": event.at, "call": call, "reason": "", "cause": ""}


def _accepted(_: Task, event: Event) -> Fields:
    ticket = Ticket(str(event.data["id"]), MappingProxyType(dict(event.data.get("data") or {})))
    undone = {"charged": None, "done_at": None}  # of what had counted as failed
    return {"ticket": ticket, "accepted_at": event.at, "reason": "", "cause": "", **undone}


def _reported(task: Task, event: Event) -> Fields:
    """Apply a provider's status: a task may advance, but never go back."""
    running = event.data.get("state") == "running" or task.state is TaskState.RUNNING
    state = TaskState.RUNNING if running else TaskState.QUEUED
    reason = str(event.data.get("reason", ""))
    moved = state is not task.state
    cause = str(event.data.get("cause", ""))
    return {"state": state, "reason": reason, "cause": cause, **({"changed_at": event.at} if moved else {})}


def _rechecked(task: Task, event: Event) -> Fields:
    """Poll a stalled task again: its silence lasts until the provider reports a change."""
    return {**_words(task, event), "changed_at": task.accepted_at}


def _ready(_: Task, event: Event) -> Fields:
    asset = MappingProxyType(dict(event.data["asset"]))
    return {"asset": asset, "done_at": event.at, "reason": "", "cause": "", **_cost(event)}


def _failed(task: Task, event: Event) -> Fields:
    return {**_words(task, event), "charged": event.data.get("charged"), "done_at": event.at, **_cost(event)}


def _cancelled(task: Task, event: Event) -> Fields:
    return {**_words(task, event), "charged": event.data.get("charged"), **_cost(event)}


def _saved(_: Task, event: Event) -> Fields:
    return {"clip": clip_from(event.data["clip"]), "saved_at": event.at, "reason": "", "cause": ""}


def _cost(event: Event) -> Fields:
    cost = event.data.get("cost")
    return {"cost": cost_from(cost)} if cost else {}


def _adopted(_: Task, event: Event) -> Fields:
    return {"run": str(event.data["run"])}


def _noted(task: Task, event: Event) -> Fields:
    return {"rating": event.data.get("rating", task.rating), "note": str(event.data.get("note", task.note))}


def _move(sources: Set[TaskState], target: TaskState | None, fields: FieldsOf = _words) -> Move:
    return Move(frozenset(sources), target, fields)


S, E = TaskState, EventKind
_OPEN = frozenset(S) - FINAL
MOVES: Mapping[str, Move] = MappingProxyType(
    {
        E.REFUSED: _move({S.PLANNED}, S.REFUSED),
        E.ADOPTED: _move({S.PLANNED}, None, _adopted),
        E.INTENT: _move({S.PLANNED}, S.SUBMITTING, _intent),
        E.NOT_SENT: _move({S.SUBMITTING}, S.PLANNED),
        E.PUSHED_BACK: _move({S.SUBMITTING}, S.PLANNED),
        E.ACCEPTED: _move({S.SUBMITTING, S.UNCERTAIN, S.FAILED}, S.QUEUED, _accepted),
        E.DOUBTED: _move({S.SUBMITTING, S.UNCERTAIN}, S.UNCERTAIN),
        E.STATUS: _move({S.QUEUED, S.RUNNING, S.STALLED}, None, _reported),
        E.READY: _move({S.QUEUED, S.RUNNING, S.STALLED, S.EXPIRED}, S.READY, _ready),
        E.RENEWED: _move({S.READY, S.STALLED, S.EXPIRED}, S.READY, _ready),
        E.RECHECK: _move({S.STALLED}, S.RUNNING, _rechecked),
        E.REFETCH: _move({S.STALLED, S.EXPIRED}, S.READY),
        E.STALLED: _move({S.QUEUED, S.RUNNING, S.READY}, S.STALLED),
        E.EXPIRED: _move({S.READY, S.STALLED}, S.EXPIRED),
        E.SAVED: _move({S.READY, S.STALLED, S.EXPIRED}, S.SAVED, _saved),
        E.GONE: _move({S.SAVED}, S.READY),
        E.FAILED: _move(_OPEN - {S.PLANNED}, S.FAILED, _failed),
        E.CANCELLED: _move({S.PLANNED, S.QUEUED, S.RUNNING, S.STALLED}, S.CANCELLED, _cancelled),
        E.UNWANTED: _move(_OPEN, None, lambda _task, _event: {"unwanted": True}),
        E.WANTED: _move(_OPEN, None, lambda _task, _event: {"unwanted": False}),
        E.CHARGED: _move(frozenset(S), None, lambda _task, event: _cost(event)),
        E.NOTED: _move(frozenset(S), None, _noted),
    }
)
"""Every kind of event that changes a task, and how; asked by any text, since a log may hold other kinds."""
