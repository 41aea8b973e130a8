"""Scripted faults, in process and over a real socket, and the directives of a prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_nb.simulator import API_KEY, DIRECTIVES, Fault, Simulator, running
from kling_nb.simulator.fal_models import APP

from .conftest import Client, Clock

T2V, TURBO = "/v1/videos/text2video", f"/{APP}/v2.5-turbo/pro/text-to-video"
FOX = {"model_name": "kling-v2-6", "prompt": "a red fox", "mode": "pro"}
AUTH = {"authorization": f"Bearer {API_KEY}"}

Made = Callable[..., tuple[Simulator, Client, Client]]


@pytest.fixture
def made(clock: Clock, request: pytest.FixtureRequest) -> Made:
    """Simulators with a script, closed at the end; with a client for each provider."""

    def make(*faults: Fault, folder: Path | None = None) -> tuple[Simulator, Client, Client]:
        simulator = Simulator(folder, now=clock, faults=faults)
        request.addfinalizer(simulator.close)
        kling = Client(simulator, "kling", f"Bearer {API_KEY}")
        return simulator, kling, Client(simulator, "fal", "Key " + simulator.key("fal"))

    return make


def finished(kling: Client, clock: Clock, **fields: Any) -> dict[str, Any]:
    task = kling.post(T2V, FOX | fields).json()["data"]["task_id"]
    clock.forward(20_000)
    data: dict[str, Any] = kling.get(f"{T2V}/{task}").json()["data"]
    return data


def clip_url(kling: Client, clock: Clock, **fields: Any) -> str:
    return str(finished(kling, clock, **fields)["task_result"]["videos"][0]["url"])


def test_http_status_once(made: Made) -> None:
    """A fault strikes as often as it says, answers what it says, and the call has not happened."""
    simulator, kling, _ = made(Fault(action="http", status=503, body='{"code":5001}', retry_after=2))
    reply = kling.post(T2V, FOX)
    assert (reply.status_code, reply.headers["retry-after"], reply.json()) == (503, "2", {"code": 5001})
    assert simulator.ledger() == []
    assert kling.post(T2V, FOX).status_code == 200


def test_nth_and_times(made: Made) -> None:
    """*nth* counts matches from 1 and *times* how many of them go wrong from there."""
    _, kling, _ = made(Fault(action="html", nth=2, times=2))
    assert [kling.post(T2V, FOX).status_code for _ in range(4)] == [200, 502, 502, 200]


def test_matching(made: Made) -> None:
    """A fault may be narrowed by provider, operation, model and text in the prompt."""
    fault = Fault(action="html", provider="kling", model="kling-v2-6", prompt="fox", times=None)
    _, kling, fal = made(fault)
    assert kling.post(T2V, FOX).status_code == 502
    assert kling.post(T2V, FOX | {"prompt": "a cat"}).status_code == 200
    assert kling.post(T2V, FOX | {"model_name": "kling-v1"}).status_code == 200
    assert 200 == kling.get(T2V).status_code == fal.post(TURBO, FOX).status_code


@pytest.mark.parametrize("action", ["malformed", "truncated", "empty"])
def test_spoilt_bodies(made: Made, action: str) -> None:
    """A spoilt body is HTTP 200 that no JSON parser takes; the task was accepted."""
    simulator, kling, _ = made(Fault(action=action))
    reply = kling.post(T2V, FOX)
    assert reply.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.text)
    assert len(simulator.ledger()) == 1


@pytest.mark.parametrize(("action", "charged"), [("reset", 0), ("lost", 1), ("hang", 0)])
def test_hang_ups_in_process(made: Made, action: str, charged: int) -> None:
    """In process a hang-up is a ConnectionResetError; only a lost answer has been charged."""
    simulator, kling, _ = made(Fault(action=action))
    with pytest.raises(ConnectionResetError):
        kling.post(T2V, FOX)
    assert charged == len(simulator.ledger())


def test_push_backs_and_verdicts(made: Made) -> None:
    """Busy, funds and moderation answer each provider's own codes, after validation, unpaid."""
    script = [Fault(action=action, times=None, prompt=action) for action in ("busy", "funds", "moderation")]
    simulator, kling, fal = made(*script)
    codes = {}
    for word in ("busy", "funds", "moderation"):
        reply = kling.post(T2V, FOX | {"prompt": word})
        codes[word] = (reply.status_code, reply.json()["code"])
    assert codes == {"busy": (429, 1303), "funds": (429, 1102), "moderation": (400, 1301)}
    assert kling.post(T2V, FOX | {"prompt": "funds", "mode": "x"}).json()["code"] == 1201
    assert fal.post(TURBO, {"prompt": "funds"}).status_code == 403
    assert "User is locked. Reason: Exhausted balance" in fal.post(TURBO, {"prompt": "funds"}).text
    assert fal.post(TURBO, {"prompt": "busy"}).status_code == 429
    assert simulator.ledger() == []


