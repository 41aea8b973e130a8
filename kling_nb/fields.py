"""What the fields of a request hold, and how each is read from what a person, a file or a form gives."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from numbers import Rational, Real
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import InputError, nearest
from .excerpts import as_code
from .keywords import answering
from .letters import all_whole, whole
from .pictures import read_image

MODEL = "kling-v2-6"
"""The model of a request that names none."""

IMAGE_FIELDS = ("image", "image_tail")
FLAG_FIELDS = ("multi_shot", "watermark")

CAMERA_AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")
"""The six moves of a ``simple`` camera, in Kling's order and with Kling's names."""

Image = str | bytes | Path
"""An image: an http(s) URL, a ``sha256:…`` reference into a lab's inputs, a path, or the bytes."""


@answering("kn.CameraControl", "camera_control")
@dataclass(frozen=True, kw_only=True, slots=True)
class CameraControl:
    """A camera move (official page on text-to-video, read 2026-09-20).

    ``type`` is ``simple``, ``down_back``, ``forward_up``, ``right_turn_forward`` or ``left_turn_forward``.
    For ``simple`` exactly one of the six moves is not zero, each within -10…10; the other types take none, and
    where a camera is asked for their name is enough: ``camera_control="down_back"``.
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


@answering("kn.Shot", "shot")
@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One shot of a multi-shot video: its prompt (up to 512 characters) and its length in whole seconds."""

    prompt: str
    duration: int

    def canonical(self) -> dict[str, Any]:
        """Return the plain form."""
        return {"prompt": self.prompt, "duration": self.duration}


def plain(value: Any, levels: float = math.inf) -> Any:
    """Return a plain JSON value. A float that is whole becomes an int, so that 1 and 1.0 are one request."""
    if levels < 0:
        message = f"it is more than {DEEPEST} levels deep"
        raise InputError(message)
    if isinstance(value, float):
        if not math.isfinite(value):
            message = f"{value} is not a number that can be sent"
            raise InputError(message)
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(key): plain(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, levels - 1) for item in value]
    return value.canonical() if isinstance(value, CameraControl | Shot) else value


def path_of(name: str, value: Any, kind: str = "path") -> Path:
    """Return the path given as argument ``name``, ``~`` being the home folder; raises `InputError` if it is none."""
    if not isinstance(value, str | os.PathLike):
        message = f"{name}={as_code(value)}: expected a path; nothing was done"
        raise InputError(message)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:  # "~nobody"
        message = (
            f"{name}={as_code(str(value))}: expected a {kind} that can be found from here ({error}); nothing was done"
        )
        raise InputError(message) from error


def folder_of(name: str, value: Any) -> Path:
    """Return the absolute path of a folder given as argument ``name``; raises `InputError` if there can be none."""
    given = path_of(name, value, "folder")
    try:
        return given.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        message = f"{name}={as_code(str(given))}: expected a folder that can be found from here ({why}); nothing was done; give its whole path"
        raise InputError(message) from error


def is_url(image: Image) -> bool:
    """Tell whether an image is given by an http(s) URL."""
    return isinstance(image, str) and image.startswith(("http://", "https://"))


def is_stored(image: Image) -> bool:
    """Tell whether an image is a ``sha256:…`` reference into a lab's inputs."""
    return isinstance(image, str) and image.startswith("sha256:")


LEFT_OUT: Mapping[str, Any] = MappingProxyType({"extra": MappingProxyType({}), "prompt": "", "model": MODEL})
"""The values of fields left out whose default is not `None`."""


def read_field(name: str, value: Any) -> Any:
    """Return a field's value in its own type, as a request holds it; raises `InputError` if it cannot be read."""
    if value is None:
        return LEFT_OUT.get(name)
    reader = _READERS.get(name)
    try:
        return reader(value) if reader else value
    except (TypeError, ValueError, OverflowError) as error:
        message = f"{name}={as_code(value)} cannot be read: {error}"
        raise InputError(message) from error


def _camera(value: Any) -> CameraControl:
    if isinstance(value, CameraControl):
        return _camera_of({name: getattr(value, name) for name in ("type", *CAMERA_AXES)})
    if isinstance(value, str) and value.strip() not in ("", "simple"):
        return _camera_of({"type": value})
    if not isinstance(value, Mapping) or not isinstance(value.get("config") or {}, Mapping):
        message = "expected the name of a movement such as 'down_back', or a CameraControl such as kn.CameraControl(zoom=5), or a table of its fields"
        raise TypeError(message)
    given = {**{name: v for name, v in value.items() if name != "config"}, **(value.get("config") or {})}
    for name in given:
        if name not in ("type", *CAMERA_AXES):
            message = f"a camera has no {name!r}; {nearest(str(name), ('type', *CAMERA_AXES))}"
            raise TypeError(message)
    return _camera_of(given)


