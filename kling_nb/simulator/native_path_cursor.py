"""The cursor listing of Kling's path API: a window of time, filters, and where in it a page begins."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from kling_nb.simulator.native_fields import Body, bad, list_of, text_of, wrong
from kling_nb.simulator.world import DAY_S

MOST = 500
FILTERS = {
    "status": ("submitted", "processing", "succeeded", "failed"),
    "product_type": ("video", "image", "try_on"),
}


@dataclass(frozen=True)
class Window:
    """What one call lists; *offset* counts from the newest task of the window.

    A cursor holds the window it began with, so that tasks made meanwhile shift nothing; its look is this
    simulator's own, as the service's is not documented.
    """

    start_s: float
    end_s: float
    offset: int
    limit: int
    filters: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def read(cls, body: Body, now: float) -> Window:
        """The window of a call's body; raises ``Refused``."""
        limit = body.get("limit", 100)
        if type(limit) is not int or not 1 <= limit <= MOST:
            raise wrong("limit", limit)
        filters = tuple(map(_filter, list_of(body, "filters")))
        if cursor := text_of(body, "cursor"):
            return replace(_opened(cursor), limit=limit, filters=filters)
        end = _instant(body, "end_time", now)
        start = _instant(body, "start_time", end - 30 * DAY_S)
        if start >= end:
            raise bad("start_time must be earlier than end_time")
        return cls(start, end, 0, limit, filters)

    @property
    def next(self) -> str:
        """The cursor of the page after this one."""
        text = f"{self.start_s!r} {self.end_s!r} {self.offset + self.limit}"
        return base64.urlsafe_b64encode(text.encode()).decode()

    def wants(self, status: str) -> bool:
        """Whether the filters let a video task of this status through."""
        told = {"status": status, "product_type": "video"}
        return all(told[key] in values for key, values in self.filters)


def _instant(body: Body, key: str, default: float) -> float:
    """Milliseconds, in seconds: 3.0 Turbo's page has them as a number, O1's as text."""
    value = body.get(key)
    text = str(value) if type(value) is int else text_of(body, key)
    if text and not (text.isascii() and text.isdigit() and len(text) < 16):
        raise wrong(key, text)
    return int(text) / 1000 if text else default


def _filter(item: object) -> tuple[str, tuple[str, ...]]:
    key, values = (item.get("key"), item.get("values")) if isinstance(item, dict) else (None, None)
    if not isinstance(key, str) or key not in FILTERS:
        raise wrong("filters.key", key)
    if not isinstance(values, list) or any(value not in FILTERS[key] for value in values):
        raise wrong("filters.values", values)
    return key, tuple(values)


def _opened(cursor: str) -> Window:
    try:
        start, end, offset = base64.urlsafe_b64decode(cursor).decode().split()
        return Window(float(start), float(end), int(offset), 0, ())
    except ValueError:
        raise wrong("cursor", cursor) from None
