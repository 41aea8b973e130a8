"""What asking costs: requests and delay of the project's schedule, beside the best possible and a fixed interval.

    python -m benchmarks.polling

The cost of a task is its requests plus its delay in s ÷ 2.5: what the schedule is made to keep low. Three ratios for
log-normal durations (medians 60, 110 and 300 s, σ 0.35), each computed exactly, without drawing:

* the cost over that of the best schedule there is for the known distribution, found by dynamic programming;
* the requests over those of a poller that asks every 5 s, where both find a task equally late on average;
* for 100 tasks in flight that one listing asks about (the real watch loop, the real dialect, virtual time): requests
  a task over those of a poller that asks for each task by itself every 5 s.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from kling_nb.engine.poll import PRICE_OF_DELAY, SIGMA, Curve, wait_s

from .listing import Listed, watched
from .table import Row, shown

MEDIANS_S = (60.0, 110.0, 300.0)
FIXED_S = 5.0
IN_FLIGHT = 100
TAIL_SIGMAS = 5.5  # beyond it lie 2 tasks in 100 million


@dataclass(frozen=True)
class Cost:
    """Requests a task, and seconds from finishing to being found, both on average."""

    requests: float
    delay_s: float

    def at(self, price: float) -> float:
        """Return the cost in requests, where a second of delay costs ``price`` of them."""
        return self.requests + price * self.delay_s


class Grid:
    """A log-normal distribution of durations on a grid of ages, up to an age that practically all stay under."""

    def __init__(self, curve: Curve, steps: int) -> None:
        self.ages = np.linspace(0.0, curve.median_s * math.exp(TAIL_SIGMAS * curve.sigma), steps + 1)
        self.left = np.array([_left(age, curve) for age in self.ages])  # the share that has not finished at an age
        done = 1 - self.left
        step = self.ages[1] - self.ages[0]
        self._area = np.concatenate([[0.0], np.cumsum((done[1:] + done[:-1]) / 2 * step)])

    def cost(self, polls: Sequence[float]) -> Cost:
        """Return what polls at these ages cost: every poll is paid by the share that had not finished before it."""
        ages = np.minimum([0.0, *polls], self.ages[-1])
        left, area = np.interp(ages, self.ages, self.left), np.interp(ages, self.ages, self._area)
        # The integral of (poll - u) f(u) over one gap, by parts: what finished since, times how long it lies there.
        return Cost(float(left[:-1].sum()), float((np.diff(area) - (1 - left[:-1]) * np.diff(ages)).sum()))

    def best(self, price: float) -> float:
        """Return the least cost of any schedule whose polls lie on the grid, by dynamic programming from the end."""
        ages, left, area = self.ages, self.left, self._area
        cost = np.zeros(len(ages))
        for now in range(len(ages) - 2, -1, -1):
            later = slice(now + 1, None)
            waits = (area[later] - area[now]) - (1 - left[now]) * (ages[later] - ages[now])
            cost[now] = np.min(left[now] + price * waits + cost[later])
        return float(cost[0])


def _left(age_s: float, curve: Curve) -> float:
    if age_s <= 0:
        return 1.0
    return 0.5 * math.erfc(math.log(age_s / curve.median_s) / curve.sigma / math.sqrt(2))


def scheduled(curve: Curve, until_s: float, price: float = PRICE_OF_DELAY) -> list[float]:
    """Return the ages at which the project asks about a task that never finishes."""
    return list(_polls(lambda age: wait_s([(age, curve, 1)], price), until_s))


def fixed(until_s: float, every_s: float = FIXED_S) -> list[float]:
    """Return the ages at which a poller with a fixed interval asks."""
    return list(_polls(lambda _: every_s, until_s))


def _polls(wait: Callable[[float], float], until_s: float) -> Iterator[float]:
    age = 0.0
    while age < until_s:
        age += wait(age)
        yield age


def price_for(delay_s: float, cost: Callable[[float], Cost]) -> float:
    """Return the price at which a schedule finds tasks so late on average, in requests a second."""
    low, high = 1e-3, 1e3
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if cost(middle).delay_s > delay_s else (low, middle)
    return high


def over_best(median_s: float, steps: int) -> Row:
    """Compare the schedule with the best one."""
    curve = Curve(median_s)
    grid = Grid(curve, steps)
    ours, best = grid.cost(scheduled(curve, grid.ages[-1])), grid.best(PRICE_OF_DELAY)
    behind = f"{ours.requests:.2f} requests and {ours.delay_s:.2f} s; {ours.at(PRICE_OF_DELAY):.3f} over {best:.3f}"
    return Row(f"cost over the best, median {median_s:g} s", ours.at(PRICE_OF_DELAY) / best, 1.15, behind)


def over_fixed(median_s: float, steps: int) -> Row:
    """Compare the schedule's requests with those of a fixed interval, at the same delay."""
    curve = Curve(median_s)
    grid = Grid(curve, steps)
    plain = grid.cost(fixed(grid.ages[-1]))
    priced = lambda price: grid.cost(scheduled(curve, grid.ages[-1], price))  # noqa: E731
    ours = priced(price_for(plain.delay_s, priced))
    behind = f"{ours.requests:.2f} over {plain.requests:.2f}, at {ours.delay_s:.2f} and {plain.delay_s:.2f} s of delay"
    return Row(f"requests over every 5 s, median {median_s:g} s", ours.requests / plain.requests, 0.65, behind)


def over_fixed_listed(median_s: float, steps: int, tasks: int) -> Row:
    """Compare a listing's requests with those of one poller a task."""
    grid = Grid(Curve(median_s), steps)
    plain = grid.cost(fixed(grid.ages[-1]))
    ours: Listed = watched(median_s, SIGMA, tasks=tasks, in_flight=min(IN_FLIGHT, tasks))
    behind = f"{ours.requests:.3f} over {plain.requests:.2f}, at {ours.delay_s:.2f} and {plain.delay_s:.2f} s of delay"
    return Row(f"by listing, 100 in flight, median {median_s:g} s", ours.requests / plain.requests, 0.05, behind)


def rows(steps: int = 3000, tasks: int = 2000) -> Iterator[Row]:
    """Measure everything; ``steps`` is how fine the grid of ages is, ``tasks`` how many the listing follows."""
    for measure in (over_best, over_fixed, partial(over_fixed_listed, tasks=tasks)):
        for median_s in MEDIANS_S:
            yield measure(median_s, steps)


def main() -> int:
    """Print the table; return how many targets were missed."""
    return shown("polling: requests and delay", rows())


if __name__ == "__main__":
    sys.exit(min(1, main()))
