"""Reads the replies of fal's queue: a request's status, its result, and which error replies are answers about a task.

Sources: fal.ai/docs on the queue and on errors, read 2026-11. ``COMPLETED`` also ends failed and cancelled requests;
the HTTP status and ``detail`` of the result give the reason of a failure. A result with billable units says whether a
failure is billed: we read 0 units as not billed. No page says whether a request cancelled while running is billed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ..costs import Cost
from ..dialect import Asset, Call, Phase, Reply, Status, Unreadable, Whose
from .reading import amount_from, dig, link_from, phase_of, whose_failure, words_from, words_in

GONE = frozenset({404, 410})
UNPAID_FROM = 500  # "5xx errors are not billed", fal.ai/docs, read 2026-11; a 422 may be
UNFINISHED = Status(phase=Phase.RUNNING, reason="finished, but the result holds no video yet")


def is_answer(call: Call, reply: Reply, body: Any) -> bool:
    """Tell whether an error reply to a check is about the task: unknown to fal, or failed for this reason.

    A 5xx is about the task only if it names the kind of its error, since the queue itself may be down.
    """
    if not isinstance(body, dict) or "detail" not in body:
        return False
    is_result = not call.url.endswith("/status")
    untold = reply.status in (401, 403, 405, 408, 429) or (reply.status >= UNPAID_FROM and not _kind(reply))
    return reply.status in GONE or (is_result and not untold)


def is_acceptance(body: Any) -> bool:
    """Tell whether a body is a whole acceptance: something on the way may have put its own HTTP status over it.

    An error has a ``detail``, and no page shows one with the word of a request under way.
    """
    if not isinstance(body, dict) or body.get("detail") is not None or body.get("error"):
        return False
    return body.get("request_id") is not None and phase_of(body.get("status")) in (Phase.QUEUED, Phase.RUNNING)


def _kind(reply: Reply) -> str:
    """Return the kind of an error, from wherever it is told."""
    body = body_of(reply)
    told = (reply.headers.get("x-fal-error-type"), dig(body, "error_type"), dig(body, "detail", 0, "type"))
    return next(filter(None, map(words_from, told)), "")


def status_of(reply: Reply) -> Status | None:
    """Read the status address; `None` for a request that is not there and for a word never seen."""
    if reply.status in GONE:
        return None
    body = reply.object()
    match str(body.get("status")).upper():  # a relay may spell it in its own case, as others spell theirs
        case "IN_QUEUE":
            position = body.get("queue_position")
            return Status(phase=Phase.QUEUED, position=position if type(position) is int else None)
        case "IN_PROGRESS":
            return Status(phase=Phase.RUNNING)
        case "COMPLETED" | "FAILED" | "CANCELLED" as word:
            return _ended(word, body)
        case _:
            return None


def _ended(word: str, body: Mapping[str, Any]) -> Status:
    error, kind = words_from(body.get("error")), words_from(body.get("error_type"))
    if word == "CANCELLED":
        return _failed(error or "cancelled", "cancelled")
    if word == "COMPLETED" and not body.get("error") and not body.get("error_type"):
        return Status(phase=Phase.DONE)
    if not error and not kind:  # nothing says that the request is at fault
        return Status(phase=Phase.FAILED, reason="no reason given", whose=Whose.PROVIDER)
    return _failed(error or kind, kind)


def result_of(reply: Reply) -> Status | None:
    """Read the result of a request that is ``COMPLETED``: the clip, or what it failed of."""
    if reply.status in GONE:
        reason = "finished, but its result is no longer kept (about an hour at fal)"
        return Status(phase=Phase.FAILED, reason=reason, whose=Whose.PROVIDER, charged=True)
    url = link_from(dig(body_of(reply), "video", "url"))
    if reply.ok and url is not None:
        return Status(phase=Phase.DONE, asset=Asset(url=url), cost=_cost(reply))
    message = detail_of(reply)
    if reply.ok or "in progress" in message.lower():
        return UNFINISHED if reply.ok else Status(phase=Phase.RUNNING)
    if reply.status >= UNPAID_FROM:
        return _failed(message, _kind(reply), charged=False)
    return _billed(_failed(message, _kind(reply)), _cost(reply))


def _billed(status: Status, cost: Cost | None) -> Status:
    """Return a failure with what its result says of the bill."""
    return status if cost is None else replace(status, charged=cost.amount > 0, cost=cost)


def relayed_of(reply: Reply) -> Status | None:
    """Read the reply of a relay's only URL: a video is done, a word of fal's queue pending, other ``detail`` a failure.

    A video without a link that can be followed is finished too. Anything else is no news. A relay does not report the
    price of a failure or a clip.
    """
    body, message = body_of(reply), detail_of(reply)
    url = link_from(dig(body, "video", "url"))
    if url is not None and reply.ok:
        return Status(phase=Phase.DONE, asset=Asset(url=url))
    if reply.status in GONE or not isinstance(body, dict):
        return None
    if status := status_of(reply):
        return UNFINISHED if status.phase is Phase.DONE else replace(status, charged=None)
    if body.get("detail") is None:
        return UNFINISHED if reply.ok and "video" in body else None
    if "in progress" in message.lower():
        return Status(phase=Phase.RUNNING)
    return replace(_failed(message, _kind(reply)), charged=None)


def _failed(reason: str, kind: str, *, charged: bool | None = None) -> Status:
    if "cancelled" in kind or (not kind and "request was cancelled" in reason.lower()):
        return Status(phase=Phase.CANCELLED, reason=reason)
    bad_input = Whose.PROVIDER if charged is False else Whose.PARAMETERS
    server = any(word in kind for word in ("timeout", "runner", "internal", "downstream", "disconnected"))
    whose = Whose.PROVIDER if server else whose_failure(f"{kind} {reason}", bad_input)
    return Status(phase=Phase.FAILED, reason=reason, whose=whose, charged=False if server else charged)


def _cost(reply: Reply) -> Cost | None:
    units = amount_from(reply.headers.get("x-fal-billable-units"))
    return None if units is None else Cost(units, "billable units", None, MappingProxyType({"billable units": units}))


def body_of(reply: Reply) -> Any:
    """Return the body read as JSON; `None` for what is none."""
    try:
        return reply.json()
    except Unreadable:
        return None


def detail_of(reply: Reply) -> str:
    """Say what ``detail`` says: a sentence, or a list of fields with a message each."""
    detail = dig(body_of(reply), "detail")
    if isinstance(detail, list):
        return words_from("; ".join(_field(item) for item in detail)) or words_in(reply)
    return words_from(detail) or words_in(reply)


def _field(item: Any) -> str:
    path = dig(item, "loc")
    where = ".".join(str(part) for part in path[1:] if isinstance(part, str | int)) if isinstance(path, list) else ""
    told = words_from(dig(item, "msg")) or words_from(item) or "no reason given"
    return f"{where}: {told}" if where else told
