"""Kling at fal: every endpoint id with its own fields, and the pydantic-like complaints about a bad input.

Fields as in the types of ``@fal-ai/client`` 1.10.1 and the model pages (2026-11); the 4k tiers and all of v3/turbo
but its pro text-to-video are from the pages alone.  Each generation spells its images differently; there is no
``mode``, since the tier is part of the path.  ``effects``, motion control and v4 are not here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kling_nb.simulator.pictures import BadPicture, Picture, read_picture

Body = Mapping[str, Any]
Problem = dict[str, Any]
SHORT, LONG, O1 = (("5", "10"), tuple(str(n) for n in range(3, 16)), tuple(str(n) for n in range(3, 11)))
RATIOS = ("16:9", "9:16", "1:1")
CAMERAS = ("down_back", "forward_up", "right_turn_forward", "left_turn_forward")
AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint id.  *line* is its row in the price list, *family* and *mode* its row in the latency table."""

    line: str
    family: str
    mode: str
    durations: tuple[str, ...] = SHORT
    ratio: bool = False
    image: str = ""
    image_required: bool = True
    tail: str = ""
    images: str = ""
    """Field with a list of images, at most four."""
    video: str = ""
    cfg: bool = True
    negative: bool = True
    audio: bool | None = None
    """Default of ``generate_audio``; None where the field does not exist."""
    heard: bool = False
    """Makes sound without being asked: v3/turbo."""
    masks: bool = False
    """Takes ``static_mask_url`` and ``dynamic_masks``."""
    voices: bool = False
    elements: bool = False
    shots: bool = False
    camera: bool = False
    prompt: bool = True
    prompt_free: bool = False
    """May have neither ``prompt`` nor ``multi_prompt``."""
    old_errors: bool = False
    """Complains in the style of pydantic 1 (captured for v3, nodetool-ai/nodetool#1800)."""


def _table() -> Iterator[tuple[str, Endpoint]]:
    for tier, mode in (("standard", "std"), ("pro", "pro")):
        v1, v16 = f"v1/{tier}", f"v1.6/{tier}"
        tail = "tail_image_url" if tier == "pro" else ""
        yield (f"{v1}/text-to-video", Endpoint(line=v1, family="v1", mode=mode, ratio=True, camera=True))
        yield (
            f"{v1}/image-to-video",
            Endpoint(line=v1, family="v1", mode=mode, image="image_url", tail="tail_image_url", masks=True),
        )
        yield (f"{v16}/text-to-video", Endpoint(line=v16, family="v1-6", mode=mode, ratio=True))
        yield (
            f"{v16}/image-to-video",
            Endpoint(line=v16, family="v1-6", mode=mode, image="image_url", tail=tail, ratio=tier == "pro"),
        )
        yield (
            f"{v16}/elements",
            Endpoint(line=v16, family="v1-6", mode=mode, images="input_image_urls", ratio=True, cfg=False),
        )
    yield from _third_generation()
    v15 = "v1.5/pro"
    yield (f"{v15}/text-to-video", Endpoint(line=v15, family="v1-5", mode="pro", ratio=True))
    yield (
        f"{v15}/image-to-video",
        Endpoint(line=v15, family="v1-5", mode="pro", image="image_url", tail="tail_image_url", ratio=True, masks=True),
    )
    for line, family in (("v2/master", "v2-master"), ("v2.1/master", "v2-1-master")):
        yield (f"{line}/text-to-video", Endpoint(line=line, family=family, mode="", ratio=True))
        yield (f"{line}/image-to-video", Endpoint(line=line, family=family, mode="", image="image_url"))
    for version, family in (("v2.1", "v2-1"), ("v2.5-turbo", "v2-5-turbo")):
        for tier, mode, tail in (("standard", "std", ""), ("pro", "pro", "tail_image_url")):
            yield (
                f"{version}/{tier}/image-to-video",
                Endpoint(line=f"{version}/{tier}", family=family, mode=mode, image="image_url", tail=tail),
            )
    yield (
        "v2.5-turbo/pro/text-to-video",
        Endpoint(line="v2.5-turbo/pro", family="v2-5-turbo", mode="pro", ratio=True),
    )
    v26 = "v2.6/pro"
    yield (f"{v26}/text-to-video", Endpoint(line=v26, family="v2-6", mode="pro", ratio=True, audio=True))
    yield (
        f"{v26}/image-to-video",
        Endpoint(
            line=v26,
            family="v2-6",
            mode="pro",
            image="start_image_url",
            tail="end_image_url",
            cfg=False,
            audio=True,
            voices=True,
        ),
    )
    for line, prefix in (("o1", "o1/"), ("o1/standard", "o1/standard/")):
        mode = "std" if "standard" in line else "pro"
        yield (f"{prefix}image-to-video", _o1(line, mode, image="start_image_url", tail="end_image_url"))
        yield (f"{prefix}reference-to-video", _o1(line, mode, images="image_urls", ratio=True))
        yield f"{prefix}video-to-video/edit", _o1(line, mode, video="video_url")
        yield (f"{prefix}video-to-video/reference", _o1(line, mode, video="video_url", ratio=True))


