"""Downloads: a clip comes whole or not at all, and its link leads where a stranger may point."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from strict_socket import Act, Seen, StrictSocket, answer
from wired import DOUBTS, OK, PATIENT, SECRET, NamedLoop, check, fails, fetched, http, limits_for, run, using  # noqa: F401 (a fixture)

from kling_nb.dialect import Call, Op, origin
from kling_nb.errors import Doubt, LinkExpired, MediaError, NotSent
from kling_nb.wire import Received, Wire

pytestmark = pytest.mark.usefixtures("http")


def test_a_clip_is_streamed_to_its_part_file(tmp_path: Path) -> None:
    """A whole clip is on disk, and its length and hash are told."""
    clip = bytes(range(256)) * 300
    with StrictSocket.running(lambda _: [answer(clip, "200 OK", "content-type: video/mp4")]) as server:
        got = fetched(f"{server.url}/a.mp4?sig={SECRET}", tmp_path / "a.part", server.url)
    assert clip == (tmp_path / "a.part").read_bytes()
    digest = hashlib.sha256(clip).hexdigest()
    assert got == Received(bytes=len(clip), sha256=digest)
    assert server.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(("label", "sent_as"), [("gzip", gzip.compress), ("aws-chunked", bytes), ("identity", bytes)])
def test_a_labelled_clip_is_kept_in_the_clear(tmp_path: Path, label: str, sent_as: Callable[[bytes], bytes]) -> None:
    """A clip that comes packed all the same is unpacked; a label that is no packing is passed over."""
    script = [answer(sent_as(b"clip"), "200 OK", f"content-encoding: {label}")]
    with StrictSocket.running(lambda _: script) as server:
        fetched(server.url, tmp_path / "a.part", server.url)
    assert (tmp_path / "a.part").read_bytes() == b"clip"


OVER_THE_LIMIT = ("chunks without end", "a body without end", "too long, announced")
LOST_CLIPS = [name for name in DOUBTS if name not in OVER_THE_LIMIT]


@pytest.mark.parametrize("name", LOST_CLIPS)
def test_a_cut_clip_is_a_doubt(tmp_path: Path, name: str) -> None:
    """A download that breaks is a wire error, or a media error where it unpacks without end; nothing stays on disk."""
    kind = MediaError if name == "a bomb" else Doubt
    with StrictSocket.running(lambda _: DOUBTS[name]) as server:
        fails(kind, lambda: fetched(server.url, tmp_path / "a.part", server.url, limits=limits_for(name)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", OVER_THE_LIMIT)
def test_a_clip_over_the_limit_is_given_up(tmp_path: Path, name: str) -> None:
    """A clip that is or announces itself longer than the limit ends in a media error, and nothing stays on disk."""
    limits = replace(PATIENT, clip_bytes=10_000)
    with StrictSocket.running(lambda _: DOUBTS[name]) as server:
        text = fails(MediaError, lambda: fetched(server.url, tmp_path / "a.part", server.url, limits=limits))
    assert "at most 10,000 bytes" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(status, LinkExpired) for status in (400, 401, 403, 404, 410)],
        *[(status, Doubt) for status in (408, 425, 429, 500, 502, 503, 504)],
        *[(status, MediaError) for status in (202, 204, 206, 300, 304)],
    ],
)
def test_a_status_tells_what_may_help(tmp_path: Path, status: int, kind: type[Exception]) -> None:
    """A 4xx of a clip's host means a new link, a 5xx another try; anything else is no clip."""
    head = b"HTTP/1.1 %d Whatever\r\ncontent-length: 0\r\n\r\n" % status
    with StrictSocket.running(lambda _: [head]) as server:
        text = fails(kind, lambda: fetched(f"{server.url}/a.mp4", tmp_path / "a.part", server.url))
    assert f"/a.mp4: expected a clip, got HTTP {status}" in text


def test_a_clip_is_redirected_without_the_credential(tmp_path: Path) -> None:
    """A redirect to another origin is followed without the call's headers, which do not come back with the origin."""
    places: dict[str, str] = {}

    def script(seen: Seen) -> list[bytes | Act]:
        to = {"/a": "/b", "/b": places["other"], "/back": places["home"] + "/c"}.get(seen.target)
        return [answer(b"", "302 Found", f"location: {to}") if to else answer(b"clip")]

    with StrictSocket.running(script) as other, StrictSocket.running(script) as home:
        places |= {"other": f"{other.url}/back", "home": home.url}
        fetched(f"{home.url}/a", tmp_path / "a.part", home.url)
    asked = [(seen.target, "authorization" in seen.headers) for seen in home.seen + other.seen]
    assert asked == [("/a", True), ("/b", True), ("/c", False), ("/back", False)]
    assert (tmp_path / "a.part").read_bytes() == b"clip"


