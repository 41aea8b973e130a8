"""The columns of the tables of points, tasks and runs, and the records that fill them. Pure; `kling_nb.frames` makes DataFrames.

Views read columns by name, and decide which columns are axes or facts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from .costs import cost_data
from .excerpts import in_words, names_of
from .fields import IMAGE_FIELDS
from .task import Task

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
    "cost_amount": "Float64",
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
``cost_unit`` are that in its own terms, ``cost_figures`` is JSON of every amount that it reported, as it spelled it; ``spent_usd`` is
what counts as spent: the charge, else the estimate, for failed tasks too unless they are known to be free. It is of the
point, with the attempts that another one took the place of, and what was asked for is what this point asks for, also
where the task of another serves it; all else is of the attempt that serves it now. ``request`` and ``call`` are JSON:
the canonical request, and method, URL and body as sent, without secrets and with images by hash.

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


class PointLike(Protocol):
    """A point as the log keeps it."""

    @property
    def run(self) -> str:
        """The name of its run."""

    @property
    def point(self) -> int:
        """Its number in the run."""

    @property
    def sample(self) -> int:
        """Which sample of the same request it is."""

    @property
    def identity(self) -> str:
        """What makes it itself: a hash of its request, provider and sample."""

    @property
    def template(self) -> str:
        """The prompt with its variables."""

    @property
    def variables(self) -> Mapping[str, Any]:
        """Their values."""

    @property
    def losses(self) -> tuple[str, ...]:
        """What is lost of what was asked, in words."""


class RunLike(Protocol):
    """A run as the log keeps it."""

    @property
    def name(self) -> str:
        """The name it is stored under."""

    @property
    def started_at(self) -> float:
        """When it was started, in Unix seconds."""

    @property
    def state(self) -> str:
        """Whether it may submit."""

    @property
    def budget(self) -> Decimal | None:
        """Its ceiling in USD."""


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


def run_record(run: RunLike, tasks: Sequence[Task], own: Sequence[Task], state: str) -> dict[str, Any]:
    """Return a run's row from the tasks that serve its points, those that it bought or means to, and where it stands."""
    return {
        "run": run.name,
        "started_at": to_ms(run.started_at),
        "state": state,
        "points": len(tasks),
        "saved": sum(task.state.value == "saved" for task in tasks),
        "failed": sum(task.state.value == "failed" for task in tasks),
        "open": sum(not task.state.is_final for task in tasks),
        "spent_usd": float(sum(task.spent for task in own)),
        "reserved_usd": float(sum(task.reserved for task in own)),
        "budget_usd": _float(run.budget),
    }


def point_record(point: PointLike) -> dict[str, Any]:
    """Return what is the point's own."""
    own = {"run": point.run, "point": point.point, "sample": point.sample, "template": point.template}
    variables = {f"var_{name}": value for name, value in point.variables.items()}
    return {**own, **variables, "losses": "; ".join(point.losses)}


def request_record(request: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what was asked for; ``names`` are those of images, by reference."""
    fields = {name: _asked(field, request.get(field), names) for name, field in REQUEST_COLUMNS.items()}
    return {**fields, "request": _json(request)}


def task_record(task: Task) -> dict[str, Any]:
    """Return what is of the attempt."""
    return {
        **_clip_record(task),
        **{name: to_ms(getattr(task, name)) for name in TIMES},
        "run": task.run,
        "provider": task.provider,
        "model": task.model,
        "state": task.state.value,
        "reason": task.reason,
        "cause": task.cause,
        "estimate_usd": _float(task.estimate_high),
        "cost_usd": _float(task.cost.usd) if task.cost else None,
        "spent_usd": float(task.spent),
        "cost_amount": float(task.cost.amount) if task.cost else None,
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


def image_names(requests: Sequence[Mapping[str, Any]], files: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the images of requests, by reference."""
    return names_of((request[name] for request in requests for name in IMAGE_FIELDS if name in request), files)


def _clip_record(task: Task) -> dict[str, Any]:
    if task.clip is None:
        return {}
    facts = {name: getattr(task.clip, name) for name in CLIP_COLUMNS}
    return {**facts, "clip": task.clip.path, "flags": "; ".join(task.clip.flags)}


def to_ms(seconds: float | None) -> float | None:
    """Return Unix seconds to the millisecond, which is what the columns hold."""
    return None if seconds is None else round(seconds, 3)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True, default=dict)
