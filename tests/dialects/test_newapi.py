"""new-api's three endpoints: what the gateway makes of a body by its own code, and what a person asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from asking import accepted, is_accepted
from driving import CATALOG, OWN_ID, bound, hold, provider_of, simply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_nb.dialect import Asset, Call, Encoded, Inline, Op, Phase, Reply, origin
from kling_nb.dialects.newapi import NewApi
from kling_nb.errors import InputError
from kling_nb.fields import CameraControl, Shot
from kling_nb.offer import Change
from kling_nb.request import VideoRequest

BASE = "https://openroute.example"
ENDPOINTS = ("kling", "generations", "videos")
PATHS = {
    "kling": "/kling/v1/videos/text2video", "generations": "/v1/video/generations", "videos": "/v1/videos",
}  # fmt: skip
RATIOS = {"1024x1024": "1:1", "512x512": "1:1", "1280x720": "16:9", "1920x1080": "16:9", "720x1280": "9:16",
          "1080x1920": "9:16"}  # fmt: skip
TEXTS = ("prompt", "image", "image_tail", "negative_prompt", "mode", "duration", "aspect_ratio", "callback_url")
PASSED_ON = (*TEXTS, "cfg_scale", "camera_control", "static_mask", "dynamic_masks")


def spoken(endpoint: str, base_url: str = BASE) -> NewApi:
    return NewApi(replace(provider_of("newapi"), base_url=base_url, options={"endpoint": endpoint}))


def encoded(request: VideoRequest, endpoint: str = "kling") -> Encoded:
    return spoken(endpoint).encode(request, CATALOG.offer(request, "openroute"), OWN_ID)


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status=status, content=json.dumps(body).encode())


def sent_upstream(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What Kling gets from stock new-api, by its Kling adaptor as read 2026-07-14."""
    if path.startswith("/kling/"):
        body = {"model": body.get("model_name") or body.get("model"), "prompt": body["prompt"], "metadata": body}
    made = {
        "model_name": body["model"],
        "prompt": body["prompt"],
        "image": body.get("image", ""),
        "mode": body.get("mode") or "std",
        "duration": str(int(body.get("duration") or 5)),
        "aspect_ratio": RATIOS.get(body.get("size", ""), "1:1"),
        "cfg_scale": 0.5,
    }
    over = {name: value for name, value in body.get("metadata", {}).items() if name in PASSED_ON}
    assert all(isinstance(over[name], str | Inline) for name in TEXTS if name in over)
    assert isinstance(over.get("cfg_scale", 0.5), float | int)
    sent = {name: value for name, value in {**made, **over}.items() if value}  # omitempty
    return {"cfg_scale": 0.5, **sent}  # which is what Kling takes then


def asked_for(request: VideoRequest, encoded: Encoded) -> dict[str, Any]:
    """What Kling should get, by the request, the reported losses, and what the gateway sends in any case."""
    asked = request.canonical()
    for loss in encoded.losses:
        if loss.change is Change.DROPPED:
            asked.pop(loss.field)
        elif loss.change is not Change.INERT:
            asked[loss.field] = loss.sent
    asked = {
        "model_name": asked.pop("model"),
        "mode": "std",
        "duration": 5,
        "aspect_ratio": "1:1",
        "cfg_scale": 0.5,
    } | asked
    return {**asked, "duration": str(asked["duration"])}


def plainly(sent: Mapping[str, Any]) -> dict[str, Any]:
    read = {name: str(value) if isinstance(value, Inline) else value for name, value in sent.items()}
    if camera := read.get("camera_control"):
        read["camera_control"] = {"type": camera["type"], **camera.get("config", {})}
    return read


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_reaches_kling_is_what_was_asked_for(endpoint: str, data: st.DataObject) -> None:
    """By the gateway's own conversion, each endpoint sends Kling the request minus the reported losses."""
    request = data.draw(accepted("openroute"))
    one = encoded(request, endpoint)
    sent = plainly(sent_upstream(one.call.url.removeprefix(BASE), one.call.body or {}))
    assert sent == asked_for(request, one)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_losses_are_the_same_wherever_it_is_sent(endpoint: str) -> None:
    """The three endpoints lose the same, and say so the same."""
    request = VideoRequest(prompt="a fox", model="kling-v1", cfg_scale=0.0, watermark=True)
    assert encoded(request, endpoint).losses == encoded(request).losses
    told = {loss.field: loss.change for loss in encoded(request).losses}
    assert told["cfg_scale"] is Change.COERCED
    assert told["watermark"] is Change.DROPPED


