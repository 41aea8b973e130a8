"""Answers to a submit that contradict what they hold: an id under a no, a no of what was bought before."""

from __future__ import annotations

from pathlib import Path

import pytest
from labs import live_lab, start, sweep

from kling_nb.simulator import Fault

AT = ("kling", "fal", "quickrouter", "openroute", "chanjing")


@pytest.mark.parametrize("status", [429, 403, 400])
@pytest.mark.parametrize("provider", AT)
def test_an_acceptance_under_the_status_of_a_refusal_is_followed(tmp_path: Path, provider: str, status: int) -> None:
    """Where a gateway puts a 4xx over an accepted submit, the id in it is followed, and nothing is sent again."""
    with live_lab(tmp_path / "lab", Fault(action="restated", operation="submit", status=status)) as live:
        run = start(live.lab, sweep("fox", provider=provider), name="a", assume_price=1).wait(20)
        assert ({"saved": 1}, None) == (run.snapshot().counts, run.held)
        assert 1 == len(live.simulator.ledger())
