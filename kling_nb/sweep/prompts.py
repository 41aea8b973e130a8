"""Prompts with holes: plain ``{name}`` substitution, in which ``{{`` and ``}}`` are braces, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from ..errors import SweepError
from ..excerpts import excerpt

QUOTED_LONGEST = 60  # characters of a prompt in a message
_PIECES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")


def names(text: str) -> tuple[str, ...]:
    """Return the names of the variables of a prompt, each once, in the order of their first occurrence.

    Raises `SweepError` for a brace that is neither doubled nor around a name.
    """
    return tuple(dict.fromkeys(word for word, is_name in _read(text) if is_name))


def fill(text: str, values: Mapping[str, object]) -> str:
    """Return a prompt with its variables replaced by ``str(value)``; what is put in is not read again.

    Raises `KeyError` for a variable without a value.
    """
    return "".join(str(values[word]) if is_name else word for word, is_name in _read(text))


def escape(text: str) -> str:
    """Return a prompt that stands for this very text: every brace doubled."""
    return text.replace("{", "{{").replace("}", "}}")


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[tuple[str, bool], ...]:
    return tuple(_piece(text, found) for found in _PIECES.finditer(text))


def _piece(text: str, found: re.Match[str]) -> tuple[str, bool]:
    piece, name = found.group(), found.group(1)
    if name is not None and name.isidentifier():
        return name, True
    if piece in {"{{", "}}"}:
        return piece[0], False
    if piece[0] in "{}":
        message = (
            f"{piece!r} at character {found.start() + 1} of the prompt {excerpt(text, QUOTED_LONGEST)!r} is not a variable: a variable is "
            f"{{name}}, and a literal brace is written twice, {escape(piece)!r}"
        )
        raise SweepError(message)
    return piece, False
