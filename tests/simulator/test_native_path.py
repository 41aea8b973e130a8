"""Provider ``kling``: what the path API accepts, answers and refuses, beside the legacy API of the same account."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from kling_nb.simulator import API_KEY, Fault, Simulator

from .conftest import START, Client, Clock, png, token

T2V, I2V, OMNI = "/text-to-video", "/image-to-video", "/omni-video"
FOX = {"prompt": "a red fox"}
LEGACY = "/v1/videos/text2video"
PROMPT = {"type": "prompt", "text": "a red fox"}
FIRST, LAST, REFER = (
    {"type": role, "url": f"https://example.org/{role}.png"} for role in ("first_frame", "last_frame", "refer_image")
)
FEATURE, BASE = ({"type": role, "url": f"https://example.org/{role}.mp4"} for role in ("feature_video", "base_video"))


@pytest.fixture
def path(simulator: Simulator) -> Client:
    return Client(simulator, "kling", f"Bearer {API_KEY}")


Made = Callable[..., Client]


@pytest.fixture
def made(clock: Clock, request: pytest.FixtureRequest) -> Made:
    """Clients of simulators with a script or other dials, closed at the end."""

    def make(*faults: Fault, **dials: Any) -> Client:
        simulator = Simulator(None, now=clock, faults=faults, **dials)
        request.addfinalizer(simulator.close)
        return Client(simulator, "kling", f"Bearer {API_KEY}")

    return make


def submitted(client: Client, model: str = "kling-3.0", **fields: Any) -> dict[str, Any]:
    reply = client.post(f"{T2V}/{model}", FOX | fields)
    assert (reply.status_code, reply.json()["code"]) == (200, 0), reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


def found(client: Client, query: str) -> list[dict[str, Any]]:
    reply = client.get(f"/tasks?{query}")
    assert reply.status_code == 200, reply.text
    data: list[dict[str, Any]] = reply.json()["data"]
    return data


def only(client: Client, task: dict[str, Any]) -> dict[str, Any]:
    (item,) = found(client, f"task_ids={task['id']}")
    return item


def refusal(client: Client, place: str, body: object) -> tuple[int, int, str]:
    reply = client.post(place, body)
    assert set(reply.json()) == {"code", "message", "request_id"}, reply.text
    return reply.status_code, reply.json()["code"], reply.json()["message"]


# --- create, look up, list


def test_create_answers_the_documented_object(path: Client) -> None:
    """A create call answers id, status, times in milliseconds and our own id."""
    task = submitted(path, options={"external_task_id": "own-1"})
    assert len(task["id"]) == 18
    assert task | {"id": ""} == {
        "id": "",
        "status": "submitted",
        "create_time": int(START * 1000),
        "update_time": int(START * 1000),
        "external_id": "own-1",
    }


def test_states_follow_the_clock(path: Client, clock: Clock) -> None:
    """A task goes submitted, processing, succeeded, and only then has outputs and billing."""
    task, words = submitted(path, settings={"resolution": "1080p", "duration": 3, "audio": "native"}), []
    for _ in range(400):
        item = only(path, task)
        words += [item["status"]] if item["status"] not in words[-1:] else []
        if words[-1] == "succeeded":
            break
        assert (item["outputs"], item["billing"], item["message"]) == ([], [], "")
        clock.forward(5)
    assert words == ["submitted", "processing", "succeeded"]
    (output,), (paid,) = item["outputs"], item["billing"]
    assert (output["type"], output["duration"]) == ("video", "3.041")
    assert "watermark_url" not in output
    assert path.get(output["url"]).content[4:8] == b"ftyp"
    assert paid == {
        "charge_type": "cash",
        "cash_type": "balance",
        "amount": "0.504",
        "currency": "USD",
        "list_price": "0.504",
    }


def test_a_watermarked_copy_is_shown_when_asked_for(path: Client, clock: Clock) -> None:
    """With a watermark there is a second URL."""
    task = submitted(path, options={"watermark_info": {"enabled": True}})
    clock.forward(5000)
    assert "watermark_url" in only(path, task)["outputs"][0]


def test_look_ups_answer_a_list_in_the_order_asked(path: Client) -> None:
    """Several ids are answered at once, unknown ones are left out."""
    first, second = (submitted(path, prompt=f"fox {n}", options={"external_task_id": f"own-{n}"}) for n in range(2))
    by_id = found(path, f"task_ids={second['id']},8, {first['id']}")
    assert [second["id"], first["id"]] == [item["id"] for item in by_id]
    assert [first["id"]] == [item["id"] for item in found(path, "external_task_ids=own-0,own-9")]
    assert found(path, "task_ids=8") == found(path, "external_task_ids=x") == []


@pytest.mark.parametrize("query", ["", "?task_ids=", "?task_ids=8&external_task_ids=x", "?external_task_ids=,"])
def test_a_look_up_needs_one_kind_of_id(path: Client, query: str) -> None:
    """Both kinds of id at once are a 1201, and so is none."""
    reply = path.get(f"/tasks{query}")
    assert (400, 1201) == (reply.status_code, reply.json()["code"])


def listed(client: Client, **fields: Any) -> dict[str, Any]:
    reply = client.post("/tasks", fields)
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


def test_the_cursor_goes_through_all_tasks_once(path: Client, clock: Clock) -> None:
    """Pages are newest first, the cursor keeps its place although tasks are added, and the last page says so."""
    ids = []
    for number in range(5):
        ids.append(submitted(path, prompt=f"fox {number}")["id"])
        clock.forward(1)
    page = listed(path, limit=2)
    seen = [item["id"] for item in page["result"]]
    clock.forward(1000)
    submitted(path, prompt="one more")
    while page["has_more"]:
        page = listed(path, limit=2, cursor=page["next_cursor"])
        seen += [item["id"] for item in page["result"]]
    assert ids[::-1] == seen
    assert (page["count"], page["next_cursor"]) == (1, "")


def test_a_listing_is_narrowed_by_time_and_filters(path: Client, clock: Clock) -> None:
    """A window is milliseconds as text or number, thirty days by default; filters are by status and product."""
    old = submitted(path, prompt="old")["id"]
    clock.forward(29 * 86_400)
    new = submitted(path, prompt="new")["id"]
    done = [{"key": "status", "values": ["succeeded"]}]
    assert [new, old] == [item["id"] for item in listed(path)["result"]]
    assert [old] == [item["id"] for item in listed(path, end_time=f"{int(START * 1000) + 1}")["result"]]
    assert [new] == [item["id"] for item in listed(path, start_time=f"{int(START * 1000) + 1}")["result"]]
    assert [new] == [item["id"] for item in listed(path, start_time=int(START * 1000) + 1)["result"]]
    assert [old] == [item["id"] for item in listed(path, filters=done)["result"]]
    assert listed(path, filters=[{"key": "product_type", "values": ["image"]}])["result"] == []
    clock.forward(2 * 86_400)
    assert [new] == [item["id"] for item in listed(path)["result"]]


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 501},
        {"limit": "5"},
        {"limit": True},
        {"start_time": 5.5},
        {"start_time": -5},
        {"start_time": True},
        {"start_time": "soon"},
        {"start_time": "9", "end_time": "8"},
        {"cursor": 5},
        {"cursor": "nonsense"},
        {"filters": {}},
        {"filters": ["status"]},
        {"filters": [{"key": "model", "values": []}]},
        {"filters": [{"key": "status", "values": ["succeed"]}]},
        {"filters": [{"key": "status", "values": "succeeded"}]},
    ],
)
def test_bounds_of_a_listing(path: Client, body: dict[str, Any]) -> None:
    """A listing's fields have their types and bounds."""
    assert refusal(path, "/tasks", body)[:2] == (400, 1201)


