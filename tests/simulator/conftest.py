"""A simulator under a hand-turned clock, and clients that talk to it in process or over a real socket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from PIL import Image

from kling_nb.simulator import Simulator

START = 1_790_000_000.0


class Clock:
    """Unix seconds that only move when told to."""

    def __init__(self) -> None:
        self.seconds = START

    def __call__(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        self.seconds += seconds


class Client:
    """Synchronous in-process requests to one provider of a simulator."""

    def __init__(self, simulator: Simulator, provider: str, authorization: str = "") -> None:
        self.simulator, self.provider, self.authorization = (simulator, provider, authorization)

    def send(self, method: str, path: str, body: object = None, **options: Any) -> httpx.Response:
        headers = {"authorization": self.authorization, **options.pop("headers", {})}
        headers = {key: value for key, value in headers.items() if value}
        url = path if path.startswith("http") else f"http://simulator{self.simulator.path(self.provider)}{path}"

        if body is not None:
            options["json"] = body

        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.simulator.app)
            async with httpx.AsyncClient(transport=transport, headers=headers) as client:
                return await client.request(method, url, **options)

        return anyio.run(call)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        return self.send("POST", path, body, **options)


def token(key: str, now: float, **claims: Any) -> str:
    """A JSON web token as the provider's page makes it."""
    access, secret = key.partition(",")[0].split(":")
    claims = {"iss": access, "exp": int(now) + 1800, "nbf": int(now) - 5} | claims
    head = _part({"alg": "HS256", "typ": "JWT"}) + "." + _part(claims)
    signature = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
    return head + "." + base64.urlsafe_b64encode(signature).decode().rstrip("=")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def png(width: int = 400, height: int = 300) -> str:
    """A picture as bare base64."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (200, 120, 40)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def simulator(clock: Clock) -> Iterator[Simulator]:
    simulator = Simulator(None, now=clock)
    yield simulator
    simulator.close()


@pytest.fixture
def kling(simulator: Simulator, clock: Clock) -> Client:
    return Client(simulator, "kling", "Bearer " + token(simulator.key("kling"), clock() + 10 * 365 * 86_400, nbf=0))


@pytest.fixture
def fal(simulator: Simulator) -> Client:
    return Client(simulator, "fal", "Key " + simulator.key("fal"))
