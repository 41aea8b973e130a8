"""A run in a terminal, by rich. Nothing foreign is read as markup, and no control character gets through."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from ..excerpts import plain
from .standing import DOT, Standing, standing

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

    from ..engine.run import Run

LOOK_S = 0.25  # real seconds between two looks
LINE_S = 5.0  # real seconds between two lines where the output is no terminal

COLOURS = {
    **dict.fromkeys(("saved", "ready"), "green"),
    **dict.fromkeys(("running", "queued", "submitting"), "blue"),
    **dict.fromkeys(("stalled", "uncertain", "expired"), "yellow"),
    "failed": "red",
}
SIGNS = {"saved": "█", "ready": "▓", "running": "▒", "failed": "×"}
"""How a state looks in the bar, so that it can be told apart without colours too."""

HERE = {
    "run.resume()": "the same command again",
    "run.retry()": "the same command with --retry",
    "run.retry(stalled=True)": "kn.Lab(folder, …).run(name).retry(stalled=True) in Python",
    "run.retry(expired=True)": "kn.Lab(folder, …).run(name).retry(expired=True) in Python",
    "lab.uncertain()": "kn.Lab(folder, …).uncertain() in Python",
    "lab.take_over()": "kling-nb run --take-over",
    "lab.daily_budget": "--daily-budget",
    "assume_price=": "--assume-price",
    "simulate=True": "--simulate",
    " budget=": "--budget",
}
"""What the words that the rest says to whoever is in Python are at the terminal."""


def watch(run: Run, *, console: Console | None = None) -> None:
    """Show a run until nothing moves any more, then leave its last state standing.

    In a terminal that is one display, redrawn; elsewhere a line whenever the counts change, at most one in five
    seconds, and a summary at the end. An interrupt raises `KeyboardInterrupt` and leaves the run as it is.
    ``console`` is where to; left out, standard output.
    """
    from rich.console import Console

    console = console or Console()
    if console.is_terminal:
        _watch_redrawn(run, console)
    else:
        _watch_by_lines(run, console)


def here(said: str, *beside: str) -> str:
    """Return a sentence, and behind it what its words of Python, and of what was said ``beside``, are at the terminal."""
    words = [f"{word.strip()} is {what}" for word, what in HERE.items() if any(word in one for one in (said, *beside))]
    return f"{said} (here {', '.join(words)})" if words else said


def _watch_redrawn(run: Run, console: Console) -> None:
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:
        for stands in _looks(run):
            live.update(run_display(stands), refresh=True)


def _watch_by_lines(run: Run, console: Console) -> None:
    said, at = "", -LINE_S
    for stands in _looks(run):
        if stands.moving and stands.counts != said and time.monotonic() - at >= LINE_S:
            said, at = stands.counts, time.monotonic()
            _print(console, plain(run_line(stands)))
    _print(console, run_display(stands))


def _print(console: Console, what: RenderableType) -> None:
    console.print(what, markup=False, highlight=False, soft_wrap=isinstance(what, str))


def _looks(run: Run) -> Iterator[Standing]:
    """Look again and again; the last look is at a run in which nothing moves."""
    while (stands := standing(run.snapshot())).moving:
        yield stands
        time.sleep(LOOK_S)
    yield stands


def run_line(stands: Standing) -> str:
    """Say in one line how a run stands."""
    simulated = "SIMULATED " if stands.simulated else ""
    parts = (stands.counts, stands.money, stands.left, stands.stage)
    return f"{simulated}{stands.name}: {DOT.join(filter(None, parts))}"


def run_display(stands: Standing) -> RenderableType:
    """Return a run as rich shows it: a head, a bar, counts, money, what holds it back and why points went wrong."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble((plain(stands.name), "bold"), " ", *_badge(simulated=stands.simulated), (stands.stage, "dim"))
    money = _Parts([Text(part) for one in (stands.money, stands.left) if one for part in one.split(DOT)])
    unsent = f"{stands.unsent} not sent: " if stands.unsent else ""
    held = [Text(f"{unsent}{plain(stands.held)}", "yellow")] if stands.held else []
    causes = [Text.assemble((f"{count:>5} × ", "red"), plain(text)) for text, count in stands.causes]
    return Group(head, _bar(stands), _counts(stands), money, *held, *causes)


def _badge(*, simulated: bool) -> list[tuple[str, str]]:
    return [("SIMULATED", "reverse yellow"), (" ", "")] if simulated else []


def _counts(stands: Standing) -> _Parts:
    from rich.text import Text

    *others, last = [(f"{count} {state}", COLOURS.get(state, "dim")) for state, count in stands.parts] or [
        ("nothing", "")
    ]
    return _Parts([*(Text.assemble(one) for one in others), Text.assemble(last, f" of {stands.total}")])


@dataclass(frozen=True)
class _Parts:
    """Words with points between them, which a narrow terminal breaks there only: rich breaks at a fixed space too."""

    parts: Sequence[Text]

    def __rich_console__(self, _: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield lines, each with as many parts as there is room for."""
        line, *rest = self.parts
        for part in rest:
            if line.cell_len + len(DOT) + part.cell_len > options.max_width:
                yield line
                line = part
            else:
                line = line + DOT + part
        yield line


def _bar(stands: Standing, width: int = 48) -> Text:
    from rich.text import Text

    cells = zip(stands.parts, shares([count for _, count in stands.parts], width), strict=True)
    return Text.assemble(*((SIGNS.get(state, "░") * share, COLOURS.get(state, "dim")) for (state, _), share in cells))


def shares(counts: Sequence[int], width: int) -> list[int]:
    """Divide ``width`` cells by counts; they add up to it, unless there is nothing to divide by."""
    total = max(1, sum(counts))
    ends = [end * width // total for end in accumulate(counts, initial=0)]
    return [end - start for start, end in pairwise(ends)]
