"""A key: how it reads, and how it stays out of sight."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import NoReturn

from .errors import InputError
from .offer import FORMS, Provider

QUOTES = "\"'`"
"""What a key is quoted with, where `%env` and others take the quotes for a part of it."""
GIVEN = "keys="
"""Where a key is from that was given by hand."""
MARK = 6
"""Hexadecimal digits of a key's mark: one in sixteen million other keys has the same."""


def form_of(kind: str) -> str:
    """Describe the form of a kind of key in words; an unknown kind is `raw`, which is taken as it is."""
    return FORMS.get(kind, FORMS["raw"])


def in_one_piece(key: str, provider: str, like: str) -> str:
    """Return a key that is taken whole; raises `InputError` for none or a space inside, as from a careless copy."""
    if not key or key != "".join(key.split()):
        message = f"the key of {provider} should be one piece such as {like}, without spaces"
        raise InputError(message)
    return key


class Secret:
    """A key that shows only where it came from: not printed, formatted, pickled, copied or made into JSON.

    ``source`` says where it was found. At most its last four characters are shown, of one long enough.
    """

    __slots__ = ("_text", "source")

    def __init__(self, text: str, source: str) -> None:
        self._text = text.strip()
        self.source = source

    def reveal(self) -> str:
        """Return the key itself."""
        return self._text

    @property
    def masked(self) -> str:
        """The last four characters behind dots; only dots of a key so short that these would give it away."""
        return "••••" + (self._text[-4:] if len(self._text) >= 16 else "")

    def mark(self, lab_key: str) -> str:
        """Return a short mark that distinguishes the lab's keys, too short to verify a guessed key."""
        return hmac.new(lab_key.encode(), self._text.encode(), hashlib.sha256).hexdigest()[:MARK]

    def __bool__(self) -> bool:
        """Tell whether there is anything in it."""
        return bool(self._text)

    def __repr__(self) -> str:
        """Show the source and the masked key."""
        return f"Secret({self.masked} from {self.source})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied; raises `TypeError`."""
        message = "a key is not pickled or copied: look it up where it is needed"
        raise TypeError(message)


def hidden(given: Mapping[str, str | Secret]) -> dict[str, Secret]:
    """Return keys by provider, each a `Secret`, so that no traceback that shows local variables shows one."""
    return {name: key if isinstance(key, Secret) else Secret(key or "", GIVEN) for name, key in given.items()}


def parse(provider: Provider, secret: Secret) -> dict[str, str]:
    """Return the parts of a provider's key: ``access`` and ``secret``, ``token``, or all three.

    Raises `InputError` saying what was expected and where the key came from, without showing it.
    """
    try:
        return split_key(provider.key, secret.reveal())
    except InputError as error:
        message = f"the key of {provider.id!r} from {secret.source} cannot be used: {error}"
    # Raised here and not above, so that no link leads to where the key is a local variable.
    raise InputError(message)


def split_key(kind: str, text: str) -> dict[str, str]:
    """Return the parts of a key that reads as ``kind``, one of `FORMS`: ``access`` and ``secret``, ``token``, or all.

    Raises `InputError` saying what was expected; the key is not in it.
    """
    pieces = [piece.strip() for piece in text.split(",")] if kind == "pair_or_token" else [text.strip()]
    wrong = next((why for piece in pieces if (why := _unsendable(piece))), None)
    parts: dict[str, str] = {}
    for piece in [] if wrong else pieces:
        part = _part(kind, piece)
        wrong = wrong or (None if part and not part.keys() & parts.keys() else "it is in another form")
        parts |= part
    if wrong:
        message = f"expected {form_of(kind)}, and {wrong}"
        raise InputError(message)
    return parts


def _part(kind: str, piece: str) -> dict[str, str]:
    """Return what one piece of a key is; nothing where it is not in the form."""
    access, colon, secret = piece.partition(":")
    if kind in {"pair", "pair_or_token"} and colon:
        return {"access": access, "secret": secret} if access and secret else {}
    if kind == "pair" or (kind == "token" and (colon or "," in piece)):
        return {}
    return {"token": piece}


def _unsendable(piece: str) -> str | None:
    """Say what keeps a key from travelling in a header, in words that do not give it away."""
    if not piece:
        return "a part of it is empty"
    if piece[0] in QUOTES or piece[-1] in QUOTES:
        return "there are quotation marks around it: leave them out"
    if any(letter.isspace() for letter in piece):
        return "it contains a space or a line break"
    if not all("!" <= letter <= "~" for letter in piece):
        return "it contains a character that no key has (an accent, a typographic dash or quote, something invisible)"
    return None
