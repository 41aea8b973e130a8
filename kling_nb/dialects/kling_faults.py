"""Kling's errors: ``{code, message, request_id}`` under any HTTP status, 200 included, where the code decides.

Source: kling.ai document API, page on error codes, read 2026-09-20. Both generations answer so, and so do the relays
that pass Kling's answers on.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..dialect import Call, Fault, Op, Reply, Unreadable, Whose
from .reading import code_of, code_shown, fault_by_status, strange_code, unreadable, words_in

MISSING = 1203

FAULTS: Mapping[int, tuple[Whose, bool, bool]] = {
    # code: whose, another try is sensible, a submit was certainly not carried out
    **dict.fromkeys(range(1000, 1005), (Whose.KEY, False, True)),
    1100: (Whose.BALANCE, False, True),
    1101: (Whose.BALANCE, False, True),
    1102: (Whose.BALANCE, False, True),
    1103: (Whose.PARAMETERS, False, True),  # of one model: the key does for others
    1200: (Whose.PARAMETERS, False, True),
    1201: (Whose.PARAMETERS, False, True),
    1202: (Whose.ADDRESS, False, True),  # an invalid method: ours are right, so that it is the path
    MISSING: (Whose.PARAMETERS, False, True),
    1300: (Whose.POLICY, False, True),
    1301: (Whose.POLICY, False, True),
    1302: (Whose.RATE, True, True),
    1303: (Whose.FULL, True, True),
    1304: (Whose.KEY, False, True),
    5000: (Whose.PROVIDER, True, False),
    5001: (Whose.PROVIDER, True, False),
    5002: (Whose.PROVIDER, True, False),
}
"""429 is not one thing: 1100-1102 and 1304 are permanent."""


RENEWABLE = frozenset({1003, 1004})
"""Not yet valid, and expired: a token signed anew may do."""
CLOCK = "set this machine's clock"
HINTS: Mapping[int, str] = {
    # A token says from when until when it holds, by the clock of whoever signed it.
    **dict.fromkeys(RENEWABLE, "; is this machine's clock right?"),
    1000: "; is this the host of the key's region?",  # another's is answered so (QuantumNous/new-api#1342)
    1103: "; does this account have this model?",
    1304: "; is this machine's address on the account's list?",
}


def judge_code(call: Call, reply: Reply) -> Fault | None:
    """Tell whether a reply is an answer or a fault, by its code; a task that is not there is an answer.

    A success code with data under an HTTP error status is an answer too: the submit was accepted.
    """
    try:
        body = reply.object()
    except Unreadable:
        return unreadable(reply)
    code = code_of(body)
    if (code == MISSING and call.op in (Op.CHECK, Op.FIND)) or (code == 0 and body.get("data")):
        return None
    message = words_in(reply)
    if code in FAULTS:
        return kling_fault(int(code), message, reply)
    return fault_by_status(reply, message, code_shown(code)) or strange_code(code, message)


def kling_fault(code: int, message: str, reply: Reply) -> Fault:
    """Return the fault that one of `FAULTS` means, with the provider's words."""
    whose, again, rejected = FAULTS[code]
    return Fault(
        whose=whose,
        message=message + HINTS.get(code, ""),
        code=str(code),
        again=again,
        after=reply.retry_after,
        rejected=rejected,
        renew=code in RENEWABLE,
        first=CLOCK if code in RENEWABLE else "",
    )
