"""The key that the simulated relays share, and new-api's reply to a call without that key.

The body is form E1 of new-api's middleware (source read 2026-07-14).  Its sentences are not in the contract; these
two are the wording of that project's token check.  new-api itself also takes the bare key; here ``Bearer`` must stand
before it, as the relays' pages have it, and any other scheme is a 401.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

RELAY_KEY = "sk-simulated-relay-0000000000000000"
TRACE_HEADER = "X-Oneapi-Request-Id"
"""Every answer of new-api carries the trace id here."""


def relay_error(status: int, message: str, trace: str, code: str = "") -> JSONResponse:
    """Form E1: ``{"error": {message, type, code}}``, with *trace* in the message and in the header."""
    told = {"message": f"{message} (request id: {trace})", "type": "new_api_error", "code": code}
    return JSONResponse({"error": told}, status, {TRACE_HEADER: trace})


def key_refusal(request: Request, trace: str) -> JSONResponse | None:
    """The 401 for a missing or wrong key; None where ``Authorization: Bearer`` holds :data:`RELAY_KEY`."""
    header = request.headers.get("authorization", "").strip()
    if not header:
        return relay_error(401, "未提供令牌", trace)
    return None if header == f"Bearer {RELAY_KEY}" else relay_error(401, "无效的令牌", trace)
