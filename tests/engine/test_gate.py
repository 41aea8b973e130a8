"""The gate: how many tasks run at once, learnt from what the provider says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from kling_nb.engine.gate import BACKOFF_MOST_S, FORGET_S, SHUT_S, Gate, backoff_s

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run on a fresh loop."""

    async def main() -> T:
        return await work()

    return asyncio.run(main())


async def entered(gate: Gate, count: int) -> list[asyncio.Task[None]]:
    """Let so many tasks ask for a slot, in order, and return them."""
    asking = [asyncio.ensure_future(gate.enter()) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    return asking


def inside(asking: list[asyncio.Task[None]]) -> list[int]:
    """Return which of them have a slot."""
    return [n for n, one in enumerate(asking) if one.done() and not one.cancelled()]


def end(asking: list[asyncio.Task[None]]) -> None:
    """Send home those who still wait."""
    for one in asking:
        one.cancel()


def test_first_come_first_served() -> None:
    """As many as there are slots are let in; the next is the one that waited longest."""

    async def scene() -> None:
        gate = Gate(2)
        asking = await entered(gate, 4)
        assert [0, 1] == inside(asking)
        gate.leave()
        await asyncio.sleep(0)
        assert [0, 1, 2] == inside(asking)
        end(asking)

    run(scene)


def test_one_that_gives_up_waiting_takes_no_slot() -> None:
    """Who is cancelled while waiting, or just as a turn came, leaves its slot to the next."""

    async def scene() -> None:
        gate = Gate(1)
        asking = await entered(gate, 4)
        asking[1].cancel()
        gate.leave()
        asking[2].cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        assert asking[3].done()
        assert 1 == gate.used
        end(asking)

    run(scene)


def test_it_shrinks_to_what_was_accepted() -> None:
    """When the provider has too many, the gate shrinks to those that it has, however many were refused at once."""

    async def scene() -> None:
        gate = Gate(5)
        await entered(gate, 5)
        gate.accepted(0.0)
        gate.accepted(0.0)
        for _ in range(3):
            gate.full(1.0, None)
        assert 2 == gate.slots

    run(scene)


def test_a_late_answer_widens_it_again() -> None:
    """A refusal that overtakes an acceptance leaves the gate no narrower than what is held in the end."""

    async def scene() -> None:
        gate = Gate(3)
        await entered(gate, 3)
        gate.full(0.0, None)
        assert 1 == gate.slots
        gate.accepted(0.1)
        gate.accepted(0.1)
        assert 2 == gate.slots

    run(scene)


def test_it_grows_again_but_not_past_what_was_refused_lately() -> None:
    """Full rounds of accepted submits add a slot each; what was refused is tried again after ten minutes."""

    async def scene() -> None:
        gate = Gate(2)
        await entered(gate, 2)
        gate.accepted(0.0)
        gate.full(0.0, None)
        assert 1 == gate.slots
        for at in (1.0, 2.0, 3.0):
            gate.leave()
            await entered(gate, 1)
            gate.accepted(at)
        assert gate.slots <= 2
        for n in range(8):
            gate.leave()
            await entered(gate, 1)
            gate.accepted(FORGET_S + 4 + n)
        assert gate.slots > 2

    run(scene)


def test_it_waits_as_told_else_ever_longer() -> None:
    """A push-back without a time doubles the wait from one second; one with a time is obeyed; a success forgets."""
    gate = Gate(1)
    gate.used = gate._unanswered = 1
    waits = []
    for _ in range(9):
        gate.slow(0.0, None)
        waits.append(gate.wait_s(0.0))
    assert [1, 2, 4, 8, 16, 32, BACKOFF_MOST_S, BACKOFF_MOST_S, BACKOFF_MOST_S] == waits
    gate.slow(0.0, 300.0)
    assert 300 == gate.wait_s(0.0)
    assert 0 == gate.wait_s(301.0)
    gate.accepted(301.0)
    gate.slow(301.0, None)
    assert 1 == gate.wait_s(301.0)


def test_it_is_shut_after_an_hour_however_many_were_pushed_back() -> None:
    """Many submits at once are one moment; only an hour of push-backs, in which somebody tries, shuts the gate."""
    gate = Gate(40)
    for at in (0.0, 1.0, 3.0):
        for _ in range(40):
            gate.slow(at, None)
    assert not gate.is_shut(3.0)
    tried = [*range(600, int(SHUT_S) + 1, 600)]
    for at in tried:
        gate.slow(float(at), 600.0)
    assert gate.is_shut(SHUT_S)
    gate.slow(10 * SHUT_S, None)
    assert not gate.is_shut(10 * SHUT_S)


@given(st.integers(-2, 6), st.lists(st.sampled_from(["enter", "accepted", "full", "ended", "leave"]), max_size=40))
def test_it_always_lets_somebody_through(slots: int, steps: list[str]) -> None:
    """Whatever happens in whatever order there is at least one slot, and no more are used than there were."""

    async def scene() -> None:
        gate, unanswered, held, at = Gate(slots), 0, 0, 0.0
        for step in steps:
            at += 1
            if step == "enter" and gate.used < gate.slots:
                await gate.enter()
                unanswered += 1
            elif step == "full" and unanswered:
                gate.full(at, None)
            elif step in ("accepted", "ended") and unanswered:
                unanswered, held = unanswered - 1, held + 1
                gate.accepted(at) if step == "accepted" else gate.ended()
            elif step == "leave" and held:
                held -= 1
                gate.leave()
            assert gate.slots >= 1
            assert gate.used == unanswered + held

    run(scene)


def test_a_wait_between_tries_has_a_limit() -> None:
    """From one second it doubles to a minute, however often in a row something failed."""
    assert [1, 1, 2, 4, 32, 60, 60] == [backoff_s(failures) for failures in (0, 1, 2, 3, 6, 7, 100_000)]
