"""Provider ``openroute``: new-api before Kling, with what it fills in, drops, delays and rephrases."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from kling_nb.simulator import Fault, Simulator

from .conftest import START, Client, Clock, png

T2V, I2V = "/kling/v1/videos/text2video", "/kling/v1/videos/image2video"
GENERIC, OPENAI = "/v1/video/generations", "/v1/videos"
FOX = {"model_name": "kling-v1-6", "prompt": "a red fox", "mode": "pro", "duration": "5", "aspect_ratio": "16:9"}
PLAIN = {"model": "kling-v1-6", "prompt": "a red fox"}


def talking(simulator: Simulator) -> Client:
    return Client(simulator, "openroute", f"Bearer {simulator.key('openroute')}")


@pytest.fixture
def route(simulator: Simulator) -> Client:
    return talking(simulator)


def sent(route: Client, path: str, body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What Kling was sent for a submit."""
    reply = route.post(path, body, **options)
    assert reply.status_code == 200, reply.text
    (task,) = route.get("http://simulator/_sim/tasks").json()
    made: dict[str, Any] = json.loads(task["request"])
    return made | {"kind": task["endpoint"]}


def ratio(route: Client) -> str:
    (task,) = route.get("http://simulator/_sim/tasks").json()
    return str(json.loads(task["scene"])["ratio"])


def begun(route: Client, **fields: Any) -> str:
    reply = route.post(T2V, FOX | fields)
    assert reply.status_code == 200, reply.text
    return str(reply.json()["id"])


# --- what is sent on


@pytest.mark.parametrize("path", [T2V, I2V, GENERIC, OPENAI])
def test_every_submit_answers_openais_object(route: Client, path: str) -> None:
    """All four create calls answer the same object, seconds for a time, and a trace in the header."""
    reply = route.post(path, PLAIN | {"image": png()})
    told = reply.json()
    assert re.fullmatch(r"task_[0-9A-Za-z]{32}", told["id"])
    assert {
        "id": told["id"],
        "task_id": told["id"],
        "object": "video",
        "model": "kling-v1-6",
        "status": "queued",
        "progress": 0,
        "created_at": int(START),
    } == told
    assert reply.headers["x-oneapi-request-id"]


def test_defaults_are_filled_in(route: Client) -> None:
    """What is left out is sent nevertheless: std, 5 s, 0.5 and a square, which is what the clip is."""
    assert {
        "prompt": "a red fox",
        "model": "kling-v1-6",
        "model_name": "kling-v1-6",
        "mode": "std",
        "duration": "5",
        "cfg_scale": 0.5,
        "aspect_ratio": "1:1",
        "kind": "text2video",
    } == sent(route, GENERIC, PLAIN)
    assert ratio(route) == "1:1"


@pytest.mark.parametrize(
    ("size", "expected"),
    [("1024x1024", "1:1"), ("1280x720", "16:9"), ("1080x1920", "9:16"), ("720x1280", "9:16"), ("1024x1792", "1:1")],
)
def test_size_becomes_a_ratio(route: Client, size: str, expected: str) -> None:
    """A size is looked up in a table; one that is not there is a square."""
    assert expected == sent(route, GENERIC, PLAIN | {"size": size})["aspect_ratio"]


def test_native_keys_at_the_top_of_a_generic_body_are_lost(route: Client) -> None:
    """On the generic endpoints Kling's own keys count inside ``metadata`` only; a lost ratio gives a square clip."""
    lost = {"aspect_ratio": "16:9", "negative_prompt": "fog", "cfg_scale": 0.9, "external_task_id": "own"}
    made = sent(route, OPENAI, PLAIN | lost)
    assert ("1:1", 0.5) == (made["aspect_ratio"], made["cfg_scale"])
    assert "negative_prompt" not in made
    assert ratio(route) == "1:1"
    assert [""] == [charge.own_id for charge in route.simulator.ledger()]


