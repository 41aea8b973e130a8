"""Provider ``kling``: what the native legacy API accepts, answers and refuses."""

from __future__ import annotations

from typing import Any

import pytest

from kling_nb.simulator import API_KEY, Simulator

from .conftest import START, Client, Clock, png, token

T2V, I2V = "/v1/videos/text2video", "/v1/videos/image2video"
FOX = {"model_name": "kling-v2-6", "prompt": "a red fox", "mode": "pro", "duration": "5"}


def submitted(client: Client, path: str = T2V, **fields: Any) -> dict[str, Any]:
    reply = client.post(path, FOX | fields)
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


def refusal(client: Client, path: str = T2V, **fields: Any) -> tuple[int, int, str]:
    reply = client.post(path, {key: value for key, value in (FOX | fields).items() if value is not None})
    body = reply.json()
    assert {"code", "message", "request_id"} == set(body)
    return reply.status_code, body["code"], body["message"]


def test_create_answers_the_documented_object(kling: Client) -> None:
    """A create call answers code 0, SUCCEED, an 18-digit task id and times in milliseconds."""
    reply = kling.post(T2V, FOX | {"external_task_id": "mine-1"}).json()
    data = reply["data"]
    assert (reply["code"], reply["message"]) == (0, "SUCCEED")
    assert len(data["task_id"]) == 18
    assert data["task_id"].isdigit()
    assert data["task_info"] == {"external_task_id": "mine-1"}
    assert ("submitted", int(START * 1000)) == (data["task_status"], data["created_at"])


def test_states_follow_the_clock(kling: Client, clock: Clock) -> None:
    """A task goes submitted, processing, succeed, and only then has a result and deductions as strings."""
    task = submitted(kling)["task_id"]
    words: list[str] = []
    for _ in range(400):
        data = kling.get(f"{T2V}/{task}").json()["data"]
        if not words or words[-1] != data["task_status"]:
            words.append(data["task_status"])
        if data["task_status"] == "succeed":
            break
        assert data["task_result"] == {}
        assert "final_unit_deduction" not in data
        clock.forward(5)
    assert words == ["submitted", "processing", "succeed"]
    video = data["task_result"]["videos"][0]
    assert (data["final_unit_deduction"], data["final_balance_deduction"]) == (
        "2.5",
        {"quota": "0.35", "list_price": "0.35"},
    )
    assert video["duration"] == "5.041"
    assert video["url"].startswith("http://simulator/cdn/bs2/upload-kling-api/")
    assert data["updated_at"] > data["created_at"] > 10**12


def test_own_id_finds_the_task(kling: Client) -> None:
    """The single GET takes the external task id as well."""
    task = submitted(kling, external_task_id="own-7")["task_id"]
    assert task == kling.get(f"{T2V}/own-7").json()["data"]["task_id"]


def test_own_id_is_unique(kling: Client) -> None:
    """A second submit with the same external task id is a 1201 and is not charged."""
    submitted(kling, external_task_id="own-7")
    assert refusal(kling, external_task_id="own-7")[:2] == (400, 1201)
    assert len(kling.simulator.ledger()) == 1


def test_unknown_task_and_path(kling: Client) -> None:
    """An unknown task is 404/1203, also under another kind's path; an unknown path or method is 404/1202."""
    task = submitted(kling)["task_id"]
    for path, code in ((f"{T2V}/8", 1203), (f"{I2V}/{task}", 1203), ("/v1/videos/nothing", 1202), ("/v2/x", 1202)):
        reply = kling.post(path, FOX) if code == 1202 else kling.get(path)
        assert (404, code) == (reply.status_code, reply.json()["code"]), path
    assert kling.send("DELETE", f"{T2V}/{task}").json()["code"] == 1202


def test_list_is_newest_first_and_bounded(kling: Client, clock: Clock) -> None:
    """The list is a bare array, newest first, in pages within [1, 1000] x [1, 500]."""
    ids = []
    for number in range(3):
        ids.append(submitted(kling, prompt=f"fox {number}")["task_id"])
        clock.forward(1)
    assert ids[::-1] == [item["task_id"] for item in kling.get(T2V).json()["data"]]
    assert ids[:1] == [item["task_id"] for item in kling.get(f"{T2V}?pageNum=2&pageSize=2").json()["data"]]
    for query in ("pageNum=0", "pageNum=1001", "pageSize=501", "pageSize=x"):
        assert kling.get(f"{T2V}?{query}").json()["code"] == 1201, query


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", 1001),
        ("Bearer ", 1002),
        ("Token abc", 1002),
        ("Bearer abc", 1002),
        ("Bearer a.b.c", 1002),
        ("Bearer äöü", 1002),
    ],
)
def test_bad_authorization(simulator: Simulator, header: str, code: int) -> None:
    """A missing header is 1001, one that is no token 1002; both are HTTP 401."""
    headers = {"authorization": header.encode()} if header else {}
    reply = Client(simulator, "kling").send("GET", T2V, headers=headers)
    assert (401, code) == (reply.status_code, reply.json()["code"])


