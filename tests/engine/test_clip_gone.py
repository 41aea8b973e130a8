"""A clip that was paid for and saved, and whose file a person deleted or moved away."""

from __future__ import annotations

from typing import Any

import pytest
from labs import CHEAP, Open, ledger, start, sweep, until_later

import kling_nb as kn
from kling_nb.states import TaskState

LINK_S = 31 * 86_400.0  # by then every link of Kling's has run out


def saved_and_deleted(lab: kn.Lab) -> bytes:
    """Buy a clip, delete its file, and return what was in it."""
    (task,) = start(lab, sweep("fox"), name="a").wait().tasks
    return deleted(lab, task)


def deleted(lab: kn.Lab, task: Any) -> bytes:
    """Delete a task's file and return what was in it."""
    path = lab.folder / task.clip.path
    content = path.read_bytes()
    path.unlink()
    return content


def test_the_plan_says_that_a_clip_is_gone(simulated: Open) -> None:
    """What was saved and is not there any more is not bought again, and the plan tells it."""
    lab = simulated()
    saved_and_deleted(lab)
    plan = lab.plan(sweep("fox"))
    assert ["saved before, its file is gone"] == list(plan.df()["fate"])
    assert "1 whose file is gone (starting fetches it again, for free)" in plan.summary()
    assert not plan.buys


def test_starting_again_fetches_it_for_nothing(simulated: Open, caplog: pytest.LogCaptureFixture) -> None:
    """The same cell brings the same file back to the same place, says so, and buys nothing."""
    lab = simulated()
    content = saved_and_deleted(lab)
    (task,) = start(lab, sweep("fox"), name="a").wait().tasks
    assert (TaskState.SAVED, content) == (task.state, (lab.folder / task.clip.path).read_bytes())
    assert ["gone", "saved"] == list(lab.log.events(task.id)["kind"])[-2:]
    assert (1, task.price) == (len(ledger(lab)), task.spent)
    assert "run 'a': 1 gone from clips/; fetched again, which costs nothing" in caplog.text


def test_a_clip_that_no_link_leads_to_any_more_is_expired(simulated: Open) -> None:
    """Long after, the provider is asked for the link again; where that is dead too the task says so, for nothing."""
    lab = simulated()
    saved_and_deleted(lab)
    until_later(lab, LINK_S)
    (task,) = lab.run("a").resume().wait().tasks
    assert ["gone", "renewed", "expired"] == list(lab.log.events(task.id)["kind"])[-3:]
    assert "the link no longer works" in task.reason
    assert 1 == len(ledger(lab))


def test_a_file_that_is_back_is_not_fetched(simulated: Open) -> None:
    """Put back by a person before it could be fetched, the file counts as saved."""
    lab = simulated()
    content = saved_and_deleted(lab)
    (task,) = lab.run("a").tasks
    lab._opened.driving().record(task.id, "gone", reason="so", cause="gone")
    (lab.folder / task.clip.path).write_bytes(content)
    (after,) = lab.run("a").resume().wait().tasks
    assert (TaskState.SAVED, task.clip) == (after.state, after.clip)


def test_a_single_clip_comes_back_too(simulated: Open) -> None:
    """The same `generate` fetches its clip again and returns it."""
    lab = simulated()
    lab.generate("fox", **CHEAP)
    (task,) = lab.run("generate").tasks
    content = deleted(lab, task)
    lab.generate("fox", **CHEAP)
    assert content == (lab.folder / task.clip.path).read_bytes()
    assert 1 == len(ledger(lab))
