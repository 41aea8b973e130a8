"""Provider ``chanjing``: tokens, strict types, and codes under HTTP 200."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from kling_nb.simulator import Fault, Simulator

from .conftest import START, Client, Clock

TOKEN, TASK = "/open/v1/access_token", "/open/v1/ai_creation/task"
FOX = {
    "ref_prompt": "a red fox",
    "creation_type": 4,
    "aspect_ratio": "16:9",
    "quality_mode": "std",
    "video_duration": 5,
    "model_code": "kling-v2-5-turbo-normal",
}
PAIR = {"ref_img_url": ["https://example.org/a.png", "https://example.org/b.png"]}


def fresh(simulator: Simulator) -> dict[str, Any]:
    app_id, _, secret = simulator.key("chanjing").partition(":")
    data: dict[str, Any] = (
        Client(simulator, "chanjing").post(TOKEN, {"app_id": app_id, "secret_key": secret}).json()["data"]
    )
    return data


class Holder(Client):
    """A client that sends an access token in the header of that name."""

    def __init__(self, simulator: Simulator, token: str) -> None:
        super().__init__(simulator, "chanjing")
        self.token = token

    def send(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        return super().send(method, path, body, headers={"access_token": self.token}, **options)


@pytest.fixture
def chanjing(simulator: Simulator) -> Holder:
    return Holder(simulator, fresh(simulator)["access_token"])


Made = Callable[..., Holder]


@pytest.fixture
def made(clock: Clock, request: pytest.FixtureRequest) -> Made:
    """Clients of simulators with a script or other dials, closed at the end."""

    def make(*faults: Fault, **dials: Any) -> Holder:
        simulator = Simulator(None, now=clock, faults=faults, **dials)
        request.addfinalizer(simulator.close)
        return Holder(simulator, fresh(simulator)["access_token"])

    return make


def code(reply: httpx.Response) -> int:
    assert reply.status_code == 200, reply.text
    assert set(reply.json()) == {"trace_id", "code", "msg", "data"}
    return int(reply.json()["code"])


def submitted(client: Client, **fields: Any) -> str:
    reply = client.post(f"{TASK}/submit", FOX | fields)
    assert code(reply) == 0, reply.text
    return str(reply.json()["data"])


def shown(client: Client, task: str) -> dict[str, Any]:
    data: dict[str, Any] = client.get(f"{TASK}?unique_id={task}").json()["data"]
    return data


def page(client: Client, **fields: Any) -> dict[str, Any]:
    reply = client.post(f"{TASK}/page", {"unique_ids": [], "type": 4, "page": 1, "page_size": 50} | fields)
    assert code(reply) == 0, reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


# --- tokens


def test_a_token_tells_its_end_as_an_instant(simulator: Simulator) -> None:
    """``expire_in`` is the unix second at which the token ends, a day ahead."""
    assert fresh(simulator)["expire_in"] == START + 86_400


@pytest.mark.parametrize("body", [{}, {"app_id": "x", "secret_key": "y"}, {"app_id": "simulated-app-0000"}])
def test_wrong_credentials(simulator: Simulator, body: dict[str, str]) -> None:
    """Missing or wrong credentials are 40000, one of the codes that the token endpoint has."""
    assert code(Client(simulator, "chanjing").post(TOKEN, body)) == 40000


@pytest.mark.parametrize("body", [{"app_id": 5, "secret_key": "y"}, [], "x"])
def test_credentials_of_another_type(simulator: Simulator, body: object) -> None:
    """A body that is no object of strings is 400."""
    assert code(Client(simulator, "chanjing").post(TOKEN, body)) == 400


@pytest.mark.parametrize("forged", ["", "x", "a.b.c", "ffffffffff.0000.ab", "é"])
def test_a_bad_token(simulator: Simulator, forged: str) -> None:
    """No token, or one that was not issued, is 10400 everywhere, before anything else is read."""
    client = Holder(simulator, forged.encode())  # type: ignore[arg-type]
    for reply in (client.get(TASK), client.post(f"{TASK}/submit", []), client.post(f"{TASK}/page", [])):
        assert code(reply) == 10400


def test_several_tokens_are_good_at_once_and_each_ends(simulator: Simulator, clock: Clock) -> None:
    """A newer token leaves the older one good until its own end."""
    old = Holder(simulator, fresh(simulator)["access_token"])
    clock.forward(3600)
    new = Holder(simulator, fresh(simulator)["access_token"])
    assert old.token != new.token
    clock.forward(86_400 - 3601)
    assert [0, 0] == [code(client.post(f"{TASK}/page", {})) for client in (old, new)]
    clock.forward(1)
    assert [10400, 0] == [code(client.post(f"{TASK}/page", {})) for client in (old, new)]


def test_the_life_of_a_token_is_a_dial_on_its_own_clock(made: Made, clock: Clock) -> None:
    """``lifetimes`` shortens tokens, and the clock of credentials rules them, not that of tasks."""
    real = Clock()
    client = made(token_now=real, lifetimes={"chanjing-token": 300})
    clock.forward(10**6)
    assert code(client.post(f"{TASK}/page", {})) == 0
    assert fresh(client.simulator)["expire_in"] == START + 300
    real.forward(300)
    assert code(client.post(f"{TASK}/page", {})) == 10400


def test_the_token_endpoint_has_faults_too(made: Made) -> None:
    """A fault can name the operation ``token``."""
    client = made(Fault(action="html", operation="token", nth=2))
    body = dict(zip(("app_id", "secret_key"), client.simulator.key("chanjing").split(":"), strict=True))
    assert [502, 200] == [Client(client.simulator, "chanjing").post(TOKEN, body).status_code for _ in range(2)]


# --- submit


def test_a_submit_answers_the_id_as_a_bare_string(chanjing: Holder) -> None:
    """The data of a submit is the task's id, and the trace id has 32 hexadecimal digits."""
    told = chanjing.post(f"{TASK}/submit", FOX).json()
    assert (0, "success") == (told["code"], told["msg"])
    assert [8, 4, 4, 4, 12] == [len(part) for part in told["data"].split("-")]
    assert len(bytes.fromhex(told["trace_id"])) == 16