@pytest.mark.parametrize("as_text", [False, True])
def test_metadata_counts(route: Client, as_text: bool) -> None:
    """``metadata``, an object or JSON text, goes over the defaults."""
    metadata = {"aspect_ratio": "9:16", "negative_prompt": "fog", "cfg_scale": 0.9, "duration": "10"}
    body = PLAIN | {"duration": 5, "mode": "pro", "metadata": json.dumps(metadata) if as_text else metadata}
    made = sent(route, GENERIC, body)
    assert metadata.items() <= made.items()
    assert ("pro", "9:16") == (made["mode"], ratio(route))


def test_a_kling_body_is_metadata_as_a_whole(route: Client) -> None:
    """Under ``/kling`` the body's own keys count, unknown ones are dropped, and zero is as good as nothing."""
    dropped = {"multi_shot": True, "shot_type": "customize", "sound": "on", "watermark_info": {"enabled": True}, "x": 1}
    zoom = {"type": "simple", "config": {"zoom": 4, "pan": 0, "speed": 3}}
    body = FOX | dropped | {"model_name": "kling-v1", "mode": "std", "cfg_scale": 0, "camera_control": zoom}
    made = sent(route, T2V, body | {"metadata": {"negative_prompt": "fog"}})
    assert not {*dropped, "cfg_scale", "metadata", "negative_prompt"} & set(made)
    assert made["camera_control"] == {"type": "simple", "config": {"zoom": 4}}
    assert ratio(route) == "16:9"


def test_the_image_chooses_the_path_at_kling(route: Client) -> None:
    """With an image the task is Kling's image2video, without it text2video, whatever path was called."""
    assert sent(route, I2V, FOX)["kind"] == "text2video"


def test_an_image_under_the_text_path(route: Client) -> None:
    """An image sent to the text path makes an image task."""
    assert sent(route, T2V, FOX | {"image": png()})["kind"] == "image2video"


@pytest.mark.parametrize("where", [{"image": png()}, {"images": [png()]}, {"input_reference": png()}])
def test_generic_images(route: Client, where: dict[str, Any]) -> None:
    """The generic endpoints know three names of the image."""
    assert sent(route, GENERIC, PLAIN | where)["kind"] == "image2video"


def test_o1_goes_to_the_omni_path(route: Client) -> None:
    """The listed omni model is asked for where Kling sells it, its image as first frame."""
    made = sent(route, GENERIC, {"model": "kling-video-o1", "prompt": "a fox", "image": "https://example.org/a.png"})
    assert [{"image_url": "https://example.org/a.png", "type": "first_frame"}] == made["image_list"]
    assert ("omni-video", "std") == (made["kind"], made["mode"])


@pytest.mark.parametrize("mode", [{}, {"mode": "std"}, {"mode": "pro"}])
def test_masters_take_no_mode(route: Client, mode: dict[str, str]) -> None:
    """A master costs the same with any mode and with none."""
    assert route.post(GENERIC, PLAIN | {"model": "kling-v2-1-master"} | mode).status_code == 200
    assert ["1.4"] == [str(charge.usd) for charge in route.simulator.ledger()]


def test_forms(route: Client) -> None:
    """A form is read like JSON, a file is the image; ``seconds`` is the duration."""
    fields = PLAIN | {"seconds": "10", "size": "720x1280", "metadata": '{"negative_prompt": "fog"}'}
    files = {"input_reference": ("fox.png", b"\x89PNG\r\n\x1a\n\n\r", "image/png")}
    reply = route.send("POST", OPENAI, data=fields, files=files)
    assert (400, "fail_to_fetch_task") == (reply.status_code, reply.json()["code"])
    assert "valid base64" in reply.json()["message"]
    assert route.send("POST", OPENAI, data=fields, files={"x": b"y"}).status_code == 200
    (task,) = route.get("http://simulator/_sim/tasks").json()
    made = json.loads(task["request"])
    assert ("10", "9:16", "fog") == (made["duration"], made["aspect_ratio"], made["negative_prompt"])


