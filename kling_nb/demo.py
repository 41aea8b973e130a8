"""The sweep of ``kling-nb demo``: every provider, several models and modes, some points refused and some that fail."""

from __future__ import annotations

from .sweep import Sweep

FORBIDDEN = "a crowd storms a palace #sim:risk-control"
"""The simulator reads what follows ``#sim:`` as an order: here its content filter says no."""

PROVIDERS = ["kling", "fal", "quickrouter", "relay", "openroute", "quickrouter-fal", "chanjing"]
PROMPTS = ["a red fox runs through deep snow, tracking shot", "a paper boat sails in heavy rain, macro"]


def sweep() -> Sweep:
    """Return the demo's sweep: 37 points at seven providers, of which four are refused and three fail.

    fal and its relay sell no standard mode of 2.5 Turbo for text; the content filter is met at three providers.
    """
    return Sweep(
        prompt=[*PROMPTS, FORBIDDEN],
        model=["kling-v2-5-turbo", "kling-v1-6"],
        mode=["std", "pro"],
        provider=PROVIDERS,
        duration=5,
        exclude=[
            {"model": "kling-v1-6", "provider": ["quickrouter", "relay", "quickrouter-fal", "chanjing"]},
            {"model": "kling-v1-6", "mode": "pro"},
            {"prompt": FORBIDDEN, "model": "kling-v1-6"},
            {"prompt": FORBIDDEN, "mode": "std"},
            {"prompt": FORBIDDEN, "provider": ["fal", "quickrouter", "quickrouter-fal", "chanjing"]},
        ],
    )
