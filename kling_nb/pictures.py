"""Reads the ``image=`` that a user gives into a request's form: a URL, a reference, a path, or bytes.

A picture in memory is read as the PNG that Jupyter would show, so that no image library is needed here, and the user
sees what is sent. Its identity is the PNG's bytes: a file of the same picture is another image, and another version of
the library that encodes the PNG may produce other bytes.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from .letters import whole

EXPECTED = "a path, an http(s) URL, a picture such as PIL's, or the bytes of an image file"
_ADDRESS = re.compile(r"(data)(?=:)|([a-z][a-z0-9+.-]*)(?=://)", re.ASCII | re.IGNORECASE)


class OpenFile(Protocol):
    """A file that is open for bytes."""

    def read(self) -> bytes:
        """Return what it holds."""


class Picture(Protocol):
    """A picture in memory that a notebook shows as a PNG, such as PIL's; the name is Jupyter's."""

    def _repr_png_(self) -> Any: ...


Given = str | os.PathLike[str] | bytes | bytearray | memoryview | OpenFile | Picture
"""What a person may give for an image."""


def read_image(value: Any) -> Any:
    """Return an image as a request holds it; raises `TypeError` or `ValueError` with what was expected."""
    if isinstance(value, bytes | bytearray | memoryview):
        return _content(bytes(value), "bytes")
    if isinstance(value, os.PathLike):
        return value if isinstance(value, Path) else Path(os.fsdecode(value))
    if isinstance(value, str):
        return _text(value)
    if callable(getattr(value, "read", None)):
        return _content(_of_file(value), "file")
    return _shown(value)


def _content(content: bytes, what: str) -> bytes:
    if not content:
        message = f"expected {EXPECTED}, got empty {what}"
        raise ValueError(message)
    return content


def _text(value: str) -> str | bytes:
    if not value:
        message = f"expected {EXPECTED}, got nothing"
        raise ValueError(message)
    found = _ADDRESS.match(whole(value))
    if found is None:
        return value
    scheme = found[0].lower()
    if scheme == "data":
        return _content(_of_data(value), "data")
    if scheme not in ("http", "https"):
        message = f"expected {EXPECTED}; nothing fetches {scheme}: addresses"
        raise ValueError(message)
    return scheme + value[len(scheme) :]


def _of_data(address: str) -> bytes:
    """Return the content of a ``data:`` address (RFC 2397)."""
    head, _, body = address.partition(",")
    try:
        return base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
    except binascii.Error as error:
        message = f"the data: address is not base64 ({error})"
        raise ValueError(message) from error


def _of_file(file: Any) -> bytes:
    """Return a file's content from its beginning: after writing a picture into it, the position is at its end."""
    if isinstance(file, io.TextIOBase):
        message = "expected a file that is open for bytes: open(path, 'rb'), or give its path"
        raise TypeError(message)
    where = file.tell() if hasattr(file, "seekable") and file.seekable() else None
    if where is not None:
        file.seek(0)
    content = file.read()
    if where is not None:
        file.seek(where)
    if not isinstance(content, bytes):
        message = f"expected a file that holds bytes, got {type(content).__name__} from it"
        raise TypeError(message)
    return content


def _shown(value: Any) -> bytes:
    """Return a picture as a notebook shows it; PNG before JPEG, which would lose something."""
    for name in ("_repr_png_", "_repr_jpeg_"):
        show = None if isinstance(value, type) else getattr(value, name, None)
        shown = show() if callable(show) else None
        shown = shown[0] if isinstance(shown, tuple) else shown  # with what a notebook should know of it
        if shown:
            return base64.b64decode(shown) if isinstance(shown, str) else bytes(shown)
    is_array = len(getattr(value, "shape", ())) in (2, 3)
    mend = ": PIL.Image.fromarray(…) makes a picture of an array" if is_array else ""
    message = f"expected {EXPECTED}, got {type(value).__name__}{mend}"
    raise TypeError(message)
