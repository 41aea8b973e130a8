"""A run and a plan in a terminal, by rich. Nothing foreign is read as markup, and no control character gets through."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from .standing import Standing, standing

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

    from ..engine.run import Run
    from ..plan import Plan, PlannedPoint

LOOK_S = 0.25  # real seconds between two looks
LINE_S = 5.0  # real seconds between two lines where the output is no terminal
ROWS_SHOWN = 60
LINES_SHOWN = 12
POINTS_NAMED = 6
CELL_LONGEST = 70  # characters
KEPT = ("fate", "price")  # columns that are shown even where they do not vary

COLOURS = {
    **dict.fromkeys(("saved", "ready"), "green"),
    **dict.fromkeys(("running", "queued", "submitting"), "blue"),
    **dict.fromkeys(("stalled", "uncertain", "expired"), "yellow"),
    "failed": "red",
}
SIGNS = {"saved": "█", "ready": "▓", "running": "▒", "failed": "×"}
"""How a state looks in the bar, so that it can be told apart without colours too."""


# -- a run -------------------------------------------------------------------------------------------------------


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
    return f"{simulated}{stands.name}: {' · '.join(filter(None, parts))}"


def run_display(stands: Standing) -> RenderableType:
    """Return a run as rich shows it: a head, a bar, counts, money, what holds it back and why points went wrong."""
    from rich.console import Group
    from rich.text import Text

    head = Text.assemble((plain(stands.name), "bold"), " ", *_badge(simulated=stands.simulated), (stands.stage, "dim"))
    money = Text(" · ".join(filter(None, (stands.money, stands.left))))
    unsent = f"{stands.unsent} not sent: " if stands.unsent else ""
    held = [Text(f"{unsent}{plain(stands.held)}", "yellow")] if stands.held else []
    causes = [Text.assemble((f"{count:>5} × ", "red"), plain(text)) for text, count in stands.causes]
    return Group(head, _bar(stands), _counts(stands), money, *held, *causes)


def _badge(*, simulated: bool) -> list[tuple[str, str]]:
    return [("SIMULATED", "reverse yellow"), (" ", "")] if simulated else []


def _counts(stands: Standing) -> Text:
    from rich.text import Text

    words = [part for state, count in stands.parts for part in ((f"{count} {state}", COLOURS.get(state, "dim")), " · ")]
    return Text.assemble(*words[:-1], f" of {stands.total}")


def _bar(stands: Standing, width: int = 48) -> Text:
    from rich.text import Text

    cells = zip(stands.parts, shares([count for _, count in stands.parts], width), strict=True)
    return Text.assemble(*((SIGNS.get(state, "░") * share, COLOURS.get(state, "dim")) for (state, _), share in cells))


def shares(counts: Sequence[int], width: int) -> list[int]:
    """Divide ``width`` cells by counts; they add up to it, unless there is nothing to divide by."""
    total = max(1, sum(counts))
    ends = [end * width // total for end in accumulate(counts, initial=0)]
    return [end - start for start, end in pairwise(ends)]


# -- a plan ------------------------------------------------------------------------------------------------------


def plan_table(plan: Plan) -> RenderableType:
    """Return a plan as rich shows it: a row a point, the sum, and each change and refusal once with its points.

    What is the same for every point is said once, above the rows.
    """
    from rich.console import Group
    from rich.text import Text

    frame = plan.df()
    present = [name for name in _columns(list(frame.columns)) if frame[name].notna().any()]
    same = [name for name in present if name not in KEPT and len(frame[name].unique()) == 1]
    fixed = " · ".join(f"{_title(name)} {_words(frame[name].iloc[0])}" for name in same)
    rows = _rows(frame.head(ROWS_SHOWN), [name for name in present if name not in same])
    hidden = [Text(f"… and {len(plan) - ROWS_SHOWN} more points", "dim")] if len(plan) > ROWS_SHOWN else []
    every = [Text(f"every point: {fixed}", "dim")] if fixed else []
    return Group(*every, rows, *hidden, Text(plain(plan.summary()), "bold"), *_grouped(plan))


def plan_calls(plan: Plan) -> RenderableType:
    """Return the very request that each point would be sent as: method, address and body, without the credential."""
    from rich.console import Group
    from rich.text import Text

    lines = [(n, point.call) for n, point in enumerate(plan) if point.call]
    return Group(*(Text(plain(f"{n}  {call['method']} {call['url']} {_body(call)}")) for n, call in lines))


def _body(call: Mapping[str, Any]) -> str:
    return json.dumps(call.get("body"), ensure_ascii=False)


def _columns(present: Sequence[str]) -> list[str]:
    variables = [name for name in present if name.startswith("var_")]
    return ["provider", "model", "mode", "duration", "aspect_ratio", *variables, "prompt", "sample", *KEPT]


def _rows(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right", style="dim")
    for name in names:
        table.add_column(_title(name), justify=_side(name), no_wrap=name != "prompt" and not name.startswith("var_"))
    for index, row in zip(frame.index, frame[list(names)].astype(object).to_numpy(), strict=True):
        table.add_row(str(index), *(_cell(name, value) for name, value in zip(names, row, strict=True)))
    return table


def _title(name: str) -> str:
    return plain(name.removeprefix("var_"))


def _side(name: str) -> Any:
    return "right" if name in ("duration", "sample", "price") else "left"


def _cell(name: str, value: Any) -> Text:
    from rich.text import Text

    words = _words(value)
    return Text(words, {"buy": "green", "refused": "red", "—": "dim"}.get(words, "") if name != "prompt" else "")


def _words(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - how NaN is told
        return "—"
    words = f"{value:g}" if isinstance(value, float) else plain(str(value))
    return words if len(words) <= CELL_LONGEST else words[: CELL_LONGEST - 1] + "…"


def _grouped(plan: Plan) -> list[Text]:
    losses = [(point, loss) for point in plan.points for loss in point.losses]
    changed = {(point.point.index, loss.field) for point, loss in losses}
    warnings = [(point, one) for point in plan.points for one in point.warnings]
    found = (
        ("Refused", "red", [(point, problem) for point in plan.points for problem in point.refusals]),
        ("Changed", "yellow", [(point, loss) for point, loss in losses if loss.is_loss]),
        ("Filled in, or left to the provider", "cyan", [(point, loss) for point, loss in losses if not loss.is_loss]),
        ("Good to know", "cyan", [(at, one) for at, one in warnings if (at.point.index, one.field) not in changed]),
    )
    return [line for title, colour, said in found for line in _section(title, colour, _said(said))]


def _said(found: Sequence[tuple[PlannedPoint, object]]) -> list[tuple[str, list[int]]]:
    """Return each sentence with the points that it touches, the commonest first."""
    touched: dict[str, dict[int, None]] = defaultdict(dict)
    for point, words in found:
        touched[f"{point.provider}: {words}"][point.point.index] = None
    return sorted(((words, list(points)) for words, points in touched.items()), key=lambda one: -len(one[1]))


def _section(title: str, colour: str, said: Sequence[tuple[str, list[int]]]) -> list[Text]:
    from rich.text import Text

    lines = [Text.assemble(f"  {plain(words)} ", (_named(points), "dim")) for words, points in said[:LINES_SHOWN]]
    more = [Text(f"  … and {len(said) - LINES_SHOWN} more", "dim")] if len(said) > LINES_SHOWN else []
    return [Text(title, f"bold {colour}"), *lines, *more] if lines else []


def _named(points: Sequence[int]) -> str:
    if len(points) > POINTS_NAMED:
        return f"({len(points)} points)"
    return f"({'point' if len(points) == 1 else 'points'} {', '.join(map(str, points))})"


def plain(text: str) -> str:
    """Return foreign text in one line without control characters, which could rewrite a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
