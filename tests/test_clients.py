"""Connections: who goes on which, how long each is kept, and that none is left behind."""

from __future__ import annotations

import asyncio
import queue
import ssl
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from strict_socket import Act, StrictSocket
from wired import DOUBTS, OK, PATIENT, SECRET, check, fails, http, limits_for, run, sent, submit, using  # noqa: F401 (a fixture)

from kling_nb import clients
from kling_nb.clients import TRUST
from kling_nb.dialect import Reply
from kling_nb.errors import Doubt, NotSent
from kling_nb.wire import Wire

pytestmark = pytest.mark.usefixtures("http")


class Counting(StrictSocket):
    """A server that tells which connections have ended, in order; those that it ends itself too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._ended: queue.Queue[int] = queue.Queue()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        await super()._connection(reader, writer)
        with suppress(OSError):
            await writer.wait_closed()  # so that whoever asks the other end is told
        if not self._end.is_set():
            self._ended.put(number)

    async def ended(self, count: int) -> list[int]:
        """Wait until so many more have ended, and return which."""
        return [await asyncio.to_thread(self._ended.get, timeout=5) for _ in range(count)]

    def none_ended(self) -> bool:
        """Tell whether none has that was not told yet."""
        return self._ended.empty()


async def both(wire: Wire, server: StrictSocket) -> list[int]:
    """Make two connections to a server, and return them as they became free."""
    freed: list[str] = []

    async def asked(path: str) -> None:
        await wire.send(check(server.url + path))
        freed.append(path)

    await asyncio.gather(asked("/a"), asked("/b"))
    return [seen.connection for path in freed for seen in server.seen if seen.target == path]


def test_what_every_request_says() -> None:
    """Of itself a request says no more than this."""
    with StrictSocket.running(lambda _: [OK]) as server:
        sent(check(server.url))
    headers = server.seen[0].headers
    assert headers.pop("user-agent").startswith("kling_nb/")
    assert headers == {
        "host": server.url.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "gzip",
        "connection": "keep-alive",
        "authorization": f"Bearer {SECRET}",
    }


def test_every_step_has_its_time() -> None:
    """A piece of the answer that does not come in time ends the call, long before the whole call's time is over."""
    with StrictSocket.running(lambda _: [Act.HANG]) as server:
        text = fails(Doubt, lambda: sent(check(server.url), limits=replace(PATIENT, read_s=0.1, total_s=5)))
    assert "(ReadTimeout)" in text


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks://127.0.0.1:7890", "of ALL_PROXY, no_proxy one cannot be used"),
        (f"http://me:{SECRET}@[::", "of ALL_PROXY, no_proxy one cannot be used"),
        (f"socks5://me:{SECRET}@127.0.0.1:1", "as ALL_PROXY, no_proxy names one, needs the package socksio"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_not_sent(proxy: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even a client can be made, a submit was certainly not sent, and the variables are named, not shown."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("no_proxy", "localhost")
    assert why in fails(NotSent, lambda: sent(submit("http://api.example")))


def test_certificates_are_read_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A company's own certificate is trusted as soon as a variable names it; what cannot be read is told by that name."""
    for name in TRUST:
        monkeypatch.delenv(name, raising=False)
    authority, nowhere = trustme.CA(), tmp_path / "nowhere.pem"
    authority.cert_pem.write_to_path(known := tmp_path / "company.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with StrictSocket.running(lambda _: [OK], tls=context) as server:
        text = fails(NotSent, lambda: sent(submit(server.url)))
        assert "SSL_CERT_FILE should name a file with that company's certificates" in text
        monkeypatch.setenv("SSL_CERT_FILE", str(nowhere))
        text = fails(NotSent, lambda: sent(submit(server.url)))
        assert "the certificates of SSL_CERT_FILE cannot be read (No such file or directory)" in text
        monkeypatch.setenv("SSL_CERT_FILE", str(known))
        assert sent(submit(server.url)).ok
        assert 1 == len(server.seen)


def test_the_connection_that_became_free_last_is_used() -> None:
    """Of several the freshest serves the next request, and the one after that."""

    async def calls(wire: Wire) -> int:
        freed = await both(wire, server)
        await wire.send(check(server.url))
        await wire.send(check(server.url))
        return freed[-1]

    with StrictSocket.running(lambda _: [OK]) as server:
        last = run(using(calls))
    assert [last, last] == [seen.connection for seen in server.seen[2:]]
    assert server.connections == 2


@pytest.mark.parametrize("bound", [{"KEPT_S": -1.0}, {"KEPT": 0}], ids=["old", "many"])
def test_what_is_old_or_too_much_is_closed(bound: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the next request go those connections that nothing went on for long, or that are too many; not its own."""

    async def calls(wire: Wire) -> None:
        unused, last = await both(wire, server)
        assert server.none_ended()
        for name, value in bound.items():
            monkeypatch.setattr(clients, name, value)
        await wire.send(check(server.url))
        assert [unused] == await server.ended(1)
        assert (server.none_ended(), server.seen[-1].connection) == (True, last)

    with Counting.running(lambda _: [OK]) as server:
        run(using(calls))


def test_others_may_take_what_is_not_closed_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a request closes what is old, another takes the last that is left, and both are answered."""

    async def calls(wire: Wire) -> list[Reply]:
        for server in (first, second):
            await wire.send(check(server.url))
        monkeypatch.setattr(clients, "KEPT_S", -1.0)
        return await asyncio.gather(wire.send(submit(second.url)), wire.send(check(second.url)))

    with StrictSocket.running(lambda _: [OK]) as first, StrictSocket.running(lambda _: [OK]) as second:
        assert [reply.status for reply in run(using(calls))] == [200, 200]


def test_closing_leaves_no_connection() -> None:
    """After closing none is open: not of the requests that ended, nor of one that was cancelled."""

    async def calls(wire: Wire) -> None:
        await both(wire, server)
        server.arrived.clear()
        task = asyncio.create_task(wire.send(submit(server.url, path="/hang")))
        await asyncio.to_thread(server.arrived.wait, timeout=5)
        await _cancelled(task)
        assert await server.ended(1) == [2]
        await wire.aclose()
        assert set(await server.ended(2)) == {0, 1}

    with Counting.running(lambda seen: [] if "hang" in seen.target else [OK]) as server:
        run(using(calls))


@pytest.mark.parametrize("arrived", [False, True])
def test_what_is_out_when_the_wire_is_closed_is_answered(arrived: bool) -> None:
    """Closing cuts nothing off; the connection of a request that is out, or just being made, ends with it."""

    async def calls(wire: Wire) -> Reply:
        task = asyncio.create_task(wire.send(check(server.url)))
        await (asyncio.to_thread(server.arrived.wait, timeout=5) if arrived else asyncio.sleep(0))
        await wire.aclose()
        reply = await task
        assert await server.ended(1) == [0]
        return reply

    with Counting.running(lambda _: [Act.PAUSE, OK]) as server:
        assert run(using(calls)).ok


@pytest.mark.parametrize("name", ["half a body, reset", "half a body, then nothing", "too long, announced", "no gzip"])
def test_the_next_request_after_a_cut_answer_is_clean(name: str) -> None:
    """Where an answer was cut off or given up, the next one to the same place comes whole, on a connection of its own."""

    async def calls(wire: Wire) -> Reply:
        with suppress(Doubt):
            await wire.send(check(server.url))
        return await wire.send(check(server.url))

    with StrictSocket.running(lambda seen: [OK] if seen.connection else DOUBTS[name]) as server:
        assert run(using(calls, limits=limits_for(name))).json() == {"code": 0}
    assert [seen.connection for seen in server.seen] == [0, 1]


def test_a_request_may_be_cancelled_at_any_step() -> None:
    """Wherever it is cancelled, also while a connection is closed that the server gave up, the next one is answered."""

    async def calls(wire: Wire) -> None:
        for steps in range(40):
            assert (await wire.send(check(server.url + "/last"))).ok
            last = [seen.connection for seen in server.seen if seen.target == "/last"][-1]
            while [last] != await server.ended(1):
                pass
            task = asyncio.create_task(wire.send(check(server.url)))
            for _ in range(steps):
                await asyncio.sleep(0)
            await _cancelled(task)

    with Counting.running(lambda seen: [OK, Act.CLOSE] if seen.target == "/last" else [OK]) as server:
        run(using(calls, limits=replace(PATIENT, connect_s=0.5)))


async def _cancelled(task: Awaitable[Any]) -> None:
    task.cancel()  # type: ignore[attr-defined]
    with suppress(asyncio.CancelledError):
        await task
