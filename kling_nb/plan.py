"""Points to exact calls, losses, prices and reuse: what a sweep would do, before anything is done. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any

from . import frames
from .catalog import Catalog
from .dialect import Dialect
from .errors import OverBudget, PriceUnknown, RefusedError
from .offer import Estimate, Loss, Offer, Problem, Provider
from .request import VideoRequest, digest, identity
from .sweep import Point
from .task import ZERO, Task, TaskState

if TYPE_CHECKING:
    import pandas as pd

OWN_ID = "‹one per attempt›"
OFFICIAL = "official"
PARTS = {"token": "an API key", "access": "an access:secret pair"}
REUSED = frozenset(TaskState) - {TaskState.CANCELLED, TaskState.REFUSED}
"""States of an earlier task that serves its point again; failed ones too: only a retry buys those."""


@dataclass(frozen=True, kw_only=True)
class PlannedPoint:
    """One point as it would be done: the exact call, every difference, the price, or why it is refused.

    ``reuse`` is the earlier task that serves it, ``shares`` the index of the point in this plan that becomes the
    same request at the provider.
    """

    point: Point
    provider: str
    identity: str
    request: VideoRequest
    call: Mapping[str, Any] = field(default_factory=dict)
    losses: tuple[Loss, ...] = ()
    problems: tuple[Problem, ...] = ()
    estimate: Estimate = field(default_factory=lambda: Estimate(None, None))
    official: Estimate = field(default_factory=lambda: Estimate(None, None))
    typical_s: float = 0.0
    reuse: Task | None = None
    shares: int | None = None

    @property
    def refusals(self) -> tuple[Problem, ...]:
        """The problems for which it is not sent."""
        return tuple(problem for problem in self.problems if not problem.warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What should be known although it is sent."""
        return tuple(problem for problem in self.problems if problem.warning)

    @property
    def is_served(self) -> bool:
        """Whether an earlier task was sent for it; one that was only planned is still to be bought."""
        return self.reuse is not None and self.reuse.state is not TaskState.PLANNED

    @property
    def buys(self) -> bool:
        """Whether starting would submit it."""
        return not self.refusals and not self.is_served and self.shares is None

    @property
    def fate(self) -> str:
        """Say in a few words what would become of it."""
        if self.refusals:
            return "refused"
        if self.reuse is not None and self.is_served:
            return "saved before" if self.reuse.state is TaskState.SAVED else f"{self.reuse.state} before"
        return "buy" if self.shares is None else f"same as {self.shares}"


@dataclass(frozen=True)
class Settings:
    """How a plan is made: ``fresh`` buys again, ``strict`` turns losses into refusals, ``share`` lets points that
    become the same request share one task, ``assume_price`` (USD a clip, or ``official``: what Kling itself asks)
    stands in where no price is known.
    """

    fresh: bool = False
    strict: bool = False
    share: bool = True
    assume_price: Decimal | str | None = None


