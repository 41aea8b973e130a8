"""How new-api rewrites a request before Kling sees it: it fills in defaults and drops unknown keys.

From the project's source (``middleware/kling_adapter.go``, ``relay/common/relay_info.go`` and
``relay/channel/task/kling/adaptor.go``, read 2026-07-14).  Readings of this simulator, where the contract is silent:
the image is ``image``, else the first of ``images``, else ``input_reference``; a wrong type of a top-level key is
``invalid_request``; keys are matched by their exact spelling, though Go would forgive another case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kling_nb.simulator.native_fields import Body
from kling_nb.simulator.native_keys import json_object
from kling_nb.simulator.newapi_errors import Denied

RATIOS = {
    "1024x1024": "1:1",
    "512x512": "1:1",
    "1280x720": "16:9",
    "1920x1080": "16:9",
    "720x1280": "9:16",
    "1080x1920": "9:16",
}
"""Ratio by ``size``; anything else, and nothing, is 1:1."""

MOST_SECONDS = 3600
OMNI = "kling-video-o1"

_AXES = dict.fromkeys(("horizontal", "vertical", "pan", "tilt", "roll", "zoom"), "float64")
_MASK = {"mask": "string", "trajectories": [{"x": "int", "y": "int"}]}
PAYLOAD: dict[str, Any] = {
    "prompt": "string",
    "image": "string",
    "image_tail": "string",
    "negative_prompt": "string",
    "mode": "string",
    "duration": "string",
    "aspect_ratio": "string",
    "model_name": "string",
    "model": "string",
    "cfg_scale": "float64",
    "static_mask": "string",
    "dynamic_masks": [_MASK],
    "camera_control": {"type": "string", "config": _AXES},
    "callback_url": "string",
    "external_task_id": "string",
}
"""The Go struct that is sent to Kling; any other key of ``metadata`` is dropped without a word."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The keys that the generic endpoints read."""

    model: str
    prompt: str
    mode: str
    image: str
    size: str
    seconds: int
    metadata: Mapping[str, Any]


def wrapped(body: Body) -> dict[str, Any]:
    """A body of ``/kling/v1/…`` as the generic endpoint gets it: the whole of it becomes ``metadata``."""
    name, old_name, prompt = (body.get(key) for key in ("model_name", "model", "prompt"))
    model = next((text for text in (name, old_name) if isinstance(text, str) and text), "")
    return {"model": model, "prompt": prompt if isinstance(prompt, str) else "", "metadata": dict(body)}


def read(body: Body) -> Asked:
    """The request in a generic body; raises :class:`Denied` as the validation before the upstream does."""
    seconds = _seconds(body)
    asked = Asked(
        model=_text(body, "model"),
        prompt=_text(body, "prompt"),
        mode=_text(body, "mode"),
        image=_image(body),
        size=_text(body, "size"),
        seconds=seconds,
        metadata=_metadata(body.get("metadata")),
    )
    if not asked.prompt.strip():
        raise Denied(400, "invalid_request", "prompt is required")
    if seconds > MOST_SECONDS:
        raise Denied(400, "invalid_seconds", f"seconds must be at most {MOST_SECONDS}, got {seconds}")
    return asked


def payload(asked: Asked) -> dict[str, Any]:
    """What is sent to Kling: defaults, then ``metadata`` over them, and no key whose value is empty in Go."""
    made: dict[str, Any] = {
        "prompt": asked.prompt,
        "image": asked.image,
        "mode": asked.mode or "std",
        "duration": str(asked.seconds or 5),
        "aspect_ratio": RATIOS.get(asked.size, "1:1"),
        "model_name": asked.model,
        "model": asked.model,
        "cfg_scale": 0.5,
    }
    made |= _decoded(asked.metadata, PAYLOAD, "")
    return {key: value for key, value in made.items() if not _omitted(value, PAYLOAD[key])}


def addressed(sent: Body) -> tuple[str, dict[str, Any]]:
    """The path at Kling, by whether there is an image, and the body for it."""
    if sent.get("model_name") != OMNI:
        return "image2video" if sent.get("image") else "text2video", dict(sent)
    # The page lists the model, which Kling sells on its omni path only; so the gateway must send it there.
    frames = {"first_frame": sent.get("image"), "end_frame": sent.get("image_tail")}
    listed = [{"image_url": image, "type": role} for role, image in frames.items() if image]
    rest = {key: value for key, value in sent.items() if key not in ("image", "image_tail")}
    return "omni-video", rest | ({"image_list": listed} if listed else {})


def _text(body: Body, key: str) -> str:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise Denied(400, "invalid_request", _mismatch(value, f"TaskSubmitReq.{key}", "string"))
    return value or ""


def _image(body: Body) -> str:
    images = body.get("images") or []
    if not isinstance(images, list):
        raise Denied(400, "invalid_request", _mismatch(images, "TaskSubmitReq.images", "[]string"))
    listed = [_text({"images": item}, "images") for item in images]
    return _text(body, "image") or next(iter(listed), "") or _text(body, "input_reference")


def _seconds(body: Body) -> int:
    """``duration`` or ``seconds``: a whole number, or one as text; 0 for none."""
    for key in ("duration", "seconds"):
        value = body.get(key)
        if value in (None, "", 0):
            continue
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Denied(400, "invalid_seconds", f"{key} must be a whole number of seconds, got {value!r}")
        return int(text)
    return 0


def _metadata(value: object) -> dict[str, Any]:
    if value is None or value == "":
        return {}
    found = json_object(value.encode()) if isinstance(value, str) else value
    if not isinstance(found, dict):
        raise Denied(400, "invalid_request", _mismatch(value, "TaskSubmitReq.metadata", "map[string]interface {}"))
    return found


def _decoded(value: object, spec: Any, path: str) -> Any:
    """*value* as Go decodes it into a field of type *spec*; unknown keys, nulls and zero values are lost."""
    if isinstance(spec, dict):
        if not isinstance(value, dict):
            raise _unbuildable(value, path, "struct")
        known = [(key, item) for key, item in value.items() if key in spec and item is not None]
        found = {key: _decoded(item, spec[key], f"{path}.{key}") for key, item in known}
        # At the top an empty value still replaces the default before it is left out.
        return {key: item for key, item in found.items() if not path or not _omitted(item, spec[key])}
    if isinstance(spec, list):
        if not isinstance(value, list):
            raise _unbuildable(value, path, "slice")
        return [_decoded(item, spec[0], path) for item in value]
    kinds = {"string": (str,), "float64": (int, float), "int": (int,)}[spec]
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise _unbuildable(value, path, spec)
    return value


def _omitted(value: object, spec: Any) -> bool:
    """Whether ``omitempty`` leaves it out: an empty text or list, a zero; never a struct."""
    return spec != "int" and value in ("", 0, [])


def _unbuildable(value: object, path: str, go_type: str) -> Denied:
    told = "unmarshal metadata failed: " + _mismatch(value, f"requestPayload{path}", go_type)
    return Denied(500, "build_request_failed", told)


def _mismatch(value: object, field: str, go_type: str) -> str:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return f"json: cannot unmarshal {kinds.get(type(value), 'null')} into Go struct field {field} of type {go_type}"
