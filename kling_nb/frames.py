"""Records to DataFrames, with the columns and dtypes that `kling_nb.columns` declares. Only this module imports pandas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeGuard

import pandas as pd

from .columns import (
    POINT_COLUMNS,
    RUN_COLUMNS,
    TASK_COLUMNS,
    PointLike,
    RunLike,
    image_names,
    point_record,
    request_record,
    run_record,
    task_record,
    to_ms,
)
from .spending import SUMS, spending
from .stage import AT_REST, stage
from .states import MOVING
from .task import ZERO, Task

NO_FILES: Mapping[str, str] = MappingProxyType({})


def points_frame(
    rows: Sequence[tuple[PointLike, Task]],
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
    names = image_names(requests, files)
    own = [request_record(request, names) for request in requests]
    spent = [{"spent_usd": float(task.spent + spent_before.get(task.id, ZERO))} for _, task in rows]
    records = [
        task_record(task) | asked_for | point_record(point) | cost
        for (point, task), asked_for, cost in zip(rows, own, spent, strict=True)
    ]
    frame = table(records, with_variables(POINT_COLUMNS, "template", [point.variables for point, _ in rows]))
    frame.attrs["kling_nb"] = "points"
    return frame


def tasks_frame(tasks: Sequence[Task], files: Mapping[str, str] = NO_FILES) -> pd.DataFrame:
    """Return one row per task; ``files`` are the paths and addresses that images were given by, by reference."""
    names = image_names([task.request for task in tasks], files)
    return table([task_record(task) | request_record(task.request, names) for task in tasks], TASK_COLUMNS)


def events_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per event; ``data`` is JSON text."""
    dtypes = {"seq": "Int64", "task": "string", "kind": "string", "at": "datetime64[ms, UTC]", "data": "string"}
    return table([{**row, "at": to_ms(row["at"])} for row in rows], dtypes)


def runs_frame(
    rows: Sequence[tuple[RunLike, Sequence[Task], Sequence[Task]]],
    moving: Collection[str] = (),
    *,
    followed: bool = True,
) -> pd.DataFrame:
    """Return one row per run from its row, the tasks that serve its points, and all that it bought or means to.

    ``state`` is what `stage` returns: ``running, waiting, needs a look, finished, paused, cancelled`` or ``stopped``. A
    run in ``moving`` is not at rest, whatever the states of its tasks. Where runs are not ``followed``, nothing moves.
    """
    states = [_stage(run, served, is_moving=run.name in moving, followed=followed) for run, served, _ in rows]
    records = [run_record(run, served, own, state) for (run, served, own), state in zip(rows, states, strict=True)]
    return table(records, RUN_COLUMNS)


def _stage(run: RunLike, tasks: Sequence[Task], *, is_moving: bool, followed: bool) -> str:
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
