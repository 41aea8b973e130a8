"""Sends HTTP requests, for the whole package: a call returns a reply, or raises one of two failures.

`NotSent` is certain: the request did not reach the provider. `Doubt` is everything else, because the first byte may
have been sent. This module retries nothing, and no failure's text holds a header, a body or a query.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .answers import OK, WANTS_CREDENTIALS, failure, read_body, refuse_proxy, refused
from .bodies import ReadImage, encoded, filled
from .clients import ASGIApp, Clients, Ours
from .dialect import Call, Op, Reply, origin
from .errors import Doubt, InputError, KlingError, LabError, MediaError, NotSent, WireError
from .links import (
    Origin,
    Ready,
    Way,
    judge,
    named,
    onward,
    peer_judge,
    place_of,
    proxied,
    refuse_downgrade,
)
from .redaction import Redaction, header_secrets
from .space import writing

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Timeouts in real seconds and sizes in bytes; timeouts do not apply with an in-process app.

    ``total_s`` is for one API call with its redirects, ``clip_total_s`` for one download with its own.
    """

    connect_s: float = 10
    read_s: float = 60  # between two pieces; generous, since a submit that is given up is in doubt
    write_s: float = 60
    total_s: float = 180
    reply_bytes: int = 4 * 2**20
    clip_bytes: int = 2 * 2**30
    clip_total_s: float = 900
    redirects: int = 5

    @property
    def waits(self) -> dict[str, float]:
        """The timeout of each step, by httpx's names; ``pool`` never applies, since a client has one connection."""
        return {"connect": self.connect_s, "read": self.read_s, "write": self.write_s, "pool": self.connect_s}


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """A file that was downloaded whole: ``bytes`` and ``sha256`` (hex) are of what is on disk."""

    bytes: int
    sha256: str


