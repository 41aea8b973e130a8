"""Provider ``quickrouter``: QuickRouter's Kling-style API, where every answer is flat (family C).

Written from quickrouter-kling.txt (read 2026-11), values from Kling's own rules.  This simulator's own readings,
where nothing is documented: a key that the page has as a string may also be of Kling's native type; keys that
are not on the page are ignored; image2video is like text2video, with the images of Kling's; a query lies under the
create call's path, takes either id and answers in the shape that ``shapes`` or ``#sim:shape-…`` says (A, C, D or D';
C with ``task_status_msg`` and ``task_result`` at the top is the default).  Of errors only 401, 429 and 500 are named:
401, 403, 429 and 5xx have new-api's bodies, an unknown task is its 400; a bad parameter is
``{"code": "invalid_request", "message", "request_id"}``, and what Kling refuses for its content has the code
``task_failed``.  Prices are not published, so that Kling's list price is charged, and given back for a failure.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kling_nb.simulator import native_task, newapi_task
from kling_nb.simulator.faults import LOOKUP, SHAPE, Event
from kling_nb.simulator.native import Native
from kling_nb.simulator.native_fields import Body, Refused, bad
from kling_nb.simulator.native_keys import json_object
from kling_nb.simulator.native_service import Service
from kling_nb.simulator.newapi_errors import RATE_LIMITED, SATURATED, Denied, no_quota, no_route, no_task
from kling_nb.simulator.newapi_task import View, enveloped
from kling_nb.simulator.relay_key import RELAY_KEY, TRACE_HEADER, key_refusal
from kling_nb.simulator.store import Task
from kling_nb.simulator.world import Provider, World

SHAPES = ("A", "C", "D", "D'")
REQUIRED = ("model_name", "multi_shot", "mode")
FIELDS = frozenset(
    {
        *REQUIRED,
        "prompt",
        "shot_type",
        "multi_prompt",
        "negative_prompt",
        "cfg_scale",
        "sound",
        "camera_control",
        "aspect_ratio",
        "duration",
        "watermark_info",
        "callback_url",
        "external_task_id",
    }
)
IMAGE_FIELDS = frozenset({"image", "image_tail", "static_mask", "dynamic_masks", "element_list", "voice_list"})


def provider(world: World) -> Provider:
    """The provider ``quickrouter``."""
    router = QuickRouter(Service(world, "quickrouter", RELAY_KEY, ulid))
    create = "/kling/v1/videos/{kind}"
    routes = [
        Route(create, router.submit, methods=["POST"]),
        Route(create + "/{task_id}", router.single, methods=["GET"]),
        router.rest,
    ]
    return Provider("quickrouter", RELAY_KEY, routes)


class QuickRouter(Native):
    """Kling's create calls under flat answers."""

    kinds = ("text2video", "image2video")

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._shape = service.world.shapes.get(service.provider, "C")
        if self._shape not in SHAPES:
            raise ValueError(f"quickrouter has no shape {self._shape!r}; known: {', '.join(SHAPES)}")

    async def nowhere(self, request: Request) -> Response:
        """Any other path or method; there is no list."""
        return no_route(request, self.world.request_id(request))

    def authenticate(self, request: Request) -> None:
        """Nothing more to do: :meth:`answer` has looked at the key."""

    def answer(self, request: Request, work: Callable[[], object]) -> Response:
        """A body as it is, for whoever holds the relay's key."""
        trace = self.world.request_id(request)
        if refusal := key_refusal(request, trace):
            return refusal
        try:
            return JSONResponse(work(), headers={TRACE_HEADER: trace})
        except Refused as no:
            return _refusal(request, no, trace)

    def body_of(self, request: Request, raw: bytes) -> dict[str, Any] | None:
        """The keys that the page has, in Kling's own types."""
        body = json_object(raw)
        known = FIELDS | (IMAGE_FIELDS if request.path_params["kind"] == "image2video" else frozenset())
        return body and {key: _native(key, value) for key, value in body.items() if key in known}

    def judge(self, request: Request, kind: str, body: Body) -> None:
        """Three keys are required, whatever Kling's defaults are."""
        for key in REQUIRED:
            if body.get(key) in (None, ""):
                raise bad(f"{key} can not be null")

    def created(self, request: Request, task: Task) -> dict[str, Any]:
        """The flat answer of the page."""
        return self._flat(request) | native_task.created(task)

    def shown(self, request: Request, task: Task, event: Event) -> dict[str, Any]:
        """A task, in the shape that was chosen for the provider or for this task."""
        fault, form = self.world.strike(event, LOOKUP), self.world.strike(event, SHAPE)
        state, cdn = self.service.seen(request, task, fault)
        view = View(task=task, state=state, at=self.world.now(), cdn=cdn)
        shape = form.body if form and form.body in SHAPES else self._shape
        if shape == "D":
            return newapi_task.video(view)
        if shape == "D'":
            return enveloped(newapi_task.record(view))
        data = native_task.shown(task, state, view.at, cdn)
        if shape == "A":
            return {"code": 0, "message": "SUCCEED", "request_id": self.world.request_id(request), "data": data}
        kept = {*native_task.created(task), "task_status_msg", "task_result"}
        return self._flat(request) | {key: value for key, value in data.items() if key in kept}

    def _flat(self, request: Request) -> dict[str, Any]:
        told = {"object": "chat.completion", "code": "success", "message": ""}
        return told | {"request_id": _hex(self.world.request_id(request))}


def _native(key: str, value: object) -> object:
    """A value that the page has as a string, in Kling's type; as it came where it can not be read."""
    if not isinstance(value, str) or key not in ("multi_shot", "cfg_scale", "multi_prompt"):
        return value
    if not value.strip():
        return None
    try:
        return float(value) if key == "cfg_scale" else json.loads(value)
    except ValueError:
        return value


def _refusal(request: Request, no: Refused, trace: str) -> Response:
    """Kling's refusal in the relay's words."""
    if no.code == 1202:
        return no_route(request, trace)
    if no.code == 1203:
        return no_task().response(trace)
    if no.code == 1102:
        return no_quota().response(trace)
    if no.status == 429:
        message = SATURATED if no.code == 1303 else RATE_LIMITED
        return Denied(429, "", message, before=True, headers=no.headers).response(trace)
    code = "task_failed" if no.code == 1301 else "invalid_request"
    told = {"code": code, "message": no.message, "request_id": _hex(trace)}
    return JSONResponse(told, no.status, {TRACE_HEADER: trace})


def _hex(trace: str) -> str:
    return trace.replace("-", "")


def ulid(number: int) -> str:
    """26 signs of Crockford's base 32, beginning as those of this decade do; it tells no true time."""
    signs = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "01" + "".join(signs[number >> 5 * place & 31] for place in range(24))
