"""The plain controls of the sweep form, made from its fields, and the words under each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any, Protocol

import ipywidgets as widgets

from .form_fields import Field
from .form_reading import text_of_extra, text_of_values
from .form_shelf import Offered
from .form_words import values_in_words
from .output import reply_on_the_askers_subshell

Changed = Callable[[str], None]

VARIABLE_HINT = "values, separated by commas or lines"
GONE = "knb-gone"  # a class, since a layout is not a widget's own
_COMMON: dict[type[Any], Any] = {}


def paragraphs(kind: str, sentences: Iterable[str]) -> str:
    """Return sentences as paragraphs of one kind: ``bad``, ``warn`` or ``soft``. Everything is escaped.

    Where several controls share them, ``bad knb-of-budget`` are those of one.
    """
    return "".join(f'<p class="knb-{kind}">{escape(sentence)}</p>' for sentence in sentences if sentence)


def plain(kind: type[Any], *values: Any, classes: Sequence[str] = (), **traits: Any) -> Any:
    """Return a widget that has its layout and its style in common with the others: looks are up to the style sheet.

    A widget otherwise makes both for itself, and hundreds of them were most of what a notebook keeps that is saved
    with its widgets, as papermill does. ``classes`` are of the style sheet; it is made with them, since each
    ``add_class`` is a message of its own, and ZeroMQ drops a kernel's messages without a word where thousands wait for a
    busy server: a form that lost one is never built, or stops following.
    """
    own = kind.class_traits()
    common = {name: _common(own[name].klass) for name in ("layout", "style") if name in own}
    made = kind(*values, **common, **traits, _dom_classes=classes)
    reply_on_the_askers_subshell(made.comm)
    return made


def begin_anew() -> None:
    """Let a form begin with a layout and styles of its own, which stand beside its widgets in the same messages.

    A page that was reloaded asks the kernel for what it had; a form that is made before the answer is there would name
    models that this page has not heard of, and ipywidgets waits two seconds for each and then shows an error instead.
    """
    _COMMON.clear()


def _common(kind: type[Any]) -> Any:
    """Return the one of its kind; another where it was closed, as ``Widget.close_all()`` does."""
    if kind not in _COMMON or _COMMON[kind].comm is None:
        _COMMON[kind] = kind()
    return _COMMON[kind]


def words(*classes: str, value: str = "") -> Any:
    """Return a widget that shows HTML, or nothing."""
    return plain(widgets.HTML, value, classes=("knb-words", *classes))


def group(children: Sequence[Any], *classes: str) -> Any:
    """Return a box."""
    return plain(widgets.Box, children, classes=classes)


def show_if(widget: Any, *, shown: bool) -> None:
    """Show a widget, or take it out of the page."""
    (widget.remove_class if shown else widget.add_class)(GONE)


def button(title: str, pressed: Callable[[], object], *classes: str, about: str = "") -> Any:
    """Return a button; ``about`` says to a screen reader what it is about."""
    made = plain(widgets.Button, description=title, tooltip=f"{title} {about}".strip(), classes=classes)
    made.on_click(lambda _: pressed())
    return made


class Control(Protocol):
    """What holds the entry of a field. An empty entry is false."""

    widget: Any

    def get(self) -> Any:
        """Return what is entered, as `kling_nb.views.form_reading` reads it."""

    def set(self, values: Any) -> None:
        """Enter values; raises `KeyError` with one that is not offered, `InputError` for what cannot be entered."""

    def offer(self, offered: Offered) -> tuple[Any, ...]:
        """Offer these instead; returns what was chosen and is no longer offered, which is not chosen any more."""


class Choices:
    """Several values to choose from, each a checkbox; which ones are there changes with what is offered."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self._field = field
        self._changed = changed
        self._checks: dict[Any, Any] = {}
        self._offered: tuple[Any, ...] = ()
        self._settling = False
        self._row = group([], "knb-chips")
        legend = words("knb-legend", value=escape(field.title))
        self.widget = group([legend, self._row], "knb-choices", f"knb-{field.name}")

    def get(self) -> tuple[Any, ...]:
        """Return what is chosen, in the order in which it is offered."""
        return tuple(value for value in self._offered if self._checks[value].value)

    def set(self, values: Any) -> None:
        """Choose these; raises `KeyError` with the first that is not offered."""
        wanted = list(values) if isinstance(values, list | tuple) else [] if values is None else [values]
        strange = [value for value in wanted if value not in self._offered]
        if strange:
            raise KeyError(strange[0])
        for value in self._offered:
            self._checks[value].value = value in wanted

    def offer(self, offered: Offered) -> tuple[Any, ...]:
        """Offer these instead; returns what was chosen and is no longer offered, which is not chosen any more."""
        dropped = tuple(value for value in self.get() if value not in offered.values)
        for value in dropped:
            self._checks[value].value = False
        if offered.values != self._offered:
            self._offered = offered.values
            self._row.children = [self._check(value) for value in offered.values]
        return dropped

    def _check(self, value: Any) -> Any:
        if value not in self._checks:
            said, title = self._field.words(value), self._field.title
            # Read aloud, a checkbox has to name its field too; the eye has the legend above. ipywidgets makes a tooltip
            # of the markup: on the box where a tooltip is given, on the words always, where the style sheet hides it.
            named = f'<span class="knb-unseen">{escape(title.lower())} </span>{escape(said)}'
            shown: dict[str, Any] = {"description": named, "description_allow_html": True, "indent": False}
            check = plain(widgets.Checkbox, **shown, classes=["knb-chip"])
            check.observe(lambda change: self._heard(value, checked=change["new"]), "value")
            self._checks[value] = check
        return self._checks[value]

    def _heard(self, value: Any, *, checked: bool) -> None:
        if self._settling:
            return
        if checked and self._field.is_single:
            self._settling = True
            for other in self._offered:
                self._checks[other].value = other == value
            self._settling = False
        self._changed(self._field.name)


