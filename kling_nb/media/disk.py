"""Files on disk: guess a file's type, make a safe name, and write a file atomically."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

_HEADS = (
    (rb"\x89PNG", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8", "a GIF image"),
    (rb"RIFF....WEBP", "a WebP image"),
    (rb"....ftyp(avif|avis|heic|heix|mif1)", "an AVIF or HEIC image"),
    (rb"\s*(<!doctype html|<html)", "an HTML page"),
    (rb"\s*<\?xml", "XML"),
    (rb"\s*[{\[]", "JSON"),
    (rb"#EXTM3U", "a playlist"),
    (rb"%PDF", "a PDF"),
    (rb"PK\x03\x04", "a ZIP archive"),
)

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for itself."""


def looks_like(head: bytes) -> str | None:
    """Describe a file's type by its beginning, with its first words if it is text; `None` if the type is unknown.

    ``head`` is the file's first thousand bytes or so.
    """
    if not head:
        return "empty (0 bytes)"
    kind = next((kind for start, kind in _HEADS if re.match(start, head, re.IGNORECASE | re.DOTALL)), None)
    if re.search(rb"[\x00-\x08\x0e-\x1f]", head):
        return kind
    words = " ".join(re.sub(r"<[^>]*>?", " ", head.decode("utf-8", "replace")).split())
    return f"{kind or 'text'}, which begins {words[:80]!r}"


def safe_name(name: str, limit: int = 120) -> str:
    """Return a file name of letters, digits, ``.``, ``_`` and ``-`` only, at most ``limit`` characters long.

    A name that has to be changed ends in a few digits of its hash, so that two names stay two.
    """
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem and re.fullmatch(r"[A-Za-z0-9]{1,8}", ending) else (name, "")
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip(".-")
    if clean and clean == stem and len(name) <= limit and not _RESERVED.match(name):
        return name
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{clean[: limit - len(ending) - 9] or 'file'}-{digits}{ending}"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that its name never stands for anything but all of its content, also after a crash."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put a folder's entries on disk; Windows has no such call and does it by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
