"""Snapshots of runs, built by hand, and a run that gives one of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from kling_nb.engine.snapshot import Snapshot, Tile

EVIL = "</script><img src=x onerror='window.hit=1'>{{7*7}}[red]&amp;\x1b[2J"


def snapshot(**changes: Any) -> Snapshot:
    """Return a run of four points in the middle, with some fields changed; ``held`` holds all that is planned."""
    if "held" in changes:
        changes["holds"] = {changes.pop("held"): changes.get("counts", {"planned": 1}).get("planned", 0)}
    stands = Snapshot(
        name="fox",
        simulated=True,
        state="running",
        is_moving=changes.get("state") != "at rest",
        holds={},
        counts={"planned": 1, "running": 1, "saved": 1, "failed": 1},
        total=4,
        spent=Decimal("3.2"),
        reserved=Decimal("1.4"),
        budget=Decimal(25),
        left_s=100.0,
        tiles=(tile("a", "saved", clip="clips/a.mp4"), tile("b", "running"), tile("c", "failed", reason="no")),
        causes=(("kling (content policy): no", 1),),
    )
    return replace(stands, **changes)


def tile(
    id_: str, state: str, *, label: str = "kling · std", reason: str = "", clip: str | None = None, **more: Any
) -> Tile:
    """Return one tile."""
    return Tile(id_, label, state, reason, clip, **more)


@dataclass
class Staged:
    """All that a view may use of a run: what it looks like next, and callables. Looked at once more, it stays."""

    scenes: list[Snapshot]
    said: str = "2 cancelled"
    trouble: Exception | None = None
    done: list[str] = field(default_factory=list)
    name: str = "fox"

    def snapshot(self) -> Snapshot:
        """Return the next scene; the last one stays."""
        return self.scenes.pop(0) if len(self.scenes) > 1 else self.scenes[0]

    def cancel(self) -> str:
        """Note that it was asked for."""
        self.done.append("cancel")
        if self.trouble is not None:
            raise self.trouble
        return self.said

    def pause(self) -> Staged:
        """Note that it was asked for."""
        self.done.append("pause")
        return self

    def resume(self) -> Staged:
        """Note that it was asked for."""
        self.done.append("resume")
        return self