@pytest.mark.parametrize(
    ("place", "body", "shown"),
    [
        (f"{T2V}/kling-3.0-turbo", FOX | {"settings": {"aspect_ratio": "1:1"}}, ("kling-3.0-turbo", "1:1", True)),
        (f"{T2V}/kling-3.0", FOX, ("kling-3.0", "16:9", False)),
        (f"{T2V}/kling-3.0", FOX | {"settings": {"audio": "native"}}, ("kling-3.0", "16:9", True)),
        (
            f"{I2V}/kling-3.0",
            {"contents": [{"type": "first_frame", "url": png(300, 600)}]},
            ("kling-3.0", "9:16", False),
        ),
        (
            f"{OMNI}/kling-o1",
            {"contents": [PROMPT, {"type": "refer_image", "url": png()}], "settings": {"aspect_ratio": "9:16"}},
            ("kling-o1", "9:16", False),
        ),
    ],
)
def test_the_clip_shows_what_was_asked_for(
    path: Client, place: str, body: dict[str, Any], shown: tuple[str, str, bool]
) -> None:
    """A clip is told the model as the path has it, the ratio that was asked for or that of the frame, and sound."""
    assert path.post(place, body).json()["code"] == 0
    scene = json.loads(path.simulator._world.store.tasks()[0].scene)
    assert shown == (scene["model"], scene["ratio"], scene["sound"])


