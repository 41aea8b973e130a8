"""The connections under the HTTP library: every byte as it came, in time, and each failure as the library tells it."""

from __future__ import annotations

import asyncio
import importlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from strict_socket import Act, StrictSocket, answer
from wired import OK, NamedLoop, check, fails, run, sent, submit, using

from kling_nb.clients import LIBRARIES, Clients
from kling_nb.dialect import Op
from kling_nb.errors import NotSent
from kling_nb.streams import MOST, Backend, Stream
from kling_nb.transport import Transport

CORES = [importlib.import_module(name.replace("httpx", "httpcore")) for name in LIBRARIES]
core = pytest.mark.parametrize("core", CORES, ids=lambda core: core.__name__)
tls = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

AUTHORITY = trustme.CA()
OURS, THEIRS = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
AUTHORITY.configure_trust(OURS)
AUTHORITY.issue_cert("127.0.0.1").configure_cert(THEIRS)


@asynccontextmanager
async def connected(core: Any, serve: Serve, *, tls: bool = False) -> AsyncIterator[Stream]:
    """Connect to a server that does something with its first connection."""
    tasks: list[asyncio.Task[None] | None] = []

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with suppress(OSError):
            await serve(reader, writer)
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(served, "127.0.0.1", 0, ssl=THEIRS if tls else None)
    stream = await Backend(core).connect_tcp("127.0.0.1", server.sockets[0].getsockname()[1], timeout=5)
    try:
        yield await stream.start_tls(OURS, "127.0.0.1", timeout=5) if tls else stream
    finally:
        await stream.aclose()
        server.close()
        await asyncio.gather(*filter(None, tasks))


async def until(done: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0)


