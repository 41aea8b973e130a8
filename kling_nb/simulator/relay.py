"""Provider ``relay``: a relay that passes Kling's legacy API on under ``/kling``, with a key of its own.

Written from relay-native.txt (read 2026-11): "everything else as official, replace host and key only".  Stricter than
Kling where the page's schema is: three headers are required, ``duration`` and ``cfg_scale`` are JSON numbers, a given
camera config has six integers, and four models are listed.  Not followed: that all nine fields are required, which
the page's own example contradicts, and its limits of 500 and 200 characters, which are Kling's of old; 2500 holds.
This simulator's own readings, where nothing is documented: errors are Kling's, but the 401 is new-api's; no listed
model is sold on the omni path, which therefore refuses every body; prices are not published, so that Kling's list
price is charged, and given back for a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from kling_nb.simulator.native import Native
from kling_nb.simulator.native_fields import Body, Refused, wrong
from kling_nb.simulator.native_keys import json_object
from kling_nb.simulator.native_rules import CAMERA_AXES
from kling_nb.simulator.native_service import Service
from kling_nb.simulator.relay_key import RELAY_KEY, key_refusal
from kling_nb.simulator.world import Provider, World

MODELS = frozenset({"kling-v1", "kling-v1-5", "kling-v1-6", "kling-v2-5-turbo"})


def provider(world: World) -> Provider:
    """The provider ``relay``."""
    relay = Relay(Service(world, "relay", RELAY_KEY))
    return Provider("relay", RELAY_KEY, [*relay.routes("/kling/v1/videos"), relay.rest])


class Relay(Native):
    """Kling's endpoints behind another door."""

    def authenticate(self, request: Request) -> None:
        """Nothing more to do: :meth:`answer` has looked at the key."""

    def answer(self, request: Request, work: Callable[[], object]) -> Response:
        """Kling's envelope, for whoever holds the relay's key."""
        return key_refusal(request, self.world.request_id(request)) or super().answer(request, work)

    def judge(self, request: Request, kind: str, body: Body) -> None:
        """The headers and types of the page's schema, which are narrower than Kling's."""
        _headers(request)
        default = "kling-video-o1" if kind == "omni-video" else "kling-v1"
        name = body.get("model_name") or default
        if not isinstance(name, str) or name not in MODELS:
            raise wrong("model_name", name)
        if isinstance(body.get("duration"), str):
            raise wrong("duration", body["duration"])
        _camera(body.get("camera_control"))

    def body_of(self, request: Request, raw: bytes) -> dict[str, Any] | None:
        """The JSON object; a whole ``5.0`` is the number 5 to a JSON schema."""
        body = json_object(raw)
        seconds = (body or {}).get("duration")
        if body and isinstance(seconds, float) and seconds.is_integer():
            body["duration"] = int(seconds)
        return body


def _headers(request: Request) -> None:
    if not request.headers.get("accept", "").strip():
        raise Refused(400, 1200, "Header Accept is required")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(400, 1200, "Header Content-Type must be application/json")


def _camera(camera: object) -> None:
    """A config, where there is one, holds all six axes as integers."""
    config = camera.get("config") if isinstance(camera, dict) else None
    if isinstance(config, dict) and any(type(config.get(axis)) is not int for axis in CAMERA_AXES):
        raise wrong("camera_control.config", config)
