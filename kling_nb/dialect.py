"""The interface of a wire protocol, without I/O, and the records that protocols share.

A conversation is a generator: it yields a `Call`, is sent the `Reply`, and returns its answer. The engine, which drives
it, owns the socket, the waiting and the retries, and never sends it a reply that `Dialect.judge` calls a fault.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import urlsplit

from .costs import Cost
from .errors import InputError, KlingError
from .excerpts import excerpt
from .offer import Loss, Offer, Provider
from .records import changed
from .redaction import NOTHING, Redaction
from .request import VideoRequest
from .task import Ticket


class Op(StrEnum):
    """What a call is for. Only ``SUBMIT`` costs money, and only it is never repeated."""

    SUBMIT = "submit"
    CHECK = "check"
    FIND = "find"
    CANCEL = "cancel"
    CREDENTIAL = "credential"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Inline:
    """An image that travels inside a body; its bytes are put in when the call is sent, and never logged."""

    ref: str  # sha256:…
    form: str = "base64"  # base64 | data_uri

    def __str__(self) -> str:
        """Show the reference, not the bytes."""
        return self.ref


@dataclass(frozen=True, kw_only=True)
class Call:
    """One HTTP request, complete but for credentials and the bytes of images. ``url`` is absolute.

    ``redaction`` removes secrets from the reply: code that adds a credential sets it too.
    """

    op: Op
    method: str
    url: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )  # they hold credentials
    redaction: Redaction = field(default=NOTHING, repr=False, compare=False)

    def but(self, **changes: Any) -> Call:
        """Return it with some fields changed."""
        return changed(self, changes)

    def shown(self) -> dict[str, Any]:
        """Return what a log and a plan show: method, URL and body, images by reference, no credential."""
        return {"method": self.method, "url": self.url, "body": _shown(self.body)}


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return str(value) if isinstance(value, Inline) else value


_ESCAPE = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\ud[c-f][0-9a-f]{2}|(ud[89a-f][0-9a-f]{2})|.)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def _without_halves(text: str) -> str:
    """Replace the escapes of lone surrogates, which JSON may hold and no file, database or URL can."""
    if "\\" not in text or "\\u" not in text:  # one sign is looked for ten times as fast as two
        return text
    return _ESCAPE.sub(lambda found: "\\ufffd" if found[2] else found[0], text)


def legible(text: str) -> str:
    """Return foreign text without control characters and bidirectional overrides."""
    return _CONTROL.sub(" ", text)


_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_id(given: object) -> bool:
    """Tell whether this can be a provider's id: an empty one, or one with a control character, cannot be queried.

    A number is one: a dialect of another package may leave it as it came in JSON.
    """
    return isinstance(given, str | int) and str(given) != "" and _UNSEEN.search(str(given)) is None


class Unreadable(KlingError):
    """A reply is not in the form that its dialect documents."""


class DialectError(KlingError):
    """A dialect returned what is no answer by its contract, or failed; its package is to be mended."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back: the status, the headers with lower-case names, the body's bytes."""

    status: int
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    content: bytes = b""

    @property
    def ok(self) -> bool:
        """Whether the HTTP status says success."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Return the body parsed as JSON, cached: callers must not change it.

        Raises `Unreadable`, which quotes the beginning of the body, if it is not JSON.
        """
        return self._read

    @cached_property
    def _read(self) -> Any:
        try:
            return json.loads(_without_halves(self.content.decode(json.detect_encoding(self.content))))
        except (ValueError, RecursionError) as error:
            message = f"expected JSON, got {self.told()}"
            raise Unreadable(message) from error

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object; raises `Unreadable` if it is none."""
        value = self.json()
        if not isinstance(value, dict):
            message = f"expected a JSON object, got {self.told()}"
            raise Unreadable(message)
        return value

    def told(self, limit: int = 120) -> str:
        """Say what came: the HTTP status and the beginning of the body."""
        words = self.excerpt(limit)
        return f"HTTP {self.status} with {repr(words) if words else 'an empty body'}"

    def excerpt(self, limit: int = 120) -> str:
        """Return the beginning of the body as text on one line."""
        text = self.content[: limit * 4].decode("utf-8", "replace")
        line = " ".join(legible(text).split())
        return excerpt(line, limit)

    @property
    def retry_after(self) -> float | None:
        """The seconds of a ``Retry-After`` header; `None` without one or where it is a date."""
        try:
            seconds = float(self.headers.get("retry-after", ""))
        except ValueError:
            return None
        return max(0.0, seconds) if math.isfinite(seconds) else None


class Whose(StrEnum):
    """Whose fault an error reply is, and so who can fix it."""

    KEY = "key"
    BALANCE = "balance"
    PARAMETERS = "parameters"
    ADDRESS = "address"  # nothing is there: the base URL, or a model that is gone
    POLICY = "content policy"
    FULL = "full"  # too many tasks at once: the gate shrinks
    RATE = "rate"  # too many requests
    PROVIDER = "provider"
    MISSING = "missing"  # the provider does not know the task


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """An error reply.

    ``again`` is whether another try is sensible, ``after`` how long to wait in seconds if the provider says;
    ``rejected`` is whether the reply proves that a submit was not carried out, so that it may be sent again;
    ``renew`` is whether the credential should be renewed first. ``first`` is what a person should do before they look
    where this kind of fault usually is; with nothing after it.
    """

    whose: Whose
    message: str
    code: str = ""
    again: bool = False
    after: float | None = None
    rejected: bool = True
    renew: bool = False
    first: str = ""

    def __str__(self) -> str:
        """Say the provider's own words, with its code."""
        return f"{self.message} (code {self.code})" if self.code else self.message


