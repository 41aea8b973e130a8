"""Turns the HTTP library's exceptions and statuses into `NotSent`, `Doubt` or a refusal; reads bodies within limits.

Only `wire` uses it; a dialect judges the content of a body.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

from .errors import Doubt, KlingError, LinkExpired, MediaError, NotSent, WireError

TRY_LATER = frozenset({407, 408, 425, 429})  # the 4xx that say nothing about the clip
WRAPPED = 47  # for zlib: gzip's or zlib's wrapper, whichever comes
PACKED = frozenset({"gzip", "x-gzip", "deflate"})
_AFTER = (
    "HTTPError RequestError TransportError TimeoutException NetworkError ProtocolError ReadTimeout WriteTimeout "
    "ReadError WriteError CloseError RemoteProtocolError HTTPStatusError DecodingError TooManyRedirects "
    "ConnectionNotAvailable CookieConflict SSEError StreamError StreamConsumed StreamClosed ResponseNotRead RequestNotRead"
)
_BEFORE = MappingProxyType(
    {
        "gaierror": "the host was not found",
        "ConnectError": "no connection could be made",
        "ConnectTimeout": "no connection was made in time",
        "PoolTimeout": "no connection became free in time",
        "ProxyError": "the proxy did not connect to it",
        "UnsupportedProtocol": "the address is neither http nor https",
        "InvalidURL": "the address cannot be read",
        # HTTP/1.1 only: h11 raises it while it writes the head of the request, before any byte is out.
        "LocalProtocolError": "a header cannot be written, is the key complete and on one line?",
    }
)
_STATUS = re.compile(r"[1-5]\d\d\b")
OK = 200
WANTS_CREDENTIALS = 407
PROXY_KEY = "it wants a name and a password, as http://name:password@host:port in HTTP_PROXY and HTTPS_PROXY"
_ADVICE = {
    f"HTTP {WANTS_CREDENTIALS}": PROXY_KEY,
    "local issuer": "its certificate is from nobody trusted here; if a company's network inspects traffic, SSL_CERT_FILE "
    "should name a file with that company's certificates",
    "expired": "is this machine's clock right?",
    "not yet valid": "is this machine's clock right?",
}
"""What to do, by words of the system's or of a proxy's."""
_ADVICE["self-signed"] = _ADVICE["self signed"] = _ADVICE["local issuer"]
VERDICTS: Mapping[str, type[WireError]] = MappingProxyType(
    {
        **dict.fromkeys(_AFTER.split(), Doubt),
        **dict.fromkeys(_BEFORE, NotSent),
    }
)
"""What each exception of httpx, httpx2 and httpcore means, by name; one that is not listed means `Doubt`."""


def failure(error: Exception, call: str, *, repeatable: bool, unopened: str = "") -> WireError:
    """Return the `WireError` for an exception of the HTTP library: `NotSent` only if certain.

    ``call`` names the request; ``repeatable``: the request only reads; ``unopened`` names an exception of `_BEFORE`
    that applies if no byte of the request was sent, whatever ``error`` is. The message quotes ``error`` only if the
    text is the operating system's: httpx's text may quote a header.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    name = next((name for name in names if name in VERDICTS), "")
    text = _text(error, name)
    told = f"{names[0]}: {text}" if text else names[0]
    if VERDICTS.get(name) is NotSent or unopened:
        why = _BEFORE.get(name) or _BEFORE[unopened]
        return NotSent(f"{call} was not sent: {why} ({told}){_advice(text)}; sending it again is safe")
    late = isinstance(error, TimeoutError) or "TimeoutException" in names
    what = "no complete answer came in time" if late else "no complete answer could be read"
    then = "asking again is safe" if repeatable else "it may or may not have been carried out"
    return Doubt(f"{call}: {what} ({told}); {then}")


def _text(error: Exception, name: str) -> str:
    """Return the part of an exception's text that a message may quote: of a proxy's reply only the status."""
    if name == "ProxyError":
        status = _STATUS.match(str(error))
        return f"HTTP {status[0]}" if status else ""
    return str(error) if isinstance(error, OSError | EOFError) or name == "ConnectError" else ""


