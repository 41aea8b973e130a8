"""Chanjing's creation API: a token that is fetched, codes under HTTP 200, one listing for up to fifty tasks.

Sources: doc.chanjing.cc, page on video-kling-v2-5-turbo-normal, and chanjing-ai/chan-skills, read 2026-11. Every body
is ``{trace_id, code, msg, data}``; times are in seconds, and ``expire_in`` is the instant at which a token ends. It
keeps no id of ours and cannot cancel.

Readings, since no page says: the HTTP status of an error (the code decides under any); a wrong id or secret is one of
the token call's codes for bad parameters; an unknown task, asked for alone, is a code for bad parameters or no data.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..dialect import Asset, Call, Credential, Encoded, Fault, Learnt, Op, Phase, Reply, Status, Unreadable, Whose, join
from ..errors import InputError, KlingError
from ..offer import Knob, Offer, Provider
from ..request import VideoRequest
from ..spelling import image_value, spell
from ..task import Ticket
from .lacking import CancelsNothing, FindsNothing
from .reading import (
    NO_LINK,
    code_of,
    code_shown,
    dig,
    fault_by_status,
    id_from,
    link_from,
    phase_of,
    step,
    strange_code,
    unreadable,
    whose_failure,
    words_from,
    words_in,
    words_whole,
)
from .sparing import singly, sparing, unless_all_failed

TOKEN_PATH = "/open/v1/access_token"  # noqa: S105 - a path
TASK_PATH = "/open/v1/ai_creation/task"
VIDEO = 4
"""``creation_type`` of a submit and ``type`` of a listing."""
PAGE_MOST = 50
EARLY_S = 300
"""The official client renews a token so long before its end."""
MS_FROM = 10**11
INSTANT_FROM = 10**9
FREE_WORDS = "不消耗"
"""Of a failure's text: 本次生成不消耗蝉豆, "this generation uses no credits"."""

OWED_WORDS = "余额不足"
"""Of an error's text: 蝉豆余额不足, "not enough credits"; a reading, for no page says how an empty account is told."""

BAD = frozenset({400, 40000})
EXPIRED = 10400
FAULTS: Mapping[int, tuple[Whose, bool, bool]] = {
    # code: whose, another try is sensible, a submit was certainly not carried out
    400: (Whose.PARAMETERS, False, True),
    EXPIRED: (Whose.KEY, False, True),
    40000: (Whose.PARAMETERS, False, True),
    40001: (Whose.RATE, True, True),
    50000: (Whose.PROVIDER, True, False),
}
"""Codes of the page, but for 0."""


