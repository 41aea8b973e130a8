"""Authentication and routing of fal's queue, and the replies that do not depend on a queued request.

A relay of the queue replaces this class in front of the same queue.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kling_nb.simulator.fal_models import APP, ENDPOINTS, Endpoint
from kling_nb.simulator.faults import Fault
from kling_nb.simulator.store import State, Task
from kling_nb.simulator.wire import retry_after
from kling_nb.simulator.world import World

KEY_ID, KEY_SECRET = ("51d00000-0000-4000-8000-00000000fa1a", "simulated0secret0of0fal0000000000")
LOCKED = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."


class Refused(Exception):
    """An answer other than the one hoped for."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def refused(status: int, body: object, headers: Mapping[str, str] | None = None) -> Refused:
    """A refusal with a JSON body."""
    return Refused(JSONResponse(body, status, dict(headers or {})))


class FalDoor:
    """``queue.fal.run`` itself."""

    name = "fal"
    account = KEY_ID
    endpoints: Mapping[str, Endpoint] = ENDPOINTS

    def __init__(self, world: World) -> None:
        self.world = world

    def check_key(self, request: Request) -> None:
        """Raise :class:`Refused` for a missing or wrong key."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Key" or key.count(":") != 1 or any(character.isspace() for character in key):
            expected = "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'."
            raise refused(401, {"detail": expected})
        if key != f"{KEY_ID}:{KEY_SECRET}":
            raise refused(401, {"detail": "No user found for Key ID and Secret"})

    def is_app(self, request: Request) -> bool:
        """Whether the path names Kling's app."""
        return "{owner}/{app}".format(**request.path_params) == APP

    def endpoint(self, request: Request) -> Endpoint:
        """The endpoint that a submit is for; raises :class:`Refused` where there is none."""
        app, path = request.path_params["app"], request.path_params["path"]
        if not self.is_app(request) or path not in self.endpoints:
            raise self.unknown(f"{app}/{path}" if self.is_app(request) else app)
        return self.endpoints[path]

    def unknown(self, name: str) -> Refused:
        """The answer to a submit to an application that is not there."""
        return refused(404, {"detail": f'Application "{name}" not found'})

    def turned_away(self, request: Request, fault: Fault) -> Refused:
        """The answer to a submit without funds, or to one too many."""
        if fault.action == "funds":
            return refused(403, {"detail": LOCKED})
        return refused(429, {"detail": "Too many requests"}, retry_after(fault))

    def nowhere(self, request: Request) -> Refused:
        """The answer under any other path: polling under the full endpoint path is a 405 (captured), the rest 404."""
        known = request.path_params["path"].count("/") > 1  # below the mount
        return refused(405 if known else 404, {"detail": "Method Not Allowed" if known else "Not Found"})

    def home(self, request: Request) -> str:
        """The beginning of the URLs in an answer."""
        # The mount's prefix is in root_path; Starlette's base_url leaves it out.
        return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"

    def state_at_result(self, task: Task, fault: Fault | None) -> State:
        """What a result tells of; fal's own never goes backwards, since its status does."""
        return task.state(self.world.now())

    def pending(self, state: State, fault: Fault | None) -> Response:
        """The result of a request that has not ended."""
        return JSONResponse({"detail": "Request is still in progress"}, 400)

    def accepted(self, task: Task) -> dict[str, str]:
        """Headers of an accepted submit."""
        return {"x-fal-request-id": task.id}

    def mark(self, request: Request, response: Response) -> None:
        """Put the trace id into a response's headers."""
        trace = request.path_params.get("id") or self.world.request_id(request)
        response.headers.setdefault("x-fal-request-id", trace)
