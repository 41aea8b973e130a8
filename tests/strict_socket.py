"""A raw server on 127.0.0.1 that does what a script says, byte for byte, and counts what it really received."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Act(Enum):
    """What a script can do besides writing bytes."""

    RESET = auto()  # a TCP reset, nothing more
    CLOSE = auto()  # an orderly close
    HANG = auto()  # nothing until the server ends
    PAUSE = auto()  # 30 ms of real time
    FOREVER = auto()  # the piece before, again and again, until the other side is gone


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. ``connection`` and ``nth`` count from 0; ``nth`` is within the connection."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int
    nth: int


Script = Callable[[Seen], Sequence[bytes | Act]]


def answer(body: bytes = b"{}", status: str = "200 OK", *lines: str) -> bytes:
    """Return a whole HTTP/1.1 answer with its length."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class StrictSocket:
    """The server. ``script`` answers each request; after it the connection stays open for another one.

    ``greeting`` is performed before anything is read; with ``deaf`` every connection is reset at its first byte;
    ``tls`` is what https is spoken with; a ``port`` may be chosen.
    """

    def __init__(
        self,
        script: Script,
        greeting: Sequence[bytes | Act] = (),
        *,
        deaf: bool = False,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.seen: list[Seen] = []
        self.connections = 0
        self.arrived = threading.Event()
        self._script, self._greeting, self._deaf = script, greeting, deaf
        self._listener = socket.create_server(("127.0.0.1", port))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._ready = threading.Event()
        self._tls = tls

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, sock=self._listener, ssl=self._tls)
        self._ready.set()
        await self._end.wait()
        self._loop.remove_reader(self._listener)  # closing the server now would lose a connection just accepted
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            # Not cancelled at once: one that has not begun would leave its socket open.
            _, late = await asyncio.wait(others, timeout=0.01)
            for task in late:
                task.cancel()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, nth, self.connections = self.connections, 0, self.connections + 1
        try:
            await self._perform(self._greeting, writer)
            if self._deaf and await reader.read(1):
                await self._perform([Act.RESET], writer)
            while not writer.is_closing():
                self.seen.append(await _request(reader, number, nth))
                nth += 1
                self.arrived.set()
                await self._perform(self._script(self.seen[-1]), writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the other side is gone, or the server ends
        finally:
            writer.close()

    async def _perform(self, script: Sequence[bytes | Act], writer: asyncio.StreamWriter) -> None:
        last = b""
        for step in script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                last = step
            else:
                await self._act(step, last, writer)

    async def _act(self, act: Act, last: bytes, writer: asyncio.StreamWriter) -> None:
        if act is Act.RESET:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif act is Act.CLOSE:
            writer.close()
        elif act is Act.FOREVER:
            while not writer.is_closing():
                writer.write(last)
                await writer.drain()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), 0.03 if act is Act.PAUSE else None)

    @classmethod
    @contextlib.contextmanager
    def running(cls, script: Script, greeting: Sequence[bytes | Act] = (), **options: Any) -> Iterator[StrictSocket]:
        """Serve from a thread until the block ends."""
        server = cls(script, greeting, **options)
        thread = threading.Thread(target=lambda: asyncio.run(server._serve()), daemon=True)
        thread.start()
        server._ready.wait(5)
        try:
            yield server
        finally:
            server._loop.call_soon_threadsafe(server._end.set)
            thread.join(5)


async def _request(reader: asyncio.StreamReader, connection: int, nth: int) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in head[1:] if line):
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, target, headers, body, connection, nth)
