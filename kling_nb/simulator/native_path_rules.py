"""What Kling's path API accepts: one pass over a create call's body.

From the official pages (kling.ai/document-api, snapshot of 2026-09).  Types are strict.  This simulator's own
readings, where nothing is documented: the order of the checks and most texts, which follow the captured patterns;
the prompt of an image-to-video call may be missing, that of an omni call may not; ``shot n, m, words`` counts as a
list of shots only where shots are possible; ``original`` sound needs a video; no element exists, since there is no
element library; unknown keys are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_nb.simulator.native_fields import Body, bad, choice_of, list_of, text_of, wrong
from kling_nb.simulator.native_path_models import MODES, Model
from kling_nb.simulator.pictures import BadPicture, Picture, read_picture

RATIOS = ("16:9", "9:16", "1:1")
IMAGES = ("first_frame", "last_frame", "refer_image")
VIDEOS = ("feature_video", "base_video")
IMAGE_BYTES = 50 * 1024 * 1024
_SHOT = re.compile(r"\s*shot\s+(\d{1,3})\s*,\s*(\d{1,3})\s*,(.*)", re.DOTALL | re.IGNORECASE)
Contents = Mapping[str, Sequence[Body]]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a valid body asks for, defaults filled in."""

    prompt: str
    mode: str
    seconds: int
    ratio: str
    sound: bool
    picture: Picture | None
    video: bool
    voices: bool
    own_id: str


def check(kind: str, model: Model, body: Body) -> Checked:
    """The request that *body* makes of ``POST /{kind}/{model}``; raises ``Refused`` as the service would."""
    settings, options = object_of(body, "settings"), object_of(body, "options")
    contents: Contents = {} if kind == "text-to-video" else _contents(model, body)
    prompt = _prompt(kind, model, body, contents)
    resolution, seconds = _resolution(settings, model), _seconds(settings, model)
    audio = _audio(settings, model, resolution)
    _shots(settings, model, prompt, seconds)
    _options(options)
    picture = _pictures(contents)
    if kind == "image-to-video":
        _frames(model, contents, resolution, audio)
    if kind == "omni-video":
        _omni(model, contents, settings, seconds, audio)
    return Checked(
        prompt=prompt,
        mode=MODES[resolution],
        seconds=seconds,
        ratio=_ratio(kind, settings, contents, picture),
        sound=audio != "off" or model.always_heard,
        picture=picture,
        video=any(contents.get(role) for role in VIDEOS),
        voices=bool(contents.get("voice")),
        own_id=text_of(options, "external_task_id"),
    )


def shown_prompt(body: Body) -> str:
    """The prompt of a body that nobody has checked."""
    if isinstance(body.get("prompt"), str):
        return str(body["prompt"])
    items = body.get("contents") if isinstance(body.get("contents"), list) else []
    texts = (item.get("text") for item in items or [] if isinstance(item, dict) and item.get("type") == "prompt")
    return next((text for text in texts if isinstance(text, str)), "")


def object_of(body: Body, key: str) -> Body:
    """A JSON object, or an empty one."""
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise wrong(key, value)
    return value or {}


def _contents(model: Model, body: Body) -> Contents:
    """The items of ``contents`` by their type."""
    found: dict[str, list[Body]] = {}
    for item in list_of(body, "contents"):
        role = item.get("type") if isinstance(item, dict) else item
        if not isinstance(role, str) or role not in model.contents:
            raise wrong("contents.type", role)
        needed = {"prompt": "text", "element": "element_id", "voice": "voice_id"}.get(role, "url")
        if not text_of(item, needed):
            raise bad(f"contents.{needed} can not be null")
        found.setdefault(role, []).append(item)
    if not found:
        raise bad("contents can not be null")
    _ids(found)
    return found


def _ids(contents: Contents) -> None:
    ids = [text_of(item, "id") for items in contents.values() for item in items]
    given = [one for one in ids if one]
    if len(given) != len(set(given)):
        raise bad("contents.id can not be duplicated")
    if any(not text_of(item, "id") for role in ("element", "voice") for item in contents.get(role, ())):
        raise bad("contents.id can not be null")
    if any(len(contents.get(role, ())) > 1 for role in ("prompt", "first_frame", "last_frame")):
        raise bad("contents can have only one prompt, first_frame and last_frame")


def _prompt(kind: str, model: Model, body: Body, contents: Contents) -> str:
    if kind == "text-to-video":
        prompt = text_of(body, "prompt")
    else:
        prompt = next((text_of(item, "text") for item in contents.get("prompt", ())), "")
    if kind != "image-to-video" and not prompt.strip():
        raise bad("prompt can not be null")
    most = min(model.prompt_most, model.framed_prompt_most) if kind == "image-to-video" else model.prompt_most
    if len(prompt) > most:
        raise bad(f"prompt length can not exceed {most}, got {len(prompt)}")
    return prompt


def _resolution(settings: Body, model: Model) -> str:
    resolution = text_of(settings, "resolution") or "720p"
    if resolution not in model.resolutions:
        raise bad(f"video resolution value {resolution} is invalid")
    return resolution


def _seconds(settings: Body, model: Model) -> int:
    seconds = settings.get("duration", 5)
    if type(seconds) is not int or seconds not in model.seconds:
        raise wrong("duration", seconds)
    return seconds


