"""How new-api shows a task: OpenAI's video object, and its own record.  Pure.

From the project's source (read 2026-07-14).  Both are drawn from what the gateway's last background poll saw of the
task at Kling.  Readings of this simulator: ``data`` of the record is null before the first poll; before it the video
object has the instants of Kling's answer to the submit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from kling_nb.simulator import native_task
from kling_nb.simulator.native_service import ms
from kling_nb.simulator.store import State, Task

WORDS: dict[State, str] = {
    "queued": "SUBMITTED",
    "running": "IN_PROGRESS",
    "done": "SUCCESS",
    "failed": "FAILURE",
    "cancelled": "FAILURE",
}
_VIDEO_WORDS = {
    "NOT_START": "unknown",
    "SUBMITTED": "queued",
    "IN_PROGRESS": "in_progress",
    "SUCCESS": "completed",
    "FAILURE": "failed",
}
_PERCENT = {"NOT_START": 0, "SUBMITTED": 10, "IN_PROGRESS": 30, "SUCCESS": 100, "FAILURE": 100}
QUOTA_PER_USD = 500_000


@dataclass(frozen=True, kw_only=True)
class View:
    """What the gateway knows of *task*: its *state* as polled *at* that instant (None: not polled yet).

    *cdn* is where clips lie; *hides_url* leaves the clip's URL out, *old* puts it where older versions had it.
    """

    task: Task
    state: State | None
    at: float
    cdn: str
    hides_url: bool = False
    old: bool = False

    @property
    def word(self) -> str:
        """The status in the gateway's own words."""
        return WORDS[self.state] if self.state else "NOT_START"

    @property
    def url(self) -> str:
        """The clip's URL, once there is one."""
        return self.cdn + self.task.asset if self.state == "done" and not self.hides_url else ""


def submitted(task: Task) -> dict[str, Any]:
    """The answer to every submit; ``created_at`` in seconds."""
    told = {"id": task.id, "task_id": task.id, "object": "video", "model": task.model}
    return told | {"status": "queued", "progress": 0, "created_at": int(task.accepted_at)}


def video(view: View) -> dict[str, Any]:
    """OpenAI's object as it is made for Kling: no model, times in ms, an end while it still runs."""
    at_kling = native_task.shown(view.task, view.state or "queued", view.at, view.cdn)
    told: dict[str, Any] = {"id": view.task.id, "object": "video", "model": "", "status": _VIDEO_WORDS[view.word]}
    told |= {"progress": _PERCENT[view.word]}
    told |= {"created_at": at_kling["created_at"], "completed_at": at_kling["updated_at"]}
    if view.state == "failed":
        told["error"] = {"message": at_kling["task_status_msg"], "code": ""}
    for clip in at_kling["task_result"].get("videos", ()):
        told["seconds"] = clip["duration"]
    return told | ({"metadata": {"url": view.url}} if view.url else {})


def record(view: View) -> dict[str, Any]:
    """The gateway's own record (TaskDto), times in seconds."""
    task, state = view.task, view.state
    number = int(hashlib.sha256(task.id.encode()).hexdigest()[:6], 16)
    data = {
        "id": number,
        "created_at": int(task.accepted_at),
        "updated_at": int(view.at),
        "task_id": task.id,
        "platform": "50",
        "user_id": 1,
        "group": "default",
        "channel_id": 7,
        "quota": int(Decimal(task.usd) * QUOTA_PER_USD),
        "action": "generate" if {"image", "image_list"} & set(json.loads(task.request)) else "textGenerate",
        "status": view.word,
        "fail_reason": _fail_reason(view),
        "submit_time": int(task.accepted_at),
        "start_time": int(task.started_at) if state in ("running", "done", "failed") else 0,
        "finish_time": int(task.ended_at) if state in ("done", "failed") else 0,
        "progress": f"{_PERCENT[view.word]}%",
        "properties": {"input": task.prompt, "upstream_model_name": task.model, "origin_model_name": task.model},
        "data": _raw(view),
    }
    return data | ({"result_url": view.url} if view.url and not view.old else {})


def enveloped(data: dict[str, Any]) -> dict[str, Any]:
    """A record in its envelope, whose code is the word ``success``."""
    return {"code": "success", "message": "", "data": data}


def _fail_reason(view: View) -> str:
    if view.state == "failed":
        return view.task.failure
    return view.url if view.old else ""


def _raw(view: View) -> dict[str, Any] | None:
    """The body of the last poll, as Kling answered it to the gateway."""
    if view.state is None:
        return None
    at_kling = replace(view.task, id=upstream_id(view.task.id))
    data = native_task.shown(at_kling, view.state, view.at, view.cdn)
    if view.hides_url:
        data["task_result"] = {}
    trace = hashlib.sha256(f"{view.task.id} {ms(view.at)}".encode()).hexdigest()
    return {"code": 0, "message": "SUCCEED", "request_id": trace[:32], "data": data}


def upstream_id(task_id: str) -> str:
    """What Kling calls the task, which only the raw body tells."""
    return str(8 * 10**17 + int(hashlib.sha256(task_id.encode()).hexdigest(), 16) % 10**17)
