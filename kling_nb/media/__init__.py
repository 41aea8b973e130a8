"""Clips and images as files: verifies, measures and stores them.

A clip is verified before it gets its name: every file under ``clips/`` is a video that plays to its end. Each image is
stored once under ``inputs/``, named by the sha256 of its content.
"""

from .clips import flags, is_there, store_clip
from .disk import safe_name, write_whole
from .images import data_uri, image_bytes, image_size, misfits, take_in, thumbnail
from .video import Probe, poster, probe

__all__ = [
    "Probe",
    "data_uri",
    "flags",
    "image_bytes",
    "image_size",
    "is_there",
    "misfits",
    "poster",
    "probe",
    "safe_name",
    "store_clip",
    "take_in",
    "thumbnail",
    "write_whole",
]
