"""Dialect ``kling``: the native legacy API, ``/v1/videos/{text2video,image2video,omni-video}``.

Written from the official pages (2026-02 and 2026-09 snapshots) and captured bodies.  This simulator's own
readings, where nothing is documented: a reused ``external_task_id`` is rejected with 1201; failed tasks are not
charged; callbacks are accepted and never sent; ``element_list`` always fails, since there is no element library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import LOOKUP, SUBMIT, WIRE, Event, Fault
from kling_nb.simulator.native_fields import Refused, bad, push_back
from kling_nb.simulator.native_keys import ACCESS, API_KEY, SECRET, json_object, verify
from kling_nb.simulator.native_rules import Checked, check, shown_prompt
from kling_nb.simulator.pictures import slim
from kling_nb.simulator.prices import USD_PER_UNIT, kling_units, plain
from kling_nb.simulator.store import State, Task
from kling_nb.simulator.wire import under
from kling_nb.simulator.world import Failure, Order, Provider, World

KINDS = ("text2video", "image2video", "omni-video")
WORDS: dict[State, str] = {
    "queued": "submitted",
    "running": "processing",
    "done": "succeed",
    "failed": "failed",
    "cancelled": "failed",
}
RISK = "Failure to pass the risk control system"
_EARLIER: dict[State, State] = {"done": "running", "failed": "running", "running": "queued"}
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
        self.world = world

    async def submit(self, request: Request) -> Response:
        """``POST /v1/videos/{kind}``."""
        body = json_object(await request.body())
        event = Event("kling", "submit", str((body or {}).get("model_name") or ""), shown_prompt(body or {}))
        line = self.world.strike(event, WIRE)
        return await under(line, request, lambda: self._answer(request, lambda: self._create(request, body, event)))

    async def single(self, request: Request) -> Response:
        """``GET /v1/videos/{kind}/{task_id or external_task_id}``."""
        task = self._find(request.path_params["kind"], request.path_params["task_id"])
        found = task is not None and task.id != request.path_params["task_id"]
        event = _event(task, "find" if found or task is None else "status")

        def show() -> object:
            self._authenticate(request)
            return self._shown(request, _existing(task), event)

        return await under(self.world.strike(event, WIRE), request, lambda: self._answer(request, show))

    async def listing(self, request: Request) -> Response:
        """``GET /v1/videos/{kind}?pageNum=1&pageSize=30``: a bare array, newest first."""
        line = self.world.strike(Event("kling", "list"), WIRE)
        return await under(line, request, lambda: self._answer(request, lambda: self._page(request)))

    async def nowhere(self, request: Request) -> Response:
        """Any other path or method."""

        def refuse() -> object:
            raise Refused(404, 1202, f"The requested method is invalid: {request.method} {request.url.path}")

        return self._answer(request, refuse)

    def _answer(self, request: Request, work: Callable[[], object]) -> Response:
        trace = self.world.request_id(request)
        try:
            body = {"code": 0, "message": "SUCCEED", "request_id": trace, "data": work()}
        except Refused as no:
            status = 200 if self.world.errors_as_200 else no.status
            refusal = {"code": no.code, "message": no.message, "request_id": trace}
            return JSONResponse(refusal, status, no.headers)
        return JSONResponse(body)

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
            self._unused(own_id)
            fault = self.world.strike(event, SUBMIT)
            self._room(checked.name, fault)
            return _created(self._accept(checked, body, own_id, fault))

    def _unused(self, own_id: str) -> None:
        # Documented as "unique per account"; what the server does with a second one is not.
        if own_id and self.world.store.count("provider = 'kling' AND own_id = ?", (own_id,)):
            raise bad(f"external_task_id value '{own_id}' is duplicated")

    def _room(self, model: str, fault: Fault | None) -> None:
        """Balance, moderation and slots: all judged after the parameters."""
        action = fault.action if fault else ""
        if action == "funds":
            raise Refused(429, 1102, "Account balance not enough")
        if action == "moderation":
            raise Refused(400, 1301, "The request contains content that violates the content safety policy")
        if fault and action == "busy":
            raise push_back(fault.code or 1303, fault.retry_after)
        # A slot is one task of one account and model, from submitted until its end; keys share it.
        if len(self.world.active("kling", ACCESS, model)) >= self.world.slots.get("kling", 1_000_000):
            raise push_back(1303, None)

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
            request=_identity(body),
            scene=_scene(checked),
            usd=plain(units * USD_PER_UNIT),
            units=str(units),
            image=checked.picture.thumb if checked.picture else None,
            failure=_failure(checked, fault),
            stall_s=(fault.seconds or float("inf")) if fault and fault.action == "stall" else None,
        )
        return self.world.accept(order, _task_id, lambda number: _asset(checked.kind, number))

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
        action = fault.action if fault else ""
        if action == "missing":
            return {}
        now = self.world.now()
        state = task.state(now)
        if action == "backwards":
            state = _EARLIER.get(state, state)
        foreign = (fault.body or "https://cdn.elsewhere.example/") if fault and action == "foreign" else ""
        return _data(task, state, now, foreign or f"{request.url.scheme}://{request.url.netloc}/cdn/")

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


def _identity(body: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two submits the same request: everything but our own id and the callback."""
    return {key: slim(value) for key, value in body.items() if key not in ("external_task_id", "callback_url")}


