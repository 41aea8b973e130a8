"""The beginning of what is too long to show: a text by others, or a value in a message."""

from __future__ import annotations

CODE_LONGEST = 100  # characters of a value in a message


def excerpt(text: str, most: int) -> str:
    """Return a text of at most so many characters; of a longer one the beginning, and an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def as_code(value: object) -> str:
    """Return a value as code in one line, for a message: a column of a table has as many lines as the table."""
    return excerpt(" ".join(repr(value).split()), CODE_LONGEST)
