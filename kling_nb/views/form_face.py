"""What the sweep form shows besides its fields: headline, buttons, the one line, the Python, plan, panels, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from .form_draft import Draft
from .form_outlook import Outlook
from .form_parts import group, paragraphs, plain, words
from .output import has_kernel
from .page import HIDING, script, text_of
from .standing import in_one_sentence

if TYPE_CHECKING:
    from ..plan import Plan

ELSEWHERE = "elsewhere kn.Sweep(…) and lab.plan(sweep) do the same"
NO_MATH = "tex2jax_ignore mathjax_ignore"  # a pair of dollar signs would be set as mathematics by a notebook


class Face:
    """Everything around the fields. ``actions`` are the buttons: what each says, and what it does.

    An exception of an action is said in red under the buttons; a press while the same action runs is not heard.
    """

    def __init__(self, head: str, actions: Mapping[str, Callable[[], object]]) -> None:
        self._actions = actions
        self._busy: set[str] = set()
        self._line, self._code = words("knb-line"), words("knb-python")
        self._error, self._table = words("knb-error"), words("knb-table")
        self._buttons = {title: self._button(title) for title in actions}
        self._panels = group([], "knb-panels")
        self._head = words("knb-head", value=f"{head}<style>{text_of('form.css')}</style>")

    def around(self, fields: Any) -> Any:
        """Return the whole form: the fields, and everything around them."""
        bar = group([*self._buttons.values(), self._line], "knb-bar")
        parts = [self._head, fields, bar, self._error, self._panels, self._code, self._table, _access_class()()]
        return group(parts, "knb-form", *NO_MATH.split())

    def show(self, held: Draft, found: Outlook, started: str | None) -> None:
        """Show how things stand; ``started`` is the name of the run that this very form was started as."""
        stops = f"started as {started!r}, see below" if started is not None else found.stops
        told = stops if stops != found.line else ""
        kind = "soft" if started is not None or found.plan is None else "bad"
        self._buttons["Plan"].disabled = held.sweep is None
        self._buttons["Start"].disabled = bool(stops)
        self._code.value = code_html(held.code)
        self._line.value = f"<div>{escape(found.line)}{paragraphs(kind, [told])}</div>"  # when Start can be pressed
        self._line.remove_class("knb-stale")

    def show_plan(self, plan: Plan, *, is_stale: bool = False) -> None:
        """Show the table of a plan, which may be of the form as it was."""
        self._table.value = f'<p class="knb-legend">Plan</p>{plan._repr_html_()}'  # which escapes
        (self._table.add_class if is_stale else self._table.remove_class)("knb-stale")

    def age(self) -> None:
        """Mark the line and the table of the plan as those of the form as it was; what went wrong then is over."""
        self.say("")
        for shown in (self._line, self._table):
            shown.add_class("knb-stale")

    def add_panel(self, panel: Any) -> None:
        """Show the live panel of a run, above those of earlier ones and instead of an earlier one of the same run.

        What a plan was to buy is ordered from here on: its table is that of before.
        """
        self._table.add_class("knb-stale")
        before = [one for one in self._panels.children if one.mark == panel.mark]
        self._panels.children = (panel, *(one for one in self._panels.children if one not in before))
        for one in before:
            one.close()

    def say(self, sentence: str) -> None:
        """Say in red what went wrong; an empty sentence takes it away."""
        self._error.value = f'<div role="alert">{paragraphs("bad", [sentence])}</div>' if sentence else ""

    def press(self, title: str) -> None:
        """Do what a button says."""
        if title in self._busy:
            return
        self._busy.add(title)
        self.say("")
        try:
            self._actions[title]()
        except Exception as error:  # noqa: BLE001 - in a widget's callback it would be lost
            self.say(in_one_sentence(error))
        finally:
            self._busy.discard(title)

    def _button(self, title: str) -> Any:
        button = plain(widgets.Button, description=title, button_style="primary" if title == "Start" else "")
        button.on_click(lambda _: self.press(title))
        return button


def static_html(head: str, code: str) -> str:
    """Return what a saved notebook keeps of a form, where a live one takes its place, and what others show: the Python."""
    style = text_of("style.css") + HIDING
    how = "run this cell to use it" if has_kernel() else f"Jupyter shows its fields; {ELSEWHERE}"
    body = f"{head}<p>Sweep form: {how}.</p>{code_html(code)}"
    return f'<style>{style}</style><div class="knb-static {NO_MATH}">{body}</div>'


def head_html(folder: Path, *, simulated: bool) -> str:
    """Return the headline: what this is, where, and whether it is simulated."""
    badge = '<span class="knb-badge">SIMULATED</span>' if simulated else ""
    return f'<div class="knb-headline"><b>Sweep</b> {badge} <span class="knb-soft">{escape(folder.name)}</span></div>'


def code_html(code: str) -> str:
    """Return Python to be copied: a click selects all of it."""
    return f'<pre class="knb-code" tabindex="0" role="group" aria-label="The Python of this form">{escape(code)}</pre>'


@cache
def _access_class() -> type[Any]:
    import anywidget

    class FormAccess(anywidget.AnyWidget):
        _esm = script("form_access")

    return FormAccess
