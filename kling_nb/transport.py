"""A transport of the HTTP library that has one connection, made by `streams`: there is nothing for a pool to choose.

It is made of what both libraries offer for it: httpx's custom transports (https://www.python-httpx.org/advanced/transports/)
and httpcore's single connections (https://www.encode.io/httpcore/connections/), read 2026-11-23. It raises httpcore's
exceptions, which have the names of httpx's. Why: docs/decisions/transports.md.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from .streams import Backend

SCHEMES = ("http", "https")


class Transport:
    """Takes one request at a time, all of them to one host.

    Parameters
    ----------
    http
        The library, ``httpx`` or ``httpx2``.
    core
        The name of the package that it sends with.
    context
        What TLS is spoken with.
    kept_s
        For how many seconds an idle connection is kept; `None`: not at all.
    """

    def __init__(self, http: Any, core: str, context: ssl.SSLContext, kept_s: float | None) -> None:
        self._http = http
        self._core, self._backend = _sending(core)
        self._context, self._kept_s = context, kept_s
        self._connection: Any = None

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request on the connection, or on a new one where that is not open any more."""
        url = request.url
        if url.scheme not in SCHEMES:  # a pool of httpcore says so; a connection alone would go on
            raise self._core.UnsupportedProtocol
        asked = self._core.Request(
            method=request.method,
            url=self._core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        reply = await (await self._open(asked.url.origin)).handle_async_request(asked)
        body = _body(self._http)(reply.stream, self)
        return self._http.Response(reply.status, headers=reply.headers, stream=body, extensions=reply.extensions)

    async def _open(self, place: Any) -> Any:
        old = self._connection
        if old is not None and (old.is_closed() or old.has_expired()):
            await self.aclose()
        if self._connection is None:
            self._connection = self._core.AsyncHTTPConnection(
                place, ssl_context=self._context, keepalive_expiry=self._kept_s, network_backend=self._backend
            )
        return self._connection

    async def ended(self) -> None:
        """Take note that an answer was read, or given up."""
        if self._kept_s is None:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        old, self._connection = self._connection, None
        if old is not None:
            await old.aclose()


class Body:
    """An answer's body; whoever closes it frees the connection."""

    def __init__(self, stream: Any, whose: Transport) -> None:
        self._stream, self._whose = stream, whose

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Go through it as it comes."""
        return aiter(self._stream)

    async def aclose(self) -> None:
        """End it."""
        await self._stream.aclose()
        await self._whose.ended()


@cache
def _body(http: Any) -> Any:
    """Return `Body` as a library wants it, which checks what a body is made from."""
    return type("Body", (Body, http.AsyncByteStream), {})


@cache
def _sending(core: str) -> tuple[Any, Backend]:
    package = importlib.import_module(core)
    return package, Backend(package)
