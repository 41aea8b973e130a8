"""Provider ``chanjing``: AI creation on the open platform of Chanjing.

Written from chanjing.txt and the service's public client (chanjing-ai/chan-skills, read 2026-03-27).  This
simulator's own readings, where nothing is documented: every error comes under HTTP 200; wrong credentials at the
token endpoint and an unknown task are 40000; a token is good until its ``expire_in``, and asking for another leaves
it good; an empty balance is 40000 and content is judged after the submit, since no code names either; tasks above
the account's slots wait; the callback is accepted and never sent; an image's frame is taken to be 16:9.  No price is
published: Kling's own list price is charged.  A failed task consumes no credits, as its message says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from kling_nb.simulator.cdn import cdn_of
from kling_nb.simulator.chanjing_input import MESSAGES, Refused, check, number_of, text_of, texts_of
from kling_nb.simulator.chanjing_task import asset, order, told
from kling_nb.simulator.chanjing_tokens import APP_ID, SECRET_KEY, issued, verify
from kling_nb.simulator.faults import LOOKUP, SUBMIT, WIRE, Event, Fault
from kling_nb.simulator.native_keys import json_object
from kling_nb.simulator.store import Task
from kling_nb.simulator.wire import retry_after, under
from kling_nb.simulator.world import Provider, World

MOST = 50
"""Ids in one look-up, and tasks on one page."""

_TASK = "/open/v1/ai_creation/task"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
Body = Mapping[str, Any]


def provider(world: World) -> Provider:
    """The provider ``chanjing``."""
    chanjing = Chanjing(world)
    routes = [
        Route("/open/v1/access_token", chanjing.token, methods=["POST"]),
        Route(_TASK + "/submit", chanjing.submit, methods=["POST"]),
        Route(_TASK + "/page", chanjing.page, methods=["POST"]),
        Route(_TASK, chanjing.single, methods=["GET"]),
        Route("/{path:path}", nowhere, methods=_METHODS),
    ]
    return Provider("chanjing", f"{APP_ID}:{SECRET_KEY}", routes)


async def nowhere(request: Request) -> Response:
    """Any other path or method; undocumented, so a bare 404."""
    return PlainTextResponse("404 page not found", 404)


class Chanjing:
    """The endpoints, over one world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def token(self, request: Request) -> Response:
        """``POST /open/v1/access_token``."""
        body = json_object(await request.body())
        return await self._under(request, Event("chanjing", "token"), lambda: self._issue(body))

    async def submit(self, request: Request) -> Response:
        """``POST …/task/submit``: the task's id as a bare string."""
        body = json_object(await request.body())
        model, prompt = (str((body or {}).get(key) or "") for key in ("model_code", "ref_prompt"))
        event = Event("chanjing", "submit", model, prompt)
        return await self._under(request, event, lambda: self._create(request, body, event))

    async def single(self, request: Request) -> Response:
        """``GET …/task?unique_id=``."""
        found = self._find([request.query_params.get("unique_id", "")])
        event = Event("chanjing", "status", *(found[0].model, found[0].prompt) if found else ())
        return await self._under(request, event, lambda: self._single(request, found, event))

    async def page(self, request: Request) -> Response:
        """``POST …/task/page``: newest first."""
        body = json_object(await request.body())
        return await self._under(request, Event("chanjing", "list"), lambda: self._page(request, body))

    async def _under(self, request: Request, event: Event, work: Callable[[], object]) -> Response:
        return await under(self.world.strike(event, WIRE), request, lambda: self._answer(request, work))

    def _answer(self, request: Request, work: Callable[[], object]) -> Response:
        trace = {"trace_id": self.world.request_id(request).replace("-", "")}
        try:
            return JSONResponse(trace | {"code": 0, "msg": "success", "data": work()})
        except Refused as no:
            return JSONResponse(trace | {"code": no.code, "msg": no.message, "data": None}, 200, no.headers)

    def _issue(self, body: Body | None) -> object:
        given = _object(body)
        if (text_of(given, "app_id"), text_of(given, "secret_key")) != (APP_ID, SECRET_KEY):
            raise Refused(40000, "app_id, secret_key")
        return issued(self.world)

    def _check_token(self, request: Request) -> None:
        if not verify(request.headers.get("access_token", ""), self.world.token_now()):
            raise Refused(10400)

    def _create(self, request: Request, body: Body | None, event: Event) -> object:
        self._check_token(request)
        given = _object(body)
        checked = check(given)
        with self.world.store.lock:
            fault = self.world.strike(event, SUBMIT)
            if fault and fault.action == "funds":
                raise Refused(40000, "蝉豆余额不足")
            if fault and fault.action == "busy":
                raise _push_back(fault)
            return self.world.accept(order(checked, given, fault), self._task_id, asset).id

    def _task_id(self, number: int) -> str:
        return self.world.uuid("chanjing", number)

    def _single(self, request: Request, found: Sequence[Task], event: Event) -> object:
        self._check_token(request)
        if not found:
            raise Refused(40000, "unique_id")
        return self._told(request, found[0], self.world.strike(event, LOOKUP))

    def _page(self, request: Request, body: Body | None) -> object:
        self._check_token(request)
        given = _object(body)
        number = number_of(given, "page", range(1, 1_000_000)) or 1
        size = number_of(given, "page_size", range(1, MOST + 1)) or 10
        shown = self._shown(request, self._wanted(given))
        info = {"page": number, "size": size, "total_count": len(shown), "total_page": -(-len(shown) // size)}
        return {"list": shown[(number - 1) * size : number * size], "total": len(shown), "page_info": info}

    def _shown(self, request: Request, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        struck = [
            (task, self.world.strike(Event("chanjing", "list", task.model, task.prompt), LOOKUP)) for task in tasks
        ]
        kept = [(task, fault) for task, fault in struck if not (fault and fault.action == "missing")]
        return [self._told(request, task, fault) for task, fault in kept]

    def _wanted(self, given: Body) -> list[Task]:
        """Tasks that a page's filters let through; an empty list of ids filters nothing."""
        ids, only_good = texts_of(given, "unique_ids"), given.get("is_success")
        if len(ids) > MOST:
            raise Refused(40000, "unique_ids")
        if only_good is not None and not isinstance(only_good, bool):
            raise Refused(400, "is_success")
        if number_of(given, "type", (3, 4)) == 3:
            return []
        tasks = self._find(ids) if ids else self.world.store.tasks("provider = 'chanjing'")
        return [task for task in reversed(tasks) if not only_good or task.state(self.world.now()) == "done"]

    def _find(self, ids: Sequence[str]) -> list[Task]:
        marks = ", ".join("?" * len(ids))
        return self.world.store.tasks(f"provider = 'chanjing' AND id IN ({marks})", ids)

    def _told(self, request: Request, task: Task, fault: Fault | None) -> dict[str, Any]:
        return told(task, self.world.now(), fault, cdn_of(request, fault))


def _object(body: Body | None) -> Body:
    if body is None:
        raise Refused(400, "JSON")
    return body


def _push_back(fault: Fault) -> Refused:
    code = fault.code if fault.code in MESSAGES else 40001
    return Refused(code, headers=retry_after(fault))
