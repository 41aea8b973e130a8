"""Provider ``quickrouter``: flat answers, types as strings, and four readings of its query."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kling_nb.simulator import Fault, Simulator
from kling_nb.simulator.relay_key import RELAY_KEY

from .conftest import START, Client, Clock, png

T2V, I2V = "/kling/v1/videos/text2video", "/kling/v1/videos/image2video"
FOX = {"model_name": "kling-v2-6", "prompt": "a red fox", "multi_shot": "false", "mode": "pro"}
SHOTS = '[{"index":1,"prompt":"a","duration":"2"},{"index":2,"prompt":"b","duration":"3"}]'
V3 = {"model_name": "kling-v3", "multi_shot": "true", "shot_type": "customize", "multi_prompt": SHOTS}


def talking(simulator: Simulator) -> Client:
    return Client(simulator, "quickrouter", f"Bearer {simulator.key('quickrouter')}")


@pytest.fixture
def router(simulator: Simulator) -> Client:
    return talking(simulator)


def finished(router: Client, clock: Clock, path: str = T2V, **fields: Any) -> dict[str, Any]:
    """The body of the query after a task's end."""
    task = router.post(path, FOX | fields).json()["task_id"]
    clock.forward(5_000)
    told: dict[str, Any] = router.get(f"{path}/{task}").json()
    return told


def test_the_answer_is_the_flat_one_of_the_page(router: Client) -> None:
    """A create call answers the page's nine keys: the word success, 32 hex, a ULID, times in milliseconds."""
    told = router.post(T2V, FOX | {"unheard_of": 1}).json()
    assert list(told) == [
        "object", "code", "message", "request_id", "task_id", "task_info", "task_status", "created_at", "updated_at",
    ]  # fmt: skip
    assert ("chat.completion", "success", "") == (told["object"], told["code"], told["message"])
    assert re.fullmatch(r"[0-9a-f]{32}", told["request_id"])
    assert re.fullmatch(r"01[0-9A-HJKMNP-TV-Z]{24}", told["task_id"])
    assert ({}, "submitted") == (told["task_info"], told["task_status"])
    assert int(START * 1000) == told["created_at"] == told["updated_at"]


@pytest.mark.parametrize(
    "fields",
    [
        {"multi_shot": False},
        {"duration": "10", "cfg_scale": "0.5"},
        {"duration": 10, "cfg_scale": 0.5},
        {"cfg_scale": "", "multi_prompt": "", "camera_control": None},
        V3,
        V3 | {"multi_shot": True, "multi_prompt": [{"index": 1, "prompt": "a", "duration": "5"}]},
        {"model_name": "kling-v2-6", "sound": "on", "watermark_info": {"enabled": True}, "aspect_ratio": "1:1"},
        {"model_name": "kling-v1", "mode": "std", "camera_control": {"type": "simple", "config": {"pan": 3}}},
    ],
)
def test_strings_and_native_types_are_taken(router: Client, fields: dict[str, Any]) -> None:
    """What the page has as a string may be one, or of Kling's own type."""
    reply = router.post(T2V, FOX | fields)
    assert (200, "success") == (reply.status_code, reply.json()["code"])


