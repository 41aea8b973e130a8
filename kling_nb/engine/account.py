"""One provider's account: its conversation, its credential, its gates; and all of them."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Iterable
from dataclasses import replace
from typing import TypeVar

import anyio

from ..dialect import Call, Credential, Dialect, Fault, Reply, Unreadable, Whose, is_id, origin
from ..errors import KlingError, ProviderError, WireError, anew
from ..offer import Provider
from ..redaction import NOTHING, Redaction, Veiled
from ..secret import Secret
from ..task import Task, Ticket
from ..wire import Wire
from . import sent
from .gate import BACKOFF_MOST_S, SHUT_S, Gate, backoff_s
from .loop import Clock
from .told import Where, told_of_question, told_of_silence
from .way import Way

T = TypeVar("T")
Ask = Callable[[Call], Awaitable[Reply]]
Hear = Callable[[Reply], object]

TRIES = 4


class Account:
    """What the engine needs to talk to one provider. Belongs to the engine's loop.

    ``held`` is why nothing more is submitted there (a wrong key, an empty balance, no connection); `release` lifts it.
    ``mark`` tells the key that was last used from others (`Secret.mark`); it is of the lab that ``lab_key`` is of.
    """

    def __init__(
        self,
        provider: Provider,
        dialect: Dialect,
        wire: Wire,
        clock: Clock,
        key: Callable[[Provider], Secret],
        lab_key: str = "",
    ) -> None:
        self.provider = provider
        self.dialect = dialect
        self.held: str | None = None
        self.way = Way(clock)
        self.mark = ""
        self.key_source = ""  # where the key that was last used is from
        self._lab_key = lab_key
        self._wire = wire
        self._clock = clock
        self._key = key
        self._credential: Credential | None = None
        self._redaction = NOTHING  # of the key and of what was made of it
        self._credentials = 0  # how many were asked for: the number of the one at hand
        self._refusal: KlingError | None = None  # why the last one was not given
        self._releases = 0
        self._fetching = anyio.Lock()
        self._gates: dict[str, Gate] = {}

    def gate(self, model: str) -> Gate:
        """Return the gate that a model's tasks go through: the account's, or the model's own."""
        name = self._gate_name(model)
        if name not in self._gates:
            self._gates[name] = Gate(self.provider.slots)
        return self._gates[name]

    def is_shut(self, model: str, now: float) -> bool:
        """Tell whether a model's gate is shut, and nothing came in by another either: where something does, it may yet."""
        gates = self._gates.values()
        return self.gate(model).is_shut(now) and all(now - gate.accepted_at >= SHUT_S for gate in gates)

    def slots(self, model: str) -> tuple[str, int]:
        """Return what a model's gate is called, and how many it lets in as far as is known now; from any thread."""
        name = self._gate_name(model)
        gate = self._gates.get(name)
        return name, self.provider.slots if gate is None else gate.slots

    def _gate_name(self, model: str) -> str:
        return model if self.provider.slots_per == "model" else ""

    @property
    def where(self) -> Where:
        """Where it is, and where its key is from, as a person is told."""
        return Where(self.provider, self.key_source)

    def bind(self, provider: Provider, dialect: Dialect) -> None:
        """Reach it so from now on: another address, or another row of a person's own."""
        if provider.slots != self.provider.slots:
            for gate in self._gates.values():
                gate.limit = max(1, provider.slots)
        self.provider, self.dialect = provider, dialect

    def release(self) -> None:
        """Submit again, with the key looked up anew."""
        self.held, self._credential, self._refusal = None, None, None
        self._releases += 1
        self.way.forget()
        for gate in self._gates.values():
            gate.forgive()

    async def signed(self, call: Call, *, refused: int | None = None) -> tuple[Call, int]:
        """Return a call with the credential in it, and that one's number; as it is, to another origin than its own.

        ``refused`` is the number of a credential that is known to be no good: another is fetched, unless one was since.
        """
        credential = await self._current(refused) if self._is_own(call) else None
        if credential is None or not self._is_own(call):  # the address may have changed meanwhile
            return call.but(redaction=self._redaction), self._credentials
        signed = self.dialect.sign(call, credential, self._clock.token_now())
        return signed.but(headers=Veiled(signed.headers), redaction=self._redaction), self._credentials

    def _is_own(self, call: Call) -> bool:
        return origin(call.url) == origin(self.provider.base_url or "")

    async def _current(self, refused: int | None) -> Credential:
        if self._credential is not None and self._is_good(refused) and not self._fetching.locked():
            return self._credential  # nearly always; taking the lock waits for a turn of the loop
        before = self._credentials
        async with self._fetching:
            if self._refusal is not None and self._credentials != before:
                raise anew(self._refusal)  # it was asked for while this one waited: asking again would not help
            if self._credential is None or not self._is_good(refused):
                self._credential = await self._fetched()
            return self._credential

    async def _fetched(self) -> Credential:
        """Fetch a credential; anew where key or address were looked up anew meanwhile, whatever came of the old ones."""
        while True:
            releases = self._releases
            try:
                credential = await self._fetch()
            except KlingError:
                if releases == self._releases:
                    raise
            else:
                if releases == self._releases:
                    return credential

    def _is_good(self, refused: int | None) -> bool:
        """Tell whether the credential at hand may be used: it is not the refused one, and not over."""
        expires_at = (self._credential or {}).get("expires_at")
        is_over = expires_at is not None and self._clock.token_now() >= float(expires_at)
        return refused != self._credentials and not is_over

    async def _fetch(self) -> Credential:
        self._refusal = None
        try:
            key = self._key(self.provider)
            self.key_source = key.source
            self._redaction, self.mark = Redaction.of_key(key.reveal()), key.mark(self._lab_key)
            credential = await self._drive(self.dialect.credential(key.reveal()), self._ask_unsigned)
        except KlingError as error:
            self._refusal = self._bare(error)
        else:
            self._redaction = Redaction.of_key(key.reveal(), credential)
            return Veiled(credential)
        finally:
            self._credentials += 1
        raise self._refusal

    def _bare(self, error: KlingError) -> KlingError:
        """Return an error without the frames and errors before it, whose local variables hold the key."""
        error.args = tuple(self._redaction.text(str(word)) for word in error.args)
        if isinstance(error, ProviderError) and isinstance(error.fault, Fault):
            error.fault = replace(error.fault, message=self._redaction.text(error.fault.message))
        error.__traceback__ = error.__cause__ = error.__context__ = None
        return error

    async def _send(self, call: Call, refused: int | None) -> tuple[Reply, int]:
        signed, number = await self.signed(call, refused=refused)
        reply = await self._wire.send(signed)
        self.way.answered()
        return reply, number

    async def _send_unsigned(self, call: Call, _refused: int | None) -> tuple[Reply, int]:
        return await self._wire.send(call), self._credentials

    def is_of(self, mark: str | None, task: Task) -> bool:
        """Tell whether a submit went out with this key to this address: only then its absence here proves anything."""
        return mark == self.mark and sent.is_at(task.call, self.provider.base_url)

    async def converse(self, talk: Generator[Call, Reply, T], heard: Hear | None = None) -> T:
        """Hold a conversation of reads, each asked again where that is sensible; ``heard`` is called with each answer.

        Raises `WireError` when no answer came in several tries, `ProviderError` for a fault.
        """
        return await self._drive(talk, self.ask, heard)

    async def find(self, task: Task) -> Ticket | None:
        """Look a submit up by our own id; raises as `converse` does, and `ProviderError` for what cannot be an id."""
        ticket = await self.converse(self.dialect.find(task.id, sent.by_now(task.call, self.provider.base_url)))
        if ticket is not None and not is_id(ticket.id):
            message = f"{self.provider.id} found {task.id} as {ticket.id!r}, which cannot be an id"
            raise ProviderError(message)
        return ticket

    async def _drive(self, talk: Generator[Call, Reply, T], ask: Ask, heard: Hear | None = None) -> T:
        try:
            call = next(talk)
            while True:
                try:
                    reply = await ask(call)
                except KlingError as error:
                    call = talk.throw(error)  # a dialect may go on in spite of it
                else:
                    if heard is not None:
                        heard(reply)
                    call = talk.send(reply)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except Unreadable as error:
            message = f"{self.provider.id}: {error}"
            raise ProviderError(message) from error
        except KlingError:
            raise
        except Exception as error:  # an answer that a dialect did not foresee must not stop what else is under way
            message = f"{self.provider.id}: an answer could not be read ({type(error).__name__}: {error})"
            raise ProviderError(message) from error

    async def ask(self, call: Call) -> Reply:
        """Send a read until it is answered; raises `WireError` or `ProviderError` when it is not."""
        return await self._asked(call, self._send)

    async def _ask_unsigned(self, call: Call) -> Reply:
        """Ask for a credential, which cannot be signed with one."""
        return await self._asked(call, self._send_unsigned)

    async def _asked(self, call: Call, send: Callable[[Call, int | None], Awaitable[tuple[Reply, int]]]) -> Reply:
        refused: int | None = None
        for failures in range(1, TRIES + 1):
            try:
                reply, number = await send(call, refused)
            except WireError as error:
                if failures == TRIES:
                    raise told_of_silence(error, self.where, call.op, failures) from None
                await self._clock.sleep(backoff_s(failures))
                continue
            fault = self.dialect.judge(call, reply)
            if fault is None:
                return reply
            if failures == TRIES or not (fault.again or (fault.renew and refused is None)):
                if fault.whose is Whose.KEY:
                    self._credential = None  # it is looked up anew for the next question: it may be corrected by then
                raise ProviderError(told_of_question(fault, self.where, call.op, failures), fault, tries=failures)
            refused = number if fault.renew else None
            await self._clock.sleep(0 if fault.renew else self._after(fault, failures))
        raise AssertionError(failures)

    def _after(self, fault: Fault, failures: int) -> float:
        return backoff_s(failures) if fault.after is None else min(fault.after, BACKOFF_MOST_S)


