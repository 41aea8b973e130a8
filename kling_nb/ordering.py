"""From points to an order that may be bought: images kept, providers settled, planned, checked, agreed to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import cache, partial
from numbers import Integral
from pathlib import Path
from typing import Any

from . import media
from .bindings import Bindings
from .catalog import Catalog
from .engine.attempts import is_left
from .engine.engine import Engine
from .engine.fetch import GONE, is_gone
from .engine.opening import Opened
from .engine.order import Order
from .errors import InputError
from .fields import is_stored
from .keywords import TAKES, answer
from .plan import REUSED, SINGLES, Money, Plan, Planner, Settings, confirm, run_name, stored_sweep, usd
from .request import FIELDS, VideoRequest, images_in
from .states import EventKind
from .sweep import Point, Sweep
from .task import ZERO, Event, Task


class Ordering:
    """Makes plans in an open lab folder, and orders of them. Nothing is sent here, and nothing started."""

    def __init__(self, catalog: Catalog, bindings: Bindings, opened: Opened, *, simulated: bool) -> None:
        self._catalog = catalog
        self._bindings = bindings
        self._opened = opened
        self.named: dict[str, str] = {}
        """Names of images that were given otherwise than by path, as by the form: of each by its reference."""
        misfits = cache(partial(media.misfits, inputs=opened.folder / "inputs"))  # a reference names its content
        self._planner = Planner(
            catalog, bindings.bound, bindings.parts, simulated=simulated, misfits=misfits, amiss=bindings.amiss
        )

    def plan(self, points: Sequence[Point], settings: Settings) -> Plan:
        """Plan points against the tasks bought before; stores the points' images in the lab folder."""
        inputs = self._opened.folder / "inputs"
        take_in = cache(partial(media.take_in, inputs=inputs))  # each image once, whatever it serves
        usual = cache(self._bindings.usual)  # looks through everywhere that a key may be
        taken = [self._taken_in(point, take_in, usual) for point in points]
        names = self._planner.identities(taken)
        found = {} if settings.fresh else self._opened.log.known(names, shared=settings.share)
        known = {name: _as_it_is(task, self._opened.folder) for name, task in found.items()}
        left = {p.provider for p, name in zip(taken, names, strict=True) if _may_need(known.get(name))}
        for provider in {str(point.provider) for point in taken}:
            (self._bindings.anew if provider in left else self._bindings.spared)(provider)
        return self._planner.plan(taken, known, settings, self._today(), self._files(points, take_in))

    def of_sweep(
        self,
        engine: Engine,
        sweep: Sweep,
        settings: Settings,
        *,
        name: str | None,
        budget: float | str | Decimal | None,
        confirm_above: float | str | Decimal | None,
    ) -> Order:
        """Return the order of a sweep as a run of its own.

        Raises `RefusedError`, `PriceUnknown`, `OverBudget`, `KeyMissing` or `InputError` for whatever is in the way.
        """
        plan = self.plan(points_of(sweep), settings)
        order = Order(
            name=run_name(name, plan),
            points=plan.points,
            sweep=stored_sweep(sweep),
            files=_files_of(plan),
            budget=usd("budget", budget),
            fresh=settings.fresh,
            share=settings.share,
        )
        before = engine.money(order.name)
        check(plan, self._bindings, before.budget if order.budget is None else order.budget, before.committed)
        confirm(plan, usd("confirm_above", confirm_above))
        return order

    def of_one(
        self, engine: Engine, prompt: str, fields: dict[str, Any], budget: float | str | Decimal | None
    ) -> Order:
        """Return the order of one point, added to the run of single clips; raises as `of_sweep` does.

        ``fields`` are those of a request, with ``provider``, ``sample`` and the settings of a plan.
        """
        settings, ceiling = Settings.taken_from(fields), usd("budget", budget)
        plan = self.plan([self._point(prompt, fields)], settings)
        before = engine.money(SINGLES)
        check(plan, self._bindings, before.budget if ceiling is None else ceiling, before.committed)
        return Order(
            name=SINGLES,
            points=plan.points,
            files=_files_of(plan),
            budget=ceiling,
            fresh=settings.fresh,
            share=settings.share,
            append=True,
        )

    def _point(self, prompt: str, fields: dict[str, Any]) -> Point:
        provider, sample = fields.pop("provider", None), fields.pop("sample", 1)
        if provider is not None:
            self._catalog.provider(provider)
        if isinstance(sample, bool) or not isinstance(sample, Integral) or sample < 1:
            message = f"sample={sample!r}: expected a whole number of at least 1"
            raise InputError(message)
        _check_fields(fields)
        _check_prompt(prompt)
        request = VideoRequest.from_fields({"prompt": prompt, **fields})
        return Point(index=0, sample=int(sample), provider=provider, request=request, template=prompt, variables={})

    def _taken_in(self, point: Point, take_in: Callable[[Any], str], usual: Callable[[], str]) -> Point:
        """Settle a point's provider, and keep its images in the lab folder."""
        kept: dict[str, Any] = {name: take_in(image) for name, image in images_in(point.request).items()}
        request = replace(point.request, **kept) if kept else point.request
        return replace(point, request=request, provider=point.provider or usual())

    def _files(self, points: Sequence[Point], take_in: Callable[[Any], str]) -> dict[str, str]:
        """Return the paths and addresses that images were given by, here or before; the log is asked only where it matters."""
        if not any(images_in(point.request) for point in points):
            return {}
        return self._opened.log.files() | self.named | _files(points, take_in)

    def _today(self) -> Money:
        """Return the daily ceiling and the sum counted under it; no ceiling if another process drives, and buys."""
        engine = self._opened.engine if self._opened.drives else None
        if engine is None or engine.closed or self._opened.log.daily_budget() is None:
            return Money()
        return engine.today()


