"""What native Kling accepts: the documented rules of the legacy create calls, as one pass over a body.

Sources: official pages for the legacy API (Qingque specification of 2026-02, kling.ai snapshot of 2026-09), and
error texts captured by third parties.  Where no real text is known, ours follows the captured patterns.
``duration`` is documented as a string; numbers are accepted too, as production clients get away with sending
them.  ``cfg_scale`` is accepted for every model, though only v1.x is documented to heed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_nb.simulator.native_fields import Body, bad, choice_of, is_number, list_of, text_of, wrong
from kling_nb.simulator.pictures import BadPicture, Picture, read_picture

V3_SECONDS = frozenset(range(3, 16))


@dataclass(frozen=True)
class Model:
    """One row of the capability matrix (§ "legacy names")."""

    family: str
    kinds: frozenset[str]
    modes: frozenset[str] = frozenset({"std", "pro"})
    seconds: frozenset[int] = frozenset({5, 10})
    tail: frozenset[str] = frozenset()
    """Modes in which an end frame is accepted."""
    tail_alone: bool = False
    brush: frozenset[str] = frozenset()
    sound: frozenset[str] = frozenset()
    multi_shot: bool = False


_BOTH = frozenset({"text2video", "image2video"})
_IMAGE, _OMNI = frozenset({"image2video"}), frozenset({"omni-video"})
_PRO, _STD_PRO, _ALL = (frozenset({"pro"}), frozenset({"std", "pro"}), frozenset({"std", "pro", "4k"}))

MODELS: dict[str, Model] = {
    "kling-v1": Model("v1", _BOTH, tail=_STD_PRO, brush=_STD_PRO),
    "kling-v1-5": Model("v1-5", _IMAGE, tail=_PRO, tail_alone=True, brush=_PRO),
    "kling-v1-6": Model("v1-6", _BOTH, tail=_PRO, tail_alone=True),
    "kling-v2-master": Model("v2-master", _BOTH),
    "kling-v2-1": Model("v2-1", _IMAGE, tail=_PRO),
    "kling-v2-1-master": Model("v2-1-master", _BOTH),
    "kling-v2-5-turbo": Model("v2-5-turbo", _BOTH, tail=_PRO),
    "kling-v2-6": Model("v2-6", _BOTH, tail=_PRO, sound=_PRO),
    "kling-v3": Model("v3", _BOTH, _ALL, V3_SECONDS, tail=_ALL, sound=_ALL, multi_shot=True),
    "kling-video-o1": Model("o1", _OMNI, seconds=frozenset(range(3, 11)), tail=_STD_PRO),
    "kling-v3-omni": Model("v3", _OMNI, _ALL, V3_SECONDS, tail=_ALL, sound=_ALL, multi_shot=True),
}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a valid body asks for, defaults filled in."""

    kind: str
    name: str
    model: Model
    mode: str
    seconds: int
    ratio: str
    sound: bool
    prompt: str
    picture: Picture | None
    video: bool
    voices: bool
    shown_camera: Mapping[str, Any]


def check(kind: str, body: Body) -> Checked:
    """The request that *body* makes of the create call *kind*; raises :class:`Refused` as the service would."""
    name, model = _model(kind, body)
    mode = _mode(kind, body, model)
    sound = choice_of(body, "sound", ("on", "off"), "off") == "on"
    seconds = _seconds(body, model)
    _ratio_and_numbers(body)
    _texts(kind, body)
    _shots(body, model, seconds)
    what = f"model/mode/duration({name}/{mode}/{seconds}) is not supported with"
    if sound and mode not in model.sound:
        raise bad(f"{what} sound" if model.sound else "sound is not supported by the current model")
    _camera(kind, body, name, mode, seconds)
    _voices_and_elements(body, sound)
    picture = _omni(body, seconds, name) if kind == "omni-video" else None
    if kind == "image2video":
        picture = _pictures(body, name, model, mode, seconds, sound, what)
    return Checked(
        kind=kind,
        name=name,
        model=model,
        mode=mode,
        seconds=seconds,
        ratio=picture.ratio if picture and kind == "image2video" else body.get("aspect_ratio") or "16:9",
        sound=sound,
        prompt=shown_prompt(body),
        picture=picture,
        video=kind == "omni-video" and bool(body.get("video_list")),
        voices=bool(body.get("voice_list")),
        shown_camera=body.get("camera_control") or {},
    )


