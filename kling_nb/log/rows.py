"""Records as rows of plain column values, and rows as records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ..costs import Cost, cost_data, cost_from
from ..states import TaskState
from ..task import Clip, Task, Ticket, clip_data, clip_from


@dataclass(frozen=True, kw_only=True, slots=True)
class PointRow:
    """One point of a run, as the log keeps it: which task serves it, and how it came to be."""

    run: str
    point: int
    sample: int
    identity: str
    task: str
    template: str = ""
    variables: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRow:
    """A started sweep: its name, when, whether it may submit, its ceiling in USD, and the sweep as TOML."""

    name: str
    started_at: float
    state: str = "running"  # running | paused | cancelled
    budget: Decimal | None = None
    sweep: str = ""


TASK_FIELDS = tuple(f.name for f in fields(Task))
"""The columns of a task's row."""
POINT_FIELDS = tuple(f.name for f in fields(PointRow))
"""The columns of a point's row."""


def task_row(task: Task) -> dict[str, Any]:
    """Return a task as a row of plain column values, in the order of `TASK_FIELDS`; `task_from` is its inverse."""
    return spelled(vars(task))


def spelled(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of fields of a task as their columns hold them."""
    return {**values, **{name: _SPELLED[name](values[name]) for name in _SPELLED.keys() & values.keys()}}


def task_from(row: Mapping[str, Any]) -> Task:
    """Return the task that a row holds."""
    values = {name: row[name] for name in TASK_FIELDS}
    values |= {name: _decimal(values[name]) for name in ("estimate_low", "estimate_high")}
    values |= {name: _frozen(values[name]) or MappingProxyType({}) for name in ("request", "call")}
    values["state"] = TaskState(values["state"])
    values["unwanted"] = bool(values["unwanted"])
    values["charged"] = None if values["charged"] is None else bool(values["charged"])
    values["asset"] = _frozen(values["asset"])
    values["ticket"] = _ticket_from(_load(values["ticket"]))
    values["cost"] = None if values["cost"] is None else cost_from(_load(values["cost"]))
    values["clip"] = None if values["clip"] is None else clip_from(_load(values["clip"]))
    return Task(**values)


def _record_text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case Ticket():
            return text({"id": value.id, "data": dict(value.data)})
        case Cost():
            return text(cost_data(value))
        case Clip():
            return text(clip_data(value))
        case _:
            return text(value)


def _ticket_from(value: Any) -> Ticket | None:
    return None if value is None else Ticket(value["id"], MappingProxyType(value["data"]))


def _frozen(kept: str | None) -> Mapping[str, Any] | None:
    return None if kept is None else MappingProxyType(_decoded(kept))


def _load(kept: str | None) -> Any:
    return None if kept is None else _decoded(kept)


def text(value: Any) -> str:
    """Return plain data as JSON; what JSON has no word for becomes text."""
    return _JSON.encode(value)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, default=_plain)
_decoded = json.JSONDecoder().decode  # `json.loads` costs as much again, six times a task


def _decimal(kept: str | None) -> Decimal | None:
    return None if kept is None else Decimal(kept)


def decimal_text(value: Decimal | None) -> str | None:
    """Return an amount as text, which keeps every digit."""
    return None if value is None else str(value)


def run_row(run: RunRow) -> dict[str, Any]:
    """Return a run as a row of plain column values; `run_from` is its inverse."""
    return {**asdict(run), "budget": decimal_text(run.budget)}


def run_from(row: Mapping[str, Any]) -> RunRow:
    """Return the run that a row holds."""
    return RunRow(**{**row, "budget": _decimal(row["budget"])})


def point_row(point: PointRow) -> dict[str, Any]:
    """Return a point as a row of plain column values; `point_from` is its inverse."""
    row = {name: getattr(point, name) for name in POINT_FIELDS}
    return {**row, "variables": text(point.variables), "losses": text(list(point.losses))}


def point_from(row: Mapping[str, Any]) -> PointRow:
    """Return the point that a row holds."""
    variables = MappingProxyType(json.loads(row["variables"]))
    return PointRow(**{**row, "variables": variables, "losses": tuple(json.loads(row["losses"]))})


_SPELLED: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "state": lambda state: state.value,
        **dict.fromkeys(("request", "call", "ticket", "asset", "cost", "clip"), _record_text),
        **dict.fromkeys(("estimate_low", "estimate_high"), decimal_text),
    }
)