class Planner:
    """Makes plans from the catalogue and the dialects.

    ``bound`` returns a provider as it is reached and its dialect, ``key_parts`` what the key at hand consists of
    (`None`: there is none yet, which is told when something is bought).
    """

    def __init__(
        self,
        catalog: Catalog,
        bound: Callable[[str], tuple[Provider, Dialect]],
        key_parts: Callable[[Provider], frozenset[str] | None],
        *,
        simulated: bool,
    ) -> None:
        self._catalog = catalog
        self._bound = bound
        self._key_parts = key_parts
        self._simulated = simulated

    def identities(self, points: Iterable[Point]) -> list[str]:
        """Return the identity of each point; its provider must be settled."""
        return [identity(p.request, p.provider or "", p.sample, simulated=self._simulated) for p in points]

    def plan(self, points: Sequence[Point], known: Mapping[str, Task], settings: Settings) -> Plan:
        """Plan every point, against the tasks known by identity."""
        names = self.identities(points)
        planned = [self._one(point, name, known, settings) for point, name in zip(points, names, strict=True)]
        return Plan(tuple(_share(planned) if settings.share else planned), simulated=self._simulated)

    def _one(self, point: Point, name: str, known: Mapping[str, Task], settings: Settings) -> PlannedPoint:
        provider, dialect = self._bound(point.provider or "")
        request = point.request
        problems = [*self._catalog.problems(request, provider.id), *_no_host(provider)]
        planned = PlannedPoint(
            point=point, provider=provider.id, identity=name, request=request, problems=tuple(problems)
        )
        if planned.refusals:
            return planned
        offer = self._catalog.offer(request, provider.id)
        encoded = dialect.encode(request, offer, OWN_ID)
        reuse = known.get(name)
        reuse = reuse if reuse and reuse.state in REUSED and not settings.fresh else None
        official = self._catalog.official_price(request, provider.id)
        assume = official.high if settings.assume_price == OFFICIAL else settings.assume_price
        planned = replace(
            planned,
            problems=(*planned.problems, *_out_of_reach(provider, offer, self._key_parts(provider))),
            call=encoded.call.shown(),
            losses=encoded.losses,
            estimate=_reserved(reuse) or self._catalog.estimate(request, provider.id, assume=assume),
            official=official,
            typical_s=self._catalog.typical_s(request, provider.id),
            reuse=reuse,
        )
        return _strict(planned) if settings.strict else planned


def _reserved(reuse: Task | None) -> Estimate | None:
    """Return the price that a task was planned at and never sent for: that is what would be reserved."""
    if reuse is None or reuse.state is not TaskState.PLANNED or reuse.estimate_high is None:
        return None
    return Estimate(reuse.estimate_low, reuse.estimate_high, "as planned before")


def _no_host(provider: Provider) -> list[Problem]:
    if provider.base_url:
        return []
    variable = f"KLING_NB_{provider.id.upper().replace('-', '_')}_BASE_URL"
    return [Problem("provider", provider.id, f"its host is not known: set {variable}")]


def _out_of_reach(provider: Provider, offer: Offer, parts: frozenset[str] | None) -> list[Problem]:
    """Refuse what the key at hand is known not to open."""
    if not offer.needs or parts is None or offer.needs in parts:
        return []
    variable = f"KLING_NB_{provider.id.upper().replace('-', '_')}_KEY"
    what = f"{provider.id} sells it only for {PARTS.get(offer.needs, offer.needs)}, which the key at hand lacks"
    return [Problem("model", offer.model, f"{what}: add it to {variable}, with a comma between", provider.source)]


def _strict(planned: PlannedPoint) -> PlannedPoint:
    refused = [
        Problem(loss.field, loss.asked, f"strict=True refuses a loss: {loss}", loss.source)
        for loss in planned.losses
        if loss.is_loss
    ]
    return replace(planned, problems=(*planned.problems, *refused))


def _share(planned: Sequence[PlannedPoint]) -> list[PlannedPoint]:
    """Let points whose calls are the same, sample by sample, share a task: one that is there, else the first one's."""
    first: dict[str, int] = {}
    for one in sorted(planned, key=lambda one: one.reuse is None):
        if not one.refusals:
            first.setdefault(_sameness(one), one.point.index)
    return [_shared(one, first) for one in planned]


def _shared(one: PlannedPoint, first: Mapping[str, int]) -> PlannedPoint:
    if one.refusals or one.reuse is not None or first[_sameness(one)] == one.point.index:
        return one
    return replace(one, shares=first[_sameness(one)])


def _sameness(one: PlannedPoint) -> str:
    return digest([one.call, one.point.sample, one.provider])


