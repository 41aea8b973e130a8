"""Clips and images as files: is it what it should be, what are its measures, and is it safely on disk.

A clip is verified before it gets its name: what is in the lab folder under ``clips/`` is a video that plays to its
end. Images are kept once under ``inputs/``, named by the sha256 of their content.
"""

from .clips import flags, is_there, store_clip
from .disk import safe_name, write_whole
from .images import data_uri, image_bytes, image_size, misfits, take_in
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
    "write_whole",
]
