"""fal's queue protocol: submit, status, result, cancel.

Sources: fal.ai/docs on the queue, model APIs and errors, read 2026-11. Input is not validated at submit: a bad one
is accepted and answered with 422 at the result. Status, result and cancel live under the first two steps of the
endpoint only; the whole path answers 405.

A relay of fal (doc.quickrouter.ai, fal-kling-t2v and fal-result, read 2026-11) passes fal's reply to a submit on as it
is, with addresses at fal where its key is worth nothing, and has one address of its own, for the result. What that
says while a request runs, and that nothing else is passed on, are readings: no page shows either.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..dialect import Call, Credential, Encoded, Fault, Op, Phase, Reply, Status, Whose, join, path_under
from ..errors import InputError
from ..fields import CameraControl, Shot, plain
from ..offer import Knob, Offer, Provider
from ..request import VideoRequest
from ..secret import in_one_piece
from ..spelling import image_value, spell
from ..task import Ticket
from .fal_answers import GONE, body_of, detail_of, is_acceptance, is_answer, relayed_of, result_of, status_of
from .lacking import FindsNothing
from .reading import dig, fault_by_status, id_from, step, unreadable
from .relay_faults import relay_fault

POLLS = ("status", "result")


class FalQueue(FindsNothing):
    """The queue protocol at one provider.

    Of the provider's options it reads ``scheme``, the word before the key; ``poll``, which is ``status``, or
    ``result`` at a relay that has that address alone; and ``app``, which stands for the endpoint's own in it. Raises
    `InputError` for another word of ``poll``.
    """

    cancels = True
    options = ("scheme", "poll", "app")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""
        self._scheme = str(provider.options.get("scheme", "Key"))
        self._app = provider.options.get("app")
        poll = provider.options.get("poll", "status")
        if poll not in POLLS:
            message = f"the option poll of {provider.id} should be one of {', '.join(POLLS)}, got {poll!r}"
            raise InputError(message)
        self._has_result_only = poll == "result"
        self.cancels = not self._has_result_only

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
        """Ask for each status, and for the result once it is ``COMPLETED``; a relay for the result alone."""
        learnt: dict[str, Status] = {}
        for ticket in tickets:
            if self._has_result_only:
                status = relayed_of((yield self._call(Op.CHECK, "GET", ticket)))
            else:
                status = yield from self._queued(ticket)
            if status is not None:
                learnt[ticket.id] = status
        return learnt

    def _queued(self, ticket: Ticket) -> Generator[Call, Reply, Status | None]:
        status = status_of((yield self._call(Op.CHECK, "GET", ticket, "/status")))
        if status is None or status.phase is not Phase.DONE:
            return status
        return result_of((yield self._call(Op.CHECK, "GET", ticket)))

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        """Ask for cancellation: ``OK`` has left the queue; 202 is only a request, whose end a status will tell."""
        if self._has_result_only:
            return False
        reply = yield self._call(Op.CANCEL, "PUT", ticket, "/cancel")
        return reply.status == 200 and reply.content.strip(b'" \r\n') == b"OK"

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Take the key whole."""
        yield from ()
        return {"key": in_one_piece(key, self._provider.id, "id:secret")}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Put the key into the header."""
        return call.but(headers={**call.headers, "Authorization": f"{self._scheme} {credential['key']}"})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by HTTP status and ``detail``; what a finished request failed of is an answer.

        So is a whole acceptance, under any status. What comes without a ``detail`` from a relay is its own.
        """
        body, message = body_of(reply), detail_of(reply)
        if (call.op is Op.CHECK and is_answer(call, reply, body)) or (call.op is Op.SUBMIT and is_acceptance(body)):
            return None
        if self._has_result_only and dig(body, "detail") is None:
            return relay_fault(call, reply)
        if call.op is Op.CANCEL and (reply.status in GONE or dig(body, "status") == "ALREADY_COMPLETED"):
            return None
        if body is None:
            return None if call.op is Op.CANCEL and reply.ok else unreadable(reply)
        if reply.status == 403 and "balance" in message.lower():
            return Fault(whose=Whose.BALANCE, message=message, code="403")
        return fault_by_status(reply, message, str(reply.status))

    def _call(self, op: Op, method: str, ticket: Ticket, tail: str = "") -> Call:
        app = f"fal-ai/{self._app}" if self._app else ticket.data["app"]
        return Call(op=op, method=method, url=join(self._base, f"{app}/requests/{step(ticket.id)}{tail}"))


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