class Plan:
    """What a sweep would do, buy and cost. Nothing has been sent. Shows itself as a table in a notebook.

    ``low`` and ``high`` are the sum in USD of what would be bought; `check` raises what stands in the way.
    """

    def __init__(self, points: tuple[PlannedPoint, ...], *, simulated: bool) -> None:
        self.points = points
        self.simulated = simulated

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

    def check(self, budget: Decimal | None, committed: Decimal = ZERO) -> None:
        """Raise what stands in the way of starting a run that has spent, or may still be charged, so much in USD.

        `RefusedError` when every point is refused, `PriceUnknown` without a price for a point that would be
        bought, `OverBudget` when the sum passes the budget.
        """
        if self.points and len(self.refused) == len(self.points):
            raise RefusedError(self._refusal(), [p for point in self.points for p in point.refusals])
        if self.unpriced:
            raise PriceUnknown(self._price_unknown())
        if budget is not None and self.buys and self.high + committed > budget:
            before = f", and {dollars(committed)} of it is spent or may still be charged" if committed else ""
            message = (
                f"the plan buys {len(self.buys)} clips for up to {dollars(self.high)}, over the budget of "
                f"{dollars(budget)}{before}; nothing was bought; raise budget= or plan fewer points"
            )
            raise OverBudget(message)

    def _refusal(self) -> str:
        said = list(dict.fromkeys(str(problem) for point in self.points for problem in point.refusals))
        more = f" (and {len(said) - 6} more)" if len(said) > 6 else ""
        return f"nothing can be sent, and nothing was bought: {'; '.join(said[:6])}{more}"

    def _price_unknown(self) -> str:
        one = self.unpriced[0]
        asked = "pass assume_price= in USD a clip"
        if one.official.high is not None:
            own = dollars(one.official.high)
            asked += f", or assume_price={OFFICIAL!r} for what Kling itself asks ({own} for the first of them)"
        what = f"{one.request.model} at {one.provider} ({len(self.unpriced)} points)"
        return f"no price is known for {what}; nothing was bought; {asked}"

    def summary(self) -> str:
        """Say the plan in one line: points, clips to buy, price, time, reuse and refusals."""
        fates = Counter(_group(point) for point in self.points)
        parts = [f"{len(self.points)} points", f"{fates['buy']} to buy for {interval(self.low, self.high)}"]
        parts += [f"{fates[name]} {name}" for name in ("reused", "shared", "refused") if fates[name]]
        lossy = sum(any(loss.is_loss for loss in point.losses) for point in self.points)
        parts += [f"{lossy} with losses"] if lossy else []
        parts += [f"{len(self.unpriced)} without a price"] if self.unpriced else []
        slowest = max((point.typical_s for point in self.buys), default=0)
        parts += [f"about {duration(slowest)} a clip at the slowest"] if slowest else []
        return ("SIMULATED: " if self.simulated else "") + ", ".join(parts)

    def df(self) -> pd.DataFrame:
        """Return one row a point: its parameters, fate, price interval in USD, losses, problems, and exact call."""
        return frames.table([_row(point) for point in self.points])

    def losses(self) -> pd.DataFrame:
        """Return one row for each difference between what was asked and what is sent: ``point, provider, field,
        change, asked, sent, why, source``; refusals and warnings of the catalogue included.
        """
        columns = ("point", "provider", "field", "change", "asked", "sent", "why", "source")
        return frames.table([row for point in self.points for row in _loss_rows(point)], columns)

    def __repr__(self) -> str:
        """Return the summary."""
        return f"<Plan {self.summary()}>"

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(line)}</li>" for line in _causes(self.points))
        listed = f"<ul>{said}</ul>" if said else ""
        # A pair of dollar signs would be set as mathematics by a notebook: these classes forbid it.
        ignored = "knb-plan tex2jax_ignore mathjax_ignore"
        summary = f"<p><b>{escape(self.summary())}</b></p>"
        return f'<div class="{ignored}">{summary}{_html(self.points)}{listed}</div>'


def _group(point: PlannedPoint) -> str:
    if point.refusals:
        return "refused"
    if point.is_served:
        return "reused"
    return "shared" if point.shares is not None else "buy"


ROWS_SHOWN = 60
CELL = "text-align:left;vertical-align:top"


