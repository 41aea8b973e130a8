"""Spelling a request by an offer's knobs: what every dialect does alike, and the report of what that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .dialect import Inline
from .fields import is_url
from .offer import Change, Knob, Loss, Offer, Support
from .request import VideoRequest


@dataclass
class Spelled:
    """A body in the making, and the losses so far."""

    body: dict[str, Any] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)


def spell(request: VideoRequest, offer: Offer, own: Mapping[str, Any]) -> Spelled:
    """Spell the fields of a request by an offer's knobs, and report what that changes.

    ``own`` spells a field in a dialect's own way where `spell_value` does not: field to function of knob and value.
    ``extra`` for the provider is merged last, as it is.
    """
    spelled = Spelled()
    given = request.given()
    for name, knob in offer.knobs.items():
        _spell_one(spelled, name, knob, given.get(name), own)
    _merge(spelled.body, request.extra.get(offer.provider, {}))
    return spelled


def _merge(body: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(body.get(key), dict):
            _merge(body[key], value)
        else:
            body[key] = value


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    """Put a value where a dotted name leads."""
    *steps, last = name.split(".")
    for step in steps:
        body = body.setdefault(step, {})
    body[last] = value


def _spell_one(spelled: Spelled, name: str, knob: Knob, value: Any, own: Mapping[str, Any]) -> None:
    change = _change(knob, value)
    sent = value if value is not None else knob.fill
    if change is not None:
        settled = _settled(knob, change, sent)
        spelled.losses.append(Loss(name, change, value, settled, knob.why, knob.source))
    if sent is None or change is Change.DROPPED:
        return
    _put(spelled.body, knob.name, own[name](knob, sent) if name in own else spell_value(knob, sent))


def _settled(knob: Knob, change: Change, sent: Any) -> Any:
    """Return what arrives in the end."""
    match change:
        case Change.DEFAULTED:
            return knob.default
        case Change.DROPPED:
            return None
        case Change.COERCED:
            return next(made for asked, made in knob.becomes if asked == sent)
        case _:
            return sent


def _change(knob: Knob, value: Any) -> Change | None:
    if value is None:
        if knob.fill is not None:
            return Change.FILLED
        return Change.DEFAULTED if knob.default is not None else None
    if knob.support is not Support.DROPPED and any(asked == value for asked, _ in knob.becomes):
        return Change.COERCED
    return {Support.DROPPED: Change.DROPPED, Support.INERT: Change.INERT}.get(knob.support)


def spell_value(knob: Knob, value: Any) -> Any:
    """Return a value in the provider's words and in the JSON type that a knob names."""
    if isinstance(value, str):
        value = knob.words.get(value, value)
    return _AS[knob.type](value) if knob.type in _AS else value


def _is_on(value: Any) -> bool:
    return value in (True, "on")


_AS: Mapping[str, Callable[[Any], Any]] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": _is_on,
    "true_false": lambda value: "true" if _is_on(value) else "false",
    "on_off": lambda value: "on" if _is_on(value) else "off",
}


def image_value(image: Any, form: str) -> Any:
    """Return an image as a body holds it: a URL as it is, a stored one inline in the form that is wanted."""
    return image if is_url(image) else Inline(str(image), form)
