"""What a plan takes to be started: the name of its run, the sweep that is kept with it, and a person's yes."""

from __future__ import annotations

from decimal import Decimal

from ..errors import InputError, OverBudget, SweepError
from ..excerpts import as_code
from ..request import digest
from ..sweep import Sweep
from .amounts import apart
from .plan import Plan

SINGLES = "generate"
"""The run that `Lab.generate` keeps its clips in."""


def run_name(name: str | None, plan: Plan) -> str:
    """Return the name of a run; one made from its points is the same every time the cell runs."""
    if name is None:
        return "sweep-" + digest([point.identity for point in plan.points])[:6]
    if not isinstance(name, str) or not name.strip() or name == SINGLES or len(name) > 100 or not name.isprintable():
        message = (
            f"name={as_code(name)}: expected a name of 1 to 100 printable characters, as text, other than {SINGLES!r}"
        )
        raise InputError(message)
    return name


def stored_sweep(sweep: Sweep) -> str:
    """Return the sweep as TOML to keep with its run, or nothing where it holds bytes, which a file cannot."""
    try:
        return sweep.to_toml()
    except SweepError:
        return ""


def confirm(plan: Plan, above: Decimal | None) -> None:
    """Ask a person where the plan costs more than they named; raises `OverBudget` without a yes."""
    if above is None or plan.high <= above:
        return
    question = f"{plan.summary()}. Buy it? Type yes: "
    try:
        said = input(question)
    except Exception:  # noqa: BLE001 - a front end without input raises its own kinds
        said = ""
    if said.strip().lower() not in ("y", "yes"):
        ceiling, price = apart(above, plan.high)
        message = (
            f"the plan costs up to {price}, above confirm_above={ceiling}, and nobody confirmed; "
            "nothing was bought; raise confirm_above= or plan fewer points"
        )
        raise OverBudget(message)
