"""A dialect of another package that breaks its contract: it says so, costs its own tasks time, and no other's anything."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from labs import ledger, start, sweep

import kling_nb as kn
from kling_nb.costs import Cost
from kling_nb.dialect import Asset, Call, DialectError, Encoded, Phase, Reply, Status
from kling_nb.dialects.checked import Checked
from kling_nb.dialects.falqueue import FalQueue
from kling_nb.dialects.kling import Kling
from kling_nb.errors import InputError
from kling_nb.task import Ticket

BOTH: dict[str, Any] = {"provider": ["kling", "fal"], "mode": "pro"}
SECRET = "fal-key-that-nobody-may-see"


def speaks(lab: kn.Lab, kind: Callable[[Any], Any], name: str = "kling") -> None:
    """Have a provider's dialect be a class of somebody else's, as the entry points would bring it."""
    provider, _ = lab._bindings.bound(name)
    lab._bindings._bound[name] = provider, Checked(kind, provider)


def opened(folder: Path) -> kn.Lab:
    """Open a simulated lab that waits for nothing."""
    return kn.Lab(folder, simulate=kn.Simulation(speed=math.inf))


def says(of_done: Callable[[Status], Any]) -> type[Kling]:
    """Return a dialect that says something else of what is done."""

    class Says(Kling):
        def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Any]]:
            learnt = yield from super().check(tickets)
            return {name: of_done(said) if said.phase is Phase.DONE else said for name, said in learnt.items()}

    return Says


def returns(made: Callable[[Mapping[str, Any]], Any], *, asks: bool = True) -> type[Kling]:
    """Return a dialect whose `check` returns something else, after asking or without."""

    class Returns(Kling):
        def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Any]:
            learnt: Mapping[str, Any] = {}
            if asks:
                learnt = yield from super().check(tickets)
            return made(learnt)

    return Returns


class Endless(Kling):
    """Waits in its `check` for the end."""

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Any]:
        """Ask for ever."""
        while True:
            yield self._get_one(tickets[0])

    def _get_one(self, ticket: Ticket) -> Call:
        return next(super().check([ticket]))


class Plain(Kling):
    """Takes `check` for a function."""

    def check(self, tickets: Sequence[Ticket]) -> Any:
        """Return at once."""
        return {}


class Wordy(Kling):
    """Yields an address in the place of a call."""

    def check(self, tickets: Sequence[Ticket]) -> Generator[Any, Reply, Any]:
        """Ask."""
        return (yield "GET /v1/videos/text2video")


WRONG: dict[str, tuple[type[Kling], str]] = {
    "a cost that is a number": (says(lambda s: replace(s, cost=0.21)), "Status.cost as Cost or None, got 0.21"),
    "an endless amount": (says(lambda s: replace(s, cost=Cost(math.inf, "USD"))), "amounts of a Cost as Decimal, got inf"),  # type: ignore[arg-type]
    "a price in words": (says(lambda s: replace(s, cost=Cost("$1", "USD"))), "amounts of a Cost as Decimal, got '$1'"),  # type: ignore[arg-type]
    "an address for an asset": (says(lambda s: replace(s, asset="http://x")), "Status.asset as Asset or None"),
    "an asset without one": (says(lambda s: replace(s, asset=Asset(url=None))), "Asset.url as str, got None"),  # type: ignore[arg-type]
    "a word for a phase": (says(lambda s: replace(s, phase="finished")), "Status.phase as Phase, got 'finished'"),
    "a failure without a reason": (says(lambda s: Status(phase=Phase.FAILED, reason=None)), "Status.reason as str, got None"),  # type: ignore[arg-type]
    "somebody's failure": (says(lambda s: Status(phase=Phase.FAILED, whose="me")), "Status.whose as Whose or None"),  # type: ignore[arg-type]
    "a dict for a status": (says(lambda _: {"phase": "done"}), "should give Status, got {'phase': 'done'}"),
    "nothing": (returns(lambda _: None), "should give Mapping, got None"),
    "a list": (returns(lambda learnt: [*learnt.values()]), "should give Mapping, got [Status"),
    "names of its own": (returns(lambda learnt: {f"job-{name}": said for name, said in learnt.items()}), "by its ticket's id"),
    "no question": (returns(lambda learnt: learnt, asks=False), "asked nothing and returned nothing"),
    "a function": (Plain, "should give Generator, got {}"),
    "no call": (Wordy, "what it yields as Call, got 'GET"),
    "no end": (Endless, "went on after 60 calls"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_about_a_task_is_told_and_stops_no_other(tmp_path: Path, name: str) -> None:
    """The task stalls with a sentence that names dialect, method and value; once that is mended its clip is fetched."""
    kind, told = WRONG[name]
    with opened(tmp_path / "lab") as lab:
        speaks(lab, kind)
        run = start(lab, sweep("fox", **BOTH), name="run").wait(timeout=60)
        wrong, well = run.tasks
        assert ("stalled", "saved") == (wrong.state, well.state)
        assert "the dialect 'kling': check() " in wrong.reason
        assert told in wrong.reason
    with opened(tmp_path / "lab") as lab:
        assert {"saved": 2} == lab.run("run").resume().wait(timeout=20).snapshot().counts
        assert 2 == len(ledger(lab))


def test_numbers_of_a_cost_are_amounts(tmp_path: Path) -> None:
    """A float or a text with a number in it is what a page said, and no reason to leave a clip that was paid for."""
    with opened(tmp_path / "lab") as lab:
        speaks(lab, says(lambda said: replace(said, cost=Cost("0.5", "USD", 0.5, {"told": 1}))))  # type: ignore[arg-type, dict-item]
        run = start(lab, sweep("fox")).wait(timeout=20)
        assert [("saved", 0.5)] == [(task.state, float(task.spent)) for task in run.tasks]


def takes(of: Callable[[Ticket], Any]) -> type[FalQueue]:
    """Return a dialect that reads something else from an acceptance."""

    class Takes(FalQueue):
        def accepted(self, call: Call, reply: Reply) -> Any:
            return of(super().accepted(call, reply))

    return Takes


class Approving(FalQueue):
    """Calls an answer good by `False`."""

    def judge(self, call: Call, reply: Reply) -> Any:
        """Say that nothing is wrong."""
        return super().judge(call, reply) or False


TAKEN: dict[str, tuple[type[FalQueue], str]] = {
    "the id alone": (takes(lambda ticket: ticket.id), "accepted() should give Ticket, got '"),
    "a ticket without data": (takes(lambda ticket: Ticket(ticket.id, None)), "accepted() should give data of '"),  # type: ignore[arg-type]
    "a key error": (takes(lambda _: {}["job"]), "accepted() failed: KeyError: 'job'"),
    "no fault as False": (Approving, "judge() should give Fault or None, got False"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_a_wrong_answer_to_a_submit_leaves_that_one_in_doubt(tmp_path: Path, name: str) -> None:
    """What may have been bought is put before a person, with the dialect's mistake; other providers' clips are saved."""
    kind, told = TAKEN[name]
    with opened(tmp_path / "lab") as lab:
        speaks(lab, kind, "fal")
        run = start(lab, sweep("fox", **BOTH)).wait(timeout=20)
        well, wrong = run.tasks
        assert ("saved", "uncertain") == (well.state, wrong.state)
        assert f"the dialect 'falqueue': {told}" in wrong.reason
        assert 2 == len(ledger(lab))


def keeps(**methods: Any) -> type[FalQueue]:
    """Return a dialect with other methods."""
    return type("Keeps", (FalQueue,), methods)


def quotes(*_: object) -> Any:
    """Fail with the key in the error's words."""
    raise ValueError(SECRET)


