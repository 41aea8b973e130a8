"""Other people's JavaScript clients against the simulator, over a real socket, by the scripts in ``tests/javascript``.

* ``@fal-ai/client`` 1.10.1 speaks fal's queue.  It builds its URLs itself, so its ``requestMiddleware`` names the host.
* ``@ai-sdk/fal`` 2.0.59 asks fal's queue for nothing but results.  It writes ``https://queue.fal.run`` into its URLs
  whatever ``baseURL`` says, so its ``fetch`` leads elsewhere and back.
* ``kling-api`` 1.0.0 speaks native Kling.  It insists on https, and node trusts the simulator's authority by
  ``NODE_EXTRA_CA_CERTS``.  Its ``saveVideoResult`` refuses loopback addresses, so it downloads no clip here.
* ``openai`` 6.49.0 speaks to ``openroute``; 7 wants node 22, as ``@ai-sdk/fal`` 3 does.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kling_nb.simulator import Fault, Simulator, running
from kling_nb.simulator.tls import certificate

from .conftest import png
from .test_strangers import Hurrying

SCRIPTS = Path(__file__).parents[1] / "javascript"
NODE = shutil.which("node")
# npm writes this list last: a half-made folder has none.
INSTALLED = (SCRIPTS / "node_modules" / ".package-lock.json").exists()

if not (NODE and INSTALLED):
    pytest.skip("needs node and packages: npm ci --prefix tests/javascript", allow_module_level=True)

Play = Callable[[str], Any]


def play(script: str, scenario: str, folder: Path, **variables: str) -> Any:
    """What *script* prints, run in *folder* with these variables and without anybody's keys or proxies."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    command = [str(NODE), str(SCRIPTS / script), scenario]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    clock = Hurrying(getattr(request, "param", 10.0))
    faults = [Fault(action="funds", prompt="broke", times=None)]
    # The scripts sign their tokens by the real time.
    simulator = Simulator(None, now=clock, token_now=time.time, faults=faults)
    yield simulator
    simulator.close()


@pytest.fixture
def fal(simulator: Simulator, tmp_path: Path) -> Iterator[Play]:
    with running(simulator) as base:
        at, key = base + simulator.path("fal"), simulator.key("fal")
        yield lambda scenario: play("fal.mjs", scenario, tmp_path, SIMULATOR=at, KEY=key)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "fox.png"
    path.write_bytes(base64.b64decode(png()))
    return path


@pytest.fixture
def ai_sdk(simulator: Simulator, tmp_path: Path, picture: Path) -> Iterator[Play]:
    with running(simulator) as base:
        variables = {"SIMULATOR": base + simulator.path("fal"), "KEY": simulator.key("fal"), "PICTURE": str(picture)}
        yield lambda scenario: play("ai-sdk-fal.mjs", scenario, tmp_path, **variables)


@pytest.fixture
def openai(simulator: Simulator, tmp_path: Path, picture: Path) -> Iterator[Play]:
    with running(simulator) as base:
        at, key = base + simulator.path("openroute"), simulator.key("openroute")
        yield lambda scenario: play("openai.mjs", scenario, tmp_path, SIMULATOR=at, KEY=key, PICTURE=str(picture))


@pytest.fixture
def kling(simulator: Simulator, tmp_path: Path, picture: Path) -> Iterator[Play]:
    made = certificate(tmp_path)
    with running(simulator, tls=made) as base:
        variables = {
            "SIMULATOR": base + simulator.path("kling"),
            "KEY": simulator.key("kling").partition(",")[0],
            "PICTURE": str(picture),
            "NODE_EXTRA_CA_CERTS": str(made.authority),
        }
        yield lambda scenario: play("kling.mjs", scenario, tmp_path, **variables)


def request_of(simulator: Simulator) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(simulator._world.store.tasks()[-1].request)
    return made


# --- @fal-ai/client


def test_fal_subscribes(fal: Play, simulator: Simulator) -> None:
    """The client submits, polls by ids of its own making, and gets the clip's URL and the request's id."""
    told = fal("subscribe")
    assert told["data"]["video"]["url"].endswith(".mp4")
    assert "COMPLETED" == told["seen"][-1]["status"]
    assert told["requestId"] == told["seen"][-1]["request_id"]
    assert ["Starting generation", "Generation finished"] == [line["message"] for line in told["seen"][-1]["logs"]]
    assert len(simulator.ledger()) == 1


