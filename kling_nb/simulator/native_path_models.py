"""Kling's models under the path API: what each takes, and the legacy name under which the account counts it.

From the official pages of each model and the capability map (kling.ai/document-api, snapshot of 2026-09).  The pages of
2.5 Turbo and 3.0 Turbo have no ``audio``: for the first only ``off`` passes here, for the second, which is always
heard, nothing does.  3.0 Turbo has no legacy name and no measured latency: that of 3.0 stands in.
"""

from __future__ import annotations

from dataclasses import dataclass

SHORT, LONG = frozenset({5, 10}), frozenset(range(3, 16))
HD, UHD = frozenset({"720p", "1080p"}), frozenset({"720p", "1080p", "4k"})
FULL = frozenset({"1080p"})
MODES = {"720p": "std", "1080p": "pro", "4k": "4k"}
"""What the price list and the latency table call a resolution."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the path API; *legacy* is its slot pool and its row of the price list."""

    legacy: str
    family: str
    kinds: frozenset[str] = frozenset({"text-to-video", "image-to-video"})
    contents: frozenset[str] = frozenset({"prompt", "first_frame", "last_frame"})
    resolutions: frozenset[str] = HD
    seconds: frozenset[int] = SHORT
    audio: tuple[str, ...] = ("off",)
    native: frozenset[str] = frozenset()
    """Resolutions with native audio."""
    tail: frozenset[str] = frozenset()
    """Resolutions that take a last frame."""
    silent_tail: bool = False
    always_heard: bool = False
    multi_shot: bool = False
    prompt_most: int = 2500
    framed_prompt_most: int = 3072
    """The same of image-to-video, where its page gives less."""


_OMNI = frozenset({"omni-video"})
_OMNI_CONTENTS = frozenset(
    {"prompt", "first_frame", "last_frame", "refer_image", "feature_video", "base_video", "element"}
)

MODELS: dict[str, Model] = {
    "kling-2.5-turbo": Model(legacy="kling-v2-5-turbo", family="v2-5-turbo", tail=FULL),
    "kling-2.6": Model(
        legacy="kling-v2-6",
        family="v2-6",
        contents=frozenset({"prompt", "first_frame", "last_frame", "voice"}),
        audio=("native", "off"),
        native=FULL,
        tail=FULL,
        silent_tail=True,
    ),
    "kling-3.0": Model(
        legacy="kling-v3",
        family="v3",
        contents=frozenset({"prompt", "first_frame", "last_frame", "element"}),
        resolutions=UHD,
        seconds=LONG,
        audio=("native", "off"),
        native=UHD,
        tail=UHD,
        multi_shot=True,
        prompt_most=3072,
    ),
    "kling-3.0-turbo": Model(
        legacy="kling-3.0-turbo",
        family="v3",
        contents=frozenset({"prompt", "first_frame"}),
        seconds=LONG,
        audio=(),
        always_heard=True,
        multi_shot=True,
        prompt_most=3072,
        framed_prompt_most=2500,
    ),
    "kling-o1": Model(
        legacy="kling-video-o1",
        family="o1",
        kinds=_OMNI,
        contents=_OMNI_CONTENTS,
        seconds=frozenset(range(3, 11)),
        audio=("original", "off"),
        tail=HD,
    ),
    "kling-3.0-omni": Model(
        legacy="kling-v3-omni",
        family="v3",
        kinds=_OMNI,
        contents=_OMNI_CONTENTS,
        resolutions=UHD,
        seconds=LONG,
        audio=("native", "original", "off"),
        native=UHD,
        tail=UHD,
        multi_shot=True,
        prompt_most=3072,
    ),
}
