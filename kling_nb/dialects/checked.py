"""Holds a dialect to its contract: what it returns is checked before anybody uses it.

A dialect may be of another package. Its mistake must cost nothing but its own tasks' progress, and say whose it is:
whatever is no answer by `kling_nb.dialect.Dialect` becomes a `DialectError` with the dialect's name and the method's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from numbers import Real
from types import MappingProxyType
from typing import Any

from ..costs import Cost
from ..dialect import (
    Asset,
    Call,
    Credential,
    Dialect,
    DialectError,
    Encoded,
    Fault,
    Learnt,
    Phase,
    Reply,
    Status,
    Whose,
)
from ..errors import InputError, KlingError
from ..excerpts import as_code
from ..offer import Loss, Offer, Provider
from ..request import VideoRequest
from ..task import Ticket

NONE = type(None)
METHODS = ("encode", "accepted", "ticket", "check", "find", "cancel", "credential", "sign", "judge")
FLAGS = ("finds", "cancels")
CALLS_MOST = 50
CALLS_EACH = 10
"""Calls of one conversation, and as many for each of its tickets: a loop that waits for an end makes more."""
SECRETIVE = frozenset({"credential", "sign"})
"""Methods that handle keys, whose values and errors are not quoted."""


class Checked:
    """A dialect that returns what its contract says, or raises `DialectError`. It has the methods of `Dialect`.

    Raises `InputError` for a class that lacks one, or cannot be bound to the provider.
    """

    def __init__(self, kind: Callable[[Provider], Dialect], provider: Provider) -> None:
        self._who = f"the dialect {provider.dialect!r}"
        try:
            self._dialect = kind(provider)
        except KlingError:
            raise
        except Exception as error:
            message = f"{self._who} ({as_code(kind)}) cannot be bound to {provider.id!r}: {_told(error)}"
            raise InputError(message) from error
        lacking = [f"{name}()" for name in METHODS if not callable(getattr(self._dialect, name, None))]
        lacking += [f"{name}: bool" for name in FLAGS if not isinstance(getattr(self._dialect, name, None), bool)]
        if lacking:
            message = (
                f"{self._who} ({as_code(kind)}) lacks {', '.join(lacking)}, which kling_nb.dialect.Dialect describes"
            )
            raise InputError(message)
        self.finds, self.cancels = self._dialect.finds, self._dialect.cancels

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request: a call whose body JSON can hold."""
        with self._method("encode"):
            encoded: Encoded = self._is(Encoded, self._dialect.encode(request, offer, own_id), "encode")
            call: Call = self._is(Call, encoded.call, "encode", "call")
            json.dumps(call.shown()["body"])
            self._texts(call.headers, "encode")
            for loss in self._is(tuple, encoded.losses, "encode", "losses"):
                self._is(Loss, loss, "encode", "losses[…]")
        return encoded

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read the reply to a submit."""
        with self._method("accepted"):
            return self._ticket(self._dialect.accepted(call, reply), "accepted")

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task that a person names."""
        with self._method("ticket"):
            return self._ticket(self._dialect.ticket(remote_id, call), "ticket")

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Query tasks; where a status is none, its task has the error in its place."""
        learnt, asked = yield from self._talk("check", self._dialect.check(tickets), len(tickets))
        self._is(Mapping, learnt, "check")
        if not learnt and not asked:
            raise self._error(
                method="check", what="asked nothing and returned nothing: it should yield a Call, or return a Status"
            )
        if learnt and not any(ticket.id in learnt for ticket in tickets):
            raise self._error(
                method="check", what=f"should return each Status by its ticket's id, got {as_code([*learnt])}"
            )
        # Hundreds of tasks share the few things that a list says of tasks under way.
        read = {id(said): self._read(said) for said in {id(one): one for one in learnt.values()}.values()}
        return {name: read[id(said)] for name, said in learnt.items()}

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up the task that a submit made."""
        found, _ = yield from self._talk("find", self._dialect.find(own_id, call))
        return None if found is None else self._ticket(found, "find")

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        """Ask for cancellation."""
        done, _ = yield from self._talk("cancel", self._dialect.cancel(ticket))
        confirmed: bool = self._is(bool, done, "cancel")
        return confirmed

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Return what `sign` needs."""
        read, _ = yield from self._talk("credential", self._dialect.credential(key))
        credential: Credential = self._is(Mapping, read, "credential")
        self._is((Real, NONE), credential.get("expires_at"), "credential", "['expires_at']")
        return credential

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Return the call with the credential in it."""
        with self._method("sign"):
            signed: Call = self._is(Call, self._dialect.sign(call, credential, now), "sign")
            self._texts(signed.headers, "sign")
            return signed

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Tell whether a reply is an answer or a fault."""
        with self._method("judge"):
            fault: Fault | None = self._is((Fault, NONE), self._dialect.judge(call, reply), "judge")
            if fault is not None:
                self._fields(fault, "judge", whose=Whose, message=str, again=bool, rejected=bool, renew=bool)
                self._is((Real, NONE), fault.after, "judge", "after")
            return fault

    # -- checking ----------------------------------------------------------------------------------------------

    def _talk(self, method: str, talk: Any, tickets: int = 1) -> Generator[Call, Reply, tuple[Any, int]]:
        """Pass a conversation on; returns what it returns, and after how many calls."""
        asked = 0
        with closing(self._is(Generator, talk, method)):
            try:
                call = next(talk)
                while asked < CALLS_MOST + CALLS_EACH * tickets:
                    asked += 1
                    try:
                        reply = yield self._is(Call, call, method, "what it yields")
                    except KlingError as error:
                        call = talk.throw(error)
                    else:
                        call = talk.send(reply)
            except StopIteration as end:
                return end.value, asked
        raise self._error(
            method=method, what=f"went on after {asked:,} calls: it should ask once and return, and is asked again"
        )

    def _ticket(self, ticket: Any, method: str) -> Ticket:
        self._is(Mapping, self._is(Ticket, ticket, method).data, method, f"data of {as_code(ticket.id)}")
        return ticket  # type: ignore[no-any-return]

    def _read(self, said: Any) -> Status | KlingError:
        """Return what was said of a task, or what is wrong with it."""
        if isinstance(said, KlingError):
            return said
        try:
            return self._status(self._is(Status, said, "check"))
        except DialectError as error:
            return error

    def _status(self, said: Status) -> Status:
        self._fields(said, "check", phase=Phase, reason=str, whose=(Whose, NONE), charged=(bool, NONE))
        self._fields(said, "check", asset=(Asset, NONE), cost=(Cost, NONE))
        if said.asset is not None:
            self._fields(said.asset, "check", url=str, credential=bool)
        return said if said.cost is None else replace(said, cost=self._cost(said.cost))

    def _cost(self, told: Cost) -> Cost:
        """Return a cost in Decimals; a number of another type is one, as its text has it."""
        self._fields(told, "check", unit=str, figures=Mapping)
        usd = None if told.usd is None else self._amount(told.usd)
        figures = {name: self._amount(amount) for name, amount in told.figures.items()}
        return Cost(self._amount(told.amount), told.unit, usd, MappingProxyType(figures))

    def _amount(self, told: Any) -> Decimal:
        with suppress(InvalidOperation):
            amount = Decimal(str(self._is((Decimal, Real, str), told, "check", "an amount of a Cost")))
            if amount.is_finite() and not isinstance(told, bool):
                return amount
        raise self._error(method="check", what=f"should give the amounts of a Cost as Decimal, got {as_code(told)}")

    def _fields(self, record: Any, method: str, **kinds: Any) -> None:
        for name, kind in kinds.items():
            self._is(kind, getattr(record, name), method, f"{type(record).__name__}.{name}")

    def _texts(self, headers: Any, method: str) -> None:
        for name, value in self._is(Mapping, headers, method, "headers").items():
            self._is(str, name, method, "a header's name")
            self._is(str, value, method, f"the header {name!r}")

    def _is(self, kind: Any, value: Any, method: str, what: str = "") -> Any:
        """Return a value of a kind, or of one of several."""
        if isinstance(value, kind):
            return value
        kinds = " or ".join(
            "None" if one is NONE else one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,))
        )
        got = type(value).__name__ if method in SECRETIVE else as_code(value)
        raise self._error(method=method, what=f"should give {what and f'{what} as '}{kinds}, got {got}")

    @contextmanager
    def _method(self, method: str) -> Iterator[None]:
        """Name the method in an error that is not ours."""
        try:
            yield
        except KlingError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever somebody else's code raises
            what, cause = (type(error).__name__, None) if method in SECRETIVE else (_told(error), error)
        else:
            return
        raise self._error(method=method, what=f"failed: {what}") from cause

    def _error(self, *, method: str, what: str) -> DialectError:
        return DialectError(f"{self._who}: {method}() {what}")


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
