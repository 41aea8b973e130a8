"""Values shortened for messages: the beginning of a long text, a field of a request in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CODE_LONGEST = 100  # characters of a value in a message
DIGITS = 12  # of an image's hash that are shown


def excerpt(text: str, most: int) -> str:
    """Return a text cut to at most ``most`` characters, with an ellipsis if it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def as_code(value: object) -> str:
    """Return a value as code in one line, for a message: a column of a table has as many lines as the table."""
    return excerpt(" ".join(repr(value).split()), CODE_LONGEST)


def in_words(value: Any) -> str:
    """Return a field of a request as a person reads it: a camera's moves, the prompts of shots, the begin of a hash."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        moves = [f"{name} {amount}" for name, amount in value.items() if name != "type"]
        return ", ".join([str(value.get("type", "")), *moves])
    if isinstance(value, list | tuple):
        return " / ".join(str(shot.get("prompt", shot)) if isinstance(shot, Mapping) else str(shot) for shot in value)
    text = str(value)
    return f"{text[: len('sha256:') + DIGITS]}…" if text.startswith("sha256:") else text


def plain(text: str) -> str:
    """Return foreign text in one line without control characters, which could rewrite a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
