"""What one video should be, in Kling's own terms: no provider, no credentials, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from itertools import compress
from operator import is_not
from typing import Any, Self

from .errors import InputError
from .fields import (
    IMAGE_FIELDS,
    LEFT_OUT,
    MODEL,
    CameraControl,
    Shot,
    is_stored,
    is_url,
    plain,
    read_field,
)
from .keywords import answer, answering
from .pictures import Given


@answering("kn.VideoRequest", "request")
@dataclass(frozen=True, kw_only=True, repr=False)
class VideoRequest:
    """What one video should be. ``None`` means *left to the provider*.

    Which fields a model accepts at a provider is listed by `kling_nb.models` and shown by a plan.

    Attributes
    ----------
    prompt, negative_prompt
        What to show and what to avoid; up to 2,500 characters each (3,072 for the path API's 3.0 models).
    model
        Kling's ``model_name``; ``kling-v2-6`` by default.
    mode
        ``std`` (720p), ``pro`` (1080p; 720p with 1.0) or ``4k`` (3.0 only).
    duration
        Length in whole seconds.
    aspect_ratio
        ``16:9``, ``9:16`` or ``1:1``.
    cfg_scale
        How closely the prompt is followed, 0…1. Documented for v1.x only.
    camera_control
        A camera move: a `CameraControl`, or the name of one that takes no moves, such as ``down_back``.
    image, image_tail
        First and last frame: a URL, a path, the bytes, an open file, or a picture in memory such as PIL's, which is sent
        as the PNG that a notebook shows of it, and is another image than a file of it.
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
    model: str = MODEL
    mode: str | None = None
    duration: int | None = None
    aspect_ratio: str | None = None
    negative_prompt: str | None = None
    cfg_scale: float | None = None
    camera_control: CameraControl | None = None
    image: Given | None = None  # what is held is a `fields.Image`
    image_tail: Given | None = None
    sound: str | None = None
    multi_shot: bool | None = None
    shot_type: str | None = None
    multi_prompt: tuple[Shot, ...] | None = None
    watermark: bool | None = None
    callback_url: str | None = None
    extra: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: LEFT_OUT["extra"], hash=False)

    def __post_init__(self) -> None:
        """Read every value into its own type; raises `InputError` for one that cannot be read."""
        was = vars(self)
        for name, given in list(compress(was.items(), map(is_not, was.values(), map(LEFT_OUT.get, was)))):
            object.__setattr__(self, name, read_field(name, given))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle by the fields that are set: a read-only mapping can be neither copied nor pickled."""
        extra = {provider: dict(own) for provider, own in self.extra.items()}
        return type(self).from_fields, ({**self.given(), "extra": extra},)

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> Self:
        """Build a request from plain values, as a form, a TOML file or the log holds them.

        Raises `InputError` for a field that does not exist or a value that cannot be read.
        """
        for name in values:
            if name not in FIELDS:
                message = f"there is no field {name!r}; {answer(name, FIELDS)}"
                raise InputError(message)
        return cls(**values)

    def __repr__(self) -> str:
        """Show the fields that are set; of an image in memory its size."""
        return f"VideoRequest({', '.join(f'{name}={_at_a_glance(value)}' for name, value in self.given().items())})"

    @property
    def task_type(self) -> str:
        """``image2video`` where an image is given, else ``text2video``."""
        return "text2video" if self.image is None and self.image_tail is None else "image2video"

    def given(self) -> dict[str, Any]:
        """Return the fields that are set, in order, as they are; an empty ``extra`` counts as not set."""
        return {name: value for name, value in vars(self).items() if value is not None and (value or name != "extra")}

    def canonical(self) -> dict[str, Any]:
        """Return the plain JSON form that the log keeps and the fingerprint is computed from.

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


def images_in(request: VideoRequest) -> dict[str, Any]:
    """Return the images that a request begins and ends with, by field."""
    return {name: image for name in IMAGE_FIELDS if (image := getattr(request, name))}


def digest(value: Any) -> str:
    """Return the sha256, in hex, of a plain value's one JSON spelling: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(request: VideoRequest, provider: str, sample: int, *, simulated: bool) -> str:
    """Return what makes a point itself: the same request, at the same provider, of the same sample number."""
    return digest([request.fingerprint(provider), provider, simulated, sample])[:32]


def _at_a_glance(value: Any) -> str:
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    return repr({key: dict(own) for key, own in value.items()} if isinstance(value, Mapping) else value)


def _plain_field(name: str, value: Any) -> Any:
    if name not in IMAGE_FIELDS:
        return plain(value)
    if isinstance(value, bytes):
        return "sha256:" + hashlib.sha256(value).hexdigest()
    if is_url(value) or is_stored(value):
        return value
    message = f"{name} is the path {str(value)!r}, which has to be read into a lab before it has an identity"
    raise InputError(message)