# --- what is refused


def refused(reply: Any) -> tuple[int, str, str]:
    body = reply.json()
    told = body.get("error", body)
    return reply.status_code, told["code"], told["message"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"duration": 5}, "cannot unmarshal number into Go struct field requestPayload.duration of type string"),
        ({"cfg_scale": "0.5"}, "cannot unmarshal string into Go struct field requestPayload.cfg_scale of type float64"),
        ({"mode": True}, "cannot unmarshal bool into Go struct field requestPayload.mode of type string"),
        ({"camera_control": "x"}, "cannot unmarshal string into Go struct field requestPayload.camera_control"),
        (
            {"camera_control": {"config": {"zoom": "4"}}},
            "cannot unmarshal string into Go struct field requestPayload.camera_control.config.zoom of type float64",
        ),
        ({"dynamic_masks": {}}, "cannot unmarshal object into Go struct field requestPayload.dynamic_masks"),
    ],
)
def test_wrong_types_in_metadata(route: Client, fields: dict[str, Any], message: str) -> None:
    """A type that Go can not put into its struct is a 500, under ``/kling`` and in ``metadata`` alike."""
    for reply in (route.post(T2V, FOX | fields), route.post(GENERIC, PLAIN | {"metadata": fields})):
        status, code, told = refused(reply)
        assert (500, "build_request_failed") == (status, code)
        assert told.startswith("unmarshal metadata failed: json: " + message)
        assert reply.json()["data"] is None
    assert route.simulator.ledger() == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prompt": " "}, (400, "invalid_request", "prompt is required")),
        ({"prompt": None}, (400, "invalid_request", "prompt is required")),
        ({"seconds": "3601"}, (400, "invalid_seconds", "at most 3600")),
        ({"duration": "5s"}, (400, "invalid_seconds", "whole number")),
        ({"size": 5}, (400, "invalid_request", "TaskSubmitReq.size of type string")),
        ({"images": "x"}, (400, "invalid_request", "TaskSubmitReq.images")),
        ({"metadata": "no"}, (400, "invalid_request", "TaskSubmitReq.metadata")),
        ({"metadata": [1]}, (400, "invalid_request", "TaskSubmitReq.metadata")),
        ({"model": ""}, (400, "", "Model name not specified")),
        ({"model": 5}, (400, "", "Model name not specified")),
        ({"model": "kling-v3"}, (503, "model_not_found", "No available channel for model kling-v3")),
    ],
)
def test_refusals_before_kling(route: Client, fields: dict[str, Any], expected: tuple[int, str, str]) -> None:
    """What the gateway itself refuses, with its own codes."""
    status, code, message = refused(route.post(OPENAI, PLAIN | fields))
    assert expected[:2] == (status, code)
    assert expected[2] in message


def test_multi_shot_without_a_prompt_can_not_pass(route: Client) -> None:
    """The gateway wants a prompt, though Kling wants none with shots."""
    body = {"model_name": "kling-v2-6", "multi_shot": True, "shot_type": "intelligence"}
    assert refused(route.post(T2V, body))[:2] == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x"])
def test_unreadable_bodies(route: Client, kind: str) -> None:
    """A body that is neither JSON nor the form it says is a 400."""
    reply = route.send("POST", OPENAI, content=b"--y\r\nno", headers={"content-type": kind})
    assert reply.status_code == 400
    code = "" if kind == "application/json" else "invalid_multipart_form"
    assert code == refused(reply)[1]


@pytest.mark.parametrize(
    ("body", "status"),
    [(rb'{"model":"kling-v1","prompt":"\ud800 fox"}', 200), (b'{"a":' * 9_000, 400), (b'"\xff"', 400)],
)
def test_strange_json(route: Client, body: bytes, status: int) -> None:
    """Half a surrogate pair is replaced; a body too deep, or in no Unicode, is a 400."""
    assert status == route.send("POST", OPENAI, content=body).status_code