@pytest.mark.parametrize(
    "fields",
    [
        {"creation_type": "4"},
        {"creation_type": 4.0},
        {"creation_type": True},
        {"video_duration": "5"},
        {"video_duration": True},
        {"ref_prompt": 5},
        {"model_code": ["kling-v2-5-turbo-normal"]},
        {"aspect_ratio": 1},
        {"quality_mode": {}},
        {"clarity": "720"},
        {"ref_img_url": "https://example.org/a.png"},
        {"ref_img_url": [5]},
        {"callback": 5},
    ],
)
def test_a_wrong_type_is_400(chanjing: Holder, fields: dict[str, Any]) -> None:
    """A value of another JSON type is 400, and nothing is charged."""
    assert code(chanjing.post(f"{TASK}/submit", FOX | fields)) == 400
    assert chanjing.simulator.ledger() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"creation_type": 3},
        {"creation_type": None},
        {"model_code": "kling-v2-5-turbo"},
        {"model_code": None},
        {"ref_prompt": " "},
        {"ref_prompt": None},
        {"video_duration": 6},
        {"quality_mode": "high"},
        {"aspect_ratio": "21:9"},
        {"clarity": 4096},
        {"ref_img_url": ["data:image/png;base64,AAAA"]},
        PAIR,
    ],
)
def test_a_wrong_value_is_40000(chanjing: Holder, fields: dict[str, Any]) -> None:
    """A value outside the page's is 40000, and nothing is charged."""
    assert code(chanjing.post(f"{TASK}/submit", FOX | fields)) == 40000
    assert chanjing.simulator.ledger() == []


@pytest.mark.parametrize(
    ("fields", "usd"),
    [
        ({}, "0.21"),
        ({"quality_mode": "pro", "video_duration": 10, "negative_prompt": 5, "cfg_scale": "x"}, "0.7"),
        ({"ref_img_url": [], "aspect_ratio": "3:4", "callback": "https://example.org/cb"}, "0.21"),
        ({"model_code": "tx_kling-v2-1-master", "clarity": 1080} | PAIR, "1.4"),
        ({"video_duration": None, "quality_mode": None, "aspect_ratio": None}, "0.21"),
    ],
)
def test_a_good_submit_is_charged_at_the_list_price(chanjing: Holder, fields: dict[str, Any], usd: str) -> None:
    """Within the page everything passes, unknown keys are ignored, and Kling's own price is charged."""
    submitted(chanjing, **fields)
    assert [usd] == [str(charge.usd) for charge in chanjing.simulator.ledger()]


def test_the_callback_changes_nothing(made: Made) -> None:
    """Where a callback goes is no part of what a task is drawn from."""
    ids = [submitted(made(), callback=f"https://example.org/{n}") for n in range(2)]
    assert ids[0] == ids[1]


# --- look-ups


def test_words_follow_the_clock(chanjing: Holder, clock: Clock) -> None:
    """A task is queued, ready, generating and a success, with times in seconds."""
    task, words = submitted(chanjing), []
    for _ in range(300):
        data = shown(chanjing, task)
        words += [data["progress_desc"]] if data["progress_desc"] not in words[-1:] else []
        if words[-1] == "Success":
            break
        assert data["output_url"] == []
        clock.forward(1)
    assert words == ["Queued", "Ready", "Generating", "Success"]
    assert (data["unique_id"], data["create_time"], data["type"], data["err_msg"]) == (task, int(START), 4, "")
    assert data["motion_info"] == {
        "photo_path_url": "",
        "ref_prompt": "a red fox",
        "clarity": 0,
        "quality_mode": "std",
        "style": "",
        "aspect_ratio": "16:9",
        "video_duration": 5,
    }
    (url,) = data["output_url"]
    assert Client(chanjing.simulator, "chanjing").get(url).content[4:8] == b"ftyp"


