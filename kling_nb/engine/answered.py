"""What came back for a submit, read before anything is done about it: an id to follow, a no, or neither."""

from __future__ import annotations

from dataclasses import dataclass

from ..dialect import Call, Dialect, Fault, Reply, Whose, is_id
from ..excerpts import excerpt
from ..links import stranger
from ..states import Cause
from ..task import Ticket
from .told import told_of_named


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """A ticket, else a fault, else why it is in doubt, with its cause; ``strange`` is how another answered, if so.

    With a fault that proves nothing, ``doubt`` is what else the answer holds: an id, perhaps of what was bought.
    """

    ticket: Ticket | None = None
    fault: Fault | None = None
    doubt: str = ""
    cause: Cause = Cause.DOUBT
    strange: str = ""


def read(dialect: Dialect, call: Call, reply: Reply) -> Answered:
    """Read a reply to a submit.

    Another may have answered in the provider's place, and a dialect need not notice: whatever it cannot read then, or
    takes for an acceptance without an id, proves nothing. A no of the provider's own under 2xx stays the provider's,
    even if it begins as a web page does.
    """
    answer, strange = _read(dialect, call, reply), stranger(call.url, reply.status, reply.headers, reply.content)
    is_own = answer.ticket is not None or (reply.ok and answer.fault is not None and answer.fault.rejected)
    if not strange or is_own:
        return answer
    fault = answer.fault or Fault(whose=Whose.PROVIDER, message=answer.doubt.lstrip(": "), rejected=False)
    return Answered(fault=fault, strange=strange)


def _read(dialect: Dialect, call: Call, reply: Reply) -> Answered:
    cause = Cause.DOUBT
    try:
        fault = dialect.judge(call, reply)
        cause = Cause.UNNAMED if fault is None else cause
        ticket = _ticket_of(dialect, call, reply, fault)
    except Exception as error:  # noqa: BLE001 - an answer that a dialect did not foresee is no answer
        return Answered(doubt=f": {error}", cause=cause)
    if ticket is not None and fault is not None and not fault.rejected:
        return Answered(fault=fault, doubt=told_of_named(ticket.id), cause=Cause.UNNAMED)
    if ticket is not None and not is_id(ticket.id):
        return Answered(
            doubt=f" accepted it as {excerpt(repr(ticket.id), 60)}, which cannot be an id", cause=Cause.UNNAMED
        )
    if ticket is not None:
        return Answered(ticket=ticket)
    return Answered(fault=fault, doubt=" accepted it but gave no id" if fault is None else "", cause=cause)


def _ticket_of(dialect: Dialect, call: Call, reply: Reply, fault: Fault | None) -> Ticket | None:
    """Return the id that a reply to a submit gives; `None` for a fault without one.

    An id contradicts a rejection, as where a gateway put its own HTTP status over an acceptance: sent again, it would
    be bought twice. In what is neither a yes nor a no it may be the error's own, so that a person decides about it.
    """
    if fault is None:
        return dialect.accepted(call, reply)
    try:
        return dialect.accepted(call, reply)
    except Exception:  # noqa: BLE001 - a refusal need not be readable as an acceptance
        return None
