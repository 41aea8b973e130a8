"""Errors of new-api gateways, and of the relays whose pages are of one family with theirs.

Source: new-api's auth, distributor and task handlers, read 2026-07-14. An error is ``{error: {message, type, code}}``
or ``{code, message, data: null}``, and its code says more than the HTTP status: a bad parameter may be a 500 that
never left the gateway. What Kling itself answered comes as text inside ``message``. That open-route and QuickRouter
answer in these forms is a reading: neither page shows the body of an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ..dialect import Call, Fault, Op, Phase, Reply, Unreadable, Whose
from .kling_faults import FAULTS, MISSING, kling_fault
from .reading import code_of, dig, fault_by_status, unreadable, whose_code, whose_failure, words_from, words_in
from .shapes import id_told, phase_in

CODES: Mapping[str, tuple[Whose, bool]] = MappingProxyType(
    {
        # code: whose, another try is sensible; each proves that nothing was sent to Kling
        "insufficient_user_quota": (Whose.BALANCE, False),
        "pre_consume_token_quota_failed": (Whose.BALANCE, False),
        "access_denied": (Whose.KEY, False),
        "model_not_found": (Whose.PARAMETERS, False),  # a 503: no channel sells the model
        "build_request_failed": (Whose.PARAMETERS, False),  # a 500: the body could not be converted
        "invalid_request": (Whose.PARAMETERS, False),
        "invalid_seconds": (Whose.PARAMETERS, False),
        "invalid_multipart_form": (Whose.PARAMETERS, False),
        "system_cpu_overloaded": (Whose.PROVIDER, True),
    }
)

WHOLE = "fail_to_fetch_task"
RELAYED = frozenset({WHOLE, "task_failed"})
"""Codes under which a gateway passes Kling's no on: its whole body as text, or its message alone."""

MEANT: Mapping[str, int] = MappingProxyType(
    {
        "balance not enough": 1102,
        "parallel task over": 1303,
        "rate limit": 1302,
        "maintenance": 5001,
        "timeout": 5002,
        "server error": 5000,
    }
)
"""Words of Kling's messages and the code that they mean, for a gateway that leaves the code out."""

OWN_TYPE = "new_api_error"
COMMON = frozenset({"access_denied", "invalid_request"})
"""Codes that other services use too, perhaps in a 5xx for a forwarded request: alone they do not identify a gateway."""
FINE = (None, 0, "", "success")
UNKNOWN = "task_not_exist"
GONE = (UNKNOWN, "task not found")
OWED = ("额度", "余额", "quota", "balance")
UNOPENED = ("no access to model", "无权访问模型")
"""Of a key that a gateway's user limited to certain models: it does for those."""
CROWDED = "上游负载"  # "the load upstream is full": put in the place of whatever came with a 429 from there
DEEPEST = 3  # a gateway may stand behind a gateway


@dataclass(frozen=True, slots=True)
class Told:
    """What an error says of itself: its code, a number where it is one, and its words."""

    code: Any
    message: str

    @property
    def shown(self) -> str:
        """The code for a message; those of success are none."""
        return "" if self.code in FINE else str(self.code)[:40]

    @property
    def is_gone(self) -> bool:
        """Whether it says that there is no such task."""
        return self.code == MISSING or any(word in f"{self.code} {self.message}".lower() for word in GONE)


def relay_fault(call: Call, reply: Reply) -> Fault | None:
    """Judge a relay's reply; for a read, "no such task" is an answer.

    A success that holds the requested task is an answer too, unless its code is a known rejection. So is a whole
    acceptance under any HTTP status.
    """
    try:
        body = reply.object()
    except Unreadable:
        return unreadable(reply)
    told = _told(body)
    if told.is_gone and call.op in (Op.CHECK, Op.FIND):
        return None
    if reply.ok and not _says_no(body) and (_holds(call, body) or (told.code in FINE and not body.get("error"))):
        return None
    if call.op is Op.SUBMIT and _is_acceptance(told, body):
        return None
    return _fault(told, reply) or _strange(told, reply)


def says_unknown(reply: Reply) -> bool:
    """Tell whether a gateway of whatever kind says, by its own code, that it knows no such task."""
    try:
        return not reply.ok and code_of(reply.object()) == UNKNOWN
    except Unreadable:
        return False


