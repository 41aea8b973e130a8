"""What a protocol may lack: a lookup by our own id, and a way to cancel. One that does says so and asks nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ..dialect import Call, Reply
from ..task import Ticket


class FindsNothing:
    """A protocol that keeps no id of ours."""

    finds = False

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Nothing can be looked up by an id of ours."""
        yield from ()
        return None


class CancelsNothing:
    """A protocol without a call that cancels."""

    cancels = False

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        """Nothing can be cancelled."""
        yield from ()
        return False
