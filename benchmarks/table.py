"""One short table for every benchmark: a ratio, its target, and what stands behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured ratio. ``target`` is the most it should be; `None` where it is only told."""

    what: str
    ratio: float
    target: float | None = None
    behind: str = ""

    @property
    def missed(self) -> bool:
        """Whether it is over its target."""
        return self.target is not None and self.ratio > self.target

    def line(self, width: int) -> str:
        """Say it in one line."""
        limit = "" if self.target is None else f"<= {self.target:g}"
        verdict = "" if self.target is None else ("MISSED" if self.missed else "ok")
        return f"{self.what:<{width}}  {self.ratio:>7.3f}  {limit:<8}{verdict:<8}{self.behind}".rstrip()


def shown(title: str, rows: Iterable[Row]) -> int:
    """Print the rows under a title and return how many missed their target."""
    listed = list(rows)
    width = max(len(row.what) for row in listed)
    print(f"\n{title}\n{'':<{width}}  {'ratio':>7}  {'target':<16}behind it")
    for row in listed:
        print(row.line(width))
    return sum(row.missed for row in listed)