class Accounts(dict[str, Account]):
    """The accounts in use, by provider; one is made when it is first asked for."""

    def __init__(
        self,
        bound: Callable[[str], tuple[Provider, Dialect]],
        wire: Wire,
        clock: Clock,
        key: Callable[[Provider], Secret],
        lab_key: str = "",
    ) -> None:
        super().__init__()
        self._bound, self._wire, self._clock, self._key, self._lab_key = bound, wire, clock, key, lab_key

    def __missing__(self, name: str) -> Account:
        """Make the account of a provider that is known."""
        provider, dialect = self._bound(name)
        self[name] = Account(provider, dialect, self._wire, self._clock, self._key, self._lab_key)
        return self[name]

    def release(self, names: Iterable[str]) -> None:
        """Submit again at providers, with their addresses and keys looked up anew.

        Raises `InputError` for an address that cannot be used, and changes nothing then.
        """
        bound = {name: self._bound(name) for name in names}
        for name, (provider, dialect) in bound.items():
            self[name].bind(provider, dialect)
            self[name].release()

    def held(self, name: str) -> str | None:
        """Return why nothing more is submitted at a provider, if so."""
        account = self.get(name)
        return None if account is None else account.held

    def slots(self, name: str, model: str) -> tuple[tuple[str, str], float]:
        """Return where a model's tasks share slots, and how many there are as far as is known; from any thread."""
        account = self.get(name)
        gate, slots = ("", math.inf) if account is None else account.slots(model)
        return (name, gate), slots