def test_a_form_that_ends_early(route: Client) -> None:
    """A form without its last boundary is not read."""
    part = b'--x\r\ncontent-disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    form = part % (b"model", b"kling-v1-6") + part % (b"prompt", b"a red fox")
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert refused(route.send("POST", OPENAI, content=form, headers=headers))[1] == "invalid_multipart_form"
    assert route.send("POST", OPENAI, content=form + b"--x--\r\n", headers=headers).status_code == 200


def test_a_refusal_by_kling_comes_raw(route: Client, clock: Clock) -> None:
    """Kling's HTTP status stays and its body is the message; under HTTP 200 it is task_failed with its sentence."""
    status, code, raw = refused(route.post(T2V, FOX | {"duration": "7"}))
    assert (400, "fail_to_fetch_task", 1201) == (status, code, json.loads(raw)["code"])
    assert "duration value '7' is invalid" in raw
    simulator = Simulator(None, now=clock, errors_as_200=True)
    reply = talking(simulator).post(T2V, FOX | {"duration": "7"})
    assert (400, "task_failed", "duration value '7' is invalid") == refused(reply)
    simulator.close()


def test_quota_limits_and_moderation(route: Client) -> None:
    """No quota is 403, Kling's 429 is rewritten, the limiter's own has no body, and moderation is Kling's."""
    seen = {word: route.post(T2V, FOX | {"prompt": f"#sim:{word}"}) for word in ("funds", "busy", "moderation")}
    assert refused(seen["funds"])[:2] == (403, "insufficient_user_quota")
    assert refused(seen["busy"]) == (429, "fail_to_fetch_task", "当前分组上游负载已饱和，请稍后再试")
    assert json.loads(refused(seen["moderation"])[2])["code"] == 1301
    limited = route.post(T2V, FOX | {"prompt": "#sim:rate-limit"})
    assert (429, b"") == (limited.status_code, limited.content)
    assert limited.headers["x-oneapi-request-id"]
    route.simulator.add_fault(Fault(action="busy", code=1302, body="您已达到请求数限制", retry_after=3))
    limited = route.post(T2V, FOX)
    assert (429, "3") == (limited.status_code, limited.headers["retry-after"])
    assert "您已达到请求数限制" in limited.json()["error"]["message"]
    assert route.simulator.ledger() == []


def test_a_full_account_at_kling(clock: Clock) -> None:
    """Over Kling's slots the gateway answers its rewritten 429."""
    simulator = Simulator(None, now=clock, slots={"openroute": 1})
    assert [talking(simulator).post(T2V, FOX).status_code for _ in range(2)] == [200, 429]
    simulator.close()


def test_keys_paths_and_ids(route: Client) -> None:
    """The key is looked at before the id, the path before the key; there is no list and no look-up by our own id."""
    task = begun(route, external_task_id="own-7")
    nobody = Client(route.simulator, "openroute", "Bearer sk-other")
    for path in (f"{OPENAI}/{task}", f"{T2V}/{task}", f"{GENERIC}/{task}", f"{OPENAI}/{task}/content"):
        assert nobody.get(path).status_code == 401
    assert refused(nobody.post(OPENAI, PLAIN))[0] == 401
    for path in (OPENAI, T2V, "/v1/models", f"{OPENAI}/{task}/cancel"):
        assert refused(nobody.get(path)) == (404, "", f"Invalid URL (GET {path})")
    for path in (f"{OPENAI}/own-7", f"{T2V}/own-7", f"{GENERIC}/own-7"):
        assert refused(route.get(path)) == (400, "task_not_exist", "task_not_exist")
    duplicate = refused(route.post(T2V, FOX | {"external_task_id": "own-7"}))
    assert "duplicated" in duplicate[2]


# --- what is shown


