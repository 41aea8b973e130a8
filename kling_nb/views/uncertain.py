"""Uncertain tasks before a person: a table with the price at stake, and with a kernel the ways out as buttons.

::

    Uncertain.as_they_stand() ─▶ Ticker (one thread a panel) ─▶ small JSON traits ─▶ uncertain.js
    Doubtful.give_up() …      ◂─ a worker thread             ◂─ buttons, by message
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from ..errors import InputError, nearest
from ..request import digest
from .output import display_both
from .page import HIDING, script, template, text_of
from .standing import bounded, in_one_sentence
from .ticker import Ticker, begin
from .uncertain_words import SHOWN, WAYS, head, left, line, rows, said, words

if TYPE_CHECKING:
    from ..engine.doubt import Uncertain

__all__ = ["display", "line", "mark_of", "static_html", "words"]

ACTIONS: Mapping[str, Callable[[Any, str], object]] = {
    "look_again": lambda one, _: one.look_again(),
    "accepted_as": lambda one, remote_id: one.accepted_as(remote_id),
    "never_bought": lambda one, _: one.never_bought(),
    "give_up": lambda one, _: one.give_up(),
    "buy_again": lambda one, _: one.buy_again(),
}
"""What the buttons do, by the names of `WAYS`; what was typed is the id of the second."""

# -- showing -----------------------------------------------------------------------------------------------------


def static_html(tasks: Uncertain, *, mark: str = "") -> str:
    """Return the tasks as a table without a script; with ``mark`` a panel of the same tasks takes its place."""
    style = text_of("style.css") + text_of("live.css") + text_of("uncertain.css") + HIDING
    table = template("uncertain.html").module.table  # type: ignore[attr-defined]
    return str(table(head(tasks), rows(tasks), left(tasks), list(WAYS.values()), tasks.simulated, mark, style))


def display(tasks: Uncertain) -> None:
    """Display the tasks; in a notebook, a panel with buttons takes the table's place while there is a kernel."""
    if not tasks:
        from IPython.display import display as show

        show({"text/plain": words(tasks), "text/html": static_html(tasks)}, raw=True)  # type: ignore[no-untyped-call]
        return
    html = static_html(tasks, mark=mark_of(tasks))
    display_both(html, words(tasks), lambda: Panel(tasks).widget, "<Uncertain: buttons, in a notebook>")


def mark_of(tasks: Uncertain) -> str:
    """Return what ties a panel to the table that it stands in for."""
    return "knb-doubt-" + digest([one.task.id for one in tasks])[:16]


# -- live --------------------------------------------------------------------------------------------------------


class Panel:
    """What stands behind one widget. Only the ticker's thread writes its traits; it ends as that of a run's panel does.

    A task that was decided or found stays in its row, which says what became of it.
    """

    def __init__(self, tasks: Uncertain) -> None:
        self._tasks = tasks
        self._shown = {one.task.id: one for one in list(tasks)[:SHOWN]}
        self._answers: dict[str, dict[str, Any]] = {}
        self._ticker = Ticker(self._look)
        ways = json.dumps([asdict(way) for way in WAYS.values()])
        self.widget = _panel_class()(mark=mark_of(tasks), ways=ways, simulated=tasks.simulated)
        self._ticker.attend(self.widget, self._heard)

    def _look(self) -> bool:
        """Put how the tasks stand into the traits; returns whether one of them moves."""
        answers = json.dumps(dict(self._answers), ensure_ascii=False)
        try:
            tasks = self._tasks.as_they_stand()
        except Exception as trouble:  # noqa: BLE001 - as for a button
            self.widget.answers = answers
            self.widget.trouble = f"how the tasks stand can no longer be shown: {bounded(in_one_sentence(trouble))}"
            return False
        with self.widget.hold_sync():
            self.widget.head, self.widget.left, self.widget.trouble = head(tasks), left(tasks), ""
            self.widget.rows = json.dumps([asdict(row) for row in rows(tasks)], ensure_ascii=False)
            self.widget.answers = answers
        return any(not one.task.state.is_resting for one in tasks)

    def _heard(self, _widget: Any, wish: Any, _buffers: Any) -> None:
        """Take a message: ``{"do": "give_up", "task": …, "id": "", "n": 1}`` or ``{"want": "hello"}``."""
        if not isinstance(wish, dict):
            return
        if "do" in wish:
            name, task, remote_id = (str(wish.get(key, "")) for key in ("do", "task", "id"))
            number = int(wish.get("n", 0))
            begin(self._act, name, task, remote_id, number)
            self.widget.send({"got": "do", "task": task, "n": number})
            return
        self.widget.send({"got": "hello"})
        self._ticker.nudge()

    def _act(self, name: str, task: str, remote_id: str, number: int) -> None:
        """Do what a button says; what comes of it, an error included, is told under the task's row."""
        told = error = ""
        try:
            one = _named("task", task, self._shown)
            _named("action", name, ACTIONS)(one, remote_id)
            told = said(name, one)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it belongs where the person looks
            error = bounded(in_one_sentence(trouble))
        self._answers[task] = {"acted": number, "said": told, "error": error}
        self._ticker.nudge()


def _named(what: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        message = f"there is no {what} {name!r}; {nearest(name, known)}"
        raise InputError(message)
    return known[name]


@cache
def _panel_class() -> type[Any]:
    import anywidget
    import traitlets

    class UncertainPanel(anywidget.AnyWidget):
        _esm = script("uncertain")
        _css = text_of("style.css") + text_of("live.css") + text_of("uncertain.css")
        mark = traitlets.Unicode().tag(sync=True)
        ways = traitlets.Unicode().tag(sync=True)
        simulated = traitlets.Bool(default_value=False).tag(sync=True)
        head = traitlets.Unicode().tag(sync=True)
        left = traitlets.Unicode().tag(sync=True)
        trouble = traitlets.Unicode().tag(sync=True)
        rows = traitlets.Unicode().tag(sync=True)
        answers = traitlets.Unicode().tag(sync=True)

    return UncertainPanel
