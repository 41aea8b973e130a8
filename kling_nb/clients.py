"""The clients of the HTTP library: which library, a client for each use, and what its loggers may tell."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

from .dialect import Op
from .errors import InputError, nearest
from .links import Origin, without_query

ASGIApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]
]

LIBRARIES = ("httpx2", "httpx")  # the same interface; the first is the maintained continuation
_OURS: ContextVar[bool] = ContextVar("kling_nb_wire", default=False)


def library(name: str | None = None) -> Any:
    """Return the module ``httpx2`` or ``httpx``; left out: the first that is installed.

    Raises `InputError` for another name or one that is not installed.
    """
    if name and name not in LIBRARIES:
        message = f"there is no HTTP library {name!r} here; {nearest(name, LIBRARIES)}"
        raise InputError(message)
    for known in [name] if name else LIBRARIES:
        with suppress(ModuleNotFoundError):
            return importlib.import_module(known)
    message = f"{name or 'httpx'} is not installed; `pip install kling_nb[fast]` brings httpx2"
    raise InputError(message)


class Clients:
    """A client for each use, made when it is first asked for. Cookies are not kept.

    Parameters
    ----------
    http
        ``httpx2`` or ``httpx``; left out: the first that is installed. Raises `InputError` as `library` does.
    app
        An ASGI app that gets every request in this process. Then there are no timeouts, and the proxies of the
        environment are not used.
    in_flight
        How many connections a client may have at once.
    waits
        Seconds for each step, by the library's names: ``connect``, ``read``, ``write``, ``pool``.
    """

    def __init__(self, http: str | None, *, app: ASGIApp | None, in_flight: int, waits: Mapping[str, float]) -> None:
        self._http = library(http)
        self._app, self._in_flight, self._waits = app, in_flight, waits
        self._made: dict[tuple[Op, Origin | None] | None, Any] = {}
        _keep_quiet(self._http.__name__)

    def of(self, op: Op, own: Origin | None = None) -> Any:
        """Return the client for submits, for other calls, or for the clips of the provider at ``own``.

        On a kept connection a POST may be in doubt though nothing was received. A connection to a clip is judged when
        it is made, for one provider: another's clips go on others.
        """
        use = (op, own) if op in (Op.SUBMIT, Op.CONTENT) else None
        if use not in self._made:
            self._made[use] = self._client(keep=0 if op is Op.SUBMIT else self._in_flight)
        return self._made[use]

    async def aclose(self) -> None:
        """Close every connection."""
        while self._made:
            await self._made.popitem()[1].aclose()

    def _client(self, keep: int) -> Any:
        http, app = self._http, self._app
        return http.AsyncClient(
            transport=http.ASGITransport(app, raise_app_exceptions=False) if app else None,
            verify=_trust(http) if app is None else True,
            timeout=http.Timeout(**self._waits) if app is None else None,
            limits=http.Limits(max_connections=self._in_flight, max_keepalive_connections=keep, keepalive_expiry=15),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": f"kling_nb/{_version()}", "Accept-Encoding": "gzip"},
            trust_env=app is None,
        )


@cache
def _trust(http: Any) -> Any:
    """Return the one TLS context of a library: building one takes 24 to 160 ms."""
    return http.create_ssl_context()


@cache
def _version() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("kling_nb")
    return "0"


@contextmanager
def ours() -> Iterator[None]:
    """Mark what is logged in the block as of our requests, of which the loggers tell nothing secret."""
    token = _OURS.set(True)
    try:
        yield
    finally:
        _OURS.reset(token)


def _keep_quiet(http: str) -> None:
    """Let a library's loggers tell nothing secret of our requests; of others' they tell all that they did."""
    logging.getLogger(http).addFilter(_without_queries)
    for part in ("connection", "http11", "http2", "proxy", "socks"):
        logging.getLogger(f"{http.replace('httpx', 'httpcore')}.{part}").addFilter(_without_values)


def _without_queries(record: logging.LogRecord) -> bool:
    """Leave queries out of what httpx logs at INFO: they hold signatures and tokens."""
    if _OURS.get() and isinstance(record.args, tuple):
        record.args = tuple(without_query(str(a)) if type(a).__name__ == "URL" else a for a in record.args)
    return True


def _without_values(record: logging.LogRecord) -> bool:
    """Leave all but an event's name out of what httpcore logs at DEBUG: headers, and errors that quote them."""
    if _OURS.get():
        record.msg, record.args = str(record.msg).partition(" ")[0], ()
    return True
