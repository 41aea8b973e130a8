"""Postcard as the simulator plays it: written from its page, and knowing nothing of the dialect beside it.

Its orders go through the world that all providers share, which draws the latency, keeps the task, charges the ledger
and serves the clip under ``/cdn/``.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kling_nb.simulator import (
    SUBMIT,
    WIRE,
    Event,
    Failure,
    Fault,
    Order,
    Provider,
    Scene,
    Task,
    World,
    cdn_of,
    stall_s,
    under,
)  # fmt: skip

NAME, KEY = "postcard", "postcard-simulated-0000"
WORDS = {"queued": "waiting", "running": "drawing", "done": "sent", "failed": "torn"}
REFUSALS = {
    "funds": (402, "funds", "No stamps left"),
    "busy": (429, "queue", "Too many postcards at once"),
    "moderation": (400, "text", "This cannot be drawn"),
}


def provider(world: World) -> Provider:
    """The provider ``postcard``, for the entry-point group ``kling_nb.simulators``."""
    office = Office(world)
    routes = [Route("/jobs", office.submit, methods=["POST"])]
    return Provider(NAME, KEY, [*routes, Route("/jobs/{id}", office.job), Route("/tags/{id}", office.tagged)])


class Office:
    """The three endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def submit(self, request: Request) -> Response:
        """``POST /jobs``."""
        body = _object(await request.body())
        event = Event(NAME, "submit", "", str(body.get("text")))
        line = self._world.strike(event, WIRE)
        return await under(line, request, lambda: self._key_refused(request) or self._taken(request, body, event))

    async def job(self, request: Request) -> Response:
        """``GET /jobs/{id}``."""
        return await self._about(request, "status", "id")

    async def tagged(self, request: Request) -> Response:
        """``GET /tags/{tag}``: the job by the sender's own name for it."""
        return await self._about(request, "find", "own_id")

    async def _about(self, request: Request, operation: str, column: str) -> Response:
        task = self._world.store.one(f"provider = ? AND {column} = ?", (NAME, request.path_params["id"]))
        line = self._world.strike(Event(NAME, operation, "", task.prompt if task else ""), WIRE)
        return await under(line, request, lambda: self._key_refused(request) or self._shown(request, task))

    def _key_refused(self, request: Request) -> Response | None:
        known = request.headers.get("x-postcard-key") == KEY
        return None if known else _refused(401, "key", "This key is not known at the counter")

    def _taken(self, request: Request, body: dict[str, Any], event: Event) -> Response:
        text, seconds = body.get("text"), body.get("seconds")
        if not isinstance(text, str) or not text or seconds not in (5, 10) or body.keys() - {"text", "seconds", "tag"}:
            return _refused(400, "field", "A postcard has a text, and 5 or 10 seconds")
        fault = self._world.strike(event, SUBMIT)
        if fault and fault.action in REFUSALS:
            return _refused(*REFUSALS[fault.action])
        order = _order(text, seconds, str(body.get("tag") or ""), fault)
        task = self._world.accept(order, lambda n: f"pc-{n % 16**12:012x}", lambda n: f"postcard/{n % 16**12:012x}.mp4")
        return self._shown(request, task, 201)

    def _shown(self, request: Request, task: Task | None, status: int = 200) -> Response:
        if task is None:
            return _refused(404, "job", "No such job")
        state = task.state(self._world.now())
        film = cdn_of(request, None) + task.asset if state == "done" else None
        told = {"film": film, "reason": task.failure if state == "failed" else None, "price": task.usd}
        return JSONResponse({"id": task.id, "state": WORDS[state], **told}, status)


def _order(text: str, seconds: int, tag: str, fault: Fault | None) -> Order:
    scene = Scene(provider=NAME, model="postcard", mode="std", prompt=text, seconds=seconds, ratio="16:9")
    action, usd = fault.action if fault else "", Decimal("0.04") * seconds
    return Order(
        provider=NAME, account=KEY, endpoint="/jobs", model="postcard", family="v2-5-turbo", mode="std", prompt=text,
        seconds=seconds, sound=False, own_id=tag, request={"text": text, "seconds": seconds}, scene=scene, usd=usd,
        units=str(usd), waits=True, stall_s=stall_s(fault),
        failure=Failure(reason="It was torn on the way", kind=action) if action in ("fail", "risk-control") else None,
    )  # fmt: skip


def _refused(status: int, about: str, words: str) -> Response:
    return JSONResponse({"error": words, "about": about}, status)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
