"""Reading what providers answer: status words, ids, links, amounts and faults in foreign JSON."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from ..dialect import Fault, Phase, Reply, Unreadable, Whose, legible
from ..fields import is_url

PHASES: Mapping[str, Phase] = MappingProxyType(
    {
        **dict.fromkeys(("submitted", "queued", "unknown", "not_start", "in_queue", "ready"), Phase.QUEUED),
        **dict.fromkeys(("processing", "in_progress", "generating", "running"), Phase.RUNNING),
        **dict.fromkeys(("succeed", "succeeded", "success", "completed"), Phase.DONE),
        **dict.fromkeys(("failed", "failure", "fail", "error"), Phase.FAILED),
    }
)
"""Every status word seen at any provider, in lower case. Words that look alike are not spelled alike."""


def phase_of(word: Any) -> Phase | None:
    """Return the phase that a status word means; `None` for one never seen, which is no news."""
    return PHASES.get(word.lower()) if isinstance(word, str) else None


def fault_by_status(reply: Reply, message: str, code: str = "") -> Fault | None:
    """Return the fault that an HTTP status alone means; `None` for success.

    A 5xx or 408 does not prove that a submit was not carried out; any other 4xx does. So do 301, 307 and 308, which
    redirect the request itself; another 3xx may answer a request that was carried out: 303 by its meaning (RFC 9110,
    15.4.4), 302 by old habit (15.4.3).
    """
    status, after = reply.status, reply.retry_after
    if status < 300:
        return None
    if status >= 500 or status == 408:
        return Fault(whose=Whose.PROVIDER, message=message, code=code, again=True, after=after, rejected=False)
    if status == 429:
        return Fault(whose=Whose.RATE, message=message, code=code, again=True, after=after)
    if status in (401, 403):
        return Fault(whose=Whose.KEY, message=message, code=code, renew=status == 401)
    whose = Whose.PROVIDER if status < 400 else Whose.ADDRESS if status in NOT_THERE else Whose.PARAMETERS
    return Fault(whose=whose, message=message, code=code, rejected=status >= 400 or status in MOVED)


MOVED = frozenset({301, 307, 308})
"""The statuses that redirect the request itself, so that this address did not carry it out."""

NOT_THERE = frozenset({404, 405})
"""What is said of a path that leads to nothing, where no code of the provider's own says what is missing."""


def unreadable(reply: Reply) -> Fault:
    """Return the fault of an answer in a form that is not documented, such as a proxy's HTML page.

    For a server error the message is its status and text, since JSON is not expected.
    """
    message = f"{'' if reply.status >= 500 else 'expected JSON, got '}{reply.told(80)}"
    if reply.status in ELSEWHERE:
        message += "; is the base URL right?"
    return fault_by_status(reply, message) or Fault(whose=Whose.PROVIDER, message=message, again=True, rejected=False)


ELSEWHERE = MOVED | {302}
"""What a page says whose service is not at this address; the services themselves answer these in JSON."""


def code_of(body: Mapping[str, Any]) -> Any:
    """Return the code as a number where it is one, also as text; else as it came, or `ODD` where it cannot be one."""
    code = body.get("code")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) < 9:
        return int(code)
    return code if code is None or (isinstance(code, str | int) and not isinstance(code, bool)) else ODD


ODD = "of no known form"


def code_shown(code: Any) -> str:
    """Return a code for a message; the codes of success are none."""
    return "" if code in (0, None) else str(code)[:40]


def strange_code(code: Any, message: str) -> Fault | None:
    """Return the fault of a code that is not documented, under HTTP 200: it proves nothing. `None` for success."""
    if code in (0, None):
        return None
    return Fault(whose=whose_code(code), message=message, code=code_shown(code), rejected=False)


def whose_code(code: Any) -> Whose:
    """Return whose fault an undocumented code is: 401, as in HTTP, still means the key."""
    return Whose.KEY if code == HTTPStatus.UNAUTHORIZED else Whose.PROVIDER


POLICY_WORDS = ("risk control", "content safety", "content_policy", "policy", "moderation", "sensitive", "nsfw", "审核")
"""What providers say of content that they refuse; 审核 is "review", of those that answer in Chinese."""

