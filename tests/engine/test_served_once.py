"""One point, one purchase: crossing starts, retries, cancellations and refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from labs import CHEAP, Open, in_state, ledger, start, sweep, until

import kling_nb as kn
from kling_nb.errors import KlingError


def test_a_cancelled_attempt_hides_no_saved_one(simulated: Open) -> None:
    """Buying afresh and cancelling that leaves what was saved before to serve its points."""
    lab = simulated()
    points = sweep("fox", "boat")
    start(lab, points, name="a").wait()
    start(lab, points, name="a", fresh=True).cancel()
    bought = len(ledger(lab))
    assert {"saved"} == set(start(lab, points, name="a").wait().df["state"])
    assert bought == len(ledger(lab))


def test_a_refused_attempt_hides_no_saved_one(simulated: Open) -> None:
    """Refusing a point under ``strict=True`` does not make a plain start buy it again."""
    lab = simulated()
    points = kn.Sweep(prompt=["fox", "boat"], **{**CHEAP, "cfg_scale": 0.4})
    start(lab, points, name="a").wait()
    mixed = kn.Sweep(prompt=["fox", "hare"], **CHEAP, cfg_scale=[None, 0.4])
    start(lab, mixed, name="a", strict=True).wait()
    bought = len(ledger(lab))
    start(lab, points, name="a").wait()
    assert bought == len(ledger(lab))


def test_two_starts_at_once_buy_once(simulated: Open) -> None:
    """Starts from several threads take turns: each sees what the one before planned."""
    lab = simulated()
    points = sweep("fox", "boat", "hare")
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda name: start(lab, points, name=name), "abcd"))
    for run in runs:
        assert {"saved"} == set(run.wait().df["state"])
    assert 3 == len(ledger(lab))


def test_two_retries_at_once_buy_once(simulated: Open) -> None:
    """A double click on a retry makes one new attempt a point, and nothing that a later start would buy."""
    lab = simulated()
    run = start(lab, sweep("fox #sim:moderation:1"), name="a").wait()
    assert ["failed"] == list(run.df["state"])
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: run.retry(), range(2)))
    run.wait()
    start(lab, sweep("fox #sim:moderation:1"), name="a").wait()
    assert 1 == len(ledger(lab))


def test_a_single_clip_wakes_no_older_one(simulated: Open) -> None:
    """``generate`` buys what it is asked for, and not what an earlier call could not send."""
    lab = simulated()
    with pytest.raises(KlingError, match="not sent"):
        lab.generate("fox #sim:funds:1", **CHEAP)
    lab.generate("boat", **CHEAP)
    assert ["boat"] == [task.request["prompt"] for task in lab.run("generate").tasks if task.state == "saved"]
    assert 1 == len(ledger(lab))


def test_stalled_tasks_leave_room_for_others(simulated: Open) -> None:
    """A run with more stalled tasks than slots comes to rest, and says what the provider says: that it is full."""
    lab = simulated()
    run = start(lab, sweep(*(f"fox {n} #sim:stall" for n in range(5)), "boat", "hare"), name="a").wait(60)
    assert not run.is_moving
    assert ["planned"] * 2 + ["stalled"] * 5 == sorted(run.df["state"])
    assert "full" in str(run.held)


def test_what_a_point_shares_can_be_generated(simulated: Open) -> None:
    """A clip that another point's task serves is returned for the request that shares it."""
    lab = simulated()
    start(lab, kn.Sweep(prompt="fox", **CHEAP, sound=["off", None]), name="a").wait()
    bought = len(ledger(lab))
    assert "saved" == lab.generate("fox", **CHEAP).state
    assert "saved" == lab.generate("fox", **CHEAP, sound="off").state
    assert bought == len(ledger(lab))


STRICTER = """
[model.kling-v2-5-turbo]
duration = [10]
"""


def test_a_newer_catalogue_hides_nothing_bought_and_buys_nothing_it_refuses(simulated: Open, tmp_path: Path) -> None:
    """What was saved serves its point though the point would be refused by now; what was only planned is not sent."""
    newer = tmp_path / "newer.toml"
    newer.write_text(STRICTER, "utf-8")
    what = sweep(*(f"fox {n}" for n in range(8)), duration=[5, 10])
    lab = simulated(speed=60)
    run = start(lab, what, name="a")
    until(run, in_state("queued", 5))
    run.pause()
    lab.close()
    short = [task for task in run.tasks if task.state == "planned" and task.request["duration"] == 5]
    lab = simulated(catalog=newer)

    run = lab.run("a").resume().wait()

    assert {"saved": 16 - len(short), "refused": len(short)} == run.snapshot().counts
    (reason,) = {task.reason for task in run.tasks if task.state == "refused"}
    assert "not sent, the catalogue refuses it by now: duration=5: expected 10" in reason
    again = lab.plan(what)
    kept = [point for point in again if point.request.duration == 5 and point.reuse]
    assert {"saved before"} == {point.fate for point in kept}
    assert 8 - len(short) == len(kept) > 0
    assert all("duration" in [problem.field for problem in point.warnings] for point in kept)
    assert run.df["clip"].dropna().tolist() == start(lab, what, name="a").wait().df["clip"].dropna().tolist()
    assert 16 - len(short) == len(ledger(lab))