@pytest.mark.parametrize("model", ["kling-v1-6", "kling-v2-6"])
def test_a_zero_that_is_lost_is_told_with_the_gateways_reason(model: str) -> None:
    """That a zero becomes 0.5 is the gateway's doing, whether or not the model follows a cfg_scale at all."""
    (loss,) = [one for one in encoded(VideoRequest(prompt="a fox", model=model, cfg_scale=0)).losses if one.is_loss]
    assert (loss.change, loss.sent) == (Change.COERCED, 0.5)
    assert "leaves out a zero" in loss.why
    assert "new-api" in loss.source


def test_the_kling_endpoint_takes_the_fields_at_top_level() -> None:
    """A camera goes both where the page wants it and where new-api reads it; a length is text, cfg_scale a number."""
    camera = CameraControl(zoom=5)
    request = VideoRequest(
        prompt="a fox", model="kling-v1", mode="std", duration=5, aspect_ratio="16:9", cfg_scale=0.4,
        camera_control=camera,
    )  # fmt: skip
    call = encoded(request).call
    spelled = {"type": "simple", "config": {"zoom": 5}}
    assert call.url == BASE + "/kling/v1/videos/text2video"
    assert call.body == {
        "model_name": "kling-v1", "prompt": "a fox", "mode": "std", "duration": "5", "aspect_ratio": "16:9",
        "cfg_scale": 0.4, "camera_control": spelled, "metadata": {"camera_control": spelled},
    }  # fmt: skip


@pytest.mark.parametrize(("ratio", "size"), [("16:9", "1280x720"), ("9:16", "720x1280"), ("1:1", "1024x1024")])
@pytest.mark.parametrize("endpoint", ["generations", "videos"])
def test_a_generic_endpoint_gets_fields_in_every_place(endpoint: str, ratio: str, size: str) -> None:
    """A changed gateway reads Kling's fields at top level, a stock one in `metadata`, a ratio by its size."""
    request = VideoRequest(prompt="a fox", model="kling-v1-6", mode="pro", duration=10, aspect_ratio=ratio,
                           negative_prompt="rain", cfg_scale=0.4)  # fmt: skip
    call = encoded(request, endpoint).call
    native = {"duration": "10", "aspect_ratio": ratio, "negative_prompt": "rain", "cfg_scale": 0.4}
    assert call.url == BASE + PATHS[endpoint]
    assert call.body == {
        "model": "kling-v1-6", "model_name": "kling-v1-6", "prompt": "a fox", "mode": "pro", "size": size, **native,
        "metadata": native,
    }  # fmt: skip


@pytest.mark.parametrize("endpoint", ["generations", "videos"])
def test_a_generic_endpoint_gets_a_first_frame_once(endpoint: str) -> None:
    """The first frame is read at top level and not said twice; the last one is read in `metadata` only."""
    frame, tail = "sha256:" + "ab" * 32, "https://example.org/last.png"
    request = VideoRequest(prompt="a fox", model="kling-v2-5-turbo", mode="pro", image=frame, image_tail=tail)
    body = encoded(request, endpoint).call.body or {}
    assert body["image"] == Inline(frame)
    assert body["metadata"] == {"image_tail": tail}
    assert "size" not in body


def test_a_knob_of_ones_own_reaches_kling_too() -> None:
    """What `extra` holds is read in `metadata` by a stock gateway, so that it goes there as well."""
    masks = {"static_mask": "https://example.org/mask.png"}
    image = "https://example.org/frame.png"
    request = VideoRequest(prompt="a fox", model="kling-v1", duration=5, image=image, extra={"openroute": masks})
    for endpoint in ENDPOINTS:
        call = encoded(request, endpoint).call
        assert sent_upstream(call.url.removeprefix(BASE), call.body or {})["static_mask"] == masks["static_mask"]


