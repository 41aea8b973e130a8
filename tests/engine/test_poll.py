"""When to ask: by the hazard of finishing, learnt from the log, and together where the provider lets us."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re

import anyio
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from labs import Open, start, sweep

from kling_nb.engine import watch
from kling_nb.engine.loop import VirtualClock
from kling_nb.engine.poll import CAP_S, FLOOR_S, SIGMA, Curve, Learnt, wait_s
from kling_nb.task import Task, Ticket

KIND = ("kling", "kling-v2-6", "std")
curves = st.builds(Curve, st.floats(5, 2000), st.floats(0.1, 1.5))


@given(st.lists(st.tuples(st.floats(-1e4, 1e6), curves, st.integers(1, 50)), min_size=1, max_size=20))
@example([(0.0, Curve(5.0), 1), (5e-324, Curve(5.0), 1)])
@settings(max_examples=60, deadline=None)
def test_a_wait_is_never_too_short_or_too_long(tasks: list[tuple[float, Curve, int]]) -> None:
    """Whatever is watched, of whatever age (a clock may have been set back), the next look is within bounds."""
    first = 100 + CAP_S
    assert FLOOR_S <= wait_s(tasks) <= first


def test_it_looks_seldom_at_first_and_often_around_the_median() -> None:
    """A task that cannot be done yet is left alone; around its median it is asked about most often."""
    curve = Curve(120.0)
    waits = {age: wait_s([(age, curve, 1)]) for age in (0, 30, 60, 120, 240)}
    assert waits[0] > waits[60] > waits[120]
    assert waits[0] >= 30


def test_more_tasks_are_asked_about_more_often() -> None:
    """One request that asks about many is worth more, and is sent more often."""
    curve = Curve(120.0)
    assert wait_s([(100.0, curve, 20)]) < wait_s([(100.0, curve, 1)])


def test_the_schedule_solves_its_equation() -> None:
    """Looks are where the integral of the root of the hazard reaches whole numbers, within the steps' precision."""
    curve, price = Curve(110.0), 0.4
    at, seen = 0.0, []
    for _ in range(6):
        at += wait_s([(at, curve, 1)])
        seen.append(at)
    total = sum(math.sqrt(price * curve.hazard(t / 10) / 2) / 10 for t in range(int(seen[-1] * 10)))
    assert total == pytest.approx(6, rel=0.1)


@pytest.mark.parametrize("sigma", [0.14, SIGMA, 0.7, 1.0, 1.5])
def test_the_first_look_solves_it_however_wide_the_spread(sigma: float) -> None:
    """No step passes over the hazard of a kind of which many are done at a fraction of the median."""
    curve = Curve(60.0, sigma)
    ages = [n / 50 for n in range(int(50 * wait_s([(0.0, curve, 1)])))]
    assert sum(math.sqrt(0.4 * curve.hazard(age) / 2) / 50 for age in ages) == pytest.approx(1, abs=0.1)


@given(st.floats(1, 5000), curves)
@settings(max_examples=60, deadline=None)
def test_a_hazard_is_a_rate(age: float, curve: Curve) -> None:
    """It is finite and never negative."""
    assert 0 <= curve.hazard(age) < math.inf
    assert 0 == curve.hazard(0)


def test_it_starts_from_the_catalogue() -> None:
    """Before anything was learnt the curve is the catalogue's typical length."""
    assert Curve(90.0, SIGMA) == Learnt().curve(KIND, 90.0)


def test_it_learns_from_what_it_saw() -> None:
    """After many tasks the curve is theirs, a few oddly long ones notwithstanding; other kinds learn nothing."""
    learnt, dice = Learnt(), random.Random(1)
    for _ in range(60):
        learnt.saw(KIND, 200 * math.exp(0.1 * dice.normalvariate(0, 1)))
    learnt.saw(KIND, 20_000)
    learnt.saw(KIND, -5)
    curve = learnt.curve(KIND, 60.0)
    assert 170 < curve.median_s < 210
    assert curve.sigma < SIGMA
    assert Curve(60.0, SIGMA) == learnt.curve(("fal",), 60.0)


def test_a_lab_learns_from_its_log(simulated: Open) -> None:
    """What an earlier session saw is known to the next."""
    lab = simulated()
    start(lab, sweep("fox", "boat")).wait()
    lab.close()
    lab = simulated()
    provider, model, request, seconds = lab._opened.log.durations()[0]
    assert ("kling", "kling-v2-5-turbo", "fox") == (provider, model, request["prompt"])
    assert 10 < seconds < 1000
    assert 2 == sum(map(len, lab._opened.engine._learnt._seen.values()))


def test_kling_is_asked_about_all_at_once(simulated: Open, caplog: pytest.LogCaptureFixture) -> None:
    """Tasks of one account are asked about by one listing; one is asked about singly only where it is alone."""
    caplog.set_level(logging.INFO)
    start(simulated(), sweep(*(f"fox {n}" for n in range(5)))).wait()
    asked = re.findall(r"HTTP Request: GET \S+/v1/videos/text2video(/\S+)? ", caplog.text)
    lists = asked.count("")
    assert 5 <= lists <= 20
    assert asked == [""] * lists + [asked[-1]] * (len(asked) - lists)


class Unasked(watch.Watch):
    """Watches tasks without asking: at the first check all of them are done."""

    async def _check(self, failures: int) -> int:
        for member in self._members.values():
            member.done.set()
        self._members.clear()
        return failures


def test_who_joins_the_shortest_wait_has_nobody_weighed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands may be in flight, and as many join while they are: each would have all of them weighed once more."""
    weighed: list[int] = []
    monkeypatch.setattr(watch, "wait_s", lambda aged: weighed.append(len(aged)) or FLOOR_S)
    clock = VirtualClock(0.0)

    async def join() -> float:
        async with anyio.create_task_group() as group:
            watched = Unasked(None, clock, None, group.start_soon)  # type: ignore[arg-type]
            for n in range(50):
                task = Task(id=f"t{n}", identity="", provider="kling", model="")
                member = watch.Member(Ticket(task.id), clock.steady(), Curve(60.0), changed=0.0)
                group.start_soon(watched.follow, task, member)
                await clock.sleep(FLOOR_S / 100)
        return clock.steady()

    with asyncio.Runner(loop_factory=clock.new_loop) as runner:
        assert runner.run(join()) == pytest.approx(FLOOR_S)
    assert len(weighed) == 1
