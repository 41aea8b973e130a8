"""The catalogue, the dialects and the simulator, written apart, agree: what is accepted here is accepted there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from asking import ALONE, CAMERAS, TOGETHER, accepted, is_accepted, sold
from driving import CATALOG, OWN_ID
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from posting import native_read, posted, put_in, shots_read, speaking, told_of

from kling_nb.dialect import Encoded
from kling_nb.fields import CameraControl
from kling_nb.menu import RULED
from kling_nb.request import VideoRequest
from kling_nb.simulator.clips import Scene, frame_size


def encode(request: VideoRequest, provider: str) -> Encoded:
    return speaking(provider).encode(request, CATALOG.offer(request, provider), OWN_ID)


def test_every_field_is_drawn() -> None:
    """A field that joins the request is among those by which catalogue, dialects and simulator are compared."""
    assert {*RULED} == {*ALONE, *TOGETHER}


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


WORDS = {"720p": "std", "1080p": "pro", "4k": "4k"}
TURBO = "kling-3.0-turbo"
"""It has no switch for shots: those in the prompt are all that tells."""
SHOT = re.compile(r" ?shot (\d+), (\d+), (.*)", re.DOTALL)


def path_read(endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a body of Kling's path API back into a request's fields; a cut is in its prompt."""
    settings, options = body.get("settings", {}), body["options"]
    read = {key: value for key, value in settings.items() if key not in ("resolution", "audio")}
    read["model"] = endpoint.rpartition("/")[2]
    read |= {"mode": WORDS[settings["resolution"]]} if "resolution" in settings else {}
    read |= {"sound": {"native": "on", "off": "off"}[settings["audio"]]} if "audio" in settings else {}
    read |= {"callback_url": options["callback_url"]} if "callback_url" in options else {}
    read |= {"watermark": options["watermark_info"]["enabled"]} if "watermark_info" in options else {}
    told = {one["type"]: one.get("text", one.get("url")) for one in body.get("contents", ())}
    assert len(told) == len(body.get("contents", ()))
    names = {"prompt": "prompt", "first_frame": "image", "last_frame": "image_tail"}
    told |= {"prompt": body["prompt"]} if "prompt" in body else {}
    read |= {names[key]: value for key, value in told.items()}
    return shots_read(read | cut_read(read))


def cut_read(read: Mapping[str, Any]) -> dict[str, Any]:
    """Read whose cut it is: shots in the prompt are the person's; several shots without are the model's own."""
    found = [SHOT.fullmatch(piece) for piece in read["prompt"].split(";")]
    if not read.get("multi_shot", read["model"] == TURBO and all(found)):
        return {}
    shots = [{"index": int(one[1]), "duration": one[2], "prompt": one[3]} for one in found if one]
    own = len(shots) < len(found)
    return {"shot_type": "intelligence"} if own else {"shot_type": "customize", "multi_prompt": shots, "prompt": ""}


