"""Transport faults: what a client sees when a proxy, a socket or a JSON encoder fails.

Under :func:`kling_nb.simulator.running` the server puts two functions into the ASGI scope's extensions,
``kling_nb.reset`` and ``kling_nb.close``, which end the TCP connection.  In process there is no connection, and
a hang-up is a ``ConnectionResetError`` out of the app.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from kling_nb.simulator.faults import BEFORE, Fault

BAD_GATEWAY = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


class HangUp(Exception):
    """The connection ends here; no answer follows."""


class Line:
    """The outermost ASGI app: turns a :class:`HangUp` into the end of the connection."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except HangUp:
            reset = scope.get("extensions", {}).get("kling_nb.reset")
            if reset is None:
                raise ConnectionResetError("the simulator reset the connection, as scripted") from None
            reset()


async def under(fault: Fault | None, request: Request, work: Callable[[], Response]) -> Response:
    """Do *work* and answer, with the transport failing as *fault* says."""
    if fault is None:
        return work()
    if fault.action in BEFORE:
        return await _instead(fault, request)
    return await _spoilt(fault, request, work())


async def _instead(fault: Fault, request: Request) -> Response:
    if fault.action == "hang":
        await patience(request, fault.seconds)
    if fault.action in ("hang", "reset"):
        raise HangUp
    if fault.action == "html":
        return HTMLResponse(BAD_GATEWAY, status_code=502)
    return Response(fault.body, fault.status, retry_after(fault), _media_type(fault.body))


async def _spoilt(fault: Fault, request: Request, answer: Response) -> Response:
    if fault.action == "lost":
        raise HangUp
    if fault.action == "late":
        await patience(request, fault.seconds)
        return answer
    if fault.action == "restated":
        answer.status_code = fault.status
        return answer
    body = bytes(answer.body)
    spoilt = {"malformed": b"{" + body, "truncated": body[: len(body) // 2], "empty": b""}[fault.action]
    return Response(spoilt, answer.status_code, media_type="application/json")


async def patience(request: Request, seconds: float) -> None:
    """Wait *seconds* on the loop's clock, or until the client has gone."""
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            group.cancel_scope.cancel()

        group.start_soon(watch)
        await anyio.sleep(seconds)
        group.cancel_scope.cancel()


def retry_after(fault: Fault) -> dict[str, str]:
    """The header of a push-back, if it has one."""
    return {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}


def _media_type(body: str) -> str:
    return "application/json" if body.lstrip().startswith(("{", "[")) else "text/plain"