class Text:
    """Values that are typed: a text box of one or more lines."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self._field = field
        is_line = field.kind in ("numbers", "address")
        kind = widgets.Text if is_line else widgets.Textarea
        traits = {"description": field.title, "placeholder": field.hint, **({} if is_line else {"rows": field.rows})}
        self.widget = plain(kind, **traits, classes=["knb-text", f"knb-{field.name}"])
        self.widget.observe(lambda _: changed(field.name), "value")

    def get(self) -> str:
        """Return what is typed."""
        value: str = self.widget.value
        return value

    def set(self, values: Any) -> None:
        """Enter one value, or a list of them; raises `InputError` for one that cannot be entered."""
        if self._field.kind == "json":
            self.widget.value = text_of_extra(self._field.name, values)
            return
        by_lines = self._field.kind not in ("numbers", "values")
        self.widget.value = "" if values in (None, []) else text_of_values(self._field.name, values, by_lines=by_lines)

    def offer(self, _: Offered) -> tuple[Any, ...]:
        """Return nothing: what is typed stays, even where it is not used."""
        return ()


class Section:
    """One field in the form: its control, and everything that is said of it."""

    def __init__(self, field: Field, control: Control) -> None:
        self.field = field
        self.control = control
        self.offered = Offered()
        self._dropped: tuple[Any, ...] = ()
        self._wrong: Sequence[str] = ()
        self._warned: Sequence[str] = ()
        self._said = words("knb-said")
        self.box = group([self.control.widget, self._said], "knb-field", f"knb-field-{field.name}")

    @property
    def is_open(self) -> bool:
        """Whether what is entered here counts."""
        return not self.offered.closed

    def offer(self, offered: Offered) -> None:
        """Offer what the catalogue says; what was chosen and is not there any more is dropped, and said to be."""
        dropped = (*self._dropped, *self.control.offer(offered))
        self._dropped = tuple(value for value in dropped if value not in offered.values)
        self.offered = offered
        show_if(self.control.widget, shown=self.is_open)
        self._show()

    def forget(self) -> None:
        """Say no more of what was dropped: somebody has chosen anew."""
        self._dropped = ()

    def say(self, wrong: Sequence[str], warned: Sequence[str]) -> None:
        """Say what is wrong with what is entered, and what to be warned of."""
        self._wrong, self._warned = wrong, warned
        self._show()

    def _show(self) -> None:
        show_if(self.box, shown=self.is_open or not self.field.is_rare or bool(self._lost()))
        self._said.value = self._closed() if self.offered.closed else "".join((
            paragraphs("bad", self._wrong),
            paragraphs("warn", [self._told_dropped(), *self._warned]),
            paragraphs("soft", [*self._notes(), "" if self.control.get() else self.offered.left_open]),
        ))  # fmt: skip

    def _notes(self) -> list[str]:
        told = " ".join([*self._wrong, *self._warned])
        return [note for note in self.offered.notes if note not in told]

    def _lost(self) -> list[str]:
        """Say what of the entry does not count: what was dropped, and what stands in a closed field."""
        unused = "what is entered there is not used" if self.control.get() and not self.is_open else ""
        return [said for said in (self._told_dropped(), unused) if said]

    def _told_dropped(self) -> str:
        return f"no longer offered, so removed: {values_in_words(self.field, self._dropped)}" if self._dropped else ""

    def _closed(self) -> str:
        why = paragraphs("warn", self._lost()) + paragraphs("soft", [f"not offered: {self.offered.closed}"])
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
