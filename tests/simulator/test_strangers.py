"""Other people's clients against the simulator, over a real socket."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fal_client
import httpx
import pytest

from kling_nb.simulator import Fault, Simulator, running
from kling_nb.simulator.tls import Certificate, certificate

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


# --- https


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    return certificate(tmp_path)


def test_the_key_is_readable_by_its_owner_alone(made: Certificate) -> None:
    """The private key is in the one file that only its owner reads, also when it is made again."""
    before = made.chain.read_bytes()
    again = certificate(made.chain.parent)
    assert 0o600 == again.chain.stat().st_mode & 0o777
    assert b"PRIVATE KEY" in before != again.chain.read_bytes()
    assert b"PRIVATE KEY" not in made.authority.read_bytes()


def test_https_is_trusted_by_its_authority_only(made: Certificate) -> None:
    """Over https URLs in answers are https too, and a client that does not know the authority refuses."""
    simulator = Simulator(None, now=Clock())
    trusting = ssl.create_default_context(cafile=str(made.authority))
    key = {"authorization": "Key " + simulator.key("fal")}
    with running(simulator, tls=made) as base:
        with httpx.Client(verify=trusting, headers=key) as client:
            told = client.post(f"{base}/fal/{APP}", json=FOX).json()
            assert client.get(told["status_url"]).status_code == 202
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY"):
            client.get(base)
    simulator.close()
    assert told["status_url"].startswith(base.replace("http://", "https://"))


def test_a_reset_is_a_reset_over_https(made: Certificate) -> None:
    """A scripted reset ends the connection below TLS; the task of a lost answer was charged."""
    simulator = Simulator(None, now=Clock(), faults=[Fault(action="lost")])
    trusting = ssl.create_default_context(cafile=str(made.authority))
    key = {"authorization": "Key " + simulator.key("fal")}
    with running(simulator, tls=made) as base, httpx.Client(verify=trusting, headers=key) as client:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            client.post(f"{base}/fal/{APP}", json=FOX)
        assert len(client.get(f"{base}/_sim/ledger").json()) == 1
    simulator.close()


SUBSCRIBE = f"""
import json, fal_client
print(json.dumps(fal_client.subscribe({APP!r}, {FOX!r})))
"""


def test_fal_client_as_it_is_over_https(made: Certificate, tmp_path: Path) -> None:
    """An unchanged fal-client in a process of its own needs two variables: the host, and whom to trust."""
    simulator = Simulator(None, now=Hurrying(20.0), root="fal")
    with running(simulator, tls=made) as base:
        host = base.removeprefix("https://")
        named = {"FAL_QUEUE_RUN_HOST": host, "FAL_KEY": simulator.key("fal"), "SSL_CERT_FILE": str(made.authority)}
        command = [sys.executable, "-c", SUBSCRIBE]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, **named}, timeout=60, check=False
        )
    charges = simulator.ledger()
    simulator.close()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["video"]["url"].startswith(f"https://{host}/cdn/")
    assert len(charges) == 1
