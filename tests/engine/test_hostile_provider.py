"""A whole lab at a provider that means harm: each task ends in a sentence, within bounds, and no other one suffers.

The provider is played behind a proxy on this machine, so that its own address is of the open net, and a link to this
machine is one that it may not give. Every prompt is a case; all of them are one run.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from labs import in_state, live_lab, start, sweep, until
from strict_socket import Act, Seen, StrictSocket, answer

import kling_nb as kn
from kling_nb.engine import engine
from kling_nb.simulator import Fault
from kling_nb.simulator.clips import Scene, render
from kling_nb.task import Task
from kling_nb.wire import Limits, Wire

Script = Sequence[bytes | Act]
API, CDN = "api.example", "cdn.example"
TICKETS = "/fal-ai/kling-video/requests/"
LIMITS = Limits(reply_bytes=20_000, clip_bytes=300_000)
SPEED = 600.0
SECRET = "fal-id:fal-secret-to-look-for"
SCENE = Scene(provider="fal", model="kling-v2-5-turbo", mode="pro", prompt="fox", seconds=5, ratio="16:9")
CLIP = render(SCENE, None, "small")
GIF = b"GIF89a" + bytes(200)
WEBP = b"RIFF\x00\x01\x00\x00WEBPVP8 " + bytes(200)

HEAD = b"HTTP/1.1 200 OK\r\n"
FOREVER: Script = [HEAD + b"\r\n", b"[" * 4096, Act.FOREVER]
DRIP: Script = [HEAD + b"content-length: 99999\r\n\r\n", *[b"\x00", Act.PAUSE] * 100]


def packed(body: bytes, how: str) -> bytes:
    """Return an answer in a packing."""
    return answer(body, "200 OK", f"content-encoding: {how}")


def moved(url: str) -> bytes:
    """Return a redirect."""
    return answer(b"", "302 Found", f"location: {url}")


BOMB = gzip.compress(bytes(5_000_000))
REPLIES: dict[str, Script] = {
    "a body without end": FOREVER,
    "a gigabyte, announced": [HEAD + b"content-length: 1073741824\r\n\r\n", Act.CLOSE],
    "chunks without end": [
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        b"100\r\n" + b"x" * 256 + b"\r\n",
        Act.FOREVER,
    ],
    "trailers without end": [HEAD + b"transfer-encoding: chunked\r\n\r\n0\r\n", b"x-a: b\r\n" * 99, Act.FOREVER],
    "a head without end": [HEAD, b"x-a: b\r\n" * 99, Act.FOREVER],
    "a gzip bomb": [packed(BOMB, "gzip")],
    "a deflate bomb": [packed(zlib.compress(bytes(5_000_000)), "deflate")],
    "packed as br": [packed(BOMB, "br")],
    "packed as zstd": [packed(BOMB, "zstd")],
    "packed twice": [packed(gzip.compress(BOMB), "gzip, gzip")],
    "depth": [answer(b'{"status":' * 4000)],
    "digits": [answer(b'{"status": ' + b"1" * 40_000 + b"}")],
    "not a number": [answer(b'{"status": NaN, "queue_position": -Infinity}')],
    "no object": [answer(b'["COMPLETED"]')],
    "a page": [answer(b"<script>alert(1)</script>")],
    "binary": [answer(bytes(range(256)))],
}
"""What a submit or a look-up is answered with."""

IDS = ["../../etc/passwd", "/abs", "..\\..", "con", "%2e%2e%2f", "871?x=", "871#", "//evil.example/",
       "@evil.example", ".", "..", "．．／871", "\ud800871"]  # fmt: skip
UNSEEN = ["a\x00b\r\nc", "a\x1b[2Jb"]
NO_IDS: list[object] = ["", " ", None, "x" * 10_000, 10**600, {"id": 1}, ["871"], True]

CLIPS: dict[str, tuple[Script, str, str]] = {
    "without end": (FOREVER, "stalled", "expected a clip of at most 300,000 bytes"),
    "a bomb": ([packed(BOMB, "gzip")], "stalled", "expected a clip of at most 300,000 bytes"),
    "shorter than announced": ([answer(CLIP)[:-900], Act.CLOSE], "stalled", "the clip cannot be fetched"),
    "a GIF": ([answer(GIF)], "stalled", "is a GIF image"),
    "a WebP": ([answer(WEBP)], "stalled", "is a WebP image"),
    "JSON": ([answer(b'{"error": "gone"}')], "stalled", "is JSON"),
    "a playlist": ([answer(b"#EXTM3U\n/etc/passwd\n")], "stalled", "is a playlist"),
    "an MP4 that claims": (
        [answer(CLIP.replace(CLIP[CLIP.index(b"stsz") :][:16], b"stsz" + bytes(7) + b"\x01" + b"\x7f" * 4))],
        "stalled",
        "announces 2,139,062,143 samples",
    ),
    "a circle": ([moved("/clip/a circle")], "stalled", "more than 5 redirects"),
    "to the machine": ([moved("http://127.0.0.1/")], "stalled", "leads to this machine"),
    "to a file": ([moved("file:///etc/passwd")], "stalled", "should be http(s)"),
    "named from above": (
        [answer(CLIP, "200 OK", 'content-disposition: attachment; filename="../../../named.mp4"')],
        "saved",
        "",
    ),
}
"""What a link brings, how that ends, and what is said."""

LINKS = {
    **dict.fromkeys(("http://127.1/", "http://0x7f.1/", "http://2130706433/", "http://localhost./"), "this machine"),
    **dict.fromkeys(("http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/"), "this machine"),
    **dict.fromkeys(("http://[2002:7f00:1::]/", "http://127。0。0。1/", "http://localhost。/"), "this machine"),
    "http://user:pass@127.0.0.1/": "this machine",
    "http://0.0.0.0/": "an unspecified address",
    "http://10.1.2.3/": "a private network",
    "http://[fe80::1%25eth0]/": "a link-local address",
    "http://169.254.169.254/latest/": "a link-local address",
    "http://%31%32%37.0.0.1/": "should be http(s) and name a host",
    "http://[": "whose host or port cannot be read",
    f"http://{CDN}:99999/": "whose host or port cannot be read",
    "http:///etc/passwd": "should be http(s) and name a host",
}
"""Where a link may not lead, and what is said of it."""

NO_LINKS = ["file:///etc/passwd", "data:video/mp4;base64,AAAA", "ftp://cdn.example/a", "//cdn.example/a", "", 7, None]
GOOD = [f"good {number}" for number in range(3)]


@dataclass
class Provider:
    """What the proxy plays. ``cases`` are prompts and what each is answered with; a step left out is done rightly."""

    cases: dict[str, dict[str, Script]] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)  # by remote id

    def add(self, case: str, **steps: Script) -> str:
        """Play a case; returns its prompt."""
        self.cases[case] = steps
        return case

    def __call__(self, seen: Seen) -> Script:
        """Answer a request, which names its host since it is a proxy's."""
        where = urlsplit(seen.target)
        if where.hostname == CDN:
            return self.cases[unquote(where.path).removeprefix("/clip/")].get("clip", [answer(CLIP)])
        if seen.method == "POST":
            return self.submitted(json.loads(seen.body)["prompt"])
        remote, _, step = where.path.removeprefix(TICKETS).partition("/")
        case = self.prompts[unquote(remote)]
        return self.cases[case].get(step or "result", self.rightly(step or "result", case))

    def submitted(self, case: str) -> Script:
        """Answer a submit, and remember the id that it was given."""
        said = self.cases[case].get("submit", [answer(json.dumps({"request_id": f"id of {case}"}).encode())])
        body = said[0].rpartition(b"\r\n\r\n")[2] if isinstance(said[0], bytes) else b""
        if body.startswith(b'{"request_id"'):
            self.prompts[str(json.loads(body)["request_id"]).replace("\ud800", "\ufffd")] = case
        return said

    def rightly(self, step: str, case: str) -> Script:
        """Answer a look-up as fal does."""
        done = {"status": {"status": "COMPLETED"}, "result": {"video": {"url": f"http://{CDN}/clip/{case}"}}}
        return [answer(json.dumps(done[step]).encode())]