@pytest.mark.parametrize("simulator", [2.0], indirect=True)
def test_fal_streams(fal: Play) -> None:
    """In its streaming mode the client hears every state once and each log line once, and then gets the clip."""
    told = fal("streams")
    assert told["data"]["video"]["url"].endswith(".mp4")
    words = [update["status"] for update in told["seen"]]
    assert ["IN_PROGRESS", "COMPLETED"] == list(dict.fromkeys(words))[-2:]
    # The client adds up the lines of all events.
    assert ["Starting generation", "Generation finished"] == [line["message"] for line in told["seen"][-1]["logs"]]


@pytest.mark.parametrize("simulator", [0.01], indirect=True)
def test_fal_cancels(fal: Play) -> None:
    """A request has a place in the queue, no result yet, and is completed with an error once cancelled."""
    told = fal("handle")
    assert "IN_QUEUE" == told["submitted"]["status"]
    assert told["before"]["status"] in ("IN_QUEUE", "IN_PROGRESS")
    assert ("ApiError", 400) == (told["early"]["name"], told["early"]["status"])
    assert {"detail": "Request is still in progress"} == told["early"]["body"]
    assert ("COMPLETED", "client_cancelled") == (told["after"]["status"], told["after"]["error_type"])
    assert (400, {"status": "ALREADY_COMPLETED"}) == (told["again"]["status"], told["again"]["body"])


def test_fal_sees_validation_at_the_result(fal: Play) -> None:
    """A bad input is the client's ValidationError, with the field that is wrong and the request's id."""
    told = fal("invalid")
    assert ("ValidationError", 422) == (told["name"], told["status"])
    assert [["body", "duration"]] == [error["loc"] for error in told["fieldErrors"]]
    assert told["requestId"]


def test_fal_sees_the_lock(fal: Play, simulator: Simulator) -> None:
    """An exhausted balance is a 403 at submit, and nothing is charged."""
    told = fal("broke")
    assert ("ApiError", 403) == (told["name"], told["status"])
    assert "Exhausted balance" in told["body"]["detail"]
    assert simulator.ledger() == []


# --- kling-api


def test_kling_makes_a_clip_of_a_text(kling: Play, simulator: Simulator) -> None:
    """The client's signed token is let in; a task is found by its id and by the caller's own, and ends with a clip."""
    told = kling("text")
    task, own, result = (told[name]["data"] for name in ("submitted", "byOwnId", "result"))
    assert (0, "submitted") == (told["submitted"]["code"], task["task_status"])
    assert (task["task_id"], "fox-1") == (own["task_id"], own["task_info"]["external_task_id"])
    assert ("succeed", "10.041") == (result["task_status"], result["task_result"]["videos"][0]["duration"])
    made = request_of(simulator)
    assert ("kling-v1-6", "pro", "10", 0.7) == tuple(made[k] for k in ("model_name", "mode", "duration", "cfg_scale"))
    assert [Decimal(result["final_balance_deduction"]["list_price"])] == [c.usd for c in simulator.ledger()]


def test_kling_makes_a_clip_of_a_picture(kling: Play, simulator: Simulator) -> None:
    """A picture from a file arrives as bare base64, and the task is asked for under its own path."""
    told = kling("image")
    assert told["result"]["data"]["task_result"]["videos"][0]["url"].endswith(".mp4")
    assert png() == request_of(simulator)["image"]
    assert "image2video" == simulator._world.store.tasks()[0].endpoint


def test_kling_tells_a_failure(kling: Play) -> None:
    """A task that failed under HTTP 200 is the client's error, with the reason of ``task_status_msg``."""
    told = kling("failure")
    assert ("KlingAPIError", "Failure to pass the risk control system") == (told["name"], told["message"])


def test_kling_sees_refusals(kling: Play, simulator: Simulator) -> None:
    """A camera in pro mode, an unknown task and a wrong secret are the client's errors with Kling's codes, for free."""
    told = kling("refusals")
    assert {"camera": (400, 1201), "task": (404, 1203), "key": (401, 1000)} == {
        what: (error["httpStatus"], error["code"]) for what, error in told.items()
    }
    assert "camera_control is only supported" in told["camera"]["message"]
    assert all(error["requestId"] for error in told.values())
    assert simulator.ledger() == []


# --- @ai-sdk/fal

REQUESTS = "/fal-ai/kling-video/requests/"


