"""Dialect ``kling``: the native legacy API, ``/v1/videos/{text2video,image2video,omni-video}``.

Written from the official pages (2026-02 and 2026-09 snapshots) and captured bodies.  This simulator's own
readings, where nothing is documented: callbacks are accepted and never sent; ``element_list`` always fails, since
there is no element library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import LOOKUP, SUBMIT, WIRE, Event, Fault, stall_s
from kling_nb.simulator.native_fields import Refused, bad
from kling_nb.simulator.native_keys import ACCESS, API_KEY, SECRET, json_object, verify
from kling_nb.simulator.native_rules import Checked, check, shown_prompt
from kling_nb.simulator.native_service import Service, failure, identity, ms, video
from kling_nb.simulator.prices import USD_PER_UNIT, kling_units, plain
from kling_nb.simulator.store import State, Task
from kling_nb.simulator.wire import under
from kling_nb.simulator.world import Order, Provider, World

KINDS = ("text2video", "image2video", "omni-video")
WORDS: dict[State, str] = {
    "queued": "submitted",
    "running": "processing",
    "done": "succeed",
    "failed": "failed",
    "cancelled": "failed",
}
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def provider(world: World) -> Provider:
    """The provider ``kling``."""
    kling = Kling(world)
    routes = [
        Route("/v1/videos/{kind}", kling.submit, methods=["POST"]),
        Route("/v1/videos/{kind}", kling.listing, methods=["GET"]),
        Route("/v1/videos/{kind}/{task_id}", kling.single, methods=["GET"]),
        Route("/{path:path}", kling.nowhere, methods=_METHODS),
    ]
    return Provider("kling", f"{ACCESS}:{SECRET},{API_KEY}", routes)


class Kling:
    """The endpoints, over one world."""

    def __init__(self, world: World) -> None:
        self.world, self.service = world, Service(world)

    async def submit(self, request: Request) -> Response:
        """``POST /v1/videos/{kind}``."""
        body = json_object(await request.body())
        event = Event("kling", "submit", str((body or {}).get("model_name") or ""), shown_prompt(body or {}))
        line = self.world.strike(event, WIRE)
        return await under(
            line, request, lambda: self.service.answer(request, lambda: self._create(request, body, event))
        )

    async def single(self, request: Request) -> Response:
        """``GET /v1/videos/{kind}/{task_id or external_task_id}``."""
        task = self._find(request.path_params["kind"], request.path_params["task_id"])
        found = task is not None and task.id != request.path_params["task_id"]
        event = _event(task, "find" if found or task is None else "status")

        def show() -> object:
            self._authenticate(request)
            return self._shown(request, _existing(task), event)

        return await under(self.world.strike(event, WIRE), request, lambda: self.service.answer(request, show))

    async def listing(self, request: Request) -> Response:
        """``GET /v1/videos/{kind}?pageNum=1&pageSize=30``: a bare array, newest first."""
        line = self.world.strike(Event("kling", "list"), WIRE)
        return await under(line, request, lambda: self.service.answer(request, lambda: self._page(request)))

    async def nowhere(self, request: Request) -> Response:
        """Any other path or method."""

        def refuse() -> object:
            raise Refused(404, 1202, f"The requested method is invalid: {request.method} {request.url.path}")

        return self.service.answer(request, refuse)

    def _create(self, request: Request, body: dict[str, Any] | None, event: Event) -> object:
        self._authenticate(request)
        kind = request.path_params["kind"]
        if kind not in KINDS:
            raise Refused(404, 1202, f"The requested method is invalid: {request.method} {request.url.path}")
        if body is None:
            raise Refused(400, 1200, "Request body must be a JSON object")
        checked = check(kind, body)
        own_id = body.get("external_task_id") or ""
        with self.world.store.lock:
            self.service.unused(own_id)
            fault = self.world.strike(event, SUBMIT)
            self.service.room(checked.name, fault)
            return _created(self._accept(checked, body, own_id, fault))

    def _accept(self, checked: Checked, body: Mapping[str, Any], own_id: str, fault: Fault | None) -> Task:
        units = kling_units(
            checked.name,
            checked.mode,
            checked.seconds,
            sound=checked.sound,
            voices=checked.voices,
            video=checked.video,
        )
        order = Order(
            provider="kling",
            account=ACCESS,
            endpoint=checked.kind,
            model=checked.name,
            family=checked.model.family,
            mode=checked.mode,
            prompt=checked.prompt,
            seconds=checked.seconds,
            sound=checked.sound,
            own_id=own_id,
            request=identity(body),
            scene=_scene(checked),
            usd=plain(units * USD_PER_UNIT),
            units=str(units),
            image=checked.picture.thumb if checked.picture else None,
            failure=failure(checked.picture, fault),
            stall_s=stall_s(fault),
        )
        return self.service.accept(order, checked.kind.replace("-", ""))

    def _page(self, request: Request) -> object:
        self._authenticate(request)
        number = _bounded(request, "pageNum", 1, 1000)
        size = _bounded(request, "pageSize", 30, 500)
        where, values = ("provider = 'kling' AND endpoint = ?", (request.path_params["kind"],))
        tail = f"ORDER BY position DESC LIMIT {size} OFFSET {(number - 1) * size}"
        tasks = self.world.store.tasks(where, values, tail)
        shown = (self._shown(request, task, _event(task, "list")) for task in tasks)
        return [item for item in shown if item]

    def _shown(self, request: Request, task: Task, event: Event) -> dict[str, Any]:
        """A task as the service shows it; empty when a fault keeps it out of a list."""
        fault = self.world.strike(event, LOOKUP)
        if fault and fault.action == "missing":
            return {}
        state, cdn = self.service.seen(request, task, fault)
        return _data(task, state, self.world.now(), cdn)

    def _find(self, kind: str, name: str) -> Task | None:
        where = "provider = 'kling' AND endpoint = ? AND (id = ? OR own_id = ?)"
        return self.world.store.one(where, (kind, name, name))

    def _authenticate(self, request: Request) -> None:
        header = request.headers.get("authorization", "")
        if not header.strip():
            raise Refused(401, 1001, "Authorization is empty")
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise Refused(401, 1002, "Authorization is invalid")
        if token != API_KEY:
            verify(token, self.world.token_now())


def _existing(task: Task | None) -> Task:
    if task is None:
        raise Refused(404, 1203, "Task not found")
    return task


def _event(task: Task | None, operation: str) -> Event:
    return Event("kling", operation, task.model, task.prompt) if task else Event("kling", operation)


def _bounded(request: Request, key: str, default: int, most: int) -> int:
    text = request.query_params.get(key, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise bad(f"{key} value '{text}' is invalid")
    return int(text)


def _scene(checked: Checked) -> Scene:
    config = {axis: value for axis, value in (checked.shown_camera.get("config") or {}).items() if value}
    kind = str(checked.shown_camera.get("type", ""))
    return Scene(
        provider="kling",
        model=checked.name,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        ratio=checked.ratio,
        sound=checked.sound,
        camera=next(iter(config), "") if kind == "simple" else kind,
        amount=float(next(iter(config.values()), 0)) if kind == "simple" else 5.0 if kind else 0.0,
    )


def _created(task: Task) -> dict[str, Any]:
    at = ms(task.accepted_at)
    info = {"external_task_id": task.own_id} if task.own_id else {}
    return {"task_id": task.id, "task_info": info, "task_status": "submitted", "created_at": at, "updated_at": at}


def _data(task: Task, state: State, now: float, cdn: str) -> dict[str, Any]:
    """The object of a GET; results and deductions only after success, times in ms."""
    mark = bool((json.loads(task.request).get("watermark_info") or {}).get("enabled", False))
    data = _created(task) | {
        "task_status": WORDS[state],
        "task_status_msg": task.failure if state == "failed" else "",
        "watermark_info": {"enabled": mark},
        "updated_at": ms(task.changed_at(now)),
        "task_result": {},
    }
    if state != "done":
        return data
    quota = f"{Decimal(task.usd):.2f}"
    return data | {
        "final_unit_deduction": task.units,
        "final_balance_deduction": {"quota": quota, "list_price": quota},
        "task_result": {"videos": [video(task, cdn, mark)]},
    }
