"""Records to DataFrames: the columns of the tables of points, tasks, runs and events. Only this module imports pandas.

Views read columns by name, and decide which columns are axes or facts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Protocol, TypeGuard

import pandas as pd

from .costs import cost_data
from .excerpts import in_words, names_of
from .fields import IMAGE_FIELDS
from .spending import SUMS, spending
from .stage import AT_REST, stage
from .states import MOVING
from .task import ZERO, Task

TIMES = ("planned_at", "submitted_at", "accepted_at", "done_at", "saved_at")

POINT_COLUMNS: Mapping[str, str] = {
    "run": "string",
    "point": "Int64",
    "sample": "Int64",
    "provider": "string",
    "model": "string",
    "mode": "string",
    "duration": "Int64",
    "aspect_ratio": "string",
    "prompt": "string",
    "template": "string",
    "negative_prompt": "string",
    "cfg_scale": "Float64",
    "camera_control": "string",
    "image": "string",
    "image_tail": "string",
    "sound_asked": "string",
    "multi_shot": "boolean",
    "shot_type": "string",
    "multi_prompt": "string",
    "watermark": "boolean",
    "state": "string",
    "reason": "string",
    "cause": "string",
    "losses": "string",
    "estimate_usd": "Float64",
    "cost_usd": "Float64",
    "spent_usd": "Float64",
    "cost_amount": "string",
    "cost_unit": "string",
    "cost_figures": "string",
    "remote_id": "string",
    "clip": "string",
    "sha256": "string",
    "bytes": "Int64",
    "width": "Int64",
    "height": "Int64",
    "fps": "Float64",
    "seconds": "Float64",
    "sound": "boolean",
    "flags": "string",
    "planned_at": "datetime64[ms, UTC]",
    "submitted_at": "datetime64[ms, UTC]",
    "accepted_at": "datetime64[ms, UTC]",
    "done_at": "datetime64[ms, UTC]",
    "saved_at": "datetime64[ms, UTC]",
    "rating": "Float64",
    "note": "string",
    "attempt": "Int64",
    "unwanted": "boolean",
    "task": "string",
    "identity": "string",
    "request": "string",
    "call": "string",
}
"""Columns of `lab.df()` and their dtypes, in order. ``var_<name>`` columns stand after ``template``.

``estimate_usd`` is the upper estimate; ``cost_usd`` is what the provider charged where it says so, ``cost_amount`` and
``cost_unit`` are that in its own terms, ``cost_figures`` is JSON of every amount that it reported; ``spent_usd`` is
what counts as spent: the charge, else the estimate, for failed tasks too unless they are known to be free. It is of the
point, with the attempts that another one took the place of, and what was asked for is what this point asks for, also where
the task of another serves it; all else is of the attempt that serves it now. ``request``
and ``call`` are JSON: the canonical request, and method, URL and body as sent, without secrets and with images by hash.

An image goes by the end of the path that it was given by, ``sound_asked`` is the request's ``sound`` (``sound`` is what
was measured); camera and shots are in words, and exactly in ``request``.
"""

TASK_COLUMNS: Mapping[str, str] = {
    name: dtype for name, dtype in POINT_COLUMNS.items() if name not in ("point", "sample", "template", "losses")
}
"""Columns of `lab.log.tasks()`: one row per attempt, with what was spent on it alone."""

REQUEST_COLUMNS: Mapping[str, str] = {
    **{name: name for name in ("mode", "duration", "aspect_ratio", "prompt", "negative_prompt", "cfg_scale")},
    **{name: name for name in ("camera_control", "image", "image_tail")},
    "sound_asked": "sound",
    **{name: name for name in ("multi_shot", "shot_type", "multi_prompt", "watermark")},
}
"""Columns by the fields of a request that they show, which is nothing but what makes a point's identity."""
IN_WORDS = (*IMAGE_FIELDS, "camera_control", "multi_prompt")
CLIP_COLUMNS = ("sha256", "bytes", "width", "height", "fps", "seconds", "sound")


NO_FILES: Mapping[str, str] = MappingProxyType({})


class _Point(Protocol):
    @property
    def run(self) -> str: ...
    @property
    def point(self) -> int: ...
    @property
    def sample(self) -> int: ...
    @property
    def identity(self) -> str: ...
    @property
    def template(self) -> str: ...
    @property
    def variables(self) -> Mapping[str, Any]: ...
    @property
    def losses(self) -> tuple[str, ...]: ...