def test_a_credential_goes_to_the_providers_own_origin_only(tmp_path: Path) -> None:
    """A link to another origin than the provider's gets no header of the call, even at the first hop."""
    with StrictSocket.running(lambda _: [answer(b"clip")]) as cdn:
        fetched(cdn.url, tmp_path / "a.part", "http://127.0.0.1:1")
    assert "authorization" not in cdn.seen[0].headers


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0.0.0.0/",
        "http://167772161/",
        "http://224.0.0.1/",
        "http://inside.example/",
        "ftp://elsewhere.example/",
        "file:///etc/passwd",
        "http:///nowhere",
        "http://a..example/",
        f"http://{'a' * 70}.example/",
    ],
)
def test_every_hop_of_a_link_is_judged(tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redirect into a private place or away from http(s) is refused, though the provider is on this machine."""
    monkeypatch.setattr(NamedLoop, "names", {"inside.example": ["10.0.0.1", "192.168.7.7"]})
    with StrictSocket.running(lambda _: [answer(b"", "302 Found", f"location: {location}")]) as server:
        text = fails(MediaError, lambda: fetched(server.url, tmp_path / "a.part", server.url))
    assert text.endswith("it was not followed") or "redirects" in text
    assert len(server.seen) == 1 or location == "http:///nowhere"


def test_a_clip_whose_host_is_not_found_is_not_sent(tmp_path: Path) -> None:
    """A link to a name that nobody knows can be tried again."""
    fails(NotSent, lambda: fetched("http://nowhere.example/a", tmp_path / "a.part", "http://api.example"))


def test_redirects_of_a_clip_are_bounded(tmp_path: Path) -> None:
    """A link that leads in a circle ends in a media error."""
    with StrictSocket.running(lambda _: [answer(b"", "302 Found", "location: /")]) as server:
        fails(MediaError, lambda: fetched(server.url, tmp_path / "a.part", server.url))
    assert len(server.seen) == 6


class Rebound(NamedLoop):
    """A loop whose resolver gives a name an open address, and this machine's when it is asked again."""

    async def getaddrinfo(self, host: Any, port: Any, **more: Any) -> Any:
        """Answer, and answer otherwise from then on."""
        found = await super().getaddrinfo(host, port, **more)
        NamedLoop.names = {"cdn.example": ["127.0.0.1"]}
        return found


def test_the_address_that_is_connected_to_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads to this machine only after it was judged gets no request, whatever it led to before."""
    monkeypatch.setattr(NamedLoop, "names", {"cdn.example": ["93.184.216.34"]})
    with StrictSocket.running(lambda _: [answer(b"clip")]) as server:
        url = server.url.replace("127.0.0.1", "cdn.example")
        text = fails(MediaError, lambda: fetched(url, tmp_path / "a.part", "https://api.example", loop=Rebound))
    assert "a clip's link leads to this machine (cdn.example); it was not followed" == text
    assert server.connections == 1
    assert server.seen == []


def test_a_name_beside_the_proxy_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library goes past the proxy, by a rule that only it knows, the address is judged all the same."""
    monkeypatch.setattr(NamedLoop, "names", {"cdn.example": ["127.0.0.1"]})
    with StrictSocket.running(lambda _: [answer(b"clip")]) as proxy, StrictSocket.running(lambda _: [OK]) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "http://cdn.example")
        url = server.url.replace("127.0.0.1", "cdn.example")
        fails(MediaError, lambda: fetched(url, tmp_path / "a.part", "https://api.example"))
    assert (server.seen, proxy.seen) == ([], [])


def test_a_connection_to_clips_serves_one_provider(tmp_path: Path) -> None:
    """A connection was judged for one provider: it serves that one's next clip, but no other's, and no call."""

    async def several(wire: Wire) -> None:
        await wire.send(check(server.url))
        clip = Call(op=Op.CONTENT, method="GET", url=server.url)
        for name, own in (("a", server.url), ("b", server.url), ("c", "http://127.0.0.1:1")):
            await wire.stream(clip, tmp_path / name, own_origin=origin(own))

    with StrictSocket.running(lambda _: [OK]) as server:
        run(using(several))
    assert (3, 4) == (server.connections, len(server.seen))


def test_behind_a_proxy_only_literal_addresses_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy resolves names itself, so that ours decide nothing; literal addresses are refused all the same."""
    with StrictSocket.running(lambda _: [answer(b"clip")]) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        fetched("http://only-the-proxy-knows.example/a", tmp_path / "a.part", "https://api.example")
        fails(MediaError, lambda: fetched("http://127.0.0.1/a", tmp_path / "b.part", "https://api.example"))
    assert [seen.target for seen in proxy.seen] == ["http://only-the-proxy-knows.example/a"]
