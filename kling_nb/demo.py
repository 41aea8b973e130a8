"""The sweep of ``kling-nb demo``: both providers, several models and modes, one point refused and one that fails."""

from __future__ import annotations

from .sweep import Sweep

PROMPTS = (
    "a red fox runs through {weather}, tracking shot",
    "a paper boat sails down a gutter in {weather}, macro",
)


def sweep() -> Sweep:
    """Return the demo's sweep: 32 points, of which some are refused (fal sells no std mode of 2.6)."""
    return Sweep(
        prompt=list(PROMPTS),
        weather=["deep snow", "heavy rain"],
        model=["kling-v1-6", "kling-v2-6"],
        mode=["std", "pro"],
        provider=["kling", "fal"],
        duration=5,
        aspect_ratio="16:9",
        exclude=[{"provider": "fal", "weather": "heavy rain", "mode": "std"}],
    )
