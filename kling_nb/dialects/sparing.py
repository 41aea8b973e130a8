"""Asking about many tasks where some cannot be asked about: what fails hides nothing of what the others told."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

from ..dialect import Call, Learnt, Reply, Status, Unreadable
from ..errors import KlingError, ProviderError, WireError
from ..task import Ticket

TROUBLE = (ProviderError, WireError, Unreadable)
"""What may come of a question; anything else is about the lab or the key, and ends the whole conversation."""

FAILURES_MOST = 3  # each was asked several times, with waits: a place that is down is not asked about every task


def sparing(task_ids: Iterable[str], talk: Generator[Call, Reply, Learnt]) -> Generator[Call, Reply, Learnt]:
    """Hold a conversation about some tasks; an error that ends it is what was learnt of them."""
    try:
        return (yield from talk)
    except TROUBLE as error:
        return dict.fromkeys(task_ids, error)


def singly(
    tickets: Sequence[Ticket], ask: Callable[[Ticket], Generator[Call, Reply, Learnt]]
) -> Generator[Call, Reply, Learnt]:
    """Ask about each task by itself, until several cannot be asked about: the rest then have the last one's error."""
    learnt: dict[str, Status | KlingError] = {}
    for at, ticket in enumerate(tickets):
        learnt |= yield from sparing([ticket.id], ask(ticket))
        failures = [said for said in learnt.values() if not isinstance(said, Status)]
        if len(failures) == FAILURES_MOST:
            return {**dict.fromkeys([ticket.id for ticket in tickets[at + 1 :]], failures[-1]), **learnt}
    return learnt


def unless_all_failed(learnt: Learnt) -> Learnt:
    """Return what was learnt; raises the error where there is nothing else."""
    trouble = None
    for said in learnt.values():
        if isinstance(said, Status):
            return learnt
        trouble = said
    if trouble is not None:
        raise trouble
    return learnt