INPUT_WORDS = ("pixel is invalid", "can not less than", "video duration can not")
"""Kling's words for a bad input image or video in a task that it first accepted (read 2026-11)."""


def whose_failure(reason: str, otherwise: Whose = Whose.PROVIDER) -> Whose:
    """Return whose fault a failed task is, by the words that providers use for content or an image they refuse."""
    words = reason.lower()
    if any(word in words for word in POLICY_WORDS):
        return Whose.POLICY
    return Whose.PARAMETERS if any(word in words for word in INPUT_WORDS) else otherwise


def dig(value: Any, *path: str | int) -> Any:
    """Return what lies at a path in foreign JSON, or `None` where any step is missing or of another type."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and -len(value) <= step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


ID_MOST = 500
WORDS_MOST = 2_000
LINK_MOST = 16_000
"""Characters of an id, a reason and a link; the longest seen have 64, 200 and 1,500."""


def id_from(value: Any, reply: Reply, where: str) -> str:
    """Return a provider's id as text, whatever it is made of: `step` writes it into an address.

    Raises `Unreadable`, naming where it was looked for, if it is none or too long for an address.
    """
    told = str(value) if isinstance(value, int) and not isinstance(value, bool) else words_whole(value)
    if told.strip() and len(told) <= ID_MOST:
        return told
    what = f"at most {ID_MOST} characters of {where}" if told.strip() else where
    message = f"expected {what}, got {reply.excerpt()!r}"
    raise Unreadable(message)


def words_whole(value: Any) -> str:
    """Return foreign text as it came; what is no text is none."""
    return value if isinstance(value, str) else ""


def words_from(value: Any) -> str:
    """Return foreign text for a person, legible and no longer than `WORDS_MOST`; what is no text is none."""
    return legible(words_whole(value)[:WORDS_MOST])


ERRORS: tuple[tuple[str, ...], ...] = (("message",), ("msg",), ("error", "message"), ("error",), ("detail",))
"""The places of an error's message: a gateway answers in another form than its provider's pages."""


def words_in(reply: Reply) -> str:
    """Return an error's message from any of these places; without one, the HTTP status and a quotation of the body."""
    try:
        body = reply.json()
    except Unreadable:
        return reply.told()
    return next(filter(None, (words_from(dig(body, *path)) for path in ERRORS)), "") or reply.told()


def link_from(value: Any) -> str | None:
    """Return a foreign address that a clip can be fetched from; `None` for anything else."""
    return value if isinstance(value, str) and is_url(value) and len(value) <= LINK_MOST else None


NO_LINK = "the provider says it is done, but gives no link yet that can be followed"


CHARGE_MOST = Decimal(10) ** 9
DIGITS_MOST = 30
"""More than any clip costs in any unit, and more digits than any price has: an amount beyond is a mistake."""


def amount_from(value: Any) -> Decimal | None:
    """Return a charge as a provider gives it, as text or as a number; `None` for what is no amount."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        amount = Decimal(str(value)) if len(str(value)) <= DIGITS_MOST else Decimal("NaN")
    except (InvalidOperation, ValueError):
        return None
    return amount if amount.is_finite() and 0 <= amount <= CHARGE_MOST and _is_plain(amount) else None


DEDUCTIONS: Mapping[str, tuple[str | int, ...]] = MappingProxyType(
    {
        "units": ("final_unit_deduction",),
        "balance": ("final_balance_deduction", "quota"),
        "list price": ("final_balance_deduction", "list_price"),
    }
)
"""Where a task of Kling's says what it cost (kling.ai document-api, read 2026-09)."""


def figures_in(item: Any, paths: Mapping[str, tuple[str | int, ...]]) -> Mapping[str, Decimal]:
    """Return the amounts that stand at some paths, by name; what is none is left out."""
    told = {name: amount_from(dig(item, *path)) for name, path in paths.items()}
    return MappingProxyType({name: amount for name, amount in told.items() if amount is not None})


def _is_plain(amount: Decimal) -> bool:
    """Tell whether an amount can be written out: ``0E+999999999`` is finite, and a gigabyte of zeros."""
    return abs(int(amount.as_tuple().exponent)) <= DIGITS_MOST


def step(remote_id: str) -> str:
    """Return an id as one step of a path, whatever is in it."""
    quoted = quote(remote_id, safe="")
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted
