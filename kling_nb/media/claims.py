"""Checks the sample counts that an MP4 file declares, before FFmpeg allocates memory for them.

FFmpeg (libavformat 62, read 2026-11) allocates 24 bytes of index for every sample that a table declares, and a table
may declare a thousand million in eight bytes. This module reads the counts of all tables anywhere in the file, and
skips only the media data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import MediaError

SAMPLES_MOST = 1_000_000
"""Pictures and pieces of sound together; 15 s of uncompressed sound are 720,000."""

EDITED_MOST = 4_000_000
"""Samples times edits: an edit may repeat the whole index."""

TABLES_MOST = 32 * 2**20
"""Bytes beside the data; the tables of a clip of 15 s take some 20 kB."""

_MATROSKA = b"\x1aE\xdf\xa3"
_TABLES = re.compile(rb"(stsz|stz2|trun|elst)(.{12})", re.DOTALL)


def check_claims(path: Path) -> None:
    """Raise `MediaError` for an MP4 file whose tables announce more than any clip holds; others are passed."""
    with path.open("rb") as file:
        if file.read(4) == _MATROSKA:
            return
        tables = b"".join(_beside_data(file, path))
    if b"cmov" in tables:
        message = f"{path.name} has a packed index, which no clip of today has; it was not unpacked"
        raise MediaError(message)
    samples, edits = _counted(tables)
    if samples > SAMPLES_MOST or samples * edits > EDITED_MOST:
        message = f"{path.name} announces {samples:,} samples in {edits:,} edits, more than any clip has"
        raise MediaError(message)


def _counted(tables: bytes) -> tuple[int, int]:
    """Return how many samples and how many edits all tables announce; at least one edit."""
    samples, edits = 0, 1
    for found in _TABLES.finditer(tables):
        kind, head = found.groups()
        place = 8 if kind in (b"stsz", b"stz2") else 4  # after version and flags; in the first two, a size too
        count = int.from_bytes(head[place : place + 4], "big")
        samples, edits = (samples, edits + count) if kind == b"elst" else (samples + count, edits)
    return samples, edits


def _beside_data(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield all of a file but what its outermost ``mdat`` boxes hold."""
    size, place, came = path.stat().st_size, 0, 0
    while place < size:
        file.seek(place)
        head = file.read(16)
        after = place + (box_length(head) or size - place)
        if head[4:8] != b"mdat":
            came += min(after, size) - place
            if came > TABLES_MOST:
                message = f"{path.name} has more than {TABLES_MOST // 2**20} MB beside its pictures; it was not read"
                raise MediaError(message)
            file.seek(place)
            yield file.read(after - place)
        place = after


def box_length(head: bytes) -> int:
    """Return the length of a box from its head of 16 bytes; 0, to the end of the file, for what is no box too."""
    length = int.from_bytes(head[:4], "big")
    length = int.from_bytes(head[8:16], "big") if length == 1 else length
    return length if length >= 8 else 0
