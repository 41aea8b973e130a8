"""A plan in a terminal, by rich: one line per point, whatever the width. Nothing foreign is read as markup."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

from ..excerpts import in_words, plain
from .asked import ASKED

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
WORDS_LEAST = 12  # cells that a prompt or the like has in a row, however narrow the terminal is
NATURAL = 10_000  # cells: wider than any table
AT_THE_COMMAND = "kling-nb plan --calls shows what each would send"
IN_PYTHON = "plan.df() has them all"
KEPT = ("fate", "price")  # columns that are shown even where they do not vary
PROMPTS = ("prompt", "negative_prompt", "multi_prompt")  # which tell the variables too
WORDY = (*PROMPTS, "image", "image_tail", "camera_control", "callback_url", "extra")
"""Columns that give way where the terminal is narrow."""


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
    fixed = " · ".join(f"{_title(name)} {_words(frame[name].astype(object).iloc[0])}" for name in same)
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
    return [
        "provider",
        "model",
        "mode",
        "duration",
        "aspect_ratio",
        *variables,
        "prompt",
        *_further(present),
        "sample",
        *KEPT,
    ]


def _further(present: Sequence[str]) -> list[str]:
    return [name for name in ASKED if name in present]


@dataclass(frozen=True)
class _Rows:
    """Rows of a plan, each in one line, as wide as the terminal is: where it is narrow, prompts and the like give way."""

    frame: pd.DataFrame
    names: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Yield the table, whole if it fits; else the longest words above it, or cut in it where they are many."""
        room, rows, cut, told = options.max_width, self, list[str](), list[str]()
        for name in self._giving():
            numbers = {words: str(number) for number, words in enumerate(dict.fromkeys(self._said(name)), 1)}
            if rows.width(console) <= room:
                break
            if len(numbers) > LINES_SHOWN:
                cut.append(name)
                continue
            yield from (_line(f"{name} {number}  {words}", room) for words, number in numbers.items())
            rows = rows.with_words(name, numbers.__getitem__)
            told = [*told, name]
            rows = rows if rows.prompts - {*told} else rows.without_variables()
        yield (rows.cut_to(console, room, cut) if cut else rows).table

    @property
    def table(self) -> Table:
        """The rows as rich shows them."""
        return _table(self.frame, self.names)

    def width(self, console: Console) -> int:
        """Return how wide the table is where it has all the room that it wants."""
        return console.measure(self.table, options=console.options.update_width(NATURAL)).maximum

    def with_words(self, name: str, said: Callable[[str], str]) -> _Rows:
        """Return the rows with other words in a column."""
        return _Rows(self.frame.assign(**{name: [said(words) for words in self._said(name)]}), self.names)

    @property
    def prompts(self) -> set[str]:
        """The columns that hold what the variables are."""
        return {*PROMPTS} & {*self.names}

    def without_variables(self) -> _Rows:
        """Return the rows without the variables, which the prompts hold."""
        return _Rows(self.frame, [name for name in self.names if not name.startswith("var_")])

    def cut_to(self, console: Console, room: int, cut: Sequence[str]) -> _Rows:
        """Return the rows with these columns cut to what is left of the room, with variables if that is enough.

        Where the points look the same without them, they stay, and the columns become as narrow as their names.
        """
        with_all, without = self.cut(console, room, cut), self.without_variables().cut(console, room, cut)
        if with_all.width(console) <= room:
            return with_all
        tight = self.cut(console, room, cut, least=0)
        tells = all(len({*self._said(name)}) == len({*without._said(name)}) for name in cut)  # noqa: SLF001 - its own
        return without if tells or tight.width(console) > room else tight

    def cut(self, console: Console, room: int, names: Sequence[str], *, least: int = WORDS_LEAST) -> _Rows:
        """Return the rows with these columns cut to what the others leave of the room."""
        bare: _Rows = reduce(lambda rows, name: rows.with_words(name, lambda _: ""), names, self)
        left = room - bare.width(console) + sum(map(len, names))
        shares = _shares({name: self._longest(name) for name in names}, left)
        room_of = {name: max(least, len(name), share) for name, share in shares.items()}
        return reduce(lambda rows, name: rows.with_words(name, partial(_cut, room=room_of[name])), names, self)

    def _giving(self) -> list[str]:
        """Return the columns that can give way, the longest first: those that take more room than their name."""
        wordy = {name: self._longest(name) for name in WORDY if name in self.names}
        giving = [name for name, longest in wordy.items() if name == "prompt" or longest > len(name)]
        return sorted(giving, key=wordy.__getitem__, reverse=True)

    def _longest(self, name: str) -> int:
        from rich.cells import cell_len

        return max(min(cell_len(words), CELL_LONGEST) for words in self._said(name))

    def _said(self, name: str) -> list[str]:
        return [plain(words) if isinstance(words, str) and words else "—" for words in self.frame[name]]


def _shares(wants: Mapping[str, int], left: int) -> dict[str, int]:
    """Divide cells among columns: to each what it wants, or as much as to every other that wants more than there is."""
    shares: dict[str, int] = {}
    for others, (name, wanted) in enumerate(sorted(wants.items(), key=lambda one: one[1])):
        shares[name] = min(wanted, (left - sum(shares.values())) // (len(wants) - others))
    return shares


def _line(words: str, room: int) -> Text:
    from rich.text import Text

    return Text(_cut(words, room), "dim")


def _table(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("#", justify="right", style="dim")
    for name in names:
        table.add_column(_title(name), justify=_side(name), no_wrap=True)
    shown = frame[list(names)].head(ROWS_SHOWN)
    for index, row in zip(shown.index, shown.astype(object).where(shown.notna(), None).to_numpy(), strict=True):
        table.add_row(str(index), *(_cell(name, value) for name, value in zip(names, row, strict=True)))
    return table


def _title(name: str) -> str:
    return plain(name.removeprefix("var_"))


def _side(name: str) -> Any:
    return "right" if name in ("duration", "sample", "price") else "left"


def _cell(name: str, value: Any) -> Text:
    from rich.text import Text

    words = _words(value)
    return Text(words, {"buy": "green", "refused": "red", "—": "dim"}.get(words, "") if name not in WORDY else "")


def _words(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return in_words(value)
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
