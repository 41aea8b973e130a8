"""fal's queue protocol: submit, status, result, cancel.

Sources: fal.ai/docs on the queue, model APIs and errors, read 2026-11. Input is not validated at submit: a bad one
is accepted and answered with 422 at the result. ``COMPLETED`` also ends failed and cancelled requests. Status,
result and cancel live under the first two steps of the endpoint only; the whole path answers 405.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..dialect import (
    Asset,
    Call,
    Credential,
    Encoded,
    Fault,
    Op,
    Phase,
    Reply,
    Status,
    Unreadable,
    Whose,
    image_value,
    join,
    path_under,
    spell,
)
from ..errors import InputError
from ..offer import Knob, Offer, Provider
from ..request import CameraControl, Shot, VideoRequest, plain
from ..task import Cost, Ticket
from .reading import (
    amount_from,
    dig,
    fault_by_status,
    id_from,
    link_from,
    step,
    unreadable,
    whose_failure,
    words_from,
)

GONE = frozenset({404, 410})
UNPAID_FROM = 500  # "5xx errors are not billed", fal.ai/docs, read 2026-11; a 422 may be


class FalQueue:
    """The queue protocol at one provider."""

    finds = False
    cancels = True
    scheme = "Key"

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request; model and mode are in the path, and there is no place for an id of ours."""
        spelled = spell(request, offer, _SPELLINGS)
        is_own = "camera" not in request.extra.get(offer.provider, {})
        camera = spelled.body.pop("camera", {}) if is_own else {}
        body = {**spelled.body, **camera}
        call = Call(op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body=body)
        return Encoded(call, tuple(spelled.losses))

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``request_id``; the reply's addresses are not followed, for a relay's name another host."""
        return self.ticket(id_from(reply.object().get("request_id"), reply, "request_id"), call.shown())

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a request named by its ``request_id``."""
        owner, app, *_ = path_under(self._base, str(call["url"])).strip("/").split("/")
        return Ticket(remote_id, {"app": f"{owner}/{app}"})

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        """Ask for each status, and for the result once it is ``COMPLETED``."""
        learnt: dict[str, Status] = {}
        for ticket in tickets:
            reply = yield self._call(Op.CHECK, "GET", ticket, "/status")
            status = _status(reply)
            if status is not None and status.phase is Phase.DONE:
                status = _result((yield self._call(Op.CHECK, "GET", ticket)))
            if status is not None:
                learnt[ticket.id] = status
        return learnt

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Nothing can be looked up: the queue keeps no id of ours."""
        yield from ()
        return None

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        """Ask for cancellation: ``OK`` has left the queue; 202 is only a request, whose end a status will tell."""
        reply = yield self._call(Op.CANCEL, "PUT", ticket, "/cancel")
        return reply.status == 200 and reply.content.strip(b'" \r\n') == b"OK"

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Take the key whole; a space inside, as from a careless copy, would be answered with 401."""
        yield from ()
        if not key or key != "".join(key.split()):
            message = f"the key of {self._provider.id} should be one piece such as id:secret, without spaces"
            raise InputError(message)
        return {"key": key}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Put the key into the header."""
        return replace(call, headers={**call.headers, "Authorization": f"{self.scheme} {credential['key']}"})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by HTTP status and ``detail``; what a finished request failed of is an answer."""
        body, message = _body(reply), _detail(reply)
        if call.op is Op.CHECK and _is_answer(call, reply, body):
            return None
        if call.op is Op.CANCEL and (reply.status in GONE or dig(body, "status") == "ALREADY_COMPLETED"):
            return None
        if body is None:
            return None if call.op is Op.CANCEL and reply.ok else unreadable(reply)
        if reply.status == 403 and "balance" in message.lower():
            return Fault(whose=Whose.BALANCE, message=message, code="403")
        return fault_by_status(reply, message, str(reply.status))

    def _call(self, op: Op, method: str, ticket: Ticket, tail: str = "") -> Call:
        return Call(
            op=op, method=method, url=join(self._base, f"{ticket.data['app']}/requests/{step(ticket.id)}{tail}")
        )


