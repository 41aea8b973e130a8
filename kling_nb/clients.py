"""The clients of the HTTP library: which library, which connection a request uses, what the library's loggers may show.

Each client has one connection and serves one request at a time: the library's own pool scans all of its connections
for every request, which with twenty connections takes longer than the request itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, MutableMapping
from contextlib import aclosing, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from .dialect import Op
from .errors import InputError, nearest
from .links import Origin, proxied, without_query
from .transport import Transport

ASGIApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]
]

KEPT_S = 15.0  # how long an idle connection is kept
KEPT = 100  # how many at most: every clip may have a host of its own, and a process of macOS 256 files
LIBRARIES = ("httpx2", "httpx")  # the same interface; the first is the maintained continuation
TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""The variables that both libraries read, the second in small letters too."""
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


Use = tuple[Op | None, Origin | None, str, bytes]
"""What a connection is for (submits, clips or all else), the provider whose clips it fetches, and its host."""


@dataclass(slots=True)
class _Idle:
    """An idle client, and since when, in monotonic seconds."""

    use: Use
    client: Any
    since: float


class Clients:
    """One client per connection, made when none is free. Cookies are not kept.

    Parameters
    ----------
    http
        ``httpx2`` or ``httpx``; left out: the first that is installed. Raises `InputError` as `library` does.
    app
        An ASGI app that gets every request in this process. Then there are no timeouts, and the proxies of the
        environment are not used.
    waits
        Seconds for each step, by the library's names: ``connect``, ``read``, ``write``, ``pool``.
    """

    def __init__(self, http: str | None, *, app: ASGIApp | None, waits: Mapping[str, float]) -> None:
        self._http = library(http)
        self._app, self._waits = app, waits
        self._url = lru_cache(maxsize=64)(self._http.URL)  # reading an address takes a fifth of making a request
        self._idle: list[_Idle] = []  # as they became free
        self._headers = {
            "user-agent": f"kling_nb/{_version()}",
            "accept": "*/*",
            "accept-encoding": "gzip",
            "connection": "keep-alive",
        }
        self.closed = False
        _keep_quiet(self._http)

    def request(
        self,
        method: str,
        url: str,
        content: bytes | None,
        headers: Mapping[str, str],
        *,
        op: Op,
        own: Origin | None = None,
    ) -> Any:
        """Build a request and make sure that a client is free for it; raises the library's error if either fails.

        Pass it to `sent`, with the same ``op`` and ``own``, before awaiting anything else.
        """
        told = {**self._headers, **{name.lower(): value for name, value in headers.items()}}
        # With its timeouts: a client reckons its own anew for each request.
        timeouts = {"timeout": self._waits}
        request = self._http.Request(method, self._url(url), content=content, headers=told, extensions=timeouts)
        use = _use(request, op, own)
        if self._latest(use) < 0:
            self._idle.append(_Idle(use, self._client(request.url, keep=op is not Op.SUBMIT), time.monotonic()))
        return request

    @asynccontextmanager
    async def sent(self, request: Any, op: Op, own: Origin | None = None) -> AsyncIterator[Any]:
        """Send a request and yield the response, its body unread; then free the connection for the next request.

        A submit gets a fresh connection: on a reused one the server may close before it receives anything, which leaves
        the submit in doubt. The peer of a clip's connection is checked on connecting, for the provider at ``own``, so
        that providers share no clip connections.
        """
        use, whole = _use(request, op, own), False
        client = self._taken(use)
        try:
            await self._close_old()  # before and not after: an answer is not given up for it
            async with aclosing(await client.send(request, stream=True)) as response:
                yield response
            whole = True
        finally:
            # What was cut short leaves an answer on its way; and a pool may count a connection that does not exist.
            if whole and not self.closed:
                self._idle.append(_Idle(use, client, time.monotonic()))
            else:
                await _close(client)

    def _taken(self, use: Use) -> Any:
        return self._idle.pop(self._latest(use)).client

    def _latest(self, use: Use) -> int:
        """Return the index of the use's most recently freed client, whose connection is likeliest open; -1 if none."""
        return next((at for at in range(len(self._idle) - 1, -1, -1) if self._idle[at].use == use), -1)

    async def _close_old(self) -> None:
        while self._idle and (len(self._idle) > KEPT or self._idle[0].since < time.monotonic() - KEPT_S):
            await _close(self._idle.pop(0).client)

    async def aclose(self) -> None:
        """Close every connection: at once, or when its pending request has ended."""
        self.closed = True
        while self._idle:
            await _close(self._idle.pop().client)

    def _client(self, url: Any, *, keep: bool) -> Any:
        try:
            return self._made(url, keep=keep)
        except OSError as error:
            why = f"the certificates of {_set(TRUST)} cannot be read ({error.strerror or type(error).__name__})"
        except ImportError:
            why = f"a SOCKS proxy, as {_set(PROXIES)} names one, needs the package socksio: pip install socksio"
        except Exception as error:  # noqa: BLE001 (told by its class alone: its text may hold the proxy's password)
            kind = type(error).__name__
            why = f"of {_set(PROXIES)} one cannot be used ({kind}): a proxy should be written http://host:port"
        raise InputError(why)

    def _made(self, url: Any, *, keep: bool) -> Any:
        http, app = self._http, self._app
        trust: Any = True if app else _trust(http, *map(os.environ.get, TRUST))
        if app:
            direct = http.ASGITransport(app, raise_app_exceptions=False)
        elif proxied(url.scheme, url.host):
            direct = None  # the library knows the way
        else:
            direct = Transport(http, _core(http), trust, KEPT_S if keep else None)
        return _class(http)(
            transport=direct,
            verify=trust,
            limits=http.Limits(max_connections=1, max_keepalive_connections=int(keep), keepalive_expiry=KEPT_S),
            trust_env=app is None,
        )