class _Run(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def started_at(self) -> float: ...
    @property
    def state(self) -> str: ...
    @property
    def budget(self) -> Decimal | None: ...


def points_frame(
    rows: Sequence[tuple[_Point, Task]],
    spent_before: Mapping[str, Decimal] = MappingProxyType({}),
    files: Mapping[str, str] = NO_FILES,
    asked: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> pd.DataFrame:
    """Return one row per point from points and the tasks that serve them.

    ``spent_before`` is what was spent in USD on attempts that these took the place of, by the ids of these; ``files``
    are the paths and addresses that images were given by, by reference; ``asked`` are the requests of points that the
    tasks of other requests serve, by identity.
    """
    requests = [asked.get(point.identity, task.request) for point, task in rows]
    names = _names(requests, files)
    own = [_request_record(request, names) for request in requests]
    spent = [{"spent_usd": float(task.spent + spent_before.get(task.id, ZERO))} for _, task in rows]
    records = [
        _task_record(task) | asked_for | _point_record(point) | cost
        for (point, task), asked_for, cost in zip(rows, own, spent, strict=True)
    ]
    frame = table(records, with_variables(POINT_COLUMNS, "template", [point.variables for point, _ in rows]))
    frame.attrs["kling_nb"] = "points"
    return frame


def tasks_frame(tasks: Sequence[Task], files: Mapping[str, str] = NO_FILES) -> pd.DataFrame:
    """Return one row per task; ``files`` are the paths and addresses that images were given by, by reference."""
    names = _names([task.request for task in tasks], files)
    return table([_task_record(task) | _request_record(task.request, names) for task in tasks], TASK_COLUMNS)


def events_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per event; ``data`` is JSON text."""
    dtypes = {"seq": "Int64", "task": "string", "kind": "string", "at": "datetime64[ms, UTC]", "data": "string"}
    return table([{**row, "at": _to_ms(row["at"])} for row in rows], dtypes)


def runs_frame(
    rows: Sequence[tuple[_Run, Sequence[Task], Sequence[Task]]], moving: Collection[str] = (), *, followed: bool = True
) -> pd.DataFrame:
    """Return one row per run from its row, the tasks that serve its points, and all that it bought or means to.

    ``state`` is what `stage` returns: ``running, waiting, needs a look, finished, paused, cancelled`` or ``stopped``. A
    run in ``moving`` is not at rest, whatever the states of its tasks. Where runs are not ``followed``, nothing moves.
    """
    states = [_stage(run, served, is_moving=run.name in moving, followed=followed) for run, served, _ in rows]
    records = [_run_record(run, served, own, state) for (run, served, own), state in zip(rows, states, strict=True)]
    return table(records, RUN_COLUMNS)


RUN_COLUMNS: Mapping[str, str] = {
    "run": "string",
    "started_at": "datetime64[ms, UTC]",
    "state": "string",
    "points": "Int64",
    "saved": "Int64",
    "failed": "Int64",
    "open": "Int64",
    "spent_usd": "Float64",
    "reserved_usd": "Float64",
    "budget_usd": "Float64",
}
"""Columns of `lab.runs()` and their dtypes, in order."""


def _run_record(run: _Run, tasks: Sequence[Task], own: Sequence[Task], state: str) -> dict[str, Any]:
    return {
        "run": run.name,
        "started_at": _to_ms(run.started_at),
        "state": state,
        "points": len(tasks),
        "saved": sum(task.state.value == "saved" for task in tasks),
        "failed": sum(task.state.value == "failed" for task in tasks),
        "open": sum(not task.state.is_final for task in tasks),
        "spent_usd": float(sum(task.spent for task in own)),
        "reserved_usd": float(sum(task.reserved for task in own)),
        "budget_usd": _float(run.budget),
    }


def _stage(run: _Run, tasks: Sequence[Task], *, is_moving: bool, followed: bool) -> str:
    held = {task.state for task in tasks}
    moves = followed and (is_moving or not MOVING.isdisjoint(held))
    return stage(run.state if run.state != "running" or moves else AT_REST, held)


def spending_frame(tasks: Iterable[Task], by: Sequence[str]) -> pd.DataFrame:
    """Return what tasks cost, grouped and summed, with the columns of `spending.SUMS`.

    Raises `InputError` for a name that spending cannot be grouped by.
    """
    sums = dict.fromkeys(SUMS, "float64") | {"tasks": "Int64", "charged_other": "string"}
    groups = {name: "object" if name == "day" else "string" for name in by}  # a day is a `datetime.date`
    return table(spending(tasks, by), groups | sums)


def is_frame(value: object) -> TypeGuard[pd.DataFrame]:
    """Tell whether something is a DataFrame."""
    return isinstance(value, pd.DataFrame)


def together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return frames of the same columns, one below another."""
    return pd.concat(frames, ignore_index=True) if frames else points_frame([])


def table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a DataFrame with these columns and dtypes, whatever the rows hold; times are in Unix seconds."""
    held = {name: [row.get(name) for row in rows] for name in columns}
    return pd.DataFrame({name: _series(values, columns[name]) for name, values in held.items()})


def with_variables(columns: Mapping[str, str], after: str, points: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return columns and their dtypes, and behind ``after`` a column per variable of the points: numbers if all values
    are numbers that fit, else text.
    """
    names = dict.fromkeys(name for variables in points for name in variables)
    own = {f"var_{name}": _dtype([variables.get(name) for variables in points]) for name in names}
    parts = ({name: dtype} | (own if name == after else {}) for name, dtype in columns.items())
    return {name: dtype for part in parts for name, dtype in part.items()}


def _dtype(values: Sequence[Any]) -> str:
    given = [value for value in values if value is not None]
    kinds = {type(value) for value in given}
    if not kinds <= {int, float} or not all(_fits(value) for value in given if type(value) is int):
        return "string"
    return "Float64" if float in kinds else "Int64"


def _point_record(point: _Point) -> dict[str, Any]:
    own = {"run": point.run, "point": point.point, "sample": point.sample, "template": point.template}
    variables = {f"var_{name}": value for name, value in point.variables.items()}
    return {**own, **variables, "losses": "; ".join(point.losses)}


def _request_record(request: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what was asked for; ``names`` are those of images, by reference."""
    fields = {name: _asked(field, request.get(field), names) for name, field in REQUEST_COLUMNS.items()}
    return {**fields, "request": _json(request)}


def _task_record(task: Task) -> dict[str, Any]:
    return {
        **_clip_record(task),
        **{name: _to_ms(getattr(task, name)) for name in TIMES},
        "run": task.run,
        "provider": task.provider,
        "model": task.model,
        "state": task.state.value,
        "reason": task.reason,
        "cause": task.cause,
        "estimate_usd": _float(task.estimate_high),
        "cost_usd": _float(task.cost.usd) if task.cost else None,
        "spent_usd": float(task.spent),
        "cost_amount": str(task.cost.amount) if task.cost else None,
        "cost_unit": task.cost.unit if task.cost else None,
        "cost_figures": _json(cost_data(task.cost)["figures"]) if task.cost else None,
        "remote_id": task.ticket.id if task.ticket else None,
        "rating": task.rating,
        "note": task.note,
        "attempt": task.attempt,
        "unwanted": task.unwanted,
        "task": task.id,
        "identity": task.identity,
        "call": _json(task.call),
    }


def _asked(field: str, value: Any, names: Mapping[str, str]) -> Any:
    """Return what was asked for as its column has it; ``names`` are those of images, by reference."""
    if value is None or field not in IN_WORDS:
        return value
    return names[value] if field in IMAGE_FIELDS else in_words(value)


def _names(requests: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> dict[str, str]:
    return names_of((request[name] for request in requests for name in IMAGE_FIELDS if name in request), files)


def _clip_record(task: Task) -> dict[str, Any]:
    if task.clip is None:
        return {}
    facts = {name: getattr(task.clip, name) for name in CLIP_COLUMNS}
    return {**facts, "clip": task.clip.path, "flags": "; ".join(task.clip.flags)}


def _series(values: list[Any], dtype: str) -> pd.Series[Any]:
    if dtype.startswith("datetime64"):
        # Whole numbers: of fractions pandas 2.2 reckons with what lies under a gap too, which may overflow.
        millis = pd.Series([None if value is None else round(value * 1000) for value in values], dtype="Int64")
        return pd.to_datetime(millis, unit="ms", utc=True).dt.as_unit("ms")
    if dtype == "Int64":  # a refused length may not fit, and its point is in the table: `request` has the length
        values = [value if _fits(value) else None for value in values]
    if dtype == "string":
        values = [None if value is None else str(value) for value in values]
    return pd.Series(values, dtype=dtype)


def _fits(value: Any) -> bool:
    """Tell whether a value is a number that a column of ``Int64`` holds."""
    return isinstance(value, int | float) and -(2**63) <= value < 2**63


def _to_ms(seconds: float | None) -> float | None:
    """Return Unix seconds to the millisecond, which is what the columns hold."""
    return None if seconds is None else round(seconds, 3)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True, default=dict)
