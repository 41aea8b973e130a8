"""What an accepted submit costs: the simulator's own copy of the two public price lists.

Kling counts units of 0.14 USD (official list, 2026-09; older models from the legacy per-clip table).
fal charges by the second (model pages, 2026-11).
"""

from __future__ import annotations

from decimal import Decimal

USD_PER_UNIT = Decimal("0.14")

# Units per second: silent, with audio (None: not sold).
_UNITS: dict[tuple[str, str], tuple[str, str | None]] = {
    ("kling-v1", "std"): ("0.2", None),
    ("kling-v1", "pro"): ("0.7", None),
    ("kling-v2-5-turbo", "std"): ("0.3", None),
    ("kling-v2-5-turbo", "pro"): ("0.5", None),
    ("kling-v2-6", "std"): ("0.3", None),
    ("kling-v2-6", "pro"): ("0.5", "1.0"),
    ("kling-v3", "std"): ("0.6", "0.9"),
    ("kling-v3", "pro"): ("0.8", "1.2"),
    ("kling-v3", "4k"): ("3", "3"),
    ("kling-v3-omni", "std"): ("0.6", "0.8"),
    ("kling-v3-omni", "pro"): ("0.8", "1.0"),
    ("kling-v3-omni", "4k"): ("3", "3"),
    ("kling-3.0-turbo", "std"): ("0.8", "0.8"),
    ("kling-3.0-turbo", "pro"): ("1", "1"),
    ("kling-video-o1", "std"): ("0.6", None),
    ("kling-video-o1", "pro"): ("0.8", None),
}
for _name in ("kling-v1-5", "kling-v1-6", "kling-v2-1"):
    _UNITS |= {(_name, "std"): ("0.4", None), (_name, "pro"): ("0.7", None)}
for _name in ("kling-v2-master", "kling-v2-1-master"):
    _UNITS |= {(_name, "std"): ("2", None), (_name, "pro"): ("2", None)}

_VIDEO_INPUT_UNITS = {"std": "0.9", "pro": "1.2", "4k": "3"}
_VOICE_UNITS = {("kling-v2-6", "pro"): "1.2"}


def kling_units(
    model: str, mode: str, seconds: int, *, sound: bool = False, voices: bool = False, video: bool = False
) -> Decimal:
    """Resource units of one clip at Kling itself; *video* means that a video was given as input."""
    silent, audible = _UNITS[model, mode]
    rate = (audible or silent) if sound else silent
    if voices:
        rate = _VOICE_UNITS.get((model, mode), rate)
    if video:
        rate = _VIDEO_INPUT_UNITS[mode]
    return plain(Decimal(rate) * seconds)


# USD per second at fal: silent, with audio, with audio and voices.
_FAL_USD: dict[str, tuple[str, str, str]] = {
    "v1/standard": ("0.045", "0.045", "0.045"),
    "v1/pro": ("0.098", "0.098", "0.098"),
    "v1.5/pro": ("0.098", "0.098", "0.098"),
    "v1.6/standard": ("0.056", "0.056", "0.056"),
    "v1.6/pro": ("0.098", "0.098", "0.098"),
    "v2/master": ("0.28", "0.28", "0.28"),
    "v2.1/master": ("0.28", "0.28", "0.28"),
    "v2.1/standard": ("0.056", "0.056", "0.056"),
    "v2.1/pro": ("0.098", "0.098", "0.098"),
    "v2.5-turbo/standard": ("0.042", "0.042", "0.042"),
    "v2.5-turbo/pro": ("0.07", "0.07", "0.07"),
    "v2.6/pro": ("0.07", "0.14", "0.168"),
    "v3/standard": ("0.084", "0.126", "0.154"),
    "v3/pro": ("0.112", "0.168", "0.196"),
    "v3/4k": ("0.42", "0.42", "0.42"),
    "v3/turbo/standard": ("0.112", "0.112", "0.112"),
    "v3/turbo/pro": ("0.14", "0.14", "0.14"),
    "o1/standard": ("0.084", "0.084", "0.084"),
    "o1": ("0.112", "0.112", "0.112"),
    "o3/standard": ("0.084", "0.112", "0.112"),
    "o3/pro": ("0.112", "0.14", "0.14"),
    "o3/4k": ("0.42", "0.42", "0.42"),
}


def fal_usd(line: str, seconds: int, *, sound: bool = False, voices: bool = False) -> Decimal:
    """USD for one clip of the model line *line* (``v2.5-turbo/pro``) at fal.

    The sources have no price for v1/pro, v1.5/pro, v3/turbo/standard, o1, o3/pro and the 4k tiers; Kling's own is used.
    """
    silent, audible, voiced = _FAL_USD[line]
    rate = voiced if sound and voices else audible if sound else silent
    return plain(Decimal(rate) * seconds)


def plain(amount: Decimal) -> Decimal:
    """The amount without trailing zeros or an exponent: ``2``, ``0.28``."""
    return Decimal(f"{amount.normalize():f}")
