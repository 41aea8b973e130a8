"""Whether a simulator's ledger and a lab's log agree on every charge, and what is in the lab folder's ``clips/``."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from kling_nb import Lab
from kling_nb.simulator.store import Task as Charged
from kling_nb.states import TaskState
from kling_nb.task import Task

from .played import Played

UNWORTHY = ("Traceback", " object at 0x", "Errno", "KeyError(", "NoneType")
"""What a reason does not hold that is for a person."""


@dataclass
class Reckoning:
    """What was counted: 0 is right for ``lost``, ``duplicated`` and ``wrong``; ``wrong`` says each in words."""

    points: int = 0
    ledger: int = 0
    log: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: list[str] = field(default_factory=list)

    def __add__(self, other: Reckoning) -> Reckoning:
        """Return the sum of two."""
        sums = (getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__)
        return Reckoning(*sums)

    @property
    def is_right(self) -> bool:
        """Whether nothing was lost, bought twice, or ended wrongly, and both sides count the same charges."""
        return not (self.lost or self.duplicated or self.wrong or self.ledger != self.log)


def reckoned(one: Played, tasks: Sequence[Task], prompts: Iterable[str]) -> Reckoning:
    """Compare what the simulator charged for some prompts with what a log holds of them.

    A charge is lost that no task of the log names, and duplicated that is one more for the same prompt at the same
    provider. What counts as a charge on both sides is a task that was accepted, whether or not it is refunded later;
    at each provider the charges have to be the same sum.
    """
    asked = set(prompts)
    orders = [order for order in one.orders() if order.prompt in asked]
    accepted = [task for task in tasks if task.ticket is not None]
    known = {(task.provider, task.ticket.id) for task in tasks if task.ticket is not None}
    bought = Counter((order.provider, order.prompt) for order in orders)
    return Reckoning(
        ledger=len(orders),
        log=len(accepted),
        lost=sum((order.provider, order.id) not in known for order in orders),
        duplicated=sum(bought.values()) - len(bought),
        wrong=unequal(orders, accepted),
    )


def unequal(orders: Sequence[Charged], tasks: Sequence[Task]) -> list[str]:
    """Say in words at which provider the ledger's charges and the log's are not the same sum, to the cent."""
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for order in orders:
        sums[order.provider][0] += Decimal(order.usd)
    for task in tasks:
        sums[task.provider][1] += task.price
    return [f"{name}: {a} USD in the ledger, {b} in the log" for name, (a, b) in sums.items() if a != b]


def misfiled(lab: Lab, tasks: Sequence[Task]) -> list[str]:
    """Say in words what in ``clips/`` is not the whole clip of a saved task, and which clip is missing."""
    saved = {task.clip.path: task.clip.sha256 for task in tasks if task.clip is not None}
    found = {f"clips/{path.name}": path for path in (lab.folder / "clips").iterdir()}
    wrong = [f"{name} is no clip of the log" for name in sorted(found.keys() - saved.keys())]
    wrong += [f"{name} is missing" for name in sorted(saved.keys() - found.keys())]
    return wrong + [f"{name} is not as it was saved" for name in found if _differs(found[name], saved.get(name))]


def _differs(path: Path, sha256: str | None) -> bool:
    return sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256


def answer(lab: Lab, one: Played) -> int:
    """Decide every uncertain task as the ledger has it; answers how many there were.

    One that was charged is accepted under the provider's id; one that was not is bought again.
    """
    known = {(task.provider, task.ticket.id) for task in lab._opened.log.read_tasks() if task.ticket is not None}
    doubtful = list(lab.uncertain())
    for doubt in doubtful:
        task = doubt.task
        charged = [
            order.id
            for order in one.orders()
            if order.provider == task.provider
            and order.prompt == task.request["prompt"]
            and (order.provider, order.id) not in known
        ]
        if charged:
            doubt.accepted_as(charged[0])
        else:
            doubt.buy_again()
    return len(doubtful)


def unspoken(task: Task) -> bool:
    """Tell whether a task that did not end saved has no reason that a person understands."""
    if task.state is TaskState.SAVED:
        return False
    return len(task.reason.split()) < 4 or any(word in task.reason for word in UNWORTHY)