def _html(points: Sequence[PlannedPoint]) -> str:
    """Return the points as a table, without columns in which nothing stands; prompts and reasons are text."""
    rows = [_cells(point) for point in points[:ROWS_SHOWN]]
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if any(row.get(name) for row in rows)]
    head = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in ("", *names))
    body = "".join(_html_row(n, [row.get(name, "") for name in names]) for n, row in enumerate(rows))
    left = len(points) - len(rows)
    more = f"<p>and {left} more points: <code>plan.df()</code> has them all</p>" if left else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _html_row(number: int, cells: Sequence[str]) -> str:
    written = "".join(f'<td style="{CELL}">{escape(cell)}</td>' for cell in cells)
    return f'<tr><th style="{CELL}">{number}</th>{written}</tr>'


def _cells(planned: PlannedPoint) -> dict[str, str]:
    """Return what a plan's table shows of a point."""
    given = planned.request.given()
    named = {name: given.get(name) for name in ("mode", "duration", "aspect_ratio", "prompt")}
    sample = planned.point.sample if planned.point.sample > 1 else None
    cells = {
        "provider": planned.provider,
        "model": planned.request.model,
        **named,
        "sample": sample,
        "what": planned.fate,
        "price": "" if planned.refusals else _price(planned.estimate),
        "notes": "; ".join(_notes(planned)),
    }
    return {name: "" if value is None else str(value) for name, value in cells.items()}


def _price(estimate: Estimate) -> str:
    return interval(estimate.low, estimate.high) if estimate.known else "unknown"


def _row(planned: PlannedPoint) -> dict[str, Any]:
    given = planned.request.given()
    low, high = planned.estimate.low, planned.estimate.high
    return {
        "provider": planned.provider,
        "model": planned.request.model,
        **{name: given.get(name) for name in ("mode", "duration", "aspect_ratio", "prompt")},
        "sample": planned.point.sample,
        **{f"var_{name}": value for name, value in planned.point.variables.items()},
        "fate": planned.fate,
        "price": _price(planned.estimate),
        "low_usd": None if low is None else float(low),
        "high_usd": None if high is None else float(high),
        "price_source": planned.estimate.source,
        "typical_s": planned.typical_s,
        "changes": "; ".join(_notes(planned)),
        "method": planned.call.get("method"),
        "url": planned.call.get("url"),
        "body": json.dumps(planned.call.get("body"), ensure_ascii=False),
    }


def _notes(planned: PlannedPoint) -> list[str]:
    losses = [f"{loss.field} {loss.change}" for loss in planned.losses if loss.is_loss]
    return [*(str(problem) for problem in planned.problems), *losses]


def _loss_rows(planned: PlannedPoint) -> list[dict[str, Any]]:
    at = {"point": planned.point.index, "provider": planned.provider}
    losses = [
        {
            **at,
            "field": one.field,
            "change": one.change.value,
            "asked": one.asked,
            "sent": one.sent,
            "why": one.why,
            "source": one.source,
        }
        for one in planned.losses
    ]
    return losses + [
        {
            **at,
            "field": one.field,
            "change": "warned" if one.warning else "refused",
            "asked": one.value,
            "sent": None,
            "why": one.allowed,
            "source": one.source,
        }
        for one in planned.problems
    ]


def _causes(points: Sequence[PlannedPoint]) -> list[str]:
    """Say each change once, with the number of points that it touches."""
    told = Counter(
        f"{point.provider}: {loss}" for point in points for loss in point.losses if point.buys or loss.is_loss
    )
    return [f"{line} ({count} of {len(points)} points)" for line, count in told.most_common(12)]


def dollars(amount: Decimal) -> str:
    """Return an amount of USD for reading: two decimals, more where it is less than ten cents."""
    return f"${amount:.2f}" if amount >= Decimal("0.1") or not amount else f"${amount.normalize():f}"


def interval(low: Decimal | None, high: Decimal | None) -> str:
    """Return a price interval for reading."""
    if high is None:
        return "unknown"
    return dollars(high) if low is None or low == high else f"{dollars(low)}–{dollars(high).removeprefix('$')}"


def duration(seconds: float) -> str:
    """Return a length of time for reading."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
