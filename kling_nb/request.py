"""What one video should be, in Kling's own terms: no provider, no credentials, no I/O."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from .errors import InputError, nearest

CAMERA_AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
"""The six moves of a ``simple`` camera, in Kling's order and with Kling's names."""

Image = str | bytes | Path
"""An image: an http(s) URL, a ``sha256:…`` reference into a lab's inputs, a path, or the bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CameraControl:
    """A camera move (official page on text-to-video, read 2026-09-20).

    ``type`` is ``simple``, ``down_back``, ``forward_up``, ``right_turn_forward`` or ``left_turn_forward``.
    For ``simple`` exactly one of the six moves is not zero, each within -10…10; the other types take none.
    Kling's *pan* turns in the vertical plane and *tilt* in the horizontal one, the reverse of film usage.
    """

    type: str = "simple"
    horizontal: float = 0
    vertical: float = 0
    pan: float = 0
    tilt: float = 0
    roll: float = 0
    zoom: float = 0

    @property
    def moves(self) -> dict[str, float]:
        """The moves that are not zero, by name."""
        return {name: getattr(self, name) for name in CAMERA_AXES if getattr(self, name)}

    def canonical(self) -> dict[str, Any]:
        """Return the plain form: the type, and the moves that are not zero."""
        return {"type": self.type, **{name: plain(value) for name, value in self.moves.items()}}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One shot of a multi-shot video: its prompt (up to 512 characters) and its length in whole seconds."""

    prompt: str
    duration: int

    def canonical(self) -> dict[str, Any]:
        """Return the plain form."""
        return {"prompt": self.prompt, "duration": self.duration}


@dataclass(frozen=True, kw_only=True)
class VideoRequest:
    """What one video should be. ``None`` means *left to the provider*.

    Attributes
    ----------
    prompt, negative_prompt
        What to show and what to avoid; up to 2,500 characters each.
    model
        Kling's ``model_name``, such as ``kling-v2-6``.
    mode
        ``std`` (720p), ``pro`` (1080p) or ``4k``.
    duration
        Length in whole seconds.
    aspect_ratio
        ``16:9``, ``9:16`` or ``1:1``.
    cfg_scale
        How closely the prompt is followed, 0…1. Documented for v1.x only.
    camera_control
        A camera move.
    image, image_tail
        First and last frame: a URL, a path, or the bytes.
    sound
        ``on`` or ``off``: native audio.
    multi_shot, shot_type, multi_prompt
        Several shots in one video: ``shot_type`` is ``customize`` (with ``multi_prompt``) or ``intelligence``.
    watermark
        Whether a watermarked copy is made too.
    callback_url
        Where the provider should report; not part of a request's identity.
    extra
        A provider's own knobs, by provider: ``{"fal": {"…": …}}``; passed through as they are.
    """

    prompt: str = ""
    model: str = "kling-v2-6"
    mode: str | None = None
    duration: int | None = None
    aspect_ratio: str | None = None
    negative_prompt: str | None = None
    cfg_scale: float | None = None
    camera_control: CameraControl | None = None
    image: Image | None = None
    image_tail: Image | None = None
    sound: str | None = None
    multi_shot: bool | None = None
    shot_type: str | None = None
    multi_prompt: tuple[Shot, ...] | None = None
    watermark: bool | None = None
    callback_url: str | None = None
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    def __post_init__(self) -> None:
        """Read every value into its own type; raises `InputError` for one that cannot be read."""
        for name in FIELDS:
            given = getattr(self, name)
            if (read := read_field(name, given)) is not given:
                object.__setattr__(self, name, read)

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """Build a request from plain values, as a form, a TOML file or the log holds them.

        Raises `InputError` for a field that does not exist or a value that cannot be read.
        """
        for name in values:
            if name not in FIELDS:
                message = f"there is no field {name!r}; {nearest(name, FIELDS)}"
                raise InputError(message)
        return cls(**values)

    @property
    def task_type(self) -> str:
        """``image2video`` where an image is given, else ``text2video``."""
        return "text2video" if self.image is None and self.image_tail is None else "image2video"

    def given(self) -> dict[str, Any]:
        """Return the fields that are set, in order, as they are; an empty ``extra`` counts as not set."""
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in values.items() if value is not None and (value or name != "extra")}

    def canonical(self) -> dict[str, Any]:
        """Return the plain JSON form that a log keeps and a fingerprint is taken of.

        Images become ``sha256:…`` or stay URLs. A path raises `InputError`: it has to be read into a lab first.
        """
        return {name: _plain_field(name, value) for name, value in self.given().items()}

    def fingerprint(self, provider: str) -> str:
        """Return the identity of this request at a provider: a sha256 in hex.

        Left out: the callback, and what ``extra`` holds for other providers.
        """
        body = self.canonical()
        body.pop("callback_url", None)
        own = body.pop("extra", {}).get(provider)
        return digest({**body, "extra": own} if own else body)


FIELDS: tuple[str, ...] = tuple(f.name for f in fields(VideoRequest))
"""The names of a request's fields, in the order of the class."""