def shown_prompt(body: Body) -> str:
    """The prompt, or the shots of a multi-shot request one after the other."""
    shots = body.get("multi_prompt")
    if body.get("multi_shot") is True and isinstance(shots, list):
        return " / ".join(str(shot.get("prompt", "")) for shot in shots if isinstance(shot, dict))
    prompt = body.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def _model(kind: str, body: Body) -> tuple[str, Model]:
    # The key "model" is ignored and silently yields V1 (official page, 2025): an unknown key like any other.
    default = "kling-video-o1" if kind == "omni-video" else "kling-v1"
    name = body.get("model_name") or default
    if not isinstance(name, str) or name not in MODELS:
        raise wrong("model_name", name)
    if kind not in MODELS[name].kinds:
        raise bad("model is not supported")
    return name, MODELS[name]


def _mode(kind: str, body: Body, model: Model) -> str:
    mode = body.get("mode") or ("pro" if kind == "omni-video" else "std")
    if not isinstance(mode, str) or mode not in model.modes:
        raise wrong("mode", mode)
    return mode


def _seconds(body: Body, model: Model) -> int:
    asked = body.get("duration", "5")
    text = str(asked) if isinstance(asked, str | int) and not isinstance(asked, bool) else ""
    if not text.isascii() or not text.isdigit() or str(int(text)) != text or int(text) not in model.seconds:
        raise wrong("duration", asked)
    return int(text)


def _ratio_and_numbers(body: Body) -> None:
    choice_of(body, "aspect_ratio", ("16:9", "9:16", "1:1"), "16:9")
    scale = body.get("cfg_scale")
    if scale is not None and not is_number(scale, 0, 1):
        raise wrong("cfg_scale", scale)


def _texts(kind: str, body: Body) -> None:
    for key in ("prompt", "negative_prompt"):
        text = text_of(body, key)
        if len(text) > 2500:
            raise bad(f"{key} length can not exceed 2500, got {len(text)}")
    for key in ("callback_url", "external_task_id"):
        text_of(body, key)
    if kind != "image2video" and body.get("multi_shot") is not True and not text_of(body, "prompt").strip():
        raise bad("prompt can not be null")
    mark = body.get("watermark_info")
    if mark is not None and not (isinstance(mark, dict) and isinstance(mark.get("enabled", False), bool)):
        raise wrong("watermark_info", mark)


def _shots(body: Body, model: Model, seconds: int) -> None:
    multi = body.get("multi_shot")
    if multi is not None and not isinstance(multi, bool):
        raise wrong("multi_shot", multi)
    if not multi:
        return
    if not model.multi_shot:
        raise bad("multi_shot is not supported by the current model")
    if "shot_type" not in body:
        raise bad("shot_type can not be null")
    if choice_of(body, "shot_type", ("customize", "intelligence"), "") == "customize":
        _check_shots(list_of(body, "multi_prompt"), seconds)


def _check_shots(shots: Sequence[Any], seconds: int) -> None:
    if not 1 <= len(shots) <= 6:
        raise bad(f"multi_prompt needs 1 to 6 shots, got {len(shots)}")
    total = 0
    for shot in shots:
        text, length = (shot.get("prompt"), shot.get("duration")) if isinstance(shot, dict) else (None, None)
        if not isinstance(text, str) or not 1 <= len(text) <= 512 or type(shot.get("index")) is not int:
            raise wrong("multi_prompt", shot)
        if not isinstance(length, str) or not length.isdigit() or int(length) < 1:
            raise wrong("multi_prompt.duration", length)
        total += int(length)
    if total != seconds:
        raise bad(f"the durations of multi_prompt add up to {total}, not to duration {seconds}")


_CAMERA_TYPES = ("simple", "down_back", "forward_up", "right_turn_forward", "left_turn_forward")
CAMERA_AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


def _camera(kind: str, body: Body, name: str, mode: str, seconds: int) -> None:
    camera = body.get("camera_control")
    if camera is None:
        return
    v1 = name == "kling-v1" and mode == "std"
    v1_5 = kind == "image2video" and name == "kling-v1-5" and mode == "pro"
    if seconds != 5 or not (v1 or v1_5):
        raise bad("camera_control is only supported in std mode with 5s duration and kling-v1")
    if not isinstance(camera, dict) or camera.get("type") not in _CAMERA_TYPES:
        raise wrong("camera_control.type", camera.get("type") if isinstance(camera, dict) else camera)
    if v1_5 and camera["type"] != "simple":
        raise bad("camera_control of kling-v1-5 only supports type simple")
    _camera_config(camera["type"], camera.get("config"))


