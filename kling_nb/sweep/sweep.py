"""The sweep itself, and its points."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from ..errors import SweepError
from ..excerpts import excerpt
from ..fields import path_of
from ..keywords import answering
from ..request import FIELDS, VideoRequest
from . import designs, written
from .checks import Masks, check_known, check_names, conditions, fail, template_names
from .designs import UNSET, Column, Design, Row
from .values import LEFT_OPEN, PROMPTS, fill, key, move_images, read_all, variables

MAX_POINTS = 10_000
GLANCE_LONGEST = 40  # characters of a fixed value in the representation


@dataclass(frozen=True, kw_only=True)
class Point:
    """One combination × one sample number.

    ``index`` counts all points of the sweep from 0; ``sample`` counts from 1. ``provider`` is `None` where it is
    left to the lab. ``request.prompt`` has its variables filled in, ``template`` is the prompt as it was written,
    and ``variables`` holds those that the point's prompts use.
    """

    index: int
    sample: int
    provider: str | None
    request: VideoRequest
    template: str
    variables: Mapping[str, Any]


@answering("kn.Sweep", "sweep", SweepError)
class Sweep:
    """Axes and fixed values; `points` yields what they stand for. Immutable.

    Parameters
    ----------
    **axes_and_fixed
        A list is an axis, anything else is one fixed value; a tuple is one value too. A name is a field of
        `VideoRequest`, ``provider``, or a variable that occurs as ``{name}`` in a prompt: in ``prompt``,
        ``negative_prompt`` or a shot of ``multi_prompt``. In these, ``{{`` and ``}}`` are braces. A variable that
        the prompts of a combination do not use has no value there and adds no points. `None` leaves a field open, and
        so does a gap of a table (NaN, NA) on an axis; in ``prompt`` or a variable a gap is an error.
    repeats
        How many samples of each combination, numbered from 1.
    exclude
        Combinations to leave out: ``[{"provider": "fal", "mode": "std"}]``. A list in a condition means any of its
        values; `None` means left open.
    max_points
        A sweep with more points has a length but does not yield them. 10,000 by default.
    design
        How the axes are combined: ``"grid"``, ``"zip"``, ``"pairwise"`` or ``{"sample": 20, "seed": 0}``; the methods
        of the same names read better.

    A value given twice on an axis counts once; to get more clips of the same point, use ``repeats``.

    Raises `SweepError` for an unknown name, a value that cannot be read, or a sweep without points. What a model
    accepts is not checked here; the plan does that.
    """

    def __init__(
        self,
        /,
        *,
        repeats: int = 1,
        exclude: Sequence[Mapping[str, Any]] = (),
        max_points: int = MAX_POINTS,
        design: Design | str | Mapping[str, int] = "grid",
        **axes_and_fixed: Any,
    ) -> None:
        self.repeats = designs.positive("repeats", repeats)
        self.max_points = designs.positive("max_points", max_points)
        self._design = Design.read(design)
        prompts = {name: read_all(name, value) for name, value in axes_and_fixed.items() if name in PROMPTS}
        self.template_names = template_names(prompts)
        check_known(axes_and_fixed, self.template_names)
        self._given = {n: prompts[n] if n in prompts else read_all(n, value) for n, value in axes_and_fixed.items()}
        check_names(self._given, self.template_names)
        self.exclude = conditions(exclude, self.template_names)
        self._check_rows()
        self._sealed = True

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse every change after the sweep was made."""
        if "_sealed" in vars(self):
            message = f"a sweep cannot be changed; make a new one to set {name}"
            raise AttributeError(message)
        super().__setattr__(name, value)

    @property
    def axes(self) -> Mapping[str, tuple[Any, ...]]:
        """The axes and their values, in the order they were written."""
        return MappingProxyType({name: tuple(v) for name, v in self._given.items() if isinstance(v, list)})

    @property
    def fixed(self) -> Mapping[str, Any]:
        """The values that are the same in every point."""
        return MappingProxyType({name: v for name, v in self._given.items() if not isinstance(v, list)})

    @property
    def design(self) -> str | dict[str, int]:
        """How the axes are combined, in the form that the constructor takes."""
        return self._design.plain

    def grid(self) -> Self:
        """Return this sweep over every combination of the axes' values."""
        return self._with(design="grid")

    def zip(self) -> Self:
        """Return this sweep with the axes in step: all first values, all second values …; all of the same length."""
        return self._with(design="zip")

    def sample(self, n: int, seed: int = 0) -> Self:
        """Return this sweep over ``n`` different combinations of the grid, drawn evenly, the same for the same seed."""
        return self._with(design={"sample": n, "seed": seed})

    def pairwise(self) -> Self:
        """Return this sweep over few combinations that cover every possible pair of values at least once."""
        return self._with(design="pairwise")

    def at(self, *providers: str) -> Self:
        """Return this sweep at other providers than it names: at one, or at each of several."""
        if not providers:
            fail("at() needs a provider, such as at('kling'); at('kling', 'fal') is an axis")
        return self._with(provider=list(providers) if len(providers) > 1 else providers[0])

    def __len__(self) -> int:
        """Return the number of points, without writing out a grid or a sample; at most the largest that Python takes."""
        return min(self._size(), sys.maxsize)

    def _size(self) -> int:
        match self._design.kind:
            case "grid":
                return designs.count(self._boxes) * self.repeats
            case "sample":
                return self._design.n * self.repeats
            case _:
                return len(self._rows) * self.repeats

    def points(self) -> list[Point]:
        """Return the points: axes in the order they were written, the last one fastest, samples innermost.

        Raises `SweepError` if there are more than ``max_points``, before any is made.
        """
        self._check_limit(self._size())
        firsts = (self._point(place * self.repeats, row) for place, row in enumerate(self._rows))
        return [replace(p, index=p.index + i, sample=i + 1) for p in firsts for i in range(self.repeats)]

    def code(self) -> str:
        """Return the Python expression that makes this sweep, with ``import kling_nb as kn``."""
        return written.to_code(self._arguments())

    def to_toml(self) -> str:
        """Return the sweep as TOML, which `from_toml` reads back as an equal sweep; the form is in `written`.

        Raises `SweepError` for an image given as bytes.
        """
        return written.to_toml(self._arguments())

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """Return the sweep that a TOML text describes; raises `SweepError` with the line, or the key, that is wrong."""
        return cls(**written.from_toml(text))

    def save(self, path: str | Path) -> Path:
        """Write the sweep to a TOML file and return its path; relative image paths are written relative to the file.

        Raises `SweepError` where the file cannot be written, and for an image given as bytes.
        """
        target = path_of("path", path)
        moved = move_images(self._arguments(), lambda image: os.path.relpath(image, target.parent))
        written.write_text(target, written.to_toml(moved))
        return target

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a sweep from a TOML file; relative image paths are relative to that file.

        Raises `SweepError` naming the file, and the line or the key that is wrong.
        """
        source = path_of("path", path)
        try:
            arguments = written.from_toml(written.text_of(source))
            return cls(**move_images(arguments, lambda image: os.path.normpath(source.parent / image)))
        except SweepError as error:
            message = f"{source}: {error}"
            raise SweepError(message) from error

    def __eq__(self, other: object) -> bool:
        """Tell whether two sweeps hold the same points in the same order, for the same reasons."""
        return self._identity == other._identity if isinstance(other, Sweep) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal by values that cannot all be hashed

    def __repr__(self) -> str:
        """Show the number of points, the axes with their numbers of values, and what is fixed."""
        axes = ", ".join(f"{name} × {len(values)}" for name, values in self.axes.items()) or "no axes"
        fixed = ", ".join(f"{name}={_at_a_glance(value)}" for name, value in self.fixed.items())
        repeats = f"{self.repeats} samples each" if self.repeats > 1 else ""
        exclude = f"{len(self.exclude)} excluded" if self.exclude else ""
        size = f"{self._size_in_words()}, {self._design.kind}"
        return f"Sweep({'; '.join(filter(None, [size, axes, fixed, repeats, exclude]))})"

    def _size_in_words(self) -> str:
        try:
            size = self._size()
            return f"{size:,} point{'s' * (size != 1)}"
        except SweepError:
            return f"more than {self.max_points:,} points"

    def _with(self, **changes: Any) -> Self:
        return type(self)(**{**self._arguments(), **changes})

    def _arguments(self) -> dict[str, Any]:
        exclude = [{name: _plain_condition(v) for name, v in condition.items()} for condition in self.exclude]
        limit = {} if self.max_points == MAX_POINTS else {"max_points": self.max_points}
        return {**self._given, "design": self.design, "repeats": self.repeats, **limit, "exclude": exclude}

    @cached_property
    def _identity(self) -> tuple[Any, ...]:
        axes = [(name, [key(name, value) for value in values]) for name, values in self.axes.items()]
        fixed = {name: key(name, value) for name, value in self.fixed.items()}
        exclude = [{name: [key(name, v) for v in values] for name, values in c.items()} for c in self.exclude]
        return axes, fixed, exclude, self._design, self.repeats, self.max_points

    def _check_rows(self) -> None:
        lengths = {name: len(values) for name, values in self.axes.items()}
        if self._design.kind == "zip" and len(set(lengths.values())) > 1:
            fail(f"zip needs axes of the same length, but these are {lengths}; make them equal, or use .grid()")
        if not self._boxes or (self._design.kind == "zip" and not self._rows):
            fail("everything is excluded, so the sweep has no points; take a condition out of exclude=")
        if self._design.kind == "sample":
            designs.check_sample(self._boxes, self._design.n)

    def _check_limit(self, size: int) -> None:
        if size > self.max_points:
            limit = f"more than the limit of {self.max_points:,}"
            mend = f"take values out, use .sample(n) or .pairwise(), or pass max_points={size} if you want them all"
            fail(f"the sweep has {size:,} points, {limit}; {mend}")

    @cached_property
    def _columns(self) -> list[Column]:
        names = dict.fromkeys([*self.axes, *self.fixed, *(name for condition in self.exclude for name in condition)])
        return [self._column(name, Masks(name, self.exclude)) for name in names]

    def _column(self, name: str, masks: Masks) -> Column:
        held = self._held(name)
        return Column(
            name=name,
            keys=tuple(key(name, value) for value in held),
            masks=tuple(masks.of(value) for value in held),
            uses=tuple(frozenset(variables(name, value)) for value in held),
            unset=masks.of(None) if name in self.template_names else None,
        )

    def _held(self, name: str) -> list[Any]:
        value = self._given.get(name, LEFT_OPEN.get(name))
        return value if isinstance(value, list) else [value]

    @cached_property
    def _boxes(self) -> list[designs.Box]:
        return designs.boxes(self._columns)

    @cached_property
    def _rows(self) -> list[Row]:
        match self._design.kind:
            case "zip":
                return designs.zipped(self._columns, max(map(len, self.axes.values()), default=1))
            case "sample":
                return designs.sample(self._boxes, self._design.n, self._design.seed)
            case "pairwise":
                self._check_limit(designs.pairwise_least(self._boxes) * self.repeats)
                return designs.pairwise(self._boxes)
            case _:
                return designs.grid(self._boxes)

    def _point(self, index: int, row: Row) -> Point:
        held = {c.name: self._held(c.name)[i] for c, i in zip(self._columns, row, strict=True) if i != UNSET}
        used = {name: value for name, value in held.items() if name in self.template_names}
        fields = {name: fill(name, value, used) for name, value in held.items() if name in FIELDS}
        return Point(
            index=index,
            sample=1,
            provider=held.get("provider"),
            request=VideoRequest(**fields),
            template=held.get("prompt") or "",
            variables=MappingProxyType(used),
        )


def _plain_condition(values: tuple[Any, ...]) -> Any:
    return values[0] if len(values) == 1 and not isinstance(values[0], tuple) else list(values)


def _at_a_glance(value: Any) -> str:
    text = f"<{len(value):,} bytes>" if isinstance(value, bytes) else repr(value)
    return excerpt(text, GLANCE_LONGEST)