IMAGE_FIELDS = ("image", "image_tail")


def digest(value: Any) -> str:
    """Return the sha256, in hex, of a plain value's one JSON spelling: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(request: VideoRequest, provider: str, sample: int, *, simulated: bool) -> str:
    """Return what makes a point itself: the same request, at the same provider, of the same sample number."""
    return digest([request.fingerprint(provider), provider, simulated, sample])[:32]


def plain(value: Any) -> Any:
    """Return a plain JSON value. A float that is whole becomes an int, so that 1 and 1.0 are one request."""
    if isinstance(value, float):
        if not math.isfinite(value):
            message = f"{value} is not a number that can be sent"
            raise InputError(message)
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.canonical() if isinstance(value, CameraControl | Shot) else value


def is_url(image: Image) -> bool:
    """Tell whether an image is given by an http(s) URL."""
    return isinstance(image, str) and image.startswith(("http://", "https://"))


def is_stored(image: Image) -> bool:
    """Tell whether an image is a ``sha256:…`` reference into a lab's inputs."""
    return isinstance(image, str) and image.startswith("sha256:")


def _plain_field(name: str, value: Any) -> Any:
    if name not in IMAGE_FIELDS:
        return plain(value)
    if isinstance(value, bytes):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    if is_url(value) or is_stored(value):
        return value
    message = f"{name} is the path {str(value)!r}, which has to be read into a lab before it has an identity"
    raise InputError(message)


_LEFT_OUT: Mapping[str, Any] = MappingProxyType(
    {"extra": MappingProxyType({}), "prompt": "", "model": VideoRequest.model}
)


def read_field(name: str, value: Any) -> Any:
    """Return a field's value in its own type, as a request holds it; raises `InputError` if it cannot be read."""
    if value is None:
        return _LEFT_OUT.get(name)
    reader = _READERS.get(name)
    try:
        return reader(value) if reader else value
    except (TypeError, ValueError, OverflowError) as error:
        message = f"{name}={value!r} cannot be read: {error}"
        raise InputError(message) from error


def _camera(value: Any) -> CameraControl:
    if isinstance(value, CameraControl):
        return value
    if isinstance(value, Mapping):
        config = value.get("config") or {}
        return CameraControl(**{k: v for k, v in value.items() if k != "config"}, **config)
    message = "expected a CameraControl or a table of its fields"
    raise TypeError(message)


def _shots(value: Any) -> tuple[Shot, ...]:
    return tuple(shot if isinstance(shot, Shot) else _shot(shot) for shot in value)


def _shot(value: Any) -> Shot:
    if not isinstance(value, Mapping) or set(value) - {"index"} != {"prompt", "duration"}:
        message = "expected shots of the form {'prompt': …, 'duration': seconds}"
        raise TypeError(message)
    return Shot(prompt=_text(value["prompt"]), duration=_whole(value["duration"]))


def _whole(value: Any) -> int:
    number = float(value)
    if isinstance(value, bool) or not number.is_integer():
        message = "expected a whole number of seconds"
        raise ValueError(message)
    return int(number)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        message = "expected a number"
        raise TypeError(message)
    return float(plain(float(value)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        message = f"expected text, got {type(value).__name__}"
        raise TypeError(message)
    value.encode()  # half a surrogate pair can be neither hashed nor sent
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        message = f"expected True or False, got {type(value).__name__}"
        raise TypeError(message)
    return value


def _sound(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else _text(value)


def _extra(value: Any) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(own, Mapping) for own in value.values()):
        message = "expected {'provider': {'field': value}}"
        raise TypeError(message)
    json.dumps({str(name): dict(own) for name, own in value.items()}, ensure_ascii=False, default=str).encode()
    return MappingProxyType({str(name): MappingProxyType(dict(own)) for name, own in value.items()})


def _image(value: Any) -> Any:
    return _text(value) if isinstance(value, str) else value


_READERS: dict[str, Any] = {
    "prompt": _text,
    "image": _image,
    "image_tail": _image,
    "model": _text,
    "mode": _text,
    "aspect_ratio": _text,
    "negative_prompt": _text,
    "shot_type": _text,
    "callback_url": _text,
    "duration": _whole,
    "cfg_scale": _number,
    "camera_control": _camera,
    "sound": _sound,
    "multi_shot": _flag,
    "multi_prompt": _shots,
    "watermark": _flag,
    "extra": _extra,
}