# --- the account


def test_the_api_key_alone_opens(simulator: Simulator, clock: Clock) -> None:
    """A signed token, which the legacy API takes, is 1002 here; no header is 1001."""
    signed = "Bearer " + token(simulator.key("kling"), clock())
    assert Client(simulator, "kling", signed).get(LEGACY).status_code == 200
    for header, code in ((signed, 1002), ("", 1001), (API_KEY, 1002), (f"Key {API_KEY}", 1002)):
        client = Client(simulator, "kling", header)
        for reply in (client.post(f"{T2V}/kling-3.0", FOX), client.get("/tasks?task_ids=1"), client.post("/tasks", {})):
            assert (401, code) == (reply.status_code, reply.json()["code"])
    assert simulator.ledger() == []


def test_each_generation_shows_only_its_own_tasks(path: Client) -> None:
    """A task made in one way is not found in the other, and the two own ids may not be the same."""
    new = submitted(path, options={"external_task_id": "own-1"})
    omni = path.post(f"{OMNI}/kling-o1", {"contents": [PROMPT], "settings": {"aspect_ratio": "1:1"}}).json()["data"]
    old = path.post(LEGACY, FOX | {"model_name": "kling-v3", "external_task_id": "own-2"}).json()["data"]
    assert found(path, f"task_ids={old['task_id']}") == found(path, "external_task_ids=own-2") == []
    assert [omni["id"], new["id"]] == [item["id"] for item in listed(path)["result"]]
    assert [old["task_id"]] == [item["task_id"] for item in path.get(LEGACY).json()["data"]]
    assert path.get("/v1/videos/omni-video").json()["data"] == []
    assert path.get(f"{LEGACY}/{new['id']}").json()["code"] == 1203
    taken = {"prompt": "a fox", "options": {"external_task_id": "own-2"}}
    assert refusal(path, f"{T2V}/kling-3.0", taken)[1] == 1201
    assert path.post(LEGACY, FOX | {"external_task_id": "own-1"}).json()["code"] == 1201


def test_both_names_of_a_model_share_its_slots(made: Made) -> None:
    """``kling-v3`` and ``kling-3.0`` are one model to the account, and ``kling-2.6`` is another."""
    client = made(slots={"kling": 2})
    submitted(client)
    assert client.post(LEGACY, FOX | {"model_name": "kling-v3"}).json()["code"] == 0
    busy = (429, 1303, "parallel task over resource pack limit")
    assert refusal(client, f"{T2V}/kling-3.0", FOX) == busy
    assert client.post(LEGACY, FOX | {"model_name": "kling-v3"}).json()["code"] == 1303
    submitted(client, "kling-2.6")
    submitted(client, "kling-3.0-turbo")


def test_errors_may_come_under_200(made: Made) -> None:
    """With ``errors_as_200`` a field error is told by its code alone."""
    assert refusal(made(errors_as_200=True), f"{T2V}/kling-3.0", {})[:2] == (200, 1201)


