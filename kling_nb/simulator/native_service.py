"""The service behind both generations of Kling's own API: one envelope, one account, one kind of clip.

This simulator's own readings, where nothing is documented: a reused ``external_task_id`` is rejected with 1201;
failed tasks are not charged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kling_nb.simulator.cdn import cdn_of
from kling_nb.simulator.faults import Fault
from kling_nb.simulator.native_fields import Refused, bad, push_back
from kling_nb.simulator.native_keys import ACCESS
from kling_nb.simulator.pictures import Picture, slim
from kling_nb.simulator.store import EARLIER, State, Task
from kling_nb.simulator.world import Failure, Order, World

RISK = "Failure to pass the risk control system"


class Service:
    """One account over one world; *provider* is the name under which its tasks are stored.

    *named* makes a task's id from a seeded number (default: Kling's 18 digits).
    """

    def __init__(
        self,
        world: World,
        provider: str = "kling",
        account: str = ACCESS,
        named: Callable[[int], str] | None = None,
    ) -> None:
        self.world, self.provider, self.account = world, provider, account
        self._named = named or task_id

    def answer(self, request: Request, work: Callable[[], object]) -> Response:
        """What *work* returns as ``data``, or its refusal with HTTP status and code."""
        trace = self.world.request_id(request)
        try:
            return JSONResponse({"code": 0, "message": "SUCCEED", "request_id": trace, "data": work()})
        except Refused as no:
            status = 200 if self.world.errors_as_200 else no.status
            return JSONResponse({"code": no.code, "message": no.message, "request_id": trace}, status, no.headers)

    def unused(self, own_id: str) -> None:
        """Raise for an own id that the account has used before, whatever it was used for."""
        # Documented as "unique per account"; what the server does with a second one is not.
        if own_id and self.world.store.count("provider = ? AND own_id = ?", (self.provider, own_id)):
            raise bad(f"external_task_id value '{own_id}' is duplicated")

    def room(self, model: str, fault: Fault | None) -> None:
        """Balance, moderation and slots: all judged after the parameters."""
        action = fault.action if fault else ""
        if action == "funds":
            raise Refused(429, 1102, "Account balance not enough")
        if action == "moderation":
            raise Refused(400, 1301, "The request contains content that violates the content safety policy")
        if fault and action == "busy":
            raise push_back(fault.code or 1303, fault.retry_after)
        # A slot is one task of one account and model, from submitted until its end; keys share it.
        if len(self.world.active(self.provider, self.account, model)) >= self.world.slots.get(self.provider, 1_000_000):
            raise push_back(1303, None)

    def accept(self, order: Order, folder: str) -> Task:
        """Enter a task; *folder* is a part of its clip's address."""
        return self.world.accept(order, self._named, lambda number: asset(folder, number))

    def seen(self, request: Request, task: Task, fault: Fault | None) -> tuple[State, str]:
        """The state that a look-up shows, and where its clip lies."""
        state = task.state(self.world.now())
        if fault and fault.action == "backwards":
            state = EARLIER.get(state, state)
        return state, cdn_of(request, fault)


def failure(picture: Picture | None, fault: Fault | None) -> Failure | None:
    """How a task will end, if not well."""
    if fault and fault.action == "risk-control":
        return Failure(reason=RISK, kind="risk-control", after_s=None)
    if fault and fault.action == "fail":
        return Failure(reason=fault.body or "Service internal error", kind="fail", after_s=None)
    if picture and picture.flaw:
        return Failure(reason=picture.flaw, kind="image")
    return None


def identity(body: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two submits the same request: everything but our own id and the callback."""
    return {key: slim(value) for key, value in body.items() if key not in ("external_task_id", "callback_url")}


def task_id(number: int) -> str:
    """18 decimal digits, as the service has given since 2025."""
    return str(8 * 10**17 + number % 10**17)


def asset(folder: str, number: int) -> str:
    """The path of a clip, as captured ones look."""
    return f"bs2/upload-kling-api/{number % 10**10:010d}/{folder}/Cjh{number:032x}-0_raw_video_1.mp4"


def video(task: Task, cdn: str, mark: bool) -> dict[str, Any]:
    """A finished task's clip: id, URL, and its length as text."""
    url = cdn + task.asset
    name = hashlib.sha256(task.asset.encode()).hexdigest()
    told = {
        "id": f"{name[:8]}-{name[8:12]}-4{name[13:16]}-a{name[17:20]}-{name[20:32]}",
        "url": url,
        # One frame more than asked: captured durations of a 5 s request are 5.041 and 5.042.
        "duration": f"{json.loads(task.scene)['seconds']}.041",
    }
    return told | ({"watermark_url": url} if mark else {})


def ms(seconds: float) -> int:
    """Milliseconds, as Kling's times are."""
    return round(seconds * 1000)
