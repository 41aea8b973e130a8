"""Provider ``fal``: the status as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx
import pytest

from kling_nb.simulator import Fault, Simulator, fal_stream, running
from kling_nb.simulator.fal_models import APP

from .conftest import Client, Clock
from .test_strangers import Hurrying

PLACE = f"/{APP}/v2.5-turbo/pro/text-to-video"
FOX = {"prompt": "a red fox"}


def streamed(simulator: Simulator, query: str = "", **body: Any) -> httpx.Response:
    """The whole stream of a new request."""
    fal = Client(simulator, "fal", "Key " + simulator.key("fal"))
    told = fal.post(PLACE, FOX | body).json()
    return fal.get(f"{told['status_url']}/stream{query}")


def events(lines: Iterable[str]) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def test_every_change_is_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream tells each change once, and each log line once, and ends when the request is completed."""
    monkeypatch.setattr(fal_stream, "TICK_S", 0.001)
    simulator = Simulator(None, now=Hurrying(0.2))
    reply = streamed(simulator, "?logs=1")
    simulator.close()
    assert (200, "text/event-stream") == (reply.status_code, reply.headers["content-type"].partition(";")[0])
    told = events(reply.text.splitlines())
    assert ": waiting" not in reply.text
    assert ["IN_QUEUE", "IN_PROGRESS", "COMPLETED"] == list(dict.fromkeys(event["status"] for event in told))
    assert told == [event for place, event in enumerate(told) if place == 0 or event != told[place - 1]]
    logs = [line["message"] for event in told for line in event.get("logs") or []]
    assert ["Starting generation", "Generation finished"] == logs
    assert told[-1]["metrics"]["inference_time"] > 0


def test_a_failure_ends_the_stream() -> None:
    """A failed request is completed with its error, and no log lines come that nobody asked for."""
    simulator = Simulator(None, now=Hurrying(20.0))
    last = events(streamed(simulator, prompt="a fox #sim:fail").text.splitlines())[-1]
    word = events(streamed(simulator, prompt="a fox #sim:fail #sim:failed-word").text.splitlines())[-1]
    simulator.close()
    assert ("COMPLETED", None, "internal_server_error") == (last["status"], last["logs"], last["error_type"])
    assert "FAILED" == word["status"]


def test_a_quiet_stream_has_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment line keeps the connection open while nothing changes."""
    monkeypatch.setattr(fal_stream, "COMMENT_S", 0.0)
    simulator = Simulator(None, now=Hurrying(5.0))
    lines = streamed(simulator).text.splitlines()
    simulator.close()
    assert ": waiting" in lines
    assert {"", ": waiting"} == {line for line in lines if not line.startswith("data: ")}


def test_a_cancelled_request_ends_its_stream(clock: Clock) -> None:
    """Who listens hears that the request was cancelled meanwhile."""
    simulator = Simulator(None, now=clock)
    key = {"authorization": "Key " + simulator.key("fal")}
    with running(simulator) as base, httpx.Client(headers=key, trust_env=False) as client:
        told = client.post(f"{base}/fal{PLACE}", json=FOX).json()
        with client.stream("GET", told["status_url"] + "/stream") as reply:
            lines = reply.iter_lines()
            assert "IN_QUEUE" == events([next(lines)])[0]["status"]
            assert client.put(told["cancel_url"]).status_code == 200
            last = events(lines)[-1]
    simulator.close()
    assert ("COMPLETED", "client_cancelled") == (last["status"], last["error_type"])


def test_refusals(simulator: Simulator, fal: Client) -> None:
    """A wrong key, an unknown request and the full path are refused as they are for the plain status."""
    told = fal.post(PLACE, FOX).json()
    stranger = Client(simulator, "fal", "Key a:b")
    assert stranger.get(told["status_url"] + "/stream").status_code == 401
    assert fal.get(f"/{APP}/requests/nothing/status/stream").status_code == 404
    assert fal.get(f"{PLACE}/requests/{told['request_id']}/status/stream").status_code == 405


def test_faults_of_the_line() -> None:
    """A proxy's page comes instead of the stream; a fault that spoils a body leaves it alone."""
    faults = [Fault(action="html", operation="status"), Fault(action="malformed", operation="status", times=None)]
    simulator = Simulator(None, now=Hurrying(20.0), faults=faults)
    assert streamed(simulator).status_code == 502
    assert "COMPLETED" == events(streamed(simulator).text.splitlines())[-1]["status"]
    simulator.close()
