"""One clip inline: its poster and facts, and a player with the browser's own controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..keywords import answering
from .compare import Comparison, Judge
from .grid import Frame, Grid, Tile, grid_of

if TYPE_CHECKING:
    from types import EllipsisType


@answering("ClipView", "clip")
class ClipView(Comparison):
    """What ``lab.generate`` returns: one point and its clip, displayed like a comparison of one."""

    @property
    def tile(self) -> Tile:
        """Everything that is shown: state, reason, facts, measures."""
        return self.grid.tiles[0]

    @property
    def state(self) -> str:
        """The state of its task in one word, such as ``saved``."""
        return self.tile.state

    @property
    def path(self) -> Path | None:
        """The clip's file, or `None` where none is saved."""
        return self.lab_folder / self.tile.clip if self.tile.clip else None

    @property
    def facts(self) -> dict[str, str]:
        """The facts as words, by name."""
        return dict(self.tile.facts)

    def rate(self, rating: float | EllipsisType | None = ..., note: str | None = None) -> None:
        """Keep what you think of it in the log, as `kling_nb.Lab.rate` does; `None` takes a rating back.

        Raises `InputError` for a rating that is no number, `MediaError` where this is no clip of a lab.
        """
        self._keep(self.tile.id, rating, note)

    def __fspath__(self) -> str:
        """Let ``open(clip)`` and ``shutil.copy(clip, …)`` work; raises `FileNotFoundError` where no clip is saved."""
        if self.path is None:
            words = ", ".join(filter(None, (self.state, self.tile.reason)))
            message = f"no clip is saved: the task is {words}"
            raise FileNotFoundError(message)
        return str(self.path)

    def __repr__(self) -> str:
        """Say in one line what it is and where."""
        words = (self.tile.summary, self.state, self.tile.reason or self.tile.clip)
        return f"<ClipView {self._badge}{' · '.join(filter(None, words))}>"


def clip_view(
    frame: Frame, lab_folder: str | Path, *, simulated: bool = False, judge: Judge | None = None, **options: Any
) -> ClipView:
    """Return the view of the first row of a frame with columns of ``lab.df()``; ``options`` as for `grid_of`.

    The frame must have a row.
    """
    return ClipView(_single(grid_of(frame.head(1), simulated=simulated, **options)), lab_folder, judge)


def _single(grid: Grid) -> Grid:
    tiles = tuple(replace(tile, row=0, col=0) for tile in grid.tiles)
    return replace(grid, x=None, y=None, totals="", bare=True, tiles=tiles)
