"""What whoever stops waiting for a run is told: a run goes on whether or not anybody waits."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import without_our_frames
from ..plan import SINGLES


@contextmanager
def saying_it_goes_on(name: str) -> Iterator[None]:
    """Say to whoever interrupts the start of a run, or waiting for it, that it goes on: the engine has it by then."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        say_it_goes_on(name)
        without_our_frames(interrupt)
        raise


def say_it_goes_on(name: str) -> None:
    """Say to whoever interrupted that a run goes on, and how to end it."""
    again = "; the same lab.generate(…) again waits for its clip and buys nothing" if name == SINGLES else ""
    sys.stderr.write(
        f"stopped waiting; run {name!r} goes on: lab.run({name!r}).wait() waits again, .cancel() ends it{again}\n"
    )