@pytest.mark.parametrize(
    ("model", "settings", "usd"),
    [
        ("kling-2.5-turbo", {"resolution": "1080p", "duration": 10}, "0.7"),
        ("kling-2.6", {"resolution": "1080p", "audio": "native"}, "0.7"),
        ("kling-3.0", {}, "0.42"),
        ("kling-3.0", {"resolution": "4k", "duration": 15, "aspect_ratio": "1:1"}, "6.3"),
        ("kling-3.0-turbo", {}, "0.56"),
        ("kling-3.0-turbo", {"resolution": "1080p", "duration": 3}, "0.42"),
    ],
)
def test_the_list_price_is_charged(path: Client, model: str, settings: dict[str, Any], usd: str) -> None:
    """Each model costs its seconds at its resolution."""
    submitted(path, model, settings=settings)
    assert [usd] == [str(charge.usd) for charge in path.simulator.ledger()]


# --- what is refused


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        ("kling-3.0", {"prompt": " "}, "prompt can not be null"),
        ("kling-3.0", {"prompt": 5}, "prompt value '5' is invalid"),
        ("kling-3.0", {"prompt": "x" * 3073}, "prompt length can not exceed 3072, got 3073"),
        ("kling-3.0-turbo", {"prompt": "x" * 3073}, "prompt length can not exceed 3072, got 3073"),
        ("kling-2.6", {"prompt": "x" * 2501}, "prompt length can not exceed 2500, got 2501"),
        ("kling-3.0", {"settings": []}, "settings value '[]' is invalid"),
        ("kling-3.0", {"options": "x"}, "options value 'x' is invalid"),
        ("kling-3.0", {"settings": {"duration": "5"}}, "duration value '5' is invalid"),
        ("kling-3.0", {"settings": {"duration": 5.0}}, "duration value '5.0' is invalid"),
        ("kling-3.0", {"settings": {"duration": True}}, "duration value 'True' is invalid"),
        ("kling-3.0", {"settings": {"duration": 2}}, "duration value '2' is invalid"),
        ("kling-2.5-turbo", {"settings": {"duration": 6}}, "duration value '6' is invalid"),
        ("kling-2.6", {"settings": {"resolution": "4k"}}, "video resolution value 4k is invalid"),
        ("kling-3.0", {"settings": {"resolution": "std"}}, "video resolution value std is invalid"),
        ("kling-3.0", {"settings": {"aspect_ratio": "4:3"}}, "aspect_ratio value '4:3' is invalid"),
        ("kling-3.0", {"settings": {"audio": "on"}}, "audio value 'on' is invalid"),
        ("kling-3.0", {"settings": {"audio": True}}, "audio value 'True' is invalid"),
        ("kling-2.5-turbo", {"settings": {"audio": "native"}}, "audio value 'native' is invalid"),
        ("kling-2.6", {"settings": {"audio": "native"}}, "audio native only supports 1080p"),
        ("kling-3.0-turbo", {"settings": {"audio": "off"}}, "audio is not supported by the current model"),
        ("kling-2.6", {"settings": {"multi_shot": True}}, "multi_shot is not supported by the current model"),
        ("kling-3.0", {"settings": {"multi_shot": "true"}}, "multi_shot value 'true' is invalid"),
        ("kling-3.0", {"prompt": "shot 1, 2, a; shot 2, 2, b;"}, "add up to 4, not to duration 5"),
        ("kling-3.0", {"prompt": "shot 1, 2, a; shot 3, 3, b;"}, "needs 1 to 6 shots"),
        ("kling-3.0", {"prompt": "shot 1, 5, a; and then"}, "needs 1 to 6 shots"),
        ("kling-3.0-turbo", {"prompt": "shot 1, 0, a; shot 2, 5, b"}, "at least 1 second"),
        ("kling-3.0", {"prompt": f"shot 1, 5, {'x' * 513}"}, "at most 512 characters"),
        ("kling-3.0", {"options": {"external_task_id": 5}}, "external_task_id value '5' is invalid"),
        ("kling-3.0", {"options": {"watermark_info": True}}, "watermark_info value 'True' is invalid"),
        ("kling-3.0", {"options": {"watermark_info": {"enabled": 1}}}, "watermark_info value"),
    ],
)
def test_text_to_video_refuses(path: Client, model: str, fields: dict[str, Any], message: str) -> None:
    """A field outside the documented rules is HTTP 400, code 1201, and free."""
    status, code, told = refusal(path, f"{T2V}/{model}", FOX | fields)
    assert (status, code) == (400, 1201)
    assert message in told
    assert path.simulator.ledger() == []


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("kling-3.0", {"prompt": "shot 1, 2, a; shot 2, 3, b;"}),
        ("kling-3.0", {"prompt": "x" * 3072}),
        ("kling-3.0-turbo", {"prompt": "x" * 3072}),
        ("kling-3.0", {"prompt": "shot 1, 2, a", "settings": {"multi_shot": False}}),
        ("kling-2.6", {"prompt": "shot 1, 2, a", "settings": {"multi_shot": False}}),
        ("kling-2.5-turbo", {"settings": {"audio": "off", "aspect_ratio": "9:16"}}),
        ("kling-3.0", {"settings": None, "options": None, "negative_prompt": 5, "model_name": "kling-v1"}),
    ],
)
def test_text_to_video_accepts(path: Client, model: str, fields: dict[str, Any]) -> None:
    """Everything within the rules is accepted, keys of the legacy API are ignored."""
    assert submitted(path, model, **fields)["status"] == "submitted"


