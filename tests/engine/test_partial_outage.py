"""A provider of which only a part is down: what can be asked about is fetched, whatever the rest answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from labs import live_lab, start, sweep

from kling_nb.dialects.sparing import FAILURES_MOST
from kling_nb.simulator import Fault

DOWN: dict[str, Any] = {
    "action": "http", "operation": "status", "status": 500, "body": '{"code": 5000, "message": "out"}', "times": None,
}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {"kling": {}, "chanjing": {"assume_price": "official"}}


def unlisted(prompt: str) -> list[Fault]:
    """Leave the tasks of a prompt out of every list, and have the query of each alone fail."""
    return [Fault(action="missing", operation="list", prompt=prompt, times=None), Fault(**DOWN, prompt=prompt)]


@pytest.mark.parametrize("provider", SETTINGS)
def test_a_task_that_cannot_be_asked_about_hides_no_other(tmp_path: Path, provider: str) -> None:
    """A list lacks one task, whose own query answers 500: the others are fetched, and it alone stalls."""
    with live_lab(tmp_path / "lab", *unlisted("owl"), speed=400) as live:
        run = start(live.lab, sweep("fox", "owl", "hen", provider=provider), **SETTINGS[provider]).wait(40)
        assert list(run.df["state"]) == ["saved", "stalled", "saved"]
        assert "out" in run.df["reason"][1]
        assert len(live.simulator.ledger()) == 3


def test_several_that_cannot_be_asked_about_hide_none_behind_them(tmp_path: Path) -> None:
    """As many fail singly as end asking singly, each time: those behind them are asked about all the same, and fetched."""
    owls = [f"owl {number}" for number in range(FAILURES_MOST)]
    unseen = Fault(action="missing", operation="list", prompt="fox", times=None)
    with live_lab(tmp_path / "lab", unseen, *(fault for owl in owls for fault in unlisted(owl)), speed=400) as live:
        run = start(live.lab, sweep(*owls, "fox", "hen")).wait(40)
        assert list(run.df["state"]) == [*["stalled"] * FAILURES_MOST, "saved", "saved"]


def test_tasks_of_another_kind_are_fetched_meanwhile(tmp_path: Path) -> None:
    """None of Kling's text tasks can be asked about, by list or singly: its other generation's are fetched."""
    with live_lab(tmp_path / "lab", *unlisted("an owl"), *unlisted("a hen"), speed=400) as live:
        old = sweep("an owl in snow", "a hen in snow")
        runs = [start(live.lab, old), start(live.lab, sweep("a fox", "a cat", model="kling-2.6"))]
        assert [set(run.wait(40).df["state"]) for run in runs] == [{"stalled"}, {"saved"}]
        assert len(live.simulator.ledger()) == 4