@pytest.mark.parametrize("query", ["", "?unique_id=", "?unique_id=nothing"])
def test_an_unknown_task_is_40000(chanjing: Holder, query: str) -> None:
    """No id, or one of no task, is 40000."""
    assert code(chanjing.get(TASK + query)) == 40000


def test_a_page_lists_those_asked_for(chanjing: Holder, clock: Clock) -> None:
    """A page holds the asked ids that exist, newest first; no ids ask for all."""
    ids = [submitted(chanjing, ref_prompt=f"fox {n}") for n in range(3)]
    asked = page(chanjing, unique_ids=[ids[0], "nothing", ids[2]])
    assert [ids[2], ids[0]] == [item["unique_id"] for item in asked["list"]]
    assert asked["total"] == 2
    second = page(chanjing, page=2, page_size=2)
    assert [ids[0]] == [item["unique_id"] for item in second["list"]]
    assert second["page_info"] == {"page": 2, "size": 2, "total_count": 3, "total_page": 2}
    assert page(chanjing, type=3)["list"] == page(chanjing, is_success=True)["list"] == []
    clock.forward(5000)
    assert len(page(chanjing, is_success=True)["list"]) == 3


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"unique_ids": ["x"] * 50}, 0),
        ({"unique_ids": ["x"] * 51}, 40000),
        ({"page_size": 51}, 40000),
        ({"page": 0}, 40000),
        ({"type": 5}, 40000),
        ({"page": "1"}, 400),
        ({"unique_ids": "x"}, 400),
        ({"is_success": 1}, 400),
    ],
)
def test_bounds_of_a_page(chanjing: Holder, fields: dict[str, Any], expected: int) -> None:
    """At most 50 ids and 50 tasks, numbers as numbers."""
    assert code(chanjing.post(f"{TASK}/page", {"type": 4} | fields)) == expected


def test_nowhere(chanjing: Holder) -> None:
    """Any other path or method is a 404 without JSON."""
    for method, path in (("GET", TOKEN), ("POST", TASK), ("GET", "/open/v2/x")):
        assert chanjing.send(method, path).status_code == 404


# --- faults


@pytest.mark.parametrize(
    ("action", "reason"),
    [("fail", "任务失败,本次生成不消耗蝉豆"), ("moderation", "内容审核未通过"), ("risk-control", "内容审核未通过")],
)
def test_a_failure_says_so_and_costs_nothing(made: Made, clock: Clock, action: str, reason: str) -> None:
    """A failed task is an Error with a message, and its charge is taken back."""
    client = made(Fault(action=action))
    task = submitted(client)
    assert shown(client, task)["err_msg"] == ""
    clock.forward(5000)
    data = shown(client, task)
    assert ("Error", []) == (data["progress_desc"], data["output_url"])
    assert reason in data["err_msg"]
    assert client.simulator.ledger()[0].refunded


def test_too_many_requests_and_no_funds(made: Made) -> None:
    """One request too many is 40001, no funds 40000; a fault may name another documented code."""
    client = made(Fault(action="busy"), Fault(action="busy", nth=2, code=50000), Fault(action="funds", nth=3))
    assert [40001, 50000, 40000, 0] == [code(client.post(f"{TASK}/submit", FOX)) for _ in range(4)]
    assert len(client.simulator.ledger()) == 1


def test_look_ups_may_lie(made: Made, clock: Clock) -> None:
    """A task may go backwards, be missing from a page, or lead to another host."""
    script = [
        Fault(action="backwards", operation="status"),
        Fault(action="missing"),
        Fault(action="foreign", operation="status", nth=2),
    ]
    client = made(*script)
    task = submitted(client)
    clock.forward(5000)
    early = shown(client, task)
    assert ("Generating", []) == (early["progress_desc"], early["output_url"])
    hosts = [shown(client, task)["output_url"][0].partition("/chanjing")[0] for _ in range(2)]
    assert hosts == ["https://cdn.elsewhere.example", "http://simulator/cdn"]
    assert [0, 1] == [page(client)["total"] for _ in range(2)]


def test_above_the_slots_it_waits(made: Made, clock: Clock) -> None:
    """With every slot taken a task waits; it is never refused for that."""
    client = made(slots={"chanjing": 1})
    tasks = [submitted(client, ref_prompt=f"fox {n}") for n in range(4)]
    most = 0
    for _ in range(200):
        words = [shown(client, task)["progress_desc"] for task in tasks]
        most = max(most, words.count("Generating"))
        clock.forward(7)
    assert (1, {"Success"}) == (most, set(words))
