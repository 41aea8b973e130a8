"""The plan of a sweep: its points, its sum, what stands in the way, and its tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sized
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .. import frames
from ..errors import InputError, OverBudget, PriceUnknown, RefusedError
from ..excerpts import as_code
from ..keywords import answering
from ..task import ZERO
from .amounts import Money, apart, dollars, duration, interval, over, usd
from .asked import ASKED, Column, asked, varying
from .points import OFFICIAL, PlannedPoint
from .shown import plan_html
from .terminal import is_at_a_prompt, plan_text

if TYPE_CHECKING:
    import pandas as pd


NO_CEILING = Money()
NOTHING = "nothing to buy"
COLUMNS: Mapping[str, str] = {
    "point": "Int64",
    "provider": "string",
    "model": "string",
    "mode": "string",
    "duration": "Int64",
    "aspect_ratio": "string",
    "prompt": "string",
    "sample": "Int64",
    "fate": "string",
    "price": "string",
    "low_usd": "Float64",
    "high_usd": "Float64",
    "price_source": "string",
    "typical_s": "Float64",
    "changes": "string",
    "method": "string",
    "url": "string",
    "body": "string",
}
"""Columns of `Plan.df` and their dtypes, in order; ``var_<name>`` columns stand after ``sample``, and `ASKED` ones last."""

LOSS_COLUMNS: Mapping[str, str] = {
    "point": "Int64",
    "provider": "string",
    "field": "string",
    "change": "string",
    "asked": "object",  # a value of any field
    "sent": "object",
    "why": "string",
    "source": "string",
}
"""Columns of `Plan.losses` and their dtypes, in order."""


@answering("kn.Plan", "plan")
class Plan:
    """What a sweep would do, buy and cost: ``lab.plan(sweep)`` makes one, and ``lab.start(sweep)`` does it.

    Nothing has been sent. In a notebook it shows as a table; ``plan.df()`` is that as a DataFrame, ``plan.losses()`` what
    becomes of what was asked, and ``plan[3]`` is one point. ``low`` and ``high`` are the sum in USD of what would be
    bought; `check` raises what stands in the way. ``today`` is the lab's daily ceiling and what was counted under it when
    the plan was made; ``files`` are the paths that images were given by, by reference.
    """

    def __init__(
        self,
        points: tuple[PlannedPoint, ...],
        *,
        simulated: bool,
        today: Money = NO_CEILING,
        files: Mapping[str, str] = frames.NO_FILES,
    ) -> None:
        self.points = points
        self.simulated = simulated
        self.today = today
        self.files = files

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    @property
    def buys(self) -> list[PlannedPoint]:
        """The points that would be submitted."""
        return [point for point in self.points if point.buys]

    @property
    def refused(self) -> list[PlannedPoint]:
        """The points that are not sent, with their problems."""
        return [point for point in self.points if point.refusals]

    @property
    def low(self) -> Decimal:
        """The least that would be spent, in USD."""
        return sum((point.estimate.low or ZERO for point in self.buys), ZERO)

    @property
    def high(self) -> Decimal:
        """The most that would be spent, in USD, by the prices that are known."""
        return sum((point.estimate.high or ZERO for point in self.buys), ZERO)

    @property
    def unpriced(self) -> list[PlannedPoint]:
        """The points that would be bought although no price is known."""
        return [point for point in self.buys if not point.estimate.known]

    def check(self, budget: float | str | Decimal | None, committed: Decimal = ZERO) -> None:
        """Raise what stands in the way of starting a run that has already spent or reserved ``committed`` USD.

        `RefusedError` if every point is refused, `PriceUnknown` if a point that would be bought has no known price,
        `OverBudget` if the sum exceeds the budget.
        """
        ceiling = usd("budget", budget)
        if self.points and len(self.refused) == len(self.points):
            raise RefusedError(self._refusal(), [p for point in self.points for p in point.refusals])
        if self.unpriced:
            raise PriceUnknown(self._price_unknown())
        if ceiling is not None and self.buys and self.high + committed > ceiling:
            price, limit, spent = over(self.high, ceiling, committed)
            before = f", of which {spent} is spent or may still be charged" if committed else ""
            message = (
                f"the plan buys {_counted(self.buys, 'clip')} for up to {price}, over the budget of "
                f"{limit}{before}; nothing was bought; raise budget= or plan fewer points"
            )
            raise OverBudget(message)

    def _refusal(self) -> str:
        said = list(dict.fromkeys(str(problem) for point in self.points for problem in point.refusals))
        more = f" (and {len(said) - 6} more)" if len(said) > 6 else ""
        return f"nothing can be sent, and nothing was bought: {'; '.join(said[:6])}{more}"

    def _price_unknown(self) -> str:
        one, unknown = self.unpriced[0], self._unknown_models()
        asked = "pass assume_price= in USD per clip"
        if one.official.high is not None:
            own = dollars(one.official.high)
            asked += f", or assume_price={OFFICIAL!r} for Kling's own price ({own} for the first of them)"
        places = list(dict.fromkeys(f"{point.request.model} at {point.provider}" for point in self.unpriced))
        more = f" and {len(places) - 6} more" if len(places) > 6 else ""
        what = f"{', '.join(places[:6])}{more} ({_counted(self.unpriced, 'point')})"
        asked = f"to buy it all the same, {asked}" if unknown else asked
        return "; ".join([*unknown, f"no price is known for {what}", "nothing was bought", asked])

    def _unknown_models(self) -> list[str]:
        """Say which models without a price the catalogue does not know, and what they may have been meant to be."""
        found = {p.value: p for point in self.unpriced for p in point.warnings if p.field == "model"}
        return [f"the model {name!r} {problem.allowed}" for name, problem in [*found.items()][:3]]

    def summary(self) -> str:
        """Say the plan in one line: points, clips to buy, price, time, reuse and refusals."""
        fates = Counter(_group(point) for point in self.points)
        others = [self._so_many(fates[name], name) for name in ("reused", "shared", "refused") if fates[name]]
        bought = f"{fates['buy']} to buy{self._for_how_much()}"
        parts = [_counted(self.points, "point"), *([bought, *others] if fates["buy"] else [*others, NOTHING])]
        gone = sum(point.is_gone for point in self.points)
        parts += [f"{gone} whose file is gone (starting fetches it again, for free)"] if gone else []
        failed = sum(point.has_failed for point in self.points)
        parts += [f"{failed} failed before (run.retry() buys again what failed)"] if failed else []
        parts += [f"{len(self._lossy)} with losses"] if self._lossy else []
        slowest = max((point.typical_s for point in self.buys), default=0)
        parts += [f"about {duration(slowest)} a clip at the slowest"] if slowest else []
        parts += [self._over_today()] if self._over_today() else []
        return ("SIMULATED: " if self.simulated else "") + ", ".join(parts)

    def _so_many(self, count: int, fate: str) -> str:
        """Say what becomes of so many points; of all points without their number, which was told."""
        if count < len(self):
            return f"{count} {fate}"
        return f"all {fate}" if count > 1 else fate

    def _for_how_much(self) -> str:
        """Say the sum, and how many it is of where some have no price; no comma, at which the form parts the line."""
        unpriced, priced = len(self.unpriced), len(self.buys) - len(self.unpriced)
        known = f"for {interval(self.low, self.high)}"
        if not unpriced:
            return f" {known}"
        return f": {priced} {known} and {unpriced} without a price" if priced else " without a price"

    @property
    def _lossy(self) -> list[PlannedPoint]:
        return [point for point in self.points if any(loss.is_loss for loss in point.losses)]

    def _over_today(self) -> str:
        """Say what the daily ceiling leaves, where that is less than the sum."""
        budget, left = self.today.budget, self.today.left
        if budget is None or left is None or self.high <= left:
            return ""
        told, price = apart(left, self.high)
        enough = "" if price == dollars(self.high) else f" for up to {price}"  # the line rounds the sum
        return f"but only {told} of the daily budget of {dollars(budget)} is left today{enough}: the rest would be held"

    def df(self) -> pd.DataFrame:
        """Return one row per point: its number, parameters, fate, price interval in USD, and exact call.

        ``point`` is its number, as ``plan[3]`` takes it; ``var_<name>`` columns stand after ``sample``.
        ``fate`` is ``buy``, ``refused``, ``saved before`` (or ``running before`` …), or ``same as`` another point;
        ``changes`` says every loss and problem in words. Behind these stands each other field that a point sets, such
        as ``cfg_scale`` or ``camera_control``, in words; an image by the name of its file.
        """
        variables, own = [point.point.variables for point in self.points], self._asked()
        columns = frames.with_variables(COLUMNS, "sample", variables) | {name: ASKED[name] for name in own}
        rows = [point.row() | {name: own[name][n] for name in own} for n, point in enumerate(self.points)]
        return frames.table(rows, columns)

    def _asked(self) -> dict[str, Column]:
        return asked([point.request for point in self.points], self.files)

    def losses(self) -> pd.DataFrame:
        """Return the loss report, one row for each difference between what was asked and what arrives.

        Columns: ``point, provider, field, change, asked, sent, why, source``. ``change`` is ``filled`` (left open, and
        filled in), ``defaulted`` (left to the provider), ``coerced`` (to another value), ``dropped``, ``inert`` (sent
        without effect), ``refused`` (the point is not sent) or ``warned``.
        """
        return frames.table([row for point in self.points for row in point.changes()], LOSS_COLUMNS)

    def __repr__(self) -> str:
        """Return the summary, and where no table is shown beside it, how to see what is lost and refused."""
        differs = self._lossy or self.refused
        return f"<Plan {self.summary()}{'; .losses() says what and why' if differs else ''}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's signature
        """Show the table where IPython shows text alone; a plan inside of something else is one line."""
        is_alone = not cycle and len(printer.stack) == 1 and is_at_a_prompt()
        printer.text(plan_text(self) if is_alone else repr(self))

    def __getitem__(self, index: int) -> PlannedPoint:
        """Return a point, as ``plan[3]``, which shows its exact call and every difference in a notebook.

        Raises `InputError` for what is not the number of a point, as column ``point`` has it.
        """
        try:
            return self.points[index]
        except (TypeError, IndexError):
            held = f"its points are 0 to {len(self) - 1}" if self.points else "it has no points"
            message = f"plan[{as_code(index)}]: expected the number of a point; {held}; plan.df() shows them"
            raise InputError(message) from None

    def __iter__(self) -> Iterator[PlannedPoint]:
        """Go through the points."""
        return iter(self.points)

    def _repr_html_(self) -> str:
        return plan_html(self.summary(), self.points, varying(self._asked()))


def _group(point: PlannedPoint) -> str:
    if point.refusals:
        return "refused"
    if point.is_served:
        return "reused"
    return "shared" if point.shares is not None else "buy"


def _counted(what: Sized, word: str) -> str:
    return f"{len(what)} {word}{'s' * (len(what) != 1)}"