@pytest.mark.parametrize(
    ("model", "settings", "contents", "message"),
    [
        ("kling-3.0", {}, [], "contents can not be null"),
        ("kling-3.0", {}, {"type": "prompt"}, "contents value"),
        ("kling-3.0", {}, ["a fox"], "contents.type value 'a fox' is invalid"),
        ("kling-3.0", {}, [PROMPT], "first_frame can not be null"),
        ("kling-3.0", {}, [LAST], "first_frame can not be null"),
        ("kling-3.0", {}, [FIRST, FIRST], "only one prompt, first_frame and last_frame"),
        ("kling-3.0", {}, [{"type": "first_frame"}], "contents.url can not be null"),
        ("kling-3.0", {}, [FIRST, {"type": "prompt", "text": 5}], "text value '5' is invalid"),
        ("kling-3.0", {}, [FIRST, REFER], "contents.type value 'refer_image' is invalid"),
        ("kling-3.0", {}, [FIRST, {"type": "element", "element_id": "163", "id": "e"}], "Element id not found: 163"),
        ("kling-3.0", {}, [FIRST, {"type": "element", "element_id": "163"}], "contents.id can not be null"),
        ("kling-3.0", {}, [{"type": "first_frame", "url": "data:image/png;base64,AAAA"}], "not in a valid base64"),
        ("kling-3.0-turbo", {}, [FIRST, LAST], "contents.type value 'last_frame' is invalid"),
        ("kling-3.0-turbo", {}, [FIRST, {"type": "prompt", "text": "x" * 2501}], "can not exceed 2500, got 2501"),
        ("kling-2.5-turbo", {}, [FIRST, LAST], "last_frame only supports 1080p"),
        ("kling-2.6", {}, [FIRST, LAST], "last_frame only supports 1080p"),
        ("kling-2.6", {"resolution": "1080p", "audio": "native"}, [FIRST, LAST], "not supported with audio native"),
        ("kling-2.6", {}, [FIRST, {"type": "voice", "voice_id": "8", "id": "1"}], "needs audio native"),
    ],
)
def test_image_to_video_refuses(
    path: Client, model: str, settings: dict[str, Any], contents: object, message: str
) -> None:
    """Images come by their roles, and each model takes its own."""
    status, code, told = refusal(path, f"{I2V}/{model}", {"contents": contents, "settings": settings})
    assert (status, code) == (400, 1201)
    assert message in told
    assert path.simulator.ledger() == []


@pytest.mark.parametrize(
    ("model", "settings", "contents"),
    [
        ("kling-3.0", {"audio": "native"}, [PROMPT, FIRST, LAST]),
        ("kling-3.0", {}, [{"type": "first_frame", "url": png()}]),
        ("kling-3.0-turbo", {}, [FIRST]),
        ("kling-2.5-turbo", {"resolution": "1080p", "aspect_ratio": "nonsense"}, [FIRST, LAST]),
        ("kling-2.6", {"resolution": "1080p"}, [FIRST, LAST]),
        (
            "kling-2.6",
            {"resolution": "1080p", "audio": "native"},
            [FIRST, {"type": "voice", "voice_id": "8", "id": "1"}],
        ),
    ],
)
def test_image_to_video_accepts(path: Client, model: str, settings: dict[str, Any], contents: object) -> None:
    """A frame is a URL or bare base64; the ratio follows it, and is no setting here."""
    reply = path.post(f"{I2V}/{model}", {"contents": contents, "settings": settings})
    assert reply.json()["code"] == 0, reply.text


