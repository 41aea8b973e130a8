"""The sweep of ``kling-nb demo``: both providers, several models and modes, one point refused and one that fails."""

from __future__ import annotations

from .sweep import Sweep

FORBIDDEN = "a crowd storms a palace #sim:risk-control"
"""The simulator reads what follows ``#sim:`` as an order: here its content filter says no."""

PROMPTS = (
    "a red fox runs through {weather}, tracking shot",
    "a paper boat sails down a gutter in {weather}, macro",
)


def sweep() -> Sweep:
    """Return the demo's sweep: 30 points, of which two are refused (fal sells no std mode of 2.6) and two fail."""
    return Sweep(
        prompt=[*PROMPTS, FORBIDDEN],
        weather=["deep snow", "heavy rain"],
        model=["kling-v1-6", "kling-v2-6"],
        mode=["std", "pro"],
        provider=["kling", "fal"],
        duration=5,
        aspect_ratio="16:9",
        exclude=[
            {"provider": "fal", "weather": "heavy rain", "mode": "std"},
            {"prompt": FORBIDDEN, "model": "kling-v1-6"},
            {"prompt": FORBIDDEN, "mode": "std"},
        ],
    )
