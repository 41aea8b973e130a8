"""The title card over a simulated clip: prompt, parameters, timecode, progress, and the word SIMULATED."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import without_directives

Plane = NDArray[np.uint8]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_CJK_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
_ACCENT = (222, 108, 150)
"""Progress bar in Y, U, V: a warm light yellow."""


class Card:
    """Draws the card once and lays it over frame after frame."""

    def __init__(self, scene: Scene, width: int, height: int) -> None:
        self._scene, self._unit = scene, min(width, height) / 144
        self._width, self._height = width, height
        self._bar = max(2, round(3 * self._unit))
        still = self._still()
        self._parts = [_Part(still, top, bottom) for top, bottom in _bands(still)]
        self._digits = {sign: self._glyph(sign) for sign in "0123456789.s "}
        self._told = ("", self._digits[" "], self._digits[" "])

    def lay(self, planes: tuple[Plane, Plane, Plane]) -> None:
        """Lay what does not change over a frame."""
        for part in self._parts:
            part.put(planes)
        track = planes[0][-self._bar :]
        track[:] = track // 2 + 40

    def tell(self, planes: tuple[Plane, Plane, Plane], share: float, seconds: float) -> None:
        """Show the time over a frame that has the rest: *share* of the clip has passed, *seconds* of time."""
        self._time(planes[0], f"{seconds:.1f} s")
        done = round(share * self._width)
        planes[0][-self._bar :, :done] = _ACCENT[0]
        for plane, tone in zip(planes[1:], _ACCENT[1:], strict=True):
            plane[-(self._bar // 2) :, : done // 2] = tone

    def _still(self) -> Image.Image:
        image = Image.new("RGBA", (self._width, self._height))
        pen, pad, unit = ImageDraw.Draw(image), round(7 * self._unit), self._unit
        lines, face, meta, small = self._texts(pad)
        step, small_step = round(face_px(face) * 1.2), round(face_px(small) * 1.35)
        y = self._height - self._bar - round(5 * unit) - len(lines) * step - len(meta) * small_step
        self._scrim(image, y - round(14 * unit))
        for line in lines:
            pen.text((pad, y), line, (255, 255, 255, 255), face)
            y += step
        y += round(2 * unit)
        for line in meta:
            pen.text((pad, y), line, (255, 255, 255, 190), small)
            y += small_step
        self._badge(pen, pad)
        return image

    def _texts(self, pad: int) -> tuple[list[str], Font, list[str], Font]:
        prompt = without_directives(self._scene.prompt) or "(no prompt)"
        face, small = (font(round(12.5 * self._unit), prompt), font(round(8.5 * self._unit), ""))
        most = 3 if self._width > self._height else 6
        room = self._width - 2 * pad
        return (wrapped(prompt, face, room, most), face, joined(self._facts(), small, room), small)

    def _facts(self) -> list[str]:
        scene = self._scene
        facts = [scene.provider, scene.model, scene.mode, f"{scene.seconds} s", scene.ratio, f"take {scene.take}"]
        if scene.camera:
            amount = "" if "_" in scene.camera else f" {scene.amount:+g}"
            facts.append(scene.camera.replace("_", " ") + amount)
        facts += ["sound"] if scene.sound else []
        return [fact for fact in facts if fact]

    def _scrim(self, image: Image.Image, top: int) -> None:
        """Darkness that grows towards the foot, so that white text reads on any sky."""
        rows = np.clip((np.arange(self._height) - top) / (22 * self._unit), 0, 1) ** 1.2 * 165
        alpha = np.broadcast_to(rows[:, None], (self._height, self._width)).astype(np.uint8)
        shade = Image.new("RGBA", image.size, (10, 14, 24, 0))
        shade.putalpha(Image.fromarray(np.ascontiguousarray(alpha)))
        image.alpha_composite(shade)

    def _badge(self, pen: ImageDraw.ImageDraw, pad: int) -> None:
        """SIMULATED on the left, room for the timecode on the right."""
        face, air, foot = (font(round(8 * self._unit), ""), round(4 * self._unit), pad + round(15 * self._unit))
        word, pitch = "SIMULATED", round(0.9 * self._unit)
        long = sum(face.getlength(sign) + pitch for sign in word) - pitch
        right = self._width - pad + round(2 * self._unit)
        boxes = ((pad, pad, pad + long + 2 * air, foot), (right - round(37 * self._unit), pad, right, foot))
        for box in boxes:
            pen.rounded_rectangle(box, (foot - pad) / 2, (10, 14, 24, 140))
        x = float(pad + air)
        for sign in word:
            pen.text((x, (pad + foot) / 2), sign, (255, 255, 255, 245), face, anchor="lm")
            x += face.getlength(sign) + pitch

    def _glyph(self, sign: str) -> NDArray[np.uint16]:
        face = font(round(10 * self._unit), "")
        room = round(face.getlength("0" if sign.isdigit() else sign))
        tile = Image.new("L", (max(1, room), round(13 * self._unit)))
        ImageDraw.Draw(tile).text((0, 0), sign, 255, face)
        return np.asarray(tile, np.uint16)

    def _time(self, luma: Plane, text: str) -> None:
        if text != self._told[0]:
            glyphs = np.concatenate([self._digits[sign] for sign in text], axis=1)
            self._told = (text, 255 - glyphs, 235 * glyphs)
        _, keep, add = self._told
        top, right = round(8.5 * self._unit), self._width - round(10 * self._unit)
        spot = luma[top : top + keep.shape[0], right - keep.shape[1] : right]
        spot[:] = (spot * keep + add) // 255


class _Part:
    """A band of the card, premultiplied, for all three planes."""

    def __init__(self, image: Image.Image, top: int, bottom: int) -> None:
        rgba = np.asarray(image.crop((0, top, image.width, bottom)), np.float64)
        alpha = rgba[..., 3] / 255
        r, g, b = (rgba[..., place] * alpha for place in range(3))
        y = 0.257 * r + 0.504 * g + 0.098 * b + 16 * alpha
        half = (slice(None, None, 2), slice(None, None, 2))
        u = (-0.148 * r - 0.291 * g + 0.439 * b + 128 * alpha)[half]
        v = (0.439 * r - 0.368 * g - 0.071 * b + 128 * alpha)[half]
        self._rows = (slice(top, bottom), slice(top // 2, bottom // 2), slice(top // 2, bottom // 2))
        self._add = [np.clip(plane * 256, 0, 65_279).astype(np.uint16) for plane in (y, u, v)]
        self._keep = [(256 - part * 256).astype(np.uint16) for part in (alpha, alpha[half], alpha[half])]

    def put(self, planes: tuple[Plane, Plane, Plane]) -> None:
        """Blend the band over a frame, in 8.8 fixed point."""
        for plane, rows, add, keep in zip(planes, self._rows, self._add, self._keep, strict=True):
            plane[rows] = (plane[rows] * keep + add) >> 8


def _bands(image: Image.Image) -> list[tuple[int, int]]:
    """Even row ranges that hold anything; blending the empty middle would double the cost of a frame."""
    used: NDArray[np.bool_] = np.asarray(np.asarray(image)[..., 3].any(axis=1))
    used = used[::2] | used[1::2]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], used.astype(np.int8), [0]]))) * 2
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@lru_cache(maxsize=32)
def font(size: int, text: str) -> Font:
    """A face of *size* px: Pillow's own, or an installed CJK one when *text* needs it."""
    if any("\u2e80" <= sign <= "\u9fff" or "\uac00" <= sign <= "\uffef" for sign in text):
        for path in _CJK_FONTS:
            if Path(path).exists():
                return ImageFont.truetype(path, size)
    return ImageFont.load_default(size)


