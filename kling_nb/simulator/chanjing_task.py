"""A task of Chanjing: what a submit makes, and the object that look-ups show.  Times are in seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kling_nb.simulator.chanjing_input import MODELS, Checked
from kling_nb.simulator.chanjing_tokens import APP_ID
from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import Fault, stall_s
from kling_nb.simulator.latency import CONTENT_FAILURE_S
from kling_nb.simulator.prices import USD_PER_UNIT, kling_units, plain
from kling_nb.simulator.store import EARLIER, State, Task
from kling_nb.simulator.world import Failure, Order

FAILED = "任务失败,本次生成不消耗蝉豆"
"""The documented example of ``err_msg``: it failed, and consumed no credits."""
POLICY = "内容审核未通过,本次生成不消耗蝉豆"


def order(checked: Checked, body: Mapping[str, Any], fault: Fault | None) -> Order:
    """What an accepted submit asks for, at Kling's own list price."""
    units = kling_units(checked.model.kling, checked.mode, checked.seconds)
    return Order(
        provider="chanjing",
        account=APP_ID,
        endpoint="image" if checked.images else "text",
        model=checked.code,
        family=checked.model.family,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        sound=False,
        own_id="",
        request={key: value for key, value in body.items() if key != "callback"},
        scene=_scene(checked),
        usd=plain(units * USD_PER_UNIT),
        units=str(units),
        failure=_failure(fault),
        stall_s=stall_s(fault),
        waits=True,
    )


def asset(number: int) -> str:
    """Where the clip lies below ``/cdn/``."""
    return f"chanjing/res/aigc_creation/video/{number:032x}.mp4"


def told(task: Task, now: float, fault: Fault | None, cdn: str) -> dict[str, Any]:
    """The task object; ``id``, ``model_name`` and the empty ``photo_info`` are guesses at undocumented values."""
    scene, asked = json.loads(task.scene), json.loads(task.request)
    state, word = _progress(task, now, fault)
    ratio, images = scene["ratio"], asked.get("ref_img_url") or []
    motion = {
        "photo_path_url": images[0] if images else "",
        "ref_prompt": task.prompt,
        "clarity": asked.get("clarity") or 0,
        "quality_mode": scene["mode"],
        "style": "",
        "aspect_ratio": ratio,
        "video_duration": scene["seconds"],
    }
    return {
        "id": int(task.fingerprint[:8], 16) + task.nth,
        "unique_id": task.id,
        "create_time": int(task.accepted_at),
        "number_ai_creation": 1,
        "type": 4,
        "progress_desc": word,
        "err_msg": task.failure if state == "failed" else "",
        "aspect_ratio": ratio,
        "output_url": [cdn + task.asset] if state == "done" else [],
        "photo_info": {},
        "motion_info": motion,
        "ref_img_url": images,
        "model_code": task.model,
        "model_name": MODELS[task.model].title,
    }


def _progress(task: Task, now: float, fault: Fault | None) -> tuple[State, str]:
    state = task.state(now)
    if fault and fault.action == "backwards":
        state = EARLIER.get(state, state)
    waiting = "Queued" if now < (task.accepted_at + task.started_at) / 2 else "Ready"
    return state, {"queued": waiting, "running": "Generating", "done": "Success"}.get(state, "Error")


def _failure(fault: Fault | None) -> Failure | None:
    action = fault.action if fault else ""
    if action in ("moderation", "risk-control"):
        return Failure(reason=POLICY, kind=action, after_s=CONTENT_FAILURE_S if action == "moderation" else None)
    if fault and action == "fail":
        return Failure(reason=fault.body or FAILED, kind="fail", after_s=None)
    return None


def _scene(checked: Checked) -> Scene:
    return Scene(
        provider="chanjing",
        model=checked.code,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        ratio="16:9" if checked.images else checked.ratio,
    )