def _core(http: Any) -> str:
    """Return the name of the package that a library sends with: ``httpcore`` or ``httpcore2``."""
    return str(http.__name__).replace("httpx", "httpcore")


def _use(request: Any, op: Op, own: Origin | None) -> Use:
    return (op if op in (Op.SUBMIT, Op.CONTENT) else None, own, request.url.scheme, request.url.netloc)


async def _close(client: Any) -> None:
    with suppress(Exception):  # nothing goes on it: what was sent has been answered, or given up
        await client.aclose()


@cache
def _class(http: Any) -> Any:
    """Return a library's client class without cookies: parsing them takes a tenth of each request's time."""

    class Cookies(http.Cookies):  # type: ignore[misc]
        def extract_cookies(self, response: object) -> None:
            """Take none."""

    class Client(http.AsyncClient):  # type: ignore[misc]
        cookies = Cookies()

    return Client


@lru_cache(maxsize=4)
def _trust(http: Any, *_named: str | None) -> Any:
    """Return the TLS context of a library, by what the environment names: building one takes 24 to 160 ms."""
    return http.create_ssl_context()


def _set(variables: Collection[str]) -> str:
    """Name the variables that are set, without their values: a proxy's URL may hold a password."""
    names = [name for name in os.environ if name.upper() in variables and os.environ[name]]
    return ", ".join(sorted(names)) or "the system's settings"


@cache
def _version() -> str:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version("kling_nb")
    return "0"


class Ours:
    """Marks log records of a block as ours, so that the filters remove secrets from them."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        """Begin the block."""
        self._token = _OURS.set(True)

    def __exit__(self, *_: object) -> None:
        """End it."""
        _OURS.reset(self._token)


def _keep_quiet(http: Any) -> None:
    """Filter secrets out of a library's log records of our requests; records of other requests stay as they are."""
    logging.getLogger(http.__name__).addFilter(_without_queries)
    for part in ("connection", "http11", "http2", "proxy", "socks"):
        logging.getLogger(f"{_core(http)}.{part}").addFilter(_without_values)


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
