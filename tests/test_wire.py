"""Calls: a reply, or certainly not sent, or in doubt; and never a secret outside its own origin."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import inspect
import json
import logging
import os
import socket
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from strict_socket import Act, StrictSocket, answer
from wired import DOUBTS, OK, PATIENT, SECRET, check, fails, http, limits_for, run, sent, submit, using  # noqa: F401 (a fixture)

from kling_nb.answers import VERDICTS
from kling_nb.clients import library
from kling_nb.dialect import Inline, Reply
from kling_nb.errors import Doubt, InputError, NotSent
from kling_nb.wire import Wire

BOMB = answer(gzip.compress(bytes(30_000_000)), "200 OK", "content-encoding: gzip")
pytestmark = pytest.mark.usefixtures("http")


@pytest.mark.parametrize("part", ["httpx", "httpcore"])
def test_every_exception_has_a_verdict(part: str) -> None:
    """Every public exception class of the library, and of what it sends with, is mapped by its own name."""
    module = importlib.import_module(os.environ["KLING_NB_HTTP"].replace("httpx", part))
    kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if issubclass(kind, Exception)]
    kinds = [kind for kind in kinds if not issubclass(kind, Warning)]
    assert len(kinds) > 12
    assert [kind.__name__ for kind in kinds if kind.__name__ not in VERDICTS] == []


def test_a_call_arrives_as_it_is() -> None:
    """A body travels as UTF-8 JSON with the call's headers and our name; the reply's header names are lower-case."""
    with StrictSocket.running(lambda _: [answer(b"[1]", "201 Created", "X-Log-Id: 7")]) as server:
        reply = sent(submit(server.url, body={"prompt": "雪 snow", "n": [1, None]}))
    (seen,) = server.seen
    assert f"{seen.method} {seen.target}" == "POST /v1/videos?access_token=" + SECRET
    assert seen.body.decode() == '{"prompt": "雪 snow", "n": [1, null]}'
    assert seen.headers["content-type"] == "application/json"
    assert f"Bearer {SECRET}" == seen.headers["authorization"]
    assert seen.headers["user-agent"].startswith("kling_nb/")
    assert (reply.status, reply.json(), reply.headers["x-log-id"]) == (201, [1], "7")


def test_a_call_may_have_its_own_content_type() -> None:
    """A content type of the call's own wins, whatever its capitals."""
    with StrictSocket.running(lambda _: [OK]) as server:
        sent(submit(server.url, headers={"Content-Type": "application/vnd.kling+json"}))
    assert server.seen[0].headers["content-type"] == "application/vnd.kling+json"


def test_images_are_put_in_when_sent() -> None:
    """An inline image becomes base64 or a data URI on the wire, at any depth."""
    body = {"image": Inline("sha256:ab"), "more": [{"url": Inline("sha256:ab", "data_uri")}]}
    with StrictSocket.running(lambda _: [OK]) as server:
        sent(submit(server.url, body=body), read_image=lambda ref: (ref.encode(), "image/png"))
    expected = {"image": "c2hhMjU2OmFi", "more": [{"url": "data:image/png;base64,c2hhMjU2OmFi"}]}
    assert expected == json.loads(server.seen[0].body)


def test_an_image_that_cannot_be_read_is_not_sent() -> None:
    """A body that cannot be completed sends nothing and passes on our own words for it."""

    def gone(ref: str) -> tuple[bytes, str]:
        message = f"the image {ref} is gone"
        raise InputError(message)

    with StrictSocket.running(lambda _: [OK]) as server:
        text = fails(NotSent, lambda: sent(submit(server.url, body={"image": Inline("sha256:ab")}), read_image=gone))
    assert text.endswith("the image sha256:ab is gone")
    assert server.connections == 0


@pytest.mark.parametrize(
    "spoilt",
    [
        {"body": {"prompt": SECRET, "bad": object()}},
        {"body": {"prompt": f"{SECRET}\ud800"}},
        {"body": {"prompt": SECRET, "cfg": float("nan")}},
        {"headers": {"authorization": f"Bearer {SECRET}\n"}},
        {"headers": {"authorization": f"Bearer {SECRET}\u2026"}},
    ],
)
def test_what_cannot_be_written_is_not_sent(spoilt: dict[str, Any]) -> None:
    """A body or header that cannot be written sends nothing, and the message does not quote it."""
    with StrictSocket.running(lambda _: [OK]) as server:
        fails(NotSent, lambda: sent(submit(server.url, **spoilt)))
    assert server.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.example",
        "api.example",
        "http://",
        "http://[::1",
        "http://api.example:99999",
        f"http://{'a' * 70}.example",
        "http://a..example",
        "http://nowhere.example",
    ],
)
def test_an_address_that_leads_nowhere_is_not_sent(url: str) -> None:
    """A bad address, or a name that nobody knows, is certainly not sent."""
    fails(NotSent, lambda: sent(submit(url)))