def test_states_lag_and_start_unknown(route: Client, clock: Clock) -> None:
    """Until the first background poll a task is unknown; after it, what is shown is up to 5 s old."""
    task = begun(route)
    (row,) = route.get("http://simulator/_sim/tasks").json()
    seen = []
    for _ in range(3_000):
        told = route.get(f"{OPENAI}/{task}").json()
        seen += [(told["status"], clock.seconds)] if not seen or seen[-1][0] != told["status"] else []
        if told["status"] == "completed":
            break
        clock.forward(0.5)
    assert ["unknown", "queued", "in_progress", "completed"] == [word for word, _ in seen]
    at = dict(seen)
    assert START + 1 == at["queued"]
    for word, instant in (("in_progress", row["started_at"]), ("completed", row["ended_at"])):
        assert 0 <= at[word] - instant <= 5
        assert (at[word] - START - 1) % 5 == 0


def test_openais_object(route: Client, clock: Clock) -> None:
    """OpenAI's object has no model, Kling's milliseconds, an end while it runs, and the URL at its end."""
    task = begun(route)
    early = route.get(f"{OPENAI}/{task}").json()
    assert ("unknown", 0, "") == (early["status"], early["progress"], early["model"])
    (row,) = route.get("http://simulator/_sim/tasks").json()
    clock.forward(row["started_at"] - START + 6)
    running = route.get(f"{OPENAI}/{task}").json()
    assert ("in_progress", 30, int(START * 1000)) == (running["status"], running["progress"], running["created_at"])
    assert running["completed_at"] == round(row["started_at"] * 1000)
    assert not {"metadata", "task_id", "error"} & set(running)
    clock.forward(5_000)
    done = route.get(f"{OPENAI}/{task}").json()
    assert ("completed", 100, "5.041") == (done["status"], done["progress"], done["seconds"])
    assert route.get(done["metadata"]["url"]).headers["content-type"] == "video/mp4"


@pytest.mark.parametrize("path", [T2V, I2V, GENERIC])
def test_the_gateways_record(route: Client, clock: Clock, path: str) -> None:
    """Under its other paths a task is the gateway's record, in seconds, with Kling's raw answer inside."""
    task = begun(route)
    early = route.get(f"{path}/{task}").json()
    assert ("success", "NOT_START", "0%", None) == (
        early["code"],
        early["data"]["status"],
        early["data"]["progress"],
        early["data"]["data"],
    )
    clock.forward(5_000)
    data = route.get(f"{path}/{task}").json()["data"]
    assert ("SUCCESS", "100%", "", "50") == (data["status"], data["progress"], data["fail_reason"], data["platform"])
    assert ("textGenerate", 245_000, int(START)) == (data["action"], data["quota"], data["submit_time"])
    assert START < data["start_time"] < data["finish_time"] < START + 5_000
    raw = data["data"]["data"]
    assert raw["task_id"] != task
    assert ("succeed", data["result_url"]) == (raw["task_status"], raw["task_result"]["videos"][0]["url"])


def test_the_url_may_be_elsewhere(route: Client, clock: Clock) -> None:
    """A task may hide its URL altogether, or have it where older versions had it."""
    hidden, old = begun(route, prompt="#sim:no-url"), begun(route, prompt="#sim:old-url")
    clock.forward(5_000)
    assert "metadata" not in route.get(f"{OPENAI}/{hidden}").json()
    record = route.get(f"{GENERIC}/{hidden}").json()["data"]
    assert ("SUCCESS", {}) == (record["status"], record["data"]["data"]["task_result"])
    assert "result_url" not in record
    assert route.get(f"{OPENAI}/{hidden}/content").status_code == 200
    record = route.get(f"{GENERIC}/{old}").json()["data"]
    assert "result_url" not in record
    assert record["fail_reason"].startswith("http://simulator/cdn/")


