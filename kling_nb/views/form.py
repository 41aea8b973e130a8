"""The sweep form: a sweep by widgets instead of code, with its price, its problems and its Python as one types.

::

    catalogue ─▶ Shelf ─▶ what each field offers ─▶ controls ─▶ Draft ─▶ sweep, code ─▶ lab.plan ─▶ Outlook
                 form_fields                        form_parts  form_draft
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kling_nb.errors import InputError, KlingError, nearest
from kling_nb.request import VideoRequest
from kling_nb.sweep import Sweep

from .form_draft import Draft, Outlook, draft, outlook
from .form_face import Face, head_html, in_one_sentence, static_html
from .form_fields import FIELDS, GATES, Shelf
from .form_parts import Section, Settings, Variables, group
from .form_quiet import Quiet
from .output import has_kernel, view_of

DEFAULT_MODEL = VideoRequest().model
LEFT = ("provider", "model", "prompt", "negative_prompt")

Later = Callable[[Callable[[], None]], None]


def form(lab: Any) -> SweepForm:
    """Return the sweep form of a lab; a notebook shows it."""
    return SweepForm(lab)


class SweepForm:
    """A form that stands for a sweep. It buys nothing before *Start* is pressed or `start` is called.

    It offers what the catalogue says that the chosen models accept at the chosen providers. While one types, a plan
    is made in a thread of its own, which reads the lab and sends nothing. Every method may be called from any thread;
    what goes wrong after a click is said in the form.

    ``later`` runs a function soon, and only the last one of several in quick succession.
    """

    def __init__(self, lab: Any, *, later: Later | None = None) -> None:
        self._lab = lab
        self._shelf = Shelf(lab.catalog)
        self._later = later or Quiet().ask
        self._lock = threading.RLock()
        self._starting = threading.Lock()
        self._silent = False
        self._turn = 0
        self._draft, self._outlook = draft({}), Outlook(line="")
        self._started: tuple[str, Any] | None = None
        self._shown: list[Any] = []
        self._kept = ""
        self._build()
        self._begin()

    def set(self, **values: Any) -> SweepForm:
        """Fill fields in, as a person would; what is not named stays.

        A name is that of a field (``prompt`` or ``prompts``, ``mode`` or ``modes`` …), of a setting (``design``,
        ``n``, ``seed``, ``repeats``, ``budget``, ``name``, ``assume_price``), or of a variable of the prompts; a list
        gives several values. Raises `InputError` for another name and for a value that is not offered.
        """
        plurals = {field.plural: field.name for field in FIELDS}
        given = {plurals.get(name, name): value for name, value in values.items()}
        order = [*self._sections, *self._settings.names]
        with self._quietly():
            for name in sorted(given, key=lambda name: order.index(name) if name in order else len(order)):
                self._enter(name, given[name])
        self._refresh()
        return self

    def sweep(self) -> Sweep:
        """Return the sweep; raises `SweepError` with what is missing or wrong."""
        return self._read().needed()

    def plan(self) -> Any:
        """Return the plan of the sweep, and show it below the form. Nothing is sent."""
        held = self._read()
        plan = self._lab.plan(held.needed(), **held.plan_settings)
        self._turn += 1
        self._show(held, outlook(held, lambda *_, **__: plan, at_once=held.size))
        self._face.show_plan(plan)
        return plan

    def start(self) -> Any:
        """Start the sweep, show the live panel of its run below the form, and return the run.

        The same form started again returns the same run. Raises what ``lab.start`` raises.
        """
        from . import live

        held = self._read()
        sweep = held.needed()
        with self._starting:
            if self._started is None or self._started[0] != held.code:
                run = self._lab.start(sweep, **held.settings, show=False)
                self._started = (held.code, run)
                self._face.add_panel(live.panel(run, self._lab.folder))
        self._show(held, self._outlook)
        return self._started[1]

    @property
    def code(self) -> str:
        """The Python that the form stands for."""
        return self._read().code

    @property
    def problems(self) -> dict[str, tuple[str, ...]]:
        """What is wrong, in words by field, as last looked at; ``""`` is the form as a whole."""
        return dict(self._outlook.wrong)

    @property
    def line(self) -> str:
        """What the form says it would do, as last looked at."""
        return self._outlook.line

    @property
    def run(self) -> Any:
        """The run that was started last, or `None`."""
        return None if self._started is None else self._started[1]

    def offered(self, name: str) -> tuple[Any, ...]:
        """Return what a field of choices offers now; nothing where it is closed."""
        section = self._sections[name]
        return section.offered.values if section.is_open else ()

    def widget(self) -> Any:
        """Return the form as a widget, always the same one."""
        return self._root

    def _build(self) -> None:
        self._sections = {field.name: Section(field, self._changed) for field in FIELDS}
        self._variables, self._settings = Variables(self._changed), Settings(self._changed)
        head = head_html(self._lab.folder, simulated=self._lab.simulated)
        self._face = Face(head, {"Plan": self.plan, "Start": self.start})
        self._root = self._face.around(self._columns())

    def _columns(self) -> Any:
        left = [self._sections[name].box for name in LEFT]
        left.insert(LEFT.index("prompt") + 1, self._variables.box)
        right = [section.box for name, section in self._sections.items() if name not in LEFT]
        return group([group(left, "knb-column"), group(right, "knb-column"), self._settings.box], "knb-columns")

    def _begin(self) -> None:
        """Choose the lab's provider and the usual model, where they are offered."""
        with self._quietly():
            self._offer()
            for name, value in (("provider", self._settled_provider()), ("model", DEFAULT_MODEL)):
                if value in self._sections[name].offered.values:
                    self._enter(name, value)
        self._refresh()

    def _settled_provider(self) -> str | None:
        try:
            provider: str = self._lab.plan(Sweep(prompt="…", model=DEFAULT_MODEL)).points[0].provider
        except KlingError:
            return None
        return provider

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        """Let changes that the form makes by itself pass unheard."""
        with self._lock:
            before, self._silent = self._silent, True
            try:
                yield
            finally:
                self._silent = before

    def _changed(self, name: str) -> None:
        with self._lock:
            if self._silent:
                return
            self._turn += 1
            if name in self._sections:
                self._sections[name].forget()
            with self._quietly():
                if name in GATES:
                    self._offer()
                self._settings.fit(assumes=self._outlook.unpriced is not None)
            self._face.age()
        self._later(self._heed)

    def _enter(self, name: str, value: Any) -> None:
        """Fill one field, setting or variable in."""
        if name in self._settings.names:
            self._settings.set(name, value)
        elif name in self._sections:
            self._enter_field(name, value)
        else:
            self._enter_variable(name, value)
        self._turn += 1

    def _enter_field(self, name: str, value: Any) -> None:
        self._sections[name].forget()
        try:
            self._sections[name].control.set(value)
        except KeyError as error:
            offered = map(str, self.offered(name))
            message = f"{name}={error.args[0]!r} is not offered; {nearest(str(error.args[0]), offered)}"
            raise InputError(message) from None
        if name in GATES:
            self._offer()

    def _enter_variable(self, name: str, value: Any) -> None:
        known = draft(self._entries()).variables
        if name not in known:
            message = f"there is no field, setting or variable {name!r}; "
            raise InputError(message + nearest(name, [*self._sections, *self._settings.names, *known]))
        self._variables.set(name, value)

    def _offer(self) -> None:
        """Let every field offer what the fields before it leave."""
        chosen: dict[str, Any] = {}
        for name, section in self._sections.items():
            section.offer(self._shelf.offered(section.field, chosen))
            if name in GATES:
                chosen[name] = section.control.get()

    def _entries(self) -> dict[str, Any]:
        fields = {name: section.control.get() for name, section in self._sections.items() if section.is_open}
        return {**fields, "variables": self._variables.get(), **self._settings.get()}

    def _read(self) -> Draft:
        with self._lock:
            return draft(self._entries())

    def _heed(self) -> None:
        """Look at what a person typed, and let the notebook keep it.

        What is set from code is not kept here: it stands in a cell, and an output that a later cell changes could
        not be re-checked.
        """
        self._refresh()
        if self._shown and self._kept != self._draft.code:
            self._kept = self._draft.code
            for shown in self._shown:
                shown.update(self._static(), raw=True)

    def _refresh(self) -> None:
        """Read the form, plan it, and show what comes of it, unless it has changed meanwhile."""
        with self._lock:
            turn, entries = self._turn, self._entries()
        held = self._draft
        try:
            held = draft(entries)
            found = outlook(held, self._lab.plan)
        except Exception as error:  # noqa: BLE001 - in a thread of its own it would be lost
            sentence = in_one_sentence(error)
            found = Outlook(line="", stops=sentence, wrong={"": (sentence,)})
        with self._lock:
            if turn == self._turn:
                self._show(held, found)

    def _show(self, held: Draft, found: Outlook) -> None:
        with self._quietly():
            self._draft, self._outlook = held, found
            self._variables.show(held.variables)
            for name, section in self._sections.items():
                section.say(found.wrong.get(name, ()), found.warned.get(name, ()))
            self._settings.say({name: said for name, said in found.wrong.items() if name not in self._sections})
            self._settings.fit(assumes=found.unpriced is not None, hint=self._official_price())
            self._face.show(held, found, self._started_name())

    def _started_name(self) -> str | None:
        is_this = self._started is not None and self._started[0] == self._draft.code
        return self.run.name if is_this else None

    def _official_price(self) -> str:
        request = self._outlook.unpriced
        price = None if request is None else self._lab.catalog.official_price(request).high
        return "" if price is None else f"Kling's own list says {price.normalize():f}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        shown = display(self._static(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if has_kernel():
            self._shown.append(shown)
            self._kept = self._draft.code
            display(view_of(self._root, f"{self!r}: needs a kernel"), raw=True)  # type: ignore[no-untyped-call]

    def _static(self) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        return static_html(head_html(self._lab.folder, simulated=self._lab.simulated), self._draft.code)

    def __repr__(self) -> str:
        """Say in one line what it is."""
        return f"<SweepForm {self._outlook.line}>"
