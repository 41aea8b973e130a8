"""Provider ``openroute``: open-route, a relay that runs new-api before Kling's legacy API.

Written from open-route.txt (page dated 2026-04-10) and new-api's source (read 2026-07-14).  This simulator's own
readings, where neither says: the host runs stock new-api, so that ``GET /kling/v1/…/{id}`` answers the gateway's
record; models are those of the page, for anything else there is no channel; ``kling-video-o1`` goes to Kling's omni
path; the background poll comes after 1 s and then every 5 s, and gives up a task after 24 h; the clip's bytes are
always sent whole; prices are not published, so that Kling's list price is charged, and given back for a failure.
The fault ``busy`` is Kling's full account; with code 1302 it is the gateway's own limiter, an empty 429 or, where the
fault has a *body*, one with that message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kling_nb.simulator.cdn import Cdn, cdn_of
from kling_nb.simulator.faults import LOOKUP, ROUTE, SHAPE, SUBMIT, WIRE, Event, Fault
from kling_nb.simulator.native import METHODS
from kling_nb.simulator.native_fields import Refused
from kling_nb.simulator.native_order import order_of, own_id
from kling_nb.simulator.native_rules import check
from kling_nb.simulator.native_service import Service
from kling_nb.simulator.newapi_errors import Denied, from_upstream, no_quota, no_route, no_task
from kling_nb.simulator.newapi_form import body_of
from kling_nb.simulator.newapi_request import addressed, payload, read, wrapped
from kling_nb.simulator.newapi_task import View, enveloped, record, submitted, video
from kling_nb.simulator.relay_key import RELAY_KEY, TRACE_HEADER, key_refusal
from kling_nb.simulator.store import EARLIER, Task
from kling_nb.simulator.wire import retry_after, under
from kling_nb.simulator.world import DAY_S, Failure, Order, Provider, World

MODELS = frozenset(
    {
        "kling-v1",
        "kling-v1-6",
        "kling-v2-master",
        "kling-v2-1-master",
        "kling-v2-5-turbo",
        "kling-v2-6",
        "kling-video-o1",
    }
)
FIRST_POLL_S, POLL_S = 1.0, 5.0
"""Seconds after the submit, and between polls of the gateway; "a few" is all that is known."""

TIMEOUT_S = DAY_S
_TIMED_OUT = Failure(reason="任务超时（1440分钟）", kind="timeout", after_s=None)
_KLING = ("/kling/v1/videos/text2video", "/kling/v1/videos/image2video")
_GENERIC = ("/v1/video/generations", "/v1/videos")
_ID = "/{task_id}"


def provider(world: World) -> Provider:
    """The provider ``openroute``."""
    gateway = OpenRoute(Service(world, "openroute", RELAY_KEY, task_id))
    routes = [
        *(Route(path, gateway.submit, methods=["POST"]) for path in (*_KLING, *_GENERIC)),
        *(Route(path + _ID, gateway.record, methods=["GET"]) for path in (*_KLING, _GENERIC[0])),
        Route(_GENERIC[1] + _ID, gateway.video, methods=["GET"]),
        Route(_GENERIC[1] + _ID + "/content", gateway.content, methods=["GET"]),
        Route("/{path:path}", gateway.nowhere, methods=METHODS),
    ]
    return Provider("openroute", RELAY_KEY, routes)


class OpenRoute:
    """The endpoints, over one account at Kling."""

    def __init__(self, service: Service) -> None:
        self.service, self.world = service, service.world
        self.cdn = Cdn(service.world)

    async def submit(self, request: Request) -> Response:
        """The four create calls; what they record is what Kling would be sent."""
        raw = await request.body()
        told = _glimpse(request, raw)
        event = Event(self.service.provider, "submit", told.get("model") or "", told.get("prompt") or "")
        line = self.world.strike(event, WIRE)
        return await under(line, request, lambda: self._answer(request, lambda: self._create(request, raw, event)))

    async def record(self, request: Request) -> Response:
        """``GET`` of the gateway's own record, under any path but OpenAI's."""
        return await self._look(request, lambda view: enveloped(record(view)))

    async def video(self, request: Request) -> Response:
        """``GET /v1/videos/{id}``: OpenAI's object."""
        return await self._look(request, video)

    async def content(self, request: Request) -> Response:
        """``GET /v1/videos/{id}/content``: the clip through the gateway, which needs the key."""
        trace = self.world.request_id(request)
        if refusal := key_refusal(request, trace):
            return refusal
        response = await self._content(request)
        response.headers[TRACE_HEADER] = trace
        return response

    async def nowhere(self, request: Request) -> Response:
        """Anything else."""
        return no_route(request, self.world.request_id(request))

    def _answer(self, request: Request, work: Callable[[], object]) -> Response:
        trace = self.world.request_id(request)
        if refusal := key_refusal(request, trace):
            return refusal
        try:
            return JSONResponse(work(), headers={TRACE_HEADER: trace})
        except Denied as no:
            return no.response(trace)
        except Refused as no:
            return from_upstream(no, trace, as_200=self.world.errors_as_200).response(trace)

    def _create(self, request: Request, raw: bytes, event: Event) -> object:
        body = _body(request, raw)
        _channel(body)
        kind, sent = addressed(payload(read(body)))
        checked = check("image2video" if self.world.strike(event, ROUTE) else kind, sent)
        with self.world.store.lock:
            self.service.unused(own_id(sent))
            fault = self.world.strike(event, SUBMIT)
            self._gate(fault)
            self.service.room(checked.name, fault)
            order = _bounded(order_of(self.service, checked, sent, fault))
            return submitted(self.service.accept(order, kind.replace("-", "")))

    def _gate(self, fault: Fault | None) -> None:
        """What the gateway itself refuses: no quota of its own, and too many requests."""
        if fault and fault.action == "funds":
            raise no_quota()
        if fault and fault.action == "busy" and fault.code == 1302:
            raise Denied(429, "", fault.body, before=True, headers=retry_after(fault))

    async def _look(self, request: Request, show: Callable[[View], dict[str, Any]]) -> Response:
        task = self._find(request)
        event = self._event(task, "status")
        line = self.world.strike(event, WIRE)
        return await under(
            line, request, lambda: self._answer(request, lambda: show(self._view(request, _existing(task), event)))
        )

    def _view(self, request: Request, task: Task, event: Event) -> View:
        """The task as the last background poll saw it."""
        fault, form = self.world.strike(event, LOOKUP), self.world.strike(event, SHAPE)
        at = polled_at(task, self.world.now())
        state = None if at is None else task.state(at)
        if state and fault and fault.action == "backwards":
            state = EARLIER.get(state, state)
        action = form.action if form else ""
        return View(
            task=task,
            state=state,
            at=task.accepted_at if at is None else at,
            cdn=cdn_of(request, fault),
            hides_url=action == "no-url",
            old=action == "old-url",
        )

    async def _content(self, request: Request) -> Response:
        task = self._find(request)
        if task is None:
            return _media_error(404, "Task not found", "invalid_request_error")
        view = self._view(request, task, self._event(task, "content"))
        if view.state != "done":
            told = f"Task is not completed yet, current status: {view.word}"
            return _media_error(400, told, "invalid_request_error")
        clip = await self.cdn.sent(task, request, "")
        if clip.status_code >= 400:
            return _media_error(502, "Failed to fetch video content", "server_error")
        clip.headers["cache-control"] = "public, max-age=86400"
        return clip

    def _find(self, request: Request) -> Task | None:
        where = "provider = ? AND id = ?"
        return self.world.store.one(where, (self.service.provider, request.path_params["task_id"]))

    def _event(self, task: Task | None, operation: str) -> Event:
        about = (task.model, task.prompt) if task else ("", "")
        return Event(self.service.provider, operation, *about)


