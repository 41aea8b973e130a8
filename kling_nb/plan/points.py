"""One point of a plan: the exact call, every difference, the price, or why it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Literal, Self

from ..errors import InputError
from ..fields import flag
from ..keywords import TAKES, answer
from ..offer import Estimate, Loss, Problem
from ..request import VideoRequest
from ..states import Cause, TaskState
from ..sweep import Point
from ..task import Task
from .amounts import interval, usd
from .shown import badge, point_html, title

OWN_ID = "‹one per attempt›"
REUSED = frozenset(TaskState) - {TaskState.CANCELLED, TaskState.REFUSED}
"""States of an earlier task that serves its point again; failed ones too: only a retry buys those."""
OFFICIAL: Literal["official"] = "official"


@dataclass(frozen=True, kw_only=True, repr=False)
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
    simulated: bool = False

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
    def is_gone(self) -> bool:
        """Whether it was saved before and its file is not in the lab folder: starting fetches it again, for nothing."""
        return self.reuse is not None and self.reuse.cause == Cause.GONE

    @property
    def has_failed(self) -> bool:
        """Whether what was bought for it before failed: starting leaves it so."""
        return self.reuse is not None and self.reuse.state is TaskState.FAILED

    @property
    def buys(self) -> bool:
        """Whether starting would submit it."""
        return not self.refusals and not self.is_served and self.shares is None

    @property
    def fate(self) -> str:
        """Say in a few words what would become of it."""
        if self.refusals:
            return "refused"
        if self.is_gone:
            return "saved before, its file is gone"
        if self.reuse is not None and self.is_served:
            return "saved before" if self.reuse.state is TaskState.SAVED else f"{self.reuse.state} before"
        return "buy" if self.shares is None else f"same as {self.shares}"

    @property
    def price(self) -> str:
        """The price, for reading."""
        return interval(self.estimate.low, self.estimate.high) if self.estimate.known else "unknown"

    @property
    def notes(self) -> list[str]:
        """What is refused, warned of and lost, for reading."""
        losses = [f"{loss.field} {loss.change}" for loss in self.losses if loss.is_loss]
        return [*map(str, self._untold), *losses]

    @property
    def _untold(self) -> list[Problem]:
        """The problems, without warnings about a field that is lost anyway."""
        lost = {loss.field for loss in self.losses if loss.is_loss}
        return [problem for problem in self.problems if not (problem.warning and problem.field in lost)]

    def row(self) -> dict[str, Any]:
        """Return the point as a row of the plan's table."""
        given = self.request.given()
        low, high = self.estimate.low, self.estimate.high
        return {
            "point": self.point.index,
            "provider": self.provider,
            "model": self.request.model,
            **{name: given.get(name) for name in ("mode", "duration", "aspect_ratio", "prompt")},
            "sample": self.point.sample,
            **{f"var_{name}": value for name, value in self.point.variables.items()},
            "fate": self.fate,
            "price": self.price,
            "low_usd": None if low is None else float(low),
            "high_usd": None if high is None else float(high),
            "price_source": self.estimate.source,
            "typical_s": self.typical_s,
            "changes": "; ".join(self.notes),
            "method": self.call.get("method"),
            "url": self.call.get("url"),
            "body": json.dumps(self.call.get("body"), ensure_ascii=False),
        }

    def changes(self) -> Iterator[dict[str, Any]]:
        """Yield one row for each difference between what was asked and what arrives, refusals and warnings included.

        A warning about a field that is lost anyway is not told twice.
        """
        at = {"point": self.point.index, "provider": self.provider}
        for one in self.losses:
            yield (
                at | {"field": one.field, "change": one.change.value, "asked": one.asked, "sent": one.sent} | _why(one)
            )
        for problem in self._untold:
            change = "warned" if problem.warning else "refused"
            told = {"field": problem.field, "change": change, "asked": problem.value, "sent": None}
            yield at | told | {"why": problem.allowed, "source": problem.source}

    def __repr__(self) -> str:
        """Return where it goes and what would become of it; a notebook shows its call and every difference."""
        return f"<PlannedPoint {badge(self)}{title(self)}>"

    def _repr_html_(self) -> str:
        return point_html(self)


def _why(loss: Loss) -> dict[str, str]:
    return {"why": loss.why, "source": loss.source}


@dataclass(frozen=True)
class Settings:
    """How a plan is made: ``fresh`` buys again, ``strict`` turns losses into refusals, ``share`` lets points that
    become the same request share one task, ``assume_price`` (USD a clip, or ``official``: what Kling itself asks)
    stands in where no price is known.
    """

    fresh: bool = False
    strict: bool = False
    share: bool = True
    assume_price: Decimal | Literal["official"] | None = None

    @classmethod
    def only(cls, given: dict[str, Any], here: str) -> Self:
        """Read the settings of the call ``here``; raises `InputError` for a word that is none, with where it belongs."""
        settings = cls.taken_from(given)
        for name in given:
            message = f"there is no setting {name!r}; {answer(name, TAKES[here])}"
            raise InputError(message)
        return settings

    @classmethod
    def taken_from(cls, given: dict[str, Any]) -> Self:
        """Take the settings out of keywords, and leave the rest."""
        price = given.pop("assume_price", None)
        price = (
            price if isinstance(price, str) and price == OFFICIAL else usd("assume_price", price, f", or {OFFICIAL!r}")
        )
        return cls(**{name: flag(name, given.pop(name)) for name in _SETTINGS if name in given}, assume_price=price)


_SETTINGS = tuple(field.name for field in fields(Settings))
