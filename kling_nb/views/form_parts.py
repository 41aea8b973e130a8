"""The controls of the sweep form, made from its fields: what holds a value, and what is said under it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from .form_draft import DESIGNS, MONEY, text_of_values
from .form_fields import Field, Offered, in_words

Changed = Callable[[str], None]

VARIABLE_HINT = "values, separated by commas or lines"


def paragraphs(kind: str, sentences: Iterable[str]) -> str:
    """Return sentences as paragraphs of one kind: ``bad``, ``warn`` or ``soft``. Everything is escaped."""
    return "".join(f'<p class="knb-{kind}">{escape(sentence)}</p>' for sentence in sentences if sentence)


def words(*classes: str, value: str = "") -> Any:
    """Return a widget that shows HTML, or nothing."""
    return _classed(widgets.HTML(value), "knb-words", *classes)


def group(children: Sequence[Any], *classes: str) -> Any:
    """Return a box; how it is laid out is up to the style sheet."""
    return _classed(widgets.Box(children), *classes)


def _classed(widget: Any, *classes: str) -> Any:
    for name in classes:
        widget.add_class(name)
    return widget


class Choices:
    """Several values to choose from, each a checkbox; which ones are there changes with what is offered."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self._field = field
        self._changed = changed
        self._checks: dict[Any, Any] = {}
        self._offered: tuple[Any, ...] = ()
        self._row = group([], "knb-chips")
        legend = words("knb-legend", value=escape(field.title))
        self.widget = group([legend, self._row], "knb-choices", f"knb-{field.name}")

    def get(self) -> tuple[Any, ...]:
        """Return what is chosen, in the order in which it is offered."""
        return tuple(value for value in self._offered if self._checks[value].value)

    def set(self, values: Any) -> None:
        """Choose these; raises `KeyError` with the first that is not offered."""
        wanted = list(values) if isinstance(values, list | tuple) else [values]
        strange = [value for value in wanted if value not in self._offered]
        if strange:
            raise KeyError(strange[0])
        for value in self._offered:
            self._checks[value].value = value in wanted

    def offer(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Offer these instead; returns what was chosen and is no longer offered, which is not chosen any more."""
        dropped = tuple(value for value in self.get() if value not in values)
        for value in dropped:
            self._checks[value].value = False
        if tuple(values) != self._offered:
            self._offered = tuple(values)
            self._row.children = [self._check(value) for value in values]
        return dropped

    def _check(self, value: Any) -> Any:
        if value not in self._checks:
            said = f"{value}{self._field.unit}"
            check = widgets.Checkbox(description=said, indent=False, tooltip=f"{self._field.title}: {said}")
            check.observe(lambda _: self._changed(self._field.name), "value")
            self._checks[value] = _classed(check, "knb-chip")
        return self._checks[value]


class Text:
    """Values that are typed: a text box of one or more lines."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self._field = field
        kind = widgets.Text if field.kind == "numbers" else widgets.Textarea
        rows = {} if field.kind == "numbers" else {"rows": field.rows}
        self.widget = kind(description=field.title, placeholder=field.hint, **rows)
        _classed(self.widget, "knb-text", f"knb-{field.name}")
        self.widget.observe(lambda _: changed(field.name), "value")

    def get(self) -> str:
        """Return what is typed."""
        value: str = self.widget.value
        return value

    def set(self, values: Any) -> None:
        """Enter one value, or a list of them; raises `InputError` for one that cannot be entered."""
        by_lines = self._field.kind == "lines"
        self.widget.value = "" if values in (None, []) else text_of_values(self._field.name, values, by_lines=by_lines)

    def offer(self, _: Sequence[Any]) -> tuple[Any, ...]:
        """Return nothing: what is typed stays, even where it is not used."""
        return ()


class Section:
    """One field in the form: its control, and everything that is said of it."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self.field = field
        self.control = Choices(field, changed) if field.kind == "choices" else Text(field, changed)
        self.offered = Offered()
        self._dropped: tuple[Any, ...] = ()
        self._wrong: Sequence[str] = ()
        self._warned: Sequence[str] = ()
        self._said = words("knb-said")
        self.box = group([self.control.widget, self._said], "knb-field")

    @property
    def is_open(self) -> bool:
        """Whether what is entered here counts."""
        return not self.offered.closed

    def offer(self, offered: Offered) -> None:
        """Offer what the catalogue says; what was chosen and is not there any more is dropped, and said to be."""
        dropped = (*self._dropped, *self.control.offer(offered.values))
        self._dropped = tuple(value for value in dropped if value not in offered.values)
        self.offered = offered
        self.control.widget.layout.display = None if self.is_open else "none"
        self._show()

    def forget(self) -> None:
        """Say no more of what was dropped: somebody has chosen anew."""
        self._dropped = ()

    def say(self, wrong: Sequence[str], warned: Sequence[str]) -> None:
        """Say what is wrong with what is entered, and what to be warned of."""
        self._wrong, self._warned = wrong, warned
        self._show()

    def _show(self) -> None:
        self._said.value = self._closed() if self.offered.closed else "".join((
            paragraphs("bad", self._wrong),
            paragraphs("warn", [self._told_dropped(), *self._warned]),
            paragraphs("soft", [*self._notes(), "" if self.control.get() else self.offered.left_open]),
        ))  # fmt: skip

    def _notes(self) -> list[str]:
        told = " ".join([*self._wrong, *self._warned])
        return [note for note in self.offered.notes if note not in told]

    def _told_dropped(self) -> str:
        return f"no longer offered and taken out: {in_words(self._dropped)}{self.field.unit}" if self._dropped else ""

    def _closed(self) -> str:
        unused = "what is typed there is not used" if self.control.get() else ""
        why = paragraphs("warn", [self._told_dropped(), unused])
        why += paragraphs("soft", [f"not offered: {self.offered.closed}"])
        return f'<p class="knb-legend">{escape(self.field.title)}</p>{why}'


class Variables:
    """A text box for each variable of the prompts; what was typed for one that is gone comes back with it."""

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self._texts: dict[str, Text] = {}
        self.box = group([], "knb-variables")

    def show(self, names: Sequence[str]) -> None:
        """Show the boxes of these variables."""
        children = tuple(self._text(name).widget for name in names)
        if children != self.box.children:
            self.box.children = children

    def get(self) -> dict[str, str]:
        """Return what is typed, by variable."""
        return {name: text.get() for name, text in self._texts.items()}

    def set(self, name: str, values: Any) -> None:
        """Enter the values of a variable."""
        self._text(name).set(values)

    def _text(self, name: str) -> Text:
        if name not in self._texts:
            title = f"{{{name}}}"
            field = Field(name=name, title=title, kind="values", plural=name, hint=VARIABLE_HINT)
            self._texts[name] = Text(field, lambda _: self._changed("variables"))
        return self._texts[name]


class Settings:
    """How the sweep is made and what it may cost: design, repeats, budget, name."""

    def __init__(self, changed: Changed) -> None:
        whole = widgets.BoundedIntText
        self._controls: dict[str, Any] = {
            "design": widgets.Dropdown(options=DESIGNS, description="Design"),
            "n": whole(value=10, min=1, max=1_000_000, description="Points to draw"),
            "seed": widgets.IntText(value=0, description="Seed"),
            "repeats": whole(value=1, min=1, max=1_000, description="Repeats"),
            "budget": widgets.Text(description="Budget, USD", placeholder="no ceiling"),
            "name": widgets.Text(description="Run name", placeholder="made from the sweep"),
            "assume_price": widgets.Text(description="Price to assume, USD a clip"),
        }
        self._said = words("knb-said")
        for name, control in self._controls.items():
            _classed(control, "knb-text", f"knb-{name}").observe(_told(changed, name), "value")
        self.box = group([group([*self._controls.values()], "knb-settings"), self._said], "knb-field")
        self.fit(assumes=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all settings."""
        return tuple(self._controls)

    def get(self) -> dict[str, Any]:
        """Return what is entered, by name."""
        return {name: control.value for name, control in self._controls.items()}

    def set(self, name: str, value: Any) -> None:
        """Enter a setting; raises `ValueError` or `TraitError` for what its control cannot hold."""
        is_text = name in (*MONEY, "name")
        self._controls[name].value = ("" if value is None else str(value)) if is_text else value

    def fit(self, *, assumes: bool, hint: str = "") -> None:
        """Show what the design needs, and the assumed price where one is asked for; ``hint`` proposes it."""
        sample = self._controls["design"].value == "sample"
        shown = {"n": sample, "seed": sample, "assume_price": assumes or bool(self._controls["assume_price"].value)}
        for name, is_shown in shown.items():
            self._controls[name].layout.display = None if is_shown else "none"
        self._controls["assume_price"].placeholder = hint

    def say(self, wrong: Mapping[str, Sequence[str]]) -> None:
        """Show what is wrong with the settings."""
        own = [sentence for name in ("", *self._controls) for sentence in wrong.get(name, ())]
        self._said.value = paragraphs("bad", own)


def _told(changed: Changed, name: str) -> Callable[[Any], None]:
    return lambda _: changed(name)
