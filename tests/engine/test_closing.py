"""Closing in the middle of a purchase: an answer that has arrived is kept."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from labs import live_lab, start, sweep, until
from strict_socket import Seen, StrictSocket, answer

import kling_nb as kn
from kling_nb.engine.book import Book
from kling_nb.engine.loop import Clock
from kling_nb.log import ExperimentLog
from kling_nb.simulator import Simulator
from kling_nb.task import Task
from kling_nb.views.standing import standing

ACCEPTED = answer(json.dumps({"code": 0, "data": {"task_id": "871", "task_status": "submitted"}}).encode())
REFUSED = answer(json.dumps({"code": 1301, "message": "content policy"}).encode(), "400 Bad Request")
TASK = Task(id="kn-1", identity="i", provider="kling", model="m", run="a", estimate_high=Decimal(1))


class Moment:
    """An answer that arrives while the engine's thread is busy, so that it is there, but not read, at the closing."""

    def __init__(self, said: bytes) -> None:
        self.said = said
        self.asked, self.busy, self.sent, self.over = (threading.Event() for _ in range(4))

    def script(self, _: Seen) -> Iterator[bytes]:
        """Answer when the engine's thread stands still."""
        self.asked.set()
        self.busy.wait(10)
        yield self.said
        self.sent.set()

    async def stand_still(self) -> None:
        """Keep the engine's thread from reading until told."""
        self.busy.set()
        self.over.wait(10)

    def close(self, lab: kn.Lab) -> None:
        """Close a lab whose submit was asked, when its answer is there."""
        engine = lab._opened.engine
        assert self.asked.wait(10)
        engine._loop.start(self.stand_still)
        assert self.sent.wait(10)
        closing = threading.Thread(target=lab.close)
        closing.start()
        while not engine.closed:
            pass
        self.over.set()
        closing.join(10)


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], tuple[kn.Lab, int]]:
    """Start two points at a provider that takes one at a time, close when its answer is there; count the submits."""
    providers = tmp_path / "providers.toml"
    providers.write_text("[provider.kling]\nslots = 1\n")

    def close(said: bytes) -> tuple[kn.Lab, int]:
        moment = Moment(said)
        with StrictSocket.running(moment.script) as provider, live_lab(tmp_path / "live") as live:  # type: ignore[arg-type]
            monkeypatch.setenv("KLING_NB_KLING_BASE_URL", provider.url)
            live.lab.close()
            lab = kn.Lab(live.lab.folder, providers=providers)
            start(lab, sweep("fox", "boat"))
            moment.close(lab)
        return lab, len(provider.seen)

    return close


def test_an_answer_that_has_arrived_is_written(closed: Callable[[bytes], tuple[kn.Lab, int]]) -> None:
    """A lab that is closed when the answer to a submit is there, but not read yet, has bought the task and knows it."""
    lab, _ = closed(ACCEPTED)
    assert ["queued", "planned"] == list(lab.df()["state"])
    assert "871" == lab.df()["remote_id"][0]


def test_nothing_is_submitted_by_closing(closed: Callable[[bytes], tuple[kn.Lab, int]]) -> None:
    """What waits for a slot is not sent in the last moment, although the answer that is there makes room for it."""
    lab, submits = closed(REFUSED)
    assert (["failed", "planned"], 1) == (list(lab.df()["state"]), submits)


async def cut_off(book: Book) -> None:
    """Record something, and be cancelled before the commit that it waits for."""
    await book.plan([TASK])
    await book.record("kn-1", "intent")
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: book.record("kn-1", "accepted", id="871", data={}))
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()


def test_a_commit_that_is_cut_off_is_made(tmp_path: Path) -> None:
    """What was recorded is on disk although the one who waited for its commit was cancelled."""
    log = ExperimentLog(tmp_path, simulated=False, write=True)
    anyio.run(cut_off, Book(log, Clock()))
    try:
        assert {"queued": 1} == log.counts()
    finally:
        log.close()


def test_closing_goes_on_after_a_step_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What closing cannot do is raised when the rest is done: no thread and no connection is left, and it opens again."""
    close = Simulator.close

    def fail(simulator: Simulator) -> None:
        close(simulator)
        message = "its database is locked"
        raise RuntimeError(message)

    with monkeypatch.context() as patched:
        patched.setattr(Simulator, "close", fail)
        lab = kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf))
        engine = lab._opened.driving()
        with pytest.raises(RuntimeError, match="its database is locked"):
            lab.close()
    assert "kling_nb engine" not in {thread.name for thread in threading.enumerate()}
    assert not engine._log._writer.close.alive
    with kn.Lab(lab.folder, simulate=kn.Simulation(speed=math.inf)) as again:
        assert {"saved": 1} == start(again, sweep("fox")).wait().snapshot().counts


def test_nothing_moves_in_a_lab_that_was_closed(tmp_path: Path) -> None:
    """A paused run goes on until what was sent is fetched, and no longer than its lab is open: handle and panel agree."""
    lab = kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=1))
    run = start(lab, sweep("fox"))
    until(run, lambda tasks: all(task.state.is_sent for task in tasks))
    run.pause()
    assert (True, True, "paused, still fetching") == _moving(run)
    lab.close()
    assert (False, False, "paused") == _moving(run)


def test_the_table_of_runs_says_what_the_panel_says_of_a_closed_lab(tmp_path: Path) -> None:
    """Who looks through a lab that was closed sees a run that stopped, in its panel and in ``lab.runs()`` alike."""
    lab = kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=1))
    run = start(lab, sweep("fox"))
    until(run, lambda tasks: all(task.state.is_sent for task in tasks))
    assert "running" == lab.runs()["state"].item() == standing(run.snapshot()).stage
    lab.close()
    assert "stopped" == lab.runs()["state"].item() == standing(run.snapshot()).stage


def _moving(run: kn.Run) -> tuple[bool, bool, str]:
    stands = run.snapshot()
    assert standing(stands).moving == stands.is_moving
    return run.is_moving, stands.is_moving, standing(stands).stage


def test_a_lab_that_is_opened_while_it_is_closed_is_driven(tmp_path: Path) -> None:
    """Whoever opens a folder that another thread is closing waits until that is done, and does not find it driven."""
    simulation = kn.Simulation(speed=math.inf)
    lab, moment = kn.Lab(tmp_path / "lab", simulate=simulation), Moment(b"")
    lab._opened.engine._loop.start(moment.stand_still)
    assert moment.busy.wait(10)
    closing = threading.Thread(target=lab.close)
    closing.start()
    while not lab._opened.closed:
        pass
    again: list[kn.Lab] = []
    opening = threading.Thread(target=lambda: again.append(kn.Lab(tmp_path / "lab", simulate=simulation)))
    opening.start()
    opening.join(0.3)
    moment.over.set()
    closing.join(10)
    opening.join(10)
    with again[0] as opened:
        assert opened._opened.drives
