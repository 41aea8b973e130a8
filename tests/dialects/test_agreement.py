"""The catalogue, the dialects and the simulator, written apart, agree: what is accepted here is accepted there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from asking import CAMERAS, accepted, is_accepted, sold
from driving import CATALOG, OWN_ID
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from posting import native_read, posted, put_in, shots_read, speaking, told_of

from kling_nb.request import CameraControl, VideoRequest

FAL_NAMES = {
    "image_url": "image", "start_image_url": "image", "tail_image_url": "image_tail", "end_image_url": "image_tail",
}  # fmt: skip


def fal_read(endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a fal input back into a request's fields; the mode is told by the path."""
    read = {FAL_NAMES.get(key, key): value for key, value in body.items()}
    read |= {"duration": int(body["duration"])} if "duration" in body else {}
    if (heard := read.pop("generate_audio", None)) is not None:
        read["sound"] = "on" if heard else "off"
    if move := read.pop("advanced_camera_control", None):
        read["camera_control"] = {"type": "simple", move["movement_type"]: move["movement_value"]}
    elif kind := read.get("camera_control"):
        read["camera_control"] = {"type": kind}
    if read.get("shot_type") == "intelligent":
        read["shot_type"] = "intelligence"
    tier = "std" if "/standard/" in endpoint else None if "/master/" in endpoint else "pro"
    return shots_read({**read, **({"mode": tier} if tier else {})})


READ = {"kling": native_read, "fal": fal_read}
SILENT = {"kling": {"prompt"}, "fal": {"prompt", "model", "multi_shot", "mode"}}
"""Fields that may be absent though nothing is lost: an empty prompt, and at fal what the path or the shots say."""


@pytest.mark.parametrize("provider", ["kling", "fal"])
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_catalogue_accepts_is_accepted_and_arrives(provider: str, data: st.DataObject) -> None:
    """Any request that the catalogue accepts is taken as it is, and what arrives is it minus the reported losses."""
    request = data.draw(accepted(provider))
    encoded = speaking(provider).encode(request, CATALOG.offer(request, provider), OWN_ID)
    answer, tasks = posted(provider, encoded)
    assert answer.status_code == 200, answer.text
    (task,) = tasks
    assert task["failure"] == ""
    assert task["own_id"] == (OWN_ID if provider == "kling" else "")
    arrived = READ[provider](encoded.call.url, put_in(encoded.call.body))
    expected = told_of(request, encoded)
    silent = SILENT[provider]
    assert {k: v for k, v in arrived.items() if k not in silent} == {
        k: v for k, v in expected.items() if k not in silent
    }
    assert arrived.get("prompt", "") == expected.get("prompt", "")
    if provider == "fal":
        assert arrived.get("mode") == expected.get("mode")
    kept = json.loads(task["request"])
    own = {"external_task_id", "callback_url"} if provider == "kling" else set()
    sent = {key: value for key, value in json.loads(json.dumps(put_in(encoded.call.body))).items() if key not in own}
    assert kept.keys() == sent.keys()


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@example(camera=CameraControl(roll=2.5), provider="fal")
@example(camera=CameraControl(roll=-5.0), provider="fal")
@example(camera=CameraControl(zoom=2.5), provider="kling")
@given(camera=CAMERAS, provider=st.sampled_from(["kling", "fal"]))
def test_a_camera_that_the_catalogue_accepts_is_accepted(provider: str, camera: CameraControl) -> None:
    """A camera move is taken by both providers in the one place that they have for it, and is what arrives."""
    request = VideoRequest(prompt="a fox", model="kling-v1", mode="std", duration=5, camera_control=camera)
    if not is_accepted(request, provider):
        return
    encoded = speaking(provider).encode(request, CATALOG.offer(request, provider), OWN_ID)
    answer, tasks = posted(provider, encoded)
    assert answer.status_code == 200, answer.text
    assert [task["failure_body"] for task in tasks] == [""]
    assert READ[provider](encoded.call.url, put_in(encoded.call.body))["camera_control"] == camera.canonical()


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_every_model_that_is_sold_is_known_there(provider: str) -> None:
    """Each model, task type and mode of the catalogue has a place at the simulated provider."""
    for row in sold(provider):
        frame = "https://example.org/frame.png" if row["task_type"] == "image2video" else None
        request = VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=frame)
        encoded = speaking(provider).encode(request, CATALOG.offer(request, provider), OWN_ID)
        answer, tasks = posted(provider, encoded)
        assert (answer.status_code, [task["failure"] for task in tasks]) == (200, [""]), row["endpoint"]
