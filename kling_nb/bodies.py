"""Bodies of calls: JSON on the wire, with images in place of the references to them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from .dialect import Inline
from .errors import InputError, MediaError

ReadImage = Callable[[str], tuple[bytes, str]]
"""From ``sha256:…`` to an image's bytes and MIME type."""


def filled(body: Any, read_image: ReadImage | None) -> Any:
    """Return a body in which images stand as base64 or data URIs, at any depth.

    Raises `InputError` or `MediaError` for an image that cannot be read.
    """
    if isinstance(body, Mapping):
        return {name: filled(value, read_image) for name, value in body.items()}
    if isinstance(body, list | tuple):
        return [filled(value, read_image) for value in body]
    return _text(body, read_image) if isinstance(body, Inline) else body


def encoded(body: Mapping[str, Any], read_image: ReadImage | None) -> bytes:
    """Return a body as UTF-8 JSON, with its images in it as `filled` puts them; raises `InputError` for what JSON cannot hold."""

    def held(value: object) -> Any:
        if isinstance(value, Mapping | Inline):
            return filled(value, read_image)
        message = f"expected a body of JSON and images, got {type(value).__name__}"
        raise InputError(message)

    return json.dumps(body, ensure_ascii=False, allow_nan=False, default=held).encode()


def _text(image: Inline, read_image: ReadImage | None) -> str:
    if read_image is None:
        message = f"expected a way to read {image}, got none"
        raise InputError(message)
    try:
        content, mime = read_image(image.ref)
    except OSError as error:
        message = f"the image {image} cannot be read: {error.strerror or error}"
        raise MediaError(message) from error
    text = base64.b64encode(content).decode("ascii")
    return f"data:{mime};base64,{text}" if image.form == "data_uri" else text
