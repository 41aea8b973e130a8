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

from kling_nb.simulator.card import Card, comet_of, cross
from kling_nb.simulator.clips import Scene

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
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
_ROLL = math.radians(22)
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


def frames(scene: Scene, image: bytes | None, planes: Planes) -> Iterator[int]:
    """Draw one frame after the other into *planes*; yields the number of each when it is there.

    The world, and it behind the still part of the card, are drawn again only where the camera has moved: without a
    camera move it drifts slowly, and most frames show it as it was.
    """
    height, width = planes[0].shape
    layers = _photo(image, width, height) if image else _landscape(scene, width, height)
    card, comet = Card(scene, width, height), comet_of(max(3, height // 36))
    world, behind, seen, lens = _like(planes), _like(planes), None, None
    for number in range(scene.frames):
        share = number / (scene.frames - 1)
        view = _view(scene, share, max(width, height) / min(width, height))
        spots = [_spot(layer, view, width, height) for layer in layers]
        if spots != seen:
            _lay_all(layers, spots, world)
        if spots != seen or (view.zoom, view.roll) != lens:
            _warp(view, world, behind)
            card.lay(behind)
        seen, lens = spots, (view.zoom, view.roll)
        for plane, old in zip(planes, behind, strict=True):
            plane[:] = old
        cross(comet, share, planes)
        card.tell(planes, share, number / scene.fps)
        yield number


def _like(planes: Planes) -> Planes:
    y, u, v = (np.empty(plane.shape, np.uint8) for plane in planes)
    return y, u, v


def _view(scene: Scene, share: float, long: float) -> View:
    axis, sign, dolly = _MOVES.get(scene.camera, (scene.camera, 1.0, 0.0))
    # Ease in and out, so that the move reads as a camera's and not as a scroll bar's.
    eased = share * share * (3 - 2 * share)
    way = eased * sign * scene.amount / 10 * (1 if scene.camera not in _MOVES else 1.6)
    drift = 0.0 if scene.camera else 0.1 * share
    # Kling's zoom widens the view where it is above 0, so that things shrink; a dolly forward lets them grow.
    growth = -0.55 * scene.amount / 10 if axis == "zoom" else 0.6 * dolly
    start = 1.0 if not growth else 1.12 if growth > 0 else 1.6
    return View(
        x=drift + (0.38 * way if axis == "horizontal" else 0.0),
        y=-0.3 * way if axis == "vertical" else 0.0,
        turn_x=0.38 * way if axis == "tilt" else 0.0,
        turn_y=-0.3 * way if axis == "pan" else 0.0,
        zoom=_cover(_ROLL * abs(scene.amount) / 10, long) if axis == "roll" else start + growth * eased,
        roll=_ROLL * way if axis == "roll" else 0.0,
    )


def _cover(roll: float, long: float) -> float:
    """The zoom at which a frame, *long* times as long as wide, shows no corner when turned by *roll*."""
    return math.cos(roll) + long * math.sin(roll)


def _spot(layer: Layer, view: View, width: int, height: int) -> tuple[int, int]:
    """Where the frame lies on a layer, in even px, so that chroma goes along."""
    spare_y, spare_x = layer.y.shape[0] - height, layer.y.shape[1] - width
    x = spare_x / 2 + (view.x * layer.depth + view.turn_x) * width
    y = spare_y / 2 + (view.y * layer.depth + view.turn_y) * height
    return min(max(0, round(x / 2) * 2), spare_x), min(max(0, round(y / 2) * 2), spare_y)


def _lay_all(layers: list[Layer], spots: list[tuple[int, int]], planes: Planes) -> None:
    for layer, (x, y) in zip(layers, spots, strict=True):
        _lay(layer, x, y, planes)


def _lay(layer: Layer, x: int, y: int, planes: Planes) -> None:
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


def _warp(view: View, world: Planes, planes: Planes) -> None:
    """Show the world zoomed and rolled about the centre, by nearest neighbour."""
    for source, plane in zip(world, planes, strict=True):
        if view.roll:
            plane[:] = _rolled(view, source)
        elif view.zoom != 1.0:
            rows, columns = (_near(length, view.zoom) for length in plane.shape)
            plane[:] = source.take(rows, 0).take(columns, 1)
        else:
            plane[:] = source


def _near(length: int, zoom: float) -> NDArray[np.intp]:
    near: NDArray[np.intp] = ((np.arange(length) + 0.5 - length / 2) / zoom + length / 2).astype(np.intp)
    return near


def _rolled(view: View, source: Plane) -> Plane:
    height, width = source.shape
    cos, sin = math.cos(view.roll) / view.zoom, math.sin(view.roll) / view.zoom
    x, y = width / 2 * (1 - cos) - height / 2 * sin, height / 2 * (1 - cos) + width / 2 * sin
    rolled = Image.fromarray(source).transform((width, height), Image.Transform.AFFINE, (cos, sin, x, -sin, cos, y))
    return np.asarray(rolled)


def _landscape(scene: Scene, width: int, height: int) -> list[Layer]:
    rng = np.random.default_rng(scene.seed)
    margin = _MARGIN if scene.camera else _STILL_MARGIN
    wide, tall = _even(width * (1 + 2 * margin)), _even(height * (1 + 2 * margin))
    palette = PALETTES[zlib.crc32(scene.prompt.encode()) % len(PALETTES)]
    shift = rng.uniform(-0.03, 0.03)
    top, horizon, far, near = (_hex(code, shift) for code in palette)
    layers = [_sky(rng, wide, tall, top, horizon)]
    for number, depth in enumerate(DEPTHS):
        share = number / (len(DEPTHS) - 1)
        ridge = _ridge(rng, wide, height, share) + tall * (0.46 + 0.13 * number)
        layers.append(_hill(ridge, _mix(far, near, share), horizon, tall, depth))
    return layers


def _sky(rng: np.random.Generator, wide: int, tall: int, top: Floats, horizon: Floats) -> Layer:
    """A gradient and the light of a sun, mixed in Y, U and V; the sky is soft enough for half the chroma."""
    down = np.clip(np.linspace(-0.3, 1.5, tall, dtype=np.float32), 0, 1)[:, None]
    light = _light(rng, wide, tall)
    tones = zip(*(_tone(colour) for colour in (top, horizon, np.array([255, 246, 226], np.float32))), strict=True)
    planes = []
    for step, (high, low, warm) in zip((1, 2, 2), tones, strict=True):
        base, glow = high + (low - high) * down[::step], light[::step, ::step]
        planes.append((base + (warm - base) * glow).astype(np.uint8))
    return Layer(planes[0], planes[1], planes[2], None, None, 0, 0.08)


def _light(rng: np.random.Generator, wide: int, tall: int) -> Floats:
    x, y = rng.uniform(0.32, 0.68) * wide, rng.uniform(0.35, 0.45) * tall
    columns, rows = (np.arange(wide, dtype=np.float32) - x, np.arange(tall, dtype=np.float32)[:, None] - y)
    distance = np.sqrt(columns * columns + rows * rows) / min(tall, wide)
    disc = np.clip((rng.uniform(0.045, 0.07) - distance) * (tall / 1.5) + 0.5, 0, 1)
    light: Floats = np.maximum(disc, 0.5 * np.exp(distance * np.float32(-1 / 0.17)))
    return light


def _tone(rgb: Floats) -> tuple[float, float, float]:
    """One colour in BT.601 limited range."""
    r, g, b = (float(part) for part in rgb)
    y = 16 + 0.257 * r + 0.504 * g + 0.098 * b
    return y, 128 - 0.148 * r - 0.291 * g + 0.439 * b, 128 + 0.439 * r - 0.368 * g - 0.071 * b


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
