"""What Chanjing's submit accepts, and how it refuses: JSON with a code, always under HTTP 200.

Documented are the codes and the fields' types (chanjing.txt; the service's public client, read 2026-03-27).  The
rest is this simulator's reading: a value of another JSON type is 400, a missing or impossible one is 40000; only
``creation_type``, ``model_code`` and ``ref_prompt`` are needed, and the others default to the page's example (16:9,
std, 5); the turbo model takes one reference image and the older one a start and an end; links are not fetched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MESSAGES = {
    400: "传入参数格式错误",
    10400: "AccessToken 验证失败",
    40000: "参数错误",
    40001: "超出 QPS 限制",
    50000: "系统内部错误",
}
RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")
CLARITIES = (720, 1080)


class Refused(Exception):
    """A code other than 0; *why* follows the documented message."""

    def __init__(self, code: int, why: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.headers = code, dict(headers or {})
        self.message = f"{MESSAGES[code]}: {why}" if why else MESSAGES[code]


@dataclass(frozen=True)
class Model:
    """A model code: its display name, Kling's own name for it, its row of the latency table, images at most."""

    title: str
    kling: str
    family: str
    images: int


MODELS = {
    "kling-v2-5-turbo-normal": Model("Kling v2.5 Turbo", "kling-v2-5-turbo", "v2-5-turbo", 1),
    "tx_kling-v2-1-master": Model("Kling v2.1 Master", "kling-v2-1-master", "v2-1-master", 2),
}


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a valid body asks for, defaults filled in."""

    code: str
    model: Model
    prompt: str
    mode: str
    seconds: int
    ratio: str
    images: Sequence[str]


def check(body: Mapping[str, Any]) -> Checked:
    """The request that *body* makes; raises :class:`Refused`.  Unknown keys are ignored."""
    if number_of(body, "creation_type", (4,)) is None:
        raise Refused(40000, "creation_type")
    code = text_of(body, "model_code")
    if code not in MODELS:
        raise Refused(40000, f"model_code {code}")
    prompt = text_of(body, "ref_prompt")
    if not prompt.strip():
        raise Refused(40000, "ref_prompt")
    text_of(body, "callback")
    number_of(body, "clarity", CLARITIES)
    return Checked(
        code=code,
        model=MODELS[code],
        prompt=prompt,
        mode=_choice(body, "quality_mode", ("std", "pro"), "std"),
        seconds=number_of(body, "video_duration", (5, 10)) or 5,
        ratio=_choice(body, "aspect_ratio", RATIOS, "16:9"),
        images=_images(body, MODELS[code]),
    )


def text_of(body: Mapping[str, Any], key: str) -> str:
    """A text, or nothing."""
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise Refused(400, key)
    return value or ""


def texts_of(body: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts, or an empty one."""
    value = body.get(key)
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise Refused(400, key)
    return value or []


def number_of(body: Mapping[str, Any], key: str, allowed: Sequence[int]) -> int | None:
    """A whole number out of *allowed*, or None; a numeric string is no number."""
    value = body.get(key)
    if value is None:
        return None
    if type(value) is not int:
        raise Refused(400, key)
    if value not in allowed:
        raise Refused(40000, f"{key} {value}")
    return value


def _choice(body: Mapping[str, Any], key: str, allowed: Sequence[str], default: str) -> str:
    value = text_of(body, key) or default
    if value not in allowed:
        raise Refused(40000, f"{key} {value}")
    return value


def _images(body: Mapping[str, Any], model: Model) -> list[str]:
    images = texts_of(body, "ref_img_url")
    if not all(image.startswith(("http://", "https://")) for image in images) or len(images) > model.images:
        raise Refused(40000, "ref_img_url")
    return images
