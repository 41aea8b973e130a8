"""A run's progress in a terminal while Python waits for it; drawn by whoever waits, so that no thread outlives the wait."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from .standing import standing
from .terminal import run_display

if TYPE_CHECKING:
    from rich.live import Live

    from ..engine.run import Run

_drawing = threading.Lock()  # of one terminal: two displays would overwrite each other


@contextmanager
def progress(run: Run) -> Iterator[Callable[[], None]]:
    """Yield what draws how the run stands, each time that it is called; at the end its last state is left standing.
    Of a wait that only ran out of time nothing is: who waits so does it again and again.

    It draws nothing where standard output is no terminal, as in a notebook, in any thread but the main one, or while
    another wait draws, or a display of rich that is not ours. A display that fails, as on a terminal without the letters,
    ends; the wait goes on.
    """
    drawn = _Drawn(run)
    try:
        yield drawn.look
        drawn.look_last()
    finally:
        drawn.stop()


class _Drawn:
    """One display, begun at the first look; what is at rest already has none."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._live: Live | None = None
        self._is_mine = self._moves = False
        self._is_over = not _is_main() or not _is_terminal()

    def look(self) -> None:
        if self._is_over or not self._has_turn():
            return
        try:
            self._draw()
        except Exception:  # noqa: BLE001 - nothing that shows a run may end the wait for it
            self._is_over = True
            self.stop()

    def look_last(self) -> None:
        if self._live is not None:
            self.look()
        if self._live is not None:
            self._live.transient = self._moves

    def stop(self) -> None:
        """Leave what is drawn, and the terminal as it was."""
        live, self._live = self._live, None
        try:
            with suppress(Exception):
                if live is not None:
                    live.stop()
        finally:  # a second Ctrl-C comes in the middle of it: who waits next draws all the same
            if self._is_mine:
                self._is_mine = False
                _drawing.release()

    def _has_turn(self) -> bool:
        self._is_mine = self._is_mine or (not _is_drawn_on() and _drawing.acquire(blocking=False))
        return self._is_mine

    def _draw(self) -> None:
        stands = standing(self._run.snapshot())
        self._moves, shown = stands.moving, run_display(stands)
        if self._live is None:
            self._live = _live()
            self._live.start()
        self._live.update(shown, refresh=True)


def _is_main() -> bool:
    """Tell whether whoever waits is the one who types: beside it a display would be drawn over what is typed, and end
    where it had put standard output elsewhere.
    """
    return threading.current_thread() is threading.main_thread()


def _is_terminal() -> bool:
    """Tell whether standard output is a terminal that can redraw."""
    stream = sys.stdout
    with suppress(Exception):  # it may be anything, or nothing, and closed
        return stream.isatty() and _console_is_interactive()
    return False


def _is_drawn_on() -> bool:
    """Tell whether a display of rich has standard output, such as the caller's own bar: each would erase the other's."""
    return hasattr(sys.stdout, "rich_proxied_file")


def _console_is_interactive() -> bool:
    from rich.console import Console

    return Console().is_interactive  # not so in IDLE, which says that it is a terminal, and on a dumb one


def _live() -> Live:
    """Return a display that lets what others print meanwhile stand above it; errors that go to a file go on there."""
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(highlight=False), auto_refresh=False, redirect_stderr=sys.stderr.isatty())
