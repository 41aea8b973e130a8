"""The settings of the sweep form: how the sweep is made, what it may cost, and what is left out of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import ipywidgets as widgets

from ..errors import InputError, nearest
from ..excerpts import as_code
from ..plan import OFFICIAL
from ..sweep import DESIGNS
from .form_fields import Field
from .form_parts import Changed, Choices, button, group, paragraphs, plain, show_if, words
from .form_reading import MONEY, text_of_rules
from .form_shelf import Offered

DESIGN = Field(name="design", title="Design", kind="choices", plural="design", is_single=True)
DESIGN_WORDS = {
    "grid": "every combination",
    "zip": "the first values of all lists together, then the second ones, and so on",
    "pairwise": "few combinations, with every pair of values at least once",
    "sample": "some of the combinations, drawn at random",
}
"""What each design makes, in a few words; the sweep says which there are, and in what order."""
NUMBERS = ("n", "seed", "repeats")
RULES_TITLE = "Leave out, one rule per line"
RULES_HINT = "provider=fal, mode=std|pro"


class Settings:
    """Design, repeats, budget, name, the price to assume, and the combinations to leave out.

    ``more`` is the box of those that are rarely needed, and has no place of its own in ``box``.
    """

    def __init__(self, changed: Changed) -> None:
        whole, text = widgets.BoundedIntText, widgets.Text
        rules = {"description": RULES_TITLE, "placeholder": RULES_HINT, "rows": 2}
        self._design = Choices(DESIGN, changed)
        self._design.offer(Offered(DESIGNS))
        self._controls: dict[str, Any] = {
            "n": _plain("n", whole, value=10, min=1, max=1_000_000, description="Points to draw"),
            "seed": _plain("seed", widgets.IntText, value=0, description="Seed"),
            "repeats": _plain("repeats", whole, value=1, min=1, max=1_000, description="Repeats"),
            "budget": _plain("budget", text, description="Budget, USD", placeholder="no ceiling"),
            "name": _plain("name", text, description="Run name", placeholder="made from the sweep"),
            "assume_price": _plain("assume_price", text, description="Price to assume, USD"),
            "exclude": _plain("exclude", widgets.Textarea, **rules),
        }
        self._said = words("knb-said")
        self._official = button("Assume Kling's list price", self._take_official, "knb-official")
        for name, control in self._controls.items():
            control.observe(_told(changed, name), "value")
        shown = [control for name, control in self._controls.items() if name != "exclude"]
        row = group([*shown, self._official], "knb-settings")
        self._open = words("knb-said")
        self.box = group([self._design.widget, self._open, row, self._said], "knb-field", "knb-made")
        self._said_more = words("knb-said")
        self.more = group([self._controls["exclude"], self._said_more], "knb-field")
        self.fit(assumes=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all settings."""
        return ("design", *self._controls)

    def get(self) -> dict[str, Any]:
        """Return what is entered, by name; a design that is not chosen is a grid."""
        design = next(iter(self._design.get()), DESIGNS[0])
        return {"design": design, **{name: control.value for name, control in self._controls.items()}}

    def set(self, name: str, value: Any) -> None:
        """Enter a setting; raises `InputError` for what its control cannot hold."""
        if name == "design":
            self._set_design(value)
            return
        if name == "exclude":
            value = text_of_rules([value] if isinstance(value, Mapping) else value or ())
        elif name in (*MONEY, "name"):
            value = "" if value is None else str(value)
        elif name in NUMBERS:
            value = _whole(name, value, self._controls[name])
        self._controls[name].value = value

    def _set_design(self, value: Any) -> None:
        if value not in (None, *DESIGNS):
            message = f"design={value!r} is not offered; {nearest(str(value), DESIGNS)}"
            raise InputError(message)
        self._design.set(value)

    def fit(self, *, assumes: bool, hint: str = "") -> None:
        """Show what the design needs, and the assumed price where one is asked for; ``hint`` proposes it."""
        sample = self._design.get() == ("sample",)
        self._open.value = paragraphs("soft", [self._design_in_words()])
        typed = self._controls["assume_price"].value
        shown = {"n": sample, "seed": sample, "assume_price": assumes or bool(typed)}
        for name, is_shown in shown.items():
            show_if(self._controls[name], shown=is_shown)
        self._controls["assume_price"].placeholder = hint
        show_if(self._official, shown=assumes and bool(hint))

    def _design_in_words(self) -> str:
        chosen = next(iter(self._design.get()), "")
        return DESIGN_WORDS[chosen] if chosen else f"none chosen: {DESIGNS[0]}, {DESIGN_WORDS[DESIGNS[0]]}"

    def say(self, wrong: Mapping[str, Sequence[str]]) -> None:
        """Show what is wrong with the settings."""
        self._said.value = "".join(
            self._own(name, wrong.get(name, ())) for name in ("", *self.names) if name != "exclude"
        )
        self._said_more.value = paragraphs("bad", wrong.get("exclude", ()))

    def _own(self, name: str, wrong: Sequence[str]) -> str:
        """Return sentences with the setting that they are about, since the settings stand in one row."""
        control = self._controls.get(name)
        if control is None:
            return paragraphs("bad", wrong)
        title = control.description.partition(",")[0]
        return paragraphs(f"bad knb-of-{name}", [f"{title}: {sentence}" for sentence in wrong])

    def _take_official(self) -> None:
        self._controls["assume_price"].value = OFFICIAL


def _plain(name: str, kind: type[Any], **traits: Any) -> Any:
    return plain(kind, classes=["knb-text", f"knb-{name}"], **traits)


def _whole(name: str, value: Any, control: Any) -> int:
    """Return a whole number that a control can hold, which else would take the nearest one without a word."""
    least, most = getattr(control, "min", -math.inf), getattr(control, "max", math.inf)
    if isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most:
        return int(value)
    reach = "" if math.isinf(most) else f" from {least} to {most:,}"
    message = f"{name}={as_code(value)}: expected a whole number{reach}; {name} stays as it was"
    raise InputError(message)


def _told(changed: Changed, name: str) -> Callable[[Any], None]:
    return lambda _: changed(name)
