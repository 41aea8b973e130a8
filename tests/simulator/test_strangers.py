"""Other people's clients against the simulator, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import fal_client
import pytest

from kling_nb.simulator import Fault, Simulator, running

from .conftest import Clock

APP = "fal-ai/kling-video/v2.5-turbo/pro/text-to-video"
FOX = {"prompt": "a red fox"}


class Hurrying(Clock):
    """A clock that jumps by *step* seconds whenever it is read, so that a real poller is soon done."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = step

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Simulator]:
    clock = Hurrying(getattr(request, "param", 20.0))
    simulator = Simulator(None, now=clock, faults=[Fault(action="funds", prompt="broke", times=None)])
    with running(simulator) as base:
        monkeypatch.setattr(fal_client.client, "QUEUE_URL_FORMAT", f"{base}/fal/")
        yield simulator
    simulator.close()


@pytest.fixture
def client(served: Simulator) -> Iterator[fal_client.SyncClient]:
    client = fal_client.SyncClient(key=served.key("fal"))
    yield client
    client._client.close()


def test_fal_client_subscribes(client: fal_client.SyncClient, served: Simulator) -> None:
    """fal-client submits, polls by the URLs it was given, and gets the clip's URL."""
    seen: list[str] = []
    result = client.subscribe(APP, FOX, with_logs=True, on_queue_update=lambda s: seen.append(type(s).__name__))
    assert result["video"]["url"].endswith(".mp4")
    assert seen[-1] == "Completed"
    assert len(served.ledger()) == 1


@pytest.mark.parametrize("served", [0.1], indirect=True)
def test_fal_client_handles(client: fal_client.SyncClient) -> None:
    """A handle tells its status, cancels, and can be rebuilt from the id alone."""
    handle = client.submit(APP, FOX)
    assert isinstance(client.status(APP, handle.request_id), fal_client.Queued | fal_client.InProgress)
    handle.cancel()
    told = client.status(APP, handle.request_id)
    assert isinstance(told, fal_client.Completed)
    assert told.error_type == "client_cancelled"


def test_fal_client_sees_validation_at_the_result(client: fal_client.SyncClient) -> None:
    """A bad input is a 422 from get(), with pydantic's list."""
    handle = client.submit(APP, {"prompt": "a fox", "duration": 5})
    with pytest.raises(fal_client.FalClientHTTPError, match="Input should be '5' or '10'") as caught:
        handle.get()
    assert caught.value.status_code == 422


def test_fal_client_sees_the_lock(client: fal_client.SyncClient, served: Simulator) -> None:
    """An exhausted balance is a 403 at submit, and nothing is charged."""
    with pytest.raises(fal_client.FalClientHTTPError, match="Exhausted balance") as caught:
        client.submit(APP, {"prompt": "broke"})
    assert caught.value.status_code == 403
    assert served.ledger() == []
