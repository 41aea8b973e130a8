"""What is accepted for a relay is accepted by the simulated one, and arrives: flat, native, and through new-api."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from asking import accepted, sold
from driving import CATALOG, OWN_ID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from posting import native_read, posted, put_in, speaking, told_of

from kling_nb.dialect import Encoded
from kling_nb.offer import Change
from kling_nb.request import VideoRequest

KEPT = ("quickrouter", "relay")
"""Relays that pass on what they get; what a gateway passes on is another body."""
ENDPOINTS = ("kling", "generations", "videos")


def encoded(request: VideoRequest, provider: str, **options: Any) -> Encoded:
    return speaking(provider, **options).encode(request, CATALOG.offer(request, provider), OWN_ID)


def flat_read(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a flat body as a native one whose flags, numbers and shots are text, by QuickRouter's page."""
    assert all(isinstance(body.get(name, ""), str) for name in ("multi_shot", "cfg_scale", "duration", "multi_prompt"))
    read = dict(body)
    read["multi_shot"] = {"true": True, "false": False}[body["multi_shot"]]
    read |= {"cfg_scale": float(body["cfg_scale"])} if "cfg_scale" in body else {}
    read |= {"multi_prompt": json.loads(body["multi_prompt"])} if "multi_prompt" in body else {}
    return native_read("", read)


def relay_read(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a relay's body, whose lengths are numbers and whose cameras have all six axes, by the relay's page."""
    assert isinstance(body.get("duration", 0), int)
    read = native_read("", body)
    if camera := read.get("camera_control"):
        read["camera_control"] = {axis: value for axis, value in camera.items() if value != 0}
    return read


READ = {"quickrouter": flat_read, "relay": relay_read}


@pytest.mark.parametrize("provider", KEPT)
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_catalogue_accepts_is_accepted_and_arrives(provider: str, data: st.DataObject) -> None:
    """Any request that the catalogue accepts is taken as it is, and what arrives is it minus the reported losses."""
    request = data.draw(accepted(provider))
    one = encoded(request, provider)
    answer, tasks = posted(provider, one)
    assert answer.status_code == 200, answer.text
    assert [(task["failure"], task["own_id"]) for task in tasks] == [("", OWN_ID)]
    arrived, expected = READ[provider](put_in(one.call.body)), told_of(request, one)
    assert {**arrived, "prompt": arrived.get("prompt", "")} == {**expected, "prompt": expected.get("prompt", "")}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_a_gateway_sends_on_is_what_was_asked_for(endpoint: str, data: st.DataObject) -> None:
    """At each of its endpoints new-api sends Kling the request minus the reported losses, and its own defaults."""
    request = data.draw(accepted("openroute"))
    one = encoded(request, "openroute", endpoint=endpoint)
    answer, tasks = posted("openroute", one)
    assert answer.status_code == 200, answer.text
    (task,) = tasks
    assert task["failure"] == ""
    sent = json.loads(task["request"])
    assert sent.pop("model", request.model) == request.model
    assert native_read("", {"cfg_scale": 0.5, **sent}) == passed_on(request, one)


def passed_on(request: VideoRequest, encoded: Encoded) -> dict[str, Any]:
    """Return what Kling should get: what was told, and what the gateway fills in, told as its defaults."""
    defaults = {loss.field: loss.sent for loss in encoded.losses if loss.change is Change.DEFAULTED}
    always = {"mode": "std", "duration": 5, "aspect_ratio": "1:1", "cfg_scale": 0.5}
    told = {**always, **defaults, **told_of(request, encoded)}
    return {name: value for name, value in told.items() if name != "callback_url"}  # the simulator does not keep it


@pytest.mark.parametrize("provider", [*KEPT, "openroute"])
def test_every_model_that_is_sold_is_known_there(provider: str) -> None:
    """Each model, task type and mode of the catalogue has a place at the simulated relay."""
    for row in sold(provider):
        frame = "https://example.org/frame.png" if row["task_type"] == "image2video" else None
        request = VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=frame)
        answer, tasks = posted(provider, encoded(request, provider))
        assert (answer.status_code, [task["failure"] for task in tasks]) == (200, [""]), (row["model"], answer.text)
