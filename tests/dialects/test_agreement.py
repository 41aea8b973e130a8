"""The catalogue, the dialects and the simulator, written apart, agree: what is accepted here is accepted there."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import anyio
import httpx
import pytest
from asking import CAMERAS, accepted, is_accepted, sold
from driving import CATALOG, OWN_ID, bound, simply
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_nb.dialect import Encoded, Inline
from kling_nb.offer import Change
from kling_nb.request import CameraControl, VideoRequest
from kling_nb.simulator import Simulator

NOW = 1_790_000_000.0


def drawn() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), (200, 120, 40)).save(out, "PNG")
    return out.getvalue()


PNG = base64.b64encode(drawn()).decode()
DATA_URI = "data:image/png;base64," + PNG


def put_in(value: Any) -> Any:
    """Put the bytes of images in, as the wire does."""
    if isinstance(value, Inline):
        return DATA_URI if value.form == "data_uri" else PNG
    if isinstance(value, Mapping):
        return {key: put_in(item) for key, item in value.items()}
    return [put_in(item) for item in value] if isinstance(value, list | tuple) else value


def posted(provider: str, encoded: Encoded) -> tuple[httpx.Response, list[dict[str, Any]]]:
    """Post a call to a fresh simulator in this process; return its answer and the tasks that it made."""
    simulator = Simulator(None, now=lambda: NOW)
    dialect = bound(CATALOG.provider(provider).dialect)
    call = dialect.sign(encoded.call, simply(dialect.credential(simulator.key(provider))), NOW)
    url = (
        "http://simulator" + simulator.path(provider) + call.url.removeprefix(CATALOG.provider(provider).base_url or "")
    )

    async def talk() -> tuple[httpx.Response, list[dict[str, Any]]]:
        transport = httpx.ASGITransport(simulator.app)
        async with httpx.AsyncClient(transport=transport, headers=dict(call.headers)) as client:
            answer = await client.post(url, json=put_in(call.body))
            return answer, (await client.get("http://simulator/_sim/tasks")).json()

    try:
        return anyio.run(talk)
    finally:
        simulator.close()


def image(value: str) -> str:
    return "sha256:" + "ab" * 32 if value in (PNG, DATA_URI) else value


def native_read(endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a native body back into a request's fields, by the contract and not by the dialect."""
    read = {key: value for key, value in body.items() if key not in ("external_task_id", "model_name", "image_list")}
    read["model"] = body["model_name"]
    read |= {"duration": int(body["duration"])} if "duration" in body else {}
    for frame in body.get("image_list", ()):
        read[{"first_frame": "image", "end_frame": "image_tail"}[frame["type"]]] = frame["image_url"]
    if camera := read.get("camera_control"):
        read["camera_control"] = {"type": camera["type"], **camera.get("config", {})}
    if mark := read.pop("watermark_info", None):
        read["watermark"] = mark["enabled"]
    return shots_read(read)


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


def shots_read(read: dict[str, Any]) -> dict[str, Any]:
    for key in ("image", "image_tail"):
        if key in read:
            read[key] = image(read[key])
    if "multi_prompt" in read:
        listed = read["multi_prompt"]
        assert [shot.get("index", number) for number, shot in enumerate(listed, 1)] == [*range(1, len(listed) + 1)]
        read["multi_prompt"] = [{"prompt": shot["prompt"], "duration": int(shot["duration"])} for shot in listed]
    return read


READ = {"kling": native_read, "fal": fal_read}
SILENT = {"kling": {"prompt"}, "fal": {"prompt", "model", "multi_shot", "mode"}}
"""Fields that may be absent though nothing is lost: an empty prompt, and at fal what the path or the shots say."""


def told_of(request: VideoRequest, encoded: Encoded) -> dict[str, Any]:
    """Return what should arrive, by the reported losses alone."""
    arriving = request.canonical()
    for loss in encoded.losses:
        if loss.change is Change.DROPPED:
            assert arriving.pop(loss.field) == loss.asked or loss.field in ("camera_control", "multi_prompt")
        elif loss.change in (Change.FILLED, Change.COERCED):
            arriving[loss.field] = loss.sent
    return arriving


@pytest.mark.parametrize("provider", ["kling", "fal"])
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_catalogue_accepts_is_accepted_and_arrives(provider: str, data: st.DataObject) -> None:
    """Any request that the catalogue accepts is taken as it is, and what arrives is it minus the reported losses."""
    request = data.draw(accepted(provider))
    encoded = bound(CATALOG.provider(provider).dialect).encode(request, CATALOG.offer(request, provider), OWN_ID)
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
    encoded = bound(CATALOG.provider(provider).dialect).encode(request, CATALOG.offer(request, provider), OWN_ID)
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
        encoded = bound(CATALOG.provider(provider).dialect).encode(request, CATALOG.offer(request, provider), OWN_ID)
        answer, tasks = posted(provider, encoded)
        assert (answer.status_code, [task["failure"] for task in tasks]) == (200, [""]), row["endpoint"]
