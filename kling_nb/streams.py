"""How bytes travel under the HTTP library: on asyncio's own transports, where the library would put anyio in between.

httpcore calls this a network backend (https://www.encode.io/httpcore/network-backends/, read 2026-11-23), and raises
its own exceptions from one; so do these, by the same rules as its own. Why: docs/decisions/transports.md.
"""

from __future__ import annotations

import asyncio
import ipaddress
import select
import ssl
from collections.abc import Iterable
from typing import Any

MOST = 2**18  # bytes that wait to be read before no more are taken from the socket
FEW = 2**16  # bytes that wait when more are taken again
PIECE = 2**16  # bytes written at a time: however much it is, TLS takes the first of them all
NEXT_ADDRESS_S = 0.25  # RFC 8305: before the next address of a name is tried beside the one before


class Backend:
    """Opens connections. ``core`` is the module whose exceptions are raised: ``httpcore`` or ``httpcore2``."""

    def __init__(self, core: Any) -> None:
        self._core = core

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's parameter
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Connect; raises the library's ``ConnectTimeout`` or ``ConnectError``."""
        loop, local = asyncio.get_running_loop(), (local_address, 0) if local_address else None
        beside = None if _is_literal(host) else NEXT_ADDRESS_S
        try:
            async with asyncio.timeout(timeout):
                _, pipe = await loop.create_connection(Pipe, host, port, local_addr=local, happy_eyeballs_delay=beside)
        except TimeoutError as error:
            raise self._core.ConnectTimeout(_words(error)) from error
        except OSError as error:
            raise self._core.ConnectError(_words(error)) from error
        for option in socket_options or ():
            pipe.transport.get_extra_info("socket").setsockopt(*option)
        return Stream(self._core, pipe)


class Stream:
    """A connection. Whoever reads or writes does one of the two at a time, as HTTP/1.1 has it."""

    def __init__(self, core: Any, pipe: Pipe) -> None:
        self._core, self._pipe = core, pipe

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        """Return what came, as soon as anything has; nothing at the end. Raises ``ReadTimeout`` or ``ReadError``."""
        pipe = self._pipe
        try:
            if not (pipe.came or pipe.ended):
                async with asyncio.timeout(timeout):
                    while not (pipe.came or pipe.ended):
                        await pipe.changed()
        except TimeoutError as error:
            raise self._core.ReadTimeout(_words(error)) from error
        if not pipe.came and pipe.error is not None:
            raise self._core.ReadError(_words(pipe.error)) from pipe.error
        return pipe.taken(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        """Return when the system has taken it all, but for one piece by TLS. Raises ``WriteTimeout`` or ``WriteError``.

        The time is that of each piece: a large image on a slow line gets there as long as it goes on.
        """
        for at in range(0, len(buffer), PIECE):
            await self._write(buffer[at : at + PIECE], timeout)

    async def _write(self, piece: bytes, timeout: float | None) -> None:  # noqa: ASYNC109 - as above
        pipe = self._pipe
        if not pipe.transport.is_closing():
            pipe.transport.write(piece)
        try:
            if pipe.is_full:
                async with asyncio.timeout(timeout):
                    while pipe.is_full and not pipe.ended:
                        await pipe.changed()
        except TimeoutError as error:
            raise self._core.WriteTimeout(_words(error)) from error
        if pipe.transport.is_closing():
            raise self._core.WriteError(_words(pipe.error)) from pipe.error

    async def aclose(self) -> None:
        """Close at once, without a word to the other side, whatever is on its way."""
        self._pipe.transport.abort()
        await asyncio.sleep(0)  # only then the socket is closed

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's parameter
    ) -> Stream:
        """Go on with TLS; raises ``ConnectTimeout`` or ``ConnectError``, and then the connection is closed."""
        try:
            async with asyncio.timeout(timeout):
                self._pipe.goes_on(await self._secured(ssl_context, server_hostname))
        except BaseException as error:
            await self.aclose()
            if isinstance(error, TimeoutError):
                raise self._core.ConnectTimeout(_words(error)) from error
            if isinstance(error, OSError):
                raise self._core.ConnectError(_words(error)) from error
            raise
        return self

    async def _secured(self, context: ssl.SSLContext, host: str | None) -> asyncio.Transport:
        pipe = self._pipe
        if pipe.came:  # anybody on the way can say it, and it would be taken for an answer that came by TLS
            message = "something was sent before TLS was spoken"
            raise ConnectionError(message)
        secured = await asyncio.get_running_loop().start_tls(pipe.transport, pipe, context, server_hostname=host)
        if secured is None:
            message = "the connection was closed right after the handshake"
            raise ConnectionError(message)
        return secured

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks for by its own names, or `None`."""
        if info == "is_readable":
            return self._pipe.is_readable
        names = {"server_addr": "peername", "client_addr": "sockname"}
        return self._pipe.transport.get_extra_info(names.get(info, info))


class Pipe(asyncio.Protocol):
    """What came on a connection and was not read yet, and whether what is written has left."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.came = bytearray()
        self.ended = self.is_full = False
        self.error: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    @property
    def is_readable(self) -> bool:
        """Whether anything came, be it the end, that nobody waits for: such a connection is used no more."""
        return bool(self.came) or self.ended or _is_readable(self.transport.get_extra_info("socket"))

    async def changed(self) -> None:
        """Wait until something came, has left, or has ended."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def taken(self, most: int) -> bytes:
        """Take from the front of what came."""
        data = bytes(self.came[:most])
        del self.came[:most]
        if len(self.came) < FEW:
            self.transport.resume_reading()
        return data

    def goes_on(self, transport: asyncio.Transport) -> None:
        """Go on over another transport: TLS."""
        self.transport = transport
        transport.set_write_buffer_limits(high=1, low=0)  # of TLS, 0 is full when it is empty

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for each write until the system has taken it."""
        self.transport = transport  # type: ignore[assignment]
        self.transport.set_write_buffer_limits(0)

    def data_received(self, data: bytes) -> None:
        """Keep it; of more than `MOST`, the rest waits at the sender."""
        self.came += data
        if len(self.came) > MOST:
            self.transport.pause_reading()
        self._change()

    def pause_writing(self) -> None:
        """Tell whoever writes to wait."""
        self.is_full = True

    def resume_writing(self) -> None:
        """Let whoever writes go on."""
        self.is_full = False
        self._change()

    def eof_received(self) -> None:
        """Nothing more comes; asyncio then closes the connection."""
        self.ended = True
        self._change()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; what came before can still be read."""
        self.ended, self.error = True, self.error or exc
        self._change()

    def _change(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


def _is_literal(host: str) -> bool:
    """Tell whether a host is one address: there is no other to be tried beside it."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_readable(sock: Any) -> bool:
    """Tell whether a read would return at once; of a closed socket it would."""
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):  # Windows, where `select` takes any number of a socket
        return bool(select.select([number], [], [], 0)[0])
    asked = select.poll()
    asked.register(number, select.POLLIN)
    return bool(asked.poll(0))


def _words(error: Exception | None) -> str:
    return str(error) or type(error).__name__ if error else "the connection was closed"
