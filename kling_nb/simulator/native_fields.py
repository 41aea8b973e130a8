"""How native Kling reads single fields of a body, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Body = Mapping[str, Any]


class Refused(Exception):
    """A request that the service rejects: HTTP status, code and message."""

    def __init__(self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = (status, code, message, dict(headers or {}))


def bad(message: str) -> Refused:
    """A 1201, "invalid key or value"."""
    return Refused(400, 1201, message)


def wrong(key: str, value: object) -> Refused:
    """A 1201 about one value."""
    return bad(f"{key} value '{value}' is invalid")


def choice_of(body: Body, key: str, allowed: Sequence[str], default: str) -> str:
    """One of the allowed words, or the default where there is none."""
    value = body.get(key)
    if value is None or value == "":
        return default
    if value not in allowed:
        raise wrong(key, value)
    return str(value)


def text_of(body: Body, key: str) -> str:
    """A text, or nothing."""
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise wrong(key, value)
    return value or ""


def list_of(body: Body, key: str) -> list[Any]:
    """A list, or an empty one."""
    value = body.get(key)
    if value is not None and not isinstance(value, list):
        raise wrong(key, value)
    return value or []


def is_number(value: object, low: float, high: float) -> bool:
    """Whether it is a number within bounds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def push_back(code: int, retry_after: float | None) -> Refused:
    """A 429 that passes: too many tasks at once (1303), or too many requests."""
    message = "parallel task over resource pack limit" if code == 1303 else "API request rate limit exceeded"
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Refused(429, code, message, headers)