@dataclass
class Ended:
    """What became of it all."""

    tasks: dict[str, Task]
    seen: list[Seen]
    folder: Path
    seconds: float


def provider() -> Provider:
    """Return a provider with every case."""
    played = Provider()
    for case in GOOD:
        played.add(case)
    for name, script in REPLIES.items():
        played.add(f"submit {name}", submit=script)
        played.add(f"status {name}", status=script)
        played.add(f"result {name}", result=script)
    for number, remote in enumerate([*IDS, *NO_IDS, *UNSEEN]):
        played.add(f"id {number}", submit=[answer(json.dumps({"request_id": remote}).encode())])
    for name, (script, _, _) in CLIPS.items():
        played.add(name, clip=script)
    for number, link in enumerate([*LINKS, *NO_LINKS]):
        played.add(f"link {number}", result=[answer(json.dumps({"video": {"url": link}}).encode())])
    return played


def end(played: Provider, folder: Path, limits: Limits) -> Ended:
    """Start every case at once in one lab, and wait until nothing moves."""
    own = folder.with_name("providers.toml")
    own.write_text("[provider.fal]\nslots = 99\n")
    with StrictSocket.running(played) as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "Wire", partial(Wire, limits=limits))
        patch.setenv("KLING_NB_FAL_BASE_URL", f"http://{API}")
        patch.setenv("KLING_NB_FAL_KEY", SECRET)
        patch.setenv("KLING_NB_SPEED", str(SPEED))
        patch.setenv("HTTP_PROXY", server.url)
        begun = time.monotonic()
        with kn.Lab(folder, providers=own) as lab:
            run = start(lab, sweep(*played.cases, provider="fal"), name="a").wait(60)
            tasks = {str(task.request["prompt"]): task for task in run.tasks}
        return Ended(tasks, server.seen, folder, time.monotonic() - begun)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """End all cases in one lab."""
    return end(provider(), tmp_path_factory.mktemp("hostile") / "lab", LIMITS)


