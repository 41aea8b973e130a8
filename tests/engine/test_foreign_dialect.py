"""A dialect of another package that errs: what was bought is still followed and fetched."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from labs import ledger, start, sweep

import kling_nb as kn
from kling_nb.dialect import Call, Phase, Reply, Status
from kling_nb.dialects.kling import Kling
from kling_nb.task import Ticket


class Hasty(Kling):
    """Calls a task done once before it has a link to the clip, as an answer without one may be read."""

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        """Leave the link out of the first answer that has one."""
        learnt = yield from super().check(tickets)
        self.told = getattr(self, "told", set[str]())
        fresh = {name for name, status in learnt.items() if status.phase is Phase.DONE} - self.told
        self.told |= fresh
        return {name: replace(status, asset=None) if name in fresh else status for name, status in learnt.items()}


def test_a_task_that_is_done_without_a_link_is_asked_about_again(tmp_path: Path) -> None:
    """A task is over when its clip can be fetched: one that is called done before is watched on, and saved."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Hasty(provider)
        run = start(lab, sweep("fox", "boat")).wait(timeout=20)
        assert ["saved", "saved"] == [task.state for task in run.tasks]
        assert 2 == len(ledger(lab))
