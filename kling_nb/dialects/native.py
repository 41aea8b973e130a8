"""Kling's native protocol, legacy generation: model in the body, tasks under ``/v1/videos/…``.

Sources: kling.ai document API, pages on text-to-video, image-to-video, omni-video, authentication, error codes and
concurrency, read 2026-09-20. Errors are told by their code (`kling_nb.dialects.kling_faults`). Relays keep it under
a prefix; their page marks ``Accept`` as required, and has no look-up by our own id. So a relay that finds our id keeps
ids, but one that does not may have dropped it. ``lookup`` in a provider's options says that its page has this query.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import jwt

from ..costs import Cost
from ..dialect import (
    Asset,
    Call,
    Credential,
    Encoded,
    Fault,
    Learnt,
    Op,
    Phase,
    Reply,
    Status,
    Unreadable,
    join,
    path_under,
)
from ..errors import InputError, KlingError
from ..fields import CAMERA_AXES, CameraControl, Shot
from ..offer import Knob, Offer, Provider
from ..request import VideoRequest
from ..spelling import image_value, spell
from ..task import Ticket
from .kling_faults import MISSING, judge_code
from .lacking import CancelsNothing
from .reading import (
    DEDUCTIONS,
    NO_LINK,
    PHASES,
    code_of,
    dig,
    figures_in,
    id_from,
    link_from,
    phase_of,
    step,
    whose_failure,
    words_from,
)
from .relay_faults import gateway_fault, says_unknown
from .sparing import singly, sparing, unless_all_failed

TOKEN_LIFE_S = 1800
CLOCK_SKEW_S = 5
PAGE_MOST = 500
MS_FROM = 10**11
PAGES_MOST = 20
ACCEPT = MappingProxyType({"Accept": "application/json"})
UNDER_WAY = MappingProxyType(
    {word: Status(phase=phase) for word, phase in PHASES.items() if phase in (Phase.QUEUED, Phase.RUNNING)}
)
"""What is known of a task by its status word, where nothing else is said of it."""


class Native(CancelsNothing):
    """The legacy native protocol at one provider. It cannot cancel (no such endpoint on any page, read 2026-09-20)."""

    finds = True
    options = ("unit_usd", "lookup")

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request; our own id travels as ``external_task_id``."""
        spelled = spell(request, offer, SPELLINGS)
        body = {"model_name": offer.name, **_images_listed(spelled.body), "external_task_id": own_id}
        call = Call(op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body=body, headers=ACCEPT)
        return Encoded(call, tuple(spelled.losses))

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``data.task_id``."""
        return self._created(reply, call.url)

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task named by its ``task_id``."""
        return self._ticket(remote_id, str(call["url"]))

    def _created(self, reply: Reply, url: str) -> Ticket:
        data = dig(reply.object(), "data")
        return self._ticket(id_from(dig(data, "task_id"), reply, "data.task_id"), url, _ms(dig(data, "created_at")))

    def _ticket(self, task_id: str, url: str, created_ms: int = 0) -> Ticket:
        path = path_under(self._base, url)
        return Ticket(task_id, {"path": path, **({"created_ms": created_ms} if created_ms else {})})

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Ask by list where several tasks share a path, singly for what a listing lacks."""
        learnt: dict[str, Status | KlingError] = {}
        groups: dict[str, dict[str, Ticket]] = defaultdict(dict)
        for ticket in tickets:
            groups[ticket.data["path"]][ticket.id] = ticket
        for path, group in sorted(groups.items()):
            if len(group) > 1:
                learnt |= yield from self._list(path, group)
            if not group.keys() <= learnt.keys():
                unheard = [ticket for task_id, ticket in group.items() if task_id not in learnt]
                learnt |= yield from singly(unheard, self._single)
        return unless_all_failed(learnt)

    def _single(self, ticket: Ticket) -> Generator[Call, Reply, dict[str, Status]]:
        reply = yield self._get(Op.CHECK, f"{ticket.data['path']}/{step(ticket.id)}")
        status = self._status(dig(reply.object(), "data"))
        return {ticket.id: status} if status else {}

    def _list(self, path: str, group: Mapping[str, Ticket]) -> Generator[Call, Reply, Learnt]:
        """Page through the account's tasks, newest first, until all are found or older than the oldest."""
        learnt: dict[str, Status] = {}
        failed = yield from sparing(group, self._pages(path, group, learnt))
        return {**failed, **learnt}

    def _pages(
        self, path: str, group: Mapping[str, Ticket], learnt: dict[str, Status]
    ) -> Generator[Call, Reply, Learnt]:
        size = min(PAGE_MOST, max(30, 2 * len(group)))
        oldest = 0
        for page in range(1, PAGES_MOST + 1):
            reply = yield self._get(Op.CHECK, f"{path}?pageNum={page}&pageSize={size}")
            items = dig(reply.object(), "data")
            items = items if isinstance(items, list) else []
            learnt |= self._listed(items, group)
            if len(items) < size or len(learnt) == len(group):
                break
            oldest = oldest or _ms(min(ticket.data.get("created_ms", 0) for ticket in group.values()))
            if 0 < _ms(dig(items, -1, "created_at")) < oldest:
                break
        return learnt

    def _listed(self, items: Sequence[Any], wanted: Mapping[str, Ticket]) -> dict[str, Status]:
        learnt: dict[str, Status] = {}
        for item in items:
            if isinstance(item, dict) and (task_id := str(item.get("task_id"))) in wanted:
                status = self._status(item)
                if status is not None:
                    learnt[task_id] = status
        return learnt

    def _status(self, data: Any) -> Status | None:
        told = data if isinstance(data, dict) else {}
        word, words = told.get("task_status"), told.get("task_status_msg")
        if not words and isinstance(word, str) and word in UNDER_WAY:  # nearly all that a list says
            return UNDER_WAY[word]
        phase, reason = phase_of(word), words_from(words)
        if phase is Phase.FAILED:
            # Whether failures are charged is not documented (looked for 2026-09): `charged` stays unknown.
            return Status(
                phase=phase, reason=reason or "no reason given", whose=whose_failure(reason), cost=self._cost(data)
            )
        if phase is Phase.DONE:
            return self._done(data)
        return Status(phase=phase, reason=reason) if phase else None

    def _done(self, data: Any) -> Status:
        url = link_from(dig(data, "task_result", "videos", 0, "url"))
        if url is None:
            return Status(phase=Phase.RUNNING, reason=NO_LINK)
        return Status(phase=Phase.DONE, asset=Asset(url=url), cost=self._cost(data))

    def _cost(self, data: Any) -> Cost | None:
        """Read the deductions, which are strings: of units, which have a list price in USD, else of the balance.

        Units since 2026-01-23, the balance on the pages of 2026-09, which do not name its currency.
        """
        told = figures_in(data, DEDUCTIONS)
        units, quota = told.get("units"), told.get("balance")
        if units is None or (quota and not units):
            return None if quota is None else Cost(quota, "balance", None, told)
        return unit_cost(units, self._provider, told)

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up by ``external_task_id``, which the single query takes in the task id's place.

        It returns `None` only for the provider's own code, and only if the provider's page has this query. Any other
        reply without an id, and a task with another own id, raises `Unreadable`, so that a person decides.
        """
        url = str(call["url"])
        reply = yield self._get(Op.FIND, f"{path_under(self._base, url)}/{step(own_id)}")
        is_missing = code_of(reply.object()) == MISSING
        if is_missing and self._provider.options.get("lookup") is True:
            return None
        if is_missing or dig(reply.object(), "data", "task_info", "external_task_id") not in (None, "", own_id):
            message = f"{reply.excerpt()!r} does not say whether there is a task {own_id}: look for it in the console"
            raise Unreadable(message)
        return self._created(reply, url)

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Read an ``access:secret`` pair, an API key, or both separated by a comma."""
        yield from ()
        read: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in key.split(","))):
            access, colon, secret = part.partition(":")
            read |= {"access": access.strip(), "secret": secret.strip()} if colon else {"token": part}
        if not read or ("access" in read and not (read["access"] and read["secret"])):
            message = (
                f"the key of {self._provider.id} should be access:secret, an API key, or both with a comma between"
            )
            raise InputError(message)
        return read

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Sign with a JWT made for this attempt, since one lives only 30 minutes; else with the API key."""
        token = _token(credential, int(now))
        return call.but(headers={**call.headers, "Authorization": f"Bearer {token}"})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by the body's code, whatever the HTTP status; a task that is not there is an answer.

        An error in a relay gateway's own form is the gateway's, so that the call never reached Kling, or holds what Kling
        answered the gateway: the relays' page has no errors.
        A gateway's "no such task" answers a check, but proves nothing about a submit looked up by our own id.
        """
        if call.op is Op.CHECK and says_unknown(reply):
            return None
        return gateway_fault(reply) or judge_code(call, reply)

    def _get(self, op: Op, path: str) -> Call:
        return Call(op=op, method="GET", url=join(self._base, path), headers=ACCEPT)


