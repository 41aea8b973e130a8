"""Dialects as the catalogue binds them, and their conversations driven by hand: `next` and `send`, no socket."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from kling_nb import catalog, dialects
from kling_nb.dialect import Call, Dialect, Fault, Op, Reply
from kling_nb.offer import Provider

T = TypeVar("T")
CATALOG = catalog.load()
OWN_ID = "knb-0123456789abcdef"
GUISES = {"kling-path": ("kling", "kling-3.0"), "falqueue-relay": ("quickrouter-fal", "kling-v2-5-turbo")}
"""Dialects that speak otherwise for some models or at some providers: where, and a model that is sold so."""


class Faulty(Exception):
    """A reply was judged a fault, so that the conversation never saw it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def provider_of(dialect: str) -> Provider:
    """Return the first provider of the catalogue that speaks a dialect, or a guise's; a made-up host if it has none."""
    row = next((row for row in CATALOG.providers.values() if row.dialect == dialect), None)
    row = row or CATALOG.provider(GUISES[dialect][0])
    return row if row.base_url else replace(row, base_url=f"https://{row.id}.example")


def bound(dialect: str) -> Dialect:
    """Return a dialect bound to that provider."""
    row = provider_of(dialect)
    return dialects.load(row.dialect)(row)


def hold(
    dialect: Dialect, talk: Generator[Call, Reply, T], replies: Sequence[Reply], calls: list[Call] | None = None
) -> T:
    """Hold a conversation as the engine does, each reply judged before it is sent in; raises `Faulty` for a fault."""
    rest = iter(replies)
    try:
        call = next(talk)
        while True:
            if calls is not None:
                calls.append(call)
            assert call.op is not Op.SUBMIT
            reply = next(rest)
            if fault := dialect.judge(call, reply):
                raise Faulty(fault)
            call = talk.send(reply)
    except StopIteration as end:
        return end.value


def simply(talk: Generator[Call, Reply, Any]) -> Any:
    """Return what a conversation without calls answers."""
    try:
        next(talk)
    except StopIteration as end:
        return end.value
    message = "it asked for something"
    raise AssertionError(message)
