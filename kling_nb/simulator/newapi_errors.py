"""The two error bodies of new-api, and which of its refusals has which.

From the project's source (read 2026-07-14): E1 ``{"error": {message, type, code}}`` comes from what stands before a
call (key, channel, limiter), E2 ``{"code", "message", "data": null}`` from the call itself.  Sentences that the
contract quotes in part are ended by this simulator.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kling_nb.simulator.native_fields import Refused
from kling_nb.simulator.relay_key import TRACE_HEADER, relay_error

SATURATED = "当前分组上游负载已饱和，请稍后再试"
"""What takes the place of any 429 of the upstream."""

RATE_LIMITED = "您已达到请求数限制：1分钟内最多请求60次"
NO_QUOTA = "用户额度不足, 剩余额度: $0.000000"


class Denied(Exception):
    """A call that the gateway refuses.

    *code* and *message* fill E2, or E1 where *before* is set; a *status* 429 with no message has no body at all.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        before: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.before = (status, code, message, before)
        self.headers = dict(headers or {})

    def response(self, trace: str) -> Response:
        """The answer, with *trace* in its header."""
        answer = self._answer(trace)
        answer.headers.update(self.headers | {TRACE_HEADER: trace})
        return answer

    def _answer(self, trace: str) -> Response:
        if self.status == 429 and not self.message:
            return Response(b"", 429)
        if self.before:
            return relay_error(self.status, self.message, trace, self.code)
        return JSONResponse({"code": self.code, "message": self.message, "data": None}, self.status)


def no_quota() -> Denied:
    """The relay's own account is empty: a 403, unlike Kling's 429."""
    return Denied(403, "insufficient_user_quota", NO_QUOTA)


def no_task() -> Denied:
    """No task of that id, which is a 400."""
    return Denied(400, "task_not_exist", "task_not_exist")


def no_route(request: Request, trace: str) -> Response:
    """The 404 for a path or a method that is not routed; it comes before the key is looked at."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    told = {"message": f"Invalid URL ({request.method} {path})", "type": "invalid_request_error"}
    return JSONResponse({"error": told | {"param": "", "code": ""}}, 404, {TRACE_HEADER: trace})


def from_upstream(no: Refused, trace: str, *, as_200: bool = False) -> Denied:
    """How a refusal by Kling comes back: its raw body under its HTTP status, or its message when that was 200."""
    if as_200:
        return Denied(400, "task_failed", no.message)
    if no.status == 429:
        return Denied(429, "fail_to_fetch_task", SATURATED, headers=no.headers)
    raw = JSONResponse({"code": no.code, "message": no.message, "request_id": trace}).body
    return Denied(no.status, "fail_to_fetch_task", bytes(raw).decode())