def test_files_may_be_larger_than_in_the_legacy_api(path: Client) -> None:
    """A frame of 11 MB is taken here, where the limit is 50 MB, and not by the legacy API."""
    large = base64.b64encode(base64.b64decode(png()) + bytes(11 * 1024 * 1024)).decode()
    body = {"contents": [{"type": "first_frame", "url": large}]}
    assert path.post(f"{I2V}/kling-3.0", body).json()["code"] == 0
    assert "exceeds the limit" in path.post("/v1/videos/image2video", {"image": large}).json()["message"]


@pytest.mark.parametrize(
    ("model", "settings", "contents", "message"),
    [
        ("kling-o1", {}, [PROMPT], "aspect_ratio can not be null"),
        ("kling-o1", {"aspect_ratio": "1:1"}, [REFER], "prompt can not be null"),
        ("kling-o1", {"aspect_ratio": "1:1", "duration": 3}, [PROMPT], "Duration only supports 5 or 10 seconds"),
        ("kling-o1", {"duration": 7}, [PROMPT, FIRST], "Duration only supports 5 or 10 seconds"),
        ("kling-o1", {"duration": 11}, [PROMPT, FIRST, REFER], "duration value '11' is invalid"),
        ("kling-o1", {"audio": "native"}, [PROMPT, FIRST], "audio value 'native' is invalid"),
        ("kling-o1", {"resolution": "4k"}, [PROMPT, FIRST], "video resolution value 4k is invalid"),
        ("kling-o1", {"audio": "original"}, [PROMPT, FIRST], "audio original needs a video"),
        ("kling-o1", {}, [PROMPT, LAST], "last_frame needs a first_frame"),
        ("kling-o1", {}, [PROMPT, FIRST, LAST, REFER], "and no refer_image"),
        ("kling-o1", {}, [PROMPT, FEATURE, BASE], "at most 1 video"),
        ("kling-o1", {}, [PROMPT, BASE, FIRST], "a base_video takes no first_frame"),
        ("kling-o1", {}, [PROMPT, FEATURE, FIRST, LAST], "a feature_video no last_frame"),
        ("kling-o1", {"aspect_ratio": "1:1"}, [PROMPT, *[REFER] * 8], "at most 7 images"),
        ("kling-o1", {}, [PROMPT, FEATURE, *[REFER] * 5], "4 with a video"),
        ("kling-o1", {}, [PROMPT, FIRST | {"id": "a"}, REFER | {"id": "a"}], "contents.id can not be duplicated"),
        ("kling-o1", {}, [PROMPT, {"type": "base_video", "url": "AAAA"}], "base_video.url value 'AAAA' is invalid"),
        ("kling-3.0-omni", {"audio": "native"}, [PROMPT, FEATURE], "audio native is not supported with a video"),
        ("kling-3.0-omni", {"audio": "original"}, [PROMPT, FEATURE], "audio original is not supported with a feature"),
        ("kling-3.0-omni", {"multi_shot": True}, [PROMPT, BASE], "multi_shot value 'True' is invalid"),
        ("kling-3.0-omni", {"multi_shot": False}, [PROMPT, FEATURE], "multi_shot value 'False' is invalid"),
    ],
)
def test_omni_refuses(path: Client, model: str, settings: dict[str, Any], contents: object, message: str) -> None:
    """The omni models have rules of their own about what goes together."""
    status, code, told = refusal(path, f"{OMNI}/{model}", {"contents": contents, "settings": settings})
    assert (status, code) == (400, 1201)
    assert message in told


