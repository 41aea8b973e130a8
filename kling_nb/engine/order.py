"""What an engine is asked to start, and what of it the log keeps. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ..log import PointRow
from ..plan import REUSED, PlannedPoint
from ..states import TaskState
from ..task import Task


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run to start: its name, the planned points, the sweep as TOML, the paths of images, the ceiling in USD."""

    name: str
    points: Sequence[PlannedPoint]
    sweep: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    budget: Decimal | None = None
    fresh: bool = False
    share: bool = True
    append: bool = False

    @property
    def asked(self) -> dict[str, Mapping[str, Any]]:
        """The requests of points that the task of another request serves, by identity: theirs is in no task."""
        others = (one for one in self.points if one.shares is not None or _is_of_another(one))
        return {one.identity: one.request.canonical() for one in others}


def _is_of_another(point: PlannedPoint) -> bool:
    return point.reuse is not None and point.reuse.identity != point.identity


def serves_again(earlier: Task, point: PlannedPoint) -> bool:
    """Tell whether an earlier task serves a point: what was refused is refused again, and needs no second row."""
    return earlier.state is TaskState.REFUSED if point.refusals else earlier.state in REUSED


def point_row(order: Order, planned: PlannedPoint, task_id: str) -> PointRow:
    """Return a point as the log keeps it, with the task that serves it."""
    point = planned.point
    return PointRow(
        run=order.name,
        point=point.index,
        sample=point.sample,
        identity=planned.identity,
        task=task_id,
        template=point.template,
        variables=point.variables,
        losses=tuple(str(loss) for loss in planned.losses if loss.is_loss),
    )


def appended(old: Sequence[PointRow], new: Sequence[PointRow]) -> list[PointRow]:
    """Return the points of a run that keeps its own and gets more; one that it has is replaced in its place."""
    have = {point.identity for point in old}
    fresh = [point for point in new if point.identity not in have]
    kept = [_same_identity(point, new) for point in old]
    return [*kept, *(_renumbered(point, len(kept) + n) for n, point in enumerate(fresh))]


def _same_identity(point: PointRow, new: Sequence[PointRow]) -> PointRow:
    return next((_renumbered(one, point.point) for one in new if one.identity == point.identity), point)


def _renumbered(point: PointRow, index: int) -> PointRow:
    return replace(point, point=index)
