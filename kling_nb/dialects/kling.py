"""Kling itself, which speaks two generations: the legacy one of `Native` and the path API of `Path`.

The endpoint of a model says which (`kling_nb.offer.Offer.endpoint`): legacy paths begin with ``/v1/``. A ticket keeps
the path of its submit, and each generation is asked about its own tasks, for neither lists the other's.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from ..dialect import Call, Credential, Encoded, Fault, Learnt, Reply
from ..offer import Offer, Provider
from ..request import VideoRequest
from ..task import Ticket
from .lacking import CancelsNothing
from .native import Native
from .path import Path
from .sparing import sparing, unless_all_failed

LEGACY = "/v1/"


class Kling(CancelsNothing):
    """Both generations at one provider; neither has a way to cancel."""

    finds = True
    options = Native.options

    def __init__(self, provider: Provider) -> None:
        self._base = (provider.base_url or "").rstrip("/")
        self._legacy, self._path = Native(provider), Path(provider)

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request as the generation of its endpoint has it."""
        return self._half(offer.endpoint).encode(request, offer, own_id)

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read the id as the generation gives it."""
        return self._asked(call.url).accepted(call, reply)

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task named by its id."""
        return self._asked(str(call["url"])).ticket(remote_id, call)

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Ask each generation about its own tasks."""
        if all(LEGACY in path for path in {ticket.data.get("path", LEGACY) for ticket in tickets}):
            return (yield from self._legacy.check(tickets))
        of_path = [ticket for ticket in tickets if LEGACY not in ticket.data.get("path", LEGACY)]
        legacy = [ticket for ticket in tickets if LEGACY in ticket.data.get("path", LEGACY)]
        learnt = dict((yield from sparing([ticket.id for ticket in legacy], self._legacy.check(legacy))))
        learnt |= yield from sparing([ticket.id for ticket in of_path], self._path.check(of_path))
        return unless_all_failed(learnt)

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up by our own id where the submit went."""
        return (yield from self._asked(str(call["url"])).find(own_id, call))

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Read an ``access:secret`` pair, an API key, or both separated by a comma."""
        return (yield from self._legacy.credential(key))

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Sign with the pair where it is taken and there is one, else with the API key.

        Raises `InputError` for a call to the path API with a pair alone.
        """
        return self._asked(call.url).sign(call, credential, now)

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Judge by the body's code, whatever the HTTP status."""
        return self._asked(call.url).judge(call, reply)

    def _asked(self, url: str) -> Native | Path:
        """Return the half that a call is of; one that the log kept may have another base URL than now."""
        return self._half(url.removeprefix(self._base))

    def _half(self, path: str) -> Native | Path:
        return self._legacy if LEGACY in path else self._path
