"""Kling's path API: ``/{text-to-video,image-to-video,omni-video}/{model}`` and ``/tasks``.

From the official pages (kling.ai/document-api, snapshot of 2026-09).  The account, its slots, its own ids and its
task table are those of the legacy API; each generation shows only its own tasks.  This simulator's own readings,
where nothing is documented: an unknown model in the path is 404/1203; a look-up answers in the order asked, without
the ids that it does not know; a look-up by no ids is a 1201; what was charged is told as cash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from kling_nb.simulator.clips import Scene
from kling_nb.simulator.faults import LOOKUP, SUBMIT, WIRE, Event, Fault, stall_s
from kling_nb.simulator.native_fields import Body, Refused, bad
from kling_nb.simulator.native_keys import ACCESS, API_KEY, json_object
from kling_nb.simulator.native_path_cursor import Window
from kling_nb.simulator.native_path_models import MODELS, Model
from kling_nb.simulator.native_path_rules import Checked, check, marked, object_of, shown_prompt
from kling_nb.simulator.native_service import Service, failure, identity, ms, video
from kling_nb.simulator.prices import USD_PER_UNIT, kling_units, plain
from kling_nb.simulator.store import State, Task
from kling_nb.simulator.wire import under
from kling_nb.simulator.world import Order

KINDS = ("text-to-video", "image-to-video", "omni-video")
WORDS: dict[State, str] = {
    "queued": "submitted",
    "running": "processing",
    "done": "succeeded",
    "failed": "failed",
    "cancelled": "failed",
}
OWN = "provider = 'kling' AND instr(endpoint, '/') > 0"
"""The tasks of this generation: their endpoint is a path."""


def routes(service: Service) -> list[BaseRoute]:
    """The path API over an account."""
    api = PathApi(service)
    return [
        Route("/tasks", api.found, methods=["GET"]),
        Route("/tasks", api.listing, methods=["POST"]),
        *(Route(f"/{kind}/{{model}}", api.submit, methods=["POST"]) for kind in KINDS),
    ]


class PathApi:
    """The endpoints, over one account."""

    def __init__(self, service: Service) -> None:
        self.service, self.world = service, service.world

    async def submit(self, request: Request) -> Response:
        """``POST /{kind}/{model}``."""
        body = json_object(await request.body())
        model = MODELS.get(request.path_params["model"])
        event = Event("kling", "submit", model.legacy if model else "", shown_prompt(body or {}))
        return await self._under(request, [event], lambda: self._create(request, model, body, event))

    async def found(self, request: Request) -> Response:
        """``GET /tasks?task_ids=a,b`` or ``?external_task_ids=a,b``: always a list."""
        column = "own_id" if "external_task_ids" in request.query_params else "id"
        tasks = self._find(column, _asked(request))
        operation = "find" if column == "own_id" else "status"
        events = [Event("kling", operation, task.model, task.prompt) for task in tasks] or [Event("kling", operation)]
        return await self._under(request, events, lambda: self._found(request, tasks, events))

    async def listing(self, request: Request) -> Response:
        """``POST /tasks``: newest first, by cursor."""
        body = json_object(await request.body() or b"{}")
        return await self._under(request, [Event("kling", "list")], lambda: self._list(request, body))

    async def _under(self, request: Request, events: Sequence[Event], work: Callable[[], object]) -> Response:
        struck = [self.world.strike(event, WIRE) for event in events]
        line = next((fault for fault in struck if fault), None)
        return await under(line, request, lambda: self.service.answer(request, work))

    def _create(self, request: Request, model: Model | None, body: dict[str, Any] | None, event: Event) -> object:
        _authenticate(request)
        kind, name = request.url.path.rsplit("/", 2)[1:]
        if model is None or kind not in model.kinds:
            raise Refused(404, 1203, f"The model is not found: {kind}/{name}")
        if body is None:
            raise Refused(400, 1200, "Request body must be a JSON object")
        checked = check(kind, model, body)
        with self.world.store.lock:
            self.service.unused(checked.own_id)
            fault = self.world.strike(event, SUBMIT)
            self.service.room(model.legacy, fault)
            order = _order(f"{kind}/{name}", model, checked, body, fault)
            task = self.service.accept(order, kind.replace("-", ""))
        return _created(task, "submitted", task.accepted_at)

    def _found(self, request: Request, tasks: Sequence[Task], events: Sequence[Event]) -> object:
        _authenticate(request)
        if {"task_ids", "external_task_ids"} <= set(request.query_params):
            raise bad("task_ids and external_task_ids can not be used together")
        if not _asked(request):
            raise bad("task_ids can not be null")
        return self._shown(request, zip(tasks, events, strict=False))

    def _list(self, request: Request, body: Body | None) -> object:
        _authenticate(request)
        if body is None:
            raise Refused(400, 1200, "Request body must be a JSON object")
        window = Window.read(body, self.world.now())
        where, values = f"{OWN} AND accepted_at BETWEEN ? AND ?", (window.start_s, window.end_s)
        tasks = self.world.store.tasks(where, values, "ORDER BY position DESC")
        kept = [task for task in tasks if window.wants(WORDS[task.state(self.world.now())])]
        page = kept[window.offset : window.offset + window.limit]
        shown = self._shown(request, ((task, Event("kling", "list", task.model, task.prompt)) for task in page))
        more = len(kept) > window.offset + window.limit
        return {"result": shown, "count": len(shown), "next_cursor": window.next if more else "", "has_more": more}

    def _shown(self, request: Request, tasks: Iterable[tuple[Task, Event]]) -> list[dict[str, Any]]:
        struck = [(task, self.world.strike(event, LOOKUP)) for task, event in tasks]
        kept = [(task, fault) for task, fault in struck if not (fault and fault.action == "missing")]
        return [_item(task, *self.service.seen(request, task, fault), self.world.now()) for task, fault in kept]

    def _find(self, column: str, names: Sequence[str]) -> list[Task]:
        marks = ", ".join("?" * len(names))
        tasks = self.world.store.tasks(f"{OWN} AND {column} IN ({marks})", names)
        return sorted(tasks, key=lambda task: names.index(getattr(task, column)))


def _authenticate(request: Request) -> None:
    """The API key alone: a signed token is 1002 here (measured 2026-09-19)."""
    header = request.headers.get("authorization", "")
    if not header.strip():
        raise Refused(401, 1001, "Authorization is empty")
    if header != f"Bearer {API_KEY}":
        raise Refused(401, 1002, "Authorization is invalid")


def _asked(request: Request) -> list[str]:
    query = request.query_params
    names = query.get("external_task_ids") or query.get("task_ids") or ""
    return [name.strip() for name in names.split(",") if name.strip()]


def _order(endpoint: str, model: Model, checked: Checked, body: Body, fault: Fault | None) -> Order:
    sound, voices, with_video = checked.sound, checked.voices, checked.video
    units = kling_units(model.legacy, checked.mode, checked.seconds, sound=sound, voices=voices, video=with_video)
    return Order(
        provider="kling",
        account=ACCESS,
        endpoint=endpoint,
        model=model.legacy,
        family=model.family,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        sound=sound,
        own_id=checked.own_id,
        request=identity(body) | {"options": identity(object_of(body, "options"))},
        scene=_scene(endpoint.rpartition("/")[2], checked),
        usd=plain(units * USD_PER_UNIT),
        units=str(units),
        image=checked.picture.thumb if checked.picture else None,
        failure=failure(checked.picture, fault),
        stall_s=stall_s(fault),
    )


def _scene(name: str, checked: Checked) -> Scene:
    return Scene(
        provider="kling",
        model=name,
        mode=checked.mode,
        prompt=checked.prompt,
        seconds=checked.seconds,
        ratio=checked.ratio,
        sound=checked.sound,
    )


def _created(task: Task, status: str, changed_at: float) -> dict[str, Any]:
    times = {"create_time": ms(task.accepted_at), "update_time": ms(changed_at)}
    return {"id": task.id, "status": status} | times | {"external_id": task.own_id}


def _item(task: Task, state: State, cdn: str, now: float) -> dict[str, Any]:
    """A task as look-ups show it; outputs and billing only after success."""
    item = _created(task, WORDS[state], task.changed_at(now)) | {"message": task.failure if state == "failed" else ""}
    if state != "done":
        return item | {"outputs": [], "billing": []}
    output = {"type": "video"} | video(task, cdn, marked(json.loads(task.request)))
    paid = {"charge_type": "cash", "cash_type": "balance", "amount": task.usd, "currency": "USD"}
    return item | {"outputs": [output], "billing": [paid | {"list_price": task.usd}]}