def _audio(settings: Body, model: Model, resolution: str) -> str:
    if not model.audio and settings.get("audio") is not None:
        raise bad("audio is not supported by the current model")
    audio = choice_of(settings, "audio", model.audio, "off")
    if audio == "native" and resolution not in model.native:
        raise bad(f"audio native only supports {', '.join(sorted(model.native))}")
    return audio


def _shots(settings: Body, model: Model, prompt: str, seconds: int) -> None:
    multi = settings.get("multi_shot")
    if multi is not None and not isinstance(multi, bool):
        raise wrong("multi_shot", multi)
    if multi and not model.multi_shot:
        raise bad("multi_shot is not supported by the current model")
    if multi is False or not model.multi_shot or not _SHOT.match(prompt):
        return
    shots = [_SHOT.fullmatch(part) for part in prompt.split(";") if part.strip()]
    if len(shots) > 6 or [shot and int(shot[1]) for shot in shots] != list(range(1, len(shots) + 1)):
        raise bad("a multi-shot prompt needs 1 to 6 shots: shot n, m, words;")
    lengths = [(int(shot[2]), len(shot[3].strip())) for shot in shots if shot]
    if any(length < 1 or words > 512 for length, words in lengths):
        raise bad("each shot lasts at least 1 second and has at most 512 characters")
    if (total := sum(length for length, _ in lengths)) != seconds:
        raise bad(f"the durations of the shots add up to {total}, not to duration {seconds}")


def _options(options: Body) -> None:
    for key in ("callback_url", "external_task_id"):
        text_of(options, key)
    mark = object_of(options, "watermark_info")
    if not isinstance(mark.get("enabled", False), bool):
        raise wrong("watermark_info", mark)


def _frames(model: Model, contents: Contents, resolution: str, audio: str) -> None:
    """The rules of image-to-video."""
    if "first_frame" not in contents:
        raise bad("first_frame can not be null")
    if "last_frame" in contents and resolution not in model.tail:
        raise bad(f"last_frame only supports {', '.join(sorted(model.tail))}")
    if "last_frame" in contents and model.silent_tail and audio != "off":
        raise bad("last_frame is not supported with audio native")
    voices = contents.get("voice", ())
    if voices and (len(voices) > 2 or audio == "off"):
        raise bad("voice supports at most 2 voices and needs audio native")
    _no_elements(contents)


def _omni(model: Model, contents: Contents, settings: Body, seconds: int, audio: str) -> None:
    """The rules of omni-video."""
    first, last, refer = (contents.get(role, ()) for role in IMAGES)
    feature, base = (contents.get(role, ()) for role in VIDEOS)
    video = bool(feature or base)
    if last and (not first or refer):
        raise bad("last_frame needs a first_frame, and no refer_image")
    if len(feature) + len(base) > 1:
        raise bad("contents supports at most 1 video")
    if (base and first) or (video and last):
        raise bad("a base_video takes no first_frame or last_frame, a feature_video no last_frame")
    if len(first) + len(last) + len(refer) + len(contents.get("element", ())) > (4 if video else 7):
        raise bad("contents supports at most 7 images and elements, 4 with a video")
    if not first and not video and not text_of(settings, "aspect_ratio"):
        raise bad("aspect_ratio can not be null")
    _omni_sound(model, contents, settings, audio)
    # A captured text; the page forbids it for a lone first frame, the map for text too, neither with a last frame.
    if model.family == "o1" and not (last or refer or video) and seconds not in (5, 10):
        raise bad("Duration only supports 5 or 10 seconds when no refer_image is provided")
    _no_elements(contents)


def _omni_sound(model: Model, contents: Contents, settings: Body, audio: str) -> None:
    if audio == "original" and not any(role in contents for role in VIDEOS):
        raise bad("audio original needs a video")
    if audio == "native" and any(role in contents for role in VIDEOS):
        raise bad("audio native is not supported with a video")
    # 3.0 Omni's page has `off` alone beside a feature_video; O1's says nothing of the kind.
    if audio == "original" and "feature_video" in contents and model.native:
        raise bad("audio original is not supported with a feature_video")
    shots = settings.get("multi_shot")
    if (shots is True and "base_video" in contents) or (shots is False and "feature_video" in contents):
        raise wrong("multi_shot", shots)


def _no_elements(contents: Contents) -> None:
    for item in contents.get("element", ()):
        raise bad(f"Element id not found: {item['element_id']}")


def _pictures(contents: Contents) -> Picture | None:
    """The picture that the clip shows: the first, unless one is flawed, which is enough for a late failure."""
    for role in VIDEOS:
        for item in contents.get(role, ()):
            if not item["url"].startswith(("http://", "https://")):
                raise wrong(f"{role}.url", item["url"])
    pictures = [_picture(item["url"]) for role in IMAGES for item in contents.get(role, ())]
    return next((picture for picture in pictures if picture.flaw), pictures[0] if pictures else None)


def _picture(text: str) -> Picture:
    try:
        return read_picture(text, data_uri=False, most=IMAGE_BYTES)
    except BadPicture as problem:
        raise bad(str(problem)) from None


def _ratio(kind: str, settings: Body, contents: Contents, picture: Picture | None) -> str:
    asked = "16:9" if kind == "image-to-video" else choice_of(settings, "aspect_ratio", RATIOS, "16:9")
    return picture.ratio if picture and "first_frame" in contents else asked


def marked(request: Mapping[str, Any]) -> bool:
    """Whether a stored request asked for a watermarked copy."""
    return bool(((request.get("options") or {}).get("watermark_info") or {}).get("enabled", False))
