"""A plan in a terminal, by rich: one line per point, whatever the width. Nothing foreign is read as markup."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..excerpts import plain

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from .plan import Plan
    from .points import PlannedPoint

ROWS_SHOWN = 24
LINES_SHOWN = 12
POINTS_NAMED = 6
CELL_LONGEST = 70  # cells of the terminal
PROMPT_LEAST = 12  # cells that a prompt in a row has, however narrow the terminal is
NATURAL = 10_000  # cells: wider than any table
AT_THE_COMMAND = "kling-nb plan --calls shows what each would send"
IN_PYTHON = "plan.df() has them all"
KEPT = ("fate", "price")  # columns that are shown even where they do not vary


def plan_table(plan: Plan, *, elsewhere: str = AT_THE_COMMAND) -> RenderableType:
    """Return a plan as rich shows it: a row a point, the sum, and each change and refusal once with its points.

    What is the same for every point is said once, above the rows, and so are a few prompts that are too long for them.
    ``elsewhere`` says where the points are that have no row.
    """
    from rich.console import Group
    from rich.text import Text

    frame = plan.df()
    present = [name for name in _columns(list(frame.columns)) if frame[name].notna().any()]
    same = [name for name in present if name not in KEPT and len(frame[name].unique()) == 1]
    fixed = " · ".join(f"{_title(name)} {_words(frame[name].iloc[0])}" for name in same)
    rows = _Rows(frame, [name for name in present if name not in same])
    left = f"… and {len(plan) - ROWS_SHOWN} more points; {elsewhere}"
    hidden = [Text(left, "dim")] if len(plan) > ROWS_SHOWN else []
    every = [Text(f"every point: {fixed}", "dim")] if fixed else []
    return Group(*every, rows, *hidden, Text(plain(plan.summary()), "bold"), *_grouped(plan))


def plan_text(plan: Plan) -> str:
    """Return a plan as text as wide as the terminal is, without colours: who shows it may keep it."""
    from rich.console import Console

    text = io.StringIO()
    width = shutil.get_terminal_size().columns
    Console(file=text, width=width, color_system=None).print(plan_table(plan, elsewhere=IN_PYTHON))
    return text.getvalue().rstrip()


def is_at_a_prompt() -> bool:
    """Tell whether IPython shows text and nothing else, as in a terminal; a kernel's front end has the HTML."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is None


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


@dataclass(frozen=True)
class _Rows:
    """Rows of a plan, each in one line, as wide as the terminal is: where it is narrow, prompts give way."""

    frame: pd.DataFrame
    names: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the table, whole if it fits; else the prompts above it, or cut in it where they are many."""
        room, whole = options.max_width, _table(self.frame, self.names)
        if "prompt" not in self.names or _width(console, whole) <= room:
            yield whole
        elif len(numbers := self._numbers()) <= LINES_SHOWN:
            yield from (_line(f"prompt {number}  {prompt}", room) for prompt, number in numbers.items())
            yield _table(self._with(numbers.__getitem__), self._less())
        else:
            yield self._cut_to(console, room)

    def _numbers(self) -> dict[str, str]:
        return {prompt: str(number) for number, prompt in enumerate(dict.fromkeys(self._prompts()), 1)}

    def _prompts(self) -> list[str]:
        return [plain(prompt or "—") for prompt in self.frame["prompt"]]

    def _with(self, said: Callable[[str], str]) -> pd.DataFrame:
        return self.frame.assign(prompt=[said(prompt) for prompt in self._prompts()])

    def _less(self) -> list[str]:
        """Return the columns without the variables, which the prompts hold."""
        return [name for name in self.names if not name.startswith("var_")]

    def _cut_to(self, console: Console, room: int) -> Table:
        """Return the table with prompts cut to what is left of the room, with their variables if that is enough."""
        bare = self._with(lambda _: "")
        for names in (self.names, self._less()):
            left = room - _width(console, _table(bare, names)) + len("prompt")
            if left >= PROMPT_LEAST:
                break
        return _table(self._with(lambda prompt: _cut(prompt, max(PROMPT_LEAST, left))), names)


def _line(words: str, room: int) -> Text:
    from rich.text import Text

    return Text(_cut(words, room), "dim")


def _width(console: Console, table: Table) -> int:
    """Return how wide a table is where it has all the room that it wants."""
    return console.measure(table, options=console.options.update_width(NATURAL)).maximum


def _table(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("#", justify="right", style="dim")
    for name in names:
        table.add_column(_title(name), justify=_side(name), no_wrap=True)
    shown = frame[list(names)].head(ROWS_SHOWN)
    for index, row in zip(shown.index, shown.astype(object).to_numpy(), strict=True):
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
    return _cut(f"{value:g}" if isinstance(value, float) else plain(str(value)), CELL_LONGEST)


def _cut(words: str, room: int) -> str:
    """Return words in so many cells of the terminal, cut in their middle where they are longer."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(words) <= room:
        return words
    tail = (room - 1) // 2
    return f"{set_cell_size(words, room - 1 - tail)}…{set_cell_size(words[::-1], tail)[::-1]}"


def _grouped(plan: Plan) -> list[RenderableType]:
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


def _section(title: str, colour: str, said: Sequence[tuple[str, list[int]]]) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    lines = [Text.assemble(f"{plain(words)} ", (_named(points), "dim")) for words, points in said[:LINES_SHOWN]]
    more = [Text(f"… and {len(said) - LINES_SHOWN} more", "dim")] if len(said) > LINES_SHOWN else []
    indented = [Padding(line, (0, 0, 0, 2), expand=False) for line in (*lines, *more)]
    return [Text(title, f"bold {colour}"), *indented] if lines else []


def _named(points: Sequence[int]) -> str:
    if len(points) > POINTS_NAMED:
        return f"({len(points)} points)"
    return f"({'point' if len(points) == 1 else 'points'} {', '.join(map(str, points))})"