UNSENT: dict[str, tuple[type[FalQueue], str]] = {
    "no call": (keeps(sign=lambda *_: None), "sign() should give Call, got NoneType"),
    "a number in a header": (keeps(sign=lambda _, call, *__: call.but(headers={"x-n": 5})), "sign() should give the header 'x-n' as str, got int"),
    "a failure": (keeps(sign=quotes), "sign() failed: ValueError"),
    "a key as it is": (keeps(credential=lambda _, key: key), "credential() should give Generator, got str"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNSENT)
def test_a_call_that_cannot_be_signed_holds_that_provider_alone(tmp_path: Path, name: str) -> None:
    """Nothing is sent there, the run says why without a word of the key, and the others go on."""
    kind, told = UNSENT[name]
    with opened(tmp_path / "lab") as lab:
        speaks(lab, kind, "fal")
        run = start(lab, sweep("fox", **BOTH)).wait(timeout=20)
        assert {"planned": 1, "saved": 1} == run.snapshot().counts
        assert f"the dialect 'falqueue': {told}" in str(run.held)
        assert SECRET not in str(run.held)
        assert 1 == len(ledger(lab))


def spells(of: Callable[[Encoded], Any]) -> type[FalQueue]:
    """Return a dialect that spells something else."""
    return keeps(encode=lambda self, *given: of(FalQueue.encode(self, *given)))


SPELT: dict[str, tuple[type[FalQueue], str]] = {
    "the call alone": (spells(lambda encoded: encoded.call), "encode() should give Encoded, got Call("),
    "nothing": (spells(lambda _: None), "encode() should give Encoded, got None"),
    "what is no JSON": (spells(lambda one: replace(one, call=one.call.but(body={"n": {1}}))), "set is not JSON serializable"),
    "losses in words": (spells(lambda encoded: replace(encoded, losses="none")), "losses as tuple, got 'none'"),
    "a key error": (spells(lambda _: {}["zoom"]), "encode() failed: KeyError: 'zoom'"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELT)
def test_a_request_that_cannot_be_spelled_is_told_by_the_plan(tmp_path: Path, name: str) -> None:
    """Planning and starting raise one sentence that names the dialect, and nothing is sent."""
    kind, told = SPELT[name]
    with opened(tmp_path / "lab") as lab:
        speaks(lab, kind, "fal")
        for ordered in (lab.plan, lab.start):
            with pytest.raises(DialectError, match=f"the dialect 'falqueue': .*{re.escape(told)}"):
                ordered(sweep("fox", provider="fal", mode="pro"))
        assert not ledger(lab)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (lambda _: {}["region"], "cannot be bound to 'fal': KeyError: 'region'"),
        (lambda: None, "cannot be bound to 'fal': TypeError"),
        (math, "cannot be bound to 'fal': TypeError: 'module' object is not callable"),
        (keeps(check=None, finds="no"), "lacks check(), finds: bool, which kling_nb.dialect.Dialect describes"),
    ],
)
def test_what_is_no_dialect_is_refused(tmp_path: Path, kind: Any, told: str) -> None:
    """A class that cannot be made, or lacks a method, is refused before anything is planned."""
    with (
        opened(tmp_path / "lab") as lab,
        pytest.raises(InputError, match=f"the dialect 'falqueue' .*{re.escape(told)}"),
    ):
        speaks(lab, kind, "fal")


def test_what_is_done_without_a_link_says_so(tmp_path: Path) -> None:
    """A task whose provider calls it done, and names no clip, is not said to be under way."""
    with opened(tmp_path / "lab") as lab:
        speaks(lab, says(lambda said: replace(said, asset=None)))
        run = start(lab, sweep("fox")).wait(timeout=20)
        assert "(the provider says it is done, but names no clip)" in run.tasks[0].reason