def test_no_other_task_suffers(ended: Ended) -> None:
    """What the provider does rightly is saved, beside all that it does wrongly."""
    assert dict.fromkeys(GOOD, "saved") == {case: ended.tasks[case].state for case in GOOD}


@pytest.mark.parametrize("name", REPLIES)
def test_a_submit_that_cannot_be_read_is_in_doubt(ended: Ended, name: str) -> None:
    """A hostile answer to a submit proves nothing; a look-up that has one is no news, until the task has stalled."""
    assert "uncertain" == ended.tasks[f"submit {name}"].state
    for case in (f"submit {name}", f"status {name}", f"result {name}"):
        task = ended.tasks[case]
        assert task.state in ("uncertain", "stalled", "failed"), task
        assert 20 < len(task.reason) < 600, task.reason


@pytest.mark.parametrize("number", range(len(IDS)))
def test_an_id_is_no_way_out(ended: Ended, number: int) -> None:
    """A task whose id means to be an address is asked about as any other, and its clip is saved."""
    assert "saved" == ended.tasks[f"id {number}"].state


@pytest.mark.parametrize("number", range(len(NO_IDS)))
def test_what_is_no_id_leaves_a_task_in_doubt(ended: Ended, number: int) -> None:
    """An id that is empty, of another type, or too long for an address is told with what came."""
    task = ended.tasks[f"id {len(IDS) + number}"]
    assert ("uncertain", True) == (task.state, "request_id, got" in task.reason), task


@pytest.mark.parametrize("number", range(len(UNSEEN)))
def test_an_id_that_cannot_be_one_leaves_a_task_in_doubt(ended: Ended, number: int) -> None:
    """Nobody could ask about a task under an id with a control character: it was accepted without one that can be read."""
    task = ended.tasks[f"id {len(IDS) + len(NO_IDS) + number}"]
    said = f"fal accepted it as {UNSEEN[number]!r}, which cannot be an id; lab.uncertain() shows what can be done"
    assert ("uncertain", "unnamed", True) == (task.state, task.cause, said in task.reason), task


