"""Images that requests begin from: verified, and kept once under their hash."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import InputError, MediaError
from ..fields import Image, is_stored, is_url
from .disk import looks_like, write_whole

MIMES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
"""The kinds of images that are taken in, by their ending."""

ENDINGS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp"}
"""The endings by Pillow's names. An MPO is a JPEG with further pictures behind it, as many phones write them."""
WRITTEN = {"WEBP": "WebP"}
"""How kinds of images are written for reading, where that is otherwise than Pillow's name."""

QUALITIES = (80, 60, 40, 20)  # of a JPEG
LEAST_SIDE = 300  # pixels
WIDEST = 2.5  # of the longer side to the shorter one
MOST_BYTES = 10 * 1024 * 1024
"""Kling's limits for an input image (document-api image-to-video, read 2026-09-20). The path API takes 50 MB; fal has the
same limits for O1 and tells none for the others (types of @fal-ai/client 1.10.1)."""


def take_in(image: Image, inputs: Path) -> str:
    """Keep an image in a lab's ``inputs/`` and return its reference, ``sha256:…``; a URL is returned as it is.

    A JPEG, PNG or WebP image, by its content. When it returns, the file is on disk. Raises `InputError` for a file
    that is not there or a reference that the lab does not hold, and `MediaError` for what is no such image.
    """
    if is_url(image):
        return str(image)
    if is_stored(image):
        _stored(str(image), inputs)
        return str(image)
    content = image if isinstance(image, bytes) else _read(Path(image))
    ending, _ = _verified(content, "the image" if isinstance(image, bytes) else Path(image).name)
    sha256 = hashlib.sha256(content).hexdigest()
    write_whole(inputs / f"{sha256}.{ending}", content)
    return f"sha256:{sha256}"


def image_bytes(ref: str, inputs: Path) -> tuple[bytes, str]:
    """Return the content of a stored image and its MIME type.

    Raises `InputError` for a reference that the lab does not hold, `MediaError` for a file that was changed since.
    """
    path = _stored(ref, inputs)
    content = path.read_bytes()
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != ref:
        message = f"the image {path} is not what was stored under its name; put the original back, or remove it"
        raise MediaError(message)
    return content, MIMES[path.suffix[1:]]


def image_size(ref: str, inputs: Path) -> tuple[int, int]:
    """Return width and height of a stored image in pixels; raises as `image_bytes` does."""
    return _verified(image_bytes(ref, inputs)[0], ref)[1]


def thumbnail(ref: str, inputs: Path, side: int, size_bytes: int) -> bytes:
    """Return a stored image as a JPEG whose longer side has at most ``side`` pixels, upright; raises as `image_bytes`.

    One that would take more than ``size_bytes`` is coarser; the coarsest may take more.
    """
    import PIL.Image
    import PIL.ImageOps

    content, _ = image_bytes(ref, inputs)  # by its hash it is what was verified when it was taken in
    with PIL.Image.open(io.BytesIO(content)) as picture:
        # Small first, whatever its kind: other kinds of pixels take several times the room.
        picture.thumbnail((4 * side, 4 * side), PIL.Image.Resampling.NEAREST)
        with suppress(Exception):  # what stands beside the pixels was never read, and Pillow raises anything over it
            PIL.ImageOps.exif_transpose(picture, in_place=True)
        is_deep = picture.mode.startswith("I")  # of 16 bits, which Pillow would cut instead of scaling them
        small = (picture.point(lambda value: value / 256).convert("L") if is_deep else picture).convert("RGBA")
    small.thumbnail((side, side))
    on_white = PIL.Image.new("RGB", small.size, "white")
    on_white.paste(small, mask=small)
    jpeg = b""
    for quality in QUALITIES:
        out = io.BytesIO()
        on_white.save(out, "JPEG", quality=quality)
        jpeg = out.getvalue()
        if len(jpeg) <= size_bytes:
            break
    return jpeg


def misfits(ref: str, inputs: Path) -> tuple[str, ...]:
    """Return which of Kling's rules a stored image breaks, in words; nothing of an address, which is not fetched.

    Raises `InputError` for a reference that the lab does not hold.
    """
    import PIL.Image

    if is_url(ref):
        return ()
    path = _stored(ref, inputs)
    try:
        with PIL.Image.open(path) as picture:
            return tuple(_broken(str(picture.format), picture.size, path.stat().st_size))
    except (OSError, PIL.Image.DecompressionBombError):  # changed since: whoever sends it says so
        return ()


def _broken(kind: str, size: tuple[int, int], size_bytes: int) -> Iterator[str]:
    small, large = sorted(size)
    if ENDINGS.get(kind) not in ("png", "jpg"):
        yield f"it is {WRITTEN.get(kind, kind)}, and Kling's own pages name JPEG and PNG only"
    if small < LEAST_SIDE:
        yield f"its shorter side is {small} pixels, and Kling asks for at least {LEAST_SIDE}"
    if large > WIDEST * small:
        yield f"its sides are {large / small:.1f} to 1, and Kling takes at most {WIDEST} to 1"
    if size_bytes > MOST_BYTES:
        yield f"it has {size_bytes / 1024**2:.1f} MB, and Kling takes up to 10 MB (its path API 50 MB)"


def data_uri(content: bytes, mime: str = "image/jpeg") -> str:
    """Return bytes as a ``data:`` address."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _stored(ref: str, inputs: Path) -> Path:
    """Return the file of a reference."""
    sha256 = ref.removeprefix("sha256:")
    paths = [inputs / f"{sha256}.{ending}" for ending in MIMES] if re.fullmatch(r"[0-9a-f]{64}", sha256) else []
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        message = f"the image {ref[:80]} is not in {inputs}; give its path or its bytes to add it"
        raise InputError(message)
    return found


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"the image {str(path)[:200]!r} cannot be read ({why}), seen from {Path.cwd()}"
        raise InputError(message) from error


def _verified(content: bytes, name: str) -> tuple[str, tuple[int, int]]:
    """Return the ending and the size of an image that decodes."""
    import PIL.Image

    try:
        # Pillow only warns of a picture that takes up to twice the room that it thinks safe, and unpacks it.
        with (
            warnings.catch_warnings(action="error", category=PIL.Image.DecompressionBombWarning),
            PIL.Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture,
        ):
            picture.load()
            return ENDINGS[str(picture.format)], picture.size
    except (
        OSError,
        SyntaxError,
        ValueError,
        PIL.Image.DecompressionBombError,
        PIL.Image.DecompressionBombWarning,
    ) as error:
        message = f"{name} is not a readable JPEG, PNG or WebP image: {_why(error, content)}; give another file, or save this picture as one of these"
        raise MediaError(message) from error


def _why(error: Exception, content: bytes) -> str:
    import PIL

    if not isinstance(error, PIL.UnidentifiedImageError):
        return str(error)
    looks = looks_like(content[:1024])  # Pillow's own words name the object that holds the bytes
    return f"it is {looks}" if looks else "what it holds is not known"
