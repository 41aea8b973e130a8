"""The sweep form: a sweep by widgets instead of code, with its price, its problems and its Python as one types.

::

    catalogue ─▶ Shelf ─▶ what each field offers ─▶ controls ─▶ Draft ─▶ sweep, code ─▶ lab.plan ─▶ Outlook
                 form_shelf, form_fields            form_board  form_draft                          form_outlook
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import KlingError
from ..keywords import answering
from ..request import VideoRequest
from ..sweep import Sweep
from .form_agreed import Agreed
from .form_board import Board
from .form_draft import Draft, draft
from .form_face import ELSEWHERE, Face, head_html, static_html
from .form_outlook import Outlook, outlook, outlook_of
from .form_parts import begin_anew
from .form_pictures import Pictures
from .form_quiet import Quiet
from .form_reading import Entries, referred
from .form_shelf import Shelf
from .output import has_kernel, unseen, view_of
from .standing import in_one_sentence

if TYPE_CHECKING:
    from ..engine.run import Run
    from ..lab import Lab
    from ..plan import Plan

DEFAULT_MODEL = VideoRequest().model
SHOWN = f"shown in a notebook; {ELSEWHERE}"

Later = Callable[[Callable[[], None]], None]


def form(lab: Lab, named: dict[str, str]) -> SweepForm:
    """Return the sweep form of a lab; a notebook shows it. In ``named`` it notes the names of images, by reference."""
    return SweepForm(lab, named=named)


@answering("SweepForm", "form")
class SweepForm:
    """A form that stands for a sweep. It buys nothing before *Start* is pressed or `start` is called.

    It offers what the catalogue says that the chosen models accept at the chosen providers. While one types, a plan
    is made in a thread of its own, which reads the lab and sends nothing. Every method may be called from any thread;
    what goes wrong after a click is said in the form.

    ``later`` runs a function soon, and only the last one of several in quick succession. ``agreed`` compares prices.
    ``named`` takes the names of images, by reference.
    """

    def __init__(
        self, lab: Lab, *, later: Later | None = None, agreed: Agreed | None = None, named: dict[str, str] | None = None
    ) -> None:
        self._lab = lab
        self._later = later or Quiet().ask
        self._lock = threading.RLock()
        self._starting, self._agreed = threading.Lock(), agreed or Agreed()
        self._silent, self._stage = False, ""  # the stage of the run, when the line was last made
        self._turn, self._planned = 0, -1  # how often it changed, and at which of these it was planned when asked
        self._draft, self._outlook = draft({}), Outlook(line="")
        self._started: tuple[str, Run] | None = None
        self._shown: list[Any] = []
        self._kept = ""
        begin_anew()
        self._board = Board(
            Shelf(lab.catalog), Pictures(lab.folder / "inputs", {} if named is None else named), self._changed
        )
        head = head_html(lab.folder, simulated=lab.simulated)
        self._face = Face(head, {"Plan": self.plan, "Start": self._start_as_seen})
        self._root = self._face.around(self._board.widget)
        self._begin()

    def set(self, **values: Any) -> SweepForm:
        """Fill fields in, as a person would; what is not named stays.

        A name is that of a field (``prompt`` or ``prompts``, ``mode`` or ``modes`` …), of a setting (``design``,
        ``n``, ``seed``, ``repeats``, ``budget``, ``name``, ``assume_price``, ``exclude``), or of a variable of the
        prompts; a list gives several values. ``image`` takes bytes too, which are kept in the lab's inputs; ``shots``
        is ``"intelligence"``, ``"off"`` or a list of `Shot`. Raises `InputError` for another name and for a value that
        is not offered, `MediaError` for bytes that are no image.
        """
        with self._quietly():
            self._board.enter(values)
            self._turn += 1
        self._refresh()
        return self

    def sweep(self) -> Sweep:
        """Return the sweep; raises `SweepError` with what is missing or wrong."""
        return self._read().needed()

    def plan(self) -> Plan:
        """Return the plan of the sweep, and show it below the form, as an older one where that changed meanwhile.

        Nothing is sent.
        """
        turn, entries = self._entered()
        held = draft(entries)
        held.needed()
        plan = self._lab.plan(draft(referred(entries)).needed(), **held.plan_settings)
        counted = replace(held, size=len(plan), is_rough=False)
        found = outlook(counted, lambda *_, **__: plan, at_once=counted.size)
        with self._lock:
            self._face.show_plan(plan, is_stale=turn != self._turn)
            if turn == self._turn:
                self._turn = self._planned = turn + 1
                self._show(held, found)
        return plan

    def start(self) -> Run:
        """Start the sweep, show the live panel of its run below the form, and return the run.

        The same form started again returns the same run; one that was cancelled goes on. Raises what ``lab.start``
        raises. *Start* does this too, unless that would buy at a higher price than the form has shown.
        """
        return self._start(self._read())

    def _start_as_seen(self) -> None:
        """Start what is typed, planned anew: the price beside *Start* may be that of the form as it was."""
        seen, (turn, entries) = self._outlook.plan, self._entered()
        held = draft(entries)
        held.needed()
        if self._running(held) is None:
            found = outlook_of(entries, self._lab.plan, is_planned=turn == self._planned)
            self._show_if(turn, held, found)
            if found.stops:
                return  # the line says why
            self._agreed.check(seen, found.plan)
        self._start(held)

    def _start(self, held: Draft) -> Run:
        from . import live

        sweep = held.needed()
        with self._starting:
            started = self._running(held)
            if started is not None:
                return started
            run = self._lab.start(sweep, **held.settings, show=False)
            self._started, self._stage = (held.code, run), ""
            panel = live.panel(run, self._lab.folder)
            self._face.add_panel(panel)
            self._show(held, self._outlook)
            panel.observe(lambda _: self._run_stands(run, panel), "standing")
            self._run_stands(run, panel)  # it may have been said before anybody listened
        return run

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
    def run(self) -> Run | None:
        """The run that was started last, or `None`."""
        return None if self._started is None else self._started[1]

    def offered(self, name: str) -> tuple[Any, ...]:
        """Return what a field of choices offers now; nothing where it is closed. Raises `InputError` for no field."""
        return self._board.offered(name)

    def widget(self) -> Any:
        """Return the form as a widget, always the same one."""
        return self._root

    def _begin(self) -> None:
        """Choose the lab's provider and the usual model, where they are offered."""
        with self._quietly():
            self._board.offer({"provider": self._settled_provider(), "model": DEFAULT_MODEL})
        self._refresh()

    def _settled_provider(self) -> str | None:
        try:
            return self._lab.plan(Sweep(prompt="…", model=DEFAULT_MODEL)).points[0].provider
        except KlingError:
            return None

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
            if name in self._board.sections:
                self._board.sections[name].forget()
            with self._quietly():
                self._board.heed(name)
                self._board.settings.fit(assumes=self._outlook.unpriced is not None, hint=self._outlook.official)
            self._face.age()
        self._later(self._heed)

    def _read(self) -> Draft:
        return draft(self._entered()[1])

    def _entered(self) -> tuple[int, Entries]:
        """Return what is entered, and how often the form had changed by then."""
        with self._lock:
            return self._turn, self._board.entries()

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
        """Read the form, plan it, and show what comes of it, unless it has changed meanwhile or was planned already."""
        turn, entries = self._entered()
        if turn == self._planned:
            return
        held = self._draft
        try:
            held = draft(entries)
            found = outlook_of(entries, self._lab.plan)
        except Exception as error:  # noqa: BLE001 - in a thread of its own it would be lost
            sentence = in_one_sentence(error)
            found = Outlook(line="", stops=sentence, wrong={"": (sentence,)})
        self._show_if(turn, held, found)

    def _show_if(self, turn: int, held: Draft, found: Outlook) -> None:
        """Show how things stand, unless the form has changed since it was read."""
        with self._lock:
            if turn == self._turn:
                self._show(held, found)

    def _show(self, held: Draft, found: Outlook) -> None:
        with self._quietly():
            self._draft, self._outlook = held, found
            self._board.show(held, found)
            run = self._running(held)
            self._face.show(held, found, None if run is None else run.name)

    def _running(self, held: Draft) -> Run | None:
        """Return the run that a draft was started as, unless it was cancelled."""
        code, run = self._started or ("", None)
        return None if run is None or code != held.code or run.snapshot().state == "cancelled" else run

    def _run_stands(self, run: Run, panel: Any) -> None:
        """Plan anew when the run comes to another stage: what it bought is not to buy, what it left can be started."""
        stage = json.loads(panel.standing or "{}").get("stage", "")
        with self._lock:
            code, last = self._started or ("", None)
            if stage == self._stage or run is not last or code != self._draft.code:
                return
            begins, self._stage = not self._stage and stage == "running", stage
            if begins and draft(self._board.entries()).code == code:
                return  # half of what was ordered just now would be said to be still to buy, until the run ends
            self._turn += 1
        self._refresh()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        shown = display(self._static(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if has_kernel():
            self._shown.append(shown)
            self._kept = self._draft.code
            display(view_of(self._root, f"<SweepForm: {SHOWN}>"), raw=True)  # type: ignore[no-untyped-call]

    def _static(self) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _repr_html_(self) -> str:
        return static_html(head_html(self._lab.folder, simulated=self._lab.simulated), self._draft.code)

    def __repr__(self) -> str:
        """Say in one line what it is."""
        return f"<SweepForm {'SIMULATED ' * self._lab.simulated}{self._outlook.line}{unseen(SHOWN)}>"