@pytest.mark.parametrize(
    ("model", "settings", "contents", "usd"),
    [
        ("kling-o1", {"aspect_ratio": "1:1"}, [PROMPT], "0.42"),
        ("kling-o1", {"duration": 3}, [PROMPT, FIRST, REFER], "0.252"),
        ("kling-o1", {"duration": 7}, [PROMPT, FIRST, LAST], "0.588"),
        ("kling-o1", {}, [PROMPT, FIRST, LAST], "0.42"),
        ("kling-o1", {"audio": "original", "resolution": "1080p"}, [PROMPT, BASE, REFER], "0.84"),
        ("kling-3.0-omni", {"audio": "native", "resolution": "4k", "aspect_ratio": "9:16"}, [PROMPT], "2.1"),
    ],
)
def test_omni_accepts(path: Client, model: str, settings: dict[str, Any], contents: object, usd: str) -> None:
    """Frames, references and one video within the rules, at the list price."""
    reply = path.post(f"{OMNI}/{model}", {"contents": contents, "settings": settings})
    assert reply.json()["code"] == 0, reply.text
    assert [usd] == [str(charge.usd) for charge in path.simulator.ledger()]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        (f"{T2V}/kling-v3", 1203),
        (f"{T2V}/kling-o1", 1203),
        (f"{OMNI}/kling-3.0", 1203),
        (T2V, 1202),
        ("/motion-control/kling-3.0", 1202),
    ],
)
def test_unknown_models_and_paths(path: Client, place: str, code: int) -> None:
    """A model that a path does not have is 404/1203, a path that is not there 404/1202."""
    assert refusal(path, place, FOX)[:2] == (404, code)


def test_body_must_be_an_object(path: Client) -> None:
    """A body that is no JSON object is 400/1200."""
    assert refusal(path, f"{T2V}/kling-3.0", [])[:2] == refusal(path, "/tasks", [])[:2] == (400, 1200)


# --- endings and faults


def test_bad_pixels_fail_late(path: Client, clock: Clock) -> None:
    """A picture below 300 px is accepted, then fails with its message, unpaid."""
    body = {"contents": [PROMPT, {"type": "first_frame", "url": png(200, 400)}]}
    task = path.post(f"{I2V}/kling-3.0", body).json()["data"]
    clock.forward(1.7)
    item = only(path, task)
    assert ("failed", "Image pixel is invalid", []) == (item["status"], item["message"], item["outputs"])
    assert path.simulator.ledger()[0].refunded


def test_verdicts_on_a_submit(made: Made) -> None:
    """Funds, moderation and too many tasks are told as in the legacy API, after the parameters."""
    client = made(Fault(action="funds"), Fault(action="moderation", nth=2), Fault(action="busy", nth=3, code=1302))
    assert refusal(client, f"{T2V}/kling-3.0", {})[1] == 1201
    answers = [refusal(client, f"{T2V}/kling-3.0", FOX)[:2] for _ in range(3)]
    assert answers == [(429, 1102), (400, 1301), (429, 1302)]
    assert client.simulator.ledger() == []


def test_directives_and_faults_of_look_ups(made: Made, clock: Clock) -> None:
    """A prompt can spoil its own look-ups, also among others, and a fault can leave a task out."""
    client = made(Fault(action="missing", operation="find"), Fault(action="missing", operation="list"))
    good = submitted(client, options={"external_task_id": "own"})
    bad = submitted(client, prompt="fox #sim:poll-502:1 #sim:backwards:1 #sim:foreign")
    clock.forward(20_000)
    both = f"task_ids={good['id']},{bad['id']}"
    assert client.get(f"/tasks?{both}").status_code == 502
    assert ["succeeded", "processing"] == [item["status"] for item in found(client, both)]
    hosts = [item["outputs"][0]["url"].partition("/bs2")[0] for item in found(client, both)]
    assert hosts == ["http://simulator/cdn", "https://cdn.elsewhere.example"]
    assert [0, 1] == [len(found(client, "external_task_ids=own")) for _ in range(2)]
    assert [1, 2] == [len(listed(client)["result"]) for _ in range(2)]


def test_identical_requests_share_their_fate(path: Client, clock: Clock) -> None:
    """Our own id and the callback are no part of what a task is drawn from."""
    ids = []
    for number in range(2):
        simulator = Simulator(None, now=clock)
        client = Client(simulator, "kling", f"Bearer {API_KEY}")
        ids.append(submitted(client, options={"external_task_id": str(number), "callback_url": f"https://{number}"}))
        simulator.close()
    assert ids[0]["id"] == ids[1]["id"]
