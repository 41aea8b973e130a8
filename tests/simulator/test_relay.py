"""Provider ``relay``: Kling's legacy API under ``/kling``, with stricter types and four models."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from kling_nb.simulator import API_KEY, Fault, Simulator, running

from .conftest import START, Client, Clock, png

T2V, I2V, OMNI = (f"/kling/v1/videos/{kind}" for kind in ("text2video", "image2video", "omni-video"))
FOX = {"model_name": "kling-v2-5-turbo", "prompt": "a red fox", "duration": 5}
V1 = {"model_name": "kling-v1", "mode": "std"}
AXES = dict.fromkeys(("horizontal", "vertical", "pan", "tilt", "roll", "zoom"), 0)


@pytest.fixture
def relay(simulator: Simulator) -> Client:
    return Client(simulator, "relay", f"Bearer {simulator.key('relay')}")


def test_create_and_query_are_family_a(relay: Client, clock: Clock) -> None:
    """Answers are Kling's own, at Kling's list price, and either id finds the task."""
    reply = relay.post(T2V, FOX | {"external_task_id": "own"}).json()
    assert (0, "SUCCEED", "submitted") == (reply["code"], reply["message"], reply["data"]["task_status"])
    assert int(START * 1000) == reply["data"]["created_at"]
    clock.forward(5_000)
    by_id, by_own = (relay.get(f"{T2V}/{name}").json()["data"] for name in (reply["data"]["task_id"], "own"))
    assert by_id == by_own
    assert ("succeed", "1.5") == (by_id["task_status"], by_id["final_unit_deduction"])
    assert relay.get(by_id["task_result"]["videos"][0]["url"]).headers["content-type"] == "video/mp4"
    assert [by_id] == relay.get(T2V).json()["data"]
    assert "0.21" == str(relay.simulator.ledger()[0].usd)


def test_tasks_of_kling_and_of_the_relay_are_apart(relay: Client, kling: Client) -> None:
    """What one account bought the other does not show, though the path ends alike."""
    task = relay.post(T2V, FOX).json()["data"]["task_id"]
    assert kling.get("/v1/videos/text2video").json()["data"] == []
    assert kling.get(f"/v1/videos/text2video/{task}").status_code == 404


@pytest.mark.parametrize("authorization", ["", f"Bearer {API_KEY}", "Key sk-simulated", "sk-simulated"])
def test_only_the_relays_key_counts(simulator: Simulator, authorization: str) -> None:
    """Another key, and none, are 401 in new-api's body."""
    nobody = Client(simulator, "relay", authorization)
    for reply in (nobody.post(T2V, FOX), nobody.get(T2V), nobody.get(f"{T2V}/x")):
        assert (401, "new_api_error") == (reply.status_code, reply.json()["error"]["type"])
    assert simulator.ledger() == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration": "5"}, "duration value '5' is invalid"),
        ({"duration": 7}, "duration value '7' is invalid"),
        ({"cfg_scale": "0.5"}, "cfg_scale value '0.5' is invalid"),
        ({"model_name": "kling-v2-6"}, "model_name value 'kling-v2-6' is invalid"),
        ({"model_name": "kling-v1-5"}, "model is not supported"),
        ({"model_name": [3]}, "model_name value '[3]' is invalid"),
        ({"mode": "high"}, "mode value 'high' is invalid"),
        ({"prompt": "x" * 2501}, "prompt length can not exceed 2500, got 2501"),
        (V1 | {"camera_control": {"type": "simple", "config": {"zoom": 5}}}, "camera_control.config value"),
        (V1 | {"camera_control": {"type": "simple", "config": AXES | {"zoom": 5.5}}}, "camera_control.config value"),
        (V1 | {"camera_control": {"type": "simple", "config": AXES}}, "exactly one non-zero"),
        (V1 | {"camera_control": {"type": "down_back", "config": AXES}}, "must be empty when type is down_back"),
    ],
)
def test_refuses(relay: Client, fields: dict[str, Any], message: str) -> None:
    """Outside the page's schema or Kling's rules a value is 400, code 1201, and free."""
    reply = relay.post(T2V, FOX | fields)
    assert (400, 1201) == (reply.status_code, reply.json()["code"])
    assert message in reply.json()["message"]
    assert relay.simulator.ledger() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 10, "cfg_scale": 0},
        {"duration": 5.0},
        {"prompt": "x" * 2500, "negative_prompt": "x" * 2500},
        V1 | {"camera_control": {"type": "simple", "config": AXES | {"zoom": 5}}},
        V1 | {"camera_control": {"type": "down_back"}},
    ],
)
def test_accepts(relay: Client, fields: dict[str, Any]) -> None:
    """Numbers are numbers, six axes are six, and the old limits of length do not hold."""
    assert relay.post(T2V, FOX | fields).json()["code"] == 0


def test_image2video_and_omni(relay: Client) -> None:
    """v1-5 is sold for images; of the listed models none is sold on the omni path."""
    image = {"model_name": "kling-v1-5", "image": png(), "mode": "pro", "duration": 5}
    assert relay.post(I2V, image).json()["code"] == 0
    omni = {"prompt": "a fox", "aspect_ratio": "1:1"}
    assert relay.post(OMNI, omni).json()["message"] == "model_name value 'kling-video-o1' is invalid"
    assert relay.post(OMNI, omni | FOX).json()["message"] == "model is not supported"
    assert relay.get(OMNI).json()["data"] == []


@pytest.mark.parametrize(
    ("left_out", "answer"), [("Accept", (400, 1200)), ("Content-Type", (400, 1200)), ("", (200, 0))]
)
def test_three_headers_are_required(simulator: Simulator, left_out: str, answer: tuple[int, int]) -> None:
    """Without Accept or Content-Type a submit is 400, code 1200."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    headers = {key: value for key, value in headers.items() if key != left_out}
    with running(simulator) as base:
        line = http.client.HTTPConnection(urlsplit(base).netloc)
        line.request(
            "POST", f"/relay{T2V}", json.dumps(FOX), headers | {"Authorization": f"Bearer {simulator.key('relay')}"}
        )
        reply = line.getresponse()
        assert answer == (reply.status, json.load(reply)["code"])
        line.close()


def test_other_paths_and_lists(relay: Client) -> None:
    """Kling's own prefix is not served here; pages are bounded as at Kling."""
    assert (404, 1202) == (
        relay.post("/v1/videos/text2video", FOX).status_code,
        relay.post("/v1/videos/text2video", FOX).json()["code"],
    )
    assert relay.get(f"{T2V}?pageNum=0").json()["code"] == 1201
    assert relay.get(f"{T2V}/8").json()["code"] == 1203


def test_faults_and_slots_are_klings(clock: Clock) -> None:
    """Funds, a full account and late failures answer as Kling would."""
    simulator = Simulator(None, now=clock, slots={"relay": 1}, faults=[Fault(action="missing", provider="relay")])
    relay = Client(simulator, "relay", f"Bearer {simulator.key('relay')}")
    assert relay.post(T2V, FOX | {"prompt": "#sim:funds"}).json()["code"] == 1102
    task = relay.post(T2V, FOX | {"prompt": "#sim:risk-control"}).json()["data"]["task_id"]
    assert relay.post(T2V, FOX).json()["code"] == 1303
    clock.forward(5_000)
    told = relay.get(f"{T2V}/{task}").json()["data"]
    assert ("failed", "Failure to pass the risk control system") == (told["task_status"], told["task_status_msg"])
    assert [charge.refunded for charge in simulator.ledger()] == [True]
    assert relay.get(T2V).json()["data"] == []
    simulator.close()
