"""All fields and settings of the sweep form together: what they offer each other, and what is entered in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import ipywidgets as widgets

from ..errors import InputError, nearest
from ..menu import NONE
from .form_camera import Camera
from .form_draft import Draft, draft
from .form_fields import FIELDS, GATES, IMAGES, Field
from .form_images import Images
from .form_outlook import Outlook
from .form_parts import Changed, Choices, Control, Section, Text, Variables, group, plain, show_if, words
from .form_pictures import Pictures
from .form_reading import lines_of
from .form_settings import Settings
from .form_shelf import Shelf
from .form_shots import Shots

LEFT = ("provider", "model", "prompt", "negative_prompt", "image", "image_tail")
MORE_WORDS = "More: callback address, extra fields, combinations to leave out"
MORE = ("exclude", *(f.name for f in FIELDS if f.is_more))


class Board:
    """Every control of the form, without the buttons and what is said of the whole.

    ``changed`` is called with the name of what a person changed. Nothing here is safe for several threads at once.
    """

    def __init__(self, shelf: Shelf, pictures: Pictures, changed: Changed) -> None:
        self._shelf = shelf
        self._pictures = pictures
        by_name = {f.name: f for f in FIELDS}
        self._images = {name: Images(by_name[name], changed, pictures) for name in IMAGES}
        self._shots = Shots(by_name["multi_prompt"], changed)
        own: dict[str, Control] = {**self._images, "multi_prompt": self._shots}
        self.sections = {f.name: Section(f, own.get(f.name) or _plain_control(f, changed)) for f in FIELDS}
        self.variables, self.settings = Variables(changed), Settings(changed)
        self._elsewhere = words("knb-elsewhere")
        self._toggle = plain(widgets.ToggleButton, description=MORE_WORDS, tooltip="", classes=["knb-quiet"])
        self.widget = self._columns()

    def _columns(self) -> Any:
        left = [self.sections[name].box for name in LEFT]
        left.insert(LEFT.index("prompt") + 1, self.variables.box)
        rest = [section for name, section in self.sections.items() if name not in LEFT]
        right = [*(section.box for section in rest if not section.field.is_more), self._elsewhere]
        more = self._more([section.box for section in rest if section.field.is_more])
        columns = [group(left, "knb-column"), group(right, "knb-column"), self.settings.box, more]
        return group(columns, "knb-columns")

    def _more(self, boxes: list[Any]) -> Any:
        """Return what is rarely needed, behind a button that shows it."""
        held = group([*boxes, self.settings.more], "knb-more")
        self._toggle.observe(lambda change: show_if(held, shown=change["new"]), "value")
        show_if(held, shown=False)
        return group([self._toggle, held], "knb-field")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all fields and settings."""
        return (*self.sections, *self.settings.names)

    def offered(self, name: str) -> tuple[Any, ...]:
        """Return what a field offers now; nothing where it is closed. Raises `InputError` where there is no such field."""
        if name not in self.sections:
            message = f"there is no field {name!r}; {nearest(name, self.sections)}"
            raise InputError(message)
        section = self.sections[name]
        return section.offered.values if section.is_open else ()

    def enter(self, values: Mapping[str, Any]) -> None:
        """Fill fields, settings and variables in, by their names; images first, since they decide what is offered."""
        plurals = {field.plural: field.name for field in FIELDS}
        given = {plurals.get(name, name): value for name, value in values.items()}
        order = [*IMAGES, *self.names]
        for name in sorted(given, key=lambda name: order.index(name) if name in order else len(order)):
            self._enter(name, given[name])

    def _enter(self, name: str, value: Any) -> None:
        if name in self.settings.names:
            self.settings.set(name, value)
        elif name in self.sections:
            self._enter_field(name, value)
        else:
            self._enter_variable(name, value)

    def _enter_field(self, name: str, value: Any) -> None:
        section = self.sections[name]
        section.forget()
        try:
            section.control.set(value)
        except KeyError as error:
            offered = map(section.field.words, section.offered.values)
            message = f"{name}={error.args[0]!r} is not offered; {nearest(str(error.args[0]), offered)}"
            raise InputError(message) from None
        self.heed(name)

    def _enter_variable(self, name: str, value: Any) -> None:
        known = draft(self.entries()).variables
        if name not in known:
            message = f"there is no field, setting or variable {name!r}; "
            raise InputError(message + nearest(name, [*self.names, *known]))
        self.variables.set(name, value)

    def heed(self, name: str) -> None:
        """Let every field offer what a change of this one leaves."""
        if name in (*GATES, *IMAGES):
            self.offer()

    def offer(self, first: Mapping[str, Any] = NONE) -> None:
        """Let every field offer what the fields before it leave; ``first`` is chosen on the way, where it is offered."""
        framed = [name for name in IMAGES if lines_of(self.sections[name].control.get())]
        chosen: dict[str, Any] = {"task_type": ("image2video" if framed else "text2video",)}
        chosen |= {"image_tail": ("given",)} if "image_tail" in framed else {}
        for name, section in self.sections.items():
            section.offer(self._shelf.offered(section.field, chosen))
            if first.get(name) in section.offered.values:
                section.control.set(first[name])
            if name in GATES:
                chosen[name] = section.control.get()
        self._elsewhere.value = self._elsewhere_in_words()

    def _elsewhere_in_words(self) -> str:
        """Say which models have what none of the chosen ones does."""
        hidden = [section for section in self.sections.values() if section.offered.closed and section.offered.elsewhere]
        told = "; ".join(f"{section.field.title}: {section.offered.elsewhere}" for section in hidden)
        return f'<p class="knb-soft">with other models only: {escape(told)}</p>' if told else ""

    def entries(self) -> dict[str, Any]:
        """Return everything that is entered, as `kling_nb.views.form_reading` reads it."""
        held = {name: section.control.get() for name, section in self.sections.items() if section.is_open}
        pictures = {name: images.look() for name, images in self._images.items() if name in held}
        unreadable = {name: [one.wrong for one in looked if one.wrong] for name, looked in pictures.items()}
        references = {one.line: one.ref for looked in pictures.values() for one in looked if one.ref}
        seen = {"unreadable": unreadable, "references": references, "named": dict(self._pictures.names)}
        return {**held, **seen, "variables": self.variables.get(), **self.settings.get()}

    def show(self, held: Draft, found: Outlook) -> None:
        """Show what is said of the fields and settings."""
        self.variables.show(held.variables)
        for name, section in self.sections.items():
            section.say(found.wrong.get(name, ()), found.warned.get(name, ()))
        for images in self._images.values():
            images.show()
        self.settings.say({name: said for name, said in found.wrong.items() if name not in self.sections})
        self.settings.fit(assumes=found.unpriced is not None, hint=found.official)
        self._shots.fit(self.sections["duration"].control.get())
        self._toggle.value = self._toggle.value or any(name in {**found.wrong, **found.warned} for name in MORE)


def _plain_control(field: Field, changed: Changed) -> Control:
    made: dict[str, Callable[[Field, Changed], Control]] = {"choices": Choices, "camera": Camera}
    return made.get(field.kind, Text)(field, changed)