def test_a_string_means_what_it_says(router: Client, clock: Clock) -> None:
    """A multi-shot request in strings is multi-shot, and its shots are the prompt; its price is the list price."""
    router.post(T2V, FOX | V3)
    (task,) = router.get("http://simulator/_sim/tasks").json()
    assert ("a / b", "kling-v3", "0.56") == (task["prompt"], task["model"], task["usd"])
    assert '"multi_shot":true' in task["request"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mode": "high"}, "mode value 'high' is invalid"),
        ({"mode": None}, "mode can not be null"),
        ({"model_name": None}, "model_name can not be null"),
        ({"multi_shot": None}, "multi_shot can not be null"),
        ({"multi_shot": ""}, "multi_shot can not be null"),
        ({"multi_shot": "maybe"}, "multi_shot value 'maybe' is invalid"),
        ({"cfg_scale": "much"}, "cfg_scale value 'much' is invalid"),
        ({"cfg_scale": "1.5"}, "cfg_scale value '1.5' is invalid"),
        ({"model_name": "kling-v3-omni"}, "model is not supported"),
        ({"duration": "7"}, "duration value '7' is invalid"),
        (V3 | {"multi_prompt": "[not JSON"}, "multi_prompt value '[not JSON' is invalid"),
        (V3 | {"multi_prompt": "[1]"}, "multi_prompt value '1' is invalid"),
        ({"camera_control": {"type": "normal", "config": "示例配置"}}, "camera_control is only supported"),
    ],
)
def test_bad_values_are_refused_flat(router: Client, fields: dict[str, Any], message: str) -> None:
    """A value outside Kling's rules, or one of three keys missing, is a flat 400, and free."""
    reply = router.post(T2V, {key: value for key, value in (FOX | fields).items() if value is not None})
    assert (400, "invalid_request") == (reply.status_code, reply.json()["code"])
    assert message in reply.json()["message"]
    assert router.simulator.ledger() == []


def test_keys_that_are_not_on_the_page_are_lost(router: Client, clock: Clock) -> None:
    """A key without a place on the page does nothing, an image of a text2video call included."""
    router.post(T2V, FOX | {"image": png(), "voice_list": "x"})
    (task,) = router.get("http://simulator/_sim/tasks").json()
    assert "image" not in task["request"]
    assert "voice_list" not in task["request"]


def test_image2video_needs_an_image(router: Client, clock: Clock) -> None:
    """The image call is the text call with Kling's images."""
    assert router.post(I2V, FOX).json()["message"] == "image can not be null"
    told = finished(router, clock, I2V, image=png())
    assert ("succeed", "5.041") == (told["task_status"], told["task_result"]["videos"][0]["duration"])
    late = finished(router, clock, I2V, image=png(100, 100))
    assert ("failed", "Image pixel is invalid") == (late["task_status"], late["task_status_msg"])


def shape_of(told: dict[str, Any]) -> str:
    if "object" in told:
        return {"chat.completion": "C", "video": "D"}[told["object"]]
    return {0: "A", "success": "D'"}[told["code"]]


@pytest.mark.parametrize("shape", ["A", "C", "D", "D'"])
def test_the_query_has_the_chosen_shape(clock: Clock, shape: str) -> None:
    """The dial chooses the shape of every query; each one leads to the clip."""
    simulator = Simulator(None, now=clock, shapes={"quickrouter": shape})
    router = talking(simulator)
    told = finished(router, clock)
    url = {
        "A": lambda: told["data"]["task_result"]["videos"][0]["url"],
        "C": lambda: told["task_result"]["videos"][0]["url"],
        "D": lambda: told["metadata"]["url"],
        "D'": lambda: told["data"]["result_url"],
    }[shape]()
    assert shape == shape_of(told)
    assert router.get(url).headers["content-type"] == "video/mp4"
    simulator.close()


def test_a_prompt_chooses_its_own_shape(router: Client, clock: Clock) -> None:
    """A directive chooses for one task; C is the default."""
    prompts = {"fox": "C", "#sim:shape-a": "A", "#sim:shape-d": "D", "#sim:shape-d-prime": "D'"}
    assert list(prompts.values()) == [shape_of(finished(router, clock, prompt=prompt)) for prompt in prompts]


def test_an_unknown_shape_is_answered_with_the_known(clock: Clock) -> None:
    """A misspelt dial is an error that lists what there is."""
    with pytest.raises(ValueError, match="no shape 'B'; known: A, C, D, D'"):
        Simulator(None, now=clock, shapes={"quickrouter": "B"})


