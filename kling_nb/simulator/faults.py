"""Scripted faults: what should go wrong, when, and how often.

Actions, by what they touch:

========================  =====================================================================================
before anything happens   ``http`` (*status*, *body*), ``html`` (an HTML 502), ``reset`` (connection reset),
                          ``hang`` (no answer for *seconds*, then a reset)
after it happened         ``lost`` (reset: a submit *is* accepted and charged), ``late`` (the answer comes after
                          *seconds*), ``malformed``, ``truncated``, ``empty`` (bodies), ``restated`` (the same body
                          under the HTTP *status*)
a submit, before checks   ``misrouted`` (openroute only: a text prompt goes to Kling's path for images)
a submit, after checks    ``busy`` (429 / 1303, or *code*; *retry_after* seconds), ``funds`` (1102; fal 403),
                          ``moderation`` (1301 at once; at fal a 422 at the result)
an accepted task          ``risk-control`` (fails late), ``fail`` (fails late with *body* as its reason),
                          ``stall`` (never leaves processing, or not for *seconds*), ``same-clip`` (its clip is that
                          of the first request that was the same)
what a look-up shows      ``backwards`` (one state earlier than true), ``missing`` (left out of a list),
                          ``foreign`` (the clip's URL on another host; *body* = that URL's beginning),
                          ``relay-status`` (quickrouter-fal only: a status word instead of fal's own 400),
                          ``failed-word`` (fal only: a failure has the status ``FAILED``, not ``COMPLETED``)
how it is written         ``shape`` (quickrouter only: *body* is A, C, D or D'), ``no-url`` (openroute only: a finished
                          task without its clip's URL), ``old-url`` (openroute only: the URL as ``fail_reason``)
the clip                  ``cut`` (fewer bytes than declared), ``expired``, ``wrong-type`` (HTML with 200),
                          ``slow`` (spread over *seconds*), ``huge`` (declares 50 GB)
========================  =====================================================================================

``reset``, ``lost``, ``hang`` and ``cut`` need a socket: under :func:`kling_nb.simulator.running` the TCP connection
is really reset or cut.  In process they become a ``ConnectionResetError`` out of the app, and a short body.

A prompt that holds ``#sim:NAME`` (or ``#sim:NAME:3`` for the first three times) triggers a scenario of
:data:`DIRECTIVES` without any script.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from kling_nb.simulator.store import Store

BEFORE = frozenset({"http", "html", "reset", "hang"})
AFTER = frozenset({"lost", "late", "malformed", "truncated", "empty", "restated"})
ROUTE = frozenset({"misrouted"})
SUBMIT = frozenset({"busy", "funds", "moderation", "risk-control", "fail", "stall"})
SAME = frozenset({"same-clip"})
LOOKUP = frozenset({"backwards", "missing", "foreign", "relay-status", "failed-word"})
SHAPE = frozenset({"shape", "no-url", "old-url"})
CLIP = frozenset({"cut", "expired", "wrong-type", "slow", "huge"})
WIRE = BEFORE | AFTER
ACTIONS = WIRE | ROUTE | SUBMIT | SAME | LOOKUP | SHAPE | CLIP
OPERATIONS = frozenset({"submit", "status", "list", "result", "cancel", "asset", "find", "token"})


@dataclass(frozen=True)
class Event:
    """Something a client is doing, as faults see it."""

    provider: str
    operation: str
    model: str = ""
    prompt: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong at the matching calls number *nth* .. *nth* + *times* - 1.

    Empty fields match everything; an empty *operation* is the one that the action is about.  *prompt* is a
    substring.  *times* None means for ever.  Uses are counted in the store, so they survive a restart.
    """

    action: str
    provider: str = ""
    operation: str = ""
    model: str = ""
    prompt: str = ""
    nth: int = 1
    times: int | None = 1
    status: int = 500
    code: int = 0
    body: str = ""
    seconds: float = 0.0
    retry_after: float | None = None

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"no fault is called {self.action!r}; known: {', '.join(sorted(ACTIONS))}")
        if self.operation and self.operation not in OPERATIONS:
            raise ValueError(f"no operation is called {self.operation!r}; known: {', '.join(sorted(OPERATIONS))}")

    @classmethod
    def read(cls, record: Mapping[str, Any]) -> Fault:
        """A fault from a JSON object; an unknown key is an error that lists the known ones."""
        known = {field.name for field in fields(cls)}
        if unknown := set(record) - known:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
        if "action" not in record:
            raise ValueError(f"a fault needs an action: {', '.join(sorted(ACTIONS))}")
        return cls(**record)

    def matches(self, event: Event) -> bool:
        """Whether the fault is about this event at all, used up or not."""
        return (
            event.operation in self._operations()
            and self.provider in ("", event.provider)
            and self.model in ("", event.model)
            and self.prompt in event.prompt
        )

    def strikes(self, seen: int) -> bool:
        """Whether the match number *seen* (from 1) is one that goes wrong."""
        return seen >= self.nth and (self.times is None or seen < self.nth + self.times)

    def _operations(self) -> tuple[str, ...]:
        if self.operation:
            return (self.operation,)
        if self.action in CLIP:
            return ("asset",)
        if self.action in LOOKUP | SHAPE:
            return ("list",) if self.action == "missing" else ("status", "list", "result", "find")
        return ("submit",)


