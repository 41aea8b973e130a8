"""Can a provider be reached, and does it take the key: one free call each, without a second try.

Asked is for a token where the provider hands out tokens, else for a task that does not exist. Neither costs anything.
A key counts as accepted if the answer is one that the dialect knows and does not blame on the key: a stranger behind a
wrong base URL who answers everything with JSON may pass for the provider.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import anyio

from ..catalog import SAMPLE_IMAGE, Catalog
from ..dialect import Call, Dialect, Fault, Op, Reply, Unreadable, Whose
from ..dialects import bind
from ..dialects.reading import NOT_THERE
from ..errors import InputError, KlingError, ProviderError, WireError
from ..keys import Access
from ..offer import Provider
from ..redaction import Redaction
from ..request import VideoRequest
from ..secret import Secret, parse
from ..wire import Limits, Wire
from .account import Account
from .loop import Clock, Loop

NO_TASK = "00000000-0000-4000-8000-000000000000"
"""The id of a task that no provider has."""

LIMITS = Limits(connect_s=10, read_s=20, total_s=30)


class Verdict(StrEnum):
    """What came of asking."""

    ACCEPTED = "key accepted"
    REFUSED = "key refused"
    NO_FUNDS = "key accepted, but no funds"
    UNREACHABLE = "not reachable"
    STRANGE = "not its kind of answer"


_BY_FAULT: Mapping[Whose, Verdict] = {
    Whose.KEY: Verdict.REFUSED,
    Whose.BALANCE: Verdict.NO_FUNDS,
    Whose.PROVIDER: Verdict.STRANGE,
    Whose.ADDRESS: Verdict.STRANGE,
}
"""Faults that keep a provider from being used; any other is the answer of one that knows the caller."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """What came of asking one provider: the verdict, the words for it, and how long it took in real seconds."""

    provider: str
    verdict: Verdict
    words: str = ""
    seconds: float

    @property
    def usable(self) -> bool:
        """Whether something can be bought there."""
        return self.verdict is Verdict.ACCEPTED


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Whom to ask: the provider as it is reached, its dialect and key, and a submit, in words, that is never sent."""

    provider: Provider
    dialect: Dialect
    key: Secret
    submit: Mapping[str, Any] = field(repr=False)


def target(catalog: Catalog, provider: Provider, access: Access) -> Target:
    """Return whom to ask; raises `InputError` without key or host, or where the key opens nothing that is sold."""
    if access.key is None or access.base_url is None:
        message = f"{provider.id} was not asked: {'; '.join(access.lacks)}"
        raise InputError(message)
    row = replace(provider, base_url=access.base_url)
    dialect = bind(row)
    return Target(provider=row, dialect=dialect, key=access.key, submit=_submit(catalog, row, dialect, access.key))


def _submit(catalog: Catalog, provider: Provider, dialect: Dialect, key: Secret) -> dict[str, Any]:
    """Spell the first thing that is sold there and that the key opens: a ticket is of some submit."""
    parts = parse(provider, key)
    for row in (row for row in catalog.models_table() if row["provider"] == provider.id):
        image = SAMPLE_IMAGE if row["task_type"] == "image2video" else None
        request = VideoRequest(prompt="…", model=row["model"], mode=row["mode"], image=image)
        offer = catalog.offer(request, provider)
        if not offer.needs or offer.needs in parts:
            return dialect.encode(request, offer, NO_TASK).call.shown()
    message = f"{provider.id} was not asked: the catalogue lists nothing that this key could buy there"
    raise InputError(message)


def reach(targets: Sequence[Target]) -> list[Reached]:
    """Ask each provider one free call, all at once; returns in their order, within about half a minute."""
    loop = Loop(Clock())
    try:
        return loop.call(_all, targets)
    finally:
        loop.close()


async def _all(targets: Sequence[Target]) -> list[Reached]:
    wire, clock, found = Wire(limits=LIMITS), Clock(), dict[int, Reached]()

    async def one(place: int, asked: Target) -> None:
        found[place] = await _reached(asked, wire, clock)

    async with anyio.create_task_group() as group:
        for place, asked in enumerate(targets):
            group.start_soon(one, place, asked)
    await wire.aclose()
    return [found[place] for place in range(len(targets))]


async def _reached(asked: Target, wire: Wire, clock: Clock) -> Reached:
    begun = time.monotonic()
    try:
        verdict, words = await _asked(asked, wire, clock)
    except WireError as error:
        verdict, words = Verdict.UNREACHABLE, str(error)
    except InputError as error:
        verdict, words = Verdict.REFUSED, str(error)
    except KlingError as error:
        verdict, words = Verdict.STRANGE, str(error)
    except Exception as error:  # noqa: BLE001 - a dialect of another package may have any mistake in it
        verdict, words = Verdict.STRANGE, f"the answer could not be read ({type(error).__name__})"
    seconds = time.monotonic() - begun
    return Reached(provider=asked.provider.id, verdict=verdict, words=_without_key(words, asked), seconds=seconds)


async def _asked(asked: Target, wire: Wire, clock: Clock) -> tuple[Verdict, str]:
    dialect, key = asked.dialect, asked.key
    talk: Generator[Call, Reply, Any] = dialect.credential(key.reveal())
    call = next(talk, None)
    if call is None:
        account = Account(asked.provider, dialect, wire, clock, lambda _: key)
        talk = dialect.check([dialect.ticket(NO_TASK, asked.submit)])
        call, _ = await account.signed(next(talk))
    if call.op is Op.SUBMIT:
        message = "its dialect would submit something in order to ask; nothing was sent"
        raise ProviderError(message)
    reply = await wire.send(call)
    fault = dialect.judge(call, reply)
    if fault is None:
        _read(talk, reply)
        return Verdict.ACCEPTED, ""
    return _verdict(fault, reply), str(fault)


def _read(talk: Generator[Call, Reply, Any], reply: Reply) -> None:
    """Have an answer read, which may raise; whatever would be asked next is not."""
    try:
        talk.send(reply)
    except StopIteration:
        return
    talk.close()


def _verdict(fault: Fault, reply: Reply) -> Verdict:
    # To its own question a provider knows an answer: a path that is not there, or a page, is somebody else's.
    if fault.whose is Whose.PARAMETERS and (reply.status in NOT_THERE or not _is_json(reply)):
        return Verdict.STRANGE
    return _BY_FAULT.get(fault.whose, Verdict.ACCEPTED)


def _is_json(reply: Reply) -> bool:
    try:
        reply.json()
    except Unreadable:
        return False
    return True


def _without_key(words: str, asked: Target) -> str:
    """Leave the key out of a provider's words: some repeat what they were given."""
    return Redaction.of_key(asked.key.reveal()).text(words)
