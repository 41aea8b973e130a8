"""fal's queue protocol: submit, status, result, cancel.

Sources: fal.ai/docs on the queue, model APIs and errors, read 2026-11. Input is not validated at submit: a bad one
is accepted and answered with 422 at the result. ``COMPLETED`` also ends failed and cancelled requests. Status,
result and cancel live under the first two steps of the endpoint only; the whole path answers 405.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
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
    dig,
    fault_by_status,
    image_value,
    join,
    path_under,
    spell,
    unreadable,
    whose_failure,
)
from ..errors import InputError
from ..offer import Offer, Provider
from ..request import CameraControl, Shot, VideoRequest
from ..task import Cost, Ticket

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
        camera = spelled.body.pop("camera", {})
        call = Call(op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body={**spelled.body, **camera})
        return Encoded(call, tuple(spelled.losses))

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``request_id``; the reply's addresses are not followed, for a relay's name another host."""
        request_id = reply.object().get("request_id")
        if not request_id:
            message = f"expected request_id, got {reply.excerpt()!r}"
            raise Unreadable(message)
        return self.ticket(str(request_id), call.shown())

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
        """Ask for cancellation: 200 has left the queue; 202 is only a request, whose end a status will tell."""
        reply = yield self._call(Op.CANCEL, "PUT", ticket, "/cancel")
        return reply.status == 200

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
        return Call(op=op, method=method, url=join(self._base, f"{ticket.data['app']}/requests/{ticket.id}{tail}"))


def _is_answer(call: Call, reply: Reply, body: Any) -> bool:
    """Tell whether a reply to a check says something of the task: not there, or what its result failed of."""
    if reply.status in GONE:
        return True
    is_result = not call.url.endswith("/status")
    told = isinstance(body, dict) and "detail" in body
    return is_result and told and reply.status not in (401, 403, 408, 429)


def _status(reply: Reply) -> Status | None:
    if reply.status in GONE:
        return None
    body = reply.object()
    error = body.get("error")
    match body.get("status"):
        case "IN_QUEUE":
            position = body.get("queue_position")
            return Status(phase=Phase.QUEUED, position=position if isinstance(position, int) else None)
        case "IN_PROGRESS":
            return Status(phase=Phase.RUNNING)
        case "COMPLETED" if not error and not body.get("error_type"):
            return Status(phase=Phase.DONE)
        case "COMPLETED" | "FAILED" | "CANCELLED":
            return _failed(str(error or body.get("error_type") or "no reason given"), str(body.get("error_type") or ""))
        case _:
            return None


def _result(reply: Reply) -> Status | None:
    if reply.status in GONE:
        reason = "finished, but its result is no longer kept (about an hour at fal)"
        return Status(phase=Phase.FAILED, reason=reason, whose=Whose.PROVIDER, charged=True)
    url = dig(_body(reply), "video", "url")
    if reply.ok and isinstance(url, str) and url:
        return Status(phase=Phase.DONE, asset=Asset(url=url), cost=_cost(reply))
    message = _detail(reply)
    if reply.ok or "in progress" in message.lower():
        return Status(phase=Phase.RUNNING, reason="finished, but the result holds no video yet" if reply.ok else "")
    kind = str(reply.headers.get("x-fal-error-type") or dig(_body(reply), "detail", 0, "type") or "")
    return _failed(message, kind, charged=False if reply.status >= UNPAID_FROM else None)


def _failed(reason: str, kind: str, *, charged: bool | None = None) -> Status:
    if "cancelled" in kind or "cancelled" in reason.lower():
        return Status(phase=Phase.CANCELLED, reason=reason, charged=False)
    bad_input = Whose.PROVIDER if charged is False else Whose.PARAMETERS
    server = any(word in kind for word in ("timeout", "runner", "internal", "downstream", "disconnected"))
    whose = Whose.PROVIDER if server else whose_failure(f"{kind} {reason}", bad_input)
    return Status(phase=Phase.FAILED, reason=reason, whose=whose, charged=False if server else charged)


def _cost(reply: Reply) -> Cost | None:
    try:
        return Cost(Decimal(reply.headers["x-fal-billable-units"]), "billable units")
    except (KeyError, InvalidOperation):
        return None


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
    return str(detail) if detail else reply.excerpt()


def _field(item: Any) -> str:
    path = dig(item, "loc")
    where = ".".join(str(step) for step in path[1:]) if isinstance(path, list) else ""
    told = str(dig(item, "msg") or item)
    return f"{where}: {told}" if where else told


def _camera(camera: CameraControl) -> dict[str, Any]:
    """Spell a camera for v1: a named move, or one movement with its value."""
    if camera.type != "simple":
        return {"camera_control": camera.type}
    (name, value), *_ = camera.moves.items()
    return {"advanced_camera_control": {"movement_type": name, "movement_value": value}}


def _shots(shots: Sequence[Shot]) -> list[dict[str, Any]]:
    return [{"prompt": shot.prompt, "duration": str(shot.duration)} for shot in shots]


_SPELLINGS = {
    "camera_control": _camera,
    "multi_prompt": _shots,
    "shot_type": lambda kind: "intelligent" if kind == "intelligence" else kind,
    "image": lambda image: image_value(image, "data_uri"),
    "image_tail": lambda image: image_value(image, "data_uri"),
}