def _third_generation() -> Iterator[tuple[str, Endpoint]]:
    plain: dict[str, Any] = {"cfg": False, "negative": False}
    for tier, mode in (("standard", "std"), ("pro", "pro"), ("4k", "4k")):
        v3, o3 = f"v3/{tier}", f"o3/{tier}"
        frames: dict[str, Any] = {"image": "start_image_url", "tail": "end_image_url", "elements": True}
        yield (f"{v3}/text-to-video", _v3(v3, mode, ratio=True, audio=True))
        yield (f"{v3}/image-to-video", _v3(v3, mode, audio=True, **frames))
        yield (f"{o3}/text-to-video", _v3(o3, mode, ratio=True, audio=False, **plain))
        yield (
            f"{o3}/image-to-video",
            _v3(o3, mode, image="image_url", tail="end_image_url", audio=False, **plain),
        )
    for tier, mode in (("standard", "std"), ("pro", "pro")):
        turbo = f"v3/turbo/{tier}"
        yield (f"{turbo}/text-to-video", _v3(turbo, mode, ratio=True, heard=True, **plain))
        yield (f"{turbo}/image-to-video", _v3(turbo, mode, image="image_url", heard=True, prompt_free=True, **plain))


def _v3(line: str, mode: str, **fields: Any) -> Endpoint:
    usual: dict[str, Any] = {"durations": LONG, "shots": True, "old_errors": True, "prompt": False}
    return Endpoint(line=line, family="v3", mode=mode, **(usual | fields))


def _o1(line: str, mode: str, **fields: Any) -> Endpoint:
    return Endpoint(line=line, family="o1", mode=mode, durations=O1, cfg=False, negative=False, **fields)


APP = "fal-ai/kling-video"
ENDPOINTS: dict[str, Endpoint] = dict(_table())


