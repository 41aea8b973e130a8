"""What a provider says that a task cost, and the days that costs are counted by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Cost:
    """A charge as the provider gave it, and as USD where its unit converts.

    ``figures`` are all amounts that it told, under its own names.
    """

    amount: Decimal
    unit: str
    usd: Decimal | None = None
    figures: Mapping[str, Decimal] = field(default_factory=lambda: MappingProxyType({}), compare=False)


def cost_from(value: Mapping[str, Any]) -> Cost:
    """Read a `Cost` from plain JSON, in which Decimals are text."""
    usd = value.get("usd")
    figures = {name: Decimal(str(amount)) for name, amount in (value.get("figures") or {}).items()}
    return Cost(
        Decimal(str(value["amount"])),
        str(value["unit"]),
        None if usd is None else Decimal(str(usd)),
        MappingProxyType(figures),
    )


def cost_data(cost: Cost) -> dict[str, Any]:
    """Return a `Cost` as plain JSON; `cost_from` is its inverse."""
    usd = None if cost.usd is None else str(cost.usd)
    figures = {name: str(amount) for name, amount in cost.figures.items()}
    return {"amount": str(cost.amount), "unit": cost.unit, "usd": usd, "figures": figures}


def day_of(at: float) -> int:
    """Return the day of a time in Unix seconds: days since 1970-01-01, each from midnight to midnight UTC."""
    return int(at // DAY_S)


def date_of(day: int) -> date:
    """Return the date of a day that `day_of` counted."""
    return date(1970, 1, 1) + timedelta(days=day)