def _kling_says(status: int, code: int, message: str, times: int | None = None) -> Fault:
    body = json.dumps({"code": code, "message": message, "request_id": "00000000-0000-4000-8000-000000000000"})
    return Fault(action="http", provider="kling", status=status, body=body, times=times)


DIRECTIVES: dict[str, Fault] = {
    "risk-control": Fault(action="risk-control", times=None),
    "moderation": Fault(action="moderation", times=None),
    "fail": Fault(action="fail", times=None, body="Service internal error"),
    "stall": Fault(action="stall", times=None),
    "long": Fault(action="stall", times=None, seconds=3900),
    "same-clip": Fault(action="same-clip", times=None),
    "misrouted": Fault(action="misrouted", times=None),
    "busy": Fault(action="busy", times=2),
    "rate-limit": Fault(action="busy", times=2, code=1302),
    "funds": Fault(action="funds", times=None),
    "ip-list": _kling_says(429, 1304, "The IP address is not in the whitelist"),
    "token-expired": _kling_says(401, 1004, "Authorization has expired", times=1),
    "region": _kling_says(401, 1000, "Authentication failed"),
    "as-200": Fault(action="restated", status=200, times=None),
    "as-400": Fault(action="restated", status=400),
    "as-500": Fault(action="restated", status=500),
    "lost": Fault(action="lost"),
    "reset": Fault(action="reset"),
    "hang": Fault(action="hang", seconds=600),
    "502": Fault(action="html"),
    "malformed": Fault(action="malformed"),
    "poll-502": Fault(action="html", operation="status", times=2),
    "backwards": Fault(action="backwards", times=2),
    "missing": Fault(action="missing", times=None),
    "foreign": Fault(action="foreign", times=None),
    "relay-status": Fault(action="relay-status", times=None),
    "failed-word": Fault(action="failed-word", times=None),
    "shape-a": Fault(action="shape", times=None, body="A"),
    "shape-c": Fault(action="shape", times=None, body="C"),
    "shape-d": Fault(action="shape", times=None, body="D"),
    "shape-d-prime": Fault(action="shape", times=None, body="D'"),
    "no-url": Fault(action="no-url", times=None),
    "old-url": Fault(action="old-url", times=None),
    "clip-cut": Fault(action="cut"),
    "clip-expired": Fault(action="expired", times=None),
    "clip-html": Fault(action="wrong-type"),
    "clip-slow": Fault(action="slow", seconds=20),
    "clip-huge": Fault(action="huge", times=None),
}
"""Scenarios that a prompt can ask for: ``#sim:lost`` loses the answer of its first submit."""

_DIRECTIVE = re.compile(r"#sim:([a-z0-9-]+)(?::(\d+))?")


def stall_s(fault: Fault | None) -> float | None:
    """How long the work of a stalled task takes, in seconds; None for one that does not stall."""
    return (fault.seconds or float("inf")) if fault and fault.action == "stall" else None


def without_directives(prompt: str) -> str:
    """The prompt as a person meant it."""
    return " ".join(_DIRECTIVE.sub("", prompt).split())


class Faults:
    """The script of one simulator: which fault, if any, strikes an event."""

    def __init__(self, store: Store, script: Iterable[Fault] = ()) -> None:
        self._store = store
        self._script: list[tuple[str, Fault]] = []
        for fault in script:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Append a fault.  Equal faults are told apart by their order."""
        same = sum(known == fault for _, known in self._script)
        self._script.append((_key(fault, str(same)), fault))

    def strike(self, event: Event, actions: frozenset[str]) -> Fault | None:
        """The first fault among *actions* that strikes now; every match is counted."""
        struck = None
        for key, fault in (*self._script, *_asked_for(event.prompt)):
            if fault.action not in actions or not fault.matches(event):
                continue
            if fault.strikes(self._store.see_fault(key)):
                struck = struck or fault
        return struck


def _asked_for(prompt: str) -> list[tuple[str, Fault]]:
    """Faults named in the prompt; each prompt counts its own uses."""
    found = []
    for name, times in _DIRECTIVE.findall(prompt):
        if fault := DIRECTIVES.get(name):
            fault = replace(fault, times=int(times)) if times else fault
            found.append((_key(fault, prompt), fault))
    return found


def _key(fault: Fault, salt: str) -> str:
    return hashlib.sha256((json.dumps(asdict(fault), sort_keys=True) + salt).encode()).hexdigest()[:32]
