"""What a provider is and what it sells, as records: the catalogue fills them, dialects spell by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from .excerpts import excerpt

VALUE_LONGEST = 80  # characters of a refused value in a sentence


class Support(StrEnum):
    """What a provider does with a field of a request."""

    TAKEN = "taken"  # it is sent, and does what its name says
    INERT = "inert"  # it is sent and accepted, and not documented to have an effect on this model
    DROPPED = "dropped"  # this provider or dialect has no place for it: it is left out
    REFUSED = "refused"  # the provider answers it with an error: nothing is sent


class Change(StrEnum):
    """What happens to a parameter between the request and the wire."""

    FILLED = "filled"  # left open, but the provider requires it: its documented default is sent
    DEFAULTED = "defaulted"  # left open and left out: the provider applies its own default
    COERCED = "coerced"  # arrives as a different value than was asked for
    DROPPED = "dropped"  # not sent: there is no place for it
    INERT = "inert"  # sent, and not documented to have an effect


LOSSES = frozenset({Change.COERCED, Change.DROPPED, Change.INERT})
"""The changes in which something that was asked for is lost; ``strict=True`` refuses these."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One difference between what was asked for and what is sent, with its reason and source."""

    field: str
    change: Change
    asked: Any
    sent: Any
    why: str
    source: str = ""

    @property
    def is_loss(self) -> bool:
        """Whether something that was asked for is lost; otherwise something left open was settled."""
        return self.change in LOSSES

    def __str__(self) -> str:
        """Say the change in one clause."""
        match self.change:
            case Change.FILLED:
                told = f"{self.field}={self.sent!r} is filled in"
            case Change.DEFAULTED:
                told = f"{self.field} is left to the provider, which takes {self.sent!r}"
            case Change.COERCED:
                told = f"{self.field}={self.asked!r} becomes {self.sent!r}"
            case Change.DROPPED:
                told = f"{self.field}={self.asked!r} is not sent"
            case Change.INERT:
                told = f"{self.field}={self.asked!r} is sent but has no known effect"
        return f"{told}: {self.why}" if self.why else told


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that a provider would refuse: the field, the value that came, what is allowed."""

    field: str
    value: Any
    allowed: str
    source: str = ""
    warning: bool = False  # sendable all the same, such as a model that the catalogue does not know

    def __str__(self) -> str:
        """Say what was expected and what came; a long value by its beginning."""
        return f"{self.field}={excerpt(repr(self.value), VALUE_LONGEST)}: {self.allowed}"


JSON_TYPES = (
    *("string", "integer", "number", "boolean", "true_false", "on_off"),
    *("object", "integers", "axes", "array", "json", "image"),
)
"""The types of a `Knob`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Knob:
    """How one field of a request is spelled in one offer.

    ``name`` is the key on the wire; dots in it lead into objects. ``type`` is the JSON type there: ``string``,
    ``integer``, ``number``, ``boolean``, ``true_false`` (as text), ``on_off``, ``object``, ``integers`` (an object of
    whole numbers), ``axes`` (the same, with all six of a camera), ``array``, ``json`` (an array as text) or ``image``.
    ``words`` are the provider's own words for ours. ``becomes`` is what the provider is known to make of a value: it
    is sent as asked, and told. ``default`` is what the provider applies when the field is left out (`None`: not
    documented); ``fill`` is sent when the field is left open, because the provider requires it or its own default
    costs money.
    """

    name: str
    support: Support = Support.TAKEN
    type: str = "string"
    words: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    becomes: tuple[tuple[Any, Any], ...] = ()
    default: Any = None
    fill: Any = None
    why: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One model at one provider, for one task type and mode: what it is called there, and how fields are spelled.

    ``needs`` names the part of a key (as `kling_nb.secret.split_key` does) without which the endpoint is not reached.
    """

    provider: str
    model: str
    task_type: str
    mode: str | None
    name: str  # the model's name on the wire
    endpoint: str  # path of the submit, without the base URL
    knobs: Mapping[str, Knob] = field(default_factory=lambda: MappingProxyType({}))
    known: bool = True
    needs: str = ""


FORMS: Mapping[str, str] = MappingProxyType(
    {
        "pair_or_token": "access:secret, an API key, or both with a comma between",
        "pair": "an id and its secret with a colon between",
        "token": "an API key, which has no colon or comma",
        "raw": "the key as the provider shows it",
    }
)
"""How a key can read, by `Provider.key`, in words."""


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A row of ``providers.toml``: where a provider is, which dialect it speaks, and its limits.

    ``slots`` is how many tasks may run at once before anything was learnt; ``slots_per`` says what the provider
    counts by: ``account`` or ``model``. ``per_check`` is how many tasks one status call can ask about.
    ``refunds_failures`` is whether the provider documents that a failed task costs nothing. ``models`` are those that
    it lists, where its menu has more; ``like`` is the provider whose key and host it takes where it has none itself.
    """

    id: str
    title: str
    dialect: str
    base_url: str | None
    key: str = "token"  # how its key reads: one of `FORMS`
    slots: int = 5
    slots_per: str = "model"
    per_check: int = 1
    refunds_failures: bool = False
    images: tuple[str, ...] = ("url",)  # ways an image can be given: url, base64, data_uri
    link_days: float | None = None  # how long a clip's link is documented to live
    source: str = ""
    read: str = ""
    models: tuple[str, ...] = ()
    like: str | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a point should cost, in USD, as an interval where sources disagree; `None` where no price is known."""

    low: Decimal | None
    high: Decimal | None
    source: str = ""
    assumed: bool = False

    @property
    def known(self) -> bool:
        """Whether there is a price at all."""
        return self.high is not None