def check(plan: Plan, bindings: Bindings, budget: Decimal | None, committed: Decimal = ZERO) -> None:
    """Raise what stands in the way of buying, a missing key included."""
    plan.check(budget, committed)
    for provider in dict.fromkeys(point.provider for point in plan.buys):
        bindings.key(bindings.bound(provider)[0])


def points_of(sweep: Any) -> Sequence[Point]:
    """Return the points of a sweep; raises `InputError` for anything that is not a sweep."""
    if not isinstance(sweep, Sweep):
        made = "kn.Sweep(prompt=…) makes one, and kn.Sweep.load(path) reads one from a file"
        message = f"expected a kn.Sweep, got {type(sweep).__name__}: {made}; nothing was bought"
        raise InputError(message)
    return sweep.points()


def _files(points: Iterable[Point], take_in: Callable[[Any], str]) -> dict[str, str]:
    """Return the paths and addresses that images were given by, by the references that the points have instead."""
    given = (image for point in points for image in images_in(point.request).values())
    paths = (image for image in given if isinstance(image, str | Path) and not is_stored(image))
    return {take_in(path): os.fsencode(path).decode(errors="replace") for path in paths}


def _files_of(plan: Plan) -> dict[str, str]:
    """Return the paths and addresses that the images of a plan's own points were given by."""
    images = {image for planned in plan for image in images_in(planned.request).values()}
    return {image: plan.files[image] for image in sorted(images & plan.files.keys())}


def _check_prompt(prompt: object) -> None:
    if isinstance(prompt, Sweep | VideoRequest):
        mend = "lab.start(sweep) starts one" if isinstance(prompt, Sweep) else "**request.given() gives its fields"
        message = f"expected a prompt as text, got a {type(prompt).__name__}: {mend}; nothing was bought"
        raise InputError(message)


def _check_fields(given: Iterable[str]) -> None:
    for name in given:
        if name not in FIELDS:
            message = f"there is no field {name!r}; {answer(name, TAKES['lab.generate'])}"
            raise InputError(message)


def _may_need(task: Task | None) -> bool:
    """Tell whether a point may have to be bought or has something left, by the task that served it, as it is now.

    Whether one that was refused is refused again, and needs nothing, only its plan says.
    """
    return task is None or task.state not in REUSED or is_left(task)


def _as_it_is(task: Task, folder: Path) -> Task:
    """Return a task as a start would find it: a saved task's file may have been deleted."""
    return task.apply(Event(task.id, EventKind.GONE, task.saved_at or 0.0, GONE)) if is_gone(task, folder) else task
