"""Real H.264 files that show what they were asked for, and the word SIMULATED.

Deterministic per version of PyAV: one thread, seeded drawing straight into the encoder's yuv420p frame.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]

FPS, OLD_FPS = 24, 30
OLD = frozenset({"kling-v1", "v1/standard", "v1/pro", "kling-v1-5", "v1.5/pro"})
"""Models of 30 frames a second, by each provider's names (the older capability map); later ones have 24 or tell none."""

RATES = {"std": (126, 720), "pro": (162, 1080), "4k": (198, 2160), "": (126, 720)}
"""Short side in px by mode: small, real.  "720P" and "1080P" are documented, the 1:1 frame is not."""

ONE_SIZE = {
    **dict.fromkeys(("kling-v1", "v1/standard", "v1/pro", "kling-v2-master", "v2/master"), "std"),
    **dict.fromkeys(("kling-v2-1-master", "v2.1/master", "tx_kling-v2-1-master"), "pro"),
}
"""Models whose frame is the same in every mode, and the mode that has this frame elsewhere (the older capability map)."""

SOUND_HZ, SOUND_BITS = 16_000, 24_000
"""Enough for a chord and a tick; at more the encoder takes longer than for the picture."""
X264 = {"preset": "ultrafast", "crf": "28", "g": "48"}
"""A key frame every two seconds, so that seeking stays quick."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a clip shows.

    *take* counts identical requests from 1.  *camera* is one of the six axes, or a named move; *amount* is in
    the provider's own -10..10.  *seconds* as asked; the file is one frame longer, as real ones are.
    """

    provider: str
    model: str
    mode: str
    prompt: str
    seconds: int
    ratio: str
    sound: bool = False
    camera: str = ""
    amount: float = 0.0
    take: int = 1
    seed: int = 0

    @classmethod
    def read(cls, text: str) -> Scene:
        """The scene that was stored as JSON."""
        return cls(**json.loads(text))

    @property
    def fps(self) -> int:
        """Frames a second, by model."""
        return OLD_FPS if self.model in OLD else FPS

    @property
    def frames(self) -> int:
        """Number of frames: 121 for 5 s at 24 a second."""
        return self.seconds * self.fps + 1


@lru_cache(maxsize=48)
def render(scene: Scene, image: bytes | None, size: str) -> bytes:
    """The MP4 of *scene*; *image* is the start frame of an image-to-video request."""
    # Imported late: painting needs Scene, and only a finished clip needs fonts.
    from kling_nb.simulator.painting import frames

    frame = av.VideoFrame(*frame_size(scene, size), "yuv420p")
    planes = [_view(plane) for plane in frame.planes]
    return _encoded(scene, frame, frames(scene, image, (planes[0], planes[1], planes[2])))


def _view(plane: Any) -> Plane:
    """The pixels of a plane as an array that writes through; its rows are padded."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def frame_size(scene: Scene, size: str) -> tuple[int, int]:
    """Width and height in px: the ratio as asked, the short side by model and mode."""
    short = RATES.get(ONE_SIZE.get(scene.model, scene.mode), RATES[""])[size == "real"]
    long, fuller = short * 16 // 18 * 2, short * 4 // 6 * 2
    sizes = {"16:9": (long, short), "9:16": (short, long), "4:3": (fuller, short), "3:4": (short, fuller)}
    return sizes.get(scene.ratio, (short, short))


def _encoded(scene: Scene, frame: av.VideoFrame, drawn: Iterator[int]) -> bytes:
    """The file of a frame that is drawn anew again and again: the encoder copies it at once."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    # Moving the index to the front needs a named file to read back from; a BytesIO fails at close.
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "clip.mp4"
        with av.open(path, "w", options={"movflags": "+faststart"}) as out:
            video = out.add_stream("libx264", rate=scene.fps, options=X264)
            video.width, video.height, video.pix_fmt = frame.width, frame.height, "yuv420p"
            video.codec_context.thread_count = 1
            options = {"aac_coder": "fast"}
            sound = out.add_stream("aac", rate=SOUND_HZ, layout="mono", options=options) if scene.sound else None
            if sound is not None:
                sound.bit_rate = SOUND_BITS
            for number in drawn:
                frame.pts = number
                out.mux(video.encode(frame))
            out.mux(video.encode())
            if sound is not None:
                for heard in _sound(scene):
                    out.mux(sound.encode(heard))
                out.mux(sound.encode())
        return path.read_bytes()


def _sound(scene: Scene) -> Iterator[av.AudioFrame]:
    """A soft chord with a tick at every full second, so that sync can be heard."""
    count = scene.frames * SOUND_HZ // scene.fps
    t = np.arange(count) / SOUND_HZ
    root = 110 * 2 ** (scene.seed % 12 / 12)
    chord = sum(np.sin(2 * math.pi * root * k * t) / k for k in (1, 1.5, 2)) * 0.06
    tick = np.sin(2 * math.pi * 880 * t) * np.exp(-60 * (t % 1)) * 0.3
    samples = ((chord + tick) * np.minimum(1, t * 8) * 32_000).astype(np.int16)
    for start in range(0, count, 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts = SOUND_HZ, start
        yield frame