def _camera_config(kind: str, config: object) -> None:
    if kind != "simple":
        if config is not None:
            raise bad(f"camera_control.config must be empty when type is {kind}")
        return
    if not isinstance(config, dict):
        raise wrong("camera_control.config", config)
    values = [config[axis] for axis in CAMERA_AXES if config.get(axis) is not None]
    if not all(is_number(value, -10, 10) for value in values):
        raise wrong("camera_control.config", config)
    if sum(value != 0 for value in values) != 1:
        raise bad("camera_control.config must have exactly one non-zero value")


def _voices_and_elements(body: Body, sound: bool) -> None:
    voices, elements = list_of(body, "voice_list"), list_of(body, "element_list")
    if voices and (len(voices) > 2 or not sound):
        raise bad("voice_list supports at most 2 voices and needs sound on")
    if voices and elements:
        raise bad("element_list and voice_list can not be used together")
    if elements:
        first = elements[0].get("element_id") if isinstance(elements[0], dict) else elements[0]
        # The simulator keeps no element library, so no element exists.
        raise bad(f"Element id not found: {first}")


def _pictures(body: Body, name: str, model: Model, mode: str, seconds: int, sound: bool, what: str) -> Picture | None:
    image, tail = text_of(body, "image"), text_of(body, "image_tail")
    masks = bool(body.get("static_mask") or body.get("dynamic_masks"))
    if not image and not (tail and model.tail_alone):
        raise bad("image can not be null")
    if sum((bool(tail), masks, body.get("camera_control") is not None)) > 1:
        raise bad("image_tail, static_mask/dynamic_masks and camera_control can not be used together")
    if tail and not model.tail:
        raise bad("Image tail is not supported by the current model")
    short_only = name == "kling-v1" and seconds != 5
    if tail and (mode not in model.tail or short_only or (name == "kling-v2-6" and sound)):
        raise bad(f"{what} image_tail")
    if masks and (mode not in model.brush or seconds != 5):
        raise bad(f"{what} static_mask/dynamic_masks")
    _brush(body)
    pictures = [_picture(text) for text in (image, tail) if text]
    # One bad frame is enough for the late "Image pixel is invalid".
    return next((picture for picture in pictures if picture.flaw), pictures[0])


def _brush(body: Body) -> None:
    masks = list_of(body, "dynamic_masks")
    if len(masks) > 6:
        raise bad(f"dynamic_masks supports at most 6 masks, got {len(masks)}")
    for mask in masks:
        points = mask.get("trajectories") if isinstance(mask, dict) else None
        if not isinstance(points, list) or not 2 <= len(points) <= 77 or not isinstance(mask.get("mask"), str):
            raise wrong("dynamic_masks", mask if points is None else f"{len(points)} points")


def _omni(body: Body, seconds: int, name: str) -> Picture | None:
    images, videos = list_of(body, "image_list"), list_of(body, "video_list")
    for key, items in (("image", images), ("video", videos)):
        if any(not isinstance(item, dict) or not isinstance(item.get(f"{key}_url"), str) for item in items):
            raise bad(f"{key}_list needs objects with {key}_url")
    for video in videos:
        choice_of(video, "refer_type", ("feature", "base"), "")
        choice_of(video, "keep_original_sound", ("yes", "no"), "")
    roles = [item.get("type") for item in images]
    if any(role not in (None, "", "first_frame", "end_frame") for role in roles):
        raise wrong("image_list.type", next(r for r in roles if r not in (None, "", "first_frame", "end_frame")))
    if "end_frame" in roles and "first_frame" not in roles:
        raise bad("end_frame needs a first_frame")
    if len(videos) > 1 or len(images) > (4 if videos else 7):
        raise bad("image_list supports at most 7 images, 4 with a video; video_list at most 1 video")
    base = any(video.get("refer_type") == "base" for video in videos)
    if "first_frame" not in roles and not base and not body.get("aspect_ratio"):
        raise bad("aspect_ratio can not be null")
    # 5 or 10 s for text and a first frame alone (the page); an end frame lifts that too, as ComfyUI's nodes have it.
    freed = bool(videos) or any(role in (None, "", "end_frame") for role in roles)
    if name == "kling-video-o1" and not freed and seconds not in (5, 10):
        raise bad("Duration only supports 5 or 10 seconds when no refer_image is provided")
    pictures = [_picture(item["image_url"]) for item in images]
    return next((picture for picture in pictures if picture.flaw), pictures[0] if pictures else None)


def _picture(text: str) -> Picture:
    try:
        return read_picture(text, data_uri=False)
    except BadPicture as problem:
        raise bad(str(problem)) from None
