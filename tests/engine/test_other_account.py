"""What was submitted with one key at one address, and is looked for with another key, or at another address."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from labs import ScaledClock, in_state, start, sweep, until

import kling_nb as kn
from kling_nb.keys import base_url_variable, key_variable
from kling_nb.secret import Secret
from kling_nb.simulator import API_KEY, Fault, Simulator, running

MODELS = {
    "legacy": {"model": "kling-v2-5-turbo", "mode": "std"},
    "path": {"model": "kling-3.0-turbo", "mode": None},
}
"""A model of each generation. Both take the API key, alone or beside the pair: as keys those are two."""


@contextmanager
def played(speed: float, *faults: Fault, port: int = 0, key: str = "") -> Iterator[tuple[Simulator, int]]:
    """Play Kling on a port, with nothing bought there yet, and its address and a key in the environment."""
    simulator = Simulator(None, now=ScaledClock(speed), token_now=time.time, faults=faults)
    try:
        with running(simulator, port) as base, pytest.MonkeyPatch.context() as environment:
            environment.setenv(base_url_variable("kling"), base + simulator.path("kling"))
            environment.setenv(key_variable("kling"), key or simulator.key("kling"))
            environment.setenv("KLING_NB_SPEED", str(speed))
            yield simulator, int(base.rpartition(":")[2])
    finally:
        simulator.close()


def doubtful(folder: Path, what: kn.Sweep) -> int:
    """Submit something whose answer is lost, close the lab while that is in doubt, and return the port."""
    with played(20, Fault(action="lost")) as (simulator, port), kn.Lab(folder) as lab:
        until(start(lab, what, name="a"), in_state("uncertain"))
        assert 1 == len(simulator.ledger())
    return port


@pytest.mark.parametrize("other", ["key", "address"])
@pytest.mark.parametrize("kind", MODELS)
def test_its_absence_elsewhere_proves_nothing(tmp_path: Path, other: str, kind: str) -> None:
    """Looked up with another key, or at another address, it stays in doubt and says why; it is not bought again."""
    what = sweep("fox", **MODELS[kind])
    port = doubtful(tmp_path / "live", what)
    where: dict[str, Any] = {"port": port, "key": API_KEY} if other == "key" else {}
    with played(1000, **where) as (simulator, _), kn.Lab(tmp_path / "live") as lab:
        (task,) = start(lab, what, name="a").wait(60).tasks
        assert ("uncertain", []) == (task.state, simulator.ledger())
        assert "submitted with another key than kling has now, or at another address" in task.reason
        assert f"(http://127.0.0.1:{port}/kling)" in task.reason


def test_with_its_own_key_its_absence_counts(tmp_path: Path) -> None:
    """Opened again with the same key at the same address, what never arrived is bought by a new attempt."""
    what = sweep("fox")
    port = doubtful(tmp_path / "live", what)
    with played(1000, port=port) as (simulator, _), kn.Lab(tmp_path / "live") as lab:  # it has forgotten everything
        (task,) = start(lab, what, name="a").wait(60).tasks
        assert ("saved", 2, 1) == (task.state, task.attempt, len(simulator.ledger()))


def test_what_a_provider_does_not_know_is_not_called_under_way(tmp_path: Path) -> None:
    """An accepted task of which the provider says nothing stalls with the question whose key that is."""
    what = sweep("fox")
    with played(20, Fault(action="stall", seconds=1200)) as (_, port), kn.Lab(tmp_path / "live") as lab:
        until(start(lab, what, name="a"), in_state("queued"))
    with played(2000, port=port), kn.Lab(tmp_path / "live") as lab:
        run = start(lab, what, name="a").wait(60)
        (task,) = run.tasks
        assert "stalled" == task.state
        assert "is this the key it was bought with?" in task.reason


def test_a_provider_that_says_no_about_every_task_is_quoted(tmp_path: Path) -> None:
    """Where none of several tasks may be asked about, each says the provider's words, and not that it said nothing."""
    body = json.dumps({"code": 1103, "message": "No permission for the resource"})
    refuse = (Fault(action="http", operation=name, status=403, body=body, times=None) for name in ("list", "status"))
    with played(2000, *refuse), kn.Lab(tmp_path / "live") as lab:
        run = start(lab, sweep("fox", "owl"), name="a").wait(60)
        assert {"stalled": 2} == run.snapshot().counts
        for task in run.tasks:
            assert "the last time: kling (parameters): No permission for the resource" in task.reason


def test_a_key_leaves_a_mark_that_gives_nothing_away() -> None:
    """The mark is the same for the same key, another for another key or lab, and six digits long."""
    marks = [Secret(key, "here").mark(lab) for key in ("access:secret", "access:other") for lab in ("a", "b")]
    assert (4, {6}) == (len(set(marks)), {len(mark) for mark in marks})
    assert marks[0] == Secret(" access:secret\n", "there").mark("a")
