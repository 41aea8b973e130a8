"""What whoever presses *Start* agrees to: the price that stood in the form, and never more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from ..errors import InputError
from ..plan import Plan, apart
from ..task import ZERO

READ_S = 1.0  # real seconds that a price stands before a press can mean it: a double click does not

Clock = Callable[[], float]


class Agreed:
    """Compares what is to be bought with the price that a person saw. ``clock`` gives seconds that never run back."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._before: Plan | None = None
        self._at = -math.inf

    def check(self, seen: Plan | None, plan: Plan | None) -> None:
        """Raise `InputError` with the price of a plan where that is higher than the one that was seen.

        A price that was raised counts as seen once there was time to read it.
        """
        is_read = self._clock() - self._at >= READ_S
        before = seen if is_read else self._before
        said = dearer(before, plan)
        if said and is_read:
            self._before, self._at = seen, self._clock()
        if said:
            raise InputError(said)


def dearer(seen: Plan | None, plan: Plan | None) -> str:
    """Say what a plan costs at the most, where that is more than the plan that was seen; else nothing."""
    before, now = (ZERO if one is None else one.high for one in (seen, plan))
    if now <= before:
        return ""
    was, price = apart(before, now)
    told = f", not {was}" if before else ""
    return f"the price is now {price}{told}: nothing was bought; press Start again to buy at this price"
