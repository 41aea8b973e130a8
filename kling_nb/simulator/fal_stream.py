"""fal's status as server-sent events: ``GET …/requests/{id}/status/stream``.

From fal.ai/docs/inference-api/queue/status-stream (2026-11): each event is a ``data:`` line with a status object, a
comment line comes every 15 s, and the stream ends after ``COMPLETED``.  This simulator's own readings, where nothing is
documented: an event comes when the object has changed; its ``logs`` are the lines since the event before, as fal's own
JavaScript client adds them up.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import anyio
from starlette.responses import Response, StreamingResponse

Told = Mapping[str, Any]

TICK_S = 0.1
"""Seconds between two looks at a request."""

COMMENT_S = 15.0
PENDING = frozenset({"IN_QUEUE", "IN_PROGRESS"})


def streamed(look: Callable[[], Told]) -> Response:
    """Every change of the status object that *look* returns, until it is no longer pending."""
    return StreamingResponse(_events(look), headers={"cache-control": "no-cache"}, media_type="text/event-stream")


async def _events(look: Callable[[], Told]) -> AsyncIterator[str]:
    before: Told = {}
    quiet_s = 0.0
    while True:
        told = look()
        if told != before or quiet_s >= COMMENT_S:
            yield ": waiting\n\n" if told == before else f"data: {json.dumps(_since(before, told))}\n\n"
            quiet_s = 0.0
        if told["status"] not in PENDING:
            return
        before, quiet_s = told, quiet_s + TICK_S
        await anyio.sleep(TICK_S)


def _since(before: Told, told: Told) -> Told:
    """The object with those log lines only that are new."""
    if not told.get("logs"):
        return told
    return {**told, "logs": told["logs"][len(before.get("logs") or []) :]}
