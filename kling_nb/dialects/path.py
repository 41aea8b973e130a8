"""Kling's path API, its newer generation: the model in the path, settings in objects, all tasks under ``/tasks``.

Sources: kling.ai document API, pages on 2.5 Turbo, 2.6, 3.0, 3.0 Turbo, O1 and 3.0 Omni, read 2026-09-20. It takes an
API key only; it answers an access and secret pair with 1002. Errors are judged by their code, as in the legacy API
(`kling_nb.dialects.kling_faults`). A list omits unknown ids, and may omit a task submitted a moment ago: a check treats
an omitted task as no news. For a submit whose answer was lost, an empty list is the documented reply for "no such
task", and `find` returns `None`; the engine repeats the look-up over a minute or more.

Readings, since the pages do not say: how many ids one list takes, so that omitted ids are queried again; and how shots
are separated, for which we send semicolons, so that a semicolon inside a shot's prompt is sent as a comma.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ..costs import Cost
from ..dialect import Asset, Call, Credential, Encoded, Fault, Learnt, Op, Phase, Reply, Status, join, path_under
from ..errors import InputError, KlingError
from ..fields import Shot
from ..offer import Change, Knob, Loss, Offer, Provider
from ..request import VideoRequest
from ..spelling import Spelled, spell
from ..task import Ticket
from .kling_faults import judge_code
from .native import ACCEPT, SPELLINGS, unit_cost
from .reading import (
    NO_LINK,
    amount_from,
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
from .sparing import sparing, unless_all_failed

IDS_MOST = 100
"""Ids in one address, which stays at about two thousand characters so."""
TEXT_PATH = "/text-to-video/"
FRAMES = ("first_frame", "last_frame")
SHOTS_SOURCE = "kling.ai document-api 3.0-t2v, read 2026-09-20"


class Path:
    """The path API at one provider: one half of `kling_nb.dialects.kling.Kling`, which reads the key."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._base = provider.base_url or ""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request; our own id travels as ``options.external_task_id``."""
        spelled = spell(request, offer, _SPELLINGS)
        body = _worded(spelled)
        if not offer.endpoint.startswith(TEXT_PATH):
            body = _gathered(body)
        body["options"] = {**_object(body, "options"), "external_task_id": own_id}
        call = Call(op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body=body, headers=ACCEPT)
        return Encoded(call, (*spelled.losses, *_mended(request, spelled)))

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read ``data.id``."""
        return self.ticket(id_from(dig(reply.object(), "data", "id"), reply, "data.id"), call.shown())

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task named by its ``id``; the path in it tells which generation it is of."""
        return Ticket(remote_id, {"path": path_under(self._base, str(call["url"]))})

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Ask about many at once, and again for what a list left out as long as that brings news."""
        learnt: dict[str, Status | KlingError] = {}
        wanted = [*dict.fromkeys(ticket.id for ticket in tickets)]
        most = max(1, min(self._provider.per_check, IDS_MOST))
        for start in range(0, len(wanted), most):
            asked = wanted[start : start + most]
            while asked:
                found = yield from sparing(asked, self._listed(asked))
                learnt |= found
                asked = [task_id for task_id in asked if task_id not in found] if found else []
        return unless_all_failed(learnt)

    def _listed(self, asked: Sequence[str]) -> Generator[Call, Reply, Learnt]:
        reply = yield self._listing(Op.CHECK, "task_ids", asked)
        named = [(_id(item), self._status(item)) for item in _items(reply) or ()]
        return {task_id: status for task_id, status in named if task_id in asked and status}

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up by ``external_task_id``: a task listed under it is found, an empty list says that there is none.

        An empty list counts only if the provider's page has this query (``lookup`` in its options), as for `Native`.
        Any other reply raises `Unreadable`: a list of other tasks says nothing about this one.
        """
        reply = yield self._listing(Op.FIND, "external_task_ids", [own_id])
        items = _items(reply)
        if items == [] and code_of(reply.object()) == 0 and self._provider.options.get("lookup") is True:
            return None
        item = next((item for item in items or () if dig(item, "external_id") == own_id), None)
        return self.ticket(id_from(dig(item, "id"), reply, f"a list with the task {own_id}"), call)

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Sign with the API key; raises `InputError` where there is none."""
        if "token" not in credential:
            message = (
                f"the path API of {self._provider.id} accepts only an API key, but the key at hand is an access:secret "
                "pair; nothing was sent; add an API key to it, separated by a comma"
            )
            raise InputError(message)
        return call.but(headers={**call.headers, "Authorization": f"Bearer {credential['token']}"})

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by the body's code, whatever the HTTP status."""
        return judge_code(call, reply)

    def _listing(self, op: Op, key: str, ids: Sequence[str]) -> Call:
        url = join(self._base, f"/tasks?{key}={','.join(map(step, ids))}")
        return Call(op=op, method="GET", url=url, headers=ACCEPT)

    def _status(self, item: Any) -> Status | None:
        phase, reason = phase_of(dig(item, "status")), words_from(dig(item, "message"))
        cost = _cost(dig(item, "billing"), self._provider)
        if phase is Phase.FAILED:
            # Whether failures are charged is not documented (looked for 2026-09): `charged` stays unknown.
            return Status(phase=phase, reason=reason or "no reason given", whose=whose_failure(reason), cost=cost)
        if phase is Phase.DONE:
            return _done(item, cost)
        return Status(phase=phase, reason=reason) if phase else None