def test_token_lifetime(simulator: Simulator, clock: Clock) -> None:
    """A token counts from nbf (1003 before) to exp (1004 after), and only with the right signature (1000)."""
    (key, _, api_key), now = simulator.key("kling").partition(","), clock()

    def code(text: str) -> int:
        return int(Client(simulator, "kling", f"Bearer {text}").get(T2V).json()["code"])

    assert 0 == code(token(key, now)) == code(api_key)
    assert api_key == API_KEY
    assert code(token(key, now, nbf=now + 1)) == 1003
    assert code(token(key, now, exp=now)) == 1004
    assert code(token(key[:-1] + "x", now)) == 1000
    assert code(token(key, now, iss="somebody")) == 1002


CAMERA = {"type": "simple", "config": {"zoom": 5}}
V1 = {"model_name": "kling-v1", "mode": "std"}
SHOTS = [{"index": 1, "prompt": "a", "duration": "2"}, {"index": 2, "prompt": "b", "duration": "3"}]
V3 = {"model_name": "kling-v3", "multi_shot": True, "prompt": None}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_name": "kling-v3-0"}, "model_name value 'kling-v3-0' is invalid"),
        ({"model_name": "kling-v3-omni"}, "model is not supported"),
        ({"model_name": "kling-v2-1"}, "model is not supported"),
        ({"mode": "standard"}, "mode value 'standard' is invalid"),
        ({"mode": "4k"}, "mode value '4k' is invalid"),
        ({"duration": "99"}, "duration value '99' is invalid"),
        ({"duration": "5s"}, "duration value '5s' is invalid"),
        ({"duration": 5.0}, "duration value '5.0' is invalid"),
        ({"duration": True}, "duration value 'True' is invalid"),
        ({"duration": "3"}, "duration value '3' is invalid"),
        ({"aspect_ratio": "4:3"}, "aspect_ratio value '4:3' is invalid"),
        ({"cfg_scale": 1.01}, "cfg_scale value '1.01' is invalid"),
        ({"cfg_scale": "0.5"}, "cfg_scale value '0.5' is invalid"),
        ({"prompt": None}, "prompt can not be null"),
        ({"prompt": "x" * 2501}, "prompt length can not exceed 2500, got 2501"),
        ({"negative_prompt": "x" * 2501}, "negative_prompt length can not exceed 2500, got 2501"),
        ({"prompt": 5}, "prompt value '5' is invalid"),
        ({"sound": True}, "sound value 'True' is invalid"),
        ({"sound": "on", "mode": "std"}, "model/mode/duration(kling-v2-6/std/5) is not supported with sound"),
        ({"sound": "on", "model_name": "kling-v1-6"}, "sound is not supported by the current model"),
        ({"watermark_info": True}, "watermark_info value 'True' is invalid"),
        ({"camera_control": CAMERA}, "camera_control is only supported in std mode with 5s duration and kling-v1"),
        (V1 | {"camera_control": CAMERA, "duration": "10"}, "camera_control is only supported in std mode"),
        (V1 | {"camera_control": {"type": "normal"}}, "camera_control.type value 'normal' is invalid"),
        (V1 | {"camera_control": {"type": "simple"}}, "camera_control.config value 'None' is invalid"),
        (V1 | {"camera_control": {"type": "simple", "config": {"zoom": 0}}}, "exactly one non-zero"),
        (V1 | {"camera_control": {"type": "simple", "config": {"zoom": 1, "pan": 1}}}, "exactly one non-zero"),
        (V1 | {"camera_control": {"type": "simple", "config": {"zoom": 11}}}, "camera_control.config value"),
        (V1 | {"camera_control": CAMERA | {"type": "down_back"}}, "must be empty when type is down_back"),
        ({"multi_shot": "true"}, "multi_shot value 'true' is invalid"),
        ({"multi_shot": True}, "multi_shot is not supported by the current model"),
        (V3, "shot_type can not be null"),
        (V3 | {"shot_type": "intelligent"}, "shot_type value 'intelligent' is invalid"),
        (V3 | {"shot_type": "customize"}, "multi_prompt needs 1 to 6 shots, got 0"),
        (V3 | {"shot_type": "customize", "multi_prompt": SHOTS[:1]}, "add up to 2, not to duration 5"),
        ({"sound": "on", "voice_list": [{"voice_id": "a"}] * 3}, "at most 2 voices"),
        ({"element_list": [{"element_id": 315}]}, "Element id not found: 315"),
    ],
)
def test_text2video_refuses(kling: Client, fields: dict[str, Any], message: str) -> None:
    """A parameter outside the documented rules is HTTP 400, code 1201, with the service's words, and free."""
    status, code, told = refusal(kling, **fields)
    assert (status, code) == (400, 1201)
    assert message in told
    assert kling.simulator.ledger() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 10},
        {"unknown_key": {"a": 1}},
        {"cfg_scale": 0},
        {"sound": "off", "mode": "std"},
        V1 | {"camera_control": CAMERA},
        V1 | {"camera_control": {"type": "down_back"}},
        V3 | {"shot_type": "customize", "multi_prompt": SHOTS},
        {"model_name": "kling-v2-master", "mode": "pro"},
        {"model_name": "kling-v3", "mode": "4k", "duration": "15", "sound": "on"},
        {"prompt": "x" * 2500, "aspect_ratio": "9:16"},
    ],
)
def test_text2video_accepts(kling: Client, fields: dict[str, Any]) -> None:
    """Everything within the rules is accepted, unknown keys included."""
    body = {key: value for key, value in (FOX | fields).items() if value is not None}
    assert kling.post(T2V, body).json()["code"] == 0


