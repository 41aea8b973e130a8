"""The log as a cell holds it: asked, and never written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ..errors import LabError
from ..keywords import answering
from ..spending import BY
from .tabled import Tabled

if TYPE_CHECKING:
    import pandas as pd


@answering("lab.log", "lab.log")
class LabLog:
    """The experiment log of a lab, to read: every attempt, every event. Its methods may be called from any thread.

    Nothing here writes: while the engine drives a lab, what another writes would stop it.
    """

    __slots__ = ("_log",)

    def __init__(self, log: Tabled) -> None:
        self._log = log

    @property
    def path(self) -> Path:
        """The SQLite file that holds it."""
        return self._log.path

    def tasks(self) -> pd.DataFrame:
        """Return one row per task: every attempt ever made, with the columns of `kling_nb.columns.TASK_COLUMNS`."""
        return self._log.tasks()

    def events(self, task: str | None = None) -> pd.DataFrame:
        """Return every event, of one task or of all, oldest first: ``seq, task, kind, at, data``, which is JSON text."""
        return self._log.events(task)

    def df(self, run: str | None = None) -> pd.DataFrame:
        """Return one row per point, of one run or of all, as `lab.df()` does."""
        return self._log.df(run)

    def runs(self) -> pd.DataFrame:
        """Return one row per run, as `lab.runs()` does, by what is written: one between two tries is ``waiting`` here."""
        return self._log.runs()

    def spending(self, by: str | Sequence[str] = tuple(BY)) -> pd.DataFrame:
        """Return what was spent and what may still be charged, in USD, as `lab.spending()` does."""
        return self._log.spending([by] if isinstance(by, str) or not isinstance(by, Iterable) else list(by))

    def counts(self) -> dict[str, int]:
        """Return how many tasks are in each state."""
        return self._log.counts()

    def __repr__(self) -> str:
        """Say where it is, what it holds, and what shows that."""
        held = "it cannot be read now"  # and a representation never raises
        with suppress(sa.exc.SQLAlchemyError, LabError):
            held = ", ".join(f"{count} {state}" for state, count in self.counts().items()) or "no tasks"
        return f"<LabLog {self.path}: {held}; .tasks(), .events() and .df() show them>"