def test_late_moderation(made: Made, clock: Clock) -> None:
    """Risk control fails a task at its end: status failed at Kling, a 422 at fal's result."""
    _, kling, fal = made(Fault(action="risk-control", times=None))
    data = finished(kling, clock)
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "Failure to pass the risk control system")
    told = fal.post(TURBO, FOX).json()
    clock.forward(3_000)
    assert fal.get(told["status_url"]).json()["error_type"] == "content_policy_violation"
    result = fal.get(told["response_url"])
    assert (result.status_code, result.json()["detail"][0]["type"]) == (422, "content_policy_violation")


def test_stall(made: Made, clock: Clock) -> None:
    """A stalled task never leaves processing, or not before its time; then it succeeds."""
    _, kling, _ = made(Fault(action="stall"), Fault(action="stall", nth=2, seconds=50_000))
    for_ever = kling.post(T2V, FOX).json()["data"]["task_id"]
    a_while = kling.post(T2V, FOX).json()["data"]["task_id"]
    clock.forward(49_999)
    words = [kling.get(f"{T2V}/{task}").json()["data"]["task_status"] for task in (for_ever, a_while)]
    assert words == ["processing", "processing"]
    clock.forward(2)
    words = [kling.get(f"{T2V}/{task}").json()["data"]["task_status"] for task in (for_ever, a_while)]
    assert words == ["processing", "succeed"]


def test_look_ups(made: Made, clock: Clock) -> None:
    """A task may be missing from a list, go backwards, or point at a foreign host."""
    script = (Fault(action="missing"), Fault(action="backwards", operation="status"))
    _, kling, _ = made(*script, Fault(action="foreign", nth=2, operation="status", body="https://elsewhere.test/"))
    data = finished(kling, clock)
    assert data["task_status"] == "processing"
    assert kling.get(T2V).json()["data"] == []
    assert len(kling.get(T2V).json()["data"]) == 1
    task = data["task_id"]
    urls = [kling.get(f"{T2V}/{task}").json()["data"]["task_result"]["videos"][0]["url"] for _ in range(2)]
    assert [url.split("/bs2")[0] for url in urls] == ["https://elsewhere.test", "http://simulator/cdn"]


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [("expired", 403, "application/xml"), ("wrong-type", 200, "text/html; charset=utf-8")],
)
def test_bad_links(made: Made, clock: Clock, action: str, status: int, kind: str) -> None:
    """A clip's link may be expired or answer a page instead."""
    _, kling, _ = made(Fault(action=action))
    url = clip_url(kling, clock)
    first, second = kling.get(url), kling.get(url)
    assert (status, kind) == (first.status_code, first.headers["content-type"])
    assert second.headers["content-type"] == "video/mp4"


def test_cut_and_huge_declare_more_than_they_send(made: Made, clock: Clock) -> None:
    """A cut clip has half of the declared bytes; a huge one declares 50 GB."""
    _, kling, _ = made(Fault(action="cut"), Fault(action="huge", nth=2))
    url = clip_url(kling, clock)
    cut, huge, fine = kling.get(url), kling.get(url), kling.get(url)
    assert len(fine.content) == int(cut.headers["content-length"]) > len(cut.content)
    assert int(huge.headers["content-length"]) == 50 * 10**9


