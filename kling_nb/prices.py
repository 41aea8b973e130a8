"""What one clip costs and how long it takes, read from tables that are as deep as they need to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Any

from .errors import InputError
from .menu import known_keys
from .offer import Estimate

KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "silent": ("silent",),
        "audio": ("audio", "silent"),
        "voice": ("voice", "audio", "silent"),
        "video": ("video", "audio", "silent"),
    }
)
"""The kinds of clip by sound and inputs, and the keys under which a kind's price is looked up, in this order."""

VOICES = ("voice_list", "voice_ids")
ELEMENTS = "elements"
VIDEOS = ("video_list",)
TENTH = 1.6  # how much longer 10 s take than 5 s, and clips with sound than silent ones: derived from
AUDIBLE = 1.3  # what several operators publish (eachlabs.ai, fal.ai, smithery, read 2026-11)


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """A provider's prices in USD: by the second, by the clip, with their source and notes by model.

    ``own`` says where the prices of a model are from that a user's own file lays over these.
    """

    per_s: Mapping[str, Any]
    per_clip: Mapping[str, Any]
    notes: Mapping[str, str]
    own: Mapping[str, str]
    source: str = ""
    read: str = ""

    def told(self, model: str) -> str:
        """Say where a model's price is from."""
        parts = [self.source, f"read {self.read}" if self.read else "", self.notes.get(model, "")]
        listed = ", ".join(filter(None, parts))
        if (own := self.own.get(model)) is None or own in listed:
            return listed or own or ""
        return f"{own}; what it leaves open: {listed}" if listed else own


def kind_of(extra: Mapping[str, Any], *, heard: bool) -> str:
    """Return the kind of clip that is priced, by its sound and by a provider's own knobs."""
    if any(extra.get(name) for name in VIDEOS):
        return "video"
    if any(extra.get(name) for name in VOICES) or _is_voiced(extra.get(ELEMENTS)):
        return "voice"
    return "audio" if heard else "silent"


def _is_voiced(elements: Any) -> bool:
    """Tell whether one of fal's elements is given a voice."""
    listed = elements if isinstance(elements, list | tuple) else ()
    return any(isinstance(element, Mapping) and element.get("voice_id") for element in listed)


def price_from(prices: PriceList, model: str, keys: Sequence[str], length: int, kind: str) -> Estimate | None:
    """Return the price of one clip; `None` where the list has none. A price by the clip goes before one by the second.

    ``keys`` are the task type and the mode, ``length`` is in seconds.
    """
    for table, factor in ((prices.per_clip, 1), (prices.per_s, length)):
        leaf = reach(table.get(model), [*keys, f"{length}s"], KINDS[kind])
        if leaf is not None:
            low, high = (tidy(amount * factor) for amount in _ends(leaf))
            return Estimate(low, high, prices.told(model))
    return None


def reach(node: Any, keys: Sequence[str], kinds: Sequence[str] = ()) -> Any:
    """Follow a table down by whichever keys it has; `None` where a table has none of them."""
    while isinstance(node, Mapping):
        node = next((node[key] for key in (*keys, *kinds) if key in node), None)
    return node


def seconds_from(typical: Any, keys: Sequence[str], length: int | None, *, heard: bool) -> float | None:
    """Return the typical time of a clip in seconds from that of a silent one of 5 s; `None` where it is not known."""
    median = reach(typical, keys)
    if median is None:
        return None
    longer = 1 + (TENTH - 1) * ((length or 5) - 5) / 5
    return round(float(median) * longer * (AUDIBLE if heard else 1), 1)


def price_list_from(provider: str, table: Mapping[str, Any]) -> PriceList:
    """Read a provider's prices; raises `InputError` for one that is not money written as text."""
    known_keys(table, ("per_s", "per_clip", "notes", "own", "source", "read"), f"[price.{provider}]")
    for way in ("per_s", "per_clip"):
        _all_money(table.get(way, {}), f"price.{provider}.{way}")
    return PriceList(**{"per_s": {}, "per_clip": {}, "notes": {}, "own": {}, **table})


def _all_money(node: Any, where: str) -> None:
    if isinstance(node, Mapping):
        for key, inner in node.items():
            _all_money(inner, f"{where}.{key}")
    elif not _is_money(node):
        message = (
            f"{where} should be a price in USD as text, such as '0.07', or two of them as [low, high]; got {node!r}"
        )
        raise InputError(message)


def _is_money(leaf: Any) -> bool:
    is_text = all(isinstance(text, str) for text in (leaf if isinstance(leaf, list) else [leaf]))
    try:
        low, high = _ends(leaf)
        return is_text and Decimal(0) <= low <= high < Decimal("Infinity")
    except (InvalidOperation, ValueError, TypeError):
        return False


def tidy(amount: Decimal) -> Decimal:
    """Return an amount without trailing zeros or an exponent."""
    return Decimal(f"{amount.normalize():f}")


def _ends(leaf: Any) -> tuple[Decimal, Decimal]:
    low, high = leaf if isinstance(leaf, list) else (leaf, leaf)
    return Decimal(low), Decimal(high)
