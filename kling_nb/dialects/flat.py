"""QuickRouter's form of Kling's protocol: fields mostly as text, and a flat reply.

Source: doc.quickrouter.ai kling-text2video, read 2026-11. The page's own values are placeholders: mode ``high`` and
camera ``normal`` are none of Kling's. No page tells how a task's status is asked for. Read here, as unverified, from
the pages of the relays whose text is the same word for word (doc.aimanyi.top, gpt-best.apifox.cn): the query is
``GET {path}/{task_id}``, takes an ``external_task_id`` in the id's place, and answers in any of the four shapes.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ..dialect import Call, Encoded, Op, Reply, Unreadable, join, path_under
from ..fields import Shot
from ..offer import Change, Knob, Loss, Offer
from ..request import VideoRequest
from ..spelling import Spelled, spell
from ..task import Ticket
from .native import ACCEPT, SPELLINGS, spell_shots
from .reading import dig, step
from .relayed import Relayed
from .shapes import id_in, phase_in

REQUIRED: Mapping[str, tuple[Any, str]] = MappingProxyType({"mode": ("std", "std"), "multi_shot": (False, "false")})
"""Fields that the page requires of every model: a value that asks for nothing of one without the feature, spelled."""
REQUIRED_WHY = "required on QuickRouter's page, and this model has no such feature"
REQUIRED_SOURCE = "doc.quickrouter.ai kling-text2video, read 2026-11"


class Flat(Relayed):
    """The flat protocol at one provider."""

    finds = True
    options = ()

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request; our own id travels as ``external_task_id``."""
        spelled = spell(request, offer, _SPELLINGS)
        _fill(spelled, request)
        body = {"model_name": offer.name, **spelled.body, "external_task_id": own_id}
        call = Call(op=Op.SUBMIT, method="POST", url=join(self._base, offer.endpoint), body=body, headers=ACCEPT)
        return Encoded(call, tuple(spelled.losses))

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up by ``external_task_id`` in the task id's place.

        It returns a found task. No task found proves nothing, since no page of QuickRouter has this query: it then
        raises `Unreadable`, so that a person decides.
        """
        url = str(call["url"])
        reply = yield self._get(Op.FIND, f"{path_under(self._base, url)}/{step(own_id)}")
        if phase_in(reply.object()) is None or _is_foreign(reply, own_id):
            message = f"{reply.excerpt()!r} does not say whether there is a task {own_id}: look for it in the console"
            raise Unreadable(message)
        return self.ticket(id_in(reply), call)


def _fill(spelled: Spelled, request: VideoRequest) -> None:
    """Put in what the page requires and the catalogue left out, since the model has no such field."""
    for name, (value, spelling) in REQUIRED.items():
        if name in spelled.body:
            continue
        asked = getattr(request, name)
        spelled.body[name] = spelling
        spelled.losses[:] = [loss for loss in spelled.losses if loss.field != name]
        if asked != value:
            change = Change.FILLED if asked is None else Change.COERCED
            spelled.losses.append(Loss(name, change, asked, value, REQUIRED_WHY, REQUIRED_SOURCE))


def _is_foreign(reply: Reply, own_id: str) -> bool:
    """Tell whether an answer is about another's task, or gives back what was asked as if it were the relay's id."""
    body = reply.object()
    told = (dig(body, "data", "task_info", "external_task_id"), dig(body, "task_info", "external_task_id"))
    return any(other not in (None, own_id) for other in told) or id_in(reply) == own_id


def _shots_as_text(knob: Knob, shots: Sequence[Shot]) -> str:
    return json.dumps(spell_shots(knob, shots), ensure_ascii=False)


_SPELLINGS = {**SPELLINGS, "multi_prompt": _shots_as_text}
