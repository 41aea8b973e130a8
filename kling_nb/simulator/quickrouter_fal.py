"""Provider ``quickrouter-fal``: fal's queue behind the relay of QuickRouter.

The body and the results are fal's own, the door is the relay's.  Written from quickrouter-fal.txt and the sibling
pages fal-kling-i2v and fal-result (doc.quickrouter.ai, read 2026-11).  This simulator's own readings, where nothing
is documented: the errors that the pages name (401, 429, 500) have new-api's bodies; no funds is its 403; a result
that is not ready is fal's 400, or with the fault ``relay-status`` a 200 with fal's status word; ``/status`` and
``/cancel`` are not passed on; another app or an unknown request is fal's 404; the relay's prices are not published,
so the official list price is charged, which for these endpoints is fal's too, and failures cost what they cost at fal.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kling_nb.simulator.fal_door import FalDoor, Refused
from kling_nb.simulator.fal_models import APP, ENDPOINTS, Endpoint
from kling_nb.simulator.falqueue import Queue
from kling_nb.simulator.faults import Fault
from kling_nb.simulator.newapi_errors import SATURATED, no_quota, no_route
from kling_nb.simulator.relay_key import RELAY_KEY, TRACE_HEADER, key_refusal, relay_error
from kling_nb.simulator.store import EARLIER, State, Task
from kling_nb.simulator.wire import retry_after
from kling_nb.simulator.world import Provider, World

LINE = "v2.5-turbo/pro"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def provider(world: World) -> Provider:
    """The provider ``quickrouter-fal``."""
    queue = Queue(RelayDoor(world))
    routes = [
        Route("/{owner}/{app}/requests/{id}", queue.result, methods=["GET"]),
        Route("/{owner}/{app}/{path:path}", queue.submit, methods=["POST"]),
        Route("/{path:path}", queue.elsewhere, methods=_METHODS),
    ]
    return Provider(RelayDoor.name, RELAY_KEY, routes)


class RelayDoor(FalDoor):
    """``api.quickrouter.ai``: a Bearer key, two endpoints, and URLs that lead to fal, where that key is worth nothing."""

    name = "quickrouter-fal"
    account = RELAY_KEY
    endpoints: Mapping[str, Endpoint] = {
        path: endpoint for path, endpoint in ENDPOINTS.items() if endpoint.line == LINE
    }

    def check_key(self, request: Request) -> None:
        """Bearer and the relay's key; fal's ``Key`` is a 401."""
        if refusal := key_refusal(request, self.world.request_id(request)):
            raise Refused(refusal)

    def is_app(self, request: Request) -> bool:
        """Kling's app by its name or, in a look-up, by the word ``auto``."""
        apps = {APP, "fal-ai/auto"} if "id" in request.path_params else {APP}
        return "{owner}/{app}".format(**request.path_params) in apps

    def endpoint(self, request: Request) -> Endpoint:
        """One of the two endpoints that have a page."""
        if not self.is_app(request) or request.path_params["path"] not in self.endpoints:
            raise self.nowhere(request)
        return self.endpoints[request.path_params["path"]]

    def turned_away(self, request: Request, fault: Fault) -> Refused:
        """new-api's quota error, or its word for every 429."""
        trace = self.world.request_id(request)
        if fault.action == "funds":
            return Refused(no_quota().response(trace))
        busy = relay_error(429, SATURATED, trace)
        busy.headers.update(retry_after(fault))
        return Refused(busy)

    def nowhere(self, request: Request) -> Refused:
        """new-api's 404 for a path that it does not route."""
        return Refused(no_route(request, self.world.request_id(request)))

    def home(self, request: Request) -> str:
        """The host of fal, as in the example on the page."""
        return "https://queue.fal.run"

    def state_at_result(self, task: Task, fault: Fault | None) -> State:
        """The true state, or the one before it; nothing but the result can be asked here."""
        state = task.state(self.world.now())
        return EARLIER.get(state, state) if fault and fault.action == "backwards" else state

    def pending(self, state: State, fault: Fault | None) -> Response:
        """The 400 of fal, or a word."""
        if not fault or fault.action != "relay-status":
            return super().pending(state, fault)
        return JSONResponse({"status": "IN_QUEUE" if state == "queued" else "IN_PROGRESS"})

    def accepted(self, task: Task) -> dict[str, str]:
        """No header of its own."""
        return {}

    def mark(self, request: Request, response: Response) -> None:
        """new-api's trace id."""
        response.headers.setdefault(TRACE_HEADER, self.world.request_id(request))