def _done(item: Any, cost: Cost | None) -> Status:
    outputs = dig(item, "outputs")
    links = [link_from(dig(one, "url")) for one in _listed(outputs) if dig(one, "type") == "video"]
    url = next(filter(None, links), None)
    if url is None:
        return Status(phase=Phase.RUNNING, reason=NO_LINK)
    return Status(phase=Phase.DONE, asset=Asset(url=url), cost=cost)


def _items(reply: Reply) -> list[Any] | None:
    """Return the tasks that a reply lists; `None` where it holds no list."""
    data = dig(reply.object(), "data")
    return data if isinstance(data, list) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(item: Any) -> str:
    value = dig(item, "id")
    return str(value) if isinstance(value, str | int) else ""


def _cost(billing: Any, provider: Provider) -> Cost | None:
    """Add up the entries of ``billing``; `None` where one cannot be read, since part of a sum is no sum."""
    cost = _sum(billing, provider)
    return None if cost is None else replace(cost, figures=_figures(billing))


def _figures(billing: Any) -> Mapping[str, Decimal]:
    """Return the amount of every entry, and its list price, under the entry's number."""
    named = {f"{name} {n}": (n, name) for n in range(len(_listed(billing))) for name in ("amount", "list_price")}
    return figures_in(billing, named)


def _sum(billing: Any, provider: Provider) -> Cost | None:
    charges = [_charge(item, provider) for item in _listed(billing)]
    known = [charge for charge in charges if charge is not None]
    if not known or len(known) < len(charges):
        return None
    worth = [charge.usd for charge in known if charge.usd is not None]
    usd = sum(worth, Decimal(0)) if len(worth) == len(known) else None
    if len({charge.unit for charge in known}) == 1:
        return Cost(sum((charge.amount for charge in known), Decimal(0)), known[0].unit, usd)
    return None if usd is None else Cost(usd, "USD", usd)


def _charge(item: Any, provider: Provider) -> Cost | None:
    """Read one entry: ``unit`` is of a resource pack, ``cash`` in the currency that it names."""
    amount, kind = amount_from(dig(item, "amount")), dig(item, "charge_type")
    if amount is None or kind not in ("unit", "cash"):
        return None
    if kind == "unit":
        return unit_cost(amount, provider)
    currency = words_from(dig(item, "currency")).upper()
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        return None
    return Cost(amount, currency, amount if currency == "USD" else None)


def _worded(spelled: Spelled) -> dict[str, Any]:
    """Return the body with the shots of a cut, where there is one, as its prompt."""
    body = dict(spelled.body)
    shots = body.pop("shots", None)
    return {"prompt": shots, **body} if shots else body


def _gathered(body: Mapping[str, Any]) -> dict[str, Any]:
    """Gather prompt and frames, which the endpoints that take images have in one list."""
    words = [{"type": "prompt", "text": body["prompt"]}] if "prompt" in body else []
    frames = [{"type": name, "url": body[name]} for name in FRAMES if name in body]
    rest = {key: value for key, value in body.items() if key not in ("prompt", *FRAMES)}
    return {"contents": [*words, *frames], **rest}


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name, {})
    if not isinstance(value, Mapping):
        message = f"expected {name} in extra to be a table of its fields, got {value!r}; write {{{name!r}: {{…}}}}"
        raise InputError(message)
    return value


def _mended(request: VideoRequest, spelled: Spelled) -> list[Loss]:
    """Tell that a shot's words had to change."""
    shots = request.multi_prompt or ()
    said = tuple(replace(shot, prompt=_said(shot)) for shot in shots)
    if said == shots or "shots" not in spelled.body:
        return []
    return [Loss("multi_prompt", Change.COERCED, shots, said, "a semicolon would end the shot", SHOTS_SOURCE)]


def _said(shot: Shot) -> str:
    return shot.prompt.replace(";", ",")


def _shots(_knob: Knob, shots: Sequence[Shot]) -> str:
    """Write shots in the syntax of a prompt: number, seconds, words."""
    return "; ".join(f"shot {number}, {shot.duration}, {_said(shot)}" for number, shot in enumerate(shots, start=1))


_SPELLINGS = {**SPELLINGS, "multi_prompt": _shots}
