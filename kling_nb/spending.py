"""What tasks cost, in groups: the estimate, what the providers said they charged, and the difference. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from .costs import date_of
from .errors import InputError
from .task import ZERO, Task

BY: Mapping[str, Callable[[Task], Any]] = MappingProxyType(
    {
        "day": lambda task: date_of(task.day or 0),
        "provider": lambda task: task.provider,
        "model": lambda task: task.model,
        "run": lambda task: task.run,
    }
)
"""What spending can be grouped by. A day is that of the last submit, from midnight to midnight UTC."""


def spending(tasks: Iterable[Task], by: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row per group of the tasks that were submitted, in order.

    Raises `InputError` for a name that spending cannot be grouped by.
    """
    for name in by or ("nothing",):
        if name not in BY:
            message = f"spending goes by {', '.join(BY)}; got {name!r}"
            raise InputError(message)
    groups: dict[tuple[Any, ...], list[Task]] = defaultdict(list)
    for task in tasks:
        if task.submitted_at is not None:
            groups[tuple(BY[name](task) for name in by)].append(task)
    return [{**dict(zip(by, key, strict=True)), **_sums(groups[key])} for key in sorted(groups)]


def spent_before(attempts: Iterable[Task], serving: Collection[str]) -> dict[str, Decimal]:
    """Return what was spent on attempts that serve no point, in USD, by the id of the one that serves it in their place:
    the next at the same identity of those that are ``serving``, else the last before.
    """
    spent: dict[str, Decimal] = defaultdict(Decimal)
    by_identity: dict[str, list[Task]] = defaultdict(list)
    for task in sorted(attempts, key=lambda task: task.attempt):
        by_identity[task.identity].append(task)
    for tasks in by_identity.values():
        heirs = [task for task in tasks if task.id in serving]
        for task in tasks:
            if heirs and task.id not in serving:
                heir = next((one for one in heirs if one.attempt > task.attempt), heirs[-1])
                spent[heir.id] += task.spent
    return spent


def _sums(tasks: Sequence[Task]) -> dict[str, Any]:
    return {name: summed(tasks) for name, summed in SUMS.items()}


def _usd(amounts: Iterable[Decimal]) -> float:
    known = list(amounts)
    return float(sum(known)) if known else math.nan


def _estimate(task: Task) -> Decimal:
    """Return a task's estimate if budgets count the task; 0 if it never arrived or was free."""
    return (task.estimate_high or ZERO) if task.may_cost else ZERO


def _charge(task: Task) -> Decimal:
    return (task.cost.usd if task.cost else None) or ZERO


def _tells_usd(task: Task) -> bool:
    return task.cost is not None and task.cost.usd is not None and task.cost.usd.is_finite()


def _others(tasks: Sequence[Task]) -> str:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for cost in (task.cost for task in tasks):
        if cost is not None and cost.usd is None and cost.amount.is_finite():
            sums[cost.unit] += cost.amount
    return ", ".join(f"{amount:f} {unit}" for unit, amount in sums.items())


SUMS: Mapping[str, Callable[[Sequence[Task]], Any]] = MappingProxyType(
    {
        "tasks": len,
        "spent_usd": lambda tasks: _usd(task.spent for task in tasks),
        "estimate_usd": lambda tasks: _usd(_estimate(task) for task in tasks),
        "charged_usd": lambda tasks: _usd(_charge(task) for task in tasks if _tells_usd(task)),
        "difference_usd": lambda tasks: _usd(_charge(task) - _estimate(task) for task in tasks if _tells_usd(task)),
        "charged_other": _others,
        "reserved_usd": lambda tasks: _usd([ZERO, *(task.reserved for task in tasks)]),
    }
)
"""The columns of spending.

``estimate_usd`` is the upper estimate of the tasks that were or may be charged, as budgets count them: without attempts
that never arrived or were refused free of charge. ``charged_usd`` is the charge that providers reported in USD or in a
unit that converts; ``charged_other`` has the other charges, as amounts with their units. ``difference_usd`` is
``charged_usd`` less the estimate of the same tasks. Both are NaN if no provider reported a charge in USD.
"""
