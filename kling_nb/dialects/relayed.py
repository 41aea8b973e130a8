"""What the dialects of relays share: a bearer key, one question a task, the errors of their family, no cancelling."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..dialect import Call, Credential, Fault, Op, Reply, Status, join, path_under
from ..offer import Provider
from ..secret import in_one_piece
from ..task import Ticket
from .lacking import CancelsNothing, FindsNothing
from .native import ACCEPT
from .reading import step
from .relay_faults import relay_fault
from .shapes import id_in, status_in


class Relayed(FindsNothing, CancelsNothing):
    """A relay whose tasks are asked about below the path that they were submitted to.

    No page of these relays has a way to cancel.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``task_id``, at top level before ``data``'s, else ``id``."""
        return self.ticket(id_in(reply), call.shown())

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task named by its ``task_id``."""
        return Ticket(remote_id, {"path": path_under(self._base, str(call["url"]))})

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        """Ask about each task by itself: no page has a list."""
        learnt: dict[str, Status] = {}
        for ticket in tickets:
            reply = yield self._get(Op.CHECK, f"{ticket.data['path']}/{step(ticket.id)}")
            status = status_in(reply.object(), self._base, self._content(ticket))
            if status is not None:
                learnt[ticket.id] = status
        return learnt

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Take the key whole."""
        yield from ()
        return {"key": in_one_piece(key, self._provider.id, "sk-…")}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Put the key into the header."""
        return call.but(headers={**call.headers, "Authorization": f"Bearer {credential['key']}"})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by the code of an error, else by its words, else by the HTTP status."""
        return relay_fault(call, reply)

    def _content(self, ticket: Ticket) -> str | None:
        """Return the relay's own address of a clip, where it has one."""
        return None

    def _get(self, op: Op, path: str) -> Call:
        return Call(op=op, method="GET", url=join(self._base, path), headers=ACCEPT)