def test_what_the_gateway_would_lose_whole_is_refused() -> None:
    """Shots take the prompt's place and a gateway drops them, so that nothing would be left to show: they are refused."""
    shots = (Shot(prompt="a fox", duration=5),)
    request = VideoRequest(model="kling-v9", duration=5, multi_shot=True, shot_type="customize", multi_prompt=shots)
    refused = {problem.field for problem in CATALOG.problems(request, "openroute") if not problem.warning}
    assert refused == {"multi_prompt"}


def test_frames_and_masks_are_not_mixed() -> None:
    """Of a last frame, masks and a camera a video takes one, masks given as a knob of one's own too."""
    image = "https://example.org/frame.png"
    request = VideoRequest(
        prompt="a fox", model="kling-v1", duration=5, image=image, image_tail=image,
        extra={"openroute": {"static_mask": "https://example.org/mask.png"}},
    )  # fmt: skip
    assert not is_accepted(request, "openroute")
    assert is_accepted(replace(request, image_tail=None), "openroute")


def test_an_unknown_endpoint_is_an_error_that_names_the_three() -> None:
    """A misspelt `endpoint` in a provider's row is refused with the words that there are."""
    with pytest.raises(
        InputError, match=r"'generation'; did you mean 'generations'\? known: generations, kling, video"
    ):
        spoken("generation")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_task_is_asked_about_where_it_was_submitted(endpoint: str) -> None:
    """The ticket keeps the path, so that another `endpoint` in the row later does not lead astray."""
    request = VideoRequest(prompt="a fox", model="kling-v1-6")
    ticket = spoken(endpoint).accepted(encoded(request, endpoint).call, reply({"id": "task_1", "task_id": "task_1"}))
    for other in ENDPOINTS:
        assert next(spoken(other).check([ticket])).url == f"{BASE}{PATHS[endpoint]}/task_1"


def test_a_clip_may_need_the_credential() -> None:
    """The gateway's own `/content` lies below its base, whatever is in the id, and is signed like any call to it."""
    dialect = spoken("videos", BASE + "/up")
    ticket = dialect.ticket("t/1", {"url": BASE + "/up/v1/videos"})
    done = hold(dialect, dialect.check([ticket]), [reply({"id": "t/1", "status": "completed"})])["t/1"]
    assert done.asset == Asset(url=BASE + "/up/v1/videos/t%2F1/content", credential=True)
    assert origin(done.asset.url) == origin(BASE)
    call = Call(op=Op.CONTENT, method="GET", url=done.asset.url)
    assert dialect.sign(call, simply(dialect.credential("sk-1")), 0).headers == {"Authorization": "Bearer sk-1"}


def test_each_task_is_asked_about_by_itself() -> None:
    """There is no list: one question a task, and one that is not there leaves the others known."""
    dialect, calls = spoken("kling"), list[Call]()
    paid = encoded(VideoRequest(prompt="a fox", model="kling-v1-6")).call.shown()
    gone = reply({"code": "task_not_exist", "message": "task_not_exist", "data": None}, 400)
    running = reply({"code": "success", "data": {"task_id": "b", "status": "IN_PROGRESS", "progress": "30%"}})
    learnt = hold(dialect, dialect.check([dialect.ticket(name, paid) for name in "ab"]), [gone, running], calls)
    assert {name: status.phase for name, status in learnt.items()} == {"b": Phase.RUNNING}
    assert [call.url.rpartition("/")[2] for call in calls] == ["a", "b"]


@pytest.mark.parametrize("name", ["flat", "newapi"])
@pytest.mark.parametrize("key", ["sk-1 2", "sk-1\nsk-2"])
def test_a_key_with_a_space_in_it_is_refused(name: str, key: str) -> None:
    """A key that was copied carelessly is refused before it is sent, and not shown."""
    with pytest.raises(InputError, match="one piece") as caught:
        simply(bound(name).credential(key))
    assert "sk-1" not in str(caught.value)
