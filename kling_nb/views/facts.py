"""A point's facts in words, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

from ..excerpts import excerpt
from ..fields import is_stored
from ..plan import dollars

Row = Mapping[str, Any]
"""A point: some of the columns of ``lab.df()``, by name."""

NOTHING = "—"
LONGEST = 1_000
"""Characters of one fact: a note or a model's name has no end of its own, and a saved notebook holds many facts."""

UNBOUGHT = frozenset({"refused", "failed", "cancelled"})
"""The states in which a clip costs what was charged for it, and nothing where that is not known to be something."""

ASKED = (
    *("model", "mode", "provider", "duration", "aspect_ratio", "cfg_scale", "negative_prompt", "image", "image_tail"),
    *("sound_asked", "camera_control", "multi_shot", "shot_type", "multi_prompt", "watermark"),
)
CAME = (
    *("price", "length", "size", "sound", "losses", "sample", "run", "point", "took", "submitted_at", "remote_id"),
    *("sha256", "note"),
)
"""A point's facts in their order: what was asked for, after which come the variables of its prompts, and what came."""


def word(name: str, value: Any) -> str:
    """Return one value of a column as a person reads it."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g} s" if name == "duration" else f"{value:g}"
    return str(value)


def called(name: str) -> str:
    """Return the name of a column as a person reads it: that of a prompt's variable or a request's field."""
    return "sound" if name == "sound_asked" else name.removeprefix("var_")


def cut(words: str) -> str:
    """Return words for reading, cut where they are too long to show."""
    return excerpt(words, LONGEST)


def images_of(name: str, rows: Iterable[Row]) -> dict[str, str]:
    """Return the lab's own images by what a column calls them; a person's own frame may lack the requests."""
    asked = [(word(name, row.get(name)), _request(row).get(name)) for row in rows]
    return {words: image for words, image in asked if isinstance(image, str) and is_stored(image)}


def _request(row: Row) -> Mapping[str, Any]:
    held: Any = None
    with suppress(ValueError, TypeError):
        held = json.loads(row.get("request") or "")
    return held if isinstance(held, Mapping) else {}


def reason_of(row: Row, state: str) -> str:
    """Return why a point stands where it does; for one in doubt with the price at stake."""
    reason = str(row.get("reason") or "")
    if state != "uncertain":
        return cut(reason)
    stake = price(row)
    return " · ".join(part for part in (cut(reason), f"{stake} at stake" if stake else "") if part)


def flags_of(value: Any) -> tuple[str, ...]:
    """Return a clip's differences from what was asked, given as one text or several."""
    if not value:
        return ()
    return tuple(flag for flag in value.split("; ") if flag) if isinstance(value, str) else tuple(map(str, value))


def _money(row: Row) -> Decimal | None:
    value = row.get("cost_usd") if row.get("cost_usd") is not None else row.get("estimate_usd")
    return None if value is None else Decimal(str(value))


def spent(row: Row) -> Decimal:
    """Return what counts as spent: the log's own figure, else the price of what is saved."""
    if row.get("spent_usd") is not None:
        return Decimal(str(row["spent_usd"]))
    return (_money(row) or Decimal(0)) if row.get("state") == "saved" else Decimal(0)


def price(row: Row) -> str:
    """Return what it cost, or about what it would, in USD; nothing where that is not known or nothing was bought."""
    money, exact = _money(row), row.get("cost_usd") is not None
    if money is None or (row.get("state") in UNBOUGHT and not exact and not spent(row)):
        return ""
    return f"{'' if exact else '≈ '}{dollars(money)}"


def summary_of(row: Row, told: Iterable[str]) -> str:
    """Return a line of facts, without those that the headings and the label have told."""
    length = row.get("seconds") or row.get("duration")
    names = (row.get(name) for name in ("model", "mode") if name not in told)
    parts = (*names, f"{length:.3g} s" if length else None, price(row))
    return " · ".join(cut(str(part)).replace(" ", "\N{NO-BREAK SPACE}") for part in parts if part)


def facts_of(row: Row) -> tuple[tuple[str, str], ...]:
    """Return all that is known of a point, by name; of one that was asked for and measured, what was asked for."""
    variables = [name for name in row if name.startswith("var_")]
    known = {**row, "price": price(row), "length": _length(row), "size": _size(row), "took": _took(row)}
    names = [name for name in (*ASKED, *variables, *CAME) if known.get(name) not in (None, "")]
    told: dict[str, str] = {}
    for name in names:
        told.setdefault(called(name).removesuffix("_at"), cut(word(name, known[name])))
    return tuple(told.items())


def _length(row: Row) -> str:
    return f"{row['seconds']:.2f} s" if row.get("seconds") else ""


def _size(row: Row) -> str:
    if not (row.get("width") and row.get("height")):
        return ""
    size = f"{row['width']} × {row['height']}"
    return f"{size}, {row['fps']:g} fps" if row.get("fps") else size


def _took(row: Row) -> str:
    start, end = row.get("submitted_at"), row.get("done_at") or row.get("saved_at")
    return f"{(end - start).total_seconds():.0f} s" if isinstance(start, datetime) and isinstance(end, datetime) else ""
