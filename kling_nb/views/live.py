"""A run as it goes: a panel that counts, shows what arrives, and pauses or cancels while other cells run.

::

    run.snapshot() ─▶ Ticker (one thread a panel) ─▶ small JSON traits ─▶ live.js
    run.pause() …  ◂─ a worker thread ◂─ buttons, by message        posters and clips, by message, when a tile asks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, KlingError, MediaError, nearest
from ..request import digest
from .compare import parts_of
from .output import display_both, has_kernel
from .page import HIDING, POSTER_BYTES, clip_file, data_url, poster_of, script, template, text_of
from .standing import MEANINGS, bounded, cards, in_one_sentence, ordered_again, paces, standing
from .ticker import Ticker, begin

if TYPE_CHECKING:
    from ..engine.run import Run
    from ..engine.snapshot import Snapshot

POSTER_WIDTH = 240  # pixels; a tile is about half as wide


def _retried(run: Any, agreed: str) -> str:
    """Buy the failed points again, if they are those that a person was asked about."""
    again = run.snapshot().check_again(agreed)
    run.retry()
    return ordered_again(again)


ACTIONS: Mapping[str, Callable[[Any, str], object]] = {
    "pause": lambda run, _: run.pause(),
    "resume": lambda run, _: run.resume(),
    "cancel": lambda run, _: run.cancel(),
    "retry": _retried,
}
"""What the panel's buttons do; the last one buys, and takes the mark of what a person agreed to."""

# -- displaying --------------------------------------------------------------------------------------------------


def show(run: Run, folder: str | Path) -> None:
    """Display the panel of a run that was just started; does nothing where there is no notebook.

    The static output, which the panel hides, depends on the run's name, size and budget only, so that a notebook re-checks.
    """
    if has_kernel():
        _Shown.note(run)
        _display(run, folder, start_html(run.snapshot()), f"<Run {run.name}: started>")


def display_run(run: Run, folder: str | Path) -> None:
    """Display a run as it stands, with a live panel in a notebook; for ``Run._ipython_display_``.

    A run whose panel was shown by this very cell, as when ``lab.start(…)`` is a cell's last line, is not shown twice.
    """
    if not _Shown.is_noted(run):
        _display(run, folder, summary_html(run.snapshot(), folder, mark=mark_of(run)), repr(run))


def _display(run: Run, folder: str | Path, html: str, words: str) -> None:
    display_both(
        html,
        words,
        lambda: panel(run, folder),
        f"<Run {run.name}: live panel, in a notebook; run.wait() waits anywhere>",
    )


class _Shown:
    """The run that was shown last, and by which execution of a cell."""

    last: tuple[str, str] | None = None

    @classmethod
    def note(cls, run: Run) -> None:
        cls.last = (run.name, cls._execution())

    @classmethod
    def is_noted(cls, run: Run) -> bool:
        return cls.last == (run.name, cls._execution())

    @staticmethod
    def _execution() -> str:
        """Return which request this kernel answers; a count of executions stands still where none is kept."""
        from IPython.core.getipython import get_ipython

        parent: dict[str, Any] = getattr(get_ipython(), "get_parent", dict)()
        return str(parent.get("header", {}).get("msg_id", ""))


def mark_of(run: Run | Snapshot) -> str:
    """Return what ties a live panel to the static output that it stands in for."""
    return "knb-run-" + digest(run.name)[:16]


# -- static ------------------------------------------------------------------------------------------------------


def start_html(snapshot: Snapshot) -> str:
    """Return what a saved notebook shows of a run that was just started: nothing in it depends on timing."""
    budget = standing(snapshot).money.partition(" of ")[2]
    name = snapshot.name
    return _rendered("start", name, _json(name), snapshot.total, budget, snapshot.simulated, mark_of(snapshot))


def summary_html(snapshot: Snapshot, folder: str | Path, *, mark: str = "") -> str:
    """Return a run as it stands as static HTML: counts, money, causes, and tiles with small posters.

    ``folder`` is the lab folder. With ``mark`` a live panel of the same run takes its place. No script, and well
    under 1 MB; everything foreign is escaped. A clip whose file is missing or unreadable has no poster.
    """
    posters = {tile.id: _inline_poster(Path(folder), tile.clip) for tile in snapshot.tiles if tile.clip}
    return _rendered("summary", standing(snapshot), cards(snapshot), posters, dict(MEANINGS), mark)


def _rendered(macro: str, *values: Any) -> str:
    style = text_of("style.css") + text_of("live.css") + HIDING
    return str(getattr(template("live.html").module, macro)(*values, style=style))