def test_ai_sdk_makes_a_clip_of_a_text(ai_sdk: Play, simulator: Simulator) -> None:
    """The client asks for the result until it is no longer in progress, by the address of the submit's answer."""
    told = ai_sdk("text")
    (video,) = told["videos"]
    assert (".mp4", "video/mp4") == (video["url"][-4:], video["mediaType"])
    submit, *polls = told["asked"]
    assert "POST /fal-ai/kling-video/v2.5-turbo/pro/text-to-video" == submit
    assert {f"GET {REQUESTS}{simulator.ledger()[0].task_id}"} == set(polls)
    assert len(polls) > 1
    assert {"prompt": "a red fox", "aspect_ratio": "9:16"} == request_of(simulator)


def test_ai_sdk_makes_a_clip_of_a_picture(ai_sdk: Play, simulator: Simulator) -> None:
    """A picture from a file arrives as a data URI."""
    assert ai_sdk("image")["videos"][0]["url"].endswith(".mp4")
    assert "data:image/png;base64," + png() == request_of(simulator)["image_url"]


def test_ai_sdk_sends_a_length_that_fal_does_not_take(ai_sdk: Play) -> None:
    """The client writes five seconds as ``5s``, which fal's models of Kling refuse at the result."""
    told = ai_sdk("seconds")
    assert ("AI_APICallError", 422) == (told["name"], told["statusCode"])
    assert [(["body", "duration"], "5s")] == [(error["loc"], error["input"]) for error in told["body"]["detail"]]


def test_ai_sdk_sees_refusals(ai_sdk: Play, simulator: Simulator) -> None:
    """An exhausted balance and a wrong key are the client's errors, and nothing is charged."""
    broke, key = ai_sdk("broke"), ai_sdk("key")
    assert (403, 401) == (broke["statusCode"], key["statusCode"])
    assert "Exhausted balance" in broke["body"]["detail"]
    assert simulator.ledger() == []


# --- openai


@pytest.mark.parametrize("simulator", [2.0], indirect=True)
def test_openai_makes_a_clip_of_a_text(openai: Play, simulator: Simulator) -> None:
    """The client posts a form, asks until the video has ended, and downloads the clip."""
    told = openai("text")
    assert ("queued", "kling-v1-6", 0) == tuple(told["submitted"][key] for key in ("status", "model", "progress"))
    assert ("completed", 100, "10.041") == tuple(told["done"][key] for key in ("status", "progress", "seconds"))
    assert ("video/mp4", True) == (told["type"], told["bytes"] > 1000)
    made = request_of(simulator)
    assert ("10", "9:16", "kling-v1-6") == (made["duration"], made["aspect_ratio"], made["model_name"])
    assert len(simulator.ledger()) == 1


def test_openai_makes_a_clip_of_a_picture(openai: Play, simulator: Simulator) -> None:
    """A file is the start frame, and Kling's own keys go into ``metadata`` as JSON text."""
    assert "queued" == openai("image")["status"]
    made = request_of(simulator)
    assert (png(), "fog", "pro") == (made["image"], made["negative_prompt"], made["mode"])
    assert "image2video" == simulator._world.store.tasks()[0].endpoint


def test_openai_loses_a_nested_object(openai: Play, simulator: Simulator) -> None:
    """An object becomes fields named ``metadata[mode]`` in the client's form, of which new-api reads nothing."""
    assert "queued" == openai("nested")["status"]
    assert "std" == request_of(simulator)["mode"]


def test_openai_tells_a_failure(openai: Play) -> None:
    """A failed video has its reason in ``error``, and its content is an error of the client."""
    told = openai("failure")
    assert ("failed", "Failure to pass the risk control system") == (
        told["failed"]["status"],
        told["failed"]["error"]["message"],
    )
    assert ("BadRequestError", 400) == (told["content"]["name"], told["content"]["status"])
    assert "Task is not completed yet, current status: FAILURE" in told["content"]["message"]


def test_openai_sees_refusals(openai: Play, simulator: Simulator) -> None:
    """A wrong key, a model without a channel and an unknown id are the client's own exceptions; nothing is charged."""
    told = openai("refusals")
    assert {"key": 401, "model": 503, "task": 400} == {what: error["status"] for what, error in told.items()}
    assert "No available channel for model sora-2" in told["model"]["message"]
    assert simulator.ledger() == []