class Chanjing(FindsNothing, CancelsNothing):
    """The creation API at one provider. It keeps no id of ours, and cannot cancel (no page has it, read 2026-11)."""

    options = ()

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request; there is no place for an id of ours."""
        spelled = spell(request, offer, _SPELLINGS)
        body = {"creation_type": VIDEO, "model_code": offer.name, **spelled.body}
        call = Call(op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body=body)
        return Encoded(call, tuple(spelled.losses))

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``data``, which is the bare id; under a code of the page for an error it is any text, and none."""
        body = reply.object()
        named = None if code_of(body) in FAULTS else body.get("data")
        return Ticket(id_from(named, reply, "data to be an id"))

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task named by its ``unique_id``."""
        return Ticket(remote_id)

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Ask by pages where there are several tasks, singly for what a page lacks."""
        learnt: dict[str, Status | KlingError] = {}
        wanted = {ticket.id: ticket for ticket in tickets}
        names = [*wanted]
        for start in range(0, len(names) if len(names) > 1 else 0, PAGE_MOST):
            page = names[start : start + PAGE_MOST]
            learnt |= yield from sparing(page, self._page(page))
        unheard = [ticket for task_id, ticket in wanted.items() if task_id not in learnt]
        learnt |= yield from singly(unheard, self._single)
        return unless_all_failed(learnt)

    def _page(self, wanted: Sequence[str]) -> Generator[Call, Reply, Learnt]:
        body = {"unique_ids": [*wanted], "type": VIDEO, "page": 1, "page_size": PAGE_MOST}
        reply = yield Call(op=Op.CHECK, method="POST", url=join(self._base, f"{TASK_PATH}/page"), body=body)
        items = dig(reply.object(), "data", "list")
        named = [(dig(item, "unique_id"), _status(item)) for item in (items if isinstance(items, list) else ())]
        return {task_id: status for task_id, status in named if status and task_id in wanted}

    def _single(self, ticket: Ticket) -> Generator[Call, Reply, Learnt]:
        url = join(self._base, f"{TASK_PATH}?unique_id={step(ticket.id)}")
        reply = yield Call(op=Op.CHECK, method="GET", url=url)
        status = _status(dig(reply.object(), "data"))
        return {ticket.id: status} if status else {}

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Fetch a token with ``app_id:secret_key``; it says when it ends where the reply tells an instant."""
        app_id, _, secret = (part.strip() for part in key.partition(":"))
        if not app_id or not secret:
            message = f"the key of {self._provider.id} should be app_id:secret_key, with a colon between"
            raise InputError(message)
        body = {"app_id": app_id, "secret_key": secret}
        reply = yield Call(op=Op.CREDENTIAL, method="POST", url=join(self._base, TOKEN_PATH), body=body)
        data = dig(reply.object(), "data")
        ends = _instant(dig(data, "expire_in"))
        return {"access_token": _token(data, reply), **({} if ends is None else {"expires_at": ends - EARLY_S})}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Put the token into its own header."""
        return call.but(headers={**call.headers, "access_token": credential["access_token"]})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by the body's code, whatever the HTTP status; a task that is not there is an answer."""
        try:
            body = reply.object()
        except Unreadable:
            return unreadable(reply)
        code = code_of(body)
        if (code in BAD and call.op is Op.CHECK and call.method == "GET") or (code == 0 and body.get("data")):
            return None
        # What came with a token is not shown: it may be in there.
        message = words_from(body.get("msg")) or (
            words_in(reply) if call.op is not Op.CREDENTIAL else "no reason given"
        )
        if code in FAULTS:
            return _fault(int(code), message, call, reply)
        return fault_by_status(reply, message, code_shown(code)) or strange_code(code, message)


def _fault(code: int, message: str, call: Call, reply: Reply) -> Fault:
    whose, again, rejected = FAULTS[code]
    is_token = call.op is Op.CREDENTIAL
    if code in BAD and OWED_WORDS in message:
        whose = Whose.BALANCE
    return Fault(
        whose=Whose.KEY if is_token and code in BAD else whose,
        message=message,
        code=str(code),
        again=again,
        after=reply.retry_after,
        rejected=rejected,
        renew=code == EXPIRED and not is_token,
    )


def _token(data: Any, reply: Reply) -> str:
    token = words_whole(dig(data, "access_token"))
    if not token or not all("!" <= letter <= "~" for letter in token):
        message = f"expected data.access_token, got HTTP {reply.status} without one that a header can hold"
        raise Unreadable(message)
    return token


def _instant(value: Any) -> float | None:
    """Return an instant in Unix seconds, from seconds or ms; `None` for none, and for what can only be a length."""
    try:
        seconds = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return None
    seconds = seconds / 1000 if seconds > MS_FROM else seconds
    return seconds if INSTANT_FROM <= seconds <= MS_FROM else None


def _status(item: Any) -> Status | None:
    phase, reason = phase_of(dig(item, "progress_desc")), words_from(dig(item, "err_msg"))
    if phase is Phase.FAILED:
        charged = False if FREE_WORDS in reason else None
        return Status(phase=phase, reason=reason or "no reason given", whose=whose_failure(reason), charged=charged)
    if phase is Phase.DONE:
        url = link_from(dig(item, "output_url", 0))
        waiting = Status(phase=Phase.RUNNING, reason=NO_LINK)
        return Status(phase=phase, asset=Asset(url=url)) if url else waiting
    return Status(phase=phase, reason=reason) if phase else None


def _image(_knob: Knob, image: Any) -> list[Any]:
    return [image_value(image, "base64")]


_SPELLINGS = {"image": _image}