class Complaints:
    """The 422 list of one input, in the style of its endpoint."""

    def __init__(self, body: Body, old_style: bool) -> None:
        self.body, self.found, self._old = body, list[Problem](), old_style

    def add(self, where: Sequence[str | int], kind: str, text: str, given: object = None, **ctx: object) -> None:
        """Note one problem: *where* below ``body``, pydantic's type and text, what was given."""
        problem: Problem = {"loc": ["body", *where], "msg": text, "type": kind}
        if self._old:
            problem["type"] = {"missing": "value_error.missing"}.get(kind, kind)
            problem["msg"] = "field required" if kind == "missing" else text
        else:
            problem |= {"input": given} | ({"ctx": ctx} if ctx else {})
        self.found.append(problem)

    def missing(self, key: str) -> None:
        """A required field is not there."""
        self.add((key,), "missing", "Field required", dict(self.body))

    def text(self, key: str, *, required: bool = False, longest: int | None = None) -> str:
        """A string field, or "" and a complaint."""
        value = self.body.get(key)
        if value is None:
            if required:
                self.missing(key)
            return ""
        if not isinstance(value, str):
            self.add((key,), "string_type", "Input should be a valid string", value)
            return ""
        if longest is not None and len(value) > longest:
            limit = f"String should have at most {longest} characters"
            self.add((key,), "string_too_long", limit, value, max_length=longest)
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """One of *allowed*; a number is not a string, as pydantic has it."""
        value = self.body.get(key, default)
        if value in allowed:
            return str(value)
        words = [f"'{word}'" for word in allowed]
        expected = (", ".join(words[:-1]) + " or " + words[-1]) if len(words) > 1 else words[0]
        self.add((key,), "literal_error", f"Input should be {expected}", value, expected=expected)
        return default

    def number(self, key: str, low: float, high: float) -> None:
        """A number within bounds; numeric strings pass, as they do in pydantic's lax mode."""
        value = self.body.get(key)
        if value is None:
            return
        try:
            parsed = float(value)
        except (TypeError, ValueError):
            self.add((key,), "float_parsing", "Input should be a valid number", value)
            return
        if parsed < low:
            self.add((key,), "greater_than_equal", f"Input should be greater than or equal to {low}", value, ge=low)
        if parsed > high:
            self.add((key,), "less_than_equal", f"Input should be less than or equal to {high}", value, le=high)

    def flag(self, key: str, default: bool) -> bool:
        """A boolean."""
        value = self.body.get(key, default)
        if isinstance(value, bool):
            return value
        self.add((key,), "bool_type", "Input should be a valid boolean", value)
        return default

    def items(self, key: str, most: int) -> Sequence[object]:
        """A list of at most *most* items, or an empty one and a complaint."""
        value = self.body.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.add((key,), "list_type", "Input should be a valid list", value)
            return []
        if len(value) > most:
            self.add((key,), "too_long", f"List should have at most {most} items", value, max_length=most)
        return value[:most]

    def image(self, key: str, required: bool) -> Picture | None:
        """A URL or data URI of an image of at least 300 px."""
        text = self.text(key, required=required)
        return self.picture((key,), text) if text else None

    def picture(self, where: Sequence[str | int], text: object) -> Picture | None:
        """The image behind one value."""
        try:
            picture = read_picture(str(text), data_uri=True)
        except BadPicture as problem:
            self.add(where, "image_load_error", f"Failed to load the image: {problem}", text)
            return None
        if picture.flaw:
            small = "Image dimensions are too small. Minimum dimensions are 300x300 pixels."
            self.add(where, "image_too_small", small, text, min_width=300, min_height=300)
        return picture


def check_shots(complaints: Complaints, *, free: bool = False, longest: int = 512) -> None:
    """``prompt`` or ``multi_prompt``, exactly one (*free*: at most one); at most six shots."""
    body = complaints.body
    shots, prompt = body.get("multi_prompt"), body.get("prompt")
    if (prompt is None) == (shots is None) and not (free and prompt is None):
        either = "Either 'prompt' or 'multi_prompt' must be provided."
        text = either if prompt is None else "'prompt' and 'multi_prompt' cannot be used together."
        complaints.add(("root",), "value_error", text)
    if shots is None:
        return
    complaints.choice("shot_type", ("customize", "intelligent"), "customize")
    if not isinstance(shots, list) or not 1 <= len(shots) <= 6:
        complaints.add(("multi_prompt",), "value_error", "multi_prompt needs 1 to 6 shots", shots)
        return
    for place, shot in enumerate(shots):
        _shot(complaints, place, shot, longest)


def _shot(complaints: Complaints, place: int, shot: object, longest: int) -> None:
    shot = shot if isinstance(shot, dict) else {}
    if not isinstance(shot.get("prompt"), str) or len(shot["prompt"]) > longest:
        complaints.add(("multi_prompt", place, "prompt"), "missing", "Field required", shot)
    if shot.get("duration", "5") not in [str(n) for n in range(1, 16)]:
        text = "value is not a valid enumeration member"
        complaints.add(("multi_prompt", place, "duration"), "type_error.enum", text, shot.get("duration"))
