"""Text that can be kept and sent: Python's may hold half a character, a file, a database or a request cannot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def whole(text: str, where: str = "it") -> str:
    """Return text; raises `ValueError`, saying where, for half a surrogate pair in it, which cannot be hashed or sent."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"{text[error.start]!r} at character {error.start + 1}, which is half of a character"
        mend = 'leave it out, or replace it by text.encode("utf-8", "replace").decode()'
        message = f"{where} holds {half} (a lone surrogate) and cannot be sent: {mend}"
        raise ValueError(message) from None
    return text


def all_whole(value: Any, where: str) -> None:
    """Raise `ValueError` as `whole` does for any text in a plain value, its names included."""
    if isinstance(value, str):
        whole(value, where)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            whole(str(name), f"a name in {where}")
            all_whole(item, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for place, item in enumerate(value):
            all_whole(item, f"{where}[{place}]")
