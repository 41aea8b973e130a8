"""QuickRouter's flat form: every field of its page as the page types it, and a look-up that proves only half."""

from __future__ import annotations

import json
from typing import Any

import pytest
from driving import CATALOG, OWN_ID, bound, hold

from kling_nb.dialect import Call, Encoded, Op, Reply, Unreadable
from kling_nb.dialects.flat import Flat
from kling_nb.fields import CameraControl, Shot
from kling_nb.offer import Change
from kling_nb.request import VideoRequest

PATH = "https://api.quickrouter.ai/kling/v1/videos/text2video"


def encoded(**fields: Any) -> Encoded:
    request = VideoRequest(**{"prompt": "a fox", **fields})
    return bound("flat").encode(request, CATALOG.offer(request, "quickrouter"), OWN_ID)


def body(**fields: Any) -> dict[str, Any]:
    return dict(encoded(**fields).call.body or {})


def reply(told: Any, status: int = 200) -> Reply:
    return Reply(status=status, content=json.dumps(told).encode())


def test_fields_are_spelled_as_the_page_types_them() -> None:
    """Flags and numbers are text, a camera an object, and our own id is the external one."""
    call = encoded(
        model="kling-v1", mode="std", duration=5, aspect_ratio="16:9", cfg_scale=0.5, negative_prompt="rain",
        camera_control=CameraControl(zoom=2.5), watermark=False, callback_url="https://example.org/hook",
    ).call  # fmt: skip
    assert (call.op, call.method, call.url) == (Op.SUBMIT, "POST", PATH)
    assert call.body == {
        "model_name": "kling-v1", "prompt": "a fox", "multi_shot": "false", "mode": "std", "duration": "5",
        "aspect_ratio": "16:9", "cfg_scale": "0.5", "negative_prompt": "rain",
        "camera_control": {"type": "simple", "config": {"zoom": 2.5}}, "watermark_info": {"enabled": False},
        "callback_url": "https://example.org/hook", "external_task_id": OWN_ID,
    }  # fmt: skip


def test_what_the_page_requires_is_filled_in_and_told() -> None:
    """`mode` and `multi_shot` are required there: where left open, Kling's own defaults are sent."""
    one = encoded(model="kling-v2-6")
    assert one.call.body == {
        "model_name": "kling-v2-6", "prompt": "a fox", "multi_shot": "false", "mode": "std",
        "external_task_id": OWN_ID,
    }  # fmt: skip
    filled = {loss.field: loss.sent for loss in one.losses if loss.change is Change.FILLED}
    assert filled == {"mode": "std", "multi_shot": False}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {"mode": (Change.FILLED, "std"), "multi_shot": (Change.FILLED, False)}),
        ({"mode": "pro"}, {"mode": (Change.COERCED, "std"), "multi_shot": (Change.FILLED, False)}),
        ({"mode": "std", "multi_shot": False}, {}),
    ],
)
def test_a_model_without_modes_or_shots_is_sent_what_the_page_requires(asked: Any, told: Any) -> None:
    """A master has neither, but the page leaves neither out: what is sent asks for nothing, and is told."""
    one = encoded(model="kling-v2-master", **asked)
    sent = one.call.body or {}
    assert (sent["mode"], sent["multi_shot"]) == ("std", "false")
    losses = {loss.field: (loss.change, loss.sent) for loss in one.losses if loss.field in ("mode", "multi_shot")}
    assert losses == told


def test_shots_travel_as_json_in_a_text() -> None:
    """The page types `multi_prompt` a string: it holds Kling's array, numbered from 1, lengths as text."""
    shots = (Shot(prompt='狐狸 "跑"', duration=2), Shot(prompt="snow", duration=3))
    sent = body(model="kling-v3", duration=5, multi_shot=True, shot_type="customize", multi_prompt=shots, prompt="")
    assert isinstance(sent["multi_prompt"], str)
    assert "狐狸" in sent["multi_prompt"]
    assert json.loads(sent["multi_prompt"]) == [
        {"index": 1, "prompt": '狐狸 "跑"', "duration": "2"},
        {"index": 2, "prompt": "snow", "duration": "3"},
    ]
    assert (sent["multi_shot"], sent["shot_type"]) == ("true", "customize")
    assert "prompt" not in sent


@pytest.mark.parametrize("asked", ["on", "off"])
def test_sound_is_said_in_klings_words(asked: str) -> None:
    """Sound is `on` or `off`, as at Kling."""
    assert body(model="kling-v2-6", mode="pro", sound=asked)["sound"] == asked


def found(told: Reply) -> Any:
    dialect, calls = bound("flat"), list[Call]()
    got = hold(dialect, dialect.find(OWN_ID, encoded(model="kling-v2-6").call.shown()), [told], calls)
    assert [call.url for call in calls] == [f"{PATH}/{OWN_ID}"]
    return got


def test_a_task_that_is_found_is_followed_by_its_own_id() -> None:
    """A look-up is by our own id in the id's place, and what it finds is asked about by the relay's."""
    ticket = found(reply({"code": "success", "task_id": "01J9", "task_status": "processing"}))
    assert next(bound("flat").check([ticket])).url == f"{PATH}/01J9"


@pytest.mark.parametrize(
    "told",
    [
        reply({"code": "task_not_exist", "message": "task_not_exist", "data": None}, 400),
        reply({"code": 1203, "message": "Task not found"}, 404),
        reply({"code": 0, "message": "SUCCEED", "data": None}),
    ],
)
def test_that_nothing_is_found_proves_nothing(told: Reply) -> None:
    """No page of QuickRouter has the look-up: 'not there' leaves the submit in doubt, and names our own id."""
    assert isinstance(bound("flat"), Flat)
    with pytest.raises(Unreadable, match=OWN_ID):
        found(told)
