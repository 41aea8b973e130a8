"""A task as the native legacy API shows it: family A's ``data``, times in milliseconds.  Pure."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from kling_nb.simulator.native_service import ms, video
from kling_nb.simulator.store import State, Task

WORDS: dict[State, str] = {
    "queued": "submitted",
    "running": "processing",
    "done": "succeed",
    "failed": "failed",
    "cancelled": "failed",
}


def created(task: Task) -> dict[str, Any]:
    """The object that a create call answers."""
    at = ms(task.accepted_at)
    info = {"external_task_id": task.own_id} if task.own_id else {}
    return {"task_id": task.id, "task_info": info, "task_status": "submitted", "created_at": at, "updated_at": at}


def shown(task: Task, state: State, now: float, cdn: str) -> dict[str, Any]:
    """The object of a GET at *now* (unix seconds); results and deductions only after success."""
    mark = bool((json.loads(task.request).get("watermark_info") or {}).get("enabled", False))
    told = created(task) | {
        "task_status": WORDS[state],
        "task_status_msg": task.failure if state == "failed" else "",
        "watermark_info": {"enabled": mark},
        "updated_at": ms(task.changed_at(now)),
        "task_result": {},
    }
    if state != "done":
        return told
    quota = f"{Decimal(task.usd):.2f}"
    return told | {
        "final_unit_deduction": task.units,
        "final_balance_deduction": {"quota": quota, "list_price": quota},
        "task_result": {"videos": [video(task, cdn, mark)]},
    }