@pytest.mark.parametrize("name", CLIPS)
def test_what_is_no_clip_is_told(ended: Ended, name: str) -> None:
    """What a link brings is a clip or a sentence."""
    _, state, words = CLIPS[name]
    assert (state, True) == (ended.tasks[name].state, words in ended.tasks[name].reason), ended.tasks[name].reason


@pytest.mark.parametrize("link", LINKS)
def test_a_link_leads_to_the_open_net(ended: Ended, link: str) -> None:
    """A link to this machine or a net behind it, however it is spelled, is not followed."""
    task = ended.tasks[f"link {[*LINKS].index(link)}"]
    assert ("stalled", True) == (task.state, LINKS[link] in task.reason), task


@pytest.mark.parametrize("number", range(len(NO_LINKS)))
def test_what_is_no_link_is_waited_for(ended: Ended, number: int) -> None:
    """A result without an http(s) link has no video yet; it stalls, and says so."""
    task = ended.tasks[f"link {len(LINKS) + number}"]
    assert ("stalled", True) == (task.state, "holds no video yet" in task.reason), task


def test_nothing_left_the_folder(ended: Ended) -> None:
    """Nothing was written beside the lab, no piece is left in it, and what is named there is named by us."""
    assert {"lab", "providers.toml"} == {path.name for path in ended.folder.parent.iterdir()}
    clips = [path.name for path in (ended.folder / "clips").iterdir()]
    assert sum(task.state == "saved" for task in ended.tasks.values()) == len(clips)
    assert all(name.startswith("fal_kling-v2-5-turbo_pro_") and name.endswith(".mp4") for name in clips)


def test_nothing_else_was_asked_for(ended: Ended) -> None:
    """Every request went to the provider below its own paths, or to the clips' host without the key."""
    for seen in ended.seen:
        where = urlsplit(seen.target)
        if where.hostname == CDN:
            assert ("GET", "authorization" in seen.headers) == (seen.method, False)
            continue
        assert API == where.netloc
        assert where.path.startswith("/fal-ai/kling-video/")
        assert (where.query, where.fragment) == ("", "")


def test_it_ended_soon(ended: Ended) -> None:
    """Whatever was endless was given up."""
    assert ended.seconds < 45


def test_a_clip_that_drips_is_given_up(tmp_path: Path) -> None:
    """A byte at a time is no clip: each try has an end, and what comes whole is saved."""
    played = Provider()
    cases = [played.add("drip", clip=DRIP), played.add("good")]
    ended = end(played, tmp_path / "lab", replace(LIMITS, clip_total_s=1))
    assert ["stalled", "saved"] == [ended.tasks[case].state for case in cases]
    assert "no complete answer came in time" in ended.tasks["drip"].reason


def test_a_clip_that_is_longer_than_announced(tmp_path: Path) -> None:
    """What comes behind a clip's end stays on the connection; whose clip is next there asks again, and is saved."""
    played = Provider()
    played.add("longer", clip=[answer(CLIP[:-900]) + CLIP[-900:]])
    played.add("good")
    ended = end(played, tmp_path / "lab", LIMITS)
    assert "saved" == ended.tasks["good"].state
    # Its own next try may be the one that finds the rest of the one before.
    longer = ended.tasks["longer"]
    assert ("stalled", True) == (longer.state, longer.cause in ("media", "network")), longer
    assert ("is cut short" in longer.reason) == (longer.cause == "media")


def test_clips_that_drip_hold_up_no_other_provider(tmp_path: Path) -> None:
    """While one provider's clips come a byte at a time, more of them than are fetched at once, another's are saved."""
    with live_lab(tmp_path / "live", Fault(action="slow", provider="fal", seconds=60, times=None)) as live:
        slow = start(live.lab, sweep(*(f"fox {number}" for number in range(6)), provider="fal"))
        until(slow, in_state("ready", 6))
        until(start(live.lab, sweep("owl")), in_state("saved"))
        assert {"ready": 6} == slow.snapshot().counts
