"""When to ask how a task is doing: from the hazard of its finishing, learnt from the log.

Poll *k* goes out at the time t_k that solves ∫₀^{t_k} √(λ·h(u)/2) du = k, where h is the hazard of finishing at age
u and λ the price of one second of delay in requests. It gives the first wait too. For tasks that one request asks
about together, h is the sum of theirs.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, median
from typing import NamedTuple

PRICE_OF_DELAY = 0.4  # requests a second: 2.5 s of delay weigh as much as one request
SIGMA = 0.35  # spread of log durations, before anything was learnt
FLOOR_S = 2.0
CAP_S = 100.0
LATEST_S = 600.0  # a stalled task is still looked at this often
PRIOR_WEIGHT = 5
SIGMA_WEIGHT = 20
LONGEST_S = 86_400.0
LATELY = 100  # tasks of a kind that the curve is made of
STEPS = 16
YOUNG_S = 1e-6  # an age below it counts as none: its share of a median may be 0, which has no logarithm
GRAINS = 64  # ages that are told apart, to a median
NORMAL = NormalDist()


class Curve(NamedTuple):
    """How long tasks of one kind take: log-normal with this median, in seconds, and this spread."""

    median_s: float
    sigma: float = SIGMA

    def rounded(self, age_s: float) -> float:
        """Return an age by which tasks weigh together: thousands were submitted at much the same time."""
        grain = self.median_s / GRAINS
        return round(age_s / grain) * grain

    def hazard(self, age_s: float) -> float:
        """Return the rate of finishing at an age, to a grain, per second, given that it has not finished."""
        return _hazard(round(age_s / self.median_s * GRAINS), self.sigma) / self.median_s

    def remaining_s(self, age_s: float, share: float = 0.5) -> float:
        """Return within how many more seconds so large a share of the tasks of an age have finished."""
        if age_s < YOUNG_S:
            return self.median_s * math.exp(self.sigma * NORMAL.inv_cdf(share))
        if math.isinf(age_s):
            return 0.0
        z = min(6.0, math.log(age_s / self.median_s) / self.sigma)
        later = -NORMAL.inv_cdf(NORMAL.cdf(-z) * (1 - share))
        return age_s * (math.exp(self.sigma * (later - z)) - 1)


Aged = Sequence[tuple[float, Curve, int]]
"""An age in seconds, a curve, and how many tasks there are of both."""


@lru_cache(maxsize=4096)
def _hazard(grains: int, sigma: float) -> float:
    """Return the rate of finishing at an age in grains, per median: each is asked for at thousands of checks."""
    if grains <= 0:  # too young for one, or a clock was set back
        return 0.0
    age = grains / GRAINS
    z = math.log(age) / sigma
    return 0.0 if z < -6 else _mills(z) / (sigma * age)


def _mills(z: float) -> float:
    """Return φ(z) / (1 − Φ(z)) of the standard normal; its asymptote where the quotient would be 0/0."""
    if z > 6:
        return z + 1 / z
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / (0.5 * math.erfc(z / math.sqrt(2)))


def wait_s(tasks: Aged, price: float = PRICE_OF_DELAY) -> float:
    """Return how long to wait before the next check of tasks asked about together, in seconds.

    ``price`` is that of a second of delay, in requests.
    """
    age_s, curve, count = tasks[0]
    if len(tasks) == count == 1:
        return _bounded(_wait_of_one(curve.rounded(age_s), curve, price))
    return _bounded(_solve(0.0, tasks, price))


def _bounded(seconds: float) -> float:
    return min(CAP_S, max(FLOOR_S, seconds))


@lru_cache(maxsize=4096)
def _wait_of_one(age_s: float, curve: Curve, price: float) -> float:
    # From where there is a rate: steps that follow none are long, and one would pass over most of a wide spread.
    first = max(age_s, curve.median_s * max(math.exp(-4 * curve.sigma), 1 / GRAINS))
    return first - age_s + _solve(first, [(0.0, curve, 1)], price)


def _solve(start: float, tasks: Aged, price: float) -> float:
    """Return the x at which ∫ √(λ·Σh/2) from ``start`` reaches one, by steps that follow the rate; `CAP_S` at most."""
    done, passed, rate = 0.0, 0.0, _rate(start, tasks, price)
    while passed < CAP_S:
        step = min(CAP_S / 8, max(FLOOR_S / 4, (1 / STEPS) / rate if rate else CAP_S / 8))
        later = _rate(start + passed + step, tasks, price)
        gained = step * (rate + later) / 2
        if done + gained >= 1:
            return passed + step * (1 - done) / gained
        done, passed, rate = done + gained, passed + step, later
    return CAP_S


def _rate(later: float, tasks: Aged, price: float) -> float:
    return math.sqrt(price * sum([count * curve.hazard(age + later) for age, curve, count in tasks]) / 2)


class Learnt:
    """Durations seen lately by kind of task, blended with what the catalogue says. May be asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, ...], deque[float]] = {}
        self._curves: dict[tuple[tuple[str, ...], float], Curve] = {}

    def saw(self, kind: tuple[str, ...], seconds: float) -> None:
        """Learn from one finished task; one that took a day is a clock that was set, or a machine that slept."""
        if not 0 < seconds < LONGEST_S:
            return
        with self._lock:
            self._seen.setdefault(kind, deque(maxlen=LATELY)).append(math.log(seconds))
            self._curves = {key: curve for key, curve in self._curves.items() if key[0] != kind}

    def curve(self, kind: tuple[str, ...], typical_s: float) -> Curve:
        """Return the curve of a kind whose typical length, in seconds, the catalogue gives."""
        key = (kind, typical_s)
        with self._lock:
            if key not in self._curves:
                self._curves[key] = _blend(self._seen.get(kind, ()), typical_s)
            return self._curves[key]


def _blend(logs: Sequence[float], typical_s: float) -> Curve:
    """Shrink the robust median and spread of what was seen towards the catalogue's."""
    n, prior = len(logs), math.log(max(1.0, typical_s))
    if not n:
        return Curve(round(math.exp(prior), 2))
    centre = median(logs)
    spread = 1.4826 * median(abs(value - centre) for value in logs)
    blended = (n * centre + PRIOR_WEIGHT * prior) / (n + PRIOR_WEIGHT)
    variance = (n * spread**2 + SIGMA_WEIGHT * SIGMA**2) / (n + SIGMA_WEIGHT)
    # To a hundredth: a curve that moved less is the same, and what was worked out for it still holds.
    return Curve(round(math.exp(round(blended, 2)), 2), round(math.sqrt(variance), 2))