def _inline_poster(folder: Path, clip: str) -> str | None:
    with suppress(MediaError, OSError):
        jpeg = poster_of(clip_file(folder, clip), POSTER_WIDTH)
        if len(jpeg) <= POSTER_BYTES:
            return data_url(jpeg)
    return None


# -- live --------------------------------------------------------------------------------------------------------


def panel(run: Run, folder: str | Path) -> Any:
    """Return a new live panel of a run, an `anywidget.AnyWidget`, which a thread of its own keeps up to date.

    ``folder`` is the lab folder, from which posters are taken. The thread is a daemon; it ends when the widget is
    closed, and after ten minutes at rest until the panel is used again. The buttons work while another cell runs
    wherever the front end can reach a busy kernel (JupyterLab 4.4 with ipykernel 7), elsewhere after that cell.
    """
    return Panel(run, Path(folder)).widget


class Panel:
    """What stands behind one widget. Only the ticker's thread writes its traits."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self._folder = folder
        self._clips: dict[str, str] = {}
        self._answer: dict[str, Any] = {"acted": 0, "said": "", "error": ""}
        self._ticker = Ticker(self._look)
        self.widget = _panel_class()(mark=mark_of(run), meanings=json.dumps(dict(MEANINGS)))
        self._ticker.attend(self.widget, self._heard)

    def _look(self) -> bool:
        """Put how the run stands into the traits, which send only what changed; returns whether something moves."""
        try:
            snapshot = self._run.snapshot()
        except Exception as trouble:  # noqa: BLE001 - as for a button
            self.widget.answer = _json(
                {**self._answer, "error": f"the run can no longer be shown: {bounded(in_one_sentence(trouble))}"}
            )
            return False
        stands = standing(snapshot)
        self._clips = {tile.id: tile.clip for tile in snapshot.tiles if tile.clip}
        with self.widget.hold_sync():
            self.widget.tiles = _json(cards(snapshot))
            self.widget.paces = _json(paces(snapshot))
            self.widget.standing = _json(stands.to_json())
            self.widget.answer = _json(self._answer)
        return stands.moving

    def _heard(self, _widget: Any, wish: Any, _buffers: Any) -> None:
        """Take a message: ``{"do": "pause", "n": 1}``, ``{"want": "poster" | "clip", "id": …}``, ``{"want": "hello"}``."""
        if not isinstance(wish, dict):
            return
        if "do" in wish:
            begin(self._act, str(wish["do"]), str(wish.get("agreed", "")), int(wish.get("n", 0)))
            return
        if wish.get("want") in ("poster", "clip"):
            self._send(wish["want"], str(wish.get("id")))
            return
        self.widget.send({"got": "hello"})
        self._ticker.nudge()

    def _send(self, want: str, id_: str) -> None:
        """Send a poster in one message, a clip in as many as it takes, or the error in words."""
        answer: dict[str, Any] = {"got": want, "id": id_}
        try:
            file = clip_file(self._folder, self._clips.get(id_, ""))
            data = file.read_bytes() if want == "clip" else poster_of(file, POSTER_WIDTH)
        except (KlingError, OSError) as error:
            self.widget.send({**answer, "error": str(error)}, [])
            return
        parts = parts_of(data)
        for part in parts:
            self.widget.send({**answer, "parts": len(parts)}, [part])

    def _act(self, name: str, agreed: str, number: int) -> None:
        """Do what a button says; what comes of it, an error included, is told under the panel."""
        said = error = ""
        try:
            result = _action(name)(self._run, agreed)
            said = result if isinstance(result, str) else ""
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it belongs where the person looks
            error = bounded(in_one_sentence(trouble))
        self._answer = {"acted": max(number, self._answer["acted"]), "said": bounded(said), "error": error}
        self._ticker.nudge()


def _action(name: str) -> Callable[[Run, str], object]:
    if name not in ACTIONS:
        message = f"there is no action {name!r}; {nearest(name, ACTIONS)}"
        raise InputError(message)
    return ACTIONS[name]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


@cache
def _panel_class() -> type[Any]:
    import anywidget
    import traitlets

    class RunPanel(anywidget.AnyWidget):
        _esm = script("live")
        _css = text_of("style.css") + text_of("live.css") + text_of("touch.css")
        mark = traitlets.Unicode().tag(sync=True)
        meanings = traitlets.Unicode().tag(sync=True)
        standing = traitlets.Unicode().tag(sync=True)
        tiles = traitlets.Unicode().tag(sync=True)
        paces = traitlets.Unicode().tag(sync=True)
        answer = traitlets.Unicode().tag(sync=True)

    return RunPanel