class Wire:
    """Sends calls and fetches clips. One per engine, on one event loop; not thread-safe.

    At most ``in_flight`` requests are out at once, and downloads take at most half of that. Cookies are not kept.
    Proxies of the environment are used.

    Parameters
    ----------
    app
        An ASGI app that gets every request in this process, whatever its host; there are no timeouts then, since
        the loop's time may jump.
    read_image
        Reads a ``sha256:…`` image, for bodies that carry it inline.
    in_flight, limits
        Bounds on requests at once, times, sizes and redirects.
    http
        ``httpx2`` or ``httpx``; left out: the variable ``KLING_NB_HTTP``, else ``httpx2`` where it is installed.
        Raises `InputError` for another name or one that is not installed.
    """

    def __init__(
        self,
        *,
        app: ASGIApp | None = None,
        read_image: ReadImage | None = None,
        in_flight: int = 20,
        limits: Limits = Limits(),
        http: str | None = None,
    ) -> None:
        self._app, self._read_image, self._limits = app, read_image, limits
        http = http or os.environ.get("KLING_NB_HTTP")
        self._clients = Clients(http, app=app, waits=limits.waits)
        self._slots = asyncio.Semaphore(in_flight)
        self._downloads = asyncio.Semaphore(max(1, in_flight // 2))

    def filled(self, call: Call) -> Call:
        """Return a call with its images in it; raises `InputError` or `MediaError` for one that cannot be read."""
        return call if call.body is None else call.but(body=filled(call.body, self._read_image))

    async def send(self, call: Call, *, ready: Ready | None = None) -> Reply:
        """Send a call once and return what came back, whatever its status, without the secrets that went out.

        A submit goes on a connection of its own and is never redirected; a GET follows redirects within its origin.
        Raises `NotSent` if the provider certainly did not get it, else `Doubt`; a cancellation passes as it is, and so
        does the `LabBusy` of ``ready``, which is called right before head and body go out.
        """
        way = Way()
        async with self._slots:
            return await self._told(call, self._followed(call, ready, way), self._limits.total_s, way)

    async def stream(self, call: Call, part: Path, *, own_origin: Origin | None) -> Received:
        """Download what a call names to the file ``part``, which is synced when this returns and gone if it raises.

        Headers of the call go only to ``own_origin`` (the provider's own; `None`: the call's), and no further once a
        redirect has left it. Raises `NotSent` or `Doubt` if asking again may help, `LinkExpired` if a new link may,
        `MediaError` for a link that leads off the open net or elsewhere than http(s), or a file over the limit,
        `LabUnwritable` where ``part`` cannot be written.
        """
        async with self._downloads, self._slots:
            try:
                return await self._told(call, self._fetched(call, part, own_origin), self._limits.clip_total_s, Way())
            except BaseException:
                part.unlink(missing_ok=True)  # noqa: ASYNC240 (a thread would outrun a virtual clock)
                raise

    async def aclose(self) -> None:
        """Close every connection, where a request is out when that has ended; later calls raise `NotSent`."""
        await self._clients.aclose()

    async def _told(self, call: Call, work: Coroutine[Any, Any, T], total_s: float, way: Way) -> T:
        """Await ``work``, and turn every failure into one of our errors."""
        try:
            with Ours():
                async with asyncio.timeout(total_s if self._app is None else None):
                    return await work
        except (WireError, MediaError, LabError):
            raise
        except Exception as error:  # noqa: BLE001 (all of it is told as one of two failures)
            unopened = "" if not way.unopened else "ProxyError" if way.by_proxy else "ConnectError"
            verdict = failure(error, _name(call), repeatable=call.method == "GET", unopened=unopened)
        # Raised here and not above, so that no link leads to the foreign exception, whose request holds headers.
        raise verdict

    async def _followed(self, call: Call, ready: Ready | None, way: Way) -> Reply:
        for _ in range(self._limits.redirects + 1):
            reply = await self._exchanged(call, ready, way)
            url = onward(call.url, reply.status, reply.headers)
            if call.op is Op.SUBMIT or call.method != "GET" or not url or origin(url) != origin(call.url):
                return reply
            call = call.but(url=url)
        message = f"{_name(call)}: expected an answer, got more than {self._limits.redirects} redirects"
        raise Doubt(message)

    async def _exchanged(self, call: Call, ready: Ready | None, way: Way) -> Reply:
        request, content, limit = self._request(call), bytearray(), self._limits.reply_bytes

        def excess() -> KlingError:
            return Doubt(f"{_name(call)}: expected an answer of at most {limit:,} bytes, got more; gave up")

        if ready is not None:
            ready()  # of an app in this process no trace is told
        if call.method != "GET":  # what only reads is asked again, wherever it ended
            request.extensions["trace"] = way.watched(ready)
        async with self._clients.sent(request, call.op) as response:
            if response.status_code == WANTS_CREDENTIALS and self._app is None and proxied(*origin(call.url)[:2]):
                refuse_proxy(_name(call), response.headers)
            await read_body(response, content.extend, limit, excess)
        headers, kept = _hiding(call).answer(response.headers, bytes(content))
        return Reply(status=response.status_code, headers=headers, content=kept)

    def _request(self, call: Call, own: Origin | None = None, **headers: str) -> Any:
        """Build the request; whatever is wrong with it, nothing was sent."""
        try:
            return self._built(call, own, headers)
        except KlingError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 (told by its class alone: its text may quote a header)
            why = f"address, headers and body should be writable, got {type(error).__name__}; is the key plain ASCII?"
        message = f"{_name(call)} was not sent: {why}"
        raise NotSent(message)

    def _built(self, call: Call, own: Origin | None, headers: Mapping[str, str]) -> Any:
        if self._clients.closed:
            message = "this wire is closed"
            raise InputError(message)
        content = None if call.body is None else encoded(call.body, self._read_image)
        kind = {} if content is None else {"content-type": "application/json"}
        told = {**kind, **headers, **call.headers}
        return self._clients.request(call.method, call.url, content, told, op=call.op, own=own)

    async def _fetched(self, call: Call, part: Path, own: Origin | None) -> Received:
        home, url, headers = own or place_of(call.url), call.url, call.headers
        for _ in range(self._limits.redirects + 1):
            where = place_of(url)
            headers = headers if where == home else {}
            hop = Call(op=Op.CONTENT, method="GET", url=url, headers=headers, redaction=_hiding(call))
            await judge(where, own, resolve=self._app is None)
            request = self._request(hop, own, **{"accept-encoding": "identity"})
            request.extensions["trace"] = peer_judge(where, own, request.url.raw_host.decode("ascii"))
            async with self._clients.sent(request, hop.op, own) as response:
                to = onward(url, response.status_code, response.headers)
                if to is None:
                    return await self._saved(hop, response, part)
            refuse_downgrade(_name(hop), url, to)
            url = hop.redaction.text(to)
        message = f"{_name(call)}: expected a clip, got more than {self._limits.redirects} redirects"
        raise MediaError(message)

    async def _saved(self, call: Call, response: Any, part: Path) -> Received:
        if response.status_code != OK:
            raise refused(_name(call), response.status_code)
        limit, digest = self._limits.clip_bytes, hashlib.sha256()

        def excess() -> KlingError:
            return MediaError(f"{_name(call)}: expected a clip of at most {limit:,} bytes, more was announced or came")

        with writing(part.parent), part.open("wb") as file:

            def keep(data: bytes) -> None:
                digest.update(data)
                file.write(data)

            await read_body(response, keep, limit, excess)
            file.flush()
            os.fsync(file.fileno())
            return Received(bytes=file.tell(), sha256=digest.hexdigest())


def _name(call: Call) -> str:
    return named(call.method, call.url)


def _hiding(call: Call) -> Redaction:
    """Return the `Redaction` for a call's reply: the key, and the token made from it for this call."""
    return call.redaction.also(header_secrets(call.headers))