def test_content(route: Client, clock: Clock) -> None:
    """The clip comes through the gateway with the key, whole; not before its time, and not for a stranger's id."""
    task = begun(route)
    path = f"{OPENAI}/{task}/content"
    clock.forward(2)
    early = route.get(path)
    assert (400, "Task is not completed yet, current status: SUBMITTED") == (
        early.status_code,
        early.json()["error"]["message"],
    )
    missing = route.get(f"{OPENAI}/task_none/content")
    assert (404, {"message": "Task not found", "type": "invalid_request_error"}) == (
        missing.status_code,
        missing.json()["error"],
    )
    clock.forward(5_000)
    clip = route.get(path, headers={"range": "bytes=0-9"})
    assert (200, "video/mp4", "public, max-age=86400") == (
        clip.status_code,
        clip.headers["content-type"],
        clip.headers["cache-control"],
    )
    assert route.get(route.get(f"{OPENAI}/{task}").json()["metadata"]["url"]).content == clip.content
    clock.forward(3 * 86_400)
    gone = route.get(path)
    assert (502, "server_error") == (gone.status_code, gone.json()["error"]["type"])


def test_clip_faults_reach_the_content(route: Client, clock: Clock) -> None:
    """A cut clip is cut through the gateway too, and a broken link is its 502."""
    cut, expired = begun(route, prompt="#sim:clip-cut"), begun(route, prompt="#sim:clip-expired")
    clock.forward(5_000)
    whole = route.get(f"{OPENAI}/{cut}/content")
    assert int(whole.headers["content-length"]) > len(whole.content)
    assert len(route.get(f"{OPENAI}/{cut}/content").content) == int(whole.headers["content-length"])
    assert route.get(f"{OPENAI}/{expired}/content").status_code == 502


def test_failures_are_told_and_refunded(route: Client, clock: Clock) -> None:
    """A failed task has its reason in ``error`` or ``fail_reason``, and its price is given back."""
    task = begun(route, prompt="#sim:risk-control")
    clock.forward(5_000)
    reason = "Failure to pass the risk control system"
    told = route.get(f"{OPENAI}/{task}").json()
    assert ("failed", {"message": reason, "code": ""}) == (told["status"], told["error"])
    record = route.get(f"{T2V}/{task}").json()["data"]
    assert ("FAILURE", reason) == (record["status"], record["fail_reason"])
    assert "FAILURE" in route.get(f"{OPENAI}/{task}/content").json()["error"]["message"]
    assert [True] == [charge.refunded for charge in route.simulator.ledger()]


def test_a_stalled_task_is_given_up_after_a_day(route: Client, clock: Clock) -> None:
    """The gateway waits 1440 minutes, then fails and refunds a task that Kling forgot."""
    task = begun(route, prompt="#sim:stall")
    clock.forward(86_000)
    assert route.get(f"{OPENAI}/{task}").json()["status"] == "in_progress"
    clock.forward(500)
    told = route.get(f"{OPENAI}/{task}").json()
    assert ("failed", "任务超时（1440分钟）") == (told["status"], told["error"]["message"])
    assert route.simulator.ledger()[0].refunded


def test_look_up_faults(clock: Clock) -> None:
    """A look-up may go back one state, or name a clip elsewhere."""
    script = (
        Fault(action="backwards"),
        Fault(action="foreign", nth=2),
        Fault(action="html", operation="status", nth=3),
    )
    simulator = Simulator(None, now=clock, faults=script)
    route = talking(simulator)
    task = begun(route)
    clock.forward(5_000)
    assert route.get(f"{OPENAI}/{task}").json()["status"] == "in_progress"
    assert route.get(f"{OPENAI}/{task}").json()["metadata"]["url"].startswith("https://cdn.elsewhere.example/")
    assert route.get(f"{OPENAI}/{task}").status_code == 502
    simulator.close()


def test_a_lost_answer_was_charged(route: Client) -> None:
    """A lost submit is in the ledger, and can not be found by our own id."""
    with pytest.raises(ConnectionResetError):
        begun(route, prompt="#sim:lost", external_task_id="own")
    assert ["own"] == [charge.own_id for charge in route.simulator.ledger()]
    assert route.get(f"{T2V}/own").json()["code"] == "task_not_exist"
