"""Small real MP4 files, and a lab folder that holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd

FPS = 24


def write_clip(path: Path, *, seconds: float = 2, shade: int = 60, size: tuple[int, int] = (160, 90)) -> None:
    """Write an H.264 clip whose frames grow lighter, so that each differs from the last."""
    width, height = size
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
        stream = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(round(seconds * FPS)):
            plane = np.full((height * 3 // 2, width), 128, np.uint8)
            plane[:height] = shade + number
            file.mux(stream.encode(av.VideoFrame.from_ndarray(plane, format="yuv420p")))
        file.mux(stream.encode())


@dataclass(frozen=True)
class LabFolder:
    """A folder with real clips, by name, and the table of the points they belong to."""

    path: Path
    seconds: Mapping[str, float]

    def frame(self, **columns: Any) -> pd.DataFrame:
        """Return one saved point for each clip, over two modes in turn; ``columns`` replaces or adds."""
        names = list(self.seconds)
        facts = {"state": "saved", "model": "kling-v2-6", "provider": "kling", "prompt": "a fox", "sample": 1}
        measured = {"width": 160, "height": 90, "fps": float(FPS), "seconds": list(self.seconds.values())}
        mode = [("std", "pro")[number % 2] for number in range(len(names))]
        clips = {"identity": names, "clip": [f"clips/{name}.mp4" for name in names], "mode": mode}
        return pd.DataFrame({**clips, **measured, **facts, **columns})


def make_lab(path: Path, **seconds: float) -> LabFolder:
    """Write a clip for each name, as long as it says."""
    for number, (name, length) in enumerate(seconds.items()):
        write_clip(path / f"clips/{name}.mp4", seconds=length, shade=40 + 20 * (number % 6))
    return LabFolder(path, seconds)