def test_model_key_is_ignored(kling: Client) -> None:
    """The old key ``model`` silently yields kling-v1."""
    assert kling.post(T2V, {"model": "kling-v3", "prompt": "a fox"}).json()["code"] == 0
    assert kling.simulator.ledger()[0].model == "kling-v1"


TAIL = {"image": "https://example.org/a.png", "image_tail": "https://example.org/b.png"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "image can not be null"),
        ({"image_tail": png()}, "image can not be null"),
        ({"image": "data:image/png;base64," + png()}, "File is not in a valid base64 format"),
        ({"image": "no base64!"}, "File is not in a valid base64 format"),
        ({"image": "aGVsbG8="}, "File is not in a valid base64 format"),
        ({"image": "A" * 14_000_000}, "exceeds the limit"),
        (
            TAIL | {"model_name": "kling-v2-5-turbo", "mode": "std"},
            "model/mode/duration(kling-v2-5-turbo/std/5) is not supported with image_tail",
        ),
        (TAIL | {"model_name": "kling-v2-master"}, "Image tail is not supported by the current model"),
        (TAIL | {"sound": "on"}, "model/mode/duration(kling-v2-6/pro/5) is not supported with image_tail"),
        (TAIL | {"model_name": "kling-v1", "duration": "10"}, "(kling-v1/pro/10) is not supported with image_tail"),
        (TAIL | V1 | {"camera_control": CAMERA}, "can not be used together"),
        ({"image": png(), "static_mask": png()}, "static_mask/dynamic_masks"),
    ],
)
def test_image2video_refuses(kling: Client, fields: dict[str, Any], message: str) -> None:
    """Image rules and the end-frame matrix are enforced before anything is charged."""
    status, code, told = refusal(kling, I2V, **fields)
    assert (status, code) == (400, 1201)
    assert message in told
    assert kling.simulator.ledger() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"image": png(), "prompt": ""},
        {"image": "https://example.org/a.png"},
        TAIL,
        TAIL | {"model_name": "kling-v1", "mode": "std"},
        {"image_tail": png(), "model_name": "kling-v1-6"},
        {"image": png(), "model_name": "kling-v1-5", "camera_control": CAMERA},
    ],
)
def test_image2video_accepts(kling: Client, fields: dict[str, Any]) -> None:
    """A bare base64 picture or a URL is accepted, and an end frame where the matrix has it."""
    assert submitted(kling, I2V, **fields)["task_status"] == "submitted"


@pytest.mark.parametrize(("width", "height"), [(299, 400), (300, 751)])
def test_bad_pixels_fail_late(kling: Client, clock: Clock, width: int, height: int) -> None:
    """A picture below 300 px or beyond 1:2.5 is accepted, then fails within two seconds, unpaid."""
    task = submitted(kling, I2V, image=png(width, height))["task_id"]
    clock.forward(1.7)
    data = kling.get(f"{I2V}/{task}").json()["data"]
    assert (data["task_status"], data["task_status_msg"], data["task_result"]) == (
        "failed",
        "Image pixel is invalid",
        {},
    )
    assert kling.simulator.ledger()[0].refunded