def test_uses_survive_a_restart(made: Made, tmp_path: Path) -> None:
    """A fault that has struck stays used up in a new simulator on the same folder."""
    fault = Fault(action="html")
    assert made(fault, folder=tmp_path)[1].post(T2V, FOX).status_code == 502
    assert made(fault, folder=tmp_path)[1].post(T2V, FOX).status_code == 200


def test_directives(made: Made, clock: Clock) -> None:
    """A prompt can ask for a scenario, and for how often."""
    _, kling, _ = made()
    assert kling.post(T2V, FOX | {"prompt": "fox #sim:moderation"}).json()["code"] == 1301
    prompt = FOX | {"prompt": "fox #sim:busy:1"}
    assert [kling.post(T2V, prompt).json()["code"] for _ in range(2)] == [1303, 0]
    assert finished(kling, clock, prompt="#sim:risk-control fox")["task_status"] == "failed"
    assert {"lost", "stall", "clip-expired"} < set(DIRECTIVES)


def test_unknown_names_are_answered_with_the_known() -> None:
    """A misspelt action, operation or key is an error that lists what there is."""
    with pytest.raises(ValueError, match=r"no fault is called 'resett'; known: .*reset"):
        Fault(action="resett")
    with pytest.raises(ValueError, match=r"no operation is called 'poll'; known: .*status"):
        Fault(action="reset", operation="poll")
    with pytest.raises(ValueError, match=r"a fault has no when; known: .*times"):
        Fault.read({"action": "reset", "when": 3})


# --- over a socket


@pytest.mark.parametrize(("action", "charged"), [("reset", 0), ("lost", 1)])
def test_resets_on_a_socket(made: Made, action: str, charged: int) -> None:
    """Over a socket a reset is a connection reset by the peer, and a lost answer was charged."""
    simulator, _, _ = made(Fault(action=action))
    with running(simulator) as base, httpx.Client(base_url=base, headers=AUTH) as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)) as caught:
            client.post(f"/kling{T2V}", json=FOX)
        assert charged == len(client.get("/_sim/ledger").json())
        assert client.post(f"/kling{T2V}", json=FOX).status_code == 200
    assert "reset" in str(caught.value)


def test_hang_on_a_socket(made: Made) -> None:
    """A hanging call answers nothing until the client gives up, and does not keep the server from ending."""
    simulator, _, _ = made(Fault(action="hang", seconds=600))
    with (
        running(simulator) as base,
        httpx.Client(base_url=base, headers=AUTH) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.post(f"/kling{T2V}", json=FOX, timeout=0.2)
    assert simulator.ledger() == []


@pytest.mark.parametrize("action", ["cut", "huge"])
def test_cut_clip_on_a_socket(made: Made, clock: Clock, action: str) -> None:
    """A cut clip ends before its declared length."""
    simulator, kling, _ = made(Fault(action=action))
    path = clip_url(kling, clock).removeprefix("http://simulator")
    with running(simulator) as base, httpx.Client(base_url=base) as client:
        with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
            client.get(path)
        assert client.get(path).status_code == 200


def test_slow_clip_on_a_socket(made: Made, clock: Clock) -> None:
    """A slow clip dribbles: the client's read timeout strikes first."""
    simulator, kling, _ = made(Fault(action="slow", seconds=600))
    path = clip_url(kling, clock).removeprefix("http://simulator")
    with (
        running(simulator) as base,
        httpx.Client(base_url=base, timeout=0.2) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get(path)


def test_control_from_another_process(made: Made) -> None:
    """Health, ledger and tasks can be read, and faults added, over HTTP."""
    simulator, _, _ = made()
    with running(simulator) as base, httpx.Client(base_url=base, headers=AUTH) as client:
        assert client.get("/_sim/health").json()["providers"] == list(simulator.providers)
        assert client.post("/_sim/faults", json={"action": "html"}).json() == {"added": 1}
        assert "known" in client.post("/_sim/faults", json=[{"action": "nothing"}]).json()["error"]
        assert [client.post(f"/kling{T2V}", json=FOX).status_code for _ in range(2)] == [502, 200]
        assert client.get("/_sim/ledger").json()[0]["usd"] == "0.35"
        assert client.get("/_sim/tasks").json()[0]["state"] == "queued"
