"""The shots of the sweep form: how a video is cut, and, where that is written here, a row for each shot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from ..errors import InputError
from ..fields import Shot, read_field
from .form_fields import MOST_SHOTS, Field
from .form_parts import Changed, Choices, button, group, paragraphs, plain, show_if, words
from .form_shelf import Offered

FIRST = (3, 2)  # seconds of the shots that one begins with: together what most models take by default
LONGEST = 15


class Row:
    """One shot: its words, its seconds, and a button that takes it away."""

    def __init__(self, changed: Callable[[], None], remove: Callable[[Row], None], text: str, seconds: int) -> None:
        hint = "what this shot shows"
        self.text = plain(widgets.Text, text, placeholder=hint, classes=["knb-text", "knb-shot-text"])
        self.seconds = plain(
            widgets.BoundedIntText, seconds, min=1, max=LONGEST, classes=["knb-text", "knb-shot-seconds"]
        )
        self._remove = button("Remove", lambda: remove(self), "knb-quiet")
        self.box = group([self.text, self.seconds, self._remove], "knb-shot")
        for control in (self.text, self.seconds):
            control.observe(lambda _: changed(), "value")

    def number(self, place: int) -> None:
        """Name the controls by the place of the shot."""
        self.text.description, self.seconds.description = f"Shot {place}", f"Shot {place}, seconds"
        self._remove.description = self._remove.tooltip = f"Remove shot {place}"


class Shots:
    """How a video is cut; *customize* has up to six shots, whose seconds are added up beside the video's."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self._field = field
        self._changed = changed
        self._rows: list[Row] = []
        self._lengths: Sequence[int] = ()
        self._cuts = Choices(field, lambda _: self._chosen())
        self._list = group([], "knb-shots")
        self._add = button("Add a shot", self._add_row, "knb-quiet")
        self._sum = words("knb-sum")
        self._written = group([self._list, group([self._add, self._sum], "knb-shot-bar")], "knb-field")
        self.widget = group([self._cuts.widget, self._written], "knb-field")
        self._fit()

    @property
    def _cut(self) -> str | None:
        return next(iter(self._cuts.get()), None)

    def get(self) -> tuple[Any, ...]:
        """Return nothing where it is left open, else the cut and the shots as (words, seconds)."""
        rows = tuple((row.text.value, row.seconds.value) for row in self._rows) if self._cut == "customize" else ()
        return (self._cut, rows) if self._cut else ()

    def set(self, values: Any) -> None:
        """Enter ``intelligence``, ``off``, or a list of shots; raises `KeyError` for a cut that is not offered."""
        is_cut = values is None or isinstance(values, str | bool)
        cut = {True: "intelligence", False: "off"}.get(values, values) if is_cut else "customize"
        shots = () if is_cut else read_field("multi_prompt", values)
        self._check(shots)
        self._cuts.set(cut)
        self._rows = [self._row(shot.prompt, shot.duration) for shot in shots] or self._rows
        self._chosen()

    def offer(self, offered: Offered) -> tuple[Any, ...]:
        """Offer these cuts; returns the chosen one where it is gone, and leaves it open then."""
        dropped = self._cuts.offer(offered)
        self._fit()
        return dropped

    def fit(self, lengths: Sequence[int]) -> None:
        """Show the sum beside the lengths of the video that are chosen."""
        self._lengths = lengths
        self._fit()

    def _check(self, shots: Sequence[Shot]) -> None:
        lines = any("\n" in shot.prompt for shot in shots)
        if lines or len(shots) > MOST_SHOTS or any(not 1 <= shot.duration <= LONGEST for shot in shots):
            room = f"up to {MOST_SHOTS} shots of one line and 1 to {LONGEST} seconds"
            message = f"{self._field.name}: {len(shots)} shots cannot be entered: the form has room for {room}"
            raise InputError(message)

    def _chosen(self) -> None:
        if self._cut == "customize" and not self._rows:
            self._rows = [self._row("", seconds) for seconds in FIRST]
        self._tell()

    def _add_row(self) -> None:
        if len(self._rows) < MOST_SHOTS:
            self._rows.append(self._row("", 1))
            self._tell()

    def _remove_row(self, row: Row) -> None:
        self._rows = [one for one in self._rows if one is not row]
        self._tell()

    def _row(self, text: str, seconds: int) -> Row:
        return Row(self._tell, self._remove_row, text, seconds)

    def _tell(self) -> None:
        self._fit()
        self._changed(self._field.name)

    def _fit(self) -> None:
        for place, row in enumerate(self._rows, start=1):
            row.number(place)
        children = tuple(row.box for row in self._rows)
        if children != self._list.children:
            self._list.children = children
        show_if(self._written, shown=self._cut == "customize")
        self._add.disabled = len(self._rows) >= MOST_SHOTS
        self._sum.value = paragraphs(*self._sum_in_words())

    def _sum_in_words(self) -> tuple[str, list[str]]:
        total = sum(row.seconds.value for row in self._rows)
        others = [length for length in self._lengths if length != total]
        if not self._lengths:
            return "soft", [f"together {total} s; the duration is left open"]
        chosen = " or ".join(map(str, self._lengths))
        return "warn" if others else "soft", [f"together {total} s of {chosen} s"]
