"""Provider ``fal``: the queue of fal.ai with every Kling endpoint, and what a relay of it shares.

Written from fal's documentation (2026-11) and captured bodies.  This simulator's own readings, where nothing is
documented: validation failures and requests cancelled in the queue are not charged; a content violation is;
``x-fal-billable-units`` counts seconds of video; a request cancelled while it runs ends at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kling_nb.simulator.cdn import cdn_of
from kling_nb.simulator.fal_complaints import Complaints
from kling_nb.simulator.fal_door import KEY_ID, KEY_SECRET, FalDoor, Refused, refused
from kling_nb.simulator.fal_input import failure, problem, read, scene, shown_prompt
from kling_nb.simulator.fal_models import APP, Endpoint
from kling_nb.simulator.fal_stream import PENDING, streamed
from kling_nb.simulator.faults import BEFORE, LOOKUP, SUBMIT, WIRE, Event, Fault, stall_s
from kling_nb.simulator.native_keys import json_object
from kling_nb.simulator.pictures import slim
from kling_nb.simulator.prices import fal_usd
from kling_nb.simulator.store import EARLIER, State, Task
from kling_nb.simulator.wire import under
from kling_nb.simulator.world import Order, Provider, World

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def provider(world: World) -> Provider:
    """The provider ``fal``."""
    fal = Queue(FalDoor(world))
    one = "/{owner}/{app}/requests/{id}"
    routes = [
        Route(one + "/status", fal.status, methods=["GET"]),
        Route(one + "/status/stream", fal.stream, methods=["GET"]),
        Route(one + "/cancel", fal.cancel, methods=["PUT"]),
        Route(one, fal.result, methods=["GET"]),
        Route("/{owner}/{app}/{path:path}", fal.submit, methods=["POST"]),
        Route("/{owner}/{app}", fal.unsold, methods=["POST"]),
        Route("/{path:path}", fal.elsewhere, methods=_METHODS),
    ]
    return Provider("fal", f"{KEY_ID}:{KEY_SECRET}", routes)


class Queue:
    """The endpoints, behind one door."""

    def __init__(self, door: FalDoor) -> None:
        self.door, self.world = door, door.world

    async def submit(self, request: Request) -> Response:
        """``POST /{owner}/{app}/{path}``: queued whatever the input says."""
        raw, path = await request.body(), request.path_params["path"]
        body = json_object(raw)
        event = Event(self.door.name, "submit", f"{APP}/{path}", shown_prompt(body or {}))
        line = self.world.strike(event, WIRE)
        return await under(line, request, lambda: self._answer(request, lambda: self._queue(request, body, event)))

    async def status(self, request: Request) -> Response:
        """``GET …/requests/{id}/status``: 202 until completed, then 200, also for failures."""
        return await self._about(request, "status", self._status)

    async def stream(self, request: Request) -> Response:
        """``GET …/requests/{id}/status/stream``: the same, as server-sent events."""
        # A stream has begun before its body is known, so that no fault can spoil it.
        return await self._about(request, "status", self._stream, BEFORE)

    async def result(self, request: Request) -> Response:
        """``GET …/requests/{id}``: the model's own status and body."""
        return await self._about(request, "result", self._result)

    async def cancel(self, request: Request) -> Response:
        """``PUT …/requests/{id}/cancel``."""
        return await self._about(request, "cancel", self._cancel)

    async def unsold(self, request: Request) -> Response:
        """``POST /{owner}/{app}``: no application here is called without a path."""

        def refuse() -> Response:
            self.door.check_key(request)
            raise self.door.unknown(request.path_params["app"])

        return self._answer(request, refuse)

    async def elsewhere(self, request: Request) -> Response:
        """Anything else."""

        def refuse() -> Response:
            raise self.door.nowhere(request)

        return self._answer(request, refuse)

    def _answer(self, request: Request, work: Callable[[], Response]) -> Response:
        try:
            response = work()
        except Refused as no:
            response = no.response
        self.door.mark(request, response)
        return response

    async def _about(
        self,
        request: Request,
        operation: str,
        work: Callable[[Request, Task, Event], Response],
        faults: frozenset[str] = WIRE,
    ) -> Response:
        task = self.world.store.one("provider = ? AND id = ?", (self.door.name, request.path_params["id"]))
        event = Event(self.door.name, operation, task.model if task else "", task.prompt if task else "")

        def answer() -> Response:
            self.door.check_key(request)
            if task is None or not self.door.is_app(request):
                raise refused(404, {"status": "NOT_FOUND"} if operation == "cancel" else {"detail": "Not Found"})
            return work(request, task, event)

        return await under(self.world.strike(event, faults), request, lambda: self._answer(request, answer))

    def _queue(self, request: Request, body: dict[str, Any] | None, event: Event) -> Response:
        self.door.check_key(request)
        endpoint = self.door.endpoint(request)
        if body is None:
            raise refused(422, {"detail": [problem(("body",), "Input should be a valid dictionary", "dict_type")]})
        with self.world.store.lock:
            fault = self.world.strike(event, SUBMIT)
            if fault and fault.action in ("funds", "busy"):
                raise self.door.turned_away(request, fault)
            task = self._accept(endpoint, request.path_params["path"], body, fault)
        told = self._told(request, task, "queued") | {"logs": None, "metrics": {}}
        return JSONResponse(told, headers=self.door.accepted(task))

    def _accept(self, endpoint: Endpoint, path: str, body: Mapping[str, Any], fault: Fault | None) -> Task:
        complaints = Complaints(body, endpoint.old_errors)
        seconds, sound, picture = read(endpoint, complaints)
        voices = bool(body.get("voice_ids")) or "voice_id" in json.dumps(body.get("elements") or [])
        order = Order(
            provider=self.door.name,
            account=self.door.account,
            endpoint=path,
            model=f"{APP}/{path}",
            family=endpoint.family,
            mode=endpoint.mode,
            prompt=shown_prompt(body),
            seconds=seconds,
            sound=sound,
            own_id="",
            request=slim(dict(body)),
            scene=scene(self.door.name, endpoint, path, body, seconds, sound, picture),
            usd=fal_usd(endpoint.line, seconds, sound=sound, voices=voices),
            units=str(Decimal(seconds)),
            image=picture.thumb if picture else None,
            failure=failure(body, complaints, fault),
            stall_s=stall_s(fault),
            waits=True,
            longest_wait_s=6.0,
        )
        return self.world.accept(order, lambda number: self.world.uuid(self.door.name, number), _asset)

    def _status(self, request: Request, task: Task, event: Event) -> Response:
        told = self._seen(request, task, event)
        return JSONResponse(told, 202 if told["status"] in PENDING else 200)

    def _stream(self, request: Request, task: Task, event: Event) -> Response:
        def look() -> dict[str, Any]:
            # It may have been cancelled since.
            now = self.world.store.one("provider = ? AND id = ?", (task.provider, task.id))
            return self._seen(request, now or task, event)

        return streamed(look)

    def _seen(self, request: Request, task: Task, event: Event) -> dict[str, Any]:
        """The status object."""
        state, now = task.state(self.world.now()), self.world.now()
        fault = self.world.strike(event, LOOKUP)
        if fault and fault.action == "backwards":
            state = EARLIER.get(state, state)
        told = self._told(request, task, state)
        if state != "queued":
            told["logs"] = _logs(task, now) if request.query_params.get("logs", "").lower() in ("1", "true") else None
        if told["status"] in PENDING:
            return told
        if state == "failed" and fault and fault.action == "failed-word":
            told["status"] = "FAILED"
        ended = task.changed_at(now)
        told["metrics"] = {"inference_time": max(0.0, round(ended - task.started_at, 3))}
        # Input problems show only at the result; what happened to the job itself is told here too.
        if state == "cancelled":
            told |= {"error": "Request was cancelled by the client", "error_type": "client_cancelled"}
        elif state == "failed" and task.failure_kind != "validation":
            told |= {"error": task.failure, "error_type": task.failure_kind}
        return told

    def _result(self, request: Request, task: Task, event: Event) -> Response:
        now, fault = self.world.now(), self.world.strike(event, LOOKUP)
        state = self.door.state_at_result(task, fault)
        if state in ("queued", "running"):
            return self.door.pending(state, fault)
        if now > task.changed_at(now) + self.world.lifetimes["fal-result"]:
            raise refused(404, {"detail": "Not Found"})
        if state == "cancelled":
            gone = {"detail": "Request was cancelled by the client", "error_type": "client_cancelled"}
            raise refused(499, gone, {"x-fal-error-type": "client_cancelled"})
        if state == "failed":
            units = "0" if task.refunds else task.units
            status = 500 if task.failure_kind == "internal_server_error" else 422
            raise refused(status, json.loads(task.failure_body), {"x-fal-billable-units": units})
        return self._video(request, task, fault)

    def _video(self, request: Request, task: Task, fault: Fault | None) -> Response:
        # Only the URL is guaranteed; file_size would mean drawing a clip that nobody may fetch.
        video = {"url": cdn_of(request, fault) + task.asset, "content_type": "video/mp4", "file_name": "output.mp4"}
        return JSONResponse({"video": video}, headers={"x-fal-billable-units": task.units})

    def _cancel(self, request: Request, task: Task, event: Event) -> Response:
        now = self.world.now()
        state = task.state(now)
        if state in ("done", "failed", "cancelled"):
            raise refused(400, {"status": "ALREADY_COMPLETED"})
        self.world.store.cancel(self.door.name, task.id, now)
        if state == "queued":
            return JSONResponse("OK", 200)
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)

    def _told(self, request: Request, task: Task, state: State) -> dict[str, Any]:
        word = {"queued": "IN_QUEUE", "running": "IN_PROGRESS"}.get(state, "COMPLETED")
        here = f"{self.door.home(request)}/{APP}/requests/{task.id}"
        told: dict[str, Any] = {
            "status": word,
            "request_id": task.id,
            "response_url": here,
            "status_url": f"{here}/status",
            "cancel_url": f"{here}/cancel",
        }
        return told | ({"queue_position": self._position(task)} if word == "IN_QUEUE" else {})

    def _position(self, task: Task) -> int:
        waiting = [
            other for other in self.world.active(self.door.name, task.account) if other.started_at > self.world.now()
        ]
        return sum((other.started_at, other.id) < (task.started_at, task.id) for other in waiting)


def _logs(task: Task, now: float) -> list[dict[str, str]]:
    told = [(task.started_at, "Starting generation"), (task.ended_at, "Generation finished")]
    return [
        {
            "message": text,
            "level": "INFO",
            "source": "USER",
            "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        for at, text in told
        if at <= now
    ]


def _asset(number: int) -> str:
    animal = ("elephant", "koala", "lion", "monkey", "panda", "penguin", "rabbit", "tiger", "zebra")[number % 9]
    return f"files/{animal}/{number % 36**20:x}_output.mp4"