def _is_answer(call: Call, reply: Reply, body: Any) -> bool:
    """Tell whether a reply to a check says something of the task: not there, or what its result failed of.

    A 5xx does only where it names the kind of its error, for the queue itself may be away too.
    """
    if not isinstance(body, dict) or "detail" not in body:
        return False
    is_result = not call.url.endswith("/status")
    untold = reply.status in (401, 403, 405, 408, 429) or (reply.status >= UNPAID_FROM and not _kind(reply))
    return reply.status in GONE or (is_result and not untold)


def _kind(reply: Reply) -> str:
    """Return the kind of an error, from wherever it is told."""
    body = _body(reply)
    told = (reply.headers.get("x-fal-error-type"), dig(body, "error_type"), dig(body, "detail", 0, "type"))
    return next(filter(None, map(words_from, told)), "")


def _status(reply: Reply) -> Status | None:
    if reply.status in GONE:
        return None
    body = reply.object()
    match body.get("status"):
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
    return _failed(error or kind or "no reason given", kind)


def _result(reply: Reply) -> Status | None:
    if reply.status in GONE:
        reason = "finished, but its result is no longer kept (about an hour at fal)"
        return Status(phase=Phase.FAILED, reason=reason, whose=Whose.PROVIDER, charged=True)
    url = link_from(dig(_body(reply), "video", "url"))
    if reply.ok and url is not None:
        return Status(phase=Phase.DONE, asset=Asset(url=url), cost=_cost(reply))
    message = _detail(reply)
    if reply.ok or "in progress" in message.lower():
        return Status(phase=Phase.RUNNING, reason="finished, but the result holds no video yet" if reply.ok else "")
    return _failed(message, _kind(reply), charged=False if reply.status >= UNPAID_FROM else None)


def _failed(reason: str, kind: str, *, charged: bool | None = None) -> Status:
    if "cancelled" in kind or (not kind and "request was cancelled" in reason.lower()):
        return Status(phase=Phase.CANCELLED, reason=reason, charged=False)
    bad_input = Whose.PROVIDER if charged is False else Whose.PARAMETERS
    server = any(word in kind for word in ("timeout", "runner", "internal", "downstream", "disconnected"))
    whose = Whose.PROVIDER if server else whose_failure(f"{kind} {reason}", bad_input)
    return Status(phase=Phase.FAILED, reason=reason, whose=whose, charged=False if server else charged)


def _cost(reply: Reply) -> Cost | None:
    units = amount_from(reply.headers.get("x-fal-billable-units"))
    return None if units is None else Cost(units, "billable units")


def _body(reply: Reply) -> Any:
    try:
        return reply.json()
    except Unreadable:
        return None


def _detail(reply: Reply) -> str:
    """Say what ``detail`` says: a sentence, or a list of fields with a message each."""
    detail = dig(_body(reply), "detail")
    if isinstance(detail, list):
        return "; ".join(_field(item) for item in detail) or reply.excerpt()
    return words_from(detail) or reply.excerpt()


def _field(item: Any) -> str:
    path = dig(item, "loc")
    where = ".".join(str(part) for part in path[1:] if isinstance(part, str | int)) if isinstance(path, list) else ""
    told = words_from(dig(item, "msg")) or words_from(item) or "no reason given"
    return f"{where}: {told}" if where else told


def _camera(_knob: Knob, camera: CameraControl) -> dict[str, Any]:
    """Spell a camera for v1: a named move, or one movement with its value."""
    if camera.type != "simple":
        return {"camera_control": camera.type}
    (name, value), *_ = camera.moves.items()
    return {"advanced_camera_control": {"movement_type": name, "movement_value": plain(value)}}


def _shots(_knob: Knob, shots: Sequence[Shot]) -> list[dict[str, Any]]:
    return [{"prompt": shot.prompt, "duration": str(shot.duration)} for shot in shots]


_SPELLINGS = {
    "camera_control": _camera,
    "multi_prompt": _shots,
    "image": lambda _knob, image: image_value(image, "data_uri"),
    "image_tail": lambda _knob, image: image_value(image, "data_uri"),
}