def test_words_and_both_ids(router: Client, clock: Clock) -> None:
    """A query takes either id and goes through Kling's words; the result is there only at the end."""
    task = router.post(T2V, FOX | {"external_task_id": "own-7"}).json()["task_id"]
    words = []
    for _ in range(200):
        told = router.get(f"{T2V}/own-7").json()
        assert task == told["task_id"]
        words += [told["task_status"]] if told["task_status"] not in words else []
        if told["task_result"]:
            break
        clock.forward(10)
    assert words == ["submitted", "processing", "succeed"]
    assert "duplicated" in router.post(T2V, FOX | {"external_task_id": "own-7"}).json()["message"]


def test_refusals_before_and_after(router: Client) -> None:
    """The key, the path, an unknown task, quota, moderation and a full account each answer their own body."""
    nobody = Client(router.simulator, "quickrouter", f"Key {RELAY_KEY}")
    assert (401, "new_api_error") == (
        nobody.get(f"{T2V}/x").status_code,
        nobody.get(T2V + "/x").json()["error"]["type"],
    )
    lost = router.get(T2V)
    assert (404, f"Invalid URL (GET {T2V})") == (lost.status_code, lost.json()["error"]["message"])
    assert router.post("/kling/v1/videos/omni-video", FOX).status_code == 404
    unknown = router.get(f"{T2V}/01")
    assert (400, "task_not_exist") == (unknown.status_code, unknown.json()["code"])
    codes = {}
    for word in ("funds", "moderation", "busy", "rate-limit"):
        reply = router.post(T2V, FOX | {"prompt": f"#sim:{word}"})
        body = reply.json()
        codes[word] = (reply.status_code, body.get("code") or body["error"]["message"].split(" (")[0])
        assert reply.headers["x-oneapi-request-id"]
    assert codes == {
        "funds": (403, "insufficient_user_quota"),
        "moderation": (400, "task_failed"),
        "busy": (429, "当前分组上游负载已饱和，请稍后再试"),
        "rate-limit": (429, "您已达到请求数限制：1分钟内最多请求60次"),
    }
    assert router.simulator.ledger() == []


def test_slots_are_the_accounts(clock: Clock) -> None:
    """A full account of one model is a 429; another model has room."""
    simulator = Simulator(None, now=clock, slots={"quickrouter": 1})
    router = talking(simulator)
    replies = [router.post(T2V, FOX | {"model_name": name}) for name in ("kling-v2-6", "kling-v2-6", "kling-v1-6")]
    assert [reply.status_code for reply in replies] == [200, 429, 200]
    simulator.close()


@pytest.mark.parametrize(("prompt", "word"), [("#sim:risk-control", "failed"), ("#sim:stall", "processing")])
def test_fates(router: Client, clock: Clock, prompt: str, word: str) -> None:
    """Tasks fail late or stall as at Kling, and a failure is given back."""
    told = finished(router, clock, prompt=prompt)
    assert word == told["task_status"]
    assert [word == "failed"] == [charge.refunded for charge in router.simulator.ledger()]


def test_look_ups_go_wrong_as_scripted(clock: Clock) -> None:
    """A query may go backwards, or name a clip on another host."""
    script = (Fault(action="backwards"), Fault(action="foreign", nth=2))
    simulator = Simulator(None, now=clock, faults=script)
    router = talking(simulator)
    told = finished(router, clock)
    assert told["task_status"] == "processing"
    again = router.get(f"{T2V}/{told['task_id']}").json()
    assert again["task_result"]["videos"][0]["url"].startswith("https://cdn.elsewhere.example/")
    simulator.close()


@pytest.mark.parametrize("body", ["[]", "nonsense", "3"])
def test_body_must_be_an_object(router: Client, body: str) -> None:
    """A body that is no JSON object is a flat 400."""
    reply = router.send("POST", T2V, content=body)
    assert (400, "invalid_request") == (reply.status_code, reply.json()["code"])