def test_a_refused_connection_is_not_sent() -> None:
    """Where nobody listens, nothing was sent; the message names method, host and path and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    text = fails(NotSent, lambda: sent(submit(f"http://127.0.0.1:{port}")))
    assert text.startswith(f"POST 127.0.0.1:{port}/v1/videos was not sent: no connection could be made")
    assert text.endswith("sending it again is safe")


@pytest.mark.parametrize("greeting", [[b"HTTP/1.1 400 Bad Request\r\n\r\n"], [Act.CLOSE], [Act.RESET], [Act.HANG]])
def test_a_failed_tls_handshake_is_not_sent(greeting: list[bytes | Act]) -> None:
    """Where no TLS is spoken, nothing was sent, not even the head of the request."""
    limits = replace(PATIENT, connect_s=0.5)
    with StrictSocket.running(lambda _: [OK], greeting) as server:
        fails(NotSent, lambda: sent(submit(server.url.replace("http:", "https:")), limits=limits))
    assert server.seen == []


@pytest.mark.parametrize("name", DOUBTS)
def test_a_lost_answer_is_in_doubt(name: str) -> None:
    """Whatever happens after the request went out is a doubt, and the request went out once."""
    with StrictSocket.running(lambda _: DOUBTS[name]) as server:
        text = fails(Doubt, lambda: sent(submit(server.url), limits=limits_for(name)))
    assert len(server.seen) == 1
    assert text.startswith(f"POST {server.url.removeprefix('http://')}/v1/videos: ")


def test_a_reset_before_reading_is_in_doubt() -> None:
    """A connection that is reset at the first byte counts as a doubt although the server understood nothing."""
    with StrictSocket.running(lambda _: [OK], deaf=True) as server:
        fails(Doubt, lambda: sent(submit(server.url)))
    assert server.seen == []


def test_a_packed_reply_is_unpacked() -> None:
    """A gzip reply within the limit is read."""
    packed = answer(gzip.compress(b'{"code":0}'), "200 OK", "Content-Encoding: GZIP")
    with StrictSocket.running(lambda _: [packed]) as server:
        assert sent(check(server.url)).json() == {"code": 0}


def test_a_packed_reply_that_was_cut_says_so() -> None:
    """A gzip reply that came whole by its length, and was cut before it was sent, has no end: the sentence says that."""
    packed = gzip.compress(b'{"code":0}')[:-6]
    with StrictSocket.running(lambda _: [answer(packed, "200 OK", "Content-Encoding: gzip")]) as server:
        said = fails(Doubt, lambda: sent(submit(server.url)))
    assert f"what was packed as gzip does not end within the {len(packed)} bytes that came" in said


def _bare(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize("pack", [zlib.compress, _bare])
def test_deflate_is_unpacked_as_servers_send_it(pack: Callable[[bytes], bytes]) -> None:
    """Deflate is read in its wrapper and, as some servers send it, without, however its bytes come in."""
    head, *body = b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\n\r\n", *pack(b'{"code":0}')
    pieces = [[head, bytes(body[:cut]), Act.PAUSE, bytes(body[cut:]), Act.CLOSE] for cut in (1, 2, 5)]
    with StrictSocket.running(lambda seen: pieces[seen.connection]) as server:
        assert [{"code": 0}] * 3 == [sent(submit(server.url)).json() for _ in pieces]


def test_a_bomb_is_not_unpacked_whole() -> None:
    """Unpacking stops at the limit: a piece that would become 30 MB never takes the room."""
    with StrictSocket.running(lambda _: [BOMB]) as server:
        tracemalloc.start()
        fails(Doubt, lambda: sent(check(server.url), limits=replace(PATIENT, reply_bytes=100_000)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 5_000_000


def test_what_follows_the_end_of_a_packed_body_is_left() -> None:
    """Behind the end of what is packed nothing is gathered, which would be copied anew for every piece."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n" + gzip.compress(b"{}")
    script = [head, *[bytes(60_000)] * 150, Act.CLOSE]
    with StrictSocket.running(lambda _: script) as server:
        tracemalloc.start()
        reply = sent(check(server.url), limits=replace(PATIENT, reply_bytes=10_000_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (reply.json(), peak < 5_000_000) == ({}, True)


@pytest.mark.parametrize("packing", ["br", "zstd", "gzip, gzip", "deflate", "compress"])
def test_an_unknown_packing_is_not_unpacked(packing: str) -> None:
    """A body in a packing that was not asked for is what came, or a doubt, and never more than the limit."""
    body = gzip.compress(gzip.compress(bytes(10**6)))
    with StrictSocket.running(lambda _: [answer(body, "200 OK", f"content-encoding: {packing}")]) as server:
        assert len(sent(check(server.url), limits=PATIENT).content) < 10_000


def test_submits_never_share_a_connection() -> None:
    """Every submit has a fresh connection; reads keep theirs."""

    async def calls(wire: Wire) -> None:
        for _ in range(3):
            await wire.send(submit(server.url))
            await wire.send(check(server.url))

    with StrictSocket.running(lambda _: [OK]) as server:
        run(using(calls))
    connections = {method: [s.connection for s in server.seen if s.method == method] for method in ("POST", "GET")}
    assert len(set(connections["POST"])) == 3
    assert len(set(connections["GET"])) == 1
    assert not set(connections["POST"]) & set(connections["GET"])


def test_a_stale_connection_is_a_doubt_and_not_retried() -> None:
    """A read on a kept connection that the server gives up is told, not silently sent again."""

    async def calls(wire: Wire) -> None:
        await wire.send(check(server.url))
        await wire.send(check(server.url))

    with StrictSocket.running(lambda seen: [Act.RESET if seen.nth else OK]) as server:
        fails(Doubt, lambda: run(using(calls)))
    assert [(s.connection, s.nth) for s in server.seen] == [(0, 0), (0, 1)]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_submit_is_not_redirected(method: str) -> None:
    """A redirect of a paid call is a reply like any other, and nobody is asked again."""
    with StrictSocket.running(lambda _: [answer(b"", "307 Temporary Redirect", "location: /elsewhere")]) as server:
        assert sent(replace(submit(server.url), method=method)).status == 307
    assert len(server.seen) == 1


def test_a_read_is_redirected_within_its_origin() -> None:
    """A GET follows a redirect of the same origin with its credential."""
    moved = answer(b"", "302 Found", "location: /tasks/2?a=b")
    with StrictSocket.running(lambda seen: [OK if seen.target == "/tasks/2?a=b" else moved]) as server:
        assert sent(check(server.url + "/tasks/1")).status == 200
    assert f"Bearer {SECRET}" == server.seen[1].headers["authorization"]


def test_a_read_is_not_redirected_elsewhere() -> None:
    """A GET that is redirected to another origin ends with that reply: no credential travels there."""
    with StrictSocket.running(lambda _: [OK]) as other:
        moved = answer(b"", "302 Found", f"location: {other.url}/")
        with StrictSocket.running(lambda _: [moved]) as server:
            assert sent(check(server.url)).status == 302
    assert other.connections == 0


def test_redirects_of_a_read_are_bounded() -> None:
    """A redirect in a circle ends as a doubt."""
    with StrictSocket.running(lambda _: [answer(b"", "302 Found", "location: /")]) as server:
        fails(Doubt, lambda: sent(check(server.url)))
    assert len(server.seen) == 6


def test_cookies_are_not_kept() -> None:
    """A cookie that a reply sets is not sent back."""

    async def calls(wire: Wire) -> None:
        await wire.send(check(server.url))
        await wire.send(check(server.url))

    with StrictSocket.running(lambda _: [answer(b"", "200 OK", "set-cookie: session=1; path=/")]) as server:
        run(using(calls))
    assert "cookie" not in server.seen[1].headers


def test_the_librarys_log_tells_no_query(caplog: pytest.LogCaptureFixture) -> None:
    """What the library logs of our calls has no query; of others' it stays as it is."""
    caplog.set_level(logging.INFO)
    with StrictSocket.running(lambda _: [OK]) as server:
        sent(submit(server.url))
        assert SECRET not in caplog.text
        assert "/v1/videos" in caplog.text
        with library(os.environ["KLING_NB_HTTP"]).Client(trust_env=False) as others:
            others.get(f"{server.url}/?mine=1")
    assert "mine=1" in caplog.text


def test_the_connections_log_tells_no_header(caplog: pytest.LogCaptureFixture) -> None:
    """What the layer below logs of our calls at DEBUG are events without values; of others' it stays as it is."""
    caplog.set_level(logging.DEBUG)
    reply = answer(b"{}", "302 Found", f"set-cookie: session={SECRET}", f"location: https://cdn.example/?sig={SECRET}")
    with StrictSocket.running(lambda _: [reply]) as server:
        sent(submit(server.url))
        fails(NotSent, lambda: sent(submit(server.url, headers={"authorization": f"Bearer {SECRET}\n"})))
        sent(check(server.url + "/#" + SECRET))
        below = [record.getMessage() for record in caplog.records if record.name.startswith("httpcore")]
        assert {"send_request_headers.failed", "receive_response_headers.complete"} <= set(below)
        assert SECRET not in caplog.text
        with library(os.environ["KLING_NB_HTTP"]).Client(trust_env=False) as others:
            others.get(server.url)
    assert "set-cookie" in caplog.text.lower()


def test_a_cancelled_call_is_cancelled_and_frees_its_slot() -> None:
    """A cancellation passes as it is, and the next call goes out."""

    async def calls(wire: Wire) -> Reply:
        task = asyncio.create_task(wire.send(submit(server.url)))
        await asyncio.get_running_loop().run_in_executor(None, server.arrived.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await wire.send(check(server.url))

    with StrictSocket.running(lambda seen: [Act.HANG if seen.method == "POST" else OK]) as server:
        assert run(using(calls, in_flight=1)).ok


def test_a_closed_wire_sends_nothing() -> None:
    """After closing, a call is certainly not sent."""

    async def late(wire: Wire) -> Reply:
        await wire.aclose()
        return await wire.send(submit(server.url))

    with StrictSocket.running(lambda _: [OK]) as server:
        assert "this wire is closed" in fails(NotSent, lambda: run(using(late)))
    assert server.connections == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([answer(b"", f"403 {SECRET}")], "(ProxyError: HTTP 403); sending it again"),
        ([answer(b"", "407 Proxy Authentication Required")], "HTTP 407); it wants a name and a password"),
        ([answer(b"", "503 Service Unavailable")], "(ProxyError: HTTP 503)"),
        ([Act.CLOSE], "the proxy did not connect to it (RemoteProtocolError)"),
        ([Act.RESET], "the proxy did not connect to it (ReadError)"),
        ([Act.HANG], "the proxy did not connect to it (ReadTimeout)"),
        ([answer(b""), Act.CLOSE], "no connection could be made (ConnectError"),
    ],
    ids=["403", "407", "503", "closed", "reset", "silent", "closed after it opened"],
)
def test_a_proxy_that_opens_no_way_is_not_sent(
    said: list[bytes | Act], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever becomes of a tunnel that does not stand yet, the provider heard nothing; a proxy's number is told."""
    with StrictSocket.running(lambda _: said) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@{proxy.url.removeprefix('http://')}")
        limits = replace(PATIENT, read_s=0.2) if Act.HANG in said else PATIENT
        assert told in fails(NotSent, lambda: sent(submit("https://api.example"), limits=limits))
    assert [(s.method, s.target, SECRET in str(s.headers)) for s in proxy.seen] == [
        ("CONNECT", "api.example:443", False)
    ]


def test_a_port_that_there_is_none_of_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection fails in a way that nobody foresaw, nothing was sent all the same."""
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:99999")
    assert "no connection could be made" in fails(NotSent, lambda: sent(submit("https://api.example")))


@pytest.mark.parametrize(
    ("line", "kind"), [("proxy-authenticate: Basic", NotSent), ("x-no: challenge", None)], ids=["challenge", "none"]
)
def test_a_proxy_that_wants_credentials_is_not_the_provider(
    line: str, kind: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 407 with a challenge is a proxy's, which has not passed the request on; without one it proves nothing here."""
    with StrictSocket.running(lambda _: [answer(b"<html>", "407 No", line)]) as proxy:
        assert 407 == sent(submit(proxy.url)).status  # not by a proxy: the dialect judges
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        if kind is None:
            assert 407 == sent(submit("http://api.example")).status
        else:
            text = fails(kind, lambda: sent(submit("http://api.example")))
            assert "the proxy refused it (HTTP 407); it wants a name and a password" in text


@pytest.mark.parametrize(
    "said", [[answer(b"", "502 Bad Gateway")], [answer(b"", "504 Gateway Timeout")]], ids=["502", "504"]
)
def test_what_a_proxy_may_have_passed_on_is_for_the_dialect(said: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's own error to a request that it may have passed on comes as an answer, which proves nothing."""
    with StrictSocket.running(lambda _: said) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert sent(submit("http://api.example")).status in (502, 504)


@pytest.mark.parametrize("act", [Act.CLOSE, Act.RESET], ids=["closed", "reset"])
def test_a_proxy_that_dies_with_a_request_leaves_a_doubt(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a proxy has the request itself, it may have passed it on."""
    with StrictSocket.running(lambda _: [act]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        fails(Doubt, lambda: sent(submit("http://api.example")))


def test_an_unknown_library_is_answered_with_the_known_ones() -> None:
    """A misspelt library is an error that lists the known ones."""
    with pytest.raises(InputError, match="known: httpx, httpx2"):
        library("httpx3")


def test_an_argument_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is what the argument names, else what ``KLING_NB_HTTP`` names."""
    monkeypatch.setenv("KLING_NB_HTTP", "curl")
    Wire(http="httpx")
    with pytest.raises(InputError, match="no HTTP library 'curl'"):
        Wire()
