"""A network that goes away: how long is it waited for, and what is said meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from labs import Live, agrees, listen, live_lab, start, sweep, until

from kling_nb.simulator import Fault
from kling_nb.task import Event, Task

POINTS = "abcdefghijklmnop"
AGAIN = "it is tried again automatically"


class Door:
    """A port that leads to another one while it is open; what went through goes on when it is shut."""

    def __init__(self, port: int) -> None:
        self._to, self.port = port, 0
        self._loop = asyncio.new_event_loop()

    async def open(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._through, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections."""
        self._server.close()

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(_pour(reader, on), _pour(back, writer))

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Open or shut, from any thread."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    @classmethod
    @contextmanager
    def to(cls, url: str) -> Iterator[Door]:
        """Stand before an address, open, until the block ends."""
        door = cls(urlsplit(url).port or 0)
        thread = threading.Thread(target=door._loop.run_forever, daemon=True)
        thread.start()
        door.do(door.open())
        try:
            yield door
        finally:
            door.do(door._end())
            door._loop.call_soon_threadsafe(door._loop.stop)
            thread.join(5)
            door._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(OSError):
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
    finally:
        writer.close()


@contextmanager
def behind_a_door(
    folder: Path, monkeypatch: pytest.MonkeyPatch, speed: float, *faults: Fault
) -> Iterator[tuple[Live, Door]]:
    """Open a live lab whose way to Kling is a door."""
    with live_lab(folder, *faults, speed=speed) as live, Door.to(live.base) as door:
        where = f"http://127.0.0.1:{door.port}{live.simulator.path('kling')}"
        monkeypatch.setenv("KLING_NB_KLING_BASE_URL", where)
        live.reopen()
        yield live, door
        live.lab.close()


def shuts_after_an_acceptance(live: Live, door: Door) -> list[str]:
    """Shut the door once, when the first submit was accepted; returns what has not got there, as it comes to be."""
    missed: list[str] = []
    shut: list[str] = []

    def heard(event: Event, task: Task) -> None:
        if event.kind == "accepted" and not shut:
            shut.append(task.id)
            door.do(door.shut())
        missed.extend([task.id] * (event.kind == "not_sent"))

    listen(live.lab, heard)
    return missed


def test_a_moment_without_a_network_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points that go out together and do not arrive are one try: each is tried again before the run is held."""
    with behind_a_door(tmp_path / "lab", monkeypatch, speed=30) as (live, door):
        door.do(door.shut())
        run = start(live.lab, sweep(*"abcde")).wait(30)
        assert "kling cannot be reached" in str(run.held)
        tries = live.lab.log.events().query("kind == 'not_sent'").groupby("task").size()
        assert (5, True) == (len(tries), bool((tries >= 3).all()))


def test_a_place_that_answered_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where submits arrived before, a network that goes is waited for and told; when it is back the sweep goes on."""
    with behind_a_door(tmp_path / "lab", monkeypatch, speed=300) as (live, door):
        missed = shuts_after_an_acceptance(live, door)
        run = start(live.lab, sweep(*POINTS))
        until(run, lambda _: len(missed) > 50 and any(AGAIN in words for words, _ in run.snapshot().causes))
        assert (run.held, run.snapshot().state) == (None, "running")
        door.do(door.open())
        assert {"saved": len(POINTS)} == run.wait(30).snapshot().counts
        assert () == run.snapshot().causes
        agrees(live)


def test_a_hold_at_one_provider_hides_no_lost_network_at_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fal's account is empty and Kling cannot be reached: both are told, and the time left is of what still comes."""
    empty = Fault(action="funds", provider="fal", times=None)
    with behind_a_door(tmp_path / "lab", monkeypatch, 300, empty) as (live, door):
        missed = shuts_after_an_acceptance(live, door)
        run = start(live.lab, sweep(*POINTS, provider=["kling", "fal"], mode="pro"))
        until(run, lambda _: len(missed) > 50 and any(AGAIN in words for words, _ in run.snapshot().causes))
        stands = run.snapshot()
        assert [(len(POINTS), True)] == [(n, why.startswith("fal (balance)")) for why, n in stands.holds.items()]
        assert stands.left_s
        assert stands.left_s > 60 / 300, "that is the one which Kling took; the others are behind it"
        door.do(door.open())
        assert {"planned": len(POINTS), "saved": len(POINTS)} == run.wait(30).snapshot().counts


def test_a_place_that_stays_away_for_an_hour_holds_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever: after an hour the run is held, and goes on when a person resumes it."""
    with behind_a_door(tmp_path / "lab", monkeypatch, speed=3000) as (live, door):
        shuts_after_an_acceptance(live, door)
        run = start(live.lab, sweep(*POINTS))
        until(run, lambda _: run.held is not None)
        assert "kling cannot be reached" in str(run.held)
        door.do(door.open())
        assert {"saved": len(POINTS)} == run.resume().wait(30).snapshot().counts
        agrees(live)


def test_a_refused_question_says_what_was_asked_and_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a bought task that cannot be asked about, the step, the address and the variable that sets it are told."""
    with behind_a_door(tmp_path / "lab", monkeypatch, speed=30) as (live, door):
        shuts_after_an_acceptance(live, door)
        run = start(live.lab, sweep("a"))
        until(run, lambda tasks: "could not ask" in tasks[0].reason)
        at = f"http://127.0.0.1:{door.port}/kling (KLING_NB_KLING_BASE_URL sets it)"
        asked = f"; asked 4 times in a row how a task is doing, at {at}; it is asked again automatically"
        assert run.tasks[0].reason.endswith(asked)
        assert "no connection could be made" in run.tasks[0].reason
        door.do(door.open())
        assert {"saved": 1} == run.wait(30).snapshot().counts


def test_what_cannot_be_asked_about_is_told(tmp_path: Path) -> None:
    """While a provider does not say how a task is doing, the run says so, until it does again."""
    with live_lab(tmp_path / "lab", Fault(action="html", operation="status", times=8)) as live:
        run = start(live.lab, sweep("fox", provider="fal"))
        until(run, lambda _: any("could not ask" in words for words, _ in run.snapshot().causes))
        ((words, _),) = run.snapshot().causes
        assert words.endswith("; it is asked again automatically")
        assert "run.retry()" not in words, "that would buy it again"
        assert {"saved": 1} == run.wait(30).snapshot().counts
        assert () == run.snapshot().causes
