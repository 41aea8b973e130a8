"""The pitfalls that users report: a naive client steps into each, and gets what the table says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from kling_nb.simulator import API_KEY, DIRECTIVES, Simulator
from kling_nb.simulator.fal_models import APP
from kling_nb.simulator.pitfalls import PITFALLS, Pitfall

from .conftest import Client, Clock, png, token

PAGE = Path(__file__).parent.parent.parent / "docs" / "simulator.md"
T2V, I2V = "/v1/videos/text2video", "/v1/videos/image2video"
RELAYED, GENERIC, OPENAI = "/kling/v1/videos/text2video", "/v1/video/generations", "/v1/videos"
PATH, CHANJING = "/text-to-video/kling-2.6", "/open/v1/ai_creation/task"
TURBO, SOUND = f"/{APP}/v2.5-turbo/pro/text-to-video", f"/{APP}/v2.6/pro"
FOX = {"model_name": "kling-v2-5-turbo", "prompt": "a red fox", "mode": "pro"}
VIDEO = {"creation_type": 4, "model_code": "kling-v2-5-turbo-normal", "ref_prompt": "a red fox"}
SIMULATED = "http://simulator"
SUBMITS: dict[str, tuple[str, dict[str, Any]]] = {
    "kling": (T2V, FOX),
    "fal": (TURBO, FOX),
    "quickrouter": (RELAYED, FOX | {"multi_shot": "false"}),
    "relay": (RELAYED, FOX | {"duration": 5}),
    "openroute": (RELAYED, FOX),
    "quickrouter-fal": (TURBO, FOX),
    "chanjing": (CHANJING + "/submit", VIDEO),
}
LOOKS = {name: f"{path}/{{}}" for name, (path, _) in SUBMITS.items()}
LOOKS |= dict.fromkeys(("fal", "quickrouter-fal"), f"/{APP}/requests/{{}}")
LOOKS |= {"chanjing": CHANJING + "?unique_id={}"}


class Stranger:
    """Who knows only HTTP, with keys for every provider; keeps what was sent and what came back."""

    def __init__(self, simulator: Simulator, clock: Clock) -> None:
        self.simulator, self.clock = simulator, clock
        self.sent, self.seen = "", ""
        keys = {name: "Bearer " + simulator.key(name) for name in simulator.providers}
        keys |= {"kling": f"Bearer {API_KEY}", "fal": "Key " + simulator.key("fal"), "chanjing": ""}
        self._clients = {name: Client(simulator, name, key) for name, key in keys.items()}

    def post(self, provider: str, path: str, body: object, **options: Any) -> httpx.Response:
        return self._noted(self._clients[provider].post(path, body, **options), json.dumps(body))

    def get(self, provider: str, path: str, **options: Any) -> httpx.Response:
        return self._noted(self._clients[provider].get(path, **options))

    def chanjing(self, **fields: Any) -> httpx.Response:
        return self.post("chanjing", CHANJING + "/submit", VIDEO | fields, headers=self.pass_of_chanjing())

    def pass_of_chanjing(self) -> dict[str, str]:
        app_id, _, secret = self.simulator.key("chanjing").partition(":")
        reply = self._clients["chanjing"].post("/open/v1/access_token", {"app_id": app_id, "secret_key": secret})
        return {"access_token": reply.json()["data"]["access_token"]}

    def begin(self, provider: str, prompt: str = "a red fox") -> str:
        """A task at any of them, by its id."""
        path, body = SUBMITS[provider]
        headers = self.pass_of_chanjing() if provider == "chanjing" else {}
        told = self.post(provider, path, body | {"prompt": prompt, "ref_prompt": prompt}, headers=headers).json()
        data = told.get("data", told)
        return str(data if isinstance(data, str) else data.get("task_id") or data["request_id"])

    def look(self, provider: str, task: str) -> httpx.Response:
        """How it is doing."""
        headers = self.pass_of_chanjing() if provider == "chanjing" else {}
        return self.get(provider, LOOKS[provider].format(task), headers=headers)

    def kling(self, path: str = T2V, **fields: Any) -> str:
        """A task at Kling, by its id."""
        return str(self.post("kling", path, FOX | fields).json()["data"]["task_id"])

    def link(self, task: str, path: str = T2V) -> str:
        """Where the clip of a finished task lies."""
        return str(self.get("kling", f"{path}/{task}").json()["data"]["task_result"]["videos"][0]["url"])

    def tasks(self) -> list[dict[str, Any]]:
        """What the simulator made of it, all told."""
        reply = self.get("kling", SIMULATED + "/_sim/tasks")
        return list(reply.json())

    def _noted(self, reply: httpx.Response, body: str = "") -> httpx.Response:
        self.sent += f"{reply.request.method} {reply.request.url} {body}\n"
        text = reply.text if "video" not in reply.headers.get("content-type", "") else f"{len(reply.content)} bytes"
        self.seen += f"HTTP {reply.status_code} {text}\n"
        return reply


Step = Callable[[Stranger], None]
STEPS: dict[int, Step] = {}


def into(number: int) -> Callable[[Step], Step]:
    """The client that steps into a pitfall."""

    def keep(step: Step) -> Step:
        STEPS[number] = step
        return step

    return keep


@into(1)
def _(stranger: Stranger) -> None:
    assert stranger.post("relay", RELAYED, FOX | {"duration": "5"}).status_code == 400
    assert stranger.post("relay", RELAYED, FOX | {"duration": 5}).status_code == 200
    assert stranger.post("openroute", RELAYED, FOX | {"duration": 5}).status_code == 500
    assert stranger.post("openroute", RELAYED, FOX | {"duration": "5"}).status_code == 200
    assert [stranger.post("kling", T2V, FOX | {"duration": length}).status_code for length in (5, "5")] == [200, 200]
    assert stranger.post("kling", PATH, {"prompt": "a fox", "settings": {"duration": "5"}}).json()["code"] == 1201
    assert stranger.chanjing(video_duration="5").json()["code"] == 400
    told = stranger.post("fal", TURBO, {"prompt": "a fox", "duration": "5s"}).json()
    stranger.clock.forward(3_000)
    assert stranger.get("fal", told["response_url"]).status_code == 422


@into(2)
def _(stranger: Stranger) -> None:
    body = {"model": "kling-v2-6", "prompt": "a red fox"}
    assert stranger.post("kling", T2V, body).status_code == 200
    assert stranger.post("relay", RELAYED, body).status_code == 200
    assert {task["model"] for task in stranger.tasks()} == {"kling-v1"}


@into(3)
def _(stranger: Stranger) -> None:
    lost = {"multi_shot": True, "shot_type": "intelligence", "sound": "on", "cfg_scale": 0}
    assert stranger.post("openroute", RELAYED, FOX | lost).status_code == 200
    native = {"negative_prompt": "blur", "aspect_ratio": "9:16", "camera_control": {"type": "forward_up"}}
    generic = {"model": "kling-v1", "prompt": "a red fox"} | native
    assert stranger.post("openroute", GENERIC, generic).status_code == 200
    one, other = (json.loads(task["request"]) for task in stranger.tasks())
    assert not set(one) & set(lost)
    assert not set(other) & (set(native) - {"aspect_ratio"})
    assert other["aspect_ratio"] == "1:1"


@into(4)
def _(stranger: Stranger) -> None:
    for provider, path in (("kling", T2V), ("fal", TURBO), ("openroute", RELAYED)):
        assert stranger.post(provider, path, FOX).status_code == 200
    assert [json.loads(task["scene"])["ratio"] for task in stranger.tasks()] == ["16:9", "16:9", "1:1"]


@into(5)
def _(stranger: Stranger) -> None:
    for provider, path in (("kling", T2V), ("relay", RELAYED), ("openroute", RELAYED)):
        assert stranger.post(provider, path, FOX | {"mode": "standard"}).status_code == 400
    body = FOX | {"mode": "high", "multi_shot": "false"}
    assert stranger.post("quickrouter", RELAYED, body).json()["code"] == "invalid_request"
    assert stranger.tasks() == []


@into(6)
def _(stranger: Stranger) -> None:
    assert stranger.post("kling", I2V, FOX).json()["message"] == "image can not be null"
    reply = stranger.post("openroute", RELAYED, FOX | {"prompt": "a fox #sim:misrouted"})
    assert (reply.status_code, reply.json()["code"]) == (400, "fail_to_fetch_task")
    assert json.loads(reply.json()["message"])["message"] == "image can not be null"
    assert stranger.tasks() == []


@into(7)
def _(stranger: Stranger) -> None:
    assert stranger.post("kling", I2V, FOX | {"image": "data:image/png;base64," + png()}).json()["code"] == 1201
    assert stranger.post("kling", I2V, FOX | {"image": png()}).status_code == 200


@into(8)
def _(stranger: Stranger) -> None:
    zoom = {"camera_control": {"type": "simple", "config": {"zoom": 5}}}
    still = {"camera_control": {"type": "simple", "config": dict.fromkeys(("horizontal", "pan", "zoom"), 0)}}
    v1 = {"model_name": "kling-v1", "mode": "std"}
    wrong = (FOX | zoom, FOX | v1 | zoom | {"duration": "10"}, FOX | v1 | still)
    assert [stranger.post("kling", T2V, body).json()["code"] for body in wrong] == [1201, 1201, 1201]
    assert stranger.post("kling", T2V, FOX | v1 | zoom).status_code == 200


@into(9)
def _(stranger: Stranger) -> None:
    both = {"image": png(), "image_tail": png(500, 400)}
    brush = {"static_mask": png(), "model_name": "kling-v1", "mode": "std"}
    master = {"model_name": "kling-v2-master"}
    wrong = ({"mode": "std"} | both, master | both, {"image_tail": png()}, both | brush)
    assert [stranger.post("kling", I2V, FOX | body).json()["code"] for body in wrong] == [1201] * 4
    assert stranger.post("kling", I2V, FOX | both).status_code == 200


@into(10)
def _(stranger: Stranger) -> None:
    codes = {}
    for name in ("busy", "rate-limit", "funds", "ip-list"):
        body = FOX | {"prompt": f"a fox #sim:{name}"}
        replies = [stranger.post("kling", T2V, body) for _ in range(3)]
        codes[name] = [reply.json()["code"] for reply in replies]
        assert {reply.status_code for reply in replies if reply.json()["code"]} == {429}
    assert codes == {"busy": [1303, 1303, 0], "rate-limit": [1302, 1302, 0], "funds": [1102] * 3, "ip-list": [1304] * 3}
    both = FOX | {"prompt": "a fox #sim:funds", "mode": "standard"}
    assert stranger.post("kling", T2V, both).json()["code"] == 1201


@into(11)
def _(stranger: Stranger) -> None:
    for provider in SUBMITS:
        with pytest.raises(ConnectionResetError):
            stranger.begin(provider, f"{provider} #sim:lost")
        stranger.begin(provider, f"{provider} #sim:lost")
        assert [charge.provider for charge in stranger.simulator.ledger()].count(provider) == 2
    body = FOX | {"external_task_id": "mine"}
    assert [stranger.post("kling", T2V, body).status_code for _ in range(2)] == [200, 400]


@into(12)
def _(stranger: Stranger) -> None:
    wrong = FOX | {"mode": "standard", "prompt": "a fox #sim:as-200"}
    for provider, path, code in (("kling", T2V, 1201), ("openroute", RELAYED, "fail_to_fetch_task")):
        reply = stranger.post(provider, path, wrong)
        assert (reply.status_code, reply.json()["code"]) == (200, code)
    assert stranger.chanjing(quality_mode="standard").status_code == 200
    assert stranger.tasks() == []
    reply = stranger.post("kling", T2V, FOX | {"prompt": "a fox #sim:as-400"})
    assert (reply.status_code, len(stranger.tasks())) == (400, 1)
    simulator = Simulator(None, errors_as_200=True)
    reply = Client(simulator, "kling", f"Bearer {API_KEY}").post(T2V, FOX | {"mode": "standard"})
    simulator.close()
    assert (reply.status_code, reply.json()["code"]) == (200, 1201)


@into(13)
def _(stranger: Stranger) -> None:
    tasks = [(T2V, stranger.kling(prompt="a fox #sim:risk-control")), (I2V, stranger.kling(I2V, image=png(200, 200)))]
    relayed = stranger.post("relay", RELAYED, FOX | {"prompt": "a fox #sim:risk-control"}).json()["data"]["task_id"]
    stranger.clock.forward(3_000)
    replies = [stranger.get("kling", f"{path}/{task}") for path, task in tasks]
    replies.append(stranger.get("relay", f"{RELAYED}/{relayed}"))
    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(200, 0)}


@into(14)
def _(stranger: Stranger) -> None:
    gateway = stranger.post("openroute", OPENAI, {"model": "kling-v1-6", "prompt": "a fox"}).json()["id"]
    assert stranger.get("openroute", f"{OPENAI}/{gateway}").json()["status"] == "unknown"
    native = {name: stranger.begin(name) for name in ("kling", "relay", "quickrouter")}
    relayed = stranger.begin("quickrouter-fal")
    path = stranger.post("kling", PATH, {"prompt": "a fox"}).json()["data"]["id"]
    fal = stranger.post("fal", TURBO, {"prompt": "a fox #sim:fail"}).json()
    said = stranger.post("fal", TURBO, {"prompt": "a fox #sim:fail #sim:failed-word"}).json()
    uuid = stranger.chanjing().json()["data"]
    stranger.clock.forward(3_000)
    for name, task in native.items():
        assert '"task_status":"succeed"' in stranger.look(name, task).text
    assert set(stranger.look("quickrouter-fal", relayed).json()) == {"video"}
    assert stranger.get("kling", f"/tasks?task_ids={path}").json()["data"][0]["status"] == "succeeded"
    assert stranger.get("openroute", f"{OPENAI}/{gateway}").json()["status"] == "completed"
    assert stranger.get("openroute", f"{GENERIC}/{gateway}").json()["data"]["status"] == "SUCCESS"
    assert stranger.get("fal", fal["status_url"]).json()["status"] == "COMPLETED"
    assert stranger.get("fal", fal["response_url"]).status_code == 500
    assert stranger.get("fal", said["status_url"]).json()["status"] == "FAILED"
    reply = stranger.get("chanjing", f"{CHANJING}?unique_id={uuid}", headers=stranger.pass_of_chanjing())
    assert reply.json()["data"]["progress_desc"] == "Success"


@into(15)
def _(stranger: Stranger) -> None:
    gateway = stranger.post("openroute", OPENAI, {"model": "kling-v1-6", "prompt": "a fox"}).json()["id"]
    stranger.kling()
    uuid = stranger.begin("chanjing")
    stranger.get("openroute", f"{OPENAI}/{gateway}")
    stranger.get("openroute", f"{GENERIC}/{gateway}")
    stranger.get("chanjing", f"{CHANJING}?unique_id={uuid}", headers=stranger.pass_of_chanjing())
    units = re.findall(r'"created_at":(\d+)', stranger.seen)
    assert [len(at) for at in units] == [10, 13, 13, 10]


@into(16)
def _(stranger: Stranger) -> None:
    tasks = {name: stranger.begin(name, "a fox #sim:clip-expired") for name in SUBMITS}
    page, plain, relayed = stranger.kling(prompt="a fox #sim:clip-html"), stranger.kling(), stranger.begin("openroute")
    stranger.clock.forward(3_000)
    links = [
        re.findall(r"http://simulator/cdn/[^\"]+", stranger.look(name, task).text)[0] for name, task in tasks.items()
    ]
    assert {stranger.get("kling", link).status_code for link in links} == {403, 404}
    link = stranger.link(plain)
    assert [stranger.get("kling", one).status_code for one in (stranger.link(page), link)] == [200, 200]
    stranger.clock.forward(4 * 86_400)
    assert stranger.get("openroute", f"{OPENAI}/{relayed}/content").status_code == 502
    assert stranger.get("kling", link).status_code == 200
    stranger.clock.forward(30 * 86_400)
    assert stranger.get("kling", link).status_code == 403


@into(17)
def _(stranger: Stranger) -> None:
    told = stranger.post("fal", TURBO, {"prompt": "a fox"}).json()
    assert stranger.get("fal", f"{TURBO}/requests/{told['request_id']}/status").status_code == 405
    relayed = stranger.post("quickrouter-fal", TURBO, {"prompt": "a fox"}).json()
    assert relayed["response_url"].startswith("https://queue.fal.run/")
    body = {"prompt": "a fox", "image_url": "data:image/png;base64," + png()}
    told = stranger.post("fal", f"{SOUND}/image-to-video", body).json()
    stranger.clock.forward(3_000)
    assert stranger.get("fal", told["status_url"]).json()["status"] == "COMPLETED"
    assert stranger.get("fal", told["response_url"]).json()["detail"][0]["loc"] == ["body", "start_image_url"]
    stranger.post("fal", f"{SOUND}/text-to-video", {"prompt": "a fox"})
    stranger.post("fal", f"{SOUND}/text-to-video", {"prompt": "a fox", "generate_audio": False})
    assert [str(charge.usd) for charge in stranger.simulator.ledger()[-2:]] == ["0.7", "0.35"]
    assert '"usd":"0.7"' in stranger.get("fal", SIMULATED + "/_sim/ledger").text
    spaced = {"authorization": "Key " + stranger.simulator.key("fal").replace(":", ": ")}
    assert stranger.post("fal", TURBO, {"prompt": "a fox"}, headers=spaced).status_code == 401
    assert stranger.post("fal", TURBO, {"prompt": "a fox #sim:funds"}).status_code == 403


@into(18)
def _(stranger: Stranger) -> None:
    stranger.kling(model_name="kling-v2-6", generate_audio=True)
    (task,) = stranger.tasks()
    assert json.loads(task["scene"])["sound"] is False
    reply = stranger.post("kling", T2V, FOX | {"model_name": "kling-v2-6", "mode": "std", "sound": "on"})
    assert reply.json()["code"] == 1201


@into(19)
def _(stranger: Stranger) -> None:
    now, key = stranger.clock(), stranger.simulator.key("kling")
    signed, early = (token(key, now), token(key, now, nbf=int(now) + 60))
    task = stranger.kling()

    def codes(path: str, *tokens: str) -> list[int]:
        headers = [{"authorization": f"Bearer {one}"} for one in tokens]
        return [stranger.get("kling", path, headers=header).json()["code"] for header in headers]

    assert codes(f"{T2V}/{task}", signed, early) == [0, 1003]
    assert codes(f"/tasks?task_ids={task}", signed) == [1002]
    stranger.clock.forward(1_801)
    assert codes(f"{T2V}/{task}", signed) == [1004]
    expired = FOX | {"prompt": "a fox #sim:token-expired"}
    assert [stranger.post("kling", T2V, expired).json()["code"] for _ in range(2)] == [1004, 0]
    region = stranger.post("kling", T2V, FOX | {"prompt": "a fox #sim:region"})
    assert (region.status_code, region.json()["code"]) == (401, 1000)


@into(20)
def _(stranger: Stranger) -> None:
    again = FOX | {"prompt": "a fox #sim:risk-control:1"}
    same = FOX | {"prompt": "a fox #sim:same-clip"}
    tasks = [stranger.post("kling", T2V, body).json()["data"]["task_id"] for body in (again, again, same, same)]
    stranger.clock.forward(3_000)
    tasks += [stranger.kling(seed=1), stranger.kling(seed=1)]
    stranger.clock.forward(3_000)
    words = [stranger.get("kling", f"{T2V}/{task}").json()["data"]["task_status"] for task in tasks]
    assert words == ["failed", "succeed", "succeed", "succeed", "succeed", "succeed"]
    clips = [stranger.get("kling", stranger.link(task)).content for task in tasks[2:]]
    assert clips[0] == clips[1]
    assert clips[2] != clips[3]
    assert len(stranger.simulator.ledger()) == 6
    for provider, path, body in (("fal", TURBO, FOX), ("relay", RELAYED, FOX), ("openroute", RELAYED, FOX)):
        for _ in range(2):
            stranger.post(provider, path, body | {"seed": 1})
    for _ in range(2):
        stranger.chanjing(seed=1)
    takes = [json.loads(task["scene"])["take"] for task in stranger.tasks()[6:]]
    assert takes == [1, 2] * 4


@into(21)
def _(stranger: Stranger) -> None:
    tasks = {name: stranger.begin(name, "a fox #sim:long") for name in SUBMITS}
    for minutes, there in ((10, False), (50, False), (6, True)):
        stranger.clock.forward(60 * minutes)
        told = [stranger.look(name, task).text for name, task in tasks.items()]
        assert [".mp4" in text for text in told] == [there] * len(tasks)
    assert len(stranger.simulator.ledger()) == len(tasks)


@into(22)
def _(stranger: Stranger) -> None:
    assert stranger.post("kling", T2V, FOX | {"prompt": "x" * 2501}).json()["code"] == 1201
    path = "/text-to-video/kling-3.0"
    replies = [stranger.post("kling", path, {"prompt": "x" * length}).json()["code"] for length in (2501, 3073)]
    assert replies == [0, 1201]


@into(23)
def _(stranger: Stranger) -> None:
    gateway = stranger.post("openroute", OPENAI, {"model": "kling-v1-6", "prompt": "a fox"}).json()["id"]
    (task,) = stranger.tasks()
    words = []
    for at in (task["started_at"] + 6, task["ended_at"] + 0.001, task["ended_at"] + 5.001):
        stranger.clock.seconds = at
        told = stranger.get("openroute", f"{OPENAI}/{gateway}").json()
        words.append((told["status"], "completed_at" in told))
    assert words == [("in_progress", True), ("in_progress", True), ("completed", True)]


@into(24)
def _(stranger: Stranger) -> None:
    reply = stranger.post("kling", T2V, FOX | {"mode": "standard"}).json()
    assert set(reply) == {"code", "message", "request_id"}


class TestPitfalls:
    """Each row of the table."""

    @pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda pitfall: pitfall.name)
    def test_who_steps_into_it_gets_what_the_table_says(
        self, pitfall: Pitfall, simulator: Simulator, clock: Clock
    ) -> None:
        """What the row quotes is in the answers, at every provider and by every scenario that it names."""
        stranger = Stranger(simulator, clock)
        STEPS[pitfall.number](stranger)
        quoted = re.findall(r"`([^`]+)`", pitfall.seen)
        assert [words for words in quoted if words not in stranger.seen + stranger.sent] == []
        assert [name for name in pitfall.directives if f"#sim:{name}" not in stranger.sent] == []
        assert [name for name in pitfall.providers if f"{SIMULATED}/{name}/" not in stranger.sent] == []

    def test_there_are_twenty_four(self) -> None:
        """They are numbered through, each has a name of its own, and every scenario exists."""
        assert [pitfall.number for pitfall in PITFALLS] == [*range(1, 25)]
        assert len({pitfall.name for pitfall in PITFALLS}) == 24
        assert {name for pitfall in PITFALLS for name in pitfall.directives} <= set(DIRECTIVES)

    @pytest.mark.parametrize("pitfall", PITFALLS, ids=lambda pitfall: pitfall.name)
    def test_the_page_has_the_same_row(self, pitfall: Pitfall) -> None:
        """The page about the simulator shows the table as it is in the code."""
        assert pitfall.row() in PAGE.read_text("utf-8").splitlines()

    @pytest.mark.parametrize("name", DIRECTIVES)
    def test_the_page_has_every_scenario(self, name: str) -> None:
        """The page names every scenario that a prompt can ask for."""
        assert f"| `#sim:{name}` |" in PAGE.read_text("utf-8")