class Phase(StrEnum):
    """What a provider says of a task."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asset:
    """Where a clip can be fetched, and whether that takes the credential (a relay's ``/content`` does, a CDN not)."""

    url: str
    credential: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What was learnt about one task."""

    phase: Phase
    reason: str = ""
    whose: Whose | None = None  # of a failure
    charged: bool | None = None  # of a failure: whether it costs money, where known
    asset: Asset | None = None
    cost: Cost | None = None
    position: int | None = None  # in the provider's queue


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as one provider will get it: the paid call, and every difference from the request."""

    call: Call
    losses: tuple[Loss, ...] = ()


Credential = Mapping[str, Any]
"""What `Dialect.sign` needs: the key, or a token fetched with it. ``expires_at`` (Unix s) if it expires."""


Learnt = Mapping[str, Status | KlingError]
"""What `Dialect.check` returns, by ticket id: the task's status, or the error that prevented the query."""


class Dialect(Protocol):
    """A wire protocol, bound to one provider's row. No method does I/O, sleeps or reads a clock.

    ``finds`` is whether `find` can tell what became of a submit whose answer was lost; ``cancels`` is whether the
    provider can cancel.
    """

    finds: bool
    cancels: bool

    def __init__(self, provider: Provider) -> None:
        """Bind to a provider, whose ``base_url`` is set."""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        """Spell a request that the catalogue accepts."""

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        """Read the reply to a submit; raises `Unreadable`, which leaves the submit in doubt.

        The engine calls it for a fault too: it follows an id found in a rejection, and tells a person of one in a fault
        that proves nothing. So it must not take anything else for an id.
        """

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, Learnt]:
        """Query tasks; returns each known status by ticket id, and omits tasks without news.

        A call that fails raises at its ``yield``. If other calls were answered, a dialect may return the error in place
        of the status of the tasks that could not be queried (`kling_nb.dialects.sparing`).
        """

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        """Look up the task that a submit (as `Call.shown`) made under our own id; `None`: there is none.

        The engine gives the submit's URL as it would be by now, where the base URL has changed since.
        """

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        """Ask for cancellation; returns whether the provider confirmed that the task will not run."""

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        """Return the ticket of a task that a person names by the provider's id; the call is as for `find`."""

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        """Return what `sign` needs; a provider whose token must be fetched yields the call that does."""

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        """Return the call with the credential in it; ``now`` is real Unix time in seconds."""

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        """Tell whether a reply is an answer (`None`) or a fault."""


def join(base_url: str, path: str) -> str:
    """Return the address of a path under a base URL, which may carry a path of its own."""
    return base_url.rstrip("/") + "/" + path.lstrip("/")


@lru_cache(maxsize=256)
def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL: the origin to which a credential belongs."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or default


def path_under(base_url: str, url: str) -> str:
    """Return the path of a URL below a base URL, which stays valid when the base URL changes.

    The host may be another by now. Raises `InputError` where the base URL has a path of its own which the URL lacks.
    """
    base, given = urlsplit(base_url.rstrip("/")).path, urlsplit(url)
    if not given.path.startswith(f"{base}/"):
        message = f"{url} was not sent to {base_url}; set the base URL again that it was sent to"
        raise InputError(message)
    return "/" + given.path.removeprefix(base).lstrip("/") + (f"?{given.query}" if given.query else "")