def _camera_of(given: Mapping[str, Any]) -> CameraControl:
    """Return a camera whose moves are numbers; a whole number keeps its type, and `None` is left out."""
    held = {name: move for name, move in given.items() if name != "type" and move is not None}
    moves = {name: move if type(move) is int else _number(move) for name, move in held.items()}
    return CameraControl(type=_text(given.get("type", "simple")), **moves)


def _shots(value: Any) -> tuple[Shot, ...]:
    if not isinstance(value, list | tuple):
        message = "expected shots, each of the form {'prompt': …, 'duration': seconds}"
        raise TypeError(message)
    return tuple(_shot(shot.canonical() if isinstance(shot, Shot) else shot) for shot in value)


def _shot(value: Any) -> Shot:
    if not isinstance(value, Mapping) or set(value) - {"index"} != {"prompt", "duration"}:
        message = "expected shots of the form {'prompt': …, 'duration': seconds}"
        raise TypeError(message)
    return Shot(prompt=_text(value["prompt"]), duration=_seconds(value["duration"]))


def _seconds(value: Any) -> int:
    number = _float(value)
    if not number.is_integer():
        message = "expected a whole number of seconds, such as 5"
        raise ValueError(message)
    return int(number)


def _float(value: Any) -> float:
    """Return a number, also from text, as files and forms have it; NaN for anything else, truth values included."""
    try:
        return math.nan if truth(value) is not None else _as_it_looks(value)
    except (TypeError, ValueError):
        return math.nan


def _as_it_looks(value: Any) -> float:
    """Return a number as a float; a narrower float by its repr: 0.7, and not 0.699999988079071."""
    if isinstance(value, Real) and not isinstance(value, float | Rational):
        with suppress(ValueError):
            return float(str(value))
    return float(value)


def _number(value: Any) -> float:
    number = _float(value)
    if not math.isfinite(number):
        message = "expected a number, such as 0.5"
        raise ValueError(message)
    return number


def finite(value: object) -> float | None:
    """Return a finite number as a float; `None` for any other value, text and truth values included.

    Unlike `_float` it does not parse text.
    """
    try:
        number = _as_it_looks(value) if isinstance(value, Real | Decimal) and not isinstance(value, bool) else math.nan
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        own = ": its .value may be meant" if isinstance(value, Enum) else ""
        message = f"expected text, got {type(value).__name__}{own}"
        raise TypeError(message)
    return whole(value)


def _ratio(value: Any) -> str:
    if not isinstance(value, str):
        message = f"expected text such as '16:9', got {type(value).__name__}"
        raise TypeError(message)
    return _text(value)


def truth(value: Any) -> bool | None:
    """Return Python's or numpy's truth value as a bool; `None` for any other value, such as 1 or "yes"."""
    own = value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value
    return own if isinstance(own, bool) else None


def flag(name: str, value: Any) -> bool:
    """Return the switch given as argument ``name``; raises `InputError` for a value that is neither on nor off.

    By Python's truth, "no" would be on, and some switches cost money.
    """
    try:
        return _switch(value)
    except TypeError as error:
        message = f"{name}={as_code(value)}: {error}; nothing was sent"
        raise InputError(message) from None


def _switch(value: Any) -> bool:
    own = truth(value)
    if own is None:
        message = f"expected True or False, got {type(value).__name__}"
        raise TypeError(message)
    return own


def _sound(value: Any) -> str:
    own = truth(value)
    if own is None and not isinstance(value, str):
        message = f"expected on or off, got {type(value).__name__}"
        raise TypeError(message)
    return _text(value) if own is None else "on" if own else "off"


def _extra(value: Any) -> Mapping[str, Mapping[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(own, Mapping) for own in value.values()):
        message = "expected {'provider': {'field': value}}"
        raise TypeError(message)
    json.dumps(held := plain(value, DEEPEST))
    all_whole(held, "extra")
    return MappingProxyType({str(name): MappingProxyType(dict(own)) for name, own in value.items()})


DEEPEST = 100
"""Levels of `extra`: it is read again wherever it goes, and no step may run out of stack once it is bought."""
_READERS: dict[str, Any] = {
    "prompt": _text,
    "image": read_image,
    "image_tail": read_image,
    "model": _text,
    "mode": _text,
    "aspect_ratio": _ratio,
    "negative_prompt": _text,
    "shot_type": _text,
    "callback_url": _text,
    "duration": _seconds,
    "cfg_scale": _number,
    "camera_control": _camera,
    "sound": _sound,
    **dict.fromkeys(FLAG_FIELDS, _switch),
    "multi_prompt": _shots,
    "extra": _extra,
}
