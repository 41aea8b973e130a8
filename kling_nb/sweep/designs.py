"""Which combinations of values a sweep holds: index arithmetic on boxes, without any value in sight.

A *row* is one combination: for each column the index of its value, or `UNSET` for a prompt variable that the row's
prompts do not use. A *box* holds for each column the indexes that it allows; its rows are their product. The rows of
a grid, less what is excluded, are a disjoint union of boxes, counted and drawn from without being written out.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate, combinations, product
from numbers import Integral
from operator import and_
from typing import Any

from ..errors import SweepError, nearest

UNSET = -1

Row = tuple[int, ...]
Box = tuple[Row, ...]

DESIGNS = ("grid", "zip", "pairwise", "sample")
"""Every design, by the name of the method that makes it; the first is that of a sweep that names none."""


@dataclass(frozen=True, slots=True)
class Design:
    """How the axes of a sweep are combined; ``n`` and ``seed`` belong to ``sample``."""

    kind: str = "grid"
    n: int = 0
    seed: int = 0

    @classmethod
    def read(cls, value: Any) -> Design:
        """Read a design: ``"grid"``, ``"zip"``, ``"pairwise"`` or ``{"sample": n, "seed": 0}``.

        Raises `SweepError` for any other.
        """
        if isinstance(value, Design):
            return value
        if isinstance(value, Mapping) and "sample" in value and set(value) <= {"sample", "seed"}:
            return cls("sample", positive("sample", value["sample"]), _seed(value.get("seed", 0)))
        if isinstance(value, str) and value in DESIGNS and value != "sample":
            return cls(value)
        if isinstance(value, str) and value == "sample":
            message = "design='sample' does not say how many; expected {'sample': 20, 'seed': 0}, or sweep.sample(20)"
            raise SweepError(message)
        message = f"design={value!r} cannot be read; expected 'grid', 'zip', 'pairwise' or {{'sample': n, 'seed': 0}}"
        raise SweepError(message + (f"; {nearest(value, DESIGNS)}" if isinstance(value, str) else ""))

    @property
    def plain(self) -> str | dict[str, int]:
        """The form that `read` takes."""
        return {"sample": self.n, "seed": self.seed} if self.kind == "sample" else self.kind


def positive(name: str, value: Any) -> int:
    """Return a whole number of at least one; raises `SweepError` naming it otherwise."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        message = f"{name}={value!r}: expected a whole number of at least 1"
        raise SweepError(message)
    return int(value)  # of numpy's, which a table holds, too