def full(host: str) -> tuple[Sequence[socket.socket], int]:
    """Return sockets, and the port of one of them that answers nobody: whoever connects is kept waiting."""
    busy = socket.create_server((host, 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for one in waiting:
        one.setblocking(False)
        with suppress(BlockingIOError):
            one.connect(busy.getsockname())
    return [busy, *waiting], busy.getsockname()[1]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_connects_by_them_unless_by_a_proxy(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library knows the way by a proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    http = importlib.import_module(library)

    async def by(url: str) -> Any:
        clients = Clients(library, app=None, waits={})
        clients.request("GET", url, None, {}, op=Op.CHECK)
        try:
            return type(clients._idle[0].client._transport)
        finally:
            await clients.aclose()

    assert run(by("http://api.example/")) is Transport
    assert run(by("https://api.example/")) is http.AsyncHTTPTransport


@core
@tls
@settings(deadline=None, max_examples=25)
@given(pieces=st.lists(st.binary(min_size=1, max_size=5000), max_size=6), most=st.integers(1, 5000))
def test_what_comes_is_read_as_it_came(core: Any, tls: bool, pieces: list[bytes], most: int) -> None:
    """Whatever the pieces and however little is read at a time, it is the same bytes; then nothing, however often."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    async def read() -> list[bytes]:
        async with connected(core, serve, tls=tls) as stream:
            came = []
            while data := await stream.read(most, timeout=5):
                came.append(data)
            return [*came, await stream.read(most, timeout=5)]

    came = run(read())
    assert b"".join(came) == b"".join(pieces)
    assert max(map(len, came)) <= most


@core
@tls
def test_what_is_written_arrives_whole(core: Any, tls: bool) -> None:
    """Also what is far more than the system takes at once."""
    body = bytes(range(256)) * 2**14

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"yes" if await reader.readexactly(len(body)) == body else b"no")

    async def write() -> bytes:
        async with connected(core, serve, tls=tls) as stream:
            await stream.write(body, timeout=5)
            await stream.write(b"", timeout=5)
            return await stream.read(99, timeout=5)

    assert run(write()) == b"yes"


@core
@tls
def test_what_goes_on_has_time(core: Any, tls: bool) -> None:
    """A large image on a slow line takes longer than a piece of it may, and arrives."""
    size, times = 2**20, 24

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(times):
            await reader.readexactly(size)
            await asyncio.sleep(0.05)
        writer.write(b"all")

    async def write() -> bytes:
        async with connected(core, serve, tls=tls) as stream:
            await stream.write(bytes(size * times), timeout=0.6)
            return await stream.read(99, timeout=5)

    assert run(write()) == b"all"


@core
@tls
def test_who_is_not_read_has_to_wait(core: Any, tls: bool) -> None:
    """A clip that comes faster than it is kept does not fill the memory; and it is all there in the end."""
    size = 2**24

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(size))
        await writer.drain()

    async def read() -> tuple[int, int]:
        async with connected(core, serve, tls=tls) as stream:
            pipe = stream._pipe
            await until(lambda: not pipe.transport.is_reading())
            kept, came = len(pipe.came), 0
            while data := await stream.read(2**16, timeout=5):
                came += len(data)
            return kept, came

    kept, came = run(read())
    assert MOST < kept < 3 * MOST
    assert came == size


@core
@tls
@pytest.mark.parametrize("size", [2**14, 2**26])
def test_each_step_has_its_time(core: Any, tls: bool, size: int) -> None:
    """Nobody answers, and nobody reads. What was written has left: the time for an answer does not begin before."""
    ended = asyncio.Event()

    async def fill(stream: Stream) -> None:
        for _ in range(2**26 // size):
            await stream.write(bytes(size), timeout=0.05)
            assert stream._pipe.transport.get_write_buffer_size() == 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await ended.wait()
        writer.transport.abort()

    async def tried() -> None:
        async with connected(core, serve, tls=tls) as stream:
            try:
                with pytest.raises(core.ReadTimeout):
                    await stream.read(1, timeout=0.01)
                with pytest.raises(core.WriteTimeout):
                    await fill(stream)
            finally:
                ended.set()

    run(tried())


@core
def test_a_connection_that_nobody_takes_has_its_time(core: Any) -> None:
    """Neither TCP nor TLS is waited for longer than was said."""
    sockets, port = full("127.0.0.1")
    deaf = socket.create_server(("127.0.0.1", 0))

    async def tried() -> None:
        with pytest.raises(core.ConnectTimeout):
            await Backend(core).connect_tcp("127.0.0.1", port, timeout=0.01)
        stream = await Backend(core).connect_tcp("127.0.0.1", deaf.getsockname()[1], timeout=5)
        with pytest.raises(core.ConnectTimeout):
            await stream.start_tls(OURS, "127.0.0.1", timeout=0.01)
        assert stream.get_extra_info("socket").fileno() < 0

    run(tried())
    for one in (*sockets, deaf):
        one.close()


def test_the_next_address_of_a_name_is_tried_beside_one_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network whose IPv6 leads nowhere is common: a submit does not wait for it until its time is over."""
    sockets, port = full("127.0.0.2")
    with StrictSocket.running(lambda _: [OK], port=port) as server:
        monkeypatch.setitem(NamedLoop.names, "two.example", ["127.0.0.2", "127.0.0.1"])
        reply = sent(submit(server.url.replace("127.0.0.1", "two.example")))
    assert reply.status == 200
    for one in sockets:
        one.close()


@core
@tls
def test_a_reset_comes_behind_what_came_before_it(core: Any, tls: bool) -> None:
    """What was sent before a connection broke is read; then reading and writing fail as the library has it."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all there is")
        await writer.drain()
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async def read() -> bytes:
        async with connected(core, serve, tls=tls) as stream:
            await until(lambda: stream._pipe.ended)
            came = await stream.read(99, timeout=5)
            with pytest.raises(core.ReadError):
                await stream.read(99, timeout=5)
            with pytest.raises(core.WriteError):
                await stream.write(b"more", timeout=5)
            return came

    assert run(read()) == b"all there is"


@core
def test_what_was_said_in_the_clear_is_no_answer_by_tls(core: Any) -> None:
    """Whoever is on the way could say it: a provider that took a submit would seem to have refused it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b'{"code":1201}', "400 Bad Request"))
        await writer.drain()
        if await reader.read(1):
            await writer.start_tls(THEIRS)

    async def tried() -> None:
        async with connected(core, serve) as stream:
            await until(lambda: bool(stream._pipe.came))
            with pytest.raises(core.ConnectError, match="before TLS"):
                await stream.start_tls(OURS, "127.0.0.1", timeout=5)
            assert stream.get_extra_info("socket").fileno() < 0

    run(tried())


@core
@tls
def test_an_idle_connection_on_which_anything_came_is_told(core: Any, tls: bool) -> None:
    """Be it words of nobody's asking or the end: the library opens another one for the next request."""
    go_on = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go_on.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")

    async def told() -> list[bool]:
        async with connected(core, serve, tls=tls) as stream:
            seen = [stream.get_extra_info("is_readable")]
            go_on.set()
            await until(lambda: bool(stream._pipe.came))
            seen.append(stream.get_extra_info("is_readable"))
            await stream.read(99, timeout=5)
            await until(lambda: stream._pipe.ended)
            return [*seen, stream.get_extra_info("is_readable")]

    assert run(told()) == [False, True, True]


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_a_server_says_between_two_requests_answers_neither(library: str) -> None:
    """Such words must not be taken for the answer to what is asked next."""
    late = answer(b"late", "408 Request Timeout")

    async def asked() -> list[bytes]:
        async def twice(wire: Any) -> list[bytes]:
            first = await wire.send(check(server.url))
            await until(wire._clients._idle[0].client._transport._connection.has_expired)
            return [first.content, (await wire.send(check(server.url))).content]

        return await using(twice, http=library)

    with StrictSocket.running(lambda seen: [OK, Act.PAUSE, late] if seen.connection == 0 else [OK]) as server:
        assert run(asked()) == [b'{"code":0}', b'{"code":0}']
        assert [seen.connection for seen in server.seen] == [0, 1]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_certificate_of_nobody_known_is_told(library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A submit does not go there, and the reason is said in words."""
    trustme.CA().cert_pem.write_to_path(other := tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with StrictSocket.running(lambda _: [OK], tls=THEIRS) as server:
        text = fails(NotSent, lambda: sent(submit(server.url), http=library))
    assert "its certificate is from nobody trusted here" in text
    assert not server.seen