def _advice(text: str) -> str:
    return next((f"; {advice}" for words, advice in _ADVICE.items() if words in text), "")


def refuse_proxy(call: str, headers: Mapping[str, str]) -> None:
    """Raise `NotSent` for a proxy's 407: without credentials the proxy forwards nothing (RFC 9110, 15.5.8).

    A 407 without ``Proxy-Authenticate``, which is mandatory, may come from any server and proves nothing.
    """
    if "proxy-authenticate" in headers:
        told = f"the proxy refused it (HTTP {WANTS_CREDENTIALS})"
        message = f"{call} was not sent: {told}; {PROXY_KEY}; sending it again is safe"
        raise NotSent(message)


def refused(call: str, status: int) -> KlingError:
    """Return the error of a status that brings no clip: `Doubt` if a retry may help, `LinkExpired` if a new link may.

    Any 4xx but `TRY_LATER` counts as an expired link: hosts send 400, 401, 403, 404 or 410 for one.
    """
    said = f"{call}: expected a clip, got HTTP {status}"
    if status in TRY_LATER or status >= 500:
        return Doubt(f"{said}; asking again later may help")
    return LinkExpired(f"{said}; the link no longer works") if status >= 400 else MediaError(said)


async def read_body(
    response: Any, keep: Callable[[bytes], object], limit: int, excess: Callable[[], KlingError]
) -> None:
    """Decompress the body of a streamed response and pass it to ``keep``, chunk by chunk.

    Raises ``excess()`` as soon as more than ``limit`` bytes are announced, received or decompressed, and `EOFError` for
    a body shorter than announced. It decompresses here, since httpx decompresses a whole chunk before it can be
    counted. A body in an encoding other than gzip or deflate is kept raw: some object stores label plain files with
    one.
    """
    headers = dict(response.headers.items())
    declared, came, kept = _declared(response.status_code, headers), 0, 0
    packing = headers.get("content-encoding", "").lower()
    unpack = _Unpacking(packing) if packing in PACKED else None
    if (declared or 0) > limit:
        raise excess()
    async with aclosing(aiter(response.stream)) as pieces:
        async for piece in pieces:
            data = unpack.piece(piece, limit - kept + 1) if unpack else piece
            came, kept = came + len(piece), kept + len(data)
            if max(came, kept) > limit:
                raise excess()
            keep(data)
    if declared not in (None, came):
        message = f"expected {declared} bytes, got {came}"
        raise EOFError(message)
    if unpack and came and not unpack.eof:
        message = f"what was packed as {packing} does not end within the {came} bytes that came"
        raise EOFError(message)


class _Unpacking:
    """Decompresses gzip and deflate, also some servers' bare deflate without a zlib header (RFC 9110, 8.4.1.2)."""

    def __init__(self, packing: str) -> None:
        self._unpack = zlib.decompressobj(wbits=WRAPPED)
        self._may_be_bare, self._begun = packing == "deflate", b""

    @property
    def eof(self) -> bool:
        """Whether its end came."""
        return self._unpack.eof

    def piece(self, piece: bytes, most: int) -> bytes:
        """Return at most ``most`` decompressed bytes of a chunk; ignores data after the end: zlib would buffer it."""
        if self.eof:
            return b""
        head, self._begun = self._begun, (self._begun + piece)[:2]
        try:
            return self._unpack.decompress(piece, most)
        except zlib.error:
            if len(head) > 1 or not self._may_be_bare:  # the wrapper is known by its first two bytes
                raise
        self._unpack = zlib.decompressobj(wbits=-zlib.MAX_WBITS)
        return self._unpack.decompress(head + piece, most)


def _declared(status: int, headers: Mapping[str, str]) -> int | None:
    """Return the length that a body should have, where its framing takes that from the header."""
    length = headers.get("content-length", "")
    framed = "transfer-encoding" not in headers and status not in (204, 304)
    return int(length) if framed and length.isdecimal() else None
