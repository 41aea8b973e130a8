"""Clips side by side: a live player with one transport, over a static output that needs no kernel.

::

    frame ─▶ grid_of ─▶ Grid ─▶ Comparison ─▶ static HTML (posters, facts; stays in the saved notebook)
                                          └─▶ live player ◂─ clips and posters by message, when it asks for them
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakSet

from ..errors import KlingError, MediaError
from ..fields import folder_of
from ..keywords import answering
from ..request import digest
from .grid import Axis, Frame, Grid, Tile, grid_of, judged
from .output import display_both, reply_on_the_askers_subshell, unseen
from .page import clip_file, illustrated, poster_of, script, static_html, text_of, write_page

__all__ = ["Axis", "Comparison", "Frame", "Grid", "Tile", "grid_of", "write_page"]

PART_BYTES = 4_000_000  # a clip travels in parts, so that other messages get through between them
LIVE_POSTER_WIDTH = 400

PLAYED = "in a notebook; .save_html(folder) writes a page for a browser"

Send = Callable[[dict[str, Any], list[bytes]], None]

Judge = Callable[..., None]
"""Keeps what a person thinks of a clip, called as `kling_nb.Lab.rate` is: task id, rating, note."""


@answering("Comparison", "comparison")
class Comparison:
    """A grid of clips, to be displayed. Displaying never changes anything and needs neither key nor network.

    ``grid`` is what is shown, ``lab_folder`` is where its clips lie. In a notebook two outputs appear: a static
    table of posters, which is what a saved notebook, GitHub or nbconvert shows, and a player, which takes the
    table's place as soon as a kernel answers. Only the clips of this grid inside the lab folder are ever served.

    With ``judge`` the player has stars under each clip, which it keeps: a click, or 1 to 5 on the clip that the
    pointer or the focus is on; 0, or the same again, takes them back.
    """

    def __init__(self, grid: Grid, lab_folder: str | Path, judge: Judge | None = None) -> None:
        self.grid = grid
        self.lab_folder = Path(lab_folder)
        self._judge = judge
        self._players: WeakSet[Any] = WeakSet()

    @property
    def mark(self) -> str:
        """What ties player and static table together; the same for the same grid."""
        return "knb-" + digest(self.grid.to_json())[:16]

    def widget(self) -> Any:
        """Return a new live player, an `anywidget.AnyWidget`."""
        grid = json.dumps(illustrated(self.grid, self.lab_folder).to_json(), ensure_ascii=False)
        player = _player_class()(grid=grid, mark=self.mark, rates=self._judge is not None, ratings=self._ratings())
        self._players.add(player)
        reply_on_the_askers_subshell(player.comm)
        player.on_msg(lambda _player, wish, _buffers: self.answer(wish, player.send))
        return player

    def answer(self, wish: Any, send: Send) -> None:
        """Answer one message of the player: ``{"want": "clip" | "poster" | "rating" | "hello", "id": …}``.

        The answer is one or more messages with a part of the bytes each, or one that the rating was kept, with the
        number ``n`` of the wish, or one with the error in words.
        """
        told = wish if isinstance(wish, dict) else {}
        want, id_ = told.get("want"), told.get("id")
        answer = {"got": want, "id": id_, **({"n": told["n"]} if "n" in told else {})}
        try:
            parts = parts_of(self._kept(id_, told) if want == "rating" else self._media(want, id_))
        except (KlingError, OSError) as error:
            send({**answer, "error": str(error)}, [])
            return
        for part in parts:
            send({**answer, "parts": len(parts)}, [part])

    def save_html(self, folder: str | Path) -> Path:
        """Write the comparison as a static page (`write_page`) and return its ``index.html``.

        Raises `LabUnwritable` where the folder is full or may only be read, `InputError` for what is no path.
        """
        return write_page(self.grid, self.lab_folder, folder_of("folder", folder))

    def _media(self, want: Any, id_: Any) -> bytes:
        if want == "hello":
            return b""
        tile = self._tile(id_)
        if want not in ("clip", "poster") or tile is None or tile.clip is None:
            message = f"there is no {want} {id_!r} in this comparison"
            raise MediaError(message)
        path = clip_file(self.lab_folder, tile.clip)
        return path.read_bytes() if want == "clip" else poster_of(path, LIVE_POSTER_WIDTH)

    def _kept(self, id_: Any, told: dict[str, Any]) -> bytes:
        self._keep(id_, told.get("rating"))
        return b""

    def _tile(self, id_: Any) -> Tile | None:
        return next((tile for tile in self.grid.tiles if tile.id == id_), None)

    def _keep(self, id_: Any, rating: Any, note: str | None = None) -> None:
        """Keep a judgement in the log, and in what is shown from now on; several tiles may show one clip."""
        tile = self._tile(id_)
        if self._judge is None or tile is None or not tile.task:
            message = (
                f"the rating was not kept: this comparison has no clip {id_!r} of a lab; "
                "lab.compare(run) shows clips that can be rated"
            )
            raise MediaError(message)
        self._judge(tile.task, rating, note)
        tiles = (judged(one, rating, note) if one.task == tile.task else one for one in self.grid.tiles)
        self.grid = replace(self.grid, tiles=tuple(tiles))
        ratings = self._ratings()
        for player in self._players:
            player.ratings = ratings

    def _ratings(self) -> str:
        """Return the ratings by tile as JSON: what a player shows, also after the page was loaded again."""
        return json.dumps({tile.id: tile.rating for tile in self.grid.tiles if tile.rating is not None})

    @property
    def _badge(self) -> str:
        return "SIMULATED " if self.grid.simulated else ""

    def _ipython_display_(self) -> None:
        display_both(self._repr_html_(), repr(self), self.widget, f"<{type(self).__name__}: live player, {PLAYED}>")

    def _repr_html_(self) -> str:
        return static_html(self.grid, self.lab_folder, mark=self.mark)

    def __repr__(self) -> str:
        """Say in one line what is compared."""
        axes = " by ".join(axis.name for axis in (self.grid.y, self.grid.x) if axis)
        words = " · ".join(filter(None, (self.grid.title, axes, self.grid.totals)))
        return f"<{type(self).__name__} {self._badge}{words}{unseen(f'shown {PLAYED}')}>"


def parts_of(data: bytes) -> list[bytes]:
    """Return bytes in the parts in which they are sent: one at least, however few they are."""
    return [data[start : start + PART_BYTES] for start in range(0, max(1, len(data)), PART_BYTES)]


@cache
def _player_class() -> type[Any]:
    import anywidget
    import traitlets

    class Player(anywidget.AnyWidget):
        _esm = script("compare")
        _css = text_of("style.css") + text_of("compare.css") + text_of("touch.css")
        grid = traitlets.Unicode().tag(sync=True)
        mark = traitlets.Unicode().tag(sync=True)
        rates = traitlets.Bool(default_value=False).tag(sync=True)
        ratings = traitlets.Unicode("{}").tag(sync=True)

    return Player