def _failure(checked: Checked, fault: Fault | None) -> Failure | None:
    if fault and fault.action == "risk-control":
        return Failure(reason=RISK, kind="risk-control", after_s=None)
    if fault and fault.action == "fail":
        return Failure(reason=fault.body or "Service internal error", kind="fail", after_s=None)
    if checked.picture and checked.picture.flaw:
        return Failure(reason=checked.picture.flaw, kind="image")
    return None


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


def _task_id(number: int) -> str:
    """18 decimal digits, as the service has given since 2025."""
    return str(8 * 10**17 + number % 10**17)


def _asset(kind: str, number: int) -> str:
    folder = kind.replace("-", "")
    return f"bs2/upload-kling-api/{number % 10**10:010d}/{folder}/Cjh{number:032x}-0_raw_video_1.mp4"


def _created(task: Task) -> dict[str, Any]:
    at = _ms(task.accepted_at)
    info = {"external_task_id": task.own_id} if task.own_id else {}
    return {"task_id": task.id, "task_info": info, "task_status": "submitted", "created_at": at, "updated_at": at}


def _data(task: Task, state: State, now: float, cdn: str) -> dict[str, Any]:
    """The object of a GET; results and deductions only after success, times in ms."""
    mark = bool((json.loads(task.request).get("watermark_info") or {}).get("enabled", False))
    data = _created(task) | {
        "task_status": WORDS[state],
        "task_status_msg": task.failure if state == "failed" else "",
        "watermark_info": {"enabled": mark},
        "updated_at": _ms(task.changed_at(now)),
        "task_result": {},
    }
    if state != "done":
        return data
    quota = f"{Decimal(task.usd):.2f}"
    return data | {
        "final_unit_deduction": task.units,
        "final_balance_deduction": {"quota": quota, "list_price": quota},
        "task_result": {"videos": [_video(task, cdn, mark)]},
    }


def _video(task: Task, cdn: str, mark: bool) -> dict[str, Any]:
    url = cdn + task.asset
    name = hashlib.sha256(task.asset.encode()).hexdigest()
    video = {
        "id": f"{name[:8]}-{name[8:12]}-4{name[13:16]}-a{name[17:20]}-{name[20:32]}",
        "url": url,
        # One frame more than asked: captured durations of a 5 s request are 5.041 and 5.042.
        "duration": f"{json.loads(task.scene)['seconds']}.041",
    }
    return video | ({"watermark_url": url} if mark else {})


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