def kling_read(endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return (native_read if "/v1/videos/" in endpoint else path_read)(endpoint, body)


def chanjing_read(endpoint: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Read a body of Chanjing back into a request's fields."""
    names = {"ref_prompt": "prompt", "quality_mode": "mode", "video_duration": "duration", "callback": "callback_url"}
    assert (body["creation_type"], body["model_code"]) == (4, "kling-v2-5-turbo-normal")
    rest = {key: value for key, value in body.items() if key not in ("creation_type", "model_code", "ref_img_url")}
    read = {names.get(key, key): value for key, value in rest.items()}
    (frame,) = body.get("ref_img_url", [None])
    return {"model": "kling-v2-5-turbo", **read, **({"image": frame} if frame else {})}


@dataclass(frozen=True)
class Place:
    """Where requests are sent, how a body is read there, and what it may lack though nothing is lost.

    ``silent`` are fields that the path or the shots say instead; ``own`` are keys that the provider keeps elsewhere.
    """

    provider: str
    read: Callable[[str, Mapping[str, Any]], dict[str, Any]]
    family: str = ""
    own_id: str = ""
    silent: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()


AT_FAL = frozenset({"model", "multi_shot", "mode"})
PLACES = {
    "kling": Place("kling", kling_read, own_id=OWN_ID, own=frozenset({"external_task_id", "callback_url"})),
    "kling-path": Place("kling", kling_read, family="path", own_id=OWN_ID),
    "fal": Place("fal", fal_read, silent=AT_FAL),
    "quickrouter-fal": Place("quickrouter-fal", fal_read, silent=AT_FAL),
    "chanjing": Place("chanjing", chanjing_read, own=frozenset({"callback"})),
}


@pytest.mark.parametrize("name", PLACES)
@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_catalogue_accepts_is_accepted_and_arrives(name: str, data: st.DataObject) -> None:
    """Any request that the catalogue accepts is taken as it is, and what arrives is it minus the reported losses."""
    place = PLACES[name]
    request = data.draw(accepted(place.provider, place.family))
    encoded = encode(request, place.provider)
    answer, tasks = posted(place.provider, encoded)
    assert answer.status_code == 200, answer.text
    assert [(task["failure"], task["own_id"]) for task in tasks] == [("", place.own_id)], answer.text
    body = json.loads(json.dumps(put_in(encoded.call.body)))
    arrived, expected = place.read(encoded.call.url, body), told_of(request, encoded)
    silent = place.silent | {"prompt"} | ({"multi_shot"} if request.model == TURBO else frozenset())
    assert {k: v for k, v in arrived.items() if k not in silent} == {
        k: v for k, v in expected.items() if k not in silent
    }
    assert arrived.get("prompt", "") == expected.get("prompt", "")
    if place.read is fal_read:
        assert arrived.get("mode") == expected.get("mode")
    assert json.loads(tasks[0]["request"]).keys() - place.own == body.keys() - place.own


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
    encoded = encode(request, provider)
    answer, tasks = posted(provider, encoded)
    assert answer.status_code == 200, answer.text
    assert [task["failure_body"] for task in tasks] == [""]
    assert PLACES[provider].read(encoded.call.url, put_in(encoded.call.body))["camera_control"] == camera.canonical()


SHORT_SIDES = {"720p": 720, "1080p": 1080, "4K": 2160}


@pytest.mark.parametrize("provider", ["kling", "fal", "quickrouter-fal", "chanjing"])
def test_every_model_that_is_sold_is_known_there(provider: str) -> None:
    """Each model, task type and mode of the catalogue has a place there; its clips have the size and rate told here."""
    for row in sold(provider):
        frame = "https://example.org/frame.png" if row["task_type"] == "image2video" else None
        request = VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=frame)
        answer, tasks = posted(provider, encode(request, provider))
        assert (answer.status_code, [task["failure"] for task in tasks]) == (200, [""]), row["endpoint"]
        scene = Scene.read(tasks[0]["scene"])
        assert min(frame_size(scene, "real")) == SHORT_SIDES[row["output"]], row["endpoint"]
        assert row["fps"] in (scene.fps, None), row["endpoint"]


@pytest.mark.parametrize("provider", ["kling", "fal", "quickrouter-fal"])
def test_every_length_that_is_sold_is_taken(provider: str) -> None:
    """The shortest and the longest clip of each model, with a last frame where it takes one, pass there too."""
    for row in sold(provider):
        frame = "https://example.org/frame.png" if row["task_type"] == "image2video" else None
        request = VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=frame)
        tails = (None, frame) if "image_tail" in row["features"] else (None,)
        lengths = CATALOG.models[row["model"]].durations.get(row["task_type"], row["durations"])
        for tail, seconds in product(tails, {min(lengths), max(lengths)}):
            asked = replace(request, image_tail=tail, duration=seconds)
            if is_accepted(asked, provider):
                answer, tasks = posted(provider, encode(asked, provider))
                assert (answer.status_code, [task["failure"] for task in tasks]) == (200, [""]), (asked, answer.text)


@pytest.mark.parametrize("provider", ["kling", "fal"])
def test_what_is_charged_there_is_what_the_plan_says(provider: str) -> None:
    """Two price lists, written apart: where the catalogue knows a price, silent or heard, the simulator charges it."""
    for row in sold(provider):
        frame = "https://example.org/frame.png" if row["task_type"] == "image2video" else None
        request = VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=frame)
        for asked in (request, replace(request, sound="on")):
            price = CATALOG.estimate(asked, provider)
            if price.low is not None and price.high is not None and is_accepted(asked, provider):
                _, (task,) = posted(provider, encode(asked, provider))
                assert price.low <= Decimal(task["usd"]) <= price.high, asked