def _seed(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        message = f"seed={value!r}: expected a whole number"
        raise SweepError(message)
    return int(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One name of a sweep, as a design sees it; the three tuples have one item a value.

    ``keys`` say which values are the same; ``masks`` have bit *j* set where condition *j* of ``exclude`` is met or
    does not speak of this name; ``uses`` are the variables that a prompt needs. ``unset`` is the mask of a variable
    that does not apply, and `None` for a name that always does.
    """

    name: str
    keys: tuple[str, ...]
    masks: tuple[int, ...]
    uses: tuple[frozenset[str], ...]
    unset: int | None = None

    def groups(self) -> list[_Group]:
        """Return the values' indexes, each value once, grouped by what matters to boxes."""
        first = {key: index for index, key in reversed(list(enumerate(self.keys)))}
        found: dict[tuple[int, frozenset[str]], list[int]] = {}
        for index in sorted(first.values()):
            found.setdefault((self.masks[index], self.uses[index]), []).append(index)
        return [_Group(mask, uses, tuple(indexes)) for (mask, uses), indexes in found.items()]


@dataclass(frozen=True, slots=True)
class _Group:
    mask: int
    uses: frozenset[str]
    indexes: Row


def boxes(columns: Sequence[Column]) -> list[Box]:
    """Return the disjoint boxes of a grid without what is excluded; a variable that is not used has no value."""
    always = [column.groups() if column.unset is None else [_NONE] for column in columns]
    variables = {column.name: column.groups() for column in columns if column.unset is not None}
    found = []
    for chosen in product(*always):
        used = frozenset().union(*(group.uses for group in chosen))
        found += [tuple(group.indexes for group in box) for box in _settle(columns, chosen, used, variables)]
    return found


_NONE = _Group(-1, frozenset(), ())


def _settle(
    columns: Sequence[Column], chosen: Sequence[_Group], used: frozenset[str], variables: Mapping[str, list[_Group]]
) -> Iterator[tuple[_Group, ...]]:
    choices = [
        [group] if column.unset is None
        else variables[column.name] if column.name in used
        else [_Group(column.unset, frozenset(), (UNSET,))]
        for column, group in zip(columns, chosen, strict=True)
    ]  # fmt: skip
    return (box for box in product(*choices) if not _excluded(group.mask for group in box))


def _excluded(masks: Iterator[int]) -> bool:
    return reduce(and_, masks, -1) > 0


def zipped(columns: Sequence[Column], length: int) -> list[Row]:
    """Return the rows in which all axes go on together, in their order; columns of one value stay.

    Excluded rows are left out, and so is a row that is the same as an earlier one.
    """
    found: dict[tuple[str | None, ...], Row] = {}
    for row in (_zipped_row(columns, place) for place in range(length)):
        cells = list(zip(columns, row, strict=True))
        if not _excluded(_mask(column, index) for column, index in cells):
            found.setdefault(tuple(_key(column, index) for column, index in cells), row)
    return list(found.values())


def _zipped_row(columns: Sequence[Column], place: int) -> Row:
    row = [place if len(column.keys) > 1 else 0 for column in columns]
    used = frozenset().union(*(column.uses[i] for column, i in zip(columns, row, strict=True)))
    return tuple(
        i if column.unset is None or column.name in used else UNSET for column, i in zip(columns, row, strict=True)
    )


def _mask(column: Column, index: int) -> int:
    return column.masks[index] if index != UNSET else column.unset or 0


def _key(column: Column, index: int) -> str | None:
    return column.keys[index] if index != UNSET else None


def count(found: Sequence[Box]) -> int:
    """Return how many rows disjoint boxes hold together."""
    return sum(_size(box) for box in found)


def grid(found: Sequence[Box]) -> list[Row]:
    """Return every row of the boxes, the last axis fastest."""
    return sorted(row for box in found for row in product(*box))


def check_sample(found: Sequence[Box], n: int) -> None:
    """Raise `SweepError` if the boxes hold fewer than ``n`` rows."""
    total = count(found)
    if n > total:
        message = (
            f"a sample of {n:,} was asked for, but the grid has only {total:,} combinations; lower n, or use .grid()"
        )
        raise SweepError(message)


def sample(found: Sequence[Box], n: int, seed: int) -> list[Row]:
    """Return ``n`` different rows, each set of them equally likely, the same for the same seed, in grid order."""
    starts = [0, *accumulate(_size(box) for box in found)]
    ranks = random.Random(seed).sample(range(starts[-1]), n)  # noqa: S311  # a reproducible draw, not a secret
    return sorted(_row_at(found, starts, rank) for rank in ranks)


def pairwise(found: Sequence[Box]) -> list[Row]:
    """Return few rows in which every two values of different axes that can meet meet at least once, in grid order."""
    rows = set(_all_pairs(found))
    covered = {pair for row in rows for pair in _pairs(row)}
    # AllPairs is greedy and stops at the first row that brings nothing new: with a filter it leaves pairs out.
    for box in found:
        for pair in _pairs_of_box(box):
            if pair not in covered:
                row = _row_with(box, pair, len(rows))
                rows.add(row)
                covered.update(_pairs(row))
    return sorted(rows)


def pairwise_least(found: Sequence[Box]) -> int:
    """Return a number of rows that no pairwise design of the boxes can go below: cheap, for a limit."""
    return max((len(first) * len(second) for box in found for first, second in combinations(box, 2)), default=0)


def _size(box: Box) -> int:
    return math.prod(len(indexes) for indexes in box)


def _row_at(found: Sequence[Box], starts: Sequence[int], rank: int) -> Row:
    which = bisect_right(starts, rank) - 1
    rest = rank - starts[which]
    row = []
    for indexes in reversed(found[which]):
        rest, place = divmod(rest, len(indexes))
        row.append(indexes[place])
    return tuple(reversed(row))


def _all_pairs(found: Sequence[Box]) -> Iterator[Row]:
    columns = [sorted({index for box in found for index in box[axis]}) for axis in range(len(found[0]) if found else 0)]
    if len(columns) <= 1:
        yield from grid(found)
        return
    from allpairspy import AllPairs

    allowed = [[frozenset(indexes) for indexes in box] for box in found]

    def can_go_on(begun: Sequence[int]) -> bool:
        return any(all(index in box[axis] for axis, index in enumerate(begun)) for box in allowed)

    yield from (tuple(row) for row in AllPairs(columns, filter_func=can_go_on))


Pair = tuple[tuple[int, int], tuple[int, int]]


def _pairs(row: Row) -> Iterator[Pair]:
    return combinations(enumerate(row), 2)


def _pairs_of_box(box: Box) -> Iterator[Pair]:
    for (a, firsts), (b, seconds) in combinations(enumerate(box), 2):
        for first, second in product(firsts, seconds):
            yield (a, first), (b, second)


def _row_with(box: Box, pair: Pair, turn: int) -> Row:
    """Return a row of the box with this pair in it; the other axes take turns, so that new pairs come along."""
    wanted = dict(pair)
    return tuple(wanted.get(axis, indexes[turn % len(indexes)]) for axis, indexes in enumerate(box))
