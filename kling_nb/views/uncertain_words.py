"""Uncertain tasks in words, and what can be done about them: what table, panel and terminal all say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..excerpts import plain
from ..plan import dollars
from ..task import ZERO
from .standing import DOT, bounded

if TYPE_CHECKING:
    from ..engine.doubt import Doubtful, Uncertain

SHOWN = 48  # rows; the others wait until these are decided
RETRIES = "run.retry() buys its point again"
NOWHERE = "no run has its point any more; run.retry() of a run that is started with it buys it"
NOBODY = "no uncertain tasks: nothing is in doubt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One thing that can be done about a task in doubt: in Python, and as a button.

    ``question`` is asked before it is done, where there is one, and ``sure`` is what agrees; with ``field`` it is
    answered by an id. ``{provider}``, ``{price}``, ``{twice}`` and ``{run}`` stand for the task's own; ``{again}``, in
    ``done`` alone, for what buys it by then.
    """

    name: str
    python: str
    means: str
    button: str
    done: str
    question: str = ""
    sure: str = ""
    field: str = ""


WAYS: Mapping[str, Way] = {
    way.name: way
    for way in (
        Way(
            name="look_again",
            python=".look_again()",
            means="look it up again by our own id, if the provider can",
            button="Look again",
            done="It is being looked up again, if {provider} can do that; this row changes when it is found.",
        ),
        Way(
            name="accepted_as",
            python='.accepted_as("id")',
            means="the provider's console shows it under this id: it is followed from there, and nothing is bought",
            button="It was accepted as…",
            question="Under which id does the console of {provider} show it? It is followed from there; nothing is bought.",
            sure="Follow it",
            field="Id at {provider}",
            done="It was found at {provider} under this id, and is followed from there.",
        ),
        Way(
            name="never_bought",
            python=".never_bought()",
            means="the provider's console shows no such task: the price is no longer counted",
            button="Never bought…",
            question="Only if the console of {provider} shows no such task: {price} is no longer counted.",
            sure="It was never bought",
            done="It counts as failed, and {price} is no longer counted; {again}.",
        ),
        Way(
            name="give_up",
            python=".give_up()",
            means="stop asking: it counts as failed, and its price stays counted, since it may have been charged",
            button="Give up…",
            question="Stop asking? It counts as failed, and {price} stays counted as spent, since it may have been charged.",
            sure="Give up {price}",
            done="It was given up; {price} stays counted as spent.",
        ),
        Way(
            name="buy_again",
            python=".buy_again()",
            means="give it up and buy another, at the risk of paying twice",
            button="Buy again…",
            question="Buy it again for {price}? If the first one was bought too, both are paid: {twice} in all.",
            sure="Buy again for {price}",
            done="It was given up, and another attempt was ordered; if a budget holds it back, run.held says so.",
        ),
    )
}
"""What can be done, the cheapest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One task in words; everything in it is text, to be escaped by whoever shows it.

    ``python`` is what stands for it in a cell while it is in doubt, and ``twice`` what two of it cost; ``own`` names its
    own id, which is looked for in the provider's console: empty where that was not sent.
    """

    id: str
    own: str
    python: str
    provider: str
    model: str
    prompt: str
    settings: str
    run: str
    price: str
    twice: str
    since: str
    state: str
    stands: str
    why: str
    open: bool


# -- words -------------------------------------------------------------------------------------------------------


def rows(tasks: Sequence[Doubtful]) -> list[Row]:
    """Return the first `SHOWN` tasks in words; those in doubt are numbered as a list of them anew would be."""
    numbers = iter(range(len(tasks)))
    return [_row(one, f"lab.uncertain()[{next(numbers)}]" if one.is_open else "") for one in tasks[:SHOWN]]


def _row(one: Doubtful, python: str) -> Row:
    task = one.task
    return Row(
        id=task.id,
        own=f"own id {one.sent_id}" if one.sent_id else "",
        python=python,
        provider=bounded(task.provider),
        model=bounded(task.model),
        prompt=bounded(str(task.request.get("prompt") or "")),
        settings=bounded(_settings(task.request)),
        run=bounded(task.run),
        price=dollars(one.at_stake),
        twice=dollars(2 * one.at_stake),
        since=_since(task.submitted_at),
        state=task.state.value,
        stands=bounded(one.stands),
        why=bounded(one.why),
        open=one.is_open,
    )


def said(name: str, one: Doubtful) -> str:
    """Say what was done about a task, by the name of the way."""
    again = RETRIES if one.is_wanted else NOWHERE
    return WAYS[name].done.format(**asdict(_row(one, "")), again=again)


def _settings(request: Mapping[str, Any]) -> str:
    duration = request.get("duration")
    values = (request.get("mode"), f"{duration} s" if duration else None, request.get("aspect_ratio"))
    return DOT.join(str(value) for value in values if value)


def _since(seconds: float | None) -> str:
    try:
        return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return ""


def head(tasks: Sequence[Doubtful]) -> str:
    """Say how many are in doubt, what is at stake, and how many are in doubt no longer."""
    waiting = [one for one in tasks if one.is_open]
    stake: Decimal = sum((one.at_stake for one in waiting), ZERO)
    said = f"{len(waiting)} uncertain {_tasks(len(waiting))}, {dollars(stake)} at stake" if waiting else NOBODY
    return said + (f"{DOT}{len(tasks) - len(waiting)} decided or found" if len(waiting) < len(tasks) else "")


def _tasks(count: int) -> str:
    return "task" if count == 1 else "tasks"


def left(tasks: Sequence[Doubtful]) -> str:
    """Say that not all are shown, where that is so."""
    return f"{SHOWN} of {len(tasks)} shown; lab.uncertain().df has them all" if len(tasks) > SHOWN else ""


def line(one: Doubtful) -> str:
    """Say one task in one line."""
    return ": ".join(_lines(one))


def _lines(one: Doubtful) -> tuple[str, str]:
    """Say what a task is and how it stands, and why."""
    row = _row(one, "")
    asked = DOT.join(filter(None, (row.provider, row.model, row.settings)))
    since = f" since {row.since}" if row.since else ""
    stands = f'{asked}, "{row.prompt}": {row.price} at stake{since}, {row.stands}'
    return plain(stands), plain(f"{row.why} ({row.own})" if row.own else row.why)


def words(tasks: Uncertain) -> str:
    """Say the tasks in lines, for a terminal: what is at stake, and what can be done about it."""
    if not tasks:
        return f"<Uncertain{' SIMULATED' if tasks.simulated else ''}: {NOBODY}>"
    told = [_lines(one) for one in list(tasks)[:SHOWN]]
    lines = [f"lab.uncertain()[{number}]: {stands}\n    {why}" for number, (stands, why) in enumerate(told)]
    ways = [f"  {way.python:<18} {way.means}" for way in WAYS.values()]
    badge = "SIMULATED: " if tasks.simulated else ""
    return "\n".join(
        filter(None, [f"{badge}{head(tasks)}", *lines, left(tasks), "what can be done about each:", *ways])
    )
