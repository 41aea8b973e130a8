"""The picture: a soft landscape that moves as the camera was told to, under a title card.

Colours come from the prompt, so that one prompt is recognised across models; the place of the sun and the hills
come from the take's seed, so that repeats differ.  Everything that does not change is drawn once.
"""

from __future__ import annotations

import colorsys
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from kling_nb.simulator.card import Card
from kling_nb.simulator.clips import FPS, Scene

Plane = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
_MARGIN, _STILL_MARGIN = 0.4, 0.1
"""How far beyond each edge the world is drawn, as a share of the frame; without a camera move less will do."""

PALETTES = (
    ("2b3a67", "f2a38c", "7a5a86", "1f1d3d"),  # dusk
    ("3d7ea6", "f6d6ad", "6f8fa3", "17334a"),  # morning coast
    ("0f4c5c", "9ad1c4", "3d8085", "0b2a33"),  # teal lake
    ("3b1f4a", "e98a8f", "7b4a74", "221430"),  # plum evening
    ("6a7fb5", "f8d9d0", "8f8fb8", "2c2f52"),  # pale dawn
    ("a4502f", "f7c873", "a3603f", "3a1a1c"),  # desert
    ("27496d", "a8d0e6", "4f7ca3", "12253b"),  # northern
    ("2f5d50", "e3dca0", "6a8f6b", "17302a"),  # forest
)
"""Sky, horizon, far hills, near hills."""

DEPTHS = (0.25, 0.55, 1.0)
_MOVES = {
    "down_back": ("vertical", -1.0, -0.5),
    "forward_up": ("vertical", 1.0, 0.7),
    "right_turn_forward": ("tilt", 1.0, 0.7),
    "left_turn_forward": ("tilt", -1.0, 0.7),
}


@dataclass(frozen=True)
class Layer:
    """One sheet of the world in yuv420p: full-size luma, half-size chroma, and where it is opaque."""

    y: Plane
    u: Plane
    v: Plane
    mask: NDArray[np.bool_] | None
    half: NDArray[np.bool_] | None
    top: int
    depth: float


@dataclass(frozen=True)
class View:
    """Where the camera is: offsets in frame widths and heights, *turn* shared by all depths."""

    x: float
    y: float
    turn_x: float
    turn_y: float
    zoom: float
    roll: float


