"""Amounts of money and lengths of time: as a person gives them, and for reading."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ..errors import InputError
from ..excerpts import as_code
from ..task import ZERO


@dataclass(frozen=True)
class Money:
    """A ceiling in USD (`None`: there is none), and what is spent or may still be charged under it."""

    budget: Decimal | None = None
    committed: Decimal = ZERO

    @property
    def left(self) -> Decimal | None:
        """How much of the ceiling is left, in USD; `None` where there is none."""
        return None if self.budget is None else max(ZERO, self.budget - self.committed)

    def refusal(self, price: Decimal) -> str | None:
        """Return why something at a price would pass the ceiling, in words that follow "the"; `None` if it fits."""
        if self.budget is None or self.committed + price <= self.budget:
            return None
        left = "leaves {}, and a clip costs up to {}".format(*apart(self.left, price)) if self.left else "is used up"
        return f"budget of {dollars(self.budget)} {left}: {dollars(self.committed)} is spent or may still be charged"


def usd(name: str, value: float | str | Decimal | None, beside: str = "") -> Decimal | None:
    """Read the amount of USD given as argument ``name``; raises `InputError` if the value is not an amount.

    ``beside`` names other accepted values, for the error.
    """
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except ArithmeticError:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        message = f"{name}={as_code(value)}: expected an amount of USD, such as 25{beside}; nothing was sent"
        raise InputError(message)
    return amount


def dollars(amount: Decimal) -> str:
    """Return an amount of USD for reading: two decimals, more where it is less than ten cents."""
    return f"${amount:.2f}" if amount >= Decimal("0.1") or not amount else _exactly(amount)


def apart(less: Decimal, more: Decimal) -> tuple[str, str]:
    """Return two amounts for reading, with all their decimals where two would make them look the same."""
    price, ceiling, _ = over(more, less)
    return ceiling, price


def over(price: Decimal, budget: Decimal, committed: Decimal = ZERO) -> tuple[str, str, str]:
    """Return a price, the budget that it passes, and what is committed under that, for reading.

    They have all their decimals where two would make it look as if the price fitted.
    """
    amounts = (price, budget, committed)
    asked, ceiling, before = (Decimal(dollars(amount).removeprefix("$")) for amount in amounts)
    told = dollars if asked + before > ceiling else _exactly
    return told(price), told(budget), told(committed)


def _exactly(amount: Decimal) -> str:
    return f"${amount.normalize():f}"


def interval(low: Decimal | None, high: Decimal | None) -> str:
    """Return a price interval for reading."""
    if high is None:
        return "unknown"
    return dollars(high) if low is None or low == high else f"{dollars(low)}–{dollars(high).removeprefix('$')}"


def duration(seconds: float) -> str:
    """Return a length of time for reading."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
