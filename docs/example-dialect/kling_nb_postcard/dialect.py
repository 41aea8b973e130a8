"""What Postcard says and understands.

``POST /jobs`` takes ``{text, seconds, tag}`` and answers 201 with the job; ``GET /jobs/{id}`` and ``GET /tags/{tag}``
answer with ``{id, state, film, reason, price}``. A state is waiting, drawing, sent (``film`` is a link) or torn. The
key is the header ``X-Postcard-Key``. An error is ``{error, about}``, whose ``about`` is one of `ABOUT`, or job.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from kling_nb.costs import Cost
from kling_nb.dialect import Asset, Call, Credential, Encoded, Fault, Op, Phase, Reply, Status, Unreadable, Whose, join
from kling_nb.dialects.reading import amount_from, fault_by_status, id_from, link_from, step, unreadable, words_from
from kling_nb.errors import InputError
from kling_nb.offer import Offer, Provider
from kling_nb.request import VideoRequest
from kling_nb.spelling import spell  # fmt: skip
from kling_nb.task import Ticket

PHASES = {"waiting": Phase.QUEUED, "drawing": Phase.RUNNING, "sent": Phase.DONE, "torn": Phase.FAILED}
ABOUT = {"key": Whose.KEY, "funds": Whose.BALANCE, "text": Whose.POLICY, "field": Whose.PARAMETERS, "queue": Whose.FULL}


class Postcard:
    """The protocol at one provider."""

    finds = True
    cancels = False

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request by the catalogue's knobs; our own id travels as ``tag``."""
        spelled = spell(request, offer, {})
        call = Call(
            op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body=spelled.body | {"tag": own_id}
        )
        return Encoded(call, tuple(spelled.losses))

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``id``."""
        return Ticket(id_from(reply.object().get("id"), reply, "id"))

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a job that a person names."""
        return Ticket(remote_id)

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        """Ask for each job."""
        learnt: dict[str, Status] = {}
        for ticket in tickets:
            reply = yield self._get(Op.CHECK, f"jobs/{step(ticket.id)}")
            if status := _status(reply.object()):
                learnt[ticket.id] = status
        return learnt

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up by tag; that there is no such job is proof that nothing was bought."""
        reply = yield self._get(Op.FIND, f"tags/{step(own_id)}")
        body = reply.object()
        return None if body.get("about") == "job" else Ticket(id_from(body.get("id"), reply, "id"))

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        """Postcard has no way to cancel."""
        yield from ()
        return False

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Take the key as it is."""
        yield from ()
        if not key.strip():
            message = f"the key of {self._provider.id} should be the one that its counter handed out"
            raise InputError(message)
        return {"key": key.strip()}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Put the key into its header."""
        return call.but(headers={**call.headers, "X-Postcard-Key": credential["key"]})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by ``about``; that a job is not there is an answer to whoever asks for it."""
        try:
            body = reply.object()
        except Unreadable:
            return unreadable(reply)
        about, message = words_from(body.get("about")), words_from(body.get("error")) or reply.excerpt()
        if about == "job" and call.op in (Op.CHECK, Op.FIND):
            return None
        if about in ABOUT:
            again = about == "queue"
            return Fault(whose=ABOUT[about], message=message, code=about, again=again, after=reply.retry_after)
        return fault_by_status(reply, message)

    def _get(self, op: Op, path: str) -> Call:
        return Call(op=op, method="GET", url=join(self._base, path))


def _status(body: Mapping[str, Any]) -> Status | None:
    phase, link = PHASES.get(words_from(body.get("state"))), link_from(body.get("film"))
    if phase is Phase.FAILED:
        return Status(phase=phase, reason=words_from(body.get("reason")) or "no reason given", charged=False)
    if phase is not Phase.DONE:
        return Status(phase=phase) if phase else None
    price = amount_from(body.get("price"))
    cost = Cost(price, "USD", price) if price is not None else None
    return Status(phase=phase, asset=Asset(url=link), cost=cost) if link else Status(phase=Phase.RUNNING)