def frames(scene: Scene, image: bytes | None, width: int, height: int) -> Iterator[Plane]:
    """All frames as stacked yuv420p planes, (height * 3 / 2, width)."""
    layers = _photo(image, width, height) if image else _landscape(scene, width, height)
    card, comet = Card(scene, width, height), _comet(max(3, height // 36))
    for number in range(scene.frames):
        share = number / (scene.frames - 1)
        stacked = np.empty((height * 3 // 2, width), np.uint8)
        planes = _split(stacked, width, height)
        view = _view(scene, share)
        _compose(layers, view, planes)
        _warp(view, planes)
        _cross(comet, share, planes)
        card.put(planes, share, number / FPS)
        yield stacked


def _split(stacked: Plane, width: int, height: int) -> tuple[Plane, Plane, Plane]:
    chroma = stacked[height:].reshape(2, height // 2, width // 2)
    return stacked[:height], chroma[0], chroma[1]


def _view(scene: Scene, share: float) -> View:
    axis, sign, dolly = _MOVES.get(scene.camera, (scene.camera, 1.0, 0.0))
    # Ease in and out, so that the move reads as a camera's and not as a scroll bar's.
    eased = share * share * (3 - 2 * share)
    way = eased * sign * scene.amount / 10 * (1 if scene.camera not in _MOVES else 1.6)
    drift = 0.0 if scene.camera else 0.1 * share
    zoom = (0.55 * scene.amount / 10 if axis == "zoom" else 0.6 * dolly) * eased
    zoomed = axis == "zoom" or bool(dolly)
    start = 1.0 if not zoomed else 1.12 if zoom >= 0 else 1.6
    return View(
        x=drift + (0.38 * way if axis == "horizontal" else 0.0),
        y=-0.3 * way if axis == "vertical" else 0.0,
        turn_x=0.38 * way if axis == "tilt" else 0.0,
        turn_y=-0.3 * way if axis == "pan" else 0.0,
        zoom=1.35 if axis == "roll" else start + zoom,
        roll=math.radians(22) * way if axis == "roll" else 0.0,
    )


def _compose(layers: list[Layer], view: View, planes: tuple[Plane, Plane, Plane]) -> None:
    height, width = planes[0].shape
    for layer in layers:
        spare_y, spare_x = layer.y.shape[0] - height, layer.y.shape[1] - width
        x = spare_x / 2 + (view.x * layer.depth + view.turn_x) * width
        y = spare_y / 2 + (view.y * layer.depth + view.turn_y) * height
        x, y = (min(max(0, round(x / 2) * 2), spare_x), min(max(0, round(y / 2) * 2), spare_y))
        _lay(layer, int(x), int(y), planes)


def _lay(layer: Layer, x: int, y: int, planes: tuple[Plane, Plane, Plane]) -> None:
    luma, u, v = planes
    height, width = luma.shape
    half_y, half_x = slice(y // 2, (y + height) // 2), slice(x // 2, (x + width) // 2)
    if layer.mask is None or layer.half is None:
        luma[:], u[:], v[:] = (
            layer.y[y : y + height, x : x + width],
            layer.u[half_y, half_x],
            layer.v[half_y, half_x],
        )
        return
    top = min(max(0, layer.top - y), height) // 2 * 2
    rows, half_rows = (slice(y + top, y + height), slice((y + top) // 2, (y + height) // 2))
    np.copyto(luma[top:], layer.y[rows, x : x + width], where=layer.mask[rows, x : x + width])
    np.copyto(u[top // 2 :], layer.u[half_rows, half_x], where=layer.half[half_rows, half_x])
    np.copyto(v[top // 2 :], layer.v[half_rows, half_x], where=layer.half[half_rows, half_x])


def _warp(view: View, planes: tuple[Plane, Plane, Plane]) -> None:
    """Zoom and roll about the centre, by nearest neighbour."""
    if view.zoom == 1.0 and view.roll == 0.0:
        return
    for plane in planes:
        height, width = plane.shape
        rows, columns = (np.arange(height) - height / 2 + 0.5, np.arange(width) - width / 2 + 0.5)
        if view.roll == 0.0:
            near_y = np.clip(rows / view.zoom + height / 2, 0, height - 1).astype(np.intp)
            near_x = np.clip(columns / view.zoom + width / 2, 0, width - 1).astype(np.intp)
            plane[:] = plane[near_y[:, None], near_x]
            continue
        cos, sin = math.cos(view.roll) / view.zoom, math.sin(view.roll) / view.zoom
        near_y = np.clip(rows[:, None] * cos - columns * sin + height / 2, 0, height - 1).astype(np.intp)
        near_x = np.clip(rows[:, None] * sin + columns * cos + width / 2, 0, width - 1).astype(np.intp)
        plane[:] = plane[near_y, near_x]


def _landscape(scene: Scene, width: int, height: int) -> list[Layer]:
    rng = np.random.default_rng(scene.seed)
    margin = _MARGIN if scene.camera else _STILL_MARGIN
    wide, tall = _even(width * (1 + 2 * margin)), _even(height * (1 + 2 * margin))
    palette = PALETTES[zlib.crc32(scene.prompt.encode()) % len(PALETTES)]
    shift = rng.uniform(-0.03, 0.03)
    top, horizon, far, near = (_hex(code, shift) for code in palette)
    layers = [_layer(_sky(rng, wide, tall, top, horizon), 0.08)]
    for number, depth in enumerate(DEPTHS):
        share = number / (len(DEPTHS) - 1)
        ridge = _ridge(rng, wide, height, share) + tall * (0.46 + 0.13 * number)
        layers.append(_hill(ridge, _mix(far, near, share), horizon, tall, depth))
    return layers


def _sky(rng: np.random.Generator, wide: int, tall: int, top: Floats, horizon: Floats) -> Floats:
    down = np.clip(np.linspace(-0.3, 1.5, tall, dtype=np.float32), 0, 1)[:, None, None]
    x, y = rng.uniform(0.32, 0.68) * wide, rng.uniform(0.35, 0.45) * tall
    columns, rows = (np.arange(wide, dtype=np.float32) - x, np.arange(tall, dtype=np.float32)[:, None] - y)
    distance = np.hypot(columns, rows) / min(tall, wide)
    disc = np.clip((rng.uniform(0.045, 0.07) - distance) * tall / 1.5 + 0.5, 0, 1)
    light = np.maximum(disc, 0.5 * np.exp(distance / -0.17))[:, :, None]
    warm = np.array([255, 246, 226], np.float32)
    sky: Floats = (top * (1 - down) + horizon * down) * (1 - light) + warm * light
    return sky


def _ridge(rng: np.random.Generator, wide: int, height: int, near: float) -> Floats:
    x = np.arange(wide) / height
    waves = [(rng.uniform(0.7, 1.4) * k, rng.uniform(0, 6.28), 1 / k**1.1) for k in (1.9, 3.7, 6.5, 12.3)]
    shape: Floats = np.sum([size * np.sin(rate * x * 2 + phase) for rate, phase, size in waves], axis=0)
    scaled: Floats = shape * height * (0.13 - 0.04 * near)
    return scaled


def _hill(ridge: Floats, tone: Floats, haze: Floats, tall: int, depth: float) -> Layer:
    """A hill with a lit rim and mist at its foot: its colour is a function of the depth below the ridge."""
    below = np.arange(tall) / tall
    rim = 0.35 * np.exp(-below / 0.012)
    mist = 0.3 * np.clip(below / 0.5, 0, 1)
    ramp = yuv(_mix(tone, haze, np.maximum(rim, mist)[:, None])[None].repeat(2, 0), step=1)
    deep = np.arange(tall)[:, None] - np.round(ridge).astype(np.intp)
    near = np.clip(deep, 0, tall - 1)
    half = near[::2, ::2]
    mask = deep >= 0
    y, u, v = ramp[0][0][near], ramp[1][0][half], ramp[2][0][half]
    return Layer(y, u, v, mask, mask[1::2, ::2], int(ridge.min()), depth)


def _photo(image: bytes, width: int, height: int) -> list[Layer]:
    """The start frame of an image-to-video request, a little larger than the frame so that it can move."""
    wide, tall = _even(width * 1.3), _even(height * 1.3)
    with Image.open(io.BytesIO(image)) as opened:
        fitted = ImageOps.fit(opened.convert("RGB"), (wide, tall))
    return [_layer(np.asarray(fitted, np.float32), 1.0)]


def _layer(rgb: Floats, depth: float) -> Layer:
    return Layer(*yuv(rgb), None, None, 0, depth)


def yuv(rgb: Floats, step: int = 2) -> tuple[Plane, Plane, Plane]:
    """BT.601 limited range, chroma of every *step*-th pixel; the picture is soft enough for that."""
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    r, g, b = (part[::step, ::step] for part in (r, g, b))
    u, v = (128 - 0.148 * r - 0.291 * g + 0.439 * b, 128 + 0.439 * r - 0.368 * g - 0.071 * b)
    return y.astype(np.uint8), u.astype(np.uint8), v.astype(np.uint8)


def _comet(radius: int) -> Plane:
    """A bright soft dot: its path across the sky is the clip's time."""
    side = np.arange(-2 * radius, 2 * radius)
    distance = np.hypot(side, side[:, None]) / radius
    light: Plane = (235 * np.clip(np.exp(-((distance / 0.75) ** 2)) * 1.25, 0, 1)).astype(np.uint8)
    return light


def _cross(comet: Plane, share: float, planes: tuple[Plane, Plane, Plane]) -> None:
    height, width = planes[0].shape
    side = comet.shape[0]
    x = round(share * (width - side))
    y = round(height * (0.36 - 0.16 * math.sin(math.pi * share)) - side / 2)
    spot = planes[0][y : y + side, x : x + side]
    np.maximum(spot, comet, out=spot)


def _hex(code: str, shift: float) -> Floats:
    """A palette colour, its hue turned by *shift* of a circle."""
    red, green, blue = (int(code[place : place + 2], 16) / 255 for place in (0, 2, 4))
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    return np.array(colorsys.hsv_to_rgb((hue + shift) % 1, saturation, value), np.float32) * 255


def _mix(a: Floats, b: Floats, share: float | Floats) -> Floats:
    mixed: Floats = a * (1 - share) + b * share
    return mixed


def _even(length: float) -> int:
    return round(length / 2) * 2