def unit_cost(units: Decimal, provider: Provider, figures: Mapping[str, Decimal] = MappingProxyType({})) -> Cost:
    """Return a charge in Kling's units; in USD too where the provider's row says what one is worth."""
    price = provider.options.get("unit_usd")
    return Cost(units, "units", units * Decimal(str(price)) if price else None, figures)


def _ms(value: Any) -> int:
    """Return an instant in ms, 0 for anything else; a small number counts as seconds, which some relay sends."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return 0
    return value if value > MS_FROM else value * 1000


def _token(credential: Credential, second: int) -> str:
    if "access" not in credential:
        return str(credential["token"])
    return _jwt(credential["access"], credential["secret"], second)


@lru_cache(maxsize=1)
def _jwt(access: str, secret: str, second: int) -> str:
    """Return the JWT for a second: its times are whole seconds, so that all calls within one second share a token."""
    claims = {"iss": access, "exp": second + TOKEN_LIFE_S, "nbf": second - CLOCK_SKEW_S}
    # HMAC pads a short key with zero bytes itself: padding it here signs the same, and PyJWT need not warn.
    return jwt.encode(claims, str(secret).encode().ljust(32, b"\0"), algorithm="HS256")


def spell_camera(knob: Knob, camera: CameraControl) -> dict[str, Any]:
    """Spell a camera; where a provider wants all six axes as whole numbers, those that rest are 0."""
    if camera.type != "simple":
        return {"type": camera.type}
    axes = {axis: camera.moves[axis] for axis in CAMERA_AXES if axis in camera.moves}
    whole = {axis: int(camera.moves.get(axis, 0)) for axis in CAMERA_AXES}
    return {"type": camera.type, "config": whole if knob.type == "axes" else axes}


def spell_shots(_knob: Knob, shots: Sequence[Shot]) -> list[dict[str, Any]]:
    """Spell shots, numbered from 1, each length as text."""
    return [
        {"index": index, "prompt": shot.prompt, "duration": str(shot.duration)}
        for index, shot in enumerate(shots, start=1)
    ]


def _images_listed(body: dict[str, Any]) -> dict[str, Any]:
    """Gather the frames of the omni endpoint, which takes them as one ``image_list``."""
    frames = [{"image_url": body.pop(key), "type": key} for key in ("first_frame", "end_frame") if key in body]
    return {**body, "image_list": frames} if frames else body


SPELLINGS = {
    "camera_control": spell_camera,
    "multi_prompt": spell_shots,
    "watermark": lambda _knob, wanted: {"enabled": bool(wanted)},
    "image": lambda _knob, image: image_value(image, "base64"),
    "image_tail": lambda _knob, image: image_value(image, "base64"),
}
"""How Kling's own fields are spelled, at Kling and at the relays that keep them."""