def face_px(face: Font) -> float:
    """The nominal size of a face in px."""
    return face.size if isinstance(face, ImageFont.FreeTypeFont) else 11.0


def wrapped(text: str, face: Font, room: int, most: int) -> list[str]:
    """At most *most* lines of at most *room* px; what does not fit ends in an ellipsis."""
    lines, line = [], ""
    for word in _words(text):
        if face.getlength((line + word).rstrip(" ")) <= room or not line:
            line += word
            continue
        lines.append(line.strip(" "))
        line = word.lstrip(" ")
    lines.append(line.strip(" "))
    if len(lines) > most:
        last = lines[most - 1]
        while last and face.getlength(last + "…") > room:
            last = last[:-1]
        lines = [*lines[: most - 1], last.rstrip(" ,") + "…"]
    return lines


def joined(facts: list[str], face: Font, room: int) -> list[str]:
    """The facts with dots between them, broken only between facts."""
    lines = [facts[0]]
    for fact in facts[1:]:
        longer = f"{lines[-1]} · {fact}"
        if face.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(fact)
    return lines


def _words(text: str) -> list[str]:
    """Pieces between which a line may break: words with their blank, and single CJK characters."""
    pieces: list[str] = []
    for sign in text:
        if sign == " " or sign >= "\u2e80" or not pieces or pieces[-1][-1] >= "\u2e80":
            pieces.append(sign)
        else:
            pieces[-1] += sign
    return pieces


def comet_of(radius: int) -> Plane:
    """A bright soft dot: its path across the sky is the clip's time."""
    side = np.arange(-2 * radius, 2 * radius)
    distance = np.hypot(side, side[:, None]) / radius
    light: Plane = (235 * np.clip(np.exp(-((distance / 0.75) ** 2)) * 1.25, 0, 1)).astype(np.uint8)
    return light


def cross(comet: Plane, share: float, planes: tuple[Plane, Plane, Plane]) -> None:
    """Draw the comet where it is when *share* of the clip has passed."""
    height, width = planes[0].shape
    side = comet.shape[0]
    x = round(share * (width - side))
    y = round(height * (0.36 - 0.16 * math.sin(math.pi * share)) - side / 2)
    spot = planes[0][y : y + side, x : x + side]
    np.maximum(spot, comet, out=spot)
