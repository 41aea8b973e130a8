"""How long a simulated task takes: log-normal around what people measured, drawn from seed and request.

The medians are seconds from submit to finished for a 5 s clip, derived from third-party measurements of
2025-2026; no provider publishes such figures.
"""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass

MEDIAN_S: dict[str, dict[str, float]] = {
    "v1": {"": 280},
    "v1-5": {"std": 200, "pro": 330},
    "v1-6": {"std": 200, "pro": 330},
    "v2-master": {"": 320},
    "v2-1-master": {"": 320},
    "v2-1": {"std": 70, "pro": 160},
    "v2-5-turbo": {"std": 60, "pro": 110},
    "v2-6": {"std": 90, "pro": 170},
    "o1": {"": 170},
    "v3": {"std": 60, "pro": 150, "4k": 300},
    "": {"": 170},
}
SIGMA = 0.35
TAIL_SHARE, TAIL_FACTOR = 0.02, 4.0
CONTENT_FAILURE_S = 1.65
"""A captured input check failed 1.65 s after create (QuantumNous/new-api#2532, 2025-12)."""


@dataclass(frozen=True)
class Latency:
    """Seconds spent waiting, then working."""

    queued_s: float
    running_s: float


def dice(*parts: object) -> random.Random:
    """A random generator that depends on *parts* and nothing else, in every process."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def median_s(family: str, mode: str, seconds: int, sound: bool) -> float:
    """Typical seconds to finish: x1.6 for 10 s (linear in between and beyond), x1.3 with audio."""
    table = MEDIAN_S.get(family, MEDIAN_S[""])
    median = table.get(mode) or table.get("") or table["std"]
    return median * (1 + 0.6 * (seconds - 5) / 5) * (1.3 if sound else 1.0)


def draw(rng: random.Random, median: float, longest_wait_s: float) -> Latency:
    """One task's latency: sigma 0.35, a 2 % tail four times as long, 2 s to *longest_wait_s* of waiting."""
    total = median * math.exp(SIGMA * rng.normalvariate(0, 1))
    total *= TAIL_FACTOR if rng.random() < TAIL_SHARE else 1.0
    queued = min(rng.uniform(2, longest_wait_s), 0.4 * total)
    return Latency(round(queued, 3), round(total - queued, 3))
