"""A dialect of another package that errs: what was bought is still followed and fetched."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from labs import ledger, start, sweep, until_later

import kling_nb as kn
from kling_nb.dialect import Call, Learnt, Phase, Reply, Status, Unreadable
from kling_nb.dialects.kling import Kling
from kling_nb.engine.witness import LOOKS_S
from kling_nb.errors import KlingError, ProviderError
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


class Away(Kling):
    """Cannot be asked how a task is doing, 1,200 times in a row."""

    asked = 0

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        """Answer at last."""
        self.asked += 1
        if self.asked <= 1200:
            message = "a page in its place"
            raise Unreadable(message)
        return (yield from super().check(tickets))


def test_a_place_that_is_away_for_a_day_is_asked_on(tmp_path: Path) -> None:
    """However often a task could not be asked about, it is asked about on, and its clip is saved in the end."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Away(provider)
        run = start(lab, sweep("fox")).wait(timeout=20)
        assert ["stalled"] == [task.state for task in run.tasks]
        until_later(lab, 86_400)
        assert ["saved"] == [task.state for task in run.wait().tasks]


class Slow(Kling):
    """Takes its time over the last look-up of a lost submit; ``meanwhile`` is done while it is asked."""

    meanwhile: Callable[[str], object]
    looks = 0

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up once, the last time more often."""
        self.looks += 1
        if self.looks == len(LOOKS_S):
            self.meanwhile(own_id)
            for _ in range(3):
                yield from super().find(own_id, call)
        return (yield from super().find(own_id, call))


def test_what_a_person_found_is_not_lost_to_a_look_up_that_ends_later(tmp_path: Path) -> None:
    """A submit that is named by its id during the last look for it is followed, and not bought again."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        slow, engine = Slow(provider), lab._opened.driving()
        lab._bindings._bound["kling"] = provider, slow
        named = {"id": "852148838292578187", "data": {"path": "/v1/videos/text2video"}}
        slow.meanwhile = lambda own_id: engine._dispatch.spawn_beside(
            lambda: engine._decisions.record(own_id, "accepted", named)
        )
        run = start(lab, sweep("fox #sim:reset")).wait(timeout=20)
        assert [1] == [task.attempt for task in run.tasks]
        assert "lost" not in set(lab.log.tasks()["cause"])
        assert not ledger(lab)


class Recalled(Kling):
    """Says that a task was cancelled there, as somebody did in the console."""

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        """Call all that is asked about cancelled, and free."""
        learnt = yield from super().check(tickets)
        return {name: Status(phase=Phase.CANCELLED, reason="cancelled there", charged=False) for name in learnt}


def test_what_was_cancelled_at_the_provider_says_so(tmp_path: Path) -> None:
    """A task that its provider reports as cancelled has the cause that every cancelled one has."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Recalled(provider)
        run = start(lab, sweep("fox")).wait(timeout=20)
        told = [(task.state, task.cause, task.reason, task.charged) for task in run.tasks]
        assert [("cancelled", "cancelled", "cancelled there", False)] == told


class Counting(Kling):
    """Gives ids as its service does: as numbers."""

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Return the ticket with the number that came."""
        ticket = super().accepted(call, reply)
        return replace(ticket, id=int(ticket.id))  # type: ignore[arg-type]


def test_an_id_that_is_a_number_is_followed(tmp_path: Path) -> None:
    """A dialect that leaves a JSON number as it came names its task all the same: what was bought is not lost."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Counting(provider)
        run = start(lab, sweep("fox")).wait(timeout=20)
        assert ["saved"] == [task.state for task in run.tasks]
        assert 1 == len(ledger(lab))


class Reticent(Kling):
    """Keeps why a task cannot be asked about as what was learnt of it, of a single one too; it finds nothing."""

    finds = False

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Read nothing of what is told."""
        yield from super().check(tickets)
        return {ticket.id: ProviderError("it is down") for ticket in tickets}


def test_an_id_that_cannot_be_asked_about_is_not_accepted(tmp_path: Path) -> None:
    """Whether a dialect raises why a task cannot be asked about or keeps it: nobody has said that it is there."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Reticent(provider)
        run = start(lab, sweep("fox #sim:malformed")).wait(timeout=20)
        with pytest.raises(KlingError, match="could not ask kling whether it has a task 123: it is down; nothing"):
            lab.uncertain().accepted_as(run.tasks[0].id, "123")
        assert ["uncertain"] == [task.state for task in run.tasks]


class Numeric(Kling):
    """Gives a plain number for what a task cost, of the first one that is asked about, once another is done."""

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Hold back what else was told."""
        learnt = yield from super().check(tickets)
        first, *others = [ticket.id for ticket in tickets]
        done = {name: learnt[name] for name in others if getattr(learnt.get(name), "phase", None) is Phase.DONE}
        wrong = Status(phase=Phase.FAILED, cost=0.5)  # type: ignore[arg-type]
        return {first: wrong, **done} if done else {}


def test_an_answer_that_stops_the_engine_keeps_no_other_from_the_log(tmp_path: Path) -> None:
    """What else a check said is noted, whichever task it stopped at: it would stop there again when it is opened again."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Numeric(provider)
        run = start(lab, sweep("fox", "boat", "hen"))
        with pytest.raises(KlingError, match="the engine stopped"):
            run.wait(timeout=20)
        events = lab.log.events()
        assert set(events["task"][events["kind"] == "ready"]) == {run.tasks[1].id}


class Mute(Kling):
    """Cannot be asked how a task is doing, and says nothing of why."""

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Fail without a word, once it was asked."""
        yield from super().check(tickets)
        raise ProviderError("")


def test_an_error_without_a_word_is_an_error(tmp_path: Path) -> None:
    """A task that could not be asked about is none that the provider does not know, whatever the error says."""
    with kn.Lab(tmp_path / "lab", simulate=kn.Simulation(speed=math.inf)) as lab:
        provider, _ = lab._bindings.bound("kling")
        lab._bindings._bound["kling"] = provider, Mute(provider)
        run = start(lab, sweep("fox")).wait(timeout=20)
        assert "it could not be asked about, the last time: ProviderError)" in run.tasks[0].reason
