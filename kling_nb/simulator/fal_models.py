"""Kling at fal: every endpoint id with its own fields.

Fields as in the types of ``@fal-ai/client`` 1.10.1 and the model pages (2026-11); the 4k tiers and all of v3/turbo
but its pro text-to-video are from the pages alone.  Each generation spells its images differently; there is no
``mode``, since the tier is part of the path.  ``effects``, motion control, o3's references and videos, and v4 are not
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

SHORT, LONG, O1 = (("5", "10"), tuple(str(n) for n in range(3, 16)), tuple(str(n) for n in range(3, 11)))
RATIOS = ("16:9", "9:16", "1:1")
WITH_AUTO = ("auto", *RATIOS)
CAMERAS = ("down_back", "forward_up", "right_turn_forward", "left_turn_forward")
TIERS = (("standard", "std"), ("pro", "pro"))
AXES = ("horizontal", "vertical", "pan", "tilt", "roll", "zoom")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint id.  *line* is its row in the price list, *family* and *mode* its row in the latency table."""

    line: str
    family: str
    mode: str
    durations: tuple[str, ...] = SHORT
    """Empty where the clip is as long as the video that is given: taken to be 5 s, for links are not fetched."""
    ratios: tuple[str, ...] = ()
    """The default first; empty where the field does not exist."""
    image: str = ""
    tail: str = ""
    images: str = ""
    """Field with a list of images; needed where there is none for elements."""
    most: int = 4
    """Images in it at most, elements included."""
    video: str = ""
    cfg: bool = True
    negative: bool = True
    audio: bool | None = None
    """Default of ``generate_audio``; None where the field does not exist."""
    heard: bool = False
    """Makes sound without being asked: v3/turbo."""
    masks: bool = False
    """Takes ``static_mask_url`` and ``dynamic_masks``."""
    voices: bool = False
    elements: bool = False
    shots: bool = False
    camera: bool = False
    prompt: bool = True
    prompt_free: bool = False
    """May have neither ``prompt`` nor ``multi_prompt``."""
    old_errors: bool = False
    """Complains in the style of pydantic 1 (captured for v3, nodetool-ai/nodetool#1800)."""


def _table() -> Iterator[tuple[str, Endpoint]]:
    yield from _first_generation()
    yield from _v1_6()
    yield from _second_generation()
    yield from _v2_6()
    yield from _third_generation()
    yield from _o1_endpoints()


def _first_generation() -> Iterator[tuple[str, Endpoint]]:
    framed: dict[str, Any] = {"image": "image_url", "tail": "tail_image_url", "masks": True}
    for tier, mode in TIERS:
        v1 = partial(Endpoint, line=f"v1/{tier}", family="v1", mode=mode)
        yield f"v1/{tier}/text-to-video", v1(ratios=RATIOS, camera=True)
        yield f"v1/{tier}/image-to-video", v1(**framed)
    v15 = partial(Endpoint, line="v1.5/pro", family="v1-5", mode="pro", ratios=RATIOS)
    yield "v1.5/pro/text-to-video", v15()
    yield "v1.5/pro/image-to-video", v15(**framed)


def _v1_6() -> Iterator[tuple[str, Endpoint]]:
    for tier, mode in TIERS:
        line, is_pro = f"v1.6/{tier}", tier == "pro"
        v16 = partial(Endpoint, line=line, family="v1-6", mode=mode)
        yield f"{line}/text-to-video", v16(ratios=RATIOS)
        yield (
            f"{line}/image-to-video",
            v16(image="image_url", tail="tail_image_url" if is_pro else "", ratios=RATIOS if is_pro else ()),
        )
        yield f"{line}/elements", v16(images="input_image_urls", ratios=RATIOS, cfg=False)


def _second_generation() -> Iterator[tuple[str, Endpoint]]:
    for line, family in (("v2/master", "v2-master"), ("v2.1/master", "v2-1-master")):
        yield f"{line}/text-to-video", Endpoint(line=line, family=family, mode="", ratios=RATIOS)
        yield f"{line}/image-to-video", Endpoint(line=line, family=family, mode="", image="image_url")
    for version, family in (("v2.1", "v2-1"), ("v2.5-turbo", "v2-5-turbo")):
        for tier, mode in TIERS:
            line, tail = f"{version}/{tier}", "tail_image_url" if tier == "pro" else ""
            yield f"{line}/image-to-video", Endpoint(line=line, family=family, mode=mode, image="image_url", tail=tail)
    line = "v2.5-turbo/pro"
    yield f"{line}/text-to-video", Endpoint(line=line, family="v2-5-turbo", mode="pro", ratios=RATIOS)


def _v2_6() -> Iterator[tuple[str, Endpoint]]:
    v26 = partial(Endpoint, line="v2.6/pro", family="v2-6", mode="pro", audio=True)
    yield "v2.6/pro/text-to-video", v26(ratios=RATIOS)
    yield "v2.6/pro/image-to-video", v26(image="start_image_url", tail="end_image_url", cfg=False, voices=True)


def _third_generation() -> Iterator[tuple[str, Endpoint]]:
    plain: dict[str, Any] = {"cfg": False, "negative": False}
    for tier, mode in (*TIERS, ("4k", "4k")):
        v3, o3 = f"v3/{tier}", f"o3/{tier}"
        frames: dict[str, Any] = {"image": "start_image_url", "tail": "end_image_url", "elements": True}
        yield (f"{v3}/text-to-video", _v3(v3, mode, ratios=RATIOS, audio=True))
        yield (f"{v3}/image-to-video", _v3(v3, mode, audio=True, **frames))
        yield (f"{o3}/text-to-video", _v3(o3, mode, ratios=RATIOS, audio=False, **plain))
        yield (
            f"{o3}/image-to-video",
            _v3(o3, mode, image="image_url", tail="end_image_url", audio=False, **plain),
        )
    for tier, mode in TIERS:
        turbo = f"v3/turbo/{tier}"
        yield (f"{turbo}/text-to-video", _v3(turbo, mode, ratios=RATIOS, heard=True, **plain))
        yield (f"{turbo}/image-to-video", _v3(turbo, mode, image="image_url", heard=True, prompt_free=True, **plain))


def _v3(line: str, mode: str, **fields: Any) -> Endpoint:
    usual: dict[str, Any] = {"durations": LONG, "shots": True, "old_errors": True, "prompt": False}
    return Endpoint(line=line, family="v3", mode=mode, **(usual | fields))


def _o1_endpoints() -> Iterator[tuple[str, Endpoint]]:
    listed: dict[str, Any] = {"images": "image_urls", "elements": True}
    for line, mode in (("o1", "pro"), ("o1/standard", "std")):
        o1 = partial(Endpoint, line=line, family="o1", mode=mode, cfg=False, negative=False)
        yield f"{line}/image-to-video", o1(durations=O1, image="start_image_url", tail="end_image_url")
        yield f"{line}/reference-to-video", o1(durations=O1, ratios=RATIOS, most=7, **listed)
        yield f"{line}/video-to-video/edit", o1(durations=(), video="video_url", **listed)
        yield (
            f"{line}/video-to-video/reference",
            o1(durations=O1, ratios=WITH_AUTO, video="video_url", **listed),
        )


APP = "fal-ai/kling-video"
ENDPOINTS: dict[str, Endpoint] = dict(_table())
