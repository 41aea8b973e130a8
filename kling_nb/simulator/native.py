"""Provider ``kling``: the native legacy API, ``/v1/videos/{text2video,image2video,omni-video}``.

Written from the official pages (2026-02 and 2026-09 snapshots) and captured bodies.  This simulator's own
readings, where nothing is documented: callbacks are accepted and never sent; ``element_list`` always fails, since
there is no element library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kling_nb.simulator import native_task
from kling_nb.simulator.faults import LOOKUP, SUBMIT, WIRE, Event
from kling_nb.simulator.native_account import costs
from kling_nb.simulator.native_fields import Body, Refused, bad
from kling_nb.simulator.native_keys import ACCESS, API_KEY, SECRET, json_object, verify
from kling_nb.simulator.native_order import order_of, own_id
from kling_nb.simulator.native_path import routes as path_routes
from kling_nb.simulator.native_rules import check, shown_prompt
from kling_nb.simulator.native_service import Service
from kling_nb.simulator.store import Task
from kling_nb.simulator.wire import under
from kling_nb.simulator.world import Provider, World

KINDS = ("text2video", "image2video", "omni-video")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def provider(world: World) -> Provider:
    """The provider ``kling``."""
    kling = Native(Service(world))
    account = costs(kling.service, kling.authenticate)
    routes = [*kling.routes("/v1/videos"), *path_routes(kling.service), account, kling.rest]
    return Provider("kling", f"{ACCESS}:{SECRET},{API_KEY}", routes)


class Native:
    """The endpoints of one service; a relay of it overrides authentication, body reading and the reply's form."""

    kinds: Sequence[str] = KINDS

    def __init__(self, service: Service) -> None:
        self.service, self.world = service, service.world

    def routes(self, prefix: str) -> list[Route]:
        """Create, list and single query under *prefix*."""
        return [
            Route(prefix + "/{kind}", self.submit, methods=["POST"]),
            Route(prefix + "/{kind}", self.listing, methods=["GET"]),
            Route(prefix + "/{kind}/{task_id}", self.single, methods=["GET"]),
        ]

    @property
    def rest(self) -> Route:
        """Any other path or method."""
        return Route("/{path:path}", self.nowhere, methods=METHODS)

    async def submit(self, request: Request) -> Response:
        """``POST …/{kind}``."""
        body = self.body_of(request, await request.body())
        told = body or {}
        event = Event(self.service.provider, "submit", str(told.get("model_name") or ""), shown_prompt(told))
        line = self.world.strike(event, WIRE)
        return await under(line, request, lambda: self.answer(request, lambda: self._create(request, body, event)))

    async def single(self, request: Request) -> Response:
        """``GET …/{kind}/{task_id or external_task_id}``."""
        task = self._find(request.path_params["kind"], request.path_params["task_id"])
        found = task is not None and task.id != request.path_params["task_id"]
        event = self._event(task, "find" if found or task is None else "status")

        def show() -> object:
            self.authenticate(request)
            return self.shown(request, _existing(task), event)

        return await under(self.world.strike(event, WIRE), request, lambda: self.answer(request, show))

    async def listing(self, request: Request) -> Response:
        """``GET …/{kind}?pageNum=1&pageSize=30``: a bare array, newest first."""
        line = self.world.strike(self._event(None, "list"), WIRE)
        return await under(line, request, lambda: self.answer(request, lambda: self._page(request)))

    async def nowhere(self, request: Request) -> Response:
        """Any other path or method."""

        def refuse() -> object:
            raise _no_method(request)

        return self.answer(request, refuse)

    def authenticate(self, request: Request) -> None:
        """Raise :class:`Refused` for a credential that Kling rejects."""
        header = request.headers.get("authorization", "")
        if not header.strip():
            raise Refused(401, 1001, "Authorization is empty")
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer" or not token:
            raise Refused(401, 1002, "Authorization is invalid")
        if token != API_KEY:
            verify(token, self.world.token_now())

    def answer(self, request: Request, work: Callable[[], object]) -> Response:
        """What *work* returns, or its refusal, in the service's envelope."""
        return self.service.answer(request, work)

    def body_of(self, request: Request, raw: bytes) -> dict[str, Any] | None:
        """The JSON object of a create call, if there is one."""
        return json_object(raw)

    def judge(self, request: Request, kind: str, body: Body) -> None:
        """Raise :class:`Refused` for a body that Kling itself would accept and a relay rejects."""

    def created(self, request: Request, task: Task) -> dict[str, Any]:
        """What a create call answers."""
        return native_task.created(task)

    def shown(self, request: Request, task: Task, event: Event) -> dict[str, Any]:
        """A task as the service shows it; empty when a fault keeps it out of a list."""
        fault = self.world.strike(event, LOOKUP)
        if fault and fault.action == "missing":
            return {}
        state, cdn = self.service.seen(request, task, fault)
        return native_task.shown(task, state, self.world.now(), cdn)

    def _create(self, request: Request, body: dict[str, Any] | None, event: Event) -> object:
        self.authenticate(request)
        kind = request.path_params["kind"]
        if kind not in self.kinds:
            raise _no_method(request)
        if body is None:
            raise Refused(400, 1200, "Request body must be a JSON object")
        self.judge(request, kind, body)
        return self.created(request, self._accept(kind, body, event))

    def _accept(self, kind: str, body: Body, event: Event) -> Task:
        checked = check(kind, body)
        with self.world.store.lock:
            self.service.unused(own_id(body))
            fault = self.world.strike(event, SUBMIT)
            self.service.room(checked.name, fault)
            return self.service.accept(order_of(self.service, checked, body, fault), kind.replace("-", ""))

    def _page(self, request: Request) -> object:
        self.authenticate(request)
        number = _bounded(request, "pageNum", 1, 1000)
        size = _bounded(request, "pageSize", 30, 500)
        where, values = ("provider = ? AND endpoint = ?", (self.service.provider, request.path_params["kind"]))
        tail = f"ORDER BY position DESC LIMIT {size} OFFSET {(number - 1) * size}"
        tasks = self.world.store.tasks(where, values, tail)
        shown = (self.shown(request, task, self._event(task, "list")) for task in tasks)
        return [item for item in shown if item]

    def _find(self, kind: str, name: str) -> Task | None:
        # Not `id = ? OR own_id = ?`: for that SQLite goes through every task of the endpoint.
        named = "SELECT position FROM tasks WHERE provider = ? AND"
        where = f"endpoint = ? AND position IN ({named} id = ? UNION {named} own_id = ?)"
        provider = self.service.provider
        return self.world.store.one(where, (kind, provider, name, provider, name))

    def _event(self, task: Task | None, operation: str) -> Event:
        about = (task.model, task.prompt) if task else ("", "")
        return Event(self.service.provider, operation, *about)


def _existing(task: Task | None) -> Task:
    if task is None:
        raise Refused(404, 1203, "Task not found")
    return task


def _no_method(request: Request) -> Refused:
    return Refused(404, 1202, f"The requested method is invalid: {request.method} {request.url.path}")


def _bounded(request: Request, key: str, default: int, most: int) -> int:
    text = request.query_params.get(key, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= most:
        raise bad(f"{key} value '{text}' is invalid")
    return int(text)
