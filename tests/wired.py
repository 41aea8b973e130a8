"""A small world for the wire: resolvers that know a few names, calls with secrets, answers that never come whole."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from strict_socket import Act, answer

from kling_nb.clients import LIBRARIES
from kling_nb.dialect import Call, Op, Reply, origin
from kling_nb.wire import Limits, Received, Wire

SECRET = "hunter2-do-not-tell"
QUICK = Limits(connect_s=5, read_s=0.2, total_s=2, clip_total_s=2, reply_bytes=10_000, clip_bytes=10_000)
PATIENT = Limits(connect_s=5, read_s=5, reply_bytes=10_000, clip_bytes=100_000)
SLOW = ("no answer", "half a body, then nothing", "hints without end", "a slow drip")
OK = answer(b'{"code":0}', "200 OK", "content-type: application/json")


class NamedLoop(asyncio.SelectorEventLoop):
    """A loop whose resolver knows a few names and asks nobody else."""

    names: ClassVar[dict[str, list[str]]] = {}

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> Any:
        """Answer literals and known names."""
        name = host.decode() if isinstance(host, bytes) else host
        if name not in self.names and not name.startswith("127."):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in self.names.get(name, [name])]


@pytest.fixture(params=LIBRARIES)
def http(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each library in turn."""
    monkeypatch.setenv("KLING_NB_HTTP", request.param)
    return str(request.param)


T = TypeVar("T")


def run(work: Coroutine[Any, Any, T], loop: Callable[[], asyncio.AbstractEventLoop] = NamedLoop) -> T:
    """Run on a fresh loop."""
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(work)


async def using(use: Callable[[Wire], Awaitable[T]], **options: Any) -> T:
    """Hand over a wire and close it."""
    async with aclosing(Wire(**{"limits": PATIENT, **options})) as wire:
        return await use(wire)


def sent(call: Call, **options: Any) -> Reply:
    """Send one call."""
    return run(using(lambda wire: wire.send(call), **options))


def fetched(
    url: str,
    part: Path,
    own: str | None = None,
    loop: Callable[[], asyncio.AbstractEventLoop] = NamedLoop,
    **options: Any,
) -> Received:
    """Download one link whose call carries a secret."""
    call = Call(op=Op.CONTENT, method="GET", url=url, headers={"authorization": f"Bearer {SECRET}"})
    where = origin(own) if own else None
    return run(using(lambda wire: wire.stream(call, part, own_origin=where), **options), loop)


def submit(base: str, path: str = "/v1/videos", **fields: Any) -> Call:
    """Return a paid call with secrets wherever one can be."""
    given = {"body": {"prompt": SECRET}, "headers": {"authorization": f"Bearer {SECRET}"}, **fields}
    return Call(op=Op.SUBMIT, method="POST", url=f"{base}{path}?access_token={SECRET}", **given)


def check(url: str, **fields: Any) -> Call:
    """Return a read."""
    return Call(op=Op.CHECK, method="GET", url=url, headers={"authorization": f"Bearer {SECRET}"}, **fields)


def fails(kind: type[Exception], work: Callable[[], object]) -> str:
    """Return the text of a failure of exactly this kind, which leads to no secret by text, arguments or chain."""
    with pytest.raises(kind) as caught:
        work()
    error = caught.value
    assert kind is type(error)
    assert (error.__cause__, error.__context__) == (None, None)
    assert SECRET not in f"{error} {error!r} {vars(error)}"
    return str(error)


DRIP: list[bytes | Act] = [b"0", Act.PAUSE] * 90
DOUBTS: dict[str, list[bytes | Act]] = {
    "reset after the request": [Act.RESET],
    "closed after the request": [Act.CLOSE],
    "no answer": [Act.HANG],
    "half a head": [b"HTTP/1.1 200 OK\r\ncontent-le", Act.CLOSE],
    "not HTTP": [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Act.CLOSE],
    "half a body": [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234", Act.CLOSE],
    "half a body, reset": [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234", Act.RESET],
    "half a body, then nothing": [b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234", Act.HANG],
    "half a chunk": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n01234", Act.CLOSE],
    "chunks without end": [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"4\r\n0123\r\n", Act.FOREVER],
    "a body without end": [b"HTTP/1.1 200 OK\r\n\r\n", b"0123", Act.FOREVER],
    "a head without end": [b"HTTP/1.1 200 OK\r\n", b"x-a: b\r\n", Act.FOREVER],
    "trailers without end": [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        b"x-a: b\r\n",
        Act.FOREVER,
    ],
    "a chunk's head without end": [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5",
        b";x=y",
        Act.FOREVER,
    ],
    "hints without end": [b"HTTP/1.1 102 Processing\r\n\r\n", Act.FOREVER],
    "too long, announced": [b"HTTP/1.1 200 OK\r\ncontent-length: 10001\r\n\r\n"],
    "a length of 5,000 digits": [b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n"],
    "a bomb": [answer(gzip.compress(bytes(10_001)), "200 OK", "content-encoding: gzip")],
    "half a gzip": [answer(gzip.compress(bytes(999))[:-9], "200 OK", "content-encoding: gzip")],
    "no gzip": [answer(b"{}", "200 OK", "content-encoding: gzip")],
    "a slow drip": [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", *DRIP],
}


def limits_for(name: str) -> Limits:
    """Return short times for what would not end, and long ones for the rest, so that a busy machine changes nothing."""
    return QUICK if name in SLOW else replace(PATIENT, clip_bytes=10_000)