VIDEO = {"video_url": "https://example.org/a.mp4", "refer_type": "base"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "aspect_ratio can not be null"),
        ({"aspect_ratio": "16:9", "duration": "3"}, "Duration only supports 5 or 10 seconds when no refer_image"),
        (
            {"image_list": [{"image_url": png(), "type": "first_frame"}], "duration": "7"},
            "Duration only supports 5 or 10",
        ),
        ({"aspect_ratio": "16:9", "sound": "on"}, "sound is not supported by the current model"),
        ({"aspect_ratio": "16:9", "mode": "4k"}, "mode value '4k' is invalid"),
        ({"image_list": [{"image_url": png(), "type": "end_frame"}]}, "end_frame needs a first_frame"),
        ({"video_list": [VIDEO | {"refer_type": "style"}]}, "refer_type value 'style' is invalid"),
        ({"video_list": [VIDEO | {"keep_original_sound": "on"}]}, "keep_original_sound value 'on' is invalid"),
    ],
)
def test_omni_refuses(kling: Client, fields: dict[str, Any], message: str) -> None:
    """The omni path has rules of its own."""
    body = {"model_name": "kling-video-o1", "prompt": "a fox"} | fields
    reply = kling.post("/v1/videos/omni-video", body).json()
    assert reply["code"] == 1201
    assert message in reply["message"]


@pytest.mark.parametrize("roles", [[""], ["first_frame", "end_frame"]])
def test_omni_accepts_references(kling: Client, roles: list[str]) -> None:
    """With a reference image, or an end frame, the o1 model takes any whole second from 3 to 10."""
    body = {
        "prompt": "<<<image_1>>> runs",
        "aspect_ratio": "1:1",
        "duration": "7",
        "image_list": [{"image_url": png(), "type": role} for role in roles],
    }
    assert kling.post("/v1/videos/omni-video", body).json()["code"] == 0
    assert kling.simulator.ledger()[0].model == "kling-video-o1"


def test_a_video_costs_more_where_it_is_read(kling: Client) -> None:
    """A list of videos is priced by the omni path, and an unknown key like any other elsewhere."""
    video = {"video_list": [{"video_url": "https://example.org/a.mp4", "refer_type": "feature"}]}
    submitted(kling, model_name="kling-v3", mode="std", **video)
    kling.post(
        "/v1/videos/omni-video", {"prompt": "a fox", "aspect_ratio": "1:1", "model_name": "kling-v3-omni"} | video
    )
    assert [str(charge.usd) for charge in kling.simulator.ledger()] == ["0.42", "0.84"]


def test_slots_are_per_model(kling: Client, clock: Clock) -> None:
    """Above the account's slots for one model a submit is 429/1303 and free; another model still has room."""
    for number in range(5):
        submitted(kling, prompt=f"fox {number}")
    assert refusal(kling) == (429, 1303, "parallel task over resource pack limit")
    submitted(kling, model_name="kling-v2-5-turbo")
    clock.forward(3600)
    submitted(kling)
    assert len(kling.simulator.ledger()) == 7


def test_errors_with_http_200(clock: Clock) -> None:
    """With errors_as_200 a refusal keeps its code under HTTP 200."""
    simulator = Simulator(None, now=clock, errors_as_200=True)
    reply = Client(simulator, "kling", f"Bearer {API_KEY}").post(T2V, {"prompt": ""})
    simulator.close()
    assert (reply.status_code, reply.json()["code"]) == (200, 1201)


@pytest.mark.parametrize("body", ["[]", "nonsense", "3"])
def test_body_must_be_an_object(kling: Client, body: str) -> None:
    """A body that is no JSON object is 400/1200."""
    reply = kling.send("POST", T2V, content=body)
    assert (reply.status_code, reply.json()["code"]) == (400, 1200)


COSTS = "/account/costs"


def test_account_costs(kling: Client) -> None:
    """The account has no resource packs; whoever asks needs a key and a span of time."""
    reply = kling.get(f"{COSTS}?start_time=1726124664368&end_time=1727366400000")
    assert {"code": 0, "msg": "success", "resource_pack_subscribe_infos": []} == reply.json()["data"]
    for query in ("", "?start_time=1&end_time=x", "?end_time=1"):
        assert (400, 1201) == (kling.get(COSTS + query).status_code, kling.get(COSTS + query).json()["code"]), query
    stranger = Client(kling.simulator, "kling", "Bearer " + token("other:secret", 1_790_000_000))
    assert (401, 1002) == (stranger.get(COSTS).status_code, stranger.get(COSTS).json()["code"])
