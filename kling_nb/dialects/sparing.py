"""Checks of many tasks in which some queries fail: a failed query does not hide the statuses of other tasks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

from ..dialect import Call, Learnt, Reply, Status, Unreadable
from ..errors import KlingError, ProviderError, WireError
from ..task import Ticket

TROUBLE = (ProviderError, WireError, Unreadable)
"""Errors that one query may raise; any other error concerns the lab or the key, and ends the whole conversation."""

FAILURES_MOST = 3  # each query was retried, with waits: if the provider is down, do not query every task


def sparing(task_ids: Iterable[str], talk: Generator[Call, Reply, Learnt]) -> Generator[Call, Reply, Learnt]:
    """Run a conversation about some tasks; return an error that ends it in place of their statuses."""
    try:
        return (yield from talk)
    except TROUBLE as error:
        return dict.fromkeys(task_ids, error)


def singly(
    tickets: Sequence[Ticket], ask: Callable[[Ticket], Generator[Call, Reply, Learnt]]
) -> Generator[Call, Reply, Learnt]:
    """Query each task by itself; after several failures the remaining tasks get the last error."""
    learnt: dict[str, Status | KlingError] = {}
    for at, ticket in enumerate(tickets):
        learnt |= yield from sparing([ticket.id], ask(ticket))
        failures = [said for said in learnt.values() if not isinstance(said, Status)]
        if len(failures) == FAILURES_MOST:
            return {**dict.fromkeys([ticket.id for ticket in tickets[at + 1 :]], failures[-1]), **learnt}
    return learnt


def unless_all_failed(learnt: Learnt) -> Learnt:
    """Return ``learnt``; raises its error if it holds only errors."""
    trouble = None
    for said in learnt.values():
        if isinstance(said, Status):
            return learnt
        trouble = said
    if trouble is not None:
        raise trouble
    return learnt
