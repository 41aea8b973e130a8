"""Clips: a download becomes one when it is known to be a video; and how a clip differs from what was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from ..request import VideoRequest
from ..space import writing
from ..task import CLIP_FIELDS, Clip
from .disk import safe_name, sync_folder
from .video import Probe

_PROBED = {f.name for f in fields(Probe)}
_MEASURES = tuple(name for name in CLIP_FIELDS if name in _PROBED)

RATIO_OFF = 0.02
"""How far a ratio may be off: 1920x1088 is 16:9."""

SECONDS_OFF = 0.5
"""How far a length may be off: clips asked for with 5 s measure 5.04 to 5.1 s."""


def store_clip(
    part: Path,
    folder: Path,
    name: str,
    measured: Probe,
    request: VideoRequest,
    *,
    sha256: str,
    ready: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Move a synced file that was verified to ``clips/``, which is in the lab folder; return its `Clip` as plain JSON.

    ``measured`` is what `probe` said of it, ``sha256`` (hex) its digest. When it returns, the file's name is on disk.
    Raises `LabUnwritable` if the folder cannot be written, and whatever ``ready`` raises, which is called right before
    the move; the file then stays where it is.
    """
    path, clips = f"clips/{safe_name(name)}", folder / "clips"
    with writing(clips):
        ready()
        os.replace(part, folder / path)  # noqa: PTH105 - the path's own way reads the new path once more
        sync_folder(clips)
    facts = {name: getattr(measured, name) for name in _MEASURES}
    return {"path": path, "sha256": sha256, **facts, "flags": [*flags(measured, request)]}


def is_there(clip: Clip, folder: Path) -> bool:
    """Tell whether a clip's file is in the lab folder; one that cannot be looked for is not called gone."""
    try:
        (folder / clip.path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def flags(measured: Probe, request: VideoRequest) -> tuple[str, ...]:
    """Say in words how a clip differs from what was asked for; what was left open cannot differ.

    A ratio may be off by 2 %, a length by 0.5 s.
    """
    found = (_ratio_flag(measured, request), _length_flag(measured, request), _sound_flag(measured, request))
    return tuple(flag for flag in found if flag)


def _ratio_flag(measured: Probe, request: VideoRequest) -> str:
    wide, _, high = (request.aspect_ratio or "").partition(":")
    if not (wide.isdigit() and high.isdigit() and int(wide) and int(high)):
        return ""
    off = measured.width / measured.height / (int(wide) / int(high)) - 1
    return f"{measured.width}x{measured.height} is not {request.aspect_ratio}" if abs(off) > RATIO_OFF else ""


def _length_flag(measured: Probe, request: VideoRequest) -> str:
    asked = request.duration or sum(shot.duration for shot in request.multi_prompt or ())
    off = abs(measured.seconds - asked) > SECONDS_OFF
    return f"{measured.seconds:.2f} s long, asked for {asked} s" if asked and off else ""


def _sound_flag(measured: Probe, request: VideoRequest) -> str:
    if request.sound == "on" and not measured.sound:
        return "no sound, asked for sound"
    return "has sound, asked for none" if request.sound == "off" and measured.sound else ""
