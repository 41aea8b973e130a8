"""Input images, as the providers check them: a URL is taken as it is, base64 is decoded and measured."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, UnidentifiedImageError

MIN_SIDE_PX = 300
MAX_RATIO = 2.5
MAX_BYTES = 10 * 1024 * 1024
_KEPT_PX = 640
_LONGEST_TEXT = 4000
_FORMATS, _MORE_FORMATS = frozenset({"JPEG", "PNG"}), frozenset({"WEBP", "GIF", "AVIF"})


class BadPicture(Exception):
    """The text is no image that the service can read; says why in the service's words."""


@dataclass(frozen=True)
class Picture:
    """A checked input: *thumb* is a JPEG of at most 640 px for the clip's background (None for a URL).

    *flaw* is what is wrong with the pixels; real services report it late, when they open the image.
    *ratio* is the nearest of 16:9, 9:16, 1:1.
    """

    thumb: bytes | None
    flaw: str
    ratio: str
    width: int = 0
    height: int = 0


def read_picture(text: str, *, data_uri: bool, most: int = MAX_BYTES) -> Picture:
    """The image that *text* stands for.

    *data_uri* says which inline form the provider takes: fal wants ``data:image/png;base64,...``, Kling wants
    the bare base64 and rejects the prefix.  *most* is the largest file, in bytes.
    """
    if text.startswith(("http://", "https://")):
        return Picture(None, "", "16:9")
    if data_uri:
        head, comma, text = text.partition(",")
        if not (head.startswith("data:image/") and comma):
            raise BadPicture("not a URL or a data URI of an image")
    return _measured(_decoded(text, most), _FORMATS | _MORE_FORMATS if data_uri else _FORMATS)


def slim(value: Any) -> Any:
    """A JSON value with every inline image replaced by its hash; longer than any valid prompt means image."""
    if isinstance(value, dict):
        return {key: slim(item) for key, item in value.items()}
    if isinstance(value, list):
        return [slim(item) for item in value]
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return "sha256:" + hashlib.sha256(value.encode()).hexdigest()
    return value


def _decoded(text: str, most: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadPicture("File is not in a valid base64 format") from None
    if len(raw) > most:
        raise BadPicture(f"File size {len(raw)} exceeds the limit of {most} bytes")
    return raw


def _measured(raw: bytes, formats: frozenset[str]) -> Picture:
    try:
        with Image.open(io.BytesIO(raw)) as image:
            if image.format not in formats:
                raise BadPicture(f"File format {image.format} is not supported")
            width, height = image.size
            thumb = _thumb(image)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        raise BadPicture("File is not in a valid base64 format") from None
    ratio = "1:1" if 0.75 < width / height < 1.34 else "16:9" if width > height else "9:16"
    return Picture(thumb, _flaw(width, height), ratio, width, height)


def _flaw(width: int, height: int) -> str:
    small = min(width, height) < MIN_SIDE_PX
    long = max(width, height) > MAX_RATIO * min(width, height)
    # Captured at a poll, 1.65 s after a successful submit (QuantumNous/new-api#2532, 2025-12).
    return "Image pixel is invalid" if small or long else ""


def _thumb(image: Image.Image) -> bytes:
    small = image.convert("RGB")
    small.thumbnail((_KEPT_PX, _KEPT_PX))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return out.getvalue()