def polled_at(task: Task, now: float) -> float | None:
    """When the gateway last asked Kling about *task*, unix seconds; None before the first time."""
    first = task.accepted_at + FIRST_POLL_S
    return None if now < first else first + (now - first) // POLL_S * POLL_S


def _existing(task: Task | None) -> Task:
    if task is None:
        raise no_task()
    return task


def _body(request: Request, raw: bytes) -> dict[str, Any]:
    """The body as the generic endpoint reads it."""
    if "/kling/v1/" in request.url.path:
        return wrapped(body_of(raw, ""))
    return body_of(raw, request.headers.get("content-type", ""))


def _glimpse(request: Request, raw: bytes) -> dict[str, str]:
    """Model and prompt of a body, for faults; nothing where it can not be read."""
    try:
        body = _body(request, raw)
    except Denied:
        return {}
    return {key: value for key, value in body.items() if key in ("model", "prompt") and isinstance(value, str)}


def _channel(body: Mapping[str, Any]) -> None:
    """Find who serves the model, before anything else is looked at."""
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise Denied(400, "", "Model name not specified, model name cannot be empty", before=True)
    if name not in MODELS:
        told = f"No available channel for model {name} under group default (distributor)"
        raise Denied(503, "model_not_found", told, before=True)


def _bounded(order: Order) -> Order:
    """The order; a task that would stall for longer than the gateway waits fails then."""
    if order.stall_s is None or order.stall_s < TIMEOUT_S:
        return order
    return replace(order, stall_s=TIMEOUT_S, failure=_TIMED_OUT)


def task_id(number: int) -> str:
    """``task_`` and 32 letters and digits."""
    signs = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    # 128 bits make 21 signs; the number's square fills the rest.
    value = (number + 1) ** 2
    return "task_" + "".join(signs[value // 62**place % 62] for place in range(32))


def _media_error(status: int, message: str, kind: str) -> Response:
    return JSONResponse({"error": {"message": message, "type": kind}}, status)
