"""OpenAI's own client against ``openroute``, over a real socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from kling_nb.simulator import Simulator, running

from .conftest import png
from .test_strangers import Hurrying

pytestmark = pytest.mark.filterwarnings("ignore:The Sora API is scheduled:DeprecationWarning")


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Simulator, openai.OpenAI]]:
    simulator = Simulator(None, now=Hurrying(getattr(request, "param", 10.0)))
    with running(simulator) as base, client_of(simulator, base) as client:
        yield simulator, client
    simulator.close()


def client_of(simulator: Simulator, base: str) -> openai.OpenAI:
    address = f"{base}{simulator.path('openroute')}/v1"
    return openai.OpenAI(base_url=address, api_key=simulator.key("openroute"), max_retries=0)


def request_of(simulator: Simulator) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(simulator._world.store.tasks()[-1].request)
    return made


def test_create_and_poll_and_download(served: tuple[Simulator, openai.OpenAI]) -> None:
    """The client posts a form, polls to the end, and downloads the clip with its key."""
    simulator, client = served
    video = client.videos.create_and_poll(
        prompt="a red fox", model="kling-v1-6", size="720x1280", seconds="10", poll_interval_ms=1
    )
    assert ("completed", 100, "10.041") == (video.status, video.progress, video.seconds)
    assert client.videos.download_content(video.id).read()[4:8] == b"ftyp"
    made = request_of(simulator)
    assert ("10", "9:16", "kling-v1-6") == (made["duration"], made["aspect_ratio"], made["model_name"])
    assert len(simulator.ledger()) == 1


def test_create_with_an_image_and_metadata(served: tuple[Simulator, openai.OpenAI]) -> None:
    """A file is the start frame, and Kling's own keys go into ``metadata`` as JSON text."""
    simulator, client = served
    metadata = json.dumps({"negative_prompt": "fog", "cfg_scale": 0.7, "mode": "pro"})
    video = client.videos.create(
        prompt="a red fox",
        model="kling-v1-6",
        input_reference=("fox.png", base64.b64decode(png()), "image/png"),
        extra_body={"metadata": metadata},
    )
    assert ("queued", "kling-v1-6", "video") == (video.status, video.model, video.object)
    made = request_of(simulator)
    assert (png(), "fog", 0.7, "pro") == (made["image"], made["negative_prompt"], made["cfg_scale"], made["mode"])
    assert simulator._world.store.tasks()[0].endpoint == "image2video"


def test_retrieve_tells_a_failure(served: tuple[Simulator, openai.OpenAI]) -> None:
    """A failed video has its reason in ``error``, and its content is an error of the client."""
    _, client = served
    video = client.videos.create_and_poll(prompt="a red fox #sim:risk-control", model="kling-v1-6", poll_interval_ms=1)
    assert video.status == "failed"
    assert video.error is not None
    assert video.error.message == "Failure to pass the risk control system"
    with pytest.raises(openai.BadRequestError, match="Task is not completed yet, current status: FAILURE"):
        client.videos.download_content(video.id)


@pytest.mark.parametrize("served", [0.01], indirect=True)
def test_the_client_gives_up_on_unknown(served: tuple[Simulator, openai.OpenAI]) -> None:
    """In the first second a video is ``unknown``, which the client takes for an end (QuantumNous/new-api#5045)."""
    _, client = served
    video = client.videos.create_and_poll(prompt="a red fox", model="kling-v1-6", poll_interval_ms=1)
    assert video.status == "unknown"


def test_refusals_are_the_clients_errors(served: tuple[Simulator, openai.OpenAI]) -> None:
    """A wrong key, a model without a channel and an unknown id are the client's own exceptions; nothing is charged."""
    simulator, client = served
    with pytest.raises(openai.AuthenticationError, match="request id"):
        client.with_options(api_key="sk-other").videos.retrieve("task_x")
    with pytest.raises(openai.InternalServerError, match="No available channel for model sora-2"):
        client.videos.create(prompt="a red fox", model="sora-2")
    with pytest.raises(openai.BadRequestError, match="task_not_exist"):
        client.videos.retrieve("task_x")
    assert simulator.ledger() == []
