"""What a simulated clip costs: milliseconds of CPU over 20 clips of each kind, and the bytes of the last.

python -m benchmarks.clips
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from kling_nb.simulator import clips
from kling_nb.simulator.clips import Scene

from .table import Row, shown

COUNT = 20
TARGET_MS = 60.0
KINDS: dict[str, dict[str, object]] = {
    "std 5 s": {},
    "std 5 s 9:16": {"ratio": "9:16"},
    "pro 5 s": {"mode": "pro"},
    "pro 5 s, sound": {"mode": "pro", "sound": True},
    "std 5 s, horizontal": {"camera": "horizontal", "amount": 6.0},
    "std 5 s, zoom": {"camera": "zoom", "amount": 6.0},
    "std 5 s, roll": {"camera": "roll", "amount": 6.0},
    "std 5 s, forward_up": {"camera": "forward_up", "amount": 5.0},
    "std 10 s": {"seconds": 10},
    "pro 10 s": {"seconds": 10, "mode": "pro"},
}


def scenes(kind: dict[str, object]) -> Iterator[Scene]:
    """Scenes of one kind, each with a prompt and a seed of its own."""
    for number in range(COUNT):
        plain: dict[str, object] = {
            "provider": "kling",
            "model": "kling-v2-6",
            "mode": "std",
            "prompt": f"a red fox runs through snow, take {number}",
            "seconds": 5,
            "ratio": "16:9",
        }
        yield Scene(**{**plain, **kind, "seed": number * 7919})  # type: ignore[arg-type]


def rows() -> Iterator[Row]:
    """Measure every kind."""
    clips.render(next(scenes({})), None, "small")
    for name, kind in KINDS.items():
        begun = time.process_time()
        size = [len(clips.render(scene, None, "small")) for scene in scenes({**kind, "take": 2})][-1]
        each_ms = (time.process_time() - begun) / COUNT * 1000
        yield Row(name, each_ms, TARGET_MS, f"a file of {size / 1000:.1f} kB")


def main() -> int:
    """Print the table; return how many targets were missed."""
    return shown("simulated clips: ms of CPU time, in place of a ratio", rows())


if __name__ == "__main__":
    sys.exit(min(1, main()))