def gateway_fault(reply: Reply) -> Fault | None:
    """Judge an error in a form that only a gateway has, by its type or its code, at a relay of whatever kind."""
    if reply.ok:  # before anything is read: every listing comes through here
        return None
    try:
        body = reply.object()
    except Unreadable:
        return None
    told = _told(body)
    if told.code == WHOLE:
        return _relayed(told, reply)
    is_own = dig(body, "error", "type") == OWN_TYPE or (told.code in CODES and told.code not in COMMON)
    return (_by_code(told, reply) or _by_words(told, reply)) if is_own else None


def _told(body: Mapping[str, Any]) -> Told:
    """Return what a body of either form says of itself."""
    error = body.get("error")
    where = error if isinstance(error, dict) else body
    return Told(code_of(where), words_from(where.get("message")) or words_from(error))


def _says_no(body: Mapping[str, Any]) -> bool:
    """Tell whether the envelope's own code is one that is known to say no."""
    code = code_of(body)
    return code in FAULTS or code in CODES or code in RELAYED


def _holds(call: Call, body: Mapping[str, Any]) -> bool:
    """Tell whether a body holds what was asked for: the id of a task that was made, or how one is doing."""
    return (id_told(body) if call.op is Op.SUBMIT else phase_in(body)) is not None


def _is_acceptance(told: Told, body: Mapping[str, Any]) -> bool:
    """Tell whether a body is a whole acceptance: something on the way may have put its own HTTP status over it.

    No error in new-api's handlers has a task's id and the word of one under way (read 2026-07-14).
    """
    is_fine = told.code in FINE and not body.get("error")
    return is_fine and id_told(body) is not None and phase_in(body) in (Phase.QUEUED, Phase.RUNNING)


def _fault(told: Told, reply: Reply) -> Fault | None:
    if told.code in RELAYED:
        return _relayed(told, reply)
    by_status = fault_by_status(reply, told.message or words_in(reply), told.shown)
    return _by_code(told, reply) or _by_words(told, reply) or by_status


def _by_code(told: Told, reply: Reply) -> Fault | None:
    message = told.message or words_in(reply)
    if told.code in FAULTS:
        return kling_fault(told.code, message, reply)
    if told.code in CODES:
        whose, again = CODES[told.code]
        return Fault(whose=whose, message=message, code=told.code, again=again, after=reply.retry_after)
    return None


def _by_words(told: Told, reply: Reply) -> Fault | None:
    """Judge the cases that have no code of their own, but words."""
    words = told.message.lower()
    if reply.status == 429 and CROWDED in words:
        return Fault(whose=Whose.FULL, message=told.message, code=told.shown, again=True, after=reply.retry_after)
    if reply.status == 403 and any(word in words for word in UNOPENED):
        return Fault(whose=Whose.PARAMETERS, message=told.message, code=told.shown)
    if reply.status in (401, 403) and any(word in words for word in OWED):
        return Fault(whose=Whose.BALANCE, message=told.message, code=told.shown)
    return None


def _relayed(told: Told, reply: Reply) -> Fault | None:
    """Read Kling's own rejection. If it is about the relay's key at Kling, the caller cannot fix it."""
    inner = _inner(told.message)
    fault = _by_code(inner, reply) or _by_words(told, reply) or _by_message(inner, told, reply)
    return replace(fault, whose=Whose.PROVIDER, renew=False, first="") if fault.whose is Whose.KEY else fault


def _inner(text: str) -> Told:
    """Return what the body inside a message says, through as many gateways as it came; else the words as they are."""
    inner = Told(None, text)
    for _ in range(DEEPEST):
        try:
            body = json.loads(inner.message)
        except (ValueError, RecursionError):
            break
        if not isinstance(body, dict):
            break
        inner = _told(body)
    return inner


def _by_message(inner: Told, told: Told, reply: Reply) -> Fault:
    """Judge by the words of Kling's message, unless it came with a 5xx; else by the status, Kling's own or a 400."""
    message = inner.message or told.message or words_in(reply)
    meant = next((code for words, code in MEANT.items() if words in message.lower()), None)
    if meant is not None and reply.status < 500:
        return replace(kling_fault(meant, message, reply), code=told.shown)
    fault = fault_by_status(reply, message, told.shown)
    fault = fault or Fault(whose=Whose.PARAMETERS, message=message, code=told.shown)
    return replace(fault, whose=whose_failure(message, fault.whose))


def _strange(told: Told, reply: Reply) -> Fault:
    """Return the fault of an error that no page names, under a success: it proves nothing."""
    message = told.message or words_in(reply)
    return Fault(whose=whose_code(told.code), message=message, code=told.shown, rejected=False)
