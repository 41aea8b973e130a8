"""Where a run stands, in a word: what its panel says, and the table of all runs."""

from __future__ import annotations

from collections.abc import Collection

from .states import MOVING, TaskState

AT_REST = "at rest"
"""The state of a run that may go on, and in which nothing is under way."""

_LOOK = frozenset({TaskState.UNCERTAIN, TaskState.STALLED, TaskState.EXPIRED})


def stage(state: str, held: Collection[str]) -> str:
    """Return where a run stands, by its state and the states that its tasks are in.

    ``running``, ``paused`` and ``cancelled`` are returned unchanged. A run at rest is ``needs a look`` if a task is
    uncertain, stalled or expired, ``stopped`` if a task is at its provider and not followed, as in a closed lab,
    ``waiting`` if a task is still to be sent, and otherwise ``finished``.
    """
    if state != AT_REST:
        return state
    if not _LOOK.isdisjoint(held):
        return "needs a look"
    if not MOVING.isdisjoint(held):
        return "stopped"
    return "waiting" if TaskState.PLANNED in held else "finished"
